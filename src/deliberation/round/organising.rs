//! What organisers do with a round.

use chrono::TimeDelta;
use thiserror::Error;

use super::{Act, Answer, Cancellation, Phase, Round, Time, Verdict};
use crate::deliberation::id::Member;

/// Why an organiser's command does nothing here.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum OrganiserRefused {
    /// Nothing has a deadline now.
    #[error("nothing to extend or close while candidates are drafted and posted")]
    BusyDrafting,
    /// An organiser is to look at the candidates first.
    #[error("nothing to extend or close while candidates are under review")]
    UnderReview,
    #[error("{opinions} opinions, {minimum} are needed before opinions can be closed")]
    BelowMinimum { opinions: usize, minimum: usize },
    /// It closes as soon or sooner.
    #[error("it closes at that time already")]
    ClosesAlready { closes: Time },
    #[error("a phase lasts {} days at the longest", LONGEST_PHASE.num_days())]
    TooLong,
    #[error("the round is over")]
    Over,
    #[error("the round has no result yet")]
    NoResult,
}

/// A deadline was moved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extended {
    pub closes: Time,
}

/// How many rounds one guild may have, so that it leaves the models to the others as well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RoundLimits {
    /// That are open at the same time.
    pub open: usize,
    /// That are opened within 24 hours.
    pub a_day: usize,
}

/// Why a guild cannot open another round.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum TooManyRounds {
    #[error("{0} rounds are open, and no more may be")]
    Open(usize),
    #[error("{0} rounds were opened within a day, and no more may be")]
    InADay(usize),
}

/// Whether a guild that has these rounds may open one more.
///
/// # Errors
/// [`TooManyRounds`].
pub fn may_open(rounds: &[Round], limits: RoundLimits, now: Time) -> Result<(), TooManyRounds> {
    let open = rounds.iter().filter(|round| round.is_open()).count();
    if open >= limits.open {
        return Err(TooManyRounds::Open(limits.open));
    }
    let a_day_ago = now - TimeDelta::days(1);
    let opened = rounds.iter().filter(|round| round.opened_at > a_day_ago);
    if opened.count() >= limits.a_day {
        return Err(TooManyRounds::InADay(limits.a_day));
    }
    Ok(())
}

/// How far in the future a deadline can lie.
pub const LONGEST_PHASE: TimeDelta = TimeDelta::days(30);

impl Round {
    /// Moves the deadline of the phase, also that of opinions that were too few.
    ///
    /// # Errors
    /// [`OrganiserRefused`].
    pub fn extend(
        &mut self,
        organiser: Member,
        by: TimeDelta,
        now: Time,
    ) -> Result<Extended, OrganiserRefused> {
        let extended = |closes: Time| {
            if by <= TimeDelta::zero() {
                return Err(OrganiserRefused::ClosesAlready { closes });
            }
            closes
                .max(now)
                .checked_add_signed(by)
                .filter(|closes| *closes - now <= LONGEST_PHASE)
                .ok_or(OrganiserRefused::TooLong)
        };
        let closes = match &mut self.phase {
            Phase::Opinions { closes, .. } => {
                *closes = extended(*closes)?;
                *closes
            }
            // Also if everybody has rated everything: somebody else may be expected.
            Phase::Rating {
                closes,
                complete_since,
            } => {
                *closes = extended(*closes)?;
                *complete_since = None;
                *closes
            }
            Phase::TooFew { .. } => {
                let closes = extended(now)?;
                self.phase = Phase::Opinions {
                    closes,
                    extended: true,
                };
                closes
            }
            Phase::Drafting { .. } | Phase::Posting { .. } => {
                return Err(OrganiserRefused::BusyDrafting);
            }
            Phase::Review { .. } => return Err(OrganiserRefused::UnderReview),
            Phase::Concluded { .. } | Phase::Cancelled { .. } => {
                return Err(OrganiserRefused::Over);
            }
        };
        if let (Phase::Rating { .. }, Some(stage)) = (&self.phase, self.stages.last_mut()) {
            stage.early_close_at = None;
        }
        self.note(now, Some(organiser), Act::Extended { closes });
        Ok(Extended { closes })
    }

    /// Closes opinions now, or rating after `notice`, which is announced. Drafting that waits for a
    /// retry is tried at once; a round with too few opinions ends.
    ///
    /// # Errors
    /// [`OrganiserRefused`].
    pub fn close_early(
        &mut self,
        organiser: Member,
        notice: TimeDelta,
        now: Time,
    ) -> Result<(), OrganiserRefused> {
        match &mut self.phase {
            Phase::Opinions { .. } => {
                if !self.draft_if_enough(now) {
                    return Err(OrganiserRefused::BelowMinimum {
                        opinions: self.opinions.len(),
                        minimum: self.terms.minimum,
                    });
                }
                self.note(now, Some(organiser), Act::ClosedEarly);
            }
            Phase::TooFew { .. } => {
                self.end(Cancellation::TooFew, now);
                self.note(now, Some(organiser), Act::Cancelled);
            }
            Phase::Drafting {
                retry_at: retry_at @ Some(_),
                ..
            } => {
                *retry_at = None;
                self.note(now, Some(organiser), Act::RetriedDrafting);
            }
            Phase::Rating { closes, .. } => {
                if *closes <= now + notice {
                    return Err(OrganiserRefused::ClosesAlready { closes: *closes });
                }
                *closes = now + notice;
                if let Some(stage) = self.stages.last_mut() {
                    stage.early_close_at = Some(now);
                }
                self.note(now, Some(organiser), Act::ClosedEarly);
            }
            Phase::Drafting { retry_at: None, .. } | Phase::Posting { .. } => {
                return Err(OrganiserRefused::BusyDrafting);
            }
            Phase::Review { .. } => return Err(OrganiserRefused::UnderReview),
            Phase::Concluded { .. } | Phase::Cancelled { .. } => {
                return Err(OrganiserRefused::Over);
            }
        }
        Ok(())
    }

    /// Ends the round without a result.
    ///
    /// # Errors
    /// [`OrganiserRefused::Over`].
    pub fn cancel(&mut self, organiser: Member, now: Time) -> Result<(), OrganiserRefused> {
        if !self.is_open() {
            return Err(OrganiserRefused::Over);
        }
        let why = match self.phase {
            Phase::TooFew { .. } => Cancellation::TooFew,
            _ => Cancellation::ByOrganiser,
        };
        self.end(why, now);
        self.note(now, Some(organiser), Act::Cancelled);
        Ok(())
    }

    /// Says what becomes of the result; may be said again.
    ///
    /// # Errors
    /// [`OrganiserRefused::NoResult`].
    pub fn answer(
        &mut self,
        organiser: Member,
        verdict: Verdict,
        reasons: Option<String>,
        now: Time,
    ) -> Result<(), OrganiserRefused> {
        if self.result().is_none() {
            return Err(OrganiserRefused::NoResult);
        }
        self.answer = Some(Answer {
            verdict,
            reasons,
            by: organiser,
            at: now,
        });
        self.note(now, Some(organiser), Act::Answered);
        // What is shown changes once more.
        self.settled = false;
        Ok(())
    }
}
