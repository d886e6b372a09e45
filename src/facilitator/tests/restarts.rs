//! Accord is stopped at any moment, and goes on.

use futures::future::join_all;

use super::*;

/// What members and organisers do, whenever the round is ready for it.
async fn act(host: &Host, key: RoundKey) {
    let round = host.round(key).await;
    match round.phase {
        Phase::Opinions { .. } if round.opinions.len() < 3 => {
            host.write(key, 1..=3).await;
        }
        Phase::Opinions { .. } => host.close_early(key).await,
        Phase::Review { .. } if round.shown(Item::Review { stage: 0 }).is_none() => {}
        Phase::Review { .. } => {
            let posted = host
                .facilitator
                .update(key, |round, now| round.post_reviewed(0, ORGANISER, now));
            posted.await.unwrap().unwrap();
        }
        Phase::Rating { .. } if round.shown(Item::RatingOpen { stage: 0 }).is_none() => {}
        Phase::Rating {
            complete_since: None,
            ..
        } => host.rate_all(key, 6).await,
        Phase::Rating { .. } => host.clock.advance(TimeDelta::minutes(2)),
        _ => {}
    }
}

/// Runs a round whose candidates an organiser looks at first; stopped when the `stopped_at`th call of
/// the platform comes, and started anew. How many calls there were.
async fn run(stopped_at: Option<usize>, done_before: bool) -> usize {
    let mut host = Host::new().await;
    if let Some(stopped_at) = stopped_at {
        let mut calls = 0;
        host.platform.every_call(move |_| {
            calls += 1;
            match (calls == stopped_at, done_before) {
                (false, _) => Fate::Done,
                (true, true) => Fate::HangsAfter,
                (true, false) => Fate::HangsBefore,
            }
        });
    }
    let key = host.opens_with(|terms| terms.review = true).await;
    let started = Instant::now();
    let round = loop {
        if host.platform.world().hangs {
            host.restart().await;
        }
        let round = host.round(key).await;
        if round.settled && host.facilitator.live(key).is_none() {
            break round;
        }
        act(&host, key).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(
            started.elapsed() < Duration::from_secs(300),
            "stopped at {stopped_at:?}: {} for ever",
            phase_name(&round)
        );
    };
    assert!(round.result().is_some(), "stopped at {stopped_at:?}");
    assert_eq!(round.opinions.len(), 3);
    let items = round.board();
    assert_eq!(items.len(), 7, "{items:?}");
    for item in items {
        let messages = host.platform.of(key, item);
        assert_eq!(messages.len(), 1, "stopped at {stopped_at:?}: {item:?}");
        let (message, standing) = &messages[0];
        assert_eq!(round.shown(item).unwrap().message, *message);
        let says = standing.text.split(',').next();
        assert_eq!(says, Some("concluded"), "{stopped_at:?}: {item:?}");
        let to_be_rated = matches!(item, Item::Candidate { .. });
        assert_eq!(standing.seeded, to_be_rated);
    }
    host.facilitator.stop().await.unwrap();
    host.platform.world().calls.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_round_that_is_stopped_at_any_call_posts_everything_once() {
    let calls = run(None, true).await;
    assert!(calls > 15, "{calls}");
    let moments = (1..=calls).flat_map(|call| [(call, true), (call, false)]);
    for some in Vec::from_iter(moments).chunks(16) {
        join_all(some.iter().map(|&(call, done)| run(Some(call), done))).await;
    }
}

#[tokio::test]
async fn a_phase_that_ended_while_accord_was_down_ends_at_the_start() {
    let mut host = Host::new().await;
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    for (item, phase) in [
        (Item::RatingOpen { stage: 0 }, "rating"),
        (Item::Result, "concluded"),
    ] {
        host.facilitator.stop().await.unwrap();
        host.clock.advance(TimeDelta::hours(3));
        host.start().await;
        host.until_shown(key, item).await;
        assert_eq!(phase_name(&host.round(key).await), phase);
    }
}

#[tokio::test]
async fn ratings_set_and_messages_deleted_meanwhile_are_seen_at_the_start() {
    let mut host = Host::new().await;
    let key = host.rating().await;
    let candidates = host.round(key).await.eligible();
    host.facilitator.stop().await.unwrap();
    let [liked, deleted] = [candidates[0], candidates[1]];
    let messages: Vec<Message> = [liked, deleted]
        .iter()
        .flat_map(|&candidate| {
            let item = Item::Candidate {
                stage: 0,
                candidate,
            };
            host.platform.of(key, item)
        })
        .map(|(message, _)| message)
        .collect();
    host.platform.react(messages[0], Member(1), likert(6));
    host.platform.delete(messages[1]);
    host.start().await;
    let round = eventually("both are seen", async || {
        let round = host.round(key).await;
        (round.ratings.len() == 1 && round.eligible().len() == 2).then_some(round)
    })
    .await;
    assert_eq!(
        round.ratings[&(liked, Member(1))].agreement,
        Some(likert(6))
    );
    assert!(!round.eligible().contains(&deleted));
    assert_eq!(host.platform.count(|call| call == Call::KeepOpen), 1);
}

#[tokio::test]
async fn a_drafting_that_was_cut_off_begins_anew() {
    let mut host = Host::new().await;
    host.models.next([Mishap::Hangs]);
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.close_early(key).await;
    host.until_begun(1).await;
    let stopping = Instant::now();
    host.restart().await;
    assert!(stopping.elapsed() < Duration::from_secs(60));
    host.until_shown(key, Item::RatingOpen { stage: 0 }).await;
    assert_eq!(host.models.draftings(), 2);
}

#[tokio::test]
async fn a_wait_for_the_next_try_goes_on_after_a_restart() {
    let mut host = Host::new().await;
    host.models.next([Mishap::Fails]);
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.close_early(key).await;
    let waits = async |host: &Host| {
        let phase = host.round(key).await.phase;
        matches!(phase, Phase::Drafting { failures: 1, .. }).then_some(())
    };
    eventually("drafting has failed", async || waits(&host).await).await;
    host.restart().await;
    host.until_quiet().await;
    assert_eq!(waits(&host).await, Some(()));
    assert_eq!(host.models.draftings(), 1);
    host.clock.advance(TimeDelta::seconds(31));
    host.until(key, "rating").await;
}

#[tokio::test]
async fn it_stops_at_once_though_the_platform_does_not_answer() {
    let host = Host::new().await;
    host.platform.every_call(|_| Fate::HangsBefore);
    host.opens().await;
    eventually("it hangs", async || {
        host.platform.world().hangs.then_some(())
    })
    .await;
    let stopping = Instant::now();
    host.facilitator.stop().await.unwrap();
    assert!(stopping.elapsed() < Duration::from_secs(60));
}
