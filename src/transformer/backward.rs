//! Forward and backward through the whole model, for training.

use std::ops::Range;

use anyhow::{Result, ensure};
use candle_core::Tensor;

use super::block::{Activations, Matrix, Packing, Span};
use super::{PackedSequence, Transformer, kernels};

/// A forward pass whose gradients can be computed.
#[derive(Debug)]
pub struct TrainingPass {
    packing: Packing,
    kept: Vec<Kept>,
    /// The residual stream after the last block: [tokens, hidden].
    output: Tensor,
    /// For every sequence, the rows of its prefix and then those of each continuation.
    pub sequences: Vec<Vec<Range<usize>>>,
}

/// Of one block.
#[derive(Debug)]
enum Kept {
    All(Activations),
    /// Its input only: the forward pass is done once more.
    Input(Tensor),
}

impl Transformer {
    /// The forward pass of all sequences together, each with its own prefix. Beside the blocks'
    /// inputs at most about `memory` bytes of activations are kept; blocks for which that is not
    /// enough are computed again in the backward pass, which takes a third longer for them. With
    /// `None` nothing is kept, and there is no backward pass.
    ///
    /// # Errors
    /// As [`Transformer::next_token_logits`], for any of the sequences.
    pub fn training_pass(
        &self,
        sequences: &[PackedSequence],
        memory: Option<usize>,
    ) -> Result<TrainingPass> {
        let mut spans = Vec::new();
        let mut rows = Vec::new();
        let mut tokens = Vec::new();
        for sequence in sequences {
            self.check(sequence, &[])?;
            let mut ranges = Vec::with_capacity(1 + sequence.continuations.len());
            let prefix = tokens.len()..tokens.len() + sequence.prefix.len();
            ranges.push(prefix.clone());
            if !prefix.is_empty() {
                spans.push(Span {
                    rows: prefix.clone(),
                    prefix: 0..0,
                });
            }
            tokens.extend(&sequence.prefix);
            for continuation in &sequence.continuations {
                let own = tokens.len()..tokens.len() + continuation.len();
                ranges.push(own.clone());
                spans.push(Span {
                    rows: own,
                    prefix: prefix.clone(),
                });
                tokens.extend(continuation);
            }
            rows.push(ranges);
        }
        let packing = self.packing(spans)?;
        let whole_blocks = memory.map_or(0, |memory| self.blocks_kept_whole(tokens.len(), memory));
        let mut x = self.embed(&tokens)?;
        let mut kept = Vec::with_capacity(self.blocks.len());
        for (index, block) in self.blocks.iter().enumerate() {
            if index < whole_blocks {
                let (output, activations) = block.forward_keeping(&self.sizes, x, &packing)?;
                kept.push(Kept::All(activations));
                x = output;
            } else {
                let output = block.forward(&self.sizes, &x, &packing, None)?.0;
                if memory.is_some() {
                    kept.push(Kept::Input(x));
                }
                x = output;
            }
        }
        Ok(TrainingPass {
            packing,
            kept,
            output: x,
            sequences: rows,
        })
    }

    /// Blocks of which all activations are kept, when inputs are kept of all the others and one
    /// block at a time is computed again.
    fn blocks_kept_whole(&self, tokens: usize, memory: usize) -> usize {
        let blocks = self.blocks.len();
        let input = self.sizes.hidden;
        let whole = Activations::width(&self.sizes);
        let numbers = memory / (tokens * self.embedding.dtype().size_in_bytes());
        if numbers >= blocks * whole {
            return blocks;
        }
        // The block that is computed again, and the gradients of one block, take about two more.
        numbers.saturating_sub(blocks * input + 2 * whole) / (whole - input)
    }

    /// What the output matrix is multiplied with, at these rows: [rows, hidden].
    ///
    /// # Errors
    /// If a row is beyond the pass.
    pub fn hidden(&self, pass: &TrainingPass, rows: &[u32]) -> Result<Tensor> {
        let x = self.residual(pass, rows)?;
        Ok(kernels::norm(
            &x,
            &self.output_norm,
            self.sizes.norm_epsilon,
        )?)
    }

    fn residual(&self, pass: &TrainingPass, rows: &[u32]) -> Result<Tensor> {
        let rows = Tensor::new(rows, pass.output.device())?;
        Ok(pass.output.index_select(&rows, 0)?)
    }

    /// The gradients, from that with respect to [`Self::hidden`] at `rows`, each of them once.
    ///
    /// `on_matrix` is told of every matrix of every block, from the last block to the first: what
    /// it was multiplied with, [tokens, in], and the gradient with respect to the product,
    /// [tokens, out].
    ///
    /// # Errors
    /// Those of `on_matrix`, and if the shapes do not fit.
    pub fn backward(
        &self,
        pass: TrainingPass,
        rows: &[u32],
        d_hidden: &Tensor,
        on_matrix: &mut dyn FnMut(usize, Matrix, &Tensor, &Tensor) -> Result<()>,
    ) -> Result<()> {
        ensure!(
            pass.kept.len() == self.blocks.len(),
            "a pass that kept nothing has no backward pass"
        );
        let x = self.residual(&pass, rows)?;
        let d_rows =
            kernels::backward::norm(&x, &self.output_norm, self.sizes.norm_epsilon, d_hidden)?;
        let mut d_x =
            pass.output
                .zeros_like()?
                .index_add(&Tensor::new(rows, x.device())?, &d_rows, 0)?;
        let TrainingPass { packing, kept, .. } = pass;
        for ((index, block), kept) in self.blocks.iter().enumerate().zip(kept).rev() {
            let activations = match kept {
                Kept::All(activations) => activations,
                Kept::Input(x) => block.forward_keeping(&self.sizes, x, &packing)?.1,
            };
            d_x = block.backward(
                &self.sizes,
                &packing,
                &activations,
                &d_x,
                &mut |matrix, input, d_output| on_matrix(index, matrix, input, d_output),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::{DType, Device};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::adapter::{Adapter, LowRank};
    use super::super::tests::tiny_models;
    use super::*;

    #[test]
    fn the_gradients_of_an_adapter_are_its_slopes() {
        tiny_models().iter().for_each(check_gradients);
    }

    fn check_gradients(model: &Transformer) {
        let adapter = random_adapter(model);
        let gradients = gradients(model, &adapter, usize::MAX);
        assert_eq!(gradients.len(), 14);
        for (name, gradient) in &gradients {
            // Along random directions of one matrix's factors.
            for seed in 0..2 {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                let (a, b) = (
                    random_tensor(&mut random, gradient.a.dims()),
                    random_tensor(&mut random, gradient.b.dims()),
                );
                let step = 2e-3;
                let moved = |sign: f64| {
                    let mut moved = adapter.clone();
                    let update = moved.updates.get_mut(name).unwrap();
                    update.a = (&update.a + (&a * (sign * step)).unwrap()).unwrap();
                    update.b = (&update.b + (&b * (sign * step)).unwrap()).unwrap();
                    value(model, &moved)
                };
                let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
                let found = dot(&gradient.a, &a) + dot(&gradient.b, &b);
                let scale = slope.abs().max(1.0);
                assert!(
                    (found - slope).abs() / scale < 0.01,
                    "{name}: {found} {slope}"
                );
            }
        }
    }

    #[test]
    fn recomputed_blocks_give_the_same_gradients() {
        let [model, ..] = tiny_models();
        let adapter = random_adapter(&model);
        let kept = gradients(&model, &adapter, usize::MAX);
        let recomputed = gradients(&model, &adapter, 0);
        for (name, gradient) in &kept {
            let difference = (&gradient.a - &recomputed[name].a).unwrap();
            assert!(dot(&difference, &difference) < 1e-10, "{name}");
        }
    }

    #[test]
    fn a_training_pass_gives_the_logits_of_scoring() {
        let [model, ..] = tiny_models();
        let pass = model.training_pass(&sequences(), Some(usize::MAX)).unwrap();
        for (sequence, rows) in sequences().iter().zip(&pass.sequences) {
            let last: Vec<u32> = rows[1..].iter().map(|rows| rows.end as u32 - 1).collect();
            let hidden = model.hidden(&pass, &last).unwrap();
            let found = hidden.matmul(&model.output.t().unwrap()).unwrap();
            let all: Vec<u32> = (0..model.output.dim(0).unwrap() as u32).collect();
            let expected = model.next_token_logits(sequence, &all).unwrap();
            for (found, expected) in found.to_vec2::<f32>().unwrap().iter().zip(expected) {
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-4, "{found} {expected}");
                }
            }
        }
    }

    #[test]
    fn memory_decides_how_many_blocks_are_kept() {
        let [model, ..] = tiny_models();
        assert_eq!(model.blocks_kept_whole(100, 0), 0);
        assert_eq!(model.blocks_kept_whole(100, usize::MAX), model.blocks.len());
        let whole = Activations::width(&model.sizes) * 100 * 4;
        assert_eq!(model.blocks_kept_whole(100, 2 * whole - 1), 0);
        assert_eq!(model.blocks_kept_whole(100, 2 * whole), 2);
    }

    /// Two with prefixes of their own, and one without.
    fn sequences() -> Vec<PackedSequence> {
        let sequence = |prefix: &[u32], continuations: &[&[u32]]| PackedSequence {
            prefix: prefix.to_vec(),
            continuations: continuations.iter().map(|tokens| tokens.to_vec()).collect(),
        };
        vec![
            sequence(&[3, 1, 4, 1, 5], &[&[9, 2, 6], &[5], &[3, 5, 8, 9]]),
            sequence(&[2, 7], &[&[1, 8, 2], &[8, 1]]),
            sequence(&[], &[&[4, 4, 9, 0, 7]]),
        ]
    }

    /// A weighted sum of the hidden states at a few rows.
    fn value(model: &Transformer, adapter: &Adapter) -> f64 {
        let model = model.merged(adapter).unwrap();
        let pass = model.training_pass(&sequences(), Some(usize::MAX)).unwrap();
        let hidden = model.hidden(&pass, &ROWS).unwrap();
        dot(&hidden, &weights(&model))
    }

    fn gradients(
        model: &Transformer,
        adapter: &Adapter,
        memory: usize,
    ) -> BTreeMap<String, LowRank> {
        let model = model.merged(adapter).unwrap();
        let pass = model.training_pass(&sequences(), Some(memory)).unwrap();
        let mut gradients = BTreeMap::new();
        model
            .backward(
                pass,
                &ROWS,
                &weights(&model),
                &mut |block, matrix, input, d_output| {
                    adapter.insert_gradients(
                        &mut gradients,
                        (block, matrix),
                        &model,
                        input,
                        d_output,
                    )
                },
            )
            .unwrap();
        gradients
    }

    const ROWS: [u32; 4] = [7, 8, 17, 20];

    fn weights(model: &Transformer) -> Tensor {
        let shape = [ROWS.len(), model.sizes.hidden];
        random_tensor(&mut ChaCha8Rng::seed_from_u64(9), &shape)
    }

    fn random_adapter(model: &Transformer) -> Adapter {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let targets = [
            "attn_q",
            "attn_k",
            "attn_v",
            "attn_output",
            "ffn_gate",
            "ffn_up",
            "ffn_down",
        ];
        let targets = targets.map(str::to_owned);
        let mut adapter = Adapter::new(model, 3, 1.5, &targets, &mut random).unwrap();
        for update in adapter.updates.values_mut() {
            update.b = random_tensor(&mut random, update.b.dims());
        }
        adapter
    }

    fn random_tensor(random: &mut ChaCha8Rng, shape: &[usize]) -> Tensor {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| random.random_range(-1.0..1.0))
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn dot(a: &Tensor, b: &Tensor) -> f64 {
        (a * b)
            .and_then(|product| product.to_dtype(DType::F64)?.sum_all()?.to_scalar())
            .unwrap()
    }
}
