//! The bot as hosts run it, on the fake Discord: the real store and the real models.

use std::path::Path;
use std::sync::Arc;

use accord::config::Config;
use accord::discord::render::{HostFacts, Processed};
use accord::discord::{self, Parts, http};
use accord::facilitator::clock::Clock;
use accord::facilitator::models::{LocalModels, Models};
use accord::facilitator::retraining::child::ChildTrainer;
use accord::inference::generator::Generator;
use accord::inference::model_files::{self, HashedAdapter, ModelFiles, ModelSource, ServingFormat};
use accord::inference::reward::RewardModel;
use accord::inference::serving::ServedModel;
use accord::store::Store;
use accord::training::card::Kind;
use accord::training::versions::{Serving, Version};
use accord::transformer::gguf::GgufFile;
use candle_core::Device;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::discord::FakeDiscord;

/// A bot that is running.
pub struct RunningBot {
    pub clock: Clock,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl RunningBot {
    /// Starts it on the store in `folder`, and waits until it listens.
    pub async fn start(discord: &FakeDiscord, folder: &Path, models: Arc<dyn Models>) -> Self {
        Self::start_at(discord, folder, models, Clock::system()).await
    }

    /// The same with another clock.
    pub async fn start_at(
        discord: &FakeDiscord,
        folder: &Path,
        models: Arc<dyn Models>,
        clock: Clock,
    ) -> Self {
        let config = config(discord);
        let http = http::http(discord.token(), &config.discord, None);
        let trainer = trainer(folder, &[]);
        Self::start_with(config, http, folder, models, trainer, clock, discord).await
    }

    /// The same with other settings, and another way to Discord.
    pub async fn start_with(
        mut config: Config,
        http: serenity::all::Http,
        folder: &Path,
        models: Arc<dyn Models>,
        trainer: ChildTrainer,
        clock: Clock,
        discord: &FakeDiscord,
    ) -> Self {
        config.data_dir = folder.to_owned();
        let folder = folder.join("store");
        let store = tokio::task::spawn_blocking(move || Store::open(&folder).unwrap())
            .await
            .unwrap();
        let parts = Parts {
            store,
            models,
            trainer: Arc::new(trainer),
            clock: clock.clone(),
            http,
            host: HostFacts {
                processed: Processed::Local,
                opinion_characters: config.generator.opinion_characters,
            },
        };
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { discord::run(&config, parts, stop).await });
        discord.wait_for_bot().await;
        Self {
            clock,
            shutdown,
            task,
        }
    }

    /// Stops it as a host does, with SIGTERM.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// Trains as the bot does, in the data folder `folder`, with these settings.
pub fn trainer(folder: &Path, settings: &[(&str, &str)]) -> ChildTrainer {
    let own = [("ACCORD_DATA_DIR", folder.to_str().unwrap())];
    let environment = own.iter().chain(settings);
    ChildTrainer {
        program: env!("CARGO_BIN_EXE_accord").into(),
        arguments: Vec::new(),
        environment: environment
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        memory_mib: 1024,
        epochs: [1, 1],
        model_bytes: [Some(98_362_432); 2],
    }
}

/// The default settings, but for where Discord is.
pub fn config(discord: &FakeDiscord) -> Config {
    let mut config = super::config();
    config.discord.api_url = Some(discord.api_url());
    config.discord.gateway_url = Some(discord.gateway_url());
    config
}

/// The embedded models with the shipped adapters, loaded once a test program; `candidates` of
/// `tokens` each.
pub async fn models(candidates: usize, tokens: usize) -> Arc<LocalModels> {
    static LOADED: OnceCell<(Arc<ServedModel>, Arc<RewardModel>)> = OnceCell::const_new();
    let config = super::config();
    let (served, reward) = LOADED
        .get_or_init(|| async {
            let generator = shipped(&config, Kind::Generator);
            let adapter = HashedAdapter {
                adapter: &generator.adapter,
                sha256: &generator.card.adapter.sha256,
            };
            let merged = model_files::prepare(
                &super::original_gguf(),
                Some(adapter),
                ServingFormat::Q8_0,
                &model_files::models_dir(&config.data_dir),
                &mut |_| std::ops::ControlFlow::Continue(()),
            );
            let served = ServedModel::load(&ModelFiles::Gguf(merged.unwrap())).await;
            let version = shipped(&config, Kind::Reward);
            let reward = RewardModel::packed(
                &GgufFile::open(&super::original_gguf()).unwrap(),
                Some(&version.adapter),
                &Device::Cpu,
                config.prompts().unwrap(),
                version.card.calibration.unwrap_or_default(),
            );
            (Arc::new(served.unwrap()), Arc::new(reward.unwrap()))
        })
        .await;
    let mut settings = config.generator.clone();
    settings.candidates = candidates;
    settings.max_tokens = tokens;
    settings.redraws = 30;
    Arc::new(LocalModels {
        generator: Generator {
            model: served.clone(),
            prompts: config.prompts().unwrap(),
        },
        generator_name: "SmolLM2-135M-Instruct + shipped".to_owned(),
        reward_model: reward.clone(),
        reward_model_name: "SmolLM2-135M-Instruct + shipped".to_owned(),
        settings,
        prompts_sha256: "of a test".to_owned(),
    })
}

fn shipped(config: &Config, kind: Kind) -> Version {
    let source = ModelSource::Embedded;
    let sha256 = || {
        model_files::original_sha256(&source, "models", &config.data_dir, &mut |_| {
            std::ops::ControlFlow::Continue(())
        })
    };
    let versions = config.versions(kind).unwrap();
    match versions.serving(sha256, |name| config.text(name)).unwrap() {
        Serving::Version(_, version) => *version,
        other => panic!("the shipped {kind} version is active by default, not {other:?}"),
    }
}
