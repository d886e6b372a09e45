//! The result: the statement, how people took it, and what may not be left unsaid about it.

use super::look::CONTENT;
use super::phrases::{excerpt, on, person, quote, spread};
use super::standing::{Standing, certainty, chart, rated, standings};
use super::{Button, Embed, Look};
use crate::deliberation::outcome::{Outcome, Spread};
use crate::deliberation::round::{Act, Opinion, Round, RoundResult, Verdict};
use crate::discord::custom_id::CustomId;
use crate::discord::neutral;
use crate::discord::wording::Wording;

pub fn result(wording: &Wording, round: &Round, result: &RoundResult) -> Look {
    let number = round.key.number;
    let standings = standings(round, result);
    let title = outcome(wording, round, result);
    let question = neutral::line(&round.question, QUESTION);
    let before = format!("**{question}**\n{title}");
    let after = how_taken(wording, result);

    let statements = statements(wording, result, &standings);
    let whole = format!("{before}\n{statements}\n{after}");
    let (content, mut embed) = if whole.chars().count() <= CONTENT {
        (whole, Embed::default())
    } else {
        (format!("{before}\n{after}"), Embed::of(statements))
    };
    if let Some(given) = answer(wording, round) {
        embed = embed.field(wording.say("answer-heading", &[]), given);
    }
    embed = embed
        .field(
            wording.say("result-notes", &[]),
            notes(wording, round, result, &standings),
        )
        .field(wording.say("log-heading", &[]), log(wording, round));
    Look::of(content)
        .embed(embed)
        .chart(chart(wording, round, result))
        .buttons([
            Button::main(
                CustomId::Why { round: number },
                wording.say("button-why", &[]),
            ),
            Button::other(
                CustomId::Mine { round: number },
                wording.say("button-mine", &[]),
            ),
        ])
}

const QUESTION: usize = 300;

/// The outcome in bold, and what it means.
pub fn outcome(wording: &Wording, round: &Round, result: &RoundResult) -> String {
    let number = round.key.number;
    match result.conclusion.outcome {
        Outcome::Consensus => wording.say("result-consensus", &[("round", number.into())]),
        Outcome::Contested => wording.say("result-contested", &[("round", number.into())]),
        Outcome::None => wording.say("result-none", &[("round", number.into())]),
        Outcome::Unrated if round.ranks_by_real_ratings(&result.candidates) => {
            wording.say("result-few-rated", &[("round", number.into())])
        }
        Outcome::Unrated => wording.say("result-unrated", &[("round", number.into())]),
    }
}

/// Of each of two statements that are shown together.
const ONE_OF_TWO: usize = 1900;

/// The group's statement, and the other one where they are practically equal.
fn statements(wording: &Wording, result: &RoundResult, standings: &[Standing<'_>]) -> String {
    let rival = result.conclusion.practically_equal;
    let rival = rival.and_then(|column| standings.iter().find(|other| other.column == column));
    let winner = &standings[0];
    match rival {
        None => quote(&neutral::text(&winner.candidate.text, STATEMENT)),
        Some(rival) => {
            let shown = |standing: &Standing<'_>| {
                format!(
                    "**{}**\n{}",
                    standing.letter,
                    quote(&neutral::text(&standing.candidate.text, ONE_OF_TWO))
                )
            };
            format!(
                "{}\n{}\n{}",
                shown(winner),
                shown(rival),
                wording.say(
                    "result-practically-equal",
                    &[("letter", winner.letter.as_str().into())],
                )
            )
        }
    }
}

/// As long as a candidate can be, once it is quoted.
const STATEMENT: usize = 4000;

fn how_taken(wording: &Wording, result: &RoundResult) -> String {
    let taken = taken(wording, &result.conclusion.spread);
    format!("{taken}\n{}", wording.say("result-written-by-model", &[]))
}

/// How many rated the statement, and how.
pub fn taken(wording: &Wording, people: &Spread) -> String {
    if people.rated() == 0 {
        wording.say(
            "result-nobody-rated",
            &[("participants", people.participants.into())],
        )
    } else {
        wording.say(
            "result-rated",
            &[
                ("rated", people.rated().into()),
                ("participants", people.participants.into()),
                ("spread", spread(wording, people).into()),
            ],
        )
    }
}

fn notes(
    wording: &Wording,
    round: &Round,
    result: &RoundResult,
    standings: &[Standing<'_>],
) -> String {
    let conclusion = &result.conclusion;
    let winner = &standings[0];
    let mut lines = Vec::new();
    if round.ranks_by_real_ratings(&result.candidates) {
        lines.push(wording.say("result-real-ratings-only", &[]));
    } else if conclusion.spread.rated() < conclusion.spread.participants {
        lines.push(wording.say("result-predicted", &[]));
    }
    // That it is close is said where the two statements stand.
    if result.calibrated || conclusion.practically_equal.is_none() {
        lines.extend(certainty(wording, round, result));
    }
    let better = conclusion
        .best_by_real_ratings
        .filter(|&column| column != winner.column)
        .and_then(|column| standings.iter().find(|other| other.column == column));
    if let Some(better) = better {
        lines.push(wording.say(
            "result-real-ratings-differ",
            &[
                ("letter", better.letter.as_str().into()),
                (
                    "statement",
                    neutral::line(&better.candidate.text, OTHER_STATEMENT).into(),
                ),
            ],
        ));
    }
    lines.extend(circumstances(wording, round, winner));
    lines.join("\n")
}

const OTHER_STATEMENT: usize = 300;

/// What else has to be known of how the statement came about, and of who else rated it.
pub fn circumstances(wording: &Wording, round: &Round, winner: &Standing<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let read = winner.candidate.provenance.opinions_read.len();
    let of_use = |opinion: &&Opinion| !opinion.late && !opinion.left_out;
    let opinions = round.opinions.values().filter(of_use).count();
    if read < opinions {
        lines.push(wording.say(
            "result-subsets",
            &[("read", read.into()), ("opinions", opinions.into())],
        ));
    }
    let left_out = |opinion: &&Opinion| opinion.left_out && !opinion.late;
    let left_out = round.opinions.values().filter(left_out).count();
    if left_out > 0 {
        lines.push(wording.say("result-left-out", &[("opinions", left_out.into())]));
    }
    let late = round
        .opinions
        .values()
        .filter(|opinion| opinion.late)
        .count();
    if late > 0 {
        lines.push(wording.say("result-late", &[("late", late.into())]));
    }
    let others = others(round, winner);
    if others.rated() > 0 {
        lines.push(wording.say(
            "result-others",
            &[
                ("people", others.rated().into()),
                ("spread", spread(wording, &others).into()),
            ],
        ));
    }
    let critiques = winner.candidate.provenance.critiques_read.len();
    if critiques > 0 {
        lines.push(wording.say("result-revised", &[("critiques", critiques.into())]));
    }
    lines
}

/// What those who gave no opinion make of the statement: it counts for nothing.
fn others(round: &Round, winner: &Standing<'_>) -> Spread {
    let raters = round.ratings.keys().filter(|(key, _)| *key == winner.key);
    let outsiders = raters.filter(|(_, member)| !round.opinions.contains_key(member));
    Spread::of(outsiders.map(|&(key, member)| rated(round, key, member)))
}

/// What the organisers make of the result.
pub fn answer(wording: &Wording, round: &Round) -> Option<String> {
    let answer = round.answer.as_ref()?;
    let (who, when) = (person(wording, answer.by), on(answer.at));
    let (who, when) = (who.as_str(), when.as_str());
    let verdict = match answer.verdict {
        Verdict::Adopted => wording.say(
            "answer-adopted",
            &[("who", who.into()), ("when", when.into())],
        ),
        Verdict::Partly => wording.say(
            "answer-partly",
            &[("who", who.into()), ("when", when.into())],
        ),
        Verdict::Rejected => wording.say(
            "answer-rejected",
            &[("who", who.into()), ("when", when.into())],
        ),
    };
    Some(match &answer.reasons {
        Some(reasons) => format!("{verdict}\n{}", excerpt(reasons, REASONS)),
        None => verdict,
    })
}

const REASONS: usize = 700;

/// What organisers did, one act a line; the last acts where there are too many.
pub fn log(wording: &Wording, round: &Round) -> String {
    let mut left = LOG;
    let mut lines: Vec<String> = round
        .log
        .iter()
        .rev()
        .map(|entry| {
            let who = entry.by.map_or_else(
                || wording.say("person-accord", &[]),
                |member| person(wording, member),
            );
            let act = act(wording, &entry.act, &who);
            format!("{} {act}", on(entry.at))
        })
        .take_while(|line| {
            let length = line.chars().count() + 1;
            let fits = length <= left;
            left = left.saturating_sub(length);
            fits
        })
        .collect();
    lines.reverse();
    lines.join("\n")
}

/// In characters, below the limit of a field.
const LOG: usize = 1000;

fn act(wording: &Wording, act: &Act, who: &str) -> String {
    match act {
        Act::Opened => wording.say("log-opened", &[("who", who.into())]),
        Act::Extended { closes } => wording.say(
            "log-extended",
            &[("who", who.into()), ("when", on(*closes).into())],
        ),
        Act::ClosedEarly => wording.say("log-closed-early", &[("who", who.into())]),
        Act::Cancelled => wording.say("log-cancelled", &[("who", who.into())]),
        Act::Answered => wording.say("log-answered", &[("who", who.into())]),
        Act::CandidateWithdrawn(_) => wording.say("log-candidate-withdrawn", &[]),
        Act::RetriedDrafting => wording.say("log-retried", &[("who", who.into())]),
        Act::Withheld(_) => wording.say("log-withheld", &[("who", who.into())]),
        Act::Reviewed => wording.say("log-reviewed", &[("who", who.into())]),
        Act::Kept(_) => wording.say("log-kept", &[("who", who.into())]),
        Act::Withdrawn(_) => wording.say("log-withdrawn", &[("who", who.into())]),
        Act::Redrafted => wording.say("log-redrafted", &[("who", who.into())]),
        Act::RedraftedWithout { opinions, .. } => wording.say(
            "log-redrafted-without",
            &[("who", who.into()), ("opinions", (*opinions).into())],
        ),
    }
}
