//! What a reward model is trained to lower, and its gradient.

use serde::{Deserialize, Serialize};

/// How the parts of the reward model's loss are weighed: the section `[training.loss]`.
///
/// The cross-entropy of the ratings has weight 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RewardLoss {
    /// Of pairs of statements that one participant rated.
    pub within: f64,
    /// Of pairs of participants that rated one statement.
    pub between: f64,
    /// Pairs of ratings that differ by less are near-ties, and are left out. From 1 to 6.
    pub least_difference: u8,
}

/// A participant's rating of a statement, and the logits that the model gives to the ratings 1 to 7.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatedLogits {
    /// Distinguishes the participants of one deliberation.
    pub participant: usize,
    /// Distinguishes the statements of one deliberation.
    pub statement: usize,
    /// From 1 to 7.
    pub rating: u8,
    /// The participant's, from 0 to 1: how much of it is learned.
    pub weight: f64,
    pub logits: [f32; 7],
}

/// The loss on one deliberation, and its gradient with respect to each row's logits.
///
/// It is the mean cross-entropy of the ratings, plus the weighted means over the pairs of
/// log(1 + exp(−(eᵢ − eⱼ))), where i is rated higher than j and e is the expected rating: the
/// pairwise logistic loss of Bakker et al. 2022 (arXiv:2211.15006, section 3.3) on ratings.
///
/// What is of one participant is multiplied with that participant's weight, and a pair of two
/// participants with both. The means are over all ratings and all pairs, so that a deliberation
/// whose participants weigh little moves the model little.
pub fn reward_loss(rows: &[RatedLogits], weights: RewardLoss) -> (f64, Vec<[f64; 7]>) {
    let probabilities: Vec<[f64; 7]> = rows.iter().map(|row| softmax(row.logits)).collect();
    let expected: Vec<f64> = probabilities.iter().map(expectation).collect();
    let mut loss = 0.0;
    let mut d_logits = vec![[0.0; 7]; rows.len()];
    for ((row, p), d) in rows.iter().zip(&probabilities).zip(&mut d_logits) {
        let share = row.weight / rows.len() as f64;
        let given = usize::from(row.rating) - 1;
        loss -= share * p[given].clamp(f64::MIN_POSITIVE, 1.0).ln();
        for (index, (d, p)) in d.iter_mut().zip(p).enumerate() {
            *d += share * (p - f64::from(u8::from(index == given)));
        }
    }

    let mut d_expected = vec![0.0; rows.len()];
    let mut add_pairs = |weight: f64, are_compared: fn(&RatedLogits, &RatedLogits) -> bool| {
        let pairs: Vec<(usize, usize)> = (0..rows.len())
            .flat_map(|higher| (0..rows.len()).map(move |lower| (higher, lower)))
            .filter(|&(higher, lower)| {
                let (a, b) = (&rows[higher], &rows[lower]);
                a.rating >= b.rating + weights.least_difference && are_compared(a, b)
            })
            .collect();
        for &(higher, lower) in &pairs {
            let (a, b) = (&rows[higher], &rows[lower]);
            let of_participants = match a.participant == b.participant {
                true => a.weight,
                false => a.weight * b.weight,
            };
            let share = weight * of_participants / pairs.len() as f64;
            let difference = expected[higher] - expected[lower];
            loss += share * (-difference).exp().ln_1p();
            let slope = share / (1.0 + difference.exp());
            d_expected[higher] -= slope;
            d_expected[lower] += slope;
        }
    };
    add_pairs(weights.within, |a, b| a.participant == b.participant);
    add_pairs(weights.between, |a, b| a.statement == b.statement);

    for (((d, p), d_expected), expected) in d_logits
        .iter_mut()
        .zip(&probabilities)
        .zip(d_expected)
        .zip(expected)
    {
        for ((rating, d), p) in (1..).zip(d).zip(p) {
            *d += d_expected * p * (f64::from(rating) - expected);
        }
    }
    (loss, d_logits)
}

fn softmax(logits: [f32; 7]) -> [f64; 7] {
    let largest = logits.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let weights = logits.map(|logit| f64::from(logit - largest).exp());
    let total: f64 = weights.iter().sum();
    weights.map(|weight| weight / total)
}

fn expectation(probabilities: &[f64; 7]) -> f64 {
    (1..)
        .zip(probabilities)
        .map(|(rating, p)| f64::from(rating) * p)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: RewardLoss = RewardLoss {
        within: 0.7,
        between: 0.4,
        least_difference: 2,
    };

    fn rows() -> Vec<RatedLogits> {
        let row = |participant, statement, rating, first: f32| RatedLogits {
            participant,
            statement,
            rating,
            weight: 1.0 - 0.3 * participant as f64,
            logits: std::array::from_fn(|index| (first + index as f32 * 1.3).sin()),
        };
        vec![
            row(0, 0, 2, 0.1),
            row(0, 1, 6, 0.9),
            row(0, 2, 3, 1.7),
            row(1, 0, 7, 2.2),
            row(1, 1, 1, 3.1),
        ]
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let (_, gradient) = reward_loss(&rows(), WEIGHTS);
        for (row, gradient) in gradient.iter().enumerate() {
            for (index, found) in gradient.iter().enumerate() {
                let moved = |step: f32| {
                    let mut rows = rows();
                    rows[row].logits[index] += step;
                    reward_loss(&rows, WEIGHTS).0
                };
                let slope = (moved(0.01) - moved(-0.01)) / 0.02;
                assert!(
                    (found - slope).abs() < 1e-4,
                    "{row} {index}: {found} {slope}"
                );
            }
        }
    }

    #[test]
    fn even_odds_cost_log_seven_and_each_kind_of_pair_log_two() {
        let rows: Vec<_> = rows()
            .into_iter()
            .map(|row| RatedLogits {
                weight: 1.0,
                logits: [0.5; 7],
                ..row
            })
            .collect();
        let (loss, _) = reward_loss(&rows, WEIGHTS);
        let expected = 7f64.ln() + (WEIGHTS.within + WEIGHTS.between) * 2f64.ln();
        assert!((loss - expected).abs() < 1e-9, "{loss} {expected}");
    }

    #[test]
    fn a_weight_multiplies_what_is_of_a_participant_and_pairs_of_two_with_both() {
        let weighing = |first: f64, second: f64| -> Vec<RatedLogits> {
            let weights = [first, second];
            let weigh = |row: RatedLogits| RatedLogits {
                weight: weights[row.participant],
                ..row
            };
            rows().into_iter().map(weigh).collect()
        };
        let value = |first, second, parts| reward_loss(&weighing(first, second), parts).0;
        let without = |within, between| RewardLoss {
            within,
            between,
            ..WEIGHTS
        };
        for parts in [without(0.0, 0.0), without(0.7, 0.0)] {
            let sum = 0.5 * value(1.0, 0.0, parts) + 0.2 * value(0.0, 1.0, parts);
            assert!((value(0.5, 0.2, parts) - sum).abs() < 1e-12);
        }
        let of_pairs = |first, second| {
            value(first, second, without(0.0, 0.4)) - value(first, second, without(0.0, 0.0))
        };
        assert!(of_pairs(1.0, 1.0) > 0.0);
        assert!((of_pairs(0.5, 0.2) - 0.1 * of_pairs(1.0, 1.0)).abs() < 1e-12);
        assert_eq!(of_pairs(1.0, 0.0), 0.0);
        let (loss, gradient) = reward_loss(&weighing(0.0, 0.0), WEIGHTS);
        assert_eq!(loss, 0.0);
        assert!(gradient.iter().flatten().all(|slope| *slope == 0.0));
    }

    #[test]
    fn near_ties_are_left_out() {
        let rows = [rows()[0], rows()[2]];
        let only_ratings = RewardLoss {
            within: 0.0,
            between: 0.0,
            ..WEIGHTS
        };
        assert_eq!(
            reward_loss(&rows, WEIGHTS),
            reward_loss(&rows, only_ratings)
        );
    }

    #[test]
    fn ratings_that_are_all_equal_give_a_finite_loss() {
        let rows: Vec<_> = rows()
            .into_iter()
            .map(|row| RatedLogits { rating: 4, ..row })
            .collect();
        let (loss, gradient) = reward_loss(&rows, WEIGHTS);
        assert!(loss.is_finite());
        assert!(gradient.iter().flatten().all(|slope| slope.is_finite()));
    }
}
