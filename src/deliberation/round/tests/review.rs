//! Organisers look at candidates, before these are posted and afterwards.

use super::*;
use crate::deliberation::about::about_member;

const OTHER: Member = Member(901);

/// Ten have written; there are three candidates, which read the opinions of members 1 to 3, 4 to 6 and
/// 7 to 9, and of which the first is the best.
fn drafted(change: impl FnOnce(&mut Terms)) -> Scene {
    let mut scene = Scene::drafting(10, change);
    draft_from(&mut scene, [0, 1, 2], [1..=3, 4..=6, 7..=9]);
    scene
}

/// As [`drafted`], and under review.
fn under_review() -> Scene {
    drafted(|terms| terms.review = true)
}

/// As [`drafted`], and being rated.
fn being_rated(change: impl FnOnce(&mut Terms)) -> Scene {
    let mut scene = drafted(change);
    scene.open_rating();
    scene
}

/// Drafts of such statements are done, each of which read some opinions; the first is the best.
fn draft_from(scene: &mut Scene, statements: [usize; 3], read: [std::ops::RangeInclusive<u64>; 3]) {
    let candidates = (0..).zip(statements.into_iter().zip(read));
    let candidates = candidates.map(|(place, (statement, read))| {
        let mut candidate = scene.candidate(STATEMENTS[statement]);
        candidate.provenance.opinions_read = read.map(Member).collect();
        let members = scene.round.opinions.keys();
        candidate.predictions = members.map(|&member| (member, sure(6 - place))).collect();
        candidate
    });
    let candidates = candidates.collect();
    scene.drafted(candidates);
}

fn readers(scene: &Scene) -> Vec<u64> {
    let input = scene.round.draft_input().unwrap();
    input.opinions.iter().map(|(member, _)| member.0).collect()
}

fn acts(scene: &Scene) -> Vec<&Act> {
    scene.round.log.iter().map(|entry| &entry.act).collect()
}

const A: CandidateKey = CandidateKey(0);
const B: CandidateKey = CandidateKey(1);
const C: CandidateKey = CandidateKey(2);

#[test]
fn nothing_is_posted_before_an_organiser_says_so() {
    let mut scene = under_review();
    assert_eq!(scene.round.board(), [Item::Card, Item::Review { stage: 0 }]);
    let deadline = scene.now + LONGEST_PHASE;
    assert_eq!(scene.round.next_deadline(), Some(deadline));
    scene.show_all();
    scene.pass_minutes(60 * 24 * 20);
    assert_eq!(scene.round.due(scene.now), None);
    let (round, now) = (&mut scene.round, scene.now);
    let under_review = Err(OrganiserRefused::UnderReview);
    let hour = TimeDelta::hours(1);
    assert_eq!(round.extend(ORGANISER, hour, now).map(drop), under_review);
    assert_eq!(round.close_early(ORGANISER, hour, now), under_review);
    let rated = round.rate(A, Member(1), Some(likert(7)), None, now);
    assert_eq!(rated, Err(RatingRefused::Closed));
    let late = round.submit_opinion(Member(60), &words_of(60), 0, now);
    assert_eq!(late, Err(OpinionRefused::CanJoinLate));

    round.post_reviewed(0, ORGANISER, now).unwrap();
    scene.open_rating();
    assert_eq!(scene.round.eligible().len(), 3);
    assert!(scene.round.board().contains(&Item::Review { stage: 0 }));
    assert_eq!(acts(&scene).last(), Some(&&Act::Reviewed));
}

#[test]
fn what_is_withheld_is_never_posted_and_cannot_win() {
    let mut scene = under_review();
    let (round, now) = (&mut scene.round, scene.now);
    round.withhold(A, OTHER, now).unwrap();
    round.withhold(A, OTHER, now).unwrap();
    round.withhold(B, ORGANISER, now).unwrap();
    assert!(round.is_withheld(B));
    round.keep(B, OTHER, now).unwrap();
    assert!(!round.is_withheld(B));
    round.post_reviewed(0, ORGANISER, now).unwrap();
    assert!(!round.was_posted(A) && round.was_posted(B));
    assert!(round.candidate(A).withdrawn_at.is_some());
    assert_eq!(
        acts(&scene),
        [&Act::Opened, &Act::Withheld(A), &Act::Reviewed]
    );
    assert_eq!(scene.round.log[1].by, Some(OTHER));
    scene.open_rating();
    let a = Item::Candidate {
        stage: 0,
        candidate: A,
    };
    assert_eq!(scene.round.shown(a), None);
    let rated = scene
        .round
        .rate(A, Member(1), Some(likert(7)), None, scene.now);
    assert_eq!(rated, Err(RatingRefused::NoSuchCandidate));
    scene.close_rating();
    assert_eq!(scene.result().winner(), B);
    assert_eq!(scene.result().candidates.len(), 2);
}

#[test]
fn if_everything_is_withheld_it_is_drafted_anew_or_the_round_ends() {
    let mut scene = under_review();
    let (round, now) = (&mut scene.round, scene.now);
    for key in [A, B, C] {
        round.withhold(key, ORGANISER, now).unwrap();
    }
    let nothing = Err(ReviewRefused::NothingToPost);
    assert_eq!(round.post_reviewed(0, ORGANISER, now), nothing);
    let mut ended = scene.round.clone();
    ended.cancel(ORGANISER, now).unwrap();
    assert!(![A, B, C].iter().any(|key| ended.was_posted(*key)));

    scene.show_all();
    scene.round.redraft(0, ORGANISER, now).unwrap();
    assert_eq!(readers(&scene).len(), 10);
    assert_eq!(scene.round.draft_input().unwrap().revision, None);
    assert_eq!(scene.round.due(now), Some(Due::Draft));
    // What the models write once more is not posted either.
    draft_from(&mut scene, [2, 3, 4], [1..=3, 4..=6, 7..=9]);
    let texts = scene.round.under_review().iter();
    let texts: Vec<&str> = texts
        .map(|key| scene.round.candidate(*key).text.as_str())
        .collect();
    assert_eq!(texts.len(), 2);
    assert!(!texts.contains(&STATEMENTS[2]));
    assert_eq!(
        scene.round.board(),
        [
            Item::Card,
            Item::Review { stage: 0 },
            Item::Review { stage: 1 }
        ]
    );
    scene.round.post_reviewed(1, ORGANISER, now).unwrap();
    scene.open_rating();
    scene.close_rating();
    assert!(scene.round.was_posted(scene.result().winner()));
}

#[test]
fn drafts_that_say_only_what_was_withheld_are_drafted_again() {
    let mut scene = under_review();
    for key in [A, B, C] {
        scene.round.withhold(key, ORGANISER, scene.now).unwrap();
    }
    scene.round.redraft(0, ORGANISER, scene.now).unwrap();
    draft_from(&mut scene, [0, 1, 2], [1..=3, 4..=6, 7..=9]);
    assert!(matches!(
        scene.round.phase,
        Phase::Drafting { failures: 1, .. }
    ));
}

#[test]
fn a_decision_about_candidates_that_somebody_has_replaced_does_nothing() {
    let mut scene = under_review();
    scene.round.redraft(0, ORGANISER, scene.now).unwrap();
    draft_from(&mut scene, [3, 4, 5], [1..=3, 4..=6, 7..=9]);
    let before = scene.round.clone();
    let (round, now) = (&mut scene.round, scene.now);
    let not_now = Err(ReviewRefused::NotNow);
    assert_eq!(round.post_reviewed(0, OTHER, now), not_now);
    assert_eq!(round.redraft(0, OTHER, now), not_now);
    let no_such = Err(ReviewRefused::NoSuchCandidate);
    assert_eq!(round.withhold(A, OTHER, now), no_such);
    assert_eq!(round.redraft_without(A, OTHER, now).map(drop), no_such);
    assert_eq!(round.withdraw_candidate(A, OTHER, now), not_now);
    assert_eq!(*round, before);
}

#[test]
fn nothing_is_decided_where_there_is_nothing_to_decide() {
    let mut rated = being_rated(|_| {});
    let mut concluded = being_rated(|_| {});
    concluded.close_rating();
    let not_now = Err(ReviewRefused::NotNow);
    let (round, now) = (&mut rated.round, rated.now);
    assert_eq!(round.withhold(A, OTHER, now), not_now);
    assert_eq!(round.post_reviewed(0, OTHER, now), not_now);
    assert_eq!(round.redraft(0, OTHER, now), not_now);
    for scene in [Scene::open(), Scene::drafting(5, |_| {}), concluded] {
        let (mut round, now) = (scene.round, scene.now);
        let before = round.clone();
        assert_eq!(round.withhold(A, OTHER, now), not_now);
        assert_eq!(round.keep(A, OTHER, now), not_now);
        assert_eq!(round.withdraw_candidate(A, OTHER, now), not_now);
        assert_eq!(round.redraft_without(A, OTHER, now).map(drop), not_now);
        assert!(round.under_review().is_empty());
        assert_eq!(round, before);
    }
}

#[test]
fn without_its_sources_drafts_read_the_other_opinions_whose_authors_all_take_part() {
    let mut scene = under_review();
    scene.show_all();
    let without = Without {
        left_out: 3,
        left: 7,
    };
    assert_eq!(scene.round.without_sources(A), Ok(without));
    let now = scene.now;
    let redrafted = scene.round.redraft_without(A, ORGANISER, now);
    assert_eq!(redrafted, Ok(without));
    assert_eq!(readers(&scene), [4, 5, 6, 7, 8, 9, 10]);
    let act = Act::RedraftedWithout {
        candidate: A,
        opinions: 3,
    };
    assert_eq!(acts(&scene), [&Act::Opened, &act]);
    assert!(![A, B, C].iter().any(|key| scene.round.was_posted(*key)));

    // They are left out for good.
    draft_from(&mut scene, [3, 4, 5], [4..=5, 6..=7, 8..=9]);
    let key = scene.round.under_review()[0];
    scene.round.redraft_without(key, ORGANISER, now).unwrap();
    assert_eq!(readers(&scene).len(), 5);
    draft_from(&mut scene, [6, 7, 0], [4..=5, 6..=7, 8..=9]);
    // The withheld one is written once more.
    assert_eq!(scene.round.under_review().len(), 2);
    scene.round.post_reviewed(2, ORGANISER, now).unwrap();
    scene.open_rating();
    for member in 1..=10 {
        for key in scene.round.eligible() {
            scene.rate(member, key.0, 6);
        }
    }
    scene.close_rating();
    assert_eq!(scene.result().participants, 10);
    assert_eq!(scene.result().conclusion.spread.agree, 10);
}

#[test]
fn too_few_opinions_left_to_read_is_a_refusal() {
    let mut scene = Scene::drafting(5, |terms| terms.review = true);
    draft_from(&mut scene, [0, 1, 2], [1..=5, 1..=3, 4..=5]);
    let before = scene.round.clone();
    let (round, now) = (&mut scene.round, scene.now);
    for (key, left) in [(A, 0), (B, 2)] {
        let refused = Err(ReviewRefused::TooFewLeft { left });
        assert_eq!(round.without_sources(key), refused);
        assert_eq!(round.redraft_without(key, ORGANISER, now), refused);
    }
    assert_eq!(*round, before);
    assert_eq!(round.without_sources(C).unwrap().left, 3);
}

#[test]
fn members_who_are_erased_during_the_review_leave_too_few_to_draft_from() {
    let mut scene = Scene::drafting(5, |terms| terms.review = true);
    draft_from(&mut scene, [0, 1, 2], [1..=2, 3..=4, 5..=5]);
    for member in 1..=3 {
        scene.round.erase(Member(member), scene.now);
    }
    let refused = Err(ReviewRefused::TooFewLeft { left: 2 });
    assert_eq!(scene.round.redraft(0, ORGANISER, scene.now), refused);
    scene.round.post_reviewed(0, ORGANISER, scene.now).unwrap();
}

#[test]
fn a_redraft_from_too_few_opinions_ends_the_round() {
    let mut scene = Scene::drafting(5, |terms| terms.review = true);
    draft_from(&mut scene, [0, 1, 2], [1..=2, 3..=4, 5..=5]);
    let (round, now) = (&mut scene.round, scene.now);
    round.redraft_without(A, ORGANISER, now).unwrap();
    round.erase(Member(2), now);
    assert_eq!(round.due(now), Some(Due::Draft));
    round.erase(Member(4), now);
    let why = Cancellation::TooFew;
    assert_eq!(round.phase, Phase::Cancelled { at: now, why });
}

#[test]
fn nothing_is_revised_from_two_opinions() {
    let mut scene = to_be_revised_from_three();
    scene.round.erase(Member(5), scene.now);
    scene.close_rating();
    assert!(scene.round.result().is_some());
    let mut scene = to_be_revised_from_three();
    scene.close_rating();
    assert!(scene.round.draft_input().unwrap().revision.is_some());
    scene.round.erase(Member(5), scene.now);
    assert!(!scene.round.is_open());
}

/// Three opinions are left to read, and one of their authors says what to change.
fn to_be_revised_from_three() -> Scene {
    let mut scene = Scene::drafting(5, |terms| terms.revisions = 1);
    draft_from(&mut scene, [0, 1, 2], [1..=2, 1..=3, 4..=5]);
    scene.open_rating();
    let now = scene.now;
    scene.round.redraft_without(A, ORGANISER, now).unwrap();
    draft_from(&mut scene, [3, 4, 5], [3..=3, 4..=4, 5..=5]);
    scene.open_rating();
    scene.rate(3, 4, 1);
    let asked = scene.round.criticise(Member(3), "More buses", now);
    asked.unwrap();
    scene
}

#[test]
fn candidates_are_drafted_anew_only_so_often() {
    let mut scene = under_review();
    for stage in 0..MOST_REDRAFTS as u8 {
        scene.round.redraft(stage, ORGANISER, scene.now).unwrap();
        draft_from(&mut scene, [0, 1, 2], [1..=3, 4..=6, 7..=9]);
    }
    let stage = MOST_REDRAFTS as u8;
    let (round, now) = (&mut scene.round, scene.now);
    let refused = Err(ReviewRefused::TooManyRedrafts);
    assert_eq!(round.redraft(stage, ORGANISER, now), refused);
    let key = round.under_review()[0];
    let without = round.redraft_without(key, ORGANISER, now);
    assert_eq!(without.map(drop), refused);
    round.post_reviewed(stage, ORGANISER, now).unwrap();
}

#[test]
fn a_report_is_looked_at_once_and_a_new_one_asks_again() {
    let mut scene = being_rated(|_| {});
    let (round, now) = (&mut scene.round, scene.now);
    assert!(round.reported().is_empty());
    round.keep(B, ORGANISER, now).unwrap();
    assert_eq!(round.log.len(), 1, "nobody had reported it");
    round.report(B, Member(3));
    assert_eq!(round.reported(), [B]);
    round.keep(B, ORGANISER, now).unwrap();
    round.report(B, Member(3));
    assert!(round.reported().is_empty());
    assert_eq!(round.log.last().unwrap().act, Act::Kept(B));
    round.report(B, Member(4));
    assert_eq!(round.reported(), [B]);
    round.withdraw_candidate(B, ORGANISER, now).unwrap();
    assert!(round.reported().is_empty());
    let gone = Err(ReviewRefused::NoSuchCandidate);
    assert_eq!(round.keep(B, ORGANISER, now), gone);
    assert_eq!(round.withdraw_candidate(B, ORGANISER, now), gone);
}

#[test]
fn what_is_withdrawn_stays_where_it_stood_and_cannot_win() {
    let mut scene = being_rated(|_| {});
    for member in 1..=10 {
        scene.rate(member, 1, 5);
        scene.rate(member, 2, 4);
    }
    let message = scene.message_of(A);
    let (round, now) = (&mut scene.round, scene.now);
    round.withdraw_candidate(A, ORGANISER, now).unwrap();
    // Everybody has rated all others.
    assert_eq!(round.rating_closes(), Some(now + GRACE));
    let a = Item::Candidate {
        stage: 0,
        candidate: A,
    };
    assert!(round.board().contains(&a));
    let log = round.log.len();
    round.message_deleted(message, now);
    assert_eq!(round.log.len(), log, "it was withdrawn before");
    // It may have been posted before Accord knew.
    assert!(round.can_stand_there(a) && !round.board().contains(&a));
    scene.close_rating();
    assert_eq!(scene.result().winner(), B);
}

#[test]
fn without_the_last_candidate_the_round_ends() {
    let mut scene = being_rated(|_| {});
    let (round, now) = (&mut scene.round, scene.now);
    for key in [A, B, C] {
        assert!(round.is_open());
        round.withdraw_candidate(key, ORGANISER, now).unwrap();
    }
    let why = Cancellation::NoCandidateLeft;
    assert_eq!(round.phase, Phase::Cancelled { at: now, why });
}

#[test]
fn what_stood_there_before_competes_with_what_is_drafted_anew_if_it_read_none_of_it() {
    let mut scene = being_rated(|_| {});
    scene.rate(1, 1, 7);
    let before = scene.round.ratings.clone();
    scene
        .round
        .redraft_without(A, ORGANISER, scene.now)
        .unwrap();
    assert_eq!(scene.round.draft_input().unwrap().revision, None);
    // Its message does not matter any more.
    let message = scene.message_of(C);
    scene.round.message_deleted(message, scene.now);
    assert_eq!(scene.round.due(scene.now), Some(Due::Draft));
    draft_from(&mut scene, [3, 4, 5], [4..=5, 6..=7, 8..=9]);
    assert_eq!(scene.round.ratings, before);
    let mut posted = scene.round.eligible();
    posted.sort_unstable();
    assert_eq!(posted, [1, 3, 4, 5].map(CandidateKey));
    scene.open_rating();
    scene.close_rating();
    assert!(scene.result().candidates.contains(&B));

    // All that stood there had read the same.
    let mut scene = Scene::drafting(10, |_| {});
    draft_from(&mut scene, [0, 1, 2], [1..=3, 3..=6, 2..=9]);
    scene.open_rating();
    scene
        .round
        .redraft_without(A, ORGANISER, scene.now)
        .unwrap();
    draft_from(&mut scene, [3, 4, 5], [4..=5, 6..=7, 8..=9]);
    assert_eq!(scene.round.eligible().len(), 3);
}

/// Member 7 says what to change, and so does member 1; the revision is being rated. The first of its
/// candidates read the opinions of 4 to 6 and both critiques.
fn revised() -> Scene {
    let mut scene = being_rated(|terms| terms.revisions = 1);
    for member in [1, 7] {
        scene.rate(member, 2, 1);
        let (critic, text) = (Member(member), format!("Name the streets, says {member}"));
        scene.round.criticise(critic, &text, scene.now).unwrap();
    }
    scene.close_rating();
    draft_from(&mut scene, [3, 4, 5], [4..=6, 4..=6, 8..=9]);
    scene.open_rating();
    scene
}

#[test]
fn a_revision_is_drafted_anew_without_the_critiques_that_it_read() {
    let mut scene = revised();
    let key = CandidateKey(3);
    let mut one_critic = scene.round.clone();
    let read = &mut one_critic.candidates[3].provenance.critiques_read;
    read.retain(|critic| *critic == Member(7));
    one_critic
        .redraft_without(key, ORGANISER, scene.now)
        .unwrap();
    let input = one_critic.draft_input().unwrap();
    let members = input.opinions.iter().map(|(member, _)| member.0);
    assert_eq!(Vec::from_iter(members), [1, 2, 3, 8, 9, 10]);
    let revision = input.revision.unwrap();
    // It had read nothing of that.
    assert_eq!(revision.statement, STATEMENTS[0]);
    assert_eq!(revision.critiques.len(), 1);
    assert_eq!(revision.critiques[0].0, Member(1));

    // Nothing is left to be changed: then it is drafted from the opinions alone.
    let now = scene.now;
    scene.round.redraft_without(key, ORGANISER, now).unwrap();
    let input = scene.round.draft_input().unwrap();
    assert_eq!(input.revision, None);
    assert_eq!(input.opinions.len(), 5);
}

#[test]
fn what_is_set_aside_is_no_revision_and_who_is_left_out_is_asked_for_no_critique() {
    let mut scene = being_rated(|terms| terms.revisions = 1);
    scene
        .round
        .redraft_without(A, ORGANISER, scene.now)
        .unwrap();
    draft_from(&mut scene, [3, 4, 5], [4..=5, 6..=7, 8..=9]);
    scene.open_rating();
    assert!(scene.round.is_to_be_revised());
    scene.rate(1, 3, 1);
    let asked = scene.round.criticise(Member(1), "More buses", scene.now);
    assert_eq!(asked, Err(CritiqueRefused::NotAsked));
    scene.rate(4, 3, 1);
    scene
        .round
        .criticise(Member(4), "More buses", scene.now)
        .unwrap();
    scene.close_rating();
    let revision = scene.round.draft_input().unwrap().revision.unwrap();
    assert_eq!(revision.critiques.len(), 1);
}

#[test]
fn a_winner_that_is_withheld_from_the_second_rating_is_not_revised_again() {
    let mut scene = being_rated(|terms| {
        terms.revisions = 1;
        terms.review = false;
    });
    scene.rate(7, 0, 1);
    scene
        .round
        .criticise(Member(7), "Name the streets", scene.now)
        .unwrap();
    scene.close_rating();
    scene.round.terms.review = true;
    let revised = scene.round.draft_input().unwrap().revision.unwrap();
    let winner = scene.round.candidates.iter();
    let winner = winner
        .clone()
        .position(|made| made.text == revised.statement);
    let winner = CandidateKey(winner.unwrap() as u16);
    draft_from(&mut scene, [3, 4, 5], [4..=6, 4..=6, 8..=9]);
    assert!(scene.round.under_review().contains(&winner));
    scene.round.withhold(winner, ORGANISER, scene.now).unwrap();
    scene.round.redraft(1, ORGANISER, scene.now).unwrap();
    let revision = scene.round.draft_input().unwrap().revision.unwrap();
    assert_ne!(revision.statement, revised.statement);
    assert!(scene.round.was_posted(winner));
}

#[test]
fn an_experiment_keeps_one_candidate_of_each_arm() {
    let mut scene = being_rated(|_| {});
    scene.round.terms.experiment = true;
    scene
        .round
        .redraft_without(A, ORGANISER, scene.now)
        .unwrap();
    draft_from(&mut scene, [3, 4, 5], [4..=5, 6..=7, 8..=9]);
    assert_eq!(scene.round.eligible().len(), 3);
}

#[test]
fn members_are_not_given_what_is_under_review_or_was_withheld() {
    let mut scene = under_review();
    let told = |scene: &Scene| about_member(&scene.round, Member(1)).unwrap().to_string();
    assert!(!told(&scene).contains(STATEMENTS[0]));
    scene.round.withhold(A, ORGANISER, scene.now).unwrap();
    scene.round.post_reviewed(0, ORGANISER, scene.now).unwrap();
    assert!(!told(&scene).contains(STATEMENTS[0]));
    assert!(told(&scene).contains(STATEMENTS[1]));
    scene.round.cancel(ORGANISER, scene.now).unwrap();
    assert!(!told(&scene).contains(STATEMENTS[0]));
}

#[test]
fn nothing_is_left_of_an_organiser_who_is_erased() {
    let mut scene = under_review();
    let leaver = Member(7_777_777);
    scene.round.withhold(A, leaver, scene.now).unwrap();
    scene.round.post_reviewed(0, leaver, scene.now).unwrap();
    scene.open_rating();
    scene.round.report(B, Member(1));
    scene.round.keep(B, leaver, scene.now).unwrap();
    scene.round.redraft_without(C, leaver, scene.now).unwrap();
    let acts = about_member(&scene.round, leaver).unwrap()["acts"].clone();
    assert_eq!(acts.as_array().unwrap().len(), 4);
    scene.round.erase(leaver, scene.now);
    assert!(!format!("{:?}", scene.round).contains("7777777"));
}
