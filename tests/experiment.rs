//! `accord experiment` and `accord ballots tally`: arms compared, interrupted and gone on with, judged
//! by a model and by people, with models that are trained for it.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use accord::deliberation::record::Deliberation;
use accord::experiment::produce::key;
use serde_json::{Value, json};
use support::random_model::random_model;
use tempfile::TempDir;

/// What models made of the two deliberations.
const LOGS: [&str; 4] = [
    "drafts.jsonl",
    "baselines.jsonl",
    "ranking.jsonl",
    "judge.jsonl",
];

#[test]
fn an_experiment_that_is_killed_goes_on_and_its_ballots_are_counted() {
    let case = Case::new();
    let killed = case.path("killed");
    let shipped = ["--judge", "shipped"];

    let mut child = case.experiment("killed", &shipped);
    let mut child = child.stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while lines(&killed.join(LOGS[0])) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(
            started.elapsed() < Duration::from_secs(600),
            "nothing is written"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    finish(case.experiment("killed", &shipped));
    let report = fs::read_to_string(killed.join("report.md")).unwrap();
    for expected in [
        "2 deliberations from `data.jsonl`, seed 1.",
        "The judge is the ranking model itself",
        "## Who wins, as the judge rates",
        "`accord-utilitarian` against `sft`",
        "`accord-schulze` against `best-opinion`",
        "## The exclusion study",
        "| left out |",
        "## Who wins, as people rated",
        "| `accord` against `zero-shot` | 100.0 % [21, 100] | 1–0, 0 |",
    ] {
        assert!(report.contains(expected), "{expected:?} in {report}");
    }
    for chart in ["win-rates.svg", "best-of-n.svg"] {
        let svg = fs::read_to_string(killed.join(chart)).unwrap();
        assert!(svg.starts_with("<svg"), "{chart}");
        assert!(report.contains(&format!("({chart})")));
    }

    // As if it had been killed in the second deliberation: while it was drafted, ranked and judged.
    let torn = case.path("torn");
    fs::create_dir(&torn).unwrap();
    for name in ["settings.json"].iter().chain(&LOGS) {
        let content = fs::read(killed.join(name)).unwrap();
        let kept = match *name {
            "settings.json" | "baselines.jsonl" => content.len(),
            _ => content.len() - 20,
        };
        fs::write(torn.join(name), &content[..kept]).unwrap();
    }
    finish(case.experiment("torn", &shipped));
    for name in LOGS
        .iter()
        .skip(1)
        .chain(&["report.md", "ballots.jsonl", "key.jsonl"])
    {
        let [one, other] = [&killed, &torn].map(|folder| fs::read_to_string(folder.join(name)));
        assert_eq!(one.unwrap(), other.unwrap(), "{name}");
    }

    let other_seed = case.experiment("torn", &["--judge", "shipped", "--seed", "2"]);
    let refused = run(other_seed);
    assert_eq!(refused.status.code(), Some(1));
    let error = stderr(&refused);
    assert!(
        error.contains("begun with other settings (writing: seed)"),
        "{error}"
    );

    count_ballots(&case, &killed);
}

/// Two raters, of whom one prefers whatever is not the full pipeline.
fn count_ballots(case: &Case, folder: &Path) {
    let tally = || {
        let mut command = support::accord(&["ballots", "tally"]);
        command.arg(folder);
        run(command)
    };
    let empty = tally();
    assert_eq!(empty.status.code(), Some(1));
    assert!(stderr(&empty).contains("no ballot is filled in"));

    let keys = rows(&folder.join("key.jsonl"));
    let ballots = rows(&folder.join("ballots.jsonl"));
    assert!(!ballots.is_empty() && ballots.len() == keys.len());
    let fill = |name: &str, choice: &dyn Fn(&Value) -> &'static str| {
        let filled: Vec<String> = ballots
            .iter()
            .zip(&keys)
            .map(|(ballot, key)| {
                assert_eq!(ballot["ballot"], key["ballot"]);
                let mut ballot = ballot.clone();
                ballot["choice"] = json!(choice(key));
                ballot.to_string()
            })
            .collect();
        support::write(folder, &format!("ballots-{name}.jsonl"), &filled.join("\n"));
    };
    fill("ann", &|key| match key["a"] == "accord-utilitarian" {
        true => "b",
        false => "a",
    });
    fill("bob", &|_| "tie");
    let counted = tally();
    let text = String::from_utf8(counted.stdout.clone()).unwrap();
    assert!(counted.status.success(), "{}", stderr(&counted));
    assert!(
        text.contains(&format!("ann {0}, bob {0}", ballots.len())),
        "{text}"
    );
    assert!(
        text.contains("accord-utilitarian against best-opinion"),
        "{text}"
    );
    assert!(text.contains("ann, bob"), "{text}");
    // What people have filled in stays.
    finish(case.experiment("killed", &["--judge", "shipped"]));
    assert_eq!(rows(&folder.join("ballots-ann.jsonl")).len(), ballots.len());
}

/// With small models of random weights, and drafts that are there already.
#[test]
fn models_trained_on_halves_have_no_question_in_common() {
    let case = Case::new();
    let halves = case.path("halves");
    let home = case.path("home/data");
    fs::create_dir_all(&home).unwrap();
    let corpus = include_str!("../config/data/deliberations.jsonl");
    let corpus: Vec<&str> = corpus.lines().take(24).collect();
    support::write(&home, "deliberations.jsonl", &corpus.join("\n"));
    let model = random_model("llama", 16, &[], false);
    let command = || {
        let mut command = case.experiment("halves", &["--halves"]);
        command
            .env("ACCORD_DATA_DIR", case.path("home"))
            .env("ACCORD_MODELS__REWARD_MODEL", &*model)
            .env("ACCORD_TRAINING__REWARD__EPOCHS", "2");
        command
    };
    // As if it had been killed after the drafts: an experiment that finds no judge has begun.
    let mut begun = case.experiment("halves", &["--judge", "nobody"]);
    begun.env("ACCORD_DATA_DIR", case.path("home"));
    assert_eq!(run(begun).status.code(), Some(1));
    case.write_drafts(&halves);
    finish(command());
    let report = fs::read_to_string(halves.join("report.md")).unwrap();
    let apart = "The judge and the ranking model were trained on different questions.";
    assert!(report.contains(apart), "{report}");
    assert!(
        report.contains("+ judge") && report.contains("+ ranking"),
        "{report}"
    );
    let [one, other] =
        ["ranking-data.jsonl", "judge-data.jsonl"].map(|name| rows(&halves.join(name)));
    assert_eq!(one.len() + other.len(), 24);
    assert!(one.iter().all(|row| !other.contains(row)));
    // What is trained is used again.
    let again = finish(command());
    assert!(!stderr(&again).contains("training"), "{}", stderr(&again));
}

struct Case {
    folder: TempDir,
    data: String,
}

impl Case {
    /// Two deliberations, of four members with statements that name their arm, and of three.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dogs = json!({
            "id": "dogs",
            "question": "Should dogs be on a lead in the wood?",
            "opinions": [
                "Always on a lead, the deer have young in spring.",
                "Dogs need to run, that is what a wood is for.",
                "On a lead in spring, free for the rest of the year.",
                "I am afraid of dogs and stay away when they run free.",
            ],
            "statements": [
                { "text": "A lead in spring.", "agreement": [5, 4, 7, null], "arm": "accord" },
                { "text": "No dogs at all.", "agreement": [1, 1, 2, 6], "arm": "zero-shot" },
            ],
        });
        let piano = json!({
            "id": "piano",
            "question": "Should the station keep its public piano?",
            "opinions": [
                "It is the best thing about my commute.",
                "I work at the kiosk and hear it for nine hours a day.",
                "Only if somebody tunes it.",
            ],
        });
        let data = support::write(folder.path(), "data.jsonl", &format!("{dogs}\n{piano}\n"));
        Self { folder, data }
    }

    /// As if models had written them.
    fn write_drafts(&self, folder: &Path) {
        let candidate = |text: &str| json!({ "text": text, "seed": 1, "opinions_read": [0, 1, 2] });
        let log = |row: Value| -> String {
            let rows = rows(Path::new(&self.data)).into_iter().map(|deliberation| {
                let mut row = row.clone();
                let deliberation: Deliberation = serde_json::from_value(deliberation).unwrap();
                row["key"] = json!(key(&deliberation));
                format!("{row}\n")
            });
            rows.collect()
        };
        let drafts = json!({
            "drafts": [candidate("We try it for a summer."), candidate("We ask the neighbours.")],
            "excluded": null,
            "rejected": 0,
            "seconds": 1.0,
        });
        let baselines = json!({
            "zero_shot": candidate("There are many views on this."),
            "few_shot": candidate("Everybody gives way a little."),
        });
        support::write(folder, LOGS[0], &log(drafts));
        support::write(folder, LOGS[1], &log(baselines));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// With few and short drafts and short examples; the base model seldom ends so soon, and is not
    /// asked for long.
    fn experiment(&self, name: &str, options: &[&str]) -> Command {
        let out = self.path(name);
        let out = out.to_str().unwrap();
        let mut command = support::accord(&["experiment", "--data", &self.data, "--out", out]);
        command
            .args(options)
            .env("ACCORD_GENERATOR__REDRAWS", "3")
            .env("ACCORD_GENERATOR__OPINION_CHARACTERS", "100");
        command
    }
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

fn finish(command: Command) -> Output {
    let output = run(command);
    assert!(output.status.success(), "{}", stderr(&output));
    output
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}
