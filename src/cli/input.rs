//! Reads files of rows: JSON lines, one JSON object, or TOML; `-` is standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::json;

/// One row of a file.
pub struct Row<T> {
    /// The line in which it begins, from 1.
    pub line: usize,
    /// What it says, or why it cannot be used.
    pub content: Result<T, String>,
}

/// The rows of a file.
///
/// # Errors
/// A file that cannot be read, or is not text.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<Row<T>>> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        text
    } else {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    let is_toml = match path.extension() {
        Some(extension) => extension == "toml",
        None => !text.trim_start().starts_with('{'),
    };
    Ok(if text.trim().is_empty() {
        Vec::new()
    } else if is_toml {
        vec![toml(&text)]
    } else if let Ok(one) = serde_json::from_str(&text) {
        vec![Row {
            line: 1,
            content: Ok(one),
        }]
    } else {
        json_lines(&text)
    })
}

/// Tells standard error which row cannot be used, and why.
pub fn report_bad_row(path: &Path, line: usize, error: &str) {
    eprintln!("{}", json!({ "file": path, "line": line, "error": error }));
}

/// The usable rows of several files, in their order. The others are reported, and so are
/// files that cannot be read; the flag says whether there were any.
pub fn usable_rows<T: DeserializeOwned>(paths: &[PathBuf]) -> (Vec<(usize, T)>, bool) {
    let mut usable = Vec::new();
    let mut all_usable = true;
    for path in paths {
        let rows = read(path).unwrap_or_else(|error| {
            vec![Row {
                line: 0,
                content: Err(format!("{error:#}")),
            }]
        });
        if rows.is_empty() {
            all_usable = false;
            report_bad_row(
                path,
                0,
                "the file is empty, expected one JSON object a line or TOML",
            );
        }
        for Row { line, content } in rows {
            match content {
                Ok(row) => usable.push((line, row)),
                Err(error) => {
                    all_usable = false;
                    report_bad_row(path, line, &error);
                }
            }
        }
    }
    (usable, all_usable)
}

fn json_lines<T: DeserializeOwned>(text: &str) -> Vec<Row<T>> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(line, row)| Row {
            line,
            content: serde_json::from_str(row).map_err(|error| {
                let what = error.to_string().replace(" at line 1 column", " at column");
                if error.is_data() {
                    what
                } else {
                    format!("not a JSON object on one line: {what}")
                }
            }),
        })
        .collect()
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

    fn lines(text: &str) -> Vec<(usize, Result<Vec<u8>, String>)> {
        json_lines(text)
            .into_iter()
            .map(|row| (row.line, row.content))
            .collect()
    }

    #[test]
    fn a_bad_line_does_not_hide_the_good_ones() {
        let rows = lines("[1]\n\n[2\n[3]\n");
        assert_eq!(rows[0], (1, Ok(vec![1])));
        assert_eq!(rows[1].0, 3);
        assert_eq!(
            rows[1].1.as_ref().unwrap_err(),
            "not a JSON object on one line: EOF while parsing a list at column 2"
        );
        assert_eq!(rows[2], (4, Ok(vec![3])));
    }

    #[test]
    fn an_error_in_toml_names_its_line() {
        #[derive(Debug, serde::Deserialize)]
        struct Named {
            #[expect(dead_code, reason = "only the reading is tested")]
            name: String,
        }
        let row: Row<Named> = toml("# a comment\nname = \n");
        assert_eq!(row.line, 2);
        assert!(row.content.is_err());
    }
}
