//! Confidence intervals by resampling whole groups, since what belongs to one group is alike.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A figure, and how much it would vary with other groups of the same kind.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Estimate {
    pub value: f64,
    /// The ends of the 95 % interval; `None` where fewer than two groups contribute, which says
    /// nothing about others.
    pub interval: Option<[f64; 2]>,
}

/// The statistic of all groups' sums; see [`estimate_of`].
pub fn estimate<const N: usize>(
    groups: &[[f64; N]],
    statistic: impl Fn([f64; N]) -> Option<f64>,
) -> Option<Estimate> {
    estimate_of(groups, |drawn| statistic(total(drawn.iter().copied())))
}

/// The statistic of all groups, with the percentile interval of 1,000 resamples of the
/// groups (Efron and Tibshirani 1993, section 13.3). The same groups give the same interval;
/// resamples that have no statistic are left out. `None` if the groups have none.
pub fn estimate_of<G>(groups: &[G], statistic: impl Fn(&[&G]) -> Option<f64>) -> Option<Estimate> {
    const RESAMPLES: usize = 1000;
    let value = statistic(&groups.iter().collect::<Vec<_>>())?;
    let contributing = groups
        .iter()
        .filter(|group| statistic(&[group]).is_some())
        .count();
    let interval = (contributing >= 2).then(|| {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut resampled: Vec<f64> = (0..RESAMPLES)
            .filter_map(|_| {
                let drawn: Vec<&G> = groups
                    .iter()
                    .map(|_| &groups[rng.random_range(..groups.len())])
                    .collect();
                statistic(&drawn)
            })
            .collect();
        resampled.sort_by(f64::total_cmp);
        let quantile =
            |share: f64| resampled[(share * (resampled.len() - 1) as f64).round() as usize];
        [quantile(0.025), quantile(0.975)]
    });
    Some(Estimate { value, interval })
}

/// The groups' sums, added up.
pub fn total<'a, const N: usize>(groups: impl Iterator<Item = &'a [f64; N]>) -> [f64; N] {
    groups.fold([0.0; N], |total, group| {
        std::array::from_fn(|i| total[i] + group[i])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mean([sum, count]: [f64; 2]) -> Option<f64> {
        (count > 0.0).then(|| sum / count)
    }

    #[test]
    fn the_interval_of_a_mean_is_about_two_standard_errors_wide_on_either_side() {
        // 400 groups, half of them right: the standard error is 0.5 / 20.
        let groups: Vec<[f64; 2]> = (0..400).map(|n| [f64::from(n % 2), 1.0]).collect();
        let Estimate { value, interval } = estimate(&groups, mean).unwrap();
        let [low, high] = interval.unwrap();
        assert_eq!(value, 0.5);
        assert!(
            (low - 0.451).abs() < 0.007 && (high - 0.549).abs() < 0.007,
            "{low} {high}"
        );
    }

    #[test]
    fn what_stands_together_is_drawn_together() {
        // The same 400 outcomes in 10 groups whose members are all alike.
        let groups: Vec<[f64; 2]> = (0..10).map(|n| [f64::from(n % 2) * 40.0, 40.0]).collect();
        let [low, high] = estimate(&groups, mean).unwrap().interval.unwrap();
        assert!(high - low > 0.5, "{low} {high}");
    }

    #[test]
    fn a_single_group_has_no_interval() {
        for groups in [&[[3.0, 4.0]][..], &[[3.0, 4.0], [0.0, 0.0]]] {
            let expected = Estimate {
                value: 0.75,
                interval: None,
            };
            assert_eq!(estimate(groups, mean), Some(expected));
        }
    }

    #[test]
    fn nothing_has_no_estimate() {
        assert_eq!(estimate(&[], mean), None);
        assert_eq!(estimate(&[[0.0, 0.0]; 3], mean), None);
    }

    proptest! {
        #[test]
        fn the_interval_of_a_mean_contains_it(
            groups in prop::collection::vec((0u8..=9, 1u8..=9), 2..30),
        ) {
            let groups: Vec<[f64; 2]> = groups
                .into_iter()
                .map(|(right, pairs)| [f64::from(right.min(pairs)), f64::from(pairs)])
                .collect();
            let Estimate { value, interval } = estimate(&groups, mean).unwrap();
            let [low, high] = interval.unwrap();
            prop_assert!(low <= value && value <= high);
            prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
        }
    }
}
