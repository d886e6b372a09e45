//! The command line.

mod cli;
mod processor;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else, which may consist of instructions that are missing here.
    if let Err(error) = processor::check() {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    cli::run()
}
