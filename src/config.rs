//! Settings: `config/default.toml`, then a file of the host's, then the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use figment::Figment;
use figment::error::Kind as Wrong;
use figment::providers::{Env, Format, Toml};
use rust_embed::RustEmbed;
use serde::{Deserialize, Deserializer};

use crate::deliberation::id::Guild;
use crate::deliberation::outcome::OutcomeThresholds;
use crate::deliberation::record::FEWEST_OPINIONS;
use crate::deliberation::retraining::{Guilds, Hours, Limits};
use crate::deliberation::round::{RatingMode, RoundLimits};
use crate::deliberation::selection::PostedCandidates;
use crate::deliberation::welfare::WelfareFunction;
use crate::inference::drafting::DraftingSettings;
use crate::inference::model_files::ModelSource;
use crate::inference::prompts::Prompts;
use crate::inference::reward::RewardEngine;
use crate::suggestion::{closest, path_or_similar};
use crate::training::card::Kind;
use crate::training::fine_tuning::FineTuning;
use crate::training::losses::RewardLoss;
use crate::training::versions::{VersionFiles, Versions};

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where Accord keeps its models. `ACCORD_DATA_DIR`; by default the platform's folder
    /// for application data.
    #[serde(default = "platform_data_dir")]
    pub data_dir: PathBuf,
    /// Which models are used.
    pub models: ModelSettings,
    /// How candidates are drafted.
    pub generator: DraftingSettings,
    /// How the group's statement is chosen.
    pub deliberation: DeliberationSettings,
    /// How models are fine-tuned.
    pub training: TrainingSettings,
    /// What rounds are opened with where nobody says otherwise.
    pub rounds: RoundDefaults,
    /// What guilds may retrain, and when.
    pub retraining: RetrainingSettings,
    /// When snapshots are made of the store.
    pub backups: BackupSettings,
    /// From which shares on an outcome is reached.
    pub outcome: OutcomeThresholds,
    /// Where Discord is.
    pub discord: DiscordSettings,
    /// What Accord tells its host.
    pub log: LogSettings,
    /// What it tells whoever asks how it is.
    #[serde(default)]
    pub health: HealthSettings,
}

/// The section `[rounds]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundDefaults {
    /// So many opinions are needed.
    pub minimum: usize,
    /// So many candidates are posted.
    pub posted: PostedCandidates,
    /// How long opinions can be written, as `24h`.
    #[serde(deserialize_with = "duration")]
    pub opinions_for: TimeDelta,
    /// How long candidates can be rated.
    #[serde(deserialize_with = "duration")]
    pub ratings_for: TimeDelta,
    /// How agreement is given.
    pub rating: RatingMode,
    /// Whether a round has a thread of its own, where that is possible.
    pub threads: bool,
    /// How long before it closes early, rating is announced to.
    #[serde(deserialize_with = "duration")]
    pub early_close_notice: TimeDelta,
    /// Days after the result when opinions and critiques are deleted.
    pub retention_days: u16,
    /// How many rounds a guild may have open at the same time.
    pub open_at_most: usize,
    /// How many it may open within 24 hours.
    pub a_day_at_most: usize,
}

impl RoundDefaults {
    /// How many rounds a guild may have.
    pub fn limits(&self) -> RoundLimits {
        RoundLimits {
            open: self.open_at_most,
            a_day: self.a_day_at_most,
        }
    }
}

/// The section `[retraining]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrainingSettings {
    /// Which guilds may retrain.
    pub guilds: Guilds,
    /// At which hours of the day, in UTC.
    pub hours: Hours,
    /// How often a guild may retrain a model.
    #[serde(deserialize_with = "duration")]
    pub at_most_every: TimeDelta,
    /// Memory for activations, in MiB.
    pub memory_mib: usize,
    /// How many versions of a model a guild keeps.
    pub versions_kept: usize,
}

impl RetrainingSettings {
    /// What the facilitator keeps to.
    pub fn limits(&self) -> Limits {
        Limits {
            guilds: self.guilds.clone(),
            hours: self.hours,
            at_most_every: self.at_most_every,
            versions_kept: self.versions_kept,
        }
    }
}

/// The section `[backups]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSettings {
    /// From one snapshot to the next, as `6h`.
    #[serde(deserialize_with = "duration")]
    pub every: TimeDelta,
    /// So many are kept.
    pub kept: usize,
    /// For so many days at most.
    pub kept_days: u16,
}

/// The section `[discord]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscordSettings {
    /// Another place for Discord's API, which also takes care of its rate limits.
    pub api_url: Option<String>,
    /// Another place for Discord's gateway.
    pub gateway_url: Option<String>,
    /// Which shards this process runs.
    pub shards: Shards,
}

/// Which part of all guilds a process looks after: `auto`, or shards of a total as `0-3/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Shards {
    /// All guilds, in as many shards as Discord recommends.
    Auto,
    /// `first..=last` of `total`.
    Range { first: u32, last: u32, total: u32 },
}

impl TryFrom<String> for Shards {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let range = || {
            let (range, total) = text.split_once('/')?;
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            let total = total.trim().parse().ok()?;
            (first <= last && last < total).then_some(Self::Range { first, last, total })
        };
        range().ok_or_else(|| {
            format!("expected \"auto\", or shards of a total as \"0-3/16\", not \"{text}\"")
        })
    }
}

/// The section `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    pub format: LogFormat,
}

/// The section `[health]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthSettings {
    /// Where a bot says how it is; nowhere by default.
    pub address: Option<SocketAddr>,
}

/// Who reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// People.
    Human,
    /// Programs: one JSON object a line.
    Json,
}

/// The section `[training]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// The reward model.
    pub reward: FineTuning,
    /// The generator.
    pub generator: FineTuning,
    /// What the reward model is trained to lower.
    pub loss: RewardLoss,
}

/// The section `[models]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// What writes candidates.
    pub generator: ModelSource,
    /// What predicts ratings.
    pub reward_model: ModelSource,
    /// What computes the predictions.
    pub reward_engine: RewardEngine,
    /// How many versions of each kind a bot keeps in memory, at least 1.
    pub resident: usize,
    /// How long a bot waits for the candidates of one drafting, as `1h`.
    #[serde(deserialize_with = "duration")]
    pub draft_within: TimeDelta,
    /// How long it waits for the predictions of one participant's ratings.
    #[serde(deserialize_with = "duration")]
    pub predict_within: TimeDelta,
}

impl ModelSettings {
    /// The base model of a kind, and the key that names it.
    pub fn source(&self, kind: Kind) -> (&ModelSource, &'static str) {
        match kind {
            Kind::Reward => (&self.reward_model, "models.reward_model"),
            Kind::Generator => (&self.generator, "models.generator"),
        }
    }
}

/// The section `[deliberation]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliberationSettings {
    /// How a group's ratings of a candidate become one number.
    pub welfare: WelfareFunction,
}

/// The files of `config/`, so that a host runs one file.
#[derive(RustEmbed)]
#[folder = "config/"]
struct Embedded;

impl Config {
    /// The defaults, overridden by `file`, overridden by variables
    /// `ACCORD_<SECTION>__<KEY>`.
    ///
    /// # Errors
    /// A file that cannot be read or is not TOML; an unknown key or a value of the wrong
    /// type or out of range, with the file or the variable that it came from.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let mut figment = Figment::from(Toml::string(&embedded("default.toml")?));
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).with_context(|| {
                format!("cannot read the settings in {}", path_or_similar(file))
            })?;
            // Parsed here, since figment would show a syntax error over several lines.
            toml::from_str::<toml::Table>(&text).map_err(|error| {
                anyhow::anyhow!("{} is not TOML: {}", file.display(), error.message())
            })?;
            figment = figment.merge(Toml::file_exact(file));
        }
        let config: Self = figment
            .merge(Env::prefixed("ACCORD_").split("__"))
            .extract()
            .map_err(|errors| {
                let errors: Vec<String> = errors.into_iter().map(|error| told(&error)).collect();
                anyhow::anyhow!("settings: {}", errors.join("; "))
            })?;
        config.check()?;
        Ok(config)
    }

    /// A file of `config/`, or the one of the same name that the host put into the data
    /// folder.
    ///
    /// # Errors
    /// A file of the host's that cannot be read, or is not text.
    pub fn text(&self, name: &str) -> Result<String> {
        let own = self.data_dir.join(name);
        if own.exists() {
            return std::fs::read_to_string(&own)
                .with_context(|| format!("cannot read {}", own.display()));
        }
        embedded(name)
    }

    /// Every file of a folder of `config/` or of the data folder that ends so, by its name, as
    /// [`Self::text`] reads it.
    ///
    /// # Errors
    /// As [`Self::text`]; a folder of the host's that cannot be read.
    pub fn texts(&self, folder: &str, ending: &str) -> Result<BTreeMap<String, String>> {
        let mut names: BTreeSet<String> = Embedded::iter()
            .filter_map(|path| Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned()))
            .collect();
        let own = self.data_dir.join(folder);
        if own.is_dir() {
            let unreadable = || format!("cannot read {}", own.display());
            for entry in std::fs::read_dir(&own).with_context(unreadable)? {
                names.insert(
                    entry
                        .with_context(unreadable)?
                        .file_name()
                        .to_string_lossy()
                        .into(),
                );
            }
        }
        names.retain(|name| name.ends_with(ending));
        let read = |name: String| Ok((name.clone(), self.text(&format!("{folder}/{name}"))?));
        names.into_iter().map(read).collect()
    }

    /// As [`Self::text`], for a file that need not be text or be there.
    ///
    /// # Errors
    /// A file of the host's that cannot be read.
    pub fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let own = self.data_dir.join(name);
        if own.exists() {
            return std::fs::read(&own)
                .map(Some)
                .with_context(|| format!("cannot read {}", own.display()));
        }
        Ok(Embedded::get(name).map(|file| file.data.into_owned()))
    }

    /// The versions of one kind: those in the data folder, and the one that comes with Accord, in
    /// `config/adapters/<kind>/`.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn versions(&self, kind: Kind) -> Result<Versions> {
        let card = self.bytes(&format!("adapters/{kind}/card.json"))?;
        let adapter = self.bytes(&format!("adapters/{kind}/adapter.safetensors"))?;
        let shipped = card
            .zip(adapter)
            .map(|(card, adapter)| VersionFiles { card, adapter });
        Ok(Versions::new(kind, &self.data_dir, shipped))
    }

    /// The versions of one kind of a guild; its `shipped` is what [`Self::versions`] has active.
    ///
    /// # Errors
    /// None; as [`Self::versions`].
    pub fn guild_versions(&self, kind: Kind, guild: Guild) -> Result<Versions> {
        Ok(Versions::of_guild(kind, &self.data_dir, guild))
    }

    /// The prompts.
    ///
    /// # Errors
    /// A template that does not render or lacks what it must show.
    pub fn prompts(&self) -> Result<Prompts> {
        Prompts::new(
            self.text("prompts/generator.system.j2")?,
            self.text("prompts/generator.user.j2")?,
            self.text("prompts/generator.revision.j2")?,
            self.text("prompts/rating.j2")?,
        )
    }

    fn check(&self) -> Result<()> {
        let training = &self.training;
        training.reward.check("training.reward")?;
        training.generator.check("training.generator")?;
        let RewardLoss {
            within,
            between,
            least_difference,
        } = training.loss;
        ensure!(
            (1..=6).contains(&least_difference),
            "training.loss.least_difference must be from 1 to 6, it is {least_difference}"
        );
        ensure!(
            [within, between]
                .iter()
                .all(|weight| weight.is_finite() && *weight >= 0.0),
            "training.loss.within and training.loss.between must be 0 or more, they are {within} and {between}"
        );
        let rounds = &self.rounds;
        ensure!(
            rounds.minimum >= FEWEST_OPINIONS,
            "rounds.minimum must be at least {FEWEST_OPINIONS}, it is {}",
            rounds.minimum
        );
        ensure!(
            rounds.retention_days <= 365,
            "rounds.retention_days must be at most 365, it is {}",
            rounds.retention_days
        );
        let retraining = &self.retraining;
        ensure!(
            retraining.memory_mib >= 1 && retraining.versions_kept >= 1,
            "retraining.memory_mib and retraining.versions_kept must be at least 1, they are {} and {}",
            retraining.memory_mib,
            retraining.versions_kept
        );
        let backups = &self.backups;
        ensure!(
            backups.every >= TimeDelta::hours(1) && backups.kept >= 1 && backups.kept_days >= 1,
            "backups.every must be an hour or more, backups.kept and backups.kept_days at least 1"
        );
        let generator = &self.generator;
        ensure!(
            generator.candidates >= 1,
            "generator.candidates must be at least 1"
        );
        ensure!(
            generator.temperature.is_finite() && generator.temperature >= 0.0,
            "generator.temperature must be 0 or more, it is {}",
            generator.temperature
        );
        ensure!(
            generator.top_p > 0.0 && generator.top_p <= 1.0,
            "generator.top_p must be more than 0 and at most 1, it is {}",
            generator.top_p
        );
        ensure!(
            generator.max_tokens >= 16,
            "generator.max_tokens must be at least 16"
        );
        ensure!(
            generator.opinion_characters >= 100,
            "generator.opinion_characters must be at least 100"
        );
        Ok(())
    }
}

/// What is wrong with a setting, on one line, and what was meant where that can be guessed.
fn told(error: &figment::Error) -> String {
    let suggestion = match &error.kind {
        Wrong::UnknownField(name, siblings) => {
            let mut section = error.path.clone();
            if section.last() == Some(name) {
                section.pop();
            }
            let beside = closest(name, siblings.iter().copied()).map(|key| {
                section.push(key.to_owned());
                section.join(".")
            });
            beside.or_else(|| elsewhere(name)).map(|key| {
                let from = error.metadata.as_ref().map_or("", |from| &from.name);
                match from.contains("environment") {
                    true => format!("ACCORD_{}", key.replace('.', "__").to_uppercase()),
                    false => key,
                }
            })
        }
        Wrong::UnknownVariant(name, known) => {
            closest(name, known.iter().copied()).map(str::to_owned)
        }
        _ => None,
    };
    let error = error.to_string().replace('\n', "; ");
    match suggestion {
        Some(meant) => format!("{error} (did you mean {meant}?)"),
        None => error,
    }
}

/// The setting that is called so, or nearly, in any section; or whose sections were set apart by
/// one underscore instead of two.
fn elsewhere(name: &str) -> Option<String> {
    let defaults: toml::Table = toml::from_str(&embedded("default.toml").ok()?).ok()?;
    let mut keys = Vec::new();
    let mut sections = vec![(String::new(), defaults)];
    while let Some((path, section)) = sections.pop() {
        for (key, value) in section {
            let path = match path.as_str() {
                "" => key,
                section => format!("{section}.{key}"),
            };
            match value {
                toml::Value::Table(section) => sections.push((path, section)),
                _ => keys.push(path),
            }
        }
    }
    let called = |path: &str| path.rsplit('.').next().map(str::to_owned);
    let flat = keys.iter().map(|path| (path.replace('.', "_"), path));
    let named = keys.iter().filter_map(|path| Some((called(path)?, path)));
    let names: Vec<(String, &String)> = flat.chain(named).collect();
    let meant = closest(name, names.iter().map(|(name, _)| name.as_str()))?;
    let (_, path) = names.iter().find(|(name, _)| name == meant)?;
    Some((*path).clone())
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeDelta, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
}

/// `24h`, `1h 30m`, `2 days`.
///
/// # Errors
/// What was expected.
pub fn parse_duration(text: &str) -> Result<TimeDelta> {
    humantime::parse_duration(text.trim())
        .ok()
        .and_then(|duration| TimeDelta::from_std(duration).ok())
        .filter(|delta| *delta > TimeDelta::zero())
        .with_context(|| format!("expected a duration such as 24h or 1h 30m, not {text:?}"))
}

fn embedded(name: &str) -> Result<String> {
    let file = Embedded::get(name).with_context(|| format!("no file config/{name}"))?;
    Ok(String::from_utf8(file.data.into_owned())?)
}

fn platform_data_dir() -> PathBuf {
    dirs::data_dir()
        .unwrap_or_else(|| PathBuf::from("."))
        .join("accord")
}
