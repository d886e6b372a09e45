//! One block: attention and a gated feed-forward layer, each with a norm before it and a residual
//! connection around it.

use std::ops::Range;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::kernels::{self, Rotation};

/// Sizes that all blocks of a model share.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    pub hidden: usize,
    pub feed_forward: usize,
    pub heads: usize,
    /// Divides `heads`: so many consecutive heads share one head of keys and values.
    pub key_value_heads: usize,
    /// Even.
    pub head_size: usize,
    pub norm_epsilon: f32,
}

impl Sizes {
    pub fn query_width(&self) -> usize {
        self.heads * self.head_size
    }

    pub fn key_value_width(&self) -> usize {
        self.key_value_heads * self.head_size
    }
}

/// The weights of a block. Matrices are stored as [in, out] and multiplied from the right.
#[derive(Debug)]
pub struct Block {
    /// [hidden]
    pub attention_norm: Tensor,
    /// Queries, keys and values side by side: [hidden, query width + 2 * key-value width].
    pub query_key_value: Tensor,
    /// [query width, hidden]
    pub attention_output: Tensor,
    /// [hidden]
    pub feed_forward_norm: Tensor,
    /// Gate and up side by side: [hidden, 2 * feed-forward].
    pub gate_up: Tensor,
    /// [feed-forward, hidden]
    pub down: Tensor,
}

/// Keys and values of one block, rotated: each [key-value heads, tokens, head size].
#[derive(Debug)]
pub struct KeysValues {
    pub keys: Tensor,
    pub values: Tensor,
}

/// What a block needs to know of the tokens in front of it.
#[derive(Debug)]
pub struct Packing {
    /// Rows of each sequence; together all rows, in order. A row sees the prefix and those rows
    /// of its own sequence that are not after it.
    pub spans: Vec<Range<usize>>,
    pub rotation: Rotation,
}

impl Block {
    /// Shape of `x` and of the result: [tokens, hidden].
    pub fn forward(
        &self,
        sizes: &Sizes,
        x: &Tensor,
        packing: &Packing,
        prefix: Option<&KeysValues>,
    ) -> Result<(Tensor, KeysValues)> {
        let normed = kernels::norm(x, &self.attention_norm, sizes.norm_epsilon)?;
        let projected = normed.matmul(&self.query_key_value)?;
        let queries = kernels::group_heads(
            &projected.narrow(1, 0, sizes.query_width())?,
            Some(&packing.rotation),
            sizes.key_value_heads,
            sizes.head_size,
        )?;
        let own = split_keys_values(
            sizes,
            &projected.narrow(1, sizes.query_width(), 2 * sizes.key_value_width())?,
            &packing.rotation,
        )?;
        let attended = attend_spans(
            sizes,
            &queries,
            &packing.spans,
            &own,
            &packing.spans,
            prefix,
        )?;
        let x = self.finish(sizes, x, &attended)?;
        Ok((x, own))
    }

    /// Keys and values only: all that is needed of a prefix in the last block.
    pub fn keys_values(&self, sizes: &Sizes, x: &Tensor, packing: &Packing) -> Result<KeysValues> {
        let normed = kernels::norm(x, &self.attention_norm, sizes.norm_epsilon)?;
        let weight =
            self.query_key_value
                .narrow(1, sizes.query_width(), 2 * sizes.key_value_width())?;
        split_keys_values(sizes, &normed.matmul(&weight)?, &packing.rotation)
    }

    /// The result for the last row of each span only: [spans, hidden].
    pub fn forward_last_rows(
        &self,
        sizes: &Sizes,
        x: &Tensor,
        packing: &Packing,
        prefix: Option<&KeysValues>,
    ) -> Result<Tensor> {
        let own = self.keys_values(sizes, x, packing)?;
        let last_rows: Vec<u32> = packing
            .spans
            .iter()
            .map(|span| span.end as u32 - 1)
            .collect();
        let count = last_rows.len();
        let last_rows = Tensor::from_vec(last_rows, count, x.device())?;
        let x = x.index_select(&last_rows, 0)?;
        let rotation = Rotation {
            cos: packing.rotation.cos.index_select(&last_rows, 0)?,
            sin: packing.rotation.sin.index_select(&last_rows, 0)?,
        };
        let normed = kernels::norm(&x, &self.attention_norm, sizes.norm_epsilon)?;
        let weight = self.query_key_value.narrow(1, 0, sizes.query_width())?;
        let queries = kernels::group_heads(
            &normed.matmul(&weight)?,
            Some(&rotation),
            sizes.key_value_heads,
            sizes.head_size,
        )?;
        let rows: Vec<Range<usize>> = (0..count).map(|row| row..row + 1).collect();
        let attended = attend_spans(sizes, &queries, &rows, &own, &packing.spans, prefix)?;
        self.finish(sizes, &x, &attended)
    }

    /// Everything after attention. Shapes: [rows, hidden], [rows, query width] to [rows, hidden].
    fn finish(&self, sizes: &Sizes, x: &Tensor, attended: &Tensor) -> Result<Tensor> {
        let update = attended.matmul(&self.attention_output)?;
        let x = kernels::add_to(update, x)?;
        let normed = kernels::norm(&x, &self.feed_forward_norm, sizes.norm_epsilon)?;
        let inner = kernels::swiglu(&normed.matmul(&self.gate_up)?)?;
        kernels::add_to(inner.matmul(&self.down)?, &x)
    }
}

/// Shape of `projected`: [tokens, 2 * key-value width].
fn split_keys_values(sizes: &Sizes, projected: &Tensor, rotation: &Rotation) -> Result<KeysValues> {
    let width = sizes.key_value_width();
    let split = |start, rotation| {
        kernels::group_heads(
            &projected.narrow(1, start, width)?,
            rotation,
            sizes.key_value_heads,
            sizes.head_size,
        )
    };
    Ok(KeysValues {
        keys: split(0, Some(rotation))?,
        values: split(width, None)?,
    })
}

/// Attention of each span of queries to the prefix and to the span of keys of the same sequence,
/// whose last rows they are. No product is computed for a pair of different sequences.
///
/// Shapes: `queries` [key-value heads, rows * heads in a group, head size] to [rows, query width].
fn attend_spans(
    sizes: &Sizes,
    queries: &Tensor,
    query_spans: &[Range<usize>],
    own: &KeysValues,
    key_spans: &[Range<usize>],
    prefix: Option<&KeysValues>,
) -> Result<Tensor> {
    let group = sizes.heads / sizes.key_value_heads;
    let attended: Vec<Tensor> = query_spans
        .par_iter()
        .zip(key_spans)
        .map(|(query_span, key_span)| {
            let queries = queries.narrow(1, query_span.start * group, query_span.len() * group)?;
            let join = |prefix: Option<&Tensor>, own: &Tensor| {
                let own = own
                    .narrow(1, key_span.start, key_span.len())?
                    .contiguous()?;
                match prefix {
                    Some(prefix) => Tensor::cat(&[prefix, &own], 1),
                    None => Ok(own),
                }
            };
            let keys = join(prefix.map(|prefix| &prefix.keys), &own.keys)?;
            let values = join(prefix.map(|prefix| &prefix.values), &own.values)?;
            attend(sizes, &queries, &keys, &values)?
                .reshape((
                    sizes.key_value_heads,
                    query_span.len(),
                    group * sizes.head_size,
                ))?
                .transpose(0, 1)?
                .reshape((query_span.len(), sizes.query_width()))
        })
        .collect::<Result<_>>()?;
    Tensor::cat(&attended, 0)
}

/// Causal attention of the last rows of a sequence to all of it.
///
/// Shapes: `queries` and result [key-value heads, rows * heads in a group, head size], `keys`
/// and `values` [key-value heads, all rows, head size].
fn attend(sizes: &Sizes, queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    let group = sizes.heads / sizes.key_value_heads;
    let rows = queries.dim(1)? / group;
    let past = keys.dim(1)? - rows;
    let scale = 1.0 / (sizes.head_size as f32).sqrt();
    let attended: Vec<Tensor> = (0..rows)
        .step_by(QUERY_ROWS)
        .map(|start| {
            let rows = QUERY_ROWS.min(rows - start);
            let visible = past + start + rows;
            let scores = queries
                .narrow(1, start * group, rows * group)?
                .matmul(&keys.narrow(1, 0, visible)?.transpose(1, 2)?)?;
            let weights = kernels::causal_softmax(scores, group, scale)?;
            weights.matmul(&values.narrow(1, 0, visible)?)
        })
        .collect::<Result<_>>()?;
    Tensor::cat(&attended, 1)
}

/// Queries at a time: bounds the memory of the scores of a long sequence, and saves products
/// with keys that lie after all of them.
const QUERY_ROWS: usize = 256;
