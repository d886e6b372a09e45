//! A data folder with the embedded model, and Accord on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use accord::deliberation::record::Deliberation;
use serde_json::Value;
use tempfile::TempDir;

use crate::support;

pub struct Host {
    data: TempDir,
}

impl Host {
    /// Whose shipped corpus and held-out set are these.
    pub fn new(corpus: &[Deliberation], held_out: &[Deliberation]) -> Self {
        let host = Self {
            data: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(host.path("models")).unwrap();
        let original = support::original_gguf();
        for file in [original.with_extension("gguf.json"), original] {
            let copy = host.path("models").join(file.file_name().unwrap());
            fs::hard_link(&file, &copy)
                .or_else(|_| fs::copy(&file, &copy).map(drop))
                .unwrap();
        }
        fs::create_dir(host.path("data")).unwrap();
        host.write("data/deliberations.jsonl", corpus);
        host.write("data/deliberations-held-out.jsonl", held_out);
        host
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    pub fn write(&self, name: &str, rows: &[Deliberation]) -> PathBuf {
        let lines: Vec<String> = rows
            .iter()
            .map(|row| serde_json::to_string(row).unwrap())
            .collect();
        let path = self.path(name);
        fs::write(&path, lines.join("\n")).unwrap();
        path
    }

    pub fn accord(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_accord"))
            .args(arguments)
            .env("ACCORD_DATA_DIR", self.data.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Trains from the shipped reward model, with the shipped corpus mixed in; `None` where no step
    /// lowered the validation loss.
    pub fn train(
        &self,
        name: &str,
        data: &Path,
        epochs: Option<usize>,
        more: &[&str],
    ) -> Option<Value> {
        let out = self.path(name);
        let data = data.to_str().unwrap();
        let epochs = epochs.map(|epochs| epochs.to_string());
        let mut arguments = vec!["train", "reward", "--data", data];
        arguments.extend(["--mix", "shipped", "--start", "shipped"]);
        arguments.extend(["--out", out.to_str().unwrap()]);
        if let Some(epochs) = &epochs {
            arguments.extend(["--epochs", epochs]);
        }
        arguments.extend(more);
        let output = self.accord(&arguments);
        let events = String::from_utf8(output.stdout).unwrap();
        if events.contains("\"no_progress\"") {
            return None;
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let card = fs::read(out.join("card.json")).unwrap();
        Some(serde_json::from_slice(&card).unwrap())
    }

    /// The figures of `accord evaluate reward`.
    pub fn evaluate(&self, data: &Path) -> Value {
        let data = data.to_str().unwrap();
        let output = self.accord(&["evaluate", "reward", "--json", "--data", data]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
