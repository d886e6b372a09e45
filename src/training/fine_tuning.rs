//! The training loop, the same for the reward model and the generator.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use candle_core::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::optimizer::{self, Moments, Updates, adamw, clip, learning_rate};
use crate::transformer::adapter::Adapter;
use crate::transformer::{PackedSequence, TrainingPass, Transformer};

/// How a model is fine-tuned: the sections `[training.reward]` and `[training.generator]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FineTuning {
    /// Of a new adapter.
    pub rank: usize,
    /// The adapter's update is multiplied with alpha / rank.
    pub alpha: f32,
    /// The matrices that are adapted, in every block.
    pub targets: Vec<String>,
    /// The highest, after the warm-up.
    pub learning_rate: f64,
    /// The share of the steps during which the learning rate rises.
    pub warm_up: f64,
    pub weight_decay: f64,
    /// The highest norm of a step's gradient.
    pub clip: f64,
    /// At least 1.
    pub epochs: usize,
    /// Units whose mean gradient makes one step. At least 1.
    pub units_per_step: usize,
    /// How often an epoch is interrupted to validate. At least 1.
    pub validations_per_epoch: usize,
    /// Validations in a row without progress after which training stops early.
    pub patience: usize,
    /// So many units of validation data decide which step is best.
    pub validation_units: usize,
    /// Memory for activations, in MiB; more is recomputed.
    pub memory_mib: usize,
}

impl FineTuning {
    /// # Errors
    /// A value out of its range; `section` names where it stands.
    pub fn check(&self, section: &str) -> Result<()> {
        let counts = [
            ("rank", self.rank),
            ("epochs", self.epochs),
            ("units_per_step", self.units_per_step),
            ("validations_per_epoch", self.validations_per_epoch),
            ("patience", self.patience),
            ("validation_units", self.validation_units),
            ("targets", self.targets.len()),
        ];
        for (key, count) in counts {
            ensure!(count >= 1, "{section}.{key} must be at least 1");
        }
        let positive = [
            ("alpha", f64::from(self.alpha)),
            ("learning_rate", self.learning_rate),
            ("clip", self.clip),
        ];
        for (key, value) in positive {
            ensure!(
                value.is_finite() && value > 0.0,
                "{section}.{key} must be more than 0, it is {value}"
            );
        }
        for (key, value) in [
            ("warm_up", self.warm_up),
            ("weight_decay", self.weight_decay),
        ] {
            ensure!(
                (0.0..=1.0).contains(&value),
                "{section}.{key} must be from 0 to 1, it is {value}"
            );
        }
        Ok(())
    }
}

/// What is learned: where the units come from, and what their loss is.
pub trait Task: Sync {
    /// What goes through the model at once: a deliberation, or a statement.
    type Unit: Sync;

    /// The units of an epoch in the order of training; as many in every epoch.
    ///
    /// # Errors
    /// Texts that cannot be turned into tokens.
    fn epoch(&self, epoch: usize) -> Result<Vec<Self::Unit>>;

    /// A unit's token sequences.
    fn sequences(unit: &Self::Unit) -> &[PackedSequence];

    /// Ratings or tokens that are learned from in a unit.
    fn targets(unit: &Self::Unit) -> usize;

    /// A unit's loss.
    ///
    /// # Errors
    /// candle's.
    fn loss(&self, model: &Transformer, unit: &Self::Unit, pass: &TrainingPass) -> Result<Loss>;

    /// The units whose mean loss says how good the model is, in any order.
    fn validation(&self) -> &[Self::Unit];
}

/// The loss of one unit.
pub struct Loss {
    pub value: f64,
    /// The rows of the pass that the loss reads, each once.
    pub rows: Vec<u32>,
    /// The gradient with respect to [`Transformer::hidden`] there: [rows, hidden].
    pub d_hidden: Tensor,
}

/// What happened, for a progress bar or a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Resumed {
        step: usize,
    },
    Step {
        step: usize,
        steps: usize,
        /// The mean over the step's units.
        loss: f64,
        learning_rate: f64,
        /// Of the gradient before it was clipped.
        gradient_norm: f64,
        /// Ratings or tokens learned from.
        targets: usize,
        tokens: usize,
        seconds: f64,
    },
    Validation {
        step: usize,
        loss: f64,
        best: bool,
    },
    StoppedEarly {
        step: usize,
    },
}

/// Told of every event; `ControlFlow::Break(())` stops the training after a checkpoint.
pub type Report<'a> = dyn FnMut(Event) -> ControlFlow<()> + 'a;

/// What training ended with.
#[derive(Debug)]
pub enum Outcome {
    /// The adapter of the lowest validation loss.
    Finished(Trained),
    /// Asked to stop; run again to go on.
    Interrupted,
}

#[derive(Debug)]
pub struct Trained {
    pub adapter: Adapter,
    pub validation_loss: f64,
    /// Of [`Trained::adapter`].
    pub step: usize,
}

/// Fine-tunes `base` on `task`, from the checkpoint in `folder`, or if there is none from `start`.
///
/// The same settings, data and start give the same adapter, however often training was
/// interrupted.
///
/// # Errors
/// A loss or a gradient that is not finite; a checkpoint of other settings or data; no room for a
/// checkpoint.
pub fn fine_tune<T: Task>(
    base: &Transformer,
    task: &T,
    settings: &FineTuning,
    start: &Adapter,
    fingerprint: &str,
    folder: &Path,
    report: &mut Report<'_>,
) -> Result<Outcome> {
    let mut units = task.epoch(0)?;
    ensure!(
        !units.is_empty() && !task.validation().is_empty(),
        "there is nothing to learn from, or nothing to validate with"
    );
    let validation = task.validation();
    let validation = &validation[..validation.len().min(settings.validation_units)];
    let steps_an_epoch = units.len().div_ceil(settings.units_per_step);
    let steps = steps_an_epoch * settings.epochs;
    let warm_up = (settings.warm_up * steps as f64).ceil() as usize;
    let validate_every = steps_an_epoch.div_ceil(settings.validations_per_epoch);

    let mut state = match Checkpoint::read(folder, fingerprint, base.embedding.device())? {
        Some(state) => {
            if report(Event::Resumed { step: state.step }).is_break() {
                return Ok(Outcome::Interrupted);
            }
            state
        }
        None => {
            let best_loss = validation_loss(&base.merged(start)?, task, validation)?;
            ensure!(
                best_loss.is_finite(),
                "the validation loss before the first step is not finite: the model or the version to start with is damaged"
            );
            let state = Checkpoint {
                step: 0,
                moments: Moments::zero(&start.updates)?,
                best: start.updates.clone(),
                best_step: 0,
                best_loss,
                since_best: 0,
                updates: start.updates.clone(),
            };
            // A folder that cannot be written to is found out now.
            state.write(folder, fingerprint)?;
            state
        }
    };
    let with = |updates: &Updates| Adapter {
        updates: updates.clone(),
        ..*start
    };

    let mut epoch_of_units = 0;
    while state.step < steps && state.since_best < settings.patience {
        let started = Instant::now();
        let epoch = state.step / steps_an_epoch;
        if epoch != epoch_of_units {
            units = task.epoch(epoch)?;
            epoch_of_units = epoch;
        }
        let first = state.step % steps_an_epoch * settings.units_per_step;
        let batch = &units[first..units.len().min(first + settings.units_per_step)];
        let step = state.step + 1;

        let adapter = with(&state.updates);
        let model = base.merged(&adapter)?;
        let (loss, mut gradients) = gradients(&model, &adapter, task, batch, settings, step)?;
        drop(model);
        let gradient_norm = clip(&mut gradients, settings.clip)?;
        ensure!(
            gradient_norm.is_finite(),
            "the gradient of step {step} is not finite; try a lower learning rate"
        );
        let learning_rate = learning_rate(settings.learning_rate, step, steps, warm_up);
        let Checkpoint {
            updates, moments, ..
        } = &mut state;
        let decay = settings.weight_decay;
        adamw(updates, moments, &gradients, step, learning_rate, decay)?;
        state.step = step;

        let tokens = batch.iter().flat_map(T::sequences).map(tokens).sum();
        let interrupted = report(Event::Step {
            step,
            steps,
            loss,
            learning_rate,
            gradient_norm,
            targets: batch.iter().map(T::targets).sum(),
            tokens,
            seconds: started.elapsed().as_secs_f64(),
        })
        .is_break();
        let in_epoch = step % steps_an_epoch;
        if in_epoch != 0 && !in_epoch.is_multiple_of(validate_every) {
            if interrupted || step.is_multiple_of(CHECKPOINT_STEPS) {
                state.write(folder, fingerprint)?;
            }
            if interrupted {
                return Ok(Outcome::Interrupted);
            }
            continue;
        }
        if interrupted {
            // A checkpoint now would skip the validation: the steps since the last one are done
            // again.
            return Ok(Outcome::Interrupted);
        }
        let model = base.merged(&with(&state.updates))?;
        let loss = validation_loss(&model, task, validation)?;
        drop(model);
        ensure!(
            loss.is_finite(),
            "the validation loss after step {step} is not finite; try a lower learning rate"
        );
        let best = loss < state.best_loss;
        if best {
            state.best = state.updates.clone();
            state.best_step = step;
            state.best_loss = loss;
            state.since_best = 0;
        } else {
            state.since_best += 1;
        }
        state.write(folder, fingerprint)?;
        if report(Event::Validation { step, loss, best }).is_break() {
            return Ok(Outcome::Interrupted);
        }
    }
    if state.step < steps && report(Event::StoppedEarly { step: state.step }).is_break() {
        return Ok(Outcome::Interrupted);
    }
    Ok(Outcome::Finished(Trained {
        adapter: with(&state.best),
        validation_loss: state.best_loss,
        step: state.best_step,
    }))
}

/// Work that a kill can cost at most.
const CHECKPOINT_STEPS: usize = 10;

/// The mean loss of a batch, and its gradients. Units go through the model side by side, since
/// between the large matrix products much is done by one thread.
fn gradients<T: Task>(
    model: &Transformer,
    adapter: &Adapter,
    task: &T,
    batch: &[T::Unit],
    settings: &FineTuning,
    step: usize,
) -> Result<(f64, Updates)> {
    let memory = (settings.memory_mib << 20) / batch.len().min(rayon::current_num_threads());
    let share = 1.0 / batch.len() as f64;
    let of_units = side_by_side(batch, |unit| {
        let pass = model.training_pass(T::sequences(unit), Some(memory))?;
        let Loss {
            value,
            rows,
            d_hidden,
        } = task.loss(model, unit, &pass)?;
        ensure!(
            value.is_finite(),
            "the loss of step {step} is not finite; try a lower learning rate"
        );
        let mut gradients = Updates::new();
        let d_hidden = (d_hidden * share)?;
        model.backward(
            pass,
            &rows,
            &d_hidden,
            &mut |block, matrix, input, d_output| {
                adapter.insert_gradients(&mut gradients, (block, matrix), model, input, d_output)
            },
        )?;
        Ok((share * value, gradients))
    })?;
    // In the order of the batch, whichever was finished first.
    let mut loss = 0.0;
    let mut sum = Updates::new();
    for (value, gradients) in of_units {
        loss += value;
        optimizer::add(&mut sum, gradients)?;
    }
    Ok((loss, sum))
}

/// The mean loss of some units.
///
/// # Errors
/// candle's.
pub fn validation_loss<T: Task>(model: &Transformer, task: &T, units: &[T::Unit]) -> Result<f64> {
    let losses = side_by_side(units, |unit| {
        let pass = model.training_pass(T::sequences(unit), None)?;
        Ok(task.loss(model, unit, &pass)?.value)
    })?;
    Ok(losses.iter().sum::<f64>() / units.len() as f64)
}

/// As many units at a time as there are threads: a thread that waits inside one unit would
/// otherwise begin another one, and hold the memory of both.
fn side_by_side<Unit: Sync, Out: Send>(
    units: &[Unit],
    work: impl Fn(&Unit) -> Result<Out> + Sync,
) -> Result<Vec<Out>> {
    let mut results = Vec::with_capacity(units.len());
    for units in units.chunks(rayon::current_num_threads()) {
        let of_chunk: Vec<Out> = units.par_iter().map(&work).collect::<Result<_>>()?;
        results.extend(of_chunk);
    }
    Ok(results)
}

fn tokens(sequence: &PackedSequence) -> usize {
    let continuations = sequence.continuations.iter().map(Vec::len);
    sequence.prefix.len() + continuations.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::training::losses::RewardLoss;
    use crate::training::reward::{RewardTask, Skipped, tests::unit};
    use crate::transformer::tests::tiny_models;

    #[test]
    fn training_lowers_the_validation_loss() {
        let mut losses = Vec::new();
        let folder = tempfile::tempdir().unwrap();
        let trained = finish(&settings(), folder.path(), |event| {
            if let Event::Validation { loss, .. } = event {
                losses.push(*loss);
            }
        });
        assert_eq!(losses.len(), 4);
        let before = validation_loss(model(), &task(), &task().validation).unwrap();
        assert!(
            trained.validation_loss < 0.95 * before,
            "{before} {losses:?}"
        );
        let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(trained.validation_loss, lowest);
        let model = model().merged(&trained.adapter).unwrap();
        assert_eq!(
            validation_loss(&model, &task(), &task().validation).unwrap(),
            lowest
        );
    }

    #[test]
    fn training_that_is_interrupted_at_any_event_ends_with_the_same_adapter() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = 0;
        let whole = finish(&settings(), folder.path(), |_| events += 1);
        for interrupted_at in 1..=events {
            let folder = tempfile::tempdir().unwrap();
            let mut seen = 0;
            let outcome = run(&settings(), folder.path(), &mut |_| {
                seen += 1;
                match seen == interrupted_at {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            assert!(matches!(outcome.unwrap(), Outcome::Interrupted));
            let resumed = finish(&settings(), folder.path(), |_| {});
            assert_eq!(resumed.step, whole.step, "{interrupted_at}");
            assert_same(&resumed.adapter, &whole.adapter);
        }
    }

    #[test]
    fn training_without_progress_stops_early() {
        let folder = tempfile::tempdir().unwrap();
        let settings = FineTuning {
            learning_rate: 0.0,
            patience: 2,
            ..settings()
        };
        let mut last = None;
        let trained = finish(&settings, folder.path(), |event| last = Some(event.clone()));
        assert_eq!(last, Some(Event::StoppedEarly { step: 6 }));
        assert_eq!(trained.step, 0);
    }

    #[test]
    fn a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let settings = FineTuning {
            learning_rate: 1e30,
            warm_up: 0.0,
            ..settings()
        };
        let error = run(&settings, folder.path(), &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.to_string().contains("is not finite"), "{error}");
        let device = candle_core::Device::Cpu;
        if let Some(checkpoint) = Checkpoint::read(folder.path(), "x", &device).unwrap() {
            assert!(checkpoint.best_loss.is_finite());
        }
    }

    #[test]
    fn nothing_to_learn_from_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let empty = RewardTask {
            training: Vec::new(),
            ..task()
        };
        let error = fine_tune(
            model(),
            &empty,
            &settings(),
            &start(),
            "x",
            folder.path(),
            &mut |_| ControlFlow::Continue(()),
        );
        assert!(error.unwrap_err().to_string().contains("nothing to learn"));
    }

    fn settings() -> FineTuning {
        FineTuning {
            rank: 2,
            alpha: 4.0,
            targets: ["attn_q", "attn_v", "ffn_down"].map(str::to_owned).to_vec(),
            learning_rate: 0.03,
            warm_up: 0.1,
            weight_decay: 0.01,
            clip: 1.0,
            epochs: 4,
            units_per_step: 2,
            validations_per_epoch: 1,
            patience: 3,
            validation_units: 8,
            memory_mib: 64,
        }
    }

    fn start() -> Adapter {
        let FineTuning {
            rank,
            alpha,
            targets,
            ..
        } = settings();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        Adapter::new(model(), rank, alpha, &targets, &mut random).unwrap()
    }

    /// The same in every test: its weights are drawn once.
    fn model() -> &'static Transformer {
        static MODEL: LazyLock<Transformer> = LazyLock::new(|| {
            let [model, ..] = tiny_models();
            model
        });
        &MODEL
    }

    /// Whoever has token 30 in the prefix likes statements of token 40, the others dislike them.
    fn task() -> RewardTask {
        RewardTask {
            training: (0..6).map(unit).collect(),
            validation: (6..8).map(unit).collect(),
            rating_tokens: [1, 2, 3, 4, 5, 6, 7],
            loss: RewardLoss {
                within: 1.0,
                between: 1.0,
                least_difference: 2,
            },
            skipped: Skipped::default(),
            seed: 3,
        }
    }

    fn run(settings: &FineTuning, folder: &Path, report: &mut Report<'_>) -> Result<Outcome> {
        fine_tune(model(), &task(), settings, &start(), "x", folder, report)
    }

    fn finish(settings: &FineTuning, folder: &Path, mut see: impl FnMut(&Event)) -> Trained {
        let outcome = run(settings, folder, &mut |event| {
            see(&event);
            ControlFlow::Continue(())
        });
        match outcome.unwrap() {
            Outcome::Finished(trained) => trained,
            Outcome::Interrupted => panic!("nobody interrupted"),
        }
    }

    fn assert_same(a: &Adapter, b: &Adapter) {
        let values = |adapter: &Adapter| -> Vec<Vec<f32>> {
            let factors = adapter.updates.values();
            factors
                .flat_map(|update| [&update.a, &update.b])
                .map(|factor| factor.flatten_all().unwrap().to_vec1().unwrap())
                .collect()
        };
        assert_eq!(values(a), values(b));
    }
}
