//! The slash commands: one file each.

mod help;
pub mod model;
mod opinion;
mod privacy;
mod round;
mod settings;

use std::sync::Arc;

use poise::serenity_prelude as serenity;
use serenity::all::{AutocompleteChoice, CreateAutocompleteResponse};

use super::Bot;
use super::neutral;
use super::reply::{Asked, Context, Failure};
use super::wording::Wording;
use crate::deliberation::round::Round;

type Command = poise::Command<Arc<Bot>, Failure>;

/// All commands, described in the wording's words.
pub fn all(wording: &Wording) -> Vec<Command> {
    let mut commands = vec![
        round::round(),
        opinion::opinion(),
        model::model(),
        settings::settings(),
        privacy::privacy(),
        help::help(),
    ];
    for command in &mut commands {
        describe(command, wording, "command");
    }
    commands
}

fn describe(command: &mut Command, wording: &Wording, prefix: &str) {
    let id = format!("{prefix}-{}", command.name);
    command.description = Some(wording.describe(&id, None).into());
    for parameter in &mut command.parameters {
        let text = wording.describe(&id, Some(&parameter.name));
        parameter.description = Some(text.into());
    }
    for subcommand in &mut command.subcommands {
        describe(subcommand, wording, &id);
    }
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
    use super::*;

    fn ids(command: &Command, prefix: &str) -> Vec<String> {
        let id = format!("{prefix}-{}", command.name);
        let below = command.subcommands.iter().flat_map(|sub| ids(sub, &id));
        below.chain([id.clone()]).collect()
    }

    fn check(command: &Command) {
        let descriptions = command.parameters.iter().map(|option| &option.description);
        for description in descriptions.chain([&command.description]) {
            let length = description.as_ref().map_or(0, |text| text.chars().count());
            assert!(
                (1..=100).contains(&length),
                "{}: {description:?}",
                command.qualified_name
            );
        }
        command.subcommands.iter().for_each(check);
    }

    #[test]
    fn every_command_is_described_and_no_other() {
        const ENGLISH: &str = include_str!("../../config/wording/en.ftl");
        let commands = all(&Wording::new(ENGLISH).unwrap());
        commands.iter().for_each(check);
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
