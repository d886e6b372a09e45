//! The slash commands: one file each.

mod help;
pub mod model;
mod opinion;
mod privacy;
mod round;
mod settings;

use std::borrow::Cow;
use std::sync::Arc;

use poise::serenity_prelude as serenity;
use serenity::all::{AutocompleteChoice, CreateAutocompleteResponse};

use super::Bot;
use super::neutral;
use super::reply::{Asked, Context, Failure};
use super::wording::{Languages, Wording};
use crate::deliberation::round::Round;

type Command = poise::Command<Arc<Bot>, Failure>;

/// All commands, described in every language. Their names are the same in all.
pub fn all(languages: &Languages) -> Vec<Command> {
    let mut commands = vec![
        round::round(),
        opinion::opinion(),
        model::model(),
        settings::settings(),
        privacy::privacy(),
        help::help(),
    ];
    for command in &mut commands {
        describe(command, languages, "command");
    }
    commands
}

fn describe(command: &mut Command, languages: &Languages, prefix: &str) {
    let id = format!("{prefix}-{}", command.name);
    command.description = Some(languages.of("en").describe(&id, None).into());
    command.description_localizations = translated(languages, &id, None);
    for parameter in &mut command.parameters {
        let name = Some(parameter.name.as_ref());
        parameter.description = Some(languages.of("en").describe(&id, name).into());
        parameter.description_localizations = translated(languages, &id, name);
        for choice in parameter.choices.to_mut() {
            let id = format!("choice-{}", choice.name);
            choice.name = languages.of("en").describe(&id, None).into();
            choice.localizations = translated(languages, &id, None);
        }
    }
    for subcommand in &mut command.subcommands {
        describe(subcommand, languages, &id);
    }
}

type Localized = (Cow<'static, str>, Cow<'static, str>);

/// What Discord shows instead of English, by its locales.
fn translated(languages: &Languages, id: &str, option: Option<&str>) -> Cow<'static, [Localized]> {
    let said = |wording: &Wording| Cow::from(wording.describe(id, option));
    let translated = languages.translated();
    translated
        .map(|(locale, wording)| (Cow::from(locale), said(wording)))
        .collect()
}

/// Rounds of the guild whose number or question contains what was typed so far, the latest first.
async fn complete_round(ctx: Context<'_>, typed: &str) -> CreateAutocompleteResponse {
    const CHOICES: usize = 25;
    const CHOICE: usize = 100;
    let Ok(asked) = Asked::by_command(ctx) else {
        return CreateAutocompleteResponse::new();
    };
    let rounds = asked.bot.facilitator.rounds(asked.guild).await;
    let typed = typed.trim_start_matches('#').to_lowercase();
    let choices = rounds
        .unwrap_or_default()
        .iter()
        .rev()
        .filter(|round| {
            round.key.number.to_string().starts_with(&typed)
                || round.question.to_lowercase().contains(&typed)
        })
        .take(CHOICES)
        .map(|round| {
            let label = format!("#{} · {}", round.key.number, round.question);
            AutocompleteChoice::new(neutral::label(&label, CHOICE), round.key.number)
        })
        .collect();
    CreateAutocompleteResponse::new().set_choices(choices)
}

/// The round that is meant: by its number, or else by where the command was given.
///
/// Without a number it is the round of this thread or channel that `wanted` fits, if there is
/// just one; else the latest of them where all are over. Where it fits none, it is the latest round
/// here: whoever uses it says why that does not do.
async fn meant(
    asked: &Asked<'_>,
    number: Option<u32>,
    wanted: impl Fn(&Round) -> bool,
) -> Result<Round, Failure> {
    let facilitator = &asked.bot.facilitator;
    let wording = asked.wording();
    if let Some(number) = number {
        let rounds = facilitator.rounds(asked.guild).await?;
        return rounds
            .into_iter()
            .find(|round| round.key.number == number)
            .ok_or_else(|| {
                Failure::Told(wording.say("no-such-round", &[("round", number.into())]))
            });
    }
    let mut here = facilitator.rounds(asked.guild).await?;
    here.retain(|round| {
        round.place.channel == asked.channel || round.place.thread == Some(asked.channel)
    });
    if here.iter().any(&wanted) {
        here.retain(wanted);
    }
    let open = here.iter().filter(|round| round.is_open()).count();
    if open > 1 {
        return Err(Failure::Told(wording.say("which-round", &[])));
    }
    here.sort_by_key(|round| (round.is_open(), round.key));
    here.pop()
        .ok_or_else(|| Failure::Told(wording.say("no-round-here", &[])))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::discord::wording::tests::languages;

    fn ids(command: &Command, prefix: &str) -> Vec<String> {
        let id = format!("{prefix}-{}", command.name);
        let below = command.subcommands.iter().flat_map(|sub| ids(sub, &id));
        below.chain([id.clone()]).collect()
    }

    /// The choices of all options, after checking what else is described.
    fn choices(command: &Command) -> BTreeSet<String> {
        let check = |text: &str| {
            let length = text.chars().count();
            assert!(
                (1..=100).contains(&length),
                "{}: {text}",
                command.qualified_name
            );
        };
        let spoken = languages();
        let options = command.parameters.iter();
        let localized = options
            .clone()
            .map(|option| &option.description_localizations);
        for localized in localized.chain([&command.description_localizations]) {
            let locales: Vec<&str> = localized
                .iter()
                .map(|(locale, _)| locale.as_ref())
                .collect();
            let expected: Vec<&str> = spoken.translated().map(|(locale, _)| locale).collect();
            assert_eq!(locales, expected);
            localized.iter().for_each(|(_, text)| check(text));
        }
        let descriptions = options.clone().map(|option| &option.description);
        for description in descriptions.chain([&command.description]) {
            check(description.as_deref().unwrap_or_default());
        }
        let choices = options.flat_map(|option| option.choices.iter());
        let names = choices.map(|choice| choice.name.to_string());
        let below = command.subcommands.iter().flat_map(self::choices);
        names.chain(below).collect()
    }

    #[test]
    fn every_command_is_described_and_no_other() {
        const ENGLISH: &str = include_str!("../../config/wording/en.ftl");
        let commands = all(languages());
        let choices: BTreeSet<String> = commands.iter().flat_map(choices).collect();
        let named: BTreeSet<String> = ENGLISH
            .lines()
            .filter_map(|line| line.strip_prefix("choice-")?.split(" =").next())
            .map(str::to_owned)
            .collect();
        assert_eq!(choices, named);
        let mut ids: Vec<String> = commands.iter().flat_map(|c| ids(c, "command")).collect();
        let mut described: Vec<&str> = ENGLISH
            .lines()
            .filter(|line| line.starts_with("command-"))
            .filter_map(|line| line.split(" =").next())
            .collect();
        ids.sort();
        described.sort();
        assert_eq!(ids, described);
    }
}
