//! The embedded default model, and the binary, as users have them.

#![allow(
    dead_code,
    reason = "every test file is a crate of its own and uses a part of this"
)]

pub mod bot;
pub mod community;
pub mod discord;
pub mod models;
#[cfg(unix)]
pub mod process;
pub mod random_model;
pub mod requests;
pub mod search;
pub mod town;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use accord::config::Config;
use accord::deliberation::record::Deliberation;
use accord::inference::model_files::{self, ModelFiles, ModelSource, ServingFormat};
use accord::inference::serving::ServedModel;

/// The default settings, and the data folder of this machine's user: tests use the model
/// that is cached there, and fetch it there when it is not.
pub fn config() -> Config {
    Config::load(None).unwrap()
}

pub fn night_buses() -> Deliberation {
    toml::from_str(include_str!("../../config/examples/night-buses.toml")).unwrap()
}

/// The embedded model as it is served.
pub fn embedded_gguf() -> PathBuf {
    embedded_in(ServingFormat::Q8_0)
}

/// The embedded model as it was trained, but for the rounding of its weights to Q4_1.
pub fn embedded_in_f32() -> PathBuf {
    embedded_in(ServingFormat::F32)
}

fn embedded_in(format: ServingFormat) -> PathBuf {
    let files = model_files::resolve(
        &ModelSource::Embedded,
        "models.generator",
        format,
        &config().data_dir,
        &mut |_| ControlFlow::Continue(()),
    );
    match files.unwrap() {
        ModelFiles::Gguf(path) => path,
        other => panic!("the embedded model is a GGUF file, not {other:?}"),
    }
}

/// The embedded model as it was fetched, in Q4_1.
pub fn original_gguf() -> PathBuf {
    embedded_gguf().with_file_name("SmolLM2-135M-Instruct.Q4_1.gguf")
}

pub async fn served_model() -> Arc<ServedModel> {
    Arc::new(
        ServedModel::load(&ModelFiles::Gguf(embedded_gguf()))
            .await
            .unwrap(),
    )
}

/// `accord` with few and short drafts, so that a test with the real model takes seconds. Which of
/// them end within their tokens depends on the machine, so they are drawn again more patiently.
pub fn accord(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accord"));
    command
        .args(arguments)
        .env("ACCORD_GENERATOR__CANDIDATES", "2")
        .env("ACCORD_GENERATOR__MAX_TOKENS", "40")
        .env("ACCORD_GENERATOR__REDRAWS", "30")
        .stdin(Stdio::null());
    command
}

/// Runs with `input` as standard input.
pub fn run_with_input(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

pub fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
