//! Rounds that are in the store before the bot is started, which goes on with them: drafting for fifty
//! guilds would take longer than all that is measured.

use std::path::PathBuf;

use accord::deliberation::admission::Admission;
use accord::deliberation::distribution::RatingDistribution;
use accord::deliberation::id::{Channel, Guild, Member, RoundKey};
use accord::deliberation::round::{Candidate, Place, Provenance, RatingMode, Round, Terms, Time};
use accord::store::Store;
use chrono::{TimeDelta, Utc};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serenity::all::{ChannelId, GuildId};

use crate::support::night_buses;

/// A round that takes opinions.
pub fn open(guild: GuildId, number: u32, channel: ChannelId, rating: RatingMode) -> Round {
    let terms = Terms {
        welfare: "utilitarian".parse().unwrap(),
        minimum: 5,
        posted: 3.try_into().unwrap(),
        rating,
        opinions_for: TimeDelta::days(1),
        ratings_for: TimeDelta::days(1),
        revisions: 0,
        notify: None,
        retention_days: 30,
        training: false,
        admission: Admission::Everyone,
        experiment: false,
        review: false,
        language: "en".into(),
        real_ratings_only: false,
    };
    let key = RoundKey {
        guild: Guild(guild.get()),
        number,
    };
    let place = Place {
        channel: Channel(channel.get()),
        thread: None,
        threads: true,
    };
    let question = night_buses().question;
    Round::open(key, question, None, terms, place, ORGANISER, now())
}

/// A round whose three candidates are drafted, and not yet posted.
pub fn drafted(mut round: Round) -> Round {
    for (member, text) in (1..).map(Member).zip(night_buses().opinions) {
        round.submit_opinion(member, &text, 0, now()).unwrap();
    }
    round
        .close_early(ORGANISER, TimeDelta::zero(), now())
        .unwrap();
    let authors: Vec<Member> = round.opinions.keys().copied().collect();
    let candidates = CANDIDATES.map(|text| Candidate {
        text: text.to_owned(),
        provenance: Provenance {
            generator: "none".to_owned(),
            reward_model: "none".to_owned(),
            prompt_sha256: String::new(),
            seed: 0,
            temperature: 1.0,
            top_p: 0.8,
            opinions_read: authors.clone(),
            critiques_read: Vec::new(),
            drafted_at: now(),
            arm: None,
        },
        predictions: authors
            .iter()
            .map(|author| (*author, RatingDistribution::from_logits([0.0; 7]).unwrap()))
            .collect(),
        withdrawn_at: None,
        reports: Vec::new(),
        kept: false,
    });
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    round.drafted(0, candidates.into(), &mut rng, now());
    round
}

/// Writes new rounds into the store of a bot that does not run.
pub async fn store(folder: PathBuf, rounds: Vec<Round>) {
    let store = tokio::task::spawn_blocking(move || Store::open(&folder).unwrap());
    let store = store.await.unwrap();
    for round in &rounds {
        store.save(None, round).await.unwrap();
    }
    store.close().await.unwrap();
}

/// To the second, as Accord's clock has it.
fn now() -> Time {
    Time::from_timestamp(Utc::now().timestamp(), 0).expect("a date")
}

const ORGANISER: Member = Member(900);

const CANDIDATES: [&str; 3] = [
    "Run an electric minibus on Fridays and Saturdays, and count after a year who took it",
    "Spend the money on day buses every ten minutes, and leave the nights to shared taxis",
    "Run buses all night on two main lines, with a second member of staff on board",
];
