//! A retraining: a model of a guild's own, trained on its ratings, from the question to the outcome.
//!
//! A retraining is a record, as a round is: what happens to it is one of its methods, and what is
//! shown of it is a function of it, so that it does not matter when Accord was stopped.

use std::collections::BTreeSet;

use chrono::{DurationRound, TimeDelta, Timelike};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::id::{Channel, Guild, Member, Message, RoundKey};
use super::round::Time;

/// A retraining: those of a guild are numbered from 1 in the order in which they were asked for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct RetrainingKey {
    pub guild: Guild,
    pub number: u32,
}

/// What is retrained.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    RewardModel,
    Generator,
}

/// One retraining.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Retraining {
    pub key: RetrainingKey,
    pub model: Model,
    pub by: Member,
    pub asked_at: Time,
    /// Where it is told how far it is.
    pub channel: Channel,
    /// What is told there is in this language, such as `de`; in English where it is not spoken.
    #[serde(default)]
    pub language: String,
    pub shown: Option<Shown>,
    /// What it is trained on, once that is written down; later rounds are for the next one.
    pub data: Option<TrainingSet>,
    /// Members in the data who had it erased since.
    pub erased: usize,
    /// How often the training failed and was tried again.
    pub failures: u8,
    /// Seconds of training so far, without pauses.
    pub worked_s: u64,
    pub state: State,
    /// Nothing of it is left to be done or shown.
    pub settled: bool,
}

/// The message that shows it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Shown {
    pub message: Message,
    /// Of what it looked like last.
    pub fingerprint: u64,
}

/// What a model is trained on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct TrainingSet {
    pub rounds: Vec<RoundKey>,
    /// Deliberations that were imported, beside the rounds.
    pub imported: usize,
    pub members: usize,
    pub ratings: usize,
    /// Members whose ratings count for less, since they did not rate the same twice.
    pub down_weighted: usize,
    /// Whose opinions or ratings are in it.
    pub contributors: BTreeSet<(Guild, Member)>,
    /// The version that the gate compares with; a change meanwhile makes its verdict worthless.
    pub against: Against,
}

/// Which version was active in the guild, and which one in the host.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Against {
    pub guild: String,
    pub host: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Others are before it, or the hours are not right.
    Waiting,
    Training,
    Over {
        at: Time,
        how: How,
    },
}

/// How a retraining ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The version is better than the one that was active, and is active now.
    Activated {
        version: String,
        figures: Figures,
    },
    /// It is not, and the other one stays.
    NotBetter {
        version: String,
        figures: Figures,
    },
    /// So many rounds have something to compare.
    NotEnoughRounds {
        rounds: usize,
    },
    /// It is better than a version that is active no more.
    Overtaken {
        version: String,
        figures: Figures,
    },
    /// No step of the training made anything better.
    NothingLearned,
    /// The training failed again and again.
    Failed,
    /// Training was turned off meanwhile, or too much was erased.
    NoData,
    Cancelled {
        by: Member,
    },
}

/// What the gate found: the version that was active against the new one, on rounds that the new one
/// had not seen.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Figures {
    pub rounds: usize,
    pub measure: Measure,
    pub active: f64,
    pub new: f64,
    /// The middle 90 % of what is gained.
    pub gain: [f64; 2],
}

/// What was compared.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Of a reward model: the share of pairs of statements that are ordered as a member did.
    Accuracy,
    /// Of a generator: the cross-entropy a token of statements that the group rated well; less is
    /// better.
    CrossEntropy,
}

/// Within what the host lets retrain.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub guilds: Guilds,
    pub hours: Hours,
    /// From the beginning of one retraining of a guild's model to that of the next.
    pub at_most_every: TimeDelta,
    /// Of a model of a guild.
    pub versions_kept: usize,
}

/// Which guilds may retrain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "GuildsText")]
pub enum Guilds {
    All,
    Only(BTreeSet<Guild>),
}

/// Hours of the day in UTC, as `0-24` or `22-6`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Hours {
    pub from: u32,
    pub until: u32,
}

/// Why no retraining can be asked for.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Refused {
    #[error("the host does not let this guild retrain")]
    NotAllowed,
    #[error("a retraining of this model is under way")]
    UnderWay { number: u32 },
    #[error("the last one was too short ago")]
    TooSoon { next: Time },
    #[error("the model of this host cannot be trained")]
    CannotBeTrained,
    #[error("the guild has training turned off")]
    TurnedOff,
    #[error("{rounds} rounds can be used, {needed} are needed")]
    TooFewRounds { rounds: usize, needed: usize },
}

/// So often a training that fails is tried again: it may have been killed, or memory was short.
const TRIES: u8 = 4;

/// Whoever trained for so many seconds has had their turn, whatever came of it.
const A_TURN_S: u64 = 60;

impl Retraining {
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over { .. })
    }

    /// The name of the version that comes of it.
    pub fn version_name(&self) -> String {
        match self.model {
            Model::RewardModel => format!("reward-{}", self.key.number),
            Model::Generator => format!("generator-{}", self.key.number),
        }
    }

    /// The version that came of it.
    pub fn version(&self) -> Option<&str> {
        match &self.state {
            State::Over {
                how:
                    How::Activated { version, .. }
                    | How::NotBetter { version, .. }
                    | How::Overtaken { version, .. },
                ..
            } => Some(version),
            _ => None,
        }
    }

    /// Whether something of a member of a guild is in its data.
    pub fn holds(&self, guild: Guild, member: Member) -> bool {
        let data = self.data.as_ref();
        data.is_some_and(|data| data.contributors.contains(&(guild, member)))
    }

    /// Whether nobody has ended it, and nobody left whose opinions and ratings are in `data`.
    pub fn goes_on_with(&self, data: &TrainingSet) -> bool {
        !self.is_over() && self.data.as_ref() == Some(data)
    }

    /// Until when it stands in the way of the guild's next one of this model; `None` where it came to
    /// nothing at once.
    pub fn counts_until(&self, limits: &Limits) -> Option<Time> {
        let counts = self.version().is_some() || self.worked_s >= A_TURN_S;
        counts.then(|| self.asked_at + limits.at_most_every)
    }

    /// Its turn has come.
    pub fn begin(&mut self, data: TrainingSet) {
        if !self.is_over() {
            self.data = Some(data);
            self.state = State::Training;
        }
    }

    /// It goes back into the queue, with its data and what was learned so far.
    pub fn wait(&mut self) {
        if !self.is_over() {
            self.state = State::Waiting;
        }
    }

    /// The training failed; whether it is over with that.
    pub fn failed(&mut self, now: Time) -> bool {
        self.failures += 1;
        let over = self.failures >= TRIES;
        if over {
            self.end(How::Failed, now);
        } else {
            self.wait();
        }
        over
    }

    /// Somebody ends it; whether there was something to end.
    pub fn cancel(&mut self, by: Member, now: Time) -> bool {
        self.end(How::Cancelled { by }, now)
    }

    /// It is over; whether it was not already.
    pub fn end(&mut self, how: How, now: Time) -> bool {
        if self.is_over() {
            return false;
        }
        self.state = State::Over { at: now, how };
        true
    }

    /// A member of a guild had everything erased, or takes back that it may be trained on: what is
    /// not over begins anew without it; what is over counts it. Whether anything of it was in the
    /// data.
    pub fn forget(&mut self, guild: Guild, member: Member) -> bool {
        let Some(data) = &mut self.data else {
            return false;
        };
        if !data.contributors.remove(&(guild, member)) {
            return false;
        }
        if self.is_over() {
            self.erased += 1;
        } else {
            self.begin_anew();
        }
        true
    }

    /// Everything of a guild is erased: as [`Self::forget`] of all its members, and its rounds are not
    /// named any more.
    pub fn forget_guild(&mut self, guild: Guild) -> bool {
        let over = self.is_over();
        let Some(data) = &mut self.data else {
            return false;
        };
        let contributors = data.contributors.len();
        data.contributors.retain(|(of, _)| *of != guild);
        let gone = contributors - data.contributors.len();
        let rounds = data.rounds.len();
        data.rounds.retain(|round| round.guild != guild);
        let changed = gone > 0 || data.rounds.len() < rounds;
        if over {
            self.erased += gone;
        } else if changed {
            self.begin_anew();
        }
        changed
    }

    fn begin_anew(&mut self) {
        self.data = None;
        self.worked_s = 0;
        self.state = State::Waiting;
    }

    /// A member of its guild had everything erased: it is not told any more that they asked for it,
    /// or cancelled it. Whether they did.
    pub fn anonymise(&mut self, member: Member) -> bool {
        let mut named = vec![&mut self.by];
        if let State::Over {
            how: How::Cancelled { by },
            ..
        } = &mut self.state
        {
            named.push(by);
        }
        named.retain(|who| **who == member);
        let changed = !named.is_empty();
        for who in named {
            *who = Member::ERASED;
        }
        // The name stands in the message.
        self.settled &= !changed || self.shown.is_none();
        changed
    }
}

/// Whether a guild may ask for a retraining, whose earlier ones are `known`.
///
/// # Errors
/// Why it may not.
pub fn may_ask(
    limits: &Limits,
    known: &[Retraining],
    guild: Guild,
    model: Model,
    now: Time,
) -> Result<(), Refused> {
    if !limits.guilds.contain(guild) {
        return Err(Refused::NotAllowed);
    }
    let of_model = known.iter().filter(|other| other.model == model);
    if let Some(other) = of_model.clone().find(|other| !other.is_over()) {
        let number = other.key.number;
        return Err(Refused::UnderWay { number });
    }
    // One that came to nothing at once may be repeated at once.
    match of_model
        .filter_map(|other| other.counts_until(limits))
        .max()
    {
        Some(next) if next > now => Err(Refused::TooSoon { next }),
        _ => Ok(()),
    }
}

impl Guilds {
    pub fn contain(&self, guild: Guild) -> bool {
        match self {
            Self::All => true,
            Self::Only(guilds) => guilds.contains(&guild),
        }
    }
}

/// In a file a list, in an environment variable one number or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum GuildsText {
    Word(String),
    One(u64),
    Many(BTreeSet<Guild>),
}

impl TryFrom<GuildsText> for Guilds {
    type Error = String;

    fn try_from(text: GuildsText) -> Result<Self, String> {
        match text {
            GuildsText::Word(word) if word == "all" => Ok(Self::All),
            GuildsText::Word(word) => Err(format!(
                "expected \"all\", or a list of ids of servers as [123, 456], not \"{word}\""
            )),
            GuildsText::One(guild) => Ok(Self::Only([Guild(guild)].into())),
            GuildsText::Many(guilds) => Ok(Self::Only(guilds)),
        }
    }
}

impl Hours {
    /// Whether it is one of these hours.
    pub fn contain(self, time: Time) -> bool {
        let hour = time.hour();
        if self.from < self.until {
            (self.from..self.until).contains(&hour)
        } else {
            hour >= self.from || hour < self.until
        }
    }

    /// The next full hour at which it changes whether it is one of these hours; `None` for all day.
    pub fn change_after(self, time: Time) -> Option<Time> {
        let hour = time.duration_trunc(TimeDelta::hours(1)).ok()?;
        (1..=24)
            .map(|hours| hour + TimeDelta::hours(hours))
            .find(|later| self.contain(*later) != self.contain(time))
    }
}

impl TryFrom<String> for Hours {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let hours = || {
            let (from, until) = text.split_once('-')?;
            let (from, until) = (from.trim().parse().ok()?, until.trim().parse().ok()?);
            (from < 24 && until <= 24 && from != until).then_some(Self { from, until })
        };
        hours().ok_or_else(|| {
            format!("expected hours of the day in UTC as \"0-24\" or \"22-6\", not \"{text}\"")
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn retraining(guild: u64, number: u32) -> Retraining {
        Retraining {
            key: RetrainingKey {
                guild: Guild(guild),
                number,
            },
            model: Model::RewardModel,
            by: Member(7),
            asked_at: at(9),
            channel: Channel(3),
            language: "en".into(),
            shown: None,
            data: None,
            erased: 0,
            failures: 0,
            worked_s: 0,
            state: State::Waiting,
            settled: false,
        }
    }

    pub(crate) fn set_of(members: &[u64]) -> TrainingSet {
        TrainingSet {
            contributors: members.iter().map(|id| (Guild(1), Member(*id))).collect(),
            ..TrainingSet::default()
        }
    }

    fn at(hour: u32) -> Time {
        format!("2026-11-28T{hour:02}:30:00Z").parse().unwrap()
    }

    fn hours(text: &str) -> Hours {
        Hours::try_from(text.to_owned()).unwrap()
    }

    fn limits() -> Limits {
        Limits {
            guilds: Guilds::All,
            hours: hours("0-24"),
            at_most_every: TimeDelta::hours(24),
            versions_kept: 5,
        }
    }

    const FIGURES: Figures = Figures {
        rounds: 12,
        measure: Measure::Accuracy,
        active: 0.5,
        new: 0.75,
        gain: [0.125, 0.375],
    };

    #[test]
    fn hours_may_go_past_midnight() {
        let night = hours("22-6");
        assert!(night.contain(at(23)) && night.contain(at(5)));
        assert!(!night.contain(at(6)) && !night.contain(at(21)));
        let change = |time| night.change_after(time).unwrap().to_string();
        assert_eq!(change(at(23)), "2026-11-29 06:00:00 UTC");
        assert_eq!(change(at(7)), "2026-11-28 22:00:00 UTC");
        assert_eq!(hours("0-24").change_after(at(7)), None);
    }

    #[test]
    fn what_is_no_hours_is_an_error_that_shows_it() {
        for text in ["", "24", "24-3", "3-25", "3-3", "a-b"] {
            let error = Hours::try_from(text.to_owned()).unwrap_err();
            assert!(error.ends_with(&format!("not \"{text}\"")), "{error}");
        }
    }

    #[test]
    fn one_of_a_model_is_asked_for_at_a_time_and_not_too_often() {
        let ask =
            |known: &[Retraining], model, now| may_ask(&limits(), known, Guild(1), model, now);
        let mut known = vec![retraining(1, 4)];
        let reward = Model::RewardModel;
        assert_eq!(
            ask(&known, reward, at(10)),
            Err(Refused::UnderWay { number: 4 })
        );
        assert_eq!(ask(&known, Model::Generator, at(10)), Ok(()));
        known[0].end(
            How::NotBetter {
                version: "reward-4".to_owned(),
                figures: FIGURES,
            },
            at(11),
        );
        let next = at(9) + TimeDelta::hours(24);
        assert_eq!(ask(&known, reward, at(12)), Err(Refused::TooSoon { next }));
        assert_eq!(ask(&known, reward, next), Ok(()));
    }

    #[test]
    fn what_came_to_nothing_may_be_repeated_at_once_unless_it_had_its_turn() {
        let mut known = vec![retraining(1, 1)];
        known[0].cancel(Member(7), at(10));
        let ask =
            |known: &[Retraining]| may_ask(&limits(), known, Guild(1), Model::RewardModel, at(10));
        known[0].worked_s = A_TURN_S - 1;
        assert_eq!(ask(&known), Ok(()));
        known[0].worked_s = A_TURN_S;
        // One that came to nothing later does not hide it.
        known.push(retraining(1, 2));
        known[1].cancel(Member(7), at(10));
        let next = at(9) + TimeDelta::hours(24);
        assert_eq!(ask(&known), Err(Refused::TooSoon { next }));
    }

    #[test]
    fn who_is_erased_is_not_named_any_more() {
        let mut retraining = retraining(1, 1);
        retraining.cancel(Member(8), at(10));
        retraining.settled = true;
        retraining.shown = Some(Shown {
            message: Message(5),
            fingerprint: 6,
        });
        assert!(!retraining.anonymise(Member(9)) && retraining.settled);
        assert!(retraining.anonymise(Member(7)) && retraining.anonymise(Member(8)));
        let json = serde_json::to_string(&retraining).unwrap();
        assert!(!json.contains(":7,") && !json.contains(":8}"), "{json}");
        // The message is to be drawn again.
        assert!(!retraining.settled);
    }

    #[test]
    fn the_host_says_which_guilds_may() {
        let limits = Limits {
            guilds: Guilds::Only([Guild(2)].into()),
            ..limits()
        };
        let ask = |guild| may_ask(&limits, &[], Guild(guild), Model::RewardModel, at(9));
        assert_eq!(ask(1), Err(Refused::NotAllowed));
        assert_eq!(ask(2), Ok(()));
    }

    #[test]
    fn guilds_are_a_word_a_number_or_a_list() {
        let read = |json: &str| serde_json::from_str::<Guilds>(json);
        assert_eq!(read("\"all\"").unwrap(), Guilds::All);
        assert_eq!(read("5").unwrap(), Guilds::Only([Guild(5)].into()));
        let two = Guilds::Only([Guild(5), Guild(6)].into());
        assert_eq!(read("[5, 6]").unwrap(), two);
        assert!(read("\"none\"").is_err());
    }

    #[test]
    fn what_is_under_way_begins_anew_without_a_member_who_leaves() {
        let mut retraining = retraining(1, 1);
        retraining.begin(set_of(&[4, 5]));
        assert!(!retraining.forget(Guild(2), Member(4)));
        assert_eq!(retraining.state, State::Training);
        assert!(retraining.forget(Guild(1), Member(4)));
        assert_eq!((retraining.data, retraining.erased), (None, 0));
        assert_eq!(retraining.state, State::Waiting);
    }

    #[test]
    fn what_is_over_counts_the_members_who_left() {
        let mut retraining = retraining(1, 1);
        retraining.begin(set_of(&[4, 5]));
        retraining.end(How::Failed, at(10));
        assert!(retraining.forget(Guild(1), Member(4)));
        assert!(!retraining.forget(Guild(1), Member(4)));
        assert_eq!(retraining.erased, 1);
        assert_eq!(retraining.data, Some(set_of(&[5])));
    }

    #[test]
    fn a_guild_that_is_erased_is_named_in_nothing_that_others_trained() {
        let round = |guild| RoundKey {
            guild: Guild(guild),
            number: 3,
        };
        let mut data = set_of(&[4, 5]);
        data.contributors.insert((Guild(2), Member(4)));
        data.rounds = vec![round(1), round(2), round(3)];
        let mut waits = retraining(2, 1);
        waits.begin(data.clone());
        let mut over = waits.clone();
        over.end(How::Failed, at(10));
        for made in [&mut waits, &mut over] {
            assert!(!made.forget_guild(Guild(4)));
            assert!(made.forget_guild(Guild(1)));
            assert!(!made.forget_guild(Guild(1)));
        }
        assert_eq!((waits.data, waits.erased), (None, 0));
        assert_eq!(over.erased, 2);
        let left = over.data.as_ref().unwrap();
        assert_eq!(left.contributors, [(Guild(2), Member(4))].into());
        assert_eq!(left.rounds, [round(2), round(3)]);
        // Nobody of there is left in it, but a round is.
        assert!(over.forget_guild(Guild(3)));
        assert_eq!(over.erased, 2);
    }

    #[test]
    fn a_training_that_fails_is_tried_again_but_not_for_ever() {
        let mut retraining = retraining(1, 1);
        retraining.begin(set_of(&[4]));
        for _ in 1..TRIES {
            assert!(!retraining.failed(at(10)));
            assert_eq!(retraining.state, State::Waiting);
        }
        assert!(retraining.failed(at(10)));
        assert!(retraining.is_over() && retraining.version().is_none());
        assert!(!retraining.cancel(Member(7), at(11)));
    }

    #[test]
    fn a_retraining_is_read_as_it_was_written() {
        let mut retraining = retraining(1, 1);
        retraining.begin(set_of(&[4]));
        retraining.end(
            How::Activated {
                version: "reward-1".to_owned(),
                figures: FIGURES,
            },
            at(10),
        );
        let json = serde_json::to_string(&retraining).unwrap();
        let read: Retraining = serde_json::from_str(&json).unwrap();
        assert_eq!(read, retraining);
    }
}
