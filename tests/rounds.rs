//! Whole rounds on Discord, with the real models and a real store.

mod support;

use std::time::Duration;

use accord::deliberation::ranking::rank;
use accord::deliberation::rating::RatingMatrix;
use accord::deliberation::round::Phase;
use accord::store::Store;
use serde_json::json;
use serenity::all::{ChannelId, GuildId};
use support::bot::{self, RunningBot};
use support::discord::{FakeDiscord, Message, Person};

const SECOND: Duration = Duration::from_secs(1);

/// A town with a square, an organiser, and five members who have opinions on night buses.
struct Town {
    discord: FakeDiscord,
    guild: GuildId,
    square: ChannelId,
    organiser: Person,
    members: Vec<Person>,
}

impl Town {
    async fn new() -> Self {
        let discord = FakeDiscord::start().await;
        discord.wait_at_most(Duration::from_secs(180));
        let guild = discord.guild("Town");
        let square = discord.channel(guild, "square");
        let organiser = discord.member(guild, "Olga");
        let organisers = discord.role(
            guild,
            "Organisers",
            serenity::all::Permissions::MANAGE_MESSAGES,
        );
        discord.give_role(&organiser, organisers);
        let members = ["Ada", "Ben", "Cem", "Dina", "Eli"].map(|name| discord.member(guild, name));
        Self {
            discord,
            guild,
            square,
            organiser,
            members: members.into(),
        }
    }

    /// Opens a round on night buses; its card.
    async fn opens_round(&self, options: serde_json::Value) -> Message {
        let mut all = json!({ "question": support::night_buses().question });
        for (name, value) in options.as_object().unwrap() {
            all[name] = value.clone();
        }
        let opened = self
            .organiser
            .in_channel(self.square)
            .runs("round open", all);
        let reply = opened.acknowledged_within(SECOND).await.reply().await;
        assert!(reply.text().contains("is open"), "{}", reply.text());
        self.discord
            .wait_for_message(self.square, |message| !message.buttons().is_empty())
            .await
    }

    /// Every member writes an opinion with the card's button.
    async fn write_opinions(&self, card: &Message) {
        let opinions = support::night_buses().opinions;
        for (member, opinion) in self.members.iter().zip(&opinions) {
            write(member, card, opinion).await;
        }
    }

    async fn closes(&self) {
        let closed = self
            .organiser
            .in_channel(self.square)
            .runs("round close", json!({}));
        closed.acknowledged_within(SECOND).await.reply().await;
    }

    /// The candidates, once all can be rated.
    async fn candidates(&self, card: &Message) -> Vec<Message> {
        let place = self.place(card);
        self.discord
            .wait_for_message(place, |message| has_button(message, "rate:"))
            .await;
        let mut messages = self.discord.messages(place);
        messages.retain(|message| has_button(message, "candidate:"));
        messages
    }

    async fn result(&self, card: &Message) -> Message {
        let place = self.place(card);
        self.discord
            .wait_for_message(place, |message| has_button(message, "why:"))
            .await
    }

    /// The thread of a round, which has the id of its card.
    fn place(&self, card: &Message) -> ChannelId {
        ChannelId::new(card.id.get())
    }
}

async fn write(member: &Person, card: &Message, opinion: &str) -> Message {
    let form = member.presses(card, "opinion:1").modal().await;
    let sent = member.submits(&form, json!({ "text": opinion }));
    sent.acknowledged_within(SECOND).await.reply().await
}

fn has_button(message: &Message, prefix: &str) -> bool {
    let mut buttons = message.buttons().into_iter();
    buttons.any(|button| button.custom_id.starts_with(prefix))
}

fn digit(rating: usize) -> String {
    format!("{rating}\u{fe0f}\u{20e3}")
}

#[tokio::test(flavor = "multi_thread")]
async fn five_members_write_rate_by_reaction_and_get_the_statement_with_the_highest_welfare() {
    let town = Town::new().await;
    let folder = tempfile::tempdir().unwrap();
    let bot = RunningBot::start(&town.discord, folder.path(), bot::models(4, 48).await).await;
    let card = town.opens_round(json!({})).await;
    town.write_opinions(&card).await;
    town.closes().await;
    let candidates = town.candidates(&card).await;
    assert!((3..=4).contains(&candidates.len()), "{}", candidates.len());

    for (place, candidate) in candidates.iter().enumerate() {
        for (number, member) in town.members.iter().enumerate() {
            // The second candidate pleases everybody but the last member.
            let rating = match (place, number) {
                (1, 4) => 2,
                (1, _) => 6,
                _ => 1 + (place + number) % 4,
            };
            member.reacts(candidate, &digit(rating));
        }
    }
    // Everybody has rated everything: it closes after the grace.
    tokio::time::sleep(SECOND).await;
    bot.clock.advance(chrono::TimeDelta::minutes(2));
    let result = town.result(&card).await;
    let text = result.text();
    println!("{}", town.discord.transcript(town.square));
    bot.stop().await;

    let store = Store::open(&folder.path().join("store")).unwrap();
    let round = store
        .rounds(accord::deliberation::id::Guild(town.guild.get()))
        .await
        .unwrap();
    let round = &round[0];
    let Phase::Concluded { result, .. } = &round.phase else {
        panic!("{:?}", round.phase);
    };
    let posted = &round.stages[0].posted;
    let mut rows = Vec::new();
    for row in round.table(posted) {
        rows.push(row.iter().map(|agreement| agreement.rating()).collect());
    }
    let matrix = RatingMatrix::new(rows).unwrap();
    let best = posted[rank(&matrix, round.terms.welfare)[0].candidate];
    assert_eq!(result.winner(), best);
    let statement = &round.candidate(best).text;
    assert!(text.contains(statement.as_str()), "{text}");
    assert_eq!(best, posted[1]);
    assert_eq!(
        (
            result.conclusion.spread.agree,
            result.conclusion.spread.dissent
        ),
        (4, 1)
    );
}
