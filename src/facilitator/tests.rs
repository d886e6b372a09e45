mod backups;
mod consent;
mod drafting;
mod fakes;
mod memory;
mod restarts;
mod retraining;
mod review;
mod rounds;
mod trouble;

use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::fakes::{Call, FakePlatform, Fate, Mishap, Scripted, phase_name, refused, unavailable};
use self::retraining::ScriptedTrainer;
use super::erasure::GUILD_KEPT_FOR;
use super::retraining::Parts;
use super::*;
use crate::deliberation::admission::Admission;
use crate::deliberation::rating::Likert;
use crate::deliberation::retraining::{Guilds, Hours, Limits};
use crate::deliberation::round::{CandidateKey, Phase, RatingMode, Verdict};
use crate::store::snapshots::Snapshots;
use crate::store::tests::search::holds_text;

const GUILD: Guild = Guild(1);
const SQUARE: Channel = Channel(10);
const ORGANISER: Member = Member(900);
const NOTICE: TimeDelta = TimeDelta::minutes(30);
const LIMITS: RoundLimits = RoundLimits { open: 5, a_day: 9 };

/// A process that runs rounds, on a store and a platform that outlive it.
struct Host {
    facilitator: Arc<Facilitator<FakePlatform>>,
    platform: FakePlatform,
    models: Arc<Scripted>,
    trainer: Arc<ScriptedTrainer>,
    hours: Hours,
    clock: Clock,
    folder: TempDir,
}

impl Host {
    async fn new() -> Self {
        Self::that_trains_at(Hours { from: 0, until: 24 }).await
    }

    async fn that_trains_at(hours: Hours) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let platform = FakePlatform::default();
        let models = Arc::new(Scripted::default());
        let trainer = Arc::new(ScriptedTrainer::default());
        let clock = Clock::system();
        let facilitator = facilitator(&folder, &platform, &models, &trainer, hours, &clock).await;
        Self {
            facilitator,
            platform,
            models,
            trainer,
            hours,
            clock,
            folder,
        }
    }

    /// Whatever is under way is dropped where it is.
    async fn restart(&mut self) {
        self.facilitator.stop().await.unwrap();
        self.start().await;
    }

    async fn start(&mut self) {
        self.platform.recovers();
        self.facilitator = self.takes_up().await;
    }

    /// What the store holds, by a process of its own.
    async fn takes_up(&self) -> Arc<Facilitator<FakePlatform>> {
        facilitator(
            &self.folder,
            &self.platform,
            &self.models,
            &self.trainer,
            self.hours,
            &self.clock,
        )
        .await
    }

    /// At least 3 opinions, for an hour each, 3 candidates, by reaction, in a thread.
    async fn opens(&self) -> RoundKey {
        self.opens_with(|_| {}).await
    }

    async fn opens_with(&self, change: impl FnOnce(&mut Terms)) -> RoundKey {
        let mut terms = Terms {
            welfare: "utilitarian".parse().unwrap(),
            minimum: 3,
            posted: 3.try_into().unwrap(),
            rating: RatingMode::Reactions,
            opinions_for: TimeDelta::hours(1),
            ratings_for: TimeDelta::hours(1),
            revisions: 0,
            notify: None,
            retention_days: 30,
            training: true,
            admission: Admission::Everyone,
            experiment: false,
            review: false,
            language: "en".into(),
            real_ratings_only: false,
        };
        change(&mut terms);
        let new = NewRound {
            guild: GUILD,
            question: "What should the town do about cars?".to_owned(),
            background: None,
            terms,
            place: Place {
                channel: SQUARE,
                thread: None,
                threads: true,
            },
            by: ORGANISER,
        };
        self.facilitator
            .open(new, LIMITS)
            .await
            .unwrap()
            .unwrap()
            .key
    }

    async fn write(&self, key: RoundKey, members: impl IntoIterator<Item = u64>) {
        for member in members {
            let text = format!("Member number {member} thinks so");
            self.facilitator
                .update(key, |round, now| {
                    round.submit_opinion(Member(member), &text, 0, now).unwrap();
                })
                .await
                .unwrap();
        }
    }

    async fn close_early(&self, key: RoundKey) {
        self.facilitator
            .update(key, |round, now| {
                round.close_early(ORGANISER, NOTICE, now).unwrap();
            })
            .await
            .unwrap();
    }

    /// A round of which three candidates are being rated, by members 1 to 3.
    async fn rating(&self) -> RoundKey {
        self.rating_with(|_| {}).await
    }

    async fn rating_with(&self, change: impl FnOnce(&mut Terms)) -> RoundKey {
        let key = self.opens_with(change).await;
        self.write(key, 1..=3).await;
        self.close_early(key).await;
        self.until(key, "rating").await;
        self.until_shown(key, Item::RatingOpen { stage: 0 }).await;
        key
    }

    async fn rate_all(&self, key: RoundKey, agreement: u8) {
        self.facilitator
            .update(key, |round, now| {
                for candidate in round.eligible() {
                    for member in Vec::from_iter(round.opinions.keys().copied()) {
                        round
                            .rate(candidate, member, Some(likert(agreement)), None, now)
                            .unwrap();
                    }
                }
            })
            .await
            .unwrap();
    }

    async fn round(&self, key: RoundKey) -> Round {
        self.facilitator.round(key).await.unwrap()
    }

    async fn until(&self, key: RoundKey, phase: &str) -> Round {
        eventually(&format!("the round is {phase}"), async || {
            let round = self.round(key).await;
            (phase_name(&round) == phase).then_some(round)
        })
        .await
    }

    /// Until the model has begun that many draftings, and has met what was to befall them.
    async fn until_begun(&self, draftings: usize) {
        eventually(&format!("{draftings} draftings have begun"), async || {
            (self.models.draftings() == draftings).then_some(())
        })
        .await;
    }

    async fn until_settled(&self, key: RoundKey) -> Round {
        eventually("the round is settled and out of memory", async || {
            let round = self.round(key).await;
            (round.settled && self.facilitator.live(key).is_none()).then_some(round)
        })
        .await
    }

    async fn until_shown(&self, key: RoundKey, item: Item) -> Message {
        eventually(&format!("{item:?} is shown"), async || {
            let round = self.round(key).await;
            round.shown(item).map(|shown| shown.message)
        })
        .await
    }

    async fn until_text(&self, key: RoundKey, item: Item, text: &str) {
        eventually(&format!("{item:?} says {text}"), async || {
            let messages = self.platform.of(key, item);
            let (_, last) = messages.last()?;
            (last.text == text).then_some(())
        })
        .await;
    }

    /// Nothing is left to do for the driver.
    async fn until_quiet(&self) {
        let mut before = (0, 0);
        eventually("the driver rests", async || {
            // Who waits for the disk does not rest; this is answered afterwards.
            self.facilitator.store.guilds().await.unwrap();
            tokio::time::sleep(Duration::from_millis(40)).await;
            let world = self.platform.world();
            let now = (world.calls.len(), world.looks);
            (std::mem::replace(&mut before, now) == now).then_some(())
        })
        .await;
    }

    async fn message_of(&self, key: RoundKey, candidate: CandidateKey) -> Message {
        let round = self.round(key).await;
        let stage = (round.stages.len() - 1) as u8;
        let item = Item::Candidate { stage, candidate };
        round.shown(item).unwrap().message
    }
}

async fn facilitator(
    folder: &TempDir,
    platform: &FakePlatform,
    models: &Arc<Scripted>,
    trainer: &Arc<ScriptedTrainer>,
    hours: Hours,
    clock: &Clock,
) -> Arc<Facilitator<FakePlatform>> {
    let thresholds = OutcomeThresholds {
        rated: 0.5,
        consensus: 2.0 / 3.0,
        contested: 0.5,
        certain: 0.75,
    };
    let store = Store::open(folder.path()).unwrap();
    let retraining = Parts {
        trainer: trainer.clone(),
        limits: Limits {
            guilds: Guilds::All,
            hours,
            at_most_every: TimeDelta::hours(24),
            versions_kept: 2,
        },
        data_dir: folder.path().join("data"),
    };
    let backups = Backups {
        snapshots: Snapshots::in_data_dir(folder.path()),
        every: TimeDelta::hours(6),
        kept: 4,
        kept_for: TimeDelta::days(7),
    };
    let facilitator = Facilitator::new(
        store,
        platform.clone(),
        models.clone(),
        thresholds,
        clock.clone(),
        retraining,
        backups,
    );
    facilitator.start(|_| true).await.unwrap();
    facilitator
}

/// Asks again until there is an answer, for at most two minutes: the machine may be busy.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "never: {what}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn likert(rating: u8) -> Likert {
    Likert::try_from(rating).unwrap()
}
