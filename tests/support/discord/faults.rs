//! Failures on demand: of single requests, and of the gateway.

use std::time::Duration;

use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Json, Response};
use serde_json::{Value, json};
use serenity::all::{GatewayIntents, GuildId};

use super::FakeDiscord;
use super::calls::Call;
use super::refusal::Refusal;
use super::rest::respond;

/// What becomes of a request instead of its answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Refused with a status and a code of Discord's.
    Refused(u16, u32),
    /// 429, whatever the rate limits say.
    RateLimited { retry_after: Duration, global: bool },
    /// A page of HTML, as the servers in front of Discord's send with a 502.
    Html(u16),
    /// No answer, ever.
    Silence,
    /// Done, but only after a while.
    Delay(Duration),
    /// Done at once, but the answer takes a while.
    SlowAnswer(Duration),
    /// Done, but the answer is a 502.
    LostAnswer,
}

#[derive(Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

struct Rule {
    pattern: String,
    /// How many requests more; `None` for all.
    left: Option<usize>,
    fault: Fault,
}

impl Faults {
    /// The faults of the rules that a request fits; of those that are not delays only the first.
    fn of(&mut self, call: &Call) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        for rule in &mut self.rules {
            let one_is_enough = |fault: &Fault| !matches!(fault, Fault::Delay(_));
            if !call.fits(&rule.pattern)
                || one_is_enough(&rule.fault) && faults.iter().any(one_is_enough)
            {
                continue;
            }
            if let Some(left) = &mut rule.left {
                *left -= 1;
            }
            faults.push(rule.fault.clone());
        }
        self.rules.retain(|rule| rule.left != Some(0));
        faults
    }
}

impl FakeDiscord {
    /// Refuses the next `count` requests that fit a pattern such as `POST /channels/*/messages`.
    pub fn fail_next(&self, count: usize, pattern: &str, status: u16, code: u32) {
        self.disturb_next(count, pattern, Fault::Refused(status, code));
    }

    pub fn rate_limit_next(&self, count: usize, pattern: &str, retry_after: Duration) {
        let global = false;
        self.disturb_next(
            count,
            pattern,
            Fault::RateLimited {
                retry_after,
                global,
            },
        );
    }

    pub fn rate_limit_next_globally(&self, count: usize, pattern: &str, retry_after: Duration) {
        let global = true;
        self.disturb_next(
            count,
            pattern,
            Fault::RateLimited {
                retry_after,
                global,
            },
        );
    }

    pub fn disturb_next(&self, count: usize, pattern: &str, fault: Fault) {
        self.add_rule(pattern, Some(count), fault);
    }

    /// Until [`Self::be_well`].
    pub fn disturb_all(&self, pattern: &str, fault: Fault) {
        self.add_rule(pattern, None, fault);
    }

    /// Ends all disturbances of requests.
    pub fn be_well(&self) {
        self.shared.faults.lock().unwrap().rules.clear();
    }

    fn add_rule(&self, pattern: &str, left: Option<usize>, fault: Fault) {
        let rule = Rule {
            pattern: pattern.to_owned(),
            left,
            fault,
        };
        self.shared.faults.lock().unwrap().rules.push(rule);
    }

    /// Answers a request, or does to it what a test has asked for.
    pub(super) async fn disturb(
        &self,
        call: &Call,
        perform: impl FnOnce() -> Response,
    ) -> Response {
        let faults = self.shared.faults.lock().unwrap().of(call);
        for fault in &faults {
            if let Fault::Delay(delay) = fault {
                tokio::time::sleep(*delay).await;
            }
        }
        match faults
            .into_iter()
            .find(|fault| !matches!(fault, Fault::Delay(_)))
        {
            None | Some(Fault::Delay(_)) => perform(),
            Some(Fault::Refused(status, code)) => {
                respond(Err(Refusal::new(status, code, "The test asked for this")))
            }
            Some(Fault::RateLimited {
                retry_after,
                global,
            }) => too_many(retry_after, global),
            Some(Fault::Html(status)) => html(status),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::SlowAnswer(delay)) => {
                let answer = perform();
                tokio::time::sleep(delay).await;
                answer
            }
            Some(Fault::LostAnswer) => {
                perform();
                html(502)
            }
        }
    }
}

/// 429, as Discord says it.
pub fn too_many(retry_after: Duration, global: bool) -> Response {
    let seconds = retry_after.as_secs_f64();
    let body = json!({
        "message": "You are being rate limited.", "retry_after": seconds, "global": global,
    });
    let mut headers = vec![
        (HeaderName::from_static("retry-after"), seconds.to_string()),
        (
            HeaderName::from_static("x-ratelimit-reset-after"),
            seconds.to_string(),
        ),
        (
            HeaderName::from_static("x-ratelimit-scope"),
            if global { "global" } else { "user" }.to_owned(),
        ),
    ];
    if global {
        headers.push((
            HeaderName::from_static("x-ratelimit-global"),
            "true".to_owned(),
        ));
    }
    let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

fn html(status: u16) -> Response {
    let page = "<html><head><title>Bad gateway</title></head><body>cloudflare</body></html>";
    (StatusCode::from_u16(status).unwrap(), Html(page)).into_response()
}

/// The gateway's failures.
impl FakeDiscord {
    /// Sends an event that nothing has caused to whoever hears of a guild.
    pub fn send_event(&self, event: &'static str, guild: GuildId, data: &Value) {
        let always = GatewayIntents::empty();
        self.change(|world| world.dispatch(event, always, Some(guild), data));
    }

    /// Closes all connections as Discord does; 4000 and most others allow to resume.
    pub fn close_gateway(&self, code: u16) {
        self.change(|world| world.gateway.close_all(Some(code)));
    }

    /// Closes all connections without saying why.
    pub fn close_gateway_without_a_code(&self) {
        self.change(|world| world.gateway.close_all(None));
    }

    /// Breaks all connections off without a word.
    pub fn drop_gateway(&self) {
        self.change(|world| world.gateway.drop_all());
    }

    /// Asks bots to reconnect (opcode 7).
    pub fn ask_to_reconnect(&self) {
        self.change(|world| world.gateway.ask_to_reconnect());
    }

    /// Invalidates all sessions (opcode 9): bots have to identify again, or may resume.
    pub fn invalidate_sessions(&self, resumable: bool) {
        self.change(|world| world.gateway.invalidate_all(resumable));
    }

    /// Nothing comes through the connections of now any more, as if a router on the way had died: no
    /// event, no acknowledgement of a heartbeat. A bot that hears nothing has to reconnect.
    pub fn silence_gateway(&self) {
        self.change(|world| world.gateway.silence_all());
    }

    /// Ends all connections and takes no new ones; what happens meanwhile is never dispatched.
    pub fn begin_outage(&self) {
        self.change(|world| world.gateway.begin_outage());
    }

    pub fn end_outage(&self) {
        self.change(|world| world.gateway.out = false);
    }

    /// For connections from now on.
    pub fn set_heartbeat_interval(&self, interval: Duration) {
        self.change(|world| world.gateway.heartbeat = interval);
    }

    /// What GET /gateway/bot recommends.
    pub fn recommend_shards(&self, shards: u64) {
        self.change(|world| world.gateway.recommended_shards = shards);
    }

    /// How many sessions GET /gateway/bot says may still be begun, of 1,000.
    pub fn leave_sessions(&self, left: u64) {
        self.change(|world| world.gateway.sessions_left = left);
    }

    /// Grants the application a privileged intent.
    pub fn grant_intents(&self, intents: GatewayIntents) {
        self.change(|world| world.gateway.granted |= intents);
    }
}
