//! Seeded nucleus sampling.
//!
//! mistral.rs has one random generator for the whole engine and no seed per request, so
//! Accord draws every token itself: a logits processor sees the logits, draws, and hands
//! back logits whose largest entry is the token drawn.

use std::sync::{Arc, Mutex};

use candle_core::{DType, Tensor};
use mistralrs::CustomLogitsProcessor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws the tokens of one sequence, and keeps them.
pub struct SeededSampler<E> {
    /// At least 0; 0 takes the most likely token.
    pub temperature: f64,
    /// In (0, 1]: the nucleus is the smallest set of tokens whose probabilities sum to
    /// at least this.
    pub top_p: f64,
    /// The same seed draws the same tokens from the same logits.
    pub seed: u64,
    /// Given the tokens drawn so far, whether the sequence ends here.
    pub ends: E,
    /// A token at which the engine stops.
    pub end_token: u32,
    /// The tokens drawn.
    pub drawn: Arc<Mutex<Vec<u32>>>,
    /// How many tokens the prompt has.
    pub prompt_length: usize,
}

impl<E: Fn(&[u32]) -> bool + Send + Sync> CustomLogitsProcessor for SeededSampler<E> {
    fn apply(&self, logits: &Tensor, context: &[u32]) -> candle_core::Result<Tensor> {
        let values: Vec<f32> = logits.to_dtype(DType::F32)?.to_vec1()?;
        if values.iter().any(|logit| logit.is_nan()) {
            candle_core::bail!("the logits are not numbers: the model file is damaged");
        }
        let step = context.len() - self.prompt_length;
        let mut drawn = self.drawn.lock().expect("no draw panics");
        // The engine may ask for a step again when it recomputes a sequence.
        drawn.truncate(step);
        let token = if step > 0 && (self.ends)(&drawn) {
            self.end_token
        } else {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(step as u64);
            draw(&values, self.temperature, self.top_p, &mut rng)
        };
        drawn.push(token);
        let mut chosen = vec![0f32; values.len()];
        chosen[token as usize] = 1.0;
        Tensor::from_vec(chosen, values.len(), logits.device())
    }
}

/// Draws a token from the nucleus of the softmax of `logits / temperature`
/// (Holtzman et al. 2020, arXiv:1904.09751).
pub fn draw(logits: &[f32], temperature: f64, top_p: f64, rng: &mut impl Rng) -> u32 {
    let most_likely = (0..logits.len())
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .expect("a model has a vocabulary");
    if temperature == 0.0 {
        return most_likely as u32;
    }
    let largest = f64::from(logits[most_likely]);
    let mut weights: Vec<(u32, f64)> = (0u32..)
        .zip(logits)
        .map(|(token, &logit)| (token, ((f64::from(logit) - largest) / temperature).exp()))
        .collect();
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    // Tokens far below the most likely one are never in the nucleus unless it is the
    // whole vocabulary, and sorting 49,152 of them at every step costs more than a layer.
    if top_p < 1.0 {
        let least = (1.0 - top_p) * total / weights.len() as f64;
        weights.retain(|(_, weight)| *weight >= least);
    }
    weights.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut sum = 0.0;
    let nucleus = weights
        .iter()
        .position(|(_, weight)| {
            sum += weight;
            sum >= top_p * total
        })
        .map_or(weights.len(), |last| last + 1);
    let nucleus = &weights[..nucleus];
    let mut point = rng.random::<f64>() * nucleus.iter().map(|(_, weight)| weight).sum::<f64>();
    for (token, weight) in nucleus {
        point -= weight;
        if point < 0.0 {
            return *token;
        }
    }
    nucleus[nucleus.len() - 1].0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits whose softmax is `probabilities`.
    fn logits(probabilities: &[f64]) -> Vec<f32> {
        probabilities.iter().map(|p| p.ln() as f32).collect()
    }

    #[test]
    fn tokens_outside_the_nucleus_are_never_drawn() {
        let logits = logits(&[0.1, 0.5, 0.3, 0.06, 0.04]);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0; 5];
        for _ in 0..10_000 {
            counts[draw(&logits, 1.0, 0.75, &mut rng) as usize] += 1;
        }
        assert_eq!((counts[0], counts[3], counts[4]), (0, 0, 0));
        let share = f64::from(counts[1]) / 10_000.0;
        assert!((share - 0.625).abs() < 0.02, "0.5 of 0.8 expected, {share}");
    }

    #[test]
    fn a_nucleus_of_one_draws_from_the_whole_distribution() {
        let probabilities = [0.05, 0.6, 0.3, 0.05];
        let logits = logits(&probabilities);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut counts = [0f64; 4];
        for _ in 0..20_000 {
            counts[draw(&logits, 1.0, 1.0, &mut rng) as usize] += 1.0 / 20_000.0;
        }
        for (count, probability) in counts.iter().zip(probabilities) {
            assert!((count - probability).abs() < 0.015, "{counts:?}");
        }
    }

    #[test]
    fn logits_that_are_not_numbers_are_an_error() {
        let sampler = SeededSampler {
            temperature: 1.0,
            top_p: 0.8,
            seed: 1,
            ends: |_: &[u32]| false,
            end_token: 0,
            drawn: Arc::default(),
            prompt_length: 1,
        };
        let apply = |values: [f32; 3]| {
            let logits = Tensor::new(&values, &candle_core::Device::Cpu)?;
            sampler.apply(&logits, &[7])?.to_vec1::<f32>()
        };
        assert_eq!(apply([-9.0, 9.0, -9.0]).unwrap(), [0.0, 1.0, 0.0]);
        assert!(apply([0.0, f32::NAN, 0.0]).is_err());
    }

    #[test]
    fn temperature_sharpens_and_zero_takes_the_most_likely() {
        let logits = logits(&[0.2, 0.5, 0.3]);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let share = |temperature, rng: &mut ChaCha8Rng| {
            (0..5_000)
                .filter(|_| draw(&logits, temperature, 1.0, rng) == 1)
                .count() as f64
                / 5_000.0
        };
        // At half the temperature probabilities are squared: 0.25 / (0.04 + 0.25 + 0.09).
        assert!((share(0.5, &mut rng) - 0.658).abs() < 0.03);
        assert_eq!(share(0.0, &mut rng), 1.0);
    }
}
