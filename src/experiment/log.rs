//! What models made, kept as it comes: a row a line, and never written again.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A file of JSON lines, each under the key of the deliberation that it is about.
#[derive(Debug)]
pub struct Log<T> {
    file: File,
    /// By key.
    pub rows: HashMap<String, T>,
}

#[derive(Serialize, Deserialize)]
struct Line<K, T> {
    key: K,
    #[serde(flatten)]
    row: T,
}

impl<T: Serialize + DeserializeOwned> Log<T> {
    /// Reads what is there. A last line that is torn, since its writer was killed, is cut off.
    ///
    /// # Errors
    /// A file that cannot be read or written, or that holds something else.
    pub fn open(path: &Path) -> Result<Self> {
        let content = match fs::read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let whole = content.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |end| end + 1);
        let mut rows = HashMap::new();
        let lines = content[..whole].split(|byte| *byte == b'\n');
        for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.is_empty()) {
            let Line { key, row } = serde_json::from_slice(line).with_context(|| {
                format!(
                    "line {number} of {} is damaged: remove the line, and it is made again",
                    path.display()
                )
            })?;
            rows.insert(key, row);
        }
        let open = || {
            let file = OpenOptions::new().append(true).create(true).open(path)?;
            file.set_len(whole as u64)?;
            std::io::Result::Ok(file)
        };
        let file = open().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file, rows })
    }

    /// Adds a row, which is on disk then. It is kept as it will be read again.
    ///
    /// # Errors
    /// A disk that is full.
    pub fn append(&mut self, key: &str, row: &T) -> Result<()> {
        let mut line = serde_json::to_vec(&Line { key, row })?;
        let Line { key, row }: Line<String, T> = serde_json::from_slice(&line)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.rows.insert(key, row);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    struct Row {
        ratings: Vec<f64>,
    }

    fn row(rating: f64) -> Row {
        Row {
            ratings: vec![rating],
        }
    }

    #[test]
    fn a_log_goes_on_after_a_line_that_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut log = Log::open(&path).unwrap();
        log.append("a", &row(1.5)).unwrap();
        log.append("b", &row(2.5)).unwrap();
        drop(log);
        let whole = fs::read(&path).unwrap();
        for torn in 1..whole.len() {
            fs::write(&path, &whole[..torn]).unwrap();
            let mut log = Log::<Row>::open(&path).unwrap();
            for (key, rating) in [("a", 1.5), ("b", 2.5)] {
                if !log.rows.contains_key(key) {
                    log.append(key, &row(rating)).unwrap();
                }
            }
            assert_eq!(fs::read(&path).unwrap(), whole, "torn at {torn}");
            assert_eq!(log.rows["b"], row(2.5));
        }
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        fs::write(&path, "{\"key\":\"a\",\"ratings\":[1]}\n{\"key\":\n").unwrap();
        let error = Log::<Row>::open(&path).unwrap_err();
        assert!(format!("{error:#}").starts_with("line 2 of "), "{error:#}");
    }
}
