//! `accord train`: fine-tunes the reward model or the generator, and measures what came of it.

use std::fmt::Display;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use accord::config::Config;
use accord::deliberation::distribution::RatingDistribution;
use accord::deliberation::record::{Deliberation, VotedMember};
use accord::inference::calibration::Calibration;
use accord::inference::model_files::{self, SERVING_FORMAT, sha256_of_bytes};
use accord::inference::prompts::Prompts;
use accord::inference::reward::RewardModel;
use accord::inference::serving;
use accord::training::card::{
    BaseModel, Card, DataFile, Format, Judged, Kind, Metrics, TrainingData, template_hashes,
};
use accord::training::checkpoint::Checkpoint;
use accord::training::evaluation::{
    self, Evaluation, EvaluationError, Scored, ScoredVotes, VoteEvaluation,
};
use accord::training::fine_tuning::{
    Event, FineTuning, Outcome, Task, Trained, fine_tune, validation_loss,
};
use accord::training::gate::{self, HeldOut, RoundOutcome, Verdict};
use accord::training::generator::{GeneratorTask, GeneratorUnit, Writer};
use accord::training::optimizer;
use accord::training::prediction::{
    OpinionShown, PredictedDeliberation, predict_all, predict_votes,
};
use accord::training::reward::RewardTask;
use accord::training::split::{Split, split_by_question};
use accord::training::versions::{CARD, Version, VersionName};
use accord::transformer::Transformer;
use accord::transformer::adapter::Adapter;
use accord::transformer::gguf::GgufFile;
use anyhow::{Context, Result, ensure};
use candle_core::DType;
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::engines;
use super::{INTERRUPTED, input, progress_bar, say};

/// Fine-tune the reward model or the generator on deliberations with ratings
///
/// Progress is a bar on a terminal, and JSON lines on standard output otherwise. Training that was
/// interrupted goes on when the same command is given again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord train reward --data deliberations.jsonl --out my-reward-model
  accord train reward --data deliberations.jsonl --out my-reward-model --gate
  accord models activate my-reward-model")]
pub struct Args {
    kind: Kind,
    /// Deliberations with ratings (JSON lines)
    #[arg(long, required = true, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// The folder for the new version; its name becomes the version's name
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Deliberations on other questions, to measure the result
    #[arg(long, value_name = "FILE")]
    held_out: Option<PathBuf>,
    /// Votes of real people (JSON lines), to measure the result: a reward model only
    #[arg(long, value_name = "FILE")]
    votes: Option<PathBuf>,
    /// Train four more times on three quarters of the data, to see whether the result is better
    /// than the active reward model
    #[arg(long)]
    gate: bool,
    /// Also write a model file with the result in it, for any program that reads GGUF
    #[arg(long, value_name = "FILE.gguf")]
    merge: Option<PathBuf>,
    /// Begin with the adapter of this version, instead of a new one
    #[arg(long, value_name = "DIR", conflicts_with_all = ["rank", "gate"])]
    start: Option<PathBuf>,
    /// How often all of the data is gone through
    #[arg(long)]
    epochs: Option<usize>,
    /// The highest learning rate
    #[arg(long)]
    learning_rate: Option<f64>,
    /// The rank of the adapter
    #[arg(long)]
    rank: Option<usize>,
    /// The same seed, data and settings give the same version
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For the card: what the data are, and who gave the ratings
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// For the card: the deliberations were invented
    #[arg(long)]
    synthetic: bool,
    /// For the card: the languages of the data
    #[arg(long, value_name = "LANGUAGE")]
    language: Vec<String>,
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let name: VersionName = args
        .out
        .file_name()
        .context("--out names no folder")?
        .to_string_lossy()
        .parse()
        .context("the name of the folder in --out is the name of the version")?;
    ensure!(
        !args.out.join(CARD).exists() || Checkpoint::exists(&args.out),
        "{} holds a version already; choose another folder",
        args.out.display()
    );
    let base_path = engines::original(config, args.kind).await?;
    if let Some(target) = &args.merge {
        check_target(target, &base_path)?;
    }
    let files = data_files(&args.data)?;
    let deliberations = read(&args.data).await?;
    let held_out = read(args.held_out.as_slice()).await?;
    let votes = read(args.votes.as_slice()).await?;
    settings(&args, config).check(&format!("training.{}", args.kind))?;
    ensure!(
        args.kind == Kind::Reward || !(args.gate || args.votes.is_some()),
        "--gate and --votes are for a reward model"
    );
    let run = Run {
        gguf: GgufFile::open(&base_path)?,
        config: config.clone(),
        prompts: config.prompts()?,
        held_out,
        votes,
        files,
        name,
        base_path,
        args,
    };
    tokio::task::spawn_blocking(move || {
        let finished = match run.args.kind {
            Kind::Reward => run.train_reward(deliberations)?,
            Kind::Generator => run.train_generator(deliberations)?,
        };
        Ok(match finished {
            Some(card) => {
                run.finish(&card)?;
                ExitCode::SUCCESS
            }
            None => ExitCode::from(130),
        })
    })
    .await?
}

/// Bad rows are reported and counted, and the others are used.
async fn read<T>(files: &[PathBuf]) -> Result<Vec<T>>
where
    T: serde::de::DeserializeOwned + Send + 'static,
{
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let (rows, all_usable) = input::usable_rows::<T>(files.to_vec()).await?;
    let names: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    ensure!(
        !rows.is_empty(),
        "no row of {} can be used, expected deliberations as JSON lines",
        names.join(", ")
    );
    if !all_usable {
        eprintln!("the rows above are left out; {} are used", rows.len());
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn check_target(target: &Path, base: &Path) -> Result<()> {
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    ensure!(
        folder.is_dir(),
        "--merge {}: there is no folder {}",
        target.display(),
        folder.display()
    );
    let same = target.canonicalize().ok().zip(base.canonicalize().ok());
    ensure!(
        same.is_none_or(|(target, base)| target != base),
        "--merge {} is the base model itself; choose another file",
        target.display()
    );
    Ok(())
}

/// What the configuration says, and the command line instead.
fn settings(args: &Args, config: &Config) -> FineTuning {
    let mut settings = match args.kind {
        Kind::Reward => config.training.reward.clone(),
        Kind::Generator => config.training.generator.clone(),
    };
    if let Some(epochs) = args.epochs {
        settings.epochs = epochs;
    }
    if let Some(learning_rate) = args.learning_rate {
        settings.learning_rate = learning_rate;
    }
    if let Some(rank) = args.rank {
        // The update keeps its scale.
        settings.alpha *= rank as f32 / settings.rank as f32;
        settings.rank = rank;
    }
    settings
}

/// What a training run needs to know.
struct Run {
    args: Args,
    config: Config,
    prompts: Prompts,
    name: VersionName,
    base_path: PathBuf,
    files: Vec<DataFile>,
    gguf: GgufFile,
    held_out: Vec<Deliberation>,
    votes: Vec<VotedMember>,
}

impl Run {
    /// `None` if it was interrupted.
    fn train_reward(&self, deliberations: Vec<Deliberation>) -> Result<Option<Card>> {
        let base = self.load_base()?;
        if self.args.gate && deliberations.len() >= gate::ROUNDS_NEEDED {
            // Whether each fold can be trained on is known before hours are spent.
            for (others, _) in self.folds(&deliberations) {
                self.reward_task(&split_by_question(others)?)
                    .context("the gate, which trains on three quarters of the data")?;
            }
        }
        let Some((trained, split)) =
            self.fit_reward(&base, deliberations.clone(), &self.args.out)?
        else {
            return Ok(None);
        };
        check_progress(&trained)?;
        let gate = match self.args.gate {
            true => match self.judge(&base, &trained.adapter, &deliberations)? {
                None => return Ok(None),
                judged => judged,
            },
            false => None,
        };
        drop(base);
        let model = self.reward_model(&trained.adapter)?;
        let validation = predict(&model, "validating", &split.validation)?;
        let calibration = calibrate(&split.validation, &validation);
        let held_out = predict(&model, "measuring", &self.held_out)?;
        let metrics = Metrics {
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
                false => figures("votes", measure_votes(&model, &self.votes, &calibration)?)?,
            },
        };
        let settings = json!({
            "fine_tuning": settings(&self.args, &self.config),
            "loss": self.config.training.loss,
            "start": self.start_sha256()?,
            "seed": self.args.seed,
            "step": trained.step,
        });
        let card = self.write(&trained, &deliberations, settings, metrics, |card| Card {
            calibration: Some(calibration),
            gate,
            ..card
        })?;
        Ok(Some(card))
    }

    /// Fine-tunes a reward model; `None` if it was interrupted.
    fn fit_reward(
        &self,
        base: &Transformer,
        deliberations: Vec<Deliberation>,
        folder: &Path,
    ) -> Result<Option<(Trained, Split)>> {
        let split = split_by_question(deliberations)?;
        let task = self.reward_task(&split)?;
        note(format!(
            "{} deliberations to train on, {} to validate with{}",
            split.training.len(),
            split.validation.len(),
            task.skipped
        ));
        let trained = self.fit(base, &task, folder)?;
        Ok(trained.map(|trained| (trained, split)))
    }

    fn reward_task(&self, split: &Split) -> Result<RewardTask> {
        let loss = self.config.training.loss;
        RewardTask::new(split, &self.gguf, &self.prompts, loss, self.args.seed)
    }

    /// Four-fold cross-fitting over the deliberations against the active reward model; `None` if
    /// it was interrupted.
    fn judge(
        &self,
        base: &Transformer,
        adapter: &Adapter,
        deliberations: &[Deliberation],
    ) -> Result<Option<Judged>> {
        let against = self.config.versions(Kind::Reward)?.active()?;
        if deliberations.len() < gate::ROUNDS_NEEDED {
            let rounds = deliberations.len();
            let verdict = Verdict::NotEnoughRounds { rounds };
            return Ok(Some(Judged { against, verdict }));
        }
        // Neither has a calibration: the candidates have none yet.
        let active = Handle::current().block_on(engines::reward_model(&self.config))?;
        let active = active.uncalibrated();
        let mut rounds = Vec::new();
        for (number, (others, fold)) in (1..).zip(self.folds(deliberations)) {
            note(format!("the gate: training {number} of 4"));
            let folder = self.fold_folder(number);
            let Some((trained, _)) = self.fit_reward(base, others, &folder)? else {
                return Ok(None);
            };
            let candidate = self.reward_model(&trained.adapter)?;
            let of_candidate = predict(&candidate, "the gate", &fold)?;
            let of_active = predict(&active, "the gate", &fold)?;
            rounds.extend(outcomes(&fold, &of_candidate, &of_active));
        }
        let held_out: Vec<Deliberation> = self
            .config
            .text("data/deliberations-held-out.jsonl")?
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        let accuracy = |model: &RewardModel| {
            let predicted = predict(model, "the gate", &held_out)?;
            let evaluation = evaluate(&held_out, predicted, &Calibration::default())?;
            let within = evaluation.within.at_least_1;
            anyhow::Ok(within.map_or(0.5, |within| within.reward_model.value))
        };
        let held_out = HeldOut {
            active: accuracy(&active)?,
            candidate: accuracy(&self.reward_model(adapter)?)?,
        };
        Ok(Some(Judged {
            against,
            verdict: gate::judge(&rounds, held_out, self.args.seed),
        }))
    }

    /// For each of the four folds: the other deliberations, and its own.
    fn folds(&self, deliberations: &[Deliberation]) -> [(Vec<Deliberation>, Vec<Deliberation>); 4] {
        let questions: Vec<&str> = deliberations
            .iter()
            .map(|row| row.question.as_str())
            .collect();
        gate::folds(&questions, self.args.seed).map(|fold| {
            let (own, others): (Vec<_>, Vec<_>) = deliberations
                .iter()
                .cloned()
                .enumerate()
                .partition(|(index, _)| fold.contains(index));
            let strip =
                |rows: Vec<(usize, Deliberation)>| rows.into_iter().map(|(_, row)| row).collect();
            (strip(others), strip(own))
        })
    }

    /// `None` if it was interrupted.
    fn train_generator(&self, deliberations: Vec<Deliberation>) -> Result<Option<Card>> {
        let base = self.load_base()?;
        let split = split_by_question(deliberations.clone())?;
        let writer = Writer::new(
            &self.gguf,
            &self.prompts,
            self.config.generator.opinion_characters,
        )?;
        let task = GeneratorTask::new(&split, writer, self.args.seed)?;
        note(format!(
            "{} statements to learn from, {} to validate with{}",
            task.training.len(),
            task.validation.len(),
            task.skipped
        ));
        let held_out = task.validation_units(&self.held_out)?;
        let Some(trained) = self.fit(&base, &task, &self.args.out)? else {
            return Ok(None);
        };
        check_progress(&trained)?;
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
            polis: None,
        };
        let settings = json!({
            "fine_tuning": settings(&self.args, &self.config),
            "opinion_characters": self.config.generator.opinion_characters,
            "statements": task.training.len(),
            "start": self.start_sha256()?,
            "seed": self.args.seed,
            "step": trained.step,
        });
        Ok(Some(self.write(
            &trained,
            &deliberations,
            settings,
            metrics,
            |card| card,
        )?))
    }

    /// Trains in a folder, from the checkpoint there if there is one; `None` if it was interrupted.
    /// The adapter's weights are those that are written: rounded to bf16.
    fn fit<T: Task>(&self, base: &Transformer, task: &T, folder: &Path) -> Result<Option<Trained>> {
        let settings = settings(&self.args, &self.config);
        let start = match &self.args.start {
            Some(folder) => self.version_to_start_with(folder)?.adapter,
            None => {
                let (rank, alpha) = (settings.rank, settings.alpha);
                let mut random = ChaCha8Rng::seed_from_u64(self.args.seed);
                Adapter::new(base, rank, alpha, &settings.targets, &mut random)?
            }
        };
        let bar = progress_bar("training", 0)?;
        let outcome = fine_tune(
            base,
            task,
            &settings,
            &start,
            &self.fingerprint(&settings)?,
            folder,
            &mut |event| {
                show(&bar, &event);
                match INTERRUPTED.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            },
        )?;
        bar.finish_and_clear();
        let Outcome::Finished(mut trained) = outcome else {
            return Ok(None);
        };
        trained.adapter.updates = optimizer::map(&trained.adapter.updates, |factor| {
            Ok(factor.to_dtype(DType::BF16)?.to_dtype(DType::F32)?)
        })?;
        Ok(Some(trained))
    }

    fn version_to_start_with(&self, folder: &Path) -> Result<Version> {
        let version = Version::read(folder)?;
        ensure!(
            version.card.kind == self.args.kind,
            "{} holds a {} version, not a {} version",
            folder.display(),
            version.card.kind,
            self.args.kind
        );
        ensure!(
            version.card.base_model.sha256 == self.base_sha256()?,
            "{} was trained on another base model, {}",
            folder.display(),
            version.card.base_model.name
        );
        version
            .card
            .check_templates(|name| self.config.text(name))?;
        Ok(version)
    }

    /// Of the adapter that training begins with, if it is no new one.
    fn start_sha256(&self) -> Result<Option<String>> {
        Ok(match &self.args.start {
            Some(folder) => Some(self.version_to_start_with(folder)?.card.adapter.sha256),
            None => None,
        })
    }

    fn fold_folder(&self, number: usize) -> PathBuf {
        self.args.out.join(format!("fold-{number}"))
    }

    /// Tells runs apart whose steps would differ.
    fn fingerprint(&self, settings: &FineTuning) -> Result<String> {
        let Config {
            training,
            generator,
            ..
        } = &self.config;
        let start = self.start_sha256()?;
        let of_all = json!([
            settings,
            training.loss,
            generator.opinion_characters,
            self.args.seed,
            self.base_sha256()?,
            template_hashes(self.args.kind, |name| self.config.text(name))?,
            self.files,
            start,
        ]);
        Ok(sha256_of_bytes(of_all.to_string().as_bytes()))
    }

    fn load_base(&self) -> Result<Transformer> {
        let device = serving::device()?;
        let dtype = match device.is_cpu() {
            true => DType::F32,
            false => DType::BF16,
        };
        Transformer::load(&self.gguf, &device, dtype)
    }

    fn base_sha256(&self) -> Result<String> {
        let (source, key) = self.config.models.source(self.args.kind);
        let data_dir = &self.config.data_dir;
        let sha256 = engines::with_progress(|report| {
            model_files::original_sha256(source, key, data_dir, report)
        })?;
        sha256.with_context(|| format!("{key} is no local GGUF file, and only those are trained"))
    }

    /// Without calibration.
    fn reward_model(&self, adapter: &Adapter) -> Result<RewardModel> {
        RewardModel::packed(
            &self.gguf,
            Some(adapter),
            &serving::device()?,
            self.prompts.clone(),
            Calibration::default(),
        )
    }

    /// Writes the version's folder, with what `more` adds to the card.
    fn write(
        &self,
        trained: &Trained,
        deliberations: &[Deliberation],
        settings: Value,
        metrics: Metrics,
        more: impl FnOnce(Card) -> Card,
    ) -> Result<Card> {
        let names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        let description = match &self.args.description {
            Some(description) => description.clone(),
            None => format!("deliberations in {}", names.join(", ")),
        };
        let statements = || deliberations.iter().flat_map(|row| &row.statements);
        let ratings = statements().flat_map(|statement| statement.agreement.iter().flatten());
        let (source, _) = self.config.models.source(self.args.kind);
        let base_model = BaseModel {
            name: source.model_name(),
            sha256: self.base_sha256()?,
        };
        let templates = template_hashes(self.args.kind, |name| self.config.text(name))?;
        let data = TrainingData {
            description,
            synthetic: self.args.synthetic,
            files: self.files.clone(),
            deliberations: deliberations.len(),
            members: deliberations.iter().map(|row| row.opinions.len()).sum(),
            statements: statements().count(),
            ratings: ratings.count(),
        };
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments = shlex::try_join(arguments.iter().map(String::as_str))?;
        let command = format!("accord {arguments}");
        Version::write(&self.args.out, &trained.adapter, |adapter| {
            more(Card {
                format: Format,
                kind: self.args.kind,
                name: self.name.clone(),
                created: chrono::Utc::now().date_naive().to_string(),
                base_model,
                adapter,
                templates,
                data,
                languages: self.args.language.clone(),
                settings,
                metrics,
                calibration: None,
                command,
                gate: None,
            })
        })
    }

    /// What is left to do when the version is there.
    fn finish(&self, card: &Card) -> Result<()> {
        let out = self.args.out.display();
        if let Some(target) = &self.args.merge {
            let version = Version::read(&self.args.out)?;
            engines::with_progress(|report| {
                let adapter = &version.adapter;
                model_files::merge(&self.base_path, adapter, SERVING_FORMAT, target, report)
            })?;
        }
        for fold in 1..=4 {
            let folder = self.fold_folder(fold);
            if self.args.gate && folder.exists() {
                std::fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot remove {}", folder.display()))?;
            }
        }
        Checkpoint::remove(&self.args.out)?;
        if !std::io::stdout().is_terminal() {
            return say(
                json!({ "event": "finished", "version": self.args.out, "metrics": card.metrics, "gate": card.gate }),
            );
        }
        say(format!("version {} is in {out}", self.name))?;
        if let Some(judged) = &card.gate {
            say(format!("against {}: {}", judged.against, judged.verdict))?;
        }
        say(format!("what it is and how good: {out}/card.json"))?;
        say(format!("use it: accord models activate {out}"))
    }
}

fn check_progress(trained: &Trained) -> Result<()> {
    ensure!(
        trained.step > 0,
        "no step of the training lowered the loss on the validation data, so there is no new version; more data is needed"
    );
    Ok(())
}

/// A step moves the bar; on standard output, unless that is a terminal, every event is a line of
/// JSON.
fn show(bar: &ProgressBar, event: &Event) {
    if !std::io::stdout().is_terminal()
        && let Ok(line) = serde_json::to_string(event)
    {
        // A closed pipe is no reason to stop.
        let _ = say(line);
    }
    match event {
        Event::Step {
            step, steps, loss, ..
        } => {
            bar.set_length(*steps as u64);
            bar.set_position(*step as u64);
            bar.set_message(format!("loss {loss:.3}"));
        }
        Event::Validation { step, loss, best } => {
            let mark = if *best { ", the best so far" } else { "" };
            bar.println(format!("step {step}: validation loss {loss:.4}{mark}"));
        }
        Event::Resumed { step } => bar.println(format!("going on after step {step}")),
        Event::StoppedEarly { step } => {
            bar.println(format!("no more progress: stopped after step {step}"));
        }
    }
}

fn data_files(paths: &[PathBuf]) -> Result<Vec<DataFile>> {
    paths
        .iter()
        .map(|path| {
            let bytes =
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(DataFile {
                name: path.file_name().unwrap_or_default().display().to_string(),
                sha256: sha256_of_bytes(&bytes),
            })
        })
        .collect()
}

fn predict(
    model: &RewardModel,
    message: &'static str,
    deliberations: &[Deliberation],
) -> Result<Vec<PredictedDeliberation>> {
    let members = deliberations.iter().map(|row| row.opinions.len()).sum();
    let bar = progress_bar(message, members)?;
    let predicted = Handle::current().block_on(predict_all(
        model,
        deliberations,
        OpinionShown::Own,
        |done| {
            bar.set_position(done as u64);
        },
    ))?;
    bar.finish_and_clear();
    Ok(predicted)
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

fn evaluate(
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
) -> Result<Result<VoteEvaluation, EvaluationError>> {
    let bar = progress_bar("measuring on votes", members.len())?;
    let mut predicted =
        Handle::current().block_on(predict_votes(model, members, OpinionShown::Own, |done| {
            bar.set_position(done as u64);
        }))?;
    bar.finish_and_clear();
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

/// How many of each deliberation's pairs of ratings both models order rightly.
fn outcomes(
    deliberations: &[Deliberation],
    of_candidate: &[PredictedDeliberation],
    of_active: &[PredictedDeliberation],
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
        .zip(of_candidate.iter().zip(of_active))
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

/// For people; standard output is for results.
fn note(what: impl Display) {
    eprintln!("{what}");
}
