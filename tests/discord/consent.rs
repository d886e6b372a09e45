//! Training is opt-in: what members are asked, what is kept of those who agree, and the candidate that
//! they rate a second time.

use std::time::{Duration, Instant};

use crate::changes::mayor;
use crate::support::discord::{Message, Person};
use crate::support::night_buses;
use crate::support::town::{
    Town, answer_to, candidate_of, has_button, press, rate_in_private, says, write,
};
use accord::deliberation::id::Member;
use accord::deliberation::rating::Likert;
use chrono::TimeDelta;
use serde_json::{Value, json};

const QUESTION: &str = "**May your opinions and ratings train this server's models?**";

#[tokio::test(flavor = "multi_thread")]
async fn members_are_asked_once_and_what_those_write_who_agree_is_kept() {
    let town = Town::new().await;
    let [ada, ben, cem, dina, eli] = &town.members[..] else {
        panic!("five members");
    };
    let mayor = mayor(&town);
    let set = town.runs(
        &mayor,
        "settings set",
        json!({ "training": "own", "rating": "private" }),
    );
    let trains =
        "Training: the opinions and ratings of members who agree train this server's models";
    says(&set.await, trains);
    says(&town.runs(&mayor, "settings show", json!({})).await, trains);

    // The first receipt asks, the next does not.
    let card = town.opens_round(json!({})).await;
    says(
        &card,
        "of members who agree train the models; everybody is asked in private",
    );
    let opinions = night_buses().opinions;
    let first = write(ada, &card, &opinions[1]).await;
    says(&first, QUESTION);
    let agreed = press(ada, &first, "consent:own").await;
    assert!(agreed.is_ephemeral());
    says(&agreed, "**You agreed on <t:");
    let changed = write(ada, &card, &opinions[0]).await;
    says(&changed, "Your changed opinion is saved.");
    asks_nothing(&changed);
    // Dina does not answer.
    for (member, opinion, answer) in [
        (ben, &opinions[1], Some("consent:own")),
        (cem, &opinions[2], Some("consent:own")),
        (dina, &opinions[3], None),
        (eli, &opinions[4], Some("consent:no")),
    ] {
        let receipt = write(member, &card, opinion).await;
        says(&receipt, QUESTION);
        if let Some(button) = answer {
            let answered = press(member, &receipt, button).await;
            let yes = answered.text().contains("**You agreed on <t:");
            assert_eq!(yes, button == "consent:own", "{}", answered.text());
        }
    }

    // Whoever has rated everything finds one candidate a second time.
    town.organises("round close", json!({})).await;
    let candidates = town.candidates(&card).await;
    let open = town.rating_is_open(&card).await;
    let favourite = candidate_of(&candidates[0]);
    let mut shown_again = Vec::new();
    for member in [ada, ben, cem, dina, eli] {
        let page = rate_in_private(member, &open, |candidate| {
            (if candidate == favourite { 6 } else { 3 }, 4)
        })
        .await;
        says(&page, "**One candidate a second time**");
        let select = &page.selects()[0];
        let chosen = |option: &Value| option["default"] == true;
        let options = select.json["options"].as_array().unwrap();
        assert!(!options.iter().any(chosen), "{options:?}");
        shown_again.push((page.clone(), select.custom_id.clone()));
    }
    let (page, again) = &shown_again[0];
    let rated = answer_to(&ada.selects(page, again, &["2"])).await;
    let options = rated.selects()[0].json["options"].clone();
    assert_eq!(options[1]["default"], true, "{options}");
    let result = town.all_have_rated(&card).await;
    says(&result, "5 agree, 0 neutral, 0 dissent.");
    let (page, again) = &shown_again[1];
    let late = answer_to(&ben.selects(page, again, &["2"])).await;
    says(&late, "Rating is closed.");

    // In the next round nobody is asked.
    let card = town.opens_round(json!({})).await;
    for member in [ada, dina, eli] {
        asks_nothing(&write(member, &card, &opinions[0]).await);
    }
    town.organises("round cancel", json!({ "round": 2 })).await;

    // Ben changes his mind before his opinion's time is over, and Dina does.
    let said = town.runs(ben, "privacy training", json!({})).await;
    says(&said, "**You agreed on <t:");
    let said = press(ben, &said, "consent:no").await;
    says(
        &said,
        "**Your opinions and ratings in this server train no model.**",
    );
    let said = town.runs(dina, "privacy training", json!({})).await;
    says(&said, "train no model.**");
    says(&press(dina, &said, "consent:own").await, "**You agreed on");
    says(
        &town.runs(eli, "privacy what", json!({})).await,
        "/privacy training",
    );

    town.passes(TimeDelta::days(31));
    let started = Instant::now();
    while text_kept(&town, eli).await.is_some() {
        assert!(
            started.elapsed() < Duration::from_secs(180),
            "never deleted"
        );
        // At most sixty answers a minute are given to a member.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    assert_eq!(text_kept(&town, ben).await, None);
    for (member, opinion) in [
        (ada, &opinions[0]),
        (cem, &opinions[2]),
        (dina, &opinions[3]),
    ] {
        assert_eq!(text_kept(&town, member).await.as_ref(), Some(opinion));
    }
    // And then Ada does, and it is gone at once.
    let said = town.runs(ada, "privacy training", json!({})).await;
    press(ada, &said, "consent:no").await;
    assert_eq!(text_kept(&town, ada).await, None);

    let again: u16 = shown_again[0]
        .1
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let [ada, cem] = [ada, cem].map(|member| Member(member.id.get()));
    let rounds = town.ends().await;
    let with_text = rounds[0].opinions.values().filter(|o| o.text.is_some());
    assert_eq!(with_text.count(), 2);
    assert!(rounds[1].opinions.values().all(|o| o.text.is_none()));
    for ((candidate, member), rating) in &rounds[0].ratings {
        let expected = (*member == ada && candidate.0 == again).then_some(Likert::ALL[1]);
        assert_eq!(rating.again, expected);
    }
    assert!(rounds[0].opinions[&cem].kept_for_training);
}

#[track_caller]
fn asks_nothing(receipt: &Message) {
    assert!(!has_button(receipt, "consent:"), "{}", receipt.text());
    assert!(!receipt.text().contains(QUESTION), "{}", receipt.text());
}

/// A member's opinion in the first round, as /privacy export gives it to them.
async fn text_kept(town: &Town, member: &Person) -> Option<String> {
    let exported = town.runs(member, "privacy export", json!({})).await;
    says(&exported, "It also says whether you agreed to training.");
    let about: Value = serde_json::from_slice(&exported.attachments[0].bytes).unwrap();
    let training = &about["training"];
    assert!(training["agreed"].is_boolean(), "{about}");
    about["rounds"][0]["opinion"]["text"]
        .as_str()
        .map(str::to_owned)
}
