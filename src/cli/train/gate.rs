//! The gate: four more trainings, each on three quarters of the rounds, that predict the fourth.

use accord::deliberation::record::Deliberation;
use accord::inference::calibration::Calibration;
use accord::training::card::{Judged, question_hash};
use accord::training::evaluation::Scored;
use accord::training::fine_tuning::validation_loss;
use accord::training::gate::{self, HeldOut, RoundLoss, RoundOutcome, Verdict};
use accord::training::generator::GeneratorTask;
use accord::training::prediction::PredictedDeliberation;
use accord::training::split::Split;
use accord::training::versions::{Version, VersionId};
use accord::training::{evaluation, gate::ROUNDS_NEEDED};
use accord::transformer::Transformer;
use accord::transformer::adapter::Adapter;
use anyhow::{Context, Result};

use super::progress::{Part, Progress, go_on};
use super::reward::{evaluate, predict};
use super::{Run, note};

/// What the gate is asked.
pub struct Judging {
    against: VersionId,
    /// `None` is the base model.
    pub version: Option<Version>,
    /// Rounds that the other version was not trained on.
    rounds: usize,
    /// None where these are too few.
    pub folds: Vec<Fold>,
    /// The shipped held-out set.
    pub held_out: Vec<Deliberation>,
}

/// A quarter of the rounds.
pub struct Fold {
    number: usize,
    /// What its model is trained on.
    pub others: Split,
    /// What it predicts: those that the other version was not trained on either.
    pub own: Vec<Deliberation>,
}

/// A verdict on a reward model, and what both predict for the rounds.
pub struct JudgedReward {
    pub judged: Judged,
    pub rounds: Vec<Deliberation>,
    /// Neither has a calibration.
    pub by_candidate: Vec<PredictedDeliberation>,
    pub by_against: Vec<PredictedDeliberation>,
}

impl Run {
    /// Deals the rounds into folds.
    ///
    /// # Errors
    /// A version to compare with that cannot be used; three quarters of the rounds that cannot be
    /// split.
    pub fn judging(&self, rounds: &[Deliberation]) -> Result<Judging> {
        let (against, version) = self.against()?;
        let seen = version.as_ref().map(|version| &version.card.data.questions);
        let is_new = |row: &Deliberation| {
            seen.is_none_or(|seen| !seen.contains(&question_hash(&row.question)))
        };
        let new = rounds.iter().filter(|row| is_new(row)).count();
        let mut folds = Vec::new();
        if new >= ROUNDS_NEEDED {
            let questions: Vec<&str> = rounds.iter().map(|row| row.question.as_str()).collect();
            for (number, fold) in (1..).zip(gate::folds(&questions, self.args.seed)) {
                let (own, others): (Vec<_>, Vec<_>) = rounds
                    .iter()
                    .enumerate()
                    .partition(|(index, _)| fold.contains(index));
                let rows = |side: Vec<(usize, &Deliberation)>| -> Vec<Deliberation> {
                    side.into_iter().map(|(_, row)| row.clone()).collect()
                };
                let mut own = rows(own);
                own.retain(is_new);
                if own.is_empty() {
                    continue;
                }
                let others = self
                    .split(rows(others))
                    .context("the gate, which trains on three quarters of the data")?;
                folds.push(Fold {
                    number,
                    others,
                    own,
                });
            }
        }
        let held_out = self
            .config
            .text("data/deliberations-held-out.jsonl")?
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .context("data/deliberations-held-out.jsonl cannot be read")?;
        Ok(Judging {
            against,
            version,
            rounds: new,
            folds,
            held_out,
        })
    }

    pub fn judge_reward(
        &self,
        base: &Transformer,
        adapter: &Adapter,
        judging: &Judging,
        progress: &Progress,
    ) -> Result<JudgedReward> {
        let (mut rounds, mut by_candidate, mut by_against) = (Vec::new(), Vec::new(), Vec::new());
        let judged = |verdict| Judged {
            against: judging.against.clone(),
            verdict,
        };
        if judging.folds.is_empty() {
            return Ok(JudgedReward {
                judged: judged(judging.not_enough()),
                rounds,
                by_candidate,
                by_against,
            });
        }
        // Neither has a calibration: the candidates have none yet.
        let version = judging.version.as_ref();
        let against = self.reward_model(version.map(|version| &version.adapter))?;
        for fold in &judging.folds {
            let name = fold.begin(progress);
            let task = self.reward_task(&fold.others)?;
            let trained = self.fit(base, &task, &self.fold_folder(fold.number), progress)?;
            let candidate = self.reward_model(Some(&trained.adapter))?;
            let part = format!("{name}-by-candidate");
            by_candidate.extend(predict(&candidate, &part, &fold.own, progress)?);
            let part = format!("{name}-by-against");
            by_against.extend(predict(&against, &part, &fold.own, progress)?);
            rounds.extend(fold.own.iter().cloned());
        }
        let accuracy = |model, part| {
            let predicted = predict(model, part, &judging.held_out, progress)?;
            let evaluation = evaluate(&judging.held_out, predicted, &Calibration::default())?;
            let within = evaluation.within.at_least_1;
            anyhow::Ok(within.map_or(0.5, |within| within.reward_model.value))
        };
        let [by_against_part, by_candidate_part] = HELD_OUT_PARTS;
        let held_out = HeldOut {
            active: accuracy(&against, by_against_part)?,
            candidate: accuracy(&self.reward_model(Some(adapter))?, by_candidate_part)?,
        };
        let outcomes = outcomes(&rounds, &by_candidate, &by_against);
        Ok(JudgedReward {
            judged: judged(gate::judge(&outcomes, held_out, self.args.seed)),
            rounds,
            by_candidate,
            by_against,
        })
    }

    /// `task`: of the version itself.
    pub fn judge_generator(
        &self,
        base: &Transformer,
        adapter: &Adapter,
        task: &GeneratorTask,
        judging: &Judging,
        progress: &Progress,
    ) -> Result<Judged> {
        let judged = |verdict| Judged {
            against: judging.against.clone(),
            verdict,
        };
        if judging.folds.is_empty() {
            return Ok(judged(judging.not_enough()));
        }
        let against = match &judging.version {
            Some(version) => &base.merged(&version.adapter)?,
            None => base,
        };
        // The number of good statements of each round, and the sum of their losses.
        let losses = |model: &Transformer, part: &str, rows: &[Deliberation]| {
            let measuring = progress.measuring(part, rows.len())?;
            let mut losses = Vec::with_capacity(rows.len());
            for (number, row) in rows.iter().enumerate() {
                go_on(measuring.done(number))?;
                let units = task.validation_units(std::slice::from_ref(row))?;
                let sum = match units.len() {
                    0 => 0.0,
                    count => count as f64 * validation_loss(model, task, &units)?,
                };
                losses.push((units.len() as u32, sum));
            }
            go_on(measuring.done(rows.len()))?;
            anyhow::Ok(losses)
        };
        let mut rounds = Vec::new();
        for fold in &judging.folds {
            let name = fold.begin(progress);
            let of_fold = self.generator_task(&fold.others)?;
            let trained = self.fit(base, &of_fold, &self.fold_folder(fold.number), progress)?;
            let candidate = base.merged(&trained.adapter)?;
            let by_candidate = losses(&candidate, &format!("{name}-by-candidate"), &fold.own)?;
            let by_against = losses(against, &format!("{name}-by-against"), &fold.own)?;
            let both = by_candidate.into_iter().zip(by_against);
            rounds.extend(
                both.map(|((statements, candidate), (_, active))| RoundLoss {
                    statements,
                    active,
                    candidate,
                }),
            );
        }
        let mean = |model, part| {
            let losses = losses(model, part, &judging.held_out)?;
            let statements: u32 = losses.iter().map(|(statements, _)| statements).sum();
            let sum: f64 = losses.iter().map(|(_, sum)| sum).sum();
            anyhow::Ok(sum / f64::from(statements.max(1)))
        };
        let [by_against, by_candidate] = HELD_OUT_PARTS;
        let held_out = HeldOut {
            active: mean(against, by_against)?,
            candidate: mean(&base.merged(adapter)?, by_candidate)?,
        };
        Ok(judged(gate::judge_writer(
            &rounds,
            held_out,
            self.args.seed,
        )))
    }
}

impl Judging {
    fn not_enough(&self) -> Verdict {
        Verdict::NotEnoughRounds {
            rounds: self.rounds,
        }
    }

    /// After those of the folds; `prediction` is how long either takes.
    pub fn held_out_parts(&self, prediction: f64) -> Vec<Part> {
        match self.folds.is_empty() {
            true => Vec::new(),
            false => HELD_OUT_PARTS
                .map(|name| Part::new(name, prediction))
                .into(),
        }
    }
}

const HELD_OUT_PARTS: [&str; 2] = ["gate-held-out-by-against", "gate-held-out-by-candidate"];

impl Fold {
    /// How long its training takes, and each of the two predictions.
    pub fn parts(&self, training: f64, prediction: f64) -> [Part; 3] {
        let name = self.name();
        [
            Part::new(&*name, training),
            Part::new(format!("{name}-by-candidate"), prediction),
            Part::new(format!("{name}-by-against"), prediction),
        ]
    }

    fn begin(&self, progress: &Progress) -> String {
        note(format!("the gate: training {} of 4", self.number));
        progress.begin(&self.name());
        self.name()
    }

    fn name(&self) -> String {
        format!("fold-{}", self.number)
    }
}

/// How many of each deliberation's pairs of ratings both models order rightly.
fn outcomes(
    deliberations: &[Deliberation],
    by_candidate: &[PredictedDeliberation],
    by_against: &[PredictedDeliberation],
) -> Vec<RoundOutcome> {
    let right = |deliberation, predicted: &PredictedDeliberation| {
        let scored = Scored {
            deliberation,
            predicted: &predicted.ratings,
        };
        let accuracy = evaluation::evaluate(&[scored]).ok()?.within.at_least_1?;
        let pairs = accuracy.pairs as u32;
        Some((pairs, accuracy.reward_model.value * f64::from(pairs)))
    };
    deliberations
        .iter()
        .zip(by_candidate.iter().zip(by_against))
        .filter_map(|(deliberation, (candidate, active))| {
            let (pairs, candidate_right) = right(deliberation, candidate)?;
            let (_, active_right) = right(deliberation, active)?;
            Some(RoundOutcome {
                pairs,
                active_right,
                candidate_right,
            })
        })
        .collect()
}
