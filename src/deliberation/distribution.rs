//! Predicted ratings.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::rating::Likert;

/// How likely each rating is: seven probabilities that sum to 1, of the ratings 1 to 7.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Serialize)]
pub struct RatingDistribution([f64; 7]);

impl RatingDistribution {
    /// The softmax of the logits of the ratings 1 to 7; `None` if one is not finite.
    pub fn from_logits(logits: [impl Into<f64>; 7]) -> Option<Self> {
        let logits = logits.map(Into::into);
        if !logits.iter().all(|logit| logit.is_finite()) {
            return None;
        }
        let largest = logits.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let weights = logits.map(|logit| (logit - largest).exp());
        let total: f64 = weights.iter().sum();
        Some(Self(weights.map(|weight| exact_in_json(weight / total))))
    }

    /// Each rating as likely as it is among these; `None` of none.
    pub fn of(ratings: impl IntoIterator<Item = Likert>) -> Option<Self> {
        let mut times = [0.0; 7];
        for rating in ratings {
            times[usize::from(u8::from(rating)) - 1] += 1.0;
        }
        let total: f64 = times.iter().sum();
        (total > 0.0).then(|| Self(times.map(|times: f64| exact_in_json(times / total))))
    }

    /// The expected rating, from 1 to 7: the predicted rating.
    pub fn mean(&self) -> f64 {
        (1..)
            .zip(self.0)
            .map(|(rating, probability)| f64::from(rating) * probability)
            .sum()
    }

    /// A rating, as likely as it is here.
    pub fn draw(&self, rng: &mut impl Rng) -> Likert {
        let mut left: f64 = rng.random();
        for (rating, probability) in Likert::ALL.into_iter().zip(self.0) {
            left -= probability;
            if left < 0.0 {
                return rating;
            }
        }
        // The sum may be less than 1 by rounding.
        Likert::ALL[6]
    }

    /// Of the ratings 1 to 7, in this order.
    pub fn probabilities(&self) -> [f64; 7] {
        self.0
    }
}

/// A number up to 7 without what 15 decimals cannot say: serde_json reads just that back exactly.
pub(super) fn exact_in_json(number: f64) -> f64 {
    (number * 1e15).round() / 1e15
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn the_mean_is_the_expected_rating() {
        let certain = RatingDistribution::from_logits([-1e4, -1e4, -1e4, -1e4, 3.0, -1e4, -1e4]);
        assert_eq!(certain.unwrap().mean(), 5.0);
        let even = RatingDistribution::from_logits([2.0; 7]).unwrap();
        assert!((even.mean() - 4.0).abs() < 1e-12);
        let two_to_one = RatingDistribution::from_logits([
            2f32.ln(),
            f32::MIN,
            f32::MIN,
            f32::MIN,
            f32::MIN,
            f32::MIN,
            0.0,
        ]);
        assert!((two_to_one.unwrap().mean() - 3.0).abs() < 1e-6);
    }

    #[test]
    fn a_distribution_is_read_from_json_as_it_was_written() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..1000 {
            let logits = [(); 7].map(|()| rng.random_range(-30.0..30.0_f32));
            let distribution = RatingDistribution::from_logits(logits).unwrap();
            let json = serde_json::to_string(&distribution).unwrap();
            let read: RatingDistribution = serde_json::from_str(&json).unwrap();
            assert_eq!(read, distribution, "{json}");
        }
    }

    #[test]
    fn logits_that_are_not_finite_give_no_distribution() {
        let mut logits = [0.0; 7];
        logits[3] = f32::NAN;
        assert_eq!(RatingDistribution::from_logits(logits), None);
        logits[3] = f32::INFINITY;
        assert_eq!(RatingDistribution::from_logits(logits), None);
    }
}
