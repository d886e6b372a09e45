//! Members write, change and withdraw opinions, in time or late.

use super::*;
use crate::deliberation::admission::Standing;
use crate::deliberation::id::Role;

#[test]
fn a_member_sees_how_many_have_written() {
    let mut scene = Scene::open();
    scene.write([1]);
    let receipt = scene
        .round
        .submit_opinion(Member(2), &words_of(2), 0, scene.now);
    let expected = Receipt {
        revision: 1,
        opinions: 2,
    };
    assert_eq!(receipt, Ok(expected));
}

#[test]
fn an_opinion_can_be_changed_until_the_close_and_counts_once() {
    let mut scene = Scene::open();
    scene.write([1]);
    let receipt = scene
        .round
        .submit_opinion(Member(1), "I have changed my mind", 1, scene.now)
        .unwrap();
    assert_eq!((receipt.revision, receipt.opinions), (2, 1));
    let opinion = &scene.round.opinions[&Member(1)];
    assert_eq!(opinion.text.as_deref(), Some("I have changed my mind"));
}

#[test]
fn a_form_that_arrives_twice_is_saved_once() {
    let mut scene = Scene::open();
    scene.write([1]);
    let before = scene.round.clone();
    let receipt = scene
        .round
        .submit_opinion(Member(1), &words_of(1), 0, scene.now)
        .unwrap();
    assert_eq!(receipt.revision, 1);
    assert_eq!(scene.round, before);
}

#[test]
fn a_form_that_was_opened_before_another_change_shows_that_change() {
    let mut scene = Scene::open();
    scene.write([1]);
    scene
        .round
        .submit_opinion(Member(1), "From my phone, later", 1, scene.now)
        .unwrap();
    let before = scene.round.clone();
    let refused = scene
        .round
        .submit_opinion(Member(1), "From my desk, earlier", 1, scene.now);
    assert_eq!(
        refused,
        Err(OpinionRefused::Changed {
            current: "From my phone, later".to_owned(),
            revision: 2,
        })
    );
    assert_eq!(scene.round, before);
}

#[test]
fn an_opinion_has_ten_to_four_thousand_characters() {
    let mut scene = Scene::open();
    for (text, accepted) in [
        ("123456789".to_owned(), false),
        ("  123456789  ".to_owned(), false),
        ("1234567890".to_owned(), true),
        ("ä".repeat(4000), true),
        ("ä".repeat(4001), false),
    ] {
        let receipt = scene
            .round
            .clone()
            .submit_opinion(Member(1), &text, 0, scene.now);
        assert_eq!(receipt.is_ok(), accepted, "{receipt:?}");
    }
    let refused = scene.round.submit_opinion(Member(1), "short", 0, scene.now);
    assert_eq!(refused, Err(OpinionRefused::Length { characters: 5 }));
}

#[test]
fn who_withdraws_is_no_participant_and_can_write_again() {
    let mut scene = Scene::open();
    scene.write([1, 2]);
    assert_eq!(scene.round.withdraw_opinion(Member(1), scene.now), Ok(true));
    assert_eq!(
        scene.round.withdraw_opinion(Member(1), scene.now),
        Ok(false)
    );
    assert_eq!(Vec::from_iter(scene.round.opinions.keys()), [&Member(2)]);
    scene.write([1]);
    assert_eq!(scene.round.opinions.len(), 2);
}

#[test]
fn after_the_close_an_opinion_stands_as_it_is() {
    let mut scene = Scene::drafting(5, |_| {});
    let before = scene.round.clone();
    let (round, now) = (&mut scene.round, scene.now);
    assert_eq!(
        round.submit_opinion(Member(1), "But now I think", 1, now),
        Err(OpinionRefused::Closed)
    );
    assert_eq!(
        round.join_late(Member(1), "But now I think", now),
        Err(OpinionRefused::Closed)
    );
    assert_eq!(
        round.withdraw_opinion(Member(1), now),
        Err(OpinionRefused::Closed)
    );
    assert_eq!(*round, before);
}

#[test]
fn who_is_late_is_told_and_can_join_until_rating_closes() {
    let mut drafting = Scene::drafting(5, |_| {});
    let refused = drafting
        .round
        .submit_opinion(Member(6), &words_of(6), 0, drafting.now);
    assert_eq!(refused, Err(OpinionRefused::CanJoinLate));
    assert_eq!(drafting.round.opinions.len(), 5);

    let mut posting = Scene::drafting(5, |_| {});
    posting.draft(&[[4; 3]; 5]);
    for mut scene in [drafting, posting, Scene::rating()] {
        let receipt = scene.round.join_late(Member(6), &words_of(6), scene.now);
        let expected = Receipt {
            revision: 1,
            opinions: 6,
        };
        assert_eq!(receipt, Ok(expected));
        assert!(scene.round.opinions[&Member(6)].late);
    }
}

#[test]
fn no_draft_reads_a_late_opinion() {
    let mut scene = Scene::drafting(5, |_| {});
    scene
        .round
        .join_late(Member(6), &words_of(6), scene.now)
        .unwrap();
    let read = scene.round.draft_input().unwrap().opinions;
    assert_eq!(read.len(), 5);
    assert!(read.iter().all(|(member, _)| *member != Member(6)));
}

#[test]
fn an_opinion_just_after_the_deadline_is_read_since_drafting_has_not_begun() {
    let mut scene = Scene::open();
    scene.write(1..=4);
    scene.pass_minutes(60);
    let refused = scene
        .round
        .submit_opinion(Member(5), &words_of(5), 0, scene.now);
    assert_eq!(refused, Err(OpinionRefused::CanJoinLate));
    scene
        .round
        .join_late(Member(5), &words_of(5), scene.now)
        .unwrap();
    scene.round.close_opinions(scene.now);
    assert_eq!(scene.round.draft_input().unwrap().opinions.len(), 5);
}

#[test]
fn joining_late_while_opinions_are_open_is_just_writing_one() {
    let mut scene = Scene::open();
    scene
        .round
        .join_late(Member(1), &words_of(1), scene.now)
        .unwrap();
    assert!(!scene.round.opinions[&Member(1)].late);
}

#[test]
fn nothing_can_be_written_when_the_round_is_over() {
    let mut concluded = Scene::rating();
    concluded.close_rating();
    let mut cancelled = Scene::open();
    cancelled.round.cancel(ORGANISER, cancelled.now).unwrap();
    for mut scene in [concluded, cancelled] {
        let before = scene.round.clone();
        let (round, now) = (&mut scene.round, scene.now);
        let text = &words_of(7);
        assert_eq!(
            round.submit_opinion(Member(7), text, 0, now),
            Err(OpinionRefused::Over)
        );
        assert_eq!(
            round.join_late(Member(7), text, now),
            Err(OpinionRefused::Over)
        );
        assert_eq!(
            round.withdraw_opinion(Member(1), now),
            Err(OpinionRefused::Over)
        );
        assert_eq!(*round, before);
    }
}

#[test]
fn enough_opinions_at_the_deadline_are_drafted_from() {
    let mut scene = Scene::open();
    scene.write(1..=5);
    scene.pass_minutes(59);
    assert_eq!(scene.round.due(scene.now), None);
    scene.pass_minutes(1);
    assert_eq!(scene.round.due(scene.now), Some(Due::CloseOpinions));
    scene.round.close_opinions(scene.now);
    assert_eq!(scene.round.due(scene.now), Some(Due::Draft));
}

#[test]
fn below_the_minimum_opinions_are_extended_once_by_half_and_then_the_organiser_chooses() {
    let mut scene = Scene::open();
    scene.write(1..=4);
    scene.pass_minutes(60);
    scene.round.close_opinions(scene.now);
    let closes = scene.now + TimeDelta::minutes(30);
    assert_eq!(
        scene.round.phase,
        Phase::Opinions {
            closes,
            extended: true
        }
    );
    let said = scene.round.log.last().unwrap();
    assert_eq!((said.by, &said.act), (None, &Act::Extended { closes }));

    scene.now = closes;
    scene.round.close_opinions(scene.now);
    assert_eq!(scene.round.phase, Phase::TooFew { since: closes });
    assert_eq!(scene.round.due(scene.now + TimeDelta::days(29)), None);
    assert_eq!(scene.round.opinions.len(), 4);
}

#[test]
fn at_least_three_opinions_are_needed_whatever_was_asked_for() {
    let mut scene = Scene::open_with(|terms| terms.minimum = 0);
    scene.write(1..=2);
    scene.pass_minutes(60);
    scene.round.close_opinions(scene.now);
    assert!(matches!(scene.round.phase, Phase::Opinions { .. }));
    assert_eq!(scene.round.terms.minimum, 3);
}

#[test]
fn when_too_few_wrote_one_more_opinion_can_be_enough() {
    let mut scene = too_few();
    assert_eq!(scene.round.withdraw_opinion(Member(4), scene.now), Ok(true));
    scene.write([4]);
    assert!(matches!(scene.round.phase, Phase::TooFew { .. }));
    scene.write([5]);
    assert_eq!(scene.round.due(scene.now), Some(Due::Draft));
    assert_eq!(scene.round.draft_input().unwrap().opinions.len(), 5);
}

#[test]
fn a_deadline_that_was_moved_meanwhile_does_not_close() {
    let mut scene = Scene::open();
    scene.write(1..=5);
    scene.pass_minutes(60);
    let by = TimeDelta::minutes(10);
    scene.round.extend(ORGANISER, by, scene.now).unwrap();
    scene.round.close_opinions(scene.now);
    assert!(matches!(scene.round.phase, Phase::Opinions { .. }));
}

/// Four of five, twice at the deadline.
pub fn too_few() -> Scene {
    let mut scene = Scene::open();
    scene.write(1..=4);
    for minutes in [60, 30] {
        scene.pass_minutes(minutes);
        scene.round.close_opinions(scene.now);
    }
    assert!(matches!(scene.round.phase, Phase::TooFew { .. }));
    scene
}

#[test]
fn whoever_is_not_admitted_cannot_begin_and_whoever_takes_part_goes_on() {
    let mut scene = Scene::open_with(|terms| terms.admission = Admission::HasRole(Role(5)));
    let standing = |roles: &[u64]| Standing {
        joined_at: None,
        roles: roles.iter().copied().map(Role).collect(),
    };
    let (with, without) = (standing(&[5]), standing(&[6]));
    assert_eq!(scene.round.admit(Member(1), &with), Ok(()));
    assert_eq!(
        scene.round.admit(Member(1), &without),
        Err(OpinionRefused::NotAdmitted)
    );
    scene.write(1..=1);
    assert_eq!(scene.round.admit(Member(1), &without), Ok(()));
}

#[test]
fn an_opinion_is_changed_at_most_so_often_and_the_last_one_stands() {
    let mut scene = Scene::open();
    for revision in 0..MOST_REVISIONS {
        let text = format!("This is what I think for the time number {revision}");
        let receipt = scene
            .round
            .submit_opinion(Member(1), &text, revision, scene.now);
        assert_eq!(receipt.unwrap().revision, revision + 1);
    }
    let before = scene.round.clone();
    let text = "And this is what I think now";
    let refused = scene
        .round
        .submit_opinion(Member(1), text, MOST_REVISIONS, scene.now);
    assert_eq!(refused, Err(OpinionRefused::TooManyRevisions));
    assert_eq!(scene.round, before);
}
