//! Calls to Discord: where they go, and what becomes of those that fail.

use std::time::Duration;

use poise::serenity_prelude as serenity;
use serenity::all::{Http, HttpBuilder, HttpError};

use crate::config::DiscordSettings;
use crate::facilitator::platform::PlatformError;

/// The client with which Discord is called.
///
/// With `discord.api_url` set the calls go there, and serenity's own rate limiter is off: it would
/// ignore the address. `client` is for a test that stands in for Discord behind TLS.
pub fn http(token: &str, settings: &DiscordSettings, client: Option<reqwest::Client>) -> Http {
    let client = client.unwrap_or_else(|| {
        let patient = reqwest::Client::builder().timeout(ANSWERED_WITHIN);
        let client = patient.use_rustls_tls().build();
        client.expect("the TLS that is compiled in can be set up")
    });
    let builder = HttpBuilder::new(token).client(client);
    match &settings.api_url {
        Some(url) => builder
            .proxy(url.trim_end_matches('/'))
            .ratelimiter_disabled(true)
            .build(),
        None => builder.build(),
    }
}

/// A call that Discord does not answer by then has failed: a round would wait for ever.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Calls Discord, again if it says that there were too many calls.
///
/// serenity's rate limiter sees to that by itself; this is for when it is off.
pub async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, PlatformError>
where
    F: Future<Output = serenity::Result<T>>,
{
    const TRIES: u32 = 6;
    let mut tries = 0;
    loop {
        match call().await {
            Ok(done) => return Ok(done),
            Err(error) if is_rate_limit(&error) && tries < TRIES => {
                // serenity does not tell how long Discord asks to wait.
                tokio::time::sleep(Duration::from_millis(500 << tries)).await;
                tries += 1;
            }
            Err(error) => return Err(failure(&error)),
        }
    }
}

/// What a failed call means.
pub fn failure(error: &serenity::Error) -> PlatformError {
    let serenity::Error::Http(HttpError::UnsuccessfulRequest(response)) = error else {
        return PlatformError::Unavailable(error.to_string());
    };
    match (response.status_code.as_u16(), response.error.code) {
        (_, UNKNOWN_MESSAGE) => PlatformError::MessageGone,
        (_, UNKNOWN_CHANNEL | UNKNOWN_GUILD) => PlatformError::PlaceGone,
        (429 | 500.., _) => PlatformError::Unavailable(response.error.message.clone()),
        _ => PlatformError::Refused(format!(
            "{} ({})",
            response.error.message, response.error.code
        )),
    }
}

/// Discord's own code for what went wrong, if it was Discord that said so.
pub fn code(error: &serenity::Error) -> Option<isize> {
    match error {
        serenity::Error::Http(HttpError::UnsuccessfulRequest(response)) => {
            Some(response.error.code)
        }
        _ => None,
    }
}

const UNKNOWN_CHANNEL: isize = 10003;
const UNKNOWN_GUILD: isize = 10004;
const UNKNOWN_MESSAGE: isize = 10008;

fn is_rate_limit(error: &serenity::Error) -> bool {
    matches!(
        error,
        serenity::Error::Http(HttpError::UnsuccessfulRequest(response))
            if response.status_code.as_u16() == 429
    )
}
