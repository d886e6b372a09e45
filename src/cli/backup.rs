//! `accord backup`: all that is in the store, as one file.

use std::path::PathBuf;
use std::process::ExitCode;

use accord::config::Config;
use accord::store::Store;
use accord::store::snapshots::Snapshots;
use anyhow::Result;
use chrono::Utc;

use super::{say, store};

/// Write all that is in the store into one file
///
/// The bot makes such files by itself, in backups/ in the data folder; this is for keeping one
/// elsewhere. It holds people's opinions: nobody else should be able to read it, and what is erased
/// later is not erased there. The bot must not run with the same data folder meanwhile.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord backup                          # into backups/ in the data folder
  accord backup --out accord-monday.backup")]
pub struct Args {
    /// The file to write, instead of one in backups/ in the data folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let now = Utc::now();
    let snapshots = Snapshots::in_data_dir(&config.data_dir);
    let out = args.out.unwrap_or_else(|| snapshots.file(now));
    let store = store::open(config).await?;
    store.back_up(&out, now).await?;
    store.close().await?;
    // It is read once more, from the disk.
    let file = out.clone();
    let written = tokio::task::spawn_blocking(move || Store::verify(&file)).await??;
    say(out.display())?;
    eprintln!("{}", store::counted(written.contents));
    Ok(ExitCode::SUCCESS)
}
