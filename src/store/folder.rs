//! The folder of the store: one process at a time has it, and there is a whole tree in it at any
//! moment.
//!
//! `tree` is sled's. While the store is rewritten, the new tree is made in `tree.part`; once it is
//! whole that becomes `tree.next`, and from then on it is the store, whatever happens: opening
//! finishes what was begun. The old one is put aside as `tree.old` and deleted.

use std::fs::{self, File, TryLockError};
use std::io;
use std::mem::{self, ManuallyDrop};
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// What sled calls a database: all of ours is in its default tree. The number of entries in a leaf
/// is part of the files' format; a leaf is what is written for one changed entry.
pub(super) type Tree = sled::Db<64>;

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
        fs::create_dir_all(path).with_context(cannot_write)?;
        let lock = File::create(path.join("lock")).with_context(cannot_write)?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error).with_context(cannot_write),
                Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => bail!(
                    "another process has the store in {} open: stop the other Accord that runs \
                     with this data folder, or give this one a data folder of its own",
                    path.display()
                ),
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

    fn commit_copy(&self) -> io::Result<()> {
        fs::rename(self.path.join(PART), self.path.join(NEXT))?;
        sync_folder(&self.path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn settle(&self) -> io::Result<()> {
        let [tree, part, next, old] = [TREE, PART, NEXT, OLD].map(|name| self.path.join(name));
        remove(&part)?;
        if next.exists() {
            if tree.exists() {
                remove(&old)?;
                fs::rename(&tree, &old)?;
            }
            fs::rename(&next, &tree)?;
            sync_folder(&self.path)?;
        }
        remove(&old)?;
        sync_folder(&self.path)
    }

    fn cannot_write(&self) -> String {
        format!("cannot write in the store's folder {}", self.path.display())
    }
}

/// How long another process, which is just ending, may still have the folder.
const PATIENCE: Duration = Duration::from_secs(3);

const TREE: &str = "tree";
const PART: &str = "tree.part";
const NEXT: &str = "tree.next";
const OLD: &str = "tree.old";

fn open(path: &Path) -> Result<Tree> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity_bytes(16 << 20)
        // Else any I/O error aborts the process.
        .flush_every_ms(None);
    panic::catch_unwind(|| config.open::<64>())
        .map_err(|_| anyhow!("its files are damaged"))
        .and_then(|opened| Ok(opened?))
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
    let mut batch = sled::Batch::default();
    for (index, entry) in tree.iter().enumerate() {
        let (key, value) = entry?;
        batch.insert(key, value);
        if index % 1000 == 999 {
            copy.apply_batch(mem::take(&mut batch))?;
            copy.flush()?;
        }
    }
    copy.apply_batch(batch)?;
    copy.flush()?;
    drop(ManuallyDrop::into_inner(copy));
    sync_all_in(to)?;
    Ok(())
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

/// Windows cannot open folders and needs no such call.
fn sync_folder(folder: &Path) -> io::Result<()> {
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
