//! How fast people are answered while candidates are being drafted.
//!
//! People come to three rounds. Others wait to be drafted for, so that the models are busy all the
//! while.

use std::time::{Duration, Instant};

use sysinfo::System;

use crate::figures::cpu_time;
use crate::queue::Queue;
use crate::support::process::Host;
use crate::support::town::Town;
use crate::visits;

pub async fn run(args: &visits::Args) -> bool {
    let town = Town::without_a_bot().await;
    town.discord.wait_at_most(Duration::from_secs(3600));
    let mut host = Host::new();
    let rounds = visits::prepare(&town, &mut host).await;

    host.set("ACCORD_GENERATOR__CANDIDATES", 16);
    host.set("ACCORD_GENERATOR__MAX_TOKENS", 80);
    let mut bot = host.start(&town.discord);
    bot.listens(&town.discord).await;
    let queue = Queue::new(&town);
    queue.fill().await;
    let drafting = || queue.waiting() > 0;

    let (began, cpu) = (Instant::now(), cpu_time(bot.id()));
    let answers = tokio::select! {
        answers = visits::receive(&town, &rounds, &drafting, args) => answers,
        never = queue.keep_full() => never,
        never = bot.runs() => never,
    };
    let (took, cpu) = (began.elapsed(), cpu_time(bot.id()) - cpu);
    let busy = answers.iter().filter(|answer| answer.busy).count();
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
    visits::summarise(&answers)
}
