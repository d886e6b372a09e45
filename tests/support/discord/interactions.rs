//! An interaction's life: dispatched, acknowledged within 3 s or dead, and answered for 15 min.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use serenity::all::{ChannelId, GatewayIntents, GuildId, InteractionId, MessageId, UserId};

use super::limits::{self, Form};
use super::messages::{EPHEMERAL, LOADING};
use super::multipart::Upload;
use super::refusal::{
    ALREADY_ACKNOWLEDGED, INVALID_WEBHOOK_TOKEN, Refusal, UNKNOWN_CHANNEL, UNKNOWN_INTERACTION,
    UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK,
};
use super::world::{BOT, World};

pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(3);
pub const TOKEN_LASTS: Duration = Duration::from_secs(15 * 60);

pub struct Interaction {
    pub id: InteractionId,
    pub token: String,
    pub kind: Kind,
    /// The name of the command, with its subcommands; or the custom id.
    pub name: String,
    pub user: UserId,
    pub guild: GuildId,
    pub channel: ChannelId,
    /// The message that the component is on, or was from which the modal came.
    pub message: Option<MessageId>,
    pub dispatched: DateTime<Utc>,
    pub dispatched_at: Instant,
    pub answer: Option<Answer>,
    /// From its dispatch until the request that acknowledged it came in.
    pub acknowledged_after: Option<Duration>,
    /// What `@original` is.
    pub original: Option<MessageId>,
    /// Whether a deferred update has been followed by an edit.
    pub updated: bool,
    pub followups: Vec<MessageId>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Command,
    Component,
    Autocomplete,
    ModalSubmit,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Message,
    DeferredMessage,
    DeferredUpdate,
    Update,
    Choices(Vec<Value>),
    Modal(Value),
}

/// What somebody does that the bot has to answer.
pub struct Act<'a> {
    pub kind: Kind,
    /// The command, or the custom id.
    pub name: &'a str,
    pub channel: ChannelId,
    pub message: Option<MessageId>,
    pub data: Value,
}

impl Kind {
    pub fn number(self) -> u64 {
        match self {
            Kind::Command => 2,
            Kind::Component => 3,
            Kind::Autocomplete => 4,
            Kind::ModalSubmit => 5,
        }
    }
}

impl Interaction {
    fn is_dead(&self, now: DateTime<Utc>) -> bool {
        self.answer.is_none() && now >= self.dispatched + ACKNOWLEDGED_WITHIN
    }

    fn is_over(&self, now: DateTime<Utc>) -> bool {
        now >= self.dispatched + TOKEN_LASTS
    }
}

impl World {
    /// Sends what a member does to the bot.
    pub fn begin_interaction(&mut self, user: UserId, guild: GuildId, act: Act) -> InteractionId {
        let id = InteractionId::new(self.new_id());
        let token = format!("the-token-of-interaction-{id}");
        let channel = act.channel;
        let locale = &self.guild(guild).locale;
        let mut payload = json!({
            "id": id, "application_id": BOT, "type": act.kind.number(), "data": act.data,
            "guild": { "id": guild, "locale": locale, "features": [] },
            "guild_id": guild, "channel_id": channel,
            "channel": self.partial_channel_json(channel, user),
            "member": self.member_with_permissions_json(guild, user, channel),
            "token": token, "version": 1, "app_permissions": self.permissions(BOT, channel),
            "locale": self.users[&user].locale, "guild_locale": locale,
            "entitlements": [], "entitlement_sku_ids": [], "context": 0,
            "authorizing_integration_owners": { "0": guild },
            "attachment_size_limit": 10 << 20,
        });
        let message = act.message.and_then(|id| self.message(channel, id));
        if let Some(message) = message {
            payload["message"] = self.message_json(message);
        }
        let interaction = Interaction {
            id,
            token,
            kind: act.kind,
            name: act.name.to_owned(),
            user,
            guild,
            channel,
            message: act.message,
            dispatched: self.clock.now(),
            dispatched_at: Instant::now(),
            answer: None,
            acknowledged_after: None,
            original: None,
            updated: false,
            followups: Vec::new(),
        };
        self.interactions.insert(id, interaction);
        let always = GatewayIntents::empty();
        self.dispatch("INTERACTION_CREATE", always, Some(guild), &payload);
        id
    }

    /// POST /interactions/{id}/{token}/callback
    pub fn answer_interaction(
        &mut self,
        id: InteractionId,
        token: &str,
        body: &Value,
        uploads: Vec<Upload>,
    ) -> Result<(), Refusal> {
        let now = self.clock.now();
        let interaction = self
            .interactions
            .get(&id)
            .filter(|found| found.token == token && !found.is_dead(now) && !found.is_over(now))
            .ok_or(UNKNOWN_INTERACTION)?;
        if interaction.answer.is_some() {
            return Err(ALREADY_ACKNOWLEDGED);
        }
        if !self.channels.contains_key(&interaction.channel) {
            return Err(UNKNOWN_CHANNEL);
        }
        let acknowledged_after = interaction.dispatched_at.elapsed();
        let answer = self.read_answer(id, body)?;
        let data = &body["data"];
        match &answer {
            Answer::Message | Answer::DeferredMessage => {
                let loading = answer == Answer::DeferredMessage;
                let original = self.answer_with_message(id, data, uploads, loading)?;
                self.interactions.get_mut(&id).unwrap().original = Some(original);
            }
            Answer::Update => {
                let interaction = &self.interactions[&id];
                let (channel, message) = (interaction.channel, interaction.message.unwrap());
                self.rewrite(channel, message, data, uploads)?;
                self.interactions.get_mut(&id).unwrap().updated = true;
            }
            Answer::DeferredUpdate | Answer::Choices(_) | Answer::Modal(_) => {}
        }
        let interaction = self.interactions.get_mut(&id).unwrap();
        if matches!(answer, Answer::Update | Answer::DeferredUpdate) {
            interaction.original = interaction.message;
        }
        interaction.answer = Some(answer);
        interaction.acknowledged_after = Some(acknowledged_after);
        Ok(())
    }

    /// What kind of answer a callback is; some fit only some interactions.
    fn read_answer(&self, id: InteractionId, body: &Value) -> Result<Answer, Refusal> {
        let interaction = &self.interactions[&id];
        let data = &body["data"];
        let on_message = interaction.message.is_some();
        match (interaction.kind, body["type"].as_u64()) {
            (Kind::Autocomplete, Some(8)) => {
                limits::choices(data)?;
                Ok(Answer::Choices(
                    limits::items(&data["choices"]).cloned().collect(),
                ))
            }
            (Kind::Command | Kind::Component | Kind::ModalSubmit, Some(4)) => {
                limits::message(data, "data.")?;
                Ok(Answer::Message)
            }
            (Kind::Command | Kind::Component | Kind::ModalSubmit, Some(5)) => {
                Ok(Answer::DeferredMessage)
            }
            (Kind::Component | Kind::ModalSubmit, Some(6)) if on_message => {
                Ok(Answer::DeferredUpdate)
            }
            (Kind::Component | Kind::ModalSubmit, Some(7)) if on_message => {
                limits::message(data, "data.")?;
                Ok(Answer::Update)
            }
            (Kind::Command | Kind::Component, Some(9)) => {
                limits::modal(data)?;
                Ok(Answer::Modal(data.clone()))
            }
            _ => {
                let mut form = Form::default();
                form.error(
                    "type",
                    "INTERACTION_APPLICATION_COMMAND_INVALID_RESPONSE_TYPE",
                    "Interaction response type is invalid for this interaction".to_owned(),
                );
                Err(form.done().unwrap_err())
            }
        }
    }

    fn answer_with_message(
        &mut self,
        id: InteractionId,
        data: &Value,
        uploads: Vec<Upload>,
        loading: bool,
    ) -> Result<MessageId, Refusal> {
        let interaction = &self.interactions[&id];
        let (user, channel, kind) = (interaction.user, interaction.channel, interaction.kind);
        let ephemeral = data["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0;
        let mut message = self.blank_message(BOT, channel);
        message.kind = if kind == Kind::Command { 20 } else { 0 };
        message.interaction = Some(id);
        message.only_for = ephemeral.then_some(user);
        if loading {
            message.flags |= LOADING;
        }
        self.fill(&mut message, data, uploads)?;
        if !ephemeral {
            self.wake_for(user, channel)?;
        }
        Ok(self.appear(message, &data["allowed_mentions"]))
    }

    /// The interaction behind /webhooks/{application}/{token}.
    pub fn interaction_of_token(&self, token: &str) -> Result<InteractionId, Refusal> {
        let now = self.clock.now();
        let interaction = self
            .interactions
            .values()
            .rev()
            .find(|found| found.token == token)
            .ok_or(UNKNOWN_WEBHOOK)?;
        if interaction.is_over(now) {
            return Err(INVALID_WEBHOOK_TOKEN);
        }
        if !self.channels.contains_key(&interaction.channel) {
            return Err(UNKNOWN_CHANNEL);
        }
        match interaction.answer {
            None => Err(UNKNOWN_WEBHOOK),
            Some(_) => Ok(interaction.id),
        }
    }

    /// POST /webhooks/{application}/{token}. The first after a deferred answer becomes it.
    pub fn follow_up(
        &mut self,
        id: InteractionId,
        body: &Value,
        uploads: Vec<Upload>,
    ) -> Result<MessageId, Refusal> {
        limits::message(body, "")?;
        let interaction = &self.interactions[&id];
        let deferred = interaction.original.filter(|original| {
            interaction.answer == Some(Answer::DeferredMessage)
                && self
                    .message(interaction.channel, *original)
                    .is_some_and(|message| message.is_loading())
        });
        if let Some(original) = deferred {
            let mut body = body.clone();
            body.as_object_mut().map(|body| body.remove("flags"));
            self.rewrite(self.interactions[&id].channel, original, &body, uploads)?;
            return Ok(original);
        }
        let message = self.answer_with_message(id, body, uploads, false)?;
        self.interactions
            .get_mut(&id)
            .unwrap()
            .followups
            .push(message);
        Ok(message)
    }

    /// The message that `name` means in /webhooks/{application}/{token}/messages/{name}.
    pub fn message_of_interaction(
        &self,
        id: InteractionId,
        name: &str,
    ) -> Result<(ChannelId, MessageId), Refusal> {
        let interaction = &self.interactions[&id];
        let message = match name {
            "@original" => interaction.original,
            id => id.parse().ok().filter(|id| {
                interaction.original == Some(*id) || interaction.followups.contains(id)
            }),
        };
        message
            .filter(|id| self.message(interaction.channel, *id).is_some())
            .map(|id| (interaction.channel, id))
            .ok_or(UNKNOWN_MESSAGE)
    }

    /// PATCH of one of those.
    pub fn edit_answer(
        &mut self,
        id: InteractionId,
        name: &str,
        body: &Value,
        uploads: Vec<Upload>,
    ) -> Result<(ChannelId, MessageId), Refusal> {
        limits::message(body, "")?;
        let (channel, message) = self.message_of_interaction(id, name)?;
        self.rewrite(channel, message, body, uploads)?;
        let interaction = self.interactions.get_mut(&id).unwrap();
        interaction.updated |= interaction.original == Some(message);
        Ok((channel, message))
    }

    /// What a callback answers when it is asked `with_response`.
    pub fn callback_response_json(&self, id: InteractionId) -> Value {
        let interaction = &self.interactions[&id];
        let mut json = json!({ "interaction": {
            "id": id, "type": interaction.kind.number(),
            "response_message_id": interaction.original,
        } });
        let shown = interaction
            .original
            .and_then(|original| self.message(interaction.channel, original));
        if let Some(message) = shown {
            json["interaction"]["response_message_loading"] = json!(message.is_loading());
            json["interaction"]["response_message_ephemeral"] = json!(message.is_ephemeral());
            json["resource"] = json!({ "type": 4, "message": self.message_json(message) });
        }
        json
    }

    pub fn interaction_metadata_json(&self, interaction: &Interaction) -> Value {
        let mut json = json!({
            "id": interaction.id, "type": interaction.kind.number(),
            "user": self.user_json(interaction.user),
            "authorizing_integration_owners": { "0": interaction.guild },
        });
        match interaction.kind {
            Kind::Command => json["name"] = json!(interaction.name),
            Kind::Component => json["interacted_message_id"] = json!(interaction.message),
            Kind::ModalSubmit => {
                json["triggering_interaction_metadata"] = json!({
                    "id": interaction.id, "type": 2, "user": self.user_json(interaction.user),
                    "authorizing_integration_owners": { "0": interaction.guild },
                });
            }
            Kind::Autocomplete => {}
        }
        json
    }
}
