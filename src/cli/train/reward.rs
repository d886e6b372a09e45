//! Training a reward model.

use std::collections::{BTreeMap, BTreeSet};

use accord::deliberation::distribution::RatingDistribution;
use accord::deliberation::record::{Deliberation, VotedMember};
use accord::inference::calibration::Calibration;
use accord::inference::reward::RewardModel;
use accord::training::card::{Card, Metrics};
use accord::training::evaluation::{
    self, Evaluation, EvaluationError, Scored, ScoredVotes, VoteEvaluation,
};
use accord::training::prediction::{
    OpinionShown, PredictedDeliberation, predict_all, predict_votes,
};
use accord::training::reward::RewardTask;
use accord::training::split::Split;
use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::progress::{Part, Progress, go_on};
use super::{Run, note, settings};

impl Run {
    pub fn train_reward(&self) -> Result<Card> {
        let base = self.load_base()?;
        let split = self.split(self.data.clone())?;
        let task = self.reward_task(&split)?;
        let judging = match self.args.gate {
            true => Some(self.judging(&self.data)?),
            false => None,
        };
        let sum = |rows: &[Deliberation]| rows.iter().map(size).sum::<f64>();
        let mut parts = vec![Part::new("final", self.cost_of_fit(&split, size))];
        for fold in judging.iter().flat_map(|judging| &judging.folds) {
            // Whether it can be trained on is known before hours are spent.
            self.reward_task(&fold.others)
                .context("the gate, which trains on three quarters of the data")?;
            parts.extend(fold.parts(self.cost_of_fit(&fold.others, size), sum(&fold.own)));
        }
        if let Some(judging) = &judging {
            parts.extend(judging.held_out_parts(sum(&judging.held_out)));
        }
        parts.push(Part::new("validation", sum(&split.validation)));
        parts.push(Part::new("held-out", sum(&self.held_out)));
        parts.push(Part::new("votes", sum(&self.held_out)));
        let progress = Progress::new(parts);

        note(format!(
            "{} deliberations to train on, {} to validate with{}",
            split.training.len(),
            split.validation.len(),
            task.skipped
        ));
        let trained = self.fit(&base, &task, &self.args.out, &progress)?;
        self.check_progress(&trained, &progress)?;
        let judged = match &judging {
            Some(judging) => {
                Some(self.judge_reward(&base, &trained.adapter, judging, &progress)?)
            }
            None => None,
        };
        drop(base);
        let model = self.reward_model(Some(&trained.adapter))?;
        let validation = predict(&model, "validation", &split.validation, &progress)?;
        let calibration = calibrate(&split.validation, &validation);
        let held_out = predict(&model, "held-out", &self.held_out, &progress)?;
        let mut metrics = Metrics {
            validation: figures(
                "validation",
                evaluate(&split.validation, validation, &calibration),
            )?,
            held_out: match self.held_out.is_empty() {
                true => None,
                false => figures("held-out", evaluate(&self.held_out, held_out, &calibration))?,
            },
            polis: match self.votes.is_empty() {
                true => None,
                false => figures(
                    "votes",
                    measure_votes(&model, &self.votes, &calibration, &progress)?,
                )?,
            },
            ..Metrics::default()
        };
        let mut gate = None;
        if let Some(judged) = judged {
            if !judged.rounds.is_empty() {
                let by_candidate = cross_fitted(
                    &judged.rounds,
                    judged.by_candidate,
                    &calibration,
                    &split.validation,
                );
                let calibration = judging.and_then(|judging| judging.version?.card.calibration);
                let calibration = calibration.unwrap_or_default();
                let by_against = evaluate(&judged.rounds, judged.by_against, &calibration);
                metrics.cross_fitted = figures("gate's", by_candidate)?;
                metrics.compared_with = figures("gate's", by_against)?;
            }
            gate = Some(judged.judged);
        }
        let settings = json!({
            "fine_tuning": settings(&self.args, &self.config),
            "loss": self.config.training.loss,
            "start": self.start_sha256()?,
            "seed": self.args.seed,
            "step": trained.step,
        });
        self.write(&trained, settings, metrics, |card| Card {
            calibration: Some(calibration),
            gate,
            ..card
        })
    }

    pub fn reward_task(&self, split: &Split) -> Result<RewardTask> {
        let loss = self.config.training.loss;
        RewardTask::new(split, &self.gguf, &self.prompts, loss, self.args.seed)
    }
}

/// About how much a reward model reads of a deliberation.
pub fn size(deliberation: &Deliberation) -> f64 {
    // The prompt's own words.
    const PROMPT: usize = 200;
    let opinions = deliberation.opinions.iter().enumerate();
    let of_members = opinions.map(|(member, opinion)| {
        let rated = deliberation.statements.iter();
        let rated = rated.filter(|statement| statement.agreement[member].is_some());
        let statements: usize = rated.map(|statement| statement.text.len()).sum();
        PROMPT + deliberation.question.len() + opinion.len() + statements
    });
    of_members.sum::<usize>() as f64
}

/// # Errors
/// [`Interrupted`](super::Interrupted), and those of the model.
pub fn predict(
    model: &RewardModel,
    part: &str,
    deliberations: &[Deliberation],
    progress: &Progress,
) -> Result<Vec<PredictedDeliberation>> {
    let measuring = progress.measuring(part, deliberations.len())?;
    let mut all = Vec::with_capacity(deliberations.len());
    for (number, deliberation) in deliberations.iter().enumerate() {
        go_on(measuring.done(number))?;
        let one = std::slice::from_ref(deliberation);
        let predicted = predict_all(model, one, OpinionShown::Own, |_| {});
        all.extend(Handle::current().block_on(predicted)?);
    }
    go_on(measuring.done(deliberations.len()))?;
    Ok(all)
}

/// A calibration under which these predictions fit the real ratings best.
fn calibrate(deliberations: &[Deliberation], predicted: &[PredictedDeliberation]) -> Calibration {
    let mut rated: Vec<(RatingDistribution, u8)> = Vec::new();
    for (deliberation, predicted) in deliberations.iter().zip(predicted) {
        for (member, predicted) in predicted.ratings.iter().enumerate() {
            for (statement, predicted) in deliberation.statements.iter().zip(predicted) {
                rated.extend(predicted.zip(statement.agreement[member]));
            }
        }
    }
    Calibration::fit(&rated)
}

/// As [`evaluate`]. But the certainty decides whether people are told numbers, and the calibration
/// shifts it: so it is measured on rounds whose questions are not among those that chose the calibration.
fn cross_fitted(
    rounds: &[Deliberation],
    predicted: Vec<PredictedDeliberation>,
    calibration: &Calibration,
    calibrated_on: &[Deliberation],
) -> Result<Evaluation, EvaluationError> {
    let questions = calibrated_on.iter().map(|row| row.question.as_str());
    let questions: BTreeSet<&str> = questions.collect();
    let others = rounds.iter().zip(&predicted);
    let others = others.filter(|(round, _)| !questions.contains(&*round.question));
    let (others, predicted_others): (Vec<Deliberation>, Vec<PredictedDeliberation>) = others
        .map(|(round, predicted)| (round.clone(), predicted.clone()))
        .unzip();
    let of_others = evaluate(&others, predicted_others, calibration);
    Ok(Evaluation {
        certainty: of_others.map_or_else(|_| BTreeMap::new(), |found| found.certainty),
        ..evaluate(rounds, predicted, calibration)?
    })
}

pub fn evaluate(
    deliberations: &[Deliberation],
    mut predicted: Vec<PredictedDeliberation>,
    calibration: &Calibration,
) -> Result<Evaluation, EvaluationError> {
    for rating in predicted
        .iter_mut()
        .flat_map(|predicted| predicted.ratings.iter_mut().flatten().flatten())
    {
        *rating = calibration.apply(rating);
    }
    let scored: Vec<Scored> = deliberations
        .iter()
        .zip(&predicted)
        .map(|(deliberation, predicted)| Scored {
            deliberation,
            predicted: &predicted.ratings,
        })
        .collect();
    evaluation::evaluate(&scored)
}

/// What stands in the card. A version is worth keeping where there is nothing to compare.
fn figures<T: Serialize>(of: &str, figures: Result<T, EvaluationError>) -> Result<Option<Value>> {
    match figures {
        Ok(figures) => Ok(Some(serde_json::to_value(figures)?)),
        Err(error) => {
            note(format!("no figures on the {of} data: {error}"));
            Ok(None)
        }
    }
}

fn measure_votes(
    model: &RewardModel,
    members: &[VotedMember],
    calibration: &Calibration,
    progress: &Progress,
) -> Result<Result<VoteEvaluation, EvaluationError>> {
    let measuring = progress.measuring("votes", members.len())?;
    let mut predicted =
        Handle::current().block_on(predict_votes(model, members, OpinionShown::Own, |done| {
            // It is stopped when it is done.
            let _ = measuring.done(done);
        }))?;
    go_on(measuring.done(members.len()))?;
    for rating in predicted
        .iter_mut()
        .flat_map(|predicted| predicted.ratings.iter_mut().flatten())
    {
        *rating = calibration.apply(rating);
    }
    let scored: Vec<ScoredVotes> = members
        .iter()
        .zip(&predicted)
        .map(|(member, predicted)| ScoredVotes {
            member,
            predicted: &predicted.ratings,
        })
        .collect();
    Ok(evaluation::evaluate_votes(&scored))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chose_the_calibration_does_not_tell_whether_it_is_right() {
        let round = |question: &str| -> Deliberation {
            serde_json::from_value(json!({
                "question": question,
                "opinions": ["Tea, all day long.", "Coffee until noon.", "Water for me only."],
                "statements": [
                    { "text": "Tea.", "agreement": [7, 2, 3] },
                    { "text": "Coffee.", "agreement": [1, 6, 4] },
                ],
            }))
            .unwrap()
        };
        let rounds = [round("Tea or coffee?"), round("Coffee or tea?")];
        let unsure = RatingDistribution::from_logits([0.0; 7]);
        let predicted = || PredictedDeliberation {
            ratings: vec![vec![unsure; 2]; 3],
            too_long: Vec::new(),
        };
        let predicted = vec![predicted(), predicted()];
        let calibration = Calibration::default();
        let all = cross_fitted(&rounds, predicted.clone(), &calibration, &[]).unwrap();
        let others = cross_fitted(&rounds, predicted, &calibration, &rounds[..1]).unwrap();
        let certain_of = |found: &Evaluation| found.certainty["utilitarian"].deliberations;
        assert_eq!((all.deliberations, certain_of(&all)), (2, 2));
        assert_eq!((others.deliberations, certain_of(&others)), (2, 1));
    }
}
