//! A llama-family transformer (llama, qwen2, qwen3) on candle, read from GGUF.
//!
//! Its forward pass is made for scoring many continuations of one prefix (the reward model: the
//! prefix is a question and one participant's opinion, the continuations are the candidates).
//! The prefix is computed once; its keys and values are kept; then chunks of continuations go
//! through the blocks together, as the rows of one matrix. Only attention tells them apart: each
//! continuation attends to the prefix and to itself, in products of its own, so nothing is
//! computed for pairs that may not see each other.
//!
//! [`block`] holds a block's weights and its forward pass as plain functions of tensors, without
//! an autograd graph; [`kernels`] the steps between matrix products.

pub mod adapter;
mod backward;
pub mod block;
pub mod gguf;
mod kernels;

use std::collections::HashSet;

use anyhow::{Context, Result, bail, ensure};
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use block::{Block, KeysValues, Packing, Sizes, Span};
use gguf::GgufFile;
pub use kernels::Pairs;
use kernels::Rotation;

pub use backward::TrainingPass;

/// A language model with its weights in one floating-point type on one device. Cloning it shares
/// the weights.
#[derive(Debug, Clone)]
pub struct Transformer {
    pub sizes: Sizes,
    /// The most tokens of a prefix and one continuation together.
    pub context_length: usize,
    pub rotation_base: f32,
    pub rotation_pairs: Pairs,
    /// [vocabulary, hidden]
    pub embedding: Tensor,
    pub blocks: Vec<Block>,
    /// [hidden]
    pub output_norm: Tensor,
    /// [vocabulary, hidden]; the same storage as `embedding` where the model ties them.
    pub output: Tensor,
}

/// What sets an architecture of the llama family apart from the others.
#[derive(Debug, Clone, Copy)]
pub struct Architecture {
    /// `general.architecture` of a GGUF file, and the first part of its metadata keys.
    pub name: &'static str,
    rotation_pairs: Pairs,
    /// Beside those that all have; with their suffix.
    more_block_tensors: &'static [&'static str],
}

/// All that [`Transformer::load`] reads.
pub const ARCHITECTURES: [Architecture; 3] = [
    Architecture {
        name: "llama",
        // Its converter reorders the rows of queries and keys, so that pairs are neighbors.
        rotation_pairs: Pairs::Neighbors,
        more_block_tensors: &[],
    },
    Architecture {
        name: "qwen2",
        rotation_pairs: Pairs::Halves,
        more_block_tensors: &["attn_q.bias", "attn_k.bias", "attn_v.bias"],
    },
    Architecture {
        name: "qwen3",
        rotation_pairs: Pairs::Halves,
        more_block_tensors: &["attn_q_norm.weight", "attn_k_norm.weight"],
    },
];

/// Token ids of several texts that begin alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedSequence {
    /// May be empty.
    pub prefix: Vec<u32>,
    /// At least one, none empty.
    pub continuations: Vec<Vec<u32>>,
}

impl Transformer {
    /// Reads all weights and turns them into `dtype`.
    ///
    /// # Errors
    /// If the architecture is not one of [`ARCHITECTURES`], or a variant that is not supported, or
    /// if metadata or tensors are missing or do not fit together.
    pub fn load(file: &GgufFile, device: &Device, dtype: DType) -> Result<Self> {
        let name = file.path.display();
        let architecture = file.string("general.architecture")?;
        let known = ARCHITECTURES.map(|architecture| architecture.name);
        let architecture = ARCHITECTURES
            .into_iter()
            .find(|known| known.name == architecture)
            .with_context(|| {
                format!(
                    "the architecture of {name} is {architecture}, but one of {} was expected",
                    known.join(", ")
                )
            })?;
        let block_count = file.u32(&architecture.key("block_count"))? as usize;
        let sizes = read_sizes(file, &architecture)?;
        check_tensor_names(file, &architecture, block_count)?;

        let weights = Weights {
            file,
            device,
            dtype,
            architecture,
        };
        let vocabulary = match file.tensor_info(EMBEDDING)?.shape.dims() {
            &[vocabulary, _] => vocabulary,
            dims => {
                bail!("tensor {EMBEDDING} of {name} has shape {dims:?}, two sizes were expected")
            }
        };
        let embedding = weights.matrix(EMBEDDING, vocabulary, sizes.hidden)?;
        let output = match file.content.tensor_infos.contains_key(OUTPUT) {
            true => weights.matrix(OUTPUT, vocabulary, sizes.hidden)?,
            false => embedding.clone(),
        };
        let blocks = (0..block_count)
            .into_par_iter()
            .map(|index| weights.block(index, &sizes))
            .collect::<Result<Vec<Block>>>()?;
        let rotation_base = architecture.key("rope.freq_base");
        Ok(Self {
            context_length: file.context_length()?,
            rotation_base: match file.content.metadata.contains_key(&rotation_base) {
                true => file.f32(&rotation_base)?,
                false => 10_000.0,
            },
            rotation_pairs: architecture.rotation_pairs,
            output_norm: weights.vector(OUTPUT_NORM, sizes.hidden)?,
            sizes,
            embedding,
            blocks,
            output,
        })
    }

    /// For every continuation, the logits of `tokens` at the position after its last token: what
    /// the model gives for prefix and continuation alone.
    ///
    /// Memory grows with the longest continuation, not with their number.
    ///
    /// # Errors
    /// If there is no continuation, one is empty, one is too long together with the prefix, or a
    /// token is not in the vocabulary.
    pub fn next_token_logits(
        &self,
        sequence: &PackedSequence,
        tokens: &[u32],
    ) -> Result<Vec<Vec<f32>>> {
        self.check(sequence, tokens)?;
        let device = self.embedding.device();
        let prefix = match sequence.prefix.is_empty() {
            true => Vec::new(),
            false => self.prefix_keys_values(&sequence.prefix)?,
        };
        // [hidden, tokens]
        let output = self
            .output
            .index_select(&Tensor::new(tokens, device)?, 0)?
            .t()?;
        let mut logits = Vec::with_capacity(sequence.continuations.len());
        for chunk in chunks(&sequence.continuations) {
            let hidden = self.last_hidden(chunk, &prefix, sequence.prefix.len())?;
            let chunk_logits = hidden.matmul(&output)?.to_dtype(DType::F32)?;
            logits.extend(chunk_logits.to_vec2::<f32>()?);
        }
        Ok(logits)
    }

    fn check(&self, sequence: &PackedSequence, tokens: &[u32]) -> Result<()> {
        ensure!(
            !sequence.continuations.is_empty(),
            "at least one continuation to score was expected"
        );
        for (index, continuation) in sequence.continuations.iter().enumerate() {
            ensure!(
                !continuation.is_empty(),
                "continuation {index} has no tokens, at least one was expected"
            );
            let length = sequence.prefix.len() + continuation.len();
            ensure!(
                length <= self.context_length,
                "continuation {index} and its prefix have {length} tokens, but the model reads at most {}",
                self.context_length
            );
        }
        let vocabulary = self.embedding.dim(0)?;
        let unknown = sequence
            .continuations
            .iter()
            .flatten()
            .chain(&sequence.prefix)
            .chain(tokens)
            .find(|token| **token as usize >= vocabulary);
        if let Some(token) = unknown {
            bail!(
                "token {token} is not in the model's vocabulary of {vocabulary}: another model's tokenizer was used"
            );
        }
        Ok(())
    }

    /// One for each block.
    fn prefix_keys_values(&self, prefix: &[u32]) -> Result<Vec<KeysValues>> {
        let packing = self.pack(std::iter::once(prefix.len()), 0)?;
        let mut x = self.embed(prefix)?;
        let mut kept = Vec::with_capacity(self.blocks.len());
        for (index, block) in self.blocks.iter().enumerate() {
            if index + 1 == self.blocks.len() {
                kept.push(block.keys_values(&self.sizes, &x, &packing)?);
            } else {
                let (next, keys_values) = block.forward(&self.sizes, &x, &packing, None)?;
                kept.push(keys_values);
                x = next;
            }
        }
        Ok(kept)
    }

    /// What the output matrix is multiplied with, at each continuation's last token:
    /// [continuations, hidden].
    fn last_hidden(
        &self,
        continuations: &[Vec<u32>],
        prefix: &[KeysValues],
        prefix_length: usize,
    ) -> Result<Tensor> {
        let packing = self.pack(continuations.iter().map(Vec::len), prefix_length)?;
        let mut x = self.embed(&continuations.concat())?;
        for (index, block) in self.blocks.iter().enumerate() {
            let prefix = prefix.get(index);
            x = if index + 1 == self.blocks.len() {
                block.forward_last_rows(&self.sizes, &x, &packing, prefix)?
            } else {
                block.forward(&self.sizes, &x, &packing, prefix)?.0
            };
        }
        Ok(kernels::norm(
            &x,
            &self.output_norm,
            self.sizes.norm_epsilon,
        )?)
    }

    /// [tokens, hidden]
    fn embed(&self, tokens: &[u32]) -> Result<Tensor> {
        let tokens = Tensor::new(tokens, self.embedding.device())?;
        Ok(self.embedding.index_select(&tokens, 0)?)
    }

    /// Sequences of these lengths one after another, all with the same prefix, whose keys and
    /// values are given apart.
    fn pack(&self, lengths: impl Iterator<Item = usize>, prefix_length: usize) -> Result<Packing> {
        let spans: Vec<Span> = lengths
            .scan(0, |end, length| {
                let start = *end;
                *end += length;
                Some(Span {
                    rows: start..*end,
                    prefix: 0..prefix_length,
                })
            })
            .collect();
        self.packing(spans)
    }

    fn packing(&self, spans: Vec<Span>) -> Result<Packing> {
        let positions = spans.iter().flat_map(|span| {
            let first = span.prefix.len();
            first..first + span.rows.len()
        });
        Ok(Packing {
            rotation: self.rotation(positions)?,
            spans,
        })
    }

    fn rotation(&self, positions: impl Iterator<Item = usize>) -> Result<Rotation> {
        let half = self.sizes.head_size / 2;
        let frequencies: Vec<f64> = (0..half)
            .map(|pair| f64::from(self.rotation_base).powf(-(pair as f64) / half as f64))
            .collect();
        let (cos, sin): (Vec<f32>, Vec<f32>) = positions
            .flat_map(|position| {
                frequencies
                    .iter()
                    .map(move |frequency| position as f64 * frequency)
            })
            .map(|angle| (angle.cos() as f32, angle.sin() as f32))
            .unzip();
        let table = |values: Vec<f32>| {
            let rows = values.len() / half;
            Tensor::from_vec(values, (rows, half), self.embedding.device())?
                .to_dtype(self.embedding.dtype())
        };
        Ok(Rotation {
            pairs: self.rotation_pairs,
            cos: table(cos)?,
            sin: table(sin)?,
        })
    }
}

/// Tokens that go through the blocks together. Every pass reads and packs all weights once: with
/// 512 tokens a pass it takes a tenth longer. This many take about 100 MB while they pass.
const CHUNK_TOKENS: usize = 2048;

/// Cuts into runs of at most [`CHUNK_TOKENS`], of about the same size; one continuation longer than
/// that is a run of its own.
fn chunks(continuations: &[Vec<u32>]) -> Vec<&[Vec<u32>]> {
    let tokens: usize = continuations.iter().map(Vec::len).sum();
    let target = tokens.div_ceil(tokens.div_ceil(CHUNK_TOKENS));
    let mut chunks = Vec::new();
    let mut start = 0;
    let mut length = 0;
    for (index, continuation) in continuations.iter().enumerate() {
        if length > 0 && length + continuation.len() > target {
            chunks.push(&continuations[start..index]);
            start = index;
            length = 0;
        }
        length += continuation.len();
    }
    chunks.push(&continuations[start..]);
    chunks
}

const EMBEDDING: &str = "token_embd.weight";
const OUTPUT: &str = "output.weight";
const OUTPUT_NORM: &str = "output_norm.weight";
const BLOCK_TENSORS: [&str; 9] = [
    "attn_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_output",
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
];

impl Architecture {
    fn key(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }
}

fn read_sizes(file: &GgufFile, architecture: &Architecture) -> Result<Sizes> {
    let size = |part: &str| -> Result<usize> {
        let key = architecture.key(part);
        let size = file.u32(&key)? as usize;
        ensure!(
            size > 0,
            "metadata {key} of {} is 0, at least 1 was expected",
            file.path.display()
        );
        Ok(size)
    };
    let has = |part: &str| {
        let key = architecture.key(part);
        file.content.metadata.contains_key(&key)
    };
    let hidden = size("embedding_length")?;
    let heads = size("attention.head_count")?;
    let key_value_heads = match has("attention.head_count_kv") {
        true => size("attention.head_count_kv")?,
        false => heads,
    };
    let head_size = match has("attention.key_length") {
        true => size("attention.key_length")?,
        false => hidden / heads,
    };
    ensure!(
        heads.is_multiple_of(key_value_heads) && head_size > 0 && head_size.is_multiple_of(2),
        "the attention sizes of {} do not fit: {heads} heads of {head_size}, {key_value_heads} of keys and values",
        file.path.display()
    );
    let rotated = "rope.dimension_count";
    ensure!(
        !has(rotated) || size(rotated)? == head_size,
        "{} rotates a part of each head only, which is not supported here",
        file.path.display()
    );
    let scaling = "rope.scaling.type";
    ensure!(
        !has(scaling) || file.string(&architecture.key(scaling))? == "none",
        "{} scales its rotary embedding, which is not supported here",
        file.path.display()
    );
    Ok(Sizes {
        hidden,
        feed_forward: size("feed_forward_length")?,
        heads,
        key_value_heads,
        head_size,
        norm_epsilon: file.f32(&architecture.key("attention.layer_norm_rms_epsilon"))?,
    })
}

/// A tensor that this model does not use (a bias, an expert, a table of rotation factors) means
/// a variant whose results would be wrong.
fn check_tensor_names(
    file: &GgufFile,
    architecture: &Architecture,
    block_count: usize,
) -> Result<()> {
    let names = &file.content.tensor_infos;
    ensure!(
        (1..=names.len()).contains(&block_count),
        "metadata {}.block_count of {} is {block_count}, but there are {} tensors",
        architecture.name,
        file.path.display(),
        names.len()
    );
    let known: HashSet<String> = (0..block_count)
        .flat_map(|index| {
            let common = BLOCK_TENSORS.map(|part| format!("blk.{index}.{part}.weight"));
            let more = architecture.more_block_tensors.iter();
            common
                .into_iter()
                .chain(more.map(move |name| format!("blk.{index}.{name}")))
        })
        .chain([EMBEDDING, OUTPUT, OUTPUT_NORM].map(String::from))
        .collect();
    if let Some(unknown) = names.keys().filter(|name| !known.contains(*name)).min() {
        bail!(
            "{} has a tensor {unknown}: this variant of {} is not supported here",
            file.path.display(),
            architecture.name
        );
    }
    Ok(())
}

struct Weights<'a> {
    file: &'a GgufFile,
    device: &'a Device,
    dtype: DType,
    architecture: Architecture,
}

impl Weights<'_> {
    fn block(&self, index: usize, sizes: &Sizes) -> Result<Block> {
        let name = |part: &str| format!("blk.{index}.{part}.weight");
        // None where the architecture has no such tensor.
        let vector = |part: &str, length| -> Result<Option<Tensor>> {
            match self.architecture.more_block_tensors.contains(&part) {
                true => Ok(Some(self.vector(&format!("blk.{index}.{part}"), length)?)),
                false => Ok(None),
            }
        };
        let biases: Option<Vec<Tensor>> = [
            vector("attn_q.bias", sizes.query_width())?,
            vector("attn_k.bias", sizes.key_value_width())?,
            vector("attn_v.bias", sizes.key_value_width())?,
        ]
        .into_iter()
        .collect();
        let matrix = |part: &str, rows, columns| self.matrix(&name(part), rows, columns);
        let side_by_side =
            |parts: &[Tensor]| -> Result<Tensor> { Ok(Tensor::cat(parts, 0)?.t()?.contiguous()?) };
        let (hidden, feed_forward) = (sizes.hidden, sizes.feed_forward);
        Ok(Block {
            attention_norm: self.vector(&name("attn_norm"), hidden)?,
            query_key_value: side_by_side(&[
                matrix("attn_q", sizes.query_width(), hidden)?,
                matrix("attn_k", sizes.key_value_width(), hidden)?,
                matrix("attn_v", sizes.key_value_width(), hidden)?,
            ])?,
            query_key_value_bias: match biases {
                Some(biases) => Some(Tensor::cat(&biases, 0)?),
                None => None,
            },
            query_norm: vector("attn_q_norm.weight", sizes.head_size)?,
            key_norm: vector("attn_k_norm.weight", sizes.head_size)?,
            attention_output: side_by_side(&[matrix("attn_output", hidden, sizes.query_width())?])?,
            feed_forward_norm: self.vector(&name("ffn_norm"), hidden)?,
            gate_up: side_by_side(&[
                matrix("ffn_gate", feed_forward, hidden)?,
                matrix("ffn_up", feed_forward, hidden)?,
            ])?,
            down: side_by_side(&[matrix("ffn_down", hidden, feed_forward)?])?,
        })
    }

    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Tensor> {
        self.tensor(name, &[rows, columns])
    }

    fn vector(&self, name: &str, length: usize) -> Result<Tensor> {
        self.tensor(name, &[length])
    }

    fn tensor(&self, name: &str, dims: &[usize]) -> Result<Tensor> {
        let found = self.file.tensor_info(name)?.shape.dims();
        ensure!(
            found == dims,
            "tensor {name} of {} has shape {found:?}, but {dims:?} was expected",
            self.file.path.display()
        );
        let tensor = self.file.tensor(name, self.device)?;
        tensor
            .dequantize(self.device)
            .and_then(|tensor| tensor.to_dtype(self.dtype))
            .with_context(|| format!("cannot read tensor {name} of {}", self.file.path.display()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use candle_core::quantized::gguf_file::{self, Value};
    use candle_core::quantized::{GgmlDType, QTensor};
    use std::path::Path;

    #[test]
    fn the_forward_pass_equals_the_formulas_written_out() {
        for model in tiny_models() {
            let tokens: Vec<u32> = (0..40).map(|index| index * 7 % VOCABULARY as u32).collect();
            for prefix in [0, 1, 17, 39] {
                let found = logits(&model, &tokens[..prefix], &[&tokens[prefix..]]);
                assert_close(&found[0], &reference_logits(&model, &tokens), 1e-4);
            }
        }
    }

    #[test]
    fn only_qwen_rotates_halves_qwen2_has_biases_and_qwen3_head_norms() {
        let found = tiny_models().map(|model| {
            let has = |part: fn(&Block) -> &Option<Tensor>| {
                model.blocks.iter().all(|block| part(block).is_some())
            };
            (
                model.rotation_pairs,
                has(|block| &block.query_key_value_bias),
                has(|block| &block.query_norm) && has(|block| &block.key_norm),
            )
        });
        let expected = [
            (Pairs::Neighbors, false, false),
            (Pairs::Halves, true, false),
            (Pairs::Halves, false, true),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_qwen_file_without_its_own_tensors_is_an_error() {
        for (architecture, missing) in [
            ("qwen2", "blk.1.attn_v.bias"),
            ("qwen3", "blk.0.attn_k_norm.weight"),
        ] {
            let (metadata, mut tensors) = tiny_qwen(architecture);
            tensors.retain(|(name, _)| name != missing);
            assert_load_error(metadata, tensors, &format!("has no tensor {missing}"));
        }
    }

    #[test]
    fn a_packed_sequence_scores_as_each_continuation_alone() {
        let models = tiny_models();
        let tokens: Vec<u32> = (0..2500)
            .map(|index| index * 11 % VOCABULARY as u32)
            .collect();
        // Longer than a block of queries, longer than a chunk, and very short ones among them.
        let lengths = [1, 2, 300, 7, 2100, 65, 1, 900, 900];
        let continuations: Vec<&[u32]> = lengths
            .iter()
            .enumerate()
            .map(|(index, length)| &tokens[index..index + length])
            .collect();
        let prefixes = [&tokens[..0], &tokens[..1], &tokens[30..380]];
        for (model, prefix) in models
            .iter()
            .flat_map(|model| prefixes.map(|prefix| (model, prefix)))
        {
            let packed = logits(model, prefix, &continuations);
            for (continuation, packed) in continuations.iter().zip(&packed) {
                let whole = [prefix, continuation].concat();
                assert_close(packed, &logits(model, &[], &[&whole])[0], 1e-4);
            }
        }
    }

    #[test]
    fn a_single_continuation_is_scored() {
        let directory = tempfile::tempdir().unwrap();
        let model = load(&directory, tiny_metadata(), tiny_tensors(true));
        assert_eq!(logits(&model, &[1, 2, 3], &[&[4]]).len(), 1);
    }

    #[test]
    fn only_the_tokens_asked_for_are_answered_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let model = load(&directory, tiny_metadata(), tiny_tensors(true));
        let all = logits(&model, &[1, 2], &[&[3, 4]]);
        let sequence = PackedSequence {
            prefix: vec![1, 2],
            continuations: vec![vec![3, 4]],
        };
        let some = model.next_token_logits(&sequence, &[9, 0, 9]).unwrap();
        assert_close(&some[0], &[all[0][9], all[0][0], all[0][9]], 1e-5);
    }

    #[test]
    fn the_embedding_is_the_output_where_the_file_has_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let model = load(&directory, tiny_metadata(), tiny_tensors(false));
        let tokens = [5, 6, 7];
        assert_close(
            &logits(&model, &tokens[..1], &[&tokens[1..]])[0],
            &reference_logits(&model, &tokens),
            1e-4,
        );
    }

    #[test]
    fn sequences_that_cannot_be_scored_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let model = load(&directory, tiny_metadata(), tiny_tensors(true));
        let error = |prefix: &[u32], continuations: &[&[u32]]| {
            let sequence = packed(prefix, continuations);
            let tokens = [0];
            let error = model.next_token_logits(&sequence, &tokens).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            error(&[1], &[]),
            "at least one continuation to score was expected"
        );
        assert_eq!(
            error(&[1], &[&[1], &[]]),
            "continuation 1 has no tokens, at least one was expected"
        );
        assert_eq!(
            error(&[1; 4000], &[&[1; 97]]),
            "continuation 0 and its prefix have 4097 tokens, but the model reads at most 4096"
        );
        let foreign =
            "token 50 is not in the model's vocabulary of 50: another model's tokenizer was used";
        assert_eq!(error(&[50], &[&[1]]), foreign);
        assert_eq!(error(&[1], &[&[50]]), foreign);
        let sequence = packed(&[], &[&[1]]);
        let error = model.next_token_logits(&sequence, &[50]).unwrap_err();
        assert_eq!(error.to_string(), foreign);
    }

    #[test]
    fn another_architecture_is_named() {
        let mut metadata = tiny_metadata();
        metadata[0].1 = Value::String("qwen3moe".to_owned());
        assert_load_error(
            metadata,
            tiny_tensors(true),
            "is qwen3moe, but one of llama, qwen2, qwen3 was expected",
        );
    }

    #[test]
    fn a_tensor_that_the_model_would_not_use_is_an_error() {
        let mut tensors = tiny_tensors(true);
        tensors.push(("blk.0.attn_q.bias".to_owned(), random(&[HIDDEN])));
        assert_load_error(
            tiny_metadata(),
            tensors,
            "has a tensor blk.0.attn_q.bias: this variant of llama is not supported here",
        );
    }

    #[test]
    fn a_tensor_of_another_shape_is_an_error() {
        let mut tensors = tiny_tensors(true);
        for (name, tensor) in &mut tensors {
            if name == "blk.1.ffn_down.weight" {
                *tensor = random(&[HIDDEN, 7]);
            }
        }
        assert_load_error(
            tiny_metadata(),
            tensors,
            "has shape [24, 7], but [24, 40] was expected",
        );
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        for (key, value, message) in [
            (
                "llama.attention.head_count",
                0,
                "is 0, at least 1 was expected",
            ),
            ("llama.attention.head_count", 5, "the attention sizes of"),
            (
                "llama.block_count",
                3,
                "has no tensor blk.2.attn_norm.weight",
            ),
            ("llama.block_count", u32::MAX, "but there are 21 tensors"),
            (
                "llama.rope.dimension_count",
                2,
                "rotates a part of each head",
            ),
        ] {
            let mut metadata = tiny_metadata();
            metadata.retain(|(name, _)| *name != key);
            metadata.push((key, Value::U32(value)));
            assert_load_error(metadata, tiny_tensors(true), message);
        }
    }

    #[test]
    fn chunks_have_about_the_same_size_and_keep_the_order() {
        let continuations = vec![vec![0; 100]; 30];
        let lengths: Vec<usize> = chunks(&continuations)
            .iter()
            .map(|chunk| chunk.len())
            .collect();
        assert_eq!(lengths, [15, 15]);

        let mut continuations = vec![vec![0; 10]; 5];
        continuations.insert(2, vec![0; 3000]);
        let chunks = chunks(&continuations);
        assert_eq!(chunks.concat(), continuations);
    }

    const VOCABULARY: usize = 50;
    const HIDDEN: usize = 24;
    const FEED_FORWARD: usize = 40;
    const HEADS: usize = 6;
    const KEY_VALUE_HEADS: usize = 2;
    const HEAD_SIZE: usize = 4;
    const BLOCKS: usize = 2;

    fn tiny_metadata() -> Vec<(&'static str, Value)> {
        vec![
            ("general.architecture", Value::String("llama".to_owned())),
            ("llama.block_count", Value::U32(BLOCKS as u32)),
            ("llama.context_length", Value::U32(4096)),
            ("llama.embedding_length", Value::U32(HIDDEN as u32)),
            ("llama.feed_forward_length", Value::U32(FEED_FORWARD as u32)),
            ("llama.attention.head_count", Value::U32(HEADS as u32)),
            (
                "llama.attention.head_count_kv",
                Value::U32(KEY_VALUE_HEADS as u32),
            ),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("llama.rope.freq_base", Value::F32(5000.0)),
        ]
    }

    fn tiny_tensors(untied: bool) -> Vec<(String, Tensor)> {
        tiny_tensors_with_heads_of(HEAD_SIZE, untied)
    }

    fn tiny_tensors_with_heads_of(head_size: usize, untied: bool) -> Vec<(String, Tensor)> {
        let (query, key_value) = (HEADS * head_size, KEY_VALUE_HEADS * head_size);
        let mut tensors = vec![
            (EMBEDDING.to_owned(), random(&[VOCABULARY, HIDDEN])),
            (OUTPUT_NORM.to_owned(), random(&[HIDDEN])),
        ];
        if untied {
            tensors.push((OUTPUT.to_owned(), random(&[VOCABULARY, HIDDEN])));
        }
        for index in 0..BLOCKS {
            let shapes: [&[usize]; 9] = [
                &[HIDDEN],
                &[query, HIDDEN],
                &[key_value, HIDDEN],
                &[key_value, HIDDEN],
                &[HIDDEN, query],
                &[HIDDEN],
                &[FEED_FORWARD, HIDDEN],
                &[FEED_FORWARD, HIDDEN],
                &[HIDDEN, FEED_FORWARD],
            ];
            for (part, shape) in BLOCK_TENSORS.iter().zip(shapes) {
                tensors.push((format!("blk.{index}.{part}.weight"), random(shape)));
            }
        }
        tensors
    }

    type Metadata = Vec<(String, Value)>;

    /// qwen2 with the usual head size, qwen3 with another.
    fn tiny_qwen(architecture: &str) -> (Metadata, Vec<(String, Tensor)>) {
        let (head_size, more_block_tensors) = match architecture {
            "qwen2" => {
                let key_value = KEY_VALUE_HEADS * HEAD_SIZE;
                let biases = [
                    ("attn_q.bias", HIDDEN),
                    ("attn_k.bias", key_value),
                    ("attn_v.bias", key_value),
                ];
                (HEAD_SIZE, biases.to_vec())
            }
            _ => {
                let norms = [("attn_q_norm.weight", 10), ("attn_k_norm.weight", 10)];
                (10, norms.to_vec())
            }
        };
        let mut metadata: Metadata = tiny_metadata()
            .into_iter()
            .map(|(key, value)| (key.replace("llama", architecture), value))
            .collect();
        metadata[0].1 = Value::String(architecture.to_owned());
        let key_length = format!("{architecture}.attention.key_length");
        metadata.push((key_length, Value::U32(head_size as u32)));
        let mut tensors = tiny_tensors_with_heads_of(head_size, true);
        for index in 0..BLOCKS {
            for (part, length) in &more_block_tensors {
                tensors.push((format!("blk.{index}.{part}"), random(&[*length])));
            }
        }
        (metadata, tensors)
    }

    /// One of each architecture.
    pub fn tiny_models() -> [Transformer; 3] {
        let directory = tempfile::tempdir().unwrap();
        let qwen = |architecture| {
            let (metadata, tensors) = tiny_qwen(architecture);
            load(&directory, metadata, tensors)
        };
        [
            load(&directory, tiny_metadata(), tiny_tensors(true)),
            qwen("qwen2"),
            qwen("qwen3"),
        ]
    }

    fn random(shape: &[usize]) -> Tensor {
        Tensor::randn(0f32, 0.4, shape, &Device::Cpu).unwrap()
    }

    fn write<Key: AsRef<str>>(
        path: &Path,
        metadata: &[(Key, Value)],
        tensors: &[(String, Tensor)],
    ) {
        let metadata: Vec<(&str, &Value)> = metadata
            .iter()
            .map(|(key, value)| (key.as_ref(), value))
            .collect();
        let tensors: Vec<(&str, QTensor)> = tensors
            .iter()
            .map(|(name, tensor)| {
                let tensor = QTensor::quantize(tensor, GgmlDType::F32).unwrap();
                (name.as_str(), tensor)
            })
            .collect();
        let tensors: Vec<(&str, &QTensor)> = tensors
            .iter()
            .map(|(name, tensor)| (*name, tensor))
            .collect();
        let mut file = std::fs::File::create(path).unwrap();
        gguf_file::write(&mut file, &metadata, &tensors).unwrap();
    }

    fn load<Key: AsRef<str>>(
        directory: &tempfile::TempDir,
        metadata: Vec<(Key, Value)>,
        tensors: Vec<(String, Tensor)>,
    ) -> Transformer {
        let path = directory.path().join("tiny.gguf");
        write(&path, &metadata, &tensors);
        let file = GgufFile::open(&path).unwrap();
        Transformer::load(&file, &Device::Cpu, DType::F32).unwrap()
    }

    fn assert_load_error<Key: AsRef<str>>(
        metadata: Vec<(Key, Value)>,
        tensors: Vec<(String, Tensor)>,
        expected: &str,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tiny.gguf");
        write(&path, &metadata, &tensors);
        let file = GgufFile::open(&path).unwrap();
        let error = Transformer::load(&file, &Device::Cpu, DType::F32).unwrap_err();
        let message = format!("{error:#}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    fn packed(prefix: &[u32], continuations: &[&[u32]]) -> PackedSequence {
        PackedSequence {
            prefix: prefix.to_vec(),
            continuations: continuations.iter().map(|tokens| tokens.to_vec()).collect(),
        }
    }

    /// The logits of the whole vocabulary.
    fn logits(model: &Transformer, prefix: &[u32], continuations: &[&[u32]]) -> Vec<Vec<f32>> {
        let vocabulary: Vec<u32> = (0..model.output.dim(0).unwrap() as u32).collect();
        model
            .next_token_logits(&packed(prefix, continuations), &vocabulary)
            .unwrap()
    }

    fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < tolerance, "{found} {expected}");
        }
    }

    /// The model as its papers give it, one number at a time in f64: Llama (arXiv:2302.13971)
    /// with grouped queries (arXiv:2305.13245) and pairs rotated (arXiv:2104.09864); biases as in
    /// Qwen2 (arXiv:2407.10671), head norms as in Qwen3 (arXiv:2505.09388).
    fn reference_logits(model: &Transformer, tokens: &[u32]) -> Vec<f32> {
        let head_size = model.sizes.head_size;
        let norm = |row: &[f64], weight: &Tensor| -> Vec<f64> {
            let mean = row.iter().map(|value| value * value).sum::<f64>() / row.len() as f64;
            let weight = weight.to_vec1::<f32>().unwrap();
            row.iter()
                .zip(weight)
                .map(|(value, weight)| value / (mean + 1e-5).sqrt() * f64::from(weight))
                .collect()
        };
        // A row times a matrix [in, out].
        let times = |row: &[f64], matrix: &Tensor| -> Vec<f64> {
            let matrix = matrix.to_vec2::<f32>().unwrap();
            (0..matrix[0].len())
                .map(|out| {
                    row.iter()
                        .zip(&matrix)
                        .map(|(value, weights)| value * f64::from(weights[out]))
                        .sum()
                })
                .collect()
        };
        let rotate = |head: &[f64], position: usize| -> Vec<f64> {
            let mut rotated = vec![0.0; head_size];
            for pair in 0..head_size / 2 {
                let (first, second) = match model.rotation_pairs {
                    Pairs::Neighbors => (2 * pair, 2 * pair + 1),
                    Pairs::Halves => (pair, pair + head_size / 2),
                };
                let exponent = -2.0 * pair as f64 / head_size as f64;
                let angle = position as f64 * 5000f64.powf(exponent);
                rotated[first] = head[first] * angle.cos() - head[second] * angle.sin();
                rotated[second] = head[first] * angle.sin() + head[second] * angle.cos();
            }
            rotated
        };
        let add =
            |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };

        let embedding = model.embedding.to_vec2::<f32>().unwrap();
        let mut rows: Vec<Vec<f64>> = tokens
            .iter()
            .map(|token| {
                embedding[*token as usize]
                    .iter()
                    .map(|value| f64::from(*value))
                    .collect()
            })
            .collect();
        for block in &model.blocks {
            let norm_head = |head: &[f64], weight: &Option<Tensor>| match weight {
                Some(weight) => norm(head, weight),
                None => head.to_vec(),
            };
            // Heads of each token: the queries, then the keys, then the values.
            let heads: Vec<Vec<Vec<f64>>> = rows
                .iter()
                .enumerate()
                .map(|(position, row)| {
                    let mut row = times(&norm(row, &block.attention_norm), &block.query_key_value);
                    if let Some(bias) = &block.query_key_value_bias {
                        for (value, bias) in row.iter_mut().zip(bias.to_vec1::<f32>().unwrap()) {
                            *value += f64::from(bias);
                        }
                    }
                    row.chunks(head_size)
                        .enumerate()
                        .map(|(index, head)| {
                            if index < HEADS {
                                rotate(&norm_head(head, &block.query_norm), position)
                            } else if index < HEADS + KEY_VALUE_HEADS {
                                rotate(&norm_head(head, &block.key_norm), position)
                            } else {
                                head.to_vec()
                            }
                        })
                        .collect()
                })
                .collect();
            for (position, row) in rows.iter_mut().enumerate() {
                let mut attended = Vec::new();
                for head in 0..HEADS {
                    let shared = HEADS + head / (HEADS / KEY_VALUE_HEADS);
                    let weights: Vec<f64> = (0..=position)
                        .map(|other| {
                            let product = heads[position][head]
                                .iter()
                                .zip(&heads[other][shared])
                                .map(|(query, key)| query * key)
                                .sum::<f64>();
                            (product / (head_size as f64).sqrt()).exp()
                        })
                        .collect();
                    let total: f64 = weights.iter().sum();
                    attended.extend((0..head_size).map(|index| {
                        (0..=position)
                            .map(|other| {
                                weights[other] / total
                                    * heads[other][shared + KEY_VALUE_HEADS][index]
                            })
                            .sum::<f64>()
                    }));
                }
                *row = add(row, &times(&attended, &block.attention_output));
                let gate_up = times(&norm(row, &block.feed_forward_norm), &block.gate_up);
                let (gate, up) = gate_up.split_at(FEED_FORWARD);
                let inner: Vec<f64> = gate
                    .iter()
                    .zip(up)
                    .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up)
                    .collect();
                *row = add(row, &times(&inner, &block.down));
            }
        }
        let last = norm(&rows[tokens.len() - 1], &model.output_norm);
        times(&last, &model.output.t().unwrap())
            .into_iter()
            .map(|logit| logit as f32)
            .collect()
    }
}
