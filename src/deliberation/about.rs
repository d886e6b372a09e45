//! Everything that is held about one member, for that member.

use serde_json::{Value, json};

use super::id::{Guild, Member};
use super::retraining::{How, Retraining, State};
use super::round::{Candidate, CandidateKey, Round};

/// What a round holds about a member, if anything: whatever [`Round::erase`] would remove.
pub fn about_member(round: &Round, member: Member) -> Option<Value> {
    let opinion = round.opinions.get(&member);
    // What organisers look at before it is posted is told nobody before, and never if it is not.
    let statement = |key| {
        let told = !round.terms.review || round.was_posted(key);
        told.then(|| &round.candidate(key).text)
    };
    let candidates = || (0..).map(CandidateKey).zip(&round.candidates);
    let ratings: Vec<_> = round
        .ratings_of(member)
        .map(|(key, rating)| {
            json!({
                "statement": statement(key),
                "agreement": rating.agreement,
                "quality": rating.quality,
                "agreement_again": rating.again,
                "reactions": rating.digits,
                "at": rating.at,
            })
        })
        .collect();
    let predictions: Vec<_> = candidates()
        .filter_map(|(key, candidate)| {
            let predicted = candidate.predictions.get(&member)?;
            Some(json!({ "statement": statement(key), "predicted_agreement": predicted.mean() }))
        })
        .collect();
    let critiques: Vec<_> = round
        .critiques
        .iter()
        .filter(|((_, critic), _)| *critic == member)
        .map(|(_, text)| text)
        .collect();
    let acts: Vec<_> = round
        .log
        .iter()
        .filter(|entry| entry.by == Some(member))
        .collect();
    let statements = |wanted: &dyn Fn(&Candidate) -> bool| -> Vec<Option<&String>> {
        let wanted = candidates().filter(|(_, candidate)| wanted(candidate));
        wanted.map(|(key, _)| statement(key)).collect()
    };
    let reports = statements(&|candidate| candidate.reports.contains(&member));
    let read_by = statements(&|candidate| candidate.read(member));
    let opened = round.opened_by == member;
    let answer = round.answer.as_ref().filter(|answer| answer.by == member);
    let nothing = opinion.is_none()
        && ratings.is_empty()
        && predictions.is_empty()
        && critiques.is_empty()
        && acts.is_empty()
        && reports.is_empty()
        && read_by.is_empty()
        && !opened
        && answer.is_none();
    (!nothing).then(|| {
        json!({
            "round": round.key.number,
            "question": round.question,
            "opinion": opinion,
            "ratings": ratings,
            "predictions": predictions,
            "critiques": critiques,
            "drafts_that_read_it": read_by,
            "reports": reports,
            "opened_it": opened,
            "acts": acts,
            "answer": answer,
        })
    })
}

/// What a retraining holds about a member of a guild, if anything. Which other guild it is of is told
/// nobody.
pub fn about_member_in(made: &Retraining, guild: Guild, member: Member) -> Option<Value> {
    let own = made.key.guild == guild;
    let asked = own && made.by == member;
    let cancelled = own
        && matches!(&made.state, State::Over { how: How::Cancelled { by }, .. } if *by == member);
    let learns = made.holds(guild, member);
    (asked || cancelled || learns).then(|| {
        json!({
            "server": if own { "this one" } else { "another one that shares" },
            "number": own.then_some(made.key.number),
            "model": made.model,
            "asked_at": made.asked_at,
            "you_asked_for_it": asked,
            "you_cancelled_it": cancelled,
            "learns_from_you": learns,
            "over": made.is_over(),
            "version": own.then(|| made.version()),
        })
    })
}
