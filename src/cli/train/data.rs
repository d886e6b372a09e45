//! What is trained on: the deliberations themselves, and those that are mixed in.

use std::path::{Path, PathBuf};

use accord::config::Config;
use accord::deliberation::record::Deliberation;
use accord::inference::model_files::sha256_of_bytes;
use accord::suggestion::path_or_similar;
use accord::training::card::{DataFile, MixedIn};
use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::super::input;

/// Bad rows are reported and counted, and the others are used.
pub async fn read<T>(files: &[PathBuf]) -> Result<Vec<T>>
where
    T: serde::de::DeserializeOwned + Send + 'static,
{
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let (rows, all_usable) = input::usable_rows::<T>(files.to_vec()).await?;
    let names: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    ensure!(
        !rows.is_empty(),
        "no row of {} can be used, expected deliberations as JSON lines",
        names.join(", ")
    );
    if !all_usable {
        eprintln!("the rows above are left out; {} are used", rows.len());
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

pub fn data_files(paths: &[PathBuf]) -> Result<Vec<DataFile>> {
    paths
        .iter()
        .map(|path| {
            let bytes = std::fs::read(path)
                .with_context(|| format!("cannot read {}", path_or_similar(path)))?;
            Ok(DataFile {
                name: file_name(path),
                sha256: sha256_of_bytes(&bytes),
            })
        })
        .collect()
}

/// The deliberations of `--mix`: all of a file, and of the shipped corpus a sample (see
/// [`sample`]).
pub async fn mixed_in(
    mix: &[PathBuf],
    data: &[Deliberation],
    config: &Config,
    seed: u64,
) -> Result<(Vec<Deliberation>, Option<MixedIn>)> {
    if mix.is_empty() {
        return Ok((Vec::new(), None));
    }
    let (shipped, files): (Vec<PathBuf>, Vec<PathBuf>) = mix
        .iter()
        .cloned()
        .partition(|path| path == Path::new(SHIPPED));
    let mut rows: Vec<Deliberation> = read(&files).await?;
    if !shipped.is_empty() {
        rows.extend(sample(input::shipped_corpus(config)?, ratings(data), seed));
    }
    let described = MixedIn {
        from: mix.iter().map(|path| file_name(path)).collect(),
        deliberations: rows.len(),
        ratings: ratings(&rows),
    };
    Ok((rows, Some(described)))
}

const SHIPPED: &str = "shipped";

/// As many ratings of the corpus as there are in the data, so that both move the model alike; but
/// never fewer than [`FEWEST_MIXED_IN`], since what little data there is would be learned by heart.
fn sample(mut corpus: Vec<Deliberation>, ratings_of_data: usize, seed: u64) -> Vec<Deliberation> {
    corpus.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let wanted = ratings_of_data.max(FEWEST_MIXED_IN);
    let mut found = 0;
    corpus
        .into_iter()
        .take_while(|row| {
            let enough = found >= wanted;
            found += ratings(std::slice::from_ref(row));
            !enough
        })
        .collect()
}

/// Ratings; about eight deliberations of the corpus.
const FEWEST_MIXED_IN: usize = 200;

pub fn ratings(deliberations: &[Deliberation]) -> usize {
    let statements = deliberations.iter().flat_map(|row| &row.statements);
    let given = statements.map(|statement| statement.agreement.iter().flatten().count());
    given.sum()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_of_the_corpus_is_mixed_in_as_there_is_data_but_not_next_to_nothing() {
        let corpus = || -> Vec<Deliberation> {
            include_str!("../../../config/data/deliberations.jsonl")
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        };
        for (of_data, expected) in [(0, 200), (12, 200), (1000, 1000), (1_000_000, 9_000)] {
            let sampled = sample(corpus(), of_data, 1);
            let ratings = ratings(&sampled);
            assert!(ratings >= expected, "{of_data}: {ratings}");
            assert!(
                sampled.len() == corpus().len() || ratings < expected + 40,
                "{of_data}: {ratings}"
            );
        }
        assert_eq!(sample(corpus(), 100, 1), sample(corpus(), 100, 1));
        assert_ne!(sample(corpus(), 100, 1), sample(corpus(), 100, 2));
    }
}
