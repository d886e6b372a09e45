//! When snapshots are made, and what is in them once a time is over.

use std::collections::BTreeSet;

use super::*;
use crate::store::snapshots::Snapshot;

impl Host {
    fn snapshots(&self) -> Vec<Snapshot> {
        self.facilitator
            .backups
            .snapshots
            .list(self.clock.now())
            .unwrap()
    }

    async fn until_snapshots(&self, count: usize) -> Vec<Snapshot> {
        eventually(&format!("{count} snapshots"), async || {
            let all = self.snapshots();
            (all.len() == count).then_some(all)
        })
        .await
    }

    /// As is done from time to time.
    async fn makes_snapshot(&self) {
        let every = self.facilitator.backups.every;
        self.facilitator.make_snapshot(every).await.unwrap();
    }

    fn in_snapshots(&self, text: &str) -> bool {
        holds_text(&self.folder.path().join("backups"), text)
    }
}

#[tokio::test]
async fn a_snapshot_is_made_at_the_start_and_when_something_has_changed() {
    let mut host = Host::new().await;
    host.until_snapshots(1).await;
    // Whoever starts again and again does not fill the folder.
    host.opens().await;
    host.restart().await;
    host.makes_snapshot().await;
    assert_eq!(host.snapshots().len(), 1);
    host.facilitator.stop().await.unwrap();
    host.clock.advance(TimeDelta::minutes(61));
    host.start().await;
    let all = host.until_snapshots(2).await;
    let rounds = |snapshot: &Snapshot| Store::verify(&snapshot.file).unwrap().contents.rounds;
    assert_eq!((rounds(&all[0]), rounds(&all[1])), (1, 0));

    let another = host.opens().await;
    host.makes_snapshot().await;
    assert_eq!(host.snapshots().len(), 2);
    host.clock.advance(TimeDelta::hours(6));
    let all = host.until_snapshots(3).await;
    assert_eq!(rounds(&all[0]), 2);
    host.round(another).await;
}

#[tokio::test]
async fn where_nothing_changes_there_is_always_one_that_is_not_too_old() {
    let host = Host::new().await;
    let first = host.until_snapshots(1).await;
    host.clock.advance(TimeDelta::hours(7));
    host.makes_snapshot().await;
    assert_eq!(host.snapshots(), first);
    host.clock.advance(TimeDelta::days(6));
    host.makes_snapshot().await;
    assert_eq!(host.snapshots(), first);
    host.clock.advance(TimeDelta::hours(12));
    host.makes_snapshot().await;
    assert_eq!(host.snapshots().len(), 2);
    host.clock.advance(TimeDelta::hours(12));
    host.makes_snapshot().await;
    let left = host.snapshots();
    assert!(left.len() == 1 && left != first);

    // Also where the clock was put back.
    host.clock.advance(TimeDelta::days(-2));
    host.makes_snapshot().await;
    let made = host.snapshots();
    assert!(made.len() == 1 && made[0].made_at <= host.clock.now());
    host.opens().await;
    host.makes_snapshot().await;
    assert_eq!(host.snapshots(), made, "it is not time yet");
}

#[tokio::test]
async fn texts_whose_time_is_over_are_in_no_snapshot_any_more() {
    let host = Host::new().await;
    let key = host.rating_with(|terms| terms.retention_days = 2).await;
    host.rate_all(key, 3).await;
    host.until_snapshots(1).await;
    // The next one has a name of its own.
    host.clock.advance(TimeDelta::seconds(1));
    host.facilitator
        .make_snapshot(TimeDelta::zero())
        .await
        .unwrap();
    let made = host.snapshots().swap_remove(0);
    host.clock.advance(TimeDelta::hours(1));
    host.until_settled(key).await;
    host.clock.advance(TimeDelta::days(1));
    host.facilitator.delete_what_expired().await.unwrap();
    assert!(host.in_snapshots("Member number 2 thinks so"));

    host.clock.advance(TimeDelta::days(2));
    host.facilitator.delete_what_expired().await.unwrap();
    let round = host.round(key).await;
    assert!(
        round
            .opinions
            .values()
            .all(|opinion| opinion.text.is_none())
    );
    assert!(!holds_text(host.folder.path(), "thinks so"));
    // The snapshot is still there, and the round in it as it was then.
    assert!(host.snapshots().contains(&made));
    let elsewhere = tempfile::tempdir().unwrap();
    Store::restore(elsewhere.path(), &made.file).unwrap();
    let restored = Store::open(elsewhere.path()).unwrap();
    let round = restored.round(key).await.unwrap().unwrap();
    assert_eq!(round.opinions.len(), 3);
    assert_eq!(phase_name(&round), "concluded");
}

#[tokio::test]
async fn a_guild_that_was_left_long_ago_is_in_no_snapshot_any_more() {
    let host = Host::new().await;
    let key = host.opens().await;
    host.write(key, [1]).await;
    host.facilitator.guild_left(GUILD).await.unwrap();
    host.clock.advance(GUILD_KEPT_FOR - TimeDelta::days(1));
    host.facilitator
        .make_snapshot(TimeDelta::zero())
        .await
        .unwrap();
    let question = "What should the town do about cars?";
    assert!(host.in_snapshots(question));
    host.clock.advance(TimeDelta::days(2));
    host.facilitator.delete_what_expired().await.unwrap();
    eventually("the guild is gone", async || {
        (!holds_text(host.folder.path(), question)).then_some(())
    })
    .await;
    assert!(!host.snapshots().is_empty());
}

#[tokio::test]
async fn a_sweep_that_could_not_end_is_ended_by_the_next_one() {
    let mut host = Host::new().await;
    let key = host.rating_with(|terms| terms.retention_days = 2).await;
    host.rate_all(key, 3).await;
    host.clock.advance(TimeDelta::hours(1));
    host.until_settled(key).await;
    host.clock.advance(TimeDelta::days(3));
    // There is no room for new files.
    let tree = host.folder.path().join("tree.part");
    std::fs::write(&tree, "").unwrap();
    eventually("the texts are deleted", async || {
        let _ = host.facilitator.delete_what_expired().await;
        let round = host.round(key).await;
        let mut opinions = round.opinions.values();
        opinions.all(|opinion| opinion.text.is_none()).then_some(())
    })
    .await;
    host.facilitator.delete_what_expired().await.unwrap_err();
    assert!(holds_text(host.folder.path(), "thinks so"));
    host.facilitator.stop().await.unwrap();
    std::fs::remove_file(&tree).unwrap();
    host.start().await;
    eventually("the files are new", async || {
        (!holds_text(host.folder.path(), "thinks so")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_guild_that_removed_the_bot_unnoticed_is_left_when_that_is_found() {
    let host = Host::new().await;
    let key = host.opens().await;
    host.write(key, [1]).await;
    let is_in = async |guilds, ours: fn(Guild) -> bool| {
        let guilds = BTreeSet::from_iter(guilds);
        host.facilitator.is_in(&guilds, ours).await.unwrap();
        let left = host.facilitator.store.guilds_left_before(Time::MAX_UTC);
        left.await.unwrap()
    };
    assert_eq!(is_in(vec![GUILD, Guild(7)], |_| true).await, []);
    // Another shard tells of other guilds.
    assert_eq!(is_in(vec![], |guild| guild != GUILD).await, []);
    assert_eq!(phase_name(&host.round(key).await), "opinions");
    assert_eq!(is_in(vec![], |_| true).await, [GUILD]);
    assert_eq!(phase_name(&host.round(key).await), "cancelled");
    // The second time that is no news.
    host.clock.advance(GUILD_KEPT_FOR);
    is_in(vec![], |_| true).await;
    host.clock.advance(TimeDelta::seconds(1));
    host.facilitator.delete_what_expired().await.unwrap();
    assert_eq!(host.facilitator.store.rounds(GUILD).await.unwrap(), []);
}
