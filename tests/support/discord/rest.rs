//! The REST API, version 10: one request in, one answer out.

mod applications;
mod channels;
mod guilds;
mod interactions;
mod users;

use std::collections::HashMap;
use std::time::Instant;

use axum::body::to_bytes;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};
use serenity::all::ChannelId;

use super::FakeDiscord;
use super::calls::Call;
use super::multipart::{self, Upload};
use super::rate_limits::Taken;
use super::refusal::{BAD_JSON, NOT_FOUND, Refusal, UNAUTHORIZED};
use super::world::{World, id_in};

/// `None` is 204, no content.
pub type Reply = Result<Option<Value>, Refusal>;

pub struct Request {
    pub method: String,
    /// The parts of the path after `/api/v10/`, decoded.
    pub path: Vec<String>,
    pub query: HashMap<String, String>,
    pub body: Value,
    pub uploads: Vec<Upload>,
    pub authorized: bool,
    pub gateway_url: String,
}

impl Request {
    pub fn id<T: From<u64>>(&self, part: usize, unknown: Refusal) -> Result<T, Refusal> {
        id_in(&json!(self.path[part])).ok_or(unknown)
    }

    pub fn number(&self, parameter: &str) -> Option<u64> {
        self.query.get(parameter)?.parse().ok()
    }
}

/// Serves everything under `/api/v10`.
pub async fn serve(
    State(discord): State<FakeDiscord>,
    request: axum::extract::Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let read = read_body(header(&head, header::CONTENT_TYPE), &bytes);
    let well_formed = read.is_some();
    let (body, uploads) = read.unwrap_or_default();
    let call = Call {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        body: body.clone(),
        files: uploads.iter().map(|upload| upload.name.clone()).collect(),
        at: Instant::now(),
        status: None,
    };
    let path = head.uri.path().trim_start_matches("/api/v10");
    let request = Request {
        method: call.method.clone(),
        path: path.trim_matches('/').split('/').map(decode).collect(),
        query: query(head.uri.query().unwrap_or_default()),
        body,
        uploads,
        authorized: header(&head, header::AUTHORIZATION) == format!("Bot {}", discord.token()),
        gateway_url: discord.gateway_url(),
    };
    let perform = || match well_formed {
        false => respond(Err(BAD_JSON)),
        true => respond(discord.change(|world| answer(world, request))),
    };

    let number = discord.note_call(call.clone());
    let taken = discord.shared.rate_limits.lock().unwrap().take(&call);
    let mut response = match taken.as_ref().and_then(Taken::refusal) {
        Some(refusal) => refusal,
        None => discord.disturb(&call, perform).await,
    };
    if let Some(taken) = taken {
        taken.write_headers(&mut response);
    }
    discord.note_status(number, response.status().as_u16());
    response
}

fn header(head: &Parts, name: HeaderName) -> &str {
    let value = head.headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// `None` if it is not what it says it is.
fn read_body(content_type: &str, bytes: &[u8]) -> Option<(Value, Vec<Upload>)> {
    if content_type.starts_with("multipart/form-data") {
        multipart::read(content_type, bytes)
    } else if bytes.is_empty() {
        Some((Value::Null, Vec::new()))
    } else {
        let body = serde_json::from_slice(bytes).ok()?;
        Some((body, Vec::new()))
    }
}

fn answer(world: &mut World, request: Request) -> Reply {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        // These two are authorized by the token in their path.
        ["interactions", ..] => interactions::callback(world, request),
        ["webhooks", ..] => interactions::webhook(world, request),
        ["gateway"] => Ok(Some(json!({ "url": request.gateway_url }))),
        _ if !request.authorized => Err(UNAUTHORIZED),
        ["gateway", "bot"] => Ok(Some(json!({
            "url": request.gateway_url, "shards": world.gateway.recommended_shards,
            "session_start_limit": {
                "total": 1000, "remaining": world.gateway.sessions_left, "reset_after": 0, "max_concurrency": 1,
            },
        }))),
        ["oauth2", ..] | ["applications", ..] => applications::answer(world, request),
        ["users", ..] => users::answer(world, request),
        ["guilds", _, ..] => guilds::answer(world, request),
        ["channels", _, ..] => channels::answer(world, request),
        _ => Err(NOT_FOUND),
    }
}

pub fn respond(reply: Reply) -> Response {
    match reply {
        Ok(Some(json)) => Json(json).into_response(),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap();
            (status, Json(refusal.to_json())).into_response()
        }
    }
}

/// What Discord's file servers do.
pub async fn attachment(
    State(discord): State<FakeDiscord>,
    Path((channel, id, _name)): Path<(u64, u64, String)>,
) -> Response {
    let found = discord.look(|world| {
        let channel = world.channels.get(&ChannelId::new(channel))?;
        let mut attachments = channel
            .messages
            .values()
            .flat_map(|message| &message.attachments);
        attachments.find(|attachment| attachment.id == id).cloned()
    });
    match found {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(found) => ([(header::CONTENT_TYPE, found.content_type)], found.bytes).into_response(),
    }
}

fn query(query: &str) -> HashMap<String, String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decode(value)))
        .collect()
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let encoded = (*first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match encoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
