//! Tokens and logits of the real model, held to what llama.cpp gives for them.

mod support;

use accord::inference::tokenizer::Tokenizer;
use accord::transformer::gguf::GgufFile;
use accord::transformer::{PackedSequence, Transformer};
use candle_core::{DType, Device};

fn tokenizer() -> Tokenizer {
    let gguf = GgufFile::open(&support::embedded_gguf()).unwrap();
    Tokenizer::from_gguf(&gguf.content.metadata).unwrap()
}

#[test]
fn the_tokens_are_those_of_llama_cpp() {
    #[derive(serde::Deserialize)]
    struct Fixture {
        rows: Vec<Row>,
    }
    #[derive(serde::Deserialize)]
    struct Row {
        text: String,
        plain: Vec<u32>,
        special: Vec<u32>,
    }
    let fixture: Fixture =
        serde_json::from_str(include_str!("fixtures/smollm2_tokens.json")).unwrap();
    let tokenizer = tokenizer();
    for Row {
        text,
        plain,
        special,
    } in fixture.rows
    {
        assert_eq!(tokenizer.encode(&text).unwrap(), plain, "{text:?}");
        assert_eq!(
            tokenizer.encode_with_special(&text).unwrap(),
            special,
            "{text:?}"
        );
    }
}

#[test]
fn a_text_ends_at_every_control_token() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.end_of_generation, (0..=16).collect::<Vec<_>>());
    assert_eq!(tokenizer.token_id("<|im_start|>"), Some(1));
    assert_eq!(tokenizer.token_id("<|im_end|>"), Some(2));
}

/// Expected values: llama.cpp (llama-cpp-python 0.3.36) on the same weights written as f32. On
/// the Q4_1 file itself it rounds the activations to 8 bits too, and its logits are off by 0.7.
#[test]
fn the_logits_of_the_ratings_are_those_of_llama_cpp() {
    let gguf = GgufFile::open(&support::original_gguf()).unwrap();
    let model = Transformer::load(&gguf, &Device::Cpu, DType::F32).unwrap();
    let sequence = PackedSequence {
        prefix: PROMPT[..70].to_vec(),
        continuations: vec![PROMPT[70..].to_vec()],
    };
    let digits: Vec<u32> = (33..40).collect();
    let found = model.next_token_logits(&sequence, &digits).unwrap();
    let expected = [
        27.5369, 24.6443, 24.9031, 25.2068, 24.9978, 23.8256, 26.3163,
    ];
    for (found, expected) in found[0].iter().zip(expected) {
        assert!((found - expected).abs() < 0.01, "{found} {expected}");
    }
}

/// A rating prompt: "Should cities ban cars from their centres?"
const PROMPT: [u32; 92] = [
    17872, 42, 9602, 4199, 5517, 5989, 429, 480, 16432, 47, 198, 63, 9955, 285, 42, 339, 1510,
    5989, 868, 2951, 28, 975, 800, 701, 617, 2330, 2856, 282, 260, 2240, 457, 787, 550, 970, 288,
    820, 288, 746, 30, 198, 2020, 1083, 1072, 260, 1919, 282, 451, 6022, 3387, 351, 260, 4814,
    2441, 28, 429, 216, 33, 365, 15788, 318, 10069, 25, 288, 216, 39, 365, 15788, 318, 3387, 14487,
    198, 42767, 42, 35640, 868, 325, 3435, 281, 260, 8560, 28, 585, 19188, 820, 1365, 808, 30, 198,
    66, 674, 42, 216,
];
