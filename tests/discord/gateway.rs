//! The connection to Discord is lost in every way in which it can be, and nothing with it.

use std::time::Duration;

use serde_json::json;

use crate::failures::assert_nothing_twice;
use crate::support::discord::{FakeDiscord, Message};
use crate::support::town::{Town, digit};

/// What it is called where a test fails, and how it happens.
type Loss = (&'static str, fn(&FakeDiscord));

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_the_connection_was_lost_is_told_when_its_session_is_resumed() {
    let losses: [Loss; 4] = [
        ("asked to reconnect", FakeDiscord::ask_to_reconnect),
        ("an invalid session that can be resumed", |discord| {
            discord.invalidate_sessions(true);
        }),
        ("closed with 4000", |discord| discord.close_gateway(4000)),
        ("broken off", FakeDiscord::drop_gateway),
    ];
    let round = BeingRated::new().await;
    for (number, (what, loss)) in losses.into_iter().enumerate() {
        loss(&round.town.discord);
        round.rates(number);
        round.is_back(what, (1, number + 1)).await;
        round.counts(number + 1).await;
    }
    round.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_the_session_was_lost_is_found_out_in_the_next() {
    let losses: [Loss; 3] = [
        ("an invalid session", |discord| {
            discord.invalidate_sessions(false);
        }),
        // serenity notices with the next heartbeat, and tries to read without a pause until then.
        (
            "closed without a code",
            FakeDiscord::close_gateway_without_a_code,
        ),
        ("not a sign of life", FakeDiscord::silence_gateway),
    ];
    let mut round = BeingRated::new().await;
    // Of the sessions to come. With less, what a busy machine keeps waiting is taken for lost.
    let heartbeat = Duration::from_secs(5);
    round.town.discord.set_heartbeat_interval(heartbeat);
    for (number, (what, loss)) in losses.into_iter().enumerate() {
        loss(&round.town.discord);
        round.rates(number);
        round.is_back(what, (number + 2, 0)).await;
        round.counts(number + 1).await;
    }
    // The bot ends the session that it began anew: its successor alone is told what happens.
    round.town.restarts_the_bot().await;
    round.rates(3);
    round.is_back("a restart", (5, 0)).await;
    round.counts(4).await;
    round.ends().await;
}

/// A round in which five members have still to rate the first of three candidates.
struct BeingRated {
    town: Town,
    card: Message,
    candidates: Vec<Message>,
}

impl BeingRated {
    async fn new() -> Self {
        let town = Town::new().await;
        let card = town.opens_round(json!({})).await;
        let candidates = town.drafts(&card).await;
        town.react(&candidates, &[&[], &[3; 5], &[3; 5]]);
        // No model is waited for any more.
        town.discord.wait_at_most(Duration::from_secs(60));
        Self {
            town,
            card,
            candidates,
        }
    }

    /// A member rates the first candidate.
    fn rates(&self, member: usize) {
        self.town.members[member].reacts(&self.candidates[0], &digit(6));
    }

    /// The bot has so many sessions and resumptions behind it, and answers.
    async fn is_back(&self, after: &str, sessions: (usize, usize)) {
        let discord = &self.town.discord;
        let what = format!("{sessions:?} sessions and resumptions after {after}");
        discord
            .wait_until(&what, || {
                let there = (discord.identified(), discord.resumed());
                (there == sessions).then_some(())
            })
            .await;
        let status = self.town.organises("round status", json!({})).await;
        assert!(
            status.contains("Rate the candidates until"),
            "after {after}: {status}"
        );
    }

    async fn counts(&self, members: usize) {
        let counted = format!("{members} of 5 participants");
        self.town.card_says(&self.card, &counted).await;
    }

    async fn ends(self) {
        assert_nothing_twice(&self.town, &self.card);
        let round = self.town.ends_with_one_round().await;
        assert!(round.is_open());
    }
}
