use std::collections::VecDeque;
use std::fs;

use candle_core::{Device, Tensor};
use chrono::Timelike;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::*;
use crate::deliberation::guild::{GuildSettings, Training};
use crate::deliberation::record::{Deliberation, RatedStatement};
use crate::deliberation::retraining::tests::retraining;
use crate::deliberation::retraining::{How, Model, Refused, Retraining, State};
use crate::deliberation::round::ModelVersions;
use crate::facilitator::erasure::Learned;
use crate::facilitator::retraining::{Control, Ended, Estimate, HeldUp, Order, Trainer};
use crate::training::card::tests::{better, card};
use crate::training::card::{Card, Judged};
use crate::training::gate::Verdict;
use crate::training::imported;
use crate::training::versions::{Version, VersionId};
use crate::transformer::adapter::{Adapter, LowRank};

/// What a training does. It finishes with a better version if nothing else is said.
#[derive(Clone, Copy, PartialEq)]
pub enum Plan {
    NotBetter,
    Fails,
    LearnsNothing,
    /// Waits until it is stopped, and does not end well.
    DiesWhenStopped,
    /// Waits until it is stopped, and stops when [`ScriptedTrainer::go_on`] is notified.
    StopsLate,
    /// Is at four tenths, and finishes when [`ScriptedTrainer::go_on`] is notified.
    Waits,
}

#[derive(Default)]
pub struct ScriptedTrainer {
    pub plans: Mutex<VecDeque<Plan>>,
    /// What was ordered, and the data that were there then.
    pub orders: Mutex<Vec<(Order, String)>>,
    /// What a training was told to do last.
    pub told: Mutex<Option<Control>>,
    pub go_on: Notify,
}

impl ScriptedTrainer {
    fn next(&self, plans: impl IntoIterator<Item = Plan>) {
        self.plans.lock().unwrap().extend(plans);
    }

    fn orders(&self) -> Vec<(Order, String)> {
        self.orders.lock().unwrap().clone()
    }

    async fn run(
        &self,
        order: &Order,
        mut control: watch::Receiver<Control>,
        progress: &(dyn Fn(f64) + Send + Sync),
    ) -> Result<Ended> {
        let data = fs::read_to_string(&order.data[0])?;
        self.orders.lock().unwrap().push((order.clone(), data));
        let plan = self.plans.lock().unwrap().pop_front();
        match plan {
            Some(Plan::Fails) => anyhow::bail!("out of memory"),
            Some(Plan::LearnsNothing) => return Ok(Ended::NothingLearned),
            Some(plan @ (Plan::Waits | Plan::DiesWhenStopped | Plan::StopsLate)) => {
                progress(0.4);
                loop {
                    let told = *control.borrow_and_update();
                    *self.told.lock().unwrap() = Some(told);
                    if told == Control::Stop && plan == Plan::DiesWhenStopped {
                        anyhow::bail!("terminated");
                    }
                    if told == Control::Stop {
                        if plan == Plan::StopsLate {
                            self.go_on.notified().await;
                        }
                        return Ok(Ended::Stopped);
                    }
                    tokio::select! {
                        () = self.go_on.notified() => break,
                        changed = control.changed() => changed?,
                    }
                }
            }
            _ => {}
        }
        let verdict = match (plan, better()) {
            (Some(Plan::NotBetter), Verdict::Better(figures)) => Verdict::NotBetter(figures),
            (_, better) => better,
        };
        let name = order.out.file_name().unwrap().to_str().unwrap();
        let against = VersionId::Shipped;
        Version::write(&order.out, &adapter(), |facts| Card {
            gate: Some(Judged { against, verdict }),
            ..card(name, facts)
        })?;
        Ok(Ended::Finished)
    }
}

impl Trainer for ScriptedTrainer {
    fn train<'a>(
        &'a self,
        order: &'a Order,
        control: watch::Receiver<Control>,
        progress: &'a (dyn Fn(f64) + Send + Sync),
    ) -> BoxFuture<'a, Result<Ended>> {
        self.run(order, control, progress).boxed()
    }

    fn estimate(&self, _: Model, ratings: usize) -> Option<Estimate> {
        Some(Estimate {
            time: TimeDelta::seconds(ratings as i64),
            mib: 100,
        })
    }
}

fn adapter() -> Adapter {
    let factors = LowRank {
        a: Tensor::full(1f32, (2, 4), &Device::Cpu).unwrap(),
        b: Tensor::full(0.5f32, (6, 2), &Device::Cpu).unwrap(),
    };
    Adapter {
        rank: 2,
        alpha: 4.0,
        updates: [("blk.0.attn_q".to_owned(), factors)].into(),
    }
}

const REWARD: Model = Model::RewardModel;

impl Host {
    /// A guild whose members agreed to training, and rated in so many rounds.
    async fn has_rated(&self, members: std::ops::RangeInclusive<u64>, rounds: usize) {
        let store = &self.facilitator.store;
        let set = move |settings: &mut GuildSettings| settings.training = Training::Own;
        store.change_settings(GUILD, set).await.unwrap();
        for member in members.clone() {
            let agrees = self
                .facilitator
                .set_consent(GUILD, Member(member), Training::Own);
            agrees.await.unwrap();
        }
        for _ in 0..rounds {
            let key = self.opens().await;
            self.write(key, members.clone()).await;
            self.close_early(key).await;
            self.until(key, "rating").await;
            self.until_shown(key, Item::RatingOpen { stage: 0 }).await;
            self.rate_all(key, 5).await;
            self.clock.advance(TimeDelta::hours(2));
            self.until_settled(key).await;
        }
    }

    async fn asks_for(&self, model: Model) -> Result<Retraining, Refused> {
        let asked =
            self.facilitator
                .ask_for_retraining(GUILD, model, ORGANISER, SQUARE, "en".into());
        asked.await.unwrap()
    }

    fn retrainings(&self) -> Vec<Retraining> {
        self.facilitator.retrainings_of(GUILD)
    }

    /// The only retraining, once it is over and shown.
    async fn until_retrained(&self) -> (How, Retraining) {
        eventually("the retraining is over", async || {
            let known = self.retrainings();
            let last = known.last().filter(|last| last.settled)?;
            match &last.state {
                State::Over { how, .. } => Some((how.clone(), last.clone())),
                _ => None,
            }
        })
        .await
    }

    /// Nobody trains at this time of the day, from the next start on.
    fn trains_at_other_hours(&mut self) {
        let hour = self.clock.now().hour();
        self.hours = Hours {
            from: (hour + 10) % 24,
            until: (hour + 12) % 24,
        };
    }

    async fn settle(&self, guild: Guild, training: Training) {
        let store = &self.facilitator.store;
        let set = move |settings: &mut GuildSettings| settings.training = training;
        store.change_settings(guild, set).await.unwrap();
    }

    /// Another guild that shares has the same rounds, and its members agree to that.
    async fn has_a_neighbour(&self, neighbour: Guild) {
        self.settle(GUILD, Training::Shared).await;
        self.settle(neighbour, Training::Shared).await;
        for mut round in self.facilitator.rounds(GUILD).await.unwrap() {
            round.key.guild = neighbour;
            self.facilitator.store.save(None, &round).await.unwrap();
            for member in round.opinions.into_keys() {
                let agrees = self
                    .facilitator
                    .set_consent(neighbour, member, Training::Shared);
                agrees.await.unwrap();
            }
        }
    }

    /// Of which guilds there is something in the data of the latest retraining.
    fn learns_from(&self) -> Vec<Guild> {
        let latest = self.retrainings().pop().unwrap();
        let contributors = latest.data.map(|data| data.contributors);
        let guilds = contributors.into_iter().flatten().map(|(guild, _)| guild);
        let guilds: std::collections::BTreeSet<Guild> = guilds.collect();
        guilds.into_iter().collect()
    }

    /// What is in the folder for data.
    fn work_folders(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("data/retraining")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    async fn until_told(&self, told: Control) {
        eventually(&format!("it is told to {told:?}"), async || {
            (*self.trainer.told.lock().unwrap() == Some(told)).then_some(())
        })
        .await;
    }

    /// What the message of a retraining says in the end.
    fn message(&self) -> String {
        let world = self.platform.world();
        let (_, said) = world.retrainings.last_key_value().expect("a message");
        said.last().unwrap().clone()
    }

    /// Deliberations on these questions, each with two ratings and the quality of its statement.
    fn imports(&self, on: &[(&str, Option<u8>)]) {
        let deliberation = |&(question, quality): &(&str, _)| Deliberation {
            id: None,
            topic: None,
            question: question.to_owned(),
            opinions: vec!["It is as it is.".to_owned(); 3],
            weights: vec![1.0; 3],
            statements: vec![RatedStatement {
                text: "Let everything stay as it is for now, and see again next year.".to_owned(),
                agreement: vec![Some(6), Some(7), None],
                quality,
                kind: None,
                arm: None,
            }],
        };
        let deliberations: Vec<Deliberation> = on.iter().map(deliberation).collect();
        let data_dir = self.folder.path().join("data");
        imported::keep(&data_dir, None, "polis", &deliberations).unwrap();
    }

    fn active(&self) -> String {
        let versions = self.facilitator.versions_of(GUILD, REWARD);
        versions.active().unwrap().to_string()
    }

    /// The data and what was learned from them are removed.
    async fn until_cleared(&self) {
        eventually("nothing is left", async || {
            self.work_folders().is_empty().then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_version_that_is_better_becomes_active_and_nothing_else_is_left() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    let outlook = host.facilitator.outlook(GUILD, REWARD).await.unwrap();
    assert!(outlook.first);
    // Three candidates, three members, eight rounds.
    assert_eq!((outlook.fresh, outlook.new_ratings), (8, 72));
    host.asks_for(REWARD).await.unwrap();
    let (how, retraining) = host.until_retrained().await;
    assert!(matches!(&how, How::Activated { version, .. } if version == "reward-1"));
    assert_eq!(host.active(), "reward-1");
    assert!(host.message().starts_with("over: Activated"));
    host.until_cleared().await;

    let (order, data) = host.trainer.orders().pop().unwrap();
    assert_eq!(order.against, None);
    assert_eq!(order.description, "72 ratings by 3 members in 8 rounds");
    assert_eq!(data.lines().count(), 8);
    assert!(data.contains("Member number 2 thinks so"));
    let data = retraining.data.unwrap();
    assert_eq!(
        (data.members, data.ratings, data.contributors.len()),
        (3, 72, 3)
    );
    let outlook = host.facilitator.outlook(GUILD, REWARD).await.unwrap();
    assert_eq!((outlook.fresh, outlook.new_ratings), (0, 0));
    assert!(matches!(outlook.refused, Some(Refused::TooSoon { .. })));
}

#[tokio::test]
async fn a_version_that_is_not_better_changes_nothing() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::NotBetter]);
    host.asks_for(REWARD).await.unwrap();
    let (how, _) = host.until_retrained().await;
    assert!(matches!(how, How::NotBetter { .. }));
    assert_eq!(host.active(), "shipped");
    let versions = host.facilitator.versions_of(GUILD, REWARD);
    // It is kept, to be reported on.
    assert_eq!(versions.list().unwrap().len(), 3);
}

#[tokio::test]
async fn a_version_that_a_round_began_with_stays_until_the_round_is_over() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    let versions = host.facilitator.versions_of(GUILD, REWARD);
    for name in ["old-1", "old-2", "old-3"] {
        let folder = host.folder.path().join(name);
        Version::write(&folder, &adapter(), |facts| card(name, facts)).unwrap();
        versions.add(&folder).unwrap();
    }
    let key = host.opens().await;
    let began = host.facilitator.update(key, |round, _| {
        round.models = Some(ModelVersions {
            generator: "shipped".to_owned(),
            reward_model: format!("guild-{GUILD}/old-1"),
        });
    });
    began.await.unwrap();
    host.asks_for(REWARD).await.unwrap();
    host.until_retrained().await;
    // They are removed after that was shown.
    eventually("old-2 alone is removed", async || {
        let listed = versions.list().unwrap();
        let listed: Vec<String> = listed.iter().map(|listed| listed.id.to_string()).collect();
        (listed == ["base", "shipped", "old-1", "old-3", "reward-1"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn too_few_rounds_and_no_consent_are_refused() {
    let host = Host::new().await;
    assert_eq!(host.asks_for(REWARD).await, Err(Refused::TurnedOff));
    host.has_rated(1..=3, 2).await;
    let (rounds, needed) = (2, 8);
    let expected = Refused::TooFewRounds { rounds, needed };
    assert_eq!(host.asks_for(REWARD).await, Err(expected));
    assert!(host.platform.world().retrainings.is_empty());
}

#[tokio::test]
async fn an_imported_conversation_counts_once_and_a_generator_needs_good_statements() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    let outlook = async |model| host.facilitator.outlook(GUILD, model).await.unwrap();
    let seconds = async |model| outlook(model).await.estimate.unwrap().time.num_seconds();
    assert_eq!(seconds(REWARD).await, 72);
    // Nobody said how well statements are written.
    let (rounds, needed) = (0, 8);
    let expected = Some(Refused::TooFewRounds { rounds, needed });
    assert_eq!(outlook(Model::Generator).await.refused, expected);

    host.imports(&[("One?", Some(7)), ("One?", None), ("Two?", None)]);
    let with = outlook(REWARD).await;
    assert_eq!((with.imported, with.fresh), (3, 10));
    assert_eq!(seconds(REWARD).await, 78);
    let with = outlook(Model::Generator).await;
    assert_eq!((with.imported, with.fresh), (3, 1));
}

#[tokio::test]
async fn training_pauses_while_candidates_are_drafted() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::Waits]);
    host.asks_for(REWARD).await.unwrap();
    host.until_told(Control::Go).await;
    host.models.next([Mishap::Waits]);
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.close_early(key).await;
    host.until_told(Control::Pause).await;
    eventually("the message says so", async || {
        host.message().ends_with("0.4 Some(Drafting)").then_some(())
    })
    .await;
    host.models.go_on.notify_one();
    host.until_told(Control::Go).await;
    host.trainer.go_on.notify_one();
    host.until_retrained().await;
    assert_eq!(host.active(), "reward-1");
}

#[tokio::test]
async fn after_a_restart_it_goes_on_with_the_same_data() {
    let mut host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::Waits, Plan::Waits]);
    host.asks_for(REWARD).await.unwrap();
    host.until_told(Control::Go).await;
    host.restart().await;
    host.until_told(Control::Go).await;
    let orders = host.trainer.orders();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0], orders[1]);
    host.trainer.go_on.notify_one();
    host.until_retrained().await;
    assert_eq!(host.active(), "reward-1");
    assert_eq!(host.platform.world().retrainings.len(), 1, "messages");
}

#[tokio::test]
async fn a_training_that_fails_is_tried_again_and_given_up_in_the_end() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::Fails]);
    host.asks_for(REWARD).await.unwrap();
    let (how, retraining) = host.until_retrained().await;
    assert!(matches!(how, How::Activated { .. }));
    assert_eq!(retraining.failures, 1);

    host.clock.advance(TimeDelta::hours(24));
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::Fails; 4]);
    host.asks_for(REWARD).await.unwrap();
    eventually("it is given up", async || {
        (host.message() == "over: Failed").then_some(())
    })
    .await;
    assert_eq!(host.active(), "reward-1");
    // What came of the other one is compared with.
    let (order, _) = host.trainer.orders().pop().unwrap();
    assert!(order.against.unwrap().ends_with("reward-1"));
}

#[tokio::test]
async fn a_retraining_that_is_cancelled_stops_and_leaves_nothing() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::Waits]);
    let key = host.asks_for(REWARD).await.unwrap().key;
    host.until_told(Control::Go).await;
    let cancelled = host.facilitator.cancel_retraining(key, Member(5)).await;
    assert!(cancelled.unwrap());
    host.until_told(Control::Stop).await;
    let (how, _) = host.until_retrained().await;
    assert_eq!(how, How::Cancelled { by: Member(5) });
    host.until_cleared().await;
    let again = host.facilitator.cancel_retraining(key, Member(5)).await;
    assert!(!again.unwrap());
}

#[tokio::test]
async fn who_has_everything_erased_is_in_no_training_any_more_and_counted_in_versions() {
    let host = Host::new().await;
    host.has_rated(1..=4, 8).await;
    host.trainer.next([Plan::Waits]);
    host.asks_for(REWARD).await.unwrap();
    host.until_told(Control::Go).await;
    let said = "Member number 4 thinks so";
    let data = host.folder.path().join("data");
    assert!(holds_text(&data, said));
    let erased = host.facilitator.erase_member(GUILD, Member(4)).await;
    assert_eq!(erased.unwrap().rounds, 8);
    // Not only later, when the training has stopped.
    assert!(!holds_text(host.folder.path(), said));
    let (_, retraining) = host.until_retrained().await;
    assert_eq!(retraining.erased, 0);
    let data: Vec<bool> = host
        .trainer
        .orders()
        .iter()
        .map(|(_, data)| data.contains("Member number 4"))
        .collect();
    assert_eq!(data, [true, false]);

    let learned_from = |member| host.facilitator.versions_trained_on(GUILD, Member(member));
    assert_eq!(learned_from(3).own, ["reward-1"]);
    assert_eq!(learned_from(4), Learned::default());
    let taken_back = host
        .facilitator
        .set_consent(GUILD, Member(3), Training::Off)
        .await;
    taken_back.unwrap();
    assert_eq!(host.retrainings()[0].erased, 1);
}

#[tokio::test]
async fn who_says_no_is_answered_when_nothing_of_theirs_is_trained_on_any_more() {
    let host = Host::new().await;
    host.has_rated(1..=4, 8).await;
    host.trainer.next([Plan::StopsLate]);
    host.asks_for(REWARD).await.unwrap();
    host.until_told(Control::Go).await;
    let facilitator = host.facilitator.clone();
    let says_no = tokio::spawn(async move {
        let no = facilitator.set_consent(GUILD, Member(4), Training::Off);
        no.await.unwrap();
    });
    host.until_told(Control::Stop).await;
    host.until_quiet().await;
    assert!(!says_no.is_finished());
    let data = host.folder.path().join("data");
    assert!(holds_text(&data, "Member number 4 thinks so"));
    host.trainer.go_on.notify_one();
    says_no.await.unwrap();
    assert!(!holds_text(&data, "Member number 4 thinks so"));
}

#[tokio::test]
async fn outside_the_hours_nothing_is_trained() {
    let now = Clock::system().now().hour();
    let hours = Hours {
        from: (now + 20) % 24,
        until: (now + 22) % 24,
    };
    let host = Host::that_trains_at(hours).await;
    // Sixteen hours pass, two a round.
    host.has_rated(1..=3, 8).await;
    host.asks_for(REWARD).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(host.trainer.orders().is_empty());
    let key = host.retrainings()[0].key;
    let held_up = host.facilitator.training_progress(key).held_up;
    assert!(matches!(held_up, Some(HeldUp::Until(_))));
    host.clock.advance(TimeDelta::hours(4));
    host.until_retrained().await;
    assert_eq!(host.active(), "reward-1");
}

#[tokio::test]
async fn one_is_trained_at_a_time() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::Waits]);
    host.asks_for(REWARD).await.unwrap();
    host.until_told(Control::Go).await;
    host.imports(&["1?", "2?", "3?", "4?", "5?", "6?", "7?", "8?"].map(|on| (on, Some(7))));
    let second = host.asks_for(Model::Generator).await.unwrap().key;
    assert_eq!(
        host.asks_for(REWARD).await,
        Err(Refused::UnderWay { number: 1 })
    );
    assert_eq!(host.facilitator.training_progress(second).before, 1);
    eventually("the message says so", async || {
        (host.message() == "waiting, 1 before it").then_some(())
    })
    .await;
    assert_eq!(host.trainer.orders().len(), 1);
}

#[tokio::test]
async fn a_message_that_was_posted_and_not_noted_is_found_again() {
    let mut host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    let mut before = true;
    host.platform.every_call(move |call| match call {
        Call::Retraining if std::mem::take(&mut before) => Fate::HangsAfter,
        _ => Fate::Done,
    });
    host.asks_for(REWARD).await.unwrap();
    eventually("the message is posted", async || {
        host.platform.world().hangs.then_some(())
    })
    .await;
    host.restart().await;
    host.until_retrained().await;
    assert!(host.message().starts_with("over: Activated"));
    assert_eq!(host.platform.world().retrainings.len(), 1, "messages");
}

#[tokio::test]
async fn a_message_that_was_deleted_does_not_stop_a_retraining() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::Waits]);
    host.asks_for(REWARD).await.unwrap();
    host.until_told(Control::Go).await;
    host.platform.world().retrainings.clear();
    host.trainer.go_on.notify_one();
    host.until_retrained().await;
    assert_eq!(host.active(), "reward-1");
}

#[tokio::test]
async fn a_guild_that_is_erased_takes_its_versions_with_it() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.asks_for(REWARD).await.unwrap();
    host.until_retrained().await;
    host.until_cleared().await;
    host.facilitator.guild_left(GUILD).await.unwrap();
    host.clock.advance(GUILD_KEPT_FOR + TimeDelta::days(1));
    host.facilitator.delete_what_expired().await.unwrap();
    assert_eq!(host.active(), "shipped");
    assert!(host.retrainings().is_empty());
    let versions = host.folder.path().join("data/versions/guilds/1");
    assert!(!versions.exists());
}

#[tokio::test]
async fn whatever_ends_a_retraining_that_waits_removes_its_data() {
    for turned_off in [false, true] {
        let mut host = Host::new().await;
        host.has_rated(1..=3, 8).await;
        host.trainer.next([Plan::Waits]);
        let key = host.asks_for(REWARD).await.unwrap().key;
        host.until_told(Control::Go).await;
        host.trains_at_other_hours();
        host.restart().await;
        assert_eq!(host.work_folders(), ["1-1"]);
        if turned_off {
            host.settle(GUILD, Training::Off).await;
            host.facilitator.settings_changed(GUILD).await.unwrap();
        } else {
            let cancelled = host.facilitator.cancel_retraining(key, ORGANISER).await;
            assert!(cancelled.unwrap());
        }
        assert!(host.work_folders().is_empty());
    }
}

#[tokio::test]
async fn a_restart_removes_data_that_nobody_trains_on() {
    let mut host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.asks_for(REWARD).await.unwrap();
    host.until_retrained().await;
    host.until_cleared().await;
    for left in ["1-1", "1-2", "7-1"] {
        let folder = host.folder.path().join("data/retraining").join(left);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("data.jsonl"), "{}").unwrap();
    }
    host.restart().await;
    assert!(host.work_folders().is_empty());
    assert_eq!(host.active(), "reward-1");
}

#[tokio::test]
async fn training_that_was_turned_off_does_not_go_on_after_a_crash() {
    let mut host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::Waits]);
    host.asks_for(REWARD).await.unwrap();
    host.until_told(Control::Go).await;
    // Saved, and then it crashed.
    host.settle(GUILD, Training::Off).await;
    host.restart().await;
    let (how, _) = host.until_retrained().await;
    assert_eq!(how, How::NoData);
    host.until_cleared().await;
    assert_eq!(host.trainer.orders().len(), 1);
}

#[tokio::test]
async fn a_guild_that_shares_no_more_is_left_out_of_what_is_trained_elsewhere() {
    for stops in ["its own", "theirs", "it leaves"] {
        let neighbour = Guild(2);
        let host = Host::new().await;
        host.has_rated(1..=3, 8).await;
        host.has_a_neighbour(neighbour).await;
        host.trainer.next([Plan::Waits, Plan::Waits]);
        host.asks_for(REWARD).await.unwrap();
        host.until_told(Control::Go).await;
        assert_eq!(host.learns_from(), [GUILD, neighbour]);
        match stops {
            "it leaves" => host.facilitator.guild_left(neighbour).await.unwrap(),
            _ => {
                let guild = if stops == "its own" { GUILD } else { neighbour };
                host.settle(guild, Training::Own).await;
                host.facilitator.settings_changed(guild).await.unwrap();
            }
        }
        eventually("it begins anew", async || {
            (host.trainer.orders().len() == 2).then_some(())
        })
        .await;
        assert_eq!(host.learns_from(), [GUILD], "{stops}");
        let (_, data) = host.trainer.orders().pop().unwrap();
        assert_eq!(data.lines().count(), 8, "{stops}");
    }
}

#[tokio::test]
async fn a_version_that_was_put_into_use_before_it_was_cancelled_is_taken_back() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::Waits]);
    let key = host.asks_for(REWARD).await.unwrap().key;
    host.until_told(Control::Go).await;
    let made = host.trainer.orders()[0].0.out.clone();
    Version::write(&made, &adapter(), |facts| card("reward-1", facts)).unwrap();
    let versions = host.facilitator.versions_of(GUILD, REWARD);
    let id = VersionId::Stored(versions.add(&made).unwrap());
    versions.activate(&id, true).unwrap();
    let cancelled = host.facilitator.cancel_retraining(key, ORGANISER).await;
    assert!(cancelled.unwrap());
    host.until_retrained().await;
    host.until_cleared().await;
    eventually("it is taken back", async || {
        (versions.list().unwrap().len() == 2).then_some(())
    })
    .await;
    assert_eq!(host.active(), "shipped");
}

#[tokio::test]
async fn versions_that_a_restored_store_does_not_know_of_stay_and_their_numbers_are_not_given_again()
 {
    let mut host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    // In the backup, two retrainings waited that have ended since.
    for number in [1, 2] {
        let waits = retraining(GUILD.0, number);
        host.facilitator
            .store
            .save_retraining(&waits)
            .await
            .unwrap();
    }
    let mut other = adapter();
    for factors in other.updates.values_mut() {
        factors.b = Tensor::full(0.25f32, (6, 2), &Device::Cpu).unwrap();
    }
    let versions = host.facilitator.versions_of(GUILD, REWARD);
    for name in ["reward-1", "reward-2", "reward-7"] {
        let made = host.folder.path().join(name);
        Version::write(&made, &other, |facts| card(name, facts)).unwrap();
        let id = VersionId::Stored(versions.add(&made).unwrap());
        versions.activate(&id, true).unwrap();
    }
    host.restart().await;
    eventually("both have failed", async || {
        let all = host.retrainings();
        let failed = |made: &Retraining| {
            matches!(
                &made.state,
                State::Over {
                    how: How::Failed,
                    ..
                }
            )
        };
        (all.len() == 2 && all.iter().all(failed)).then_some(())
    })
    .await;
    host.until_cleared().await;
    assert!(host.trainer.orders().is_empty());
    assert_eq!(versions.list().unwrap().len(), 5);
    assert_eq!(host.active(), "reward-7");
    assert_eq!(host.asks_for(REWARD).await.unwrap().key.number, 8);
}

#[tokio::test]
async fn a_training_that_learns_nothing_is_not_tried_again() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::LearnsNothing]);
    host.asks_for(REWARD).await.unwrap();
    let (how, retraining) = host.until_retrained().await;
    assert_eq!((how, retraining.failures), (How::NothingLearned, 0));
    assert_eq!(host.trainer.orders().len(), 1);
    host.until_cleared().await;
}

#[tokio::test]
async fn what_ends_with_the_bot_has_not_failed() {
    let mut host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.trainer.next([Plan::DiesWhenStopped; 4]);
    host.asks_for(REWARD).await.unwrap();
    for _ in 0..4 {
        host.until_told(Control::Go).await;
        *host.trainer.told.lock().unwrap() = None;
        host.restart().await;
    }
    let (how, retraining) = host.until_retrained().await;
    assert!(matches!(how, How::Activated { .. }));
    assert_eq!(retraining.failures, 0);
}

#[tokio::test]
async fn imported_files_may_change_while_it_is_trained() {
    let mut host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.imports(&[("Should shops open on Sundays?", Some(6))]);
    let import = host.folder.path().join("data/imported/polis.jsonl");
    let imported = fs::read_to_string(&import).unwrap();
    host.trainer.next([Plan::Waits]);
    host.asks_for(REWARD).await.unwrap();
    host.until_told(Control::Go).await;
    fs::write(&import, "").unwrap();
    fs::write(import.with_file_name("another.jsonl"), &imported).unwrap();
    let (order, _) = host.trainer.orders().pop().unwrap();
    assert_eq!(fs::read_to_string(&order.data[1]).unwrap(), imported);
    host.restart().await;
    host.until_retrained().await;
    assert_eq!(host.trainer.orders().pop().unwrap().0, order);
}

#[tokio::test]
async fn whoever_asked_is_not_named_once_they_are_erased() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.asks_for(REWARD).await.unwrap();
    host.until_retrained().await;
    let erased = host.facilitator.erase_member(GUILD, ORGANISER).await;
    erased.unwrap();
    assert_eq!(host.retrainings()[0].by, Member::ERASED);
}

#[tokio::test]
async fn a_guild_whose_erasure_was_interrupted_is_erased_by_the_next_sweep() {
    let host = Host::new().await;
    host.has_rated(1..=3, 8).await;
    host.asks_for(REWARD).await.unwrap();
    host.until_retrained().await;
    host.until_cleared().await;
    host.facilitator.guild_left(GUILD).await.unwrap();
    host.clock.advance(GUILD_KEPT_FOR + TimeDelta::days(1));
    // A file where a folder is expected.
    let obstacle = host.folder.path().join("data/imported/guild-1");
    fs::create_dir_all(obstacle.parent().unwrap()).unwrap();
    fs::write(&obstacle, "").unwrap();
    host.facilitator.delete_what_expired().await.unwrap_err();
    fs::remove_file(&obstacle).unwrap();
    fs::create_dir(&obstacle).unwrap();
    fs::write(obstacle.join("polis.jsonl"), "{}").unwrap();
    host.facilitator.delete_what_expired().await.unwrap();
    assert!(!obstacle.exists());
    assert!(!host.folder.path().join("data/versions/guilds/1").exists());
    assert!(host.facilitator.rounds(GUILD).await.unwrap().is_empty());
}
