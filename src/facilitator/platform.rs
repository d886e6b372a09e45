//! What the facilitator needs of the place where people are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use thiserror::Error;

use super::retraining::TrainingProgress;
use crate::deliberation::id::{Channel, Guild, Member, Message};
use crate::deliberation::rating::Likert;
use crate::deliberation::retraining::Retraining;
use crate::deliberation::round::Round;
use crate::deliberation::round::board::Item;

/// Shows rounds to people. Every method may be called again after it succeeded.
pub trait Platform: Send + Sync + 'static {
    /// A message, ready to be posted.
    type Look: Send + Sync;

    /// What an item of a round looks like now.
    fn look(&self, view: &View<'_>, item: Item) -> Self::Look;

    /// A number that differs whenever two looks do.
    fn fingerprint(look: &Self::Look) -> u64;

    /// Posts an item where it belongs: the card in the round's channel, all else in its thread.
    fn post(
        &self,
        round: &Round,
        item: Item,
        look: Self::Look,
    ) -> impl Future<Output = Result<Message, PlatformError>> + Send;

    fn edit(
        &self,
        round: &Round,
        item: Item,
        message: Message,
        look: Self::Look,
    ) -> impl Future<Output = Result<(), PlatformError>> + Send;

    /// Sets the reactions with which members rate.
    fn seed(
        &self,
        round: &Round,
        message: Message,
    ) -> impl Future<Output = Result<(), PlatformError>> + Send;

    /// The items of a round that already stand there, whether anybody remembers posting them or not.
    fn find(
        &self,
        round: &Round,
    ) -> impl Future<Output = Result<HashMap<Item, Message>, PlatformError>> + Send;

    /// Makes the round's thread, or finds it; `None` where there can be none.
    fn make_thread(
        &self,
        round: &Round,
        card: Message,
    ) -> impl Future<Output = Result<Option<Channel>, PlatformError>> + Send;

    /// Sees to it that the round's thread takes messages and reactions.
    fn keep_thread_open(
        &self,
        round: &Round,
    ) -> impl Future<Output = Result<(), PlatformError>> + Send;

    /// The digits that members, not the bot, have set under a candidate.
    fn reactions(
        &self,
        round: &Round,
        message: Message,
    ) -> impl Future<Output = Result<BTreeMap<Member, BTreeSet<Likert>>, PlatformError>> + Send;

    /// What the message of a retraining looks like now.
    fn retraining_look(&self, view: &RetrainingView<'_>) -> Self::Look;

    /// Posts the message of a retraining in its channel.
    fn post_retraining(
        &self,
        retraining: &Retraining,
        look: Self::Look,
    ) -> impl Future<Output = Result<Message, PlatformError>> + Send;

    /// The message of a retraining that already stands there, whether anybody remembers posting it or
    /// not; only while it can be cancelled.
    fn find_retraining(
        &self,
        retraining: &Retraining,
    ) -> impl Future<Output = Result<Option<Message>, PlatformError>> + Send;

    fn edit_retraining(
        &self,
        channel: Channel,
        message: Message,
        look: Self::Look,
    ) -> impl Future<Output = Result<(), PlatformError>> + Send;

    /// What the members are called there, for checking that no candidate names one; kept nowhere.
    fn names(&self, guild: Guild, members: &[Member]) -> impl Future<Output = Vec<String>> + Send;
}

/// A round, and what is not part of its state but shown all the same.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub round: &'a Round,
    pub progress: Progress,
}

/// A retraining, and how far it is.
#[derive(Clone, Copy, Debug)]
pub struct RetrainingView<'a> {
    pub retraining: &'a Retraining,
    pub progress: TrainingProgress,
}

/// How far drafting is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// 0 when the round is being drafted; `None` when it is not waiting either.
    pub position: Option<usize>,
    /// Candidates settled so far.
    pub drafted: usize,
    /// Candidates wanted.
    pub wanted: usize,
}

/// Why the platform did not do it.
#[derive(Debug, Error)]
pub enum PlatformError {
    /// Somebody deleted the message.
    #[error("the message is gone")]
    MessageGone,
    /// Somebody deleted the channel or the thread, or the bot was removed from the guild.
    #[error("the channel is gone")]
    PlaceGone,
    /// It will not work until somebody changes something there.
    #[error("the platform refuses: {0}")]
    Refused(String),
    /// It may or may not have been done.
    #[error("the platform does not answer: {0}")]
    Unavailable(String),
}
