//! Organisers look at candidates before they are posted and when members report one, without seeing who
//! wrote what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accord::deliberation::distribution::RatingDistribution;
use accord::deliberation::id::{Guild, Member};
use accord::deliberation::round::{Candidate, DraftInput, ModelVersions, Provenance};
use accord::facilitator::models::Models;
use anyhow::Result;
use chrono::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;

use crate::changes::mayor;
use crate::support::discord::Message;
use crate::support::night_buses;
use crate::support::town::{Town, has_button, press, says, statement_of, thread_of};

/// Three of each drafting.
const DRAFTS: [&str; 6] = [
    "Ask the drivers first whether they would work at night, and pay for it.",
    "Nothing about buses should change before the new bridge is open.",
    "Run a minibus every hour at night, and count for a year who takes it.",
    "Let taxis share their fares after midnight, at a price that the city sets.",
    "Buy electric buses that nobody hears, and begin with the longest line.",
    "Run all lines until two, and a single one around the centre after that.",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_posted_that_an_organiser_withholds_and_members_see_what_was_done() {
    let mut town = Town::with(Arc::new(Writers)).await;
    let mayor = mayor(&town);
    let settings = town.runs(&mayor, "settings set", json!({ "review": true }));
    says(
        &settings.await,
        "posted once an organiser has looked at them",
    );
    let card = town.opens_round(json!({ "rating": "private" })).await;
    says(
        &card,
        "Organisers look at the candidates before they are posted",
    );
    town.all_write(&card).await;
    town.organises("round close", json!({})).await;
    let notice = notice(&town, &card, 0).await;

    let (ada, olga) = (town.member("Ada").clone(), town.olga.clone());
    says(
        &press(&ada, &notice, "review:").await,
        "Only organisers can do this",
    );
    let panel = press(&olga, &notice, "review:").await;
    says(&panel, "**Candidate A** · 1 of 3");
    for opinion in night_buses().opinions {
        assert!(!panel.text().contains(&opinion), "{}", panel.text());
    }
    for member in &town.members {
        let name = member.display_name();
        assert!(!panel.text().contains(&name), "{}", panel.text());
    }
    let withheld = statement_of(&panel).to_owned();
    let panel = press(&olga, &panel, "withhold:").await;
    says(&panel, "**It is withheld:**");
    let refused = town.organises("round close", json!({})).await;
    assert!(refused.contains("wait for an organiser"), "{refused}");

    town.restarts_the_bot().await;
    let confirm = press(&olga, &panel, "without:").await;
    says(
        &confirm,
        "without the 2 opinions that this one was written from?",
    );
    says(&confirm, "3 opinions are still read.");
    let elsewhere = press(&olga, &notice, "review:").await;
    let elsewhere = press(&olga, &elsewhere, "without:").await;
    let anew = press(&olga, &confirm, "sure:").await;
    assert_eq!(anew.text(), "Candidates are being drafted anew.");

    let notice = self::notice(&town, &card, 1).await;
    let too_late = press(&olga, &elsewhere, "sure:").await;
    says(
        &too_late,
        "This candidate cannot be posted or rated any more",
    );
    let panel = press(&olga, &notice, "review:").await;
    let posted = press(&olga, &panel, "post:").await;
    assert_eq!(posted.text(), "The candidates are being posted.");
    let candidates = town.candidates(&card).await;
    let statements: Vec<&str> = candidates.iter().map(statement_of).collect();
    assert_eq!(statements.len(), 3);
    assert!(statements.iter().all(|text| DRAFTS[3..].contains(text)));
    let everything = town.discord.transcript(town.square);
    for never in &DRAFTS[..3] {
        assert!(!everything.contains(never), "{everything}");
    }

    // Members see what organisers did, and who is concerned is told so.
    let status = town.runs(&ada, "round status", json!({})).await;
    says(&status, "had others drafted without the 2 opinions");
    says(&status, "looked at the candidates and had them posted");
    assert!(!has_button(&status, "review:"));

    says(
        &press(&ada, &candidates[0], "candidate:").await,
        "not by whom",
    );
    let status = town.runs(&olga, "round status", json!({})).await;
    let panel = press(&olga, &status, "review:").await;
    says(&panel, "1 member reported it.");
    assert_eq!(statement_of(&panel), statements[0]);
    assert!(!panel.text().contains("Ada"), "{}", panel.text());
    let removed = press(&olga, &panel, "remove:").await;
    says(&removed, "**It is withdrawn.**");
    let hidden = |message: &Message| message.text().contains("An organiser withdrew this");
    town.discord.wait_for_change(&candidates[0], hidden).await;
    let everything = town.discord.transcript(town.square);
    assert!(!everything.contains(statements[0]), "{everything}");

    let result = town.rating_ends(&card).await;
    says(&result, "withdrew a candidate");
    says(&result, "2 opinions were not read any more");
    let mut told = 0;
    for member in &town.members {
        let mine = press(member, &result, "mine:").await;
        told += usize::from(mine.text().contains("one of them yours"));
    }
    assert_eq!(told, 2);

    let withdrawn = statements[0].to_owned();
    let round = town.ends_with_one_round().await;
    let result = round.result().unwrap();
    assert_eq!(result.participants, 5);
    assert_eq!(result.candidates.len(), 2);
    let taken_out: BTreeSet<&str> = round
        .candidates
        .iter()
        .filter(|candidate| candidate.withdrawn_at.is_some())
        .map(|candidate| candidate.text.as_str())
        .collect();
    let expected = BTreeSet::from([withheld.as_str(), withdrawn.as_str()]);
    assert_eq!(taken_out, expected);
    let left_out: Vec<&Member> = round
        .opinions
        .iter()
        .filter(|(_, opinion)| opinion.left_out)
        .map(|(member, _)| member)
        .collect();
    let winner = &round.candidate(result.winner()).provenance;
    assert!(
        left_out
            .iter()
            .all(|who| !winner.opinions_read.contains(who))
    );
}

/// The message that says that candidates wait, once it stands there.
async fn notice(town: &Town, card: &Message, stage: u8) -> Message {
    let id = format!("review:1:{stage}");
    let waits = |message: &Message| has_button(message, &id);
    town.discord.wait_for_message(thread_of(card), waits).await
}

/// Write three drafts a drafting, each of which reads two opinions.
struct Writers;

impl Models for Writers {
    fn wanted(&self) -> usize {
        3
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
        let members: Vec<Member> = input.opinions.iter().map(|(member, _)| *member).collect();
        let texts = DRAFTS.iter().skip(3 * input.stage).take(3).enumerate();
        let candidates = texts.map(|(nth, text)| Candidate {
            text: (*text).to_owned(),
            provenance: Provenance {
                generator: versions.generator.clone(),
                reward_model: versions.reward_model.clone(),
                prompt_sha256: String::new(),
                seed,
                temperature: 1.0,
                top_p: 0.8,
                opinions_read: members.iter().copied().cycle().skip(nth).take(2).collect(),
                critiques_read: Vec::new(),
                drafted_at: Utc::now(),
                arm: None,
            },
            predictions: BTreeMap::new(),
            withdrawn_at: None,
            reports: Vec::new(),
            kept: false,
        });
        let candidates = candidates.collect();
        drafted(3);
        async move { Ok(candidates) }.boxed()
    }

    fn predict<'a>(
        &'a self,
        _: &'a ModelVersions,
        _: &'a str,
        _: &'a str,
        statements: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<RatingDistribution>>> {
        let unsure = RatingDistribution::from_logits([0.0; 7]).expect("finite numbers");
        let predicted = vec![unsure; statements.len()];
        async move { Ok(predicted) }.boxed()
    }
}
