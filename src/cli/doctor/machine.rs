//! What is wrong with the machine, as Accord finds it.

use std::path::Path;

use accord::config::{Config, ModelSettings};
use accord::inference::model_files::ModelSource;
use accord::inference::reward::RewardEngine;
use accord::transformer::gguf::GgufFile;
use anyhow::{Context, Result, bail, ensure};
use indicatif::DecimalBytes;
use sysinfo::{Disks, System};

use super::Found;

pub fn processor() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let built_for = if cfg!(target_feature = "avx512f") {
        "AVX-512"
    } else if cfg!(target_feature = "avx2") {
        "AVX2"
    } else if cfg!(target_feature = "neon") {
        "NEON"
    } else {
        bail!(
            "this build uses no vector instructions and writes a tenth as many tokens a second; build it on this machine with RUSTFLAGS=\"-C target-cpu=native\""
        );
    };
    Ok(format!("{cores} cores, built for {built_for}"))
}

/// Of the machine, or of the container that this runs in.
pub fn memory(config: &Config) -> Result<String> {
    let mut system = System::new();
    system.refresh_memory();
    let (mut available, mut total) = (system.available_memory(), system.total_memory());
    if let Some(limits) = system.cgroup_limits() {
        available = available.min(limits.total_memory.saturating_sub(limits.rss));
        total = total.min(limits.total_memory);
    }
    let needed = needed(&config.models);
    ensure!(
        available >= needed,
        "{} available, and the models in the settings need {} or more; close something, let the container have more, or choose smaller models",
        DecimalBytes(available),
        DecimalBytes(needed)
    );
    Ok(format!(
        "{} available of {}",
        DecimalBytes(available),
        DecimalBytes(total)
    ))
}

/// In bytes: what a deliberation with the embedded models needs, or, where others' weights alone are
/// more, these. The generator's are held as the file has them, the packed scorer's in 32 bits.
fn needed(models: &ModelSettings) -> u64 {
    const EMBEDDED: u64 = 1536 << 20;
    // On a GPU they are in its memory.
    if cfg!(any(feature = "cuda", feature = "metal")) {
        return EMBEDDED;
    }
    // One that cannot be read is told of by another check.
    let file = |source: &ModelSource| match source {
        ModelSource::Gguf(path) => GgufFile::open(path).ok(),
        _ => None,
    };
    let size = |file: GgufFile| std::fs::metadata(&file.path).map_or(0, |found| found.len());
    let generator = file(&models.generator).map_or(0, size);
    let reward_model = match models.reward_engine {
        RewardEngine::Packed => file(&models.reward_model).map_or(0, |file| 4 * file.weights()),
        RewardEngine::MistralRs if models.reward_model == models.generator => 0,
        RewardEngine::MistralRs => file(&models.reward_model).map_or(0, size),
    };
    EMBEDDED.max(generator + reward_model)
}

pub fn data_folder(folder: &Path) -> Result<Found> {
    const NEEDED: u64 = 1 << 30;
    std::fs::create_dir_all(folder)
        .and_then(|()| tempfile::tempfile_in(folder))
        .with_context(|| {
            format!(
                "cannot write to {}; set ACCORD_DATA_DIR to a folder that you own",
                folder.display()
            )
        })?;
    let folder = folder.canonicalize()?;
    let disks = Disks::new_with_refreshed_list();
    let free = disks
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().as_os_str().len())
        .map(|disk| disk.available_space());
    let name = folder.display();
    if let Some(free) = free
        && free < NEEDED
    {
        bail!(
            "{name} has {} left, {} are needed; free some, or set ACCORD_DATA_DIR",
            DecimalBytes(free),
            DecimalBytes(NEEDED)
        );
    }
    #[cfg(target_os = "linux")]
    if let Some(why) = unfit(rustix::fs::statfs(&folder)?.f_type as u64) {
        return Ok(Found::Note(format!("{name} {why}, or set ACCORD_DATA_DIR")));
    }
    Ok(Found::Fine(match free {
        Some(free) => format!("{name}, {} free", DecimalBytes(free)),
        None => name.to_string(),
    }))
}

/// Why a file system does not keep the store, and what to do; `kind` is Linux's number for it, of
/// `linux/magic.h`.
#[cfg(target_os = "linux")]
fn unfit(kind: u64) -> Option<&'static str> {
    const TMPFS: u64 = 0x0102_1994;
    const OVERLAYFS: u64 = 0x794c_7630;
    const NFS: u64 = 0x6969;
    const SMB2: u64 = 0xfe53_4d42;
    const CIFS: u64 = 0xff53_4d42;
    // Narrower machines have it with the sign of its 32 bits.
    match kind & 0xffff_ffff {
        TMPFS => Some("is in memory, and gone when the machine stops; choose a folder on a disk"),
        OVERLAYFS => Some("is gone with this container; mount a volume there"),
        NFS | SMB2 | CIFS => Some(
            "is on another machine, whose disk does not always keep what it says it has; choose one of this machine",
        ),
        _ => None,
    }
}

/// Whether others can read the token; `None` where no `.env` is read.
pub fn secrets() -> Option<Found> {
    let file = dotenvy::dotenv().ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let name = file.display();
        let mode = std::fs::metadata(&file).ok()?.permissions().mode();
        if mode & 0o077 != 0 {
            return Some(Found::Note(format!(
                "other users of this machine can read {name}, where the token is; run chmod 600 {name}"
            )));
        }
    }
    Some(Found::Fine(format!("{}, yours alone", file.display())))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn folders_that_do_not_last_are_told() {
        let in_memory = 0x0102_1994;
        assert!(unfit(in_memory).unwrap().contains("is in memory"));
        for kind in [0x794c_7630, 0x6969, 0xffff_ffff_ff53_4d42] {
            assert!(unfit(kind).is_some(), "{kind:x}");
        }
        // ext4
        assert!(unfit(0xef53).is_none());
    }

    #[test]
    fn larger_models_need_more_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("larger.gguf");
        let length = matrix(&path, 30_000);
        let mut config = Config::load(None).unwrap();
        let embedded = needed(&config.models);
        config.models.generator = ModelSource::Gguf(path.clone());
        assert_eq!(needed(&config.models), length);
        config.models.reward_model = ModelSource::Gguf(path);
        assert_eq!(needed(&config.models), length + 4 * 900_000_000);
        config.models.reward_engine = RewardEngine::MistralRs;
        assert_eq!(needed(&config.models), length);
        config.models.generator = ModelSource::Gguf(PathBuf::from("not-there.gguf"));
        config.models.reward_model = ModelSource::Embedded;
        assert_eq!(needed(&config.models), embedded);
    }

    /// A model file of one square matrix in 16 bits, of which only the header takes space on the disk;
    /// its length.
    fn matrix(path: &Path, side: u64) -> u64 {
        const F16: u32 = 1;
        let mut file = File::create(path).unwrap();
        let mut header = b"GGUF".to_vec();
        header.extend(3_u32.to_le_bytes());
        for count in [1_u64, 0, 1] {
            header.extend(count.to_le_bytes());
        }
        header.extend(b"w");
        header.extend(2_u32.to_le_bytes());
        header.extend(side.to_le_bytes());
        header.extend(side.to_le_bytes());
        header.extend(F16.to_le_bytes());
        header.extend(0_u64.to_le_bytes());
        file.write_all(&header).unwrap();
        let length = 4096 + 2 * side * side;
        file.set_len(length).unwrap();
        length
    }
}
