//! Snapshots: the backups that a bot makes by itself, in a folder of the data folder.
//!
//! Nothing that was erased is in one, and no text whose time is over: they are written anew when
//! something is erased ([`Store::renew_snapshots`]). What members changed or withdrew themselves is in
//! the older ones until these are removed by their age.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta};

use super::Store;
use super::backup::{self, Backup, BackupWriter, PART};
use super::folder::{Tree, sync_folder};
use super::keys::{self, Group, Key};
use super::records::{Changes, difference, rounds};
use super::writer::{get, scan};
use crate::deliberation::id::{Guild, Member};
use crate::deliberation::round::{Round, Time};

/// The snapshots of a data folder.
#[derive(Clone, Debug)]
pub struct Snapshots {
    folder: PathBuf,
}

/// A file that should be a backup.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    pub made_at: Time,
    pub file: PathBuf,
}

/// What is no longer to be in any snapshot.
#[derive(Clone, Debug)]
pub enum Stale {
    /// Where a member is named, snapshots get what is in the store now, which names them no more, and
    /// nothing of what they said about training.
    Member(Guild, Member),
    /// Everything of a guild but the number of its next round; and where it is named in what others
    /// trained, what is in the store now.
    Guild(Guild),
    /// These rounds, which are to be in all snapshots that have them as they are here.
    Rounds(Vec<Round>),
}

/// What became of the snapshots.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Renewed {
    pub rewritten: usize,
    /// They were damaged: nobody knows what was in them.
    pub removed: usize,
}

impl Snapshots {
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("backups"),
        }
    }

    /// Where the snapshot of a moment lies.
    pub fn file(&self, made_at: Time) -> PathBuf {
        self.folder
            .join(format!("{}{SUFFIX}", made_at.format(FORMAT)))
    }

    /// All of them, by their names, without reading them: the newest first, and last those from after
    /// `now`, which a clock that was ahead has made: nobody knows how old they are.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn list(&self, now: Time) -> Result<Vec<Snapshot>> {
        let made_at = |name: &str| {
            let time = name.strip_suffix(SUFFIX)?;
            let time = chrono::NaiveDateTime::parse_from_str(time, FORMAT).ok()?;
            Some(DateTime::from_naive_utc_and_offset(time, chrono::Utc))
        };
        let mut snapshots = Vec::new();
        for file in self.files()? {
            let name = file.file_name().and_then(|name| name.to_str());
            if let Some(made_at) = name.and_then(made_at) {
                snapshots.push(Snapshot { made_at, file });
            }
        }
        snapshots.sort_by_key(|one| (one.made_at > now, std::cmp::Reverse(one.made_at)));
        Ok(snapshots)
    }

    /// The first of [`Self::list`] that is whole.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn newest_good(&self, now: Time) -> Result<Option<(Snapshot, Backup)>> {
        let whole = |snapshot: Snapshot| {
            let backup = Store::verify(&snapshot.file).ok()?;
            Some((snapshot, backup))
        };
        Ok(self.list(now)?.into_iter().find_map(whole))
    }

    /// Removes all but the newest `kept` of those that are no older than `kept_for`, those from after
    /// `now` once there is another that is whole, and what was not finished.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove_old(&self, kept: usize, kept_for: TimeDelta, now: Time) -> Result<()> {
        self.remove_unfinished()?;
        let all = self.list(now)?;
        let is_later = |snapshot: &Snapshot| snapshot.made_at > now;
        let replaced = all.iter().any(is_later)
            && self
                .newest_good(now)?
                .is_some_and(|(newest, _)| !is_later(&newest));
        for (place, snapshot) in all.iter().enumerate() {
            let old = place >= kept || now - snapshot.made_at > kept_for;
            if old || is_later(snapshot) && replaced {
                remove(&snapshot.file)?;
            }
        }
        Ok(())
    }

    /// Only while nobody makes a snapshot.
    fn remove_unfinished(&self) -> Result<()> {
        for file in self.files()? {
            if file.to_string_lossy().ends_with(PART) {
                remove(&file)?;
            }
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let read = || -> io::Result<Vec<PathBuf>> {
            let entries = match fs::read_dir(&self.folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            entries.map(|entry| Ok(entry?.path())).collect()
        };
        read().with_context(|| format!("cannot read the backups in {}", self.folder.display()))
    }
}

impl Store {
    /// Writes all snapshots anew in which something is stale. They must not be made meanwhile; if it
    /// is interrupted, it has to be done again. Those that cannot be read are removed.
    ///
    /// # Errors
    /// A snapshot that cannot be written or removed; [`super::StoreBroken`].
    pub async fn renew_snapshots(&self, snapshots: &Snapshots, stale: Stale) -> Result<Renewed> {
        let (found, stale) = {
            let snapshots = snapshots.clone();
            tokio::task::spawn_blocking(move || anyhow::Ok((snapshots.find(&stale)?, stale)))
                .await??
        };
        let groups: BTreeSet<Group> = found
            .iter()
            .flat_map(|(_, groups)| groups)
            .flatten()
            .copied()
            .collect();
        let present = match stale {
            Stale::Rounds(rounds) => {
                let mut present = Changes::new();
                for round in &rounds {
                    present.extend(difference(None, round)?);
                }
                present
            }
            Stale::Guild(guild) => {
                let others = groups
                    .into_iter()
                    .filter(move |group| group.guild() != guild);
                let others: Vec<Group> = others.collect();
                self.read(move |tree| now_in(tree, others)).await?
            }
            Stale::Member(guild, member) => {
                // Who is just saying no to training is still said to agree: in the snapshots they were
                // never asked.
                let said = Group::Consent(guild, member);
                let others = groups.into_iter().filter(move |group| *group != said);
                let others: Vec<Group> = others.collect();
                self.read(move |tree| now_in(tree, others)).await?
            }
        };
        let folder = snapshots.folder.clone();
        tokio::task::spawn_blocking(move || {
            let mut renewed = Renewed::default();
            for (file, stale) in found {
                match stale {
                    None => {
                        remove(&file)?;
                        renewed.removed += 1;
                    }
                    Some(stale) if stale.is_empty() => {}
                    Some(stale) => {
                        rewrite(&file, &stale, &present)?;
                        renewed.rewritten += 1;
                    }
                }
            }
            if renewed.removed > 0 {
                sync_folder(&folder)?;
            }
            Ok(renewed)
        })
        .await?
    }
}

impl Snapshots {
    /// The files, and what is stale in each; `None` of one that is damaged.
    fn find(&self, stale: &Stale) -> Result<Vec<(PathBuf, Option<BTreeSet<Group>>)>> {
        self.remove_unfinished()?;
        let rounds: BTreeSet<_> = match stale {
            Stale::Rounds(rounds) => rounds.iter().map(|round| round.key).collect(),
            _ => BTreeSet::new(),
        };
        let is_stale = |key: Key, record: &[u8]| match stale {
            Stale::Rounds(_) => {
                matches!(key.group(), Group::Round(round) if rounds.contains(&round))
            }
            Stale::Guild(guild) => match key {
                Key::NextNumber(_) => false,
                Key::Retraining(_) => key.guild() == *guild || names(record, guild.0),
                _ => key.guild() == *guild,
            },
            Stale::Member(guild, member) => {
                let trains = matches!(key, Key::Retraining(_));
                let about = key.member() == Some(*member) || names(record, member.0);
                about && (trains || key.guild() == *guild)
            }
        };
        let mut found = Vec::new();
        for Snapshot { file, .. } in self.list(Time::MAX_UTC)? {
            let mut groups = BTreeSet::new();
            let read = backup::read(&file, |key, record| {
                if let Some(key) = Key::from_bytes(&key)
                    && is_stale(key, &record)
                {
                    groups.insert(key.group());
                }
                Ok(())
            });
            found.push((file, read.is_ok().then_some(groups)));
        }
        Ok(found)
    }
}

/// Whether a number stands in a record. It may be there for something else: then what is replaced is
/// more than need be.
fn names(record: &[u8], id: u64) -> bool {
    let id = id.to_string();
    record
        .windows(id.len())
        .any(|window| window == id.as_bytes())
}

/// What a tree holds of these.
fn now_in(tree: &Tree, groups: impl IntoIterator<Item = Group>) -> Result<Changes> {
    let mut present = Changes::new();
    let alone = |key: Key| -> Result<_> {
        let bytes = key.to_bytes();
        let record = get(tree, &bytes)?;
        Ok(record.map(|record| (bytes, Some(record))))
    };
    for group in groups {
        match group {
            Group::Round(key) => {
                for round in rounds(scan(tree, &keys::of_round(key))?)? {
                    present.extend(difference(None, &round)?);
                }
            }
            Group::Retraining(key) => {
                present.extend(alone(Key::Retraining(key))?);
                present.extend(alone(Key::Retrained(key))?);
            }
            Group::Settings(guild) => present.extend(alone(Key::Settings(guild))?),
            Group::Consent(guild, member) => present.extend(alone(Key::Consent(guild, member))?),
            Group::NextNumber(guild) => present.extend(alone(Key::NextNumber(guild))?),
            Group::Left(guild) => present.extend(alone(Key::Left(guild))?),
        }
    }
    Ok(present)
}

/// Writes a snapshot anew, with what is present in the place of what is stale.
fn rewrite(file: &Path, stale: &BTreeSet<Group>, present: &Changes) -> Result<()> {
    let made_at = Store::verify(file)?.made_at;
    let is_stale =
        |key: &[u8]| Key::from_bytes(key).is_some_and(|key| stale.contains(&key.group()));
    let mut fresh = present
        .iter()
        .filter(|(key, _)| is_stale(key))
        .filter_map(|(key, record)| Some((key, record.as_ref()?)))
        .peekable();
    let mut rewritten = BackupWriter::begin(file, made_at)?;
    backup::read(file, |key, record| {
        while let Some((key, record)) = fresh.next_if(|(fresh, _)| **fresh <= key) {
            rewritten.add(key, record)?;
        }
        if is_stale(&key) {
            return Ok(());
        }
        rewritten.add(&key, &record)
    })?;
    for (key, record) in fresh {
        rewritten.add(key, record)?;
    }
    rewritten.finish()?;
    Ok(())
}

fn remove(file: &Path) -> Result<()> {
    fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))
}

const FORMAT: &str = "accord-%Y-%m-%dT%H-%M-%S%.3fZ";
const SUFFIX: &str = ".jsonl.zst";
