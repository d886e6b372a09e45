//! What Discord answers when it refuses: its own status, code and words.

use std::fmt;

use serde_json::{Map, Value, json};

#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub status: u16,
    pub code: u32,
    pub message: &'static str,
    /// Of an invalid form body: what is wrong with which field.
    pub errors: Vec<FieldError>,
}

/// What is wrong with the field at `path`, such as `embeds.0.title`.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    pub path: String,
    pub code: &'static str,
    pub message: String,
}

pub const NOT_FOUND: Refusal = Refusal::new(404, 0, "404: Not Found");
pub const UNAUTHORIZED: Refusal = Refusal::new(401, 0, "401: Unauthorized");
pub const BAD_JSON: Refusal = Refusal::new(400, 50109, "The request body contains invalid JSON.");
pub const UNKNOWN_APPLICATION: Refusal = Refusal::new(404, 10002, "Unknown Application");
pub const UNKNOWN_CHANNEL: Refusal = Refusal::new(404, 10003, "Unknown Channel");
pub const UNKNOWN_GUILD: Refusal = Refusal::new(404, 10004, "Unknown Guild");
pub const UNKNOWN_MEMBER: Refusal = Refusal::new(404, 10007, "Unknown Member");
pub const UNKNOWN_MESSAGE: Refusal = Refusal::new(404, 10008, "Unknown Message");
pub const UNKNOWN_USER: Refusal = Refusal::new(404, 10013, "Unknown User");
pub const UNKNOWN_EMOJI: Refusal = Refusal::new(400, 10014, "Unknown Emoji");
pub const UNKNOWN_WEBHOOK: Refusal = Refusal::new(404, 10015, "Unknown Webhook");
pub const UNKNOWN_INTERACTION: Refusal = Refusal::new(404, 10062, "Unknown interaction");
pub const UNKNOWN_COMMAND: Refusal = Refusal::new(404, 10063, "Unknown application command");
pub const TOO_MANY_REACTIONS: Refusal =
    Refusal::new(403, 30010, "Maximum number of reactions reached (20)");
pub const ENTITY_TOO_LARGE: Refusal = Refusal::new(413, 40005, "Request entity too large");
pub const ALREADY_ACKNOWLEDGED: Refusal =
    Refusal::new(400, 40060, "Interaction has already been acknowledged.");
pub const MISSING_ACCESS: Refusal = Refusal::new(403, 50001, "Missing Access");
pub const CANNOT_EDIT_ANOTHERS: Refusal =
    Refusal::new(403, 50005, "Cannot edit a message authored by another user");
pub const EMPTY_MESSAGE: Refusal = Refusal::new(400, 50006, "Cannot send an empty message");
pub const CANNOT_MESSAGE_USER: Refusal =
    Refusal::new(403, 50007, "Cannot send messages to this user");
pub const MISSING_PERMISSIONS: Refusal = Refusal::new(403, 50013, "Missing Permissions");
pub const WRONG_NUMBER_TO_DELETE: Refusal = Refusal::new(
    400,
    50016,
    "You can only bulk delete messages between 2 and 100 messages.",
);
pub const WRONG_CHANNEL_TYPE: Refusal =
    Refusal::new(400, 50024, "Cannot execute action on this channel type");
pub const INVALID_WEBHOOK_TOKEN: Refusal = Refusal::new(401, 50027, "Invalid Webhook Token");
pub const TOO_OLD_TO_DELETE: Refusal = Refusal::new(
    400,
    50034,
    "You can only bulk delete messages that are under 14 days old.",
);
pub const THREAD_IS_ARCHIVED: Refusal = Refusal::new(403, 50083, "Thread is archived");
pub const REPLY_NEEDS_HISTORY: Refusal = Refusal::new(
    403,
    160_002,
    "Cannot reply without permission to read message history",
);
pub const MESSAGE_HAS_THREAD: Refusal = Refusal::new(
    400,
    160_004,
    "A thread has already been created for this message",
);
pub const THREAD_IS_LOCKED: Refusal = Refusal::new(403, 160_005, "Thread is locked");

impl Refusal {
    pub const fn new(status: u16, code: u32, message: &'static str) -> Self {
        Refusal {
            status,
            code,
            message,
            errors: Vec::new(),
        }
    }

    pub const fn invalid_form_body(errors: Vec<FieldError>) -> Self {
        Refusal {
            status: 400,
            code: 50035,
            message: "Invalid Form Body",
            errors,
        }
    }

    pub fn to_json(&self) -> Value {
        let mut json = json!({ "message": self.message, "code": self.code });
        if !self.errors.is_empty() {
            let mut tree = Value::Object(Map::new());
            for error in &self.errors {
                let mut node = &mut tree;
                for key in error.path.split('.').filter(|key| !key.is_empty()) {
                    node = &mut node[key];
                }
                let found = json!({ "code": error.code, "message": error.message });
                match node["_errors"].as_array_mut() {
                    Some(errors) => errors.push(found),
                    None => node["_errors"] = json!([found]),
                }
            }
            json["errors"] = tree;
        }
        json
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.status, self.code, self.message)?;
        for error in &self.errors {
            write!(f, "; {}: {}", error.path, error.message)?;
        }
        Ok(())
    }
}
