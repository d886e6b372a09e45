//! Runs rounds, whatever the platform: deadlines, drafting, and what people are shown.
//!
//! A change of a round is a function of its state ([`Facilitator::update`]): saved, and only then
//! acknowledged. Everything that takes time is done by the round's own driver (see [`driver`]), which
//! looks at the state and does what it calls for, so that it does not matter when Accord was
//! stopped.

pub mod backups;
pub mod clock;
mod consent;
mod driver;
pub mod erasure;
pub mod models;
pub mod platform;
pub mod queue;
pub mod retraining;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use anyhow::Result;
use chrono::TimeDelta;
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::backups::{Backups, LEAST_AGE_AT_START};
use self::clock::Clock;
use self::driver::Needs;
use self::models::Models;
use self::platform::{Platform, Progress};
use self::queue::DraftingQueue;
use self::retraining::{Parts, Retrainings};
use crate::deliberation::id::{Channel, Guild, Member, Message, RoundKey};
use crate::deliberation::outcome::OutcomeThresholds;
use crate::deliberation::retraining::RetrainingKey;
use crate::deliberation::round::board::Item;
use crate::deliberation::round::{Place, Round, RoundLimits, Terms, Time, TooManyRounds, may_open};
use crate::store::Store;

/// Runs the rounds of one process.
pub struct Facilitator<P> {
    pub store: Store,
    pub platform: P,
    pub clock: Clock,
    models: Arc<dyn Models>,
    thresholds: OutcomeThresholds,
    /// Rounds that something is happening to, or will; all others are in the store only.
    live: RwLock<HashMap<RoundKey, Arc<Live>>>,
    /// Held while a round gets into memory. Otherwise what was read from the store could be out of
    /// date: somebody else may take the round up, change it, and let it go in between.
    entering: tokio::sync::Mutex<()>,
    /// Held while a member's consent changes and while a round's texts expire: no text is kept for
    /// training by a consent that has just been withdrawn.
    consenting: tokio::sync::Mutex<()>,
    backups: Backups,
    /// Held while a snapshot is made, and while something is erased from the snapshots: none is made
    /// of what is being erased. Never waited for by whoever holds [`Self::consenting`].
    backing_up: tokio::sync::Mutex<()>,
    queue: DraftingQueue,
    retrainings: Retrainings,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// A round in memory.
struct Live {
    round: Mutex<Round>,
    /// Candidates of the drafting under way that are settled.
    drafted: AtomicUsize,
    needs: Mutex<Needs>,
    wake: Arc<Notify>,
}

/// What a round is opened with.
#[derive(Clone, Debug)]
pub struct NewRound {
    pub guild: Guild,
    pub question: String,
    pub background: Option<String>,
    pub terms: Terms,
    pub place: Place,
    pub by: Member,
}

impl<P: Platform> Facilitator<P> {
    pub fn new(
        store: Store,
        platform: P,
        models: Arc<dyn Models>,
        thresholds: OutcomeThresholds,
        clock: Clock,
        retraining: Parts,
        backups: Backups,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            platform,
            clock,
            models,
            thresholds,
            live: RwLock::default(),
            entering: tokio::sync::Mutex::default(),
            consenting: tokio::sync::Mutex::default(),
            backups,
            backing_up: tokio::sync::Mutex::default(),
            queue: DraftingQueue::default(),
            retrainings: Retrainings::new(retraining),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        })
    }

    /// Takes up all rounds and retrainings of the guilds that `mine` names, where they were left, and
    /// looks after the texts' expiry and the snapshots from now on.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn start(
        self: &Arc<Self>,
        mine: impl Fn(Guild) -> bool + Clone + Send + 'static,
    ) -> Result<()> {
        self.start_retraining(mine.clone()).await?;
        let alone = self.entering.lock().await;
        let rounds = self.store.live_rounds(mine).await?;
        tracing::info!(rounds = rounds.len(), "took up the rounds of the store");
        for round in rounds {
            let needs = Needs::after_a_restart(&round);
            self.take_up(round, needs);
        }
        drop(alone);
        let this = self.clone();
        self.tasks.spawn(async move {
            let mut least_age = LEAST_AGE_AT_START;
            loop {
                match this.delete_what_expired().await {
                    // The other snapshots lack what is kept for training.
                    Ok(true) => least_age = TimeDelta::zero(),
                    Ok(false) => {}
                    Err(error) => tracing::error!(
                        error = format!("{error:#}"),
                        "expired texts were not deleted"
                    ),
                }
                if let Err(error) = this.make_snapshot(least_age).await {
                    tracing::error!(error = format!("{error:#}"), "no snapshot was made");
                }
                least_age = this.backups.every;
                tokio::select! {
                    () = this.shutdown.cancelled() => return,
                    () = this.clock.sleep_until(this.clock.now() + SWEEP_EVERY) => {}
                }
            }
        });
        Ok(())
    }

    /// Stops everything that is being done and waits until it has; the next start goes on.
    pub async fn stop(&self) -> Result<()> {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.store.clone().close().await
    }

    /// The languages that the models in use in a guild were tested in, by their cards; `None` where none
    /// says.
    ///
    /// # Errors
    /// A version that is damaged.
    pub async fn tested_languages(&self, guild: Guild) -> Result<Option<BTreeSet<String>>> {
        self.models.tested_languages(guild).await
    }

    /// Opens a round, if the guild has not too many.
    ///
    /// # Errors
    /// The outer one is the store's, the inner one says why it cannot be opened.
    pub async fn open(
        self: &Arc<Self>,
        new: NewRound,
        limits: RoundLimits,
    ) -> Result<Result<Round, TooManyRounds>> {
        let _alone = self.entering.lock().await;
        let rounds = self.rounds(new.guild).await?;
        if let Err(too_many) = may_open(&rounds, limits, self.clock.now()) {
            return Ok(Err(too_many));
        }
        let key = RoundKey {
            guild: new.guild,
            number: self.store.next_number(new.guild).await?,
        };
        let NewRound {
            question,
            background,
            terms,
            place,
            by,
            ..
        } = new;
        let now = self.clock.now();
        let round = Round::open(key, question, background, terms, place, by, now);
        self.store.save(None, &round).await?;
        self.take_up(round.clone(), Needs::default());
        tracing::info!(guild = %key.guild, round = key.number, "a round was opened");
        Ok(Ok(round))
    }

    /// Changes a round. What `change` returns comes back once its effect is on disk.
    ///
    /// # Errors
    /// [`NoSuchRound`] or the store's.
    pub async fn update<T>(
        self: &Arc<Self>,
        key: RoundKey,
        change: impl FnOnce(&mut Round, Time) -> T,
    ) -> Result<T> {
        let live = self.fetch(key).await?;
        let (result, saved) = self.change(&live, change);
        // Nobody else need wait for the disk.
        drop(live);
        saved.await?;
        Ok(result)
    }

    /// A round as it is now, open or long over.
    ///
    /// # Errors
    /// [`NoSuchRound`] or the store's.
    pub async fn round(&self, key: RoundKey) -> Result<Round> {
        if let Some(live) = self.live(key) {
            return Ok(live.snapshot());
        }
        self.store
            .round(key)
            .await?
            .ok_or_else(|| NoSuchRound(key).into())
    }

    /// All rounds of a guild, the latest last.
    ///
    /// # Errors
    /// The store's.
    pub async fn rounds(&self, guild: Guild) -> Result<Vec<Round>> {
        let mut rounds = self.store.rounds(guild).await?;
        for round in &mut rounds {
            if let Some(live) = self.live(round.key) {
                *round = live.snapshot();
            }
        }
        Ok(rounds)
    }

    /// Which round, and what of it, a message shows; of rounds in memory only.
    pub fn shown_by(&self, message: Message) -> Option<(RoundKey, Item)> {
        self.all_live().iter().find_map(|live| {
            let round = live.round();
            Some((round.key, round.item_of(message)?))
        })
    }

    /// How far drafting for a round is.
    pub fn progress(&self, key: RoundKey) -> Progress {
        self.live(key)
            .map(|live| self.progress_of(&live))
            .unwrap_or_default()
    }

    /// How many rounds of all guilds are open.
    pub fn rounds_open(&self) -> usize {
        let live = self.all_live();
        live.iter().filter(|live| live.round().is_open()).count()
    }

    /// How many rounds are drafted for, or wait for it.
    pub fn drafting_queue(&self) -> usize {
        self.queue.length()
    }

    /// Events may have been missed: reads again what members did meanwhile.
    pub fn resync(&self) {
        for live in self.all_live() {
            live.need(|needs| {
                needs.reactions = Some(Arc::new(live.snapshot()));
                needs.open_thread = true;
            });
        }
    }

    /// Somebody removed the reactions of others, and perhaps those that the bot had set.
    ///
    /// # Errors
    /// The store's.
    pub async fn reactions_cleared(self: &Arc<Self>, message: Message) -> Result<()> {
        let Some((key, _)) = self.shown_by(message) else {
            return Ok(());
        };
        self.update(key, |round, _| round.unseed(message)).await?;
        if let Some(live) = self.live(key) {
            live.need(|needs| needs.reactions = Some(Arc::new(live.snapshot())));
        }
        Ok(())
    }

    /// A channel or thread was deleted.
    ///
    /// # Errors
    /// The store's.
    pub async fn place_gone(self: &Arc<Self>, guild: Guild, place: Channel) -> Result<()> {
        for key in self.rounds_in(guild, place) {
            self.update(key, |round, now| round.place_gone(now)).await?;
        }
        Ok(())
    }

    /// A thread was archived, or changed otherwise.
    pub fn thread_changed(&self, guild: Guild, thread: Channel) {
        for key in self.rounds_in(guild, thread) {
            if let Some(live) = self.live(key) {
                live.need(|needs| needs.open_thread = true);
            }
        }
    }

    fn rounds_in(&self, guild: Guild, place: Channel) -> Vec<RoundKey> {
        self.all_live()
            .iter()
            .filter_map(|live| {
                let round = live.round();
                let there = round.place.channel == place || round.place.thread == Some(place);
                (round.key.guild == guild && there).then_some(round.key)
            })
            .collect()
    }

    fn change<T>(
        &self,
        live: &Live,
        change: impl FnOnce(&mut Round, Time) -> T,
    ) -> (T, BoxFuture<'static, Result<()>>) {
        let mut round = live.round();
        let before = round.clone();
        let result = change(&mut round, self.clock.now());
        // Handed over while the round is held, so that changes are saved in their order.
        let saved = self.store.save(Some(&before), &round).boxed();
        if *round != before {
            live.wake.notify_one();
        }
        (result, saved)
    }

    fn progress_of(&self, live: &Live) -> Progress {
        let key = live.round().key;
        Progress {
            position: self.queue.position(key),
            drafted: live.drafted.load(Ordering::Relaxed),
            wanted: self.models.wanted(),
        }
    }

    fn live(&self, key: RoundKey) -> Option<Arc<Live>> {
        self.live
            .read()
            .expect("nobody panics with the rounds")
            .get(&key)
            .cloned()
    }

    fn all_live(&self) -> Vec<Arc<Live>> {
        let live = self.live.read().expect("nobody panics with the rounds");
        live.values().cloned().collect()
    }

    async fn fetch(self: &Arc<Self>, key: RoundKey) -> Result<Arc<Live>> {
        if let Some(live) = self.live(key) {
            return Ok(live);
        }
        let _alone = self.entering.lock().await;
        if let Some(live) = self.live(key) {
            return Ok(live);
        }
        let round = self.store.round(key).await?.ok_or(NoSuchRound(key))?;
        let needs = if round.settled {
            Needs::default()
        } else {
            Needs::after_a_restart(&round)
        };
        Ok(self.take_up(round, needs))
    }

    /// Only while [`Self::entering`] is held.
    fn take_up(self: &Arc<Self>, round: Round, needs: Needs) -> Arc<Live> {
        let key = round.key;
        let mut rounds = self.live.write().expect("nobody panics with the rounds");
        // It may be there already: somebody could not wait for the start.
        let live = rounds.entry(key).or_insert_with(|| {
            let live = Arc::new(Live {
                round: Mutex::new(round),
                drafted: AtomicUsize::new(0),
                needs: Mutex::new(needs),
                wake: Arc::default(),
            });
            let (this, driven) = (self.clone(), live.clone());
            self.tasks.spawn(async move { this.drive(driven).await });
            live
        });
        live.clone()
    }

    fn rng(&self) -> StdRng {
        StdRng::from_os_rng()
    }
}

impl Live {
    fn round(&self) -> std::sync::MutexGuard<'_, Round> {
        self.round.lock().expect("no change of a round panics")
    }

    fn snapshot(&self) -> Round {
        self.round().clone()
    }

    fn need(&self, what: impl FnOnce(&mut Needs)) {
        what(&mut self.needs.lock().expect("nobody panics with it"));
        self.wake.notify_one();
    }
}

/// There is no round of that number in the guild.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("there is no round {}", .0.number)]
pub struct NoSuchRound(pub RoundKey);

/// There is no retraining of that number in the guild, or not any more.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("there is no retraining {}", .0.number)]
pub struct NoSuchRetraining(pub RetrainingKey);

const SWEEP_EVERY: TimeDelta = TimeDelta::hours(1);

#[cfg(test)]
mod tests;
