//! Rate limits like Discord's, off unless a test turns them on: buckets by route and by what the
//! route is about, and one for everything.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use axum::response::Response;

use super::FakeDiscord;
use super::calls::Call;
use super::faults::too_many;

#[derive(Default)]
pub struct RateLimits {
    enforced: bool,
    buckets: HashMap<String, Bucket>,
}

struct Bucket {
    limit: u32,
    remaining: u32,
    resets: Instant,
}

/// What a request is told about its bucket.
pub struct Taken {
    name: String,
    limit: u32,
    remaining: u32,
    reset_after: Duration,
    /// Not within the limits.
    refused: bool,
    global: bool,
}

impl RateLimits {
    /// Counts a request. `None` if nothing limits it.
    pub fn take(&mut self, call: &Call) -> Option<Taken> {
        const GLOBAL: (u32, Duration) = (50, Duration::from_secs(1));
        if !self.enforced || call.fits("* /interactions/*/*/callback") {
            return None;
        }
        let key = bucket_of(call);
        let own = self.take_from(&key, limit_of(call));
        if own.refused || call.fits("* /webhooks/**") {
            return Some(own);
        }
        let of_all = self.take_from("global", GLOBAL);
        Some(if of_all.refused {
            Taken {
                global: true,
                ..of_all
            }
        } else {
            own
        })
    }

    fn take_from(&mut self, name: &str, (limit, window): (u32, Duration)) -> Taken {
        let now = Instant::now();
        let full = Bucket {
            limit,
            remaining: limit,
            resets: now + window,
        };
        let bucket = self.buckets.entry(name.to_owned()).or_insert(full);
        if bucket.resets <= now {
            bucket.remaining = bucket.limit;
            bucket.resets = now + window;
        }
        let refused = bucket.remaining == 0;
        bucket.remaining = bucket.remaining.saturating_sub(1);
        Taken {
            name: name.to_owned(),
            limit,
            remaining: bucket.remaining,
            reset_after: bucket.resets - now,
            refused,
            global: false,
        }
    }
}

impl Taken {
    /// The refusal, if there is one.
    pub fn refusal(&self) -> Option<Response> {
        self.refused
            .then(|| too_many(self.reset_after, self.global))
    }

    pub fn write_headers(&self, response: &mut Response) {
        let seconds = self.reset_after.as_secs_f64();
        let resets = chrono::Utc::now() + self.reset_after;
        let headers = [
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-remaining", self.remaining.to_string()),
            ("x-ratelimit-reset-after", format!("{seconds:.3}")),
            (
                "x-ratelimit-reset",
                format!("{:.3}", resets.timestamp_millis() as f64 / 1000.0),
            ),
            ("x-ratelimit-bucket", self.name.clone()),
        ];
        for (name, value) in headers {
            let value = HeaderValue::from_str(&value).unwrap();
            response.headers_mut().insert(name, value);
        }
    }
}

/// The method and the route, with the ids that Discord keeps apart: the first in the path.
fn bucket_of(call: &Call) -> String {
    let path = call.path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_start_matches("/api/v10/").split('/').collect();
    let generic: Vec<&str> = parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            let is_id = part.starts_with(|first: char| first.is_ascii_digit());
            let is_emoji = index > 0 && parts[index - 1] == "reactions";
            if index > 1 && (is_id || is_emoji) {
                "*"
            } else {
                part
            }
        })
        .collect();
    format!("{}:{}", call.method, generic.join(":"))
}

/// How many requests in what time, as Discord has been seen to allow.
fn limit_of(call: &Call) -> (u32, Duration) {
    let ms = Duration::from_millis;
    if call.fits("* /channels/*/messages/*/reactions/**") && call.method != "GET" {
        (1, ms(250))
    } else if call.fits("POST /channels/*/messages") || call.fits("PATCH /channels/*/messages/*") {
        (5, ms(5000))
    } else if call.fits("DELETE /channels/*/messages/*") {
        (5, ms(1000))
    } else if call.fits("POST /channels/**") || call.fits("* /webhooks/**") {
        (5, ms(5000))
    } else {
        (50, ms(1000))
    }
}

impl FakeDiscord {
    /// Turns Discord's rate limits on: answers carry x-ratelimit headers, and too many requests
    /// are refused with 429.
    pub fn enforce_rate_limits(&self) {
        self.shared.rate_limits.lock().unwrap().enforced = true;
    }

    /// The requests that were refused as too many.
    pub fn rate_limited_calls(&self) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.status == Some(429));
        calls
    }
}
