//! `accord ballots`: what people decided who saw the statements of an experiment blinded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accord::experiment::ballots::{Ballot, Decided, Key, RatersAgreement, tally};
use accord::experiment::statistics::win_rate::Tally;
use anyhow::{Context, Result, ensure};
use comfy_table::{CellAlignment, Table, presets};
use serde::de::DeserializeOwned;

use super::experiment::{BALLOTS, KEY};
use super::{input, say};

/// Count the ballots of an experiment that people have filled in
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord ballots tally experiment")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Win rates by arm, and how far raters agree with one another
    ///
    /// Reads ballots.jsonl and every ballots-NAME.jsonl in the folder, one a rater, in which "choice"
    /// is "a", "b" or "tie".
    #[command(after_help = "Examples:
  accord experiment --data rounds.jsonl --out experiment
  accord ballots tally experiment")]
    Tally {
        /// The folder that accord experiment --out made
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// Exit code 1 if nothing is filled in, or a ballot cannot be read.
pub async fn run(args: Args) -> Result<ExitCode> {
    let Command::Tally { folder } = args.command;
    let keys: Vec<Key> = read(&folder.join(KEY)).await?;
    let mut filled: BTreeMap<String, Vec<Ballot>> = BTreeMap::new();
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if let Some(rater) = rater(&path) {
            filled.insert(rater, read(&path).await?);
        }
    }
    say(text(&tally(&keys, &filled)?))?;
    Ok(ExitCode::SUCCESS)
}

/// Whose ballots a file holds.
fn rater(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    if name == BALLOTS {
        return Some("ballots.jsonl".to_owned());
    }
    let rater = name.strip_prefix("ballots-")?.strip_suffix(".jsonl")?;
    Some(rater.to_owned())
}

/// All rows; one that cannot be read might be a vote that is lost.
async fn read<T: DeserializeOwned + Send + 'static>(path: &Path) -> Result<Vec<T>> {
    let (rows, all_usable) = input::usable_rows::<T>(vec![path.to_owned()]).await?;
    ensure!(
        all_usable,
        "{} cannot be read: mend the rows above, \"choice\" is \"a\", \"b\", \"tie\" or null",
        path.display()
    );
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn text(decided: &Decided) -> String {
    let Decided {
        raters,
        arms,
        agreement,
    } = decided;
    let raters: Vec<String> = raters
        .iter()
        .map(|(rater, ballots)| format!("{rater} {ballots}"))
        .collect();
    let percent = |share: f64| format!("{:.0}", 100.0 * share);
    let interval = |[low, high]: [f64; 2]| format!("[{}, {}]", percent(low), percent(high));
    let mut rates = table(&[
        "",
        "won",
        "lost",
        "tied",
        "win rate %",
        "Wilson",
        "by deliberation",
    ]);
    for ([ours, theirs], rate) in arms {
        let Tally { wins, losses, ties } = rate.tally;
        let [share, wilson, clustered] = match rate.share {
            Some(share) => [
                percent(share.value),
                interval(share.wilson),
                share.clustered.map_or_else(none, interval),
            ],
            None => [none(), none(), none()],
        };
        let counts = [wins, losses, ties].map(|count| count.to_string());
        rates.add_row(
            [format!("{ours} against {theirs}")]
                .into_iter()
                .chain(counts)
                .chain([share, wilson, clustered]),
        );
    }
    align(&mut rates);
    let mut pairs = table(&["raters", "ballots of both", "same choice", "kappa"]);
    for RatersAgreement {
        raters: [one, other],
        ballots,
        same,
        kappa,
    } in agreement
    {
        pairs.add_row([
            format!("{one}, {other}"),
            ballots.to_string(),
            same.to_string(),
            kappa.map_or_else(none, |kappa| format!("{kappa:.2}")),
        ]);
    }
    align(&mut pairs);
    let pairs = match agreement.is_empty() {
        true => "One rater alone: how far people agree cannot be told.".to_owned(),
        false => format!("How far raters agree with one another (Cohen's kappa):\n\n{pairs}"),
    };
    format!(
        "\
Ballots filled in: {}. Ties are left out of win rates; in brackets 95 % intervals, by Wilson and by
bootstrap over deliberations.

{rates}

{pairs}",
        raters.join(", ")
    )
}

fn none() -> String {
    "–".to_owned()
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_header(header);
    table
}

fn align(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
