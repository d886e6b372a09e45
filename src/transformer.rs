//! A llama-family transformer on candle, read from GGUF.
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
    /// [vocabulary, hidden]
    pub embedding: Tensor,
    pub blocks: Vec<Block>,
    /// [hidden]
    pub output_norm: Tensor,
    /// [vocabulary, hidden]; the same storage as `embedding` where the model ties them.
    pub output: Tensor,
}

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
    /// If the architecture is not `llama`, or a variant of it that is not supported, or if
    /// metadata or tensors are missing or do not fit together.
    pub fn load(file: &GgufFile, device: &Device, dtype: DType) -> Result<Self> {
        let name = file.path.display();
        let architecture = file.string("general.architecture")?;
        ensure!(
            architecture == "llama",
            "the architecture of {name} is {architecture}, but only llama is supported here"
        );
        let block_count = file.u32("llama.block_count")? as usize;
        let sizes = read_sizes(file)?;
        check_tensor_names(file, block_count)?;

        let weights = Weights {
            file,
            device,
            dtype,
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
        Ok(Self {
            context_length: file.u32("llama.context_length")? as usize,
            rotation_base: match file.content.metadata.contains_key(ROTATION_BASE) {
                true => file.f32(ROTATION_BASE)?,
                false => 10_000.0,
            },
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
const ROTATION_BASE: &str = "llama.rope.freq_base";
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

fn read_sizes(file: &GgufFile) -> Result<Sizes> {
    let size = |key: &str| -> Result<usize> {
        let size = file.u32(key)? as usize;
        ensure!(
            size > 0,
            "metadata {key} of {} is 0, at least 1 was expected",
            file.path.display()
        );
        Ok(size)
    };
    let has = |key: &str| file.content.metadata.contains_key(key);
    let hidden = size("llama.embedding_length")?;
    let heads = size("llama.attention.head_count")?;
    let key_value_heads = match has("llama.attention.head_count_kv") {
        true => size("llama.attention.head_count_kv")?,
        false => heads,
    };
    let head_size = match has("llama.attention.key_length") {
        true => size("llama.attention.key_length")?,
        false => hidden / heads,
    };
    ensure!(
        heads.is_multiple_of(key_value_heads) && head_size > 0 && head_size.is_multiple_of(2),
        "the attention sizes of {} do not fit: {heads} heads of {head_size}, {key_value_heads} of keys and values",
        file.path.display()
    );
    let rotated = "llama.rope.dimension_count";
    ensure!(
        !has(rotated) || size(rotated)? == head_size,
        "{} rotates a part of each head only, which is not supported here",
        file.path.display()
    );
    let scaling = "llama.rope.scaling.type";
    ensure!(
        !has(scaling) || file.string(scaling)? == "none",
        "{} scales its rotary embedding, which is not supported here",
        file.path.display()
    );
    Ok(Sizes {
        hidden,
        feed_forward: size("llama.feed_forward_length")?,
        heads,
        key_value_heads,
        head_size,
        norm_epsilon: file.f32("llama.attention.layer_norm_rms_epsilon")?,
    })
}

/// A tensor that this model does not use (a bias, an expert, a table of rotation factors) means
/// a variant whose results would be wrong.
fn check_tensor_names(file: &GgufFile, block_count: usize) -> Result<()> {
    let names = &file.content.tensor_infos;
    ensure!(
        (1..=names.len()).contains(&block_count),
        "metadata llama.block_count of {} is {block_count}, but there are {} tensors",
        file.path.display(),
        names.len()
    );
    let known: HashSet<String> = (0..block_count)
        .flat_map(|index| {
            BLOCK_TENSORS
                .iter()
                .map(move |name| format!("blk.{index}.{name}.weight"))
        })
        .chain([EMBEDDING, OUTPUT, OUTPUT_NORM].map(String::from))
        .collect();
    if let Some(unknown) = names.keys().filter(|name| !known.contains(*name)).min() {
        bail!(
            "{} has a tensor {unknown}: this variant of llama is not supported here",
            file.path.display()
        );
    }
    Ok(())
}

struct Weights<'a> {
    file: &'a GgufFile,
    device: &'a Device,
    dtype: DType,
}

impl Weights<'_> {
    fn block(&self, index: usize, sizes: &Sizes) -> Result<Block> {
        let name = |part: &str| format!("blk.{index}.{part}.weight");
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
        let directory = tempfile::tempdir().unwrap();
        let model = load(&directory, tiny_metadata(), tiny_tensors(true));
        let tokens: Vec<u32> = (0..40).map(|index| index * 7 % VOCABULARY as u32).collect();
        for prefix in [0, 1, 17, 39] {
            let found = logits(&model, &tokens[..prefix], &[&tokens[prefix..]]);
            assert_close(&found[0], &reference_logits(&model, &tokens), 1e-4);
        }
    }

    #[test]
    fn a_packed_sequence_scores_as_each_continuation_alone() {
        let directory = tempfile::tempdir().unwrap();
        let model = load(&directory, tiny_metadata(), tiny_tensors(true));
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
        for prefix in [&tokens[..0], &tokens[..1], &tokens[30..380]] {
            let packed = logits(&model, prefix, &continuations);
            for (continuation, packed) in continuations.iter().zip(&packed) {
                let whole = [prefix, continuation].concat();
                assert_close(packed, &logits(&model, &[], &[&whole])[0], 1e-4);
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
        metadata[0].1 = Value::String("qwen3".to_owned());
        assert_load_error(
            metadata,
            tiny_tensors(true),
            "is qwen3, but only llama is supported here",
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
        let key_value = KEY_VALUE_HEADS * HEAD_SIZE;
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
                &[HIDDEN, HIDDEN],
                &[key_value, HIDDEN],
                &[key_value, HIDDEN],
                &[HIDDEN, HIDDEN],
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

    fn random(shape: &[usize]) -> Tensor {
        Tensor::randn(0f32, 0.4, shape, &Device::Cpu).unwrap()
    }

    fn write(path: &Path, metadata: &[(&str, Value)], tensors: &[(String, Tensor)]) {
        let metadata: Vec<(&str, &Value)> =
            metadata.iter().map(|(key, value)| (*key, value)).collect();
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

    /// Two blocks of random weights.
    pub fn tiny_model() -> Transformer {
        let directory = tempfile::tempdir().unwrap();
        load(&directory, tiny_metadata(), tiny_tensors(true))
    }

    fn load(
        directory: &tempfile::TempDir,
        metadata: Vec<(&str, Value)>,
        tensors: Vec<(String, Tensor)>,
    ) -> Transformer {
        let path = directory.path().join("tiny.gguf");
        write(&path, &metadata, &tensors);
        let file = GgufFile::open(&path).unwrap();
        Transformer::load(&file, &Device::Cpu, DType::F32).unwrap()
    }

    fn assert_load_error(
        metadata: Vec<(&str, Value)>,
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
    /// with grouped queries (arXiv:2305.13245) and pairs of neighbors rotated (arXiv:2104.09864).
    fn reference_logits(model: &Transformer, tokens: &[u32]) -> Vec<f32> {
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
            (0..HEAD_SIZE)
                .map(|index| {
                    let pair = index / 2;
                    let exponent = -2.0 * pair as f64 / HEAD_SIZE as f64;
                    let angle = position as f64 * 5000f64.powf(exponent);
                    let (first, second) = (head[2 * pair], head[2 * pair + 1]);
                    match index % 2 {
                        0 => first * angle.cos() - second * angle.sin(),
                        _ => first * angle.sin() + second * angle.cos(),
                    }
                })
                .collect()
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
            // Heads of each token: the queries, then the keys, then the values.
            let heads: Vec<Vec<Vec<f64>>> = rows
                .iter()
                .enumerate()
                .map(|(position, row)| {
                    times(&norm(row, &block.attention_norm), &block.query_key_value)
                        .chunks(HEAD_SIZE)
                        .enumerate()
                        .map(|(index, head)| match index < HEADS + KEY_VALUE_HEADS {
                            true => rotate(head, position),
                            false => head.to_vec(),
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
                            (product / (HEAD_SIZE as f64).sqrt()).exp()
                        })
                        .collect();
                    let total: f64 = weights.iter().sum();
                    attended.extend((0..HEAD_SIZE).map(|index| {
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
