//! `accord bot`: runs rounds on Discord.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use accord::config::Config;
use accord::discord::render::{HostFacts, Processed};
use accord::discord::{self, Parts, http};
use accord::facilitator::clock::Clock;
use accord::facilitator::models::LocalModels;
use accord::facilitator::retraining::child::ChildTrainer;
use accord::training::card::Kind;
use anyhow::{Context, Result, bail};
use tokio_util::sync::CancellationToken;

use super::doctor::Found;
use super::{doctor, engines, one_line, store};

/// Run the Discord bot
#[derive(clap::Args)]
#[command(
    after_help = "The bot's token is read from DISCORD_TOKEN, in the environment or in .env.

Examples:
  accord bot
  accord bot --config host.toml
  accord doctor                           # first: what is wrong, and how to mend it"
)]
pub struct Args {}

/// The environment variable that holds the bot's token.
pub const TOKEN: &str = "DISCORD_TOKEN";

/// Runs until it is interrupted or terminated. `settings` is the file with the host's settings.
pub async fn run(_: Args, config: &Config, settings: Option<PathBuf>) -> Result<ExitCode> {
    let token = token().with_context(|| {
        format!("{TOKEN} is not set; put {TOKEN}=… into .env (README, \"Your own bot\")")
    })?;
    // First: it tells whether another bot runs here, and whether anything is damaged.
    let store = store::open_or_make(config).await?;
    let mut healthy = true;
    for (what, found) in doctor::checks(Ok(config)).await {
        match found {
            Ok(Found::Fine(_)) => {}
            Ok(Found::Note(why)) => eprintln!("note  {what}: {why}"),
            Err(error) => {
                healthy = false;
                eprintln!("FAIL  {what}: {}", one_line(&error));
            }
        }
    }
    if !healthy {
        bail!("not started; accord doctor tells more");
    }

    // A panic may quote what it stumbled over, which may be an opinion.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic, which is a bug in Accord or below it");
    }));
    // With progress: the first time, files are fetched and prepared.
    engines::prepare(config).await?;
    let models = LocalModels::new(config.clone(), Arc::default())?;
    models.warm_up().await?;
    let parts = Parts {
        store,
        models: Arc::new(models),
        trainer: Arc::new(trainer(config, settings.as_deref()).await?),
        clock: Clock::system(),
        http: http::http(&token, &config.discord, None),
        host: HostFacts {
            processed: Processed::Local,
            opinion_characters: config.generator.opinion_characters,
        },
    };
    tracing::info!(data_dir = %config.data_dir.display(), "the models are loaded, connecting to Discord");
    discord::run(config, parts, stopped()?).await?;
    Ok(ExitCode::SUCCESS)
}

/// Trains by this program, with the same settings.
async fn trainer(config: &Config, settings: Option<&Path>) -> Result<ChildTrainer> {
    let mut model_bytes = [None; 2];
    for (bytes, kind) in model_bytes.iter_mut().zip(Kind::ALL) {
        // Other models cannot be trained, which is told to whoever wants to.
        if let Ok(path) = engines::original(config, kind).await {
            *bytes = Some(std::fs::metadata(path)?.len());
        }
    }
    let training = &config.training;
    Ok(ChildTrainer {
        program: std::env::current_exe().context("cannot find the program of this process")?,
        arguments: settings.map_or_else(Vec::new, |file| {
            vec!["--config".into(), file.as_os_str().to_owned()]
        }),
        environment: Vec::new(),
        memory_mib: config.retraining.memory_mib,
        epochs: [training.reward.epochs, training.generator.epochs],
        model_bytes,
    })
}

/// The bot's token, if there is one.
pub fn token() -> Option<String> {
    std::env::var(TOKEN)
        .ok()
        .filter(|token| !token.trim().is_empty())
}

/// Cancelled when the host asks the process to end.
fn stopped() -> Result<CancellationToken> {
    let stopped = CancellationToken::new();
    let stop = stopped.clone();
    #[cfg(unix)]
    let mut terminated = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate())?
    };
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        stop.cancel();
    });
    Ok(stopped)
}
