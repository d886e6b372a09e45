//! A guild's models, and what becomes of retraining them.

use serde_json::Value as Json;

use super::arms::compared_arms;
use super::phrases::{from_now, numeral, on, percent, person};
use super::{Button, Embed, Look};
use crate::chart::shares::{Share, ShareRow, SharesWords, shares_chart};
use crate::deliberation::retraining::{
    Figures, How, Measure, Model, Refused, Retraining, State, TrainingSet,
};
use crate::deliberation::training_data::NotUsable;
use crate::discord::custom_id::CustomId;
use crate::discord::neutral;
use crate::discord::wording::Wording;
use crate::experiment::rounds::Compared;
use crate::facilitator::platform::RetrainingView;
use crate::facilitator::retraining::{Estimate, HeldUp, Outlook, TrainingProgress};
use crate::training::card::{Card, Metrics};
use crate::training::gate::Verdict;
use crate::training::versions::VersionId;

/// What `/model status` tells of one model.
pub struct ModelStatus {
    pub model: Model,
    pub active: Served,
    pub outlook: Outlook,
}

/// The version that serves a guild.
pub struct Served {
    pub name: String,
    /// Of this guild, not the host's.
    pub is_own: bool,
    /// `None` for a base model.
    pub card: Option<Card>,
}

/// A version in the report.
pub struct ShownVersion {
    pub name: String,
    pub is_own: bool,
    pub active: bool,
    /// `None` for a base model, and for a version that is damaged.
    pub card: Option<Card>,
}

/// The message that tells how far a retraining is.
pub fn retraining(wording: &Wording, view: &RetrainingView<'_>) -> Look {
    let retraining = view.retraining;
    let mut lines = vec![
        wording.say(
            "training-title",
            &[
                ("number", retraining.key.number.into()),
                ("model", model(wording, retraining.model).into()),
            ],
        ),
        standing(wording, retraining, view.progress),
    ];
    if let Some(data) = &retraining.data {
        lines.push(learns_from(wording, data));
    }
    lines.push(wording.say(
        "training-asked",
        &[
            ("who", person(wording, retraining.by).into()),
            ("when", on(retraining.asked_at).into()),
        ],
    ));
    let cancel = Button::dangerous(
        CustomId::CancelRetraining {
            number: retraining.key.number,
        },
        wording.say("button-cancel-retraining", &[]),
    );
    Look::of(lines.join("\n")).buttons((!retraining.is_over()).then_some(cancel))
}

/// What a retraining would take and learn from, to be confirmed.
pub fn estimate(wording: &Wording, what: Model, outlook: &Outlook) -> Look {
    let gathered = &outlook.gathered;
    let mut lines = vec![
        wording.say("retrain-title", &[("model", model(wording, what).into())]),
        wording.say(
            "training-data",
            &[
                ("ratings", gathered.ratings.into()),
                ("members", gathered.members.into()),
                ("rounds", gathered.rounds.len().into()),
            ],
        ),
        wording.say("retrain-gate", &[("fresh", outlook.fresh.into())]),
    ];
    if let Some(estimate) = outlook.estimate {
        lines.push(wording.say(
            "retrain-takes",
            &[
                ("time", about(wording, estimate).into()),
                ("mib", estimate.mib.into()),
            ],
        ));
    }
    if outlook.imported > 0 {
        lines.push(wording.say(
            "training-imported",
            &[("imported", outlook.imported.into())],
        ));
    }
    if outlook.before > 0 {
        lines.push(wording.say("training-queue", &[("before", outlook.before.into())]));
    }
    if outlook.first {
        lines.push(wording.say("retrain-policy", &[]));
    }
    Look::of(lines.join("\n")).buttons([
        Button::main(
            CustomId::Retrain { model: what },
            wording.say("button-retrain", &[]),
        ),
        Button::other(CustomId::LeaveTraining, wording.say("button-not-now", &[])),
    ])
}

/// It was confirmed.
pub fn asked_for(wording: &Wording, number: u32) -> Look {
    Look::of(wording.say("retrain-begins", &[("number", number.into())]))
}

/// It was not.
pub fn left(wording: &Wording) -> Look {
    Look::of(wording.say("retrain-left", &[]))
}

/// Why nothing can be retrained now.
pub fn refused(wording: &Wording, refused: Refused) -> Look {
    Look::of(why_refused(wording, refused))
}

/// A version was left for an earlier one.
pub fn rolled_back(wording: &Wording, what: Model, from: &VersionId, to: &VersionId) -> String {
    let to = match to {
        VersionId::Shipped => wording.say("version-of-host", &[]),
        other => other.to_string(),
    };
    wording.say(
        "rolled-back",
        &[
            ("model", model(wording, what).into()),
            ("from", from.to_string().into()),
            ("to", to.into()),
        ],
    )
}

/// Which versions are active, what could be learned, and what is under way.
pub fn status(
    wording: &Wording,
    models: &[ModelStatus],
    under_way: &[(&Retraining, TrainingProgress)],
) -> Look {
    let mut embed = Embed::default();
    for status in models {
        embed = embed.field(
            model_name(wording, status.model),
            about_model(wording, status),
        );
    }
    let lines: Vec<String> = under_way
        .iter()
        .map(|(retraining, progress)| {
            wording.say(
                "status-training",
                &[
                    ("number", retraining.key.number.into()),
                    ("model", model(wording, retraining.model).into()),
                    ("state", standing(wording, retraining, *progress).into()),
                ],
            )
        })
        .collect();
    let embed = embed.field(wording.say("status-under-way", &[]), lines.join("\n"));
    Look::of(wording.say("model-status-title", &[])).embed(embed)
}

/// A table of the versions and a chart; what is to be known of them.
pub fn report(
    wording: &Wording,
    what: Model,
    versions: &[ShownVersion],
    made: &[Retraining],
    arms: Option<&Compared>,
) -> Look {
    let table = match what {
        Model::RewardModel => reward_table(wording, versions),
        Model::Generator => generator_table(wording, versions),
    };
    let mut notes = Vec::new();
    for version in versions.iter().filter(|version| version.is_own) {
        let came_from = made
            .iter()
            .find(|made| made.version() == Some(version.name.as_str()));
        notes.extend(came_from.map(|made| came_from_data(wording, &version.name, made)));
        if version.card.is_none() {
            notes.push(wording.say(
                "report-damaged",
                &[("version", version.name.as_str().into())],
            ));
        }
    }
    let verdicts: Vec<String> = versions
        .iter()
        .filter_map(|version| verdict(wording, version))
        .collect();
    let embed = Embed::of(format!("```\n{table}\n```"))
        .field(wording.say("report-verdicts", &[]), verdicts.join("\n"))
        .field(wording.say("report-data", &[]), notes.join("\n"))
        .field(
            wording.say("report-arms", &[]),
            compared_arms(wording, arms),
        )
        .footer(match what {
            Model::RewardModel => wording.say("report-reward-note", &[]),
            Model::Generator => wording.say("report-generator-note", &[]),
        });
    let title = wording.say("report-title", &[("model", model(wording, what).into())]);
    let chart = (what == Model::RewardModel).then(|| chart(wording, versions));
    Look::of(title).embed(embed).chart(chart)
}

fn standing(wording: &Wording, retraining: &Retraining, progress: TrainingProgress) -> String {
    match &retraining.state {
        State::Over { how, .. } => outcome(wording, how),
        State::Waiting | State::Training => {
            let mut parts = Vec::new();
            if progress.before > 0 {
                parts.push(wording.say("training-queue", &[("before", progress.before.into())]));
            } else if retraining.state == State::Training {
                let share = (progress.share * 100.0).floor();
                parts.push(wording.say("training-share", &[("share", share.into())]));
            } else {
                parts.push(wording.say("training-soon", &[]));
            }
            match progress.held_up {
                Some(HeldUp::Until(time)) => {
                    let when = from_now(time);
                    parts.push(wording.say("training-hours", &[("when", when.into())]));
                }
                Some(HeldUp::Drafting) if progress.before == 0 => {
                    parts.push(wording.say("training-pauses", &[]));
                }
                _ => {}
            }
            parts.join(" ")
        }
    }
}

fn outcome(wording: &Wording, how: &How) -> String {
    let with = |said: String, figures: &Figures| format!("{said}\n{}", compared(wording, figures));
    match how {
        How::Activated { version, figures } => with(
            wording.say(
                "training-activated",
                &[("version", version.as_str().into())],
            ),
            figures,
        ),
        How::NotBetter { figures, .. } => with(wording.say("training-not-better", &[]), figures),
        How::Overtaken { version, figures } => with(
            wording.say(
                "training-overtaken",
                &[("version", version.as_str().into())],
            ),
            figures,
        ),
        How::NotEnoughRounds { rounds } => {
            wording.say("training-not-enough", &[("rounds", (*rounds).into())])
        }
        How::NothingLearned => wording.say("training-nothing-learned", &[]),
        How::Failed => wording.say("training-failed", &[]),
        How::NoData => wording.say("training-no-data", &[]),
        How::Cancelled { by } => wording.say(
            "training-cancelled-by",
            &[("who", person(wording, *by).into())],
        ),
    }
}

fn compared(wording: &Wording, figures: &Figures) -> String {
    let [low, high] = figures.gain;
    match figures.measure {
        Measure::Accuracy => wording.say(
            "training-compared",
            &[
                ("rounds", figures.rounds.into()),
                ("new", percent(figures.new).into()),
                ("active", percent(figures.active).into()),
                ("low", signed(wording, low * 100.0, 1).into()),
                ("high", signed(wording, high * 100.0, 1).into()),
            ],
        ),
        Measure::CrossEntropy => wording.say(
            "training-compared-loss",
            &[
                ("rounds", figures.rounds.into()),
                ("new", loss(wording, figures.new).into()),
                ("active", loss(wording, figures.active).into()),
                ("low", signed(wording, low, 3).into()),
                ("high", signed(wording, high, 3).into()),
            ],
        ),
    }
}

fn signed(wording: &Wording, number: f64, digits: usize) -> String {
    numeral(wording, &format!("{number:+.digits$}"))
}

/// A cross-entropy, in nats.
fn loss(wording: &Wording, nats: f64) -> String {
    numeral(wording, &format!("{nats:.3}"))
}

fn learns_from(wording: &Wording, data: &TrainingSet) -> String {
    let mut line = wording.say(
        "training-data",
        &[
            ("ratings", data.ratings.into()),
            ("members", data.members.into()),
            ("rounds", data.rounds.len().into()),
        ],
    );
    if data.imported > 0 {
        line.push(' ');
        line.push_str(&wording.say("training-imported", &[("imported", data.imported.into())]));
    }
    line
}

fn about_model(wording: &Wording, status: &ModelStatus) -> String {
    let outlook = &status.outlook;
    let name = neutral::line(&status.active.name, NAME);
    let mut lines = vec![match status.active.is_own {
        true => wording.say("model-own", &[("version", name.into())]),
        false => wording.say("model-of-host", &[("version", name.into())]),
    }];
    if let Some(card) = &status.active.card {
        lines.push(wording.say(
            "model-card",
            &[
                (
                    "description",
                    neutral::line(&card.data.description, CARD).into(),
                ),
                (
                    "languages",
                    neutral::line(&languages(wording, card), NAME).into(),
                ),
            ],
        ));
    }
    let gathered = &outlook.gathered;
    lines.push(wording.say(
        "model-usable",
        &[
            ("rounds", gathered.rounds.len().into()),
            ("fresh", outlook.fresh.into()),
            ("ratings", gathered.ratings.into()),
            ("new", outlook.new_ratings.into()),
        ],
    ));
    lines.extend(unusable(wording, outlook));
    lines.extend(match (outlook.refused, outlook.estimate) {
        (Some(refused), _) => Some(why_refused(wording, refused)),
        (None, _) if outlook.new_ratings == 0 => Some(wording.say("model-nothing-new", &[])),
        (None, Some(estimate)) => Some(wording.say(
            "model-worth-it",
            &[("time", about(wording, estimate).into())],
        )),
        (None, None) => None,
    });
    lines.join("\n")
}

const NAME: usize = 100;
const CARD: usize = 200;

fn languages(wording: &Wording, card: &Card) -> String {
    match card.languages.is_empty() {
        true => wording.say("model-no-languages", &[]),
        false => card.languages.join(", "),
    }
}

/// Why rounds cannot be learned from, as far as somebody can do something about it.
fn unusable(wording: &Wording, outlook: &Outlook) -> Option<String> {
    let why: Vec<String> = outlook
        .gathered
        .unusable
        .iter()
        .filter_map(|(why, &rounds)| match why {
            NotUsable::Open | NotUsable::Cancelled => None,
            NotUsable::OpenedWithout => {
                Some(wording.say("unusable-without", &[("rounds", rounds.into())]))
            }
            NotUsable::TooFewAgreed => {
                Some(wording.say("unusable-agreed", &[("rounds", rounds.into())]))
            }
            NotUsable::TextsDeleted => {
                Some(wording.say("unusable-deleted", &[("rounds", rounds.into())]))
            }
            NotUsable::TooFewRatings => {
                Some(wording.say("unusable-ratings", &[("rounds", rounds.into())]))
            }
        })
        .collect();
    (!why.is_empty()).then(|| wording.say("model-unusable", &[("why", why.join("; ").into())]))
}

fn why_refused(wording: &Wording, refused: Refused) -> String {
    match refused {
        Refused::NotAllowed => wording.say("retrain-not-allowed", &[]),
        Refused::UnderWay { number } => {
            wording.say("retrain-under-way", &[("number", number.into())])
        }
        Refused::TooSoon { next } => wording.say("retrain-too-soon", &[("when", on(next).into())]),
        Refused::CannotBeTrained => wording.say("retrain-cannot", &[]),
        Refused::TurnedOff => wording.say("retrain-turned-off", &[]),
        Refused::TooFewRounds { rounds, needed } => wording.say(
            "retrain-too-few",
            &[
                ("rounds", rounds.into()),
                ("missing", (needed - rounds).into()),
            ],
        ),
    }
}

/// "2 hours", "20 minutes".
fn about(wording: &Wording, estimate: Estimate) -> String {
    let minutes = estimate.time.num_minutes().max(1);
    if minutes < 100 {
        wording.say("length-minutes", &[("minutes", minutes.into())])
    } else {
        let hours = (minutes + 30) / 60;
        wording.say("length-hours", &[("hours", hours.into())])
    }
}

fn came_from_data(wording: &Wording, version: &str, made: &Retraining) -> String {
    let data = made.data.as_ref();
    wording.say(
        "report-version-data",
        &[
            ("version", version.into()),
            ("ratings", data.map_or(0, |data| data.ratings).into()),
            ("rounds", data.map_or(0, |data| data.rounds.len()).into()),
            ("weighted", data.map_or(0, |data| data.down_weighted).into()),
            ("erased", made.erased.into()),
        ],
    )
}

/// What the gate said of a version.
fn verdict(wording: &Wording, version: &ShownVersion) -> Option<String> {
    let judged = version.card.as_ref()?.gate.as_ref()?;
    let name = version.name.as_str();
    Some(match &judged.verdict {
        Verdict::Better(_) => wording.say("report-better", &[("version", name.into())]),
        Verdict::NotBetter(_) => wording.say("report-not-better", &[("version", name.into())]),
        Verdict::NotEnoughRounds { .. } => return None,
    })
}

fn reward_table(wording: &Wording, versions: &[ShownVersion]) -> String {
    let mut rows = vec![vec![
        wording.say("table-version", &[]),
        wording.say("table-within", &[]),
        wording.say("table-between", &[]),
        wording.say("table-error", &[]),
        wording.say("table-longer", &[]),
        wording.say("table-overlap", &[]),
    ]];
    for version in versions {
        let figures = version
            .card
            .as_ref()
            .and_then(|card| measured(&card.metrics));
        let share = |pointer| share(figures, pointer);
        let error = figures.and_then(|figures| {
            figures
                .pointer("/expected_calibration_error/value")?
                .as_f64()
        });
        rows.push(vec![
            row_name(wording, version),
            share("/within/at_least_1/reward_model/value"),
            share("/between/at_least_1/reward_model/value"),
            error.map_or_else(nothing, |error| numeral(wording, &format!("{error:.2}"))),
            share("/within/at_least_1/longer/value"),
            share("/within/at_least_1/tf_idf/value"),
        ]);
    }
    aligned(&rows)
}

fn generator_table(wording: &Wording, versions: &[ShownVersion]) -> String {
    let mut rows = vec![vec![
        wording.say("table-version", &[]),
        wording.say("table-loss", &[]),
        wording.say("table-loss-of-base", &[]),
    ]];
    for version in versions {
        let figures = version
            .card
            .as_ref()
            .and_then(|card| measured(&card.metrics));
        let loss_at = |pointer| {
            let nats = figures.and_then(|figures| figures.pointer(pointer)?.as_f64());
            nats.map_or_else(nothing, |nats| loss(wording, nats))
        };
        rows.push(vec![
            row_name(wording, version),
            loss_at("/loss"),
            loss_at("/loss_of_base"),
        ]);
    }
    aligned(&rows)
}

fn row_name(wording: &Wording, version: &ShownVersion) -> String {
    let name = neutral::label(&version.name, ROW_NAME).replace('`', "'");
    match version.active {
        true => wording.say("table-active", &[("version", name.into())]),
        false => name,
    }
}

const ROW_NAME: usize = 20;

/// Figures on data that the version has not seen: the rounds of the community by cross-fitting, or
/// else the held-out file, or else the data that it was validated with.
fn measured(metrics: &Metrics) -> Option<&Json> {
    metrics
        .cross_fitted
        .as_ref()
        .or(metrics.held_out.as_ref())
        .or(metrics.validation.as_ref())
}

fn share(figures: Option<&Json>, pointer: &str) -> String {
    let share = figures.and_then(|figures| figures.pointer(pointer)?.as_f64());
    share.map_or_else(nothing, |share| format!("{} %", percent(share)))
}

fn nothing() -> String {
    "–".to_owned()
}

/// The first column to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn chart(wording: &Wording, versions: &[ShownVersion]) -> crate::chart::Chart {
    let rows: Vec<ShareRow> = versions
        .iter()
        .map(|version| {
            let figures = version
                .card
                .as_ref()
                .and_then(|card| measured(&card.metrics));
            let deliberations = figures.and_then(|figures| figures.get("deliberations")?.as_u64());
            let percent_of = |accuracy: Option<Share>| {
                let share = accuracy.map(|accuracy| percent(accuracy.value).to_string());
                share.unwrap_or_else(nothing)
            };
            let (within, between) = (accuracy(figures, "within"), accuracy(figures, "between"));
            ShareRow {
                label: neutral::label(&version.name, ROW_NAME),
                highlighted: version.active,
                note: wording.say(
                    "chart-version-note",
                    &[("rounds", deliberations.unwrap_or(0).into())],
                ),
                upper: within,
                lower: between,
                told: wording.say(
                    "chart-version-told",
                    &[
                        ("version", neutral::label(&version.name, ROW_NAME).into()),
                        ("within", percent_of(within).into()),
                        ("between", percent_of(between).into()),
                    ],
                ),
            }
        })
        .collect();
    shares_chart(
        &rows,
        &SharesWords {
            upper: wording.say("chart-within", &[]),
            lower: wording.say("chart-between", &[]),
            mark: wording.say("chart-baseline", &[]),
            half: wording.say("chart-chance", &[]),
            highlighted: wording.say("chart-active", &[]),
        },
        0.4,
    )
}

fn accuracy(figures: Option<&Json>, of: &str) -> Option<Share> {
    let pairs = figures?.get(of)?.get("at_least_1")?;
    let number = |pointer: &str| pairs.pointer(pointer).and_then(Json::as_f64);
    let baselines = [number("/longer/value"), number("/tf_idf/value")];
    Some(Share {
        value: number("/reward_model/value")?,
        interval: [
            number("/reward_model/interval/0")?,
            number("/reward_model/interval/1")?,
        ],
        mark: Some(baselines.into_iter().flatten().fold(0.5, f64::max)),
    })
}

/// Within a sentence.
fn model(wording: &Wording, model: Model) -> String {
    match model {
        Model::RewardModel => wording.say("model-reward", &[]),
        Model::Generator => wording.say("model-generator", &[]),
    }
}

/// As a heading.
fn model_name(wording: &Wording, model: Model) -> String {
    match model {
        Model::RewardModel => wording.say("heading-reward", &[]),
        Model::Generator => wording.say("heading-generator", &[]),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::super::arms::tests::compared;
    use super::super::sample::{at, wording};
    use super::super::tests::{shows, words};
    use super::*;
    use crate::deliberation::id::{Guild, Member};
    use crate::deliberation::retraining::tests::{retraining, set_of};
    use crate::deliberation::training_data::Gathered;
    use crate::training::card::tests::{better, card};
    use crate::training::card::{AdapterFacts, Judged};

    fn drawn(of: &Retraining, progress: TrainingProgress) -> Look {
        let view = RetrainingView {
            retraining: of,
            progress,
        };
        super::retraining(&wording(), &view)
    }

    fn under_way() -> Retraining {
        let mut retraining = retraining(1, 3);
        retraining.begin(TrainingSet {
            ratings: 180,
            members: 5,
            imported: 1,
            ..set_of(&[4])
        });
        retraining
    }

    const FIGURES: Figures = Figures {
        rounds: 12,
        measure: Measure::Accuracy,
        active: 0.5,
        new: 0.75,
        gain: [0.125, 0.3751],
    };

    fn outlook() -> Outlook {
        Outlook {
            gathered: Gathered {
                ratings: 180,
                members: 5,
                unusable: [(NotUsable::TextsDeleted, 2), (NotUsable::Open, 1)].into(),
                ..Gathered::default()
            },
            imported: 0,
            fresh: 9,
            new_ratings: 60,
            estimate: Some(Estimate {
                time: TimeDelta::minutes(150),
                mib: 3267,
            }),
            before: 2,
            first: true,
            refused: None,
        }
    }

    fn version(name: &str, active: bool) -> ShownVersion {
        let facts = AdapterFacts {
            sha256: String::new(),
            rank: 2,
            alpha: 4.0,
            matrices: Default::default(),
        };
        let pairs = |value: f64| {
            let estimate = |value: f64| json!({ "value": value, "interval": [value - 0.1, value] });
            json!({ "at_least_1": {
                "pairs": 90,
                "reward_model": estimate(value),
                "longer": estimate(0.41),
                "tf_idf": estimate(0.58),
            } })
        };
        let figures = json!({
            "deliberations": 12,
            "within": pairs(0.75),
            "between": pairs(0.66),
            "expected_calibration_error": { "value": 0.123 },
        });
        let metrics = Metrics {
            cross_fitted: Some(figures),
            ..Metrics::default()
        };
        let gate = Some(Judged {
            against: VersionId::Shipped,
            verdict: better(),
        });
        ShownVersion {
            name: name.to_owned(),
            is_own: name != "shipped",
            active,
            card: (name != "shipped").then(|| Card {
                metrics,
                gate,
                ..card(name, facts)
            }),
        }
    }

    #[test]
    fn a_retraining_says_how_far_it_is_and_can_be_cancelled() {
        let progress = TrainingProgress {
            share: 0.379,
            ..TrainingProgress::default()
        };
        let look = drawn(&under_way(), progress);
        shows(
            &look,
            &[
                "**Retraining 3: reward model**",
                "**37 %** of the training is done.",
                "180 ratings by 5 members",
                "1 imported deliberation is added.",
                "Asked for by <@7>",
                "[Cancel it]",
            ],
        );
        let pauses = TrainingProgress {
            held_up: Some(HeldUp::Drafting),
            ..progress
        };
        shows(&drawn(&under_way(), pauses), &["It pauses while"]);
        let waits = TrainingProgress {
            before: 2,
            held_up: Some(HeldUp::Until(at(5))),
            ..progress
        };
        shows(
            &drawn(&retraining(1, 3), waits),
            &["2 other retrainings come before it.", "It goes on <t:"],
        );
    }

    #[test]
    fn what_came_of_it_is_told_with_the_figures() {
        let version = || "reward-3".to_owned();
        let loss = Figures {
            measure: Measure::CrossEntropy,
            active: 2.5,
            new: 2.25,
            gain: [0.1, 0.4],
            ..FIGURES
        };
        for (how, expected) in [
            (
                How::Activated {
                    version: version(),
                    figures: FIGURES,
                },
                "in 75 % of cases which of two statements a member agrees with more, the active one in \
                 50 %. The gain lies between +12.5 and +37.5 points",
            ),
            (
                How::NotBetter {
                    version: version(),
                    figures: loss,
                },
                "cost the new version 2.250 nats a token, the active one 2.500",
            ),
            (
                How::Overtaken {
                    version: version(),
                    figures: FIGURES,
                },
                "another one is active now",
            ),
            (How::NotEnoughRounds { rounds: 7 }, "7 rounds have ratings"),
            (How::NothingLearned, "learned nothing"),
            (How::Failed, "given up"),
            (How::NoData, "not enough left to learn from"),
            (How::Cancelled { by: Member(8) }, "**Cancelled by <@8>.**"),
        ] {
            let mut retraining = under_way();
            retraining.end(how, at(60));
            let look = drawn(&retraining, TrainingProgress::default());
            shows(&look, &[expected]);
            assert!(look.rows.is_empty(), "nothing is left to cancel");
        }
    }

    #[test]
    fn before_it_begins_it_says_what_it_takes_and_the_first_time_what_discord_says() {
        let look = estimate(&wording(), Model::RewardModel, &outlook());
        shows(
            &look,
            &[
                "**Retrain the reward model?**",
                "about 3 hours and up to 3267 MiB",
                "of which there are 9.",
                "2 other retrainings come before it.",
                "Developer Policy",
                "[Retrain it]",
                "[Not now]",
            ],
        );
        let later = Outlook {
            first: false,
            before: 0,
            ..outlook()
        };
        let look = estimate(&wording(), Model::Generator, &later);
        assert!(!words(&look).contains("Developer Policy"));
    }

    #[test]
    fn the_status_says_what_is_active_what_is_new_and_what_is_missing() {
        let served = |name: &str, is_own| Served {
            name: name.to_owned(),
            is_own,
            card: version("reward-1", true).card.filter(|_| is_own),
        };
        let missing = Refused::TooFewRounds {
            rounds: 6,
            needed: 8,
        };
        let models = [
            ModelStatus {
                model: Model::RewardModel,
                active: served("reward-1", true),
                outlook: outlook(),
            },
            ModelStatus {
                model: Model::Generator,
                active: served("shipped", false),
                outlook: Outlook {
                    refused: Some(missing),
                    ..outlook()
                },
            },
        ];
        let retraining = under_way();
        let under_way = [(&retraining, TrainingProgress::default())];
        let look = status(&wording(), &models, &under_way);
        shows(
            &look,
            &[
                "Active: **reward-1**, this server's own",
                "four invented deliberations",
                "60 more than the last version had. 9 rounds that the active version has not seen",
                "Not usable: 2 rounds whose opinions are deleted.",
                "A retraining is worth a try, and takes about 3 hours",
                "Active: **shipped**, the host's",
                "6 rounds can tell whether a new version is better; 2 more are needed.",
                "Retraining 3 (reward model): **0 %**",
            ],
        );
    }

    #[test]
    fn the_report_is_a_table_and_a_chart_and_says_what_is_to_be_known() {
        let mut made = under_way();
        let how = How::Activated {
            version: "reward-3".to_owned(),
            figures: FIGURES,
        };
        made.end(how, at(60));
        made.forget(Guild(1), Member(4));
        let versions = [version("shipped", false), version("reward-3", true)];
        let look = report(&wording(), Model::RewardModel, &versions, &[made], None);
        shows(
            &look,
            &[
                "version    within  between  error  longer  overlap\n\
                 shipped         –        –      –       –        –\n\
                 reward-3*    75 %     66 %   0.12    41 %     58 %",
                "reward-3: better than the one that was active then",
                "180 ratings in 0 rounds",
                "contains the data of 1 member who took them back",
                "[shipped: – % within a member, – % between members. reward-3: 75 % within",
            ],
        );
        assert!(!words(&look).contains("Experiment rounds"));
        let look = report(
            &wording(),
            Model::Generator,
            &versions,
            &[],
            Some(&compared()),
        );
        shows(
            &look,
            &["Experiment rounds: With the generator generator-2 and the reward model shipped:"],
        );
        assert!(look.chart.is_none());
    }
}
