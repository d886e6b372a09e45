//! One deliberation of an experiment: what was written for it, how it was rated, and which statement
//! each arm comes to.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::arm::{Arm, Welfare};
use crate::deliberation::ranking::rank;
use crate::deliberation::rating::RatingMatrix;
use crate::deliberation::record::Deliberation;
use crate::inference::drafting::Candidate;

/// A deliberation and everything that models made of it.
#[derive(Debug)]
pub struct Case {
    pub deliberation: Deliberation,
    pub written: Written,
    pub baselines: Baselines,
    /// By the model that ranks.
    pub ranking: Ratings,
    /// By the judge, which has no part in choosing.
    pub judge: Ratings,
}

/// What the fine-tuned generator wrote: the drafts that all welfare functions share, and those of the
/// exclusion study.
#[derive(Debug, Serialize, Deserialize)]
pub struct Written {
    /// At least one, or else there is no [`Case`]: none of them could stand as a candidate.
    pub drafts: Vec<Candidate>,
    /// `None` in a group that would be too small without one member.
    pub excluded: Option<Excluded>,
    /// Drafts that could not stand as candidates.
    pub rejected: usize,
    /// How long the drafts took, without those of the exclusion study.
    pub seconds: f64,
}

/// Drafts that did not read the opinion of one member.
#[derive(Debug, Serialize, Deserialize)]
pub struct Excluded {
    pub member: usize,
    pub drafts: Vec<Candidate>,
}

/// What the base model wrote; `None` where it wrote nothing that can stand as a candidate.
#[derive(Debug, Serialize, Deserialize)]
pub struct Baselines {
    pub zero_shot: Option<Candidate>,
    pub few_shot: Option<Candidate>,
}

/// Predicted ratings from 1 to 7, in the order of [`statements`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratings {
    /// `[statement][member]`
    pub ratings: Vec<Vec<f64>>,
}

/// Where a statement comes from; numbers count from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    Draft(usize),
    ExcludedDraft(usize),
    ZeroShot,
    FewShot,
    Opinion(usize),
}

/// All statements of a deliberation that are rated.
pub fn statements<'a>(
    deliberation: &'a Deliberation,
    written: &'a Written,
    baselines: &'a Baselines,
) -> Vec<(Source, &'a str)> {
    let text = |candidate: &'a Candidate| candidate.text.as_str();
    let drafts = written.drafts.iter().map(text).enumerate();
    let excluded = written
        .excluded
        .iter()
        .flat_map(|excluded| &excluded.drafts);
    let excluded = excluded.map(text).enumerate();
    let zero_shot = baselines.zero_shot.iter().map(text);
    let few_shot = baselines.few_shot.iter().map(text);
    let opinions = deliberation.opinions.iter().map(String::as_str).enumerate();
    drafts
        .map(|(n, text)| (Source::Draft(n), text))
        .chain(excluded.map(|(n, text)| (Source::ExcludedDraft(n), text)))
        .chain(zero_shot.map(|text| (Source::ZeroShot, text)))
        .chain(few_shot.map(|text| (Source::FewShot, text)))
        .chain(opinions.map(|(n, text)| (Source::Opinion(n), text)))
        .collect()
}

/// How the members of one group rate each arm's statement, by label; `None` where one did not.
pub type ArmRatings = BTreeMap<String, Vec<Option<f64>>>;

impl Case {
    /// # Errors
    /// Ratings that are not of these statements, or are no ratings.
    pub fn check(&self) -> Result<()> {
        let statements = self.statements().len();
        for Ratings { ratings } in [&self.ranking, &self.judge] {
            ensure!(
                ratings.len() == statements,
                "there are ratings of {} statements, and {statements} statements",
                ratings.len()
            );
            matrix(ratings.iter()).context("a row of ratings")?;
        }
        Ok(())
    }

    pub fn statements(&self) -> Vec<(Source, &str)> {
        statements(&self.deliberation, &self.written, &self.baselines)
    }

    /// The statement that an arm comes to; `None` where it has none.
    pub fn chosen(&self, arm: Arm) -> Option<Source> {
        match arm {
            Arm::ZeroShot => self.baselines.zero_shot.as_ref().map(|_| Source::ZeroShot),
            Arm::FewShot => self.baselines.few_shot.as_ref().map(|_| Source::FewShot),
            Arm::Sft => Some(Source::Draft(0)),
            Arm::Accord(welfare) => Some(Source::Draft(
                self.best(0..self.written.drafts.len(), welfare),
            )),
            Arm::BestOpinion => {
                let opinions = (0..self.deliberation.opinions.len())
                    .map(|opinion| self.ratings(&self.ranking, Source::Opinion(opinion)));
                Some(Source::Opinion(first_of(opinions, Welfare::Utilitarian)))
            }
        }
    }

    /// The best of some of the drafts, as the ranking model predicts their ratings.
    pub fn best(&self, among: Range<usize>, welfare: Welfare) -> usize {
        let drafts = among
            .clone()
            .map(|draft| self.ratings(&self.ranking, Source::Draft(draft)));
        among.start + first_of(drafts, welfare)
    }

    /// What all members make of a statement.
    pub fn ratings<'a>(&self, by: &'a Ratings, of: Source) -> &'a Vec<f64> {
        let statements = self.statements();
        let place = statements.iter().position(|(source, _)| *source == of);
        &by.ratings[place.expect("a statement of this case")]
    }

    pub fn text(&self, of: Source) -> &str {
        let statements = self.statements();
        let found = statements.into_iter().find(|(source, _)| *source == of);
        found.expect("a statement of this case").1
    }

    /// What a model makes of each arm's statement.
    pub fn by_model(&self, model: &Ratings) -> ArmRatings {
        let arms = Arm::ALL.into_iter().filter_map(|arm| {
            let ratings = self.ratings(model, self.chosen(arm)?);
            let ratings = ratings.iter().copied().map(Some).collect();
            Some((arm.label().to_owned(), ratings))
        });
        arms.collect()
    }
}

/// What people made of the statements in a file that carry an arm's label: each member's mean over the
/// statements of an arm. Arms that nobody rated are left out.
pub fn given(deliberation: &Deliberation) -> ArmRatings {
    let mut arms: BTreeMap<&str, Vec<Vec<f64>>> = BTreeMap::new();
    let members = deliberation.opinions.len();
    for statement in &deliberation.statements {
        let Some(arm) = &statement.arm else {
            continue;
        };
        let by_member = arms.entry(arm).or_insert_with(|| vec![Vec::new(); members]);
        for (ratings, rating) in by_member.iter_mut().zip(&statement.agreement) {
            ratings.extend(rating.map(f64::from));
        }
    }
    let mean = |ratings: Vec<f64>| super::statistics::agreement::mean(&ratings);
    arms.into_iter()
        .map(|(arm, by_member)| (arm.to_owned(), by_member.into_iter().map(mean).collect()))
        .filter(|(_, ratings): &(String, Vec<Option<f64>>)| ratings.iter().any(Option::is_some))
        .collect()
}

/// The first by welfare of some statements, each with its ratings by the same members.
pub fn first_of<'a>(statements: impl Iterator<Item = &'a Vec<f64>>, welfare: Welfare) -> usize {
    let matrix = matrix(statements).expect("checked when it was read");
    rank(&matrix, welfare.function())[0].candidate
}

/// `statements[statement][member]`, turned around.
fn matrix<'a>(statements: impl Iterator<Item = &'a Vec<f64>>) -> Result<RatingMatrix> {
    let statements: Vec<&Vec<f64>> = statements.collect();
    let members = statements.first().map_or(0, |ratings| ratings.len());
    ensure!(
        statements.iter().all(|ratings| ratings.len() == members),
        "not every statement has a rating of every member"
    );
    let of = |member: usize| statements.iter().map(|ratings| ratings[member]).collect();
    Ok(RatingMatrix::new((0..members).map(of).collect())?)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn candidate(text: &str) -> Candidate {
        Candidate {
            text: text.to_owned(),
            seed: 1,
            opinions_read: vec![0, 1, 2],
        }
    }

    /// Three members, drafts with these ratings by the ranking model and by the judge; the base
    /// model's statements get 2 and 3 from everybody, opinions 4, and the second opinion 5.
    pub fn case(drafts: &[([f64; 3], [f64; 3])]) -> Case {
        let rest = [[2.0; 3], [3.0; 3], [4.0; 3], [5.0; 3], [4.0; 3]];
        let (by_ranking, by_judge): (Vec<_>, Vec<_>) = drafts.iter().copied().unzip();
        let all = |drafts: Vec<[f64; 3]>| Ratings {
            ratings: drafts
                .into_iter()
                .chain(rest)
                .map(|ratings| ratings.to_vec())
                .collect(),
        };
        Case {
            deliberation: Deliberation {
                id: None,
                topic: None,
                question: "Why?".to_owned(),
                opinions: ["Opinion A", "Opinion B", "Opinion C"]
                    .map(str::to_owned)
                    .to_vec(),
                weights: vec![1.0; 3],
                statements: Vec::new(),
            },
            written: Written {
                drafts: (0..drafts.len())
                    .map(|n| candidate(&format!("Draft {n}")))
                    .collect(),
                excluded: None,
                rejected: 0,
                seconds: 1.0,
            },
            baselines: Baselines {
                zero_shot: Some(candidate("Zero-shot")),
                few_shot: Some(candidate("Few-shot")),
            },
            ranking: all(by_ranking),
            judge: all(by_judge),
        }
    }

    #[test]
    fn every_arm_comes_to_its_statement_by_the_ranking_model_alone() {
        let case = case(&[
            ([4.0, 4.0, 4.1], [7.0; 3]),
            ([7.0, 7.0, 1.0], [1.0; 3]),
            ([5.0, 5.0, 3.0], [1.0; 3]),
        ]);
        case.check().unwrap();
        let text = |arm| case.text(case.chosen(arm).unwrap());
        assert_eq!(text(Arm::Accord(Welfare::Utilitarian)), "Draft 1");
        assert_eq!(text(Arm::Accord(Welfare::Nash)), "Draft 2");
        assert_eq!(text(Arm::Accord(Welfare::Rawlsian)), "Draft 0");
        assert_eq!(text(Arm::Accord(Welfare::Schulze)), "Draft 1");
        assert_eq!(text(Arm::Sft), "Draft 0");
        assert_eq!(text(Arm::ZeroShot), "Zero-shot");
        assert_eq!(text(Arm::FewShot), "Few-shot");
        assert_eq!(text(Arm::BestOpinion), "Opinion B");
        assert_eq!(case.best(1..3, Welfare::Rawlsian), 2);
        let judged = case.by_model(&case.judge);
        assert_eq!(judged["sft"], [Some(7.0); 3]);
        assert_eq!(judged["accord-nash"], [Some(1.0); 3]);
        assert_eq!(judged["best-opinion"], [Some(5.0); 3]);
    }

    #[test]
    fn an_arm_without_a_statement_has_no_ratings() {
        let mut case = case(&[([4.0; 3], [4.0; 3])]);
        case.baselines.zero_shot = None;
        case.ranking.ratings.remove(1);
        assert!(case.check().is_err(), "the judge has one too many");
        case.judge.ratings.remove(1);
        case.check().unwrap();
        assert_eq!(case.chosen(Arm::ZeroShot), None);
        assert!(!case.by_model(&case.judge).contains_key("zero-shot"));
        assert_eq!(case.by_model(&case.judge)["few-shot"], [Some(3.0); 3]);
    }

    #[test]
    fn given_ratings_count_for_the_arm_that_the_statement_names() {
        let deliberation: Deliberation = serde_json::from_value(serde_json::json!({
            "question": "Why?",
            "opinions": ["Because it is so.", "I do not know.", "Nobody knows it."],
            "statements": [
                { "text": "A", "agreement": [7, 2, null], "arm": "accord" },
                { "text": "B", "agreement": [4, null, null], "arm": "accord" },
                { "text": "C", "agreement": [1, 1, 1] },
                { "text": "D", "agreement": [3, 5, 6], "arm": "sft" },
                { "text": "E", "agreement": [null, null, null], "arm": "zero-shot" },
            ],
        }))
        .unwrap();
        let given = given(&deliberation);
        assert_eq!(given.len(), 2);
        assert_eq!(given["accord"], [Some(5.5), Some(2.0), None]);
        assert_eq!(given["sft"], [Some(3.0), Some(5.0), Some(6.0)]);
    }
}
