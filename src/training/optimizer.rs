//! AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) on the factors of an adapter.

use std::collections::btree_map::{BTreeMap, Entry};

use anyhow::{Context, Result};
use candle_core::{DType, Tensor};

use crate::transformer::adapter::LowRank;

/// Factors, or something of the same shapes for each of them, by the name of their matrix.
pub type Updates = BTreeMap<String, LowRank>;

/// The running means of the gradients and of their squares.
#[derive(Debug, Clone)]
pub struct Moments {
    pub first: Updates,
    pub second: Updates,
}

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// One step; `step` counts from 1.
///
/// # Errors
/// If the gradient of a factor is missing or has another shape.
pub fn adamw(
    weights: &mut Updates,
    moments: &mut Moments,
    gradients: &Updates,
    step: usize,
    learning_rate: f64,
    weight_decay: f64,
) -> Result<()> {
    let power = i32::try_from(step).unwrap_or(i32::MAX);
    let correction_1 = 1.0 - BETA_1.powi(power);
    let correction_2 = 1.0 - BETA_2.powi(power);
    let update =
        |weight: &mut Tensor, first: &mut Tensor, second: &mut Tensor, gradient: &Tensor| {
            *first = ((&*first * BETA_1)? + (gradient * (1.0 - BETA_1))?)?;
            *second = ((&*second * BETA_2)? + (gradient.sqr()? * (1.0 - BETA_2))?)?;
            let root = ((&*second / correction_2)?.sqrt()? + EPSILON)?;
            let change = ((&*first / correction_1)? / root)?;
            let decayed = (&*weight * (1.0 - learning_rate * weight_decay))?;
            *weight = (decayed - (change * learning_rate)?)?;
            candle_core::Result::Ok(())
        };
    for (name, weight) in weights {
        let missing = || format!("there is no gradient of {name}");
        let gradient = gradients.get(name).with_context(missing)?;
        let first = moments.first.get_mut(name).with_context(missing)?;
        let second = moments.second.get_mut(name).with_context(missing)?;
        update(&mut weight.a, &mut first.a, &mut second.a, &gradient.a)?;
        update(&mut weight.b, &mut first.b, &mut second.b, &gradient.b)?;
    }
    Ok(())
}

impl Moments {
    /// As they begin: zero.
    ///
    /// # Errors
    /// If memory runs out on a GPU.
    pub fn zero(weights: &Updates) -> Result<Self> {
        let zero = map(weights, |tensor| Ok(tensor.zeros_like()?))?;
        Ok(Self {
            first: zero.clone(),
            second: zero,
        })
    }
}

/// Each tensor turned into another one.
pub fn map(updates: &Updates, mut f: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Updates> {
    updates
        .iter()
        .map(|(name, LowRank { a, b })| {
            let (a, b) = (f(a)?, f(b)?);
            Ok((name.clone(), LowRank { a, b }))
        })
        .collect()
}

/// Adds `more` to `sum`.
///
/// # Errors
/// If the factors of a matrix have other shapes.
pub fn add(sum: &mut Updates, more: Updates) -> Result<()> {
    for (name, more) in more {
        match sum.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(more);
            }
            Entry::Occupied(mut entry) => {
                let LowRank { a, b } = entry.get_mut();
                *a = (&*a + more.a)?;
                *b = (&*b + more.b)?;
            }
        }
    }
    Ok(())
}

/// Scales the gradients so that their norm over all factors is at most `most`, and returns the
/// norm they had.
///
/// # Errors
/// candle's.
pub fn clip(gradients: &mut Updates, most: f64) -> Result<f64> {
    let mut squares = 0.0;
    for LowRank { a, b } in gradients.values() {
        for factor in [a, b] {
            squares += f64::from(
                factor
                    .sqr()?
                    .sum_all()?
                    .to_dtype(DType::F32)?
                    .to_scalar::<f32>()?,
            );
        }
    }
    let norm = squares.sqrt();
    if norm > most {
        *gradients = map(gradients, |gradient| Ok((gradient * (most / norm))?))?;
    }
    Ok(norm)
}

/// Linear warm-up over the first `warm_up` steps, then half a cosine down to a tenth
/// (Loshchilov and Hutter 2017, arXiv:1608.03983). `step` counts from 1.
pub fn learning_rate(highest: f64, step: usize, steps: usize, warm_up: usize) -> f64 {
    if step <= warm_up {
        return highest * step as f64 / warm_up as f64;
    }
    let done = (step - warm_up) as f64 / (steps - warm_up).max(1) as f64;
    let lowest = highest / 10.0;
    lowest + (highest - lowest) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn updates(values: [f32; 2]) -> Updates {
        let tensor = |value: f32| Tensor::new(&[[value]], &Device::Cpu).unwrap();
        let update = LowRank {
            a: tensor(values[0]),
            b: tensor(values[1]),
        };
        BTreeMap::from([("m".to_owned(), update)])
    }

    fn values(updates: &Updates) -> [f32; 2] {
        let value = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0];
        [value(&updates["m"].a), value(&updates["m"].b)]
    }

    #[test]
    fn two_steps_give_what_the_formulas_give_by_hand() {
        let mut weights = updates([1.0, -2.0]);
        let mut moments = Moments::zero(&weights).unwrap();
        // The first step moves by the learning rate against the gradient's sign, after decay.
        adamw(
            &mut weights,
            &mut moments,
            &updates([0.5, -3.0]),
            1,
            0.1,
            0.01,
        )
        .unwrap();
        let found = values(&weights);
        assert!((found[0] - (1.0 * 0.999 - 0.1)).abs() < 1e-5, "{found:?}");
        assert!((found[1] - (-2.0 * 0.999 + 0.1)).abs() < 1e-5, "{found:?}");
        adamw(
            &mut weights,
            &mut moments,
            &updates([-0.5, 0.0]),
            2,
            0.1,
            0.0,
        )
        .unwrap();
        // m = 0.9 * 0.05 - 0.05 = -0.005, over 0.19; v = (0.999 + 1) * 0.00025, over 0.001999.
        let change = (-0.005 / 0.19) / (0.000_499_75f64 / 0.001_999).sqrt();
        let expected = f64::from(found[0]) - 0.1 * change;
        assert!((f64::from(values(&weights)[0]) - expected).abs() < 1e-5);
    }

    #[test]
    fn gradients_are_clipped_to_the_norm() {
        let mut gradients = updates([3.0, 4.0]);
        assert!((clip(&mut gradients, 10.0).unwrap() - 5.0).abs() < 1e-6);
        assert_eq!(values(&gradients), [3.0, 4.0]);
        clip(&mut gradients, 1.0).unwrap();
        let clipped = values(&gradients);
        assert!((clipped[0] - 0.6).abs() < 1e-6 && (clipped[1] - 0.8).abs() < 1e-6);
    }

    #[test]
    fn the_learning_rate_rises_and_falls() {
        let rate = |step| learning_rate(1.0, step, 100, 10);
        assert_eq!(rate(1), 0.1);
        assert_eq!(rate(10), 1.0);
        assert!((rate(55) - 0.55).abs() < 1e-9);
        assert!((rate(100) - 0.1).abs() < 1e-9);
        assert!((11..=100).all(|step| rate(step) < rate(step - 1)));
        assert_eq!(learning_rate(1.0, 1, 1, 0), 0.1);
    }
}
