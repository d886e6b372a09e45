//! Which language people write in, and whether the models were tested in it.

use std::collections::BTreeSet;

use isolang::Language;

/// A text in a language that the models were not tested in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Untested {
    /// What the language calls itself.
    pub language: &'static str,
    /// Those that the models were tested in, such as `en`.
    pub tested: BTreeSet<String>,
}

/// The language of a text, if it is none of those that the models were `tested` in. Where it is not
/// plain which language it is, nothing is said.
pub fn untested(text: &str, tested: BTreeSet<String>) -> Option<Untested> {
    let found = whatlang::detect(text).filter(whatlang::Info::is_reliable)?;
    let code = found.lang().code();
    let short = Language::from_639_3(code).and_then(|language| language.to_639_1());
    let is_its = |tag: &String| {
        let tag = tag.split('-').next();
        tag == Some(code) || tag == short
    };
    let language = found.lang().name();
    (!tested.iter().any(is_its)).then_some(Untested { language, tested })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(text: &str, tested: &[&str]) -> Option<&'static str> {
        let tested = tested.iter().map(|tag| (*tag).to_owned()).collect();
        untested(text, tested).map(|untested| untested.language)
    }

    #[test]
    fn a_question_in_another_language_is_noticed() {
        for (question, expected) in [
            (
                "Soll unsere Stadt die ganze Nacht Busse fahren lassen, auch wenn sie fast leer sind?",
                "Deutsch",
            ),
            (
                "¿Debería nuestra ciudad tener autobuses toda la noche, aunque vayan casi vacíos?",
                "Español",
            ),
            (
                "Faut-il que la ville fasse rouler des bus toute la nuit, même presque vides ?",
                "Français",
            ),
            (
                "Должен ли наш город пускать автобусы всю ночь, даже если они почти пустые?",
                "Русский",
            ),
        ] {
            assert_eq!(language(question, &["en"]), Some(expected));
        }
    }

    #[test]
    fn languages_that_were_tested_are_known_by_any_of_their_tags() {
        let german = "Sollten Handys während des Unterrichts in der Schule verboten werden?";
        for tag in ["de", "deu", "de-CH"] {
            assert_eq!(language(german, &["en", tag]), None, "{tag}");
        }
        assert_eq!(language(german, &["da"]), Some("Deutsch"));
    }

    #[test]
    fn what_cannot_be_told_is_not_said() {
        assert_eq!(language("???", &["en"]), None);
        assert_eq!(language("WLAN OK?", &["en"]), None);
    }

    #[test]
    fn no_question_of_the_corpus_is_taken_to_be_in_another_language() {
        let corpus = include_str!("../../config/data/deliberations.jsonl");
        let taken: Vec<String> = corpus
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|row| row["question"].as_str().unwrap().to_owned())
            .filter_map(|question| Some(format!("{}: {question}", language(&question, &["en"])?)))
            .collect();
        assert_eq!(taken, Vec::<String>::new());
    }
}
