//! Rounds to be drawn in tests, made as real ones are.

use chrono::{DateTime, TimeDelta};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{HostFacts, Processed};
use crate::deliberation::admission::Admission;
use crate::deliberation::distribution::RatingDistribution;
use crate::deliberation::id::{Channel, Guild, Member, Message, Role, RoundKey};
use crate::deliberation::outcome::OutcomeThresholds;
use crate::deliberation::rating::Likert;
use crate::deliberation::round::board::{Item, Shown};
use crate::deliberation::round::{
    Candidate, CandidateKey, Place, Provenance, RatingMode, Round, Terms, Time,
};
use crate::discord::wording::Wording;
use crate::facilitator::platform::{Progress, View};

pub fn wording() -> Wording {
    Wording::new(include_str!("../../../config/wording/en.ftl")).unwrap()
}

pub fn host() -> HostFacts {
    HostFacts {
        processed: Processed::Local,
        opinion_characters: 1200,
    }
}

pub fn view(round: &Round) -> View<'_> {
    View {
        round,
        progress: Progress::default(),
    }
}

/// Minutes after the round was opened.
pub fn at(minutes: i64) -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
}

pub const ORGANISER: Member = Member(100);

pub fn terms(rating: RatingMode) -> Terms {
    Terms {
        welfare: "utilitarian".parse().unwrap(),
        minimum: 5,
        posted: 3.try_into().unwrap(),
        rating,
        opinions_for: TimeDelta::hours(24),
        ratings_for: TimeDelta::hours(24),
        revisions: 0,
        notify: Some(Role(77)),
        retention_days: 30,
        training: false,
        admission: Admission::Everyone,
        experiment: false,
        review: false,
        language: "en".into(),
        real_ratings_only: false,
    }
}

pub fn opened(question: &str, terms: Terms) -> Round {
    let mut round = Round::open(
        RoundKey {
            guild: Guild(1),
            number: 3,
        },
        question.to_owned(),
        Some("The canteen has one machine.".to_owned()),
        terms,
        Place {
            channel: Channel(10),
            thread: None,
            threads: true,
        },
        ORGANISER,
        at(0),
    );
    round.moved_to_thread(Channel(11));
    show_all(&mut round);
    round
}

/// Opened, and some members have written.
pub fn with_opinions(opinions: &[&str], terms: Terms) -> Round {
    let mut round = opened("Should the canteen serve tea or coffee?", terms);
    for (member, opinion) in (1..).zip(opinions) {
        round
            .submit_opinion(Member(member), opinion, 0, at(1))
            .unwrap();
    }
    round
}

pub const OPINIONS: [&str; 5] = [
    "Tea, all day long, and nothing else.",
    "Coffee in the morning, please.",
    "I drink neither, water is fine.",
    "Both, if the machine can do it.",
    "Coffee, but fairly traded.",
];

pub const CANDIDATES: [&str; 3] = [
    "The canteen should serve both tea and coffee, and offer water for free.",
    "The canteen should serve fairly traded coffee in the morning and tea after noon.",
    "The canteen should buy a machine that can make tea as well as coffee.",
];

pub fn drafting(terms: Terms) -> Round {
    let mut round = with_opinions(&OPINIONS, terms);
    round.close_opinions(at(24 * 60));
    round
}

/// Everything is posted and can be rated.
pub fn rating(terms: Terms, candidates: &[&str]) -> Round {
    let mut round = drafting(terms);
    draft(&mut round, candidates);
    round
}

/// Drafting ends with these candidates; each participant is predicted to rate the first one best.
pub fn draft(round: &mut Round, candidates: &[&str]) {
    let input = round.draft_input().unwrap();
    let readers: Vec<Member> = input.opinions.iter().map(|(member, _)| *member).collect();
    let critics = input
        .revision
        .iter()
        .flat_map(|revision| &revision.critiques);
    let critiques_read: Vec<Member> = critics.map(|(member, _)| *member).collect();
    let made = candidates.iter().enumerate().map(|(nth, text)| Candidate {
        text: (*text).to_owned(),
        provenance: Provenance {
            generator: "SmolLM2-135M-Instruct, shipped 1".to_owned(),
            reward_model: "SmolLM2-135M-Instruct, shipped 1".to_owned(),
            prompt_sha256: String::new(),
            seed: nth as u64,
            temperature: 1.0,
            top_p: 0.8,
            opinions_read: readers.clone(),
            critiques_read: critiques_read.clone(),
            drafted_at: at(24 * 60),
            arm: None,
        },
        predictions: round
            .opinions
            .keys()
            .map(|&member| (member, predicted(6 - nth.min(5))))
            .collect(),
        withdrawn_at: None,
        reports: Vec::new(),
        kept: false,
    });
    let made = made.collect();
    let mut rng = StdRng::seed_from_u64(1);
    round.drafted(input.stage, made, &mut rng, at(24 * 60 + 5));
    show_all(round);
    round.open_rating(at(24 * 60 + 6));
    show_all(round);
}

/// A distribution whose mean is close to a rating.
pub fn predicted(rating: usize) -> RatingDistribution {
    let logits = [1, 2, 3, 4, 5, 6, 7].map(|other: usize| -2.0 * other.abs_diff(rating) as f64);
    RatingDistribution::from_logits(logits).unwrap()
}

pub fn rate(round: &mut Round, member: u64, candidate: u16, agreement: u8) {
    let agreement = Likert::try_from(agreement).unwrap();
    let (candidate, member) = (CandidateKey(candidate), Member(member));
    round
        .rate(candidate, member, Some(agreement), None, at(24 * 60 + 10))
        .unwrap();
}

/// Rating closes; what nobody rated is predicted.
pub fn conclude(round: &mut Round) {
    let now = at(48 * 60 + 10);
    for missing in round.missing_predictions() {
        let distributions = missing.candidates.iter().map(|&key| (key, predicted(4)));
        let distributions: Vec<_> = distributions.collect();
        round.predicted(missing.member, distributions);
    }
    let thresholds = OutcomeThresholds {
        rated: 0.5,
        consensus: 2.0 / 3.0,
        contested: 0.5,
        certain: 0.75,
    };
    round.close_rating(&thresholds, &mut StdRng::seed_from_u64(1), now);
    show_all(round);
}

/// Everything that should stand there does.
pub fn show_all(round: &mut Round) {
    for (message, item) in (1..).zip(round.board()) {
        round.show(Shown {
            item,
            message: Message(message),
            fingerprint: 1,
            seeded: true,
        });
    }
}

/// The item that shows a candidate of the first stage.
pub fn candidate(key: u16) -> Item {
    Item::Candidate {
        stage: 0,
        candidate: CandidateKey(key),
    }
}
