mod backups;
mod history;
#[path = "../../tests/support/search.rs"]
pub(crate) mod search;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use self::history::{at, history};
use self::search::holds_text;
use super::keys::Part;
use super::records::{Changes, difference};
use super::*;
use crate::deliberation::about::about_member;
use crate::deliberation::id::{Member, Role};
use crate::deliberation::rating::Likert;
use crate::deliberation::retraining::tests::retraining;
use crate::deliberation::round::{CandidateKey, RatingMode};

const GUILD: Guild = Guild(42);

fn key(number: u32) -> RoundKey {
    RoundKey {
        guild: GUILD,
        number,
    }
}

fn key_of(guild: u64) -> RoundKey {
    RoundKey {
        guild: Guild(guild),
        number: 1,
    }
}

fn agreed(agreed: bool) -> Consent {
    Consent {
        agreed,
        shared: false,
        at: at(5),
    }
}

fn opened(key: RoundKey) -> Round {
    history(key, 0).swap_remove(0)
}

fn with_opinion(round: &Round, member: u64, text: &str) -> Round {
    let mut round = round.clone();
    round
        .submit_opinion(Member(member), text, 0, at(1))
        .unwrap();
    round
}

/// In the phase in which candidates are rated.
fn in_rating(key: RoundKey) -> Round {
    (0..)
        .flat_map(|seed| history(key, seed))
        .find(|round| !round.ratings.is_empty())
        .unwrap()
}

fn over(key: RoundKey) -> Round {
    (0..)
        .flat_map(|seed| history(key, seed))
        .find(|round| {
            let has_texts = round.texts_expire_at().is_some();
            round.terms.training && round.result().is_some() && has_texts
        })
        .unwrap()
}

fn store() -> (Store, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Store::open(folder.path()).unwrap(), folder)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_erasing_a_member_would_remove_is_in_what_they_are_given(seed: u64) {
        for round in history(key(7), seed) {
            let named: BTreeSet<Member> = round
                .opinions
                .keys()
                .copied()
                .chain(round.ratings.keys().map(|(_, member)| *member))
                .chain(round.critiques.keys().map(|(_, member)| *member))
                .chain(round.log.iter().filter_map(|entry| entry.by))
                .chain(round.candidates.iter().flat_map(|candidate| candidate.reports.clone()))
                .chain([round.opened_by, Member(1)])
                .filter(|member| *member != Member::ERASED)
                .collect();
            for member in named {
                let removed = round.clone().erase(member, at(9));
                prop_assert_eq!(about_member(&round, member).is_some(), removed);
                let mut without = round.clone();
                without.erase(member, at(9));
                let id = format!("{}", member.0);
                let left = format!("{without:?}");
                prop_assert!(!removed || id.len() < 10 || !left.contains(&id));
            }
        }
    }

    #[test]
    fn every_state_of_a_round_is_read_as_it_was_written(seed: u64) {
        let mut records = Changes::new();
        let mut before = None;
        for round in history(key(7), seed) {
            let changes = difference(before.as_ref(), &round).unwrap();
            for (key, value) in changes {
                match value {
                    Some(value) => records.insert(key, Some(value)),
                    None => records.remove(&key),
                };
            }
            // Piece by piece it comes to the same as at once.
            prop_assert_eq!(&records, &difference(None, &round).unwrap());
            let listed = records
                .iter()
                .map(|(key, value)| (key.clone(), value.clone().unwrap()))
                .filter(|(key, _)| key.starts_with(&keys::of_guild(GUILD)))
                .collect();
            prop_assert_eq!(records::rounds(listed).unwrap(), [round.clone()]);
            before = Some(round);
        }
    }
}

#[tokio::test]
async fn a_store_that_is_opened_again_has_all_that_was_saved() {
    let (store, folder) = store();
    let mut last = Vec::new();
    for number in 1..4 {
        let mut before: Option<Round> = None;
        let mut saves = Vec::new();
        for round in history(key(number), number.into()) {
            saves.push(store.save(before.as_ref(), &round));
            before = Some(round);
        }
        try_join_all(saves).await.unwrap();
        last.extend(before);
    }
    let settings = GuildSettings {
        minimum: Some(4),
        rating: Some(RatingMode::Private),
        opinions_for: Some(chrono::TimeDelta::hours(5)),
        training: Training::Shared,
        changed: Some((Member(1), at(3))),
        ..GuildSettings::default()
    };
    let set = settings.clone();
    let changed = store.change_settings(GUILD, move |settings| *settings = set);
    assert_eq!(changed.await.unwrap(), settings);
    assert_eq!(store.rounds(GUILD).await.unwrap(), last);
    store.close().await.unwrap();

    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.rounds(GUILD).await.unwrap(), last);
    assert_eq!(store.round(key(2)).await.unwrap().as_ref(), Some(&last[1]));
    assert_eq!(store.round(key(4)).await.unwrap(), None);
    assert_eq!(store.settings(GUILD).await.unwrap(), settings);
    // Without being closed.
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.rounds(GUILD).await.unwrap(), last);
}

#[test]
fn a_change_writes_the_records_that_changed_and_no_others() {
    let written = |before: &Round, after: &Round| -> Vec<Key> {
        let changes = difference(Some(before), after).unwrap();
        changes
            .keys()
            .map(|key| Key::from_bytes(key).unwrap())
            .collect()
    };
    let round = opened(key(7));
    let with = with_opinion(&round, 5, "Open the library at night.");
    let opinion = Key::Round(key(7), Part::Opinion(Member(5)));
    assert_eq!(written(&round, &with), [opinion]);
    assert_eq!(written(&with, &round), [opinion]);
    assert_eq!(written(&with, &with), []);

    let mut round = in_rating(key(7));
    let candidate = round.eligible()[0];
    let somebody = Member(99);
    let rate = |round: &mut Round, rating: usize| {
        let rating = Some(Likert::ALL[rating]);
        let now = round.opened_at;
        round.rate(candidate, somebody, rating, None, now).unwrap();
    };
    rate(&mut round, 2);
    let before = round.clone();
    rate(&mut round, 3);
    assert_eq!(
        written(&before, &round),
        [Key::Round(key(7), Part::Rating(candidate, somebody))]
    );

    let mut settled = round.clone();
    // A round whose thread alone is gone is still shown in its channel.
    settled.place.thread = None;
    settled.place_gone(at(9));
    assert!(written(&round, &settled).contains(&Key::Live(key(7))));
}

#[tokio::test]
async fn saves_are_in_the_order_of_the_calls_and_a_barrier_waits_for_them() {
    let (store, _folder) = store();
    let empty = opened(key(1));
    drop(store.save(None, &empty));
    let mut round = empty.clone();
    for member in 0..100 {
        let next = with_opinion(&round, member, "Open the library at night.");
        // Not awaited, and saved all the same.
        drop(store.save(Some(&round), &next));
        drop(store.save(Some(&next), &round));
        drop(store.save(Some(&round), &next));
        round = next;
    }
    store.save(Some(&round), &round).await.unwrap();
    assert_eq!(store.round(key(1)).await.unwrap().unwrap(), round);
}

#[tokio::test]
async fn what_is_saved_together_is_flushed_together() {
    let folder = tempfile::tempdir().unwrap();
    let flushes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&flushes);
    let store = Store::open_with(
        folder.path(),
        Box::new(move |tree| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
            tree.flush().map(drop)
        }),
    )
    .unwrap();
    let empty = opened(key(1));
    let mut saves = vec![store.save(None, &empty)];
    for member in 0..1000 {
        let round = with_opinion(&empty, member, "Open the library at night.");
        saves.push(store.save(Some(&empty), &round));
    }
    try_join_all(saves).await.unwrap();
    let flushes = flushes.load(Ordering::Relaxed);
    assert!(flushes < 50, "{flushes} flushes");
}

#[tokio::test]
async fn rounds_that_are_not_settled_are_live() {
    let (store, _folder) = store();
    let elsewhere = RoundKey {
        guild: Guild(7),
        number: 1,
    };
    let mut settled = opened(key(2));
    settled.place_gone(at(1));
    let rounds = [opened(key(1)), settled, opened(key(3)), opened(elsewhere)];
    for round in &rounds {
        store.save(None, round).await.unwrap();
    }
    let keys = |rounds: Vec<Round>| rounds.iter().map(|r| r.key).collect::<Vec<_>>();
    let all = store.live_rounds(|_| true).await.unwrap();
    assert_eq!(keys(all), [elsewhere, key(1), key(3)]);
    let ours = store.live_rounds(|guild| guild == GUILD).await.unwrap();
    assert_eq!(ours, [rounds[0].clone(), rounds[2].clone()]);

    let mut settled = rounds[0].clone();
    settled.place_gone(at(1));
    store.save(Some(&rounds[0]), &settled).await.unwrap();
    let ours = store.live_rounds(|guild| guild == GUILD).await.unwrap();
    assert_eq!(keys(ours), [key(3)]);
}

#[tokio::test]
async fn rounds_whose_texts_are_to_be_deleted_are_found_by_the_time() {
    let (store, _folder) = store();
    let first = over(key(3));
    let expires = first.texts_expire_at().unwrap();
    let mut second = over(key(2));
    second.terms.retention_days = first.terms.retention_days + 1;
    for round in [&second, &first, &opened(key(1))] {
        store.save(None, round).await.unwrap();
    }
    let moment = chrono::TimeDelta::nanoseconds(1);
    assert_eq!(store.expired(expires - moment).await.unwrap(), []);
    assert_eq!(store.expired(expires).await.unwrap(), [key(3)]);
    let later = expires + chrono::TimeDelta::days(1);
    assert_eq!(store.expired(later).await.unwrap(), [key(3), key(2)]);

    let mut deleted = first.clone();
    let author = *first.opinions.keys().next().unwrap();
    deleted.delete_texts(&BTreeSet::from([author]));
    assert!(deleted.opinions[&author].text.is_some());
    store.save(Some(&first), &deleted).await.unwrap();
    assert_eq!(store.expired(later).await.unwrap(), [key(2)]);
}

#[tokio::test]
async fn a_guild_sees_only_what_is_its_own_and_is_erased_alone() {
    let (store, _folder) = store();
    let guilds = [Guild(0), Guild(1), Guild(256), Guild(u64::MAX)];
    let settings = |guild: Guild| GuildSettings {
        minimum: Some(guild.0.count_ones() as usize),
        ..GuildSettings::default()
    };
    let rounds = |guild| {
        let key = |number| RoundKey { guild, number };
        vec![over(key(1)), opened(key(2))]
    };
    for guild in guilds {
        for round in rounds(guild) {
            store.save(None, &round).await.unwrap();
        }
        let set = settings(guild);
        let changed = store.change_settings(guild, move |settings| *settings = set);
        changed.await.unwrap();
        store
            .save_consent(guild, Member(guild.0), agreed(guild.0 > 0))
            .await
            .unwrap();
        store.guild_left(guild, at(0)).await.unwrap();
    }
    let consents = |guild: Guild| BTreeMap::from([(Member(guild.0), agreed(guild.0 > 0))]);
    for guild in guilds {
        assert_eq!(store.consents(guild).await.unwrap(), consents(guild));
        assert_eq!(store.rounds(guild).await.unwrap(), rounds(guild));
        assert_eq!(store.settings(guild).await.unwrap(), settings(guild));
    }

    let erased = guilds[1];
    // Also what is saved in the same batch.
    drop(store.save(
        None,
        &opened(RoundKey {
            guild: erased,
            number: 9,
        }),
    ));
    store.erase_guild(erased).await.unwrap();
    assert_eq!(store.rounds(erased).await.unwrap(), []);
    assert_eq!(
        store.settings(erased).await.unwrap(),
        GuildSettings::default()
    );
    assert_eq!(store.consents(erased).await.unwrap(), BTreeMap::new());
    assert_eq!(store.next_number(erased).await.unwrap(), 10);
    let others = [guilds[0], guilds[2], guilds[3]];
    for guild in others {
        assert_eq!(store.rounds(guild).await.unwrap(), rounds(guild));
        assert_eq!(store.settings(guild).await.unwrap(), settings(guild));
        assert_eq!(store.consents(guild).await.unwrap(), consents(guild));
    }
    let of = |keys: Vec<RoundKey>| keys.iter().map(|key| key.guild).collect::<Vec<_>>();
    let expired = store.expired(Time::MAX_UTC).await.unwrap();
    assert_eq!(of(expired), others);
    let live = store.live_rounds(|_| true).await.unwrap();
    let live: BTreeSet<_> = live.iter().map(|round| round.key.guild).collect();
    assert_eq!(live, BTreeSet::from(others));
    assert_eq!(store.guilds_left_before(at(1)).await.unwrap(), others);
}

#[tokio::test]
async fn nobody_s_change_of_the_settings_is_lost_by_another_s() {
    let (store, _folder) = store();
    let add = |role| move |settings: &mut GuildSettings| settings.organisers.push(Role(role));
    let changes = (0..50).map(|role| store.change_settings(GUILD, add(role)));
    let seen = try_join_all(changes).await.unwrap();
    let organisers = store.settings(GUILD).await.unwrap().organisers;
    assert_eq!(organisers, (0..50).map(Role).collect::<Vec<_>>());
    assert_eq!(seen[10].organisers, organisers[..11]);
}

#[tokio::test]
async fn what_members_say_about_training_is_known_until_it_is_changed_or_removed() {
    let (store, folder) = store();
    let (ada, ben, cem) = (Member(1), Member(2), Member(u64::MAX));
    assert_eq!(store.consent(GUILD, ada).await.unwrap(), None);
    for (member, yes) in [(ada, true), (ben, false), (cem, false), (cem, true)] {
        let save = store.save_consent(GUILD, member, agreed(yes));
        save.await.unwrap();
    }
    store.remove_consent(GUILD, ben).await.unwrap();
    // There is none.
    store.remove_consent(GUILD, Member(7)).await.unwrap();
    store.close().await.unwrap();

    let store = Store::open(folder.path()).unwrap();
    let known = BTreeMap::from([(ada, agreed(true)), (cem, agreed(true))]);
    assert_eq!(store.consents(GUILD).await.unwrap(), known);
    let said = store.consent(GUILD, cem).await.unwrap();
    assert_eq!(said, Some(agreed(true)));
    assert_eq!(store.consent(Guild(7), cem).await.unwrap(), None);
}

#[tokio::test]
async fn guilds_that_share_are_found_among_all_others() {
    let (store, _folder) = store();
    assert_eq!(store.guilds_that_share().await.unwrap(), []);
    let settles = async |guild, training| {
        let set = move |settings: &mut GuildSettings| settings.training = training;
        store.change_settings(guild, set).await.unwrap();
    };
    let shared = [Guild(0), Guild(256), Guild(257), Guild(u64::MAX)];
    for guild in shared {
        settles(guild, Training::Shared).await;
    }
    settles(Guild(1), Training::Own).await;
    settles(Guild(2), Training::Off).await;
    // Without settings of its own.
    store.save(None, &opened(key_of(3))).await.unwrap();
    store.save(None, &over(key_of(257))).await.unwrap();
    let consent = store.save_consent(Guild(4), Member(1), agreed(true));
    consent.await.unwrap();
    assert_eq!(store.guilds_that_share().await.unwrap(), shared);

    store.guild_left(Guild(256), at(0)).await.unwrap();
    settles(Guild(0), Training::Off).await;
    let still = [Guild(257), Guild(u64::MAX)];
    assert_eq!(store.guilds_that_share().await.unwrap(), still);
}

#[tokio::test]
async fn a_guild_that_was_left_is_known_until_it_is_joined_again() {
    let (store, _folder) = store();
    store.guild_left(Guild(1), at(10)).await.unwrap();
    store.guild_left(Guild(2), at(20)).await.unwrap();
    assert_eq!(store.guilds_left_before(at(10)).await.unwrap(), []);
    let guilds = store.guilds_left_before(at(11)).await.unwrap();
    assert_eq!(guilds, [Guild(1)]);
    let guilds = store.guilds_left_before(at(21)).await.unwrap();
    assert_eq!(guilds, [Guild(1), Guild(2)]);
    store.guild_joined(Guild(1)).await.unwrap();
    store.guild_joined(Guild(3)).await.unwrap();
    let guilds = store.guilds_left_before(at(21)).await.unwrap();
    assert_eq!(guilds, [Guild(2)]);
}

#[tokio::test]
async fn a_guild_that_is_joined_again_while_what_was_left_is_erased_keeps_its_rounds() {
    let (store, _folder) = store();
    store.save(None, &over(key(1))).await.unwrap();
    let erased = async |before| store.erase_left_guild(GUILD, before).await.unwrap();
    store.guild_left(GUILD, at(10)).await.unwrap();
    assert_eq!(store.guilds_left_before(at(11)).await.unwrap(), [GUILD]);
    store.guild_joined(GUILD).await.unwrap();
    assert!(!erased(at(11)).await);
    // It was left again.
    store.guild_left(GUILD, at(20)).await.unwrap();
    assert!(!erased(at(20)).await);
    store.forget_left(GUILD, at(20)).await.unwrap();
    assert_eq!(store.rounds(GUILD).await.unwrap(), [over(key(1))]);

    assert!(erased(at(21)).await);
    assert_eq!(store.rounds(GUILD).await.unwrap(), []);
    assert_eq!(store.expired(Time::MAX_UTC).await.unwrap(), []);
    assert_eq!(store.next_number(GUILD).await.unwrap(), 2);
    // The rest is not done yet.
    assert_eq!(store.guilds_left_before(at(21)).await.unwrap(), [GUILD]);
    store.forget_left(GUILD, at(21)).await.unwrap();
    assert_eq!(store.guilds_left_before(at(21)).await.unwrap(), []);
}

#[tokio::test]
async fn retrainings_are_found_without_their_guild_and_go_with_it() {
    let (store, folder) = store();
    for (guild, number) in [(42, 1), (42, 2), (43, 1), (44, 1)] {
        let saved = store.save_retraining(&retraining(guild, number));
        saved.await.unwrap();
    }
    let mut changed = retraining(42, 2);
    changed.cancel(Member(1), at(5));
    store.save_retraining(&changed).await.unwrap();
    store.clone().close().await.unwrap();
    let store = Store::open(folder.path()).unwrap();
    let ours = store.retrainings(|guild| guild != Guild(44)).await.unwrap();
    assert_eq!(ours, [retraining(42, 1), changed, retraining(43, 1)]);

    let first = vec![retraining(42, 1).key];
    store.remove_retrainings(first).await.unwrap();
    assert_eq!(store.retrainings(|_| true).await.unwrap().len(), 3);
    store.erase_guild(GUILD).await.unwrap();
    let left = store.retrainings(|_| true).await.unwrap();
    assert_eq!(left, [retraining(43, 1), retraining(44, 1)]);
}

#[tokio::test]
async fn no_round_number_is_given_twice() {
    let (store, folder) = store();
    let numbers = join_all((0..20).map(|_| store.next_number(GUILD))).await;
    let numbers: BTreeSet<u32> = numbers.into_iter().map(Result::unwrap).collect();
    assert_eq!(numbers, (1..=20).collect());
    assert_eq!(store.next_number(Guild(7)).await.unwrap(), 1);

    store.close().await.unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.next_number(GUILD).await.unwrap(), 21);
    store.erase_guild(GUILD).await.unwrap();
    assert_eq!(store.next_number(GUILD).await.unwrap(), 22);
    // A round from elsewhere, a backup say, takes its number as well.
    store.save(None, &opened(key(30))).await.unwrap();
    store.save(None, &opened(key(25))).await.unwrap();
    assert_eq!(store.next_number(GUILD).await.unwrap(), 31);
}

#[tokio::test]
async fn nothing_works_after_the_store_was_closed() {
    let (store, _folder) = store();
    let other = store.clone();
    let save = store.save(None, &opened(key(1)));
    store.close().await.unwrap();
    save.await.unwrap();
    let error = other.save(None, &opened(key(2))).await.unwrap_err();
    assert_eq!(error.to_string(), "the store is closed");
    let error = other.rounds(GUILD).await.unwrap_err();
    assert_eq!(error.to_string(), "the store is closed");
    other.close().await.unwrap();
}

#[tokio::test]
async fn once_a_flush_fails_every_save_fails() {
    let folder = tempfile::tempdir().unwrap();
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let store = Store::open_with(
        folder.path(),
        Box::new(move |tree| {
            if failing.swap(false, Ordering::Relaxed) {
                return Err(io::Error::other("no space left on device"));
            }
            tree.flush().map(drop)
        }),
    )
    .unwrap();
    let first = opened(key(1));
    store.save(None, &first).await.unwrap();
    fails.store(true, Ordering::Relaxed);
    let second = opened(key(2));
    let saves = [store.save(None, &second), store.save(None, &opened(key(3)))];
    for save in saves {
        let error = save.await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the store in {} cannot be written, and nothing is saved until Accord is started \
                 again: no space left on device",
                folder.path().display()
            )
        );
        assert!(error.is::<StoreBroken>());
    }
    assert!(
        store
            .save(None, &first)
            .await
            .unwrap_err()
            .is::<StoreBroken>()
    );
    assert!(store.rounds(GUILD).await.unwrap_err().is::<StoreBroken>());
    assert!(store.rewrite().await.unwrap_err().is::<StoreBroken>());
    assert_eq!(store.broken().await.reason, "no space left on device");
    assert!(store.close().await.unwrap_err().is::<StoreBroken>());
}

#[test]
fn a_store_that_another_process_has_open_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder = child("hold", folder.path());
    assert_eq!(next_line(&mut holder), "ready");
    let error = Store::open(folder.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "another process has the store in {} open: stop the other Accord that runs with this \
             data folder, or give this one a data folder of its own",
            folder.path().display()
        )
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    Store::open(folder.path()).unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    survives_kills("save", 10, 400).await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill_during_rewriting() {
    survives_kills("rewrite", 5, 1000).await;
}

/// Kills another process so often, each time within so many milliseconds.
async fn survives_kills(job: &str, kills: u32, latest_ms: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut saved = BTreeSet::new();
    let mut kill = 0;
    // Each may come before anything was saved.
    while kill < kills || saved.is_empty() {
        let mut child = child(job, folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Else it may be killed while it opens the store.
        if kill % 2 == 0 {
            assert_eq!(lines.find(is_ours).unwrap().unwrap(), "ready");
        }
        let reader = std::thread::spawn(move || {
            let lines = lines.map_while(Result::ok);
            lines
                .filter_map(|line| line.parse().ok())
                .collect::<Vec<u64>>()
        });
        std::thread::sleep(Duration::from_millis(rand::random_range(0..latest_ms)));
        child.kill().unwrap();
        child.wait().unwrap();
        saved.extend(reader.join().unwrap().into_iter().map(Member));

        let store = Store::open(folder.path()).unwrap();
        let round = store.round(key(1)).await.unwrap().unwrap();
        let there: BTreeSet<Member> = round.opinions.keys().copied().collect();
        let lost: Vec<_> = saved.difference(&there).collect();
        assert!(lost.is_empty(), "of {} lost {lost:?}", saved.len());
        store.close().await.unwrap();
        kill += 1;
    }
}

/// sled would write everything there is into a snapshot, and then delete it.
#[tokio::test]
async fn a_kill_while_the_store_is_being_opened_loses_nothing() {
    let (store, folder) = store();
    let round = over(key(1));
    store.save(None, &round).await.unwrap();
    store.close().await.unwrap();
    Store::open(folder.path()).unwrap().close().await.unwrap();

    let metadata = folder.path().join("tree/metadata");
    let logs: Vec<_> = fs::read_dir(&metadata)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("log_")
        })
        .collect();
    assert_eq!(logs.len(), 1);
    assert_eq!(fs::metadata(&logs[0]).unwrap().len(), 0);
    fs::remove_file(&logs[0]).unwrap();

    for _ in 0..3 {
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.round(key(1)).await.unwrap().unwrap(), round);
        store.close().await.unwrap();
    }
}

/// A power failure may leave any part of what was written last.
#[tokio::test]
async fn a_last_write_that_is_torn_is_there_wholly_or_not_at_all() {
    let (store, folder) = store();
    let first = in_rating(key(1));
    store.save(None, &first).await.unwrap();
    let before = fs::read(newest_log(folder.path())).unwrap().len();
    let second = over(key(2));
    store.save(None, &second).await.unwrap();
    let log = newest_log(folder.path());
    let whole = fs::read(&log).unwrap();
    assert!(before > 0 && before < whole.len());

    let mut torn: Vec<Vec<u8>> = Vec::new();
    for cut in (before..whole.len()).step_by(((whole.len() - before) / 8).max(1)) {
        torn.push(whole[..cut].to_vec());
        // The file has its length, but not what was written.
        let mut zeros = whole.clone();
        zeros[cut..].fill(0);
        torn.push(zeros);
        let mut flipped = whole.clone();
        flipped[cut] ^= 0x10;
        torn.push(flipped);
    }
    torn.push(whole.clone());
    let mut complete = 0;
    for bytes in torn {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), copy.path());
        fs::write(newest_log(copy.path()), &bytes).unwrap();
        let store = Store::open(copy.path()).unwrap();
        let mut rounds = store.rounds(GUILD).await.unwrap();
        if rounds.len() == 2 {
            assert_eq!(rounds.pop().unwrap(), second);
            complete += 1;
        }
        assert_eq!(rounds, std::slice::from_ref(&first));
        // It can be written again.
        store.save(None, &second).await.unwrap();
        store.close().await.unwrap();
        let store = Store::open(copy.path()).unwrap();
        assert_eq!(
            store.rounds(GUILD).await.unwrap(),
            [first.clone(), second.clone()]
        );
    }
    assert_eq!(complete, 1);
}

/// What sled has written last.
fn newest_log(folder: &Path) -> PathBuf {
    let metadata = fs::read_dir(folder.join("tree/metadata")).unwrap();
    let logs = metadata.map(|entry| entry.unwrap().path());
    let is_log = |path: &PathBuf| path.to_string_lossy().contains("log_");
    logs.filter(is_log).max().unwrap()
}

/// Under a limit of the size of files, writing fails as it does when a disk is full.
#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_breaks_the_store_and_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 150; exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap());
    let child = start(command, "fill", folder.path());
    let output = child.wait_with_output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let broken = output.lines().find(|line| line.starts_with("broken: "));
    let broken = broken.unwrap_or_else(|| panic!("{output}"));
    assert!(
        broken.ends_with("until Accord is started again: File too large (os error 27)"),
        "{broken}"
    );

    let store = Store::open(folder.path()).unwrap();
    let round = store.round(key(1)).await.unwrap().unwrap();
    let saved: Vec<u64> = output
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    assert!(!saved.is_empty());
    for member in saved {
        assert!(round.opinions.contains_key(&Member(member)), "{member}");
    }
    store.close().await.unwrap();
}

/// The other process of the tests above.
#[tokio::test]
async fn child_process() {
    let (Ok(job), Some(folder)) = (env::var(CHILD_JOB), env::var_os(CHILD_FOLDER)) else {
        return;
    };
    let store = Store::open(folder.as_ref()).unwrap();
    let mut round = match store.round(key(1)).await.unwrap() {
        Some(round) => round,
        None => {
            let round = opened(key(1));
            store.save(None, &round).await.unwrap();
            round
        }
    };
    println!("\nready");
    if job == "hold" {
        io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let mut member = round.opinions.keys().last().map_or(1, |last| last.0 + 1);
    loop {
        let mut saves = Vec::new();
        for _ in 0..rand::random_range(1..10) {
            let text: String = (0..100).map(|_| rand::random::<char>()).collect();
            let next = with_opinion(&round, member, &format!("This: {text}."));
            saves.push((member, store.save(Some(&round), &next)));
            round = next;
            member += 1;
        }
        let rewrite = async {
            if job == "rewrite" {
                store.rewrite().await.unwrap();
            }
        };
        let saves = saves.into_iter().map(|(member, save)| async move {
            let result = save.await;
            if result.is_ok() {
                println!("{member}");
            }
            result
        });
        let ((), saved) = tokio::join!(rewrite, try_join_all(saves));
        if let Err(error) = saved {
            assert_eq!(job, "fill", "{error:#}");
            assert!(store.save(None, &round).await.is_err());
            println!("broken: {error:#}");
            return;
        }
    }
}

const CHILD_JOB: &str = "ACCORD_TEST_STORE_JOB";
const CHILD_FOLDER: &str = "ACCORD_TEST_STORE_FOLDER";

fn child(job: &str, folder: &Path) -> Child {
    start(Command::new(env::current_exe().unwrap()), job, folder)
}

fn start(mut command: Command, job: &str, folder: &Path) -> Child {
    command
        .args(["--exact", "store::tests::child_process", "--nocapture"])
        .env(CHILD_JOB, job)
        .env(CHILD_FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn next_line(child: &mut Child) -> String {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let mut lines = lines.filter(is_ours);
    lines.next().unwrap().unwrap()
}

/// Not one of the test harness.
fn is_ours(line: &io::Result<String>) -> bool {
    line.as_ref().is_ok_and(|line| line == "ready")
}

const SECRET: &str = "Nobody must ever read that I want the library to be closed.";

#[tokio::test]
async fn what_was_erased_is_in_no_file_after_rewriting() {
    let (store, folder) = store();
    let mut round = opened(key(1));
    for member in 0..200 {
        round = with_opinion(&round, member, &format!("Open it {member} hours a day."));
    }
    let said = with_opinion(&round, 777, SECRET);
    store.save(None, &said).await.unwrap();
    store.save(Some(&said), &round).await.unwrap();
    store.change_settings(GUILD, |_| {}).await.unwrap();
    assert_eq!(store.round(key(1)).await.unwrap().unwrap(), round);
    assert!(
        holds_text(folder.path(), SECRET),
        "this search finds nothing"
    );

    store.rewrite().await.unwrap();
    assert!(!holds_text(folder.path(), SECRET));
    assert!(holds_text(folder.path(), "Open it 77 hours a day."));
    assert_eq!(store.round(key(1)).await.unwrap().unwrap(), round);
    // It goes on as before.
    store.save(Some(&round), &said).await.unwrap();
    store.save(None, &opened(key(2))).await.unwrap();
    store.close().await.unwrap();
    let store = Store::open(folder.path()).unwrap();
    let rounds = store.rounds(GUILD).await.unwrap();
    assert_eq!(rounds, [said, opened(key(2))]);
    assert_eq!(folders(folder.path()), ["tree"]);
}

#[tokio::test]
async fn a_rewriting_that_is_interrupted_anywhere_leaves_a_whole_store() {
    let (store, folder) = store();
    let rounds = [over(key(1)), opened(key(2))];
    for round in &rounds {
        store.save(None, round).await.unwrap();
    }
    store.close().await.unwrap();

    let whole = folder.path().join("tree");
    let names = ["tree", "tree.part", "tree.next", "tree.old"];
    // Which of these folders there are, and which of them is only begun.
    let states: [(&[&str], Option<&str>); 6] = [
        (&["tree", "tree.part"], Some("tree.part")),
        (&["tree", "tree.part"], None),
        (&["tree", "tree.next"], None),
        (&["tree.next", "tree.old"], None),
        (&["tree", "tree.old"], None),
        (&["tree", "tree.old"], Some("tree.old")),
    ];
    for (present, damaged) in states {
        let folder = tempfile::tempdir().unwrap();
        for name in names.iter().filter(|name| present.contains(name)) {
            copy_folder(&whole, &folder.path().join(name));
        }
        if let Some(damaged) = damaged {
            fs::remove_dir_all(folder.path().join(damaged).join("metadata")).unwrap();
        }
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.rounds(GUILD).await.unwrap(), rounds, "{present:?}");
        assert_eq!(folders(folder.path()), ["tree"]);
        store.rewrite().await.unwrap();
        assert_eq!(store.rounds(GUILD).await.unwrap(), rounds, "{present:?}");
    }
}

#[tokio::test]
async fn saves_wait_while_the_store_is_rewritten() {
    let (store, _folder) = store();
    let mut round = opened(key(1));
    store.save(None, &round).await.unwrap();
    for member in 0..5 {
        let next = with_opinion(&round, member, "Open the library at night.");
        let first = store.save(Some(&round), &next);
        round = with_opinion(&next, 1000 + member, "Open the library at night.");
        let rewritten = store.rewrite();
        let (rewritten, first, second) =
            tokio::join!(rewritten, first, store.save(Some(&next), &round));
        rewritten.unwrap();
        first.unwrap();
        second.unwrap();
    }
    assert_eq!(store.rounds(GUILD).await.unwrap(), [round]);
}

#[tokio::test]
async fn a_rewriting_that_fails_leaves_the_store_as_it_was() {
    let (store, folder) = store();
    let round = opened(key(1));
    store.save(None, &round).await.unwrap();
    // In the way.
    let file = folder.path().join("tree.part");
    fs::write(&file, "").unwrap();
    let error = store.rewrite().await.unwrap_err();
    assert!(error.to_string().contains("cannot rewrite"), "{error:#}");
    let next = with_opinion(&round, 5, "Open the library at night.");
    store.save(Some(&round), &next).await.unwrap();
    fs::remove_file(&file).unwrap();
    store.rewrite().await.unwrap();
    assert_eq!(store.rounds(GUILD).await.unwrap(), [next]);
}

fn folders(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_record_that_is_damaged_is_named_and_not_quoted() {
    let (store, _folder) = store();
    let round = with_opinion(&opened(key(1)), 5, SECRET);
    store.save(None, &round).await.unwrap();
    let opinion = Key::Round(key(1), Part::Opinion(Member(5)));
    let put = async |record: serde_json::Value| {
        let record = record.to_string().into_bytes();
        let put = move |draft: &mut Draft| {
            draft.put(opinion, record);
            Ok(())
        };
        store.change(put).await.unwrap();
        store.rounds(GUILD).await.unwrap_err().to_string()
    };
    assert_eq!(
        put(json!({ "v": 1, "text": [SECRET] })).await,
        "the opinion of member 5 of round 1 of guild 42 in the store is damaged: restore a backup"
    );
    assert_eq!(
        put(json!({ "v": 2, "text": SECRET })).await,
        "the opinion of member 5 of round 1 of guild 42 in the store has version 2, and this \
         Accord knows versions up to 1: a newer Accord wrote it, so run that one"
    );
    let remove = |draft: &mut Draft| {
        draft.remove([Key::Round(key(1), Part::Head).to_bytes()]);
        Ok(())
    };
    store.change(remove).await.unwrap();
    assert_eq!(
        store.rounds(GUILD).await.unwrap_err().to_string(),
        "the opinion of member 5 of round 1 of guild 42 is there, and that round's head is not"
    );
}

#[tokio::test]
async fn a_store_whose_files_are_damaged_is_not_opened() {
    let (store, folder) = store();
    store.save(None, &over(key(1))).await.unwrap();
    store.close().await.unwrap();
    damage(folder.path());
    let error = Store::open(folder.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot open the store in {}: if it is damaged, restore a backup",
            folder.path().display()
        )
    );
}

/// Cuts off a file of sled's, of a store that is closed.
fn damage(folder: &Path) {
    drop(Store::open(folder).unwrap());
    // The last handle closes it by itself, soon.
    drop(Folder::lock(folder).unwrap());
    let metadata = folder.join("tree/metadata");
    for entry in fs::read_dir(metadata).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("snapshot_") {
            let whole = fs::read(&path).unwrap();
            fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        }
    }
}

/// Records as the first version wrote them: the first column is the key.
#[tokio::test]
async fn records_of_the_first_version_are_read() {
    let records = fixture(1);
    let (store, _folder) = store();
    let put = |draft: &mut Draft| {
        draft.add(records);
        Ok(())
    };
    store.change(put).await.unwrap();

    let rounds = store.rounds(GUILD).await.unwrap();
    let [round] = &rounds[..] else {
        panic!("{} rounds", rounds.len());
    };
    assert_eq!(round.question, "When should the library be open?");
    assert_eq!(round.opinions.len(), 4);
    let opinion = &round.opinions[&Member(1002)];
    assert_eq!(
        opinion.text.as_deref(),
        Some("At night, \"for all\" who work by day. 🦀")
    );
    assert!(round.opinions[&Member(1004)].late);
    // What there was not yet is as nobody said anything.
    assert!(!round.terms.training);
    assert!(!opinion.kept_for_training);
    assert_eq!(round.candidates.len(), 3);
    assert_eq!(
        round.candidates[1].provenance.seed,
        18_446_744_073_709_551_615
    );
    let rating = &round.ratings[&(CandidateKey(0), Member(1002))];
    assert_eq!(rating.agreement, Some(Likert::ALL[6]));
    assert_eq!(rating.again, None);
    assert_eq!(round.critiques[&(0, Member(1003))], "Not on Sundays.");
    assert_eq!(round.result().unwrap().winner(), CandidateKey(0));
    assert_eq!(store.live_rounds(|_| true).await.unwrap(), rounds);
    assert_eq!(store.expired(Time::MAX_UTC).await.unwrap(), [round.key]);
    let settings = store.settings(GUILD).await.unwrap();
    assert_eq!(settings.minimum, Some(4));
    assert_eq!(settings.training, Training::Off);
    assert_eq!(
        store.guilds_left_before(Time::MAX_UTC).await.unwrap(),
        [GUILD]
    );
    assert_eq!(store.next_number(GUILD).await.unwrap(), 8);
    let consent = store.consent(GUILD, Member(1001)).await.unwrap().unwrap();
    assert!(consent.agreed && !consent.shared);
    let retrainings = store.retrainings(|_| true).await.unwrap();
    assert_eq!(retrainings[0].version(), Some("reward-1"));
    assert!(retrainings[0].holds(GUILD, Member(1001)));
    assert_eq!(store.check().await.unwrap().rounds, 1);
}

/// Whoever adds a migration keeps records of the version before it.
#[test]
fn there_are_records_of_every_kind_in_every_version() {
    for version in 1..=records::NEWEST {
        let kinds: BTreeSet<String> = fixture(version)
            .keys()
            .map(|key| {
                let shown = Key::from_bytes(key).unwrap().to_string();
                let words = shown.split(' ').filter(|word| word.parse::<u64>().is_err());
                words.collect::<Vec<_>>().join(" ")
            })
            .collect();
        let all = [
            "candidate of round of guild",
            "consent of member of guild",
            "critique of member in stage of round of guild",
            "departure from guild",
            "head of round of guild",
            "index of round of guild",
            "next round number of guild",
            "opinion of member of round of guild",
            "rating of candidate by member of round of guild",
            "retraining of guild",
            "settings of guild",
        ];
        assert_eq!(Vec::from_iter(&kinds), all, "version {version}");
    }
}

/// Records as they were in a version: a key in hexadecimal digits and a record a line.
fn fixture(version: usize) -> Changes {
    let name = format!("tests/fixtures/store-v{version}.txt");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    text.lines()
        .map(|line| {
            let (key, record) = line.split_once(' ').unwrap_or((line, ""));
            let key = (0..key.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap())
                .collect();
            (key, Some(record.as_bytes().to_vec()))
        })
        .collect()
}

/// Prints what ARCHITECTURE.md and the README may say.
#[tokio::test]
#[ignore = "measures"]
async fn how_fast_it_is() {
    let (store, _folder) = store();
    let mut round = opened(key(1));
    store.save(None, &round).await.unwrap();
    let text = "Open the library at night, for all who work by day. ".repeat(10);
    let mut states = vec![round.clone()];
    for member in 0..1200 {
        round = with_opinion(&round, member, &text);
        states.push(round.clone());
    }
    let mut times = Vec::new();
    for pair in states[..201].windows(2) {
        let start = Instant::now();
        store.save(Some(&pair[0]), &pair[1]).await.unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    println!(
        "one save at a time: median {:?}, 95 % {:?}, most {:?}",
        times[100], times[190], times[199]
    );
    let start = Instant::now();
    let saves: Vec<_> = states[200..]
        .windows(2)
        .map(|pair| store.save(Some(&pair[0]), &pair[1]))
        .collect();
    try_join_all(saves).await.unwrap();
    println!("1000 saves at once: {:?}", start.elapsed());
    let start = Instant::now();
    store.rounds(GUILD).await.unwrap();
    println!("reading a round of 1200 opinions: {:?}", start.elapsed());
    let start = Instant::now();
    store.rewrite().await.unwrap();
    println!("rewriting: {:?}", start.elapsed());
}
