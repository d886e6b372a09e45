//! Makes what people and models wrote harmless where others read it.

use unicode_segmentation::UnicodeSegmentation;

/// The text, of several lines where it has them, for a place that shows markdown.
pub fn text(untrusted: &str, limit: usize) -> String {
    shortened(untrusted, limit)
}

/// The text on one line, for a place that shows markdown.
pub fn line(untrusted: &str, limit: usize) -> String {
    shortened(untrusted, limit)
}

/// The text on one line, for a place that shows no markdown: labels, choices, footers.
pub fn label(untrusted: &str, limit: usize) -> String {
    shortened(untrusted, limit)
}

/// At most `limit` characters, the last of them "…" if there were more; no character that people
/// see as one is cut.
pub fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(1);
    let mut short = String::new();
    for grapheme in text.graphemes(true) {
        let characters = grapheme.chars().count();
        if characters > room {
            break;
        }
        room -= characters;
        short.push_str(grapheme);
    }
    if limit > 0 {
        short.truncate(short.trim_end().len());
        short.push('…');
    }
    short
}
