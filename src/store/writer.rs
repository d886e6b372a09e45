//! The thread that owns the tree.
//!
//! Whatever is waiting becomes one batch and one flush, and only then is anybody told that it is
//! saved. Reads are served between flushes: sled deadlocks when a tree is read backwards while a
//! batch is applied, and a reader that is dropped flushes.

use std::collections::BTreeSet;
use std::io;
use std::iter;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::Receiver;

use anyhow::{Context, Result, anyhow};
use tokio::sync::{oneshot, watch};

use super::StoreBroken;
use super::folder::{Folder, Tree};
use super::keys::Key;
use super::records::Changes;

/// What the thread is asked to do. A job that is dropped without an answer tells whoever asked that
/// the store is closed or broken.
pub(super) enum Job {
    Change(Change),
    Read(Box<dyn FnOnce(&Tree) + Send>),
    Rewrite(oneshot::Sender<Result<()>>),
    Close(oneshot::Sender<()>),
}

/// Adds to what is to be written; an error must come before the first addition. What it returns is
/// called when it is on disk.
pub(super) type Change = Box<dyn FnOnce(&mut Draft) -> Box<dyn FnOnce()> + Send>;

/// What will be in the tree once the batch is written.
pub(super) struct Draft<'a> {
    tree: &'a Tree,
    changes: Changes,
}

impl Draft<'_> {
    /// # Errors
    /// When the tree cannot be read.
    pub fn get(&self, key: Key) -> Result<Option<Vec<u8>>> {
        let key = key.to_bytes();
        match self.changes.get(&key) {
            Some(changed) => Ok(changed.clone()),
            None => get(self.tree, &key),
        }
    }

    /// The keys that begin with `prefix`.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn keys(&self, prefix: &[u8]) -> Result<BTreeSet<Vec<u8>>> {
        let mut keys: BTreeSet<_> = scan(self.tree, prefix)?
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        for (key, value) in self.changes.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) {
                break;
            }
            match value {
                Some(_) => keys.insert(key.clone()),
                None => keys.remove(key),
            };
        }
        Ok(keys)
    }

    pub fn put(&mut self, key: Key, record: Vec<u8>) {
        self.changes.insert(key.to_bytes(), Some(record));
    }

    pub fn remove(&mut self, keys: impl IntoIterator<Item = Vec<u8>>) {
        self.changes.extend(keys.into_iter().map(|key| (key, None)));
    }

    pub fn add(&mut self, changes: Changes) {
        self.changes.extend(changes);
    }
}

/// # Errors
/// When the tree cannot be read.
pub(super) fn get(tree: &Tree, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let found = tree.get(key).context(CANNOT_READ)?;
    Ok(found.map(|value| value.to_vec()))
}

/// The keys that begin with `prefix`, in their order, and what lies there.
///
/// # Errors
/// When the tree cannot be read.
pub(super) fn scan(tree: &Tree, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    tree.scan_prefix(prefix)
        .map(|entry| {
            let (key, value) = entry.context(CANNOT_READ)?;
            Ok((key.to_vec(), value.to_vec()))
        })
        .collect()
}

pub(super) const CANNOT_READ: &str = "the store cannot be read";

/// How a tree is flushed; tests count, and fail.
pub(super) type Flush = Box<dyn Fn(&Tree) -> io::Result<()> + Send>;

pub(super) struct Writer {
    /// Dropped only when all is well: dropping flushes, and a flush after one that failed waits for
    /// it forever.
    pub tree: Option<Tree>,
    pub flush: Flush,
    /// Unlocked after the tree is closed.
    pub folder: Folder,
}

impl Writer {
    /// Works until the store is closed, its last handle is dropped, or it is broken.
    pub fn run(mut self, jobs: Receiver<Job>, broken: watch::Sender<Option<StoreBroken>>) {
        let worked = panic::catch_unwind(AssertUnwindSafe(|| self.work(&jobs)));
        let reason = match worked {
            Ok(Ok(closing)) => {
                drop(self);
                if let Some(closed) = closing {
                    let _ = closed.send(());
                }
                return;
            }
            // Without the places in sled's source where it has passed.
            Ok(Err(error)) => {
                let error = format!("{error:#}");
                error.rsplit(" -> ").next().unwrap_or_default().to_owned()
            }
            Err(_) => "its files are damaged, or sled has a bug".to_owned(),
        };
        let folder = self.folder.path().to_owned();
        mem::forget(self);
        broken.send_replace(Some(StoreBroken { folder, reason }));
    }

    /// # Errors
    /// When something is not on disk that should be: nothing can be saved from then on.
    fn work(&mut self, jobs: &Receiver<Job>) -> Result<Option<oneshot::Sender<()>>> {
        while let Ok(job) = jobs.recv() {
            let tree = self.tree.as_ref().expect("open until the end");
            let mut draft = Draft {
                tree,
                changes: Changes::new(),
            };
            let (mut saved, mut reads) = (Vec::new(), Vec::new());
            let (mut rewrites, mut closing) = (Vec::new(), None);
            for job in iter::once(job).chain(jobs.try_iter()) {
                match job {
                    Job::Change(change) => saved.push(change(&mut draft)),
                    Job::Read(read) => reads.push(read),
                    Job::Rewrite(rewritten) => rewrites.push(rewritten),
                    Job::Close(closed) => {
                        closing = Some(closed);
                        break;
                    }
                }
            }
            self.write(draft.changes)?;
            saved.into_iter().for_each(|tell| tell());
            reads.into_iter().for_each(|read| read(tree));
            // Everybody waits for a rewriting: those that were asked for together are one.
            if !rewrites.is_empty() {
                let result = self.rewrite()?;
                for rewritten in rewrites {
                    let result = result.as_ref().map_err(|error| anyhow!("{error:#}"));
                    let _ = rewritten.send(result.copied());
                }
            }
            if closing.is_some() {
                return Ok(closing);
            }
        }
        Ok(None)
    }

    fn write(&self, changes: Changes) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let tree = self.tree.as_ref().expect("open until the end");
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        tree.apply_batch(batch)?;
        (self.flush)(tree)?;
        Ok(())
    }

    /// The inner error leaves all as it was.
    fn rewrite(&mut self) -> Result<Result<()>> {
        let tree = self.tree.as_ref().expect("open until the end");
        if let Err(error) = self.folder.copy_tree(tree) {
            return Ok(Err(error));
        }
        let tree = self.tree.take().expect("open until the end");
        self.tree = Some(self.folder.replace_tree(tree)?);
        Ok(Ok(()))
    }
}
