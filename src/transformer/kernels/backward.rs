//! The gradients of the steps between matrix products.
//!
//! Each takes what the forward step took, and the gradient of a loss with respect to the step's
//! result, and gives the gradient with respect to what the step changed. As in the forward
//! direction there is a fused version for `f32` on the CPU and one of candle's operations.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, D, InplaceOp2, Layout, Result, Shape, Tensor, bail,
};
use rayon::prelude::*;

use super::{
    Pairs, ROWS_A_TASK, Rotation, contiguous, contiguous_mut, exp, is_fused, lane_sum,
    lane_sum_of_products,
};

/// Of the root mean square norm, with respect to `x`. Shapes: [rows, width], [width] and
/// [rows, width].
///
/// With r = 1 / √(mean(x²) + ε): dx = r · w · dy − x · r³ · mean(x · w · dy).
pub fn norm(x: &Tensor, weight: &Tensor, epsilon: f32, d_output: &Tensor) -> Result<Tensor> {
    if is_fused(x) {
        return x.apply_op3_no_bwd(weight, d_output, &FusedNorm { epsilon });
    }
    let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
    let factor = (mean + f64::from(epsilon))?.powf(-0.5)?;
    let weighted = d_output.broadcast_mul(weight)?;
    let along = (x * &weighted)?.mean_keepdim(D::Minus1)?;
    let shrink = (factor.powf(3.0)? * along)?;
    weighted.broadcast_mul(&factor)? - x.broadcast_mul(&shrink)?
}

/// Of silu(gate) * up. Shapes: [rows, 2 * n] and [rows, n] to [rows, 2 * n].
pub fn swiglu(gate_up: &Tensor, d_output: &Tensor) -> Result<Tensor> {
    if is_fused(gate_up) {
        return gate_up.apply_op2_no_bwd(d_output, &FusedSwiglu);
    }
    let width = d_output.dim(1)?;
    let (gate, up) = (
        gate_up.narrow(1, 0, width)?,
        gate_up.narrow(1, width, width)?,
    );
    let sigmoid = candle_nn::ops::sigmoid(&gate)?;
    let silu = (&gate * &sigmoid)?;
    // silu' = σ + silu · (1 − σ)
    let slope = (&sigmoid + (&silu * sigmoid.affine(-1.0, 1.0)?)?)?;
    let d_gate = ((d_output * up)? * slope)?;
    Tensor::cat(&[d_gate, (d_output * silu)?], 1)
}

/// Of the causal softmax, with respect to the scores before they are multiplied by `scale`.
/// `weights` are the softmax's result, zero where a query may not see a key. Overwrites
/// `d_weights`. Shapes: all [groups, rows, keys].
pub fn causal_softmax(weights: &Tensor, d_weights: Tensor, scale: f32) -> Result<Tensor> {
    if is_fused(weights) {
        d_weights.inplace_op2(weights, &FusedCausalSoftmax { scale })?;
        return Ok(d_weights);
    }
    let along = (weights * &d_weights)?.sum_keepdim(D::Minus1)?;
    (weights * d_weights.broadcast_sub(&along)?)? * f64::from(scale)
}

/// Of [`group_heads`](super::group_heads): puts the heads back into rows, turned back if they
/// were turned. Shapes: [groups, tokens * heads in a group, d] to [tokens, groups * heads in a
/// group * d].
pub fn group_heads(
    d_output: &Tensor,
    rotation: Option<&Rotation>,
    tokens: usize,
) -> Result<Tensor> {
    if !is_fused(d_output) {
        return ungroup_heads_by_candle(d_output, rotation, tokens);
    }
    let ungroup = FusedUngroupHeads { tokens };
    match rotation {
        Some(rotation) => {
            let pairs = rotation.pairs;
            let op = FusedUngroupAndRotateHeads { ungroup, pairs };
            d_output.apply_op3_no_bwd(&rotation.cos, &rotation.sin.neg()?, &op)
        }
        None => d_output.apply_op1_no_bwd(&ungroup),
    }
}

fn ungroup_heads_by_candle(
    d_output: &Tensor,
    rotation: Option<&Rotation>,
    tokens: usize,
) -> Result<Tensor> {
    let (groups, rows, head_size) = d_output.dims3()?;
    let heads = groups * (rows / tokens);
    let mut split = d_output
        .reshape((groups, tokens, rows / tokens, head_size))?
        .transpose(1, 2)?
        .reshape((heads, tokens, head_size))?;
    if let Some(rotation) = rotation {
        let back = rotation.sin.neg()?;
        let rotate = match rotation.pairs {
            Pairs::Neighbors => candle_nn::rotary_emb::rope_i,
            Pairs::Halves => candle_nn::rotary_emb::rope,
        };
        split = rotate(&split.unsqueeze(0)?, &rotation.cos, &back)?.squeeze(0)?;
    }
    split.transpose(0, 1)?.reshape((tokens, heads * head_size))
}

struct FusedNorm {
    epsilon: f32,
}

impl CustomOp3 for FusedNorm {
    fn name(&self) -> &'static str {
        "fused-norm-backward"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        d_output: &CpuStorage,
        d_output_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = x_layout.shape().dims2()?;
        let weight = contiguous(weight, weight_layout)?;
        let x = contiguous(x, x_layout)?;
        let d_output = contiguous(d_output, d_output_layout)?;
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(width)
            .zip(x.par_chunks(width).zip(d_output.par_chunks(width)))
            .with_min_len(ROWS_A_TASK)
            .for_each(|(out, (x, d_output))| {
                let mean = lane_sum(x, |value| value * value) / width as f32;
                let factor = 1.0 / (mean + self.epsilon).sqrt();
                for ((out, d_output), weight) in out.iter_mut().zip(d_output).zip(weight) {
                    *out = d_output * weight * factor;
                }
                let along = lane_sum_of_products(x, out) / width as f32;
                let shrink = factor * factor * along;
                for (out, x) in out.iter_mut().zip(x) {
                    *out -= x * shrink;
                }
            });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

struct FusedSwiglu;

impl CustomOp2 for FusedSwiglu {
    fn name(&self) -> &'static str {
        "fused-swiglu-backward"
    }

    fn cpu_fwd(
        &self,
        gate_up: &CpuStorage,
        layout: &Layout,
        d_output: &CpuStorage,
        d_output_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, double) = layout.shape().dims2()?;
        let width = double / 2;
        let gate_up = contiguous(gate_up, layout)?;
        let d_output = contiguous(d_output, d_output_layout)?;
        let mut out = vec![0.0; gate_up.len()];
        out.par_chunks_mut(double)
            .zip(gate_up.par_chunks(double).zip(d_output.par_chunks(width)))
            .with_min_len(ROWS_A_TASK)
            .for_each(|(out, (gate_up, d_output))| {
                let (gate, up) = gate_up.split_at(width);
                let (d_gate, d_up) = out.split_at_mut(width);
                for ((((d_gate, d_up), gate), up), d_output) in
                    d_gate.iter_mut().zip(d_up).zip(gate).zip(up).zip(d_output)
                {
                    let sigmoid = 1.0 / (1.0 + exp(-gate));
                    let silu = gate * sigmoid;
                    *d_gate = d_output * up * (sigmoid + silu * (1.0 - sigmoid));
                    *d_up = d_output * silu;
                }
            });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

struct FusedCausalSoftmax {
    scale: f32,
}

impl InplaceOp2 for FusedCausalSoftmax {
    fn name(&self) -> &'static str {
        "fused-causal-softmax-backward"
    }

    fn cpu_fwd(
        &self,
        d_weights: &mut CpuStorage,
        d_weights_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> Result<()> {
        let (_, _, keys) = weights_layout.shape().dims3()?;
        let weights = contiguous(weights, weights_layout)?;
        contiguous_mut(d_weights, d_weights_layout)?
            .par_chunks_mut(keys)
            .zip(weights.par_chunks(keys))
            .with_min_len(ROWS_A_TASK)
            .for_each(|(d_weights, weights)| {
                let along = lane_sum_of_products(weights, d_weights);
                for (d_weight, weight) in d_weights.iter_mut().zip(weights) {
                    *d_weight = weight * (*d_weight - along) * self.scale;
                }
            });
        Ok(())
    }
}

struct FusedUngroupHeads {
    tokens: usize,
}

impl FusedUngroupHeads {
    /// `copy(token, from, to)` fills one head of one token.
    fn run(
        &self,
        grouped: &CpuStorage,
        layout: &Layout,
        copy: impl Fn(usize, &[f32], &mut [f32]) + Sync,
    ) -> Result<(CpuStorage, Shape)> {
        let (groups, rows, head_size) = layout.shape().dims3()?;
        let grouped = contiguous(grouped, layout)?;
        let group_width = rows / self.tokens * head_size;
        let width = groups * group_width;
        let mut out = vec![0.0; grouped.len()];
        out.par_chunks_mut(width)
            .with_min_len(ROWS_A_TASK)
            .enumerate()
            .for_each(|(token, out)| {
                for (group, out) in out.chunks_exact_mut(group_width).enumerate() {
                    let start = (group * self.tokens + token) * group_width;
                    let heads = &grouped[start..start + group_width];
                    for (from, to) in heads
                        .chunks_exact(head_size)
                        .zip(out.chunks_exact_mut(head_size))
                    {
                        copy(token, from, to);
                    }
                }
            });
        Ok((CpuStorage::F32(out), Shape::from((self.tokens, width))))
    }
}

impl CustomOp1 for FusedUngroupHeads {
    fn name(&self) -> &'static str {
        "fused-ungroup-heads"
    }

    fn cpu_fwd(&self, grouped: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(grouped, layout, |_, from, to| to.copy_from_slice(from))
    }
}

/// The sines are those of turning back.
struct FusedUngroupAndRotateHeads {
    ungroup: FusedUngroupHeads,
    pairs: Pairs,
}

impl CustomOp3 for FusedUngroupAndRotateHeads {
    fn name(&self) -> &'static str {
        "fused-ungroup-and-rotate-heads-back"
    }

    fn cpu_fwd(
        &self,
        grouped: &CpuStorage,
        layout: &Layout,
        cos: &CpuStorage,
        cos_layout: &Layout,
        sin: &CpuStorage,
        sin_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, half) = cos_layout.shape().dims2()?;
        if rows != self.ungroup.tokens || sin_layout.shape() != cos_layout.shape() {
            bail!("a rotation of {} tokens was expected", self.ungroup.tokens)
        }
        let cos = contiguous(cos, cos_layout)?;
        let sin = contiguous(sin, sin_layout)?;
        let rotate = self.pairs.rotate();
        self.ungroup.run(grouped, layout, |token, from, to| {
            let row = token * half..(token + 1) * half;
            rotate(from, to, &cos[row.clone()], &sin[row]);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{self as kernels, tests::assert_close};
    use super::*;
    use candle_core::{DType, Device};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const EPSILON: f32 = 1e-5;

    #[test]
    fn the_gradient_of_the_norm_is_its_slope() {
        let (x, weight, d) = (random(1, &[5, 48]), random(2, &[48]), random(3, &[5, 48]));
        check_slope(&x, &d, norm(&x, &weight, EPSILON, &d).unwrap(), |x| {
            kernels::norm(x, &weight, EPSILON).unwrap()
        });
    }

    #[test]
    fn the_gradient_of_swiglu_is_its_slope() {
        let (x, d) = (random(1, &[7, 40]), random(2, &[7, 20]));
        check_slope(&x, &d, swiglu(&x, &d).unwrap(), |x| {
            kernels::swiglu(x).unwrap()
        });
    }

    #[test]
    fn the_gradient_of_the_causal_softmax_is_its_slope() {
        let (x, d) = (random(1, &[2, 6, 5]), random(2, &[2, 6, 5]));
        let forward = |x: &Tensor| kernels::causal_softmax(x.copy().unwrap(), 2, 0.4).unwrap();
        let weights = forward(&x);
        let found = causal_softmax(&weights, d.copy().unwrap(), 0.4).unwrap();
        check_slope(&x, &d, found, forward);
    }

    #[test]
    fn the_gradient_of_grouping_heads_is_its_slope() {
        let (x, d) = (random(1, &[5, 24]), random(2, &[2, 15, 4]));
        let angles = random(3, &[5, 2]);
        let rotation = |pairs| Rotation {
            pairs,
            cos: angles.cos().unwrap(),
            sin: angles.sin().unwrap(),
        };
        let rotations = [rotation(Pairs::Neighbors), rotation(Pairs::Halves)];
        for rotation in [None, Some(&rotations[0]), Some(&rotations[1])] {
            let found = group_heads(&d, rotation, 5).unwrap();
            check_slope(&x, &d, found, |x| {
                kernels::group_heads(x, rotation, 2, 4).unwrap()
            });
        }
    }

    #[test]
    fn the_fused_gradients_equal_those_of_candles_operations() {
        // In f64 nothing is fused.
        let double = |x: &Tensor| x.to_dtype(DType::F64).unwrap();
        let single = |x: Tensor| x.to_dtype(DType::F32).unwrap();
        let (x, weight, d) = (random(1, &[37, 50]), random(2, &[50]), random(3, &[37, 50]));
        assert_close(
            &norm(&x, &weight, EPSILON, &d).unwrap(),
            &single(norm(&double(&x), &double(&weight), EPSILON, &double(&d)).unwrap()),
        );
        let gate_up = (random(4, &[37, 100]) * 5.0).unwrap();
        assert_close(
            &swiglu(&gate_up, &d).unwrap(),
            &single(swiglu(&double(&gate_up), &double(&d)).unwrap()),
        );
        let weights = kernels::causal_softmax(random(5, &[2, 40, 30]), 2, 0.3).unwrap();
        let d = random(6, &[2, 40, 30]);
        assert_close(
            &causal_softmax(&weights, d.copy().unwrap(), 0.3).unwrap(),
            &single(causal_softmax(&double(&weights), double(&d), 0.3).unwrap()),
        );
        let angles = random(7, &[20, 15]);
        let rotation = Rotation {
            pairs: Pairs::Halves,
            cos: angles.cos().unwrap(),
            sin: angles.sin().unwrap(),
        };
        assert_close(
            &group_heads(&d, Some(&rotation), 20).unwrap(),
            &ungroup_heads_by_candle(&d, Some(&rotation), 20).unwrap(),
        );
    }

    /// Compares Σ gradient · direction with the change of Σ d · forward along a random direction,
    /// both in f32 with sums in f64.
    fn check_slope(x: &Tensor, d: &Tensor, gradient: Tensor, forward: impl Fn(&Tensor) -> Tensor) {
        assert_eq!(gradient.dims(), x.dims());
        for seed in 10..14 {
            let direction = random(seed, x.dims());
            let step = 1e-2;
            let value = |sign: f64| {
                let moved = (x + (&direction * (sign * step)).unwrap()).unwrap();
                dot(&forward(&moved), d)
            };
            let slope = (value(1.0) - value(-1.0)) / (2.0 * step);
            let found = dot(&gradient, &direction);
            let scale = slope.abs().max(1.0);
            assert!((found - slope).abs() / scale < 5e-3, "{found} {slope}");
        }
    }

    fn dot(a: &Tensor, b: &Tensor) -> f64 {
        (a * b)
            .and_then(|product| product.to_dtype(DType::F64)?.sum_all()?.to_scalar())
            .unwrap()
    }

    fn random(seed: u64, shape: &[usize]) -> Tensor {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| random.random_range(-1.5..1.5))
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }
}
