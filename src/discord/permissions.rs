//! Who may do what: members to Accord, and Accord to a channel.

use poise::serenity_prelude as serenity;
use serenity::all::Permissions;

use super::reply::{Asked, Failure};
use crate::deliberation::guild::GuildSettings;
use crate::deliberation::id::Role;
use crate::deliberation::round::RatingMode;

/// Refuses whoever may not run rounds here.
pub async fn require_organiser(asked: &Asked<'_>) -> Result<(), Failure> {
    let settings = asked.bot.facilitator.store.settings(asked.guild).await?;
    if is_organiser(asked.who, &settings) {
        Ok(())
    } else {
        Err(Failure::Told(asked.wording().say("not-an-organiser", &[])))
    }
}

/// Refuses whoever may not manage the server.
pub fn require_manager(asked: &Asked<'_>) -> Result<(), Failure> {
    let has = asked.who.permissions.unwrap_or_default();
    if has.intersects(Permissions::ADMINISTRATOR | Permissions::MANAGE_GUILD) {
        Ok(())
    } else {
        Err(Failure::Told(
            asked.wording().say("needs-manage-server", &[]),
        ))
    }
}

/// Whether a member may run rounds: by one of the roles that were set, or, where none was, by
/// permission to manage messages; whoever manages the server always may.
pub fn is_organiser(member: &serenity::Member, settings: &GuildSettings) -> bool {
    let permissions = member.permissions.unwrap_or_default();
    if permissions.intersects(Permissions::ADMINISTRATOR | Permissions::MANAGE_GUILD) {
        return true;
    }
    if settings.organisers.is_empty() {
        return permissions.manage_messages();
    }
    let mut roles = member.roles.iter().map(|role| Role(role.get()));
    roles.any(|role| settings.organisers.contains(&role))
}

/// What Accord lacks for a round in a channel.
///
/// `has` is what it may do there. Where it cannot make threads the round stays in the channel; where
/// it can, it must be able to write in them.
pub fn missing(has: Permissions, rating: RatingMode, threads: bool) -> Permissions {
    let mut needed = Permissions::VIEW_CHANNEL
        | Permissions::SEND_MESSAGES
        | Permissions::EMBED_LINKS
        | Permissions::ATTACH_FILES
        | Permissions::READ_MESSAGE_HISTORY;
    if rating == RatingMode::Reactions {
        needed |= Permissions::ADD_REACTIONS;
    }
    if threads && has.contains(Permissions::CREATE_PUBLIC_THREADS) {
        needed |= Permissions::SEND_MESSAGES_IN_THREADS;
    }
    if has.administrator() {
        Permissions::empty()
    } else {
        needed - has
    }
}

/// What Accord lacks to post in a channel or a thread, and to edit what it posted.
pub fn missing_for_messages(has: Permissions, in_thread: bool) -> Permissions {
    let send = match in_thread {
        true => Permissions::SEND_MESSAGES_IN_THREADS,
        false => Permissions::SEND_MESSAGES,
    };
    let needed = Permissions::VIEW_CHANNEL | send;
    if has.administrator() {
        Permissions::empty()
    } else {
        needed - has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(permissions: Permissions, roles: &[u64]) -> serenity::Member {
        serde_json::from_value(serde_json::json!({
            "user": { "id": "7", "username": "ada", "discriminator": "0", "avatar": null },
            "guild_id": "1",
            "roles": roles.iter().map(u64::to_string).collect::<Vec<_>>(),
            "joined_at": "2025-01-01T00:00:00Z", "deaf": false, "mute": false, "flags": 0,
            "permissions": permissions.bits().to_string(),
        }))
        .unwrap()
    }

    #[test]
    fn whoever_manages_messages_organises_until_roles_are_set() {
        let mut settings = GuildSettings::default();
        assert!(is_organiser(
            &member(Permissions::MANAGE_MESSAGES, &[]),
            &settings
        ));
        assert!(!is_organiser(
            &member(Permissions::empty(), &[5]),
            &settings
        ));
        settings.organisers = vec![Role(5)];
        assert!(!is_organiser(
            &member(Permissions::MANAGE_MESSAGES, &[]),
            &settings
        ));
        assert!(is_organiser(
            &member(Permissions::empty(), &[4, 5]),
            &settings
        ));
        assert!(is_organiser(
            &member(Permissions::MANAGE_GUILD, &[]),
            &settings
        ));
    }

    #[test]
    fn what_is_missing_is_named() {
        let all = Permissions::all() - Permissions::ADMINISTRATOR;
        assert!(missing(all, RatingMode::Reactions, true).is_empty());
        assert_eq!(
            missing(
                all - Permissions::ADD_REACTIONS - Permissions::EMBED_LINKS,
                RatingMode::Reactions,
                true
            ),
            Permissions::ADD_REACTIONS | Permissions::EMBED_LINKS
        );
        assert!(missing(all - Permissions::ADD_REACTIONS, RatingMode::Private, true).is_empty());
    }

    #[test]
    fn a_retraining_needs_to_be_told_of() {
        let all = Permissions::all() - Permissions::ADMINISTRATOR;
        let threads = Permissions::SEND_MESSAGES_IN_THREADS;
        for (in_thread, send) in [(false, Permissions::SEND_MESSAGES), (true, threads)] {
            assert!(missing_for_messages(all, in_thread).is_empty());
            assert_eq!(missing_for_messages(all - send, in_thread), send);
            assert!(missing_for_messages(all - send, !in_thread).is_empty());
            assert!(missing_for_messages(Permissions::ADMINISTRATOR, in_thread).is_empty());
        }
    }

    #[test]
    fn a_round_needs_to_write_in_threads_only_where_it_can_make_them() {
        let all = Permissions::all() - Permissions::ADMINISTRATOR;
        let mute = all - Permissions::SEND_MESSAGES_IN_THREADS;
        assert_eq!(
            missing(mute, RatingMode::Private, true),
            Permissions::SEND_MESSAGES_IN_THREADS
        );
        assert!(missing(mute, RatingMode::Private, false).is_empty());
        let none = mute - Permissions::CREATE_PUBLIC_THREADS;
        assert!(missing(none, RatingMode::Private, true).is_empty());
        assert!(missing(Permissions::ADMINISTRATOR, RatingMode::Reactions, true).is_empty());
    }
}
