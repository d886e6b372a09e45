//! Drafts become candidates, members rate them, and the ratings become a result.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rand::Rng;
use rand::seq::SliceRandom;
use thiserror::Error;

use super::{
    Cancellation, Candidate, CandidateKey, LONGEST_PHASE, ModelVersions, Phase, Rating, RatingMode,
    Round, RoundResult, Stage, Time,
};
use crate::deliberation::arm::Arm;
use crate::deliberation::certainty::Agreement;
use crate::deliberation::distribution::RatingDistribution;
use crate::deliberation::id::Member;
use crate::deliberation::outcome::{OutcomeThresholds, conclude};
use crate::deliberation::ranking::rank;
use crate::deliberation::rating::{Likert, RatingMatrix};
use crate::deliberation::record::FEWEST_OPINIONS;
use crate::deliberation::selection::select_for_rating;

/// What a drafting reads.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftInput {
    pub question: String,
    /// Of participants, in no telling order.
    pub opinions: Vec<(Member, String)>,
    /// The statement to be revised and what the group would change, for a revision.
    pub revision: Option<RevisionInput>,
    /// The stage that the drafts will make.
    pub stage: usize,
    /// Drafts of every arm are wanted.
    pub experiment: bool,
}

/// What a revision starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionInput {
    pub statement: String,
    pub critiques: Vec<(Member, String)>,
}

/// A pair whose predicted rating is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingPrediction {
    pub member: Member,
    pub opinion: String,
    pub candidates: Vec<CandidateKey>,
}

/// Why a rating was not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum RatingRefused {
    #[error("rating is closed")]
    Closed,
    #[error("no such candidate can be rated")]
    NoSuchCandidate,
}

/// Why a critique was not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum CritiqueRefused {
    #[error("rating is closed")]
    Closed,
    #[error("this round is not revised")]
    NoRevision,
    #[error("only those who rate a candidate 3 or less are asked")]
    NotAsked,
    #[error("a critique has at most {CRITIQUE_CHARACTERS} characters, this one has {characters}")]
    Length { characters: usize },
}

impl Rating {
    fn is_empty(&self) -> bool {
        self.agreement.is_none() && self.quality.is_none() && self.digits.is_empty()
    }
}

/// Length of a critique in characters.
pub const CRITIQUE_CHARACTERS: usize = 1000;

/// After the last participant has rated the last candidate, so long may everybody still change
/// their mind.
pub const GRACE: TimeDelta = TimeDelta::seconds(60);

impl Round {
    /// What the models are to read; `None` when nothing is to be drafted.
    pub fn draft_input(&self) -> Option<DraftInput> {
        if !matches!(self.phase, Phase::Drafting { .. }) {
            return None;
        }
        let opinions = self.read_opinions();
        Some(DraftInput {
            question: self.question.clone(),
            opinions: opinions.map(|(who, text)| (who, text.clone())).collect(),
            revision: self.revision(),
            stage: self.stages.len(),
            experiment: self.terms.experiment,
        })
    }

    /// The opinions that a draft may read.
    pub fn read_opinions(&self) -> impl Iterator<Item = (Member, &String)> {
        self.opinions
            .iter()
            .filter(|(_, opinion)| !opinion.late && !opinion.left_out)
            .filter_map(|(member, opinion)| Some((*member, opinion.text.as_ref()?)))
    }

    /// Whether what is drafted is a revision, not the first candidates or others in their place.
    pub fn is_being_revised(&self) -> bool {
        matches!(self.phase, Phase::Drafting { .. }) && self.revision().is_some()
    }

    /// What is left to be revised, of the best candidate and of what the group would change.
    fn revision(&self) -> Option<RevisionInput> {
        let stage = self.stages.iter().rposition(|stage| !stage.set_aside)?;
        let statement = self.candidate(self.best_of(stage)?).text.clone();
        let critiques = self.critiques_of(stage);
        (!critiques.is_empty()).then_some(RevisionInput {
            statement,
            critiques,
        })
    }

    /// Drafting begins: these are the models that the round uses to its end, if it has none yet.
    pub fn uses(&mut self, models: ModelVersions) {
        self.models.get_or_insert(models);
    }

    /// The models wrote candidates for `stage` and predicted how participants would rate them; the
    /// best are chosen to be posted. Ignored if that stage was drafted already.
    pub fn drafted(
        &mut self,
        stage: usize,
        mut candidates: Vec<Candidate>,
        rng: &mut impl Rng,
        now: Time,
    ) {
        if !matches!(self.phase, Phase::Drafting { .. }) || stage != self.stages.len() {
            return;
        }
        if self.terms.experiment {
            // The button under a candidate carries its number, which is not to tell its arm.
            candidates.shuffle(rng);
        }
        let revised = self.carried_over();
        let written = candidates.len();
        candidates.retain(|candidate| !self.is_like_a_withdrawn_one(&candidate.text));
        if candidates.is_empty() && written > 0 {
            // With other seeds something else may come of it.
            return self.drafting_failed(false, now);
        }
        let mut drafts = Vec::new();
        for mut candidate in candidates {
            self.forget_who_left(&mut candidate);
            let same = |key| self.candidate(key).text == candidate.text;
            if !revised.is_some_and(same) {
                drafts.push(CandidateKey(self.candidates.len() as u16));
                self.candidates.push(candidate);
            }
        }
        // A revision competes with what it revises, however alike the two are; what is drafted anew with
        // what stood there before and may stay.
        let places = usize::from(self.terms.posted) - usize::from(revised.is_some());
        let mut posted = self.select(&drafts, places, rng);
        posted.extend(revised);
        if posted.is_empty() {
            return self.end(Cancellation::NoCandidateLeft, now);
        }
        posted.shuffle(rng);
        self.stages.push(Stage {
            posted,
            rating_opened_at: None,
            early_close_at: None,
            set_aside: false,
        });
        self.clear_drafts(|draft| draft.read(Member::ERASED));
        self.phase = if self.terms.review {
            Phase::Review {
                since: now,
                withheld: BTreeSet::new(),
            }
        } else {
            Phase::Posting { since: now }
        };
        // What was said by reaction before still counts, and cannot be taken back under the new
        // messages, which have none.
        self.ratings.retain(|_, rating| {
            rating.digits.clear();
            rating.unclear = false;
            !rating.is_empty()
        });
    }

    /// The drafts that are posted, by predicted welfare: in an experiment the best of each arm.
    fn select(
        &self,
        drafts: &[CandidateKey],
        places: usize,
        rng: &mut impl Rng,
    ) -> Vec<CandidateKey> {
        let Some(matrix) = self.matrix(drafts) else {
            return Vec::new();
        };
        let ranking = rank(&matrix, self.terms.welfare);
        let best_of = |arm: Arm| {
            let mut best_first = ranking.iter().map(|ranked| drafts[ranked.candidate]);
            best_first.find(|&key| self.candidate(key).provenance.arm == Some(arm))
        };
        let of_each_arm: Vec<CandidateKey> = Arm::ALL.into_iter().filter_map(best_of).collect();
        if !of_each_arm.is_empty() {
            return of_each_arm;
        }
        let texts: Vec<&str> = drafts
            .iter()
            .map(|&key| self.candidate(key).text.as_str())
            .collect();
        select_for_rating(&ranking, &texts, places, rng)
            .into_iter()
            .map(|column| drafts[column])
            .collect()
    }

    /// Drafting takes minutes, in which members may have had everything about them erased.
    fn forget_who_left(&self, candidate: &mut Candidate) {
        let is_here = |member: &Member| self.opinions.contains_key(member);
        candidate.predictions.retain(|member, _| is_here(member));
        let read = &mut candidate.provenance;
        for reader in read
            .opinions_read
            .iter_mut()
            .chain(&mut read.critiques_read)
        {
            if !is_here(reader) {
                *reader = Member::ERASED;
            }
        }
    }

    /// Drafting failed: it is tried again after half a minute, then after ever longer times, at most
    /// a quarter of an hour; for [`LONGEST_PHASE`], and then the round is over. `was_too_slow`: a model
    /// did not answer in time.
    pub fn drafting_failed(&mut self, was_too_slow: bool, now: Time) {
        if let Phase::Drafting {
            since,
            failures,
            retry_at,
            too_slow,
        } = &mut self.phase
        {
            if *since + LONGEST_PHASE <= now {
                return self.end(Cancellation::Stalled, now);
            }
            *too_slow = was_too_slow;
            *failures += 1;
            let seconds = 30 << (*failures - 1).min(5);
            *retry_at = Some(now + TimeDelta::seconds(seconds.min(900)));
        }
    }

    /// All candidates stand there: from now on members can rate. If they cannot be posted for
    /// [`LONGEST_PHASE`], or are not reviewed for so long, the round is over.
    pub fn open_rating(&mut self, now: Time) {
        let (Phase::Posting { since } | Phase::Review { since, .. }) = self.phase else {
            return;
        };
        let posting = matches!(self.phase, Phase::Posting { .. });
        if !posting || !self.all_candidates_shown() {
            if since + LONGEST_PHASE <= now {
                self.end(Cancellation::Stalled, now);
            }
            return;
        }
        self.phase = Phase::Rating {
            closes: now + self.terms.ratings_for,
            complete_since: None,
        };
        self.stages
            .last_mut()
            .expect("posting is of a stage")
            .rating_opened_at = Some(now);
        self.see_whether_complete(now);
    }

    /// When rating closes: at its deadline, or [`GRACE`] after everybody has rated everything.
    pub fn rating_closes(&self) -> Option<Time> {
        match self.phase {
            Phase::Rating {
                closes,
                complete_since,
            } => Some(complete_since.map_or(closes, |since| closes.min(since + GRACE))),
            _ => None,
        }
    }

    /// A member rates in private; `None` leaves what was there.
    ///
    /// # Errors
    /// [`RatingRefused`].
    pub fn rate(
        &mut self,
        candidate: CandidateKey,
        member: Member,
        agreement: Option<Likert>,
        quality: Option<Likert>,
        now: Time,
    ) -> Result<(), RatingRefused> {
        self.check_open(now)?;
        self.change_rating(candidate, member, now, |rating| {
            if let Some(agreement) = agreement {
                rating.agreement = Some(agreement);
                rating.unclear = false;
            }
            rating.quality = quality.or(rating.quality);
        })
    }

    /// A member who was shown a candidate a second time rates it anew. The first rating stays as it
    /// is, and nothing of the round's result depends on this one; it is forgotten when the first
    /// changes.
    ///
    /// # Errors
    /// [`RatingRefused`]; also where nothing is shown a second time, or was not rated before.
    pub fn rate_again(
        &mut self,
        candidate: CandidateKey,
        member: Member,
        agreement: Likert,
        now: Time,
    ) -> Result<(), RatingRefused> {
        self.check_open(now)?;
        if !self.may_rate_again(member) {
            return Err(RatingRefused::NoSuchCandidate);
        }
        self.change_rating(candidate, member, now, |rating| {
            rating.again = Some(agreement);
        })
    }

    /// Whether a participant has rated everything, and is shown a candidate a second time.
    pub fn may_rate_again(&self, member: Member) -> bool {
        self.terms.training && self.is_done(member)
    }

    /// A member sets a digit as a reaction: the last one set counts.
    ///
    /// # Errors
    /// [`RatingRefused`].
    pub fn react(
        &mut self,
        candidate: CandidateKey,
        member: Member,
        digit: Likert,
        now: Time,
    ) -> Result<(), RatingRefused> {
        self.check_open(now)?;
        self.change_rating(candidate, member, now, |rating| {
            rating.digits.retain(|set| *set != digit);
            rating.digits.push(digit);
            rating.agreement = Some(digit);
            rating.unclear = false;
        })
    }

    /// A member takes a digit back: if it counted, the one that was set before it does again; if
    /// nobody knew which one counts, the only one that is left does.
    ///
    /// # Errors
    /// [`RatingRefused`].
    pub fn unreact(
        &mut self,
        candidate: CandidateKey,
        member: Member,
        digit: Likert,
        now: Time,
    ) -> Result<(), RatingRefused> {
        self.check_open(now)?;
        self.change_rating(candidate, member, now, |rating| {
            if !rating.digits.contains(&digit) {
                return;
            }
            rating.digits.retain(|set| *set != digit);
            if rating.unclear {
                rating.unclear = rating.digits.len() > 1;
            }
            if rating.agreement.is_none_or(|counts| counts == digit) && !rating.unclear {
                rating.agreement = rating.digits.last().copied();
            }
        })
    }

    /// The digits that are really set under a candidate, read again since events may have been
    /// missed; also those of the last moment, when rating has just closed.
    ///
    /// A single digit counts; of several the one that is stored, if it is still set; else none, and
    /// the member is told.
    ///
    /// `heard` is the round as it was when Accord began to hear of reactions again: what was missed
    /// happened before, so who rated since then had the last word. Reading takes a while: `before` is
    /// the round as it was when that began.
    ///
    /// # Errors
    /// [`RatingRefused`].
    pub fn reactions_found(
        &mut self,
        candidate: CandidateKey,
        found: &BTreeMap<Member, BTreeSet<Likert>>,
        heard: &Self,
        before: &Self,
        now: Time,
    ) -> Result<(), RatingRefused> {
        let known: BTreeSet<Member> = self
            .ratings
            .iter()
            .filter(|((key, _), rating)| *key == candidate && !rating.digits.is_empty())
            .map(|((_, member), _)| *member)
            .chain(found.keys().copied())
            .collect();
        for member in known {
            let set = found.get(&member).cloned().unwrap_or_default();
            let of = |round: &Self| round.ratings.get(&(candidate, member)).cloned();
            let said_before = of(heard).and_then(|rating| rating.agreement);
            let set_before = of(before).map(|rating| rating.digits).unwrap_or_default();
            self.change_rating(candidate, member, now, |rating| {
                // A reaction came meanwhile: what was found is older, if it is still true at all.
                if rating.digits != set_before {
                    return;
                }
                let added: Vec<Likert> = set
                    .iter()
                    .copied()
                    .filter(|digit| !rating.digits.contains(digit))
                    .collect();
                if added.is_empty() && set.len() == rating.digits.len() {
                    return;
                }
                // What was said in the panel stands unless a digit was set after it.
                let by_reaction = rating
                    .agreement
                    .is_none_or(|agreement| rating.digits.contains(&agreement));
                let has_last_word = rating.agreement.is_some() && rating.agreement != said_before;
                if !has_last_word && (by_reaction || !added.is_empty()) {
                    let still_set = rating.agreement.filter(|digit| set.contains(digit));
                    let single = set.first().copied().filter(|_| set.len() == 1);
                    rating.agreement = single.or(still_set);
                    rating.unclear = rating.agreement.is_none() && set.len() > 1;
                }
                rating.digits.retain(|digit| set.contains(digit));
                rating.digits.extend(added);
            })?;
        }
        Ok(())
    }

    /// What a member who rated a candidate 3 or less would change.
    ///
    /// # Errors
    /// [`CritiqueRefused`].
    pub fn criticise(
        &mut self,
        member: Member,
        text: &str,
        now: Time,
    ) -> Result<(), CritiqueRefused> {
        if self.rating_closes().is_none_or(|closes| closes <= now) {
            return Err(CritiqueRefused::Closed);
        }
        if !self.is_to_be_revised() {
            return Err(CritiqueRefused::NoRevision);
        }
        if !self.may_criticise(member) {
            return Err(CritiqueRefused::NotAsked);
        }
        let text = text.trim();
        let characters = text.chars().count();
        if !(1..=CRITIQUE_CHARACTERS).contains(&characters) {
            return Err(CritiqueRefused::Length { characters });
        }
        let stage = (self.stages.len() - 1) as u8;
        self.critiques.insert((stage, member), text.to_owned());
        Ok(())
    }

    /// Whether a revision follows, if anybody says what to change.
    pub fn is_to_be_revised(&self) -> bool {
        let stages = self.stages.iter().filter(|stage| !stage.set_aside);
        stages.count() <= usize::from(self.terms.revisions)
    }

    /// Whether a participant rated a candidate so low that a revision may ask why.
    pub fn may_criticise(&self, member: Member) -> bool {
        let low = |key| {
            let rating: Option<&Rating> = self.ratings.get(&(key, member));
            let agreement = rating.and_then(|rating| rating.agreement);
            agreement.is_some_and(|agreement| u8::from(agreement) <= 3)
        };
        let opinion = self.opinions.get(&member);
        opinion.is_some_and(|opinion| !opinion.left_out) && self.eligible().into_iter().any(low)
    }

    /// Somebody finds that a candidate should not stand there; how many do now. 0 if there is no such
    /// candidate.
    pub fn report(&mut self, candidate: CandidateKey, member: Member) -> usize {
        let Some(Candidate { reports, kept, .. }) =
            self.candidates.get_mut(usize::from(candidate.0))
        else {
            return 0;
        };
        if !reports.contains(&member) {
            reports.push(member);
            *kept = false;
        }
        reports.len()
    }

    /// The pairs of participants and candidates that can win of which neither a real nor a
    /// predicted rating is there: those who joined late.
    pub fn missing_predictions(&self) -> Vec<MissingPrediction> {
        self.opinions
            .iter()
            .filter_map(|(&member, opinion)| {
                let candidates: Vec<CandidateKey> = self
                    .eligible()
                    .into_iter()
                    .filter(|&key| self.agreement(key, member).is_none())
                    .collect();
                Some(MissingPrediction {
                    member,
                    opinion: opinion.text.clone()?,
                    candidates,
                })
            })
            .filter(|missing| !missing.candidates.is_empty())
            .collect()
    }

    /// The reward model's answer for one participant.
    pub fn predicted(
        &mut self,
        member: Member,
        predictions: impl IntoIterator<Item = (CandidateKey, RatingDistribution)>,
    ) {
        // Erased meanwhile.
        if !self.opinions.contains_key(&member) {
            return;
        }
        for (key, distribution) in predictions {
            let candidate = &mut self.candidates[usize::from(key.0)];
            candidate.predictions.insert(member, distribution);
        }
    }

    /// Rating is over: on to a revision if one is wanted and somebody said what to change, else to
    /// the result. A participant whose rating is neither known nor predicted does not count.
    ///
    /// Ignored before the deadline, which may just have been moved: by an organiser, or since the
    /// reactions that were read again show that not everybody has rated everything.
    pub fn close_rating(&mut self, thresholds: &OutcomeThresholds, rng: &mut impl Rng, now: Time) {
        if self.rating_closes().is_none_or(|closes| closes > now) {
            return;
        }
        let critiques = self.critiques_of(self.stages.len() - 1);
        let enough = self.read_opinions().count() >= FEWEST_OPINIONS;
        if self.is_to_be_revised() && !critiques.is_empty() && enough {
            self.phase = Phase::drafting(now);
            return;
        }
        let candidates = self.eligible();
        let table = self.table(&candidates);
        if table.is_empty() || candidates.is_empty() {
            return self.end(Cancellation::NoCandidateLeft, now);
        }
        let mut conclusion = conclude(&table, self.terms.welfare, thresholds, rng);
        if self.ranks_by_real_ratings(&candidates) {
            // There is no other order to compare with.
            conclusion.best_by_real_ratings = None;
        }
        let result = RoundResult {
            conclusion,
            participants: table.len(),
            candidates,
            calibrated: false,
        };
        self.phase = Phase::Concluded { at: now, result };
    }

    /// The certainty of the reward model has proved right where that could be checked: members may see
    /// that of the result as a number.
    pub fn certainty_is_calibrated(&mut self) {
        if let Phase::Concluded { result, .. } = &mut self.phase {
            result.calibrated = true;
        }
    }

    /// Whether only real ratings rank these candidates: by [`Terms::real_ratings_only`], as soon as a
    /// participant has rated one of them.
    pub fn ranks_by_real_ratings(&self, candidates: &[CandidateKey]) -> bool {
        self.terms.real_ratings_only && !self.real_ratings(candidates).is_empty()
    }

    /// Every agreement that a participant gave to one of these candidates.
    fn real_ratings(&self, candidates: &[CandidateKey]) -> Vec<(Member, Likert)> {
        let ratings = self.ratings.iter();
        let given = ratings.filter_map(|((key, member), rating)| {
            let counts = candidates.contains(key) && self.opinions.contains_key(member);
            Some((*member, rating.agreement.filter(|_| counts)?))
        });
        given.collect()
    }

    /// Participants by `candidates`, by real ratings alone. One that is missing is as likely as not any of
    /// the participant's others; or, where they gave none, any of everybody's. The latter are alike for
    /// all candidates, so they do not change the order.
    fn table_of_real_ratings(&self, candidates: &[CandidateKey]) -> Vec<Vec<Agreement>> {
        let all = self.real_ratings(candidates);
        let everybodys = RatingDistribution::of(all.iter().map(|(_, rating)| *rating));
        let participants = self.opinions.keys();
        participants
            .filter_map(|&member| {
                let own = all.iter().filter(|(by, _)| *by == member);
                let own = RatingDistribution::of(own.map(|(_, rating)| *rating));
                let missing = Agreement::Predicted(own.or(everybodys)?);
                let real = |key| self.ratings.get(&(key, member))?.agreement;
                let row = candidates.iter();
                Some(
                    row.map(|&key| real(key).map_or(missing, Agreement::Real))
                        .collect(),
                )
            })
            .collect()
    }

    /// Participants by `candidates`: the real rating where there is one, else the predicted one, unless
    /// only real ratings rank ([`Self::ranks_by_real_ratings`]).
    /// Participants of whom something is missing are left out.
    pub fn table(&self, candidates: &[CandidateKey]) -> Vec<Vec<Agreement>> {
        if self.ranks_by_real_ratings(candidates) {
            return self.table_of_real_ratings(candidates);
        }
        self.opinions
            .keys()
            .filter_map(|&member| {
                candidates
                    .iter()
                    .map(|&key| self.agreement(key, member))
                    .collect()
            })
            .collect()
    }

    /// The real rating, else the predicted one.
    pub fn agreement(&self, candidate: CandidateKey, member: Member) -> Option<Agreement> {
        let real = self
            .ratings
            .get(&(candidate, member))
            .and_then(|rating| rating.agreement);
        let predicted = self.candidate(candidate).predictions.get(&member);
        real.map(Agreement::Real)
            .or(predicted.map(|&distribution| Agreement::Predicted(distribution)))
    }

    /// Of the participants, who have rated everything there is to rate.
    pub fn participants_done(&self) -> usize {
        let participants = self.opinions.keys();
        participants.filter(|&&member| self.is_done(member)).count()
    }

    fn is_done(&self, participant: Member) -> bool {
        let mut eligible = self.eligible().into_iter();
        self.opinions.contains_key(&participant)
            && eligible.all(|key| self.has_rated(key, participant))
    }

    pub(super) fn see_whether_complete(&mut self, now: Time) {
        let complete = !self.opinions.is_empty() && self.participants_done() == self.opinions.len();
        if let Phase::Rating { complete_since, .. } = &mut self.phase {
            *complete_since = complete.then(|| complete_since.unwrap_or(now));
        }
    }

    /// The best candidate of what members could rate last, which stands for rating again beside what is
    /// drafted next; none in an experiment, which has one of each arm.
    fn carried_over(&self) -> Option<CandidateKey> {
        let rated = |stage: &Stage| stage.rating_opened_at.is_some();
        let stage = self.stages.iter().rposition(rated)?;
        self.best_of(stage).filter(|_| !self.terms.experiment)
    }

    /// The best candidate of a stage by ratings and predictions, of those that can still win and that
    /// nothing went into that is left out.
    fn best_of(&self, stage: usize) -> Option<CandidateKey> {
        let mut candidates = self.stages[stage].posted.clone();
        candidates.retain(|&key| {
            self.candidate(key).withdrawn_at.is_none() && !self.has_left_out_sources(key)
        });
        if candidates.is_empty() {
            return None;
        }
        let matrix = self.matrix(&candidates)?;
        Some(candidates[rank(&matrix, self.terms.welfare)[0].candidate])
    }

    /// The ratings of [`Self::table`]; `None` where it is empty.
    fn matrix(&self, candidates: &[CandidateKey]) -> Option<RatingMatrix> {
        let ratings = self
            .table(candidates)
            .iter()
            .map(|row| row.iter().map(|agreement| agreement.rating()).collect())
            .collect();
        RatingMatrix::new(ratings).ok()
    }

    fn critiques_of(&self, stage: usize) -> Vec<(Member, String)> {
        self.critiques
            .iter()
            .filter(|((of, member), _)| usize::from(*of) == stage && !self.is_left_out(member))
            .map(|((_, member), text)| (*member, text.clone()))
            .collect()
    }

    fn has_rated(&self, candidate: CandidateKey, member: Member) -> bool {
        self.ratings
            .get(&(candidate, member))
            .is_some_and(|rating| rating.agreement.is_some())
    }

    /// While candidates are being posted, reactions to those that already stand there count too.
    fn check_open(&self, now: Time) -> Result<(), RatingRefused> {
        let open = match self.phase {
            Phase::Posting { .. } => true,
            Phase::Rating { .. } => self.rating_closes().is_some_and(|closes| now < closes),
            _ => false,
        };
        if open {
            Ok(())
        } else {
            Err(RatingRefused::Closed)
        }
    }

    /// A rating in which nothing is said is none; one in which nothing changes stays as old as it is.
    fn change_rating(
        &mut self,
        candidate: CandidateKey,
        member: Member,
        now: Time,
        change: impl FnOnce(&mut Rating),
    ) -> Result<(), RatingRefused> {
        if !matches!(self.phase, Phase::Posting { .. } | Phase::Rating { .. }) {
            return Err(RatingRefused::Closed);
        }
        if !self.eligible().contains(&candidate) {
            return Err(RatingRefused::NoSuchCandidate);
        }
        let key = (candidate, member);
        let before = self.ratings.get(&key);
        let mut rating = before.cloned().unwrap_or(Rating {
            agreement: None,
            quality: None,
            digits: Vec::new(),
            unclear: false,
            again: None,
            at: now,
        });
        let agreement = rating.agreement;
        change(&mut rating);
        if rating.agreement != agreement {
            rating.again = None;
        }
        if before != Some(&rating) {
            rating.at = now;
            if rating.is_empty() {
                self.ratings.remove(&key);
            } else {
                self.ratings.insert(key, rating);
            }
            self.see_whether_complete(now);
        }
        Ok(())
    }

    /// Whether agreement may be given by reaction.
    pub fn takes_reactions(&self) -> bool {
        self.terms.rating == RatingMode::Reactions
    }
}
