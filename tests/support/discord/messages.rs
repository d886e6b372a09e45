//! Messages: posted, edited, deleted.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use serenity::all::{ChannelId, GatewayIntents, InteractionId, MessageId, Permissions, UserId};

use super::limits;
use super::mentions::Mentions;
use super::multipart::Upload;
use super::reactions::Reaction;
use super::refusal::{
    CANNOT_EDIT_ANOTHERS, CANNOT_MESSAGE_USER, EMPTY_MESSAGE, ENTITY_TOO_LARGE, FieldError,
    MISSING_PERMISSIONS, REPLY_NEEDS_HISTORY, Refusal, THREAD_IS_ARCHIVED, UNKNOWN_MESSAGE,
};
use super::world::{Place, World, id_in};

/// As it stood when it was looked at.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: MessageId,
    pub channel: ChannelId,
    pub author: UserId,
    /// Discord's number for it: 0 for an ordinary one, 20 for the answer to a command.
    pub kind: u8,
    pub content: String,
    pub embeds: Vec<Value>,
    pub components: Vec<Value>,
    pub attachments: Vec<Attachment>,
    pub flags: u64,
    pub reactions: Vec<Reaction>,
    pub nonce: Option<Value>,
    pub mentions: Mentions,
    pub sent: DateTime<Utc>,
    pub edited: Option<DateTime<Utc>>,
    /// The message that this one answers.
    pub reference: Option<Value>,
    /// The interaction that this one answers.
    pub interaction: Option<InteractionId>,
    /// An ephemeral message's only reader.
    pub only_for: Option<UserId>,
    /// The thread that was started from it.
    pub thread: Option<ChannelId>,
}

#[derive(Clone, Debug)]
pub struct Attachment {
    pub id: u64,
    pub name: String,
    pub content_type: String,
    pub description: Option<String>,
    pub bytes: Vec<u8>,
}

/// A button or a select on a message.
#[derive(Clone, Debug)]
pub struct Component {
    pub custom_id: String,
    pub label: String,
    pub disabled: bool,
    /// As Discord has it.
    pub json: Value,
}

pub const SUPPRESS_EMBEDS: u64 = 1 << 2;
pub const HAS_THREAD: u64 = 1 << 5;
pub const EPHEMERAL: u64 = 1 << 6;
/// "Accord is thinking…"
pub const LOADING: u64 = 1 << 7;

impl Message {
    /// Everything that it says, content and embeds, for a test to look for words in.
    pub fn text(&self) -> String {
        let mut text = self.content.clone();
        for embed in &self.embeds {
            let fields = embed["fields"].as_array().into_iter().flatten();
            let parts = [
                &embed["author"]["name"],
                &embed["title"],
                &embed["description"],
            ]
            .into_iter()
            .chain(fields.flat_map(|field| [&field["name"], &field["value"]]))
            .chain([&embed["footer"]["text"]]);
            for part in parts.filter_map(Value::as_str) {
                let _ = write!(text, "\n{part}");
            }
        }
        text.trim_start().to_owned()
    }

    pub fn buttons(&self) -> Vec<Component> {
        self.components_of(|kind| kind == 2)
    }

    pub fn selects(&self) -> Vec<Component> {
        self.components_of(|kind| matches!(kind, 3 | 5..=8))
    }

    fn components_of(&self, wanted: impl Fn(u64) -> bool) -> Vec<Component> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.components
            .iter()
            .flat_map(|row| row["components"].as_array().into_iter().flatten())
            .filter(|json| json["type"].as_u64().is_some_and(&wanted))
            .map(|json| Component {
                custom_id: text(&json["custom_id"]),
                label: match &json["label"] {
                    Value::String(label) => label.clone(),
                    _ => text(&json["emoji"]["name"]) + &text(&json["placeholder"]),
                },
                disabled: json["disabled"] == true,
                json: json.clone(),
            })
            .collect()
    }

    pub fn is_ephemeral(&self) -> bool {
        self.only_for.is_some()
    }

    pub fn is_visible_to(&self, viewer: UserId) -> bool {
        self.only_for.is_none_or(|only| only == viewer)
    }

    /// Who reacted with `emoji`, the earliest first.
    pub fn reacted_with(&self, emoji: &str) -> &[UserId] {
        self.reactions
            .iter()
            .find(|reaction| reaction.emoji == emoji)
            .map_or(&[], |reaction| &reaction.users)
    }

    pub fn attachment(&self, name: &str) -> Option<&Attachment> {
        self.attachments.iter().find(|found| found.name == name)
    }

    pub fn is_loading(&self) -> bool {
        self.flags & LOADING != 0
    }

    fn is_empty(&self) -> bool {
        self.content.is_empty()
            && self.embeds.is_empty()
            && self.components.is_empty()
            && self.attachments.is_empty()
    }
}

impl Attachment {
    /// Width and height, read from the header of a PNG.
    pub fn png_size(&self) -> Option<(u32, u32)> {
        let header = self.bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..16)?;
        let (width, height) = header.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_be_bytes);
        Some((number(width)?, number(height)?))
    }
}

/// Discord gives every component a number, and a select how many values it takes.
fn complete(components: &mut [Value], last: &mut u64) {
    for component in components {
        *last += 1;
        component["id"] = json!(last);
        if matches!(component["type"].as_u64(), Some(3 | 5..=8)) {
            for limit in ["min_values", "max_values"] {
                if component[limit].is_null() {
                    component[limit] = json!(1);
                }
            }
        }
        if let Some(inner) = component["components"].as_array_mut() {
            complete(inner, last);
        }
    }
}

impl World {
    /// Posts what a request holds into a channel, as Discord would let `author` do it.
    pub fn post(
        &mut self,
        author: UserId,
        channel: ChannelId,
        body: &Value,
        uploads: Vec<Upload>,
    ) -> Result<MessageId, Refusal> {
        self.seen_by(author, channel)?;
        limits::message(body, "")?;
        self.check_permission_to_post(author, channel, body, &uploads)?;
        if let Place::Direct(recipient) = self.channel(channel).place
            && recipient != author
            && !self.users[&recipient].accepts_direct_messages
        {
            return Err(CANNOT_MESSAGE_USER);
        }
        if let Some(earlier) = self.earlier_with_nonce(author, channel, body) {
            return Ok(earlier);
        }
        let mut message = self.blank_message(author, channel);
        message.reference = self.read_reference(author, channel, &body["message_reference"])?;
        message.nonce = Some(body["nonce"].clone()).filter(|nonce| !nonce.is_null());
        self.fill(&mut message, body, uploads)?;
        self.wake_for(author, channel)?;
        Ok(self.appear(message, &body["allowed_mentions"]))
    }

    fn check_permission_to_post(
        &self,
        author: UserId,
        channel: ChannelId,
        body: &Value,
        uploads: &[Upload],
    ) -> Result<(), Refusal> {
        let mut needed = self.to_post_in(channel);
        if body["embeds"].as_array().is_some_and(|all| !all.is_empty()) {
            needed |= Permissions::EMBED_LINKS;
        }
        if !uploads.is_empty() {
            needed |= Permissions::ATTACH_FILES;
        }
        self.require(author, channel, needed)
    }

    /// A nonce that is enforced makes a repeated request return the first one's message.
    fn earlier_with_nonce(
        &self,
        author: UserId,
        channel: ChannelId,
        body: &Value,
    ) -> Option<MessageId> {
        const REMEMBERED: chrono::Duration = chrono::Duration::minutes(5);
        if body["enforce_nonce"] != true || body["nonce"].is_null() {
            return None;
        }
        let since = self.clock.now() - REMEMBERED;
        self.channel(channel)
            .messages
            .values()
            .rev()
            .take_while(|message| message.sent >= since)
            .find(|message| {
                message.author == author && message.nonce.as_ref() == Some(&body["nonce"])
            })
            .map(|message| message.id)
    }

    fn read_reference(
        &self,
        author: UserId,
        channel: ChannelId,
        reference: &Value,
    ) -> Result<Option<Value>, Refusal> {
        if reference.is_null() {
            return Ok(None);
        }
        let readable = Permissions::READ_MESSAGE_HISTORY;
        if !self.permissions(author, channel).contains(readable) {
            return Err(REPLY_NEEDS_HISTORY);
        }
        let known = id_in(&reference["message_id"])
            .and_then(|id: MessageId| self.message(channel, id))
            .filter(|message| message.only_for.is_none());
        match known {
            Some(message) => Ok(Some(json!({
                "type": 0, "message_id": message.id, "channel_id": channel,
                "guild_id": self.channel(channel).guild(),
            }))),
            None if reference["fail_if_not_exists"] == false => Ok(None),
            None => Err(Refusal::invalid_form_body(vec![FieldError {
                path: "message_reference".to_owned(),
                code: "REPLIES_UNKNOWN_MESSAGE",
                message: "Unknown message".to_owned(),
            }])),
        }
    }

    pub fn blank_message(&mut self, author: UserId, channel: ChannelId) -> Message {
        Message {
            id: MessageId::new(self.new_id()),
            channel,
            author,
            kind: 0,
            content: String::new(),
            embeds: Vec::new(),
            components: Vec::new(),
            attachments: Vec::new(),
            flags: 0,
            reactions: Vec::new(),
            nonce: None,
            mentions: Mentions::default(),
            sent: self.clock.now(),
            edited: None,
            reference: None,
            interaction: None,
            only_for: None,
            thread: None,
        }
    }

    /// Writes what a request says into a message; what it does not name stays.
    pub fn fill(
        &mut self,
        message: &mut Message,
        body: &Value,
        uploads: Vec<Upload>,
    ) -> Result<(), Refusal> {
        let given = |field: &str| body.get(field).is_some();
        let list = |field: &str| body[field].as_array().cloned().unwrap_or_default();
        if given("content") {
            message.content = body["content"]
                .as_str()
                .unwrap_or_default()
                .trim()
                .to_owned();
        }
        if given("embeds") {
            message.embeds = list("embeds");
        }
        if given("components") {
            message.components = list("components");
            complete(&mut message.components, &mut 0);
        }
        if let Some(flags) = body["flags"].as_u64() {
            message.flags = message.flags & !SUPPRESS_EMBEDS | flags;
        }
        self.attach(message, body, uploads)?;
        if message.is_empty() && !message.is_loading() {
            return Err(EMPTY_MESSAGE);
        }
        Ok(())
    }

    /// `attachments` names the files of this request by their number and those to keep by id;
    /// without it the files are added to what is there.
    fn attach(
        &mut self,
        message: &mut Message,
        body: &Value,
        uploads: Vec<Upload>,
    ) -> Result<(), Refusal> {
        const MOST_BYTES: usize = 10 << 20;
        if uploads.iter().any(|upload| upload.bytes.len() > MOST_BYTES) {
            return Err(ENTITY_TOO_LARGE);
        }
        let listed = body["attachments"].as_array();
        if let Some(listed) = listed {
            message.attachments.retain(|attachment| {
                listed
                    .iter()
                    .any(|kept| id_in(&kept["id"]) == Some(attachment.id))
            });
        }
        for upload in uploads {
            let about = listed.into_iter().flatten().find(|about| {
                about["id"].as_str() == Some(&upload.number)
                    || about["id"].as_u64().map(|id| id.to_string()) == Some(upload.number.clone())
            });
            message.attachments.push(Attachment {
                id: self.new_id(),
                name: upload.name,
                content_type: upload.content_type,
                description: about
                    .and_then(|about| about["description"].as_str())
                    .map(str::to_owned),
                bytes: upload.bytes,
            });
        }
        if message.attachments.len() > 10 {
            return Err(limits::too_many("attachments", 10));
        }
        Ok(())
    }

    /// Puts a finished message where people can see it.
    pub fn appear(&mut self, mut message: Message, allowed_mentions: &Value) -> MessageId {
        message.mentions = self.mentions_of(&message, allowed_mentions);
        if !message.is_loading() {
            self.ping(&message);
        }
        let (id, channel) = (message.id, message.channel);
        let ephemeral = message.is_ephemeral();
        self.channel_mut(channel)
            .messages
            .insert(id, message.clone());
        if !ephemeral {
            let data = self.message_event_json(&message);
            self.dispatch_of_message("MESSAGE_CREATE", channel, data);
        }
        id
    }

    /// Edits a message of `editor`'s own.
    pub fn edit(
        &mut self,
        editor: UserId,
        channel: ChannelId,
        message: MessageId,
        body: &Value,
        uploads: Vec<Upload>,
    ) -> Result<(), Refusal> {
        self.seen_by(editor, channel)?;
        let found = self
            .message(channel, message)
            .filter(|message| message.only_for.is_none())
            .ok_or(UNKNOWN_MESSAGE)?;
        if found.author != editor {
            return Err(CANNOT_EDIT_ANOTHERS);
        }
        limits::message(body, "")?;
        self.check_not_archived(channel)?;
        self.rewrite(channel, message, body, uploads)
    }

    /// Edits a message that is known to be the bot's.
    pub fn rewrite(
        &mut self,
        channel: ChannelId,
        message: MessageId,
        body: &Value,
        uploads: Vec<Upload>,
    ) -> Result<(), Refusal> {
        let mut changed = self
            .message(channel, message)
            .ok_or(UNKNOWN_MESSAGE)?
            .clone();
        let was_loading = changed.is_loading();
        changed.flags &= !LOADING;
        self.fill(&mut changed, body, uploads)?;
        changed.mentions = self.mentions_of(&changed, &body["allowed_mentions"]);
        if was_loading {
            self.ping(&changed);
        } else {
            changed.edited = Some(self.clock.now());
        }
        let data = self.message_event_json(&changed);
        let ephemeral = changed.is_ephemeral();
        self.channel_mut(channel).messages.insert(message, changed);
        if !ephemeral {
            self.dispatch_of_message("MESSAGE_UPDATE", channel, data);
        }
        Ok(())
    }

    /// Deletes a message of one's own, or as a moderator.
    pub fn delete_message(
        &mut self,
        deleter: UserId,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<(), Refusal> {
        self.seen_by(deleter, channel)?;
        let found = self
            .message(channel, message)
            .filter(|message| message.only_for.is_none())
            .ok_or(UNKNOWN_MESSAGE)?;
        let moderates = self
            .permissions(deleter, channel)
            .contains(Permissions::MANAGE_MESSAGES);
        if found.author != deleter && !moderates {
            return Err(MISSING_PERMISSIONS);
        }
        self.remove_message(channel, message);
        Ok(())
    }

    pub fn remove_message(&mut self, channel: ChannelId, message: MessageId) {
        let guild = self.channel(channel).guild();
        let place = self.channel_mut(channel);
        place.pins.retain(|pinned| *pinned != message);
        let removed = place.messages.remove(&message);
        if removed.is_some_and(|removed| !removed.is_ephemeral()) {
            let data = json!({ "id": message, "channel_id": channel, "guild_id": guild });
            self.dispatch_of_message("MESSAGE_DELETE", channel, data);
        }
    }

    fn check_not_archived(&self, channel: ChannelId) -> Result<(), Refusal> {
        match self.channel(channel).thread() {
            Some(thread) if thread.archived => Err(THREAD_IS_ARCHIVED),
            _ => Ok(()),
        }
    }

    fn dispatch_of_message(&mut self, event: &'static str, channel: ChannelId, data: Value) {
        let intent = match self.channel(channel).guild() {
            Some(_) => GatewayIntents::GUILD_MESSAGES,
            None => GatewayIntents::DIRECT_MESSAGES,
        };
        self.dispatch_in(channel, event, intent, data);
    }
}
