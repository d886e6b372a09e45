//! Which rounds are in memory, and that nothing that was said there is lost.

use futures::future::join_all;

use super::*;

async fn concluded(host: &Host) -> RoundKey {
    let key = host.rating().await;
    host.clock.advance(TimeDelta::hours(1));
    host.until_settled(key).await;
    key
}

async fn answer(host: &Host, key: RoundKey, verdict: Verdict) {
    host.facilitator
        .update(key, |round, now| {
            round.answer(ORGANISER, verdict, None, now).unwrap();
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_round_that_is_over_leaves_memory_and_can_still_be_answered() {
    let host = Host::new().await;
    let key = concluded(&host).await;
    assert!(host.facilitator.all_live().is_empty());
    for verdict in [Verdict::Adopted, Verdict::Rejected] {
        answer(&host, key, verdict).await;
        host.until_settled(key).await;
        let text = format!("concluded, 3 opinions, {verdict:?}");
        assert_eq!(host.platform.text_of(key, Item::Card), text);
    }
    assert_eq!(host.platform.of(key, Item::Result).len(), 1);
}

#[tokio::test]
async fn the_last_edit_is_waited_for_before_a_round_is_let_go() {
    let host = Host::new().await;
    let key = concluded(&host).await;
    for verdict in [Verdict::Adopted, Verdict::Rejected, Verdict::Partly] {
        // Faster than a message may be edited.
        answer(&host, key, verdict).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    host.until_settled(key).await;
    assert_eq!(
        host.platform.text_of(key, Item::Card),
        "concluded, 3 opinions, Partly"
    );
}

#[tokio::test]
async fn a_round_that_somebody_holds_is_let_go_later() {
    let host = Host::new().await;
    let key = concluded(&host).await;
    let held = host.facilitator.fetch(key).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(host.facilitator.live(key).is_some());
    drop(held);
    host.until_settled(key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_round_that_comes_and_goes_loses_no_change_and_has_one_driver() {
    let host = Host::new().await;
    let key = concluded(&host).await;
    let before = host.round(key).await.log.len();
    let changes = (0..120).map(|n| {
        let facilitator = host.facilitator.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(n / 8 * 7)).await;
            facilitator
                .update(key, |round, now| {
                    round
                        .answer(ORGANISER, Verdict::Adopted, None, now)
                        .unwrap();
                    // So that it can be let go at once.
                    round.settle();
                })
                .await
                .unwrap();
        })
    });
    for changed in join_all(changes).await {
        changed.unwrap();
    }
    let round = host.until_settled(key).await;
    assert_eq!(round.log.len(), before + 120);
    let stored = host.facilitator.store.round(key).await.unwrap().unwrap();
    assert_eq!(stored, round);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_who_write_at_once_are_all_saved_and_the_card_changes_seldom() {
    let mut host = Host::new().await;
    let key = host.opens().await;
    host.until_shown(key, Item::Card).await;
    host.until_quiet().await;
    let edits = || host.platform.count(|call| call == Call::Edit(Item::Card));
    let before = edits();
    let started = Instant::now();
    join_all((1..=60).map(|member| host.write(key, [member]))).await;
    host.until_text(key, Item::Card, "opinions, 60 opinions")
        .await;
    let possible = 2 + started.elapsed().as_millis() as usize / 30;
    assert!(edits() - before <= possible.min(59));
    host.restart().await;
    assert_eq!(host.round(key).await.opinions.len(), 60);
}

#[tokio::test]
async fn waking_a_driver_for_nothing_does_nothing() {
    let host = Host::new().await;
    let key = host.rating().await;
    host.until_quiet().await;
    let calls = host.platform.world().calls.len();
    let live = host.facilitator.live(key).unwrap();
    for _ in 0..100 {
        live.wake.notify_one();
        tokio::task::yield_now().await;
    }
    host.until_quiet().await;
    assert_eq!(host.platform.world().calls.len(), calls);
}

#[tokio::test]
async fn texts_expire_also_while_accord_was_down() {
    let mut host = Host::new().await;
    let key = concluded(&host).await;
    host.facilitator.stop().await.unwrap();
    host.clock.advance(TimeDelta::days(31));
    host.start().await;
    let round = eventually("the texts are gone", async || {
        let round = host.round(key).await;
        let gone = round
            .opinions
            .values()
            .all(|opinion| opinion.text.is_none());
        gone.then_some(round)
    })
    .await;
    assert!(round.result().is_some());
}

#[tokio::test]
async fn erasing_a_member_leaves_rounds_alone_in_which_there_is_nothing_of_them() {
    let host = Host::new().await;
    let key = concluded(&host).await;
    let erased = host.facilitator.erase_member(GUILD, Member(77)).await;
    assert_eq!(erased.unwrap().rounds, 0);
    assert!(host.facilitator.live(key).is_none());
    let erased = host.facilitator.erase_member(GUILD, Member(2)).await;
    assert_eq!(erased.unwrap().rounds, 1);
    let round = host.until_settled(key).await;
    assert!(!round.opinions.contains_key(&Member(2)));
}

#[tokio::test]
async fn the_rounds_of_a_guild_that_was_left_end() {
    let host = Host::new().await;
    let key = host.rating().await;
    host.facilitator.guild_left(GUILD).await.unwrap();
    let round = host.until_settled(key).await;
    assert_eq!(phase_name(&round), "cancelled");
    host.clock.advance(TimeDelta::days(31));
    eventually("its rounds are deleted", async || {
        // What expired is deleted every hour.
        host.clock.advance(TimeDelta::hours(2));
        let rounds = host.facilitator.rounds(GUILD).await.unwrap();
        rounds.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_round_that_nobody_opened_is_an_error() {
    let host = Host::new().await;
    let nobody = RoundKey {
        guild: GUILD,
        number: 7,
    };
    let error = host
        .facilitator
        .update(nobody, |_, _| {})
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "there is no round 7");
    assert!(host.facilitator.round(nobody).await.is_err());
}
