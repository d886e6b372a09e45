//! Writing a model in the format that is served fastest.

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use candle_core::quantized::gguf_file::{self, TensorInfo, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use serde::Deserialize;

use super::cache::{self, Identity, LockedFolder, sha256_of_file};
use super::{Interrupted, Report, Step, tell};
use crate::transformer::gguf::GgufFile;

/// The type that the matrices of a served model have; vectors (the norms) are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServingFormat {
    Q8_0,
    F32,
}

/// Writes a GGUF with the weights of `source` in `format` into the models folder, and returns its
/// path; if that was done before, only that. Tensors are read, converted and written a slice of
/// rows at a time, so memory does not grow with the model.
///
/// The file's name holds a hash of everything that it was made from, so another source, format or
/// version of this code makes another file.
///
/// # Errors
/// If `source` is not a whole GGUF file or the folder cannot be written; `Interrupted` if
/// `report` asked to stop.
pub fn prepare(
    source: &Path,
    format: ServingFormat,
    models: &Path,
    report: &mut Report<'_>,
) -> Result<PathBuf> {
    let source_record = source_record_path(source, models);
    if let Some(identity) = cache::trusted(source, &source_record) {
        let path = models.join(prepared_name(source, &identity.sha256, format));
        if cache::trusted(&path, &cache::record_path(&path)).is_some() {
            return Ok(path);
        }
    }
    let folder = LockedFolder::lock(models, report)?;
    let file = GgufFile::open(source)?;
    let source_sha256 = match cache::trusted(source, &source_record) {
        Some(identity) => identity.sha256,
        None => {
            let identity = Identity {
                sha256: sha256_of_file(source, report)?,
                format: "GGUF".to_owned(),
                origin: source.display().to_string(),
            };
            folder.record(source, &source_record, identity.clone())?;
            identity.sha256
        }
    };
    let name = prepared_name(source, &source_sha256, format);
    let path = models.join(&name);
    if let Some(identity) = cache::recorded(&cache::record_path(&path))
        && folder.confirm(&path, identity, report)?
    {
        return Ok(path);
    }
    let tensors = plan(&file, format)?;
    let header = header(&file, &tensors, format, &source_sha256)?;
    let total = tensors
        .last()
        .map_or(0, |last| last.offset + padded(last.bytes))
        + header.len() as u64;
    let origin = format!(
        "prepared from {} ({})",
        file_name(source),
        cache::short(&source_sha256)
    );
    folder.write(&name, total, &format.to_string(), &origin, |out| {
        let mut reader = File::open(source)?;
        out.write_all(&header)?;
        for tensor in &tensors {
            write_tensor(
                &mut reader,
                file.content.tensor_data_offset,
                tensor,
                out,
                &mut |bytes| tell(report, Step::Preparing, header.len() as u64 + bytes, total),
            )?;
        }
        Ok(())
    })
}

/// Whether some tensors have a type for which candle has no fast matrix product on the CPU.
pub(super) fn has_slow_tensors(file: &GgufFile) -> bool {
    file.content.tensor_infos.values().any(|info| {
        matches!(
            info.ggml_dtype,
            GgmlDType::Q4_1 | GgmlDType::Q5_0 | GgmlDType::Q5_1 | GgmlDType::Q8_1
        )
    })
}

impl fmt::Display for ServingFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Q8_0 => "Q8_0",
            Self::F32 => "F32",
        })
    }
}

/// Part of every prepared file's name: raise it when this code writes something else than before.
const PREPARATION_VERSION: &str = "1";

fn prepared_name(source: &Path, source_sha256: &str, format: ServingFormat) -> String {
    let format = format.to_string();
    // Everything that changes what is written belongs here, such as the hash of an adapter that
    // is added to the weights.
    let key = cache::sha256_of(&[PREPARATION_VERSION, source_sha256, &format]);
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    format!("{stem}-as-{format}-{}.gguf", cache::short(&key))
}

/// The record of a source outside the models folder lies in the models folder all the same: the
/// source's own folder belongs to somebody else.
fn source_record_path(source: &Path, models: &Path) -> PathBuf {
    if source.parent() == Some(models) {
        return cache::record_path(source);
    }
    let whole = fs::canonicalize(source).unwrap_or_else(|_| source.to_path_buf());
    let key = cache::sha256_of(&[&whole.to_string_lossy()]);
    models.join(format!(
        "{}-{}.source.json",
        file_name(source),
        cache::short(&key)
    ))
}

fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// A tensor of the source and what becomes of it.
struct PlannedTensor<'a> {
    name: &'a str,
    source: &'a TensorInfo,
    dtype: GgmlDType,
    bytes: u64,
    /// From the start of the tensor data.
    offset: u64,
}

/// In the order of the source file.
fn plan(file: &GgufFile, format: ServingFormat) -> Result<Vec<PlannedTensor<'_>>> {
    let mut sources: Vec<(&String, &TensorInfo)> = file.content.tensor_infos.iter().collect();
    sources.sort_by_key(|(_, info)| info.offset);
    let mut offset = 0;
    sources
        .into_iter()
        .map(|(name, source)| {
            let columns = *source.shape.dims().last().with_context(|| {
                format!("tensor {name} of {} has no dimensions", file.path.display())
            })?;
            ensure!(
                columns > 0 && columns.is_multiple_of(source.ggml_dtype.block_size()),
                "tensor {name} of {} is damaged: its rows have {columns} columns, but a multiple \
                 of {} was expected",
                file.path.display(),
                source.ggml_dtype.block_size()
            );
            let is_matrix = source.shape.rank() > 1;
            let dtype = match format {
                ServingFormat::Q8_0
                    if is_matrix && columns.is_multiple_of(GgmlDType::Q8_0.block_size()) =>
                {
                    GgmlDType::Q8_0
                }
                _ => GgmlDType::F32,
            };
            let blocks = source.shape.elem_count() / dtype.block_size();
            let tensor = PlannedTensor {
                name,
                source,
                dtype,
                bytes: (blocks * dtype.type_size()) as u64,
                offset,
            };
            offset += padded(tensor.bytes);
            Ok(tensor)
        })
        .collect()
}

/// The size with the padding that lets the next tensor start where the format wants it.
fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(gguf_file::DEFAULT_ALIGNMENT)
}

/// Everything before the tensor data: the source's metadata and the new tensors' places.
fn header(
    file: &GgufFile,
    tensors: &[PlannedTensor<'_>],
    format: ServingFormat,
    source_sha256: &str,
) -> Result<Vec<u8>> {
    const ALIGNMENT: &str = "general.alignment";
    const FILE_TYPE: &str = "general.file_type";
    const SOURCE: &str = "accord.source_sha256";
    // `enum llama_ftype` in llama.cpp.
    let file_type = Value::U32(match format {
        ServingFormat::F32 => 0,
        ServingFormat::Q8_0 => 7,
    });
    let source_sha256 = Value::String(source_sha256.to_owned());
    let mut metadata: Vec<(&str, &Value)> = file
        .content
        .metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .filter(|(key, _)| ![ALIGNMENT, FILE_TYPE, SOURCE].contains(key))
        .collect();
    metadata.sort_by_key(|(key, _)| *key);
    metadata.extend([(FILE_TYPE, &file_type), (SOURCE, &source_sha256)]);

    // candle writes whole files only, with all tensors in memory. So it writes one without
    // tensors, and theirs follow where its padding begins: the last value ends in a digit, so
    // every zero byte after it is padding.
    let mut written = Cursor::new(Vec::new());
    gguf_file::write(&mut written, &metadata, &[])?;
    let mut header = written.into_inner();
    while header.last() == Some(&0) {
        header.pop();
    }
    header[8..16].copy_from_slice(&(tensors.len() as u64).to_le_bytes());
    for tensor in tensors {
        let dims = tensor.source.shape.dims();
        header.extend((tensor.name.len() as u64).to_le_bytes());
        header.extend(tensor.name.as_bytes());
        header.extend((dims.len() as u32).to_le_bytes());
        for &dim in dims.iter().rev() {
            header.extend((dim as u64).to_le_bytes());
        }
        // `enum ggml_type` in ggml.
        let dtype: u32 = if tensor.dtype == GgmlDType::Q8_0 {
            8
        } else {
            0
        };
        header.extend(dtype.to_le_bytes());
        header.extend(tensor.offset.to_le_bytes());
    }
    header.resize(padded(header.len() as u64) as usize, 0);
    Ok(header)
}

/// Elements that are converted at a time.
const SLICE_ELEMENTS: usize = 1 << 20;

/// `tell_written` is told how much of the tensor data has been written.
fn write_tensor(
    reader: &mut File,
    data_offset: u64,
    tensor: &PlannedTensor<'_>,
    out: &mut impl Write,
    tell_written: &mut dyn FnMut(u64) -> Result<(), Interrupted>,
) -> Result<()> {
    let info = tensor.source;
    let columns = info.shape.dims().last().copied().unwrap_or(1);
    let rows = info.shape.elem_count() / columns;
    let row_bytes = columns / info.ggml_dtype.block_size() * info.ggml_dtype.type_size();
    let slice_rows = (SLICE_ELEMENTS / columns).max(1);
    let mut written = tensor.offset;
    for first_row in (0..rows).step_by(slice_rows) {
        tell_written(written)?;
        let slice = TensorInfo {
            ggml_dtype: info.ggml_dtype,
            shape: (slice_rows.min(rows - first_row), columns).into(),
            offset: info.offset + (first_row * row_bytes) as u64,
        };
        let weights = slice
            .read(reader, data_offset, &Device::Cpu)
            .and_then(|quantized| quantized.dequantize(&Device::Cpu))
            .with_context(|| format!("cannot read tensor {}", tensor.name))?;
        let converted = QTensor::quantize(&weights, tensor.dtype)?;
        let data = converted.data()?;
        out.write_all(&data)?;
        written += data.len() as u64;
    }
    let padding = padded(tensor.bytes) - tensor.bytes;
    out.write_all(&vec![0; padding as usize])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::thread;

    use candle_core::Tensor;
    use tempfile::TempDir;

    use super::super::Progress;
    use super::*;

    fn quiet(_: Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// A GGUF with a norm, a matrix and one whose rows are no multiple of 32 columns.
    fn small_gguf(folder: &Path, dtype: GgmlDType) -> PathBuf {
        let tensor = |shape: &[usize], dtype| {
            let values = Tensor::arange(0f32, shape.iter().product::<usize>() as f32, &Device::Cpu)
                .and_then(|values| (values * 0.37)?.sin()?.reshape(shape))
                .unwrap();
            QTensor::quantize(&values, dtype).unwrap()
        };
        let tensors = [
            ("norm", tensor(&[64], GgmlDType::F32)),
            ("matrix", tensor(&[70, 64], dtype)),
            ("narrow", tensor(&[3, 5], GgmlDType::F32)),
        ];
        let metadata = [
            ("general.architecture", Value::String("llama".to_owned())),
            ("general.file_type", Value::U32(3)),
            (
                "accord.test.list",
                Value::Array(vec![Value::I32(-1), Value::I32(0)]),
            ),
            ("accord.test.zero", Value::U64(0)),
        ];
        let path = folder.join("small.Q4_1.gguf");
        let metadata: Vec<_> = metadata.iter().map(|(key, value)| (*key, value)).collect();
        let tensors: Vec<_> = tensors
            .iter()
            .map(|(name, tensor)| (*name, tensor))
            .collect();
        gguf_file::write(&mut File::create(&path).unwrap(), &metadata, &tensors).unwrap();
        path
    }

    struct Case {
        folder: TempDir,
        source: PathBuf,
        models: PathBuf,
    }

    fn case() -> Case {
        let folder = tempfile::tempdir().unwrap();
        Case {
            source: small_gguf(folder.path(), GgmlDType::Q4_1),
            models: folder.path().join("models"),
            folder,
        }
    }

    impl Case {
        fn prepare(&self, format: ServingFormat) -> PathBuf {
            prepare(&self.source, format, &self.models, &mut quiet).unwrap()
        }

        /// Everything in the models folder but the lock and the records.
        fn model_files(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(&self.models)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != ".lock" && !name.ends_with(".json"))
                .collect();
            names.sort();
            names
        }
    }

    fn values(file: &GgufFile, name: &str) -> Vec<f32> {
        file.tensor(name, &Device::Cpu)
            .and_then(|tensor| Ok(tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()?))
            .unwrap()
    }

    fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn matrices_become_q8_0_and_everything_else_f32() {
        let case = case();
        let source = GgufFile::open(&case.source).unwrap();
        let prepared = GgufFile::open(&case.prepare(ServingFormat::Q8_0)).unwrap();
        let info = |name: &str| prepared.tensor_info(name).unwrap();
        assert_eq!(info("matrix").ggml_dtype, GgmlDType::Q8_0);
        assert_eq!(info("matrix").shape.dims(), [70, 64]);
        assert_eq!(info("norm").ggml_dtype, GgmlDType::F32);
        assert_eq!(info("norm").shape.dims(), [64]);
        assert_eq!(info("narrow").ggml_dtype, GgmlDType::F32);
        for (name, tolerance) in [("norm", 0.0), ("narrow", 0.0), ("matrix", 0.005)] {
            let difference = largest_difference(&values(&source, name), &values(&prepared, name));
            assert!(difference <= tolerance, "{name}: {difference}");
        }
    }

    #[test]
    fn f32_keeps_the_weights_exactly() {
        let case = case();
        let source = GgufFile::open(&case.source).unwrap();
        let prepared = GgufFile::open(&case.prepare(ServingFormat::F32)).unwrap();
        assert_eq!(
            prepared.tensor_info("matrix").unwrap().ggml_dtype,
            GgmlDType::F32
        );
        for name in ["norm", "matrix", "narrow"] {
            assert_eq!(values(&source, name), values(&prepared, name));
        }
    }

    #[test]
    fn a_tensor_of_several_slices_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("large.gguf");
        let values_in = Tensor::arange(0f32, (3 * SLICE_ELEMENTS / 2) as f32, &Device::Cpu)
            .and_then(|values| values.reshape(((), 96)))
            .unwrap();
        let tensor = QTensor::quantize(&values_in, GgmlDType::F32).unwrap();
        let mut out = File::create(&source).unwrap();
        gguf_file::write(&mut out, &[], &[("matrix", &tensor)]).unwrap();
        let path = prepare(&source, ServingFormat::F32, folder.path(), &mut quiet).unwrap();
        let prepared = GgufFile::open(&path).unwrap();
        assert_eq!(
            values(&prepared, "matrix"),
            values_in.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        );
    }

    #[test]
    fn metadata_is_kept_and_the_file_type_updated() {
        let case = case();
        let prepared = GgufFile::open(&case.prepare(ServingFormat::Q8_0)).unwrap();
        assert_eq!(prepared.string("general.architecture").unwrap(), "llama");
        assert_eq!(prepared.u32("general.file_type").unwrap(), 7);
        assert_eq!(prepared.integers("accord.test.list").unwrap(), [-1, 0]);
        assert_eq!(prepared.u32("accord.test.zero").unwrap(), 0);
        let prepared = GgufFile::open(&case.prepare(ServingFormat::F32)).unwrap();
        assert_eq!(prepared.u32("general.file_type").unwrap(), 0);
    }

    #[test]
    fn a_model_is_prepared_once() {
        let case = case();
        let path = case.prepare(ServingFormat::Q8_0);
        let mut steps = Vec::new();
        let again = prepare(
            &case.source,
            ServingFormat::Q8_0,
            &case.models,
            &mut |progress| {
                steps.push(progress.step);
                ControlFlow::Continue(())
            },
        );
        assert_eq!(again.unwrap(), path);
        assert_eq!(steps, []);
    }

    #[test]
    fn another_format_or_source_makes_another_file() {
        let case = case();
        let q8_0 = case.prepare(ServingFormat::Q8_0);
        assert_ne!(q8_0, case.prepare(ServingFormat::F32));
        small_gguf(case.folder.path(), GgmlDType::Q5_0);
        assert_ne!(q8_0, case.prepare(ServingFormat::Q8_0));
        assert_eq!(case.model_files().len(), 3);
    }

    #[test]
    fn a_truncated_or_replaced_file_is_prepared_again() {
        let case = case();
        let path = case.prepare(ServingFormat::Q8_0);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(case.prepare(ServingFormat::Q8_0), path);
        assert_eq!(fs::read(&path).unwrap(), whole);
        fs::write(&path, vec![7; whole.len()]).unwrap();
        assert_eq!(case.prepare(ServingFormat::Q8_0), path);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_source_cut_in_half_is_an_error() {
        let case = case();
        let whole = fs::read(&case.source).unwrap();
        fs::write(&case.source, &whole[..whole.len() / 2]).unwrap();
        let error = prepare(&case.source, ServingFormat::Q8_0, &case.models, &mut quiet);
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("cut short"), "{text}");
        assert_eq!(case.model_files(), [""; 0]);
    }

    #[test]
    fn an_interrupted_preparation_leaves_nothing_behind() {
        let case = case();
        let result = prepare(
            &case.source,
            ServingFormat::Q8_0,
            &case.models,
            &mut |progress| {
                if progress.step == Step::Preparing && progress.bytes > 2000 {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        );
        assert!(result.unwrap_err().is::<Interrupted>());
        assert_eq!(case.model_files(), [""; 0]);
    }

    #[test]
    fn concurrent_preparations_give_one_whole_file() {
        let case = case();
        let paths: Vec<PathBuf> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| case.prepare(ServingFormat::Q8_0)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(paths.iter().all(|path| path == &paths[0]));
        assert_eq!(case.model_files().len(), 1);
        GgufFile::open(&paths[0]).unwrap();
    }

    #[test]
    fn only_types_without_a_fast_kernel_are_slow() {
        let folder = tempfile::tempdir().unwrap();
        for (dtype, slow) in [
            (GgmlDType::Q4_1, true),
            (GgmlDType::Q5_1, true),
            (GgmlDType::Q4_0, false),
            (GgmlDType::Q8_0, false),
            (GgmlDType::F16, false),
            (GgmlDType::F32, false),
        ] {
            let file = GgufFile::open(&small_gguf(folder.path(), dtype)).unwrap();
            assert_eq!(has_slow_tensors(&file), slow, "{dtype:?}");
        }
    }
}
