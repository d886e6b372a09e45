//! Training is opt-in: what members are asked, what is kept of those who agree, and what of it may
//! train a guild's models.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;

use super::Facilitator;
use super::backups::NoSnapshot;
use super::platform::Platform;
use crate::deliberation::consent::{Consent, agreed, agreed_to_share};
use crate::deliberation::guild::Training;
use crate::deliberation::id::{Guild, Member, RoundKey};
use crate::deliberation::training_data::{Gathered, gather};
use crate::store::snapshots::Stale;

impl<P: Platform> Facilitator<P> {
    /// What a member who has just given an opinion is to be asked about training: [`Training::Off`]
    /// is nothing. Everybody is asked once in a guild; until they answer they do not agree.
    ///
    /// # Errors
    /// The store's.
    pub async fn asks_for_consent(&self, guild: Guild, member: Member) -> Result<Training> {
        let training = self.store.settings(guild).await?.training;
        if training == Training::Off {
            return Ok(Training::Off);
        }
        let _alone = self.consenting.lock().await;
        if self.store.consent(guild, member).await?.is_some() {
            return Ok(Training::Off);
        }
        self.save_consent(guild, member, Training::Off).await?;
        Ok(training)
    }

    /// A member agrees to training in a guild as far as was asked, [`Training::Off`] is not at all.
    /// Texts that were kept for it alone are then deleted, also from the disk, and nothing is trained on
    /// what they said any more.
    ///
    /// # Errors
    /// The store's; a snapshot that cannot be written; Accord is being stopped before a training has
    /// ended.
    pub async fn set_consent(
        self: &Arc<Self>,
        guild: Guild,
        member: Member,
        to: Training,
    ) -> Result<()> {
        let no_snapshot = self.backing_up.lock().await;
        if to == Training::Off {
            // First, and the answer last: after a crash in between, the member still agrees, and
            // saying no again does all of it again. Nobody who is asked meanwhile waits for the disk.
            self.release(guild, member, &no_snapshot).await?;
        }
        let alone = self.consenting.lock().await;
        self.save_consent(guild, member, to).await?;
        match to {
            Training::Off => {
                // Also in what was gathered meanwhile.
                self.forget_in_retrainings(guild, member).await?;
                drop((alone, no_snapshot));
                self.until_nothing_is_trained_on_old_data().await
            }
            // The answer before may have gone further.
            Training::Own => self.forget_all_who_left().await,
            Training::Shared => Ok(()),
        }
    }

    /// Nothing of a member is kept for training alone, or learned from, any more.
    pub(super) async fn release(
        self: &Arc<Self>,
        guild: Guild,
        member: Member,
        no_snapshot: &NoSnapshot<'_>,
    ) -> Result<()> {
        self.forget_in_retrainings(guild, member).await?;
        let before = self.store.consent(guild, member).await?;
        let mut on_disk = before.is_some_and(|consent| consent.agreed);
        for mut round in self.rounds(guild).await? {
            // In most there is nothing: they need not be taken up.
            if round.release_text(member) {
                on_disk |= self
                    .update(round.key, |round, _| round.release_text(member))
                    .await?;
            }
        }
        if on_disk {
            let stale = Stale::Member(guild, member);
            self.renew_snapshots(stale, no_snapshot).await?;
            self.store.rewrite().await?;
        }
        Ok(())
    }

    /// What may train a guild's models now: its own rounds, and where it shares, those of the other
    /// guilds of this host that share too, by those who agreed there. Nothing where training is off.
    ///
    /// # Errors
    /// The store's.
    pub async fn training_data(&self, guild: Guild) -> Result<Gathered> {
        let mut gathered = Gathered::default();
        for of in self.guilds_that_teach(guild).await? {
            let agreed = self.agreed(guild, of).await?;
            let rounds = self.rounds(of).await?;
            gathered.add(gather(&rounds, &agreed));
        }
        Ok(gathered)
    }

    /// Whose rounds may train a guild's models now, its own first.
    pub(super) async fn guilds_that_teach(&self, guild: Guild) -> Result<Vec<Guild>> {
        let training = self.store.settings(guild).await?.training;
        if training == Training::Off {
            return Ok(Vec::new());
        }
        let mut guilds = vec![guild];
        if training == Training::Shared {
            let share = self.store.guilds_that_share().await?;
            guilds.extend(share.into_iter().filter(|other| *other != guild));
        }
        Ok(guilds)
    }

    /// The members of a guild who agreed that the models of `guild` learn from them.
    pub(super) async fn agreed(&self, guild: Guild, of: Guild) -> Result<BTreeSet<Member>> {
        let consents = self.store.consents(of).await?;
        Ok(match of == guild {
            true => agreed(&consents),
            false => agreed_to_share(&consents),
        })
    }

    /// The time of a round's texts is over.
    pub(super) async fn delete_texts(self: &Arc<Self>, key: RoundKey) -> Result<()> {
        let _alone = self.consenting.lock().await;
        let keep = match self.store.settings(key.guild).await?.training {
            Training::Off => BTreeSet::new(),
            Training::Own | Training::Shared => self.agreed(key.guild, key.guild).await?,
        };
        self.update(key, |round, _| round.delete_texts(&keep)).await
    }

    /// Nobody agrees to more than they were asked, or than there is; who agreed to more before, by
    /// another button, still does.
    async fn save_consent(&self, guild: Guild, member: Member, to: Training) -> Result<()> {
        let training = self.store.settings(guild).await?.training;
        let agreed = to != Training::Off;
        let before = self.store.consent(guild, member).await?;
        let shared = to == Training::Shared && training == Training::Shared;
        let consent = Consent {
            agreed,
            shared: agreed && (shared || before.is_some_and(|consent| consent.shared)),
            at: self.clock.now(),
        };
        self.store.save_consent(guild, member, consent).await
    }
}
