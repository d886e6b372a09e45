//! `accord bot` as hosts run it: a process of its own, which can be killed and started again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use accord::inference::model_files::models_dir;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::discord::FakeDiscord;

/// Where the bot runs: a data folder of its own, with the model files of this machine's user.
pub struct Host {
    folder: TempDir,
    settings: BTreeMap<&'static str, String>,
    /// In KiB.
    largest_file: Option<u32>,
}

impl Host {
    pub fn new() -> Self {
        // Fetched and prepared before anybody waits for the bot.
        super::embedded_gguf();
        let folder = tempfile::tempdir().unwrap();
        let models = models_dir(&super::config().data_dir);
        symlink(models, models_dir(folder.path())).unwrap();
        Self {
            folder,
            // Which drafts can be used depends on the machine: nobody's test is to fail for it.
            settings: BTreeMap::from([("ACCORD_GENERATOR__REDRAWS", 30.to_string())]),
            largest_file: None,
        }
    }

    /// No file may become larger, as if the disk were full, from its next start on.
    pub fn limit_files(&mut self, kib: u32) {
        self.largest_file = Some(kib);
    }

    /// Sets a variable of its environment, such as `ACCORD_GENERATOR__CANDIDATES`, from its next
    /// start on.
    pub fn set(&mut self, name: &'static str, value: impl ToString) {
        self.settings.insert(name, value.to_string());
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn store(&self) -> PathBuf {
        self.folder().join("store")
    }

    /// Everything that it has written to standard error and standard output.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("bot.log")
    }

    /// Starts the bot, which loads the models before it listens.
    pub fn start(&self, discord: &FakeDiscord) -> BotProcess {
        let log = || -> File {
            let mut options = OpenOptions::new();
            options.create(true).append(true);
            options.open(self.log_file()).unwrap()
        };
        let identified = discord.identified();
        let program = env!("CARGO_BIN_EXE_accord");
        let mut command = Command::new(program);
        if let Some(kib) = self.largest_file {
            // In blocks of 512 bytes; the signal would kill the process.
            let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", 2 * kib);
            command = Command::new("sh");
            command.args(["-c", &limit, program]);
        }
        let child = command
            .arg("bot")
            .current_dir(self.folder.path())
            .env("ACCORD_DATA_DIR", self.folder.path())
            .env("ACCORD_DISCORD__API_URL", discord.api_url())
            .env("ACCORD_DISCORD__GATEWAY_URL", discord.gateway_url())
            .env("DISCORD_TOKEN", discord.token())
            .envs(&self.settings)
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .unwrap();
        BotProcess {
            child,
            started: Instant::now(),
            identified,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the bot said:\n{}", self.log());
        }
    }
}

/// A bot that was started. It is killed when this is dropped.
pub struct BotProcess {
    child: Child,
    started: Instant,
    /// How often a bot had connected before.
    identified: usize,
}

impl BotProcess {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is connected; how long that took. Panics if it ends before.
    pub async fn listens(&mut self, discord: &FakeDiscord) -> Duration {
        let (started, before) = (self.started, self.identified);
        let connected = async {
            let again = || (discord.identified() > before).then_some(());
            discord.wait_until("the bot to connect", again).await;
            discord.wait_for_bot().await;
            started.elapsed()
        };
        tokio::select! {
            took = connected => took,
            never = self.runs() => never,
        }
    }

    /// Never ends, and panics if the bot does.
    pub async fn runs(&mut self) -> ! {
        let status = self.ends().await;
        panic!("the bot ended by itself with {status}");
    }

    /// With SIGKILL: it does not notice.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// With SIGTERM, as hosts stop it.
    pub async fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.ends().await
    }

    /// By itself.
    pub async fn ends(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for BotProcess {
    fn drop(&mut self) {
        // In vain if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
