//! How similar two texts are by their words, rare words counting more.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use unicode_segmentation::UnicodeSegmentation;

/// The inverse document frequency of every word, smoothed: ln((1 + n) / (1 + texts with the
/// word)) + 1 (as scikit-learn's `TfidfVectorizer` has it).
pub struct TfIdf {
    by_word: HashMap<String, f64>,
}

impl TfIdf {
    /// Of the distinct texts.
    pub fn of<'a>(texts: impl Iterator<Item = &'a String>) -> Self {
        let texts: BTreeSet<&String> = texts.collect();
        let mut frequencies: HashMap<String, usize> = HashMap::new();
        for text in &texts {
            let distinct: BTreeSet<String> = words(text).collect();
            for word in distinct {
                *frequencies.entry(word).or_default() += 1;
            }
        }
        let weight = |frequency| ((1 + texts.len()) as f64 / (1 + frequency) as f64).ln() + 1.0;
        Self {
            by_word: frequencies
                .into_iter()
                .map(|(word, frequency)| (word, weight(frequency)))
                .collect(),
        }
    }

    /// Words that no text had are left out.
    pub fn vector(&self, text: &str) -> Vector {
        let mut weights = BTreeMap::new();
        for word in words(text) {
            if let Some(weight) = self.by_word.get(&word) {
                *weights.entry(word).or_default() += weight;
            }
        }
        let length = weights
            .values()
            .map(|weight: &f64| weight * weight)
            .sum::<f64>()
            .sqrt();
        for weight in weights.values_mut() {
            *weight /= length;
        }
        Vector(weights)
    }
}

/// The words of a text with their weights, of length 1 (or without words). Ordered, so that sums
/// are always the same.
pub struct Vector(BTreeMap<String, f64>);

impl Vector {
    /// From 0 (no word in common) to 1.
    pub fn cosine(&self, other: &Self) -> f64 {
        self.0
            .iter()
            .filter_map(|(word, weight)| Some(weight * other.0.get(word)?))
            .sum()
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.unicode_words().map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_is_the_cosine_of_weighted_word_counts() {
        let texts = ["a b".to_owned(), "a c".to_owned(), "a c".to_owned()];
        let tf_idf = TfIdf::of(texts.iter());
        // Two distinct texts: `a` weighs ln(3/3) + 1, the others ln(3/2) + 1.
        let rare = 1.5f64.ln() + 1.0;
        let expected = 1.0 / (1.0 + rare * rare);
        let found = tf_idf.vector("A, b!").cosine(&tf_idf.vector("c a"));
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        let twice = tf_idf.vector("a a c").cosine(&tf_idf.vector("a"));
        assert!((twice - 2.0 / (4.0 + rare * rare).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn texts_without_a_word_in_common_are_not_similar() {
        let texts = ["a b".to_owned(), "c d".to_owned()];
        let tf_idf = TfIdf::of(texts.iter());
        for other in ["c d", "", "unheard of"] {
            assert_eq!(tf_idf.vector("a b").cosine(&tf_idf.vector(other)), 0.0);
        }
    }
}
