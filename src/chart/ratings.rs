//! How a group rates its candidates.

use plotters::style::RGBColor;

use super::Chart;
use super::canvas::{
    Align, Canvas, Frame, GUIDE, HIGHLIGHT, INK, QUIET, SMALL, SMALL_BOLD, Type, draw,
};

/// A candidate, and how often each rating from 1 to 7 was given and predicted.
#[derive(Clone, Debug)]
pub struct RatingsRow {
    pub label: String,
    /// The group's statement.
    pub chosen: bool,
    /// Under the bar; shortened to its width.
    pub note: String,
    pub welfare: String,
    pub rated: [usize; 7],
    pub predicted: [usize; 7],
    /// The row in words.
    pub told: String,
}

/// What stands in the picture beside the rows.
#[derive(Clone, Debug)]
pub struct RatingsWords {
    /// What the picture is called; not drawn.
    pub title: String,
    /// Over everything, where the picture stands alone: the question and the statement. May be empty.
    pub question: String,
    pub statement: String,
    /// 5 to 7.
    pub agree: String,
    /// 4.
    pub neutral: String,
    /// 1 to 3.
    pub dissent: String,
    pub rated: String,
    pub predicted: String,
    /// Over the bars.
    pub participants: String,
    /// Over the strips of single ratings.
    pub ratings: String,
    pub welfare: String,
    pub chosen: String,
}

/// One row a candidate, in the order given: a bar of how many agree, are neutral and dissent, and a
/// strip of the single ratings; what is only predicted is hatched and hollow.
pub fn ratings_chart(rows: &[RatingsRow], words: &RatingsWords) -> Chart {
    let title = [(&words.question, SMALL_BOLD), (&words.statement, SMALL)];
    let title: Vec<(String, Type)> = title
        .into_iter()
        .flat_map(|(text, letters)| {
            let lines = letters.wrapped(text, WIDTH - 2 * MARGIN);
            lines.into_iter().map(move |line| (line, letters))
        })
        .collect();
    let top = match title.len() as i32 {
        0 => 0,
        lines => LINE * lines + MARGIN,
    };
    let height = top + HEAD + ROW * rows.len() as i32 + LEGEND;
    let is_rated = |row: &RatingsRow| row.rated.iter().any(|count| *count > 0);
    let any_rated = rows.iter().any(is_rated);
    let svg = draw(WIDTH, height, |canvas| {
        for (place, (line, letters)) in (0..).zip(&title) {
            let at = (MARGIN, 28 + LINE * place);
            canvas.text(line, at, *letters, INK, Align::Left);
        }
        head(canvas, words, top + 28);
        let tallest = rows.iter().map(tallest).max().unwrap_or(0);
        for (place, row) in (0..).zip(rows) {
            draw_row(canvas, row, words, tallest, top + HEAD + ROW * place);
        }
        legend(canvas, words, any_rated, height - LEGEND);
    });
    let told: Vec<&str> = rows.iter().map(|row| row.told.as_str()).collect();
    Chart::new(&svg, &words.title, told.join(" "))
}

/// A picture of this width is shown half as large on a phone.
const WIDTH: i32 = 800;
const MARGIN: i32 = 20;
const HEAD: i32 = 86;
const ROW: i32 = 116;
const LEGEND: i32 = 96;
/// Of the question and the statement.
const LINE: i32 = 32;

const BAR_X: i32 = 84;
const BAR_WIDTH: i32 = 326;
const BAR_HEIGHT: i32 = 46;
/// Between what was rated and what was predicted.
const GAP: i32 = 8;

const STRIP_X: i32 = 440;
/// One rating.
const COLUMN: i32 = 36;
/// Of the tallest stack of dots.
const STACK: i32 = 88;

const LARGE_BOLD: Type = Type {
    size: 32,
    bold: true,
};

const WHITE: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// Ratings that mean the same for a statement. Told apart by sign, place and brightness too.
struct Kind {
    sign: &'static str,
    color: RGBColor,
    /// Of text on the color.
    on_color: RGBColor,
    /// Indices of the ratings.
    ratings: std::ops::Range<usize>,
}

const AGREE: Kind = Kind {
    sign: "▲",
    color: RGBColor(0x0b, 0x53, 0x94),
    on_color: WHITE,
    ratings: 4..7,
};
const NEUTRAL: Kind = Kind {
    sign: "◆",
    color: RGBColor(0x8f, 0x97, 0xa0),
    on_color: INK,
    ratings: 3..4,
};
const DISSENT: Kind = Kind {
    sign: "▼",
    color: RGBColor(0xe0, 0x7a, 0x1f),
    on_color: INK,
    ratings: 0..3,
};
const KINDS: [&Kind; 3] = [&AGREE, &NEUTRAL, &DISSENT];

fn head(canvas: &Canvas<'_>, words: &RatingsWords, y: i32) {
    canvas.text(&words.participants, (BAR_X, y), SMALL, QUIET, Align::Left);
    canvas.text(&words.ratings, (STRIP_X, y), SMALL, QUIET, Align::Left);
    let right = (WIDTH - MARGIN, y);
    canvas.text(&words.welfare, right, SMALL, QUIET, Align::Right);
    for rating in 1..=7 {
        let at = (column_center(rating - 1), y + 34);
        canvas.text(&rating.to_string(), at, SMALL, INK, Align::Center);
    }
}

fn draw_row(canvas: &Canvas<'_>, row: &RatingsRow, words: &RatingsWords, tallest: usize, y: i32) {
    if row.chosen {
        let frame = Frame {
            x: 0,
            y,
            width: WIDTH,
            height: ROW,
        };
        canvas.fill(frame, HIGHLIGHT);
    }
    canvas.line((0, y), (WIDTH, y), GUIDE, 1);
    let middle = y + 14 + BAR_HEIGHT / 2;
    canvas.text(
        &row.label,
        (MARGIN + 6, middle),
        LARGE_BOLD,
        INK,
        Align::Left,
    );
    let right = (WIDTH - MARGIN, middle);
    canvas.text(&row.welfare, right, LARGE_BOLD, INK, Align::Right);
    bar(canvas, row, y + 14);

    let (mut x, below) = (BAR_X, y + 14 + BAR_HEIGHT + 24);
    if row.chosen {
        canvas.text(&words.chosen, (x, below), SMALL_BOLD, INK, Align::Left);
        x += SMALL_BOLD.width(&words.chosen) + 14;
    }
    let note = SMALL.shortened(&row.note, BAR_X + BAR_WIDTH - x);
    canvas.text(&note, (x, below), SMALL, QUIET, Align::Left);
    strip(canvas, row, tallest, y + ROW - 12);
}

/// How many agree, are neutral, dissent: first those who rated, then those who are predicted.
fn bar(canvas: &Canvas<'_>, row: &RatingsRow, y: i32) {
    let people: usize = row.rated.iter().chain(&row.predicted).sum();
    if people == 0 {
        return;
    }
    let rated: usize = row.rated.iter().sum();
    let both = rated > 0 && rated < people;
    let room = BAR_WIDTH - if both { GAP } else { 0 };
    let parts = KINDS
        .iter()
        .map(|kind| (*kind, count(&row.rated, kind), false))
        .chain(
            KINDS
                .iter()
                .map(|kind| (*kind, count(&row.predicted, kind), true)),
        );
    let mut before = 0;
    for (kind, count, predicted) in parts.filter(|(_, count, _)| *count > 0) {
        // Rounded from the left, so that widths add up.
        let place = |people_before: usize| (room as usize * people_before / people) as i32;
        let shift = if predicted && both { GAP } else { 0 };
        let frame = Frame {
            x: BAR_X + shift + place(before),
            y,
            width: place(before + count) - place(before),
            height: BAR_HEIGHT,
        };
        before += count;
        // The longest that has room.
        let labels = [format!("{}{count}", kind.sign), count.to_string()];
        let label = labels
            .iter()
            .find(|label| SMALL_BOLD.width(label) + 4 <= frame.width);
        let center = (frame.x + frame.width / 2, y + BAR_HEIGHT / 2);
        if predicted {
            canvas.hatch(frame, kind.color);
            if let Some(label) = label {
                // The hatching would be in its way.
                let width = SMALL_BOLD.width(label) + 4;
                let plate = Frame {
                    x: center.0 - width / 2,
                    y: y + 8,
                    width,
                    height: BAR_HEIGHT - 16,
                };
                canvas.fill(plate, WHITE);
                canvas.text(label, center, SMALL_BOLD, INK, Align::Center);
            }
        } else {
            canvas.fill(frame, kind.color);
            let right = frame.x + frame.width;
            canvas.line((right, y), (right, y + BAR_HEIGHT), WHITE, 2);
            if let Some(label) = label {
                canvas.text(label, center, SMALL_BOLD, kind.on_color, Align::Center);
            }
        }
    }
}

fn count(ratings: &[usize; 7], kind: &Kind) -> usize {
    ratings[kind.ratings.clone()].iter().sum()
}

/// How often the most frequent rating of a row occurs.
fn tallest(row: &RatingsRow) -> usize {
    let heights = row.rated.iter().zip(&row.predicted);
    let heights = heights.map(|(rated, predicted)| rated + predicted);
    heights.max().unwrap_or(0)
}

/// The single ratings, stacked upon the line at `bottom`; in all rows on the same scale.
fn strip(canvas: &Canvas<'_>, row: &RatingsRow, tallest: usize, bottom: i32) {
    canvas.line((STRIP_X, bottom), (STRIP_X + 7 * COLUMN, bottom), GUIDE, 2);
    for (index, (&rated, &predicted)) in row.rated.iter().zip(&row.predicted).enumerate() {
        let color = KINDS
            .iter()
            .find(|kind| kind.ratings.contains(&index))
            .map_or(INK, |kind| kind.color);
        match Dots::that_fit(tallest) {
            Some(dots) => {
                for nth in 0..rated {
                    canvas.dot(dots.center(index, nth, bottom), dots.radius, color);
                }
                for nth in rated..rated + predicted {
                    canvas.hollow_dot(dots.center(index, nth, bottom), dots.radius, color);
                }
            }
            None => columns(canvas, index, [rated, predicted], tallest, bottom, color),
        }
    }
}

/// Of many ratings: a column each instead of a dot each.
fn columns(
    canvas: &Canvas<'_>,
    index: usize,
    [rated, predicted]: [usize; 2],
    tallest: usize,
    bottom: i32,
    color: RGBColor,
) {
    let height = |people: usize| (STACK as usize * people).div_ceil(tallest) as i32;
    let frame = |from: i32, height: i32| Frame {
        x: column_center(index) - COLUMN / 2 + 4,
        y: bottom - from - height,
        width: COLUMN - 8,
        height,
    };
    if rated > 0 {
        canvas.fill(frame(0, height(rated)), color);
    }
    if predicted > 0 {
        canvas.hatch(frame(height(rated), height(predicted)), color);
    }
}

/// How the dots of a rating are stacked.
#[derive(Clone, Copy)]
struct Dots {
    radius: i32,
    /// Side by side.
    across: i32,
}

impl Dots {
    /// The largest with which `tallest` dots have room in one column.
    fn that_fit(tallest: usize) -> Option<Self> {
        (SMALLEST_DOT..=LARGEST_DOT).rev().find_map(|radius| {
            let cell = 2 * radius + 2;
            let (across, up) = ((COLUMN - 2) / cell, STACK / cell);
            let fits = (across * up) as usize >= tallest;
            fits.then_some(Self { radius, across })
        })
    }

    fn center(self, index: usize, nth: usize, bottom: i32) -> (i32, i32) {
        let cell = 2 * self.radius + 2;
        let (up, along) = (nth as i32 / self.across, nth as i32 % self.across);
        let left = column_center(index) - self.across * cell / 2;
        (
            left + along * cell + cell / 2,
            bottom - 2 - up * cell - cell / 2,
        )
    }
}

const LARGEST_DOT: i32 = 10;
/// Filled and hollow can still be told apart.
const SMALLEST_DOT: i32 = 5;

fn column_center(index: usize) -> i32 {
    STRIP_X + COLUMN * index as i32 + COLUMN / 2
}

fn legend(canvas: &Canvas<'_>, words: &RatingsWords, any_rated: bool, y: i32) {
    canvas.line((0, y), (WIDTH, y), GUIDE, 1);
    let kinds = [
        (&AGREE, &words.agree),
        (&NEUTRAL, &words.neutral),
        (&DISSENT, &words.dissent),
    ];
    let mut x = MARGIN;
    for (kind, word) in kinds {
        let patch = patch(x, y + 28);
        canvas.fill(patch, kind.color);
        let center = (x + patch.width / 2, y + 28);
        canvas.text(kind.sign, center, SMALL, kind.on_color, Align::Center);
        x = beside(canvas, x + patch.width, y + 28, word);
    }
    let y = y + 68;
    let mut x = MARGIN;
    if any_rated {
        let rated = patch(x, y);
        canvas.fill(rated, QUIET);
        x += rated.width + 18;
        canvas.dot((x, y), LARGEST_DOT, QUIET);
        x = beside(canvas, x + LARGEST_DOT, y, &words.rated);
    }
    let predicted = patch(x, y);
    canvas.hatch(predicted, QUIET);
    let x = x + predicted.width + 18;
    canvas.hollow_dot((x, y), LARGEST_DOT, QUIET);
    beside(canvas, x + LARGEST_DOT, y, &words.predicted);
}

fn patch(x: i32, middle: i32) -> Frame {
    Frame {
        x,
        y: middle - 15,
        width: 34,
        height: 30,
    }
}

/// Writes what a sign means; where the next one begins.
fn beside(canvas: &Canvas<'_>, x: i32, y: i32, word: &str) -> i32 {
    canvas.text(word, (x + 10, y), SMALL, INK, Align::Left);
    x + 10 + SMALL.width(word) + 28
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words() -> RatingsWords {
        RatingsWords {
            title: String::new(),
            question: String::new(),
            statement: String::new(),
            agree: "agree (5–7)".into(),
            neutral: "neutral (4)".into(),
            dissent: "dissent (1–3)".into(),
            rated: "rated by a participant".into(),
            predicted: "only predicted".into(),
            participants: "Participants".into(),
            ratings: "Their ratings".into(),
            welfare: "Welfare".into(),
            chosen: "chosen".into(),
        }
    }

    fn row(label: &str, rated: [usize; 7], predicted: [usize; 7]) -> RatingsRow {
        RatingsRow {
            label: label.into(),
            chosen: label == "A",
            note: "4 of 5 rated".into(),
            welfare: "5.2".into(),
            rated,
            predicted,
            told: format!("{label} in words."),
        }
    }

    fn times(svg: &str, what: &str) -> usize {
        svg.matches(what).count()
    }

    #[test]
    fn every_rating_is_a_dot_and_every_kind_a_number() {
        let rows = [
            row("A", [0, 1, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1, 0]),
            row("B", [2, 0, 0, 1, 1, 0, 0], [0, 0, 1, 0, 0, 0, 0]),
        ];
        let chart = ratings_chart(&rows, &words());
        // Two dots of the legend as well; a hollow one is two circles.
        let (filled, hollow) = (8 + 1, 2 + 1);
        assert_eq!(times(&chart.svg, "<circle"), filled + 2 * hollow);
        for text in [
            "A",
            "B",
            "▲3",
            "▼1",
            "▲1",
            "▼2",
            "◆1",
            "chosen",
            "only predicted",
        ] {
            assert!(chart.svg.contains(&format!(">\n{text}\n<")), "{text}");
        }
        assert_eq!(chart.alt_text, "A in words. B in words.");
    }

    #[test]
    fn many_ratings_are_columns() {
        let rows = [row(
            "A",
            [0, 3, 10, 20, 60, 40, 20],
            [0, 0, 5, 10, 20, 10, 2],
        )];
        let chart = ratings_chart(&rows, &words());
        assert_eq!(times(&chart.svg, "<circle"), 3, "those of the legend");
    }

    #[test]
    fn what_nobody_rated_has_no_sign_for_ratings_in_the_legend() {
        let svg = ratings_chart(&[row("A", [0; 7], [0, 0, 1, 0, 2, 0, 0])], &words()).svg;
        assert!(svg.contains(">\nonly predicted\n<"));
        assert!(!svg.contains("rated by a participant"));
    }

    #[test]
    fn a_picture_that_stands_alone_has_the_question_and_the_statement_and_says_all_in_words() {
        let words = RatingsWords {
            title: "Ships & <boats>?".into(),
            question: "Ships & <boats>?".into(),
            statement: "One harbor for all, by turns, ".repeat(8),
            ..words()
        };
        let long_note = RatingsRow {
            note: "One harbor for all of them, by turns".into(),
            ..row("A", [0; 7], [0, 0, 1, 0, 2, 0, 0])
        };
        let Chart { svg, .. } = ratings_chart(&[long_note], &words);
        assert!(svg.starts_with("<svg ") && svg.contains(" role=\"img\">\n<title>Ships &amp; &lt;boats&gt;?</title>\n<desc>A in words.</desc>\n"));
        assert!(
            times(&svg, "One harbor for all, by turns,") >= 3,
            "in several lines"
        );
        assert_eq!(
            times(&svg, "One harbor for all of them, by turns"),
            0,
            "no room for all of it"
        );
        assert_eq!(times(&svg, "…\n<"), 1);
    }

    #[test]
    fn what_is_only_predicted_is_hatched() {
        let lines = |rated, predicted| {
            let chart = ratings_chart(&[row("A", rated, predicted)], &words());
            times(&chart.svg, "<polyline")
        };
        let ratings = [0, 0, 0, 0, 3, 0, 0];
        assert!(lines([0; 7], ratings) > lines(ratings, [0; 7]) + 10);
    }

    #[test]
    fn a_picture_is_the_same_every_time() {
        let rows = [row("A", [0, 1, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1, 0])];
        let (one, other) = (
            ratings_chart(&rows, &words()),
            ratings_chart(&rows, &words()),
        );
        assert_eq!(one, other);
        assert_eq!(one.to_png(1.0), other.to_png(1.0));
        let width = |png: &[u8]| u32::from_be_bytes(png[16..20].try_into().unwrap());
        assert_eq!(width(&one.to_png(1.0)), WIDTH as u32);
        assert_eq!(width(&one.to_png(2.0)), 2 * WIDTH as u32);
    }

    #[test]
    fn whatever_people_and_models_write_can_be_drawn() {
        let hostile =
            "<a b=\"&amp;\"> ]]>\u{0}\u{7}\n\u{1b}[31m\u{ffff}\u{202e}\u{200d} 港🚌 é\u{301}";
        let words = RatingsWords {
            title: hostile.into(),
            question: hostile.into(),
            statement: hostile.repeat(20),
            ..words()
        };
        let row = RatingsRow {
            note: hostile.repeat(3),
            told: hostile.into(),
            ..row(hostile, [0; 7], [0, 0, 1, 0, 2, 0, 0])
        };
        assert!(!ratings_chart(&[row], &words).to_png(0.5).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_a_group_rates_can_be_drawn(
            rows in proptest::collection::vec(
                (any::<[u8; 7]>(), any::<[u8; 7]>(), 0..250_usize), 0..7
            ),
        ) {
            let rows: Vec<RatingsRow> = rows
                .into_iter()
                .map(|(rated, predicted, fewer)| {
                    let few = |count: u8| usize::from(count).saturating_sub(fewer);
                    row("<A & \"B\">", rated.map(few), predicted.map(few))
                })
                .collect();
            let chart = ratings_chart(&rows, &words());
            prop_assert!(!chart.to_png(0.5).is_empty());
        }
    }
}
