//! Shares with their intervals: how well versions of a model predict, how often an arm wins.

use plotters::style::RGBColor;

use super::Chart;
use super::canvas::{Align, Canvas, Frame, GUIDE, HIGHLIGHT, INK, QUIET, SMALL, SMALL_BOLD, draw};

/// Up to two shares of one thing, such as a version.
#[derive(Clone, Debug)]
pub struct ShareRow {
    pub label: String,
    pub highlighted: bool,
    /// Something short, under the label.
    pub note: String,
    /// A dot.
    pub upper: Option<Share>,
    /// A square.
    pub lower: Option<Share>,
    /// The row in words.
    pub told: String,
}

/// From 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    pub value: f64,
    pub interval: [f64; 2],
    /// What it is compared with.
    pub mark: Option<f64>,
}

/// What stands in the picture beside the rows.
#[derive(Clone, Debug)]
pub struct SharesWords {
    pub upper: String,
    pub lower: String,
    pub mark: String,
    /// At the line of one half.
    pub half: String,
    /// In place of the note of a row that is highlighted.
    pub highlighted: String,
}

/// One row a thing, in the order given: a dot and a square, each with its interval and its mark. The
/// axis begins at `lowest`, a whole number of tenths.
pub fn shares_chart(rows: &[ShareRow], words: &SharesWords, lowest: f64) -> Chart {
    let scale = Scale { lowest };
    let height = HEAD + ROW * rows.len() as i32 + LEGEND;
    let svg = draw(WIDTH, height, |canvas| {
        for (place, row) in (0..).zip(rows) {
            draw_row(canvas, row, words, scale, HEAD + ROW * place);
        }
        axis(canvas, words, scale, height - LEGEND);
        legend(canvas, words, height - LEGEND);
    });
    let told: Vec<&str> = rows.iter().map(|row| row.told.as_str()).collect();
    Chart::new(&svg, "", told.join(" "))
}

const WIDTH: i32 = 800;
const MARGIN: i32 = 20;
const HEAD: i32 = 60;
const ROW: i32 = 108;
const LEGEND: i32 = 100;
/// Where the axis begins and ends.
const AXIS_X: i32 = 290;
const AXIS_WIDTH: i32 = 470;

const UPPER: RGBColor = RGBColor(0x0b, 0x53, 0x94);
const LOWER: RGBColor = RGBColor(0xe0, 0x7a, 0x1f);
/// Half of a dot or a square.
const SIGN: i32 = 9;

fn draw_row(canvas: &Canvas<'_>, row: &ShareRow, words: &SharesWords, scale: Scale, y: i32) {
    if row.highlighted {
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
    let note = match row.highlighted {
        true => &words.highlighted,
        false => &row.note,
    };
    canvas.text(note, (MARGIN, y + 70), SMALL, QUIET, Align::Left);
    if let Some(share) = row.upper {
        interval(canvas, share, scale, UPPER, y + 34);
        canvas.dot((scale.x_of(share.value), y + 34), SIGN, UPPER);
    }
    if let Some(share) = row.lower {
        interval(canvas, share, scale, LOWER, y + 70);
        canvas.fill(square(scale.x_of(share.value), y + 70), LOWER);
    }
}

/// The line of the interval, and a bar across it for the mark.
fn interval(canvas: &Canvas<'_>, share: Share, scale: Scale, color: RGBColor, y: i32) {
    let [low, high] = share.interval.map(|end| scale.x_of(end));
    canvas.line((low, y), (high, y), color, 3);
    if let Some(mark) = share.mark {
        let x = scale.x_of(mark);
        canvas.line((x, y - 13), (x, y + 13), INK, 3);
    }
}

fn axis(canvas: &Canvas<'_>, words: &SharesWords, scale: Scale, bottom: i32) {
    let line = |x: i32, color| canvas.line((x, HEAD - 12), (x, bottom), color, 1);
    let first = (scale.lowest * 10.0).round() as i32;
    // More numbers have no room.
    let step = if first < 4 { 2 } else { 1 };
    for tenth in (first..=10).step_by(step) {
        let x = scale.x_of(f64::from(tenth) / 10.0);
        line(x, GUIDE);
        let percent = format!("{} %", tenth * 10);
        canvas.text(&percent, (x, 26), SMALL, INK, Align::Center);
    }
    let half = scale.x_of(0.5);
    line(half, QUIET);
    canvas.text(
        &words.half,
        (half, bottom + 22),
        SMALL,
        QUIET,
        Align::Center,
    );
}

fn legend(canvas: &Canvas<'_>, words: &SharesWords, y: i32) {
    canvas.line((0, y), (WIDTH, y), GUIDE, 1);
    let middle = y + 64;
    let mut x = MARGIN + SIGN;
    canvas.dot((x, middle), SIGN, UPPER);
    x = beside(canvas, x + SIGN, middle, &words.upper);
    canvas.fill(square(x, middle), LOWER);
    x = beside(canvas, x + SIGN, middle, &words.lower);
    canvas.line((x, middle - 13), (x, middle + 13), INK, 3);
    beside(canvas, x, middle, &words.mark);
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

#[derive(Clone, Copy)]
struct Scale {
    lowest: f64,
}

impl Scale {
    /// What is less than the axis shows stands at its beginning.
    fn x_of(self, share: f64) -> i32 {
        let along = (share.clamp(self.lowest, 1.0) - self.lowest) / (1.0 - self.lowest);
        AXIS_X + (along * f64::from(AXIS_WIDTH)).round() as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> SharesWords {
        SharesWords {
            upper: "two statements".into(),
            lower: "two members".into(),
            mark: "baseline".into(),
            half: "chance".into(),
            highlighted: "active".into(),
        }
    }

    fn row(label: &str, upper: Option<f64>) -> ShareRow {
        ShareRow {
            label: label.into(),
            highlighted: label == "reward-2",
            note: "12 rounds".into(),
            upper: upper.map(|value| Share {
                value,
                interval: [value - 0.05, value + 0.05],
                mark: Some(0.6),
            }),
            lower: None,
            told: format!("{label} in words."),
        }
    }

    #[test]
    fn every_thing_has_a_row_and_every_figure_a_sign() {
        let rows = [row("reward-1", None), row("reward-2", Some(0.7))];
        let chart = shares_chart(&rows, &words(), 0.4);
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
        assert!(!shares_chart(&rows, &words(), 0.4).to_png(0.5).is_empty());
        assert!(!shares_chart(&[], &words(), 0.0).to_png(0.5).is_empty());
    }
}
