//! What changes a round on its way: members who change their minds, and what organisers can do.

use crate::support::discord::{Message, Person, Pinged};
use crate::support::night_buses;
use crate::support::town::{
    SOON, Town, button_of, has_button, open_form, press, says, send, statement_of, text_in,
    thread_of, write,
};
use accord::deliberation::id::Member;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serenity::all::Permissions;

const FRIDAYS: &str = "Run them on Fridays and Saturdays, when people are out.";
const NEVER: &str = "Never. The money is better spent on the day buses.";

#[tokio::test(flavor = "multi_thread")]
async fn members_change_and_withdraw_their_opinions_until_they_are_closed() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let ada = town.member("Ada");
    let saved = write(ada, &card, FRIDAYS).await;
    says(&saved, "**Your opinion is saved.**");
    says(&saved, FRIDAYS);
    town.card_says(&card, "**1 of 5 opinions**").await;

    let form = open_form(ada, &saved, "opinion:").await;
    assert_eq!(text_in(&form), FRIDAYS);
    let changed = send(ada, &form, NEVER).await;
    says(&changed, "**Your changed opinion is saved.**");
    // Phones show the text of the last form with the same id.
    let next_form = open_form(ada, &card, "opinion:").await;
    assert_ne!(next_form.custom_id, form.custom_id);

    let withdrawn = press(ada, &changed, "withdraw:").await;
    says(&withdrawn, "Your opinion is withdrawn and deleted.");
    assert!(has_button(&withdrawn, "opinion:"));
    town.card_says(&card, "**0 of 5 opinions**").await;
    let again = press(ada, &changed, "withdraw:").await;
    says(&again, "You have no opinion in this round.");

    // The command opens the same form as the button.
    let asked = ada.in_channel(town.square).runs("opinion", json!({}));
    let form = asked.acknowledged_within(SOON).await.modal().await;
    assert_eq!(text_in(&form), "");
    says(
        &send(ada, &form, FRIDAYS).await,
        "**Your opinion is saved.**",
    );

    let early_form = open_form(ada, &card, "opinion:").await;
    for (member, opinion) in town.members[1..].iter().zip(night_buses().opinions) {
        write(member, &card, &opinion).await;
    }
    town.organises("round close", json!({})).await;
    let refused = send(ada, &early_form, NEVER).await;
    says(&refused, "**Opinions are closed,** and yours stands");
    says(&refused, NEVER);
    let refused = press(ada, &changed, "withdraw:").await;
    says(&refused, "Opinions are closed: yours stays as it is.");
    let seen_by_all = town.discord.transcript(town.square);
    assert!(!seen_by_all.contains(FRIDAYS), "{seen_by_all}");

    let ada = Member(ada.id.get());
    let round = town.ends_with_one_round().await;
    assert_eq!(round.opinions[&ada].text.as_deref(), Some(FRIDAYS));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opinion_that_was_changed_on_another_device_is_not_overwritten() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let ada = town.member("Ada");
    let phone = open_form(ada, &card, "opinion:").await;
    let laptop = open_form(ada, &card, "opinion:").await;
    says(&send(ada, &laptop, FRIDAYS).await, "Your opinion is saved");
    // Discord may deliver a form twice.
    says(&send(ada, &laptop, FRIDAYS).await, "Your opinion is saved");

    let refused = send(ada, &phone, NEVER).await;
    says(
        &refused,
        "**Your opinion was changed elsewhere in the meantime,**",
    );
    says(&refused, FRIDAYS);
    says(&refused, NEVER);
    let form = open_form(ada, &refused, "opinion:").await;
    assert_eq!(text_in(&form), FRIDAYS);
    let changed = send(ada, &form, NEVER).await;
    says(&changed, "**Your changed opinion is saved.**");
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn organisers_give_opinions_more_time_and_nobody_else_does() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let ada = town.member("Ada");
    let refused = town.runs(ada, "round extend", json!({ "by": "12h" })).await;
    says(&refused, "Only organisers can do this");
    for (by, why) in [
        ("soon", "I cannot read “soon” as a duration"),
        ("40 days", "I cannot read “40 days” as a duration"),
        ("30 days", "A phase can last 30 days at the longest."),
    ] {
        let refused = town.organises("round extend", json!({ "by": by })).await;
        assert!(refused.contains(why), "{refused}");
    }
    let extended = town.organises("round extend", json!({ "by": "12h" })).await;
    assert!(extended.starts_with("Open until <t:"), "{extended}");
    let too_early = town.organises("round close", json!({})).await;
    assert_eq!(
        too_early,
        "0 opinions so far, 5 are needed. Extend the round, or cancel it."
    );

    town.all_write(&card).await;
    town.passes(TimeDelta::hours(24));
    says(
        &write(ada, &card, FRIDAYS).await,
        "**Your changed opinion is saved.**",
    );
    town.passes(TimeDelta::hours(12));
    town.candidates(&card).await;
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_close_of_rating_is_announced_half_an_hour_ahead_and_can_be_taken_back() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let candidates = town.drafts(&card).await;
    let open = town.rating_is_open(&card).await;
    let told = town.organises("round close", json!({})).await;
    assert!(told.starts_with("Rating now closes <t:"), "{told}");
    let announced = |message: &Message| has_button(message, "status:");
    let thread = thread_of(&card);
    let early = town.discord.wait_for_message(thread, announced).await;
    says(&early, "**Rating closes early,** <t:");
    let twice = town.organises("round close", json!({})).await;
    assert!(twice.starts_with("It closes <t:"), "{twice}");
    let status = press(town.member("Ada"), &early, "status:").await;
    says(&status, "Rate the candidates until <t:");

    town.organises("round extend", json!({ "by": "2 days" }))
        .await;
    let taken_back = "**Rating closes later than was announced here:**";
    let says_so = |message: &Message| message.text().contains(taken_back);
    town.discord.wait_for_change(&early, says_so).await;
    town.passes(TimeDelta::hours(1));
    press(town.member("Ada"), &open, "rate:").await;
    town.organises("round close", json!({})).await;
    let closes_again = |message: &Message| message.text().contains("**Rating closes early,**");
    town.discord.wait_for_change(&early, closes_again).await;

    town.passes(TimeDelta::minutes(29));
    town.member("Ada").reacts(&candidates[0], "7️⃣");
    town.passes(TimeDelta::minutes(1));
    let result = town.result(&card).await;
    says(&result, "too few rated to tell");
    let closed = |message: &Message| message.text() == "Rating is closed.";
    town.discord.wait_for_change(&early, closed).await;
    let round = town.ends_with_one_round().await;
    assert_eq!(round.ratings.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_round_hands_opinions_back_to_their_authors_alone() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let (ada, ben) = (town.member("Ada"), town.member("Ben"));
    write(ada, &card, FRIDAYS).await;
    let refused = town.runs(ada, "round cancel", json!({})).await;
    says(&refused, "Only organisers can do this");
    let told = town.organises("round cancel", json!({})).await;
    assert!(told.contains("ended without a result"), "{told}");

    let handback = |message: &Message| has_button(message, "handback:");
    let thread = thread_of(&card);
    let cancelled = town.discord.wait_for_message(thread, handback).await;
    says(&cancelled, "An organiser ended it.");
    let handed_back = press(ada, &cancelled, "handback:").await;
    says(&handed_back, FRIDAYS);
    assert!(handed_back.is_ephemeral());
    let none = press(ben, &cancelled, "handback:").await;
    says(&none, "You gave no opinion in this round.");

    let card = town.card_says(&card, "The round ended").await;
    let closed = ada.tries_to_press(&card, &button_of(&card, "opinion:"));
    assert!(closed.is_err_and(|why| why.contains("disabled")));
    let twice = town.organises("round cancel", json!({})).await;
    assert_eq!(twice, "This round is over.");
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_few_opinions_a_round_is_extended_once_and_then_it_is_up_to_the_organiser() {
    let town = Town::new().await;
    let card = town.opens_round(json!({ "minimum": 3 })).await;
    let ada = town.member("Ada");
    write(ada, &card, FRIDAYS).await;
    write(town.member("Ben"), &card, NEVER).await;
    town.passes(TimeDelta::hours(24));
    let extended = "Too few had written at the first deadline, so it was extended once.";
    town.card_says(&card, extended).await;
    town.passes(TimeDelta::hours(12));
    let asks = |message: &Message| has_button(message, "extend:");
    let too_few = town.discord.wait_for_message(thread_of(&card), asks).await;
    says(&too_few, "**2 of 3 opinions**");
    says(&too_few, "An organiser decides");
    for button in ["extend:", "end:"] {
        let refused = press(ada, &too_few, button).await;
        says(&refused, "Only organisers can do this");
    }

    says(
        &press(&town.olga, &too_few, "extend:").await,
        "Open until <t:",
    );
    let decided = |message: &Message| message.text().contains("It no longer does.");
    let answered = town.discord.wait_for_change(&too_few, decided).await;
    assert!(answered.buttons().iter().all(|button| button.disabled));
    town.passes(TimeDelta::hours(12));
    let asks = |message: &Message| message.text().contains("An organiser decides");
    town.discord.wait_for_change(&too_few, asks).await;
    let ended = press(&town.olga, &too_few, "end:").await;
    says(&ended, "The round has ended without a result.");
    let handback = |message: &Message| has_button(message, "handback:");
    let thread = thread_of(&card);
    let cancelled = town.discord.wait_for_message(thread, handback).await;
    says(&cancelled, "Too few wrote an opinion.");
    says(&press(ada, &cancelled, "handback:").await, FRIDAYS);

    // Whoever writes the last opinion that was missing sets it going.
    let card = town.opens_round(json!({ "minimum": 3 })).await;
    write(ada, &card, FRIDAYS).await;
    write(town.member("Ben"), &card, NEVER).await;
    town.passes(TimeDelta::hours(24));
    town.card_says(&card, extended).await;
    town.passes(TimeDelta::hours(12));
    town.card_says(&card, "**2 of 3 opinions**\nThe time is over")
        .await;
    let last = write(town.member("Cem"), &card, &night_buses().opinions[0]).await;
    says(&last, "Now there are enough, and drafting begins.");
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_revised_with_what_those_who_rate_low_would_change() {
    let town = Town::new().await;
    let card = town.opens_round(json!({ "revisions": 1 })).await;
    let candidates = town.drafts(&card).await;
    let open = town.rating_is_open(&card).await;
    town.react(&candidates, &[&[7, 7, 7, 7, 2], &[4; 5], &[4; 5]]);
    town.card_says(&card, "5 of 5 participants have rated")
        .await;

    let panel = press(town.member("Ada"), &open, "rate:").await;
    assert!(!has_button(&panel, "critique:"), "{}", panel.text());
    let eli = town.member("Eli");
    let asked = press(eli, &open, "rate:").await;
    says(&asked, "You rated a candidate low. What would you change?");
    let form = open_form(eli, &asked, "critique:").await;
    let critique = "Say who pays for the second member of staff on board.";
    says(&send(eli, &form, critique).await, "Noted.");
    let form = open_form(eli, &asked, "critique:").await;
    assert_eq!(text_in(&form), critique);

    town.passes(TimeDelta::minutes(2));
    let thread = thread_of(&card);
    let second = |message: &Message| has_button(message, "rate:1:1");
    let open = town.discord.wait_for_message(thread, second).await;
    says(&open, "**The statement was revised.**");
    let mut revised = town.discord.messages(thread);
    revised.retain(|message| has_button(message, "candidate:1:1:"));
    let original = statement_of(&candidates[0]);
    assert!(revised.len() > 1);
    assert!(revised.iter().any(|again| statement_of(again) == original));
    for candidate in &candidates {
        let now = town.discord.message(candidate.id).unwrap();
        says(&now, "Rating is closed");
    }

    // The group likes a revision best.
    let best = revised
        .iter()
        .find(|candidate| statement_of(candidate) != original)
        .unwrap();
    for candidate in &revised {
        let rating = if candidate.id == best.id { 6 } else { 3 };
        town.react(std::slice::from_ref(candidate), &[&[rating; 5]]);
    }
    let result = town.all_have_rated(&card).await;
    says(&result, statement_of(best));
    says(
        &result,
        "It is a revision, written with what 1 participant would change.",
    );
    let mine = press(eli, &result, "mine:").await;
    says(&mine, "drafts read what you would change.");
    assert!(!town.discord.transcript(town.square).contains(critique));
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_answered_exported_and_found_again() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let candidates = town.drafts(&card).await;
    let early = town.organises("round answer", json!({ "verdict": "adopted" }));
    assert_eq!(early.await, "The round has no result yet.");
    town.react(&candidates, &[&[6, 6, 6, 6, 2], &[4; 5], &[4; 5]]);
    let result = town.all_have_rated(&card).await;

    let answer = json!({ "verdict": "partly", "reasons": "From May, and on Fridays first." });
    let told = town.organises("round answer", answer).await;
    assert_eq!(told, "Your answer now stands under the result.");
    for message in [&result, &card] {
        let answered = |message: &Message| message.text().contains("**Partly adopted**");
        let now = town.discord.wait_for_change(message, answered).await;
        says(&now, "> From May, and on Fridays first.");
    }

    let refused = town.organises("round export", json!({})).await;
    assert_eq!(refused, "This needs the permission Manage Server.");
    let exported = town.runs(&mayor(&town), "round export", json!({})).await;
    let file = &exported.attachments[0];
    assert_eq!(file.name, "accord-round-1.json");
    let export: Value = serde_json::from_slice(&file.bytes).unwrap();
    assert_eq!(export["outcome"], "consensus");
    let ratings = json!({ "1": 0, "2": 1, "3": 0, "4": 0, "5": 0, "6": 4, "7": 0 });
    assert_eq!(export["statements"][0]["ratings"], ratings);
    let text = String::from_utf8(file.bytes.clone()).unwrap();
    for (member, opinion) in town.members.iter().zip(night_buses().opinions) {
        assert!(!text.contains(&member.id.to_string()), "{text}");
        assert!(!text.contains(&opinion[..40]), "{text}");
    }
    let as_page = json!({ "format": "html" });
    let refused = town.organises("round export", as_page.clone()).await;
    assert_eq!(refused, "This needs the permission Manage Server.");
    let exported = town.runs(&mayor(&town), "round export", as_page).await;
    let file = &exported.attachments[0];
    assert_eq!(file.name, "accord-round-1.html");
    let page = String::from_utf8(file.bytes.clone()).unwrap();
    for said in [
        "<h2 id=\"outcome\">Round 1: consensus.</h2>",
        "5 of 5 participants rated it: 4 agree, 0 neutral, 1 dissents.",
        "From May, and on Fridays first.",
        "<svg ",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let ids = town.members.iter().map(|member| member.id.to_string());
    for id in ids.chain([mayor(&town).id.to_string()]) {
        assert!(!page.contains(&id), "{page}");
    }
    for opinion in night_buses().opinions {
        assert!(!page.contains(&opinion[..40]), "{page}");
    }

    let ada = town.member("Ada");
    let found = town.runs(ada, "round result", json!({})).await;
    says(&found, "How the statement of round 1 was chosen");
    assert!(found.attachment("chart.png").is_some());
    let listed = town.runs(ada, "round list", json!({})).await;
    says(&listed, "Should our city run buses all night");
    says(&listed, "(consensus)");
    let status = town.runs(ada, "round status", json!({})).await;
    says(&status, "**Consensus.**");
    for (typed, hits) in [("", 1), ("1", 1), ("BUSES", 1), ("trams", 0), ("2", 0)] {
        let typed = ada
            .in_channel(town.square)
            .types_into("round result", "round", typed);
        let choices = typed.acknowledged_within(SOON).await.choices().await;
        assert_eq!(choices.len(), hits, "{choices:?}");
        for choice in choices {
            assert!(choice.name.starts_with("#1 · Should our city"));
            assert_eq!(choice.value, 1);
        }
    }
    let unknown = town.organises("round status", json!({ "round": 7 })).await;
    assert_eq!(unknown, "There is no round 7 here. /round list shows all.");
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_manages_the_server_settles_what_holds_for_all_rounds() {
    let town = Town::new().await;
    let mayor = mayor(&town);
    let hidden = town
        .olga
        .in_channel(town.square)
        .tries_to_run("settings show", json!({}));
    assert!(hidden.is_err());
    let shown = town.runs(&mayor, "settings show", json!({})).await;
    says(&shown, "Organisers: whoever may manage messages");
    says(&shown, "Opinions needed: 5");

    let council = town
        .discord
        .role(town.guild, "Council", Permissions::empty());
    let changes = json!({
        "add_organiser": council, "threads": false, "minimum": 3, "rating": "private",
        "opinions_for": "2 days",
    });
    let set = town.runs(&mayor, "settings set", changes).await;
    says(&set, &format!("Organisers: <@&{council}>"));
    says(&set, "Rating: in private");
    says(&set, "Opinions are open for 2 days, rating for 1 day");
    let refused = town
        .organises("round open", json!({ "question": "Shall Olga open it?" }))
        .await;
    assert!(refused.contains("Only organisers"), "{refused}");

    town.discord.give_role(&town.olga, council);
    let card = town.opens_round(json!({})).await;
    says(&card, "**0 of 3 opinions**");
    says(&card, "Nobody here sees how you rate.");
    town.passes(TimeDelta::hours(47));
    write(town.member("Ada"), &card, FRIDAYS).await;
    town.organises("round cancel", json!({})).await;
    let handback = |message: &Message| has_button(message, "handback:");
    town.discord.wait_for_message(town.square, handback).await;
    assert!(town.discord.threads(town.square).is_empty());

    let help = town.runs(town.member("Ada"), "help", json!({})).await;
    says(&help, "Accord helps a community find a statement");
    assert!(!help.text().contains("You can run rounds"));
    let help = town.runs(&town.olga, "help", json!({})).await;
    says(&help, "You can run rounds");
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_given_and_can_erase_everything_that_is_kept_about_them() {
    let town = Town::new().await;
    let eli = town.member("Eli");
    let what = town.runs(eli, "privacy what", json!({})).await;
    says(&what, "They are deleted 30 days after a round's result");
    let nothing = town.runs(eli, "privacy export", json!({})).await;
    says(
        &nothing,
        "Nothing is kept about you in this server's rounds.",
    );

    let card = town.opens_round(json!({})).await;
    let candidates = town.drafts(&card).await;
    town.react(&candidates, &[&[6, 6, 6, 6, 2], &[4; 5], &[4; 5]]);
    town.card_says(&card, "5 of 5 participants have rated")
        .await;
    let exported = town.runs(eli, "privacy export", json!({})).await;
    says(&exported, "What is kept about you in one round.");
    let about: Value = serde_json::from_slice(&exported.attachments[0].bytes).unwrap();
    let own = &night_buses().opinions[4];
    assert_eq!(about["rounds"][0]["opinion"]["text"], json!(own));
    assert_eq!(about["rounds"][0]["ratings"].as_array().unwrap().len(), 3);
    let predictions = about["rounds"][0]["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 3);
    let text = about.to_string();
    assert!(!text.contains("I clean offices"), "{text}");

    let erased = town.runs(eli, "privacy erase", json!({})).await;
    says(&erased, "Everything about you in one round is deleted.");
    let passer_by = town.discord.member(town.guild, "Zoe");
    let nothing = town.runs(&passer_by, "privacy erase", json!({})).await;
    says(
        &nothing,
        "Nothing was kept about you in this server's rounds.",
    );
    let result = town.rating_ends(&card).await;
    says(
        &result,
        "4 of 4 participants rated it: 4 agree, 0 neutral, 0 dissent.",
    );
    let mine = press(eli, &result, "mine:").await;
    says(&mine, "You gave no opinion in this round.");
    let round = town.ends_with_one_round().await;
    let left = format!("{round:?}");
    assert!(!left.contains(own.as_str()), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_names_the_permissions_that_accord_lacks_in_the_channel() {
    let town = Town::new().await;
    let question = json!({ "question": night_buses().question });
    let lacking = Permissions::EMBED_LINKS | Permissions::ADD_REACTIONS;
    town.discord.deny_bot(town.square, lacking);
    let refused = town.organises("round open", question.clone()).await;
    assert!(
        refused.contains(&format!("I lack permissions in <#{}>", town.square)),
        "{refused}"
    );
    assert!(refused.contains("Embed Links"), "{refused}");
    assert!(refused.contains("Add Reactions"), "{refused}");
    assert!(!refused.contains("Send Messages"), "{refused}");
    assert!(town.discord.messages(town.square).is_empty());

    // Who rates in private needs no reactions; and without threads all stands in the channel.
    let lacking = Permissions::ADD_REACTIONS | Permissions::CREATE_PUBLIC_THREADS;
    town.discord.deny_bot(town.square, lacking);
    town.opens_round(json!({ "rating": "private" })).await;
    town.organises("round cancel", json!({})).await;
    let cancelled = |message: &Message| has_button(message, "handback:");
    town.discord.wait_for_message(town.square, cancelled).await;
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_pings_one_role_twice_and_nobody_else() {
    let town = Town::new().await;
    let crew = town.discord.role(town.guild, "Crew", Permissions::empty());
    let shy = town.discord.role(town.guild, "Shy", Permissions::empty());
    town.discord.set_mentionable(shy, false);
    let everyone = town.discord.everyone(town.guild);
    for role in [shy, everyone] {
        let options = json!({ "question": night_buses().question, "notify": role });
        let refused = town.organises("round open", options).await;
        assert!(refused.contains("I may not mention that role"), "{refused}");
    }

    let card = town.opens_round(json!({ "notify": crew })).await;
    says(&card, &format!("<@&{crew}> **Round 1** is open."));
    let candidates = town.drafts(&card).await;
    let open = town.rating_is_open(&card).await;
    says(&open, &format!("<@&{crew}> **Rating is open.**"));
    town.react(&candidates, &[&[6; 5], &[4; 5], &[4; 5]]);
    let result = town.all_have_rated(&card).await;
    press(town.member("Ada"), &result, "why:").await;
    let answer = json!({ "verdict": "adopted", "reasons": "@everyone <@&1> thanks!" });
    town.organises("round answer", answer).await;
    town.card_says(&card, "**Adopted**").await;
    let pings: Vec<_> = town
        .discord
        .pings()
        .iter()
        .map(|ping| (ping.message, ping.whom))
        .collect();
    let role = Pinged::Role(crew);
    assert_eq!(pings, [(card.id, role), (open.id, role)]);
    town.ends().await;
}

/// Somebody who manages the server.
pub fn mayor(town: &Town) -> Person {
    let mayor = town.discord.member(town.guild, "Mia");
    let role = town
        .discord
        .role(town.guild, "Mayor", Permissions::MANAGE_GUILD);
    town.discord.give_role(&mayor, role);
    mayor
}
