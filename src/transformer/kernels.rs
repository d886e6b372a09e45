//! The steps between matrix products.
//!
//! Each has a fused version for `f32` on the CPU, where candle's own operations take one pass over
//! memory (often on one thread) for every addition, and a version made of candle's operations for
//! every other device and type. The tests compare the two.

pub mod backward;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, InplaceOp1, InplaceOp2, Layout, Result,
    Shape, Tensor, bail,
};
use rayon::prelude::*;

/// Cosines and sines of the rotary embedding, one row a token.
///
/// Pair i of a head of size d is turned by position / base^(2i / d).
#[derive(Debug)]
pub struct Rotation {
    pub pairs: Pairs,
    /// Shape [tokens, head size / 2].
    pub cos: Tensor,
    pub sin: Tensor,
}

/// Which elements of a head of size d are pair i of the rotary embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// 2i and 2i + 1 (interleaved).
    Neighbors,
    /// i and i + d / 2 (as in GPT-NeoX).
    Halves,
}

/// `update + x`: the residual connection. Overwrites `update`. Shapes: all the same.
pub fn add_to(update: Tensor, x: &Tensor) -> Result<Tensor> {
    if !is_fused(&update) {
        return update + x;
    }
    update.inplace_op2(x, &FusedAdd)?;
    Ok(update)
}

/// Root mean square norm. Shapes: [tokens, hidden] and [hidden] to [tokens, hidden].
pub fn norm(x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
    if !is_fused(x) {
        return candle_nn::ops::rms_norm(&x.contiguous()?, weight, epsilon);
    }
    x.apply_op2_no_bwd(weight, &FusedNorm { epsilon })
}

/// Cuts rows into heads, turns them if there is a rotation, and puts the heads that share a
/// key-value head next to each other.
///
/// Shapes: [tokens, groups * heads in a group * d] to [groups, tokens * heads in a group, d],
/// where the row of token t and head j of the group is t * heads in a group + j.
pub fn group_heads(
    x: &Tensor,
    rotation: Option<&Rotation>,
    groups: usize,
    head_size: usize,
) -> Result<Tensor> {
    if !is_fused(x) {
        return group_heads_by_candle(x, rotation, groups, head_size);
    }
    let group = FusedGroupHeads { groups, head_size };
    match rotation {
        Some(rotation) => {
            let pairs = rotation.pairs;
            let op = FusedGroupAndRotateHeads { group, pairs };
            x.apply_op3_no_bwd(&rotation.cos, &rotation.sin, &op)
        }
        None => x.apply_op1_no_bwd(&group),
    }
}

fn group_heads_by_candle(
    x: &Tensor,
    rotation: Option<&Rotation>,
    groups: usize,
    head_size: usize,
) -> Result<Tensor> {
    let (tokens, width) = x.dims2()?;
    let heads = width / head_size;
    // [heads, tokens, d]
    let mut split = x
        .reshape((tokens, heads, head_size))?
        .transpose(0, 1)?
        .contiguous()?;
    if let Some(rotation) = rotation {
        let rotate = match rotation.pairs {
            Pairs::Neighbors => candle_nn::rotary_emb::rope_i,
            Pairs::Halves => candle_nn::rotary_emb::rope,
        };
        split = rotate(&split.unsqueeze(0)?, &rotation.cos, &rotation.sin)?.squeeze(0)?;
    }
    split
        .reshape((groups, heads / groups, tokens, head_size))?
        .transpose(1, 2)?
        .reshape((groups, tokens * (heads / groups), head_size))
}

/// Softmax over the keys that a query may see, after multiplying the scores by `scale`.
///
/// Shape: [groups, queries * heads in a group, keys]. The queries are the last ones of the keys:
/// the last query sees all keys, the one before it all but the last. Overwrites its argument.
pub fn causal_softmax(scores: Tensor, heads_in_group: usize, scale: f32) -> Result<Tensor> {
    if !is_fused(&scores) {
        return causal_softmax_by_candle(scores, heads_in_group, scale);
    }
    scores.inplace_op1(&FusedCausalSoftmax {
        heads_in_group,
        scale,
    })?;
    Ok(scores)
}

fn causal_softmax_by_candle(scores: Tensor, heads_in_group: usize, scale: f32) -> Result<Tensor> {
    let (_, rows, keys) = scores.dims3()?;
    let past = keys - rows / heads_in_group;
    let mask: Vec<f32> = (0..rows)
        .flat_map(|row| (0..keys).map(move |key| (row, key)))
        .map(|(row, key)| match key <= past + row / heads_in_group {
            true => 0.0,
            false => f32::NEG_INFINITY,
        })
        .collect();
    let mask = Tensor::from_vec(mask, (rows, keys), scores.device())?.to_dtype(scores.dtype())?;
    let scores = (scores * f64::from(scale))?.broadcast_add(&mask)?;
    candle_nn::ops::softmax_last_dim(&scores)
}

/// silu(gate) * up. Shapes: [tokens, 2 * n], gate first, to [tokens, n].
pub fn swiglu(gate_up: &Tensor) -> Result<Tensor> {
    if !is_fused(gate_up) {
        return candle_nn::ops::swiglu(gate_up);
    }
    gate_up.apply_op1_no_bwd(&FusedSwiglu)
}

fn is_fused(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

struct FusedAdd;

impl InplaceOp2 for FusedAdd {
    fn name(&self) -> &'static str {
        "fused-add"
    }

    fn cpu_fwd(
        &self,
        update: &mut CpuStorage,
        update_layout: &Layout,
        x: &CpuStorage,
        x_layout: &Layout,
    ) -> Result<()> {
        let x = contiguous(x, x_layout)?;
        let update = contiguous_mut(update, update_layout)?;
        if update.len() != x.len() {
            bail!("cannot add {} values to {}", x.len(), update.len());
        }
        update
            .par_chunks_mut(ELEMENTS_A_TASK)
            .zip(x.par_chunks(ELEMENTS_A_TASK))
            .for_each(|(update, x)| {
                for (update, x) in update.iter_mut().zip(x) {
                    *update += x;
                }
            });
        Ok(())
    }
}

struct FusedNorm {
    epsilon: f32,
}

impl CustomOp2 for FusedNorm {
    fn name(&self) -> &'static str {
        "fused-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = x_layout.shape().dims2()?;
        let weight = contiguous(weight, weight_layout)?;
        let x = contiguous(x, x_layout)?;
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(width)
            .zip(x.par_chunks(width))
            .with_min_len(ROWS_A_TASK)
            .for_each(|(out, x)| {
                let mean = lane_sum(x, |value| value * value) / width as f32;
                let factor = 1.0 / (mean + self.epsilon).sqrt();
                for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                    *out = x * factor * weight;
                }
            });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

struct FusedGroupHeads {
    groups: usize,
    head_size: usize,
}

impl FusedGroupHeads {
    /// `copy(token, from, to)` fills one head of one token.
    fn run(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        copy: impl Fn(usize, &[f32], &mut [f32]) + Sync,
    ) -> Result<(CpuStorage, Shape)> {
        let (tokens, width) = layout.shape().dims2()?;
        let x = &x.as_slice::<f32>()?[layout.start_offset()..];
        let &[row_stride, 1] = layout.stride() else {
            bail!("the elements of a row must lie next to each other")
        };
        let group_width = width / self.groups;
        let mut out = vec![0.0; tokens * width];
        if !out.is_empty() {
            out.par_chunks_mut(group_width)
                .with_min_len(ROWS_A_TASK)
                .enumerate()
                .for_each(|(index, out)| {
                    let (group, token) = (index / tokens, index % tokens);
                    let x = &x[token * row_stride + group * group_width..][..group_width];
                    for (from, to) in x
                        .chunks_exact(self.head_size)
                        .zip(out.chunks_exact_mut(self.head_size))
                    {
                        copy(token, from, to);
                    }
                });
        }
        let rows = tokens * group_width / self.head_size;
        Ok((
            CpuStorage::F32(out),
            Shape::from((self.groups, rows, self.head_size)),
        ))
    }
}

impl CustomOp1 for FusedGroupHeads {
    fn name(&self) -> &'static str {
        "fused-group-heads"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(x, layout, |_, from, to| to.copy_from_slice(from))
    }
}

struct FusedGroupAndRotateHeads {
    group: FusedGroupHeads,
    pairs: Pairs,
}

impl CustomOp3 for FusedGroupAndRotateHeads {
    fn name(&self) -> &'static str {
        "fused-group-and-rotate-heads"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        cos: &CpuStorage,
        cos_layout: &Layout,
        sin: &CpuStorage,
        sin_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let cos = contiguous(cos, cos_layout)?;
        let sin = contiguous(sin, sin_layout)?;
        let half = self.group.head_size / 2;
        let rotate = self.pairs.rotate();
        self.group.run(x, x_layout, |token, from, to| {
            rotate(
                from,
                to,
                &cos[token * half..][..half],
                &sin[token * half..][..half],
            );
        })
    }
}

/// Turns one head: from, to, cosines and sines.
type Rotate = fn(&[f32], &mut [f32], &[f32], &[f32]);

impl Pairs {
    fn rotate(self) -> Rotate {
        match self {
            Self::Neighbors => rotate_neighbors,
            Self::Halves => rotate_halves,
        }
    }
}

fn rotate_neighbors(from: &[f32], to: &mut [f32], cos: &[f32], sin: &[f32]) {
    for (((from, to), cos), sin) in from
        .chunks_exact(2)
        .zip(to.chunks_exact_mut(2))
        .zip(cos)
        .zip(sin)
    {
        to[0] = from[0] * cos - from[1] * sin;
        to[1] = from[0] * sin + from[1] * cos;
    }
}

fn rotate_halves(from: &[f32], to: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (from_first, from_second) = from.split_at(cos.len());
    let (to_first, to_second) = to.split_at_mut(cos.len());
    let from = from_first.iter().zip(from_second);
    let to = to_first.iter_mut().zip(to_second);
    for ((from, to), (cos, sin)) in from.zip(to).zip(cos.iter().zip(sin)) {
        *to.0 = from.0 * cos - from.1 * sin;
        *to.1 = from.0 * sin + from.1 * cos;
    }
}

struct FusedCausalSoftmax {
    heads_in_group: usize,
    scale: f32,
}

impl InplaceOp1 for FusedCausalSoftmax {
    fn name(&self) -> &'static str {
        "fused-causal-softmax"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (_, rows, keys) = layout.shape().dims3()?;
        let past = keys - rows / self.heads_in_group;
        contiguous_mut(storage, layout)?
            .par_chunks_mut(keys)
            .with_min_len(ROWS_A_TASK)
            .enumerate()
            .for_each(|(row, scores)| {
                let visible = past + row % rows / self.heads_in_group + 1;
                let (seen, unseen) = scores.split_at_mut(visible);
                unseen.fill(0.0);
                let highest = lane_max(seen);
                for score in seen.iter_mut() {
                    *score = exp((*score - highest) * self.scale);
                }
                let factor = 1.0 / lane_sum(seen, |value| value);
                for score in seen {
                    *score *= factor;
                }
            });
        Ok(())
    }
}

struct FusedSwiglu;

impl CustomOp1 for FusedSwiglu {
    fn name(&self) -> &'static str {
        "fused-swiglu"
    }

    fn cpu_fwd(&self, gate_up: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (tokens, double) = layout.shape().dims2()?;
        let width = double / 2;
        let gate_up = contiguous(gate_up, layout)?;
        let mut out = vec![0.0; tokens * width];
        out.par_chunks_mut(width)
            .zip(gate_up.par_chunks(double))
            .with_min_len(ROWS_A_TASK)
            .for_each(|(out, gate_up)| {
                let (gate, up) = gate_up.split_at(width);
                for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                    *out = gate / (1.0 + exp(-gate)) * up;
                }
            });
        Ok((CpuStorage::F32(out), Shape::from((tokens, width))))
    }
}

/// Fewer rows than this are not worth waking another thread for.
const ROWS_A_TASK: usize = 16;
const ELEMENTS_A_TASK: usize = 16_384;

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a tensor without gaps was expected"),
    }
}

fn contiguous_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&mut values[start..end]),
        _ => bail!("an f32 tensor without gaps was expected"),
    }
}

/// Sums in 16 lanes: the compiler may not reorder a plain float sum into vector instructions.
fn lane_sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; 16];
    let mut chunks = values.chunks_exact(16);
    for chunk in &mut chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += term(*value);
        }
    }
    let rest: f32 = chunks.remainder().iter().map(|value| term(*value)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The scalar product, summed in 16 lanes.
fn lane_sum_of_products(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; 16];
    let (mut a, mut b) = (a.chunks_exact(16), b.chunks_exact(16));
    for (a, b) in (&mut a).zip(&mut b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest = a.remainder().iter().zip(b.remainder());
    lanes.iter().sum::<f32>() + rest.map(|(a, b)| a * b).sum::<f32>()
}

fn lane_max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let mut chunks = values.chunks_exact(16);
    for chunk in &mut chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = lane.max(*value);
        }
    }
    lanes
        .iter()
        .chain(chunks.remainder())
        .fold(f32::NEG_INFINITY, |highest, value| highest.max(*value))
}

/// e^x to within 2 units in the last place, in operations that the compiler turns into vector
/// instructions (`f32::exp` is a call for every element). Coefficients: Cephes `expf`.
#[inline]
fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5 * 2^23 rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    let rest = x - power * LN2_HIGH - power * LN2_LOW;
    let polynomial = 1.987_569_1e-4_f32;
    let polynomial = polynomial * rest + 1.398_199_9e-3;
    let polynomial = polynomial * rest + 8.333_452e-3;
    let polynomial = polynomial * rest + 4.166_579_6e-2;
    let polynomial = polynomial * rest + 1.666_666_6e-1;
    let polynomial = polynomial * rest + 0.5;
    let fraction = polynomial * rest * rest + rest + 1.0;
    // The whole number stands in the lowest bits of `shifted`: move it to the exponent.
    let exponent = shifted.to_bits().wrapping_add(127) << 23;
    fraction * f32::from_bits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_fused_norm_equals_candles() {
        let x = random(&[37, 50]);
        let weight = random(&[50]);
        assert_close(
            &norm(&x, &weight, 1e-5).unwrap(),
            &candle_nn::ops::rms_norm(&x, &weight, 1e-5).unwrap(),
        );
    }

    #[test]
    fn the_fused_swiglu_equals_candles() {
        let gate_up = (random(&[40, 66]) * 20.0).unwrap();
        assert_close(
            &swiglu(&gate_up).unwrap(),
            &candle_nn::ops::swiglu(&gate_up).unwrap(),
        );
    }

    #[test]
    fn the_fused_addition_equals_candles() {
        let (x, update) = (random(&[40, 700]), random(&[40, 700]));
        let sum = (&x + &update).unwrap();
        assert_close(&add_to(update, &x).unwrap(), &sum);
    }

    #[test]
    fn heads_are_grouped_and_rotated_as_candle_does_it() {
        // Six heads of eight in two groups, cut out of wider rows.
        let x = random(&[21, 64]).narrow(1, 9, 48).unwrap();
        let angles = random(&[21, 4]);
        let rotation = |pairs| Rotation {
            pairs,
            cos: angles.cos().unwrap(),
            sin: angles.sin().unwrap(),
        };
        let rotations = [rotation(Pairs::Neighbors), rotation(Pairs::Halves)];
        for rotation in [None, Some(&rotations[0]), Some(&rotations[1])] {
            assert_close(
                &group_heads(&x, rotation, 2, 8).unwrap(),
                &group_heads_by_candle(&x, rotation, 2, 8).unwrap(),
            );
        }
    }

    #[test]
    fn the_fused_causal_softmax_equals_candles() {
        for past in [0, 13] {
            let scores = (random(&[2, 3 * 20, past + 20]) * 10.0).unwrap();
            let expected = causal_softmax_by_candle(scores.copy().unwrap(), 3, 0.3).unwrap();
            assert_close(&causal_softmax(scores, 3, 0.3).unwrap(), &expected);
        }
    }

    #[test]
    fn a_query_gives_no_weight_to_keys_after_it() {
        let weights = causal_softmax(random(&[1, 2 * 3, 5]), 2, 1.0).unwrap();
        let rows = weights.squeeze(0).unwrap().to_vec2::<f32>().unwrap();
        for (index, row) in rows.iter().enumerate() {
            let visible = 3 + index / 2;
            assert!(row[..visible].iter().all(|weight| *weight > 0.0));
            assert!(row[visible..].iter().all(|weight| *weight == 0.0));
        }
    }

    #[test]
    fn the_exponential_is_exact_to_two_units_in_the_last_place() {
        for step in -87_000..=88_000 {
            let x = step as f32 / 1000.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "e^{x}: {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1000.0) < 1e-37);
    }

    fn random(shape: &[usize]) -> Tensor {
        Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap()
    }

    /// To within 1e-5, or that share of an expected value beyond 1.
    pub fn assert_close(found: &Tensor, expected: &Tensor) {
        assert_eq!(found.dims(), expected.dims());
        let scale = expected.abs().unwrap().maximum(1f32).unwrap();
        let difference = (found - expected)
            .and_then(|difference| (difference.abs()? / scale)?.max_all()?.to_scalar::<f32>())
            .unwrap();
        assert!(difference < 1e-5, "they differ by {difference}");
    }
}
