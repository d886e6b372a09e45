//! What keeps a few people from taking a round, or the bot, away from the others.

use chrono::TimeDelta;
use serde_json::json;
use serenity::all::Permissions;

use crate::changes::mayor;
use crate::support::discord::Person;
use crate::support::town::{Town, answer_to, button_of, open_form, press, says, write};

#[tokio::test(flavor = "multi_thread")]
async fn only_those_with_the_role_or_who_were_there_before_write_opinions() {
    let town = Town::new().await;
    let mayor = mayor(&town);
    let citizens = town
        .discord
        .role(town.guild, "Citizens", Permissions::empty());
    let only = json!({ "participant_role": citizens.to_string() });
    says(
        &town.runs(&mayor, "settings set", only).await,
        "has the role",
    );
    let card = town.opens_round(json!({})).await;
    says(&card, &format!("Whoever has the role <@&{citizens}>"));
    let ada = town.member("Ada");
    says(&press(ada, &card, "opinion:").await, "may write an opinion");
    town.discord.give_role(ada, citizens);
    let saved = write(ada, &card, "Buses should run all night long").await;
    says(&saved, "Your opinion is saved");

    let week = json!({ "participants": "members-before", "member_days": 0 });
    town.runs(&mayor, "settings set", week).await;
    // Whoever joined in the same second joined too late.
    town.passes(TimeDelta::minutes(1));
    let card = town.opens_round(json!({})).await;
    town.passes(TimeDelta::minutes(1));
    let late: Person = town.discord.member(town.guild, "Late");
    let refused = press(&late, &card, "opinion:").await;
    says(&refused, "before the round opened");
    // What was written before the settings changed is not lost either.
    open_form(town.member("Ben"), &card, "opinion:").await;

    let everyone = json!({ "participants": "everyone" });
    let settings = town.runs(&mayor, "settings set", everyone).await;
    says(&settings, "Everybody here may write an opinion");
    let unclear = json!({ "participants": "everyone", "member_days": 3 });
    let unclear = town.runs(&mayor, "settings set", unclear).await;
    says(&unclear, "do not go together");
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_presses_all_the_time_waits_and_others_do_not() {
    let town = Town::new().await;
    let card = town.opens_round(json!({})).await;
    let (ada, ben) = (town.member("Ada"), town.member("Ben"));
    let asks = |who: &Person| who.in_channel(town.square).runs("help", json!({}));
    for _ in 0..60 {
        says(&answer_to(&asks(ada)).await, "Accord helps a community");
    }
    says(&answer_to(&asks(ada)).await, "That was a lot in one minute");
    let pressed = ada.presses(&card, &button_of(&card, "opinion:"));
    says(&answer_to(&pressed).await, "That was a lot in one minute");
    write(ben, &card, "Buses should run all night long").await;
    town.ends().await;
}
