//! `accord rate`: predicted ratings for rows of question, opinion and statement.

use std::path::PathBuf;
use std::process::ExitCode;

use accord::config::Config;
use accord::deliberation::record::RatingRow;
use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{engines, input};

/// Predict how the author of each opinion would rate the statement
#[derive(clap::Args)]
#[command(after_help = "Example:
  echo '{\"question\": \"Should shops open on Sundays?\", \"opinion\": \"Never, staff need rest.\",
         \"statement\": \"Open on four Sundays a year.\"}' | tr -d '\\n' | accord rate -")]
pub struct Args {
    /// JSON lines: {\"question\", \"opinion\", \"statement\"}; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Exit code 1 if a row could not be used or rated.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let (rows, mut all_rated) =
        input::usable_rows::<Map<String, Value>>(std::slice::from_ref(&args.file));
    let mut checked: Vec<(Map<String, Value>, RatingRow)> = Vec::with_capacity(rows.len());
    for (line, fields) in rows {
        match serde_json::from_value(Value::Object(fields.clone())) {
            Ok(row) => checked.push((fields, row)),
            Err(error) => {
                all_rated = false;
                input::report_bad_row(&args.file, line, &error.to_string());
            }
        }
    }
    if checked.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let reward_model = engines::reward_model(config).await?;
    // Rows of one participant that follow one another share a pass of the model.
    for rows in
        checked.chunk_by(|(_, a), (_, b)| (&a.question, &a.opinion) == (&b.question, &b.opinion))
    {
        let participant = &rows[0].1;
        let statements: Vec<&str> = rows.iter().map(|(_, row)| row.statement.as_str()).collect();
        let predicted = reward_model
            .predict(&participant.question, &participant.opinion, &statements)
            .await?;
        for ((fields, _), distribution) in rows.iter().zip(predicted) {
            let mut fields = fields.clone();
            fields.insert("rating".into(), json!(distribution.mean()));
            fields.insert("distribution".into(), json!(distribution));
            println!("{}", Value::Object(fields));
        }
    }
    Ok(if all_rated {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
