//! The models of an experiment, and the training of those that are not there yet.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use accord::config::Config;
use accord::deliberation::record::Deliberation;
use accord::inference::model_files::{sha256_of_bytes, write_file};
use accord::training::card::Kind;
use accord::training::checkpoint::Checkpoint;
use accord::training::split::halves;
use accord::training::versions::{CARD, Serving, Version, VersionId};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::super::bar::Bar;
use super::super::engines::{self, Chosen};
use super::super::input;
use super::{Args, ChosenModels, json_lines};

/// `settings` is the file that `--config` names, for the trainings.
///
/// # Errors
/// A version that is missing or is of another base model; a training that failed.
pub async fn choose(
    args: &Args,
    config: &Config,
    settings: Option<&Path>,
    generator: Chosen,
) -> Result<ChosenModels> {
    let mut ranking = engines::choose(config, Kind::Reward).await?;
    let judge = match &args.judge {
        Some(name) => named(config, name).await?,
        None => {
            let [for_ranking, for_judging] = halves(input::shipped_corpus(config)?);
            if args.halves {
                ranking = trained(args, config, settings, "ranking", &for_ranking).await?;
            }
            trained(args, config, settings, "judge", &for_judging).await?
        }
    };
    Ok(ChosenModels {
        generator,
        base: Chosen {
            kind: Kind::Generator,
            serving: Serving::Base,
        },
        ranking,
        judge,
    })
}

async fn named(config: &Config, name: &Path) -> Result<Chosen> {
    let (config, name) = (config.clone(), name.to_owned());
    tokio::task::spawn_blocking(move || {
        if name != Path::new("shipped") {
            return Ok(version(engines::version_in(&config, Kind::Reward, &name)?));
        }
        let shipped = engines::shipped_version(&config, Kind::Reward)?;
        let shipped = shipped.context("the shipped reward model is of another base model than models.reward_model; name a folder made by accord train as --judge")?;
        Ok(Chosen {
            kind: Kind::Reward,
            serving: Serving::Version(VersionId::Shipped, Box::new(shipped)),
        })
    })
    .await?
}

fn version(version: Version) -> Chosen {
    let id = VersionId::Stored(version.card.name.clone());
    Chosen {
        kind: Kind::Reward,
        serving: Serving::Version(id, Box::new(version)),
    }
}

/// A reward model that is trained on these deliberations, unless it is there.
async fn trained(
    args: &Args,
    config: &Config,
    settings: Option<&Path>,
    name: &'static str,
    rows: &[Deliberation],
) -> Result<Chosen> {
    let folder = args.out.join(name);
    let data = json_lines(rows)?;
    if !folder.join(CARD).exists() || Checkpoint::exists(&folder) {
        let file = format!("{name}-data.jsonl");
        write_file(&args.out, &file, &data)
            .with_context(|| format!("cannot write in {}", args.out.display()))?;
        eprintln!(
            "training {} on {} deliberations of the shipped corpus; --judge names one that is there",
            folder.display(),
            rows.len()
        );
        train(settings, &args.out.join(file), &folder, name).await?;
    }
    let chosen = named(config, &folder).await?;
    let sha256 = sha256_of_bytes(&data);
    let is_of_them = super::card(&chosen).is_some_and(|card| {
        card.data
            .files
            .iter()
            .map(|file| &file.sha256)
            .eq([&sha256])
    });
    ensure!(
        is_of_them,
        "{} was trained on other data; remove it, and it is trained again",
        folder.display()
    );
    Ok(chosen)
}

/// By a process of its own, which ends when this one does, and goes on from its checkpoint when it is
/// begun again.
async fn train(settings: Option<&Path>, data: &Path, out: &Path, name: &'static str) -> Result<()> {
    let program: PathBuf = std::env::current_exe().context("cannot find accord itself")?;
    let mut command = Command::new(program);
    if let Some(settings) = settings {
        command.arg("--config").arg(settings);
    }
    command.args(["train", "reward", "--controlled", "--synthetic"]);
    command.args(["--language", "en", "--description"]);
    command.arg("half of the deliberations that come with Accord, which were invented and rated by one writer");
    command.arg("--data").arg(data).arg("--out").arg(out);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start accord train")?;
    let output = child.stdout.take().context("a process without output")?;
    eprintln!("training a reward model: {name}");
    let bar = Bar::new(name, 100)?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        let told: Option<Value> = serde_json::from_str(&line).ok();
        let share = told.and_then(|told| told.get("progress")?.as_f64());
        let share = share.unwrap_or_default();
        bar.set_position((100.0 * share) as usize);
    }
    let status = child.wait().await?;
    drop(bar);
    ensure!(status.success(), "accord train ended with {status}");
    Ok(())
}
