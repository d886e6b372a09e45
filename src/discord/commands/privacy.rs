//! `/privacy`: what Accord knows of whoever asks, and forgetting it.

use serde_json::json;

use crate::deliberation::id::Member;
use crate::deliberation::round::Round;
use crate::discord::render::{self, Look};
use crate::discord::reply::{Asked, Context, Failure};

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
    asked
        .say(
            asked
                .wording()
                .say("privacy-what", &[("days", days.into())]),
        )
        .await
}

/// Everything that is kept about you, as a file
#[poise::command(slash_command)]
async fn export(ctx: Context<'_>) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    asked.defer().await?;
    let member = asked.member();
    let facilitator = &asked.bot.facilitator;
    let rounds = facilitator.rounds(asked.guild).await?;
    let mut about: Vec<_> = rounds
        .iter()
        .filter_map(|round| about(round, member))
        .collect();
    let mut text = asked
        .wording()
        .say("privacy-export", &[("rounds", about.len().into())]);
    if let Some(consent) = facilitator.store.consent(asked.guild, member).await? {
        about.push(json!({ "training": consent }));
        text.push(' ');
        text.push_str(&asked.wording().say("privacy-export-training", &[]));
    }
    asked
        .finish_with_file(text, "accord-about-me.json", &about)
        .await
}

/// Delete everything that is kept about you
#[poise::command(slash_command)]
async fn erase(ctx: Context<'_>) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    asked.defer().await?;
    let facilitator = &asked.bot.facilitator;
    let versions = facilitator.versions_trained_on(asked.guild, asked.member());
    let rounds = facilitator
        .erase_member(asked.guild, asked.member())
        .await?;
    let wording = asked.wording();
    let mut text = wording.say("privacy-erased", &[("rounds", rounds.into())]);
    if versions > 0 {
        text.push(' ');
        text.push_str(&wording.say("privacy-versions", &[("versions", versions.into())]));
    }
    asked.finish(Look::of(text)).await
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

/// What a round holds about a member, if anything.
fn about(round: &Round, member: Member) -> Option<serde_json::Value> {
    let opinion = round.opinions.get(&member);
    let statement = |key| &round.candidate(key).text;
    let ratings: Vec<_> = round
        .ratings_of(member)
        .map(|(key, rating)| {
            json!({
                "statement": statement(key),
                "agreement": rating.agreement,
                "quality": rating.quality,
                "agreement_again": rating.again,
                "reactions": rating.digits,
                "at": rating.at,
            })
        })
        .collect();
    let predictions: Vec<_> = round
        .candidates
        .iter()
        .filter_map(|candidate| {
            let predicted = candidate.predictions.get(&member)?;
            Some(json!({ "statement": candidate.text, "predicted_agreement": predicted.mean() }))
        })
        .collect();
    let critiques: Vec<_> = round
        .critiques
        .iter()
        .filter(|((_, critic), _)| *critic == member)
        .map(|(_, text)| text)
        .collect();
    let acts: Vec<_> = round
        .log
        .iter()
        .filter(|entry| entry.by == Some(member))
        .collect();
    let reports: Vec<_> = round
        .candidates
        .iter()
        .filter(|candidate| candidate.reports.contains(&member))
        .map(|candidate| &candidate.text)
        .collect();
    let nothing = opinion.is_none()
        && ratings.is_empty()
        && critiques.is_empty()
        && acts.is_empty()
        && reports.is_empty();
    (!nothing).then(|| {
        json!({
            "round": round.key.number,
            "question": round.question,
            "opinion": opinion,
            "ratings": ratings,
            "predictions": predictions,
            "critiques": critiques,
            "acts": acts,
            "reports": reports,
        })
    })
}
