//! When two texts say the same in the same words.
//!
//! Texts are compared as sequences of words (Unicode's word boundaries, so that languages without
//! spaces work too); case, white space, quotes and punctuation do not count.

use unicode_segmentation::UnicodeSegmentation;

/// Whether two candidates are so nearly the same words that people need not read both: at most a
/// quarter of the longer one's words would have to be put in, left out or replaced.
///
/// Candidates with different numbers of negations are never near copies, since one "not" is enough
/// to say the opposite. That is known for English only; in other languages the words alone decide.
pub fn near_copy(a: &str, b: &str) -> bool {
    let (a, b) = (words(a), words(b));
    nearly_equal(&a, &b, NEAR_COPY) && negations(&a) == negations(&b)
}

/// Whether a candidate copies an opinion: it is the opinion, contains it whole, or is contained in
/// it, word for word but for at most a fifth of the words.
///
/// Fewer than six words are no copy when they merely occur within a longer text ("ban all cars"
/// also stands in "we should not ban all cars, but …").
pub fn copies(opinion: &str, candidate: &str) -> bool {
    let (opinion, candidate) = (words(opinion), words(candidate));
    let (shorter, longer) = if opinion.len() <= candidate.len() {
        (opinion, candidate)
    } else {
        (candidate, opinion)
    };
    let within = shorter.len() >= WORDS_OF_A_QUOTATION
        && distance_to_best_passage(&shorter, &longer) as f64 <= COPY * shorter.len() as f64;
    within || nearly_equal(&shorter, &longer, COPY)
}

/// Whether the words of `phrase` stand in `text`, one after another; an empty phrase does not.
pub fn contains_words(text: &str, phrase: &str) -> bool {
    let (text, phrase) = (words(text), words(phrase));
    !phrase.is_empty() && text.windows(phrase.len()).any(|run| run == phrase)
}

/// Share of the longer text's words by which near-copies may differ. Two statements on one question
/// in the shipped corpus differ by 0.97 in the median and by 0.8 at least; a sentence in which a
/// few words were exchanged differs by a tenth.
const NEAR_COPY: f64 = 0.25;

/// Share of the shorter text's words by which a copied passage may differ. In the shipped
/// corpus no statement comes closer to an opinion than 0.54 (12,630 pairs).
const COPY: f64 = 0.2;

const WORDS_OF_A_QUOTATION: usize = 6;

fn words(text: &str) -> Vec<String> {
    text.unicode_words()
        .map(|word| {
            word.chars()
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase)
                .collect()
        })
        .collect()
}

fn nearly_equal(a: &Vec<String>, b: &Vec<String>, tolerance: f64) -> bool {
    strsim::generic_levenshtein(a, b) as f64 <= tolerance * a.len().max(b.len()) as f64
}

fn negations(words: &[String]) -> usize {
    // Without apostrophes, as `words` leaves them.
    const NEGATIONS: [&str; 28] = [
        "not", "no", "never", "nor", "neither", "none", "nobody", "nothing", "nowhere", "without",
        "cannot", "cant", "dont", "wont", "isnt", "arent", "wasnt", "werent", "doesnt", "didnt",
        "shouldnt", "wouldnt", "couldnt", "mustnt", "neednt", "hasnt", "havent", "hadnt",
    ];
    words
        .iter()
        .filter(|word| NEGATIONS.contains(&word.as_str()))
        .count()
}

/// The fewest words that have to be put in, left out or replaced to turn `passage` into some run
/// of words of `text`: Levenshtein's table, in which a match may begin and end anywhere in the text
/// (Sellers 1980).
fn distance_to_best_passage(passage: &[String], text: &[String]) -> usize {
    // `distances[j]`: from the part of the passage read so far to the best run that ends before
    // word `j` of the text.
    let mut distances = vec![0; text.len() + 1];
    for word in passage {
        let mut diagonal = distances[0];
        distances[0] += 1;
        for (j, other) in text.iter().enumerate() {
            let replaced = diagonal + usize::from(word != other);
            diagonal = distances[j + 1];
            distances[j + 1] = replaced.min(diagonal + 1).min(distances[j] + 1);
        }
    }
    distances.into_iter().min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATEMENT: &str = "Keep it short of a career, but repay what serving truly costs: \
        childcare, travel and lost earnings against receipts. Pay for it by cutting the number of \
        seats, so that the total bill to residents does not go up by a penny.";

    #[test]
    fn the_same_words_in_another_dress_are_a_near_copy() {
        let dressed = format!("  “{}”\n", STATEMENT.to_uppercase().replace(", ", " – "));
        assert!(near_copy(STATEMENT, &dressed));
        assert!(near_copy("We don't agree.", "we don’t agree"));
    }

    #[test]
    fn a_few_other_words_are_a_near_copy() {
        let other = STATEMENT
            .replace("truly costs", "really costs")
            .replace("travel and lost", "transport and lost")
            .replace("by a penny", "at all");
        assert!(near_copy(STATEMENT, &other));
        assert!(near_copy(
            "We believe that smoking should be banned in the home when children are present.",
            "We think smoking should be banned in the home when children are present."
        ));
    }

    #[test]
    fn another_proposal_in_similar_words_is_not_a_near_copy() {
        assert!(!near_copy(
            "Smoking at home should be banned where children live, and help to quit should be free.",
            "Smoking at home should be left to the family, but help to quit should be free for all."
        ));
        assert!(!near_copy(
            STATEMENT,
            "Keep it short of a career, but repay what serving truly costs. A small allowance \
             for everybody who stands for the council is enough, whatever their income."
        ));
    }

    #[test]
    fn a_further_sentence_makes_another_statement() {
        let longer = format!(
            "{STATEMENT} Review the whole arrangement after two years, by a panel of residents \
             drawn by lot, and publish its report."
        );
        assert!(!near_copy(STATEMENT, &longer));
    }

    #[test]
    fn the_opposite_is_not_a_near_copy() {
        assert!(!near_copy(
            "Smoking in the home should be banned by law.",
            "Smoking in the home should not be banned by law."
        ));
        assert!(!near_copy(
            "The council shouldn’t close the library on Mondays, whatever it costs.",
            "The council should close the library on Mondays, whatever it costs."
        ));
    }

    #[test]
    fn an_opinion_repeated_is_a_copy() {
        let opinion = "No. They put my council tax up 5% and closed the tip on Wednesdays.";
        assert!(copies(opinion, opinion));
        assert!(copies(
            opinion,
            "\"no, they put my council tax up 5 % and closed the tip on wednesdays\""
        ));
        assert!(copies(
            opinion,
            "They put our council tax up 5% and closed the tip on Wednesdays"
        ));
    }

    #[test]
    fn a_candidate_that_quotes_an_opinion_whole_is_a_copy() {
        let opinion = "not sure it matters much, hardly anyone turns out for locals anyway";
        assert!(copies(
            opinion,
            "Everyone should register once. We are not sure it matters much; hardly anyone turns \
             out for locals anyway. Owners who only visit are consulted on charges."
        ));
    }

    #[test]
    fn a_passage_of_an_opinion_is_a_copy() {
        let opinion = "I served for eleven years on an allowance that did not cover my petrol. I \
            did it because I cared about the place. Once you attach a wage, you attract people who \
            need the wage, and they will never risk a vote that might cost them their seat.";
        assert!(copies(
            opinion,
            "Once you attach a wage, you attract people who need the wage."
        ));
    }

    #[test]
    fn the_same_position_in_own_words_is_not_a_copy() {
        assert!(!copies(
            "try it for a year in two departments, publish waiting times and sick days, then \
             decide. anything else is religion",
            "We would test shorter hours in two departments for a year and publish waiting times \
             and sick days. The counter stays open five days and one evening, and no extra tax \
             money is spent."
        ));
        assert!(!copies(
            "lol they come 3 weeks in august and then vote against the affordable houses",
            "Owners who only visit in August get a formal right to be consulted on charges."
        ));
    }

    #[test]
    fn a_few_common_words_within_a_longer_text_are_not_a_copy() {
        assert!(!copies(
            "ban all cars",
            "We should not ban all cars, but tax the heavy ones."
        ));
        assert!(copies("Ban all cars!", "ban all cars"));
    }

    #[test]
    fn languages_without_spaces_are_compared_too() {
        let opinion = "我认为市中心应该禁止私家车通行，但是残疾人的车辆除外。";
        assert!(copies(
            opinion,
            "我认为市中心应当禁止私家车通行，但是残疾人的车辆除外"
        ));
        assert!(near_copy(
            opinion,
            "我认为市中心应当禁止私家车通行，但是残疾人的车辆除外"
        ));
        assert!(!copies(opinion, "公共汽车应该更便宜，停车费应该更高。"));
    }

    #[test]
    fn a_text_without_words_copies_nothing_that_has_some() {
        assert!(!copies("A perfectly good opinion", "…"));
        assert!(!near_copy("", "A candidate"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_near_copy_and_a_copy_of_itself(text in "\\PC{0,80}") {
            prop_assert!(near_copy(&text, &text));
            prop_assert!(copies(&text, &text));
        }

        #[test]
        fn near_copies_are_mutual(a in "[ab]( [ab]){0,9}", b in "[ab]( [ab]){0,9}") {
            prop_assert_eq!(near_copy(&a, &b), near_copy(&b, &a));
        }

        #[test]
        fn a_passage_is_found_wherever_it_stands(
            text in prop::collection::vec("[a-z]{1,3}", 6..60),
            start in any::<prop::sample::Index>(),
        ) {
            let start = start.index(text.len() - 5);
            prop_assert_eq!(distance_to_best_passage(&text[start..start + 6], &text), 0);
            prop_assert!(copies(&text.join(" "), &text[start..].join(" ")));
        }
    }
}
