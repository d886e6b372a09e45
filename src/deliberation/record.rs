//! The file formats for deliberations, rating rows and votes, checked as they are read.
//!
//! All types can only be read from a file that is complete and within the bounds below; unknown
//! fields are ignored, and white space around a text is left out before it is measured and kept.
//! A row's own errors (as opposed to those of the JSON) carry no line and column.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::rating::RATING_SCALE;

/// Fewer people than this are no group.
pub const FEWEST_OPINIONS: usize = 3;

/// Length of an opinion in characters (Unicode scalar values).
pub const OPINION_CHARACTERS: RangeInclusive<usize> = 10..=4000;

/// Length of a question in characters (Unicode scalar values).
pub const QUESTION_CHARACTERS: RangeInclusive<usize> = 1..=1000;

/// Length of a statement in characters (Unicode scalar values).
pub const STATEMENT_CHARACTERS: RangeInclusive<usize> = 1..=4000;

/// A question and a group's opinions on it, perhaps with statements that the group has rated.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "UncheckedDeliberation")]
pub struct Deliberation {
    /// What the answer is filed under. A deliberation without one is named by whoever knows where
    /// it stood, for instance `line 7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    pub question: String,
    /// One a participant, at least [`FEWEST_OPINIONS`].
    pub opinions: Vec<String>,
    /// How much a reward model learns from each participant's ratings, from 0 to 1, one an opinion;
    /// 1 for all where a file says nothing.
    pub weights: Vec<f64>,
    /// Empty where nobody has rated anything.
    pub statements: Vec<RatedStatement>,
}

/// A candidate that a group has rated, on a scale of 1 to 7.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RatedStatement {
    pub text: String,
    /// One an opinion, in the order of the opinions; `None` where that participant did not rate.
    pub agreement: Vec<Option<u8>>,
    pub quality: Option<u8>,
    /// How the statement came about, in the shipped corpus: only those of kind `consensus` teach
    /// the generator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Which arm of an experiment it comes from, such as `sft`; `None` outside experiments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
}

/// One question for the reward model: how would the author of this opinion rate this statement?
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "UncheckedRatingRow")]
pub struct RatingRow {
    pub question: String,
    pub opinion: String,
    pub statement: String,
}

/// A member of a public conversation who voted on other people's statements, as Polis collects
/// it. What the member wrote stands for the opinion.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(try_from = "UncheckedVotedMember")]
pub struct VotedMember {
    /// The same for all members who voted on the same statements.
    pub conversation: String,
    pub question: String,
    pub opinion: String,
    pub votes: Vec<CastVote>,
}

/// What a member thinks of one statement.
#[derive(Clone, Debug, PartialEq)]
pub struct CastVote {
    pub statement: String,
    pub vote: Vote,
}

/// 1, 0 and -1 in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    Agree,
    Pass,
    Disagree,
}

/// What is wrong with a row. Opinions and statements are counted from 1.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum RecordError {
    #[error("no {0}, expected a text in the field `{0}`")]
    Missing(&'static str),
    #[error(
        "{what} has {characters} characters, {} to {} are allowed",
        .allowed.start(),
        .allowed.end()
    )]
    Length {
        what: String,
        characters: usize,
        allowed: RangeInclusive<usize>,
    },
    #[error("{FEWEST_OPINIONS} opinions are needed, this one has {0}")]
    TooFewOpinions(usize),
    #[error(
        "statement {statement} has {ratings} agreement ratings, expected {opinions}, one an \
         opinion (null where there is none)"
    )]
    AgreementCount {
        statement: usize,
        ratings: usize,
        opinions: usize,
    },
    #[error(
        "statement {statement} has the {what} rating {rating}, expected a whole number from 1 to 7 or null"
    )]
    Rating {
        statement: usize,
        what: &'static str,
        rating: f64,
    },
    #[error("{weights} weights for {opinions} opinions, expected one an opinion, from 0 to 1")]
    Weights { weights: usize, opinions: usize },
    #[error("vote {number} is {vote}, expected 1 (agree), 0 (pass) or -1 (disagree)")]
    Vote { number: usize, vote: f64 },
}

#[derive(Deserialize)]
struct UncheckedDeliberation {
    id: Option<String>,
    topic: Option<String>,
    question: Option<String>,
    #[serde(default)]
    opinions: Vec<String>,
    weights: Option<Vec<f64>>,
    #[serde(default)]
    statements: Vec<UncheckedStatement>,
}

#[derive(Deserialize)]
struct UncheckedStatement {
    #[serde(default)]
    text: String,
    #[serde(default)]
    agreement: Vec<Option<f64>>,
    quality: Option<f64>,
    kind: Option<String>,
    arm: Option<String>,
}

#[derive(Deserialize)]
struct UncheckedRatingRow {
    question: Option<String>,
    opinion: Option<String>,
    statement: Option<String>,
}

#[derive(Deserialize)]
struct UncheckedVotedMember {
    conversation: Option<String>,
    question: Option<String>,
    opinion: Option<String>,
    votes: Vec<UncheckedVote>,
}

#[derive(Deserialize)]
struct UncheckedVote {
    #[serde(default)]
    statement: String,
    vote: f64,
}

impl TryFrom<UncheckedDeliberation> for Deliberation {
    type Error = RecordError;

    fn try_from(unchecked: UncheckedDeliberation) -> Result<Self, Self::Error> {
        let question = present("question", unchecked.question, QUESTION_CHARACTERS)?;
        if unchecked.opinions.len() < FEWEST_OPINIONS {
            return Err(RecordError::TooFewOpinions(unchecked.opinions.len()));
        }
        let opinions = (1..)
            .zip(unchecked.opinions)
            .map(|(n, text)| bounded(format!("opinion {n}"), &text, OPINION_CHARACTERS))
            .collect::<Result<Vec<_>, _>>()?;
        let weights = unchecked
            .weights
            .unwrap_or_else(|| vec![1.0; opinions.len()]);
        if weights.len() != opinions.len() || !weights.iter().all(|w| (0.0..=1.0).contains(w)) {
            return Err(RecordError::Weights {
                weights: weights.len(),
                opinions: opinions.len(),
            });
        }
        let statements = (1..)
            .zip(unchecked.statements)
            .map(|(n, statement)| checked_statement(n, statement, opinions.len()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            id: unchecked.id,
            topic: unchecked.topic,
            question,
            opinions,
            weights,
            statements,
        })
    }
}

impl TryFrom<UncheckedRatingRow> for RatingRow {
    type Error = RecordError;

    fn try_from(unchecked: UncheckedRatingRow) -> Result<Self, Self::Error> {
        Ok(Self {
            question: present("question", unchecked.question, QUESTION_CHARACTERS)?,
            opinion: present("opinion", unchecked.opinion, OPINION_CHARACTERS)?,
            statement: present("statement", unchecked.statement, STATEMENT_CHARACTERS)?,
        })
    }
}

impl TryFrom<UncheckedVotedMember> for VotedMember {
    type Error = RecordError;

    fn try_from(unchecked: UncheckedVotedMember) -> Result<Self, Self::Error> {
        let votes = (1..)
            .zip(unchecked.votes)
            .map(|(number, UncheckedVote { statement, vote })| {
                Ok(CastVote {
                    statement: bounded(
                        format!("statement {number}"),
                        &statement,
                        STATEMENT_CHARACTERS,
                    )?,
                    vote: match vote {
                        1.0 => Vote::Agree,
                        0.0 => Vote::Pass,
                        -1.0 => Vote::Disagree,
                        _ => return Err(RecordError::Vote { number, vote }),
                    },
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            conversation: unchecked
                .conversation
                .ok_or(RecordError::Missing("conversation"))?,
            question: present("question", unchecked.question, QUESTION_CHARACTERS)?,
            opinion: present("opinion", unchecked.opinion, OPINION_CHARACTERS)?,
            votes,
        })
    }
}

fn checked_statement(
    number: usize,
    unchecked: UncheckedStatement,
    opinions: usize,
) -> Result<RatedStatement, RecordError> {
    let text = bounded(
        format!("statement {number}"),
        &unchecked.text,
        STATEMENT_CHARACTERS,
    )?;
    if unchecked.agreement.len() != opinions {
        return Err(RecordError::AgreementCount {
            statement: number,
            ratings: unchecked.agreement.len(),
            opinions,
        });
    }
    let whole = |what, rating: f64| {
        if RATING_SCALE.contains(&rating) && rating.fract() == 0.0 {
            Ok(rating as u8)
        } else {
            Err(RecordError::Rating {
                statement: number,
                what,
                rating,
            })
        }
    };
    let agreement = unchecked
        .agreement
        .into_iter()
        .map(|rating| rating.map(|rating| whole("agreement", rating)).transpose())
        .collect::<Result<_, _>>()?;
    let quality = unchecked
        .quality
        .map(|rating| whole("quality", rating))
        .transpose()?;
    Ok(RatedStatement {
        text,
        agreement,
        quality,
        kind: unchecked.kind,
        arm: unchecked.arm,
    })
}

fn present(
    field: &'static str,
    text: Option<String>,
    allowed: RangeInclusive<usize>,
) -> Result<String, RecordError> {
    match text {
        Some(text) if !text.trim().is_empty() => bounded(format!("the {field}"), &text, allowed),
        _ => Err(RecordError::Missing(field)),
    }
}

fn bounded(
    what: String,
    text: &str,
    allowed: RangeInclusive<usize>,
) -> Result<String, RecordError> {
    let text = text.trim();
    let characters = text.chars().count();
    if allowed.contains(&characters) {
        Ok(text.to_owned())
    } else {
        Err(RecordError::Length {
            what,
            characters,
            allowed,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::{Value, json};

    use super::*;

    fn complete() -> Value {
        json!({
            "id": "civic-001",
            "topic": "councillor pay",
            "question": "Should councillors be paid?",
            "opinions": ["Yes, they work hard.", "No, it is a duty.", "Only the costs."],
            "statements": [{
                "kind": "consensus",
                "arm": "sft",
                "text": "Repay what serving costs.",
                "quality": 7,
                "agreement": [4, null, 7],
            }],
        })
    }

    fn error_of(deliberation: Value) -> String {
        serde_json::from_str::<Deliberation>(&deliberation.to_string())
            .unwrap_err()
            .to_string()
    }

    /// The complete deliberation with one field replaced.
    fn with(field: &str, value: Value) -> Value {
        let mut deliberation = complete();
        deliberation[field] = value;
        deliberation
    }

    /// The complete deliberation with one field of its statement replaced.
    fn with_statement(field: &str, value: Value) -> Value {
        let mut deliberation = complete();
        deliberation["statements"][0][field] = value;
        deliberation
    }

    #[test]
    fn a_complete_deliberation_is_read_whole() {
        let read: Deliberation = serde_json::from_value(complete()).unwrap();
        assert_eq!(
            read,
            Deliberation {
                id: Some("civic-001".into()),
                topic: Some("councillor pay".into()),
                question: "Should councillors be paid?".into(),
                opinions: vec![
                    "Yes, they work hard.".into(),
                    "No, it is a duty.".into(),
                    "Only the costs.".into(),
                ],
                weights: vec![1.0; 3],
                statements: vec![RatedStatement {
                    text: "Repay what serving costs.".into(),
                    agreement: vec![Some(4), None, Some(7)],
                    quality: Some(7),
                    kind: Some("consensus".into()),
                    arm: Some("sft".into()),
                }],
            }
        );
    }

    #[test]
    fn a_deliberation_is_read_as_it_was_written() {
        let weighted = with("weights", json!([1.0, 0.25, 0.0]));
        for deliberation in [complete(), weighted] {
            let read: Deliberation = serde_json::from_value(deliberation).unwrap();
            let written = serde_json::to_string(&read).unwrap();
            assert_eq!(
                serde_json::from_str::<Deliberation>(&written).unwrap(),
                read
            );
        }
    }

    #[test]
    fn weights_are_one_an_opinion_and_at_most_1() {
        for (weights, count) in [(json!([1.0, 0.5]), 2), (json!([1, 1, 1.5]), 3)] {
            assert_eq!(
                error_of(with("weights", weights)),
                format!("{count} weights for 3 opinions, expected one an opinion, from 0 to 1")
            );
        }
    }

    #[test]
    fn a_question_and_three_opinions_are_enough() {
        let read: Deliberation = serde_json::from_value(json!({
            "question": "  Tea or coffee?\n",
            "opinions": ["Tea, all day long.", "Coffee until noon.", "  Water for me  "],
            "unknown": {"fields": ["are", "ignored"]},
        }))
        .unwrap();
        assert_eq!((read.id, read.topic), (None, None));
        assert_eq!(read.question, "Tea or coffee?");
        assert_eq!(read.opinions[2], "Water for me");
        assert!(read.statements.is_empty());
    }

    #[test]
    fn a_missing_or_blank_question_is_an_error() {
        for question in [Value::Null, json!(""), json!(" \n")] {
            assert_eq!(
                error_of(with("question", question)),
                "no question, expected a text in the field `question`"
            );
        }
    }

    #[test]
    fn an_endless_question_is_an_error() {
        assert_eq!(
            error_of(with("question", json!("?".repeat(1001)))),
            "the question has 1001 characters, 1 to 1000 are allowed"
        );
    }

    #[test]
    fn fewer_than_three_opinions_are_an_error() {
        for (opinions, count) in [(json!([]), 0), (json!(["One opinion.", "And another."]), 2)] {
            assert_eq!(
                error_of(with("opinions", opinions)),
                format!("3 opinions are needed, this one has {count}")
            );
        }
    }

    #[test]
    fn the_length_of_an_opinion_is_counted_in_characters() {
        for fits in ["ä".repeat(10), "ä".repeat(4000)] {
            let mut deliberation = complete();
            deliberation["opinions"][1] = json!(fits);
            assert!(serde_json::from_value::<Deliberation>(deliberation).is_ok());
        }
        for (text, length) in [
            ("ä".repeat(9), 9),
            (format!("   {}   ", "ä".repeat(9)), 9),
            ("ä".repeat(4001), 4001),
            ("x".repeat(100_000), 100_000),
        ] {
            let mut deliberation = complete();
            deliberation["opinions"][1] = json!(text);
            assert_eq!(
                error_of(deliberation),
                format!("opinion 2 has {length} characters, 10 to 4000 are allowed")
            );
        }
    }

    #[test]
    fn every_opinion_needs_an_agreement_rating_or_null() {
        for (agreement, count) in [(json!([1, 2]), 2), (json!([1, 2, 3, 4]), 4), (json!([]), 0)] {
            assert_eq!(
                error_of(with_statement("agreement", agreement)),
                format!(
                    "statement 1 has {count} agreement ratings, expected 3, one an opinion \
                     (null where there is none)"
                )
            );
        }
    }

    #[test]
    fn ratings_are_whole_numbers_from_one_to_seven() {
        for bad in [json!(0), json!(8), json!(3.5), json!(-1)] {
            assert_eq!(
                error_of(with_statement("agreement", json!([1, bad, 7]))),
                format!(
                    "statement 1 has the agreement rating {bad}, expected a whole number from 1 \
                     to 7 or null"
                )
            );
            assert_eq!(
                error_of(with_statement("quality", bad.clone())),
                format!(
                    "statement 1 has the quality rating {bad}, expected a whole number from 1 to \
                     7 or null"
                )
            );
        }
        let unrated = with_statement("quality", Value::Null);
        assert!(serde_json::from_value::<Deliberation>(unrated).is_ok());
    }

    #[test]
    fn a_statement_without_text_is_an_error() {
        assert_eq!(
            error_of(with_statement("text", json!(" "))),
            "statement 1 has 0 characters, 1 to 4000 are allowed"
        );
    }

    #[test]
    fn errors_of_the_json_itself_are_one_line_too() {
        for bad in ["{\"question\": 7}", "{\"question\"", "[]", "null", ""] {
            let error = serde_json::from_str::<Deliberation>(bad).unwrap_err();
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn a_member_with_votes_is_read_whole() {
        let row = json!({
            "conversation": "tea", "member": "12", "question": "Tea?", "opinion": "Tea, all day.",
            "votes": [
                {"statement": " Coffee. ", "vote": -1},
                {"statement": "Both.", "vote": 0},
                {"statement": "Tea.", "vote": 1},
            ],
        });
        let read: VotedMember = serde_json::from_value(row).unwrap();
        let votes: Vec<(&str, Vote)> = read
            .votes
            .iter()
            .map(|cast| (cast.statement.as_str(), cast.vote))
            .collect();
        assert_eq!(
            votes,
            [
                ("Coffee.", Vote::Disagree),
                ("Both.", Vote::Pass),
                ("Tea.", Vote::Agree)
            ]
        );
        assert_eq!(
            (&*read.conversation, &*read.opinion),
            ("tea", "Tea, all day.")
        );
    }

    #[test]
    fn a_vote_is_one_of_three() {
        for bad in [json!(2), json!(0.5), json!(-7)] {
            let row = json!({
                "conversation": "tea", "question": "Tea?", "opinion": "Tea, all day.",
                "votes": [{"statement": "Tea.", "vote": 1}, {"statement": "Both.", "vote": bad}],
            });
            let error = serde_json::from_str::<VotedMember>(&row.to_string()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("vote 2 is {bad}, expected 1 (agree), 0 (pass) or -1 (disagree)")
            );
        }
    }

    #[test]
    fn a_rating_row_has_the_same_bounds() {
        let row = json!({
            "question": "Tea or coffee?",
            "opinion": "Tea, all day long.",
            "statement": "Both. ",
        });
        let read: RatingRow = serde_json::from_value(row.clone()).unwrap();
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            r#"{"question":"Tea or coffee?","opinion":"Tea, all day long.","statement":"Both."}"#
        );
        for (field, bad, expected) in [
            (
                "question",
                Value::Null,
                "no question, expected a text in the field `question`",
            ),
            (
                "opinion",
                json!("short"),
                "the opinion has 5 characters, 10 to 4000 are allowed",
            ),
            (
                "statement",
                json!(""),
                "no statement, expected a text in the field `statement`",
            ),
        ] {
            let mut row = row.clone();
            row[field] = bad;
            let error = serde_json::from_str::<RatingRow>(&row.to_string()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    /// What may stand where something else is expected.
    fn anything() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (0_i64..9).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            " *[a-z]{8,30} *".prop_map(Value::from),
            select(vec![0, 9, 10, 1000, 1001, 4000, 4001]).prop_map(|long| "é".repeat(long).into()),
            vec((1_i64..8).prop_map(Value::from), 0..5).prop_map(Value::from),
            vec("[a-z]{8,30}".prop_map(Value::from), 0..5).prop_map(Value::from),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn whatever_is_read_is_within_the_bounds_and_read_again_as_it_was(
            changes in vec((select(vec![
                "/id", "/question", "/opinions", "/opinions/1", "/statements", "/statements/0/text",
                "/statements/0/agreement", "/statements/0/agreement/2", "/statements/0/quality", "/weights",
                "/topic", "/unknown",
            ]), anything()), 0..3),
        ) {
            let mut json = complete();
            for (place, value) in changes {
                if let Some(found) = json.pointer_mut(place) {
                    *found = value;
                } else if let Some(object) = json.as_object_mut() {
                    object.insert(place[1..].to_owned(), value);
                }
            }
            if let Ok(read) = serde_json::from_value::<Deliberation>(json) {
                prop_assert!(read.opinions.len() >= FEWEST_OPINIONS);
                for opinion in &read.opinions {
                    prop_assert!(OPINION_CHARACTERS.contains(&opinion.chars().count()));
                }
                for statement in &read.statements {
                    prop_assert_eq!(statement.agreement.len(), read.opinions.len());
                    let ratings = statement.agreement.iter().flatten().chain(&statement.quality);
                    prop_assert!(ratings.into_iter().all(|rating| (1..=7).contains(rating)));
                }
                let written = serde_json::to_string(&read).unwrap();
                prop_assert_eq!(serde_json::from_str::<Deliberation>(&written).unwrap(), read);
            }
        }

        #[test]
        fn no_text_makes_the_reading_of_a_row_panic(text: String) {
            let _ = serde_json::from_str::<RatingRow>(&text);
            let _ = toml::from_str::<Deliberation>(&text);
            let row = json!({ "question": text, "opinion": text, "statement": text });
            if let Ok(row) = serde_json::from_value::<RatingRow>(row) {
                prop_assert_eq!(row.opinion, text.trim());
            }
        }
    }
}
