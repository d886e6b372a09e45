//! Drafting: from the opinions of a group to its candidates.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use rand::seq::SliceRandom;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use unicode_segmentation::UnicodeSegmentation;

use super::candidates::{Unusable, clean};
use super::generator::Generator;
use super::prompts::{Brief, Revision};
use super::serving::Sampling;
use super::tokenizer::Tokenizer;
use crate::deliberation::similarity::{contains_words, copies, near_copy};

/// How candidates are drafted: the section `[generator]` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftingSettings {
    /// How many candidates are wanted, at least 1.
    pub candidates: usize,
    /// Sampling temperature, at least 0.
    pub temperature: f64,
    /// The share of the probability that the nucleus holds, in (0, 1].
    pub top_p: f64,
    /// The most tokens of a draft.
    pub max_tokens: usize,
    /// How many characters of one opinion a draft reads.
    pub opinion_characters: usize,
    /// How often one sample is drawn again at most.
    pub redraws: usize,
}

/// A candidate consensus statement and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The statement.
    pub text: String,
    /// The seed of its order of opinions and of every token in it.
    pub seed: u64,
    /// Which opinions the draft read, in the order in which it read them.
    pub opinions_read: Vec<usize>,
}

/// What a drafting gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drafts {
    /// No two nearly the same, in the order of their samples; fewer than asked for when a
    /// sample gave nothing usable however often it was drawn.
    pub candidates: Vec<Candidate>,
    /// How many drafts could not stand as candidates, by reason.
    pub rejected: HashMap<Unusable, usize>,
}

/// Drafts `settings.candidates` candidates from all that `whole` holds, none of which calls somebody
/// by one of `names`. The same seed gives the same
/// candidates, however many the generator works on together. `drafted` is called after
/// every draft with the number of candidates that are settled.
///
/// Groups whose opinions exceed the generator's context are read in balanced subsets: every
/// opinion is in the same number of samples, give or take one.
///
/// # Errors
/// The model's errors; a context too small for two opinions; [`NothingUsable`].
pub async fn draft(
    generator: &Generator,
    whole: &Brief<'_>,
    names: &[String],
    settings: &DraftingSettings,
    seed: u64,
    mut drafted: impl FnMut(usize) + Send,
) -> Result<Drafts> {
    let tokenizer = &generator.model.tokenizer;
    // Usually four characters make a token. A text that takes more tokens than characters must not
    // keep the model busy for minutes.
    let shorten_all = |texts: &[String], limit: usize| -> Result<Vec<String>> {
        let shortened = texts.iter().map(|text| shorten(text, limit));
        shortened
            .map(|text| shorten_to_tokens(tokenizer, &text, limit))
            .collect()
    };
    let shortened = shorten_all(whole.opinions, settings.opinion_characters)?;
    let revision = match whole.revision {
        Some(revision) => Some(Revision {
            statement: revision.statement.clone(),
            critiques: shorten_all(&revision.critiques, CRITIQUE_CHARACTERS)?,
        }),
        None => None,
    };
    let shortened_brief = Brief {
        question: whole.question,
        opinions: &shortened,
        revision: revision.as_ref(),
    };
    let together = generator.opinions_that_fit(&shortened_brief, settings.max_tokens)?;
    let subsets = balanced_subsets(
        whole.opinions.len(),
        together,
        settings.candidates,
        &mut ChaCha8Rng::seed_from_u64(seed),
    );
    let sampling = Sampling {
        temperature: settings.temperature,
        top_p: settings.top_p,
        max_tokens: settings.max_tokens,
    };

    let mut drafts = Drafts::default();
    let mut accepted: Vec<Option<Candidate>> = vec![None; settings.candidates];
    for attempt in 0..=settings.redraws {
        let open: Vec<usize> = (0..settings.candidates)
            .filter(|&sample| accepted[sample].is_none())
            .collect();
        let settled = settings.candidates - open.len();
        let mut finished = 0;
        let written: Vec<(usize, u64, Vec<usize>, String)> = stream::iter(open)
            .map(|sample| {
                let seed = sample_seed(seed, sample, attempt);
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut order = subsets[sample].clone();
                order.shuffle(&mut rng);
                let read: Vec<String> = order
                    .iter()
                    .map(|&index| shortened[index].clone())
                    .collect();
                let mut revision = revision.clone();
                if let Some(revision) = &mut revision {
                    revision.critiques.shuffle(&mut rng);
                    revision.critiques.truncate(CRITIQUES_READ);
                }
                async move {
                    let brief = Brief {
                        question: whole.question,
                        opinions: &read,
                        revision: revision.as_ref(),
                    };
                    let text = generator.write(&brief, sampling, seed).await?;
                    anyhow::Ok((sample, seed, order, text))
                }
            })
            .buffered(generator.sequences_at_once())
            .inspect_ok(|_| {
                finished += 1;
                drafted((settled + finished).min(settings.candidates));
            })
            .try_collect()
            .await?;
        // Judged in the order of the samples, so that which of two near copies stays does
        // not depend on which was written first.
        for (sample, seed, opinions_read, text) in written {
            match usable(&text, whole, names, accepted.iter().flatten()) {
                Ok(text) => {
                    accepted[sample] = Some(Candidate {
                        text,
                        seed,
                        opinions_read,
                    })
                }
                Err(reason) => {
                    tracing::debug!(seed, ?reason, "a draft cannot stand as a candidate");
                    *drafts.rejected.entry(reason).or_default() += 1;
                }
            }
        }
        drafted(accepted.iter().flatten().count());
        if accepted.iter().all(Option::is_some) {
            break;
        }
    }
    drafts.candidates = accepted.into_iter().flatten().collect();
    ensure!(
        !drafts.candidates.is_empty(),
        NothingUsable {
            drafts: settings.candidates * (settings.redraws + 1)
        }
    );
    Ok(drafts)
}

/// Not one draft can stand as a candidate.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the generator wrote no usable candidate in {drafts} drafts; try another seed, or a larger model as models.generator"
)]
pub struct NothingUsable {
    pub drafts: usize,
}

fn usable<'a>(
    written: &str,
    whole: &Brief<'_>,
    names: &[String],
    mut accepted: impl Iterator<Item = &'a Candidate>,
) -> Result<String, Unusable> {
    let text = clean(written)?;
    let critiques = whole.revision.iter().flat_map(|r| &r.critiques);
    let mut written_by_members = whole.opinions.iter().chain(critiques);
    if written_by_members.any(|theirs| copies(theirs, &text)) {
        return Err(Unusable::CopiesOpinion);
    }
    // A name that is also a word of what was read ("hope", "bill") says nothing about anybody. But
    // an opinion that calls somebody by name does not allow candidates to do so.
    let is_word = |name: &str| {
        let word = name.to_lowercase();
        let mut opinions = whole.opinions.iter();
        whole.question.contains(name)
            || opinions.any(|opinion| opinion.unicode_words().any(|other| other == word))
    };
    let mut names = names.iter().filter(|name| !is_word(name));
    if names.any(|name| contains_words(&text, name)) {
        return Err(Unusable::NamesMember);
    }
    if accepted.any(|candidate| near_copy(&candidate.text, &text)) {
        return Err(Unusable::NearCopy);
    }
    Ok(text)
}

/// `samples` subsets of `size` of `0..opinions`, such that every opinion is in the same
/// number of them, give or take one.
fn balanced_subsets(
    opinions: usize,
    size: usize,
    samples: usize,
    rng: &mut impl Rng,
) -> Vec<Vec<usize>> {
    let mut times_read = vec![0; opinions];
    (0..samples)
        .map(|_| {
            let mut order: Vec<usize> = (0..opinions).collect();
            order.shuffle(rng);
            order.sort_by_key(|&index| times_read[index]);
            order.truncate(size);
            for &index in &order {
                times_read[index] += 1;
            }
            order
        })
        .collect()
}

/// How much of one critique a draft reads, and of how many.
const CRITIQUE_CHARACTERS: usize = 400;
const CRITIQUES_READ: usize = 8;

/// The first `characters` of a text, up to the end of a word.
pub fn shorten(text: &str, characters: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(characters) else {
        return text.to_owned();
    };
    let kept = &text[..end];
    let whole_words = kept
        .rfind(char::is_whitespace)
        .map_or(kept, |space| &kept[..space]);
    format!("{} …", whole_words.trim_end())
}

/// As much of the beginning of a text as makes no more than so many tokens: an emoji can make three.
///
/// # Errors
/// As [`Tokenizer::encode`].
pub fn shorten_to_tokens(tokenizer: &Tokenizer, text: &str, tokens: usize) -> Result<String> {
    let mut short = text.to_owned();
    let mut characters = text.chars().count();
    loop {
        let made = tokenizer.encode(&short)?.len();
        if made <= tokens || characters == 0 {
            return Ok(short);
        }
        characters = characters * tokens / made;
        short = shorten(text, characters);
    }
}

/// 32 bits, so that a seed survives a JSON reader that has only floating-point numbers.
fn sample_seed(seed: u64, sample: usize, attempt: usize) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1 + ((attempt as u64) << 32 | sample as u64));
    u64::from(rng.next_u32())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_opinion_is_in_the_same_number_of_subsets(
            opinions in 3usize..60, size in 1usize..60, samples in 1usize..40, seed: u64,
        ) {
            let size = size.min(opinions);
            let subsets = balanced_subsets(opinions, size, samples, &mut ChaCha8Rng::seed_from_u64(seed));
            let mut times_read = vec![0; opinions];
            for subset in &subsets {
                let mut distinct = subset.clone();
                distinct.sort_unstable();
                distinct.dedup();
                prop_assert_eq!(distinct.len(), size);
                for &index in subset {
                    times_read[index] += 1;
                }
            }
            prop_assert_eq!(subsets.len(), samples);
            prop_assert!(times_read.iter().max().unwrap() - times_read.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn no_candidate_names_a_member_whom_an_opinion_names() {
        let opinions = [
            "I hope that the buses go on running".to_owned(),
            "Whatever Ada Lovelace says is wrong, and Ada knows it".to_owned(),
        ];
        let brief = Brief {
            question: "Should buses run at night?",
            opinions: &opinions,
            revision: None,
        };
        let names = ["Ada Lovelace", "Ada", "Hope"].map(str::to_owned);
        let judged = |text| usable(text, &brief, &names, std::iter::empty());
        let named = Err(Unusable::NamesMember);
        assert_eq!(
            judged("We do not think as Ada does about night buses."),
            named
        );
        assert_eq!(
            judged("We think as Ada Lovelace does about night buses."),
            named
        );
        assert!(judged("We hope for a bus every hour until four.").is_ok());
    }

    #[test]
    fn a_long_opinion_is_cut_at_a_word() {
        assert_eq!(shorten("one two three", 13), "one two three");
        assert_eq!(shorten("one two three", 9), "one two …");
        assert_eq!(shorten("äöüäöüäöü", 4), "äöüä …");
    }

    #[test]
    fn seeds_differ_by_sample_and_by_attempt() {
        let mut seeds: Vec<u64> = (0..64)
            .flat_map(|sample| (0..4).map(move |attempt| sample_seed(7, sample, attempt)))
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 256);
        assert_eq!(sample_seed(7, 3, 1), sample_seed(7, 3, 1));
    }
}
