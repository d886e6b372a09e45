//! Answers to interactions: /interactions and /webhooks.

use serenity::all::{ChannelId, MessageId};

use super::super::refusal::{NOT_FOUND, UNKNOWN_INTERACTION, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK};
use super::super::world::{BOT, World};
use super::{Reply, Request};

pub fn callback(world: &mut World, request: Request) -> Reply {
    if request.method != "POST" || request.path.len() != 4 || request.path[3] != "callback" {
        return Err(NOT_FOUND);
    }
    let id = request.id(1, UNKNOWN_INTERACTION)?;
    world.answer_interaction(id, &request.path[2], &request.body, request.uploads)?;
    let with_response = request.query.get("with_response").map(String::as_str);
    Ok(match with_response {
        Some("true") => Some(world.callback_response_json(id)),
        _ => None,
    })
}

pub fn webhook(world: &mut World, request: Request) -> Reply {
    if request.path.get(1) != Some(&BOT.to_string()) {
        return Err(UNKNOWN_WEBHOOK);
    }
    let token = request.path.get(2).ok_or(NOT_FOUND)?;
    let id = world.interaction_of_token(token)?;
    let path: Vec<&str> = request.path[3..].iter().map(String::as_str).collect();
    let (channel, message) = match (request.method.as_str(), path.as_slice()) {
        ("POST", []) => {
            let message = world.follow_up(id, &request.body, request.uploads)?;
            (world.interactions[&id].channel, message)
        }
        ("GET", ["messages", name]) => world.message_of_interaction(id, name)?,
        ("PATCH", ["messages", name]) => {
            world.edit_answer(id, name, &request.body, request.uploads)?
        }
        ("DELETE", ["messages", name]) => {
            let (channel, message) = world.message_of_interaction(id, name)?;
            world.remove_message(channel, message);
            return Ok(None);
        }
        _ => return Err(NOT_FOUND),
    };
    message_reply(world, channel, message)
}

pub fn message_reply(world: &World, channel: ChannelId, message: MessageId) -> Reply {
    let message = world.message(channel, message).ok_or(UNKNOWN_MESSAGE)?;
    Ok(Some(world.message_json(message)))
}
