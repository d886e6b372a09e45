//! Every wording for people, a language a file of `config/wording/` (Project Fluent).

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, ensure};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

pub use fluent_bundle::FluentValue as Value;

type Bundle = FluentBundle<FluentResource>;

/// The languages that Accord speaks: what one member sees is in that member's, what all see in the one
/// that the round was opened in.
pub struct Languages {
    /// The first is English.
    wordings: Vec<Wording>,
}

impl Languages {
    /// Reads files of messages, by their names; `en.ftl` is among them.
    ///
    /// # Errors
    /// As [`Wording::new`], with the file's name; a language that two files have.
    pub fn new(mut files: BTreeMap<String, String>) -> Result<Self> {
        let english = files.remove("en.ftl").context("there is no en.ftl")?;
        let files = [("en.ftl".to_owned(), english)].into_iter().chain(files);
        let mut wordings: Vec<Wording> = Vec::new();
        for (name, ftl) in files {
            let wording = Wording::new(&ftl).with_context(|| format!("wording/{name}"))?;
            let tag = wording.tag();
            ensure!(
                wordings.iter().all(|known| known.tag() != tag),
                "wording/{name} is the second file in {tag}: give each language one file, such as \
                 {tag}.ftl"
            );
            wordings.push(wording);
        }
        Ok(Self { wordings })
    }

    /// The wording for a locale of Discord's or a language: `de` for `de-AT` too. English where there is
    /// none.
    pub fn of(&self, locale: &str) -> &Wording {
        self.spoken(locale).unwrap_or(&self.wordings[0])
    }

    fn spoken(&self, locale: &str) -> Option<&Wording> {
        let locale: LanguageIdentifier = locale.parse().ok()?;
        let exactly = self
            .wordings
            .iter()
            .find(|wording| wording.language == locale);
        exactly.or_else(|| {
            let mut alike = self.wordings.iter();
            alike.find(|wording| wording.language.language == locale.language)
        })
    }

    /// The language that somebody chose by its tag or by its name.
    pub fn chosen(&self, given: &str) -> Option<&Wording> {
        let given = given.trim().to_lowercase();
        let mut wordings = self.wordings.iter();
        wordings.find(|wording| {
            [wording.tag(), wording.name()]
                .iter()
                .any(|name| name.to_lowercase() == given)
        })
    }

    pub fn all(&self) -> &[Wording] {
        &self.wordings
    }

    /// The locales of Discord's in which something else than English is shown.
    pub fn translated(&self) -> impl Iterator<Item = (&'static str, &Wording)> {
        let english = &self.wordings[0].language;
        DISCORD_LOCALES
            .into_iter()
            .filter_map(|locale| Some((locale, self.spoken(locale)?)))
            .filter(move |(_, wording)| wording.language != *english)
    }
}

/// Those that Discord's own surface has: the only ones in which it takes descriptions of commands.
const DISCORD_LOCALES: [&str; 32] = [
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl",
    "no", "pl", "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th",
    "zh-CN", "ja", "zh-TW", "ko",
];

/// What Accord says to people, in one language.
pub struct Wording {
    language: LanguageIdentifier,
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
            language: language(ftl)?,
            bundle: bundle(ftl)?,
            english: bundle(ENGLISH).expect("the shipped wording is read by a test"),
        })
    }

    /// The language, such as `de`.
    pub fn tag(&self) -> String {
        self.language.to_string()
    }

    /// What the language calls itself.
    pub fn name(&self) -> String {
        match self.bundle.has_message("language-name") {
            true => self.said("language-name", None, None),
            false => self.tag(),
        }
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
    /// its attributes the options. `choice-nash` is what the option's choice `nash` is called.
    pub fn describe(&self, id: &str, option: Option<&str>) -> String {
        self.said(id, option, None)
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
pub(in crate::discord) mod tests {
    use std::collections::BTreeSet;
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

    /// All files of `config/wording/`, whichever there are.
    pub(in crate::discord) fn files() -> BTreeMap<String, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/wording");
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read_to_string(path).unwrap())
            })
            .collect()
    }

    pub(in crate::discord) fn languages() -> &'static Languages {
        static LANGUAGES: LazyLock<Languages> = LazyLock::new(|| Languages::new(files()).unwrap());
        &LANGUAGES
    }

    /// The attributes of each message.
    fn attributes(ftl: &str) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        let mut id = "";
        for line in ftl.lines() {
            match line.trim_start().strip_prefix('.') {
                Some(attribute) => {
                    let name = attribute.split(" =").next().unwrap();
                    found.insert((id.to_owned(), name.to_owned()));
                }
                None if !line.starts_with([' ', '#']) => id = line.split(" =").next().unwrap(),
                None => {}
            }
        }
        found
    }

    #[test]
    fn every_language_says_everything_with_the_values_of_the_english_one() {
        let english = (messages(ENGLISH), attributes(ENGLISH));
        for (name, ftl) in files() {
            let (messages, attributes) = (messages(&ftl), attributes(&ftl));
            for (id, arguments) in &english.0 {
                let translated = messages.get(id);
                let translated = translated.unwrap_or_else(|| panic!("{name} lacks {id}"));
                assert_eq!(translated, arguments, "{name}: {id}");
            }
            let unknown = messages.keys().find(|id| !english.0.contains_key(*id));
            assert_eq!(unknown, None, "{name}: English does not say it");
            assert_eq!(attributes, english.1, "{name}");
        }
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
            .filter(|id| !id.starts_with("command-") && !id.starts_with("choice-"))
            .filter(|id| !["language", "language-name"].contains(&id.as_str()))
            .filter(|id| !used.contains(id))
            .collect();
        assert_eq!(unused, Vec::<String>::new());
    }

    #[test]
    fn every_message_renders() {
        for (file, ftl) in files() {
            let wording = Wording::new(&ftl).unwrap();
            for (id, arguments) in messages(&ftl) {
                for number in [0, 1, 7] {
                    let values: Vec<(&str, Value<'_>)> = arguments
                        .iter()
                        .map(|name| (name.as_str(), number.into()))
                        .collect();
                    let said = wording.say(&id, &values);
                    assert!(
                        !said.is_empty() && !said.contains(['{', '}']),
                        "{file}: {id}: {said}"
                    );
                    let limit = limit(&id);
                    assert!(
                        said.chars().count() <= limit,
                        "{file}: {id} above {limit}: {said}"
                    );
                }
            }
        }
    }

    /// Discord's limits; where something else stands in the same message, what is left beside it.
    fn limit(id: &str) -> usize {
        match id {
            // A button.
            _ if id.starts_with("button-") => 80,
            // The title and the label of a form, and what stands in its empty field.
            _ if id.ends_with("-form-title") || id.ends_with("-form-label") => 45,
            _ if id.ends_with("-form-placeholder") => 100,
            // What can be selected, and what a select says.
            _ if ["agreement-", "quality-", "choice-"]
                .iter()
                .any(|kind| id.starts_with(kind)) =>
            {
                100
            }
            "panel-agreement" | "panel-quality" => 150,
            // A command.
            _ if id.starts_with("command-") => 100,
            // The name of a field.
            "card-state" | "card-terms" | "card-privacy" | "answer-heading" | "log-heading"
            | "result-notes" | "why-chosen" | "why-candidate" | "status-under-way" => 256,
            // A table on a phone.
            _ if id.starts_with("table-") => 12,
            // Room for the figures beside it in a chart.
            _ if id.starts_with("chart-") && !id.ends_with("-told") => 24,
            _ => 1500,
        }
    }

    #[test]
    fn numbers_come_with_the_right_plural() {
        let languages = languages();
        let german = |agree: usize| {
            let values = [
                ("agree", agree.into()),
                ("neutral", 0.into()),
                ("dissent", 1.into()),
            ];
            languages.of("de").say("spread", &values)
        };
        assert_eq!(german(1), "1 stimmt zu, 0 neutral, 1 dagegen");
        assert_eq!(german(0), "0 stimmen zu, 0 neutral, 1 dagegen");
        let wording = languages.of("en-US");
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
    fn everybody_gets_their_language_and_english_where_there_is_none() {
        let polish = ("polski.ftl".to_owned(), "language = pl".to_owned());
        let brazilian = (
            "pt.ftl".to_owned(),
            "language = pt-BR\nlanguage-name = Português".to_owned(),
        );
        let languages = Languages::new(files().into_iter().chain([polish, brazilian]).collect());
        let languages = languages.unwrap();
        for (locale, expected) in [
            ("de", "de"),
            ("de-AT", "de"),
            ("en-GB", "en"),
            ("pl", "pl"),
            ("pt-PT", "pt-BR"),
            ("tlh", "en"),
            ("no such thing", "en"),
        ] {
            assert_eq!(languages.of(locale).tag(), expected, "{locale}");
        }
        for (given, expected) in [
            ("DE", "de"),
            ("deutsch", "de"),
            ("pl", "pl"),
            ("português", "pt-BR"),
        ] {
            assert_eq!(languages.chosen(given).unwrap().tag(), expected);
        }
        assert!(languages.chosen("klingon").is_none());
        let translated: Vec<&str> = languages.translated().map(|(locale, _)| locale).collect();
        assert_eq!(translated, ["de", "pl", "pt-BR"]);
    }

    #[test]
    fn two_files_of_one_language_are_refused() {
        let files =
            ["en.ftl", "english.ftl"].map(|name| (name.to_owned(), "language = en".to_owned()));
        let error = Languages::new(files.into()).err().unwrap().to_string();
        let expected = "wording/english.ftl is the second file in en: give each language one file, such as en.ftl";
        assert_eq!(error, expected);
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
