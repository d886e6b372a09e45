//! What a round shows on the platform, as a function of its state.
//!
//! Whoever runs the round compares [`Round::board`] with [`Round::shown`], posts what is missing and
//! edits what looks otherwise. Both are harmless to repeat, so that a restart at any moment just
//! continues.

use serde::{Deserialize, Serialize};

use super::{Act, Cancellation, CandidateKey, Phase, Round, Time};
use crate::deliberation::id::{Channel, Message};

/// A message that a round has on the platform.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// What the round is about and where it stands; changes as the round does.
    Card,
    /// Asks the organiser what to do with too few opinions.
    TooFew,
    /// A candidate to be rated.
    Candidate { stage: u8, candidate: CandidateKey },
    /// Says that the candidates can be rated now, and how.
    RatingOpen { stage: u8 },
    /// Says that rating closes earlier than it was announced.
    ClosingEarly { stage: u8 },
    /// The group's statement.
    Result,
    /// Says that there is none, and why.
    Cancelled,
}

/// A message that was posted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Shown {
    pub item: Item,
    pub message: Message,
    /// Of what it looked like last.
    pub fingerprint: u64,
    /// It has all the reactions that the bot sets.
    pub seeded: bool,
}

impl Round {
    /// The messages that there should be, in the order in which they are posted.
    pub fn board(&self) -> Vec<Item> {
        let mut items = vec![Item::Card];
        if matches!(self.phase, Phase::TooFew { .. }) || self.shown(Item::TooFew).is_some() {
            items.push(Item::TooFew);
        }
        for (stage, posted) in (0..).zip(&self.stages) {
            items.extend(
                posted
                    .posted
                    .iter()
                    .filter(|&&key| self.candidate(key).withdrawn_at.is_none())
                    .map(|&candidate| Item::Candidate { stage, candidate }),
            );
            if posted.rating_opened_at.is_some() {
                items.push(Item::RatingOpen { stage });
            }
            if posted.early_close_at.is_some() {
                items.push(Item::ClosingEarly { stage });
            }
        }
        match self.phase {
            Phase::Concluded { .. } => items.push(Item::Result),
            Phase::Cancelled { .. } => items.push(Item::Cancelled),
            _ => {}
        }
        items
    }

    /// What is known of an item on the platform.
    pub fn shown(&self, item: Item) -> Option<&Shown> {
        self.shown.iter().find(|shown| shown.item == item)
    }

    /// The item that a message shows.
    pub fn item_of(&self, message: Message) -> Option<Item> {
        self.shown
            .iter()
            .find(|shown| shown.message == message)
            .map(|shown| shown.item)
    }

    /// An item was posted, edited or seeded.
    pub fn show(&mut self, shown: Shown) {
        match self.shown.iter_mut().find(|old| old.item == shown.item) {
            Some(old) => *old = shown,
            None => self.shown.push(shown),
        }
    }

    /// The reactions under a message may be gone.
    pub fn unseed(&mut self, message: Message) {
        for shown in &mut self.shown {
            shown.seeded &= shown.message != message;
        }
    }

    /// The thread was made.
    pub fn moved_to_thread(&mut self, thread: Channel) {
        self.place.thread = Some(thread);
    }

    /// No thread can be made here: everything stands in the channel.
    pub fn stays_in_channel(&mut self) {
        self.place.threads = false;
    }

    /// A message of the round is gone.
    ///
    /// A candidate whose message somebody deleted is withdrawn while it is being posted or rated: it
    /// is not posted again and cannot win. Everything else is posted again.
    pub fn message_deleted(&mut self, message: Message, now: Time) {
        let Some(item) = self.item_of(message) else {
            return;
        };
        self.shown.retain(|shown| shown.message != message);
        let in_play = matches!(self.phase, Phase::Posting { .. } | Phase::Rating { .. });
        match item {
            Item::Candidate { stage, candidate }
                if in_play && usize::from(stage) + 1 == self.stages.len() =>
            {
                self.candidates[usize::from(candidate.0)].withdrawn_at = Some(now);
                self.note(now, None, Act::CandidateWithdrawn(candidate));
                if self.eligible().is_empty() {
                    self.end(Cancellation::NoCandidateLeft, now);
                } else {
                    self.see_whether_complete(now);
                }
            }
            // What is over is not posted again either.
            Item::Candidate { candidate, .. } => {
                self.candidates[usize::from(candidate.0)].withdrawn_at = Some(now);
            }
            _ => {}
        }
    }

    /// The channel or the thread is gone.
    pub fn place_gone(&mut self, now: Time) {
        if self.is_open() {
            self.end(Cancellation::PlaceGone, now);
        }
        self.settled = true;
    }

    /// Everything about a round that is over has been shown.
    pub fn settle(&mut self) {
        self.settled = !self.is_open();
    }

    pub(super) fn end(&mut self, why: Cancellation, now: Time) {
        self.phase = Phase::Cancelled { at: now, why };
    }
}
