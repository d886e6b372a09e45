//! Training by a process of its own, `accord train`: what it takes in memory and time is not the
//! bot's, and what becomes of it neither.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::TimeDelta;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

use super::{Control, Ended, Estimate, Order, Trainer};
use crate::deliberation::retraining::Model;
use crate::training::card::Kind;

/// Runs `accord train`.
#[derive(Clone, Debug)]
pub struct ChildTrainer {
    /// Accord itself.
    pub program: PathBuf,
    /// What it is told before the subcommand: where its settings are.
    pub arguments: Vec<OsString>,
    /// Variables beside those of this process.
    pub environment: Vec<(String, String)>,
    /// Memory for activations, in MiB.
    pub memory_mib: usize,
    /// How often the data are gone through: of the reward model, of the generator.
    pub epochs: [usize; 2],
    /// How large the model's file is, in bytes: of the reward model, of the generator. `None` for a
    /// model that is no local GGUF file, and only those are trained.
    pub model_bytes: [Option<u64>; 2],
}

/// A process that is asked to end has so long for the step that it is in; then it is killed, and
/// loses what it has learned since its last checkpoint.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

impl Trainer for ChildTrainer {
    fn train<'a>(
        &'a self,
        order: &'a Order,
        control: watch::Receiver<Control>,
        progress: &'a (dyn Fn(f64) + Send + Sync),
    ) -> BoxFuture<'a, Result<Ended>> {
        self.run(order, control, progress).boxed()
    }

    fn estimate(&self, model: Model, ratings: usize) -> Option<Estimate> {
        let of = place(model.into());
        let bytes = self.model_bytes[of]?;
        let mixed_in = ratings.max(FEWEST_MIXED_IN);
        let read = (ratings + mixed_in) * self.epochs[of] * PASSES;
        Some(Estimate {
            time: TimeDelta::milliseconds(RATING_MS * read as i64),
            // Once as it is, once with the adapter in it, in 32 bits each; a weight takes about 5
            // bits in the file.
            mib: (bytes * 13 / 1_048_576) as usize + self.memory_mib,
        })
    }
}

/// On two cores (docs/fine-tuning.md): 50 ratings take 7 to 9 seconds of training.
const RATING_MS: i64 = 160;
/// The version itself, and four times on three quarters of the data for the gate.
const PASSES: usize = 4;
/// `--mix shipped` mixes in as many ratings as there are, and at least so many.
const FEWEST_MIXED_IN: usize = 200;

impl ChildTrainer {
    async fn run(
        &self,
        order: &Order,
        mut control: watch::Receiver<Control>,
        progress: &(dyn Fn(f64) + Send + Sync),
    ) -> Result<Ended> {
        let mut child = self.start(order)?;
        let (input, output, errors) = pipes(&mut child)?;
        let mut input = Some(input);
        let mut told = Control::Go;
        let follow = follow(output, progress);
        let complaint = last_error(errors);
        let ending = async { tokio::join!(child.wait(), follow, complaint) };
        tokio::pin!(ending);
        let (status, learned, complaint) = loop {
            let wanted = *control.borrow_and_update();
            if wanted != told {
                told = wanted;
                tell(&mut input, wanted).await;
            }
            tokio::select! {
                (status, learned, complaint) = &mut ending => break (status?, learned, complaint),
                // Whoever ordered it is gone: it is dropped at once, and killed.
                changed = control.changed() => changed.context("nobody wants it any more")?,
                () = tokio::time::sleep(ENDS_WITHIN), if told == Control::Stop => {
                    tracing::warn!("a training did not end when it was asked to, and is killed");
                    return Ok(Ended::Stopped);
                }
            }
        };
        outcome(status, told, learned, complaint)
    }

    fn start(&self, order: &Order) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg("train")
            .arg(order.kind.to_string());
        for file in &order.data {
            command.arg("--data").arg(file);
        }
        command
            .args(["--mix", "shipped", "--start", "shipped"])
            .args(["--gate", "--controlled"])
            .args(["--description", &order.description]);
        if let Some(folder) = &order.against {
            command.arg("--against").arg(folder);
        }
        let memory = self.memory_mib.to_string();
        let child = command
            .arg("--out")
            .arg(&order.out)
            .env("ACCORD_TRAINING__REWARD__MEMORY_MIB", &memory)
            .env("ACCORD_TRAINING__GENERATOR__MEMORY_MIB", &memory)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // If the bot dies, the end of its standard input ends it.
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        Ok(child)
    }
}

/// The place of a kind in what is known of both.
fn place(kind: Kind) -> usize {
    match kind {
        Kind::Reward => 0,
        Kind::Generator => 1,
    }
}

fn pipes(child: &mut Child) -> Result<(ChildStdin, ChildStdout, ChildStderr)> {
    let input = child.stdin.take();
    let outputs = child.stdout.take().zip(child.stderr.take());
    let ((output, errors), input) = outputs.zip(input).context("a process without pipes")?;
    Ok((input, output, errors))
}

/// Whether it hears that is seen when it ends.
async fn tell(input: &mut Option<ChildStdin>, wanted: Control) {
    let line: &[u8] = match wanted {
        Control::Go => b"resume\n",
        Control::Pause => b"pause\n",
        Control::Stop => {
            *input = None;
            return;
        }
    };
    if let Some(input) = input {
        let _ = input.write_all(line).await;
        let _ = input.flush().await;
    }
}

/// Reads what it says of its progress, to the end; whether it learned anything, as far as it says.
async fn follow(output: ChildStdout, progress: &(dyn Fn(f64) + Send + Sync)) -> bool {
    #[derive(Deserialize)]
    struct Line {
        event: Option<String>,
        progress: f64,
    }
    let mut learned = true;
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(line) = serde_json::from_str::<Line>(&line) {
            progress(line.progress);
            learned &= line.event.as_deref() != Some("no_progress");
        }
    }
    learned
}

/// The last error that it names, without anything else that it says: rows of data may be in it.
async fn last_error(errors: ChildStderr) -> Option<String> {
    let mut last = None;
    let mut lines = BufReader::new(errors).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(error) = line.strip_prefix("error: ") {
            last = Some(error.to_owned());
        }
    }
    last
}

fn outcome(
    status: ExitStatus,
    told: Control,
    learned: bool,
    complaint: Option<String>,
) -> Result<Ended> {
    /// `accord train` was interrupted, perhaps by what ends the bot too, before the bot told it.
    const INTERRUPTED: i32 = 130;
    match status.code() {
        Some(0) => Ok(Ended::Finished),
        _ if !learned => Ok(Ended::NothingLearned),
        Some(INTERRUPTED) => Ok(Ended::Stopped),
        // However: its last step may fail, and it may be killed.
        _ if told == Control::Stop => Ok(Ended::Stopped),
        _ => bail!(
            "accord train ended with {status}: {}",
            complaint.as_deref().unwrap_or("it does not say why")
        ),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Mutex;

    use tempfile::TempDir;

    use super::*;

    /// A program that stands for `accord train`.
    fn program(script: &str) -> (ChildTrainer, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("accord");
        std::fs::write(&file, script).unwrap();
        let trainer = ChildTrainer {
            // Itself it could not be run while the child of another test still has it open.
            program: "/bin/sh".into(),
            arguments: vec![file.into(), "--config".into(), "mine.toml".into()],
            environment: vec![("ACCORD_X".to_owned(), "7".to_owned())],
            memory_mib: 500,
            epochs: [1, 2],
            model_bytes: [Some(98_362_432), None],
        };
        (trainer, folder)
    }

    fn order(kind: Kind) -> Order {
        Order {
            kind,
            data: vec!["a.jsonl".into(), "b.jsonl".into()],
            out: "reward-1".into(),
            against: Some("versions/reward-0".into()),
            description: "ratings".to_owned(),
        }
    }

    async fn train(trainer: &ChildTrainer, order: &Order) -> (Result<Ended>, Vec<f64>) {
        let shares = Mutex::new(Vec::new());
        let (_control, seen) = watch::channel(Control::Go);
        let progress = |share| shares.lock().unwrap().push(share);
        let ended = trainer.train(order, seen, &progress).await;
        (ended, shares.into_inner().unwrap())
    }

    #[tokio::test]
    async fn it_is_told_what_to_train_and_tells_how_far_it_is() {
        let (trainer, folder) = program(
            r#"echo "$@" > "$(dirname "$0")/told"
            echo "$ACCORD_X $ACCORD_TRAINING__REWARD__MEMORY_MIB" >> "$(dirname "$0")/told"
            echo '{"event":"step","progress":0.25,"loss":1.5}'
            echo 'something else'
            echo '{"event":"finished","progress":1.0}'"#,
        );
        let (ended, shares) = train(&trainer, &order(Kind::Reward)).await;
        assert_eq!(ended.unwrap(), Ended::Finished);
        assert_eq!(shares, [0.25, 1.0]);
        let told = std::fs::read_to_string(folder.path().join("told")).unwrap();
        assert_eq!(
            told,
            "--config mine.toml train reward --data a.jsonl --data b.jsonl --mix shipped \
             --start shipped --gate --controlled --description ratings --against versions/reward-0 \
             --out reward-1\n7 500\n"
        );
    }

    #[tokio::test]
    async fn why_it_failed_is_its_last_error_and_no_row_of_the_data() {
        let (trainer, _folder) = program(
            r#"echo 'error: too little memory' >&2
            echo '{"line":1,"error":"what somebody wrote"}' >&2
            exit 1"#,
        );
        let (ended, _) = train(&trainer, &order(Kind::Reward)).await;
        let error = ended.unwrap_err().to_string();
        assert!(error.ends_with("1: too little memory"), "{error}");
    }

    #[tokio::test]
    async fn it_is_paused_resumed_and_stopped_by_its_standard_input() {
        let (trainer, _folder) = program(
            r#"echo '{"progress":0.1}'
            read line; [ "$line" = pause ] && echo '{"progress":0.2}'
            read line; [ "$line" = resume ] && echo '{"progress":0.3}'
            read line || exit 130"#,
        );
        let (control, seen) = watch::channel(Control::Go);
        let order = order(Kind::Generator);
        let progress = |share: f64| {
            control.send_replace(match share {
                0.1 => Control::Pause,
                0.2 => Control::Go,
                _ => Control::Stop,
            });
        };
        let ended = trainer.train(&order, seen, &progress).await;
        assert_eq!(ended.unwrap(), Ended::Stopped);
    }

    #[tokio::test]
    async fn one_that_was_killed_has_failed() {
        let (trainer, _folder) = program("kill -9 $$");
        let (ended, _) = train(&trainer, &order(Kind::Reward)).await;
        assert!(ended.unwrap_err().to_string().contains("signal: 9"));
    }

    #[tokio::test]
    async fn one_that_learned_nothing_has_not_failed() {
        let (trainer, _folder) = program(
            r#"echo '{"event":"no_progress","part":"final","progress":0.2}'
            echo 'error: no step lowered the loss' >&2
            exit 1"#,
        );
        let (ended, shares) = train(&trainer, &order(Kind::Reward)).await;
        assert_eq!(ended.unwrap(), Ended::NothingLearned);
        assert_eq!(shares, [0.2]);
    }

    #[tokio::test]
    async fn one_that_was_stopped_has_not_failed_however_it_ended() {
        for ending in ["exit 1", "kill -15 $$"] {
            let (trainer, _folder) = program(&format!("read line; {ending}"));
            let (_control, seen) = watch::channel(Control::Stop);
            let ended = trainer.train(&order(Kind::Reward), seen, &|_| {}).await;
            assert_eq!(ended.unwrap(), Ended::Stopped, "{ending}");
        }
        // What ends the bot may reach it first.
        let (trainer, _folder) = program("exit 130");
        let (ended, _) = train(&trainer, &order(Kind::Reward)).await;
        assert_eq!(ended.unwrap(), Ended::Stopped);
    }

    #[test]
    fn more_ratings_take_longer() {
        let (trainer, _folder) = program("");
        let of = |ratings| trainer.estimate(Model::RewardModel, ratings).unwrap();
        let few = of(100);
        assert_eq!(few.time, TimeDelta::milliseconds(300 * 4 * 160));
        assert!((1500..2000).contains(&few.mib), "{}", few.mib);
        assert_eq!(of(1000).time, TimeDelta::milliseconds(2000 * 4 * 160));
    }

    #[test]
    fn only_a_local_file_is_trained() {
        let (trainer, _folder) = program("");
        assert_eq!(trainer.estimate(Model::Generator, 100), None);
    }
}
