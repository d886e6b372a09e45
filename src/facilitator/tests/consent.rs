//! Who is asked about training, what is kept of those who agree, and what it gives the models.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::deliberation::consent::Consent;
use crate::deliberation::guild::{GuildSettings, Training};
use crate::deliberation::training_data::{Gathered, NotUsable};

const VILLAGE: Guild = Guild(2);

impl Host {
    async fn settles(&self, guild: Guild, training: Training) {
        let store = &self.facilitator.store;
        let set = move |settings: &mut GuildSettings| settings.training = training;
        store.change_settings(guild, set).await.unwrap();
    }

    async fn agrees(&self, guild: Guild, members: impl IntoIterator<Item = u64>, to: Training) {
        for member in members {
            let set = self.facilitator.set_consent(guild, Member(member), to);
            set.await.unwrap();
        }
    }

    async fn said(&self, member: u64) -> Consent {
        let said = self.facilitator.store.consent(GUILD, Member(member)).await;
        said.unwrap().expect("an answer")
    }

    /// A round of members 1 to 3, who rate all candidates 6.
    async fn concluded(&self) -> RoundKey {
        let key = self.rating().await;
        self.rate_all(key, 6).await;
        self.clock.advance(TimeDelta::hours(1));
        self.until_settled(key).await;
        key
    }

    async fn texts_expire(&self) {
        self.clock.advance(TimeDelta::days(31));
        self.facilitator.delete_what_expired().await.unwrap();
    }

    /// Of whom the text is still there.
    async fn texts(&self, key: RoundKey) -> Vec<u64> {
        let opinions = self.round(key).await.opinions;
        let with_text = opinions.iter().filter(|(_, o)| o.text.is_some());
        with_text.map(|(member, _)| member.0).collect()
    }

    async fn training_data(&self, guild: Guild) -> Gathered {
        self.facilitator.training_data(guild).await.unwrap()
    }

    async fn asks(&self, member: u64) -> Training {
        let asks = self.facilitator.asks_for_consent(GUILD, Member(member));
        asks.await.unwrap()
    }
}

#[tokio::test]
async fn everybody_is_asked_once_where_there_is_training() {
    let host = Host::new().await;
    assert_eq!(host.asks(1).await, Training::Off);
    host.settles(GUILD, Training::Shared).await;
    assert_eq!(host.asks(1).await, Training::Shared);
    assert_eq!(host.asks(1).await, Training::Off);
    assert!(!host.said(1).await.agreed);
    // Who has answered unasked.
    host.agrees(GUILD, [2], Training::Own).await;
    assert_eq!(host.asks(2).await, Training::Off);
    // Who had everything erased is as new.
    let erased = host.facilitator.erase_member(GUILD, Member(2));
    erased.await.unwrap();
    assert_eq!(host.asks(2).await, Training::Shared);
}

#[tokio::test]
async fn nobody_agrees_to_more_than_they_were_asked() {
    let host = Host::new().await;
    host.settles(GUILD, Training::Own).await;
    assert_eq!(host.asks(1).await, Training::Own);
    // It shares since.
    host.settles(GUILD, Training::Shared).await;
    host.agrees(GUILD, [1], Training::Own).await;
    let said = host.said(1).await;
    assert!(said.agreed && !said.shared);
    host.agrees(GUILD, [1], Training::Shared).await;
    assert!(host.said(1).await.shared);
    // The first question again takes nothing back.
    host.agrees(GUILD, [1], Training::Own).await;
    assert!(host.said(1).await.shared);
    // It no longer shares.
    host.settles(GUILD, Training::Own).await;
    host.agrees(GUILD, [2], Training::Shared).await;
    let said = host.said(2).await;
    assert!(said.agreed && !said.shared);
    host.agrees(GUILD, [1], Training::Off).await;
    let said = host.said(1).await;
    assert!(!said.agreed && !said.shared);
}

#[tokio::test]
async fn what_a_crash_left_in_the_middle_of_a_no_goes_with_the_next_no() {
    let host = Host::new().await;
    host.settles(GUILD, Training::Own).await;
    let key = host.concluded().await;
    host.agrees(GUILD, 1..=3, Training::Own).await;
    host.texts_expire().await;
    // The texts are released, the answer is not saved.
    let no_snapshot = host.facilitator.backing_up.lock().await;
    let no = host.facilitator.release(GUILD, Member(3), &no_snapshot);
    no.await.unwrap();
    drop(no_snapshot);
    assert_eq!(host.texts(key).await, [1, 2]);
    assert!(host.said(3).await.agreed);
    host.agrees(GUILD, [3], Training::Off).await;
    assert!(!host.said(3).await.agreed);
}

#[tokio::test]
async fn texts_of_those_who_agreed_stay_until_they_say_no() {
    let host = Host::new().await;
    host.settles(GUILD, Training::Own).await;
    let key = host.concluded().await;
    host.agrees(GUILD, [1, 3], Training::Own).await;
    host.agrees(GUILD, [2], Training::Off).await;
    assert_eq!(host.texts(key).await, [1, 2, 3]);
    host.texts_expire().await;
    assert_eq!(host.texts(key).await, [1, 3]);
    let due = host.facilitator.store.expired(Time::MAX_UTC).await;
    assert_eq!(due.unwrap(), []);
    // Nobody said no.
    host.settles(GUILD, Training::Off).await;
    host.texts_expire().await;
    assert_eq!(host.texts(key).await, [1, 3]);
    host.agrees(GUILD, [3], Training::Off).await;
    assert_eq!(host.texts(key).await, [1]);
    let erased = host.facilitator.erase_member(GUILD, Member(1));
    assert_eq!(erased.await.unwrap().rounds, 1);
    assert_eq!(host.texts(key).await, [] as [u64; 0]);
}

#[tokio::test]
async fn nothing_is_kept_where_training_is_off() {
    let host = Host::new().await;
    let key = host.concluded().await;
    host.agrees(GUILD, 1..=3, Training::Own).await;
    host.texts_expire().await;
    assert_eq!(host.texts(key).await, [] as [u64; 0]);
}

#[tokio::test]
async fn a_text_that_was_kept_and_is_no_longer_is_on_the_disk_no_more() {
    let host = Host::new().await;
    host.settles(GUILD, Training::Own).await;
    let key = host.concluded().await;
    host.agrees(GUILD, 1..=3, Training::Own).await;
    host.texts_expire().await;
    let snapshot = host.facilitator.make_snapshot(TimeDelta::zero());
    snapshot.await.unwrap();
    for place in ["tree", "backups"] {
        let place = host.folder.path().join(place);
        assert!(holds_text(&place, "Member number 3 thinks so"));
    }
    host.agrees(GUILD, 1..=3, Training::Off).await;
    assert_eq!(host.texts(key).await, [] as [u64; 0]);
    assert!(!holds_text(host.folder.path(), "thinks so"));
    // Going back to a snapshot takes no "no" back.
    let elsewhere = tempfile::tempdir().unwrap();
    let snapshots = &host.facilitator.backups.snapshots;
    let newest = snapshots.list(host.clock.now()).unwrap().swap_remove(0);
    Store::restore(elsewhere.path(), &newest.file).unwrap();
    let restored = Store::open(elsewhere.path()).unwrap();
    assert!(restored.round(key).await.unwrap().is_some());
    assert_eq!(restored.consents(GUILD).await.unwrap(), BTreeMap::new());
}

#[tokio::test]
async fn a_guild_is_trained_on_its_own_rounds_and_on_those_of_others_where_both_share() {
    let host = Host::new().await;
    let key = host.concluded().await;
    // The same in another guild.
    let mut elsewhere = host.round(key).await;
    elsewhere.key.guild = VILLAGE;
    let saved = host.facilitator.store.save(None, &elsewhere);
    saved.await.unwrap();
    assert_eq!(host.training_data(GUILD).await, Gathered::default());
    // When their guilds do not share, members agree to nothing but their own.
    let agree = async |training| {
        for guild in [GUILD, VILLAGE] {
            host.settles(guild, training).await;
            host.agrees(guild, 1..=3, training).await;
        }
    };
    agree(Training::Own).await;
    host.settles(GUILD, Training::Shared).await;
    host.settles(VILLAGE, Training::Shared).await;
    assert_eq!(host.training_data(GUILD).await.rounds, [key]);
    agree(Training::Shared).await;

    let rounds = async |mine, others| {
        host.settles(GUILD, mine).await;
        host.settles(VILLAGE, others).await;
        host.training_data(GUILD).await.rounds
    };
    let (own, both) = (vec![key], vec![key, elsewhere.key]);
    assert_eq!(rounds(Training::Own, Training::Shared).await, own);
    assert_eq!(rounds(Training::Shared, Training::Own).await, own);
    assert_eq!(rounds(Training::Shared, Training::Shared).await, both);
    assert_eq!(host.training_data(VILLAGE).await.rounds[0], elsewhere.key);

    // Each guild asks for itself.
    host.agrees(VILLAGE, [1], Training::Off).await;
    let gathered = host.training_data(GUILD).await;
    assert_eq!(gathered.rounds, own);
    assert_eq!(gathered.unusable[&NotUsable::TooFewAgreed], 1);
}

#[tokio::test]
async fn who_had_everything_erased_is_not_trained_on() {
    let host = Host::new().await;
    host.settles(GUILD, Training::Own).await;
    let key = host.opens_with(|_| {}).await;
    host.write(key, 1..=4).await;
    host.close_early(key).await;
    host.until(key, "rating").await;
    host.until_shown(key, Item::RatingOpen { stage: 0 }).await;
    host.rate_all(key, 6).await;
    host.clock.advance(TimeDelta::hours(1));
    host.until_settled(key).await;
    host.agrees(GUILD, 1..=4, Training::Own).await;
    let before = host.training_data(GUILD).await;
    assert_eq!((before.members, before.ratings), (4, 12));
    let erased = host.facilitator.erase_member(GUILD, Member(2));
    erased.await.unwrap();
    let after = host.training_data(GUILD).await;
    assert_eq!((after.members, after.ratings), (3, 9));
    let opinions: BTreeSet<_> = after.deliberations[0].opinions.iter().collect();
    assert!(!opinions.contains(&"Member number 2 thinks so".to_owned()));
}
