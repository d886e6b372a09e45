//! `/model`: a guild's models, and retraining them.

use anyhow::Context as _;
use poise::serenity_prelude::{ChannelType, PartialChannel};

use crate::deliberation::id::Guild;
use crate::deliberation::retraining::{Model, Retraining};
use crate::discord::Bot;
use crate::discord::permissions::{missing_for_messages, require_manager};
use crate::discord::render::Look;
use crate::discord::render::model::{self, ModelStatus, Served, ShownVersion};
use crate::discord::reply::{Asked, Context, Failure};
use crate::discord::sentences;
use crate::experiment::rounds::compare;
use crate::training::versions::{RolledBack, VersionId};

/// The models of this server
#[poise::command(
    slash_command,
    install_context = "Guild",
    interaction_context = "Guild",
    default_member_permissions = "MANAGE_GUILD",
    subcommands("status", "retrain", "report", "rollback"),
    subcommand_required
)]
pub async fn model(_: Context<'_>) -> Result<(), Failure> {
    Ok(())
}

/// Which of the two models.
#[derive(Clone, Copy, poise::ChoiceParameter)]
enum ModelChoice {
    #[name = "reward"]
    Reward,
    #[name = "generator"]
    Generator,
}

impl From<ModelChoice> for Model {
    fn from(choice: ModelChoice) -> Self {
        match choice {
            ModelChoice::Reward => Self::RewardModel,
            ModelChoice::Generator => Self::Generator,
        }
    }
}

/// Which versions are active, and what could be learned
#[poise::command(slash_command)]
async fn status(ctx: Context<'_>) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_manager(&asked)?;
    asked.defer().await?;
    let facilitator = &asked.bot.facilitator;
    let mut models = Vec::new();
    for model in [Model::RewardModel, Model::Generator] {
        models.push(ModelStatus {
            model,
            active: active(asked.bot, asked.guild, model).await?,
            outlook: facilitator.outlook(asked.guild, model).await?,
        });
    }
    let mut under_way = facilitator.retrainings_of(asked.guild);
    under_way.retain(|retraining| !retraining.is_over());
    let under_way: Vec<_> = under_way
        .iter()
        .map(|retraining| (retraining, facilitator.training_progress(retraining.key)))
        .collect();
    asked
        .finish(model::status(asked.wording(), &models, &under_way))
        .await
}

/// Train a version on this server's ratings
#[poise::command(slash_command)]
async fn retrain(
    ctx: Context<'_>,
    #[description = "What"] what: ModelChoice,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_manager(&asked)?;
    let interaction = ctx.interaction;
    let has = interaction.app_permissions.unwrap_or_default();
    let in_thread = interaction.channel.as_ref().is_some_and(is_thread);
    let missing = missing_for_messages(has, in_thread);
    if !missing.is_empty() {
        let text = sentences::missing_permissions(asked.wording(), missing, asked.channel);
        return Err(Failure::Told(text));
    }
    asked.defer().await?;
    let model = what.into();
    let outlook = asked.bot.facilitator.outlook(asked.guild, model).await?;
    asked
        .finish(match outlook.refused {
            Some(refused) => model::refused(asked.wording(), refused),
            None => model::estimate(asked.wording(), model, &outlook),
        })
        .await
}

fn is_thread(channel: &PartialChannel) -> bool {
    matches!(
        channel.kind,
        ChannelType::PublicThread | ChannelType::PrivateThread | ChannelType::NewsThread
    )
}

/// How good the versions are
#[poise::command(slash_command)]
async fn report(
    ctx: Context<'_>,
    #[description = "What"] what: ModelChoice,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_manager(&asked)?;
    asked.defer().await?;
    let model = what.into();
    let versions = versions(asked.bot, asked.guild, model).await?;
    let made = asked.bot.facilitator.retrainings_of(asked.guild);
    let rounds = asked.bot.facilitator.rounds(asked.guild).await?;
    let arms = compare(&rounds);
    asked
        .finish(model::report(
            asked.wording(),
            model,
            &versions,
            &made,
            arms.as_ref(),
        ))
        .await
}

/// Go back to the version before
#[poise::command(slash_command)]
async fn rollback(
    ctx: Context<'_>,
    #[description = "What"] what: ModelChoice,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_manager(&asked)?;
    asked.defer().await?;
    let wording = asked.wording();
    let model = what.into();
    let rolled_back = roll_back(asked.bot, asked.guild, model).await?;
    let text = match rolled_back {
        Some(RolledBack { from, to, .. }) => model::rolled_back(wording, model, &from, &to),
        None => wording.say("rollback-nothing", &[]),
    };
    asked.finish(Look::of(text)).await
}

/// `None` where no version was active before.
async fn roll_back(bot: &Bot, guild: Guild, model: Model) -> Result<Option<RolledBack>, Failure> {
    let own = bot.facilitator.versions_of(guild, model);
    let done = tokio::task::spawn_blocking(move || match own.active()? {
        // Before it there is only what was active even earlier, and given up since.
        VersionId::Shipped => anyhow::Ok(None),
        _ => own.rollback().map(Some),
    })
    .await
    .context("going back to a version panicked")??;
    if let Some(RolledBack { from, to, skipped }) = &done {
        tracing::info!(%guild, %from, %to, skipped = skipped.len(), "a guild went back to a version");
    }
    Ok(done)
}

/// What serves a guild.
async fn active(bot: &Bot, guild: Guild, model: Model) -> Result<Served, Failure> {
    let own = bot.facilitator.versions_of(guild, model);
    let host = bot.host_versions(model);
    let served = tokio::task::spawn_blocking(move || {
        let (id, versions, is_own) = match own.active()? {
            VersionId::Shipped => (host.active()?, host, false),
            id => (id, own, true),
        };
        let card = versions.load(&id)?.map(|version| version.card);
        anyhow::Ok(Served {
            name: id.to_string(),
            is_own,
            card,
        })
    });
    Ok(served.await.context("reading a version panicked")??)
}

/// What serves other guilds too, then the guild's own versions, the oldest first.
async fn versions(bot: &Bot, guild: Guild, model: Model) -> Result<Vec<ShownVersion>, Failure> {
    let own = bot.facilitator.versions_of(guild, model);
    let host = bot.host_versions(model);
    let read = tokio::task::spawn_blocking(move || {
        let of_host = host.active()?;
        let card = host.load(&of_host)?.map(|version| version.card);
        let mut shown = vec![ShownVersion {
            name: of_host.to_string(),
            is_own: false,
            active: own.active()? == VersionId::Shipped,
            card,
        }];
        let mut stored = own.list()?;
        stored.retain(|listed| matches!(listed.id, VersionId::Stored(_)));
        // By their numbers: `reward-9` before `reward-10`.
        stored.sort_by_key(|listed| (listed.id.to_string().len(), listed.id.to_string()));
        shown.extend(stored.into_iter().map(|listed| ShownVersion {
            name: listed.id.to_string(),
            is_own: true,
            active: listed.active,
            card: listed.card.ok().flatten(),
        }));
        anyhow::Ok(shown)
    });
    Ok(read.await.context("reading the versions panicked")??)
}

/// A manager confirmed what was estimated.
pub async fn confirmed(asked: &Asked<'_>, model: Model) -> Result<(), Failure> {
    require_manager(asked)?;
    asked.defer_update().await?;
    let facilitator = &asked.bot.facilitator;
    let settings = facilitator.store.settings(asked.guild).await?;
    let language = asked.public_wording(&settings).tag();
    let begun = facilitator
        .ask_for_retraining(asked.guild, model, asked.member(), asked.channel, language)
        .await?;
    asked
        .finish(match begun {
            Ok(Retraining { key, .. }) => model::asked_for(asked.wording(), key.number),
            Err(refused) => model::refused(asked.wording(), refused),
        })
        .await
}

/// A manager cancels a retraining.
pub async fn cancelled(asked: &Asked<'_>, number: u32) -> Result<(), Failure> {
    require_manager(asked)?;
    let guild = asked.guild;
    let facilitator = &asked.bot.facilitator;
    let known = facilitator.retrainings_of(guild);
    let wording = asked.wording();
    let cancelled = match known.iter().find(|made| made.key.number == number) {
        Some(made) => {
            facilitator
                .cancel_retraining(made.key, asked.member())
                .await?
        }
        None => false,
    };
    asked
        .say(match cancelled {
            true => wording.say("training-cancelled", &[]),
            false => wording.say("training-is-over", &[]),
        })
        .await
}
