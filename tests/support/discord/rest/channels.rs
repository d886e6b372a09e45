//! Channels, threads, and the messages in them.

use serde_json::{Value, json};
use serenity::all::{ChannelId, GatewayIntents, MessageId, Permissions, UserId};

use super::super::clock::iso;
use super::super::limits;
use super::super::reactions::is_emoji;
use super::super::refusal::{
    MISSING_PERMISSIONS, NOT_FOUND, Refusal, TOO_OLD_TO_DELETE, UNKNOWN_CHANNEL, UNKNOWN_EMOJI,
    UNKNOWN_MESSAGE, UNKNOWN_USER, WRONG_CHANNEL_TYPE, WRONG_NUMBER_TO_DELETE,
};
use super::super::world::{BOT, World, id_in};
use super::interactions::message_reply;
use super::{Reply, Request};

pub fn answer(world: &mut World, request: Request) -> Reply {
    let channel: ChannelId = request.id(1, UNKNOWN_CHANNEL)?;
    let path: Vec<&str> = request.path[2..].iter().map(String::as_str).collect();
    let message = |part| request.id::<MessageId>(part, UNKNOWN_MESSAGE);
    match (request.method.as_str(), path.as_slice()) {
        ("GET", []) => Ok(Some(world.channel_json(world.seen_by(BOT, channel)?))),
        ("PATCH", []) => change(world, channel, &request.body),
        ("DELETE", []) => delete(world, channel),
        ("POST", ["typing"]) => {
            world.require(BOT, channel, to_post(world, channel)?)?;
            Ok(None)
        }

        ("GET", ["messages"]) => history(world, channel, &request),
        ("POST", ["messages"]) => {
            let message = world.post(BOT, channel, &request.body, request.uploads)?;
            message_reply(world, channel, message)
        }
        ("POST", ["messages", "bulk-delete"]) => delete_many(world, channel, &request.body),
        ("GET", ["messages", "pins"]) => {
            let now = iso(world.clock.now());
            let items: Vec<Value> = pinned(world, channel)?
                .into_iter()
                .map(|message| json!({ "pinned_at": now, "message": message }))
                .collect();
            Ok(Some(json!({ "items": items, "has_more": false })))
        }
        ("GET", ["pins"]) => Ok(Some(json!(pinned(world, channel)?))),
        ("PUT", ["messages", "pins", _]) => pin(world, channel, message(4)?, true),
        ("DELETE", ["messages", "pins", _]) => pin(world, channel, message(4)?, false),
        ("PUT", ["pins", _]) => pin(world, channel, message(3)?, true),
        ("DELETE", ["pins", _]) => pin(world, channel, message(3)?, false),
        ("GET", ["messages", _]) => {
            let found = world.readable_message(BOT, channel, message(3)?)?;
            Ok(Some(world.message_json(found)))
        }
        ("PATCH", ["messages", _]) => {
            let message = message(3)?;
            world.edit(BOT, channel, message, &request.body, request.uploads)?;
            message_reply(world, channel, message)
        }
        ("DELETE", ["messages", _]) => {
            world.delete_message(BOT, channel, message(3)?)?;
            Ok(None)
        }

        (_, ["messages", _, "reactions", ..]) => reactions(world, channel, message(3)?, &request),

        ("POST", ["threads"]) => start_thread(world, channel, None, &request.body),
        ("POST", ["messages", _, "threads"]) => {
            start_thread(world, channel, Some(message(3)?), &request.body)
        }
        ("GET", ["threads", "archived", "public"]) => archived_threads(world, channel),
        (method @ ("PUT" | "DELETE"), ["thread-members", user]) => {
            let user = match *user {
                "@me" => BOT,
                _ => request.id(3, UNKNOWN_USER)?,
            };
            world.set_thread_member(channel, user, method == "PUT")?;
            Ok(None)
        }
        _ => Err(NOT_FOUND),
    }
}

fn to_post(world: &World, channel: ChannelId) -> Result<Permissions, Refusal> {
    world.seen_by(BOT, channel)?;
    Ok(world.to_post_in(channel))
}

fn change(world: &mut World, channel: ChannelId, body: &Value) -> Reply {
    if world.seen_by(BOT, channel)?.thread().is_some() {
        world.edit_thread(BOT, channel, body)?;
    } else {
        limits::channel_change(body)?;
        world.require(BOT, channel, Permissions::MANAGE_CHANNELS)?;
        let found = world.channel_mut(channel);
        if let Some(name) = body["name"].as_str() {
            found.name = name.to_owned();
        }
        if let Some(topic) = body.get("topic") {
            found.topic = topic.as_str().map(str::to_owned);
        }
        world.announce_change(channel);
    }
    Ok(Some(world.channel_json(world.channel(channel))))
}

fn delete(world: &mut World, channel: ChannelId) -> Reply {
    let found = world.seen_by(BOT, channel)?;
    let needed = match (found.guild(), found.thread()) {
        (None, _) => return Ok(Some(world.channel_json(found))),
        (Some(_), None) => Permissions::MANAGE_CHANNELS,
        (Some(_), Some(_)) => Permissions::MANAGE_THREADS,
    };
    let deleted = world.channel_json(found);
    world.require(BOT, channel, needed)?;
    world.delete_channel(channel);
    Ok(Some(deleted))
}

/// The newest first; nothing for somebody who may not read what was said before.
fn history(world: &World, channel: ChannelId, request: &Request) -> Reply {
    let limit = request.number("limit").unwrap_or(50);
    let mut form = limits::Form::default();
    form.number("limit", &json!(limit), 1..=100);
    form.done()?;
    let limit = limit as usize;
    let found = world.seen_by(BOT, channel)?;
    if !world
        .permissions(BOT, channel)
        .contains(Permissions::READ_MESSAGE_HISTORY)
    {
        return Ok(Some(json!([])));
    }
    let readable = || {
        found
            .messages
            .values()
            .filter(|message| message.only_for.is_none())
    };
    let before = |id: u64, count| {
        let mut earlier: Vec<_> = readable()
            .rev()
            .filter(|message| message.id.get() < id)
            .take(count)
            .collect();
        earlier.reverse();
        earlier
    };
    let after = |id: u64, count| {
        readable()
            .filter(|message| message.id.get() > id)
            .take(count)
            .collect::<Vec<_>>()
    };
    let in_order = if let Some(id) = request.number("around") {
        let mut around = before(id, limit / 2);
        around.extend(readable().filter(|message| message.id.get() == id));
        around.extend(after(id, limit / 2));
        around.truncate(limit);
        around
    } else if let Some(id) = request.number("after") {
        after(id, limit)
    } else {
        before(request.number("before").unwrap_or(u64::MAX), limit)
    };
    let newest_first = in_order.into_iter().rev();
    Ok(Some(
        newest_first
            .map(|message| world.message_json(message))
            .collect(),
    ))
}

fn delete_many(world: &mut World, channel: ChannelId, body: &Value) -> Reply {
    const DELETABLE_FOR: chrono::Duration = chrono::Duration::days(14);
    world.require(BOT, channel, Permissions::MANAGE_MESSAGES)?;
    let ids: Vec<MessageId> = limits::items(&body["messages"]).filter_map(id_in).collect();
    if !(2..=100).contains(&ids.len()) {
        return Err(WRONG_NUMBER_TO_DELETE);
    }
    let since = world.clock.now() - DELETABLE_FOR;
    let too_old = |id: &MessageId| {
        world
            .message(channel, *id)
            .is_some_and(|message| message.sent < since)
    };
    if ids.iter().any(too_old) {
        return Err(TOO_OLD_TO_DELETE);
    }
    let ids: Vec<MessageId> = ids
        .into_iter()
        .filter(|id| {
            let place = world.channel_mut(channel);
            place.pins.retain(|pinned| pinned != id);
            place.messages.remove(id).is_some()
        })
        .collect();
    let guild = world.channel(channel).guild();
    let data = json!({ "ids": ids, "channel_id": channel, "guild_id": guild });
    world.dispatch_in(
        channel,
        "MESSAGE_DELETE_BULK",
        GatewayIntents::GUILD_MESSAGES,
        data,
    );
    Ok(None)
}

fn pinned(world: &World, channel: ChannelId) -> Result<Vec<Value>, Refusal> {
    world.require(BOT, channel, Permissions::READ_MESSAGE_HISTORY)?;
    let place = world.channel(channel);
    Ok(place
        .pins
        .iter()
        .filter_map(|id| place.messages.get(id))
        .map(|message| world.message_json(message))
        .collect())
}

fn pin(world: &mut World, channel: ChannelId, message: MessageId, pins: bool) -> Reply {
    const PINNED: u8 = 6;
    const PIN_MESSAGES: Permissions = Permissions::from_bits_retain(1 << 51);
    world.readable_message(BOT, channel, message)?;
    let allowed = world.permissions(BOT, channel);
    if !allowed.intersects(Permissions::MANAGE_MESSAGES | PIN_MESSAGES) {
        return Err(MISSING_PERMISSIONS);
    }
    let place = world.channel_mut(channel);
    let was_pinned = place.pins.contains(&message);
    place.pins.retain(|pinned| *pinned != message);
    if pins {
        place.pins.insert(0, message);
    }
    let guild = world.channel(channel).guild();
    let data = json!({ "channel_id": channel, "guild_id": guild, "last_pin_timestamp": null });
    world.dispatch_in(channel, "CHANNEL_PINS_UPDATE", GatewayIntents::GUILDS, data);
    if pins && !was_pinned {
        let reference = json!({ "type": 0, "channel_id": channel, "message_id": message });
        world.note(BOT, channel, PINNED, "", reference);
    }
    Ok(None)
}

fn reactions(
    world: &mut World,
    channel: ChannelId,
    message: MessageId,
    request: &Request,
) -> Reply {
    let path: Vec<&str> = request.path[5..].iter().map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("PUT", [emoji, "@me"]) => world.react(BOT, channel, message, emoji)?,
        ("DELETE", [emoji, "@me"]) => world.unreact(BOT, channel, message, emoji)?,
        ("DELETE", [emoji, _]) => {
            let user: UserId = request.id(6, UNKNOWN_USER)?;
            world.require(BOT, channel, Permissions::MANAGE_MESSAGES)?;
            world.unreact(user, channel, message, emoji)?;
        }
        ("DELETE", []) => world.clear_reactions(BOT, channel, message, None)?,
        ("DELETE", [emoji]) => world.clear_reactions(BOT, channel, message, Some(emoji))?,
        ("GET", [emoji]) => return reacted(world, channel, message, emoji, request),
        _ => return Err(NOT_FOUND),
    }
    Ok(None)
}

/// Who reacted, by id, a page at a time.
fn reacted(
    world: &World,
    channel: ChannelId,
    message: MessageId,
    emoji: &str,
    request: &Request,
) -> Reply {
    let limit = request.number("limit").unwrap_or(25);
    let mut form = limits::Form::default();
    form.number("limit", &json!(limit), 1..=100);
    form.done()?;
    let found = world.readable_message(BOT, channel, message)?;
    if !is_emoji(emoji) {
        return Err(UNKNOWN_EMOJI);
    }
    let mut users = found.reacted_with(emoji).to_vec();
    users.sort();
    let after = request.number("after").unwrap_or(0);
    let page = users
        .into_iter()
        .filter(|user| user.get() > after)
        .take(limit as usize);
    Ok(Some(page.map(|user| world.user_json(user)).collect()))
}

fn start_thread(
    world: &mut World,
    parent: ChannelId,
    from: Option<MessageId>,
    body: &Value,
) -> Reply {
    world.seen_by(BOT, parent)?;
    let thread = world.start_thread(BOT, parent, from, body)?;
    Ok(Some(world.channel_json(world.channel(thread))))
}

fn archived_threads(world: &World, parent: ChannelId) -> Reply {
    world.require(BOT, parent, Permissions::READ_MESSAGE_HISTORY)?;
    if world.channel(parent).thread().is_some() {
        return Err(WRONG_CHANNEL_TYPE);
    }
    let threads: Vec<Value> = world
        .threads_of(parent)
        .filter(|(_, thread)| thread.archived)
        .map(|(channel, _)| world.channel_json(channel))
        .collect();
    Ok(Some(
        json!({ "threads": threads, "members": [], "has_more": false }),
    ))
}
