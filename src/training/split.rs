//! Which deliberations are trained on, and which validate.

use std::collections::BTreeSet;

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
/// Of fewer than [`FEW_QUESTIONS`] chance could leave too little on one side: then a fifth of them,
/// rounded and at least one, validate, first those that the hash chooses.
///
/// # Errors
/// If there are fewer than two questions.
pub fn split_by_question(deliberations: Vec<Deliberation>) -> Result<Split> {
    let hashes: BTreeSet<u64> = deliberations
        .iter()
        .map(|row| hash(&row.question))
        .collect();
    ensure!(
        hashes.len() >= 2,
        "deliberations on at least two questions are needed, one to train on and one to validate; there are {}",
        hashes.len()
    );
    let validating: BTreeSet<u64> = if hashes.len() < FEW_QUESTIONS {
        let mut ordered: Vec<u64> = hashes.iter().copied().collect();
        ordered.sort_by_key(|hash| (!validates(*hash), *hash));
        let count = (hashes.len() as f64 / 5.0).round().max(1.0) as usize;
        ordered.into_iter().take(count).collect()
    } else {
        hashes.into_iter().filter(|hash| validates(*hash)).collect()
    };
    Ok(sides(deliberations, |hash| validating.contains(&hash)))
}

/// From so many questions on, chance splits them evenly enough.
pub const FEW_QUESTIONS: usize = 20;

/// Two halves by question, so that a model trained on one has seen nothing of the other. They are
/// split otherwise than by [`split_by_question`], which splits each of them again.
pub fn halves(deliberations: Vec<Deliberation>) -> [Vec<Deliberation>; 2] {
    let (one, other) = deliberations
        .into_iter()
        .partition(|row| (hash(&row.question) / 5).is_multiple_of(2));
    [one, other]
}

impl Split {
    /// Adds deliberations that are mixed in, each to the side that the hash of its question
    /// chooses; they may all be on one.
    pub fn mix_in(&mut self, mixed: Vec<Deliberation>) {
        let mixed = sides(mixed, validates);
        self.training.extend(mixed.training);
        self.validation.extend(mixed.validation);
    }
}

/// In the order of the hashes, so that the order of the data does not matter.
fn sides(deliberations: Vec<Deliberation>, validates: impl Fn(u64) -> bool) -> Split {
    let mut rows: Vec<(u64, Deliberation)> = deliberations
        .into_iter()
        .map(|row| (hash(&row.question), row))
        .collect();
    rows.sort_by_key(|(hash, _)| *hash);
    let (validation, training): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(hash, _)| validates(*hash));
    let strip = |side: Vec<(u64, Deliberation)>| side.into_iter().map(|(_, row)| row).collect();
    Split {
        training: strip(training),
        validation: strip(validation),
    }
}

fn validates(hash: u64) -> bool {
    hash.is_multiple_of(5)
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
    fn halves_share_no_question_and_each_can_be_split_again() {
        let halves = halves((0..1000).map(|index| on(index / 2)).collect());
        for row in &halves[0] {
            assert!(!halves[1].iter().any(|other| other.question == row.question));
        }
        for half in halves {
            assert!((400..600).contains(&half.len()), "{}", half.len());
            let share = split_by_question(half).unwrap().validation.len();
            assert!((60..140).contains(&share), "{share}");
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
    fn of_few_questions_a_fifth_validates_whatever_their_hashes() {
        for (questions, validating) in [(3, 1), (8, 2), (12, 2), (13, 3), (19, 4)] {
            for first in 0..50 {
                let rows: Vec<_> = (first..first + questions).map(on).collect();
                let split = split_by_question(rows).unwrap();
                assert_eq!(split.validation.len(), validating);
                assert_eq!(split.training.len(), questions - validating);
            }
        }
    }

    #[test]
    fn what_is_mixed_in_is_on_the_side_that_it_always_has() {
        let mut few = split_by_question(vec![on(1001), on(1002)]).unwrap();
        let many = split_by_question((0..200).map(on).collect()).unwrap();
        few.mix_in((0..200).map(on).collect());
        assert_eq!(few.training[1..], many.training);
        assert_eq!(few.validation[1..], many.validation);
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
