//! What Discord's client makes of what a member types, and what it does not let through.

use serde_json::{Map, Value, json};
use serenity::all::{ChannelId, GuildId, Permissions, UserId};

use super::commands::{
    BOOLEAN, CHANNEL, INTEGER, MENTIONABLE, NUMBER, ROLE, STRING, SUBCOMMAND, SUBCOMMAND_GROUP,
    USER,
};
use super::limits::items;
use super::world::{BOT, World, id_in};

/// Somebody with a channel before them.
pub struct Typist<'a> {
    pub world: &'a World,
    pub user: UserId,
    pub guild: GuildId,
    pub channel: ChannelId,
}

impl Typist<'_> {
    /// The data of a command, such as `round open`. While an option is still being typed into,
    /// `focused` holds its name and what it says, and required options may be missing.
    pub fn command(
        &self,
        typed: &str,
        given: &Value,
        focused: Option<(&str, &str)>,
    ) -> Result<Value, String> {
        if !self.world.guild(self.guild).members.contains_key(&BOT) {
            return Err("the bot is not in this guild".to_owned());
        }
        let commands = &self.world.commands;
        let mut words = typed.split_whitespace();
        let name = words.next().unwrap_or_default();
        let command = commands.named(self.guild, name).ok_or_else(|| {
            let known = names(&commands.global);
            format!("there is no command /{name} here; the bot has registered {known}")
        })?;
        self.may_use(command)?;

        let mut path = Vec::new();
        let mut leaf = command;
        for word in words {
            leaf = items(&leaf["options"])
                .find(|option| option["name"] == word && is_subcommand(option))
                .ok_or_else(|| format!("there is no /{typed}: `{word}` is no subcommand"))?;
            path.push(leaf);
        }
        if items(&leaf["options"]).any(is_subcommand) {
            return Err(format!("/{typed} has subcommands, name one of them"));
        }

        let mut resolved = Value::Object(Map::new());
        let mut options = self
            .options(leaf, given, focused, &mut resolved)
            .map_err(|why| format!("/{typed}: {why}"))?;
        for subcommand in path.iter().rev() {
            options = vec![json!({
                "name": subcommand["name"], "type": subcommand["type"], "options": options,
            })];
        }
        let mut data = json!({
            "id": command["id"], "name": name, "type": 1, "options": options,
            "resolved": resolved,
        });
        if let Some(guild) = command.get("guild_id") {
            data["guild_id"] = guild.clone();
        }
        Ok(data)
    }

    fn may_use(&self, command: &Value) -> Result<(), String> {
        const GUILD: u64 = 0;
        let name = names([command]);
        if let Some(contexts) = command["contexts"].as_array()
            && !contexts
                .iter()
                .any(|context| context.as_u64() == Some(GUILD))
        {
            return Err(format!("/{name} cannot be used in guilds"));
        }
        let needed = match permission_bits(&command["default_member_permissions"]) {
            None => return Ok(()),
            Some(0) => Permissions::ADMINISTRATOR,
            Some(bits) => Permissions::from_bits_retain(bits),
        };
        if self
            .world
            .permissions(self.user, self.channel)
            .contains(needed)
        {
            Ok(())
        } else {
            Err(format!(
                "/{name} is shown only to members who have {needed}"
            ))
        }
    }

    fn options(
        &self,
        command: &Value,
        given: &Value,
        focused: Option<(&str, &str)>,
        resolved: &mut Value,
    ) -> Result<Vec<Value>, String> {
        let known = &command["options"];
        let empty = Map::new();
        let given = given.as_object().unwrap_or(&empty);
        let mut options = Vec::new();
        for (name, value) in given {
            let option = items(known)
                .find(|option| option["name"] == *name)
                .ok_or_else(|| {
                    format!("there is no option `{name}`, only {}", names(items(known)))
                })?;
            let value = typed_value(option, value).map_err(|why| format!("`{name}` {why}"))?;
            self.resolve(option, &value, resolved)
                .ok_or_else(|| format!("`{name}`: there is no {value} here"))?;
            options.push(json!({ "name": name, "type": option["type"], "value": value }));
        }
        if let Some((name, partial)) = focused {
            let option = items(known)
                .find(|option| option["name"] == name && option["autocomplete"] == true)
                .ok_or_else(|| format!("there is no option `{name}` with autocomplete"))?;
            options.push(json!({
                "name": name, "type": option["type"], "value": partial, "focused": true,
            }));
            return Ok(options);
        }
        let missing = items(known)
            .filter(|option| option["required"] == true)
            .find(|option| !given.contains_key(option["name"].as_str().unwrap_or_default()));
        match missing {
            Some(option) => Err(format!("the option {} is required", option["name"])),
            None => Ok(options),
        }
    }

    /// Adds what an id stands for to the interaction; `None` if it stands for nothing.
    fn resolve(&self, option: &Value, value: &Value, resolved: &mut Value) -> Option<()> {
        let (world, guild) = (self.world, self.world.guild(self.guild));
        let kind = option["type"].as_u64()?;
        let key = || id_in::<u64>(value).map(|id| id.to_string());
        if matches!(kind, USER | MENTIONABLE)
            && let Some(user) = id_in(value).filter(|user| world.users.contains_key(user))
        {
            resolved["users"][key()?] = world.user_json(user);
            if guild.members.contains_key(&user) {
                let mut member = world.member_json(guild.id, user);
                member.as_object_mut()?.remove("user");
                member["permissions"] = json!(world.permissions_in_guild(user, guild.id));
                resolved["members"][key()?] = member;
            }
            return Some(());
        }
        match kind {
            ROLE | MENTIONABLE => {
                let role = guild.role(id_in(value)?)?;
                resolved["roles"][key()?] = world.role_json(guild, role);
            }
            CHANNEL => {
                let channel = world.channels.get(&id_in(value)?)?;
                if channel.guild() != Some(guild.id) {
                    return None;
                }
                let json = world.partial_channel_json(channel.id, self.user);
                resolved["channels"][key()?] = json;
            }
            USER => return None,
            _ => {}
        }
        Some(())
    }
}

/// A permission set is a number in a string, or null.
fn permission_bits(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    }
}

/// The value that an option takes, if it takes it.
fn typed_value(option: &Value, typed: &Value) -> Result<Value, String> {
    let choices: Vec<&Value> = items(&option["choices"]).collect();
    if !choices.is_empty() {
        return choices
            .iter()
            .find(|choice| choice["value"] == *typed || choice["name"] == *typed)
            .map(|choice| choice["value"].clone())
            .ok_or_else(|| {
                format!(
                    "has no choice {typed}, only {}",
                    names(choices.iter().copied())
                )
            });
    }
    let fits = match option["type"].as_u64() {
        Some(STRING) => typed.is_string(),
        Some(INTEGER) => typed.is_i64() || typed.is_u64(),
        Some(NUMBER) => typed.is_number(),
        Some(BOOLEAN) => typed.is_boolean(),
        _ => id_in::<u64>(typed).is_some(),
    };
    if !fits {
        return Err(format!("does not take {typed}"));
    }
    let (size, least, most) = match typed {
        Value::String(text) => (
            text.chars().count() as f64,
            &option["min_length"],
            &option["max_length"],
        ),
        _ => (
            typed.as_f64().unwrap_or_default(),
            &option["min_value"],
            &option["max_value"],
        ),
    };
    if least.as_f64().is_some_and(|least| size < least) {
        return Err(format!("takes no less than {least}, this is {size}"));
    }
    if most.as_f64().is_some_and(|most| size > most) {
        return Err(format!("takes no more than {most}, this is {size}"));
    }
    if typed == "" {
        return Err("is empty".to_owned());
    }
    Ok(typed.clone())
}

/// The values chosen in a select, given as values or as labels.
pub fn selected(select: &Value, chosen: &[&str]) -> Result<Vec<Value>, String> {
    let least = select["min_values"].as_u64().unwrap_or(1) as usize;
    let most = select["max_values"].as_u64().unwrap_or(1) as usize;
    if !(least..=most).contains(&chosen.len()) {
        return Err(format!(
            "the select takes {least} to {most} values, not {}",
            chosen.len()
        ));
    }
    if select["type"] != 3 {
        return Ok(chosen.iter().map(|id| json!(id)).collect());
    }
    chosen
        .iter()
        .map(|wanted| {
            items(&select["options"])
                .find(|option| option["value"] == *wanted || option["label"] == *wanted)
                .map(|option| option["value"].clone())
                .ok_or_else(|| format!("the select has no option `{wanted}`"))
        })
        .collect()
}

/// The rows of a modal as they are sent.
pub fn filled(inputs: &[Value], given: &Value) -> Result<Vec<Value>, String> {
    let empty = Map::new();
    let given = given.as_object().unwrap_or(&empty);
    if let Some(unknown) = given
        .keys()
        .find(|name| !inputs.iter().any(|input| input["custom_id"] == **name))
    {
        let known: Vec<&Value> = inputs.iter().map(|input| &input["custom_id"]).collect();
        return Err(format!(
            "the modal has no input `{unknown}`, only {known:?}"
        ));
    }
    inputs
        .iter()
        .map(|input| {
            let id = input["custom_id"].as_str().unwrap_or_default();
            let prefilled = input["value"].as_str().unwrap_or_default();
            let text = given.get(id).map_or(Some(prefilled), Value::as_str);
            let text = text.ok_or_else(|| format!("`{id}` takes a text"))?;
            let length = text.chars().count() as u64;
            let least = input["min_length"].as_u64().unwrap_or(0);
            let most = input["max_length"].as_u64().unwrap_or(4000);
            let required = input["required"].as_bool().unwrap_or(true);
            if length == 0 && required {
                return Err(format!("`{id}` is required"));
            }
            if length > 0 && length < least || length > most {
                return Err(format!(
                    "`{id}` takes {least} to {most} characters, not {length}"
                ));
            }
            let typed = json!({ "type": 4, "id": 2, "custom_id": id, "value": text });
            Ok(json!({ "type": 1, "id": 1, "components": [typed] }))
        })
        .collect()
}

fn is_subcommand(option: &Value) -> bool {
    matches!(option["type"].as_u64(), Some(SUBCOMMAND | SUBCOMMAND_GROUP))
}

fn names<'a>(named: impl IntoIterator<Item = &'a Value>) -> String {
    let names: Vec<&str> = named
        .into_iter()
        .filter_map(|named| named["name"].as_str())
        .collect();
    names.join(", ")
}
