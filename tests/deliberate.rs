//! `accord deliberate` and `accord rate`, with the real model.

mod support;

use std::collections::HashSet;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use accord::deliberation::similarity::near_copy;
use serde_json::{Value, json};
use support::{accord, run_with_input};

const NIGHT_BUSES: &str = "config/examples/night-buses.toml";

fn answers(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn answer(output: Output) -> Value {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut answers = answers(&output);
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Without what differs from run to run.
fn timeless(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("seconds").unwrap();
    answer
}

#[test]
fn sixteen_different_candidates_are_ranked_for_five_opinions() {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("chart.svg");
    let output = Command::new(env!("CARGO_BIN_EXE_accord"))
        .args([
            "deliberate",
            NIGHT_BUSES,
            "--json",
            "--seed",
            "1",
            "--chart",
        ])
        .arg(&chart)
        // Which drafts can be used differs from processor to processor.
        .env("ACCORD_GENERATOR__REDRAWS", "30")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        !told.contains(['\u{1b}', '\r']),
        "no bars in a pipe: {told}"
    );
    let answer = answer(output);
    assert_eq!(answer["id"], "night-buses");
    let chart = std::fs::read_to_string(chart).unwrap();
    assert!(chart.contains("<title>Should our city run buses all night"));
    assert!(chart.contains("Candidate 16: by prediction"));
    assert_eq!(
        answer["welfare"],
        json!({ "function": "utilitarian", "alpha": 0.0 })
    );
    let candidates = answer["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 16);
    assert_eq!(candidates[0]["text"], answer["statement"]);

    let mut last = f64::INFINITY;
    for candidate in candidates {
        let ratings: Vec<f64> = candidate["ratings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rating| rating.as_f64().unwrap())
            .collect();
        assert_eq!(ratings.len(), 5);
        assert!(
            ratings.iter().all(|rating| (1.0..=7.0).contains(rating)),
            "{ratings:?}"
        );
        let welfare = candidate["welfare"].as_f64().unwrap();
        assert!((welfare - ratings.iter().sum::<f64>() / 5.0).abs() < 1e-9);
        assert!(welfare <= last, "best first");
        last = welfare;
    }

    let certainty = &answer["certainty"];
    let probability = certainty["probability_best"].as_f64().unwrap();
    // A coin among sixteen, or better.
    assert!((0.03..=1.0).contains(&probability), "{certainty}");
    let [low, high] = [0, 1].map(|end| certainty["welfare_interval"][end].as_f64().unwrap());
    assert!(1.0 <= low && low < high && high <= 7.0, "{certainty}");
    assert_eq!(
        (&certainty["level"], &certainty["draws"]),
        (&json!(0.9), &json!(2000))
    );
    assert!(certainty["calibrated"].is_boolean());

    let texts: Vec<&str> = candidates
        .iter()
        .map(|candidate| candidate["text"].as_str().unwrap())
        .collect();
    for (index, text) in texts.iter().enumerate() {
        assert!(!text.contains(['\n', '\u{fffd}']), "{text}");
        assert!(text.ends_with(['.', '!', '?', '"', '”', ')']), "{text}");
        // Garbled text has long runs of letters and few of the commonest words.
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
        assert!(words.iter().all(|word| word.len() < 25), "{text}");
        let common = [
            "the", "a", "to", "of", "and", "is", "in", "that", "for", "be", "should", "it", "The",
        ];
        assert!(words.iter().any(|word| common.contains(word)), "{text}");
        assert!(
            texts[..index].iter().all(|other| !near_copy(other, text)),
            "{text}"
        );
    }
    let orders: HashSet<String> = candidates
        .iter()
        .map(|candidate| candidate["opinions_read"].to_string())
        .collect();
    assert!(
        orders.len() > 10,
        "a new order of the opinions for every sample: {orders:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_answer_and_another_seed_another() {
    let run = |seed| {
        timeless(answer(
            accord(&["deliberate", NIGHT_BUSES, "--json", "--seed", seed])
                .output()
                .unwrap(),
        ))
    };
    let first = run("5");
    assert_eq!(first, run("5"));
    assert_ne!(first["candidates"], run("6")["candidates"]);
}

#[test]
fn a_bad_line_among_many_is_reported_and_the_good_ones_are_answered() {
    let good = |id: u8| {
        json!({
            "id": format!("d{id}"),
            "question": "Should shops open on Sundays?",
            "opinions": ["Staff need one day of rest.", "I can only shop on Sundays.", "Small shops only, I would say."],
        })
        .to_string()
    };
    let text = format!(
        "{}\n\n\n\n\n\n{{\"question\": \"Should\n{}\n",
        good(1),
        good(2)
    );
    let output = run_with_input(
        accord(&["deliberate", "-", "--json", "--welfare", "schulze"]),
        &text,
    );
    assert_eq!(output.status.code(), Some(1));
    let ids: Vec<Value> = answers(&output)
        .iter()
        .map(|answer| answer["id"].clone())
        .collect();
    assert_eq!(ids, ["d1", "d2"]);
    assert_eq!(
        answers(&output)[0]["welfare"],
        json!({ "function": "schulze", "alpha": null })
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    let error: Value = serde_json::from_str(stderr.lines().next().unwrap()).unwrap();
    assert_eq!(error["line"], 7);
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains("not a JSON object"),
        "{stderr}"
    );
}

#[test]
fn people_are_shown_the_statement_and_every_candidate() {
    let output = accord(&["deliberate", NIGHT_BUSES, "--seed", "5", "--welfare", "inf"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "Consensus statement",
        "nobody has agreed to it yet",
        "rawlsian",
        "lowest",
        "--seed 5",
    ] {
        assert!(text.contains(expected), "{expected:?} missing in {text}");
    }
}

#[test]
fn rows_are_rated_with_their_other_fields_kept() {
    let row = |statement: &str| {
        json!({
            "id": 7,
            "question": "Should shops open on Sundays?",
            "opinion": "Never. The staff need one day of rest.",
            "statement": statement,
        })
        .to_string()
    };
    let text = format!(
        "{}\n{{\"question\": \"Why?\"}}\n{}\n",
        row("Open every Sunday."),
        row("Stay closed.")
    );
    let output = run_with_input(accord(&["rate", "-"]), &text);
    assert_eq!(output.status.code(), Some(1));
    let rated = answers(&output);
    assert_eq!(rated.len(), 2);
    for row in rated {
        assert_eq!(row["id"], 7);
        let distribution: Vec<f64> = row["distribution"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p.as_f64().unwrap())
            .collect();
        assert_eq!(distribution.len(), 7);
        assert!((distribution.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        let mean: f64 = (1..)
            .zip(&distribution)
            .map(|(rating, p)| f64::from(rating) * p)
            .sum();
        assert!((row["rating"].as_f64().unwrap() - mean).abs() < 1e-6);
    }
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["line"], 2);
}

#[test]
fn an_interrupt_stops_soon_and_leaves_no_half_written_model() {
    let folder = tempfile::tempdir().unwrap();
    let original = support::original_gguf();
    let mut child = Command::new(env!("CARGO_BIN_EXE_accord"))
        .args(["models", "prepare", "--from", original.to_str().unwrap()])
        .env("ACCORD_DATA_DIR", folder.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let models = folder.path().join("models");
    // Wait until something is being written.
    let started = Instant::now();
    while std::fs::read_dir(&models).map_or(0, Iterator::count) < 2 {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "nothing is written"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let interrupted = Instant::now();
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let status = child.wait().unwrap();
    assert!(
        interrupted.elapsed() < Duration::from_secs(10),
        "{:?}",
        interrupted.elapsed()
    );
    assert_eq!(status.code(), Some(130));
    let left: Vec<_> = std::fs::read_dir(&models)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != ".lock")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
