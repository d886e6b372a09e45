//! One block: attention and a gated feed-forward layer, each with a norm before it and a residual
//! connection around it.

use std::ops::Range;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::kernels::{self, Rotation, backward};

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
#[derive(Debug, Clone)]
pub struct Block {
    /// [hidden]
    pub attention_norm: Tensor,
    /// Queries, keys and values side by side: [hidden, query width + 2 * key-value width].
    pub query_key_value: Tensor,
    /// [query width + 2 * key-value width] (qwen2).
    pub query_key_value_bias: Option<Tensor>,
    /// [head size]: the norm of each head of queries, before the rotation (qwen3).
    pub query_norm: Option<Tensor>,
    /// [head size]: the norm of each head of keys, before the rotation (qwen3).
    pub key_norm: Option<Tensor>,
    /// [query width, hidden]
    pub attention_output: Tensor,
    /// [hidden]
    pub feed_forward_norm: Tensor,
    /// Gate and up side by side: [hidden, 2 * feed-forward].
    pub gate_up: Tensor,
    /// [feed-forward, hidden]
    pub down: Tensor,
}

/// One of a block's matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    QueryKeyValue,
    AttentionOutput,
    GateUp,
    Down,
}

impl Matrix {
    pub const ALL: [Self; 4] = [
        Self::QueryKeyValue,
        Self::AttentionOutput,
        Self::GateUp,
        Self::Down,
    ];

    /// The matrices of the GGUF that stand in it side by side, each with its columns.
    pub fn parts(self, sizes: &Sizes) -> Vec<(&'static str, usize)> {
        match self {
            Self::QueryKeyValue => vec![
                ("attn_q", sizes.query_width()),
                ("attn_k", sizes.key_value_width()),
                ("attn_v", sizes.key_value_width()),
            ],
            Self::AttentionOutput => vec![("attn_output", sizes.hidden)],
            Self::GateUp => vec![
                ("ffn_gate", sizes.feed_forward),
                ("ffn_up", sizes.feed_forward),
            ],
            Self::Down => vec![("ffn_down", sizes.hidden)],
        }
    }
}

impl Block {
    pub fn matrix(&self, matrix: Matrix) -> &Tensor {
        match matrix {
            Matrix::QueryKeyValue => &self.query_key_value,
            Matrix::AttentionOutput => &self.attention_output,
            Matrix::GateUp => &self.gate_up,
            Matrix::Down => &self.down,
        }
    }

    pub fn matrix_mut(&mut self, matrix: Matrix) -> &mut Tensor {
        match matrix {
            Matrix::QueryKeyValue => &mut self.query_key_value,
            Matrix::AttentionOutput => &mut self.attention_output,
            Matrix::GateUp => &mut self.gate_up,
            Matrix::Down => &mut self.down,
        }
    }
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
    /// The sequences; together all rows, in order.
    pub spans: Vec<Span>,
    pub rotation: Rotation,
}

impl Packing {
    fn rows(&self) -> Vec<Range<usize>> {
        self.spans.iter().map(|span| span.rows.clone()).collect()
    }
}

/// A sequence of tokens. A row sees all of the prefix, and those rows of its own sequence that are
/// not after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub rows: Range<usize>,
    /// Rows of keys and values: of those given apart, or else of an earlier sequence.
    pub prefix: Range<usize>,
}

/// What the backward pass needs of a forward pass. All that is not kept follows from it without a
/// large matrix product.
#[derive(Debug)]
pub struct Activations {
    /// What went into the block: [rows, hidden].
    pub x: Tensor,
    /// Queries, keys and values before they are turned: [rows, query width + 2 * key-value width].
    pub projected: Tensor,
    /// [rows, query width]
    pub attended: Tensor,
    /// The residual stream between attention and feed-forward: [rows, hidden].
    pub middle: Tensor,
    /// [rows, 2 * feed-forward]
    pub gate_up: Tensor,
}

impl Activations {
    /// Numbers that are kept for a token.
    pub fn width(sizes: &Sizes) -> usize {
        2 * (sizes.hidden + sizes.query_width() + sizes.key_value_width() + sizes.feed_forward)
    }
}

impl Block {
    /// Shape of `x` and of the result: [tokens, hidden]. `prefix` holds the prefixes of the spans,
    /// where they are not among the rows themselves.
    pub fn forward(
        &self,
        sizes: &Sizes,
        x: &Tensor,
        packing: &Packing,
        prefix: Option<&KeysValues>,
    ) -> Result<(Tensor, KeysValues)> {
        let projected = self.project_all(sizes, x)?;
        let (queries, own) = self.split_projected(sizes, &projected, &packing.rotation)?;
        let rows = packing.rows();
        let attended = attend_spans(sizes, &queries, &rows, &own, &packing.spans, prefix)?;
        Ok((self.finish(sizes, x, &attended)?.output, own))
    }

    /// As [`Self::forward`], with the prefixes among the rows, and with what the backward pass
    /// needs.
    pub fn forward_keeping(
        &self,
        sizes: &Sizes,
        x: Tensor,
        packing: &Packing,
    ) -> Result<(Tensor, Activations)> {
        let projected = self.project_all(sizes, &x)?;
        let (queries, own) = self.split_projected(sizes, &projected, &packing.rotation)?;
        let rows = packing.rows();
        let attended = attend_spans(sizes, &queries, &rows, &own, &packing.spans, None)?;
        let finished = self.finish(sizes, &x, &attended)?;
        let activations = Activations {
            x,
            projected,
            attended,
            middle: finished.middle,
            gate_up: finished.gate_up,
        };
        Ok((finished.output, activations))
    }

    /// Keys and values only: all that is needed of a prefix in the last block.
    pub fn keys_values(&self, sizes: &Sizes, x: &Tensor, packing: &Packing) -> Result<KeysValues> {
        let normed = kernels::norm(x, &self.attention_norm, sizes.norm_epsilon)?;
        let width = sizes.query_width() + 2 * sizes.key_value_width();
        let projected = self.project(&normed, sizes.query_width()..width)?;
        self.split_keys_values(sizes, &projected, &packing.rotation)
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
            .map(|span| span.rows.end as u32 - 1)
            .collect();
        let count = last_rows.len();
        let last_rows = Tensor::from_vec(last_rows, count, x.device())?;
        let x = x.index_select(&last_rows, 0)?;
        let rotation = Rotation {
            pairs: packing.rotation.pairs,
            cos: packing.rotation.cos.index_select(&last_rows, 0)?,
            sin: packing.rotation.sin.index_select(&last_rows, 0)?,
        };
        let normed = kernels::norm(&x, &self.attention_norm, sizes.norm_epsilon)?;
        let projected = self.project(&normed, 0..sizes.query_width())?;
        let queries = self.group_queries(sizes, &projected, &rotation)?;
        let rows: Vec<Range<usize>> = (0..count).map(|row| row..row + 1).collect();
        let attended = attend_spans(sizes, &queries, &rows, &own, &packing.spans, prefix)?;
        Ok(self.finish(sizes, &x, &attended)?.output)
    }

    /// The gradient with respect to the block's input, from what [`Self::forward_keeping`] kept
    /// and the gradient with respect to its output: both [rows, hidden].
    ///
    /// `on_matrix` is told, for each matrix, what it was multiplied with, [rows, in], and the
    /// gradient with respect to the product, [rows, out]: all that the gradient of an adapter
    /// needs.
    pub fn backward(
        &self,
        sizes: &Sizes,
        packing: &Packing,
        activations: &Activations,
        d_output: &Tensor,
        on_matrix: &mut dyn FnMut(Matrix, &Tensor, &Tensor) -> anyhow::Result<()>,
    ) -> anyhow::Result<Tensor> {
        let Activations {
            x,
            projected,
            attended,
            middle,
            gate_up,
        } = activations;
        let epsilon = sizes.norm_epsilon;

        // output = middle + swiglu(norm(middle) · gate_up) · down
        on_matrix(Matrix::Down, &kernels::swiglu(gate_up)?, d_output)?;
        let d_inner = d_output.matmul(&self.down.t()?)?;
        let d_gate_up = backward::swiglu(gate_up, &d_inner)?;
        let normed = kernels::norm(middle, &self.feed_forward_norm, epsilon)?;
        on_matrix(Matrix::GateUp, &normed, &d_gate_up)?;
        let d_normed = d_gate_up.matmul(&self.gate_up.t()?)?;
        let through = backward::norm(middle, &self.feed_forward_norm, epsilon, &d_normed)?;
        let d_middle = kernels::add_to(through, d_output)?;

        // middle = x + attend(norm(x) · query_key_value) · attention_output
        on_matrix(Matrix::AttentionOutput, attended, &d_middle)?;
        let d_attended = d_middle.matmul(&self.attention_output.t()?)?;
        let d_projected = self.attention_backward(sizes, packing, projected, &d_attended)?;
        let normed = kernels::norm(x, &self.attention_norm, epsilon)?;
        on_matrix(Matrix::QueryKeyValue, &normed, &d_projected)?;
        let d_normed = d_projected.matmul(&self.query_key_value.t()?)?;
        let through = backward::norm(x, &self.attention_norm, epsilon, &d_normed)?;
        Ok(kernels::add_to(through, &d_middle)?)
    }

    /// Queries, keys and values of each row: [rows, query width + 2 * key-value width].
    fn project_all(&self, sizes: &Sizes, x: &Tensor) -> Result<Tensor> {
        let normed = kernels::norm(x, &self.attention_norm, sizes.norm_epsilon)?;
        self.project(
            &normed,
            0..sizes.query_width() + 2 * sizes.key_value_width(),
        )
    }

    /// These columns of queries, keys and values, without head norms and rotation.
    fn project(&self, normed: &Tensor, columns: Range<usize>) -> Result<Tensor> {
        let weight = self
            .query_key_value
            .narrow(1, columns.start, columns.len())?;
        let projected = normed.matmul(&weight)?;
        match &self.query_key_value_bias {
            Some(bias) => projected.broadcast_add(&bias.narrow(0, columns.start, columns.len())?),
            None => Ok(projected),
        }
    }

    /// Shape of `projected`: [tokens, query width + 2 * key-value width].
    fn split_projected(
        &self,
        sizes: &Sizes,
        projected: &Tensor,
        rotation: &Rotation,
    ) -> Result<(Tensor, KeysValues)> {
        let (query_width, key_value_width) = (sizes.query_width(), sizes.key_value_width());
        let queries = projected.narrow(1, 0, query_width)?;
        let keys_values = projected.narrow(1, query_width, 2 * key_value_width)?;
        Ok((
            self.group_queries(sizes, &queries, rotation)?,
            self.split_keys_values(sizes, &keys_values, rotation)?,
        ))
    }

    /// Shape of `projected`: [tokens, query width].
    fn group_queries(
        &self,
        sizes: &Sizes,
        projected: &Tensor,
        rotation: &Rotation,
    ) -> Result<Tensor> {
        let queries = norm_heads(sizes, projected.clone(), self.query_norm.as_ref())?;
        let (groups, head_size) = (sizes.key_value_heads, sizes.head_size);
        kernels::group_heads(&queries, Some(rotation), groups, head_size)
    }

    /// Shape of `projected`: [tokens, 2 * key-value width].
    fn split_keys_values(
        &self,
        sizes: &Sizes,
        projected: &Tensor,
        rotation: &Rotation,
    ) -> Result<KeysValues> {
        let width = sizes.key_value_width();
        let group = |x: &Tensor, rotation| {
            kernels::group_heads(x, rotation, sizes.key_value_heads, sizes.head_size)
        };
        let keys = norm_heads(
            sizes,
            projected.narrow(1, 0, width)?,
            self.key_norm.as_ref(),
        )?;
        Ok(KeysValues {
            keys: group(&keys, Some(rotation))?,
            values: group(&projected.narrow(1, width, width)?, None)?,
        })
    }

    /// The gradient with respect to queries, keys and values before their heads were
    /// normed and turned.
    ///
    /// Shapes: [rows, query width + 2 * key-value width], [rows, query width], and as the first.
    fn attention_backward(
        &self,
        sizes: &Sizes,
        packing: &Packing,
        projected: &Tensor,
        d_attended: &Tensor,
    ) -> Result<Tensor> {
        let group = sizes.heads / sizes.key_value_heads;
        let (queries, own) = self.split_projected(sizes, projected, &packing.rotation)?;
        let d_attended =
            kernels::group_heads(d_attended, None, sizes.key_value_heads, sizes.head_size)?;
        // For each span: of its queries, and of all keys and values that it sees.
        let parts: Vec<(Tensor, KeysValues)> = packing
            .spans
            .par_iter()
            .map(|span| {
                let (start, rows) = (span.rows.start * group, span.rows.len() * group);
                let queries = queries.narrow(1, start, rows)?;
                let d_attended = d_attended.narrow(1, start, rows)?;
                attend_backward(sizes, &queries, &seen_by(span, &own, None)?, &d_attended)
            })
            .collect::<Result<_>>()?;

        let tokens = projected.dim(0)?;
        let d_queries: Vec<&Tensor> = parts.iter().map(|(d_queries, _)| d_queries).collect();
        let d_queries = Tensor::cat(&d_queries, 1)?.contiguous()?;
        let collect = |of: fn(&KeysValues) -> &Tensor| {
            // Each span's own rows, and in those of a prefix the sum over all that see it.
            let mut own: Vec<Tensor> = parts
                .iter()
                .zip(&packing.spans)
                .map(|((_, seen), span)| of(seen).narrow(1, span.prefix.len(), span.rows.len()))
                .collect::<Result<_>>()?;
            for ((_, seen), span) in parts.iter().zip(&packing.spans) {
                if let Some(prefix) = packing
                    .spans
                    .iter()
                    .position(|other| !span.prefix.is_empty() && other.rows == span.prefix)
                {
                    own[prefix] = (&own[prefix] + of(seen).narrow(1, 0, span.prefix.len())?)?;
                }
            }
            Tensor::cat(&own, 1)?.contiguous()
        };
        let rotation = Some(&packing.rotation);
        let of_queries = backward::group_heads(&d_queries, rotation, tokens)?;
        let of_keys = backward::group_heads(&collect(|seen| &seen.keys)?, rotation, tokens)?;
        let of_values = backward::group_heads(&collect(|seen| &seen.values)?, None, tokens)?;
        let (query_width, key_value_width) = (sizes.query_width(), sizes.key_value_width());
        let before = projected.narrow(1, 0, query_width)?;
        let of_queries = norm_heads_backward(sizes, before, self.query_norm.as_ref(), of_queries)?;
        let before = projected.narrow(1, query_width, key_value_width)?;
        let of_keys = norm_heads_backward(sizes, before, self.key_norm.as_ref(), of_keys)?;
        Tensor::cat(&[of_queries, of_keys, of_values], 1)?.contiguous()
    }

    /// Everything after attention. Shapes: [rows, hidden], [rows, query width].
    fn finish(&self, sizes: &Sizes, x: &Tensor, attended: &Tensor) -> Result<Finished> {
        let update = attended.matmul(&self.attention_output)?;
        let middle = kernels::add_to(update, x)?;
        let normed = kernels::norm(&middle, &self.feed_forward_norm, sizes.norm_epsilon)?;
        let gate_up = normed.matmul(&self.gate_up)?;
        let inner = kernels::swiglu(&gate_up)?;
        let output = kernels::add_to(inner.matmul(&self.down)?, &middle)?;
        Ok(Finished {
            middle,
            gate_up,
            output,
        })
    }
}

struct Finished {
    /// As in [`Activations`].
    middle: Tensor,
    gate_up: Tensor,
    /// [rows, hidden]
    output: Tensor,
}

/// The norm of each head, where the model has one. Shapes: [tokens, heads * head size] and
/// [head size] to [tokens, heads * head size].
fn norm_heads(sizes: &Sizes, x: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
    let Some(weight) = weight else {
        return Ok(x);
    };
    let heads = x.reshape(((), sizes.head_size))?;
    kernels::norm(&heads, weight, sizes.norm_epsilon)?.reshape(x.shape())
}

/// Of [`norm_heads`], with respect to `x`.
fn norm_heads_backward(
    sizes: &Sizes,
    x: Tensor,
    weight: Option<&Tensor>,
    d_normed: Tensor,
) -> Result<Tensor> {
    let Some(weight) = weight else {
        return Ok(d_normed);
    };
    let heads = x.reshape(((), sizes.head_size))?;
    let d_heads = d_normed.reshape(heads.shape())?;
    backward::norm(&heads, weight, sizes.norm_epsilon, &d_heads)?.reshape(x.shape())
}

/// Attention of some rows of each span to its prefix and to itself: the last rows of it, as many
/// as `query_rows` says. No product is computed for a pair of different sequences.
///
/// Shapes: `queries` [key-value heads, rows * heads in a group, head size] to [rows, query width].
fn attend_spans(
    sizes: &Sizes,
    queries: &Tensor,
    query_rows: &[Range<usize>],
    own: &KeysValues,
    spans: &[Span],
    prefix: Option<&KeysValues>,
) -> Result<Tensor> {
    let group = sizes.heads / sizes.key_value_heads;
    let attended: Vec<Tensor> = query_rows
        .par_iter()
        .zip(spans)
        .map(|(rows, span)| {
            let queries = queries.narrow(1, rows.start * group, rows.len() * group)?;
            let seen = seen_by(span, own, prefix)?;
            attend(sizes, &queries, &seen)?
                .reshape((sizes.key_value_heads, rows.len(), group * sizes.head_size))?
                .transpose(0, 1)?
                .reshape((rows.len(), sizes.query_width()))
        })
        .collect::<Result<_>>()?;
    Tensor::cat(&attended, 0)
}

/// The keys and values of a span's prefix and of itself, in this order.
fn seen_by(span: &Span, own: &KeysValues, prefix: Option<&KeysValues>) -> Result<KeysValues> {
    let before = prefix.unwrap_or(own);
    let join = |before: &Tensor, own: &Tensor| {
        let own = own.narrow(1, span.rows.start, span.rows.len())?;
        match span.prefix.is_empty() {
            true => own.contiguous(),
            false => {
                let before = before.narrow(1, span.prefix.start, span.prefix.len())?;
                Tensor::cat(&[before, own], 1)
            }
        }
    };
    Ok(KeysValues {
        keys: join(&before.keys, &own.keys)?,
        values: join(&before.values, &own.values)?,
    })
}

/// Causal attention of the last rows of a sequence to all of it.
///
/// Shapes: `queries` and result [key-value heads, rows * heads in a group, head size], `seen`
/// [key-value heads, all rows, head size].
fn attend(sizes: &Sizes, queries: &Tensor, seen: &KeysValues) -> Result<Tensor> {
    let attended: Vec<Tensor> = query_chunks(sizes, queries, seen)?
        .map(|chunk| {
            let queries = queries.narrow(1, chunk.start, chunk.rows)?;
            let weights = attention_weights(sizes, &queries, seen, chunk.visible)?;
            weights.matmul(&seen.values.narrow(1, 0, chunk.visible)?)
        })
        .collect::<Result<_>>()?;
    Tensor::cat(&attended, 1)
}

/// Of [`attend`]: the gradients with respect to the queries, and to the keys and values.
fn attend_backward(
    sizes: &Sizes,
    queries: &Tensor,
    seen: &KeysValues,
    d_attended: &Tensor,
) -> Result<(Tensor, KeysValues)> {
    let mut d_queries = Vec::new();
    let mut d_seen: Option<KeysValues> = None;
    let all = seen.keys.dim(1)?;
    for chunk in query_chunks(sizes, queries, seen)? {
        let queries = queries.narrow(1, chunk.start, chunk.rows)?;
        let d_attended = d_attended.narrow(1, chunk.start, chunk.rows)?;
        let visible = chunk.visible;
        let weights = attention_weights(sizes, &queries, seen, visible)?;
        let d_weights = d_attended.matmul(&seen.values.narrow(1, 0, visible)?.transpose(1, 2)?)?;
        let d_scores = backward::causal_softmax(&weights, d_weights, score_scale(sizes))?;
        d_queries.push(d_scores.matmul(&seen.keys.narrow(1, 0, visible)?)?);
        let of_keys = d_scores.transpose(1, 2)?.matmul(&queries.contiguous()?)?;
        let of_values = weights.transpose(1, 2)?.matmul(&d_attended.contiguous()?)?;
        let (keys, values) = (
            of_keys.pad_with_zeros(1, 0, all - visible)?,
            of_values.pad_with_zeros(1, 0, all - visible)?,
        );
        d_seen = Some(match d_seen {
            None => KeysValues { keys, values },
            Some(sum) => KeysValues {
                keys: (sum.keys + keys)?,
                values: (sum.values + values)?,
            },
        });
    }
    match d_seen {
        Some(d_seen) => Ok((Tensor::cat(&d_queries, 1)?, d_seen)),
        None => candle_core::bail!("a sequence without rows has no gradient"),
    }
}

/// The softmax of the scores of some queries over the first `visible` keys.
fn attention_weights(
    sizes: &Sizes,
    queries: &Tensor,
    seen: &KeysValues,
    visible: usize,
) -> Result<Tensor> {
    let keys = seen.keys.narrow(1, 0, visible)?.transpose(1, 2)?;
    let group = sizes.heads / sizes.key_value_heads;
    kernels::causal_softmax(queries.matmul(&keys)?, group, score_scale(sizes))
}

fn score_scale(sizes: &Sizes) -> f32 {
    1.0 / (sizes.head_size as f32).sqrt()
}

/// Some of the queries of a sequence.
struct QueryChunk {
    /// In rows of the queries: tokens * heads in a group.
    start: usize,
    rows: usize,
    /// Keys that the last of them sees.
    visible: usize,
}

/// Queries at a time: bounds the memory of the scores of a long sequence, and saves products
/// with keys that lie after all of them.
fn query_chunks(
    sizes: &Sizes,
    queries: &Tensor,
    seen: &KeysValues,
) -> Result<impl Iterator<Item = QueryChunk>> {
    const TOKENS: usize = 256;
    let group = sizes.heads / sizes.key_value_heads;
    let tokens = queries.dim(1)? / group;
    let past = seen.keys.dim(1)? - tokens;
    Ok((0..tokens).step_by(TOKENS).map(move |start| {
        let count = TOKENS.min(tokens - start);
        QueryChunk {
            start: start * group,
            rows: count * group,
            visible: past + start + count,
        }
    }))
}
