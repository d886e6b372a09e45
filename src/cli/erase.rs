//! `accord erase`: everything about a member, or a guild, on the host's side.

use std::process::ExitCode;

use accord::config::Config;
use accord::deliberation::id::{Guild, Member};
use accord::facilitator::erasure::{
    Erased, Learned, erase_guild_while_stopped, erase_member_while_stopped,
};
use anyhow::Result;
use chrono::Utc;

use super::{say, store};

/// Erase a member, or a whole guild, from everything in the data folder
///
/// The rounds, what models are trained on, and the snapshots. Members can do that themselves with
/// /privacy erase. The bot must not run with the same data folder meanwhile.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord erase --guild 1234567890 --member 9876543210
  accord erase --guild 1234567890         # all of that guild")]
pub struct Args {
    /// The guild's Discord id
    #[arg(long, value_name = "ID")]
    guild: u64,
    /// The member's Discord id; without it the whole guild is erased
    #[arg(long, value_name = "ID")]
    member: Option<u64>,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let store = store::open(config).await?;
    let (guild, data_dir) = (Guild(args.guild), &config.data_dir);
    let erased = match args.member {
        Some(member) => {
            let (member, now) = (Member(member), Utc::now());
            erase_member_while_stopped(&store, data_dir, guild, member, now).await
        }
        None => erase_guild_while_stopped(&store, data_dir, guild).await,
    };
    // The store is closed whatever came of it.
    store.close().await?;
    let Erased {
        rounds,
        learned: Learned { own, elsewhere },
        snapshots,
    } = erased?;
    match args.member {
        Some(_) => say(format!("erased from {rounds} rounds"))?,
        None => say(format!(
            "erased with {rounds} rounds, and all that was trained there"
        ))?,
    }
    say(format!("snapshots written anew: {}", snapshots.rewritten))?;
    if snapshots.removed > 0 {
        let removed = snapshots.removed;
        say(format!(
            "snapshots removed, since they were damaged: {removed}"
        ))?;
    }
    for version in own {
        say(format!(
            "stays: version {version} of a model, which has learned from them"
        ))?;
    }
    if elsewhere > 0 {
        say(format!(
            "stay: {elsewhere} versions of models of other guilds that have learned from them"
        ))?;
    }
    say(
        "stays: what was posted on Discord, what others exported or downloaded, backups and copies of the data folder that are kept elsewhere",
    )?;
    if args.member.is_none() {
        say("stays: the guild's id with the number of its next round")?;
    }
    Ok(ExitCode::SUCCESS)
}
