//! Candidates wait for an organiser, and are drafted anew, whenever Accord is stopped.

use super::*;

/// Drafts read two opinions each; six have written.
async fn under_review(host: &Host) -> RoundKey {
    host.models.reads.store(2, Ordering::SeqCst);
    let key = host.opens_with(|terms| terms.review = true).await;
    host.write(key, 1..=6).await;
    host.close_early(key).await;
    host.until_shown(key, Item::Review { stage: 0 }).await;
    key
}

fn posts_of_candidates(host: &Host) -> usize {
    let candidate = |call| matches!(call, Call::Post(Item::Candidate { .. }));
    host.platform.count(candidate)
}

#[tokio::test]
async fn candidates_wait_for_an_organiser_also_over_restarts() {
    let mut host = Host::new().await;
    let key = under_review(&host).await;
    host.restart().await;
    host.clock.advance(TimeDelta::days(20));
    host.until_quiet().await;
    let round = host.until(key, "review").await;
    let withheld = round.under_review()[0];
    host.facilitator
        .update(key, |round, now| round.withhold(withheld, ORGANISER, now))
        .await
        .unwrap()
        .unwrap();
    host.restart().await;
    host.until_quiet().await;
    assert!(host.round(key).await.is_withheld(withheld));
    assert_eq!(posts_of_candidates(&host), 0);
    assert_eq!(host.models.draftings(), 1);

    host.facilitator
        .update(key, |round, now| round.post_reviewed(0, ORGANISER, now))
        .await
        .unwrap()
        .unwrap();
    host.until_shown(key, Item::RatingOpen { stage: 0 }).await;
    assert_eq!(posts_of_candidates(&host), 2);
    let item = Item::Candidate {
        stage: 0,
        candidate: withheld,
    };
    assert!(host.platform.of(key, item).is_empty());
    host.until_text(key, Item::Review { stage: 0 }, "rating")
        .await;
    host.rate_all(key, 6).await;
    host.clock.advance(TimeDelta::minutes(2));
    host.until_settled(key).await;
}

#[tokio::test]
async fn a_drafting_without_a_candidates_sources_goes_on_after_a_restart() {
    let mut host = Host::new().await;
    let key = under_review(&host).await;
    host.models.next([Mishap::Hangs]);
    let withheld = host.round(key).await.under_review()[0];
    let without = host
        .facilitator
        .update(key, |round, now| {
            round.redraft_without(withheld, ORGANISER, now)
        })
        .await
        .unwrap();
    assert_eq!(without.unwrap().left, 4);
    host.until_begun(2).await;
    host.restart().await;
    host.until_shown(key, Item::Review { stage: 1 }).await;
    assert_eq!(host.models.draftings(), 3);
    let round = host.round(key).await;
    let left_out = &round.candidate(withheld).provenance.opinions_read;
    assert_eq!(left_out.len(), 2);
    for &candidate in round.under_review() {
        let read = &round.candidate(candidate).provenance.opinions_read;
        assert!(read.iter().all(|member| !left_out.contains(member)));
    }
    assert_eq!(posts_of_candidates(&host), 0);

    host.facilitator
        .update(key, |round, now| round.post_reviewed(1, ORGANISER, now))
        .await
        .unwrap()
        .unwrap();
    host.until_shown(key, Item::RatingOpen { stage: 1 }).await;
    host.rate_all(key, 6).await;
    host.clock.advance(TimeDelta::minutes(2));
    let round = host.until_settled(key).await;
    assert_eq!(round.result().unwrap().participants, 6);
    for stage in [0, 1] {
        assert_eq!(host.platform.of(key, Item::Review { stage }).len(), 1);
    }
}

#[tokio::test]
async fn what_is_withdrawn_is_edited_where_it_stands_and_rating_goes_on() {
    let mut host = Host::new().await;
    let key = host.rating().await;
    let withdrawn = host.round(key).await.eligible()[0];
    host.platform.every_call(|_| unavailable());
    host.facilitator
        .update(key, |round, now| {
            round.report(withdrawn, Member(1));
            round.withdraw_candidate(withdrawn, ORGANISER, now)
        })
        .await
        .unwrap()
        .unwrap();
    host.restart().await;
    let item = Item::Candidate {
        stage: 0,
        candidate: withdrawn,
    };
    host.until_text(key, item, "rating, withdrawn").await;
    host.rate_all(key, 6).await;
    host.clock.advance(TimeDelta::minutes(2));
    let round = host.until_settled(key).await;
    assert_ne!(round.result().unwrap().winner(), withdrawn);
    assert_eq!(host.platform.of(key, item).len(), 1);
}
