//! Where a round stands, in sentences.

use super::phrases::{deadline, from_now, on};
use crate::deliberation::outcome::Outcome;
use crate::deliberation::round::{Cancellation, LONGEST_PHASE, Phase, Round, Time};
use crate::discord::wording::Wording;
use crate::facilitator::platform::{Progress, View};

/// One sentence a line.
pub fn state(wording: &Wording, view: &View<'_>) -> String {
    let round = view.round;
    let lines = match &round.phase {
        Phase::Opinions { closes, extended } => {
            let mut lines = vec![
                opinions(wording, round),
                wording.say(
                    "state-opinions-close",
                    &[("when", deadline(*closes).into())],
                ),
            ];
            if *extended {
                lines.push(wording.say("state-extended", &[]));
            }
            lines
        }
        Phase::TooFew { .. } => vec![opinions(wording, round), wording.say("state-too-few", &[])],
        Phase::Drafting {
            failures,
            retry_at,
            too_slow,
            ..
        } => {
            let mut lines = drafting(wording, round, view.progress, *failures, *retry_at);
            if retry_at.is_some() && *too_slow {
                lines.push(wording.say("state-too-slow", &[]));
            }
            lines
        }
        Phase::Review { .. } => vec![wording.say("state-review", &[])],
        Phase::Posting { .. } => vec![wording.say("state-posting", &[])],
        Phase::Rating { .. } => rating(wording, round),
        Phase::Concluded { at, result } => vec![
            outcome(wording, result.conclusion.outcome),
            wording.say("state-concluded", &[("when", on(*at).into())]),
        ],
        Phase::Cancelled { at, why } => vec![
            wording.say("state-cancelled", &[("when", on(*at).into())]),
            cancellation(wording, *why),
        ],
    };
    lines.join("\n")
}

/// "2 of 5 opinions", as long as more are needed.
pub fn opinions(wording: &Wording, round: &Round) -> String {
    let (opinions, minimum) = (round.opinions.len(), round.terms.minimum);
    if opinions < minimum {
        wording.say(
            "opinions-of-minimum",
            &[("opinions", opinions.into()), ("minimum", minimum.into())],
        )
    } else {
        wording.say("opinions", &[("opinions", opinions.into())])
    }
}

/// What the ratings amount to, in one sentence.
pub fn outcome(wording: &Wording, outcome: Outcome) -> String {
    match outcome {
        Outcome::Consensus => wording.say("outcome-consensus", &[]),
        Outcome::Contested => wording.say("outcome-contested", &[]),
        Outcome::None => wording.say("outcome-none", &[]),
        Outcome::Unrated => wording.say("outcome-unrated", &[]),
    }
}

/// Why there is no result.
pub fn cancellation(wording: &Wording, why: Cancellation) -> String {
    match why {
        Cancellation::ByOrganiser => wording.say("cancelled-by-organiser", &[]),
        Cancellation::TooFew => wording.say("cancelled-too-few", &[]),
        Cancellation::PlaceGone => wording.say("cancelled-place-gone", &[]),
        Cancellation::NoCandidateLeft => wording.say("cancelled-no-candidate", &[]),
        Cancellation::Stalled => {
            let days = LONGEST_PHASE.num_days();
            wording.say("cancelled-stalled", &[("days", days.into())])
        }
    }
}

/// The same, in a word or two.
pub fn phase(wording: &Wording, round: &Round) -> String {
    match &round.phase {
        Phase::Opinions { closes, .. } => {
            wording.say("phase-opinions", &[("when", from_now(*closes).into())])
        }
        Phase::TooFew { .. } => wording.say("phase-too-few", &[]),
        Phase::Drafting { .. } | Phase::Posting { .. } => wording.say("phase-drafting", &[]),
        Phase::Review { .. } => wording.say("phase-review", &[]),
        Phase::Rating { closes, .. } => wording.say(
            "phase-rating",
            &[(
                "when",
                from_now(round.rating_closes().unwrap_or(*closes)).into(),
            )],
        ),
        Phase::Concluded { result, .. } => match result.conclusion.outcome {
            Outcome::Consensus => wording.say("phase-consensus", &[]),
            Outcome::Contested => wording.say("phase-contested", &[]),
            Outcome::None => wording.say("phase-none", &[]),
            Outcome::Unrated => wording.say("phase-unrated", &[]),
        },
        Phase::Cancelled { .. } => wording.say("phase-cancelled", &[]),
    }
}

fn drafting(
    wording: &Wording,
    round: &Round,
    progress: Progress,
    failures: u32,
    retry_at: Option<Time>,
) -> Vec<String> {
    let mut lines = Vec::new();
    let opinions = round.read_opinions().count();
    if round.is_being_revised() {
        lines.push(wording.say("state-revising", &[]));
    } else if round.stages.is_empty() {
        lines.push(wording.say("state-drafting", &[("opinions", opinions.into())]));
    } else {
        lines.push(wording.say("state-redrafting", &[("opinions", opinions.into())]));
    }
    match (retry_at, progress.position) {
        (Some(retry_at), _) => lines.push(wording.say(
            "state-drafting-failed",
            &[
                ("failures", failures.into()),
                ("when", from_now(retry_at).into()),
            ],
        )),
        (None, Some(0)) => {
            lines.push(wording.say(
                "state-drafts",
                &[
                    ("drafted", progress.drafted.into()),
                    ("wanted", progress.wanted.into()),
                ],
            ));
        }
        (None, Some(before)) => {
            lines.push(wording.say("state-queue", &[("before", before.into())]));
        }
        (None, None) => {}
    }
    lines
}

fn rating(wording: &Wording, round: &Round) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(closes) = round.rating_closes() {
        lines.push(wording.say("state-rating-closes", &[("when", deadline(closes).into())]));
    }
    lines.push(wording.say(
        "state-rated",
        &[
            ("rated", round.participants_done().into()),
            ("participants", round.opinions.len().into()),
        ],
    ));
    if round.is_to_be_revised() {
        lines.push(wording.say("state-revision-follows", &[]));
    }
    lines
}
