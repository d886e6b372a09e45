//! Looks for what was erased in all files of a data folder: as it is, and in every zstd frame, of which
//! sled's leaves and the snapshots are made.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Whether a text stands in a file.
pub fn holds_text(folder: &Path, text: &str) -> bool {
    any_holds(folder, &[text.as_bytes().to_vec()])
}

/// Whether an id stands in a file: in decimal digits, as records have it, as keys have it in the
/// store, or as they have it in a backup.
#[allow(dead_code, reason = "the tests of the store look for texts only")]
pub fn holds_id(folder: &Path, id: u64) -> bool {
    let forms = [
        id.to_string().into_bytes(),
        id.to_be_bytes().to_vec(),
        format!("{id:016x}").into_bytes(),
    ];
    any_holds(folder, &forms)
}

fn any_holds(folder: &Path, wanted: &[Vec<u8>]) -> bool {
    loop {
        assert!(folder.is_dir(), "there is no {}", folder.display());
        match look(folder, wanted) {
            // A bot renames and removes files meanwhile, and what was moved was perhaps not looked at.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => return found.unwrap(),
        }
    }
}

fn look(folder: &Path, wanted: &[Vec<u8>]) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            look(&path, wanted)?
        } else {
            file_holds(&fs::read(path)?, wanted)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn file_holds(bytes: &[u8], wanted: &[Vec<u8>]) -> bool {
    let frames = (0..bytes.len()).filter(|&start| bytes[start..].starts_with(ZSTD));
    holds(bytes, wanted)
        || frames.into_iter().any(|start| {
            let mut content = Vec::new();
            // What a frame holds up to where it is damaged counts too.
            let _ = zstd::Decoder::new(&bytes[start..])
                .map(|decoder| decoder.single_frame().read_to_end(&mut content));
            holds(&content, wanted)
        })
}

fn holds(bytes: &[u8], wanted: &[Vec<u8>]) -> bool {
    let mut wanted = wanted.iter();
    wanted.any(|text| bytes.windows(text.len()).any(|window| window == text))
}

const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
