//! `accord export`: a guild's rounds for researchers, in the format of deliberations.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accord::config::Config;
use accord::deliberation::consent::agreed;
use accord::deliberation::guild::Training;
use accord::deliberation::id::Guild;
use accord::deliberation::training_data::export;
use anyhow::{Context, Result, ensure};

use super::{say, store};

/// Write a guild's rounds as deliberations (JSON lines), with pseudonyms
///
/// Only what members wrote and rated who agreed to training is in it. The bot must not run with the
/// same data folder meanwhile.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord export --guild 1234567890 --out rounds.jsonl
  accord export --guild 1234567890 | gzip > rounds.jsonl.gz")]
pub struct Args {
    /// The guild's Discord id
    #[arg(long, value_name = "ID")]
    guild: u64,
    /// The file to write, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let guild = Guild(args.guild);
    let store = store::open(config).await?;
    let training = store.settings(guild).await?.training;
    let rounds = store.rounds(guild).await?;
    let agreed = agreed(&store.consents(guild).await?);
    store.close().await?;
    ensure!(!rounds.is_empty(), "guild {guild} has no rounds here");
    ensure!(
        training != Training::Off,
        "training is off in guild {guild}, so nothing of its rounds is given away; there, /settings set turns it on"
    );
    // Thrown away, so that nobody can tell afterwards who is who.
    let key: [u8; 32] = rand::random();
    let exported: Vec<_> = rounds
        .iter()
        .filter_map(|round| export(round, &agreed, &key))
        .collect();
    ensure!(
        !exported.is_empty(),
        "of {} rounds in guild {guild} none can be exported: three participants of a concluded round must have agreed to training, and two of them rated two statements",
        rounds.len()
    );
    let mut text = String::new();
    for row in &exported {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    match &args.out {
        Some(out) => {
            write(out, &text).with_context(|| format!("cannot write {}", out.display()))?;
        }
        None => say(text.trim_end())?,
    }
    eprintln!("{} of {} rounds", exported.len(), rounds.len());
    Ok(ExitCode::SUCCESS)
}

/// A file under its name is whole.
fn write(out: &Path, text: &str) -> Result<()> {
    let folder = match out.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(out)?;
    Ok(())
}
