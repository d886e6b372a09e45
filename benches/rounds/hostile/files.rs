//! Files as the command line reads them, damaged: nothing that reads them may panic, or take memory
//! that has nothing to do with their size.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use accord::config::Config;
use accord::deliberation::record::{Deliberation, RatingRow, VotedMember};
use accord::discord::custom_id::CustomId;
use accord::discord::wording::Wording;
use accord::inference::candidates::clean;
use accord::inference::prompts::ChatTemplate;
use accord::inference::tokenizer::Tokenizer;
use accord::training::card::Card;
use accord::training::imported::polis;
use accord::transformer::adapter::Adapter;
use accord::transformer::gguf::GgufFile;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::figures::memory_mib;

#[derive(clap::Args)]
pub struct Args {
    #[arg(long)]
    inputs: usize,
    #[arg(long)]
    seed: u64,
}

/// What this process may use in the end, in MiB; the files are some kilobytes each.
const MEMORY: u64 = 512;

/// A kind of file: what it holds when all is well, and what reads it.
struct Kind {
    name: &'static str,
    whole: Vec<u8>,
    read: fn(&Path, &[u8]),
}

pub fn read(args: &Args) -> bool {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let folder = tempfile::tempdir().unwrap();
    let kinds = kinds(folder.path());
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut panics: BTreeMap<&str, usize> = BTreeMap::new();
    for number in 0..args.inputs {
        let kind = &kinds[number % kinds.len()];
        let damaged = damaged(&kind.whole, &mut rng);
        let read = AssertUnwindSafe(|| (kind.read)(folder.path(), &damaged));
        if catch_unwind(read).is_err() {
            *panics.entry(kind.name).or_default() += 1;
            // To look at, and to make a test of.
            let kept = std::env::temp_dir().join(format!("hostile-{number}-{}", kind.name));
            fs::write(&kept, &damaged).unwrap();
            eprintln!("{} is kept in {}", kind.name, kept.display());
        }
    }
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    let memory = memory_mib(std::process::id());
    println!("{} damaged files ({})", args.inputs, names.join(", "));
    println!("panics: {panics:?}; memory in the end: {memory} MiB\n");
    panics.is_empty() && memory <= MEMORY
}

fn kinds(folder: &Path) -> Vec<Kind> {
    let deliberation = r#"{"id":"a","question":"Should buses run?","opinions":["Yes, they should run","No, never at all","Only at weekends"],"weights":[1,0.5,0],"statements":[{"text":"Run them","agreement":[7,1,null],"quality":5,"kind":"consensus"}]}"#;
    let row = r#"{"question":"Should buses run?","opinion":"Yes, they should run","statement":"Run them"}"#;
    let vote = r#"{"conversation":"c","question":"Why?","opinion":"Because they should","votes":[{"statement":"Run them","vote":1},{"statement":"No","vote":-1}]}"#;
    let gguf = small_model(folder);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let adapter = fs::read(shipped.join("adapters/reward/adapter.safetensors")).unwrap();
    let kind = |name, whole: &[u8], read| Kind {
        name,
        whole: whole.to_owned(),
        read,
    };
    vec![
        kind("deliberation", deliberation.as_bytes(), |_, bytes| {
            drop(serde_json::from_slice::<Deliberation>(bytes));
            drop(toml::from_str::<Deliberation>(&String::from_utf8_lossy(
                bytes,
            )));
        }),
        kind(
            "deliberation in TOML",
            &fs::read(shipped.join("examples/night-buses.toml")).unwrap(),
            |_, bytes| {
                drop(toml::from_str::<Deliberation>(&String::from_utf8_lossy(
                    bytes,
                )))
            },
        ),
        kind("rating row", row.as_bytes(), |_, bytes| {
            drop(serde_json::from_slice::<RatingRow>(bytes));
        }),
        kind("votes", vote.as_bytes(), |_, bytes| {
            drop(serde_json::from_slice::<VotedMember>(bytes));
        }),
        kind("Polis", POLIS.as_bytes(), read_polis),
        kind("model", &fs::read(gguf).unwrap(), read_model),
        kind(
            "adapter",
            &adapter[..adapter.len().min(1 << 16)],
            |_, bytes| {
                drop(Adapter::from_bytes(bytes, 8, 16.0, &Device::Cpu));
            },
        ),
        kind(
            "card",
            &fs::read(shipped.join("adapters/reward/card.json")).unwrap(),
            |_, bytes| drop(Card::parse(bytes)),
        ),
        kind(
            "settings",
            &fs::read(shipped.join("default.toml")).unwrap(),
            |folder, bytes| {
                let file = folder.join("settings.toml");
                fs::write(&file, bytes).unwrap();
                drop(Config::load(Some(&file)));
            },
        ),
        kind(
            "wording",
            &fs::read(shipped.join("wording/en.ftl")).unwrap(),
            |_, bytes| {
                drop(Wording::new(&String::from_utf8_lossy(bytes)));
            },
        ),
        kind("candidate", WRITTEN.as_bytes(), |_, bytes| {
            drop(clean(&String::from_utf8_lossy(bytes)));
        }),
        kind("custom id", b"candidate:12:1:5", |_, bytes| {
            drop(String::from_utf8_lossy(bytes).parse::<CustomId>());
        }),
    ]
}

const WRITTEN: &str = "Sure!\n**Consensus Statement:** \"Keep the library open on Sundays, and pay the staff who then work double.\"\n\n- Note: more.<|im_end|>";

/// The three files, one after another.
const POLIS: &str = "topic,Buses at night?\nconversation-description,\"Should buses run? Tell us.\"\n\
    \0timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n\
    1,x,0,0,2,1,1,\"Run them on Fridays, at least\"\n2,x,1,1,1,2,1,Never run them at all\n\
    3,x,2,2,2,1,0,\"An electric one, and \"\"quiet\"\"\"\n4,x,3,3,1,1,-1,Spam\n\
    \0participant,group-id,n-comments,n-votes,n-agree,n-disagree,0,1,2,3\n\
    0,0,1,3,2,1,1,-1,1,\n1,0,1,3,1,2,-1,1,0,1\n2,1,1,3,2,1,1,1,1,0\n3,1,1,2,2,0,1,-1,,1\n";

fn read_polis(folder: &Path, bytes: &[u8]) {
    let names = ["summary.csv", "comments.csv", "participants-votes.csv"];
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    for name in names {
        fs::write(folder.join(name), parts.next().unwrap_or_default()).unwrap();
    }
    drop(polis::read(folder, "town"));
}

fn read_model(folder: &Path, bytes: &[u8]) {
    let path = folder.join("damaged.gguf");
    fs::write(&path, bytes).unwrap();
    let Ok(file) = GgufFile::open(&path) else {
        return;
    };
    drop(file.context_length());
    drop(Tokenizer::from_gguf(&file.content.metadata));
    if let Ok(template) = ChatTemplate::from_gguf(&file) {
        let messages = accord::inference::prompts::Messages {
            system: "Be brief.".to_owned(),
            examples: Vec::new(),
            user: "Why?".to_owned(),
        };
        drop(template.render(&messages));
    }
    let names: Vec<&String> = file.content.tensor_infos.keys().collect();
    for name in names {
        drop(file.tensor(name, &Device::Cpu));
    }
}

/// A model file of two kilobytes, with a tokenizer and a chat template.
fn small_model(folder: &Path) -> PathBuf {
    let mut tokens: Vec<String> = ('!'..='~').map(String::from).collect();
    tokens.extend(["Ġ", "ab", "<|im_start|>", "<|im_end|>"].map(str::to_owned));
    let markers = tokens.len() - 2;
    let types = (0..tokens.len()).map(|id| Value::I32(if id < markers { 1 } else { 3 }));
    let text = |text: &str| Value::String(text.to_owned());
    let metadata = [
        ("general.architecture", text("llama")),
        ("llama.context_length", Value::U32(1024)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        (
            "tokenizer.ggml.tokens",
            Value::Array(tokens.iter().map(|token| text(token)).collect()),
        ),
        ("tokenizer.ggml.token_type", Value::Array(types.collect())),
        ("tokenizer.ggml.merges", Value::Array(vec![text("a b")])),
        ("tokenizer.ggml.eos_token_id", Value::U32(97)),
        (
            "tokenizer.chat_template",
            text(
                "{% for m in messages %}<|im_start|>{{ m['role'] }} {{ m['content'] }}{% endfor %}",
            ),
        ),
    ];
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let rows = Tensor::arange(0.0_f32, 64.0, &Device::Cpu).unwrap();
    let rows = rows.reshape((2, 32)).unwrap();
    let plain = QTensor::quantize(&rows, GgmlDType::F32).unwrap();
    let quantized = QTensor::quantize(&rows, GgmlDType::Q8_0).unwrap();
    let tensors = [("token_embd.weight", &plain), ("output.weight", &quantized)];
    let path = folder.join("small.gguf");
    gguf_file::write(&mut fs::File::create(&path).unwrap(), &metadata, &tensors).unwrap();
    path
}

/// Bits flipped, pieces cut out, doubled, moved, or replaced by what is often read wrong; now and then
/// cut short.
fn damaged(whole: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    const INSTEAD: [&[u8]; 16] = [
        b"\0",
        b"\xff\xfe",
        b"\"",
        b"{",
        b"[",
        b"null",
        b"-1",
        b"1e999",
        b"18446744073709551616",
        b"NaN",
        "\u{202e}".as_bytes(),
        "\u{feff}".as_bytes(),
        b"\r\n",
        b",",
        b"\xff\xff\xff\xff",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ];
    let mut bytes = whole.to_owned();
    // Most of what can go wrong stands in the first few hundred bytes.
    let near = |rng: &mut ChaCha8Rng, length: usize| match rng.random_bool(0.7) {
        true => rng.random_range(0..length.min(600)),
        false => rng.random_range(0..length),
    };
    for _ in 0..rng.random_range(1..5) {
        if bytes.is_empty() {
            break;
        }
        let at = near(rng, bytes.len());
        let end = (at + rng.random_range(1..40)).min(bytes.len());
        match rng.random_range(0..7) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_owned();
                let times = *[1, 2, 500].choose(rng).unwrap();
                bytes.splice(at..at, piece.repeat(times));
            }
            3 => {
                let instead = *INSTEAD.choose(rng).unwrap();
                bytes.splice(at..end, instead.iter().copied());
            }
            4 => {
                let instead = *INSTEAD.choose(rng).unwrap();
                bytes.splice(at..at, instead.iter().copied());
            }
            5 => bytes[at] = rng.random(),
            _ => {
                if rng.random_bool(0.3) {
                    bytes.truncate(at);
                }
            }
        }
    }
    bytes
}
