//! What a member is asked and told about training.

use super::phrases::on;
use super::{Button, Look};
use crate::deliberation::consent::Consent;
use crate::deliberation::guild::Training;
use crate::discord::custom_id::CustomId;
use crate::discord::wording::Wording;

/// A receipt that asks in the end whether its reader agrees to training; as it is where there is none.
pub fn asking_for_consent(wording: &Wording, receipt: Look, training: Training) -> Look {
    let question = match training {
        Training::Off => return receipt,
        Training::Own => wording.say("consent-question-own", &[]),
        Training::Shared => wording.say("consent-question-shared", &[]),
    };
    let content = format!("{}\n\n{question}", receipt.content);
    let asking = Look {
        content: Look::of(content).content,
        ..receipt
    };
    asking.buttons([agree(wording, training), refuse(wording)])
}

/// What a member's opinions and ratings train, and the button that changes it.
pub fn consent(wording: &Wording, training: Training, consent: Option<Consent>) -> Look {
    let meaning = match training {
        Training::Off => wording.say("consent-off", &[]),
        Training::Own => wording.say("consent-own", &[]),
        Training::Shared => wording.say("consent-shared", &[]),
    };
    let agreed = consent.filter(|consent| consent.agreed);
    let more = training == Training::Shared && agreed.is_some_and(|consent| !consent.shared);
    let said = match agreed {
        Some(Consent { at, .. }) => wording.say("consent-yes", &[("when", on(at).into())]),
        None => wording.say("consent-no", &[]),
    };
    let mut text = format!("{said}\n{meaning}");
    if more {
        text.push(' ');
        text.push_str(&wording.say("consent-not-shared", &[]));
    }
    let look = Look::of(text);
    match (agreed, training) {
        (Some(_), _) if more => look.buttons([agree(wording, training), refuse(wording)]),
        (Some(_), _) => look.buttons([refuse(wording)]),
        // There is nothing to agree to.
        (None, Training::Off) => look,
        (None, _) => look.buttons([agree(wording, training)]),
    }
}

/// To no more than what is asked beside it.
fn agree(wording: &Wording, to: Training) -> Button {
    let id = CustomId::Consent { to };
    Button::other(id, wording.say("button-agree", &[]))
}

fn refuse(wording: &Wording) -> Button {
    let id = CustomId::Consent { to: Training::Off };
    Button::other(id, wording.say("button-rather-not", &[]))
}
