//! What Discord tells about a bot, for whoever hosts it: `accord doctor`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use poise::serenity_prelude as serenity;
use serenity::all::{ApplicationFlags, GuildPagination, Http, Permissions};

use super::http::patiently;
use super::permissions::missing;
use crate::config::DiscordSettings;
use crate::deliberation::id::Guild;
use crate::deliberation::round::RatingMode;
use crate::facilitator::platform::PlatformError;

/// How the bot's application is set up on Discord's developer page.
#[derive(Debug)]
pub struct Application {
    pub id: u64,
    /// Where Discord sends what members do, instead of to the bot.
    pub interactions_url: Option<String>,
    /// Whether an invitation alone does not let the bot into a server.
    pub requires_code_grant: bool,
    /// Whether it may read what Accord does not: messages, members, presence.
    pub privileged_intents: bool,
}

/// A server that the bot is in.
#[derive(Debug)]
pub struct Server {
    pub guild: Guild,
    /// What a round with reactions needs and the bot may not do in the server as a whole, in Discord's
    /// words; a channel may allow it.
    pub lacks: Vec<&'static str>,
}

/// How many sessions the bot may begin: one for each shard at every start, and more when a connection
/// is lost.
#[derive(Debug)]
pub struct Sessions {
    pub left: u64,
    /// Of so many.
    pub total: u64,
    pub renewed_in: Duration,
    /// So many are needed for one start.
    pub shards: u64,
    /// Where they are begun.
    pub gateway: String,
}

/// The address that invites a bot, with what a round needs.
pub fn invitation(application: u64) -> String {
    format!(
        "https://discord.com/oauth2/authorize?client_id={application}&scope=bot+applications.commands&permissions={}",
        INVITED_WITH.bits()
    )
}

const INVITED_WITH: Permissions = Permissions::VIEW_CHANNEL
    .union(Permissions::SEND_MESSAGES)
    .union(Permissions::SEND_MESSAGES_IN_THREADS)
    .union(Permissions::CREATE_PUBLIC_THREADS)
    .union(Permissions::EMBED_LINKS)
    .union(Permissions::ATTACH_FILES)
    .union(Permissions::READ_MESSAGE_HISTORY)
    .union(Permissions::ADD_REACTIONS);

/// Whether a text has the three parts of a bot's token; other secrets of an application have not.
pub fn is_token(text: &str) -> bool {
    serenity::token::validate(text).is_ok()
}

/// How the application is set up.
///
/// # Errors
/// Those of the call.
pub async fn application(http: &Http) -> Result<Application, PlatformError> {
    let info = patiently(|| http.get_current_application_info()).await?;
    const PRIVILEGED: ApplicationFlags = ApplicationFlags::GATEWAY_PRESENCE
        .union(ApplicationFlags::GATEWAY_PRESENCE_LIMITED)
        .union(ApplicationFlags::GATEWAY_GUILD_MEMBERS)
        .union(ApplicationFlags::GATEWAY_GUILD_MEMBERS_LIMITED)
        .union(ApplicationFlags::GATEWAY_MESSAGE_CONTENT)
        .union(ApplicationFlags::GATEWAY_MESSAGE_CONTENT_LIMITED);
    Ok(Application {
        id: info.id.get(),
        interactions_url: info.interactions_endpoint_url,
        requires_code_grant: info.bot_require_code_grant,
        privileged_intents: info.flags.is_some_and(|flags| flags.intersects(PRIVILEGED)),
    })
}

/// All servers that the bot is in.
///
/// # Errors
/// Those of the calls.
pub async fn servers(http: &Http) -> Result<Vec<Server>, PlatformError> {
    const PAGE: u64 = 200;
    let mut servers = Vec::new();
    let mut after = None;
    loop {
        let page =
            patiently(|| http.get_guilds(after.map(GuildPagination::After), Some(PAGE))).await?;
        after = page.last().map(|guild| guild.id);
        let whole = page.len() as u64 == PAGE;
        servers.extend(page.into_iter().map(|guild| Server {
            guild: Guild(guild.id.get()),
            lacks: missing(guild.permissions, RatingMode::Reactions, true).get_permission_names(),
        }));
        if !whole {
            return Ok(servers);
        }
    }
}

/// How many sessions the bot may begin.
///
/// # Errors
/// Those of the call.
pub async fn sessions(http: &Http, settings: &DiscordSettings) -> Result<Sessions, PlatformError> {
    let gateway = patiently(|| http.get_bot_gateway()).await?;
    let limit = gateway.session_start_limit;
    Ok(Sessions {
        left: limit.remaining,
        total: limit.total,
        renewed_in: Duration::from_millis(limit.reset_after),
        shards: gateway.shards.into(),
        gateway: settings.gateway_url.clone().unwrap_or(gateway.url),
    })
}

/// Whether something answers where sessions are begun.
///
/// # Errors
/// Why not.
pub async fn reach(gateway: &str) -> Result<()> {
    // A WebSocket begins as a request; what is answered to one that is none does not matter.
    let address = gateway.replacen("ws", "http", 1);
    client()?.get(address).send().await?;
    Ok(())
}

/// By how much this machine's clock is ahead of Discord's.
///
/// # Errors
/// Discord cannot be reached, or does not say what time it is.
pub async fn clock_ahead(settings: &DiscordSettings) -> Result<TimeDelta> {
    let api = settings.api_url.as_deref();
    let api = api.unwrap_or("https://discord.com").trim_end_matches('/');
    let request = client()?.get(format!("{api}/api/v10/gateway"));
    let before = Utc::now();
    let response = request.send().await?;
    let now = before + (Utc::now() - before) / 2;
    let date = response
        .headers()
        .get(reqwest::header::DATE)
        .and_then(|date| date.to_str().ok());
    ahead(date.unwrap_or_default(), now).context("Discord does not say what time it is")
}

/// `date` is that of an answer, which leaves fractions of a second out.
fn ahead(date: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let theirs = DateTime::parse_from_rfc2822(date).ok()?;
    Some(now - theirs.to_utc())
}

fn client() -> Result<reqwest::Client> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let client = reqwest::Client::builder().timeout(PATIENCE);
    Ok(client.use_rustls_tls().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invitation_is_the_readmes() {
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&invitation(1).replace("=1&", "=ID&")));
        assert!(missing(INVITED_WITH, RatingMode::Reactions, true).is_empty());
    }

    #[test]
    fn the_difference_to_discords_clock_is_told_in_both_directions() {
        let date = "Sat, 28 Nov 2026 09:03:00 GMT";
        let at = |time: &str| time.parse().unwrap();
        let minute = TimeDelta::minutes(1);
        assert_eq!(ahead(date, at("2026-11-28T09:04:00Z")), Some(minute));
        assert_eq!(ahead(date, at("2026-11-28T09:02:00Z")), Some(-minute));
        assert_eq!(ahead("", at("2026-11-28T09:02:00Z")), None);
    }

    #[test]
    fn a_client_secret_is_no_token() {
        assert!(is_token("Mjg4NzYw.C_ikow.j3VupLBuE1QWZng3TMGH0z_UAwg"));
        for other in ["", "288760241363877888", "j3VupLBuE1QWZng3TMGH0z_UAwg"] {
            assert!(!is_token(other), "{other}");
        }
    }
}
