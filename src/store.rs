//! Rounds and settings on disk.
//!
//! All is in one sled tree (see `keys` and `records`), which one thread owns (see `writer`). A save
//! writes only what changed: a new opinion is one record. Whoever saves is told when it is on disk,
//! and what was saved together, however much, costs one flush.
//!
//! Nothing here logs, and no error tells what a record says.

mod backup;
mod folder;
mod keys;
mod records;
pub mod snapshots;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

pub use self::backup::Backup;
pub use self::folder::InUse;
use self::folder::{Folder, Tree};
use self::keys::Key;
pub use self::records::Contents;
use self::records::{Check, Left, NextNumber, decode, encode};
use self::writer::{CANNOT_READ, Draft, Flush, Job, Writer, get, scan};
use crate::deliberation::consent::Consent;
use crate::deliberation::guild::{GuildSettings, Training};
use crate::deliberation::id::{Guild, Member, RoundKey};
use crate::deliberation::retraining::{Retraining, RetrainingKey};
use crate::deliberation::round::{Round, Time};

/// A handle to the store, cheap to clone. The store is closed by [`Self::close`], or when its last
/// handle is dropped.
///
/// Every call fails once the store is closed or broken ([`StoreBroken`]).
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    jobs: mpsc::Sender<Job>,
    broken: watch::Receiver<Option<StoreBroken>>,
}

/// Something could not be written. Whoever awaits a save gets this error, now and from then on: what
/// is on disk is known again only after a restart, so the process should end.
#[derive(Clone, Debug, Error)]
#[error(
    "the store in {} cannot be written, and nothing is saved until Accord is started again: {reason}",
    folder.display()
)]
pub struct StoreBroken {
    pub folder: PathBuf,
    pub reason: String,
}

/// The files of the store, or what a record says, cannot be read: only a backup helps.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Damaged(pub(crate) String);

impl Store {
    /// Opens the store in a folder, which is made if need be; blocks meanwhile.
    ///
    /// # Errors
    /// [`InUse`], [`Damaged`], and a folder that cannot be written.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_with(folder, Box::new(|tree| tree.flush().map(drop)))
    }

    fn open_with(path: &Path, flush: Flush) -> Result<Self> {
        let folder = Folder::lock(path)?;
        let tree = Some(folder.open_tree()?);
        let writer = Writer {
            tree,
            flush,
            folder,
        };
        let (jobs, waiting) = mpsc::channel();
        let (breaks, broken) = watch::channel(None);
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(waiting, breaks))
            .context("cannot start the store's thread")?;
        Ok(Self {
            folder: path.to_owned(),
            jobs,
            broken,
        })
    }

    /// Saves what differs between a round as it was saved last, `None` for a new one, and as it is
    /// now.
    ///
    /// The order is that of the calls, also where nothing is awaited; a future that is dropped saves
    /// all the same. It resolves when the change is on disk, together with all that was saved before:
    /// saving no difference waits for just that.
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub fn save(
        &self,
        before: Option<&Round>,
        after: &Round,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let key = after.key;
        let new = before.is_none();
        let changes = records::difference(before, after);
        self.change(move |draft| {
            let changes = changes?;
            if new && next_number(draft, key.guild)? <= key.number {
                put_next_number(draft, key.guild, key.number.saturating_add(1))?;
            }
            draft.add(changes);
            Ok(())
        })
    }

    /// The rounds that are not settled, of the guilds that are `ours`.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub async fn live_rounds(
        &self,
        ours: impl Fn(Guild) -> bool + Send + 'static,
    ) -> Result<Vec<Round>> {
        let records = self
            .read(move |tree| {
                let mut records = Vec::new();
                for (key, _) in scan(tree, &[keys::LIVE])? {
                    if let Some(Key::Live(round)) = Key::from_bytes(&key)
                        && ours(round.guild)
                    {
                        records.extend(scan(tree, &keys::of_round(round))?);
                    }
                }
                Ok(records)
            })
            .await?;
        records::rounds(records)
    }

    /// One round, if it is there.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub async fn round(&self, key: RoundKey) -> Result<Option<Round>> {
        let records = self
            .read(move |tree| scan(tree, &keys::of_round(key)))
            .await?;
        Ok(records::rounds(records)?.pop())
    }

    /// All rounds of a guild, in the order of their numbers.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub async fn rounds(&self, guild: Guild) -> Result<Vec<Round>> {
        let records = self
            .read(move |tree| scan(tree, &keys::rounds_of(guild)))
            .await?;
        records::rounds(records)
    }

    /// A number for a new round of a guild, from 1. It is given once, also if no such round is saved,
    /// and even if the guild is erased.
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub async fn next_number(&self, guild: Guild) -> Result<u32> {
        self.change(move |draft| {
            let number = next_number(draft, guild)?;
            put_next_number(draft, guild, number.saturating_add(1))?;
            Ok(number)
        })
        .await
    }

    /// A guild's settings; those of a guild that has changed none are the default.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub async fn settings(&self, guild: Guild) -> Result<GuildSettings> {
        let key = Key::Settings(guild);
        match self.read(move |tree| get(tree, &key.to_bytes())).await? {
            Some(record) => decode(key, &record),
            None => Ok(GuildSettings::default()),
        }
    }

    /// Changes a guild's settings as they are then, whoever else changes them: they come back as they
    /// are now.
    ///
    /// # Errors
    /// A record that cannot be read; [`StoreBroken`].
    pub async fn change_settings(
        &self,
        guild: Guild,
        change: impl FnOnce(&mut GuildSettings) + Send + 'static,
    ) -> Result<GuildSettings> {
        let key = Key::Settings(guild);
        self.change(move |draft| {
            let record = draft.get(key)?;
            let before: Option<GuildSettings> =
                record.map(|record| decode(key, &record)).transpose()?;
            let mut settings = before.unwrap_or_default();
            change(&mut settings);
            draft.put(key, encode(&settings)?);
            Ok(settings)
        })
        .await
    }

    /// Saves a retraining as it is now.
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub fn save_retraining(
        &self,
        retraining: &Retraining,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let key = retraining.key;
        let record = encode(retraining);
        self.change(move |draft| {
            draft.put(Key::Retraining(key), record?);
            draft.put(Key::Retrained(key), Vec::new());
            Ok(())
        })
    }

    /// The retrainings of all guilds that are `ours`, those of a guild in the order of their numbers.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub async fn retrainings(
        &self,
        ours: impl Fn(Guild) -> bool + Send + 'static,
    ) -> Result<Vec<Retraining>> {
        let records = self
            .read(move |tree| {
                let mut records = Vec::new();
                for (key, _) in scan(tree, &[keys::RETRAINED])? {
                    if let Some(Key::Retrained(retraining)) = Key::from_bytes(&key)
                        && ours(retraining.guild)
                    {
                        let key = Key::Retraining(retraining);
                        records.extend(get(tree, &key.to_bytes())?.map(|record| (key, record)));
                    }
                }
                Ok(records)
            })
            .await?;
        let read = |(key, record): (Key, Vec<u8>)| decode(key, &record);
        records.into_iter().map(read).collect()
    }

    /// Forgets retrainings.
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub async fn remove_retrainings(&self, retrainings: Vec<RetrainingKey>) -> Result<()> {
        self.change(move |draft| {
            let keys = retrainings.into_iter();
            let of = |key| [Key::Retraining(key), Key::Retrained(key)];
            draft.remove(keys.flat_map(of).map(Key::to_bytes));
            Ok(())
        })
        .await
    }

    /// What the members of a guild said about training.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub async fn consents(&self, guild: Guild) -> Result<BTreeMap<Member, Consent>> {
        let records = self
            .read(move |tree| scan(tree, &keys::consents_of(guild)))
            .await?;
        let mut consents = BTreeMap::new();
        for (key, record) in records {
            if let Some(key @ Key::Consent(_, member)) = Key::from_bytes(&key) {
                consents.insert(member, decode(key, &record)?);
            }
        }
        Ok(consents)
    }

    /// What a member said about training; `None` if they were never asked.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub async fn consent(&self, guild: Guild, member: Member) -> Result<Option<Consent>> {
        let key = Key::Consent(guild, member);
        let record = self.read(move |tree| get(tree, &key.to_bytes())).await?;
        record.map(|record| decode(key, &record)).transpose()
    }

    /// # Errors
    /// [`StoreBroken`].
    pub async fn save_consent(&self, guild: Guild, member: Member, consent: Consent) -> Result<()> {
        let record = encode(&consent)?;
        self.change(move |draft| {
            draft.put(Key::Consent(guild, member), record);
            Ok(())
        })
        .await
    }

    /// A member was never asked about training.
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub async fn remove_consent(&self, guild: Guild, member: Member) -> Result<()> {
        self.change(move |draft| {
            draft.remove([Key::Consent(guild, member).to_bytes()]);
            Ok(())
        })
        .await
    }

    /// The guilds that train each other's models, without those that Accord has left.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub async fn guilds_that_share(&self) -> Result<Vec<Guild>> {
        let settings = |tree: &Tree| {
            let mut settings = Vec::new();
            for guild in guilds(tree)? {
                let key = Key::Settings(guild);
                settings.extend(get(tree, &key.to_bytes())?.map(|record| (guild, key, record)));
            }
            Ok(settings)
        };
        let mut share = Vec::new();
        for (guild, key, record) in self.read(settings).await? {
            if decode::<GuildSettings>(key, &record)?.training == Training::Shared {
                share.push(guild);
            }
        }
        Ok(share)
    }

    /// The guilds of which there is something, without those that Accord has left.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn guilds(&self) -> Result<Vec<Guild>> {
        self.read(guilds).await
    }

    /// The rounds whose texts are to be deleted by now, the earliest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn expired(&self, now: Time) -> Result<Vec<RoundKey>> {
        self.read(move |tree| {
            let mut expired = Vec::new();
            for entry in tree.range(vec![keys::DUE]..) {
                let (key, _) = entry.context("the store cannot be read")?;
                match Key::from_bytes(&key) {
                    Some(Key::Due(at, round)) if at <= now => expired.push(round),
                    _ => break,
                }
            }
            Ok(expired)
        })
        .await
    }

    /// Accord is no longer in a guild.
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub async fn guild_left(&self, guild: Guild, at: Time) -> Result<()> {
        let record = encode(&Left { at })?;
        self.change(move |draft| {
            draft.put(Key::Left(guild), record);
            Ok(())
        })
        .await
    }

    /// Accord is in a guild, again or for the first time.
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub async fn guild_joined(&self, guild: Guild) -> Result<()> {
        self.change(move |draft| {
            draft.remove([Key::Left(guild).to_bytes()]);
            Ok(())
        })
        .await
    }

    /// The guilds that Accord left before a time and has not joined again.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub async fn guilds_left_before(&self, time: Time) -> Result<Vec<Guild>> {
        let mut guilds = Vec::new();
        for (key, record) in self.read(|tree| scan(tree, &[keys::LEFT])).await? {
            if let Some(key @ Key::Left(guild)) = Key::from_bytes(&key) {
                let left: Left = decode(key, &record)?;
                if left.at < time {
                    guilds.push(guild);
                }
            }
        }
        Ok(guilds)
    }

    /// Removes all of a guild but the number of its next round. What is removed can still be found in
    /// the files until [`Self::rewrite`].
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub async fn erase_guild(&self, guild: Guild) -> Result<()> {
        self.change(move |draft| {
            let mut keys = keys_of(draft, guild)?;
            keys.insert(Key::Left(guild).to_bytes());
            draft.remove(keys);
            Ok(())
        })
        .await
    }

    /// [`Self::erase_guild`], of one that Accord left before a time and has not joined again meanwhile;
    /// whether that is so. It is among [`Self::guilds_left_before`] until [`Self::forget_left`].
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub async fn erase_left_guild(&self, guild: Guild, before: Time) -> Result<bool> {
        self.change(move |draft| {
            let left = was_left(draft, guild, before)?;
            if left {
                draft.remove(keys_of(draft, guild)?);
            }
            Ok(left)
        })
        .await
    }

    /// Nothing of a guild that Accord left before a time is anywhere any more.
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub async fn forget_left(&self, guild: Guild, before: Time) -> Result<()> {
        self.change(move |draft| {
            if was_left(draft, guild, before)? {
                draft.remove([Key::Left(guild).to_bytes()]);
            }
            Ok(())
        })
        .await
    }

    /// Notes on the disk, before something is removed, that [`Self::rewrite`] has to follow: also where
    /// that fails, or the process ends in between.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub async fn owe_rewrite(&self) -> Result<()> {
        let folder = self.folder.clone();
        let noted = tokio::task::spawn_blocking(move || folder::mark_stale(&folder)).await?;
        noted.with_context(|| format!("cannot write in {}", self.folder.display()))
    }

    /// Whether [`Self::rewrite`] has not been done since [`Self::owe_rewrite`].
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub async fn owes_rewrite(&self) -> Result<bool> {
        let folder = self.folder.clone();
        let noted = tokio::task::spawn_blocking(move || folder::is_stale(&folder)).await?;
        noted.with_context(|| format!("cannot read {}", self.folder.display()))
    }

    /// Writes all that is in the store into new files and deletes the old ones, in which there is
    /// still what was changed or removed. Saves wait meanwhile. If it is interrupted, the store is
    /// whole, and it may have to be done again.
    ///
    /// # Errors
    /// When there is no room for the new files; all is then as it was. [`StoreBroken`] when they
    /// cannot be put in the place of the old ones.
    pub async fn rewrite(&self) -> Result<()> {
        let (answer, rewritten) = oneshot::channel();
        let _ = self.jobs.send(Job::Rewrite(answer));
        match rewritten.await {
            Ok(result) => result,
            Err(_) => Err(gone(self.broken.clone()).await),
        }
    }

    /// Reads all records, to see whether that can be done; saves wait meanwhile.
    ///
    /// # Errors
    /// [`Damaged`]; [`StoreBroken`] where that is found by sled; a record that a newer Accord wrote.
    pub async fn check(&self) -> Result<Contents> {
        self.read(|tree| {
            let mut check = Check::default();
            for entry in tree.iter() {
                let (key, record) = entry.context(CANNOT_READ)?;
                check.add(&key, &record)?;
            }
            check.finish()
        })
        .await
    }

    /// Writes all that is in the store into a file, which is there when it is whole; saves wait
    /// meanwhile. What is waiting to be saved is in it.
    ///
    /// # Errors
    /// When the file cannot be written; as [`Self::check`].
    pub async fn back_up(&self, to: &Path, now: Time) -> Result<Backup> {
        let to = to.to_owned();
        self.read(move |tree| backup::write(tree, &to, now)).await
    }

    /// Reads a backup to see whether it is whole.
    ///
    /// # Errors
    /// One that is damaged, or that a newer Accord wrote.
    pub fn verify(file: &Path) -> Result<Backup> {
        backup::read(file, |_, _| Ok(()))
    }

    /// Puts what is in a backup in the place of the store in a folder, whether there is one, and in
    /// whatever state. It blocks. Until the new store is whole, is on disk, and was compared with the
    /// backup, the old one stays; if it is interrupted, one of both is there.
    ///
    /// Every guild's next round gets a number that is higher by some: rounds were opened since whose
    /// messages still stand, and their buttons must not belong to another round.
    ///
    /// # Errors
    /// As [`Self::verify`]; [`InUse`]; a folder that cannot be written.
    pub fn restore(folder: &Path, file: &Path) -> Result<Backup> {
        Folder::lock(folder)?.restore(file, false)
    }

    /// [`Self::restore`], in the place of a store that is damaged. That stays beside it, since something
    /// in it may still be readable, until [`Self::rewrite`]; where is returned.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub fn restore_over_damaged(folder: &Path, file: &Path) -> Result<PathBuf> {
        let folder = Folder::lock(folder)?;
        folder.restore(file, true)?;
        Ok(folder.damaged())
    }

    /// Closes the store when all that was saved before is on disk. It can then be opened again.
    ///
    /// # Errors
    /// [`StoreBroken`].
    pub async fn close(self) -> Result<()> {
        let (answer, closed) = oneshot::channel();
        let _ = self.jobs.send(Job::Close(answer));
        if closed.await.is_err()
            && let Some(broken) = broken(self.broken.clone()).await
        {
            return Err(broken.into());
        }
        Ok(())
    }

    /// Waits until the store is broken; forever if it is closed before.
    pub async fn broken(&self) -> StoreBroken {
        match broken(self.broken.clone()).await {
            Some(broken) => broken,
            None => std::future::pending().await,
        }
    }

    fn change<T: Send + 'static, F: FnOnce(&mut Draft) -> Result<T> + Send + 'static>(
        &self,
        change: F,
    ) -> impl Future<Output = Result<T>> + Send + use<T, F> {
        let (answer, saved) = oneshot::channel();
        let job: writer::Change = Box::new(move |draft| {
            let result = change(draft);
            Box::new(move || {
                let _ = answer.send(result);
            })
        });
        // A job that cannot be sent is dropped, as is one that cannot be done.
        let _ = self.jobs.send(Job::Change(job));
        let broken = self.broken.clone();
        async move {
            match saved.await {
                Ok(result) => result,
                Err(_) => Err(gone(broken).await),
            }
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tree) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, result) = oneshot::channel();
        let job = Job::Read(Box::new(move |tree| {
            let _ = answer.send(read(tree));
        }));
        let _ = self.jobs.send(job);
        match result.await {
            Ok(result) => result,
            Err(_) => Err(gone(self.broken.clone()).await),
        }
    }
}

/// Why there was no answer.
async fn gone(watched: watch::Receiver<Option<StoreBroken>>) -> anyhow::Error {
    match broken(watched).await {
        Some(broken) => broken.into(),
        None => anyhow::anyhow!("the store is closed"),
    }
}

/// Waits until the store is broken, or `None` when it is closed.
async fn broken(mut watched: watch::Receiver<Option<StoreBroken>>) -> Option<StoreBroken> {
    watched.wait_for(Option::is_some).await.ok()?.clone()
}

fn guilds(tree: &Tree) -> Result<Vec<Guild>> {
    let mut guilds = Vec::new();
    let mut from = vec![keys::OF_GUILD];
    // From guild to guild: what else they have is not read.
    while let Some(entry) = tree.range(from..).next() {
        let (key, _) = entry.context(CANNOT_READ)?;
        let known = Key::from_bytes(&key).filter(|_| key.starts_with(&[keys::OF_GUILD]));
        let Some(guild) = known.map(Key::guild) else {
            break;
        };
        if get(tree, &Key::Left(guild).to_bytes())?.is_none() {
            guilds.push(guild);
        }
        let Some(next) = guild.0.checked_add(1) else {
            break;
        };
        from = keys::of_guild(Guild(next));
    }
    Ok(guilds)
}

/// All records of a guild but the number of its next round and its departure.
fn keys_of(draft: &Draft, guild: Guild) -> Result<BTreeSet<Vec<u8>>> {
    let mut keys = draft.keys(&keys::of_guild(guild))?;
    keys.extend(draft.keys(&keys::live_of(guild))?);
    keys.extend(draft.keys(&keys::retrained_of(guild))?);
    keys.extend(draft.keys(&[keys::DUE])?.into_iter().filter(
        |key| matches!(Key::from_bytes(key), Some(Key::Due(_, round)) if round.guild == guild),
    ));
    Ok(keys)
}

fn was_left(draft: &Draft, guild: Guild, before: Time) -> Result<bool> {
    let key = Key::Left(guild);
    let record = draft.get(key)?;
    let left = record.map(|record| decode::<Left>(key, &record));
    Ok(left.transpose()?.is_some_and(|left| left.at < before))
}

fn next_number(draft: &Draft, guild: Guild) -> Result<u32> {
    let key = Key::NextNumber(guild);
    match draft.get(key)? {
        Some(record) => Ok(decode::<NextNumber>(key, &record)?.next),
        None => Ok(1),
    }
}

fn put_next_number(draft: &mut Draft, guild: Guild, next: u32) -> Result<()> {
    draft.put(Key::NextNumber(guild), encode(&NextNumber { next })?);
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
