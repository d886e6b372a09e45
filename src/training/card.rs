//! The card of a version: what it is, what it was trained on and how, and how good it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::gate::Verdict;
use super::versions::{VersionId, VersionName};
use crate::deliberation::retraining::Model;
use crate::inference::calibration::Calibration;
use crate::inference::model_files::sha256_of_bytes;
use crate::transformer::adapter::Adapter;

/// What lies in a version's folder as `card.json`. Hashes are SHA-256 in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    pub format: Format,
    pub kind: Kind,
    pub name: VersionName,
    /// The day, such as `2026-11-25`.
    pub created: String,
    pub base_model: BaseModel,
    pub adapter: AdapterFacts,
    /// The hash of every prompt template that it was trained with, by name:
    /// `prompts/rating.j2`. With other templates it is not used.
    pub templates: BTreeMap<String, String>,
    pub data: TrainingData,
    /// Those that it was tested in, such as `en`.
    pub languages: Vec<String>,
    /// How it was trained.
    pub settings: Value,
    pub metrics: Metrics,
    /// Of a reward model: what makes its predicted ratings those of the validation data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Makes it again.
    pub command: String,
    /// `None` if the gate was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Judged>,
}

/// The version of the card's own format. There is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Format;

/// The two models that are fine-tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Reward,
    Generator,
}

/// What an adapter was trained on; it fits nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModel {
    /// `SmolLM2-135M-Instruct`
    pub name: String,
    /// Of the original GGUF.
    pub sha256: String,
}

/// What is known of the adapter's file, and not all written in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterFacts {
    /// Of `adapter.safetensors`.
    pub sha256: String,
    pub rank: usize,
    pub alpha: f32,
    /// What it updates in every block, by its GGUF name: `attn_q`.
    pub matrices: BTreeSet<String>,
}

/// What a version was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// In words; by whom it was rated.
    pub description: String,
    /// Whether the deliberations were invented, and their ratings with them.
    pub synthetic: bool,
    pub files: Vec<DataFile>,
    pub deliberations: usize,
    pub members: usize,
    pub statements: usize,
    pub ratings: usize,
    /// Deliberations that were mixed in, which are not counted above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_in: Option<MixedIn>,
    /// The hashes of the questions, without those mixed in: the gate compares no later version with
    /// this one on them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub questions: BTreeSet<String>,
}

/// Deliberations that keep a version from unlearning what it began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixedIn {
    /// `shipped`, or the names of the files.
    pub from: Vec<String>,
    pub deliberations: usize,
    pub ratings: usize,
}

/// One file of the training data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    pub name: String,
    pub sha256: String,
}

/// How good a version is, on data that it was not trained on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// On which every choice was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Value>,
    /// Looked at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<Value>,
    /// On votes of real people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polis: Option<Value>,
    /// Of the gate's four models on the rounds that each has not seen: how good the version is for
    /// the community whose ratings it learned from. Calibrated as the version is; the certainty is
    /// that of rounds which did not choose the calibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_fitted: Option<Value>,
    /// The same rounds, by the version that the gate compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_with: Option<Value>,
}

/// The gate's verdict, and the version that it compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub against: VersionId,
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl Card {
    /// Reads `card.json`.
    ///
    /// # Errors
    /// Another format, what is not a card, or a card without the hash of one of its kind's
    /// templates.
    pub fn parse(json: &[u8]) -> Result<Self> {
        // First, so that a card of a later format is not called damaged.
        #[derive(Deserialize)]
        struct OfAnyFormat {
            #[expect(dead_code, reason = "read for its error")]
            format: Format,
        }
        serde_json::from_slice::<OfAnyFormat>(json).context("card.json cannot be read")?;
        let card: Self = serde_json::from_slice(json).context("card.json cannot be read")?;
        for template in card.kind.templates() {
            ensure!(
                card.templates.contains_key(*template),
                "card.json lacks the hash of {template}"
            );
        }
        Ok(card)
    }

    /// What [`Self::parse`] reads.
    ///
    /// # Errors
    /// A number that is not finite.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        Ok(serde_json::to_vec_pretty(self)?)
    }

    /// Checks that the prompts are those that the version was trained with. `text` gives a file of
    /// `config/`, or the host's own.
    ///
    /// # Errors
    /// Another template, by name; those of `text`.
    pub fn check_templates(&self, text: impl Fn(&str) -> Result<String>) -> Result<()> {
        for (template, sha256) in &self.templates {
            ensure!(
                sha256_of_bytes(text(template)?.as_bytes()) == *sha256,
                "{template} is not the template that version {} was trained with; use that one, or \
                 serve the base model with accord models activate {} base",
                self.name,
                self.kind
            );
        }
        Ok(())
    }
}

/// The hashes of a kind's templates, as a card holds them. `text` as for
/// [`Card::check_templates`].
///
/// # Errors
/// Those of `text`.
pub fn template_hashes(
    kind: Kind,
    text: impl Fn(&str) -> Result<String>,
) -> Result<BTreeMap<String, String>> {
    kind.templates()
        .iter()
        .map(|template| {
            let sha256 = sha256_of_bytes(text(template)?.as_bytes());
            Ok(((*template).to_owned(), sha256))
        })
        .collect()
}

/// What tells a question from others in a card, without telling it: the first half of the digits of
/// its SHA-256.
pub fn question_hash(question: &str) -> String {
    let mut hash = sha256_of_bytes(question.as_bytes());
    hash.truncate(32);
    hash
}

impl AdapterFacts {
    /// `file`: the adapter as it is written.
    pub fn new(adapter: &Adapter, file: &[u8]) -> Self {
        let matrices = adapter.updates.keys().map(|name| {
            // blk.0.attn_q
            let part = name.splitn(3, '.').nth(2);
            part.unwrap_or(name).to_owned()
        });
        Self {
            sha256: sha256_of_bytes(file),
            rank: adapter.rank,
            alpha: adapter.alpha,
            matrices: matrices.collect(),
        }
    }
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Reward, Self::Generator];

    /// The files of `config/` that make its prompts.
    pub fn templates(self) -> &'static [&'static str] {
        match self {
            Self::Reward => &["prompts/rating.j2"],
            Self::Generator => &["prompts/generator.system.j2", "prompts/generator.user.j2"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reward => "reward",
            Self::Generator => "generator",
        })
    }
}

impl From<Model> for Kind {
    fn from(model: Model) -> Self {
        match model {
            Model::RewardModel => Self::Reward,
            Model::Generator => Self::Generator,
        }
    }
}

/// A text that names no kind.
#[derive(Debug, Error)]
#[error("\"{0}\" is no kind of model, expected reward or generator")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.to_string() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

const FORMAT: u32 = 1;

/// A number that is not [`Format`]'s.
#[derive(Debug, Error)]
#[error("it has format {0}, this Accord reads format {FORMAT}; use the Accord that wrote it")]
pub struct UnknownFormat(u32);

impl TryFrom<u32> for Format {
    type Error = UnknownFormat;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if number == FORMAT {
            Ok(Self)
        } else {
            Err(UnknownFormat(number))
        }
    }
}

impl From<Format> for u32 {
    fn from(_: Format) -> Self {
        FORMAT
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::super::gate::{Comparison, HeldOut, RewardComparison};
    use super::*;

    /// A card of a reward model trained with the template `template`.
    pub(crate) fn card(name: &str, adapter: AdapterFacts) -> Card {
        Card {
            format: Format,
            kind: Kind::Reward,
            name: name.parse().unwrap(),
            created: "2026-11-25".into(),
            base_model: BaseModel {
                name: "tiny".into(),
                sha256: "ba5e".into(),
            },
            adapter,
            templates: template_hashes(Kind::Reward, |_| Ok("template".into())).unwrap(),
            data: TrainingData {
                description: "four invented deliberations".into(),
                synthetic: true,
                files: vec![DataFile {
                    name: "deliberations.jsonl".into(),
                    sha256: "f11e".into(),
                }],
                deliberations: 4,
                members: 20,
                statements: 16,
                ratings: 80,
                mixed_in: None,
                questions: BTreeSet::new(),
            },
            languages: vec!["en".into()],
            settings: json!({ "epochs": 3, "learning_rate": 5e-4 }),
            metrics: Metrics::default(),
            calibration: Some(Calibration::default()),
            command: "accord train reward --data deliberations.jsonl --out v1".into(),
            gate: None,
        }
    }

    pub(crate) fn better() -> Verdict {
        Verdict::Better(Comparison::Reward(RewardComparison {
            rounds: 9,
            pairs: 180,
            active_accuracy: 0.6,
            candidate_accuracy: 0.75,
            gain_interval: [0.1, 0.2],
            held_out: HeldOut {
                active: 0.8,
                candidate: 0.82,
            },
        }))
    }

    fn facts() -> AdapterFacts {
        AdapterFacts {
            sha256: "ada9".into(),
            rank: 8,
            alpha: 16.0,
            matrices: ["attn_q".to_owned()].into(),
        }
    }

    #[test]
    fn a_card_is_read_as_it_was_written() {
        let mut card = card("v1", facts());
        for gate in [better(), Verdict::NotEnoughRounds { rounds: 3 }] {
            card.gate = Some(Judged {
                against: VersionId::Shipped,
                verdict: gate,
            });
            assert_eq!(Card::parse(&card.to_json().unwrap()).unwrap(), card);
        }
    }

    #[test]
    fn what_is_no_card_is_an_error_that_says_why() {
        let whole: Value = serde_json::from_slice(&card("v1", facts()).to_json().unwrap()).unwrap();
        let error = |change: fn(&mut Value)| {
            let mut changed = whole.clone();
            change(&mut changed);
            format!(
                "{:#}",
                Card::parse(changed.to_string().as_bytes()).unwrap_err()
            )
        };
        for (change, expected) in [
            (
                (|card| card["format"] = json!(2)) as fn(&mut Value),
                "format 2, this Accord reads format 1",
            ),
            (|card| *card = json!({ "format": 9, "new": 1 }), "format 9"),
            (
                |card| card["kind"] = json!("judge"),
                "unknown variant `judge`",
            ),
            (|card| card["speed"] = json!(1), "unknown field `speed`"),
            (
                |card| card["name"] = json!("../x"),
                "\"../x\" is no name of a version",
            ),
            (|card| *card = json!([]), "card.json cannot be read"),
            (
                |card| card["templates"] = json!({}),
                "lacks the hash of prompts/rating.j2",
            ),
        ] {
            let error = error(change);
            assert!(error.contains(expected), "{error}");
        }
        let cut = card("v1", facts()).to_json().unwrap();
        assert!(Card::parse(&cut[..cut.len() / 2]).is_err());
    }

    #[test]
    fn another_template_is_an_error_that_names_it() {
        let card = card("v1", facts());
        card.check_templates(|_| Ok("template".into())).unwrap();
        let error = card.check_templates(|_| Ok("template ".into()));
        assert_eq!(
            error.unwrap_err().to_string(),
            "prompts/rating.j2 is not the template that version v1 was trained with; use that \
             one, or serve the base model with accord models activate reward base"
        );
    }
}
