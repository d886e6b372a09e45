//! Every wording for people, read from `config/wording/en.ftl` or a host's translation of it
//! (Project Fluent).

use anyhow::{Context, Result, anyhow};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

pub use fluent_bundle::FluentValue as Value;

/// What Accord says to people, in one language.
pub struct Wording {
    bundle: FluentBundle<FluentResource>,
    /// For what a translation does not have yet.
    english: FluentBundle<FluentResource>,
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

    /// The message `id`, or the attribute `id.attribute` of one; always a literal, so that it can be
    /// searched for.
    ///
    /// Where a message or an argument is missing, something less good is shown, and a test has
    /// failed.
    pub fn say(&self, id: &str, values: &[(&str, Value<'_>)]) -> String {
        let arguments: FluentArgs<'_> = values
            .iter()
            .map(|(name, value)| (*name, value.clone()))
            .collect();
        let found = [&self.bundle, &self.english]
            .into_iter()
            .find_map(|bundle| {
                let message = |id| bundle.get_message(id);
                let pattern = match id.split_once('.') {
                    None => message(id)?.value()?,
                    Some((id, attribute)) => message(id)?.get_attribute(attribute)?.value(),
                };
                let mut errors = Vec::new();
                let text = bundle.format_pattern(pattern, Some(&arguments), &mut errors);
                if !errors.is_empty() {
                    assert!(!cfg!(test), "the message {id} lacks something: {errors:?}");
                    tracing::warn!(id, ?errors, "a wording lacks something");
                }
                Some(text.into_owned())
            });
        found.unwrap_or_else(|| {
            assert!(!cfg!(test), "there is no message {id}");
            tracing::error!(id, "a wording is missing");
            id.to_owned()
        })
    }
}

fn bundle(ftl: &str) -> Result<FluentBundle<FluentResource>> {
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
