//! A town on the fake Discord, the bot that runs its rounds, and what people do in them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use accord::deliberation::id::Guild;
use accord::deliberation::round::Round;
use accord::discord::http;
use accord::facilitator::clock::Clock;
use accord::facilitator::models::Models;
use accord::store::Store;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serenity::all::{ChannelId, GuildId, Permissions};
use tempfile::TempDir;

use super::bot::{self, RunningBot};
use super::discord::{FakeDiscord, Interaction, Message, Modal, Person};
use super::{models, night_buses, requests};

/// Discord waits no longer for an acknowledgement.
pub const SOON: Duration = Duration::from_secs(3);

/// A guild with a square, an organiser, and five members who have opinions on night buses.
pub struct Town {
    pub discord: FakeDiscord,
    pub guild: GuildId,
    pub square: ChannelId,
    /// She may run rounds.
    pub olga: Person,
    /// Ada, Ben, Cem, Dina and Eli.
    pub members: Vec<Person>,
    /// The bot's.
    pub clock: Clock,
    /// A neighbour has none: the bot of another town looks after its rounds.
    host: Option<Host>,
}

/// Runs the bot.
struct Host {
    models: Arc<dyn Models>,
    rate_limits: RateLimits,
    /// Of the training, as variables of its environment.
    training: Settings,
    data: TempDir,
    bot: Option<RunningBot>,
}

type Settings = &'static [(&'static str, &'static str)];

/// Who sees to it that the bot keeps to Discord's rate limits.
#[derive(Clone, Copy, PartialEq)]
enum RateLimits {
    /// Nobody: Discord has none.
    None,
    /// serenity, as for most hosts.
    Serenitys,
}

/// What happens to the bot.
impl Town {
    /// Where the bot runs, with models that have written most candidates before.
    pub async fn new() -> Self {
        Self::with(models::remembering().await).await
    }

    pub async fn with(models: Arc<dyn Models>) -> Self {
        Self::that_trains(models, &[]).await
    }

    /// Where models are retrained with these settings, as variables of the environment.
    pub async fn that_trains(models: Arc<dyn Models>, training: Settings) -> Self {
        let discord = FakeDiscord::start().await;
        Self::hosting(discord, RateLimits::None, models, training).await
    }

    /// Where Discord limits what the bot may do, and serenity keeps to it.
    pub async fn with_rate_limits() -> Self {
        let discord = FakeDiscord::start_tls().await;
        discord.enforce_rate_limits();
        let models = models::remembering().await;
        Self::hosting(discord, RateLimits::Serenitys, models, &[]).await
    }

    async fn hosting(
        discord: FakeDiscord,
        rate_limits: RateLimits,
        models: Arc<dyn Models>,
        training: Settings,
    ) -> Self {
        discord.wait_at_most(Duration::from_secs(600));
        let mut town = Self::on(discord, "Town", Clock::system());
        town.host = Some(Host {
            models,
            rate_limits,
            training,
            data: tempfile::tempdir().unwrap(),
            bot: None,
        });
        town.starts_the_bot().await;
        town
    }

    /// Whoever uses it runs the bot.
    pub async fn without_a_bot() -> Self {
        Self::on(FakeDiscord::start().await, "Town", Clock::system())
    }

    /// Another guild of the same bot, in which the same people are.
    pub fn neighbour(&self) -> Self {
        Self::on(self.discord.clone(), "Village", self.clock.clone())
    }

    fn on(discord: FakeDiscord, name: &str, clock: Clock) -> Self {
        let guild = discord.guild(name);
        let square = discord.channel(guild, "square");
        let olga = discord.member(guild, "Olga");
        let organisers = discord.role(guild, "Organisers", Permissions::MANAGE_MESSAGES);
        discord.give_role(&olga, organisers);
        let members = ["Ada", "Ben", "Cem", "Dina", "Eli"].map(|name| discord.member(guild, name));
        Self {
            discord,
            guild,
            square,
            olga,
            members: members.into(),
            clock,
            host: None,
        }
    }

    pub async fn starts_the_bot(&mut self) {
        let host = self.host.as_mut().expect("a town that hosts the bot");
        let mut config = bot::config(&self.discord);
        let mut client = None;
        if host.rate_limits == RateLimits::Serenitys {
            config.discord.api_url = None;
            client = Some(self.discord.https_client());
        }
        let http = http::http(self.discord.token(), &config.discord, client);
        let (models, clock) = (host.models.clone(), self.clock.clone());
        let folder = host.data.path();
        let trainer = bot::trainer(folder, host.training);
        let discord = &self.discord;
        let bot = RunningBot::start_with(config, http, folder, models, trainer, clock, discord);
        host.bot = Some(bot.await);
    }

    /// The bot's data folder.
    pub fn data_dir(&self) -> &Path {
        let host = self.host.as_ref().expect("a town that hosts the bot");
        host.data.path()
    }

    /// As its host does.
    pub async fn stops_the_bot(&mut self) {
        let host = self.host.as_mut().expect("a town that hosts the bot");
        host.bot.take().expect("a running bot").stop().await;
        self.discord.wait_for_disconnection().await;
    }

    pub async fn restarts_the_bot(&mut self) {
        self.stops_the_bot().await;
        self.starts_the_bot().await;
    }

    /// The clocks of the bot and of Discord go on.
    pub fn passes(&self, time: TimeDelta) {
        self.discord.advance(time.to_std().unwrap());
        self.clock.advance(time);
    }

    /// Stops the bot, and checks all requests that it made; the rounds as they are on disk.
    pub async fn ends(mut self) -> Vec<Round> {
        self.stops_the_bot().await;
        requests::check(&self.discord.calls_as_jsonl());
        let host = self.host.expect("a town that hosts the bot");
        let store = Store::open(&host.data.path().join("store")).unwrap();
        store.rounds(Guild(self.guild.get())).await.unwrap()
    }

    /// The same, where there was one round.
    pub async fn ends_with_one_round(self) -> Round {
        let mut rounds = self.ends().await;
        assert_eq!(rounds.len(), 1);
        rounds.remove(0)
    }
}

/// What people do.
impl Town {
    pub fn member(&self, name: &str) -> &Person {
        let mut members = self.members.iter();
        members
            .find(|member| member.display_name() == name)
            .unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// A member runs a command in the square; what only they see then.
    pub async fn runs(&self, who: &Person, command: &str, options: Value) -> Message {
        answer_to(&who.in_channel(self.square).runs(command, options)).await
    }

    /// The organiser runs a command in the square; what she is told.
    pub async fn organises(&self, command: &str, options: Value) -> String {
        self.runs(&self.olga, command, options).await.text()
    }

    /// The organiser opens a round on night buses; its card.
    pub async fn opens_round(&self, options: Value) -> Message {
        self.opens_round_in(self.square, options).await
    }

    pub async fn opens_round_in(&self, channel: ChannelId, options: Value) -> Message {
        let mut all = json!({ "question": night_buses().question });
        for (name, value) in options.as_object().unwrap() {
            all[name] = value.clone();
        }
        let opened = self.olga.in_channel(channel).runs("round open", all);
        let reply = answer_to(&opened).await.text();
        let number = reply.split(' ').nth(1).unwrap_or_default();
        assert!(reply.contains("is open"), "{reply}");
        let card = |message: &Message| has_button(message, &format!("opinion:{number}"));
        self.discord.wait_for_message(channel, card).await
    }

    /// Every member writes an opinion with the card's button.
    pub async fn all_write(&self, card: &Message) {
        for (member, opinion) in self.members.iter().zip(night_buses().opinions) {
            let reply = write(member, card, &opinion).await.text();
            assert!(reply.contains("Your opinion is saved"), "{reply}");
        }
    }

    /// Every member writes an opinion, and the organiser closes; the candidates.
    pub async fn drafts(&self, card: &Message) -> Vec<Message> {
        self.all_write(card).await;
        let reply = self.organises("round close", json!({})).await;
        assert_eq!(reply, "Candidates are being drafted now.");
        self.candidates(card).await
    }

    /// The candidates in the order in which they stand there, once all can be rated.
    pub async fn candidates(&self, card: &Message) -> Vec<Message> {
        self.rating_is_open(card).await;
        let mut messages = self.discord.messages(thread_of(card));
        messages.retain(|message| has_button(message, "candidate:"));
        messages
    }

    /// The message that says so, once it stands there.
    pub async fn rating_is_open(&self, card: &Message) -> Message {
        let open = |message: &Message| has_button(message, "rate:");
        self.discord.wait_for_message(thread_of(card), open).await
    }

    /// Members react: a row a candidate, of the first members' ratings; 0 for none.
    pub fn react(&self, candidates: &[Message], ratings: &[&[u8]]) {
        for (candidate, ratings) in candidates.iter().zip(ratings) {
            for (member, &rating) in self.members.iter().zip(*ratings) {
                if rating > 0 {
                    member.reacts(candidate, &digit(rating));
                }
            }
        }
    }

    /// Once the card says that every participant has rated every candidate, what is left of the
    /// time passes; the result.
    pub async fn all_have_rated(&self, card: &Message) -> Message {
        let all = "5 of 5 participants have rated all of them";
        self.card_says(card, all).await;
        self.passes(TimeDelta::minutes(2));
        self.result(card).await
    }

    /// The time for rating is over; the result.
    pub async fn rating_ends(&self, card: &Message) -> Message {
        self.passes(TimeDelta::hours(24));
        self.result(card).await
    }

    pub async fn result(&self, card: &Message) -> Message {
        let result = |message: &Message| has_button(message, "why:");
        self.discord.wait_for_message(thread_of(card), result).await
    }

    /// The card, once it says so.
    pub async fn card_says(&self, card: &Message, words: &str) -> Message {
        let says = |message: &Message| message.text().contains(words);
        self.discord.wait_for_change(card, says).await
    }
}

/// The thread of a round, which has the id of its card.
pub fn thread_of(card: &Message) -> ChannelId {
    ChannelId::new(card.id.get())
}

/// What the member sees after it, acknowledged in time.
pub async fn answer_to(interaction: &Interaction) -> Message {
    interaction.acknowledged_within(SOON).await.reply().await
}

/// A member presses a button, named by how its id begins; what they see then.
pub async fn press(member: &Person, message: &Message, button: &str) -> Message {
    answer_to(&member.presses(message, &button_of(message, button))).await
}

/// A member presses a button that opens a form.
pub async fn open_form(member: &Person, message: &Message, button: &str) -> Modal {
    let pressed = member.presses(message, &button_of(message, button));
    pressed.acknowledged_within(SOON).await.modal().await
}

/// A member writes into a form of one text, and sends it; what they see then.
pub async fn send(member: &Person, form: &Modal, text: &str) -> Message {
    answer_to(&member.submits(form, json!({ "text": text }))).await
}

/// A member writes an opinion with a button; what they see then.
pub async fn write(member: &Person, message: &Message, opinion: &str) -> Message {
    let form = open_form(member, message, "opinion:").await;
    send(member, &form, opinion).await
}

/// What stands in a form of one text.
pub fn text_in(form: &Modal) -> &str {
    let text = &form.input("text").expect("a text field")["value"];
    text.as_str().unwrap_or_default()
}

/// A member rates all candidates in the private panel: agreement and quality, by a candidate's
/// number. Where one of them is shown a second time, the page that shows it.
pub async fn rate_in_private(
    member: &Person,
    rating_open: &Message,
    rating: impl Fn(u16) -> (u8, u8),
) -> Message {
    let mut panel = press(member, rating_open, "rate:").await;
    loop {
        let selects = panel.selects();
        if selects[0].custom_id.starts_with("again:") {
            return panel;
        }
        let [agreement, quality] = [0, 1].map(|place| selects[place].custom_id.clone());
        let candidate = agreement.rsplit(':').next().unwrap().parse().unwrap();
        let (agrees, finds) = rating(candidate);
        for (select, rating) in [(agreement, agrees), (quality, finds)] {
            let chosen = member.selects(&panel, &select, &[&rating.to_string()]);
            panel = answer_to(&chosen).await;
        }
        match panel.buttons().iter().find(|button| button.label == "Next") {
            Some(next) => panel = press(member, &panel, &next.custom_id).await,
            None => return panel,
        }
    }
}

/// The number of the candidate that a message shows.
pub fn candidate_of(message: &Message) -> u16 {
    let id = button_of(message, "candidate:");
    id.rsplit(':').next().unwrap().parse().unwrap()
}

/// The statement that a candidate's message shows.
pub fn statement_of(message: &Message) -> &str {
    message.embeds[0]["description"].as_str().unwrap()
}

pub fn has_button(message: &Message, prefix: &str) -> bool {
    let mut buttons = message.buttons().into_iter();
    buttons.any(|button| button.custom_id.starts_with(prefix))
}

/// The id of the button whose id begins so.
pub fn button_of(message: &Message, prefix: &str) -> String {
    let mut buttons = message.buttons().into_iter();
    let button = buttons.find(|button| button.custom_id.starts_with(prefix));
    button
        .unwrap_or_else(|| panic!("no button {prefix}… on: {}", message.text()))
        .custom_id
}

/// The reaction that is a rating.
pub fn digit(rating: u8) -> String {
    format!("{rating}\u{fe0f}\u{20e3}")
}

/// A message says so.
#[track_caller]
pub fn says(message: &Message, words: &str) {
    let text = message.text();
    assert!(text.contains(words), "expected “{words}” in: {text}");
}
