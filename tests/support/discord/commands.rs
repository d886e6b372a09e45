//! The application commands that the bot has registered, and what Discord checks of them.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use serenity::all::GuildId;

use super::limits::{Form, characters, choices_of, items};
use super::refusal::{Refusal, UNKNOWN_COMMAND};
use super::world::{BOT, World};

#[derive(Default)]
pub struct Commands {
    pub global: Vec<Value>,
    pub of_guild: BTreeMap<GuildId, Vec<Value>>,
}

/// The types of an option.
pub const SUBCOMMAND: u64 = 1;
pub const SUBCOMMAND_GROUP: u64 = 2;
pub const STRING: u64 = 3;
pub const INTEGER: u64 = 4;
pub const BOOLEAN: u64 = 5;
pub const USER: u64 = 6;
pub const CHANNEL: u64 = 7;
pub const ROLE: u64 = 8;
pub const MENTIONABLE: u64 = 9;
pub const NUMBER: u64 = 10;
pub const ATTACHMENT: u64 = 11;

impl Commands {
    pub fn in_scope(&mut self, scope: Option<GuildId>) -> &mut Vec<Value> {
        match scope {
            None => &mut self.global,
            Some(guild) => self.of_guild.entry(guild).or_default(),
        }
    }

    /// The command that a member of `guild` sees under this name.
    pub fn named(&self, guild: GuildId, name: &str) -> Option<&Value> {
        let of_guild = self.of_guild.get(&guild);
        of_guild
            .into_iter()
            .flatten()
            .chain(&self.global)
            .find(|command| command["name"] == name && kind_of(command) == 1)
    }

    pub fn delete(&mut self, scope: Option<GuildId>, id: &str) -> Result<(), Refusal> {
        let commands = self.in_scope(scope);
        let before = commands.len();
        commands.retain(|command| command["id"] != id);
        if commands.len() < before {
            Ok(())
        } else {
            Err(UNKNOWN_COMMAND)
        }
    }
}

impl World {
    /// Replaces all commands of a scope; those whose names stay keep their ids.
    pub fn register_commands(
        &mut self,
        scope: Option<GuildId>,
        commands: &Value,
    ) -> Result<Vec<Value>, Refusal> {
        check(commands)?;
        let earlier = std::mem::take(self.commands.in_scope(scope));
        let registered: Vec<Value> = items(commands)
            .map(|command| {
                let id = earlier
                    .iter()
                    .find(|known| {
                        known["name"] == command["name"] && kind_of(known) == kind_of(command)
                    })
                    .map(|known| known["id"].clone())
                    .unwrap_or_else(|| json!(self.new_id().to_string()));
                self.registered(scope, command, id)
            })
            .collect();
        self.commands.in_scope(scope).clone_from(&registered);
        Ok(registered)
    }

    /// Adds one command to a scope, or replaces the one of its name.
    pub fn register_command(
        &mut self,
        scope: Option<GuildId>,
        command: &Value,
    ) -> Result<Value, Refusal> {
        let mut commands = self.commands.in_scope(scope).clone();
        commands
            .retain(|known| known["name"] != command["name"] || kind_of(known) != kind_of(command));
        commands.push(command.clone());
        let registered = self.register_commands(scope, &json!(commands))?;
        Ok(registered.last().unwrap().clone())
    }

    fn registered(&mut self, scope: Option<GuildId>, command: &Value, id: Value) -> Value {
        let mut registered = json!({
            "type": 1, "description": "", "options": [], "default_member_permissions": null,
            "dm_permission": true, "nsfw": false, "contexts": null, "integration_types": [0],
        });
        for (field, value) in command.as_object().into_iter().flatten() {
            registered[field] = value.clone();
        }
        registered["id"] = id;
        registered["application_id"] = json!(BOT);
        registered["version"] = json!(self.new_id().to_string());
        if let Some(guild) = scope {
            registered["guild_id"] = json!(guild);
        }
        registered
    }
}

fn kind_of(command: &Value) -> u64 {
    command["type"].as_u64().unwrap_or(1)
}

fn check(commands: &Value) -> Result<(), Refusal> {
    const MOST_COMMANDS: usize = 100;
    const MOST_CHARACTERS: usize = 8000;
    let mut form = Form::default();
    let mut names = HashSet::new();
    form.list("", commands, 0..=MOST_COMMANDS);
    for (index, command) in items(commands).enumerate() {
        let path = index.to_string();
        if !names.insert((kind_of(command), &command["name"])) {
            form.error(
                &format!("{path}.name"),
                "APPLICATION_COMMANDS_DUPLICATE_NAME",
                "Application command names must be unique".to_owned(),
            );
        }
        if kind_of(command) != 1 {
            form.required_text(&format!("{path}.name"), &command["name"], 1..=32);
            continue;
        }
        name_and_description(&mut form, command, &path);
        options(
            &mut form,
            &command["options"],
            &format!("{path}.options"),
            0,
        );
        if total_characters(command) > MOST_CHARACTERS {
            form.error(
                &path,
                "APPLICATION_COMMAND_TOO_LARGE",
                format!("Command exceeds maximum size ({MOST_CHARACTERS})"),
            );
        }
    }
    form.done()
}

fn name_and_description(form: &mut Form, named: &Value, path: &str) {
    let name = named["name"].as_str().unwrap_or_default();
    form.required_text(&format!("{path}.name"), &named["name"], 1..=32);
    let allowed = |letter: char| {
        matches!(letter, '-' | '_' | '\'') || letter.is_alphanumeric() && !letter.is_uppercase()
    };
    if !name.chars().all(allowed) {
        form.error(
            &format!("{path}.name"),
            "APPLICATION_COMMAND_INVALID_NAME",
            "Command name is invalid".to_owned(),
        );
    }
    form.required_text(
        &format!("{path}.description"),
        &named["description"],
        1..=100,
    );
}

fn options(form: &mut Form, options_given: &Value, path: &str, depth: usize) {
    form.list(path, options_given, 0..=25);
    let mut names = HashSet::new();
    let mut optional_before = false;
    let subcommands = items(options_given)
        .filter(|option| is_subcommand(option))
        .count();
    if subcommands > 0 && subcommands < items(options_given).count() {
        form.error(
            path,
            "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
            "Sub-command and sub-command group option types are mutually exclusive to all other types"
                .to_owned(),
        );
    }
    for (index, option) in items(options_given).enumerate() {
        let path = format!("{path}.{index}");
        name_and_description(form, option, &path);
        if !names.insert(&option["name"]) {
            form.error(
                &format!("{path}.name"),
                "APPLICATION_COMMAND_OPTIONS_NAME_INVALID",
                "Option names must be unique".to_owned(),
            );
        }
        match option["type"].as_u64() {
            Some(SUBCOMMAND) if depth < 2 => {
                options(form, &option["options"], &format!("{path}.options"), 2);
            }
            Some(SUBCOMMAND_GROUP) if depth == 0 => {
                options(form, &option["options"], &format!("{path}.options"), 1);
            }
            Some(STRING..=ATTACHMENT) => value_option(form, option, &path),
            _ => form.choice(&format!("{path}.type"), &option["type"], "1 to 11"),
        }
        let required = option["required"] == true;
        if required && optional_before {
            form.error(
                &path,
                "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                "Required options must be placed before non-required options".to_owned(),
            );
        }
        optional_before |= !required;
    }
}

fn value_option(form: &mut Form, option: &Value, path: &str) {
    choices_of(form, &option["choices"], &format!("{path}.choices"));
    form.number(
        &format!("{path}.min_length"),
        &option["min_length"],
        0..=6000,
    );
    form.number(
        &format!("{path}.max_length"),
        &option["max_length"],
        1..=6000,
    );
    let has_choices = items(&option["choices"]).next().is_some();
    if option["autocomplete"] == true && has_choices {
        form.error(
            &format!("{path}.choices"),
            "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES",
            "Choices cannot be given for an option with autocomplete".to_owned(),
        );
    }
}

fn is_subcommand(option: &Value) -> bool {
    matches!(option["type"].as_u64(), Some(SUBCOMMAND | SUBCOMMAND_GROUP))
}

/// Discord counts the names, descriptions and choices of a command and all its options.
fn total_characters(of: &Value) -> usize {
    let choices = items(&of["choices"])
        .map(|choice| characters(&choice["name"]) + characters(&choice["value"]));
    characters(&of["name"])
        + characters(&of["description"])
        + choices.sum::<usize>()
        + items(&of["options"]).map(total_characters).sum::<usize>()
}
