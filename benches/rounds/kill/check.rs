//! What should be there after a round, and what is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use accord::deliberation::id::Member;
use accord::deliberation::rating::Likert;
use accord::deliberation::round::board::Item;
use accord::deliberation::round::{CandidateKey, Phase, Rating, Round};
use accord::discord::custom_id::{CustomId, item_of};
use serenity::all::{MessageId, UserId};

use super::script::Told;
use crate::people::round_of;
use crate::support::discord::{BOT, Message, Pinged};
use crate::support::town::{Town, digit, thread_of};

/// What is not as it was promised, one line each.
#[derive(Default)]
pub struct Findings {
    pub lost: Vec<String>,
    pub doubled: Vec<String>,
    pub leaked: Vec<String>,
    pub other: Vec<String>,
}

impl Findings {
    pub fn are_none(&self) -> bool {
        self.all().iter().all(|(_, found)| found.is_empty())
    }

    fn all(&self) -> [(&'static str, &[String]); 4] {
        [
            ("acknowledged and lost", &self.lost),
            ("posted twice", &self.doubled),
            ("seen by others", &self.leaked),
            ("otherwise wrong", &self.other),
        ]
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, found) in self.all() {
            writeln!(f, "{what}: {}", found.len())?;
            for line in found {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

/// Compares what people were told with the store, and the channel with what should stand there.
pub fn check(town: &Town, round: &Round, told: &Told, findings: &mut Findings) {
    if !matches!(round.phase, Phase::Concluded { .. }) {
        findings
            .other
            .push(format!("round {} is in {:?}", told.round, round.phase));
    }
    compare_opinions(round, told, findings);
    for member in &town.members {
        compare_ratings(town, round, told, member.id, findings);
    }
    let answered = round
        .answer
        .as_ref()
        .and_then(|answer| answer.reasons.as_ref());
    if answered != Some(&told.reasons) {
        findings
            .lost
            .push(format!("round {}: the answer is {answered:?}", told.round));
    }
    compare_messages(town, round, told, findings);
}

fn compare_opinions(round: &Round, told: &Told, findings: &mut Findings) {
    let stored = round.opinions.iter().map(|(member, opinion)| {
        let text = opinion.text.clone().unwrap_or_default();
        (UserId::new(member.0), text)
    });
    let stored: BTreeMap<UserId, String> = stored.collect();
    for member in told
        .opinions
        .keys()
        .chain(stored.keys())
        .collect::<BTreeSet<_>>()
    {
        if told.opinions.get(member) != stored.get(member) {
            findings.lost.push(format!(
                "round {}: {member} was told that this was saved: {:?}, and this is: {:?}",
                told.round,
                told.opinions.get(member),
                stored.get(member)
            ));
        }
    }
}

/// What was chosen in the panel must be there. Where nothing was, or a reaction came after it, the
/// reactions decide: a single one counts; of several the one that the bot saw last, or none, if it
/// saw none of them being set.
fn compare_ratings(town: &Town, round: &Round, told: &Told, user: UserId, findings: &mut Findings) {
    for (candidate, message) in candidates_of(town, round) {
        let rating = round.ratings.get(&(candidate, Member(user.get())));
        let digits: BTreeSet<u8> = (1..=7)
            .filter(|rating| message.reacted_with(&digit(*rating)).contains(&user))
            .collect();
        let key = (user, candidate.0);
        let agreement = number(rating.and_then(|rating| rating.agreement));
        let as_told = match told.agreement.get(&key) {
            Some(chosen) => agreement == Some(*chosen),
            None if digits.len() < 2 => agreement == digits.first().copied(),
            None => agreement.map_or_else(
                || rating.is_some_and(|rating| rating.unclear),
                |agreement| digits.contains(&agreement),
            ),
        };
        let quality = number(rating.and_then(|rating| rating.quality));
        if !as_told || quality != told.quality.get(&key).copied() {
            findings.lost.push(format!(
                "round {}: {user} chose {:?} and {:?} for candidate {} and set {digits:?}; stored is {:?}",
                told.round,
                told.agreement.get(&key),
                told.quality.get(&key),
                candidate.0,
                rating.map(described)
            ));
        }
    }
}

fn compare_messages(town: &Town, round: &Round, told: &Told, findings: &mut Findings) {
    let opinions = round.opinions.values();
    let texts: Vec<&str> = opinions
        .filter_map(|opinion| opinion.text.as_deref())
        .collect();
    let mut standing: Vec<(Item, MessageId)> = Vec::new();
    for message in public_messages(town, told) {
        if texts.iter().any(|text| message.text().contains(text)) {
            findings
                .leaked
                .push(format!("an opinion: {}", message.text()));
        }
        match item_on(&message) {
            Some(item) => standing.push((item, message.id)),
            None => findings
                .leaked
                .push(format!("an answer: {}", message.text())),
        }
    }
    let board = round.board();
    for &item in &board {
        let times = standing.iter().filter(|(other, _)| *other == item).count();
        let wrong = format!("round {}: {item:?} stands there {times} times", told.round);
        match times {
            0 => findings.other.push(wrong),
            1 => {}
            _ => findings.doubled.push(wrong),
        }
    }
    let unasked = standing.iter().filter(|(item, _)| !board.contains(item));
    findings.other.extend(
        unasked.map(|(item, _)| format!("round {}: {item:?} should not stand there", told.round)),
    );

    // Opening, and rating open.
    const ANNOUNCEMENTS: usize = 2;
    let pings = town.discord.pings();
    let of_round = || {
        pings
            .iter()
            .filter(|ping| ping.message == told.card.id || ping.channel == thread_of(&told.card))
    };
    let others = of_round().filter(|ping| ping.whom != Pinged::Role(told.notified));
    findings
        .other
        .extend(others.map(|ping| format!("round {}: pinged {:?}", told.round, ping.whom)));
    if of_round().count() > ANNOUNCEMENTS {
        let times = of_round().count();
        findings
            .doubled
            .push(format!("round {}: pinged {times} times", told.round));
    }
}

/// What the bot posted for a round that all members see: all in its thread, and of what stands in the
/// square its card, and whatever belongs to no round.
fn public_messages(town: &Town, told: &Told) -> Vec<Message> {
    const ORDINARY: u8 = 0;
    let others = |message: &Message| item_on(message).is_some() && round_of(message) != told.round;
    let mut messages = town.discord.messages(town.square);
    messages.retain(|message| !others(message));
    messages.extend(town.discord.messages(thread_of(&told.card)));
    messages.retain(|message| message.author == BOT && message.kind == ORDINARY);
    messages
}

fn item_on(message: &Message) -> Option<Item> {
    let buttons = message.buttons().into_iter();
    let ids: Vec<CustomId> = buttons
        .filter_map(|button| button.custom_id.parse().ok())
        .collect();
    item_of(&ids)
}

/// The candidates that were posted, and their messages as they stand now.
fn candidates_of(town: &Town, round: &Round) -> Vec<(CandidateKey, Message)> {
    let posted = round.shown.iter().filter_map(|shown| match shown.item {
        Item::Candidate { candidate, .. } => {
            let message = town.discord.message(MessageId::new(shown.message.0))?;
            Some((candidate, message))
        }
        _ => None,
    });
    posted.collect()
}

fn number(rating: Option<Likert>) -> Option<u8> {
    rating.map(u8::from)
}

fn described(rating: &Rating) -> String {
    let digits: Vec<u8> = rating.digits.iter().copied().map(u8::from).collect();
    format!(
        "agreement {:?}, quality {:?}, digits {digits:?}, unclear {}",
        number(rating.agreement),
        number(rating.quality),
        rating.unclear
    )
}
