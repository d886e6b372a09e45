//! `accord train`: fine-tunes the reward model or the generator, and measures what came of it.

mod control;
mod data;
mod gate;
mod generator;
mod progress;
mod reward;

use std::fmt::Display;
use std::fs::{self, File, TryLockError};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accord::config::Config;
use accord::deliberation::record::{Deliberation, VotedMember};
use accord::inference::calibration::Calibration;
use accord::inference::model_files::{self, SERVING_FORMAT, sha256_of_bytes};
use accord::inference::prompts::Prompts;
use accord::inference::reward::RewardModel;
use accord::inference::serving;
use accord::training::card::{
    BaseModel, Card, DataFile, Format, Kind, Metrics, MixedIn, TrainingData, question_hash,
    template_hashes,
};
use accord::training::checkpoint::Checkpoint;
use accord::training::fine_tuning::{FineTuning, Outcome, Task, Trained, fine_tune};
use accord::training::optimizer;
use accord::training::split::{Split, split_by_question};
use accord::training::versions::{CARD, Version, VersionId, VersionName};
use accord::transformer::Transformer;
use accord::transformer::adapter::Adapter;
use accord::transformer::gguf::GgufFile;
use anyhow::{Context, Result, ensure};
use candle_core::DType;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use thiserror::Error;

use self::data::{data_files, mixed_in, read};
use self::progress::Progress;
use super::engines;
use super::{bar, say};

/// Fine-tune the reward model or the generator on deliberations with ratings
///
/// Progress is a bar on a terminal, and JSON lines on standard output otherwise. Training that was
/// interrupted goes on when the same command is given again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord train reward --data deliberations.jsonl --out my-reward-model
  accord train reward --data our-rounds.jsonl --mix shipped --start shipped --gate --out ours-1
  accord models activate ours-1")]
pub struct Args {
    kind: Kind,
    /// Deliberations with ratings (JSON lines)
    #[arg(long, required = true, value_name = "FILE", num_args = 1..)]
    data: Vec<PathBuf>,
    /// Deliberations to train on as well, so that little data does not spoil the model; they do not
    /// count for the gate. "shipped" is a sample of Accord's own, as many ratings as --data has
    #[arg(long, value_name = "FILE|shipped", num_args = 1..)]
    mix: Vec<PathBuf>,
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
    /// than the version that it would replace
    #[arg(long)]
    gate: bool,
    /// What the gate compares with; by default the active version
    #[arg(long, value_name = "DIR|shipped|base", requires = "gate")]
    against: Option<String>,
    /// Also write a model file with the result in it, for any program that reads GGUF
    #[arg(long, value_name = "FILE.gguf")]
    merge: Option<PathBuf>,
    /// Begin with the adapter of this version, instead of a new one
    #[arg(long, value_name = "DIR|shipped", conflicts_with = "rank")]
    start: Option<PathBuf>,
    /// Obey lines of standard input: pause, resume; stop when it ends
    #[arg(long)]
    controlled: bool,
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

impl Args {
    /// Before anything else is done.
    pub fn begin(&self) {
        if self.controlled {
            control::give_way();
        }
    }
}

pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    if args.controlled {
        control::obey_standard_input();
    }
    let name: VersionName = args
        .out
        .file_name()
        .context("--out names no folder")?
        .to_string_lossy()
        .parse()
        .context("the name of the folder in --out is the name of the version")?;
    check_out(&args.out)?;
    ensure!(
        args.kind == Kind::Reward || args.votes.is_none(),
        "--votes is for a reward model"
    );
    settings(&args, config).check(&format!("training.{}", args.kind))?;
    let base_path = engines::original(config, args.kind).await?;
    if let Some(target) = &args.merge {
        check_target(target, &base_path)?;
    }
    let files = data_files(&args.data)?;
    let data = read(&args.data).await?;
    let (mixed, mixed_in) = mixed_in(&args.mix, &data, config, args.seed).await?;
    let run = Run {
        gguf: GgufFile::open(&base_path)?,
        config: config.clone(),
        prompts: config.prompts()?,
        held_out: read(args.held_out.as_slice()).await?,
        votes: read(args.votes.as_slice()).await?,
        data,
        mixed,
        mixed_in,
        files,
        name,
        base_path,
        args,
    };
    tokio::task::spawn_blocking(move || {
        let _alone = only_one_in(&run.args.out)?;
        let finished = match run.args.kind {
            Kind::Reward => run.train_reward(),
            Kind::Generator => run.train_generator(),
        };
        match finished {
            Ok(card) => run.finish(&card).map(|()| ExitCode::SUCCESS),
            Err(error) if error.is::<Interrupted>() => Ok(ExitCode::from(130)),
            Err(error) => Err(error),
        }
    })
    .await?
}

fn check_out(out: &Path) -> Result<()> {
    ensure!(
        !out.join(CARD).exists() || Checkpoint::exists(out),
        "{} holds a version already; choose another folder",
        out.display()
    );
    Ok(())
}

/// Two trainings would write one checkpoint: the second waits, as that of a bot that was killed and
/// started again, whose training is about to end.
fn only_one_in(out: &Path) -> Result<File> {
    let lock = || {
        fs::create_dir_all(out)?;
        let lock = File::create(out.join(LOCK))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            note("another training is at work in this folder: waiting until it has ended");
            lock.lock()?;
        }
        std::io::Result::Ok(lock)
    };
    let lock = lock().with_context(|| format!("cannot write to {}", out.display()))?;
    check_out(out)?;
    Ok(lock)
}

/// Somebody asked the training to stop; what it has done is kept.
#[derive(Debug, Error)]
#[error("interrupted")]
struct Interrupted;

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
    data: Vec<Deliberation>,
    /// See `--mix`.
    mixed: Vec<Deliberation>,
    mixed_in: Option<MixedIn>,
    held_out: Vec<Deliberation>,
    votes: Vec<VotedMember>,
}

impl Run {
    /// Trains in a folder, from the checkpoint there if there is one. The adapter's weights are
    /// those that are written: rounded to bf16.
    fn fit<T: Task>(
        &self,
        base: &Transformer,
        task: &T,
        folder: &Path,
        progress: &Progress,
    ) -> Result<Trained> {
        let settings = settings(&self.args, &self.config);
        let start = match self.start()? {
            Some(version) => version.adapter,
            None => {
                let (rank, alpha) = (settings.rank, settings.alpha);
                let mut random = ChaCha8Rng::seed_from_u64(self.args.seed);
                Adapter::new(base, rank, alpha, &settings.targets, &mut random)?
            }
        };
        let bar = bar::bar("training", 0)?;
        let fingerprint = self.fingerprint(&settings)?;
        if self.args.controlled && Checkpoint::remove_if_other(folder, &fingerprint)? {
            note("the settings, the data or the model changed meanwhile: beginning again");
        }
        let outcome = fine_tune(
            base,
            task,
            &settings,
            &start,
            &fingerprint,
            folder,
            &mut |event| progress.fitting(&bar, &event),
        )?;
        bar.finish_and_clear();
        let Outcome::Finished(mut trained) = outcome else {
            return Err(Interrupted.into());
        };
        trained.adapter.updates = optimizer::map(&trained.adapter.updates, |factor| {
            Ok(factor.to_dtype(DType::BF16)?.to_dtype(DType::F32)?)
        })?;
        Ok(trained)
    }

    /// What is trained on and what validates: of these deliberations, and of those mixed in.
    fn split(&self, deliberations: Vec<Deliberation>) -> Result<Split> {
        let mut split = split_by_question(deliberations)?;
        split.mix_in(self.mixed.clone());
        Ok(split)
    }

    /// The version to begin with; `None` is a new adapter.
    fn start(&self) -> Result<Option<Version>> {
        match &self.args.start {
            None => Ok(None),
            Some(name) if name == Path::new(SHIPPED) => self.shipped(),
            Some(folder) => self.version_in(folder).map(Some),
        }
    }

    /// The version that the gate compares with; `None` is the base model.
    fn against(&self) -> Result<(VersionId, Option<Version>)> {
        let versions = self.config.versions(self.args.kind)?;
        match self.args.against.as_deref() {
            Some(SHIPPED) => Ok((VersionId::Shipped, self.shipped()?)),
            Some("base") => Ok((VersionId::Base, None)),
            Some(folder) => {
                let version = self.version_in(Path::new(folder))?;
                Ok((VersionId::Stored(version.card.name.clone()), Some(version)))
            }
            None => match versions.active()? {
                VersionId::Shipped => Ok((VersionId::Shipped, self.shipped()?)),
                VersionId::Base => Ok((VersionId::Base, None)),
                VersionId::Stored(name) => {
                    let version = self.version_in(&versions.folder.join(name.to_string()))?;
                    Ok((VersionId::Stored(name), Some(version)))
                }
            },
        }
    }

    /// See [`engines::shipped_version`].
    fn shipped(&self) -> Result<Option<Version>> {
        engines::shipped_version(&self.config, self.args.kind)
    }

    /// See [`engines::version_in`].
    fn version_in(&self, folder: &Path) -> Result<Version> {
        engines::version_in(&self.config, self.args.kind, folder)
    }

    /// Of the adapter that training begins with, if it is no new one.
    fn start_sha256(&self) -> Result<Option<String>> {
        Ok(self.start()?.map(|version| version.card.adapter.sha256))
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
        // How much is computed at once changes no step.
        let settings = FineTuning {
            memory_mib: 0,
            ..settings.clone()
        };
        let of_all = json!([
            settings,
            training.loss,
            generator.opinion_characters,
            self.args.seed,
            self.base_sha256()?,
            template_hashes(self.args.kind, |name| self.config.text(name))?,
            self.files,
            start,
            self.mixed,
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
        engines::base_sha256(&self.config, self.args.kind)
    }

    /// Without calibration; without an adapter the base model.
    fn reward_model(&self, adapter: Option<&Adapter>) -> Result<RewardModel> {
        RewardModel::packed(
            &self.gguf,
            adapter,
            &serving::device()?,
            self.prompts.clone(),
            Calibration::default(),
        )
    }

    /// How long a fine-tuning takes, where going once through a deliberation takes `size`.
    fn cost_of_fit(&self, split: &Split, size: impl Fn(&Deliberation) -> f64) -> f64 {
        let settings = settings(&self.args, &self.config);
        let sum = |rows: &[Deliberation]| rows.iter().map(&size).sum::<f64>();
        let validated = settings.validation_units.min(split.validation.len()) as f64
            / split.validation.len() as f64;
        let validations = 1 + settings.epochs * settings.validations_per_epoch;
        // There and back is three times as long as there.
        3.0 * settings.epochs as f64 * sum(&split.training)
            + validations as f64 * validated * sum(&split.validation)
    }

    /// Before there is a version that learned nothing.
    fn check_progress(&self, trained: &Trained, progress: &Progress) -> Result<()> {
        if trained.step == 0 {
            progress.tell(&json!({ "event": "no_progress" }));
        }
        ensure!(
            trained.step > 0,
            "no step of the training lowered the loss on the validation data, so there is no new version; more data is needed"
        );
        Ok(())
    }

    /// Writes the version's folder, with what `more` adds to the card.
    fn write(
        &self,
        trained: &Trained,
        settings: Value,
        metrics: Metrics,
        more: impl FnOnce(Card) -> Card,
    ) -> Result<Card> {
        let names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        let description = match &self.args.description {
            Some(description) => description.clone(),
            None => format!("deliberations in {}", names.join(", ")),
        };
        let statements = self.data.iter().map(|row| row.statements.len());
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
            deliberations: self.data.len(),
            members: self.data.iter().map(|row| row.opinions.len()).sum(),
            statements: statements.sum(),
            ratings: data::ratings(&self.data),
            mixed_in: self.mixed_in.clone(),
            questions: self
                .data
                .iter()
                .map(|row| question_hash(&row.question))
                .collect(),
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
        // A training that waits for it finds that there is a version.
        fs::remove_file(self.args.out.join(LOCK)).with_context(|| format!("cannot tidy {out}"))?;
        if !std::io::stdout().is_terminal() {
            return say(
                json!({ "event": "finished", "version": self.args.out, "metrics": card.metrics, "gate": card.gate, "progress": 1.0 }),
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

/// For people; standard output is for results.
fn note(what: impl Display) {
    eprintln!("{what}");
}

/// Locked in the folder of a version while it is trained.
const LOCK: &str = ".lock";

const SHIPPED: &str = "shipped";
