//! Versions of the models: which are in use where, and those that are in memory.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tokio::sync::Mutex;

use crate::config::Config;
use crate::deliberation::id::Guild;
use crate::deliberation::round::ModelVersions;
use crate::deliberation::welfare::WelfareFunction;
use crate::inference::generator::Generator;
use crate::inference::model_files::{self, HashedAdapter, ModelFiles, Progress};
use crate::inference::reward::{RewardEngine, RewardModel};
use crate::inference::serving::ServedModel;
use crate::training::card::Kind;
use crate::training::evaluation::certainty;
use crate::training::versions::{Serving, Version, VersionId, VersionName, Versions};

/// The versions that are in memory, of each kind as many as `models.resident` says; whoever uses one
/// that has to make room keeps it until the work is done.
#[derive(Default)]
pub struct Resident {
    generators: Shelf<Generator>,
    reward_models: Shelf<RewardModel>,
}

impl Resident {
    /// A version of the generator, loaded if need be.
    ///
    /// # Errors
    /// Files that cannot be fetched, prepared or loaded.
    pub(super) async fn generator(&self, config: &Config, name: &str) -> Result<Arc<Generator>> {
        let load = async {
            let version = find(config, Kind::Generator, name).await?;
            load_generator(config, version).await
        };
        let room = config.models.resident;
        let key = held_as(config, Kind::Generator, name).await?;
        self.generators.get(&key, room, load).await
    }

    /// A version of the reward model, loaded if need be.
    ///
    /// # Errors
    /// As [`Self::generator`].
    pub(super) async fn reward_model(
        &self,
        config: &Config,
        name: &str,
    ) -> Result<Arc<RewardModel>> {
        let load = async {
            let version = find(config, Kind::Reward, name).await?;
            load_reward_model(config, version).await
        };
        let room = config.models.resident;
        let key = held_as(config, Kind::Reward, name).await?;
        self.reward_models.get(&key, room, load).await
    }

    /// A version of the generator that does not answer any more: it is loaded anew when it is needed.
    pub(super) fn forget_generator(&self, name: &str) {
        self.generators.forget(name);
    }

    /// The same of the reward model.
    pub(super) fn forget_reward_model(&self, name: &str) {
        self.reward_models.forget(name);
    }
}

/// What is in use in a guild: its own versions, or else the host's. `None`: the host's.
///
/// # Errors
/// A damaged record of what is active, or a version of the host's that cannot be used.
pub(super) async fn active(config: &Config, guild: Option<Guild>) -> Result<ModelVersions> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || {
        Ok(ModelVersions {
            generator: chosen(&config, Kind::Generator, guild)?.to_string(),
            reward_model: chosen(&config, Kind::Reward, guild)?.to_string(),
        })
    })
    .await?
}

/// Whether a version of the reward model says rightly how certain it is, by its card.
///
/// # Errors
/// A version that cannot be read.
pub(super) async fn is_calibrated(
    config: &Config,
    name: &str,
    welfare: WelfareFunction,
) -> Result<bool> {
    let (config, name) = (config.clone(), name.parse::<Name>()?);
    let version = tokio::task::spawn_blocking(move || read(&config, Kind::Reward, &name)).await??;
    Ok(version.is_some_and(|version| certainty::is_calibrated(&version.card.metrics, welfare)))
}

/// The languages that both models which are in use in a guild were tested in, by their cards; `None` where
/// neither names one.
///
/// # Errors
/// A version that cannot be read.
pub(super) async fn tested_languages(
    config: &Config,
    guild: Guild,
) -> Result<Option<BTreeSet<String>>> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || {
        let mut tested: Option<BTreeSet<String>> = None;
        for kind in Kind::ALL {
            let name = chosen(&config, kind, Some(guild))?;
            let version = read(&config, kind, &name)?;
            let its = version.map(|version| BTreeSet::from_iter(version.card.languages));
            if let Some(its) = its.filter(|its| !its.is_empty()) {
                tested = Some(tested.map_or(its.clone(), |both| &both & &its));
            }
        }
        Ok(tested)
    })
    .await?
}

/// Which of a guild's own versions that is, if it is one.
pub fn own_version(name: &str, guild: Guild) -> Option<VersionName> {
    match name.parse() {
        Ok(Name {
            guild: Some(of),
            id: VersionId::Stored(version),
        }) if of == guild => Some(version),
        _ => None,
    }
}

/// Where a version lies and what it is called there: `base`, `shipped`, `v3`, `guild-7/v3`.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Name {
    /// `None`: the host's.
    guild: Option<Guild>,
    id: VersionId,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(guild) = self.guild {
            write!(f, "{OF_GUILD}{guild}/")?;
        }
        self.id.fmt(f)
    }
}

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (guild, id) = match text.split_once('/') {
            None => (None, text),
            Some((guild, id)) => {
                let guild = guild.strip_prefix(OF_GUILD).and_then(|id| id.parse().ok());
                let guild = guild.with_context(|| format!("{text} names no version"))?;
                (Some(Guild(guild)), id)
            }
        };
        let id = id.parse()?;
        Ok(Self { guild, id })
    }
}

const OF_GUILD: &str = "guild-";

fn chosen(config: &Config, kind: Kind, guild: Option<Guild>) -> Result<Name> {
    if let Some(guild) = guild {
        match chosen_by(config, kind, guild) {
            Ok(Some(name)) => return Ok(name),
            Ok(None) => {}
            Err(error) => tracing::error!(
                %guild,
                %kind,
                error = format!("{error:#}"),
                "a guild's version cannot be used, the host's is used instead"
            ),
        }
    }
    let serving = config.versions(kind)?.serving(
        || base_sha256(config, kind),
        |template| config.text(template),
    )?;
    let id = match serving {
        Serving::Version(id, _) => id,
        Serving::Base | Serving::ShippedForAnother { .. } => VersionId::Base,
    };
    Ok(Name { guild: None, id })
}

/// `None`: what the host uses.
fn chosen_by(config: &Config, kind: Kind, guild: Guild) -> Result<Option<Name>> {
    let id = config.guild_versions(kind, guild)?.active()?;
    Ok(match id {
        VersionId::Shipped => None,
        VersionId::Base => Some(Name { guild: None, id }),
        VersionId::Stored(_) => {
            let guild = Some(guild);
            let name = Name { guild, id };
            read(config, kind, &name)?;
            Some(name)
        }
    })
}

/// What a version is called in memory: by its card too, since a name comes back when a guild was
/// erased and begins anew.
async fn held_as(config: &Config, kind: Kind, name: &str) -> Result<String> {
    let (config, name) = (config.clone(), name.parse::<Name>()?);
    tokio::task::spawn_blocking(move || {
        let card = match &name.id {
            VersionId::Base | VersionId::Shipped => None,
            VersionId::Stored(version) => versions(&config, kind, &name)?.card_sha256(version),
        };
        Ok(match card {
            Some(sha256) => format!("{name} {sha256}"),
            None => name.to_string(),
        })
    })
    .await?
}

/// The version of that name, or what is in use instead if it is gone; `None` is the base model.
async fn find(config: &Config, kind: Kind, name: &str) -> Result<Option<Version>> {
    let (config, name) = (config.clone(), name.parse::<Name>()?);
    tokio::task::spawn_blocking(move || {
        read(&config, kind, &name).or_else(|error| {
            let instead = chosen(&config, kind, name.guild)?;
            tracing::error!(
                version = %name,
                %instead,
                error = format!("{error:#}"),
                "a version cannot be used any more, another is used instead"
            );
            read(&config, kind, &instead)
        })
    })
    .await?
}

/// Reads a version, and checks that it was trained on the base model and with the prompts of the
/// settings.
fn read(config: &Config, kind: Kind, name: &Name) -> Result<Option<Version>> {
    let Some(version) = versions(config, kind, name)?.load(&name.id)? else {
        return Ok(None);
    };
    let card = &version.card;
    ensure!(
        base_sha256(config, kind)?.as_ref() == Some(&card.base_model.sha256),
        "{kind} version {name} was trained on {}, and the settings name another base model",
        card.base_model.name
    );
    card.check_templates(|template| config.text(template))?;
    Ok(Some(version))
}

fn versions(config: &Config, kind: Kind, name: &Name) -> Result<Versions> {
    match name.guild {
        None => config.versions(kind),
        Some(guild) => config.guild_versions(kind, guild),
    }
}

fn base_sha256(config: &Config, kind: Kind) -> Result<Option<String>> {
    let (source, key) = config.models.source(kind);
    model_files::original_sha256(source, key, &config.data_dir, &mut unwatched)
}

async fn load_generator(config: &Config, version: Option<Version>) -> Result<Generator> {
    let files = served_files(config, Kind::Generator, version).await?;
    Ok(Generator {
        model: Arc::new(ServedModel::load(&files).await?),
        prompts: config.prompts()?,
    })
}

async fn load_reward_model(config: &Config, version: Option<Version>) -> Result<RewardModel> {
    let prompts = config.prompts()?;
    let calibration = version
        .as_ref()
        .and_then(|version| version.card.calibration)
        .unwrap_or_default();
    match config.models.reward_engine {
        RewardEngine::MistralRs => {
            let files = served_files(config, Kind::Reward, version).await?;
            let model = Arc::new(ServedModel::load(&files).await?);
            RewardModel::served(model, prompts, calibration)
        }
        RewardEngine::Packed => {
            let config = config.clone();
            tokio::task::spawn_blocking(move || {
                let (source, key) = config.models.source(Kind::Reward);
                let path = model_files::original(source, key, &config.data_dir, &mut unwatched)?;
                let path = path.context("the packed scorer reads local GGUF files only")?;
                let adapter = version.as_ref().map(|version| &version.adapter);
                RewardModel::packed_from(&path, adapter, prompts, calibration)
            })
            .await?
        }
    }
}

/// The files with which mistral.rs serves a version.
async fn served_files(config: &Config, kind: Kind, version: Option<Version>) -> Result<ModelFiles> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || {
        let (source, key) = config.models.source(kind);
        let adapter = version.as_ref().map(|version| HashedAdapter {
            adapter: &version.adapter,
            sha256: &version.card.adapter.sha256,
        });
        model_files::served_files(source, key, adapter, &config.data_dir, &mut unwatched)
    })
    .await?
}

/// In the background there is nobody to show progress to.
fn unwatched(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Some things of a kind in memory, the least recently used first.
struct Shelf<T>(Mutex<Vec<(String, Arc<T>)>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shelf<T> {
    /// What has that name, if need be what `load` gives; with it there are at most `room`.
    async fn get(
        &self,
        name: &str,
        room: usize,
        load: impl Future<Output = Result<T>>,
    ) -> Result<Arc<T>> {
        let mut held = self.0.lock().await;
        if let Some(place) = held.iter().position(|(held, _)| held == name) {
            held[place..].rotate_left(1);
        } else {
            // First, so that there never are more in memory.
            let surplus = (held.len() + 1).saturating_sub(room);
            held.drain(..surplus);
            held.push((name.to_owned(), Arc::new(load.await?)));
        }
        let (_, latest) = held.last().context("one was just put there")?;
        Ok(latest.clone())
    }

    /// Lets go of what has that name, with any card; not while another is being loaded.
    fn forget(&self, name: &str) {
        if let Ok(mut held) = self.0.try_lock() {
            held.retain(|(held, _)| held.split(' ').next() != Some(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use anyhow::bail;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        for text in ["base", "shipped", "v3", "guild-7/v3", "guild-7/shipped"] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "guild-7/",
            "guild-x/v3",
            "7/v3",
            "../v3",
            "guild-7/../v3",
        ] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }

    const GUILD: Guild = Guild(7);

    fn config() -> (Config, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(None).unwrap();
        config.data_dir = folder.path().to_owned();
        (config, folder)
    }

    #[test]
    fn a_damaged_record_of_a_guild_leaves_it_with_the_hosts_version() {
        let (config, _folder) = config();
        let host = config.versions(Kind::Reward).unwrap();
        host.activate(&VersionId::Base, false).unwrap();
        let own = config.guild_versions(Kind::Reward, GUILD).unwrap();
        fs::create_dir_all(&own.folder).unwrap();
        fs::write(own.folder.join("active"), "{\"format\": 1, \"act").unwrap();
        let chosen = chosen(&config, Kind::Reward, Some(GUILD)).unwrap();
        assert_eq!(chosen.to_string(), "base");
    }

    #[tokio::test]
    async fn a_version_that_comes_back_under_its_name_is_another_one_in_memory() {
        let (config, _folder) = config();
        let own = config.guild_versions(Kind::Reward, GUILD).unwrap();
        let place = own.folder.join("reward-1");
        fs::create_dir_all(&place).unwrap();
        let held = async || {
            let held = held_as(&config, Kind::Reward, "guild-7/reward-1").await;
            held.unwrap()
        };
        let gone = held().await;
        fs::write(place.join("card.json"), "one").unwrap();
        let first = held().await;
        assert_eq!(held().await, first);
        fs::write(place.join("card.json"), "another").unwrap();
        assert_eq!(BTreeSet::from([gone, first, held().await]).len(), 3);
        let shipped = held_as(&config, Kind::Reward, "shipped").await;
        assert_eq!(shipped.unwrap(), "shipped");
    }

    #[test]
    fn a_guild_has_the_versions_that_lie_in_its_folder() {
        let own = |name| own_version(name, Guild(7)).map(|version| version.to_string());
        assert_eq!(own("guild-7/v3"), Some("v3".to_owned()));
        for other in ["guild-8/v3", "v3", "shipped", "guild-7/shipped", "7/v3"] {
            assert_eq!(own(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn the_least_recently_used_makes_room() {
        let shelf = Shelf::default();
        let get = async |name: &str| {
            let mut loaded = false;
            let load = async {
                loaded = true;
                Ok(name.to_owned())
            };
            assert_eq!(*shelf.get(name, 2, load).await.unwrap(), name);
            loaded
        };
        assert!(get("a").await);
        assert!(get("b").await);
        assert!(!get("a").await);
        assert!(get("c").await, "b makes room");
        assert!(!get("a").await);
        assert!(get("b").await);
        shelf.forget("b");
        assert!(!get("a").await);
        assert!(get("b").await, "it was let go");
    }

    #[tokio::test]
    async fn what_cannot_be_loaded_is_tried_again() {
        let shelf = Shelf::<u8>::default();
        assert!(
            shelf
                .get("a", 1, async { bail!("no memory") })
                .await
                .is_err()
        );
        assert_eq!(*shelf.get("a", 1, async { Ok(7) }).await.unwrap(), 7);
    }
}
