//! Threads and channels: started, changed, deleted.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use serenity::all::{ChannelId, ChannelType, GatewayIntents, MessageId, Permissions, UserId};

use super::limits;
use super::messages::HAS_THREAD;
use super::refusal::{
    MESSAGE_HAS_THREAD, MISSING_PERMISSIONS, Refusal, THREAD_IS_ARCHIVED, THREAD_IS_LOCKED,
    UNKNOWN_MESSAGE, WRONG_CHANNEL_TYPE,
};
use super::world::{BOT, Channel, Place, Thread, World};

const THREAD_CREATED: u8 = 18;
const THREAD_STARTER: u8 = 21;

impl World {
    /// Starts a thread, from a message or beside it.
    pub fn start_thread(
        &mut self,
        owner: UserId,
        parent: ChannelId,
        from: Option<MessageId>,
        body: &Value,
    ) -> Result<ChannelId, Refusal> {
        limits::thread(body)?;
        let kind = match (from, body["type"].as_u64()) {
            (Some(_), _) | (None, Some(11)) => ChannelType::PublicThread,
            (None, _) => ChannelType::PrivateThread,
        };
        let needed = match kind {
            ChannelType::PublicThread => Permissions::CREATE_PUBLIC_THREADS,
            _ => Permissions::CREATE_PRIVATE_THREADS,
        };
        self.require(owner, parent, needed)?;
        let Place::Text { guild, .. } = self.channel(parent).place else {
            return Err(WRONG_CHANNEL_TYPE);
        };
        let id = match from {
            None => ChannelId::new(self.new_id()),
            Some(message) => {
                let message = self.message(parent, message).ok_or(UNKNOWN_MESSAGE)?;
                if message.thread.is_some() {
                    return Err(MESSAGE_HAS_THREAD);
                }
                // A thread that starts from a message has its id.
                ChannelId::new(message.id.get())
            }
        };
        let now = self.clock.now();
        let name = body["name"].as_str().unwrap_or_default();
        let thread = Channel {
            id,
            name: name.to_owned(),
            topic: None,
            place: Place::Thread(Thread {
                guild,
                parent,
                owner,
                kind,
                archived: false,
                locked: false,
                auto_archive_minutes: body["auto_archive_duration"].as_u64().unwrap_or(4320),
                created: now,
                archive_changed: now,
                members: vec![owner],
            }),
            messages: BTreeMap::new(),
            pins: Vec::new(),
        };
        self.channels.insert(id, thread);

        let mut data = self.channel_json(self.channel(id));
        data["newly_created"] = json!(true);
        self.dispatch_in(id, "THREAD_CREATE", GatewayIntents::GUILDS, data);
        match from {
            Some(message) => {
                let starter = self.message_mut(parent, message).unwrap();
                starter.thread = Some(id);
                starter.flags |= HAS_THREAD;
                let from = json!({
                    "type": 0, "channel_id": parent, "message_id": message, "guild_id": guild,
                });
                self.note(owner, id, THREAD_STARTER, "", from);
            }
            None if kind == ChannelType::PublicThread => {
                let started = json!({ "type": 0, "channel_id": id, "guild_id": guild });
                self.note(owner, parent, THREAD_CREATED, name, started);
            }
            None => {}
        }
        Ok(id)
    }

    /// Discord's own message about what somebody did.
    pub fn note(
        &mut self,
        who: UserId,
        channel: ChannelId,
        kind: u8,
        content: &str,
        reference: Value,
    ) {
        let mut note = self.blank_message(who, channel);
        note.kind = kind;
        note.content = content.to_owned();
        note.reference = Some(reference);
        self.appear(note, &json!({ "parse": [] }));
    }

    /// Posting into an archived thread unarchives it, unless it is locked.
    pub fn wake_for(&mut self, user: UserId, channel: ChannelId) -> Result<(), Refusal> {
        let Some(thread) = self.channel(channel).thread() else {
            return Ok(());
        };
        let moderates = self.moderates_threads(user, channel);
        if thread.locked && !moderates {
            return Err(if thread.archived {
                THREAD_IS_ARCHIVED
            } else {
                THREAD_IS_LOCKED
            });
        }
        if thread.archived {
            self.change_thread(channel, |thread| thread.archived = false);
        }
        Ok(())
    }

    pub fn change_thread(&mut self, id: ChannelId, change: impl FnOnce(&mut Thread)) {
        let now = self.clock.now();
        let Place::Thread(thread) = &mut self.channel_mut(id).place else {
            panic!("{id} is not a thread");
        };
        let was_archived = thread.archived;
        change(thread);
        if thread.archived != was_archived {
            thread.archive_changed = now;
        }
        self.announce_change(id);
    }

    /// What PATCH /channels/{thread} does.
    pub fn edit_thread(
        &mut self,
        editor: UserId,
        id: ChannelId,
        body: &Value,
    ) -> Result<(), Refusal> {
        self.seen_by(editor, id)?;
        limits::thread_change(body)?;
        let thread = self.channel(id).thread().unwrap();
        let moderates = self.moderates_threads(editor, id);
        let unarchives = body["archived"] == false;
        let posts = self
            .permissions(editor, id)
            .contains(Permissions::SEND_MESSAGES_IN_THREADS);
        let only_unarchives = unarchives && body.as_object().is_some_and(|body| body.len() == 1);
        let allowed = moderates
            || !thread.locked
                && body.get("locked").is_none()
                && (thread.owner == editor || only_unarchives && posts);
        if !allowed {
            return Err(MISSING_PERMISSIONS);
        }
        if thread.archived && !unarchives {
            return Err(THREAD_IS_ARCHIVED);
        }
        if let Some(name) = body["name"].as_str() {
            self.channel_mut(id).name = name.to_owned();
        }
        self.change_thread(id, |thread| {
            if let Some(archived) = body["archived"].as_bool() {
                thread.archived = archived;
            }
            if let Some(locked) = body["locked"].as_bool() {
                thread.locked = locked;
            }
            if let Some(minutes) = body["auto_archive_duration"].as_u64() {
                thread.auto_archive_minutes = minutes;
            }
        });
        Ok(())
    }

    pub fn announce_change(&mut self, id: ChannelId) {
        let data = self.channel_json(self.channel(id));
        match self.channel(id).thread() {
            Some(_) => self.dispatch_in(id, "THREAD_UPDATE", GatewayIntents::GUILDS, data),
            None => self.dispatch_of_channel("CHANNEL_UPDATE", id, data),
        }
    }

    /// Deletes a channel with its threads, or one thread.
    pub fn delete_channel(&mut self, id: ChannelId) {
        let channel = self.channel(id);
        match channel.thread() {
            None => {
                let data = self.channel_json(channel);
                self.dispatch_of_channel("CHANNEL_DELETE", id, data);
            }
            Some(thread) => {
                let data = json!({
                    "id": id, "guild_id": thread.guild, "parent_id": thread.parent,
                    "type": u8::from(thread.kind),
                });
                self.dispatch_in(id, "THREAD_DELETE", GatewayIntents::GUILDS, data);
            }
        }
        let threads: Vec<ChannelId> = self.threads_of(id).map(|(thread, _)| thread.id).collect();
        for gone in threads.into_iter().chain([id]) {
            self.channels.remove(&gone);
        }
    }

    /// Bots hear of all channels, even of those that they do not see into.
    pub fn dispatch_of_channel(&mut self, event: &'static str, id: ChannelId, data: Value) {
        let guild = self.channel(id).guild();
        self.dispatch(event, GatewayIntents::GUILDS, guild, &data);
    }

    /// The bot adds somebody to a thread, or takes them out of it; itself too.
    pub fn set_thread_member(
        &mut self,
        id: ChannelId,
        user: UserId,
        member: bool,
    ) -> Result<(), Refusal> {
        let Some(thread) = self.seen_by(BOT, id)?.thread() else {
            return Err(WRONG_CHANNEL_TYPE);
        };
        if thread.archived {
            return Err(THREAD_IS_ARCHIVED);
        }
        let may_remove = thread.owner == BOT || self.moderates_threads(BOT, id);
        if !member && user != BOT && !may_remove {
            return Err(MISSING_PERMISSIONS);
        }
        self.change_thread(id, |thread| {
            thread.members.retain(|found| *found != user);
            thread.members.extend(member.then_some(user));
        });
        Ok(())
    }

    fn moderates_threads(&self, user: UserId, channel: ChannelId) -> bool {
        self.permissions(user, channel)
            .contains(Permissions::MANAGE_THREADS)
    }
}
