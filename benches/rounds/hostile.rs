//! What no client of Discord's would send, and files that nobody should write.
//!
//! Forged commands, buttons, selects, forms, reactions and other events go to a bot with rounds in
//! several phases; files go to what reads them, in a process of its own. Nothing may panic, what
//! people wrote in private may stand in no public message and nothing of what they wrote in a log, and
//! memory must not grow without bound.

pub mod files;
mod forged;

use std::process::Command;
use std::time::{Duration, Instant};

use accord::deliberation::round::RatingMode;
use futures::stream::{self, StreamExt as _};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use serenity::all::{ChannelId, Permissions};

use self::forged::{Forger, Input, PRIVATE, PUBLIC};
use crate::figures::memory_mib;
use crate::prepared;
use crate::support::discord::{BOT, Message};
use crate::support::process::Host;
use crate::support::town::{SOON, Town, has_button};

#[derive(clap::Args)]
pub struct Args {
    /// How many there are; a fifth of them are files
    #[arg(long, default_value_t = 10_000)]
    inputs: usize,
    /// Of what they say
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// By so much the bot's memory may grow from the first tenth of the inputs to the last, in MiB.
const GROWTH: u64 = 150;

/// So many send them.
const PEOPLE: usize = 400;

/// So many are on their way at a time.
const AT_ONCE: usize = 24;

pub async fn run(args: &Args) -> bool {
    let files = args.inputs / 5;
    let files_as_promised = read_files(files, args.seed);
    bot_survives(args.inputs - files, args.seed).await && files_as_promised
}

fn read_files(inputs: usize, seed: u64) -> bool {
    let mut reader = Command::new(std::env::current_exe().unwrap());
    reader.args(["file-reader", "--inputs", &inputs.to_string()]);
    let status = reader.args(["--seed", &seed.to_string()]).status().unwrap();
    status.success()
}

async fn bot_survives(inputs: usize, seed: u64) -> bool {
    let town = Town::without_a_bot().await;
    let discord = &town.discord;
    discord.wait_at_most(Duration::from_secs(600));
    // Who may do everything, and people whose names are recognised.
    let everything = discord.role(
        town.guild,
        "Everything",
        Permissions::MANAGE_GUILD | Permissions::MANAGE_MESSAGES,
    );
    // So many that nobody is told to wait.
    let mut people = Vec::new();
    for number in 1..=PEOPLE {
        let name = format!("Zwirnhild {number}");
        let person = discord.member(town.guild, &name);
        if number % 4 == 0 {
            discord.give_role(&person, everything);
        }
        people.push(person);
    }

    let mut host = Host::new();
    host.set("ACCORD_GENERATOR__CANDIDATES", 2);
    host.set("ACCORD_GENERATOR__MAX_TOKENS", 48);
    host.set("RUST_LOG", "warn,accord=trace");
    let open = |number, rating| prepared::open(town.guild, number, town.square, rating);
    let rounds = vec![
        open(1, RatingMode::Reactions),
        prepared::drafted(open(2, RatingMode::Reactions)),
        prepared::drafted(open(3, RatingMode::Private)),
    ];
    prepared::store(host.store(), rounds).await;
    let mut bot = host.start(discord);
    bot.listens(discord).await;
    discord
        .wait_until("rating to open", || {
            let threads = discord.threads(town.square).into_iter();
            let open = threads.filter(|thread| {
                let messages = discord.messages(*thread);
                messages.iter().any(|message| has_button(message, "rate:"))
            });
            (open.count() == 2).then_some(())
        })
        .await;

    let began = Instant::now();
    let mut forger = Forger::new(&town, people, ChaCha8Rng::seed_from_u64(seed));
    let (mut acknowledged, mut ignored) = (0, 0);
    let mut memory = Vec::new();
    for batch in 0..10 {
        forger.look();
        let count = inputs * (batch + 1) / 10 - inputs * batch / 10;
        let acts: Vec<Input> = (0..count).map(|_| forger.input()).collect();
        let answers = stream::iter(acts).map(|input| send(&town, input));
        let answers: Vec<Option<bool>> = answers.buffer_unordered(AT_ONCE).collect().await;
        acknowledged += answers
            .iter()
            .filter(|answer| **answer == Some(true))
            .count();
        ignored += answers
            .iter()
            .filter(|answer| **answer == Some(false))
            .count();
        // It still serves everybody, once it has done what it was asked to.
        tokio::select! {
            () = serves(&town) => {}
            never = bot.runs() => never,
        }
        memory.push(memory_mib(bot.id()));
    }
    println!(
        "{inputs} forged inputs in {:.0} s: {acknowledged} interactions were answered, {ignored} were \
         not, the others were events",
        began.elapsed().as_secs_f64()
    );
    println!("memory of the bot after each tenth, MiB: {memory:?}");
    let ended = bot.stop().await;

    let log = host.log();
    let panics = log.matches("a panic, which is a bug").count();
    let mut leaks = Vec::new();
    for marker in [PRIVATE, PUBLIC, "Zwirnhild", discord.token()] {
        leaks.extend(
            log.lines()
                .filter(|line| line.contains(marker))
                .map(|line| format!("in the log: {line}")),
        );
    }
    let messages = public_messages(&town);
    for message in &messages {
        if message.text().contains(PRIVATE) {
            leaks.push(format!("in public: {}", message.text()));
        }
    }
    let pings = discord.pings().len();
    println!(
        "panics: {panics}; leaks in {} lines of the log and {} public messages: {}; pings: {pings}; ended with {ended}",
        log.lines().count(),
        messages.len(),
        leaks.len()
    );
    leaks.iter().take(20).for_each(|leak| println!("  {leak}"));
    let panicked = log.lines().filter(|line| line.contains("a panic, which"));
    panicked.take(20).for_each(|line| println!("  {line}"));
    let grown = memory[9].saturating_sub(memory[0]);
    panics == 0 && leaks.is_empty() && grown <= GROWTH && ended.success()
}

/// Asks for help until there is some; an erasure makes everybody wait.
async fn serves(town: &Town) {
    let asked = town.members[0].in_channel(town.square);
    for _ in 0..20 {
        let help = asked.runs("help", json!({}));
        let answered = town.discord.wait_until("an answer", || help.latency());
        if tokio::time::timeout(SOON, answered).await.is_ok() {
            return;
        }
    }
    panic!("the bot does not answer any more");
}

/// Whether it was acknowledged; `None` of what cannot be.
async fn send(town: &Town, input: Input) -> Option<bool> {
    let Some(interaction) = input.send(town) else {
        tokio::time::sleep(Duration::from_millis(5)).await;
        return None;
    };
    let answered = town
        .discord
        .wait_until("an answer", || interaction.latency());
    Some(tokio::time::timeout(SOON, answered).await.is_ok())
}

/// What the bot posted for all to see.
fn public_messages(town: &Town) -> Vec<Message> {
    let threads = town.discord.threads(town.square);
    let places: Vec<ChannelId> = [vec![town.square], threads].concat();
    let mut messages: Vec<Message> = places
        .into_iter()
        .flat_map(|place| town.discord.messages(place))
        .collect();
    messages.retain(|message| message.author == BOT);
    messages
}
