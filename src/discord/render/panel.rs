//! The private panel: one candidate after another, in an order of the member's own.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::look::DESCRIPTION;
use super::phrases::{agreement, excerpt, from_now, quality};
use super::{Button, Embed, Look, Select};
use crate::deliberation::id::Member;
use crate::deliberation::rating::Likert;
use crate::deliberation::round::{CandidateKey, Phase, Rating, RatingMode, Round};
use crate::discord::custom_id::CustomId;
use crate::discord::neutral;
use crate::discord::render::look::Choice;
use crate::discord::wording::Wording;

/// The candidate at `place` in the member's own order; the last one if there are fewer.
pub fn panel(wording: &Wording, round: &Round, member: Member, place: u8) -> Look {
    let number = round.key.number;
    let order = panel_order(round, member);
    let open = matches!(round.phase, Phase::Posting { .. } | Phase::Rating { .. });
    let Some(last) = order.len().checked_sub(1).filter(|_| open) else {
        return Look::of(wording.say("rating-closed", &[]));
    };
    let place = usize::from(place).min(last);
    let key = order[place];
    let rating = round.ratings.get(&(key, member));
    let participant = round.opinions.contains_key(&member);

    let (agrees, finds) = (
        rating.and_then(|rating| rating.agreement),
        rating.and_then(|rating| rating.quality),
    );
    let candidate = neutral::text(&round.candidate(key).text, DESCRIPTION);
    let mut look = Look::of(above(wording, round, member, &order, place))
        .embed(Embed::of(candidate).footer(wording.say("candidate-footer", &[])))
        .select(scale(
            CustomId::Agreement {
                round: number,
                candidate: key,
            },
            &wording.say("panel-agreement", &[]),
            agrees,
            |rating| agreement(wording, rating),
        ))
        .select(scale(
            CustomId::Quality {
                round: number,
                candidate: key,
            },
            &wording.say("panel-quality", &[]),
            finds,
            |rating| quality(wording, rating),
        ));

    let to = |place: usize| CustomId::Panel {
        round: number,
        place: place as u8,
    };
    let back = (place > 0).then(|| Button::other(to(place - 1), wording.say("button-back", &[])));
    let next = (place < last).then(|| Button::main(to(place + 1), wording.say("button-next", &[])));
    look = look.buttons(back.into_iter().chain(next));

    let critique = is_asked_for_critique(round, member).then(|| {
        let id = CustomId::Critique { round: number };
        Button::other(id, wording.say("button-critique", &[]))
    });
    let join = (!participant).then(|| {
        let id = CustomId::Opinion { round: number };
        Button::other(id, wording.say("button-join-late", &[]))
    });
    look.buttons(critique.into_iter().chain(join))
}

/// In which order a member sees the candidates: another one for everybody, the same every time.
pub fn panel_order(round: &Round, member: Member) -> Vec<CandidateKey> {
    let mut order = round.eligible();
    order.sort();
    let seed = format!(
        "{} {} {} {member}",
        round.key.guild,
        round.key.number,
        round.stages.len()
    );
    order.shuffle(&mut ChaCha8Rng::from_seed(Sha256::digest(seed).into()));
    order
}

/// Where the member finds a candidate in the panel.
pub fn place_of(round: &Round, member: Member, candidate: CandidateKey) -> u8 {
    let order = panel_order(round, member);
    let place = order.iter().position(|&key| key == candidate);
    place.unwrap_or(0) as u8
}

fn above(
    wording: &Wording,
    round: &Round,
    member: Member,
    order: &[CandidateKey],
    place: usize,
) -> String {
    let own: Vec<&Rating> = order
        .iter()
        .filter_map(|&key| round.ratings.get(&(key, member)))
        .collect();
    let rated = own.iter().filter(|rating| rating.agreement.is_some());
    let rated = rated.count();
    let mut lines = vec![wording.say(
        "panel-progress",
        &[
            ("place", (place + 1).into()),
            ("candidates", order.len().into()),
            ("rated", rated.into()),
        ],
    )];
    if rated == order.len() {
        lines.push(wording.say("panel-done", &[]));
    }
    if let Some(closes) = round.rating_closes() {
        lines.push(wording.say("panel-closes", &[("when", from_now(closes).into())]));
    }
    if own.iter().any(|rating| rating.unclear) {
        lines.push(wording.say("panel-unclear", &[]));
    }
    let stage = round.stages.len() as u8 - 1;
    if round.critiques.contains_key(&(stage, member)) {
        lines.push(wording.say("panel-critique-given", &[]));
    } else if is_asked_for_critique(round, member) {
        lines.push(wording.say("panel-critique", &[]));
    }
    if round.terms.rating == RatingMode::Private {
        lines.push(wording.say("panel-private", &[]));
    } else {
        lines.push(wording.say("panel-beside-reactions", &[]));
    }
    lines.push(format!("**{}**", neutral::line(&round.question, QUESTION)));
    match round.opinions.get(&member) {
        None => lines.push(wording.say("panel-no-opinion", &[])),
        Some(opinion) => {
            if let Some(text) = &opinion.text {
                lines.push(wording.say("panel-own-opinion", &[]));
                lines.push(excerpt(text, OWN_OPINION));
            }
        }
    }
    lines.join("\n")
}

const QUESTION: usize = 250;
/// A reminder of what one wrote, not the whole.
const OWN_OPINION: usize = 700;

fn is_asked_for_critique(round: &Round, member: Member) -> bool {
    matches!(round.phase, Phase::Rating { .. })
        && round.is_to_be_revised()
        && round.may_criticise(member)
}

fn scale(
    id: CustomId,
    placeholder: &str,
    chosen: Option<Likert>,
    words: impl Fn(Likert) -> String,
) -> Select {
    let choices = Likert::ALL.map(|rating| {
        Choice::new(
            &words(rating),
            u8::from(rating).to_string(),
            chosen == Some(rating),
        )
    });
    Select::new(id, placeholder, choices)
}
