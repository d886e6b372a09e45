//! The reward model's engines on the real model: the same prompt gives the same numbers.

mod support;

use std::path::Path;
use std::sync::Arc;

use accord::deliberation::distribution::RatingDistribution;
use accord::inference::calibration::Calibration;
use accord::inference::model_files::ModelFiles;
use accord::inference::reward::RewardModel;
use accord::inference::serving::ServedModel;
use accord::inference::tokenizer::Tokenizer;
use accord::transformer::gguf::GgufFile;
use candle_core::Device;

const STATEMENTS: [&str; 4] = [
    "Run small electric buses on Friday and Saturday nights, with a second member of staff on board.",
    "No night buses.",
    "Night buses cost twice what day buses cost, so let people who work at night call a shared taxi at the price of a bus ticket, and look at the figures again after a year with the drivers and the people on the route.",
    "Buses are good, \"buses\" are 100 % good; naïve cafés agree 🚌.",
];

fn packed(path: &Path) -> RewardModel {
    let gguf = GgufFile::open(path).unwrap();
    RewardModel::packed(
        &gguf,
        None,
        &Device::Cpu,
        support::config().prompts().unwrap(),
        Calibration::default(),
    )
    .unwrap()
}

async fn together(model: &RewardModel, opinion: &str) -> Vec<RatingDistribution> {
    model
        .predict(&support::night_buses().question, opinion, &STATEMENTS)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_rated_together_get_what_they_get_one_at_a_time() {
    let model = packed(&support::embedded_gguf());
    let example = support::night_buses();
    for opinion in &example.opinions[..2] {
        let together = together(&model, opinion).await;
        for (statement, together) in STATEMENTS.iter().zip(together) {
            let alone = model
                .predict(&example.question, opinion, &[statement])
                .await
                .unwrap();
            assert!(
                (alone[0].mean() - together.mean()).abs() < 1e-3,
                "{statement}"
            );
            for (a, b) in alone[0]
                .probabilities()
                .iter()
                .zip(together.probabilities())
            {
                assert!((a - b).abs() < 1e-3, "{statement}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistral_rs_and_the_packed_scorer_agree() {
    // The same file for both, in f32: on a quantized one mistral.rs rounds what it computes to
    // 8 bits, which moves a rating by up to 0.05.
    let path = support::embedded_in_f32();
    let packed = packed(&path);
    let served = ServedModel::load(&ModelFiles::Gguf(path)).await.unwrap();
    let served = RewardModel::served(
        Arc::new(served),
        support::config().prompts().unwrap(),
        Calibration::default(),
    )
    .unwrap();
    for opinion in &support::night_buses().opinions[..3] {
        let (packed, served) = (
            together(&packed, opinion).await,
            together(&served, opinion).await,
        );
        for (statement, (packed, served)) in STATEMENTS.iter().zip(packed.iter().zip(&served)) {
            let difference = (packed.mean() - served.mean()).abs();
            assert!(difference < 0.05, "{difference} for {statement}");
        }
    }
}

/// Else the packed scorer and a server that is given the whole prompt would not see the
/// same tokens.
#[test]
fn the_tokens_of_prefix_and_continuation_are_those_of_the_whole_prompt() {
    let gguf = GgufFile::open(&support::embedded_gguf()).unwrap();
    let tokenizer = Tokenizer::from_gguf(&gguf.content.metadata).unwrap();
    let example = support::night_buses();
    let odd = [
        "12 euros.",
        "\"Quoted\" from the start.",
        "…",
        "(In brackets.)",
        "École.",
        "🚌 first.",
    ];
    let candidates: Vec<&str> = STATEMENTS.into_iter().chain(odd).collect();
    for opinion in example.opinions.iter().map(String::as_str).chain(odd) {
        let prompt = support::config()
            .prompts()
            .unwrap()
            .rating(&example.question, opinion, &candidates)
            .unwrap();
        for continuation in &prompt.continuations {
            let parts = [
                tokenizer.encode(&prompt.prefix).unwrap(),
                tokenizer.encode(continuation).unwrap(),
            ];
            let whole = tokenizer
                .encode(&format!("{}{continuation}", prompt.prefix))
                .unwrap();
            assert_eq!(parts.concat(), whole, "{continuation}");
        }
    }
}
