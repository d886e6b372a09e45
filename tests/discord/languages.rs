//! Members read in their own language, and a guild in the one that it chose.

use crate::changes::mayor;
use crate::support::town::{Town, says, write};
use serde_json::json;

const GERMAN_QUESTION: &str =
    "Sollen in unserer Stadt die ganze Nacht Busse fahren, auch wenn sie fast leer sind?";

#[tokio::test(flavor = "multi_thread")]
async fn private_answers_are_in_the_members_language_and_the_card_is_in_the_guilds() {
    let town = Town::new().await;
    let (ada, ben) = (town.member("Ada"), town.member("Ben"));
    town.discord.set_locale(ada, "de");
    town.discord.set_guild_locale(town.guild, "fr");
    let card = town.opens_round(json!({})).await;
    says(&card, "How it works");
    let text = "Nachts soll mindestens ein Bus in der Stunde fahren.";
    says(
        &write(ada, &card, text).await,
        "Deine Meinung ist gespeichert.",
    );
    says(&write(ben, &card, text).await, "Your opinion is saved.");
    says(&town.runs(ada, "help", json!({})).await, "Accord hilft");

    // What is chosen holds for rounds that are opened from then on.
    let mayor = mayor(&town);
    let set = town
        .runs(&mayor, "settings set", json!({ "language": "de" }))
        .await;
    says(&set, "Language: Deutsch");
    says(
        &town.card_says(&card, "2 of 5 opinions").await,
        "How it works",
    );
    let german = town.opens_round(json!({})).await;
    says(&german, "So geht es");
    says(&write(ben, &german, text).await, "Your opinion is saved.");
    says(
        &town.card_says(&german, "1 von 5 Meinungen").await,
        "So geht es",
    );

    let odd = town
        .runs(&mayor, "settings set", json!({ "language": "tlh" }))
        .await;
    says(&odd, "I do not speak “tlh”.");
    let back = town
        .runs(&mayor, "settings set", json!({ "language": "discord" }))
        .await;
    says(&back, "Language: English (none is chosen");
    town.discord.set_guild_locale(town.guild, "de");
    let shown = town.runs(&mayor, "settings show", json!({})).await;
    says(&shown, "Language: Deutsch (none is chosen");
    says(&town.opens_round(json!({})).await, "So geht es");
    let square = mayor.in_channel(town.square);
    let offered = square
        .types_into("settings set", "language", "")
        .choices()
        .await;
    let values: Vec<_> = offered.into_iter().map(|choice| choice.value).collect();
    assert_eq!(values, [json!("en"), json!("de"), json!("discord")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_in_a_language_that_no_card_lists_is_told_so_at_opening() {
    let town = Town::new().await;
    let untested = town
        .organises("round open", json!({ "question": GERMAN_QUESTION }))
        .await;
    let told = "in which the models are not tested: Deutsch (tested: en)";
    assert!(untested.contains(told), "{untested}");
    let tested = town
        .organises(
            "round open",
            json!({
                "question": "Should our city run buses all night, even if they drive nearly empty?"
            }),
        )
        .await;
    assert!(!tested.contains("not tested"), "{tested}");
    let rounds = town.ends().await;
    let alone: Vec<bool> = rounds
        .iter()
        .map(|round| round.terms.real_ratings_only)
        .collect();
    assert_eq!(alone, [true, false]);
}
