//! A round within Discord's rate limits, which serenity's own rate limiter keeps: as in production.

use std::time::Duration;

use crate::support::town::{SOON, Town, digit, press, says, statement_of, thread_of};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_round_keeps_within_discords_rate_limits_and_answers_people_meanwhile() {
    let town = Town::with_rate_limits().await;
    let card = town.opens_round(json!({})).await;
    town.all_write(&card).await;
    town.organises("round close", json!({})).await;
    let thread = thread_of(&card);
    let first = town
        .discord
        .wait_for_message(thread, |message| !message.reactions.is_empty())
        .await;
    // 21 reactions are set, four a second.
    assert!(first.reacted_with(&digit(7)).is_empty());
    for member in &town.members {
        town.runs(member, "round status", json!({})).await;
    }
    let candidates = town.candidates(&card).await;
    town.react(&candidates, &[&[6; 5], &[2; 5], &[2; 5]]);
    let result = town.all_have_rated(&card).await;
    says(&result, statement_of(&candidates[0]));
    press(town.member("Ada"), &result, "why:").await;
    let refused = town.discord.rate_limited_calls();
    assert!(refused.is_empty(), "{refused:?}");
    town.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_told_to_wait_waits_and_posts_everything_once() {
    let town = Town::with_rate_limits().await;
    let half_a_second = Duration::from_millis(500);
    let posts = "POST /channels/*/messages";
    town.discord.rate_limit_next(1, posts, half_a_second);
    let card = town.opens_round(json!({})).await;
    town.discord.rate_limit_next(1, posts, half_a_second);
    town.discord.rate_limit_next_globally(
        1,
        "PUT /channels/*/messages/*/reactions/**",
        half_a_second,
    );
    let candidates = town.drafts(&card).await;
    assert_eq!(candidates.len(), 3);
    let asked = town.member("Ada").in_channel(town.square);
    asked
        .runs("help", json!({}))
        .acknowledged_within(SOON)
        .await;
    assert_eq!(town.discord.rate_limited_calls().len(), 3);
    town.ends().await;
}
