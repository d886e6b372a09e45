//! One drafting at a time, with a queue that people see.

use super::*;

async fn in_drafting(host: &Host) -> RoundKey {
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.close_early(key).await;
    eventually("it is in the queue", async || {
        host.facilitator.progress(key).position
    })
    .await;
    key
}

#[tokio::test]
async fn rounds_are_drafted_one_after_another_and_show_how_far_it_is() {
    let host = Host::new().await;
    host.models
        .next([Mishap::Waits, Mishap::Waits, Mishap::Waits]);
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(in_drafting(&host).await);
    }
    let card = async |key, says: &str| {
        let text = format!("drafting, 3 opinions, {says}");
        host.until_text(key, Item::Card, &text).await;
    };
    card(keys[0], "2 of 4").await;
    card(keys[1], "1 before it").await;
    card(keys[2], "2 before it").await;
    assert_eq!(host.models.draftings(), 1);

    host.models.go_on.notify_one();
    host.until(keys[0], "rating").await;
    card(keys[1], "2 of 4").await;
    card(keys[2], "1 before it").await;

    // Who gives up makes room.
    host.facilitator
        .update(keys[1], |round, now| round.cancel(ORGANISER, now).unwrap())
        .await
        .unwrap();
    card(keys[2], "2 of 4").await;
    host.until_settled(keys[1]).await;
    host.models.go_on.notify_one();
    host.until(keys[2], "rating").await;
}

#[tokio::test]
async fn a_round_ends_with_the_models_that_it_began_with() {
    let mut host = Host::new().await;
    let key = host.rating_with(|terms| terms.revisions = 1).await;
    host.models.active.store(1, Ordering::SeqCst);
    host.restart().await;
    host.rate_all(key, 2).await;
    host.facilitator
        .update(key, |round, now| {
            round.criticise(Member(1), "Say when.", now).unwrap();
        })
        .await
        .unwrap();
    host.clock.advance(TimeDelta::minutes(2));
    host.until_shown(key, Item::RatingOpen { stage: 1 }).await;
    let drafted_by = |round: Round| {
        let candidates = round.candidates.into_iter();
        let versions = candidates.map(|candidate| candidate.provenance.generator);
        Vec::from_iter(versions)
    };
    assert_eq!(drafted_by(host.round(key).await), ["v0"; 8]);

    let next = host.rating().await;
    assert_eq!(drafted_by(host.round(next).await), ["v1"; 4]);
}

#[tokio::test]
async fn a_model_that_fails_or_panics_is_tried_again() {
    let host = Host::new().await;
    host.models.next([Mishap::Fails, Mishap::Panics]);
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.close_early(key).await;
    for (failed, wait) in [(1, 31), (2, 61)] {
        eventually("it has failed", async || {
            let phase = host.round(key).await.phase;
            let waits = matches!(phase, Phase::Drafting { failures, retry_at: Some(_), .. } if failures == failed);
            waits.then_some(())
        })
        .await;
        host.until_quiet().await;
        assert_eq!(host.models.draftings(), failed as usize);
        let progress = host.facilitator.progress(key);
        assert_eq!((progress.position, progress.drafted), (None, 0));
        host.clock.advance(TimeDelta::seconds(wait));
    }
    host.until_shown(key, Item::RatingOpen { stage: 0 }).await;
    assert_eq!(host.models.draftings(), 3);
}

#[tokio::test]
async fn a_model_that_does_not_answer_in_time_is_told_apart_until_it_is_tried_again() {
    let host = Host::new().await;
    host.models.next([Mishap::TooSlow, Mishap::Fails]);
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.close_early(key).await;
    for (failed, slow) in [(1, true), (2, false)] {
        eventually("it has failed", async || {
            let phase = host.round(key).await.phase;
            let waits = matches!(phase, Phase::Drafting { failures, too_slow, .. }
                if failures == failed && too_slow == slow);
            waits.then_some(())
        })
        .await;
        host.until_quiet().await;
        host.clock.advance(TimeDelta::minutes(2));
    }
    host.until_shown(key, Item::RatingOpen { stage: 0 }).await;
}

#[tokio::test]
async fn the_driver_rests_while_a_drafting_is_under_way_that_had_failed() {
    let host = Host::new().await;
    host.models.next([Mishap::Fails, Mishap::Hangs]);
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.close_early(key).await;
    eventually("it has failed", async || {
        let phase = host.round(key).await.phase;
        matches!(phase, Phase::Drafting { failures: 1, .. }).then_some(())
    })
    .await;
    host.clock.advance(TimeDelta::minutes(5));
    host.until_begun(2).await;
    host.until_quiet().await;
}

#[tokio::test]
async fn a_failing_model_lets_the_next_round_pass() {
    let host = Host::new().await;
    host.models.next([Mishap::Fails]);
    let first = host.opens().await;
    host.write(first, 1..=3).await;
    host.close_early(first).await;
    let second = host.opens().await;
    host.write(second, 1..=3).await;
    host.close_early(second).await;
    eventually("one of them is rated", async || {
        let rounds = [host.round(first).await, host.round(second).await];
        let rated = rounds.iter().any(|round| phase_name(round) == "rating");
        rated.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_round_stops_drafting() {
    let host = Host::new().await;
    host.models.next([Mishap::Hangs]);
    let key = in_drafting(&host).await;
    host.until_begun(1).await;
    host.facilitator
        .update(key, |round, now| round.cancel(ORGANISER, now).unwrap())
        .await
        .unwrap();
    host.until_settled(key).await;
    let other = in_drafting_or_later(&host).await;
    host.until(other, "rating").await;
}

async fn in_drafting_or_later(host: &Host) -> RoundKey {
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.close_early(key).await;
    key
}

#[tokio::test]
async fn a_drafting_whose_authors_are_erased_stops_and_may_begin_anew() {
    let host = Host::new().await;
    host.models.next([Mishap::Hangs]);
    let key = in_drafting(&host).await;
    host.until_begun(1).await;
    let erased = host.facilitator.erase_member(GUILD, Member(1)).await;
    assert_eq!(erased.unwrap().rounds, 1);
    host.until(key, "too few").await;
    host.write(key, [7]).await;
    let round = host.until(key, "rating").await;
    for candidate in &round.candidates {
        assert!(!candidate.provenance.opinions_read.contains(&Member(1)));
    }
}
