//! How far two raters agree beyond chance.

/// Cohen's kappa (Cohen 1960, "A coefficient of agreement for nominal scales", Educational and
/// Psychological Measurement 20, 37-46) of what two raters chose for the same items:
/// (p_o - p_e) / (1 - p_e) for the share p_o on which they agree and the share p_e on which chance
/// alone would, given how often each of them chooses what. `None` where there is nothing to compare,
/// or where both always choose the same, so that chance explains all.
pub fn cohens_kappa<T: Ord>(choices: &[(T, T)]) -> Option<f64> {
    let n = choices.len() as f64;
    let mut categories: Vec<&T> = choices.iter().flat_map(|(a, b)| [a, b]).collect();
    categories.sort();
    categories.dedup();
    let observed = choices.iter().filter(|(a, b)| a == b).count() as f64 / n;
    let expected: f64 = categories
        .into_iter()
        .map(|category| {
            let first = choices.iter().filter(|(a, _)| a == category).count() as f64;
            let second = choices.iter().filter(|(_, b)| b == category).count() as f64;
            first / n * (second / n)
        })
        .sum();
    (n > 0.0 && expected < 1.0).then(|| (observed - expected) / (1.0 - expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kappa(first: &str, second: &str) -> Option<f64> {
        let choices: Vec<(char, char)> = first.chars().zip(second.chars()).collect();
        cohens_kappa(&choices)
    }

    #[test]
    fn kappa_is_that_of_scikit_learn() {
        // sklearn.metrics.cohen_kappa_score(list(first), list(second))
        for (first, second, expected) in [
            ("aabbabtaab", "abbbabtbba", 0.33333333333333337),
            ("aab", "bba", -0.8),
            ("abab", "abab", 1.0),
        ] {
            let found = kappa(first, second).unwrap();
            assert!(
                (found - expected).abs() < 1e-12,
                "{first} {second}: {found}"
            );
        }
    }

    #[test]
    fn what_chance_explains_has_no_kappa() {
        assert_eq!(kappa("", ""), None);
        assert_eq!(kappa("aaa", "aaa"), None);
    }
}
