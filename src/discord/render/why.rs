//! "How was this chosen?"

use super::phrases::{decimal, welfare_function};
use super::standing::{Standing, certainty, chart, rated, standings};
use super::{Embed, Look};
use crate::deliberation::arm::Arm;
use crate::deliberation::ranking::rank;
use crate::deliberation::rating::RatingMatrix;
use crate::deliberation::round::{CandidateKey, Provenance, Round, RoundResult};
use crate::deliberation::welfare::{InequalityAversion, WelfareFunction};
use crate::discord::neutral;
use crate::discord::wording::Wording;

/// Every candidate with what it is worth under each welfare function, what was predicted and what
/// was really rated, and which models did it.
pub fn why(wording: &Wording, round: &Round) -> Look {
    let Some(result) = round.result() else {
        return Look::of(wording.say("no-result-yet", &[]));
    };
    let standings = standings(round, result);
    let worth = worth(round, &result.candidates);
    let embed = standings
        .iter()
        .fold(Embed::default(), |embed, standing| {
            embed.field(
                heading(wording, standing),
                about(wording, round, standing, worth.as_ref()),
            )
        })
        .footer(wording.say("why-scale", &[]));
    Look::of(introduction(wording, round, result, &standings))
        .embed(embed)
        .chart(chart(wording, round, result))
}

fn introduction(
    wording: &Wording,
    round: &Round,
    result: &RoundResult,
    standings: &[Standing<'_>],
) -> String {
    let made = made(standings);
    let mut lines = vec![wording.say("why-title", &[("round", round.key.number.into())])];
    lines.extend(choice(wording, round, result, standings));
    lines.push(wording.say(
        "why-models",
        &[
            ("generator", neutral::line(&made.generator, MODEL).into()),
            (
                "rewardmodel",
                neutral::line(&made.reward_model, MODEL).into(),
            ),
        ],
    ));
    lines.join("\n")
}

const MODEL: usize = 150;

/// How many there were, by what they are ranked, and how sure that is.
pub fn choice(
    wording: &Wording,
    round: &Round,
    result: &RoundResult,
    standings: &[Standing<'_>],
) -> Vec<String> {
    let mut lines = vec![wording.say(
        "why-drafts",
        &[
            ("drafts", round.candidates.len().into()),
            ("posted", result.candidates.len().into()),
        ],
    )];
    let rule = welfare_function(wording, round.terms.welfare).into();
    lines.push(match round.ranks_by_real_ratings(&result.candidates) {
        true => wording.say("why-rule-real-ratings-only", &[("rule", rule)]),
        false => wording.say("why-rule", &[("rule", rule)]),
    });
    lines.extend(certainty(wording, round, result));
    let by_real = result.conclusion.best_by_real_ratings;
    let by_real = by_real.and_then(|column| standings.iter().find(|s| s.column == column));
    if let Some(best) = by_real {
        lines.push(wording.say(
            "why-real-ratings",
            &[("letter", best.letter.as_str().into())],
        ));
    }
    lines
}

/// The models that were at work. In an experiment the candidate that the base model wrote says itself
/// that it did.
pub fn made<'a>(standings: &[Standing<'a>]) -> &'a Provenance {
    let mut provenances = standings.iter().map(|s| &s.candidate.provenance);
    let made = provenances.find(|made| made.arm != Some(Arm::ZeroShot));
    made.unwrap_or(&standings[0].candidate.provenance)
}

/// "A · chosen".
pub fn heading(wording: &Wording, standing: &Standing<'_>) -> String {
    let letter = standing.letter.as_str();
    if letter == "A" {
        wording.say("why-chosen", &[("letter", letter.into())])
    } else {
        wording.say("why-candidate", &[("letter", letter.into())])
    }
}

fn about(
    wording: &Wording,
    round: &Round,
    standing: &Standing<'_>,
    worth: Option<&Vec<Worth>>,
) -> String {
    let mut lines = vec![neutral::line(&standing.candidate.text, STATEMENT)];
    lines.extend(arm(wording, standing));
    if let Some(worth) = worth.and_then(|worth| worth.iter().find(|w| w.column == standing.column))
    {
        lines.push(wording.say(
            "why-welfare",
            &[
                ("utilitarian", decimal(wording, worth.utilitarian).into()),
                ("nash", decimal(wording, worth.nash).into()),
                ("rawlsian", decimal(wording, worth.rawlsian).into()),
                ("schulze", worth.schulze.into()),
                (
                    "others",
                    (round.result().map_or(1, |r| r.candidates.len()) - 1).into(),
                ),
            ],
        ));
    }
    lines.push(ratings(wording, round, standing));
    lines.join("\n")
}

const STATEMENT: usize = 400;

/// How a candidate of an experiment came about.
pub fn arm(wording: &Wording, standing: &Standing<'_>) -> Option<String> {
    Some(match standing.candidate.provenance.arm? {
        Arm::Accord => wording.say("why-arm-accord", &[]),
        Arm::Sft => wording.say("why-arm-sft", &[]),
        Arm::ZeroShot => wording.say("why-arm-zero-shot", &[]),
    })
}

/// The mean of the real ratings, and of the predictions for those same people.
pub fn ratings(wording: &Wording, round: &Round, standing: &Standing<'_>) -> String {
    let pairs: Vec<(f64, Option<f64>)> = round
        .opinions
        .keys()
        .filter_map(|&member| {
            let real = rated(round, standing.key, member)?;
            let predicted = standing.candidate.predictions.get(&member);
            Some((
                real.into(),
                predicted.map(|distribution| distribution.mean()),
            ))
        })
        .collect();
    if pairs.is_empty() {
        return match round.terms.real_ratings_only {
            true => wording.say("why-not-rated-at-all", &[]),
            false => wording.say("why-not-rated", &[]),
        };
    }
    let people = pairs.len();
    let real = pairs.iter().map(|(real, _)| real).sum::<f64>() / people as f64;
    let both: Vec<f64> = pairs
        .iter()
        .filter_map(|(_, predicted)| *predicted)
        .collect();
    let real = decimal(wording, real);
    if both.len() < people {
        return wording.say(
            "why-rated",
            &[
                ("rated", people.into()),
                ("participants", round.opinions.len().into()),
                ("real", real.into()),
            ],
        );
    }
    let predicted = both.iter().sum::<f64>() / people as f64;
    wording.say(
        "why-rated-and-predicted",
        &[
            ("rated", people.into()),
            ("participants", round.opinions.len().into()),
            ("real", real.into()),
            ("predicted", decimal(wording, predicted).into()),
        ],
    )
}

/// What a candidate is worth to the group under each welfare function.
pub struct Worth {
    pub column: usize,
    pub utilitarian: f64,
    pub nash: f64,
    pub rawlsian: f64,
    pub schulze: f64,
}

/// `None` when nobody is left who took part.
pub fn worth(round: &Round, candidates: &[CandidateKey]) -> Option<Vec<Worth>> {
    let rows = round.table(candidates).into_iter();
    let rows = rows.map(|row| row.iter().map(|agreement| agreement.rating()).collect());
    let matrix = RatingMatrix::new(rows.collect()).ok()?;
    let under = |function| {
        let mut welfare = vec![0.0; candidates.len()];
        for ranked in rank(&matrix, function) {
            welfare[ranked.candidate] = ranked.welfare;
        }
        welfare
    };
    let utilitarian = under(WelfareFunction::Alpha(InequalityAversion::UTILITARIAN));
    let nash = under(WelfareFunction::Alpha(InequalityAversion::NASH));
    let rawlsian = under(WelfareFunction::Alpha(InequalityAversion::RAWLSIAN));
    let schulze = under(WelfareFunction::Schulze);
    Some(
        (0..candidates.len())
            .map(|column| Worth {
                column,
                utilitarian: utilitarian[column],
                nash: nash[column],
                rawlsian: rawlsian[column],
                schulze: schulze[column],
            })
            .collect(),
    )
}
