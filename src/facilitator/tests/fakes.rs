//! A platform in memory, and models that do as they are told.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Result, bail};
use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use tokio::sync::Notify;

use crate::deliberation::distribution::RatingDistribution;
use crate::deliberation::id::{Channel, Guild, Member, Message, RoundKey};
use crate::deliberation::rating::Likert;
use crate::deliberation::retraining::{Retraining, RetrainingKey, State};
use crate::deliberation::round::board::Item;
use crate::deliberation::round::{Candidate, DraftInput, ModelVersions, Phase, Provenance, Round};
use crate::deliberation::welfare::WelfareFunction;
use crate::facilitator::models::{Models, TooSlow};
use crate::facilitator::platform::{Platform, PlatformError, RetrainingView, View};
use crate::facilitator::retraining::TrainingProgress;

/// What the facilitator asks of the platform.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    Post(Item),
    Edit(Item),
    Seed,
    Find,
    MakeThread,
    KeepOpen,
    Reactions,
    Retraining,
    FindRetraining,
}

/// How a call ends.
pub enum Fate {
    Done,
    /// Nothing is done.
    Fails(PlatformError),
    /// It is done, and nobody is told.
    LosesReply,
    /// Nothing is done, and it never returns.
    HangsBefore,
    /// It is done, and it never returns.
    HangsAfter,
}

pub fn refused() -> Fate {
    Fate::Fails(PlatformError::Refused("no permission".to_owned()))
}

pub fn unavailable() -> Fate {
    Fate::Fails(PlatformError::Unavailable("down".to_owned()))
}

/// All handles show the same world, which outlives the facilitators.
#[derive(Clone, Default)]
pub struct FakePlatform {
    world: Arc<Mutex<World>>,
}

type Rule = Box<dyn FnMut(Call) -> Fate + Send>;

#[derive(Default)]
pub struct World {
    pub messages: BTreeMap<Message, Standing>,
    pub calls: Vec<Call>,
    /// How often it was asked what something looks like.
    pub looks: usize,
    /// A call has come that never returns.
    pub hangs: bool,
    /// What the messages of retrainings have said, one after another.
    pub retrainings: BTreeMap<Message, Vec<String>>,
    /// The latest message of each.
    posted: HashMap<RetrainingKey, Message>,
    threads: HashMap<Message, Channel>,
    gone: HashSet<Channel>,
    last: u64,
    rule: Option<Rule>,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Standing {
    pub round: RoundKey,
    pub item: Item,
    pub channel: Channel,
    pub text: String,
    pub seeded: bool,
    pub deleted: bool,
    reactions: BTreeMap<Member, BTreeSet<Likert>>,
}

impl FakePlatform {
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// From now on.
    pub fn every_call(&self, rule: impl FnMut(Call) -> Fate + Send + 'static) {
        self.world().rule = Some(Box::new(rule));
    }

    pub fn recovers(&self) {
        let mut world = self.world();
        world.rule = None;
        world.hangs = false;
    }

    /// The messages that show an item, also those that were deleted, in the order of posting.
    pub fn of(&self, round: RoundKey, item: Item) -> Vec<(Message, Standing)> {
        let world = self.world();
        let messages = world.messages.iter();
        messages
            .filter(|(_, standing)| standing.round == round && standing.item == item)
            .map(|(message, standing)| (*message, standing.clone()))
            .collect()
    }

    /// What the only message of an item says.
    pub fn text_of(&self, round: RoundKey, item: Item) -> String {
        let messages = self.of(round, item);
        assert_eq!(messages.len(), 1, "messages of {item:?}: {messages:?}");
        messages[0].1.text.clone()
    }

    pub fn delete(&self, message: Message) {
        self.world().messages.get_mut(&message).unwrap().deleted = true;
    }

    pub fn delete_channel(&self, channel: Channel) {
        self.world().gone.insert(channel);
    }

    /// Without telling anybody.
    pub fn react(&self, message: Message, member: Member, digit: Likert) {
        let mut world = self.world();
        let standing = world.messages.get_mut(&message).unwrap();
        let set = standing.reactions.entry(member).or_default();
        set.insert(digit);
    }

    pub fn count(&self, call: impl Fn(Call) -> bool) -> usize {
        self.world()
            .calls
            .iter()
            .filter(|made| call(**made))
            .count()
    }

    async fn call<T>(
        &self,
        call: Call,
        channel: Channel,
        act: impl FnOnce(&mut World) -> Result<T, PlatformError>,
    ) -> Result<T, PlatformError> {
        tokio::task::yield_now().await;
        let (fate, done) = {
            let mut world = self.world();
            world.calls.push(call);
            let fate = world.rule.as_mut().map_or(Fate::Done, |rule| rule(call));
            let done = match fate {
                Fate::Fails(error) => return Err(error),
                Fate::HangsBefore => None,
                _ if world.gone.contains(&channel) => return Err(PlatformError::PlaceGone),
                _ => Some(act(&mut world)?),
            };
            world.hangs |= matches!(fate, Fate::HangsBefore | Fate::HangsAfter);
            (fate, done)
        };
        match (fate, done) {
            (Fate::Done, Some(done)) => Ok(done),
            (Fate::LosesReply, _) => Err(PlatformError::Unavailable("no reply".to_owned())),
            _ => pending().await,
        }
    }
}

impl World {
    fn standing(&mut self, message: Message) -> Result<&mut Standing, PlatformError> {
        self.messages
            .get_mut(&message)
            .filter(|standing| !standing.deleted)
            .ok_or(PlatformError::MessageGone)
    }
}

fn place_of(round: &Round, item: Item) -> Channel {
    let thread = round.place.thread.filter(|_| item != Item::Card);
    thread.unwrap_or(round.place.channel)
}

pub fn phase_name(round: &Round) -> &'static str {
    match round.phase {
        Phase::Opinions { .. } => "opinions",
        Phase::TooFew { .. } => "too few",
        Phase::Drafting { .. } => "drafting",
        Phase::Review { .. } => "review",
        Phase::Posting { .. } => "posting",
        Phase::Rating { .. } => "rating",
        Phase::Concluded { .. } => "concluded",
        Phase::Cancelled { .. } => "cancelled",
    }
}

impl Platform for FakePlatform {
    type Look = String;

    fn look(&self, view: &View<'_>, item: Item) -> String {
        self.world().looks += 1;
        let phase = phase_name(view.round);
        if let Item::Candidate { candidate, .. } = item
            && view.round.candidate(candidate).withdrawn_at.is_some()
        {
            return format!("{phase}, withdrawn");
        }
        if item != Item::Card {
            return phase.to_owned();
        }
        let mut text = format!("{phase}, {} opinions", view.round.opinions.len());
        let progress = view.progress;
        match progress.position {
            Some(0) => text += &format!(", {} of {}", progress.drafted, progress.wanted),
            Some(position) => text += &format!(", {position} before it"),
            None => {}
        }
        if let Some(answer) = &view.round.answer {
            text += &format!(", {:?}", answer.verdict);
        }
        text
    }

    fn fingerprint(look: &String) -> u64 {
        let mut hasher = DefaultHasher::new();
        look.hash(&mut hasher);
        hasher.finish()
    }

    async fn post(
        &self,
        round: &Round,
        item: Item,
        look: String,
    ) -> Result<Message, PlatformError> {
        let channel = place_of(round, item);
        self.call(Call::Post(item), channel, |world| {
            world.last += 1;
            let message = Message(world.last);
            let standing = Standing {
                round: round.key,
                item,
                channel,
                text: look,
                seeded: false,
                deleted: false,
                reactions: BTreeMap::new(),
            };
            world.messages.insert(message, standing);
            Ok(message)
        })
        .await
    }

    async fn edit(
        &self,
        round: &Round,
        item: Item,
        message: Message,
        look: String,
    ) -> Result<(), PlatformError> {
        self.call(Call::Edit(item), place_of(round, item), |world| {
            world.standing(message)?.text = look;
            Ok(())
        })
        .await
    }

    async fn seed(&self, round: &Round, message: Message) -> Result<(), PlatformError> {
        let channel = round.place.thread.unwrap_or(round.place.channel);
        self.call(Call::Seed, channel, |world| {
            world.standing(message)?.seeded = true;
            Ok(())
        })
        .await
    }

    async fn find(&self, round: &Round) -> Result<HashMap<Item, Message>, PlatformError> {
        let places = [Some(round.place.channel), round.place.thread];
        let channel = round.place.thread.unwrap_or(round.place.channel);
        self.call(Call::Find, channel, |world| {
            let found = world.messages.iter().filter(|(_, standing)| {
                let here = places.contains(&Some(standing.channel));
                here && standing.round == round.key && !standing.deleted
            });
            Ok(found
                .map(|(message, standing)| (standing.item, *message))
                .collect())
        })
        .await
    }

    async fn make_thread(
        &self,
        round: &Round,
        card: Message,
    ) -> Result<Option<Channel>, PlatformError> {
        self.call(Call::MakeThread, round.place.channel, |world| {
            world.standing(card)?;
            let thread = Channel(1000 + card.0);
            Ok(Some(*world.threads.entry(card).or_insert(thread)))
        })
        .await
    }

    async fn keep_thread_open(&self, round: &Round) -> Result<(), PlatformError> {
        let channel = round.place.thread.unwrap_or(round.place.channel);
        self.call(Call::KeepOpen, channel, |_| Ok(())).await
    }

    async fn reactions(
        &self,
        round: &Round,
        message: Message,
    ) -> Result<BTreeMap<Member, BTreeSet<Likert>>, PlatformError> {
        let channel = round.place.thread.unwrap_or(round.place.channel);
        self.call(Call::Reactions, channel, |world| {
            Ok(world.standing(message)?.reactions.clone())
        })
        .await
    }

    fn retraining_look(&self, view: &RetrainingView<'_>) -> String {
        let retraining = view.retraining;
        let TrainingProgress {
            before,
            share,
            held_up,
        } = view.progress;
        match &retraining.state {
            State::Waiting => format!("waiting, {before} before it"),
            State::Training => format!("training, {share} {held_up:?}"),
            State::Over { how, .. } => format!("over: {how:?}"),
        }
    }

    async fn post_retraining(
        &self,
        retraining: &Retraining,
        look: String,
    ) -> Result<Message, PlatformError> {
        self.call(Call::Retraining, retraining.channel, |world| {
            world.last += 1;
            let message = Message(world.last);
            world.retrainings.insert(message, vec![look]);
            world.posted.insert(retraining.key, message);
            Ok(message)
        })
        .await
    }

    async fn find_retraining(
        &self,
        retraining: &Retraining,
    ) -> Result<Option<Message>, PlatformError> {
        self.call(Call::FindRetraining, retraining.channel, |world| {
            Ok(world.posted.get(&retraining.key).copied())
        })
        .await
    }

    async fn edit_retraining(
        &self,
        channel: Channel,
        message: Message,
        look: String,
    ) -> Result<(), PlatformError> {
        self.call(Call::Retraining, channel, |world| {
            let said = world.retrainings.get_mut(&message);
            said.ok_or(PlatformError::MessageGone)?.push(look);
            Ok(())
        })
        .await
    }

    async fn names(&self, _: Guild, _: &[Member]) -> Vec<String> {
        Vec::new()
    }
}

/// What a drafting does instead of drafting.
pub enum Mishap {
    Fails,
    TooSlow,
    Panics,
    Hangs,
    /// Drafts two, and goes on when [`Scripted::go_on`] is notified.
    Waits,
}

/// Draft at once if nothing else is said.
#[derive(Default)]
pub struct Scripted {
    /// Of the next draftings.
    pub mishaps: Mutex<VecDeque<Mishap>>,
    pub go_on: Notify,
    /// How many draftings have begun.
    pub draftings: AtomicUsize,
    /// Of revisions: how many critiques the last one read.
    pub critiques: AtomicUsize,
    /// How many opinions a draft reads; 0: all.
    pub reads: AtomicUsize,
    /// Which version is active, by number.
    pub active: AtomicUsize,
    pub cannot_predict: AtomicBool,
    pub calibrated: AtomicBool,
}

impl Scripted {
    pub fn next(&self, mishaps: impl IntoIterator<Item = Mishap>) {
        self.mishaps.lock().unwrap().extend(mishaps);
    }

    pub fn draftings(&self) -> usize {
        self.draftings.load(Ordering::SeqCst)
    }

    async fn candidates(
        &self,
        versions: &ModelVersions,
        input: &DraftInput,
        seed: u64,
        drafted: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Vec<Candidate>> {
        let critiques_read: Vec<Member> = input
            .revision
            .iter()
            .flat_map(|revision| &revision.critiques)
            .map(|(member, _)| *member)
            .collect();
        self.critiques.store(critiques_read.len(), Ordering::SeqCst);
        let mishap = self.mishaps.lock().unwrap().pop_front();
        self.draftings.fetch_add(1, Ordering::SeqCst);
        match mishap {
            None => {}
            Some(Mishap::Fails) => bail!("out of memory"),
            Some(Mishap::TooSlow) => bail!(TooSlow {
                setting: "models.draft_within",
                within: Duration::from_secs(3600),
            }),
            Some(Mishap::Panics) => panic!("a model that panics on purpose"),
            Some(Mishap::Hangs) => pending().await,
            Some(Mishap::Waits) => {
                drafted(2);
                self.go_on.notified().await;
            }
        }
        let members: Vec<Member> = input.opinions.iter().map(|(member, _)| *member).collect();
        let reads = match self.reads.load(Ordering::SeqCst) {
            0 => members.len(),
            reads => reads,
        };
        let candidates = STATEMENTS.iter().skip(4 * input.stage).take(4);
        Ok(candidates
            .enumerate()
            .map(|(nth, text)| Candidate {
                text: (*text).to_owned(),
                provenance: Provenance {
                    generator: versions.generator.clone(),
                    reward_model: versions.reward_model.clone(),
                    prompt_sha256: String::new(),
                    seed,
                    temperature: 1.0,
                    top_p: 0.8,
                    opinions_read: members
                        .iter()
                        .copied()
                        .cycle()
                        .skip(nth)
                        .take(reads)
                        .collect(),
                    critiques_read: critiques_read.clone(),
                    drafted_at: Default::default(),
                    arm: None,
                },
                predictions: BTreeMap::new(),
                withdrawn_at: None,
                reports: Vec::new(),
                kept: false,
            })
            .collect())
    }
}

impl Models for Scripted {
    fn wanted(&self) -> usize {
        4
    }

    fn active(&self, _: Guild) -> BoxFuture<'_, Result<ModelVersions>> {
        let active = self.active.load(Ordering::SeqCst);
        let versions = ModelVersions {
            generator: format!("v{active}"),
            reward_model: format!("v{active}"),
        };
        std::future::ready(Ok(versions)).boxed()
    }

    fn draft<'a>(
        &'a self,
        versions: &'a ModelVersions,
        input: &'a DraftInput,
        _: &'a [String],
        seed: u64,
        drafted: &'a (dyn Fn(usize) + Send + Sync),
    ) -> BoxFuture<'a, Result<Vec<Candidate>>> {
        self.candidates(versions, input, seed, drafted).boxed()
    }

    fn predict<'a>(
        &'a self,
        _: &'a ModelVersions,
        _: &'a str,
        _: &'a str,
        statements: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<RatingDistribution>>> {
        let predicted = statements.iter().map(|statement| {
            let place = STATEMENTS.iter().position(|text| text == statement);
            let mut logits = [0.0; 7];
            logits[place.unwrap() % 7] = 3.0;
            RatingDistribution::from_logits(logits).unwrap()
        });
        let predicted = if self.cannot_predict.load(Ordering::SeqCst) {
            Err(anyhow::anyhow!("out of memory"))
        } else {
            Ok(predicted.collect())
        };
        std::future::ready(predicted).boxed()
    }

    fn is_calibrated<'a>(
        &'a self,
        _: &'a ModelVersions,
        _: WelfareFunction,
    ) -> BoxFuture<'a, Result<bool>> {
        std::future::ready(Ok(self.calibrated.load(Ordering::SeqCst))).boxed()
    }
}

/// The first four are drafted first, the others for a revision.
const STATEMENTS: [&str; 8] = [
    "Close the centre to cars on Saturdays and see what happens to the shops",
    "Charge every driver two euros and spend it all on night buses",
    "Nothing needs to change before the new bridge is open to traffic",
    "Build protected cycle lanes on three main roads within the next year",
    "Parking stays free for residents and becomes dear for everybody else",
    "Let the shopkeepers vote each spring on a calendar of closed days",
    "Trams first: no rule about cars makes sense until they run again",
    "Deliveries before ten, pedestrians afterwards, exemptions for disabled people",
];
