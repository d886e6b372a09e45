//! "What became of my contribution?"

use super::Look;
use super::phrases::{agreement, decimal, excerpt};
use super::standing::{Standing, rated, standings};
use crate::deliberation::id::Member;
use crate::deliberation::round::{Candidate, Opinion, Round, RoundResult};
use crate::discord::wording::Wording;

/// What the member wrote, which drafts read it, and how the member took the result. Nothing is said
/// of results or predictions before there is one.
pub fn mine(wording: &Wording, round: &Round, member: Member) -> Look {
    let mut lines = vec![wording.say("mine-title", &[("round", round.key.number.into())])];
    let opinion = round.opinions.get(&member);
    match opinion {
        None => lines.push(wording.say("mine-no-opinion", &[])),
        Some(opinion) => lines.extend(what_became(wording, round, member, opinion)),
    }
    match round.result() {
        Some(result) => lines.extend(own_ratings(wording, round, result, member)),
        None if !round.is_open() => lines.push(wording.say("mine-cancelled", &[])),
        None if opinion.is_some() => lines.push(wording.say("mine-later", &[])),
        None => {}
    }
    if let Some(text) = opinion.and_then(|opinion| opinion.text.as_ref()) {
        lines.push(wording.say("mine-text", &[]));
        lines.push(excerpt(text, OWN_OPINION));
    }
    Look::of(lines.join("\n"))
}

/// With room for all else.
const OWN_OPINION: usize = 900;

fn what_became(wording: &Wording, round: &Round, member: Member, opinion: &Opinion) -> Vec<String> {
    if opinion.late {
        return vec![wording.say("mine-late", &[])];
    }
    let mut lines = Vec::new();
    if round.candidates.is_empty() {
        return lines;
    }
    if opinion.left_out {
        lines.push(wording.say("mine-left-out", &[]));
    }
    let read = |candidate: &Candidate| candidate.provenance.opinions_read.contains(&member);
    let drafts = round.candidates.iter().filter(|candidate| read(candidate));
    lines.push(wording.say(
        "mine-drafts",
        &[
            ("read", drafts.count().into()),
            ("drafts", round.candidates.len().into()),
        ],
    ));
    if let Some(result) = round.result() {
        let standings = standings(round, result);
        let letters: Vec<&str> = standings
            .iter()
            .filter(|standing| read(standing.candidate))
            .map(|standing| standing.letter.as_str())
            .collect();
        if read(standings[0].candidate) {
            lines.push(wording.say("mine-winner-read", &[]));
        } else {
            lines.push(wording.say("mine-winner-not-read", &[]));
        }
        if !letters.is_empty() {
            lines.push(wording.say("mine-posted", &[("letters", letters.join(", ").into())]));
        }
    }
    if round.critiques.keys().any(|(_, critic)| *critic == member) {
        let of_use = |candidate: &Candidate| candidate.provenance.critiques_read.contains(&member);
        let revised = round
            .candidates
            .iter()
            .filter(|candidate| of_use(candidate));
        lines.push(wording.say("mine-critique", &[("drafts", revised.count().into())]));
    }
    lines
}

fn own_ratings(
    wording: &Wording,
    round: &Round,
    result: &RoundResult,
    member: Member,
) -> Vec<String> {
    let standings = standings(round, result);
    let winner: &Standing<'_> = &standings[0];
    let real = rated(round, winner.key, member);
    let predicted = winner.candidate.predictions.get(&member);
    let mut lines = vec![match real {
        Some(rating) => wording.say(
            "mine-rating",
            &[("rating", agreement(wording, rating).into())],
        ),
        None => wording.say("mine-not-rated", &[]),
    }];
    if let Some(distribution) = predicted {
        let predicted = decimal(wording, distribution.mean());
        lines.push(match real {
            Some(_) => wording.say("mine-predicted", &[("predicted", predicted.into())]),
            None if round.ranks_by_real_ratings(&result.candidates) => wording.say(
                "mine-predicted-not-counted",
                &[("predicted", predicted.into())],
            ),
            None => wording.say("mine-predicted-counted", &[("predicted", predicted.into())]),
        });
    }
    lines
}
