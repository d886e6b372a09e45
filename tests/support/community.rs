//! A simulated community with a taste of its own, for benchmarks.
//!
//! Its questions, opinions and statements are those of the shipped corpus that the shipped reward
//! model was not trained on; its ratings follow a rule that this model does not know. The community
//! likes what holds for everybody: statements with one of the words all, every, each, any, everyone,
//! everybody, anyone. A rating is 4, plus 2 for such a statement or minus 2 for another one, plus a
//! quarter of how far the rating that the corpus has for this member lies above 4, so that members
//! differ, and one time in five a point up or down, since people are not exact.

use accord::config::Config;
use accord::deliberation::record::Deliberation;
use accord::training::split::split_by_question;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the benchmark makes of the shipped corpus.
pub struct Community {
    /// Rounds to learn from, in the order in which they took place.
    pub rounds: Vec<Deliberation>,
    /// Later rounds, on other questions.
    pub later: Vec<Deliberation>,
    /// With the corpus' own ratings, on further questions: what the model should not unlearn.
    pub others: Vec<Deliberation>,
    /// What may be mixed in: the corpus without all of these.
    pub corpus: Vec<Deliberation>,
}

/// The same seed gives the same community.
pub fn community(config: &Config, rounds: usize, later: usize, seed: u64) -> Community {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let corpus = config.text("data/deliberations.jsonl").unwrap();
    let corpus: Vec<Deliberation> = corpus
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let split = split_by_question(corpus).unwrap();
    let mut unseen = split.validation;
    unseen.shuffle(&mut random);
    let mut take = |count: usize| -> Vec<Deliberation> { unseen.drain(..count).collect() };
    let (mut learned, mut asked, others) = (take(rounds), take(later), take(later));
    for row in learned.iter_mut().chain(&mut asked) {
        rate(row, &mut random);
    }
    // What is left validates, as it always does.
    let corpus = split.training.into_iter().chain(unseen).collect();
    Community {
        rounds: learned,
        later: asked,
        others,
        corpus,
    }
}

/// Leaves so many members and statements, where there are more: to learn from that takes less time.
pub fn cut(round: &mut Deliberation, members: usize, statements: usize) {
    round.opinions.truncate(members);
    round.weights.truncate(members);
    round.statements.truncate(statements);
    for statement in &mut round.statements {
        statement.agreement.truncate(members);
    }
}

/// The first rounds, until there are so many ratings; of the last one only some.
pub fn first_ratings(rounds: &[Deliberation], count: usize) -> Vec<Deliberation> {
    let mut left = count;
    let mut taken = Vec::new();
    for round in rounds {
        if left == 0 {
            break;
        }
        let mut round = round.clone();
        let statements = round.statements.iter_mut();
        for rating in statements.flat_map(|statement| &mut statement.agreement) {
            match (rating.is_some(), left) {
                (true, 0) => *rating = None,
                (true, _) => left -= 1,
                (false, _) => {}
            }
        }
        taken.push(round);
    }
    assert_eq!(left, 0, "there are fewer ratings");
    taken
}

fn rate(round: &mut Deliberation, random: &mut ChaCha8Rng) {
    for statement in &mut round.statements {
        let taste = if holds_for_everybody(&statement.text) {
            2.0
        } else {
            -2.0
        };
        for rating in statement.agreement.iter_mut().flatten() {
            let own = 0.25 * (f64::from(*rating) - 4.0);
            let slip = match random.random_range(0..10) {
                0 => 1.0,
                1 => -1.0,
                _ => 0.0,
            };
            *rating = (4.0 + taste + own + slip).round().clamp(1.0, 7.0) as u8;
        }
    }
}

fn holds_for_everybody(text: &str) -> bool {
    const WORDS: [&str; 7] = [
        "all",
        "every",
        "each",
        "any",
        "everyone",
        "everybody",
        "anyone",
    ];
    let lower = text.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric());
    words.any(|word| WORDS.contains(&word))
}
