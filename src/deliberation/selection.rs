//! Which candidates the participants are asked to rate.

use rand::{Rng, seq::IndexedRandom};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::arm::Arm;
use super::{ranking::Ranked, similarity::near_copy};

/// Chooses the candidates to post: the best by welfare, and in the last place one drawn uniformly
/// from all others, so that ratings also arrive for candidates that the reward model ranks low.
///
/// None is a near-copy of one chosen before it. `places` is how many are chosen, `ranking` is best first, `texts` is by candidate;
/// the result holds candidates, best first, and fewer than asked for where there are no more.
///
/// # Panics
/// When a candidate of the ranking has no text.
pub fn select_for_rating(
    ranking: &[Ranked],
    texts: &[impl AsRef<str>],
    places: usize,
    rng: &mut impl Rng,
) -> Vec<usize> {
    let mut chosen = Vec::with_capacity(places);
    let differs = |chosen: &[usize], candidate: usize| {
        chosen
            .iter()
            .all(|&other: &usize| !near_copy(texts[candidate].as_ref(), texts[other].as_ref()))
    };
    for ranked in ranking {
        if chosen.len() + 1 == places {
            break;
        }
        if differs(&chosen, ranked.candidate) {
            chosen.push(ranked.candidate);
        }
    }
    let others: Vec<usize> = ranking
        .iter()
        .map(|ranked| ranked.candidate)
        .filter(|&candidate| differs(&chosen, candidate))
        .collect();
    chosen.extend(others.choose(rng));
    chosen
}

/// How many candidates are posted for rating: three to six.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct PostedCandidates(usize);

impl PostedCandidates {
    /// What an experiment round posts.
    pub const ONE_OF_EACH_ARM: Self = Self(Arm::ALL.len());
}

impl From<PostedCandidates> for usize {
    fn from(posted: PostedCandidates) -> Self {
        posted.0
    }
}

impl TryFrom<usize> for PostedCandidates {
    type Error = PostedCandidatesError;

    fn try_from(count: usize) -> Result<Self, Self::Error> {
        if (3..=6).contains(&count) {
            Ok(Self(count))
        } else {
            Err(PostedCandidatesError(count))
        }
    }
}

/// A number of candidates to post that is too small or too large.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("3 to 6 candidates can be posted for rating, not {0}")]
pub struct PostedCandidatesError(usize);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const DIFFERENT: [&str; 8] = [
        "Close the centre to cars on Saturdays and see what happens to the shops",
        "Charge every driver two euros and spend it all on night buses",
        "Nothing needs to change before the new bridge is open to traffic",
        "Build protected cycle lanes on three main roads within the next year",
        "Parking stays free for residents and becomes dear for everybody else",
        "Let the shopkeepers vote each spring on a calendar of closed days",
        "Trams first: no rule about cars makes sense until they run again",
        "Deliveries before ten, pedestrians afterwards, exemptions for disabled people",
    ];

    /// Candidates in this order of welfare.
    fn ranking(candidates: &[usize]) -> Vec<Ranked> {
        candidates
            .iter()
            .enumerate()
            .map(|(place, &candidate)| Ranked {
                candidate,
                welfare: 6.0 - 0.1 * place as f64,
            })
            .collect()
    }

    fn select(order: &[usize], texts: &[&str], posted: usize, seed: u64) -> Vec<usize> {
        select_for_rating(
            &ranking(order),
            texts,
            posted,
            &mut StdRng::seed_from_u64(seed),
        )
    }

    #[test]
    fn the_best_come_first_and_the_last_is_drawn_from_all_others() {
        let order = [3, 1, 7, 0, 2, 5, 4, 6];
        let mut drawn = BTreeMap::new();
        for seed in 0..1000 {
            let chosen = select(&order, &DIFFERENT, 5, seed);
            assert_eq!(chosen.len(), 5);
            assert_eq!(chosen[..4], [3, 1, 7, 0]);
            *drawn.entry(chosen[4]).or_insert(0) += 1;
        }
        // Four are left: 250 each is expected, with a standard deviation of 14.
        assert_eq!(Vec::from_iter(drawn.keys().copied()), [2, 4, 5, 6]);
        assert!(drawn.values().all(|n| (190..310).contains(n)), "{drawn:?}");
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let order = [0, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(
            select(&order, &DIFFERENT, 3, 7),
            select(&order, &DIFFERENT, 3, 7)
        );
    }

    #[test]
    fn a_near_copy_of_a_better_candidate_is_never_posted() {
        let mut texts = DIFFERENT;
        texts[1] = "Close the centre to cars on Sundays and see what happens to the shops";
        texts[6] = "Close the centre to all cars on Saturdays and see what happens to shops";
        for seed in 0..200 {
            let chosen = select(&[0, 1, 2, 3, 4, 5, 6, 7], &texts, 4, seed);
            assert_eq!(chosen[..3], [0, 2, 3]);
            assert!([4, 5, 7].contains(&chosen[3]), "{chosen:?}");
        }
    }

    #[test]
    fn with_fewer_candidates_than_asked_for_all_are_posted() {
        assert_eq!(select(&[1, 0], &DIFFERENT[..2], 6, 1), [1, 0]);
        assert_eq!(select(&[], &[], 3, 1), [0usize; 0]);
        assert_eq!(select(&[2, 0, 1], &[DIFFERENT[0]; 3], 3, 1), [2]);
    }

    #[test]
    fn three_to_six_candidates_can_be_posted() {
        for count in 3..=6 {
            assert!(PostedCandidates::try_from(count).is_ok());
        }
        for count in [0, 2, 7] {
            let error = PostedCandidates::try_from(count).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("3 to 6 candidates can be posted for rating, not {count}")
            );
        }
    }
}
