//! Where the rounds take place, and what one sees there.

use std::time::Duration;

use rand::Rng;
use serenity::all::{ChannelId, GuildId, Permissions, RoleId};

use crate::support::discord::{FakeDiscord, Message, Person};

/// A guild with an organiser, and members who answer to a role.
pub struct Town {
    pub discord: FakeDiscord,
    pub guild: GuildId,
    pub square: ChannelId,
    pub organiser: Person,
    pub members: Vec<Person>,
    pub everybody: RoleId,
}

impl Town {
    pub async fn new(members: usize) -> Self {
        let discord = FakeDiscord::start().await;
        // Whatever takes too long is noticed by whoever waits.
        discord.wait_at_most(Duration::from_secs(3600));
        let guild = discord.guild("Town");
        let square = discord.channel(guild, "square");
        let organiser = discord.member(guild, "Olga");
        let organisers = discord.role(guild, "Organisers", Permissions::MANAGE_MESSAGES);
        discord.give_role(&organiser, organisers);
        let everybody = discord.role(guild, "Everybody", Permissions::empty());
        let members = (1..=members)
            .map(|number| discord.member(guild, &format!("Member {number}")))
            .collect();
        Self {
            discord,
            guild,
            square,
            organiser,
            members,
            everybody,
        }
    }
}

/// The thread of a round has the id of its card.
pub fn thread_of(card: &Message) -> ChannelId {
    ChannelId::new(card.id.get())
}

/// The custom id on a message that starts so: a button's or a select's.
pub fn id_on(message: &Message, start: &str) -> Option<String> {
    let components = [message.buttons(), message.selects()].concat();
    components
        .into_iter()
        .map(|component| component.custom_id)
        .find(|id| id.starts_with(start))
}

/// The number at the end of a custom id, such as 3 in `candidate:7:0:3`.
pub fn last_number(custom_id: &str) -> u32 {
    let number = custom_id.rsplit(':').next().and_then(|n| n.parse().ok());
    number.unwrap_or_else(|| panic!("expected a number at the end of {custom_id}"))
}

/// The reaction for a rating.
pub fn keycap(rating: u8) -> String {
    format!("{rating}\u{fe0f}\u{20e3}")
}

/// A time that is `mean` on average and of which nobody can tell how much is left.
pub fn exponential(mean: Duration, rng: &mut impl Rng) -> Duration {
    mean.mul_f64(-(1.0 - rng.random::<f64>()).ln())
}

/// How long somebody reads or thinks.
pub async fn pause(seconds: std::ops::Range<f64>, rng: &mut impl Rng) {
    tokio::time::sleep(Duration::from_secs_f64(rng.random_range(seconds))).await;
}
