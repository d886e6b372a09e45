//! Loads the models that the settings name, with progress on standard error.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use accord::config::Config;
use accord::inference::generator::Generator;
use accord::inference::model_files::{
    self, ModelFiles, ModelSource, Progress, ServingFormat, Step,
};
use accord::inference::reward::{RewardEngine, RewardModel};
use accord::inference::serving::{self, ServedModel};
use accord::transformer::gguf::GgufFile;
use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::INTERRUPTED;

/// The fastest for a whole deliberation on the CPU (README, "How fast it is").
pub const SERVING_FORMAT: ServingFormat = ServingFormat::Q8_0;

/// What a deliberation needs.
pub struct Engines {
    pub generator: Generator,
    /// The file or the hub id of the generator.
    pub generator_name: String,
    pub reward_model: RewardModel,
    /// The file or the hub id of the reward model.
    pub reward_model_name: String,
}

/// Loads the generator and the reward model.
pub async fn load(config: &Config) -> Result<Engines> {
    let prompts = config.prompts()?;
    let generator = files(config, &config.models.generator, "models.generator").await?;
    let rating = files(config, &config.models.reward_model, "models.reward_model").await?;
    let (generator_name, reward_model_name) = (generator.to_string(), rating.to_string());
    let model = Arc::new(ServedModel::load(&generator).await?);
    let reward_model = match config.models.reward_engine {
        RewardEngine::MistralRs if rating == generator => {
            RewardModel::served(model.clone(), prompts.clone())?
        }
        _ => load_reward_model(config, rating).await?,
    };
    let generator = Generator { model, prompts };
    Ok(Engines {
        generator,
        generator_name,
        reward_model,
        reward_model_name,
    })
}

/// Loads the reward model alone.
pub async fn reward_model(config: &Config) -> Result<RewardModel> {
    let rating = files(config, &config.models.reward_model, "models.reward_model").await?;
    load_reward_model(config, rating).await
}

async fn load_reward_model(config: &Config, files: ModelFiles) -> Result<RewardModel> {
    let prompts = config.prompts()?;
    match (config.models.reward_engine, files) {
        (RewardEngine::MistralRs, files) => {
            RewardModel::served(Arc::new(ServedModel::load(&files).await?), prompts)
        }
        (RewardEngine::Packed, ModelFiles::Gguf(path)) => {
            let device = serving::device()?;
            tokio::task::spawn_blocking(move || {
                RewardModel::packed(&GgufFile::open(&path)?, &device, prompts)
            })
            .await?
        }
        (RewardEngine::Packed, _) => bail!(
            "models.reward_engine = \"packed\" reads local GGUF files only, and models.reward_model is \"{}\"; set models.reward_engine = \"mistralrs\"",
            config.models.reward_model
        ),
    }
}

/// Finds the files of a model; those of the embedded default are fetched on first use.
pub async fn files(config: &Config, source: &ModelSource, key: &'static str) -> Result<ModelFiles> {
    let (source, data_dir) = (source.clone(), config.data_dir.clone());
    tokio::task::spawn_blocking(move || {
        with_progress(|report| {
            model_files::resolve(&source, key, SERVING_FORMAT, &data_dir, report)
        })
    })
    .await?
}

/// Runs blocking work on model files with a progress bar on a terminal, and a line for
/// each step elsewhere; it stops when the user interrupts.
pub fn with_progress<T>(work: impl FnOnce(&mut model_files::Report<'_>) -> Result<T>) -> Result<T> {
    let bar = ProgressBar::no_length();
    let style = "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut announced: Option<Step> = None;
    let result = work(&mut |Progress { step, bytes, total }| {
        if announced != Some(step) {
            announced = Some(step);
            bar.set_message(step.to_string());
            if !std::io::stderr().is_terminal() {
                eprintln!("{step}");
            }
        }
        bar.set_length(total);
        bar.set_position(bytes);
        if INTERRUPTED.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    bar.finish_and_clear();
    result
}
