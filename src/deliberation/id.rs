//! Who and where: numbers that a platform gives, told apart by type.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// A community.
    Guild,
    /// A person in a guild.
    Member,
    /// A channel or a thread.
    Channel,
    /// A message in a channel.
    Message,
    /// A group of members.
    Role,
}

impl Member {
    /// Stands where a member stood who had everything about them erased.
    pub const ERASED: Self = Self(0);
}

/// A round: the rounds of a guild are numbered from 1 in the order in which they were opened.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct RoundKey {
    pub guild: Guild,
    pub number: u32,
}
