//! The command line as its users expect it: completions, and color only where it is wanted.

mod support;

use std::process::{Command, Stdio};

use support::accord;

const ESCAPE: char = '\u{1b}';

#[test]
fn completions_know_the_commands_and_their_options() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = accord(&["completions", shell]).output().unwrap();
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["deliberate", "candidates", "rollback", "completions"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
}

#[test]
fn bash_takes_its_completions() {
    let script = accord(&["completions", "bash"]).output().unwrap().stdout;
    let script = String::from_utf8(script).unwrap();
    let ask = "COMP_WORDS=(accord models ro); COMP_CWORD=2; _accord accord ro models; echo ${COMPREPLY[@]}";
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("{script}\n{ask}")]);
    let output = bash.output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "rollback");
}

#[test]
fn help_has_color_only_where_it_is_wanted() {
    for (variables, colored) in [
        (&[][..], false),
        (&["CLICOLOR_FORCE"], true),
        (&["CLICOLOR_FORCE", "NO_COLOR"], false),
    ] {
        let mut command = accord(&["deliberate", "--help"]);
        only(&mut command, variables);
        let help = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert!(help.contains("Examples:"));
        assert_eq!(help.contains(ESCAPE), colored, "{variables:?}");
    }
}

#[test]
fn the_log_has_color_only_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let runs = [
        (&[][..], false),
        (&["CLICOLOR_FORCE"], true),
        (&["CLICOLOR_FORCE", "NO_COLOR"], false),
    ];
    // Side by side: it tries to connect for seconds.
    let running = runs.map(|(variables, colored)| {
        // Nobody listens there, which the HTTP client logs.
        let mut command = accord(&["doctor"]);
        command
            .env("ACCORD_DATA_DIR", folder.path())
            .env("DISCORD_TOKEN", "a.token.there")
            .env("ACCORD_DISCORD__API_URL", "http://127.0.0.1:9")
            .env("RUST_LOG", "debug");
        only(&mut command, variables);
        let (stdout, stderr) = (Stdio::piped(), Stdio::piped());
        let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
        (child, variables, colored)
    });
    for (child, variables, colored) in running {
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains("DEBUG"), "{log}");
        assert_eq!(log.contains(ESCAPE), colored, "{variables:?}");
        assert!(!String::from_utf8(output.stdout).unwrap().contains(ESCAPE));
    }
}

/// Sets these, of the variables about color.
fn only(command: &mut Command, variables: &[&str]) {
    for variable in ["CLICOLOR", "CLICOLOR_FORCE", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command.envs(variables.iter().map(|variable| (variable, "1")));
}
