//! The fake Discord of the other tests, tested with serenity's own client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use serenity::all::{
    Client, ClientBuilder, ComponentInteractionDataKind, Context, CreateAttachment, Event,
    Framework, FullEvent, GatewayIntents, GetMessages, Http, HttpBuilder, HttpError,
    Interaction as Received, Permissions, ReactionType, ShardManager, UserId,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::discord::{BOT, FakeDiscord, Fault, Pinged};

const SOON: Duration = Duration::from_millis(500);

fn http(discord: &FakeDiscord) -> Http {
    HttpBuilder::new(discord.token())
        .application_id(BOT.get().into())
        .proxy(discord.api_url())
        .ratelimiter_disabled(true)
        .build()
}

/// serenity, with the test for a framework.
struct Bot {
    http: Arc<Http>,
    events: UnboundedReceiver<FullEvent>,
    shards: Arc<ShardManager>,
}

struct Forward(UnboundedSender<FullEvent>);

#[serenity::async_trait]
impl Framework for Forward {
    async fn dispatch(&self, _: Context, event: FullEvent) {
        let _ = self.0.send(event);
    }
}

impl Bot {
    async fn start(discord: &FakeDiscord, intents: GatewayIntents) -> Self {
        let (client, bot) = Self::build(discord, intents).await;
        let mut client = client;
        tokio::spawn(async move { client.start().await });
        discord.wait_for_connection().await;
        bot
    }

    async fn build(discord: &FakeDiscord, intents: GatewayIntents) -> (Client, Self) {
        let (sender, events) = unbounded_channel();
        let client = ClientBuilder::new_with_http(http(discord), intents)
            .framework(Forward(sender))
            .await
            .unwrap();
        let bot = Bot {
            http: client.http.clone(),
            events,
            shards: client.shard_manager.clone(),
        };
        (client, bot)
    }

    /// The next event that `pick` takes.
    async fn next<T>(&mut self, pick: impl Fn(FullEvent) -> Option<T>) -> T {
        let next = async {
            loop {
                if let Some(picked) = pick(self.events.recv().await.unwrap()) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), next)
            .await
            .expect("an event that serenity understood")
    }

    async fn interaction(&mut self) -> Received {
        self.next(|event| match event {
            FullEvent::InteractionCreate { interaction } => Some(interaction),
            _ => None,
        })
        .await
    }

    async fn answer(&self, interaction: &Received, answer: Value) -> Result<(), (u16, isize)> {
        let answered = self
            .http
            .create_interaction_response(interaction.id(), interaction.token(), &answer, vec![])
            .await;
        answered.map_err(|error| refusal(&error).0)
    }
}

/// The status and code of a refusal, and the fields that it names.
fn refusal(error: &serenity::Error) -> ((u16, isize), Vec<String>) {
    let serenity::Error::Http(HttpError::UnsuccessfulRequest(response)) = error else {
        panic!("expected a refusal, not {error:?}");
    };
    let fields = response.error.errors.iter().map(|error| error.path.clone());
    (
        (response.status_code.as_u16(), response.error.code),
        fields.collect(),
    )
}

fn refused<T>(result: Result<T, serenity::Error>) -> (u16, isize) {
    refusal(&result.err().expect("a refusal")).0
}

fn round_command() -> Value {
    json!([{ "name": "round", "description": "Rounds", "options": [
        { "type": 1, "name": "open", "description": "Open one", "options": [
            { "type": 3, "name": "question", "description": "What?", "required": true,
              "max_length": 20 },
            { "type": 4, "name": "posted", "description": "How many", "min_value": 3 },
            { "type": 8, "name": "notify", "description": "Whom" },
            { "type": 3, "name": "rating", "description": "How", "choices": [
                { "name": "By reaction", "value": "reactions" },
            ] },
        ] },
        { "type": 1, "name": "close", "description": "Close one", "options": [
            { "type": 3, "name": "round", "description": "Which", "autocomplete": true },
        ] },
    ] }, {
        "name": "settings", "description": "Settings", "default_member_permissions": "32",
    }])
}

#[tokio::test]
async fn a_member_runs_a_command_fills_in_a_modal_and_presses_a_button() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let crew = discord.role(town, "Crew", Permissions::empty());
    let ada = discord.member(town, "Ada");
    let mut bot = Bot::start(&discord, GatewayIntents::GUILDS).await;
    bot.http
        .create_global_commands(&round_command())
        .await
        .unwrap();
    discord.wait_for_bot().await;

    let options =
        json!({ "question": "Open it?", "posted": 3, "notify": crew, "rating": "By reaction" });
    let opened = ada.in_channel(square).runs("round open", options);
    let received = bot.interaction().await;
    let command = received.as_command().unwrap();
    assert_eq!(command.data.name, "round");
    assert_eq!(command.data.resolved.roles[&crew].name, "Crew");
    assert_eq!(command.member.as_ref().unwrap().user.name, "ada");
    let input = json!({ "type": 4, "custom_id": "text", "label": "Opinion", "style": 2,
        "min_length": 3, "max_length": 10 });
    let modal = json!({ "type": 9, "data": { "custom_id": "opinion:1", "title": "Opinion",
        "components": [{ "type": 1, "components": [input] }] } });
    bot.answer(&received, modal).await.unwrap();
    let modal = opened.acknowledged_within(SOON).await.modal().await;
    assert_eq!(modal.title, "Opinion");

    let too_short = ada.tries_to_submit(&modal, json!({ "text": "No" })).err();
    assert_eq!(too_short.unwrap(), "`text` takes 3 to 10 characters, not 2");
    let sent = ada.submits(&modal, json!({ "text": "Yes, do" }));
    let received = bot.interaction().await;
    let submit = received.as_modal_submit().unwrap();
    assert_eq!(submit.data.custom_id, "opinion:1");
    bot.answer(&received, json!({ "type": 5, "data": { "flags": 64 } }))
        .await
        .unwrap();
    sent.acknowledged_within(SOON).await;
    let button = json!({ "type": 2, "style": 1, "label": "Change", "custom_id": "change" });
    let saved =
        json!({ "content": "Saved", "components": [{ "type": 1, "components": [button] }] });
    bot.http
        .edit_original_interaction_response(received.token(), &saved, vec![])
        .await
        .unwrap();
    let reply = sent.reply().await;
    assert_eq!(
        (reply.text(), reply.is_ephemeral()),
        ("Saved".to_owned(), true)
    );
    assert!(discord.messages(square).is_empty());
    assert_eq!(ada.sees(square).len(), 1);

    let bob = discord.member(town, "Bob");
    assert!(bob.tries_to_press(&reply, "Change").is_err());
    assert!(ada.tries_to_press(&reply, "Delete").is_err());
    let pressed = ada.presses(&reply, "Change");
    let received = bot.interaction().await;
    assert_eq!(
        received.as_message_component().unwrap().data.custom_id,
        "change"
    );
    let update = json!({ "type": 7, "data": { "content": "Changed", "components": [] } });
    bot.answer(&received, update).await.unwrap();
    assert_eq!(pressed.reply().await.content, "Changed");
    assert!(ada.tries_to_press(&reply, "Change").is_err());

    let typed = ada
        .in_channel(square)
        .types_into("round close", "round", "op");
    let received = bot.interaction().await;
    let focused = received
        .as_autocomplete()
        .unwrap()
        .data
        .autocomplete()
        .unwrap();
    assert_eq!((focused.name, focused.value), ("round", "op"));
    let choices = json!({ "choices": [{ "name": "Open it?", "value": "1" }] });
    bot.answer(&received, json!({ "type": 8, "data": choices }))
        .await
        .unwrap();
    assert_eq!(typed.choices().await[0].name, "Open it?");
}

#[tokio::test]
async fn a_command_that_the_client_would_not_send_is_not_sent() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let ada = discord.member(town, "Ada");
    http(&discord)
        .create_global_commands(&round_command())
        .await
        .unwrap();
    let ada = ada.in_channel(square);
    let why = |command: &str, options: Value| ada.tries_to_run(command, options).err().unwrap();
    for (command, options, expected) in [
        (
            "rounds",
            json!({}),
            "there is no command /rounds here; the bot has registered round, settings",
        ),
        (
            "round",
            json!({}),
            "/round has subcommands, name one of them",
        ),
        (
            "round open",
            json!({}),
            "/round open: the option \"question\" is required",
        ),
        (
            "round open",
            json!({ "question": "x".repeat(21) }),
            "/round open: `question` takes no more than 20, this is 21",
        ),
        (
            "round open",
            json!({ "question": "?", "posted": 2 }),
            "/round open: `posted` takes no less than 3, this is 2",
        ),
        (
            "round open",
            json!({ "question": "?", "rating": "private" }),
            "/round open: `rating` has no choice \"private\", only By reaction",
        ),
        (
            "round open",
            json!({ "question": "?", "notify": "1" }),
            "/round open: `notify`: there is no \"1\" here",
        ),
        (
            "settings",
            json!({}),
            "/settings is shown only to members who have Manage Guild",
        ),
    ] {
        assert_eq!(why(command, options), expected);
    }
}

#[tokio::test]
async fn an_interaction_dies_after_three_seconds_and_its_token_after_fifteen_minutes() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let ada = discord.member(town, "Ada").in_channel(square);
    let mut bot = Bot::start(&discord, GatewayIntents::GUILDS).await;
    let http = bot.http.clone();
    http.create_global_commands(&round_command()).await.unwrap();
    let options = json!({ "question": "Open it?" });
    let hello = json!({ "type": 4, "data": { "content": "Hello" } });

    ada.runs("round open", options.clone());
    let late = bot.interaction().await;
    discord.advance(Duration::from_secs(3));
    assert_eq!(bot.answer(&late, hello.clone()).await, Err((404, 10062)));

    ada.runs("round open", options);
    let received = bot.interaction().await;
    let text = json!({ "content": "…" });
    let early = http.create_followup_message(received.token(), &text, vec![]);
    assert_eq!(refused(early.await), (404, 10015));
    let wrong = bot.answer(&received, json!({ "type": 6 })).await;
    assert_eq!(wrong, Err((400, 50035)));
    bot.answer(&received, hello.clone()).await.unwrap();
    assert_eq!(bot.answer(&received, hello).await, Err((400, 40060)));
    discord.advance(Duration::from_secs(15 * 60));
    let edit = http.edit_original_interaction_response(received.token(), &text, vec![]);
    assert_eq!(refused(edit.await), (401, 50027));
}

#[tokio::test]
async fn a_body_that_discord_finds_invalid_is_refused_with_the_field() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let http = http(&discord);
    let x = |count: usize| "x".repeat(count);
    let button =
        |id: usize| json!({ "type": 2, "style": 1, "label": "A", "custom_id": id.to_string() });
    let row =
        |components: Vec<Value>| json!({ "components": [{ "type": 1, "components": components }] });
    let select = |options: usize| {
        let option = |n: usize| json!({ "label": "A", "value": n.to_string() });
        let options: Vec<Value> = (0..options).map(option).collect();
        json!({ "type": 3, "custom_id": "s", "options": options })
    };
    let embed = |embed: Value| json!({ "embeds": [embed] });
    let field = json!({ "name": "n", "value": "v" });
    for (body, expected) in [
        (json!({ "content": x(2001) }), "content"),
        (embed(json!({ "title": x(257) })), "embeds.0.title"),
        (
            embed(json!({ "description": x(4097) })),
            "embeds.0.description",
        ),
        (
            embed(json!({ "title": "t", "footer": { "text": x(2049) } })),
            "embeds.0.footer.text",
        ),
        (
            embed(json!({ "fields": vec![field; 26] })),
            "embeds.0.fields",
        ),
        (
            embed(json!({ "fields": [{ "name": x(257), "value": "v" }] })),
            "embeds.0.fields.0.name",
        ),
        (
            embed(json!({ "fields": [{ "name": "n", "value": x(1025) }] })),
            "embeds.0.fields.0.value",
        ),
        (embed(json!({})), "embeds.0.description"),
        (
            json!({ "embeds": [{ "description": x(4000) }, { "description": x(2001) }] }),
            "embeds",
        ),
        (
            json!({ "embeds": vec![json!({ "title": "t" }); 11] }),
            "embeds",
        ),
        (row((0..6).map(button).collect()), "components.0.components"),
        (
            row(vec![button(1), button(1)]),
            "components.0.components.1.custom_id",
        ),
        (row(vec![button(1), select(1)]), "components.0.components.1"),
        (row(vec![select(26)]), "components.0.components.0.options"),
        (
            row(vec![
                json!({ "type": 2, "style": 1, "label": x(81), "custom_id": "a" }),
            ]),
            "components.0.components.0.label",
        ),
        (
            row(vec![
                json!({ "type": 2, "style": 1, "label": "A", "custom_id": x(101) }),
            ]),
            "components.0.components.0.custom_id",
        ),
        (
            json!({ "components": vec![json!({ "type": 1, "components": [button(1)] }); 6] }),
            "components",
        ),
        (
            json!({ "content": "x", "allowed_mentions": { "parse": ["roles"], "roles": ["1"] } }),
            "allowed_mentions",
        ),
        (
            json!({ "content": "x", "message_reference": { "message_id": "1" } }),
            "message_reference",
        ),
    ] {
        let error = http.send_message(square, vec![], &body).await.err();
        let (code, fields) = refusal(&error.unwrap_or_else(|| panic!("accepted: {body}")));
        assert_eq!(code, (400, 50035), "{body}");
        assert!(
            fields.contains(&expected.to_owned()),
            "{expected}: {fields:?}"
        );
    }
    let empty = http
        .send_message(square, vec![], &json!({ "content": "  " }))
        .await;
    assert_eq!(refused(empty), (400, 50006));
    assert!(discord.messages(square).is_empty());

    let mut commands = round_command();
    commands[0]["options"][0]["options"][0]["required"] = json!(false);
    commands[0]["options"][0]["options"][1]["required"] = json!(true);
    commands[1]["name"] = json!("Settings");
    let (_, fields) = refusal(&http.create_global_commands(&commands).await.unwrap_err());
    assert_eq!(fields, ["0.options.0.options.1", "1.name"]);
}

#[tokio::test]
async fn an_invalid_modal_or_choice_is_refused_and_leaves_the_interaction_open() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let ada = discord.member(town, "Ada").in_channel(square);
    let mut bot = Bot::start(&discord, GatewayIntents::GUILDS).await;
    bot.http
        .create_global_commands(&round_command())
        .await
        .unwrap();
    let x = |count: usize| "x".repeat(count);
    let input = |field: &str, value: Value| {
        let mut input = json!({ "type": 4, "custom_id": "a", "label": "A", "style": 1 });
        input[field] = value;
        json!({ "type": 1, "components": [input] })
    };
    let modal = |title: String, rows: Vec<Value>| json!({ "type": 9, "data": { "title": title, "custom_id": "m", "components": rows } });
    let fine = input("style", json!(1));

    ada.runs("round open", json!({ "question": "?" }));
    let received = bot.interaction().await;
    for wrong in [
        modal(x(46), vec![fine.clone()]),
        modal(x(1), vec![fine.clone(); 2]),
        modal(x(1), vec![]),
        modal(x(1), vec![input("label", json!(x(46)))]),
        modal(x(1), vec![input("value", json!(x(4001)))]),
        modal(x(1), vec![input("placeholder", json!(x(101)))]),
        modal(x(1), vec![input("max_length", json!(4001))]),
        json!({ "type": 8, "data": { "choices": [] } }),
        json!({ "type": 4, "data": { "content": x(2001) } }),
    ] {
        assert_eq!(bot.answer(&received, wrong).await, Err((400, 50035)));
    }
    let right = modal(x(45), vec![fine]);
    bot.answer(&received, right).await.unwrap();

    ada.types_into("round close", "round", "");
    let received = bot.interaction().await;
    let choices = |count, name: String| {
        let choice = json!({ "name": name, "value": "1" });
        json!({ "type": 8, "data": { "choices": vec![choice; count] } })
    };
    for wrong in [choices(26, x(1)), choices(1, x(101))] {
        assert_eq!(bot.answer(&received, wrong).await, Err((400, 50035)));
    }
    bot.answer(&received, choices(25, x(100))).await.unwrap();
}

#[tokio::test]
async fn permissions_come_from_roles_and_overwrites() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let http = http(&discord);
    let say = json!({ "content": "Hello" });
    let post = async |body: &Value| http.send_message(square, vec![], body).await;
    let message = post(&say).await.unwrap();

    discord.deny_bot(square, Permissions::EMBED_LINKS);
    let embed = json!({ "embeds": [{ "title": "t" }] });
    assert_eq!(refused(post(&embed).await), (403, 50013));
    discord.deny_bot(square, Permissions::ATTACH_FILES);
    let file = CreateAttachment::bytes("x", "a.txt");
    assert_eq!(
        refused(http.send_message(square, vec![file], &say).await),
        (403, 50013)
    );
    discord.deny_bot(square, Permissions::SEND_MESSAGES);
    assert_eq!(refused(post(&say).await), (403, 50013));
    discord.deny_bot(square, Permissions::CREATE_PUBLIC_THREADS);
    let named = json!({ "name": "t" });
    let thread = http.create_thread_from_message(square, message.id, &named, None);
    assert_eq!(refused(thread.await), (403, 50013));
    discord.deny_bot(square, Permissions::READ_MESSAGE_HISTORY);
    assert!(
        http.get_messages(square, None, None)
            .await
            .unwrap()
            .is_empty()
    );
    discord.deny_bot(square, Permissions::VIEW_CHANNEL);
    assert_eq!(refused(post(&say).await), (403, 50001));
    discord.set_permissions(discord.bot_role(town), Permissions::ADMINISTRATOR);
    post(&say).await.unwrap();

    let ada = discord.member(town, "Ada").in_channel(square).says("Hi");
    http.delete_message(square, ada.id, None).await.unwrap();
    discord.set_permissions(discord.bot_role(town), Permissions::empty());
    discord.deny_bot(square, Permissions::empty());
    let bob = discord.member(town, "Bob").in_channel(square).says("Hi");
    assert_eq!(
        refused(http.delete_message(square, bob.id, None).await),
        (403, 50013)
    );
    let edit = http.edit_message(square, bob.id, &say, vec![]).await;
    assert_eq!(refused(edit), (403, 50005));

    discord.kick_bot(town);
    assert_eq!(refused(http.get_guild(town).await), (404, 10004));
    assert_eq!(refused(http.get_channel(square).await), (403, 50001));
    assert_eq!(refused(http.get_channel(1.into()).await), (404, 10003));
}

#[tokio::test]
async fn the_first_of_an_emoji_takes_a_permission_and_the_twenty_first_is_refused() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let everyone = discord.everyone(town);
    let allowed = Permissions::VIEW_CHANNEL | Permissions::READ_MESSAGE_HISTORY;
    discord.set_permissions(everyone, allowed);
    discord.set_permissions(
        discord.bot_role(town),
        Permissions::SEND_MESSAGES | Permissions::ADD_REACTIONS,
    );
    let http = http(&discord);
    let message = http
        .send_message(square, vec![], &json!({ "content": "Rate" }))
        .await
        .unwrap();
    let seven = ReactionType::Unicode("7️⃣".to_owned());
    http.create_reaction(square, message.id, &seven)
        .await
        .unwrap();

    let posted = discord.message(message.id).unwrap();
    let people: Vec<_> = ["Ada", "Bob", "Cleo"]
        .map(|name| discord.member(town, name))
        .into();
    for person in &people {
        person.reacts(&posted, "7️⃣");
    }
    assert_eq!(
        people[0].tries_to_react(&posted, "1️⃣").unwrap_err().code,
        50013
    );
    people[1].unreacts(&posted, "7️⃣");
    let users = |after| http.get_reaction_users(square, message.id, &seven, 2, after);
    let first: Vec<UserId> = users(None)
        .await
        .unwrap()
        .iter()
        .map(|user| user.id)
        .collect();
    assert_eq!(first, [BOT, people[0].id]);
    let rest = users(Some(people[0].id.get())).await.unwrap();
    assert_eq!(rest[0].id, people[2].id);

    for letter in '🇦'..='🇸' {
        let letter = ReactionType::Unicode(letter.to_string());
        http.create_reaction(square, message.id, &letter)
            .await
            .unwrap();
    }
    let last = ReactionType::Unicode("🇹".to_owned());
    let refused = refused(http.create_reaction(square, message.id, &last).await);
    assert_eq!(refused, (403, 30010));
}

#[tokio::test]
async fn an_archived_thread_takes_no_reactions_but_wakes_for_a_message() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let http = http(&discord);
    let say = json!({ "content": "Hello" });
    let card = http.send_message(square, vec![], &say).await.unwrap();
    let bad = json!({ "name": "Round", "auto_archive_duration": 61 });
    let thread = http
        .create_thread_from_message(square, card.id, &bad, None)
        .await;
    assert_eq!(refused(thread), (400, 50035));
    let good = json!({ "name": "Round", "auto_archive_duration": 60 });
    let thread = http
        .create_thread_from_message(square, card.id, &good, None)
        .await
        .unwrap()
        .id;
    let again = http
        .create_thread_from_message(square, card.id, &good, None)
        .await;
    assert_eq!(refused(again), (400, 160_004));
    let inside = http.send_message(thread, vec![], &say).await.unwrap();

    discord.advance(Duration::from_secs(60 * 60));
    assert!(discord.is_archived(thread));
    let thumb = ReactionType::Unicode("👍".to_owned());
    let react = async || http.create_reaction(thread, inside.id, &thumb).await;
    assert_eq!(refused(react().await), (403, 50083));
    let edit = http.edit_message(thread, inside.id, &say, vec![]).await;
    assert_eq!(refused(edit), (403, 50083));
    http.send_message(thread, vec![], &say).await.unwrap();
    assert!(!discord.is_archived(thread));
    react().await.unwrap();

    discord.lock_thread(thread);
    assert_eq!(
        refused(http.send_message(thread, vec![], &say).await),
        (403, 50083)
    );
    let unarchive = json!({ "archived": false });
    assert_eq!(
        refused(http.edit_thread(thread, &unarchive, None).await),
        (403, 50013)
    );
}

#[tokio::test]
async fn messages_are_paged_attached_and_posted_once() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let http = http(&discord);
    for number in 1..=5 {
        let body = json!({ "content": number.to_string(), "nonce": number.to_string(), "enforce_nonce": true });
        let first = http.send_message(square, vec![], &body).await.unwrap();
        let second = http.send_message(square, vec![], &body).await.unwrap();
        assert_eq!(first.id, second.id);
    }
    let posted = discord.messages(square);
    assert_eq!(posted.len(), 5);
    let page = async |get: GetMessages| {
        let page = square.messages(&http, get).await.unwrap();
        page.iter()
            .map(|message| message.content.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(page(GetMessages::new().limit(2)).await, ["5", "4"]);
    assert_eq!(
        page(GetMessages::new().limit(2).before(posted[3].id)).await,
        ["3", "2"]
    );
    assert_eq!(
        page(GetMessages::new().limit(2).after(posted[1].id)).await,
        ["4", "3"]
    );
    assert_eq!(
        page(GetMessages::new().limit(3).around(posted[2].id)).await,
        ["4", "3", "2"]
    );

    let chart = CreateAttachment::bytes(
        b"\x89PNG\r\n\x1a\n----IHDR\0\0\0\x03\0\0\0\x02".as_slice(),
        "chart.png",
    );
    let body = json!({ "embeds": [{ "image": { "url": "attachment://chart.png" } }] });
    let message = http.send_message(square, vec![chart], &body).await.unwrap();
    let kept = discord.message(message.id).unwrap();
    assert_eq!(
        kept.attachment("chart.png").unwrap().png_size(),
        Some((3, 2))
    );
    assert_eq!(message.attachments[0].dimensions(), Some((3, 2)));
    let bytes = message.attachments[0].download().await.unwrap();
    assert_eq!(bytes, kept.attachments[0].bytes);
    assert!(
        message.embeds[0]
            .image
            .as_ref()
            .unwrap()
            .url
            .ends_with("/chart.png")
    );
}

#[tokio::test]
async fn only_allowed_mentions_of_those_who_may_be_mentioned_ping() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let ada = discord.member(town, "Ada");
    let crew = discord.role(town, "Crew", Permissions::empty());
    let quiet = discord.role(town, "Quiet", Permissions::empty());
    discord.set_mentionable(quiet, false);
    let http = http(&discord);
    let content = format!("@everyone <@&{crew}> <@&{quiet}> {}", ada.mention());
    let pinged = async |allowed: Value| {
        let body = json!({ "content": content, "allowed_mentions": allowed });
        let message = http.send_message(square, vec![], &body).await.unwrap();
        let mut pings = discord.pings();
        pings.retain(|ping| ping.message == message.id);
        pings.iter().map(|ping| ping.whom).collect::<Vec<_>>()
    };
    assert_eq!(
        pinged(Value::Null).await,
        [Pinged::User(ada.id), Pinged::Role(crew)]
    );
    assert_eq!(pinged(json!({ "parse": [] })).await, []);
    assert_eq!(
        pinged(json!({ "roles": [crew, quiet] })).await,
        [Pinged::Role(crew)]
    );
    discord.set_permissions(discord.bot_role(town), Permissions::MENTION_EVERYONE);
    assert_eq!(
        pinged(json!({ "parse": ["everyone"] })).await,
        [Pinged::Everyone]
    );
}

#[tokio::test]
async fn direct_messages_can_be_refused() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let ada = discord.member(town, "Ada");
    let http = http(&discord);
    let channel = http
        .create_private_channel(&json!({ "recipient_id": ada.id }))
        .await
        .unwrap();
    let say = json!({ "content": "Hello" });
    http.send_message(channel.id, vec![], &say).await.unwrap();
    discord.accept_direct_messages(&ada, false);
    assert_eq!(
        refused(http.send_message(channel.id, vec![], &say).await),
        (403, 50007)
    );
    assert_eq!(discord.direct_messages(&ada).len(), 1);
}

/// serenity drops an event that it cannot parse without a word.
#[tokio::test]
async fn serenity_understands_every_event() {
    let discord = FakeDiscord::start().await;
    discord.grant_intents(GatewayIntents::all());
    let town = discord.guild("Town");
    discord.set_permissions(discord.bot_role(town), Permissions::MANAGE_MESSAGES);
    let ada = discord.member(town, "Ada");
    let mut bot = Bot::start(&discord, GatewayIntents::all()).await;
    bot.http
        .create_global_commands(&round_command())
        .await
        .unwrap();

    let square = discord.channel(town, "square");
    let crew = discord.role(town, "Crew", Permissions::empty());
    discord.set_permissions(crew, Permissions::MANAGE_MESSAGES);
    discord.delete_role(crew);
    discord.deny_bot(square, Permissions::empty());
    let say = |content: &str| json!({ "content": content });
    let card = bot
        .http
        .send_message(square, vec![], &say("Card"))
        .await
        .unwrap();
    bot.http
        .edit_message(square, card.id, &say("Card!"), vec![])
        .await
        .unwrap();
    let card = discord.message(card.id).unwrap();
    ada.reacts(&card, "👍");
    ada.unreacts(&card, "👍");
    ada.reacts(&card, "👍");
    discord.clear_reactions(&card);
    let thumb = ReactionType::Unicode("👍".to_owned());
    bot.http
        .delete_message_reaction_emoji(square, card.id, &thumb)
        .await
        .unwrap();
    bot.http.pin_message(square, card.id, None).await.unwrap();
    let (one, two) = (
        ada.in_channel(square).says("1"),
        ada.in_channel(square).says("2"),
    );
    bot.http
        .delete_messages(square, &json!({ "messages": [one.id, two.id] }), None)
        .await
        .unwrap();
    let thread = ada.in_channel(square).starts_thread("Round");
    discord.archive_thread(thread);
    discord.delete_channel(thread);
    discord.delete_message(&card);
    let ada_in_square = ada.in_channel(square);
    ada_in_square.runs("round open", json!({ "question": "Open it?" }));
    bot.interaction().await;
    ada_in_square.types_into("round close", "round", "");
    bot.interaction().await;
    ada.leaves();
    discord.delete_channel(square);
    discord.kick_bot(town);
    discord.invite_bot(town);
    discord.drop_gateway();
    discord
        .wait_until("the bot to resume", || {
            (discord.resumed() > 0).then_some(())
        })
        .await;

    let mut seen: Vec<String> = Vec::new();
    for dispatch in discord.dispatches() {
        let name = dispatch["t"].as_str().unwrap().to_owned();
        match serde_json::from_value::<Event>(dispatch.clone()) {
            Ok(Event::Unknown(_)) => panic!("serenity does not understand {dispatch}"),
            Ok(_) => seen.push(name),
            Err(error) => panic!("{error}: {dispatch}"),
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(
        seen,
        [
            "CHANNEL_CREATE",
            "CHANNEL_DELETE",
            "CHANNEL_PINS_UPDATE",
            "CHANNEL_UPDATE",
            "GUILD_CREATE",
            "GUILD_DELETE",
            "GUILD_MEMBER_REMOVE",
            "GUILD_ROLE_CREATE",
            "GUILD_ROLE_DELETE",
            "GUILD_ROLE_UPDATE",
            "INTERACTION_CREATE",
            "MESSAGE_CREATE",
            "MESSAGE_DELETE",
            "MESSAGE_DELETE_BULK",
            "MESSAGE_REACTION_ADD",
            "MESSAGE_REACTION_REMOVE",
            "MESSAGE_REACTION_REMOVE_ALL",
            "MESSAGE_REACTION_REMOVE_EMOJI",
            "MESSAGE_UPDATE",
            "READY",
            "RESUMED",
            "THREAD_CREATE",
            "THREAD_DELETE",
            "THREAD_UPDATE",
        ]
    );
}

#[tokio::test]
async fn a_session_is_sent_only_its_shard_and_what_its_intents_include() {
    let discord = FakeDiscord::start().await;
    let guilds = [discord.guild("Town"), discord.guild("Village")];
    let channels = guilds.map(|guild| discord.channel(guild, "square"));
    discord.recommend_shards(2);
    let (mut client, mut bot) = Bot::build(&discord, GatewayIntents::GUILDS).await;
    tokio::spawn(async move { client.start_shard(0, 2).await });
    discord.wait_for_connection().await;
    let created = bot
        .next(|event| match event {
            FullEvent::GuildCreate { guild, .. } => Some(guild.id),
            _ => None,
        })
        .await;
    assert_eq!(created, guilds[0]);
    for (guild, channel) in guilds.iter().zip(channels) {
        let ada = discord.member(*guild, "Ada");
        let message = ada.in_channel(channel).says("Hi");
        ada.reacts(&message, "👍");
        discord.delete_channel(channel);
    }
    let names: Vec<String> = discord
        .dispatches()
        .iter()
        .map(|dispatch| dispatch["t"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["READY", "GUILD_CREATE", "CHANNEL_DELETE"]);
}

#[tokio::test]
async fn a_bot_that_lost_its_connection_gets_what_it_missed_but_not_what_an_outage_swallowed() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let ada = discord.member(town, "Ada");
    let message = ada.in_channel(square).says("Rate this");
    let intents = GatewayIntents::GUILDS | GatewayIntents::GUILD_MESSAGE_REACTIONS;
    let mut bot = Bot::start(&discord, intents).await;
    let reacted = |event| match event {
        FullEvent::ReactionAdd { add_reaction } => Some(add_reaction.emoji.to_string()),
        _ => None,
    };

    discord.drop_gateway();
    ada.reacts(&message, "1️⃣");
    assert_eq!(bot.next(reacted).await, "1️⃣");
    discord.close_gateway(4000);
    ada.reacts(&message, "2️⃣");
    assert_eq!(bot.next(reacted).await, "2️⃣");
    discord.ask_to_reconnect();
    ada.reacts(&message, "3️⃣");
    assert_eq!(bot.next(reacted).await, "3️⃣");
    assert_eq!(discord.identified(), 1);

    discord.begin_outage();
    ada.reacts(&message, "4️⃣");
    discord.end_outage();
    discord
        .wait_until("the bot to identify again", || {
            (discord.identified() > 1).then_some(())
        })
        .await;
    ada.reacts(&message, "5️⃣");
    assert_eq!(bot.next(reacted).await, "5️⃣");
    assert_eq!(
        discord.message(message.id).unwrap().reacted_with("4️⃣"),
        [ada.id]
    );
    bot.shards.shutdown_all().await;
}

#[tokio::test]
async fn requests_fail_on_demand() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let http = http(&discord);
    let post = async || {
        let body = json!({ "content": "x", "nonce": "1", "enforce_nonce": true });
        http.send_message(square, vec![], &body).await
    };
    discord.fail_next(1, "POST /channels/*/messages", 403, 50013);
    assert_eq!(refused(post().await), (403, 50013));
    discord.rate_limit_next(1, "POST /**", SOON);
    assert_eq!(refused(post().await).0, 429);
    discord.disturb_next(1, "POST /**", Fault::LostAnswer);
    assert_eq!(refused(post().await).0, 502);
    assert_eq!(discord.messages(square).len(), 1);
    discord.disturb_all("* /**", Fault::Delay(Duration::from_millis(50)));
    let started = Instant::now();
    post().await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert_eq!(discord.messages(square).len(), 1);
    discord.be_well();
    discord.disturb_next(1, "POST /**", Fault::Silence);
    assert!(tokio::time::timeout(SOON, post()).await.is_err());
}

#[tokio::test]
async fn serenitys_own_rate_limiter_keeps_to_the_limits() {
    let discord = FakeDiscord::start_tls().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    discord.enforce_rate_limits();
    let http = HttpBuilder::new(discord.token())
        .client(discord.https_client())
        .build();
    let message = http
        .send_message(square, vec![], &json!({ "content": "x" }))
        .await
        .unwrap();
    let started = Instant::now();
    for digit in 1..=4 {
        let emoji = ReactionType::Unicode(format!("{digit}\u{fe0f}\u{20e3}"));
        http.create_reaction(square, message.id, &emoji)
            .await
            .unwrap();
    }
    assert!(started.elapsed() >= Duration::from_millis(700));
    assert_eq!(discord.message(message.id).unwrap().reactions.len(), 4);
    discord.rate_limit_next_globally(1, "GET /users/@me", Duration::from_millis(200));
    http.get_current_user().await.unwrap();
    assert_eq!(discord.calls_to("GET /users/@me").len(), 2);
}

#[tokio::test]
async fn a_transcript_reads_like_the_channel() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let ada = discord.member(town, "Ada");
    let http = http(&discord);
    let button = json!({ "type": 2, "style": 1, "label": "Write", "custom_id": "w" });
    let body = json!({
        "content": "A round is open", "embeds": [{ "title": "Open it?", "footer": { "text": "1 of 5" } }],
        "components": [{ "type": 1, "components": [button] }],
    });
    let card = http.send_message(square, vec![], &body).await.unwrap();
    ada.reacts(&discord.message(card.id).unwrap(), "👍");
    let thread = http
        .create_thread_from_message(square, card.id, &json!({ "name": "Open it?" }), None)
        .await
        .unwrap();
    ada.in_channel(thread.id).says("Yes");
    assert_eq!(
        discord.transcript(square),
        "#square

Accord [APP]:
  A round is open
  │ **Open it?**
  │ 1 of 5
  [Write]
  👍 1

    #Open it?

    (continues Accord's message)

    Ada:
      Yes
"
    );
}

#[tokio::test]
async fn an_invalid_session_begins_anew_and_a_wrong_token_gets_none() {
    let discord = FakeDiscord::start().await;
    let bot = Bot::start(&discord, GatewayIntents::GUILDS).await;
    discord.invalidate_sessions(false);
    discord
        .wait_until("the bot to identify again", || {
            (discord.identified() == 2).then_some(())
        })
        .await;
    bot.shards.shutdown_all().await;

    let stranger = HttpBuilder::new("wrong")
        .proxy(discord.api_url())
        .ratelimiter_disabled(true)
        .build();
    assert_eq!(refused(stranger.get_current_user().await), (401, 0));
    let mut client = ClientBuilder::new_with_http(stranger, GatewayIntents::GUILDS)
        .framework(Forward(unbounded_channel().0))
        .await
        .unwrap();
    let error = client.start().await.unwrap_err();
    assert_eq!(error.to_string(), "Sent invalid authentication");
    let (mut client, _) = Bot::build(&discord, GatewayIntents::GUILD_MEMBERS).await;
    let error = client.start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Disallowed gateway intents were provided"
    );
}

/// The types are serenity's: an answer that it cannot read is an error.
#[tokio::test]
async fn serenity_understands_every_answer() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let ada = discord.member(town, "Ada");
    discord.set_nick(&ada, "Countess");
    discord.set_permissions(
        discord.bot_role(town),
        Permissions::MANAGE_CHANNELS | Permissions::MANAGE_MESSAGES | Permissions::MANAGE_THREADS,
    );
    let http = http(&discord);
    assert_eq!(
        http.get_bot_gateway().await.unwrap().url,
        discord.gateway_url()
    );
    let application = http.get_current_application_info().await.unwrap();
    assert_eq!(
        (application.id.get(), application.name),
        (BOT.get(), "Accord".to_owned())
    );
    assert_eq!(http.get_guilds(None, None).await.unwrap()[0].id, town);
    assert_eq!(http.get_guild(town).await.unwrap().name, "Town");
    assert_eq!(http.get_guild_roles(town).await.unwrap().len(), 2);
    assert_eq!(http.get_channels(town).await.unwrap()[0].id, square);
    let member = http.get_member(town, ada.id).await.unwrap();
    assert_eq!(member.nick.as_deref(), Some("Countess"));
    ada.leaves();
    assert_eq!(refused(http.get_member(town, ada.id).await), (404, 10007));

    let say = |text: &str| json!({ "content": text });
    let post = async |text: &str| http.send_message(square, vec![], &say(text)).await.unwrap();
    let first = post("1").await;
    http.pin_message(square, first.id, None).await.unwrap();
    assert_eq!(http.get_pins(square).await.unwrap()[0].id, first.id);
    let topic = json!({ "topic": "Rounds" });
    let changed = http.edit_channel(square, &topic, None).await.unwrap();
    assert_eq!(changed.topic.as_deref(), Some("Rounds"));
    http.broadcast_typing(square).await.unwrap();
    let doomed = json!({ "messages": [post("2").await.id, post("3").await.id] });
    http.delete_messages(square, &doomed, None).await.unwrap();
    assert_eq!(discord.messages(square).len(), 2);

    let named = json!({ "name": "Round", "type": 11 });
    let thread = http.create_thread(square, &named, None).await.unwrap();
    assert_eq!(
        thread.thread_metadata.unwrap().auto_archive_duration,
        4320.into()
    );
    http.join_thread_channel(thread.id).await.unwrap();
    let active = http.get_guild_active_threads(town).await.unwrap();
    assert_eq!(active.threads[0].id, thread.id);
    http.edit_thread(thread.id, &json!({ "archived": true }), None)
        .await
        .unwrap();
    let archived = http
        .get_channel_archived_public_threads(square, None, None)
        .await
        .unwrap();
    assert_eq!(archived.threads[0].id, thread.id);
    http.delete_channel(thread.id, None).await.unwrap();
    http.delete_channel(square, None).await.unwrap();
    assert_eq!(refused(http.get_channel(square).await), (404, 10003));
}

#[tokio::test]
async fn a_select_opens_a_modal_whose_submit_updates_the_message() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let ada = discord.member(town, "Ada");
    let mut bot = Bot::start(&discord, GatewayIntents::GUILDS).await;
    let option = json!({ "label": "2 disagree", "value": "2" });
    let select = json!({ "type": 3, "custom_id": "agreement", "options": [option] });
    let body = json!({ "content": "Rate", "components": [{ "type": 1, "components": [select] }] });
    let posted = bot.http.send_message(square, vec![], &body).await.unwrap();
    let posted = discord.message(posted.id).unwrap();

    assert!(ada.tries_to_select(&posted, "agreement", &["3"]).is_err());
    let selected = ada.selects(&posted, "agreement", &["2 disagree"]);
    let received = bot.interaction().await;
    let component = received.as_message_component().unwrap();
    assert_eq!(component.message.id, posted.id);
    let ComponentInteractionDataKind::StringSelect { values } = &component.data.kind else {
        panic!("expected a select, not {component:?}");
    };
    assert_eq!(values, &["2"]);
    let input = json!({ "type": 4, "custom_id": "why", "label": "Why?", "style": 1,
        "required": false });
    let modal = json!({ "custom_id": "m", "title": "Why?",
        "components": [{ "type": 1, "components": [input] }] });
    bot.answer(&received, json!({ "type": 9, "data": modal }))
        .await
        .unwrap();
    let modal = selected.modal().await;
    let sent = ada.submits(&modal, json!({}));
    let received = bot.interaction().await;
    let submitted = received.as_modal_submit().unwrap();
    assert_eq!(submitted.message.as_ref().unwrap().id, posted.id);
    let modal_again = bot
        .answer(&received, json!({ "type": 9, "data": {} }))
        .await;
    assert_eq!(modal_again, Err((400, 50035)));
    bot.answer(&received, json!({ "type": 6 })).await.unwrap();
    let edit = json!({ "content": "Rated", "components": [] });
    bot.http
        .edit_original_interaction_response(received.token(), &edit, vec![])
        .await
        .unwrap();
    assert_eq!(sent.reply().await.content, "Rated");
    let followup = json!({ "content": "Thanks", "flags": 64 });
    let thanks = bot
        .http
        .create_followup_message(received.token(), &followup, vec![])
        .await;
    assert_eq!(sent.followup().await.id, thanks.unwrap().id);
    assert_eq!(sent.followups()[0].only_for, Some(ada.id));
}

#[tokio::test]
async fn what_people_write_is_blank_without_the_intent_to_read_it() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let ada = discord.member(town, "Ada").in_channel(square);
    let http = http(&discord);
    let content = async |message| http.get_message(square, message).await.unwrap().content;
    let secret = ada.says("A secret").id;
    assert_eq!(content(secret).await, "");
    let to_bot = ada.says(&format!("<@{BOT}> hello")).id;
    assert_eq!(content(to_bot).await, format!("<@{BOT}> hello"));
    discord.grant_intents(GatewayIntents::MESSAGE_CONTENT);
    assert_eq!(content(secret).await, "A secret");
}

#[tokio::test]
async fn an_interaction_carries_languages_permissions_and_its_thread() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let ada = discord.member(town, "Ada");
    discord.set_locale(&ada, "de");
    discord.set_guild_locale(town, "fr");
    let mut bot = Bot::start(&discord, GatewayIntents::GUILDS).await;
    bot.http
        .create_guild_commands(town, &round_command())
        .await
        .unwrap();
    let thread = ada.in_channel(square).starts_thread("Round");
    discord.deny_bot(square, Permissions::ATTACH_FILES);
    let options = json!({ "question": "Open it?" });
    let opened = ada.in_channel(thread).runs("round open", options);
    let received = bot.interaction().await;
    let command = received.as_command().unwrap();
    assert_eq!(command.locale, "de");
    assert_eq!(command.guild_locale.as_deref(), Some("fr"));
    assert_eq!(command.channel.as_ref().unwrap().parent_id, Some(square));
    assert!(!command.app_permissions.unwrap().attach_files());
    let member = command.member.as_ref().unwrap();
    assert!(member.permissions.unwrap().attach_files());

    // serenity never asks for what a callback made; others may.
    let answered = reqwest::Client::new()
        .post(format!(
            "{}/api/v10/interactions/{}/{}/callback?with_response=true",
            discord.api_url(),
            received.id(),
            received.token()
        ))
        .header("content-type", "application/json")
        .body(r#"{ "type": 4, "data": { "content": "Opened" } }"#)
        .send()
        .await
        .unwrap();
    let answered: Value = serde_json::from_slice(&answered.bytes().await.unwrap()).unwrap();
    assert_eq!(answered["resource"]["message"]["content"], "Opened");
    assert_eq!(
        answered["interaction"]["response_message_id"],
        json!(opened.reply().await.id)
    );
}

#[tokio::test]
async fn every_request_is_kept_to_be_checked() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    let http = http(&discord);
    let chart = CreateAttachment::bytes("x", "chart.png");
    let body = json!({ "content": "A chart" });
    let sent = http.send_message(square, vec![chart], &body).await.unwrap();
    discord.fail_next(1, "DELETE /channels/*/messages/*", 500, 0);
    http.delete_message(square, sent.id, None)
        .await
        .unwrap_err();

    let statuses: Vec<_> = discord.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(200), Some(500)]);
    assert_eq!(discord.calls_to("POST /**")[0].files, ["chart.png"]);
    let path = format!("/api/v10/channels/{square}/messages");
    let lines: Vec<Value> = discord
        .calls_as_jsonl()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            json!({ "method": "POST", "path": path, "body": body }),
            json!({ "method": "DELETE", "path": format!("{path}/{}", sent.id) }),
        ]
    );
}

#[tokio::test]
#[should_panic(expected = "waited 50ms for a message in")]
async fn a_wait_that_is_in_vain_ends_with_the_last_requests() {
    let discord = FakeDiscord::start().await;
    let town = discord.guild("Town");
    let square = discord.channel(town, "square");
    discord.wait_at_most(Duration::from_millis(50));
    discord.wait_for_message(square, |_| true).await;
}
