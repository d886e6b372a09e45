//! Deliberations from elsewhere that models are trained on as well: files in the data folder.
//!
//! `imported/<name>.jsonl` is for all guilds of this host, `imported/guild-<id>/<name>.jsonl` for
//! one; both hold one deliberation a line. Whoever removes a file there takes it back.

pub mod polis;

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::card::question_hash;
use crate::deliberation::id::Guild;
use crate::deliberation::record::Deliberation;
use crate::inference::model_files::{sync_folder, temporary_file};

/// The files that a guild's models are trained on: those for all guilds, then its own, each by
/// name. Of no guild: those for all.
///
/// # Errors
/// A folder that cannot be read.
pub fn files(data_dir: &Path, guild: impl Into<Option<Guild>>) -> Result<Vec<PathBuf>> {
    let mut files = files_in(&folder(data_dir, None))?;
    if let Some(guild) = guild.into() {
        files.extend(files_in(&folder(data_dir, Some(guild)))?);
    }
    Ok(files)
}

/// Copies [`files`] into another folder, where [`files`] finds them as it does in `data_dir`.
///
/// # Errors
/// A file that cannot be read, or a folder that cannot be written.
pub fn copy(data_dir: &Path, guild: Guild, to: &Path) -> Result<()> {
    for file in files(data_dir, guild)? {
        let place = to.join(file.strip_prefix(data_dir)?);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(&file, &place).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

/// Removes what was imported for a guild alone.
///
/// # Errors
/// A folder that cannot be removed.
pub fn remove_guild(data_dir: &Path, guild: Guild) -> Result<()> {
    let folder = folder(data_dir, Some(guild));
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Reads one of [`files`].
///
/// # Errors
/// A file that was changed since it was imported, and is no deliberations any more.
pub fn read(file: &Path) -> Result<Vec<Deliberation>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    (1..)
        .zip(text.lines())
        .map(|(number, line)| {
            serde_json::from_str(line).with_context(|| {
                format!(
                    "{} line {number} is no deliberation; import it again, or remove the file",
                    file.display()
                )
            })
        })
        .collect()
}

/// What imported deliberations offer to a training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offer {
    pub deliberations: usize,
    /// Ratings of agreement.
    pub ratings: usize,
    /// The hashes of the questions of those that can tell which of two versions is better: a
    /// conversation is many deliberations on one.
    pub questions: BTreeSet<String>,
}

/// What the files offer, where `tells` says which deliberations can tell versions apart.
///
/// # Errors
/// As [`read`].
pub fn offer(files: &[PathBuf], tells: impl Fn(&Deliberation) -> bool) -> Result<Offer> {
    let mut offer = Offer::default();
    for file in files {
        for deliberation in read(file)? {
            let statements = deliberation.statements.iter();
            let ratings = statements.flat_map(|statement| statement.agreement.iter().flatten());
            offer.deliberations += 1;
            offer.ratings += ratings.count();
            if tells(&deliberation) {
                offer
                    .questions
                    .insert(question_hash(&deliberation.question));
            }
        }
    }
    Ok(offer)
}

/// Keeps deliberations under a name, in the place of those that had it.
///
/// # Errors
/// A folder that cannot be written.
pub fn keep(
    data_dir: &Path,
    guild: Option<Guild>,
    name: &str,
    deliberations: &[Deliberation],
) -> Result<PathBuf> {
    let folder = folder(data_dir, guild);
    let path = folder.join(format!("{}.{ENDING}", file_name(name)));
    let write = || -> Result<()> {
        fs::create_dir_all(&folder)?;
        let mut file = temporary_file(&folder)?;
        for deliberation in deliberations {
            serde_json::to_writer(&mut file, deliberation)?;
            file.write_all(b"\n")?;
        }
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(sync_folder(&folder)?)
    };
    write().with_context(|| {
        format!(
            "cannot write {}: make it writable, or set ACCORD_DATA_DIR to another folder",
            path.display()
        )
    })?;
    Ok(path)
}

const ENDING: &str = "jsonl";

fn folder(data_dir: &Path, guild: Option<Guild>) -> PathBuf {
    let all = data_dir.join("imported");
    match guild {
        Some(guild) => all.join(format!("guild-{guild}")),
        None => all,
    }
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(anyhow!("cannot read {}: {error}", folder.display())),
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && path.extension().is_some_and(|ending| ending == ENDING))
        .collect();
    files.sort();
    Ok(files)
}

/// What is left of a name that is safe in any folder.
fn file_name(name: &str) -> String {
    let kept = name
        .chars()
        .map(|c| match c.is_alphanumeric() || "-_.".contains(c) {
            true => c,
            false => '-',
        });
    let kept: String = kept.collect();
    match kept.trim_matches(['.', '-']) {
        "" => "imported".to_owned(),
        kept => kept.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliberation::record::RatedStatement;

    fn on(question: &str) -> Deliberation {
        Deliberation {
            id: None,
            topic: None,
            question: question.to_owned(),
            opinions: vec!["It is as it is.".to_owned(); 3],
            weights: vec![1.0; 3],
            statements: Vec::new(),
        }
    }

    #[test]
    fn a_guild_has_its_own_files_after_those_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path();
        assert_eq!(files(data_dir, Guild(7)).unwrap(), [] as [PathBuf; 0]);
        let all = keep(data_dir, None, "b", &[on("One?")]).unwrap();
        let own = keep(data_dir, Some(Guild(7)), "a", &[on("Two?")]).unwrap();
        keep(data_dir, Some(Guild(8)), "c", &[on("Three?")]).unwrap();
        assert_eq!(files(data_dir, Guild(7)).unwrap(), [all.clone(), own]);
        // The same name again replaces.
        assert_eq!(keep(data_dir, None, "b", &[on("Four?")]).unwrap(), all);
        let kept: Deliberation = serde_json::from_str(&fs::read_to_string(all).unwrap()).unwrap();
        assert_eq!(kept, on("Four?"));
    }

    #[test]
    fn a_conversation_is_one_question_however_many_deliberations_it_makes() {
        let folder = tempfile::tempdir().unwrap();
        let mut rated = on("One?");
        rated.statements = vec![RatedStatement {
            text: "Let it be as it is.".to_owned(),
            agreement: vec![Some(6), None, Some(2)],
            quality: None,
            kind: None,
            arm: None,
        }];
        let kept = [rated.clone(), rated, on("Two?")];
        let file = keep(folder.path(), None, "polis", &kept).unwrap();
        let all = offer(std::slice::from_ref(&file), |_| true).unwrap();
        assert_eq!((all.deliberations, all.ratings), (3, 4));
        assert_eq!(all.questions.len(), 2);
        let some = offer(&[file], |one| !one.statements.is_empty()).unwrap();
        assert_eq!(some.questions, [question_hash("One?")].into());
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for (name, expected) in [
            ("../../etc/passwd", "etc-passwd"),
            ("15 per hour, Seattle", "15-per-hour--Seattle"),
            ("..", "imported"),
            ("", "imported"),
            ("Mobilität.2022", "Mobilität.2022"),
        ] {
            assert_eq!(file_name(name), expected);
        }
    }
}
