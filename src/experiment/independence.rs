//! What makes a judge less independent of the models that it judges.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::training::card::{Card, question_hash};

/// The cards of the three models; `None` is a base model.
#[derive(Clone, Copy, Debug)]
pub struct Models<'a> {
    pub generator: Option<&'a Card>,
    pub ranking: Option<&'a Card>,
    pub judge: Option<&'a Card>,
}

/// What cards refer to.
#[derive(Clone, Debug)]
pub struct Known {
    /// Of the file of the corpus that comes with Accord, which the shipped versions were trained on.
    pub corpus_sha256: String,
    /// The hashes of its questions.
    pub corpus: BTreeSet<String>,
    /// Versions with which a training may have begun.
    pub versions: Vec<Card>,
    /// The hashes of the adapters that come with Accord. They began with others, which are not there,
    /// on the same data.
    pub shipped: BTreeSet<String>,
}

/// In words, for the report of an experiment on these questions.
pub fn warnings<'a>(
    models: Models<'_>,
    known: &Known,
    questions: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let Models {
        generator,
        ranking,
        judge,
    } = models;
    let mut warnings = Vec::new();
    let same = match (ranking, judge) {
        (Some(ranking), Some(judge)) => ranking.adapter == judge.adapter,
        (None, None) => true,
        _ => false,
    };
    if same {
        warnings.push(
            "**The judge is the ranking model itself.** It finds its own choices good: its judgement is no evidence.".to_owned(),
        );
    } else if let (Some(ranking), Some(judge)) = (ranking, judge) {
        warnings.push(shared(ranking, judge, known));
    }
    if judge.is_none() {
        warnings
            .push("The judge is not fine-tuned: it rates hardly better than chance.".to_owned());
    }
    if judge.is_some_and(|card| card.data.synthetic) {
        warnings
            .push("The judge was trained on invented ratings that no real group gave.".to_owned());
    }
    if generator.is_none() {
        warnings.push(
            "The generator is not fine-tuned: `sft` is one more draft of the base model."
                .to_owned(),
        );
    }
    if let (Some(generator), Some(judge)) = (generator, judge) {
        warnings.extend(style(generator, judge, known));
    }
    let asked: BTreeSet<String> = questions.map(question_hash).collect();
    for (what, card) in [
        ("generator", generator),
        ("ranking model", ranking),
        ("judge", judge),
    ] {
        let trained_on = card.and_then(|card| trained_on(card, known));
        let seen = trained_on.map_or(0, |trained_on| trained_on.intersection(&asked).count());
        if seen > 0 {
            warnings.push(format!(
                "The {what} was trained on {seen} of the {} questions asked here: of these it knows what people wrote and rated.",
                asked.len()
            ));
        }
    }
    warnings
}

fn shared(ranking: &Card, judge: &Card, known: &Known) -> String {
    let both = trained_on(ranking, known).zip(trained_on(judge, known));
    match both.map(|(one, other)| one.intersection(&other).count()) {
        Some(0) => "The judge and the ranking model were trained on different questions.".to_owned(),
        Some(shared) => format!(
            "The judge never ranked, but it and the ranking model were trained on {shared} of the same questions, so they share what these taught. `--halves` trains both, on halves that have no question in common."
        ),
        None => "Whether the judge and the ranking model were trained on the same questions is not known from their cards.".to_owned(),
    }
}

/// Nothing where the two have no question in common.
fn style(generator: &Card, judge: &Card, known: &Known) -> Option<String> {
    let both = trained_on(generator, known).zip(trained_on(judge, known));
    let questions = match both.map(|(one, other)| one.intersection(&other).count()) {
        Some(0) => return None,
        Some(shared) => format!("on {shared} of the questions"),
        None => "perhaps on questions (their cards do not tell)".to_owned(),
    };
    Some(format!(
        "The generator learned to write from good statements {questions} whose ratings taught the judge: `sft` and `accord` may win against the base model's arms, `zero-shot` and `few-shot`, since the judge knows their style."
    ))
}

/// The hashes of the questions that a version was trained on, and those that it began with; `None`
/// where their cards do not tell.
fn trained_on(card: &Card, known: &Known) -> Option<BTreeSet<String>> {
    let mut versions = vec![card];
    while let Some(start) = versions.last().and_then(|version| start(version, known)) {
        let mut others = known.versions.iter();
        let earlier =
            others.find(|other| other.adapter.sha256 == start && !versions.contains(other));
        versions.push(earlier?);
    }
    let mut questions = BTreeSet::new();
    for version in versions {
        questions.extend(taught(version, known)?);
    }
    Some(questions)
}

/// The hash of the adapter that a training began with.
fn start<'a>(card: &'a Card, known: &Known) -> Option<&'a str> {
    let start = card.settings.get("start").and_then(Value::as_str);
    start.filter(|_| !known.shipped.contains(&card.adapter.sha256))
}

fn taught(card: &Card, known: &Known) -> Option<BTreeSet<String>> {
    let data = &card.data;
    let mut questions = match data.questions.is_empty() {
        false => data.questions.clone(),
        true => {
            let mut files = data.files.iter();
            let is_corpus = files.all(|file| file.sha256 == known.corpus_sha256);
            is_corpus.then(|| known.corpus.clone())?
        }
    };
    if let Some(mixed_in) = &data.mixed_in {
        // A sample of the corpus, of which it is not known which; of files nothing is known.
        (mixed_in.from == ["shipped"]).then_some(())?;
        questions.extend(known.corpus.iter().cloned());
    }
    Some(questions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliberation::record::Deliberation;
    use crate::inference::model_files::sha256_of_bytes;

    const CORPUS: &str = include_str!("../../config/data/deliberations.jsonl");

    fn shipped() -> Card {
        Card::parse(include_bytes!("../../config/adapters/reward/card.json")).unwrap()
    }

    /// On these questions of the corpus.
    fn trained(range: std::ops::Range<usize>) -> Card {
        let mut card = shipped();
        card.adapter.sha256 = format!("{range:?}");
        card.settings["start"] = Value::Null;
        card.data.questions = questions()
            .iter()
            .map(|question| question_hash(question))
            .collect();
        let mut number = 0;
        card.data.questions.retain(|_| {
            number += 1;
            range.contains(&(number - 1))
        });
        card
    }

    fn questions() -> Vec<String> {
        let rows = CORPUS.lines().map(serde_json::from_str::<Deliberation>);
        rows.map(|row| row.unwrap().question).collect()
    }

    fn known() -> Known {
        Known {
            corpus_sha256: sha256_of_bytes(CORPUS.as_bytes()),
            corpus: questions()
                .iter()
                .map(|question| question_hash(question))
                .collect(),
            versions: vec![shipped()],
            shipped: BTreeSet::from([shipped().adapter.sha256]),
        }
    }

    fn said(ranking: Option<&Card>, judge: Option<&Card>, asked: &[String]) -> String {
        said_of(None, ranking, judge, asked)
    }

    fn said_of(
        generator: Option<&Card>,
        ranking: Option<&Card>,
        judge: Option<&Card>,
        asked: &[String],
    ) -> String {
        let models = Models {
            generator,
            ranking,
            judge,
        };
        warnings(models, &known(), asked.iter().map(String::as_str)).join("\n")
    }

    #[test]
    fn a_judge_that_ranks_is_named() {
        let (shipped, half) = (shipped(), trained(0..9));
        let own = "The judge is the ranking model itself";
        assert!(said(Some(&shipped), Some(&shipped), &[]).contains(own));
        assert!(said(None, None, &[]).contains(own));
        assert!(!said(Some(&shipped), Some(&half), &[]).contains(own));
        assert!(!said(None, Some(&half), &[]).contains(own));
    }

    #[test]
    fn what_both_were_trained_on_is_counted() {
        let (one, other, neither) = (trained(0..9), trained(5..20), trained(20..30));
        assert!(said(Some(&one), Some(&other), &[]).contains("on 4 of the same questions"));
        assert!(said(Some(&one), Some(&neither), &[]).contains("on different questions"));
        // The shipped card names the corpus and no questions.
        assert!(said(Some(&shipped()), Some(&one), &[]).contains("on 9 of the same questions"));
        let mut unknown = one.clone();
        unknown.data.questions.clear();
        unknown.data.files[0].sha256 = "another".to_owned();
        assert!(said(Some(&unknown), Some(&other), &[]).contains("is not known"));
    }

    #[test]
    fn a_generator_that_learned_what_taught_the_judge_is_named() {
        let (half, other, shipped) = (trained(0..9), trained(9..20), shipped());
        let said = |generator| said_of(generator, Some(&other), Some(&half), &[]);
        assert!(said(Some(&shipped)).contains("good statements on 9 of the questions"));
        assert!(!said(Some(&other)).contains("good statements"));
        assert!(!said(None).contains("good statements"));
    }

    #[test]
    fn a_version_knows_what_the_one_that_it_began_with_was_trained_on() {
        let mut further = trained(0..0);
        further.data.questions = BTreeSet::from([question_hash("Something else?")]);
        let began_with = |sha256: &str| {
            let mut card = further.clone();
            card.settings["start"] = sha256.into();
            card
        };
        let other = trained(5..20);
        assert!(said(Some(&further), Some(&other), &[]).contains("on different questions"));
        let judge = began_with(&shipped().adapter.sha256);
        assert!(said(Some(&other), Some(&judge), &[]).contains("on 15 of the same questions"));
        let judge = began_with("another");
        assert!(said(Some(&other), Some(&judge), &[]).contains("is not known"));
    }

    #[test]
    fn questions_that_a_model_knows_are_counted() {
        let asked = [questions(), vec!["Something else?".to_owned()]].concat();
        let all = said(Some(&shipped()), Some(&trained(0..9)), &asked);
        assert!(all.contains("The ranking model was trained on 471 of the 472 questions"));
        assert!(all.contains("The judge was trained on 9 of the 472 questions"));
        let other = said(Some(&shipped()), Some(&trained(0..9)), &asked[471..]);
        assert!(!other.contains("asked here"), "{other}");
    }
}
