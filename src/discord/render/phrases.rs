//! Words and signs that several messages share.

use crate::deliberation::id::{Channel, Guild, Member, Message};
use crate::deliberation::outcome::Spread;
use crate::deliberation::rating::Likert;
use crate::deliberation::round::board::Item;
use crate::deliberation::round::{Round, Time};
use crate::deliberation::welfare::{InequalityAversion, WelfareFunction};
use crate::discord::neutral;
use crate::discord::wording::Wording;

/// How long until then or since; kept up to date by Discord.
pub fn from_now(time: Time) -> String {
    format!("<t:{}:R>", time.timestamp())
}

/// The day and the time, as the reader's device writes them.
pub fn on(time: Time) -> String {
    format!("<t:{}:f>", time.timestamp())
}

/// The day and the time, and how long until then.
pub fn deadline(time: Time) -> String {
    format!("<t:{0}:F> (<t:{0}:R>)", time.timestamp())
}

/// Somebody's name. It pings nobody where mentions are not allowed.
pub fn person(wording: &Wording, member: Member) -> String {
    if member == Member::ERASED {
        wording.say("person-erased", &[])
    } else {
        format!("<@{member}>")
    }
}

/// With one digit after the decimal mark.
pub fn decimal(wording: &Wording, number: f64) -> String {
    numeral(wording, &format!("{number:.1}"))
}

/// A number as Rust writes it, with the language's decimal mark.
pub fn numeral(wording: &Wording, number: &str) -> String {
    match number.split_once('.') {
        Some((whole, decimals)) => wording.say(
            "decimal",
            &[("whole", whole.into()), ("decimals", decimals.into())],
        ),
        None => number.to_owned(),
    }
}

/// In percent, without decimals.
pub fn percent(share: f64) -> f64 {
    (share * 100.0).round()
}

/// The name of a candidate: its place in the group's order.
pub fn letter(place: usize) -> String {
    char::from(b'A' + place as u8).to_string()
}

/// What a welfare function goes by.
pub fn welfare_function(wording: &Wording, function: WelfareFunction) -> String {
    match function {
        WelfareFunction::Alpha(InequalityAversion::UTILITARIAN) => {
            wording.say("welfare-utilitarian", &[])
        }
        WelfareFunction::Alpha(InequalityAversion::NASH) => wording.say("welfare-nash", &[]),
        WelfareFunction::Alpha(InequalityAversion::RAWLSIAN) => {
            wording.say("welfare-rawlsian", &[])
        }
        WelfareFunction::Alpha(aversion) => wording.say(
            "welfare-alpha",
            &[(
                "alpha",
                numeral(wording, &aversion.alpha().to_string()).into(),
            )],
        ),
        WelfareFunction::Schulze => wording.say("welfare-schulze", &[]),
    }
}

/// What an agreement rating means.
pub fn agreement(wording: &Wording, rating: Likert) -> String {
    match u8::from(rating) {
        1 => wording.say("agreement-1", &[]),
        2 => wording.say("agreement-2", &[]),
        3 => wording.say("agreement-3", &[]),
        4 => wording.say("agreement-4", &[]),
        5 => wording.say("agreement-5", &[]),
        6 => wording.say("agreement-6", &[]),
        _ => wording.say("agreement-7", &[]),
    }
}

/// What a quality rating means.
pub fn quality(wording: &Wording, rating: Likert) -> String {
    match u8::from(rating) {
        1 => wording.say("quality-1", &[]),
        2 => wording.say("quality-2", &[]),
        3 => wording.say("quality-3", &[]),
        4 => wording.say("quality-4", &[]),
        5 => wording.say("quality-5", &[]),
        6 => wording.say("quality-6", &[]),
        _ => wording.say("quality-7", &[]),
    }
}

/// "3 agree, 1 is neutral, 1 dissents".
pub fn spread(wording: &Wording, spread: &Spread) -> String {
    wording.say(
        "spread",
        &[
            ("agree", spread.agree.into()),
            ("neutral", spread.neutral.into()),
            ("dissent", spread.dissent.into()),
        ],
    )
}

/// Every line as a quotation.
pub fn quote(text: &str) -> String {
    text.lines()
        .map(|line| format!("> {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The beginning of what somebody wrote, as a quotation: enough to recognise it.
pub fn excerpt(untrusted: &str, limit: usize) -> String {
    let text = neutral::text(untrusted, limit);
    let mut lines: Vec<&str> = text.lines().take(EXCERPT_LINES + 1).collect();
    if lines.len() > EXCERPT_LINES {
        lines[EXCERPT_LINES] = "…";
    }
    quote(&lines.join("\n"))
}

const EXCERPT_LINES: usize = 15;

/// Where an item of a round stands, if it does.
pub fn link(round: &Round, item: Item) -> Option<String> {
    let shown = round.shown(item)?;
    let channel = match item {
        Item::Card => round.place.channel,
        _ => round.place.thread.unwrap_or(round.place.channel),
    };
    Some(message_link(round.key.guild, channel, shown.message))
}

fn message_link(guild: Guild, channel: Channel, message: Message) -> String {
    format!("https://discord.com/channels/{guild}/{channel}/{message}")
}
