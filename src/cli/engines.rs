//! Loads the models that the settings name, with progress on standard error.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use accord::config::Config;
use accord::inference::calibration::Calibration;
use accord::inference::generator::Generator;
use accord::inference::model_files::{
    self, HashedAdapter, ModelFiles, ModelSource, Progress, Step,
};
use accord::inference::reward::{RewardEngine, RewardModel};
use accord::inference::serving::ServedModel;
use accord::training::card::{Kind, Metrics};
use accord::training::versions::{Serving, Version, VersionId};
use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use super::INTERRUPTED;
use super::bar::on_terminal;

/// What a deliberation needs.
pub struct Engines {
    pub generator: Generator,
    /// Base model and version of the generator.
    pub generator_name: String,
    pub reward_model: RewardModel,
    /// Base model and version of the reward model.
    pub reward_model_name: String,
    /// How good it is known to be.
    pub reward_metrics: Metrics,
}

/// Loads the generator and the reward model.
pub async fn load(config: &Config) -> Result<Engines> {
    let prompts = config.prompts()?;
    // Both before one is loaded: what is missing is told at once.
    let [(rating, rating_files), (chosen, files)] = prepare(config).await?;
    let model = Arc::new(ServedModel::load(&files).await?);
    let reward_model = match config.models.reward_engine {
        RewardEngine::MistralRs if rating_files == files => {
            RewardModel::served(model.clone(), prompts.clone(), rating.calibration())?
        }
        _ => load_reward_model(config, &rating, rating_files).await?,
    };
    let generator = Generator { model, prompts };
    Ok(Engines {
        generator,
        generator_name: chosen.name(config),
        reward_model,
        reward_model_name: rating.name(config),
        reward_metrics: rating.metrics(),
    })
}

/// Fetches and prepares what the settings name; the files of each kind.
pub async fn prepare(config: &Config) -> Result<[(Chosen, ModelFiles); 2]> {
    let rating = choose(config, Kind::Reward).await?;
    let writing = choose(config, Kind::Generator).await?;
    let files = reward_files(config, &rating).await?;
    let writing_files = served_files(config, &writing).await?;
    Ok([(rating, files), (writing, writing_files)])
}

/// Loads the reward model alone.
pub async fn reward_model(config: &Config) -> Result<RewardModel> {
    reward_model_of(config, &choose(config, Kind::Reward).await?).await
}

/// Loads a reward model, whichever is active.
pub async fn reward_model_of(config: &Config, chosen: &Chosen) -> Result<RewardModel> {
    let files = reward_files(config, chosen).await?;
    load_reward_model(config, chosen, files).await
}

/// Loads a generator, whichever is active.
pub async fn generator_of(config: &Config, chosen: &Chosen) -> Result<Generator> {
    let files = served_files(config, chosen).await?;
    let model = Arc::new(ServedModel::load(&files).await?);
    let prompts = config.prompts()?;
    Ok(Generator { model, prompts })
}

/// A base model and the version that is applied to it.
pub struct Chosen {
    pub kind: Kind,
    pub serving: Serving,
}

impl Chosen {
    /// Of the version's card; of a base model's predictions nothing is known.
    fn calibration(&self) -> Calibration {
        match &self.serving {
            Serving::Version(_, version) => version.card.calibration.unwrap_or_default(),
            Serving::Base | Serving::ShippedForAnother { .. } => Calibration::default(),
        }
    }

    /// Of the version's card; of a base model nothing is known.
    fn metrics(&self) -> Metrics {
        match &self.serving {
            Serving::Version(_, version) => version.card.metrics.clone(),
            Serving::Base | Serving::ShippedForAnother { .. } => Metrics::default(),
        }
    }

    /// For people: `SmolLM2-135M-Instruct + shipped`.
    pub fn name(&self, config: &Config) -> String {
        let base = config.models.source(self.kind).0.model_name();
        match &self.serving {
            Serving::Version(id, _) => format!("{base} + {id}"),
            Serving::Base | Serving::ShippedForAnother { .. } => base,
        }
    }
}

/// The hash of the base model's GGUF; blocks.
///
/// # Errors
/// A model that is none, and those of fetching it.
pub fn base_sha256(config: &Config, kind: Kind) -> Result<String> {
    let (source, key) = config.models.source(kind);
    let data_dir = &config.data_dir;
    let sha256 =
        with_progress(|report| model_files::original_sha256(source, key, data_dir, report))?;
    sha256.with_context(|| format!("{key} is no local GGUF file, and only those are trained"))
}

/// The version in a folder, which must be one of this base model and these prompts; blocks.
///
/// # Errors
/// A folder that holds no such version.
pub fn version_in(config: &Config, kind: Kind, folder: &Path) -> Result<Version> {
    let version = Version::read(folder)?;
    ensure!(
        version.card.kind == kind,
        "{} holds a {} version, not a {kind} version",
        folder.display(),
        version.card.kind,
    );
    ensure!(
        version.card.base_model.sha256 == base_sha256(config, kind)?,
        "{} was trained on another base model, {}",
        folder.display(),
        version.card.base_model.name
    );
    version.card.check_templates(|name| config.text(name))?;
    Ok(version)
}

/// What comes with Accord; `None` on another base model than its own, where it is not used. Blocks.
///
/// # Errors
/// A damaged version, or one that was trained with other prompts.
pub fn shipped_version(config: &Config, kind: Kind) -> Result<Option<Version>> {
    let Some(version) = config.versions(kind)?.load(&VersionId::Shipped)? else {
        return Ok(None);
    };
    if version.card.base_model.sha256 != base_sha256(config, kind)? {
        return Ok(None);
    }
    version.card.check_templates(|name| config.text(name))?;
    Ok(Some(version))
}

/// Reads the active version; fetches nothing.
pub async fn choose(config: &Config, kind: Kind) -> Result<Chosen> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || {
        let (source, key) = config.models.source(kind);
        let serving = config.versions(kind)?.serving(
            || {
                with_progress(|report| {
                    model_files::original_sha256(source, key, &config.data_dir, report)
                })
            },
            |name| config.text(name),
        )?;
        Ok(Chosen { kind, serving })
    })
    .await?
}

/// The files with which mistral.rs serves a base model and its version, fetched and prepared where
/// they are not there yet.
pub async fn served_files(config: &Config, chosen: &Chosen) -> Result<ModelFiles> {
    let version = match &chosen.serving {
        Serving::Version(_, version) => Some(version.clone()),
        Serving::Base | Serving::ShippedForAnother { .. } => None,
    };
    let (config, kind) = (config.clone(), chosen.kind);
    tokio::task::spawn_blocking(move || {
        let (source, key) = config.models.source(kind);
        let adapter = version.as_ref().map(|version| HashedAdapter {
            adapter: &version.adapter,
            sha256: &version.card.adapter.sha256,
        });
        with_progress(|report| {
            model_files::served_files(source, key, adapter, &config.data_dir, report)
        })
    })
    .await?
}

/// The files from which the reward model is loaded. The packed scorer reads the base model as it was
/// made, and adds the adapter itself.
pub async fn reward_files(config: &Config, chosen: &Chosen) -> Result<ModelFiles> {
    let source = &config.models.reward_model;
    match config.models.reward_engine {
        RewardEngine::MistralRs => served_files(config, chosen).await,
        RewardEngine::Packed => {
            ensure!(
                matches!(source, ModelSource::Embedded | ModelSource::Gguf(_)),
                "models.reward_engine = \"packed\" reads local GGUF files only, and models.reward_model is \"{source}\"; set models.reward_engine = \"mistralrs\""
            );
            original(config, Kind::Reward).await.map(ModelFiles::Gguf)
        }
    }
}

/// The base model's GGUF as it was made: what adapters are trained on.
pub async fn original(config: &Config, kind: Kind) -> Result<PathBuf> {
    let (source, key) = config.models.source(kind);
    let (owned, data_dir) = (source.clone(), config.data_dir.clone());
    let path = tokio::task::spawn_blocking(move || {
        with_progress(|report| model_files::original(&owned, key, &data_dir, report))
    })
    .await??;
    path.with_context(|| {
        format!("{key} = \"{source}\" is no local GGUF file, which is needed here")
    })
}

async fn load_reward_model(
    config: &Config,
    chosen: &Chosen,
    files: ModelFiles,
) -> Result<RewardModel> {
    let prompts = config.prompts()?;
    let calibration = chosen.calibration();
    match (config.models.reward_engine, files) {
        (RewardEngine::Packed, ModelFiles::Gguf(path)) => {
            let version = match &chosen.serving {
                Serving::Version(_, version) => Some(version.clone()),
                Serving::Base | Serving::ShippedForAnother { .. } => None,
            };
            tokio::task::spawn_blocking(move || {
                let adapter = version.as_ref().map(|version| &version.adapter);
                RewardModel::packed_from(&path, adapter, prompts, calibration)
            })
            .await?
        }
        (_, files) => {
            let model = Arc::new(ServedModel::load(&files).await?);
            RewardModel::served(model, prompts, calibration)
        }
    }
}

/// Runs blocking work on model files with a progress bar on a terminal, and a line for
/// each step elsewhere; it stops when the user interrupts.
pub fn with_progress<T>(work: impl FnOnce(&mut model_files::Report<'_>) -> Result<T>) -> Result<T> {
    let bar = on_terminal(ProgressBar::no_length());
    let style = "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut announced: Option<Step> = None;
    let result = work(&mut |Progress { step, bytes, total }| {
        if announced != Some(step) {
            announced = Some(step);
            bar.set_message(step.to_string());
            if bar.is_hidden() {
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
