//! The time, passed in: tests move it.

use chrono::{TimeDelta, Utc};
use tokio::sync::watch;

use crate::deliberation::round::Time;

/// The machine's clock, perhaps set ahead.
#[derive(Clone, Debug)]
pub struct Clock {
    ahead: watch::Sender<TimeDelta>,
}

impl Clock {
    /// The machine's clock as it is.
    pub fn system() -> Self {
        Self {
            ahead: watch::Sender::new(TimeDelta::zero()),
        }
    }

    /// What time it is, to the second: deadlines are shown to the second.
    pub fn now(&self) -> Time {
        let now = Utc::now() + *self.ahead.borrow();
        Time::from_timestamp(now.timestamp(), 0).expect("the clock shows a date")
    }

    /// Resolves at `time`; also when the machine slept, or its clock was set, in between.
    pub async fn sleep_until(&self, time: Time) {
        // Timers do not notice when a machine sleeps or its clock is set: look again now and then.
        const LONGEST: std::time::Duration = std::time::Duration::from_secs(30);
        let mut moved = self.ahead.subscribe();
        loop {
            let Ok(left) = (time - self.now()).to_std() else {
                return;
            };
            if left.is_zero() {
                return;
            }
            // Only this clock's own sender could close the channel.
            let _ = tokio::time::timeout(left.min(LONGEST), moved.changed()).await;
        }
    }

    /// Sets the clock ahead.
    pub fn advance(&self, by: TimeDelta) {
        self.ahead.send_modify(|ahead| *ahead += by);
    }
}
