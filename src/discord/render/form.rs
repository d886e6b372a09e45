//! Forms that members fill in.

use serenity::all::{CreateActionRow, CreateInputText, CreateModal, InputTextStyle};

use super::HostFacts;
use crate::deliberation::id::Member;
use crate::deliberation::record::OPINION_CHARACTERS;
use crate::deliberation::round::{CRITIQUE_CHARACTERS, Round};
use crate::discord::custom_id::CustomId;
use crate::discord::neutral::shortened;
use crate::discord::wording::Wording;

/// A form as plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    pub id: CustomId,
    pub title: String,
    pub fields: Vec<TextField>,
}

/// A text of several lines.
#[derive(Clone, Debug, PartialEq)]
pub struct TextField {
    /// Within the form.
    pub id: &'static str,
    pub label: String,
    pub placeholder: String,
    /// What stands there already.
    pub text: String,
    /// In characters.
    pub shortest: usize,
    pub longest: usize,
}

/// The field of the forms that ask for one text.
pub const TEXT: &str = "text";

/// Discord's limits in characters.
const TITLE: usize = 45;
const LABEL: usize = 45;
const PLACEHOLDER: usize = 100;

impl Form {
    fn asking_for_a_text(id: CustomId, title: &str, field: TextField) -> Self {
        Self {
            id,
            title: shortened(title, TITLE),
            fields: vec![TextField {
                label: shortened(&field.label, LABEL),
                placeholder: shortened(&field.placeholder, PLACEHOLDER),
                ..field
            }],
        }
    }

    /// The only place that knows how forms are sent.
    pub fn to_modal(&self) -> CreateModal {
        let rows = self.fields.iter().map(|field| {
            let mut input = CreateInputText::new(InputTextStyle::Paragraph, &field.label, field.id)
                .placeholder(&field.placeholder)
                .min_length(field.shortest as u16)
                .max_length(field.longest as u16);
            if !field.text.is_empty() {
                input = input.value(&field.text);
            }
            CreateActionRow::InputText(input)
        });
        CreateModal::new(self.id.to_string(), &self.title).components(rows.collect())
    }
}

/// Asks for an opinion; shows the one that the member has.
pub fn opinion_form(host: &HostFacts, wording: &Wording, round: &Round, member: Member) -> Form {
    let opinion = round.opinions.get(&member);
    let number = round.key.number;
    Form::asking_for_a_text(
        CustomId::OpinionForm {
            round: number,
            revision: opinion.map_or(0, |opinion| opinion.revision),
        },
        &wording.say("opinion-form-title", &[("round", number.into())]),
        TextField {
            id: TEXT,
            label: wording.say(
                "opinion-form-label",
                &[("characters", host.opinion_characters.into())],
            ),
            placeholder: wording.say("opinion-form-placeholder", &[]),
            text: opinion
                .and_then(|opinion| opinion.text.clone())
                .unwrap_or_default(),
            shortest: *OPINION_CHARACTERS.start(),
            longest: *OPINION_CHARACTERS.end(),
        },
    )
}

/// Asks a member who rated low what to change.
pub fn critique_form(wording: &Wording, round: &Round, member: Member) -> Form {
    let stage = round.stages.len().saturating_sub(1) as u8;
    Form::asking_for_a_text(
        CustomId::Critique {
            round: round.key.number,
        },
        &wording.say("critique-form-title", &[]),
        TextField {
            id: TEXT,
            label: wording.say("critique-form-label", &[]),
            placeholder: wording.say("critique-form-placeholder", &[]),
            text: round
                .critiques
                .get(&(stage, member))
                .cloned()
                .unwrap_or_default(),
            shortest: 1,
            longest: CRITIQUE_CHARACTERS,
        },
    )
}
