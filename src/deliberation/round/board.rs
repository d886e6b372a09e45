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
    /// Says that organisers look at candidates before they are posted.
    Review { stage: u8 },
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
        // What was posted stays and tells what has become of it; what is over is not posted any more.
        let mut add = |item, timely| {
            if timely || self.shown(item).is_some() {
                items.push(item);
            }
        };
        add(Item::TooFew, matches!(self.phase, Phase::TooFew { .. }));
        for (stage, made) in (0..).zip(&self.stages) {
            let in_play = self.in_play(stage);
            let under_review = matches!(self.phase, Phase::Review { .. }) && self.is_latest(stage);
            add(Item::Review { stage }, under_review);
            for &candidate in &made.posted {
                let withdrawn = self.candidate(candidate).withdrawn_at.is_some();
                add(Item::Candidate { stage, candidate }, in_play && !withdrawn);
            }
            add(
                Item::RatingOpen { stage },
                in_play && made.rating_opened_at.is_some(),
            );
            add(
                Item::ClosingEarly { stage },
                in_play && made.early_close_at.is_some(),
            );
        }
        add(Item::Result, matches!(self.phase, Phase::Concluded { .. }));
        add(
            Item::Cancelled,
            matches!(self.phase, Phase::Cancelled { .. }),
        );
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

    /// Whether a message may be what is left of an item, also of one that is not posted any more.
    pub fn can_stand_there(&self, item: Item) -> bool {
        let stage_of = |stage: u8| self.stages.get(usize::from(stage));
        match item {
            Item::Candidate { stage, candidate } => stage_of(stage).is_some_and(|made| {
                // One that was withdrawn before it was noted where it stands is found to be hidden.
                made.posted.contains(&candidate)
            }),
            Item::Review { stage } => self.terms.review && stage_of(stage).is_some(),
            Item::RatingOpen { stage } | Item::ClosingEarly { stage } => {
                stage_of(stage).is_some_and(|made| made.rating_opened_at.is_some())
            }
            Item::TooFew => true,
            Item::Card | Item::Result | Item::Cancelled => self.board().contains(&item),
        }
    }

    /// An item was posted, or found.
    pub fn show(&mut self, shown: Shown) {
        match self.shown.iter_mut().find(|old| old.item == shown.item) {
            Some(old) => *old = shown,
            None => self.shown.push(shown),
        }
    }

    /// A message was edited and now looks like this.
    pub fn edited(&mut self, message: Message, fingerprint: u64) {
        for shown in &mut self.shown {
            if shown.message == message {
                shown.fingerprint = fingerprint;
            }
        }
    }

    /// A message has all the reactions that it is to have.
    pub fn seeded(&mut self, message: Message) {
        for shown in &mut self.shown {
            shown.seeded |= shown.message == message;
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
    /// A candidate whose message somebody deleted is withdrawn, unless the group is done with it: it
    /// cannot win, and what is not in play any more is not posted again. Everything else is.
    pub fn message_deleted(&mut self, message: Message, now: Time) {
        let Some(item) = self.item_of(message) else {
            return;
        };
        self.shown.retain(|shown| shown.message != message);
        // The winner of an earlier stage, posted once more, does not hang on its old message.
        if let Item::Candidate { stage, candidate } = item
            && self.is_open()
            && self.is_latest(stage)
            && self.candidate(candidate).withdrawn_at.is_none()
        {
            self.take_out(candidate, None, Act::CandidateWithdrawn(candidate), now);
        }
    }

    /// Whether a stage's candidates are being posted or rated.
    fn in_play(&self, stage: u8) -> bool {
        matches!(self.phase, Phase::Posting { .. } | Phase::Rating { .. }) && self.is_latest(stage)
    }

    pub(super) fn is_latest(&self, stage: u8) -> bool {
        usize::from(stage) + 1 == self.stages.len()
    }

    /// The thread is gone, or the channel where there is none.
    ///
    /// When an open round loses its thread, the card in the channel still has to say so; when it
    /// turns out that the channel is gone as well, this is called again.
    pub fn place_gone(&mut self, now: Time) {
        self.settled = true;
        if self.is_open() {
            self.end(Cancellation::PlaceGone, now);
            if self.place.thread.take().is_some() {
                self.place.threads = false;
                self.shown.retain(|shown| shown.item == Item::Card);
                self.settled = false;
            }
        }
    }

    /// Everything about a round that is over has been shown.
    pub fn settle(&mut self) {
        self.settled = !self.is_open();
    }

    pub(super) fn end(&mut self, why: Cancellation, now: Time) {
        self.leave_review(now);
        self.phase = Phase::Cancelled { at: now, why };
    }
}
