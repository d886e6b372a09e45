//! What records say: JSON with a version, one for each part of a round that changes on its own.
//!
//! A record that was ever written can be read for good: what it means to a newer version of Accord
//! is what [`MIGRATIONS`] say. Members that a record lacks or has too many are no error where they
//! have a default. No message tells what a record says, since people's opinions are in it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::num::NonZeroU16;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Damaged;
use super::keys::{Key, Part};
use crate::deliberation::consent::Consent;
use crate::deliberation::guild::GuildSettings;
use crate::deliberation::id::{Guild, Member, RoundKey};
use crate::deliberation::retraining::Retraining;
use crate::deliberation::round::board::Shown;
use crate::deliberation::round::{
    Answer, Candidate, CandidateKey, LogEntry, ModelVersions, Opinion, Phase, Place, Rating, Round,
    Stage, Terms, Time,
};

/// What is to be written, by key; `None` removes.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Turns a record of one version into one of the next.
type Migration = fn(Key, &mut Map<String, Value>);

/// The first one leads from version 1 to version 2, and so on.
const MIGRATIONS: &[Migration] = &[];

/// The version that is written today.
pub(super) const NEWEST: usize = MIGRATIONS.len() + 1;

/// The only place where a round is taken apart: what differs between two states of it.
///
/// # Errors
/// When a record cannot be written as JSON.
pub(super) fn difference(before: Option<&Round>, after: &Round) -> Result<Changes> {
    let mut old = before.map(records).unwrap_or_default();
    let mut changes = Changes::new();
    for (key, record) in records(after) {
        if old.remove(&key).as_ref() != Some(&record) {
            changes.insert(key, Some(record.to_bytes()?));
        }
    }
    changes.extend(old.into_keys().map(|key| (key, None)));
    Ok(changes)
}

/// The rounds that some records make, which come in the order of their keys.
///
/// # Errors
/// A record that cannot be read.
pub(super) fn rounds(records: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<Round>> {
    let mut rounds: Vec<Round> = Vec::new();
    for (key, bytes) in records {
        let key = known(&key)?;
        let Key::Round(round_key, part) = key else {
            continue;
        };
        if part == Part::Head {
            let head: Head = decode(key, &bytes)?;
            rounds.push(head.into_round(round_key));
            continue;
        }
        let round = rounds
            .last_mut()
            .filter(|round| round.key == round_key)
            .ok_or_else(|| Damaged(format!("the {key} is there, and that round's head is not")))?;
        match part {
            Part::Head => unreachable!("handled above"),
            Part::Opinion(member) => {
                round.opinions.insert(member, decode(key, &bytes)?);
            }
            Part::Candidate(candidate) => {
                ensure!(
                    round.candidates.len() == usize::from(candidate.0),
                    Damaged(format!("the {key} is there, and one before it is not"))
                );
                round.candidates.push(decode(key, &bytes)?);
            }
            Part::Rating(candidate, member) => {
                let rating = decode(key, &bytes)?;
                round.ratings.insert((candidate, member), rating);
            }
            Part::Critique(stage, member) => {
                let critique: Critique = decode(key, &bytes)?;
                round.critiques.insert((stage, member), critique.text);
            }
        }
    }
    Ok(rounds)
}

fn known(key: &[u8]) -> Result<Key> {
    let unknown = || Damaged("a record in the store has no key that is known".to_owned());
    Ok(Key::from_bytes(key).ok_or_else(unknown)?)
}

/// How much is in a store, or in a backup of one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Contents {
    pub records: usize,
    /// Of which there is more than that Accord left them.
    pub guilds: usize,
    pub rounds: usize,
}

/// Reads all records of a store, one after another, to see whether that can be done.
#[derive(Default)]
pub(super) struct Check {
    last: Vec<u8>,
    /// Records of one round, which are read together.
    round: Vec<(Vec<u8>, Vec<u8>)>,
    guilds: BTreeSet<Guild>,
    contents: Contents,
}

impl Check {
    /// The next record, in the order of the keys.
    ///
    /// # Errors
    /// [`Damaged`]; a record that a newer Accord wrote.
    pub fn add(&mut self, bytes: &[u8], record: &[u8]) -> Result<()> {
        let key = known(bytes)?;
        let in_order = self.contents.records == 0 || *self.last < *bytes;
        ensure!(in_order, Damaged(format!("the {key} is not in its place")));
        self.last = bytes.to_vec();
        self.contents.records += 1;
        // A guild of which it is only known that it was left is none.
        if !matches!(key, Key::Left(_)) {
            self.guilds.insert(key.guild());
        }
        match key {
            Key::Settings(_) => can_be_read::<GuildSettings>(key, record)?,
            Key::Consent(..) => can_be_read::<Consent>(key, record)?,
            Key::Retraining(_) => can_be_read::<Retraining>(key, record)?,
            Key::NextNumber(_) => can_be_read::<NextNumber>(key, record)?,
            Key::Left(_) => can_be_read::<Left>(key, record)?,
            Key::Live(_) | Key::Due(..) | Key::Retrained(_) => {
                ensure!(
                    record.is_empty(),
                    Damaged(format!("the {key} is not empty"))
                );
            }
            Key::Round(_, part) => {
                if part == Part::Head {
                    self.contents.rounds += 1;
                    self.read_round()?;
                }
                self.round.push((bytes.to_vec(), record.to_vec()));
            }
        }
        Ok(())
    }

    /// # Errors
    /// [`Damaged`].
    pub fn finish(&mut self) -> Result<Contents> {
        self.read_round()?;
        self.contents.guilds = self.guilds.len();
        Ok(self.contents)
    }

    fn read_round(&mut self) -> Result<()> {
        rounds(mem::take(&mut self.round)).map(drop)
    }
}

fn can_be_read<T: DeserializeOwned>(key: Key, record: &[u8]) -> Result<()> {
    decode::<T>(key, record).map(|_| ())
}

/// What a round comes to in the store, by key.
fn records(round: &Round) -> BTreeMap<Vec<u8>, Record<'_>> {
    let mut records = BTreeMap::new();
    let mut add = |key: Key, record| records.insert(key.to_bytes(), record);
    let part = |part| Key::Round(round.key, part);
    add(part(Part::Head), Record::Head(Box::new(Head::of(round))));
    for (&member, opinion) in &round.opinions {
        add(part(Part::Opinion(member)), Record::Opinion(opinion));
    }
    for (key, candidate) in (0..).map(CandidateKey).zip(&round.candidates) {
        add(part(Part::Candidate(key)), Record::Candidate(candidate));
    }
    for (&(candidate, member), rating) in &round.ratings {
        add(
            part(Part::Rating(candidate, member)),
            Record::Rating(rating),
        );
    }
    for (&(stage, member), text) in &round.critiques {
        add(part(Part::Critique(stage, member)), Record::Critique(text));
    }
    if !round.settled {
        add(Key::Live(round.key), Record::Index);
    }
    if let Some(at) = round.texts_expire_at() {
        add(Key::Due(at, round.key), Record::Index);
    }
    records
}

/// Writes a record of the version of today.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn encode(record: &impl Serialize) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        v: usize,
        #[serde(flatten)]
        record: &'a T,
    }
    serde_json::to_vec(&Versioned { v: NEWEST, record })
        .context("a record cannot be written as JSON")
}

/// Reads a record of any version that there ever was.
///
/// # Errors
/// A record that is damaged, or that a newer Accord wrote.
pub(super) fn decode<T: DeserializeOwned>(key: Key, bytes: &[u8]) -> Result<T> {
    decode_with(MIGRATIONS, key, bytes)
}

fn decode_with<T: DeserializeOwned>(migrations: &[Migration], key: Key, bytes: &[u8]) -> Result<T> {
    #[derive(Deserialize)]
    struct Version {
        v: NonZeroU16,
    }
    // serde_json's own messages quote what they stumble over.
    let damaged = |_| {
        Damaged(format!(
            "the {key} in the store is damaged: restore a backup"
        ))
    };
    let newest = migrations.len() + 1;
    let Version { v } = serde_json::from_slice(bytes).map_err(damaged)?;
    let v = usize::from(v.get());
    ensure!(
        v <= newest,
        "the {key} in the store has version {v}, and this Accord knows versions up to {newest}: a \
         newer Accord wrote it, so run that one"
    );
    if v == newest {
        return Ok(serde_json::from_slice(bytes).map_err(damaged)?);
    }
    let mut record = serde_json::from_slice(bytes).map_err(damaged)?;
    for migrate in &migrations[v - 1..] {
        migrate(key, &mut record);
    }
    Ok(T::deserialize(Value::Object(record)).map_err(damaged)?)
}

/// The number of a guild's next round.
#[derive(Deserialize, Serialize)]
pub(super) struct NextNumber {
    pub next: u32,
}

/// When Accord left a guild.
#[derive(Deserialize, Serialize)]
pub(super) struct Left {
    pub at: Time,
}

/// Everything of a round that has no record of its own.
#[derive(Deserialize, PartialEq, Serialize)]
struct Head {
    question: String,
    background: Option<String>,
    terms: Terms,
    opened_by: Member,
    opened_at: Time,
    place: Place,
    phase: Phase,
    #[serde(default)]
    models: Option<ModelVersions>,
    stages: Vec<Stage>,
    shown: Vec<Shown>,
    log: Vec<LogEntry>,
    answer: Option<Answer>,
    settled: bool,
}

#[derive(Deserialize, Serialize)]
struct Critique {
    text: String,
}

#[derive(PartialEq)]
enum Record<'a> {
    Head(Box<Head>),
    Opinion(&'a Opinion),
    Candidate(&'a Candidate),
    Rating(&'a Rating),
    Critique(&'a str),
    /// In an index the key says all.
    Index,
}

impl Head {
    fn of(round: &Round) -> Self {
        // Every field is named, so that a new one cannot be forgotten.
        let Round {
            key: _,
            question,
            background,
            terms,
            opened_by,
            opened_at,
            place,
            phase,
            opinions: _,
            candidates: _,
            models,
            stages,
            ratings: _,
            critiques: _,
            shown,
            log,
            answer,
            settled,
        } = round;
        Self {
            question: question.clone(),
            background: background.clone(),
            terms: terms.clone(),
            opened_by: *opened_by,
            opened_at: *opened_at,
            place: *place,
            phase: phase.clone(),
            models: models.clone(),
            stages: stages.clone(),
            shown: shown.clone(),
            log: log.clone(),
            answer: answer.clone(),
            settled: *settled,
        }
    }

    fn into_round(self, key: RoundKey) -> Round {
        Round {
            key,
            question: self.question,
            background: self.background,
            terms: self.terms,
            opened_by: self.opened_by,
            opened_at: self.opened_at,
            place: self.place,
            phase: self.phase,
            opinions: BTreeMap::new(),
            candidates: Vec::new(),
            models: self.models,
            stages: self.stages,
            ratings: BTreeMap::new(),
            critiques: BTreeMap::new(),
            shown: self.shown,
            log: self.log,
            answer: self.answer,
            settled: self.settled,
        }
    }
}

impl Record<'_> {
    fn to_bytes(&self) -> Result<Vec<u8>> {
        match self {
            Self::Head(head) => encode(head),
            Self::Opinion(opinion) => encode(opinion),
            Self::Candidate(candidate) => encode(candidate),
            Self::Rating(rating) => encode(rating),
            Self::Critique(text) => encode(&Critique {
                text: (*text).to_owned(),
            }),
            Self::Index => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliberation::id::Guild;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Hours {
        from: u8,
        until: u8,
    }

    const KEY: Key = Key::Settings(Guild(1));

    const MIGRATIONS: &[Migration] = &[
        // In version 1 there was a text.
        |_, record| {
            let hours = record["hours"].as_str().unwrap().to_owned();
            let (from, length) = hours.split_once('+').unwrap();
            record.insert("from".to_owned(), from.parse::<u8>().unwrap().into());
            record.insert("length".to_owned(), length.parse::<u8>().unwrap().into());
        },
        // In version 2 there was a length.
        |_, record| {
            let number = |name| record[name].as_u64().unwrap();
            let until = number("from") + number("length");
            record.insert("until".to_owned(), until.into());
        },
    ];

    fn read(record: &str) -> Result<Hours> {
        decode_with(MIGRATIONS, KEY, record.as_bytes())
    }

    #[test]
    fn a_record_of_an_older_version_is_brought_up_to_the_newest() {
        let hours = Hours { from: 9, until: 17 };
        assert_eq!(read(r#"{"v":1,"hours":"9+8"}"#).unwrap(), hours);
        assert_eq!(read(r#"{"v":2,"from":9,"length":8}"#).unwrap(), hours);
        assert_eq!(read(r#"{"v":3,"from":9,"until":17}"#).unwrap(), hours);
        assert_eq!(
            read(r#"{"until":17,"x":[1],"from":9,"v":3}"#).unwrap(),
            hours
        );
    }

    #[test]
    fn a_record_of_a_newer_version_or_of_none_is_an_error() {
        let error = read(r#"{"v":4,"from":9,"until":17}"#).unwrap_err();
        assert!(error.to_string().contains("has version 4"), "{error}");
        for damaged in [
            r#"{"from":9,"until":17}"#,
            r#"{"v":0,"from":9,"until":17}"#,
            r#"{"v":3,"from":9}"#,
            "",
            "{",
        ] {
            let error = read(damaged).unwrap_err();
            assert!(error.to_string().contains("is damaged"), "{error}");
        }
    }
}
