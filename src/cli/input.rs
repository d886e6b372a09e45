//! Reads files of rows: JSON lines, one JSON object, or TOML; `-` is standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use accord::config::Config;
use accord::deliberation::record::Deliberation;
use accord::suggestion::path_or_similar;
use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// One row of a file, or why it cannot be used.
struct Row<T> {
    line: usize,
    content: Result<T, String>,
}

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// The line in which the row begins, from 1.
    pub line: usize,
}

/// The usable rows of several files, in their order. The others are reported, and so are
/// files that cannot be read; the flag says whether all were usable. Blocks, also the whole
/// program's reaction to an interrupt, so it runs on a thread of its own.
pub async fn usable_rows<T>(files: Vec<PathBuf>) -> Result<(Vec<(Place, T)>, bool)>
where
    T: DeserializeOwned + Send + 'static,
{
    let read = move || {
        let mut usable = Vec::new();
        let mut all_usable = true;
        for file in files {
            let rows = read(&file).unwrap_or_else(|error| {
                vec![Row {
                    line: 1,
                    content: Err(format!("{error:#}")),
                }]
            });
            for Row { line, content } in rows {
                let place = Place {
                    file: file.clone(),
                    line,
                };
                match content {
                    Ok(row) => usable.push((place, row)),
                    Err(error) => {
                        all_usable = false;
                        report_bad_row(&place, &error);
                    }
                }
            }
        }
        (usable, all_usable)
    };
    Ok(tokio::task::spawn_blocking(read).await?)
}

/// The deliberations that come with Accord to train on.
///
/// # Errors
/// A file of the host's in their place that cannot be read.
pub fn shipped_corpus(config: &Config) -> Result<Vec<Deliberation>> {
    config
        .text(CORPUS)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{CORPUS} cannot be read"))
}

/// The name of the shipped corpus among the files of `config/`.
pub const CORPUS: &str = "data/deliberations.jsonl";

/// Tells standard error which row cannot be used, and why.
pub fn report_bad_row(place: &Place, error: &str) {
    eprintln!(
        "{}",
        json!({ "file": place.file, "line": place.line, "error": error })
    );
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<Vec<Row<T>>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(file)
            .with_context(|| format!("cannot read {}", path_or_similar(file)))?;
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    ensure!(
        !bytes.trim_ascii().is_empty(),
        "the file is empty, expected one JSON object a line or TOML"
    );
    let text = String::from_utf8_lossy(bytes);
    let is_toml = match file.extension() {
        Some(extension) => extension == "toml",
        None => !text.lines().any(|line| line.trim_start().starts_with('{')),
    };
    Ok(if is_toml {
        vec![toml(&text)]
    } else if let Ok(one @ Value::Object(_)) = serde_json::from_str(&text) {
        vec![Row {
            line: 1,
            content: row(one),
        }]
    } else {
        json_lines(bytes)
    })
}

fn json_lines<T: DeserializeOwned>(bytes: &[u8]) -> Vec<Row<T>> {
    (1..)
        .zip(bytes.split(|&byte| byte == b'\n'))
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(line, bytes)| {
            let content = match serde_json::from_slice(bytes) {
                Ok(object @ Value::Object(_)) => row(object),
                Ok(_) => Err("not a JSON object, expected one a line".into()),
                Err(error) => {
                    let what = error.to_string().replace(" at line 1 column", " at column");
                    Err(format!("not a JSON object on one line: {what}"))
                }
            };
            Row { line, content }
        })
        .collect()
}

fn row<T: DeserializeOwned>(object: Value) -> Result<T, String> {
    serde_json::from_value(object).map_err(|error| error.to_string())
}

fn toml<T: DeserializeOwned>(text: &str) -> Row<T> {
    match toml::from_str(text) {
        Ok(row) => Row {
            line: 1,
            content: Ok(row),
        },
        Err(error) => Row {
            line: error
                .span()
                .map_or(1, |span| text[..span.start].matches('\n').count() + 1),
            content: Err(error.message().replace('\n', "; ")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Named {
        name: String,
    }

    #[test]
    fn a_bad_line_does_not_hide_the_good_ones() {
        let text = b"{\"name\":\"a\"}\n\n{\"name\n[3]\n{\"name\":\"\xff\"}\n{\"name\":\"b\"}\n";
        let rows: Vec<Row<Named>> = json_lines(text);
        let found: Vec<(usize, Result<&str, &str>)> = rows
            .iter()
            .map(|row| {
                let content = row.content.as_ref();
                (
                    row.line,
                    content.map(|row| row.name.as_str()).map_err(String::as_str),
                )
            })
            .collect();
        assert_eq!(found.len(), 5);
        assert_eq!(found[0], (1, Ok("a")));
        let unfinished = "not a JSON object on one line: EOF while parsing a string at column 6";
        assert_eq!(found[1], (3, Err(unfinished)));
        assert_eq!(found[2], (4, Err("not a JSON object, expected one a line")));
        assert!(found[3].0 == 5 && found[3].1.is_err());
        assert_eq!(found[4], (6, Ok("b")));
    }

    #[test]
    fn one_json_object_may_take_several_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.json");
        std::fs::write(&file, "\u{feff}{\n  \"name\": \"a\"\n}\n").unwrap();
        let rows: Vec<Row<Named>> = read(&file).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].content, Ok(Named { name: "a".into() }));
    }

    #[test]
    fn an_error_in_toml_names_its_line() {
        let row: Row<Named> = toml("# a comment\nname = \n");
        assert_eq!(row.line, 2);
        assert!(row.content.is_err());
    }
}
