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
    pub at: Time,
}

/// Those who agreed.
pub fn agreed(consents: &BTreeMap<Member, Consent>) -> BTreeSet<Member> {
    let agreed = consents.iter().filter(|(_, consent)| consent.agreed);
    agreed.map(|(member, _)| *member).collect()
}
