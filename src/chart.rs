//! Charts: drawn as SVG, readable at the width of a phone, told in words as well.
//!
//! Every chart has a background of its own, so that it looks the same on light and dark pages, and
//! means nothing by color alone.

mod canvas;
pub mod curves;
pub mod ratings;
pub mod shares;

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use serde::Serialize;

/// A picture, and what it shows in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    pub svg: String,
    pub alt_text: String,
}

impl Chart {
    /// `svg` with what it shows in words, for whoever cannot see it; `title` may be empty.
    fn new(svg: &str, title: &str, alt_text: String) -> Self {
        let title = match title {
            "" => String::new(),
            title => format!("<title>{}</title>\n", escaped(title)),
        };
        let told = format!(
            " role=\"img\">\n{title}<desc>{}</desc>\n",
            escaped(&alt_text)
        );
        Self {
            // The first one ends the tag of the whole.
            svg: svg.replacen(">\n", &told, 1),
            alt_text,
        }
    }

    /// As pixels; `scale` 1 is as large as the SVG says. The same everywhere: the fonts come with
    /// Accord.
    pub fn to_png(&self, scale: f32) -> Vec<u8> {
        let options = Options {
            fontdb: FONTS.clone(),
            ..Options::default()
        };
        let tree = Tree::from_str(&self.svg, &options).expect("drawn here");
        let size = tree
            .size()
            .to_int_size()
            .scale_by(scale)
            .expect("more than no pixel");
        let mut pixels = Pixmap::new(size.width(), size.height()).expect("more than no pixel");
        let transform = Transform::from_scale(scale, scale);
        resvg::render(&tree, transform, &mut pixels.as_mut());
        pixels.encode_png().expect("a picture in memory")
    }
}

fn escaped(text: &str) -> String {
    allowed(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// With spaces instead of what XML cannot hold, and instead of line breaks.
fn allowed(text: &str) -> String {
    let forbidden = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.replace(forbidden, " ")
}

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.load_font_data(dejavu::sans::bold().to_vec());
    Arc::new(fonts)
});
