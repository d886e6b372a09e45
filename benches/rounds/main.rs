//! What Accord promises of whole rounds, measured: the real bot with the real models, on a fake
//! Discord on this machine.
//!
//! ```text
//! cargo bench --bench rounds -- kill --times 50
//! cargo bench --bench rounds -- acknowledge
//! cargo bench --bench rounds -- retraining
//! cargo bench --bench rounds -- influence
//! ```

mod acknowledge;
mod influence;
mod kill;
mod people;
mod retraining;
#[path = "../../tests/support/mod.rs"]
mod support;
mod visits;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// `cargo bench` says so to every benchmark.
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Kill the bot at random moments of scripted rounds: what is lost, what is posted twice?
    Kill(kill::Args),
    /// How fast are people answered while candidates are being drafted?
    Acknowledge(visits::Args),
    /// How fast are people answered while a model is retrained, and what does that lose when it is killed?
    Retraining(visits::Args),
    /// How far does a hostile opinion move the statement away from the other members?
    Influence(influence::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let as_promised = match Args::parse().command {
        Command::Kill(args) => kill::run(&args).await,
        Command::Acknowledge(args) => acknowledge::run(&args).await,
        Command::Retraining(args) => retraining::run(&args).await,
        Command::Influence(args) => influence::run(&args).await,
    };
    if as_promised {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
