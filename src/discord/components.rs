//! Buttons, selects and forms.
//!
//! What each means stands in its id, so that it works after a restart and however old it is.

use anyhow::Context as _;
use poise::serenity_prelude as serenity;
use serenity::all::{
    ActionRowComponent, ComponentInteraction, ComponentInteractionDataKind, ModalInteraction,
};

use super::commands;
use super::custom_id::CustomId;
use super::permissions::require_organiser;
use super::render::{self, Look, critique_form, opinion_form};
use super::reply::{Asked, Failure};
use super::sentences;
use crate::deliberation::guild::Training;
use crate::deliberation::id::{Member, RoundKey};
use crate::deliberation::rating::Likert;
use crate::deliberation::round::{CandidateKey, OpinionRefused, RatingRefused, Receipt, Round};
use crate::facilitator::platform::View;

/// A button was pressed, or something was selected.
pub async fn pressed(asked: &Asked<'_>, pressed: &ComponentInteraction) -> Result<(), Failure> {
    let Ok(id) = pressed.data.custom_id.parse::<CustomId>() else {
        return Err(Failure::Told(asked.wording().say("old-button", &[])));
    };
    let Some(number) = id.round() else {
        return pressed_outside_rounds(asked, id).await;
    };
    let facilitator = &asked.bot.facilitator;
    let key = asked.round(number);
    let (member, standing) = (asked.member(), asked.standing());
    match id {
        CustomId::Opinion { .. } | CustomId::OpinionForm { .. } => {
            ask_for_opinion(asked, key).await
        }
        CustomId::Withdraw { .. } => {
            let withdrawn = facilitator
                .update(key, |round, now| round.withdraw_opinion(member, now))
                .await?;
            let round = facilitator.round(key).await?;
            let wording = asked.wording();
            asked
                .answer(match withdrawn {
                    Ok(true) => render::opinion_withdrawn(wording, &round),
                    Ok(false) => Look::of(wording.say("no-opinion-to-withdraw", &[])),
                    Err(_) => Look::of(wording.say("opinions-closed", &[])),
                })
                .await
        }
        CustomId::Late { .. } => {
            let Some(text) = render::returned_text(&pressed.message) else {
                return Err(Failure::Told(asked.wording().say("old-button", &[])));
            };
            let joined = facilitator
                .update(key, |round, now| {
                    round.admit(member, &standing)?;
                    round.join_late(member, text, now)
                })
                .await?;
            after_opinion(asked, key, text, joined).await
        }
        CustomId::Rate { .. } => {
            let round = facilitator.round(key).await?;
            check_rating_open(asked, &round)?;
            let place = first_unrated(&round, member);
            asked
                .answer(render::panel(asked.wording(), &round, member, place))
                .await
        }
        CustomId::Panel { place, .. } => {
            let round = facilitator.round(key).await?;
            check_rating_open(asked, &round)?;
            asked
                .update(render::panel(asked.wording(), &round, member, place))
                .await
        }
        CustomId::Agreement { candidate, .. } => {
            let rating = selected(pressed)?;
            rate(asked, key, candidate, Some(rating), None).await
        }
        CustomId::Quality { candidate, .. } => {
            let rating = selected(pressed)?;
            rate(asked, key, candidate, None, Some(rating)).await
        }
        CustomId::Again { candidate, .. } => {
            let rating = selected(pressed)?;
            let rated = facilitator
                .update(key, |round, now| {
                    round.rate_again(candidate, member, rating, now)
                })
                .await?;
            after_rating(asked, key, rated, |round, _| render::place_of_retest(round)).await
        }
        CustomId::Critique { .. } => {
            let round = facilitator.round(key).await?;
            asked
                .show(critique_form(asked.wording(), &round, member))
                .await
        }
        CustomId::Candidate { candidate, .. } => {
            facilitator
                .update(key, |round, _| round.report(candidate, member))
                .await?;
            asked.say(asked.wording().say("reported", &[])).await
        }
        CustomId::Review { .. }
        | CustomId::Look { .. }
        | CustomId::Withhold { .. }
        | CustomId::Keep { .. }
        | CustomId::Remove { .. }
        | CustomId::Post { .. }
        | CustomId::Redraft { .. }
        | CustomId::Without { .. }
        | CustomId::Sure { .. } => review(asked, key, id).await,
        CustomId::Why { .. } => {
            // The chart takes a moment to draw.
            asked.defer().await?;
            let round = facilitator.round(key).await?;
            asked.finish(render::why(asked.wording(), &round)).await
        }
        CustomId::Mine { .. } => {
            let round = facilitator.round(key).await?;
            asked
                .answer(render::mine(asked.wording(), &round, member))
                .await
        }
        CustomId::Extend { .. } => {
            require_organiser(asked).await?;
            let extended = facilitator
                .update(key, |round, now| {
                    round.extend(member, round.terms.opinions_for / 2, now)
                })
                .await?;
            let wording = asked.wording();
            asked
                .say(match extended {
                    Ok(extended) => sentences::extended(wording, extended),
                    Err(refused) => sentences::organiser_refused(wording, refused),
                })
                .await
        }
        CustomId::End { .. } => {
            require_organiser(asked).await?;
            let ended = facilitator
                .update(key, |round, now| round.cancel(member, now))
                .await?;
            let wording = asked.wording();
            asked
                .say(match ended {
                    Ok(()) => wording.say("round-cancelled", &[]),
                    Err(refused) => sentences::organiser_refused(wording, refused),
                })
                .await
        }
        CustomId::Status { .. } => {
            let round = facilitator.round(key).await?;
            let view = View {
                round: &round,
                progress: facilitator.progress(key),
            };
            asked
                .answer(render::status(asked.wording(), &view, false))
                .await
        }
        CustomId::Handback { .. } => {
            let round = facilitator.round(key).await?;
            asked
                .answer(render::handed_back(asked.wording(), &round, member))
                .await
        }
        CustomId::Consent { .. }
        | CustomId::Retrain { .. }
        | CustomId::LeaveTraining
        | CustomId::CancelRetraining { .. } => unreachable!("they belong to no round"),
    }
}

/// A button that belongs to no round was pressed.
async fn pressed_outside_rounds(asked: &Asked<'_>, id: CustomId) -> Result<(), Failure> {
    match id {
        CustomId::Consent { to } => change_consent(asked, to).await,
        CustomId::Retrain { model } => commands::model::confirmed(asked, model).await,
        CustomId::LeaveTraining => asked.update(render::model::left(asked.wording())).await,
        CustomId::CancelRetraining { number } => commands::model::cancelled(asked, number).await,
        _ => Err(Failure::Told(asked.wording().say("old-button", &[]))),
    }
}

/// An organiser looks at candidates, or decides about one.
async fn review(asked: &Asked<'_>, key: RoundKey, id: CustomId) -> Result<(), Failure> {
    require_organiser(asked).await?;
    let facilitator = &asked.bot.facilitator;
    let (wording, member) = (asked.wording(), asked.member());
    let decided = facilitator
        .update(key, |round, now| match id {
            CustomId::Withhold { candidate, .. } => round.withhold(candidate, member, now),
            CustomId::Keep { candidate, .. } => round.keep(candidate, member, now),
            CustomId::Remove { candidate, .. } => round.withdraw_candidate(candidate, member, now),
            CustomId::Post { stage, .. } => round.post_reviewed(stage, member, now),
            CustomId::Redraft { stage, .. } => round.redraft(stage, member, now),
            CustomId::Sure { candidate, .. } => {
                round.redraft_without(candidate, member, now).map(drop)
            }
            _ => Ok(()),
        })
        .await?;
    if let Err(refused) = decided {
        return asked.say(sentences::review_refused(wording, refused)).await;
    }
    let round = facilitator.round(key).await?;
    match id {
        CustomId::Look { candidate, .. }
        | CustomId::Withhold { candidate, .. }
        | CustomId::Keep { candidate, .. }
        | CustomId::Remove { candidate, .. } => {
            asked
                .update(render::review(wording, &round, Some(candidate)))
                .await
        }
        CustomId::Without { candidate, .. } => {
            asked
                .update(render::confirm_redraft(wording, &round, candidate))
                .await
        }
        CustomId::Post { .. } => {
            asked
                .update(Look::of(wording.say("review-posted", &[])))
                .await
        }
        CustomId::Redraft { .. } | CustomId::Sure { .. } => {
            asked
                .update(Look::of(wording.say("review-redrafted", &[])))
                .await
        }
        // Its button stands under a message that everybody sees.
        _ => asked.answer(render::review(wording, &round, None)).await,
    }
}

/// A form was sent.
pub async fn submitted(asked: &Asked<'_>, form: &ModalInteraction) -> Result<(), Failure> {
    let Ok(id) = form.data.custom_id.parse::<CustomId>() else {
        return Err(Failure::Told(asked.wording().say("old-button", &[])));
    };
    let Some(number) = id.round() else {
        return Err(Failure::Told(asked.wording().say("old-button", &[])));
    };
    let facilitator = &asked.bot.facilitator;
    let key = asked.round(number);
    let (member, standing) = (asked.member(), asked.standing());
    let text = written(form);
    match id {
        CustomId::OpinionForm { revision, .. } => {
            let submitted = facilitator
                .update(key, |round, now| {
                    round.admit(member, &standing)?;
                    round.submit_opinion(member, &text, revision, now)
                })
                .await?;
            after_opinion(asked, key, &text, submitted).await
        }
        CustomId::Critique { .. } => {
            let taken = facilitator
                .update(key, |round, now| round.criticise(member, &text, now))
                .await?;
            let wording = asked.wording();
            asked
                .answer(match taken {
                    Ok(()) => Look::of(wording.say("critique-saved", &[])),
                    Err(refused) => sentences::critique_refused(wording, refused, &text),
                })
                .await
        }
        _ => Err(Failure::Told(asked.wording().say("old-button", &[]))),
    }
}

/// Shows the form for an opinion, with what the member has written so far.
pub async fn ask_for_opinion(asked: &Asked<'_>, key: RoundKey) -> Result<(), Failure> {
    let round = asked.bot.facilitator.round(key).await?;
    if !round.is_open() {
        return Err(Failure::Told(asked.wording().say("round-over", &[])));
    }
    if round.admit(asked.member(), &asked.standing()).is_err() {
        let admission = sentences::admission(asked.wording(), round.terms.admission);
        return Err(Failure::Told(admission));
    }
    let form = opinion_form(&asked.bot.host, asked.wording(), &round, asked.member());
    asked.show(form).await
}

/// A member agrees to training, or does not.
async fn change_consent(asked: &Asked<'_>, to: Training) -> Result<(), Failure> {
    let (facilitator, guild) = (&asked.bot.facilitator, asked.guild);
    // What was kept for training alone is deleted from the disk, which takes a moment.
    asked.defer().await?;
    let training = facilitator.store.settings(guild).await?.training;
    // Training may have been turned off since the question: then there is nothing to agree to.
    if to == Training::Off || training != Training::Off {
        facilitator.set_consent(guild, asked.member(), to).await?;
    }
    let consent = facilitator.store.consent(guild, asked.member()).await?;
    asked
        .finish(render::consent(asked.wording(), training, consent))
        .await
}

/// Says what became of an opinion; one that was not taken is given back.
async fn after_opinion(
    asked: &Asked<'_>,
    key: RoundKey,
    text: &str,
    taken: Result<Receipt, OpinionRefused>,
) -> Result<(), Failure> {
    let facilitator = &asked.bot.facilitator;
    let round = facilitator.round(key).await?;
    let (wording, member) = (asked.wording(), asked.member());
    asked
        .answer(match taken {
            Ok(_) => {
                let receipt = render::opinion_saved(wording, &round, member);
                let ask = facilitator.asks_for_consent(asked.guild, member).await?;
                render::asking_for_consent(wording, receipt, ask)
            }
            Err(refused) => render::opinion_refused(wording, &round, &refused, text),
        })
        .await
}

async fn rate(
    asked: &Asked<'_>,
    key: RoundKey,
    candidate: CandidateKey,
    agreement: Option<Likert>,
    quality: Option<Likert>,
) -> Result<(), Failure> {
    let facilitator = &asked.bot.facilitator;
    let member = asked.member();
    let rated = facilitator
        .update(key, |round, now| {
            round.rate(candidate, member, agreement, quality, now)
        })
        .await?;
    after_rating(asked, key, rated, |round, member| {
        render::place_of(round, member, candidate)
    })
    .await
}

/// Shows the panel again, at the place of what was rated.
async fn after_rating(
    asked: &Asked<'_>,
    key: RoundKey,
    rated: Result<(), RatingRefused>,
    place: impl Fn(&Round, Member) -> u8,
) -> Result<(), Failure> {
    match rated {
        Ok(()) => {
            let round = asked.bot.facilitator.round(key).await?;
            let member = asked.member();
            let place = place(&round, member);
            asked
                .update(render::panel(asked.wording(), &round, member, place))
                .await
        }
        Err(RatingRefused::Closed) => asked.say(asked.wording().say("rating-closed", &[])).await,
        Err(RatingRefused::NoSuchCandidate) => {
            asked
                .say(asked.wording().say("candidate-withdrawn", &[]))
                .await
        }
    }
}

fn check_rating_open(asked: &Asked<'_>, round: &Round) -> Result<(), Failure> {
    let now = asked.bot.facilitator.clock.now();
    if round.rating_closes().is_some_and(|closes| now < closes) {
        Ok(())
    } else {
        Err(Failure::Told(asked.wording().say("rating-closed", &[])))
    }
}

/// Where the member goes on in the panel.
fn first_unrated(round: &Round, member: Member) -> u8 {
    let rated = |key| {
        let rating = round.ratings.get(&(key, member));
        rating.is_some_and(|rating| rating.agreement.is_some())
    };
    let order = render::panel_order(round, member);
    order.iter().position(|&key| !rated(key)).unwrap_or(0) as u8
}

fn selected(pressed: &ComponentInteraction) -> Result<Likert, Failure> {
    let ComponentInteractionDataKind::StringSelect { values } = &pressed.data.kind else {
        return Err(anyhow::anyhow!("expected a select, got {:?}", pressed.data.kind).into());
    };
    let value: u8 = values
        .first()
        .map_or("", String::as_str)
        .parse()
        .context("the selected rating is no number")?;
    Ok(Likert::try_from(value).context("the selected rating is not on the scale")?)
}

/// What stands in the form's one field.
fn written(form: &ModalInteraction) -> String {
    let fields = form.data.components.iter().flat_map(|row| &row.components);
    fields
        .filter_map(|field| match field {
            ActionRowComponent::InputText(input) => input.value.clone(),
            _ => None,
        })
        .next()
        .unwrap_or_default()
}
