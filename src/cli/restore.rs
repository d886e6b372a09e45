//! `accord restore`: a backup becomes the store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accord::config::Config;
use accord::store::snapshots::Snapshots;
use accord::store::{InUse, Store};
use anyhow::{Context, Result, ensure};
use chrono::Utc;

use super::{one_line, say, store};

/// Put a backup in the place of the store
///
/// The backup is checked first, and what was written is compared with it, before the store is replaced.
/// The bot must not run with the same data folder meanwhile.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct Args {
    /// A file that accord backup or a bot wrote
    #[arg(value_name = "FILE", group = "which")]
    file: Option<PathBuf>,
    /// The newest snapshot in backups/ in the data folder that is whole
    #[arg(long, group = "which")]
    newest: bool,
    /// Also if there is a store that is whole and not empty; a snapshot is made of it first
    #[arg(long)]
    force: bool,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let snapshots = Snapshots::in_data_dir(&config.data_dir);
    let file = match args.file {
        Some(file) => file,
        None => newest(&snapshots).await?,
    };
    let checked = file.clone();
    let backup = tokio::task::spawn_blocking(move || Store::verify(&checked)).await??;
    let kept = if store::exists(config)? {
        make_room(config, &snapshots, &file, args.force).await?
    } else {
        None
    };
    let (folder, from) = (config.data_dir.join("store"), file.clone());
    tokio::task::spawn_blocking(move || Store::restore(&folder, &from)).await??;
    say(format!(
        "restored {}, as of {}, from {}",
        store::counted(backup.contents),
        backup.made_at.format("%Y-%m-%d %H:%M UTC"),
        file.display()
    ))?;
    if let Some(kept) = kept {
        say(format!("what was there before is in {}", kept.display()))?;
    }
    say(
        "whoever was erased since, from a backup that was kept elsewhere, is to be erased again: accord erase",
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn newest(snapshots: &Snapshots) -> Result<PathBuf> {
    let snapshots = snapshots.clone();
    tokio::task::spawn_blocking(move || {
        let now = Utc::now();
        let all = snapshots.list(now)?;
        let (good, _) = snapshots
            .newest_good(now)?
            .context("there is no good snapshot in backups/ in the data folder; accord restore FILE restores a backup of your own")?;
        for damaged in all.iter().take_while(|other| **other != good) {
            eprintln!("left out, since it is damaged: {}", damaged.file.display());
        }
        Ok(good.file)
    })
    .await?
}

/// Whether the store that is there may be replaced; where a snapshot of it was made, if so.
async fn make_room(
    config: &Config,
    snapshots: &Snapshots,
    file: &Path,
    force: bool,
) -> Result<Option<PathBuf>> {
    let (store, contents) = match store::opened(config).await {
        Ok(opened) => opened,
        Err(error) if error.is::<InUse>() => return Err(error),
        Err(error) if force || store::is_damage(&error) => {
            eprintln!("the store is replaced: {}", one_line(&error));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if contents.records == 0 {
        store.close().await?;
        return Ok(None);
    }
    ensure!(
        force,
        "the store is whole and holds {}, and what was written since the backup would be lost; if \
         that is meant: accord restore {} --force",
        store::counted(contents),
        file.display()
    );
    let now = Utc::now();
    let kept = snapshots.file(now);
    store.back_up(&kept, now).await?;
    store.close().await?;
    Ok(Some(kept))
}
