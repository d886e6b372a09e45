//! What organisers see of candidates before these are posted, and of those that members report: their
//! texts, and nothing of who wrote what, of predictions, or of arms.

use super::look::DESCRIPTION;
use super::phrases::letter;
use super::{Button, Embed, Look};
use crate::deliberation::round::{CandidateKey, Phase, Round};
use crate::discord::custom_id::CustomId;
use crate::discord::neutral;
use crate::discord::sentences::review_refused;
use crate::discord::wording::Wording;

/// Says in the round's place that candidates wait for an organiser.
pub fn notice(wording: &Wording, round: &Round, stage: u8) -> Look {
    let number = round.key.number;
    let review = Button::main(
        CustomId::Review {
            round: number,
            stage,
        },
        wording.say("button-review", &[]),
    );
    let latest = usize::from(stage) + 1 == round.stages.len();
    if latest && matches!(round.phase, Phase::Review { .. }) {
        let waits = wording.say("review-notice", &[("round", number.into())]);
        return Look::of(waits).buttons([review]);
    }
    let content = if round.stages[usize::from(stage)].posted.is_empty() {
        wording.say("review-notice-unposted", &[])
    } else {
        wording.say("review-notice-posted", &[])
    };
    Look::of(content).buttons([review.disabled(true)])
}

/// The private panel: one candidate after another, whole, and what can be decided about it. Begins with
/// `candidate`, or with one that was reported.
pub fn review(wording: &Wording, round: &Round, candidate: Option<CandidateKey>) -> Look {
    let order = round.under_review();
    let first = candidate.or_else(|| round.reported().first().copied());
    let place = order.iter().position(|key| Some(*key) == first);
    let place = place.unwrap_or(0);
    let Some(&key) = order.get(place) else {
        return Look::of(wording.say("review-nothing", &[]));
    };
    let number = round.key.number;
    let to = |place: usize| CustomId::Look {
        round: number,
        candidate: order[place],
    };
    let back = (place > 0).then(|| Button::other(to(place - 1), wording.say("button-back", &[])));
    let next = (place + 1 < order.len())
        .then(|| Button::other(to(place + 1), wording.say("button-next", &[])));
    let look = Look::of(above(wording, round, key, place))
        .embed(statement(wording, round, key))
        .buttons(back.into_iter().chain(next));
    if matches!(round.phase, Phase::Review { .. }) {
        before_it_is_posted(wording, round, key, look)
    } else {
        where_it_stands(wording, round, key, look)
    }
}

/// Asks whether candidates are to be drafted without the sources of one, and says what that means.
pub fn confirm_redraft(wording: &Wording, round: &Round, key: CandidateKey) -> Look {
    let without = match round.without_sources(key) {
        Ok(without) => without,
        Err(refused) => return Look::of(review_refused(wording, refused)),
    };
    let number = round.key.number;
    let mut lines = vec![
        wording.say(
            "review-confirm",
            &[
                ("without", without.left_out.into()),
                ("left", without.left.into()),
            ],
        ),
        wording.say("review-confirm-participants", &[]),
    ];
    if matches!(round.phase, Phase::Rating { .. }) {
        lines.push(wording.say("review-confirm-rating", &[]));
    }
    Look::of(lines.join("\n"))
        .embed(statement(wording, round, key))
        .buttons([
            Button::dangerous(
                CustomId::Sure {
                    round: number,
                    candidate: key,
                },
                wording.say("button-sure", &[]),
            ),
            Button::other(
                CustomId::Look {
                    round: number,
                    candidate: key,
                },
                wording.say("button-back", &[]),
            ),
        ])
}

fn statement(wording: &Wording, round: &Round, key: CandidateKey) -> Embed {
    let text = neutral::text(&round.candidate(key).text, DESCRIPTION);
    Embed::of(text).footer(wording.say("candidate-footer", &[]))
}

fn above(wording: &Wording, round: &Round, key: CandidateKey, place: usize) -> String {
    let order = round.under_review();
    let candidate = round.candidate(key);
    let mut lines = vec![wording.say(
        "review-candidate",
        &[
            ("letter", letter(place).into()),
            ("place", (place + 1).into()),
            ("candidates", order.len().into()),
        ],
    )];
    let withheld: Vec<String> = (0..)
        .zip(order)
        .filter(|(_, key)| round.is_withheld(**key))
        .map(|(place, _)| letter(place))
        .collect();
    if round.is_withheld(key) {
        lines.push(wording.say("review-withheld", &[]));
    } else if candidate.withdrawn_at.is_some() {
        lines.push(wording.say("review-withdrawn", &[]));
    }
    if !candidate.reports.is_empty() {
        let people = candidate.reports.len();
        lines.push(wording.say("review-reported", &[("people", people.into())]));
    }
    if candidate.kept {
        lines.push(wording.say("review-kept", &[]));
    }
    if withheld.len() == order.len() {
        lines.push(wording.say("review-all-withheld", &[]));
    } else if !withheld.is_empty() {
        let letters = withheld.join(", ");
        lines.push(wording.say("review-withheld-so-far", &[("letters", letters.into())]));
    }
    if round.eligible() == [key] && !matches!(round.phase, Phase::Review { .. }) {
        lines.push(wording.say("review-last", &[]));
    }
    if let Err(refused) = round.without_sources(key) {
        lines.push(review_refused(wording, refused));
    }
    lines.push(wording.say("review-blind", &[]));
    lines.join("\n")
}

fn before_it_is_posted(wording: &Wording, round: &Round, key: CandidateKey, look: Look) -> Look {
    let number = round.key.number;
    let stage = (round.stages.len() - 1) as u8;
    let decide = if round.is_withheld(key) {
        let id = CustomId::Keep {
            round: number,
            candidate: key,
        };
        Button::other(id, wording.say("button-withhold-not", &[]))
    } else {
        let id = CustomId::Withhold {
            round: number,
            candidate: key,
        };
        Button::dangerous(id, wording.say("button-withhold", &[]))
    };
    let without = without(round, key)
        .map(|id| Button::dangerous(id, wording.say("button-withhold-without", &[])));
    let look = look.buttons([decide].into_iter().chain(without));

    let candidates = round.under_review().iter();
    let posted = candidates.filter(|key| !round.is_withheld(**key)).count();
    if posted == 0 {
        return look.buttons([
            Button::main(
                CustomId::Redraft {
                    round: number,
                    stage,
                },
                wording.say("button-redraft", &[]),
            ),
            Button::dangerous(
                CustomId::End { round: number },
                wording.say("button-end", &[]),
            ),
        ]);
    }
    let post = CustomId::Post {
        round: number,
        stage,
    };
    look.buttons([Button::main(
        post,
        wording.say("button-post", &[("posted", posted.into())]),
    )])
}

fn where_it_stands(wording: &Wording, round: &Round, key: CandidateKey, look: Look) -> Look {
    let number = round.key.number;
    let keep = round.reported().contains(&key).then(|| {
        let id = CustomId::Keep {
            round: number,
            candidate: key,
        };
        Button::other(id, wording.say("button-keep", &[]))
    });
    let remove = round.eligible().contains(&key).then(|| {
        let id = CustomId::Remove {
            round: number,
            candidate: key,
        };
        Button::dangerous(id, wording.say("button-remove", &[]))
    });
    let without = without(round, key)
        .map(|id| Button::dangerous(id, wording.say("button-remove-without", &[])));
    look.buttons(keep.into_iter().chain(remove).chain(without))
}

/// `None` where its sources cannot be left out.
fn without(round: &Round, candidate: CandidateKey) -> Option<CustomId> {
    let round_number = round.key.number;
    round
        .without_sources(candidate)
        .ok()
        .map(|_| CustomId::Without {
            round: round_number,
            candidate,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliberation::arm::Arm;
    use crate::deliberation::id::Member;
    use crate::deliberation::round::board::Item;
    use crate::deliberation::round::{RatingMode, Terms};
    use crate::discord::render::sample::*;
    use crate::discord::render::tests::{check_everything, drawn, shows, shows_nothing_of};
    use crate::discord::render::{mine, status};

    /// Its candidates are under review; each read the opinions of two of five members.
    fn under_review() -> Round {
        let terms = Terms {
            review: true,
            ..terms(RatingMode::Private)
        };
        let mut round = rating(terms, &CANDIDATES);
        read_two_each(&mut round);
        round
    }

    fn read_two_each(round: &mut Round) {
        for (nth, candidate) in (0..).zip(&mut round.candidates) {
            candidate.provenance.opinions_read = vec![Member(1 + nth % 3), Member(2 + nth % 3)];
        }
    }

    fn keys(round: &Round) -> [CandidateKey; 3] {
        round.under_review().try_into().unwrap()
    }

    fn panel(round: &Round, key: CandidateKey) -> Look {
        review(&wording(), round, Some(key))
    }

    #[test]
    fn the_card_says_that_organisers_look_at_candidates_and_see_no_names() {
        let round = under_review();
        let unreviewed = drafting(terms(RatingMode::Private));
        let told = "Organisers look at the candidates before they are posted, and can withhold one. \
                     They do not see who wrote what.";
        shows(
            &drawn(&round, Item::Card),
            &[told, "An organiser looks at them before they are posted."],
        );
        shows_nothing_of(&drawn(&unreviewed, Item::Card), &[told]);
        shows(
            &drawn(&round, Item::Review { stage: 0 }),
            &[
                "and does not see who wrote what",
                "[Look at the candidates]",
            ],
        );
        shows_nothing_of(&drawn(&round, Item::Review { stage: 0 }), &CANDIDATES);
    }

    #[test]
    fn an_organiser_sees_texts_and_nothing_of_authors_predictions_or_arms() {
        let mut round = under_review();
        for (candidate, arm) in round.candidates.iter_mut().zip(Arm::ALL) {
            candidate.provenance.arm = Some(arm);
        }
        let [a, _, c] = keys(&round);
        let first = panel(&round, a);
        shows(
            &first,
            &[
                "**Candidate A** · 1 of 3",
                &round.candidate(a).text,
                "Nobody is shown who wrote what",
                "[Withhold it]",
                "[Withhold it and draft anew without its sources]",
                "[Post 3 candidates]",
                "[Next]",
            ],
        );
        shows(&panel(&round, c), &["**Candidate C** · 3 of 3", "[Back]"]);
        for look in [
            first,
            panel(&round, c),
            confirm_redraft(&wording(), &round, a),
        ] {
            let arms = ["accord", "sft", "zero-shot"];
            shows_nothing_of(&look, &arms);
            shows_nothing_of(&look, &OPINIONS);
            shows_nothing_of(&look, &["<@", "predict", "welfare", "agree"]);
        }
    }

    #[test]
    fn what_is_withheld_can_be_posted_after_all_and_if_all_is_there_is_a_choice() {
        let mut round = under_review();
        let [a, b, c] = keys(&round);
        round.withhold(b, ORGANISER, at(24 * 60)).unwrap();
        let look = panel(&round, b);
        shows(
            &look,
            &[
                "**It is withheld:**",
                "Withheld so far: B.",
                "[Post it after all]",
                "[Post 2 candidates]",
            ],
        );
        for key in [a, c] {
            round.withhold(key, ORGANISER, at(24 * 60)).unwrap();
        }
        let look = panel(&round, a);
        shows(
            &look,
            &["All are withheld", "[Draft anew]", "[End the round]"],
        );
        shows_nothing_of(&look, &["[Post 0"]);
        check_everything(&round);
    }

    #[test]
    fn before_it_is_drafted_anew_it_is_said_what_that_means() {
        let mut round = under_review();
        let [a, ..] = keys(&round);
        let confirm = confirm_redraft(&wording(), &round, a);
        shows(
            &confirm,
            &[
                "without the 2 opinions that this one was written from? 3 opinions are still read.",
                "stays a participant",
                "[Draft anew]",
                "[Back]",
            ],
        );
        shows_nothing_of(&confirm, &["Rating is over"]);
        round
            .redraft_without(a, ORGANISER, at(24 * 60 + 9))
            .unwrap();
        show_all(&mut round);
        check_everything(&round);
        shows(
            &drawn(&round, Item::Review { stage: 0 }),
            &["and not posted", "[Look at the candidates (disabled)]"],
        );
        shows(
            &drawn(&round, Item::Card),
            &["writing candidates anew from 3 opinions"],
        );
        let logged = "took a candidate out and had others drafted without the 2 opinions";
        shows(&status(&wording(), &view(&round), false), &[logged]);
        let left_out = round.opinions.iter().find(|(_, opinion)| opinion.left_out);
        let (&author, _) = left_out.unwrap();
        shows(&mine(&wording(), &round, author), &["one of them yours"]);
    }

    #[test]
    fn where_all_drafts_read_all_opinions_it_is_said_that_none_can_be_left_out() {
        let mut round = rating(terms(RatingMode::Private), &CANDIDATES);
        let [a, ..] = keys(&round);
        round.report(a, Member(2));
        let look = panel(&round, a);
        shows(
            &look,
            &[
                "fewer than 3 opinions would be left to read",
                "[Keep it]",
                "[Withdraw it]",
            ],
        );
        shows_nothing_of(&look, &["without its sources]"]);
        shows(
            &confirm_redraft(&wording(), &round, a),
            &["fewer than 3 opinions would be left to read"],
        );
    }

    #[test]
    fn reports_are_shown_to_organisers_until_one_has_looked_at_them() {
        let mut round = rating(terms(RatingMode::Reactions), &CANDIDATES);
        read_two_each(&mut round);
        let [_, b, c] = keys(&round);
        let now = at(24 * 60 + 20);
        let asked = "[Look at the candidates]";
        shows_nothing_of(&status(&wording(), &view(&round), true), &[asked]);
        round.report(c, Member(3));
        shows(&status(&wording(), &view(&round), true), &[asked]);
        shows_nothing_of(&status(&wording(), &view(&round), false), &[asked]);
        let look = review(&wording(), &round, None);
        shows(
            &look,
            &["**Candidate C**", "1 member reported it.", "[Keep it]"],
        );
        shows_nothing_of(&look, &["<@3>", "It is the last one"]);
        round.keep(c, ORGANISER, now).unwrap();
        shows(
            &panel(&round, c),
            &["has looked at that and kept it", "[Withdraw it]"],
        );
        shows_nothing_of(&panel(&round, c), &["[Keep it]"]);

        round.withdraw_candidate(c, ORGANISER, now).unwrap();
        shows(&panel(&round, c), &["**It is withdrawn.**"]);
        let item = Item::Candidate {
            stage: 0,
            candidate: c,
        };
        let text = round.candidate(c).text.clone();
        let stands = drawn(&round, item);
        shows(
            &stands,
            &[
                "An organiser withdrew this candidate.",
                "[Report (disabled)]",
            ],
        );
        shows_nothing_of(&stands, &[&text]);
        check_everything(&round);
        shows(
            &confirm_redraft(&wording(), &round, b),
            &["Rating is over for the candidates that stand there now"],
        );
        round.withdraw_candidate(b, ORGANISER, now).unwrap();
        let last = round.eligible()[0];
        shows(&panel(&round, last), &["It is the last one"]);
        let log = status(&wording(), &view(&round), false);
        shows(&log, &["<@100> looked at a reported candidate and kept it"]);
        shows(&log, &["<@100> withdrew a candidate"]);
    }

    #[test]
    fn the_result_says_what_was_left_out() {
        let mut round = rating(terms(RatingMode::Reactions), &CANDIDATES);
        read_two_each(&mut round);
        let [a, ..] = keys(&round);
        round
            .redraft_without(a, ORGANISER, at(24 * 60 + 20))
            .unwrap();
        draft(
            &mut round,
            &["Buy a machine for tea, and leave the coffee to the shop next door."],
        );
        let open = drawn(&round, Item::RatingOpen { stage: 1 });
        shows(&open, &["**Candidates were drafted anew.**"]);
        assert_eq!(open.mentions, None);
        check_everything(&round);
        conclude(&mut round);
        shows(
            &drawn(&round, Item::Result),
            &["2 opinions were not read any more when candidates were drafted anew."],
        );
        check_everything(&round);
    }

    #[test]
    fn what_is_posted_after_a_second_drafting_is_announced_like_the_first() {
        let mut round = under_review();
        round.redraft(0, ORGANISER, at(24 * 60 + 9)).unwrap();
        draft(
            &mut round,
            &["Buy a machine for tea, and leave the coffee to the shop next door."],
        );
        round.post_reviewed(1, ORGANISER, at(24 * 60 + 19)).unwrap();
        show_all(&mut round);
        round.open_rating(at(24 * 60 + 20));
        let open = drawn(&round, Item::RatingOpen { stage: 1 });
        shows(&open, &["<@&77> **Rating is open.**"]);
        assert_eq!(open.mentions, round.terms.notify);
    }
}
