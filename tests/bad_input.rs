//! Whatever is wrong with what a user gives: one line that says what, where and what to do,
//! exit code 1 or 2, never a panic.

mod support;

use std::process::Output;

use serde_json::json;
use support::{accord, run_with_input, write};

/// The one line on standard error; the exit code must be `code` and nothing may be answered.
fn error(output: Output, code: i32) -> String {
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    assert_eq!(
        stderr.trim_end().lines().count(),
        1,
        "one line expected: {stderr}"
    );
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr.trim_end().to_owned()
}

fn of_row(row: serde_json::Value) -> String {
    let answer = error(
        run_with_input(accord(&["deliberate", "-"]), &row.to_string()),
        1,
    );
    let line: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(line["line"], 1);
    line["error"].as_str().unwrap().to_owned()
}

const OPINIONS: [&str; 3] = [
    "Yes, for the children.",
    "No, it costs too much.",
    "Only on Sundays, please.",
];

#[test]
fn a_missing_question_is_named() {
    assert_eq!(
        of_row(json!({ "opinions": OPINIONS })),
        "no question, expected a text in the field `question`"
    );
}

#[test]
fn fewer_than_three_opinions_are_counted() {
    assert_eq!(
        of_row(json!({ "question": "Open it?", "opinions": &OPINIONS[..2] })),
        "3 opinions are needed, this one has 2"
    );
}

#[test]
fn an_opinion_that_is_too_long_is_named_with_its_length() {
    let long = "a".repeat(100_000);
    assert_eq!(
        of_row(json!({ "question": "Open it?", "opinions": [OPINIONS[0], long, OPINIONS[2]] })),
        "opinion 2 has 100000 characters, 10 to 4000 are allowed"
    );
}

#[test]
fn a_welfare_function_that_does_not_exist_is_wrong_usage() {
    for (welfare, expected) in [
        (
            "fair",
            "unknown welfare function \"fair\", expected utilitarian, nash, rawlsian, schulze or an inequality aversion from 0 to inf",
        ),
        (
            "-1",
            "inequality aversion must be a number from 0 to inf, got -1",
        ),
        (
            "NaN",
            "inequality aversion must be a number from 0 to inf, got NaN",
        ),
    ] {
        let output = accord(&["deliberate", "x.toml", "--welfare", welfare])
            .output()
            .unwrap();
        let error = error(output, 2);
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("--welfare"), "{error}");
    }
}

#[test]
fn a_slip_in_a_name_is_told_what_was_meant() {
    for (arguments, meant) in [
        (&["delibrate", "x.toml"][..], "'deliberate'"),
        (&["deliberate", "x.toml", "--welfar", "nash"], "'--welfare'"),
        (
            &["deliberate", "x.toml", "--welfare", "utilitarain"],
            "(did you mean utilitarian?)",
        ),
        (
            &["evaluate", "reward", "--data", "x", "--opinion", "swaped"],
            "'swapped'",
        ),
    ] {
        let error = error(accord(arguments).output().unwrap(), 2);
        assert!(
            error.contains(meant) && error.ends_with("see accord --help"),
            "{error}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let mut activate = accord(&["models", "activate", "reward", "shiped"]);
    activate.env("ACCORD_DATA_DIR", folder.path());
    let error = error(activate.output().unwrap(), 1);
    assert!(
        error.contains("there is no reward version shiped (did you mean shipped?)"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_not_there_is_looked_for_under_similar_names() {
    let there = "config/examples/night-buses.toml";
    for path in [
        "config/examples/night-bus.toml",
        "confg/examples/night-buses.toml",
    ] {
        let error = error(accord(&["deliberate", path]).output().unwrap(), 1);
        let suggestion = format!("cannot read {path} (did you mean {there}?): No such file");
        assert!(error.contains(&suggestion), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = write(folder.path(), "accord.toml", "");
    let mistyped = settings.replace("accord.toml", "acord.toml");
    let error = error(
        accord(&["models", "list", "--config", &mistyped])
            .output()
            .unwrap(),
        1,
    );
    assert!(
        error.contains(&format!("(did you mean {settings}?)")),
        "{error}"
    );
}

#[test]
fn a_setting_that_does_not_exist_is_told_the_one_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    for (text, meant) in [
        ("[generator]\ntopp = 0.5", "generator.top_p"),
        ("top_p = 0.5", "generator.top_p"),
        ("[genrator]\ntop_p = 0.5", "generator"),
        ("[discord]\napi_ulr = \"http://x\"", "discord.api_url"),
        ("[log]\nformat = \"jsn\"", "json"),
        ("[deliberation]\nwelfare = \"nahs\"", "nash"),
    ] {
        let file = write(folder.path(), "host.toml", text);
        let error = error(
            accord(&["models", "list", "--config", &file])
                .output()
                .unwrap(),
            1,
        );
        assert!(
            error.contains(&format!("(did you mean {meant}?)")),
            "{error}"
        );
        assert!(error.contains("host.toml"), "{error}");
    }
    for (name, meant) in [
        ("ACCORD_GENERATOR__TOPP", "ACCORD_GENERATOR__TOP_P"),
        ("ACCORD_GENERATOR_TOP_P", "ACCORD_GENERATOR__TOP_P"),
        ("ACCORD_TOP_P", "ACCORD_GENERATOR__TOP_P"),
        ("ACCORD_TRAINING__REWRD__EPOCHS", "ACCORD_TRAINING__REWARD"),
    ] {
        let mut command = accord(&["models", "list"]);
        let error = error(command.env(name, "0.5").output().unwrap(), 1);
        assert!(
            error.contains(&format!("(did you mean {meant}?)")),
            "{error}"
        );
    }
}

#[test]
fn a_chart_is_of_one_deliberation_and_its_file_can_be_written() {
    let examples = [
        "config/examples/night-buses.toml",
        "config/examples/old-statue.toml",
    ];
    let several = ["deliberate", examples[0], examples[1], "--chart", "x.svg"];
    let told = error(accord(&several).output().unwrap(), 1);
    assert!(
        told.contains("--chart draws one deliberation, and 2 were given"),
        "{told}"
    );
    let of_one = |file: &str| {
        accord(&["deliberate", examples[0], "--chart", file])
            .output()
            .unwrap()
    };
    let told = error(of_one("x.jpg"), 2);
    assert!(
        told.contains("expected a file that ends in .svg or .png"),
        "{told}"
    );
    let told = error(of_one("confg/x.png"), 1);
    assert!(
        told.contains("there is no folder confg (did you mean config?)"),
        "{told}"
    );
}

#[test]
fn no_candidates_at_all_is_wrong_usage() {
    let error = error(
        accord(&["deliberate", "x.toml", "--candidates", "0"])
            .output()
            .unwrap(),
        2,
    );
    assert!(error.contains("0 is not in 1..=1000"), "{error}");
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    let error = error(
        accord(&["deliberate", "no-such-file.toml"])
            .output()
            .unwrap(),
        1,
    );
    assert!(
        error.contains("cannot read no-such-file.toml: No such file"),
        "{error}"
    );
}

#[test]
fn an_empty_file_is_an_error() {
    let error = error(run_with_input(accord(&["deliberate", "-"]), " \n"), 1);
    assert!(error.contains("the file is empty"), "{error}");
}

#[test]
fn toml_that_does_not_parse_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(
        folder.path(),
        "bad.toml",
        "question = \"Open it?\"\nopinions = [\n\"one\n]\n",
    );
    let error = error(accord(&["deliberate", &file]).output().unwrap(), 1);
    let line: serde_json::Value = serde_json::from_str(&error).unwrap();
    assert_eq!(line["line"], 3, "{error}");
}

#[test]
fn a_missing_model_names_the_setting() {
    for (key, setting) in [
        ("ACCORD_MODELS__GENERATOR", "models.generator"),
        ("ACCORD_MODELS__REWARD_MODEL", "models.reward_model"),
    ] {
        let mut command = accord(&["deliberate", "config/examples/night-buses.toml"]);
        let error = error(
            command.env(key, "./no-such-model.gguf").output().unwrap(),
            1,
        );
        assert!(error.contains("no-such-model.gguf"), "{error}");
        assert!(error.contains(setting), "{error}");
    }
}

#[test]
fn a_gguf_cut_in_half_is_noticed_before_it_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(support::embedded_gguf()).unwrap();
    for (name, length) in [
        ("half.gguf", whole.len() / 2),
        ("header.gguf", 5_000),
        ("magic.gguf", 6),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &whole[..length]).unwrap();
        for key in ["ACCORD_MODELS__GENERATOR", "ACCORD_MODELS__REWARD_MODEL"] {
            let mut command = accord(&["deliberate", "config/examples/night-buses.toml"]);
            let error = error(command.env(key, &path).output().unwrap(), 1);
            assert!(error.contains(name), "{error}");
        }
    }
}

#[test]
fn a_machine_without_python_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = accord(&["models", "prepare"]);
    command
        .env("PATH", folder.path())
        .env("ACCORD_DATA_DIR", folder.path());
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let error = stderr.lines().last().unwrap();
    assert!(
        error.contains("python3") && error.contains("--from"),
        "{error}"
    );
}

#[test]
fn a_setting_of_the_wrong_type_is_named_with_where_it_came_from() {
    let mut command = accord(&["models", "list"]);
    let error = error(
        command
            .env("ACCORD_GENERATOR__TOP_P", "lots")
            .output()
            .unwrap(),
        1,
    );
    assert!(
        error.contains("TOP_P") && error.contains("ACCORD_"),
        "{error}"
    );

    let mut command = accord(&["models", "list"]);
    let error = self::error(
        command
            .env("ACCORD_GENERATOR__TOP_P", "1.5")
            .output()
            .unwrap(),
        1,
    );
    assert!(
        error.contains("generator.top_p must be more than 0 and at most 1"),
        "{error}"
    );

    let mut command = accord(&["models", "list"]);
    let error = self::error(
        command
            .env("ACCORD_GENERATOR__TOPP", "0.5")
            .output()
            .unwrap(),
        1,
    );
    assert!(error.to_lowercase().contains("topp"), "{error}");
}
