//! Ratings become a result.

use std::collections::BTreeSet;

use super::*;
use crate::deliberation::outcome::{Outcome, Spread};

/// Each member rates the candidates by number; 0 does not.
fn rated<const CANDIDATES: usize>(scene: &mut Scene, ratings: &[[u8; CANDIDATES]]) {
    for (member, row) in (1..).zip(ratings) {
        for (column, &rating) in (0..).zip(row) {
            if rating > 0 {
                scene.rate(member, column, rating);
            }
        }
    }
}

#[test]
fn a_real_rating_takes_the_place_of_the_prediction() {
    // Predicted, the first one wins; the last three know better.
    let mut scene = Scene::rating_with(&[[6, 5, 1]; 5], |_| {});
    rated(
        &mut scene,
        &[[0; 3], [0; 3], [2, 7, 0], [2, 7, 0], [2, 7, 0]],
    );
    scene.close_rating();
    let result = scene.result();
    assert_eq!(result.winner(), CandidateKey(1));
    let best = result.conclusion.ranking[0];
    assert_eq!(best.welfare, (2.0 * 5.0 + 3.0 * 7.0) / 5.0);
}

/// Where the models know nothing of the language.
fn untested(terms: &mut Terms) {
    terms.real_ratings_only = true;
}

#[test]
fn where_real_ratings_alone_rank_predictions_change_nothing() {
    let ratings = [[2, 6, 4], [7, 0, 3], [0, 5, 0], [0, 0, 0], [4, 6, 1]];
    for welfare in ["utilitarian", "nash", "rawlsian", "0.5", "schulze"] {
        let concluded = |predicted: [u8; 3]| {
            let mut scene = Scene::rating_with(&[predicted; 5], |terms| {
                untested(terms);
                terms.welfare = welfare.parse().unwrap();
            });
            rated(&mut scene, &ratings);
            scene.close_rating();
            let result = scene.result();
            assert_eq!(result.conclusion.best_by_real_ratings, None);
            // The fourth, who rated nothing, is a participant all the same.
            assert_eq!(result.conclusion.spread.participants, 5);
            let ranking = result.conclusion.ranking.iter();
            ranking
                .map(|ranked| (result.candidates[ranked.candidate], ranked.welfare))
                .collect::<Vec<_>>()
        };
        assert_eq!(concluded([7, 1, 1]), concluded([1, 1, 7]), "{welfare}");
    }
}

#[test]
fn whoever_rated_nothing_does_not_change_the_order_of_those_who_did() {
    let order = |members: usize, welfare: &str| {
        let mut scene = Scene::rating_with(&vec![[4; 3]; members], |terms| {
            untested(terms);
            terms.minimum = 3;
            terms.welfare = welfare.parse().unwrap();
        });
        rated(&mut scene, &[[7, 6, 3], [6, 7, 3], [5, 6, 6]]);
        scene.close_rating();
        let ranking = &scene.result().conclusion.ranking;
        ranking
            .iter()
            .map(|ranked| ranked.candidate)
            .collect::<Vec<_>>()
    };
    for welfare in ["utilitarian", "nash", "rawlsian", "0.5", "schulze"] {
        assert_eq!(order(3, welfare), order(40, welfare), "{welfare}");
    }
}

#[test]
fn a_missing_rating_counts_as_the_same_persons_others() {
    let mut scene = Scene::rating_with(&[[1, 1, 7]; 3], |terms| {
        untested(terms);
        terms.minimum = 3;
    });
    rated(&mut scene, &[[7, 3, 0], [7, 3, 0], [7, 3, 0]]);
    scene.close_rating();
    let welfare: Vec<f64> = scene
        .result()
        .conclusion
        .ranking
        .iter()
        .map(|r| r.welfare)
        .collect();
    assert_eq!(welfare, [7.0, 5.0, 3.0]);
}

#[test]
fn where_nobody_rates_predictions_rank_whatever_the_language() {
    let mut scene = Scene::rating_with(&[[1, 7, 1]; 5], untested);
    scene.close_rating();
    assert_eq!(scene.result().winner(), CandidateKey(1));
    assert_eq!(scene.result().conclusion.outcome, Outcome::Unrated);
}

#[test]
fn only_posted_candidates_can_win() {
    let mut scene = Scene::drafting(5, |terms| terms.posted = 3.try_into().unwrap());
    scene.draft(&[[7, 6, 5, 4, 3, 2, 1]; 5]);
    scene.open_rating();
    let posted = scene.round.eligible();
    scene.close_rating();
    let result = scene.result();
    assert_eq!(result.candidates, posted);
    assert_eq!(result.conclusion.ranking.len(), 3);
}

#[test]
fn equal_welfare_is_decided_by_who_is_worst_off() {
    let mut scene = Scene::rating_with(&[[2, 4, 1], [6, 4, 1], [4, 4, 1]], |terms| {
        terms.minimum = 3;
    });
    scene.close_rating();
    assert_eq!(scene.result().winner(), CandidateKey(1));
}

#[test]
fn what_is_equal_throughout_goes_to_the_candidate_that_stands_first() {
    let mut scene = Scene::rating();
    let first = scene.round.eligible()[0];
    scene.close_rating();
    assert_eq!(scene.result().winner(), first);
}

#[test]
fn the_outcome_is_of_real_ratings_only() {
    // Everybody is predicted to love it.
    let mut scene = Scene::rating_with(&[[7, 1, 1]; 5], |_| {});
    scene.close_rating();
    let conclusion = &scene.result().conclusion;
    assert_eq!(conclusion.outcome, Outcome::Unrated);
    assert_eq!(
        conclusion.spread,
        Spread {
            participants: 5,
            ..Spread::default()
        }
    );
    assert_eq!(conclusion.best_by_real_ratings, None);
}

#[test]
fn outcomes_at_their_borders() {
    use Outcome::{Consensus, Contested, Unrated};
    for (ratings, outcome) in [
        // Half of the six must rate.
        (vec![7, 7], Unrated),
        (vec![7, 7, 7], Consensus),
        // Two thirds of those must agree; 5 agrees, 4 does not.
        (vec![5, 5, 4], Consensus),
        (vec![5, 4, 4], Outcome::None),
        (vec![5, 5, 5, 5, 1, 1], Consensus),
        (vec![5, 5, 5, 4, 1, 1], Contested),
        // Half.
        (vec![5, 5, 3, 3], Contested),
        (vec![5, 5, 4, 3, 3], Outcome::None),
        (vec![4, 4, 4, 4, 4, 4], Outcome::None),
    ] {
        let mut scene = Scene::rating_with(&[[7, 1, 1]; 6], |_| {});
        for (member, &rating) in (1..).zip(&ratings) {
            scene.rate(member, 0, rating);
        }
        // Whatever they say of the first, the others stay behind.
        scene.close_rating();
        let result = scene.result();
        assert_eq!(result.winner(), CandidateKey(0));
        assert_eq!(result.conclusion.outcome, outcome, "{ratings:?}");
        assert_eq!(result.conclusion.spread.rated(), ratings.len());
        assert_eq!(result.conclusion.spread.participants, 6);
    }
}

#[test]
fn when_real_ratings_alone_would_choose_another_that_is_said() {
    // Two of five rate, and prefer the second; the predictions of the others weigh more.
    let mut scene = Scene::rating_with(&[[7, 2, 1]; 5], |_| {});
    rated(&mut scene, &[[5, 6, 0], [5, 6, 0]]);
    scene.close_rating();
    let result = scene.result();
    assert_eq!(result.winner(), CandidateKey(0));
    let other = result.conclusion.best_by_real_ratings.unwrap();
    assert_eq!(result.candidates[other], CandidateKey(1));
}

#[test]
fn an_uncertain_winner_is_practically_equal_to_another() {
    let mut scene = Scene::drafting(5, |_| {});
    let candidates = [0, 1, 2].map(|column| {
        let mut candidate = scene.candidate(STATEMENTS[column]);
        let distribution = if column < 2 { unsure() } else { sure(1) };
        candidate.predictions = (1..=5).map(|n| (Member(n), distribution)).collect();
        candidate
    });
    scene.drafted(candidates.into());
    scene.open_rating();
    let mut rated_by_all = scene.round.clone();
    scene.close_rating();
    let result = scene.result();
    assert!((0.4..0.6).contains(&result.conclusion.certainty));
    let rival = result.conclusion.practically_equal.unwrap();
    assert_ne!(result.candidates[rival], result.winner());
    assert_ne!(result.candidates[rival], CandidateKey(2));

    // Real ratings leave no doubt.
    for member in 1..=5 {
        for (key, agreement) in [(0, 6), (1, 5)] {
            let agreement = Some(likert(agreement));
            rated_by_all
                .rate(
                    CandidateKey(key),
                    Member(member),
                    agreement,
                    None,
                    scene.round.opened_at,
                )
                .unwrap();
        }
    }
    let closes = rated_by_all.rating_closes().unwrap();
    rated_by_all.close_rating(&THRESHOLDS, &mut scene.rng, closes);
    let conclusion = &rated_by_all.result().unwrap().conclusion;
    assert_eq!(conclusion.certainty, 1.0);
    assert_eq!(conclusion.practically_equal, None);
}

#[test]
fn two_of_thirty_writing_come_to_no_round_and_forty_to_a_result() {
    let mut two = Scene::open();
    two.write(1..=2);
    for minutes in [60, 30] {
        two.pass_minutes(minutes);
        two.round.close_opinions(two.now);
    }
    assert!(matches!(two.round.phase, Phase::TooFew { .. }));

    let mut forty = Scene::rating_with(&[[3, 5, 4]; 40], |_| {});
    rated(&mut forty, &[[2, 6, 1]; 20]);
    forty.close_rating();
    let result = forty.result();
    assert_eq!(result.winner(), CandidateKey(1));
    assert_eq!(result.conclusion.outcome, Outcome::Consensus);
    assert_eq!(result.conclusion.spread.rated(), 20);
}

#[test]
fn somebody_late_counts_once_predicted() {
    let mut scene = Scene::rating_with(&[[5, 4, 3]; 5], |_| {});
    scene
        .round
        .join_late(Member(6), &words_of(6), scene.now)
        .unwrap();
    assert_eq!(scene.round.missing_predictions().len(), 1);
    scene.round.predicted(
        Member(6),
        [(0, 1), (1, 7), (2, 1)].map(|(key, rating)| (CandidateKey(key), sure(rating))),
    );
    assert_eq!(scene.round.missing_predictions(), []);
    scene.close_rating();
    let result = scene.result();
    assert_eq!(result.participants, 6);
    // 26 to 27 of 42.
    assert_eq!(result.winner(), CandidateKey(1));
}

#[test]
fn who_can_neither_be_asked_nor_predicted_does_not_count() {
    let mut scene = Scene::rating();
    scene
        .round
        .join_late(Member(6), &words_of(6), scene.now)
        .unwrap();
    scene.close_rating();
    assert_eq!(scene.result().participants, 5);
}

#[test]
fn the_texts_go_thirty_days_after_the_result_and_the_result_stays() {
    let mut scene = Scene::rating();
    assert_eq!(scene.round.texts_expire_at(), None);
    scene.close_rating();
    let expiry = scene.now + TimeDelta::days(30);
    assert_eq!(scene.round.texts_expire_at(), Some(expiry));
    let before = scene.result().clone();
    scene.round.delete_texts(&BTreeSet::new());
    assert_eq!(scene.round.texts_expire_at(), None);
    assert!(!format!("{:?}", scene.round).contains("thinks so"));
    assert_eq!(scene.round.opinions.len(), 5);
    assert_eq!(*scene.result(), before);
}

#[test]
fn the_texts_of_those_who_agreed_to_training_stay_until_they_change_their_minds() {
    let mut scene = Scene::rating_with(&[[4; 3]; 5], |terms| terms.training = true);
    scene.close_rating();
    let agreed = BTreeSet::from([Member(2), Member(4), Member(77)]);
    scene.round.delete_texts(&agreed);
    assert_eq!(scene.round.texts_expire_at(), None);
    let texts = |round: &Round| -> Vec<u64> {
        let with_text = round.opinions.iter().filter(|(_, o)| o.text.is_some());
        with_text.map(|(member, _)| member.0).collect()
    };
    assert_eq!(texts(&scene.round), [2, 4]);
    for (member, released) in [(1, false), (77, false), (2, true), (2, false)] {
        assert_eq!(scene.round.release_text(Member(member)), released);
    }
    assert_eq!(texts(&scene.round), [4]);
}

#[test]
fn a_text_whose_time_is_not_over_is_not_kept_for_training_alone() {
    let mut scene = Scene::rating();
    scene.close_rating();
    assert!(!scene.round.release_text(Member(2)));
    assert!(scene.round.opinions[&Member(2)].text.is_some());
}

#[test]
fn a_round_that_promised_to_train_nothing_keeps_no_text() {
    let mut scene = Scene::rating();
    scene.close_rating();
    scene.round.delete_texts(&(1..=5).map(Member).collect());
    assert!(!format!("{:?}", scene.round).contains("thinks so"));
}

#[test]
fn a_cancelled_round_trains_nothing_and_keeps_no_text() {
    let mut scene = Scene::rating_with(&[[4; 3]; 5], |terms| terms.training = true);
    scene.round.cancel(ORGANISER, scene.now).unwrap();
    scene.round.delete_texts(&(1..=5).map(Member).collect());
    assert!(!format!("{:?}", scene.round).contains("thinks so"));
}

#[test]
fn texts_are_kept_as_long_as_was_said_and_those_of_a_cancelled_round_a_week_at_most() {
    for (days, of_a_result, of_a_cancelled_round) in [(0, 0, 0), (3, 3, 3), (365, 365, 7)] {
        let mut scene = Scene::rating_with(&[[4; 3]; 5], |terms| terms.retention_days = days);
        let mut cancelled = scene.round.clone();
        cancelled.cancel(ORGANISER, scene.now).unwrap();
        let expiry = scene.now + TimeDelta::days(of_a_cancelled_round);
        assert_eq!(cancelled.texts_expire_at(), Some(expiry));
        scene.close_rating();
        let expiry = scene.now + TimeDelta::days(of_a_result);
        assert_eq!(scene.round.texts_expire_at(), Some(expiry));
    }
}
