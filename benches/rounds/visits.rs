//! People who come to rounds while the bot has other things to do, and how soon they are answered.
//!
//! There are three rounds: one with a result, one that is rated, one that takes opinions.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::figures::{heading, line, percentile};
use crate::people::{exponential, id_on, pause, round_of};
use crate::support::discord::{Interaction, Message, Person};
use crate::support::night_buses;
use crate::support::process::Host;
use crate::support::town::{Town, button_of, write};

/// How many people come, and how often.
#[derive(clap::Args)]
pub struct Args {
    /// How many interactions there are, at least
    #[arg(long, default_value_t = 500)]
    interactions: usize,
    /// Seconds from one to the next, on average
    #[arg(long, default_value_t = 0.5)]
    every: f64,
    /// Of people's choices and pauses
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What is promised of the 99th percentile.
const PROMISED: Duration = Duration::from_secs(1);

/// The rounds that people come to.
pub struct Rounds {
    /// The card of a round that takes opinions.
    card: Message,
    /// The message that opens rating in another round.
    rating_open: Message,
    /// The result of a third one.
    result: Message,
}

/// What somebody does in one go.
#[derive(Clone, Copy)]
enum Visit {
    WriteAndWithdraw,
    Rate,
    AskForStatus,
    AskForHelp,
    ListRounds,
    TypeRound,
    AskWhy,
}

const VISITS: [Visit; 7] = [
    Visit::WriteAndWithdraw,
    Visit::Rate,
    Visit::AskForStatus,
    Visit::AskForHelp,
    Visit::ListRounds,
    Visit::TypeRound,
    Visit::AskWhy,
];

/// How many interactions one visit of each kind makes.
const INTERACTIONS: usize = 10;

pub struct Answer {
    kind: &'static str,
    /// `None` if there was none in time.
    took: Option<Duration>,
    /// Whether the bot had something else to do when it was asked for.
    pub busy: bool,
}

/// Lets a bot with short drafts, which is stopped again, lead to them.
pub async fn prepare(town: &Town, host: &mut Host) -> Rounds {
    host.set("ACCORD_GENERATOR__CANDIDATES", 2);
    host.set("ACCORD_GENERATOR__MAX_TOKENS", 48);
    host.set("ACCORD_ROUNDS__EARLY_CLOSE_NOTICE", "1s");
    let mut bot = host.start(&town.discord);
    bot.listens(&town.discord).await;

    let over = town.opens_round(json!({})).await;
    write_and_close(town, &over).await;
    let candidates = town.candidates(&over).await;
    town.react(&candidates, &[&[3, 4, 5, 6, 7]]);
    close(town, &over).await;
    let result = town.result(&over).await;

    let rated = town.opens_round(json!({ "rating": "private" })).await;
    write_and_close(town, &rated).await;
    let rating_open = town.rating_is_open(&rated).await;

    let card = town.opens_round(json!({})).await;
    bot.stop().await;
    Rounds {
        card,
        rating_open,
        result,
    }
}

/// People come at random moments; `busy` tells whether the bot has something else to do.
pub async fn receive(
    town: &Town,
    rounds: &Rounds,
    busy: &dyn Fn() -> bool,
    args: &Args,
) -> Vec<Answer> {
    let visitors: Vec<Person> = (1..=100)
        .map(|number| {
            let name = format!("Visitor {number}");
            town.discord.member(town.guild, &name)
        })
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut visits = VISITS.repeat(args.interactions.div_ceil(INTERACTIONS));
    visits.shuffle(&mut rng);
    let apart = Duration::from_secs_f64(args.every) * INTERACTIONS as u32 / VISITS.len() as u32;
    let mut comes = Duration::ZERO;
    let all = visits.into_iter().zip(visitors.iter().cycle());
    let all = all.map(|(visit, who)| {
        comes += exponential(apart, &mut rng);
        let mut thoughts = ChaCha8Rng::seed_from_u64(rng.random());
        async move {
            tokio::time::sleep(comes).await;
            let mut visitor = Visitor {
                town,
                who,
                busy,
                answers: Vec::new(),
            };
            visitor.goes(visit, rounds, &mut thoughts).await;
            visitor.answers
        }
    });
    join_all(all).await.into_iter().flatten().collect()
}

struct Visitor<'a> {
    town: &'a Town,
    who: &'a Person,
    busy: &'a dyn Fn() -> bool,
    answers: Vec<Answer>,
}

impl Visitor<'_> {
    async fn goes(&mut self, visit: Visit, rounds: &Rounds, rng: &mut ChaCha8Rng) {
        let in_square = self.who.in_channel(self.town.square);
        let rated = json!({ "round": round_of(&rounds.rating_open) });
        match visit {
            Visit::WriteAndWithdraw => {
                let button = button_of(&rounds.card, "opinion:");
                let form = self.who.presses(&rounds.card, &button);
                if !self.waits("form", &form).await {
                    return;
                }
                pause(0.5..2.0, rng).await;
                let text = night_buses().opinions[0].clone();
                let written = json!({ "text": text });
                let sent = self.who.submits(&form.modal().await, written);
                if !self.waits("submit", &sent).await {
                    return;
                }
                pause(0.5..2.0, rng).await;
                let saved = sent.reply().await;
                let withdraw = button_of(&saved, "withdraw:");
                let withdrawn = self.who.presses(&saved, &withdraw);
                self.waits("withdraw", &withdrawn).await;
            }
            Visit::Rate => {
                let button = button_of(&rounds.rating_open, "rate:");
                let panel = self.who.presses(&rounds.rating_open, &button);
                if !self.waits("panel", &panel).await {
                    return;
                }
                pause(0.5..2.0, rng).await;
                let panel = panel.reply().await;
                let select = id_on(&panel, "agreement:").expect("it is a panel");
                let rating = rng.random_range(1..=7).to_string();
                let chosen = self.who.selects(&panel, &select, &[&rating]);
                self.waits("select", &chosen).await;
            }
            Visit::AskForStatus => {
                let asked = in_square.runs("round status", rated);
                self.waits("status", &asked).await;
            }
            Visit::AskForHelp => {
                let asked = in_square.runs("help", json!({}));
                self.waits("help", &asked).await;
            }
            Visit::ListRounds => {
                let asked = in_square.runs("round list", json!({}));
                self.waits("list", &asked).await;
            }
            Visit::TypeRound => {
                let typed = in_square.types_into("round status", "round", "run");
                self.waits("autocomplete", &typed).await;
            }
            Visit::AskWhy => {
                let button = button_of(&rounds.result, "why:");
                let asked = self.who.presses(&rounds.result, &button);
                self.waits("why", &asked).await;
            }
        }
    }

    /// Waits for the answer, as long as Discord does; whether it came.
    async fn waits(&mut self, kind: &'static str, interaction: &Interaction) -> bool {
        let busy = (self.busy)();
        let answered = self
            .town
            .discord
            .wait_until("an answer", || interaction.latency());
        let took = tokio::time::timeout(Duration::from_secs(3), answered)
            .await
            .ok();
        self.answers.push(Answer { kind, took, busy });
        took.is_some()
    }
}

/// All members write, and the organiser closes.
pub async fn write_and_close(town: &Town, card: &Message) {
    for (member, opinion) in town.members.iter().zip(night_buses().opinions) {
        write(member, card, &opinion).await;
    }
    close(town, card).await;
}

async fn close(town: &Town, card: &Message) {
    let round = json!({ "round": round_of(card) });
    let organiser = town.olga.in_channel(card.channel);
    organiser.runs("round close", round).reply().await;
}

/// Prints how long the answers took; whether it is as promised.
pub fn summarise(answers: &[Answer]) -> bool {
    let mut kinds: BTreeMap<&str, Vec<&Answer>> = BTreeMap::new();
    for answer in answers {
        kinds.entry(answer.kind).or_default().push(answer);
    }
    heading();
    for (kind, answers) in &kinds {
        line(kind, &times(answers.iter().copied()));
    }
    let all = times(answers.iter());
    line("all", &all);
    let unanswered = answers
        .iter()
        .filter(|answer| answer.took.is_none())
        .count();
    println!("not answered within 3 s: {unanswered}");
    percentile(&all, 99) < PROMISED
}

/// In ascending order; what was not answered counts as answered when Discord gave up.
fn times<'a>(answers: impl Iterator<Item = &'a Answer>) -> Vec<Duration> {
    let times = answers.map(|answer| answer.took.unwrap_or(Duration::from_secs(3)));
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times
}
