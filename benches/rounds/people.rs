//! What people see on messages, and how long they take.

use std::ops::Range;
use std::time::Duration;

use rand::Rng;

use crate::support::discord::Message;

/// The id of a button or a select on a message that begins so.
pub fn id_on(message: &Message, start: &str) -> Option<String> {
    let components = [message.buttons(), message.selects()].concat();
    components
        .into_iter()
        .map(|component| component.custom_id)
        .find(|id| id.starts_with(start))
}

/// The number of the round that a message belongs to, which stands first in every id.
pub fn round_of(message: &Message) -> u32 {
    let buttons = message.buttons();
    let mut ids = buttons.iter().map(|button| &button.custom_id);
    let number = ids.find_map(|id| id.split(':').nth(1)?.parse().ok());
    number.expect("every message of a round has a button")
}

/// A time that is `mean` on average, and of which it never tells how much is left.
pub fn exponential(mean: Duration, rng: &mut impl Rng) -> Duration {
    mean.mul_f64(-(1.0 - rng.random::<f64>()).ln())
}

/// Somebody reads, thinks or writes for some seconds.
pub async fn pause(seconds: Range<f64>, rng: &mut impl Rng) {
    tokio::time::sleep(Duration::from_secs_f64(rng.random_range(seconds))).await;
}
