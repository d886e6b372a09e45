//! Backups, going back to one, and what is left of whoever was erased: as hosts do it, on the command
//! line.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use accord::deliberation::admission::Admission;
use accord::deliberation::consent::Consent;
use accord::deliberation::guild::{GuildSettings, Training};
use accord::deliberation::id::{Channel, Guild, Member, RoundKey};
use accord::deliberation::retraining::{
    Figures, How, Measure, Model, Retraining, RetrainingKey, State, TrainingSet,
};
use accord::deliberation::round::{Place, RatingMode, Round, Terms, Time};
use accord::store::snapshots::Snapshots;
use accord::store::{Damaged, Store};
use chrono::{TimeDelta, TimeZone, Utc};
use support::accord;
use support::search::{holds_id, holds_text};
use tempfile::TempDir;

#[test]
fn a_backup_is_restored_into_an_empty_data_folder_and_not_over_a_store_that_is_whole() {
    let home = home();
    let why = fails(&home, &["backup"]);
    assert!(why.contains("there is no store in"), "{why}");
    save(&home, &[round(TOWN, 1), round(VILLAGE, 1)]);
    let file = home.path().join("elsewhere.jsonl.zst");
    let file = file.to_str().unwrap();
    assert_eq!(succeed(&home, &["backup", "--out", file]).trim(), file);

    let other = self::home();
    let said = succeed(&other, &["restore", file]);
    assert!(
        said.contains("restored 2 rounds of 2 guilds, as of"),
        "{said}"
    );
    assert_eq!(rounds(&other, TOWN), [round(TOWN, 1)]);
    assert_eq!(rounds(&other, VILLAGE), [round(VILLAGE, 1)]);

    save(&other, &[round(TOWN, 2)]);
    let why = fails(&other, &["restore", file]);
    assert!(
        why.contains("the store is whole and holds 3 rounds of 2 guilds"),
        "{why}"
    );
    assert!(why.contains("--force"), "{why}");
    assert_eq!(rounds(&other, TOWN).len(), 2);
    let said = succeed(&other, &["restore", file, "--force"]);
    assert!(said.contains("what was there before is in"), "{said}");
    assert_eq!(rounds(&other, TOWN), [round(TOWN, 1)]);
    // And back.
    succeed(&other, &["restore", "--newest", "--force"]);
    assert_eq!(rounds(&other, TOWN).len(), 2);

    let wrong = run(&home, &["restore"]);
    assert_eq!(wrong.status.code(), Some(2));
    let wrong = run(&home, &["restore", file, "--newest"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_damaged_store_is_found_at_the_start_and_recovered_with_the_command_that_is_named() {
    let home = home();
    save(&home, &[round(TOWN, 1)]);
    let snapshot = PathBuf::from(succeed(&home, &["backup"]).trim());
    assert!(snapshot.starts_with(home.path().join("backups")));
    let older = snapshot.with_file_name("accord-2026-11-01T00-00-00.000Z.jsonl.zst");
    fs::rename(&snapshot, &older).unwrap();
    fs::write(&snapshot, "damaged").unwrap();

    for damage in [cut_off as fn(&Path), lose] {
        damage(&home.path().join("store/tree/metadata"));
        let why = fails(&home, &["bot"]);
        assert!(why.contains("the store is damaged"), "{why}");
        let newest = format!(
            "the newest good snapshot is {} with 1 round",
            older.display()
        );
        assert!(why.contains(&newest), "{why}");
        assert!(why.contains("accord restore --newest"), "{why}");
        let doctor = run(&home, &["doctor"]);
        assert_eq!(doctor.status.code(), Some(1));
        let doctor = String::from_utf8(doctor.stdout).unwrap();
        assert!(
            doctor.contains("FAIL  store: the store is damaged"),
            "{doctor}"
        );
        assert!(
            doctor.contains("FAIL  backups: the newest snapshot is damaged"),
            "{doctor}"
        );

        succeed(&home, &["restore", "--newest"]);
        assert_eq!(rounds(&home, TOWN), [round(TOWN, 1)]);
    }
    fs::remove_file(&snapshot).unwrap();
    let doctor = String::from_utf8(run(&home, &["doctor"]).stdout).unwrap();
    assert!(
        doctor.contains("ok    store: 1 round of 1 guild, all can be read"),
        "{doctor}"
    );
    assert!(
        doctor.contains("ok    backups: 1 snapshots, the newest"),
        "{doctor}"
    );
    assert!(
        doctor.contains("old and whole: 1 round of 1 guild"),
        "{doctor}"
    );

    fs::remove_file(&older).unwrap();
    lose(&home.path().join("store/tree/metadata"));
    let why = fails(&home, &["restore", "--newest"]);
    assert!(why.contains("there is no good snapshot"), "{why}");
    let file = older.to_str().unwrap();
    fs::write(file, "no backup").unwrap();
    let why = fails(&home, &["restore", file]);
    assert!(why.contains("is damaged, or no backup of Accord"), "{why}");
}

/// At each change of the names and sizes of files that can be seen from outside, until it ends by itself.
#[cfg(unix)]
#[test]
fn a_restore_that_is_killed_loses_neither_what_was_there_nor_what_is_restored() {
    let elsewhere = home();
    save(
        &elsewhere,
        &[round(TOWN, 1), round(TOWN, 2), round(VILLAGE, 1)],
    );
    let file = elsewhere.path().join("file.jsonl.zst");
    let file = file.to_str().unwrap();
    succeed(&elsewhere, &["backup", "--out", file]);
    let restored = rounds(&elsewhere, TOWN);

    let mut outcomes = BTreeSet::new();
    for was_damaged in [false, true] {
        let before = home();
        save(&before, &[round(TOWN, 3)]);
        let was_there = rounds(&before, TOWN);
        if was_damaged {
            cut_off(&before.path().join("store/tree/metadata"));
        }
        for changes in 0.. {
            let home = home();
            copy(before.path(), home.path());
            let killed = killed_after(changes, &home, &["restore", file, "--force"]);

            let opened = open(&home);
            let found = match &opened {
                Ok(found) if *found == restored => "what is restored",
                Ok(found) if *found == was_there && !was_damaged => "what was there",
                Err(error) if was_damaged && error.is::<Damaged>() => "what was damaged",
                other => panic!("killed after {changes} changes: {other:?}"),
            };
            outcomes.insert(found);
            if found == "what is restored" && !was_damaged {
                let (kept, _) = Snapshots::in_data_dir(home.path())
                    .newest_good(Utc::now())
                    .unwrap()
                    .unwrap();
                let back = self::home();
                succeed(&back, &["restore", kept.file.to_str().unwrap()]);
                assert_eq!(rounds(&back, TOWN), was_there);
            }
            succeed(&home, &["restore", file, "--force"]);
            assert_eq!(rounds(&home, TOWN), restored);
            let mut left: Vec<_> = fs::read_dir(home.path().join("store"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            left.sort();
            // What can still be read in a damaged store is not thrown away.
            left.retain(|name| !(was_damaged && name == "tree.damaged"));
            assert_eq!(left, ["lock", "tree"]);
            // On a busy machine it may end before more than two were seen.
            if !killed && changes > 2 {
                break;
            }
        }
    }
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
}

#[test]
fn a_store_is_not_damaged_of_which_only_a_guild_was_left_that_came_back() {
    let home = home();
    with_store(&home, async |store| {
        store.guild_left(TOWN, now()).await.unwrap();
    });
    succeed(&home, &["backup"]);
    with_store(&home, async |store| store.guild_joined(TOWN).await.unwrap());
    succeed(&home, &["backup"]);
}

#[test]
fn whatever_needs_the_store_says_so_while_a_bot_has_it() {
    let home = home();
    save(&home, &[round(TOWN, 1)]);
    let file = succeed(&home, &["backup"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = Store::open(&home.path().join("store")).unwrap();
    for command in [
        &["bot"][..],
        &["backup"],
        &["restore", file.trim(), "--force"],
        &["restore", "--newest"],
        &["erase", "--guild", "1"],
        &["erase", "--guild", "1", "--member", "2"],
        &["export", "--guild", "1"],
        &["report", "1"],
    ] {
        let why = fails(&home, command);
        assert!(
            why.contains("another process has the store in"),
            "{command:?}: {why}"
        );
        assert!(why.contains("stop the other Accord"), "{command:?}: {why}");
    }
    let doctor = String::from_utf8(run(&home, &["doctor"]).stdout).unwrap();
    assert!(
        doctor.contains("ok    store: in use by another Accord"),
        "{doctor}"
    );
    runtime.block_on(store.close()).unwrap();
    assert_eq!(rounds(&home, TOWN), [round(TOWN, 1)]);
}

#[test]
fn whoever_is_erased_is_in_no_file_any_more() {
    let home = home();
    prepare_to_erase(&home);
    for id in [ADA, BEN] {
        assert!(holds_id(home.path(), id.0), "this search finds nothing");
    }
    for place in ["store", "backups", "retraining"] {
        let place = home.path().join(place);
        for text in [opinion_of(ADA), opinion_of(BEN)] {
            assert!(
                holds_text(&place, &text),
                "this search finds nothing in {place:?}"
            );
        }
    }

    let [guild, ada] = [TOWN.0, ADA.0].map(|id| id.to_string());
    let said = succeed(&home, &["erase", "--guild", &guild, "--member", &ada]);
    for line in [
        "erased from 2 rounds",
        "snapshots written anew: 2",
        "stays: version reward-1 of a model",
        "stay: 1 versions of models of other guilds",
        "stays: what was posted on Discord",
    ] {
        assert!(said.contains(line), "{said}");
    }
    // In the village she is somebody else, as it were.
    for round in rounds(&home, VILLAGE) {
        assert_eq!(round.opinions[&ADA].text, Some(elsewhere()));
    }
    succeed(
        &home,
        &["erase", "--guild", &VILLAGE.0.to_string(), "--member", &ada],
    );
    assert!(!holds_id(home.path(), ADA.0));
    for text in [opinion_of(ADA), elsewhere()] {
        assert!(!holds_text(home.path(), &text));
    }
    // The others are all there, in each snapshot too.
    let there = |rounds: Vec<Round>| -> BTreeSet<Member> {
        let opinions = rounds.iter().flat_map(|round| round.opinions.keys());
        opinions.copied().collect()
    };
    assert_eq!(there(rounds(&home, TOWN)), [BEN, CEM].into());
    let snapshots = Snapshots::in_data_dir(home.path()).list(now()).unwrap();
    assert_eq!(snapshots.len(), 2);
    for snapshot in snapshots {
        let other = self::home();
        succeed(&other, &["restore", snapshot.file.to_str().unwrap()]);
        assert_eq!(there(rounds(&other, TOWN)), [BEN, CEM].into());
    }
    // What is under way begins anew, and what is over counts it.
    let made = retrainings(&home);
    assert!(made[0].is_over() && made[0].erased == 1);
    assert_eq!(
        (made[1].data.as_ref(), &made[1].state),
        (None, &State::Waiting)
    );
    assert!(
        !home
            .path()
            .join(format!("retraining/{}-2", TOWN.0))
            .exists()
    );

    let again = succeed(&home, &["erase", "--guild", &guild, "--member", &ada]);
    assert!(again.contains("erased from 0 rounds"), "{again}");
    assert!(again.contains("snapshots written anew: 0"), "{again}");
}

#[test]
fn a_guild_is_erased_with_all_that_it_has() {
    let home = home();
    prepare_to_erase(&home);
    let imported = format!("imported/guild-{}", TOWN.0);
    let versions = format!("versions/guilds/{}", TOWN.0);
    for folder in [&imported, &versions] {
        fs::create_dir_all(home.path().join(folder)).unwrap();
        fs::write(home.path().join(folder).join("some.jsonl"), opinion_of(CEM)).unwrap();
    }
    let said = succeed(&home, &["erase", "--guild", &TOWN.0.to_string()]);
    assert!(said.contains("erased with 2 rounds"), "{said}");
    assert!(said.contains("stays: the guild's id"), "{said}");
    for member in [BEN, CEM] {
        assert!(!holds_text(home.path(), &opinion_of(member)));
        assert!(!holds_id(home.path(), member.0));
    }
    for folder in [&imported, &versions] {
        assert!(!home.path().join(folder).exists());
    }
    assert_eq!(rounds(&home, TOWN), []);
    assert_eq!(rounds(&home, VILLAGE), [round(VILLAGE, 1)]);
    // No number is given again.
    let store = Store::open(&home.path().join("store")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let next = runtime.block_on(store.next_number(TOWN)).unwrap();
    assert_eq!(next, 3);
}

const TOWN: Guild = Guild(710_000_000_000_000_001);
const VILLAGE: Guild = Guild(290_000_000_000_000_002);
const ADA: Member = Member(812_345_678_901_234_567);
const BEN: Member = Member(123_987_654_321_012_345);
const CEM: Member = Member(456_789_012_345_678_901);

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Two rounds, what Ada changed and withdrew, two retrainings, one of another guild; and snapshots from
/// before and after.
fn prepare_to_erase(home: &TempDir) {
    let mut second = round(TOWN, 2);
    save(home, &[round(TOWN, 1), second.clone(), round(VILLAGE, 1)]);
    succeed(home, &["backup"]);
    let before = second.clone();
    second.withdraw_opinion(ADA, now()).unwrap();
    second.extend(ADA, TimeDelta::hours(1), now()).unwrap();
    with_store(home, async |store| {
        store.save(Some(&before), &second).await.unwrap();
        let set = |settings: &mut GuildSettings| {
            settings.training = Training::Own;
            settings.changed = Some((ADA, now()));
        };
        store.change_settings(TOWN, set).await.unwrap();
        let consent = Consent {
            agreed: true,
            shared: true,
            at: now(),
        };
        for member in [ADA, BEN] {
            store.save_consent(TOWN, member, consent).await.unwrap();
        }
        let figures = Figures {
            rounds: 8,
            measure: Measure::Accuracy,
            active: 0.5,
            new: 0.75,
            gain: [0.125, 0.25],
        };
        let version = "reward-1".to_owned();
        let over = State::Over {
            at: now(),
            how: How::NotBetter { version, figures },
        };
        for (guild, number, state) in [
            (TOWN, 1, over.clone()),
            (TOWN, 2, State::Training),
            (VILLAGE, 1, over),
        ] {
            let made = retraining(guild, number, state);
            store.save_retraining(&made).await.unwrap();
        }
    });
    let data = home.path().join(format!("retraining/{}-2", TOWN.0));
    fs::create_dir_all(&data).unwrap();
    let texts = [opinion_of(ADA), opinion_of(BEN)].join("\n");
    fs::write(data.join("data.jsonl"), texts).unwrap();
    succeed(home, &["backup"]);
}

fn retraining(guild: Guild, number: u32, state: State) -> Retraining {
    Retraining {
        key: RetrainingKey { guild, number },
        model: Model::RewardModel,
        by: ADA,
        asked_at: now(),
        channel: Channel(5),
        language: "en".into(),
        shown: None,
        data: Some(TrainingSet {
            contributors: [ADA, BEN].map(|member| (TOWN, member)).into(),
            ..TrainingSet::default()
        }),
        erased: 0,
        failures: 0,
        worked_s: 100,
        state,
        settled: true,
    }
}

fn now() -> Time {
    Utc.with_ymd_and_hms(2026, 11, 28, 12, 0, 0).unwrap()
}

fn opinion_of(member: Member) -> String {
    format!(
        "Somebody whose number ends with {} wants trees here.",
        member.0 % 1000
    )
}

/// What everybody says in the village.
fn elsewhere() -> String {
    "Here we would rather have a well than trees.".to_owned()
}

fn round(guild: Guild, number: u32) -> Round {
    let terms = Terms {
        welfare: "utilitarian".parse().unwrap(),
        minimum: 3,
        posted: 3.try_into().unwrap(),
        rating: RatingMode::Private,
        opinions_for: TimeDelta::hours(24),
        ratings_for: TimeDelta::hours(24),
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
    let place = Place {
        channel: Channel(10),
        thread: None,
        threads: false,
    };
    let key = RoundKey { guild, number };
    let question = format!("What should become of square {number}?");
    let by = if guild == TOWN { ADA } else { Member(9) };
    let mut round = Round::open(key, question, None, terms, place, by, now());
    let members = if guild == TOWN {
        &[ADA, BEN, CEM][..]
    } else {
        &[ADA]
    };
    for &member in members {
        let text = if guild == TOWN {
            opinion_of(member)
        } else {
            elsewhere()
        };
        round.submit_opinion(member, &text, 0, now()).unwrap();
    }
    round
}

fn save(home: &TempDir, rounds: &[Round]) {
    with_store(home, async |store| {
        for round in rounds {
            store.save(None, round).await.unwrap();
        }
    });
}

fn rounds(home: &TempDir, guild: Guild) -> Vec<Round> {
    with_store(home, async |store| store.rounds(guild).await.unwrap())
}

fn retrainings(home: &TempDir) -> Vec<Retraining> {
    with_store(home, async |store| {
        store.retrainings(|guild| guild == TOWN).await.unwrap()
    })
}

fn with_store<T>(home: &TempDir, what: impl AsyncFnOnce(&Store) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&home.path().join("store")).unwrap();
        let result = what(&store).await;
        store.close().await.unwrap();
        result
    })
}

/// Opens the store as the bot does; the town's rounds.
fn open(home: &TempDir) -> anyhow::Result<Vec<Round>> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&home.path().join("store"))?;
        let rounds = store.rounds(TOWN).await?;
        store.close().await?;
        Ok(rounds)
    })
}

/// Runs it, and kills it when so many changes of the data folder have been seen; whether it had not
/// ended before.
fn killed_after(changes: usize, home: &TempDir, arguments: &[&str]) -> bool {
    let mut seen = files_in(home.path());
    let mut child = command(home, arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut left = changes;
    while left > 0 {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return false;
        }
        let now = files_in(home.path());
        if now != seen {
            seen = now;
            left -= 1;
        }
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// With their sizes. What vanishes meanwhile is left out.
fn files_in(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if let Ok(about) = entry.metadata() {
            files.insert(entry.path(), about.len());
            if about.is_dir() {
                files.extend(files_in(&entry.path()));
            }
        }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn cut_off(metadata: &Path) {
    for entry in fs::read_dir(metadata).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("snapshot_") {
            let whole = fs::read(&path).unwrap();
            fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        }
    }
}

/// Then sled makes a new, empty tree.
fn lose(metadata: &Path) {
    fs::remove_dir_all(metadata.parent().unwrap()).unwrap();
}

fn command(home: &TempDir, arguments: &[&str]) -> Command {
    let mut command = accord(arguments);
    command
        .current_dir(home.path())
        .env("ACCORD_DATA_DIR", home.path())
        .env("DISCORD_TOKEN", "none")
        .env("ACCORD_DISCORD__API_URL", "http://127.0.0.1:9");
    command
}

fn run(home: &TempDir, arguments: &[&str]) -> Output {
    command(home, arguments).output().unwrap()
}

fn succeed(home: &TempDir, arguments: &[&str]) -> String {
    let output = run(home, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says on standard error, with exit code 1.
fn fails(home: &TempDir, arguments: &[&str]) -> String {
    let output = run(home, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert_eq!(output.stdout, b"");
    String::from_utf8(output.stderr).unwrap()
}
