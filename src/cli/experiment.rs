//! `accord experiment`: whether the fine-tuned, ranked statement wins.

mod judge;
mod settings;

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accord::config::Config;
use accord::deliberation::record::Deliberation;
use accord::experiment::ballots::{Ballot, Key, ballots, with_missing};
use accord::experiment::case::{Baselines, Case, Ratings, Written};
use accord::experiment::independence::{Known, Models, warnings};
use accord::experiment::log::Log;
use accord::experiment::produce::{key, rate, write, write_baselines};
use accord::experiment::report::{Report, Setup, report};
use accord::inference::drafting::{DraftingSettings, NothingUsable};
use accord::inference::model_files::{sha256_of_bytes, write_file};
use accord::training::card::{Card, Kind, question_hash, template_hashes};
use accord::training::versions::{Serving, VersionId};
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use super::bar::Bar;
use super::engines::{self, Chosen};
use super::input::{self, CORPUS, Place};
use super::say;

/// Compare the fine-tuned, ranked statement with those that are made more simply
///
/// An experiment that was interrupted goes on when the same command is given again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  accord experiment --data config/data/deliberations-held-out.jsonl --out experiment
  accord experiment --data our-rounds.jsonl --out ours --judge trained/another-reward-model
  accord ballots tally experiment")]
pub struct Args {
    /// Deliberations that no model was trained on (JSON lines); - is standard input
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The folder for the report, and for all that models write and rate
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many drafts the ranking chooses from [default: generator.candidates, 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    candidates: Option<u16>,
    /// The same seed gives the same statements
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The reward model that judges: a folder made by accord train. Without it, one is trained first,
    /// on half of the shipped corpus (half an hour on two cores)
    #[arg(long, value_name = "DIR|shipped", conflicts_with = "halves")]
    judge: Option<PathBuf>,
    /// Train the ranking model as well, on the other half, so that the two have no question in common
    #[arg(long)]
    halves: bool,
}

/// So many examples the few-shot arm is shown: each takes as long to read as a deliberation.
const EXAMPLES: usize = 2;
/// So many drafts are written without one member, at most.
const EXCLUDING: usize = 4;

/// Exit code 1 if a row could not be used.
pub async fn run(args: Args, config: &Config, settings: Option<PathBuf>) -> Result<ExitCode> {
    let (rows, mut all_usable) =
        input::usable_rows::<Deliberation>(vec![args.data.clone()]).await?;
    let mut keys = HashSet::new();
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|(place, row)| (key(&row), place, row))
        .filter(|(key, ..)| keys.insert(key.clone()))
        .collect();
    ensure!(
        !rows.is_empty(),
        "no row of {} can be used, expected deliberations as JSON lines",
        args.data.display()
    );
    let _lock = lock(&args.out)?;

    let mut drafting = config.generator.clone();
    if let Some(candidates) = args.candidates {
        drafting.candidates = candidates.into();
    }
    let excluding = EXCLUDING.min(drafting.candidates);
    let generator = engines::choose(config, Kind::Generator).await?;
    let mut begun = settings::Begun::read(&args.out)?;
    let writing = writing(&args, config, &generator, &drafting)?;
    begun.go_on("writing", &[DRAFTS, BASELINES], writing)?;
    // Before a model is trained for half an hour.
    begun.go_on("rating", &[RANKING, JUDGE], rating(config)?)?;
    begun.go_on("halves", &[RANKING], args.halves.into())?;
    begun.go_on("judge_trained", &[JUDGE], args.judge.is_none().into())?;
    let models = judge::choose(&args, config, settings.as_deref(), generator).await?;
    begun.go_on("ranking", &[RANKING], adapter(&models.ranking))?;
    begun.go_on("judge", &[JUDGE], adapter(&models.judge))?;

    let folder = Folder {
        path: &args.out,
        rows: &rows,
    };
    let written: Log<Written> = folder
        .written(config, &models, &drafting, excluding, args.seed)
        .await?;
    let mut without_drafts = 0;
    for (key, place, _) in &rows {
        let Written {
            drafts, rejected, ..
        } = &written.rows[key];
        if drafts.is_empty() {
            let drafts = *rejected;
            input::report_bad_row(place, &NothingUsable { drafts }.to_string());
            without_drafts += 1;
            all_usable = false;
        }
    }
    let baselines: Log<Baselines> = folder
        .baselines(config, &models, &written, &drafting, args.seed)
        .await?;
    let ratings = async |name, model, what| {
        folder
            .ratings(config, model, name, what, &written, &baselines)
            .await
    };
    let ranking = ratings(RANKING, &models.ranking, "ranking").await?;
    let judged = ratings(JUDGE, &models.judge, "judging").await?;

    let cases = cases(&rows, written, baselines, ranking, judged)?;
    ensure!(
        !cases.is_empty(),
        "the generator wrote nothing usable for any deliberation; choose a larger model as models.generator"
    );
    let setup = Setup {
        data: file_name(&args.data),
        without_drafts,
        seed: args.seed,
        candidates: drafting.candidates,
        excluding,
        examples: EXAMPLES,
        generator: models.generator.name(config),
        base: models.base.name(config),
        ranking: models.ranking.name(config),
        judge: models.judge.name(config),
        warnings: warnings_of(config, &models, &cases)?,
    };
    let Report { markdown, charts } = report(&cases, &setup);
    let keep = |name: &str, content: &[u8]| {
        write_file(&args.out, name, content)
            .with_context(|| format!("cannot write in {}", args.out.display()))
    };
    for (name, chart) in charts {
        keep(name, chart.svg.as_bytes())?;
    }
    // What people have filled in stays as it is; deliberations may have come since.
    let (ballots, keys): (Vec<_>, Vec<_>) = ballots(&cases, args.seed).into_iter().unzip();
    let there = |name| read_or_nothing(&args.out.join(name));
    let keys = with_missing(there(KEY)?, &keys, |key: &Key| &key.ballot);
    keep(KEY, keys.context(KEY)?.as_bytes())?;
    let ballots = with_missing(there(BALLOTS)?, &ballots, |ballot: &Ballot| &ballot.ballot);
    keep(BALLOTS, ballots.context(BALLOTS)?.as_bytes())?;
    keep(REPORT, markdown.as_bytes())?;
    say(format!(
        "the report is in {}",
        args.out.join(REPORT).display()
    ))?;
    Ok(match all_usable {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

const DRAFTS: &str = "drafts.jsonl";
const BASELINES: &str = "baselines.jsonl";
const RANKING: &str = "ranking.jsonl";
const JUDGE: &str = "judge.jsonl";
const REPORT: &str = "report.md";
pub const BALLOTS: &str = "ballots.jsonl";
pub const KEY: &str = "key.jsonl";

/// The models of an experiment.
pub struct ChosenModels {
    pub generator: Chosen,
    /// The generator's base model.
    pub base: Chosen,
    pub ranking: Chosen,
    pub judge: Chosen,
}

/// Makes the folder; nobody else works in it while this is held.
fn lock(out: &Path) -> Result<File> {
    let make = || {
        std::fs::create_dir_all(out)?;
        File::create(out.join(".lock"))
    };
    let lock = make().with_context(|| format!("cannot write in {}", out.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => bail!("another experiment is at work in {}", out.display()),
    }
}

/// What the drafts depend on, and the ballots.
fn writing(
    args: &Args,
    config: &Config,
    generator: &Chosen,
    drafting: &DraftingSettings,
) -> Result<Value> {
    let DraftingSettings {
        candidates,
        temperature,
        top_p,
        max_tokens,
        opinion_characters,
        redraws,
    } = drafting;
    Ok(json!({
        "seed": args.seed,
        "candidates": candidates,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "opinion_characters": opinion_characters,
        "redraws": redraws,
        "model": config.models.source(Kind::Generator).0.to_string(),
        "adapter": adapter(generator),
        "templates": template_hashes(Kind::Generator, |name| config.text(name))?,
    }))
}

/// What both models that rate depend on, but for their adapters.
fn rating(config: &Config) -> Result<Value> {
    Ok(json!({
        "model": config.models.source(Kind::Reward).0.to_string(),
        "templates": template_hashes(Kind::Reward, |name| config.text(name))?,
    }))
}

/// Its hash; null of a base model.
fn adapter(chosen: &Chosen) -> Value {
    card(chosen).map_or(Value::Null, |card| card.adapter.sha256.clone().into())
}

/// A deliberation, what it is filed under, and where it stands.
type Row = (String, Place, Deliberation);

/// What is written for each deliberation, where it is not there yet.
struct Folder<'a> {
    path: &'a Path,
    rows: &'a [Row],
}

impl<'a> Folder<'a> {
    /// A log, and the deliberations that are not in it.
    fn open<T: Serialize + serde::de::DeserializeOwned>(
        &self,
        name: &str,
        is_wanted: impl Fn(&str) -> bool,
        what: &str,
    ) -> Result<(Log<T>, Vec<&'a Row>)> {
        let log = Log::open(&self.path.join(name))?;
        let wanted = self.rows.iter().filter(|(key, ..)| is_wanted(key));
        let open: Vec<_> = wanted
            .filter(|(key, ..)| !log.rows.contains_key(key))
            .collect();
        if !open.is_empty() {
            eprintln!(
                "{what}: {} of {} deliberations to do",
                open.len(),
                self.rows.len()
            );
        }
        Ok((log, open))
    }

    async fn written(
        &self,
        config: &Config,
        models: &ChosenModels,
        drafting: &DraftingSettings,
        excluding: usize,
        seed: u64,
    ) -> Result<Log<Written>> {
        let (mut log, open) = self.open(DRAFTS, |_| true, "drafts")?;
        if open.is_empty() {
            return Ok(log);
        }
        let generator = engines::generator_of(config, &models.generator).await?;
        let each = drafting.candidates + excluding;
        let bar = Bar::new("drafts", open.len() * each)?;
        for (number, (key, _, deliberation)) in open.into_iter().enumerate() {
            let drafted = |settled| bar.set_position(number * each + settled);
            let written = write(&generator, deliberation, drafting, excluding, seed, drafted);
            log.append(key, &written.await?)?;
        }
        drop(bar);
        Ok(log)
    }

    async fn baselines(
        &self,
        config: &Config,
        models: &ChosenModels,
        written: &Log<Written>,
        drafting: &DraftingSettings,
        seed: u64,
    ) -> Result<Log<Baselines>> {
        let is_wanted = |key: &str| !written.rows[key].drafts.is_empty();
        let (mut log, open) = self.open(BASELINES, is_wanted, "base model")?;
        if open.is_empty() {
            return Ok(log);
        }
        let corpus = input::shipped_corpus(config)?;
        let base = engines::generator_of(config, &models.base).await?;
        let bar = Bar::new("base model", open.len())?;
        for (key, _, deliberation) in open {
            let row = write_baselines(&base, deliberation, &corpus, EXAMPLES, drafting, seed);
            log.append(key, &row.await?)?;
            bar.inc();
        }
        drop(bar);
        Ok(log)
    }

    async fn ratings(
        &self,
        config: &Config,
        model: &Chosen,
        name: &str,
        what: &'static str,
        written: &Log<Written>,
        baselines: &Log<Baselines>,
    ) -> Result<Log<Ratings>> {
        let is_wanted = |key: &str| baselines.rows.contains_key(key);
        let (mut log, open) = self.open(name, is_wanted, what)?;
        if open.is_empty() {
            return Ok(log);
        }
        let model = engines::reward_model_of(config, model).await?;
        let bar = Bar::new(what, open.len())?;
        for (key, _, deliberation) in open {
            let (written, baselines) = (&written.rows[key], &baselines.rows[key]);
            let ratings = rate(&model, deliberation, written, baselines).await?;
            log.append(key, &ratings)?;
            bar.inc();
        }
        drop(bar);
        Ok(log)
    }
}

/// In the order of the file.
fn cases(
    rows: &[Row],
    mut written: Log<Written>,
    mut baselines: Log<Baselines>,
    mut ranking: Log<Ratings>,
    mut judge: Log<Ratings>,
) -> Result<Vec<Case>> {
    let cases = rows.iter().filter_map(|(key, _, deliberation)| {
        Some(Case {
            deliberation: deliberation.clone(),
            written: written.rows.remove(key)?,
            baselines: baselines.rows.remove(key)?,
            ranking: ranking.rows.remove(key)?,
            judge: judge.rows.remove(key)?,
        })
    });
    let cases: Vec<Case> = cases.collect();
    for case in &cases {
        case.check()
            .context("the files in --out do not belong together; choose another folder")?;
    }
    Ok(cases)
}

fn warnings_of(config: &Config, models: &ChosenModels, cases: &[Case]) -> Result<Vec<String>> {
    let corpus = input::shipped_corpus(config)?;
    let mut known = Known {
        corpus_sha256: sha256_of_bytes(config.text(CORPUS)?.as_bytes()),
        corpus: corpus
            .iter()
            .map(|row| question_hash(&row.question))
            .collect(),
        versions: Vec::new(),
        shipped: BTreeSet::new(),
    };
    for kind in Kind::ALL {
        for listed in config.versions(kind)?.list()? {
            let Ok(Some(card)) = listed.card else {
                continue;
            };
            if listed.id == VersionId::Shipped {
                known.shipped.insert(card.adapter.sha256.clone());
            }
            known.versions.push(card);
        }
    }
    let models = Models {
        generator: card(&models.generator),
        ranking: card(&models.ranking),
        judge: card(&models.judge),
    };
    let asked = cases.iter().map(|case| case.deliberation.question.as_str());
    Ok(warnings(models, &known, asked))
}

/// `None` of a base model.
fn card(chosen: &Chosen) -> Option<&Card> {
    match &chosen.serving {
        Serving::Version(_, version) => Some(&version.card),
        Serving::Base | Serving::ShippedForAnother { .. } => None,
    }
}

fn json_lines(rows: &[impl Serialize]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn read_or_nothing(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| format!("cannot read {}", path.display())),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().display().to_string()
}
