//! What an experiment was begun with, so that it goes on with nothing else.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use accord::inference::model_files::write_file;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

/// What stands in `settings.json`, by part.
pub struct Begun {
    folder: PathBuf,
    parts: Map<String, Value>,
}

const SETTINGS: &str = "settings.json";

impl Begun {
    /// # Errors
    /// A file that is damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(SETTINGS);
        let parts = match fs::read(&path) {
            Ok(content) => serde_json::from_slice(&content)
                .with_context(|| format!("{} is damaged; choose another folder", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Map::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Ok(Self {
            folder: folder.to_owned(),
            parts,
        })
    }

    /// A part may become another as long as `logs`, which depend on it, have no row: so drafts can be
    /// judged again, in a folder that has no judgements.
    ///
    /// # Errors
    /// Another part than that with which a log was begun, or a log of which it is not known with what.
    pub fn go_on(&mut self, part: &str, logs: &[&str], with: Value) -> Result<()> {
        let before = self.parts.get(part);
        if before == Some(&with) {
            return Ok(());
        }
        let folder = self.folder.display();
        let has_rows =
            |log: &&&str| fs::metadata(self.folder.join(log)).is_ok_and(|log| log.len() > 0);
        if let Some(log) = logs.iter().find(has_rows) {
            let Some(before) = before else {
                bail!(
                    "{SETTINGS} in {folder} does not say with which settings ({part}) {log} was made: copy it from where that was made, or choose another folder"
                );
            };
            let mut changed = part.to_owned();
            if let Value::Object(with) = &with {
                let others = with
                    .iter()
                    .filter(|(name, value)| before.get(name) != Some(value));
                let others: Vec<&str> = others.map(|(name, _)| &**name).collect();
                changed = format!("{part}: {}", others.join(", "));
            }
            bail!(
                "the experiment in {folder} was begun with other settings ({changed}): set them back, or choose another folder"
            );
        }
        self.parts.insert(part.to_owned(), with);
        let content = Value::Object(self.parts.clone()).to_string();
        write_file(&self.folder, SETTINGS, content.as_bytes())
            .with_context(|| format!("cannot write in {folder}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LOG: &str = "log.jsonl";

    fn go_on(folder: &Path, with: Value) -> Result<(), String> {
        let mut begun = Begun::read(folder).unwrap();
        let done = begun.go_on("writing", &["other.jsonl", LOG], with);
        done.map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_made_with_some_settings_is_not_gone_on_with_others() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        go_on(folder, json!({ "seed": 1, "top_p": 0.8 })).unwrap();
        go_on(folder, json!({ "seed": 2, "top_p": 0.8 })).unwrap();
        fs::write(folder.join(LOG), "{}\n").unwrap();
        go_on(folder, json!({ "seed": 2, "top_p": 0.8 })).unwrap();
        let error = go_on(folder, json!({ "seed": 1, "top_p": 0.8 })).unwrap_err();
        assert!(error.contains("other settings (writing: seed)"), "{error}");
        // Of another part nothing was made.
        let mut begun = Begun::read(folder).unwrap();
        begun
            .go_on("judge", &["judge.jsonl"], json!("one"))
            .unwrap();
        begun
            .go_on("judge", &["judge.jsonl"], json!("other"))
            .unwrap();
    }

    #[test]
    fn drafts_that_were_copied_without_their_settings_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOG), "{}\n").unwrap();
        let error = go_on(folder.path(), json!({ "seed": 1 })).unwrap_err();
        assert!(
            error.contains("(writing) log.jsonl was made: copy it"),
            "{error}"
        );
    }
}
