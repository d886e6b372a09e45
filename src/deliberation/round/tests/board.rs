//! What is shown of a round, in every phase.

use super::opinions::too_few;
use super::*;

fn candidate(stage: u8, column: u16) -> Item {
    let candidate = CandidateKey(column);
    Item::Candidate { stage, candidate }
}

/// The board, with the candidates of a stage in the order of their numbers.
fn sorted_board(scene: &Scene) -> Vec<Item> {
    let mut board = scene.round.board();
    let number = |item: &Item| match item {
        Item::Candidate { stage, candidate } => Some((*stage, candidate.0)),
        _ => None,
    };
    for run in board.chunk_by_mut(|a, b| number(a).is_some() && number(b).is_some()) {
        run.sort_by_key(|item| number(item));
    }
    board
}

#[test]
fn the_board_grows_with_the_round() {
    let mut scene = Scene::open_with(|terms| terms.revisions = 1);
    let mut expected = vec![Item::Card];
    assert_eq!(sorted_board(&scene), expected);
    scene.show_all();

    scene.write(1..=5);
    scene.pass_minutes(60);
    scene.round.close_opinions(scene.now);
    assert_eq!(sorted_board(&scene), expected);

    scene.draft(&[[6, 5, 4]; 5]);
    expected.extend([0, 1, 2].map(|column| candidate(0, column)));
    assert_eq!(sorted_board(&scene), expected);

    scene.open_rating();
    expected.push(Item::RatingOpen { stage: 0 });
    assert_eq!(sorted_board(&scene), expected);

    scene.rate(1, 0, 2);
    scene
        .round
        .criticise(Member(1), "Name the streets", scene.now)
        .unwrap();
    let notice = TimeDelta::minutes(30);
    scene
        .round
        .close_early(ORGANISER, notice, scene.now)
        .unwrap();
    scene.show_all();
    expected.push(Item::ClosingEarly { stage: 0 });
    assert_eq!(sorted_board(&scene), expected);

    scene.close_rating();
    assert_eq!(sorted_board(&scene), expected);
    let mut revised = scene.candidate(STATEMENTS[3]);
    revised.predictions = (1..=5).map(|n| (Member(n), sure(5))).collect();
    scene.drafted(vec![revised]);
    expected.extend([0, 3].map(|column| candidate(1, column)));
    assert_eq!(sorted_board(&scene), expected);

    scene.open_rating();
    expected.push(Item::RatingOpen { stage: 1 });
    scene.close_rating();
    expected.push(Item::Result);
    assert_eq!(sorted_board(&scene), expected);
}

#[test]
fn what_was_asked_with_too_few_opinions_is_answered_where_it_stands() {
    let mut scene = too_few();
    assert_eq!(scene.round.board(), [Item::Card, Item::TooFew]);
    scene.show_all();
    scene.write([5]);
    assert_eq!(scene.round.board(), [Item::Card, Item::TooFew]);
    let mut never_shown = too_few();
    never_shown.write([5]);
    assert_eq!(never_shown.round.board(), [Item::Card]);
}

#[test]
fn a_round_that_is_cancelled_while_candidates_are_posted_posts_no_more_of_them() {
    let mut scene = Scene::drafting(5, |_| {});
    scene.draft(&[[4; 3]; 5]);
    scene.show(Item::Card);
    let first = scene.round.board()[1];
    scene.show(first);
    scene.round.cancel(ORGANISER, scene.now).unwrap();
    // The one that stands there says that it is over.
    assert_eq!(scene.round.board(), [Item::Card, first, Item::Cancelled]);
}

#[test]
fn a_deleted_candidate_is_withdrawn_and_cannot_win() {
    let mut scene = Scene::rating_with(&[[7, 6, 5]; 5], |_| {});
    let best = CandidateKey(0);
    let message = scene.message_of(best);
    scene.round.message_deleted(message, scene.now);
    assert!(!scene.round.eligible().contains(&best));
    assert!(!scene.round.board().contains(&candidate(0, 0)));
    let said = &scene.round.log.last().unwrap().act;
    assert_eq!(*said, Act::CandidateWithdrawn(best));
    let rating = scene
        .round
        .rate(best, Member(1), Some(likert(7)), None, scene.now);
    assert_eq!(rating, Err(RatingRefused::NoSuchCandidate));
    scene.close_rating();
    assert_eq!(scene.result().winner(), CandidateKey(1));
    assert_eq!(scene.result().candidates.len(), 2);
}

#[test]
fn a_candidate_that_is_deleted_while_others_are_posted_is_not_waited_for() {
    let mut scene = Scene::drafting(5, |_| {});
    scene.draft(&[[4; 3]; 5]);
    scene.show_all();
    let key = scene.round.eligible()[1];
    scene
        .round
        .message_deleted(scene.message_of(key), scene.now);
    assert_eq!(scene.round.due(scene.now), Some(Due::OpenRating));
}

#[test]
fn who_has_rated_all_but_the_withdrawn_candidate_is_done() {
    let mut scene = Scene::rating();
    for member in 1..=5 {
        scene.rate(member, 0, 5);
        scene.rate(member, 1, 5);
    }
    let message = scene.message_of(CandidateKey(2));
    scene.round.message_deleted(message, scene.now);
    assert_eq!(scene.round.rating_closes(), Some(scene.now + GRACE));
}

#[test]
fn without_a_candidate_left_the_round_ends() {
    let mut scene = Scene::rating();
    for key in scene.round.eligible() {
        assert!(scene.round.is_open());
        scene
            .round
            .message_deleted(scene.message_of(key), scene.now);
    }
    let why = Cancellation::NoCandidateLeft;
    let at = scene.now;
    assert_eq!(scene.round.phase, Phase::Cancelled { at, why });
    scene.show_all();
    assert_eq!(
        scene.round.board(),
        [Item::Card, Item::RatingOpen { stage: 0 }, Item::Cancelled]
    );
}

#[test]
fn whatever_else_is_deleted_is_posted_again() {
    let mut scene = Scene::rating();
    for item in [Item::Card, Item::RatingOpen { stage: 0 }] {
        let message = scene.round.shown(item).unwrap().message;
        let board = scene.round.board();
        scene.round.message_deleted(message, scene.now);
        assert_eq!(scene.round.shown(item), None);
        assert_eq!(scene.round.board(), board);
    }
    let before = scene.round.clone();
    scene.round.message_deleted(Message(999_999), scene.now);
    assert_eq!(scene.round, before);
}

#[test]
fn a_message_deleted_after_the_result_changes_nothing_about_it() {
    let mut scene = Scene::rating();
    let winner = scene.round.eligible()[0];
    let message = scene.message_of(winner);
    scene.close_rating();
    let result = scene.result().clone();
    scene.round.message_deleted(message, scene.now);
    assert_eq!(*scene.result(), result);
    assert_eq!(scene.round.candidate(winner).withdrawn_at, None);
}

#[test]
fn a_round_whose_thread_is_gone_says_so_in_the_channel() {
    let mut scene = Scene::rating();
    let gone = scene.now;
    scene.round.place_gone(gone);
    let why = Cancellation::PlaceGone;
    assert_eq!(scene.round.phase, Phase::Cancelled { at: gone, why });
    assert_eq!(scene.round.place.thread, None);
    assert_eq!(scene.round.board(), [Item::Card, Item::Cancelled]);
    assert!(!scene.round.settled);
    // It turns out that the channel is gone as well.
    scene.round.place_gone(gone);
    assert!(scene.round.settled);
}

#[test]
fn a_result_whose_place_is_gone_stays() {
    let mut scene = Scene::rating();
    scene.close_rating();
    let result = scene.result().clone();
    scene.round.place_gone(scene.now);
    assert_eq!(*scene.result(), result);
    assert!(scene.round.settled);
}

#[test]
fn a_message_tells_which_item_it_shows() {
    let mut scene = Scene::open();
    let message = scene.show(Item::Card);
    assert_eq!(scene.round.item_of(message), Some(Item::Card));
    assert_eq!(scene.round.item_of(Message(1)), None);
    let again = scene.show(Item::Card);
    assert_eq!(scene.round.item_of(message), None);
    assert_eq!(scene.round.shown(Item::Card).unwrap().message, again);
}

#[test]
fn an_open_round_is_never_settled() {
    let mut scene = Scene::open();
    scene.round.settle();
    assert!(!scene.round.settled);
}
