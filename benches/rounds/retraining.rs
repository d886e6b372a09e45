//! How fast people are answered while a model is retrained, and what is lost when the training process
//! is killed, and then the bot.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use accord::deliberation::record::Deliberation;
use rustix::process::{Signal, kill_process};
use serde_json::json;
use serenity::all::Permissions;
use sysinfo::{Pid, ProcessesToUpdate, System};

use crate::support::community::{community, cut};
use crate::support::discord::Message;
use crate::support::process::Host;
use crate::support::town::{Town, has_button, press};
use crate::support::{accord, config, write};
use crate::visits;

/// What the guild's model learns from: enough for the gate.
const ROUNDS: usize = 9;
/// So many deliberations of the shipped corpus are there to be mixed in, and so many for the gate to
/// look at: with all of them a training would take many times as long.
const SHIPPED: usize = 4;
/// Of every deliberation, for the same reason.
const MEMBERS: usize = 3;
const STATEMENTS: usize = 4;
/// A training process whose bot was killed is gone by then.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

pub async fn run(args: &visits::Args) -> bool {
    let town = Town::without_a_bot().await;
    town.discord.wait_at_most(Duration::from_secs(3600));
    let mut host = Host::new();
    write_data(&host, &town);
    let rounds = visits::prepare(&town, &mut host).await;
    let mut bot = host.start(&town.discord);
    bot.listens(&town.discord).await;

    let message = ask_for_a_retraining(&town).await;
    let now = || town.discord.message(message.id).expect("it stays");
    let training = || has_button(&now(), "cancel-retraining:");
    let goes_on = async |before| {
        let since = Instant::now();
        let checkpoints = town.discord.wait_until("the training to go on", || {
            let text = now().text();
            assert!(training(), "it has ended: {text}");
            let now = checkpoints(host.folder());
            is_further(&now, before).then_some(now)
        });
        (checkpoints.await, since.elapsed())
    };
    let nothing = Checkpoints::new();
    goes_on(&nothing).await;
    let answers = tokio::select! {
        answers = visits::receive(&town, &rounds, &training, args) => answers,
        never = bot.runs() => never,
    };
    let busy = answers.iter().filter(|answer| answer.busy).count();
    println!(
        "{} interactions, {busy} of them while a model was retrained; load average of the machine {:.1}\n",
        answers.len(),
        System::load_average().one,
    );
    let soon = visits::summarise(&answers);

    let saved = checkpoints(host.folder());
    kill_process(as_raw(trainings(bot.id())[0]), Signal::KILL).unwrap();
    let (further, took) = goes_on(&saved).await;
    let mut nothing_lost = holds(&further, &saved);
    println!(
        "\nthe training process was killed: further than its last checkpoint after {:.0} s",
        took.as_secs_f64()
    );

    let children = trainings(bot.id());
    bot.kill();
    let ended = Instant::now();
    while children.iter().any(|child| runs(*child)) && ended.elapsed() < ENDS_WITHIN {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ended = ended.elapsed();
    println!(
        "the bot was killed: the training process was gone after {:.1} s",
        ended.as_secs_f64()
    );
    let saved = checkpoints(host.folder());
    let mut bot = host.start(&town.discord);
    bot.listens(&town.discord).await;
    let (further, took) = goes_on(&saved).await;
    nothing_lost &= holds(&further, &saved);
    println!(
        "started again: further than the last checkpoint after {:.0} s",
        took.as_secs_f64()
    );
    let over = tokio::select! {
        over = town.discord.wait_until("the verdict", || Some(now()).filter(|_| !training())) => over,
        never = bot.runs() => never,
    };
    println!("\n{}", over.text());
    println!(
        "\nsteps lost that were in a checkpoint: {}",
        match nothing_lost {
            true => "none",
            false => "some",
        }
    );
    bot.stop().await;
    soon && nothing_lost && ended < ENDS_WITHIN
}

/// Ratings of a guild with a taste of its own, which there is something to learn from, and the shipped
/// data.
fn write_data(host: &Host, town: &Town) {
    let save = |folder: &Path, name: &str, rows: &[Deliberation]| {
        let lines = rows.iter().cloned().map(|mut row| {
            cut(&mut row, MEMBERS, STATEMENTS);
            serde_json::to_string(&row).unwrap() + "\n"
        });
        write(folder, name, &lines.collect::<String>())
    };
    let community = community(&config(), ROUNDS, SHIPPED, 1);
    let data = host.folder().join("data");
    fs::create_dir(&data).unwrap();
    save(&data, "deliberations.jsonl", &community.corpus[..SHIPPED]);
    save(&data, "deliberations-held-out.jsonl", &community.others);
    let rated = save(host.folder(), "rated.jsonl", &community.rounds);
    let guild = town.guild.to_string();
    let mut import = accord(&["import", "deliberations", &rated, "--guild", &guild]);
    import.env("ACCORD_DATA_DIR", host.folder());
    assert!(import.output().unwrap().status.success());
}

/// The message that tells how far it is.
async fn ask_for_a_retraining(town: &Town) -> Message {
    let mayor = town.discord.member(town.guild, "Mia");
    let role = town
        .discord
        .role(town.guild, "Mayor", Permissions::MANAGE_GUILD);
    town.discord.give_role(&mayor, role);
    town.runs(&mayor, "settings set", json!({ "training": "own" }))
        .await;
    let reward = json!({ "what": "reward" });
    let asked = town.runs(&mayor, "model retrain", reward).await;
    press(&mayor, &asked, "retrain:").await;
    let is_it = |message: &Message| has_button(message, "cancel-retraining:");
    town.discord.wait_for_message(town.square, is_it).await
}

/// The step of each checkpoint under a folder.
type Checkpoints = BTreeMap<PathBuf, usize>;

fn checkpoints(folder: &Path) -> Checkpoints {
    let mut found = Checkpoints::new();
    let Ok(entries) = fs::read_dir(folder.join("retraining")) else {
        return found;
    };
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    while let Some(folder) = folders.pop() {
        // What is written there comes and goes.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("checkpoint.safetensors") {
                found.extend(step_of(&path).map(|step| (path, step)));
            }
        }
    }
    found
}

/// Its counters are JSON amid its tensors.
fn step_of(checkpoint: &Path) -> Option<usize> {
    const NAME: &[u8] = b"\"step\":";
    let content = fs::read(checkpoint).ok()?;
    let at = content
        .windows(NAME.len())
        .position(|bytes| bytes == NAME)?;
    let digits = content[at + NAME.len()..].iter();
    let digits: Vec<u8> = digits.copied().take_while(u8::is_ascii_digit).collect();
    String::from_utf8(digits).ok()?.parse().ok()
}

/// Whether there is a checkpoint more, or one that is further.
fn is_further(now: &Checkpoints, before: &Checkpoints) -> bool {
    now.iter().any(|(path, step)| Some(step) > before.get(path))
}

/// Whether each checkpoint is as far as it was.
fn holds(now: &Checkpoints, before: &Checkpoints) -> bool {
    before
        .iter()
        .all(|(path, step)| now.get(path) >= Some(step))
}

/// The processes that a bot trains with.
fn trainings(bot: u32) -> Vec<Pid> {
    let mut system = System::new();
    system.refresh_processes(ProcessesToUpdate::All, true);
    let processes = system.processes().iter();
    let children = processes.filter(|(_, process)| {
        process.parent() == Some(Pid::from_u32(bot)) && process.thread_kind().is_none()
    });
    children.map(|(pid, _)| *pid).collect()
}

fn runs(process: Pid) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

fn as_raw(process: Pid) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(process.as_u32() as i32).expect("it is no group")
}
