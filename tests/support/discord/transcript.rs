//! A channel as a member reads it, as text.

use std::fmt::Write as _;

use serde_json::Value;
use serenity::all::ChannelId;

use super::FakeDiscord;
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
    let author = world.display_name(channel.guild(), message.author);
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
        let _ = write!(
            marks,
            " (only {} sees this)",
            world.display_name(channel.guild(), reader)
        );
    }
    if message.edited.is_some() {
        marks += " (edited)";
    }
    let mut text = format!("{author}{marks}:\n");
    let mut lines = |content: &str, indent: &str| {
        for line in content.lines() {
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
    parts.extend(text(&embed["image"]["url"]).map(|url| format!("(image {url})")));
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
