//! The short messages of a round: too few opinions, a candidate, rating is open, closes early, no
//! result.

use super::look::DESCRIPTION;
use super::phrases::{deadline, on};
use super::result::log;
use super::state::{cancellation, opinions};
use super::{Button, Embed, Look};
use crate::deliberation::round::{Cancellation, CandidateKey, Phase, RatingMode, Round};
use crate::discord::custom_id::CustomId;
use crate::discord::neutral;
use crate::discord::wording::Wording;

/// Asks the organisers what to do.
pub fn too_few(wording: &Wording, round: &Round) -> Look {
    let number = round.key.number;
    let waiting = matches!(round.phase, Phase::TooFew { .. });
    let lines = if waiting {
        vec![
            wording.say("too-few", &[("round", number.into())]),
            opinions(wording, round),
            wording.say("too-few-choice", &[]),
        ]
    } else {
        vec![wording.say("too-few-decided", &[("round", number.into())])]
    };
    Look::of(lines.join("\n")).buttons([
        Button::main(
            CustomId::Extend { round: number },
            wording.say("button-extend", &[]),
        )
        .disabled(!waiting),
        Button::dangerous(
            CustomId::End { round: number },
            wording.say("button-end", &[]),
        )
        .disabled(!waiting),
    ])
}

/// One candidate, without anything that sets it apart from the others.
pub fn candidate(wording: &Wording, round: &Round, stage: u8, key: CandidateKey) -> Look {
    let report = Button::other(
        CustomId::Candidate {
            round: round.key.number,
            stage,
            candidate: key,
        },
        wording.say("button-report", &[]),
    );
    let candidate = round.candidate(key);
    if candidate.withdrawn_at.is_some() {
        // Its text is what it was withdrawn for.
        let withdrawn = wording.say("candidate-was-withdrawn", &[]);
        return Look::of(withdrawn).buttons([report.disabled(true)]);
    }
    let footer = if is_in_play(round, stage) {
        wording.say("candidate-footer", &[])
    } else {
        wording.say("candidate-footer-closed", &[])
    };
    Look::default()
        .embed(Embed::of(neutral::text(&candidate.text, DESCRIPTION)).footer(footer))
        .buttons([report])
}

/// How to rate, until when, and who counts.
pub fn rating_open(wording: &Wording, round: &Round, stage: u8) -> Look {
    let number = round.key.number;
    let rate = Button::main(
        CustomId::Rate {
            round: number,
            stage,
        },
        wording.say("button-rate", &[]),
    );
    let closes = round.rating_closes().filter(|_| is_in_play(round, stage));
    let Some(closes) = closes else {
        let closed = wording.say("rating-closed", &[]);
        return Look::of(closed).buttons([rate.disabled(true)]);
    };
    let when = deadline(closes);
    let before = &round.stages[..usize::from(stage)];
    let mut rated = before
        .iter()
        .filter(|stage| stage.rating_opened_at.is_some());
    let revised = rated.clone().any(|stage| !stage.set_aside);
    let first = rated.next().is_none();
    // The second and last ping of a round.
    let notify = round.terms.notify.filter(|_| first);
    let mut lines = vec![match notify {
        Some(role) => wording.say(
            "rating-open-notify",
            &[
                ("role", format!("<@&{role}>").into()),
                ("when", when.into()),
            ],
        ),
        None if first => wording.say("rating-open", &[("when", when.into())]),
        None if revised => wording.say("rating-open-revised", &[("when", when.into())]),
        None => wording.say("rating-open-anew", &[("when", when.into())]),
    }];
    match round.terms.rating {
        RatingMode::Reactions => lines.extend([
            wording.say("rating-how-reactions", &[]),
            wording.say("rating-how-instead", &[]),
        ]),
        RatingMode::Private => lines.push(wording.say("rating-how-private", &[])),
    }
    lines.push(wording.say("rating-who-counts", &[]));
    lines.push(wording.say("rating-closes-when-all", &[]));
    if round.is_to_be_revised() {
        lines.push(wording.say("state-revision-follows", &[]));
    }
    Look::of(lines.join("\n")).buttons([rate]).mention(notify)
}

/// Rating closes earlier than was said, or no longer does.
pub fn closing_early(wording: &Wording, round: &Round, stage: u8) -> Look {
    let number = round.key.number;
    let early = round.stages[usize::from(stage)].early_close_at.is_some();
    let content = match round.rating_closes() {
        Some(closes) if is_in_play(round, stage) => {
            let when = deadline(closes);
            if early {
                wording.say("closing-early", &[("when", when.into())])
            } else {
                wording.say("closing-early-no-more", &[("when", when.into())])
            }
        }
        _ => wording.say("rating-closed", &[]),
    };
    Look::of(content).buttons([Button::other(
        CustomId::Status {
            round: number,
            stage,
        },
        wording.say("button-status", &[]),
    )])
}

/// There is no result; opinions are handed back.
pub fn cancelled(wording: &Wording, round: &Round, why: Cancellation) -> Look {
    let number = round.key.number;
    let expires = round.texts_expire_at();
    let lines = [
        wording.say("cancelled-title", &[("round", number.into())]),
        cancellation(wording, why),
        match expires {
            Some(when) => wording.say("cancelled-handback", &[("when", on(when).into())]),
            None => wording.say("privacy-deleted", &[]),
        },
    ];
    let handback = Button::main(
        CustomId::Handback { round: number },
        wording.say("button-handback", &[]),
    );
    Look::of(lines.join("\n"))
        .embed(Embed::default().field(wording.say("log-heading", &[]), log(wording, round)))
        .buttons([handback.disabled(expires.is_none())])
}

/// Whether the candidates of a stage are being posted or rated.
fn is_in_play(round: &Round, stage: u8) -> bool {
    let last = usize::from(stage) + 1 == round.stages.len();
    last && matches!(round.phase, Phase::Posting { .. } | Phase::Rating { .. })
}
