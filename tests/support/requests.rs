//! Every request that the bot made in a test is one that Discord's own description allows.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes the requests of the running test under the target folder and checks them, where the
/// checker, Discord's description and Python are at hand.
pub fn check(requests: &str) {
    let file = record(requests);
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let checker = shared.join("tools/check_discord_requests.py");
    let description = shared.join("data/discord-openapi.json");
    let python = |arguments: &[&Path]| Command::new("python3").args(arguments).output();
    let can_check = python(&[Path::new("-c"), Path::new("import jsonschema")])
        .is_ok_and(|output| output.status.success());
    if !checker.exists() || !description.exists() || !can_check {
        println!(
            "the requests were not checked: that needs ../shared, and python3 with jsonschema"
        );
        return;
    }
    // serenity sends fields that Discord's description does not name.
    let lenient = Path::new("--allow-unknown");
    let checked = python(&[&checker, &description, &file, lenient]).unwrap();
    let report = String::from_utf8(checked.stdout).unwrap();
    let problems = problems(&report);
    assert!(
        problems.is_empty(),
        "Discord's description does not allow requests of {}:\n{}",
        file.display(),
        problems.join("\n")
    );
    let requests = requests.lines().count();
    let (last, checked) = (report.lines().last(), checked.stderr);
    assert!(
        last.is_some_and(|last| last.contains(" passed, ")),
        "{}",
        String::from_utf8_lossy(&checked)
    );
    println!("{requests} requests are as Discord's description wants them");
}

/// Under the name of the test.
fn record(requests: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("discord-requests");
    std::fs::create_dir_all(&folder).unwrap();
    let test = std::thread::current();
    let file = folder.join(format!("{}.jsonl", test.name().unwrap_or("a-test")));
    std::fs::write(&file, requests).unwrap();
    file
}

/// Each with the request that it is about, without serenity's own.
fn problems(report: &str) -> Vec<String> {
    let mut request = "";
    let mut problems = Vec::new();
    for line in report.lines() {
        if line.starts_with("line ") {
            request = line;
        } else if line.starts_with(' ') && !is_serenitys(request, line.trim()) {
            problems.push(format!("{request}\n{line}"));
        }
    }
    problems
}

/// What Discord takes in spite of its description, and serenity sends whatever a bot does: null for
/// what a command leaves out, and the number of an attachment as a number.
fn is_serenitys(request: &str, problem: &str) -> bool {
    let registers_commands = request.ends_with("PUT /applications/{application_id}/commands");
    let (place, message) = problem.split_once(": ").unwrap_or_default();
    let is_attachment = place.contains("attachments[") && place.ends_with("].id");
    registers_commands && message.starts_with("None is not")
        || is_attachment && message.ends_with("is not of type 'string'")
}
