//! Corrects predicted ratings, so that what is expected is what people rate on average.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::deliberation::distribution::RatingDistribution;

/// A map from predicted distributions to calibrated ones: vector scaling (Guo et al. 2017,
/// arXiv:1706.04599, section 4.2) of the seven log-probabilities z, softmax(z / temperature +
/// biases). By default it changes nothing.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "UncheckedCalibration")]
pub struct Calibration {
    /// Within [`SHARPEST`] and [`FLATTEST`].
    temperature: f64,
    /// Finite; of the ratings 1 to 7.
    biases: [f64; 7],
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            biases: [0.0; 7],
        }
    }
}

impl Calibration {
    /// The map under which real ratings are most likely, given what was predicted for them.
    ///
    /// 1 / temperature and the biases have standard normal priors around 1 and 0. So a few
    /// ratings change little, and ratings that are all equal give a finite map; from some hundred
    /// ratings on the priors hardly count. The same ratings give the same map.
    ///
    /// # Panics
    /// When a rating is not 1 to 7.
    pub fn fit(rated: &[(RatingDistribution, u8)]) -> Self {
        let rated: Vec<Rated> = rated
            .iter()
            .map(|(predicted, rating)| Rated {
                log_probabilities: log_probabilities(predicted),
                rating: usize::from(*rating) - 1,
            })
            .collect();
        let mut scale = most_likely(&rated, Scale::IDENTITY, true);
        let sharpness = scale.sharpness.clamp(1.0 / FLATTEST, 1.0 / SHARPEST);
        if sharpness != scale.sharpness {
            // The likelihood is concave, so its best point within the bounds lies on this one.
            scale = most_likely(&rated, Scale { sharpness, ..scale }, false);
        }
        Self {
            temperature: (1.0 / scale.sharpness).clamp(SHARPEST, FLATTEST),
            biases: scale.biases,
        }
    }

    /// What the prediction becomes under this map.
    pub fn apply(&self, predicted: &RatingDistribution) -> RatingDistribution {
        let scale = Scale {
            sharpness: 1.0 / self.temperature,
            biases: self.biases,
        };
        RatingDistribution::from_logits(scale.logits(&log_probabilities(predicted)))
            .expect("the temperature has bounds and the biases are finite")
    }
}

/// Bounds of the temperature: beyond them a distribution is certain, or even.
const SHARPEST: f64 = 0.01;
const FLATTEST: f64 = 100.0;

#[derive(Deserialize)]
struct UncheckedCalibration {
    temperature: f64,
    biases: [f64; 7],
}

/// Why a calibration cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum CalibrationError {
    #[error("the temperature of a calibration is {SHARPEST} to {FLATTEST}, this one is {0}")]
    Temperature(f64),
    #[error("the biases of a calibration are finite, one is {0}")]
    Bias(f64),
}

impl TryFrom<UncheckedCalibration> for Calibration {
    type Error = CalibrationError;

    fn try_from(unchecked: UncheckedCalibration) -> Result<Self, Self::Error> {
        let UncheckedCalibration {
            temperature,
            biases,
        } = unchecked;
        if !(SHARPEST..=FLATTEST).contains(&temperature) {
            return Err(CalibrationError::Temperature(temperature));
        }
        if let Some(&bias) = biases.iter().find(|bias| !bias.is_finite()) {
            return Err(CalibrationError::Bias(bias));
        }
        Ok(Self {
            temperature,
            biases,
        })
    }
}

/// Far below any probability that matters; a prediction of 0 has no logarithm.
fn log_probabilities(predicted: &RatingDistribution) -> [f64; 7] {
    const LEAST: f64 = 1e-12;
    predicted
        .probabilities()
        .map(|probability| probability.max(LEAST).ln())
}

struct Rated {
    log_probabilities: [f64; 7],
    /// From 0.
    rating: usize,
}

/// The map as it is fitted: in 1 / temperature the likelihood is concave.
#[derive(Clone, Copy)]
struct Scale {
    sharpness: f64,
    biases: [f64; 7],
}

impl Scale {
    const IDENTITY: Self = Self {
        sharpness: 1.0,
        biases: [0.0; 7],
    };

    fn logits(&self, log_probabilities: &[f64; 7]) -> [f64; 7] {
        std::array::from_fn(|k| self.sharpness * log_probabilities[k] + self.biases[k])
    }

    fn moved(&self, step: &[f64; 8], length: f64) -> Self {
        Self {
            sharpness: self.sharpness + length * step[0],
            biases: std::array::from_fn(|k| self.biases[k] + length * step[k + 1]),
        }
    }

    /// How far from the identity, in the order of [`Derivatives`].
    fn deviation(&self) -> [f64; 8] {
        std::array::from_fn(|i| match i {
            0 => self.sharpness - 1.0,
            _ => self.biases[i - 1],
        })
    }

    /// The negative log-likelihood of the ratings, and that of the map under its priors.
    fn cost(&self, rated: &[Rated]) -> f64 {
        let likelihood: f64 = rated
            .iter()
            .map(|row| {
                let logits = self.logits(&row.log_probabilities);
                let largest = logits.into_iter().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
                largest + total.ln() - logits[row.rating]
            })
            .sum();
        let prior: f64 = self.deviation().iter().map(|x| x * x / 2.0).sum();
        likelihood + prior
    }
}

/// Newton's method with a step that is halved until the cost falls. The priors make the Hessian
/// positive definite.
fn most_likely(rated: &[Rated], start: Scale, sharpness_is_free: bool) -> Scale {
    let mut scale = start;
    let mut cost = scale.cost(rated);
    for _ in 0..100 {
        let mut derivatives = Derivatives::at(&scale, rated);
        if !sharpness_is_free {
            derivatives.hold_sharpness();
        }
        let step = derivatives.newton_step();
        let Some((better, lower)) = (0..40)
            .map(|halvings| {
                let moved = scale.moved(&step, 0.5f64.powi(halvings));
                (moved, moved.cost(rated))
            })
            .find(|&(_, moved)| moved < cost)
        else {
            break;
        };
        let gained = cost - lower;
        (scale, cost) = (better, lower);
        if gained <= 1e-12 * cost {
            break;
        }
    }
    scale
}

/// Of the cost, by the sharpness and then by the seven biases.
struct Derivatives {
    gradient: [f64; 8],
    hessian: [[f64; 8]; 8],
}

impl Derivatives {
    fn at(scale: &Scale, rated: &[Rated]) -> Self {
        let mut gradient = scale.deviation();
        let mut hessian: [[f64; 8]; 8] =
            std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
        for row in rated {
            let z = &row.log_probabilities;
            let probabilities = RatingDistribution::from_logits(scale.logits(z))
                .map_or([1.0 / 7.0; 7], |distribution| distribution.probabilities());
            // The derivatives of logit k are (z_k, 1 at k and 0 elsewhere).
            let mean: f64 = (0..7).map(|k| probabilities[k] * z[k]).sum();
            gradient[0] += mean - z[row.rating];
            gradient[row.rating + 1] -= 1.0;
            for k in 0..7 {
                let p = probabilities[k];
                gradient[k + 1] += p;
                hessian[0][0] += p * (z[k] - mean).powi(2);
                hessian[0][k + 1] += p * (z[k] - mean);
                hessian[k + 1][0] += p * (z[k] - mean);
                hessian[k + 1][k + 1] += p;
                for j in 0..7 {
                    hessian[k + 1][j + 1] -= p * probabilities[j];
                }
            }
        }
        Self { gradient, hessian }
    }

    fn hold_sharpness(&mut self) {
        self.gradient[0] = 0.0;
        for i in 1..8 {
            self.hessian[0][i] = 0.0;
            self.hessian[i][0] = 0.0;
        }
    }

    /// -H⁻¹g by Gaussian elimination; a positive definite matrix needs no pivoting.
    fn newton_step(self) -> [f64; 8] {
        let Self {
            gradient: mut right,
            hessian: mut left,
        } = self;
        for column in 0..8 {
            let pivot = left[column];
            for row in column + 1..8 {
                let factor = left[row][column] / pivot[column];
                for (value, above) in left[row].iter_mut().zip(pivot) {
                    *value -= factor * above;
                }
                right[row] -= factor * right[column];
            }
        }
        let mut step = [0.0; 8];
        for row in (0..8).rev() {
            let known: f64 = (row + 1..8).map(|i| left[row][i] * step[i]).sum();
            step[row] = (-right[row] - known) / left[row][row];
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn distribution(probabilities: [f64; 7]) -> RatingDistribution {
        RatingDistribution::from_logits(probabilities.map(f64::ln)).unwrap()
    }

    /// Each rating as often as `real` says, of `count`.
    fn rated(
        predicted: [f64; 7],
        real: [f64; 7],
        count: f64,
    ) -> impl Iterator<Item = (RatingDistribution, u8)> {
        (1..).zip(real).flat_map(move |(rating, share)| {
            let times = (share * count).round() as usize;
            std::iter::repeat_n((distribution(predicted), rating), times)
        })
    }

    fn negative_log_likelihood(rated: &[(RatingDistribution, u8)], map: &Calibration) -> f64 {
        let total: f64 = rated
            .iter()
            .map(|(predicted, rating)| {
                -map.apply(predicted).probabilities()[usize::from(*rating) - 1].ln()
            })
            .sum();
        total / rated.len() as f64
    }

    const LOW: [f64; 7] = [0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05];
    const HIGH: [f64; 7] = [0.05, 0.05, 0.1, 0.1, 0.1, 0.2, 0.4];

    fn largest_difference(a: &RatingDistribution, b: &RatingDistribution) -> f64 {
        a.probabilities()
            .iter()
            .zip(b.probabilities())
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn the_default_changes_nothing() {
        for predicted in [LOW, HIGH, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]] {
            let predicted = distribution(predicted.map(|p: f64| p.max(1e-30)));
            let applied = Calibration::default().apply(&predicted);
            assert!(largest_difference(&applied, &predicted) < 1e-11);
        }
    }

    #[test]
    fn calibrated_predictions_stay_as_they_are() {
        let rated: Vec<_> = rated(LOW, LOW, 200.0)
            .chain(rated(HIGH, HIGH, 200.0))
            .collect();
        let map = Calibration::fit(&rated);
        assert!((map.temperature - 1.0).abs() < 1e-6, "{map:?}");
        assert!(map.biases.iter().all(|bias| bias.abs() < 1e-6), "{map:?}");
    }

    #[test]
    fn overconfident_predictions_are_flattened_by_the_temperature_that_sharpened_them() {
        let sharpened = |real: [f64; 7]| distribution(real.map(|p| p.powi(3))).probabilities();
        let rated: Vec<_> = rated(sharpened(LOW), LOW, 20_000.0)
            .chain(rated(sharpened(HIGH), HIGH, 20_000.0))
            .collect();
        let map = Calibration::fit(&rated);
        assert!((map.temperature - 3.0).abs() < 0.05, "{map:?}");
        let before = negative_log_likelihood(&rated, &Calibration::default());
        let after = negative_log_likelihood(&rated, &map);
        let entropy: f64 = LOW.iter().map(|p| -p * p.ln()).sum();
        assert!(after < before - 0.1, "{before} {after}");
        assert!((after - entropy).abs() < 1e-3, "{after} {entropy}");
    }

    #[test]
    fn a_rating_that_is_predicted_too_often_gets_a_negative_bias() {
        let fours = [0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1];
        let even = [1.0 / 7.0; 7];
        let rated: Vec<_> = rated(fours, even, 7_000.0).collect();
        let map = Calibration::fit(&rated);
        let applied = map.apply(&distribution(fours));
        assert!(
            largest_difference(&applied, &distribution(even)) < 1e-3,
            "{map:?}"
        );
    }

    #[test]
    fn no_ratings_give_the_identity() {
        assert_eq!(Calibration::fit(&[]), Calibration::default());
    }

    #[test]
    fn ratings_that_are_all_equal_give_a_finite_map() {
        for rating in [1, 4, 7] {
            for count in [1, 10_000] {
                let rated = vec![(distribution(LOW), rating); count];
                let map = Calibration::fit(&rated);
                let applied = map.apply(&distribution(HIGH));
                assert!(applied.probabilities().iter().all(|p| p.is_finite()));
                assert!(
                    negative_log_likelihood(&rated, &map)
                        < negative_log_likelihood(&rated, &Calibration::default())
                );
            }
        }
    }

    #[test]
    fn predictions_that_say_the_opposite_are_flattened_and_not_turned_around() {
        let rated: Vec<_> = rated(LOW, HIGH, 2_000.0)
            .chain(rated(HIGH, LOW, 2_000.0))
            .collect();
        let map = Calibration::fit(&rated);
        assert_eq!(map.temperature, FLATTEST);
        assert!(map.apply(&distribution(LOW)).mean() < map.apply(&distribution(HIGH)).mean());
    }

    #[test]
    fn a_map_is_read_as_it_was_written() {
        let map = Calibration::fit(&rated(LOW, HIGH, 100.0).collect::<Vec<_>>());
        let text = serde_json::to_string(&map).unwrap();
        let read: Calibration = serde_json::from_str(&text).unwrap();
        assert!((read.temperature - map.temperature).abs() < 1e-12);
        let applied = read.apply(&distribution(LOW));
        assert!(largest_difference(&applied, &map.apply(&distribution(LOW))) < 1e-12);
    }

    #[test]
    fn a_map_with_a_temperature_of_zero_is_an_error() {
        let text = r#"{"temperature": 0.0, "biases": [0, 0, 0, 0, 0, 0, 0]}"#;
        let error = serde_json::from_str::<Calibration>(text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the temperature of a calibration is 0.01 to 100, this one is 0"
        );
    }

    proptest! {
        #[test]
        fn a_fit_is_finite_and_never_makes_the_ratings_less_likely(
            rows in prop::collection::vec((prop::array::uniform7(-40f64..40.0), 1u8..=7), 1..40),
        ) {
            let rated: Vec<_> = rows
                .into_iter()
                .map(|(logits, rating)| (RatingDistribution::from_logits(logits).unwrap(), rating))
                .collect();
            let map = Calibration::fit(&rated);
            prop_assert!((SHARPEST..=FLATTEST).contains(&map.temperature));
            prop_assert!(map.biases.iter().all(|bias| bias.is_finite()));
            prop_assert!(
                negative_log_likelihood(&rated, &map)
                    <= negative_log_likelihood(&rated, &Calibration::default()) + 1e-6
            );
        }
    }
}
