//! Many people in many guilds at once, while candidates are being drafted.
//!
//! In every guild one round takes opinions and one is rated. Interactions and reactions come at fixed
//! rates, whether the earlier ones are answered or not; what was acknowledged, and the reactions that
//! stand there in the end, are compared with the store.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use accord::deliberation::id::{Guild, Member, RoundKey};
use accord::deliberation::round::{CandidateKey, RatingMode, Round};
use accord::store::Store;
use futures::stream::{FuturesUnordered, StreamExt as _};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use serenity::all::{ChannelId, GuildId, UserId};
use sysinfo::System;

use crate::figures::{cpu_time, heading, line, memory_mib, percentile};
use crate::people::{id_on, pause, round_of};
use crate::prepared;
use crate::queue::Queue;
use crate::support::discord::{FakeDiscord, Interaction, Message, Person};
use crate::support::night_buses;
use crate::support::process::{BotProcess, Host};
use crate::support::town::{SOON, Town, button_of, candidate_of, digit, has_button};

#[derive(clap::Args)]
pub struct Args {
    /// How long people come
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    #[arg(long, default_value_t = 50)]
    guilds: usize,
    /// How many there are a second
    #[arg(long, default_value_t = 200.0)]
    interactions: f64,
    /// How many are set or taken back a second
    #[arg(long, default_value_t = 500.0)]
    reactions: f64,
    /// Of people's choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const OPEN: u32 = 1;
const RATED: u32 = 2;

/// Who does what in a guild.
const REACTING: usize = 20;
const WRITING: usize = 20;
const RATING: usize = 20;

struct Village {
    guild: GuildId,
    square: ChannelId,
    people: Vec<Person>,
}

/// What stands in a village once the bot has started.
struct Stand {
    card: Message,
    rating_open: Message,
    candidates: Vec<Message>,
}

pub async fn run(args: &Args) -> bool {
    let town = Town::without_a_bot().await;
    town.discord.wait_at_most(Duration::from_secs(3600));
    let villages: Vec<Village> = (1..=args.guilds)
        .map(|number| village(&town.discord, number))
        .collect();
    let mut host = Host::new();
    host.set("ACCORD_GENERATOR__CANDIDATES", 16);
    host.set("ACCORD_GENERATOR__MAX_TOKENS", 80);
    let rounds = villages.iter().flat_map(|village| {
        let open =
            |number| prepared::open(village.guild, number, village.square, RatingMode::Reactions);
        [open(OPEN), prepared::drafted(open(RATED))]
    });
    prepared::store(host.store(), rounds.collect()).await;
    let mut bot = host.start(&town.discord);
    bot.listens(&town.discord).await;
    let mut stands = Vec::new();
    for village in &villages {
        stands.push(stand(&town.discord, village).await);
    }
    println!(
        "{} guilds, of {} members each, with two rounds each; another one whose rounds are drafted for",
        villages.len(),
        REACTING + WRITING + RATING
    );
    let queue = Queue::new(&town);
    queue.fill().await;

    let crowd = Crowd {
        villages: &villages,
        stands: &stands,
        discord: &town.discord,
        written: RefCell::default(),
        rated: RefCell::default(),
        uncertain: Cell::new(0),
    };
    let (began, cpu, memory) = (Instant::now(), cpu_time(bot.id()), memory_mib(bot.id()));
    let (answers, reactions) = tokio::select! {
        done = crowd.comes(args, &bot) => done,
        never = queue.keep_full() => never,
    };
    let (took, cpu) = (began.elapsed(), cpu_time(bot.id()) - cpu);
    // Reactions are not acknowledged.
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!(
        "{} interactions and {reactions} reactions in {:.1} s; {} rounds of 16 candidates were drafted \
         meanwhile, and {} more were waiting at the end",
        answers.len(),
        took.as_secs_f64(),
        queue.drafted(),
        queue.waiting(),
    );
    println!(
        "the bot kept {:.2} of {} cores busy; load average of the machine {:.1}",
        cpu.as_secs_f64() / took.as_secs_f64(),
        std::thread::available_parallelism().map_or(0, usize::from),
        System::load_average().one,
    );
    println!(
        "memory of the bot: {memory} MiB at the start, {} MiB at the end",
        memory_mib(bot.id())
    );
    let ended = bot.stop().await;
    let lost = crowd.lost(&host).await;
    println!(
        "\nacknowledged and lost: {} of {} opinions, {} panel ratings and {} reactions that stand ({} more \
         were answered too late to tell)\n",
        lost.len(),
        crowd.written.borrow().len(),
        crowd.rated.borrow().len(),
        crowd.standing().len(),
        crowd.uncertain.get(),
    );
    lost.iter().take(20).for_each(|lost| println!("  {lost}"));
    let in_time = summarise(&answers);
    in_time && lost.is_empty() && ended.success()
}

fn village(discord: &FakeDiscord, number: usize) -> Village {
    let guild = discord.guild(&format!("Village {number}"));
    let people = (1..=REACTING + WRITING + RATING)
        .map(|person| discord.member(guild, &format!("Villager {person}")));
    Village {
        guild,
        square: discord.channel(guild, "square"),
        people: people.collect(),
    }
}

/// Once the bot has posted everything.
async fn stand(discord: &FakeDiscord, village: &Village) -> Stand {
    loop {
        let messages = discord.messages(village.square);
        let card = messages
            .iter()
            .find(|message| has_button(message, "opinion:") && round_of(message) == OPEN);
        let threads = discord.threads(village.square);
        let messages: Vec<Message> = threads
            .into_iter()
            .flat_map(|thread| discord.messages(thread))
            .collect();
        let rating_open = messages.iter().find(|message| has_button(message, "rate:"));
        if let (Some(card), Some(rating_open)) = (card, rating_open) {
            let candidates = messages.iter().filter(|m| has_button(m, "candidate:"));
            return Stand {
                card: card.clone(),
                rating_open: rating_open.clone(),
                candidates: candidates.cloned().collect(),
            };
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A member of a guild.
type Who = (GuildId, UserId);

struct Crowd<'a> {
    villages: &'a [Village],
    stands: &'a [Stand],
    discord: &'a FakeDiscord,
    /// The opinions that were acknowledged; `None` where it was too late to tell.
    written: RefCell<BTreeMap<Who, Option<String>>>,
    /// The ratings in the panel.
    rated: RefCell<BTreeMap<(Who, u16), Option<u8>>>,
    uncertain: Cell<usize>,
}

struct Answer {
    kind: &'static str,
    /// `None` if there was none in time.
    took: Option<Duration>,
}

#[derive(Clone, Copy)]
enum Visit {
    Write,
    Rate,
    AskForStatus,
    AskForHelp,
    ListRounds,
    TypeRound,
}

const VISITS: [Visit; 6] = [
    Visit::Write,
    Visit::Rate,
    Visit::AskForStatus,
    Visit::AskForHelp,
    Visit::ListRounds,
    Visit::TypeRound,
];

/// How many interactions one visit of each kind makes.
const INTERACTIONS: f64 = 8.0;

impl Crowd<'_> {
    /// All interactions, and the number of reactions.
    async fn comes(&self, args: &Args, bot: &BotProcess) -> (Vec<Answer>, usize) {
        let long = Duration::from_secs(args.seconds);
        let memory = async {
            for tenth in 1..=6 {
                tokio::time::sleep(long / 6).await;
                println!(
                    "after {:>3.0} s: {} MiB",
                    (long / 6 * tenth).as_secs_f64(),
                    memory_mib(bot.id())
                );
            }
        };
        let (answers, reactions, ()) =
            tokio::join!(self.interact(args, long), self.react(args, long), memory);
        (answers, reactions)
    }

    async fn interact(&self, args: &Args, long: Duration) -> Vec<Answer> {
        let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
        let visits_a_second = args.interactions * VISITS.len() as f64 / INTERACTIONS;
        let count = (visits_a_second * long.as_secs_f64()) as usize;
        let mut visits = VISITS.repeat(count.div_ceil(VISITS.len()));
        visits.truncate(count);
        visits.shuffle(&mut rng);
        // One after another, so that nobody does two things at once.
        let mut turns = [0; VISITS.len()];
        let began = Instant::now();
        let mut under_way = FuturesUnordered::new();
        let mut answers = Vec::new();
        for (number, visit) in visits.into_iter().enumerate() {
            let comes = Duration::from_secs_f64(number as f64 / visits_a_second);
            let wait = tokio::time::sleep(comes.saturating_sub(began.elapsed()));
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    biased;
                    () = &mut wait => break,
                    Some(done) = under_way.next() => answers.extend::<Vec<Answer>>(done),
                }
            }
            let turn = &mut turns[visit as usize];
            let thoughts = ChaCha8Rng::seed_from_u64(rng.random());
            under_way.push(self.goes(visit, *turn, thoughts));
            *turn += 1;
        }
        while let Some(done) = under_way.next().await {
            answers.extend(done);
        }
        answers
    }

    async fn goes(&self, visit: Visit, turn: usize, mut rng: ChaCha8Rng) -> Vec<Answer> {
        let place = turn % self.villages.len();
        let (village, stand) = (&self.villages[place], &self.stands[place]);
        let nth = turn / self.villages.len();
        let mut answers = Vec::new();
        let whose = |first: usize, count: usize| &village.people[first + nth % count];
        let anybody = &village.people[nth % village.people.len()];
        let in_square = anybody.in_channel(village.square);
        let rated = json!({ "round": RATED });
        match visit {
            Visit::Write => {
                let who = whose(REACTING, WRITING);
                let form = who.presses(&stand.card, &button_of(&stand.card, "opinion:"));
                if !self.waits("form", &form, &mut answers).await {
                    return answers;
                }
                let form = form.modal().await;
                pause(0.2..1.0, &mut rng).await;
                let opinions = night_buses().opinions;
                let opinion = &opinions[nth % opinions.len()];
                let text = format!("{opinion} I say so for the {nth}th time.");
                let sent = who.submits(&form, json!({ "text": text }));
                let told = self.waits("submit", &sent, &mut answers).await;
                if told {
                    let reply = sent.reply().await;
                    assert!(has_button(&reply, "withdraw:"), "{}", reply.text());
                } else {
                    self.uncertain.set(self.uncertain.get() + 1);
                }
                let of = (village.guild, who.id);
                self.written.borrow_mut().insert(of, told.then_some(text));
            }
            Visit::Rate => {
                let who = whose(REACTING + WRITING, RATING);
                let button = button_of(&stand.rating_open, "rate:");
                let panel = who.presses(&stand.rating_open, &button);
                if !self.waits("panel", &panel, &mut answers).await {
                    return answers;
                }
                let panel = panel.reply().await;
                pause(0.2..1.0, &mut rng).await;
                let select = id_on(&panel, "agreement:").expect("it is a panel");
                let candidate = select.rsplit(':').next().unwrap().parse().unwrap();
                let rating: u8 = rng.random_range(1..=7);
                let chosen = who.selects(&panel, &select, &[&rating.to_string()]);
                let told = self.waits("select", &chosen, &mut answers).await;
                self.uncertain
                    .set(self.uncertain.get() + usize::from(!told));
                let of = ((village.guild, who.id), candidate);
                self.rated.borrow_mut().insert(of, told.then_some(rating));
            }
            Visit::AskForStatus => {
                let asked = in_square.runs("round status", rated);
                self.waits("status", &asked, &mut answers).await;
            }
            Visit::AskForHelp => {
                let asked = in_square.runs("help", json!({}));
                self.waits("help", &asked, &mut answers).await;
            }
            Visit::ListRounds => {
                let asked = in_square.runs("round list", json!({}));
                self.waits("list", &asked, &mut answers).await;
            }
            Visit::TypeRound => {
                let typed = in_square.types_into("round status", "round", "run");
                self.waits("autocomplete", &typed, &mut answers).await;
            }
        }
        answers
    }

    /// Waits for the answer, as long as Discord does; whether it came.
    async fn waits(
        &self,
        kind: &'static str,
        interaction: &Interaction,
        answers: &mut Vec<Answer>,
    ) -> bool {
        let answered = self
            .discord
            .wait_until("an answer", || interaction.latency());
        let took = tokio::time::timeout(SOON, answered).await.ok();
        answers.push(Answer { kind, took });
        took.is_some()
    }

    /// Members set a digit, or take back the one that they have set, if they feel like it when their
    /// turn comes: in the end about half of all stand. How many did.
    async fn react(&self, args: &Args, long: Duration) -> usize {
        let mut rng = ChaCha8Rng::seed_from_u64(args.seed + 1);
        let mut places = Vec::new();
        for (village, stand) in self.villages.iter().zip(self.stands) {
            for candidate in &stand.candidates {
                let reacting = village.people[..REACTING].iter();
                places.extend(reacting.map(|person| (person, candidate, None)));
            }
        }
        places.shuffle(&mut rng);
        let mut turns = 0;
        let count = (args.reactions * long.as_secs_f64()) as usize;
        let began = Instant::now();
        let mut done = 0;
        while done < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let due = (args.reactions * began.elapsed().as_secs_f64()) as usize;
            while done < due.min(count) {
                turns += 1;
                if rng.random() {
                    continue;
                }
                let at = turns % places.len();
                let (person, candidate, set) = &mut places[at];
                match set.take() {
                    Some(rating) => person.unreacts(candidate, &digit(rating)),
                    None => {
                        let rating: u8 = rng.random_range(1..=7);
                        person.reacts(candidate, &digit(rating));
                        *set = Some(rating);
                    }
                }
                done += 1;
            }
        }
        done
    }

    /// The reactions that stand there: who, which candidate, which digit.
    fn standing(&self) -> Vec<(Who, u16, u8)> {
        let mut standing = Vec::new();
        for (village, stand) in self.villages.iter().zip(self.stands) {
            for candidate in &stand.candidates {
                let now = self.discord.message(candidate.id);
                let now = now.expect("nobody deletes it");
                for rating in 1..=7 {
                    for user in now.reacted_with(&digit(rating)) {
                        if village.people.iter().any(|person| person.id == *user) {
                            let who = (village.guild, *user);
                            standing.push((who, candidate_of(candidate), rating));
                        }
                    }
                }
            }
        }
        standing
    }

    /// What the store of the bot, which was stopped, does not say although it should.
    async fn lost(&self, host: &Host) -> Vec<String> {
        let folder = host.store();
        let store = tokio::task::spawn_blocking(move || Store::open(&folder).unwrap());
        let store = store.await.unwrap();
        let mut rounds: BTreeMap<(GuildId, u32), Round> = BTreeMap::new();
        for village in self.villages {
            for number in [OPEN, RATED] {
                let key = RoundKey {
                    guild: Guild(village.guild.get()),
                    number,
                };
                let round = store.round(key).await.unwrap().expect("it was there");
                rounds.insert((village.guild, number), round);
            }
        }
        store.close().await.unwrap();

        let mut lost = Vec::new();
        for (&(guild, user), text) in self.written.borrow().iter() {
            let opinions = &rounds[&(guild, OPEN)].opinions;
            let there = opinions.get(&Member(user.get()));
            let there = there.and_then(|opinion| opinion.text.as_ref());
            if text.is_some() && there != text.as_ref() {
                lost.push(format!("the opinion of {user} is {there:?}"));
            }
        }
        let agreement = |guild, user: UserId, candidate| {
            let ratings = &rounds[&(guild, RATED)].ratings;
            let rating = ratings.get(&(CandidateKey(candidate), Member(user.get())));
            rating.and_then(|rating| rating.agreement).map(u8::from)
        };
        for (&((guild, user), candidate), &rating) in self.rated.borrow().iter() {
            let there = agreement(guild, user, candidate);
            if rating.is_some() && there != rating {
                lost.push(format!(
                    "{user} chose {rating:?} for {candidate}, not {there:?}"
                ));
            }
        }
        let standing = self.standing();
        let set: BTreeMap<(Who, u16), u8> = standing
            .into_iter()
            .map(|(who, candidate, rating)| ((who, candidate), rating))
            .collect();
        for village in self.villages {
            for person in &village.people[..REACTING] {
                for candidate in 0..3 {
                    let digit = set.get(&((village.guild, person.id), candidate)).copied();
                    let there = agreement(village.guild, person.id, candidate);
                    if there != digit {
                        let who = person.id;
                        lost.push(format!(
                            "{who} set {digit:?} under {candidate}, not {there:?}"
                        ));
                    }
                }
            }
        }
        lost
    }
}

/// Prints how long the answers took; whether it is as promised.
fn summarise(answers: &[Answer]) -> bool {
    let mut kinds: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let mut all = Vec::new();
    for answer in answers {
        // What was not answered counts as answered when Discord gave up.
        let took = answer.took.unwrap_or(SOON);
        kinds.entry(answer.kind).or_default().push(took);
        all.push(took);
    }
    heading();
    for (kind, mut times) in kinds {
        times.sort();
        line(kind, &times);
    }
    all.sort();
    line("all", &all);
    let unanswered = answers.iter().filter(|answer| answer.took.is_none());
    println!("not answered within 3 s: {}", unanswered.count());
    // Discord's own limit.
    percentile(&all, 99) < SOON
}
