//! Every wording for people, read from `config/wording/en.ftl` or a host's translation of it
//! (Project Fluent).

use anyhow::{Context, Result, anyhow};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

pub use fluent_bundle::FluentValue as Value;

type Bundle = FluentBundle<FluentResource>;

/// What Accord says to people, in one language.
pub struct Wording {
    bundle: Bundle,
    /// For what a translation does not have yet.
    english: Bundle,
}

/// The wording that comes with Accord.
const ENGLISH: &str = include_str!("../../config/wording/en.ftl");

impl Wording {
    /// Reads a file of messages. Its message `language` names the language, for plural forms.
    ///
    /// # Errors
    /// A message that cannot be read or stands there twice; no known language.
    pub fn new(ftl: &str) -> Result<Self> {
        Ok(Self {
            bundle: bundle(ftl)?,
            english: bundle(ENGLISH).expect("the shipped wording is read by a test"),
        })
    }

    /// The message `id`, which is always a literal so that it can be searched for.
    ///
    /// Where a message or a value is missing, something less good is shown, and a test has failed.
    pub fn say(&self, id: &str, values: &[(&str, Value<'_>)]) -> String {
        let values: FluentArgs<'_> = values
            .iter()
            .map(|(name, value)| (*name, value.clone()))
            .collect();
        self.said(id, None, Some(&values))
    }

    /// What a command does, or one of its options: `command-round-open` describes `/round open`, and
    /// its attributes the options.
    pub fn describe(&self, command: &str, option: Option<&str>) -> String {
        self.said(command, option, None)
    }

    fn said(&self, id: &str, attribute: Option<&str>, values: Option<&FluentArgs<'_>>) -> String {
        let in_one_of = [&self.bundle, &self.english]
            .into_iter()
            .find_map(|bundle| {
                let message = bundle.get_message(id)?;
                let pattern = match attribute {
                    None => message.value()?,
                    Some(attribute) => message.get_attribute(attribute)?.value(),
                };
                Some((bundle, pattern))
            });
        let Some((bundle, pattern)) = in_one_of else {
            report(id, "there is no such message");
            return id.to_owned();
        };
        let mut errors = Vec::new();
        let said = bundle.format_pattern(pattern, values, &mut errors);
        for error in errors {
            report(id, &error.to_string());
        }
        said.into_owned()
    }
}

/// A mistake in the code or in a translation: a test fails by it, people are spared.
fn report(id: &str, error: &str) {
    if cfg!(test) {
        panic!("the message {id}: {error}");
    }
    tracing::error!(id, error, "a wording cannot be said as it should be");
}

fn bundle(ftl: &str) -> Result<Bundle> {
    let resource = FluentResource::try_new(ftl.to_owned()).map_err(|(_, errors)| {
        let error = &errors[0];
        let line = ftl[..error.pos.start].lines().count().max(1);
        anyhow!("the wording cannot be read at line {line}: {}", error.kind)
    })?;
    let mut bundle = FluentBundle::new_concurrent(vec![language(ftl)?]);
    // Right-to-left isolates around values would be in the way of Discord's markdown.
    bundle.set_use_isolating(false);
    bundle
        .add_resource(resource)
        .map_err(|errors| anyhow!("the wording cannot be read: {}", errors[0]))?;
    Ok(bundle)
}

fn language(ftl: &str) -> Result<LanguageIdentifier> {
    let line = ftl
        .lines()
        .find_map(|line| line.strip_prefix("language ="))
        .context("the wording lacks a line such as `language = en`")?;
    line.trim()
        .parse()
        .map_err(|_| anyhow!("the wording's language {:?} is not known", line.trim()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;
    use std::sync::LazyLock;

    use regex::Regex;

    use super::*;

    /// A message that is said somewhere.
    #[derive(Debug)]
    struct Use {
        place: String,
        id: String,
        arguments: BTreeSet<String>,
    }

    /// All uses in the sources. Each is `wording.say("id", &[("name", …), …])`, so that they can be
    /// found.
    fn uses() -> Vec<Use> {
        static SAY: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"wording(?:\(\))?\s*\.say\(").unwrap());
        static LITERAL: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r#"^\s*"([a-z0-9-]+)",\s*&\["#).unwrap());
        static NAME: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r#"\(\s*"([a-z0-9-]+)","#).unwrap());
        let mut uses = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/discord");
        for (path, source) in sources(&root) {
            for say in SAY.find_iter(&source) {
                let rest = &source[say.end()..];
                let line = source[..say.end()].lines().count();
                let place = format!("{path}:{line}");
                let Some(literal) = LITERAL.captures(rest) else {
                    panic!("{place}: not said with a literal id and literal arguments");
                };
                let list = in_brackets(&rest[literal[0].len()..]);
                uses.push(Use {
                    place,
                    id: literal[1].to_owned(),
                    arguments: NAME.captures_iter(list).map(|c| c[1].to_owned()).collect(),
                });
            }
        }
        uses
    }

    fn sources(folder: &Path) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(sources(&path));
            } else if path.file_name().unwrap() != "wording.rs" {
                let source = std::fs::read_to_string(&path).unwrap();
                found.push((path.display().to_string(), source));
            }
        }
        found
    }

    /// Up to the bracket that closes one opened before.
    fn in_brackets(text: &str) -> &str {
        let mut open = 1;
        let end = text.find(|c| {
            open += i32::from(c == '[') - i32::from(c == ']');
            open == 0
        });
        &text[..end.unwrap()]
    }

    /// The arguments of each message.
    fn messages(ftl: &str) -> BTreeMap<String, BTreeSet<String>> {
        let argument = Regex::new(r"\$([a-z0-9-]+)").unwrap();
        let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut id = String::new();
        for line in ftl.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) = line.split_once(" =")
                && !line.starts_with(' ')
            {
                id = name.to_owned();
                messages.entry(id.clone()).or_default();
            }
            for found in argument.captures_iter(line) {
                messages.get_mut(&id).unwrap().insert(found[1].to_owned());
            }
        }
        messages
    }

    #[test]
    fn everything_that_is_said_stands_in_the_file_with_those_arguments() {
        let messages = messages(ENGLISH);
        for Use {
            place,
            id,
            arguments,
        } in uses()
        {
            let Some(expected) = messages.get(&id) else {
                panic!("{place}: there is no message {id}");
            };
            assert_eq!(expected, &arguments, "{place}: {id}");
        }
    }

    #[test]
    fn everything_in_the_file_is_said() {
        let used: BTreeSet<String> = uses().into_iter().map(|used| used.id).collect();
        let unused: Vec<String> = messages(ENGLISH)
            .into_keys()
            // Commands are described by their names; a test of theirs sees to it.
            .filter(|id| id != "language" && !id.starts_with("command-") && !used.contains(id))
            .collect();
        assert_eq!(unused, Vec::<String>::new());
    }

    #[test]
    fn every_message_renders() {
        let wording = Wording::new(ENGLISH).unwrap();
        for (id, arguments) in messages(ENGLISH) {
            for number in [0, 1, 7] {
                let values: Vec<(&str, Value<'_>)> = arguments
                    .iter()
                    .map(|name| (name.as_str(), number.into()))
                    .collect();
                let said = wording.say(&id, &values);
                assert!(
                    !said.is_empty() && !said.contains(['{', '}']),
                    "{id}: {said}"
                );
                // What a host pastes must not make Discord refuse a message.
                assert!(said.chars().count() < 1500, "{id}: {said}");
            }
        }
    }

    #[test]
    fn numbers_come_with_the_right_plural() {
        let wording = Wording::new(ENGLISH).unwrap();
        let queue = |before: usize| wording.say("state-queue", &[("before", before.into())]);
        assert_eq!(queue(1), "1 other round is before this one.");
        assert_eq!(queue(2), "2 other rounds are before this one.");
        let polish = Wording::new(
            "language = pl\nstate-queue = { $before ->\n    [one] runda\n    [few] rundy\n   *[many] rund\n }",
        );
        let polish = polish.unwrap();
        for (before, expected) in [(1, "runda"), (3, "rundy"), (5, "rund"), (22, "rundy")] {
            let said = polish.say("state-queue", &[("before", before.into())]);
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn what_a_translation_lacks_is_said_in_english() {
        let german = Wording::new("language = de\nbutton-next = Weiter").unwrap();
        assert_eq!(german.say("button-next", &[]), "Weiter");
        assert_eq!(german.say("button-back", &[]), "Back");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_one_clear_line() {
        for (ftl, expected) in [
            (
                "button-next = Next",
                "the wording lacks a line such as `language = en`",
            ),
            (
                "language = 12345678901",
                "the wording's language \"12345678901\" is not known",
            ),
            (
                "language = en\na = A\nb = { $x",
                "the wording cannot be read at line 3: ",
            ),
            (
                "language = en\na = A\na = B",
                "the wording cannot be read: Attempt to override an existing message: \"a\".",
            ),
        ] {
            let error = Wording::new(ftl).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
