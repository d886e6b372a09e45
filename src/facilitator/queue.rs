//! Who is drafted for, and who waits: one drafting at a time a host.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

use crate::deliberation::id::RoundKey;

/// Rounds in the order in which they are drafted for; the first is being drafted.
#[derive(Debug)]
pub struct DraftingQueue {
    waiting: Mutex<VecDeque<(RoundKey, Arc<Notify>)>>,
    turn: Semaphore,
    /// Whether anybody is drafted for.
    busy: watch::Sender<bool>,
}

impl Default for DraftingQueue {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turn: Semaphore::new(1),
            busy: watch::Sender::new(false),
        }
    }
}

impl DraftingQueue {
    /// Waits for the round's turn, which lasts until the guard is dropped. `moved` is notified
    /// whenever the round's place in the queue has changed.
    pub async fn turn(&self, round: RoundKey, moved: Arc<Notify>) -> Turn<'_> {
        let place = Place { queue: self, round };
        self.lock().push_back((round, moved.clone()));
        moved.notify_one();
        self.busy.send_replace(true);
        // Fair: in the order of the calls.
        let permit = self.turn.acquire().await.expect("never closed");
        Turn {
            _permit: permit,
            _place: place,
        }
    }

    /// 0 for the round that is being drafted; `None` for a round that is not waiting.
    pub fn position(&self, round: RoundKey) -> Option<usize> {
        self.lock().iter().position(|(key, _)| *key == round)
    }

    /// How many are being drafted for, or wait for it.
    pub fn length(&self) -> usize {
        self.lock().len()
    }

    /// Whether anybody is being drafted for, or waits for it.
    pub fn busy(&self) -> watch::Receiver<bool> {
        self.busy.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(RoundKey, Arc<Notify>)>> {
        self.waiting.lock().expect("nobody panics with the queue")
    }
}

/// A round's turn to draft.
pub struct Turn<'a> {
    _permit: SemaphorePermit<'a>,
    _place: Place<'a>,
}

/// Leaves the queue when dropped, also when nobody waits for the turn any more.
struct Place<'a> {
    queue: &'a DraftingQueue,
    round: RoundKey,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.retain(|(key, _)| *key != self.round);
        self.queue.busy.send_replace(!waiting.is_empty());
        for (_, moved) in waiting.iter() {
            moved.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliberation::id::Guild;

    fn round(number: u32) -> RoundKey {
        RoundKey {
            guild: Guild(1),
            number,
        }
    }

    #[tokio::test]
    async fn rounds_are_drafted_one_after_another_and_see_their_place() {
        let queue = Arc::new(DraftingQueue::default());
        let moved = Arc::new(Notify::new());
        let first = queue.turn(round(1), Arc::default()).await;
        let second = tokio::spawn({
            let (queue, moved) = (queue.clone(), moved.clone());
            async move {
                let _turn = queue.turn(round(2), moved).await;
                queue.position(round(2))
            }
        });
        while queue.position(round(2)).is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(queue.position(round(1)), Some(0));
        assert_eq!(queue.position(round(2)), Some(1));
        assert_eq!(queue.length(), 2);
        drop(first);
        moved.notified().await;
        assert_eq!(second.await.unwrap(), Some(0));
        assert_eq!(queue.position(round(2)), None);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_queue() {
        let queue = DraftingQueue::default();
        let _first = queue.turn(round(1), Arc::default()).await;
        let waiting = queue.turn(round(2), Arc::default());
        let gave_up = tokio::time::timeout(std::time::Duration::from_millis(10), waiting).await;
        assert!(gave_up.is_err());
        assert_eq!(queue.position(round(2)), None);
    }

    #[tokio::test]
    async fn it_is_busy_until_the_last_round_has_left() {
        let queue = DraftingQueue::default();
        let busy = queue.busy();
        assert!(!*busy.borrow());
        let turn = queue.turn(round(1), Arc::default()).await;
        assert!(*busy.borrow());
        drop(turn);
        assert!(!*busy.borrow());
    }
}
