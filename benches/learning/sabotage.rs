//! How often the gate lets a model through that learned from random ratings.

use std::time::Instant;

use accord::deliberation::record::Deliberation;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::host::Host;
use crate::support;
use crate::support::community::{community, cut};

#[derive(clap::Args)]
pub struct Args {
    /// How many communities rate at random
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The seed of the first of them
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Rounds of each
    #[arg(long, default_value_t = 8)]
    rounds: usize,
    /// How often all of them are gone through; by default as often as in a retraining
    #[arg(long)]
    epochs: Option<usize>,
}

/// So many of twenty may be let through.
const PROMISED: f64 = 2.0 / 20.0;
/// Of every deliberation; few, so that twenty gates take hours and not days. Whoever rates at random is
/// no better in larger groups.
const MEMBERS: usize = 3;
const STATEMENTS: usize = 4;
/// Of the shipped corpus, to be mixed in: as many ratings as the community has, as in a retraining.
const MIXED_IN: usize = 8;
/// Of the shipped held-out set.
const HELD_OUT: usize = 4;

pub fn run(args: &Args) -> bool {
    let mut accepted = 0;
    println!("seed  verdict      gain (90 %)       minutes");
    for seed in args.first..args.first + args.seeds {
        let started = Instant::now();
        let mut community = community(&support::config(), args.rounds, HELD_OUT, seed);
        community.corpus.truncate(MIXED_IN);
        let small = community.rounds.iter_mut().chain(&mut community.corpus);
        for row in small.chain(&mut community.others) {
            cut(row, MEMBERS, STATEMENTS);
        }
        // The gate measures on the others as well.
        let host = Host::new(&community.corpus, &community.others);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for round in &mut community.rounds {
            rate_at_random(round, &mut random);
        }
        let data = host.write("random.jsonl", &community.rounds);
        let seed_argument = seed.to_string();
        let more = ["--gate", "--against", "shipped", "--seed", &seed_argument];
        let (verdict, gain) = match host.train("random", &data, args.epochs, &more) {
            None => ("no progress".to_owned(), String::new()),
            Some(card) => {
                let gate = &card["gate"];
                let end = |end: usize| gate["gain_interval"][end].as_f64().unwrap_or(f64::NAN);
                let verdict = gate["verdict"].as_str().unwrap().to_owned();
                (verdict, format!("{:+.2} to {:+.2}", end(0), end(1)))
            }
        };
        accepted += u64::from(verdict == "better");
        println!(
            "{seed:>4}  {verdict:<11}  {gain:<16} {:>8.1}",
            started.elapsed().as_secs_f64() / 60.0
        );
    }
    println!("\n{accepted} of {} were let through", args.seeds);
    accepted as f64 <= PROMISED * args.seeds as f64
}

fn rate_at_random(round: &mut Deliberation, random: &mut ChaCha8Rng) {
    for statement in &mut round.statements {
        statement.agreement = (0..round.opinions.len())
            .map(|_| Some(random.random_range(1..=7)))
            .collect();
    }
}
