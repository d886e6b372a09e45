//! Organisers look at candidates: before they are posted, where the round was opened so, and at those
//! that stand there and that members report. Nothing here tells them who wrote what.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{Act, Cancellation, CandidateKey, Opinion, Phase, Round, Time};
use crate::deliberation::id::Member;
use crate::deliberation::record::FEWEST_OPINIONS;
use crate::deliberation::similarity::near_copy;

/// What drafting without a candidate's sources comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Without {
    /// So many opinions are no longer read.
    pub left_out: usize,
    /// So many still are.
    pub left: usize,
}

/// Why an organiser's decision about candidates does nothing.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ReviewRefused {
    /// Another organiser may have decided meanwhile.
    #[error("this is no longer to be decided")]
    NotNow,
    #[error("no such candidate can be withheld, kept or withdrawn")]
    NoSuchCandidate,
    #[error("every candidate is withheld, so none can be posted")]
    NothingToPost,
    /// What is drafted from one or two opinions tells who wrote them.
    #[error("drafts would read {left} opinions, expected {FEWEST_OPINIONS} at least")]
    TooFewLeft { left: usize },
    #[error("candidates were drafted anew {MOST_REDRAFTS} times, and cannot be once more")]
    TooManyRedrafts,
}

/// Organisers can have a round's candidates drafted anew this often: other rounds wait meanwhile.
pub const MOST_REDRAFTS: usize = 5;

impl Round {
    /// The candidates that organisers can decide about now, in the order in which they are posted:
    /// before that, or afterwards until rating closes.
    pub fn under_review(&self) -> &[CandidateKey] {
        match (&self.phase, self.stages.last()) {
            (Phase::Review { .. } | Phase::Posting { .. } | Phase::Rating { .. }, Some(stage)) => {
                &stage.posted
            }
            _ => &[],
        }
    }

    /// Whether a candidate under review is not to be posted, as it stands now.
    pub fn is_withheld(&self, candidate: CandidateKey) -> bool {
        matches!(&self.phase, Phase::Review { withheld, .. } if withheld.contains(&candidate))
    }

    /// The candidates that stand there and were reported, and that no organiser has looked at since.
    pub fn reported(&self) -> Vec<CandidateKey> {
        let candidates = self.under_review().iter().copied();
        candidates
            .filter(|&key| {
                let candidate = self.candidate(key);
                let reported = !candidate.reports.is_empty() && !candidate.kept;
                reported && candidate.withdrawn_at.is_none()
            })
            .collect()
    }

    /// Whether a candidate was ever posted, or is being posted now.
    pub fn was_posted(&self, candidate: CandidateKey) -> bool {
        let under_review = matches!(self.phase, Phase::Review { .. });
        let stages = self.stages.iter().rev().skip(usize::from(under_review));
        stages
            .into_iter()
            .any(|stage| stage.posted.contains(&candidate))
    }

    /// A candidate under review is not to be posted, unless somebody [`keep`](Self::keep)s it.
    ///
    /// # Errors
    /// [`ReviewRefused`].
    pub fn withhold(
        &mut self,
        candidate: CandidateKey,
        organiser: Member,
        now: Time,
    ) -> Result<(), ReviewRefused> {
        let is_there = self.under_review().contains(&candidate);
        let Phase::Review { withheld, .. } = &mut self.phase else {
            return Err(ReviewRefused::NotNow);
        };
        if !is_there {
            return Err(ReviewRefused::NoSuchCandidate);
        }
        if withheld.insert(candidate) {
            self.note(now, Some(organiser), Act::Withheld(candidate));
        }
        Ok(())
    }

    /// A candidate that was withheld is posted after all, which leaves no trace since nobody has seen
    /// anything of it; or one that was reported stands although it was.
    ///
    /// # Errors
    /// [`ReviewRefused`].
    pub fn keep(
        &mut self,
        candidate: CandidateKey,
        organiser: Member,
        now: Time,
    ) -> Result<(), ReviewRefused> {
        match &mut self.phase {
            Phase::Review { withheld, .. } => {
                if withheld.remove(&candidate) {
                    let act = Act::Withheld(candidate);
                    self.log.retain(|entry| entry.act != act);
                }
            }
            Phase::Posting { .. } | Phase::Rating { .. } => {
                if !self.eligible().contains(&candidate) {
                    return Err(ReviewRefused::NoSuchCandidate);
                }
                if self.reported().contains(&candidate) {
                    self.candidates[usize::from(candidate.0)].kept = true;
                    self.note(now, Some(organiser), Act::Kept(candidate));
                }
            }
            _ => return Err(ReviewRefused::NotNow),
        }
        Ok(())
    }

    /// The candidates of `stage` are posted but for those that are withheld.
    ///
    /// # Errors
    /// [`ReviewRefused`].
    pub fn post_reviewed(
        &mut self,
        stage: u8,
        organiser: Member,
        now: Time,
    ) -> Result<(), ReviewRefused> {
        let Phase::Review { withheld, .. } = &self.phase else {
            return Err(ReviewRefused::NotNow);
        };
        // Somebody may have had other candidates drafted, which whoever asked has not seen.
        if !self.is_latest(stage) {
            return Err(ReviewRefused::NotNow);
        }
        let mut posted = self.under_review().to_vec();
        posted.retain(|key| !withheld.contains(key));
        if posted.is_empty() {
            return Err(ReviewRefused::NothingToPost);
        }
        self.leave_review(now);
        self.stages[usize::from(stage)].posted = posted;
        self.phase = Phase::Posting { since: now };
        self.note(now, Some(organiser), Act::Reviewed);
        Ok(())
    }

    /// A candidate that stands there no longer does. Without another one the round ends.
    ///
    /// # Errors
    /// [`ReviewRefused`].
    pub fn withdraw_candidate(
        &mut self,
        candidate: CandidateKey,
        organiser: Member,
        now: Time,
    ) -> Result<(), ReviewRefused> {
        if !matches!(self.phase, Phase::Posting { .. } | Phase::Rating { .. }) {
            return Err(ReviewRefused::NotNow);
        }
        if !self.eligible().contains(&candidate) {
            return Err(ReviewRefused::NoSuchCandidate);
        }
        let act = Act::Withdrawn(candidate);
        self.take_out(candidate, Some(organiser), act, now);
        Ok(())
    }

    /// The candidates of `stage`, which are under review, are drafted anew from the same opinions.
    ///
    /// # Errors
    /// [`ReviewRefused`].
    pub fn redraft(
        &mut self,
        stage: u8,
        organiser: Member,
        now: Time,
    ) -> Result<(), ReviewRefused> {
        if !matches!(self.phase, Phase::Review { .. }) || !self.is_latest(stage) {
            return Err(ReviewRefused::NotNow);
        }
        self.may_redraft(self.read_opinions().count())?;
        self.begin_anew(now);
        self.note(now, Some(organiser), Act::Redrafted);
        Ok(())
    }

    /// What [`Self::redraft_without`] would come to.
    ///
    /// # Errors
    /// [`ReviewRefused`].
    pub fn without_sources(&self, candidate: CandidateKey) -> Result<Without, ReviewRefused> {
        let candidates = self.under_review();
        if candidates.is_empty() {
            return Err(ReviewRefused::NotNow);
        }
        if !candidates.contains(&candidate) {
            return Err(ReviewRefused::NoSuchCandidate);
        }
        let sources = self.sources(candidate);
        let read = self.read_opinions();
        let (without, left): (Vec<_>, Vec<_>) = read.partition(|(who, _)| sources.contains(who));
        self.may_redraft(left.len())?;
        Ok(Without {
            left_out: without.len(),
            left: left.len(),
        })
    }

    /// A candidate that is under review or stands there is withheld or withdrawn, and candidates are
    /// drafted anew: no draft of this round reads any more what it was drafted from. Whoever wrote that
    /// stays a participant. Ratings stay as well, and so does the best of what stood there before, if
    /// none of it went in there.
    ///
    /// # Errors
    /// [`ReviewRefused`].
    pub fn redraft_without(
        &mut self,
        candidate: CandidateKey,
        organiser: Member,
        now: Time,
    ) -> Result<Without, ReviewRefused> {
        let without = self.without_sources(candidate)?;
        for member in self.sources(candidate) {
            if let Some(opinion) = self.opinions.get_mut(&member) {
                opinion.left_out = true;
            }
        }
        self.withdraw(candidate, now);
        self.begin_anew(now);
        let act = Act::RedraftedWithout {
            candidate,
            opinions: without.left_out,
        };
        self.note(now, Some(organiser), act);
        Ok(without)
    }

    /// Whose opinions and critiques a candidate was drafted from, as far as they are still here.
    fn sources(&self, candidate: CandidateKey) -> BTreeSet<Member> {
        let read = &self.candidate(candidate).provenance;
        let members = read.opinions_read.iter().chain(&read.critiques_read);
        let here = members.filter(|member| self.opinions.contains_key(member));
        here.copied().collect()
    }

    pub(super) fn has_left_out_sources(&self, candidate: CandidateKey) -> bool {
        let sources = self.sources(candidate);
        sources.iter().any(|member| self.is_left_out(member))
    }

    pub(super) fn is_left_out(&self, member: &Member) -> bool {
        let opinion: Option<&Opinion> = self.opinions.get(member);
        opinion.is_some_and(|opinion| opinion.left_out)
    }

    /// Whether a text is nearly that of a candidate that was taken out, and so is not posted again.
    pub(super) fn is_like_a_withdrawn_one(&self, text: &str) -> bool {
        let withdrawn = self.candidates.iter();
        withdrawn
            .filter(|candidate| candidate.withdrawn_at.is_some())
            .any(|candidate| near_copy(&candidate.text, text))
    }

    fn may_redraft(&self, left: usize) -> Result<(), ReviewRefused> {
        if left < FEWEST_OPINIONS {
            return Err(ReviewRefused::TooFewLeft { left });
        }
        let redrafted = self
            .log
            .iter()
            .filter(|entry| matches!(entry.act, Act::Redrafted | Act::RedraftedWithout { .. }));
        if redrafted.count() >= MOST_REDRAFTS {
            return Err(ReviewRefused::TooManyRedrafts);
        }
        Ok(())
    }

    /// The last stage is set aside, and drafting begins.
    fn begin_anew(&mut self, now: Time) {
        self.leave_review(now);
        let stage = self.stages.last_mut();
        stage.expect("candidates are of a stage").set_aside = true;
        self.phase = Phase::drafting(now);
    }

    /// What is under review, if anything is, is not posted, and what is withheld never will be.
    pub(super) fn leave_review(&mut self, now: Time) {
        if let Phase::Review { withheld, .. } = &mut self.phase {
            for candidate in std::mem::take(withheld) {
                self.withdraw(candidate, now);
            }
            let stage = self.stages.last_mut();
            stage.expect("candidates are of a stage").posted.clear();
        }
    }

    /// A candidate that stands there no longer does. Without another one the round ends, unless others
    /// are being drafted instead.
    pub(super) fn take_out(
        &mut self,
        candidate: CandidateKey,
        by: Option<Member>,
        act: Act,
        now: Time,
    ) {
        self.withdraw(candidate, now);
        self.note(now, by, act);
        let set_aside = self.stages.last().is_some_and(|stage| stage.set_aside);
        if self.eligible().is_empty() && !set_aside {
            self.end(Cancellation::NoCandidateLeft, now);
        } else {
            self.see_whether_complete(now);
        }
    }

    fn withdraw(&mut self, candidate: CandidateKey, now: Time) {
        let candidate = &mut self.candidates[usize::from(candidate.0)];
        candidate.withdrawn_at.get_or_insert(now);
    }
}
