//! The Schulze method (Schulze 2011, "A new monotonic, clone-independent, reversal symmetric,
//! and Condorcet-consistent single-winner election method"), with winning votes.

use super::rating::RatingMatrix;

/// For every candidate, how many of the other candidates do *not* beat it by the Schulze method,
/// where each participant ranks the candidates by rating and equal ratings are a tie.
///
/// A candidate beats another when the strongest path from it is stronger than the one back. All
/// winners have one less than the number of candidates. Since beating is transitive, a candidate
/// always has a higher number than those that it beats, so descending numbers are the social
/// ranking, in which equal numbers are ties. (Counting the candidates that it beats would not do:
/// a winner that ties with everything beats nothing.)
///
/// Takes time cubic in the number of candidates.
pub fn not_beaten_by(ratings: &RatingMatrix) -> Vec<usize> {
    let paths = strongest_paths(&pairwise_defeats(ratings));
    let candidates = paths.len();
    (0..candidates)
        .map(|a| {
            (0..candidates)
                .filter(|&b| b != a && paths[b][a] <= paths[a][b])
                .count()
        })
        .collect()
}

/// `[a][b]` is the number of participants who rate `a` above `b`.
fn pairwise_defeats(ratings: &RatingMatrix) -> Vec<Vec<usize>> {
    let mut defeats = vec![vec![0; ratings.candidates()]; ratings.candidates()];
    for participant in 0..ratings.participants() {
        let ratings = ratings.of_participant(participant);
        for (a, row) in defeats.iter_mut().enumerate() {
            for (b, defeats) in row.iter_mut().enumerate() {
                *defeats += usize::from(ratings[a] > ratings[b]);
            }
        }
    }
    defeats
}

/// `[a][b]` is the strength of the strongest path from `a` to `b`: a path is a chain of candidates
/// each of which defeats the next, and as strong as the fewest votes in any of those defeats.
fn strongest_paths(defeats: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let candidates = defeats.len();
    let mut paths = vec![vec![0; candidates]; candidates];
    for a in 0..candidates {
        for b in 0..candidates {
            if defeats[a][b] > defeats[b][a] {
                paths[a][b] = defeats[a][b];
            }
        }
    }
    for via in 0..candidates {
        for a in 0..candidates {
            for b in 0..candidates {
                if a != b {
                    paths[a][b] = paths[a][b].max(paths[a][via].min(paths[via][b]));
                }
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        vectors: Vec<Vector>,
    }

    /// Ranks by participant, 0 the best.
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        rankings: Vec<Vec<u8>>,
        pairwise_defeats: Option<Vec<Vec<usize>>>,
        strongest_path_strengths: Option<Vec<Vec<usize>>>,
        social_ranking: Vec<usize>,
    }

    fn matrix_of_ranks(rankings: &[Vec<u8>]) -> RatingMatrix {
        let rows = rankings
            .iter()
            .map(|ranks| ranks.iter().map(|&rank| 7.0 - f64::from(rank)).collect());
        RatingMatrix::new(rows.collect()).unwrap()
    }

    /// The social ranking as dense ranks, 0 the best.
    fn dense_ranks(not_beaten_by: &[usize]) -> Vec<usize> {
        let mut distinct = not_beaten_by.to_vec();
        distinct.sort_unstable_by(|a, b| b.cmp(a));
        distinct.dedup();
        not_beaten_by
            .iter()
            .map(|count| distinct.iter().position(|d| d == count).unwrap())
            .collect()
    }

    #[test]
    fn the_published_elections_come_out_as_published() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../tests/fixtures/schulze_vectors.json"))
                .unwrap();
        assert_eq!(fixture.vectors.len(), 7);
        for vector in fixture.vectors {
            let ratings = matrix_of_ranks(&vector.rankings);
            let defeats = pairwise_defeats(&ratings);
            if let Some(expected) = vector.pairwise_defeats {
                assert_eq!(defeats, expected, "{}", vector.name);
            }
            if let Some(expected) = vector.strongest_path_strengths {
                assert_eq!(strongest_paths(&defeats), expected, "{}", vector.name);
            }
            let ranks = dense_ranks(&not_beaten_by(&ratings));
            assert_eq!(ranks, vector.social_ranking, "{}", vector.name);
        }
    }

    #[test]
    fn a_candidate_that_ties_with_all_others_is_among_the_winners() {
        // 0 beats 1; one participant puts 2 last and the other puts it first.
        let ratings = matrix_of_ranks(&[vec![0, 1, 2], vec![1, 2, 0]]);
        assert_eq!(not_beaten_by(&ratings), [2, 1, 2]);
    }

    #[test]
    fn a_single_candidate_has_nothing_to_be_beaten_by() {
        assert_eq!(not_beaten_by(&matrix_of_ranks(&[vec![0], vec![0]])), [0]);
    }

    /// Up to 15 participants and 7 candidates, with few levels so that ties are common.
    fn elections() -> impl Strategy<Value = Vec<Vec<u8>>> {
        (1usize..=7).prop_flat_map(|candidates| {
            prop::collection::vec(prop::collection::vec(0u8..5, candidates), 1..=15)
        })
    }

    proptest! {
        #[test]
        fn a_condorcet_winner_wins_alone(rankings in elections()) {
            let ratings = matrix_of_ranks(&rankings);
            let defeats = pairwise_defeats(&ratings);
            let candidates = ratings.candidates();
            let condorcet_winner = (0..candidates)
                .find(|&a| (0..candidates).all(|b| a == b || defeats[a][b] > defeats[b][a]));
            if let Some(winner) = condorcet_winner {
                let ranks = dense_ranks(&not_beaten_by(&ratings));
                prop_assert_eq!(ranks[winner], 0);
                prop_assert_eq!(ranks.iter().filter(|&&rank| rank == 0).count(), 1);
            }
        }

        #[test]
        fn there_is_always_a_winner_that_nothing_beats(rankings in elections()) {
            let counts = not_beaten_by(&matrix_of_ranks(&rankings));
            prop_assert_eq!(counts.iter().max(), Some(&(counts.len() - 1)));
        }

        #[test]
        fn the_order_of_the_participants_does_not_matter(
            (rankings, shuffled) in elections().prop_flat_map(|e| (Just(e.clone()), Just(e).prop_shuffle())),
        ) {
            prop_assert_eq!(
                not_beaten_by(&matrix_of_ranks(&rankings)),
                not_beaten_by(&matrix_of_ranks(&shuffled))
            );
        }

        #[test]
        fn reordering_the_candidates_reorders_the_result(
            (rankings, order) in elections().prop_flat_map(|e| {
                let order: Vec<usize> = (0..e[0].len()).collect();
                (Just(e), Just(order).prop_shuffle())
            }),
        ) {
            let reordered: Vec<Vec<u8>> = rankings
                .iter()
                .map(|ranks| order.iter().map(|&c| ranks[c]).collect())
                .collect();
            let before = not_beaten_by(&matrix_of_ranks(&rankings));
            let after = not_beaten_by(&matrix_of_ranks(&reordered));
            let expected: Vec<usize> = order.iter().map(|&c| before[c]).collect();
            prop_assert_eq!(after, expected);
        }
    }
}
