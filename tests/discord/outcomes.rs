//! What comes of a round, by how many write, and by what people really say of the candidates.

use std::time::Duration;

use crate::support::bot;
use crate::support::discord::{Message, Person};
use crate::support::night_buses;
use crate::support::town::{
    Town, button_of, candidate_of, digit, has_button, open_form, press, says, send, statement_of,
    thread_of, write,
};
use chrono::TimeDelta;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_with_which_two_thirds_of_the_raters_agree_is_a_consensus() {
    let (town, card, result) = rated(&[6, 5, 5, 4, 6]).await;
    says(
        &result,
        "**Round 1: consensus.** Most of those who rated agree",
    );
    says(
        &result,
        "5 of 5 participants rated it: 4 agree, 1 neutral, 0 dissent.",
    );
    town.card_says(&card, "**Consensus.**").await;
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_with_which_half_of_the_raters_agree_is_contested() {
    let (town, card, result) = rated(&[7, 7, 7, 1, 2]).await;
    says(&result, "**Round 1: contested.** The group is divided");
    says(
        &result,
        "5 of 5 participants rated it: 3 agree, 0 neutral, 2 dissent.",
    );
    town.card_says(&card, "**Contested.**").await;
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_fewer_agree_only_the_closest_statement_is_shown() {
    let (town, card, result) = rated(&[5, 5, 3, 3, 2]).await;
    says(
        &result,
        "**Round 1: no statement found enough agreement; the closest was this one.**",
    );
    says(
        &result,
        "5 of 5 participants rated it: 2 agree, 0 neutral, 3 dissent.",
    );
    town.card_says(&card, "**No statement found enough agreement.**")
        .await;
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn predictions_are_not_counted_as_people() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    town.drafts(&card).await;
    let result = town.rating_ends(&card).await;
    says(&result, "**Round 1: too few rated to tell.**");
    says(&result, "None of the 5 participants rated it.");
    says(&result, "Predictions are never counted as people.");
    town.card_says(&card, "**Unrated.**").await;
    let why = press(town.member("Ada"), &result, "why:").await;
    says(&why, "No participant rated it. All is predicted.");
    let mine = press(town.member("Ada"), &result, "mine:").await;
    says(&mine, "You did not rate the group's statement.");
    says(&mine, "and ranked with that.");
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_statements_that_a_few_ratings_cannot_tell_apart_are_both_shown() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let mut candidates = town.drafts(&card).await;
    candidates.sort_by_key(candidate_of);
    // It depends on the two who do not rate, which nobody knows.
    town.react(&candidates, &[&[6, 6, 2], &[2, 6, 6], &[1, 1, 1]]);
    let result = town.rating_ends(&card).await;
    says(
        &result,
        "It is close: these two are practically equal. A comes first,",
    );
    says(&result, statement_of(&candidates[0]));
    says(&result, statement_of(&candidates[1]));
    let round = town.ends_with_one_round().await;
    let certainty = round.result().unwrap().conclusion.certainty;
    assert!((0.0..0.75).contains(&certainty), "{certainty}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_two_of_thirty_write_there_is_no_statement_and_nothing_is_lost() {
    let town = Town::new().await;
    let many = crowd(&town, 30);
    let card = town.opens_round(json!({})).await;
    let opinions = night_buses().opinions;
    for (member, opinion) in many[..2].iter().zip(&opinions) {
        write(member, &card, opinion).await;
    }
    town.passes(TimeDelta::hours(24));
    town.card_says(&card, "so it was extended once").await;
    town.passes(TimeDelta::hours(12));
    let asks = |message: &Message| has_button(message, "end:");
    let too_few = town.discord.wait_for_message(thread_of(&card), asks).await;
    press(&town.olga, &too_few, "end:").await;
    let ended = town.card_says(&card, "Too few wrote an opinion").await;
    assert!(town.discord.pings().is_empty());
    for (member, opinion) in many[..2].iter().zip(&opinions) {
        let handback = |message: &Message| has_button(message, "handback:");
        let thread = thread_of(&ended);
        let cancelled = town.discord.wait_for_message(thread, handback).await;
        says(&press(member, &cancelled, "handback:").await, opinion);
    }
    let round = town.ends_with_one_round().await;
    assert!(round.candidates.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_forty_write_every_opinion_is_read_and_every_rating_counts() {
    let town = Town::with(bot::models(2, 48).await).await;
    // Each draft reads as much as the model can.
    town.discord.wait_at_most(Duration::from_secs(900));
    let many = crowd(&town, 40);
    let card = town.opens_round(json!({})).await;
    for (number, member) in many.iter().enumerate() {
        write(member, &card, &opinion_of_many(number)).await;
    }
    town.card_says(&card, "**40 opinions**").await;
    town.organises("round close", json!({})).await;
    let candidates = town.candidates(&card).await;
    for (number, member) in many.iter().enumerate() {
        let rating = if number < 30 { 6 } else { 2 };
        member.reacts(&candidates[0], &digit(rating));
        member.reacts(&candidates[1], &digit(1));
    }
    let result = town.rating_ends(&card).await;
    says(
        &result,
        "40 of 40 participants rated it: 30 agree, 0 neutral, 10 dissent.",
    );
    let round = town.ends_with_one_round().await;
    // The model's context holds all forty; tests/generator.rs has groups that exceed it.
    let read = round.candidates[0].provenance.opinions_read.len();
    assert_eq!(read, 40);
    assert!(!result.text().contains("Each draft read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_joins_with_an_opinion_that_no_draft_has_read() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let candidates = town.drafts(&card).await;
    let fay = town.discord.member(town.guild, "Fay");
    let card = town.card_says(&card, "Rate the candidates until").await;
    assert!(
        card.buttons()
            .iter()
            .any(|button| button.label == "Join late")
    );
    let opinion = "Ask the nurses and the cleaners, they are the ones on the bus at four.";
    let form = open_form(&fay, &card, "opinion:").await;
    let refused = send(&fay, &form, opinion).await;
    says(&refused, "**Opinions are closed, and drafting has begun.**");
    says(&refused, opinion);
    let joined = press(&fay, &refused, "late:").await;
    says(
        &joined,
        "**You have joined.** No draft has seen your opinion.",
    );

    town.react(&candidates, &[&[6; 5], &[2; 5], &[2; 5]]);
    fay.reacts(&candidates[0], &digit(7));
    let result = town.rating_ends(&card).await;
    says(
        &result,
        "6 of 6 participants rated it: 6 agree, 0 neutral, 0 dissent.",
    );
    says(
        &result,
        "1 participant joined late. No draft read that opinion.",
    );
    let mine = press(&fay, &result, "mine:").await;
    says(&mine, "your opinion was not seen by the drafts");
    says(
        &mine,
        "You rated the group's statement: 7 · strongly agree.",
    );
    let round = town.ends_with_one_round().await;
    assert_eq!(round.result().unwrap().participants, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_reacts_is_shown_apart_and_does_not_count() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let candidates = town.drafts(&card).await;
    let open = town.rating_is_open(&card).await;
    says(&open, "A reaction alone does not make you one.");
    town.react(&candidates, &[&[5; 5], &[4; 5], &[3; 5]]);
    let fay = town.discord.member(town.guild, "Fay");
    for (candidate, rating) in candidates.iter().zip([1, 7, 7]) {
        fay.reacts(candidate, &digit(rating));
    }
    let panel = press(&fay, &open, "rate:").await;
    says(&panel, "so your ratings are kept apart and do not count");
    assert!(!button_of(&panel, "opinion:").is_empty());
    let result = town.all_have_rated(&card).await;
    says(&result, statement_of(&candidates[0]));
    says(
        &result,
        "5 of 5 participants rated it: 5 agree, 0 neutral, 0 dissent.",
    );
    says(
        &result,
        "1 member without an opinion rated it too, which does not count: \
         0 agree, 0 neutral, 1 dissents.",
    );
    let mine = press(&fay, &result, "mine:").await;
    says(&mine, "You gave no opinion in this round.");
    town.ends().await;
}

/// A round in which the members rate one candidate so and all others lowest: its card and result.
async fn rated(favourite: &[u8; 5]) -> (Town, Message, Message) {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let candidates = town.drafts(&card).await;
    town.react(&candidates, &[&[1; 5], favourite, &[1; 5]]);
    let result = town.rating_ends(&card).await;
    says(&result, statement_of(&candidates[1]));
    (town, card, result)
}

fn crowd(town: &Town, size: usize) -> Vec<Person> {
    (1..=size)
        .map(|number| town.discord.member(town.guild, &format!("Member {number}")))
        .collect()
}

/// Of up to 40 people, each another one; together more than a draft can read.
fn opinion_of_many(number: usize) -> String {
    let who = [
        "I bake bread and start at two in the morning",
        "I am a nurse on the late shift at St. Anne's",
        "I study and come home from the library after midnight",
        "I am seventy-four and rarely out after eight in the evening",
        "I drive a taxi and live off people who have missed the last bus",
        "I own a bar by the station, and my guests leave at three",
    ];
    let what = [
        "a bus every hour on three lines would do, if one can rely on it and change in the middle",
        "money is short, and nobody has shown me that more than ten people an hour would ride",
        "with a shared minibus on call everybody would be home sooner than with a timetable",
        "what counts is that the drivers are safe at night, and paid for it as they deserve",
        "let us try it for half a year, count who rides, and decide then with the figures",
        "quiet electric buses are the condition, since people live along the main streets too",
        "weekends are when it is needed, and on the other nights a subsidised taxi is cheaper",
    ];
    format!(
        "{}, on bus line {}. To my mind {}. I have thought about that for quite some time.",
        who[number % who.len()],
        number + 1,
        what[number % what.len()],
    )
}
