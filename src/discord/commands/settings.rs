//! `/settings`: what a guild has settled for its rounds.

use poise::serenity_prelude as serenity;
use serenity::all::{AutocompleteChoice, CreateAutocompleteResponse};

use super::round::{RatingChoice, phase_length};
use crate::deliberation::admission::Admission;
use crate::deliberation::guild::{GuildSettings, Training};
use crate::deliberation::id::Role;
use crate::discord::neutral;
use crate::discord::render::Look;
use crate::discord::reply::{Asked, Context, Failure};
use crate::discord::sentences;
use crate::discord::wording::Wording;

/// What stands for the language that the guild has in Discord.
const AS_IN_DISCORD: &str = "discord";

/// The languages that Accord speaks.
async fn complete_language(ctx: Context<'_>, _: &str) -> CreateAutocompleteResponse {
    const CHOICES: usize = 25;
    let Ok(asked) = Asked::by_command(ctx) else {
        return CreateAutocompleteResponse::new();
    };
    let own = sentences::language(
        asked.wording(),
        asked.public_wording(&GuildSettings::default()),
        None,
    );
    let spoken = asked.bot.languages.all().iter();
    let choices = spoken
        .map(|wording| AutocompleteChoice::new(wording.name(), wording.tag()))
        .take(CHOICES - 1)
        .chain([AutocompleteChoice::new(own, AS_IN_DISCORD)]);
    CreateAutocompleteResponse::new().set_choices(choices.collect())
}

/// What members' ratings may train.
#[derive(Clone, Copy, poise::ChoiceParameter)]
enum TrainingChoice {
    #[name = "off"]
    Off,
    #[name = "own"]
    Own,
    #[name = "shared"]
    Shared,
}

impl From<TrainingChoice> for Training {
    fn from(choice: TrainingChoice) -> Self {
        match choice {
            TrainingChoice::Off => Self::Off,
            TrainingChoice::Own => Self::Own,
            TrainingChoice::Shared => Self::Shared,
        }
    }
}

/// Who may take part in rounds.
#[derive(Clone, Copy, poise::ChoiceParameter)]
enum ParticipantsChoice {
    #[name = "everyone"]
    Everyone,
    #[name = "members-before"]
    MembersBefore,
    #[name = "role"]
    Role,
}

/// What is settled for all rounds of this server
#[poise::command(
    slash_command,
    install_context = "Guild",
    interaction_context = "Guild",
    default_member_permissions = "MANAGE_GUILD",
    subcommands("show", "set"),
    subcommand_required
)]
pub async fn settings(_: Context<'_>) -> Result<(), Failure> {
    Ok(())
}

fn shown(asked: &Asked<'_>, settings: &GuildSettings) -> Look {
    let public = asked.public_wording(settings);
    sentences::settings(asked.wording(), public, &asked.bot.rounds, settings)
}

/// Show the settings
#[poise::command(slash_command)]
async fn show(ctx: Context<'_>) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    let settings = asked.bot.facilitator.store.settings(asked.guild).await?;
    asked.answer(shown(&asked, &settings)).await
}

/// Who may take part, by what was chosen; a number of days or a role alone says it as well.
///
/// # Errors
/// What is missing or does not go together.
fn admission(
    wording: &Wording,
    participants: Option<ParticipantsChoice>,
    days: Option<u16>,
    role: Option<Role>,
) -> Result<Option<Admission>, String> {
    use ParticipantsChoice as Choice;
    match (participants, days, role) {
        (None, None, None) => Ok(None),
        (Some(Choice::Everyone), None, None) => Ok(Some(Admission::Everyone)),
        (Some(Choice::MembersBefore) | None, days, None) => {
            let days = days.unwrap_or(0);
            Ok(Some(Admission::MemberFor { days }))
        }
        (Some(Choice::Role) | None, None, Some(role)) => Ok(Some(Admission::HasRole(role))),
        (Some(Choice::Role), None, None) => Err(wording.say("participants-role-missing", &[])),
        _ => Err(wording.say("participants-conflict", &[])),
    }
}

/// The language that was chosen.
///
/// # Errors
/// It is not spoken here.
fn spoken(asked: &Asked<'_>, given: &str) -> Result<String, Failure> {
    match asked.bot.languages.chosen(given) {
        Some(wording) => Ok(wording.tag()),
        None => {
            let given = neutral::line(given, GIVEN);
            Err(Failure::Told(
                asked
                    .wording()
                    .say("bad-language", &[("given", given.into())]),
            ))
        }
    }
}

const GIVEN: usize = 50;

/// Change settings
#[poise::command(slash_command)]
#[expect(
    clippy::too_many_arguments,
    reason = "each is an option of the command"
)]
async fn set(
    ctx: Context<'_>,
    #[description = "Role"] add_organiser: Option<serenity::Role>,
    #[description = "Role"] remove_organiser: Option<serenity::Role>,
    #[description = "Threads"] threads: Option<bool>,
    #[description = "Minimum"]
    #[min = 3]
    #[max = 100]
    minimum: Option<u32>,
    #[description = "Rating"] rating: Option<RatingChoice>,
    #[description = "Opinions for"] opinions_for: Option<String>,
    #[description = "Ratings for"] ratings_for: Option<String>,
    #[description = "Training"] training: Option<TrainingChoice>,
    #[description = "Participants"] participants: Option<ParticipantsChoice>,
    #[description = "Days"]
    #[min = 0]
    #[max = 365]
    member_days: Option<u16>,
    #[description = "Role"] participant_role: Option<serenity::Role>,
    #[description = "Review"] review: Option<bool>,
    #[description = "Language"]
    #[autocomplete = "complete_language"]
    language: Option<String>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    let length = |text: Option<String>| text.map(|text| phase_length(&asked, &text)).transpose();
    let (opinions_for, ratings_for) = (length(opinions_for)?, length(ratings_for)?);
    let [add_organiser, remove_organiser, role] =
        [add_organiser, remove_organiser, participant_role]
            .map(|role| role.map(|role| Role(role.id.get())));
    let admission = admission(asked.wording(), participants, member_days, role);
    let admission = admission.map_err(Failure::Told)?;
    let language = match language.as_deref() {
        None => None,
        Some(AS_IN_DISCORD) => Some(None),
        Some(given) => Some(Some(spoken(&asked, given)?)),
    };
    let facilitator = &asked.bot.facilitator;
    let changed = (asked.member(), facilitator.clock.now());
    let change = move |settings: &mut GuildSettings| {
        if let Some(role) = add_organiser
            && !settings.organisers.contains(&role)
        {
            settings.organisers.push(role);
        }
        settings
            .organisers
            .retain(|role| Some(*role) != remove_organiser);
        settings.threads = threads.or(settings.threads);
        settings.minimum = minimum.map(|minimum| minimum as usize).or(settings.minimum);
        settings.rating = rating.map(Into::into).or(settings.rating);
        settings.opinions_for = opinions_for.or(settings.opinions_for);
        settings.ratings_for = ratings_for.or(settings.ratings_for);
        settings.training = training.map_or(settings.training, Into::into);
        settings.admission = admission.unwrap_or(settings.admission);
        settings.language = language.unwrap_or(settings.language.take());
        settings.review = review.unwrap_or(settings.review);
        settings.changed = Some(changed);
    };
    let settings = facilitator
        .store
        .change_settings(asked.guild, change)
        .await?;
    facilitator.settings_changed(asked.guild).await?;
    asked.answer(shown(&asked, &settings)).await
}
