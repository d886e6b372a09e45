mod any_order;
mod board;
mod conclusion;
mod drafting;
mod erasure;
mod experiment;
mod opinions;
mod organising;
mod ratings;
mod review;
mod revision;

use chrono::DateTime;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::rating::GRACE;
use super::*;
use crate::deliberation::admission::Admission;
use crate::deliberation::id::{Guild, Message};
use crate::deliberation::outcome::OutcomeThresholds;

const THRESHOLDS: OutcomeThresholds = OutcomeThresholds {
    rated: 0.5,
    consensus: 2.0 / 3.0,
    contested: 0.5,
    certain: 0.75,
};

const ORGANISER: Member = Member(900);

/// What members write, long enough to be an opinion.
fn words_of(member: u64) -> String {
    format!("Member number {member} thinks so")
}

/// Statements of which none is nearly the same as another.
const STATEMENTS: [&str; 8] = [
    "Close the centre to cars on Saturdays and see what happens to the shops",
    "Charge every driver two euros and spend it all on night buses",
    "Nothing needs to change before the new bridge is open to traffic",
    "Build protected cycle lanes on three main roads within the next year",
    "Parking stays free for residents and becomes dear for everybody else",
    "Let the shopkeepers vote each spring on a calendar of closed days",
    "Trams first: no rule about cars makes sense until they run again",
    "Deliveries before ten, pedestrians afterwards, exemptions for disabled people",
];

fn likert(rating: u8) -> Likert {
    Likert::try_from(rating).unwrap()
}

/// A prediction without doubt.
fn sure(rating: u8) -> RatingDistribution {
    let mut logits = [-1e4; 7];
    logits[usize::from(rating) - 1] = 0.0;
    RatingDistribution::from_logits(logits).unwrap()
}

/// A prediction that knows nothing; its mean is 4.
fn unsure() -> RatingDistribution {
    RatingDistribution::from_logits([0.0; 7]).unwrap()
}

/// A round, the time, and hands that do what the facilitator does.
struct Scene {
    round: Round,
    now: Time,
    rng: StdRng,
    messages: u64,
}

impl Scene {
    /// Opinions for 60 minutes, ratings for 100, at least 5 opinions, 5 candidates posted.
    fn open() -> Self {
        Self::open_with(|_| {})
    }

    fn open_with(change: impl FnOnce(&mut Terms)) -> Self {
        let mut terms = Terms {
            welfare: "utilitarian".parse().unwrap(),
            minimum: 5,
            posted: 5.try_into().unwrap(),
            rating: RatingMode::Reactions,
            opinions_for: TimeDelta::minutes(60),
            ratings_for: TimeDelta::minutes(100),
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
        change(&mut terms);
        let now = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let key = RoundKey {
            guild: Guild(1),
            number: 1,
        };
        let place = Place {
            channel: Channel(10),
            thread: Some(Channel(11)),
            threads: true,
        };
        let question = "What should the town do about cars?".to_owned();
        Self {
            round: Round::open(key, question, None, terms, place, ORGANISER, now),
            now,
            rng: StdRng::seed_from_u64(1),
            messages: 100,
        }
    }

    /// Candidates are being drafted from the opinions of so many members, who are numbered from 1.
    fn drafting(members: u64, change: impl FnOnce(&mut Terms)) -> Self {
        let mut scene = Self::open_with(change);
        scene.write(1..=members);
        scene.pass_minutes(60);
        scene.round.close_opinions(scene.now);
        scene
    }

    /// As many candidates as there are columns in `predicted` are being rated; it has a row for each
    /// member.
    fn rating_with<const CANDIDATES: usize>(
        predicted: &[[u8; CANDIDATES]],
        change: impl FnOnce(&mut Terms),
    ) -> Self {
        let mut scene = Self::drafting(predicted.len() as u64, change);
        scene.draft(predicted);
        scene.open_rating();
        scene
    }

    /// Three candidates, all predicted to be rated 4 by each of five members.
    fn rating() -> Self {
        Self::rating_with(&[[4; 3]; 5], |_| {})
    }

    fn pass_minutes(&mut self, minutes: i64) {
        self.now += TimeDelta::minutes(minutes);
    }

    fn write(&mut self, members: impl IntoIterator<Item = u64>) {
        for member in members {
            self.round
                .submit_opinion(Member(member), &words_of(member), 0, self.now)
                .unwrap();
        }
    }

    /// The models write a candidate for each column of `predicted`.
    fn draft<const CANDIDATES: usize>(&mut self, predicted: &[[u8; CANDIDATES]]) {
        let candidates = (0..CANDIDATES)
            .map(|column| {
                let mut candidate = self.candidate(STATEMENTS[column]);
                for (row, member) in predicted.iter().zip(1..) {
                    candidate
                        .predictions
                        .insert(Member(member), sure(row[column]));
                }
                candidate
            })
            .collect();
        self.drafted(candidates);
    }

    fn drafted(&mut self, candidates: Vec<Candidate>) {
        let stage = self.round.stages.len();
        self.round
            .drafted(stage, candidates, &mut self.rng, self.now);
    }

    /// Without predictions, and drafted from all opinions that drafts read.
    fn candidate(&self, text: &str) -> Candidate {
        let input = self.round.draft_input().unwrap();
        Candidate {
            text: text.to_owned(),
            provenance: Provenance {
                generator: "generator".to_owned(),
                reward_model: "reward model".to_owned(),
                prompt_sha256: String::new(),
                seed: 1,
                temperature: 1.0,
                top_p: 0.8,
                opinions_read: input.opinions.iter().map(|(member, _)| *member).collect(),
                critiques_read: input
                    .revision
                    .iter()
                    .flat_map(|revision| &revision.critiques)
                    .map(|(member, _)| *member)
                    .collect(),
                drafted_at: self.now,
                arm: None,
            },
            predictions: BTreeMap::new(),
            withdrawn_at: None,
            reports: Vec::new(),
            kept: false,
        }
    }

    /// Posts and seeds whatever should stand there and does not.
    fn show_all(&mut self) {
        for item in self.round.board() {
            if self.round.shown(item).is_none_or(|shown| !shown.seeded) {
                self.show(item);
            }
        }
    }

    fn show(&mut self, item: Item) -> Message {
        self.messages += 1;
        let message = Message(self.messages);
        self.round.show(Shown {
            item,
            message,
            fingerprint: 1,
            seeded: true,
        });
        message
    }

    fn open_rating(&mut self) {
        self.show_all();
        self.round.open_rating(self.now);
        self.show_all();
    }

    /// In private; the candidate is the `column` of what was predicted.
    fn rate(&mut self, member: u64, column: u16, agreement: u8) {
        self.round
            .rate(
                CandidateKey(column),
                Member(member),
                Some(likert(agreement)),
                None,
                self.now,
            )
            .unwrap();
    }

    /// At the deadline.
    fn close_rating(&mut self) {
        self.now = self.round.rating_closes().unwrap();
        self.round
            .close_rating(&THRESHOLDS, &mut self.rng, self.now);
    }

    fn result(&self) -> &RoundResult {
        self.round.result().expect("the round has come to a result")
    }

    fn message_of(&self, candidate: CandidateKey) -> Message {
        let stage = (self.round.stages.len() - 1) as u8;
        let item = Item::Candidate { stage, candidate };
        self.round.shown(item).unwrap().message
    }
}
