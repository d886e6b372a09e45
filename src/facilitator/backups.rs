//! Snapshots of the store, made from time to time.

use anyhow::Result;
use chrono::TimeDelta;
use tokio::sync::MutexGuard;

use super::Facilitator;
use super::platform::Platform;
use crate::store::Store;
use crate::store::snapshots::Snapshots;

/// When snapshots are made, and how long they are kept.
#[derive(Clone, Debug)]
pub struct Backups {
    pub snapshots: Snapshots,
    /// From one to the next.
    pub every: TimeDelta,
    /// So many of them.
    pub kept: usize,
    /// For so long at most.
    pub kept_for: TimeDelta,
}

/// At a start there is a snapshot even if the last one is not that old; but whoever starts again and
/// again does not fill the folder.
pub(super) const LEAST_AGE_AT_START: TimeDelta = TimeDelta::hours(1);

/// As long as it is held, no snapshot is made.
pub(super) type NoSnapshot<'a> = MutexGuard<'a, ()>;

impl<P: Platform> Facilitator<P> {
    /// What members change or withdraw is in the snapshots for so long.
    pub fn snapshots_kept_for(&self) -> TimeDelta {
        self.backups.kept_for
    }

    /// Makes a snapshot if the last one is as old as that and something has changed since, and removes
    /// old ones.
    ///
    /// # Errors
    /// A snapshot that cannot be written or removed; a store that cannot be read.
    pub async fn make_snapshot(&self, least_age: TimeDelta) -> Result<()> {
        let _alone = self.backing_up.lock().await;
        let Backups {
            snapshots,
            every,
            kept,
            kept_for,
        } = self.backups.clone();
        let now = self.clock.now();
        let listed = snapshots.clone();
        let newest = tokio::task::spawn_blocking(move || listed.list(now)).await??;
        let newest = newest.into_iter().next();
        // Of one that a clock made which was ahead, nobody knows how old it is.
        let newest = newest.filter(|newest| newest.made_at <= now);
        let age = newest.as_ref().map(|newest| now - newest.made_at);
        let is_time = |age| age >= least_age;
        let file = snapshots.file(now);
        if age.is_none_or(is_time) && newest.as_ref().is_none_or(|newest| newest.file != file) {
            let made = self.store.back_up(&file, now).await?;
            let contents = made.contents;
            tokio::task::spawn_blocking(move || {
                // The last one must not be removed for its age without another in its place.
                let lasts = age.is_some_and(|age| age + every < kept_for);
                if lasts
                    && let Some(newest) = newest
                    && Store::verify(&newest.file).is_ok_and(|last| last.sha256 == made.sha256)
                {
                    std::fs::remove_file(&file)?;
                }
                anyhow::Ok(())
            })
            .await??;
            let (rounds, guilds) = (contents.rounds, contents.guilds);
            tracing::info!(rounds, guilds, "looked whether a snapshot is needed");
        }
        tokio::task::spawn_blocking(move || snapshots.remove_old(kept, kept_for, now)).await?
    }
}
