//! What a community's ratings teach the reward model, measured: with the real model, through
//! `accord train` and `accord evaluate`.
//!
//! ```text
//! cargo bench --bench learning -- curve --out docs/learning-curve.svg
//! cargo bench --bench learning -- sabotage
//! ```

mod curve;
mod host;
mod sabotage;
#[path = "../../tests/support/mod.rs"]
mod support;

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
    /// How good is the reward model for a community after so many of its ratings?
    Curve(curve::Args),
    /// How often does the gate let a model through that learned from random ratings?
    Sabotage(sabotage::Args),
}

fn main() -> ExitCode {
    let as_promised = match Args::parse().command {
        Command::Curve(args) => curve::run(&args),
        Command::Sabotage(args) => sabotage::run(&args),
    };
    if as_promised {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
