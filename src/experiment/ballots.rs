//! Ballots: two statements on one question, of which a person chooses one without knowing where they
//! come from.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::case::Case;
use super::produce::key;
use super::statistics::kappa::cohens_kappa;
use super::statistics::win_rate::{Tally, WinRate, win_rate};
use crate::inference::model_files::sha256_of_bytes;

/// What a rater sees and fills in.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ballot {
    /// Says nothing about what the statements are.
    pub ballot: String,
    pub question: String,
    pub opinions: Vec<String>,
    pub a: String,
    pub b: String,
    /// `a`, `b`, or `tie`; `null` until it is filled in.
    #[serde(default)]
    pub choice: Option<Choice>,
}

/// Which statement a rater would rather have as the group's.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    #[serde(alias = "A")]
    A,
    #[serde(alias = "B")]
    B,
    Tie,
}

/// What the statements of a ballot are; kept where raters do not look.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Key {
    pub ballot: String,
    /// The same for all ballots on one deliberation.
    pub deliberation: String,
    /// Arms.
    pub a: String,
    pub b: String,
}

/// The full pipeline against each other arm, for every deliberation, in an order and on sides that the
/// seed draws. Statements that are the same are no ballot.
pub fn ballots(cases: &[Case], seed: u64) -> Vec<(Ballot, Key)> {
    let mut ballots: Vec<(Ballot, Key)> = cases
        .iter()
        .flat_map(|case| {
            [Arm::Sft, Arm::FewShot, Arm::ZeroShot, Arm::BestOpinion]
                .into_iter()
                .filter_map(move |arm| ballot(case, arm, seed))
        })
        .collect();
    // A hash is as good as chance.
    ballots.sort_by(|(one, _), (other, _)| one.ballot.cmp(&other.ballot));
    ballots
}

fn ballot(case: &Case, against: Arm, seed: u64) -> Option<(Ballot, Key)> {
    let arms = [Arm::PIPELINE, against];
    let [ours, theirs] = arms.map(|arm| Some(case.text(case.chosen(arm)?)));
    let (ours, theirs) = (ours?, theirs?);
    if ours == theirs {
        return None;
    }
    let deliberation = key(&case.deliberation);
    let drawn = format!("{seed} {deliberation} {} {ours} {theirs}", against.label());
    let drawn = sha256_of_bytes(drawn.as_bytes());
    let (name, side) = drawn.split_at(12);
    let swapped = side.starts_with(|digit| digit < '8');
    let place = |[ours, theirs]: [&str; 2]| match swapped {
        true => (theirs.to_owned(), ours.to_owned()),
        false => (ours.to_owned(), theirs.to_owned()),
    };
    let (a, b) = place([ours, theirs]);
    let ballot = Ballot {
        ballot: name.to_owned(),
        question: case.deliberation.question.clone(),
        opinions: case.deliberation.opinions.clone(),
        a,
        b,
        choice: None,
    };
    let (a, b) = place(arms.map(Arm::label));
    let key = Key {
        ballot: name.to_owned(),
        deliberation,
        a,
        b,
    };
    Some((ballot, key))
}

/// A file of ballots or of keys, with those of `rows` added that are not in it; `name` is a row's ballot.
///
/// # Errors
/// A line of the file that is neither.
pub fn with_missing<T: DeserializeOwned + Serialize>(
    mut file: String,
    rows: &[T],
    name: impl Fn(&T) -> &str,
) -> Result<String> {
    let lines = (1..).zip(file.lines());
    let there = lines.filter(|(_, line)| !line.trim().is_empty());
    let there: Vec<T> = there
        .map(|(number, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("line {number} is damaged: mend it, or remove the file"))
        })
        .collect::<Result<_>>()?;
    let there: BTreeSet<&str> = there.iter().map(&name).collect();
    if !(file.is_empty() || file.ends_with('\n')) {
        file.push('\n');
    }
    for row in rows.iter().filter(|row| !there.contains(name(row))) {
        file.push_str(&serde_json::to_string(row)?);
        file.push('\n');
    }
    Ok(file)
}

/// What raters decided.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Raters and how many ballots each filled in.
    pub raters: Vec<(String, usize)>,
    /// Of the first arm against the second.
    pub arms: Vec<([String; 2], WinRate)>,
    pub agreement: Vec<RatersAgreement>,
}

/// How far two raters agree on the ballots that both filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct RatersAgreement {
    pub raters: [String; 2],
    pub ballots: usize,
    /// Ballots on which both chose the same.
    pub same: usize,
    /// `None` where chance explains all.
    pub kappa: Option<f64>,
}

/// Counts what each rater filled in, by rater. Intervals are clustered by deliberation.
///
/// # Errors
/// Ballots that are not of this key, or that a rater has twice; none that is filled in.
pub fn tally(keys: &[Key], filled: &BTreeMap<String, Vec<Ballot>>) -> Result<Decided> {
    let keys: BTreeMap<&str, &Key> = keys.iter().map(|key| (&*key.ballot, key)).collect();
    let mut choices: BTreeMap<&str, BTreeMap<&str, Choice>> = BTreeMap::new();
    for (rater, ballots) in filled {
        let own = choices.entry(rater).or_default();
        for ballot in ballots {
            ensure!(
                keys.contains_key(&*ballot.ballot),
                "ballot {} of rater {rater} is not in the key: it belongs to another experiment",
                ballot.ballot
            );
            if let Some(choice) = ballot.choice
                && own.insert(&ballot.ballot, choice).is_some()
            {
                bail!("rater {rater} has ballot {} twice", ballot.ballot);
            }
        }
    }
    choices.retain(|_, own| !own.is_empty());
    ensure!(
        !choices.is_empty(),
        "no ballot is filled in: set \"choice\" to \"a\", \"b\" or \"tie\""
    );

    let mut tallies: BTreeMap<[&str; 2], BTreeMap<&str, Tally>> = BTreeMap::new();
    for (ballot, choice) in choices.values().flatten() {
        let key = keys.get(ballot).context("checked above")?;
        // The full pipeline first.
        let swapped = key.a != Arm::PIPELINE.label();
        let pair = match swapped {
            true => [&*key.b, &*key.a],
            false => [&*key.a, &*key.b],
        };
        let group = tallies.entry(pair).or_default();
        let tally = group.entry(&key.deliberation).or_default();
        match (choice, swapped) {
            (Choice::Tie, _) => tally.ties += 1,
            (Choice::A, false) | (Choice::B, true) => tally.wins += 1,
            (Choice::A, true) | (Choice::B, false) => tally.losses += 1,
        }
    }
    let arms = tallies.into_iter().map(|(pair, groups)| {
        let groups: Vec<Tally> = groups.into_values().collect();
        (pair.map(str::to_owned), win_rate(&groups))
    });
    Ok(Decided {
        arms: arms.collect(),
        agreement: agreement(&choices),
        raters: choices
            .iter()
            .map(|(rater, own)| ((*rater).to_owned(), own.len()))
            .collect(),
    })
}

fn agreement(choices: &BTreeMap<&str, BTreeMap<&str, Choice>>) -> Vec<RatersAgreement> {
    let mut pairs = Vec::new();
    for (n, (one, ones)) in choices.iter().enumerate() {
        for (other, others) in choices.iter().skip(n + 1) {
            let both: Vec<(Choice, Choice)> = ones
                .iter()
                .filter_map(|(ballot, choice)| Some((*choice, *others.get(ballot)?)))
                .collect();
            pairs.push(RatersAgreement {
                raters: [one, other].map(|name| (*name).to_owned()),
                ballots: both.len(),
                same: both.iter().filter(|(one, other)| one == other).count(),
                kappa: cohens_kappa(&both),
            });
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::case::tests::case;

    fn cases(count: usize) -> Vec<Case> {
        (0..count)
            .map(|n| {
                let mut case = case(&[([4.0; 3], [4.0; 3]), ([5.0; 3], [4.0; 3])]);
                case.deliberation.question = format!("Question {n}?");
                case
            })
            .collect()
    }

    #[test]
    fn ballots_are_blinded_shuffled_and_keyed() {
        let ballots = ballots(&cases(40), 1);
        assert_eq!(ballots.len(), 160);
        let mut pipeline_is_a = 0;
        for (ballot, key) in &ballots {
            assert_eq!(ballot.ballot, key.ballot);
            for (text, arm) in [(&ballot.a, &key.a), (&ballot.b, &key.b)] {
                let expected = match &**arm {
                    "accord-utilitarian" => "Draft 1",
                    "sft" => "Draft 0",
                    "few-shot" => "Few-shot",
                    "zero-shot" => "Zero-shot",
                    "best-opinion" => "Opinion B",
                    other => panic!("{other}"),
                };
                assert_eq!(text, expected);
            }
            pipeline_is_a += usize::from(key.a == "accord-utilitarian");
            let json = serde_json::to_string(ballot).unwrap();
            assert!(!json.contains("accord") && json.ends_with(r#""choice":null}"#));
        }
        // 80 are expected, with a standard deviation of 6.
        assert!((55..105).contains(&pipeline_is_a), "{pipeline_is_a}");
        let of = |range: std::ops::Range<usize>| -> Vec<&str> {
            ballots[range]
                .iter()
                .map(|(_, key)| &*key.deliberation)
                .collect()
        };
        assert!(
            of(0..10).iter().any(|other| *other != of(0..1)[0]),
            "shuffled"
        );
        assert_eq!(super::ballots(&cases(40), 1), ballots);
        assert_ne!(super::ballots(&cases(40), 2), ballots);
    }

    #[test]
    fn equal_statements_are_no_ballot() {
        let same = case(&[([5.0; 3], [4.0; 3]), ([4.0; 3], [4.0; 3])]);
        let against: Vec<_> = ballots(&[same], 1)
            .into_iter()
            .flat_map(|(_, key)| [key.a, key.b])
            .collect();
        assert_eq!(against.len(), 6);
        assert!(!against.contains(&"sft".to_owned()));
    }

    #[test]
    fn ballots_of_deliberations_that_came_later_are_added() {
        let ballots_of = |cases: &[Case]| -> Vec<Ballot> {
            let ballots = ballots(cases, 1).into_iter();
            ballots.map(|(ballot, _)| ballot).collect()
        };
        let add = |file: String, cases: &[Case]| {
            with_missing(file, &ballots_of(cases), |ballot| &ballot.ballot)
        };
        let before = add(String::new(), &cases(2)).unwrap();
        assert_eq!(before.lines().count(), 8);
        // An editor has cut the end of the last line off.
        let filled = before.replacen("null", "\"tie\"", 1).trim_end().to_owned();
        let after = add(filled.clone(), &cases(3)).unwrap();
        assert!(after.starts_with(&format!("{filled}\n")));
        assert_eq!(after.lines().count(), 12);
        assert_eq!(add(after.clone(), &cases(3)).unwrap(), after);
        let error = add(format!("{before}never\n"), &cases(3)).unwrap_err();
        assert!(format!("{error:#}").starts_with("line 9 is damaged"));
    }

    fn key(ballot: &str, deliberation: &str, a: &str, b: &str) -> Key {
        Key {
            ballot: ballot.to_owned(),
            deliberation: deliberation.to_owned(),
            a: a.to_owned(),
            b: b.to_owned(),
        }
    }

    fn filled(choices: &[(&str, Option<Choice>)]) -> Vec<Ballot> {
        choices
            .iter()
            .map(|(ballot, choice)| Ballot {
                ballot: (*ballot).to_owned(),
                question: "Why?".to_owned(),
                opinions: Vec::new(),
                a: "A".to_owned(),
                b: "B".to_owned(),
                choice: *choice,
            })
            .collect()
    }

    #[test]
    fn what_raters_choose_counts_for_the_arm_behind_it() {
        let us = "accord-utilitarian";
        let keys = [
            key("1", "x", us, "sft"),
            key("2", "y", "sft", us),
            key("3", "x", us, "zero-shot"),
            key("4", "z", "zero-shot", us),
        ];
        let (a, b, tie) = (Some(Choice::A), Some(Choice::B), Some(Choice::Tie));
        let filled = BTreeMap::from([
            (
                "ann".to_owned(),
                filled(&[("1", a), ("2", b), ("3", b), ("4", None)]),
            ),
            (
                "bob".to_owned(),
                filled(&[("1", a), ("2", a), ("3", b), ("4", tie)]),
            ),
            ("cy".to_owned(), filled(&[("1", None)])),
        ]);
        let decided = tally(&keys, &filled).unwrap();
        assert_eq!(
            decided.raters,
            [("ann".to_owned(), 3), ("bob".to_owned(), 4)]
        );
        let tallies: Vec<_> = decided
            .arms
            .iter()
            .map(|([ours, theirs], rate)| {
                let Tally { wins, losses, ties } = rate.tally;
                (&**ours, &**theirs, wins, losses, ties)
            })
            .collect();
        assert_eq!(tallies, [(us, "sft", 3, 1, 0), (us, "zero-shot", 0, 2, 1)]);
        assert_eq!(decided.agreement.len(), 1);
        let RatersAgreement {
            ballots,
            same,
            kappa,
            ..
        } = decided.agreement[0].clone();
        // Both choose a once or twice of three: 2/3 observed, 1/3 2/3 + 2/3 1/3 = 4/9 expected.
        assert_eq!((ballots, same), (3, 2));
        assert!((kappa.unwrap() - 0.4).abs() < 1e-12, "{kappa:?}");
    }

    #[test]
    fn foreign_double_and_empty_ballots_are_errors() {
        let keys = [key("1", "x", "accord-utilitarian", "sft")];
        let error = |choices: &[(&str, Option<Choice>)]| {
            let filled = BTreeMap::from([("ann".to_owned(), filled(choices))]);
            tally(&keys, &filled).unwrap_err().to_string()
        };
        let a = Some(Choice::A);
        assert!(error(&[("7", a)]).contains("another experiment"));
        assert!(error(&[("1", a), ("1", a)]).contains("ballot 1 twice"));
        assert!(error(&[("1", None)]).contains("no ballot is filled in"));
    }
}
