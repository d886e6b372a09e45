//! Backups, snapshots, and going back to one.

use std::io::Write;
use std::sync::LazyLock;

use chrono::TimeDelta;
use proptest::collection::vec;
use proptest::sample::Index;

use super::super::snapshots::{Renewed, Snapshots, Stale};
use super::*;
use crate::deliberation::retraining::tests::set_of;

/// A store with something of every kind, for two guilds.
async fn filled() -> (Store, TempDir) {
    let (store, folder) = store();
    for guild in [42, 43] {
        let set = |settings: &mut GuildSettings| settings.changed = Some((WANTED, at(3)));
        store.change_settings(Guild(guild), set).await.unwrap();
        let consent = store.save_consent(Guild(guild), WANTED, agreed(true));
        consent.await.unwrap();
        for number in 1..=3 {
            let key = RoundKey {
                guild: Guild(guild),
                number,
            };
            let mut round = over(key);
            if number == 2 {
                round = with_opinion(&opened(key), WANTED.0, SECRET);
            }
            store.save(None, &round).await.unwrap();
        }
        let mut made = retraining(guild, 1);
        made.begin(set_of(&[WANTED.0]));
        store.save_retraining(&made).await.unwrap();
    }
    store.guild_left(Guild(44), at(1)).await.unwrap();
    (store, folder)
}

const WANTED: Member = Member(812_345_678_901_234_567);

/// All records of a store, as a backup has them.
async fn records_in(store: &Store) -> Changes {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    store.back_up(&file, at(0)).await.unwrap();
    records_of(&file)
}

fn records_of(file: &Path) -> Changes {
    let mut records = Changes::new();
    backup::read(file, |key, record| {
        records.insert(key, Some(record));
        Ok(())
    })
    .unwrap();
    records
}

#[tokio::test]
async fn what_is_restored_is_what_was_backed_up_but_for_the_next_numbers() {
    let (store, folder) = filled().await;
    let file = folder.path().join("deep/er/backup");
    let made = store.back_up(&file, at(7)).await.unwrap();
    assert_eq!(made.made_at, at(7));
    assert_eq!((made.contents.guilds, made.contents.rounds), (2, 6));
    assert_eq!(Store::verify(&file).unwrap(), made);
    assert_eq!(folders(folder.path()), ["deep", "tree"]);
    // The same records give the same checksum.
    let again = folder.path().join("again");
    let same = store.back_up(&again, at(8)).await.unwrap();
    assert_eq!(same.sha256, made.sha256);

    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(Store::restore(elsewhere.path(), &file).unwrap(), made);
    let restored = Store::open(elsewhere.path()).unwrap();
    assert_eq!(restored.next_number(GUILD).await.unwrap(), 104);
    assert_eq!(
        restored.rounds(GUILD).await.unwrap(),
        store.rounds(GUILD).await.unwrap()
    );
    let numbers = |mut records: Changes| {
        records.retain(|key, _| !matches!(Key::from_bytes(key), Some(Key::NextNumber(_))));
        records
    };
    let (before, after) = (records_in(&store).await, records_in(&restored).await);
    assert_eq!(numbers(before), numbers(after));
    assert_eq!(folders(elsewhere.path()), ["tree"]);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_on_the_machine_can_read_the_store_or_a_snapshot() {
    use std::os::unix::fs::PermissionsExt;

    let home = tempfile::tempdir().unwrap();
    let [folder, snapshots] = ["data/store", "data/backups"].map(|name| home.path().join(name));
    let store = Store::open(&folder).unwrap();
    let file = snapshots.join("file");
    store.back_up(&file, at(0)).await.unwrap();
    for place in [folder, snapshots, file] {
        let mode = fs::metadata(&place).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", place.display());
    }
}

#[tokio::test]
async fn no_byte_of_a_backup_that_is_changed_or_missing_changes_what_is_read() {
    let (store, folder) = store();
    let round = with_opinion(&opened(key(1)), 5, SECRET);
    store.save(None, &round).await.unwrap();
    let file = folder.path().join("backup");
    let made = store.back_up(&file, at(0)).await.unwrap();
    let whole = fs::read(&file).unwrap();
    let mut noticed = 0;
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 0x10;
        fs::write(&file, changed).unwrap();
        match Store::verify(&file) {
            Ok(read) => assert_eq!(read, made, "{place}"),
            Err(error) => {
                noticed += 1;
                assert!(!error.to_string().contains("library"), "{error}");
            }
        }
        fs::write(&file, &whole[..place]).unwrap();
        assert!(Store::verify(&file).is_err(), "{place}");
    }
    // The compression has some bits that nothing reads.
    assert!(noticed + 10 > whole.len(), "{noticed} of {}", whole.len());
    fs::write(&file, [&whole[..], b"more"].concat()).unwrap();
    let error = Store::verify(&file).unwrap_err();
    let damaged = format!(
        "the backup {} is damaged, or no backup of Accord",
        file.display()
    );
    assert_eq!(error.to_string(), damaged);
}

#[tokio::test]
async fn lines_that_were_changed_together_with_the_compression_are_noticed() {
    let (store, folder) = filled().await;
    let file = folder.path().join("backup");
    store.back_up(&file, at(0)).await.unwrap();
    let mut lines = String::new();
    let mut decoder = zstd::Decoder::new(fs::File::open(&file).unwrap()).unwrap();
    decoder.read_to_string(&mut lines).unwrap();
    let refused = |lines: &str, why: &str| {
        let mut encoder = zstd::Encoder::new(fs::File::create(&file).unwrap(), 0).unwrap();
        encoder.write_all(lines.as_bytes()).unwrap();
        encoder.finish().unwrap();
        let empty = tempfile::tempdir().unwrap();
        let error = Store::restore(empty.path(), &file).unwrap_err();
        assert!(format!("{error:#}").contains(why), "{error:#}");
        let error = Store::verify(&file).unwrap_err();
        assert!(format!("{error:#}").contains(why), "{error:#}");
    };
    refused(
        &lines.replace("read that I want", "read that we want"),
        "is damaged",
    );
    let mut shuffled: Vec<&str> = lines.lines().collect();
    shuffled.swap(1, 2);
    refused(&(shuffled.join("\n") + "\n"), "is not in its place");
    shuffled.swap(1, 2);
    shuffled.remove(2);
    refused(&(shuffled.join("\n") + "\n"), "is damaged");
    refused(
        &lines.replace("\"agreed\":true", "\"agreed\":7"),
        "consent of member",
    );
    refused(
        &lines.replacen("\"accord_backup\":1", "\"accord_backup\":2", 1),
        "has version 2, and this Accord knows versions up to 1",
    );
    // Whoever packs it small does not fill the memory.
    let endless = lines.replacen(':', &format!(":{}", " ".repeat(65 << 20)), 1);
    refused(&endless, "is damaged");
    refused("{}\n", "no backup of Accord");
    refused("", "no backup of Accord");
}

/// What happens to bytes, or to lines, of which places are given as shares of the whole.
#[derive(Clone, Debug)]
enum Damage {
    Changed(Index, u8),
    Truncated(Index),
    Removed(Index, Index),
    Repeated(Index, Index),
    /// What stands from the first place to the second changes places with what follows up to the third.
    Reordered(Index, Index, Index),
}

fn damage_to() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    prop_oneof![
        (place(), 1..=u8::MAX).prop_map(|(at, bits)| Damage::Changed(at, bits)),
        place().prop_map(Damage::Truncated),
        (place(), place()).prop_map(|(from, to)| Damage::Removed(from, to)),
        (place(), place()).prop_map(|(from, to)| Damage::Repeated(from, to)),
        (place(), place(), place())
            .prop_map(|(from, middle, to)| Damage::Reordered(from, middle, to)),
    ]
}

impl Damage {
    /// `change` is done to one of the parts.
    fn done_to<T: Clone>(&self, whole: &[T], change: impl Fn(&T, u8) -> T) -> Vec<T> {
        let places = |places: &[&Index]| {
            let mut places: Vec<usize> = places
                .iter()
                .map(|place| place.index(whole.len() + 1))
                .collect();
            places.sort_unstable();
            places
        };
        match self {
            Self::Changed(at, bits) => {
                let mut parts = whole.to_vec();
                if let Some(part) = parts.get_mut(at.index(whole.len().max(1))) {
                    *part = change(part, *bits);
                }
                parts
            }
            Self::Truncated(at) => whole[..places(&[at])[0]].to_vec(),
            Self::Removed(from, to) => {
                let places = places(&[from, to]);
                [&whole[..places[0]], &whole[places[1]..]].concat()
            }
            Self::Repeated(from, to) => {
                let places = places(&[from, to]);
                [&whole[..places[1]], &whole[places[0]..]].concat()
            }
            Self::Reordered(from, middle, to) => {
                let places = places(&[from, middle, to]);
                let (first, second) = (&whole[places[0]..places[1]], &whole[places[1]..places[2]]);
                [&whole[..places[0]], second, first, &whole[places[2]..]].concat()
            }
        }
    }
}

/// A backup, the text that is compressed in it, and its records.
static WHOLE: LazyLock<(Vec<u8>, Vec<u8>, Changes)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (store, folder) = filled().await;
        let file = folder.path().join("backup");
        store.back_up(&file, at(0)).await.unwrap();
        let compressed = fs::read(&file).unwrap();
        let text = zstd::decode_all(&compressed[..]).unwrap();
        (compressed, text, records_of(&file))
    })
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// In the file, in what is compressed in it, or among its lines.
    #[test]
    fn a_backup_that_was_damaged_in_any_way_is_refused_or_says_the_same(
        damages in vec(damage_to(), 1..4),
        in_file in 0..3,
    ) {
        let (compressed, text, whole) = &*WHOLE;
        let flip = |byte: &u8, bits: u8| byte ^ bits;
        let damaged = match in_file {
            0 => damages
                .iter()
                .fold(compressed.clone(), |bytes, damage| damage.done_to(&bytes, flip)),
            1 => {
                let text = damages
                    .iter()
                    .fold(text.clone(), |text, damage| damage.done_to(&text, flip));
                zstd::encode_all(&text[..], 0).unwrap()
            }
            _ => {
                let lines: Vec<Vec<u8>> =
                    text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                let flip_first = |line: &Vec<u8>, bits: u8| {
                    let mut line = line.clone();
                    line[0] ^= bits;
                    line
                };
                let lines = damages
                    .iter()
                    .fold(lines, |lines, damage| damage.done_to(&lines, flip_first));
                zstd::encode_all(&lines.concat()[..], 0).unwrap()
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("damaged");
        fs::write(&file, damaged).unwrap();
        let mut records = Changes::new();
        let read = backup::read(&file, |key, record| {
            records.insert(key, Some(record));
            Ok(())
        });
        if read.is_ok() {
            prop_assert_eq!(&records, whole);
        }
    }
}

#[tokio::test]
async fn a_backup_of_the_first_version_is_restored() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/backup-v1.jsonl.zst");
    let folder = tempfile::tempdir().unwrap();
    let restored = Store::restore(folder.path(), &file).unwrap();
    assert_eq!(restored.contents.records, fixture(1).len());
    assert_eq!(records_of(&file), fixture(1));
    let store = Store::open(folder.path()).unwrap();
    let rounds = store.rounds(GUILD).await.unwrap();
    assert_eq!(rounds[0].opinions.len(), 4);
    assert_eq!(store.expired(Time::MAX_UTC).await.unwrap(), [key(7)]);
}

/// Writes the fixture of the test above: only when the format gets a new version.
#[tokio::test]
#[ignore = "writes a fixture"]
async fn write_the_fixture_of_a_backup() {
    let (store, _folder) = store();
    let put = |draft: &mut Draft| {
        draft.add(fixture(1));
        Ok(())
    };
    store.change(put).await.unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/backup-v1.jsonl.zst");
    store.back_up(&file, at(0)).await.unwrap();
}

#[tokio::test]
async fn a_restored_backup_takes_the_place_of_whatever_was_there() {
    let (store, folder) = filled().await;
    let file = folder.path().join("backup");
    store.back_up(&file, at(0)).await.unwrap();
    let error = Store::restore(folder.path(), &file).unwrap_err();
    assert!(error.is::<InUse>(), "{error:#}");
    let rounds = store.rounds(GUILD).await.unwrap();
    let later = with_opinion(&opened(key(9)), 5, "Something that was said since.");
    store.save(None, &later).await.unwrap();
    store.close().await.unwrap();

    // A damaged one stays until the other is whole, and both are not there at once.
    damage(folder.path());
    let error = Store::open(folder.path()).unwrap_err();
    assert!(error.is::<Damaged>(), "{error:#}");
    let damaged = folder.path().join("damaged");
    fs::write(&damaged, &fs::read(&file).unwrap()[..100]).unwrap();
    Store::restore_over_damaged(folder.path(), &damaged).unwrap_err();
    assert_eq!(folders(folder.path()), ["tree"]);
    Store::open(folder.path()).unwrap_err();
    Store::restore(folder.path(), &file).unwrap();
    assert_eq!(folders(folder.path()), ["tree"]);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.rounds(GUILD).await.unwrap(), rounds);
    store.close().await.unwrap();
    assert!(!holds_text(
        &folder.path().join("tree"),
        "that was said since"
    ));
}

#[tokio::test]
async fn a_damaged_store_stays_beside_what_was_restored_until_something_is_erased() {
    let (store, folder) = filled().await;
    let file = folder.path().join("backup");
    store.back_up(&file, at(0)).await.unwrap();
    // Something of later can still be read.
    let later = with_opinion(&opened(key(9)), 5, "Something that was said since.");
    store.save(None, &later).await.unwrap();
    store.close().await.unwrap();
    damage(folder.path());
    // As there was one before.
    fs::create_dir(folder.path().join("tree.damaged")).unwrap();
    let damaged = Store::restore_over_damaged(folder.path(), &file).unwrap();
    assert_eq!(folders(folder.path()), ["tree", "tree.damaged"]);
    assert!(holds_text(&damaged, "that was said since"));
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.rounds(GUILD).await.unwrap().len(), 3);
    assert_eq!(folders(folder.path()), ["tree", "tree.damaged"]);
    store.rewrite().await.unwrap();
    assert_eq!(folders(folder.path()), ["tree"]);
    assert!(!holds_text(folder.path(), "that was said since"));
}

#[tokio::test]
async fn a_store_with_a_damaged_record_is_not_backed_up() {
    let (store, folder) = filled().await;
    let before = store.check().await.unwrap();
    assert_eq!((before.guilds, before.rounds), (2, 6));
    let put = |draft: &mut Draft| {
        draft.put(
            Key::Consent(GUILD, Member(9)),
            b"{\"v\":1,\"at\":5}".to_vec(),
        );
        Ok(())
    };
    store.change(put).await.unwrap();
    let error = store.check().await.unwrap_err();
    assert!(error.is::<Damaged>(), "{error:#}");
    let file = folder.path().join("backups/file");
    let error = store.back_up(&file, at(0)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the consent of member 9 of guild 42 in the store is damaged: restore a backup"
    );
    assert_eq!(
        fs::read_dir(folder.path().join("backups")).unwrap().count(),
        0
    );
}

#[tokio::test]
async fn snapshots_are_kept_by_their_number_and_their_age() {
    let (store, folder) = store();
    store.save(None, &opened(key(1))).await.unwrap();
    let snapshots = Snapshots::in_data_dir(folder.path());
    assert_eq!(snapshots.list(at(0)).unwrap(), []);
    assert!(snapshots.newest_good(at(0)).unwrap().is_none());
    let day = |day: i64| at(day * 24 * 3600);
    for number in 0..6 {
        let file = snapshots.file(day(number));
        store.back_up(&file, day(number)).await.unwrap();
    }
    let unfinished = snapshots.file(day(9)).with_extension("part");
    fs::write(&unfinished, "").unwrap();
    let days = || -> Vec<Time> {
        let all = snapshots.list(day(9)).unwrap();
        all.iter().map(|snapshot| snapshot.made_at).collect()
    };
    // In a name there are milliseconds.
    let named = |number| day(number) - TimeDelta::nanoseconds(456_789);
    assert_eq!(days(), [5, 4, 3, 2, 1, 0].map(named));
    snapshots
        .remove_old(4, TimeDelta::days(30), day(6))
        .unwrap();
    assert_eq!(days(), [5, 4, 3, 2].map(named));
    assert!(!unfinished.exists());
    snapshots
        .remove_old(4, TimeDelta::hours(73), day(6))
        .unwrap();
    assert_eq!(days(), [5, 4, 3].map(named));

    fs::write(snapshots.file(day(5)), "no backup").unwrap();
    let (newest, backup) = snapshots.newest_good(day(6)).unwrap().unwrap();
    assert_eq!(newest.file, snapshots.file(day(4)));
    assert_eq!((backup.made_at, backup.contents.rounds), (day(4), 1));

    // The clock was ahead once: such a snapshot is used and kept as long as there is no other.
    fs::write(snapshots.file(day(3)), "no backup").unwrap();
    let (newest, _) = snapshots.newest_good(day(3)).unwrap().unwrap();
    assert_eq!(newest.made_at, named(4));
    let remove_old = |now| snapshots.remove_old(4, TimeDelta::days(30), now).unwrap();
    remove_old(day(3));
    assert_eq!(days(), [5, 4, 3].map(named));
    store
        .back_up(&snapshots.file(day(2)), day(2))
        .await
        .unwrap();
    let (newest, _) = snapshots.newest_good(day(3)).unwrap().unwrap();
    assert_eq!(newest.made_at, named(2));
    remove_old(day(3));
    assert_eq!(days(), [3, 2].map(named));
}

#[tokio::test]
async fn what_is_stale_in_a_snapshot_becomes_what_is_in_the_store_and_the_rest_stays() {
    let (store, folder) = filled().await;
    let snapshots = Snapshots::in_data_dir(folder.path());
    let first = snapshots.file(at(0));
    store.back_up(&first, at(0)).await.unwrap();
    let before = records_of(&first);

    // Time goes on: another round, and a change in one in which there is nothing of the member.
    let (round_2, round_3) = (
        store.round(key(2)).await.unwrap().unwrap(),
        store.round(key(3)).await.unwrap().unwrap(),
    );
    let mut withdrawn = round_2.clone();
    withdrawn.withdraw_opinion(WANTED, at(2)).unwrap();
    store.save(Some(&round_2), &withdrawn).await.unwrap();
    let mut answered = round_3.clone();
    answered.delete_texts(&BTreeSet::new());
    store.save(Some(&round_3), &answered).await.unwrap();
    store.save(None, &opened(key(4))).await.unwrap();
    let anonymise = |settings: &mut GuildSettings| assert!(settings.anonymise(WANTED));
    store.change_settings(GUILD, anonymise).await.unwrap();
    store.remove_consent(GUILD, WANTED).await.unwrap();
    for guild in [42, 43] {
        let mut made = retraining(guild, 1);
        made.begin(set_of(&[]));
        store.save_retraining(&made).await.unwrap();
    }
    let unreadable = snapshots.file(at(1));
    fs::write(&unreadable, SECRET).unwrap();

    let stale = Stale::Member(GUILD, WANTED);
    let renewed = store
        .renew_snapshots(&snapshots, stale.clone())
        .await
        .unwrap();
    assert_eq!(
        renewed,
        Renewed {
            rewritten: 1,
            removed: 1
        }
    );
    assert!(!unreadable.exists());
    assert_eq!(Store::verify(&first).unwrap().made_at, at(0));
    let (after, now) = (records_of(&first), records_in(&store).await);
    let changed: Vec<String> = before
        .iter()
        .filter(|(key, record)| after.get(*key) != Some(record))
        .map(|(key, _)| Key::from_bytes(key).unwrap().to_string())
        .collect();
    assert_eq!(
        changed,
        [
            format!("consent of member {WANTED} of guild 42"),
            format!("opinion of member {WANTED} of round 2 of guild 42"),
            "settings of guild 42".to_owned(),
            "retraining 1 of guild 42".to_owned(),
            "retraining 1 of guild 43".to_owned(),
        ]
    );
    for (key, record) in &after {
        assert!(before.get(key) == Some(record) || now.get(key) == Some(record));
    }
    // Once more there is nothing to do.
    let again = store.renew_snapshots(&snapshots, stale).await.unwrap();
    assert_eq!(again, Renewed::default());

    // The texts of a round, before they are deleted in the store.
    let mut without = round_3.clone();
    without.delete_texts(&BTreeSet::new());
    let stale = Stale::Rounds(vec![without.clone()]);
    store.renew_snapshots(&snapshots, stale).await.unwrap();
    let in_snapshot = async || {
        let folder = tempfile::tempdir().unwrap();
        Store::restore(folder.path(), &first).unwrap();
        let restored = Store::open(folder.path()).unwrap();
        restored.rounds(GUILD).await.unwrap()
    };
    let rounds = in_snapshot().await;
    assert_eq!(rounds[1], withdrawn);
    assert_eq!(rounds[2], without);
    assert_eq!(rounds.len(), 3);

    // A guild, before it is erased in the store.
    let stale = Stale::Guild(GUILD);
    store.renew_snapshots(&snapshots, stale).await.unwrap();
    let left: Vec<Key> = records_of(&first)
        .keys()
        .map(|key| Key::from_bytes(key).unwrap())
        .filter(|key| key.guild() == GUILD)
        .collect();
    assert_eq!(left, [Key::NextNumber(GUILD)]);
    assert_eq!(in_snapshot().await, []);
    let others = |records: &Changes| {
        let mut others = records.clone();
        others.retain(|key, _| Key::from_bytes(key).unwrap().guild() == Guild(43));
        others
    };
    assert_eq!(others(&records_of(&first)), others(&after));
}
