//! Training, as a user runs it, on a small model of random weights.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use accord::transformer::gguf::GgufFile;
use serde_json::{Value, json};
use support::accord;
use support::random_model::random_model;
use tempfile::{TempDir, TempPath};

#[test]
fn a_reward_model_is_trained_measured_and_described() {
    let case = Case::new();
    let mut command = case.train("reward", "mine");
    command.args([
        "--held-out",
        &case.data,
        "--synthetic",
        "--language",
        "en",
        "--description",
        "invented",
    ]);
    let events = events(&command.output().unwrap());
    let steps: Vec<&Value> = of(&events, "step");
    // Ten questions train, two validate; two a step, two epochs.
    assert_eq!(steps.len(), 10);
    assert_eq!(steps.len(), steps[0]["steps"].as_u64().unwrap() as usize);
    assert!(
        steps
            .iter()
            .all(|step| step["loss"].as_f64().unwrap() > 0.0)
    );
    assert!(!of(&events, "validation").is_empty());
    assert_eq!(of(&events, "finished").len(), 1);

    let card: Value = read_json(&case.path("mine/card.json"));
    assert_eq!(card["kind"], "reward");
    assert_eq!(card["name"], "mine");
    assert_eq!(card["data"]["synthetic"], true);
    assert_eq!(card["data"]["description"], "invented");
    assert_eq!(card["data"]["deliberations"], 12);
    assert_eq!(card["languages"], json!(["en"]));
    assert!(card["command"].as_str().unwrap().contains("train reward"));
    for side in ["validation", "held_out"] {
        let within = &card["metrics"][side]["within"]["at_least_2"]["reward_model"]["value"];
        assert!((0.0..=1.0).contains(&within.as_f64().unwrap()), "{card}");
    }
    assert!(card["calibration"]["temperature"].as_f64().unwrap() > 0.0);
    let left: Vec<String> = fs::read_dir(case.path("mine"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");

    // Nobody has shown that it is better than what is there.
    let refused = case.accord(&["models", "activate", case.path("mine").to_str().unwrap()]);
    assert!(stderr(&run(refused)).contains("--gate"));
    let folder = case.path("mine");
    let forced = case.accord(&["models", "activate", folder.to_str().unwrap(), "--force"]);
    assert!(run(forced).status.success());
    let mut listed = case.accord(&["models", "list"]);
    let listed = String::from_utf8(listed.output().unwrap().stdout).unwrap();
    assert!(listed.contains("mine"), "{listed}");
}

#[test]
fn training_that_is_killed_and_resumed_gives_the_same_adapter() {
    let case = Case::new();
    assert!(run(case.train("reward", "whole")).status.success());
    let whole = fs::read(case.path("whole/adapter.safetensors")).unwrap();
    for kills in [vec![1], vec![4, 2], vec![7]] {
        let name = format!("killed-{}", kills[0]);
        for step in kills {
            let mut child = case
                .train("reward", &name)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let is_step = |line: &String| line.contains("\"event\":\"step\"");
            lines
                .map_while(Result::ok)
                .filter(is_step)
                .nth(step - 1)
                .unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(!case.path(&name).join("card.json").exists());
        }
        assert!(run(case.train("reward", &name)).status.success());
        let resumed = fs::read(case.path(&name).join("adapter.safetensors")).unwrap();
        assert!(resumed == whole, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_after_the_step_and_nothing_is_lost() {
    use rustix::process::{Pid, Signal, kill_process};

    let case = Case::new();
    let mut child = case
        .train("reward", "mine")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_step = |line: &String| line.contains("\"event\":\"step\"");
    lines.by_ref().map_while(Result::ok).find(is_step).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let more = lines.map_while(Result::ok).filter(is_step).count();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(more < 9);
    let events = events(&run(case.train("reward", "mine")));
    let resumed = of(&events, "resumed")[0]["step"].as_u64().unwrap() as usize;
    // Steps 3, 5, 8 and 10 end with a validation: who is interrupted between the two begins again
    // after the validation before.
    let before = match 1 + more {
        3 => 0,
        5 => 3,
        8 => 5,
        step => step,
    };
    assert!(
        [before, 1 + more].contains(&resumed),
        "{resumed} after {more} more"
    );
}

#[test]
fn a_version_can_be_trained_further_and_is_never_overwritten() {
    let case = Case::new();
    assert!(run(case.train("reward", "first")).status.success());
    let first = case.path("first");
    let start = ["--start", first.to_str().unwrap()];
    let mut further = case.train("reward", "second");
    further.args(start);
    assert!(run(further).status.success());
    let card: Value = read_json(&case.path("second/card.json"));
    let first: Value = read_json(&case.path("first/card.json"));
    assert_eq!(card["settings"]["start"], first["adapter"]["sha256"]);

    let again = run(case.train("reward", "first"));
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("holds a version already"));
}

#[test]
fn a_checkpoint_is_not_continued_with_other_settings() {
    let case = Case::new();
    let mut child = case
        .train("reward", "mine")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .map_while(Result::ok)
        .find(|line| line.contains("\"event\":\"validation\""))
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let mut command = case.train("reward", "mine");
    command.args(["--seed", "7"]);
    let output = run(command);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("other settings"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_generator_is_trained_and_merged_into_a_model_file() {
    let case = Case::new();
    let merged = case.path("merged.gguf");
    let mut command = case.train("generator", "writer");
    command.args(["--merge", merged.to_str().unwrap()]);
    let events = events(&command.output().unwrap());
    assert_eq!(of(&events, "finished").len(), 1);
    let card: Value = read_json(&case.path("writer/card.json"));
    let validation = &card["metrics"]["validation"];
    let loss = |name: &str| validation[name].as_f64().unwrap();
    assert!(loss("loss") < loss("loss_of_base"), "{card}");
    let merged = GgufFile::open(&merged).unwrap();
    assert_eq!(merged.string("general.architecture").unwrap(), "llama");
}

#[test]
fn progress_is_of_all_parts_and_never_goes_back() {
    let case = Case::new();
    let mut command = case.train("reward", "mine");
    command.args(["--gate", "--held-out", &case.data]);
    let events = events(&command.output().unwrap());
    let progress: Vec<f64> = events
        .iter()
        .map(|event| event["progress"].as_f64().unwrap())
        .collect();
    assert!(progress.is_sorted(), "{progress:?}");
    assert!(progress[0] < 0.05 && *progress.last().unwrap() == 1.0);
    let mut parts: Vec<&str> = events
        .iter()
        .filter_map(|event| event["part"].as_str())
        .collect();
    parts.dedup();
    assert_eq!(parts[..2], ["final", "fold-1"]);
    assert!(parts.contains(&"fold-4"));
    // Training is most of it, but not all.
    let last_step = of(&events, "step").pop().unwrap();
    let share = last_step["progress"].as_f64().unwrap();
    assert!((0.5..0.98).contains(&share), "{share}");
}

#[test]
fn what_is_mixed_in_is_learned_from_and_counted_apart() {
    let case = Case::new();
    let mut mixed = case.train("reward", "mixed");
    mixed.args(["--mix", "shipped", "--gate", "--start", "shipped"]);
    let output = run(mixed);
    assert!(output.status.success(), "{}", stderr(&output));
    let card: Value = read_json(&case.path("mixed/card.json"));
    let data = &card["data"];
    assert_eq!(data["deliberations"], 12);
    assert_eq!(data["mixed_in"]["from"], json!(["shipped"]));
    let ratings = data["ratings"].as_u64().unwrap();
    let more = data["mixed_in"]["ratings"].as_u64().unwrap();
    assert!((ratings..ratings + 40).contains(&more), "{data}");
    assert_eq!(card["gate"]["rounds"], 12);
    // What is shipped was trained on another base model.
    assert_eq!(card["settings"]["start"], Value::Null);

    let files = ["first.jsonl", "second.jsonl"].map(|name| {
        let rows = case.rows().into_iter().skip(8).map(|row| row.to_string());
        let rows: Vec<String> = rows.collect();
        support::write(case.folder.path(), name, &rows.join("\n"))
    });
    let mut of_files = case.train("reward", "of-files");
    of_files.args(["--mix", &files[0], &files[1]]);
    assert!(run(of_files).status.success());
    let card: Value = read_json(&case.path("of-files/card.json"));
    let mixed_in = &card["data"]["mixed_in"];
    assert_eq!(mixed_in["from"], json!(["first.jsonl", "second.jsonl"]));
    assert_eq!(mixed_in["deliberations"], 8);
}

#[test]
fn ratings_of_weight_0_are_as_if_they_were_not_there() {
    let case = Case::new();
    let train = |name: &str, change: &dyn Fn(&mut Value)| {
        let rows = case.rows().into_iter().map(|mut row| {
            change(&mut row);
            row.to_string()
        });
        let rows: Vec<String> = rows.collect();
        let data = support::write(
            case.folder.path(),
            &format!("{name}.jsonl"),
            &rows.join("\n"),
        );
        let output = run(case.train_on("reward", name, &data));
        assert!(output.status.success(), "{}", stderr(&output));
        fs::read(case.path(name).join("adapter.safetensors")).unwrap()
    };
    let weigh = |second: f64| move |row: &mut Value| row["weights"] = json!([1, second, 1, 1, 1]);
    let without = train("without", &|row| {
        for statement in row["statements"].as_array_mut().unwrap() {
            statement["agreement"][1] = Value::Null;
        }
    });
    let nothing = train("nothing", &weigh(0.0));
    let half = train("half", &weigh(0.5));
    let all = train("all", &weigh(1.0));
    assert!(nothing == without);
    assert!(all != without && half != all && half != without);
}

#[test]
fn whoever_started_a_training_pauses_it_and_ends_it_by_standard_input() {
    let case = Case::new();
    let train = |name: &str| {
        let out = case.path(name);
        let out = out.to_str().unwrap();
        let mut command = case.accord(&["train", "reward", "--data", &case.data, "--out", out]);
        command.args(["--controlled", "--epochs", "10"]);
        command.env("ACCORD_TRAINING__REWARD__PATIENCE", "100");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null()).spawn().unwrap()
    };
    let finish = |mut child: Child| {
        // Waiting closes it.
        let _input = child.stdin.take();
        assert!(child.wait().unwrap().success());
    };
    finish(train("whole"));
    let whole = fs::read(case.path("whole/adapter.safetensors")).unwrap();

    let mut child = train("mine");
    let mut input = child.stdin.take().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut events = lines
        .map_while(Result::ok)
        .map(|line| serde_json::from_str::<Value>(&line).unwrap());
    events.find(|event| event["event"] == "step").unwrap();
    writeln!(input, "pause").unwrap();
    let paused = events.find(|event| event["event"] == "paused").unwrap();
    std::thread::sleep(Duration::from_secs(2));
    writeln!(input, "resume").unwrap();
    // Nothing happened in between.
    let next = events.next().unwrap();
    assert_eq!(next["event"], "continued");
    assert_eq!(next["progress"], paused["progress"]);
    events.find(|event| event["event"] == "step").unwrap();
    drop(input);
    assert!(events.count() < 30, "it did not stop");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    finish(train("mine"));
    assert!(fs::read(case.path("mine/adapter.safetensors")).unwrap() == whole);
}

#[test]
fn a_training_that_is_paused_ends_with_whoever_started_it_and_the_next_one_waits_for_that() {
    let case = Case::new();
    let mut command = case.train("reward", "mine");
    command.arg("--controlled").stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = child.stderr.take();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "pause").unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    lines.find(|line| line.contains("\"paused\"")).unwrap();

    let mut next = case.train("reward", "mine");
    next.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut next = next.spawn().unwrap();
    let errors = BufReader::new(next.stderr.take().unwrap()).lines();
    let mut errors = errors.map_while(Result::ok);
    let waits = errors.find(|line| line.contains("another training is at work"));
    assert!(waits.is_some());
    // As when it is killed: nobody reads any more what the training says.
    drop((input, lines, said));
    assert!(!child.wait().unwrap().success());
    errors.for_each(drop);
    assert!(next.wait().unwrap().success());
}

#[test]
fn a_gate_that_is_killed_goes_on_with_the_fold_that_it_was_in() {
    let case = Case::new();
    let train = |name: &str| {
        let mut command = case.train("reward", name);
        command.args(["--gate", "--mix", "shipped"]);
        command
    };
    assert!(run(train("whole")).status.success());
    let whole: Value = read_json(&case.path("whole/card.json"));

    let mut child = train("killed")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let in_fold = |line: &String| line.contains("\"validation\"") && line.contains("\"fold-2\"");
    lines.map_while(Result::ok).find(in_fold).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    let events = events(&run(train("killed")));
    let resumed: Vec<&str> = of(&events, "resumed")
        .iter()
        .map(|event| event["part"].as_str().unwrap())
        .collect();
    assert_eq!(resumed, ["final", "fold-1", "fold-2"]);
    let steps_of = |part: &str| {
        let steps = of(&events, "step").into_iter();
        steps.filter(|step| step["part"] == part).count()
    };
    assert_eq!((steps_of("final"), steps_of("fold-1")), (0, 0));
    assert!(steps_of("fold-2") < steps_of("fold-3"));
    let card: Value = read_json(&case.path("killed/card.json"));
    for of_both in ["gate", "metrics", "adapter"] {
        assert_eq!(card[of_both], whole[of_both]);
    }
}

#[test]
fn the_gate_compares_with_the_version_that_is_named_on_rounds_that_it_has_not_seen() {
    let case = Case::new();
    let half = |name: &str, skip: usize, take: usize| {
        let rows = case.rows().into_iter().skip(skip).take(take);
        let rows: Vec<String> = rows.map(|row| row.to_string()).collect();
        support::write(case.folder.path(), name, &rows.join("\n"))
    };
    let first = half("first.jsonl", 0, 3);
    assert!(
        run(case.train_on("reward", "first", &first))
            .status
            .success()
    );
    let first = case.path("first");
    let gate_of = |name: &str, against: &str| -> Value {
        let mut command = case.train("reward", name);
        command.args(["--gate", "--against", against, "--start"]);
        let output = run({
            command.arg(&first);
            command
        });
        assert!(output.status.success(), "{}", stderr(&output));
        read_json(&case.path(name).join("card.json"))
    };
    let card = gate_of("second", first.to_str().unwrap());
    assert_eq!(card["gate"]["against"], "first");
    assert_eq!(card["gate"]["rounds"], 9);
    let first_card: Value = read_json(&first.join("card.json"));
    assert_eq!(card["settings"]["start"], first_card["adapter"]["sha256"]);
    for by in ["cross_fitted", "compared_with"] {
        let figures = &card["metrics"][by];
        assert_eq!(figures["deliberations"], 9);
        let within = &figures["within"]["at_least_2"];
        assert!(
            within["reward_model"]["value"].as_f64().is_some(),
            "{figures}"
        );
        assert!(within["tf_idf"]["value"].as_f64().is_some());
    }
    assert_eq!(gate_of("third", "base")["gate"]["against"], "base");

    // It has seen all rounds but three.
    let second = half("second.jsonl", 3, 9);
    assert!(
        run(case.train_on("reward", "most", &second))
            .status
            .success()
    );
    let mut command = case.train("reward", "fourth");
    command.args(["--gate", "--against", case.path("most").to_str().unwrap()]);
    assert!(run(command).status.success());
    let card: Value = read_json(&case.path("fourth/card.json"));
    assert_eq!(card["gate"]["verdict"], "not_enough_rounds");
    assert_eq!(card["gate"]["rounds"], 3);

    let mut wrong = case.train("generator", "wrong");
    wrong.args(["--gate", "--against", first.to_str().unwrap()]);
    let error = stderr(&run(wrong));
    assert!(
        error.contains("holds a reward version, not a generator version"),
        "{error}"
    );
}

#[test]
fn the_gate_judges_a_generator_by_the_loss_of_statements_that_people_found_good() {
    let case = Case::new();
    let mut command = case.train("generator", "writer");
    command.args(["--gate", "--mix", "shipped"]);
    let output = run(command);
    assert!(output.status.success(), "{}", stderr(&output));
    let card: Value = read_json(&case.path("writer/card.json"));
    let gate = &card["gate"];
    // The base model was random, so that anything is better.
    assert_eq!(gate["verdict"], "better", "{gate}");
    assert!(gate["rounds"].as_u64().unwrap() >= 8, "{gate}");
    let loss = |name: &str| gate[name].as_f64().unwrap();
    assert!(loss("candidate_loss") < loss("active_loss"));
    let folder = case.path("writer");
    let activated = case.accord(&["models", "activate", folder.to_str().unwrap()]);
    assert!(run(activated).status.success());
}

#[test]
fn the_gate_judges_a_reward_model_by_four_more_trainings() {
    let case = Case::new();
    let mut command = case.train("reward", "mine");
    command.args(["--gate"]);
    let output = run(command);
    assert!(output.status.success(), "{}", stderr(&output));
    let card: Value = read_json(&case.path("mine/card.json"));
    let gate = &card["gate"];
    assert!(
        ["better", "not_better"].contains(&gate["verdict"].as_str().unwrap()),
        "{gate}"
    );
    assert_eq!(gate["rounds"], 12);
    assert_eq!(fs::read_dir(case.path("mine")).unwrap().count(), 2);
}

#[test]
fn data_that_cannot_be_learned_from_are_errors_that_say_why() {
    let case = Case::new();
    let good = case.rows();
    let with = |change: fn(&mut Value)| -> String {
        let rows = good.iter().map(|row| {
            let mut row = row.clone();
            change(&mut row);
            row.to_string()
        });
        rows.collect::<Vec<_>>().join("\n")
    };
    let all_equal = with(|row| {
        for statement in row["statements"].as_array_mut().unwrap() {
            statement["agreement"] = json!([4, 4, 4, 4, 4]);
        }
    });
    let unrated = with(|row| {
        for statement in row["statements"].as_array_mut().unwrap() {
            statement["agreement"] = json!([null, null, null, null, null]);
        }
    });
    let long = with(|row| row["opinions"] = json!(vec!["1 ".repeat(1990); 5]));
    for (name, text, expected) in [
        ("empty", String::new(), "no row of"),
        (
            "rating-of-9",
            with(|row| row["statements"][0]["agreement"][0] = json!(9)),
            "agreement rating 9",
        ),
        (
            "no-question",
            with(|row| row["question"] = json!(null)),
            "no question",
        ),
        ("one", good[0].to_string(), "at least two questions"),
        (
            "all-equal",
            all_equal,
            "all ratings in the training data are 4",
        ),
        ("unrated", unrated, "there is no rating"),
        ("long", long, "there is no rating"),
    ] {
        let data = support::write(case.folder.path(), &format!("{name}.jsonl"), &text);
        let output = run(case.train_on("reward", name, &data));
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(
            stderr(&output).contains(expected),
            "{name}: {}",
            stderr(&output)
        );
        assert!(!case.path(name).join("card.json").exists());
    }
    // The good rows are used.
    let mut rows = case.rows().iter().map(Value::to_string).collect::<Vec<_>>();
    rows.insert(3, "{\"question\": 5}".to_owned());
    let data = support::write(case.folder.path(), "some-bad.jsonl", &rows.join("\n"));
    let output = run(case.train_on("reward", "some-bad", &data));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("\"line\":4"),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("12 are used"));
}

/// A folder with a small model and the first deliberations of the shipped corpus.
struct Case {
    folder: TempDir,
    model: TempPath,
    data: String,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let corpus = include_str!("../config/data/deliberations.jsonl");
        let rows: Vec<&str> = corpus.lines().take(12).collect();
        // What the gate measures on as well; the shipped set takes a while.
        let held_out = include_str!("../config/data/deliberations-held-out.jsonl");
        let held_out: Vec<&str> = held_out.lines().take(4).collect();
        let home = folder.path().join("home/data");
        fs::create_dir_all(&home).unwrap();
        support::write(&home, "deliberations-held-out.jsonl", &held_out.join("\n"));
        Self {
            data: support::write(folder.path(), "data.jsonl", &rows.join("\n")),
            model: random_model("llama", 16, &[], false),
            folder,
        }
    }

    fn rows(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.data).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn accord(&self, arguments: &[&str]) -> Command {
        let mut command = accord(arguments);
        command
            .env("ACCORD_DATA_DIR", self.path("home"))
            .env("ACCORD_MODELS__GENERATOR", &*self.model)
            .env("ACCORD_MODELS__REWARD_MODEL", &*self.model);
        command
    }

    fn train(&self, kind: &str, name: &str) -> Command {
        self.train_on(kind, name, &self.data)
    }

    /// Two epochs.
    fn train_on(&self, kind: &str, name: &str, data: &str) -> Command {
        let out = self.path(name);
        let out = out.to_str().unwrap();
        self.accord(&["train", kind, "--data", data, "--out", out, "--epochs", "2"])
    }
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Standard output is no terminal here, so every line is an event.
fn events(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", stderr(output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == kind)
        .collect()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
