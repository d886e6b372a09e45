//! The private panel: one candidate after another, in an order of the member's own.

use rand::SeedableRng;
use rand::seq::{IndexedRandom, SliceRandom};
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

/// The candidate at `place` in the member's own order. Who has rated all of them may find one a second
/// time at the place after the last, to be rated anew without the first rating before their eyes.
/// What is behind the last place is at the last.
pub fn panel(wording: &Wording, round: &Round, member: Member, place: u8) -> Look {
    let number = round.key.number;
    let order = panel_order(round, member);
    let open = matches!(round.phase, Phase::Posting { .. } | Phase::Rating { .. });
    let Some(last) = order.len().checked_sub(1).filter(|_| open) else {
        return Look::of(wording.say("rating-closed", &[]));
    };
    let retest = retest(round, member, &order);
    let place = usize::from(place);
    if let Some(key) = retest.filter(|_| place > last) {
        return second_time(wording, round, member, key, last);
    }
    let place = place.min(last);
    let key = order[place];
    let rating = round.ratings.get(&(key, member));
    let participant = round.opinions.contains_key(&member);

    let (agrees, finds) = (
        rating.and_then(|rating| rating.agreement),
        rating.and_then(|rating| rating.quality),
    );
    let mut look = Look::of(above(wording, round, member, &order, place))
        .embed(statement(wording, round, key))
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

    let to = |place| to_place(round, place);
    let back = (place > 0).then(|| Button::other(to(place - 1), wording.say("button-back", &[])));
    let goes_on = place < last || retest.is_some();
    let next = goes_on.then(|| Button::main(to(place + 1), wording.say("button-next", &[])));
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

/// Asks for a rating of a candidate that the member has rated before.
fn second_time(
    wording: &Wording,
    round: &Round,
    member: Member,
    key: CandidateKey,
    last: usize,
) -> Look {
    let mut lines = vec![
        wording.say("panel-again-title", &[]),
        wording.say("panel-again", &[]),
    ];
    lines.extend(about(wording, round, member));
    let rating = round.ratings.get(&(key, member));
    let again = CustomId::Again {
        round: round.key.number,
        candidate: key,
    };
    let back = Button::other(to_place(round, last), wording.say("button-back", &[]));
    Look::of(lines.join("\n"))
        .embed(statement(wording, round, key))
        .select(scale(
            again,
            &wording.say("panel-agreement", &[]),
            rating.and_then(|rating| rating.again),
            |rating| agreement(wording, rating),
        ))
        .buttons([back])
}

fn statement(wording: &Wording, round: &Round, key: CandidateKey) -> Embed {
    let text = neutral::text(&round.candidate(key).text, DESCRIPTION);
    Embed::of(text).footer(wording.say("candidate-footer", &[]))
}

fn to_place(round: &Round, place: usize) -> CustomId {
    CustomId::Panel {
        round: round.key.number,
        place: place as u8,
    }
}

/// In which order a member sees the candidates: another one for everybody, the same every time.
pub fn panel_order(round: &Round, member: Member) -> Vec<CandidateKey> {
    let mut order = round.eligible();
    order.sort();
    order.shuffle(&mut of_the_member(round, member, ""));
    order
}

/// Which candidate a member who has rated all of them is shown a second time: any but the last in
/// their order, which they have just seen.
fn retest(round: &Round, member: Member, order: &[CandidateKey]) -> Option<CandidateKey> {
    let (_, earlier) = order.split_last()?;
    let may = round.may_rate_again(member);
    let chosen = earlier.choose(&mut of_the_member(round, member, " again"));
    chosen.copied().filter(|_| may)
}

/// Chance that is another for everybody, and the same every time.
fn of_the_member(round: &Round, member: Member, what_for: &str) -> ChaCha8Rng {
    let seed = format!(
        "{} {} {} {member}{what_for}",
        round.key.guild,
        round.key.number,
        round.stages.len()
    );
    ChaCha8Rng::from_seed(Sha256::digest(seed).into())
}

/// Where the member finds a candidate in the panel.
pub fn place_of(round: &Round, member: Member, candidate: CandidateKey) -> u8 {
    let order = panel_order(round, member);
    let place = order.iter().position(|&key| key == candidate);
    place.unwrap_or(0) as u8
}

/// Where a member finds a candidate a second time.
pub fn place_of_retest(round: &Round) -> u8 {
    round.eligible().len() as u8
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
        if retest(round, member, order).is_some() {
            lines.push(wording.say("panel-again-follows", &[]));
        }
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
    lines.extend(about(wording, round, member));
    lines.join("\n")
}

/// What the member rates by: the question, and the own opinion.
fn about(wording: &Wording, round: &Round, member: Member) -> Vec<String> {
    let mut lines = vec![format!("**{}**", neutral::line(&round.question, QUESTION))];
    match round.opinions.get(&member) {
        None => lines.push(wording.say("panel-no-opinion", &[])),
        Some(opinion) => {
            if let Some(text) = &opinion.text {
                lines.push(wording.say("panel-own-opinion", &[]));
                lines.push(excerpt(text, OWN_OPINION));
            }
        }
    }
    lines
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
