//! The bot's application and its commands.

use serde_json::json;
use serenity::all::GuildId;

use super::super::refusal::{MISSING_ACCESS, NOT_FOUND, UNKNOWN_APPLICATION, UNKNOWN_COMMAND};
use super::super::world::{BOT, World};
use super::{Reply, Request};

pub fn answer(world: &mut World, request: Request) -> Reply {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    if let ["oauth2", "applications", "@me"] | ["applications", "@me"] = path.as_slice() {
        return Ok(Some(application_json(world)));
    }
    let (scope, path) = match path.as_slice() {
        ["applications", _, "commands", rest @ ..] => (None, rest),
        ["applications", _, "guilds", _, "commands", rest @ ..] => {
            let guild: GuildId = request.id(3, MISSING_ACCESS)?;
            if world.permissions_in_guild(BOT, guild).is_empty() {
                return Err(MISSING_ACCESS);
            }
            (Some(guild), rest)
        }
        _ => return Err(NOT_FOUND),
    };
    if request.path[1] != BOT.to_string() {
        return Err(UNKNOWN_APPLICATION);
    }
    let commands = world.commands.in_scope(scope);
    let reply = match (request.method.as_str(), path) {
        ("GET", []) => json!(commands),
        ("PUT", []) => json!(world.register_commands(scope, &request.body)?),
        ("POST", []) => world.register_command(scope, &request.body)?,
        ("GET", [id]) => commands
            .iter()
            .find(|command| command["id"] == *id)
            .cloned()
            .ok_or(UNKNOWN_COMMAND)?,
        ("DELETE", [id]) => {
            world.commands.delete(scope, id)?;
            return Ok(None);
        }
        _ => return Err(NOT_FOUND),
    };
    Ok(Some(reply))
}

fn application_json(world: &World) -> serde_json::Value {
    let mut application = json!({
        "id": BOT, "name": world.users[&BOT].name, "icon": null, "description": "",
        "summary": "", "bot": world.user_json(BOT), "bot_public": true,
        "bot_require_code_grant": false, "verify_key": "0".repeat(64), "flags": 0,
        "owner": world.users.keys().find(|user| **user != BOT).map(|user| world.user_json(*user)),
        "team": null, "integration_types_config": { "0": {} }, "redirect_uris": [],
        "approximate_guild_count": world.guilds.len(), "type": null, "flags_new": "0",
        "interactions_endpoint_url": null, "role_connections_verification_url": null,
        "approximate_user_install_count": 0, "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0, "eligible_oauth2_scopes": [],
    });
    for (field, value) in &world.application {
        application[field] = value.clone();
    }
    application
}
