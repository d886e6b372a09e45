//! What people do in a round, from its opening to the organisers' answer.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use serenity::all::{Permissions, RoleId, UserId};
use tokio::sync::watch;

use super::Step;
use crate::people::{id_on, pause, round_of};
use crate::support::discord::{Interaction, Message, Person};
use crate::support::town::{SOON, Town, button_of, candidate_of, digit, has_button, thread_of};

pub struct Script<'a> {
    town: &'a Town,
    /// Whether the bot listens.
    listens: watch::Receiver<bool>,
    step: watch::Sender<Step>,
    rng: ChaCha8Rng,
}

/// What people have been told that it was saved.
pub struct Told {
    pub round: u32,
    pub card: Message,
    /// The role that the round's announcements mention.
    pub notified: RoleId,
    pub opinions: BTreeMap<UserId, String>,
    /// What was chosen in the panel: the member, the candidate, the rating.
    pub agreement: BTreeMap<(UserId, u16), u8>,
    pub quality: BTreeMap<(UserId, u16), u8>,
    /// The organisers' reasons.
    pub reasons: String,
}

const QUESTION: &str =
    "Should our city run buses all night, even if most of them drive nearly empty?";

/// Short ones: what is drafted from long ones takes so long that a bot that is killed every few
/// seconds would hardly get beyond it.
const OPINIONS: [&str; 5] = [
    "The last bus goes before my shift ends, so I walk home for fifty minutes.",
    "For the same money the day buses could run every ten minutes.",
    "If it must be, then electric ones, and not down our street.",
    "Fridays and Saturdays are enough for me, and a minibus would do.",
    "Put a second member of staff on board and I will sign anything.",
];

impl<'a> Script<'a> {
    pub fn new(
        town: &'a Town,
        listens: watch::Receiver<bool>,
        step: watch::Sender<Step>,
        rng: ChaCha8Rng,
    ) -> Self {
        Self {
            town,
            listens,
            step,
            rng,
        }
    }

    pub async fn play(&self) -> Told {
        let discord = &self.town.discord;
        let notified = discord.role(self.town.guild, "Night owls", Permissions::empty());
        let card = self.open(notified).await;
        let (number, thread) = (round_of(&card), thread_of(&card));

        self.step.send_replace(Step::Opinions);
        let written = self.town.members.iter().enumerate();
        let opinions = join_all(written.map(|(place, member)| self.write(&card, place, member)));
        let opinions = opinions.await.into_iter().collect();
        self.organise("round close", json!({ "round": number }))
            .await;

        self.step.send_replace(Step::Drafting);
        let is_candidate = |message: &Message| has_button(message, "candidate:");
        discord.wait_for_message(thread, is_candidate).await;

        self.step.send_replace(Step::Posting);
        let rating_open = discord
            .wait_for_message(thread, |message| has_button(message, "rate:"))
            .await;

        self.step.send_replace(Step::Rating);
        let mut candidates = discord.messages(thread);
        candidates.retain(is_candidate);
        let rated = self.town.members.iter().enumerate();
        let chosen = join_all(
            rated.map(|(place, member)| self.rate(&rating_open, &candidates, place, member)),
        );
        let chosen: Vec<Chosen> = chosen.await.into_iter().flatten().collect();
        let of = |scale: Scale| {
            let of_scale = chosen.iter().filter(move |chosen| chosen.scale == scale);
            of_scale
                .map(|chosen| ((chosen.member, chosen.candidate), chosen.rating))
                .collect()
        };
        self.organise("round close", json!({ "round": number }))
            .await;

        self.step.send_replace(Step::ClosingEarly);
        let result = discord
            .wait_for_message(thread, |message| has_button(message, "why:"))
            .await;

        self.step.send_replace(Step::Result);
        let curious = &self.town.members[0];
        let why = button_of(&result, "why:");
        self.insist(|| curious.presses(&result, &why), seen).await;
        let reasons = format!("It begins in May, as round {number} asked.");
        let answer = json!({ "round": number, "verdict": "adopted", "reasons": reasons });
        self.organise("round answer", answer).await;
        discord
            .wait_for_change(&result, |message| message.text().contains(&reasons))
            .await;
        Told {
            round: number,
            card,
            notified,
            opinions,
            agreement: of(Scale::Agreement),
            quality: of(Scale::Quality),
            reasons,
        }
    }

    /// Opens a round; its card. Where Discord says that it failed, the organiser looks whether a card
    /// has appeared all the same before trying again.
    async fn open(&self, notified: RoleId) -> Message {
        let (discord, square) = (&self.town.discord, self.town.square);
        let last = discord.messages(square).last().map(|message| message.id);
        let is_new_card =
            |message: &Message| Some(message.id) > last && has_button(message, "opinion:");
        let card = async || discord.wait_for_message(square, is_new_card).await;
        let organiser = self.town.olga.in_channel(square);
        let terms = json!({ "question": QUESTION, "notify": notified.to_string(), "posted": 3 });
        let opens = || organiser.runs("round open", terms.clone());
        while self.attempt(opens, seen).await.is_none() {
            if let Some(card) = self.within_one_life(Duration::from_secs(5), card).await {
                return card;
            }
        }
        card().await
    }

    async fn organise(&self, command: &str, options: serde_json::Value) {
        let organiser = self.town.olga.in_channel(self.town.square);
        self.insist(|| organiser.runs(command, options.clone()), seen)
            .await;
    }

    /// A member writes an opinion; the second one changes it, the third one takes it back and writes
    /// again. What stands in the end.
    async fn write(&self, card: &Message, place: usize, member: &Person) -> (UserId, String) {
        let mut rng = self.rng_of(place);
        let mut text = OPINIONS[place].to_owned();
        let mut saved = self.submit(card, member, &text, &mut rng).await;
        match place {
            1 => {
                text += " I would look at the figures again after a year.";
                self.submit(card, member, &text, &mut rng).await;
            }
            2 => {
                let withdraw = button_of(&saved, "withdraw:");
                pause(0.2..1.0, &mut rng).await;
                saved = self
                    .insist(|| member.presses(&saved, &withdraw), seen)
                    .await;
                assert!(!saved.text().contains(&text), "{}", saved.text());
                text = text.replace("If it must be", "If that must be");
                self.submit(card, member, &text, &mut rng).await;
            }
            _ => {}
        }
        (member.id, text)
    }

    async fn submit(
        &self,
        card: &Message,
        member: &Person,
        text: &str,
        rng: &mut ChaCha8Rng,
    ) -> Message {
        let button = button_of(card, "opinion:");
        pause(0.2..2.0, rng).await;
        let form = self
            .insist(
                || member.presses(card, &button),
                async |pressed| pressed.modal().await,
            )
            .await;
        pause(0.5..2.0, rng).await;
        let saved = self
            .insist(|| member.submits(&form, json!({ "text": text })), seen)
            .await;
        let is_saved = has_button(&saved, "withdraw:");
        assert!(is_saved, "the opinion was not saved: {}", saved.text());
        saved
    }

    /// The first two members rate by reaction, the third one in the panel, but for a first reaction
    /// that the panel replaces; the fourth one in the panel, and the fifth one by a reaction that
    /// replaces what was chosen in the panel. The first one says in the panel how well the
    /// candidates are written.
    async fn rate(
        &self,
        rating_open: &Message,
        candidates: &[Message],
        place: usize,
        member: &Person,
    ) -> Vec<Chosen> {
        let mut rng = self.rng_of(100 + place);
        let mut chosen = Vec::new();
        let panel = match place {
            1 => None,
            _ => {
                pause(0.2..1.0, &mut rng).await;
                let rate = button_of(rating_open, "rate:");
                Some(
                    self.insist(|| member.presses(rating_open, &rate), seen)
                        .await,
                )
            }
        };
        for candidate in candidates {
            if matches!(place, 0..=2) {
                react(member, candidate, &mut rng).await;
            }
            if let Some(panel) = &panel {
                let scales: &[Scale] = match place {
                    0 => &[Scale::Quality],
                    3 => &[Scale::Agreement, Scale::Quality, Scale::Agreement],
                    _ => &[Scale::Agreement],
                };
                for &scale in scales {
                    let now = self.choose(panel, candidate, scale, member, &mut rng).await;
                    chosen.retain(|old: &Chosen| !old.is_replaced_by(&now));
                    chosen.push(now);
                }
            }
            if place == 4 {
                pause(0.2..1.0, &mut rng).await;
                member.reacts(candidate, &digit(rng.random_range(1..=7)));
                chosen.retain(|old| old.candidate != candidate_of(candidate));
            }
        }
        chosen
    }

    /// Turns the panel to a candidate, and chooses there.
    async fn choose(
        &self,
        panel: &Message,
        candidate: &Message,
        scale: Scale,
        member: &Person,
        rng: &mut ChaCha8Rng,
    ) -> Chosen {
        let name = match scale {
            Scale::Agreement => "agreement",
            Scale::Quality => "quality",
        };
        let (round, candidate) = (round_of(candidate), candidate_of(candidate));
        let select = format!("{name}:{round}:{candidate}");
        let panel = loop {
            let panel = self.town.discord.message(panel.id);
            let panel = panel.expect("nobody deletes it");
            if id_on(&panel, &select).is_some() {
                break panel;
            }
            let turn = button_of(&panel, "panel:");
            pause(0.2..0.5, rng).await;
            self.insist(|| member.presses(&panel, &turn), seen).await;
        };
        pause(0.2..1.0, rng).await;
        let rating: u8 = rng.random_range(1..=7);
        let value = rating.to_string();
        self.insist(|| member.selects(&panel, &select, &[&value]), seen)
            .await;
        Chosen {
            member: member.id,
            candidate,
            scale,
            rating,
        }
    }

    fn rng_of(&self, who: usize) -> ChaCha8Rng {
        let mut rng = self.rng.clone();
        // The keeper has the beginning.
        rng.set_word_pos((1 + who as u128) * 1000);
        rng
    }
}

/// Doing things with a bot that is killed now and then.
impl Script<'_> {
    /// Does something until the bot has answered it.
    async fn insist<T>(
        &self,
        act: impl Fn() -> Interaction,
        answer: impl AsyncFn(Interaction) -> T,
    ) -> T {
        loop {
            if let Some(answered) = self.attempt(&act, &answer).await {
                return answered;
            }
        }
    }

    /// Does something as soon as the bot listens; `None` if Discord says that it failed: after 3 s
    /// without an acknowledgement, or without an answer for long. If the bot is killed meanwhile that
    /// is known at once, which only saves time.
    async fn attempt<T>(
        &self,
        act: impl Fn() -> Interaction,
        answer: impl AsyncFn(Interaction) -> T,
    ) -> Option<T> {
        let mut listens = self.listens.clone();
        let keeper = listens.wait_for(|listens| *listens).await;
        keeper.expect("the keeper goes on");
        let interaction = act();
        let patience = async {
            tokio::time::sleep(SOON).await;
            if interaction.latency().is_some() {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        };
        tokio::select! {
            biased;
            answered = answer(interaction.clone()) => Some(answered),
            _ = listens.changed() => None,
            () = patience => None,
        }
    }

    /// What comes while the bot listens for so long without being killed.
    async fn within_one_life<T>(&self, long: Duration, comes: impl AsyncFn() -> T) -> Option<T> {
        loop {
            let mut listens = self.listens.clone();
            let keeper = listens.wait_for(|listens| *listens).await;
            keeper.expect("the keeper goes on");
            tokio::select! {
                come = comes() => return Some(come),
                _ = listens.changed() => {}
                () = tokio::time::sleep(long) => return None,
            }
        }
    }
}

/// The answer to an interaction, once the member sees it.
async fn seen(interaction: Interaction) -> Message {
    interaction.reply().await
}

/// Sets a digit, and half of the time another one after it; the first one is taken away before,
/// after, or never.
async fn react(member: &Person, candidate: &Message, rng: &mut ChaCha8Rng) {
    pause(0.2..1.5, rng).await;
    let first: u8 = rng.random_range(1..=7);
    member.reacts(candidate, &digit(first));
    if rng.random_bool(0.5) {
        let second = first % 7 + 1;
        let taken_away = rng.random_range(0..3);
        pause(0.2..1.5, rng).await;
        if taken_away == 0 {
            member.unreacts(candidate, &digit(first));
            pause(0.1..0.5, rng).await;
        }
        member.reacts(candidate, &digit(second));
        if taken_away == 1 {
            pause(0.1..0.5, rng).await;
            member.unreacts(candidate, &digit(first));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    Agreement,
    Quality,
}

/// A rating that was chosen in the panel.
struct Chosen {
    member: UserId,
    candidate: u16,
    scale: Scale,
    rating: u8,
}

impl Chosen {
    fn is_replaced_by(&self, later: &Chosen) -> bool {
        (self.candidate, self.scale) == (later.candidate, later.scale)
    }
}
