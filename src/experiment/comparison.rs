//! Which arm a group would rather have.

use super::arm::{Arm, is_pipeline};
use super::case::{ArmRatings, Case, Source};
use super::statistics::agreement::{divisiveness, mean};
use super::statistics::win_rate::{Tally, WinRate, win_rate};

/// How often a group rates the statement of one arm higher than that of another.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub ours: String,
    pub theirs: String,
    /// By the mean of the members' ratings, as in the paper.
    pub mean: WinRate,
    /// By the lowest of the members' ratings.
    pub minimum: WinRate,
}

/// Of the full pipeline with every other arm, and of the fine-tuned generator with the base model's,
/// where there are ratings of both.
pub fn compare_all(groups: &[ArmRatings]) -> Vec<Comparison> {
    let mut labels: Vec<&String> = groups.iter().flat_map(ArmRatings::keys).collect();
    labels.sort();
    labels.dedup();
    // Known arms in their own order, then those that a file names otherwise.
    labels.sort_by_key(|label| {
        let place = Arm::ALL.iter().position(|arm| arm.label() == **label);
        (place.unwrap_or(Arm::ALL.len()), *label)
    });
    let is_pair = |ours: &str, theirs: &str| {
        (is_pipeline(ours) && !is_pipeline(theirs))
            || (ours == "sft" && ["few-shot", "zero-shot"].contains(&theirs))
    };
    let mut pairs = Vec::new();
    for ours in &labels {
        for theirs in labels.iter().filter(|theirs| is_pair(ours, theirs)) {
            pairs.push(compare(groups, ours, theirs));
        }
    }
    pairs.retain(|pair| pair.mean.tally != Tally::default());
    pairs
}

/// Members who did not rate both are left out, and so are groups without any who did.
pub fn compare(groups: &[ArmRatings], ours: &str, theirs: &str) -> Comparison {
    let both: Vec<(Vec<f64>, Vec<f64>)> = groups
        .iter()
        .filter_map(|group| {
            let pairs = group.get(ours)?.iter().zip(group.get(theirs)?);
            let both = pairs.filter_map(|(ours, theirs)| ours.zip(*theirs));
            Some(both.unzip())
        })
        .collect();
    let tallies = |figure: fn(&[f64]) -> Option<f64>| -> WinRate {
        let tallies: Vec<Tally> = both
            .iter()
            .filter_map(|(ours, theirs)| Some(Tally::of(figure(ours)?, figure(theirs)?)))
            .collect();
        win_rate(&tallies)
    };
    Comparison {
        ours: ours.to_owned(),
        theirs: theirs.to_owned(),
        mean: tallies(mean),
        minimum: tallies(minimum),
    }
}

/// The cases whose questions divide their groups less, and those that divide them more, as the judge
/// rates what each member makes of every opinion (the paper: of a position on the question).
pub fn by_divisiveness(cases: &[Case]) -> [Vec<&Case>; 2] {
    let mut divided: Vec<(f64, &Case)> = cases
        .iter()
        .filter_map(|case| Some((case_divisiveness(case)?, case)))
        .collect();
    divided.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let more = divided.split_off(divided.len() / 2);
    [divided, more].map(|half| half.into_iter().map(|(_, case)| case).collect())
}

/// From 0 to 1; `None` where nobody takes a side.
pub fn case_divisiveness(case: &Case) -> Option<f64> {
    let positions: Vec<Vec<f64>> = (0..case.deliberation.opinions.len())
        .map(|opinion| case.ratings(&case.judge, Source::Opinion(opinion)).clone())
        .collect();
    divisiveness(&positions)
}

/// The rating by the worst-off member; `None` of nobody.
pub fn minimum(ratings: &[f64]) -> Option<f64> {
    ratings.iter().copied().reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::case::tests::case;

    fn group(arms: &[(&str, &[Option<f64>])]) -> ArmRatings {
        arms.iter()
            .map(|(arm, ratings)| ((*arm).to_owned(), ratings.to_vec()))
            .collect()
    }

    #[test]
    fn only_who_rated_both_is_compared() {
        let groups = [
            // Mean 5 against 4, minimum 3 against 4.
            group(&[
                ("accord", &[Some(7.0), Some(3.0), Some(1.0)]),
                ("sft", &[Some(4.0), Some(4.0), None]),
            ]),
            // Equal.
            group(&[
                ("accord", &[Some(4.0), None]),
                ("sft", &[Some(4.0), Some(7.0)]),
            ]),
            // Nobody rated both.
            group(&[("accord", &[Some(4.0), None]), ("sft", &[None, Some(7.0)])]),
            // No such arm.
            group(&[("accord", &[Some(4.0)])]),
        ];
        let compared = compare(&groups, "accord", "sft");
        let tally = |wins, losses, ties| Tally { wins, losses, ties };
        assert_eq!(compared.mean.tally, tally(1, 0, 1));
        assert_eq!(compared.minimum.tally, tally(0, 1, 1));
    }

    #[test]
    fn a_group_whose_members_disagree_about_their_opinions_is_divided() {
        let divided = |opinion: [f64; 3]| {
            let mut case = case(&[([4.0; 3], [4.0; 3])]);
            for ratings in &mut case.judge.ratings[3..] {
                *ratings = opinion.to_vec();
            }
            case
        };
        let cases = [
            divided([7.0, 1.0, 4.0]),
            divided([7.0, 6.0, 5.0]),
            divided([7.0, 6.0, 1.0]),
        ];
        let found: Vec<Option<f64>> = cases.iter().map(case_divisiveness).collect();
        // Two to one: 1 - |1/2 - 2/3| x 2.
        assert_eq!(found[..2], [Some(1.0), Some(0.0)]);
        assert!((found[2].unwrap() - 2.0 / 3.0).abs() < 1e-12);
        let [less, more] = by_divisiveness(&cases);
        assert!(std::ptr::eq(less[0], &cases[1]) && less.len() == 1);
        assert!(std::ptr::eq(more[0], &cases[2]) && std::ptr::eq(more[1], &cases[0]));
    }

    #[test]
    fn the_pipeline_is_compared_with_every_other_arm() {
        let rated: &[Option<f64>] = &[Some(4.0)];
        let groups = [group(&[
            ("accord-nash", rated),
            ("accord-utilitarian", rated),
            ("best-opinion", rated),
            ("sft", rated),
            ("somebody", rated),
            ("zero-shot", rated),
        ])];
        let pairs: Vec<String> = compare_all(&groups)
            .iter()
            .map(|pair| format!("{} {}", pair.ours, pair.theirs))
            .collect();
        let expected: Vec<String> = ["accord-utilitarian", "accord-nash"]
            .iter()
            .flat_map(|ours| {
                ["sft", "zero-shot", "best-opinion", "somebody"]
                    .map(|theirs| format!("{ours} {theirs}"))
            })
            .chain(["sft zero-shot".to_owned()])
            .collect();
        assert_eq!(pairs, expected);
    }
}
