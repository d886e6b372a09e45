//! A round in which candidates come from several arms, and nobody knows which before it is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use accord::deliberation::arm::Arm;
use accord::deliberation::distribution::RatingDistribution;
use accord::deliberation::id::Guild;
use accord::deliberation::round::{Candidate, DraftInput, ModelVersions, Provenance};
use accord::facilitator::models::Models;
use anyhow::Result;
use chrono::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;

use crate::changes::mayor;
use crate::support::town::{
    Town, candidate_of, press, rate_in_private, says, statement_of, thread_of,
};

const DRAFTS: [(Arm, &str); 4] = [
    (
        Arm::Sft,
        "Ask the drivers first whether they would work at night, and pay for it.",
    ),
    (
        Arm::Accord,
        "Nothing about buses should change before the new bridge is open.",
    ),
    (
        Arm::Accord,
        "Run a minibus every hour at night, and count for a year who takes it.",
    ),
    (
        Arm::ZeroShot,
        "Public transport is a topic that has many sides to be considered.",
    ),
];

/// Which draft is best, as the reward model and the members see it: the last one but for one.
const BEST: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn members_compare_arms_without_knowing_them_and_the_report_counts_who_won() {
    let town = Town::with(Arc::new(Writers)).await;
    let mayor = mayor(&town);
    let report = json!({ "what": "generator" });
    let before = town.runs(&mayor, "model report", report.clone()).await;
    assert!(!before.text().contains("Experiment rounds"));
    for other in [json!({ "posted": 5 }), json!({ "revisions": 1 })] {
        let mut options = json!({ "question": "Should buses run all night?", "experiment": true });
        options
            .as_object_mut()
            .unwrap()
            .extend(other.as_object().unwrap().clone());
        let refused = town.organises("round open", options).await;
        assert!(
            refused.contains("leave out the options posted and revisions"),
            "{refused}"
        );
    }

    let card = town
        .opens_round(json!({ "experiment": true, "rating": "private" }))
        .await;
    says(&card, "**This is an experiment:**");
    let candidates = town.drafts(&card).await;
    let statements: BTreeMap<u16, &str> = candidates
        .iter()
        .map(|message| (candidate_of(message), statement_of(message)))
        .collect();
    let mut posted: Vec<&str> = statements.values().copied().collect();
    posted.sort_unstable();
    // The other draft that was ranked is not posted.
    let mut expected = [0, BEST, 3].map(|draft| DRAFTS[draft].1);
    expected.sort_unstable();
    assert_eq!(posted, expected);

    let open = town.rating_is_open(&card).await;
    for (number, member) in town.members.iter().enumerate() {
        let panel = rate_in_private(member, &open, |candidate| {
            let draft = DRAFTS
                .iter()
                .position(|(_, text)| *text == statements[&candidate]);
            let agreement = match draft.unwrap() {
                BEST => 6,
                // Its mean is higher than that of the last one, its lowest rating is not.
                0 => [7, 5, 5, 5, 1][number],
                _ => [4, 4, 3, 4, 3][number],
            };
            (agreement, 4)
        })
        .await;
        says(&panel, "3 of 3 rated");
    }
    let everything = town.discord.transcript(town.square);
    let names = ["(accord)", "(sft)", "(zero-shot)"];
    assert!(
        names.iter().all(|name| !everything.contains(name)),
        "{everything}"
    );
    let early = town.runs(&mayor, "model report", report.clone()).await;
    assert!(!early.text().contains("Experiment rounds"));

    let result = town.all_have_rated(&card).await;
    says(&result, DRAFTS[BEST].1);
    let why = press(&town.members[0], &result, "why:").await;
    let text = why.text();
    for (draft, told) in [
        (
            0,
            "One draft of the generator, not chosen from others (sft).",
        ),
        (
            BEST,
            "Chosen from many drafts of the generator, as in other rounds (accord).",
        ),
        (
            3,
            "One draft of the model before it was trained (zero-shot).",
        ),
    ] {
        let after = text.split(DRAFTS[draft].1).nth(1).unwrap_or_default();
        assert_eq!(after.lines().nth(1), Some(told), "{text}");
    }
    assert_eq!(result.channel, thread_of(&card));

    let after = town.runs(&mayor, "model report", report).await;
    for line in [
        "accord against sft, by the mean rating: won 1 of 1 (100 %, 95 % interval 21–100 %)",
        "accord against zero-shot, by the mean rating: won 1 of 1",
        "sft against zero-shot, by the mean rating: won 1 of 1",
        "sft against zero-shot, by the lowest rating: won 0 of 1 (0 %, 95 % interval 0–79 %)",
    ] {
        says(&after, line);
    }

    let round = town.ends_with_one_round().await;
    let arms: BTreeMap<&str, Option<Arm>> = round
        .candidates
        .iter()
        .map(|candidate| (candidate.text.as_str(), candidate.provenance.arm))
        .collect();
    for (arm, text) in DRAFTS {
        assert_eq!(arms[text], Some(arm));
    }
}

/// Writes a draft or two of each arm where a round asks for them.
struct Writers;

impl Models for Writers {
    fn wanted(&self) -> usize {
        DRAFTS.len()
    }

    fn active(&self, _: Guild) -> BoxFuture<'_, Result<ModelVersions>> {
        async {
            Ok(ModelVersions {
                generator: "shipped".to_owned(),
                reward_model: "shipped".to_owned(),
            })
        }
        .boxed()
    }

    fn draft<'a>(
        &'a self,
        versions: &'a ModelVersions,
        input: &'a DraftInput,
        _: &'a [String],
        seed: u64,
        drafted: &'a (dyn Fn(usize) + Send + Sync),
    ) -> BoxFuture<'a, Result<Vec<Candidate>>> {
        let candidate = |(arm, text): (Arm, &str)| Candidate {
            text: text.to_owned(),
            provenance: Provenance {
                generator: versions.generator.clone(),
                reward_model: versions.reward_model.clone(),
                prompt_sha256: String::new(),
                seed,
                temperature: 1.0,
                top_p: 0.8,
                opinions_read: input.opinions.iter().map(|(member, _)| *member).collect(),
                critiques_read: Vec::new(),
                drafted_at: Utc::now(),
                arm: input.experiment.then_some(arm),
            },
            predictions: BTreeMap::new(),
            withdrawn_at: None,
            reports: Vec::new(),
            kept: false,
        };
        drafted(DRAFTS.len());
        let candidates = DRAFTS.map(candidate).into();
        async move { Ok(candidates) }.boxed()
    }

    fn predict<'a>(
        &'a self,
        _: &'a ModelVersions,
        _: &'a str,
        _: &'a str,
        statements: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<RatingDistribution>>> {
        let predicted = |statement: &&str| {
            let high = if *statement == DRAFTS[BEST].1 {
                4.0
            } else {
                0.0
            };
            let logits = [0.0, 0.0, 0.0, 0.0, 0.0, high, high];
            RatingDistribution::from_logits(logits).expect("finite numbers")
        };
        let predicted = statements.iter().map(predicted).collect();
        async move { Ok(predicted) }.boxed()
    }
}
