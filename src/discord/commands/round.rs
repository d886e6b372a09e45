//! `/round`: opens rounds and looks after them.

use anyhow::Context as _;
use chrono::TimeDelta;
use poise::serenity_prelude as serenity;
use serde_json::json;
use serenity::all::{ChannelType, Permissions};

use super::{complete_round, meant};
use crate::config::parse_duration;
use crate::deliberation::certainty::LEVEL;
use crate::deliberation::guild::Training;
use crate::deliberation::id::{Channel, Role};
use crate::deliberation::rating::Likert;
use crate::deliberation::round::{LONGEST_PHASE, Place, RatingMode, Round, Terms, Verdict};
use crate::deliberation::selection::PostedCandidates;
use crate::deliberation::welfare::{InequalityAversion, WelfareFunction};
use crate::discord::neutral;
use crate::discord::permissions::{self, require_manager, require_organiser};
use crate::discord::render::{self, Look};
use crate::discord::reply::{Asked, Context, Failure, pretty_json};
use crate::discord::sentences;
use crate::facilitator::NewRound;
use crate::facilitator::platform::View;
use crate::inference::language::untested;

/// Find a statement that this community can agree on
#[poise::command(
    slash_command,
    install_context = "Guild",
    interaction_context = "Guild",
    subcommands(
        "open", "status", "extend", "close", "review", "cancel", "result", "answer", "list",
        "export"
    ),
    subcommand_required
)]
pub async fn round(_: Context<'_>) -> Result<(), Failure> {
    Ok(())
}

/// How a group's ratings become one order.
#[derive(Clone, Copy, poise::ChoiceParameter)]
enum WelfareChoice {
    #[name = "utilitarian"]
    Utilitarian,
    #[name = "nash"]
    Nash,
    #[name = "rawlsian"]
    Rawlsian,
    #[name = "schulze"]
    Schulze,
}

impl From<WelfareChoice> for WelfareFunction {
    fn from(choice: WelfareChoice) -> Self {
        match choice {
            WelfareChoice::Utilitarian => Self::Alpha(InequalityAversion::UTILITARIAN),
            WelfareChoice::Nash => Self::Alpha(InequalityAversion::NASH),
            WelfareChoice::Rawlsian => Self::Alpha(InequalityAversion::RAWLSIAN),
            WelfareChoice::Schulze => Self::Schulze,
        }
    }
}

/// How agreement is given.
#[derive(Clone, Copy, poise::ChoiceParameter)]
pub enum RatingChoice {
    #[name = "reactions"]
    Reactions,
    #[name = "private"]
    Private,
}

impl From<RatingChoice> for RatingMode {
    fn from(choice: RatingChoice) -> Self {
        match choice {
            RatingChoice::Reactions => Self::Reactions,
            RatingChoice::Private => Self::Private,
        }
    }
}

#[derive(Clone, Copy, poise::ChoiceParameter)]
enum VerdictChoice {
    #[name = "adopted"]
    Adopted,
    #[name = "partly"]
    Partly,
    #[name = "rejected"]
    Rejected,
}

/// What a file of a result is for.
#[derive(Clone, Copy, poise::ChoiceParameter)]
enum ExportFormat {
    /// For programs.
    #[name = "json"]
    Json,
    /// For people: a page for the browser.
    #[name = "html"]
    Html,
}

impl From<VerdictChoice> for Verdict {
    fn from(choice: VerdictChoice) -> Self {
        match choice {
            VerdictChoice::Adopted => Self::Adopted,
            VerdictChoice::Partly => Self::Partly,
            VerdictChoice::Rejected => Self::Rejected,
        }
    }
}

/// Open a round
#[poise::command(slash_command)]
#[expect(
    clippy::too_many_arguments,
    reason = "each is an option of the command"
)]
async fn open(
    ctx: Context<'_>,
    #[description = "Question"]
    #[min_length = 10]
    #[max_length = 500]
    question: String,
    #[description = "Background"]
    #[max_length = 1500]
    background: Option<String>,
    #[description = "Opinions for"] opinions_for: Option<String>,
    #[description = "Ratings for"] ratings_for: Option<String>,
    #[description = "Welfare"] welfare: Option<WelfareChoice>,
    #[description = "Posted"]
    #[min = 3]
    #[max = 6]
    posted: Option<u8>,
    #[description = "Minimum"]
    #[min = 3]
    #[max = 100]
    minimum: Option<u32>,
    #[description = "Rating"] rating: Option<RatingChoice>,
    #[description = "Revisions"]
    #[min = 0]
    #[max = 2]
    revisions: Option<u8>,
    #[description = "Notify"] notify: Option<serenity::Role>,
    #[description = "Experiment"] experiment: Option<bool>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_organiser(&asked).await?;
    let (wording, facilitator) = (asked.wording(), &asked.bot.facilitator);
    let defaults = &asked.bot.rounds;
    let settings = facilitator.store.settings(asked.guild).await?;
    let experiment = experiment.unwrap_or(false);
    if experiment && (posted.is_some() || revisions.is_some_and(|revisions| revisions > 0)) {
        return Err(Failure::Told(wording.say("experiment-alone", &[])));
    }
    let length = |given: Option<String>, set: Option<TimeDelta>, default: TimeDelta| match given {
        Some(text) => phase_length(&asked, &text),
        None => Ok(set.unwrap_or(default)),
    };
    let mut terms = Terms {
        welfare: welfare.map_or(asked.bot.welfare, Into::into),
        minimum: minimum
            .map(|minimum| minimum as usize)
            .or(settings.minimum)
            .unwrap_or(defaults.minimum),
        posted: match posted {
            Some(posted) => PostedCandidates::try_from(usize::from(posted))
                .context("Discord lets through 3 to 6 only")?,
            None => defaults.posted,
        },
        rating: rating
            .map(Into::into)
            .or(settings.rating)
            .unwrap_or(defaults.rating),
        opinions_for: length(opinions_for, settings.opinions_for, defaults.opinions_for)?,
        ratings_for: length(ratings_for, settings.ratings_for, defaults.ratings_for)?,
        revisions: revisions.unwrap_or(0),
        notify: notify.as_ref().map(|role| Role(role.id.get())),
        retention_days: defaults.retention_days,
        training: settings.training != Training::Off,
        admission: settings.admission,
        experiment,
        review: settings.review,
        language: asked.public_wording(&settings).tag(),
        real_ratings_only: false,
    };

    let has = ctx.interaction.app_permissions.unwrap_or_default();
    let kind = ctx.interaction.channel.as_ref().map(|channel| channel.kind);
    let has_threads = matches!(kind, Some(ChannelType::Text | ChannelType::News));
    let threads = has_threads
        && settings.threads.unwrap_or(defaults.threads)
        && has.intersects(Permissions::CREATE_PUBLIC_THREADS | Permissions::ADMINISTRATOR);
    let missing = permissions::missing(has, terms.rating, threads);
    if !missing.is_empty() {
        let text = sentences::missing_permissions(wording, missing, asked.channel);
        return Err(Failure::Told(text));
    }
    if let Some(role) = &notify {
        let everyone = role.id.get() == asked.guild.0;
        let may = role.mentionable
            || has.intersects(Permissions::MENTION_EVERYONE | Permissions::ADMINISTRATOR);
        if everyone || !may {
            return Err(Failure::Told(wording.say("cannot-notify", &[])));
        }
    }

    // The cards of the models take a moment to read.
    asked.defer().await?;
    let text = format!("{question} {}", background.as_deref().unwrap_or_default());
    let untested = match facilitator.tested_languages(asked.guild).await {
        Ok(tested) => tested.and_then(|tested| untested(&text, tested)),
        // The drafting will say so, if it still is so then.
        Err(error) => {
            tracing::warn!(
                guild = %asked.guild,
                error = format!("{error:#}"),
                "the languages of the models in use cannot be read"
            );
            None
        }
    };
    terms.real_ratings_only = untested.is_some();

    let place = Place {
        channel: Channel(ctx.interaction.channel_id.get()),
        thread: None,
        threads,
    };
    let new = NewRound {
        guild: asked.guild,
        question: question.trim().to_owned(),
        background: background.map(|text| text.trim().to_owned()),
        terms,
        place,
        by: asked.member(),
    };
    let opened = facilitator.open(new, defaults.limits()).await?;
    let told = match opened {
        Ok(round) => sentences::opened(wording, &round, untested.as_ref()),
        Err(too_many) => sentences::too_many_rounds(wording, too_many),
    };
    asked.finish(Look::of(told)).await
}

/// Where a round stands
#[poise::command(slash_command)]
async fn status(
    ctx: Context<'_>,
    #[description = "Round"]
    #[autocomplete = "complete_round"]
    #[min = 1]
    round: Option<u32>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    let round = meant(&asked, round, |_| true).await?;
    let facilitator = &asked.bot.facilitator;
    let settings = facilitator.store.settings(asked.guild).await?;
    let organiser = permissions::is_organiser(asked.who, &settings);
    let view = View {
        round: &round,
        progress: facilitator.progress(round.key),
    };
    asked
        .answer(render::status(asked.wording(), &view, organiser))
        .await
}

/// Give a phase more time
#[poise::command(slash_command)]
async fn extend(
    ctx: Context<'_>,
    #[description = "By"] by: String,
    #[description = "Round"]
    #[autocomplete = "complete_round"]
    #[min = 1]
    round: Option<u32>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_organiser(&asked).await?;
    let by = phase_length(&asked, &by)?;
    let round = meant(&asked, round, Round::is_open).await?;
    let member = asked.member();
    let extended = asked
        .bot
        .facilitator
        .update(round.key, |round, now| round.extend(member, by, now))
        .await?;
    asked
        .say(match extended {
            Ok(extended) => sentences::extended(asked.wording(), extended),
            Err(refused) => sentences::organiser_refused(asked.wording(), refused),
        })
        .await
}

/// Close a phase early
#[poise::command(slash_command)]
async fn close(
    ctx: Context<'_>,
    #[description = "Round"]
    #[autocomplete = "complete_round"]
    #[min = 1]
    round: Option<u32>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_organiser(&asked).await?;
    let round = meant(&asked, round, Round::is_open).await?;
    let (member, notice) = (asked.member(), asked.bot.rounds.early_close_notice);
    let closed = asked
        .bot
        .facilitator
        .update(round.key, |round, now| {
            let closed = round.close_early(member, notice, now);
            closed.map(|()| round.clone())
        })
        .await?;
    asked
        .say(match closed {
            Ok(round) => sentences::closed_early(asked.wording(), &round),
            Err(refused) => sentences::organiser_refused(asked.wording(), refused),
        })
        .await
}

/// Look at candidates before they are posted, or at those that members reported
#[poise::command(slash_command)]
async fn review(
    ctx: Context<'_>,
    #[description = "Round"]
    #[autocomplete = "complete_round"]
    #[min = 1]
    round: Option<u32>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_organiser(&asked).await?;
    let round = meant(&asked, round, |round| !round.under_review().is_empty()).await?;
    asked
        .answer(render::review(asked.wording(), &round, None))
        .await
}

/// End a round without a result
#[poise::command(slash_command)]
async fn cancel(
    ctx: Context<'_>,
    #[description = "Round"]
    #[autocomplete = "complete_round"]
    #[min = 1]
    round: Option<u32>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_organiser(&asked).await?;
    let round = meant(&asked, round, Round::is_open).await?;
    let member = asked.member();
    let cancelled = asked
        .bot
        .facilitator
        .update(round.key, |round, now| round.cancel(member, now))
        .await?;
    asked
        .say(match cancelled {
            Ok(()) => asked.wording().say("round-cancelled", &[]),
            Err(refused) => sentences::organiser_refused(asked.wording(), refused),
        })
        .await
}

/// Show a result, and how it was chosen
#[poise::command(slash_command)]
async fn result(
    ctx: Context<'_>,
    #[description = "Round"]
    #[autocomplete = "complete_round"]
    #[min = 1]
    round: Option<u32>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    // The chart takes a moment to draw.
    asked.defer().await?;
    let round = meant(&asked, round, |round| round.result().is_some()).await?;
    if round.result().is_none() {
        return Err(Failure::Told(asked.wording().say("no-result-yet", &[])));
    }
    asked.finish(render::why(asked.wording(), &round)).await
}

/// Say what becomes of a result
#[poise::command(slash_command)]
async fn answer(
    ctx: Context<'_>,
    #[description = "Verdict"] verdict: VerdictChoice,
    #[description = "Reasons"]
    #[max_length = 1000]
    reasons: Option<String>,
    #[description = "Round"]
    #[autocomplete = "complete_round"]
    #[min = 1]
    round: Option<u32>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_organiser(&asked).await?;
    let round = meant(&asked, round, |round| round.result().is_some()).await?;
    let member = asked.member();
    let answered = asked
        .bot
        .facilitator
        .update(round.key, |round, now| {
            round.answer(member, verdict.into(), reasons, now)
        })
        .await?;
    asked
        .say(match answered {
            Ok(()) => asked.wording().say("answer-saved", &[]),
            Err(refused) => sentences::organiser_refused(asked.wording(), refused),
        })
        .await
}

/// The rounds of this server
#[poise::command(slash_command)]
async fn list(ctx: Context<'_>) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    let rounds = asked.bot.facilitator.rounds(asked.guild).await?;
    asked.answer(render::list(asked.wording(), &rounds)).await
}

/// A round's statements and their ratings, as a file
#[poise::command(slash_command)]
async fn export(
    ctx: Context<'_>,
    #[description = "Format"] format: Option<ExportFormat>,
    #[description = "Round"]
    #[autocomplete = "complete_round"]
    #[min = 1]
    round: Option<u32>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    require_manager(&asked)?;
    asked.defer().await?;
    let round = meant(&asked, round, |round| round.result().is_some()).await?;
    let Some(result) = round.result() else {
        return Err(Failure::Told(asked.wording().say("no-result-yet", &[])));
    };
    let number = round.key.number;
    match format.unwrap_or(ExportFormat::Json) {
        ExportFormat::Json => {
            let text = asked.wording().say("round-exported", &[]);
            let file = pretty_json(&exported(&round))?;
            let name = format!("accord-round-{number}.json");
            asked.finish_with_file(text, &name, file).await
        }
        ExportFormat::Html => {
            // It is for all, as the result is.
            let wording = asked.bot.languages.of(&round.terms.language);
            let file = render::report(&asked.bot.report, wording, &round, result)?;
            let text = asked.wording().say("round-exported-page", &[]);
            let name = format!("accord-round-{number}.html");
            asked.finish_with_file(text, &name, file).await
        }
    }
}

/// Nothing that could tell who rated or wrote what: opinions are not in it, and how often each
/// rating was given says nothing about who gave it.
fn exported(round: &Round) -> serde_json::Value {
    let result = round.result().expect("a round with a result");
    let statements: Vec<_> = result
        .conclusion
        .ranking
        .iter()
        .map(|ranked| {
            let key = result.candidates[ranked.candidate];
            let mut times = [0; 7];
            for ((rated, _), rating) in &round.ratings {
                if let Some(agreement) = rating.agreement.filter(|_| *rated == key) {
                    times[usize::from(u8::from(agreement)) - 1] += 1;
                }
            }
            let ratings: serde_json::Map<_, _> = Likert::ALL
                .iter()
                .zip(times)
                .map(|(rating, times)| (u8::from(*rating).to_string(), json!(times)))
                .collect();
            let candidate = round.candidate(key);
            json!({
                "text": candidate.text,
                "welfare": ranked.welfare,
                "ratings": ratings,
                "generator": candidate.provenance.generator,
                "reward_model": candidate.provenance.reward_model,
                "seed": candidate.provenance.seed,
                "arm": candidate.provenance.arm,
            })
        })
        .collect();
    json!({
        "round": round.key.number,
        "question": round.question,
        "background": round.background,
        "opened_at": round.opened_at,
        "ended_at": round.ended_at(),
        "welfare": round.terms.welfare,
        "participants": result.participants,
        "outcome": result.conclusion.outcome,
        "spread": result.conclusion.spread,
        "certainty": {
            "probability_best": result.conclusion.certainty,
            "welfare_interval": result.conclusion.welfare_interval,
            "level": LEVEL,
            "calibrated": result.calibrated,
        },
        "statements": statements,
    })
}

/// How long a phase lasts: at least a minute, at most [`LONGEST_PHASE`].
pub fn phase_length(asked: &Asked<'_>, text: &str) -> Result<TimeDelta, Failure> {
    parse_duration(text)
        .ok()
        .filter(|length| (TimeDelta::minutes(1)..=LONGEST_PHASE).contains(length))
        .ok_or_else(|| {
            let given = neutral::line(text, 50);
            Failure::Told(
                asked
                    .wording()
                    .say("bad-duration", &[("given", given.into())]),
            )
        })
}
