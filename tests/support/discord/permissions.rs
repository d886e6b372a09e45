//! Who may do what: roles, then the overwrites of the channel.

use serenity::all::{
    ChannelId, ChannelType, GuildId, PermissionOverwrite, PermissionOverwriteType, Permissions,
    UserId,
};

use super::refusal::{MISSING_ACCESS, MISSING_PERMISSIONS, Refusal, UNKNOWN_CHANNEL};
use super::world::{Channel, Guild, Place, World};

impl World {
    /// What `user` may do in the guild as a whole; nothing for somebody who is not a member.
    pub fn permissions_in_guild(&self, user: UserId, guild: GuildId) -> Permissions {
        let Some(guild) = self.guilds.get(&guild) else {
            return Permissions::empty();
        };
        let Some(member) = guild.members.get(&user) else {
            return Permissions::empty();
        };
        let granted = guild
            .roles
            .iter()
            .filter(|role| role.id == guild.everyone() || member.roles.contains(&role.id))
            .fold(Permissions::empty(), |all, role| all | role.permissions);
        if guild.owner == user || granted.contains(Permissions::ADMINISTRATOR) {
            Permissions::all()
        } else {
            granted
        }
    }

    /// What `user` may do in the channel, whether by role or by overwrite.
    pub fn permissions(&self, user: UserId, channel: ChannelId) -> Permissions {
        let Some(channel) = self.channels.get(&channel) else {
            return Permissions::empty();
        };
        match &channel.place {
            Place::Direct(_) => Permissions::dm_permissions(),
            Place::Text { guild, overwrites } => {
                let granted = self.granted_by(user, self.guild(*guild), overwrites);
                without_what_it_takes(granted, Permissions::SEND_MESSAGES)
            }
            Place::Thread(thread) => {
                let overwrites = match self
                    .channels
                    .get(&thread.parent)
                    .map(|parent| &parent.place)
                {
                    Some(Place::Text { overwrites, .. }) => overwrites.as_slice(),
                    _ => &[],
                };
                let granted = self.granted_by(user, self.guild(thread.guild), overwrites);
                let invited = thread.kind != ChannelType::PrivateThread
                    || thread.members.contains(&user)
                    || granted.contains(Permissions::MANAGE_THREADS);
                if !invited {
                    return Permissions::empty();
                }
                without_what_it_takes(granted, Permissions::SEND_MESSAGES_IN_THREADS)
            }
        }
    }

    fn granted_by(
        &self,
        user: UserId,
        guild: &Guild,
        overwrites: &[PermissionOverwrite],
    ) -> Permissions {
        let by_role = self.permissions_in_guild(user, guild.id);
        if by_role == Permissions::all() || !guild.members.contains_key(&user) {
            return by_role;
        }
        let roles = &guild.members[&user].roles;
        let of_everyone = PermissionOverwriteType::Role(guild.everyone());
        let after_everyone = overwritten(by_role, overwrites, |kind| kind == of_everyone);
        let after_roles = overwritten(after_everyone, overwrites, |kind| match kind {
            PermissionOverwriteType::Role(role) => roles.contains(&role),
            _ => false,
        });
        overwritten(after_roles, overwrites, |kind| {
            kind == PermissionOverwriteType::Member(user)
        })
    }

    /// The channel, if `user` may see it.
    pub fn seen_by(&self, user: UserId, channel: ChannelId) -> Result<&Channel, Refusal> {
        let found = self.channels.get(&channel).ok_or(UNKNOWN_CHANNEL)?;
        if self
            .permissions(user, channel)
            .contains(Permissions::VIEW_CHANNEL)
        {
            Ok(found)
        } else {
            Err(MISSING_ACCESS)
        }
    }

    pub fn require(
        &self,
        user: UserId,
        channel: ChannelId,
        needed: Permissions,
    ) -> Result<(), Refusal> {
        self.seen_by(user, channel)?;
        if self.permissions(user, channel).contains(needed) {
            Ok(())
        } else {
            Err(MISSING_PERMISSIONS)
        }
    }

    /// The permission that posting takes here.
    pub fn to_post_in(&self, channel: ChannelId) -> Permissions {
        match &self.channel(channel).place {
            Place::Thread(_) => Permissions::SEND_MESSAGES_IN_THREADS,
            _ => Permissions::SEND_MESSAGES,
        }
    }
}

/// Denials first, then grants, over all the overwrites of one rank together.
fn overwritten(
    permissions: Permissions,
    overwrites: &[PermissionOverwrite],
    of_rank: impl Fn(PermissionOverwriteType) -> bool,
) -> Permissions {
    let (allow, deny) = overwrites
        .iter()
        .filter(|overwrite| of_rank(overwrite.kind))
        .fold(
            (Permissions::empty(), Permissions::empty()),
            |(allow, deny), overwrite| (allow | overwrite.allow, deny | overwrite.deny),
        );
    (permissions - deny) | allow
}

/// Without seeing the channel nothing else counts, and without posting what posts can hold.
fn without_what_it_takes(granted: Permissions, to_post: Permissions) -> Permissions {
    if !granted.contains(Permissions::VIEW_CHANNEL) {
        return Permissions::empty();
    }
    if granted.contains(to_post) {
        return granted;
    }
    granted - Permissions::MENTION_EVERYONE - Permissions::EMBED_LINKS - Permissions::ATTACH_FILES
}
