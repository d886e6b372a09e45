//! The reward model's task: predict how a participant rates a statement.

use std::fmt;

use anyhow::{Result, bail, ensure};
use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::fine_tuning::{Loss, Task};
use super::losses::{RatedLogits, RewardLoss, reward_loss};
use super::split::Split;
use crate::deliberation::record::Deliberation;
use crate::inference::prompts::Prompts;
use crate::inference::reward::rating_tokens;
use crate::inference::tokenizer::Tokenizer;
use crate::transformer::gguf::GgufFile;
use crate::transformer::{PackedSequence, TrainingPass, Transformer};

/// Ratings to learn from, as tokens.
pub struct RewardTask {
    pub training: Vec<RewardUnit>,
    pub validation: Vec<RewardUnit>,
    /// The tokens `1` to `7`.
    pub rating_tokens: [u32; 7],
    pub loss: RewardLoss,
    pub seed: u64,
    pub skipped: Skipped,
}

impl RewardTask {
    /// # Errors
    /// If there is no rating, or all are equal; a tokenizer or a prompt that cannot be used.
    pub fn new(
        split: &Split,
        gguf: &GgufFile,
        prompts: &Prompts,
        loss: RewardLoss,
        seed: u64,
    ) -> Result<Self> {
        let tokenizer = Tokenizer::from_gguf(&gguf.content.metadata)?;
        let context_length = gguf.context_length()?;
        let mut skipped = Skipped::default();
        let mut units = |deliberations: &[Deliberation]| {
            let mut units = Vec::new();
            for deliberation in deliberations {
                units.extend(reward_units(
                    deliberation,
                    prompts,
                    &tokenizer,
                    context_length,
                    &mut skipped,
                )?);
            }
            anyhow::Ok(units)
        };
        let (training, mut validation) = (units(&split.training)?, units(&split.validation)?);
        // Its first units decide when to stop: they should not all be of one large group.
        validation.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
        for (units, side) in [(&training, "training"), (&validation, "validation")] {
            let mut ratings = units.iter().flat_map(|unit| &unit.ratings);
            let Some(first) = ratings.next() else {
                bail!("there is no rating in the {side} data; more rated deliberations are needed");
            };
            ensure!(
                side == "validation" || ratings.any(|other| other.rating != first.rating),
                "all ratings in the {side} data are {}: there is nothing to learn from them",
                first.rating
            );
        }
        Ok(Self {
            training,
            validation,
            rating_tokens: rating_tokens(&tokenizer, prompts)?,
            loss,
            seed,
            skipped,
        })
    }
}

/// Participants of one deliberation, each with all statements they rated: one packed sequence a
/// participant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RewardUnit {
    sequences: Vec<PackedSequence>,
    /// In the order of the continuations of all sequences.
    ratings: Vec<Rating>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Rating {
    participant: usize,
    statement: usize,
    rating: u8,
    /// The participant's.
    weight: f64,
}

/// What cannot be learned from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Participants who rated nothing, or whose ratings weigh nothing.
    pub unrated: usize,
    /// Ratings where question, opinion and statement exceed the model's context.
    pub too_long: usize,
}

impl fmt::Display for Skipped {
    /// For the end of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unrated, too_long } = self;
        write!(
            f,
            "; left out: {unrated} participants without a rating that weighs something, {too_long} ratings of texts that exceed the model's context"
        )
    }
}

/// The ratings of one deliberation are in one unit, so that they can be compared, unless they have
/// more tokens than this together: then it is cut, between two statements if need be.
const UNIT_TOKENS: usize = 4096;

/// Turns the ratings of a deliberation into units.
fn reward_units(
    deliberation: &Deliberation,
    prompts: &Prompts,
    tokenizer: &Tokenizer,
    context_length: usize,
    skipped: &mut Skipped,
) -> Result<Vec<RewardUnit>> {
    let mut units: Vec<RewardUnit> = Vec::new();
    let mut tokens = usize::MAX;
    for (participant, opinion) in deliberation.opinions.iter().enumerate() {
        let weight = deliberation.weights[participant];
        let statements = deliberation.statements.iter().enumerate();
        let rated: Vec<(usize, &str, u8)> = statements
            .filter_map(|(index, statement)| {
                Some((index, &*statement.text, statement.agreement[participant]?))
            })
            .collect();
        if rated.is_empty() || weight == 0.0 {
            skipped.unrated += 1;
            continue;
        }
        let texts: Vec<&str> = rated.iter().map(|&(_, text, _)| text).collect();
        let prompt = prompts.rating(&deliberation.question, opinion, &texts)?;
        let prefix = tokenizer.encode(&prompt.prefix)?;
        // Whether the unit's last sequence is this participant's.
        let mut begun = false;
        for (&(statement, _, rating), continuation) in rated.iter().zip(&prompt.continuations) {
            let continuation = tokenizer.encode(continuation)?;
            if prefix.len() + continuation.len() > context_length {
                skipped.too_long += 1;
                continue;
            }
            let more = continuation.len() + if begun { 0 } else { prefix.len() };
            if tokens.saturating_add(more) > UNIT_TOKENS {
                units.push(RewardUnit::default());
                tokens = 0;
                begun = false;
            }
            let Some(unit) = units.last_mut() else {
                continue;
            };
            if !begun {
                tokens += prefix.len();
                unit.sequences.push(PackedSequence {
                    prefix: prefix.clone(),
                    continuations: Vec::new(),
                });
                begun = true;
            }
            tokens += continuation.len();
            if let Some(sequence) = unit.sequences.last_mut() {
                sequence.continuations.push(continuation);
            }
            unit.ratings.push(Rating {
                participant,
                statement,
                rating,
                weight,
            });
        }
    }
    Ok(units)
}

impl Task for RewardTask {
    type Unit = RewardUnit;

    fn epoch(&self, epoch: usize) -> Result<Vec<RewardUnit>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(1 + epoch as u64);
        let mut units = self.training.clone();
        units.shuffle(&mut random);
        Ok(units)
    }

    fn validation(&self) -> &[RewardUnit] {
        &self.validation
    }

    fn sequences(unit: &RewardUnit) -> &[PackedSequence] {
        &unit.sequences
    }

    fn targets(unit: &RewardUnit) -> usize {
        unit.ratings.len()
    }

    fn loss(&self, model: &Transformer, unit: &RewardUnit, pass: &TrainingPass) -> Result<Loss> {
        let rows: Vec<u32> = pass
            .sequences
            .iter()
            .flat_map(|rows| &rows[1..])
            .map(|rows| rows.end as u32 - 1)
            .collect();
        let device = model.output.device();
        // [7, hidden]
        let output = model
            .output
            .index_select(&Tensor::new(&self.rating_tokens, device)?, 0)?;
        let logits = model.hidden(pass, &rows)?.matmul(&output.t()?)?;
        let logits = logits
            .to_dtype(candle_core::DType::F32)?
            .to_device(&Device::Cpu)?
            .to_vec2::<f32>()?;
        let rated: Vec<RatedLogits> = unit
            .ratings
            .iter()
            .zip(&logits)
            .map(|(rating, logits)| {
                Ok(RatedLogits {
                    participant: rating.participant,
                    statement: rating.statement,
                    rating: rating.rating,
                    weight: rating.weight,
                    logits: logits.as_slice().try_into()?,
                })
            })
            .collect::<Result<_>>()?;
        let (value, d_logits) = reward_loss(&rated, self.loss);
        let d_logits: Vec<f32> = d_logits.iter().flatten().map(|d| *d as f32).collect();
        let d_logits = Tensor::from_vec(d_logits, (rows.len(), 7), device)?;
        Ok(Loss {
            value,
            rows,
            d_hidden: d_logits.to_dtype(output.dtype())?.matmul(&output)?,
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A unit of two participants and two statements, of tokens below 50.
    pub fn unit(index: usize) -> RewardUnit {
        let question = index as u32 % 3;
        let sequence = |opinion| PackedSequence {
            prefix: vec![10 + question, opinion, 20],
            continuations: vec![vec![40, 8], vec![41, 9 + question, 12]],
        };
        let rating = |participant, statement, rating| Rating {
            participant,
            statement,
            rating,
            weight: 1.0,
        };
        RewardUnit {
            sequences: vec![sequence(30), sequence(31)],
            ratings: vec![
                rating(0, 0, 7),
                rating(0, 1, 2),
                rating(1, 0, 1),
                rating(1, 1, 6),
            ],
        }
    }
}
