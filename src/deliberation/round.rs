//! A round: a group's way from a question to its consensus statement.
//!
//! `Opinions → Drafting → Posting → Rating → Concluded`, with `Rating → Drafting` for a revision,
//! `Drafting → Review → Posting` where organisers look at candidates first, `Opinions → TooFew` where
//! too few wrote, `Drafting` again where organisers have candidates drafted anew, and `Cancelled` from
//! any open phase. A phase is a state that a restart resumes from. Whatever the platform shows of a round
//! follows from its state (see [`board`]); whoever runs rounds makes what is shown match what should be
//! shown.

pub mod board;
mod opinions;
mod organising;
mod rating;
mod review;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use self::board::{Item, Shown};
use super::admission::Admission;
use super::arm::Arm;
use super::distribution::RatingDistribution;
use super::id::{Channel, Member, Role, RoundKey};
use super::outcome::Conclusion;
use super::rating::Likert;
use super::record::FEWEST_OPINIONS;
use super::selection::PostedCandidates;
use super::welfare::WelfareFunction;

pub use opinions::{MOST_REVISIONS, OpinionRefused, Receipt};
pub use organising::{
    Extended, LONGEST_PHASE, OrganiserRefused, RoundLimits, TooManyRounds, may_open,
};
pub use rating::{
    CRITIQUE_CHARACTERS, CritiqueRefused, DraftInput, MissingPrediction, RatingRefused,
    RevisionInput,
};
pub use review::{MOST_REDRAFTS, ReviewRefused, Without};

/// A moment.
pub type Time = DateTime<Utc>;

/// Everything about a round. Its methods are all that can happen to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    pub key: RoundKey,
    pub question: String,
    pub background: Option<String>,
    pub terms: Terms,
    pub opened_by: Member,
    pub opened_at: Time,
    pub place: Place,
    pub phase: Phase,
    /// By author; whoever wrote one is a participant.
    pub opinions: BTreeMap<Member, Opinion>,
    /// All that were ever drafted; a [`CandidateKey`] counts them.
    pub candidates: Vec<Candidate>,
    /// Fixed when the first drafting begins: a round ends with the models that it began with.
    pub models: Option<ModelVersions>,
    /// One for each drafting that has ended: the first, and the revisions.
    pub stages: Vec<Stage>,
    pub ratings: BTreeMap<(CandidateKey, Member), Rating>,
    /// What members who rated low would change, by stage.
    pub critiques: BTreeMap<(u8, Member), String>,
    /// What is known to be shown on the platform.
    pub shown: Vec<Shown>,
    /// What organisers did, shown to everybody under the result.
    pub log: Vec<LogEntry>,
    /// What the organisers make of the result.
    pub answer: Option<Answer>,
    /// Over, and everything about that has been shown.
    pub settled: bool,
}

/// What is fixed at opening, and shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Terms {
    #[serde(with = "as_text")]
    pub welfare: WelfareFunction,
    /// So many opinions are needed, at least [`FEWEST_OPINIONS`].
    pub minimum: usize,
    pub posted: PostedCandidates,
    pub rating: RatingMode,
    #[serde(with = "seconds")]
    pub opinions_for: TimeDelta,
    #[serde(with = "seconds")]
    pub ratings_for: TimeDelta,
    /// How often the winner is revised at most.
    pub revisions: u8,
    /// Whom the two announcements mention.
    pub notify: Option<Role>,
    /// Days after the result when opinions and critiques are deleted.
    pub retention_days: u16,
    /// What members who agreed write and rate trains models: the panel shows everybody one candidate
    /// a second time, since how consistently somebody rates tells how much can be learned from it.
    #[serde(default)]
    pub training: bool,
    #[serde(default)]
    pub admission: Admission,
    /// Candidates come from several arms, one of each, and nobody is told which is which before the
    /// round is over. Such a round is not revised.
    #[serde(default)]
    pub experiment: bool,
    /// Organisers look at candidates before they are posted, without seeing who wrote what.
    #[serde(default)]
    pub review: bool,
    /// What is shown to all is in this language, such as `de`; in English where it is not spoken.
    #[serde(default)]
    pub language: String,
    /// The models are not tested in the language of the question: their predictions choose what is
    /// posted, and not what wins.
    #[serde(default)]
    pub real_ratings_only: bool,
}

/// How agreement is given.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RatingMode {
    /// By reaction, which everybody can see; or in private.
    Reactions,
    /// In private only.
    Private,
}

/// Where a round takes place.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Place {
    /// Where the card stands.
    pub channel: Channel,
    /// Where all else stands; the channel itself if `None`.
    pub thread: Option<Channel>,
    /// Whether a thread is wanted.
    pub threads: bool,
}

/// Where a round stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Members write, change and withdraw opinions.
    Opinions {
        closes: Time,
        /// Once, by itself, since too few had written.
        extended: bool,
    },
    /// Too few wrote, also after the extension: an organiser extends again, or ends the round.
    /// Opinions are still taken.
    TooFew {
        since: Time,
    },
    /// The models write and rank candidates.
    Drafting {
        since: Time,
        /// How often it failed in a row.
        failures: u32,
        /// Not before.
        retry_at: Option<Time>,
        /// Whether a model had not answered in time when it failed last.
        #[serde(default)]
        too_slow: bool,
    },
    /// Organisers look at the candidates of the last stage before these are posted; after
    /// [`LONGEST_PHASE`] without that the round is over.
    Review {
        since: Time,
        /// Those that are not to be posted, as it stands now.
        withheld: BTreeSet<CandidateKey>,
    },
    /// The candidates of the last stage are being posted and seeded.
    Posting {
        since: Time,
    },
    /// Members rate the candidates of the last stage.
    Rating {
        closes: Time,
        /// Since when every participant has rated every candidate.
        complete_since: Option<Time>,
    },
    /// The group has its statement.
    Concluded {
        at: Time,
        result: RoundResult,
    },
    Cancelled {
        at: Time,
        why: Cancellation,
    },
}

impl Phase {
    /// Drafting that begins now.
    fn drafting(since: Time) -> Self {
        Self::Drafting {
            since,
            failures: 0,
            retry_at: None,
            too_slow: false,
        }
    }
}

/// Why a round ended without a result.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancellation {
    ByOrganiser,
    /// Too few opinions, and an organiser ended it.
    TooFew,
    /// The channel or thread is gone.
    PlaceGone,
    /// Every candidate was withdrawn.
    NoCandidateLeft,
    /// For [`LONGEST_PHASE`] candidates could not be drafted, or not be posted, or nobody reviewed them.
    Stalled,
}

/// What a participant wrote.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Opinion {
    /// `None` once its time is over.
    pub text: Option<String>,
    /// Counts the changes, from 1.
    pub revision: u32,
    pub written_at: Time,
    /// Joined after drafting had begun: it counts in the ranking, no draft read it.
    pub late: bool,
    /// A source of a candidate that organisers withheld or withdrew to have others drafted without its
    /// sources: no further draft reads it, nor what its author would change. It counts in the ranking.
    #[serde(default)]
    pub left_out: bool,
    /// The time of the round's texts is over; this one stays since its author agreed to training.
    #[serde(default)]
    pub kept_for_training: bool,
}

/// A candidate of one round.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct CandidateKey(pub u16);

/// A candidate consensus statement.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Candidate {
    /// Empty once its time is over, where it was not posted.
    pub text: String,
    pub provenance: Provenance,
    /// How each participant was predicted to rate it.
    #[serde(with = "pairs")]
    pub predictions: BTreeMap<Member, RatingDistribution>,
    /// When its message was deleted, or organisers withheld or withdrew it: it can no longer win.
    pub withdrawn_at: Option<Time>,
    /// Who reported it.
    #[serde(default)]
    pub reports: Vec<Member>,
    /// An organiser has looked at the reports and let it stand; a new one asks again.
    #[serde(default)]
    pub kept: bool,
}

impl Candidate {
    /// Whether it was drafted from what a member wrote.
    pub fn read(&self, member: Member) -> bool {
        let read = &self.provenance;
        read.opinions_read.contains(&member) || read.critiques_read.contains(&member)
    }
}

/// How a candidate came about.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Provenance {
    /// Model and version.
    pub generator: String,
    /// Model and version that predicted its ratings.
    pub reward_model: String,
    /// SHA-256 of the templates that it was prompted with.
    pub prompt_sha256: String,
    pub seed: u64,
    pub temperature: f64,
    pub top_p: f64,
    /// In the order in which the draft read them.
    pub opinions_read: Vec<Member>,
    /// Whose critiques a revision read.
    #[serde(default)]
    pub critiques_read: Vec<Member>,
    pub drafted_at: Time,
    /// In an experiment round; not to be told before it is over.
    #[serde(default)]
    pub arm: Option<Arm>,
}

/// Which versions of the models a round uses, by the names that whoever runs the models gives them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ModelVersions {
    pub generator: String,
    pub reward_model: String,
}

/// A drafting that has ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Stage {
    /// In the order in which they are posted, which says nothing of their welfare. While they are under
    /// review, those that will be if none is withheld; none if it came to nothing.
    pub posted: Vec<CandidateKey>,
    pub rating_opened_at: Option<Time>,
    /// When it was announced that rating closes early.
    pub early_close_at: Option<Time>,
    /// Organisers had candidates drafted anew instead. Ratings stay; nothing is revised from it.
    #[serde(default)]
    pub set_aside: bool,
}

/// A member's rating of a candidate.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rating {
    pub agreement: Option<Likert>,
    pub quality: Option<Likert>,
    /// Which digits the member has set as reactions, the last one last as far as known.
    pub digits: Vec<Likert>,
    /// Several digits were found set and nobody knows which came last: none counts, and the member
    /// is told.
    pub unclear: bool,
    /// The agreement when the candidate was shown a second time. It says how consistent the member's
    /// ratings are, and counts for nothing else.
    #[serde(default)]
    pub again: Option<Likert>,
    pub at: Time,
}

/// The result of a round.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RoundResult {
    /// The columns of the conclusion.
    pub candidates: Vec<CandidateKey>,
    /// The rows that it was made of.
    pub participants: usize,
    pub conclusion: Conclusion,
    /// The certainty of its reward model has proved right where that could be checked: members see it
    /// as a number, otherwise in words.
    #[serde(default)]
    pub calibrated: bool,
}

impl RoundResult {
    /// The group's statement.
    pub fn winner(&self) -> CandidateKey {
        self.candidates[self.conclusion.ranking[0].candidate]
    }
}

/// Something that an organiser, or Accord itself, did.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LogEntry {
    pub at: Time,
    /// `None`: Accord itself.
    pub by: Option<Member>,
    pub act: Act,
}

/// What was done.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    Opened,
    /// The phase now closes then.
    Extended {
        closes: Time,
    },
    ClosedEarly,
    Cancelled,
    Answered,
    /// A candidate's message was deleted.
    CandidateWithdrawn(CandidateKey),
    RetriedDrafting,
    /// A candidate was not posted.
    Withheld(CandidateKey),
    /// Candidates were looked at, and posted but for those that were withheld.
    Reviewed,
    /// Reports of a candidate were looked at, and it stands.
    Kept(CandidateKey),
    /// A candidate that stood there was withdrawn.
    Withdrawn(CandidateKey),
    /// Candidates were drafted anew from the same opinions.
    Redrafted,
    /// They were drafted anew without the sources of one; so many opinions are no longer read.
    RedraftedWithout {
        candidate: CandidateKey,
        opinions: usize,
    },
}

/// What the organisers make of the result.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Answer {
    pub verdict: Verdict,
    pub reasons: Option<String>,
    pub by: Member,
    pub at: Time,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Adopted,
    Partly,
    Rejected,
}

impl Round {
    /// A round that has just been opened.
    pub fn open(
        key: RoundKey,
        question: String,
        background: Option<String>,
        terms: Terms,
        place: Place,
        by: Member,
        now: Time,
    ) -> Self {
        let mut terms = Terms {
            minimum: terms.minimum.max(FEWEST_OPINIONS),
            ..terms
        };
        if terms.experiment {
            terms.posted = PostedCandidates::ONE_OF_EACH_ARM;
            terms.revisions = 0;
        }
        Self {
            key,
            question,
            background,
            opened_by: by,
            opened_at: now,
            place,
            phase: Phase::Opinions {
                closes: now + terms.opinions_for,
                extended: false,
            },
            terms,
            opinions: BTreeMap::new(),
            candidates: Vec::new(),
            models: None,
            stages: Vec::new(),
            ratings: BTreeMap::new(),
            critiques: BTreeMap::new(),
            shown: Vec::new(),
            log: vec![LogEntry {
                at: now,
                by: Some(by),
                act: Act::Opened,
            }],
            answer: None,
            settled: false,
        }
    }

    /// Whether it can still come to a result.
    pub fn is_open(&self) -> bool {
        !matches!(
            self.phase,
            Phase::Concluded { .. } | Phase::Cancelled { .. }
        )
    }

    /// When something happens without anybody doing anything; `None` when work is waited for, or it is
    /// over.
    pub fn next_deadline(&self) -> Option<Time> {
        match &self.phase {
            Phase::Opinions { closes, .. } => Some(*closes),
            Phase::Drafting { retry_at, .. } => *retry_at,
            Phase::Rating { .. } => self.rating_closes(),
            Phase::TooFew { since } | Phase::Review { since, .. } | Phase::Posting { since } => {
                Some(*since + LONGEST_PHASE)
            }
            Phase::Concluded { .. } | Phase::Cancelled { .. } => None,
        }
    }

    /// What has to be done now.
    pub fn due(&self, now: Time) -> Option<Due> {
        match &self.phase {
            Phase::Opinions { closes, .. } if *closes <= now => Some(Due::CloseOpinions),
            Phase::Drafting { retry_at, .. } if retry_at.is_none_or(|at| at <= now) => {
                Some(Due::Draft)
            }
            Phase::TooFew { since } if *since + LONGEST_PHASE <= now => Some(Due::CloseOpinions),
            Phase::Posting { since }
                if self.all_candidates_shown() || *since + LONGEST_PHASE <= now =>
            {
                Some(Due::OpenRating)
            }
            Phase::Review { since, .. } if *since + LONGEST_PHASE <= now => Some(Due::OpenRating),
            Phase::Rating { .. } if self.rating_closes().is_some_and(|at| at <= now) => {
                Some(Due::CloseRating)
            }
            _ => None,
        }
    }

    /// The candidates that can win: posted in the last stage and not withdrawn.
    pub fn eligible(&self) -> Vec<CandidateKey> {
        let posted = self.stages.last().map_or(&[][..], |stage| &stage.posted);
        posted
            .iter()
            .copied()
            .filter(|&key| self.candidate(key).withdrawn_at.is_none())
            .collect()
    }

    /// # Panics
    /// When the round has no such candidate.
    pub fn candidate(&self, key: CandidateKey) -> &Candidate {
        &self.candidates[usize::from(key.0)]
    }

    /// The result, once there is one.
    pub fn result(&self) -> Option<&RoundResult> {
        match &self.phase {
            Phase::Concluded { result, .. } => Some(result),
            _ => None,
        }
    }

    /// When the round ended.
    pub fn ended_at(&self) -> Option<Time> {
        match self.phase {
            Phase::Concluded { at, .. } | Phase::Cancelled { at, .. } => Some(at),
            _ => None,
        }
    }

    fn note(&mut self, at: Time, by: Option<Member>, act: Act) {
        self.log.push(LogEntry { at, by, act });
    }

    fn all_candidates_shown(&self) -> bool {
        let stage = self.stages.len() - 1;
        self.eligible().into_iter().all(|candidate| {
            let item = Item::Candidate {
                stage: stage as u8,
                candidate,
            };
            self.shown(item).is_some_and(|shown| shown.seeded)
        })
    }
}

/// Work that is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// [`Round::close_opinions`].
    CloseOpinions,
    /// [`Round::draft_input`], then [`Round::drafted`] or [`Round::drafting_failed`].
    Draft,
    /// [`Round::open_rating`].
    OpenRating,
    /// Read the reactions again, predict what is missing, then [`Round::close_rating`].
    CloseRating,
}

/// Written as what [`std::str::FromStr`] reads.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(
        value: &impl Display,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// A duration in whole seconds.
pub mod seconds {
    use chrono::TimeDelta;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(delta: &TimeDelta, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(delta.num_seconds())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeDelta, D::Error> {
        TimeDelta::try_seconds(i64::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("a duration too long to count"))
    }
}

/// A map as a list of pairs: JSON's keys are texts.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<
        'de,
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    >(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

#[cfg(test)]
mod tests;
