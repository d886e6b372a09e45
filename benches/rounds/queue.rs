//! Rounds that wait to be drafted for, so that the models are busy.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::json;
use serenity::all::ChannelId;

use crate::support::discord::Message;
use crate::support::town::{Town, has_button, thread_of};
use crate::visits;

/// Rounds that are only there to be drafted for.
pub struct Queue<'a> {
    town: &'a Town,
    channel: ChannelId,
    cards: RefCell<Vec<Message>>,
}

impl<'a> Queue<'a> {
    pub fn new(town: &'a Town) -> Self {
        Self {
            town,
            channel: town.discord.channel(town.guild, "depot"),
            cards: RefCell::default(),
        }
    }

    /// With one round that is being drafted for, and three that wait.
    pub async fn fill(&self) {
        while self.waiting() < 4 {
            let card = self.town.opens_round_in(self.channel, json!({})).await;
            visits::write_and_close(self.town, &card).await;
            self.cards.borrow_mut().push(card);
        }
    }

    pub async fn keep_full(&self) -> ! {
        loop {
            self.fill().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    pub fn drafted(&self) -> usize {
        let cards = self.cards.borrow();
        let drafted = cards.iter().filter(|card| {
            let messages = self.town.discord.messages(thread_of(card));
            messages
                .iter()
                .any(|message| has_button(message, "candidate:"))
        });
        drafted.count()
    }

    /// Also the one that is being drafted for.
    pub fn waiting(&self) -> usize {
        self.cards.borrow().len() - self.drafted()
    }
}
