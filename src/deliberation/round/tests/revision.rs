//! The winner is revised with what its critics say, and rated again.

use super::*;

/// Three candidates, of which the first is the best; the first member rates it 3.
fn criticised() -> Scene {
    let mut scene = Scene::rating_with(&[[6, 5, 4]; 5], |terms| terms.revisions = 1);
    scene.rate(1, 0, 3);
    scene
        .round
        .criticise(Member(1), "Name the streets", scene.now)
        .unwrap();
    scene
}

/// Two drafts, predicted as said for all members.
fn redraft(scene: &mut Scene, predicted: [u8; 2]) {
    let candidates = [3, 4].map(|n| {
        let mut candidate = scene.candidate(STATEMENTS[n]);
        let distribution = sure(predicted[n - 3]);
        candidate.predictions = (1..=5).map(|n| (Member(n), distribution)).collect();
        candidate
    });
    scene.drafted(candidates.into());
}

#[test]
fn the_best_is_revised_with_what_its_critics_say() {
    let mut scene = criticised();
    scene.close_rating();
    let input = scene.round.draft_input().unwrap();
    assert_eq!(input.stage, 1);
    assert_eq!(input.opinions.len(), 5);
    assert_eq!(
        input.revision,
        Some(RevisionInput {
            statement: STATEMENTS[0].to_owned(),
            critiques: vec![(Member(1), "Name the streets".to_owned())],
        })
    );
}

#[test]
fn only_participants_who_rate_three_or_less_are_asked() {
    let mut scene = Scene::rating_with(&[[6, 5, 4]; 5], |terms| terms.revisions = 1);
    let (round, now) = (&mut scene.round, scene.now);
    let refused = Err(CritiqueRefused::NotAsked);
    assert_eq!(round.criticise(Member(1), "More buses", now), refused);
    for (agreement, asked) in [(4, false), (3, true), (7, false), (1, true)] {
        round
            .react(CandidateKey(2), Member(1), likert(agreement), now)
            .unwrap();
        assert_eq!(round.may_criticise(Member(1)), asked);
    }
    // Reacting alone does not make a participant.
    round
        .react(CandidateKey(2), Member(77), likert(1), now)
        .unwrap();
    assert_eq!(round.criticise(Member(77), "More buses", now), refused);
}

#[test]
fn a_critique_has_a_length_and_can_be_changed() {
    let mut scene = criticised();
    for (text, characters) in [("  ".to_owned(), 0), ("x".repeat(1001), 1001)] {
        let refused = scene.round.criticise(Member(1), &text, scene.now);
        assert_eq!(refused, Err(CritiqueRefused::Length { characters }));
    }
    scene
        .round
        .criticise(Member(1), " Name the squares ", scene.now)
        .unwrap();
    assert_eq!(scene.round.critiques[&(0, Member(1))], "Name the squares");
}

#[test]
fn a_round_that_is_not_revised_asks_for_no_critique() {
    let mut scene = Scene::rating();
    scene.rate(1, 0, 1);
    let refused = scene.round.criticise(Member(1), "More buses", scene.now);
    assert_eq!(refused, Err(CritiqueRefused::NoRevision));
    let mut scene = criticised();
    scene.now = scene.round.rating_closes().unwrap();
    let refused = scene.round.criticise(Member(1), "More buses", scene.now);
    assert_eq!(refused, Err(CritiqueRefused::Closed));
}

#[test]
fn without_a_critique_the_round_concludes() {
    let mut scene = Scene::rating_with(&[[6, 5, 4]; 5], |terms| terms.revisions = 1);
    scene.rate(1, 0, 3);
    scene.close_rating();
    assert_eq!(scene.result().winner(), CandidateKey(0));
}

#[test]
fn the_winner_competes_with_its_revisions_and_keeps_its_ratings() {
    let mut scene = criticised();
    scene.close_rating();
    redraft(&mut scene, [2, 3]);
    scene.open_rating();
    let mut posted = scene.round.eligible();
    posted.sort_unstable();
    assert_eq!(posted, [0, 3, 4].map(CandidateKey));
    // No further revision was asked for.
    let refused = scene.round.criticise(Member(1), "More buses", scene.now);
    assert_eq!(refused, Err(CritiqueRefused::NoRevision));
    scene.close_rating();
    let result = scene.result();
    assert_eq!(result.winner(), CandidateKey(0));
    assert_eq!(result.conclusion.spread.dissent, 1);
}

#[test]
fn a_revision_that_is_better_wins() {
    let mut scene = criticised();
    scene.close_rating();
    redraft(&mut scene, [7, 3]);
    scene.open_rating();
    scene.close_rating();
    assert_eq!(scene.result().winner(), CandidateKey(3));
}

#[test]
fn ratings_by_reaction_still_count_though_the_new_message_has_none() {
    let mut scene = criticised();
    let (round, now) = (&mut scene.round, scene.now);
    round
        .react(CandidateKey(0), Member(2), likert(7), now)
        .unwrap();
    scene.close_rating();
    redraft(&mut scene, [2, 3]);
    scene.open_rating();
    let before = scene.round.clone();
    scene
        .round
        .reactions_found(
            CandidateKey(0),
            &BTreeMap::new(),
            &before,
            &before,
            scene.now,
        )
        .unwrap();
    let rating = &scene.round.ratings[&(CandidateKey(0), Member(2))];
    assert_eq!(rating.agreement, Some(likert(7)));
}

#[test]
fn the_winner_is_posted_again_though_better_revisions_fill_the_places() {
    let mut scene = Scene::rating_with(&[[6, 5, 4]; 5], |terms| {
        terms.revisions = 1;
        terms.posted = 3.try_into().unwrap();
    });
    scene.rate(1, 0, 3);
    scene
        .round
        .criticise(Member(1), "Name the streets", scene.now)
        .unwrap();
    scene.close_rating();
    let candidates = (1..8)
        .map(|n| {
            let mut candidate = scene.candidate(STATEMENTS[n]);
            candidate.predictions = (1..=5).map(|n| (Member(n), sure(7))).collect();
            candidate
        })
        .collect();
    scene.drafted(candidates);
    let posted = scene.round.eligible();
    assert_eq!(posted.len(), 3);
    assert!(posted.contains(&CandidateKey(0)));
}

#[test]
fn what_a_revision_leaves_unchanged_is_not_posted_twice() {
    let mut scene = criticised();
    scene.close_rating();
    let mut same = scene.candidate(STATEMENTS[0]);
    same.predictions = (1..=5).map(|n| (Member(n), sure(6))).collect();
    let mut slightly_changed = same.clone();
    slightly_changed.text = STATEMENTS[0].replace("Saturdays", "Sundays");
    scene.drafted(vec![same, slightly_changed]);
    let texts: Vec<&str> = scene
        .round
        .eligible()
        .into_iter()
        .map(|key| scene.round.candidate(key).text.as_str())
        .collect();
    assert_eq!(texts.len(), 2);
    assert_ne!(texts[0], texts[1]);
}

#[test]
fn critiques_of_an_earlier_stage_do_not_feed_a_later_one() {
    let mut scene = Scene::rating_with(&[[6, 5, 4]; 5], |terms| terms.revisions = 2);
    scene.rate(1, 0, 3);
    scene
        .round
        .criticise(Member(1), "Name the streets", scene.now)
        .unwrap();
    scene.close_rating();
    redraft(&mut scene, [7, 3]);
    scene.open_rating();
    scene.rate(2, 3, 1);
    scene
        .round
        .criticise(Member(2), "Too long", scene.now)
        .unwrap();
    scene.close_rating();
    let input = scene.round.draft_input().unwrap();
    assert_eq!(input.stage, 2);
    let revision = input.revision.unwrap();
    assert_eq!(revision.statement, STATEMENTS[3]);
    assert_eq!(revision.critiques, [(Member(2), "Too long".to_owned())]);
}

#[test]
fn the_winner_does_not_hang_on_its_old_message() {
    let mut scene = criticised();
    let old = scene.message_of(CandidateKey(0));
    scene.close_rating();
    redraft(&mut scene, [2, 3]);
    scene.open_rating();
    let board = scene.round.board();
    scene.round.message_deleted(old, scene.now);
    assert!(scene.round.eligible().contains(&CandidateKey(0)));
    // And is not posted there again.
    let without = Vec::from_iter(board.into_iter().filter(|item| {
        *item
            != Item::Candidate {
                stage: 0,
                candidate: CandidateKey(0),
            }
    }));
    assert_eq!(scene.round.board(), without);
}
