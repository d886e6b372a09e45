//! The difference of two medians.

use crate::training::evaluation::bootstrap::{Estimate, estimate_of};

/// What is compared within a group, such as a deliberation.
#[derive(Clone, Debug, PartialEq)]
pub struct Sides {
    pub ours: Vec<f64>,
    pub theirs: Vec<f64>,
}

/// The median of all of ours less that of all of theirs, with the interval of resampled groups;
/// `None` where one side is empty.
pub fn difference_of_medians(groups: &[Sides]) -> Option<Estimate> {
    estimate_of(groups, |drawn| {
        let all = |side: fn(&Sides) -> &Vec<f64>| {
            let values: Vec<f64> = drawn
                .iter()
                .flat_map(|group| side(group))
                .copied()
                .collect();
            median(values)
        };
        Some(all(|group| &group.ours)? - all(|group| &group.theirs)?)
    })
}

/// Of an even number of values the mean of the two in the middle; `None` of nothing.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    Some(match values.len() % 2 {
        1 => *upper,
        _ => (values[values.len() / 2 - 1] + upper) / 2.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 7.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 7.0, 2.0]), Some(3.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn the_difference_and_its_interval_are_those_of_numpy_and_scipy() {
        let groups: Vec<Sides> = (0..30)
            .map(|i| Sides {
                ours: (0..4)
                    .map(|j| 2.0 + f64::from((i * 3 + j * 5) % 13) / 3.0)
                    .collect(),
                theirs: vec![3.0 + f64::from((i * 7) % 11) / 4.0],
            })
            .collect();
        let difference = difference_of_medians(&groups).unwrap();
        assert!((difference.value + 0.25).abs() < 1e-12, "{difference:?}");
        // stat = lambda drawn: np.median([x for i in drawn for x in ours[i]])
        //                    - np.median([x for i in drawn for x in theirs[i]])
        // scipy.stats.bootstrap((arange(30),), stat, n_resamples=20000, method="percentile",
        //                       random_state=1).confidence_interval is (-0.8333, 0.25)
        let [low, high] = difference.interval.unwrap();
        assert!(
            (low + 0.8333).abs() < 0.1 && (high - 0.25).abs() < 0.1,
            "{low} {high}"
        );
    }

    #[test]
    fn an_empty_side_has_no_difference() {
        let group = Sides {
            ours: vec![1.0],
            theirs: Vec::new(),
        };
        assert_eq!(difference_of_medians(&[group]), None);
        assert_eq!(difference_of_medians(&[]), None);
    }
}
