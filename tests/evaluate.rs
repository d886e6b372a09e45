//! `accord evaluate reward` with the real model: figures for good rows, errors for bad ones.

mod support;

use std::process::Output;

use serde_json::{Value, json};
use support::{accord, run_with_input};

const RATED: &str = include_str!("fixtures/rated_deliberations.jsonl");

fn evaluate(options: &[&str], rows: &str) -> Output {
    let arguments = [&["evaluate", "reward", "--data", "-"], options].concat();
    run_with_input(accord(&arguments), rows)
}

/// What `--json` prints; everything must have gone well.
fn figures(options: &[&str], rows: &str) -> Value {
    let output = evaluate(&[&["--json"], options].concat(), rows);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn first_error(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    errors(&stderr).next().unwrap().to_owned()
}

/// Without the lines that tell how far it is, where that takes long.
fn errors(stderr: &str) -> impl Iterator<Item = &str> {
    let lines = stderr.lines();
    lines.filter(|line| !line.starts_with("predicting ratings: "))
}

fn assert_is_share(estimate: &Value) {
    let value = estimate["value"].as_f64().unwrap();
    let [low, high] = [0, 1].map(|end| estimate["interval"][end].as_f64().unwrap());
    assert!(
        0.0 <= low && low <= value && value <= high && high <= 1.0,
        "{estimate}"
    );
}

#[test]
fn accuracy_error_and_calibration_are_measured() {
    let own = figures(&[], RATED);
    assert_eq!(
        (&own["opinion"], &own["deliberations"], &own["ratings"]),
        (&json!("own"), &json!(3), &json!(23))
    );
    for (kind, least, pairs) in [
        ("within", "at_least_1", 18),
        ("within", "at_least_2", 15),
        ("between", "at_least_1", 21),
        ("between", "at_least_2", 18),
    ] {
        let accuracy = &own[kind][least];
        assert_eq!(accuracy["pairs"], pairs, "{kind} {least}");
        assert_is_share(&accuracy["reward_model"]);
        assert_is_share(&accuracy["tf_idf"]);
    }
    assert_is_share(&own["within"]["at_least_1"]["longer"]);
    assert_eq!(own["between"]["at_least_1"]["longer"], Value::Null);
    let error = own["mean_absolute_error"]["value"].as_f64().unwrap();
    assert!(0.0 < error && error < 6.0);
    assert!(own["expected_calibration_error"]["value"].as_f64().unwrap() <= error + 1e-9);
    let counted: u64 = own["bins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bin| bin["ratings"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, 23);
    // In two of the three deliberations all three members rated everything.
    let functions: Vec<&String> = own["certainty"].as_object().unwrap().keys().collect();
    assert_eq!(functions, ["nash", "rawlsian", "schulze", "utilitarian"]);
    let certainty = &own["certainty"]["utilitarian"];
    assert_eq!(certainty["deliberations"], 2);
    assert_is_share(&certainty["chosen_is_best"]);
    assert_is_share(&certainty["expected_calibration_error"]);
    assert_is_share(&certainty["interval_coverage"]);
    assert_eq!(
        own["certainty"]["schulze"]["interval_coverage"],
        Value::Null
    );
}

#[test]
fn a_control_changes_what_is_read_and_nothing_else() {
    let first = RATED.lines().next().unwrap();
    let mut rotated: Value = serde_json::from_str(first).unwrap();
    rotated["opinions"].as_array_mut().unwrap().rotate_left(1);
    let swapped = figures(&["--opinion", "swapped"], first);
    let rotated = figures(&[], &rotated.to_string());
    for kind in ["within", "between"] {
        let reward_model = |figures: &Value| figures[kind]["at_least_1"]["reward_model"].clone();
        assert_eq!(reward_model(&swapped), reward_model(&rotated));
    }
    assert_eq!(swapped["bins"], rotated["bins"]);

    let blank = figures(&["--opinion", "blank"], first);
    assert_ne!(blank["bins"], swapped["bins"]);
    // Without the opinion nothing tells two members apart.
    let between = &blank["between"]["at_least_1"];
    assert_eq!(
        between["reward_model"],
        json!({ "value": 0.5, "interval": null })
    );
    // The baselines read the member's own opinion whatever the reward model reads.
    assert_eq!(
        between["tf_idf"],
        swapped["between"]["at_least_1"]["tf_idf"]
    );
}

#[test]
fn bad_rows_do_not_hide_the_good_ones() {
    // 4,000 characters that no vocabulary has in one piece.
    let endless = "𒀱".repeat(4000);
    let endless = json!({
        "question": "Too long?",
        "opinions": ["It goes on for ever.", "It is quite short.", "I cannot tell."],
        "statements": [{ "text": endless, "agreement": [1, 7, null] }],
    });
    let nine = RATED
        .lines()
        .last()
        .unwrap()
        .replace("[1, 6, 3]", "[1, 9, 3]");
    let first = RATED.lines().next().unwrap();
    let rows = format!("{first}\n{nine}\n{endless}\n{{\"question\"\n");
    let output = evaluate(&[], &rows);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let mut errors: Vec<(u64, String)> = errors(&stderr)
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            (
                line["line"].as_u64().unwrap(),
                line["error"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    errors.sort();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert_eq!(errors[0].0, 2);
    assert!(errors[0].1.contains("the agreement rating 9"), "{errors:?}");
    assert_eq!(errors[1].0, 3);
    assert!(
        errors[1]
            .1
            .starts_with("no prediction for 2 of its ratings: the question"),
        "{errors:?}"
    );
    assert_eq!(errors[2].0, 4);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.starts_with("8 ratings in 1 deliberations."),
        "{stdout}"
    );
    assert!(stdout.contains("2 ratings are left out"), "{stdout}");
}

#[test]
fn nothing_to_compare_is_an_error_and_no_figure() {
    let unrated = json!({
        "question": "Anything?",
        "opinions": ["It is quite short.", "It is rather long.", "I cannot tell."],
    });
    let mut equal = unrated.clone();
    equal["statements"] = json!([{ "text": "Yes.", "agreement": [4, 4, 4] }]);
    for (row, expected) in [
        (unrated, "there is no predicted rating to evaluate"),
        (equal, "there is no pair to compare"),
    ] {
        let output = evaluate(&["--json"], &row.to_string());
        let error = first_error(&output);
        assert!(error.contains(expected), "{error}");
        assert!(output.stdout.is_empty());
    }
    let error = first_error(&evaluate(&[], "\n"));
    assert!(error.contains("the file is empty"), "{error}");
}

fn voter(opinion: &str, votes: [i32; 2]) -> String {
    let row = json!({
        "conversation": "tea", "question": "Tea or coffee?", "opinion": opinion,
        "votes": [
            { "statement": "Tea for all.", "vote": votes[0] },
            { "statement": "Coffee for all.", "vote": votes[1] },
        ],
    });
    format!("{row}\n")
}

#[test]
fn votes_are_recognized_and_compared() {
    let rows = [
        voter("Tea, all day long.", [1, -1]),
        voter("Coffee until noon.", [-1, 1]),
        voter("Whatever there is.", [0, 1]),
    ]
    .concat();
    let own = figures(&[], &rows);
    assert_eq!((&own["members"], &own["votes"]), (&json!(3), &json!(5)));
    assert_eq!(own["within"]["pairs"], 2);
    assert_eq!(own["within"]["tf_idf"]["value"], 1.0);
    assert_eq!(own["within"]["longer"]["value"], 0.5);
    assert_is_share(&own["within"]["reward_model"]);
    // Swapped with the next member of the same conversation.
    let elsewhere = voter("Milk, if anything.", [1, 1]).replace("\"tea\"", "\"milk\"");
    let swapped = figures(&["--opinion", "swapped"], &format!("{elsewhere}{rows}"));
    let rotated = [
        voter("Coffee until noon.", [1, -1]),
        voter("Whatever there is.", [-1, 1]),
        voter("Tea, all day long.", [0, 1]),
    ]
    .concat();
    assert_eq!(
        swapped["within"]["reward_model"]["value"],
        figures(&[], &rotated)["within"]["reward_model"]["value"]
    );
}

#[test]
fn votes_and_ratings_in_one_file_are_an_error() {
    let rows = [RATED, &voter("Tea, all day long.", [1, -1])].concat();
    assert_eq!(
        first_error(&evaluate(&[], &rows)),
        "error: line 4 has votes and line 1 has none, expected rows of one kind; evaluate \
         deliberations and votes from two files"
    );
}
