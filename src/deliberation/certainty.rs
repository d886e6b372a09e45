//! How sure the reward model is of a ranking.
//!
//! It gives a distribution for every rating, so the ratings that people might give can be drawn. Each
//! is drawn by itself, which is an assumption: a member who is stricter than predicted is so with all
//! candidates, and a candidate that the model misjudges it misjudges for all members. The first hardly
//! changes which candidate comes first; the second makes the truth less certain than it is drawn.
//! Whether that matters is measured (`training::evaluation::certainty`).

use std::cmp::Reverse;

use rand::Rng;

use super::distribution::{RatingDistribution, exact_in_json};
use super::ranking::{Ranked, rank};
use super::rating::{Likert, RatingMatrix};
use super::welfare::WelfareFunction;

/// What is known of one participant's agreement with one candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Agreement {
    Real(Likert),
    Predicted(RatingDistribution),
}

/// What many draws make of a ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Certainty {
    /// The share of the draws in which the first candidate comes first, from 0 to 1: the probability
    /// that it is the best one, called the probability of correct selection in statistics.
    pub probability_best: f64,
    /// A prediction interval of its welfare: in [`LEVEL`] of the draws it lies there, and in equally
    /// many of the others below and above. `None` by the Schulze method, which knows no welfare.
    ///
    /// The welfare in a ranking is that of expected ratings. With inequality aversion it is higher than
    /// most drawn ones, since real ratings spread more, and may lie above the interval.
    pub welfare_interval: Option<[f64; 2]>,
    /// Another candidate, that comes first in most of the other draws; the earlier one where they
    /// are equal.
    pub rival: Option<usize>,
}

/// How many tables of ratings are drawn.
pub const DRAWS: usize = 2000;

/// How much of the draws a prediction interval holds.
pub const LEVEL: f64 = 0.9;

/// Draws the predicted ratings of `by_participant[p][c]` from their distributions, while the real ones
/// stay, and looks how the candidate `first` of its ranking fares. The same generator of random
/// numbers gives the same result.
///
/// # Panics
/// When there is no participant or no candidate, or participants have different numbers of them.
pub fn certainty(
    by_participant: &[Vec<Agreement>],
    first: usize,
    function: WelfareFunction,
    rng: &mut impl Rng,
) -> Certainty {
    let candidates = by_participant.first().map_or(0, Vec::len);
    let mut wins = vec![0; candidates];
    let mut welfare = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        let drawn = matrix(by_participant, |agreement| match agreement {
            Agreement::Real(rating) => rating.into(),
            Agreement::Predicted(distribution) => distribution.draw(rng).into(),
        });
        let ranking = rank(&drawn, function);
        wins[ranking[0].candidate] += 1;
        let of_first = ranking.iter().find(|ranked| ranked.candidate == first);
        welfare.extend(of_first.map(|ranked| ranked.welfare));
    }
    welfare.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let place = (share * (welfare.len() - 1) as f64).round() as usize;
        exact_in_json(welfare[place])
    };
    let outside = (1.0 - LEVEL) / 2.0;
    Certainty {
        probability_best: f64::from(wins[first]) / DRAWS as f64,
        welfare_interval: match function {
            WelfareFunction::Alpha(_) => Some([quantile(outside), quantile(1.0 - outside)]),
            WelfareFunction::Schulze => None,
        },
        rival: (0..candidates)
            .filter(|&candidate| candidate != first)
            .max_by_key(|&candidate| (wins[candidate], Reverse(candidate))),
    }
}

impl Agreement {
    /// The rating, or its expected value; from 1 to 7.
    pub fn rating(self) -> f64 {
        match self {
            Self::Real(rating) => rating.into(),
            Self::Predicted(distribution) => distribution.mean(),
        }
    }

    pub(super) fn real(self) -> Option<Likert> {
        match self {
            Self::Real(rating) => Some(rating),
            Self::Predicted(_) => None,
        }
    }
}

/// The candidates in the order of what is known, best first.
///
/// # Panics
/// As [`certainty`].
pub fn rank_known(by_participant: &[Vec<Agreement>], function: WelfareFunction) -> Vec<Ranked> {
    rank(&matrix(by_participant, Agreement::rating), function)
}

fn matrix(
    by_participant: &[Vec<Agreement>],
    mut rating: impl FnMut(Agreement) -> f64,
) -> RatingMatrix {
    let rows = by_participant
        .iter()
        .map(|row| row.iter().map(|&agreement| rating(agreement)).collect())
        .collect();
    RatingMatrix::new(rows).expect("ratings and expected ratings are on the scale")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const FUNCTIONS: [&str; 5] = ["utilitarian", "nash", "3", "rawlsian", "schulze"];

    fn real(rating: u8) -> Agreement {
        Agreement::Real(Likert::try_from(rating).unwrap())
    }

    fn predicted(probabilities: [f64; 7]) -> Agreement {
        let logits = probabilities.map(|probability| probability.max(1e-300).ln());
        Agreement::Predicted(RatingDistribution::from_logits(logits).unwrap())
    }

    /// Two ratings, each as likely as the other.
    fn either(one: u8, other: u8) -> Agreement {
        let mut probabilities = [0.0; 7];
        probabilities[usize::from(one) - 1] += 0.5;
        probabilities[usize::from(other) - 1] += 0.5;
        predicted(probabilities)
    }

    fn certainty_of(table: &[Vec<Agreement>], function: &str) -> Certainty {
        let function = function.parse().unwrap();
        let first = rank_known(table, function)[0].candidate;
        certainty(table, first, function, &mut StdRng::seed_from_u64(2022))
    }

    #[test]
    fn the_probability_of_being_best_is_that_of_the_ratings() {
        // By the mean the first wins unless both members draw low: 1 - 0.4 * 0.4. By the lowest rating
        // both have to draw high: 0.6 * 0.6. By Schulze too: where each member prefers another, it is
        // a tie, which leximin gives to the second (4 and 4 against 3 and 6).
        let mut likely_high = [0.0; 7];
        (likely_high[2], likely_high[5]) = (0.4, 0.6);
        let table = vec![vec![predicted(likely_high), real(4)]; 2];
        for (function, expected) in [("utilitarian", 0.84), ("rawlsian", 0.36), ("schulze", 0.36)] {
            let found = certainty(
                &table,
                0,
                function.parse().unwrap(),
                &mut StdRng::seed_from_u64(1),
            );
            // Four standard deviations of 2,000 draws.
            assert!(
                (found.probability_best - expected).abs() < 0.045,
                "{function}: {found:?}"
            );
            assert_eq!(found.rival, Some(1));
        }
    }

    #[test]
    fn the_interval_holds_nine_tenths_of_what_is_drawn() {
        // One member whose rating is 1, 4 or 7: less than 5 % draw a 1 and a 7, then more.
        for (tail, expected) in [(0.03, [4.0, 4.0]), (0.07, [1.0, 7.0])] {
            let mut probabilities = [0.0; 7];
            (probabilities[0], probabilities[3], probabilities[6]) = (tail, 1.0 - 2.0 * tail, tail);
            let found = certainty_of(&[vec![predicted(probabilities)]], "utilitarian");
            assert_eq!(found.welfare_interval, Some(expected));
        }
    }

    #[test]
    fn the_interval_is_of_the_function_that_ranks() {
        // Of six members who say 1 or 7 the lowest says 1 in all but one of 64 draws.
        let table = vec![vec![either(1, 7)]; 6];
        assert_eq!(
            certainty_of(&table, "rawlsian").welfare_interval,
            Some([1.0, 1.0])
        );
        // The mean of six: one or none high in 7 of 64 draws, more than 5 %; none in 1 of 64.
        assert_eq!(
            certainty_of(&table, "utilitarian").welfare_interval,
            Some([2.0, 6.0])
        );
        let [low, high] = certainty_of(&table, "nash").welfare_interval.unwrap();
        assert!(
            (low - 7f64.powf(1.0 / 6.0)).abs() < 1e-9 && (high - 7f64.powf(5.0 / 6.0)).abs() < 1e-9
        );
        assert_eq!(certainty_of(&table, "schulze").welfare_interval, None);
    }

    #[test]
    fn real_ratings_are_certain_whatever_the_function() {
        let table = [vec![real(6), real(4)], vec![real(5), real(3)]];
        for function in FUNCTIONS {
            let found = certainty_of(&table, function);
            assert_eq!(found.probability_best, 1.0, "{function}");
            if let Some([low, high]) = found.welfare_interval {
                let welfare = rank_known(&table, function.parse().unwrap())[0].welfare;
                assert_eq!([low, high], [exact_in_json(welfare); 2], "{function}");
            }
        }
    }

    #[test]
    fn one_candidate_is_the_best_and_has_no_rival() {
        for function in FUNCTIONS {
            let found = certainty_of(&[vec![either(1, 7)]], function);
            assert_eq!((found.probability_best, found.rival), (1.0, None));
        }
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let table = vec![vec![either(1, 7), either(2, 6), real(4)]; 4];
        for function in FUNCTIONS {
            assert_eq!(
                certainty_of(&table, function),
                certainty_of(&table, function)
            );
        }
    }
}
