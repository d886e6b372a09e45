//! A round's driver: looks at the round's state, does what it calls for, and waits for the next
//! change or deadline.
//!
//! Nothing that fails keeps anything else from happening: what is due is done although something
//! cannot be shown, and what can be shown is shown although something is due and cannot be done.
//! Whatever failed is tried again after ever longer times, and whenever the round changes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, ensure};
use rand::Rng;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::models::TooSlow;
use super::platform::{Platform, PlatformError, View};
use super::{Facilitator, Live};
use crate::deliberation::distribution::RatingDistribution;
use crate::deliberation::round::board::{Item, Shown};
use crate::deliberation::round::{
    Candidate, DraftInput, Due, ModelVersions, Phase, Place, Round, Time,
};

/// What the state of a round does not tell: what may have happened without Accord seeing it.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Something may have been posted that nobody remembers.
    pub find: bool,
    /// Reactions may have been set or removed before the round was like this.
    pub reactions: Option<Arc<Round>>,
    /// The thread may be archived.
    pub open_thread: bool,
}

impl Needs {
    pub fn after_a_restart(round: &Round) -> Self {
        Self {
            find: true,
            reactions: Some(Arc::new(round.clone())),
            open_thread: true,
        }
    }

    pub fn add(&mut self, other: Self) {
        self.find |= other.find;
        // The later one: what was missed since the earlier one is older than that.
        self.reactions = self.reactions.take().or(other.reactions);
        self.open_thread |= other.open_thread;
    }
}

/// What a driver remembers from step to step.
#[derive(Default)]
struct Memory {
    drafting: Option<JoinHandle<()>>,
    edited: HashMap<Item, Instant>,
    /// How many steps have failed in a row.
    failures: u32,
    /// How often closing the rating has failed in a row.
    closing_failures: u32,
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(drafting) = &self.drafting {
            drafting.abort();
        }
    }
}

/// People read the card, they do not watch it: a message changes at most this often.
pub(super) const EDIT_EVERY: Duration = Duration::from_millis(if cfg!(test) { 30 } else { 3000 });

/// The shortest time after which something that failed is tried again; doubled each time.
const RETRY_AFTER: Duration = Duration::from_millis(if cfg!(test) { 2 } else { 2000 });

/// So often closing the rating may fail before the round goes on without what it could not find out:
/// for some ten minutes at least.
const PATIENCE: u32 = 9;

/// A round that is over is still held by somebody: when to see whether it can be let go.
const HELD: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 1000 });

impl<P: Platform> Facilitator<P> {
    pub(super) async fn drive(self: Arc<Self>, live: Arc<Live>) {
        let mut memory = Memory::default();
        loop {
            let step = tokio::select! {
                () = self.shutdown.cancelled() => return,
                step = self.step(&live, &mut memory) => step,
            };
            let failed = step.is_err();
            let mut again = match step {
                Ok(again) => {
                    memory.failures = 0;
                    again
                }
                Err(error) => {
                    let wait = RETRY_AFTER * (1 << memory.failures.min(7));
                    memory.failures += 1;
                    let key = live.round().key;
                    tracing::warn!(
                        guild = %key.guild,
                        round = key.number,
                        error = format!("{error:#}"),
                        retry_s = wait.as_secs(),
                        "a step of a round failed and is tried again"
                    );
                    Some(Instant::now() + wait)
                }
            };
            if again.is_none() && live.round().settled {
                if self.let_go(&live) {
                    return;
                }
                again = Some(Instant::now() + HELD);
            }

            let deadline = self.deadline(&live, &memory, failed);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = live.wake.notified() => {}
                () = wait_for(again.map(tokio::time::sleep_until)) => {}
                () = wait_for(deadline.map(|at| self.clock.sleep_until(at))) => {}
                ended = wait_for(memory.drafting.as_mut()) => {
                    memory.drafting = None;
                    self.drafting_ended(&live, ended).await;
                }
            }
        }
    }

    /// When time alone changes what there is to do. What is due already is either under way, or has
    /// failed and has a time of its own.
    fn deadline(&self, live: &Live, memory: &Memory, failed: bool) -> Option<Time> {
        let round = live.round();
        let now = self.clock.now();
        let drafting = memory.drafting.is_some() && round.due(now) == Some(Due::Draft);
        round
            .next_deadline()
            .filter(|at| *at > now || !(failed || drafting))
    }

    /// Does what is due, and makes what is shown match; when to look again, if need be.
    async fn step(
        self: &Arc<Self>,
        live: &Arc<Live>,
        memory: &mut Memory,
    ) -> Result<Option<Instant>> {
        let done = self.do_what_is_due(live, memory).await;
        if let Some(drafting) = &memory.drafting
            && !matches!(live.round().phase, Phase::Drafting { .. })
        {
            drafting.abort();
        }
        let shown = self.show(live, memory).await;
        done.and(shown)
    }

    async fn do_what_is_due(self: &Arc<Self>, live: &Arc<Live>, memory: &mut Memory) -> Result<()> {
        let due = live.round().due(self.clock.now());
        match due {
            None => Ok(()),
            Some(Due::CloseOpinions) => {
                self.save_change(live, |round, now| round.close_opinions(now))
                    .await
            }
            Some(Due::OpenRating) => {
                self.save_change(live, |round, now| round.open_rating(now))
                    .await
            }
            Some(Due::CloseRating) => {
                let closed = self.close_rating(live, memory.closing_failures).await;
                memory.closing_failures = match closed {
                    Ok(()) => 0,
                    Err(_) => memory.closing_failures + 1,
                };
                closed
            }
            // Drafting takes minutes, in which the card is to tell how far it is.
            Some(Due::Draft) => {
                if memory.drafting.is_none() {
                    let (this, live) = (self.clone(), live.clone());
                    memory.drafting = Some(self.tasks.spawn(async move {
                        tokio::select! {
                            () = this.shutdown.cancelled() => {}
                            () = this.draft(&live) => {}
                        }
                    }));
                }
                Ok(())
            }
        }
    }

    /// Makes what is shown match what should be shown.
    async fn show(
        self: &Arc<Self>,
        live: &Arc<Live>,
        memory: &mut Memory,
    ) -> Result<Option<Instant>> {
        if live.round().settled {
            return Ok(None);
        }
        let place = live.round().place;
        // What is needed from now on is for the next step.
        let mut needs = std::mem::take(&mut *live.needs.lock().expect("nobody panics with it"));
        let shown = self.show_items(live, memory, &mut needs).await;
        live.needs.lock().expect("nobody panics with it").add(needs);
        match shown {
            Err(error) if is(&error, |error| matches!(error, PlatformError::PlaceGone)) => {
                self.lose_place(live, place).await?;
                Ok(None)
            }
            shown => shown,
        }
    }

    /// Needs that are met are cleared.
    async fn show_items(
        self: &Arc<Self>,
        live: &Arc<Live>,
        memory: &mut Memory,
        needs: &mut Needs,
    ) -> Result<Option<Instant>> {
        let before = live.snapshot();
        let mut trouble = Trouble::default();
        if needs.open_thread && live.round().is_open() {
            let kept = self.platform.keep_thread_open(&live.snapshot()).await;
            needs.open_thread = trouble.outlives(kept.map_err(Into::into))?.is_none();
        }
        if needs.find {
            needs.find = trouble.outlives(self.find_lost(live).await)?.is_none();
        }
        if let Some(heard) = &needs.reactions {
            let read = self.read_reactions(live, heard).await;
            if trouble.outlives(read)?.is_some() {
                needs.reactions = None;
            }
        }

        // Where something may stand that nobody remembers, nothing is posted.
        let may_post = !needs.find;
        let mut again: Option<Instant> = None;
        let known = live.round().shown.len();
        let mut tried = HashSet::new();
        loop {
            // The board may change at any moment: a round that was cancelled posts nothing more.
            let round = live.snapshot();
            let next = round.board().into_iter().find(|item| tried.insert(*item));
            let Some(item) = next else {
                break;
            };
            // All but the card belongs into the thread.
            let has_place = item == Item::Card || !lacks_thread(&round);
            if round.shown(item).is_none() && !(may_post && has_place) {
                continue;
            }
            match self.show_item(live, memory, item).await {
                Ok(next) => again = again.into_iter().chain(next).min(),
                Err(error) => {
                    let gone = is(&error, |error| matches!(error, PlatformError::MessageGone));
                    let shown = live.round().shown(item).map(|shown| shown.message);
                    if let Some(message) = shown.filter(|_| gone) {
                        self.save_change(live, |round, now| round.message_deleted(message, now))
                            .await?;
                        continue;
                    }
                    // It may have been posted all the same.
                    let unknown = is(&error, |error| {
                        matches!(error, PlatformError::Unavailable(_))
                    });
                    needs.find |= unknown && shown.is_none();
                    trouble.outlives::<()>(Err(error))?;
                }
            }
        }
        trouble.told()?;
        if live.round().shown.len() > known {
            // What was drawn before it could not link to what has been posted.
            again = Some(Instant::now());
        }
        if again.is_none() && !live.round().is_open() {
            self.save_change(live, |round, _| {
                // What changed meanwhile is to be shown first: that change woke the driver.
                if *round == before {
                    round.settle();
                }
            })
            .await?;
        }
        Ok(again)
    }

    /// One item with all that belongs to it; when to look again if it has just been edited.
    async fn show_item(
        self: &Arc<Self>,
        live: &Arc<Live>,
        memory: &mut Memory,
        item: Item,
    ) -> Result<Option<Instant>> {
        let written = self.post_or_edit(live, memory, item).await;
        match item {
            Item::Card => self.make_thread(live).await?,
            Item::Candidate { .. } => self.seed(live, item).await?,
            _ => {}
        }
        written
    }

    async fn post_or_edit(
        self: &Arc<Self>,
        live: &Arc<Live>,
        memory: &mut Memory,
        item: Item,
    ) -> Result<Option<Instant>> {
        let round = live.snapshot();
        let view = View {
            round: &round,
            progress: self.progress_of(live),
        };
        let look = self.platform.look(&view, item);
        let fingerprint = P::fingerprint(&look).max(UNKNOWN + 1);
        let Some(shown) = round.shown(item) else {
            let message = self.platform.post(&round, item, look).await?;
            let posted = Shown {
                item,
                message,
                fingerprint,
                seeded: false,
            };
            self.save_change(live, |round, _| round.show(posted))
                .await?;
            return Ok(None);
        };
        if shown.fingerprint == fingerprint {
            return Ok(None);
        }
        if let Some(&edited) = memory.edited.get(&item)
            && edited.elapsed() < EDIT_EVERY
        {
            return Ok(Some(edited + EDIT_EVERY));
        }
        let message = shown.message;
        self.platform.edit(&round, item, message, look).await?;
        memory.edited.insert(item, Instant::now());
        self.save_change(live, |round, _| round.edited(message, fingerprint))
            .await?;
        Ok(None)
    }

    /// Sets the reactions with which members rate.
    async fn seed(self: &Arc<Self>, live: &Arc<Live>, item: Item) -> Result<()> {
        let round = live.snapshot();
        let Some(shown) = round.shown(item).filter(|shown| !shown.seeded) else {
            return Ok(());
        };
        if round.is_open() && round.takes_reactions() {
            self.platform.seed(&round, shown.message).await?;
        }
        let message = shown.message;
        self.save_change(live, |round, _| round.seeded(message))
            .await
    }

    /// Makes the thread under the card, if there is to be one and is none.
    async fn make_thread(self: &Arc<Self>, live: &Arc<Live>) -> Result<()> {
        let round = live.snapshot();
        let Some(card) = round.shown(Item::Card).filter(|_| lacks_thread(&round)) else {
            return Ok(());
        };
        let thread = self.platform.make_thread(&round, card.message).await?;
        self.save_change(live, |round, _| match thread {
            Some(thread) => round.moved_to_thread(thread),
            None => round.stays_in_channel(),
        })
        .await
    }

    /// After a crash, or a reply that was lost: what was posted and is not remembered.
    async fn find_lost(self: &Arc<Self>, live: &Arc<Live>) -> Result<()> {
        loop {
            let round = live.snapshot();
            let is_lost = |item: &Item| round.shown(*item).is_none();
            if !round.board().iter().any(is_lost) {
                return Ok(());
            }
            let mut found = self.platform.find(&round).await?;
            found.retain(|item, _| is_lost(item) && round.can_stand_there(*item));
            let card = found.contains_key(&Item::Card);
            for (item, message) in found {
                // Whatever it looks like, it is edited to look right.
                let lost = Shown {
                    item,
                    message,
                    fingerprint: UNKNOWN,
                    seeded: false,
                };
                self.save_change(live, |round, _| round.show(lost)).await?;
            }
            if !(card && lacks_thread(&round)) {
                return Ok(());
            }
            // What stands in the thread can be found only now.
            self.make_thread(live).await?;
        }
    }

    /// What members did before the round was as `heard`, while nobody listened. The first failure is
    /// told when all messages were tried.
    async fn read_reactions(self: &Arc<Self>, live: &Arc<Live>, heard: &Round) -> Result<()> {
        let round = live.snapshot();
        let being_rated = matches!(round.phase, Phase::Posting { .. } | Phase::Rating { .. });
        if !(round.takes_reactions() && being_rated) {
            return Ok(());
        }
        let mut trouble = Trouble::default();
        let stage = (round.stages.len() - 1) as u8;
        for candidate in round.eligible() {
            let before = live.snapshot();
            let Some(shown) = before.shown(Item::Candidate { stage, candidate }) else {
                continue;
            };
            let message = shown.message;
            match self.platform.reactions(&before, message).await {
                Ok(found) => {
                    // Closed or withdrawn meanwhile: then nothing is to be read any more.
                    let _ = self
                        .save_change(live, |round, now| {
                            round.reactions_found(candidate, &found, heard, &before, now)
                        })
                        .await?;
                }
                Err(PlatformError::MessageGone) => {
                    self.save_change(live, |round, now| round.message_deleted(message, now))
                        .await?;
                }
                Err(error) => {
                    trouble.outlives::<()>(Err(error.into()))?;
                }
            }
        }
        trouble.told()
    }

    /// Rating closes on the reactions as they are now and with everybody's rating predicted who gave
    /// none. What cannot be found out for a long time is done without.
    async fn close_rating(self: &Arc<Self>, live: &Arc<Live>, failures: u32) -> Result<()> {
        let do_without = |error: anyhow::Error| {
            let key = live.round().key;
            tracing::error!(
                guild = %key.guild,
                round = key.number,
                error = format!("{error:#}"),
                "rating is closed without what could not be found out"
            );
        };
        let place = live.round().place;
        let heard = live.snapshot();
        match self.read_reactions(live, &heard).await {
            Err(error) if is(&error, |error| matches!(error, PlatformError::PlaceGone)) => {
                return self.lose_place(live, place).await;
            }
            // Waiting does not help.
            Err(error) if is(&error, |error| matches!(error, PlatformError::Refused(_))) => {
                do_without(error);
            }
            Err(error) if failures >= PATIENCE => do_without(error),
            read => read?,
        }
        match self.predict_missing(live).await {
            Err(error) if failures >= PATIENCE => do_without(error),
            predicted => predicted?,
        }
        let calibrated = self.is_calibrated(live).await;
        self.save_change(live, |round, now| {
            round.close_rating(&self.thresholds, &mut self.rng(), now);
            if calibrated {
                round.certainty_is_calibrated();
            }
        })
        .await
    }

    /// Whether members may be told as a number how certain the models are; not where nobody knows.
    async fn is_calibrated(&self, live: &Live) -> bool {
        let round = live.snapshot();
        let Some(models) = &round.models else {
            return false;
        };
        let calibrated = self.models.is_calibrated(models, round.terms.welfare);
        calibrated.await.unwrap_or_else(|error| {
            let key = round.key;
            tracing::warn!(
                guild = %key.guild,
                round = key.number,
                error = format!("{error:#}"),
                "how well a version is calibrated cannot be read, its certainty is told in words"
            );
            false
        })
    }

    /// The place is gone, unless the round has found another meanwhile.
    async fn lose_place(&self, live: &Live, place: Place) -> Result<()> {
        self.save_change(live, |round, now| {
            if round.place == place {
                round.place_gone(now);
            }
        })
        .await
    }

    async fn predict_missing(self: &Arc<Self>, live: &Arc<Live>) -> Result<()> {
        let round = live.snapshot();
        let missing = round.missing_predictions();
        if missing.is_empty() {
            return Ok(());
        }
        let models = self.models_of(live).await?;
        for missing in missing {
            let statements: Vec<&str> = missing
                .candidates
                .iter()
                .map(|&key| round.candidate(key).text.as_str())
                .collect();
            let predicted = self
                .predict(&models, &round.question, &missing.opinion, &statements)
                .await?;
            self.save_change(live, |round, _| {
                let predictions = missing.candidates.iter().copied().zip(predicted);
                round.predicted(missing.member, predictions);
            })
            .await?;
        }
        Ok(())
    }

    /// Waits for the round's turn, drafts, and predicts how participants rate the candidates.
    async fn draft(self: &Arc<Self>, live: &Arc<Live>) {
        let key = live.round().key;
        let _turn = self.queue.turn(key, live.wake.clone()).await;
        let Some(input) = live.round().draft_input() else {
            return;
        };
        live.set_drafted(0);
        let started = Instant::now();
        let drafted = self.candidates(live, &input).await;
        let saved = match drafted {
            Ok(candidates) => {
                tracing::info!(
                    guild = %key.guild,
                    round = key.number,
                    candidates = candidates.len(),
                    duration_s = started.elapsed().as_secs(),
                    "candidates were drafted"
                );
                self.save_change(live, |round, now| {
                    round.drafted(input.stage, candidates, &mut self.rng(), now);
                })
                .await
            }
            Err(error) => {
                tracing::error!(
                    guild = %key.guild,
                    round = key.number,
                    error = format!("{error:#}"),
                    "drafting failed and is tried again"
                );
                let too_slow = error.is::<TooSlow>();
                self.save_change(live, |round, now| round.drafting_failed(too_slow, now))
                    .await
            }
        };
        if let Err(error) = saved {
            tracing::error!(error = format!("{error:#}"), "drafts were not saved");
        }
    }

    /// A model that panics is one that fails.
    async fn drafting_ended(&self, live: &Live, ended: Result<(), JoinError>) {
        live.set_drafted(0);
        if ended.is_err_and(|error| error.is_panic()) {
            let key = live.round().key;
            tracing::error!(
                guild = %key.guild,
                round = key.number,
                "drafting panicked and is tried again"
            );
            // The store says itself when it is broken.
            let _ = self
                .save_change(live, |round, now| round.drafting_failed(false, now))
                .await;
        }
    }

    async fn candidates(&self, live: &Live, input: &DraftInput) -> Result<Vec<Candidate>> {
        let guild = live.round().key.guild;
        let models = self.models_of(live).await?;
        let members: Vec<_> = input.opinions.iter().map(|(member, _)| *member).collect();
        let names = self.platform.names(guild, &members).await;
        let seed = u64::from(self.rng().random::<u32>());
        let mut candidates = self
            .models
            .draft(&models, input, &names, seed, &|drafted| {
                live.set_drafted(drafted);
            })
            .await?;

        // Also of those who joined late, and of what a revision competes with.
        let round = live.snapshot();
        let statements: Vec<&str> = candidates.iter().map(|c| c.text.as_str()).collect();
        let mut predicted = Vec::new();
        for (&member, opinion) in &round.opinions {
            let Some(opinion) = &opinion.text else {
                continue;
            };
            let distributions = self
                .predict(&models, &input.question, opinion, &statements)
                .await?;
            predicted.push((member, distributions));
        }
        for (member, distributions) in predicted {
            for (candidate, distribution) in candidates.iter_mut().zip(distributions) {
                candidate.predictions.insert(member, distribution);
            }
        }
        Ok(candidates)
    }

    /// Those that the round began with; if it has not begun, those that are active now.
    async fn models_of(&self, live: &Live) -> Result<ModelVersions> {
        let (guild, begun_with) = {
            let round = live.round();
            (round.key.guild, round.models.clone())
        };
        if let Some(models) = begun_with {
            return Ok(models);
        }
        let active = self.models.active(guild).await?;
        self.save_change(live, |round, _| round.uses(active.clone()))
            .await?;
        Ok(active)
    }

    /// One distribution a statement.
    async fn predict(
        &self,
        models: &ModelVersions,
        question: &str,
        opinion: &str,
        statements: &[&str],
    ) -> Result<Vec<RatingDistribution>> {
        let predicted = self
            .models
            .predict(models, question, opinion, statements)
            .await?;
        ensure!(
            predicted.len() == statements.len(),
            "the reward model gave {} predictions, expected {}",
            predicted.len(),
            statements.len()
        );
        Ok(predicted)
    }

    async fn save_change<T>(
        &self,
        live: &Live,
        change: impl FnOnce(&mut Round, Time) -> T,
    ) -> Result<T> {
        let (result, saved) = self.change(live, change);
        saved.await?;
        Ok(result)
    }

    /// Forgets a round to which nothing will happen by itself; whether it did.
    fn let_go(&self, live: &Arc<Live>) -> bool {
        let mut rounds = self.live.write().expect("nobody panics with the rounds");
        // The map's and the driver's own; anybody else may be about to change it. Nobody can get hold
        // of it now, and whoever had, has let it go in the state that it is in.
        let free = Arc::strong_count(live) == 2 && live.round().settled;
        if free {
            rounds.remove(&live.round().key);
        }
        free
    }
}

impl Live {
    fn set_drafted(&self, drafted: usize) {
        self.drafted.store(drafted, Ordering::Relaxed);
        self.wake.notify_one();
    }
}

/// The fingerprint of a message that was found: whatever it looks like, it is edited.
const UNKNOWN: u64 = 0;

fn lacks_thread(round: &Round) -> bool {
    round.place.threads && round.place.thread.is_none()
}

/// Something that the platform did not do, while there is more to do.
#[derive(Default)]
struct Trouble(Option<anyhow::Error>);

impl Trouble {
    /// What went well; `None` for what did not, which is kept to be told: the first, at the end.
    ///
    /// # Errors
    /// What nothing can go on after: the place is gone, or the store is broken.
    fn outlives<T>(&mut self, tried: Result<T>) -> Result<Option<T>> {
        match tried {
            Ok(done) => Ok(Some(done)),
            Err(error) if is(&error, |error| !matches!(error, PlatformError::PlaceGone)) => {
                self.0.get_or_insert(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn told(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Whether the platform failed in this way.
fn is(error: &anyhow::Error, way: impl Fn(&PlatformError) -> bool) -> bool {
    error.downcast_ref().is_some_and(way)
}

/// For ever where there is nothing to wait for.
pub(super) async fn wait_for<T>(what: Option<impl Future<Output = T>>) -> T {
    match what {
        Some(what) => what.await,
        None => std::future::pending().await,
    }
}
