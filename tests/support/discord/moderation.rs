//! What owners and moderators do: guilds, channels, roles, members, and taking them away.

use std::collections::BTreeMap;

use serde_json::json;
use serenity::all::{
    ChannelId, GatewayIntents, GuildId, PermissionOverwrite, PermissionOverwriteType, Permissions,
    RoleId, UserId,
};

use super::FakeDiscord;
use super::messages::Message;
use super::people::Person;
use super::world::{BOT, Channel, Guild, Member, Place, Role, User, World};

/// What @everyone may do in a new guild.
const OF_EVERYONE: Permissions = Permissions::VIEW_CHANNEL
    .union(Permissions::SEND_MESSAGES)
    .union(Permissions::SEND_MESSAGES_IN_THREADS)
    .union(Permissions::CREATE_PUBLIC_THREADS)
    .union(Permissions::EMBED_LINKS)
    .union(Permissions::ATTACH_FILES)
    .union(Permissions::ADD_REACTIONS)
    .union(Permissions::READ_MESSAGE_HISTORY)
    .union(Permissions::USE_APPLICATION_COMMANDS);

impl FakeDiscord {
    /// A guild with an owner and the bot, which may do no more than everyone. The first is on
    /// the first shard, the second on the second, and so on.
    pub fn guild(&self, name: &str) -> GuildId {
        self.change(|world| {
            let id = world.new_guild_id();
            let bot_role = RoleId::new(world.new_id());
            let owner = world.user_named("Owner");
            let role = |id, name: &str, permissions, of_bot| Role {
                id,
                name: name.to_owned(),
                permissions,
                mentionable: false,
                of_bot,
            };
            let member = |roles| Member {
                nick: None,
                roles,
                joined: world.clock.now(),
            };
            let guild = Guild {
                id,
                name: name.to_owned(),
                owner,
                locale: "en-US".to_owned(),
                roles: vec![
                    role(RoleId::new(id.get()), "@everyone", OF_EVERYONE, false),
                    role(bot_role, "Accord", Permissions::empty(), true),
                ],
                members: BTreeMap::from([(owner, member(vec![])), (BOT, member(vec![bot_role]))]),
            };
            world.guilds.insert(id, guild);
            world.announce_guild(id);
            id
        })
    }

    /// Sets a field of the application, as its developer does.
    pub fn set_application(&self, field: &'static str, value: serde_json::Value) {
        self.change(|world| world.application.insert(field, value));
    }

    /// A text channel.
    pub fn channel(&self, guild: GuildId, name: &str) -> ChannelId {
        self.change(|world| {
            let id = ChannelId::new(world.new_id());
            let channel = Channel {
                id,
                name: name.to_owned(),
                topic: None,
                place: Place::Text {
                    guild,
                    overwrites: Vec::new(),
                },
                messages: BTreeMap::new(),
                pins: Vec::new(),
            };
            world.channels.insert(id, channel);
            let data = world.channel_json(world.channel(id));
            world.dispatch_of_channel("CHANNEL_CREATE", id, data);
            id
        })
    }

    /// A member of this display name: somebody new, or the user who has it elsewhere too.
    pub fn member(&self, guild: GuildId, name: &str) -> Person {
        let id = self.change(|world| {
            let id = world.user_named(name);
            let joined = world.clock.now();
            let members = &mut world.guilds.get_mut(&guild).unwrap().members;
            members.entry(id).or_insert(Member {
                nick: None,
                roles: Vec::new(),
                joined,
            });
            id
        });
        Person {
            discord: self.clone(),
            id,
            guild,
        }
    }

    /// A role that nobody has yet, and that everybody can mention.
    pub fn role(&self, guild: GuildId, name: &str, permissions: Permissions) -> RoleId {
        self.change(|world| {
            let id = RoleId::new(world.new_id());
            let role = Role {
                id,
                name: name.to_owned(),
                permissions,
                mentionable: true,
                of_bot: false,
            };
            world.guilds.get_mut(&guild).unwrap().roles.push(role);
            world.announce_role("GUILD_ROLE_CREATE", guild, id);
            id
        })
    }

    pub fn give_role(&self, person: &Person, role: RoleId) {
        self.change(|world| {
            let guild = world.guilds.get_mut(&person.guild).unwrap();
            guild.members.get_mut(&person.id).unwrap().roles.push(role);
        });
    }

    pub fn everyone(&self, guild: GuildId) -> RoleId {
        self.look(|world| world.guild(guild).everyone())
    }

    /// The role that the bot was invited with.
    pub fn bot_role(&self, guild: GuildId) -> RoleId {
        self.look(|world| {
            let roles = &world.guild(guild).roles;
            roles.iter().find(|role| role.of_bot).unwrap().id
        })
    }

    pub fn set_permissions(&self, role: RoleId, permissions: Permissions) {
        self.change_role(role, |role| role.permissions = permissions);
    }

    pub fn set_mentionable(&self, role: RoleId, mentionable: bool) {
        self.change_role(role, |role| role.mentionable = mentionable);
    }

    fn change_role(&self, role: RoleId, change: impl FnOnce(&mut Role)) {
        self.change(|world| {
            let guild = world.guild_of_role(role);
            let roles = &mut world.guilds.get_mut(&guild).unwrap().roles;
            change(roles.iter_mut().find(|found| found.id == role).unwrap());
            world.announce_role("GUILD_ROLE_UPDATE", guild, role);
        });
    }

    /// Sets what a role or a member may and may not do in one channel.
    pub fn overwrite(
        &self,
        channel: ChannelId,
        of: PermissionOverwriteType,
        allow: Permissions,
        deny: Permissions,
    ) {
        self.change(|world| {
            let Place::Text { overwrites, .. } = &mut world.channel_mut(channel).place else {
                panic!("only channels have permission overwrites, {channel} has none");
            };
            overwrites.retain(|overwrite| overwrite.kind != of);
            overwrites.push(PermissionOverwrite {
                allow,
                deny,
                kind: of,
            });
            world.announce_change(channel);
        });
    }

    /// Denies the bot something in one channel.
    pub fn deny_bot(&self, channel: ChannelId, denied: Permissions) {
        let bot = PermissionOverwriteType::Member(BOT);
        self.overwrite(channel, bot, Permissions::empty(), denied);
    }

    pub fn delete_message(&self, message: &Message) {
        self.change(|world| world.remove_message(message.channel, message.id));
    }

    pub fn clear_reactions(&self, message: &Message) {
        self.change(|world| {
            let owner = world.owner_at(message.channel);
            world
                .clear_reactions(owner, message.channel, message.id, None)
                .unwrap();
        });
    }

    /// With its threads; or a thread alone.
    pub fn delete_channel(&self, channel: ChannelId) {
        self.change(|world| world.delete_channel(channel));
    }

    pub fn delete_role(&self, role: RoleId) {
        self.change(|world| {
            let id = world.guild_of_role(role);
            let guild = world.guilds.get_mut(&id).unwrap();
            guild.roles.retain(|found| found.id != role);
            for member in guild.members.values_mut() {
                member.roles.retain(|found| *found != role);
            }
            let data = json!({ "guild_id": id, "role_id": role });
            world.dispatch("GUILD_ROLE_DELETE", GatewayIntents::GUILDS, Some(id), &data);
        });
    }

    pub fn archive_thread(&self, thread: ChannelId) {
        self.change(|world| world.change_thread(thread, |thread| thread.archived = true));
    }

    pub fn unarchive_thread(&self, thread: ChannelId) {
        self.change(|world| world.change_thread(thread, |thread| thread.archived = false));
    }

    /// Closes it to all but moderators.
    pub fn lock_thread(&self, thread: ChannelId) {
        self.change(|world| {
            world.change_thread(thread, |thread| {
                thread.archived = true;
                thread.locked = true;
            });
        });
    }

    pub fn kick_bot(&self, guild: GuildId) {
        self.change(|world| world.remove_bot(guild));
    }

    pub fn invite_bot(&self, guild: GuildId) {
        self.change(|world| {
            let joined = world.clock.now();
            let guild = world.guilds.get_mut(&guild).unwrap();
            let roles = guild.roles.iter().filter(|role| role.of_bot);
            let member = Member {
                nick: None,
                roles: roles.map(|role| role.id).collect(),
                joined,
            };
            guild.members.insert(BOT, member);
            let id = guild.id;
            world.announce_guild(id);
        });
    }

    /// Discord loses a guild for a while, and then finds it again.
    pub fn make_unavailable(&self, guild: GuildId, unavailable: bool) {
        self.change(|world| match unavailable {
            false => world.announce_guild(guild),
            true => {
                let data = json!({ "id": guild, "unavailable": true });
                world.dispatch("GUILD_DELETE", GatewayIntents::GUILDS, Some(guild), &data);
            }
        });
    }

    /// What a member is called in the guild.
    pub fn set_nick(&self, person: &Person, nick: &str) {
        self.change(|world| {
            let guild = world.guilds.get_mut(&person.guild).unwrap();
            guild.members.get_mut(&person.id).unwrap().nick = Some(nick.to_owned());
        });
    }

    /// The member's language, and the guild's.
    pub fn set_locale(&self, person: &Person, locale: &str) {
        self.change(|world| world.users.get_mut(&person.id).unwrap().locale = locale.to_owned());
    }

    pub fn set_guild_locale(&self, guild: GuildId, locale: &str) {
        self.change(|world| world.guilds.get_mut(&guild).unwrap().locale = locale.to_owned());
    }

    pub fn accept_direct_messages(&self, person: &Person, accepts: bool) {
        self.change(|world| {
            world
                .users
                .get_mut(&person.id)
                .unwrap()
                .accepts_direct_messages = accepts;
        });
    }
}

impl World {
    fn user_named(&mut self, name: &str) -> UserId {
        if let Some(known) = self
            .users
            .values()
            .find(|user| user.name == name && !user.bot)
        {
            return known.id;
        }
        let id = UserId::new(self.new_id());
        let user = User {
            id,
            name: name.to_owned(),
            bot: false,
            locale: "en-US".to_owned(),
            accepts_direct_messages: true,
        };
        self.users.insert(id, user);
        id
    }

    fn guild_of_role(&self, role: RoleId) -> GuildId {
        let found = self
            .guilds
            .values()
            .find(|guild| guild.role(role).is_some());
        found
            .unwrap_or_else(|| panic!("there is no role {role}"))
            .id
    }

    fn owner_at(&self, channel: ChannelId) -> UserId {
        self.guild(self.channel(channel).guild().unwrap()).owner
    }

    fn announce_guild(&mut self, guild: GuildId) {
        let data = self.whole_guild_json(self.guild(guild));
        self.dispatch("GUILD_CREATE", GatewayIntents::GUILDS, Some(guild), &data);
    }

    fn announce_role(&mut self, event: &'static str, id: GuildId, role: RoleId) {
        let guild = self.guild(id);
        let role = self.role_json(guild, guild.role(role).unwrap());
        let data = json!({ "guild_id": id, "role": role });
        self.dispatch(event, GatewayIntents::GUILDS, Some(id), &data);
    }

    /// The bot is removed from a guild, or leaves it.
    pub fn remove_bot(&mut self, guild: GuildId) {
        let data = json!({ "id": guild });
        self.dispatch("GUILD_DELETE", GatewayIntents::GUILDS, Some(guild), &data);
        self.guilds.get_mut(&guild).unwrap().members.remove(&BOT);
        self.commands.of_guild.remove(&guild);
    }

    /// A member leaves a guild, or is removed.
    pub fn remove_member(&mut self, guild: GuildId, user: UserId) {
        let removed = self.guilds.get_mut(&guild).unwrap().members.remove(&user);
        if removed.is_some() {
            let data = json!({ "guild_id": guild, "user": self.user_json(user) });
            let intent = GatewayIntents::GUILD_MEMBERS;
            self.dispatch("GUILD_MEMBER_REMOVE", intent, Some(guild), &data);
        }
    }
}
