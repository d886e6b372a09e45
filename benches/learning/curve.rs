//! How good the reward model is for a community after so many of its ratings.

use std::path::PathBuf;
use std::time::Instant;

use accord::chart::curves::{Curve, CurvesWords, Point, Scale, curves_chart};
use serde_json::Value;

use crate::host::Host;
use crate::support;
use crate::support::community::{community, first_ratings};

#[derive(clap::Args)]
pub struct Args {
    /// How many ratings are learned from
    #[arg(long, value_delimiter = ',', default_values_t = [0, 50, 200, 800])]
    ratings: Vec<usize>,
    /// How often all of them are gone through; by default as often as in a retraining
    #[arg(long)]
    epochs: Option<usize>,
    /// Later rounds to measure on
    #[arg(long, default_value_t = 30)]
    later: usize,
    /// Of the community
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Draw the curve
    #[arg(long, value_name = "FILE.svg")]
    out: Option<PathBuf>,
}

/// Enough for 800 ratings.
const ROUNDS: usize = 45;

/// Whether the model is better with each step.
pub fn run(args: &Args) -> bool {
    let community = community(&support::config(), ROUNDS, args.later, args.seed);
    let host = Host::new(&community.corpus, &community.others);
    let later = host.write("later.jsonl", &community.later);
    let others = host.write("others.jsonl", &community.others);
    println!(
        "accuracy on {} later rounds of a community, ratings at least 2 apart, and on {} other deliberations:\n",
        community.later.len(),
        community.others.len()
    );
    println!("ratings  rounds  step  within  between  calibration error  others within  minutes");
    let (mut within, mut between) = (Vec::new(), Vec::new());
    for &count in &args.ratings {
        let started = Instant::now();
        let mut step = 0;
        let rounds = first_ratings(&community.rounds, count);
        if count > 0 {
            let name = format!("after-{count}");
            let data = host.write(&format!("{name}.jsonl"), &rounds);
            if let Some(card) = host.train(&name, &data, args.epochs, &[]) {
                step = card["settings"]["step"].as_u64().unwrap();
                let folder = host.path(&name);
                let activated =
                    host.accord(&["models", "activate", folder.to_str().unwrap(), "--force"]);
                assert!(activated.status.success());
            }
        }
        let figures = host.evaluate(&later);
        let of_others = host.evaluate(&others);
        within.push(accuracy(&figures, "within"));
        between.push(accuracy(&figures, "between"));
        println!(
            "{count:>7} {:>7} {step:>5} {:>7.3} {:>8.3} {:>18.2} {:>14.3} {:>8.1}",
            rounds.len(),
            accuracy(&figures, "within").value,
            accuracy(&figures, "between").value,
            figures["expected_calibration_error"]["value"]
                .as_f64()
                .unwrap(),
            accuracy(&of_others, "within").value,
            started.elapsed().as_secs_f64() / 60.0,
        );
        let back = host.accord(&["models", "activate", "reward", "shipped"]);
        assert!(back.status.success());
    }
    let rises = within.windows(2).all(|pair| pair[0].value < pair[1].value);
    if let Some(out) = &args.out {
        let curve = |label: &str, points| Curve {
            label: label.to_owned(),
            points,
        };
        let curves = [
            curve("one member, two statements (within)", within),
            curve("one statement, two members (between)", between),
        ];
        let words = CurvesWords {
            places: args.ratings.iter().map(ToString::to_string).collect(),
            axis: "ratings of the community that were learned from".to_owned(),
            title: "Held-out pairwise accuracy, ratings at least 2 apart".to_owned(),
        };
        let scale = Scale {
            lowest: 0.3,
            highest: 1.0,
            step: 0.1,
            guide: Some((0.5, "chance".to_owned())),
        };
        std::fs::write(out, curves_chart(&curves, &words, &scale).svg).unwrap();
        println!("\n{}", out.display());
    }
    rises
}

fn accuracy(figures: &Value, pairs: &str) -> Point {
    let estimate = &figures[pairs]["at_least_2"]["reward_model"];
    let ends = [0, 1].map(|end| estimate["interval"][end].as_f64());
    Point {
        value: estimate["value"].as_f64().unwrap_or(f64::NAN),
        interval: match ends {
            [Some(low), Some(high)] => Some([low, high]),
            _ => None,
        },
    }
}
