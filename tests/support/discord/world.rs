//! What exists: guilds, people, channels, and everything in them.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use serenity::all::{
    ChannelId, ChannelType, GuildId, InteractionId, MessageId, PermissionOverwrite, Permissions,
    RoleId, UserId,
};

use super::clock::Clock;
use super::commands::Commands;
use super::gateway::Gateway;
use super::interactions::Interaction;
use super::mentions::Ping;
use super::messages::Message;

/// The bot. Its application has the same id.
pub const BOT: UserId = UserId::new(100_000_000_000_000_000);

pub struct World {
    /// Where attachments are served.
    pub url: String,
    pub clock: Clock,
    pub users: BTreeMap<UserId, User>,
    pub guilds: BTreeMap<GuildId, Guild>,
    /// Of all guilds; threads and direct messages are channels too.
    pub channels: BTreeMap<ChannelId, Channel>,
    pub commands: Commands,
    pub interactions: BTreeMap<InteractionId, Interaction>,
    pub pings: Vec<Ping>,
    pub gateway: Gateway,
    /// What is set on the developer page, where it is not as for a new application.
    pub application: BTreeMap<&'static str, Value>,
    last_id: u64,
}

pub struct User {
    pub id: UserId,
    pub name: String,
    pub bot: bool,
    pub locale: String,
    pub accepts_direct_messages: bool,
}

pub struct Guild {
    pub id: GuildId,
    pub name: String,
    pub owner: UserId,
    pub locale: String,
    /// The first is @everyone's, whose id is the guild's.
    pub roles: Vec<Role>,
    pub members: BTreeMap<UserId, Member>,
}

pub struct Role {
    pub id: RoleId,
    pub name: String,
    pub permissions: Permissions,
    pub mentionable: bool,
    /// Made for the bot when it was invited.
    pub of_bot: bool,
}

pub struct Member {
    pub nick: Option<String>,
    pub roles: Vec<RoleId>,
    pub joined: DateTime<Utc>,
}

pub struct Channel {
    pub id: ChannelId,
    pub name: String,
    pub topic: Option<String>,
    pub place: Place,
    /// By id, which is the order of time.
    pub messages: BTreeMap<MessageId, Message>,
    /// The latest pinned first.
    pub pins: Vec<MessageId>,
}

pub enum Place {
    Text {
        guild: GuildId,
        overwrites: Vec<PermissionOverwrite>,
    },
    Thread(Thread),
    Direct(UserId),
}

#[derive(Clone)]
pub struct Thread {
    pub guild: GuildId,
    pub parent: ChannelId,
    pub owner: UserId,
    pub kind: ChannelType,
    pub archived: bool,
    pub locked: bool,
    pub auto_archive_minutes: u64,
    pub created: DateTime<Utc>,
    /// When it was last archived or unarchived.
    pub archive_changed: DateTime<Utc>,
    pub members: Vec<UserId>,
}

impl World {
    /// Nothing but the bot.
    pub fn new(url: String) -> Self {
        let bot = User {
            id: BOT,
            name: "Accord".to_owned(),
            bot: true,
            locale: "en-US".to_owned(),
            accepts_direct_messages: false,
        };
        World {
            url,
            clock: Clock::default(),
            users: BTreeMap::from([(BOT, bot)]),
            guilds: BTreeMap::new(),
            channels: BTreeMap::new(),
            commands: Commands::default(),
            interactions: BTreeMap::new(),
            pings: Vec::new(),
            gateway: Gateway::default(),
            application: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// A snowflake. No two are of the same millisecond, which alone decides a guild's shard.
    pub fn new_id(&mut self) -> u64 {
        const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;
        let now = (self.clock.now().timestamp_millis() - DISCORD_EPOCH_MS) as u64;
        let last = self.last_id >> 22;
        self.last_id = now.max(last + 1) << 22;
        self.last_id
    }

    /// The guilds take turns over the shards, for every number of shards that divides 60.
    pub fn new_guild_id(&mut self) -> GuildId {
        const TURNS: u64 = 60;
        let turn = self.guilds.len() as u64 % TURNS;
        loop {
            let id = self.new_id();
            if (id >> 22) % TURNS == turn {
                return GuildId::new(id);
            }
        }
    }

    pub fn guild(&self, guild: GuildId) -> &Guild {
        self.guilds
            .get(&guild)
            .unwrap_or_else(|| panic!("there is no guild {guild}"))
    }

    pub fn channel(&self, channel: ChannelId) -> &Channel {
        self.channels
            .get(&channel)
            .unwrap_or_else(|| panic!("there is no channel {channel}"))
    }

    pub fn channel_mut(&mut self, channel: ChannelId) -> &mut Channel {
        self.channels
            .get_mut(&channel)
            .unwrap_or_else(|| panic!("there is no channel {channel}"))
    }

    pub fn message(&self, channel: ChannelId, message: MessageId) -> Option<&Message> {
        self.channels.get(&channel)?.messages.get(&message)
    }

    pub fn message_mut(&mut self, channel: ChannelId, message: MessageId) -> Option<&mut Message> {
        self.channels.get_mut(&channel)?.messages.get_mut(&message)
    }

    /// The name shown in a guild; outside of one the user's own.
    pub fn display_name(&self, guild: Option<GuildId>, user: UserId) -> &str {
        guild
            .and_then(|guild| self.guilds.get(&guild)?.members.get(&user)?.nick.as_deref())
            .unwrap_or(&self.users[&user].name)
    }

    /// The threads of `parent`, the oldest first.
    pub fn threads_of(&self, parent: ChannelId) -> impl Iterator<Item = (&Channel, &Thread)> {
        self.channels
            .values()
            .filter_map(|channel| Some((channel, channel.thread()?)))
            .filter(move |(_, thread)| thread.parent == parent)
    }

    /// Lets time pass, and with it the threads that nobody writes in fall asleep.
    pub fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        let now = self.clock.now();
        let asleep: Vec<ChannelId> = self
            .channels
            .values()
            .filter(|channel| {
                channel.thread().is_some_and(|thread| {
                    let active = channel
                        .messages
                        .values()
                        .next_back()
                        .map_or(thread.archive_changed, |last| {
                            last.sent.max(thread.archive_changed)
                        });
                    let rest = Duration::from_secs(60 * thread.auto_archive_minutes);
                    !thread.archived && active + rest <= now
                })
            })
            .map(|channel| channel.id)
            .collect();
        for thread in asleep {
            self.change_thread(thread, |thread| thread.archived = true);
        }
    }
}

impl Guild {
    pub fn everyone(&self) -> RoleId {
        RoleId::new(self.id.get())
    }

    pub fn role(&self, role: RoleId) -> Option<&Role> {
        self.roles.iter().find(|found| found.id == role)
    }
}

impl Channel {
    pub fn guild(&self) -> Option<GuildId> {
        match &self.place {
            Place::Text { guild, .. } => Some(*guild),
            Place::Thread(thread) => Some(thread.guild),
            Place::Direct(_) => None,
        }
    }

    pub fn thread(&self) -> Option<&Thread> {
        match &self.place {
            Place::Thread(thread) => Some(thread),
            _ => None,
        }
    }

    pub fn kind(&self) -> ChannelType {
        match &self.place {
            Place::Text { .. } => ChannelType::Text,
            Place::Thread(thread) => thread.kind,
            Place::Direct(_) => ChannelType::Private,
        }
    }

    /// What `viewer` sees, the oldest first.
    pub fn visible_to(&self, viewer: UserId) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages
            .values()
            .filter(move |message| message.is_visible_to(viewer))
    }
}

/// An id, as Discord writes one.
pub fn id_in<T: From<u64>>(value: &Value) -> Option<T> {
    let id = match value {
        Value::String(text) => text.parse().ok()?,
        other => other.as_u64()?,
    };
    (id != 0).then(|| id.into())
}
