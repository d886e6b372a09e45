//! How much can be learned from a member's ratings: by how alike they are when the member rates the
//! same candidate twice.
//!
//! The measure is the weighted kappa of Cohen 1968 ("Weighted kappa: Nominal scale agreement with
//! provision for scaled disagreement or partial credit", Psychological Bulletin 70(4), 213-220) with
//! quadratic weights; Bakker et al. 2022 left out raters by a weighted kappa too. A member rates few
//! candidates twice, and so few ratings say little about what chance alone would do; so chance is to
//! draw both ratings from all ratings of the group (its pooled distribution). For `n` candidates that a
//! member rated `a` and then `b`,
//!
//! ```text
//! kappa  = 1 - mean((a - b)²) / (2 variance of the pooled ratings)
//! weight = (n max(kappa, 0) + PRIOR) / (n + PRIOR)
//! ```
//!
//! The denominator of kappa is the mean of `(x - y)²` over two ratings drawn by chance. The weight
//! begins at 1, as if [`PRIOR`] candidates had been rated the same twice: one slip is no evidence.

use std::collections::BTreeMap;

use super::id::Member;
use super::rating::Likert;

/// Members with a lower weight are called down-weighted. It takes three candidates at least, rated no
/// more alike than by chance.
pub const DOWN_WEIGHTED_BELOW: f64 = 0.5;

/// So many consistent ratings everybody is believed to have given before the first one is seen.
const PRIOR: f64 = 2.0;

/// A weight from 0 to 1 for each member in `twice`, who holds the first and the second rating of each
/// candidate; `pooled` are all ratings of the group. Where all of those are the same nothing can be
/// told, and everybody weighs 1.
pub fn weights(
    twice: &BTreeMap<Member, Vec<(Likert, Likert)>>,
    pooled: &[Likert],
) -> BTreeMap<Member, f64> {
    let by_chance = 2.0 * variance(pooled);
    twice
        .iter()
        .map(|(member, pairs)| {
            let n = pairs.len() as f64;
            let differ: f64 = pairs
                .iter()
                .map(|&(first, second)| (f64::from(first) - f64::from(second)).powi(2))
                .sum();
            let weight = if by_chance > 0.0 && n > 0.0 {
                let kappa = 1.0 - differ / n / by_chance;
                (n * kappa.max(0.0) + PRIOR) / (n + PRIOR)
            } else {
                1.0
            };
            (*member, weight)
        })
        .collect()
}

fn variance(ratings: &[Likert]) -> f64 {
    let n = ratings.len().max(1) as f64;
    let mean = ratings.iter().copied().map(f64::from).sum::<f64>() / n;
    let square = |rating: &Likert| (f64::from(*rating) - mean).powi(2);
    ratings.iter().map(square).sum::<f64>() / n
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MEMBER: Member = Member(1);

    /// Of the ratings 1 to 7, each once: two of them differ by 8 in the mean square.
    fn weight(pairs: &[(u8, u8)]) -> f64 {
        weight_among(pairs, &Likert::ALL)
    }

    fn weight_among(pairs: &[(u8, u8)], pooled: &[Likert]) -> f64 {
        let likert = |rating| Likert::try_from(rating).unwrap();
        let pairs = pairs.iter().map(|&(a, b)| (likert(a), likert(b)));
        weights(&BTreeMap::from([(MEMBER, pairs.collect())]), pooled)[&MEMBER]
    }

    #[test]
    fn who_rates_the_same_twice_weighs_all() {
        assert_eq!(weight(&[]), 1.0);
        assert_eq!(weight(&[(1, 1)]), 1.0);
        assert_eq!(weight(&[(1, 1), (4, 4), (7, 7)]), 1.0);
    }

    #[test]
    fn kappa_is_shrunk_towards_1_by_two_consistent_ratings() {
        // Mean squares of 4 and 2, against 8 by chance: kappas of 1/2 and 3/4.
        assert_eq!(weight(&[(2, 4)]), (0.5 + 2.0) / 3.0);
        assert_eq!(weight(&[(2, 4), (5, 5)]), (2.0 * 0.75 + 2.0) / 4.0);
        let many = vec![(2, 4); 98];
        assert_eq!(weight(&many), (98.0 * 0.5 + 2.0) / 100.0);
    }

    #[test]
    fn it_takes_three_ratings_as_by_chance_to_be_down_weighted() {
        let opposite = |n| weight(&vec![(1, 7); n]);
        assert!(opposite(2) >= DOWN_WEIGHTED_BELOW);
        assert!(opposite(3) < DOWN_WEIGHTED_BELOW);
        assert!(opposite(100) < 0.05);
    }

    #[test]
    fn a_group_that_rates_all_alike_tells_nothing() {
        assert_eq!(weight_among(&[(1, 7)], &[Likert::ALL[3]; 5]), 1.0);
        assert_eq!(weight_among(&[(1, 7)], &[]), 1.0);
    }

    proptest! {
        #[test]
        fn a_weight_is_from_0_to_1_and_falls_as_a_rating_moves_away(
            pairs in prop::collection::vec((1..=7u8, 1..=7u8), 0..9),
            first in 1..=7u8,
            pooled in prop::collection::vec(0..7usize, 0..20),
        ) {
            let pooled: Vec<Likert> = pooled.into_iter().map(|at| Likert::ALL[at]).collect();
            let with = |second| {
                let mut pairs = pairs.clone();
                pairs.push((first, second));
                weight_among(&pairs, &pooled)
            };
            let mut last = 1.0;
            for second in first..=7 {
                let weight = with(second);
                prop_assert!((0.0..=last).contains(&weight), "{weight} after {last}");
                last = weight;
            }
        }
    }
}
