//! Members, who can do what Discord's client lets them do, and nothing else.
//!
//! Each act comes twice: `presses` panics where the client would not let the member,
//! `tries_to_press` returns why.

use serde_json::{Value, json};
use serenity::all::{ChannelId, GuildId, MessageId, Permissions, UserId};

use super::FakeDiscord;
use super::answers::{Interaction, Modal};
use super::interactions::{Act, Kind};
use super::messages::{Component, Message};
use super::refusal::Refusal;
use super::typing::{self, Typist};
use super::world::World;

#[derive(Clone)]
pub struct Person {
    pub discord: FakeDiscord,
    pub id: UserId,
    /// The guild as whose member they act.
    pub guild: GuildId,
}

/// A member with a channel before them.
pub struct InChannel {
    person: Person,
    channel: ChannelId,
}

impl Person {
    pub fn in_channel(&self, channel: ChannelId) -> InChannel {
        InChannel {
            person: self.clone(),
            channel,
        }
    }

    /// What they see in a channel, their own ephemeral messages too.
    pub fn sees(&self, channel: ChannelId) -> Vec<Message> {
        self.discord
            .look(|world| match world.seen_by(self.id, channel) {
                Ok(channel) => channel.visible_to(self.id).cloned().collect(),
                Err(_) => Vec::new(),
            })
    }

    pub fn display_name(&self) -> String {
        self.discord
            .look(|world| world.display_name(Some(self.guild), self.id).to_owned())
    }

    pub fn mention(&self) -> String {
        format!("<@{}>", self.id)
    }

    /// Presses a button, named by its custom id or its label.
    #[track_caller]
    pub fn presses(&self, message: &Message, button: &str) -> Interaction {
        done(self.tries_to_press(message, button))
    }

    pub fn tries_to_press(&self, message: &Message, button: &str) -> Result<Interaction, String> {
        let found = self.usable(message, button, "button", Message::buttons)?;
        Ok(self.uses(message, &found, None))
    }

    /// Chooses in a select, named by its custom id or its placeholder; values, or labels.
    #[track_caller]
    pub fn selects(&self, message: &Message, select: &str, values: &[&str]) -> Interaction {
        done(self.tries_to_select(message, select, values))
    }

    pub fn tries_to_select(
        &self,
        message: &Message,
        select: &str,
        values: &[&str],
    ) -> Result<Interaction, String> {
        let found = self.usable(message, select, "select", Message::selects)?;
        let values = typing::selected(&found.json, values)?;
        Ok(self.uses(message, &found, Some(values)))
    }

    fn uses(
        &self,
        message: &Message,
        component: &Component,
        values: Option<Vec<Value>>,
    ) -> Interaction {
        let mut data = json!({
            "id": component.json["id"], "component_type": component.json["type"],
            "custom_id": component.custom_id,
        });
        if let Some(values) = values {
            data["values"] = json!(values);
        }
        self.interacts(Act {
            kind: Kind::Component,
            name: &component.custom_id,
            channel: message.channel,
            message: Some(message.id),
            data,
        })
    }

    /// Uses a component that is on no message, as no client lets anybody; Discord would not pass it on.
    pub fn forges_component(
        &self,
        channel: ChannelId,
        custom_id: &str,
        rating: Option<&str>,
    ) -> Interaction {
        let mut data = json!({
            "id": 1, "component_type": if rating.is_some() { 3 } else { 2 },
            "custom_id": custom_id,
        });
        if let Some(rating) = rating {
            data["values"] = json!([rating]);
        }
        let message = self.sees(channel).pop().map(|message| message.id);
        self.forges(Kind::Component, channel, message, data)
    }

    /// A component as it is now on a message that they see.
    fn usable(
        &self,
        message: &Message,
        wanted: &str,
        what: &str,
        of: impl Fn(&Message) -> Vec<Component>,
    ) -> Result<Component, String> {
        let now = self.discord.look(|world| {
            self.sees_channel(world, message.channel)?;
            world
                .message(message.channel, message.id)
                .filter(|message| message.is_visible_to(self.id))
                .cloned()
                .ok_or(format!("the message {} is gone, or another's", message.id))
        })?;
        let all = of(&now);
        let named: Vec<String> = all
            .iter()
            .map(|found| format!("[{}] {}", found.label, found.custom_id))
            .collect();
        let found = all
            .into_iter()
            .find(|found| found.custom_id == wanted || found.label == wanted)
            .ok_or(format!(
                "there is no {what} `{wanted}` on the message, only {named:?}"
            ))?;
        if found.disabled {
            return Err(format!("the {what} `{wanted}` is disabled"));
        }
        Ok(found)
    }

    fn sees_channel(&self, world: &World, channel: ChannelId) -> Result<(), String> {
        world.seen_by(self.id, channel).map_err(|refusal| {
            let name = world.display_name(Some(self.guild), self.id);
            format!("{name} does not see the channel: {refusal}")
        })?;
        Ok(())
    }

    /// Fills in a modal, by custom id, and sends it; what is not named stays as it was.
    #[track_caller]
    pub fn submits(&self, modal: &Modal, inputs: Value) -> Interaction {
        done(self.tries_to_submit(modal, inputs))
    }

    pub fn tries_to_submit(&self, modal: &Modal, inputs: Value) -> Result<Interaction, String> {
        self.discord
            .look(|world| self.sees_channel(world, modal.channel))?;
        let components = typing::filled(&modal.inputs, &inputs)?;
        let data = json!({ "custom_id": modal.custom_id, "components": components });
        Ok(self.interacts(Act {
            kind: Kind::ModalSubmit,
            name: &modal.custom_id,
            channel: modal.channel,
            message: modal.message,
            data,
        }))
    }

    #[track_caller]
    pub fn reacts(&self, message: &Message, emoji: &str) {
        done(
            self.tries_to_react(message, emoji)
                .map_err(|refusal| refusal.to_string()),
        );
    }

    pub fn tries_to_react(&self, message: &Message, emoji: &str) -> Result<(), Refusal> {
        self.discord
            .change(|world| world.react(self.id, message.channel, message.id, emoji))
    }

    #[track_caller]
    pub fn unreacts(&self, message: &Message, emoji: &str) {
        let undone = self
            .discord
            .change(|world| world.unreact(self.id, message.channel, message.id, emoji));
        done(undone.map_err(|refusal| refusal.to_string()));
    }

    /// Deletes a message, where they may.
    pub fn deletes(&self, message: &Message) -> Result<(), Refusal> {
        self.discord
            .change(|world| world.delete_message(self.id, message.channel, message.id))
    }

    /// Leaves the guild, or is removed from it.
    pub fn leaves(&self) {
        self.discord
            .change(|world| world.remove_member(self.guild, self.id));
    }

    /// Sends what only a forged client would: nothing of it is checked.
    pub fn forges(
        &self,
        kind: Kind,
        channel: ChannelId,
        message: Option<MessageId>,
        data: Value,
    ) -> Interaction {
        self.interacts(Act {
            kind,
            name: "forged",
            channel,
            message,
            data,
        })
    }

    /// Sends an interaction to the bot.
    fn interacts(&self, act: Act) -> Interaction {
        let id = self
            .discord
            .change(|world| world.begin_interaction(self.id, self.guild, act));
        Interaction {
            discord: self.discord.clone(),
            id,
        }
    }
}

impl InChannel {
    /// Runs a slash command, such as `round open`, with its options by name.
    #[track_caller]
    pub fn runs(&self, command: &str, options: Value) -> Interaction {
        done(self.tries_to_run(command, options))
    }

    pub fn tries_to_run(&self, command: &str, options: Value) -> Result<Interaction, String> {
        let data = self.person.discord.look(|world| {
            self.may_run_commands(world)?;
            self.typist(world).command(command, &options, None)
        })?;
        Ok(self.sends(Kind::Command, command, data))
    }

    /// Types into an option with autocomplete.
    #[track_caller]
    pub fn types_into(&self, command: &str, option: &str, partial: &str) -> Interaction {
        done(self.tries_to_type_into(command, option, partial, json!({})))
    }

    /// The same, with other options filled in before.
    pub fn tries_to_type_into(
        &self,
        command: &str,
        option: &str,
        partial: &str,
        options: Value,
    ) -> Result<Interaction, String> {
        let data = self.person.discord.look(|world| {
            self.may_run_commands(world)?;
            let focused = Some((option, partial));
            self.typist(world).command(command, &options, focused)
        })?;
        Ok(self.sends(Kind::Autocomplete, command, data))
    }

    fn typist<'a>(&self, world: &'a World) -> Typist<'a> {
        Typist {
            world,
            user: self.person.id,
            guild: self.person.guild,
            channel: self.channel,
        }
    }

    fn sends(&self, kind: Kind, command: &str, data: Value) -> Interaction {
        self.person.interacts(Act {
            kind,
            name: command,
            channel: self.channel,
            message: None,
            data,
        })
    }

    fn may_run_commands(&self, world: &World) -> Result<(), String> {
        let needed = Permissions::USE_APPLICATION_COMMANDS | world.to_post_in(self.channel);
        world
            .require(self.person.id, self.channel, needed)
            .map_err(|refusal| format!("no commands can be run in this channel: {refusal}"))?;
        match world.channel(self.channel).thread() {
            Some(thread) if thread.archived && thread.locked => {
                Err("no commands can be run in a locked thread".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Writes a message.
    #[track_caller]
    pub fn says(&self, content: &str) -> Message {
        let body = json!({ "content": content });
        let posted = self.person.discord.change(|world| {
            let id = world.post(self.person.id, self.channel, &body, Vec::new())?;
            Ok(world.message(self.channel, id).unwrap().clone())
        });
        done(posted.map_err(|refusal: Refusal| refusal.to_string()))
    }

    /// Starts a thread beside the messages.
    #[track_caller]
    pub fn starts_thread(&self, name: &str) -> ChannelId {
        let body = json!({ "name": name, "type": 11 });
        let started = self
            .person
            .discord
            .change(|world| world.start_thread(self.person.id, self.channel, None, &body));
        done(started.map_err(|refusal| refusal.to_string()))
    }
}

#[track_caller]
fn done<T>(result: Result<T, String>) -> T {
    match result {
        Ok(done) => done,
        Err(why) => panic!("{why}"),
    }
}
