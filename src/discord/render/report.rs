//! The result as a page for the browser, in one file that needs nothing else.
//!
//! It holds what `/round result` shows to everybody and `/round export` gives to managers: no opinion, no
//! member, and nothing that links one to a rating.

use anyhow::{Context, Result};
use chrono::{Datelike, Timelike};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

use super::phrases::{agreement, numeral};
use super::result::{circumstances, outcome, taken};
use super::standing::{Standing, chart, standings, times_rated, welfare};
use super::why::{Worth, arm, choice, heading, made, ratings, worth};
use crate::deliberation::rating::Likert;
use crate::deliberation::round::{Answer, CandidateKey, Round, RoundResult, Time, Verdict};
use crate::deliberation::welfare::{InequalityAversion, WelfareFunction};
use crate::discord::neutral::plain;
use crate::discord::wording::Wording;

/// A round that has a result as HTML, in the language of `wording`.
///
/// # Errors
/// A template of the host's that asks for what there is not.
pub fn report(
    template: &ReportTemplate,
    wording: &Wording,
    round: &Round,
    result: &RoundResult,
) -> Result<String> {
    let page = page(wording, round, result);
    let template = template.0.get_template(ReportTemplate::FILE)?;
    let rendered = template.render(&page);
    rendered.with_context(|| format!("cannot render {}", ReportTemplate::FILE))
}

/// What the page looks like: a file of `config/`. Whatever it shows is escaped.
pub struct ReportTemplate(Environment<'static>);

impl ReportTemplate {
    /// The name of the file.
    pub const FILE: &str = "report.html.j2";

    /// # Errors
    /// A text that is no template.
    pub fn new(text: String) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_keep_trailing_newline(true);
        environment.add_template_owned(Self::FILE, text)?;
        Ok(Self(environment))
    }
}

/// What the template can show, all of it ready to be read.
#[derive(Serialize)]
struct Page {
    /// Of the page, such as `de`.
    language: String,
    words: Words,
    question: String,
    background: Option<String>,
    /// In few words.
    outcome: String,
    /// What that means; may be empty.
    outcome_means: String,
    /// The group's; and the other one where two are practically equal.
    statements: Vec<Statement>,
    practically_equal: Option<String>,
    /// By how many the statement was rated, and how.
    taken: String,
    answer: Option<Answered>,
    /// SVG. `None` when everybody had their ratings erased.
    chart: Option<Value>,
    /// Best first.
    candidates: Vec<Row>,
    /// What 1, 4 and 7 mean.
    scale: String,
    /// First by the function that chose.
    welfare: Vec<Worths>,
    /// How the statement was chosen, in sentences.
    choice: Vec<String>,
    generator: String,
    reward_model: String,
    opened: When,
    ended: Option<When>,
}

/// Headings and the like.
#[derive(Serialize)]
struct Words {
    question: String,
    written_by_model: String,
    answer: String,
    candidates: String,
    rating: String,
    welfare: String,
    function: String,
    chooses: String,
    welfare_scale: String,
    how: String,
    generator: String,
    reward_model: String,
    opened: String,
    ended: String,
    made_by: String,
}

#[derive(Serialize)]
struct Statement {
    letter: String,
    text: String,
}

#[derive(Serialize)]
struct Answered {
    verdict: String,
    reasons: Option<String>,
    at: When,
}

/// A candidate.
#[derive(Serialize)]
struct Row {
    letter: String,
    heading: String,
    text: String,
    /// Over the table of its ratings.
    times_rated: String,
    /// Real ratings and predicted ones.
    ratings: Vec<Times>,
    notes: Vec<String>,
}

/// How often each rating from 1 to 7 was given.
#[derive(Serialize)]
struct Times {
    by: String,
    times: [usize; 7],
}

/// What the candidates are worth by a welfare function, in their order.
#[derive(Serialize)]
struct Worths {
    function: String,
    worth: Vec<String>,
}

#[derive(Serialize)]
struct When {
    /// For programs, as RFC 3339 has it.
    exactly: String,
    shown: String,
}

fn page(wording: &Wording, round: &Round, result: &RoundResult) -> Page {
    let standings = standings(round, result);
    let conclusion = &result.conclusion;
    let winner = &standings[0];
    let rival = conclusion.practically_equal;
    let rival = rival.and_then(|column| standings.iter().find(|other| other.column == column));
    let made = made(&standings);
    let outcome = outcome(wording, round, result);
    let (outcome, outcome_means) = bold_and_rest(&outcome);
    let mut choice = choice(wording, round, result, &standings);
    let by_predictions = !round.ranks_by_real_ratings(&result.candidates);
    if by_predictions && conclusion.spread.rated() < conclusion.spread.participants {
        choice.push(wording.say("result-predicted", &[]));
    }
    choice.extend(circumstances(wording, round, winner));
    Page {
        language: wording.tag(),
        words: words(wording, round),
        question: plain(&round.question),
        background: round.background.as_deref().map(plain),
        outcome: outcome.to_owned(),
        outcome_means: outcome_means.to_owned(),
        statements: [Some(winner), rival]
            .into_iter()
            .flatten()
            .map(|standing| Statement {
                letter: standing.letter.clone(),
                text: plain(&standing.candidate.text),
            })
            .collect(),
        practically_equal: rival.map(|_| {
            let letter = winner.letter.as_str().into();
            wording.say("result-practically-equal", &[("letter", letter)])
        }),
        taken: taken(wording, &conclusion.spread),
        answer: round.answer.as_ref().map(|given| answered(wording, given)),
        chart: chart(wording, round, result).map(|chart| Value::from_safe_string(chart.svg)),
        candidates: standings
            .iter()
            .map(|standing| row(wording, round, result, standing))
            .collect(),
        scale: [Likert::ALL[0], Likert::ALL[3], Likert::ALL[6]]
            .map(|rating| agreement(wording, rating))
            .join(", "),
        welfare: welfare_table(wording, round, result, &standings),
        choice,
        generator: plain(&made.generator),
        reward_model: plain(&made.reward_model),
        opened: when(wording, round.opened_at),
        ended: round.ended_at().map(|at| when(wording, at)),
    }
}

fn words(wording: &Wording, round: &Round) -> Words {
    Words {
        question: wording.say("page-question", &[("round", round.key.number.into())]),
        written_by_model: wording.say("result-written-by-model", &[]),
        answer: wording.say("answer-heading", &[]),
        candidates: wording.say("page-candidates", &[]),
        rating: wording.say("page-rating", &[]),
        welfare: wording.say("page-welfare", &[]),
        function: wording.say("page-function", &[]),
        chooses: wording.say("page-chooses", &[]),
        welfare_scale: wording.say("why-scale", &[]),
        how: wording.say("page-how", &[]),
        generator: wording.say("page-generator", &[]),
        reward_model: wording.say("page-reward-model", &[]),
        opened: wording.say("page-opened", &[]),
        ended: wording.say("page-ended", &[]),
        made_by: wording.say("page-made-by", &[]),
    }
}

/// What a wording for Discord begins with in bold, and what follows: here neither is markdown.
fn bold_and_rest(markdown: &str) -> (&str, &str) {
    let bold = markdown.strip_prefix("**");
    match bold.and_then(|bold| bold.split_once("**")) {
        Some((bold, rest)) => (bold, rest.trim_start()),
        None => (markdown, ""),
    }
}

fn answered(wording: &Wording, answer: &Answer) -> Answered {
    Answered {
        verdict: match answer.verdict {
            Verdict::Adopted => wording.say("page-adopted", &[]),
            Verdict::Partly => wording.say("page-partly", &[]),
            Verdict::Rejected => wording.say("page-rejected", &[]),
        },
        reasons: answer.reasons.as_deref().map(plain),
        at: when(wording, answer.at),
    }
}

fn row(wording: &Wording, round: &Round, result: &RoundResult, standing: &Standing<'_>) -> Row {
    let letter = standing.letter.as_str();
    let [rated, predicted] = times_rated(round, result, standing.key);
    let others = times_rated_by_others(round, standing.key);
    // The first one always, so that it is seen where nobody rated.
    let mut lines = vec![(wording.say("page-rated", &[]), rated)];
    let more = [
        (wording.say("page-predicted", &[]), predicted),
        (wording.say("page-others", &[]), others),
    ];
    lines.extend(
        more.into_iter()
            .filter(|(_, times)| times.iter().any(|times| *times > 0)),
    );
    Row {
        letter: standing.letter.clone(),
        heading: heading(wording, standing),
        text: plain(&standing.candidate.text),
        times_rated: wording.say("page-times-rated", &[("letter", letter.into())]),
        ratings: lines
            .into_iter()
            .map(|(by, times)| Times { by, times })
            .collect(),
        notes: arm(wording, standing)
            .into_iter()
            .chain([ratings(wording, round, standing)])
            .collect(),
    }
}

/// How often members without an opinion gave each rating.
fn times_rated_by_others(round: &Round, key: CandidateKey) -> [usize; 7] {
    let mut times = [0; 7];
    for ((rated, member), rating) in &round.ratings {
        if let Some(agreement) = rating.agreement
            && *rated == key
            && !round.opinions.contains_key(member)
        {
            times[usize::from(u8::from(agreement)) - 1] += 1;
        }
    }
    times
}

/// First by the function that chose. The others are left out when nobody is left who took part.
fn welfare_table(
    wording: &Wording,
    round: &Round,
    result: &RoundResult,
    standings: &[Standing<'_>],
) -> Vec<Worths> {
    let by = |function, worth: &dyn Fn(&Standing<'_>) -> f64| Worths {
        function: name(wording, function),
        worth: standings
            .iter()
            .map(|standing| welfare(wording, function, worth(standing)))
            .collect(),
    };
    let chose = round.terms.welfare;
    let mut table = vec![by(chose, &|standing| standing.welfare)];
    if let Some(worth) = worth(round, &result.candidates) {
        let others = EVERY_FUNCTION
            .iter()
            .filter(|(function, _)| *function != chose);
        table.extend(
            others.map(|(function, read)| by(*function, &|standing| read(&worth[standing.column]))),
        );
    }
    table
}

type Read = fn(&Worth) -> f64;

const EVERY_FUNCTION: [(WelfareFunction, Read); 4] = [
    (
        WelfareFunction::Alpha(InequalityAversion::UTILITARIAN),
        |worth| worth.utilitarian,
    ),
    (WelfareFunction::Alpha(InequalityAversion::NASH), |worth| {
        worth.nash
    }),
    (
        WelfareFunction::Alpha(InequalityAversion::RAWLSIAN),
        |worth| worth.rawlsian,
    ),
    (WelfareFunction::Schulze, |worth| worth.schulze),
];

fn name(wording: &Wording, function: WelfareFunction) -> String {
    match function {
        WelfareFunction::Alpha(InequalityAversion::UTILITARIAN) => wording.say("page-mean", &[]),
        WelfareFunction::Alpha(InequalityAversion::NASH) => wording.say("page-geometric-mean", &[]),
        WelfareFunction::Alpha(InequalityAversion::RAWLSIAN) => wording.say("page-lowest", &[]),
        WelfareFunction::Alpha(aversion) => {
            let alpha = numeral(wording, &aversion.alpha().to_string());
            wording.say("page-alpha", &[("alpha", alpha.into())])
        }
        WelfareFunction::Schulze => wording.say("page-schulze", &[]),
    }
}

fn when(wording: &Wording, time: Time) -> When {
    let two_digits = |number: u32| format!("{number:02}");
    When {
        exactly: time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        shown: wording.say(
            "page-when",
            &[
                ("year", time.year().to_string().into()),
                ("month", two_digits(time.month()).into()),
                ("day", two_digits(time.day()).into()),
                ("hour", two_digits(time.hour()).into()),
                ("minute", two_digits(time.minute()).into()),
            ],
        ),
    }
}

#[cfg(test)]
mod tests;
