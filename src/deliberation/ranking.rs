//! Candidates in the order of their welfare.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{
    rating::RatingMatrix,
    schulze,
    welfare::{WelfareFunction, welfare_of_positive},
};

/// All candidates, best first. The first is the group's statement.
///
/// Equal welfare is decided by leximin (the candidate whose worst-off participant rates it higher,
/// then the second worst-off, and so on), then in favor of the earlier candidate.
pub fn rank(ratings: &RatingMatrix, function: WelfareFunction) -> Vec<Ranked> {
    let mut ranking: Vec<Ranked> = match function {
        WelfareFunction::Alpha(aversion) => (0..ratings.candidates())
            .map(|candidate| Ranked {
                candidate,
                welfare: welfare_of_positive(&ratings.of_candidate(candidate), aversion),
            })
            .collect(),
        WelfareFunction::Schulze => schulze::not_beaten_by(ratings)
            .into_iter()
            .enumerate()
            .map(|(candidate, count)| Ranked {
                candidate,
                welfare: count as f64,
            })
            .collect(),
    };
    ranking.sort_by(|a, b| b.welfare.total_cmp(&a.welfare));

    // "Equal within a tolerance" is no order to sort by, since it is not transitive; so ties are
    // runs of the sorted list, each welfare within the tolerance of the one before it.
    for tied in ranking.chunk_by_mut(|a, b| a.welfare - b.welfare <= TIE) {
        tied.sort_by(|a, b| {
            leximin(
                ratings.of_candidate(b.candidate),
                ratings.of_candidate(a.candidate),
            )
            .then(a.candidate.cmp(&b.candidate))
        });
    }
    ranking
}

/// A candidate and what it is worth to the group.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ranked {
    /// Its column in the rating matrix.
    pub candidate: usize,
    /// W_α, from 1 to 7; for Schulze the number of the other candidates that do not beat it
    /// (see [`schulze::not_beaten_by`]), from 0 to one less than there are candidates.
    pub welfare: f64,
}

/// On a scale of 1 to 7: much more than the rounding error of W_α (about 1e-15), so that whole
/// ratings with the same mean are seen to tie, and much less than any difference in predicted
/// ratings that means something.
pub(super) const TIE: f64 = 1e-9;

fn leximin(mut a: Vec<f64>, mut b: Vec<f64>) -> Ordering {
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    a.iter()
        .zip(&b)
        .map(|(a, b)| a.total_cmp(b))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(by_participant: &[&[f64]], function: &str) -> Vec<usize> {
        let rows = by_participant.iter().map(|row| row.to_vec()).collect();
        rank(&RatingMatrix::new(rows).unwrap(), function.parse().unwrap())
            .iter()
            .map(|ranked| ranked.candidate)
            .collect()
    }

    #[test]
    fn the_welfare_function_decides_who_wins() {
        // Candidate 0 pleases two of three, candidate 1 is acceptable to all.
        let ratings: [&[f64]; 3] = [&[7.0, 4.0], &[7.0, 4.0], &[1.0, 4.0]];
        assert_eq!(order(&ratings, "utilitarian"), [0, 1]);
        assert_eq!(order(&ratings, "nash"), [1, 0]);
        assert_eq!(order(&ratings, "rawlsian"), [1, 0]);
        assert_eq!(order(&ratings, "schulze"), [0, 1]);
    }

    #[test]
    fn equal_welfare_goes_to_the_candidate_whose_worst_off_is_better_off() {
        // All three have mean 4; the minimum ties 1 and 2, the second lowest rating decides.
        let ratings: [&[f64]; 3] = [&[1.0, 3.0, 3.0], &[4.0, 3.0, 4.0], &[7.0, 6.0, 5.0]];
        assert_eq!(order(&ratings, "utilitarian"), [2, 1, 0]);
        assert_eq!(order(&ratings, "rawlsian"), [2, 1, 0]);
    }

    #[test]
    fn a_complete_tie_goes_to_the_earlier_candidate() {
        let ratings: [&[f64]; 2] = [&[5.0, 2.0, 5.0, 3.0], &[3.0, 6.0, 3.0, 5.0]];
        assert_eq!(order(&ratings, "utilitarian"), [0, 2, 3, 1]);
        assert_eq!(order(&ratings, "schulze"), [0, 2, 3, 1]);
    }

    #[test]
    fn rounding_does_not_hide_a_tie() {
        // The geometric mean of 2, 2, 2 and of 1, 2, 4 is 2; computed, it need not be.
        let ratings: [&[f64]; 3] = [&[1.0, 2.0], &[2.0, 2.0], &[4.0, 2.0]];
        assert_eq!(order(&ratings, "nash"), [1, 0]);
        let thirds: [&[f64]; 3] = [&[1.1, 2.3], &[2.3, 2.3], &[3.5, 2.3]];
        assert_eq!(order(&thirds, "utilitarian"), [1, 0]);
    }

    #[test]
    fn schulze_lists_winners_by_leximin_and_counts_who_does_not_beat_them() {
        let ratings = RatingMatrix::new(vec![vec![6.0, 5.0, 4.0], vec![6.0, 5.0, 7.0]]).unwrap();
        let ranking = rank(&ratings, WelfareFunction::Schulze);
        let expected = [(0, 2.0), (2, 2.0), (1, 1.0)];
        assert_eq!(ranking.len(), 3);
        for (ranked, (candidate, welfare)) in ranking.iter().zip(expected) {
            assert_eq!((ranked.candidate, ranked.welfare), (candidate, welfare));
        }
    }

    proptest! {
        #[test]
        fn every_candidate_appears_once_and_welfare_descends(
            rows in (1usize..20).prop_flat_map(|candidates| {
                prop::collection::vec(
                    prop::collection::vec((1u8..=7).prop_map(f64::from), candidates),
                    1..12,
                )
            }),
            function in prop::sample::select(vec!["utilitarian", "nash", "3", "rawlsian", "schulze"]),
        ) {
            let ratings = RatingMatrix::new(rows).unwrap();
            let ranking = rank(&ratings, function.parse().unwrap());
            let mut candidates: Vec<usize> = ranking.iter().map(|r| r.candidate).collect();
            prop_assert!(ranking.windows(2).all(|pair| pair[1].welfare - pair[0].welfare <= TIE));
            candidates.sort_unstable();
            prop_assert_eq!(candidates, (0..ratings.candidates()).collect::<Vec<_>>());
        }

        #[test]
        fn a_candidate_that_everybody_prefers_wins(
            rows in prop::collection::vec(prop::collection::vec(1.0..=6.0, 5), 1..12),
            best in 0usize..5,
            function in prop::sample::select(vec!["utilitarian", "nash", "3", "rawlsian", "schulze"]),
        ) {
            let mut rows = rows;
            for row in &mut rows {
                row[best] = 6.5;
            }
            let ranking = rank(&RatingMatrix::new(rows).unwrap(), function.parse().unwrap());
            prop_assert_eq!(ranking[0].candidate, best);
        }
    }
}
