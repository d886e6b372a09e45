//! `accord restore`: a backup becomes the store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accord::config::Config;
use accord::store::Store;
use accord::store::snapshots::Snapshots;
use anyhow::{Context, Result, ensure};
use chrono::Utc;

use super::{one_line, say, store};

/// Put a backup in the place of the store
///
/// The backup is checked first, and what was written is compared with it, before the store is replaced.
/// The bot must not run with the same data folder meanwhile.
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true),
    after_help = "Examples:
  accord restore --newest
  accord restore accord-monday.backup --force"
)]
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
    let before = if store::exists(config)? {
        look(config, &snapshots, &file, args.force).await?
    } else {
        Before::Empty
    };
    let is_damaged = matches!(before, Before::Damaged);
    let (folder, from) = (config.data_dir.join("store"), file.clone());
    let beside = tokio::task::spawn_blocking(move || {
        anyhow::Ok(if is_damaged {
            Some(Store::restore_over_damaged(&folder, &from)?)
        } else {
            Store::restore(&folder, &from)?;
            None
        })
    })
    .await??;
    say(format!(
        "restored {}, as of {}, from {}",
        store::counted(backup.contents),
        backup.made_at.format("%Y-%m-%d %H:%M UTC"),
        file.display()
    ))?;
    if let Before::KeptIn(kept) = before {
        say(format!("what was there before is in {}", kept.display()))?;
    }
    if let Some(damaged) = beside {
        say(format!(
            "the damaged store is in {} until the next time that something is erased or expires: to \
             keep what can still be read in it, copy it elsewhere before the bot starts",
            damaged.display()
        ))?;
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

/// The store that is there before.
enum Before {
    /// Or none at all.
    Empty,
    Damaged,
    /// It is whole, and so is this snapshot of it.
    KeptIn(PathBuf),
}

/// Looks at the store that is there.
///
/// # Errors
/// One that may not be replaced, or cannot be looked at.
async fn look(config: &Config, snapshots: &Snapshots, file: &Path, force: bool) -> Result<Before> {
    let (store, contents) = match store::opened(config).await {
        Ok(opened) => opened,
        Err(error) if store::is_damage(&error) => {
            eprintln!("the store is replaced: {}", one_line(&error));
            return Ok(Before::Damaged);
        }
        // Also one that a newer Accord wrote: what is in it would be lost.
        Err(error) => return Err(error),
    };
    if contents.records == 0 {
        store.close().await?;
        return Ok(Before::Empty);
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
    Ok(Before::KeptIn(kept))
}
