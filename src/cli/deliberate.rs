//! `accord deliberate`: from a question and opinions to a consensus statement.

mod picture;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use accord::chart::Chart;
use accord::config::Config;
use accord::deliberation::certainty::{Agreement, Certainty, DRAWS, LEVEL, certainty, rank_known};
use accord::deliberation::ranking::Ranked;
use accord::deliberation::rating::RatingMatrix;
use accord::deliberation::record::Deliberation;
use accord::deliberation::welfare::WelfareFunction;
use accord::inference::drafting::{Drafts, draft};
use accord::inference::prompts::Brief;
use accord::training::evaluation::certainty::is_calibrated;
use anyhow::{Context, Result, ensure};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use self::picture::{ChartFile, picture};
use super::bar::Bar;
use super::engines::{self, Engines};
use super::{input, one_line, say};

/// Find a consensus statement for the question and the opinions in a file
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord deliberate config/examples/night-buses.toml
  accord deliberate groups.jsonl --welfare rawlsian --json > answers.jsonl
  accord deliberate config/examples/old-statue.toml --chart old-statue.png
  generate-groups | accord deliberate - --seed 7")]
pub struct Args {
    /// TOML, or JSON lines: {"question", "opinions": [...]}; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How many candidates are written [default: generator.candidates, 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    candidates: Option<u16>,
    /// utilitarian, nash, rawlsian, schulze, or an inequality aversion from 0 to inf
    #[arg(long, allow_hyphen_values = true)]
    welfare: Option<WelfareFunction>,
    /// The same seed gives the same candidates [default: a new one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// One JSON object a deliberation
    #[arg(long)]
    json: bool,
    /// Draw the predicted ratings of all candidates, the chosen one on top; of one deliberation only.
    /// What a PNG shows is told in words on standard error, an SVG holds them itself
    #[arg(long, value_name = "FILE.svg|png")]
    chart: Option<ChartFile>,
}

/// Exit code 1 if a row of the files could not be used or a deliberation failed.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let (rows, mut all_answered) = input::usable_rows::<Deliberation>(args.files).await?;
    if rows.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    if let Some(chart) = &args.chart {
        ensure!(
            rows.len() == 1,
            "--chart draws one deliberation, and {} were given: give one at a time, or leave it out",
            rows.len()
        );
        chart.check()?;
    }
    let welfare = args.welfare.unwrap_or(config.deliberation.welfare);
    let seed = args
        .seed
        .unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let mut config = config.clone();
    if let Some(candidates) = args.candidates {
        config.generator.candidates = candidates.into();
    }
    let engines = engines::load(&config).await?;
    for (place, deliberation) in rows {
        let id = deliberation
            .id
            .clone()
            .unwrap_or_else(|| format!("line {}", place.line));
        match deliberate(&deliberation, &engines, &config, welfare, seed).await {
            Ok(answer) => {
                // First: whoever reads the answer may close the pipe. That it cannot be written is
                // no reason to lose the answer.
                let drawn = args.chart.as_ref().map_or(Ok(()), |chart| {
                    chart.write(&answer.picture(&deliberation.question, welfare))
                });
                match args.json {
                    true => say(answer.json(&id, &deliberation, welfare, &engines))?,
                    false => say(answer.text(&deliberation, welfare, &config, seed))?,
                }
                drawn?;
            }
            Err(error) => {
                all_answered = false;
                input::report_bad_row(&place, &one_line(&error));
            }
        }
    }
    Ok(if all_answered {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What a deliberation came to.
struct Answer {
    drafts: Drafts,
    ratings: RatingMatrix,
    /// Of the drafted candidates, best first.
    ranking: Vec<Ranked>,
    certainty: Certainty,
    /// Whether the reward model's certainty has proved right where it could be checked.
    calibrated: bool,
    drafting_seconds: f64,
    rating_seconds: f64,
}

async fn deliberate(
    deliberation: &Deliberation,
    engines: &Engines,
    config: &Config,
    welfare: WelfareFunction,
    seed: u64,
) -> Result<Answer> {
    let Deliberation {
        question, opinions, ..
    } = deliberation;
    for (number, opinion) in (1..).zip(opinions) {
        engines
            .reward_model
            .check_length(question, opinion)
            .with_context(|| format!("opinion {number}"))?;
    }
    let started = Instant::now();
    let bar = Bar::new("writing candidates", config.generator.candidates)?;
    let drafts = draft(
        &engines.generator,
        &Brief {
            question,
            opinions,
            revision: None,
        },
        &[],
        &config.generator,
        seed,
        |settled| {
            bar.set_position(settled);
        },
    )
    .await?;
    drop(bar);
    let drafting_seconds = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let bar = Bar::new("predicting ratings", opinions.len())?;
    let texts: Vec<&str> = drafts
        .candidates
        .iter()
        .map(|candidate| candidate.text.as_str())
        .collect();
    let mut by_participant: Vec<Vec<Agreement>> = Vec::with_capacity(opinions.len());
    for opinion in opinions {
        let predicted = engines
            .reward_model
            .predict(question, opinion, &texts)
            .await?;
        by_participant.push(predicted.into_iter().map(Agreement::Predicted).collect());
        bar.inc();
    }
    drop(bar);
    let expected = by_participant.iter();
    let expected = expected.map(|row| row.iter().map(|agreement| agreement.rating()).collect());
    let ratings = RatingMatrix::new(expected.collect())?;
    let ranking = rank_known(&by_participant, welfare);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Ok(Answer {
        certainty: certainty(&by_participant, ranking[0].candidate, welfare, &mut rng),
        calibrated: is_calibrated(&engines.reward_metrics, welfare),
        ranking,
        ratings,
        drafts,
        drafting_seconds,
        rating_seconds: started.elapsed().as_secs_f64(),
    })
}

impl Answer {
    fn statement(&self) -> &str {
        &self.drafts.candidates[self.ranking[0].candidate].text
    }

    fn picture(&self, question: &str, welfare: WelfareFunction) -> Chart {
        let candidates = self.drafts.candidates.iter();
        let texts: Vec<&str> = candidates
            .map(|candidate| candidate.text.as_str())
            .collect();
        picture(question, &texts, &self.ratings, &self.ranking, welfare)
    }

    fn json(
        &self,
        id: &str,
        deliberation: &Deliberation,
        welfare: WelfareFunction,
        engines: &Engines,
    ) -> Value {
        let candidates: Vec<Value> = self
            .ranking
            .iter()
            .map(|ranked| {
                let candidate = &self.drafts.candidates[ranked.candidate];
                json!({
                    "text": candidate.text,
                    "welfare": ranked.welfare,
                    "ratings": self.ratings.of_candidate(ranked.candidate),
                    "seed": candidate.seed,
                    "opinions_read": candidate.opinions_read,
                })
            })
            .collect();
        json!({
            "id": id,
            "question": deliberation.question,
            "welfare": welfare,
            "statement": self.statement(),
            "candidates": candidates,
            "certainty": {
                "probability_best": self.certainty.probability_best,
                "welfare_interval": self.certainty.welfare_interval,
                "level": LEVEL,
                "draws": DRAWS,
                "calibrated": self.calibrated,
            },
            "generator": engines.generator_name,
            "reward_model": engines.reward_model_name,
            "seconds": self.drafting_seconds + self.rating_seconds,
        })
    }

    fn text(
        &self,
        deliberation: &Deliberation,
        welfare: WelfareFunction,
        config: &Config,
        seed: u64,
    ) -> String {
        let width = console::Term::stdout()
            .size_checked()
            .map_or(100, |(_, columns)| columns);
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width)
            .set_header(["", "welfare", "lowest", "highest", "candidate"]);
        for (place, ranked) in (1..).zip(&self.ranking) {
            let ratings = self.ratings.of_candidate(ranked.candidate);
            let lowest = ratings.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = ratings.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            table.add_row([
                place.to_string(),
                format!("{:.2}", ranked.welfare),
                format!("{lowest:.2}"),
                format!("{highest:.2}"),
                self.drafts.candidates[ranked.candidate].text.clone(),
            ]);
        }
        for column in table.column_iter_mut().take(4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let of_statement: Vec<String> = self
            .ratings
            .of_candidate(self.ranking[0].candidate)
            .iter()
            .map(|rating| format!("{rating:.2}"))
            .collect();
        let order = match welfare {
            WelfareFunction::Schulze => "by the Schulze method".to_owned(),
            WelfareFunction::Alpha(aversion) => {
                format!(
                    "by welfare ({welfare}, inequality aversion {})",
                    aversion.alpha()
                )
            }
        };
        let (opinions, read) = (
            deliberation.opinions.len(),
            self.drafts.candidates[0].opinions_read.len(),
        );
        let subsets = if read < opinions {
            format!(" Each draft read {read} of the {opinions} opinions.")
        } else {
            String::new()
        };
        let question = &deliberation.question;
        let statement = self.statement();
        let candidates = self.ranking.len();
        let wanted = config.generator.candidates;
        let of_statement = of_statement.join(", ");
        let certainty = self.certainty_in_words(config.outcome.certain);
        let rejected: usize = self.drafts.rejected.values().sum();
        let (drafting, rating) = (self.drafting_seconds, self.rating_seconds);
        format!(
            "\
Question: {question}

Consensus statement:

  {statement}

Written by a language model and chosen by predicted ratings: nobody has agreed to it yet.
It comes first of {candidates} candidates {order}.{subsets}
Predicted ratings of it, from 1 (strongly disagree) to 7 (strongly agree), in the order of the
opinions: {of_statement}
{certainty}

{table}
{candidates} of {wanted} candidates written in {drafting:.1} s ({rejected} drafts were of no use), rated in {rating:.1} s.
The same again: --seed {seed}"
        )
    }

    /// A number only where it has proved right.
    fn certainty_in_words(&self, certain: f64) -> String {
        let Certainty {
            probability_best,
            welfare_interval,
            rival,
        } = self.certainty;
        if rival.is_none() {
            return "There is no other candidate to choose.".to_owned();
        }
        let word = match probability_best >= certain {
            true => "clear",
            false => "close",
        };
        if !self.calibrated {
            return format!(
                "The choice among the candidates is {word} (the reward model is not calibrated well enough \
                 for a number)."
            );
        }
        let interval = welfare_interval.map_or_else(String::new, |[low, high]| {
            let level = LEVEL * 100.0;
            format!(" With {level:.0} % its real welfare lies between {low:.2} and {high:.2}.")
        });
        let probability = probability_best * 100.0;
        format!(
            "The choice among the candidates is {word}: with a probability of {probability:.0} % it is the \
             best of them.{interval}"
        )
    }
}
