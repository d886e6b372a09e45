//! Answers of one sentence or two, to commands and buttons.

use poise::serenity_prelude as serenity;
use serenity::all::Permissions;

use super::render::look::{Embed, Look};
use super::wording::{Value, Wording};
use crate::config::RoundDefaults;
use crate::deliberation::admission::Admission;
use crate::deliberation::guild::{GuildSettings, Training};
use crate::deliberation::id::Channel;
use crate::deliberation::record::FEWEST_OPINIONS;
use crate::deliberation::round::{
    CRITIQUE_CHARACTERS, CritiqueRefused, Extended, LONGEST_PHASE, MOST_REDRAFTS, OrganiserRefused,
    Phase, RatingMode, ReviewRefused, Round, Time, TooManyRounds,
};
use crate::inference::language::Untested;
use chrono::TimeDelta;

/// A round was opened; in which language its question seems to be, where the models are not tested in it.
pub fn opened(wording: &Wording, round: &Round, untested: Option<&Untested>) -> String {
    let mut lines = vec![wording.say("round-opened", &[("round", round.key.number.into())])];
    if round.terms.review {
        lines.push(wording.say("round-opened-review", &[]));
    }
    if let Some(Untested { language, tested }) = untested {
        let tested = match tested.is_empty() {
            true => wording.say("model-no-languages", &[]),
            false => Vec::from_iter(tested.iter().map(String::as_str)).join(", "),
        };
        lines.push(wording.say(
            "round-opened-untested",
            &[("language", (*language).into()), ("tested", tested.into())],
        ));
    }
    lines.join(" ")
}

/// No more rounds can be opened for now.
pub fn too_many_rounds(wording: &Wording, too_many: TooManyRounds) -> String {
    match too_many {
        TooManyRounds::Open(rounds) => {
            wording.say("too-many-open-rounds", &[("rounds", rounds.into())])
        }
        TooManyRounds::InADay(rounds) => {
            wording.say("too-many-rounds-today", &[("rounds", rounds.into())])
        }
    }
}

/// A phase was given more time.
pub fn extended(wording: &Wording, extended: Extended) -> String {
    wording.say("phase-extended", &[("closes", at(extended.closes))])
}

/// What closing a phase early has led to.
pub fn closed_early(wording: &Wording, round: &Round) -> String {
    match (&round.phase, round.rating_closes()) {
        (_, Some(closes)) => wording.say("rating-closes-early", &[("closes", at(closes))]),
        (Phase::Cancelled { .. }, _) => wording.say("round-cancelled", &[]),
        _ => wording.say("drafting-begins", &[]),
    }
}

/// Why an organiser's command did nothing.
pub fn organiser_refused(wording: &Wording, refused: OrganiserRefused) -> String {
    match refused {
        OrganiserRefused::BusyDrafting => wording.say("busy-drafting", &[]),
        OrganiserRefused::UnderReview => wording.say("under-review", &[]),
        OrganiserRefused::BelowMinimum { opinions, minimum } => wording.say(
            "below-minimum",
            &[("opinions", opinions.into()), ("minimum", minimum.into())],
        ),
        OrganiserRefused::ClosesAlready { closes } => {
            wording.say("closes-already", &[("closes", at(closes))])
        }
        OrganiserRefused::TooLong => {
            let days = LONGEST_PHASE.num_days();
            wording.say("phase-too-long", &[("days", days.into())])
        }
        OrganiserRefused::Over => wording.say("round-over", &[]),
        OrganiserRefused::NoResult => wording.say("no-result-yet", &[]),
    }
}

/// Why an organiser's decision about candidates did nothing.
pub fn review_refused(wording: &Wording, refused: ReviewRefused) -> String {
    match refused {
        ReviewRefused::NotNow => wording.say("review-not-now", &[]),
        ReviewRefused::NoSuchCandidate => wording.say("review-no-such-candidate", &[]),
        ReviewRefused::NothingToPost => wording.say("review-nothing-to-post", &[]),
        ReviewRefused::TooFewLeft { .. } => {
            wording.say("review-too-few-left", &[("fewest", FEWEST_OPINIONS.into())])
        }
        ReviewRefused::TooManyRedrafts => {
            wording.say("review-too-often", &[("times", MOST_REDRAFTS.into())])
        }
    }
}

/// A critique that was not taken is given back.
pub fn critique_refused(wording: &Wording, refused: CritiqueRefused, text: &str) -> Look {
    let why = match refused {
        CritiqueRefused::Closed => wording.say("rating-closed", &[]),
        CritiqueRefused::NoRevision => wording.say("no-revision", &[]),
        CritiqueRefused::NotAsked => wording.say("critique-not-asked", &[]),
        CritiqueRefused::Length { .. } => wording.say(
            "critique-too-long",
            &[("characters", CRITIQUE_CHARACTERS.into())],
        ),
    };
    Look::of(why).embed(Embed::of(text))
}

/// What Accord lacks in a channel.
pub fn missing_permissions(wording: &Wording, missing: Permissions, channel: Channel) -> String {
    let names = missing.get_permission_names().join(", ");
    let channel = format!("<#{channel}>");
    wording.say(
        "missing-permissions",
        &[("permissions", names.into()), ("channel", channel.into())],
    )
}

/// The settings of a guild, and which of them are the host's.
/// `public` is what stands there in public.
pub fn settings(
    wording: &Wording,
    public: &Wording,
    host: &RoundDefaults,
    guild: &GuildSettings,
) -> Look {
    let organisers = match guild.organisers.as_slice() {
        [] => wording.say("organisers-by-permission", &[]),
        roles => {
            let roles: Vec<String> = roles.iter().map(|role| format!("<@&{role}>")).collect();
            roles.join(", ")
        }
    };
    let rating = match guild.rating.unwrap_or(host.rating) {
        RatingMode::Reactions => wording.say("rating-by-reactions", &[]),
        RatingMode::Private => wording.say("rating-in-private", &[]),
    };
    let threads = match guild.threads.unwrap_or(host.threads) {
        true => wording.say("with-threads", &[]),
        false => wording.say("without-threads", &[]),
    };
    let review = match guild.review {
        true => wording.say("with-review", &[]),
        false => wording.say("without-review", &[]),
    };
    let minimum = guild.minimum.unwrap_or(host.minimum);
    let opinions_for = length(wording, guild.opinions_for.unwrap_or(host.opinions_for));
    let ratings_for = length(wording, guild.ratings_for.unwrap_or(host.ratings_for));
    let training = match guild.training {
        Training::Off => wording.say("training-off", &[]),
        Training::Own => wording.say("training-own", &[]),
        Training::Shared => wording.say("training-shared", &[]),
    };
    let participants = admission(wording, guild.admission);
    let language = language(wording, public, guild.language.as_deref());
    Look::of(wording.say(
        "settings-shown",
        &[
            ("organisers", organisers.into()),
            ("rating", rating.into()),
            ("threads", threads.into()),
            ("minimum", minimum.into()),
            ("opinions", opinions_for.into()),
            ("ratings", ratings_for.into()),
            ("training", training.into()),
            ("participants", participants.into()),
            ("review", review.into()),
            ("language", language.into()),
        ],
    ))
}

/// The language of what stands in public: chosen, or else the guild's own in Discord.
pub fn language(wording: &Wording, public: &Wording, chosen: Option<&str>) -> String {
    match chosen {
        Some(_) => public.name(),
        None => wording.say("language-of-guild", &[("language", public.name().into())]),
    }
}

/// Who may take part in a round.
pub fn admission(wording: &Wording, admission: Admission) -> String {
    match admission {
        Admission::Everyone => wording.say("participants-everyone", &[]),
        Admission::MemberFor { days } => {
            wording.say("participants-members", &[("days", days.into())])
        }
        Admission::HasRole(role) => {
            let role = format!("<@&{role}>");
            wording.say("participants-role", &[("role", role.into())])
        }
    }
}

/// "1 day 12 hours".
fn length(wording: &Wording, delta: TimeDelta) -> String {
    let (days, hours, minutes) = (
        delta.num_days(),
        delta.num_hours() % 24,
        delta.num_minutes() % 60,
    );
    let mut parts = Vec::new();
    if days > 0 {
        parts.push(wording.say("length-days", &[("days", days.into())]));
    }
    if hours > 0 {
        parts.push(wording.say("length-hours", &[("hours", hours.into())]));
    }
    if minutes > 0 {
        parts.push(wording.say("length-minutes", &[("minutes", minutes.into())]));
    }
    parts.join(" ")
}

/// Shown by Discord in the reader's own time zone.
fn at(time: Time) -> Value<'static> {
    format!("<t:{}:F>", time.timestamp()).into()
}
