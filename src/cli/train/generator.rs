//! Training a generator.

use accord::deliberation::record::Deliberation;
use accord::training::card::{Card, Metrics};
use accord::training::fine_tuning::validation_loss;
use accord::training::generator::{GeneratorTask, GeneratorUnit, Writer, has_good_statements};
use accord::training::split::Split;
use anyhow::{Context, Result};
use serde_json::json;

use super::progress::{Part, Progress};
use super::{Run, note, settings};

impl Run {
    pub fn train_generator(&self) -> Result<Card> {
        let base = self.load_base()?;
        // Only these are split, so that both sides have some; the others are counted.
        let (good, others): (Vec<_>, Vec<_>) =
            self.data.iter().cloned().partition(has_good_statements);
        let split = match good.is_empty() {
            true => self.split(others)?,
            false => {
                let mut split = self
                    .split(good.clone())
                    .context("of the deliberations with statements of quality 6 or 7")?;
                split.training.extend(others);
                split
            }
        };
        let task = self.generator_task(&split)?;
        let judging = match self.args.gate {
            true => Some(self.judging(&good)?),
            false => None,
        };
        let sum = |rows: &[Deliberation]| rows.iter().map(size).sum::<f64>();
        let mut parts = vec![Part::new("final", self.cost_of_fit(&split, size))];
        for fold in judging.iter().flat_map(|judging| &judging.folds) {
            self.generator_task(&fold.others)
                .context("the gate, which trains on three quarters of the data")?;
            parts.extend(fold.parts(self.cost_of_fit(&fold.others, size), sum(&fold.own)));
        }
        if let Some(judging) = &judging {
            parts.extend(judging.held_out_parts(sum(&judging.held_out)));
        }
        parts.push(Part::new("validation", 2.0 * sum(&split.validation)));
        let progress = Progress::new(parts);

        note(format!(
            "{} statements to learn from, {} to validate with{}",
            task.training.len(),
            task.validation.len(),
            task.skipped
        ));
        let held_out = task.validation_units(&self.held_out)?;
        let trained = self.fit(&base, &task, &self.args.out, &progress)?;
        self.check_progress(&trained, &progress)?;
        let gate = match &judging {
            Some(judging) => {
                Some(self.judge_generator(&base, &trained.adapter, &task, judging, &progress)?)
            }
            None => None,
        };
        progress.begin("validation");
        let model = base.merged(&trained.adapter)?;
        // Cross-entropy a token, of the statement and the end of the turn.
        let measure = |units: &[GeneratorUnit]| {
            anyhow::Ok(json!({
                "statements": units.len(),
                "loss_of_base": validation_loss(&base, &task, units)?,
                "loss": validation_loss(&model, &task, units)?,
            }))
        };
        let metrics = Metrics {
            validation: Some(measure(&task.validation)?),
            held_out: match held_out.is_empty() {
                true => None,
                false => Some(measure(&held_out)?),
            },
            ..Metrics::default()
        };
        let settings = json!({
            "fine_tuning": settings(&self.args, &self.config),
            "opinion_characters": self.config.generator.opinion_characters,
            "statements": task.training.len(),
            "start": self.start_sha256()?,
            "seed": self.args.seed,
            "step": trained.step,
        });
        self.write(&trained, settings, metrics, |card| Card { gate, ..card })
    }

    pub fn generator_task(&self, split: &Split) -> Result<GeneratorTask> {
        let opinion_characters = self.config.generator.opinion_characters;
        let writer = Writer::new(&self.gguf, &self.prompts, opinion_characters)?;
        GeneratorTask::new(split, writer, self.args.seed)
    }
}

/// About how much a generator reads of a deliberation.
fn size(deliberation: &Deliberation) -> f64 {
    // The prompt's own words and the statement.
    const PROMPT: usize = 1000;
    let opinions: usize = deliberation.opinions.iter().map(String::len).sum();
    match has_good_statements(deliberation) {
        true => (PROMPT + opinions) as f64,
        false => 0.0,
    }
}
