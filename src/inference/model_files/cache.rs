//! The folder that holds model files: a lock, atomic writes, and records that make it unnecessary
//! to hash a file at every start.
//!
//! Beside a file `x.gguf` lies its record `x.gguf.json`. A file is trusted while its size and
//! time of modification are those in the record; otherwise it is hashed again, and made again if
//! the hash differs as well. A file without a record was never finished.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Error, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempDir};

use super::{Report, Step, tell};

/// The models folder, held by this process alone.
///
/// Only its holder writes in the folder, so temporary files found on locking it belong to
/// processes that died. The operating system frees the lock of a process that dies.
pub(super) struct LockedFolder {
    path: PathBuf,
    _lock: File,
}

/// What a model file is and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// In hexadecimal digits.
    pub sha256: String,
    /// The type of its matrices, such as `Q8_0`; `GGUF` where nobody looked.
    pub format: String,
    /// In words, with the short hash of what it was made from.
    pub origin: String,
}

/// One file in the models folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    pub path: PathBuf,
    pub bytes: u64,
    /// None if the file changed since it was recorded: it is verified when it is used next.
    pub identity: Option<Identity>,
}

pub(crate) const TEMPORARY: &str = ".tmp-";
const LOCK_FILE: &str = ".lock";
pub(super) const CHUNK_BYTES: usize = 1 << 20;

impl LockedFolder {
    /// Makes the folder if need be, waits until no other process holds it, and removes what
    /// processes that died left there.
    pub(super) fn lock(path: &Path, report: &mut Report<'_>) -> Result<Self> {
        let lock = fs::create_dir_all(path)
            .and_then(|()| File::create(path.join(LOCK_FILE)))
            .map_err(|error| cannot_write(path, &error))?;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    tell(report, Step::Waiting, 0, 0)?;
                    thread::sleep(Duration::from_millis(100));
                }
                Err(TryLockError::Error(error)) => return Err(cannot_write(path, &error)),
            }
        }
        remove_leftovers(path);
        Ok(Self {
            path: path.to_path_buf(),
            _lock: lock,
        })
    }

    /// A folder for downloads, removed with everything in it when it is dropped.
    pub(super) fn temporary_folder(&self) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempdir_in(&self.path)
            .map_err(|error| cannot_write(&self.path, &error))
    }

    /// Writes a file of `bytes` bytes that appears under `name` only when `fill` has succeeded
    /// and everything is on the disk.
    pub(super) fn write(
        &self,
        name: &str,
        bytes: u64,
        format: &str,
        origin: &str,
        fill: impl FnOnce(&mut HashedFile) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path.join(name);
        let mut file = HashedFile {
            file: temporary_file(&self.path).map_err(|error| cannot_write(&self.path, &error))?,
            hasher: Sha256::new(),
            unsynced: 0,
        };
        fill(&mut file)
            .and_then(|()| Ok(file.file.as_file().sync_all()?))
            .map_err(|error| explain_full_disk(error, &self.path, bytes))?;
        let identity = Identity {
            sha256: file.sha256(),
            format: format.to_owned(),
            origin: origin.to_owned(),
        };
        file.file
            .persist(&path)
            .map_err(|error| cannot_write(&self.path, &error.error))?;
        self.record(&path, &record_path(&path), identity)?;
        Ok(path)
    }

    /// Whether the file is the one that `identity` describes. Hashes it unless its record says
    /// so already, and renews the record.
    pub(super) fn confirm(
        &self,
        path: &Path,
        identity: Identity,
        report: &mut Report<'_>,
    ) -> Result<bool> {
        let record = record_path(path);
        if trusted(path, &record).is_some_and(|known| known.sha256 == identity.sha256) {
            return Ok(true);
        }
        if !path.exists() || sha256_of_file(path, report)? != identity.sha256 {
            return Ok(false);
        }
        self.record(path, &record, identity)?;
        Ok(true)
    }

    /// Remembers the identity of a file, so that it need not be hashed while its size and time
    /// of modification stay the same.
    pub(super) fn record(&self, path: &Path, record: &Path, identity: Identity) -> Result<()> {
        let (bytes, modified) =
            size_and_time(path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = serde_json::to_vec_pretty(&Record {
            bytes,
            modified,
            identity,
        })?;
        let write = || -> io::Result<()> {
            let mut temporary = temporary_file(&self.path)?;
            temporary.write_all(&text)?;
            temporary.as_file().sync_all()?;
            temporary.persist(record)?;
            sync_folder(&self.path)
        };
        write().map_err(|error| cannot_write(&self.path, &error))
    }
}

/// A temporary file and the hash of what has been written to it.
pub(super) struct HashedFile {
    file: NamedTempFile,
    hasher: Sha256,
    unsynced: usize,
}

impl HashedFile {
    /// The hash of what has been written so far, in hexadecimal digits.
    pub(super) fn sha256(&self) -> String {
        hexadecimal(&self.hasher.clone().finalize())
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.unsynced += written;
        // One sync at the end of hundreds of megabytes could not be interrupted for seconds.
        if self.unsynced >= 4 << 20 {
            self.file.as_file().sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    bytes: u64,
    modified: SystemTime,
    #[serde(flatten)]
    identity: Identity,
}

/// Where the record of a file in the models folder lies.
pub(super) fn record_path(path: &Path) -> PathBuf {
    let mut record = path.as_os_str().to_owned();
    record.push(".json");
    record.into()
}

/// What the record says, if the file still has the size and time of modification in it.
pub(super) fn trusted(path: &Path, record: &Path) -> Option<Identity> {
    let record = read_record(record)?;
    let same = size_and_time(path).ok()? == (record.bytes, record.modified);
    same.then_some(record.identity)
}

/// What the record says, whether or not the file is still the same.
pub(super) fn recorded(record: &Path) -> Option<Identity> {
    Some(read_record(record)?.identity)
}

fn read_record(record: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(record).ok()?).ok()
}

fn size_and_time(path: &Path) -> io::Result<(u64, SystemTime)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.len(), metadata.modified()?))
}

pub(super) fn sha256_of_file(path: &Path, report: &mut Report<'_>) -> Result<String> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(cannot_read)?;
    let total = file.metadata().with_context(cannot_read)?.len();
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        tell(report, Step::Verifying, bytes, total)?;
        let read = file.read(&mut chunk).with_context(cannot_read)?;
        if read == 0 {
            return Ok(hexadecimal(&hasher.finalize()));
        }
        hasher.update(&chunk[..read]);
        bytes += read as u64;
    }
}

/// The hash of a file's content, in hexadecimal digits.
pub fn sha256_of_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The hash of several texts, in hexadecimal digits.
pub(super) fn sha256_of(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        // Keeps ["ab", "c"] apart from ["a", "bc"].
        hasher.update([0]);
    }
    hexadecimal(&hasher.finalize())
}

/// The digits of a hash that are shown to people and used in file names.
pub(super) fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

pub(crate) fn temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // By default only the owner could read it; but who prepares a model for the bot may be
    // another user than the bot runs as.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(TEMPORARY).tempfile_in(folder)
}

/// Replaces a file in one step: whoever reads it sees the old content or the new one.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_file(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let mut file = temporary_file(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name))?;
    sync_folder(folder)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Cleans up after processes that were killed, unless another one is at work right now.
pub(super) fn remove_leftovers_of_dead_processes(models: &Path) {
    if let Ok(lock) = File::open(models.join(LOCK_FILE))
        && lock.try_lock().is_ok()
    {
        remove_leftovers(models);
    }
}

pub(crate) fn remove_leftovers(models: &Path) {
    let Ok(entries) = fs::read_dir(models) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            let path = entry.path();
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            if let Err(error) = removed {
                tracing::warn!(path = %path.display(), %error, "cannot remove a temporary file");
            }
        }
    }
}

pub(super) fn list(models: &Path) -> Result<Vec<ModelEntry>> {
    let entries = match fs::read_dir(models) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => bail!(
            "cannot read the models folder {}: {error}",
            models.display()
        ),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot read the models folder {}", models.display()))?
            .path();
        let Ok((bytes, _)) = size_and_time(&path) else {
            continue;
        };
        if path
            .extension()
            .is_some_and(|extension| extension == "gguf")
        {
            let identity = trusted(&path, &record_path(&path));
            found.push(ModelEntry {
                path,
                bytes,
                identity,
            });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn cannot_write(folder: &Path, error: &io::Error) -> Error {
    let folder = folder.display();
    if is_full_disk(error) {
        return anyhow!("no space left in {folder}: free some, or set ACCORD_DATA_DIR to another");
    }
    anyhow!(
        "cannot write in {folder} ({error}): make it writable, or set ACCORD_DATA_DIR to another \
         folder"
    )
}

/// Replaces an error caused by a full disk by one that says how much is needed where.
fn explain_full_disk(error: Error, folder: &Path, bytes: u64) -> Error {
    let full = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(is_full_disk);
    if full { no_space(folder, bytes) } else { error }
}

pub(super) fn no_space(folder: &Path, bytes: u64) -> Error {
    anyhow!(
        "no space left in {}: {} MB are needed; free some, or set ACCORD_DATA_DIR to another \
         folder",
        folder.display(),
        bytes.div_ceil(1_000_000)
    )
}

fn is_full_disk(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

/// Makes a rename last through a power failure. Windows cannot open folders and needs no such
/// call.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::mpsc;

    use super::super::{Interrupted, Progress};
    use super::*;

    fn quiet(_: Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn lock(models: &Path) -> LockedFolder {
        LockedFolder::lock(models, &mut quiet).unwrap()
    }

    fn write(models: &Path, name: &str, text: &str) -> PathBuf {
        lock(models)
            .write(name, 1, "Q8_0", "a test", |file| {
                Ok(file.write_all(text.as_bytes())?)
            })
            .unwrap()
    }

    fn is_trusted(path: &Path) -> bool {
        trusted(path, &record_path(path)).is_some()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_written_file_is_trusted_until_it_changes() {
        let models = tempfile::tempdir().unwrap();
        let path = write(models.path(), "x.gguf", "whole");
        assert!(is_trusted(&path));
        fs::write(&path, "who").unwrap();
        assert!(!is_trusted(&path));
        fs::write(&path, "other").unwrap();
        let time = SystemTime::UNIX_EPOCH;
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        assert!(!is_trusted(&path));
    }

    #[test]
    fn a_copied_file_is_confirmed_by_its_hash() {
        let models = tempfile::tempdir().unwrap();
        let path = write(models.path(), "x.gguf", "whole");
        let identity = recorded(&record_path(&path)).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        let folder = lock(models.path());
        assert!(folder.confirm(&path, identity.clone(), &mut quiet).unwrap());
        assert!(is_trusted(&path));
        fs::write(&path, "other").unwrap();
        assert!(!folder.confirm(&path, identity, &mut quiet).unwrap());
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let models = tempfile::tempdir().unwrap();
        let result = lock(models.path()).write("x.gguf", 1, "", "", |file| {
            file.write_all(b"half")?;
            bail!("stopped")
        });
        assert_eq!(result.unwrap_err().to_string(), "stopped");
        assert_eq!(names(models.path()), [LOCK_FILE]);
    }

    #[test]
    fn a_failed_write_keeps_the_former_file() {
        let models = tempfile::tempdir().unwrap();
        let path = write(models.path(), "x.gguf", "former");
        let result = lock(models.path()).write("x.gguf", 1, "", "", |_| bail!("stopped"));
        assert!(result.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "former");
        assert!(is_trusted(&path));
    }

    #[test]
    fn leftovers_are_removed_unless_another_process_is_at_work() {
        let models = tempfile::tempdir().unwrap();
        let held = lock(models.path());
        fs::write(models.path().join(".tmp-file"), "half").unwrap();
        fs::create_dir(models.path().join(".tmp-folder")).unwrap();
        fs::write(models.path().join(".tmp-folder/x.whl"), "half").unwrap();
        fs::write(models.path().join("kept.gguf"), "whole").unwrap();
        remove_leftovers_of_dead_processes(models.path());
        assert_eq!(names(models.path()).len(), 4);
        drop(held);
        remove_leftovers_of_dead_processes(models.path());
        assert_eq!(names(models.path()), [LOCK_FILE, "kept.gguf"]);
    }

    #[test]
    fn a_second_process_waits_for_the_first() {
        let models = tempfile::tempdir().unwrap();
        let held = lock(models.path());
        let (waiting, told) = mpsc::channel();
        thread::scope(|scope| {
            let second = scope.spawn(|| {
                LockedFolder::lock(models.path(), &mut |progress| {
                    waiting.send(progress.step).unwrap();
                    ControlFlow::Continue(())
                })
                .is_ok()
            });
            assert_eq!(told.recv().unwrap(), Step::Waiting);
            drop(held);
            assert!(second.join().unwrap());
        });
    }

    #[test]
    fn waiting_can_be_interrupted() {
        let models = tempfile::tempdir().unwrap();
        let _held = lock(models.path());
        let error = LockedFolder::lock(models.path(), &mut |_| ControlFlow::Break(()))
            .err()
            .unwrap();
        assert!(error.is::<Interrupted>());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::NamedTempFile::new().unwrap();
        let models = folder.path().join("models");
        let error = LockedFolder::lock(&models, &mut quiet).err().unwrap();
        let text = format!("{error:#}");
        assert!(
            text.starts_with(&format!("cannot write in {}", models.display())),
            "{text}"
        );
        assert!(text.contains("ACCORD_DATA_DIR"), "{text}");
    }

    #[test]
    fn a_full_disk_is_explained_with_the_space_needed() {
        let models = tempfile::tempdir().unwrap();
        let error = lock(models.path())
            .write("x.gguf", 98_362_432, "", "", |_| {
                Err(io::Error::from(ErrorKind::StorageFull)).context("while writing")
            })
            .unwrap_err();
        assert!(
            format!("{error:#}").starts_with(&format!(
                "no space left in {}: 99 MB are needed",
                models.path().display()
            )),
            "{error:#}"
        );
    }

    #[test]
    fn the_list_tells_what_each_file_is() {
        let models = tempfile::tempdir().unwrap();
        assert_eq!(list(&models.path().join("none")).unwrap(), []);
        write(models.path(), "b.gguf", "whole");
        fs::write(models.path().join("a.gguf"), "unknown").unwrap();
        let entries = list(models.path()).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].identity, None);
        assert_eq!(entries[1].bytes, 5);
        assert_eq!(entries[1].identity.as_ref().unwrap().format, "Q8_0");
    }

    #[test]
    fn a_hash_tells_its_parts_apart() {
        assert_ne!(sha256_of(&["ab", "c"]), sha256_of(&["a", "bc"]));
    }
}
