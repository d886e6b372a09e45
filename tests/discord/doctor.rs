//! `accord doctor` finds what is wrong between a bot and Discord, and says how to mend it.

use std::path::Path;

use serde_json::json;
use serenity::all::Permissions;
use tokio::process::Command;

use crate::support::discord::FakeDiscord;

/// What it says with these variables in its environment.
async fn doctor(discord: &FakeDiscord, folder: &Path, variables: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_accord"))
        .arg("doctor")
        .current_dir(folder)
        .env("ACCORD_DATA_DIR", folder)
        .env("ACCORD_DISCORD__API_URL", discord.api_url())
        .env("DISCORD_TOKEN", discord.token())
        .envs(variables.iter().copied())
        .output();
    let output = output.await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// One line has all of these.
fn tells(said: &str, parts: &[&str]) {
    let fits = |line: &str| parts.iter().all(|part| line.contains(part));
    assert!(said.lines().any(fits), "no line with {parts:?} in\n{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_set_up_well_is_told_so() {
    let discord = FakeDiscord::start().await;
    discord.guild("Town");
    discord.guild("Village");
    let folder = tempfile::tempdir().unwrap();
    let said = doctor(&discord, folder.path(), &[]).await;
    for line in [
        "ok    Discord: the token is that of accord",
        "ok    clock: as Discord's",
        "ok    application: set up as Accord needs it",
        "ok    servers: in 2, with the permissions that a round needs",
        "ok    gateway: can be reached; 999 of 1000 sessions left",
    ] {
        tells(&said, &[line]);
    }
    assert!(!said.contains("secrets"), "no .env is read: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_application_is_told_with_the_way_out() {
    let discord = FakeDiscord::start().await;
    let folder = tempfile::tempdir().unwrap();
    // Message Content, for an application in few servers.
    discord.set_application("flags", json!(1 << 19));
    discord.set_application("bot_require_code_grant", json!(true));
    discord.leave_sessions(20);
    let said = doctor(&discord, folder.path(), &[]).await;
    let intents = "privileged intents are on, which Accord does not use; turn them off";
    let grant = "\"Requires OAuth2 Code Grant\" is on; turn it off";
    tells(&said, &["note  application: ", intents, grant]);
    tells(
        &said,
        &[
            "note  servers: the bot is in none yet; invite it: https://discord.com/oauth2/authorize?",
            "client_id=100000000000000000&",
        ],
    );
    let log = "look into its log";
    tells(&said, &["note  gateway: ", "20 of 1000 sessions left", log]);

    let url = "https://elsewhere.example/interactions";
    discord.set_application("interactions_endpoint_url", json!(url));
    discord.leave_sessions(0);
    let nobody = [("ACCORD_DISCORD__GATEWAY_URL", "ws://127.0.0.1:9")];
    let [said, shut] =
        [&[][..], &nobody].map(|variables| doctor(&discord, folder.path(), variables));
    let (said, shut) = tokio::join!(said, shut);
    tells(
        &said,
        &[
            "FAIL  application: ",
            url,
            "empty \"Interactions Endpoint URL\"",
        ],
    );
    tells(
        &said,
        &["FAIL  gateway: ", "0 of 1000", "1 are needed", log],
    );
    let through = "let WebSocket connections through";
    tells(
        &shut,
        &["FAIL  gateway: ws://127.0.0.1:9 cannot be reached", through],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bot_may_not_do_in_a_server_is_told() {
    let discord = FakeDiscord::start().await;
    discord.guild("Town");
    let village = discord.guild("Village");
    let everyone = discord.everyone(village);
    discord.set_permissions(
        everyone,
        Permissions::VIEW_CHANNEL | Permissions::SEND_MESSAGES,
    );
    let folder = tempfile::tempdir().unwrap();
    let said = doctor(&discord, folder.path(), &[]).await;
    let lacks = "lacks permissions in 1 of 2: Add Reactions, Embed Links, Attach Files, Read Message History in";
    let out = "give them to its role there, or invite it again: https://";
    tells(
        &said,
        &["note  servers: ", lacks, &village.to_string(), out],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_none_or_another_is_told_apart() {
    let discord = FakeDiscord::start().await;
    let folder = tempfile::tempdir().unwrap();
    for (token, why) in [
        ("j3VupLBuE1QWZng3TMGH0z_UAwg", "is no bot's token"),
        (
            "MTAw.RmFrZQ.another-token",
            "Discord does not accept the token",
        ),
    ] {
        let said = doctor(&discord, folder.path(), &[("DISCORD_TOKEN", token)]).await;
        tells(&said, &["FAIL  Discord: ", why, "page \"Bot\"", ".env"]);
        assert!(
            !said.contains(token) && !said.contains("application:"),
            "{said}"
        );
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_others_can_read_is_told() {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    let discord = FakeDiscord::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    write(&file, format!("DISCORD_TOKEN={}\n", discord.token())).unwrap();
    for (mode, parts) in [
        (0o644, ["note  secrets: other users", "run chmod 600 "]),
        (0o600, ["ok    secrets: ", "yours alone"]),
    ] {
        set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        tells(&doctor(&discord, folder.path(), &[]).await, &parts);
    }
}
