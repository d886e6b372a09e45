//! How well the versions of a reward model predict.

use plotters::style::RGBColor;

use super::Chart;
use super::canvas::{Align, Canvas, Frame, GUIDE, HIGHLIGHT, INK, QUIET, SMALL, SMALL_BOLD, draw};

/// A version.
#[derive(Clone, Debug)]
pub struct VersionRow {
    pub label: String,
    pub active: bool,
    /// Something short, under the label.
    pub note: String,
    /// One member, two statements.
    pub within: Option<Accuracy>,
    /// One statement, two members.
    pub between: Option<Accuracy>,
    /// The row in words.
    pub told: String,
}

/// A share of pairs whose order is predicted, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    pub value: f64,
    pub interval: [f64; 2],
    /// The best of what needs no model, on the same pairs.
    pub baseline: f64,
}

/// What stands in the picture beside the rows.
#[derive(Clone, Debug)]
pub struct VersionsWords {
    pub within: String,
    pub between: String,
    pub baseline: String,
    pub chance: String,
    pub active: String,
}

/// One row a version, in the order given: a dot for how often the order of two statements is
/// predicted and a square for that of two members, each with its interval and the baseline.
pub fn versions_chart(rows: &[VersionRow], words: &VersionsWords) -> Chart {
    let height = HEAD + ROW * rows.len() as i32 + LEGEND;
    let svg = draw(WIDTH, height, |canvas| {
        for (place, row) in (0..).zip(rows) {
            draw_row(canvas, row, words, HEAD + ROW * place);
        }
        axis(canvas, words, height - LEGEND);
        legend(canvas, words, height - LEGEND);
    });
    let told: Vec<&str> = rows.iter().map(|row| row.told.as_str()).collect();
    Chart {
        svg,
        alt_text: told.join(" "),
    }
}

const WIDTH: i32 = 800;
const MARGIN: i32 = 20;
const HEAD: i32 = 60;
const ROW: i32 = 108;
const LEGEND: i32 = 100;
/// Where the axis begins and ends, and for which shares.
const AXIS_X: i32 = 290;
const AXIS_WIDTH: i32 = 470;
const LOWEST: f64 = 0.4;

const WITHIN: RGBColor = RGBColor(0x0b, 0x53, 0x94);
const BETWEEN: RGBColor = RGBColor(0xe0, 0x7a, 0x1f);
/// Half of a dot or a square.
const SIGN: i32 = 9;

fn draw_row(canvas: &Canvas<'_>, row: &VersionRow, words: &VersionsWords, y: i32) {
    if row.active {
        let frame = Frame {
            x: 0,
            y,
            width: WIDTH,
            height: ROW,
        };
        canvas.fill(frame, HIGHLIGHT);
    }
    canvas.line((0, y), (WIDTH, y), GUIDE, 1);
    let upper = (MARGIN, y + 34);
    canvas.text(&row.label, upper, SMALL_BOLD, INK, Align::Left);
    let note = match row.active {
        true => &words.active,
        false => &row.note,
    };
    canvas.text(note, (MARGIN, y + 70), SMALL, QUIET, Align::Left);
    if let Some(accuracy) = row.within {
        interval(canvas, accuracy, WITHIN, y + 34);
        canvas.dot((x_of(accuracy.value), y + 34), SIGN, WITHIN);
    }
    if let Some(accuracy) = row.between {
        interval(canvas, accuracy, BETWEEN, y + 70);
        canvas.fill(square(x_of(accuracy.value), y + 70), BETWEEN);
    }
}

/// The line of the interval, and a bar across it for the baseline.
fn interval(canvas: &Canvas<'_>, accuracy: Accuracy, color: RGBColor, y: i32) {
    let [low, high] = accuracy.interval.map(x_of);
    canvas.line((low, y), (high, y), color, 3);
    let baseline = x_of(accuracy.baseline);
    canvas.line((baseline, y - 13), (baseline, y + 13), INK, 3);
}

fn axis(canvas: &Canvas<'_>, words: &VersionsWords, bottom: i32) {
    for tenth in 4..=10 {
        let share = f64::from(tenth) / 10.0;
        let x = x_of(share);
        let color = if tenth == 5 { QUIET } else { GUIDE };
        canvas.line((x, HEAD - 12), (x, bottom), color, 1);
        let percent = format!("{} %", tenth * 10);
        canvas.text(&percent, (x, 26), SMALL, INK, Align::Center);
    }
    let chance = (x_of(0.5), bottom + 22);
    canvas.text(&words.chance, chance, SMALL, QUIET, Align::Center);
}

fn legend(canvas: &Canvas<'_>, words: &VersionsWords, y: i32) {
    canvas.line((0, y), (WIDTH, y), GUIDE, 1);
    let middle = y + 64;
    let mut x = MARGIN + SIGN;
    canvas.dot((x, middle), SIGN, WITHIN);
    x = beside(canvas, x + SIGN, middle, &words.within);
    canvas.fill(square(x, middle), BETWEEN);
    x = beside(canvas, x + SIGN, middle, &words.between);
    canvas.line((x, middle - 13), (x, middle + 13), INK, 3);
    beside(canvas, x, middle, &words.baseline);
}

/// Writes what a sign means; where the next one stands.
fn beside(canvas: &Canvas<'_>, x: i32, y: i32, word: &str) -> i32 {
    canvas.text(word, (x + 10, y), SMALL, INK, Align::Left);
    x + 10 + SMALL.width(word) + 32
}

fn square(x: i32, y: i32) -> Frame {
    Frame {
        x: x - SIGN,
        y: y - SIGN,
        width: 2 * SIGN,
        height: 2 * SIGN,
    }
}

/// What is worse than the axis shows stands at its beginning.
fn x_of(share: f64) -> i32 {
    let along = (share.clamp(LOWEST, 1.0) - LOWEST) / (1.0 - LOWEST);
    AXIS_X + (along * f64::from(AXIS_WIDTH)).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> VersionsWords {
        VersionsWords {
            within: "two statements".into(),
            between: "two members".into(),
            baseline: "baseline".into(),
            chance: "chance".into(),
            active: "active".into(),
        }
    }

    fn row(label: &str, within: Option<f64>) -> VersionRow {
        VersionRow {
            label: label.into(),
            active: label == "reward-2",
            note: "12 rounds".into(),
            within: within.map(|value| Accuracy {
                value,
                interval: [value - 0.05, value + 0.05],
                baseline: 0.6,
            }),
            between: None,
            told: format!("{label} in words."),
        }
    }

    #[test]
    fn every_version_has_a_row_and_every_figure_a_sign() {
        let rows = [row("reward-1", None), row("reward-2", Some(0.7))];
        let chart = versions_chart(&rows, &words());
        // One of them is the legend's.
        assert_eq!(chart.svg.matches("<circle").count(), 2);
        for text in ["reward-1", "reward-2", "12 rounds", "active", "50 %"] {
            assert!(chart.svg.contains(&format!(">\n{text}\n<")), "{text}");
        }
        assert_eq!(chart.alt_text, "reward-1 in words. reward-2 in words.");
    }

    #[test]
    fn whatever_was_measured_can_be_drawn() {
        let rows = [row("<a>", Some(0.0)), row("&", Some(1.0)), row("x", None)];
        assert!(!versions_chart(&rows, &words()).to_png(0.5).is_empty());
        assert!(!versions_chart(&[], &words()).to_png(0.5).is_empty());
    }
}
