use chrono::{DateTime, TimeDelta};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::deliberation::admission::Admission;
use crate::deliberation::arm::Arm;
use crate::deliberation::distribution::RatingDistribution;
use crate::deliberation::id::{Channel, Guild, Message};
use crate::deliberation::outcome::OutcomeThresholds;
use crate::deliberation::round::board::Shown;
use crate::deliberation::round::{Candidate, Place, Provenance, Terms, Time};

const KEY: [u8; 32] = [7; 32];

const STATEMENTS: [&str; 3] = [
    "Close the centre to cars on Saturdays and see what happens",
    "Charge every driver two euros and spend it all on buses",
    "Nothing needs to change before the new bridge is open",
];

fn opinion_of(member: u64) -> String {
    format!("Member number {member} thinks so")
}

fn now() -> Time {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

/// Members 1 to 4 rate three candidates, in private: a row of agreement a member; 0 is no rating.
struct Ratings([[u8; 3]; 4]);

impl Ratings {
    const ALL: Self = Self([[7, 4, 1], [6, 5, 2], [1, 2, 3], [4, 4, 4]]);

    fn concluded(&self) -> Round {
        self.concluded_with(RatingMode::Private, |_| {})
    }

    /// `change` happens while they rate.
    fn concluded_with(&self, rating: RatingMode, change: impl FnOnce(&mut Round)) -> Round {
        let mut round = opened(rating);
        round.close_opinions(now());
        let candidates = STATEMENTS.map(|text| candidate(&round, text));
        let mut rng = StdRng::seed_from_u64(1);
        round.drafted(0, candidates.into(), &mut rng, now());
        for (message, item) in (1..).zip(round.board()) {
            round.show(Shown {
                item,
                message: Message(message),
                fingerprint: 1,
                seeded: true,
            });
        }
        round.open_rating(now());
        for (member, row) in (1..).zip(self.0) {
            for (column, rating) in (0..).zip(row) {
                if let Ok(rating) = Likert::try_from(rating) {
                    let (key, member) = (CandidateKey(column), Member(member));
                    round.rate(key, member, Some(rating), None, now()).unwrap();
                }
            }
        }
        change(&mut round);
        let thresholds = OutcomeThresholds {
            rated: 0.5,
            consensus: 2.0 / 3.0,
            contested: 0.5,
            certain: 0.75,
        };
        let closes = round.rating_closes().unwrap();
        round.close_rating(&thresholds, &mut rng, closes);
        assert!(round.result().is_some());
        round
    }
}

/// Opinions are due to close.
fn opened(rating: RatingMode) -> Round {
    let terms = Terms {
        welfare: "utilitarian".parse().unwrap(),
        minimum: 3,
        posted: 3.try_into().unwrap(),
        rating,
        opinions_for: TimeDelta::hours(1),
        ratings_for: TimeDelta::hours(1),
        revisions: 0,
        notify: None,
        retention_days: 30,
        training: true,
        admission: Admission::Everyone,
        experiment: false,
        review: false,
        language: "en".into(),
        real_ratings_only: false,
    };
    let key = RoundKey {
        guild: Guild(9_000_000_009),
        number: 5,
    };
    let place = Place {
        channel: Channel(10),
        thread: None,
        threads: false,
    };
    let question = "What should the town do about cars?".to_owned();
    let opened_at = now() - TimeDelta::hours(1);
    let mut round = Round::open(key, question, None, terms, place, Member(900), opened_at);
    for member in 1..=4 {
        round
            .submit_opinion(Member(member), &opinion_of(member), 0, opened_at)
            .unwrap();
    }
    round
}

fn candidate(round: &Round, text: &str) -> Candidate {
    let predicted = RatingDistribution::from_logits([0.0; 7]).unwrap();
    Candidate {
        text: text.to_owned(),
        provenance: Provenance {
            generator: "generator".to_owned(),
            reward_model: "reward model".to_owned(),
            prompt_sha256: String::new(),
            seed: 1,
            temperature: 1.0,
            top_p: 0.8,
            opinions_read: Vec::new(),
            critiques_read: Vec::new(),
            drafted_at: now(),
            arm: None,
        },
        predictions: round.opinions.keys().map(|&m| (m, predicted)).collect(),
        withdrawn_at: None,
        reports: Vec::new(),
        kept: false,
    }
}

#[test]
fn an_export_tells_from_which_arm_a_statement_came() {
    let mut round = Ratings::ALL.concluded();
    let arms = [Some(Arm::ZeroShot), None, Some(Arm::Accord)];
    for (candidate, arm) in round.candidates.iter_mut().zip(arms) {
        candidate.provenance.arm = arm;
    }
    let exported = export(&round, &members(1..=4), &KEY).unwrap();
    let exported = serde_json::to_value(&exported).unwrap();
    let of = |statement: usize| exported["statements"][statement].get("arm").cloned();
    let named = |arm: &str| Some(serde_json::Value::from(arm));
    assert_eq!(
        [of(0), of(1), of(2)],
        [named("zero-shot"), None, named("accord")]
    );
    let read: Deliberation = serde_json::from_value(exported).unwrap();
    assert_eq!(read.statements[2].arm.as_deref(), Some("accord"));
}

fn members(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<Member> {
    numbers.into_iter().map(Member).collect()
}

fn likert(rating: u8) -> Option<Likert> {
    Some(Likert::try_from(rating).unwrap())
}

#[test]
fn what_those_wrote_and_rated_who_agreed_is_gathered_and_nothing_of_others() {
    let mut round = Ratings([[7, 4, 1], [6, 0, 2], [1, 2, 3], [4, 4, 4]]).concluded();
    let passer_by = (CandidateKey(0), Member(77));
    let rating = round.ratings.values().next().unwrap().clone();
    round.ratings.insert(passer_by, rating);
    let gathered = gather(&[round.clone()], &members([1, 2, 4, 77, 78]));
    let [deliberation] = &gathered.deliberations[..] else {
        panic!("{gathered:?}");
    };
    assert_eq!(deliberation.question, round.question);
    assert_eq!(deliberation.opinions, [1, 2, 4].map(opinion_of));
    assert_eq!(deliberation.weights, [1.0; 3]);
    let agreement: Vec<_> = deliberation
        .statements
        .iter()
        .map(|statement| (statement.text.as_str(), statement.agreement.as_slice()))
        .collect();
    assert_eq!(
        agreement,
        [
            (STATEMENTS[0], &[Some(7), Some(6), Some(4)][..]),
            (STATEMENTS[1], &[Some(4), None, Some(4)][..]),
            (STATEMENTS[2], &[Some(1), Some(2), Some(4)][..]),
        ]
    );
    assert_eq!(gathered.rounds, [round.key]);
    let counts = (gathered.members, gathered.ratings, gathered.down_weighted);
    assert_eq!(counts, (3, 8, 0));
    let contributors = [1, 2, 4].map(|id| (round.key.guild, Member(id)));
    assert_eq!(gathered.contributors, contributors.into());
    assert_eq!(gathered.unusable, BTreeMap::new());
    // It can be read back, as whoever trains does.
    let json = serde_json::to_string(deliberation).unwrap();
    let read: Deliberation = serde_json::from_str(&json).unwrap();
    assert_eq!(read, *deliberation);
}

#[test]
fn quality_is_the_median_of_those_who_agreed() {
    let quality_of = |given: [u8; 4]| {
        let round = Ratings::ALL.concluded_with(RatingMode::Private, |round| {
            for (member, quality) in (1..).zip(given).filter(|(_, quality)| *quality > 0) {
                let (key, member) = (CandidateKey(1), Member(member));
                round
                    .rate(key, member, None, likert(quality), now())
                    .unwrap();
            }
        });
        let gathered = gather(&[round], &members([1, 2, 3]));
        let statements = &gathered.deliberations[0].statements;
        assert_eq!(statements[0].quality, None);
        statements[1].quality
    };
    assert_eq!(quality_of([0, 0, 0, 7]), None);
    assert_eq!(quality_of([3, 0, 0, 7]), Some(3));
    assert_eq!(quality_of([3, 6, 0, 7]), Some(5));
    assert_eq!(quality_of([1, 6, 5, 7]), Some(5));
}

#[test]
fn a_round_that_teaches_nothing_is_counted_with_the_reason() {
    let everybody = members(1..=4);
    let reason = |round: &Round, agreed: &BTreeSet<Member>| {
        let gathered = gather(std::slice::from_ref(round), agreed);
        assert_eq!(gathered.deliberations, []);
        assert_eq!((gathered.members, gathered.ratings), (0, 0));
        assert!(gathered.contributors.is_empty());
        let reasons: Vec<_> = gathered.unusable.into_iter().collect();
        assert_eq!(reasons.len(), 1);
        reasons[0]
    };
    let mut round = opened(RatingMode::Private);
    assert_eq!(reason(&round, &everybody), (NotUsable::Open, 1));
    round.cancel(Member(900), now()).unwrap();
    assert_eq!(reason(&round, &everybody), (NotUsable::Cancelled, 1));

    let mut round = Ratings::ALL.concluded();
    let two = members([1, 2, 77]);
    assert_eq!(reason(&round, &two), (NotUsable::TooFewAgreed, 1));
    let mut without = round.clone();
    without.terms.training = false;
    assert_eq!(reason(&without, &everybody), (NotUsable::OpenedWithout, 1));
    round.delete_texts(&two);
    assert_eq!(reason(&round, &everybody), (NotUsable::TextsDeleted, 1));

    let round = Ratings([[7, 4, 1], [6, 0, 0], [0, 0, 3], [0; 3]]).concluded();
    assert_eq!(reason(&round, &everybody), (NotUsable::TooFewRatings, 1));
    let enough = Ratings([[7, 4, 1], [6, 0, 2], [0; 3], [0; 3]]).concluded();
    let gathered = gather(&[round.clone(), enough, round], &everybody);
    assert_eq!(gathered.rounds.len(), 1);
    let two = BTreeMap::from([(NotUsable::TooFewRatings, 2)]);
    assert_eq!(gathered.unusable, two);
}

#[test]
fn a_statement_that_was_withdrawn_or_that_nobody_rated_is_left_out() {
    let mut round = Ratings([[7, 4, 0], [6, 5, 0], [1, 2, 0], [0, 0, 5]]).concluded();
    let texts = |round: &Round| -> Vec<String> {
        let gathered = gather(std::slice::from_ref(round), &members([1, 2, 3]));
        let statements = &gathered.deliberations[0].statements;
        statements.iter().map(|s| s.text.clone()).collect()
    };
    assert_eq!(texts(&round), STATEMENTS[..2]);
    round.delete_texts(&members([1, 2, 3]));
    assert_eq!(texts(&round), STATEMENTS[..2]);

    let mut withdrawn = Ratings::ALL.concluded();
    withdrawn.candidates[1].withdrawn_at = Some(now());
    assert_eq!(texts(&withdrawn), [STATEMENTS[0], STATEMENTS[2]]);
}

#[test]
fn who_rates_the_same_candidate_otherwise_the_second_time_weighs_less() {
    let rounds: Vec<Round> = (0..3)
        .map(|_| {
            Ratings::ALL.concluded_with(RatingMode::Private, |round| {
                for (member, again) in [(1, 7), (3, 7)] {
                    let (key, member) = (CandidateKey(0), Member(member));
                    let again = likert(again).unwrap();
                    round.rate_again(key, member, again, now()).unwrap();
                }
            })
        })
        .collect();
    let gathered = gather(&rounds, &members([1, 2, 3]));
    for deliberation in &gathered.deliberations {
        let [consistent, never_asked, careless] = deliberation.weights[..] else {
            panic!("{:?}", deliberation.weights);
        };
        assert_eq!((consistent, never_asked), (1.0, 1.0));
        assert_eq!(careless, 0.4);
    }
    assert_eq!((gathered.members, gathered.down_weighted), (3, 1));
    // Who does not agree is not weighed either.
    assert_eq!(gather(&rounds, &members([1, 2, 4])).down_weighted, 0);
}

#[test]
fn what_several_guilds_give_adds_up() {
    let round = Ratings::ALL.concluded();
    let cancelled = {
        let mut round = opened(RatingMode::Private);
        round.cancel(Member(900), now()).unwrap();
        round
    };
    let mut gathered = gather(&[round.clone(), cancelled.clone()], &members(1..=4));
    gathered.add(gather(&[cancelled, round], &members(1..=3)));
    assert_eq!((gathered.members, gathered.ratings), (7, 21));
    assert_eq!(
        (gathered.deliberations.len(), gathered.rounds.len()),
        (2, 2)
    );
    assert_eq!(gathered.unusable[&NotUsable::Cancelled], 2);
}

#[test]
fn an_exported_round_can_be_read_as_a_deliberation_and_names_nobody() {
    let round = Ratings::ALL.concluded();
    let agreed = members(1..=3);
    let exported = export(&round, &agreed, &KEY).unwrap();
    let json = serde_json::to_string(&exported).unwrap();
    let read: Deliberation = serde_json::from_str(&json).unwrap();
    assert_eq!(read, exported.deliberation);
    assert!(!json.contains("9000000009"), "{json}");
    assert!(!json.contains("unlinked"), "{json}");
    // In private rounds, what an author rated stands by the opinion.
    let gathered = &gather(&[round], &agreed).deliberations[0];
    for (place, opinion) in read.opinions.iter().enumerate() {
        let as_gathered = gathered.opinions.iter().position(|o| o == opinion);
        for (statement, other) in read.statements.iter().zip(&gathered.statements) {
            assert_eq!(statement.text, other.text);
            assert_eq!(
                statement.agreement[place],
                other.agreement[as_gathered.unwrap()]
            );
        }
    }
    assert_eq!(exported.participants.len(), 3);
    assert!(exported.participants.is_sorted());
}

#[test]
fn pseudonyms_differ_in_every_round_and_with_every_key() {
    let round = Ratings::ALL.concluded();
    let mut next = round.clone();
    next.key.number += 1;
    let mut all = BTreeSet::new();
    let other_key = [8; 32];
    for (round, key) in [(&round, &KEY), (&next, &KEY), (&round, &other_key)] {
        let exported = export(round, &members(1..=4), key).unwrap();
        let again = export(round, &members(1..=4), key).unwrap();
        assert_eq!(exported, again);
        all.extend(exported.participants);
        all.extend(exported.deliberation.id);
    }
    assert_eq!(all.len(), 3 * 5);
    assert!(all.iter().all(|pseudonym| pseudonym.len() == 16));
}

#[test]
fn where_everybody_saw_who_rated_what_no_rating_stands_by_an_opinion() {
    let round = Ratings::ALL.concluded_with(RatingMode::Reactions, |_| {});
    let exported = export(&round, &members(1..=4), &KEY).unwrap();
    for statement in &exported.deliberation.statements {
        assert_eq!(statement.agreement, [None; 4]);
    }
    let unlinked = exported.unlinked_agreement.as_ref().unwrap();
    assert_eq!(
        *unlinked,
        [vec![1, 4, 6, 7], vec![2, 4, 4, 5], vec![1, 2, 3, 4]]
    );
    let json = serde_json::to_string(&exported).unwrap();
    assert!(serde_json::from_str::<Deliberation>(&json).is_ok());
}

#[test]
fn a_round_that_cannot_be_trained_on_is_not_exported() {
    let round = Ratings::ALL.concluded();
    assert_eq!(export(&round, &members([1, 2]), &KEY), None);
    let open = opened(RatingMode::Private);
    assert_eq!(export(&open, &members(1..=4), &KEY), None);
}
