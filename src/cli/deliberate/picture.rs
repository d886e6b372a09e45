//! `--chart`: what a group is predicted to make of the candidates, as a picture.

use std::path::PathBuf;
use std::str::FromStr;

use accord::chart::Chart;
use accord::chart::ratings::{RatingsRow, RatingsWords, ratings_chart};
use accord::deliberation::ranking::Ranked;
use accord::deliberation::rating::RatingMatrix;
use accord::deliberation::welfare::WelfareFunction;
use anyhow::{Result, anyhow};

use crate::cli::{check_folder, write_whole};

/// One row a candidate, best first, under the question and the statement that was chosen. `texts` and
/// `ratings` are in the order in which the candidates were written. A prediction is drawn at the whole
/// rating that it is closest to.
pub fn picture(
    question: &str,
    texts: &[&str],
    ratings: &RatingMatrix,
    ranking: &[Ranked],
    welfare: WelfareFunction,
) -> Chart {
    let rows: Vec<RatingsRow> = (1..)
        .zip(ranking)
        .map(|(place, ranked)| row(place, ranked, texts, ratings, welfare))
        .collect();
    let statement = ranking.first().map_or("", |best| texts[best.candidate]);
    let words = RatingsWords {
        title: question.to_owned(),
        question: question.to_owned(),
        statement: statement.to_owned(),
        agree: "agree (5–7)".to_owned(),
        neutral: "neutral (4)".to_owned(),
        dissent: "dissent (1–3)".to_owned(),
        rated: String::new(),
        predicted: "predicted; nobody has rated anything yet".to_owned(),
        participants: "Participants".to_owned(),
        ratings: "Predicted ratings".to_owned(),
        welfare: match welfare {
            WelfareFunction::Alpha(_) => "Welfare",
            WelfareFunction::Schulze => "Unbeaten by",
        }
        .to_owned(),
        chosen: "chosen: the statement above".to_owned(),
    };
    let mut chart = ratings_chart(&rows, &words);
    chart.alt_text = format!("{question} {}", chart.alt_text);
    chart
}

fn row(
    place: usize,
    ranked: &Ranked,
    texts: &[&str],
    ratings: &RatingMatrix,
    function: WelfareFunction,
) -> RatingsRow {
    let mut predicted = [0; 7];
    for rating in ratings.of_candidate(ranked.candidate) {
        predicted[rating.round().clamp(1.0, 7.0) as usize - 1] += 1;
    }
    let [dissent, neutral, agree] = [&predicted[..3], &predicted[3..4], &predicted[4..]];
    let [agree, neutral, dissent] =
        [agree, neutral, dissent].map(|counts| counts.iter().sum::<usize>());
    let (welfare, in_words) = match function {
        WelfareFunction::Alpha(_) => {
            let welfare = format!("{:.2}", ranked.welfare);
            let in_words = format!("welfare {welfare}");
            (welfare, in_words)
        }
        // A number of candidates.
        WelfareFunction::Schulze => {
            let welfare = ranked.welfare.to_string();
            let in_words = format!("not beaten by {welfare} others");
            (welfare, in_words)
        }
    };
    let chosen = place == 1;
    let text = texts[ranked.candidate];
    let which = match chosen {
        true => format!("The chosen statement, {text:?}"),
        false => format!("Candidate {place}"),
    };
    RatingsRow {
        label: place.to_string(),
        chosen,
        note: match chosen {
            true => String::new(),
            false => text.to_owned(),
        },
        welfare,
        rated: [0; 7],
        predicted,
        told: format!(
            "{which}: by prediction {agree} agree, {neutral} are neutral, {dissent} dissent; {in_words}."
        ),
    }
}

/// A file for a picture, whose format its name tells.
#[derive(Clone, Debug)]
pub struct ChartFile {
    path: PathBuf,
    format: ChartFormat,
}

#[derive(Clone, Copy, Debug)]
enum ChartFormat {
    Svg,
    Png,
}

impl FromStr for ChartFile {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let path = PathBuf::from(text);
        let end = path.extension().map(|end| end.to_ascii_lowercase());
        let format = match end.as_ref().and_then(|end| end.to_str()) {
            Some("svg") => ChartFormat::Svg,
            Some("png") => ChartFormat::Png,
            _ => return Err(anyhow!("expected a file that ends in .svg or .png")),
        };
        Ok(Self { path, format })
    }
}

impl ChartFile {
    /// Before models work for minutes.
    pub fn check(&self) -> Result<()> {
        check_folder(&self.path)
    }

    /// Tells in words what a PNG shows.
    pub fn write(&self, chart: &Chart) -> Result<()> {
        let bytes = match self.format {
            ChartFormat::Svg => chart.svg.clone().into_bytes(),
            ChartFormat::Png => {
                eprintln!("{}: {}", self.path.display(), chart.alt_text);
                // For screens of phones, which show two or three pixels for one.
                chart.to_png(2.0)
            }
        };
        write_whole(&self.path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use accord::deliberation::ranking::rank;

    use super::*;

    fn drawn(function: &str) -> Chart {
        let texts = [
            "Keep the buses as they are.",
            "Run a minibus that can be called at night, on Fridays and Saturdays first, and let a second member of staff ride with it.",
            "Run every bus all night.",
        ];
        let ratings = vec![
            vec![2.1, 5.6, 6.4],
            vec![6.2, 4.6, 1.7],
            vec![5.5, 5.4, 2.4],
            vec![3.0, 6.3, 5.0],
            vec![4.2, 6.1, 3.9],
        ];
        let (ratings, function) = (
            RatingMatrix::new(ratings).unwrap(),
            function.parse().unwrap(),
        );
        let ranking = rank(&ratings, function);
        picture(
            "Should our city run buses all night?",
            &texts,
            &ratings,
            &ranking,
            function,
        )
    }

    #[test]
    fn the_chosen_candidate_is_on_top_and_told_in_words() {
        let chart = drawn("utilitarian");
        assert_eq!(
            chart.alt_text,
            "Should our city run buses all night? The chosen statement, \"Run a minibus that can be \
             called at night, on Fridays and Saturdays first, and let a second member of staff ride \
             with it.\": by prediction 5 agree, 0 are neutral, 0 dissent; welfare 5.60. Candidate 2: by \
             prediction 2 agree, 1 are neutral, 2 dissent; welfare 4.20. Candidate 3: by prediction 2 \
             agree, 1 are neutral, 2 dissent; welfare 3.88."
        );
        let at = |text: &str| chart.svg.find(&format!(">\n{text}\n<")).unwrap();
        assert!(at("5.60") < at("4.20") && at("4.20") < at("3.88"));
        assert!(at("▲5") < at("▲2"));
        assert!(
            chart
                .svg
                .contains("<title>Should our city run buses all night?</title>")
        );
    }

    #[test]
    fn what_schulze_counts_is_no_welfare() {
        let chart = drawn("schulze");
        assert!(
            chart.alt_text.contains("not beaten by 2 others"),
            "{}",
            chart.alt_text
        );
        assert!(chart.svg.contains(">\nUnbeaten by\n<"));
    }

    #[test]
    fn a_file_is_written_in_the_format_that_its_name_tells() {
        let folder = tempfile::tempdir().unwrap();
        for (name, begins) in [("a.svg", &b"<svg "[..]), ("b.PNG", b"\x89PNG")] {
            let path = folder.path().join(name);
            let file: ChartFile = path.to_str().unwrap().parse().unwrap();
            file.check().unwrap();
            file.write(&drawn("nash")).unwrap();
            assert!(std::fs::read(path).unwrap().starts_with(begins), "{name}");
        }
    }
}
