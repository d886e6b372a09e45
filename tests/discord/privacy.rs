//! What a guild cannot learn of another, and what is left of whoever is erased.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::changes::mayor;
use crate::support::discord::{Message, Person};
use crate::support::night_buses;
use crate::support::search::{holds_id, holds_text};
use crate::support::town::{Town, answer_to, open_form, says, send, write};
use accord::deliberation::id::Member;

const TOWN_QUESTION: &str = "What should become of the old harbour crane?";
const VILLAGE_ASKS: &str = "Where in the village should the night bus stop?";
const VILLAGE_SAYS: &str = "In our village the bus may stop at the well, and nowhere else.";

#[tokio::test(flavor = "multi_thread")]
async fn a_guild_reaches_nothing_of_another_by_the_number_of_a_round() {
    let town = Town::new().await;
    let village = town.neighbour();
    let (ada, olga) = (village.member("Ada"), &village.olga);
    // The town has rounds 1 and 2, the village a round 1 of its own.
    let harbour = json!({ "question": TOWN_QUESTION });
    town.opens_round(harbour.clone()).await;
    town.organises("round cancel", json!({})).await;
    let card = town.opens_round(harbour).await;
    town.all_write(&card).await;
    let village_card = village.opens_round(json!({})).await;
    write(ada, &village_card, VILLAGE_SAYS).await;

    let mayor = mayor(&village);
    for (who, command, mut options) in [
        (ada, "round status", json!({})),
        (ada, "round result", json!({})),
        (olga, "round extend", json!({ "by": "1h" })),
        (olga, "round close", json!({})),
        (olga, "round cancel", json!({})),
        (olga, "round answer", json!({ "verdict": "adopted" })),
        (&mayor, "round export", json!({})),
    ] {
        options["round"] = json!(2);
        is_not_there(&village.runs(who, command, options).await);
    }
    let square = ada.in_channel(village.square);
    let offered = square.types_into("round status", "round", "");
    let offered: Vec<Value> = offered
        .choices()
        .await
        .into_iter()
        .map(|c| c.value)
        .collect();
    assert_eq!(offered, [json!(1)]);
    let listed = village.runs(ada, "round list", json!({})).await;
    assert!(!listed.text().contains(TOWN_QUESTION), "{}", listed.text());

    for id in [
        "opinion:2",
        "withdraw:2",
        "rate:2:0",
        "panel:2:0",
        "critique:2",
        "candidate:2:0:0",
        "why:2",
        "mine:2",
        "status:2:0",
        "handback:2",
    ] {
        is_not_there(&answer_to(&ada.forges_component(village.square, id, None)).await);
    }
    for id in ["extend:2", "end:2"] {
        is_not_there(&answer_to(&olga.forges_component(village.square, id, None)).await);
    }
    for id in ["agreement:2:0", "quality:2:0", "again:2:0"] {
        is_not_there(&answer_to(&ada.forges_component(village.square, id, Some("7"))).await);
    }
    let mut form = open_form(ada, &village_card, "opinion:").await;
    for id in ["opinion:2:0", "critique:2"] {
        form.custom_id = id.to_owned();
        is_not_there(&send(ada, &form, "This should get into no round.").await);
    }
    // The same number is another round here, and another member's opinion.
    let export = village.runs(ada, "privacy export", json!({})).await;
    let export = String::from_utf8(export.attachments[0].bytes.clone()).unwrap();
    assert!(export.contains(VILLAGE_SAYS), "{export}");
    assert!(!export.contains(TOWN_QUESTION), "{export}");

    let before = town
        .runs(town.member("Ada"), "privacy export", json!({}))
        .await;
    let before = String::from_utf8(before.attachments[0].bytes.clone()).unwrap();
    assert!(
        before.contains(TOWN_QUESTION) && !before.contains(VILLAGE_SAYS),
        "{before}"
    );
    let erased = village.runs(ada, "privacy erase", json!({})).await;
    says(&erased, "Everything about you in one round is deleted.");
    let ada = Member(ada.id.get());
    let rounds = town.ends().await;
    assert_eq!(rounds.len(), 2);
    let own = &night_buses().opinions[0];
    assert_eq!(rounds[1].opinions[&ada].text.as_ref(), Some(own));
    assert!(rounds[1].is_open() && rounds[1].opinions.len() == 5);
    assert!(rounds[1].critiques.is_empty() && rounds[1].answer.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_is_in_no_file_of_the_data_folder_any_more() {
    let town = Town::new().await;
    let ada = town.member("Ada");
    let mayor = mayor(&town);
    let settings = json!({ "training": "own", "rating": "private" });
    town.runs(&mayor, "settings set", settings).await;
    let card = town.opens_round(json!({})).await;
    town.all_write(&card).await;
    let earlier = &night_buses().opinions[0];
    let saved = write(ada, &card, VILLAGE_SAYS).await;
    says(&saved, "Your changed opinion is saved.");
    town.passes(TimeDelta::hours(7));
    let backups = town.data_dir().join("backups");
    until(|| backups.exists() && holds_text(&backups, VILLAGE_SAYS)).await;

    for text in [earlier.as_str(), VILLAGE_SAYS] {
        assert!(
            holds_text(town.data_dir(), text),
            "this search finds nothing"
        );
    }
    assert!(
        holds_id(town.data_dir(), ada.id.get()),
        "this search finds nothing"
    );
    let erased = town.runs(ada, "privacy erase", json!({})).await;
    says(&erased, "Everything about you in one round is deleted.");
    says(
        &erased,
        "and from this bot's backups. What stays: statements that were posted",
    );
    for text in [earlier.as_str(), VILLAGE_SAYS] {
        assert!(!holds_text(town.data_dir(), text));
    }
    assert!(!holds_id(town.data_dir(), ada.id.get()));
    // The others are all there.
    for member in &town.members[1..] {
        assert!(holds_id(&backups, member.id.get()));
    }
    says_nothing_of(&town, ada).await;

    // Not at once again, and then everything as the first time.
    write(ada, &card, VILLAGE_SAYS).await;
    let refused = town.runs(ada, "privacy erase", json!({})).await;
    says(&refused, "It can be done again from <t:");
    assert!(refused.is_ephemeral() && holds_text(town.data_dir(), VILLAGE_SAYS));
    town.passes(TimeDelta::minutes(5));
    let erased = town.runs(ada, "privacy erase", json!({})).await;
    says(&erased, "Everything about you in one round is deleted.");
    assert!(!holds_text(town.data_dir(), VILLAGE_SAYS));
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guild_that_removes_the_bot_while_it_is_offline_is_deleted_all_the_same() {
    let mut town = Town::new().await;
    let village = town.neighbour();
    let ada = village.member("Ada");
    let card = village
        .opens_round(json!({ "question": VILLAGE_ASKS }))
        .await;
    write(ada, &card, VILLAGE_SAYS).await;
    town.opens_round(json!({})).await;
    town.stops_the_bot().await;
    for text in [VILLAGE_ASKS, VILLAGE_SAYS] {
        assert!(
            holds_text(town.data_dir(), text),
            "this search finds nothing"
        );
    }
    town.discord.kick_bot(village.guild);
    town.starts_the_bot().await;
    until(|| {
        town.passes(TimeDelta::days(1));
        let mut texts = [VILLAGE_ASKS, VILLAGE_SAYS].into_iter();
        !texts.any(|text| holds_text(town.data_dir(), text))
    })
    .await;
    town.ends_with_one_round().await;
}

async fn says_nothing_of(town: &Town, member: &Person) {
    let export = town.runs(member, "privacy export", json!({})).await;
    says(
        &export,
        "Nothing is kept about you in this server's rounds.",
    );
    let about: Value = serde_json::from_slice(&export.attachments[0].bytes).unwrap();
    let nothing = json!({
        "rounds": [], "training": null, "retrainings": [], "changed_the_settings": null,
    });
    assert_eq!(about, nothing);
}

#[track_caller]
fn is_not_there(answer: &Message) {
    says(answer, "There is no round 2 here.");
    assert!(answer.is_ephemeral());
}

async fn until(done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "never");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
