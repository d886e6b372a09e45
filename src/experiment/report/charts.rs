//! The pictures of a report.

use super::markdown::percent;
use crate::chart::Chart;
use crate::chart::curves::{Curve, CurvesWords, Point, Scale, curves_chart};
use crate::chart::shares::{self, ShareRow, SharesWords, shares_chart};
use crate::experiment::arm::papers_win_rate;
use crate::experiment::comparison::Comparison;
use crate::experiment::sensitivity::BestOf;
use crate::experiment::statistics::win_rate::WinRate;
use crate::training::evaluation::bootstrap::Estimate;

/// How often the full pipeline wins against each other arm.
pub fn win_rates_chart(headline: &[&Comparison]) -> Chart {
    let rows: Vec<ShareRow> = headline
        .iter()
        .map(|pair| {
            let mark = papers_win_rate(&pair.theirs).map(|(all, _)| all / 100.0);
            let share = |rate: &WinRate, mark| {
                rate.share.map(|share| shares::Share {
                    value: share.value,
                    interval: share.wilson,
                    mark,
                })
            };
            let told = |rate: &WinRate| {
                let share = rate.share.map(|share| percent(share.value));
                share.unwrap_or_else(|| "no winner".to_owned())
            };
            ShareRow {
                label: format!("against {}", pair.theirs),
                highlighted: false,
                note: format!("tied: {}", pair.mean.tally.ties),
                upper: share(&pair.mean, mark),
                lower: share(&pair.minimum, None),
                told: format!(
                    "Against {}: {} by the mean, {} by the lowest rating.",
                    pair.theirs,
                    told(&pair.mean),
                    told(&pair.minimum)
                ),
            }
        })
        .collect();
    let words = SharesWords {
        upper: "mean rating".to_owned(),
        lower: "lowest rating".to_owned(),
        mark: "the paper's people, mean".to_owned(),
        half: "neither wins".to_owned(),
        highlighted: String::new(),
    };
    shares_chart(&rows, &words, 0.0)
}

/// How a group fares with more and more candidates to choose from.
pub fn best_of_chart(best: &[BestOf]) -> Chart {
    let curve = |label: &str, of: fn(&BestOf) -> Estimate| Curve {
        label: label.to_owned(),
        points: best
            .iter()
            .map(|best| {
                let Estimate { value, interval } = of(best);
                Point { value, interval }
            })
            .collect(),
    };
    let words = CurvesWords {
        places: best
            .iter()
            .map(|best| best.candidates.to_string())
            .collect(),
        axis: "candidates of which the best is chosen".to_owned(),
        title: "Agreement with the chosen statement, as the judge rates".to_owned(),
    };
    let scale = Scale {
        lowest: 1.0,
        highest: 7.0,
        step: 1.0,
        guide: Some((4.0, "neutral".to_owned())),
    };
    let curves = [
        curve("mean of the members", |best| best.judge.mean),
        curve("the worst-off member", |best| best.judge.worst_off),
    ];
    curves_chart(&curves, &words, &scale)
}
