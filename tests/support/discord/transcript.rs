//! A channel as a member reads it, as text.

use std::fmt::Write as _;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use regex::{Captures, Regex};
use serde_json::Value;
use serenity::all::{ChannelId, RoleId, UserId};

use super::FakeDiscord;
use super::interactions::Kind;
use super::limits::items;
use super::messages::Message;
use super::people::Person;
use super::world::{BOT, Channel, World};

impl FakeDiscord {
    /// A channel and its threads, without what only single members see.
    pub fn transcript(&self, channel: ChannelId) -> String {
        self.look(|world| {
            transcript(world, world.channel(channel), &|message| {
                !message.is_ephemeral()
            })
        })
    }
}

impl Person {
    /// The same with what only they see.
    pub fn transcript(&self, channel: ChannelId) -> String {
        self.discord.look(|world| {
            transcript(world, world.channel(channel), &|message| {
                message.is_visible_to(self.id)
            })
        })
    }
}

fn transcript(world: &World, channel: &Channel, shown: &dyn Fn(&Message) -> bool) -> String {
    let mut text = format!("#{}\n", channel.name);
    for message in channel.messages.values().filter(|message| shown(message)) {
        text += "\n";
        text += &message_lines(world, channel, message);
    }
    for (thread, _) in world.threads_of(channel.id) {
        text += "\n";
        for line in transcript(world, thread, shown).lines() {
            let _ = writeln!(text, "{}", format!("    {line}").trim_end());
        }
    }
    text
}

fn message_lines(world: &World, channel: &Channel, message: &Message) -> String {
    const THREAD_CREATED: u8 = 18;
    const THREAD_STARTER: u8 = 21;
    let name_of = |user| world.display_name(channel.guild(), user);
    let author = name_of(message.author);
    match message.kind {
        THREAD_CREATED => return format!("{author} started a thread: {}\n", message.content),
        THREAD_STARTER => return format!("(continues {author}'s message)\n"),
        _ => {}
    }
    let mut marks = String::new();
    if message.author == BOT {
        marks += " [APP]";
    }
    if let Some(reader) = message.only_for {
        let _ = write!(marks, " (only {} sees this)", name_of(reader));
    }
    if message.edited.is_some() {
        marks += " (edited)";
    }
    let mut text = format!("{author}{marks}:\n");
    if let Some(interaction) = message.interaction.map(|id| &world.interactions[&id])
        && interaction.kind == Kind::Command
    {
        text = format!(
            "{} used /{}\n{text}",
            name_of(interaction.user),
            interaction.name
        );
    }
    let mut lines = |content: &str, indent: &str| {
        for line in readable(world, channel, content).lines() {
            let _ = writeln!(text, "{}", format!("{indent}{line}").trim_end());
        }
    };
    if message.is_loading() {
        lines(&format!("{author} is thinking…"), "  ");
    }
    lines(&message.content, "  ");
    for embed in &message.embeds {
        lines(&embed_text(embed), "  │ ");
    }
    for attachment in &message.attachments {
        lines(&format!("({})", attachment.name), "  ");
    }
    for row in &message.components {
        let row: Vec<String> = items(&row["components"]).map(component_text).collect();
        lines(&row.join(" "), "  ");
    }
    let reactions: Vec<String> = message
        .reactions
        .iter()
        .map(|reaction| format!("{} {}", reaction.emoji, reaction.users.len()))
        .collect();
    lines(&reactions.join("  "), "  ");
    text
}

/// With names for mentions of people, roles, channels and commands, and times for timestamps.
fn readable(world: &World, channel: &Channel, content: &str) -> String {
    static MARK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"<(?<kind>@&|@!?|#|t:)(?<id>\d+)(?::(?<style>[a-zA-Z]))?>|</(?<command>[^:>]+):\d+>",
        )
        .unwrap()
    });
    let named = |found: &Captures| {
        if let Some(command) = found.name("command") {
            return Some(format!("/{}", command.as_str()));
        }
        let id: u64 = found["id"].parse().ok().filter(|id| *id > 0)?;
        match &found["kind"] {
            "t:" => {
                let time = DateTime::from_timestamp(id as i64, 0)?;
                let style = found.name("style").map_or("f", |style| style.as_str());
                Some(shown_time(time, style, world.clock.now()))
            }
            "#" => Some(format!(
                "#{}",
                world.channels.get(&ChannelId::new(id))?.name
            )),
            "@&" => {
                let guild = world.guild(channel.guild()?);
                Some(format!("@{}", guild.role(RoleId::new(id))?.name))
            }
            _ => {
                let user = UserId::new(id);
                world.users.get(&user)?;
                Some(format!("@{}", world.display_name(channel.guild(), user)))
            }
        }
    };
    let replace = |found: &Captures| named(found).unwrap_or_else(|| found[0].to_owned());
    MARK.replace_all(content, replace).into_owned()
}

/// As Discord's client shows `<t:…:style>`, in UTC.
fn shown_time(time: DateTime<Utc>, style: &str, now: DateTime<Utc>) -> String {
    let format = match style {
        "R" => return relative(time, now),
        "t" => "%H:%M",
        "T" => "%H:%M:%S",
        "d" => "%d/%m/%Y",
        "D" => "%-d %B %Y",
        "F" => "%A, %-d %B %Y %H:%M",
        _ => "%-d %B %Y %H:%M",
    };
    time.format(format).to_string()
}

fn relative(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (time - now).num_seconds();
    let units = [
        ("day", 86_400.0),
        ("hour", 3600.0),
        ("minute", 60.0),
        ("second", 1.0),
    ];
    let size = seconds.unsigned_abs() as f64;
    // 23 hours and 59 minutes are shown as a day.
    let (unit, length) = units
        .into_iter()
        .find(|(_, length)| size >= 0.95 * length)
        .unwrap_or(("second", 1.0));
    let count = (size / length).round() as u64;
    let plural = if count == 1 { "" } else { "s" };
    match seconds < 0 {
        true => format!("{count} {unit}{plural} ago"),
        false => format!("in {count} {unit}{plural}"),
    }
}

fn embed_text(embed: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    parts.extend(text(&embed["author"]["name"]));
    parts.extend(text(&embed["title"]).map(|title| format!("**{title}**")));
    parts.extend(text(&embed["description"]));
    for field in items(&embed["fields"]) {
        parts.push(format!(
            "{}: {}",
            text(&field["name"]).unwrap_or_default(),
            text(&field["value"]).unwrap_or_default()
        ));
    }
    parts.extend(text(&embed["image"]["url"]).map(|url| {
        let name = url.rsplit('/').next().unwrap_or_default();
        format!("(image {name})")
    }));
    parts.extend(text(&embed["footer"]["text"]));
    parts.join("\n")
}

fn component_text(component: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if component["type"] != 2 {
        let chosen = items(&component["options"]).find(|option| option["default"] == true);
        let shown = chosen.map_or(&component["placeholder"], |option| &option["label"]);
        return format!("[{} ▾]", text(shown));
    }
    let shown = [text(&component["emoji"]["name"]), text(&component["label"])]
        .join(" ")
        .trim()
        .to_owned();
    match component["disabled"] == true {
        true => format!("[{shown}, disabled]"),
        false => format!("[{shown}]"),
    }
}
