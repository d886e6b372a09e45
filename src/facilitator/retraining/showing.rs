//! Makes the messages of retrainings match how far they are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::deliberation::retraining::{Retraining, RetrainingKey, Shown};
use crate::facilitator::Facilitator;
use crate::facilitator::driver::{EDIT_EVERY, wait_for};
use crate::facilitator::platform::{Platform, PlatformError, RetrainingView};

/// After the platform did not answer.
const RETRY_AFTER: Duration = Duration::from_millis(if cfg!(test) { 2 } else { 10_000 });

impl<P: Platform> Facilitator<P> {
    /// Until the process ends.
    pub(super) async fn show_retrainings(self: Arc<Self>) {
        let mut changed = self.retrainings.changed.subscribe();
        let mut edited: HashMap<RetrainingKey, Instant> = HashMap::new();
        // Of these a message may stand there that nobody remembers.
        let mut lost: HashSet<RetrainingKey> = self.retrainings.known().keys().copied().collect();
        loop {
            changed.mark_unchanged();
            let mut again: Option<Instant> = None;
            let unsettled: Vec<Retraining> = {
                let known = self.retrainings.known();
                let all = known.values();
                all.filter(|retraining| !retraining.settled)
                    .cloned()
                    .collect()
            };
            edited.retain(|key, _| unsettled.iter().any(|retraining| retraining.key == *key));
            for retraining in unsettled {
                let next = tokio::select! {
                    () = self.shutdown.cancelled() => return,
                    next = self.show_retraining(&retraining, &mut edited, &mut lost) => next,
                };
                again = again.into_iter().chain(next).min();
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                _ = changed.changed() => {}
                () = wait_for(again.map(tokio::time::sleep_until)) => {}
            }
        }
    }

    /// When to look again, if something is left to be shown.
    async fn show_retraining(
        &self,
        retraining: &Retraining,
        edited: &mut HashMap<RetrainingKey, Instant>,
        lost: &mut HashSet<RetrainingKey>,
    ) -> Option<Instant> {
        let shown = self.try_to_show(retraining, edited, lost).await;
        let key = retraining.key;
        match shown {
            Ok(Some(again)) => Some(again),
            Ok(None) if !retraining.is_over() => None,
            Ok(None) => self.settle_retraining(key).await,
            Err(error) => match error.downcast_ref::<PlatformError>() {
                Some(PlatformError::Unavailable(_)) => Some(Instant::now() + RETRY_AFTER),
                // Nobody can see it, and it goes on all the same. Somebody removed the message, or
                // the channel, or does not let the bot write there any more.
                Some(_) => {
                    tracing::warn!(
                        guild = %key.guild,
                        number = key.number,
                        error = format!("{error:#}"),
                        "a retraining is not shown any more"
                    );
                    self.settle_retraining(key).await
                }
                // Erased meanwhile, or the store is broken, which ends the bot.
                None => None,
            },
        }
    }

    async fn settle_retraining(&self, key: RetrainingKey) -> Option<Instant> {
        let settled = self.change_retraining(key, |retraining, _| retraining.settled = true);
        settled.await.err().map(|_| Instant::now() + RETRY_AFTER)
    }

    async fn try_to_show(
        &self,
        retraining: &Retraining,
        edited: &mut HashMap<RetrainingKey, Instant>,
        lost: &mut HashSet<RetrainingKey>,
    ) -> Result<Option<Instant>> {
        let key = retraining.key;
        let view = RetrainingView {
            retraining,
            progress: self.training_progress(key),
        };
        let look = self.platform.retraining_look(&view);
        let fingerprint = P::fingerprint(&look);
        let message = match retraining.shown {
            Some(shown) if shown.fingerprint == fingerprint => return Ok(None),
            Some(Shown { message, .. }) => {
                if let Some(&at) = edited.get(&key)
                    && at.elapsed() < EDIT_EVERY
                {
                    return Ok(Some(at + EDIT_EVERY));
                }
                let place = retraining.channel;
                self.platform.edit_retraining(place, message, look).await?;
                edited.insert(key, Instant::now());
                message
            }
            None => {
                let found = match lost.contains(&key) {
                    true => self.platform.find_retraining(retraining).await?,
                    false => None,
                };
                // Until its answer has come, it may or may not be posted.
                lost.insert(key);
                match found {
                    Some(message) => {
                        let place = retraining.channel;
                        self.platform.edit_retraining(place, message, look).await?;
                        message
                    }
                    None => self.platform.post_retraining(retraining, look).await?,
                }
            }
        };
        let shown = Shown {
            message,
            fingerprint,
        };
        self.change_retraining(key, |retraining, _| retraining.shown = Some(shown))
            .await?;
        // Perhaps it has changed meanwhile; if so, that woke this task.
        Ok(retraining.is_over().then(Instant::now))
    }
}
