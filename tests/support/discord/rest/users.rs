//! The bot itself, other users, and direct messages with them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use serenity::all::{ChannelId, UserId};

use super::super::refusal::{NOT_FOUND, UNKNOWN_GUILD, UNKNOWN_USER};
use super::super::world::{BOT, Channel, Place, World, id_in};
use super::{Reply, Request};

pub fn answer(world: &mut World, request: Request) -> Reply {
    let path: Vec<&str> = request.path[1..].iter().map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("GET", ["@me"]) => {
            let mut me = world.user_json(BOT);
            me["mfa_enabled"] = json!(false);
            me["verified"] = json!(true);
            me["email"] = Value::Null;
            me["locale"] = json!(world.users[&BOT].locale);
            Ok(Some(me))
        }
        ("POST", ["@me", "channels"]) => {
            let user = id_in(&request.body["recipient_id"])
                .filter(|user| world.users.contains_key(user))
                .ok_or(UNKNOWN_USER)?;
            let channel = world.direct_channel(user);
            Ok(Some(world.channel_json(world.channel(channel))))
        }
        ("GET", ["@me", "guilds"]) => {
            let guilds: Vec<Value> = world
                .guilds
                .values()
                .filter(|guild| guild.members.contains_key(&BOT))
                .map(|guild| {
                    json!({
                        "id": guild.id, "name": guild.name, "icon": null, "banner": null, "features": [],
                        "owner": guild.owner == BOT,
                        "permissions": world.permissions_in_guild(BOT, guild.id),
                    })
                })
                .collect();
            Ok(Some(json!(guilds)))
        }
        ("DELETE", ["@me", "guilds", _]) => {
            let guild = request.id(3, UNKNOWN_GUILD)?;
            if world.permissions_in_guild(BOT, guild).is_empty() {
                return Err(UNKNOWN_GUILD);
            }
            world.remove_bot(guild);
            Ok(None)
        }
        ("GET", [_]) => {
            let user: UserId = request.id(1, UNKNOWN_USER)?;
            if !world.users.contains_key(&user) {
                return Err(UNKNOWN_USER);
            }
            Ok(Some(world.user_json(user)))
        }
        _ => Err(NOT_FOUND),
    }
}

impl World {
    /// The direct messages between the bot and `user`.
    pub fn direct_channel(&mut self, user: UserId) -> ChannelId {
        let known = self
            .channels
            .values()
            .find(|channel| matches!(channel.place, Place::Direct(with) if with == user))
            .map(|channel| channel.id);
        known.unwrap_or_else(|| {
            let id = ChannelId::new(self.new_id());
            let channel = Channel {
                id,
                name: String::new(),
                topic: None,
                place: Place::Direct(user),
                messages: BTreeMap::new(),
                pins: Vec::new(),
            };
            self.channels.insert(id, channel);
            id
        })
    }
}
