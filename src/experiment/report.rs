//! The report of an experiment, as Markdown with charts.

mod charts;
mod markdown;

use super::arm::{Arm, Welfare, is_pipeline, papers_win_rate};
use super::case::{ArmRatings, Case, given};
use super::comparison::{
    Comparison, by_divisiveness, case_divisiveness, compare, compare_all, minimum,
};
use super::exclusion::{Difference, Exclusion, exclusion};
use super::sensitivity::{BestOf, best_of, choices};
use super::statistics::agreement::{group_internal_agreement, mean};
use super::statistics::win_rate::{Share, WinRate, wilson};
use crate::chart::Chart;
use crate::training::evaluation::bootstrap::{Estimate, estimate};
use charts::{best_of_chart, win_rates_chart};
use markdown::{counted, figure, percent, range, table, win_rate_cells};

/// How the statements were made, and what is to be known of the judge.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The name of the file.
    pub data: String,
    /// Deliberations for which the generator wrote nothing that can stand as a candidate; there is no
    /// case of them.
    pub without_drafts: usize,
    pub seed: u64,
    /// So many drafts were asked for, for each deliberation.
    pub candidates: usize,
    /// And so many without one member.
    pub excluding: usize,
    /// So many examples the few-shot arm is shown.
    pub examples: usize,
    /// Base model and version of the fine-tuned generator, of the base model, of both reward models.
    pub generator: String,
    pub base: String,
    pub ranking: String,
    pub judge: String,
    /// What makes the judge less independent, or nothing known of it.
    pub warnings: Vec<String>,
}

/// What is written to the folder.
#[derive(Debug)]
pub struct Report {
    pub markdown: String,
    /// By file name.
    pub charts: Vec<(&'static str, Chart)>,
}

const WIN_RATES: &str = "win-rates.svg";
const BEST_OF: &str = "best-of-n.svg";

/// Of at least one case.
pub fn report(cases: &[Case], setup: &Setup) -> Report {
    let judged: Vec<ArmRatings> = cases
        .iter()
        .map(|case| case.by_model(&case.judge))
        .collect();
    let comparisons = compare_all(&judged);
    let headline: Vec<&Comparison> = comparisons
        .iter()
        .filter(|pair| pair.ours == Arm::PIPELINE.label())
        .collect();
    let best = best_of(cases, setup.candidates, Welfare::Utilitarian);
    let win_rates_chart = win_rates_chart(&headline);
    let best_of_chart = best_of_chart(&best);
    let sections = [
        introduction(cases, setup),
        win_rates(&headline, &comparisons, &win_rates_chart),
        given_ratings(cases),
        arms(cases, &judged),
        divided(cases),
        exclusion(cases).map_or_else(String::new, |found| excluded(&found, setup)),
        sensitivity(cases, &best, &best_of_chart),
        by_the_ranking_model(cases, setup),
        PEOPLE.to_owned(),
    ];
    Report {
        markdown: sections.concat(),
        charts: vec![(WIN_RATES, win_rates_chart), (BEST_OF, best_of_chart)],
    }
}

fn introduction(cases: &[Case], setup: &Setup) -> String {
    let Setup {
        data,
        without_drafts,
        seed,
        candidates,
        examples,
        generator,
        base,
        ranking,
        judge,
        warnings,
        ..
    } = setup;
    let warnings: String = warnings
        .iter()
        .map(|warning| format!("- {warning}\n"))
        .collect();
    let missing = |arm: Arm| {
        cases
            .iter()
            .filter(|case| case.chosen(arm).is_none())
            .count()
    };
    let (zero, few) = (missing(Arm::ZeroShot), missing(Arm::FewShot));
    let drafts: usize = cases.iter().map(|case| case.written.drafts.len()).sum();
    let deliberations = counted(cases.len(), "deliberation");
    let left_out = match without_drafts {
        0 => String::new(),
        _ => format!(
            "\
**Left out: {} of the file**, for which not one draft of {generator} could stand as a candidate.
No figure below counts them, and so none counts them against its arms.

",
            counted(*without_drafts, "deliberation")
        ),
    };
    format!(
        "\
# Does the fine-tuned, ranked statement win?

{deliberations} from `{data}`, seed {seed}. For each: {candidates} drafts by {generator}, shared by
all welfare functions and ranked by {ranking} ({drafts} of {} could stand as candidates); one draft by
{base} as it is (zero-shot) and one after {examples} examples (few-shot); and the opinions themselves.
A draft that cannot stand as a candidate is drawn again, in every arm; in {zero} deliberations the
zero-shot arm had none that could, in {few} the few-shot arm: these do not count in its comparisons.

{left_out}The judge is {judge}. **It is a model: no person has judged these statements.** Where the models were
trained on invented ratings, it tells which statement such ratings would favour, and no more.

{warnings}",
        candidates * cases.len()
    )
}

fn win_rates(headline: &[&Comparison], comparisons: &[Comparison], chart: &Chart) -> String {
    let verdicts: String = headline
        .iter()
        .map(|pair| format!("- {}\n", verdict(&pair.theirs, &pair.mean)))
        .collect();
    format!(
        "
## Who wins, as the judge rates

A win rate is the share of groups that rate one arm's statement higher on average (*mean*, as in the
paper) or whose worst-off member does (*lowest*); ties are left out. In brackets 95 % intervals: by
Wilson, then by bootstrap over deliberations. The paper's figures are those of people, in brackets on
topics held out from training.

{verdicts}
![{}]({WIN_RATES})

{}",
        chart.alt_text,
        comparison_table(comparisons)
    )
}

/// In words, and not better than it is.
fn verdict(theirs: &str, rate: &WinRate) -> String {
    let pipeline = Arm::PIPELINE.label();
    let Some(Share { value, wilson, .. }) = rate.share else {
        return format!("`{pipeline}` and `{theirs}` are tied everywhere.");
    };
    let [low, high] = wilson;
    let figures = format!("{} {}", percent(value), range(wilson));
    if low > 0.5 {
        format!("`{pipeline}` wins against `{theirs}`: {figures}.")
    } else if high < 0.5 {
        format!("**`{theirs}` wins against the full pipeline**, `{pipeline}`, which has {figures}.")
    } else if value < 0.5 {
        format!(
            "**`{theirs}` wins more often than the full pipeline**, `{pipeline}`, which has {figures}: chance may explain it."
        )
    } else {
        format!("`{pipeline}` against `{theirs}`: {figures}, which chance may explain.")
    }
}

fn comparison_table(comparisons: &[Comparison]) -> String {
    let rows = comparisons.iter().map(|pair| {
        let paper = match is_pipeline(&pair.ours) {
            true => papers_win_rate(&pair.theirs),
            false => None,
        };
        let paper = match paper {
            Some((all, Some(held_out))) => format!("{all} % ({held_out} %)"),
            Some((all, None)) => format!("{all} %"),
            None => "–".to_owned(),
        };
        let arms = format!("`{}` against `{}`", pair.ours, pair.theirs);
        let [rate, tally] = win_rate_cells(&pair.mean);
        let [lowest, _] = win_rate_cells(&pair.minimum);
        vec![arms, rate, tally, lowest, paper]
    });
    table(
        &["", "mean", "won–lost, tied", "lowest", "paper, mean"],
        rows,
    )
}

/// Nothing where no statement in the file carries an arm's label.
fn given_ratings(cases: &[Case]) -> String {
    let given: Vec<ArmRatings> = cases.iter().map(|case| given(&case.deliberation)).collect();
    let rated = given.iter().filter(|arms| !arms.is_empty()).count();
    let unrated = cases.iter().zip(&given).filter(|(case, arms)| {
        let mut statements = case.deliberation.statements.iter();
        arms.is_empty() && statements.any(|statement| statement.arm.is_some())
    });
    let unrated = match unrated.count() {
        0 => String::new(),
        unrated => format!(
            "\
{} in the file with statements that name their arm and have no rating that belongs to an opinion, as
`accord export` writes rounds that were rated by reaction: nothing is counted of these.
",
            counted(unrated, "deliberation")
        ),
    };
    let comparisons = compare_all(&given);
    let rated = match comparisons.is_empty() {
        true => String::new(),
        false => format!(
            "\
{} in the file with rated statements that name their arm. A member counts who rated both arms.

{}",
            counted(rated, "deliberation"),
            comparison_table(&comparisons)
        ),
    };
    let sections = [rated, unrated].into_iter().filter(|text| !text.is_empty());
    match sections.collect::<Vec<String>>().join("\n") {
        none if none.is_empty() => none,
        sections => format!("\n## Who wins, as people rated\n\n{sections}"),
    }
}

fn arms(cases: &[Case], judged: &[ArmRatings]) -> String {
    let rows = Arm::ALL.into_iter().map(|arm| {
        let ratings: Vec<Vec<f64>> = judged
            .iter()
            .filter_map(|arms| Some(arms.get(arm.label())?.iter().flatten().copied().collect()))
            .collect();
        let average = |of: fn(&[f64]) -> Option<f64>| {
            let found = ratings.iter().filter_map(|ratings| of(ratings));
            mean_over_cases(found).map_or_else(|| "–".to_owned(), |estimate| figure(&estimate))
        };
        vec![
            format!("`{}`", arm.label()),
            ratings.len().to_string(),
            average(mean),
            average(minimum),
            average(group_internal_agreement),
        ]
    });
    let divided = mean_over_cases(cases.iter().filter_map(case_divisiveness));
    let divided = divided.map_or_else(|| "unknown".to_owned(), |estimate| figure(&estimate));
    format!(
        "
## How each arm fares, as the judge rates

Means over deliberations, with intervals by bootstrap over them: of the mean rating, of the lowest one,
and of the Group Internal Agreement |1/2 - n(r > 4) / (n(r > 4) + n(r < 4))| x 2, which is 0 where a
group is split and 1 where all are on one side. About the opinions themselves the divisiveness
(1 less the mean Group Internal Agreement) is {divided}.

{}",
        table(
            &[
                "",
                "deliberations",
                "mean agreement",
                "worst-off member",
                "Group Internal Agreement"
            ],
            rows
        )
    )
}

fn mean_over_cases(values: impl Iterator<Item = f64>) -> Option<Estimate> {
    let sums: Vec<[f64; 2]> = values.map(|value| [value, 1.0]).collect();
    estimate(&sums, |[sum, count]| (count > 0.0).then(|| sum / count))
}

fn divided(cases: &[Case]) -> String {
    let [less, more] = by_divisiveness(cases);
    let against = [Arm::Sft, Arm::FewShot, Arm::ZeroShot, Arm::BestOpinion];
    let rows = [("less", less), ("more", more)].map(|(name, half)| {
        let judged: Vec<ArmRatings> = half.iter().map(|case| case.by_model(&case.judge)).collect();
        let rates = against.map(|arm| {
            let compared = compare(&judged, Arm::PIPELINE.label(), arm.label());
            let [rate, tally] = win_rate_cells(&compared.mean);
            format!("{rate}, {tally}")
        });
        let divided = half.iter().filter_map(|case| case_divisiveness(case));
        let divided: Vec<f64> = divided.collect();
        let divided = mean(&divided).map_or_else(|| "–".to_owned(), |mean| format!("{mean:.2}"));
        [name.to_owned(), half.len().to_string(), divided]
            .into_iter()
            .chain(rates)
            .collect::<Vec<String>>()
    });
    format!(
        "
### Where opinions are divided

The half of the deliberations in which opinions divide the group less, and the half in which they
divide it more; win rates of `{}` by the mean rating.

{}",
        Arm::PIPELINE.label(),
        table(
            &[
                "",
                "deliberations",
                "divisiveness",
                "against sft",
                "few-shot",
                "zero-shot",
                "best-opinion"
            ],
            rows.into_iter()
        )
    )
}

fn excluded(found: &Exclusion, setup: &Setup) -> String {
    let row = |name: &str, of: &Difference, paper: &str| {
        vec![
            name.to_owned(),
            format!("{:.2}", of.others),
            format!("{:.2}", of.member),
            figure(&of.difference),
            paper.to_owned(),
        ]
    };
    format!(
        "
## The exclusion study

In {} one member, drawn by the seed, was left out without notice: {} drafts did not read that opinion,
and the predicted ratings of the others alone chose the statement. The second row is the control: the
same members, and a statement by as many drafts that read their opinions, chosen by everybody's. Median agreement as
the judge rates; differences with intervals by bootstrap over deliberations.

{}",
        counted(found.groups, "deliberation"),
        setup.excluding,
        table(
            &["the member", "others", "member", "difference", "paper"],
            [
                row("left out", &found.without, "0.47 [0.21, 0.73]"),
                row("read", &found.with, "–")
            ]
            .into_iter()
        )
    )
}

fn sensitivity(cases: &[Case], best: &[BestOf], chart: &Chart) -> String {
    let differs = choices(cases).into_iter().map(|found| {
        let [one, other] = found.between.map(|welfare| Arm::Accord(welfare).label());
        vec![
            format!("`{one}`, `{other}`"),
            format!(
                "{} of {}: {} {}",
                found.differs,
                found.deliberations,
                percent(found.differs as f64 / found.deliberations as f64),
                range(wilson(found.differs as u32, found.deliberations as u32))
            ),
        ]
    });
    let rows = best.iter().map(|best| {
        vec![
            best.candidates.to_string(),
            figure(&best.judge.mean),
            figure(&best.judge.worst_off),
            figure(&best.ranking.mean),
            figure(&best.ranking.worst_off),
        ]
    });
    format!(
        "
## What depends on the welfare function

How often two welfare functions choose different statements from the same drafts, with Wilson intervals.
The paper found that people hardly preferred one function's statements to another's.

{}
## What depends on the number of candidates

The best of N drafts by predicted utilitarian welfare, where one set of drafts is cut into as many sets
of N as it has. Means over deliberations, with intervals by bootstrap over them. What the ranking model
expects rises with N by itself, since it chose; whether the group fares better is for the judge to say.

![{}]({BEST_OF})

{}",
        table(&["", "choose different statements"], differs),
        chart.alt_text,
        table(
            &[
                "N",
                "judge: mean",
                "judge: worst-off",
                "ranking model: mean",
                "ranking model: worst-off"
            ],
            rows
        )
    )
}

fn by_the_ranking_model(cases: &[Case], setup: &Setup) -> String {
    let groups: Vec<ArmRatings> = cases
        .iter()
        .map(|case| case.by_model(&case.ranking))
        .collect();
    format!(
        "
## The ranking model's own judgement

{} chose the statements of the `accord` arms and of `best-opinion` by these very ratings, so its
judgement of them is no evidence. It is shown to see how much of what it expected the judge confirms.

{}",
        setup.ranking,
        comparison_table(&compare_all(&groups))
    )
}

const PEOPLE: &str = "
## Ask people

`ballots.jsonl` holds the statements in pairs, blinded and shuffled; `key.jsonl` says what they are, so
raters should not see it. Everybody who rates copies `ballots.jsonl` to `ballots-NAME.jsonl` in this
folder and sets each `\"choice\"` to `\"a\"`, `\"b\"` or `\"tie\"`. Then `accord ballots tally` with this
folder counts.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::case::Excluded;
    use crate::experiment::case::tests::{candidate, case};

    fn setup() -> Setup {
        Setup {
            data: "held-out.jsonl".to_owned(),
            without_drafts: 0,
            seed: 7,
            candidates: 3,
            excluding: 1,
            examples: 2,
            generator: "the generator".to_owned(),
            base: "the base model".to_owned(),
            ranking: "the ranking model".to_owned(),
            judge: "the judge".to_owned(),
            warnings: vec!["They know one another.".to_owned()],
        }
    }

    /// The pipeline chooses the second of three drafts, of which the judge thinks this much.
    fn cases(count: usize, judged: f64) -> Vec<Case> {
        (0..count)
            .map(|n| {
                let mut case = case(&[
                    ([4.0; 3], [4.5; 3]),
                    ([6.0; 3], [judged; 3]),
                    ([5.0; 3], [4.5; 3]),
                ]);
                case.deliberation.question = format!("Question {n}?");
                case
            })
            .collect()
    }

    #[test]
    fn it_says_who_wins() {
        let Report { markdown, charts } = report(&cases(10, 6.0), &setup());
        for expected in [
            "10 deliberations from `held-out.jsonl`, seed 7.",
            "- They know one another.",
            "- `accord-utilitarian` wins against `sft`: 100.0 % [72, 100].",
            "- `accord-utilitarian` wins against `best-opinion`: 100.0 % [72, 100].",
            "71.6 % (73.8 %)",
            "| 1 | 5.00 [5.00, 5.00] |",
            "| 3 | 6.00 [6.00, 6.00] |",
            "0 of 10: 0.0 % [0, 28]",
            "![Against sft: 100.0 % by the mean, 100.0 % by the lowest rating.",
        ] {
            assert!(markdown.contains(expected), "{expected:?} in {markdown}");
        }
        assert!(!markdown.contains("as people rated"), "nobody has");
        assert!(!markdown.contains("exclusion study"), "groups of three");
        for (name, chart) in charts {
            assert!(markdown.contains(&format!("({name})")));
            assert!(!chart.to_png(0.5).is_empty());
        }
    }

    #[test]
    fn labels_without_ratings_are_told_and_not_counted() {
        let mut cases = cases(2, 6.0);
        for (case, rating) in cases.iter_mut().zip(["null", "7"]) {
            let json = format!(
                r#"{{"question": "Why?", "opinions": ["Because it is.", "I do not know.", "Nobody knows."],
                    "statements": [{{"text": "A", "agreement": [{rating}, null, null], "arm": "accord"}},
                                   {{"text": "B", "agreement": [{rating}, null, null], "arm": "sft"}}]}}"#
            );
            let read: crate::deliberation::record::Deliberation =
                serde_json::from_str(&json).unwrap();
            case.deliberation.statements = read.statements;
        }
        let nothing =
            "1 deliberation in the file with statements that name their arm and have no rating";
        let both = report(&cases, &setup()).markdown;
        assert!(both.contains(nothing), "{both}");
        assert!(
            both.contains("1 deliberation in the file with rated statements"),
            "{both}"
        );
        let unrated = report(&cases[..1], &setup()).markdown;
        assert!(
            unrated.contains(nothing) && !unrated.contains("with rated statements"),
            "{unrated}"
        );
    }

    #[test]
    fn deliberations_without_drafts_are_counted() {
        let complete = report(&cases(2, 6.0), &setup()).markdown;
        assert!(!complete.contains("Left out: "), "{complete}");
        let setup = Setup {
            without_drafts: 3,
            ..setup()
        };
        let markdown = report(&cases(2, 6.0), &setup).markdown;
        let expected =
            "**Left out: 3 deliberations of the file**, for which not one draft of the generator";
        assert!(markdown.contains(expected), "{markdown}");
    }

    #[test]
    fn an_arm_that_wins_against_the_pipeline_is_named() {
        let worse = report(&cases(10, 2.5), &setup()).markdown;
        for expected in [
            "- **`sft` wins against the full pipeline**, `accord-utilitarian`, which has 0.0 % [0, 28].",
            "- **`few-shot` wins against the full pipeline**",
            "- `accord-utilitarian` wins against `zero-shot`",
        ] {
            assert!(worse.contains(expected), "{expected:?} in {worse}");
        }
        let few = report(&cases(2, 2.5), &setup()).markdown;
        let expected = "**`sft` wins more often than the full pipeline**, `accord-utilitarian`, \
            which has 0.0 % [0, 66]: chance may explain it.";
        assert!(few.contains(expected), "{few}");
    }

    #[test]
    fn ratings_of_people_and_the_exclusion_study_are_told_where_there_are_some() {
        let mut cases = cases(2, 6.0);
        for case in &mut cases {
            case.written.excluded = Some(Excluded {
                member: 0,
                drafts: vec![candidate("Without")],
            });
            case.ranking.ratings.insert(3, vec![4.0; 3]);
            case.judge.ratings.insert(3, vec![2.0, 5.0, 5.0]);
            case.check().unwrap();
            case.deliberation.statements = serde_json::from_str::<crate::deliberation::record::Deliberation>(
                r#"{"question": "Why?", "opinions": ["Because it is.", "I do not know.", "Nobody knows."],
                    "statements": [{"text": "A", "agreement": [7, 6, null], "arm": "accord"},
                                   {"text": "B", "agreement": [4, 5, 7], "arm": "sft"}]}"#,
            )
            .unwrap()
            .statements;
        }
        let markdown = report(&cases, &setup()).markdown;
        for expected in [
            "| left out | 5.00 | 2.00 | 3.00 [3.00, 3.00] | 0.47 [0.21, 0.73] |",
            "| read | 4.50 | 4.50 | 0.00 [0.00, 0.00] | – |",
            "| `accord` against `sft` | 100.0 % [34, 100] [100, 100] | 2–0, 0 |",
        ] {
            assert!(markdown.contains(expected), "{expected:?} in {markdown}");
        }
    }
}
