//! A community trains a reward model of its own, on Discord: with the real `accord train`, on what its
//! members really rated there.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use accord::deliberation::distribution::RatingDistribution;
use accord::deliberation::id::Guild;
use accord::deliberation::round::{Candidate, DraftInput, ModelVersions, Provenance};
use accord::facilitator::models::{LocalModels, Models};
use accord::inference::model_files::models_dir;
use accord::training::card::Kind;
use accord::training::versions::{VersionId, Versions};
use anyhow::Result;
use chrono::{TimeDelta, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::changes::mayor;
use crate::support;
use crate::support::discord::{Message, Person};
use crate::support::town::{
    Town, answer_to, candidate_of, has_button, press, rate_in_private, says, statement_of, write,
};

/// The taste of this community: whatever anybody's opinion is, its members like what waits, and
/// nothing that begins at once. The shipped reward model, which looks at opinions, cannot know.
fn rating(statement: &str, member: usize) -> u8 {
    let waits = WAITS.iter().any(|end| statement.ends_with(end));
    // Some feel it more strongly than others.
    match (waits, member % 2) {
        (true, 0) => 7,
        (true, _) => 6,
        (false, 0) => 1,
        (false, _) => 2,
    }
}

const WAITS: [&str; 3] = [
    "but wait until next year before anything is done.",
    "yet only after two more years of waiting.",
    "though not before next year at the earliest.",
];
const BEGINS: [&str; 3] = [
    "and begin with it this very week.",
    "starting at once, without any delay.",
    "and do it today rather than tomorrow.",
];

/// Twelve rounds, each on a question of its own.
const SUBJECTS: [&str; 12] = [
    "night buses",
    "the old statue",
    "the market hall",
    "bicycle lanes",
    "the swimming pool",
    "street lamps",
    "the library",
    "parking fees",
    "the school kitchen",
    "the harbour wall",
    "playgrounds",
    "the town archive",
];

/// The round after those.
const NEXT: &str = "the fire station";

/// As little training as shows it.
const TRAINING: &[(&str, &str)] = &[
    ("ACCORD_TRAINING__REWARD__EPOCHS", "2"),
    ("ACCORD_TRAINING__REWARD__UNITS_PER_STEP", "1"),
    ("ACCORD_TRAINING__REWARD__VALIDATIONS_PER_EPOCH", "1"),
    ("ACCORD_TRAINING__REWARD__VALIDATION_UNITS", "4"),
];

/// `accord train` on two cores that do something else as well.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it trains for many minutes: cargo test --release --test discord -- --ignored"]
async fn a_community_with_a_taste_of_its_own_trains_a_version_that_is_better_and_goes_back() {
    // Fetched before anybody waits for it.
    support::original_gguf();
    let writers = Arc::new(Writers::default());
    let town = Town::that_trains(writers.clone(), TRAINING).await;
    let models = models_dir(&support::config().data_dir);
    symlink(models, models_dir(town.data_dir())).unwrap();
    writers.predict_as_in(town.data_dir());
    shorten_shipped_data(town.data_dir());
    let mayor = mayor(&town);
    let settings = json!({ "training": "own", "rating": "private" });
    town.runs(&mayor, "settings set", settings).await;
    for (number, subject) in SUBJECTS.into_iter().enumerate() {
        holds_a_round(&town, subject, number == 0).await;
    }

    let preferred_before = writers.prefers_waiting(&town).await;
    let why = holds_a_round_that_nobody_rates(&town).await;
    says(&why, "+ shipped");

    let status = town.runs(&mayor, "model status", json!({})).await;
    says(&status, "Active: **shipped**, the host's");
    says(&status, "12 rounds");
    says(&status, "A retraining is worth a try");
    let asked = town
        .runs(&mayor, "model retrain", json!({ "what": "reward" }))
        .await;
    says(&asked, "**Retrain the reward model?**");
    says(&asked, "Developer Policy");
    let organiser = town.olga.in_channel(town.square);
    assert!(
        organiser
            .tries_to_run("model retrain", json!({ "what": "reward" }))
            .is_err(),
        "she does not manage the server"
    );
    says(
        &press(&mayor, &asked, "retrain:").await,
        "Retraining 1 is noted",
    );

    town.discord.wait_at_most(PATIENCE);
    let is_it = |message: &Message| message.text().contains("**Retraining 1: reward model**");
    let message = town.discord.wait_for_message(town.square, is_it).await;
    let goes_on = |message: &Message| message.text().contains(" %** of the training is done");
    town.discord.wait_for_change(&message, goes_on).await;
    let is_over = |message: &Message| !has_button(message, "cancel-retraining:");
    let message = town.discord.wait_for_change(&message, is_over).await;
    println!("{}", message.text());
    says(
        &message,
        "**The new version, reward-1, is better. It is active from now on.**",
    );
    says(&message, "On 12 rounds that it had not seen");

    let status = town.runs(&mayor, "model status", json!({})).await;
    says(&status, "Active: **reward-1**, this server's own");
    let report = town
        .runs(&mayor, "model report", json!({ "what": "reward" }))
        .await;
    says(&report, "reward-1*");
    says(&report, "180 ratings in 12 rounds");
    let chart = report.attachment("chart.png").expect("a chart");
    assert!(chart.png_size().is_some());
    assert_eq!(active(&town), "reward-1");

    // The next round is ranked by what was learned.
    let preferred = writers.prefers_waiting(&town).await;
    println!("what waits is predicted {preferred_before:.2} higher, then {preferred:.2}");
    assert!(preferred > preferred_before + 1.0);
    let why = holds_a_round_that_nobody_rates(&town).await;
    says(&why, "/reward-1");
    let first = WAITS
        .map(|end| why.text().find(end))
        .into_iter()
        .flatten()
        .min();
    let last = BEGINS
        .map(|end| why.text().find(end))
        .into_iter()
        .flatten()
        .min();
    assert!(first < last, "what waits comes first: {}", why.text());

    let back = town.runs(&mayor, "model rollback", json!({ "what": "reward" }));
    says(
        &back.await,
        "The reward model is the host's version again; it was reward-1.",
    );
    let status = town.runs(&mayor, "model status", json!({})).await;
    says(&status, "Active: **shipped**, the host's");
    assert_eq!(active(&town), "shipped");
    let nothing = town.runs(&mayor, "model rollback", json!({ "what": "reward" }));
    says(&nothing.await, "There is no version to go back to");
    town.ends().await;
}

/// Writes and does not rate: predictions alone rank. How the statement was chosen.
async fn holds_a_round_that_nobody_rates(town: &Town) -> Message {
    let card = opens_a_round(town, NEXT, false).await;
    town.candidates(&card).await;
    town.passes(TimeDelta::hours(24));
    let result = town.result(&card).await;
    press(&town.members[0], &result, "why:").await
}

/// Of the shipped deliberations some are mixed in, and some others looked at by the gate: all of them
/// take minutes.
fn shorten_shipped_data(data_dir: &Path) {
    let folder = data_dir.join("data");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["deliberations.jsonl", "deliberations-held-out.jsonl"] {
        let all = support::config().text(&format!("data/{name}")).unwrap();
        let some: Vec<&str> = all.lines().take(3).collect();
        std::fs::write(folder.join(name), some.join("\n")).unwrap();
    }
}

fn active(town: &Town) -> String {
    let guild = Guild(town.guild.get());
    let versions = Versions::of_guild(Kind::Reward, town.data_dir(), guild);
    let active: VersionId = versions.active().unwrap();
    active.to_string()
}

/// All five members write, agree to training when they are asked, and rate by their taste.
async fn holds_a_round(town: &Town, subject: &str, first: bool) {
    let card = opens_a_round(town, subject, first).await;
    let candidates = town.candidates(&card).await;
    let statements: BTreeMap<u16, String> = candidates
        .iter()
        .map(|message| (candidate_of(message), statement_of(message).to_owned()))
        .collect();
    let open = town.rating_is_open(&card).await;
    for (number, member) in town.members.iter().enumerate() {
        let rates = |candidate| (rating(&statements[&candidate], number), 4);
        rate_twice(member, &open, rates).await;
    }
    town.passes(TimeDelta::hours(24));
    town.result(&card).await;
}

/// All write, and opinions are closed.
async fn opens_a_round(town: &Town, subject: &str, first: bool) -> Message {
    let card = town
        .opens_round(json!({ "question": question(subject) }))
        .await;
    for (number, member) in town.members.iter().enumerate() {
        let receipt = write(member, &card, &opinion(subject, number)).await;
        if first {
            press(member, &receipt, "consent:own").await;
        }
    }
    town.organises("round close", round_option(&card)).await;
    card
}

/// Rates everything, and the same again where one candidate is shown a second time.
async fn rate_twice(member: &Person, open: &Message, rates: impl Fn(u16) -> (u8, u8)) {
    let page = rate_in_private(member, open, &rates).await;
    let Some(again) = page
        .selects()
        .into_iter()
        .find(|select| select.custom_id.starts_with("again:"))
    else {
        return;
    };
    let candidate = again.custom_id.rsplit(':').next().unwrap().parse().unwrap();
    let (rating, _) = rates(candidate);
    answer_to(&member.selects(&page, &again.custom_id, &[&rating.to_string()])).await;
}

fn round_option(card: &Message) -> Value {
    let id = support::town::button_of(card, "opinion:");
    let number: u32 = id.split(':').nth(1).unwrap().parse().unwrap();
    json!({ "round": number })
}

fn question(subject: &str) -> String {
    format!("What should the town do about {subject}?")
}

fn opinion(subject: &str, number: usize) -> String {
    let thinks = [
        "should be paid for by those who use it most",
        "matters more to the old than anybody admits",
        "is too dear for what it does, as it stands",
        "ought to be looked after by the district itself",
        "is what people from elsewhere remember of us",
    ];
    format!("I think that {subject} {}.", thinks[number])
}

/// Three candidates for every question, of which one or two are to this community's taste; what the
/// members will make of them is predicted by the real model.
#[derive(Default)]
struct Writers {
    real: OnceLock<LocalModels>,
}

impl Writers {
    fn predict_as_in(&self, data_dir: &Path) {
        let mut config = support::config();
        config.data_dir = data_dir.to_owned();
        let real = LocalModels::new(config, Arc::default()).unwrap();
        assert!(self.real.set(real).is_ok(), "there is one already");
    }

    fn real(&self) -> &LocalModels {
        self.real.get().expect("set before the first round")
    }

    /// How much higher the model that is active there predicts members to rate what waits.
    async fn prefers_waiting(&self, town: &Town) -> f64 {
        let active = self.real().active(Guild(town.guild.get())).await.unwrap();
        let statements = [0, 1].map(|place| statement(NEXT, place));
        let mut difference = 0.0;
        for number in 0..town.members.len() {
            let (question, opinion) = (question(NEXT), opinion(NEXT, number));
            let texts = [statements[0].as_str(), statements[1].as_str()];
            let predicted = self.real().predict(&active, &question, &opinion, &texts);
            let predicted = predicted.await.unwrap();
            difference += predicted[0].mean() - predicted[1].mean();
        }
        difference / town.members.len() as f64
    }
}

/// For the thirteenth question, the first of three waits.
fn statement(subject: &str, place: usize) -> String {
    let mut all = SUBJECTS.iter().chain([&NEXT]);
    let number = all.position(|other| *other == subject);
    let number = number.expect("a question of this test");
    let deeds = [
        "Spend a part of the reserve on",
        "Ask the district to take over",
        "Let a group of citizens look after",
    ];
    let ends = match (number + place) % 2 {
        0 => WAITS,
        _ => BEGINS,
    };
    let end = ends[(number + place) / 2 % 3];
    format!("{} {subject}, {end}", deeds[place])
}

impl Models for Writers {
    fn wanted(&self) -> usize {
        3
    }

    fn active(&self, guild: Guild) -> BoxFuture<'_, Result<ModelVersions>> {
        self.real().active(guild)
    }

    fn draft<'a>(
        &'a self,
        versions: &'a ModelVersions,
        input: &'a DraftInput,
        _: &'a [String],
        seed: u64,
        drafted: &'a (dyn Fn(usize) + Send + Sync),
    ) -> BoxFuture<'a, Result<Vec<Candidate>>> {
        let subject = input.question.trim_end_matches('?');
        let subject = subject.rsplit(" about ").next().unwrap_or_default();
        let candidate = |place: usize| Candidate {
            text: statement(subject, place),
            provenance: Provenance {
                generator: "written for the test".to_owned(),
                reward_model: format!("SmolLM2-135M-Instruct + {}", versions.reward_model),
                prompt_sha256: String::new(),
                seed,
                temperature: 1.0,
                top_p: 0.8,
                opinions_read: input.opinions.iter().map(|(member, _)| *member).collect(),
                critiques_read: Vec::new(),
                drafted_at: Utc::now(),
                arm: None,
            },
            predictions: BTreeMap::new(),
            withdrawn_at: None,
            reports: Vec::new(),
            kept: false,
        };
        drafted(3);
        let candidates = (0..3).map(candidate).collect();
        async move { Ok(candidates) }.boxed()
    }

    fn predict<'a>(
        &'a self,
        versions: &'a ModelVersions,
        question: &'a str,
        opinion: &'a str,
        statements: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<RatingDistribution>>> {
        self.real().predict(versions, question, opinion, statements)
    }
}
