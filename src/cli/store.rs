//! The store of the data folder, for the commands that need it; and what to do if it is damaged.

use std::path::PathBuf;

use accord::config::Config;
use accord::store::snapshots::Snapshots;
use accord::store::{Contents, Damaged, Store, StoreBroken};
use anyhow::{Context, Result, anyhow, ensure};
use chrono::Utc;

/// Opens the store and reads all of it, to see whether that can be done.
///
/// # Errors
/// None there; one that another process has open; one that is damaged, with what helps.
pub async fn open(config: &Config) -> Result<Store> {
    ensure!(
        exists(config)?,
        "there is no store in {}: set ACCORD_DATA_DIR to the bot's data folder",
        config.data_dir.display()
    );
    open_or_make(config).await
}

/// As [`open`], and makes one where there is none.
pub async fn open_or_make(config: &Config) -> Result<Store> {
    let damage = match opened(config).await {
        Ok((store, contents)) if contents.records > 0 => return Ok(store),
        // sled makes a new tree where the files of the old one are gone.
        Ok((store, _)) => match newest_good(config).await? {
            Some((_, held)) if held.guilds > 0 => {
                store.close().await?;
                anyhow!("it is empty, and was not")
            }
            _ => return Ok(store),
        },
        Err(error) if is_damage(&error) => error,
        Err(error) => return Err(error),
    };
    let help = match newest_good(config).await? {
        Some((file, held)) => format!(
            "the newest good snapshot is {} with {}; to go on from there: accord restore --newest",
            file.display(),
            counted(held)
        ),
        None => format!(
            "there is no good snapshot in {}; to go on from a backup of your own: accord restore FILE",
            config.data_dir.join("backups").display()
        ),
    };
    Err(anyhow!("the store is damaged ({damage:#}); {help}"))
}

/// The store and how much is in it, read whole.
///
/// # Errors
/// As [`Store::open`] and [`Store::check`].
pub async fn opened(config: &Config) -> Result<(Store, Contents)> {
    let folder = config.data_dir.join("store");
    let store = tokio::task::spawn_blocking(move || Store::open(&folder)).await??;
    let contents = store.check().await?;
    Ok((store, contents))
}

/// Whether an error says that only a backup helps.
pub fn is_damage(error: &anyhow::Error) -> bool {
    error.is::<Damaged>() || error.is::<StoreBroken>()
}

/// Whether there is a store in the data folder.
///
/// # Errors
/// A folder that cannot be read.
pub fn exists(config: &Config) -> Result<bool> {
    let folder = config.data_dir.join("store");
    let there = folder.try_exists();
    there.with_context(|| format!("cannot read {}", config.data_dir.display()))
}

pub fn counted(contents: Contents) -> String {
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    format!(
        "{} of {}",
        counted(contents.rounds, "round"),
        counted(contents.guilds, "guild")
    )
}

async fn newest_good(config: &Config) -> Result<Option<(PathBuf, Contents)>> {
    let snapshots = Snapshots::in_data_dir(&config.data_dir);
    let newest = tokio::task::spawn_blocking(move || snapshots.newest_good(Utc::now())).await??;
    Ok(newest.map(|(snapshot, backup)| (snapshot.file, backup.contents)))
}
