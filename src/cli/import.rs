//! `accord import`: deliberations from elsewhere, to train models on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accord::config::Config;
use accord::deliberation::id::Guild;
use accord::deliberation::record::Deliberation;
use accord::suggestion::path_or_similar;
use accord::training::imported::{self, polis};
use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};

use super::{input, say};

/// Keep deliberations from elsewhere in the data folder, to train models on
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord import polis openData/15-per-hour-seattle
  accord import deliberations rounds.jsonl --guild 1234567890")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// A conversation as Polis exports it: a folder with comments.csv, participants-votes.csv and
    /// summary.csv
    ///
    /// What participants wrote is their opinion, and votes are ratings: agree 6, pass 4, disagree 2.
    #[command(after_help = "Example:
  git clone https://github.com/compdemocracy/openData
  accord import polis openData/15-per-hour-seattle")]
    Polis {
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        #[command(flatten)]
        target: Target,
    },
    /// Deliberations with ratings (JSON lines), such as accord export writes
    #[command(after_help = "Examples:
  accord import deliberations rated.jsonl
  accord import deliberations rounds.jsonl --guild 1234567890")]
    Deliberations {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        target: Target,
    },
}

/// Whose models are trained on it.
#[derive(clap::Args)]
struct Target {
    /// For the models of this guild alone, by its Discord id; else for those of all guilds
    #[arg(long, value_name = "ID")]
    guild: Option<u64>,
}

/// Prints what was imported, and all that there is. Exit code 1 if a row could not be used.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let (code, guild) = match args.command {
        Command::Polis { folder, target } => {
            let guild = target.guild.map(Guild);
            import_polis(&folder, guild, config)?;
            (ExitCode::SUCCESS, guild)
        }
        Command::Deliberations { file, target } => {
            let guild = target.guild.map(Guild);
            let all_usable = import_deliberations(file, guild, config).await?;
            let code = match all_usable {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            };
            (code, guild)
        }
    };
    list(guild, config)?;
    Ok(code)
}

fn import_polis(folder: &Path, guild: Option<Guild>, config: &Config) -> Result<()> {
    let name = name_of(folder);
    let read = polis::read(folder, &name)?;
    if read.signs_swapped {
        eprintln!(
            "by the counts in comments.csv, -1 means agree and 1 disagree in participants-votes.csv: so it was read"
        );
    }
    let path = imported::keep(&config.data_dir, guild, &name, &read.deliberations)?;
    say(format!(
        "{}: {} (agree is {}, pass {}, disagree {}); of {} participants who voted {} wrote something, and {} are in a group",
        path.display(),
        counted(&read.deliberations),
        polis::AGREE,
        polis::PASS,
        polis::DISAGREE,
        read.voters,
        read.authors,
        read.members
    ))
}

/// Whether all rows could be used.
async fn import_deliberations(
    file: PathBuf,
    guild: Option<Guild>,
    config: &Config,
) -> Result<bool> {
    let (rows, all_usable) = input::usable_rows::<Deliberation>(vec![file.clone()]).await?;
    ensure!(
        !rows.is_empty(),
        "no row of {} can be used, expected deliberations as JSON lines",
        file.display()
    );
    ensure!(
        guild.is_some() || !is_exported(&file)?,
        "{} was exported from a server, whose members agreed that its models learn from it: say which it is with --guild ID",
        file.display()
    );
    let rows: Vec<Deliberation> = rows.into_iter().map(|(_, row)| row).collect();
    let path = imported::keep(&config.data_dir, guild, &name_of(&file), &rows)?;
    let unrated = rows.iter().filter(|row| ratings(row) == 0).count();
    if unrated > 0 {
        eprintln!(
            "in {unrated} of them no rating belongs to an opinion: a reward model learns nothing from these"
        );
    }
    say(format!("{}: {}", path.display(), counted(&rows)))?;
    Ok(all_usable)
}

/// Whether `accord export` wrote it: that alone names participants.
fn is_exported(file: &Path) -> Result<bool> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read {}", path_or_similar(file)))?;
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .any(|row| row.get("participants").is_some()))
}

/// All that the models of a guild are trained on, or of all guilds.
fn list(guild: Option<Guild>, config: &Config) -> Result<()> {
    let files = imported::files(&config.data_dir, guild)?;
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "imported",
        "deliberations",
        "members",
        "ratings",
    ]);
    let mut total = [0; 3];
    for file in files {
        let rows = imported::read(&file)?;
        let counts = [
            rows.len(),
            rows.iter().map(|row| row.opinions.len()).sum(),
            rows.iter().map(ratings).sum(),
        ];
        for (total, count) in total.iter_mut().zip(counts) {
            *total += count;
        }
        add_row(&mut table, file.display().to_string(), counts);
    }
    add_row(&mut table, "in all".to_owned(), total);
    say(table.trim_fmt())
}

fn add_row(table: &mut Table, name: String, counts: [usize; 3]) {
    table.add_row(
        [name]
            .into_iter()
            .chain(counts.map(|count| count.to_string())),
    );
}

fn name_of(path: &Path) -> String {
    let name = match path.is_dir() {
        // `.` has no name of its own.
        true => path
            .canonicalize()
            .unwrap_or_default()
            .file_name()
            .map(ToOwned::to_owned),
        false => path.file_stem().map(ToOwned::to_owned),
    };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

fn counted(rows: &[Deliberation]) -> String {
    let members: usize = rows.iter().map(|row| row.opinions.len()).sum();
    let ratings: usize = rows.iter().map(ratings).sum();
    format!(
        "{} deliberations of {members} members with {ratings} ratings",
        rows.len()
    )
}

fn ratings(row: &Deliberation) -> usize {
    let statements = row.statements.iter();
    let given = statements.map(|statement| statement.agreement.iter().flatten().count());
    given.sum()
}
