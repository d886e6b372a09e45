//! Ratings by reaction and in private.

use std::collections::BTreeSet;

use super::*;

const MEMBER: Member = Member(1);
const CANDIDATE: CandidateKey = CandidateKey(0);

/// What one member does to one candidate, and what counts afterwards.
struct Hand(Scene);

impl Hand {
    fn new() -> Self {
        Self(Scene::rating())
    }

    fn add(mut self, digit: u8) -> Self {
        let Scene { round, now, .. } = &mut self.0;
        round.react(CANDIDATE, MEMBER, likert(digit), *now).unwrap();
        self
    }

    fn remove(mut self, digit: u8) -> Self {
        let Scene { round, now, .. } = &mut self.0;
        round
            .unreact(CANDIDATE, MEMBER, likert(digit), *now)
            .unwrap();
        self
    }

    fn in_private(mut self, agreement: u8) -> Self {
        self.0.rate(MEMBER.0, CANDIDATE.0, agreement);
        self
    }

    /// The reactions are read again.
    fn found(self, digits: &[u8]) -> Self {
        self.found_while(digits, |hand| hand)
    }

    /// They are read again, and meanwhile the member does something.
    fn found_while(self, digits: &[u8], act: impl Fn(Self) -> Self) -> Self {
        let before = self.0.round.clone();
        act(self).read(digits, &before, &before)
    }

    /// They are read again some time after the bot has begun to hear; in between the member does
    /// something.
    fn found_after(self, digits: &[u8], act: impl Fn(Self) -> Self) -> Self {
        let heard = self.0.round.clone();
        let hand = act(self);
        let before = hand.0.round.clone();
        hand.read(digits, &heard, &before)
    }

    fn read(self, digits: &[u8], heard: &Round, before: &Round) -> Self {
        let mut hand = self;
        let set: BTreeSet<Likert> = digits.iter().map(|&digit| likert(digit)).collect();
        let found = BTreeMap::from_iter((!set.is_empty()).then_some((MEMBER, set)));
        let Scene { round, now, .. } = &mut hand.0;
        round
            .reactions_found(CANDIDATE, &found, heard, before, *now)
            .unwrap();
        hand
    }

    /// `None`: no rating is stored. `Some(None)`: it is, and no agreement counts.
    fn counts(&self) -> Option<Option<u8>> {
        let rating = self.0.round.ratings.get(&(CANDIDATE, MEMBER))?;
        Some(rating.agreement.map(u8::from))
    }

    fn unclear(&self) -> bool {
        self.0.round.ratings[&(CANDIDATE, MEMBER)].unclear
    }
}

#[test]
fn the_last_digit_that_a_member_sets_counts() {
    assert_eq!(Hand::new().add(3).counts(), Some(Some(3)));
    assert_eq!(Hand::new().add(3).add(5).counts(), Some(Some(5)));
    assert_eq!(Hand::new().add(3).add(5).add(3).counts(), Some(Some(3)));
}

#[test]
fn a_removed_digit_is_withdrawn() {
    assert_eq!(Hand::new().add(3).remove(3).counts(), None);
    assert_eq!(Hand::new().add(3).add(5).remove(5).counts(), Some(Some(3)));
    assert_eq!(Hand::new().add(3).add(5).remove(3).counts(), Some(Some(5)));
    assert_eq!(Hand::new().remove(4).counts(), None);
}

#[test]
fn a_digit_set_or_removed_while_nobody_listened_is_found() {
    assert_eq!(Hand::new().found(&[6]).counts(), Some(Some(6)));
    assert_eq!(Hand::new().add(3).found(&[]).counts(), None);
    assert_eq!(Hand::new().add(3).found(&[6]).counts(), Some(Some(6)));
}

#[test]
fn of_several_digits_found_the_stored_one_counts_if_it_is_still_set() {
    let hand = Hand::new().add(3).found(&[3, 6]);
    assert_eq!(hand.counts(), Some(Some(3)));
    assert!(!hand.unclear());
    assert_eq!(hand.remove(3).counts(), Some(Some(6)));
}

#[test]
fn of_several_digits_of_unknown_order_none_counts_until_the_member_decides() {
    for hand in [
        Hand::new().found(&[2, 6]),
        Hand::new().add(3).found(&[2, 6]),
        Hand::new().add(3).found(&[2, 6]).found(&[2, 6]),
        Hand::new().found(&[2, 4, 6]).remove(4),
    ] {
        assert_eq!(hand.counts(), Some(None));
        assert!(hand.unclear(), "the member is to be told");
    }
    for (hand, counts) in [
        (Hand::new().found(&[2, 6]).remove(6), 2),
        (Hand::new().found(&[2, 6]).found(&[6]), 6),
        (Hand::new().found(&[2, 6]).add(4), 4),
        (Hand::new().found(&[2, 6]).in_private(1), 1),
    ] {
        assert_eq!(hand.counts(), Some(Some(counts)));
        assert!(!hand.unclear());
    }
}

#[test]
fn what_is_said_in_private_stands_until_a_digit_is_set_after_it() {
    assert_eq!(Hand::new().in_private(4).counts(), Some(Some(4)));
    assert_eq!(Hand::new().add(6).in_private(4).counts(), Some(Some(4)));
    assert_eq!(
        Hand::new().add(6).in_private(4).remove(6).counts(),
        Some(Some(4))
    );
    assert_eq!(
        Hand::new().add(6).in_private(4).found(&[6]).counts(),
        Some(Some(4))
    );
    assert_eq!(
        Hand::new().add(6).in_private(4).found(&[]).counts(),
        Some(Some(4))
    );
    assert_eq!(Hand::new().in_private(4).found(&[]).counts(), Some(Some(4)));
    // Its being set was never seen.
    assert_eq!(Hand::new().in_private(4).remove(4).counts(), Some(Some(4)));
    assert_eq!(Hand::new().in_private(4).add(6).counts(), Some(Some(6)));
    assert_eq!(
        Hand::new().in_private(4).found(&[6]).counts(),
        Some(Some(6))
    );
}

#[test]
fn who_rates_while_reactions_are_read_has_the_last_word() {
    let in_private = Hand::new().found_while(&[6], |hand| hand.in_private(4));
    assert_eq!(in_private.counts(), Some(Some(4)));
    assert_eq!(in_private.found(&[6]).counts(), Some(Some(4)));
    // What was found may be older than a reaction.
    let changed = Hand::new()
        .add(6)
        .found_while(&[6], |hand| hand.add(2).remove(6));
    assert_eq!(changed.counts(), Some(Some(2)));
    assert_eq!(changed.found(&[2]).counts(), Some(Some(2)));
    let withdrawn = Hand::new().add(6).found_while(&[6], |hand| hand.remove(6));
    assert_eq!(withdrawn.counts(), None);
}

#[test]
fn who_rates_before_missed_reactions_are_read_has_the_last_word() {
    let in_private = Hand::new().found_after(&[5, 6], |hand| hand.in_private(2));
    assert_eq!(in_private.counts(), Some(Some(2)));
    assert_eq!(in_private.found(&[5, 6]).counts(), Some(Some(2)));
    let by_reaction = Hand::new().found_after(&[5, 6], |hand| hand.add(6));
    assert_eq!(by_reaction.counts(), Some(Some(6)));
    // The one that was missed is still there.
    let withdrawn = Hand::new().add(5).found_after(&[6], |hand| hand.remove(5));
    assert_eq!(withdrawn.counts(), Some(Some(6)));
}

#[test]
fn reading_reactions_again_that_nobody_changed_changes_nothing() {
    let mut hand = Hand::new().add(3).add(5);
    let before = hand.0.round.clone();
    hand.0.pass_minutes(10);
    assert_eq!(hand.found(&[3, 5]).0.round, before);
}

#[test]
fn quality_and_agreement_are_never_mixed() {
    let mut scene = Scene::rating();
    let (round, now) = (&mut scene.round, scene.now);
    round
        .rate(CANDIDATE, MEMBER, None, Some(likert(7)), now)
        .unwrap();
    assert_eq!(round.participants_done(), 0);
    assert_eq!(
        round.agreement(CANDIDATE, MEMBER).unwrap().rating(),
        4.0,
        "the prediction"
    );
    round
        .rate(CANDIDATE, MEMBER, Some(likert(2)), None, now)
        .unwrap();
    let rating = &round.ratings[&(CANDIDATE, MEMBER)];
    assert_eq!(rating.quality, Some(likert(7)));
    assert_eq!(rating.agreement, Some(likert(2)));
    round.react(CANDIDATE, MEMBER, likert(3), now).unwrap();
    round.unreact(CANDIDATE, MEMBER, likert(3), now).unwrap();
    let rating = &round.ratings[&(CANDIDATE, MEMBER)];
    assert_eq!((rating.quality, rating.agreement), (Some(likert(7)), None));
}

#[test]
fn a_rating_that_says_nothing_is_not_stored() {
    let mut scene = Scene::rating();
    let before = scene.round.clone();
    scene
        .round
        .rate(CANDIDATE, MEMBER, None, None, scene.now)
        .unwrap();
    assert_eq!(scene.round, before);
}

#[test]
fn only_candidates_that_are_posted_can_be_rated() {
    let mut scene = Scene::rating_with(&[[7, 6, 5, 4, 3, 2, 1]; 5], |terms| {
        terms.posted = 3.try_into().unwrap();
    });
    let posted = scene.round.eligible();
    assert_eq!(posted.len(), 3);
    let before = scene.round.clone();
    for key in (0..99)
        .map(CandidateKey)
        .filter(|key| !posted.contains(key))
    {
        let (round, now) = (&mut scene.round, scene.now);
        let refused = Err(RatingRefused::NoSuchCandidate);
        let rating = likert(5);
        assert_eq!(round.rate(key, MEMBER, Some(rating), None, now), refused);
        assert_eq!(round.react(key, MEMBER, rating, now), refused);
        assert_eq!(round.unreact(key, MEMBER, rating, now), refused);
        let found = BTreeMap::from([(MEMBER, [rating].into())]);
        let read = round.reactions_found(key, &found, &before, &before, now);
        assert_eq!(read, refused);
    }
    assert_eq!(scene.round, before);
}

#[test]
fn nothing_is_rated_before_candidates_are_posted_or_after_the_close() {
    let mut closed = Scene::rating();
    closed.now = closed.round.rating_closes().unwrap();
    let mut concluded = Scene::rating();
    concluded.close_rating();
    for mut scene in [Scene::open(), Scene::drafting(5, |_| {}), closed, concluded] {
        let before = scene.round.clone();
        let (round, now) = (&mut scene.round, scene.now);
        let refused = Err(RatingRefused::Closed);
        let rating = likert(5);
        assert_eq!(
            round.rate(CANDIDATE, MEMBER, Some(rating), None, now),
            refused
        );
        assert_eq!(round.react(CANDIDATE, MEMBER, rating, now), refused);
        assert_eq!(round.unreact(CANDIDATE, MEMBER, rating, now), refused);
        assert_eq!(*round, before);
    }
}

#[test]
fn a_reaction_of_the_last_moment_counts_when_it_is_read_at_the_close() {
    let mut hand = Hand::new();
    hand.0.now = hand.0.round.rating_closes().unwrap();
    assert_eq!(hand.found(&[6]).counts(), Some(Some(6)));
}

#[test]
fn who_only_reacts_is_stored_and_not_counted() {
    let mut scene = Scene::rating();
    let passer_by = Member(77);
    for key in scene.round.eligible() {
        scene
            .round
            .react(key, passer_by, likert(1), scene.now)
            .unwrap();
    }
    assert_eq!(scene.round.ratings_of(passer_by).count(), 3);
    assert_eq!(scene.round.participants_done(), 0);
    for member in 1..=5 {
        scene.rate(member, 0, 7);
    }
    scene.close_rating();
    let result = scene.result();
    assert_eq!(result.participants, 5);
    assert_eq!(result.conclusion.spread.agree, 5);
    assert_eq!(result.conclusion.spread.dissent, 0);
}

#[test]
fn who_reacted_and_then_joins_late_counts_with_the_ratings_given_before() {
    let mut scene = Scene::rating();
    let late = Member(6);
    for key in scene.round.eligible() {
        scene.round.react(key, late, likert(7), scene.now).unwrap();
    }
    scene
        .round
        .join_late(late, &words_of(6), scene.now)
        .unwrap();
    assert_eq!(scene.round.participants_done(), 1);
    assert_eq!(scene.round.missing_predictions(), []);
    scene.close_rating();
    assert_eq!(scene.result().participants, 6);
    assert_eq!(scene.result().conclusion.spread.agree, 1);
}

#[test]
fn rating_closes_a_minute_after_everybody_has_rated_everything() {
    let mut scene = Scene::rating();
    let deadline = scene.round.rating_closes().unwrap();
    rate_all(&mut scene);
    let complete_at = scene.now;
    assert_eq!(scene.round.rating_closes(), Some(complete_at + GRACE));
    // Minds may be changed meanwhile, which does not make it longer.
    scene.now += TimeDelta::seconds(30);
    scene.rate(1, 0, 2);
    assert_eq!(scene.round.rating_closes(), Some(complete_at + GRACE));
    // Who takes a rating back is waited for again.
    let (round, now) = (&mut scene.round, scene.now);
    round.react(CANDIDATE, MEMBER, likert(2), now).unwrap();
    round.unreact(CANDIDATE, MEMBER, likert(2), now).unwrap();
    assert_eq!(round.rating_closes(), Some(deadline));
}

#[test]
fn somebody_who_joins_is_waited_for() {
    let mut scene = Scene::rating();
    let deadline = scene.round.rating_closes().unwrap();
    rate_all(&mut scene);
    scene
        .round
        .join_late(Member(6), &words_of(6), scene.now)
        .unwrap();
    assert_eq!(scene.round.rating_closes(), Some(deadline));
}

#[test]
fn the_grace_never_makes_rating_longer() {
    let mut scene = Scene::rating();
    let deadline = scene.round.rating_closes().unwrap();
    scene.now = deadline - TimeDelta::seconds(20);
    rate_all(&mut scene);
    assert_eq!(scene.round.rating_closes(), Some(deadline));
}

#[test]
fn reactions_that_come_while_candidates_are_being_posted_count() {
    let mut scene = Scene::drafting(5, |_| {});
    scene.draft(&[[4; 3]; 5]);
    scene.show_all();
    rate_all(&mut scene);
    scene.round.open_rating(scene.now);
    assert_eq!(scene.round.rating_closes(), Some(scene.now + GRACE));
}

#[test]
fn a_close_for_which_somebody_turns_out_to_be_missing_does_not_happen() {
    let mut scene = Scene::rating();
    for (member, key) in (1..=5)
        .flat_map(|n| scene.round.eligible().into_iter().map(move |k| (n, k)))
        .collect::<Vec<_>>()
    {
        scene
            .round
            .react(key, Member(member), likert(5), scene.now)
            .unwrap();
    }
    scene.now += GRACE;
    assert_eq!(scene.round.due(scene.now), Some(Due::CloseRating));
    // Read again: one had been removed.
    let found = (2..=5)
        .map(|member| (Member(member), [likert(5)].into()))
        .collect();
    let before = scene.round.clone();
    scene
        .round
        .reactions_found(CANDIDATE, &found, &before, &before, scene.now)
        .unwrap();
    scene
        .round
        .close_rating(&THRESHOLDS, &mut scene.rng, scene.now);
    assert!(matches!(scene.round.phase, Phase::Rating { .. }));
}

/// Three candidates that everybody has rated 5, where ratings train models.
fn to_be_rated_again() -> Scene {
    let mut scene = Scene::rating_with(&[[4; 3]; 5], |terms| terms.training = true);
    rate_all(&mut scene);
    scene
}

impl Scene {
    fn rate_again(&mut self, member: u64, candidate: CandidateKey, agreement: u8) -> bool {
        let (member, agreement) = (Member(member), likert(agreement));
        let rated = self
            .round
            .rate_again(candidate, member, agreement, self.now);
        assert!(matches!(
            rated,
            Ok(()) | Err(RatingRefused::NoSuchCandidate)
        ));
        rated.is_ok()
    }

    fn again(&self) -> Option<u8> {
        let rating = &self.round.ratings[&(CANDIDATE, MEMBER)];
        rating.again.map(u8::from)
    }
}

#[test]
fn a_second_rating_stands_beside_the_first_and_changes_nothing_of_the_result() {
    let mut scene = to_be_rated_again();
    let closes = scene.round.rating_closes();
    assert!(scene.rate_again(MEMBER.0, CANDIDATE, 2));
    assert_eq!(scene.again(), Some(2));
    assert!(scene.rate_again(MEMBER.0, CANDIDATE, 1));
    assert_eq!(scene.again(), Some(1));
    let rating = &scene.round.ratings[&(CANDIDATE, MEMBER)];
    assert_eq!(rating.agreement, Some(likert(5)));
    assert_eq!(scene.round.rating_closes(), closes);
    scene.close_rating();
    assert_eq!(scene.result().conclusion.spread.agree, 5);
}

#[test]
fn a_second_rating_is_forgotten_when_the_first_changes() {
    let mut scene = to_be_rated_again();
    scene.rate_again(MEMBER.0, CANDIDATE, 2);
    scene.rate(MEMBER.0, CANDIDATE.0, 5);
    assert_eq!(scene.again(), Some(2));
    scene.rate(MEMBER.0, CANDIDATE.0, 4);
    assert_eq!(scene.again(), None);
    scene.rate_again(MEMBER.0, CANDIDATE, 3);
    let (round, now) = (&mut scene.round, scene.now);
    round.react(CANDIDATE, MEMBER, likert(6), now).unwrap();
    assert_eq!(scene.again(), None);
}

#[test]
fn only_participants_who_have_rated_everything_rate_again_where_ratings_train_models() {
    let mut scene = to_be_rated_again();
    assert!(!scene.rate_again(MEMBER.0, CandidateKey(99), 2));
    // Who gave no opinion.
    for column in 0..3 {
        scene.rate(77, column, 5);
    }
    assert!(!scene.rate_again(77, CANDIDATE, 2));
    let (round, now) = (&mut scene.round, scene.now);
    round
        .react(CandidateKey(1), MEMBER, likert(6), now)
        .unwrap();
    round
        .unreact(CandidateKey(1), MEMBER, likert(6), now)
        .unwrap();
    assert!(!scene.rate_again(MEMBER.0, CANDIDATE, 2));

    let mut elsewhere = Scene::rating();
    rate_all(&mut elsewhere);
    assert!(!elsewhere.rate_again(MEMBER.0, CANDIDATE, 2));

    let mut closed = to_be_rated_again();
    closed.now = closed.round.rating_closes().unwrap();
    let (round, now) = (&mut closed.round, closed.now);
    let refused = round.rate_again(CANDIDATE, MEMBER, likert(2), now);
    assert_eq!(refused, Err(RatingRefused::Closed));
}

#[test]
fn a_report_counts_once_a_member() {
    let mut scene = Scene::rating();
    assert_eq!(scene.round.report(CANDIDATE, Member(1)), 1);
    assert_eq!(scene.round.report(CANDIDATE, Member(1)), 1);
    assert_eq!(scene.round.report(CANDIDATE, Member(2)), 2);
    assert_eq!(scene.round.report(CandidateKey(99), Member(2)), 0);
}

fn rate_all(scene: &mut Scene) {
    for member in 1..=5 {
        for column in 0..3 {
            scene.rate(member, column, 5);
        }
    }
}
