//! A message as plain data, within Discord's limits however long the texts are that it is made of.

use serde::Serialize;
use serenity::all::{
    ButtonStyle, CreateActionRow, CreateAllowedMentions, CreateAttachment, CreateButton,
    CreateEmbed, CreateEmbedFooter, CreateInteractionResponseMessage, CreateMessage,
    CreateSelectMenu, CreateSelectMenuKind, CreateSelectMenuOption, EditInteractionResponse,
    EditMessage, RoleId,
};
use sha2::{Digest, Sha256};

use crate::chart::Chart;
use crate::deliberation::id::Role;
use crate::discord::custom_id::CustomId;
use crate::discord::neutral::shortened;

/// What a message looks like.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Look {
    pub content: String,
    pub embed: Option<Embed>,
    pub rows: Vec<Row>,
    /// Attached as a picture, between the content and the embed.
    pub chart: Option<Chart>,
    /// The only role that the message may mention; nobody else is ever mentioned.
    pub mentions: Option<Role>,
}

/// A framed text under the content.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Embed {
    pub description: String,
    pub fields: Vec<Field>,
    /// Shown as it is: no markdown.
    pub footer: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    pub name: String,
    pub value: String,
}

/// Components that stand side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Row {
    Buttons(Vec<Button>),
    Select(Select),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Button {
    pub target: Target,
    pub label: String,
    pub style: Style,
    pub disabled: bool,
}

/// What a button does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Target {
    Id(CustomId),
    Url(String),
}

/// How much a button asks to be pressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum Style {
    /// What most people want to do.
    Main,
    Other,
    /// Takes something away.
    Dangerous,
}

/// One choice of several.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Select {
    pub id: CustomId,
    pub placeholder: String,
    pub options: Vec<Choice>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    pub label: String,
    pub value: String,
    pub chosen: bool,
}

/// Discord's limits in characters.
pub const CONTENT: usize = 2000;
pub const DESCRIPTION: usize = 4096;
const FIELD_NAME: usize = 256;
const FIELD_VALUE: usize = 1024;
const FOOTER: usize = 2048;
const EMBED: usize = 6000;
const LABEL: usize = 80;
const PLACEHOLDER: usize = 150;
const CHOICE: usize = 100;
const ALT_TEXT: usize = 1024;
/// And in numbers.
const FIELDS: usize = 25;
const BUTTONS: usize = 5;

impl Look {
    pub fn of(content: impl AsRef<str>) -> Self {
        Self {
            content: shortened(content.as_ref(), CONTENT),
            ..Self::default()
        }
    }

    pub fn embed(self, embed: Embed) -> Self {
        Self {
            embed: Some(embed),
            ..self
        }
    }

    /// The message may mention that role.
    pub fn mention(self, mentions: Option<Role>) -> Self {
        Self { mentions, ..self }
    }

    pub fn chart(self, chart: Option<Chart>) -> Self {
        Self { chart, ..self }
    }

    /// A row of at most five buttons; none if there is no button.
    pub fn buttons(mut self, buttons: impl IntoIterator<Item = Button>) -> Self {
        let buttons: Vec<Button> = buttons.into_iter().take(BUTTONS).collect();
        if !buttons.is_empty() {
            self.rows.push(Row::Buttons(buttons));
        }
        self
    }

    pub fn select(mut self, select: Select) -> Self {
        self.rows.push(Row::Select(select));
        self
    }

    /// A number that differs whenever two looks do, and stays the same over restarts.
    pub fn fingerprint(&self) -> u64 {
        let json = serde_json::to_vec(self).expect("plain data");
        let hash = Sha256::digest(json);
        u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"))
    }

    /// To be posted.
    pub fn to_message(&self) -> CreateMessage {
        let mut message = CreateMessage::new()
            .allowed_mentions(self.allowed_mentions())
            .components(self.components())
            .embeds(self.embeds());
        if !self.content.is_empty() {
            message = message.content(&self.content);
        }
        message.add_files(self.attachment())
    }

    /// To replace what was posted.
    pub fn to_edit(&self) -> EditMessage {
        let edit = EditMessage::new()
            .allowed_mentions(self.allowed_mentions())
            .components(self.components())
            .embeds(self.embeds())
            .content(&self.content)
            .remove_all_attachments();
        match self.attachment() {
            Some(attachment) => edit.new_attachment(attachment),
            None => edit,
        }
    }

    /// To answer an interaction, or to replace the message that it came from; seen by one member
    /// only.
    pub fn to_reply(&self) -> CreateInteractionResponseMessage {
        CreateInteractionResponseMessage::new()
            .ephemeral(true)
            .allowed_mentions(self.allowed_mentions())
            .components(self.components())
            .embeds(self.embeds())
            .content(&self.content)
            .add_files(self.attachment())
    }

    /// To replace an answer.
    pub fn to_interaction_edit(&self) -> EditInteractionResponse {
        let edit = EditInteractionResponse::new()
            .allowed_mentions(self.allowed_mentions())
            .components(self.components())
            .embeds(self.embeds())
            .content(&self.content)
            .clear_attachments();
        match self.attachment() {
            Some(attachment) => edit.new_attachment(attachment),
            None => edit,
        }
    }

    fn allowed_mentions(&self) -> CreateAllowedMentions {
        CreateAllowedMentions::new().roles(self.mentions.map(|role| RoleId::new(role.0)))
    }

    fn embeds(&self) -> Vec<CreateEmbed> {
        let told = |embed: &&Embed| embed.characters() > 0;
        self.embed
            .iter()
            .filter(told)
            .map(Embed::to_create)
            .collect()
    }

    fn components(&self) -> Vec<CreateActionRow> {
        self.rows.iter().map(Row::to_create).collect()
    }

    fn attachment(&self) -> Option<CreateAttachment> {
        let chart = self.chart.as_ref()?;
        let alt_text = shortened(&chart.alt_text, ALT_TEXT);
        Some(CreateAttachment::bytes(chart.to_png(1.0), "chart.png").description(alt_text))
    }
}

impl Embed {
    pub fn of(description: impl AsRef<str>) -> Self {
        Self {
            description: shortened(description.as_ref(), DESCRIPTION),
            ..Self::default()
        }
    }

    /// A text under a heading; left out where there is none, or no room.
    pub fn field(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let name = shortened(name.as_ref(), FIELD_NAME);
        let room = EMBED.saturating_sub(self.characters() + name.chars().count());
        let value = shortened(value.as_ref(), FIELD_VALUE.min(room));
        if !value.is_empty() && self.fields.len() < FIELDS {
            self.fields.push(Field { name, value });
        }
        self
    }

    pub fn footer(mut self, footer: impl AsRef<str>) -> Self {
        let room = EMBED.saturating_sub(self.characters());
        self.footer = shortened(footer.as_ref(), FOOTER.min(room));
        self
    }

    fn characters(&self) -> usize {
        let fields = self.fields.iter();
        fields
            .flat_map(|field| [&field.name, &field.value])
            .chain([&self.description, &self.footer])
            .map(|text| text.chars().count())
            .sum()
    }

    fn to_create(&self) -> CreateEmbed {
        let fields = self.fields.iter();
        let mut embed = CreateEmbed::new()
            .colour(ACCENT)
            .fields(fields.map(|field| (&field.name, &field.value, false)));
        if !self.description.is_empty() {
            embed = embed.description(&self.description);
        }
        if !self.footer.is_empty() {
            embed = embed.footer(CreateEmbedFooter::new(&self.footer));
        }
        embed
    }
}

/// The edge of the frame; it means nothing.
const ACCENT: u32 = 0x3b_6e_a5;

impl Row {
    fn to_create(&self) -> CreateActionRow {
        match self {
            Self::Buttons(buttons) => {
                CreateActionRow::Buttons(buttons.iter().map(Button::to_create).collect())
            }
            Self::Select(select) => CreateActionRow::SelectMenu(select.to_create()),
        }
    }

    /// The ids that it carries.
    pub fn ids(&self) -> Vec<CustomId> {
        match self {
            Self::Buttons(buttons) => buttons
                .iter()
                .filter_map(|button| match button.target {
                    Target::Id(id) => Some(id),
                    Target::Url(_) => None,
                })
                .collect(),
            Self::Select(select) => vec![select.id],
        }
    }
}

impl Button {
    pub fn main(id: CustomId, label: String) -> Self {
        Self::new(Target::Id(id), label, Style::Main)
    }

    pub fn other(id: CustomId, label: String) -> Self {
        Self::new(Target::Id(id), label, Style::Other)
    }

    pub fn dangerous(id: CustomId, label: String) -> Self {
        Self::new(Target::Id(id), label, Style::Dangerous)
    }

    pub fn link(url: String, label: String) -> Self {
        Self::new(Target::Url(url), label, Style::Other)
    }

    pub fn disabled(self, disabled: bool) -> Self {
        Self { disabled, ..self }
    }

    fn new(target: Target, label: String, style: Style) -> Self {
        Self {
            target,
            label: shortened(&label, LABEL),
            style,
            disabled: false,
        }
    }

    fn to_create(&self) -> CreateButton {
        let button = match &self.target {
            Target::Id(id) => CreateButton::new(id.to_string()).style(match self.style {
                Style::Main => ButtonStyle::Primary,
                Style::Other => ButtonStyle::Secondary,
                Style::Dangerous => ButtonStyle::Danger,
            }),
            Target::Url(url) => CreateButton::new_link(url),
        };
        button.label(&self.label).disabled(self.disabled)
    }
}

impl Select {
    pub fn new(id: CustomId, placeholder: &str, options: impl IntoIterator<Item = Choice>) -> Self {
        Self {
            id,
            placeholder: shortened(placeholder, PLACEHOLDER),
            options: options.into_iter().collect(),
        }
    }

    fn to_create(&self) -> CreateSelectMenu {
        let options = self.options.iter().map(|choice| {
            CreateSelectMenuOption::new(&choice.label, &choice.value)
                .default_selection(choice.chosen)
        });
        let kind = CreateSelectMenuKind::String {
            options: options.collect(),
        };
        CreateSelectMenu::new(self.id.to_string(), kind).placeholder(&self.placeholder)
    }
}

impl Choice {
    pub fn new(label: &str, value: String, chosen: bool) -> Self {
        Self {
            label: shortened(label, CHOICE),
            value,
            chosen,
        }
    }
}
