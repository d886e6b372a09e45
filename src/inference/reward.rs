//! The reward model: predicts how strongly one participant would agree with a candidate.
//!
//! The rating is read off a language model's vocabulary: the probabilities of the tokens
//! `1` to `7` after the rating prompt, renormalised.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device};
use serde::Deserialize;
use thiserror::Error;

use super::calibration::Calibration;
use super::drafting::shorten_to_tokens;
use super::prompts::Prompts;
use super::serving::{self, ServedModel};
use super::tokenizer::Tokenizer;
use crate::deliberation::distribution::RatingDistribution;
use crate::transformer::adapter::Adapter;
use crate::transformer::gguf::GgufFile;
use crate::transformer::{PackedSequence, Transformer};

/// A reward model, ready to predict.
pub struct RewardModel {
    engine: Engine,
    prompts: Prompts,
    /// The tokens `1` to `7`.
    ratings: [u32; 7],
    calibration: Calibration,
}

/// What computes the predictions: the setting `models.reward_engine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RewardEngine {
    /// All candidates of a participant in one pass of our own transformer.
    Packed,
    /// One candidate at a time, by mistral.rs.
    MistralRs,
}

enum Engine {
    Packed {
        transformer: Arc<Transformer>,
        tokenizer: Box<Tokenizer>,
    },
    MistralRs(Arc<ServedModel>),
}

impl RewardModel {
    /// Scores with our own transformer, in f32 on the CPU and in bf16 elsewhere. An adapter is
    /// added to the weights as they are read.
    ///
    /// # Errors
    /// A model that the transformer or the tokenizer cannot read, or that has no token for
    /// one of the ratings; an adapter for another model.
    pub fn packed(
        gguf: &GgufFile,
        adapter: Option<&Adapter>,
        device: &Device,
        prompts: Prompts,
        calibration: Calibration,
    ) -> Result<Self> {
        let dtype = if device.is_cpu() {
            DType::F32
        } else {
            DType::BF16
        };
        let tokenizer = Tokenizer::from_gguf(&gguf.content.metadata)?;
        let base = Transformer::load(gguf, device, dtype)?;
        let transformer = match adapter {
            Some(adapter) => base.merged(adapter)?,
            None => base,
        };
        Ok(Self {
            ratings: rating_tokens(&tokenizer, &prompts)?,
            engine: Engine::Packed {
                transformer: Arc::new(transformer),
                tokenizer: Box::new(tokenizer),
            },
            prompts,
            calibration,
        })
    }

    /// As [`Self::packed`], from a file, on a GPU if there is one.
    ///
    /// # Errors
    /// As [`Self::packed`].
    pub fn packed_from(
        path: &Path,
        adapter: Option<&Adapter>,
        prompts: Prompts,
        calibration: Calibration,
    ) -> Result<Self> {
        let gguf = GgufFile::open(path)?;
        Self::packed(&gguf, adapter, &serving::device()?, prompts, calibration)
    }

    /// Scores with a model that mistral.rs serves.
    ///
    /// # Errors
    /// A model that has no token for one of the ratings.
    pub fn served(
        model: Arc<ServedModel>,
        prompts: Prompts,
        calibration: Calibration,
    ) -> Result<Self> {
        Ok(Self {
            ratings: rating_tokens(&model.tokenizer, &prompts)?,
            engine: Engine::MistralRs(model),
            prompts,
            calibration,
        })
    }

    /// The same model without its calibration.
    #[must_use]
    pub fn uncalibrated(self) -> Self {
        Self {
            calibration: Calibration::default(),
            ..self
        }
    }

    /// Whether there is room for a candidate after this question and opinion.
    ///
    /// # Errors
    /// If they leave less than a statement needs of the model's context.
    pub fn check_length(&self, question: &str, opinion: &str) -> Result<()> {
        const STATEMENT_TOKENS: usize = 256;
        let prefix = self.prompts.rating(question, opinion, &[])?.prefix;
        self.check_fits(self.tokenizer().encode(&prefix)?.len() + STATEMENT_TOKENS)
    }

    /// As much of an opinion as it reads within a round, where there is nobody to shorten it.
    ///
    /// # Errors
    /// The tokenizer's.
    pub fn readable(&self, opinion: &str) -> Result<String> {
        // Usually 4,000 characters make about 900.
        const OPINION_TOKENS: usize = 2000;
        shorten_to_tokens(self.tokenizer(), opinion, OPINION_TOKENS)
    }

    /// How a participant with this opinion would rate each of `candidates`.
    ///
    /// # Errors
    /// [`TextTooLong`]; the engine's errors.
    pub async fn predict(
        &self,
        question: &str,
        opinion: &str,
        candidates: &[&str],
    ) -> Result<Vec<RatingDistribution>> {
        let prompt = self.prompts.rating(question, opinion, candidates)?;
        let tokenizer = self.tokenizer();
        let packed = PackedSequence {
            prefix: tokenizer.encode(&prompt.prefix)?,
            continuations: prompt
                .continuations
                .iter()
                .map(|continuation| tokenizer.encode(continuation))
                .collect::<Result<_>>()?,
        };
        for continuation in &packed.continuations {
            self.check_fits(packed.prefix.len() + continuation.len())?;
        }
        let logits = match &self.engine {
            Engine::Packed { transformer, .. } => {
                let (transformer, ratings) = (transformer.clone(), self.ratings);
                tokio::task::spawn_blocking(move || {
                    transformer.next_token_logits(&packed, &ratings)
                })
                .await??
            }
            Engine::MistralRs(model) => {
                let mut logits = Vec::with_capacity(packed.continuations.len());
                for continuation in &packed.continuations {
                    let whole = [packed.prefix.as_slice(), continuation].concat();
                    logits.push(model.next_token_logits(whole, &self.ratings).await?);
                }
                logits
            }
        };
        logits
            .iter()
            .map(|logits| {
                let logits: [f32; 7] = logits.as_slice().try_into()?;
                let predicted = RatingDistribution::from_logits(logits)
                    .context("the reward model's logits are not finite")?;
                Ok(self.calibration.apply(&predicted))
            })
            .collect()
    }

    fn tokenizer(&self) -> &Tokenizer {
        match &self.engine {
            Engine::Packed { tokenizer, .. } => tokenizer,
            Engine::MistralRs(model) => &model.tokenizer,
        }
    }

    fn check_fits(&self, tokens: usize) -> Result<()> {
        let context_length = match &self.engine {
            Engine::Packed { transformer, .. } => transformer.context_length,
            Engine::MistralRs(model) => model.context_length,
        };
        ensure!(
            tokens <= context_length,
            TextTooLong {
                tokens,
                context_length
            }
        );
        Ok(())
    }
}

/// A prompt that is longer than the model's context.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the question, the opinion and a statement take {tokens} tokens, the reward model reads {context_length}; shorten the opinion"
)]
pub struct TextTooLong {
    pub tokens: usize,
    pub context_length: usize,
}

/// The tokens `1` to `7`, found by encoding each where it stands in the prompt.
///
/// # Errors
/// If one of them is not a token of its own there.
pub fn rating_tokens(tokenizer: &Tokenizer, prompts: &Prompts) -> Result<[u32; 7]> {
    let end = prompts
        .rating("Why?", "Because.", &["So it is."])?
        .continuations
        .concat();
    let before = tokenizer.encode(&end)?;
    let mut tokens = [0; 7];
    for (rating, token) in (1..).zip(&mut tokens) {
        let whole = tokenizer.encode(&format!("{end}{rating}"))?;
        ensure!(
            whole.len() == before.len() + 1 && whole.starts_with(&before),
            "the reward model has no single token for the rating {rating} after prompts/rating.j2; choose another models.reward_model, or end the template so that the digit follows"
        );
        *token = whole[before.len()];
    }
    Ok(tokens)
}
