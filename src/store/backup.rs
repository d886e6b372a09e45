//! A backup: all that is in the store, as one file that any later version can read.
//!
//! JSON lines, compressed with zstd: a header with the version of the format; a line for each record
//! with its key (see `keys`), in the order of the keys; and at the end their number and the SHA-256 of
//! their lines. Records are as the store has them, so that [`super::records`] reads old ones.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::folder::{Tree, make_private, sync_folder};
use super::records::{Check, Contents};
use super::writer::CANNOT_READ;
use crate::deliberation::round::Time;
use crate::suggestion::path_or_similar;

/// A backup that was read or written whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    pub made_at: Time,
    pub contents: Contents,
    /// Of the lines of its records: the same for the same records.
    pub sha256: String,
}

/// The newest version of the format.
const FORMAT: u32 = 1;

/// In bytes. The longest records, of rounds and retrainings with many thousand members, have a few
/// million; a file from elsewhere may unpack to anything.
const LONGEST_LINE: u64 = 64 << 20;

/// What a file that is being written ends with.
pub(super) const PART: &str = ".part";

#[derive(Deserialize, Serialize)]
struct Header {
    accord_backup: u32,
    made_at: Time,
    /// The version of Accord.
    accord: String,
}

#[derive(Deserialize, Serialize)]
struct Line<'a> {
    /// In hexadecimal digits.
    key: &'a str,
    /// An index has none: there the key says all.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
}

#[derive(Deserialize, Serialize)]
struct Footer {
    records: usize,
    sha256: String,
}

/// Reads a backup, whole; gives the key and the record of each line to `each`, in their order, before
/// it is known whether what follows is damaged.
///
/// # Errors
/// A file that is no backup, or one of a newer version; one of which anything is damaged, by its
/// checksums or since a record cannot be read; the error of `each`.
pub(super) fn read(
    file: &Path,
    mut each: impl FnMut(Vec<u8>, Vec<u8>) -> Result<()>,
) -> Result<Backup> {
    let name = file.display();
    let damaged = || format!("the backup {name} is damaged, or no backup of Accord");
    let compressed =
        File::open(file).with_context(|| format!("cannot read {}", path_or_similar(file)))?;
    let mut lines = BufReader::new(zstd::Decoder::new(compressed).with_context(damaged)?);
    let mut line = String::new();
    let mut next = |line: &mut String| {
        line.clear();
        // What is cut off there is no JSON.
        let read = lines.by_ref().take(LONGEST_LINE).read_line(line);
        read.with_context(damaged)
    };
    next(&mut line)?;
    // serde_json's own messages would quote what they stumble over.
    let header: Header = serde_json::from_str(&line).ok().with_context(damaged)?;
    let version = header.accord_backup;
    ensure!(
        version <= FORMAT,
        "the backup {name} has version {version}, and this Accord knows versions up to {FORMAT}: \
         Accord {} wrote it, so run that one",
        header.accord
    );
    let (mut digest, mut check) = (Sha256::new(), Check::default());
    let footer = loop {
        next(&mut line)?;
        let Ok(read) = serde_json::from_str::<Line>(&line) else {
            break serde_json::from_str::<Footer>(&line)
                .ok()
                .with_context(damaged)?;
        };
        digest.update(line.as_bytes());
        let key = from_hex(read.key).with_context(damaged)?;
        let record = read.record.map_or("", RawValue::get).as_bytes().to_vec();
        check.add(&key, &record)?;
        each(key, record)?;
    };
    let contents = check.finish()?;
    let sha256 = format!("{:x}", digest.finalize());
    // The end of the frame is read too: its own checksum is there.
    let ends = next(&mut line)? == 0;
    if !ends || footer.records != contents.records || footer.sha256 != sha256 {
        bail!(damaged());
    }
    Ok(Backup {
        made_at: header.made_at,
        contents,
        sha256,
    })
}

/// Writes all that a tree holds.
///
/// # Errors
/// When that cannot be written, or a record cannot be read; then there is no such file.
pub(super) fn write(tree: &Tree, to: &Path, made_at: Time) -> Result<Backup> {
    let mut backup = BackupWriter::begin(to, made_at)?;
    for entry in tree.iter() {
        let (key, record) = entry.context(CANNOT_READ)?;
        backup.add(&key, &record)?;
    }
    backup.finish()
}

/// Writes a backup under a temporary name, and puts it in its place when it is whole and synced.
pub(super) struct BackupWriter {
    to: PathBuf,
    /// Which its owner alone can read, as all temporary files.
    file: zstd::Encoder<'static, BufWriter<NamedTempFile>>,
    made_at: Time,
    digest: Sha256,
    check: Check,
}

impl BackupWriter {
    pub fn begin(to: &Path, made_at: Time) -> Result<Self> {
        let begun = || -> Result<_> {
            let folder = folder_of(to);
            make_private(folder)?;
            let file = tempfile::Builder::new().suffix(PART).tempfile_in(folder)?;
            let mut file = zstd::Encoder::new(BufWriter::new(file), 0)?;
            file.include_checksum(true)?;
            let header = Header {
                accord_backup: FORMAT,
                made_at,
                accord: env!("CARGO_PKG_VERSION").to_owned(),
            };
            serde_json::to_writer(&mut file, &header)?;
            file.write_all(b"\n")?;
            Ok(file)
        };
        Ok(Self {
            to: to.to_owned(),
            file: begun().with_context(|| cannot_write(to))?,
            made_at,
            digest: Sha256::new(),
            check: Check::default(),
        })
    }

    /// Adds a record; they come in the order of their keys.
    pub fn add(&mut self, key: &[u8], record: &[u8]) -> Result<()> {
        self.check.add(key, record)?;
        let raw = (!record.is_empty()).then(|| serde_json::from_slice(record));
        let line = Line {
            key: &to_hex(key),
            record: raw.transpose()?,
        };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        self.digest.update(&line);
        let written = self.file.write_all(&line);
        written.with_context(|| cannot_write(&self.to))
    }

    pub fn finish(mut self) -> Result<Backup> {
        let contents = self.check.finish()?;
        let sha256 = format!("{:x}", self.digest.finalize());
        let finished = || -> Result<()> {
            let footer = Footer {
                records: contents.records,
                sha256: sha256.clone(),
            };
            serde_json::to_writer(&mut self.file, &footer)?;
            self.file.write_all(b"\n")?;
            let file = self.file.finish()?.into_inner()?;
            file.as_file().sync_all()?;
            file.persist(&self.to)?;
            Ok(sync_folder(folder_of(&self.to))?)
        };
        finished().with_context(|| cannot_write(&self.to))?;
        Ok(Backup {
            made_at: self.made_at,
            contents,
            sha256,
        })
    }
}

fn cannot_write(to: &Path) -> String {
    format!("cannot write the backup {}", to.display())
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).ok();
    (0..text.len()).step_by(2).map(digits).collect()
}
