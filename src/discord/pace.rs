//! How often one member may ask for something, so that nobody keeps the bot busy for all others.
//!
//! Own code, since `governor` turns on a feature under mistral.rs that would compile it once more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use chrono::TimeDelta;

use crate::deliberation::id::{Guild, Member};
use crate::deliberation::round::Time;

/// What each member asked for lately.
pub struct Pace {
    /// So often within such a span; the first is always granted.
    times: u32,
    within: TimeDelta,
    asked: Mutex<HashMap<(Guild, Member), Recently>>,
}

/// A span and what was asked for in it: one that is over begins anew.
struct Recently {
    since: Time,
    times: u32,
}

/// From so many on, spans that are over are forgotten.
const MEMBERS: usize = 1000;

impl Pace {
    /// Of whatever takes a moment: more than anybody does who reads what comes back.
    pub fn of_answers() -> Self {
        Self::new(60, TimeDelta::minutes(1))
    }

    /// Of `/privacy erase`: each rewrites the whole store, while what others write waits.
    pub fn of_erasures() -> Self {
        Self::new(1, TimeDelta::minutes(5))
    }

    fn new(times: u32, within: TimeDelta) -> Self {
        Self {
            times,
            within,
            asked: Mutex::default(),
        }
    }

    /// Notes that a member asks for something.
    ///
    /// # Errors
    /// How long to wait, if that is too often.
    pub fn ask(&self, guild: Guild, member: Member, now: Time) -> Result<(), TimeDelta> {
        let mut asked = self.asked();
        if asked.len() >= MEMBERS {
            asked.retain(|_, recently| now < recently.since + self.within);
        }
        let recently = asked.entry((guild, member)).or_insert(Recently {
            since: now,
            times: 0,
        });
        // A clock that was set back begins anew as well.
        if now >= recently.since + self.within || now < recently.since {
            *recently = Recently {
                since: now,
                times: 0,
            };
        }
        if recently.times == self.times {
            return Err(recently.since + self.within - now);
        }
        recently.times += 1;
        Ok(())
    }

    /// What a member asked for was not done: they need not wait.
    pub fn forgive(&self, guild: Guild, member: Member) {
        self.asked().remove(&(guild, member));
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<(Guild, Member), Recently>> {
        self.asked
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
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
        let pace = Pace::of_answers();
        let ask = |(guild, member), seconds| pace.ask(guild, member, at(seconds));
        for _ in 0..60 {
            assert_eq!(ask(ADA, 10), Ok(()));
        }
        assert_eq!(ask(ADA, 30), Err(TimeDelta::seconds(40)));
        assert_eq!(ask(BEN, 30), Ok(()));
        assert_eq!(ask((Guild(2), Member(1)), 30), Ok(()));
        assert_eq!(ask(ADA, 70), Ok(()));
    }

    #[test]
    fn whoever_erased_waits_for_minutes_unless_nothing_was_done() {
        let pace = Pace::of_erasures();
        let ask = |(guild, member), seconds| pace.ask(guild, member, at(seconds));
        assert_eq!(ask(ADA, 0), Ok(()));
        assert_eq!(ask(ADA, 60), Err(TimeDelta::minutes(4)));
        assert_eq!(ask(BEN, 60), Ok(()));
        pace.forgive(ADA.0, ADA.1);
        assert_eq!(ask(ADA, 61), Ok(()));
        assert_eq!(ask(BEN, 61), Err(TimeDelta::seconds(299)));
        assert_eq!(ask(ADA, 361), Ok(()));
    }

    #[test]
    fn spans_that_are_over_take_no_memory() {
        let pace = Pace::of_answers();
        for member in 0..5000 {
            pace.ask(Guild(1), Member(member), at(member as i64))
                .unwrap();
        }
        assert!(pace.asked.lock().unwrap().len() <= MEMBERS);
    }
}
