//! How often one member may ask for something, so that nobody keeps the bot busy for all others.
//!
//! Own code, since `governor` turns on a feature under mistral.rs that would compile it once more.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::TimeDelta;

use crate::deliberation::id::{Guild, Member};
use crate::deliberation::round::Time;

/// What each member asked for within the last minute.
#[derive(Default)]
pub struct Pace {
    asked: Mutex<HashMap<(Guild, Member), Recently>>,
}

/// A minute and what was asked for in it: one that is over begins anew.
struct Recently {
    since: Time,
    times: u32,
}

const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// More than anybody does who reads what comes back.
const TIMES_A_MINUTE: u32 = 60;
/// From so many on, minutes that are over are forgotten.
const MEMBERS: usize = 1000;

impl Pace {
    /// Notes that a member asks for something.
    ///
    /// # Errors
    /// How long to wait, if that is too often.
    pub fn ask(&self, guild: Guild, member: Member, now: Time) -> Result<(), TimeDelta> {
        let mut asked = self
            .asked
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if asked.len() >= MEMBERS {
            asked.retain(|_, recently| now < recently.since + MINUTE);
        }
        let recently = asked.entry((guild, member)).or_insert(Recently {
            since: now,
            times: 0,
        });
        // A clock that was set back begins anew as well.
        if now >= recently.since + MINUTE || now < recently.since {
            *recently = Recently {
                since: now,
                times: 0,
            };
        }
        if recently.times == TIMES_A_MINUTE {
            return Err(recently.since + MINUTE - now);
        }
        recently.times += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const ADA: (Guild, Member) = (Guild(1), Member(1));
    const BEN: (Guild, Member) = (Guild(1), Member(2));

    fn at(seconds: i64) -> Time {
        DateTime::from_timestamp(1_760_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn whoever_asks_too_often_waits_and_nobody_else_does() {
        let pace = Pace::default();
        let ask = |(guild, member), seconds| pace.ask(guild, member, at(seconds));
        for _ in 0..TIMES_A_MINUTE {
            assert_eq!(ask(ADA, 10), Ok(()));
        }
        assert_eq!(ask(ADA, 30), Err(TimeDelta::seconds(40)));
        assert_eq!(ask(BEN, 30), Ok(()));
        assert_eq!(ask((Guild(2), Member(1)), 30), Ok(()));
        assert_eq!(ask(ADA, 70), Ok(()));
    }

    #[test]
    fn minutes_that_are_over_take_no_memory() {
        let pace = Pace::default();
        for member in 0..5000 {
            pace.ask(Guild(1), Member(member), at(member as i64))
                .unwrap();
        }
        assert!(pace.asked.lock().unwrap().len() <= MEMBERS);
    }
}
