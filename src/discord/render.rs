//! What people see, as a function of the state of a round.
//!
//! [`look`] draws the messages that a round has in its channel; the other functions draw what one
//! member sees alone. All are plain data ([`Look`], [`Form`]) until they are sent.

mod announcements;
mod arms;
mod card;
mod consent;
pub mod form;
pub mod look;
mod mine;
pub mod model;
mod panel;
mod phrases;
mod replies;
mod report;
mod result;
mod review;
#[cfg(test)]
mod sample;
mod standing;
mod state;
#[cfg(test)]
mod tests;
mod why;

use crate::deliberation::round::Phase;
use crate::deliberation::round::board::Item;
use crate::discord::wording::Wording;
use crate::facilitator::platform::View;

pub use consent::{asking_for_consent, consent};
pub use form::{Form, critique_form, opinion_form};
pub use look::{Button, Embed, Look, Select};
pub use mine::mine;
pub use panel::{panel, panel_order, place_of, place_of_retest};
pub use replies::{
    erased, erased_just_now, handed_back, list, opinion_refused, opinion_saved, opinion_withdrawn,
    returned_text, status,
};
pub use report::{ReportTemplate, report};
pub use review::{confirm_redraft, review};
pub use why::why;

/// A message of a round as it should look now.
///
/// # Panics
/// When the round has no such item.
pub fn look(host: &HostFacts, wording: &Wording, view: &View<'_>, item: Item) -> Look {
    let round = view.round;
    match (item, &round.phase) {
        (Item::Card, _) => card::card(host, wording, view),
        (Item::TooFew, _) => announcements::too_few(wording, round),
        (Item::Candidate { stage, candidate }, _) => {
            announcements::candidate(wording, round, stage, candidate)
        }
        (Item::Review { stage }, _) => review::notice(wording, round, stage),
        (Item::RatingOpen { stage }, _) => announcements::rating_open(wording, round, stage),
        (Item::ClosingEarly { stage }, _) => announcements::closing_early(wording, round, stage),
        (Item::Result, Phase::Concluded { result, .. }) => result::result(wording, round, result),
        (Item::Cancelled, Phase::Cancelled { why, .. }) => {
            announcements::cancelled(wording, round, *why)
        }
        (Item::Result | Item::Cancelled, phase) => {
            panic!("a round in {phase:?} does not show {item:?}")
        }
    }
}

/// What has to be said truthfully about this host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostFacts {
    pub processed: Processed,
    /// How much of an opinion a draft reads.
    pub opinion_characters: usize,
}

/// Where opinions are read by models.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Processed {
    /// On the machine that runs the bot.
    Local,
    /// At an endpoint: the name of its host.
    Endpoint(String),
}
