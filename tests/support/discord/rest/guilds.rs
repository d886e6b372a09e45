//! Guilds that the bot is a member of.

use serde_json::{Value, json};
use serenity::all::{GatewayIntents, GuildId, Permissions, UserId};

use super::super::refusal::{
    MISSING_ACCESS, NOT_FOUND, UNKNOWN_GUILD, UNKNOWN_MEMBER, UNKNOWN_USER,
};
use super::super::world::{BOT, World};
use super::{Reply, Request};

pub fn answer(world: &mut World, request: Request) -> Reply {
    let id: GuildId = request.id(1, UNKNOWN_GUILD)?;
    let guild = world
        .guilds
        .get(&id)
        .filter(|guild| guild.members.contains_key(&BOT))
        .ok_or(UNKNOWN_GUILD)?;
    let path: Vec<&str> = request.path[2..].iter().map(String::as_str).collect();
    let reply = match (request.method.as_str(), path.as_slice()) {
        ("GET", []) => {
            let mut json = world.guild_json(guild);
            if request
                .query
                .get("with_counts")
                .is_some_and(|with| with == "true")
            {
                json["approximate_member_count"] = json!(guild.members.len());
                json["approximate_presence_count"] = json!(guild.members.len());
            }
            json
        }
        ("GET", ["channels"]) => world
            .channels
            .values()
            .filter(|channel| channel.guild() == Some(id) && channel.thread().is_none())
            .map(|channel| world.channel_json(channel))
            .collect(),
        ("GET", ["roles"]) => guild
            .roles
            .iter()
            .map(|role| world.role_json(guild, role))
            .collect(),
        ("GET", ["members"]) => {
            if !world
                .gateway
                .granted
                .contains(GatewayIntents::GUILD_MEMBERS)
            {
                return Err(MISSING_ACCESS);
            }
            let limit = request.number("limit").unwrap_or(1) as usize;
            let after = request.number("after").unwrap_or(0);
            guild
                .members
                .keys()
                .filter(|user| user.get() > after)
                .take(limit)
                .map(|user| world.member_json(id, *user))
                .collect()
        }
        ("GET", ["members", _]) => {
            let user: UserId = request.id(3, UNKNOWN_USER)?;
            if !world.users.contains_key(&user) {
                return Err(UNKNOWN_USER);
            }
            if !guild.members.contains_key(&user) {
                return Err(UNKNOWN_MEMBER);
            }
            world.member_json(id, user)
        }
        ("GET", ["threads", "active"]) => {
            let threads: Vec<Value> = world
                .channels
                .values()
                .filter(|channel| {
                    channel
                        .thread()
                        .is_some_and(|thread| thread.guild == id && !thread.archived)
                        && world
                            .permissions(BOT, channel.id)
                            .contains(Permissions::VIEW_CHANNEL)
                })
                .map(|channel| world.channel_json(channel))
                .collect();
            json!({ "threads": threads, "members": [], "has_more": false })
        }
        _ => return Err(NOT_FOUND),
    };
    Ok(Some(reply))
}
