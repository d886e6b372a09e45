//! What the models do in an experiment. Nothing is chosen here.

use anyhow::Result;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::case::{Baselines, Excluded, Ratings, Written, statements};
use crate::deliberation::record::{Deliberation, FEWEST_OPINIONS};
use crate::inference::drafting::{
    Candidate, DraftingSettings, Drafts, NothingUsable, draft, shorten,
};
use crate::inference::generator::Generator;
use crate::inference::model_files::sha256_of_bytes;
use crate::inference::prompts::{Brief, Example};
use crate::inference::reward::RewardModel;
use crate::training::generator::good_statements;

/// What tells a deliberation from others: the question and the opinions.
pub fn key(deliberation: &Deliberation) -> String {
    let Deliberation {
        question, opinions, ..
    } = deliberation;
    let mut hash = hash(&[question], opinions);
    hash.truncate(16);
    hash
}

/// The drafts of the fine-tuned generator: `settings.candidates` that all welfare functions share, and
/// as many as `excluding` without one member's opinion, drawn by the seed. Without a member three must
/// be left, since fewer are no group.
///
/// # Errors
/// As [`draft`], but that it may write nothing usable.
pub async fn write(
    generator: &Generator,
    deliberation: &Deliberation,
    settings: &DraftingSettings,
    excluding: usize,
    seed: u64,
    mut drafted: impl FnMut(usize) + Send,
) -> Result<Written> {
    let opinions = &deliberation.opinions;
    let started = std::time::Instant::now();
    let drafts = draft(
        generator,
        &brief(deliberation, opinions),
        &[],
        settings,
        seed_of(seed, deliberation, "drafts"),
        &mut drafted,
    )
    .await;
    let drafts = match drafts {
        Ok(drafts) => drafts,
        Err(error) => {
            let NothingUsable { drafts } = error.downcast()?;
            return Ok(Written {
                drafts: Vec::new(),
                excluded: None,
                rejected: drafts,
                seconds: started.elapsed().as_secs_f64(),
            });
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let excluded = match opinions.len() > FEWEST_OPINIONS {
        true => {
            let seed = seed_of(seed, deliberation, "exclusion");
            let member = ChaCha8Rng::seed_from_u64(seed).random_range(..opinions.len());
            let mut others = opinions.clone();
            others.remove(member);
            let settings = DraftingSettings {
                candidates: excluding,
                ..settings.clone()
            };
            let before = drafts.candidates.len();
            let brief = brief(deliberation, &others);
            let counted = |settled| drafted(before + settled);
            let drafts = draft(generator, &brief, &[], &settings, seed, counted).await;
            usable(drafts)?.map(|mut drafts| {
                // They are counted among all opinions.
                for read in drafts.iter_mut().flat_map(|c| &mut c.opinions_read) {
                    *read += usize::from(*read >= member);
                }
                Excluded { member, drafts }
            })
        }
        false => None,
    };
    Ok(Written {
        rejected: drafts.rejected.values().sum(),
        drafts: drafts.candidates,
        excluded,
        seconds,
    })
}

/// One draft of the base model as it is, and one after `shown` examples of `corpus`, drawn by the seed.
///
/// # Errors
/// As [`draft`], but that it may write nothing usable.
pub async fn write_baselines(
    base: &Generator,
    deliberation: &Deliberation,
    corpus: &[Deliberation],
    shown: usize,
    settings: &DraftingSettings,
    seed: u64,
) -> Result<Baselines> {
    let settings = DraftingSettings {
        candidates: 1,
        ..settings.clone()
    };
    let examples = examples(
        deliberation,
        corpus,
        shown,
        settings.opinion_characters,
        seed_of(seed, deliberation, "examples"),
    );
    let shown_examples = Generator {
        model: base.model.clone(),
        prompts: base.prompts.clone().with_examples(examples),
    };
    let one = async |generator: &Generator, purpose: &str| {
        let brief = brief(deliberation, &deliberation.opinions);
        let seed = seed_of(seed, deliberation, purpose);
        let drafts = draft(generator, &brief, &[], &settings, seed, |_| {}).await;
        anyhow::Ok(usable(drafts)?.and_then(|drafts| drafts.into_iter().next()))
    };
    Ok(Baselines {
        zero_shot: one(base, "zero-shot").await?,
        few_shot: one(&shown_examples, "few-shot").await?,
    })
}

/// `None` if no draft was.
fn usable(drafts: Result<Drafts>) -> Result<Option<Vec<Candidate>>> {
    match drafts {
        Ok(drafts) => Ok(Some(drafts.candidates)),
        Err(error) if error.is::<NothingUsable>() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Good statements of other questions.
fn examples(
    deliberation: &Deliberation,
    corpus: &[Deliberation],
    shown: usize,
    opinion_characters: usize,
    seed: u64,
) -> Vec<Example> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut others: Vec<&Deliberation> = corpus
        .iter()
        .filter(|other| other.question != deliberation.question)
        .collect();
    others.shuffle(&mut rng);
    others
        .into_iter()
        .filter_map(|other| good_statements(other).choose(&mut rng).cloned())
        .take(shown)
        .map(|mut example| {
            for opinion in &mut example.opinions {
                *opinion = shorten(opinion, opinion_characters);
            }
            example
        })
        .collect()
}

/// How a model expects every member to rate every statement, in the order of [`statements`].
///
/// # Errors
/// The model's.
pub async fn rate(
    model: &RewardModel,
    deliberation: &Deliberation,
    written: &Written,
    baselines: &Baselines,
) -> Result<Ratings> {
    // Of an opinion that is too long the beginning, whether it is read or rated.
    let texts: Vec<String> = statements(deliberation, written, baselines)
        .into_iter()
        .map(|(_, text)| model.readable(text))
        .collect::<Result<_>>()?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut ratings = vec![Vec::with_capacity(deliberation.opinions.len()); texts.len()];
    for opinion in &deliberation.opinions {
        let opinion = model.readable(opinion)?;
        let predicted = model
            .predict(&deliberation.question, &opinion, &texts)
            .await?;
        for (ratings, predicted) in ratings.iter_mut().zip(predicted) {
            ratings.push(predicted.mean());
        }
    }
    Ok(Ratings { ratings })
}

fn brief<'a>(deliberation: &'a Deliberation, opinions: &'a [String]) -> Brief<'a> {
    Brief {
        question: &deliberation.question,
        opinions,
        revision: None,
    }
}

/// So that what is drawn for one deliberation does not depend on which others there are. 32 bits, as
/// all seeds of drafts have.
fn seed_of(seed: u64, deliberation: &Deliberation, purpose: &str) -> u64 {
    let hash = hash(&[&seed.to_string(), purpose, &key(deliberation)], &[]);
    u64::from(u32::from_str_radix(&hash[..8], 16).expect("hexadecimal digits"))
}

fn hash(parts: &[&str], more: &[String]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .copied()
        .chain(more.iter().map(|s| &**s))
        .collect();
    let json = serde_json::to_vec(&parts).expect("texts");
    sha256_of_bytes(&json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus() -> Vec<Deliberation> {
        include_str!("../../config/data/deliberations.jsonl")
            .lines()
            .take(30)
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn examples_are_good_statements_on_other_questions_drawn_by_the_seed() {
        let corpus = corpus();
        let drawn = |seed| examples(&corpus[3], &corpus, 2, 40, seed);
        for seed in 0..50 {
            let examples = drawn(seed);
            assert_eq!(examples.len(), 2);
            assert_ne!(examples[0].question, examples[1].question);
            for example in examples {
                assert_ne!(example.question, corpus[3].question);
                let of = corpus.iter().find(|row| row.question == example.question);
                let mut statements = of.unwrap().statements.iter();
                assert!(
                    statements.any(|statement| statement.text == example.statement
                        && statement.quality > Some(5)
                        && statement.kind.as_deref() == Some("consensus"))
                );
                assert!(example.opinions.iter().all(|o| o.chars().count() <= 42));
            }
        }
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn a_deliberation_is_known_by_its_texts_and_draws_its_own_seeds() {
        let corpus = corpus();
        let (one, other) = (&corpus[0], &corpus[1]);
        let rated_otherwise = Deliberation {
            id: None,
            statements: Vec::new(),
            ..one.clone()
        };
        assert_eq!(key(one), key(&rated_otherwise));
        assert_ne!(key(one), key(other));
        let seeds = [
            seed_of(1, one, "drafts"),
            seed_of(2, one, "drafts"),
            seed_of(1, other, "drafts"),
            seed_of(1, one, "few-shot"),
        ];
        for (n, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..n].contains(seed), "{seeds:?}");
        }
    }
}
