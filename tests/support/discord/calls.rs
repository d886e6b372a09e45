//! The requests that the bot made, kept for tests to look at.

use std::time::Instant;

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    /// As it was sent, with `/api/v10` and the query.
    pub path: String,
    /// Of a request with files, its `payload_json`; null where there was none.
    pub body: Value,
    /// The names of its files.
    pub files: Vec<String>,
    pub at: Instant,
    /// What it was answered; `None` while, or because, it was not.
    pub status: Option<u16>,
}

impl Call {
    /// Whether it fits a pattern such as `POST /channels/*/messages`, where `*` is any one part of
    /// the path and a last `**` is all that is left.
    pub fn fits(&self, pattern: &str) -> bool {
        let (method, wanted) = pattern.split_once(' ').unwrap_or_else(|| {
            panic!("expected a method and a path, such as `GET /gateway`, not `{pattern}`")
        });
        if method != "*" && method != self.method {
            return false;
        }
        let path = self.path.split('?').next().unwrap_or_default();
        let mut parts = path.trim_start_matches("/api/v10").split('/');
        for wanted in wanted.split('/') {
            match (wanted, parts.next()) {
                ("**", _) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(part)) if wanted == part => {}
                _ => return false,
            }
        }
        parts.next().is_none()
    }

    /// A line for `check_discord_requests.py`.
    pub fn to_json_line(&self) -> String {
        let mut json = json!({ "method": self.method, "path": self.path });
        if !self.body.is_null() {
            json["body"] = self.body.clone();
        }
        format!("{json}\n")
    }

    /// For a person to read when a test has failed.
    pub fn summary(&self) -> String {
        let status = match self.status {
            Some(status) => status.to_string(),
            None => "no answer".to_owned(),
        };
        let body: String = match &self.body {
            Value::Null => String::new(),
            body => body.to_string().chars().take(300).collect(),
        };
        format!("{} {} {body} -> {status}", self.method, self.path)
    }
}
