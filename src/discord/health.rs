//! What a running bot says of itself at a port of its host: a page for people, JSON for programs.
//!
//! It names no server and no member, and shows nothing that anybody wrote.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use poise::serenity_prelude as serenity;
use serde::Serialize;
use serenity::all::{ConnectionStage, ShardManager};
use tokio::net::TcpListener;

use super::Bot;
use crate::deliberation::retraining::Model;

/// What is asked.
pub struct Health {
    pub bot: Arc<Bot>,
    pub shards: Arc<ShardManager>,
    pub started: Instant,
}

/// How it is.
#[derive(Serialize)]
struct Status {
    /// To Discord, with all shards.
    connected: bool,
    accord: &'static str,
    uptime_s: u64,
    rounds_open: usize,
    /// Rounds that are drafted for, or wait for it.
    drafting_queue: usize,
    /// The host's version, or what is wrong with it.
    generator: String,
    reward_model: String,
}

/// Answers until it is dropped: `/` with a page, `/health` with JSON and, while the bot is not
/// connected, status 503.
///
/// # Errors
/// An address that cannot be listened at.
pub async fn serve(address: SocketAddr, health: Health) -> Result<()> {
    let listener = TcpListener::bind(address).await;
    let listener = listener
        .with_context(|| format!("cannot listen at {address}; set another health.address"))?;
    let routes = Router::new()
        .route("/", get(page))
        .route("/health", get(json))
        .with_state(Arc::new(health));
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn json(State(health): State<Arc<Health>>) -> Response {
    let status = health.status().await;
    let code = match status.connected {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let fresh = [(header::CACHE_CONTROL, "no-store")];
    (code, fresh, Json(status)).into_response()
}

async fn page(State(health): State<Arc<Health>>) -> Html<String> {
    let status = health.status().await;
    let how = match status.connected {
        true => "connected to Discord",
        false => "not connected to Discord",
    };
    let uptime = humantime::format_duration(Duration::from_secs(status.uptime_s));
    let rows = [
        ("running for", uptime.to_string()),
        ("rounds open", status.rounds_open.to_string()),
        (
            "rounds drafted for or waiting",
            status.drafting_queue.to_string(),
        ),
        ("generator", status.generator),
        ("reward model", status.reward_model),
        ("version of Accord", status.accord.to_owned()),
    ];
    let rows: String = rows
        .iter()
        .map(|(what, found)| format!("<tr><th scope=\"row\">{what}<td>{}\n", escape(found)))
        .collect();
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"refresh\" content=\"30\">\n<title>Accord: {how}</title>\n\
         <style>:root {{ color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif }}\n\
         body {{ margin: 2rem }} th {{ text-align: left; font-weight: normal; padding-right: 2rem }}</style>\n\
         <h1>Accord is {how}</h1>\n<table>\n{rows}</table>\n\
         <p>The same for programs: <a href=\"/health\">/health</a>\n"
    ))
}

/// An error may quote anything.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

impl Health {
    async fn status(&self) -> Status {
        let runners = self.shards.runners.lock().await;
        let mut stages = runners.values().map(|runner| runner.stage);
        let connected =
            !runners.is_empty() && stages.all(|stage| stage == ConnectionStage::Connected);
        drop(stages);
        drop(runners);
        let facilitator = &self.bot.facilitator;
        Status {
            connected,
            accord: env!("CARGO_PKG_VERSION"),
            uptime_s: self.started.elapsed().as_secs(),
            rounds_open: facilitator.rounds_open(),
            drafting_queue: facilitator.drafting_queue(),
            generator: self.version(Model::Generator).await,
            reward_model: self.version(Model::RewardModel).await,
        }
    }

    async fn version(&self, model: Model) -> String {
        let versions = self.bot.host_versions(model);
        let active = tokio::task::spawn_blocking(move || versions.active()).await;
        match active {
            Ok(Ok(active)) => active.to_string(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "cannot be read".to_owned(),
        }
    }
}
