//! What comes in from elsewhere to train on, and what is given away: `accord import`, `accord export`,
//! `accord report`.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use accord::deliberation::admission::Admission;
use accord::deliberation::consent::Consent;
use accord::deliberation::distribution::RatingDistribution;
use accord::deliberation::guild::{GuildSettings, Training};
use accord::deliberation::id::{Channel, Guild, Member, Message, RoundKey};
use accord::deliberation::outcome::OutcomeThresholds;
use accord::deliberation::rating::Likert;
use accord::deliberation::record::Deliberation;
use accord::deliberation::round::board::Shown;
use accord::deliberation::round::{
    Candidate, CandidateKey, Place, Provenance, RatingMode, Round, Terms, Time,
};
use accord::store::Store;
use accord::training::imported;
use chrono::{TimeDelta, TimeZone, Utc};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use support::accord;
use tempfile::TempDir;

#[test]
fn a_polis_conversation_becomes_deliberations_of_groups_who_voted_on_the_same_comments() {
    let home = home();
    let printed = succeed(&home, &["import", "polis", &fixture()]);
    assert!(
        printed.contains("(agree is 6, pass 4, disagree 2); of 9 participants who voted 7 wrote something, and 7 are in a group"),
        "{printed}"
    );
    let file = home.path().join("imported/polis-market.jsonl");
    let rows = imported::read(&file).unwrap();
    assert_eq!(rows.len(), 2);
    let sizes: Vec<usize> = rows.iter().map(|row| row.opinions.len()).collect();
    assert_eq!(sizes, [4, 3]);
    let mut agreed = 0;
    for row in &rows {
        assert_eq!(row.topic.as_deref(), Some("Market square"));
        assert_eq!(
            row.question,
            "What should become of the market square, now that the supermarket is gone?"
        );
        assert_eq!(row.weights, vec![1.0; row.opinions.len()]);
        assert!((2..=8).contains(&row.statements.len()));
        for statement in &row.statements {
            assert!(!statement.text.contains("WATCHES"), "it was rejected");
            for (opinion, rating) in row.opinions.iter().zip(&statement.agreement) {
                assert!(rating.is_none_or(|rating| [2, 4, 6].contains(&rating)));
                agreed += usize::from(*rating == Some(6));
                // Nobody rates what they wrote.
                let words: Vec<&str> = statement.text.split_whitespace().collect();
                let own = opinion.contains(&words.join(" "));
                assert!(!(own && rating.is_some()), "{opinion}");
            }
        }
    }
    assert!(agreed >= 10, "{agreed}");
    // All that one person wrote is one opinion.
    let opinions: Vec<&String> = rows.iter().flat_map(|row| &row.opinions).collect();
    let both = "Close the square to cars, there is no room to sit. Buses should stop right there.";
    assert!(opinions.iter().any(|opinion| *opinion == both));
    let shade = "Plant trees. They give shade in summer.";
    assert!(opinions.iter().any(|opinion| *opinion == shade));
}

#[test]
fn swapped_signs_are_found_by_the_counts_of_the_comments() {
    let (home, copy) = (home(), copy_of_fixture());
    succeed(&home, &["import", "polis", &fixture()]);
    let votes = copy.path().join("participants-votes.csv");
    let text = fs::read_to_string(&votes).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let swapped = rows.lines().map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        let (facts, cast) = cells.split_at(7);
        let cast = cast.iter().map(|vote| match *vote {
            "1" => "-1",
            "-1" => "1",
            other => other,
        });
        let cells: Vec<&str> = facts.iter().copied().chain(cast).collect();
        cells.join(",") + "\n"
    });
    fs::write(&votes, format!("{header}\n{}", swapped.collect::<String>())).unwrap();
    let output = run(&home, &["import", "polis", copy.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("-1 means agree"));
    let name = copy.path().file_name().unwrap().to_str().unwrap();
    let read = |name: &str| {
        let file = home.path().join(format!("imported/{name}.jsonl"));
        let mut rows = imported::read(&file).unwrap();
        rows.iter_mut().for_each(|row| row.id = None);
        rows
    };
    assert_eq!(read(name.trim_start_matches('.')), read("polis-market"));
}

#[test]
fn what_is_no_export_of_polis_is_an_error_that_says_what_is_wrong() {
    let change = |file: &str, from: &str, to: &str| {
        let copy = copy_of_fixture();
        let path = copy.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
        copy
    };
    let missing = copy_of_fixture();
    fs::remove_file(missing.path().join("summary.csv")).unwrap();
    let few = copy_of_fixture();
    let votes = fs::read_to_string(few.path().join("participants-votes.csv")).unwrap();
    let votes: Vec<&str> = votes.lines().take(3).collect();
    fs::write(few.path().join("participants-votes.csv"), votes.join("\n")).unwrap();
    for (folder, expected) in [
        (missing, "holds no summary.csv: a folder with comments.csv"),
        (few, "there is nothing to learn from"),
        (
            change("comments.csv", "author-id", "author"),
            "comments.csv has no column author-id, as Polis exports it; it has timestamp, datetime",
        ),
        (
            change(
                "comments.csv",
                "Tue Nov 14 22:13:20 UTC 2023,9,2",
                "x,9,two",
            ),
            "comments.csv line 2: author-id is \"two\", expected a number",
        ),
        (
            change(
                "participants-votes.csv",
                "1,,1,2,8,5,2,1,-1",
                "1,,1,2,8,5,2,1,7",
            ),
            "participants-votes.csv line 2: the vote on comment 1 is \"7\", expected 1 (agree), 0 (pass), -1 (disagree) or nothing",
        ),
        (
            change("participants-votes.csv", "participant", "voter"),
            "participants-votes.csv has no column participant",
        ),
        (
            change("summary.csv", "topic,Market square", "topic,").also(|folder| {
                let path = folder.path().join("summary.csv");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text.replace('?', ".")).unwrap();
            }),
            "summary.csv has neither a topic nor a question of 1 to 1000 characters",
        ),
    ] {
        let home = home();
        let output = run(&home, &["import", "polis", folder.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert!(!home.path().join("imported").exists());
    }
    let output = run(&home(), &["import", "polis", "/nowhere"]);
    assert!(stderr(&output).contains("/nowhere holds no summary.csv"));
}

#[test]
fn deliberations_are_kept_for_one_guild_or_for_all_and_counted() {
    let home = home();
    let rows = include_str!("fixtures/rated_deliberations.jsonl");
    let file = support::write(home.path(), "rated.jsonl", rows);
    succeed(&home, &["import", "deliberations", &file]);
    let printed = succeed(&home, &["import", "deliberations", &file, "--guild", "77"]);
    assert!(
        printed.contains("imported/guild-77/rated.jsonl: 3 deliberations"),
        "{printed}"
    );
    let last: Vec<&str> = printed.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(last[..3], ["in", "all", "6"], "{printed}");
    assert_eq!(imported::files(home.path(), Guild(77)).unwrap().len(), 2);
    assert_eq!(imported::files(home.path(), Guild(78)).unwrap().len(), 1);
    // The same again takes the place of what was there.
    succeed(&home, &["import", "deliberations", &file, "--guild", "77"]);
    assert_eq!(imported::files(home.path(), Guild(77)).unwrap().len(), 2);

    let some_bad = support::write(
        home.path(),
        "some-bad.jsonl",
        &format!("{{\"question\": 5}}\n{rows}"),
    );
    let output = run(&home, &["import", "deliberations", &some_bad]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("\"line\":1"));
    let kept = imported::read(&home.path().join("imported/some-bad.jsonl")).unwrap();
    assert_eq!(kept.len(), 3);
    let none = support::write(home.path(), "none.jsonl", "{\"question\": 5}\n");
    let output = run(&home, &["import", "deliberations", &none]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no row of"), "{}", stderr(&output));
}

#[test]
fn rounds_are_exported_with_pseudonyms_and_read_again() {
    let home = home();
    save(
        &home,
        Training::Own,
        &[
            concluded(1, RatingMode::Private),
            concluded(2, RatingMode::Reactions),
        ],
    );
    let file = home.path().join("rounds.jsonl");
    let out = file.to_str().unwrap();
    succeed(&home, &["export", "--guild", "77", "--out", out]);
    let text = fs::read_to_string(&file).unwrap();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    for id in MEMBERS.map(|member| member.to_string()) {
        assert!(!text.contains(&id), "no Discord id may be in it");
    }
    // The fourth did not agree.
    assert!(!text.contains(&opinion_of(MEMBERS[3])));
    for row in &rows {
        assert_eq!(row["opinions"].as_array().unwrap().len(), 3);
    }
    assert!(rows[0]["participants"] != rows[1]["participants"]);

    let other = self::home();
    let refused = run(&other, &["import", "deliberations", out]);
    assert!(stderr(&refused).contains("say which it is with --guild ID"));
    let output = run(&other, &["import", "deliberations", out, "--guild", "77"]);
    assert!(output.status.success(), "{}", stderr(&output));
    // Who reacted in public could be recognised by the ratings.
    assert!(stderr(&output).contains("in 1 of them no rating belongs to an opinion"));
    let kept = other.path().join("imported/guild-77/rounds.jsonl");
    let read = imported::read(&kept).unwrap();
    let rated: Vec<usize> = read.iter().map(ratings).collect();
    assert_eq!(rated, [9, 0]);
    // As text it comes out the same on standard output, but for the pseudonyms.
    let printed = succeed(&home, &["export", "--guild", "77"]);
    let again: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    assert_eq!(again["question"], rows[0]["question"]);
    assert!(again["participants"] != rows[0]["participants"]);
}

#[test]
fn what_cannot_be_exported_says_why() {
    let home = home();
    let why = |home: &TempDir, guild: &str| {
        let output = run(home, &["export", "--guild", guild]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(output.stdout, b"");
        stderr(&output)
    };
    assert!(why(&home, "77").contains("there is no store in"));
    save(&home, Training::Off, &[concluded(1, RatingMode::Private)]);
    assert!(why(&home, "77").contains("training is off in guild 77"));
    assert!(why(&home, "78").contains("guild 78 has no rounds here"));
    let mut open = concluded(1, RatingMode::Private);
    open.phase = opened(1, RatingMode::Private).phase;
    let other = self::home();
    save(&other, Training::Own, &[open]);
    assert!(why(&other, "77").contains("none can be exported"));
}

#[test]
fn a_result_becomes_a_page_that_tells_nothing_of_people() {
    let home = home();
    save(
        &home,
        Training::Off,
        &[
            concluded(1, RatingMode::Private),
            opened(2, RatingMode::Private),
        ],
    );
    let file = home.path().join("round-1.html");
    let printed = succeed(&home, &["report", "1", "--out", file.to_str().unwrap()]);
    assert_eq!(printed, "");
    let page = fs::read_to_string(&file).unwrap();
    let question = "<h1 dir=\"auto\">What should become of square 1?</h1>";
    assert!(page.contains(question), "{page}");
    for member in MEMBERS {
        assert!(!page.contains(&member.to_string()), "{page}");
        assert!(!page.contains(&opinion_of(member)), "{page}");
    }
    let printed = succeed(&home, &["report", "1", "--guild", "77"]);
    assert_eq!(printed, page);

    // The host's own page and words.
    fs::write(
        home.path().join("report.html.j2"),
        "{{ words.how }} {{ question }}",
    )
    .unwrap();
    fs::create_dir(home.path().join("wording")).unwrap();
    let words = "language = en\npage-how = Why?";
    fs::write(home.path().join("wording/en.ftl"), words).unwrap();
    let own = succeed(&home, &["report", "1"]);
    assert_eq!(own, "Why? What should become of square 1?\n");
    fs::write(home.path().join("report.html.j2"), "{% if %}").unwrap();
    let why = |arguments: &[&str]| {
        let output = run(&home, arguments);
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    assert!(why(&["report", "1"]).contains("report.html.j2:1"));
    fs::remove_file(home.path().join("report.html.j2")).unwrap();
    for (arguments, expected) in [
        (
            &["report", "3"][..],
            "guild 77 has no round 3, its rounds are numbered from 1 to 2",
        ),
        (&["report", "2"], "round 2 has no result: it is not over"),
        (
            &["report", "1", "--guild", "78"],
            "guild 78 has no rounds here",
        ),
        (
            &["report", "1", "--out", "nowhere/round.html"],
            "cannot write nowhere/round.html: there is no folder nowhere",
        ),
    ] {
        let why = why(arguments);
        assert!(why.contains(expected), "{why}");
    }
}

const MEMBERS: [u64; 4] = [
    810_000_000_000_000_001,
    810_000_000_000_000_002,
    810_000_000_000_000_003,
    810_000_000_000_000_004,
];

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn fixture() -> String {
    format!("{}/tests/fixtures/polis-market", env!("CARGO_MANIFEST_DIR"))
}

fn copy_of_fixture() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture()).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

trait Also: Sized {
    fn also(self, change: impl FnOnce(&Self)) -> Self {
        change(&self);
        self
    }
}

impl Also for TempDir {}

fn run(home: &TempDir, arguments: &[&str]) -> Output {
    let mut command: Command = accord(arguments);
    command
        .env("ACCORD_DATA_DIR", home.path())
        .output()
        .unwrap()
}

fn succeed(home: &TempDir, arguments: &[&str]) -> String {
    let output = run(home, arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn ratings(row: &Deliberation) -> usize {
    let statements = row.statements.iter();
    let given = statements.map(|statement| statement.agreement.iter().flatten().count());
    given.sum()
}

/// A store in which three of four members agreed to training.
fn save(home: &TempDir, training: Training, rounds: &[Round]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&home.path().join("store"))).unwrap();
        let guild = Guild(77);
        let set = move |settings: &mut GuildSettings| settings.training = training;
        store.change_settings(guild, set).await.unwrap();
        for (member, agreed) in MEMBERS.into_iter().zip([true, true, true, false]) {
            let consent = Consent {
                agreed,
                shared: false,
                at: now(),
            };
            let member = Member(member);
            store.save_consent(guild, member, consent).await.unwrap();
        }
        for round in rounds {
            store.save(None, round).await.unwrap();
        }
        store.close().await.unwrap();
    });
}

fn now() -> Time {
    Utc.with_ymd_and_hms(2026, 11, 28, 12, 0, 0).unwrap()
}

fn opinion_of(member: u64) -> String {
    format!("Number {} wants trees on the square.", member % 10)
}

fn opened(number: u32, rating: RatingMode) -> Round {
    let terms = Terms {
        welfare: "utilitarian".parse().unwrap(),
        minimum: 3,
        posted: 3.try_into().unwrap(),
        rating,
        opinions_for: TimeDelta::hours(1),
        ratings_for: TimeDelta::hours(1),
        revisions: 0,
        notify: None,
        retention_days: 30,
        training: true,
        admission: Admission::Everyone,
        experiment: false,
        review: false,
        language: "en".into(),
        real_ratings_only: false,
    };
    let key = RoundKey {
        guild: Guild(77),
        number,
    };
    let place = Place {
        channel: Channel(10),
        thread: None,
        threads: false,
    };
    let question = format!("What should become of square {number}?");
    let opened_at = now() - TimeDelta::hours(1);
    let mut round = Round::open(key, question, None, terms, place, Member(9), opened_at);
    for member in MEMBERS {
        let text = opinion_of(member);
        round
            .submit_opinion(Member(member), &text, 0, opened_at)
            .unwrap();
    }
    round
}

/// Everybody has rated everything.
fn concluded(number: u32, rating: RatingMode) -> Round {
    let mut round = opened(number, rating);
    round.close_opinions(now());
    let predicted = RatingDistribution::from_logits([0.0; 7]).unwrap();
    let candidates =
        ["Plant ten trees.", "Plant none.", "Ask again next year."].map(|text| Candidate {
            text: text.to_owned(),
            provenance: Provenance {
                generator: "generator".to_owned(),
                reward_model: "reward model".to_owned(),
                prompt_sha256: String::new(),
                seed: 1,
                temperature: 1.0,
                top_p: 0.8,
                opinions_read: Vec::new(),
                critiques_read: Vec::new(),
                drafted_at: now(),
                arm: None,
            },
            predictions: MEMBERS.map(|member| (Member(member), predicted)).into(),
            withdrawn_at: None,
            reports: Vec::new(),
            kept: false,
        });
    let mut random = ChaCha8Rng::seed_from_u64(1);
    round.drafted(0, candidates.into(), &mut random, now());
    for (message, item) in (1..).zip(round.board()) {
        round.show(Shown {
            item,
            message: Message(message),
            fingerprint: 1,
            seeded: true,
        });
    }
    round.open_rating(now());
    for (row, member) in (0..).zip(MEMBERS) {
        for candidate in 0..3 {
            let rating = Likert::try_from(1 + ((row + 2 * candidate) % 7) as u8).unwrap();
            let key = CandidateKey(candidate);
            round
                .rate(key, Member(member), Some(rating), None, now())
                .unwrap();
        }
    }
    let thresholds = OutcomeThresholds {
        rated: 0.5,
        consensus: 2.0 / 3.0,
        contested: 0.5,
        certain: 0.75,
    };
    let closes = round.rating_closes().unwrap();
    round.close_rating(&thresholds, &mut random, closes);
    assert!(round.result().is_some(), "{}", json!(round.question));
    round
}
