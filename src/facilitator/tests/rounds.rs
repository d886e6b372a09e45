//! Rounds from the card to the result.

use super::*;

#[tokio::test]
async fn a_round_runs_from_the_card_to_the_result() {
    let host = Host::new().await;
    let key = host.opens().await;
    host.until_text(key, Item::Card, "opinions, 0 opinions")
        .await;
    host.write(key, 1..=4).await;
    host.until_text(key, Item::Card, "opinions, 4 opinions")
        .await;
    host.clock.advance(TimeDelta::hours(1));
    let round = host.until(key, "rating").await;
    assert_eq!(round.eligible().len(), 3);
    host.until_shown(key, Item::RatingOpen { stage: 0 }).await;

    let liked = round.eligible()[0];
    for (member, digit) in [(1, 7), (2, 7), (3, 5), (4, 2)] {
        let message = host.message_of(key, liked).await;
        host.platform.react(message, Member(member), likert(digit));
    }
    host.clock.advance(TimeDelta::hours(1));
    let round = host.until_settled(key).await;
    // What nobody was told of is read at the close.
    assert_eq!(round.ratings.len(), 4);
    let result = round.result().unwrap();
    assert_eq!(result.participants, 4);
    for item in round.board() {
        let messages = host.platform.of(key, item);
        assert_eq!(messages.len(), 1, "{item:?}");
        let standing = &messages[0].1;
        assert_eq!(standing.text.split(',').next(), Some("concluded"));
        let in_thread = standing.channel != SQUARE;
        assert_eq!(in_thread, item != Item::Card, "{item:?}");
        let to_be_rated = matches!(item, Item::Candidate { .. });
        assert_eq!(standing.seeded, to_be_rated, "{item:?}");
    }
}

#[tokio::test]
async fn a_round_is_revised_by_a_second_drafting_and_rated_again() {
    let host = Host::new().await;
    let key = host.rating_with(|terms| terms.revisions = 1).await;
    host.rate_all(key, 3).await;
    host.facilitator
        .update(key, |round, now| {
            round.criticise(Member(1), "Name the streets", now).unwrap();
        })
        .await
        .unwrap();
    host.clock.advance(TimeDelta::minutes(2));
    host.until_shown(key, Item::RatingOpen { stage: 1 }).await;
    assert_eq!(host.models.draftings(), 2);
    assert_eq!(
        host.models
            .critiques
            .load(std::sync::atomic::Ordering::SeqCst),
        1
    );
    host.clock.advance(TimeDelta::hours(1));
    let round = host.until_settled(key).await;
    assert_eq!(round.stages.len(), 2);
    assert!(round.result().is_some());
}

#[tokio::test]
async fn rating_closes_a_minute_after_everybody_has_rated_and_not_before() {
    let host = Host::new().await;
    let key = host.rating().await;
    host.rate_all(key, 6).await;
    host.clock.advance(TimeDelta::seconds(40));
    host.until_quiet().await;
    assert_eq!(phase_name(&host.round(key).await), "rating");
    host.clock.advance(TimeDelta::seconds(30));
    host.until(key, "concluded").await;
}

#[tokio::test]
async fn a_result_knows_whether_its_reward_model_is_calibrated() {
    for calibrated in [true, false] {
        let host = Host::new().await;
        let models = &host.models;
        models
            .calibrated
            .store(calibrated, std::sync::atomic::Ordering::SeqCst);
        let key = host.rating().await;
        host.clock.advance(TimeDelta::hours(1));
        let round = host.until_settled(key).await;
        assert_eq!(round.result().unwrap().calibrated, calibrated);
    }
}

#[tokio::test]
async fn too_few_opinions_wait_for_the_organiser() {
    let host = Host::new().await;
    let key = host.opens().await;
    host.write(key, 1..=2).await;
    host.clock.advance(TimeDelta::hours(1));
    eventually("extended", async || {
        let extended = matches!(
            host.round(key).await.phase,
            Phase::Opinions { extended: true, .. }
        );
        extended.then_some(())
    })
    .await;
    host.clock.advance(TimeDelta::minutes(30));
    host.until_shown(key, Item::TooFew).await;
    host.clock.advance(TimeDelta::days(29));
    host.until_quiet().await;
    assert_eq!(phase_name(&host.round(key).await), "too few");
    host.close_early(key).await;
    let round = host.until_settled(key).await;
    assert_eq!(round.board(), [Item::Card, Item::TooFew, Item::Cancelled]);
    assert_eq!(round.opinions.len(), 2);
}

#[tokio::test]
async fn a_round_without_a_thread_stands_in_the_channel() {
    let host = Host::new().await;
    let key = host.rating().await;
    let in_thread = host.round(key).await.place.thread;
    assert!(in_thread.is_some());

    let mut new = NewRound {
        guild: GUILD,
        question: "And the buses?".to_owned(),
        background: None,
        terms: host.round(key).await.terms,
        place: host.round(key).await.place,
        by: ORGANISER,
    };
    new.place.thread = None;
    new.place.threads = false;
    let other = host
        .facilitator
        .open(new, LIMITS)
        .await
        .unwrap()
        .unwrap()
        .key;
    host.write(other, 1..=3).await;
    host.close_early(other).await;
    let message = host.until_shown(other, Item::RatingOpen { stage: 0 }).await;
    assert_eq!(host.platform.world().messages[&message].channel, SQUARE);
}

#[tokio::test]
async fn somebody_late_is_predicted_at_the_close() {
    let host = Host::new().await;
    let key = host.rating().await;
    host.facilitator
        .update(key, |round, now| {
            round.join_late(Member(9), "I am late, sorry", now).unwrap();
        })
        .await
        .unwrap();
    host.clock.advance(TimeDelta::hours(1));
    let round = host.until(key, "concluded").await;
    assert_eq!(round.result().unwrap().participants, 4);
}

#[tokio::test]
async fn an_extension_that_comes_while_rating_closes_keeps_it_open() {
    let host = Host::new().await;
    let key = host.rating().await;
    host.platform.every_call(|call| match call {
        Call::Reactions => unavailable(),
        _ => Fate::Done,
    });
    host.clock.advance(TimeDelta::hours(1));
    eventually("the close is under way", async || {
        let tried = host.platform.count(|call| call == Call::Reactions);
        (tried > 0).then_some(())
    })
    .await;
    host.facilitator
        .update(key, |round, now| {
            round.extend(ORGANISER, TimeDelta::hours(1), now).unwrap();
        })
        .await
        .unwrap();
    host.platform.recovers();
    host.until_quiet().await;
    assert_eq!(phase_name(&host.round(key).await), "rating");
    host.clock.advance(TimeDelta::hours(1));
    host.until(key, "concluded").await;
}

#[tokio::test]
async fn the_clock_may_jump_and_every_deadline_comes_once() {
    let host = Host::new().await;
    let key = host.opens().await;
    host.write(key, 1..=3).await;
    host.clock.advance(TimeDelta::minutes(59));
    host.until_quiet().await;
    assert_eq!(phase_name(&host.round(key).await), "opinions");
    host.clock.advance(-TimeDelta::days(2));
    host.until_quiet().await;
    assert_eq!(phase_name(&host.round(key).await), "opinions");
    host.clock
        .advance(TimeDelta::days(2) + TimeDelta::minutes(2));
    host.until_shown(key, Item::RatingOpen { stage: 0 }).await;
    // Rating is not over because the clock goes back, and not twice when it comes forward again.
    host.clock.advance(-TimeDelta::days(2));
    host.until_quiet().await;
    assert_eq!(phase_name(&host.round(key).await), "rating");
    host.clock.advance(TimeDelta::days(40));
    host.until_settled(key).await;
    assert_eq!(host.models.draftings(), 1);
    assert_eq!(host.platform.of(key, Item::Result).len(), 1);
}

#[tokio::test]
async fn two_rounds_run_at_once() {
    let host = Host::new().await;
    let keys = [host.opens().await, host.opens().await];
    assert_eq!(keys.map(|key| key.number), [1, 2]);
    for key in keys {
        host.write(key, 1..=3).await;
    }
    host.clock.advance(TimeDelta::hours(1));
    for key in keys {
        host.until_shown(key, Item::RatingOpen { stage: 0 }).await;
    }
    host.clock.advance(TimeDelta::hours(1));
    for key in keys {
        host.until_settled(key).await;
    }
}
