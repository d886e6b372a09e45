//! `accord report`: a round's result as a page for the browser.

use std::path::PathBuf;
use std::process::ExitCode;

use accord::config::Config;
use accord::deliberation::id::{Guild, RoundKey};
use accord::deliberation::round::Round;
use accord::discord::render::{ReportTemplate, report};
use accord::discord::wording::Languages;
use accord::store::Store;
use accord::suggestion::did_you_mean;
use anyhow::{Result, bail};

use super::{say, store, write_whole};

/// Write a round's result as an HTML page, with a chart
///
/// The page is one file that needs nothing else, in the language that the round was opened in. It holds
/// no opinions, and nothing in it tells who wrote or rated what. The bot must not run with the same data
/// folder meanwhile; on Discord, /round export gives the same page.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord report 3 --out round-3.html
  accord report 3 --guild 1234567890 > round-3.html")]
pub struct Args {
    /// The round's number, as Discord shows it
    #[arg(value_name = "ROUND")]
    number: u32,
    /// The guild's Discord id, where the store has several
    #[arg(long, value_name = "ID")]
    guild: Option<u64>,
    /// The file to write, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let template = ReportTemplate::new(config.text(ReportTemplate::FILE)?)?;
    let languages = Languages::new(config.texts("wording", ".ftl")?)?;
    let store = store::open(config).await?;
    let found = find(&store, args.guild.map(Guild), args.number).await;
    store.close().await?;
    let round = found?;
    let Some(result) = round.result() else {
        let state = match round.is_open() {
            true => "is not over",
            false => "ended without one",
        };
        bail!("round {} has no result: it {state}", round.key.number);
    };
    let wording = languages.of(&round.terms.language);
    let page = report(&template, wording, &round, result)?;
    match &args.out {
        Some(out) => write_whole(out, page.as_bytes())?,
        None => say(page.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(store: &Store, guild: Option<Guild>, number: u32) -> Result<Round> {
    let guilds = store.guilds().await?;
    let ids: Vec<String> = guilds.iter().map(ToString::to_string).collect();
    let guild = match (guild, guilds.as_slice()) {
        (Some(guild), _) => guild,
        (None, [guild]) => *guild,
        (None, []) => bail!("the store has no guild"),
        (None, _) => bail!(
            "say with --guild which one is meant: the store has {}",
            ids.join(", ")
        ),
    };
    if let Some(round) = store.round(RoundKey { guild, number }).await? {
        return Ok(round);
    }
    let rounds = store.rounds(guild).await?;
    let (Some(first), Some(last)) = (rounds.first(), rounds.last()) else {
        let meant = did_you_mean(&guild.to_string(), ids.iter().map(String::as_str));
        bail!("guild {guild} has no rounds here{meant}");
    };
    let (first, last) = (first.key.number, last.key.number);
    bail!("guild {guild} has no round {number}, its rounds are numbered from {first} to {last}")
}
