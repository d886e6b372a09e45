//! What charts are drawn with: rectangles, dots, hatching and text on a page of pixels.

use std::sync::LazyLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use unicode_segmentation::UnicodeSegmentation;

use super::allowed;

/// A page, drawn from its upper left corner.
pub struct Canvas<'s> {
    area: DrawingArea<SVGBackend<'s>, Shift>,
}

/// Which point of a text is given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Align {
    Left,
    Center,
    Right,
}

/// Height of letters in pixels, and whether they are bold.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    pub size: i32,
    pub bold: bool,
}

/// Small type, which can still be read at the width of a phone.
pub const SMALL: Type = Type {
    size: 22,
    bold: false,
};
pub const SMALL_BOLD: Type = Type {
    size: 22,
    bold: true,
};

/// Text.
pub const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);
/// Text that explains.
pub const QUIET: RGBColor = RGBColor(0x50, 0x55, 0x5c);
/// Lines to compare by.
pub const GUIDE: RGBColor = RGBColor(0xd6, 0xda, 0xdf);
/// Behind the row that matters most.
pub const HIGHLIGHT: RGBColor = RGBColor(0xec, 0xf1, 0xf7);

/// A rectangle: left, top, width, height.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

/// Draws a page.
pub fn draw(width: i32, height: i32, paint: impl FnOnce(&Canvas<'_>)) -> String {
    let mut svg = String::new();
    let backend = SVGBackend::with_string(&mut svg, (width as u32, height as u32));
    let canvas = Canvas {
        area: backend.into_drawing_area(),
    };
    canvas.fill(
        Frame {
            x: 0,
            y: 0,
            width,
            height,
        },
        WHITE,
    );
    paint(&canvas);
    canvas.area.present().expect(IN_MEMORY);
    drop(canvas);
    // Programs that do not have the font take one of nearly the same widths.
    svg.replace(
        &format!("font-family=\"{FAMILY}\""),
        &format!("font-family=\"{FAMILY}, Verdana, sans-serif\""),
    )
}

impl Canvas<'_> {
    pub fn fill(&self, frame: Frame, color: RGBColor) {
        let rectangle = Rectangle::new(frame.corners(), color.filled());
        self.area.draw(&rectangle).expect(IN_MEMORY);
    }

    /// Pale, with slanted lines and an edge of the color.
    pub fn hatch(&self, frame: Frame, color: RGBColor) {
        self.fill(frame, mixed_with_white(color));
        let (right, bottom) = (frame.x + frame.width, frame.y + frame.height);
        for start in (frame.x - frame.height..right).step_by(HATCH as usize) {
            // From the lower left to the upper right, cut off at the sides.
            let (left_cut, right_cut) = (
                (frame.x - start).max(0),
                (start + frame.height - right).max(0),
            );
            let from = (start + left_cut, bottom - left_cut);
            let to = (start + frame.height - right_cut, frame.y + right_cut);
            if from.0 < to.0 {
                self.line(from, to, color, 2);
            }
        }
        let edge = Rectangle::new(frame.corners(), color.stroke_width(2));
        self.area.draw(&edge).expect(IN_MEMORY);
    }

    pub fn line(&self, from: (i32, i32), to: (i32, i32), color: RGBColor, width: u32) {
        let line = PathElement::new([from, to], color.stroke_width(width));
        self.area.draw(&line).expect(IN_MEMORY);
    }

    pub fn dot(&self, center: (i32, i32), radius: i32, color: RGBColor) {
        let dot = Circle::new(center, radius, color.filled());
        self.area.draw(&dot).expect(IN_MEMORY);
    }

    pub fn hollow_dot(&self, center: (i32, i32), radius: i32, color: RGBColor) {
        self.dot(center, radius, WHITE);
        let dot = Circle::new(center, radius - 1, color.stroke_width(3));
        self.area.draw(&dot).expect(IN_MEMORY);
    }

    /// Text whose middle is at the height of `at`.
    pub fn text(&self, text: &str, at: (i32, i32), letters: Type, color: RGBColor, align: Align) {
        let h_pos = match align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = TextStyle::from(letters.font(DRAWN_SIZE))
            .color(&color)
            .pos(Pos::new(h_pos, VPos::Center));
        let text = Text::new(allowed(text), at, style);
        self.area.draw(&text).expect(IN_MEMORY);
    }
}

impl Type {
    /// How wide a text is.
    pub fn width(self, text: &str) -> i32 {
        LazyLock::force(&REGISTERED);
        let measured = self.font(MEASURED_SIZE).box_size(text);
        measured.expect("the fonts are registered").0 as i32
    }

    /// A text in lines that are no wider than `room`, broken between words where that can be done.
    pub fn wrapped(self, text: &str, room: i32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let parts = match self.width(word) <= room {
                true => vec![word],
                false => word.graphemes(true).collect(),
            };
            for (nth, part) in parts.into_iter().enumerate() {
                let space = if nth == 0 { " " } else { "" };
                match lines.last_mut() {
                    Some(line) if self.width(&format!("{line}{space}{part}")) <= room => {
                        line.push_str(space);
                        line.push_str(part);
                    }
                    _ => lines.push(part.to_owned()),
                }
            }
        }
        lines
    }

    /// A text that is no wider than `room`: as much of its beginning as there is room for.
    pub fn shortened(self, text: &str, room: i32) -> String {
        if self.width(text) <= room {
            return text.to_owned();
        }
        let ends = text.grapheme_indices(true).map(|(end, _)| &text[..end]);
        ends.map(|beginning| format!("{}…", beginning.trim_end()))
            .take_while(|short| self.width(short) <= room)
            .last()
            .unwrap_or_default()
    }

    fn font(self, factor: f64) -> FontDesc<'static> {
        let style = if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let size = f64::from(self.size) * factor;
        FontDesc::new(FontFamily::Name(FAMILY), size, style)
    }
}

impl Frame {
    fn corners(self) -> [(i32, i32); 2] {
        [
            (self.x, self.y),
            (self.x + self.width, self.y + self.height),
        ]
    }
}

const FAMILY: &str = "DejaVu Sans";
/// Between the lines of a hatching.
const HATCH: i32 = 9;
/// plotters divides the size of a font by this on its way to the SVG,
const DRAWN_SIZE: f64 = 1.24;
/// and takes it for the height of a line when it measures, which is this for DejaVu Sans.
const MEASURED_SIZE: f64 = 1.164;
const IN_MEMORY: &str = "drawn in memory";

static REGISTERED: LazyLock<()> = LazyLock::new(|| {
    for (style, font) in [
        (FontStyle::Normal, dejavu::sans::regular()),
        (FontStyle::Bold, dejavu::sans::bold()),
    ] {
        assert!(
            register_font(FAMILY, style, font).is_ok(),
            "DejaVu Sans is a font"
        );
    }
});

fn mixed_with_white(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let pale = |part: u8| 255 - (255 - part) / 6;
    RGBColor(pale(r), pale(g), pale(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_where_it_can_be_and_never_wider_than_its_room() {
        let lines = SMALL.wrapped("One harbor  for all of\nthem, by turns", 150);
        assert_eq!(lines.join(" "), "One harbor for all of them, by turns");
        let unbroken = "港は皆のもの".repeat(6);
        let of_one_word = SMALL.wrapped(&unbroken, 150);
        assert_eq!(of_one_word.concat(), unbroken);
        for line in lines.iter().chain(&of_one_word) {
            assert!(SMALL.width(line) <= 150, "{line}");
        }
        assert!(lines.len() > 2 && of_one_word.len() > 2);
    }

    #[test]
    fn what_has_no_room_loses_its_end() {
        assert_eq!(SMALL.shortened("One harbor", 300), "One harbor");
        let short = SMALL.shortened("One harbor for all of them", 150);
        assert!(short.starts_with("One") && short.ends_with('…'), "{short}");
        assert!(SMALL.width(&short) <= 150);
        assert_eq!(SMALL.shortened("One harbor", 2), "");
    }
}
