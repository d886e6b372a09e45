//! Experiment rounds: which arm a community's own members would rather have.

use super::case::ArmRatings;
use super::comparison::{self, Comparison};
use super::statistics::win_rate::{Tally, WinRate};
use crate::deliberation::arm::Arm;
use crate::deliberation::round::{ModelVersions, Round};
use crate::training::versions::VersionId;

/// How often groups rated the statement of one arm higher than that of another. A comparison is a round.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmsCompared {
    pub ours: Arm,
    pub theirs: Arm,
    /// By the mean of the participants' ratings, as in the paper.
    pub mean: WinRate,
    /// By the lowest of the participants' ratings.
    pub minimum: WinRate,
}

/// What a community's experiment rounds say of the arms.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Of all rounds that count.
    pub models: ModelVersions,
    /// Then `accord` is the best of the base model's drafts, and `zero-shot` one of them.
    pub base_is_active: bool,
    /// Pairs that some round can tell something about.
    pub arms: Vec<ArmsCompared>,
    /// Rounds with other models, which write and choose other statements.
    pub others: usize,
}

/// Of concluded rounds with the models of the newest one, by real ratings of participants who rated
/// both; `None` where no round tells anything.
pub fn compare(rounds: &[Round]) -> Option<Compared> {
    let rated = rounds.iter().filter_map(|round| {
        let ratings = rated(round)?;
        let tells = !pairs(std::slice::from_ref(&ratings)).is_empty();
        tells.then_some((round.key.number, round.models.as_ref()?, ratings))
    });
    let rated: Vec<_> = rated.collect();
    let (_, models, _) = rated.iter().max_by_key(|(number, ..)| number)?;
    let (counted, others): (Vec<_>, Vec<_>) = rated.iter().partition(|(_, of, _)| of == models);
    let groups: Vec<ArmRatings> = counted
        .into_iter()
        .map(|(.., group)| group.clone())
        .collect();
    Some(Compared {
        models: (*models).clone(),
        base_is_active: models.generator == VersionId::Base.to_string(),
        arms: pairs(&groups),
        others: others.len(),
    })
}

fn pairs(groups: &[ArmRatings]) -> Vec<ArmsCompared> {
    let pairs = [
        (Arm::Accord, Arm::Sft),
        (Arm::Accord, Arm::ZeroShot),
        (Arm::Sft, Arm::ZeroShot),
    ];
    let compared = pairs.into_iter().map(|(ours, theirs)| {
        let labels = [ours, theirs].map(|arm| arm.to_string());
        let Comparison { mean, minimum, .. } = comparison::compare(groups, &labels[0], &labels[1]);
        ArmsCompared {
            ours,
            theirs,
            mean,
            minimum,
        }
    });
    compared
        .filter(|pair| pair.mean.tally != Tally::default())
        .collect()
}

/// What participants made of the statement of each arm, once there is a result.
fn rated(round: &Round) -> Option<ArmRatings> {
    let posted = round.result()?.candidates.iter();
    let by_arm = posted.filter_map(|&key| {
        let arm = round.candidate(key).provenance.arm?;
        let rating = |&member| Some(f64::from(round.ratings.get(&(key, member))?.agreement?));
        Some((arm.to_string(), round.opinions.keys().map(rating).collect()))
    });
    Some(by_arm.collect())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::deliberation::admission::Admission;
    use crate::deliberation::distribution::RatingDistribution;
    use crate::deliberation::id::{Channel, Guild, Member, Message, RoundKey};
    use crate::deliberation::outcome::OutcomeThresholds;
    use crate::deliberation::rating::Likert;
    use crate::deliberation::round::board::Shown;
    use crate::deliberation::round::{
        Candidate, CandidateKey, Place, Provenance, RatingMode, Terms, Time,
    };

    const TEXTS: [&str; 3] = [
        "Close the centre to cars on Saturdays and see what happens",
        "Charge every driver two euros and spend it all on buses",
        "Nothing needs to change before the new bridge is open",
    ];

    fn now() -> Time {
        DateTime::from_timestamp(1_760_000_000, 0).unwrap()
    }

    /// A row of ratings a member, of the statements of [`Arm::ALL`]; 0 is no rating. Member 9 rates
    /// without having given an opinion, the other way round.
    fn being_rated(ratings: [[u8; 3]; 3]) -> Round {
        let mut round = posted();
        let outsider = (9, ratings[0].map(|rating| 8 - rating.max(1)));
        for (member, row) in (1..).zip(ratings).chain([outsider]) {
            for (arm, rating) in Arm::ALL.into_iter().zip(row) {
                let keys = (0..).map(CandidateKey).zip(&round.candidates);
                let mut keys = keys.filter(|(_, made)| made.provenance.arm == Some(arm));
                let (key, _) = keys.next().unwrap();
                if let Ok(rating) = Likert::try_from(rating) {
                    round
                        .rate(key, Member(member), Some(rating), None, now())
                        .unwrap();
                }
            }
        }
        round
    }

    fn models(generator: &str) -> ModelVersions {
        ModelVersions {
            generator: generator.to_owned(),
            reward_model: "shipped".to_owned(),
        }
    }

    fn concluded(ratings: [[u8; 3]; 3]) -> Round {
        let mut round = being_rated(ratings);
        round.models = Some(models("shipped"));
        let thresholds = OutcomeThresholds {
            rated: 0.5,
            consensus: 2.0 / 3.0,
            contested: 0.5,
            certain: 0.75,
        };
        let closes = round.rating_closes().unwrap();
        round.close_rating(&thresholds, &mut StdRng::seed_from_u64(1), closes);
        round
    }

    /// Three members have written, and a candidate of each arm can be rated.
    fn posted() -> Round {
        let key = RoundKey {
            guild: Guild(1),
            number: 1,
        };
        let place = Place {
            channel: Channel(10),
            thread: None,
            threads: false,
        };
        let terms = Terms {
            welfare: "utilitarian".parse().unwrap(),
            minimum: 3,
            posted: 3.try_into().unwrap(),
            rating: RatingMode::Private,
            opinions_for: TimeDelta::hours(1),
            ratings_for: TimeDelta::hours(1),
            revisions: 0,
            notify: None,
            retention_days: 30,
            training: false,
            admission: Admission::Everyone,
            experiment: true,
            review: false,
            language: "en".into(),
            real_ratings_only: false,
        };
        let question = "What about cars?".to_owned();
        let opened_at = now() - TimeDelta::hours(1);
        let mut round = Round::open(key, question, None, terms, place, Member(900), opened_at);
        for member in 1..=3 {
            round
                .submit_opinion(Member(member), "I think so, and that is all.", 0, opened_at)
                .unwrap();
        }
        round.close_opinions(now());
        let unsure = RatingDistribution::from_logits([0.0; 7]).unwrap();
        let candidates = Arm::ALL.iter().zip(TEXTS).map(|(arm, text)| Candidate {
            text: text.to_owned(),
            provenance: Provenance {
                generator: String::new(),
                reward_model: String::new(),
                prompt_sha256: String::new(),
                seed: 1,
                temperature: 1.0,
                top_p: 0.8,
                opinions_read: Vec::new(),
                critiques_read: Vec::new(),
                drafted_at: now(),
                arm: Some(*arm),
            },
            predictions: (1..=3).map(|member| (Member(member), unsure)).collect(),
            withdrawn_at: None,
            reports: Vec::new(),
            kept: false,
        });
        let candidates = candidates.collect();
        round.drafted(0, candidates, &mut StdRng::seed_from_u64(1), now());
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

    fn tally(wins: u32, losses: u32, ties: u32) -> Tally {
        Tally { wins, losses, ties }
    }

    #[test]
    fn arms_are_compared_by_the_mean_and_by_the_lowest_rating_of_those_who_rated_both() {
        let rounds = [
            // accord 5, 2; sft 4, 4; zero-shot 4, 4.
            concluded([[7, 4, 4], [6, 4, 4], [2, 4, 4]]),
            // Only two rated accord and sft: 4, 3 against 5, 5. Nobody rated the third.
            concluded([[5, 5, 0], [3, 5, 0], [7, 0, 0]]),
            // All the same.
            concluded([[4, 4, 4]; 3]),
        ];
        let found = compare(&rounds).unwrap();
        assert_eq!((found.others, found.base_is_active), (0, false));
        let found = found.arms;
        let figures: Vec<_> = found
            .iter()
            .map(|pair| (pair.ours, pair.theirs, pair.mean.tally, pair.minimum.tally))
            .collect();
        let expected = [
            (Arm::Accord, Arm::Sft, tally(1, 1, 1), tally(0, 2, 1)),
            (Arm::Accord, Arm::ZeroShot, tally(1, 0, 1), tally(0, 1, 1)),
            (Arm::Sft, Arm::ZeroShot, tally(0, 0, 2), tally(0, 0, 2)),
        ];
        assert_eq!(figures, expected);
        let share = found[0].mean.share.unwrap();
        assert_eq!((share.value, found[2].mean.share), (0.5, None));
    }

    #[test]
    fn a_round_that_is_not_over_or_no_experiment_tells_nothing() {
        let ratings = [[7, 4, 4], [6, 4, 4], [2, 4, 4]];
        let mut other = concluded(ratings);
        for candidate in &mut other.candidates {
            candidate.provenance.arm = None;
        }
        assert_eq!(compare(&[being_rated(ratings), other]), None);
    }

    #[test]
    fn rounds_with_other_models_than_the_newest_are_not_counted_with_it() {
        let round = |number, generator: &str, ratings| {
            let mut round = concluded(ratings);
            round.key.number = number;
            round.models = Some(models(generator));
            round
        };
        let (won, lost) = ([[7, 4, 4]; 3], [[1, 4, 4]; 3]);
        let mut rounds = vec![
            round(3, "base", won),
            round(1, "shipped", lost),
            round(2, "base", won),
            // Nobody rated it.
            round(4, "shipped", [[0; 3]; 3]),
        ];
        let found = compare(&rounds).unwrap();
        assert_eq!((found.others, found.base_is_active), (1, true));
        assert_eq!(found.models, models("base"));
        assert_eq!(found.arms[0].mean.tally, tally(2, 0, 0));
        rounds.push(round(5, "shipped", lost));
        let found = compare(&rounds).unwrap();
        assert_eq!((found.others, found.base_is_active), (2, false));
        assert_eq!(found.arms[0].mean.tally, tally(0, 2, 0));
    }
}
