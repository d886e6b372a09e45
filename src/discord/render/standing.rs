//! The candidates of a result in the group's order, and what people made of them.

use super::phrases::{decimal, letter, percent, spread};
use crate::chart::Chart;
use crate::chart::ratings::{RatingsRow, RatingsWords, ratings_chart};
use crate::deliberation::certainty::{Agreement, LEVEL};
use crate::deliberation::id::Member;
use crate::deliberation::outcome::Spread;
use crate::deliberation::rating::Likert;
use crate::deliberation::round::{Candidate, CandidateKey, Round, RoundResult};
use crate::deliberation::welfare::WelfareFunction;
use crate::discord::wording::Wording;

/// A candidate of a result.
pub struct Standing<'a> {
    /// "A" is the group's statement.
    pub letter: String,
    /// Its column in the conclusion.
    pub column: usize,
    pub key: CandidateKey,
    pub candidate: &'a Candidate,
    pub welfare: f64,
    /// Over the participants.
    pub spread: Spread,
}

/// Best first.
pub fn standings<'a>(round: &'a Round, result: &RoundResult) -> Vec<Standing<'a>> {
    let ranking = result.conclusion.ranking.iter().enumerate();
    ranking
        .map(|(place, ranked)| {
            let key = result.candidates[ranked.candidate];
            let ratings = round.opinions.keys();
            Standing {
                letter: letter(place),
                column: ranked.candidate,
                key,
                candidate: round.candidate(key),
                welfare: ranked.welfare,
                spread: Spread::of(ratings.map(|&member| rated(round, key, member))),
            }
        })
        .collect()
}

/// The agreement that a member really gave.
pub fn rated(round: &Round, key: CandidateKey, member: Member) -> Option<Likert> {
    round.ratings.get(&(key, member))?.agreement
}

/// How often participants gave each rating from 1 to 7, and how often it is only predicted for one.
pub fn times_rated(round: &Round, result: &RoundResult, key: CandidateKey) -> [[usize; 7]; 2] {
    let by_real_ratings = round.ranks_by_real_ratings(&result.candidates);
    let (mut rated, mut predicted) = ([0; 7], [0; 7]);
    for &member in round.opinions.keys() {
        match round.agreement(key, member) {
            Some(Agreement::Real(rating)) => rated[usize::from(u8::from(rating)) - 1] += 1,
            Some(Agreement::Predicted(distribution)) if !by_real_ratings => {
                predicted[distribution.mean().round().clamp(1.0, 7.0) as usize - 1] += 1;
            }
            _ => {}
        }
    }
    [rated, predicted]
}

/// What a candidate is worth by a welfare function.
pub fn welfare(wording: &Wording, function: WelfareFunction, welfare: f64) -> String {
    match function {
        WelfareFunction::Alpha(_) => decimal(wording, welfare),
        // A number of candidates.
        WelfareFunction::Schulze => welfare.to_string(),
    }
}

/// How sure the choice is: as a number only where the reward model has shown that its numbers can be
/// believed. `None` where there was no choice, or nothing is predicted.
pub fn certainty(wording: &Wording, round: &Round, result: &RoundResult) -> Option<String> {
    let table = round.table(&result.candidates);
    let predicted = |agreement: &Agreement| matches!(agreement, Agreement::Predicted(_));
    if result.candidates.len() < 2
        || round.ranks_by_real_ratings(&result.candidates)
        || !table.iter().flatten().any(predicted)
    {
        return None;
    }
    let conclusion = &result.conclusion;
    if !result.calibrated {
        return Some(match conclusion.practically_equal {
            None => wording.say("certainty-clear", &[]),
            Some(_) => wording.say("certainty-close", &[]),
        });
    }
    let best = wording.say(
        "certainty-best",
        &[("share", percent(conclusion.certainty).into())],
    );
    Some(match conclusion.welfare_interval {
        None => best,
        Some([low, high]) => {
            let interval = wording.say(
                "certainty-welfare",
                &[
                    ("level", percent(LEVEL).into()),
                    ("low", decimal(wording, low).into()),
                    ("high", decimal(wording, high).into()),
                ],
            );
            format!("{best} {interval}")
        }
    })
}

/// Everybody's ratings of every candidate; `None` when everybody had them erased.
pub fn chart(wording: &Wording, round: &Round, result: &RoundResult) -> Option<Chart> {
    if round.opinions.is_empty() {
        return None;
    }
    let rows: Vec<RatingsRow> = standings(round, result)
        .iter()
        .enumerate()
        .map(|(place, standing)| row(wording, round, result, standing, place == 0))
        .collect();
    Some(ratings_chart(
        &rows,
        &RatingsWords {
            title: wording.say("page-candidates", &[]),
            // They stand beside it.
            question: String::new(),
            statement: String::new(),
            agree: wording.say("chart-agree", &[]),
            neutral: wording.say("chart-neutral", &[]),
            dissent: wording.say("chart-dissent", &[]),
            rated: wording.say("chart-rated", &[]),
            predicted: wording.say("chart-predicted", &[]),
            participants: wording.say("chart-participants", &[]),
            ratings: wording.say("chart-ratings", &[]),
            welfare: wording.say("chart-welfare", &[]),
            chosen: wording.say("chart-chosen", &[]),
        },
    ))
}

fn row(
    wording: &Wording,
    round: &Round,
    result: &RoundResult,
    standing: &Standing<'_>,
    chosen: bool,
) -> RatingsRow {
    let [rated, predicted] = times_rated(round, result, standing.key);
    let welfare = welfare(wording, round.terms.welfare, standing.welfare);
    let told = wording.say(
        "chart-told",
        &[
            ("letter", standing.letter.as_str().into()),
            ("chosen", if chosen { "yes" } else { "no" }.into()),
            ("spread", spread(wording, &standing.spread).into()),
            ("predicted", predicted.iter().sum::<usize>().into()),
            ("welfare", welfare.as_str().into()),
        ],
    );
    RatingsRow {
        label: standing.letter.clone(),
        chosen,
        note: wording.say(
            "chart-note",
            &[
                ("rated", standing.spread.rated().into()),
                ("participants", standing.spread.participants.into()),
            ],
        ),
        welfare,
        rated,
        predicted,
        told,
    }
}
