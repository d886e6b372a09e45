//! `accord evaluate`: how well a model does on data with real ratings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use accord::config::Config;
use accord::deliberation::record::{Deliberation, VotedMember};
use accord::inference::reward::TextTooLong;
use accord::training::evaluation::bootstrap::Estimate;
use accord::training::evaluation::certainty::CertaintyEvaluation;
use accord::training::evaluation::{
    self, ByDifference, Evaluation, PairwiseAccuracy, Scored, ScoredVotes, VoteEvaluation,
};
use accord::training::prediction::{self, OpinionShown};
use anyhow::{Result, bail};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::bar::Bar;
use super::input::{self, Place};
use super::{engines, say};

/// Measure how well a model does on data with real ratings
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord evaluate reward --data config/data/deliberations-held-out.jsonl")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Reward(RewardArgs),
}

/// Compare predicted ratings with real ones: pairwise accuracy, calibration, certainty, baselines
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord evaluate reward --data deliberations-held-out.jsonl
  accord evaluate reward --data deliberations-held-out.jsonl --opinion swapped --json
  accord evaluate reward --data polis-votes.jsonl")]
struct RewardArgs {
    /// JSON lines of deliberations with rated statements, or of members with votes
    /// ({"conversation", "question", "opinion", "votes"}); - is standard input
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The opinion that the reward model reads
    #[arg(long, value_enum, default_value_t = OpinionShown::Own)]
    opinion: OpinionShown,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Exit code 1 if a row could not be used or rated.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    match args.command {
        Command::Reward(args) => reward(args, config).await,
    }
}

async fn reward(args: RewardArgs, config: &Config) -> Result<ExitCode> {
    let (rows, all_usable) =
        input::usable_rows::<Map<String, Value>>(vec![args.data.clone()]).await?;
    let (votes, deliberations): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|(_, fields)| fields.contains_key("votes"));
    if let (Some((voted, _)), Some((rated, _))) = (votes.first(), deliberations.first()) {
        bail!(
            "line {} has votes and line {} has none, expected rows of one kind; evaluate deliberations and votes from two files",
            voted.line,
            rated.line
        );
    }
    let all_used = if votes.is_empty() {
        on_deliberations(deliberations, &args, config).await?
    } else {
        on_votes(votes, &args, config).await?
    };
    Ok(if all_usable && all_used {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whether every row and every rating could be used.
async fn on_deliberations(
    rows: Vec<(Place, Map<String, Value>)>,
    args: &RewardArgs,
    config: &Config,
) -> Result<bool> {
    let (places, deliberations, all_usable) = checked::<Deliberation>(rows);
    if deliberations.is_empty() {
        return Ok(false);
    }
    let reward_model = engines::reward_model(config).await?;
    let members = deliberations.iter().map(|row| row.opinions.len()).sum();
    let bar = Bar::new("predicting ratings", members)?;
    let predicted = prediction::predict_all(&reward_model, &deliberations, args.opinion, |done| {
        bar.set_position(done);
    })
    .await?;
    drop(bar);
    let skipped = report_skipped(&places, predicted.iter().map(|row| &row.too_long));
    let scored: Vec<Scored> = deliberations
        .iter()
        .zip(&predicted)
        .map(|(deliberation, predicted)| Scored {
            deliberation,
            predicted: &predicted.ratings,
        })
        .collect();
    let report = Report {
        opinion: args.opinion,
        skipped,
        figures: evaluation::evaluate(&scored)?,
    };
    say(if args.json {
        serde_json::to_string(&report)?
    } else {
        report.text()
    })?;
    Ok(all_usable && skipped == 0)
}

/// Whether every row and every vote could be used.
async fn on_votes(
    rows: Vec<(Place, Map<String, Value>)>,
    args: &RewardArgs,
    config: &Config,
) -> Result<bool> {
    let (places, members, all_usable) = checked::<VotedMember>(rows);
    if members.is_empty() {
        return Ok(false);
    }
    let reward_model = engines::reward_model(config).await?;
    let bar = Bar::new("predicting ratings", members.len())?;
    let predicted = prediction::predict_votes(&reward_model, &members, args.opinion, |done| {
        bar.set_position(done);
    })
    .await?;
    drop(bar);
    let skipped = report_skipped(&places, predicted.iter().map(|row| &row.too_long));
    let scored: Vec<ScoredVotes> = members
        .iter()
        .zip(&predicted)
        .map(|(member, predicted)| ScoredVotes {
            member,
            predicted: &predicted.ratings,
        })
        .collect();
    let report = Report {
        opinion: args.opinion,
        skipped,
        figures: evaluation::evaluate_votes(&scored)?,
    };
    say(if args.json {
        serde_json::to_string(&report)?
    } else {
        report.text()
    })?;
    Ok(all_usable && skipped == 0)
}

/// The good rows with their places; the others are reported, and the flag says whether there
/// were none.
fn checked<T: DeserializeOwned>(
    rows: Vec<(Place, Map<String, Value>)>,
) -> (Vec<Place>, Vec<T>, bool) {
    let (mut places, mut good, mut all_good) = (Vec::new(), Vec::new(), true);
    for (place, fields) in rows {
        match serde_json::from_value(Value::Object(fields)) {
            Ok(row) => {
                places.push(place);
                good.push(row);
            }
            Err(error) => {
                all_good = false;
                input::report_bad_row(&place, &error.to_string());
            }
        }
    }
    (places, good, all_good)
}

/// How many ratings have no prediction.
fn report_skipped<'a>(
    places: &[Place],
    too_long: impl Iterator<Item = &'a Vec<TextTooLong>>,
) -> usize {
    let mut skipped = 0;
    for (place, errors) in places.iter().zip(too_long) {
        if let Some(first) = errors.first() {
            let count = errors.len();
            input::report_bad_row(
                place,
                &format!("no prediction for {count} of its ratings: {first}"),
            );
            skipped += count;
        }
    }
    skipped
}

/// What is printed.
#[derive(Serialize)]
struct Report<T> {
    opinion: OpinionShown,
    /// Ratings without a prediction, since their texts are longer than the model's context.
    skipped: usize,
    #[serde(flatten)]
    figures: T,
}

impl<T> Report<T> {
    fn reading(&self) -> String {
        let reading = match self.opinion {
            OpinionShown::Own => "The reward model read each member's own opinion.",
            OpinionShown::Swapped => {
                "Control: the reward model read another member's opinion instead of the own one."
            }
            OpinionShown::Blank => "Control: the reward model read no opinion.",
        };
        match self.skipped {
            0 => reading.to_owned(),
            skipped => {
                format!("{reading} {skipped} ratings are left out: their texts are too long.")
            }
        }
    }
}

impl Report<Evaluation> {
    fn text(&self) -> String {
        let Evaluation {
            deliberations,
            ratings,
            within,
            within_similar_length,
            between,
            mean_absolute_error,
            expected_calibration_error,
            bins,
            certainty,
        } = &self.figures;
        let mut accuracies = accuracy_table();
        for (
            pairs,
            ByDifference {
                at_least_1,
                at_least_2,
            },
        ) in [
            ("within a member", within),
            ("  of similar length", within_similar_length),
            ("between members", between),
        ] {
            add_accuracy(
                &mut accuracies,
                &format!("{pairs}, ≥ 1 apart"),
                at_least_1.as_ref(),
            );
            add_accuracy(
                &mut accuracies,
                &format!("{pairs}, ≥ 2 apart"),
                at_least_2.as_ref(),
            );
        }
        let mut calibration = table();
        calibration.set_header(["predicted rating", "ratings", "mean predicted", "mean real"]);
        for bin in bins {
            calibration.add_row([
                format!("{} to {}", bin.from, bin.to),
                bin.ratings.to_string(),
                format!("{:.2}", bin.mean_predicted),
                format!("{:.2}", bin.mean_real),
            ]);
        }
        align_numbers(&mut calibration);
        let reading = self.reading();
        let (error, calibration_error) = (
            shown(mean_absolute_error),
            shown(expected_calibration_error),
        );
        format!(
            "\
{ratings} ratings in {deliberations} deliberations. {reading}

Pairwise accuracy: how often the higher of two real ratings is predicted to be the higher one.
Within a member: one member rates two statements; between members: two rate the same one.
In brackets, here and below: 95 % intervals by bootstrap over deliberations.

{accuracies}

Mean absolute error of the predicted rating: {error} rating points.
Expected calibration error: {calibration_error} rating points.

{calibration}{}",
            certainty_table(certainty)
        )
    }
}

/// Nothing where there was no choice to be made.
fn certainty_table(certainty: &BTreeMap<String, CertaintyEvaluation>) -> String {
    if certainty.is_empty() {
        return String::new();
    }
    let mut choices = table();
    choices.set_header([
        "",
        "choices",
        "mean probability",
        "are the best",
        "calibration error",
        "in the interval",
    ]);
    let mut bins = table();
    bins.set_header(["probability", "choices", "mean probability", "are the best"]);
    for (function, found) in certainty {
        let coverage = found.interval_coverage.as_ref();
        choices.add_row([
            function.clone(),
            found.deliberations.to_string(),
            format!("{:.3}", found.probability_best),
            shown(&found.chosen_is_best),
            shown(&found.expected_calibration_error),
            coverage.map_or_else(|| "–".to_owned(), shown),
        ]);
        for bin in &found.bins {
            bins.add_row([
                format!("{function}, {:.1} to {:.1}", bin.from, bin.to),
                bin.deliberations.to_string(),
                format!("{:.2}", bin.probability_best),
                format!("{:.2}", bin.chosen_is_best),
            ]);
        }
    }
    align_numbers(&mut choices);
    align_numbers(&mut bins);
    format!(
        "

Certainty: of the statements of a deliberation one is chosen by predicted ratings, with the probability
that it is the best one; real ratings tell whether it is, and whether its welfare lies in its interval
of 90 %.

{choices}

{bins}"
    )
}

impl Report<VoteEvaluation> {
    fn text(&self) -> String {
        let VoteEvaluation {
            members,
            votes,
            within,
            within_similar_length,
        } = &self.figures;
        let mut accuracies = accuracy_table();
        add_accuracy(&mut accuracies, "within a member", Some(within));
        add_accuracy(
            &mut accuracies,
            "  of similar length",
            within_similar_length.as_ref(),
        );
        let reading = self.reading();
        format!(
            "\
{votes} agreements and disagreements of {members} members. {reading}

Pairwise accuracy: how often the statement that a member agrees with is predicted to be rated
higher than one that the member disagrees with. In brackets: 95 % intervals by bootstrap over
members.

{accuracies}"
        )
    }
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table
}

fn accuracy_table() -> Table {
    let mut table = table();
    table.set_header(["", "pairs", "reward model", "longer", "tf-idf"]);
    table
}

fn add_accuracy(table: &mut Table, name: &str, accuracy: Option<&PairwiseAccuracy>) {
    let none = || "–".to_owned();
    let row = match accuracy {
        Some(accuracy) => [
            accuracy.pairs.to_string(),
            shown(&accuracy.reward_model),
            accuracy.longer.as_ref().map_or_else(none, shown),
            shown(&accuracy.tf_idf),
        ],
        None => ["0".to_owned(), none(), none(), none()],
    };
    table.add_row([name.to_owned()].into_iter().chain(row));
    align_numbers(table);
}

fn align_numbers(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn shown(Estimate { value, interval }: &Estimate) -> String {
    match interval {
        Some([low, high]) => format!("{value:.3} [{low:.2}, {high:.2}]"),
        None => format!("{value:.3}"),
    }
}
