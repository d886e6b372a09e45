//! Versions of the reward model and of the generator: folders with a card and an adapter, and
//! which of them is active.
//!
//! In the data folder, `versions/reward/<name>/` holds `card.json` and `adapter.safetensors`, and
//! `versions/reward/active` the active version's name and those that were active before it; the
//! same for `generator`. Two names are reserved: `shipped` for the version that comes with Accord,
//! which is active until another is, and `base` for the base model without an adapter.
//!
//! A guild has versions of its own in `versions/guilds/<guild>/<kind>/`, which lie the same way. There
//! `shipped` stands for whatever the host has active: until one of its own is, that one serves.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail, ensure};
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::card::{AdapterFacts, Card, Format, Kind};
use super::gate::Verdict;
use crate::deliberation::id::Guild;
use crate::inference::model_files::{
    TEMPORARY, remove_leftovers, sha256_of_bytes, sync_folder, temporary_file, write_file,
};
use crate::suggestion::path_or_similar;
use crate::transformer::adapter::Adapter;

/// A version, read and checked.
#[derive(Debug, Clone)]
pub struct Version {
    pub card: Card,
    pub adapter: Adapter,
}

/// The content of a version's two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionFiles {
    pub card: Vec<u8>,
    pub adapter: Vec<u8>,
}

/// The versions of one kind on this host.
#[derive(Debug, Clone)]
pub struct Versions {
    pub kind: Kind,
    /// `versions/<kind>` in the data folder; made when it is first needed.
    pub folder: PathBuf,
    /// What comes with Accord; without it `shipped` is the base model.
    pub shipped: Option<VersionFiles>,
}

/// What can be active.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum VersionId {
    /// The base model without an adapter.
    Base,
    /// The version that comes with Accord.
    #[default]
    Shipped,
    /// A version in the data folder.
    Stored(VersionName),
}

/// The name of a version and of its folder: up to 64 letters (a-z, A-Z), digits, `.`, `-` and `_`,
/// a letter or digit first and last, and no reserved name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionName(String);

/// What the active version comes to on the base model that the settings name.
#[derive(Debug, Clone)]
pub enum Serving {
    /// The base model: `base` is active, or nothing is shipped.
    Base,
    /// A version, with the name it goes by.
    Version(VersionId, Box<Version>),
    /// The base model, since the shipped version was trained on another one.
    ShippedForAnother { trained_on: String },
}

/// One version in a list.
#[derive(Debug)]
pub struct Listed {
    pub id: VersionId,
    pub active: bool,
    /// `None` for a base model; an error for a version that is damaged.
    pub card: Result<Option<Card>>,
}

/// What a rollback did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    pub from: VersionId,
    pub to: VersionId,
    /// Earlier ones that could not be read, and why.
    pub skipped: Vec<(VersionId, String)>,
}

impl Version {
    /// Reads and checks a version's folder.
    ///
    /// # Errors
    /// Files that are missing, no card, another adapter than the card's, or weights that are not
    /// finite.
    pub fn read(folder: &Path) -> Result<Self> {
        VersionFiles::read(folder)?.check()
    }

    /// Writes a version's folder, which [`Self::read`] and `accord models activate` read. The
    /// adapter's weights are rounded to bf16. `card` makes the card from what is then known of the
    /// adapter.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write(
        folder: &Path,
        adapter: &Adapter,
        card: impl FnOnce(AdapterFacts) -> Card,
    ) -> Result<Card> {
        let cannot_write = || format!("cannot write in {}", folder.display());
        fs::create_dir_all(folder).with_context(cannot_write)?;
        let file = temporary_file(folder).with_context(cannot_write)?;
        adapter.write(file.path(), DType::BF16)?;
        let content = fs::read(file.path()).with_context(cannot_write)?;
        drop(file);
        let card = card(AdapterFacts::new(adapter, &content));
        write_file(folder, ADAPTER, &content).with_context(cannot_write)?;
        write_file(folder, CARD, &card.to_json()?).with_context(cannot_write)?;
        Ok(card)
    }
}

impl Versions {
    /// `shipped`: what comes with Accord, if anything does.
    pub fn new(kind: Kind, data_dir: &Path, shipped: Option<VersionFiles>) -> Self {
        Self {
            kind,
            folder: data_dir.join("versions").join(kind.to_string()),
            shipped,
        }
    }

    /// A guild's own. Its `shipped` is the host's active version, which only
    /// [`Self::load`] of the host's versions reads.
    pub fn of_guild(kind: Kind, data_dir: &Path, guild: Guild) -> Self {
        Self {
            kind,
            folder: folder_of_guild(data_dir, guild).join(kind.to_string()),
            shipped: None,
        }
    }

    /// The one in use.
    ///
    /// # Errors
    /// A damaged record of it.
    pub fn active(&self) -> Result<VersionId> {
        Ok(self.history()?.active)
    }

    /// Reads a version; `None` is the base model.
    ///
    /// # Errors
    /// A version that is missing or damaged.
    pub fn load(&self, id: &VersionId) -> Result<Option<Version>> {
        let (files, name) = match id {
            VersionId::Base => return Ok(None),
            VersionId::Shipped => match &self.shipped {
                None => return Ok(None),
                Some(files) => (files.clone(), None),
            },
            VersionId::Stored(name) => {
                let folder = self.folder.join(&name.0);
                (VersionFiles::read(&folder)?, Some(name))
            }
        };
        let version = files.check()?;
        ensure!(
            version.card.kind == self.kind && name.is_none_or(|name| *name == version.card.name),
            "card.json is that of {} {}",
            version.card.kind,
            version.card.name
        );
        Ok(Some(version))
    }

    /// Of a version's card, which names its adapter by its own hash; `None` where there is none.
    pub fn card_sha256(&self, name: &VersionName) -> Option<String> {
        let card = fs::read(self.folder.join(&name.0).join(CARD));
        card.ok().map(|card| sha256_of_bytes(&card))
    }

    /// What the active version comes to on the base model that the settings name.
    ///
    /// `base_sha256` gives the hash of that model's GGUF, `None` if it is none; `text` as for
    /// [`Card::check_templates`].
    ///
    /// # Errors
    /// A damaged version, one that was activated for another base model, or one that was trained
    /// with other prompts: what to do.
    pub fn serving(
        &self,
        base_sha256: impl FnOnce() -> Result<Option<String>>,
        text: impl Fn(&str) -> Result<String>,
    ) -> Result<Serving> {
        let kind = self.kind;
        let id = self.active()?;
        let version = self.load(&id).with_context(|| match id {
            VersionId::Stored(_) => format!(
                "the active {kind} version {id} is damaged: go back with accord models rollback \
                 {kind}, or activate its folder again"
            ),
            _ => format!(
                "the shipped {kind} version is damaged: remove adapters/{kind} from the data \
                 folder, or serve the base model with accord models activate {kind} base"
            ),
        })?;
        let Some(version) = version else {
            return Ok(Serving::Base);
        };
        let trained_on = &version.card.base_model;
        if base_sha256()?.as_ref() != Some(&trained_on.sha256) {
            let trained_on = trained_on.name.clone();
            ensure!(
                id == VersionId::Shipped,
                "the active {kind} version {id} was trained on {trained_on}, and the settings name \
                 another base model: set it back, or go back with accord models rollback {kind}"
            );
            return Ok(Serving::ShippedForAnother { trained_on });
        }
        version.card.check_templates(text)?;
        Ok(Serving::Version(id, Box::new(version)))
    }

    /// Copies a version's folder in under the name in its card. A version of that name that is
    /// damaged is replaced, one with the same adapter gets the new card.
    ///
    /// # Errors
    /// A folder that [`Version::read`] refuses, a version of another kind, another version of the
    /// same name, or a data folder that cannot be written.
    pub fn add(&self, folder: &Path) -> Result<VersionName> {
        let files = VersionFiles::read(folder)?;
        let card = files.check()?.card;
        ensure!(
            card.kind == self.kind,
            "{} holds a {} version, a {} version was expected",
            folder.display(),
            card.kind,
            self.kind
        );
        let name = card.name;
        let _lock = self.lock()?;
        let place = self.folder.join(&name.0);
        if let Ok(Some(known)) = self.load(&VersionId::Stored(name.clone())) {
            ensure!(
                known.card.adapter == card.adapter,
                "there is another {} version {name}: give this one another name, or delete {}",
                self.kind,
                place.display()
            );
            write_file(&place, CARD, &files.card).with_context(|| self.cannot_write())?;
            return Ok(name);
        }
        self.put(&files, &place)
            .with_context(|| self.cannot_write())?;
        Ok(name)
    }

    /// Makes a version active and returns the one that was. A stored one needs a verdict of the
    /// gate that it is better than the one that is active now, or `force`.
    ///
    /// # Errors
    /// A version that is missing or damaged, or that the gate does not let through.
    pub fn activate(&self, id: &VersionId, force: bool) -> Result<VersionId> {
        let _lock = self.lock()?;
        let version = self
            .load(id)
            .with_context(|| format!("{} version {id} cannot be used", self.kind))?;
        // Whoever chooses a version can do so with a damaged record of the last choice.
        let mut history = self.history().unwrap_or_default();
        if history.active == *id {
            self.write_history(&history)?;
            return Ok(history.active);
        }
        if let (VersionId::Stored(_), Some(version), false) = (id, version, force) {
            check_gate(&version.card, &history.active)?;
        }
        let before = std::mem::replace(&mut history.active, id.clone());
        history.earlier.push(before.clone());
        self.write_history(&history)?;
        Ok(before)
    }

    /// Makes the version active that was active before, leaving out those that are damaged.
    ///
    /// # Errors
    /// If none was active before.
    pub fn rollback(&self) -> Result<RolledBack> {
        let _lock = self.lock()?;
        let mut history = self.history()?;
        let mut skipped = Vec::new();
        while let Some(to) = history.earlier.pop() {
            if let Err(error) = self.load(&to) {
                skipped.push((to, format!("{error:#}")));
                continue;
            }
            let from = std::mem::replace(&mut history.active, to.clone());
            self.write_history(&history)?;
            return Ok(RolledBack { from, to, skipped });
        }
        bail!(
            "no {kind} version to go back to: {} is active, and none that was before it can be \
             used; choose one with accord models activate {kind} shipped",
            history.active,
            kind = self.kind
        )
    }

    /// Removes versions in the folder until `kept` are left: first those that never were active, or
    /// can no longer be gone back to, each time the oldest first. The active one stays; those `in_use`
    /// stay too, and are not counted. Returns the names of those removed. `remove_made_with` is as for
    /// [`Self::discard`].
    ///
    /// # Errors
    /// A damaged record of the active version, or a folder that cannot be read or written; those of
    /// `remove_made_with`.
    pub fn remove_all_but(
        &self,
        kept: usize,
        in_use: &BTreeSet<VersionName>,
        remove_made_with: impl Fn(&str) -> Result<()>,
    ) -> Result<Vec<VersionName>> {
        let _lock = self.lock()?;
        let mut history = self.history()?;
        let mut names = self.stored()?;
        let age = |name: &VersionName| {
            let written = fs::metadata(self.folder.join(&name.0).join(ADAPTER));
            written.and_then(|file| file.modified()).ok()
        };
        let is_active = |name: &VersionName| history.active == VersionId::Stored(name.clone());
        names.retain(|name| is_active(name) || !in_use.contains(name));
        let surplus = names.len().saturating_sub(kept);
        names.retain(|name| !is_active(name));
        names.sort_by_cached_key(|name| {
            let served = history.earlier.contains(&VersionId::Stored(name.clone()));
            (served, age(name), natural(name))
        });
        let mut removed = Vec::new();
        for name in names.iter().take(surplus) {
            let id = VersionId::Stored(name.clone());
            // First, so that nobody goes back to half a version.
            history.earlier.retain(|earlier| *earlier != id);
            self.write_history(&history)?;
            self.remove(name, &remove_made_with)?;
            removed.push(name.clone());
        }
        Ok(removed)
    }

    /// Removes the version that was copied in from a folder ([`Self::add`]), if it is there; if it is
    /// active, the one before is active again. Another version of the same name stays. What was made
    /// of it elsewhere is removed by `remove_made_with`, given the hash of its adapter.
    ///
    /// # Errors
    /// A damaged record of the active version, or a folder that cannot be written; those of
    /// `remove_made_with`.
    pub fn discard(
        &self,
        name: &VersionName,
        made: &Path,
        remove_made_with: impl Fn(&str) -> Result<()>,
    ) -> Result<()> {
        let adapter = adapter_of(&self.folder.join(&name.0));
        if adapter.is_none() || adapter != adapter_of(made) {
            return Ok(());
        }
        let _lock = self.lock()?;
        let mut history = self.history()?;
        let id = VersionId::Stored(name.clone());
        // First, so that nobody uses half a version.
        history.earlier.retain(|earlier| *earlier != id);
        if history.active == id {
            history.active = history.earlier.pop().unwrap_or_default();
        }
        self.write_history(&history)?;
        self.remove(name, remove_made_with)
    }

    /// What was made of it goes first: if this is interrupted, it is found again by the version.
    fn remove(
        &self,
        name: &VersionName,
        remove_made_with: impl Fn(&str) -> Result<()>,
    ) -> Result<()> {
        if let Some(adapter) = adapter_of(&self.folder.join(&name.0)) {
            remove_made_with(&adapter)?;
        }
        fs::remove_dir_all(self.folder.join(&name.0)).with_context(|| self.cannot_write())
    }

    /// All versions: `base`, `shipped`, then the stored ones by name.
    ///
    /// # Errors
    /// A folder that cannot be read, or a damaged record of the active version.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let active = self.active()?;
        let mut ids = vec![VersionId::Base, VersionId::Shipped];
        let mut stored: Vec<VersionId> =
            self.stored()?.into_iter().map(VersionId::Stored).collect();
        if matches!(active, VersionId::Stored(_)) && !stored.contains(&active) {
            stored.push(active.clone());
        }
        stored.sort_by_key(ToString::to_string);
        ids.extend(stored);
        Ok(ids
            .into_iter()
            .map(|id| Listed {
                active: id == active,
                card: self
                    .load(&id)
                    .map(|version| version.map(|found| found.card)),
                id,
            })
            .collect())
    }

    /// The hashes of the adapters of the versions in the folder, but for those that are damaged.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn adapters(&self) -> Result<BTreeSet<String>> {
        let stored = self.stored()?;
        let adapter = |name: &VersionName| adapter_of(&self.folder.join(&name.0));
        Ok(stored.iter().filter_map(adapter).collect())
    }

    /// The folders with names of versions.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn stored(&self) -> Result<Vec<VersionName>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => bail!("cannot read {}: {error}", self.folder.display()),
        };
        Ok(entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                entry.path().is_dir().then(|| name.parse().ok())?
            })
            .collect())
    }

    fn history(&self) -> Result<History> {
        let path = self.folder.join(ACTIVE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!(
                    "{} is damaged: choose the version again with accord models activate {kind} \
                     shipped",
                    path.display(),
                    kind = self.kind
                )
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(History::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn write_history(&self, history: &History) -> Result<()> {
        let text = serde_json::to_vec_pretty(history)?;
        write_file(&self.folder, ACTIVE, &text).with_context(|| self.cannot_write())
    }

    /// Waits until no other process changes versions of this kind, and removes what processes that
    /// died left there.
    fn lock(&self) -> Result<File> {
        let lock = || {
            fs::create_dir_all(&self.folder)?;
            let lock = File::create(self.folder.join(LOCK))?;
            lock.lock()?;
            io::Result::Ok(lock)
        };
        let lock = lock().with_context(|| self.cannot_write())?;
        remove_leftovers(&self.folder);
        Ok(lock)
    }

    /// A folder under its final name is whole.
    fn put(&self, files: &VersionFiles, place: &Path) -> io::Result<()> {
        let staging = temporary_folder(&self.folder)?;
        let new = staging.path().join("new");
        fs::create_dir(&new)?;
        write_file(&new, ADAPTER, &files.adapter)?;
        write_file(&new, CARD, &files.card)?;
        if place.exists() {
            fs::rename(place, staging.path().join("damaged"))?;
        }
        fs::rename(new, place)?;
        sync_folder(&self.folder)
    }

    fn cannot_write(&self) -> String {
        format!(
            "cannot write in {}: make it writable, or set ACCORD_DATA_DIR to another folder",
            self.folder.display()
        )
    }
}

impl VersionFiles {
    fn read(folder: &Path) -> Result<Self> {
        let read = |name| {
            fs::read(folder.join(name)).map_err(|error| match error.kind() {
                ErrorKind::NotFound => anyhow!(
                    "{} holds no {name}: a folder made by accord train was expected",
                    path_or_similar(folder)
                ),
                _ => anyhow!("cannot read {}: {error}", folder.join(name).display()),
            })
        };
        Ok(Self {
            card: read(CARD)?,
            adapter: read(ADAPTER)?,
        })
    }

    fn check(&self) -> Result<Version> {
        let card = Card::parse(&self.card)?;
        let sha256 = sha256_of_bytes(&self.adapter);
        ensure!(
            sha256 == card.adapter.sha256,
            "{ADAPTER} is not the card's: its SHA-256 is {sha256}, {} was expected",
            card.adapter.sha256
        );
        let AdapterFacts { rank, alpha, .. } = card.adapter;
        let adapter = Adapter::from_bytes(&self.adapter, rank, alpha, &Device::Cpu)
            .with_context(|| format!("{ADAPTER} cannot be used"))?;
        Ok(Version { card, adapter })
    }
}

/// The hash of a version's adapter, by the card; `None` where there is none, or it is damaged.
fn adapter_of(folder: &Path) -> Option<String> {
    let card = fs::read(folder.join(CARD)).ok()?;
    Some(Card::parse(&card).ok()?.adapter.sha256)
}

/// Removes all versions of a guild.
///
/// # Errors
/// A folder that cannot be removed.
pub fn remove_guild(data_dir: &Path, guild: Guild) -> Result<()> {
    let folder = folder_of_guild(data_dir, guild);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The guilds that have versions of their own, by their ids.
///
/// # Errors
/// A folder that cannot be read.
pub fn guilds(data_dir: &Path) -> Result<Vec<Guild>> {
    let folder = folder_of_guilds(data_dir);
    let cannot_read = || format!("cannot read {}", folder.display());
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(cannot_read)?,
    };
    let mut guilds = Vec::new();
    for entry in entries {
        let name = entry.with_context(cannot_read)?.file_name();
        guilds.extend(name.to_str().and_then(|name| name.parse().ok()).map(Guild));
    }
    guilds.sort();
    Ok(guilds)
}

fn folder_of_guild(data_dir: &Path, guild: Guild) -> PathBuf {
    folder_of_guilds(data_dir).join(guild.to_string())
}

fn folder_of_guilds(data_dir: &Path) -> PathBuf {
    data_dir.join("versions").join("guilds")
}

/// Orders `reward-9` before `reward-10`.
fn natural(name: &VersionName) -> (usize, String) {
    (name.0.len(), name.0.clone())
}

fn check_gate(card: &Card, active: &VersionId) -> Result<()> {
    let (kind, name) = (card.kind, &card.name);
    let judged = card.gate.as_ref().with_context(|| {
        format!(
            "the gate has not judged {kind} version {name}: train it with --gate, or activate it \
             with --force"
        )
    })?;
    ensure!(
        matches!(judged.verdict, Verdict::Better(_)),
        "the gate does not let {kind} version {name} through: {}; --force activates it all the same",
        judged.verdict
    );
    ensure!(
        judged.against == *active,
        "the gate compared {kind} version {name} with {}, but {active} is active: train it again \
         with --gate, or activate it with --force",
        judged.against
    );
    Ok(())
}

/// The name of the card in a version's folder.
pub const CARD: &str = "card.json";
const ADAPTER: &str = "adapter.safetensors";
const ACTIVE: &str = "active";
const LOCK: &str = ".lock";

/// The content of `active`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    format: Format,
    active: VersionId,
    /// Those that were active before, the latest last.
    earlier: Vec<VersionId>,
}

fn temporary_folder(folder: &Path) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY).tempdir_in(folder)
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => BASE,
            Self::Shipped => SHIPPED,
            Self::Stored(name) => &name.0,
        })
    }
}

impl FromStr for VersionId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            BASE => Ok(Self::Base),
            SHIPPED => Ok(Self::Shipped),
            name => name.parse().map(Self::Stored),
        }
    }
}

const BASE: &str = "base";
const SHIPPED: &str = "shipped";

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot be the name of a version.
#[derive(Debug, Error)]
#[error(
    "\"{0}\" is no name of a version: up to 64 letters, digits, \".\", \"-\" and \"_\" were \
     expected, a letter or digit first and last, and not base, shipped or active"
)]
pub struct BadName(String);

impl FromStr for VersionName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let may_be = text.len() <= 64
            && is_edge(text.chars().next())
            && is_edge(text.chars().last())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
        // Some file systems do not tell `Active` from `active`.
        let reserved = [BASE, SHIPPED, ACTIVE]
            .iter()
            .any(|reserved| text.eq_ignore_ascii_case(reserved));
        if may_be && !reserved {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for VersionName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<VersionName> for String {
    fn from(name: VersionName) -> Self {
        name.0
    }
}

impl TryFrom<String> for VersionId {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<VersionId> for String {
    fn from(id: VersionId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use candle_core::Tensor;
    use tempfile::TempDir;

    use super::super::card::Judged;
    use super::super::card::tests::{better, card};
    use super::super::gate::{Comparison, RewardComparison};
    use super::*;
    use crate::transformer::adapter::LowRank;

    struct Host {
        data: TempDir,
        /// Where training puts what it makes.
        made: TempDir,
    }

    fn host() -> Host {
        Host {
            data: tempfile::tempdir().unwrap(),
            made: tempfile::tempdir().unwrap(),
        }
    }

    fn adapter(value: f32) -> Adapter {
        let factors = LowRank {
            a: Tensor::full(value, (2, 4), &Device::Cpu).unwrap(),
            b: Tensor::full(0.5f32, (6, 2), &Device::Cpu).unwrap(),
        };
        Adapter {
            rank: 2,
            alpha: 4.0,
            updates: [("blk.0.attn_q".to_owned(), factors)].into(),
        }
    }

    impl Host {
        fn versions(&self) -> Versions {
            Versions::new(Kind::Reward, self.data.path(), None)
        }

        fn make(&self, name: &str, value: f32, gate: Option<Judged>) -> PathBuf {
            let folder = self.made.path().join(format!("{name}-{value}"));
            Version::write(&folder, &adapter(value), |facts| Card {
                gate,
                ..card(name, facts)
            })
            .unwrap();
            folder
        }

        fn add(&self, name: &str) -> VersionId {
            let name = self.versions().add(&self.make(name, 1.0, None)).unwrap();
            VersionId::Stored(name)
        }

        fn place(&self, name: &str) -> PathBuf {
            self.versions().folder.join(name)
        }

        fn files(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(self.versions().folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != LOCK)
                .collect();
            names.sort();
            names
        }

        fn serving(&self, base: &str, template: &str) -> Result<Serving> {
            self.versions()
                .serving(|| Ok(Some(base.to_owned())), |_| Ok(template.to_owned()))
        }
    }

    fn judged(against: &str, verdict: Verdict) -> Option<Judged> {
        let against = against.parse().unwrap();
        Some(Judged { against, verdict })
    }

    fn text<T: fmt::Debug>(result: Result<T>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    #[test]
    fn a_version_is_copied_in_under_its_name_and_served_when_it_is_active() {
        let host = host();
        assert!(matches!(
            host.serving("ba5e", "template").unwrap(),
            Serving::Base
        ));
        let v1 = host.add("v1");
        assert_eq!(host.versions().active().unwrap(), VersionId::Shipped);
        assert_eq!(
            host.versions().activate(&v1, true).unwrap(),
            VersionId::Shipped
        );
        assert_eq!(host.files(), ["active", "v1"]);
        let Serving::Version(id, version) = host.serving("ba5e", "template").unwrap() else {
            panic!("v1 was expected");
        };
        assert_eq!(id, v1);
        let found = &version.adapter.updates["blk.0.attn_q"];
        assert_eq!(found.a.to_vec2::<f32>().unwrap(), [[1.0; 4]; 2]);
        assert_eq!(version.card.adapter.matrices, ["attn_q".to_owned()].into());
    }

    #[test]
    fn without_a_verdict_that_it_is_better_a_version_needs_force() {
        let host = host();
        let versions = host.versions();
        let Verdict::Better(Comparison::Reward(figures)) = better() else {
            panic!("that is what it is");
        };
        let not_better = Verdict::NotBetter(Comparison::Reward(RewardComparison {
            gain_interval: [-0.1, 0.1],
            ..figures
        }));
        let not_enough = Verdict::NotEnoughRounds { rounds: 3 };
        for (name, gate, expected) in [
            (
                "a",
                None,
                "train it with --gate, or activate it with --force",
            ),
            ("b", judged("shipped", not_better), "not better than"),
            ("c", judged("shipped", not_enough), "not enough to tell"),
            (
                "d",
                judged("other", better()),
                "with other, but shipped is active",
            ),
        ] {
            let id = VersionId::Stored(versions.add(&host.make(name, 1.0, gate)).unwrap());
            let error = text(versions.activate(&id, false));
            assert!(error.contains(expected), "{error}");
            assert_eq!(versions.active().unwrap(), VersionId::Shipped);
        }
        let gate = judged("shipped", better());
        let id = VersionId::Stored(versions.add(&host.make("e", 1.0, gate)).unwrap());
        versions.activate(&id, false).unwrap();
        assert_eq!(versions.active().unwrap(), id);
    }

    #[test]
    fn base_and_shipped_need_no_verdict() {
        let host = host();
        let versions = host.versions();
        versions.activate(&VersionId::Base, false).unwrap();
        assert_eq!(versions.active().unwrap(), VersionId::Base);
        versions.activate(&VersionId::Shipped, false).unwrap();
        assert_eq!(versions.active().unwrap(), VersionId::Shipped);
    }

    #[test]
    fn rolling_back_goes_through_all_that_were_active() {
        let host = host();
        let versions = host.versions();
        let (v1, v2) = (host.add("v1"), host.add("v2"));
        assert!(text(versions.rollback()).contains("no reward version to go back to"));
        for id in [&v1, &v2, &v2] {
            versions.activate(id, true).unwrap();
        }
        for (from, to) in [(&v2, &v1), (&v1, &VersionId::Shipped)] {
            let done = versions.rollback().unwrap();
            assert_eq!((&done.from, &done.to), (from, to));
            assert_eq!(versions.active().unwrap(), *to);
        }
        assert!(versions.rollback().is_err());
        assert_eq!(versions.active().unwrap(), VersionId::Shipped);
    }

    #[test]
    fn the_latest_versions_that_served_are_kept_and_the_active_one() {
        let host = host();
        let versions = host.versions();
        let ids: Vec<VersionId> = (1..=6).map(|n| host.add(&format!("reward-{n}"))).collect();
        for id in [&ids[1], &ids[2], &ids[0]] {
            versions.activate(id, true).unwrap();
        }
        let remove = |kept, in_use: &[&str]| -> Vec<String> {
            let in_use = in_use.iter().map(|name| name.parse().unwrap()).collect();
            let removed = versions.remove_all_but(kept, &in_use, |_| Ok(())).unwrap();
            removed.iter().map(ToString::to_string).collect()
        };
        assert!(remove(6, &[]).is_empty());
        assert!(remove(5, &["reward-4"]).is_empty());
        // Those that never served go before those that can be gone back to.
        assert_eq!(remove(4, &["reward-4"]), ["reward-5"]);
        let removed = remove(1, &["reward-1", "reward-4"]);
        assert_eq!(removed, ["reward-6", "reward-2", "reward-3"]);
        assert_eq!(host.files(), ["active", "reward-1", "reward-4"]);
        assert_eq!(remove(1, &[]), ["reward-4"]);
        assert!(remove(0, &[]).is_empty());
        assert_eq!(versions.rollback().unwrap().to, VersionId::Shipped);
    }

    #[test]
    fn a_version_that_is_discarded_leaves_the_one_before_active() {
        let host = host();
        let versions = host.versions();
        for name in ["v1", "v2"] {
            versions.activate(&host.add(name), true).unwrap();
        }
        let name = "v2".parse().unwrap();
        let made = host.make("v2", 1.0, None);
        let adapters = versions.adapters().unwrap();
        let removed = RefCell::new(Vec::new());
        let remove = |adapter: &str| {
            assert!(
                host.files().contains(&"v2".to_owned()),
                "it is the last to go"
            );
            removed.borrow_mut().push(adapter.to_owned());
            Ok(())
        };
        // Another one of that name.
        let other = host.make("v2", 0.5, None);
        versions.discard(&name, &other, remove).unwrap();
        versions.discard(&name, host.made.path(), remove).unwrap();
        assert_eq!(host.files(), ["active", "v1", "v2"]);
        // By the version, what was made of it is found again.
        let cannot = |_: &str| anyhow::bail!("in use");
        versions.discard(&name, &made, cannot).unwrap_err();
        versions.discard(&name, &made, remove).unwrap();
        assert_eq!(removed.borrow().len(), 1);
        assert!(adapters.contains(&removed.borrow()[0]));
        assert_eq!(host.files(), ["active", "v1"]);
        assert_eq!(versions.active().unwrap().to_string(), "v1");
        assert_eq!(versions.rollback().unwrap().to, VersionId::Shipped);
        versions.discard(&name, &made, remove).unwrap();
    }

    #[test]
    fn a_guild_has_versions_of_its_own_until_they_are_removed() {
        let host = host();
        let of = |guild| Versions::of_guild(Kind::Reward, host.data.path(), Guild(guild));
        let folder = host.make("reward-1", 1.0, None);
        let name = VersionId::Stored(of(1).add(&folder).unwrap());
        of(1).activate(&name, true).unwrap();
        assert_eq!(of(1).active().unwrap(), name);
        assert_eq!(of(2).active().unwrap(), VersionId::Shipped);
        assert_eq!(host.versions().active().unwrap(), VersionId::Shipped);
        assert_eq!(host.versions().list().unwrap().len(), 2);
        remove_guild(host.data.path(), Guild(1)).unwrap();
        assert_eq!(of(1).active().unwrap(), VersionId::Shipped);
        remove_guild(host.data.path(), Guild(1)).unwrap();
    }

    #[test]
    fn rolling_back_leaves_out_what_is_damaged() {
        let host = host();
        let versions = host.versions();
        for name in ["v1", "v2"] {
            versions.activate(&host.add(name), true).unwrap();
        }
        fs::remove_dir_all(host.place("v1")).unwrap();
        let done = versions.rollback().unwrap();
        assert_eq!(done.to, VersionId::Shipped);
        assert_eq!(done.skipped.len(), 1);
        assert!(done.skipped[0].1.contains("holds no card.json"));
    }

    #[test]
    fn a_damaged_version_is_an_error_that_names_the_way_out() {
        let host = host();
        let versions = host.versions();
        let v1 = host.add("v1");
        versions.activate(&v1, true).unwrap();
        let place = host.place("v1");
        let whole = VersionFiles::read(&place).unwrap();
        let damage: [(&str, &dyn Fn()); 5] = [
            ("holds no adapter.safetensors", &|| {
                fs::remove_file(place.join(ADAPTER)).unwrap();
            }),
            ("is not the card's", &|| {
                fs::write(place.join(ADAPTER), &whole.adapter[..99]).unwrap();
            }),
            ("card.json cannot be read", &|| {
                fs::write(place.join(CARD), &whole.card[..99]).unwrap();
            }),
            ("card.json is that of reward v2", &|| {
                let other = String::from_utf8(whole.card.clone()).unwrap();
                fs::write(place.join(CARD), other.replace("\"v1\"", "\"v2\"")).unwrap();
            }),
            ("holds no card.json", &|| {
                fs::remove_dir_all(&place).unwrap();
            }),
        ];
        for (expected, damage) in damage {
            versions.put(&whole, &place).unwrap();
            damage();
            let error = text(host.serving("ba5e", "template"));
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("accord models rollback reward"), "{error}");
            let listed = versions.list().unwrap();
            let v1 = listed.iter().find(|listed| listed.id == v1).unwrap();
            assert!(v1.active && v1.card.is_err());
        }
        // Its folder, activated again, mends it.
        versions.add(&host.make("v1", 1.0, None)).unwrap();
        host.serving("ba5e", "template").unwrap();
    }

    #[test]
    fn weights_that_are_not_finite_are_refused() {
        let host = host();
        let folder = host.make("v1", f32::NAN, None);
        assert!(text(host.versions().add(&folder)).contains("not finite"));
    }

    #[test]
    fn another_version_of_the_same_name_is_refused_and_a_new_card_is_taken() {
        let host = host();
        let versions = host.versions();
        host.add("v1");
        let error = text(versions.add(&host.make("v1", 2.0, None)));
        assert!(error.contains("another reward version v1"), "{error}");
        let gate = judged("shipped", better());
        let name = versions.add(&host.make("v1", 1.0, gate)).unwrap();
        versions.activate(&VersionId::Stored(name), false).unwrap();
    }

    #[test]
    fn what_a_crash_left_is_not_listed_and_goes_with_the_next_change() {
        let host = host();
        let v1 = host.add("v1");
        let leftover = host.place(".tmp-abc").join("new");
        fs::create_dir_all(&leftover).unwrap();
        fs::write(leftover.join(CARD), "{").unwrap();
        fs::write(host.place(".tmp-def"), "{").unwrap();
        let ids: Vec<VersionId> = host
            .versions()
            .list()
            .unwrap()
            .into_iter()
            .map(|listed| listed.id)
            .collect();
        assert_eq!(ids, [VersionId::Base, VersionId::Shipped, v1.clone()]);
        host.versions().activate(&v1, true).unwrap();
        assert_eq!(host.files(), ["active", "v1"]);
    }

    #[test]
    fn a_damaged_record_of_the_active_version_can_be_chosen_anew() {
        let host = host();
        let v1 = host.add("v1");
        fs::write(host.place(ACTIVE), "{\"format\": 1, \"act").unwrap();
        let error = text(host.serving("ba5e", "template"));
        assert!(
            error.contains("accord models activate reward shipped"),
            "{error}"
        );
        host.versions()
            .activate(&VersionId::Shipped, false)
            .unwrap();
        assert_eq!(host.versions().active().unwrap(), VersionId::Shipped);
        fs::write(host.place(ACTIVE), "").unwrap();
        host.versions().activate(&v1, true).unwrap();
        assert_eq!(host.versions().active().unwrap(), v1);
    }

    #[test]
    fn names_that_are_reserved_or_lead_elsewhere_are_refused() {
        for name in [
            "", "base", "Shipped", "ACTIVE", ".", "..", "../x", "a/b", "a\\b", "/etc", ".tmp-x",
            "a b", "é", "x.", "-x", "a\n",
        ] {
            assert!(name.parse::<VersionName>().is_err(), "{name}");
        }
        assert!("a".repeat(65).parse::<VersionName>().is_err());
        for name in ["v1", "2026-11-25_rank16", "a"] {
            assert_eq!(name.parse::<VersionName>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_version_of_another_kind_is_refused() {
        let host = host();
        let folder = host.make("v1", 1.0, None);
        let generators = Versions::new(Kind::Generator, host.data.path(), None);
        assert!(text(generators.add(&folder)).contains("holds a reward version"));
    }

    #[test]
    fn on_another_base_model_the_shipped_version_steps_back_and_an_activated_one_is_an_error() {
        let host = host();
        let shipped = VersionFiles::read(&host.make("v1", 1.0, None)).unwrap();
        let versions = Versions::new(Kind::Reward, host.data.path(), Some(shipped));
        let serving = |base: Option<&str>, template: &str| {
            versions.serving(|| Ok(base.map(str::to_owned)), |_| Ok(template.to_owned()))
        };
        for base in [Some("0ther"), None] {
            let Serving::ShippedForAnother { trained_on } = serving(base, "own").unwrap() else {
                panic!("the base model was expected");
            };
            assert_eq!(trained_on, "tiny");
        }
        assert!(matches!(
            serving(Some("ba5e"), "template").unwrap(),
            Serving::Version(VersionId::Shipped, _)
        ));
        assert!(text(serving(Some("ba5e"), "own")).contains("prompts/rating.j2 is not"));

        versions.activate(&host.add("v1"), true).unwrap();
        let error = text(serving(Some("0ther"), "template"));
        assert!(error.contains("v1 was trained on tiny"), "{error}");
        assert!(error.contains("accord models rollback reward"), "{error}");
        assert!(text(serving(Some("ba5e"), "own")).contains("prompts/rating.j2 is not"));
    }

    #[test]
    fn the_base_model_needs_no_hash() {
        let host = host();
        let versions = host.versions();
        versions.activate(&VersionId::Base, false).unwrap();
        let serving = versions.serving(|| bail!("not asked"), |_| bail!("not asked"));
        assert!(matches!(serving.unwrap(), Serving::Base));
    }
}
