//! The Discord shell: what people do there reaches the facilitator, what a round shows is posted.
//!
//! Only this module knows serenity. It holds no state of its own that a restart would lose: buttons
//! and forms carry what they mean in their ids (`custom_id`), everything else is in the store.

pub mod commands;
mod components;
pub mod custom_id;
mod events;
mod health;
pub mod http;
pub mod inspection;
pub mod neutral;
mod pace;
mod permissions;
pub mod platform;
pub mod render;
mod reply;
mod sentences;
pub mod wording;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use poise::serenity_prelude as serenity;
use serenity::all::{ClientBuilder, GatewayIntents, Http, ShardManager, ShardRunnerMessage};
use tokio_util::sync::CancellationToken;

use self::health::Health;
use self::pace::Pace;
use self::platform::DiscordPlatform;
use self::render::{HostFacts, ReportTemplate};
use self::wording::Languages;
use crate::config::{Config, RoundDefaults, Shards};
use crate::deliberation::id::Guild;
use crate::deliberation::retraining::Model;
use crate::deliberation::welfare::WelfareFunction;
use crate::facilitator::Facilitator;
use crate::facilitator::backups::Backups;
use crate::facilitator::clock::Clock;
use crate::facilitator::models::Models;
use crate::facilitator::retraining::{self, Trainer};
use crate::store::Store;
use crate::store::snapshots::Snapshots;
use crate::training::card::Kind;
use crate::training::versions::Versions;

/// What every command and event can reach.
pub struct Bot {
    pub facilitator: Arc<Facilitator<DiscordPlatform>>,
    pub languages: Arc<Languages>,
    pub report: ReportTemplate,
    pub host: HostFacts,
    pub rounds: RoundDefaults,
    /// What rounds are opened with where nobody says otherwise.
    pub welfare: WelfareFunction,
    pace: Pace,
    erasures: Pace,
    /// The host's versions, which serve where a guild has none of its own active.
    reward_versions: Versions,
    generator_versions: Versions,
}

impl Bot {
    /// The host's versions of a model.
    pub fn host_versions(&self, model: Model) -> Versions {
        match model {
            Model::RewardModel => self.reward_versions.clone(),
            Model::Generator => self.generator_versions.clone(),
        }
    }
}

/// What the bot is run with, apart from the settings.
pub struct Parts {
    pub store: Store,
    pub models: Arc<dyn Models>,
    pub trainer: Arc<dyn Trainer>,
    pub clock: Clock,
    /// Made by [`http::http`].
    pub http: Http,
    /// Where the models read what people wrote.
    pub host: HostFacts,
}

/// Runs the bot until `shutdown` is cancelled.
///
/// # Errors
/// A wrong token, Discord out of reach at the start, a store that cannot be read or written, a port
/// that cannot be listened at.
pub async fn run(config: &Config, parts: Parts, shutdown: CancellationToken) -> Result<()> {
    let Parts {
        store,
        models,
        trainer,
        clock,
        http,
        host,
    } = parts;
    let me = http.get_current_user().await.context(
        "Discord does not accept DISCORD_TOKEN, or cannot be reached; see accord doctor",
    )?;
    let languages = Arc::new(Languages::new(config.texts("wording", ".ftl")?)?);
    let report = ReportTemplate::new(config.text(ReportTemplate::FILE)?)?;
    // The commands are registered at the first connection, when the bot is complete.
    let complete: Arc<OnceLock<Arc<Bot>>> = Arc::default();
    let bot = complete.clone();
    let framework = poise::Framework::builder()
        .options(poise::FrameworkOptions {
            commands: commands::all(&languages),
            event_handler: |framework, event| Box::pin(events::handle(framework, event)),
            on_error: |error| Box::pin(reply::report(error)),
            command_check: Some(|ctx| Box::pin(async move { reply::keep_pace(ctx) })),
            ..Default::default()
        })
        .initialize_owners(false)
        .setup(move |ctx, _, framework| {
            Box::pin(async move {
                poise::builtins::register_globally(ctx, &framework.options().commands)
                    .await
                    .context("cannot register the commands")?;
                Ok(bot.get().context("the bot is complete")?.clone())
            })
        })
        .build();
    // No privileged intent: Accord reads no messages.
    let intents = GatewayIntents::GUILDS | GatewayIntents::GUILD_MESSAGE_REACTIONS;
    let mut client = ClientBuilder::new_with_http(http, intents)
        .framework(framework)
        .await
        .context("cannot set up the connection to Discord")?;
    if let Some(gateway) = &config.discord.gateway_url {
        *client.ws_url.lock().await = gateway.clone();
    }

    let platform =
        DiscordPlatform::new(client.http.clone(), me.id, languages.clone(), host.clone());
    let retraining = retraining::Parts {
        trainer,
        limits: config.retraining.limits(),
        data_dir: config.data_dir.clone(),
    };
    let backups = Backups {
        snapshots: Snapshots::in_data_dir(&config.data_dir),
        every: config.backups.every,
        kept: config.backups.kept,
        kept_for: TimeDelta::days(config.backups.kept_days.into()),
    };
    let facilitator = Facilitator::new(
        store,
        platform,
        models,
        config.outcome,
        clock,
        retraining,
        backups,
    );
    let bot = Arc::new(Bot {
        facilitator: facilitator.clone(),
        languages,
        report,
        host,
        rounds: config.rounds.clone(),
        welfare: config.deliberation.welfare,
        pace: Pace::of_answers(),
        erasures: Pace::of_erasures(),
        reward_versions: config.versions(Kind::Reward)?,
        generator_versions: config.versions(Kind::Generator)?,
    });
    let _ = complete.set(bot.clone());

    let total = match config.discord.shards {
        Shards::Auto => None,
        Shards::Range { first, last, total } => Some((first..last + 1, total)),
    };
    let mine = total.clone();
    facilitator
        .start(move |guild| {
            mine.as_ref()
                .is_none_or(|(range, total)| range.contains(&shard_of(guild, *total)))
        })
        .await?;

    let shards = client.shard_manager.clone();
    let connection = async {
        match total {
            None => client.start_autosharded().await,
            Some((range, total)) => client.start_shard_range(range, total).await,
        }
    };
    let health = Health {
        bot,
        shards: shards.clone(),
        started: Instant::now(),
    };
    let health = async {
        match config.health.address {
            Some(address) => health::serve(address, health).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = health => ended?,
        ended = connection => ended.context("the connection to Discord ended")?,
        // Nothing can be said to be saved any more.
        broken = facilitator.store.broken() => return Err(broken.into()),
        () = shutdown.cancelled() => leave(&shards).await,
    }
    tracing::info!("stopping: what is under way goes on at the next start");
    facilitator.stop().await
}

/// Ends all sessions. Once a session was lost and another one begun, serenity tells nobody to end it: it
/// waits for the end of the earlier one, which it has been told already.
async fn leave(shards: &ShardManager) {
    for (shard, runner) in &*shards.runners.lock().await {
        let end = ShardRunnerMessage::Shutdown(*shard, 1000);
        runner.runner_tx.send_to_shard(end);
    }
    shards.shutdown_all().await;
}

/// Discord's rule: which shard hears of a guild.
fn shard_of(guild: Guild, total: u32) -> u32 {
    ((guild.0 >> 22) % u64::from(total)) as u32
}
