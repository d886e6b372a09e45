//! How fast people are answered while candidates are being drafted.
//!
//! People come to three rounds. Others wait to be drafted for, so that the models are busy all the
//! while.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::json;
use serenity::all::ChannelId;
use sysinfo::{Pid, ProcessesToUpdate, System};

use crate::support::discord::Message;
use crate::support::process::Host;
use crate::support::town::{Town, has_button, thread_of};
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
            visits::write_and_close(self.town, &card).await;
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

/// The time for which a process has kept a core busy.
fn cpu_time(process: u32) -> Duration {
    let id = Pid::from_u32(process);
    let mut system = System::new();
    system.refresh_processes(ProcessesToUpdate::Some(&[id]), true);
    let process = system.process(id).expect("the bot runs");
    Duration::from_millis(process.accumulated_cpu_time())
}
