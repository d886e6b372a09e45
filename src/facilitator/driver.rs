//! A round's driver: looks at the round's state, does what it calls for, and waits for the next
//! change or deadline.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rand::Rng;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::platform::{Platform, PlatformError, Progress, View};
use super::{EDIT_EVERY, Facilitator, Live};
use crate::deliberation::id::Message;
use crate::deliberation::round::board::{Item, Shown};
use crate::deliberation::round::{Candidate, DraftInput, Due, Phase, Round};

/// What the state of a round does not tell: what may have happened without Accord seeing it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    /// Something may have been posted that nobody remembers.
    pub find: bool,
    /// Reactions may have been set or removed.
    pub reactions: bool,
    /// The thread may be archived.
    pub open_thread: bool,
}

impl Needs {
    pub fn after_a_restart() -> Self {
        Self {
            find: true,
            reactions: true,
            open_thread: true,
        }
    }
}

/// What a driver remembers from step to step.
#[derive(Default)]
struct Memory {
    drafting: Option<JoinHandle<()>>,
    edited: HashMap<Item, Instant>,
    failures: u32,
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(drafting) = &self.drafting {
            drafting.abort();
        }
    }
}

/// When a driver looks again, if nothing wakes it.
enum Next {
    Now,
    At(Instant),
    /// At the round's next deadline, if it has one.
    Deadline,
}

impl<P: Platform> Facilitator<P> {
    pub(super) async fn drive(self: Arc<Self>, live: Arc<Live>) {
        let mut memory = Memory::default();
        loop {
            let step = tokio::select! {
                () = self.shutdown.cancelled() => return,
                step = self.step(&live, &mut memory) => step,
            };
            let next = match step {
                Ok(next) => {
                    memory.failures = 0;
                    next
                }
                Err(error) => {
                    memory.failures += 1;
                    let wait = Duration::from_secs(1 << memory.failures.min(8));
                    let key = live.round().key;
                    tracing::warn!(
                        guild = %key.guild,
                        round = key.number,
                        error = format!("{error:#}"),
                        retry_s = wait.as_secs(),
                        "a step of a round failed and is tried again"
                    );
                    Next::At(Instant::now() + wait)
                }
            };
            if matches!(next, Next::Deadline) && self.let_go(&live) {
                return;
            }
            let deadline = live.round().next_deadline();
            let waited = async {
                match (next, deadline) {
                    (Next::Now, _) => {}
                    (Next::At(instant), _) => tokio::time::sleep_until(instant).await,
                    (Next::Deadline, Some(deadline)) => self.clock.sleep_until(deadline).await,
                    (Next::Deadline, None) => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = live.wake.notified() => {}
                () = waited => {}
            }
        }
    }

    /// Does what is due; something may be due again right after it.
    async fn step(self: &Arc<Self>, live: &Arc<Live>, memory: &mut Memory) -> Result<Next> {
        let due = live.round().due(self.clock.now());
        match due {
            Some(Due::CloseOpinions) => {
                self.save_change(live, |round, now| round.close_opinions(now))
                    .await?;
            }
            Some(Due::OpenRating) => {
                self.save_change(live, |round, now| round.open_rating(now))
                    .await?;
            }
            Some(Due::CloseRating) => {
                self.close_rating(live).await?;
                return Ok(Next::Now);
            }
            // Drafting takes minutes, in which the card is to tell how far it is.
            Some(Due::Draft) => {
                let idle = memory.drafting.as_ref().is_none_or(JoinHandle::is_finished);
                if idle {
                    let (this, live) = (self.clone(), live.clone());
                    memory.drafting = Some(self.tasks.spawn(async move {
                        tokio::select! {
                            () = this.shutdown.cancelled() => {}
                            () = this.draft(&live) => {}
                        }
                    }));
                }
            }
            None => {}
        }
        if let Some(drafting) = &memory.drafting
            && !matches!(live.round().phase, Phase::Drafting { .. })
        {
            drafting.abort();
            memory.drafting = None;
        }
        let next = self.show(live, memory).await?;
        if live.round().due(self.clock.now()) == Some(Due::OpenRating) {
            return Ok(Next::Now);
        }
        Ok(next)
    }

    /// Makes what is shown match what should be shown.
    async fn show(self: &Arc<Self>, live: &Arc<Live>, memory: &mut Memory) -> Result<Next> {
        if live.round().settled {
            return Ok(Next::Deadline);
        }
        match self.show_items(live, memory).await {
            Ok(next) => Ok(next),
            Err(ShowError::Platform(PlatformError::PlaceGone)) => {
                self.save_change(live, |round, now| round.place_gone(now))
                    .await?;
                Ok(Next::Deadline)
            }
            Err(ShowError::Platform(error)) => {
                // It may have been posted all the same.
                live.needs.lock().expect("nobody panics with it").find = true;
                Err(error.into())
            }
            Err(ShowError::Store(error)) => Err(error),
        }
    }

    async fn show_items(
        self: &Arc<Self>,
        live: &Arc<Live>,
        memory: &mut Memory,
    ) -> Result<Next, ShowError> {
        let mut next = Next::Deadline;
        let needs = *live.needs.lock().expect("nobody panics with it");
        if needs.open_thread && live.round().is_open() {
            self.platform.keep_thread_open(&live.snapshot()).await?;
        }
        live.needs
            .lock()
            .expect("nobody panics with it")
            .open_thread = false;
        if needs.find {
            self.find_lost(live).await?;
        }
        if needs.reactions {
            self.read_reactions(live).await?;
        }

        let board = live.round().board();
        for item in board {
            let round = live.snapshot();
            let view = View {
                round: &round,
                progress: self.progress_of(live),
            };
            let look = self.platform.look(&view, item);
            let fingerprint = P::fingerprint(&look);
            let seeded_already = match round.shown(item) {
                None => {
                    let message = self.platform.post(&round, item, look).await?;
                    self.remember(live, item, message, fingerprint, false)
                        .await?;
                    if item == Item::Card {
                        self.make_thread(live, message).await?;
                    }
                    false
                }
                Some(shown) if shown.fingerprint != fingerprint => {
                    let wait_until = memory.edited.get(&item).map(|at| *at + EDIT_EVERY);
                    if let Some(until) = wait_until.filter(|until| *until > Instant::now()) {
                        next = earlier(next, until);
                        continue;
                    }
                    let (message, seeded) = (shown.message, shown.seeded);
                    match self.platform.edit(&round, item, message, look).await {
                        Ok(()) => {}
                        Err(PlatformError::MessageGone) => {
                            self.save_change(live, |round, now| {
                                round.message_deleted(message, now);
                            })
                            .await?;
                            return Ok(Next::Now);
                        }
                        Err(error) => return Err(error.into()),
                    }
                    memory.edited.insert(item, Instant::now());
                    self.remember(live, item, message, fingerprint, seeded)
                        .await?;
                    seeded
                }
                Some(shown) => shown.seeded,
            };
            if !seeded_already && matches!(item, Item::Candidate { .. }) {
                self.seed(live, item).await?;
            }
        }
        if matches!(next, Next::Deadline) && !live.round().is_open() {
            self.save_change(live, |round, _| round.settle()).await?;
        }
        Ok(next)
    }

    async fn seed(self: &Arc<Self>, live: &Arc<Live>, item: Item) -> Result<(), ShowError> {
        let round = live.snapshot();
        let Some(shown) = round.shown(item).cloned() else {
            return Ok(());
        };
        if round.is_open() && round.takes_reactions() {
            match self.platform.seed(&round, shown.message).await {
                Err(PlatformError::MessageGone) => {
                    let message = shown.message;
                    self.save_change(live, |round, now| round.message_deleted(message, now))
                        .await?;
                    return Ok(());
                }
                seeded => seeded?,
            }
        }
        self.remember(live, item, shown.message, shown.fingerprint, true)
            .await
    }

    async fn make_thread(
        self: &Arc<Self>,
        live: &Arc<Live>,
        card: Message,
    ) -> Result<(), ShowError> {
        let round = live.snapshot();
        if !round.place.threads || round.place.thread.is_some() {
            return Ok(());
        }
        let thread = self.platform.make_thread(&round, card).await?;
        self.save_change(live, |round, _| match thread {
            Some(thread) => round.moved_to_thread(thread),
            None => round.stays_in_channel(),
        })
        .await?;
        Ok(())
    }

    /// After a crash: what was posted and not remembered.
    async fn find_lost(self: &Arc<Self>, live: &Arc<Live>) -> Result<(), ShowError> {
        let round = live.snapshot();
        if let Some(card) = round.shown(Item::Card) {
            self.make_thread(live, card.message).await?;
        }
        let round = live.snapshot();
        let missing = |round: &Round| {
            round
                .board()
                .iter()
                .any(|item| round.shown(*item).is_none())
        };
        if missing(&round) {
            let found = self.platform.find(&round).await?;
            for item in round.board() {
                if round.shown(item).is_none()
                    && let Some(&message) = found.get(&item)
                {
                    // Whatever it looks like, it is edited to look right.
                    self.remember(live, item, message, 0, false).await?;
                    if item == Item::Card {
                        self.make_thread(live, message).await?;
                        // What stands in the thread can be found only now.
                        return Box::pin(self.find_lost(live)).await;
                    }
                }
            }
        }
        live.needs.lock().expect("nobody panics with it").find = false;
        Ok(())
    }

    async fn read_reactions(self: &Arc<Self>, live: &Arc<Live>) -> Result<(), ShowError> {
        let round = live.snapshot();
        let being_rated = matches!(round.phase, Phase::Posting { .. } | Phase::Rating { .. });
        if round.takes_reactions() && being_rated {
            let stage = round.stages.len() - 1;
            for candidate in round.eligible() {
                let item = Item::Candidate {
                    stage: stage as u8,
                    candidate,
                };
                let Some(shown) = round.shown(item) else {
                    continue;
                };
                let message = shown.message;
                match self.platform.reactions(&round, message).await {
                    Ok(found) => {
                        // Closed meanwhile: then nothing is to be read any more.
                        let _ = self
                            .save_change(live, |round, now| {
                                round.reactions_found(candidate, &found, now)
                            })
                            .await?;
                    }
                    Err(PlatformError::MessageGone) => {
                        self.save_change(live, |round, now| round.message_deleted(message, now))
                            .await?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        live.needs.lock().expect("nobody panics with it").reactions = false;
        Ok(())
    }

    async fn close_rating(self: &Arc<Self>, live: &Arc<Live>) -> Result<()> {
        match self.read_reactions(live).await {
            Ok(()) => {}
            Err(ShowError::Platform(PlatformError::PlaceGone)) => {
                return self
                    .save_change(live, |round, now| round.place_gone(now))
                    .await;
            }
            Err(ShowError::Platform(error)) => return Err(error.into()),
            Err(ShowError::Store(error)) => return Err(error),
        }
        let round = live.snapshot();
        for missing in round.missing_predictions() {
            let statements: Vec<&str> = missing
                .candidates
                .iter()
                .map(|&key| round.candidate(key).text.as_str())
                .collect();
            let predicted = self
                .models
                .predict(&round.question, &missing.opinion, &statements)
                .await?;
            self.save_change(live, |round, _| {
                round.predicted(
                    missing.member,
                    missing.candidates.iter().copied().zip(predicted),
                );
            })
            .await?;
        }
        self.save_change(live, |round, now| {
            round.close_rating(&self.thresholds, &mut self.rng(), now);
        })
        .await
    }

    /// Waits for the round's turn, drafts, and predicts how participants rate the candidates.
    async fn draft(self: &Arc<Self>, live: &Arc<Live>) {
        let key = live.round().key;
        let _turn = self.queue.turn(key, live.wake.clone()).await;
        let Some(input) = live.round().draft_input() else {
            return;
        };
        live.set_progress(0, self.models.wanted());
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
                self.save_change(live, |round, now| round.drafting_failed(now))
                    .await
            }
        };
        if let Err(error) = saved {
            tracing::error!(error = format!("{error:#}"), "drafts were not saved");
        }
        live.wake.notify_one();
    }

    async fn candidates(&self, live: &Live, input: &DraftInput) -> Result<Vec<Candidate>> {
        let guild = live.round().key.guild;
        let members: Vec<_> = input.opinions.iter().map(|(member, _)| *member).collect();
        let names = self.platform.names(guild, &members).await;
        let seed = u64::from(self.rng().random::<u32>());
        let wanted = self.models.wanted();
        let mut candidates = self
            .models
            .draft(input, &names, seed, &|drafted| {
                live.set_progress(drafted, wanted);
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
                .models
                .predict(&input.question, opinion, &statements)
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

    async fn remember(
        self: &Arc<Self>,
        live: &Live,
        item: Item,
        message: Message,
        fingerprint: u64,
        seeded: bool,
    ) -> Result<(), ShowError> {
        let shown = Shown {
            item,
            message,
            fingerprint,
            seeded,
        };
        self.save_change(live, |round, _| round.show(shown)).await?;
        Ok(())
    }

    async fn save_change<T>(
        &self,
        live: &Live,
        change: impl FnOnce(&mut Round, crate::deliberation::round::Time) -> T,
    ) -> Result<T> {
        let (result, saved) = self.change(live, change);
        saved.await?;
        Ok(result)
    }

    /// Forgets a round to which nothing will happen by itself; whether it did.
    fn let_go(&self, live: &Arc<Live>) -> bool {
        if !live.round().settled {
            return false;
        }
        let mut rounds = self.live.write().expect("nobody panics with the rounds");
        // The map's and the driver's own; anybody else is about to change it.
        if Arc::strong_count(live) > 2 {
            return false;
        }
        rounds.remove(&live.round().key);
        true
    }
}

impl Live {
    fn set_progress(&self, drafted: usize, wanted: usize) {
        *self.progress.lock().expect("nobody panics with it") = Progress {
            position: None,
            drafted,
            wanted,
        };
        self.wake.notify_one();
    }
}

fn earlier(next: Next, at: Instant) -> Next {
    match next {
        Next::At(other) => Next::At(other.min(at)),
        _ => Next::At(at),
    }
}

enum ShowError {
    Platform(PlatformError),
    Store(anyhow::Error),
}

impl From<PlatformError> for ShowError {
    fn from(error: PlatformError) -> Self {
        Self::Platform(error)
    }
}

impl From<anyhow::Error> for ShowError {
    fn from(error: anyhow::Error) -> Self {
        Self::Store(error)
    }
}
