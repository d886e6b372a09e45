//! What the facilitator needs of the models.

use std::sync::Arc;

use anyhow::Result;
use chrono::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::deliberation::distribution::RatingDistribution;
use crate::deliberation::round::{Candidate, DraftInput, Provenance};
use crate::inference::drafting::{DraftingSettings, draft};
use crate::inference::generator::Generator;
use crate::inference::prompts::{Brief, Revision};
use crate::inference::reward::RewardModel;

/// Writes candidates and predicts ratings.
pub trait Models: Send + Sync + 'static {
    /// How many candidates a drafting is asked for.
    fn wanted(&self) -> usize;

    /// Candidates for a group, none of which contains one of `names`; without predictions.
    /// `drafted` is called with the number of candidates that are settled.
    ///
    /// # Errors
    /// The model's; not one usable candidate.
    fn draft<'a>(
        &'a self,
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
        question: &'a str,
        opinion: &'a str,
        statements: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<RatingDistribution>>>;
}

/// The models in this process.
pub struct LocalModels {
    pub generator: Generator,
    /// Model and version.
    pub generator_name: String,
    pub reward_model: Arc<RewardModel>,
    /// Model and version.
    pub reward_model_name: String,
    pub settings: DraftingSettings,
    /// SHA-256 of the prompt templates.
    pub prompts_sha256: String,
}

impl Models for LocalModels {
    fn wanted(&self) -> usize {
        self.settings.candidates
    }

    fn draft<'a>(
        &'a self,
        input: &'a DraftInput,
        names: &'a [String],
        seed: u64,
        drafted: &'a (dyn Fn(usize) + Send + Sync),
    ) -> BoxFuture<'a, Result<Vec<Candidate>>> {
        self.draft_candidates(input, names, seed, drafted).boxed()
    }

    fn predict<'a>(
        &'a self,
        question: &'a str,
        opinion: &'a str,
        statements: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<RatingDistribution>>> {
        async move {
            let opinion = self.reward_model.readable(opinion)?;
            self.reward_model
                .predict(question, &opinion, statements)
                .await
        }
        .boxed()
    }
}

impl LocalModels {
    async fn draft_candidates(
        &self,
        input: &DraftInput,
        names: &[String],
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
        let drafts = draft(
            &self.generator,
            &brief,
            names,
            &self.settings,
            seed,
            drafted,
        )
        .await?;
        let critiques_read: Vec<_> = input
            .revision
            .iter()
            .flat_map(|revision| revision.critiques.iter().map(|(member, _)| *member))
            .collect();
        let candidates = drafts.candidates.into_iter().map(|candidate| Candidate {
            text: candidate.text,
            provenance: Provenance {
                generator: self.generator_name.clone(),
                reward_model: self.reward_model_name.clone(),
                prompt_sha256: self.prompts_sha256.clone(),
                seed: candidate.seed,
                temperature: self.settings.temperature,
                top_p: self.settings.top_p,
                opinions_read: candidate
                    .opinions_read
                    .iter()
                    .map(|&index| input.opinions[index].0)
                    .collect(),
                critiques_read: critiques_read.clone(),
                drafted_at: Utc::now(),
            },
            predictions: Default::default(),
            withdrawn_at: None,
            reports: Vec::new(),
        });
        Ok(candidates.collect())
    }
}

fn texts<T>(written: &[(T, String)]) -> Vec<String> {
    written.iter().map(|(_, text)| text.clone()).collect()
}
