//! qwen2 and qwen3 files, held to what mistral.rs gives for the same file.

mod support;

use std::path::Path;
use std::sync::Arc;

use accord::inference::calibration::Calibration;
use accord::inference::model_files::ModelFiles;
use accord::inference::reward::RewardModel;
use accord::inference::serving::ServedModel;
use accord::transformer::gguf::GgufFile;
use accord::transformer::{PackedSequence, Transformer};
use candle_core::{DType, Device};
use support::random_model::{HEADS, KEY_VALUE_HEADS, random_model};

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
    let packed =
        RewardModel::packed(&file, None, &Device::Cpu, prompts(), Calibration::default()).unwrap();
    let served = RewardModel::served(Arc::new(served), prompts(), Calibration::default()).unwrap();
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
