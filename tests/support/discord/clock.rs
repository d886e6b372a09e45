//! The fake's clock, which a test can move forward.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

#[derive(Default)]
pub struct Clock {
    ahead: Duration,
}

impl Clock {
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.ahead
    }

    pub fn advance(&mut self, by: Duration) {
        self.ahead += by;
    }
}

/// As Discord writes a time.
pub fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, false)
}
