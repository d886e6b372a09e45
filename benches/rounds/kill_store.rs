//! `kill -9` of a process that writes to a store.
//!
//! The process writes opinions and ratings, changes them, now and then begins a round and has the
//! store rewritten, and prints what was acknowledged. It is killed at a random moment, also while it
//! opens the store, and what it has printed is compared with the store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use accord::deliberation::id::{Guild, Member, Message, RoundKey};
use accord::deliberation::rating::Likert;
use accord::deliberation::round::board::Shown;
use accord::deliberation::round::{CandidateKey, MOST_REVISIONS, RatingMode, Round, Time};
use accord::store::Store;
use chrono::Utc;
use futures::future::join_all;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serenity::all::{ChannelId, GuildId};

use crate::prepared;

#[derive(clap::Args)]
pub struct Args {
    /// How often it is killed
    #[arg(long, default_value_t = 500)]
    times: usize,
    /// Milliseconds that it runs at most
    #[arg(long, default_value_t = 1000)]
    longest: u64,
    /// Of the moments, and of what is written
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The process that is killed.
#[derive(clap::Args)]
pub struct WriterArgs {
    folder: PathBuf,
    /// Of what is written
    #[arg(long)]
    seed: u64,
}

const GUILD: u64 = 42;
/// Takes opinions.
const OPEN: u32 = 1;
/// Is rated.
const RATED: u32 = 2;
/// None of the five whose opinions were drafted from: rating would close once these had rated all.
const MEMBERS: RangeInclusive<u64> = 6..=35;

/// What was acknowledged, one a line.
#[derive(Clone, Debug)]
enum Said {
    /// The store is open.
    Ready,
    /// The revision of a member's opinion.
    Opinion(u64, u32),
    /// A member's rating of a candidate: how often it was changed, modulo 49.
    Rating(u64, u16, u32),
    /// The number of a new round.
    Round(u32),
}

/// The latest that was acknowledged.
#[derive(Default)]
struct Acknowledged {
    opinions: BTreeMap<u64, u32>,
    ratings: BTreeMap<(u64, u16), u32>,
    rounds: BTreeSet<u32>,
    /// All of them.
    count: usize,
}

pub async fn run(args: &Args) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let place = (GuildId::new(GUILD), ChannelId::new(10));
    let open = |number| prepared::open(place.0, number, place.1, RatingMode::Private);
    prepared::store(path.clone(), vec![open(OPEN), posted(open(RATED))]).await;

    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut acknowledged = Acknowledged::default();
    let (mut while_opening, mut wrong) = (0, Vec::new());
    let began = Instant::now();
    for kill in 1..=args.times {
        let longest = Duration::from_millis(rng.random_range(0..=args.longest));
        let said = life(&path, longest, rng.random());
        while_opening += usize::from(!said.iter().any(|said| matches!(said, Said::Ready)));
        for said in said {
            acknowledged.add(said, &mut wrong);
        }
        let found = check(&path, &acknowledged).await;
        wrong.extend(found.into_iter().map(|what| format!("kill {kill}: {what}")));
        if kill % 50 == 0 {
            println!("kill {kill}: {} acknowledged so far", acknowledged.count);
        }
    }
    println!(
        "\n{} kills in {:.0} s, {while_opening} of them before the store was open",
        args.times,
        began.elapsed().as_secs_f64()
    );
    println!(
        "{} changes were acknowledged: opinions of {} members, {} ratings, {} new rounds",
        acknowledged.count,
        acknowledged.opinions.len(),
        acknowledged.ratings.len(),
        acknowledged.rounds.len()
    );
    println!("acknowledged and lost, or there twice: {}", wrong.len());
    wrong.iter().for_each(|wrong| println!("  {wrong}"));
    wrong.is_empty()
}

/// The candidates of a drafted round stand there, and can be rated.
fn posted(round: Round) -> Round {
    let mut round = prepared::drafted(round);
    for (message, item) in (1..).zip(round.board()) {
        round.show(Shown {
            item,
            message: Message(message),
            fingerprint: 1,
            seeded: true,
        });
    }
    round.open_rating(now());
    round
}

fn now() -> Time {
    Utc::now()
}

/// Runs a writer for so long; what it said.
fn life(folder: &Path, long: Duration, seed: u64) -> Vec<Said> {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .arg("store-writer")
        .arg(folder)
        .args(["--seed", &seed.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        // The last line may be cut off: it was not said.
        let whole = lines.map_while(Result::ok);
        whole.filter_map(|line| read(&line)).collect()
    });
    std::thread::sleep(long);
    let ended = writer.try_wait().unwrap();
    assert_eq!(ended, None, "the writer ended by itself");
    writer.kill().unwrap();
    writer.wait().unwrap();
    reader.join().unwrap()
}

fn read(line: &str) -> Option<Said> {
    let words: Vec<&str> = line.strip_suffix('.')?.split(' ').collect();
    Some(match words[..] {
        ["ready"] => Said::Ready,
        ["opinion", member, revision] => {
            Said::Opinion(member.parse().ok()?, revision.parse().ok()?)
        }
        ["rating", member, candidate, count] => Said::Rating(
            member.parse().ok()?,
            candidate.parse().ok()?,
            count.parse().ok()?,
        ),
        ["round", number] => Said::Round(number.parse().ok()?),
        _ => return None,
    })
}

impl Acknowledged {
    fn add(&mut self, said: Said, wrong: &mut Vec<String>) {
        self.count += usize::from(!matches!(said, Said::Ready));
        match said {
            Said::Ready => {}
            Said::Opinion(member, revision) => {
                let last = self.opinions.entry(member).or_default();
                *last = revision.max(*last);
            }
            Said::Rating(member, candidate, count) => {
                self.ratings.insert((member, candidate), count);
            }
            Said::Round(number) => {
                if !self.rounds.insert(number) {
                    wrong.push(format!("the number {number} was given to two rounds"));
                }
            }
        }
    }
}

/// What is not there that was acknowledged, or is there twice. What was not may be there too.
async fn check(folder: &Path, acknowledged: &Acknowledged) -> Vec<String> {
    let folder = folder.to_owned();
    let store = tokio::task::spawn_blocking(move || Store::open(&folder).unwrap());
    let store = store.await.unwrap();
    let rounds = store.rounds(Guild(GUILD)).await.unwrap();
    store.close().await.unwrap();
    let mut wrong = Vec::new();
    let [open, rated] = [OPEN, RATED].map(|number| {
        let mut of_number = rounds.iter().filter(|round| round.key.number == number);
        of_number
            .next()
            .expect("it was saved before the first kill")
    });
    for (member, revision) in &acknowledged.opinions {
        let there = open.opinions.get(&Member(*member));
        let there = there.and_then(|opinion| revision_in(opinion.text.as_deref()?, *member));
        if there.is_none_or(|there| there < *revision) {
            wrong.push(format!("opinion {member}: {there:?} instead of {revision}"));
        }
    }
    let mut texts = BTreeSet::new();
    for (member, opinion) in &open.opinions {
        let text = opinion.text.as_deref().unwrap_or_default();
        if revision_in(text, member.0).is_none() || !texts.insert(text) {
            wrong.push(format!("opinion {member} is another's, or there twice"));
        }
    }
    for ((member, candidate), count) in &acknowledged.ratings {
        let rating = rated
            .ratings
            .get(&(CandidateKey(*candidate), Member(*member)));
        // The count is there modulo 49, and it has gone on by a few at most.
        let there = rating.and_then(|rating| {
            let (agreement, quality) = (rating.agreement?, rating.quality?);
            Some(7 * u32::from(u8::from(quality) - 1) + u32::from(u8::from(agreement) - 1))
        });
        if there.is_none_or(|there| (there + 49 - count % 49) % 49 > MOST_AT_ONCE) {
            wrong.push(format!(
                "rating {member} {candidate}: {there:?} instead of {count}"
            ));
        }
    }
    let numbers: BTreeSet<u32> = rounds.iter().map(|round| round.key.number).collect();
    if numbers.len() != rounds.len() || !acknowledged.rounds.is_subset(&numbers) {
        wrong.push("a new round is lost, or there twice".to_owned());
    }
    wrong
}

/// So many changes wait to be written at most.
const MOST_AT_ONCE: u32 = 12;

fn text(member: u64, revision: u32) -> String {
    // Of different lengths, so that all of sled's slabs are used.
    let padding = "and on ".repeat((member * 7 + u64::from(revision)) as usize % 60);
    format!("Member {member} writes this {padding}as revision {revision}")
}

/// The revision that a text is; `None` if it is not that member's.
fn revision_in(found: &str, member: u64) -> Option<u32> {
    let revision = found.rsplit(' ').next()?.parse().ok()?;
    (found == text(member, revision)).then_some(revision)
}

/// What is killed: writes until it is.
pub async fn write(args: &WriterArgs) -> ! {
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let folder = args.folder.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&folder).unwrap());
    let store = store.await.unwrap();
    let key = |number| RoundKey {
        guild: Guild(GUILD),
        number,
    };
    let mut open = store.round(key(OPEN)).await.unwrap().unwrap();
    let mut rated = store.round(key(RATED)).await.unwrap().unwrap();
    say("ready");
    loop {
        let mut saves = Vec::new();
        for _ in 0..rng.random_range(1..=MOST_AT_ONCE) {
            let member = rng.random_range(MEMBERS);
            if rng.random_bool(0.5) {
                let member = with_revisions_left(&open, member);
                let written = open.opinions.get(&Member(member));
                let revision = written.map_or(0, |opinion| opinion.revision);
                let next = written
                    .and_then(|opinion| revision_in(opinion.text.as_deref()?, member))
                    .map_or(1, |last| last + 1);
                let before = open.clone();
                open.submit_opinion(Member(member), &text(member, next), revision, now())
                    .unwrap();
                saves.push((
                    format!("opinion {member} {next}"),
                    store.save(Some(&before), &open),
                ));
            } else {
                let candidate = rng.random_range(0..3);
                let place = (CandidateKey(candidate), Member(member));
                let last = rated.ratings.get(&place).map_or(0, |rating| {
                    let scale =
                        |likert: Option<Likert>| likert.map_or(0, |l| u32::from(u8::from(l)) - 1);
                    7 * scale(rating.quality) + scale(rating.agreement)
                });
                let next = last + 1;
                let likert = |number: u32| Some(Likert::try_from((number % 7 + 1) as u8).unwrap());
                let before = rated.clone();
                rated
                    .rate(place.0, place.1, likert(next), likert(next / 7), now())
                    .unwrap();
                saves.push((
                    format!("rating {member} {candidate} {}", next % 49),
                    store.save(Some(&before), &rated),
                ));
            }
        }
        let rewrites = rng.random_bool(0.02);
        let rewrite = async {
            if rewrites {
                store.rewrite().await.unwrap();
            }
        };
        let told = join_all(saves.into_iter().map(|(what, save)| async move {
            save.await.unwrap();
            say(&what);
        }));
        tokio::join!(rewrite, told);
        if rng.random_bool(0.05) {
            let number = store.next_number(Guild(GUILD)).await.unwrap();
            let place = (GuildId::new(GUILD), ChannelId::new(10));
            let new = prepared::open(place.0, number, place.1, RatingMode::Private);
            store.save(None, &new).await.unwrap();
            say(&format!("round {number}"));
        }
    }
}

/// The member, or whoever goes on for them: an opinion cannot be changed for ever.
fn with_revisions_left(round: &Round, member: u64) -> u64 {
    let mut successors = (0..).map(|turn| member + 1000 * turn);
    let may_write = |member: &u64| {
        let opinion = round.opinions.get(&Member(*member));
        opinion.is_none_or(|opinion| opinion.revision < MOST_REVISIONS)
    };
    successors.find(may_write).expect("they never end")
}

/// A whole line, so that what was said is known even if the next one is cut off.
fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{what}.\n").as_bytes()).unwrap();
    out.flush().unwrap();
}
