//! Parses, wires and prints: one file a subcommand.

mod backup;
mod ballots;
mod bar;
mod bench;
mod bot;
mod completions;
mod deliberate;
mod doctor;
mod engines;
mod erase;
mod evaluate;
mod experiment;
mod export;
mod import;
mod input;
mod models;
mod rate;
mod report;
mod restore;
mod store;
mod train;

use std::fmt::Display;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use accord::config::{Config, LogFormat};
use accord::inference::model_files::write_file;
use accord::suggestion::path_or_similar;
use anstream::{AutoStream, ColorChoice};
use anyhow::{Context, Result, bail, ensure};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Find a statement that a group with diverse views can agree on
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  accord deliberate config/examples/night-buses.toml   # find a statement
  accord doctor                                        # what would go wrong here
  accord bot                                           # run rounds on Discord
  accord help deliberate                               # more of one command, with examples"
)]
struct Cli {
    /// Settings that override the defaults (TOML)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bot(bot::Args),
    Deliberate(deliberate::Args),
    Rate(rate::Args),
    Train(Box<train::Args>),
    Evaluate(evaluate::Args),
    Experiment(experiment::Args),
    Ballots(ballots::Args),
    Models(models::Args),
    Import(import::Args),
    Export(export::Args),
    Report(report::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Erase(erase::Args),
    Bench(bench::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
}

/// Set when the user asks to stop; work that blocks looks at it.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Exit code 0: done; 1: failed, or some input could not be used; 2: wrong usage; 130:
/// interrupted.
// Not in `main`, where the processor is yet to be checked.
#[inline(never)]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            error.exit()
        }
        Err(error) if error.use_stderr() => {
            eprintln!(
                "{}; see accord --help",
                wrong_usage(&error.render().to_string())
            );
            return ExitCode::from(2);
        }
        Err(help) => help.exit(),
    };
    match start(cli) {
        Ok(code) => code,
        // Whoever read the results has seen enough: `accord rate FILE | head -1`.
        Err(error) if is_closed_pipe(&error) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// Prints a result.
fn say(line: impl Display) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{line}").context("cannot write to standard output")
}

/// Writes a file of results: under its name it is whole.
fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    check_folder(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    write_file(folder_of(path), &name, content)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Whether there is a folder for a file: asked before models work for minutes.
fn check_folder(file: &Path) -> Result<()> {
    let folder = folder_of(file);
    ensure!(
        folder.is_dir(),
        "cannot write {}: there is no folder {}",
        file.display(),
        path_or_similar(folder)
    );
    Ok(())
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// What is wrong, and what was meant where clap can guess it, on one line: clap tells it over
/// several, with the usage.
fn wrong_usage(told: &str) -> String {
    let mut parts = told.split("\n\n");
    let what = parts.next();
    let tips = parts.filter_map(|part| part.trim_start().strip_prefix("tip: "));
    let lines = what.into_iter().chain(tips);
    let lines: Vec<String> = lines
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.join("; ")
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// An error and its causes. candle's carry a backtrace where `RUST_BACKTRACE` is set.
fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("0: "))
        .collect();
    lines.join(" ")
}

/// Errors and warnings; a bot also tells what it does.
fn start_log(command: &Command, config: Option<&Config>) {
    let ours = match command {
        Command::Bot(_) => "warn,accord=info",
        _ => "warn",
    };
    // mistral.rs warns of settings that it changes by itself.
    let quiet = "mistralrs_core=error,mistralrs_quant=error";
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{ours},{quiet}")));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // By the same rules as the colors of --help: NO_COLOR, CLICOLOR, and whether it is a terminal.
        .with_ansi(AutoStream::choice(&stderr()) != ColorChoice::Never)
        .with_writer(stderr);
    match config.map(|config| config.log.format) {
        Some(LogFormat::Json) => log.json().init(),
        Some(LogFormat::Human) | None => log.init(),
    }
}

fn start(cli: Cli) -> Result<ExitCode> {
    match dotenvy::dotenv() {
        // The error would show the line, which may hold the token.
        Err(dotenvy::Error::LineParse(..)) => {
            bail!("a line of .env is not KEY=value; put a value with spaces into quotes")
        }
        Err(error) if !error.not_found() => return Err(error).context("cannot read .env"),
        _ => {}
    }
    let settings = cli.config;
    let config = Config::load(settings.as_deref());
    start_log(&cli.command, config.as_ref().ok());
    if let Command::Train(args) = &cli.command {
        args.begin();
    }
    // Two threads at least: after some failures serenity keeps one busy until its next heartbeat.
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    let finished = runtime.block_on(async {
        let asked_to_stop = match cli.command {
            Command::Train(_) => Some("stopping after this step; interrupt again to stop at once"),
            Command::Bot(_) => Some("stopping; interrupt again to stop at once"),
            _ => None,
        };
        let command = async {
            match cli.command {
                Command::Bot(args) => bot::run(args, &config?, settings).await,
                Command::Doctor(args) => doctor::run(args, config).await,
                Command::Deliberate(args) => deliberate::run(args, &config?).await,
                Command::Rate(args) => rate::run(args, &config?).await,
                Command::Train(args) => train::run(*args, &config?).await,
                Command::Evaluate(args) => evaluate::run(args, &config?).await,
                Command::Experiment(args) => experiment::run(args, &config?, settings).await,
                Command::Ballots(args) => ballots::run(args).await,
                Command::Models(args) => models::run(args, &config?).await,
                Command::Import(args) => import::run(args, &config?).await,
                Command::Export(args) => export::run(args, &config?).await,
                Command::Report(args) => report::run(args, &config?).await,
                Command::Backup(args) => backup::run(args, &config?).await,
                Command::Restore(args) => restore::run(args, &config?).await,
                Command::Erase(args) => erase::run(args, &config?).await,
                Command::Bench(args) => bench::run(args, &config?).await,
                Command::Completions(args) => completions::run(args, Cli::command()),
            }
        };
        tokio::pin!(command);
        tokio::select! {
            finished = &mut command => return Some(finished),
            _ = tokio::signal::ctrl_c() => INTERRUPTED.store(true, Ordering::Relaxed),
        }
        // These stop by themselves, and leave nothing half done.
        eprintln!("{}", asked_to_stop?);
        tokio::select! {
            finished = &mut command => Some(finished),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    INTERRUPTED.store(true, Ordering::Relaxed);
    // Long enough for whoever is writing a file to remove it.
    runtime.shutdown_timeout(Duration::from_millis(500));
    finished.unwrap_or_else(|| {
        eprintln!("interrupted");
        Ok(ExitCode::from(130))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that does something, with its path.
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        if !command.has_subcommands() {
            found.push((path.to_owned(), command.clone()));
        }
        for subcommand in command.get_subcommands() {
            let path = format!("{path} {}", subcommand.get_name());
            leaves(subcommand, &path, found);
        }
    }

    /// The commands of Accord in a text.
    fn examples(text: &str) -> Vec<String> {
        text.lines()
            .flat_map(|line| line.split(" | "))
            .map(str::trim)
            .filter(|part| part.starts_with("accord "))
            .map(|part| part.split(['>', '#']).next().unwrap_or(part).to_owned())
            .collect()
    }

    #[test]
    fn every_command_has_examples_and_they_are_right() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "accord", &mut found);
        found.push(("accord".to_owned(), Cli::command()));
        assert!(found.len() > 20, "{}", found.len());
        for (path, command) in found {
            let help = command.get_after_help();
            let help = help
                .unwrap_or_else(|| panic!("{path} has no examples"))
                .to_string();
            let examples = examples(&help);
            assert!(
                examples.iter().any(|example| example.starts_with(&path)),
                "no example of {path} in {help:?}"
            );
            for example in examples {
                let words = shlex::split(&example).unwrap();
                for word in words.iter().filter(|word| word.starts_with("config/")) {
                    assert!(Path::new(word).exists(), "{example}");
                }
                match Cli::try_parse_from(&words) {
                    Err(error) if error.kind() != ErrorKind::DisplayHelp => {
                        panic!("{example}: {error}")
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn the_definition_of_the_commands_holds_together() {
        Cli::command().debug_assert();
    }
}
