//! Ratings of candidates by participants.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a rating can be: the ends of the Likert scale, "strongly disagree" and "strongly agree"
/// for agreement.
pub const RATING_SCALE: RangeInclusive<f64> = 1.0..=7.0;

/// A rating that a person gave: a whole number from 1 to 7.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Likert(u8);

impl Likert {
    /// From 1 to 7.
    pub const ALL: [Self; 7] = [
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
        Self(7),
    ];
}

impl TryFrom<u8> for Likert {
    type Error = LikertError;

    fn try_from(rating: u8) -> Result<Self, LikertError> {
        if (1..=7).contains(&rating) {
            Ok(Self(rating))
        } else {
            Err(LikertError(rating))
        }
    }
}

/// A rating that is not on the scale.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("a rating is a whole number from 1 to 7, not {0}")]
pub struct LikertError(u8);

impl From<Likert> for u8 {
    fn from(rating: Likert) -> Self {
        rating.0
    }
}

impl From<Likert> for f64 {
    fn from(rating: Likert) -> Self {
        rating.0.into()
    }
}

/// How every participant rates every candidate: real ratings, predicted ones, or a mixture.
///
/// At least one participant and one candidate, no gaps, every rating within [`RATING_SCALE`].
#[derive(Clone, Debug, PartialEq)]
pub struct RatingMatrix {
    by_participant: Vec<Vec<f64>>,
}

impl RatingMatrix {
    /// `by_participant[p][c]` is the rating of participant `p` for candidate `c`.
    ///
    /// A predicted rating is a sum of seven products, and that of a model which is quite sure may
    /// come out a little above 7: a rating that is outside by no more than rounding is moved to
    /// the end of the scale.
    ///
    /// # Errors
    /// When there is no participant or no candidate, when participants have different numbers
    /// of ratings, and when a rating is not a number or not within the scale. Participants and
    /// candidates are counted from 1 in the message.
    pub fn new(by_participant: Vec<Vec<f64>>) -> Result<Self, RatingMatrixError> {
        let Some(candidates) = by_participant.first().map(Vec::len) else {
            return Err(RatingMatrixError::NoParticipants);
        };
        if candidates == 0 {
            return Err(RatingMatrixError::NoCandidates);
        }
        let mut by_participant = by_participant;
        for (participant, ratings) in by_participant.iter_mut().enumerate() {
            if ratings.len() != candidates {
                return Err(RatingMatrixError::Ragged {
                    participant: participant + 1,
                    candidates,
                    ratings: ratings.len(),
                });
            }
            for (candidate, rating) in ratings.iter_mut().enumerate() {
                let on_scale = rating.clamp(*RATING_SCALE.start(), *RATING_SCALE.end());
                if rating.is_nan() || (*rating - on_scale).abs() > ROUNDING {
                    return Err(RatingMatrixError::OffScale {
                        participant: participant + 1,
                        candidate: candidate + 1,
                        rating: *rating,
                    });
                }
                *rating = on_scale;
            }
        }
        Ok(Self { by_participant })
    }

    pub fn participants(&self) -> usize {
        self.by_participant.len()
    }

    pub fn candidates(&self) -> usize {
        self.by_participant[0].len()
    }

    /// One participant's ratings, by candidate.
    ///
    /// # Panics
    /// When there is no such participant.
    pub fn of_participant(&self, participant: usize) -> &[f64] {
        &self.by_participant[participant]
    }

    /// One candidate's ratings, by participant.
    ///
    /// # Panics
    /// When there is no such candidate.
    pub fn of_candidate(&self, candidate: usize) -> Vec<f64> {
        self.by_participant
            .iter()
            .map(|ratings| ratings[candidate])
            .collect()
    }
}

/// Why ratings do not make a matrix.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum RatingMatrixError {
    #[error("ratings of at least one participant are needed, got none")]
    NoParticipants,
    #[error("ratings of at least one candidate are needed, got none")]
    NoCandidates,
    #[error(
        "participant {participant} has {ratings} ratings, expected {candidates}, one a candidate"
    )]
    Ragged {
        participant: usize,
        candidates: usize,
        ratings: usize,
    },
    #[error("participant {participant} rates candidate {candidate} {rating}, expected 1 to 7")]
    OffScale {
        participant: usize,
        candidate: usize,
        rating: f64,
    },
}

/// More than an f32 sum of seven terms can be off, far less than a difference that matters.
const ROUNDING: f64 = 1e-5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_participants_and_columns_are_candidates() {
        let matrix = RatingMatrix::new(vec![vec![1.0, 2.5, 3.0], vec![4.0, 5.0, 7.0]]).unwrap();
        assert_eq!((matrix.participants(), matrix.candidates()), (2, 3));
        assert_eq!(matrix.of_participant(1), [4.0, 5.0, 7.0]);
        assert_eq!(matrix.of_candidate(1), [2.5, 5.0]);
    }

    #[test]
    fn a_matrix_without_participants_or_candidates_is_an_error() {
        assert_eq!(
            RatingMatrix::new(vec![]),
            Err(RatingMatrixError::NoParticipants)
        );
        assert_eq!(
            RatingMatrix::new(vec![vec![], vec![]]),
            Err(RatingMatrixError::NoCandidates)
        );
    }

    #[test]
    fn a_missing_rating_is_an_error_that_names_the_participant() {
        let error = RatingMatrix::new(vec![vec![1.0, 2.0], vec![3.0]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "participant 2 has 1 ratings, expected 2, one a candidate"
        );
    }

    #[test]
    fn a_rating_off_the_scale_is_an_error_that_names_it() {
        for bad in [0.0, 0.99, 7.01, -3.0, f64::NAN, f64::INFINITY] {
            let error = RatingMatrix::new(vec![vec![4.0], vec![bad]]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("participant 2 rates candidate 1 {bad}, expected 1 to 7")
            );
        }
    }

    #[test]
    fn a_rating_off_the_scale_by_rounding_alone_is_moved_to_its_end() {
        let matrix = RatingMatrix::new(vec![vec![7.000_001, 0.999_999]]).unwrap();
        assert_eq!(matrix.of_participant(0), [7.0, 1.0]);
    }
}
