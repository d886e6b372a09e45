//! Writing a model in the format that is served fastest.

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use candle_core::quantized::gguf_file::{self, TensorInfo, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use serde::Deserialize;

use super::cache::{self, Identity, LockedFolder, sha256_of_file};
use super::{Interrupted, Report, Step, tell};
use crate::transformer::adapter::{Adapter, LowRank};
use crate::transformer::gguf::GgufFile;

/// The type that the matrices of a served model have; vectors (the norms) are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServingFormat {
    Q8_0,
    F32,
}

/// An adapter and the hash of the file that it was read from.
#[derive(Debug, Clone, Copy)]
pub struct HashedAdapter<'a> {
    pub adapter: &'a Adapter,
    /// In hexadecimal digits.
    pub sha256: &'a str,
}

/// Writes a GGUF with the weights of `source` in `format`, the adapter's updates added to them,
/// into the models folder, and returns its path; if that was done before, only that. Tensors are
/// read, converted and written a slice of rows at a time, so memory does not grow with the model.
///
/// The file's name holds a hash of everything that it was made from, so another source, adapter,
/// format or version of this code makes another file.
///
/// # Errors
/// If `source` is not a whole GGUF file, the adapter is for another model or the folder cannot be
/// written; `Interrupted` if `report` asked to stop.
pub fn prepare(
    source: &Path,
    adapter: Option<HashedAdapter<'_>>,
    format: ServingFormat,
    models: &Path,
    report: &mut Report<'_>,
) -> Result<PathBuf> {
    let adapter_sha256 = adapter.map(|adapter| adapter.sha256);
    if let Some(identity) = cache::trusted(source, &source_record_path(source, models)) {
        let name = prepared_name(source, &identity.sha256, adapter, format);
        let path = models.join(name);
        if cache::trusted(&path, &cache::record_path(&path)).is_some() {
            return Ok(path);
        }
    }
    let folder = LockedFolder::lock(models, report)?;
    let file = GgufFile::open(source)?;
    let source_sha256 = recorded_sha256(source, models, &folder, report)?;
    let name = prepared_name(source, &source_sha256, adapter, format);
    let path = models.join(&name);
    if let Some(identity) = cache::recorded(&cache::record_path(&path))
        && folder.confirm(&path, identity, report)?
    {
        return Ok(path);
    }
    let conversion = Conversion::new(&file, adapter.map(|adapter| adapter.adapter), format)?;
    let header = conversion.header(&source_sha256, adapter_sha256)?;
    let origin = format!(
        "prepared from {} ({}){}",
        file_name(source),
        cache::short(&source_sha256),
        adapter_sha256.map_or(String::new(), with_adapter)
    );
    let bytes = conversion.bytes(&header);
    folder.write(&name, bytes, &format.to_string(), &origin, |out| {
        conversion.write(&header, out, report)
    })
}

/// Writes a GGUF with the weights of `source` in `format`, the adapter's updates added to them, to
/// `target`, which appears when it is whole.
///
/// # Errors
/// If `source` is not a whole GGUF file, the adapter is for another model or `target` cannot be
/// written; `Interrupted` if `report` asked to stop.
pub fn merge(
    source: &Path,
    adapter: &Adapter,
    format: ServingFormat,
    target: &Path,
    report: &mut Report<'_>,
) -> Result<()> {
    let file = GgufFile::open(source)?;
    let conversion = Conversion::new(&file, Some(adapter), format)?;
    let header = conversion.header(&sha256_of_file(source, report)?, None)?;
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let cannot_write = || format!("cannot write {}", target.display());
    let mut out = cache::temporary_file(folder).with_context(cannot_write)?;
    conversion.write(&header, &mut out, report)?;
    out.as_file().sync_all().with_context(cannot_write)?;
    out.persist(target).with_context(cannot_write)?;
    Ok(cache::sync_folder(folder)?)
}

/// The SHA-256 of a file that Accord may not have written, hashed once for as long as the file
/// stays as it is.
pub(super) fn source_sha256(
    source: &Path,
    models: &Path,
    report: &mut Report<'_>,
) -> Result<String> {
    if let Some(identity) = cache::trusted(source, &source_record_path(source, models)) {
        return Ok(identity.sha256);
    }
    let folder = LockedFolder::lock(models, report)?;
    recorded_sha256(source, models, &folder, report)
}

fn recorded_sha256(
    source: &Path,
    models: &Path,
    folder: &LockedFolder,
    report: &mut Report<'_>,
) -> Result<String> {
    let record = source_record_path(source, models);
    if let Some(identity) = cache::trusted(source, &record) {
        return Ok(identity.sha256);
    }
    let identity = Identity {
        sha256: sha256_of_file(source, report)?,
        format: "GGUF".to_owned(),
        origin: source.display().to_string(),
    };
    folder.record(source, &record, identity.clone())?;
    Ok(identity.sha256)
}

/// Checks that every matrix that the adapter updates is in the file and has its shape.
///
/// # Errors
/// The first that does not fit.
pub fn check_fits(file: &GgufFile, adapter: &Adapter) -> Result<()> {
    for (name, LowRank { a, b }) in &adapter.updates {
        let Some(info) = file.content.tensor_infos.get(&weight_name(name)) else {
            bail!(
                "the adapter updates {name}, which {} does not have: it was trained on another \
                 model",
                file.path.display()
            );
        };
        let (rows, columns) = (b.dim(0)?, a.dim(1)?);
        ensure!(
            info.shape.dims() == [rows, columns],
            "the adapter updates {name} as a matrix of shape [{rows}, {columns}], but in {} it has \
             shape {:?}: it was trained on another model",
            file.path.display(),
            info.shape.dims()
        );
    }
    Ok(())
}

/// The name of the GGUF's tensor that an adapter knows as `name`.
fn weight_name(name: &str) -> String {
    format!("{name}.weight")
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

/// The end of a file's origin.
fn with_adapter(sha256: &str) -> String {
    format!(" with adapter {}", cache::short(sha256))
}

/// Removes what [`prepare`] made with an adapter.
pub(super) fn remove_made_with(adapter_sha256: &str, models: &Path) -> Result<()> {
    for entry in cache::list(models)? {
        let record = cache::record_path(&entry.path);
        let made = cache::recorded(&record)
            .is_some_and(|identity| identity.origin.ends_with(&with_adapter(adapter_sha256)));
        if made {
            // The record last: by it, the file is found again.
            for path in [&entry.path, &record] {
                fs::remove_file(path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// Part of every prepared file's name: raise it when this code writes something else than before.
const PREPARATION_VERSION: &str = "1";

fn prepared_name(
    source: &Path,
    source_sha256: &str,
    adapter: Option<HashedAdapter<'_>>,
    format: ServingFormat,
) -> String {
    let format = format.to_string();
    // The scale is not written in the adapter's file.
    let adapter = adapter.map(|adapter| (adapter.sha256, adapter.adapter.scale().to_string()));
    // Everything that changes what is written belongs here.
    let mut parts = vec![PREPARATION_VERSION, source_sha256, &format];
    if let Some((sha256, scale)) = &adapter {
        parts.extend([*sha256, scale]);
    }
    let key = cache::sha256_of(&parts);
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

/// A model on its way into another format.
struct Conversion<'a> {
    file: &'a GgufFile,
    format: ServingFormat,
    tensors: Vec<PlannedTensor<'a>>,
}

/// A tensor of the source and what becomes of it.
struct PlannedTensor<'a> {
    name: &'a str,
    source: &'a TensorInfo,
    update: Option<Update<'a>>,
    dtype: GgmlDType,
    bytes: u64,
    /// From the start of the tensor data.
    offset: u64,
}

/// What an adapter adds to one matrix: scale * b · a.
#[derive(Clone, Copy)]
struct Update<'a> {
    factors: &'a LowRank,
    scale: f64,
}

impl Update<'_> {
    /// `rows`: rows of the matrix from `first_row` on, in f32.
    fn added_to(self, rows: &Tensor, first_row: usize) -> candle_core::Result<Tensor> {
        let LowRank { a, b } = self.factors;
        let b = b.narrow(0, first_row, rows.dim(0)?)?;
        let update = (b.matmul(a)? * self.scale)?;
        rows + update
    }
}

impl<'a> Conversion<'a> {
    fn new(
        file: &'a GgufFile,
        adapter: Option<&'a Adapter>,
        format: ServingFormat,
    ) -> Result<Self> {
        if let Some(adapter) = adapter {
            check_fits(file, adapter)?;
        }
        Ok(Self {
            file,
            format,
            tensors: plan(file, adapter, format)?,
        })
    }

    /// Everything before the tensor data: the source's metadata and the new tensors' places.
    fn header(&self, source_sha256: &str, adapter_sha256: Option<&str>) -> Result<Vec<u8>> {
        const ALIGNMENT: &str = "general.alignment";
        const FILE_TYPE: &str = "general.file_type";
        const SOURCE: &str = "accord.source_sha256";
        const ADAPTER: &str = "accord.adapter_sha256";
        // `enum llama_ftype` in llama.cpp.
        let file_type = Value::U32(match self.format {
            ServingFormat::F32 => 0,
            ServingFormat::Q8_0 => 7,
        });
        let source_sha256 = Value::String(source_sha256.to_owned());
        let adapter_sha256 = adapter_sha256.map(|sha256| Value::String(sha256.to_owned()));
        let mut metadata: Vec<(&str, &Value)> = self
            .file
            .content
            .metadata
            .iter()
            .map(|(key, value)| (key.as_str(), value))
            .filter(|(key, _)| ![ALIGNMENT, FILE_TYPE, SOURCE, ADAPTER].contains(key))
            .collect();
        metadata.sort_by_key(|(key, _)| *key);
        metadata.push((FILE_TYPE, &file_type));
        metadata.extend(adapter_sha256.as_ref().map(|value| (ADAPTER, value)));
        metadata.push((SOURCE, &source_sha256));

        // candle writes whole files only, with all tensors in memory. So it writes one without
        // tensors, and theirs follow where its padding begins: the last value ends in a digit, so
        // every zero byte after it is padding.
        let mut written = Cursor::new(Vec::new());
        gguf_file::write(&mut written, &metadata, &[])?;
        let mut header = written.into_inner();
        while header.last() == Some(&0) {
            header.pop();
        }
        header[8..16].copy_from_slice(&(self.tensors.len() as u64).to_le_bytes());
        for tensor in &self.tensors {
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

    /// The size of the whole file.
    fn bytes(&self, header: &[u8]) -> u64 {
        let last = self.tensors.last();
        header.len() as u64 + last.map_or(0, |last| last.offset + padded(last.bytes))
    }

    fn write(&self, header: &[u8], out: &mut impl Write, report: &mut Report<'_>) -> Result<()> {
        let total = self.bytes(header);
        let mut reader = File::open(&self.file.path)?;
        out.write_all(header)?;
        for tensor in &self.tensors {
            write_tensor(
                &mut reader,
                self.file.content.tensor_data_offset,
                tensor,
                out,
                &mut |bytes| tell(report, Step::Preparing, header.len() as u64 + bytes, total),
            )?;
        }
        Ok(())
    }
}

/// In the order of the source file.
fn plan<'a>(
    file: &'a GgufFile,
    adapter: Option<&'a Adapter>,
    format: ServingFormat,
) -> Result<Vec<PlannedTensor<'a>>> {
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
                update: adapter.and_then(|adapter| {
                    let factors = adapter.updates.get(name.strip_suffix(".weight")?)?;
                    let scale = adapter.scale();
                    Some(Update { factors, scale })
                }),
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
        let weights = match tensor.update {
            Some(update) => update
                .added_to(&weights, first_row)
                .with_context(|| format!("cannot merge the adapter into {}", tensor.name))?,
            None => weights,
        };
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

    use candle_core::DType;
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
            ("matrix.weight", tensor(&[70, 64], dtype)),
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
            prepare(&self.source, None, format, &self.models, &mut quiet).unwrap()
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
        assert_eq!(info("matrix.weight").ggml_dtype, GgmlDType::Q8_0);
        assert_eq!(info("matrix.weight").shape.dims(), [70, 64]);
        assert_eq!(info("norm").ggml_dtype, GgmlDType::F32);
        assert_eq!(info("norm").shape.dims(), [64]);
        assert_eq!(info("narrow").ggml_dtype, GgmlDType::F32);
        for (name, tolerance) in [("norm", 0.0), ("narrow", 0.0), ("matrix.weight", 0.005)] {
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
            prepared.tensor_info("matrix.weight").unwrap().ggml_dtype,
            GgmlDType::F32
        );
        for name in ["norm", "matrix.weight", "narrow"] {
            assert_eq!(values(&source, name), values(&prepared, name));
        }
    }

    /// Rank 2, for a matrix of this shape; numbers that differ everywhere.
    fn adapter(rows: usize, columns: usize) -> Adapter {
        let factor = |shape: (usize, usize), step: f64| {
            Tensor::arange(0f32, (shape.0 * shape.1) as f32, &Device::Cpu)
                .and_then(|values| (values * step)?.cos()?.reshape(shape))
                .unwrap()
        };
        let factors = LowRank {
            a: factor((2, columns), 0.7),
            b: factor((rows, 2), 1.3),
        };
        Adapter {
            rank: 2,
            alpha: 3.0,
            updates: [("matrix".to_owned(), factors)].into(),
        }
    }

    /// Its weights with alpha / rank * b · a added, in plain arithmetic.
    fn merged_by_hand(weights: &[f32], adapter: &Adapter) -> Vec<f32> {
        let LowRank { a, b } = &adapter.updates["matrix"];
        let (a, b) = (a.to_vec2::<f32>().unwrap(), b.to_vec2::<f32>().unwrap());
        let columns = a[0].len();
        weights
            .iter()
            .enumerate()
            .map(|(index, weight)| {
                let (row, column) = (index / columns, index % columns);
                let product = b[row][0] * a[0][column] + b[row][1] * a[1][column];
                weight + 3.0 / 2.0 * product
            })
            .collect()
    }

    #[test]
    fn an_adapter_is_added_to_the_dequantized_weights() {
        let case = case();
        let adapter = adapter(70, 64);
        let hashed = HashedAdapter {
            adapter: &adapter,
            sha256: "0123456789abcdef",
        };
        let source = GgufFile::open(&case.source).unwrap();
        let expected = merged_by_hand(&values(&source, "matrix.weight"), &adapter);
        for (format, tolerance) in [(ServingFormat::F32, 1e-6), (ServingFormat::Q8_0, 0.02)] {
            let path =
                prepare(&case.source, Some(hashed), format, &case.models, &mut quiet).unwrap();
            let prepared = GgufFile::open(&path).unwrap();
            let found = values(&prepared, "matrix.weight");
            let difference = largest_difference(&found, &expected);
            assert!(difference < tolerance, "{format}: {difference}");
            assert_eq!(values(&source, "norm"), values(&prepared, "norm"));
            assert_eq!(
                prepared.string("accord.adapter_sha256").unwrap(),
                hashed.sha256
            );
            assert_ne!(path, case.prepare(format), "another file than without");
            let stronger = Adapter {
                alpha: 6.0,
                ..adapter.clone()
            };
            let stronger = HashedAdapter {
                adapter: &stronger,
                ..hashed
            };
            let other = prepare(
                &case.source,
                Some(stronger),
                format,
                &case.models,
                &mut quiet,
            );
            assert_ne!(path, other.unwrap(), "another file for another alpha");
        }
    }

    #[test]
    fn what_was_made_with_an_adapter_can_be_removed() {
        let case = case();
        let adapter = adapter(70, 64);
        let format = ServingFormat::F32;
        let made = |sha256| {
            let hashed = HashedAdapter {
                adapter: &adapter,
                sha256,
            };
            prepare(&case.source, Some(hashed), format, &case.models, &mut quiet).unwrap()
        };
        let (kept, gone) = (made("0123456789abcdef"), made("fedcba9876543210"));
        let plain = case.prepare(format);
        remove_made_with("fedcba9876543210", &case.models).unwrap();
        assert!(kept.exists() && plain.exists());
        assert!(!gone.exists() && !cache::record_path(&gone).exists());
    }

    #[test]
    fn an_adapter_is_added_across_slices() {
        let folder = tempfile::tempdir().unwrap();
        let rows = 3 * SLICE_ELEMENTS / 2 / 96;
        let weights = Tensor::zeros((rows, 96), DType::F32, &Device::Cpu).unwrap();
        let tensor = QTensor::quantize(&weights, GgmlDType::F32).unwrap();
        let source = folder.path().join("large.gguf");
        let mut out = File::create(&source).unwrap();
        gguf_file::write(&mut out, &[], &[("matrix.weight", &tensor)]).unwrap();
        let adapter = adapter(rows, 96);
        let target = folder.path().join("merged.gguf");
        merge(&source, &adapter, ServingFormat::F32, &target, &mut quiet).unwrap();
        let found = values(&GgufFile::open(&target).unwrap(), "matrix.weight");
        let expected = merged_by_hand(&vec![0.0; rows * 96], &adapter);
        let difference = largest_difference(&found, &expected);
        assert!(difference < 1e-5, "{difference}");
    }

    #[test]
    fn an_adapter_of_another_model_is_refused_by_name() {
        let case = case();
        let target = case.folder.path().join("merged.gguf");
        let merge = |adapter: &Adapter| {
            let format = ServingFormat::Q8_0;
            let merged = merge(&case.source, adapter, format, &target, &mut quiet);
            merged.unwrap_err().to_string()
        };
        let error = merge(&adapter(70, 32));
        assert!(error.contains("matrix of shape [70, 32]"), "{error}");
        let mut elsewhere = adapter(70, 64);
        let factors = elsewhere.updates.remove("matrix").unwrap();
        elsewhere.updates.insert("blk.9.attn_q".to_owned(), factors);
        let error = merge(&elsewhere);
        assert!(error.contains("updates blk.9.attn_q, which"), "{error}");
        assert!(!target.exists());
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
        gguf_file::write(&mut out, &[], &[("matrix.weight", &tensor)]).unwrap();
        let path = prepare(&source, None, ServingFormat::F32, folder.path(), &mut quiet).unwrap();
        let prepared = GgufFile::open(&path).unwrap();
        assert_eq!(
            values(&prepared, "matrix.weight"),
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
            None,
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
        let error = prepare(
            &case.source,
            None,
            ServingFormat::Q8_0,
            &case.models,
            &mut quiet,
        );
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("cut short"), "{text}");
        assert_eq!(case.model_files(), [""; 0]);
    }

    #[test]
    fn an_interrupted_preparation_leaves_nothing_behind() {
        let case = case();
        let result = prepare(
            &case.source,
            None,
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
