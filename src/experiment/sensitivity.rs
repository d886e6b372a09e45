//! What depends on the welfare function, and what on the number of candidates.

use super::arm::Welfare;
use super::case::{Case, Ratings, Source};
use super::comparison::minimum;
use super::statistics::agreement::mean;
use super::statistics::win_rate::wilson;
use crate::training::evaluation::bootstrap::{Estimate, estimate};

/// How often two welfare functions choose different statements from the same drafts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChoiceDiffers {
    pub between: [Welfare; 2],
    pub deliberations: usize,
    pub differs: usize,
    /// Of the share.
    pub interval: [f64; 2],
}

/// Every two welfare functions.
pub fn choices(cases: &[Case]) -> Vec<ChoiceDiffers> {
    let mut pairs = Vec::new();
    for (n, one) in Welfare::ALL.into_iter().enumerate() {
        for other in Welfare::ALL.into_iter().skip(n + 1) {
            let chosen = |case: &Case, welfare| case.best(0..case.written.drafts.len(), welfare);
            let differ = cases
                .iter()
                .filter(|case| chosen(case, one) != chosen(case, other));
            let differs = differ.count();
            pairs.push(ChoiceDiffers {
                between: [one, other],
                deliberations: cases.len(),
                differs,
                interval: wilson(differs as u32, cases.len() as u32),
            });
        }
    }
    pairs
}

/// How a group fares with the best of so many candidates.
#[derive(Clone, Copy, Debug)]
pub struct BestOf {
    pub candidates: usize,
    /// Predicted by the model that chose them.
    pub ranking: Fares,
    /// As the judge rates.
    pub judge: Fares,
}

/// The means over deliberations of the mean rating and of the lowest.
#[derive(Clone, Copy, Debug)]
pub struct Fares {
    pub mean: Estimate,
    pub worst_off: Estimate,
}

/// The curve for 1, 4, 16 and 64 of the drafts, and for all of them. From `drafts` drafts as many
/// separate sets are taken as there are, and the choices from each are averaged.
pub fn best_of(cases: &[Case], drafts: usize, welfare: Welfare) -> Vec<BestOf> {
    let mut numbers: Vec<usize> = [1, 4, 16, 64].into_iter().filter(|n| *n < drafts).collect();
    numbers.push(drafts);
    let of = |candidates| {
        let fares = |by: fn(&Case) -> &Ratings| fares(cases, candidates, welfare, by);
        Some(BestOf {
            candidates,
            ranking: fares(|case| &case.ranking)?,
            judge: fares(|case| &case.judge)?,
        })
    };
    numbers.into_iter().filter_map(of).collect()
}

fn fares(
    cases: &[Case],
    candidates: usize,
    welfare: Welfare,
    by: fn(&Case) -> &Ratings,
) -> Option<Fares> {
    let average = |figure: fn(&[f64]) -> Option<f64>| {
        let of_case = |case: &Case| -> Option<[f64; 2]> {
            let drafts = case.written.drafts.len();
            // Where a draft is missing, all that there are are one set.
            let size = candidates.min(drafts);
            let figures: Vec<f64> = (0..drafts / size)
                .filter_map(|set| {
                    let best = case.best(set * size..(set + 1) * size, welfare);
                    figure(case.ratings(by(case), Source::Draft(best)))
                })
                .collect();
            Some([mean(&figures)?, 1.0])
        };
        let sums: Vec<[f64; 2]> = cases.iter().filter_map(of_case).collect();
        estimate(&sums, |[sum, count]| (count > 0.0).then(|| sum / count))
    };
    Some(Fares {
        mean: average(mean)?,
        worst_off: average(minimum)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::case::tests::case;

    fn five() -> Case {
        case(&[
            ([4.0, 4.0, 4.0], [2.0, 2.0, 2.0]),
            ([5.0, 5.0, 5.0], [3.0, 3.0, 6.0]),
            ([3.0, 3.0, 3.0], [4.0, 4.0, 4.0]),
            ([2.0, 2.0, 2.0], [5.0, 5.0, 5.0]),
            ([7.0, 7.0, 2.0], [6.0, 6.0, 6.0]),
        ])
    }

    #[test]
    fn welfare_functions_that_choose_otherwise_are_counted() {
        let same = case(&[([5.0; 3], [4.0; 3]), ([4.0; 3], [4.0; 3])]);
        let differs = choices(&[five(), same]);
        assert_eq!(differs.len(), 6);
        for found in differs {
            // Mean 16/3 and two of three against minimum 5 and geometric mean 5.
            let minimum = |welfare| matches!(welfare, Welfare::Rawlsian | Welfare::Nash);
            let [one, other] = found.between;
            let expected = usize::from(minimum(one) != minimum(other));
            assert_eq!(
                (found.differs, found.deliberations),
                (expected, 2),
                "{found:?}"
            );
            assert_eq!(found.interval, wilson(expected as u32, 2));
        }
    }

    #[test]
    fn separate_sets_of_candidates_are_averaged() {
        let curve = best_of(&[five()], 5, Welfare::Utilitarian);
        let figures: Vec<(usize, f64, f64, f64)> = curve
            .iter()
            .map(|best| {
                let Fares { mean, worst_off } = best.judge;
                (
                    best.candidates,
                    best.ranking.mean.value,
                    mean.value,
                    worst_off.value,
                )
            })
            .collect();
        // By hand. One: all five; four: the first four; five: all.
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let expected = [
            (1, (4.0 + 5.0 + 3.0 + 2.0 + 16.0 / 3.0) / 5.0, 4.2, 4.0),
            (4, 5.0, 4.0, 3.0),
            (5, 16.0 / 3.0, 6.0, 6.0),
        ];
        assert_eq!(figures.len(), 3);
        for (found, expected) in figures.iter().zip(expected) {
            assert_eq!(found.0, expected.0);
            assert!(close(found.1, expected.1), "{found:?}");
            assert!(
                close(found.2, expected.2) && close(found.3, expected.3),
                "{found:?}"
            );
        }
    }
}
