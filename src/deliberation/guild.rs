//! What a guild has settled for its rounds.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::admission::Admission;
use super::id::{Member, Role};
use super::round::{RatingMode, Time};

/// A guild's own settings; what it leaves open is as the host has it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct GuildSettings {
    /// Who may run rounds; nobody named: whoever may manage messages.
    pub organisers: Vec<Role>,
    pub threads: Option<bool>,
    pub minimum: Option<usize>,
    pub rating: Option<RatingMode>,
    #[serde(with = "maybe_seconds")]
    pub opinions_for: Option<TimeDelta>,
    #[serde(with = "maybe_seconds")]
    pub ratings_for: Option<TimeDelta>,
    pub training: Training,
    /// Whose opinions count in rounds that are opened from now on.
    pub admission: Admission,
    /// Organisers look at candidates before they are posted.
    pub review: bool,
    /// What is shown to all is in this language in rounds that are opened from now on, such as `de`; the
    /// guild's own where none was chosen.
    pub language: Option<String>,
    /// Who changed them last, and when.
    pub changed: Option<(Member, Time)>,
}

impl GuildSettings {
    /// A member had everything erased: it is not told any more that they changed the settings. Whether
    /// they did.
    pub fn anonymise(&mut self, member: Member) -> bool {
        let changed = self.changed.as_mut().filter(|(by, _)| *by == member);
        changed.map(|(by, _)| *by = Member::ERASED).is_some()
    }
}

/// What the ratings and opinions of those members who agreed may train.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Training {
    /// Nothing.
    #[default]
    Off,
    /// This guild's own models.
    Own,
    /// Those of the other guilds of this host that share too, and theirs train this guild's.
    Shared,
}

mod maybe_seconds {
    use chrono::TimeDelta;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        delta: &Option<TimeDelta>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        delta.map(|delta| delta.num_seconds()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<TimeDelta>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.and_then(TimeDelta::try_seconds))
    }
}
