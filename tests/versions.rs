//! Versions, as a host uses them: activate, list, roll back, with the real model.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use accord::inference::model_files::{self, ModelFiles, ServingFormat, sha256_of_bytes};
use accord::inference::reward::RewardModel;
use accord::inference::serving::ServedModel;
use accord::training::card::{
    BaseModel, Card, Format, Kind, Metrics, TrainingData, template_hashes,
};
use accord::training::versions::Version;
use accord::transformer::adapter::{Adapter, LowRank};
use accord::transformer::gguf::GgufFile;
use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use support::{accord, run_with_input};
use tempfile::TempDir;

/// A data folder with the embedded model and nothing else, where the base models are active.
fn host() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let models = data.path().join("models");
    fs::create_dir(&models).unwrap();
    let original = support::original_gguf();
    let record = original.with_extension("gguf.json");
    for file in [original, record] {
        let copy = models.join(file.file_name().unwrap());
        fs::hard_link(&file, &copy)
            .or_else(|_| fs::copy(&file, &copy).map(|_| ()))
            .unwrap();
    }
    for kind in Kind::ALL {
        succeed(on(
            &data,
            &["models", "activate", &kind.to_string(), "base"],
        ));
    }
    data
}

fn on(data: &TempDir, arguments: &[&str]) -> Command {
    let mut command = accord(arguments);
    command.env("ACCORD_DATA_DIR", data.path());
    command
}

fn succeed(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn fail(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    // Progress may stand before it.
    let error = stderr.lines().last().unwrap();
    assert!(error.starts_with("error: "), "{stderr}");
    error.to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What `accord train` makes, with random weights that change the model's answers a little.
fn make_version(folder: &Path, kind: Kind, name: &str) -> PathBuf {
    let original = support::original_gguf();
    let gguf = GgufFile::open(&original).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut factor = |shape: (usize, usize)| {
        let values: Vec<f32> = (0..shape.0 * shape.1)
            .map(|_| random.random_range(-0.1..0.1))
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    let mut updates = BTreeMap::new();
    for block in 0..30 {
        for part in ["attn_v", "ffn_down"] {
            let name = format!("blk.{block}.{part}");
            let info = gguf.tensor_info(&format!("{name}.weight")).unwrap();
            let (rows, columns) = info.shape.dims2().unwrap();
            let (a, b) = (factor((2, columns)), factor((rows, 2)));
            updates.insert(name, LowRank { a, b });
        }
    }
    let adapter = Adapter {
        rank: 2,
        alpha: 4.0,
        updates,
    };
    let folder = folder.join(name);
    Version::write(&folder, &adapter, |adapter| Card {
        format: Format,
        kind,
        name: name.parse().unwrap(),
        created: "2026-11-25".into(),
        base_model: BaseModel {
            name: "SmolLM2-135M-Instruct".into(),
            sha256: sha256_of_bytes(&fs::read(&original).unwrap()),
        },
        adapter,
        templates: template_hashes(kind, |name| support::config().text(name)).unwrap(),
        data: TrainingData {
            description: "random weights".into(),
            synthetic: true,
            files: Vec::new(),
            deliberations: 12,
            members: 60,
            statements: 48,
            ratings: 240,
            mixed_in: None,
            questions: BTreeSet::new(),
        },
        languages: vec!["en".into()],
        settings: json!({}),
        metrics: Metrics {
            held_out: Some(match kind {
                Kind::Reward => {
                    json!({ "within": { "at_least_2": { "reward_model": { "value": 0.825 } } } })
                }
                Kind::Generator => json!({ "loss": 3.781 }),
            }),
            ..Metrics::default()
        },
        calibration: None,
        command: "none".into(),
        gate: None,
    })
    .unwrap();
    folder
}

const ROW: &str = r#"{"question": "Should shops open on Sundays?", "opinion": "Never, the staff need a day with their families.", "statement": "Shops may open on four Sundays a year, with double pay."}"#;

fn rating(command: Command) -> f64 {
    let output = run_with_input(command, ROW);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["rating"].as_f64().unwrap()
}

/// The row of a version in `accord models list`, its columns joined by single spaces.
fn listed(data: &TempDir, version: &str) -> Option<String> {
    succeed(on(data, &["models", "list"]))
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .find(|line| line.starts_with(version))
}

#[test]
fn a_reward_version_changes_the_ratings_until_it_is_rolled_back() {
    let (data, made) = (host(), tempfile::tempdir().unwrap());
    let folder = make_version(made.path(), Kind::Reward, "v1");
    let folder = folder.to_str().unwrap();
    let base = rating(on(&data, &["rate", "-"]));

    let refused = fail(on(&data, &["models", "activate", folder]));
    assert!(
        refused.contains("train it with --gate, or activate it with --force"),
        "{refused}"
    );
    assert_eq!(rating(on(&data, &["rate", "-"])), base);

    // It was copied in: its name does.
    let done = succeed(on(&data, &["models", "activate", "v1", "--force"]));
    assert!(
        done.contains("reward: v1 is active now, base was before"),
        "{done}"
    );
    assert_eq!(
        listed(&data, "reward v1").unwrap(),
        "reward v1 active 2026-11-25 12, synthetic 240 0.82 - - - not asked"
    );
    let packed = rating(on(&data, &["rate", "-"]));
    assert!((packed - base).abs() > 0.1, "{packed} is too near {base}");

    let done = succeed(on(&data, &["models", "rollback", "reward"]));
    assert_eq!(done, "reward: base is active again, v1 was before\n");
    assert_eq!(rating(on(&data, &["rate", "-"])), base);
}

#[test]
fn a_deliberation_names_the_versions_that_made_it() {
    let (data, made) = (host(), tempfile::tempdir().unwrap());
    let folder = make_version(made.path(), Kind::Generator, "g1");
    let folder = folder.to_str().unwrap();
    let refused = fail(on(&data, &["models", "activate", folder]));
    assert!(
        refused.contains("the gate has not judged generator version g1"),
        "{refused}"
    );
    succeed(on(&data, &["models", "activate", folder, "--force"]));
    assert_eq!(
        listed(&data, "generator g1").unwrap(),
        "generator g1 active 2026-11-25 12, synthetic 240 - - - 3.78 not asked"
    );
    let prepared = succeed(on(&data, &["models", "prepare"]));
    assert!(
        prepared.contains("models.generator: SmolLM2-135M-Instruct + g1 ("),
        "{prepared}"
    );
    let example = "config/examples/night-buses.toml";
    let mut deliberate = on(&data, &["deliberate", example, "--json", "--seed", "1"]);
    // A model with random weights seldom ends sooner.
    deliberate.env("ACCORD_GENERATOR__MAX_TOKENS", "80");
    let answer = succeed(deliberate);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["generator"], "SmolLM2-135M-Instruct + g1");
    assert_eq!(answer["reward_model"], "SmolLM2-135M-Instruct");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistral_rs_rates_with_a_merged_file_as_the_packed_scorer_does_with_the_adapter() {
    let made = tempfile::tempdir().unwrap();
    let random = make_version(made.path(), Kind::Reward, "v1");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/adapters/reward");
    for folder in [&random, &shipped] {
        let version = Version::read(folder).unwrap();
        let difference = largest_difference(&version, ServingFormat::F32).await;
        println!("{difference:.4} at most: {}", folder.display());
        assert!(difference < 0.05);
    }
}

/// Between the ratings that mistral.rs predicts with the version's merged file, and the packed
/// scorer with the original file and the adapter.
async fn largest_difference(version: &Version, format: ServingFormat) -> f64 {
    let made = tempfile::tempdir().unwrap();
    let original = support::original_gguf();
    let merged = made.path().join("merged.gguf");
    let adapter = &version.adapter;
    model_files::merge(&original, adapter, format, &merged, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    let prompts = || support::config().prompts().unwrap();
    let calibration = version.card.calibration.unwrap_or_default();
    let gguf = GgufFile::open(&original).unwrap();
    let packed =
        RewardModel::packed(&gguf, Some(adapter), &Device::Cpu, prompts(), calibration).unwrap();
    let served = ServedModel::load(&ModelFiles::Gguf(merged)).await.unwrap();
    let served = RewardModel::served(Arc::new(served), prompts(), calibration).unwrap();
    let example = support::night_buses();
    let statements = [
        "No night buses.",
        "Run small electric buses at night.",
        "Run minibuses on Friday and Saturday nights, with a second member of staff on board.",
    ];
    let mut largest: f64 = 0.0;
    for opinion in &example.opinions {
        let packed = packed.predict(&example.question, opinion, &statements);
        let served = served.predict(&example.question, opinion, &statements);
        for (packed, served) in packed.await.unwrap().iter().zip(served.await.unwrap()) {
            largest = largest.max((packed.mean() - served.mean()).abs());
        }
    }
    largest
}

#[test]
fn a_version_that_is_damaged_or_for_another_model_is_told_with_a_way_out() {
    let (data, made) = (host(), tempfile::tempdir().unwrap());
    let folder = make_version(made.path(), Kind::Reward, "v1");
    let activate = |version: &str| on(&data, &["models", "activate", version, "--force"]);
    let mut elsewhere = activate(folder.to_str().unwrap());
    elsewhere.env("ACCORD_MODELS__REWARD_MODEL", support::embedded_gguf());
    let error = fail(elsewhere);
    assert!(
        error.contains("v1 was trained on SmolLM2-135M-Instruct"),
        "{error}"
    );
    assert_eq!(listed(&data, "reward v1"), None);

    for (version, expected) in [
        (
            "../x",
            "../x holds no version: a folder made by accord train",
        ),
        ("v9", "there is no version v9"),
        (
            "shipped",
            "say which: accord models activate reward shipped",
        ),
    ] {
        let error = fail(activate(version));
        assert!(error.contains(expected), "{error}");
    }

    succeed(activate(folder.to_str().unwrap()));
    let mut elsewhere = on(&data, &["rate", "-"]);
    elsewhere.env("ACCORD_MODELS__REWARD_MODEL", support::embedded_gguf());
    let output = run_with_input(elsewhere, ROW);
    assert!(
        stderr(&output).contains("the settings name another base model"),
        "{}",
        stderr(&output)
    );

    let adapter = data.path().join("versions/reward/v1/adapter.safetensors");
    let whole = fs::read(&adapter).unwrap();
    fs::write(&adapter, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(
        listed(&data, "reward v1").unwrap(),
        "reward v1 active damaged"
    );
    assert!(
        listed(&data, "reward v1 is damaged")
            .unwrap()
            .contains("activate its folder again")
    );
    let output = run_with_input(on(&data, &["rate", "-"]), ROW);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(error.contains("accord models rollback reward"), "{error}");
    let doctor = on(&data, &["doctor"]).output().unwrap();
    let found = String::from_utf8(doctor.stdout).unwrap();
    assert!(found.contains("FAIL  reward version"), "{found}");
    assert!(
        found.contains("ok    generator version: base, SmolLM2-135M-Instruct"),
        "{found}"
    );
    succeed(on(&data, &["models", "rollback", "reward"]));
}
