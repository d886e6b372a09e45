//! The generator's task: write the statements that people found good, from their opinions.

use std::fmt;

use anyhow::{Result, ensure};
use candle_core::{D, DType, Tensor};
use rand::seq::{SliceRandom, index};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fine_tuning::{Loss, Task};
use super::split::Split;
use crate::deliberation::record::{Deliberation, FEWEST_OPINIONS};
use crate::inference::candidates;
use crate::inference::drafting::shorten;
use crate::inference::generator::prompt_tokens;
use crate::inference::prompts::{Brief, ChatTemplate, Example, Prompts};
use crate::inference::tokenizer::Tokenizer;
use crate::transformer::gguf::GgufFile;
use crate::transformer::{PackedSequence, TrainingPass, Transformer};

/// Statements to learn to write.
pub struct GeneratorTask {
    pub training: Vec<Example>,
    pub validation: Vec<GeneratorUnit>,
    pub writer: Writer,
    pub seed: u64,
    pub skipped: Skipped,
}

impl GeneratorTask {
    /// # Errors
    /// If there is no good statement; templates that cannot be rendered.
    pub fn new(split: &Split, writer: Writer, seed: u64) -> Result<Self> {
        let mut task = Self {
            training: Vec::new(),
            validation: Vec::new(),
            writer,
            seed,
            skipped: Skipped::default(),
        };
        for deliberation in &split.training {
            for example in examples(deliberation, &mut task.skipped) {
                match task.writer.unit(&example, &all(&example))? {
                    Some(_) => task.training.push(example),
                    None => task.skipped.too_long += 1,
                }
            }
        }
        task.validation = task.validation_units(&split.validation)?;
        ensure!(
            !task.training.is_empty() && !task.validation.is_empty(),
            "there are {} statements to learn from and {} to validate with: statements of quality 6 or 7 are needed{}",
            task.training.len(),
            task.validation.len(),
            task.skipped
        );
        Ok(task)
    }

    /// The good statements of other deliberations, after all opinions in the given order.
    ///
    /// # Errors
    /// Templates that cannot be rendered.
    pub fn validation_units(&self, deliberations: &[Deliberation]) -> Result<Vec<GeneratorUnit>> {
        let mut skipped = Skipped::default();
        let mut units = Vec::new();
        for deliberation in deliberations {
            for example in examples(deliberation, &mut skipped) {
                units.extend(self.writer.unit(&example, &all(&example))?);
            }
        }
        Ok(units)
    }
}

fn all(example: &Example) -> Vec<usize> {
    (0..example.opinions.len()).collect()
}

/// What turns an example into tokens.
pub struct Writer {
    prompts: Prompts,
    tokenizer: Tokenizer,
    chat_template: ChatTemplate,
    context_length: usize,
    /// How much of one opinion a draft reads.
    opinion_characters: usize,
    /// What the model writes after the statement.
    end_of_turn: u32,
}

/// One statement after one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorUnit {
    sequences: [PackedSequence; 1],
}

/// Why statements are not learned from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Quality of 5 or less, or none given.
    pub not_good: usize,
    /// Of another kind than `consensus`, where kinds are given; elsewhere of a mean agreement
    /// below 5.
    pub no_consensus: usize,
    /// What a draft would be drawn again for: too short, claims agreement.
    pub unusable: usize,
    /// Prompt and statement exceed the model's context.
    pub too_long: usize,
}

impl fmt::Display for Skipped {
    /// For the end of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            not_good,
            no_consensus,
            unusable,
            too_long,
        } = self;
        write!(
            f,
            "; left out: {not_good} statements of quality 5 or less, {no_consensus} that are no consensus, {unusable} that no draft may be, {too_long} that exceed the model's context"
        )
    }
}

/// Whether a deliberation has statements that are worth writing.
pub fn has_good_statements(deliberation: &Deliberation) -> bool {
    !good_statements(deliberation).is_empty()
}

/// The statements of a deliberation that are worth writing.
pub fn good_statements(deliberation: &Deliberation) -> Vec<Example> {
    examples(deliberation, &mut Skipped::default())
}

/// The statements of a deliberation that are worth writing: quality above 5, as in Bakker et al.
/// 2022 (arXiv:2211.15006, section 3.2), and of kind `consensus`, or where no kind is given of a
/// mean agreement of at least 5.
fn examples(deliberation: &Deliberation, skipped: &mut Skipped) -> Vec<Example> {
    let mut examples = Vec::new();
    for statement in &deliberation.statements {
        let agreement: Vec<f64> = statement
            .agreement
            .iter()
            .flatten()
            .map(|rating| f64::from(*rating))
            .collect();
        let is_consensus = match &statement.kind {
            Some(kind) => kind == "consensus",
            None => agreement.iter().sum::<f64>() >= 5.0 * agreement.len().max(1) as f64,
        };
        if statement.quality.is_none_or(|quality| quality <= 5) {
            skipped.not_good += 1;
        } else if !is_consensus {
            skipped.no_consensus += 1;
        } else if let Ok(text) = candidates::clean(&statement.text) {
            examples.push(Example {
                question: deliberation.question.clone(),
                opinions: deliberation.opinions.clone(),
                statement: text,
            });
        } else {
            skipped.unusable += 1;
        }
    }
    examples
}

impl Writer {
    /// # Errors
    /// A model without a chat template, or with a tokenizer that cannot be used.
    pub fn new(gguf: &GgufFile, prompts: &Prompts, opinion_characters: usize) -> Result<Self> {
        Ok(Self {
            prompts: prompts.clone(),
            tokenizer: Tokenizer::from_gguf(&gguf.content.metadata)?,
            chat_template: ChatTemplate::from_gguf(gguf)?,
            context_length: gguf.context_length()?,
            opinion_characters,
            end_of_turn: gguf.u32("tokenizer.ggml.eos_token_id")?,
        })
    }

    /// The example with these of its opinions, in this order; `None` if that exceeds the context.
    ///
    /// # Errors
    /// Templates that cannot be rendered.
    fn unit(&self, example: &Example, order: &[usize]) -> Result<Option<GeneratorUnit>> {
        let opinions: Vec<String> = order
            .iter()
            .map(|&index| shorten(&example.opinions[index], self.opinion_characters))
            .collect();
        let (tokenizer, chat) = (&self.tokenizer, &self.chat_template);
        let prompt = prompt_tokens(
            &self.prompts,
            tokenizer,
            chat,
            &Brief {
                question: &example.question,
                opinions: &opinions,
                revision: None,
            },
        )?;
        let mut statement = tokenizer.encode(&example.statement)?;
        statement.push(self.end_of_turn);
        if prompt.len() + statement.len() > self.context_length {
            return Ok(None);
        }
        Ok(Some(GeneratorUnit {
            sequences: [PackedSequence {
                prefix: prompt,
                continuations: vec![statement],
            }],
        }))
    }
}

impl Task for GeneratorTask {
    type Unit = GeneratorUnit;

    /// Every example once, with some or all of its opinions (each number from 3 on alike) in a
    /// new order.
    fn epoch(&self, epoch: usize) -> Result<Vec<GeneratorUnit>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(1 + epoch as u64);
        let mut units = Vec::with_capacity(self.training.len());
        for example in &self.training {
            let all = example.opinions.len();
            let shown = random.random_range(FEWEST_OPINIONS.min(all)..=all);
            let order = index::sample(&mut random, all, shown).into_vec();
            // Whatever is shown is shorter than all of it, which fits.
            units.extend(self.writer.unit(example, &order)?);
        }
        units.shuffle(&mut random);
        Ok(units)
    }

    fn validation(&self) -> &[GeneratorUnit] {
        &self.validation
    }

    fn sequences(unit: &GeneratorUnit) -> &[PackedSequence] {
        &unit.sequences
    }

    fn targets(unit: &GeneratorUnit) -> usize {
        unit.sequences[0].continuations[0].len()
    }

    fn loss(&self, model: &Transformer, unit: &GeneratorUnit, pass: &TrainingPass) -> Result<Loss> {
        cross_entropy(model, pass, &unit.sequences[0].continuations[0])
    }
}

/// Of the tokens of the first sequence's only continuation, a token: the statement and the end of
/// the turn.
fn cross_entropy(model: &Transformer, pass: &TrainingPass, statement: &[u32]) -> Result<Loss> {
    let own = &pass.sequences[0][1];
    // A token is predicted in the row before it.
    let rows: Vec<u32> = (own.start - 1..own.end - 1).map(|row| row as u32).collect();
    let hidden = model.hidden(pass, &rows)?;
    let device = hidden.device();
    // [rows, vocabulary]
    let logits = hidden.matmul(&model.output.t()?)?.to_dtype(DType::F32)?;
    let log_probabilities = candle_nn::ops::log_softmax(&logits, D::Minus1)?;
    let statement = Tensor::new(statement, device)?.unsqueeze(1)?;
    let given = log_probabilities.gather(&statement, 1)?;
    let value = -given.mean_all()?.to_scalar::<f32>()?;
    let count = rows.len();
    let minus_one = Tensor::full(-1f32, (count, 1), device)?;
    let d_logits = log_probabilities
        .exp()?
        .scatter_add(&statement, &minus_one, 1)?
        .to_dtype(hidden.dtype())?;
    Ok(Loss {
        value: f64::from(value),
        rows,
        d_hidden: (d_logits.matmul(&model.output)? / count as f64)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliberation::record::RatedStatement;
    use crate::transformer::tests::tiny_models;

    #[test]
    fn the_gradient_of_the_cross_entropy_is_its_slope() {
        let [model, ..] = tiny_models();
        let statement = [7, 3, 30];
        let sequence = PackedSequence {
            prefix: vec![1, 2, 3, 4],
            continuations: vec![statement.to_vec()],
        };
        let pass = model.training_pass(&[sequence], None).unwrap();
        let loss = cross_entropy(&model, &pass, &statement).unwrap();
        assert_eq!(loss.rows, [3, 4, 5]);
        let hidden = model.hidden(&pass, &loss.rows).unwrap();
        // Along the gradient, the loss of hidden states beside these.
        let value = |step: f64| -> f64 {
            let moved = (&hidden + (&loss.d_hidden * step).unwrap()).unwrap();
            let logits = moved.matmul(&model.output.t().unwrap()).unwrap();
            let logits = logits.to_vec2::<f32>().unwrap();
            let of_rows = logits.iter().zip(statement).map(|(row, token)| {
                let total: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
                total.ln() - f64::from(row[token as usize])
            });
            of_rows.sum::<f64>() / 3.0
        };
        assert!((value(0.0) - loss.value).abs() < 1e-4);
        let slope = (value(0.01) - value(-0.01)) / 0.02;
        let squares = loss.d_hidden.sqr().unwrap().sum_all().unwrap();
        let expected = f64::from(squares.to_scalar::<f32>().unwrap());
        assert!(
            (slope - expected).abs() < 1e-3 * expected.max(1.0),
            "{slope} {expected}"
        );
    }

    #[test]
    fn good_statements_of_kind_consensus_are_learned_and_the_others_counted() {
        let statement = |quality, kind: Option<&str>, agreement: [u8; 3]| RatedStatement {
            text: "Run them at night, and no later than needed by those who work.".into(),
            agreement: agreement.map(Some).to_vec(),
            quality,
            kind: kind.map(str::to_owned),
            arm: None,
        };
        let deliberation = Deliberation {
            id: None,
            topic: None,
            question: "Night buses?".into(),
            opinions: vec!["Yes, please.".into(); 3],
            weights: vec![1.0; 3],
            statements: vec![
                statement(Some(6), Some("consensus"), [1, 1, 1]),
                statement(Some(5), Some("consensus"), [7, 7, 7]),
                statement(None, Some("consensus"), [7, 7, 7]),
                statement(Some(7), Some("lean"), [7, 7, 7]),
                statement(Some(7), None, [5, 5, 5]),
                statement(Some(7), None, [5, 5, 4]),
                RatedStatement {
                    text: "Yes.".into(),
                    ..statement(Some(7), None, [7, 7, 7])
                },
            ],
        };
        let mut skipped = Skipped::default();
        assert_eq!(examples(&deliberation, &mut skipped).len(), 2);
        let expected = Skipped {
            not_good: 2,
            no_consensus: 2,
            unusable: 1,
            too_long: 0,
        };
        assert_eq!(skipped, expected);
    }
}
