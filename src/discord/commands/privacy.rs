//! `/privacy`: what Accord knows of whoever asks, and forgetting it.

use serde_json::json;

use crate::deliberation::about::{about_member, about_member_in};
use crate::discord::Bot;
use crate::discord::render;
use crate::discord::reply::{Asked, Context, Failure, pretty_json};

/// What Accord knows about you
#[poise::command(
    slash_command,
    install_context = "Guild",
    interaction_context = "Guild",
    subcommands("what", "export", "erase", "training"),
    subcommand_required
)]
pub async fn privacy(_: Context<'_>) -> Result<(), Failure> {
    Ok(())
}

/// What is kept, for how long, and who can see it
#[poise::command(slash_command)]
async fn what(ctx: Context<'_>) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    let days = u32::from(asked.bot.rounds.retention_days);
    let snapshots = asked.bot.facilitator.snapshots_kept_for().num_days();
    let text = asked.wording().say(
        "privacy-what",
        &[("days", days.into()), ("snapshots", snapshots.into())],
    );
    asked.say(text).await
}

/// Everything that is kept about you, as a file
#[poise::command(slash_command)]
async fn export(ctx: Context<'_>) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    asked.defer().await?;
    let (member, guild) = (asked.member(), asked.guild);
    let facilitator = &asked.bot.facilitator;
    let rounds = facilitator.rounds(guild).await?;
    let rounds: Vec<_> = rounds
        .iter()
        .filter_map(|round| about_member(round, member))
        .collect();
    let retrainings: Vec<_> = facilitator
        .all_retrainings()
        .iter()
        .filter_map(|made| about_member_in(made, guild, member))
        .collect();
    let consent = facilitator.store.consent(guild, member).await?;
    let settings = facilitator.store.settings(guild).await?;
    let changed = settings.changed.filter(|(by, _)| *by == member);
    let wording = asked.wording();
    let mut text = wording.say("privacy-export", &[("rounds", rounds.len().into())]);
    if consent.is_some() {
        text.push(' ');
        text.push_str(&wording.say("privacy-export-training", &[]));
    }
    let about = json!({
        "rounds": rounds,
        "training": consent,
        "retrainings": retrainings,
        "changed_the_settings": changed.map(|(_, at)| at),
    });
    asked
        .finish_with_file(text, "accord-about-me.json", pretty_json(&about)?)
        .await
}

/// Delete everything that is kept about you
#[poise::command(slash_command)]
async fn erase(ctx: Context<'_>) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    let (guild, member) = (asked.guild, asked.member());
    let Bot {
        facilitator,
        erasures,
        ..
    } = &**asked.bot;
    let now = facilitator.clock.now();
    if let Err(wait) = erasures.ask(guild, member, now) {
        let look = render::erased_just_now(asked.wording(), now + wait);
        return asked.answer(look).await;
    }
    let done = async {
        asked.defer().await?;
        Ok(facilitator.erase_member(guild, member).await?)
    };
    let erased = done
        .await
        .inspect_err(|_: &Failure| erasures.forgive(guild, member))?;
    asked.finish(render::erased(asked.wording(), &erased)).await
}

/// Whether your opinions and ratings may train models
#[poise::command(slash_command)]
async fn training(ctx: Context<'_>) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    let store = &asked.bot.facilitator.store;
    let training = store.settings(asked.guild).await?.training;
    let consent = store.consent(asked.guild, asked.member()).await?;
    asked
        .answer(render::consent(asked.wording(), training, consent))
        .await
}
