//! Reactions, by the same rules for members and for the bot.

use serde_json::json;
use serenity::all::{ChannelId, GatewayIntents, MessageId, Permissions, UserId};

use super::messages::Message;
use super::refusal::{
    Refusal, THREAD_IS_ARCHIVED, TOO_MANY_REACTIONS, UNKNOWN_EMOJI, UNKNOWN_MESSAGE,
};
use super::wire::emoji_json;
use super::world::World;

#[derive(Clone, Debug)]
pub struct Reaction {
    pub emoji: String,
    /// In the order in which they reacted.
    pub users: Vec<UserId>,
}

impl World {
    /// A new emoji takes ADD_REACTIONS; one that is there already is open to all who can read.
    pub fn react(
        &mut self,
        user: UserId,
        channel: ChannelId,
        message: MessageId,
        emoji: &str,
    ) -> Result<(), Refusal> {
        const MOST: usize = 20;
        if !is_emoji(emoji) {
            return Err(UNKNOWN_EMOJI);
        }
        let found = self.readable_message(user, channel, message)?;
        let (kinds, author) = (found.reactions.len(), found.author);
        let is_new = found.reacted_with(emoji).is_empty();
        if self
            .channel(channel)
            .thread()
            .is_some_and(|thread| thread.archived)
        {
            return Err(THREAD_IS_ARCHIVED);
        }
        if is_new {
            self.require(user, channel, Permissions::ADD_REACTIONS)?;
            if kinds >= MOST {
                return Err(TOO_MANY_REACTIONS);
            }
        }
        let reactions = &mut self.message_mut(channel, message).unwrap().reactions;
        match reactions
            .iter_mut()
            .find(|reaction| reaction.emoji == emoji)
        {
            Some(reaction) if reaction.users.contains(&user) => return Ok(()),
            Some(reaction) => reaction.users.push(user),
            None => reactions.push(Reaction {
                emoji: emoji.to_owned(),
                users: vec![user],
            }),
        }
        let mut data = json!({
            "user_id": user, "channel_id": channel, "message_id": message,
            "emoji": emoji_json(emoji), "message_author_id": author, "burst": false, "type": 0,
        });
        if let Some(guild) = self.channel(channel).guild() {
            data["guild_id"] = json!(guild);
            data["member"] = self.member_json(guild, user);
        }
        self.dispatch_of_reaction("MESSAGE_REACTION_ADD", channel, data);
        Ok(())
    }

    pub fn unreact(
        &mut self,
        user: UserId,
        channel: ChannelId,
        message: MessageId,
        emoji: &str,
    ) -> Result<(), Refusal> {
        self.message(channel, message).ok_or(UNKNOWN_MESSAGE)?;
        if self
            .channel(channel)
            .thread()
            .is_some_and(|thread| thread.archived)
        {
            return Err(THREAD_IS_ARCHIVED);
        }
        let reactions = &mut self.message_mut(channel, message).unwrap().reactions;
        let Some(reaction) = reactions
            .iter_mut()
            .find(|reaction| reaction.emoji == emoji)
        else {
            return Err(UNKNOWN_EMOJI);
        };
        let before = reaction.users.len();
        reaction.users.retain(|reacted| *reacted != user);
        let removed = reaction.users.len() < before;
        reactions.retain(|reaction| !reaction.users.is_empty());
        if removed {
            let data = json!({
                "user_id": user, "channel_id": channel, "message_id": message,
                "guild_id": self.channel(channel).guild(), "emoji": emoji_json(emoji),
                "burst": false, "type": 0,
            });
            self.dispatch_of_reaction("MESSAGE_REACTION_REMOVE", channel, data);
        }
        Ok(())
    }

    /// Removes all reactions, or all of one emoji.
    pub fn clear_reactions(
        &mut self,
        user: UserId,
        channel: ChannelId,
        message: MessageId,
        emoji: Option<&str>,
    ) -> Result<(), Refusal> {
        self.require(user, channel, Permissions::MANAGE_MESSAGES)?;
        let found = self.message_mut(channel, message).ok_or(UNKNOWN_MESSAGE)?;
        found
            .reactions
            .retain(|reaction| emoji.is_some_and(|emoji| reaction.emoji != emoji));
        let mut data = json!({
            "channel_id": channel, "message_id": message,
            "guild_id": self.channel(channel).guild(),
        });
        let event = match emoji {
            None => "MESSAGE_REACTION_REMOVE_ALL",
            Some(emoji) => {
                data["emoji"] = emoji_json(emoji);
                data["burst"] = json!(false);
                data["type"] = json!(0);
                "MESSAGE_REACTION_REMOVE_EMOJI"
            }
        };
        self.dispatch_of_reaction(event, channel, data);
        Ok(())
    }

    /// A message that `user` may read; others' ephemeral ones do not exist.
    pub fn readable_message(
        &self,
        user: UserId,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<&Message, Refusal> {
        self.require(user, channel, Permissions::READ_MESSAGE_HISTORY)?;
        self.message(channel, message)
            .filter(|message| message.only_for.is_none())
            .ok_or(UNKNOWN_MESSAGE)
    }

    fn dispatch_of_reaction(
        &mut self,
        event: &'static str,
        channel: ChannelId,
        data: serde_json::Value,
    ) {
        let intent = match self.channel(channel).guild() {
            Some(_) => GatewayIntents::GUILD_MESSAGE_REACTIONS,
            None => GatewayIntents::DIRECT_MESSAGE_REACTIONS,
        };
        self.dispatch_in(channel, event, intent, data);
    }
}

/// Near enough: keycaps end in U+20E3, the others begin beyond the letters.
pub fn is_emoji(text: &str) -> bool {
    text.ends_with('\u{20e3}') || text.chars().next().is_some_and(|first| first >= '\u{203c}')
}
