//! Rounds that went through all that can happen to them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::deliberation::admission::Admission;
use crate::deliberation::distribution::RatingDistribution;
use crate::deliberation::id::{Channel, Member, Message, Role, RoundKey};
use crate::deliberation::outcome::OutcomeThresholds;
use crate::deliberation::rating::Likert;
use crate::deliberation::round::board::Shown;
use crate::deliberation::round::{
    Candidate, Due, Phase, Place, Provenance, RatingMode, Round, Terms, Time, Verdict,
};

/// Seconds after some moment.
pub fn at(seconds: i64) -> Time {
    DateTime::from_timestamp(1_750_000_000 + seconds, 123_456_789).unwrap()
}

/// All states of a round, from its opening to its end, each but for one change like the one before.
pub fn history(key: RoundKey, seed: u64) -> Vec<Round> {
    let mut rng = StdRng::seed_from_u64(seed);
    let members: Vec<Member> = (0..rng.random_range(3..8))
        .map(|_| Member(rng.random()))
        .collect();
    let terms = Terms {
        welfare: ["nash", "schulze", "rawlsian", "0.35"]
            .choose(&mut rng)
            .unwrap()
            .parse()
            .unwrap(),
        minimum: 3,
        posted: rng.random_range(3..=6).try_into().unwrap(),
        rating: if rng.random() {
            RatingMode::Reactions
        } else {
            RatingMode::Private
        },
        opinions_for: TimeDelta::hours(rng.random_range(1..72)),
        ratings_for: TimeDelta::hours(rng.random_range(1..72)),
        revisions: rng.random_range(0..3),
        notify: rng.random_bool(0.5).then(|| Role(rng.random())),
        retention_days: rng.random_range(0..365),
        training: rng.random(),
        admission: match rng.random_range(0..3) {
            0 => Admission::Everyone,
            1 => Admission::MemberFor {
                days: rng.random_range(0..365),
            },
            _ => Admission::HasRole(Role(rng.random())),
        },
        experiment: rng.random(),
        review: rng.random(),
        language: ["en", "de", ""].choose(&mut rng).unwrap().to_string(),
        real_ratings_only: rng.random(),
    };
    let round = Round::open(
        key,
        text(&mut rng),
        rng.random_bool(0.5).then(|| text(&mut rng)),
        terms,
        Place {
            channel: Channel(rng.random()),
            thread: None,
            threads: rng.random(),
        },
        members[0],
        at(0),
    );
    let mut history = History {
        states: vec![round.clone()],
        round,
        now: at(0),
        rng,
    };
    history.opinions(&members);
    if history.rng.random_bool(0.2) {
        history.step(|round, rng, now| {
            let who = Member(rng.random());
            round.cancel(who, now).unwrap();
        });
    }
    history.go_on(&members);
    history.states
}

struct History {
    states: Vec<Round>,
    round: Round,
    now: Time,
    rng: StdRng,
}

impl History {
    fn step(&mut self, step: impl FnOnce(&mut Round, &mut StdRng, Time)) {
        self.now += TimeDelta::milliseconds(self.rng.random_range(1..1500));
        step(&mut self.round, &mut self.rng, self.now);
        self.states.push(self.round.clone());
    }

    fn opinions(&mut self, members: &[Member]) {
        self.show();
        self.step(|round, rng, _| {
            if round.place.threads {
                round.moved_to_thread(Channel(rng.random()));
            } else {
                round.stays_in_channel();
            }
        });
        for &member in members {
            self.step(|round, rng, now| {
                round.submit_opinion(member, &text(rng), 0, now).unwrap();
            });
        }
        let member = members[0];
        self.step(|round, rng, now| {
            round.submit_opinion(member, &text(rng), 1, now).unwrap();
        });
        if self.rng.random_bool(0.3) {
            self.step(|round, _, now| {
                round.withdraw_opinion(member, now).unwrap();
            });
        }
        self.step(|round, _, now| {
            round.extend(member, TimeDelta::hours(1), now).unwrap();
        });
    }

    /// Does what is due until the round is settled.
    fn go_on(&mut self, members: &[Member]) {
        while !self.round.settled {
            // Somebody decides, or candidates are shown, long before that is given up.
            if !matches!(
                self.round.phase,
                Phase::TooFew { .. } | Phase::Review { .. } | Phase::Posting { .. }
            ) {
                self.now = self.round.next_deadline().unwrap_or(self.now).max(self.now);
            }
            match self.round.due(self.now) {
                Some(Due::CloseOpinions) => self.step(|round, _, now| round.close_opinions(now)),
                Some(Due::Draft) => self.draft(members),
                Some(Due::OpenRating) => {
                    self.step(|round, _, now| round.open_rating(now));
                    self.rate(members);
                }
                Some(Due::CloseRating) => self.step(|round, rng, now| {
                    round.close_rating(&THRESHOLDS, rng, now);
                }),
                None if matches!(self.round.phase, Phase::Review { .. }) => self.review(),
                None if self.round.is_open()
                    && matches!(self.round.phase, Phase::TooFew { .. }) =>
                {
                    self.step(|round, rng, now| {
                        let who = Member(rng.random());
                        round.close_early(who, TimeDelta::zero(), now).unwrap();
                    });
                }
                None => {
                    self.show();
                    self.step(|round, _, _| round.settle());
                }
            }
        }
        if self.round.result().is_some() {
            self.step(|round, rng, now| {
                let who = Member(rng.random());
                let reasons = Some(text(rng));
                round.answer(who, Verdict::Partly, reasons, now).unwrap();
            });
            self.step(|round, _, _| round.settle());
        }
        self.step(|round, _, now| {
            round.erase(members[1], now);
        });
        self.step(|round, _, _| round.delete_texts(&members[2..].iter().copied().collect()));
        self.step(|round, _, _| {
            round.release_text(members[2]);
        });
    }

    fn draft(&mut self, members: &[Member]) {
        self.step(|round, _, now| round.drafting_failed(false, now));
        self.step(|round, rng, now| {
            let stage = round.stages.len();
            let candidates = (0..6).map(|_| candidate(members, rng, now)).collect();
            round.drafted(stage, candidates, rng, now);
        });
        self.show();
    }

    fn review(&mut self) {
        let who = Member(self.rng.random());
        let stage = (self.round.stages.len() - 1) as u8;
        self.step(|round, rng, now| {
            let candidate = *round.under_review().choose(rng).unwrap();
            round.withhold(candidate, who, now).unwrap();
        });
        let anew = self.rng.random_bool(0.3);
        self.step(|round, _, now| {
            // Too often, or too few are left.
            let redrafted = anew && round.redraft(stage, who, now).is_ok();
            if !redrafted && round.post_reviewed(stage, who, now).is_err() {
                round.cancel(who, now).unwrap();
            }
        });
        self.show();
    }

    fn rate(&mut self, members: &[Member]) {
        let late = Member(self.rng.random());
        self.step(|round, rng, now| {
            round.join_late(late, &text(rng), now).unwrap();
        });
        self.step(|round, rng, _| {
            for missing in round.missing_predictions() {
                let predictions: Vec<_> = missing
                    .candidates
                    .iter()
                    .map(|&candidate| (candidate, distribution(rng)))
                    .collect();
                round.predicted(missing.member, predictions);
            }
        });
        for candidate in self.round.eligible() {
            for &member in members {
                self.step(|round, rng, now| {
                    let rating = *Likert::ALL.choose(rng).unwrap();
                    if rng.random() {
                        round.react(candidate, member, rating, now).unwrap();
                    } else {
                        let quality = rng.random_bool(0.5).then_some(rating);
                        round
                            .rate(candidate, member, Some(rating), quality, now)
                            .unwrap();
                    }
                });
                self.step(|round, _, now| {
                    if round.may_criticise(member) && round.is_to_be_revised() {
                        round.criticise(member, "Shorter, please.", now).unwrap();
                    }
                });
            }
            self.step(|round, rng, now| {
                let several = BTreeSet::from([Likert::ALL[1], Likert::ALL[5]]);
                let found = BTreeMap::from([(Member(rng.random()), several)]);
                let before = round.clone();
                round
                    .reactions_found(candidate, &found, &before, &before, now)
                    .unwrap();
            });
        }
        for &member in members {
            self.step(|round, rng, now| {
                if round.may_rate_again(member) {
                    let candidate = *round.eligible().choose(rng).unwrap();
                    let rating = *Likert::ALL.choose(rng).unwrap();
                    round.rate_again(candidate, member, rating, now).unwrap();
                }
            });
        }
        self.step(|round, rng, now| {
            let candidate = round.eligible()[0];
            round.report(candidate, Member(rng.random()));
            round.keep(candidate, Member(rng.random()), now).unwrap();
        });
        let message = self.round.shown.last().unwrap().message;
        self.step(|round, _, now| round.message_deleted(message, now));
    }

    /// Everything that should be shown is.
    fn show(&mut self) {
        for item in self.round.board() {
            self.step(|round, rng, _| {
                round.show(Shown {
                    item,
                    message: Message(rng.random()),
                    fingerprint: rng.random(),
                    seeded: true,
                });
            });
        }
    }
}

const THRESHOLDS: OutcomeThresholds = OutcomeThresholds {
    rated: 0.5,
    consensus: 0.6667,
    contested: 0.5,
    certain: 0.75,
};

fn candidate(members: &[Member], rng: &mut StdRng, now: Time) -> Candidate {
    Candidate {
        text: text(rng),
        provenance: Provenance {
            generator: "SmolLM2-135M-Instruct + shipped".to_owned(),
            reward_model: "SmolLM2-135M-Instruct + base".to_owned(),
            prompt_sha256: "d2a84f4b8b650937ec8f73cd8be2c74add5a911ba64df27458ed8229da804a26"
                .to_owned(),
            seed: rng.random(),
            temperature: 0.7,
            top_p: 0.95,
            opinions_read: members.to_vec(),
            critiques_read: members[1..].to_vec(),
            drafted_at: now,
            arm: None,
        },
        predictions: members.iter().map(|&m| (m, distribution(rng))).collect(),
        withdrawn_at: None,
        reports: Vec::new(),
        kept: false,
    }
}

fn distribution(rng: &mut StdRng) -> RatingDistribution {
    RatingDistribution::from_logits([(); 7].map(|()| rng.random_range(-9.0..9.0_f32))).unwrap()
}

/// Of the kinds of characters that can go wrong.
fn text(rng: &mut StdRng) -> String {
    let words = [
        "library",
        "\"open\"",
        "längere",
        "Öffnungszeiten",
        "🦀",
        "\n\n",
        "\\",
        "\u{0}",
        "شارع",
        "{\"v\":2}",
        "</s>",
        "1e-7",
    ];
    let count = rng.random_range(4..40);
    let words: Vec<&str> = (0..count).map(|_| *words.choose(rng).unwrap()).collect();
    format!("We should {}.", words.join(" "))
}
