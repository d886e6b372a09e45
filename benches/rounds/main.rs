//! What Accord promises of whole rounds, measured: the real bot with the real models, on a fake
//! Discord on this machine.
//!
//! ```text
//! cargo bench --bench rounds -- kill --times 100
//! cargo bench --bench rounds -- kill-store --times 500
//! cargo bench --bench rounds -- load
//! cargo bench --bench rounds -- hostile
//! cargo bench --bench rounds -- acknowledge
//! cargo bench --bench rounds -- retraining
//! cargo bench --bench rounds -- influence
//! ```

mod acknowledge;
mod figures;
mod hostile;
mod influence;
mod kill;
mod kill_store;
mod load;
mod people;
mod prepared;
mod queue;
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
    /// Kill a process that writes to a store: is all there that it acknowledged, and once?
    KillStore(kill_store::Args),
    /// Many people in many guilds at once: how fast are they answered, what is lost?
    Load(load::Args),
    /// Send what no client of Discord's would send, and read files that nobody should write
    Hostile(hostile::Args),
    /// How fast are people answered while candidates are being drafted?
    Acknowledge(visits::Args),
    /// How fast are people answered while a model is retrained, and what does that lose when it is killed?
    Retraining(visits::Args),
    /// How far does a hostile opinion move the statement away from the other members?
    Influence(influence::Args),
    /// The process that `kill-store` kills
    #[command(hide = true)]
    StoreWriter(kill_store::WriterArgs),
    /// The process in which `hostile` reads files
    #[command(hide = true)]
    FileReader(hostile::files::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let as_promised = match Args::parse().command {
        Command::Kill(args) => kill::run(&args).await,
        Command::KillStore(args) => kill_store::run(&args).await,
        Command::Load(args) => load::run(&args).await,
        Command::Hostile(args) => hostile::run(&args).await,
        Command::Acknowledge(args) => acknowledge::run(&args).await,
        Command::Retraining(args) => retraining::run(&args).await,
        Command::Influence(args) => influence::run(&args).await,
        Command::StoreWriter(args) => kill_store::write(&args).await,
        Command::FileReader(args) => hostile::files::read(&args),
    };
    if as_promised {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
