//! `accord bench`: the README's figures, again.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use accord::config::Config;
use accord::deliberation::record::Deliberation;
use accord::inference::calibration::Calibration;
use accord::inference::drafting::{DraftingSettings, draft};
use accord::inference::generator::Generator;
use accord::inference::model_files::{self, ModelFiles, ServingFormat};
use accord::inference::prompts::Brief;
use accord::inference::reward::RewardModel;
use accord::inference::serving::{self, Sampling, ServedModel};
use accord::training::card::Kind;
use accord::training::fine_tuning::{Event, FineTuning, fine_tune};
use accord::training::reward::RewardTask;
use accord::training::split::Split;
use accord::training::versions::Serving;
use accord::transformer::Transformer;
use accord::transformer::adapter::Adapter;
use accord::transformer::gguf::GgufFile;
use anyhow::{Context, Result};
use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sysinfo::System;

use super::engines::{self, Chosen};
use super::say;

/// Measure this machine: tokens a second, ratings a second, memory
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord bench
  accord bench --comparison 80            # more ratings by mistral.rs, for a steadier figure")]
pub struct Args {
    /// How many of the ratings mistral.rs predicts for comparison
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=80))]
    comparison: u16,
}

const EXAMPLE: &str = "examples/night-buses.toml";
const CANDIDATES: usize = 16;
const WORDS: usize = 50;

/// Prints a Markdown table. The packed scorer and mistral.rs rate the same statements with
/// the same model in f32.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let example: Deliberation = toml::from_str(&config.text(EXAMPLE)?)?;
    let prompts = config.prompts()?;
    let mut system = System::new();
    system.refresh_cpu_all();
    let processor = system
        .cpus()
        .first()
        .context("no processor")?
        .brand()
        .to_owned();
    say(format!(
        "{processor}, {} cores; {EXAMPLE}: {} opinions\n",
        system.cpus().len(),
        example.opinions.len()
    ))?;
    say("| what | figure |\n|---|---|")?;

    let chosen = engines::choose(config, Kind::Generator).await?;
    let files = engines::served_files(config, &chosen).await?;
    let started = Instant::now();
    let generator = Generator {
        model: Arc::new(ServedModel::load(&files).await?),
        prompts: prompts.clone(),
    };
    say(format!(
        "| loading the generator | {:.1} s |",
        started.elapsed().as_secs_f64()
    ))?;

    // One token after the whole prompt costs the prompt; the rest is decoding.
    let sampling = Sampling {
        temperature: 1.0,
        top_p: 0.8,
        max_tokens: 1,
    };
    let started = Instant::now();
    let brief = Brief {
        question: &example.question,
        opinions: &example.opinions,
        revision: None,
    };
    let prompt = generator.prompt(&brief)?;
    generator
        .model
        .sample(prompt.clone(), sampling, 1, |_| false)
        .await?;
    let prompt_seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let sampling = Sampling {
        max_tokens: 96,
        ..sampling
    };
    let written = generator
        .model
        .sample(prompt.clone(), sampling, 1, |_| false)
        .await?
        .len();
    let decode_seconds = started.elapsed().as_secs_f64() - prompt_seconds;
    say(format!(
        "| prompt of {} tokens | {:.0} tokens/s |",
        prompt.len(),
        prompt.len() as f64 / prompt_seconds
    ))?;
    say(format!(
        "| decoding | {:.0} tokens/s |",
        written as f64 / decode_seconds
    ))?;

    let settings = DraftingSettings {
        candidates: CANDIDATES,
        ..config.generator.clone()
    };
    let started = Instant::now();
    let drafts = draft(&generator, &brief, &[], &settings, 1, |_| ()).await?;
    say(format!(
        "| {} candidates, {} more drafts of no use | {:.1} s |",
        drafts.candidates.len(),
        drafts.rejected.values().sum::<usize>(),
        started.elapsed().as_secs_f64()
    ))?;

    let device = serving::device()?;
    let base = Chosen {
        kind: Kind::Reward,
        serving: Serving::Base,
    };
    let gguf = engines::served_files(config, &base).await?;
    let ModelFiles::Gguf(path) = &gguf else {
        anyhow::bail!("the packed scorer reads GGUF files only, and models.reward_model is none");
    };
    let started = Instant::now();
    let packed = RewardModel::packed(
        &GgufFile::open(path)?,
        None,
        &device,
        prompts.clone(),
        Calibration::default(),
    )?;
    say(format!(
        "| loading the packed scorer | {:.1} s |",
        started.elapsed().as_secs_f64()
    ))?;
    let statements = statements(&example);
    let texts: Vec<&str> = statements.iter().map(String::as_str).collect();
    let started = Instant::now();
    for opinion in &example.opinions {
        packed.predict(&example.question, opinion, &texts).await?;
    }
    let rated = (example.opinions.len() * texts.len()) as f64;
    let packed_rate = rated / started.elapsed().as_secs_f64();
    say(format!(
        "| packed scorer, {rated} ratings of statements of {WORDS} words | {packed_rate:.1} ratings/s |"
    ))?;
    say(format!(
        "| peak memory so far: all that a deliberation needs | {} |",
        peak_memory()
    ))?;
    drop((generator, packed));

    let data_dir = config.data_dir.clone();
    let source = config.models.reward_model.clone();
    let f32 = tokio::task::spawn_blocking(move || {
        engines::with_progress(|report| {
            model_files::resolve(
                &source,
                "models.reward_model",
                ServingFormat::F32,
                &data_dir,
                report,
            )
        })
    })
    .await??;
    let served = RewardModel::served(
        Arc::new(ServedModel::load(&f32).await?),
        prompts,
        Calibration::default(),
    )?;
    let started = Instant::now();
    let mut compared = 0;
    'comparison: for opinion in &example.opinions {
        for text in &texts {
            if compared == args.comparison {
                break 'comparison;
            }
            served.predict(&example.question, opinion, &[text]).await?;
            compared += 1;
        }
    }
    let served_rate = f64::from(compared) / started.elapsed().as_secs_f64();
    say(format!(
        "| mistral.rs in f32, {compared} of the same ratings | {served_rate:.2} ratings/s |"
    ))?;
    say(format!(
        "| packed scorer against mistral.rs | {:.1} times |",
        packed_rate / served_rate
    ))?;
    drop(served);

    let config = config.clone();
    let training = tokio::task::spawn_blocking(move || training_rate(&config)).await??;
    say(format!("| {training} |"))?;
    Ok(ExitCode::SUCCESS)
}

/// Two steps of the reward model's training on the first deliberations of the shipped corpus, as
/// the settings say; `benches/peft_throughput.py` measures PyTorch on the same ones.
fn training_rate(config: &Config) -> Result<String> {
    let settings = FineTuning {
        epochs: 1,
        validation_units: 1,
        ..config.training.reward.clone()
    };
    let corpus = config.text("data/deliberations.jsonl")?;
    let mut deliberations: Vec<Deliberation> = corpus
        .lines()
        .take(1 + 2 * settings.units_per_step)
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let split = Split {
        validation: deliberations.split_off(2 * settings.units_per_step),
        training: deliberations,
    };
    let source = &config.models.reward_model;
    let path = engines::with_progress(|report| {
        model_files::original(source, "models.reward_model", &config.data_dir, report)
    })?
    .context("models.reward_model is no local GGUF file")?;
    let gguf = GgufFile::open(&path)?;
    let base = Transformer::load(&gguf, &Device::Cpu, DType::F32)?;
    let task = RewardTask::new(&split, &gguf, &config.prompts()?, config.training.loss, 1)?;
    let (mut ratings, mut tokens, mut time) = (0, 0, 0.0);
    let folder = tempfile::tempdir()?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (rank, alpha) = (settings.rank, settings.alpha);
    let start = Adapter::new(&base, rank, alpha, &settings.targets, &mut random)?;
    fine_tune(
        &base,
        &task,
        &settings,
        &start,
        "bench",
        folder.path(),
        &mut |event| {
            if let Event::Step {
                targets,
                tokens: of_step,
                seconds,
                ..
            } = event
            {
                ratings += targets;
                tokens += of_step;
                time += seconds;
            }
            ControlFlow::Continue(())
        },
    )?;
    Ok(format!(
        "training the reward model, {ratings} ratings, {tokens} tokens | {:.2} ratings/s, {:.0} tokens/s",
        ratings as f64 / time,
        tokens as f64 / time
    ))
}

/// Statements of the same length for every machine: runs of words from the opinions.
fn statements(example: &Deliberation) -> Vec<String> {
    let words: Vec<&str> = example
        .opinions
        .iter()
        .flat_map(|opinion| opinion.split_whitespace())
        .collect();
    (0..CANDIDATES)
        .map(|candidate| {
            let words = words
                .iter()
                .cycle()
                .skip(candidate * 13)
                .take(WORDS)
                .copied();
            words.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// The most memory that this process ever had resident, as Linux counts it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: Option<f64> =
        peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
    kibibytes.map_or("unknown".into(), |kibibytes| {
        format!("{:.2} GiB", kibibytes / (1 << 20) as f64)
    })
}
