//! qwen2 and qwen3 files, held to what mistral.rs gives for the same file.

mod support;

use std::path::Path;
use std::sync::Arc;

use accord::inference::model_files::ModelFiles;
use accord::inference::reward::RewardModel;
use accord::inference::serving::ServedModel;
use accord::transformer::gguf::GgufFile;
use accord::transformer::{PackedSequence, Transformer};
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempPath;

#[tokio::test(flavor = "multi_thread")]
async fn logits_and_ratings_of_a_qwen2_file_are_those_of_mistral_rs() {
    let biases: [(&str, &[usize]); 3] = [
        ("attn_q.bias", &[HEADS * 16]),
        ("attn_k.bias", &[KEY_VALUE_HEADS * 16]),
        ("attn_v.bias", &[KEY_VALUE_HEADS * 16]),
    ];
    let path = random_model("qwen2", 16, &biases, false);
    assert_same_answers(&path).await;
}

/// Its head size is not the hidden size divided by the heads, and its output not the embedding.
#[tokio::test(flavor = "multi_thread")]
async fn logits_and_ratings_of_a_qwen3_file_are_those_of_mistral_rs() {
    let norms: [(&str, &[usize]); 2] =
        [("attn_q_norm.weight", &[32]), ("attn_k_norm.weight", &[32])];
    let path = random_model("qwen3", 32, &norms, true);
    assert_same_answers(&path).await;
}

const HIDDEN: usize = 64;
const FEED_FORWARD: usize = 96;
const HEADS: usize = 4;
const KEY_VALUE_HEADS: usize = 2;
const BLOCKS: usize = 3;

/// A model in f32 with the embedded model's tokenizer.
fn random_model(
    architecture: &str,
    head_size: usize,
    more_block_tensors: &[(&str, &[usize])],
    untied: bool,
) -> TempPath {
    let embedded = GgufFile::open(&support::embedded_gguf()).unwrap();
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

/// A part left out or put in another place (biases, head norms, pairs, the rotation's base) moves
/// some logit by more than 0.5. Their standard deviation is 1; mistral.rs rounds attention to f16.
const TOLERANCE: f32 = 0.01;

async fn assert_same_answers(path: &Path) {
    let file = GgufFile::open(path).unwrap();
    let transformer = Transformer::load(&file, &Device::Cpu, DType::F32).unwrap();
    let served = ServedModel::load(&ModelFiles::Gguf(path.to_owned()))
        .await
        .unwrap();
    let example = support::night_buses();
    let text = example.opinions.concat();
    let tokens = served.tokenizer.encode(&text).unwrap();
    let sequence = PackedSequence {
        prefix: tokens[..100].to_vec(),
        continuations: vec![
            tokens[100..101].to_vec(),
            tokens[100..160].to_vec(),
            tokens[70..100].to_vec(),
        ],
    };
    let vocabulary: Vec<u32> = (0..transformer.embedding.dim(0).unwrap() as u32).collect();
    let packed = transformer
        .next_token_logits(&sequence, &vocabulary)
        .unwrap();
    for (continuation, packed) in sequence.continuations.iter().zip(packed) {
        let prompt = [&sequence.prefix[..], continuation].concat();
        let served = served.next_token_logits(prompt, &vocabulary).await.unwrap();
        for (packed, served) in packed.iter().zip(served) {
            assert!((packed - served).abs() < TOLERANCE, "{packed} {served}");
        }
    }

    let prompts = || support::config().prompts().unwrap();
    let packed = RewardModel::packed(&file, &Device::Cpu, prompts()).unwrap();
    let served = RewardModel::served(Arc::new(served), prompts()).unwrap();
    let statements: Vec<&str> = example.opinions[1..4].iter().map(String::as_str).collect();
    let (question, opinion) = (&example.question, &example.opinions[0]);
    let packed = packed
        .predict(question, opinion, &statements)
        .await
        .unwrap();
    let served = served
        .predict(question, opinion, &statements)
        .await
        .unwrap();
    for (packed, served) in packed.iter().zip(&served) {
        let (packed, served) = (packed.mean(), served.mean());
        assert!(
            (packed - served).abs() < TOLERANCE.into(),
            "{packed} {served}"
        );
    }
}
