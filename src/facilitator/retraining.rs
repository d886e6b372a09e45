//! Retrains the models of guilds on what their members rated: one at a time, while no candidates are
//! drafted and the hours are right, by a [`Trainer`] that can be interrupted at any time.
//!
//! A retraining is a record in the store, as a round is. One task does what is next
//! ([`Facilitator::retrain_in_turn`]), another makes the messages match ([`showing`]).

pub mod child;
mod showing;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::TimeDelta;
use futures::future::BoxFuture;
use tempfile::NamedTempFile;
use tokio::sync::watch;

use super::driver::wait_for;
use super::erasure::Learned;
use super::models::own_version;
use super::platform::Platform;
use super::{Facilitator, NoSuchRetraining};
use crate::deliberation::guild::Training;
use crate::deliberation::id::{Channel, Guild, Member, RoundKey};
use crate::deliberation::record::Deliberation;
use crate::deliberation::retraining::{
    Against, Figures, How, Limits, Measure, Model, Refused, Retraining, RetrainingKey, State,
    TrainingSet, may_ask,
};
use crate::deliberation::round::Time;
use crate::deliberation::training_data::Gathered;
use crate::inference::model_files::{self, sync_folder};
use crate::training::card::{Judged, Kind, question_hash};
use crate::training::checkpoint::Checkpoint;
use crate::training::gate::{Comparison, ROUNDS_NEEDED, Verdict};
use crate::training::generator::has_good_statements;
use crate::training::imported;
use crate::training::versions::{self, Version, VersionId, VersionName, Versions};

/// Trains models, away from everything else.
pub trait Trainer: Send + Sync + 'static {
    /// Trains a version, or goes on where an earlier call with the same order was interrupted, and
    /// does as `control` says meanwhile. `progress` is called with the share that is done.
    ///
    /// # Errors
    /// If the training fails. It may be tried again.
    fn train<'a>(
        &'a self,
        order: &'a Order,
        control: watch::Receiver<Control>,
        progress: &'a (dyn Fn(f64) + Send + Sync),
    ) -> BoxFuture<'a, Result<Ended>>;

    /// What a training on so many ratings takes; `None` for a model that cannot be trained.
    fn estimate(&self, model: Model, ratings: usize) -> Option<Estimate>;
}

/// What is to be trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub kind: Kind,
    /// Files of deliberations.
    pub data: Vec<PathBuf>,
    /// The folder of the version.
    pub out: PathBuf,
    /// The folder of the version that the gate compares with; the host's active one if there is
    /// none.
    pub against: Option<PathBuf>,
    /// For the card: what the data are.
    pub description: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Control {
    Go,
    /// Until it may go on.
    Pause,
    /// Keeps what it has learned, and ends.
    Stop,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// The version is in its folder.
    Finished,
    /// It was asked to.
    Stopped,
    /// No step made anything better, and there is no version.
    NothingLearned,
}

/// What a training takes, roughly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub time: TimeDelta,
    /// Of memory, at its peak.
    pub mib: usize,
}

/// What retraining is done with.
#[derive(Clone)]
pub struct Parts {
    pub trainer: Arc<dyn Trainer>,
    pub limits: Limits,
    pub data_dir: PathBuf,
}

/// What is known of a guild's model before it is retrained.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// Everything that can be trained on, without its text.
    pub gathered: Gathered,
    /// Deliberations that were imported.
    pub imported: usize,
    /// Rounds that the active version has not seen, and imported questions: only they can tell whether
    /// another one is better. Of a generator only those with statements that were found good.
    pub fresh: usize,
    /// Ratings beyond those of the last version.
    pub new_ratings: usize,
    pub estimate: Option<Estimate>,
    /// Other retrainings that come before it.
    pub before: usize,
    /// Nobody in this guild has retrained anything yet.
    pub first: bool,
    /// Why it cannot be asked for now.
    pub refused: Option<Refused>,
}

/// How far a retraining is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrainingProgress {
    /// Others that come first.
    pub before: usize,
    /// From 0 to 1, while it is being trained.
    pub share: f64,
    pub held_up: Option<HeldUp>,
}

/// Why a training does not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeldUp {
    /// Candidates are being drafted.
    Drafting,
    /// The hours are not right before then.
    Until(Time),
}

/// The retrainings of one process.
pub(super) struct Retrainings {
    parts: Parts,
    /// All that are remembered: those under way, and those that the versions came from.
    known: Mutex<BTreeMap<RetrainingKey, Retraining>>,
    /// Which one is being trained, and how far it is.
    share: Mutex<Option<(RetrainingKey, f64)>>,
    /// Held while data are written or removed.
    folders: tokio::sync::Mutex<()>,
    /// Tells that something of this has changed.
    changed: watch::Sender<()>,
}

/// After a training failed. It may have been killed for want of memory, which takes a while to come
/// back.
const RETRY_AFTER: Duration = Duration::from_millis(if cfg!(test) { 2 } else { 20_000 });

impl<P: Platform> Facilitator<P> {
    /// What speaks for and against retraining a guild's model now.
    ///
    /// # Errors
    /// The store's; a damaged record of the active version.
    pub async fn outlook(&self, guild: Guild, model: Model) -> Result<Outlook> {
        let mut gathered = self.training_data(guild).await?;
        let tells: fn(&Deliberation) -> bool = match model {
            Model::RewardModel => |_| true,
            Model::Generator => has_good_statements,
        };
        let kind = model.into();
        let data_dir = self.retrainings.parts.data_dir.clone();
        let (own, host) = (
            self.retrainings.versions(kind, guild),
            Versions::new(kind, &data_dir, None),
        );
        let (active, seen_questions, offer) = tokio::task::spawn_blocking(move || {
            let active = own.active()?;
            let version = match active {
                VersionId::Shipped => host.active().and_then(|id| host.load(&id)),
                _ => own.load(&active),
            };
            // Of one that is damaged nothing is known.
            let version = version.ok().flatten();
            let seen = version.map(|version| version.card.data.questions);
            let offer = imported::offer(&imported::files(&data_dir, guild)?, tells)?;
            anyhow::Ok((active, seen.unwrap_or_default(), offer))
        })
        .await??;
        let known = self.retrainings_of(guild);
        let of = |version: &VersionId| {
            let mut made = known.iter().filter(|made| made.model == model);
            made.find(|made| made.version() == Some(version.to_string().as_str()))
        };
        let seen = of(&active).and_then(|made| made.data.as_ref());
        let seen: BTreeSet<&RoundKey> = seen.iter().flat_map(|seen| &seen.rounds).collect();
        let rounds = gathered.rounds.iter().zip(&gathered.deliberations);
        let fresh_rounds = rounds.filter(|(round, deliberation)| {
            let is_new = !seen.contains(round)
                && !seen_questions.contains(&question_hash(&deliberation.question));
            is_new && tells(deliberation)
        });
        let fresh = fresh_rounds.count() + offer.questions.difference(&seen_questions).count();
        gathered.deliberations.clear();
        let made = |made: &&Retraining| made.model == model && made.version().is_some();
        let last = known.iter().rfind(made).and_then(|made| made.data.as_ref());
        let allowed = may_ask(
            &self.retrainings.parts.limits,
            &known,
            guild,
            model,
            self.clock.now(),
        );
        let training = self.store.settings(guild).await?.training;
        let ratings = gathered.ratings + offer.ratings;
        let estimate = self.retrainings.estimate(model, ratings);
        let refused = match allowed {
            Err(refused) => Some(refused),
            Ok(()) if estimate.is_none() => Some(Refused::CannotBeTrained),
            Ok(()) if training == Training::Off => Some(Refused::TurnedOff),
            Ok(()) if fresh < ROUNDS_NEEDED => Some(Refused::TooFewRounds {
                rounds: fresh,
                needed: ROUNDS_NEEDED,
            }),
            Ok(()) => None,
        };
        Ok(Outlook {
            new_ratings: gathered
                .ratings
                .saturating_sub(last.map_or(0, |last| last.ratings)),
            estimate,
            before: self.retrainings.waiting().len(),
            first: known.is_empty(),
            gathered,
            imported: offer.deliberations,
            fresh,
            refused,
        })
    }

    /// Asks for a retraining, which is told of in `channel`.
    ///
    /// # Errors
    /// The outer one is the store's, the inner one says why it cannot be asked for.
    pub async fn ask_for_retraining(
        self: &Arc<Self>,
        guild: Guild,
        model: Model,
        by: Member,
        channel: Channel,
        language: String,
    ) -> Result<Result<Retraining, Refused>> {
        let outlook = self.outlook(guild, model).await?;
        if let Some(refused) = outlook.refused {
            return Ok(Err(refused));
        }
        let own = Kind::ALL.map(|kind| self.retrainings.versions(kind, guild));
        let last = tokio::task::spawn_blocking(move || last_number(&own)).await??;
        let now = self.clock.now();
        let (asked, forgotten, saved) = {
            let mut known = self.retrainings.known();
            let of_guild: Vec<Retraining> = of_guild(&known, guild).cloned().collect();
            // Somebody else may have asked meanwhile.
            if let Err(refused) =
                may_ask(&self.retrainings.parts.limits, &of_guild, guild, model, now)
            {
                return Ok(Err(refused));
            }
            // After going back to a backup there are versions of retrainings that it does not know.
            let known_last = of_guild.last().map_or(0, |last| last.key.number);
            let number = known_last.max(last).saturating_add(1);
            let asked = Retraining {
                key: RetrainingKey { guild, number },
                model,
                by,
                asked_at: now,
                channel,
                language,
                shown: None,
                data: None,
                erased: 0,
                failures: 0,
                worked_s: 0,
                state: State::Waiting,
                settled: false,
            };
            known.insert(asked.key, asked.clone());
            // What came to nothing is remembered until the next one, or as long as it counts.
            let limits = &self.retrainings.parts.limits;
            let nothing = |made: &&Retraining| {
                made.settled
                    && made.is_over()
                    && made.version().is_none()
                    && made.counts_until(limits).is_none_or(|until| until <= now)
            };
            let forgotten = of_guild.iter().filter(nothing).map(|made| made.key);
            let forgotten: Vec<RetrainingKey> = forgotten.collect();
            known.retain(|key, _| !forgotten.contains(key));
            let saved = self.store.save_retraining(&asked);
            (asked, forgotten, saved)
        };
        saved.await?;
        self.store.remove_retrainings(forgotten).await?;
        self.retrainings.changed.send_replace(());
        tracing::info!(%guild, number = asked.key.number, "a retraining was asked for");
        Ok(Ok(asked))
    }

    /// Ends a retraining; whether there was something to end.
    ///
    /// # Errors
    /// [`NoSuchRetraining`] or the store's.
    pub async fn cancel_retraining(&self, key: RetrainingKey, by: Member) -> Result<bool> {
        let cancelled = self
            .change_retraining(key, |retraining, now| retraining.cancel(by, now))
            .await?;
        self.clear(key).await;
        Ok(cancelled)
    }

    /// Ends the retrainings of a guild in which training was turned off, or that the bot left.
    ///
    /// # Errors
    /// The store's.
    pub async fn stop_retrainings(&self, guild: Guild) -> Result<()> {
        for retraining in self.retrainings_of(guild) {
            if !retraining.is_over() {
                self.change_retraining(retraining.key, |retraining, now| {
                    retraining.end(How::NoData, now)
                })
                .await?;
                self.clear(retraining.key).await;
            }
        }
        Ok(())
    }

    /// A guild's settings were changed: what is under way there, and in guilds that it shared with,
    /// goes on only with what may still be learned from.
    ///
    /// # Errors
    /// The store's.
    pub async fn settings_changed(&self, guild: Guild) -> Result<()> {
        if self.store.settings(guild).await?.training == Training::Off {
            self.stop_retrainings(guild).await?;
        }
        self.forget_all_who_left().await
    }

    /// The retrainings of a guild that are remembered, the latest last.
    pub fn retrainings_of(&self, guild: Guild) -> Vec<Retraining> {
        of_guild(&self.retrainings.known(), guild)
            .cloned()
            .collect()
    }

    /// A guild's own versions.
    pub fn versions_of(&self, guild: Guild, model: Model) -> Versions {
        self.retrainings.versions(model.into(), guild)
    }

    /// How far a retraining is.
    pub fn training_progress(&self, key: RetrainingKey) -> TrainingProgress {
        let waiting = self.retrainings.waiting();
        let share = *self.retrainings.share();
        TrainingProgress {
            before: waiting.iter().take_while(|other| **other != key).count(),
            share: share
                .filter(|(trained, _)| *trained == key)
                .map_or(0.0, |(_, share)| share),
            held_up: self.held_up(),
        }
    }

    /// Which versions learned from what a member wrote or rated in a guild.
    pub fn versions_trained_on(&self, guild: Guild, member: Member) -> Learned {
        Learned::from(self.retrainings.known().values(), guild, Some(member))
    }

    /// All that are remembered, of all guilds.
    pub fn all_retrainings(&self) -> Vec<Retraining> {
        self.retrainings.known().values().cloned().collect()
    }

    /// Nothing of a member is to be in what is trained from now on. It is counted how many are in
    /// the versions that there are.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn forget_in_retrainings(&self, guild: Guild, member: Member) -> Result<()> {
        let holding: Vec<RetrainingKey> = {
            let known = self.retrainings.known();
            known
                .values()
                .filter(|retraining| retraining.holds(guild, member))
                .map(|retraining| retraining.key)
                .collect()
        };
        for key in holding {
            self.change_retraining(key, |retraining, _| retraining.forget(guild, member))
                .await?;
            self.clear_unless_needed(key).await;
        }
        Ok(())
    }

    /// A member had everything erased: beside what [`Self::forget_in_retrainings`] does, it is not
    /// told any more what they asked for or cancelled. It waits until no file has their texts.
    ///
    /// # Errors
    /// The store's; Accord is being stopped before a training has ended.
    pub(super) async fn erase_in_retrainings(&self, guild: Guild, member: Member) -> Result<()> {
        self.forget_in_retrainings(guild, member).await?;
        self.until_nothing_is_trained_on_old_data().await?;
        for mut retraining in self.retrainings_of(guild) {
            if retraining.anonymise(member) {
                self.change_retraining(retraining.key, |retraining, _| {
                    retraining.anonymise(member)
                })
                .await?;
            }
        }
        Ok(())
    }

    /// A training that is told to stop does so after its step, and then its data are removed or written
    /// anew.
    ///
    /// # Errors
    /// Accord is being stopped before that.
    pub(super) async fn until_nothing_is_trained_on_old_data(&self) -> Result<()> {
        let mut changed = self.retrainings.changed.subscribe();
        let mut stopping = None;
        loop {
            changed.mark_unchanged();
            let trained = {
                // One that has just begun may still have who left in its data.
                let _alone = self.consenting.lock().await;
                let trained = *self.retrainings.share();
                let old = |key| self.retraining(key).is_ok_and(|made| made.data.is_none());
                trained.map(|(key, _)| key).filter(|key| old(*key))
            };
            if trained.is_none() {
                // It has stopped, and its data are perhaps just being removed.
                for key in self.retrainings.waiting().into_iter().chain(stopping) {
                    self.clear_unless_needed(key).await;
                }
                return Ok(());
            }
            stopping = trained;
            tokio::select! {
                () = self.shutdown.cancelled() => {
                    bail!("Accord is being stopped before a training has ended")
                }
                changed = changed.changed() => changed?,
            }
        }
    }

    /// Forgets all that was trained for a guild, and what its members gave others.
    ///
    /// # Errors
    /// The store's; a folder that cannot be removed.
    pub(super) async fn erase_retrainings(&self, guild: Guild) -> Result<()> {
        let others: Vec<Retraining> = {
            let mut known = self.retrainings.known();
            known.retain(|key, _| key.guild != guild);
            known.values().cloned().collect()
        };
        self.retrainings.changed.send_replace(());
        for mut made in others {
            // In most there is nothing.
            if made.forget_guild(guild) {
                self.change_retraining(made.key, |made, _| made.forget_guild(guild))
                    .await?;
                self.clear_unless_needed(made.key).await;
            }
        }
        let data_dir = self.retrainings.parts.data_dir.clone();
        tokio::task::spawn_blocking(move || remove_guild_files(&data_dir, guild)).await?
    }

    /// Takes up what was under way, and looks after all retrainings from now on.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub(super) async fn start_retraining(
        self: &Arc<Self>,
        mine: impl Fn(Guild) -> bool + Clone + Send + 'static,
    ) -> Result<()> {
        let stored = self.store.retrainings(mine.clone()).await?;
        let left = stored.iter().filter(|made| !made.is_over()).count();
        if left > 0 {
            tracing::info!(retrainings = left, "took up the retrainings of the store");
        }
        self.retrainings
            .known()
            .extend(stored.into_iter().map(|mut retraining| {
                retraining.wait();
                (retraining.key, retraining)
            }));
        self.clear_after_a_restart(mine).await?;
        let this = self.clone();
        self.tasks
            .spawn(async move { this.retrain_in_turn().await });
        let this = self.clone();
        self.tasks
            .spawn(async move { this.show_retrainings().await });
        Ok(())
    }

    async fn retrain_in_turn(self: Arc<Self>) {
        let mut changed = self.retrainings.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let next = self.retrainings.waiting().first().copied();
            let mut later = None;
            if let Some(key) = next {
                let now = self.clock.now();
                let hours = self.retrainings.parts.limits.hours;
                if hours.contain(now) {
                    self.retrain(key).await;
                    if self.shutdown.is_cancelled() {
                        return;
                    }
                    continue;
                }
                later = hours.change_after(now);
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                _ = changed.changed() => {}
                () = wait_for(later.map(|at| self.clock.sleep_until(at))) => {}
            }
        }
    }

    /// Trains until it is over, or is interrupted, or has failed and is to be tried again.
    async fn retrain(self: &Arc<Self>, key: RetrainingKey) {
        // From now on nobody else removes its data.
        *self.retrainings.share() = Some((key, 0.0));
        let tried = self.try_to_retrain(key).await;
        if let Err(error) = &tried {
            tracing::error!(
                guild = %key.guild,
                number = key.number,
                error = format!("{error:#}"),
                "a retraining failed"
            );
            // Whatever ends the bot may end what it has started too.
            if !self.shutdown.is_cancelled() {
                // It may have been erased meanwhile.
                let _ = self
                    .change_retraining(key, |retraining, now| retraining.failed(now))
                    .await;
            }
        }
        *self.retrainings.share() = None;
        let needed = self.clear_unless_needed(key).await;
        self.retrainings.changed.send_replace(());
        if needed || tried.is_err() {
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = tokio::time::sleep(RETRY_AFTER) => {}
            }
        }
    }

    async fn try_to_retrain(self: &Arc<Self>, key: RetrainingKey) -> Result<()> {
        let retraining = self.retraining(key)?;
        if retraining.is_over() {
            return Ok(());
        }
        let folder = work_folder(&self.retrainings.parts.data_dir, key);
        let training = self.store.settings(key.guild).await?.training;
        let known = retraining.data.clone();
        let Some(data) = (match known.filter(|_| folder.join(DATA).exists()) {
            // It was turned off just before a crash.
            _ if training == Training::Off => None,
            Some(data) => Some(data),
            None => self.write_data(&retraining, &folder).await?,
        }) else {
            self.change_retraining(key, |retraining, now| retraining.end(How::NoData, now))
                .await?;
            return Ok(());
        };
        {
            // Who takes their consent back does so before, or is found in the data.
            let _alone = self.consenting.lock().await;
            self.change_retraining(key, |retraining, _| retraining.begin(data.clone()))
                .await?;
            if self.forget_who_left(key).await? {
                return Ok(());
            }
        }
        let order = self.order(&retraining, &folder, &data).await?;
        let ended = if is_complete(&order.out) {
            Ended::Finished
        } else {
            let own = self.retrainings.versions(order.kind, key.guild);
            let name = VersionId::Stored(retraining.version_name().parse()?);
            // It could not be put into use. A backup from before it was made was restored.
            ensure!(
                !matches!(own.load(&name), Ok(Some(_))),
                "version {name} is there already"
            );
            self.train(key, &data, &order).await?
        };
        match ended {
            Ended::Finished => self.put_into_use(key, &order, &data).await,
            Ended::NothingLearned => {
                self.end_if_wanted(key, &data, How::NothingLearned).await?;
                Ok(())
            }
            Ended::Stopped => {
                self.change_retraining(key, |retraining, _| retraining.wait())
                    .await
            }
        }
    }

    /// Writes down what is trained on; `None` if that is not enough any more.
    async fn write_data(
        &self,
        retraining: &Retraining,
        folder: &Path,
    ) -> Result<Option<TrainingSet>> {
        let guild = retraining.key.guild;
        let gathered = self.training_data(guild).await?;
        let offer = self.offer(guild).await?;
        if gathered.rounds.len() + offer.questions.len() < ROUNDS_NEEDED {
            return Ok(None);
        }
        let imported = offer.deliberations;
        let kind = retraining.model.into();
        let (own, host) = (
            self.retrainings.versions(kind, guild),
            Versions::new(kind, &self.retrainings.parts.data_dir, None),
        );
        let folder = folder.to_owned();
        let data_dir = self.retrainings.parts.data_dir.clone();
        let deliberations = gathered.deliberations;
        let _alone = self.retrainings.folders.lock().await;
        let against = tokio::task::spawn_blocking(move || {
            // What was learned from other data is of no use.
            remove_folder(&folder)?;
            let cannot_write = || format!("cannot write in {}", folder.display());
            write_private(&folder, DATA, &deliberations).with_context(cannot_write)?;
            // Somebody may import others meanwhile.
            imported::copy(&data_dir, guild, &folder).with_context(cannot_write)?;
            against(&own, &host)
        })
        .await??;
        Ok(Some(TrainingSet {
            rounds: gathered.rounds,
            imported,
            members: gathered.members,
            ratings: gathered.ratings,
            down_weighted: gathered.down_weighted,
            contributors: gathered.contributors,
            against,
        }))
    }

    /// Whose opinions or ratings in these rounds may train a guild's models now.
    async fn contributors(
        &self,
        guild: Guild,
        rounds: &[RoundKey],
    ) -> Result<BTreeSet<(Guild, Member)>> {
        let teach = self.guilds_that_teach(guild).await?;
        let mut agreed: BTreeMap<Guild, BTreeSet<Member>> = BTreeMap::new();
        for of in rounds.iter().map(|round| round.guild) {
            if let Entry::Vacant(unknown) = agreed.entry(of) {
                unknown.insert(match teach.contains(&of) {
                    true => self.agreed(guild, of).await?,
                    false => BTreeSet::new(),
                });
            }
        }
        let mut contributors = BTreeSet::new();
        for &key in rounds {
            let round = self.round(key).await?;
            let who = round.opinions.keys().copied();
            let who = who.filter(|member| agreed[&key.guild].contains(member));
            contributors.extend(who.map(|member| (key.guild, member)));
        }
        Ok(contributors)
    }

    /// Whether somebody in the data had everything erased, took their consent back or is of a guild
    /// that does not share any more; then they are to be written anew.
    async fn forget_who_left(&self, key: RetrainingKey) -> Result<bool> {
        let retraining = self.retraining(key)?;
        let over = retraining.is_over();
        let Some(data) = retraining.data.filter(|_| !over) else {
            return Ok(false);
        };
        let now = self.contributors(key.guild, &data.rounds).await?;
        let mut left = data.contributors.difference(&now);
        let Some(&(guild, member)) = left.next() else {
            return Ok(false);
        };
        // One is enough: it begins anew without all of them.
        self.change_retraining(key, |retraining, _| {
            retraining.goes_on_with(&data) && retraining.forget(guild, member)
        })
        .await
    }

    /// [`Self::forget_who_left`] in all that are under way.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn forget_all_who_left(&self) -> Result<()> {
        for key in self.retrainings.waiting() {
            // It may have been erased meanwhile.
            if self.retraining(key).is_ok() && self.forget_who_left(key).await? {
                self.clear_unless_needed(key).await;
            }
        }
        Ok(())
    }

    async fn order(
        &self,
        retraining: &Retraining,
        folder: &Path,
        data: &TrainingSet,
    ) -> Result<Order> {
        let guild = retraining.key.guild;
        let kind = retraining.model.into();
        let mut files = Vec::new();
        if !data.rounds.is_empty() {
            files.push(folder.join(DATA));
        }
        files.extend(imported::files(folder, guild)?);
        let own = self.retrainings.versions(kind, guild).folder;
        let against: VersionId = data.against.guild.parse()?;
        Ok(Order {
            kind,
            data: files,
            out: folder.join(retraining.version_name()),
            against: match against {
                VersionId::Stored(name) => Some(own.join(name.to_string())),
                VersionId::Shipped | VersionId::Base => None,
            },
            description: description(guild, data),
        })
    }

    /// Trains, with pauses.
    async fn train(&self, key: RetrainingKey, data: &TrainingSet, order: &Order) -> Result<Ended> {
        let (control, seen) = watch::channel(Control::Go);
        let progress = |share: f64| {
            *self.retrainings.share() = Some((key, share.clamp(0.0, 1.0)));
            self.retrainings.changed.send_replace(());
        };
        progress(0.0);
        tracing::info!(guild = %key.guild, number = key.number, "a retraining begins");
        let mut changed = self.retrainings.changed.subscribe();
        let mut drafting = self.queue.busy();
        let training = self.retrainings.parts.trainer.train(order, seen, &progress);
        tokio::pin!(training);
        let mut worked = Duration::ZERO;
        let ended = loop {
            changed.mark_unchanged();
            drafting.mark_unchanged();
            let wanted = self.wanted(key, data);
            if control.send_if_modified(|now| std::mem::replace(now, wanted) != wanted) {
                // A pause is shown.
                self.retrainings.changed.send_replace(());
            }
            let since = Instant::now();
            let now = self.clock.now();
            let hours_change = self.retrainings.parts.limits.hours.change_after(now);
            let ended = tokio::select! {
                ended = &mut training => Some(ended),
                () = self.shutdown.cancelled(), if wanted != Control::Stop => None,
                _ = changed.changed() => None,
                _ = drafting.changed() => None,
                () = wait_for(hours_change.map(|at| self.clock.sleep_until(at))) => None,
            };
            if wanted == Control::Go {
                worked += since.elapsed();
            }
            if let Some(ended) = ended {
                break ended;
            }
        };
        self.change_retraining(key, |retraining, _| {
            retraining.worked_s += worked.as_secs();
        })
        .await?;
        ended
    }

    fn wanted(&self, key: RetrainingKey, data: &TrainingSet) -> Control {
        let goes_on = self.retraining(key);
        let goes_on = goes_on.is_ok_and(|retraining| retraining.goes_on_with(data));
        if self.shutdown.is_cancelled() || !goes_on {
            Control::Stop
        } else if self.held_up().is_some() {
            Control::Pause
        } else {
            Control::Go
        }
    }

    fn held_up(&self) -> Option<HeldUp> {
        let now = self.clock.now();
        let hours = self.retrainings.parts.limits.hours;
        if !hours.contain(now) {
            return hours.change_after(now).map(HeldUp::Until);
        }
        let drafting = *self.queue.busy().borrow();
        drafting.then_some(HeldUp::Drafting)
    }

    /// Keeps the version that was trained, and makes it active if the gate lets it.
    async fn put_into_use(
        &self,
        key: RetrainingKey,
        order: &Order,
        data: &TrainingSet,
    ) -> Result<()> {
        let goes_on = self.retraining(key);
        if !goes_on.is_ok_and(|retraining| retraining.goes_on_with(data)) {
            return Ok(());
        }
        let Parts {
            limits, data_dir, ..
        } = &self.retrainings.parts;
        let (own, host) = (
            self.retrainings.versions(order.kind, key.guild),
            Versions::new(order.kind, data_dir, None),
        );
        let (out, kept, before) = (
            order.out.clone(),
            limits.versions_kept,
            data.against.clone(),
        );
        let versions = own.clone();
        let how =
            tokio::task::spawn_blocking(move || put_into_use(&versions, &host, &out, &before))
                .await??;
        if !self.end_if_wanted(key, data, how).await? {
            // With the data, the version is removed that came of it.
            return Ok(());
        }
        let mut in_use = self.versions_in_use(key.guild);
        // What became of it is still to be told.
        in_use.extend(self.retraining(key)?.version_name().parse::<VersionName>());
        let data_dir = data_dir.clone();
        let removed = tokio::task::spawn_blocking(move || {
            own.remove_all_but(kept, &in_use, |adapter| {
                model_files::remove_made_with(adapter, &data_dir)
            })
        })
        .await??;
        self.forget_versions(key.guild, &removed).await
    }

    /// Of a guild's own versions those that rounds under way began with.
    fn versions_in_use(&self, guild: Guild) -> BTreeSet<VersionName> {
        let rounds = self.all_live();
        let models = rounds.iter().filter_map(|live| live.round().models.clone());
        models
            .flat_map(|models| [models.generator, models.reward_model])
            .filter_map(|name| own_version(&name, guild))
            .collect()
    }

    /// Ends a retraining unless somebody has ended it, or left, meanwhile; whether it did.
    async fn end_if_wanted(
        &self,
        key: RetrainingKey,
        data: &TrainingSet,
        how: How,
    ) -> Result<bool> {
        let outcome = format!("{how:?}");
        let ended = self
            .change_retraining(key, |retraining, now| {
                retraining.goes_on_with(data) && retraining.end(how, now)
            })
            .await?;
        if ended {
            let (guild, number) = (key.guild, key.number);
            tracing::info!(%guild, number, outcome, "a retraining is over");
        }
        Ok(ended)
    }

    /// What versions came from that are no more.
    async fn forget_versions(&self, guild: Guild, removed: &[VersionName]) -> Result<()> {
        let removed: BTreeSet<String> = removed.iter().map(ToString::to_string).collect();
        let gone: Vec<RetrainingKey> = self
            .retrainings_of(guild)
            .into_iter()
            .filter(|made| made.version().is_some_and(|name| removed.contains(name)))
            .map(|made| made.key)
            .collect();
        self.retrainings
            .known()
            .retain(|key, _| !gone.contains(key));
        self.store.remove_retrainings(gone).await
    }

    /// Removes what nobody needs that was stopped at any moment.
    async fn clear_after_a_restart(&self, mine: impl Fn(Guild) -> bool) -> Result<()> {
        let known: Vec<RetrainingKey> = self.retrainings.known().keys().copied().collect();
        for &key in &known {
            self.clear_unless_needed(key).await;
        }
        let data_dir = &self.retrainings.parts.data_dir;
        for key in work_folders(data_dir)? {
            if mine(key.guild) && !known.contains(&key) {
                self.clear(key).await;
            }
        }
        Ok(())
    }

    /// [`Self::clear`], unless it goes on with its data; whether it does.
    async fn clear_unless_needed(&self, key: RetrainingKey) -> bool {
        let needed = self
            .retraining(key)
            .is_ok_and(|retraining| !retraining.is_over() && retraining.data.is_some());
        if !needed {
            self.clear(key).await;
        }
        needed
    }

    /// Removes the data of a retraining and what was learned from it, but for the version that is in
    /// its record. While it is being trained nothing is removed: that comes when it has stopped.
    async fn clear(&self, key: RetrainingKey) {
        let _alone = self.retrainings.folders.lock().await;
        let trained = *self.retrainings.share();
        if trained.is_some_and(|(trained, _)| trained == key) {
            return;
        }
        let data_dir = self.retrainings.parts.data_dir.clone();
        let folder = work_folder(&data_dir, key);
        let made = self.retraining(key).ok();
        let unwanted = made
            .filter(|made| made.version().is_none())
            .map(|made| (self.versions_of(key.guild, made.model), made.version_name()));
        let removed = tokio::task::spawn_blocking(move || {
            if let Some((own, name)) = unwanted {
                let made = folder.join(&name);
                let name = name.parse()?;
                own.discard(&name, &made, |adapter| {
                    model_files::remove_made_with(adapter, &data_dir)
                })?;
            }
            remove_folder(&folder)
        })
        .await;
        if let Err(error) = removed.map_err(anyhow::Error::from).flatten() {
            tracing::error!(
                error = format!("{error:#}"),
                "the data of a retraining were not removed"
            );
        }
    }

    /// What was imported for a guild, now.
    async fn offer(&self, guild: Guild) -> Result<imported::Offer> {
        let data_dir = self.retrainings.parts.data_dir.clone();
        tokio::task::spawn_blocking(move || {
            imported::offer(&imported::files(&data_dir, guild)?, |_| true)
        })
        .await?
    }

    fn retraining(&self, key: RetrainingKey) -> Result<Retraining> {
        let known = self.retrainings.known();
        Ok(known.get(&key).ok_or(NoSuchRetraining(key))?.clone())
    }

    /// What `change` returns comes back once its effect is on disk.
    async fn change_retraining<T>(
        &self,
        key: RetrainingKey,
        change: impl FnOnce(&mut Retraining, Time) -> T,
    ) -> Result<T> {
        let (result, saved) = {
            let mut known = self.retrainings.known();
            let retraining = known.get_mut(&key).ok_or(NoSuchRetraining(key))?;
            let result = change(retraining, self.clock.now());
            // Handed over while it is held, so that changes are saved in their order.
            (result, self.store.save_retraining(retraining))
        };
        self.retrainings.changed.send_replace(());
        saved.await?;
        Ok(result)
    }
}

impl Retrainings {
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            known: Mutex::default(),
            share: Mutex::default(),
            folders: tokio::sync::Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    fn versions(&self, kind: Kind, guild: Guild) -> Versions {
        Versions::of_guild(kind, &self.parts.data_dir, guild)
    }

    /// Those that are not over, in their order.
    fn waiting(&self) -> Vec<RetrainingKey> {
        let known = self.known();
        let mut waiting: Vec<&Retraining> = known.values().filter(|one| !one.is_over()).collect();
        waiting.sort_by_key(|one| (one.state != State::Training, one.asked_at, one.key));
        waiting.into_iter().map(|one| one.key).collect()
    }

    /// By what the last training of that model took here, if there was one.
    fn estimate(&self, model: Model, ratings: usize) -> Option<Estimate> {
        let of = |ratings| self.parts.trainer.estimate(model, ratings);
        let estimate = of(ratings)?;
        let known = self.known();
        let trained = known
            .values()
            .filter(|made| made.model == model && made.version().is_some() && made.worked_s > 0)
            // How many ratings were imported is not remembered.
            .filter(|made| made.data.as_ref().is_some_and(|data| data.imported == 0))
            .max_by_key(|made| made.asked_at);
        let Some((made, data)) = trained.and_then(|made| Some((made, made.data.as_ref()?))) else {
            return Some(estimate);
        };
        let expected = of(data.ratings)?.time.num_seconds().max(1);
        let time = estimate.time.num_seconds() * made.worked_s.cast_signed() / expected;
        Some(Estimate {
            time: TimeDelta::seconds(time),
            ..estimate
        })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<RetrainingKey, Retraining>> {
        self.known.lock().expect("no change of a retraining panics")
    }

    fn share(&self) -> MutexGuard<'_, Option<(RetrainingKey, f64)>> {
        self.share.lock().expect("nobody panics with a number")
    }
}

fn of_guild(
    known: &BTreeMap<RetrainingKey, Retraining>,
    guild: Guild,
) -> impl Iterator<Item = &Retraining> {
    known.values().filter(move |made| made.key.guild == guild)
}

/// What is compared with now.
fn against(own: &Versions, host: &Versions) -> Result<Against> {
    Ok(Against {
        guild: own.active()?.to_string(),
        host: host.active()?.to_string(),
    })
}

/// The highest number of a retraining that a version is named after.
fn last_number(own: &[Versions]) -> Result<u32> {
    let mut last = 0;
    for versions in own {
        for name in versions.stored()? {
            let name = name.to_string();
            let of = |kind| name.strip_prefix(&format!("{kind}-"))?.parse().ok();
            let number = Kind::ALL.into_iter().find_map(of);
            last = last.max(number.unwrap_or(0));
        }
    }
    Ok(last)
}

/// Copies a trained version in, and makes it active if the gate found it better than what is active
/// still.
fn put_into_use(own: &Versions, host: &Versions, out: &Path, before: &Against) -> Result<How> {
    let judged = Version::read(out)?.card.gate;
    let Judged { verdict, .. } = judged.context("the gate has not judged the version")?;
    if let Verdict::NotEnoughRounds { rounds } = verdict {
        return Ok(How::NotEnoughRounds { rounds });
    }
    let id = VersionId::Stored(own.add(out)?);
    let version = id.to_string();
    Ok(match verdict {
        Verdict::NotEnoughRounds { rounds } => How::NotEnoughRounds { rounds },
        Verdict::NotBetter(comparison) => How::NotBetter {
            version,
            figures: figures(&comparison),
        },
        Verdict::Better(comparison) => {
            let now = against(own, host)?;
            let figures = figures(&comparison);
            // It may have been made active just before a crash.
            if now != *before && now.guild != version {
                return Ok(How::Overtaken { version, figures });
            }
            own.activate(&id, true)?;
            How::Activated { version, figures }
        }
    })
}

fn figures(comparison: &Comparison) -> Figures {
    // A record is read back as it was written only with few digits.
    let rounded = |figure: f64| (figure * 1e6).round() / 1e6;
    match comparison {
        Comparison::Reward(comparison) => Figures {
            rounds: comparison.rounds,
            measure: Measure::Accuracy,
            active: rounded(comparison.active_accuracy),
            new: rounded(comparison.candidate_accuracy),
            gain: comparison.gain_interval.map(rounded),
        },
        Comparison::Generator(comparison) => Figures {
            rounds: comparison.rounds,
            measure: Measure::CrossEntropy,
            active: rounded(comparison.active_loss),
            new: rounded(comparison.candidate_loss),
            gain: comparison.gain_interval.map(rounded),
        },
    }
}

/// Whether a training ended there and nobody has taken up the version yet.
fn is_complete(out: &Path) -> bool {
    !Checkpoint::exists(out) && Version::read(out).is_ok()
}

/// For the card: what a guild's version is trained on.
fn description(guild: Guild, data: &TrainingSet) -> String {
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let mut text = format!(
        "{} by {} in {}",
        counted(data.ratings, "rating"),
        counted(data.members, "member"),
        counted(data.rounds.len(), "round"),
    );
    let guilds: BTreeSet<Guild> = data.rounds.iter().map(|round| round.guild).collect();
    let others = guilds.iter().filter(|other| **other != guild).count();
    if others > 0 {
        text.push_str(" of this server and ");
        text.push_str(&counted(others, "other server"));
        text.push_str(" that share");
        if others == 1 {
            text.push('s');
        }
    }
    if data.imported > 0 {
        text.push_str(", and ");
        text.push_str(&counted(data.imported, "imported deliberation"));
    }
    text
}

/// Holds people's opinions.
const DATA: &str = "data.jsonl";

fn work_folder(data_dir: &Path, key: RetrainingKey) -> PathBuf {
    let RetrainingKey { guild, number } = key;
    data_dir
        .join("retraining")
        .join(format!("{guild}-{number}"))
}

/// The retrainings that have a folder.
fn work_folders(data_dir: &Path) -> Result<Vec<RetrainingKey>> {
    let folder = data_dir.join("retraining");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", folder.display()));
        }
    };
    let key_of = |name: &str| {
        let (guild, number) = name.split_once('-')?;
        let guild = Guild(guild.parse().ok()?);
        let number = number.parse().ok()?;
        Some(RetrainingKey { guild, number })
    };
    Ok(entries
        .filter_map(|entry| key_of(entry.ok()?.file_name().to_str()?))
        .collect())
}

/// Removes what a retraining is trained on, and what was learned so far.
///
/// # Errors
/// A folder that cannot be removed.
pub(super) fn remove_work_folder(data_dir: &Path, key: RetrainingKey) -> Result<()> {
    remove_folder(&work_folder(data_dir, key))
}

/// Removes what a guild has beside its records: what is trained on, what was imported, and versions.
///
/// # Errors
/// A folder that cannot be removed.
pub(super) fn remove_guild_files(data_dir: &Path, guild: Guild) -> Result<()> {
    let mut own = work_folders(data_dir)?;
    own.retain(|key| key.guild == guild);
    for key in own {
        remove_work_folder(data_dir, key)?;
    }
    for kind in Kind::ALL {
        for adapter in Versions::of_guild(kind, data_dir, guild).adapters()? {
            model_files::remove_made_with(&adapter, data_dir)?;
        }
    }
    imported::remove_guild(data_dir, guild)?;
    versions::remove_guild(data_dir, guild)
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The file can be read by its owner alone, as temporary files are.
fn write_private(folder: &Path, name: &str, deliberations: &[Deliberation]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    for deliberation in deliberations {
        serde_json::to_writer(&mut file, deliberation)?;
        file.write_all(b"\n")?;
    }
    file.as_file().sync_all()?;
    file.persist(folder.join(name))?;
    sync_folder(folder)
}
