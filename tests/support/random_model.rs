//! Small models of random weights, which take no time to run or to train.

use accord::transformer::gguf::GgufFile;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempPath;

const HIDDEN: usize = 64;
const FEED_FORWARD: usize = 96;
pub const HEADS: usize = 4;
pub const KEY_VALUE_HEADS: usize = 2;
const BLOCKS: usize = 3;

/// A model in f32 with the embedded model's tokenizer.
pub fn random_model(
    architecture: &str,
    head_size: usize,
    more_block_tensors: &[(&str, &[usize])],
    untied: bool,
) -> TempPath {
    let embedded = GgufFile::open(&super::embedded_gguf()).unwrap();
    let vocabulary = embedded.strings("tokenizer.ggml.tokens").unwrap().len();
    let whole = |number: usize| Value::U32(number as u32);
    let sizes = [
        ("block_count", whole(BLOCKS)),
        ("context_length", whole(1024)),
        ("embedding_length", whole(HIDDEN)),
        ("feed_forward_length", whole(FEED_FORWARD)),
        ("attention.head_count", whole(HEADS)),
        ("attention.head_count_kv", whole(KEY_VALUE_HEADS)),
        ("attention.key_length", whole(head_size)),
        ("attention.value_length", whole(head_size)),
        ("attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
        ("rope.freq_base", Value::F32(1e6)),
    ]
    .map(|(key, value)| (format!("{architecture}.{key}"), value));
    let architecture = Value::String(architecture.to_owned());
    let mut metadata: Vec<(&str, &Value)> = vec![("general.architecture", &architecture)];
    metadata.extend(sizes.iter().map(|(key, value)| (key.as_str(), value)));
    let tokenizer = embedded.content.metadata.iter();
    metadata.extend(
        tokenizer
            .filter(|(key, _)| key.starts_with("tokenizer."))
            .map(|(key, value)| (key.as_str(), value)),
    );

    let query = HEADS * head_size;
    let key_value = KEY_VALUE_HEADS * head_size;
    let common: [(&str, &[usize]); 9] = [
        ("attn_norm.weight", &[HIDDEN]),
        ("attn_q.weight", &[query, HIDDEN]),
        ("attn_k.weight", &[key_value, HIDDEN]),
        ("attn_v.weight", &[key_value, HIDDEN]),
        ("attn_output.weight", &[HIDDEN, query]),
        ("ffn_norm.weight", &[HIDDEN]),
        ("ffn_gate.weight", &[FEED_FORWARD, HIDDEN]),
        ("ffn_up.weight", &[FEED_FORWARD, HIDDEN]),
        ("ffn_down.weight", &[HIDDEN, FEED_FORWARD]),
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut tensors = vec![
        (
            "token_embd.weight".to_owned(),
            random(&mut rng, &[vocabulary, HIDDEN]),
        ),
        ("output_norm.weight".to_owned(), random(&mut rng, &[HIDDEN])),
    ];
    if untied {
        tensors.push((
            "output.weight".to_owned(),
            random(&mut rng, &[vocabulary, HIDDEN]),
        ));
    }
    for index in 0..BLOCKS {
        for (part, shape) in common.iter().chain(more_block_tensors) {
            tensors.push((format!("blk.{index}.{part}"), random(&mut rng, shape)));
        }
    }
    let tensors: Vec<(&str, &QTensor)> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    let mut file = tempfile::Builder::new().suffix(".gguf").tempfile().unwrap();
    gguf_file::write(&mut file, &metadata, &tensors).unwrap();
    file.into_temp_path()
}

/// Numbers of mean square 1 in vectors; in matrices such that a product keeps the mean square.
fn random(rng: &mut ChaCha8Rng, shape: &[usize]) -> QTensor {
    let bound = match shape {
        [_, columns] => (3.0 / *columns as f32).sqrt(),
        _ => 3f32.sqrt(),
    };
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.random_range(-bound..bound))
        .collect();
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    QTensor::quantize(&tensor, GgmlDType::F32).unwrap()
}
