//! `accord rate`: predicted ratings for rows of question, opinion and statement.

use std::path::PathBuf;
use std::process::ExitCode;

use accord::config::Config;
use accord::deliberation::record::RatingRow;
use accord::inference::reward::RewardModel;
use anyhow::Result;
use serde_json::{Map, Value, json};

use super::input::{self, Place};
use super::{engines, one_line, say};

/// Predict how the author of each opinion would rate the statement
#[derive(clap::Args)]
#[command(after_help = "Example:
  echo '{\"question\": \"Should shops open on Sundays?\", \"opinion\": \"Never, staff need rest.\",
         \"statement\": \"Open on four Sundays a year.\"}' | tr -d '\\n' | accord rate -")]
pub struct Args {
    /// JSON lines: {"question", "opinion", "statement"}; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Exit code 1 if a row could not be used or rated.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let (rows, mut all_rated) = input::usable_rows(vec![args.file]).await?;
    let mut checked: Vec<CheckedRow> = Vec::with_capacity(rows.len());
    for (place, fields) in rows {
        match serde_json::from_value(Value::Object(Map::clone(&fields))) {
            Ok(row) => checked.push(CheckedRow { place, fields, row }),
            Err(error) => {
                all_rated = false;
                input::report_bad_row(&place, &error.to_string());
            }
        }
    }
    if checked.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let reward_model = engines::reward_model(config).await?;
    // Rows of one participant that follow one another share a pass of the model.
    for rows in checked.chunk_by(|CheckedRow { row: a, .. }, CheckedRow { row: b, .. }| {
        (&a.question, &a.opinion) == (&b.question, &b.opinion)
    }) {
        if rate(rows, &reward_model).await.is_ok() {
            continue;
        }
        // One of them cannot be rated: find out which.
        for row in rows.chunks(1) {
            if let Err(error) = rate(row, &reward_model).await {
                all_rated = false;
                input::report_bad_row(&row[0].place, &one_line(&error));
            }
        }
    }
    Ok(if all_rated {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct CheckedRow {
    place: Place,
    /// As they were read; they are repeated with the rating.
    fields: Map<String, Value>,
    row: RatingRow,
}

/// Rates rows of one participant, and prints them when all are rated.
async fn rate(rows: &[CheckedRow], reward_model: &RewardModel) -> Result<()> {
    let RatingRow {
        question, opinion, ..
    } = &rows[0].row;
    let statements: Vec<&str> = rows.iter().map(|row| row.row.statement.as_str()).collect();
    let predicted = reward_model.predict(question, opinion, &statements).await?;
    for (row, distribution) in rows.iter().zip(predicted) {
        let mut fields = row.fields.clone();
        fields.insert("rating".into(), json!(distribution.mean()));
        fields.insert("distribution".into(), json!(distribution));
        say(Value::Object(fields))?;
    }
    Ok(())
}
