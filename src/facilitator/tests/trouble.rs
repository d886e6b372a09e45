//! The platform fails in every way, and the round goes on.

use rand::Rng;

use super::*;

#[tokio::test]
async fn a_reply_that_is_lost_does_not_post_twice() {
    let host = Host::new().await;
    // Every post loses its reply.
    host.platform.every_call(|call| match call {
        Call::Post(_) => Fate::LosesReply,
        _ => Fate::Done,
    });
    let key = host.rating().await;
    let round = host.round(key).await;
    for item in round.board() {
        assert_eq!(host.platform.of(key, item).len(), 1, "{item:?}");
    }
}

#[tokio::test]
async fn every_call_may_fail_now_and_then() {
    let host = Host::new().await;
    let mut rng = StdRng::seed_from_u64(3);
    host.platform
        .every_call(move |_| match rng.random_range(0..5) {
            0 => unavailable(),
            1 => refused(),
            2 => Fate::LosesReply,
            _ => Fate::Done,
        });
    let key = host.rating().await;
    host.rate_all(key, 6).await;
    host.clock.advance(TimeDelta::hours(1));
    let round = host.until_settled(key).await;
    assert!(round.result().is_some());
    for item in round.board() {
        assert_eq!(host.platform.of(key, item).len(), 1, "{item:?}");
    }
}

#[tokio::test]
async fn a_card_that_cannot_be_edited_keeps_nothing_from_happening() {
    let host = Host::new().await;
    host.platform.every_call(|call| match call {
        Call::Edit(Item::Card) | Call::KeepOpen => refused(),
        _ => Fate::Done,
    });
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.clock.advance(TimeDelta::hours(1));
    host.until_shown(key, Item::RatingOpen { stage: 0 }).await;
    host.clock.advance(TimeDelta::hours(1));
    host.until_shown(key, Item::Result).await;
    // As soon as it can be edited it is, and the round is over.
    host.platform.recovers();
    host.until_settled(key).await;
    assert_eq!(
        host.platform.text_of(key, Item::Card),
        "concluded, 3 opinions"
    );
}

#[tokio::test]
async fn what_cannot_be_posted_keeps_nothing_else_from_being_posted() {
    let host = Host::new().await;
    host.platform.every_call(|call| match call {
        Call::Post(Item::RatingOpen { .. }) => refused(),
        _ => Fate::Done,
    });
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.close_early(key).await;
    host.until(key, "rating").await;
    host.clock.advance(TimeDelta::hours(1));
    let round = host.until_settled(key).await;
    assert!(round.shown(Item::Result).is_some());
    // It is over: not worth a message any more.
    assert!(round.shown(Item::RatingOpen { stage: 0 }).is_none());
}

#[tokio::test]
async fn nothing_is_posted_while_what_stands_there_is_unknown() {
    let mut host = Host::new().await;
    host.platform.every_call(|call| match call {
        Call::Post(_) => Fate::HangsAfter,
        _ => Fate::Done,
    });
    let key = host.opens().await;
    eventually("it hangs", async || {
        host.platform.world().hangs.then_some(())
    })
    .await;
    host.facilitator.stop().await.unwrap();
    host.start().await;
    host.facilitator.stop().await.unwrap();
    let platform = host.platform.clone();
    host.platform.recovers();
    platform.every_call(|call| match call {
        Call::Find => refused(),
        _ => Fate::Done,
    });
    host.facilitator = host.takes_up().await;
    host.write(key, 1..=3).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(host.platform.of(key, Item::Card).len(), 1);
    host.platform.recovers();
    host.until_text(key, Item::Card, "opinions, 3 opinions")
        .await;
    assert_eq!(host.platform.of(key, Item::Card).len(), 1);
}

#[tokio::test]
async fn reactions_that_must_not_be_read_do_not_keep_rating_open() {
    let host = Host::new().await;
    let key = host.rating().await;
    host.rate_all(key, 6).await;
    host.platform.every_call(|call| match call {
        Call::Reactions => refused(),
        _ => Fate::Done,
    });
    host.clock.advance(TimeDelta::hours(1));
    let round = host.until_settled(key).await;
    assert_eq!(round.result().unwrap().conclusion.spread.agree, 3);
}

#[tokio::test]
async fn reactions_are_waited_for_while_the_platform_is_down() {
    let host = Host::new().await;
    let key = host.rating().await;
    let candidates = host.round(key).await.eligible();
    let mut failures = 5;
    host.platform.every_call(move |call| match call {
        Call::Reactions if failures > 0 => {
            failures -= 1;
            unavailable()
        }
        _ => Fate::Done,
    });
    for &candidate in &candidates {
        let message = host.message_of(key, candidate).await;
        host.platform.react(message, Member(1), likert(2));
    }
    host.clock.advance(TimeDelta::hours(1));
    let round = host.until(key, "concluded").await;
    assert_eq!(round.ratings.len(), candidates.len());
}

#[tokio::test]
async fn a_model_that_never_predicts_does_not_keep_rating_open_for_ever() {
    let host = Host::new().await;
    let key = host.rating().await;
    host.facilitator
        .update(key, |round, now| {
            round.join_late(Member(9), "I am late, sorry", now).unwrap();
        })
        .await
        .unwrap();
    let cannot_predict = &host.models.cannot_predict;
    cannot_predict.store(true, std::sync::atomic::Ordering::SeqCst);
    host.clock.advance(TimeDelta::hours(1));
    let round = host.until(key, "concluded").await;
    assert_eq!(round.result().unwrap().participants, 3);
}

#[tokio::test]
async fn a_deleted_candidate_is_withdrawn_and_a_deleted_card_posted_again() {
    let host = Host::new().await;
    let key = host.rating().await;
    let candidate = host.round(key).await.eligible()[0];
    host.platform.delete(host.message_of(key, candidate).await);
    let card = host.until_shown(key, Item::Card).await;
    host.platform.delete(card);
    host.facilitator.resync();
    eventually("the candidate is withdrawn", async || {
        let round = host.round(key).await;
        (!round.eligible().contains(&candidate)).then_some(())
    })
    .await;
    host.clock.advance(TimeDelta::hours(1));
    let round = host.until_settled(key).await;
    assert_ne!(round.result().unwrap().winner(), candidate);
    let cards = host.platform.of(key, Item::Card);
    assert_eq!(cards.len(), 2);
    assert!(cards[0].1.deleted && !cards[1].1.deleted);
    assert_eq!(round.shown(Item::Card).unwrap().message, cards[1].0);
}

#[tokio::test]
async fn without_its_channel_a_round_ends() {
    let host = Host::new().await;
    let key = host.opens().await;
    host.until_shown(key, Item::Card).await;
    host.platform.delete_channel(SQUARE);
    host.write(key, [1]).await;
    let round = host.until_settled(key).await;
    assert_eq!(phase_name(&round), "cancelled");
}

#[tokio::test]
async fn without_its_thread_a_round_ends_and_the_card_says_so() {
    for told in [true, false] {
        let host = Host::new().await;
        let key = host.rating().await;
        let thread = host.round(key).await.place.thread.unwrap();
        host.platform.delete_channel(thread);
        if told {
            host.facilitator.place_gone(GUILD, thread).await.unwrap();
        } else {
            host.facilitator.thread_changed(GUILD, thread);
        }
        host.until_settled(key).await;
        assert_eq!(
            host.platform.text_of(key, Item::Card),
            "cancelled, 3 opinions"
        );
        let notice = &host.platform.of(key, Item::Cancelled)[0].1;
        assert_eq!(notice.channel, SQUARE);
        assert_eq!(
            host.platform.of(key, Item::RatingOpen { stage: 0 }).len(),
            1
        );
    }
}

#[tokio::test]
async fn a_round_that_is_cancelled_while_candidates_are_posted_posts_no_more() {
    let host = Host::new().await;
    let (sender, cancelled) = tokio::sync::oneshot::channel();
    let mut sender = Some(sender);
    host.platform.every_call(move |call| match call {
        Call::Post(Item::Candidate { .. }) => {
            if let Some(sender) = sender.take() {
                let _ = sender.send(());
            }
            unavailable()
        }
        _ => Fate::Done,
    });
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.close_early(key).await;
    cancelled.await.unwrap();
    host.facilitator
        .update(key, |round, now| round.cancel(ORGANISER, now).unwrap())
        .await
        .unwrap();
    // Whatever was on its way has failed by then.
    host.until_text(key, Item::Card, "cancelled, 3 opinions")
        .await;
    host.platform.recovers();
    let round = host.until_settled(key).await;
    assert_eq!(round.board(), [Item::Card, Item::Cancelled]);
    let candidates = host
        .platform
        .world()
        .messages
        .values()
        .filter(|standing| matches!(standing.item, Item::Candidate { .. }))
        .count();
    assert_eq!(candidates, 0);
}

#[tokio::test]
async fn what_is_needed_while_it_is_being_met_is_met_again() {
    let host = Host::new().await;
    let key = host.rating().await;
    host.until_quiet().await;
    let facilitator = host.facilitator.clone();
    let mut resynced = false;
    host.platform.every_call(move |call| {
        if call == Call::Reactions && !resynced {
            resynced = true;
            facilitator.resync();
        }
        Fate::Done
    });
    let before = host.platform.count(|call| call == Call::Reactions);
    host.facilitator.resync();
    eventually("reactions are read twice", async || {
        let read = host.platform.count(|call| call == Call::Reactions) - before;
        (read >= 6).then_some(())
    })
    .await;
    host.until_quiet().await;
    let read = host.platform.count(|call| call == Call::Reactions) - before;
    assert_eq!(read, 6);
    host.platform.recovers();
    assert_eq!(phase_name(&host.round(key).await), "rating");
}

#[tokio::test]
async fn reactions_that_somebody_clears_are_set_again() {
    let host = Host::new().await;
    let key = host.rating().await;
    let candidate = host.round(key).await.eligible()[0];
    let message = host.message_of(key, candidate).await;
    host.platform
        .world()
        .messages
        .get_mut(&message)
        .unwrap()
        .seeded = false;
    host.facilitator.reactions_cleared(message).await.unwrap();
    eventually("it is seeded again", async || {
        host.platform.world().messages[&message]
            .seeded
            .then_some(())
    })
    .await;
}
