//! Charts: drawn as SVG, readable at the width of a phone, told in words as well.

pub mod ratings;

use serde::Serialize;

/// A picture, and what it shows in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    pub svg: String,
    pub alt_text: String,
}

impl Chart {
    /// As pixels; `scale` 1 is as wide as the SVG says.
    pub fn to_png(&self, _scale: f32) -> Vec<u8> {
        todo!()
    }
}
