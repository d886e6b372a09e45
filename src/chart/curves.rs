//! How a figure changes where there is more and more of something.

use plotters::style::RGBColor;

use super::Chart;
use super::canvas::{Align, Canvas, GUIDE, INK, QUIET, SMALL, draw};

/// A figure at each place.
#[derive(Clone, Debug)]
pub struct Curve {
    pub label: String,
    /// As many as there are [`CurvesWords::places`].
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
pub struct CurvesWords {
    /// Under each place: how much there is.
    pub places: Vec<String>,
    /// Under all of them: of what.
    pub axis: String,
    /// Over the picture.
    pub title: String,
}

/// The figures that are drawn.
#[derive(Clone, Debug)]
pub struct Scale {
    pub lowest: f64,
    pub highest: f64,
    /// From one line to the next.
    pub step: f64,
    /// A figure to compare with, and what it is called.
    pub guide: Option<(f64, String)>,
}

/// Up to two curves, one of filled dots and one of hollow ones.
pub fn curves_chart(curves: &[Curve; 2], words: &CurvesWords, scale: &Scale) -> Chart {
    let svg = draw(WIDTH, HEIGHT, |canvas| {
        canvas.text(&words.title, (MARGIN, 30), SMALL, INK, Align::Left);
        grid(canvas, words, scale);
        for (curve, look) in curves.iter().zip([FILLED, HOLLOW]) {
            draw_curve(canvas, curve, words.places.len(), scale, look);
        }
        legend(canvas, curves);
    });
    let told = curves.iter().map(|curve| {
        let points = words.places.iter().zip(&curve.points);
        let points: Vec<String> = points
            .map(|(place, point)| format!("{place}: {:.2}", point.value))
            .collect();
        format!("{}: {}.", curve.label, points.join(", "))
    });
    Chart::new(&svg, &words.title, told.collect::<Vec<_>>().join(" "))
}

const WIDTH: i32 = 800;
const HEIGHT: i32 = 520;
const MARGIN: i32 = 20;
const LEFT: i32 = 90;
const TOP: i32 = 70;
const BOTTOM: i32 = 370;

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

impl Scale {
    fn y_of(&self, value: f64) -> i32 {
        let share =
            (value.clamp(self.lowest, self.highest) - self.lowest) / (self.highest - self.lowest);
        BOTTOM - (share * f64::from(BOTTOM - TOP)).round() as i32
    }
}

fn grid(canvas: &Canvas<'_>, words: &CurvesWords, scale: &Scale) {
    let lines = ((scale.highest - scale.lowest) / scale.step).round() as i32;
    for line in 0..=lines {
        let value = scale.lowest + f64::from(line) * scale.step;
        let y = scale.y_of(value);
        canvas.line((LEFT, y), (WIDTH - MARGIN, y), GUIDE, 1);
        let at = (LEFT - 12, y);
        canvas.text(&format!("{value:.1}"), at, SMALL, QUIET, Align::Right);
    }
    if let Some((value, name)) = &scale.guide {
        let y = scale.y_of(*value);
        canvas.line((LEFT, y), (WIDTH - MARGIN, y), QUIET, 2);
        canvas.text(name, (WIDTH - MARGIN, y + 18), SMALL, QUIET, Align::Right);
    }
    for (place, amount) in words.places.iter().enumerate() {
        let at = (x_of(place, words.places.len()), BOTTOM + 26);
        canvas.text(amount, at, SMALL, INK, Align::Center);
    }
    let middle = (LEFT + (WIDTH - LEFT - MARGIN) / 2, BOTTOM + 62);
    canvas.text(&words.axis, middle, SMALL, QUIET, Align::Center);
}

fn draw_curve(canvas: &Canvas<'_>, curve: &Curve, places: usize, scale: &Scale, look: Look) {
    let at = |place: usize, value: f64| (x_of(place, places) + look.shift, scale.y_of(value));
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
        let words = CurvesWords {
            places: ["0", "50", "200"].map(str::to_owned).to_vec(),
            axis: "ratings".to_owned(),
            title: "Accuracy".to_owned(),
        };
        let scale = Scale {
            lowest: 0.3,
            highest: 1.0,
            step: 0.1,
            guide: Some((0.5, "chance".to_owned())),
        };
        let chart = curves_chart(&curves, &words, &scale);
        assert!(chart.svg.contains(">\n0.3\n<") && chart.svg.contains(">\n1.0\n<"));
        assert!(chart.svg.contains(">\nchance\n<"));
        // A hollow one is two circles; one more of each is in the legend.
        assert_eq!(chart.svg.matches("<circle").count(), 4 + 2 * 4);
        assert_eq!(
            chart.alt_text,
            "within: 0: 0.50, 50: 0.70, 200: 0.95. between: 0: 0.10, 50: 0.60, 200: 0.80."
        );
        assert!(!chart.to_png(0.5).is_empty());
    }
}
