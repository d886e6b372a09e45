//! From what the generator wrote to a candidate: one clean paragraph, or the reason why it
//! is drawn again.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;
use unicode_segmentation::UnicodeSegmentation;

/// Why what the generator wrote cannot stand as a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// Nothing, or no whole sentence.
    Empty,
    /// It speaks of the prompt: "Opinion 3", "the participants", the instructions.
    PromptLeak,
    /// It says how many agree, which nobody knows before people have rated it.
    ClaimsAgreement,
    /// An opinion, word for word or nearly.
    CopiesOpinion,
    /// It calls a member of the group by name.
    NamesMember,
    /// Nearly the same as another candidate.
    NearCopy,
}

/// The statement in `written`: its first paragraph that is not a preamble, without
/// markup, labels and quotation marks, up to its last whole sentence.
///
/// # Errors
/// [`Unusable::Empty`], [`Unusable::PromptLeak`] or [`Unusable::ClaimsAgreement`].
pub fn clean(written: &str) -> Result<String, Unusable> {
    let paragraph = first_paragraph(written).ok_or(Unusable::Empty)?;
    let plain = MARKUP.replace_all(paragraph, "");
    let unlabelled = LABEL.replace(plain.trim(), "");
    let words: Vec<&str> = unlabelled.split_whitespace().collect();
    let text = words.join(" ");
    let text = whole_sentences(without_quotes(&text)).ok_or(Unusable::Empty)?;
    let text = without_quotes(text);
    let different_words: HashSet<String> = text.unicode_words().map(str::to_lowercase).collect();
    if different_words.len() < LEAST_WORDS {
        return Err(Unusable::Empty);
    }
    if PROMPT_LEAK.is_match(text) {
        return Err(Unusable::PromptLeak);
    }
    if CLAIMS_AGREEMENT.is_match(text) {
        return Err(Unusable::ClaimsAgreement);
    }
    Ok(text.to_owned())
}

/// Whether the generator has written a whole first paragraph, so that the rest need not be
/// written.
pub fn has_whole_paragraph(written: &str) -> bool {
    written
        .match_indices('\n')
        .any(|(newline, _)| first_paragraph(&written[..newline]).is_some())
}

/// A statement of fewer different words says nothing that people could agree with.
const LEAST_WORDS: usize = 6;

static MARKUP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\*\*|__|`|^\s*(#+|>|[-*•]|\d{1,2}[.)])\s+|<\|[^|>]*\|>").unwrap()
});

static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(the |our |a |my )?((consensus|group|final|joint|common|agreed|revised) )*(statement|consensus|answer|response|assistant)( \d+)?\s*:\s*")
        .unwrap()
});

/// A line that introduces the statement instead of being it: "Here is a statement:".
static PREAMBLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(^\s*(sure|certainly|of course|okay)\b[^.]{0,60}[!.:,]?\s*$)|(:[\s*_]*$)")
        .unwrap()
});

static PROMPT_LEAK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\bopinions? #?\d|\bopinions? (one|two|three|four|five)\b|\b(these|both|all|different|the) opinions\b|\bno opinion\b|\bperspective \d|\b(these|this|following|two|three) (plain )?sentences?\b|\b(consensus|following|above) (statement|opinions?)\b|\bstatement (that|which) (all|everyone|everybody)\b|\bheading\b.*\blist\b|\bquotation marks\b|\bas an ai\b|\blanguage model\b|^question:|^opinion:|\bparticipants? \d|\bthe (first|second|third|fourth|fifth|last|other) (opinion|person|participant|speaker)\b",
    )
    .unwrap()
});

static CLAIMS_AGREEMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(we|they|you) all (agree|believe|think|want|support|share)\b|\b(every(one|body)|all of (us|you|them)|(most|many|the majority) of (us|you|them|the (group|people|members|participants))) (here )?(agrees?|believes?|thinks?|supports?|accepts?|wants?)\b|\bunanim|\b(the|a|vast|clear|overwhelming|large) majority\b|\b(reached|reach|is|there is|have) (a |an )?(clear |broad |general )?consensus\b|\bthe (general |overall )?consensus\b|\bthe group (agrees|believes|thinks)\b",
    )
    .unwrap()
});

fn first_paragraph(written: &str) -> Option<&str> {
    written
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !PREAMBLE.is_match(line) && !is_heading(line))
}

/// "# Statement", "**A fair deal**": a line of markup and nothing else.
fn is_heading(line: &str) -> bool {
    line.starts_with('#')
        || (line.starts_with("**") && line.ends_with("**") && line.matches("**").count() == 2)
        || line.chars().all(|c| !c.is_alphanumeric())
}

/// Cut after the last sentence that ends. The generator may have reached its limit in the
/// middle of one.
fn whole_sentences(text: &str) -> Option<&str> {
    let mut end = None;
    let mut rest = text.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        if !matches!(character, '.' | '!' | '?' | '…' | '。' | '！' | '？') {
            continue;
        }
        let mut after = at + character.len_utf8();
        // A closing quotation mark or bracket belongs to the sentence.
        while let Some(&(at, closing)) = rest.peek() {
            if !matches!(closing, '"' | '”' | '’' | '\'' | ')' | '»') {
                break;
            }
            after = at + closing.len_utf8();
            rest.next();
        }
        // "3.5" and "e.g." in the middle of a sentence are followed by no space, or by a
        // lower-case word.
        let following = text[after..].trim_start();
        let ends_text = following.is_empty();
        let starts_another = text[after..].starts_with(char::is_whitespace)
            && following.starts_with(|c: char| !c.is_lowercase());
        let ideographic = matches!(character, '。' | '！' | '？');
        if ends_text || starts_another || ideographic {
            end = Some(after);
        }
    }
    end.map(|end| &text[..end])
}

fn without_quotes(text: &str) -> &str {
    const PAIRS: [(char, char); 6] = [
        ('"', '"'),
        ('“', '”'),
        ('\'', '\''),
        ('‘', '’'),
        ('«', '»'),
        ('„', '“'),
    ];
    let text = text.trim();
    for (open, close) in PAIRS {
        if let Some(inner) = text.strip_prefix(open) {
            match inner.strip_suffix(close) {
                Some(inside) if !inside.contains([open, close]) => return inside.trim(),
                // Only the opening mark is left when the closing one was cut away.
                None if !inner.contains(close) => return inner.trim(),
                _ => {}
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    const STATEMENT: &str =
        "Keep the library open on Sundays, and pay the staff who then work double.";

    #[test]
    fn a_clean_statement_is_left_alone() {
        assert_eq!(clean(STATEMENT).as_deref(), Ok(STATEMENT));
    }

    #[test]
    fn quotes_labels_markup_and_preambles_are_removed() {
        for written in [
            format!("\"{STATEMENT}\""),
            format!("“{STATEMENT}”"),
            format!("Consensus statement: {STATEMENT}"),
            format!("**Consensus Statement:** \"{STATEMENT}\""),
            format!("Here is a statement that might work:\n\n{STATEMENT}"),
            format!("Sure!\n{STATEMENT}\n\nI hope this helps."),
            format!("# A proposal\n{STATEMENT}"),
            format!("**A proposal**\n\n{STATEMENT}"),
            format!("1. {STATEMENT}\n2. Close it."),
            format!("- {STATEMENT}"),
            format!("\"{STATEMENT} And in the"),
            format!("{STATEMENT}<|im_end|>"),
            format!("  {}  \n\nNote: more.", STATEMENT.replace(' ', "  ")),
        ] {
            assert_eq!(clean(&written).as_deref(), Ok(STATEMENT), "{written:?}");
        }
    }

    #[test]
    fn quotes_inside_a_statement_stay() {
        let written =
            "\"Free\" parking costs everyone, so charge for it and lower the council tax.";
        assert_eq!(clean(written).as_deref(), Ok(written));
    }

    #[test]
    fn a_sentence_that_was_cut_off_is_dropped() {
        assert_eq!(
            clean(
                "Raise the fee to 3.5 percent in two steps over four years. Then review it with the"
            )
            .as_deref(),
            Ok("Raise the fee to 3.5 percent in two steps over four years.")
        );
    }

    #[test]
    fn what_has_no_whole_sentence_is_empty() {
        for written in [
            "",
            " \n\n",
            "\"\"",
            "Here is a statement:",
            "We should try to",
            "Yes.",
            "No, no, no no no no no.",
            "***",
        ] {
            assert_eq!(clean(written), Err(Unusable::Empty), "{written:?}");
        }
    }

    #[test]
    fn leaks_of_the_prompt_are_unusable() {
        for written in [
            "Opinion 3 is right that the library should stay open on Sundays for all.",
            "The first person is right about the library, which should stay open on Sundays.",
            "The consensus statement is that the library should stay open on Sundays.",
            "There is no opinion here that would keep the library open on Sundays.",
            "Perspective 1: the library should stay open on Sundays for everybody.",
            "As an AI, I think that the library should stay open on Sundays.",
            "The statement has no heading, no list and no quotation marks at all.",
        ] {
            assert_eq!(clean(written), Err(Unusable::PromptLeak), "{written:?}");
        }
    }

    #[test]
    fn claims_about_how_many_agree_are_unusable() {
        for written in [
            "We all agree that the library should stay open on Sundays for everybody.",
            "Everyone agrees that the library should stay open on Sundays for families.",
            "The majority of residents want the library to stay open on Sundays.",
            "It is unanimous: the library should stay open on Sundays for families.",
            "There is a broad consensus that the library should stay open on Sundays.",
        ] {
            assert_eq!(
                clean(written),
                Err(Unusable::ClaimsAgreement),
                "{written:?}"
            );
        }
    }

    #[test]
    fn a_paragraph_is_whole_at_the_newline_after_it() {
        assert!(!has_whole_paragraph("\n\nKeep the library"));
        assert!(!has_whole_paragraph("Here is a statement:\n"));
        assert!(has_whole_paragraph(
            "Here is a statement:\nKeep the library open.\n"
        ));
        assert!(has_whole_paragraph("Keep the library open.\n\n"));
    }

    /// What a generator writes when all goes wrong.
    fn written() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[a-zA-Z]{1,8} ",
            2 => select(vec![
                "\n", "\n\n", "\u{2028}", "\t", "**", "__", "`", "# ", "> ", "1. ", "- ", "\"", "“", "”",
                "‘", "'", "«", "»", "„", ". ", "! ", "? ", "…", "。", "3.5 ", ":", "Statement: ", "Sure! ",
                "Here is a statement:\n", "<|im_end|>", "<|", "|>", "\u{202e}", "\u{0301}", "\0", "🇩",
            ])
            .prop_map(str::to_owned),
        ];
        vec(part, 0..30).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_is_written_becomes_one_paragraph_of_it_or_nothing(written in written()) {
            has_whole_paragraph(&written);
            if let Ok(text) = clean(&written) {
                prop_assert!(text.unicode_words().count() >= LEAST_WORDS, "{text:?}");
                prop_assert!(!text.contains(['\n', '\t', '`']), "{text:?}");
                prop_assert!(!text.contains("**") && !text.contains("<|im_end|>"), "{text:?}");
                prop_assert_eq!(text.trim(), &text);
                // No word that was not written, in the order in which they were.
                let mut rest = written.as_str();
                for word in text.unicode_words() {
                    let at = rest.find(word);
                    prop_assert!(at.is_some(), "{word:?} of {text:?}");
                    rest = &rest[at.unwrap() + word.len()..];
                }
            }
        }
    }
}
