//! What a group's ratings of the posted candidates amount to.
//!
//! Predictions rank, and are never counted as people: the [`Outcome`] and the [`Spread`] of
//! agreement are made of real ratings alone.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::certainty::{Agreement, Certainty, certainty, rank_known};
use super::distribution::exact_in_json;
use super::ranking::{Ranked, TIE, rank};
use super::rating::{Likert, RatingMatrix};
use super::welfare::WelfareFunction;

/// The posted candidates in the group's order, and what may be said of the first.
///
/// Candidates are counted as the columns of the table that was concluded on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Conclusion {
    /// Best first; the first is the group's statement.
    pub ranking: Vec<Ranked>,
    pub outcome: Outcome,
    /// Of the winner, over the participants who really rated it.
    pub spread: Spread,
    /// The winner by real ratings alone, where there are any.
    pub best_by_real_ratings: Option<usize>,
    /// The probability that the winner is the best one, from 0 to 1: see [`Certainty`].
    pub certainty: f64,
    /// Of the winner, where the function knows a welfare; results of older versions lack it.
    #[serde(default)]
    pub welfare_interval: Option<[f64; 2]>,
    /// The candidate that wins most of the other draws, where the winner wins too few: the two are
    /// practically equal.
    pub practically_equal: Option<usize>,
}

/// How people took the statement.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Enough rated it, and of those enough agree.
    Consensus,
    /// Enough rated it, and at least half agree.
    Contested,
    /// Enough rated it, and fewer agree.
    None,
    /// Too few rated it to tell.
    Unrated,
}

/// How many participants rated a candidate, and how.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Spread {
    pub participants: usize,
    /// 5 to 7.
    pub agree: usize,
    /// 4.
    pub neutral: usize,
    /// 1 to 3.
    pub dissent: usize,
}

impl Spread {
    /// Of some participants' real ratings, `None` where there is none.
    pub fn of(ratings: impl IntoIterator<Item = Option<Likert>>) -> Self {
        let mut spread = Self::default();
        for rating in ratings {
            spread.participants += 1;
            match rating.map(u8::from) {
                Some(5..) => spread.agree += 1,
                Some(4) => spread.neutral += 1,
                Some(_) => spread.dissent += 1,
                None => {}
            }
        }
        spread
    }

    /// How many of the participants rated.
    pub fn rated(&self) -> usize {
        self.agree + self.neutral + self.dissent
    }
}

/// From which shares on an outcome is reached: the section `[outcome]` of the settings, each from
/// 0 to 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct OutcomeThresholds {
    /// Of the participants, who must have rated.
    pub rated: f64,
    /// Of those who rated, who must agree for a consensus.
    pub consensus: f64,
    /// Of those who rated, who must agree for the statement to be contested.
    pub contested: f64,
    /// Of the draws, that the winner must win not to be practically equal to another.
    pub certain: f64,
}

/// Concludes on `by_participant[p][c]`: participants by posted candidates.
///
/// The welfare is that of the real rating where there is one, else of the predicted one. For the
/// certainty the predicted ratings are drawn from their distributions, the real ones stay.
///
/// # Panics
/// When there is no participant or no candidate, or participants have different numbers of them.
pub fn conclude(
    by_participant: &[Vec<Agreement>],
    function: WelfareFunction,
    thresholds: &OutcomeThresholds,
    rng: &mut impl Rng,
) -> Conclusion {
    let mut ranking = rank_known(by_participant, function);
    for ranked in &mut ranking {
        ranked.welfare = exact_in_json(ranked.welfare);
    }
    let winner = ranking[0].candidate;
    let Certainty {
        probability_best,
        welfare_interval,
        rival,
    } = certainty(by_participant, winner, function, rng);
    let spread = Spread::of(by_participant.iter().map(|row| row[winner].real()));
    Conclusion {
        outcome: outcome(&spread, thresholds),
        spread,
        best_by_real_ratings: best_by_real_ratings(by_participant, function, &ranking),
        certainty: probability_best,
        welfare_interval,
        practically_equal: rival.filter(|_| probability_best < thresholds.certain),
        ranking,
    }
}

fn outcome(spread: &Spread, thresholds: &OutcomeThresholds) -> Outcome {
    let rated = spread.rated();
    let enough = |part: usize, share: f64, whole: usize| {
        whole > 0 && part as f64 / whole as f64 >= share - ROUNDING
    };
    if rated == 0 || !enough(rated, thresholds.rated, spread.participants) {
        Outcome::Unrated
    } else if enough(spread.agree, thresholds.consensus, rated) {
        Outcome::Consensus
    } else if enough(spread.agree, thresholds.contested, rated) {
        Outcome::Contested
    } else {
        Outcome::None
    }
}

/// Two thirds of 6 are 4, and of 600 are 400, also where the settings say 0.6667.
const ROUNDING: f64 = 1e-4;

/// The winner by what people really said: of those that are equal, the one that ranks first. Welfare
/// is compared over whoever rated a candidate; the Schulze method compares only participants who
/// rated all of them.
fn best_by_real_ratings(
    by_participant: &[Vec<Agreement>],
    function: WelfareFunction,
    ranking: &[Ranked],
) -> Option<usize> {
    match function {
        WelfareFunction::Schulze => {
            let complete: Vec<Vec<Agreement>> = by_participant
                .iter()
                .filter(|row| row.iter().all(|agreement| agreement.real().is_some()))
                .cloned()
                .collect();
            let whole = !complete.is_empty();
            whole.then(|| rank_known(&complete, function)[0].candidate)
        }
        WelfareFunction::Alpha(_) => ranking
            .iter()
            .filter_map(|&Ranked { candidate, .. }| {
                let real: Vec<Vec<f64>> = by_participant
                    .iter()
                    .filter_map(|row| row[candidate].real())
                    .map(|rating| vec![rating.into()])
                    .collect();
                let welfare = rank(&RatingMatrix::new(real).ok()?, function)[0].welfare;
                Some((candidate, welfare))
            })
            .reduce(|best, other| if other.1 > best.1 + TIE { other } else { best })
            .map(|(candidate, _)| candidate),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::deliberation::distribution::RatingDistribution;

    const THRESHOLDS: OutcomeThresholds = OutcomeThresholds {
        rated: 0.5,
        consensus: 0.6667,
        contested: 0.5,
        certain: 0.75,
    };

    fn real(rating: u8) -> Agreement {
        Agreement::Real(Likert::try_from(rating).unwrap())
    }

    /// Two ratings, each as likely as the other.
    fn either(one: u8, other: u8) -> Agreement {
        let mut logits = [-1e4; 7];
        logits[usize::from(one) - 1] = 0.0;
        logits[usize::from(other) - 1] = 0.0;
        Agreement::Predicted(RatingDistribution::from_logits(logits).unwrap())
    }

    fn sure(rating: u8) -> Agreement {
        either(rating, rating)
    }

    fn concluded(table: &[Vec<Agreement>], function: &str) -> Conclusion {
        let rng = &mut StdRng::seed_from_u64(5);
        conclude(table, function.parse().unwrap(), &THRESHOLDS, rng)
    }

    fn order(conclusion: &Conclusion) -> Vec<usize> {
        let ranking = conclusion.ranking.iter();
        ranking.map(|ranked| ranked.candidate).collect()
    }

    #[test]
    fn the_welfare_is_of_real_ratings_where_there_are_and_of_predicted_ones_elsewhere() {
        let table = [
            vec![real(7), sure(4)],
            vec![either(1, 4), real(5)],
            vec![sure(2), either(2, 7)],
        ];
        // 7 + 2.5 + 2 and 4 + 5 + 4.5, of three.
        let mean = concluded(&table, "utilitarian");
        assert_eq!(order(&mean), [1, 0]);
        assert!((mean.ranking[0].welfare - 4.5).abs() < 1e-9);
        assert!((mean.ranking[1].welfare - 11.5 / 3.0).abs() < 1e-9);
        let worst = concluded(&table, "rawlsian");
        assert_eq!(
            worst.ranking.iter().map(|r| r.welfare).collect::<Vec<_>>(),
            [4.0, 2.0]
        );
        let geometric = concluded(&table, "nash");
        assert!((geometric.ranking[0].welfare - 90f64.cbrt()).abs() < 1e-9);
    }

    #[test]
    fn the_spread_counts_people_and_no_predictions() {
        let table = [7, 5, 4, 3, 1].map(|rating| vec![real(rating)]);
        let mut table = Vec::from(table);
        table.push(vec![sure(7)]);
        let spread = concluded(&table, "utilitarian").spread;
        let expected = Spread {
            participants: 6,
            agree: 2,
            neutral: 1,
            dissent: 2,
        };
        assert_eq!(spread, expected);
        assert_eq!(spread.rated(), 5);
    }

    #[test]
    fn shares_are_reached_at_their_borders_in_groups_of_any_size() {
        use Outcome::{Consensus, Contested, Unrated};
        for tens in [1, 10, 100] {
            let n = 6 * tens;
            for (agree, dissent, outcome) in [
                (n / 2, 0, Consensus),
                (n / 2 - 1, 0, Unrated),
                (n / 3 * 2, n / 3, Consensus),
                (n / 3 * 2 - 1, n / 3 + 1, Contested),
                (n / 2, n / 2, Contested),
                (n / 2 - 1, n / 2 + 1, Outcome::None),
                (0, n, Outcome::None),
                (0, 0, Unrated),
            ] {
                let spread = Spread {
                    participants: n,
                    agree,
                    neutral: 0,
                    dissent,
                };
                let reached = super::outcome(&spread, &THRESHOLDS);
                assert_eq!(reached, outcome, "{agree} and {dissent} of {n}");
            }
        }
    }

    #[test]
    fn without_a_doubt_nothing_is_practically_equal() {
        let table = [vec![real(5), real(4)], vec![sure(5), sure(4)]];
        let conclusion = concluded(&table, "utilitarian");
        assert_eq!(conclusion.certainty, 1.0);
        assert_eq!(conclusion.practically_equal, None);
    }

    #[test]
    fn a_winner_that_a_coin_could_depose_is_practically_equal() {
        // 4.5 against 4, but 3 in every second draw.
        let table = vec![vec![either(3, 6), real(4), real(1)]; 1];
        let conclusion = concluded(&table, "utilitarian");
        assert_eq!(order(&conclusion)[0], 0);
        // Half of 2000 draws, with a standard deviation of 22.
        assert!((conclusion.certainty - 0.5).abs() < 0.06);
        assert_eq!(conclusion.practically_equal, Some(1));
    }

    #[test]
    fn the_winner_needs_three_quarters_of_the_draws() {
        // Deposed only if both draw low: a quarter of the draws. 4.5 against 3.9 in the mean.
        let table = [
            vec![either(3, 6), real(4)],
            vec![either(3, 6), real(3)],
            vec![real(4), real(5)],
        ];
        let conclusion = concluded(&table, "utilitarian");
        assert!((conclusion.certainty - 0.75).abs() < 0.05);
        let certain = conclusion.certainty >= THRESHOLDS.certain;
        assert_eq!(conclusion.practically_equal.is_none(), certain);
    }

    #[test]
    fn one_candidate_has_no_rival() {
        let conclusion = concluded(&[vec![either(1, 7)]], "utilitarian");
        assert_eq!(conclusion.certainty, 1.0);
        assert_eq!(conclusion.practically_equal, None);
    }

    #[test]
    fn the_winner_by_real_ratings_is_of_those_who_rated() {
        let table = [
            vec![real(5), real(6), sure(7)],
            vec![real(5), sure(1), sure(7)],
            vec![sure(7), sure(1), sure(7)],
        ];
        let conclusion = concluded(&table, "utilitarian");
        assert_eq!(order(&conclusion)[0], 2);
        assert_eq!(conclusion.best_by_real_ratings, Some(1));
        let unrated = concluded(&[vec![sure(5), sure(4)]], "utilitarian");
        assert_eq!(unrated.best_by_real_ratings, None);
    }

    #[test]
    fn real_ratings_that_tie_are_no_reason_to_name_another() {
        let table = [vec![real(5), real(5)], vec![sure(2), sure(6)]];
        let conclusion = concluded(&table, "utilitarian");
        assert_eq!(order(&conclusion)[0], 1);
        assert_eq!(conclusion.best_by_real_ratings, Some(1));
    }

    #[test]
    fn the_schulze_method_asks_only_those_who_rated_everything() {
        let table = [
            vec![real(5), real(6), real(1)],
            vec![real(7), sure(1), real(1)],
            vec![sure(7), sure(1), sure(1)],
        ];
        let conclusion = concluded(&table, "schulze");
        assert_eq!(order(&conclusion)[0], 0);
        assert_eq!(conclusion.best_by_real_ratings, Some(1));
        let partly = concluded(&table[1..], "schulze");
        assert_eq!(partly.best_by_real_ratings, None);
    }

    #[test]
    fn the_same_ratings_and_seed_give_the_same_conclusion() {
        let table = vec![vec![either(1, 7), either(2, 6), real(4)]; 4];
        assert_eq!(concluded(&table, "0.5"), concluded(&table, "0.5"));
    }
}
