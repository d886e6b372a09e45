//! What members do with their opinions, and when their time is over.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use thiserror::Error;

use super::{
    Act, Cancellation, Candidate, CandidateKey, LONGEST_PHASE, LogEntry, Opinion, Phase, Rating,
    Round, Time,
};
use crate::deliberation::admission::Standing;
use crate::deliberation::id::Member;
use crate::deliberation::record::{FEWEST_OPINIONS, OPINION_CHARACTERS};

/// An opinion was saved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Receipt {
    /// 1 for the first time.
    pub revision: u32,
    /// How many have written one now.
    pub opinions: usize,
}

/// Why an opinion was not saved. Whoever shows this shows the text as well: no word is lost.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum OpinionRefused {
    #[error("an opinion has 10 to 4000 characters, this one has {characters}")]
    Length { characters: usize },
    /// It was changed elsewhere since the form was opened.
    #[error("the opinion was changed in the meantime")]
    Changed { current: String, revision: u32 },
    /// Opinions are closed, but the member has none and can still join.
    #[error("opinions are closed, one can still join")]
    CanJoinLate,
    /// Opinions are closed, and the member's stands as it is.
    #[error("opinions are closed")]
    Closed,
    /// The round is over.
    #[error("the round is over")]
    Over,
    /// This round is for others.
    #[error("the member may not take part")]
    NotAdmitted,
    /// It was changed [`MOST_REVISIONS`] times.
    #[error("the opinion was changed too often")]
    TooManyRevisions,
}

/// An opinion cannot be changed more often: each time is a record on the disk.
pub const MOST_REVISIONS: u32 = 50;

impl Round {
    /// Whether somebody may take part, by what is known of them; whoever has an opinion in the round
    /// does already.
    ///
    /// # Errors
    /// [`OpinionRefused::NotAdmitted`].
    pub fn admit(&self, member: Member, standing: &Standing) -> Result<(), OpinionRefused> {
        let admission = self.terms.admission;
        if self.opinions.contains_key(&member) || admission.admits(standing, self.opened_at) {
            Ok(())
        } else {
            Err(OpinionRefused::NotAdmitted)
        }
    }

    /// A member submits an opinion that was written on top of `revision` (0: there was none).
    ///
    /// # Errors
    /// [`OpinionRefused`].
    pub fn submit_opinion(
        &mut self,
        member: Member,
        text: &str,
        revision: u32,
        now: Time,
    ) -> Result<Receipt, OpinionRefused> {
        let text = checked(text)?;
        self.opinions_open(member, now)?;
        let current = self.opinions.get(&member);
        let current_revision = current.map_or(0, |opinion| opinion.revision);
        match current.and_then(|opinion| opinion.text.clone()) {
            // Sent twice: the platform may deliver a form again.
            Some(current) if current == text => {}
            Some(current) if revision != current_revision => {
                return Err(OpinionRefused::Changed {
                    current,
                    revision: current_revision,
                });
            }
            _ if current_revision >= MOST_REVISIONS => {
                return Err(OpinionRefused::TooManyRevisions);
            }
            _ => {
                let opinion = Opinion {
                    text: Some(text),
                    revision: current_revision + 1,
                    written_at: now,
                    late: false,
                    left_out: false,
                    kept_for_training: false,
                };
                self.opinions.insert(member, opinion);
            }
        }
        let receipt = Receipt {
            revision: self.opinions[&member].revision,
            opinions: self.opinions.len(),
        };
        if matches!(self.phase, Phase::TooFew { .. }) {
            self.draft_if_enough(now);
        }
        Ok(receipt)
    }

    /// A member who has no opinion in the round joins after opinions have closed. No draft reads the
    /// opinion; from now on the member is a participant.
    ///
    /// # Errors
    /// [`OpinionRefused`], never `CanJoinLate`.
    pub fn join_late(
        &mut self,
        member: Member,
        text: &str,
        now: Time,
    ) -> Result<Receipt, OpinionRefused> {
        let text = checked(text)?;
        match self.opinions_open(member, now) {
            Ok(()) => self.submit_opinion(member, &text, 0, now),
            Err(OpinionRefused::CanJoinLate) => {
                let opinion = Opinion {
                    text: Some(text),
                    revision: 1,
                    written_at: now,
                    // Its time is over, but drafting has not begun.
                    late: !matches!(self.phase, Phase::Opinions { .. }),
                    left_out: false,
                    kept_for_training: false,
                };
                self.opinions.insert(member, opinion);
                self.see_whether_complete(now);
                Ok(Receipt {
                    revision: 1,
                    opinions: self.opinions.len(),
                })
            }
            Err(refused) => Err(refused),
        }
    }

    /// A member takes the opinion back; whether there was one.
    ///
    /// # Errors
    /// [`OpinionRefused::Closed`] and [`OpinionRefused::Over`].
    pub fn withdraw_opinion(&mut self, member: Member, now: Time) -> Result<bool, OpinionRefused> {
        match self.opinions_open(member, now) {
            Err(OpinionRefused::CanJoinLate) => Ok(false),
            Err(refused) => Err(refused),
            Ok(()) => Ok(self.opinions.remove(&member).is_some()),
        }
    }

    /// Opinions have reached their deadline: on to drafting if there are enough; else extended once
    /// by half the phase, counted from now; else it is up to the organiser, and over if none decides for
    /// [`LONGEST_PHASE`]. Ignored before the deadline, which may just have been moved.
    pub fn close_opinions(&mut self, now: Time) {
        match self.phase {
            Phase::TooFew { since } if since + LONGEST_PHASE <= now => {
                self.end(Cancellation::TooFew, now);
            }
            Phase::Opinions { closes, extended } if closes <= now => {
                if self.draft_if_enough(now) {
                    return;
                }
                if extended {
                    self.phase = Phase::TooFew { since: now };
                } else {
                    let closes = now + self.terms.opinions_for / 2;
                    self.phase = Phase::Opinions {
                        closes,
                        extended: true,
                    };
                    self.note(now, None, Act::Extended { closes });
                }
            }
            _ => {}
        }
    }

    /// When the opinions' texts and the critiques are to be deleted, if they still are there.
    pub fn texts_expire_at(&self) -> Option<Time> {
        let has_time = |opinion: &Opinion| opinion.text.is_some() && !opinion.kept_for_training;
        let kept = self.opinions.values().any(has_time) || !self.critiques.is_empty();
        let days = match self.phase {
            Phase::Cancelled { .. } => CANCELLED_RETENTION_DAYS.min(self.terms.retention_days),
            _ => self.terms.retention_days,
        };
        self.ended_at()
            .filter(|_| kept)
            .map(|ended| ended + TimeDelta::days(days.into()))
    }

    /// Deletes the critiques, the opinions' texts, and the drafts that were not posted: what was said may
    /// shine through in them. The texts of members who agreed to training stay
    /// where there is a result and the round was opened to train models: nothing else trains anything.
    /// Ratings and the result stay.
    pub fn delete_texts(&mut self, agreed: &BTreeSet<Member>) {
        let of_use = self.terms.training && self.result().is_some();
        for (member, opinion) in &mut self.opinions {
            opinion.kept_for_training = of_use && opinion.text.is_some() && agreed.contains(member);
            if !opinion.kept_for_training {
                opinion.text = None;
            }
        }
        self.critiques.clear();
        self.clear_drafts(|_| true);
    }

    /// Deletes the texts of drafts, but for those that were posted.
    pub(super) fn clear_drafts(&mut self, which: impl Fn(&Candidate) -> bool) {
        let posted = self.stages.iter().flat_map(|stage| &stage.posted);
        let posted: BTreeSet<CandidateKey> = posted.copied().collect();
        for (key, draft) in (0..).map(CandidateKey).zip(&mut self.candidates) {
            if !posted.contains(&key) && which(draft) {
                draft.text.clear();
            }
        }
    }

    /// Deletes a text that was kept for training alone: its author no longer agrees. Whether there
    /// was one.
    pub fn release_text(&mut self, member: Member) -> bool {
        match self.opinions.get_mut(&member) {
            Some(opinion) if opinion.kept_for_training => {
                opinion.kept_for_training = false;
                opinion.text = None;
                true
            }
            _ => false,
        }
    }

    /// Removes everything about a member, and the drafts that read them; whether there was anything.
    /// Statements that were posted stay, and so does the result as it was counted.
    pub fn erase(&mut self, member: Member, now: Time) -> bool {
        let before = self.clone();
        self.clear_drafts(|draft| draft.read(member));
        self.opinions.remove(&member);
        self.ratings.retain(|(_, rater), _| *rater != member);
        self.critiques.retain(|(_, critic), _| *critic != member);
        for candidate in &mut self.candidates {
            candidate.predictions.remove(&member);
            candidate.reports.retain(|reporter| *reporter != member);
            let read = &mut candidate.provenance;
            for reader in read
                .opinions_read
                .iter_mut()
                .chain(&mut read.critiques_read)
            {
                anonymise(reader, member);
            }
        }
        anonymise(&mut self.opened_by, member);
        for LogEntry { by, .. } in &mut self.log {
            by.iter_mut().for_each(|by| anonymise(by, member));
        }
        if let Some(answer) = &mut self.answer {
            anonymise(&mut answer.by, member);
        }
        let changed = *self != before;
        if changed {
            self.see_whether_enough_to_draft(now);
            self.see_whether_complete(now);
            // The name may stand under the result.
            self.settled = false;
        }
        changed
    }

    /// What is drafted from one or two opinions tells who wrote them: when members are erased while
    /// candidates are drafted, it may be up to the organiser again; where others had been drafted
    /// before, the round ends.
    fn see_whether_enough_to_draft(&mut self, now: Time) {
        let Some(input) = self.draft_input() else {
            return;
        };
        if input.opinions.len() >= FEWEST_OPINIONS {
            return;
        }
        if self.stages.is_empty() {
            for opinion in self.opinions.values_mut() {
                opinion.late = false;
            }
            self.phase = Phase::TooFew { since: now };
            self.draft_if_enough(now);
            return;
        }
        let left_out = self.opinions.values().any(|opinion| opinion.left_out);
        if input.opinions.is_empty() || input.revision.is_none() || left_out {
            self.end(Cancellation::TooFew, now);
        }
    }

    /// What a member rated, by candidate.
    pub fn ratings_of(&self, member: Member) -> impl Iterator<Item = (CandidateKey, &Rating)> {
        self.ratings
            .iter()
            .filter(move |((_, rater), _)| *rater == member)
            .map(|((candidate, _), rating)| (*candidate, rating))
    }

    pub(super) fn draft_if_enough(&mut self, now: Time) -> bool {
        let enough = self.opinions.len() >= self.terms.minimum;
        if enough {
            self.phase = Phase::drafting(now);
        }
        enough
    }

    fn opinions_open(&self, member: Member, now: Time) -> Result<(), OpinionRefused> {
        match self.phase {
            Phase::Opinions { closes, .. } if now < closes => Ok(()),
            Phase::TooFew { .. } => Ok(()),
            Phase::Opinions { .. }
            | Phase::Drafting { .. }
            | Phase::Review { .. }
            | Phase::Posting { .. }
            | Phase::Rating { .. } => Err(if self.opinions.contains_key(&member) {
                OpinionRefused::Closed
            } else {
                OpinionRefused::CanJoinLate
            }),
            Phase::Concluded { .. } | Phase::Cancelled { .. } => Err(OpinionRefused::Over),
        }
    }
}

/// What a cancelled round leaves is of no use to anybody but its authors.
const CANCELLED_RETENTION_DAYS: u16 = 7;

fn checked(text: &str) -> Result<String, OpinionRefused> {
    let text = text.trim();
    let characters = text.chars().count();
    if OPINION_CHARACTERS.contains(&characters) {
        Ok(text.to_owned())
    } else {
        Err(OpinionRefused::Length { characters })
    }
}

fn anonymise(who: &mut Member, erased: Member) {
    if *who == erased {
        *who = Member::ERASED;
    }
}
