//! Whole rounds on Discord, with the real models and a real store: from `/round open` to the
//! statement.

use std::time::Duration;

use crate::support::bot;
use crate::support::discord::Message;
use crate::support::town::{
    Town, candidate_of, digit, press, rate_in_private, says, statement_of, thread_of,
};
use accord::deliberation::round::{CandidateKey, Round};
use chrono::TimeDelta;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_group_writes_rates_by_reaction_and_gets_the_best_of_sixteen_candidates() {
    let town = Town::with(bot::models(16, 80).await).await;
    // Minutes on a machine that does something else as well.
    town.discord.wait_at_most(Duration::from_secs(1800));
    let card = town.opens_round(json!({})).await;
    let candidates = town.drafts(&card).await;
    assert!((3..=5).contains(&candidates.len()), "{}", candidates.len());

    for (place, candidate) in candidates.iter().enumerate() {
        for (number, member) in town.members.iter().enumerate() {
            // The second candidate pleases everybody but the last member.
            let rating = match (place, number) {
                (1, 4) => 2,
                (1, _) => 6,
                _ => 1 + (place + number) as u8 % 4,
            };
            member.reacts(candidate, &digit(rating));
        }
    }
    let result = town.all_have_rated(&card).await;
    says(&result, "**Round 1: consensus.**");
    says(&result, statement_of(&candidates[1]));
    says(
        &result,
        "5 of 5 participants rated it: 4 agree, 0 neutral, 1 dissents.",
    );
    says(&result, "A language model wrote it");
    let chart = result.attachment("chart.png").expect("a chart");
    assert!(chart.png_size().is_some());
    assert!(chart.description.is_some());

    town.card_says(&card, "**Consensus.**").await;
    let why = press(&town.members[0], &result, "why:").await;
    says(&why, "16 candidates were written");
    let mine = press(&town.members[4], &result, "mine:").await;
    says(&mine, "You rated the group's statement: 2 · disagree.");
    says(&mine, "16 of 16 drafts read your opinion");
    keep("transcript.txt", &town.discord.transcript(town.square));
    keep(
        "transcript-of-a-member.txt",
        &town.members[4].transcript(town.square),
    );

    let round = town.ends_with_one_round().await;
    assert_eq!(round.result().unwrap().winner(), key_of(&candidates[1]));
    assert_the_best_was_chosen(&round);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_rates_in_private_and_sees_nothing_of_it_before_the_close() {
    let town = Town::new().await;
    let card = town.opens_round(json!({ "rating": "private" })).await;
    let candidates = town.drafts(&card).await;
    let open = town.rating_is_open(&card).await;
    let favourite = candidate_of(&candidates[0]);
    let mut panels = Vec::new();
    for (quality, member) in (1..).zip(&town.members) {
        let panel = rate_in_private(member, &open, |candidate| {
            (if candidate == favourite { 6 } else { 3 }, quality)
        })
        .await;
        says(&panel, "3 of 3 rated");
        panels.push(panel);
    }
    // Nothing but that they rated can be seen.
    let everything = town.discord.transcript(town.square);
    assert!(!everything.contains(" neutral, "), "{everything}");
    assert!(
        candidates.iter().all(|candidate| {
            let now = town.discord.message(candidate.id).unwrap();
            now.reactions.is_empty()
        }),
        "{everything}"
    );
    let result = town.all_have_rated(&card).await;
    says(
        &result,
        "5 of 5 participants rated it: 5 agree, 0 neutral, 0 dissent.",
    );
    // Who has the panel open can no longer rate in it.
    let select = panels[0].selects()[0].custom_id.clone();
    let late = town.members[0].selects(&panels[0], &select, &["1"]);
    assert_eq!(late.reply().await.text(), "Rating is closed.");

    let round = town.ends_with_one_round().await;
    assert_the_best_was_chosen(&round);
    assert_eq!(round.result().unwrap().winner(), key_of(&candidates[0]));
    for (number, quality) in round.ratings.values().map(|r| r.quality).enumerate() {
        let quality = quality.map(u8::from);
        assert_eq!(quality, Some(1 + number as u8 % 5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_guilds_hold_rounds_at_once_and_see_who_is_drafted_for_first() {
    let town = Town::with(bot::models(3, 40).await).await;
    let village = town.neighbour();
    let first = town.opens_round(json!({})).await;
    let second = village.opens_round(json!({})).await;
    town.all_write(&first).await;
    village.all_write(&second).await;
    town.organises("round close", json!({})).await;
    village.organises("round close", json!({})).await;
    town.card_says(&first, " of 3 drafts are ready.").await;
    let waits = "1 other round is before this one.";
    village.card_says(&second, waits).await;
    let status = village.organises("round status", json!({})).await;
    assert!(status.contains(waits), "{status}");

    let mut favourites = Vec::new();
    for (place, card) in [(&town, &first), (&village, &second)] {
        let candidates = place.candidates(card).await;
        place.react(&candidates, &[&[7; 5], &[1; 5], &[1; 5]]);
        favourites.push(statement_of(&candidates[0]).to_owned());
    }
    town.passes(TimeDelta::hours(24));
    for (place, card, favourite) in [
        (&town, &first, &favourites[0]),
        (&village, &second, &favourites[1]),
    ] {
        let result = place.result(card).await;
        assert_eq!(result.channel, thread_of(card));
        assert!(result.text().contains(favourite), "{}", result.text());
    }
    let round = town.ends_with_one_round().await;
    assert_the_best_was_chosen(&round);
}

/// By the mean of real ratings where there are any, else of predicted ones; computed once more from
/// what is on disk.
fn assert_the_best_was_chosen(round: &Round) {
    let result = round.result().expect("a result");
    let mean = |candidate: CandidateKey| {
        let ratings = round.opinions.keys().map(|member| {
            let real = round.ratings.get(&(candidate, *member));
            match real.and_then(|rating| rating.agreement) {
                Some(agreement) => f64::from(agreement),
                None => round.candidate(candidate).predictions[member].mean(),
            }
        });
        ratings.sum::<f64>() / round.opinions.len() as f64
    };
    let posted = &round.stages.last().unwrap().posted;
    let best = posted
        .iter()
        .copied()
        .max_by(|one, other| mean(*one).total_cmp(&mean(*other)));
    assert_eq!(Some(result.winner()), best);
}

fn key_of(message: &Message) -> CandidateKey {
    CandidateKey(candidate_of(message))
}

/// For people to read: under the target folder, and in the output of the test.
fn keep(name: &str, transcript: &str) {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(file, transcript).unwrap();
    println!("{transcript}");
}
