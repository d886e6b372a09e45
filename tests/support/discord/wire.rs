//! How each thing looks in Discord's JSON, with every field that serenity wants to see.

use serde_json::{Value, json};
use serenity::all::{ChannelId, GuildId, UserId};

use super::clock::iso;
use super::messages::{Attachment, Message};
use super::world::{BOT, Channel, Guild, Place, Role, World};

impl World {
    pub fn user_json(&self, user: UserId) -> Value {
        let user = &self.users[&user];
        json!({
            "id": user.id, "username": user.name.to_lowercase(), "global_name": user.name,
            "discriminator": "0", "avatar": null, "bot": user.bot, "public_flags": 0, "flags": 0,
            "primary_guild": null, "collectibles": null, "avatar_decoration_data": null,
            "banner": null, "accent_color": null,
        })
    }

    pub fn member_json(&self, guild: GuildId, user: UserId) -> Value {
        let member = &self.guild(guild).members[&user];
        json!({
            "user": self.user_json(user), "nick": member.nick, "avatar": null, "banner": null,
            "roles": member.roles, "joined_at": iso(member.joined), "premium_since": null,
            "deaf": false, "mute": false, "flags": 0, "pending": false,
            "communication_disabled_until": null,
        })
    }

    /// As it is in an interaction: with what its sender may do in this channel.
    pub fn member_with_permissions_json(
        &self,
        guild: GuildId,
        user: UserId,
        channel: ChannelId,
    ) -> Value {
        let mut json = self.member_json(guild, user);
        json["permissions"] = json!(self.permissions(user, channel));
        json
    }

    pub fn role_json(&self, guild: &Guild, role: &Role) -> Value {
        let position = guild
            .roles
            .iter()
            .position(|found| found.id == role.id)
            .unwrap_or(0);
        let mut json = json!({
            "id": role.id, "name": role.name, "permissions": role.permissions,
            "color": 0, "position": position, "hoist": false, "managed": role.of_bot,
            "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
            "mentionable": role.mentionable, "icon": null, "unicode_emoji": null, "flags": 0,
        });
        if role.of_bot {
            json["tags"] = json!({ "bot_id": BOT });
        }
        json
    }

    pub fn channel_json(&self, channel: &Channel) -> Value {
        let last_message = channel
            .messages
            .values()
            .rfind(|message| message.only_for.is_none())
            .map(|message| message.id);
        let mut json = json!({
            "id": channel.id, "type": u8::from(channel.kind()), "last_message_id": last_message,
            "flags": 0,
        });
        match &channel.place {
            Place::Text { guild, overwrites } => {
                json["guild_id"] = json!(guild);
                json["name"] = json!(channel.name);
                json["topic"] = json!(channel.topic);
                json["position"] = json!(0);
                json["parent_id"] = Value::Null;
                json["nsfw"] = json!(false);
                json["rate_limit_per_user"] = json!(0);
                json["permission_overwrites"] = json!(overwrites);
            }
            Place::Thread(thread) => {
                json["guild_id"] = json!(thread.guild);
                json["name"] = json!(channel.name);
                json["parent_id"] = json!(thread.parent);
                json["owner_id"] = json!(thread.owner);
                json["rate_limit_per_user"] = json!(0);
                json["message_count"] = json!(channel.messages.len());
                json["total_message_sent"] = json!(channel.messages.len());
                json["member_count"] = json!(thread.members.len().min(50));
                json["thread_metadata"] = json!({
                    "archived": thread.archived, "locked": thread.locked,
                    "auto_archive_duration": thread.auto_archive_minutes,
                    "archive_timestamp": iso(thread.archive_changed),
                    "create_timestamp": iso(thread.created),
                });
                if thread.members.contains(&BOT) {
                    json["member"] = json!({
                        "id": channel.id, "user_id": BOT, "flags": 1,
                        "join_timestamp": iso(thread.created),
                    });
                }
            }
            Place::Direct(user) => json["recipients"] = json!([self.user_json(*user)]),
        }
        json
    }

    /// As it is in an interaction.
    pub fn partial_channel_json(&self, channel: ChannelId, of: UserId) -> Value {
        let mut json = self.channel_json(self.channel(channel));
        json["permissions"] = json!(self.permissions(of, channel));
        json
    }

    pub fn guild_json(&self, guild: &Guild) -> Value {
        let roles: Vec<Value> = guild
            .roles
            .iter()
            .map(|role| self.role_json(guild, role))
            .collect();
        json!({
            "id": guild.id, "name": guild.name, "icon": null, "splash": null,
            "discovery_splash": null, "owner_id": guild.owner, "region": "deprecated",
            "afk_channel_id": null, "afk_timeout": 300, "widget_enabled": false,
            "verification_level": 1, "default_message_notifications": 1,
            "explicit_content_filter": 2, "roles": roles, "emojis": [], "features": [],
            "mfa_level": 0, "application_id": null, "system_channel_id": null,
            "system_channel_flags": 0, "rules_channel_id": null, "max_members": 500_000,
            "vanity_url_code": null, "description": null, "banner": null, "premium_tier": 0,
            "premium_subscription_count": 0, "preferred_locale": guild.locale,
            "public_updates_channel_id": null, "nsfw_level": 0, "stickers": [],
            "premium_progress_bar_enabled": false, "safety_alerts_channel_id": null,
            "home_header": null, "widget_channel_id": null, "max_presences": null, "nsfw": false,
            "max_stage_video_channel_users": 50, "max_video_channel_users": 25,
            "incidents_data": null,
        })
    }

    /// As GUILD_CREATE brings it: with all its channels, and the active threads that the bot sees.
    pub fn whole_guild_json(&self, guild: &Guild) -> Value {
        let (mut channels, mut threads) = (Vec::new(), Vec::new());
        let of_guild = self.channels.values();
        for channel in of_guild.filter(|channel| channel.guild() == Some(guild.id)) {
            match channel.thread() {
                None => channels.push(self.channel_json(channel)),
                Some(thread) if !thread.archived && self.seen_by(BOT, channel.id).is_ok() => {
                    threads.push(self.channel_json(channel));
                }
                Some(_) => {}
            }
        }
        let mut json = self.guild_json(guild);
        json["joined_at"] = json!(iso(guild.members[&BOT].joined));
        json["large"] = json!(false);
        json["unavailable"] = json!(false);
        json["member_count"] = json!(guild.members.len());
        json["members"] = json!([self.member_json(guild.id, BOT)]);
        json["channels"] = json!(channels);
        json["threads"] = json!(threads);
        json["voice_states"] = json!([]);
        json["presences"] = json!([]);
        json["stage_instances"] = json!([]);
        json["guild_scheduled_events"] = json!([]);
        json["soundboard_sounds"] = json!([]);
        json
    }

    /// A message as the bot sees it: what other people wrote is blank without the intent to
    /// read it, unless they wrote to the bot.
    pub fn message_json(&self, message: &Message) -> Value {
        let channel = self.channel(message.channel);
        let readable = message.author == BOT
            || matches!(channel.place, Place::Direct(_))
            || message.mentions.users.contains(&BOT)
            || self.gateway.may_read_content();
        let users: Vec<Value> = message
            .mentions
            .users
            .iter()
            .map(|user| self.user_json(*user))
            .collect();
        let mut json = json!({
            "id": message.id, "channel_id": message.channel, "type": message.kind,
            "author": self.user_json(message.author),
            "content": "", "embeds": [], "components": [], "attachments": [],
            "timestamp": iso(message.sent), "edited_timestamp": message.edited.map(iso),
            "tts": false, "pinned": channel.pins.contains(&message.id), "flags": message.flags,
            "mention_everyone": message.mentions.everyone, "mentions": users,
            "mention_roles": message.mentions.roles,
        });
        if readable {
            let attachments: Vec<Value> = message
                .attachments
                .iter()
                .map(|attachment| self.attachment_json(message, attachment))
                .collect();
            json["content"] = json!(message.content);
            json["embeds"] = json!(self.embeds_json(message));
            json["components"] = json!(message.components);
            json["attachments"] = json!(attachments);
        }
        if !message.reactions.is_empty() {
            json["reactions"] = message
                .reactions
                .iter()
                .map(|reaction| {
                    json!({
                        "emoji": emoji_json(&reaction.emoji), "count": reaction.users.len(),
                        "count_details": { "burst": 0, "normal": reaction.users.len() },
                        "me": reaction.users.contains(&BOT), "me_burst": false,
                        "burst_me": false, "burst_count": 0, "burst_colors": [],
                    })
                })
                .collect();
        }
        if let Some(nonce) = &message.nonce {
            json["nonce"] = nonce.clone();
        }
        if let Some(reference) = &message.reference {
            json["message_reference"] = reference.clone();
        }
        if let Some(thread) = message.thread.and_then(|thread| self.channels.get(&thread)) {
            json["thread"] = self.channel_json(thread);
        }
        if let Some(interaction) = message.interaction.map(|id| &self.interactions[&id]) {
            json["webhook_id"] = json!(BOT);
            json["application_id"] = json!(BOT);
            json["interaction_metadata"] = self.interaction_metadata_json(interaction);
        }
        json
    }

    /// As MESSAGE_CREATE and MESSAGE_UPDATE bring it.
    pub fn message_event_json(&self, message: &Message) -> Value {
        let mut json = self.message_json(message);
        if let Some(guild) = self.channel(message.channel).guild() {
            json["guild_id"] = json!(guild);
            if self.guild(guild).members.contains_key(&message.author) {
                let mut member = self.member_json(guild, message.author);
                member.as_object_mut().unwrap().remove("user");
                json["member"] = member;
            }
        }
        json
    }

    pub fn attachment_json(&self, message: &Message, attachment: &Attachment) -> Value {
        let url = self.attachment_url(message, attachment);
        let mut json = json!({
            "id": attachment.id.to_string(), "filename": attachment.name,
            "size": attachment.bytes.len(), "url": url, "proxy_url": url,
            "content_type": attachment.content_type, "ephemeral": message.only_for.is_some(),
        });
        if let Some(description) = &attachment.description {
            json["description"] = json!(description);
        }
        if let Some((width, height)) = attachment.png_size() {
            json["width"] = json!(width);
            json["height"] = json!(height);
        }
        json
    }

    fn attachment_url(&self, message: &Message, attachment: &Attachment) -> String {
        format!(
            "{}/attachments/{}/{}/{}",
            self.url, message.channel, attachment.id, attachment.name
        )
    }

    /// With `attachment://` made into addresses, as Discord does.
    fn embeds_json(&self, message: &Message) -> Vec<Value> {
        let mut embeds = message.embeds.clone();
        for embed in &mut embeds {
            embed["type"] = json!("rich");
            for part in ["image", "thumbnail"] {
                let attached = embed[part]["url"]
                    .as_str()
                    .and_then(|url| url.strip_prefix("attachment://"))
                    .and_then(|name| message.attachments.iter().find(|found| found.name == name));
                if let Some(attachment) = attached {
                    let url = self.attachment_url(message, attachment);
                    embed[part] = json!({ "url": url, "proxy_url": url });
                }
            }
        }
        embeds
    }
}

/// A Unicode emoji; the fake has no others.
pub fn emoji_json(emoji: &str) -> Value {
    json!({ "id": null, "name": emoji })
}
