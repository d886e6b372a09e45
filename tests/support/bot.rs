//! The bot as hosts run it, on the fake Discord: the real store and the real models.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use accord::config::Config;
use accord::discord::render::{HostFacts, Processed};
use accord::discord::{self, Parts, http};
use accord::facilitator::clock::Clock;
use accord::facilitator::models::{LocalModels, Models, Resident};
use accord::facilitator::retraining::child::ChildTrainer;
use accord::store::Store;
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
    static RESIDENT: LazyLock<Arc<Resident>> = LazyLock::new(Arc::default);
    let mut config = super::config();
    config.generator.candidates = candidates;
    config.generator.max_tokens = tokens;
    config.generator.redraws = 30;
    let models = LocalModels::new(config, RESIDENT.clone()).unwrap();
    models.warm_up().await.unwrap();
    Arc::new(models)
}
