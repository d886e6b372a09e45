//! A round goes on whatever fails: the bot, its connection, Discord, the models, and people who delete
//! things.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use accord::deliberation::id::{Guild, Member};
use accord::store::Store;

use crate::support::bot;
use crate::support::discord::{BOT, Fault, Message};
use crate::support::models::{self, Failing};
use crate::support::process::Host;
use crate::support::town::{
    Town, digit, has_button, open_form, press, rate_in_private, says, statement_of, thread_of,
    write,
};
use chrono::TimeDelta;
use serde_json::json;
use serenity::all::Permissions;

#[tokio::test(flavor = "multi_thread")]
async fn a_round_goes_on_where_it_was_whenever_the_bot_is_restarted() {
    let mut town = Town::with(bot::models(3, 40).await).await;
    let card = town.opens_round(json!({})).await;
    town.restarts_the_bot().await;
    town.all_write(&card).await;
    // The deadline passes while nobody looks.
    town.stops_the_bot().await;
    town.passes(TimeDelta::hours(24));
    town.starts_the_bot().await;
    town.card_says(&card, "drafts are ready.").await;
    town.restarts_the_bot().await;

    let slowly = Fault::Delay(Duration::from_millis(200));
    town.discord
        .disturb_all("PUT /channels/*/messages/*/reactions/**", slowly);
    let thread = thread_of(&card);
    let first = |message: &Message| has_button(message, "candidate:");
    town.discord.wait_for_message(thread, first).await;
    town.restarts_the_bot().await;
    town.discord.be_well();
    let candidates = town.candidates(&card).await;
    assert_nothing_twice(&town, &card);

    town.restarts_the_bot().await;
    town.react(&candidates[..1], &[&[6, 6, 6]]);
    town.stops_the_bot().await;
    town.react(&candidates, &[&[0, 0, 0, 6, 2], &[3; 5], &[3; 5]]);
    town.starts_the_bot().await;
    town.card_says(&card, "5 of 5 participants have rated")
        .await;

    town.stops_the_bot().await;
    town.passes(TimeDelta::hours(24));
    town.starts_the_bot().await;
    let result = town.result(&card).await;
    says(&result, statement_of(&candidates[0]));
    says(
        &result,
        "5 of 5 participants rated it: 4 agree, 0 neutral, 1 dissents.",
    );
    town.restarts_the_bot().await;
    let mine = press(town.member("Eli"), &result, "mine:").await;
    says(&mine, "You rated the group's statement: 2 · disagree.");
    assert_nothing_twice(&town, &card);
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_count_that_were_set_while_the_connection_was_lost() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let candidates = town.drafts(&card).await;
    let open = town.rating_is_open(&card).await;
    town.react(&candidates, &[&[0, 0, 0, 6, 6], &[3; 5], &[3; 5]]);

    let [ada, ben, cem] = ["Ada", "Ben", "Cem"].map(|name| town.member(name));
    town.discord.drop_gateway();
    ada.reacts(&candidates[0], &digit(6));
    town.discord
        .wait_until("the session to be resumed", || {
            (town.discord.resumed() == 1).then_some(())
        })
        .await;
    assert_eq!(town.discord.identified(), 1);

    town.discord.begin_outage();
    ben.reacts(&candidates[0], &digit(5));
    // Nobody can know which of the two is meant.
    cem.reacts(&candidates[0], &digit(2));
    cem.reacts(&candidates[0], &digit(6));
    town.discord.end_outage();
    town.card_says(&card, "4 of 5 participants have rated")
        .await;
    assert_eq!(town.discord.identified(), 2);
    let panel = press(cem, &open, "rate:").await;
    says(
        &panel,
        "Several of your reactions stand under one candidate",
    );
    cem.unreacts(&candidates[0], &digit(2));

    let result = town.all_have_rated(&card).await;
    says(&result, statement_of(&candidates[0]));
    says(
        &result,
        "5 of 5 participants rated it: 5 agree, 0 neutral, 0 dissent.",
    );
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_whose_message_was_deleted_cannot_win() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let candidates = town.drafts(&card).await;
    town.react(&candidates, &[&[7; 5], &[5; 5], &[2; 5]]);
    town.card_says(&card, "5 of 5 participants have rated")
        .await;
    town.discord.delete_message(&candidates[0]);
    let result = town.rating_ends(&card).await;
    says(&result, statement_of(&candidates[1]));
    says(&result, "a candidate's message was deleted");
    assert!(!result.text().contains(statement_of(&candidates[0])));
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_was_deleted_is_posted_again() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let ada = town.member("Ada");
    town.discord.wait_for_thread(town.square).await;
    town.discord.delete_message(&card);
    let asked = ada.in_channel(town.square).runs("opinion", json!({}));
    let form = asked.modal().await;
    let saved = ada.submits(&form, json!({ "text": "Run them on Fridays." }));
    says(&saved.reply().await, "Your opinion is saved");
    let again = |message: &Message| has_button(message, "opinion:1");
    let new_card = town.discord.wait_for_message(town.square, again).await;
    assert_ne!(new_card.id, card.id);
    says(&new_card, "**1 of 5 opinions**");
    write(town.member("Ben"), &new_card, "Never run them.").await;
    town.card_says(&new_card, "**2 of 5 opinions**").await;
    assert_eq!(town.discord.threads(town.square), [thread_of(&card)]);
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_ends_with_its_thread_and_opinions_are_handed_back_in_the_channel() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let ada = town.member("Ada");
    write(ada, &card, "Run them on Fridays.").await;
    let thread = town.discord.wait_for_thread(town.square).await;
    town.discord.delete_channel(thread);
    town.card_says(&card, "Its channel or thread is gone.")
        .await;
    let handback = |message: &Message| has_button(message, "handback:");
    let cancelled = town.discord.wait_for_message(town.square, handback).await;
    let handed_back = press(ada, &cancelled, "handback:").await;
    says(&handed_back, "Run them on Fridays.");

    // With its channel nothing is left that could be shown.
    let park = town.discord.channel(town.guild, "park");
    let card = town.opens_round_in(park, json!({})).await;
    town.discord.wait_for_thread(park).await;
    write(ada, &card, "Run them on Saturdays.").await;
    town.discord.delete_channel(park);
    let gone = || async {
        let listed = town.organises("round list", json!({})).await;
        listed.matches("(ended without a result)").count() == 2
    };
    while !gone().await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let card = town.opens_round(json!({})).await;
    says(&card, "Round 3");
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rating_opens_although_the_role_to_be_notified_was_deleted() {
    let town = Town::new().await;
    let crew = town.discord.role(town.guild, "Crew", Permissions::empty());
    let card = town.opens_round(json!({ "notify": crew })).await;
    town.discord.delete_role(crew);
    town.drafts(&card).await;
    assert_eq!(town.discord.pings().len(), 1);
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_is_archived_while_it_is_rated_is_opened_again() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let candidates = town.drafts(&card).await;
    let thread = thread_of(&card);
    town.discord.archive_thread(thread);
    assert!(
        town.members[0]
            .tries_to_react(&candidates[0], &digit(6))
            .is_err()
    );
    town.discord
        .wait_until("the thread to be opened again", || {
            (!town.discord.is_archived(thread)).then_some(())
        })
        .await;
    town.react(&candidates, &[&[6; 5], &[2; 5], &[2; 5]]);
    let result = town.all_have_rated(&card).await;
    says(&result, statement_of(&candidates[0]));
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drafting_that_fails_is_tried_again_and_the_card_says_so() {
    let town = Town::with(Failing::times(3, models::remembering().await)).await;
    let card = town.opens_round(json!({})).await;
    town.all_write(&card).await;
    town.organises("round close", json!({})).await;
    let once = "It did not work yet. It is tried again";
    town.card_says(&card, once).await;
    town.passes(TimeDelta::seconds(31));
    town.card_says(&card, "It did not work 2 times.").await;
    // An organiser need not wait.
    let told = town.organises("round close", json!({})).await;
    assert_eq!(told, "Candidates are being drafted now.");
    let card = town.card_says(&card, "It did not work 3 times.").await;
    says(&card, "No opinion is lost.");
    town.passes(TimeDelta::minutes(3));
    let candidates = town.candidates(&card).await;
    assert_eq!(candidates.len(), 3);
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_answer_in_time_is_tried_again_and_the_card_says_so() {
    let town = Town::with(Failing::too_slow(1, models::remembering().await).await).await;
    let card = town.opens_round(json!({})).await;
    town.all_write(&card).await;
    town.organises("round close", json!({})).await;
    let why = "The language model did not answer in time.";
    let card = town.card_says(&card, why).await;
    says(&card, "It did not work yet. It is tried again");
    town.passes(TimeDelta::seconds(31));
    assert_eq!(town.candidates(&card).await.len(), 3);
    let card = town.card_says(&card, "Rate the candidates until").await;
    assert!(!card.text().contains(why), "{}", card.text());
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_posted_twice_when_discord_fails() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let discord = &town.discord;
    let posts = "POST /channels/*/messages";
    discord.rate_limit_next(1, posts, Duration::from_millis(200));
    discord.fail_next(1, posts, 500, 0);
    // Posted all the same.
    discord.disturb_next(1, posts, Fault::LostAnswer);
    discord.disturb_next(1, posts, Fault::Silence);
    let seeds = "PUT /channels/*/messages/*/reactions/**";
    discord.rate_limit_next(1, seeds, Duration::from_millis(200));
    discord.disturb_next(1, seeds, Fault::LostAnswer);
    discord.disturb_next(1, "PATCH /channels/*/messages/*", Fault::LostAnswer);
    discord.disturb_next(1, "PATCH /channels/*/messages/*", Fault::Html(503));

    let candidates = town.drafts(&card).await;
    assert_eq!(candidates.len(), 3);
    for candidate in &candidates {
        for rating in 1..=7 {
            let who = discord.message(candidate.id).unwrap();
            assert_eq!(who.reacted_with(&digit(rating)), [BOT]);
        }
    }
    town.react(&candidates, &[&[6; 5], &[2; 5], &[2; 5]]);
    town.card_says(&card, "5 of 5 participants have rated")
        .await;
    // The answer to the result is lost as well, and reactions cannot be read at first.
    discord.disturb_next(1, posts, Fault::LostAnswer);
    discord.fail_next(2, "GET /channels/*/messages/*", 500, 0);
    town.passes(TimeDelta::minutes(2));
    let result = town.result(&card).await;
    says(&result, statement_of(&candidates[0]));
    town.card_says(&card, "**Consensus.**").await;
    assert_nothing_twice(&town, &card);
    town.ends().await;
}

/// Until the bot has been refused, or not been answered, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_round_goes_on_after_discord_was_out_of_order_for_long() {
    let limited = Fault::RateLimited {
        retry_after: Duration::from_secs(1),
        global: true,
    };
    let faults = [
        limited,
        Fault::Refused(500, 0),
        Fault::Html(502),
        Fault::Silence,
    ];
    let rounds = faults.map(|fault| async move {
        let town = Town::new().await;
        let discord = &town.discord;
        let card = town.opens_round(json!({})).await;
        discord.wait_for_thread(town.square).await;
        town.all_write(&card).await;
        town.organises("round close", json!({})).await;

        // While the candidates are drafted and posted.
        out_of_order(&town, &fault).await;
        let candidates = town.candidates(&card).await;
        town.react(&candidates, &[&[6; 5], &[2; 5], &[2; 5]]);
        town.card_says(&card, "5 of 5 participants have rated")
            .await;
        // While rating closes.
        town.passes(TimeDelta::minutes(2));
        out_of_order(&town, &fault).await;
        let result = town.result(&card).await;
        says(&result, statement_of(&candidates[0]));
        town.card_says(&card, "**Consensus.**").await;
        assert_nothing_twice(&town, &card);
        town.ends().await;
    });
    futures::future::join_all(rounds).await;
}

/// Nothing in channels can be done, until the bot has tried six times at least.
async fn out_of_order(town: &Town, fault: &Fault) {
    let discord = &town.discord;
    discord.disturb_all("* /channels/**", fault.clone());
    let before = discord.calls_to("* /channels/**").len();
    discord
        .wait_until("the bot to try again", || {
            let tried = discord.calls_to("* /channels/**").len() - before;
            (tried >= 6).then_some(())
        })
        .await;
    discord.be_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_leaves_stays_a_participant_and_a_bot_that_is_removed_is_quiet() {
    let town = Town::new().await;
    let card = town.opens_round(json!({ "rating": "private" })).await;
    town.all_write(&card).await;
    town.member("Eli").leaves();
    town.organises("round close", json!({})).await;
    town.candidates(&card).await;
    let open = town.rating_is_open(&card).await;
    for member in &town.members[..4] {
        rate_in_private(member, &open, |_| (6, 6)).await;
    }
    let result = town.rating_ends(&card).await;
    says(
        &result,
        "4 of 5 participants rated it: 4 agree, 0 neutral, 0 dissent.",
    );

    let card = town.opens_round(json!({})).await;
    let has_thread = |card: &Message| card.thread.is_some();
    town.discord.wait_for_change(&card, has_thread).await;
    town.discord.kick_bot(town.guild);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let calls = town.discord.calls().len();
    town.passes(TimeDelta::hours(24));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let more = town.discord.calls().split_off(calls);
    assert!(more.is_empty(), "{more:?}");
    town.discord.invite_bot(town.guild);
    let listed = town.organises("round list", json!({})).await;
    assert!(listed.contains("(ended without a result)"), "{listed}");
    town.ends().await;
}

/// Of every message of a round there is one: each has buttons of its own.
#[track_caller]
pub fn assert_nothing_twice(town: &Town, card: &Message) {
    let mut seen = BTreeSet::new();
    let places = [town.square, thread_of(card)];
    let messages = places
        .iter()
        .flat_map(|place| town.discord.messages(*place));
    for message in messages.filter(|message| message.author == BOT) {
        if let Some(button) = message.buttons().first() {
            let transcript = town.discord.transcript(town.square);
            assert!(seen.insert(button.custom_id.clone()), "{transcript}");
        }
    }
}

/// Under a limit of the size of files, writing fails as it does when a disk is full.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_bot_which_has_all_that_it_acknowledged() {
    let town = Town::without_a_bot().await;
    town.discord.wait_at_most(Duration::from_secs(120));
    let mut host = Host::new();
    host.limit_files(100);
    let mut bot = host.start(&town.discord);
    bot.listens(&town.discord).await;
    let card = town.opens_round(json!({})).await;

    let mut saved = BTreeMap::new();
    let fills = async {
        for number in 1.. {
            let name = format!("Member {number}");
            let member = town.discord.member(town.guild, &name);
            let form = open_form(&member, &card, "opinion:").await;
            // Nothing that could be compressed.
            let text: String = (0..1000).map(|_| rand::random_range('一'..'龠')).collect();
            let sent = member.submits(&form, json!({ "text": text }));
            let reply = sent.reply().await;
            if !has_button(&reply, "withdraw:") {
                says(&reply, "Something went wrong");
                break;
            }
            saved.insert(Member(member.id.get()), text);
        }
        // The process ends meanwhile.
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        () = fills => unreachable!("it waits for the end"),
        ended = bot.ends() => ended,
    };
    assert_eq!(ended.code(), Some(1), "{}", host.log());
    assert!(
        host.log()
            .contains("cannot be written, and nothing is saved")
    );

    let store = Store::open(&host.store()).unwrap();
    let rounds = store.rounds(Guild(town.guild.get())).await.unwrap();
    assert!(!saved.is_empty());
    for (member, text) in saved {
        let there = &rounds[0].opinions[&member];
        assert_eq!(there.text.as_deref(), Some(&*text), "{member}");
    }
}
