//! What people see, as a function of the state of a round.
//!
//! [`look`] draws the messages that a round has in its channel; the other functions draw what one
//! member sees alone. All are plain data ([`Look`], [`Form`]) until they are sent.

pub mod form;
pub mod look;

use crate::deliberation::id::Member;
use crate::deliberation::round::board::Item;
use crate::deliberation::round::{OpinionRefused, Round};
use crate::discord::wording::Wording;
use crate::facilitator::platform::View;

pub use form::{Form, critique_form, opinion_form};
pub use look::Look;

/// What has to be said truthfully about this host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostFacts {
    pub processed: Processed,
    /// How much of an opinion a draft reads.
    pub opinion_characters: usize,
    /// How many candidates a drafting is asked for.
    pub candidates: usize,
}

/// Where opinions are read by models.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Processed {
    /// On the machine that runs the bot.
    Local,
    /// At an endpoint: the name of its host.
    Endpoint(String),
}

/// A message of a round as it should look now.
pub fn look(host: &HostFacts, wording: &Wording, view: &View<'_>, item: Item) -> Look {
    todo!()
}

/// The private panel: the candidate at `place` in the member's own order.
pub fn panel(wording: &Wording, round: &Round, member: Member, place: u8) -> Look {
    todo!()
}

/// "How was this chosen?"
pub fn why(wording: &Wording, round: &Round) -> Look {
    todo!()
}

/// "What became of my contribution?"
pub fn mine(wording: &Wording, round: &Round, member: Member) -> Look {
    todo!()
}

/// The member's opinion was saved, as `round` has it now.
pub fn opinion_saved(wording: &Wording, round: &Round, member: Member) -> Look {
    todo!()
}

/// The opinion was not saved; no word of it is lost.
pub fn opinion_refused(
    wording: &Wording,
    round: &Round,
    refused: &OpinionRefused,
    text: &str,
) -> Look {
    todo!()
}

/// The opinion as its author wrote it, after a cancellation.
pub fn handed_back(wording: &Wording, round: &Round, member: Member) -> Look {
    todo!()
}

/// The text that [`opinion_refused`] showed, read from the message with the button.
pub fn returned_text(message: &serenity::all::Message) -> Option<&str> {
    message.embeds.first()?.description.as_deref()
}

/// Where a round stands; organisers are told what they can do.
pub fn status(wording: &Wording, view: &View<'_>, organiser: bool) -> Look {
    todo!()
}

/// The rounds of a guild, the latest first.
pub fn list(wording: &Wording, rounds: &[Round]) -> Look {
    todo!()
}
