//! `accord completions`: what makes a shell complete commands, options and files.

use std::process::ExitCode;

use anyhow::Result;
use clap_complete::{Shell, generate};

use super::say;

/// Print a script that makes a shell complete commands and options
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord completions bash > ~/.local/share/bash-completion/completions/accord
  accord completions zsh > ~/.zfunc/_accord
  accord completions fish > ~/.config/fish/completions/accord.fish
  accord completions powershell >> $PROFILE
  accord completions elvish >> ~/.config/elvish/rc.elv

zsh also needs this in ~/.zshrc: fpath+=~/.zfunc; autoload -Uz compinit; compinit")]
pub struct Args {
    shell: Shell,
}

pub fn run(args: Args, mut accord: clap::Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    generate(args.shell, &mut accord, "accord", &mut script);
    say(String::from_utf8(script)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
