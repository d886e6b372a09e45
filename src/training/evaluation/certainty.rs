//! Whether the probability that a choice is the best one can be believed: see
//! [`certainty`](crate::deliberation::certainty).

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::bootstrap::{self, Estimate, estimate};
use super::{Scored, ratio};
use crate::deliberation::certainty::{Agreement, LEVEL, certainty, rank_known};
use crate::deliberation::rating::Likert;
use crate::deliberation::record::FEWEST_OPINIONS;
use crate::deliberation::welfare::{InequalityAversion, WelfareFunction};
use crate::training::card::Metrics;

/// In every deliberation a statement is chosen by predictions alone, with the probability that it is the
/// best one. Real ratings then choose too. Intervals are by bootstrap over deliberations.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CertaintyEvaluation {
    /// In which at least three members rated all of at least two statements.
    pub deliberations: usize,
    /// The mean of the probabilities.
    pub probability_best: f64,
    /// The share of the deliberations in which real ratings choose the same statement.
    pub chosen_is_best: Estimate,
    /// The mean over all deliberations of how far the mean probability of their bin is from the share
    /// in it of choices that are the best (Guo et al. 2017, arXiv:1706.04599, equation 3).
    pub expected_calibration_error: Estimate,
    /// The share of the deliberations in which the real welfare of the chosen statement lies in its
    /// prediction interval of 90 %; `None` by the Schulze method.
    pub interval_coverage: Option<Estimate>,
    /// By the probability; those without a deliberation are left out.
    pub bins: Vec<CertaintyBin>,
}

/// The choices whose probability lies from `from` up to, but not including, `to` (the last bin
/// includes 1).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CertaintyBin {
    pub from: f64,
    pub to: f64,
    pub deliberations: usize,
    pub probability_best: f64,
    pub chosen_is_best: f64,
}

/// By welfare function, under its name. A function is missing where there is no choice to be made.
pub fn evaluate(scored: &[Scored<'_>]) -> BTreeMap<String, CertaintyEvaluation> {
    let tables: Vec<Table> = scored.iter().filter_map(table).collect();
    let all = [
        WelfareFunction::Alpha(InequalityAversion::UTILITARIAN),
        WelfareFunction::Alpha(InequalityAversion::NASH),
        WelfareFunction::Alpha(InequalityAversion::RAWLSIAN),
        WelfareFunction::Schulze,
    ];
    all.into_iter()
        .filter_map(|function| Some((function.to_string(), of_function(&tables, function)?)))
        .collect()
}

/// Whether what a version says of its own certainty is good enough to be shown as a number to people who
/// know nothing of models: on at least [`FEWEST`] deliberations that it has not seen, the probability is
/// off by at most [`BOUND`] in the mean, and the interval holds what it promises as far.
///
/// The bound is ten points: "70 %" then means something between 6 and 8 of 10, which is how people read
/// it. With fewer deliberations nobody could tell: with 50, a perfect model's measured error is 0.10 in
/// the mean, by chance alone.
pub fn is_calibrated(metrics: &Metrics, function: WelfareFunction) -> bool {
    // Of the community itself, if there are any. The validation part has chosen the calibration.
    let unseen = metrics.cross_fitted.as_ref().or(metrics.held_out.as_ref());
    let figures = unseen.and_then(|figures| figures.get("certainty")?.get(function.to_string()));
    let figures = figures.and_then(|figures| CertaintyEvaluation::deserialize(figures).ok());
    figures.is_some_and(|figures| {
        let coverage = figures.interval_coverage;
        figures.deliberations >= FEWEST
            && figures.expected_calibration_error.value <= BOUND
            && coverage.is_none_or(|coverage| coverage.value >= LEVEL - BOUND)
    })
}

const FEWEST: usize = 50;

const BOUND: f64 = 0.1;

/// Members by statements; those members who rated all of them.
struct Table {
    predicted: Vec<Vec<Agreement>>,
    real: Vec<Vec<Agreement>>,
}

fn table(scored: &Scored<'_>) -> Option<Table> {
    let statements = &scored.deliberation.statements;
    let mut table = Table {
        predicted: Vec::new(),
        real: Vec::new(),
    };
    for (member, predicted) in scored.predicted.iter().enumerate() {
        let real = statements.iter().map(|statement| {
            let rating = Likert::try_from(statement.agreement[member]?).ok()?;
            Some(Agreement::Real(rating))
        });
        let predicted = predicted
            .iter()
            .map(|rating| rating.map(Agreement::Predicted));
        let (real, predicted): (Option<Vec<_>>, Option<Vec<_>>) =
            (real.collect(), predicted.collect());
        if let (Some(real), Some(predicted)) = (real, predicted) {
            table.real.push(real);
            table.predicted.push(predicted);
        }
    }
    (table.real.len() >= FEWEST_OPINIONS && statements.len() >= 2).then_some(table)
}

/// A bin each: the choices, the sum of their probabilities, and how many are the best.
type Sums = [f64; 3 * BINS];

/// Of width 0.2, from 0 to 1.
const BINS: usize = 5;

fn of_function(tables: &[Table], function: WelfareFunction) -> Option<CertaintyEvaluation> {
    let mut sums = Vec::new();
    let mut covered = Vec::new();
    for table in tables {
        let chosen = rank_known(&table.predicted, function)[0].candidate;
        // The same draws whatever the other deliberations are.
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let found = certainty(&table.predicted, chosen, function, &mut rng);
        let real = rank_known(&table.real, function);
        let bin = ((found.probability_best * BINS as f64) as usize).min(BINS - 1);
        let mut of_bin: Sums = [0.0; 3 * BINS];
        of_bin[3 * bin] = 1.0;
        of_bin[3 * bin + 1] = found.probability_best;
        of_bin[3 * bin + 2] = f64::from(u8::from(real[0].candidate == chosen));
        sums.push(of_bin);
        if let Some([low, high]) = found.welfare_interval {
            let welfare = real
                .iter()
                .find(|ranked| ranked.candidate == chosen)?
                .welfare;
            let inside = (low - ROUNDING..=high + ROUNDING).contains(&welfare);
            covered.push([f64::from(u8::from(inside)), 1.0]);
        }
    }
    let total = bootstrap::total(sums.iter());
    let sum = |sums: &Sums, part: usize| sums.iter().skip(part).step_by(3).sum::<f64>();
    let share_best = estimate(&sums, |sums| ratio([sum(&sums, 2), sum(&sums, 0)]))?;
    Some(CertaintyEvaluation {
        deliberations: sums.len(),
        probability_best: ratio([sum(&total, 1), sum(&total, 0)])?,
        chosen_is_best: share_best,
        expected_calibration_error: estimate(&sums, |sums| {
            let (bins, _) = sums.as_chunks::<3>();
            let gaps = bins
                .iter()
                .map(|[_, predicted, best]| (predicted - best).abs());
            ratio([gaps.sum(), sum(&sums, 0)])
        })?,
        interval_coverage: estimate(&covered, ratio),
        bins: bins(total),
    })
}

/// Much less than any two welfares of whole ratings differ by, and more than their rounding.
const ROUNDING: f64 = 1e-9;

fn bins(total: Sums) -> Vec<CertaintyBin> {
    let (bins, _) = total.as_chunks::<3>();
    let edge = |bin: usize| bin as f64 / BINS as f64;
    bins.iter()
        .enumerate()
        .filter(|(_, [choices, ..])| *choices > 0.0)
        .map(|(bin, [choices, probability, best])| CertaintyBin {
            from: edge(bin),
            to: edge(bin + 1),
            deliberations: *choices as usize,
            probability_best: probability / choices,
            chosen_is_best: best / choices,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::deliberation::distribution::RatingDistribution;
    use crate::deliberation::record::Deliberation;

    const UTILITARIAN: WelfareFunction = WelfareFunction::Alpha(InequalityAversion::UTILITARIAN);

    /// The rating is 2 or 6, the latter with this probability.
    fn high(probability: f64) -> Option<RatingDistribution> {
        let mut logits = [-1e4; 7];
        (logits[1], logits[5]) = ((1.0 - probability).ln(), probability.ln());
        RatingDistribution::from_logits(logits)
    }

    fn sure(rating: u8) -> Option<RatingDistribution> {
        let mut logits = [-1e4; 7];
        logits[usize::from(rating) - 1] = 0.0;
        RatingDistribution::from_logits(logits)
    }

    /// Three members who rate two statements like this, in private.
    fn rated(first: [Option<u8>; 3], second: [Option<u8>; 3]) -> Deliberation {
        serde_json::from_value(json!({
            "question": "Tea or coffee?",
            "opinions": ["Tea, all day long.", "Coffee until noon.", "Water for me only."],
            "statements": [
                { "text": "Tea.", "agreement": first },
                { "text": "Coffee.", "agreement": second },
            ],
        }))
        .unwrap()
    }

    fn evaluated(
        rows: &[(Deliberation, [Option<RatingDistribution>; 2])],
    ) -> BTreeMap<String, CertaintyEvaluation> {
        // All members are predicted alike.
        let predicted: Vec<_> = rows.iter().map(|(_, row)| vec![row.to_vec(); 3]).collect();
        let scored: Vec<Scored> = rows
            .iter()
            .zip(&predicted)
            .map(|((deliberation, _), predicted)| Scored {
                deliberation,
                predicted,
            })
            .collect();
        evaluate(&scored)
    }

    #[test]
    fn probabilities_are_compared_with_how_often_the_choice_is_the_best() {
        let best_first = || rated([Some(6); 3], [Some(4); 3]);
        let best_second = || rated([Some(2); 3], [Some(4); 3]);
        // The first statement is chosen for certain; it is the best one in three of four.
        let sure = [sure(5), sure(4)];
        let found = evaluated(&[
            (best_first(), sure),
            (best_first(), sure),
            (best_first(), sure),
            (best_second(), sure),
        ]);
        let of_mean = &found["utilitarian"];
        assert_eq!((of_mean.deliberations, of_mean.probability_best), (4, 1.0));
        assert_eq!(of_mean.chosen_is_best.value, 0.75);
        assert_eq!(of_mean.expected_calibration_error.value, 0.25);
        // Real ratings are 6 and 2, and 5 was certain.
        assert_eq!(of_mean.interval_coverage.unwrap().value, 0.0);
        assert_eq!(found["schulze"].interval_coverage, None);
        assert_eq!(found["schulze"].chosen_is_best.value, 0.75);
        assert_eq!(found.len(), 4);

        // By the mean it wins with two of three members, with a probability of 0.75³ + 3·0.75²·0.25.
        let unsure = [high(0.75), self::sure(4)];
        let found = evaluated(&[(best_first(), unsure), (best_second(), unsure)]);
        let of_mean = &found["utilitarian"];
        assert!(
            (of_mean.probability_best - 0.84375).abs() < 0.033,
            "{of_mean:?}"
        );
        let error = of_mean.expected_calibration_error.value;
        assert!((error - (of_mean.probability_best - 0.5)).abs() < 1e-12);
        let [bin] = &of_mean.bins[..] else {
            panic!("{of_mean:?}");
        };
        assert_eq!(
            (bin.from, bin.to, bin.deliberations, bin.chosen_is_best),
            (0.8, 1.0, 2, 0.5)
        );
        // From one of three members high to all of them, so 6 is inside, and 2 is not.
        assert_eq!(of_mean.interval_coverage.unwrap().value, 0.5);
    }

    #[test]
    fn two_errors_in_different_bins_do_not_make_up_for_each_other() {
        let right = (rated([Some(6); 3], [Some(4); 3]), [sure(5), sure(4)]);
        let mut wrong = right.clone();
        wrong.0 = rated([Some(2); 3], [Some(4); 3]);
        let unsure = (rated([Some(6); 3], [Some(4); 3]), [high(0.51), sure(4)]);
        // 1 and 1 are right half of the time: off by 0.5. About 0.51 is right: off by 0.49.
        let found = evaluated(&[right, wrong, unsure]);
        let of_mean = &found["utilitarian"];
        let error = of_mean.expected_calibration_error.value;
        let unsure = of_mean.bins[0].probability_best;
        assert!((0.4..0.6).contains(&unsure), "{of_mean:?}");
        assert!((error - (2.0 * 0.5 + (1.0 - unsure)) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn who_did_not_rate_everything_is_left_out_and_two_are_no_group() {
        let gap = rated([Some(6), None, Some(6)], [Some(4); 3]);
        assert!(evaluated(&[(gap, [sure(5), sure(4)])]).is_empty());
        assert!(evaluated(&[(rated([Some(6); 3], [Some(4); 3]), [sure(5), None])]).is_empty());
        assert!(evaluate(&[]).is_empty());
    }

    fn card(deliberations: usize, error: f64, coverage: Option<f64>) -> Value {
        let estimate = |value: f64| Estimate {
            value,
            interval: None,
        };
        let figures = CertaintyEvaluation {
            deliberations,
            probability_best: 0.6,
            chosen_is_best: estimate(0.6),
            expected_calibration_error: estimate(error),
            interval_coverage: coverage.map(estimate),
            bins: Vec::new(),
        };
        json!({ "ratings": 1000, "certainty": { "utilitarian": figures } })
    }

    #[test]
    fn a_version_is_calibrated_by_what_it_has_not_seen_and_for_that_function_alone() {
        let good = || Some(card(50, 0.1, Some(0.8)));
        let held_out = |held_out| Metrics {
            held_out,
            ..Metrics::default()
        };
        assert!(is_calibrated(&held_out(good()), UTILITARIAN));
        for bad in [
            card(49, 0.1, Some(0.8)),
            card(50, 0.11, Some(0.8)),
            card(50, 0.1, Some(0.79)),
            json!({ "ratings": 1000 }),
        ] {
            assert!(
                !is_calibrated(&held_out(Some(bad.clone())), UTILITARIAN),
                "{bad}"
            );
        }
        assert!(!is_calibrated(&held_out(good()), WelfareFunction::Schulze));
        assert!(!is_calibrated(&Metrics::default(), UTILITARIAN));
        let validation = Metrics {
            validation: good(),
            ..Metrics::default()
        };
        assert!(!is_calibrated(&validation, UTILITARIAN));
        // What a community has rated says more of it than the held-out file.
        let community = Metrics {
            held_out: good(),
            cross_fitted: Some(card(8, 0.0, Some(1.0))),
            ..Metrics::default()
        };
        assert!(!is_calibrated(&community, UTILITARIAN));
    }
}
