//! What one member sees alone, in answer to what that member did.

use super::phrases::{deadline, excerpt, link, on};
use super::result::log;
use super::state::{opinions, phase, state};
use super::{Button, Embed, Look};
use crate::deliberation::id::Member;
use crate::deliberation::round::board::Item;
use crate::deliberation::round::{MOST_REVISIONS, OpinionRefused, Phase, Round, Time};
use crate::discord::custom_id::CustomId;
use crate::discord::neutral;
use crate::discord::sentences::admission;
use crate::discord::wording::Wording;
use crate::facilitator::erasure::{Erased, Learned};
use crate::facilitator::platform::View;

/// The member's opinion was saved, as `round` has it now.
pub fn opinion_saved(wording: &Wording, round: &Round, member: Member) -> Look {
    let Some(opinion) = round.opinions.get(&member) else {
        // By now: from another device.
        return opinion_withdrawn(wording, round);
    };
    let number = round.key.number;
    let taken = matches!(round.phase, Phase::Opinions { .. } | Phase::TooFew { .. });
    let mut lines = Vec::new();
    if opinion.late {
        lines.push(wording.say("opinion-saved-late", &[]));
    } else if opinion.revision > 1 {
        lines.push(wording.say("opinion-changed", &[]));
    } else {
        lines.push(wording.say("opinion-saved", &[]));
    }
    if !opinion.late {
        lines.push(opinions(wording, round));
    }
    match round.phase {
        Phase::Opinions { closes, .. } => {
            lines.push(wording.say("opinion-until", &[("when", on(closes).into())]));
        }
        Phase::TooFew { .. } => {}
        _ if !opinion.late => lines.push(wording.say("opinion-drafting-begins", &[])),
        _ => {}
    }
    if let Some(text) = &opinion.text {
        lines.push(excerpt(text, SAVED));
    }
    let change = Button::other(
        CustomId::Opinion { round: number },
        wording.say("button-change-opinion", &[]),
    );
    let withdraw = Button::dangerous(
        CustomId::Withdraw { round: number },
        wording.say("button-withdraw", &[]),
    );
    let look = Look::of(lines.join("\n"));
    if taken {
        look.buttons([change, withdraw])
    } else {
        look
    }
}

/// Everything about a member was erased: what stays.
pub fn erased(wording: &Wording, erased: &Erased) -> Look {
    let mut text = wording.say("privacy-erased", &[("rounds", erased.rounds.into())]);
    let Learned { own, elsewhere } = &erased.learned;
    if !own.is_empty() {
        text.push(' ');
        text.push_str(&wording.say("privacy-versions", &[("versions", own.join(", ").into())]));
    }
    if *elsewhere > 0 {
        text.push(' ');
        text.push_str(&wording.say(
            "privacy-versions-elsewhere",
            &[("versions", (*elsewhere).into())],
        ));
    }
    Look::of(text)
}

/// The member had everything deleted a moment ago, and can again at `when`.
pub fn erased_just_now(wording: &Wording, when: Time) -> Look {
    let when = deadline(when);
    Look::of(wording.say("privacy-erased-just-now", &[("when", when.into())]))
}

/// Enough to recognise it.
const SAVED: usize = 900;

/// The member took the opinion back.
pub fn opinion_withdrawn(wording: &Wording, round: &Round) -> Look {
    let id = CustomId::Opinion {
        round: round.key.number,
    };
    Look::of(wording.say("opinion-withdrawn", &[]))
        .buttons([Button::other(id, wording.say("button-opinion", &[]))])
}

/// The opinion was not saved. It is shown to its author to the letter, so that no word is lost and
/// the button can use it ([`returned_text`]).
pub fn opinion_refused(
    wording: &Wording,
    round: &Round,
    refused: &OpinionRefused,
    text: &str,
) -> Look {
    let number = round.key.number;
    let edit = Button::main(
        CustomId::Opinion { round: number },
        wording.say("button-change-opinion", &[]),
    );
    let (content, button) = match refused {
        OpinionRefused::Length { characters } => (
            wording.say("opinion-length", &[("characters", (*characters).into())]),
            Some(edit),
        ),
        OpinionRefused::Changed { current, .. } => (
            format!(
                "{}\n{}\n{}",
                wording.say("opinion-conflict", &[]),
                excerpt(current, CURRENT),
                wording.say("opinion-conflict-yours", &[])
            ),
            Some(edit),
        ),
        OpinionRefused::CanJoinLate => (
            wording.say("opinion-too-late", &[]),
            Some(Button::main(
                CustomId::Late { round: number },
                wording.say("button-late", &[]),
            )),
        ),
        OpinionRefused::Closed => (wording.say("opinion-closed", &[]), None),
        OpinionRefused::Over => (wording.say("opinion-over", &[]), None),
        OpinionRefused::NotAdmitted => {
            let who = admission(wording, round.terms.admission);
            (
                format!("{who} {}", wording.say("opinion-not-used", &[])),
                None,
            )
        }
        OpinionRefused::TooManyRevisions => (
            wording.say(
                "opinion-too-many-changes",
                &[("changes", MOST_REVISIONS.into())],
            ),
            None,
        ),
    };
    Look::of(content).embed(Embed::of(text)).buttons(button)
}

/// Of the opinion that is saved, which is safe; the other one is shown whole.
const CURRENT: usize = 1500;

/// The text that [`opinion_refused`] showed, read from the message with the button.
pub fn returned_text(message: &serenity::all::Message) -> Option<&str> {
    message.embeds.first()?.description.as_deref()
}

/// The opinion as its author wrote it, after a cancellation.
pub fn handed_back(wording: &Wording, round: &Round, member: Member) -> Look {
    match round.opinions.get(&member) {
        None => Look::of(wording.say("handback-none", &[])),
        Some(opinion) => match &opinion.text {
            None => Look::of(wording.say("privacy-deleted", &[])),
            Some(text) => Look::of(wording.say("handback", &[])).embed(Embed::of(text)),
        },
    }
}

/// Where a round stands; organisers are told what they can do.
pub fn status(wording: &Wording, view: &View<'_>, organiser: bool) -> Look {
    let round = view.round;
    let mut lines = vec![
        wording.say("status-title", &[("round", round.key.number.into())]),
        neutral::line(&round.question, QUESTION),
        state(wording, view),
    ];
    if organiser {
        lines.extend(reports(wording, round));
        lines.push(can_do(wording, round));
    }
    let under_review = matches!(round.phase, Phase::Review { .. });
    let review = (organiser && (under_review || !round.reported().is_empty())).then(|| {
        let id = CustomId::Review {
            round: round.key.number,
            stage: (round.stages.len() - 1) as u8,
        };
        Button::main(id, wording.say("button-review", &[]))
    });
    let card =
        link(round, Item::Card).map(|url| Button::link(url, wording.say("button-see-card", &[])));
    let result = link(round, Item::Result)
        .map(|url| Button::link(url, wording.say("button-see-result", &[])));
    Look::of(lines.join("\n"))
        .embed(Embed::default().field(wording.say("log-heading", &[]), log(wording, round)))
        .buttons(review.into_iter().chain(card).chain(result))
}

const QUESTION: usize = 300;

fn reports(wording: &Wording, round: &Round) -> Vec<String> {
    let posted = (0..).zip(&round.stages);
    let posted = posted.flat_map(|(stage, posted)| {
        let keys = posted.posted.iter();
        keys.map(move |&candidate| Item::Candidate { stage, candidate })
    });
    posted
        .filter_map(|item| {
            let Item::Candidate { candidate, .. } = item else {
                return None;
            };
            let reported = round.candidate(candidate);
            let people = reported.reports.len();
            let stands = people > 0 && reported.withdrawn_at.is_none();
            let url = link(round, item).filter(|_| stands)?;
            Some(wording.say(
                "status-report",
                &[("people", people.into()), ("url", url.into())],
            ))
        })
        .collect()
}

fn can_do(wording: &Wording, round: &Round) -> String {
    match round.phase {
        Phase::Opinions { .. } => wording.say("can-do-opinions", &[]),
        Phase::TooFew { .. } => wording.say("can-do-too-few", &[]),
        Phase::Drafting { retry_at: None, .. } | Phase::Posting { .. } => {
            wording.say("can-do-drafting", &[])
        }
        Phase::Drafting { .. } => wording.say("can-do-failed", &[]),
        Phase::Review { .. } => wording.say("can-do-review", &[]),
        Phase::Rating { .. } => wording.say("can-do-rating", &[]),
        Phase::Concluded { .. } => wording.say("can-do-concluded", &[]),
        Phase::Cancelled { .. } => wording.say("can-do-cancelled", &[]),
    }
}

/// The rounds of a guild, the latest first; `rounds` has the latest last.
pub fn list(wording: &Wording, rounds: &[Round]) -> Look {
    if rounds.is_empty() {
        return Look::of(wording.say("list-empty", &[]));
    }
    let lines: Vec<String> = rounds
        .iter()
        .rev()
        .take(LISTED)
        .map(|round| entry(wording, round))
        .collect();
    let mut embed = Embed::of(lines.join("\n"));
    if rounds.len() > LISTED {
        embed = embed.footer(wording.say("list-more", &[("more", (rounds.len() - LISTED).into())]));
    }
    Look::of(wording.say("list-title", &[])).embed(embed)
}

/// So many fit with any question.
const LISTED: usize = 15;
const LISTED_QUESTION: usize = 90;

fn entry(wording: &Wording, round: &Round) -> String {
    let item = if round.result().is_some() {
        Item::Result
    } else {
        Item::Card
    };
    let question = neutral::line(&round.question, LISTED_QUESTION);
    let phase = phase(wording, round);
    match link(round, item).or_else(|| link(round, Item::Card)) {
        Some(url) => wording.say(
            "list-entry-link",
            &[
                ("round", round.key.number.into()),
                ("question", question.into()),
                ("phase", phase.into()),
                ("url", url.into()),
            ],
        ),
        None => wording.say(
            "list-entry",
            &[
                ("round", round.key.number.into()),
                ("question", question.into()),
                ("phase", phase.into()),
            ],
        ),
    }
}
