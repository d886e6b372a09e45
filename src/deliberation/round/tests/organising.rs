//! Organisers extend, close, cancel and answer.

use super::opinions::too_few;
use super::*;

const NOTICE: TimeDelta = TimeDelta::minutes(30);

#[test]
fn an_extension_moves_the_deadline_and_is_logged() {
    for mut scene in [Scene::open(), Scene::rating()] {
        let closes = scene.round.next_deadline().unwrap() + TimeDelta::hours(2);
        let extended = scene
            .round
            .extend(ORGANISER, TimeDelta::hours(2), scene.now);
        assert_eq!(extended, Ok(Extended { closes }));
        assert_eq!(scene.round.next_deadline(), Some(closes));
        let said = scene.round.log.last().unwrap();
        assert_eq!(
            (said.by, &said.act),
            (Some(ORGANISER), &Act::Extended { closes })
        );
    }
}

#[test]
fn an_extension_after_the_deadline_counts_from_now() {
    let mut scene = Scene::open();
    scene.pass_minutes(90);
    let hour = TimeDelta::hours(1);
    let closes = scene.now + hour;
    let extended = scene.round.extend(ORGANISER, hour, scene.now);
    assert_eq!(extended, Ok(Extended { closes }));
}

#[test]
fn no_phase_lasts_longer_than_thirty_days_or_is_extended_backwards() {
    let mut scene = Scene::open();
    let before = scene.round.clone();
    for by in [LONGEST_PHASE, TimeDelta::MAX] {
        let extended = scene.round.extend(ORGANISER, by, scene.now);
        assert_eq!(extended, Err(OrganiserRefused::TooLong));
    }
    let closes = scene.round.next_deadline().unwrap();
    for by in [TimeDelta::zero(), TimeDelta::MIN] {
        let extended = scene.round.extend(ORGANISER, by, scene.now);
        assert_eq!(extended, Err(OrganiserRefused::ClosesAlready { closes }));
    }
    assert_eq!(scene.round, before);
}

#[test]
fn too_few_opinions_are_extended_again_and_come_back_to_the_organiser() {
    let mut scene = too_few();
    let hour = TimeDelta::hours(1);
    scene.round.extend(ORGANISER, hour, scene.now).unwrap();
    assert_eq!(scene.round.next_deadline(), Some(scene.now + hour));
    scene.now += hour;
    scene.round.close_opinions(scene.now);
    assert!(matches!(scene.round.phase, Phase::TooFew { .. }));
}

#[test]
fn too_few_opinions_are_ended_and_still_there_for_their_authors() {
    let mut scene = too_few();
    scene
        .round
        .close_early(ORGANISER, NOTICE, scene.now)
        .unwrap();
    assert_eq!(
        scene.round.phase,
        Phase::Cancelled {
            at: scene.now,
            why: Cancellation::TooFew
        }
    );
    let text = &scene.round.opinions[&Member(1)].text;
    assert_eq!(text.as_deref(), Some(words_of(1).as_str()));
}

#[test]
fn opinions_close_early_when_there_are_enough() {
    let mut scene = Scene::open();
    scene.write(1..=4);
    let before = scene.round.clone();
    assert_eq!(
        scene.round.close_early(ORGANISER, NOTICE, scene.now),
        Err(OrganiserRefused::BelowMinimum {
            opinions: 4,
            minimum: 5
        })
    );
    assert_eq!(scene.round, before);
    scene.write([5]);
    scene
        .round
        .close_early(ORGANISER, NOTICE, scene.now)
        .unwrap();
    assert_eq!(scene.round.due(scene.now), Some(Due::Draft));
    assert_eq!(scene.round.log.last().unwrap().act, Act::ClosedEarly);
}

#[test]
fn rating_closes_early_half_an_hour_after_that_was_announced() {
    let mut scene = Scene::rating();
    scene
        .round
        .close_early(ORGANISER, NOTICE, scene.now)
        .unwrap();
    assert!(
        scene
            .round
            .board()
            .contains(&Item::ClosingEarly { stage: 0 })
    );
    scene.pass_minutes(29);
    assert_eq!(scene.round.due(scene.now), None);
    scene.pass_minutes(1);
    assert_eq!(scene.round.due(scene.now), Some(Due::CloseRating));
}

#[test]
fn rating_that_closes_soon_anyway_is_not_closed_later() {
    let mut scene = Scene::rating();
    scene.pass_minutes(80);
    let before = scene.round.clone();
    let closes = scene.round.rating_closes().unwrap();
    assert_eq!(
        scene.round.close_early(ORGANISER, NOTICE, scene.now),
        Err(OrganiserRefused::ClosesAlready { closes })
    );
    assert_eq!(scene.round, before);
}

#[test]
fn an_extension_takes_an_early_close_back_and_its_announcement_says_so() {
    let mut scene = Scene::rating();
    scene
        .round
        .close_early(ORGANISER, NOTICE, scene.now)
        .unwrap();
    scene.show_all();
    scene
        .round
        .extend(ORGANISER, TimeDelta::hours(1), scene.now)
        .unwrap();
    assert_eq!(scene.round.stages[0].early_close_at, None);
    // Still on the board: it is edited.
    assert!(
        scene
            .round
            .board()
            .contains(&Item::ClosingEarly { stage: 0 })
    );
}

#[test]
fn an_extension_holds_when_everybody_has_rated() {
    let mut scene = Scene::rating();
    for (member, column) in (1..=5).flat_map(|member| [(member, 0), (member, 1), (member, 2)]) {
        scene.rate(member, column, 5);
    }
    let Extended { closes } = scene
        .round
        .extend(ORGANISER, TimeDelta::hours(1), scene.now)
        .unwrap();
    assert_eq!(scene.round.rating_closes(), Some(closes));
    // Whoever joins and rates is waited for no longer.
    scene.rate(1, 0, 6);
    assert_eq!(scene.round.rating_closes(), Some(scene.now + GRACE));
}

#[test]
fn nothing_is_extended_or_closed_while_candidates_are_drafted_and_posted() {
    let drafting = Scene::drafting(5, |_| {});
    let mut posting = Scene::drafting(5, |_| {});
    posting.draft(&[[4; 3]; 5]);
    for mut scene in [drafting, posting] {
        let before = scene.round.clone();
        let (round, now) = (&mut scene.round, scene.now);
        let refused = Err(OrganiserRefused::BusyDrafting);
        assert_eq!(round.close_early(ORGANISER, NOTICE, now), refused);
        let extended = round.extend(ORGANISER, TimeDelta::hours(1), now);
        assert_eq!(extended, Err(OrganiserRefused::BusyDrafting));
        assert_eq!(*round, before);
    }
}

#[test]
fn a_round_can_be_cancelled_in_every_phase_and_once() {
    let mut posting = Scene::drafting(5, |_| {});
    posting.draft(&[[4; 3]; 5]);
    let open = [
        Scene::open(),
        too_few(),
        Scene::drafting(5, |_| {}),
        posting,
        Scene::rating(),
    ];
    for mut scene in open {
        scene.round.cancel(ORGANISER, scene.now).unwrap();
        let said = scene.round.log.last().unwrap();
        assert_eq!((said.by, &said.act), (Some(ORGANISER), &Act::Cancelled));
        assert_eq!(scene.round.ended_at(), Some(scene.now));
        assert_eq!(scene.round.due(scene.now + TimeDelta::days(99)), None);
        assert_eq!(scene.round.next_deadline(), None);

        let before = scene.round.clone();
        scene.pass_minutes(1);
        let (round, now) = (&mut scene.round, scene.now);
        let refused = Err(OrganiserRefused::Over);
        assert_eq!(round.cancel(ORGANISER, now), refused);
        assert_eq!(round.close_early(ORGANISER, NOTICE, now), refused);
        assert!(round.extend(ORGANISER, TimeDelta::hours(1), now).is_err());
        assert_eq!(*round, before);
    }
}

#[test]
fn drafts_that_arrive_after_the_cancellation_are_ignored() {
    let mut scene = Scene::drafting(5, |_| {});
    let candidate = scene.candidate(STATEMENTS[0]);
    scene.round.cancel(ORGANISER, scene.now).unwrap();
    let before = scene.round.clone();
    scene.drafted(vec![candidate]);
    scene.round.drafting_failed(false, scene.now);
    assert_eq!(scene.round, before);
}

#[test]
fn organisers_answer_a_result_and_may_answer_again() {
    let mut scene = Scene::rating();
    let refused = scene
        .round
        .answer(ORGANISER, Verdict::Adopted, None, scene.now);
    assert_eq!(refused, Err(OrganiserRefused::NoResult));
    scene.close_rating();
    scene.round.settle();
    assert!(scene.round.settled);
    for verdict in [Verdict::Rejected, Verdict::Partly] {
        let reasons = Some("No money before May".to_owned());
        scene
            .round
            .answer(ORGANISER, verdict, reasons, scene.now)
            .unwrap();
        assert_eq!(scene.round.answer.as_ref().unwrap().verdict, verdict);
        assert!(!scene.round.settled, "the answer is to be shown");
        assert_eq!(scene.round.log.last().unwrap().act, Act::Answered);
    }
}

#[test]
fn a_guild_has_so_many_rounds_at_once_and_opens_so_many_a_day() {
    let limits = RoundLimits { open: 2, a_day: 3 };
    let mut rounds = vec![Scene::open().round, Scene::open().round];
    let now = Scene::open().now;
    assert_eq!(may_open(&rounds[..1], limits, now), Ok(()));
    assert_eq!(may_open(&rounds, limits, now), Err(TooManyRounds::Open(2)));
    rounds[0].cancel(ORGANISER, now).unwrap();
    assert_eq!(may_open(&rounds, limits, now), Ok(()));
    rounds.push(rounds[0].clone());
    assert_eq!(
        may_open(&rounds, limits, now),
        Err(TooManyRounds::InADay(3))
    );
    let tomorrow = now + TimeDelta::days(1);
    assert_eq!(may_open(&rounds, limits, tomorrow), Ok(()));
}

#[test]
fn a_round_that_does_not_go_on_is_over_some_day() {
    let mut too_few = Scene::open();
    too_few.write(1..=2);
    for minutes in [60, 30] {
        too_few.pass_minutes(minutes);
        too_few.round.close_opinions(too_few.now);
    }
    assert!(matches!(too_few.round.phase, Phase::TooFew { .. }));
    let mut posting = Scene::drafting(5, |_| {});
    posting.draft(&[[4; 3]; 5]);
    let mut review = Scene::drafting(5, |terms| terms.review = true);
    review.draft(&[[4; 3]; 5]);
    assert!(matches!(review.round.phase, Phase::Review { .. }));
    for (mut scene, due, why) in [
        (too_few, Due::CloseOpinions, Cancellation::TooFew),
        (posting, Due::OpenRating, Cancellation::Stalled),
        (review, Due::OpenRating, Cancellation::Stalled),
    ] {
        let deadline = scene.now + LONGEST_PHASE;
        assert_eq!(scene.round.next_deadline(), Some(deadline));
        let before = deadline - TimeDelta::seconds(1);
        assert_eq!(scene.round.due(before), None);
        scene.round.close_opinions(before);
        scene.round.open_rating(before);
        assert!(scene.round.is_open());
        assert_eq!(scene.round.due(deadline), Some(due));
        scene.round.close_opinions(deadline);
        scene.round.open_rating(deadline);
        let over = Phase::Cancelled { at: deadline, why };
        assert_eq!(scene.round.phase, over);
        assert!(scene.round.texts_expire_at().is_some());
    }

    let mut drafting = Scene::drafting(5, |_| {});
    let since = drafting.now;
    drafting
        .round
        .drafting_failed(false, since + LONGEST_PHASE - TimeDelta::seconds(1));
    assert!(drafting.round.is_open());
    drafting.round.drafting_failed(false, since + LONGEST_PHASE);
    assert!(!drafting.round.is_open());
}
