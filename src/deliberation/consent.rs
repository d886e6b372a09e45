//! Whether members agree that what they write and rate trains models.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::id::Member;
use super::round::Time;

/// What a member said, or was asked and has not said, about training in one guild. Who does not
/// agree is left out.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Consent {
    pub agreed: bool,
    /// Also to the models of other guilds: the guild shared when the member agreed.
    #[serde(default)]
    pub shared: bool,
    pub at: Time,
}

/// Those who agreed that their own guild's models learn from them.
pub fn agreed(consents: &BTreeMap<Member, Consent>) -> BTreeSet<Member> {
    let agreed = consents.iter().filter(|(_, consent)| consent.agreed);
    agreed.map(|(member, _)| *member).collect()
}

/// Those who agreed that the models of other guilds do so too.
pub fn agreed_to_share(consents: &BTreeMap<Member, Consent>) -> BTreeSet<Member> {
    let mut agreed = agreed(consents);
    agreed.retain(|member| consents[member].shared);
    agreed
}
