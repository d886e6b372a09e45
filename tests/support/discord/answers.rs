//! What comes back to a member who ran a command, pressed a button or submitted a modal.

use std::time::Duration;

use serde_json::Value;
use serenity::all::{ChannelId, InteractionId, MessageId};

use super::FakeDiscord;
use super::interactions::{self, ACKNOWLEDGED_WITHIN, Answer};
use super::limits::items;
use super::messages::Message;

/// An interaction that has been sent to the bot.
#[derive(Clone)]
pub struct Interaction {
    pub(super) discord: FakeDiscord,
    pub id: InteractionId,
}

/// A form that the bot has opened for a member.
#[derive(Clone, Debug)]
pub struct Modal {
    pub custom_id: String,
    pub title: String,
    /// Its text inputs, as Discord has them.
    pub inputs: Vec<Value>,
    pub(super) channel: ChannelId,
    pub(super) message: Option<MessageId>,
}

/// What autocomplete offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub name: String,
    pub value: Value,
}

impl Interaction {
    /// Until the bot has acknowledged it; a panic if that took longer.
    pub async fn acknowledged_within(&self, limit: Duration) -> &Self {
        let what = format!("{} to be acknowledged", self.described());
        self.discord
            .wait_for(&what, limit.max(ACKNOWLEDGED_WITHIN), || self.latency())
            .await;
        let took = self.latency().unwrap();
        assert!(
            took <= limit,
            "{} was acknowledged after {took:?}, expected {limit:?} at most",
            self.described()
        );
        self
    }

    /// From its dispatch until the request that acknowledged it came in.
    pub fn latency(&self) -> Option<Duration> {
        self.state(|interaction| interaction.acknowledged_after)
    }

    /// What the member sees for it: a message of its own, once it no longer says that the bot is
    /// thinking, or the message that a button was on, once it has been edited.
    pub async fn reply(&self) -> Message {
        self.reply_where(|_| true).await
    }

    /// The same, once it is as wanted.
    pub async fn reply_where(&self, wanted: impl Fn(&Message) -> bool) -> Message {
        let what = format!("a reply to {}", self.described());
        let found = || self.shown().filter(&wanted);
        self.discord.wait_until(&what, found).await
    }

    fn shown(&self) -> Option<Message> {
        self.discord.look(|world| {
            let interaction = &world.interactions[&self.id];
            let message = |id| world.message(interaction.channel, id).cloned();
            let followup = || interaction.followups.first().copied().and_then(message);
            match interaction.answer.as_ref()? {
                Answer::Message | Answer::DeferredMessage | Answer::Update => {
                    let original = interaction.original.and_then(message).or_else(followup)?;
                    (!original.is_loading()).then_some(original)
                }
                Answer::DeferredUpdate if interaction.updated => {
                    interaction.original.and_then(message)
                }
                Answer::DeferredUpdate => followup(),
                Answer::Modal(modal) => panic!("answered with the modal {}", modal["title"]),
                Answer::Choices(choices) => panic!("answered with the choices {choices:?}"),
            }
        })
    }

    /// The messages after the first, the oldest first.
    pub fn followups(&self) -> Vec<Message> {
        self.discord.look(|world| {
            let interaction = &world.interactions[&self.id];
            let followups = interaction.followups.iter();
            followups
                .filter_map(|id| world.message(interaction.channel, *id).cloned())
                .collect()
        })
    }

    pub async fn followup(&self) -> Message {
        let what = format!("a followup to {}", self.described());
        self.discord
            .wait_until(&what, || self.followups().pop())
            .await
    }

    pub async fn modal(&self) -> Modal {
        let what = format!("a modal for {}", self.described());
        let opened = || {
            let modal = self.state(|interaction| match interaction.answer.as_ref()? {
                Answer::Modal(modal) => Some(Ok(Modal {
                    custom_id: text(&modal["custom_id"]),
                    title: text(&modal["title"]),
                    inputs: items(&modal["components"])
                        .flat_map(|row| items(&row["components"]))
                        .cloned()
                        .collect(),
                    channel: interaction.channel,
                    message: interaction.message,
                })),
                other => Some(Err(format!("{other:?}"))),
            })?;
            Some(modal.unwrap_or_else(|other| {
                let said = self.shown().map(|message| message.text());
                panic!("answered with {other} and not with a modal: {said:?}")
            }))
        };
        self.discord.wait_until(&what, opened).await
    }

    /// What autocomplete offers for it.
    pub async fn choices(&self) -> Vec<Choice> {
        let what = format!("choices for {}", self.described());
        let offered = || {
            self.state(|interaction| match interaction.answer.as_ref()? {
                Answer::Choices(choices) => Some(
                    choices
                        .iter()
                        .map(|choice| Choice {
                            name: text(&choice["name"]),
                            value: choice["value"].clone(),
                        })
                        .collect(),
                ),
                other => panic!("answered with {other:?}, not with choices"),
            })
        };
        self.discord.wait_until(&what, offered).await
    }

    fn state<T>(&self, look: impl FnOnce(&interactions::Interaction) -> T) -> T {
        self.discord
            .look(|world| look(&world.interactions[&self.id]))
    }

    fn described(&self) -> String {
        self.state(|interaction| {
            format!("the {:?} `{}`", interaction.kind, interaction.name).to_lowercase()
        })
    }
}

impl Modal {
    pub fn input(&self, custom_id: &str) -> Option<&Value> {
        self.inputs
            .iter()
            .find(|input| input["custom_id"] == custom_id)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
