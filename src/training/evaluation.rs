//! How well predicted ratings match the real ones.
//!
//! Nothing here predicts: what a reward model said comes in, figures with 95 % intervals come
//! out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::deliberation::distribution::RatingDistribution;
use crate::deliberation::record::{Deliberation, Vote, VotedMember};

pub mod bootstrap;
pub mod certainty;
mod tf_idf;

use bootstrap::{Estimate, estimate};
use certainty::CertaintyEvaluation;
use tf_idf::TfIdf;

/// A deliberation, and what was predicted for its ratings.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    pub deliberation: &'a Deliberation,
    /// `predicted[opinion][statement]`; a rating without a prediction does not count, nor does a
    /// prediction without a rating.
    pub predicted: &'a [Vec<Option<RatingDistribution>>],
}

/// A member with votes, and what was predicted for them.
#[derive(Clone, Copy, Debug)]
pub struct ScoredVotes<'a> {
    pub member: &'a VotedMember,
    /// One a vote, in the order of the votes; a vote without a prediction does not count.
    pub predicted: &'a [Option<RatingDistribution>],
}

/// How well predicted ratings match real ones. Every interval is by bootstrap over deliberations.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Evaluation {
    /// With at least one rating that was predicted.
    pub deliberations: usize,
    pub ratings: usize,
    /// One member, two statements: which one does the member agree with more?
    pub within: ByDifference,
    /// Of these, the pairs of statements that differ by at most a tenth of the longer one's
    /// characters.
    pub within_similar_length: ByDifference,
    /// One statement, two members: which of the two agrees with it more?
    pub between: ByDifference,
    /// Between the predicted and the real rating, in rating points.
    pub mean_absolute_error: Estimate,
    /// The mean over all ratings of how far the mean predicted rating of their bin is from the
    /// mean real one, in rating points (after Guo et al. 2017, arXiv:1706.04599, equation 3). A
    /// resampled file is noisier than the file, so the interval lies somewhat too high.
    pub expected_calibration_error: Estimate,
    /// By the predicted rating; those without a rating are left out.
    pub bins: Vec<CalibrationBin>,
    /// Of the probability that a choice is the best one, by welfare function; cards of older
    /// versions lack it.
    #[serde(default)]
    pub certainty: BTreeMap<String, CertaintyEvaluation>,
}

/// How often an order of two ratings is predicted, by how far apart the real ratings are. `None`
/// where there is no such pair.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ByDifference {
    pub at_least_1: Option<PairwiseAccuracy>,
    pub at_least_2: Option<PairwiseAccuracy>,
}

/// The share of pairs whose order is predicted, where a tie counts one half.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PairwiseAccuracy {
    pub pairs: usize,
    pub reward_model: Estimate,
    /// The longer statement, in characters, is the one agreed with. `None` where both have the
    /// same statement.
    pub longer: Option<Estimate>,
    /// The statement closer to the member's own opinion by tf-idf is the one agreed with, or the
    /// member whose opinion is closer.
    pub tf_idf: Estimate,
}

/// The ratings whose prediction lies from `from` up to, but not including, `to` (the last bin
/// includes 7).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CalibrationBin {
    pub from: f64,
    pub to: f64,
    pub ratings: usize,
    pub mean_predicted: f64,
    pub mean_real: f64,
}

/// How well predicted ratings tell the statements that a member agrees with from those that the
/// member disagrees with. Every interval is by bootstrap over members.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct VoteEvaluation {
    /// With at least one agreement or disagreement that was predicted.
    pub members: usize,
    /// Agreements and disagreements; a member who passes says nothing about the order.
    pub votes: usize,
    /// One member, a statement agreed with and one disagreed with.
    pub within: PairwiseAccuracy,
    /// Of these, the pairs of statements that differ by at most a tenth of the longer one's
    /// characters; `None` where there is no such pair.
    pub within_similar_length: Option<PairwiseAccuracy>,
}

/// Why nothing can be said about a reward model.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EvaluationError {
    #[error(
        "there is no predicted rating to evaluate, expected statements with agreement ratings from 1 to 7"
    )]
    NoRatings,
    #[error(
        "no two ratings of one member or of one statement differ, so there is no pair to compare; add ratings"
    )]
    NoPairs,
    #[error(
        "no member agrees with one statement and disagrees with another, so there is no pair to compare; add votes"
    )]
    NoVotePairs,
}

/// Measures predictions against real ratings, and two baselines on the same pairs. The baselines
/// always read the member's own opinion; document frequencies are those of the opinions and
/// statements in `scored`.
///
/// # Errors
/// When there is no rating with a prediction, and when no pair of ratings differs.
pub fn evaluate(scored: &[Scored<'_>]) -> Result<Evaluation, EvaluationError> {
    let tf_idf = TfIdf::of(scored.iter().flat_map(|scored| {
        let opinions = scored.deliberation.opinions.iter();
        let statements = scored.deliberation.statements.iter();
        opinions.chain(statements.map(|statement| &statement.text))
    }));
    let groups: Vec<Vec<Rated>> = scored
        .iter()
        .map(|scored| ratings_of(scored, &tf_idf))
        .filter(|ratings| !ratings.is_empty())
        .collect();
    let within = by_difference(&groups, same_member);
    let mut between = by_difference(&groups, |a, b| a.statement == b.statement);
    for accuracy in [&mut between.at_least_1, &mut between.at_least_2]
        .into_iter()
        .flatten()
    {
        accuracy.longer = None;
    }
    let errors: Vec<[f64; 2]> = groups.iter().map(|group| absolute_errors(group)).collect();
    let calibration: Vec<[f64; 3 * BINS]> =
        groups.iter().map(|group| calibration_sums(group)).collect();
    let (Some(mean_absolute_error), Some(expected_calibration_error)) = (
        estimate(&errors, ratio),
        estimate(&calibration, calibration_error),
    ) else {
        return Err(EvaluationError::NoRatings);
    };
    if within.at_least_1.is_none() && between.at_least_1.is_none() {
        return Err(EvaluationError::NoPairs);
    }
    Ok(Evaluation {
        deliberations: groups.len(),
        ratings: groups.iter().map(Vec::len).sum(),
        within,
        within_similar_length: by_difference(&groups, |a, b| {
            same_member(a, b) && similar_length(a, b)
        }),
        between,
        mean_absolute_error,
        expected_calibration_error,
        bins: bins(&calibration),
        certainty: certainty::evaluate(scored),
    })
}

/// Measures predictions against votes, and the baselines of [`evaluate`] on the same pairs;
/// document frequencies are those of the distinct texts in `scored`.
///
/// # Errors
/// When no member has an agreement and a disagreement that were predicted.
pub fn evaluate_votes(scored: &[ScoredVotes<'_>]) -> Result<VoteEvaluation, EvaluationError> {
    let tf_idf = TfIdf::of(scored.iter().flat_map(|ScoredVotes { member, .. }| {
        let statements = member.votes.iter().map(|cast| &cast.statement);
        statements.chain([&member.opinion])
    }));
    let groups: Vec<Vec<Rated>> = scored
        .iter()
        .map(|scored| votes_of(scored, &tf_idf))
        .filter(|votes| !votes.is_empty())
        .collect();
    Ok(VoteEvaluation {
        members: groups.len(),
        votes: groups.iter().map(Vec::len).sum(),
        within: accuracy(&groups, differ_by(2.0)).ok_or(EvaluationError::NoVotePairs)?,
        within_similar_length: accuracy(&groups, |a, b| {
            differ_by(2.0)(a, b) && similar_length(a, b)
        }),
    })
}

/// One rating, and what is predicted for it.
struct Rated {
    member: usize,
    statement: usize,
    /// 1 to 7; for a vote 1 or -1.
    rating: f64,
    /// By the reward model, from 1 to 7.
    predicted: f64,
    /// Of the statement, in characters.
    length: usize,
    /// Of the statement and the member's opinion.
    similarity: f64,
}

fn ratings_of(scored: &Scored<'_>, tf_idf: &TfIdf) -> Vec<Rated> {
    let Deliberation {
        opinions,
        statements,
        ..
    } = scored.deliberation;
    let vectors: Vec<_> = statements
        .iter()
        .map(|statement| tf_idf.vector(&statement.text))
        .collect();
    let mut rated = Vec::new();
    for (member, (opinion, predicted)) in opinions.iter().zip(scored.predicted).enumerate() {
        let opinion = tf_idf.vector(opinion);
        for (statement, (content, predicted)) in statements.iter().zip(predicted).enumerate() {
            if let (Some(rating), Some(predicted)) = (content.agreement[member], predicted) {
                rated.push(Rated {
                    member,
                    statement,
                    rating: f64::from(rating),
                    predicted: predicted.mean(),
                    length: content.text.chars().count(),
                    similarity: opinion.cosine(&vectors[statement]),
                });
            }
        }
    }
    rated
}

fn votes_of(scored: &ScoredVotes<'_>, tf_idf: &TfIdf) -> Vec<Rated> {
    let opinion = tf_idf.vector(&scored.member.opinion);
    let votes = scored.member.votes.iter().zip(scored.predicted);
    votes
        .enumerate()
        .filter_map(|(statement, (cast, predicted))| {
            Some(Rated {
                member: 0,
                statement,
                rating: match cast.vote {
                    Vote::Agree => 1.0,
                    Vote::Pass => return None,
                    Vote::Disagree => -1.0,
                },
                predicted: (*predicted)?.mean(),
                length: cast.statement.chars().count(),
                similarity: opinion.cosine(&tf_idf.vector(&cast.statement)),
            })
        })
        .collect()
}

fn same_member(a: &Rated, b: &Rated) -> bool {
    a.member == b.member
}

fn similar_length(a: &Rated, b: &Rated) -> bool {
    10 * a.length.abs_diff(b.length) <= a.length.max(b.length)
}

fn differ_by(least: f64) -> impl Fn(&Rated, &Rated) -> bool {
    move |a, b| (a.rating - b.rating).abs() >= least
}

fn by_difference(groups: &[Vec<Rated>], is_pair: impl Fn(&Rated, &Rated) -> bool) -> ByDifference {
    let at_least = |least| accuracy(groups, |a, b| is_pair(a, b) && differ_by(least)(a, b));
    ByDifference {
        at_least_1: at_least(1.0),
        at_least_2: at_least(2.0),
    }
}

/// Over all pairs within a group; `None` if there is none.
fn accuracy(
    groups: &[Vec<Rated>],
    is_pair: impl Fn(&Rated, &Rated) -> bool,
) -> Option<PairwiseAccuracy> {
    // A group's pairs, and how many of them each of the three gets right.
    let tallies: Vec<[f64; 4]> = groups
        .iter()
        .map(|group| {
            let mut tally = [0.0; 4];
            for (n, a) in group.iter().enumerate() {
                for b in group[..n].iter().filter(|b| is_pair(a, b)) {
                    let (more, less) = if a.rating > b.rating { (a, b) } else { (b, a) };
                    tally[0] += 1.0;
                    tally[1] += won(more.predicted, less.predicted);
                    tally[2] += won(more.length as f64, less.length as f64);
                    tally[3] += won(more.similarity, less.similarity);
                }
            }
            tally
        })
        .collect();
    let of = |index: usize| {
        let sums: Vec<[f64; 2]> = tallies
            .iter()
            .map(|tally| [tally[index], tally[0]])
            .collect();
        estimate(&sums, ratio)
    };
    Some(PairwiseAccuracy {
        pairs: tallies.iter().map(|tally| tally[0]).sum::<f64>() as usize,
        reward_model: of(1)?,
        longer: Some(of(2)?),
        tf_idf: of(3)?,
    })
}

fn won(more: f64, less: f64) -> f64 {
    if more > less {
        1.0
    } else if more < less {
        0.0
    } else {
        0.5
    }
}

fn ratio([sum, count]: [f64; 2]) -> Option<f64> {
    (count > 0.0).then(|| sum / count)
}

/// Their sum and their number.
fn absolute_errors(group: &[Rated]) -> [f64; 2] {
    let errors = group
        .iter()
        .map(|rated| (rated.predicted - rated.rating).abs());
    [errors.sum(), group.len() as f64]
}

/// Of width 1, from 1 to 7.
const BINS: usize = 6;

/// For each bin in turn: the ratings, the sum of the predicted ones, and of the real ones.
fn calibration_sums(group: &[Rated]) -> [f64; 3 * BINS] {
    let mut sums = [0.0; 3 * BINS];
    for rated in group {
        let bin = (rated.predicted as usize).clamp(1, BINS) - 1;
        sums[3 * bin] += 1.0;
        sums[3 * bin + 1] += rated.predicted;
        sums[3 * bin + 2] += rated.rating;
    }
    sums
}

fn calibration_error(sums: [f64; 3 * BINS]) -> Option<f64> {
    let (bins, _) = sums.as_chunks::<3>();
    let gaps: f64 = bins
        .iter()
        .map(|[_, predicted, real]| (predicted - real).abs())
        .sum();
    ratio([gaps, bins.iter().map(|bin| bin[0]).sum()])
}

fn bins(groups: &[[f64; 3 * BINS]]) -> Vec<CalibrationBin> {
    let sums = bootstrap::total(groups.iter());
    let (bins, _) = sums.as_chunks::<3>();
    (1..)
        .zip(bins)
        .filter(|(_, [ratings, ..])| *ratings > 0.0)
        .map(|(from, [ratings, predicted, real])| CalibrationBin {
            from: f64::from(from),
            to: f64::from(from + 1),
            ratings: *ratings as usize,
            mean_predicted: predicted / ratings,
            mean_real: real / ratings,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A prediction with this mean.
    fn mean(mean: f64) -> RatingDistribution {
        let (low, high) = (mean.floor(), mean.ceil());
        let upper = if high > low { mean - low } else { 0.0 };
        let probability = |rating: f64| {
            let share = if rating == low {
                1.0 - upper
            } else if rating == high {
                upper
            } else {
                0.0
            };
            share.max(1e-300).ln()
        };
        let logits = std::array::from_fn(|k| probability(k as f64 + 1.0));
        RatingDistribution::from_logits(logits).unwrap()
    }

    fn deliberation(opinions: &[&str], statements: &[(&str, Vec<Option<u8>>)]) -> Deliberation {
        let statements: Vec<_> = statements
            .iter()
            .map(|(text, agreement)| json!({ "text": text, "agreement": agreement }))
            .collect();
        let row =
            json!({ "question": "Tea or coffee?", "opinions": opinions, "statements": statements });
        serde_json::from_value(row).unwrap()
    }

    fn predictions(means: &[Vec<f64>]) -> Vec<Vec<Option<RatingDistribution>>> {
        let of_member = |means: &Vec<f64>| means.iter().map(|&m| Some(mean(m))).collect();
        means.iter().map(of_member).collect()
    }

    /// Of one deliberation.
    fn evaluated(
        deliberation: &Deliberation,
        means: &[Vec<f64>],
    ) -> Result<Evaluation, EvaluationError> {
        evaluate(&[Scored {
            deliberation,
            predicted: &predictions(means),
        }])
    }

    const OPINIONS: [&str; 3] = [
        "Tea, all day long.",
        "Coffee until noon.",
        "Water for me only.",
    ];

    /// Three members, two statements: ratings (1, 6), (5, 6), (4, none).
    fn tea() -> Deliberation {
        deliberation(
            &OPINIONS,
            &[
                (
                    "Coffee until noon for all.",
                    vec![Some(1), Some(5), Some(4)],
                ),
                ("Tea.", vec![Some(6), Some(6), None]),
            ],
        )
    }

    #[test]
    fn accuracy_is_the_share_of_pairs_in_the_right_order() {
        // Within: member 1 right (2 < 3), member 2 wrong (5 > 4). Between, on statement 1: 1 < 5
        // right, 1 < 4 a tie, 5 > 4 right. Statement 2: equal ratings, no pair.
        let found = evaluated(&tea(), &[vec![2.0, 3.0], vec![5.0, 4.0], vec![2.0, 7.0]]).unwrap();
        let within = found.within.at_least_1.unwrap();
        assert_eq!((within.pairs, within.reward_model.value), (2, 0.5));
        let within = found.within.at_least_2.unwrap();
        assert_eq!((within.pairs, within.reward_model.value), (1, 1.0));
        let between = found.between.at_least_1.unwrap();
        assert_eq!((between.pairs, between.reward_model.value), (3, 2.5 / 3.0));
        let between = found.between.at_least_2.unwrap();
        assert_eq!((between.pairs, between.reward_model.value), (2, 0.75));
        assert_eq!((found.deliberations, found.ratings), (1, 5));
    }

    #[test]
    fn the_baselines_see_the_same_pairs() {
        let found = evaluated(&tea(), &[vec![2.0, 3.0], vec![5.0, 4.0], vec![2.0, 7.0]]).unwrap();
        let within = found.within.at_least_1.unwrap();
        // The longer statement is the one that both agree with less. The words of the first
        // member are in the second statement, those of the second member in the first.
        assert_eq!(within.longer.unwrap().value, 0.0);
        assert_eq!(within.tf_idf.value, 0.5);
        // The second member's words are in statement 1, those of the others are not: 1 < 5 and
        // 5 > 4 are right, 1 < 4 is a tie but for `all`, which the first member says too.
        let between = found.between.at_least_1.unwrap();
        assert_eq!(between.longer, None);
        assert_eq!(between.tf_idf.value, 2.0 / 3.0);
    }

    #[test]
    fn error_and_calibration_are_in_rating_points() {
        // Predicted against real: 2 and 1, 3 and 6, 2.5 and 5, 4 and 6, 2 and 4.
        let found = evaluated(&tea(), &[vec![2.0, 3.0], vec![2.5, 4.0], vec![2.0, 7.0]]).unwrap();
        let close = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        };
        close(
            found.mean_absolute_error.value,
            (1.0 + 3.0 + 2.5 + 2.0 + 2.0) / 5.0,
        );
        // From 2: predicted 6.5, real 10. From 3: 3, 6. From 4: 4, 6.
        close(
            found.expected_calibration_error.value,
            (3.5 + 3.0 + 2.0) / 5.0,
        );
        let counts: Vec<_> = found
            .bins
            .iter()
            .map(|bin| (bin.from, bin.to, bin.ratings))
            .collect();
        assert_eq!(counts, [(2.0, 3.0, 3), (3.0, 4.0, 1), (4.0, 5.0, 1)]);
        close(found.bins[0].mean_predicted, 6.5 / 3.0);
        close(found.bins[0].mean_real, 10.0 / 3.0);
    }

    #[test]
    fn statements_of_similar_length_are_counted_apart() {
        let rated = deliberation(
            &OPINIONS,
            &[
                ("123456789.", vec![Some(1), None, None]),
                ("123456789.1", vec![Some(2), None, None]),
                ("123456789.12", vec![Some(4), None, None]),
            ],
        );
        let found = evaluated(&rated, &[vec![1.0, 2.0, 3.0], vec![1.0; 3], vec![1.0; 3]]).unwrap();
        assert_eq!(found.within.at_least_1.unwrap().pairs, 3);
        // 10 and 12 characters differ by more than a tenth of 12.
        assert_eq!(found.within_similar_length.at_least_1.unwrap().pairs, 2);
        assert_eq!(found.within_similar_length.at_least_2.unwrap().pairs, 1);
        assert_eq!(found.between.at_least_1, None);
    }

    #[test]
    fn nothing_to_compare_is_an_error() {
        let means = vec![vec![4.0]; 3];
        for (ratings, expected) in [
            ([None; 3], EvaluationError::NoRatings),
            ([Some(4); 3], EvaluationError::NoPairs),
        ] {
            let rated = deliberation(&OPINIONS, &[("Tea.", ratings.to_vec())]);
            assert_eq!(evaluated(&rated, &means), Err(expected));
        }
        assert_eq!(evaluate(&[]), Err(EvaluationError::NoRatings));
    }

    #[test]
    fn a_rating_without_a_prediction_does_not_count() {
        let deliberation = tea();
        let mut predicted = predictions(&[vec![2.0, 3.0], vec![5.0, 4.0], vec![2.0, 7.0]]);
        predicted[1][1] = None;
        let scored = Scored {
            deliberation: &deliberation,
            predicted: &predicted,
        };
        let found = evaluate(&[scored]).unwrap();
        assert_eq!(found.ratings, 4);
        assert_eq!(found.within.at_least_1.unwrap().pairs, 1);
    }

    #[test]
    fn an_evaluation_is_read_as_it_was_written() {
        let found = evaluated(&tea(), &[vec![2.0, 3.0], vec![5.0, 4.0], vec![2.0, 7.0]]).unwrap();
        let text = serde_json::to_string(&found).unwrap();
        assert!(
            text.contains(r#""at_least_2":{"pairs":1,"reward_model":{"value":1.0"#),
            "{text}"
        );
        let read: Evaluation = serde_json::from_str(&text).unwrap();
        assert_eq!((read.ratings, read.within), (found.ratings, found.within));
    }

    #[test]
    fn agreement_is_compared_with_disagreement_and_passing_with_nothing() {
        let member: VotedMember = serde_json::from_value(json!({
            "conversation": "tea", "question": "Tea?", "opinion": "Tea, all day long.",
            "votes": [
                {"statement": "All day tea.", "vote": 1},
                {"statement": "Coffee.", "vote": -1},
                {"statement": "Both, and more.", "vote": 0},
                {"statement": "Never any tea at all.", "vote": -1},
            ],
        }))
        .unwrap();
        let found = evaluate_votes(&[ScoredVotes {
            member: &member,
            predicted: &[5.0, 5.0, 1.0, 2.0].map(|m| Some(mean(m))),
        }])
        .unwrap();
        assert_eq!((found.members, found.votes, found.within.pairs), (1, 3, 2));
        assert_eq!(found.within.reward_model.value, 0.75);
        assert_eq!(found.within.longer.unwrap().value, 0.5);
        assert_eq!(found.within.tf_idf.value, 1.0);
        assert_eq!(found.within_similar_length, None);

        let only_agrees = VotedMember {
            votes: member.votes[..1].to_vec(),
            ..member
        };
        let scored = ScoredVotes {
            member: &only_agrees,
            predicted: &[Some(mean(5.0))],
        };
        assert_eq!(evaluate_votes(&[scored]), Err(EvaluationError::NoVotePairs));
    }

    fn groups() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
        // Deliberations of three members who rate two to four statements.
        let ratings = (2usize..=4).prop_flat_map(|statements| {
            prop::collection::vec(prop::collection::vec(1u8..=7, statements), 3)
        });
        prop::collection::vec(ratings, 1..6)
    }

    fn evaluated_groups(
        groups: &[Vec<Vec<u8>>],
        predict: impl Fn(u8) -> f64,
    ) -> Result<Evaluation, EvaluationError> {
        let deliberations: Vec<Deliberation> = groups
            .iter()
            .map(|ratings| {
                let statements: Vec<_> = (0..ratings[0].len())
                    .map(|s| {
                        (
                            "Tea.",
                            ratings.iter().map(|member| Some(member[s])).collect(),
                        )
                    })
                    .collect();
                deliberation(&OPINIONS, &statements)
            })
            .collect();
        let predicted: Vec<_> = groups
            .iter()
            .map(|ratings| {
                let of_member = |member: &Vec<u8>| member.iter().map(|&r| predict(r)).collect();
                predictions(&ratings.iter().map(of_member).collect::<Vec<_>>())
            })
            .collect();
        let scored: Vec<_> = deliberations
            .iter()
            .zip(&predicted)
            .map(|(deliberation, predicted)| Scored {
                deliberation,
                predicted,
            })
            .collect();
        evaluate(&scored)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn right_predictions_are_always_right_reversed_ones_never_and_constant_ones_half_the_time(
            groups in groups(),
        ) {
            for (predict, expected) in [
                ((|rating| f64::from(rating)) as fn(u8) -> f64, 1.0),
                (|rating| 8.0 - f64::from(rating), 0.0),
                (|_| 3.3, 0.5),
            ] {
                let Ok(found) = evaluated_groups(&groups, predict) else {
                    prop_assume!(false);
                    unreachable!();
                };
                for accuracies in [found.within, found.between] {
                    for accuracy in [accuracies.at_least_1, accuracies.at_least_2].into_iter().flatten() {
                        prop_assert_eq!(accuracy.reward_model.value, expected);
                        prop_assert!(accuracy.reward_model.interval.is_none_or(|ends| ends == [expected; 2]));
                    }
                }
            }
        }

        #[test]
        fn right_predictions_have_no_error(groups in groups()) {
            if let Ok(found) = evaluated_groups(&groups, f64::from) {
                prop_assert!(found.mean_absolute_error.value < 1e-9);
                prop_assert!(found.expected_calibration_error.value < 1e-9);
            }
        }
    }
}
