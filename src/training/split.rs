//! Which deliberations are trained on, and which validate.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use sha2::{Digest, Sha256};

use crate::deliberation::record::Deliberation;

/// Deliberations to learn from, and others on other questions.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    pub training: Vec<Deliberation>,
    pub validation: Vec<Deliberation>,
}

/// About four fifths to train on and one fifth to validate, by question: the hash of a question
/// decides, so the same question is always on the same side, whatever else is in the data.
///
/// # Errors
/// If there are fewer than two questions.
pub fn split_by_question(deliberations: Vec<Deliberation>) -> Result<Split> {
    let mut by_hash: BTreeMap<u64, Vec<Deliberation>> = BTreeMap::new();
    for deliberation in deliberations {
        let hash = hash(&deliberation.question);
        by_hash.entry(hash).or_default().push(deliberation);
    }
    ensure!(
        by_hash.len() >= 2,
        "deliberations on at least two questions are needed, one to train on and one to validate; there are {}",
        by_hash.len()
    );
    let (mut validation, mut training): (Vec<_>, Vec<_>) = by_hash
        .into_iter()
        .partition(|(hash, _)| hash.is_multiple_of(5));
    // In a small set one side may be empty.
    if validation.is_empty() {
        validation.push(training.remove(0));
    }
    if training.is_empty() {
        training.push(validation.remove(0));
    }
    let collect =
        |side: Vec<(u64, Vec<Deliberation>)>| side.into_iter().flat_map(|(_, rows)| rows).collect();
    Ok(Split {
        training: collect(training),
        validation: collect(validation),
    })
}

fn hash(question: &str) -> u64 {
    let digest = Sha256::digest(question.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(question: usize) -> Deliberation {
        Deliberation {
            id: None,
            topic: None,
            question: format!("Question {question}?"),
            opinions: Vec::new(),
            weights: Vec::new(),
            statements: Vec::new(),
        }
    }

    #[test]
    fn about_a_fifth_validates_and_no_question_is_on_both_sides() {
        let rows: Vec<_> = (0..1000).map(|index| on(index / 2)).collect();
        let split = split_by_question(rows).unwrap();
        assert_eq!(split.training.len() + split.validation.len(), 1000);
        assert!((140..260).contains(&split.validation.len()));
        for row in &split.validation {
            assert!(
                split
                    .training
                    .iter()
                    .all(|other| other.question != row.question)
            );
        }
    }

    #[test]
    fn a_question_stays_on_its_side_when_others_are_added() {
        let few = split_by_question((0..20).map(on).collect()).unwrap();
        let many = split_by_question((0..200).map(on).collect()).unwrap();
        assert!(
            few.validation
                .iter()
                .all(|row| many.validation.contains(row))
        );
    }

    #[test]
    fn two_questions_are_one_on_each_side_and_one_is_an_error() {
        for first in 0..20 {
            let split = split_by_question(vec![on(first), on(first + 1)]).unwrap();
            assert_eq!((split.training.len(), split.validation.len()), (1, 1));
        }
        let error = split_by_question(vec![on(1), on(1)]).unwrap_err();
        assert!(error.to_string().contains("at least two questions"));
    }
}
