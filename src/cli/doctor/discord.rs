//! What is wrong between the bot and Discord.

use accord::config::Config;
use accord::discord::http;
use accord::discord::inspection::{self, Application, Server, Sessions};
use accord::facilitator::platform::PlatformError;
use anyhow::{Result, bail, ensure};
use chrono::TimeDelta;

use super::{Check, Found, bot};

/// Whether the token is there and accepted.
pub async fn token(config: &Config) -> Result<String> {
    let Some(token) = bot::token() else {
        return Ok(format!(
            "{} is not set, which accord bot needs and nothing else",
            bot::TOKEN
        ));
    };
    ensure!(
        inspection::is_token(&token),
        "what {} holds is no bot's token, which has three parts with dots between them (a client secret and a \
         public key have not); copy it from the application's page \"Bot\" (\"Reset Token\") into .env",
        bot::TOKEN
    );
    let http = http::http(&token, &config.discord, None);
    match http.get_current_user().await {
        Ok(me) => Ok(format!("the token is that of {}", me.name)),
        Err(error) => match http::failure(&error) {
            PlatformError::Unavailable(why) => bail!(
                "Discord cannot be reached ({why}); check the network, a proxy, and discord.api_url"
            ),
            _ => bail!(
                "Discord does not accept the token; copy it anew from the application's page \"Bot\" into {} in .env",
                bot::TOKEN
            ),
        },
    }
}

/// What the host has set up there, for a token that is accepted.
pub async fn setup(config: &Config, token: &str) -> Vec<Check> {
    let settings = &config.discord;
    let http = http::http(token, settings, None);
    let mut checks = Vec::new();
    // A proxy may not say what time it is, and whether Discord can be reached is told below.
    if let Ok(ahead) = inspection::clock_ahead(settings).await {
        checks.push(("clock", clock(ahead)));
    }
    let invitation = match inspection::application(&http).await {
        Ok(application) => {
            let invitation = inspection::invitation(application.id);
            checks.push(("application", of_application(application)));
            invitation
        }
        Err(error) => {
            checks.push(("application", Err(error.into())));
            return checks;
        }
    };
    let servers = inspection::servers(&http).await;
    let servers = servers.map(|servers| of_servers(&servers, &invitation));
    checks.push(("servers", servers.map_err(Into::into)));
    let gateway = match inspection::sessions(&http, settings).await {
        Ok(sessions) => gateway(&sessions).await,
        Err(error) => Err(error.into()),
    };
    checks.push(("gateway", gateway));
    checks
}

/// Deadlines are kept by this machine's clock, and shown by Discord's.
fn clock(ahead: TimeDelta) -> Result<Found> {
    const TOLERATED: TimeDelta = TimeDelta::seconds(30);
    let off = humantime::format_duration(std::time::Duration::from_secs(
        ahead.num_seconds().unsigned_abs(),
    ));
    ensure!(
        ahead.abs() <= TOLERATED,
        "this machine's clock is {off} {} Discord's, so that phases end at other times than the cards say; \
         have it set by the network (timedatectl set-ntp true)",
        if ahead > TimeDelta::zero() {
            "ahead of"
        } else {
            "behind"
        }
    );
    Ok(Found::Fine("as Discord's".to_owned()))
}

fn of_application(application: Application) -> Result<Found> {
    if let Some(url) = application.interactions_url {
        bail!(
            "Discord sends what members do to {url} instead of to the bot, so that nobody is answered; empty \
             \"Interactions Endpoint URL\" on the application's page \"General Information\""
        );
    }
    let mut mend = Vec::new();
    if application.requires_code_grant {
        mend.push(
            "invitations do not work while \"Requires OAuth2 Code Grant\" is on; turn it off",
        );
    }
    if application.privileged_intents {
        mend.push("privileged intents are on, which Accord does not use; turn them off");
    }
    Ok(match mend.is_empty() {
        true => Found::Fine("set up as Accord needs it".to_owned()),
        false => Found::Note(format!(
            "{} on the application's page \"Bot\"",
            mend.join("; ")
        )),
    })
}

fn of_servers(servers: &[Server], invitation: &str) -> Found {
    const SHOWN: usize = 5;
    if servers.is_empty() {
        return Found::Note(format!("the bot is in none yet; invite it: {invitation}"));
    }
    let lacking: Vec<&Server> = servers
        .iter()
        .filter(|server| !server.lacks.is_empty())
        .collect();
    if lacking.is_empty() {
        let count = servers.len();
        return Found::Fine(format!(
            "in {count}, with the permissions that a round needs"
        ));
    }
    let shown = lacking
        .iter()
        .take(SHOWN)
        .map(|server| format!("{} in {}", server.lacks.join(", "), server.guild));
    let more = match lacking.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and some in {more} more"),
    };
    Found::Note(format!(
        "the bot lacks permissions in {} of {}: {}{more}; give them to its role there, or invite it again: {invitation}",
        lacking.len(),
        servers.len(),
        shown.collect::<Vec<_>>().join("; ")
    ))
}

async fn gateway(sessions: &Sessions) -> Result<Found> {
    let Sessions {
        left,
        total,
        shards,
        ..
    } = *sessions;
    let address = &sessions.gateway;
    if let Err(error) = inspection::reach(address).await {
        bail!(
            "{address} cannot be reached ({error:#}), though Discord's API can; let WebSocket connections \
             through, or set discord.gateway_url"
        );
    }
    let minutes = sessions.renewed_in.as_secs() / 60;
    let renewed_in = humantime::format_duration(std::time::Duration::from_secs(60 * minutes));
    let found = format!("can be reached; {left} of {total} sessions left for {renewed_in}");
    let mend = "something starts the bot again and again: look into its log before you start it";
    ensure!(left >= shards, "{found}, {shards} are needed; {mend}");
    Ok(match left < total / 10 {
        true => Found::Note(format!("{found}; {mend}")),
        false => Found::Fine(found),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_off_by_seconds_and_not_by_minutes() {
        for fine in [0, 30, -30] {
            assert!(clock(TimeDelta::seconds(fine)).is_ok(), "{fine}");
        }
        let told = |seconds| clock(TimeDelta::seconds(seconds)).unwrap_err().to_string();
        assert!(told(120).contains("2m ahead of Discord's"), "{}", told(120));
        assert!(
            told(-61).contains("1m 1s behind Discord's"),
            "{}",
            told(-61)
        );
    }
}
