//! The host's port says how the bot is, and nothing of what anybody wrote.

use std::net::TcpListener;
use std::sync::Arc;

use accord::discord::http;
use accord::facilitator::clock::Clock;
use accord::facilitator::models::LocalModels;
use serde_json::{Value, json};

use crate::support::bot::{self, RunningBot};
use crate::support::town::Town;

#[tokio::test(flavor = "multi_thread")]
async fn the_port_tells_programs_and_people_how_the_bot_is() {
    let town = Town::without_a_bot().await;
    let mut config = bot::config(&town.discord);
    // Free for now; nobody else asks for one of these.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    config.health.address = Some(address);
    let folder = tempfile::tempdir().unwrap();
    // Nothing is drafted here, so they are never loaded.
    let models = Arc::new(LocalModels::new(config.clone(), Arc::default()).unwrap());
    let http = http::http(town.discord.token(), &config.discord, None);
    let trainer = bot::trainer(folder.path(), &[]);
    let clock = Clock::system();
    let running = RunningBot::start_with(
        config,
        http,
        folder.path(),
        models,
        trainer,
        clock,
        &town.discord,
    )
    .await;

    let asked = async |path: &str| {
        reqwest::get(format!("http://{address}{path}"))
            .await
            .unwrap()
    };
    let until = async |code: u16| loop {
        let answer = asked("/health").await;
        if answer.status().as_u16() == code {
            return answer.json::<Value>().await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let status = until(200).await;
    assert_eq!(status["connected"], true);
    assert_eq!(status["rounds_open"], 0);
    assert_eq!(status["drafting_queue"], 0);
    assert_eq!(status["generator"], "shipped");
    assert_eq!(status["reward_model"], "shipped");

    town.opens_round(json!({})).await;
    let page = asked("/").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let page = page.text().await.unwrap();
    assert!(
        page.contains("<h1>Accord is connected to Discord</h1>"),
        "{page}"
    );
    assert!(page.contains("rounds open<td>1"), "{page}");
    for named in ["buses", "Town", "Olga", "square", town.discord.token()] {
        assert!(!page.contains(named), "{named} in {page}");
    }

    town.discord.begin_outage();
    assert_eq!(until(503).await["connected"], false);
    let page = asked("/").await.text().await.unwrap();
    assert!(
        page.contains("Accord is not connected to Discord"),
        "{page}"
    );
    town.discord.end_outage();
    assert_eq!(until(200).await["rounds_open"], 1);
    running.stop().await;
}
