//! What happens on Discord, apart from commands.

use std::sync::Arc;

use poise::FrameworkContext;
use poise::serenity_prelude as serenity;
use serenity::all::{FullEvent, Interaction, Reaction};

use super::reply::{Asked, Failure, apologise};
use super::{Bot, components, platform, shard_of};
use crate::deliberation::id::{Channel, Guild, Member, Message};
use crate::deliberation::rating::Likert;
use crate::deliberation::round::board::Item;
use crate::deliberation::round::{CandidateKey, RatingRefused, Round, Time};

/// Hears everything that the intents let through.
pub async fn handle(
    framework: FrameworkContext<'_, Arc<Bot>, Failure>,
    event: &FullEvent,
) -> Result<(), Failure> {
    let (ctx, bot) = (framework.serenity_context, framework.user_data);
    let facilitator = &bot.facilitator;
    match event {
        FullEvent::InteractionCreate { interaction } => match interaction {
            Interaction::Component(pressed) => {
                let done = async {
                    let asked = Asked::by_component(ctx, bot, pressed)?;
                    asked.keep_pace()?;
                    components::pressed(&asked, pressed).await
                };
                if let Err(failure) = done.await {
                    let answer_to = (pressed.id, pressed.token.as_str());
                    apologise(&ctx.http, bot, &pressed.locale, answer_to, failure).await;
                }
            }
            Interaction::Modal(form) => {
                let done = async {
                    let asked = Asked::by_form(ctx, bot, form)?;
                    components::submitted(&asked, form).await
                };
                if let Err(failure) = done.await {
                    let answer_to = (form.id, form.token.as_str());
                    apologise(&ctx.http, bot, &form.locale, answer_to, failure).await;
                }
            }
            _ => {}
        },
        FullEvent::ReactionAdd { add_reaction } => {
            reacted(bot, add_reaction, Round::react).await?;
        }
        FullEvent::ReactionRemove { removed_reaction } => {
            reacted(bot, removed_reaction, Round::unreact).await?;
        }
        FullEvent::ReactionRemoveAll {
            removed_from_message_id: message,
            ..
        } => {
            facilitator
                .reactions_cleared(Message(message.get()))
                .await?;
        }
        FullEvent::ReactionRemoveEmoji { removed_reactions } => {
            let message = Message(removed_reactions.message_id.get());
            facilitator.reactions_cleared(message).await?;
        }
        FullEvent::ChannelDelete { channel, .. } => {
            let guild = Guild(channel.guild_id.get());
            facilitator
                .place_gone(guild, Channel(channel.id.get()))
                .await?;
        }
        FullEvent::ThreadDelete { thread, .. } => {
            let guild = Guild(thread.guild_id.get());
            facilitator
                .place_gone(guild, Channel(thread.id.get()))
                .await?;
        }
        FullEvent::ThreadUpdate { new, .. }
            if new.thread_metadata.is_some_and(|thread| thread.archived) =>
        {
            facilitator.thread_changed(Guild(new.guild_id.get()), Channel(new.id.get()));
        }
        FullEvent::GuildCreate { guild, .. } => {
            facilitator
                .store
                .guild_joined(Guild(guild.id.get()))
                .await?;
        }
        FullEvent::GuildDelete { incomplete, .. } if !incomplete.unavailable => {
            facilitator.guild_left(Guild(incomplete.id.get())).await?;
        }
        // A new session: what happened since the last one was not told.
        FullEvent::Ready {
            data_about_bot: session,
        } => {
            facilitator.resync();
            // All guilds of the shard, also those that are out of order.
            let guilds = session.guilds.iter().map(|guild| Guild(guild.id.get()));
            let ours = |guild| {
                let shard = session.shard.as_ref();
                shard.is_none_or(|shard| shard_of(guild, shard.total) == shard.id.0)
            };
            facilitator.is_in(&guilds.collect(), ours).await?;
        }
        _ => {}
    }
    Ok(())
}

/// A digit was set or taken back under a candidate.
async fn reacted(
    bot: &Arc<Bot>,
    reaction: &Reaction,
    change: fn(&mut Round, CandidateKey, Member, Likert, Time) -> Result<(), RatingRefused>,
) -> Result<(), Failure> {
    let facilitator = &bot.facilitator;
    let (Some(user), Some(digit)) = (reaction.user_id, platform::digit(&reaction.emoji)) else {
        return Ok(());
    };
    if facilitator.platform.is_me(user) {
        return Ok(());
    }
    let message = Message(reaction.message_id.get());
    let Some((key, Item::Candidate { stage, candidate })) = facilitator.shown_by(message) else {
        return Ok(());
    };
    let member = Member(user.get());
    facilitator
        .update(key, |round, now| {
            let current = round.stages.len() == usize::from(stage) + 1;
            if current && round.takes_reactions() {
                // After the close there is nothing to change: the message says that it is closed.
                let _ = change(round, candidate, member, digit, now);
            }
        })
        .await?;
    Ok(())
}
