//! Makes what people and models wrote harmless where others read it.
//!
//! Plain text stays as it is, and what was made harmless once stays as it is too. Nothing here
//! replaces `allowed_mentions`, with which every message of Accord's is sent; it is the second lock.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use unicode_segmentation::UnicodeSegmentation;

/// The text, of several lines where it has them, for a place that shows markdown; at most `limit`
/// characters.
///
/// Mentions, invites and masked links are shown and do nothing, links have no preview, and markdown
/// is shown as it was typed.
pub fn text(untrusted: &str, limit: usize) -> String {
    joined(&pieces(&defused(&visible(untrusted))), limit)
}

/// As [`text`], on one line.
pub fn line(untrusted: &str, limit: usize) -> String {
    joined(&pieces(&defused(&on_one_line(&visible(untrusted)))), limit)
}

/// The text on one line, for a place that shows no markdown and knows no mentions: choices, footers.
pub fn label(untrusted: &str, limit: usize) -> String {
    shortened(&on_one_line(&visible(untrusted)), limit)
}

/// The text, of several lines where it has them, for a place that shows nothing but plain text and
/// where there is room for all of it.
pub fn plain(untrusted: &str) -> String {
    visible(untrusted)
}

/// At most `limit` characters, the last of them "…" if there were more; no character that people
/// see as one is cut.
pub fn shortened(text: &str, limit: usize) -> String {
    let graphemes: Vec<&str> = text.graphemes(true).collect();
    joined(&graphemes, limit)
}

fn joined(pieces: &[impl AsRef<str>], limit: usize) -> String {
    let length = |piece: &str| piece.chars().count();
    let whole: usize = pieces.iter().map(|piece| length(piece.as_ref())).sum();
    if whole <= limit {
        return pieces.iter().map(AsRef::as_ref).collect();
    }
    let mut room = limit.saturating_sub(1);
    let mut short = String::new();
    for piece in pieces {
        let Some(left) = room.checked_sub(length(piece.as_ref())) else {
            break;
        };
        room = left;
        short.push_str(piece.as_ref());
    }
    if limit > 0 {
        let joins_nothing =
            |c: char| c.is_whitespace() || [ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER].contains(&c);
        short.truncate(short.trim_end_matches(joins_nothing).len());
        short.push('…');
    }
    short
}

/// What can be seen of a text: no control characters, nothing that turns the direction of writing
/// or has no width, no towers of accents, no floods of emoji, no runs of blank lines.
fn visible(text: &str) -> String {
    let mut text = text.to_owned();
    // What goes can leave something behind that only made sense beside it.
    loop {
        let seen = visible_once(&text);
        if seen == text {
            return seen;
        }
        text = seen;
    }
}

fn visible_once(text: &str) -> String {
    let text = NEW_LINE.replace_all(text, "\n").replace('\t', " ");
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if is_visible(kept.chars().next_back(), c, characters.peek().copied()) {
            kept.push(c);
        }
    }
    let text = TOO_MANY_MARKS.replace_all(&kept, "$1");
    let text = TOO_MANY_EMOJI.replace_all(&text, "$1…");
    let text = TOO_MANY_BLANK_LINES.replace_all(&text, "\n\n");
    text.trim().to_owned()
}

/// Invisible characters stay where scripts and emoji need them: between two letters beyond ASCII,
/// between two emoji, and after an emoji.
fn is_visible(before: Option<char>, c: char, after: Option<char>) -> bool {
    let matches = |regex: &Regex, c: Option<char>| {
        c.is_some_and(|c| regex.is_match(c.encode_utf8(&mut [0; 4])))
    };
    let joins = |regex: &Regex| matches(regex, before) && matches(regex, after);
    match c {
        '\n' => true,
        ZERO_WIDTH_JOINER => joins(&LETTER) || (matches(&EMOJI, before) && matches(&EMOJI, after)),
        ZERO_WIDTH_NON_JOINER => joins(&LETTER),
        TEXT_STYLE | EMOJI_STYLE => matches(&STYLED, before),
        _ => !matches(&INVISIBLE, Some(c)),
    }
}

/// Without what Discord turns into a ping, a link to a place, or a link that hides where it leads.
fn defused(text: &str) -> String {
    let mut text = text.to_owned();
    // Taking one apart can leave another.
    while LIVE.is_match(&text) {
        text = LIVE.replace_all(&text, "$1$2").into_owned();
    }
    let text = MASS_MENTION.replace_all(&text, "＠$1");
    let text = INVITE.replace_all(&text, "$1[.]$2");
    let text = text.replace("](", "] (");
    let text = BLOCK.replace_all(&text, r"$1\$2$3");
    NUMBERED.replace_all(&text, r"$1\.$2").into_owned()
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What must not be cut apart: links, escaped signs, graphemes.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for link in LINK.captures_iter(text) {
        let start = link.get(0).expect("the whole match").start();
        let (address, end) = address(&link);
        push_escaped(&mut pieces, text, from..start);
        // It would escape the bracket.
        if pieces.last().is_some_and(|piece| piece == r"\") {
            pieces.push(r"\".to_owned());
        }
        pieces.push(format!(
            "<{}>",
            NOT_IN_LINKS.replace_all(address, percent_encoded)
        ));
        from = end;
    }
    push_escaped(&mut pieces, text, from..text.len());
    pieces
}

/// The address of a link, and where the link ends in the text.
fn address<'t>(link: &Captures<'t>) -> (&'t str, usize) {
    let whole = link.get(0).expect("the whole match");
    match link.get(1) {
        Some(bracketed) => (bracketed.as_str(), whole.end()),
        None => {
            let address = whole.as_str().trim_end_matches(END_OF_SENTENCE);
            (address, whole.start() + address.len())
        }
    }
}

/// Signs that close a sentence or a bracket around a link rather than the link.
const END_OF_SENTENCE: [char; 14] = [
    '.', ',', ';', ':', '!', '?', '\'', '"', ')', ']', '*', '_', '~', '|',
];

fn percent_encoded(sign: &Captures<'_>) -> String {
    sign[0].bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Escapes the signs of markdown that work anywhere in a line.
fn push_escaped(pieces: &mut Vec<String>, text: &str, range: Range<usize>) {
    let mut graphemes = text[range].graphemes(true).peekable();
    while let Some(grapheme) = graphemes.next() {
        let next = graphemes.peek();
        // A sign may carry accents, and works all the same.
        if grapheme == r"\" && next.is_some_and(|next| next.starts_with(is_punctuation)) {
            pieces.push(format!(r"\{}", graphemes.next().expect("just seen")));
        } else if grapheme.starts_with(['*', '_', '`', '~', '|']) {
            pieces.push(format!(r"\{grapheme}"));
        } else {
            pieces.push(grapheme.to_owned());
        }
    }
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
}

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const TEXT_STYLE: char = '\u{fe0e}';
const EMOJI_STYLE: char = '\u{fe0f}';

macro_rules! regexes {
    ($($(#[$doc:meta])* $name:ident = $pattern:expr;)+) => {$(
        $(#[$doc])*
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($pattern).expect("written here"));
    )+};
}

regexes! {
    NEW_LINE = r"\r\n|[\r\x0b\x0c\u{85}\u{2028}\u{2029}]";
    /// The last are an empty Braille pattern, and what is no character.
    INVISIBLE = r"[\p{Cc}\p{Default_Ignorable_Code_Point}\u{fff9}-\u{fffb}\u{2800}\u{fffe}\u{ffff}]";
    LETTER = r"[\p{L}--\p{ASCII}--\p{Default_Ignorable_Code_Point}]";
    /// Also what changes an emoji.
    EMOJI = r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\u{fe0f}]";
    /// Digits too: 1️⃣.
    STYLED = r"[\p{Emoji}\p{Extended_Pictographic}]";
    TOO_MANY_MARKS = r"(\p{M}{4})\p{M}+";
    TOO_MANY_EMOJI = &format!(r"((?:{ONE_EMOJI}\s*){{12}})(?:{ONE_EMOJI}\s*)+");
    TOO_MANY_BLANK_LINES = r"\n[ ]*(?:\n[ ]*){2,}";
    /// Members, roles, channels, commands, places, times; and emoji of a guild, of which the name
    /// stays.
    LIVE = r"<(?:a?(:\w+:)\d+|(@[!&]?\d+|#\d+|/[^<>\n]+:\d+|id:\w+|t:-?\d+(?::\w)?))>";
    MASS_MENTION = r"(?i)@(everyone|here)";
    INVITE = r"(?i)(?:https?://)?(?:www\.)?(discord(?:app)?)\.(gg|com/invite)\b";
    /// Headings, small print, quotations, lists.
    BLOCK = r"(?m)^([ ]*)(\#{1,3}|-\#|>>>|>|[-+])(\s|$)";
    NUMBERED = r"(?m)^([ ]*\d+)\.(\s|$)";
    LINK = r"(?i)<(https?://[^\s<>]+)>|https?://[^\s<>]+";
    /// And what would be taken for the style of an emoji, or join what no longer stands beside it.
    NOT_IN_LINKS = r"[*~|`\\\u{200c}\u{200d}\u{fe0e}\u{fe0f}]";
}

/// Flags, or one pictogram with all that joins it.
const ONE_EMOJI: &str = r"(?:\p{Regional_Indicator}{2}|\p{Extended_Pictographic}[\p{Emoji_Modifier}\u{fe0e}\u{fe0f}\u{20e3}]*(?:\u{200d}\p{Extended_Pictographic}[\p{Emoji_Modifier}\u{fe0e}\u{fe0f}]*)*)";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        for plain in [
            "Both, at different hours: tea until noon (or 1 p.m.), then coffee.",
            "Not C# but 5 people, x < y > z, 3 - 2 = 1, #hashtag, me@example.org",
            "Erste Zeile\nzweite Zeile\n\nnach einer Leerzeile",
            "日本語とعربيةوעברית, नमस्ते, Việt Nam",
            "نمی\u{200c}خواهم",
            "👩‍👩‍👧‍👦 and 👍🏽, ❤️, 1️⃣, 🇩🇪",
        ] {
            assert_eq!(text(plain, 4000), plain);
        }
    }

    #[test]
    fn nothing_pings_or_leads_elsewhere() {
        for (hostile, shown) in [
            ("@everyone and @here", "＠everyone and ＠here"),
            ("@every\u{200b}one", "＠everyone"),
            ("<@123> <@!123> <@&5> <#9>", "@123 @!123 @&5 #9"),
            ("<<@1>>", "@1"),
            ("<</round open:5>>", "/round open:5"),
            ("<t:0:R> <id:browse>", "t:0:R id:browse"),
            ("<:smile:1> <a:dance:2>", ":smile: :dance:"),
            (
                "[free](https://evil.example)",
                "[free] (<https://evil.example>)",
            ),
            ("join discord.gg/abc", "join discord[.]gg/abc"),
            ("https://discord.com/invite/a", "discord[.]com/invite/a"),
            (
                "see https://a.example/b_c, please",
                "see <https://a.example/b_c>, please",
            ),
            ("<https://a.example>", "<https://a.example>"),
            (r"\https://a.example", r"\\<https://a.example>"),
            ("https://a.example/*b", "<https://a.example/%2Ab>"),
            (
                "https://a.example/😀\u{fe0f}\u{200d}😀",
                "<https://a.example/😀%EF%B8%8F%E2%80%8D😀>",
            ),
        ] {
            assert_eq!(text(hostile, 4000), shown);
        }
    }

    #[test]
    fn markdown_is_shown_as_it_was_typed() {
        for (typed, sent) in [
            ("# Big", r"\# Big"),
            ("-# small", r"\-# small"),
            ("> said\n>>> all", "\\> said\n\\>>> all"),
            ("- a\n+ b\n* c\n1. d", "\\- a\n\\+ b\n\\* c\n1\\. d"),
            ("**bold** _it_ ~~no~~", r"\*\*bold\*\* \_it\_ \~\~no\~\~"),
            ("||secret|| `code`", r"\|\|secret\|\| \`code\`"),
            ("```\nfence\n```", "\\`\\`\\`\nfence\n\\`\\`\\`"),
            (r"already \* escaped", r"already \* escaped"),
        ] {
            assert_eq!(text(typed, 4000), sent);
        }
    }

    #[test]
    fn what_cannot_be_seen_is_left_out() {
        assert_eq!(
            text(
                "a\u{202e}b\u{2066}c\u{200f}d\u{200b}e\u{feff}f\0g\u{3164}h",
                100
            ),
            "abcdefgh"
        );
        assert_eq!(text("a\r\nb\u{2028}c\td", 100), "a\nb\nc d");
        assert_eq!(text("a\n\n\n \n\nb", 100), "a\n\nb");
        let tower = format!("Z{}", "\u{0301}".repeat(50));
        assert_eq!(text(&tower, 100), format!("Z{}", "\u{0301}".repeat(4)));
        assert_eq!(
            text(&"😀".repeat(4000), 4000),
            format!("{}…", "😀".repeat(12))
        );
        assert_eq!(line("a\nb  c", 100), "a b c");
        assert_eq!(label("*a*\n@everyone", 100), "*a* @everyone");
    }

    #[test]
    fn what_is_too_long_ends_between_signs_that_people_see() {
        assert_eq!(text("abcdef", 6), "abcdef");
        assert_eq!(text("abcdefg", 6), "abcde…");
        assert_eq!(text("ab cdefg", 4), "ab…");
        assert_eq!(shortened("ab👩‍👩‍👧‍👦cd", 5), "ab…");
        assert_eq!(text("a*b*c", 4), r"a\*…");
        assert_eq!(text("see https://a.example/long", 20), "see…");
        assert_eq!(shortened("abc", 0), "");
    }

    /// Made of what hostile texts are made of.
    fn hostile() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[a-z1-3 .\n]{0,4}",
            r"[@#<>:!&*_~|`\\\[\]().\-+/ \n\t]{1,4}",
            Just("@everyone".to_owned()),
            Just("@here".to_owned()),
            Just("<@1>".to_owned()),
            Just("<@&2>".to_owned()),
            Just("<#3>".to_owned()),
            Just("<:e:4>".to_owned()),
            Just("https://x.example/a_b".to_owned()),
            Just("discord.gg/".to_owned()),
            Just("](".to_owned()),
            Just("# ".to_owned()),
            Just("1. ".to_owned()),
            Just("\u{200b}".to_owned()),
            Just("\u{200d}".to_owned()),
            Just("\u{200c}".to_owned()),
            Just("\u{fe0f}".to_owned()),
            Just("\u{202e}".to_owned()),
            Just("\u{0301}\u{0302}\u{0303}".to_owned()),
            Just("\u{3164}".to_owned()),
            Just("é".to_owned()),
            Just("😀".to_owned()),
            Just("🏽".to_owned()),
            Just("🇩".to_owned()),
            any::<char>().prop_map(String::from),
        ];
        proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn nothing_live_is_ever_left(untrusted in hostile(), limit in 0_usize..200) {
            for harmless in [text(&untrusted, limit), line(&untrusted, limit)] {
                prop_assert!(harmless.chars().count() <= limit);
                prop_assert!(!LIVE.is_match(&harmless), "{harmless:?}");
                prop_assert!(!MASS_MENTION.is_match(&harmless), "{harmless:?}");
                prop_assert!(!INVITE.is_match(&harmless), "{harmless:?}");
                prop_assert!(!harmless.contains("]("), "{harmless:?}");
                prop_assert!(!harmless.contains("||"), "{harmless:?}");
                prop_assert!(!harmless.contains("```"), "{harmless:?}");
                let unseen = ['\u{200b}', '\u{202e}', '\u{3164}'];
                prop_assert!(!harmless.contains(unseen), "{harmless:?}");
                let bare = LINK.captures_iter(&harmless).filter(|link| link.get(1).is_none());
                prop_assert_eq!(bare.count(), 0, "{:?}", harmless);
            }
            prop_assert!(label(&untrusted, limit).chars().count() <= limit);
        }

        #[test]
        fn what_is_harmless_stays_as_it_is(untrusted in hostile(), limit in 0_usize..200) {
            for make in [text, line, label] {
                let once = make(&untrusted, limit);
                prop_assert_eq!(make(&once, limit), once);
            }
        }

        #[test]
        fn ordinary_sentences_are_never_changed(
            plain in "[A-Za-zäöüéñß][A-Za-z0-9äöüéñß ,;?!'()-]{0,80}[a-z]"
        ) {
            prop_assert_eq!(text(&plain, 4000), plain);
        }
    }
}
