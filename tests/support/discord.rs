//! A fake Discord on loopback: REST and the gateway on one port, with people in it.
//!
//! It refuses what Discord refuses, with Discord's own status, code and words, and fails on
//! demand. It needs no other file of `tests/support`; a program in `benches` says
//! `#[path = "../tests/support"]` before the same module, a test that has another `mod support`
//! says `#[path = "support"] mod fake { pub mod discord; }`.
//!
//! ```ignore
//! mod support {
//!     pub mod discord;
//! }
//!
//! let discord = FakeDiscord::start().await;
//! let town = discord.guild("Town");
//! let square = discord.channel(town, "square");
//! let ada = discord.member(town, "Ada");
//! // … start the bot with `discord.api_url()` and `discord.token()` …
//! discord.wait_for_bot().await;
//! let opened = ada.in_channel(square).runs("round open", json!({ "question": "Open it?" }));
//! let reply = opened.acknowledged_within(ms(500)).await.reply().await;
//! ada.presses(&reply, "Write an opinion").modal().await;
//! ```

#![allow(
    dead_code,
    unused_imports,
    reason = "every test file is a crate of its own and uses a part of this"
)]

mod answers;
mod calls;
mod clock;
mod commands;
mod faults;
mod gateway;
mod interactions;
mod limits;
mod mentions;
mod messages;
mod moderation;
mod multipart;
mod people;
mod permissions;
mod rate_limits;
mod reactions;
mod refusal;
mod rest;
mod threads;
mod tls;
mod transcript;
mod typing;
mod wire;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use serde_json::Value;
use serenity::all::{ChannelId, GuildId, MessageId};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::answers::{Choice, Interaction, Modal};
pub use self::calls::Call;
pub use self::faults::Fault;
pub use self::interactions::Kind;
pub use self::mentions::{Ping, Pinged};
pub use self::messages::{Attachment, Component, Message};
pub use self::people::{InChannel, Person};
pub use self::refusal::Refusal;
pub use self::world::BOT;

use self::faults::Faults;
use self::rate_limits::RateLimits;
use self::tls::Tls;
use self::world::World;

/// A handle; clones are of the same Discord. It lives as long as the runtime it was started on,
/// however often the bot comes and goes.
#[derive(Clone)]
pub struct FakeDiscord {
    shared: Arc<Shared>,
}

struct Shared {
    address: SocketAddr,
    tls: Option<Tls>,
    world: Mutex<World>,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Faults>,
    rate_limits: Mutex<RateLimits>,
    patience: Mutex<Duration>,
    changed: watch::Sender<()>,
}

/// Its first part is the bot's id, as serenity and Discord expect.
const TOKEN: &str = "MTAwMDAwMDAwMDAwMDAwMDAw.RmFrZQ.a-token-of-the-fake-Discord";

impl FakeDiscord {
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Serves the same under https://discord.com too, for [`Self::https_client`].
    pub async fn start_tls() -> Self {
        Self::start_with(Some(Tls::bind().await)).await
    }

    async fn start_with(tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let discord = FakeDiscord {
            shared: Arc::new(Shared {
                address,
                tls,
                world: Mutex::new(World::new(format!("http://{address}"))),
                calls: Mutex::default(),
                faults: Mutex::default(),
                rate_limits: Mutex::default(),
                patience: Mutex::new(Duration::from_secs(15)),
                changed: watch::channel(()).0,
            }),
        };
        let routes = Router::new()
            .route("/", get(connect))
            .route("/attachments/{channel}/{id}/{name}", get(rest::attachment))
            .fallback(rest::serve)
            .with_state(discord.clone());
        if let Some(tls) = &discord.shared.tls {
            tls.serve(routes.clone());
        }
        // Otherwise an event may wait 40 ms for an acknowledgement, and latencies mean nothing.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        discord
    }

    /// For `HttpBuilder::proxy`, together with `ratelimiter_disabled(true)`.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    pub fn gateway_url(&self) -> String {
        format!("ws://{}", self.shared.address)
    }

    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// Lets time pass for deadlines of Discord's: tokens, nonces, threads falling asleep.
    pub fn advance(&self, by: Duration) {
        self.change(|world| world.advance(by));
    }

    /// How long to wait for what a test expects; 15 s unless this says otherwise.
    pub fn wait_at_most(&self, patience: Duration) {
        *self.shared.patience.lock().unwrap() = patience;
    }

    fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.shared.world.lock().unwrap())
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.shared.world.lock().unwrap());
        self.shared.changed.send_replace(());
        result
    }
}

/// What a test can see.
impl FakeDiscord {
    /// Everything in a channel that all its members see, the oldest first.
    pub fn messages(&self, channel: ChannelId) -> Vec<Message> {
        self.look(|world| match world.channels.get(&channel) {
            None => Vec::new(),
            Some(channel) => channel
                .messages
                .values()
                .filter(|message| !message.is_ephemeral())
                .cloned()
                .collect(),
        })
    }

    /// As it stands now; `None` once it has been deleted.
    pub fn message(&self, id: MessageId) -> Option<Message> {
        self.look(|world| {
            let mut channels = world.channels.values();
            channels
                .find_map(|channel| channel.messages.get(&id))
                .cloned()
        })
    }

    /// The threads of a channel, the oldest first.
    pub fn threads(&self, channel: ChannelId) -> Vec<ChannelId> {
        self.look(|world| {
            world
                .threads_of(channel)
                .map(|(thread, _)| thread.id)
                .collect()
        })
    }

    pub fn channel_name(&self, channel: ChannelId) -> String {
        self.look(|world| world.channel(channel).name.clone())
    }

    pub fn is_archived(&self, thread: ChannelId) -> bool {
        self.look(|world| {
            world
                .channel(thread)
                .thread()
                .is_some_and(|thread| thread.archived)
        })
    }

    /// The direct messages between the bot and a user.
    pub fn direct_messages(&self, person: &Person) -> Vec<Message> {
        let channel = self.change(|world| world.direct_channel(person.id));
        self.messages(channel)
    }

    /// Every notification that really reached somebody.
    pub fn pings(&self) -> Vec<Ping> {
        self.look(|world| world.pings.clone())
    }

    /// The commands that members of a guild see.
    pub fn commands(&self, guild: GuildId) -> Vec<Value> {
        self.look(|world| {
            let of_guild = world.commands.of_guild.get(&guild).into_iter().flatten();
            of_guild.chain(&world.commands.global).cloned().collect()
        })
    }

    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// Those that fit a pattern such as `POST /channels/*/messages`.
    pub fn calls_to(&self, pattern: &str) -> Vec<Call> {
        let calls = self.shared.calls.lock().unwrap();
        let fitting = calls.iter().filter(|call| call.fits(pattern));
        fitting.cloned().collect()
    }

    /// For `check_discord_requests.py`.
    pub fn calls_as_jsonl(&self) -> String {
        self.calls().iter().map(Call::to_json_line).collect()
    }

    /// How often a bot has identified and resumed.
    pub fn identified(&self) -> usize {
        self.look(|world| world.gateway.identified)
    }

    pub fn resumed(&self) -> usize {
        self.look(|world| world.gateway.resumed)
    }

    /// The last 10,000 events that each session of now has been sent, or would be on RESUME.
    pub fn dispatches(&self) -> Vec<Value> {
        self.look(|world| {
            let sessions = world.gateway.sessions.values();
            sessions.flat_map(gateway::Session::dispatches).collect()
        })
    }

    fn note_call(&self, call: Call) -> usize {
        let mut calls = self.shared.calls.lock().unwrap();
        calls.push(call);
        calls.len() - 1
    }

    fn note_status(&self, number: usize, status: u16) {
        self.shared.calls.lock().unwrap()[number].status = Some(status);
        self.shared.changed.send_replace(());
    }
}

/// Waiting for what the bot will do; a panic that shows its last requests if it does not.
impl FakeDiscord {
    pub async fn wait_until<T>(&self, what: &str, found: impl Fn() -> Option<T>) -> T {
        let patience = *self.shared.patience.lock().unwrap();
        self.wait_for(what, patience, found).await
    }

    async fn wait_for<T>(
        &self,
        what: &str,
        patience: Duration,
        found: impl Fn() -> Option<T>,
    ) -> T {
        let mut changed = self.shared.changed.subscribe();
        let waiting = async {
            loop {
                if let Some(found) = found() {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(found) => found,
            Err(_) => self.give_up(what, patience),
        }
    }

    fn give_up(&self, what: &str, patience: Duration) -> ! {
        let calls = self.calls();
        let last: Vec<String> = calls
            .iter()
            .rev()
            .take(20)
            .rev()
            .map(Call::summary)
            .collect();
        let gateway = self.look(|world| match world.gateway.is_connected() {
            true => "connected",
            false => "not connected",
        });
        panic!(
            "waited {patience:?} for {what}; the bot is {gateway} to the gateway and made {} \
             requests, the last of them:\n{}",
            calls.len(),
            last.join("\n")
        );
    }

    /// Until the bot is connected and has registered its commands.
    pub async fn wait_for_bot(&self) {
        self.wait_until("the bot to connect and register its commands", || {
            self.look(|world| {
                let registered =
                    !world.commands.global.is_empty() || !world.commands.of_guild.is_empty();
                (registered && world.gateway.is_connected()).then_some(())
            })
        })
        .await;
    }

    /// Until nobody is connected any more; after a bot was killed, before the next is started.
    pub async fn wait_for_disconnection(&self) {
        self.wait_until("the bot to be gone", || {
            self.look(|world| (!world.gateway.is_connected()).then_some(()))
        })
        .await;
    }

    pub async fn wait_for_connection(&self) {
        self.wait_until("the bot to connect", || {
            self.look(|world| world.gateway.is_connected().then_some(()))
        })
        .await;
    }

    /// Until every member of a channel can see such a message.
    pub async fn wait_for_message(
        &self,
        channel: ChannelId,
        wanted: impl Fn(&Message) -> bool,
    ) -> Message {
        let what = format!("a message in {channel}");
        let found = || {
            self.look(|world| {
                let messages = world.channels.get(&channel)?.messages.values();
                let mut common = messages.filter(|message| !message.is_ephemeral());
                common.find(|message| wanted(message)).cloned()
            })
        };
        self.wait_until(&what, found).await
    }

    /// Until a message, which may be edited meanwhile, is as wanted.
    pub async fn wait_for_change(
        &self,
        message: &Message,
        wanted: impl Fn(&Message) -> bool,
    ) -> Message {
        let what = format!("a change of the message {}", message.id);
        let found = || self.message(message.id).filter(&wanted);
        self.wait_until(&what, found).await
    }

    /// Until a channel has such a thread.
    pub async fn wait_for_thread(&self, channel: ChannelId) -> ChannelId {
        let what = format!("a thread of {channel}");
        self.wait_until(&what, || self.threads(channel).pop()).await
    }

    /// Until the bot has made `count` requests that fit the pattern and were answered.
    pub async fn wait_for_calls(&self, count: usize, pattern: &str) -> Vec<Call> {
        let what = format!("{count} times {pattern}");
        self.wait_until(&what, || {
            let mut calls = self.calls_to(pattern);
            calls.retain(|call| call.status.is_some());
            (calls.len() >= count).then_some(calls)
        })
        .await
    }
}

/// The gateway; during an outage it is shut.
async fn connect(State(discord): State<FakeDiscord>, upgrade: WebSocketUpgrade) -> Response {
    if discord.look(|world| world.gateway.out) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    upgrade.on_upgrade(move |socket| gateway::serve(discord, socket))
}
