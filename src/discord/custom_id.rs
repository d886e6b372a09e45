//! What buttons, selects and forms carry: everything needed to act on them, so that they work after
//! a restart.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::deliberation::guild::Training;
use crate::deliberation::retraining::Model;
use crate::deliberation::round::CandidateKey;
use crate::deliberation::round::board::Item;

/// The id of a component or a form. `round` is the number in the guild of the round that it belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CustomId {
    /// Opens the form for an opinion.
    Opinion { round: u32 },
    /// The form, written on top of that revision. Phones show the old text again when the id of a
    /// form repeats, so every revision has its own.
    OpinionForm { round: u32, revision: u32 },
    /// Takes the opinion back.
    Withdraw { round: u32 },
    /// Joins late with the text in the same message.
    Late { round: u32 },
    /// Opens the private panel for rating.
    Rate { round: u32, stage: u8 },
    /// Another candidate of the panel.
    Panel { round: u32, place: u8 },
    /// Rates the agreement with a candidate.
    Agreement { round: u32, candidate: CandidateKey },
    /// Rates the quality of a candidate.
    Quality { round: u32, candidate: CandidateKey },
    /// Rates the agreement with a candidate that is shown a second time.
    Again { round: u32, candidate: CandidateKey },
    /// Asks for a critique: the button and the form.
    Critique { round: u32 },
    /// Reports a candidate. A statement may be posted again in a later stage.
    Candidate {
        round: u32,
        stage: u8,
        candidate: CandidateKey,
    },
    /// Opens the private panel in which organisers look at candidates.
    Review { round: u32, stage: u8 },
    /// A candidate in that panel.
    Look { round: u32, candidate: CandidateKey },
    /// A candidate is not to be posted.
    Withhold { round: u32, candidate: CandidateKey },
    /// It is after all; or it stands although it was reported.
    Keep { round: u32, candidate: CandidateKey },
    /// A candidate that stands there is withdrawn.
    Remove { round: u32, candidate: CandidateKey },
    /// What is not withheld of the candidates of that stage is posted.
    Post { round: u32, stage: u8 },
    /// Candidates are drafted instead of those of that stage.
    Redraft { round: u32, stage: u8 },
    /// Asks whether candidates are to be drafted without the sources of one.
    Without { round: u32, candidate: CandidateKey },
    /// They are.
    Sure { round: u32, candidate: CandidateKey },
    /// "How was this chosen?"
    Why { round: u32 },
    /// "What became of my contribution?"
    Mine { round: u32 },
    /// Extends opinions that are too few.
    Extend { round: u32 },
    /// Ends a round with too few opinions.
    End { round: u32 },
    /// Where the round stands.
    Status { round: u32, stage: u8 },
    /// Hands the opinion back to its author after a round was cancelled.
    Handback { round: u32 },
    /// Agrees to what was asked when the button was shown, [`Training::Off`] to nothing: what the
    /// guild has settled may have changed since.
    Consent { to: Training },
    /// Confirms a retraining whose estimate was shown.
    Retrain { model: Model },
    /// Does without it.
    LeaveTraining,
    /// Cancels the retraining of that number in the guild.
    CancelRetraining { number: u32 },
}

impl CustomId {
    /// The round that it belongs to; `None` for what belongs to the whole guild.
    pub fn round(self) -> Option<u32> {
        match self {
            Self::Consent { .. } => None,
            Self::Opinion { round }
            | Self::OpinionForm { round, .. }
            | Self::Withdraw { round }
            | Self::Late { round }
            | Self::Rate { round, .. }
            | Self::Panel { round, .. }
            | Self::Agreement { round, .. }
            | Self::Quality { round, .. }
            | Self::Again { round, .. }
            | Self::Critique { round }
            | Self::Candidate { round, .. }
            | Self::Review { round, .. }
            | Self::Look { round, .. }
            | Self::Withhold { round, .. }
            | Self::Keep { round, .. }
            | Self::Remove { round, .. }
            | Self::Post { round, .. }
            | Self::Redraft { round, .. }
            | Self::Without { round, .. }
            | Self::Sure { round, .. }
            | Self::Why { round }
            | Self::Mine { round }
            | Self::Extend { round }
            | Self::End { round }
            | Self::Status { round, .. }
            | Self::Handback { round } => Some(round),
            Self::Retrain { .. } | Self::LeaveTraining | Self::CancelRetraining { .. } => None,
        }
    }
}

/// Which item of a round a message shows, told by the ids of its components. Every item has one,
/// whatever its state, so that after a crash its message is found again.
pub fn item_of(ids: &[CustomId]) -> Option<Item> {
    ids.iter().find_map(|id| match *id {
        CustomId::Opinion { .. } => Some(Item::Card),
        CustomId::Extend { .. } => Some(Item::TooFew),
        CustomId::Candidate {
            stage, candidate, ..
        } => Some(Item::Candidate { stage, candidate }),
        CustomId::Review { stage, .. } => Some(Item::Review { stage }),
        CustomId::Rate { stage, .. } => Some(Item::RatingOpen { stage }),
        CustomId::Status { stage, .. } => Some(Item::ClosingEarly { stage }),
        CustomId::Why { .. } => Some(Item::Result),
        CustomId::Handback { .. } => Some(Item::Cancelled),
        _ => None,
    })
}

/// Not an id that Accord gives.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("no component of Accord has the id {0:?}")]
pub struct UnknownCustomId(pub String);

impl fmt::Display for CustomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opinion { round } => write!(f, "opinion:{round}"),
            Self::OpinionForm { round, revision } => write!(f, "opinion:{round}:{revision}"),
            Self::Withdraw { round } => write!(f, "withdraw:{round}"),
            Self::Late { round } => write!(f, "late:{round}"),
            Self::Rate { round, stage } => write!(f, "rate:{round}:{stage}"),
            Self::Panel { round, place } => write!(f, "panel:{round}:{place}"),
            Self::Agreement { round, candidate } => write!(f, "agreement:{round}:{}", candidate.0),
            Self::Quality { round, candidate } => write!(f, "quality:{round}:{}", candidate.0),
            Self::Again { round, candidate } => write!(f, "again:{round}:{}", candidate.0),
            Self::Critique { round } => write!(f, "critique:{round}"),
            Self::Candidate {
                round,
                stage,
                candidate,
            } => write!(f, "candidate:{round}:{stage}:{}", candidate.0),
            Self::Review { round, stage } => write!(f, "review:{round}:{stage}"),
            Self::Look { round, candidate } => write!(f, "look:{round}:{}", candidate.0),
            Self::Withhold { round, candidate } => write!(f, "withhold:{round}:{}", candidate.0),
            Self::Keep { round, candidate } => write!(f, "keep:{round}:{}", candidate.0),
            Self::Remove { round, candidate } => write!(f, "remove:{round}:{}", candidate.0),
            Self::Post { round, stage } => write!(f, "post:{round}:{stage}"),
            Self::Redraft { round, stage } => write!(f, "redraft:{round}:{stage}"),
            Self::Without { round, candidate } => write!(f, "without:{round}:{}", candidate.0),
            Self::Sure { round, candidate } => write!(f, "sure:{round}:{}", candidate.0),
            Self::Why { round } => write!(f, "why:{round}"),
            Self::Mine { round } => write!(f, "mine:{round}"),
            Self::Extend { round } => write!(f, "extend:{round}"),
            Self::End { round } => write!(f, "end:{round}"),
            Self::Status { round, stage } => write!(f, "status:{round}:{stage}"),
            Self::Handback { round } => write!(f, "handback:{round}"),
            Self::Consent { to: Training::Off } => f.write_str("consent:no"),
            Self::Consent { to: Training::Own } => f.write_str("consent:own"),
            Self::Consent {
                to: Training::Shared,
            } => f.write_str("consent:shared"),
            Self::Retrain { model } => write!(f, "retrain:{}", name_of(*model)),
            Self::LeaveTraining => f.write_str("leave-training"),
            Self::CancelRetraining { number } => write!(f, "cancel-retraining:{number}"),
        }
    }
}

impl FromStr for CustomId {
    type Err = UnknownCustomId;

    fn from_str(text: &str) -> Result<Self, UnknownCustomId> {
        parse(text).ok_or_else(|| UnknownCustomId(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<CustomId> {
    if text == "leave-training" {
        return Some(CustomId::LeaveTraining);
    }
    for to in [Training::Off, Training::Own, Training::Shared] {
        let id = CustomId::Consent { to };
        if id.to_string() == text {
            return Some(id);
        }
    }
    for model in [Model::RewardModel, Model::Generator] {
        let id = CustomId::Retrain { model };
        if id.to_string() == text {
            return Some(id);
        }
    }
    let mut parts = text.split(':');
    let (name, round) = (parts.next()?, number(parts.next()?)?);
    let rest: Vec<&str> = parts.collect();
    Some(match (name, rest.as_slice()) {
        ("opinion", []) => CustomId::Opinion { round },
        ("opinion", [revision]) => CustomId::OpinionForm {
            round,
            revision: number(revision)?,
        },
        ("withdraw", []) => CustomId::Withdraw { round },
        ("late", []) => CustomId::Late { round },
        ("rate", [stage]) => CustomId::Rate {
            round,
            stage: number(stage)?,
        },
        ("panel", [place]) => CustomId::Panel {
            round,
            place: number(place)?,
        },
        ("agreement", [candidate]) => CustomId::Agreement {
            round,
            candidate: CandidateKey(number(candidate)?),
        },
        ("quality", [candidate]) => CustomId::Quality {
            round,
            candidate: CandidateKey(number(candidate)?),
        },
        ("again", [candidate]) => CustomId::Again {
            round,
            candidate: CandidateKey(number(candidate)?),
        },
        ("critique", []) => CustomId::Critique { round },
        ("candidate", [stage, candidate]) => CustomId::Candidate {
            round,
            stage: number(stage)?,
            candidate: CandidateKey(number(candidate)?),
        },
        ("review", [stage]) => CustomId::Review {
            round,
            stage: number(stage)?,
        },
        ("look", [candidate]) => CustomId::Look {
            round,
            candidate: CandidateKey(number(candidate)?),
        },
        ("withhold", [candidate]) => CustomId::Withhold {
            round,
            candidate: CandidateKey(number(candidate)?),
        },
        ("keep", [candidate]) => CustomId::Keep {
            round,
            candidate: CandidateKey(number(candidate)?),
        },
        ("remove", [candidate]) => CustomId::Remove {
            round,
            candidate: CandidateKey(number(candidate)?),
        },
        ("post", [stage]) => CustomId::Post {
            round,
            stage: number(stage)?,
        },
        ("redraft", [stage]) => CustomId::Redraft {
            round,
            stage: number(stage)?,
        },
        ("without", [candidate]) => CustomId::Without {
            round,
            candidate: CandidateKey(number(candidate)?),
        },
        ("sure", [candidate]) => CustomId::Sure {
            round,
            candidate: CandidateKey(number(candidate)?),
        },
        ("why", []) => CustomId::Why { round },
        ("mine", []) => CustomId::Mine { round },
        ("extend", []) => CustomId::Extend { round },
        ("end", []) => CustomId::End { round },
        ("status", [stage]) => CustomId::Status {
            round,
            stage: number(stage)?,
        },
        ("handback", []) => CustomId::Handback { round },
        ("cancel-retraining", []) => CustomId::CancelRetraining { number: round },
        _ => return None,
    })
}

fn name_of(model: Model) -> &'static str {
    match model {
        Model::RewardModel => "reward",
        Model::Generator => "generator",
    }
}

impl Serialize for CustomId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Only as it is written: no sign, no zero in front.
fn number<T: FromStr + fmt::Display>(text: &str) -> Option<T> {
    text.parse()
        .ok()
        .filter(|number: &T| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_id() -> impl Strategy<Value = CustomId> {
        (
            0..30_u8,
            any::<u32>(),
            any::<u32>(),
            any::<u8>(),
            any::<u16>(),
        )
            .prop_map(|(kind, round, revision, small, key)| {
                let (stage, place, candidate) = (small, small, CandidateKey(key));
                match kind {
                    0 => CustomId::Opinion { round },
                    1 => CustomId::OpinionForm { round, revision },
                    2 => CustomId::Withdraw { round },
                    3 => CustomId::Late { round },
                    4 => CustomId::Rate { round, stage },
                    5 => CustomId::Panel { round, place },
                    6 => CustomId::Agreement { round, candidate },
                    7 => CustomId::Quality { round, candidate },
                    8 => CustomId::Critique { round },
                    9 => CustomId::Candidate {
                        round,
                        stage,
                        candidate,
                    },
                    10 => CustomId::Why { round },
                    11 => CustomId::Mine { round },
                    12 => CustomId::Extend { round },
                    13 => CustomId::End { round },
                    14 => CustomId::Status { round, stage },
                    15 => CustomId::Handback { round },
                    16 => CustomId::Again { round, candidate },
                    17 => CustomId::CancelRetraining { number: round },
                    18 => CustomId::Retrain {
                        model: Model::RewardModel,
                    },
                    19 => CustomId::LeaveTraining,
                    20 => CustomId::Review { round, stage },
                    21 => CustomId::Look { round, candidate },
                    22 => CustomId::Withhold { round, candidate },
                    23 => CustomId::Keep { round, candidate },
                    24 => CustomId::Remove { round, candidate },
                    25 => CustomId::Post { round, stage },
                    26 => CustomId::Redraft { round, stage },
                    27 => CustomId::Without { round, candidate },
                    28 => CustomId::Sure { round, candidate },
                    _ => CustomId::Consent {
                        to: [Training::Off, Training::Own, Training::Shared]
                            [usize::from(small % 3)],
                    },
                }
            })
    }

    proptest! {
        #[test]
        fn an_id_is_read_as_it_was_written(id in any_id()) {
            let text = id.to_string();
            prop_assert!(text.len() <= 100);
            prop_assert_eq!(text.parse::<CustomId>(), Ok(id));
        }

        #[test]
        fn whatever_is_read_is_written_the_same(text in "[a-z]{3,9}(:[0-9+-]{0,11}){0,4}") {
            if let Ok(id) = text.parse::<CustomId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn what_accord_never_wrote_is_an_error_that_shows_it() {
        for text in [
            "",
            "opinion",
            "opinion:",
            "opinion:x",
            "opinion:1:2:3",
            "opinion:+1",
            "opinion:01",
            "opinion:4294967296",
            "rate:1",
            "candidate:1:2",
            "candidate:1:256:3",
            "delete:1",
            "consent",
            "consent:1",
            "consent:yes",
            "consent:own:1",
            "retrain:1",
            "cancel-retraining:reward",
            "leave-training:reward",
        ] {
            assert_eq!(
                text.parse::<CustomId>(),
                Err(UnknownCustomId(text.to_owned()))
            );
        }
    }

    #[test]
    fn a_message_is_known_by_what_it_carries() {
        let of = |texts: &[&str]| {
            let ids: Vec<CustomId> = texts.iter().map(|text| text.parse().unwrap()).collect();
            item_of(&ids)
        };
        let candidate = CandidateKey(4);
        assert_eq!(of(&["mine:3", "opinion:3"]), Some(Item::Card));
        assert_eq!(of(&["extend:3", "end:3"]), Some(Item::TooFew));
        assert_eq!(
            of(&["candidate:3:1:4"]),
            Some(Item::Candidate {
                stage: 1,
                candidate
            })
        );
        assert_eq!(of(&["review:3:1"]), Some(Item::Review { stage: 1 }));
        assert_eq!(of(&["rate:3:1"]), Some(Item::RatingOpen { stage: 1 }));
        assert_eq!(of(&["status:3:1"]), Some(Item::ClosingEarly { stage: 1 }));
        assert_eq!(of(&["why:3", "mine:3"]), Some(Item::Result));
        assert_eq!(of(&["handback:3"]), Some(Item::Cancelled));
        assert_eq!(of(&["withdraw:3", "opinion:3:2"]), None);
    }
}
