//! Answers to people: to commands, buttons and forms alike.

use std::fmt::Display;
use std::sync::Arc;

use chrono::DateTime;
use poise::serenity_prelude as serenity;
use poise::{ApplicationContext, FrameworkError};
use serde::Serialize;
use serenity::all::{
    Builder, CommandInteraction, ComponentInteraction, CreateAttachment, CreateInteractionResponse,
    Http, InteractionId, ModalInteraction,
};
use thiserror::Error;

use super::Bot;
use super::platform::drawn;
use super::render::{Form, Look};
use super::wording::Wording;
use crate::deliberation::admission::Standing;
use crate::deliberation::guild::GuildSettings;
use crate::deliberation::id::{Channel, Guild, Member, Role, RoundKey};
use crate::facilitator::NoSuchRound;

/// What a command runs in.
pub type Context<'a> = ApplicationContext<'a, Arc<Bot>, Failure>;

/// Why somebody gets something else than what they asked for.
#[derive(Debug, Error)]
pub enum Failure {
    /// A sentence for the person who asked.
    #[error("{0}")]
    Told(String),
    /// For the host; the person is told that it is not their fault.
    #[error("{0:#}")]
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<serenity::Error> for Failure {
    fn from(error: serenity::Error) -> Self {
        Self::Broken(error.into())
    }
}

/// Somebody in a guild who waits for an answer. All answers are seen by them alone.
pub struct Asked<'a> {
    pub ctx: &'a serenity::Context,
    pub bot: &'a Arc<Bot>,
    pub guild: Guild,
    pub channel: Channel,
    pub who: &'a serenity::Member,
    wording: &'a Wording,
    guild_locale: Option<&'a str>,
    id: InteractionId,
    token: &'a str,
}

impl<'a> Asked<'a> {
    pub fn by_command(ctx: Context<'a>) -> Result<Self, Failure> {
        let CommandInteraction {
            id,
            token,
            guild_id,
            channel_id,
            member,
            locale,
            guild_locale,
            ..
        } = ctx.interaction;
        let bot = ctx.data();
        Self::new(
            ctx.serenity_context(),
            bot,
            *guild_id,
            *channel_id,
            member.as_deref(),
            (locale, guild_locale.as_deref()),
            (*id, token),
        )
    }

    pub fn by_component(
        ctx: &'a serenity::Context,
        bot: &'a Arc<Bot>,
        interaction: &'a ComponentInteraction,
    ) -> Result<Self, Failure> {
        let answer_to = (interaction.id, interaction.token.as_str());
        let (guild, channel) = (interaction.guild_id, interaction.channel_id);
        Self::new(
            ctx,
            bot,
            guild,
            channel,
            interaction.member.as_ref(),
            (&interaction.locale, interaction.guild_locale.as_deref()),
            answer_to,
        )
    }

    pub fn by_form(
        ctx: &'a serenity::Context,
        bot: &'a Arc<Bot>,
        interaction: &'a ModalInteraction,
    ) -> Result<Self, Failure> {
        let answer_to = (interaction.id, interaction.token.as_str());
        let (guild, channel) = (interaction.guild_id, interaction.channel_id);
        Self::new(
            ctx,
            bot,
            guild,
            channel,
            interaction.member.as_ref(),
            (&interaction.locale, interaction.guild_locale.as_deref()),
            answer_to,
        )
    }

    fn new(
        ctx: &'a serenity::Context,
        bot: &'a Arc<Bot>,
        guild: Option<serenity::GuildId>,
        channel: serenity::ChannelId,
        member: Option<&'a serenity::Member>,
        (locale, guild_locale): (&str, Option<&'a str>),
        (id, token): (InteractionId, &'a str),
    ) -> Result<Self, Failure> {
        let wording = bot.languages.of(locale);
        let (Some(guild), Some(who)) = (guild, member) else {
            return Err(Failure::Told(wording.say("only-in-servers", &[])));
        };
        let guild = Guild(guild.get());
        bot.facilitator.platform.met(guild, who);
        Ok(Self {
            ctx,
            bot,
            guild,
            channel: Channel(channel.get()),
            who,
            wording,
            guild_locale,
            id,
            token,
        })
    }

    pub fn member(&self) -> Member {
        Member(self.who.user.id.get())
    }

    /// What Discord says of whoever asked.
    pub fn standing(&self) -> Standing {
        Standing {
            joined_at: self
                .who
                .joined_at
                .and_then(|joined| DateTime::from_timestamp(joined.unix_timestamp(), 0)),
            roles: self.who.roles.iter().map(|role| Role(role.get())).collect(),
        }
    }

    /// Refuses whoever asks too often; a form that was written is never refused.
    ///
    /// # Errors
    /// How long to wait.
    pub fn keep_pace(&self) -> Result<(), Failure> {
        let kept = self
            .bot
            .pace
            .ask(self.guild, self.member(), self.bot.facilitator.clock.now());
        kept.map_err(|wait| {
            let seconds = wait.num_seconds() + 1;
            let text = self
                .wording()
                .say("too-often", &[("seconds", seconds.into())]);
            Failure::Told(text)
        })
    }

    /// In the language of whoever asked.
    pub fn wording(&self) -> &'a Wording {
        self.wording
    }

    /// In the language of what stands here for all to see: as it is set, else the guild's own.
    pub fn public_wording(&self, settings: &GuildSettings) -> &'a Wording {
        let chosen = settings.language.as_deref().or(self.guild_locale);
        self.bot.languages.of(chosen.unwrap_or_default())
    }

    pub fn round(&self, number: u32) -> RoundKey {
        RoundKey {
            guild: self.guild,
            number,
        }
    }

    /// Answers.
    pub async fn answer(&self, look: Look) -> Result<(), Failure> {
        self.respond(CreateInteractionResponse::Message(look.to_reply()))
            .await
    }

    /// Answers with a sentence.
    pub async fn say(&self, text: String) -> Result<(), Failure> {
        self.answer(Look::of(text)).await
    }

    /// Changes the message under which the button or select stood.
    pub async fn update(&self, look: Look) -> Result<(), Failure> {
        self.respond(CreateInteractionResponse::UpdateMessage(look.to_reply()))
            .await
    }

    /// Shows a form.
    pub async fn show(&self, form: Form) -> Result<(), Failure> {
        self.respond(CreateInteractionResponse::Modal(form.to_modal()))
            .await
    }

    /// Promises an answer, which [`Self::finish`] gives: for what may take more than a moment.
    pub async fn defer(&self) -> Result<(), Failure> {
        let later = serenity::CreateInteractionResponseMessage::new().ephemeral(true);
        self.respond(CreateInteractionResponse::Defer(later)).await
    }

    /// Promises a change of the message under which the button or select stood, which
    /// [`Self::finish`] makes.
    pub async fn defer_update(&self) -> Result<(), Failure> {
        self.respond(CreateInteractionResponse::Acknowledge).await
    }

    /// Gives the answer that was promised.
    pub async fn finish(&self, look: Look) -> Result<(), Failure> {
        let answer = drawn(move || look.to_interaction_edit()).await;
        answer.execute(self.ctx, self.token).await?;
        Ok(())
    }

    /// Gives the answer that was promised, with a file.
    pub async fn finish_with_file(
        &self,
        text: String,
        name: &str,
        content: impl Into<Vec<u8>>,
    ) -> Result<(), Failure> {
        let file = CreateAttachment::bytes(content, name);
        let answer = Look::of(text).to_interaction_edit().new_attachment(file);
        answer.execute(self.ctx, self.token).await?;
        Ok(())
    }

    async fn respond(&self, response: CreateInteractionResponse) -> Result<(), Failure> {
        Ok(response.execute(self.ctx, (self.id, self.token)).await?)
    }
}

/// For a file that programs read, and people can.
pub fn pretty_json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    Ok(text + "\n")
}

/// Lets a command run unless whoever gave it asks too often. What is completed while somebody types is
/// not counted.
pub fn keep_pace(ctx: poise::Context<'_, Arc<Bot>, Failure>) -> Result<bool, Failure> {
    if let poise::Context::Application(ctx) = ctx
        && ctx.interaction_type == poise::CommandInteractionType::Command
    {
        Asked::by_command(ctx)?.keep_pace()?;
    }
    Ok(true)
}

/// Tells a person, or the host, that something went wrong.
pub async fn report(error: FrameworkError<'_, Arc<Bot>, Failure>) {
    match error {
        FrameworkError::Command { error, ctx, .. } => {
            if let poise::Context::Application(ctx) = ctx {
                let CommandInteraction {
                    id, token, locale, ..
                } = ctx.interaction;
                let http = &ctx.serenity_context().http;
                apologise(http, ctx.data(), locale, (*id, token), error).await;
            }
        }
        FrameworkError::CommandCheckFailed {
            error: Some(error),
            ctx: poise::Context::Application(ctx),
            ..
        } => {
            let CommandInteraction {
                id, token, locale, ..
            } = ctx.interaction;
            let http = &ctx.serenity_context().http;
            apologise(http, ctx.data(), locale, (*id, token), error).await;
        }
        FrameworkError::CommandPanic { ctx, .. } => {
            if let poise::Context::Application(ctx) = ctx {
                let CommandInteraction {
                    id, token, locale, ..
                } = ctx.interaction;
                let panic =
                    anyhow::anyhow!("the command {} panicked", ctx.command().qualified_name);
                let http = &ctx.serenity_context().http;
                apologise(
                    http,
                    ctx.data(),
                    locale,
                    (*id, token),
                    Failure::Broken(panic),
                )
                .await;
            }
        }
        FrameworkError::EventHandler { error, event, .. } => {
            log_broken(&error, event.snake_case_name());
        }
        FrameworkError::Setup { error, .. } => {
            log_broken(&error, "setup");
        }
        // Its name may be anything.
        FrameworkError::UnknownInteraction { .. } => {
            tracing::warn!("somebody ran a command that Accord does not have");
        }
        other => log_broken(&Failure::Broken(anyhow::anyhow!("{other}")), "dispatch"),
    }
}

/// Answers with what went wrong, whether an answer was promised already or not.
pub async fn apologise(
    http: &Arc<Http>,
    bot: &Bot,
    locale: &str,
    (id, token): (InteractionId, &str),
    failure: Failure,
) {
    let wording = bot.languages.of(locale);
    let text = match &failure {
        Failure::Told(text) => text.clone(),
        Failure::Broken(error) => match error.downcast_ref() {
            // A button of a round that was erased, or that a backup did not have.
            Some(NoSuchRound(key)) => wording.say("no-such-round", &[("round", key.number.into())]),
            None => {
                log_broken(&failure, "interaction");
                wording.say("went-wrong", &[])
            }
        },
    };
    let look = Look::of(text);
    let answer = CreateInteractionResponse::Message(look.to_reply());
    if answer.execute(http, (id, token)).await.is_err() {
        // Promised before, or too late; then there is nobody left to tell.
        let _ = look.to_interaction_edit().execute(http, token).await;
    }
}

fn log_broken(failure: &Failure, what: impl Display) {
    if let Failure::Broken(error) = failure {
        tracing::error!(%what, error = format!("{error:#}"), "Discord or the store failed");
    }
}
