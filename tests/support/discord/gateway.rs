//! The gateway: who is connected, what each session is sent, and what it missed.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};
use serenity::all::{ChannelId, GatewayIntents, GuildId};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::FakeDiscord;
use super::world::{BOT, World};

pub struct Gateway {
    /// By session id. A session outlives its connection, so that it can be resumed.
    pub sessions: BTreeMap<String, Session>,
    /// During an outage nobody can connect, and what happens is lost.
    pub out: bool,
    /// The last connection that stands and is dead all the same: nothing comes through.
    silent_up_to: u64,
    pub heartbeat: Duration,
    pub recommended_shards: u64,
    /// How many sessions may still be begun.
    pub sessions_left: u64,
    /// Privileged intents that the application has been granted.
    pub granted: GatewayIntents,
    /// How often bots have identified and resumed.
    pub identified: usize,
    pub resumed: usize,
    connections: u64,
}

pub struct Session {
    pub shard: (u64, u64),
    pub intents: GatewayIntents,
    /// How many events it has been sent, which is the sequence number of the last.
    sent: usize,
    /// The last of them, to be sent again on RESUME.
    log: VecDeque<String>,
    connection: Option<Connection>,
}

#[derive(Clone)]
struct Connection {
    id: u64,
    frames: UnboundedSender<Frame>,
}

enum Frame {
    Text(String),
    Compressed(String),
    /// Closes: as Discord does, with a code, or as anybody between may, without.
    Close(Option<u16>),
    /// Breaks off without a word.
    Vanish,
}

impl Default for Gateway {
    fn default() -> Self {
        Gateway {
            sessions: BTreeMap::new(),
            out: false,
            silent_up_to: 0,
            heartbeat: Duration::from_millis(41_250),
            recommended_shards: 1,
            sessions_left: 999,
            granted: GatewayIntents::empty(),
            identified: 0,
            resumed: 0,
            connections: 0,
        }
    }
}

impl Gateway {
    pub fn may_read_content(&self) -> bool {
        self.granted.contains(GatewayIntents::MESSAGE_CONTENT)
    }

    pub fn is_connected(&self) -> bool {
        self.sessions
            .values()
            .any(|session| session.connection.is_some())
    }

    fn send_to_all(&self, frame: impl Fn() -> Frame) {
        for connection in self
            .sessions
            .values()
            .filter_map(|session| session.connection.as_ref())
        {
            let _ = connection.frames.send(frame());
        }
    }

    /// Asks all to reconnect and resume.
    pub fn ask_to_reconnect(&self) {
        self.send_to_all(|| Frame::Text(json!({ "op": 7, "d": null }).to_string()));
    }

    pub fn close_all(&self, code: Option<u16>) {
        self.send_to_all(|| Frame::Close(code));
    }

    pub fn drop_all(&self) {
        self.send_to_all(|| Frame::Vanish);
    }

    /// Tells all that their sessions are invalid, and makes them so unless they are resumable.
    pub fn invalidate_all(&mut self, resumable: bool) {
        self.send_to_all(|| Frame::Text(json!({ "op": 9, "d": resumable }).to_string()));
        if !resumable {
            self.sessions.clear();
        }
    }

    /// Nothing comes through the connections of now any more, and nobody closes them.
    pub fn silence_all(&mut self) {
        self.silent_up_to = self.connections;
    }

    /// Ends all connections and sessions.
    pub fn begin_outage(&mut self) {
        self.out = true;
        self.drop_all();
        self.sessions.clear();
    }

    fn disconnected(&mut self, connection: u64, for_good: bool) {
        self.sessions.retain(|_, session| {
            let mine = session
                .connection
                .as_ref()
                .is_some_and(|c| c.id == connection);
            if mine {
                session.connection = None;
            }
            !(mine && for_good)
        });
    }
}

impl Session {
    pub fn dispatches(&self) -> impl Iterator<Item = Value> {
        self.log
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
    }

    fn holds(&self, guild: GuildId) -> bool {
        (guild.get() >> 22) % self.shard.1 == self.shard.0
    }

    fn dispatch(&mut self, event: &str, data: &Value, compressed: bool) {
        const REMEMBERED: usize = 10_000;
        self.sent += 1;
        let payload = json!({ "op": 0, "s": self.sent, "t": event, "d": data }).to_string();
        if let Some(connection) = &self.connection {
            let _ = connection.frames.send(if compressed {
                Frame::Compressed(payload.clone())
            } else {
                Frame::Text(payload.clone())
            });
        }
        self.log.push_back(payload);
        if self.log.len() > REMEMBERED {
            self.log.pop_front();
        }
    }

    /// What came after the event of this number; `None` if that is no longer known.
    fn missed(&self, after: usize) -> Option<impl Iterator<Item = &String>> {
        let missed = self.sent.checked_sub(after)?;
        let known = self.log.len().checked_sub(missed)?;
        Some(self.log.iter().skip(known))
    }
}

impl World {
    /// Sends an event to the sessions whose shard has the guild and whose intents include it.
    /// Direct messages go to the first shard.
    pub fn dispatch(
        &mut self,
        event: &'static str,
        intent: GatewayIntents,
        guild: Option<GuildId>,
        data: &Value,
    ) {
        for session in self.gateway.sessions.values_mut() {
            let its_shard = match guild {
                Some(guild) => session.holds(guild),
                None => session.shard.0 == 0,
            };
            if its_shard && session.intents.contains(intent) {
                session.dispatch(event, data, false);
            }
        }
    }

    /// An event in a channel: only where the bot can see it.
    pub fn dispatch_in(
        &mut self,
        channel: ChannelId,
        event: &'static str,
        intent: GatewayIntents,
        data: Value,
    ) {
        if let Ok(seen) = self.seen_by(BOT, channel) {
            self.dispatch(event, intent, seen.guild(), &data);
        }
    }

    fn receive(&mut self, token: &str, url: &str, connection: &Connection, text: &str) {
        let close = |code| {
            let _ = connection.frames.send(Frame::Close(Some(code)));
        };
        let send = |payload: Value| {
            let _ = connection.frames.send(Frame::Text(payload.to_string()));
        };
        let Ok(payload) = serde_json::from_str::<Value>(text) else {
            return close(DECODE_ERROR);
        };
        let known = self.gateway.sessions.values().any(|session| {
            session
                .connection
                .as_ref()
                .is_some_and(|c| c.id == connection.id)
        });
        let data = &payload["d"];
        match payload["op"].as_u64() {
            Some(1) => send(json!({ "op": 11 })),
            Some(2 | 6) if bare(data["token"].as_str()) != bare(Some(token)) => {
                close(AUTHENTICATION_FAILED);
            }
            Some(2) if known => close(ALREADY_AUTHENTICATED),
            Some(2) => match self.check_identify(data) {
                Ok((shard, intents)) => self.identify(url, connection, data, shard, intents),
                Err(code) => close(code),
            },
            Some(6) => self.resume(connection, data),
            // A presence, or a request for what the fake does not have.
            Some(3 | 4 | 8 | 31) if known => {}
            Some(3 | 4 | 8 | 31) => close(NOT_AUTHENTICATED),
            _ => close(UNKNOWN_OPCODE),
        }
    }

    fn check_identify(&self, data: &Value) -> Result<((u64, u64), GatewayIntents), u16> {
        let shard = match &data["shard"] {
            Value::Null => (0, 1),
            shard => (
                shard[0].as_u64().unwrap_or(0),
                shard[1].as_u64().unwrap_or(0),
            ),
        };
        if shard.0 >= shard.1 {
            return Err(INVALID_SHARD);
        }
        let intents = data["intents"]
            .as_u64()
            .and_then(GatewayIntents::from_bits)
            .ok_or(INVALID_INTENTS)?;
        if !self
            .gateway
            .granted
            .contains(intents & GatewayIntents::privileged())
        {
            return Err(DISALLOWED_INTENTS);
        }
        Ok((shard, intents))
    }

    fn identify(
        &mut self,
        url: &str,
        connection: &Connection,
        data: &Value,
        shard: (u64, u64),
        intents: GatewayIntents,
    ) {
        self.gateway.identified += 1;
        let mut session = Session {
            shard,
            intents,
            sent: 0,
            log: VecDeque::new(),
            connection: Some(connection.clone()),
        };
        let guilds: Vec<_> = self
            .guilds
            .values()
            .filter(|guild| session.holds(guild.id) && guild.members.contains_key(&BOT))
            .collect();
        let unavailable: Vec<_> = guilds
            .iter()
            .map(|guild| json!({ "id": guild.id, "unavailable": true }))
            .collect();
        let id = format!("session-{}-{}", shard.0, self.gateway.identified);
        let ready = json!({
            "v": 10, "user": self.user_json(BOT), "guilds": unavailable, "session_id": id,
            "resume_gateway_url": url, "shard": [shard.0, shard.1],
            "application": { "id": BOT, "flags": 0 },
        });
        session.dispatch("READY", &ready, data["compress"] == true);
        if intents.contains(GatewayIntents::GUILDS) {
            for guild in guilds {
                session.dispatch("GUILD_CREATE", &self.whole_guild_json(guild), false);
            }
        }
        // Whoever held this shard and is gone will not come back.
        let sessions = &mut self.gateway.sessions;
        sessions.retain(|_, other| other.connection.is_some() || other.shard != shard);
        sessions.insert(id, session);
    }

    fn resume(&mut self, connection: &Connection, data: &Value) {
        let seen = data["seq"].as_u64().unwrap_or(0) as usize;
        let id = data["session_id"].as_str().unwrap_or_default();
        let session = self.gateway.sessions.get_mut(id);
        let known = session.filter(|session| session.missed(seen).is_some());
        let Some(session) = known else {
            let refused = json!({ "op": 9, "d": false }).to_string();
            let _ = connection.frames.send(Frame::Text(refused));
            return;
        };
        if let Some(earlier) = session.connection.replace(connection.clone()) {
            let _ = earlier.frames.send(Frame::Close(Some(SESSION_TIMED_OUT)));
        }
        for missed in session.missed(seen).into_iter().flatten() {
            let _ = connection.frames.send(Frame::Text(missed.clone()));
        }
        session.dispatch("RESUMED", &json!({}), false);
        self.gateway.resumed += 1;
    }
}

const UNKNOWN_OPCODE: u16 = 4001;
const DECODE_ERROR: u16 = 4002;
const NOT_AUTHENTICATED: u16 = 4003;
const AUTHENTICATION_FAILED: u16 = 4004;
const ALREADY_AUTHENTICATED: u16 = 4005;
const SESSION_TIMED_OUT: u16 = 4009;
const INVALID_SHARD: u16 = 4010;
const INVALID_INTENTS: u16 = 4013;
const DISALLOWED_INTENTS: u16 = 4014;

/// Discord takes a token with and without "Bot ".
fn bare(token: Option<&str>) -> Option<&str> {
    token.map(|token| token.trim_start_matches("Bot "))
}

/// Serves one connection until either side ends it.
pub async fn serve(discord: FakeDiscord, mut socket: WebSocket) {
    let (frames, mut to_send) = unbounded_channel();
    let (connection, heartbeat) = discord.change(|world| {
        world.gateway.connections += 1;
        let id = world.gateway.connections;
        (Connection { id, frames }, world.gateway.heartbeat)
    });
    let hello = json!({ "op": 10, "d": { "heartbeat_interval": heartbeat.as_millis() as u64 } });
    let _ = socket.send(Message::Text(hello.to_string().into())).await;

    let mut for_good = false;
    loop {
        tokio::select! {
            frame = to_send.recv() => {
                if discord.look(|world| connection.id <= world.gateway.silent_up_to) {
                    continue;
                }
                let sent = match frame {
                    Some(Frame::Text(text)) => socket.send(Message::Text(text.into())).await,
                    Some(Frame::Compressed(text)) => {
                        socket.send(Message::Binary(compress(&text).into())).await
                    }
                    Some(Frame::Close(code)) => {
                        let frame = code.map(|code| CloseFrame { code, reason: "".into() });
                        let _ = socket.send(Message::Close(frame)).await;
                        break;
                    }
                    Some(Frame::Vanish) | None => break,
                };
                if sent.is_err() {
                    break;
                }
            }
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => {
                    let (token, url) = (discord.token(), discord.gateway_url());
                    discord.change(|world| world.receive(token, &url, &connection, &text));
                }
                Some(Ok(Message::Close(frame))) => {
                    // Leaving with one of these codes ends the session.
                    for_good = frame.is_some_and(|frame| matches!(frame.code, 1000 | 1001));
                    break;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    discord.change(|world| world.gateway.disconnected(connection.id, for_good));
}

fn compress(text: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
