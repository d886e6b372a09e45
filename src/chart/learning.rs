//! How good a model is after more and more ratings.

use plotters::style::RGBColor;

use super::Chart;
use super::canvas::{Align, Canvas, GUIDE, INK, QUIET, SMALL, draw};

/// A figure after each number of ratings, from 0 to 1.
#[derive(Clone, Debug)]
pub struct Curve {
    pub label: String,
    /// As many as there are [`LearningWords::ratings`]; with an interval around it.
    pub points: Vec<Point>,
}

/// A figure and its interval.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub value: f64,
    pub interval: Option<[f64; 2]>,
}

/// What stands in the picture beside the curves.
#[derive(Clone, Debug)]
pub struct LearningWords {
    /// Under each place: how many ratings were learned from.
    pub ratings: Vec<String>,
    /// Under all of them.
    pub axis: String,
    /// Over the picture.
    pub title: String,
    /// At the line of one half.
    pub chance: String,
}

/// Up to two curves, one of filled dots and one of hollow ones.
pub fn learning_chart(curves: &[Curve; 2], words: &LearningWords) -> Chart {
    let svg = draw(WIDTH, HEIGHT, |canvas| {
        canvas.text(&words.title, (MARGIN, 30), SMALL, INK, Align::Left);
        grid(canvas, words);
        for (curve, look) in curves.iter().zip([FILLED, HOLLOW]) {
            draw_curve(canvas, curve, words.ratings.len(), look);
        }
        legend(canvas, curves);
    });
    let told = curves.iter().map(|curve| {
        let points = words.ratings.iter().zip(&curve.points);
        let points: Vec<String> = points
            .map(|(ratings, point)| format!("{ratings}: {:.2}", point.value))
            .collect();
        format!("{}: {}.", curve.label, points.join(", "))
    });
    Chart {
        svg,
        alt_text: told.collect::<Vec<_>>().join(" "),
    }
}

const WIDTH: i32 = 800;
const HEIGHT: i32 = 520;
const MARGIN: i32 = 20;
const LEFT: i32 = 90;
const TOP: i32 = 70;
const BOTTOM: i32 = 370;
/// The lowest and the highest figure that are drawn.
const SHOWN: [f64; 2] = [0.3, 1.0];

/// How a curve is told from the other one.
#[derive(Clone, Copy)]
struct Look {
    color: RGBColor,
    hollow: bool,
    /// So that intervals do not cover one another.
    shift: i32,
}

const FILLED: Look = Look {
    color: RGBColor(0x0b, 0x53, 0x94),
    hollow: false,
    shift: -7,
};
const HOLLOW: Look = Look {
    color: RGBColor(0xb8, 0x5c, 0x0b),
    hollow: true,
    shift: 7,
};

impl Look {
    fn dot(self, canvas: &Canvas<'_>, center: (i32, i32)) {
        const RADIUS: i32 = 9;
        match self.hollow {
            true => canvas.hollow_dot(center, RADIUS, self.color),
            false => canvas.dot(center, RADIUS, self.color),
        }
    }
}

fn x_of(place: usize, places: usize) -> i32 {
    let room = WIDTH - LEFT - MARGIN;
    LEFT + room * (2 * place as i32 + 1) / (2 * places.max(1) as i32)
}

fn y_of(value: f64) -> i32 {
    let [low, high] = SHOWN;
    let share = (value.clamp(low, high) - low) / (high - low);
    BOTTOM - (share * f64::from(BOTTOM - TOP)).round() as i32
}

fn grid(canvas: &Canvas<'_>, words: &LearningWords) {
    for tenths in 3..=10 {
        let value = f64::from(tenths) / 10.0;
        let y = y_of(value);
        let (color, width) = match tenths {
            5 => (QUIET, 2),
            _ => (GUIDE, 1),
        };
        canvas.line((LEFT, y), (WIDTH - MARGIN, y), color, width);
        let at = (LEFT - 12, y);
        canvas.text(&format!("{value:.1}"), at, SMALL, QUIET, Align::Right);
    }
    let at = (WIDTH - MARGIN, y_of(0.5) + 18);
    canvas.text(&words.chance, at, SMALL, QUIET, Align::Right);
    for (place, ratings) in words.ratings.iter().enumerate() {
        let at = (x_of(place, words.ratings.len()), BOTTOM + 26);
        canvas.text(ratings, at, SMALL, INK, Align::Center);
    }
    let middle = (LEFT + (WIDTH - LEFT - MARGIN) / 2, BOTTOM + 62);
    canvas.text(&words.axis, middle, SMALL, QUIET, Align::Center);
}

fn draw_curve(canvas: &Canvas<'_>, curve: &Curve, places: usize, look: Look) {
    let at = |place: usize, value: f64| (x_of(place, places) + look.shift, y_of(value));
    for (place, pair) in curve.points.windows(2).enumerate() {
        let (from, to) = (at(place, pair[0].value), at(place + 1, pair[1].value));
        canvas.line(from, to, look.color, 3);
    }
    for (place, point) in curve.points.iter().enumerate() {
        if let Some([low, high]) = point.interval {
            canvas.line(at(place, low), at(place, high), look.color, 2);
        }
        look.dot(canvas, at(place, point.value));
    }
}

fn legend(canvas: &Canvas<'_>, curves: &[Curve; 2]) {
    for (row, (curve, look)) in curves.iter().zip([FILLED, HOLLOW]).enumerate() {
        let y = BOTTOM + 98 + 32 * row as i32;
        look.dot(canvas, (LEFT, y));
        canvas.text(&curve.label, (LEFT + 20, y), SMALL, INK, Align::Left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_a_dot_and_told_in_words() {
        let point = |value: f64| Point {
            value,
            interval: Some([value - 0.1, value + 0.1]),
        };
        let curve = |label: &str, values: [f64; 3]| Curve {
            label: label.to_owned(),
            points: values.map(point).to_vec(),
        };
        let curves = [
            curve("within", [0.5, 0.7, 0.95]),
            curve("between", [0.1, 0.6, 0.8]),
        ];
        let words = LearningWords {
            ratings: ["0", "50", "200"].map(str::to_owned).to_vec(),
            axis: "ratings".to_owned(),
            title: "Accuracy".to_owned(),
            chance: "chance".to_owned(),
        };
        let chart = learning_chart(&curves, &words);
        // A hollow one is two circles; one more of each is in the legend.
        assert_eq!(chart.svg.matches("<circle").count(), 4 + 2 * 4);
        assert_eq!(
            chart.alt_text,
            "within: 0: 0.50, 50: 0.70, 200: 0.95. between: 0: 0.10, 50: 0.60, 200: 0.80."
        );
        assert!(!chart.to_png(0.5).is_empty());
    }
}
