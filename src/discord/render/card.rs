//! The card: what a round is about, where it stands, and what holds in it.

use super::phrases::{link, on, person, welfare_function};
use super::result::answer;
use super::state::state;
use super::{Button, Embed, HostFacts, Look, Processed};
use crate::deliberation::admission::Admission;
use crate::deliberation::round::board::Item;
use crate::deliberation::round::{Phase, RatingMode, Round};
use crate::discord::custom_id::CustomId;
use crate::discord::neutral;
use crate::discord::sentences::admission;
use crate::discord::wording::Wording;
use crate::facilitator::platform::View;

pub fn card(host: &HostFacts, wording: &Wording, view: &View<'_>) -> Look {
    let round = view.round;
    let number = round.key.number;
    let mut about = format!("**{}**", neutral::line(&round.question, QUESTION));
    if let Some(background) = &round.background {
        about.push_str("\n\n");
        about.push_str(&neutral::text(background, BACKGROUND));
    }
    let mut embed = Embed::of(about).field(
        wording.say("card-state", &[]),
        in_thread(wording, round, state(wording, view)),
    );
    if let Some(given) = answer(wording, round) {
        embed = embed.field(wording.say("answer-heading", &[]), given);
    }
    embed = embed.field(wording.say("card-terms", &[]), terms(wording, round));
    embed = embed.field(
        wording.say("card-privacy", &[]),
        privacy(host, wording, round),
    );

    let mut content = wording.say("card-title", &[("round", number.into())]);
    if let (Phase::Opinions { .. }, Some(role)) = (&round.phase, round.terms.notify) {
        content = wording.say(
            "card-title-notify",
            &[
                ("round", number.into()),
                ("role", format!("<@&{role}>").into()),
            ],
        );
    }
    let look = Look::of(content)
        .embed(embed)
        .buttons(buttons(wording, round));
    match round.phase {
        Phase::Opinions { .. } => look.mention(round.terms.notify),
        _ => look,
    }
}

/// Longer than a question or a background can be.
const QUESTION: usize = 1200;
const BACKGROUND: usize = 2000;

fn in_thread(wording: &Wording, round: &Round, state: String) -> String {
    match round.place.thread {
        Some(thread) if !matches!(round.phase, Phase::Opinions { .. }) => format!(
            "{state}\n{}",
            wording.say("card-thread", &[("thread", format!("<#{thread}>").into())])
        ),
        _ => state,
    }
}

fn terms(wording: &Wording, round: &Round) -> String {
    let terms = &round.terms;
    let mut lines = vec![wording.say(
        "terms-opened",
        &[
            ("who", person(wording, round.opened_by).into()),
            ("when", on(round.opened_at).into()),
        ],
    )];
    if round.is_open() {
        lines.push(wording.say(
            "terms-steps",
            &[("posted", usize::from(terms.posted).into())],
        ));
        lines.push(match terms.rating {
            RatingMode::Reactions => wording.say("terms-reactions", &[]),
            RatingMode::Private => wording.say("terms-private", &[]),
        });
    }
    lines.push(wording.say(
        "terms-welfare",
        &[("rule", welfare_function(wording, terms.welfare).into())],
    ));
    if terms.admission != Admission::Everyone {
        lines.push(admission(wording, terms.admission));
    }
    if terms.review {
        lines.push(wording.say("terms-review", &[]));
    }
    if terms.real_ratings_only {
        lines.push(wording.say("terms-real-ratings-only", &[]));
    }
    if terms.experiment {
        lines.push(wording.say("terms-experiment", &[]));
    }
    if terms.revisions > 0 {
        lines.push(wording.say("terms-revisions", &[("revisions", terms.revisions.into())]));
    }
    lines.join("\n")
}

/// The truth about who can read what, on this host and in this round.
fn privacy(host: &HostFacts, wording: &Wording, round: &Round) -> String {
    if !round.is_open() {
        let deleted = match round.texts_expire_at() {
            Some(when) => wording.say("privacy-deleted-at", &[("when", on(when).into())]),
            None => wording.say("privacy-deleted", &[]),
        };
        if !round.terms.training || round.result().is_none() {
            return deleted;
        }
        let but = wording.say("privacy-but-training", &[]);
        return format!("{deleted} {but}");
    }
    let terms = &round.terms;
    let mut lines = vec![
        wording.say("privacy-use", &[]),
        wording.say("privacy-readers", &[]),
        match &host.processed {
            Processed::Local => wording.say("privacy-local", &[]),
            Processed::Endpoint(name) => wording.say(
                "privacy-endpoint",
                &[("host", neutral::line(name, HOST_NAME).into())],
            ),
        },
        wording.say("privacy-kept", &[("days", terms.retention_days.into())]),
        match terms.rating {
            RatingMode::Reactions => wording.say("privacy-reactions", &[]),
            RatingMode::Private => wording.say("privacy-private", &[]),
        },
    ];
    if terms.training {
        lines.push(wording.say("privacy-training", &[]));
    }
    lines.join("\n")
}

const HOST_NAME: usize = 100;

fn buttons(wording: &Wording, round: &Round) -> Vec<Button> {
    let id = CustomId::Opinion {
        round: round.key.number,
    };
    match round.phase {
        Phase::Opinions { .. } | Phase::TooFew { .. } => {
            vec![Button::main(id, wording.say("button-opinion", &[]))]
        }
        Phase::Drafting { .. }
        | Phase::Review { .. }
        | Phase::Posting { .. }
        | Phase::Rating { .. } => {
            vec![Button::other(id, wording.say("button-join-late", &[]))]
        }
        Phase::Concluded { .. } | Phase::Cancelled { .. } => {
            let closed = Button::other(id, wording.say("button-opinions-closed", &[]));
            let result = link(round, Item::Result)
                .map(|url| Button::link(url, wording.say("button-see-result", &[])));
            [closed.disabled(true)].into_iter().chain(result).collect()
        }
    }
}
