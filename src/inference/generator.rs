//! The generator: writes consensus statements from opinions.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::candidates::has_whole_paragraph;
use super::prompts::{Brief, ChatTemplate, Prompts, Revision};
use super::serving::{Sampling, ServedModel};
use super::tokenizer::Tokenizer;

/// A model and the prompts with which it writes statements.
pub struct Generator {
    /// The model.
    pub model: Arc<ServedModel>,
    /// What it is asked.
    pub prompts: Prompts,
}

impl Generator {
    /// What the model writes on reading a brief; not cleaned.
    ///
    /// # Errors
    /// As [`ServedModel::sample`].
    pub async fn write(&self, brief: &Brief<'_>, sampling: Sampling, seed: u64) -> Result<String> {
        let prompt = self.prompt(brief)?;
        let model = self.model.clone();
        // Nothing after the first paragraph is used, so nothing after it is drawn.
        let ends = move |drawn: &[u32]| {
            model
                .tokenizer
                .decode(drawn)
                .is_ok_and(|text| has_whole_paragraph(&text))
        };
        let drawn = self.model.sample(prompt, sampling, seed, ends).await?;
        self.model.tokenizer.decode(&drawn)
    }

    /// How many of the brief's opinions one draft can read, whichever they are, and still write
    /// `max_tokens`.
    ///
    /// # Errors
    /// If not even the two longest fit.
    pub fn opinions_that_fit(&self, brief: &Brief<'_>, max_tokens: usize) -> Result<usize> {
        let length = |opinions| anyhow::Ok(self.prompt(&Brief { opinions, ..*brief })?.len());
        let without = length(&[])?;
        let mut lengths = brief
            .opinions
            .iter()
            .map(|opinion| Ok(length(std::slice::from_ref(opinion))? - without))
            .collect::<Result<Vec<usize>>>()?;
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        // The number before an opinion takes more digits in a longer list.
        const DIGITS: usize = 3;
        let mut tokens = without + max_tokens;
        let fit = lengths
            .iter()
            .take_while(|&&length| {
                tokens += length + DIGITS;
                tokens <= self.model.context_length
            })
            .count();
        ensure!(
            fit >= 2,
            "a context of {} tokens is too small for two of these opinions; shorten generator.opinion_characters or choose another models.generator",
            self.model.context_length,
        );
        Ok(fit)
    }

    /// How many drafts the model works on together.
    pub fn sequences_at_once(&self) -> usize {
        self.model.sequences_at_once
    }

    /// The tokens of the prompt for one draft.
    ///
    /// # Errors
    /// A chat template that cannot be rendered.
    pub fn prompt(&self, brief: &Brief<'_>) -> Result<Vec<u32>> {
        let ServedModel {
            tokenizer,
            chat_template,
            ..
        } = &*self.model;
        prompt_tokens(&self.prompts, tokenizer, chat_template, brief)
    }
}

/// The tokens of the prompt for one draft of any model.
///
/// # Errors
/// A chat template that cannot be rendered.
pub fn prompt_tokens(
    prompts: &Prompts,
    tokenizer: &Tokenizer,
    chat_template: &ChatTemplate,
    brief: &Brief<'_>,
) -> Result<Vec<u32>> {
    // What people wrote must not close a turn of the chat.
    let neutral = |text: &String| tokenizer.neutralize(text).into_owned();
    let opinions: Vec<String> = brief.opinions.iter().map(neutral).collect();
    let revision = brief.revision.map(|revision| Revision {
        statement: neutral(&revision.statement),
        critiques: revision.critiques.iter().map(neutral).collect(),
    });
    let mut messages = prompts.generator_messages(&Brief {
        question: &tokenizer.neutralize(brief.question),
        opinions: &opinions,
        revision: revision.as_ref(),
    })?;
    for (asked, answered) in &mut messages.examples {
        (*asked, *answered) = (neutral(asked), neutral(answered));
    }
    tokenizer.encode_with_special(&chat_template.render(&messages)?)
}
