//! Where records lie: keys, in the order in which the tree has them.
//!
//! All numbers are big-endian, so that the order of the bytes is that of the numbers. Everything
//! of a guild lies under [`of_guild`], so that no guild's records are in the range of another's;
//! only its next round number does not, since that outlives it. What has to be found without
//! knowing the guild has an index of its own.

use std::fmt;

use chrono::DateTime;

use crate::deliberation::id::{Guild, Member, RoundKey};
use crate::deliberation::retraining::RetrainingKey;
use crate::deliberation::round::{CandidateKey, Time};

/// What a record is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Settings(Guild),
    /// Whether a member agrees to training.
    Consent(Guild, Member),
    Round(RoundKey, Part),
    Retraining(RetrainingKey),
    /// The number of the guild's next round.
    NextNumber(Guild),
    /// When Accord left the guild.
    Left(Guild),
    /// Index of the rounds that are not settled.
    Live(RoundKey),
    /// Index of the rounds whose texts are to be deleted, by that time.
    Due(Time, RoundKey),
    /// Index of all retrainings.
    Retrained(RetrainingKey),
}

/// See [`Key::group`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Group {
    Settings(Guild),
    Consent(Guild, Member),
    Round(RoundKey),
    Retraining(RetrainingKey),
    NextNumber(Guild),
    Left(Guild),
}

/// What is saved on its own of a round.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// All but what follows.
    Head,
    Opinion(Member),
    Candidate(CandidateKey),
    Rating(CandidateKey, Member),
    /// With its stage.
    Critique(u8, Member),
}

impl Key {
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes;
        match self {
            Self::Settings(guild) => {
                bytes = of_guild(guild);
                bytes.push(SETTINGS);
            }
            Self::Consent(guild, member) => {
                bytes = consents_of(guild);
                bytes.extend(member.0.to_be_bytes());
            }
            Self::Round(round, part) => {
                bytes = of_round(round);
                match part {
                    Part::Head => bytes.push(HEAD),
                    Part::Opinion(member) => {
                        bytes.push(OPINION);
                        bytes.extend(member.0.to_be_bytes());
                    }
                    Part::Candidate(candidate) => {
                        bytes.push(CANDIDATE);
                        bytes.extend(candidate.0.to_be_bytes());
                    }
                    Part::Rating(candidate, member) => {
                        bytes.push(RATING);
                        bytes.extend(candidate.0.to_be_bytes());
                        bytes.extend(member.0.to_be_bytes());
                    }
                    Part::Critique(stage, member) => {
                        bytes.extend([CRITIQUE, stage]);
                        bytes.extend(member.0.to_be_bytes());
                    }
                }
            }
            Self::Retraining(retraining) => {
                bytes = retrainings_of(retraining.guild);
                bytes.extend(retraining.number.to_be_bytes());
            }
            Self::Retrained(retraining) => {
                bytes = retrained_of(retraining.guild);
                bytes.extend(retraining.number.to_be_bytes());
            }
            Self::NextNumber(guild) => {
                bytes = vec![NEXT_NUMBER];
                bytes.extend(guild.0.to_be_bytes());
            }
            Self::Left(guild) => {
                bytes = vec![LEFT];
                bytes.extend(guild.0.to_be_bytes());
            }
            Self::Live(round) => {
                bytes = live_of(round.guild);
                bytes.extend(round.number.to_be_bytes());
            }
            Self::Due(at, round) => {
                bytes = due_at(at);
                bytes.extend(round.guild.0.to_be_bytes());
                bytes.extend(round.number.to_be_bytes());
            }
        }
        bytes
    }

    /// Whose it is.
    pub fn guild(self) -> Guild {
        self.group().guild()
    }

    /// The member whose it is, where it is one member's.
    pub fn member(self) -> Option<Member> {
        match self {
            Self::Consent(_, member)
            | Self::Round(
                _,
                Part::Opinion(member) | Part::Rating(_, member) | Part::Critique(_, member),
            ) => Some(member),
            _ => None,
        }
    }

    /// What belongs to one thing, its index entries too, is in one group: there is all of it, or
    /// nothing.
    pub fn group(self) -> Group {
        match self {
            Self::Round(round, _) | Self::Live(round) | Self::Due(_, round) => Group::Round(round),
            Self::Retraining(retraining) | Self::Retrained(retraining) => {
                Group::Retraining(retraining)
            }
            Self::Settings(guild) => Group::Settings(guild),
            Self::Consent(guild, member) => Group::Consent(guild, member),
            Self::NextNumber(guild) => Group::NextNumber(guild),
            Self::Left(guild) => Group::Left(guild),
        }
    }

    /// `None` for what is no key.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let key = match u8::from_be_bytes(take(rest)?) {
            OF_GUILD => {
                let guild = take_guild(rest)?;
                match u8::from_be_bytes(take(rest)?) {
                    SETTINGS => Self::Settings(guild),
                    CONSENT => Self::Consent(guild, Member(u64::from_be_bytes(take(rest)?))),
                    ROUND => {
                        let number = u32::from_be_bytes(take(rest)?);
                        Self::Round(RoundKey { guild, number }, take_part(rest)?)
                    }
                    RETRAINING => Self::Retraining(take_retraining(guild, rest)?),
                    _ => return None,
                }
            }
            RETRAINED => {
                let guild = take_guild(rest)?;
                Self::Retrained(take_retraining(guild, rest)?)
            }
            NEXT_NUMBER => Self::NextNumber(take_guild(rest)?),
            LEFT => Self::Left(take_guild(rest)?),
            LIVE => Self::Live(take_round(rest)?),
            DUE => {
                let seconds = u64::from_be_bytes(take(rest)?) ^ SIGN;
                let nanoseconds = u32::from_be_bytes(take(rest)?);
                let at = DateTime::from_timestamp(seconds.cast_signed(), nanoseconds)?;
                Self::Due(at, take_round(rest)?)
            }
            _ => return None,
        };
        rest.is_empty().then_some(key)
    }
}

impl Group {
    pub fn guild(self) -> Guild {
        match self {
            Self::Settings(guild)
            | Self::Consent(guild, _)
            | Self::NextNumber(guild)
            | Self::Left(guild) => guild,
            Self::Round(round) => round.guild,
            Self::Retraining(retraining) => retraining.guild,
        }
    }
}

/// For messages: no content, and no name.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(guild) => write!(f, "settings of guild {guild}"),
            Self::Consent(guild, member) => {
                write!(f, "consent of member {member} of guild {guild}")
            }
            Self::Round(round, part) => {
                match part {
                    Part::Head => write!(f, "head")?,
                    Part::Opinion(member) => write!(f, "opinion of member {member}")?,
                    Part::Candidate(candidate) => write!(f, "candidate {}", candidate.0)?,
                    Part::Rating(candidate, member) => {
                        write!(f, "rating of candidate {} by member {member}", candidate.0)?;
                    }
                    Part::Critique(stage, member) => {
                        write!(f, "critique of member {member} in stage {stage}")?;
                    }
                }
                write!(f, " of round {} of guild {}", round.number, round.guild)
            }
            Self::Retraining(retraining) | Self::Retrained(retraining) => {
                let RetrainingKey { guild, number } = retraining;
                write!(f, "retraining {number} of guild {guild}")
            }
            Self::NextNumber(guild) => write!(f, "next round number of guild {guild}"),
            Self::Left(guild) => write!(f, "departure from guild {guild}"),
            Self::Live(round) | Self::Due(_, round) => {
                write!(
                    f,
                    "index of round {} of guild {}",
                    round.number, round.guild
                )
            }
        }
    }
}

/// What all records of a guild begin with, but its next round number, its departure and the indexes.
pub(super) fn of_guild(guild: Guild) -> Vec<u8> {
    let mut prefix = vec![OF_GUILD];
    prefix.extend(guild.0.to_be_bytes());
    prefix
}

pub(super) fn consents_of(guild: Guild) -> Vec<u8> {
    let mut prefix = of_guild(guild);
    prefix.push(CONSENT);
    prefix
}

pub(super) fn rounds_of(guild: Guild) -> Vec<u8> {
    let mut prefix = of_guild(guild);
    prefix.push(ROUND);
    prefix
}

pub(super) fn of_round(round: RoundKey) -> Vec<u8> {
    let mut prefix = rounds_of(round.guild);
    prefix.extend(round.number.to_be_bytes());
    prefix
}

pub(super) fn retrainings_of(guild: Guild) -> Vec<u8> {
    let mut prefix = of_guild(guild);
    prefix.push(RETRAINING);
    prefix
}

/// The index entries of a guild's retrainings.
pub(super) fn retrained_of(guild: Guild) -> Vec<u8> {
    let mut prefix = vec![RETRAINED];
    prefix.extend(guild.0.to_be_bytes());
    prefix
}

pub(super) fn live_of(guild: Guild) -> Vec<u8> {
    let mut prefix = vec![LIVE];
    prefix.extend(guild.0.to_be_bytes());
    prefix
}

/// What the index entries of all that is due at that moment begin with.
pub(super) fn due_at(at: Time) -> Vec<u8> {
    let mut prefix = vec![DUE];
    prefix.extend((at.timestamp().cast_unsigned() ^ SIGN).to_be_bytes());
    prefix.extend(at.timestamp_subsec_nanos().to_be_bytes());
    prefix
}

pub(super) const DUE: u8 = b'd';
pub(super) const LEFT: u8 = b'a';
pub(super) const LIVE: u8 = b'l';
pub(super) const RETRAINED: u8 = b't';
const NEXT_NUMBER: u8 = b'n';
pub(super) const OF_GUILD: u8 = b'g';

const CONSENT: u8 = b'c';
const ROUND: u8 = b'r';
const SETTINGS: u8 = b's';
const RETRAINING: u8 = b't';

/// The first of a round's records.
const HEAD: u8 = 0;
const OPINION: u8 = 1;
const CANDIDATE: u8 = 2;
const RATING: u8 = 3;
const CRITIQUE: u8 = 4;

/// Puts negative numbers before the others.
const SIGN: u64 = 1 << 63;

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn take_guild(bytes: &mut &[u8]) -> Option<Guild> {
    Some(Guild(u64::from_be_bytes(take(bytes)?)))
}

fn take_round(bytes: &mut &[u8]) -> Option<RoundKey> {
    Some(RoundKey {
        guild: take_guild(bytes)?,
        number: u32::from_be_bytes(take(bytes)?),
    })
}

fn take_retraining(guild: Guild, bytes: &mut &[u8]) -> Option<RetrainingKey> {
    let number = u32::from_be_bytes(take(bytes)?);
    Some(RetrainingKey { guild, number })
}

fn take_part(bytes: &mut &[u8]) -> Option<Part> {
    let member = |bytes: &mut &[u8]| Some(Member(u64::from_be_bytes(take(bytes)?)));
    let candidate = |bytes: &mut &[u8]| Some(CandidateKey(u16::from_be_bytes(take(bytes)?)));
    Some(match u8::from_be_bytes(take(bytes)?) {
        HEAD => Part::Head,
        OPINION => Part::Opinion(member(bytes)?),
        CANDIDATE => Part::Candidate(candidate(bytes)?),
        RATING => Part::Rating(candidate(bytes)?, member(bytes)?),
        CRITIQUE => Part::Critique(u8::from_be_bytes(take(bytes)?), member(bytes)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guilds() -> impl Strategy<Value = Guild> {
        any::<u64>().prop_map(Guild)
    }

    fn round_keys() -> impl Strategy<Value = RoundKey> {
        (guilds(), any::<u32>()).prop_map(|(guild, number)| RoundKey { guild, number })
    }

    fn retrainings() -> impl Strategy<Value = RetrainingKey> {
        (guilds(), any::<u32>()).prop_map(|(guild, number)| RetrainingKey { guild, number })
    }

    fn times() -> impl Strategy<Value = Time> {
        (-10_000_000_000..10_000_000_000_i64, 0..1_000_000_000_u32)
            .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap())
    }

    fn parts() -> impl Strategy<Value = Part> {
        let member = || any::<u64>().prop_map(Member);
        let candidate = || any::<u16>().prop_map(CandidateKey);
        prop_oneof![
            Just(Part::Head),
            member().prop_map(Part::Opinion),
            candidate().prop_map(Part::Candidate),
            (candidate(), member()).prop_map(|(candidate, member)| Part::Rating(candidate, member)),
            (any::<u8>(), member()).prop_map(|(stage, member)| Part::Critique(stage, member)),
        ]
    }

    fn keys() -> impl Strategy<Value = Key> {
        prop_oneof![
            guilds().prop_map(Key::Settings),
            (guilds(), any::<u64>()).prop_map(|(guild, id)| Key::Consent(guild, Member(id))),
            (round_keys(), parts()).prop_map(|(round, part)| Key::Round(round, part)),
            guilds().prop_map(Key::NextNumber),
            guilds().prop_map(Key::Left),
            round_keys().prop_map(Key::Live),
            (times(), round_keys()).prop_map(|(at, round)| Key::Due(at, round)),
            retrainings().prop_map(Key::Retraining),
            retrainings().prop_map(Key::Retrained),
        ]
    }

    proptest! {
        #[test]
        fn a_key_is_read_as_it_was_written(key in keys()) {
            prop_assert_eq!(Key::from_bytes(&key.to_bytes()), Some(key));
        }

        #[test]
        fn what_is_no_key_is_none(bytes in any::<Vec<u8>>()) {
            if let Some(key) = Key::from_bytes(&bytes) {
                prop_assert_eq!(key.to_bytes(), bytes);
            }
        }

        #[test]
        fn rounds_lie_in_the_order_of_their_numbers(guild in guilds(), a: u32, b: u32) {
            let key = |number| of_round(RoundKey { guild, number });
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        }

        #[test]
        fn what_is_due_lies_in_the_order_of_time(a in times(), b in times()) {
            prop_assert_eq!(due_at(a).cmp(&due_at(b)), a.cmp(&b));
        }

        #[test]
        fn no_guild_has_records_in_the_range_of_another(
            a in guilds(),
            b in guilds(),
            round in any::<u32>(),
            part in parts(),
            member: u64,
        ) {
            prop_assume!(a != b);
            let round = RoundKey { guild: b, number: round };
            prop_assert!(!Key::Round(round, part).to_bytes().starts_with(&of_guild(a)));
            prop_assert!(!Key::Settings(b).to_bytes().starts_with(&of_guild(a)));
            let consent = Key::Consent(b, Member(member));
            prop_assert!(!consent.to_bytes().starts_with(&of_guild(a)));
        }
    }
}
