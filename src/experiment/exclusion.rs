//! The exclusion study: what members make of a statement that was silently built without them.

use super::arm::Welfare;
use super::case::{Case, Ratings, Source, first_of};
use super::statistics::medians::{Sides, difference_of_medians, median};
use crate::training::evaluation::bootstrap::Estimate;

/// How much the others agree more than the member who is looked at.
#[derive(Clone, Debug)]
pub struct Exclusion {
    pub groups: usize,
    /// Of statements whose drafts did not read that member's opinion, and which the ratings of the
    /// others alone chose.
    pub without: Difference,
    /// Of statements by the same number of drafts that read that member's opinion among others, chosen
    /// by everybody's ratings: what is left is not due to the exclusion.
    pub with: Difference,
}

/// Median agreement, and by how much the others' is higher.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    pub others: f64,
    pub member: f64,
    pub difference: Estimate,
}

/// As the judge rates; `None` if no group was large enough.
pub fn exclusion(cases: &[Case]) -> Option<Exclusion> {
    let (without, with): (Vec<Sides>, Vec<Sides>) = cases.iter().filter_map(sides).unzip();
    Some(Exclusion {
        groups: without.len(),
        without: difference(&without)?,
        with: difference(&with)?,
    })
}

/// Without the member, and with everybody.
fn sides(case: &Case) -> Option<(Sides, Sides)> {
    let excluded = case.written.excluded.as_ref()?;
    let others = |ratings: &Vec<f64>| -> Vec<f64> {
        let mut ratings = ratings.clone();
        ratings.remove(excluded.member);
        ratings
    };
    let split = |by: &Ratings, source| {
        let ratings = case.ratings(by, source);
        Sides {
            ours: others(ratings),
            theirs: vec![ratings[excluded.member]],
        }
    };
    // In a group that exceeds the context every draft reads some opinions only.
    let drafts = case.written.drafts.iter().enumerate();
    let readers = drafts.filter(|(_, draft)| draft.opinions_read.contains(&excluded.member));
    let readers: Vec<usize> = readers.map(|(draft, _)| draft).collect();
    let drafts = excluded.drafts.len().min(readers.len());
    let read = readers[..drafts]
        .iter()
        .map(|&draft| case.ratings(&case.ranking, Source::Draft(draft)));
    let of_others: Vec<Vec<f64>> = (0..drafts)
        .map(|draft| others(case.ratings(&case.ranking, Source::ExcludedDraft(draft))))
        .collect();
    if drafts == 0 {
        return None;
    }
    let without = first_of(of_others.iter(), Welfare::Utilitarian);
    let with = readers[first_of(read, Welfare::Utilitarian)];
    Some((
        split(&case.judge, Source::ExcludedDraft(without)),
        split(&case.judge, Source::Draft(with)),
    ))
}

fn difference(groups: &[Sides]) -> Option<Difference> {
    let all =
        |side: fn(&Sides) -> &Vec<f64>| median(groups.iter().flat_map(side).copied().collect());
    Some(Difference {
        others: all(|group| &group.ours)?,
        member: all(|group| &group.theirs)?,
        difference: difference_of_medians(groups)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::case::Excluded;
    use crate::experiment::case::tests::{candidate, case};

    #[test]
    fn the_others_choose_and_the_judge_tells_how_the_excluded_fare() {
        let mut case = case(&[
            ([5.0; 3], [4.0, 5.0, 6.0]),
            ([4.0; 3], [1.0; 3]),
            ([7.0; 3], [1.0; 3]),
        ]);
        case.written.excluded = Some(Excluded {
            member: 1,
            drafts: vec![candidate("Without 0"), candidate("Without 1")],
        });
        // The excluded member's 7 does not count when the statement is chosen.
        case.ranking.ratings.insert(3, vec![4.0, 7.0, 4.0]);
        case.ranking.ratings.insert(4, vec![5.0, 1.0, 5.0]);
        case.judge.ratings.insert(3, vec![1.0; 3]);
        case.judge.ratings.insert(4, vec![6.0, 2.0, 7.0]);
        case.check().unwrap();
        let found = exclusion(&[case]).unwrap();
        assert_eq!(found.groups, 1);
        assert_eq!((found.without.others, found.without.member), (6.5, 2.0));
        assert_eq!(found.without.difference.value, 4.5);
        // Of the first two drafts only: there were no more without the member.
        assert_eq!((found.with.others, found.with.member), (5.0, 5.0));
        assert_eq!(found.with.difference.value, 0.0);
    }

    #[test]
    fn a_draft_that_did_not_read_the_member_is_no_control() {
        let mut case = case(&[
            ([7.0; 3], [1.0; 3]),
            ([5.0; 3], [4.0, 5.0, 6.0]),
            ([4.0; 3], [1.0; 3]),
        ]);
        case.written.excluded = Some(Excluded {
            member: 1,
            drafts: vec![candidate("Without 0"), candidate("Without 1")],
        });
        for model in [&mut case.ranking, &mut case.judge] {
            model.ratings.insert(3, vec![4.0; 3]);
            model.ratings.insert(4, vec![3.0; 3]);
        }
        case.written.drafts[0].opinions_read = vec![0, 2];
        let found = exclusion(std::slice::from_ref(&case)).unwrap();
        assert_eq!((found.with.others, found.with.member), (5.0, 5.0));
        for draft in &mut case.written.drafts {
            draft.opinions_read = vec![0, 2];
        }
        assert!(exclusion(&[case]).is_none());
    }

    #[test]
    fn a_group_that_is_too_small_says_nothing() {
        assert!(exclusion(&[case(&[([5.0; 3], [5.0; 3])])]).is_none());
    }
}
