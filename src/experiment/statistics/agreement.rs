//! How far a group is of one mind.

/// Group Internal Agreement (Bakker et al. 2022, arXiv:2211.15006) of one statement's ratings from 1
/// to 7: |1/2 - n(r > 4) / (n(r > 4) + n(r < 4))| x 2. 0 where as many agree as disagree, 1 where all
/// are on one side; neutral ratings do not count, and `None` is returned where there are no others.
pub fn group_internal_agreement(ratings: &[f64]) -> Option<f64> {
    const NEUTRAL: f64 = 4.0;
    let above = ratings.iter().filter(|rating| **rating > NEUTRAL).count() as f64;
    let below = ratings.iter().filter(|rating| **rating < NEUTRAL).count() as f64;
    (above + below > 0.0).then(|| (0.5 - above / (above + below)).abs() * 2.0)
}

/// How much a question divides a group, from 0 to 1: 1 less the mean Group Internal Agreement about
/// positions on it, each with the group's ratings. `None` where nobody takes a side.
pub fn divisiveness(positions: &[Vec<f64>]) -> Option<f64> {
    let agreements: Vec<f64> = positions
        .iter()
        .filter_map(|ratings| group_internal_agreement(ratings))
        .collect();
    mean(&agreements).map(|agreement| 1.0 - agreement)
}

/// `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_is_1_on_one_side_and_0_where_a_group_is_split() {
        // By hand.
        for (ratings, expected) in [
            (&[7.0, 5.0, 6.0][..], Some(1.0)),
            (&[1.0, 3.9, 2.0], Some(1.0)),
            (&[7.0, 1.0], Some(0.0)),
            // Three above, one below: |1/2 - 3/4| x 2.
            (&[5.0, 6.0, 4.1, 3.0, 4.0], Some(0.5)),
            // Two above, three below: |1/2 - 2/5| x 2.
            (&[5.0, 6.0, 1.0, 3.0, 2.0], Some(0.2)),
            (&[4.0, 4.0], None),
            (&[], None),
        ] {
            let found = group_internal_agreement(ratings);
            let same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
                (found, expected) => found == expected,
            };
            assert!(same, "{ratings:?}: {found:?}");
        }
    }

    #[test]
    fn a_question_divides_as_much_as_the_positions_on_it() {
        let positions = [vec![7.0, 1.0], vec![6.0, 5.0], vec![4.0, 4.0]];
        assert_eq!(divisiveness(&positions), Some(0.5));
        assert_eq!(divisiveness(&positions[..1]), Some(1.0));
        assert_eq!(divisiveness(&positions[2..]), None);
    }
}
