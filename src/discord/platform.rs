//! Rounds and retrainings on Discord: messages, threads and reactions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use poise::serenity_prelude as serenity;
use serenity::all::{
    AutoArchiveDuration, ChannelId, CreateThread, EditThread, GetMessages, GuildId, Http,
    MessageId, Nonce, ReactionType, UserId,
};

use super::custom_id::{self, CustomId};
use super::http::{code, failure, patiently};
use super::neutral;
use super::render::{self, HostFacts, Look};
use super::wording::Languages;
use crate::deliberation::id::{Channel, Guild, Member, Message};
use crate::deliberation::rating::Likert;
use crate::deliberation::retraining::Retraining;
use crate::deliberation::round::board::Item;
use crate::deliberation::round::{Round, Time};
use crate::facilitator::platform::{Platform, PlatformError, RetrainingView, View};

/// Discord, as a place where rounds are shown.
pub struct DiscordPlatform {
    http: Arc<Http>,
    me: UserId,
    languages: Arc<Languages>,
    host: HostFacts,
    /// What members are called, as far as they were met since the start; never written anywhere.
    names: Mutex<HashMap<(Guild, Member), Vec<String>>>,
    /// Counts messages that are gone, so that one that is posted again has a nonce of its own.
    gone: AtomicU64,
}

impl DiscordPlatform {
    pub fn new(http: Arc<Http>, me: UserId, languages: Arc<Languages>, host: HostFacts) -> Self {
        Self {
            http,
            me,
            languages,
            host,
            names: Mutex::default(),
            gone: AtomicU64::new(rand::random()),
        }
    }

    /// A member was met who is called so.
    pub fn met(&self, guild: Guild, member: &serenity::Member) {
        let user = &member.user;
        let names = [
            Some(&user.name),
            user.global_name.as_ref(),
            member.nick.as_ref(),
        ];
        let names = names.into_iter().flatten().cloned().collect();
        self.names
            .lock()
            .expect("nobody panics with the names")
            .insert((guild, Member(user.id.get())), names);
    }

    /// Whether it was the bot that did something.
    pub fn is_me(&self, user: UserId) -> bool {
        user == self.me
    }

    /// A message was deleted.
    pub fn message_gone(&self) {
        self.gone.fetch_add(1, Ordering::Relaxed);
    }

    async fn set_reaction(
        &self,
        channel: ChannelId,
        message: MessageId,
        digit: Likert,
    ) -> Result<(), PlatformError> {
        let emoji = keycap(digit);
        patiently(|| self.http.create_reaction(channel, message, &emoji)).await
    }

    async fn who_reacted(
        &self,
        channel: ChannelId,
        message: MessageId,
        digit: Likert,
    ) -> Result<Vec<UserId>, PlatformError> {
        const PAGE: u8 = 100;
        let emoji = keycap(digit);
        let mut users: Vec<UserId> = Vec::new();
        loop {
            let after = users.last().map(|user| user.get());
            let page = patiently(|| {
                self.http
                    .get_reaction_users(channel, message, &emoji, PAGE, after)
            })
            .await?;
            let last = page.len() < usize::from(PAGE);
            users.extend(page.iter().map(|user| user.id));
            if last {
                return Ok(users);
            }
        }
    }
}

impl Platform for DiscordPlatform {
    type Look = Look;

    fn look(&self, view: &View<'_>, item: Item) -> Look {
        let wording = self.languages.of(&view.round.terms.language);
        render::look(&self.host, wording, view, item)
    }

    fn fingerprint(look: &Look) -> u64 {
        look.fingerprint()
    }

    async fn post(&self, round: &Round, item: Item, look: Look) -> Result<Message, PlatformError> {
        let channel = channel_of(round, item);
        let nonce = nonce(&(round.key, item, self.gone.load(Ordering::Relaxed)));
        let message = drawn(move || look.to_message())
            .await
            .nonce(Nonce::String(nonce))
            .enforce_nonce(true);
        let posted = patiently(|| channel.send_message(&self.http, message.clone()));
        Ok(Message(posted.await?.id.get()))
    }

    async fn edit(
        &self,
        round: &Round,
        item: Item,
        message: Message,
        look: Look,
    ) -> Result<(), PlatformError> {
        let channel = channel_of(round, item);
        let edit = drawn(move || look.to_edit()).await;
        let edited =
            patiently(|| channel.edit_message(&self.http, MessageId::new(message.0), edit.clone()))
                .await;
        if matches!(edited, Err(PlatformError::MessageGone)) {
            self.message_gone();
        }
        edited.map(|_| ())
    }

    async fn seed(&self, round: &Round, message: Message) -> Result<(), PlatformError> {
        let channel = place(round);
        for digit in Likert::ALL {
            self.set_reaction(channel, MessageId::new(message.0), digit)
                .await?;
        }
        Ok(())
    }

    async fn find(&self, round: &Round) -> Result<HashMap<Item, Message>, PlatformError> {
        let mut found = HashMap::new();
        let mut channels = vec![ChannelId::new(round.place.channel.0)];
        channels.extend(round.place.thread.map(|thread| ChannelId::new(thread.0)));
        for channel in channels {
            for message in self.own_messages(channel, round.opened_at).await? {
                if let Some(item) = item_of(&message, round) {
                    found.entry(item).or_insert(Message(message.id.get()));
                }
            }
        }
        Ok(found)
    }

    async fn make_thread(
        &self,
        round: &Round,
        card: Message,
    ) -> Result<Option<Channel>, PlatformError> {
        let channel = ChannelId::new(round.place.channel.0);
        let name = format!("#{} · {}", round.key.number, round.question);
        let name = neutral::label(&name, THREAD_NAME);
        let thread = CreateThread::new(name).auto_archive_duration(AutoArchiveDuration::OneWeek);
        let made = channel
            .create_thread_from_message(&self.http, MessageId::new(card.0), thread)
            .await;
        match made {
            Ok(thread) => Ok(Some(Channel(thread.id.get()))),
            // A thread has the id of the message that it was made from.
            Err(error) if code(&error) == Some(THREAD_EXISTS) => Ok(Some(Channel(card.0))),
            Err(error) => match failure(&error) {
                PlatformError::Refused(_) => Ok(None),
                other => Err(other),
            },
        }
    }

    async fn keep_thread_open(&self, round: &Round) -> Result<(), PlatformError> {
        let Some(thread) = round.place.thread else {
            return Ok(());
        };
        let open = EditThread::new()
            .archived(false)
            .auto_archive_duration(AutoArchiveDuration::OneWeek);
        let thread = ChannelId::new(thread.0);
        patiently(|| thread.edit_thread(&self.http, open.clone()))
            .await
            .map(|_| ())
    }

    async fn reactions(
        &self,
        round: &Round,
        message: Message,
    ) -> Result<BTreeMap<Member, BTreeSet<Likert>>, PlatformError> {
        let channel = place(round);
        let id = MessageId::new(message.0);
        let counted = patiently(|| self.http.get_message(channel, id)).await?;
        let mut set: BTreeMap<Member, BTreeSet<Likert>> = BTreeMap::new();
        for reaction in &counted.reactions {
            let Some(digit) = digit(&reaction.reaction_type) else {
                continue;
            };
            // Usually only the bot's own: nothing to ask for.
            if reaction.count <= u64::from(reaction.me) {
                continue;
            }
            for user in self.who_reacted(channel, id, digit).await? {
                if user != self.me {
                    set.entry(Member(user.get())).or_default().insert(digit);
                }
            }
        }
        Ok(set)
    }

    fn retraining_look(&self, view: &RetrainingView<'_>) -> Look {
        let wording = self.languages.of(&view.retraining.language);
        render::model::retraining(wording, view)
    }

    async fn post_retraining(
        &self,
        retraining: &Retraining,
        look: Look,
    ) -> Result<Message, PlatformError> {
        let channel = ChannelId::new(retraining.channel.0);
        let message = look
            .to_message()
            .nonce(Nonce::String(nonce(&retraining.key)))
            .enforce_nonce(true);
        let posted = patiently(|| channel.send_message(&self.http, message.clone()));
        Ok(Message(posted.await?.id.get()))
    }

    async fn find_retraining(
        &self,
        retraining: &Retraining,
    ) -> Result<Option<Message>, PlatformError> {
        let channel = ChannelId::new(retraining.channel.0);
        let number = retraining.key.number;
        let mine = self.own_messages(channel, retraining.asked_at).await?;
        let found = mine
            .iter()
            .find(|message| buttons_of(message).contains(&CustomId::CancelRetraining { number }));
        Ok(found.map(|message| Message(message.id.get())))
    }

    async fn edit_retraining(
        &self,
        channel: Channel,
        message: Message,
        look: Look,
    ) -> Result<(), PlatformError> {
        let channel = ChannelId::new(channel.0);
        let edit = look.to_edit();
        let message = MessageId::new(message.0);
        let edited = patiently(|| channel.edit_message(&self.http, message, edit.clone()));
        edited.await.map(|_| ())
    }

    async fn names(&self, guild: Guild, members: &[Member]) -> Vec<String> {
        let known = |member: Member| {
            self.names
                .lock()
                .expect("nobody panics with the names")
                .get(&(guild, member))
                .cloned()
        };
        let mut names = Vec::new();
        for &member in members {
            if known(member).is_none()
                && let Ok(met) = GuildId::new(guild.0)
                    .member(&self.http, UserId::new(member.0))
                    .await
            {
                self.met(guild, &met);
            }
            names.extend(known(member).into_iter().flatten());
        }
        names
    }
}

impl DiscordPlatform {
    /// What the bot has posted in a channel since then, the latest first.
    async fn own_messages(
        &self,
        channel: ChannelId,
        since: Time,
    ) -> Result<Vec<serenity::Message>, PlatformError> {
        // What is looked for was posted just before Accord stopped; people may have talked since.
        const PAGES: usize = 10;
        let mut own = Vec::new();
        let mut before: Option<MessageId> = None;
        for _ in 0..PAGES {
            let mut history = GetMessages::new().limit(100);
            if let Some(before) = before {
                history = history.before(before);
            }
            let mut page = patiently(|| channel.messages(&self.http, history)).await?;
            before = page.last().map(|message| message.id);
            let older = page
                .last()
                .is_none_or(|last| last.timestamp.unix_timestamp() < since.timestamp());
            page.retain(|message| message.author.id == self.me);
            own.append(&mut page);
            if older {
                break;
            }
        }
        Ok(own)
    }
}

/// Draws a chart where people who wait for an answer do not wait for that too.
pub async fn drawn<T: Send + 'static>(draw: impl FnOnce() -> T + Send + 'static) -> T {
    let drawn = tokio::task::spawn_blocking(draw).await;
    drawn.expect("drawing does not panic, and the runtime is there")
}

/// The item of the round that a message shows.
fn item_of(message: &serenity::Message, round: &Round) -> Option<Item> {
    let mut ids = buttons_of(message);
    ids.retain(|id| id.round() == Some(round.key.number));
    custom_id::item_of(&ids)
}

fn buttons_of(message: &serenity::Message) -> Vec<CustomId> {
    message
        .components
        .iter()
        .flat_map(|row| &row.components)
        .filter_map(|component| match component {
            serenity::ActionRowComponent::Button(button) => match &button.data {
                serenity::ButtonKind::NonLink { custom_id, .. } => custom_id.parse().ok(),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// Where all but the card of a round stands.
fn place(round: &Round) -> ChannelId {
    ChannelId::new(round.place.thread.unwrap_or(round.place.channel).0)
}

fn channel_of(round: &Round, item: Item) -> ChannelId {
    match item {
        Item::Card => ChannelId::new(round.place.channel.0),
        _ => place(round),
    }
}

/// The reaction that stands for a rating.
pub fn keycap(digit: Likert) -> ReactionType {
    ReactionType::Unicode(format!("{}\u{fe0f}\u{20e3}", u8::from(digit)))
}

/// The rating that a reaction stands for.
pub fn digit(reaction: &ReactionType) -> Option<Likert> {
    let ReactionType::Unicode(emoji) = reaction else {
        return None;
    };
    let digit = emoji.strip_suffix('\u{20e3}')?.trim_end_matches('\u{fe0f}');
    Likert::try_from(digit.parse::<u8>().ok()?).ok()
}

/// The same for the same post, at most 25 characters: Discord posts it once within some minutes.
fn nonce(post: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    post.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// In characters.
const THREAD_NAME: usize = 100;

/// "A thread has already been created for this message".
const THREAD_EXISTS: isize = 160004;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keycaps_are_ratings_and_nothing_else_is() {
        for rating in Likert::ALL {
            assert_eq!(digit(&keycap(rating)), Some(rating));
        }
        for other in [
            "8\u{fe0f}\u{20e3}",
            "0\u{fe0f}\u{20e3}",
            "7",
            "👍",
            "#\u{fe0f}\u{20e3}",
        ] {
            assert_eq!(digit(&ReactionType::Unicode(other.into())), None, "{other}");
        }
        // Some clients leave the variation selector out.
        assert_eq!(
            digit(&ReactionType::Unicode("3\u{20e3}".into())),
            Likert::try_from(3).ok()
        );
    }
}
