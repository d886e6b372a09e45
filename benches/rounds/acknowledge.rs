//! How fast people are answered while candidates are being drafted.
//!
//! People come to three rounds: one with a result, one that is rated, one that takes opinions. Others
//! wait to be drafted for, so that the models are busy all the while.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use serenity::all::ChannelId;
use sysinfo::{Pid, ProcessesToUpdate, System};

use crate::people::{exponential, id_on, pause, round_of};
use crate::support::discord::{Interaction, Message, Person};
use crate::support::night_buses;
use crate::support::process::Host;
use crate::support::town::{Town, button_of, has_button, thread_of, write};

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
struct Rounds {
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

struct Answer {
    kind: &'static str,
    /// `None` if there was none in time.
    took: Option<Duration>,
    /// Whether candidates were being drafted when it was given.
    drafting: bool,
}

pub async fn run(args: &Args) -> bool {
    let town = Town::without_a_bot().await;
    town.discord.wait_at_most(Duration::from_secs(3600));
    let visitors = (1..=100).map(|number| {
        let name = format!("Visitor {number}");
        town.discord.member(town.guild, &name)
    });
    let visitors: Vec<Person> = visitors.collect();
    let mut host = Host::new();
    let (result, rating_open) = prepare(&town, &mut host).await;

    host.set("ACCORD_GENERATOR__CANDIDATES", 16);
    host.set("ACCORD_GENERATOR__MAX_TOKENS", 80);
    let mut bot = host.start(&town.discord);
    bot.listens(&town.discord).await;
    let rounds = Rounds {
        card: town.opens_round(json!({})).await,
        rating_open,
        result,
    };
    let queue = Queue::new(&town);
    queue.fill().await;

    let (began, cpu) = (Instant::now(), cpu_time(bot.id()));
    let answers = tokio::select! {
        answers = receive(&town, &rounds, &visitors, &queue, args) => answers,
        never = queue.keep_full() => never,
        never = bot.runs() => never,
    };
    let (took, cpu) = (began.elapsed(), cpu_time(bot.id()) - cpu);
    let busy = answers.iter().filter(|answer| answer.drafting).count();
    println!(
        "{} interactions in {:.0} s, {busy} of them while a round of 16 candidates was being drafted \
         ({} rounds were finished meanwhile, {} more were waiting at the end)",
        answers.len(),
        took.as_secs_f64(),
        queue.drafted(),
        queue.waiting(),
    );
    println!(
        "the bot kept {:.2} of {} cores busy; load average of the machine {:.1}\n",
        cpu.as_secs_f64() / took.as_secs_f64(),
        std::thread::available_parallelism().map_or(0, usize::from),
        System::load_average().one,
    );
    bot.stop().await;
    summarise(&answers)
}

/// Lets short drafts lead to a round with a result and to one that can be rated: the result, and the
/// message that opens rating.
async fn prepare(town: &Town, host: &mut Host) -> (Message, Message) {
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
    bot.stop().await;
    (result, rating_open)
}

/// Rounds that are only there to be drafted for.
struct Queue<'a> {
    town: &'a Town,
    channel: ChannelId,
    cards: RefCell<Vec<Message>>,
}

impl<'a> Queue<'a> {
    fn new(town: &'a Town) -> Self {
        Self {
            town,
            channel: town.discord.channel(town.guild, "depot"),
            cards: RefCell::default(),
        }
    }

    /// With one round that is being drafted for, and three that wait.
    async fn fill(&self) {
        while self.waiting() < 4 {
            let card = self.town.opens_round_in(self.channel, json!({})).await;
            write_and_close(self.town, &card).await;
            self.cards.borrow_mut().push(card);
        }
    }

    async fn keep_full(&self) -> ! {
        loop {
            self.fill().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn drafted(&self) -> usize {
        let cards = self.cards.borrow();
        let drafted = cards.iter().filter(|card| {
            let messages = self.town.discord.messages(thread_of(card));
            messages
                .iter()
                .any(|message| has_button(message, "candidate:"))
        });
        drafted.count()
    }

    /// Also the one that is being drafted for.
    fn waiting(&self) -> usize {
        self.cards.borrow().len() - self.drafted()
    }
}

/// People come at random moments.
async fn receive(
    town: &Town,
    rounds: &Rounds,
    visitors: &[Person],
    queue: &Queue<'_>,
    args: &Args,
) -> Vec<Answer> {
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
                queue,
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
    queue: &'a Queue<'a>,
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
        let drafting = self.queue.waiting() > 0;
        let answered = self
            .town
            .discord
            .wait_until("an answer", || interaction.latency());
        let took = tokio::time::timeout(Duration::from_secs(3), answered)
            .await
            .ok();
        self.answers.push(Answer {
            kind,
            took,
            drafting,
        });
        took.is_some()
    }
}

/// All members write, and the organiser closes.
async fn write_and_close(town: &Town, card: &Message) {
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

/// The time for which a process has kept a core busy.
fn cpu_time(process: u32) -> Duration {
    let id = Pid::from_u32(process);
    let mut system = System::new();
    system.refresh_processes(ProcessesToUpdate::Some(&[id]), true);
    let process = system.process(id).expect("the bot runs");
    Duration::from_millis(process.accumulated_cpu_time())
}

/// Prints how long the answers took; whether it is as promised.
fn summarise(answers: &[Answer]) -> bool {
    let mut kinds: BTreeMap<&str, Vec<&Answer>> = BTreeMap::new();
    for answer in answers {
        kinds.entry(answer.kind).or_default().push(answer);
    }
    println!(
        "{:<14} {:>6} {:>10} {:>10} {:>10} {:>10}",
        "milliseconds", "number", "p50", "p90", "p99", "max"
    );
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

fn line(kind: &str, times: &[Duration]) {
    let ms = |percent| percentile(times, percent).as_secs_f64() * 1000.0;
    println!(
        "{kind:<14} {:>6} {:>10.1} {:>10.1} {:>10.1} {:>10.1}",
        times.len(),
        ms(50),
        ms(90),
        ms(99),
        ms(100)
    );
}

/// In ascending order; what was not answered counts as answered when Discord gave up.
fn times<'a>(answers: impl Iterator<Item = &'a Answer>) -> Vec<Duration> {
    let times = answers.map(|answer| answer.took.unwrap_or(Duration::from_secs(3)));
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times
}

/// The least time within which so many percent are.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}
