//! Drafts become the candidates that are posted.

use std::collections::BTreeSet;

use super::*;
use crate::deliberation::similarity::near_copy;

#[test]
fn a_failing_model_is_tried_again_after_ever_longer_times() {
    let mut scene = Scene::drafting(5, |_| {});
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert_eq!(scene.round.due(scene.now), Some(Due::Draft));
        scene.round.drafting_failed(false, scene.now);
        assert_eq!(scene.round.due(scene.now), None);
        let retry_at = scene.round.next_deadline().unwrap();
        waits.push((retry_at - scene.now).num_seconds());
        scene.now = retry_at;
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900, 900]);
    // It is still a round like any other when the model has recovered.
    scene.draft(&[[4; 3]; 5]);
    assert!(matches!(scene.round.phase, Phase::Posting { .. }));
}

#[test]
fn an_organiser_need_not_wait_for_the_next_try() {
    let mut scene = Scene::drafting(5, |_| {});
    scene.round.drafting_failed(false, scene.now);
    let notice = TimeDelta::minutes(30);
    scene
        .round
        .close_early(ORGANISER, notice, scene.now)
        .unwrap();
    assert_eq!(scene.round.due(scene.now), Some(Due::Draft));
    assert_eq!(scene.round.log.last().unwrap().act, Act::RetriedDrafting);
}

#[test]
fn the_best_are_posted_and_one_of_the_others_for_exploration() {
    let mut explored = BTreeSet::new();
    for seed in 0..60 {
        let mut scene = Scene::drafting(5, |terms| terms.posted = 4.try_into().unwrap());
        scene.rng = StdRng::seed_from_u64(seed);
        scene.draft(&[[1, 6, 2, 5, 3, 7, 4, 2]; 5]);
        let posted = BTreeSet::from_iter(scene.round.eligible().iter().map(|key| key.0));
        assert_eq!(posted.len(), 4);
        assert!(posted.is_superset(&[5, 1, 3].into()));
        explored.extend(posted);
    }
    assert_eq!(explored.len(), 8, "any of the others is drawn now and then");
}

#[test]
fn as_many_candidates_are_posted_as_the_terms_say() {
    for posted in 3..=6 {
        let mut scene = Scene::drafting(5, |terms| terms.posted = posted.try_into().unwrap());
        scene.draft(&[[4; 8]; 5]);
        assert_eq!(scene.round.eligible().len(), posted);
    }
}

#[test]
fn near_copies_are_not_posted() {
    let mut scene = Scene::drafting(5, |_| {});
    let copy = STATEMENTS[0].replace("Saturdays", "Sundays");
    assert!(near_copy(&copy, STATEMENTS[0]));
    let texts = [&copy, STATEMENTS[0], STATEMENTS[1], STATEMENTS[2]];
    let candidates = texts.map(|text| {
        let mut candidate = scene.candidate(text);
        candidate.predictions = (1..=5).map(|n| (Member(n), sure(5))).collect();
        candidate
    });
    scene.drafted(candidates.into());
    assert_eq!(scene.round.eligible().len(), 3);
}

#[test]
fn the_order_in_which_candidates_are_posted_says_nothing_of_their_welfare() {
    let mut first = BTreeSet::new();
    for seed in 0..60 {
        let mut scene = Scene::drafting(5, |_| {});
        scene.rng = StdRng::seed_from_u64(seed);
        scene.draft(&[[7, 6, 5]; 5]);
        first.insert(scene.round.eligible()[0]);
    }
    assert_eq!(first.len(), 3);
}

#[test]
fn a_drafting_that_arrives_twice_counts_once() {
    let mut scene = Scene::drafting(5, |_| {});
    let candidates = vec![scene.candidate(STATEMENTS[7])];
    scene.draft(&[[4; 3]; 5]);
    let before = scene.round.clone();
    for stage in [0, 1] {
        scene
            .round
            .drafted(stage, candidates.clone(), &mut scene.rng, scene.now);
    }
    scene.round.drafting_failed(false, scene.now);
    assert_eq!(scene.round, before);
}

#[test]
fn who_joined_while_candidates_were_drafted_does_not_stop_them_from_being_ranked() {
    let mut scene = Scene::drafting(5, |_| {});
    scene
        .round
        .join_late(Member(6), &words_of(6), scene.now)
        .unwrap();
    scene.draft(&[[1, 7, 2]; 5]);
    scene.open_rating();
    let missing = scene.round.missing_predictions();
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].member, Member(6));
    assert_eq!(missing[0].opinion, words_of(6));
    assert_eq!(missing[0].candidates, scene.round.eligible());
}

#[test]
fn rating_opens_when_the_last_candidate_is_posted_and_seeded() {
    let mut scene = Scene::drafting(5, |_| {});
    scene.draft(&[[4; 3]; 5]);
    let candidates = scene.round.board()[1..].to_vec();
    for item in candidates {
        assert_eq!(scene.round.due(scene.now), None);
        let message = scene.show(item);
        let posted = Shown {
            item,
            message,
            fingerprint: 1,
            seeded: false,
        };
        scene.round.show(posted.clone());
        assert_eq!(scene.round.due(scene.now), None);
        scene.round.open_rating(scene.now);
        assert!(matches!(scene.round.phase, Phase::Posting { .. }));
        scene.pass_minutes(1);
        scene.round.show(Shown {
            seeded: true,
            ..posted
        });
    }
    assert_eq!(scene.round.due(scene.now), Some(Due::OpenRating));
    scene.round.open_rating(scene.now);
    let closes = scene.now + TimeDelta::minutes(100);
    assert_eq!(scene.round.rating_closes(), Some(closes));
}

#[test]
fn three_opinions_are_drafted_from_and_forty_are() {
    for members in [3, 40] {
        let mut scene = Scene::drafting(members, |terms| terms.minimum = 3);
        let opinions = scene.round.draft_input().unwrap().opinions;
        assert_eq!(opinions.len(), members as usize);
        scene.draft(&vec![[4, 5, 6]; members as usize]);
        scene.open_rating();
        scene.close_rating();
        assert_eq!(scene.result().participants, members as usize);
        assert_eq!(scene.result().winner(), CandidateKey(2));
    }
}
