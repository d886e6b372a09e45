//! `kill -9` at random moments of rounds.
//!
//! Two things go on at the same time: the script, in which people do what they do, and again where
//! Discord tells them that it failed; and the keeper, who starts the bot, kills it, and starts it
//! again. After each round the bot is stopped, and what it told people is compared with its store,
//! and the channel with what should stand there.

mod check;
mod script;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use accord::deliberation::id::{Guild, RoundKey};
use accord::deliberation::round::Round;
use accord::store::Store;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::check::Findings;
use self::script::Script;
use crate::people::exponential;
use crate::support::discord::{FakeDiscord, Fault};
use crate::support::process::{BotProcess, Host};
use crate::support::town::Town;

#[derive(clap::Args)]
pub struct Args {
    /// How often the bot is killed
    #[arg(long, default_value_t = 50)]
    times: usize,
    /// Seconds that the bot listens before it is killed, on average
    #[arg(long, default_value_t = 6.0)]
    every: f64,
    /// Of people's choices and pauses, and of the moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Where the script is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Opening,
    Opinions,
    Drafting,
    Posting,
    Rating,
    ClosingEarly,
    Result,
}

const STEPS: [Step; 7] = [
    Step::Opening,
    Step::Opinions,
    Step::Drafting,
    Step::Posting,
    Step::Rating,
    Step::ClosingEarly,
    Step::Result,
];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opening => "opening",
            Self::Opinions => "opinions",
            Self::Drafting => "drafting",
            Self::Posting => "posting",
            Self::Rating => "rating",
            Self::ClosingEarly => "closing early",
            Self::Result => "result and answer",
        })
    }
}

struct Kill {
    round: usize,
    step: Step,
    /// It was killed before it listened again.
    starting: bool,
}

/// What is found in all rounds.
#[derive(Default)]
struct Record {
    kills: Vec<Kill>,
    /// From the start of the process until it listens.
    starts: Vec<Duration>,
    findings: Findings,
}

pub async fn run(args: &Args) -> bool {
    let town = Town::without_a_bot().await;
    let mut host = Host::new();
    host.set("ACCORD_GENERATOR__CANDIDATES", 2);
    host.set("ACCORD_GENERATOR__MAX_TOKENS", 48);
    host.set("ACCORD_ROUNDS__EARLY_CLOSE_NOTICE", "3s");
    be_as_far_as_discord(&town.discord);
    // What takes too long is noticed in `play`.
    town.discord.wait_at_most(2 * LONGEST_ROUND);

    let mut record = Record::default();
    let mut rounds = 0;
    while record.kills.len() < args.times {
        rounds += 1;
        let began = Instant::now();
        play(&town, &host, args, rounds, &mut record).await;
        println!(
            "round {rounds} went on to its end in {:.0} s",
            began.elapsed().as_secs_f64()
        );
    }
    summarise(rounds, &record);
    record.findings.are_none()
}

/// A request takes 300 ms, of which half go by after it was done: then the bot may die without
/// knowing that it was.
fn be_as_far_as_discord(discord: &FakeDiscord) {
    const HALF: Duration = Duration::from_millis(150);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let all = format!("{method} /**");
        discord.disturb_all(&all, Fault::Delay(HALF));
        discord.disturb_all(&all, Fault::SlowAnswer(HALF));
    }
}

/// Plays a round to its end, and checks it.
async fn play(town: &Town, host: &Host, args: &Args, round: usize, record: &mut Record) {
    let (step, at) = watch::channel(Step::Opening);
    let (life, listens) = watch::channel(false);
    let over = CancellationToken::new();
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    rng.set_stream(round as u64);
    let script = async {
        let told = Script::new(town, listens, step, rng.clone()).play().await;
        over.cancel();
        told
    };
    let keeper = Keeper {
        town,
        host,
        every: Duration::from_secs_f64(args.every),
        times: args.times,
        round,
        step: at,
        life,
        over: &over,
    };
    let both = async { tokio::join!(script, keep(keeper, rng.clone(), record)) };
    let Ok((told, bot)) = tokio::time::timeout(LONGEST_ROUND, both).await else {
        panic!("the round does not go on");
    };
    let ended = bot.stop().await;
    let findings = &mut record.findings;
    if !ended.success() {
        findings
            .other
            .push(format!("SIGTERM ended it with {ended}"));
    }
    let key = RoundKey {
        guild: Guild(town.guild.get()),
        number: told.round,
    };
    match saved(host.store(), key).await {
        Some(round) => check::check(town, &round, &told, findings),
        None => findings.lost.push(format!("round {}", told.round)),
    }
}

/// A round as it is in the store of a bot that was stopped.
async fn saved(folder: PathBuf, key: RoundKey) -> Option<Round> {
    let store = tokio::task::spawn_blocking(move || Store::open(&folder).unwrap());
    let store = store.await.unwrap();
    let round = store.round(key).await.unwrap();
    store.close().await.unwrap();
    round
}

const LONGEST_ROUND: Duration = Duration::from_secs(15 * 60);

/// What the keeper knows and tells.
struct Keeper<'a> {
    town: &'a Town,
    host: &'a Host,
    every: Duration,
    times: usize,
    round: usize,
    step: watch::Receiver<Step>,
    /// Whether the bot listens.
    life: watch::Sender<bool>,
    over: &'a CancellationToken,
}

/// A bot that is killed every few seconds would never get beyond drafting, which takes longer and
/// begins again each time: so often it is killed in each step of a round at most.
const TIMES_IN_A_STEP: usize = 3;

/// While it starts, which takes seconds as well, it is killed so much less often.
const RARELY: u32 = 4;

/// Keeps the bot running, but for the kills, until the script is over; the bot as it is then.
async fn keep(keeper: Keeper<'_>, mut rng: ChaCha8Rng, record: &mut Record) -> BotProcess {
    let discord = &keeper.town.discord;
    loop {
        let mut bot = keeper.host.start(discord);
        let survived = tokio::select! {
            took = bot.listens(discord) => {
                record.starts.push(took);
                true
            }
            () = moment(&keeper, &record.kills, keeper.every * RARELY, &mut rng) => false,
        };
        if survived {
            keeper.life.send_replace(true);
            tokio::select! {
                () = keeper.over.cancelled() => return bot,
                never = bot.runs() => never,
                () = moment(&keeper, &record.kills, keeper.every, &mut rng) => {}
            }
        }
        bot.kill();
        keeper.life.send_replace(false);
        let step = *keeper.step.borrow();
        record.kills.push(Kill {
            round: keeper.round,
            step,
            starting: !survived,
        });
        let when = if survived { "" } else { ", before it listened" };
        println!("kill {:>3}: {step}{when}", record.kills.len());
    }
}

/// Waits for a moment when the bot may be killed.
async fn moment(keeper: &Keeper<'_>, kills: &[Kill], mean: Duration, rng: &mut ChaCha8Rng) {
    loop {
        tokio::time::sleep(exponential(mean, rng)).await;
        let now = (keeper.round, *keeper.step.borrow());
        let in_step = kills.iter().filter(|kill| (kill.round, kill.step) == now);
        if kills.len() < keeper.times && in_step.count() < TIMES_IN_A_STEP {
            return;
        }
    }
}

fn summarise(rounds: usize, record: &Record) {
    println!(
        "\n{:<20} {:>6} {:>22}",
        "kills", "in all", "before it listened"
    );
    for step in STEPS {
        let of_step = || record.kills.iter().filter(move |kill| kill.step == step);
        let starting = of_step().filter(|kill| kill.starting).count();
        println!("{step:<20} {:>6} {starting:>22}", of_step().count());
    }
    let mut starts = record.starts.clone();
    starts.sort();
    println!("{:<20} {:>6}", "in all", record.kills.len());
    println!("\nrounds that went on to their result: {rounds}");
    println!(
        "starts until it listens: median {}, max {} of {}",
        seconds(starts[starts.len() / 2]),
        seconds(starts[starts.len() - 1]),
        starts.len()
    );
    print!("{}", record.findings);
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
