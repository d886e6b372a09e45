//! The folder of the store: one process at a time has it, and there is a whole tree in it at any
//! moment.
//!
//! `tree` is sled's. While the store is rewritten, the new tree is made in `tree.part`; once it is
//! whole that becomes `tree.next`, and from then on it is the store, whatever happens: opening
//! finishes what was begun. The old one is put aside as `tree.old` and deleted. As long as there is a
//! file `stale`, what was removed from the tree may still be found in its files. A damaged tree that was
//! replaced by a backup stays as `tree.damaged` until the tree is rewritten.

use std::fs::{self, File, TryLockError};
use std::io;
use std::mem::{self, ManuallyDrop};
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use thiserror::Error;

use super::Damaged;
use super::backup::{self, Backup};
use super::keys::Key;
use super::records::{NextNumber, decode, encode};
use super::writer::CANNOT_READ;

/// What sled calls a database: all of ours is in its default tree. The number of entries in a leaf
/// is part of the files' format; a leaf is what is written for one changed entry.
pub(super) type Tree = sled::Db<64>;

/// Another process has the store open.
#[derive(Debug, Error)]
#[error(
    "another process has the store in {} open: stop the other Accord that runs with this data \
     folder, or give this one a data folder of its own",
    .0.display()
)]
pub struct InUse(PathBuf);

/// The folder, locked as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, and waits a little where another process still has it.
    ///
    /// # Errors
    /// A folder that cannot be written, or that another process keeps.
    pub fn lock(path: &Path) -> Result<Self> {
        let cannot_write = || format!("cannot write in the store's folder {}", path.display());
        make_private(path).with_context(cannot_write)?;
        let lock = File::create(path.join("lock")).with_context(cannot_write)?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error).with_context(cannot_write),
                Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => bail!(InUse(path.to_owned())),
            }
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Opens the tree, after finishing or undoing a rewriting that was interrupted.
    ///
    /// # Errors
    /// A tree that cannot be read or written.
    pub fn open_tree(&self) -> Result<Tree> {
        self.settle().with_context(|| self.cannot_write())?;
        let tree = self.path.join(TREE);
        mend(&tree).with_context(|| self.cannot_write())?;
        let opened = open(&tree).with_context(|| {
            format!(
                "cannot open the store in {}: if it is damaged, restore a backup",
                self.path.display()
            )
        })?;
        // A power failure must not leave a tree that was half made.
        if !opened.was_recovered() {
            sync_all_in(&tree)
                .and_then(|()| sync_folder(&self.path))
                .with_context(|| self.cannot_write())?;
        }
        Ok(opened)
    }

    /// Writes what a tree holds into a new one, for [`Self::replace_tree`].
    ///
    /// # Errors
    /// When the new tree cannot be written. The old one is as it was.
    pub fn copy_tree(&self, tree: &Tree) -> Result<()> {
        // Nobody knows what is in it, perhaps what is being erased.
        remove(&self.damaged()).with_context(|| self.cannot_write())?;
        let part = self.path.join(PART);
        copy(tree, &part)
            .inspect_err(|_| {
                let _ = remove(&part);
            })
            .with_context(|| {
                format!(
                    "cannot rewrite the store in {}; there must be room for it once more",
                    self.path.display()
                )
            })
    }

    /// Puts the copy in the place of the tree, which is dropped, and opens it.
    ///
    /// # Errors
    /// When that cannot be done. Then nobody knows which of the two is the store, until it is opened
    /// again.
    pub fn replace_tree(&self, tree: Tree) -> Result<Tree> {
        drop(tree);
        self.commit_copy().with_context(|| self.cannot_write())?;
        self.open_tree()
    }

    /// See [`super::Store::restore`] and [`super::Store::restore_over_damaged`].
    ///
    /// # Errors
    /// A backup that is damaged, a folder that cannot be written, and a tree that reads otherwise than
    /// the backup. All is then as it was.
    pub fn restore(&self, file: &Path, over_damaged: bool) -> Result<Backup> {
        self.settle().with_context(|| self.cannot_write())?;
        let part = self.path.join(PART);
        let restored = self.fill(&part, file).inspect_err(|_| {
            let _ = remove(&part);
        })?;
        let (tree, damaged) = (self.path.join(TREE), self.damaged());
        let commit = || -> io::Result<()> {
            if over_damaged {
                remove(&damaged)?;
            }
            self.commit_copy()?;
            if over_damaged && tree.exists() {
                fs::rename(&tree, &damaged)?;
            }
            Ok(())
        };
        commit().with_context(|| self.cannot_write())?;
        drop(self.open_tree()?);
        Ok(restored)
    }

    fn fill(&self, part: &Path, file: &Path) -> Result<Backup> {
        let cannot_write = || self.cannot_write();
        remove(part).with_context(cannot_write)?;
        // Dropped only when all is well, see `Writer::tree`.
        let tree = ManuallyDrop::new(open(part)?);
        let mut filling = Filling::new(&tree);
        let restored = backup::read(file, |key, record| filling.add(key, record))?;
        filling.finish()?;
        drop(ManuallyDrop::into_inner(tree));

        let tree = open(part)?;
        let mut there = tree.iter();
        let mut next_numbers = Vec::new();
        let otherwise = || format!("what was restored is not what {} says", file.display());
        let again = backup::read(file, |key, record| {
            let entry = there.next().transpose().context(CANNOT_READ)?;
            let same = entry.is_some_and(|(k, r)| (&*k, &*r) == (&key[..], &record[..]));
            ensure!(same, otherwise());
            if let Some(key @ Key::NextNumber(_)) = Key::from_bytes(&key) {
                next_numbers.push((key, decode::<NextNumber>(key, &record)?.next));
            }
            Ok(())
        })?;
        ensure!(there.next().is_none() && again == restored, otherwise());
        let mut batch = sled::Batch::default();
        for (key, next) in next_numbers {
            let next = next.saturating_add(NUMBERS_LEFT_OUT);
            batch.insert(key.to_bytes(), encode(&NextNumber { next })?);
        }
        tree.apply_batch(batch)?;
        tree.flush()?;
        drop(tree);
        sync_all_in(part).with_context(cannot_write)?;
        Ok(restored)
    }

    fn commit_copy(&self) -> io::Result<()> {
        fs::rename(self.path.join(PART), self.path.join(NEXT))?;
        sync_folder(&self.path)
    }

    pub fn damaged(&self) -> PathBuf {
        self.path.join(DAMAGED)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn settle(&self) -> io::Result<()> {
        let [tree, part, next, old] = [TREE, PART, NEXT, OLD].map(|name| self.path.join(name));
        remove(&part)?;
        let replaced = next.exists();
        if replaced {
            if tree.exists() {
                remove(&old)?;
                fs::rename(&tree, &old)?;
            }
            fs::rename(&next, &tree)?;
            sync_folder(&self.path)?;
        }
        remove(&old)?;
        if replaced && is_stale(&self.path)? {
            fs::remove_file(self.path.join(STALE))?;
        }
        sync_folder(&self.path)
    }

    fn cannot_write(&self) -> String {
        format!("cannot write in the store's folder {}", self.path.display())
    }
}

/// Notes that the tree in a folder is to be replaced by a copy, until that is done.
pub(super) fn mark_stale(folder: &Path) -> io::Result<()> {
    File::create(folder.join(STALE))?.sync_all()?;
    sync_folder(folder)
}

pub(super) fn is_stale(folder: &Path) -> io::Result<bool> {
    folder.join(STALE).try_exists()
}

/// So many round numbers of a guild are not given after a backup was restored.
const NUMBERS_LEFT_OUT: u32 = 100;

/// How long another process, which is just ending, may still have the folder.
const PATIENCE: Duration = Duration::from_secs(3);

const TREE: &str = "tree";
const PART: &str = "tree.part";
const NEXT: &str = "tree.next";
const OLD: &str = "tree.old";
const DAMAGED: &str = "tree.damaged";
const STALE: &str = "stale";

fn open(path: &Path) -> Result<Tree> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity_bytes(16 << 20)
        // Else any I/O error aborts the process.
        .flush_every_ms(None);
    let damaged = || Damaged("its files are damaged".to_owned());
    match panic::catch_unwind(|| config.open::<64>()) {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) if is_of_the_system(&error) => Err(error.into()),
        Ok(Err(error)) => Err(error).context(damaged()),
        Err(_) => bail!(damaged()),
    }
}

/// Whether an error has other reasons than what is in the files.
fn is_of_the_system(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull
    )
}

/// When sled opens a tree that has a snapshot and no log, as a kill in the middle of opening leaves
/// it, it deletes the snapshot, and with it everything. So there is always a log.
fn mend(tree: &Path) -> io::Result<()> {
    let metadata = tree.join("metadata");
    if !metadata.exists() {
        return Ok(());
    }
    let (mut snapshots, mut logs) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(&metadata)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let number = |prefix| u64::from_str_radix(name.strip_prefix(prefix)?, 16).ok();
        snapshots.extend(number("snapshot_"));
        logs.extend(number("log_"));
    }
    let newest_log = logs.into_iter().max();
    if let Some(snapshot) = snapshots.into_iter().max()
        && newest_log.is_none_or(|log| log <= snapshot)
    {
        File::create_new(metadata.join(format!("log_{:016x}", snapshot + 1)))?.sync_all()?;
        sync_folder(&metadata)?;
    }
    Ok(())
}

fn copy(tree: &Tree, to: &Path) -> Result<()> {
    remove(to)?;
    // Dropped only when all is well, see `Writer::tree`.
    let copy = ManuallyDrop::new(open(to)?);
    let mut filling = Filling::new(&copy);
    for entry in tree.iter() {
        let (key, value) = entry?;
        filling.add(key, value)?;
    }
    filling.finish()?;
    drop(ManuallyDrop::into_inner(copy));
    sync_all_in(to)?;
    Ok(())
}

/// Writes many entries, some at a time.
struct Filling<'a> {
    tree: &'a Tree,
    batch: sled::Batch,
    waiting: usize,
}

impl<'a> Filling<'a> {
    fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            batch: sled::Batch::default(),
            waiting: 0,
        }
    }

    fn add(
        &mut self,
        key: impl Into<sled::InlineArray>,
        value: impl Into<sled::InlineArray>,
    ) -> Result<()> {
        self.batch.insert(key, value);
        self.waiting += 1;
        if self.waiting == 1000 {
            self.flush()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.waiting = 0;
        self.tree.apply_batch(mem::take(&mut self.batch))?;
        self.tree.flush()?;
        Ok(())
    }
}

/// Files, folders, and the folder itself.
fn sync_all_in(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all_in(&entry.path())?;
        } else {
            File::options()
                .append(true)
                .open(entry.path())?
                .sync_all()?;
        }
    }
    sync_folder(folder)
}

/// Makes a folder, if need be, that its owner alone can read.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut private = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
    match private.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Windows cannot open folders and needs no such call.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
