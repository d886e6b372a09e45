//! Whatever happens, in whatever order: nothing panics, and what must hold holds.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::deliberation::certainty::Agreement;
use crate::deliberation::similarity::near_copy;

/// Something that happens to a round.
#[derive(Clone, Debug)]
enum Step {
    Wait {
        seconds: i64,
    },
    /// Until the next deadline.
    WaitOut,
    /// What the facilitator does when something is due.
    DoWhatIsDue {
        drafts: u8,
    },
    /// A facilitator that is too early, too late, or does everything twice.
    DoAnything {
        which: u8,
        stage: u8,
    },
    Submit {
        member: u64,
        text: u8,
        revision: u32,
    },
    JoinLate {
        member: u64,
    },
    Withdraw {
        member: u64,
    },
    Rate {
        member: u64,
        candidate: u16,
        agreement: Option<u8>,
        quality: Option<u8>,
    },
    RateAgain {
        member: u64,
        candidate: u16,
        agreement: u8,
    },
    RateEverything,
    React {
        member: u64,
        candidate: u16,
        digit: u8,
    },
    Unreact {
        member: u64,
        candidate: u16,
        digit: u8,
    },
    FindReactions {
        candidate: u16,
        found: BTreeMap<u64, BTreeSet<u8>>,
    },
    Complain {
        member: u64,
    },
    Criticise {
        member: u64,
        length: usize,
    },
    Report {
        member: u64,
        candidate: u16,
    },
    Withhold {
        candidate: u16,
    },
    Keep {
        candidate: u16,
    },
    PostReviewed {
        stage: u8,
    },
    WithdrawCandidate {
        candidate: u16,
    },
    Redraft {
        stage: u8,
    },
    RedraftWithout {
        candidate: u16,
    },
    Extend {
        minutes: i64,
    },
    CloseEarly,
    Cancel,
    Answer,
    Erase {
        member: u64,
    },
    DeleteTexts {
        agreed: BTreeSet<u64>,
    },
    ReleaseText {
        member: u64,
    },
    ShowAll,
    ShowOne(Index),
    DeleteMessage(Index),
    Unseed(Index),
    PlaceGone,
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let member = || 1..=7u64;
    let candidate = || 0..9u16;
    let rating = || 1..=7u8;
    let step = prop_oneof![
        2 => (0..5000i64).prop_map(|seconds| Step::Wait { seconds }),
        4 => Just(Step::WaitOut),
        8 => (0..5u8).prop_map(|drafts| Step::DoWhatIsDue { drafts }),
        2 => (0..6u8, 0..3u8).prop_map(|(which, stage)| Step::DoAnything { which, stage }),
        8 => (member(), 0..4u8, 0..3u32)
            .prop_map(|(member, text, revision)| Step::Submit { member, text, revision }),
        2 => member().prop_map(|member| Step::JoinLate { member }),
        1 => member().prop_map(|member| Step::Withdraw { member }),
        4 => (member(), candidate(), prop::option::of(rating()), prop::option::of(rating()))
            .prop_map(|(member, candidate, agreement, quality)| Step::Rate {
                member,
                candidate,
                agreement,
                quality,
            }),
        4 => (member(), candidate(), rating())
            .prop_map(|(member, candidate, agreement)| Step::RateAgain {
                member,
                candidate,
                agreement,
            }),
        1 => Just(Step::RateEverything),
        4 => (member(), candidate(), rating())
            .prop_map(|(member, candidate, digit)| Step::React { member, candidate, digit }),
        2 => (member(), candidate(), rating())
            .prop_map(|(member, candidate, digit)| Step::Unreact { member, candidate, digit }),
        2 => (
            candidate(),
            prop::collection::btree_map(
                member(),
                prop::collection::btree_set(rating(), 0..3),
                0..4,
            ),
        )
            .prop_map(|(candidate, found)| Step::FindReactions { candidate, found }),
        3 => member().prop_map(|member| Step::Complain { member }),
        4 => (member(), 0..1200usize)
            .prop_map(|(member, length)| Step::Criticise { member, length }),
        1 => (member(), candidate())
            .prop_map(|(member, candidate)| Step::Report { member, candidate }),
        2 => candidate().prop_map(|candidate| Step::Withhold { candidate }),
        1 => candidate().prop_map(|candidate| Step::Keep { candidate }),
        4 => (0..3u8).prop_map(|stage| Step::PostReviewed { stage }),
        1 => candidate().prop_map(|candidate| Step::WithdrawCandidate { candidate }),
        1 => (0..3u8).prop_map(|stage| Step::Redraft { stage }),
        2 => candidate().prop_map(|candidate| Step::RedraftWithout { candidate }),
        2 => prop_oneof![1..200i64, Just(i64::MAX / 60_000), Just(-5)]
            .prop_map(|minutes| Step::Extend { minutes }),
        2 => Just(Step::CloseEarly),
        1 => prop_oneof![
            1 => Just(Step::Cancel),
            1 => Just(Step::PlaceGone),
            4 => Just(Step::Answer),
            4 => prop::collection::btree_set(member(), 0..5)
                .prop_map(|agreed| Step::DeleteTexts { agreed }),
            4 => member().prop_map(|member| Step::ReleaseText { member }),
            4 => Just(Step::Settle),
        ],
        1 => member().prop_map(|member| Step::Erase { member }),
        6 => Just(Step::ShowAll),
        2 => any::<Index>().prop_map(Step::ShowOne),
        1 => any::<Index>().prop_map(Step::DeleteMessage),
        1 => any::<Index>().prop_map(Step::Unseed),
    ];
    prop::collection::vec(step, 1..80)
}

/// Whether the step was taken, or refused.
type Taken = bool;

impl Scene {
    fn take(&mut self, step: &Step) -> Taken {
        let (round, now) = (&mut self.round, self.now);
        match *step {
            Step::Wait { seconds } => self.now += TimeDelta::seconds(seconds),
            Step::WaitOut => {
                let deadline = round.next_deadline();
                self.now = deadline.unwrap_or(now).max(now);
            }
            Step::DoWhatIsDue { drafts } => self.do_what_is_due(drafts),
            Step::DoAnything { which, stage } => match which {
                0 => round.close_opinions(now),
                1 => round.open_rating(now),
                2 => round.close_rating(&THRESHOLDS, &mut self.rng, now),
                3 => round.drafting_failed(false, now),
                4 => round.predicted(Member(3), []),
                _ => round.drafted(stage.into(), Vec::new(), &mut self.rng, now),
            },
            Step::Submit {
                member,
                text,
                revision,
            } => {
                let text = ["too short", "An opinion", "Another opinion", "A third one"]
                    [usize::from(text)];
                return round
                    .submit_opinion(Member(member), text, revision, now)
                    .is_ok();
            }
            Step::JoinLate { member } => {
                return round
                    .join_late(Member(member), "I am late, sorry", now)
                    .is_ok();
            }
            Step::Withdraw { member } => {
                return round.withdraw_opinion(Member(member), now) == Ok(true);
            }
            Step::Rate {
                member,
                candidate,
                agreement,
                quality,
            } => {
                let (agreement, quality) = (agreement.map(likert), quality.map(likert));
                return round
                    .rate(
                        CandidateKey(candidate),
                        Member(member),
                        agreement,
                        quality,
                        now,
                    )
                    .is_ok();
            }
            Step::RateAgain {
                member,
                candidate,
                agreement,
            } => {
                let (candidate, member) = (CandidateKey(candidate), Member(member));
                return round
                    .rate_again(candidate, member, likert(agreement), now)
                    .is_ok();
            }
            Step::RateEverything => {
                for member in Vec::from_iter(round.opinions.keys().copied()) {
                    for key in round.eligible() {
                        let _ = round.rate(key, member, Some(likert(5)), None, now);
                    }
                }
            }
            Step::React {
                member,
                candidate,
                digit,
            } => {
                return round
                    .react(CandidateKey(candidate), Member(member), likert(digit), now)
                    .is_ok();
            }
            Step::Unreact {
                member,
                candidate,
                digit,
            } => {
                return round
                    .unreact(CandidateKey(candidate), Member(member), likert(digit), now)
                    .is_ok();
            }
            Step::FindReactions {
                candidate,
                ref found,
            } => {
                let found = found
                    .iter()
                    .map(|(&member, digits)| {
                        (Member(member), digits.iter().copied().map(likert).collect())
                    })
                    .collect();
                let before = round.clone();
                return round
                    .reactions_found(CandidateKey(candidate), &found, &before, &before, now)
                    .is_ok();
            }
            Step::Complain { member } => {
                for key in round.eligible() {
                    let _ = round.rate(key, Member(member), Some(likert(2)), None, now);
                }
                let _ = round.criticise(Member(member), "Name the streets", now);
            }
            Step::Criticise { member, length } => {
                return round
                    .criticise(Member(member), &"x".repeat(length), now)
                    .is_ok();
            }
            Step::Report { member, candidate } => {
                round.report(CandidateKey(candidate), Member(member));
            }
            Step::Withhold { candidate } => {
                return round
                    .withhold(CandidateKey(candidate), ORGANISER, now)
                    .is_ok();
            }
            Step::Keep { candidate } => {
                return round.keep(CandidateKey(candidate), ORGANISER, now).is_ok();
            }
            Step::PostReviewed { stage } => {
                return round.post_reviewed(stage, ORGANISER, now).is_ok();
            }
            Step::WithdrawCandidate { candidate } => {
                let candidate = CandidateKey(candidate);
                return round.withdraw_candidate(candidate, ORGANISER, now).is_ok();
            }
            Step::Redraft { stage } => return round.redraft(stage, ORGANISER, now).is_ok(),
            Step::RedraftWithout { candidate } => {
                let candidate = CandidateKey(candidate);
                return round.redraft_without(candidate, ORGANISER, now).is_ok();
            }
            Step::Extend { minutes } => {
                return round
                    .extend(ORGANISER, TimeDelta::minutes(minutes), now)
                    .is_ok();
            }
            Step::CloseEarly => {
                let notice = TimeDelta::minutes(30);
                return round.close_early(ORGANISER, notice, now).is_ok();
            }
            Step::Cancel => return round.cancel(ORGANISER, now).is_ok(),
            Step::Answer => {
                return round.answer(ORGANISER, Verdict::Partly, None, now).is_ok();
            }
            Step::Erase { member } => return round.erase(Member(member), now),
            // The facilitator does it when it is due.
            Step::DeleteTexts { ref agreed } if round.texts_expire_at().is_some() => {
                let agreed = agreed.iter().copied().map(Member).collect();
                round.delete_texts(&agreed);
                assert_eq!(round.texts_expire_at(), None, "due for ever");
            }
            Step::DeleteTexts { .. } => {}
            Step::ReleaseText { member } => return round.release_text(Member(member)),
            Step::ShowAll => self.show_all(),
            Step::ShowOne(index) => {
                let item = *index.get(&round.board());
                self.show(item);
            }
            Step::DeleteMessage(index) if !round.shown.is_empty() => {
                let message = index.get(&round.shown).message;
                round.message_deleted(message, now);
            }
            Step::Unseed(index) if !round.shown.is_empty() => {
                let message = index.get(&round.shown).message;
                round.unseed(message);
            }
            Step::DeleteMessage(_) | Step::Unseed(_) => {}
            Step::PlaceGone => round.place_gone(now),
            Step::Settle => round.settle(),
        }
        true
    }

    fn do_what_is_due(&mut self, drafts: u8) {
        let Some(due) = self.round.due(self.now) else {
            return;
        };
        match due {
            Due::CloseOpinions => self.round.close_opinions(self.now),
            Due::OpenRating => self.round.open_rating(self.now),
            Due::Draft if drafts == 0 => self.round.drafting_failed(false, self.now),
            Due::Draft => {
                let members = Vec::from_iter(self.round.opinions.keys().copied());
                let candidates = (0..usize::from(drafts))
                    .map(|n| {
                        let mut candidate = self.candidate(STATEMENTS[(n * 3 + 2) % 8]);
                        // Two of them at most, so that others are left.
                        let read = &mut candidate.provenance.opinions_read;
                        let skipped = n % read.len();
                        read.rotate_left(skipped);
                        read.truncate(2);
                        let distributions = [sure(3), sure(6), unsure()].into_iter().cycle();
                        candidate.predictions =
                            members.iter().copied().zip(distributions.skip(n)).collect();
                        candidate
                    })
                    .collect();
                self.drafted(candidates);
            }
            Due::CloseRating => {
                for missing in self.round.missing_predictions() {
                    let predicted = missing.candidates.into_iter().map(|key| (key, sure(2)));
                    self.round.predicted(missing.member, predicted);
                }
                let before = self.round.clone();
                self.round
                    .close_rating(&THRESHOLDS, &mut self.rng, self.now);
                if let Some(result) = self.round.result() {
                    assert_is_argmax(&before, result);
                }
            }
        }
        assert_ne!(self.round.due(self.now), Some(due), "due for ever");
    }
}

/// The winner is the best by a computation of its own, among the posted candidates.
fn assert_is_argmax(before: &Round, result: &RoundResult) {
    let welfare = |key: CandidateKey| {
        let ratings: Vec<f64> = before
            .opinions
            .keys()
            .map(|member| match before.ratings.get(&(key, *member)) {
                Some(Rating {
                    agreement: Some(real),
                    ..
                }) => f64::from(u8::from(*real)),
                _ => before.candidate(key).predictions[member].mean(),
            })
            .collect();
        let n = ratings.len() as f64;
        match before.terms.welfare.to_string().as_str() {
            "utilitarian" => ratings.iter().sum::<f64>() / n,
            "nash" => ratings.iter().product::<f64>().powf(1.0 / n),
            "rawlsian" => ratings.iter().copied().fold(f64::INFINITY, f64::min),
            other => panic!("no computation of its own for {other}"),
        }
    };
    let posted: Vec<CandidateKey> = before
        .stages
        .last()
        .unwrap()
        .posted
        .iter()
        .copied()
        .filter(|key| before.candidate(*key).withdrawn_at.is_none())
        .collect();
    let best = posted.iter().copied().map(welfare).fold(0.0, f64::max);
    assert!(posted.contains(&result.winner()));
    assert!((welfare(result.winner()) - best).abs() < 1e-9);
    assert!((result.conclusion.ranking[0].welfare - best).abs() < 1e-9);
    assert_eq!(result.participants, before.opinions.len());
}

fn assert_holds(round: &Round) {
    let board = round.board();
    let unique: std::collections::HashSet<_> = board.iter().collect();
    assert_eq!(unique.len(), board.len(), "{board:?}");
    for shown in &round.shown {
        assert!(board.contains(&shown.item), "{:?} is forgotten", shown.item);
    }

    let is_participant = |member: &Member| round.opinions.contains_key(member);
    for candidate in &round.candidates {
        assert!(candidate.predictions.keys().all(is_participant));
    }
    assert!(round.participants_done() <= round.opinions.len());
    for ((key, _), rating) in &round.ratings {
        let posted = round.stages.iter().any(|stage| stage.posted.contains(key));
        assert!(posted, "only what was posted is rated");
        let says_something =
            rating.agreement.is_some() || rating.quality.is_some() || !rating.digits.is_empty();
        assert!(says_something);
        assert!(!(rating.unclear && rating.agreement.is_some()));
        assert!(!rating.unclear || rating.digits.len() > 1);
        assert!(rating.again.is_none() || rating.agreement.is_some());
        assert!(rating.again.is_none() || round.terms.training);
    }
    for stage in &round.stages {
        let came_to_nothing =
            stage.rating_opened_at.is_none() && (stage.set_aside || !round.is_open());
        assert!((1..=6).contains(&stage.posted.len()) || came_to_nothing);
    }
    for shown in &round.shown {
        if let Item::Candidate { candidate, .. } = shown.item {
            assert!(round.was_posted(candidate));
        }
    }
    if let Some(stage) = round.stages.first() {
        let texts = stage.posted.iter().map(|key| &round.candidate(*key).text);
        let texts = Vec::from_iter(texts);
        for (n, text) in texts.iter().enumerate() {
            assert!(!texts[..n].iter().any(|other| near_copy(text, other)));
        }
    }

    match &round.phase {
        Phase::Drafting { .. } => {
            let input = round.draft_input().unwrap();
            let left_out = round.opinions.values().any(|opinion| opinion.left_out);
            let revised = input.revision.is_some() && !left_out;
            let fewest = if revised { 1 } else { 3 };
            assert!(input.opinions.len() >= fewest);
        }
        Phase::Review { withheld, .. } => {
            let candidates = round.under_review();
            assert!(!candidates.is_empty());
            assert!(withheld.iter().all(|key| candidates.contains(key)));
        }
        Phase::Posting { .. } => assert!(!round.eligible().is_empty()),
        Phase::Rating { complete_since, .. } => {
            assert!(!round.eligible().is_empty());
            if complete_since.is_some() {
                assert_eq!(round.participants_done(), round.opinions.len());
            }
        }
        Phase::Opinions { .. } | Phase::TooFew { .. } => {
            assert!(round.stages.is_empty());
            assert!(round.opinions.values().all(|opinion| !opinion.late));
        }
        Phase::Concluded { .. } | Phase::Cancelled { .. } => {}
    }
    assert!(!(round.settled && round.is_open()));
    for opinion in round.opinions.values() {
        assert!(opinion.text.is_some() || !round.is_open());
        let kept = opinion.kept_for_training;
        let may_be = round.terms.training && opinion.text.is_some() && round.result().is_some();
        assert!(!kept || may_be);
    }
    let table = round.table(&round.eligible());
    assert!(table.iter().flatten().all(|agreement| {
        let (Agreement::Real(_) | Agreement::Predicted(_)) = agreement;
        (1.0..=7.0).contains(&agreement.rating())
    }));
}

/// Whatever is on both boards stands there in the same order.
fn assert_same_order(before: &[Item], after: &[Item]) {
    let kept = |board: &[Item], other: &[Item]| {
        let both = board.iter().filter(|item| other.contains(item));
        Vec::from_iter(both.copied())
    };
    assert_eq!(kept(before, after), kept(after, before));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_round_survives_everything(
        steps in steps(),
        seed: u64,
        begins in 0..3u8,
        minimum in 3..5usize,
        revisions in 0..3u8,
        private: bool,
        training: bool,
        review: bool,
        welfare in prop::sample::select(vec!["utilitarian", "nash", "rawlsian"]),
    ) {
        let terms = |terms: &mut Terms| {
            terms.minimum = minimum;
            terms.revisions = revisions;
            terms.welfare = welfare.parse().unwrap();
            terms.posted = 3.try_into().unwrap();
            terms.training = training;
            terms.review = review;
            if private {
                terms.rating = RatingMode::Private;
            }
        };
        let mut scene = match begins {
            0 => Scene::open_with(terms),
            1 => Scene::drafting(4, terms),
            _ => Scene::rating_with(&[[3, 6, 1, 4]; 7], terms),
        };
        scene.rng = StdRng::seed_from_u64(seed);
        for step in steps {
            let before = scene.round.clone();
            let taken = scene.take(&step);
            let after = &scene.round;
            if !taken {
                prop_assert_eq!(after, &before, "{:?} was refused", step);
            }
            assert_holds(after);
            assert_same_order(&before.board(), &after.board());
            if !before.is_open() {
                prop_assert_eq!(&before.phase, &after.phase);
                let about_members = matches!(
                    step,
                    Step::Erase { .. } | Step::DeleteTexts { .. } | Step::ReleaseText { .. }
                );
                if !about_members {
                    prop_assert_eq!(&before.opinions, &after.opinions);
                    prop_assert_eq!(&before.ratings, &after.ratings);
                    prop_assert_eq!(&before.critiques, &after.critiques);
                }
                prop_assert_eq!(before.candidates.len(), after.candidates.len());
                prop_assert_eq!(after.due(scene.now), None);
            }
        }
    }
}
