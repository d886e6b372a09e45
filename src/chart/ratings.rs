//! How a group rates its candidates.

use super::Chart;

/// A candidate and how often each rating from 1 to 7 was given or predicted.
#[derive(Clone, Debug)]
pub struct RatingsRow {
    pub label: String,
    /// The group's statement.
    pub chosen: bool,
    /// Something short, under the bar.
    pub note: String,
    pub welfare: String,
    pub rated: [usize; 7],
    pub predicted: [usize; 7],
    /// The row in words.
    pub told: String,
}

/// What stands in the picture beside the rows.
#[derive(Clone, Debug)]
pub struct RatingsWords {
    /// 5 to 7.
    pub agree: String,
    /// 4.
    pub neutral: String,
    /// 1 to 3.
    pub dissent: String,
    pub rated: String,
    pub predicted: String,
    /// Over the bars.
    pub participants: String,
    /// Over the strips of single ratings.
    pub ratings: String,
    pub welfare: String,
    pub chosen: String,
}

/// One row a candidate, in the order given.
pub fn ratings_chart(rows: &[RatingsRow], _words: &RatingsWords) -> Chart {
    Chart {
        svg: String::new(),
        alt_text: rows
            .iter()
            .map(|row| row.told.as_str())
            .collect::<Vec<_>>()
            .join(" "),
    }
}
