//! Who may take part in a round, so that nobody floods it with accounts made for it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::id::Role;
use super::round::Time;

/// Whose opinions count. It is fixed when a round is opened.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    #[default]
    Everyone,
    /// Whoever had been a member of the guild for so many days when the round was opened; 0 is
    /// whoever was one.
    MemberFor { days: u16 },
    /// Whoever has the role when they write.
    HasRole(Role),
}

/// What is known of somebody who wants to take part.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// `None` where the platform does not say; then nobody can tell for how long.
    pub joined_at: Option<Time>,
    pub roles: Vec<Role>,
}

impl Admission {
    pub fn admits(self, standing: &Standing, opened_at: Time) -> bool {
        match self {
            Self::Everyone => true,
            Self::MemberFor { days } => standing
                .joined_at
                .is_some_and(|joined| joined + TimeDelta::days(days.into()) < opened_at),
            Self::HasRole(role) => standing.roles.contains(&role),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn day(number: i64) -> Time {
        DateTime::from_timestamp(number * 86_400, 0).unwrap()
    }

    fn standing(joined_at: Option<Time>, roles: &[u64]) -> Standing {
        Standing {
            joined_at,
            roles: roles.iter().copied().map(Role).collect(),
        }
    }

    #[test]
    fn whoever_joined_too_late_or_nobody_knows_when_is_not_admitted() {
        let opened_at = day(30);
        for (days, joined_at, expected) in [
            (0, Some(day(29)), true),
            (0, Some(day(30)), false),
            (0, Some(day(31)), false),
            (7, Some(day(22)), true),
            (7, Some(day(23)), false),
            (0, None, false),
        ] {
            let admission = Admission::MemberFor { days };
            let admitted = admission.admits(&standing(joined_at, &[5]), opened_at);
            assert_eq!(admitted, expected, "{days} days, joined {joined_at:?}");
        }
    }

    #[test]
    fn a_role_admits_whoever_has_it() {
        let admission = Admission::HasRole(Role(5));
        assert!(admission.admits(&standing(None, &[4, 5]), day(30)));
        assert!(!admission.admits(&standing(Some(day(1)), &[4]), day(30)));
    }
}
