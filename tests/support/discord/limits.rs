//! What Discord checks of a request's body before it does anything: "Invalid Form Body".

use std::collections::HashSet;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::refusal::{FieldError, Refusal};

const EMBED_CHARACTERS: usize = 6000;
const BUTTONS_IN_A_ROW: usize = 5;

/// A message to be created or edited. `path` is where it stands in the body, such as `data.`.
pub fn message(body: &Value, path: &str) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.text(&format!("{path}content"), &body["content"], 0..=2000);
    embeds(&mut form, &body["embeds"], &format!("{path}embeds"));
    message_components(&mut form, &body["components"], &format!("{path}components"));
    allowed_mentions(
        &mut form,
        &body["allowed_mentions"],
        &format!("{path}allowed_mentions"),
    );
    form.text(&format!("{path}nonce"), &body["nonce"], 0..=25);
    form.done()
}

fn embeds(form: &mut Form, embeds: &Value, path: &str) {
    form.list(path, embeds, 0..=10);
    let mut total = 0;
    for (index, embed) in items(embeds).enumerate() {
        let path = format!("{path}.{index}");
        let fields = items(&embed["fields"]);
        let texts = [
            ("title", &embed["title"], 256),
            ("description", &embed["description"], 4096),
            ("footer.text", &embed["footer"]["text"], 2048),
            ("author.name", &embed["author"]["name"], 256),
        ];
        for (name, text, most) in texts {
            form.text(&format!("{path}.{name}"), text, 0..=most);
            total += characters(text);
        }
        form.list(&format!("{path}.fields"), &embed["fields"], 0..=25);
        for (index, field) in fields.enumerate() {
            for (name, most) in [("name", 256), ("value", 1024)] {
                let path = format!("{path}.fields.{index}.{name}");
                form.required_text(&path, &field[name], 1..=most);
                total += characters(&field[name]);
            }
        }
        for (name, url) in [
            ("url", &embed["url"]),
            ("image.url", &embed["image"]["url"]),
            ("thumbnail.url", &embed["thumbnail"]["url"]),
        ] {
            form.url(&format!("{path}.{name}"), url);
        }
        let shown = [
            "title",
            "description",
            "fields",
            "image",
            "thumbnail",
            "author",
            "footer",
        ];
        if shown.iter().all(|part| is_absent(&embed[*part])) {
            form.required(&format!("{path}.description"));
        }
    }
    if total > EMBED_CHARACTERS {
        form.error(
            path,
            "MAX_EMBED_SIZE_EXCEEDED",
            format!("Embed size exceeds maximum size of {EMBED_CHARACTERS}"),
        );
    }
}

fn message_components(form: &mut Form, rows: &Value, path: &str) {
    form.list(path, rows, 0..=5);
    let mut custom_ids = HashSet::new();
    for (index, row) in items(rows).enumerate() {
        let path = format!("{path}.{index}");
        if row["type"] != 1 {
            form.choice(&format!("{path}.type"), &row["type"], "1");
            continue;
        }
        form.list(&format!("{path}.components"), &row["components"], 1..=5);
        let mut width = 0;
        for (index, component) in items(&row["components"]).enumerate() {
            let path = format!("{path}.components.{index}");
            width += match component["type"].as_u64() {
                Some(2) => {
                    button(form, component, &path);
                    1
                }
                Some(3 | 5..=8) => {
                    select(form, component, &path);
                    BUTTONS_IN_A_ROW
                }
                _ => {
                    form.choice(
                        &format!("{path}.type"),
                        &component["type"],
                        "2, 3, 5, 6, 7, 8",
                    );
                    1
                }
            };
            if width > BUTTONS_IN_A_ROW {
                form.error(
                    &path,
                    "COMPONENT_LAYOUT_WIDTH_EXCEEDED",
                    "The specified component exceeds the maximum width".to_owned(),
                );
            }
            let custom_id = component["custom_id"].as_str();
            if custom_id.is_some_and(|custom_id| !custom_ids.insert(custom_id)) {
                form.error(
                    &format!("{path}.custom_id"),
                    "COMPONENT_CUSTOM_ID_DUPLICATED",
                    "Component custom id cannot be duplicated".to_owned(),
                );
            }
        }
    }
}

fn button(form: &mut Form, button: &Value, path: &str) {
    const LINK: u64 = 5;
    form.text(&format!("{path}.label"), &button["label"], 0..=80);
    match button["style"].as_u64() {
        Some(1..=4) => {
            form.required_text(&format!("{path}.custom_id"), &button["custom_id"], 1..=100);
        }
        Some(LINK) => {
            form.required_text(&format!("{path}.url"), &button["url"], 1..=512);
            form.url(&format!("{path}.url"), &button["url"]);
            if !button["custom_id"].is_null() {
                form.error(
                    &format!("{path}.custom_id"),
                    "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE",
                    "A custom id and url cannot both be specified".to_owned(),
                );
            }
        }
        _ => form.choice(&format!("{path}.style"), &button["style"], "1, 2, 3, 4, 5"),
    }
    if is_absent(&button["label"]) && is_absent(&button["emoji"]) {
        form.error(
            &format!("{path}.label"),
            "BUTTON_COMPONENT_INVALID_LABEL",
            "A label or an emoji is required".to_owned(),
        );
    }
}

fn select(form: &mut Form, select: &Value, path: &str) {
    const OF_STRINGS: u64 = 3;
    form.required_text(&format!("{path}.custom_id"), &select["custom_id"], 1..=100);
    form.text(
        &format!("{path}.placeholder"),
        &select["placeholder"],
        0..=150,
    );
    form.number(&format!("{path}.min_values"), &select["min_values"], 0..=25);
    form.number(&format!("{path}.max_values"), &select["max_values"], 1..=25);
    if select["type"] != OF_STRINGS {
        return;
    }
    let options = &select["options"];
    if is_absent(options) {
        form.required(&format!("{path}.options"));
    }
    form.list(&format!("{path}.options"), options, 1..=25);
    let mut values = HashSet::new();
    for (index, option) in items(options).enumerate() {
        let path = format!("{path}.options.{index}");
        form.required_text(&format!("{path}.label"), &option["label"], 1..=100);
        form.required_text(&format!("{path}.value"), &option["value"], 1..=100);
        form.text(
            &format!("{path}.description"),
            &option["description"],
            0..=100,
        );
        if !values.insert(&option["value"]) {
            form.error(
                &format!("{path}.value"),
                "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
                "The specified option value is already used".to_owned(),
            );
        }
    }
    let most = select["max_values"].as_u64().unwrap_or(1) as usize;
    if most > items(options).count() {
        form.error(
            &format!("{path}.options"),
            "BASE_TYPE_BAD_LENGTH",
            format!("Must be between {most} and 25 in length."),
        );
    }
    if items(options)
        .filter(|option| option["default"] == true)
        .count()
        > most
    {
        form.error(
            &format!("{path}.options"),
            "SELECT_COMPONENT_TOO_MANY_DEFAULT_OPTIONS",
            "Too many default options specified".to_owned(),
        );
    }
}

fn allowed_mentions(form: &mut Form, allowed: &Value, path: &str) {
    for (index, kind) in items(&allowed["parse"]).enumerate() {
        if !["roles", "users", "everyone"]
            .map(Value::from)
            .contains(kind)
        {
            form.choice(
                &format!("{path}.parse.{index}"),
                kind,
                "roles, users, everyone",
            );
        }
    }
    for kind in ["users", "roles"] {
        let listed = &allowed[kind];
        form.list(&format!("{path}.{kind}"), listed, 0..=100);
        let distinct: HashSet<&Value> = items(listed).collect();
        if distinct.len() < items(listed).count() {
            form.error(
                &format!("{path}.{kind}"),
                "SET_TYPE_ALREADY_CONTAINS_VALUE",
                "The set already contains this value".to_owned(),
            );
        }
        if !is_absent(listed) && items(&allowed["parse"]).any(|parsed| parsed == kind) {
            form.error(
                path,
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive."),
            );
        }
    }
}

/// A modal, under `data` in the answer to an interaction.
pub fn modal(data: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.required_text("data.title", &data["title"], 1..=45);
    form.required_text("data.custom_id", &data["custom_id"], 1..=100);
    if is_absent(&data["components"]) {
        form.required("data.components");
    }
    form.list("data.components", &data["components"], 1..=5);
    let mut custom_ids = HashSet::new();
    for (index, row) in items(&data["components"]).enumerate() {
        let path = format!("data.components.{index}");
        form.list(&format!("{path}.components"), &row["components"], 1..=1);
        for (index, input) in items(&row["components"]).enumerate() {
            let path = format!("{path}.components.{index}");
            text_input(&mut form, input, &path);
            if !custom_ids.insert(&input["custom_id"]) {
                form.error(
                    &format!("{path}.custom_id"),
                    "COMPONENT_CUSTOM_ID_DUPLICATED",
                    "Component custom id cannot be duplicated".to_owned(),
                );
            }
        }
    }
    form.done()
}

fn text_input(form: &mut Form, input: &Value, path: &str) {
    if input["type"] != 4 {
        form.choice(&format!("{path}.type"), &input["type"], "4");
        return;
    }
    form.required_text(&format!("{path}.custom_id"), &input["custom_id"], 1..=100);
    form.required_text(&format!("{path}.label"), &input["label"], 1..=45);
    form.text(
        &format!("{path}.placeholder"),
        &input["placeholder"],
        0..=100,
    );
    form.text(&format!("{path}.value"), &input["value"], 0..=4000);
    form.number(
        &format!("{path}.min_length"),
        &input["min_length"],
        0..=4000,
    );
    form.number(
        &format!("{path}.max_length"),
        &input["max_length"],
        1..=4000,
    );
    if !matches!(input["style"].as_u64(), Some(1 | 2)) {
        form.choice(&format!("{path}.style"), &input["style"], "1, 2");
    }
    let least = input["min_length"].as_u64().unwrap_or(0);
    let most = input["max_length"].as_u64().unwrap_or(4000);
    if least > most {
        form.error(
            &format!("{path}.min_length"),
            "TEXT_INPUT_COMPONENT_INVALID_LENGTH",
            "The minimum length exceeds the maximum length".to_owned(),
        );
    }
}

/// The choices of an autocomplete, under `data` in the answer.
pub fn choices(data: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    choices_of(&mut form, &data["choices"], "data.choices");
    form.done()
}

pub fn choices_of(form: &mut Form, choices: &Value, path: &str) {
    form.list(path, choices, 0..=25);
    for (index, choice) in items(choices).enumerate() {
        let path = format!("{path}.{index}");
        form.required_text(&format!("{path}.name"), &choice["name"], 1..=100);
        if choice["value"].is_string() {
            form.text(&format!("{path}.value"), &choice["value"], 0..=100);
        } else if is_absent(&choice["value"]) {
            form.required(&format!("{path}.value"));
        }
    }
}

/// A thread to be started.
pub fn thread(body: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.required_text("name", &body["name"], 1..=100);
    auto_archive_duration(&mut form, body);
    form.done()
}

pub fn thread_change(body: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.text("name", &body["name"], 1..=100);
    auto_archive_duration(&mut form, body);
    form.done()
}

fn auto_archive_duration(form: &mut Form, body: &Value) {
    let minutes = &body["auto_archive_duration"];
    if !minutes.is_null() && !matches!(minutes.as_u64(), Some(60 | 1440 | 4320 | 10080)) {
        form.choice("auto_archive_duration", minutes, "60, 1440, 4320, 10080");
    }
}

/// A channel to be changed.
pub fn channel_change(body: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.text("name", &body["name"], 1..=100);
    form.text("topic", &body["topic"], 0..=1024);
    form.done()
}

pub fn too_many(path: &str, most: usize) -> Refusal {
    let mut form = Form::default();
    form.error(
        path,
        "BASE_TYPE_MAX_LENGTH",
        format!("Must be {most} or fewer in length."),
    );
    Refusal::invalid_form_body(form.errors)
}

/// A body being checked, and what is wrong with it so far.
#[derive(Default)]
pub struct Form {
    errors: Vec<FieldError>,
}

impl Form {
    pub fn done(self) -> Result<(), Refusal> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Refusal::invalid_form_body(self.errors))
        }
    }

    pub fn error(&mut self, path: &str, code: &'static str, message: String) {
        self.errors.push(FieldError {
            path: path.to_owned(),
            code,
            message,
        });
    }

    pub fn required(&mut self, path: &str) {
        self.error(
            path,
            "BASE_TYPE_REQUIRED",
            "This field is required".to_owned(),
        );
    }

    pub fn required_text(&mut self, path: &str, text: &Value, length: RangeInclusive<usize>) {
        match text.as_str() {
            Some(content) if !content.is_empty() => self.text(path, text, length),
            _ => self.required(path),
        }
    }

    /// A text that may be left out.
    pub fn text(&mut self, path: &str, text: &Value, length: RangeInclusive<usize>) {
        match text {
            Value::String(_) => self.length(path, characters(text), length),
            Value::Null | Value::Number(_) => {}
            _ => self.error(
                path,
                "STRING_TYPE_CONVERT",
                "Could not interpret value as string.".to_owned(),
            ),
        }
    }

    /// A list that may be left out.
    pub fn list(&mut self, path: &str, list: &Value, length: RangeInclusive<usize>) {
        match list {
            Value::Array(list) => self.length(path, list.len(), length),
            Value::Null => {}
            _ => self.error(
                path,
                "LIST_TYPE_CONVERT",
                "Only iterables may be used in a ListType".to_owned(),
            ),
        }
    }

    fn length(&mut self, path: &str, length: usize, allowed: RangeInclusive<usize>) {
        let (least, most) = (*allowed.start(), *allowed.end());
        if length > most && least == 0 {
            let message = format!("Must be {most} or fewer in length.");
            self.error(path, "BASE_TYPE_MAX_LENGTH", message);
        } else if !allowed.contains(&length) {
            let message = format!("Must be between {least} and {most} in length.");
            self.error(path, "BASE_TYPE_BAD_LENGTH", message);
        }
    }

    /// A number that may be left out.
    pub fn number(&mut self, path: &str, number: &Value, allowed: RangeInclusive<u64>) {
        if number.is_null()
            || number
                .as_u64()
                .is_some_and(|number| allowed.contains(&number))
        {
            return;
        }
        let (least, most) = allowed.into_inner();
        self.error(
            path,
            "NUMBER_TYPE_RANGE",
            format!("int value should be between {least} and {most}."),
        );
    }

    /// A value that is none of those allowed.
    pub fn choice(&mut self, path: &str, value: &Value, allowed: &str) {
        if is_absent(value) {
            self.required(path);
        } else {
            let message = format!("Value must be one of {{{allowed}}}.");
            self.error(path, "BASE_TYPE_CHOICES", message);
        }
    }

    fn url(&mut self, path: &str, url: &Value) {
        let Some(url) = url.as_str() else { return };
        let schemes = ["http://", "https://", "attachment://", "discord://"];
        if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            self.error(
                path,
                "URL_TYPE_INVALID_URL",
                "Not a well formed URL.".to_owned(),
            );
        }
    }
}

pub fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub fn characters(text: &Value) -> usize {
    text.as_str().map_or(0, |text| text.chars().count())
}

/// Not there, null, or nothing in it.
fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
