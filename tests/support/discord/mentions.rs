//! Whom a message really pings: what it says, what it allows, and what its author may do.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use serenity::all::{ChannelId, MessageId, Permissions, RoleId, UserId};

use super::messages::Message;
use super::world::{World, id_in};

/// A notification that reached somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Ping {
    pub channel: ChannelId,
    pub message: MessageId,
    pub whom: Pinged,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pinged {
    User(UserId),
    Role(RoleId),
    /// @everyone, or @here.
    Everyone,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mentions {
    pub users: Vec<UserId>,
    pub roles: Vec<RoleId>,
    pub everyone: bool,
}

impl World {
    /// Whom `message` pings. Without `allowed`, everything that it mentions.
    pub fn mentions_of(&self, message: &Message, allowed: &Value) -> Mentions {
        static MENTION: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"<@(?<role>&)?!?(?<id>\d+)>|@everyone|@here").unwrap());
        let parsed = |kind: &str| match allowed["parse"].as_array() {
            Some(kinds) => kinds.iter().any(|allowed| allowed == kind),
            None => allowed.is_null(),
        };
        let listed = |kind: &str, id: u64| {
            allowed[kind]
                .as_array()
                .is_some_and(|ids| ids.iter().any(|allowed| id_in(allowed) == Some(id)))
        };
        let guild = self.channel(message.channel).guild();
        let may_mention_all = self
            .permissions(message.author, message.channel)
            .contains(Permissions::MENTION_EVERYONE);

        let mut mentions = Mentions::default();
        for found in MENTION.captures_iter(&message.content) {
            let Some(id) = found.name("id").and_then(|id| id.as_str().parse().ok()) else {
                mentions.everyone |= parsed("everyone") && may_mention_all;
                continue;
            };
            if found.name("role").is_some() {
                let mentionable = guild
                    .and_then(|guild| self.guild(guild).role(RoleId::new(id)))
                    .is_some_and(|role| role.mentionable || may_mention_all);
                let new = !mentions.roles.contains(&RoleId::new(id));
                if new && mentionable && (parsed("roles") || listed("roles", id)) {
                    mentions.roles.push(RoleId::new(id));
                }
            } else if !mentions.users.contains(&UserId::new(id))
                && self.users.contains_key(&UserId::new(id))
                && (parsed("users") || listed("users", id))
            {
                mentions.users.push(UserId::new(id));
            }
        }
        let answered = message
            .reference
            .as_ref()
            .and_then(|reference| id_in(&reference["message_id"]))
            .and_then(|id| self.message(message.channel, id))
            .map(|answered| answered.author);
        let pings_answered = allowed["replied_user"]
            .as_bool()
            .unwrap_or(allowed.is_null());
        let new = |user: &UserId| pings_answered && !mentions.users.contains(user);
        if let Some(answered) = answered.filter(new) {
            mentions.users.push(answered);
        }
        mentions
    }

    /// Notes who is notified by a message that has just appeared.
    pub fn ping(&mut self, message: &Message) {
        const SUPPRESS_NOTIFICATIONS: u64 = 1 << 12;
        if message.flags & SUPPRESS_NOTIFICATIONS != 0 || message.only_for.is_some() {
            return;
        }
        let sees = |user: &&UserId| {
            self.permissions(**user, message.channel)
                .contains(Permissions::VIEW_CHANNEL)
        };
        let users = message.mentions.users.iter().filter(sees);
        let whom: Vec<Pinged> = users
            .map(|user| Pinged::User(*user))
            .chain(
                message
                    .mentions
                    .roles
                    .iter()
                    .map(|role| Pinged::Role(*role)),
            )
            .chain(message.mentions.everyone.then_some(Pinged::Everyone))
            .collect();
        self.pings.extend(whom.into_iter().map(|whom| Ping {
            channel: message.channel,
            message: message.id,
            whom,
        }));
    }
}
