//! The gate: whether a retrained model is better than the one that it would replace, the active one.
//!
//! Rounds are dealt into four [`folds`]; a candidate model trained on three of them predicts the
//! fourth, so that every round is predicted by a model that never saw it. [`judge`] compares these
//! predictions with the active model's, on the same pairs of statements, by a paired bootstrap over
//! the rounds: pairs of one round are not independent, rounds are. [`judge_writer`] does the same for
//! a generator, by how likely it finds the statements that the rounds' members found good.
//!
//! Rounds that the active model was itself trained on tell nothing, since it has seen the answers:
//! whoever asks leaves them out.

use std::collections::HashMap;
use std::fmt;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How both models did on one round, out of fold: pairs of statements that one member rated at
/// least 1 apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundOutcome {
    pub pairs: u32,
    /// Pairs that the active model orders as the member did; a tie counts one half.
    pub active_right: f64,
    /// The same of the candidate model.
    pub candidate_right: f64,
}

/// How likely both generators find the good statements of one round, out of fold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundLoss {
    pub statements: u32,
    /// The sum over the statements of the cross-entropy a token, by the active model.
    pub active: f64,
    /// The same by the candidate model.
    pub candidate: f64,
}

/// On the shipped held-out set: of a reward model the accuracy within a member, from 0 to 1; of a
/// generator the cross-entropy a token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    pub active: f64,
    pub candidate: f64,
}

/// What the gate found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// It may become active.
    Better(Comparison),
    /// It may not.
    NotBetter(Comparison),
    /// It may not; so many rounds have pairs to compare.
    NotEnoughRounds { rounds: usize },
}

/// The figures behind a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Comparison {
    Reward(RewardComparison),
    Generator(GeneratorComparison),
}

/// Of two reward models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewardComparison {
    /// Rounds with at least one pair.
    pub rounds: usize,
    pub pairs: u64,
    /// Of the pairs of all rounds, from 0 to 1.
    pub active_accuracy: f64,
    pub candidate_accuracy: f64,
    /// The middle 90 % of the gain in accuracy, candidate minus active, over the resamples.
    pub gain_interval: [f64; 2],
    pub held_out: HeldOut,
}

/// Of two generators. A loss is the cross-entropy a token, of the statements that members found
/// good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneratorComparison {
    /// Rounds with at least one good statement.
    pub rounds: usize,
    pub statements: u64,
    /// The mean over all statements.
    pub active_loss: f64,
    pub candidate_loss: f64,
    /// The middle 90 % of the gain, active minus candidate, over the resamples.
    pub gain_interval: [f64; 2],
    pub held_out: HeldOut,
}

/// Fewer tell nothing.
pub const ROUNDS_NEEDED: usize = 8;
/// What the candidate may lose on the shipped held-out set: accuracy of a reward model.
const HELD_OUT_LOSS_ALLOWED: f64 = 0.02;
/// The same of a generator: the share by which its loss there may be higher.
const HELD_OUT_RISE_ALLOWED: f64 = 0.02;
const RESAMPLES: usize = 10_000;

/// Whether the candidate is better than the active model: the 90 % interval of its gain on the
/// rounds lies above 0, and it loses at most 2 points on the shipped held-out set.
///
/// The same seed gives the same verdict.
pub fn judge(rounds: &[RoundOutcome], held_out: HeldOut, seed: u64) -> Verdict {
    let gains: Vec<Gain> = rounds
        .iter()
        .map(|round| Gain {
            gained: round.candidate_right - round.active_right,
            of: f64::from(round.pairs),
        })
        .collect();
    let Some((rounds_compared, gain_interval)) = gain_interval(&gains, seed) else {
        return not_enough(&gains);
    };
    let pairs: u64 = rounds.iter().map(|round| u64::from(round.pairs)).sum();
    let accuracy =
        |right: fn(&RoundOutcome) -> f64| rounds.iter().map(right).sum::<f64>() / pairs as f64;
    verdict(Comparison::Reward(RewardComparison {
        rounds: rounds_compared,
        pairs,
        active_accuracy: accuracy(|round| round.active_right),
        candidate_accuracy: accuracy(|round| round.candidate_right),
        gain_interval,
        held_out,
    }))
}

/// Whether the candidate is the better generator: the 90 % interval of the fall of its loss on the
/// rounds lies above 0, and its loss on the shipped held-out set is at most 2 % higher.
///
/// The same seed gives the same verdict.
pub fn judge_writer(rounds: &[RoundLoss], held_out: HeldOut, seed: u64) -> Verdict {
    let gains: Vec<Gain> = rounds
        .iter()
        .map(|round| Gain {
            gained: round.active - round.candidate,
            of: f64::from(round.statements),
        })
        .collect();
    let Some((rounds_compared, gain_interval)) = gain_interval(&gains, seed) else {
        return not_enough(&gains);
    };
    let statements: u64 = rounds.iter().map(|round| u64::from(round.statements)).sum();
    let loss = |of: fn(&RoundLoss) -> f64| rounds.iter().map(of).sum::<f64>() / statements as f64;
    verdict(Comparison::Generator(GeneratorComparison {
        rounds: rounds_compared,
        statements,
        active_loss: loss(|round| round.active),
        candidate_loss: loss(|round| round.candidate),
        gain_interval,
        held_out,
    }))
}

fn verdict(comparison: Comparison) -> Verdict {
    if comparison.gain_interval()[0] > 0.0 && comparison.keeps_the_held_out_figure() {
        Verdict::Better(comparison)
    } else {
        Verdict::NotBetter(comparison)
    }
}

fn not_enough(gains: &[Gain]) -> Verdict {
    Verdict::NotEnoughRounds {
        rounds: gains.iter().filter(|round| round.of > 0.0).count(),
    }
}

/// What the candidate gained on a round, of so many pairs or statements.
#[derive(Clone, Copy)]
struct Gain {
    gained: f64,
    of: f64,
}

/// How many rounds there are to compare, and the middle 90 % of the mean gain when as many are
/// drawn from them; `None` if they are too few.
fn gain_interval(gains: &[Gain], seed: u64) -> Option<(usize, [f64; 2])> {
    let rounds: Vec<Gain> = gains
        .iter()
        .filter(|round| round.of > 0.0)
        .copied()
        .collect();
    if rounds.len() < ROUNDS_NEEDED {
        return None;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..rounds.len()).map(|_| rounds[random.random_range(0..rounds.len())]);
            let (gained, of) = drawn.fold((0.0, 0.0), |(gained, of), round| {
                (gained + round.gained, of + round.of)
            });
            gained / of
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let interval = [means[RESAMPLES / 20], means[RESAMPLES - 1 - RESAMPLES / 20]];
    Some((rounds.len(), interval))
}

/// Deals the indices of rounds with these questions into four folds, evenly but for this: rounds on
/// the same question are in the same fold, so that no model has seen a question that it predicts for.
pub fn folds(questions: &[&str], seed: u64) -> [Vec<usize>; 4] {
    let mut indices: Vec<usize> = (0..questions.len()).collect();
    indices.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut folds: [Vec<usize>; 4] = Default::default();
    let mut fold_of = HashMap::new();
    for index in indices {
        let smallest = (0..4).min_by_key(|&fold| folds[fold].len()).unwrap_or(0);
        let fold = *fold_of.entry(questions[index]).or_insert(smallest);
        folds[fold].push(index);
    }
    folds
}

impl Comparison {
    /// The middle 90 % of the gain over the resamples.
    pub fn gain_interval(&self) -> [f64; 2] {
        match self {
            Self::Reward(comparison) => comparison.gain_interval,
            Self::Generator(comparison) => comparison.gain_interval,
        }
    }

    /// False if a figure is not a number.
    fn keeps_the_held_out_figure(&self) -> bool {
        // Two points are two points, however they were rounded.
        const ROUNDING: f64 = 1e-9;
        match self {
            Self::Reward(RewardComparison { held_out, .. }) => {
                held_out.active - held_out.candidate <= HELD_OUT_LOSS_ALLOWED + ROUNDING
            }
            Self::Generator(GeneratorComparison { held_out, .. }) => {
                held_out.candidate <= held_out.active * (1.0 + HELD_OUT_RISE_ALLOWED) + ROUNDING
            }
        }
    }
}

impl fmt::Display for Verdict {
    /// A sentence for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comparison = match self {
            Self::NotEnoughRounds { rounds } => {
                return write!(
                    f,
                    "not enough to tell: {rounds} rounds with ratings to compare, {ROUNDS_NEEDED} \
                     are needed"
                );
            }
            Self::Better(comparison) | Self::NotBetter(comparison) => comparison,
        };
        f.write_str(match self {
            Self::Better(_) => "better than the active model",
            _ => "not better than the active model",
        })?;
        match comparison {
            Comparison::Reward(comparison) => {
                let points = |share: f64| 100.0 * share;
                let [low, high] = comparison.gain_interval.map(points);
                write!(
                    f,
                    ": {:.1} % against {:.1} % of {} pairs in {} rounds (90 % interval of the gain \
                     {low:+.1} to {high:+.1} points), {:.1} % against {:.1} % on the held-out set",
                    points(comparison.candidate_accuracy),
                    points(comparison.active_accuracy),
                    comparison.pairs,
                    comparison.rounds,
                    points(comparison.held_out.candidate),
                    points(comparison.held_out.active),
                )?;
            }
            Comparison::Generator(comparison) => {
                let [low, high] = comparison.gain_interval;
                write!(
                    f,
                    ": a loss of {:.3} against {:.3} on {} good statements in {} rounds (90 % \
                     interval of the fall {low:+.3} to {high:+.3}), {:.3} against {:.3} on the \
                     held-out set",
                    comparison.candidate_loss,
                    comparison.active_loss,
                    comparison.statements,
                    comparison.rounds,
                    comparison.held_out.candidate,
                    comparison.held_out.active,
                )?;
            }
        }
        if !comparison.keeps_the_held_out_figure() {
            f.write_str(match comparison {
                Comparison::Reward(_) => ", where it loses more than 2 points",
                Comparison::Generator(_) => ", where its loss is more than 2 % higher",
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const EVEN: HeldOut = HeldOut {
        active: 0.8,
        candidate: 0.8,
    };

    fn rounds(count: usize, outcome: impl Fn(usize) -> (f64, f64)) -> Vec<RoundOutcome> {
        (0..count)
            .map(|index| {
                let (active_right, candidate_right) = outcome(index);
                RoundOutcome {
                    pairs: 20,
                    active_right,
                    candidate_right,
                }
            })
            .collect()
    }

    #[test]
    fn a_clear_gain_is_better() {
        let rounds = rounds(8, |index| (12.0, 15.0 + (index % 3) as f64));
        let Verdict::Better(Comparison::Reward(found)) = judge(&rounds, EVEN, 1) else {
            panic!("{}", judge(&rounds, EVEN, 1));
        };
        assert_eq!((found.rounds, found.pairs), (8, 160));
        assert_eq!(found.active_accuracy, 0.6);
        assert!((found.candidate_accuracy - 127.0 / 160.0).abs() < 1e-12);
        let [low, high] = found.gain_interval;
        assert!((0.15..31.0 / 160.0).contains(&low), "{low}");
        assert!((31.0 / 160.0..0.25).contains(&high), "{high}");
    }

    #[test]
    fn noise_is_not_better() {
        let noise = rounds(40, |index| (12.0, if index % 2 == 0 { 15.0 } else { 9.5 }));
        assert!(matches!(judge(&noise, EVEN, 1), Verdict::NotBetter(_)));
        let same = rounds(40, |_| (12.0, 12.0));
        assert!(matches!(judge(&same, EVEN, 1), Verdict::NotBetter(_)));
    }

    #[test]
    fn one_round_that_gained_everything_does_not_decide() {
        let rounds = rounds(8, |index| (10.0, if index == 0 { 20.0 } else { 10.0 }));
        assert!(matches!(judge(&rounds, EVEN, 1), Verdict::NotBetter(_)));
    }

    #[test]
    fn a_loss_of_more_than_two_points_on_the_held_out_set_is_not_better() {
        let rounds = rounds(20, |_| (12.0, 16.0));
        let with = |candidate| {
            let active = 0.84;
            judge(&rounds, HeldOut { active, candidate }, 1)
        };
        assert!(matches!(with(0.82), Verdict::Better(_)));
        let worse = with(0.81);
        assert!(matches!(worse, Verdict::NotBetter(_)));
        assert!(worse.to_string().ends_with("loses more than 2 points"));
        assert!(matches!(with(f64::NAN), Verdict::NotBetter(_)));
    }

    #[test]
    fn seven_rounds_are_not_enough_and_rounds_without_pairs_do_not_count() {
        let mut rounds = rounds(7, |_| (0.0, 20.0));
        let not_enough = Verdict::NotEnoughRounds { rounds: 7 };
        assert_eq!(judge(&rounds, EVEN, 1), not_enough);
        rounds.extend(
            [RoundOutcome {
                pairs: 0,
                active_right: 0.0,
                candidate_right: 0.0,
            }; 3],
        );
        assert_eq!(judge(&rounds, EVEN, 1), not_enough);
        assert_eq!(
            not_enough.to_string(),
            "not enough to tell: 7 rounds with ratings to compare, 8 are needed"
        );
    }

    #[test]
    fn a_round_of_many_pairs_weighs_more_than_one_of_few() {
        let mut rounds = rounds(9, |_| (10.0, 11.0));
        rounds.push(RoundOutcome {
            pairs: 2000,
            active_right: 1500.0,
            candidate_right: 1000.0,
        });
        let Verdict::NotBetter(Comparison::Reward(found)) = judge(&rounds, EVEN, 1) else {
            panic!("it lost most of all pairs");
        };
        assert!(found.candidate_accuracy < found.active_accuracy);
    }

    #[test]
    fn the_same_seed_gives_the_same_verdict() {
        let rounds = rounds(12, |index| (12.0, 11.0 + (index % 5) as f64));
        assert_eq!(judge(&rounds, EVEN, 3), judge(&rounds, EVEN, 3));
    }

    fn losses(count: usize, outcome: impl Fn(usize) -> (f64, f64)) -> Vec<RoundLoss> {
        (0..count)
            .map(|index| {
                let (active, candidate) = outcome(index);
                RoundLoss {
                    statements: 2,
                    active,
                    candidate,
                }
            })
            .collect()
    }

    #[test]
    fn a_generator_is_better_when_its_loss_falls_on_the_rounds_and_hardly_rises_elsewhere() {
        let clear = losses(9, |index| (8.0, 7.0 - 0.1 * (index % 3) as f64));
        let held_out = |candidate| HeldOut {
            active: 4.0,
            candidate,
        };
        let Verdict::Better(Comparison::Generator(found)) = judge_writer(&clear, held_out(4.08), 1)
        else {
            panic!("{}", judge_writer(&clear, held_out(4.08), 1));
        };
        assert_eq!((found.rounds, found.statements), (9, 18));
        assert_eq!(found.active_loss, 4.0);
        assert!((found.candidate_loss - 3.45).abs() < 1e-12);
        let worse = judge_writer(&clear, held_out(4.09), 1);
        assert!(matches!(worse, Verdict::NotBetter(_)));
        assert!(worse.to_string().ends_with("more than 2 % higher"));
        let noise = losses(20, |index| (8.0, if index % 2 == 0 { 9.0 } else { 7.1 }));
        let verdict = judge_writer(&noise, held_out(4.0), 1);
        assert!(matches!(verdict, Verdict::NotBetter(_)));
        let few = judge_writer(&clear[..7], held_out(4.0), 1);
        assert_eq!(few, Verdict::NotEnoughRounds { rounds: 7 });
    }

    #[test]
    fn a_verdict_survives_its_card() {
        let of_writer = judge_writer(&losses(8, |_| (8.0, 7.0)), EVEN, 1);
        let of_rewards = [3, 8].map(|count| judge(&rounds(count, |_| (10.0, 14.0)), EVEN, 1));
        for verdict in of_rewards.into_iter().chain([of_writer]) {
            let text = serde_json::to_string(&verdict).unwrap();
            assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
        }
    }

    #[test]
    fn every_round_is_in_exactly_one_fold() {
        let names: Vec<String> = (0..41).map(|index| format!("Question {index}?")).collect();
        let questions: Vec<&str> = names.iter().map(String::as_str).collect();
        for count in [0, 3, 8, 41] {
            let folds = folds(&questions[..count], 9);
            let sizes = folds.each_ref().map(Vec::len);
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            let mut all = folds.concat();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
        assert_eq!(folds(&questions, 9), folds(&questions, 9));
        assert_ne!(folds(&questions, 9), folds(&questions, 10));
    }

    #[test]
    fn rounds_on_one_question_are_in_one_fold() {
        let questions = ["a", "b", "a", "c", "d", "a", "e", "b", "f", "g", "h", "a"];
        for seed in 0..20 {
            let folds = folds(&questions, seed);
            let mut seen = HashSet::new();
            for fold in &folds {
                let of_fold: HashSet<&str> = fold.iter().map(|&index| questions[index]).collect();
                assert!(of_fold.iter().all(|question| seen.insert(*question)));
            }
            assert_eq!(seen.len(), 8);
            assert_eq!(folds.concat().len(), questions.len());
            assert!(folds.iter().all(|fold| !fold.is_empty()), "{folds:?}");
        }
    }
}
