//! Forgetting: members and guilds on demand, texts whose time is over; in the store, in what is
//! trained on, and in the snapshots.
//!
//! Nobody is told that something is erased before all of that is done. What was interrupted is done
//! again: by whoever asked for it, or by the next sweep.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use chrono::TimeDelta;

use super::Facilitator;
use super::backups::NoSnapshot;
use super::platform::Platform;
use super::retraining::{remove_guild_files, remove_work_folder};
use crate::deliberation::guild::GuildSettings;
use crate::deliberation::id::{Guild, Member, RoundKey};
use crate::deliberation::retraining::Retraining;
use crate::deliberation::round::{Round, Time};
use crate::store::Store;
use crate::store::snapshots::{Renewed, Snapshots, Stale};

/// What was erased, and what has learned from it and stays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Erased {
    /// Rounds in which there was something.
    pub rounds: usize,
    pub learned: Learned,
    pub snapshots: Renewed,
}

/// Trained versions that learned from somebody.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Learned {
    /// Names of the guild's own versions.
    pub own: Vec<String>,
    /// How many there are of other guilds, which the guild shared with.
    pub elsewhere: usize,
}

impl Learned {
    /// From a member of a guild, or from anybody there.
    pub(super) fn from<'a>(
        known: impl IntoIterator<Item = &'a Retraining>,
        guild: Guild,
        member: Option<Member>,
    ) -> Self {
        let mut learned = Self::default();
        for made in known {
            let holds = match member {
                Some(member) => made.holds(guild, member),
                None => {
                    let data = made.data.as_ref();
                    data.is_some_and(|data| data.contributors.iter().any(|(of, _)| *of == guild))
                }
            };
            match made.version() {
                Some(version) if holds && made.key.guild == guild => {
                    learned.own.push(version.to_owned());
                }
                Some(_) if holds => learned.elsewhere += 1,
                _ => {}
            }
        }
        learned
    }
}

impl<P: Platform> Facilitator<P> {
    /// Removes everything about a member from a guild's rounds, from what is trained on, from the
    /// snapshots and from the disk, also what they said about training.
    ///
    /// # Errors
    /// The store's; a snapshot that cannot be written; Accord is being stopped before a training has
    /// ended.
    pub async fn erase_member(self: &Arc<Self>, guild: Guild, member: Member) -> Result<Erased> {
        let learned = self.versions_trained_on(guild, member);
        let mut erased = 0;
        for mut round in self.rounds(guild).await? {
            // In most there is nothing: they need not be taken up.
            if !round.erase(member, self.clock.now()) {
                continue;
            }
            let changed = self
                .update(round.key, |round, now| round.erase(member, now))
                .await?;
            erased += usize::from(changed);
        }
        self.store.remove_consent(guild, member).await?;
        anonymise_settings(&self.store, guild, member).await?;
        self.erase_in_retrainings(guild, member).await?;
        let no_snapshot = self.backing_up.lock().await;
        let stale = Stale::Member(guild, member);
        let snapshots = self.renew_snapshots(stale, &no_snapshot).await?;
        self.store.rewrite().await?;
        Ok(Erased {
            rounds: erased,
            learned,
            snapshots,
        })
    }

    /// The bot was removed from a guild: its rounds stop, and are deleted after a while.
    ///
    /// # Errors
    /// The store's.
    pub async fn guild_left(self: &Arc<Self>, guild: Guild) -> Result<()> {
        // Also those that are over and of which something is still to be shown.
        let rounds = self.all_live().into_iter().map(|live| live.round().key);
        for key in rounds.filter(|key| key.guild == guild) {
            self.update(key, |round, now| {
                round.place_gone(now);
                // Nothing can be shown there any more.
                round.settle();
            })
            .await?;
        }
        self.stop_retrainings(guild).await?;
        self.store.guild_left(guild, self.clock.now()).await?;
        // It shares nothing any more.
        self.forget_all_who_left().await
    }

    /// The bot is in these guilds; of `ours` in no others: those that it was removed from while it was
    /// not told are left now.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_in(
        self: &Arc<Self>,
        guilds: &BTreeSet<Guild>,
        ours: impl Fn(Guild) -> bool,
    ) -> Result<()> {
        for guild in self.store.guilds().await? {
            if ours(guild) && !guilds.contains(&guild) {
                self.guild_left(guild).await?;
                tracing::info!(%guild, "was removed from a guild meanwhile");
            }
        }
        Ok(())
    }

    /// Deletes texts whose time is over, but for those that are kept for training, and the guilds that
    /// the bot left long ago; whether there was something.
    ///
    /// # Errors
    /// The store's; a snapshot that cannot be written.
    pub async fn delete_what_expired(self: &Arc<Self>) -> Result<bool> {
        // One sweep at a time, and none goes by what was due before another: what was kept for training
        // by the settings of then is not due any more.
        let alone = self.backing_up.lock().await;
        let now = self.clock.now();
        let expired = self.store.expired(now).await?;
        let before = now - GUILD_KEPT_FOR;
        let left = self.store.guilds_left_before(before).await?;
        let any = !expired.is_empty() || !left.is_empty();
        if any {
            self.store.owe_rewrite().await?;
        }
        if !expired.is_empty() {
            self.delete_texts_of(&expired, &alone).await?;
        }
        for &guild in &left {
            // It may have been joined again, and what is written there from now on stays.
            if self.store.erase_left_guild(guild, before).await? {
                self.erase_retrainings(guild).await?;
                self.renew_snapshots(Stale::Guild(guild), &alone).await?;
                // Last: as long as it counts as left, all is done again if it is interrupted.
                self.store.forget_left(guild, before).await?;
            }
        }
        // Perhaps owed by a sweep before, which could not end.
        if self.store.owes_rewrite().await? {
            self.store.rewrite().await?;
        }
        if any {
            let (rounds, guilds) = (expired.len(), left.len());
            tracing::info!(rounds, guilds, "deleted what expired");
        }
        Ok(any)
    }

    /// In the snapshots first: by what is in the store, it is done again if it is interrupted. There,
    /// texts that are kept for training are deleted too, whose authors may say no at any time; the next
    /// snapshot has them.
    async fn delete_texts_of(
        self: &Arc<Self>,
        expired: &[RoundKey],
        no_snapshot: &NoSnapshot<'_>,
    ) -> Result<()> {
        let mut without_texts = Vec::new();
        for &key in expired {
            let mut round: Round = self.round(key).await?;
            round.delete_texts(&BTreeSet::new());
            without_texts.push(round);
        }
        let stale = Stale::Rounds(without_texts);
        self.renew_snapshots(stale, no_snapshot).await?;
        for &key in expired {
            self.delete_texts(key).await?;
        }
        Ok(())
    }

    /// What is stale is erased in the snapshots too, none of which must be made or removed meanwhile.
    pub(super) async fn renew_snapshots(
        &self,
        stale: Stale,
        _no_snapshot: &NoSnapshot<'_>,
    ) -> Result<Renewed> {
        let snapshots = &self.backups.snapshots;
        let renewed = self.store.renew_snapshots(snapshots, stale).await?;
        if renewed.removed > 0 {
            let removed = renewed.removed;
            tracing::error!(
                removed,
                "damaged snapshots were removed with what was erased"
            );
        }
        Ok(renewed)
    }
}

/// [`Facilitator::erase_member`] while no bot runs on this data folder.
///
/// # Errors
/// The store's; a file that cannot be written or removed.
pub async fn erase_member_while_stopped(
    store: &Store,
    data_dir: &Path,
    guild: Guild,
    member: Member,
    now: Time,
) -> Result<Erased> {
    let known = store.retrainings(|_| true).await?;
    let learned = Learned::from(&known, guild, Some(member));
    let mut erased = 0;
    for before in store.rounds(guild).await? {
        let mut round = before.clone();
        if round.erase(member, now) {
            store.save(Some(&before), &round).await?;
            erased += 1;
        }
    }
    store.remove_consent(guild, member).await?;
    anonymise_settings(store, guild, member).await?;
    let forget = |made: &mut Retraining| {
        made.forget(guild, member);
        if made.key.guild == guild {
            made.anonymise(member);
        }
    };
    forget_while_stopped(store, data_dir, known, forget).await?;
    let snapshots = Snapshots::in_data_dir(data_dir);
    let stale = Stale::Member(guild, member);
    let snapshots = store.renew_snapshots(&snapshots, stale).await?;
    store.rewrite().await?;
    Ok(Erased {
        rounds: erased,
        learned,
        snapshots,
    })
}

/// Removes all of a guild, but for the number of its next round, while no bot runs on this data folder.
///
/// # Errors
/// The store's; a file that cannot be written or removed.
pub async fn erase_guild_while_stopped(
    store: &Store,
    data_dir: &Path,
    guild: Guild,
) -> Result<Erased> {
    let rounds = store.rounds(guild).await?.len();
    let (own, others): (Vec<_>, Vec<_>) = store
        .retrainings(|_| true)
        .await?
        .into_iter()
        .partition(|made| made.key.guild == guild);
    drop(own);
    let learned = Learned::from(&others, guild, None);
    let forget = |made: &mut Retraining| {
        made.forget_guild(guild);
    };
    forget_while_stopped(store, data_dir, others, forget).await?;
    let folder = data_dir.to_owned();
    tokio::task::spawn_blocking(move || remove_guild_files(&folder, guild)).await??;
    let snapshots = Snapshots::in_data_dir(data_dir);
    let snapshots = store
        .renew_snapshots(&snapshots, Stale::Guild(guild))
        .await?;
    store.erase_guild(guild).await?;
    store.rewrite().await?;
    Ok(Erased {
        rounds,
        learned,
        snapshots,
    })
}

async fn forget_while_stopped(
    store: &Store,
    data_dir: &Path,
    known: Vec<Retraining>,
    forget: impl Fn(&mut Retraining),
) -> Result<()> {
    for before in known {
        let mut made = before.clone();
        forget(&mut made);
        if made != before {
            store.save_retraining(&made).await?;
        }
        // What is under way without data begins anew, and nothing else needs them.
        if made.is_over() || made.data.is_none() {
            remove_work_folder(data_dir, made.key)?;
        }
    }
    Ok(())
}

async fn anonymise_settings(store: &Store, guild: Guild, member: Member) -> Result<()> {
    if store.settings(guild).await?.anonymise(member) {
        let change = move |settings: &mut GuildSettings| {
            settings.anonymise(member);
        };
        store.change_settings(guild, change).await?;
    }
    Ok(())
}

/// After the bot left a guild, its rounds are kept so long.
pub(super) const GUILD_KEPT_FOR: TimeDelta = TimeDelta::days(30);
