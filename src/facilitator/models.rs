//! What the facilitator needs of the models.

mod resident;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::{TimeDelta, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use thiserror::Error;

use crate::config::Config;
use crate::deliberation::arm::Arm;
use crate::deliberation::distribution::RatingDistribution;
use crate::deliberation::id::Guild;
use crate::deliberation::round::{Candidate, DraftInput, ModelVersions, Provenance};
use crate::deliberation::welfare::WelfareFunction;
use crate::inference::drafting::{DraftingSettings, NothingUsable, draft};
use crate::inference::model_files::sha256_of_bytes;
use crate::inference::prompts::{Brief, Revision};
use crate::training::versions::VersionId;

pub use resident::{Resident, own_version};

/// Writes candidates and predicts ratings.
pub trait Models: Send + Sync + 'static {
    /// How many candidates a drafting is asked for.
    fn wanted(&self) -> usize;

    /// The versions that are in use in a guild now.
    ///
    /// # Errors
    /// A version that is damaged.
    fn active(&self, guild: Guild) -> BoxFuture<'_, Result<ModelVersions>>;

    /// Candidates for a group, none of which contains one of `names`; without predictions. In an
    /// experiment each has its arm, and of [`Arm::Accord`] there are those to choose from.
    /// `drafted` is called with the number of candidates that are settled.
    ///
    /// # Errors
    /// The model's; not one usable candidate.
    fn draft<'a>(
        &'a self,
        versions: &'a ModelVersions,
        input: &'a DraftInput,
        names: &'a [String],
        seed: u64,
        drafted: &'a (dyn Fn(usize) + Send + Sync),
    ) -> BoxFuture<'a, Result<Vec<Candidate>>>;

    /// How the author of `opinion` would rate each of `statements`.
    ///
    /// # Errors
    /// The model's.
    fn predict<'a>(
        &'a self,
        versions: &'a ModelVersions,
        question: &'a str,
        opinion: &'a str,
        statements: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<RatingDistribution>>>;

    /// The languages that both models which are in use in a guild were tested in, by their cards; `None`
    /// where no card names one.
    ///
    /// # Errors
    /// A version that is damaged.
    fn tested_languages(&self, _: Guild) -> BoxFuture<'_, Result<Option<BTreeSet<String>>>> {
        std::future::ready(Ok(None)).boxed()
    }

    /// Whether the reward model's certainty of a choice by `welfare` has proved right where that could
    /// be checked; not where nothing is known of it.
    ///
    /// # Errors
    /// A version that is damaged or gone.
    fn is_calibrated<'a>(
        &'a self,
        _: &'a ModelVersions,
        _: WelfareFunction,
    ) -> BoxFuture<'a, Result<bool>> {
        std::future::ready(Ok(false)).boxed()
    }
}

/// A model did not answer within the time that the settings give it.
#[derive(Clone, Copy, Debug, Error)]
#[error("no answer within {}, see {setting} in the settings", humantime::format_duration(*.within))]
pub struct TooSlow {
    pub setting: &'static str,
    pub within: Duration,
}

/// The models in this process.
pub struct LocalModels {
    config: Config,
    resident: Arc<Resident>,
    /// SHA-256 of the prompt templates.
    prompts_sha256: String,
}

impl Models for LocalModels {
    fn wanted(&self) -> usize {
        self.config.generator.candidates
    }

    fn active(&self, guild: Guild) -> BoxFuture<'_, Result<ModelVersions>> {
        resident::active(&self.config, Some(guild)).boxed()
    }

    fn draft<'a>(
        &'a self,
        versions: &'a ModelVersions,
        input: &'a DraftInput,
        names: &'a [String],
        seed: u64,
        drafted: &'a (dyn Fn(usize) + Send + Sync),
    ) -> BoxFuture<'a, Result<Vec<Candidate>>> {
        let candidates = self.draft_candidates(versions, input, names, seed, drafted);
        async move {
            let limit = self.config.models.draft_within;
            let drafted = within("models.draft_within", limit, candidates).await;
            if is_too_slow(&drafted) {
                self.resident.forget_generator(&versions.generator);
                if input.experiment {
                    // Either may be the one that does not answer.
                    self.resident.forget_generator(&VersionId::Base.to_string());
                }
            }
            drafted
        }
        .boxed()
    }

    fn predict<'a>(
        &'a self,
        versions: &'a ModelVersions,
        question: &'a str,
        opinion: &'a str,
        statements: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<RatingDistribution>>> {
        let predictions = async move {
            let model = self
                .resident
                .reward_model(&self.config, &versions.reward_model)
                .await?;
            let opinion = model.readable(opinion)?;
            model.predict(question, &opinion, statements).await
        };
        async move {
            let limit = self.config.models.predict_within;
            let predicted = within("models.predict_within", limit, predictions).await;
            if is_too_slow(&predicted) {
                self.resident.forget_reward_model(&versions.reward_model);
            }
            predicted
        }
        .boxed()
    }

    fn tested_languages(&self, guild: Guild) -> BoxFuture<'_, Result<Option<BTreeSet<String>>>> {
        resident::tested_languages(&self.config, guild).boxed()
    }

    fn is_calibrated<'a>(
        &'a self,
        versions: &'a ModelVersions,
        welfare: WelfareFunction,
    ) -> BoxFuture<'a, Result<bool>> {
        resident::is_calibrated(&self.config, &versions.reward_model, welfare).boxed()
    }
}

impl LocalModels {
    /// # Errors
    /// A template that cannot be read.
    pub fn new(config: Config, resident: Arc<Resident>) -> Result<Self> {
        let mut templates = String::new();
        for name in [
            "generator.system.j2",
            "generator.user.j2",
            "generator.revision.j2",
            "rating.j2",
        ] {
            templates.push_str(&config.text(&format!("prompts/{name}"))?);
        }
        Ok(Self {
            config,
            resident,
            prompts_sha256: sha256_of_bytes(templates.as_bytes()),
        })
    }

    /// Loads what the host has active, so that the first round need not wait for it.
    ///
    /// # Errors
    /// A model that cannot be loaded.
    pub async fn warm_up(&self) -> Result<()> {
        let host = resident::active(&self.config, None).await?;
        let Self {
            config, resident, ..
        } = self;
        resident.generator(config, &host.generator).await?;
        resident.reward_model(config, &host.reward_model).await?;
        Ok(())
    }

    /// In an experiment, the arms: one draft, and the others to be ranked; then one of the base model,
    /// if that writes one that can stand.
    async fn draft_candidates(
        &self,
        versions: &ModelVersions,
        input: &DraftInput,
        names: &[String],
        seed: u64,
        drafted: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Vec<Candidate>> {
        let mut settings = self.config.generator.clone();
        if input.experiment {
            settings.candidates = settings.candidates.max(2);
        }
        let mut candidates = self
            .draft_with(versions, input, names, &settings, seed, drafted)
            .await?;
        if !input.experiment {
            return Ok(candidates);
        }
        ensure!(
            candidates.len() >= 2,
            "only one draft can stand as a candidate, expected one to post as it is and others to rank"
        );
        let base = VersionId::Base.to_string();
        let is_base = versions.generator == base;
        for (sample, candidate) in candidates.iter_mut().enumerate() {
            // Which draft is not ranked is not to depend on how good it is, so it is the first.
            candidate.provenance.arm = Some(match (sample, is_base) {
                (0, false) => Arm::Sft,
                // There is no adapter that could make a difference.
                (0, true) => Arm::ZeroShot,
                _ => Arm::Accord,
            });
        }
        if !is_base {
            let versions = ModelVersions {
                generator: base,
                ..versions.clone()
            };
            let one = DraftingSettings {
                candidates: 1,
                ..settings
            };
            let zero_shot = self.draft_with(&versions, input, names, &one, seed, &|_| ());
            match zero_shot.await {
                Ok(drafts) => candidates.extend(drafts.into_iter().map(|mut candidate| {
                    candidate.provenance.arm = Some(Arm::ZeroShot);
                    candidate
                })),
                // Whom the base model cannot write for compare the others.
                Err(error) if error.is::<NothingUsable>() => {
                    tracing::info!("an experiment goes without the base model: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(candidates)
    }

    /// The generator is held until the drafting ends, whatever becomes active meanwhile, and no longer:
    /// another may have to make room for the next one.
    async fn draft_with(
        &self,
        versions: &ModelVersions,
        input: &DraftInput,
        names: &[String],
        settings: &DraftingSettings,
        seed: u64,
        drafted: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Vec<Candidate>> {
        let opinions: Vec<String> = texts(&input.opinions);
        let revision = input.revision.as_ref().map(|revision| Revision {
            statement: revision.statement.clone(),
            critiques: texts(&revision.critiques),
        });
        let brief = Brief {
            question: &input.question,
            opinions: &opinions,
            revision: revision.as_ref(),
        };
        let generator = self
            .resident
            .generator(&self.config, &versions.generator)
            .await?;
        let drafts = draft(&generator, &brief, names, settings, seed, drafted).await?;
        let critiques_read: Vec<_> = input
            .revision
            .iter()
            .flat_map(|revision| revision.critiques.iter().map(|(member, _)| *member))
            .collect();
        let models = &self.config.models;
        let candidates = drafts.candidates.into_iter().map(|candidate| Candidate {
            text: candidate.text,
            provenance: Provenance {
                generator: with_version(models.generator.model_name(), &versions.generator),
                reward_model: with_version(
                    models.reward_model.model_name(),
                    &versions.reward_model,
                ),
                prompt_sha256: self.prompts_sha256.clone(),
                seed: candidate.seed,
                temperature: settings.temperature,
                top_p: settings.top_p,
                opinions_read: candidate
                    .opinions_read
                    .iter()
                    .map(|&index| input.opinions[index].0)
                    .collect(),
                critiques_read: critiques_read.clone(),
                drafted_at: Utc::now(),
                arm: None,
            },
            predictions: Default::default(),
            withdrawn_at: None,
            reports: Vec::new(),
            kept: false,
        });
        Ok(candidates.collect())
    }
}

/// # Errors
/// [`TooSlow`], and those of `answer`.
async fn within<T>(
    setting: &'static str,
    limit: TimeDelta,
    answer: impl Future<Output = Result<T>>,
) -> Result<T> {
    let within = limit.to_std().expect("settings are longer than nothing");
    match tokio::time::timeout(within, answer).await {
        Ok(answered) => answered,
        Err(_) => Err(TooSlow { setting, within }.into()),
    }
}

fn is_too_slow<T>(answer: &Result<T>) -> bool {
    answer.as_ref().is_err_and(|error| error.is::<TooSlow>())
}

/// For people: `SmolLM2-135M-Instruct + shipped`.
fn with_version(base: String, version: &str) -> String {
    if version == VersionId::Base.to_string() {
        base
    } else {
        format!("{base} + {version}")
    }
}

fn texts<T>(written: &[(T, String)]) -> Vec<String> {
    written.iter().map(|(_, text)| text.clone()).collect()
}
