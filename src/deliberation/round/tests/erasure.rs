//! A member has everything about them erased.

use std::collections::BTreeSet;

use super::*;

/// No other number in a round has these digits.
const LEAVER: Member = Member(7_777_777);

/// Everything that a round holds, to be searched.
fn holds(round: &Round, needle: &str) -> bool {
    format!("{round:?}").contains(needle)
}

fn assert_nothing_is_left(round: &Round) {
    assert!(!holds(round, "7777777"), "{round:#?}");
    assert!(!holds(round, "I am leaving"));
    assert!(!holds(round, "I was unhappy"));
}

/// The leaver opened, wrote, rated, criticised, reported and organised.
fn rating() -> Scene {
    let mut scene = Scene::open_with(|terms| terms.revisions = 1);
    scene.round.opened_by = LEAVER;
    scene.round.log[0].by = Some(LEAVER);
    scene.write(1..=5);
    let (round, now) = (&mut scene.round, scene.now);
    round
        .submit_opinion(LEAVER, "I am leaving soon", 0, now)
        .unwrap();
    let notice = TimeDelta::minutes(30);
    round.close_early(LEAVER, notice, now).unwrap();
    let candidates = [0, 1, 2].map(|n| {
        let mut candidate = scene.candidate(STATEMENTS[n]);
        let members = (1..=5).map(Member).chain([LEAVER]);
        candidate.predictions = members.map(|member| (member, sure(4))).collect();
        candidate
    });
    scene.drafted(candidates.into());
    scene.open_rating();
    scene.rate(LEAVER.0, 0, 1);
    let (round, now) = (&mut scene.round, scene.now);
    round.criticise(LEAVER, "I was unhappy", now).unwrap();
    round.report(CandidateKey(1), LEAVER);
    scene
}

#[test]
fn nothing_of_an_erased_member_is_left() {
    let mut concluded = rating();
    concluded.round.terms.revisions = 0;
    concluded.close_rating();
    concluded
        .round
        .answer(LEAVER, Verdict::Adopted, None, concluded.now)
        .unwrap();
    let mut revised = rating();
    revised.close_rating();
    let mut revised_draft = revised.candidate(STATEMENTS[3]);
    revised_draft.predictions = [(Member(1), sure(4)), (LEAVER, sure(4))].into();
    revised.drafted(vec![revised_draft]);
    for mut scene in [rating(), concluded, revised] {
        assert!(holds(&scene.round, "7777777"));
        assert!(scene.round.erase(LEAVER, scene.now));
        assert_nothing_is_left(&scene.round);
        assert!(!scene.round.erase(LEAVER, scene.now));
    }
}

#[test]
fn the_result_stays_as_it_was_counted_and_is_shown_without_the_name() {
    let mut scene = rating();
    scene.round.critiques.clear();
    scene.close_rating();
    scene.round.settle();
    let result = scene.result().clone();
    scene.round.erase(LEAVER, scene.now);
    assert_eq!(*scene.result(), result);
    assert!(!scene.round.settled, "what is shown may name the member");
}

#[test]
fn who_was_never_there_leaves_everything_as_it_is() {
    let mut scene = rating();
    let before = scene.round.clone();
    assert!(!scene.round.erase(Member(4242), scene.now));
    assert_eq!(scene.round, before);
}

#[test]
fn rating_does_not_wait_for_an_erased_member() {
    let mut scene = rating();
    for member in 1..=5 {
        for column in 0..3 {
            scene.rate(member, column, 5);
        }
    }
    let deadline = scene.round.rating_closes().unwrap();
    scene.round.erase(LEAVER, scene.now);
    let closes = scene.round.rating_closes().unwrap();
    assert!(closes < deadline);
    assert_eq!(closes, scene.now + GRACE);
}

#[test]
fn drafts_and_predictions_under_way_do_not_bring_a_member_back() {
    let mut scene = Scene::drafting(5, |_| {});
    let (round, now) = (&mut scene.round, scene.now);
    round.join_late(LEAVER, "I am leaving soon", now).unwrap();
    let mut candidate = scene.candidate(STATEMENTS[0]);
    candidate.provenance.opinions_read.push(LEAVER);
    candidate.predictions = [(Member(1), sure(4)), (LEAVER, sure(4))].into();
    scene.round.erase(LEAVER, scene.now);
    scene.drafted(vec![candidate]);
    let key = scene.round.eligible()[0];
    scene.round.predicted(LEAVER, [(key, sure(4))]);
    assert_nothing_is_left(&scene.round);
}

#[test]
fn candidates_are_not_drafted_from_one_or_two_opinions() {
    let mut scene = Scene::drafting(5, |_| {});
    for member in 1..=2 {
        scene.round.erase(Member(member), scene.now);
    }
    assert_eq!(scene.round.due(scene.now), Some(Due::Draft));
    scene.round.erase(Member(3), scene.now);
    assert_eq!(scene.round.phase, Phase::TooFew { since: scene.now });
}

#[test]
fn who_joined_late_is_read_when_drafting_begins_anew() {
    let mut scene = Scene::drafting(3, |terms| terms.minimum = 3);
    let (round, now) = (&mut scene.round, scene.now);
    round.join_late(Member(6), &words_of(6), now).unwrap();
    round.erase(Member(1), now);
    let read = round.draft_input().unwrap().opinions;
    let members: Vec<u64> = read.iter().map(|(member, _)| member.0).collect();
    assert_eq!(members, [2, 3, 6]);
}

#[test]
fn a_round_whose_participants_are_all_erased_ends() {
    let mut scene = Scene::rating();
    for member in 1..=5 {
        scene.round.erase(Member(member), scene.now);
    }
    scene.close_rating();
    assert!(matches!(
        scene.round.phase,
        Phase::Cancelled {
            why: Cancellation::NoCandidateLeft,
            ..
        }
    ));
}

#[test]
fn drafts_that_were_not_posted_go_with_whom_they_read_and_with_the_texts() {
    let mut scene = Scene::drafting(5, |_| {});
    let drafts = STATEMENTS.map(|text| {
        let mut draft = scene.candidate(text);
        draft.predictions = (1..=5).map(|member| (Member(member), sure(4))).collect();
        draft
    });
    let mut drafts = Vec::from(drafts);
    drafts[7]
        .provenance
        .opinions_read
        .retain(|reader| *reader != Member(1));
    scene.drafted(drafts);
    let posted = scene.round.stages[0].posted.clone();
    assert_eq!(posted.len(), 5);
    let empty = |round: &Round| -> Vec<CandidateKey> {
        let keys = (0..8).map(CandidateKey);
        keys.filter(|key| round.candidate(*key).text.is_empty())
            .collect()
    };
    let others = (0..8).map(CandidateKey).filter(|key| !posted.contains(key));
    let others: Vec<CandidateKey> = others.collect();
    let read = others.iter().copied().filter(|key| key.0 != 7);
    let read: Vec<CandidateKey> = read.collect();
    assert_eq!(empty(&scene.round), []);
    scene.round.erase(Member(1), scene.now);
    assert_eq!(empty(&scene.round), read);
    scene.open_rating();
    scene.close_rating();
    scene.round.delete_texts(&BTreeSet::new());
    assert_eq!(empty(&scene.round), others);

    // Somebody had everything erased while it was drafted.
    let mut scene = Scene::drafting(5, |_| {});
    let drafts = STATEMENTS.map(|text| {
        let mut draft = scene.candidate(text);
        draft.predictions = (2..=5).map(|member| (Member(member), sure(4))).collect();
        draft
    });
    scene.round.erase(Member(1), scene.now);
    scene.drafted(drafts.into());
    assert_eq!(empty(&scene.round).len(), 3);
}
