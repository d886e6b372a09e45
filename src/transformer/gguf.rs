//! Reading GGUF model files: a checked header, typed metadata, tensors.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail, ensure};
use candle_core::Device;
use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::{Content, TensorInfo, Value};

use crate::suggestion::path_or_similar;

/// A GGUF file whose header has been read and whose tensors all lie inside it.
#[derive(Debug)]
pub struct GgufFile {
    pub path: PathBuf,
    /// Metadata, and the name, shape and place of every tensor.
    pub content: Content,
    /// Kept open, so that a file replaced on disk cannot be read half and half.
    file: Mutex<File>,
}

impl GgufFile {
    /// Opens a file of GGUF version 2 or 3 and reads its header; no weights yet.
    ///
    /// # Errors
    /// If there is no such file, if it is not GGUF, if its header is damaged, or if it ends
    /// before its last tensor does (an interrupted download).
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        let length = match fs::metadata(path) {
            Ok(found) if found.is_file() => found.len(),
            Ok(_) => bail!("{name} is not a file: a GGUF model file was expected"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!(
                    "no model file at {}: check the model's path in the configuration",
                    path_or_similar(path)
                )
            }
            Err(error) => bail!("cannot read the model file {name}: {error}"),
        };
        let file =
            File::open(path).with_context(|| format!("cannot read the model file {name}"))?;
        let mut reader = BufReader::new(&file);
        let content = read_header(&mut reader, length)
            .with_context(|| format!("cannot use the model file {name}"))?;
        check_tensor_bounds(&content, length)
            .with_context(|| format!("cannot use the model file {name}"))?;
        Ok(Self {
            path: path.to_path_buf(),
            content,
            file: Mutex::new(file),
        })
    }

    /// The most tokens that the model reads.
    ///
    /// # Errors
    /// If the file does not say.
    pub fn context_length(&self) -> Result<usize> {
        let architecture = self.string("general.architecture")?;
        Ok(self.u32(&format!("{architecture}.context_length"))? as usize)
    }

    /// How many weights all tensors have together.
    pub fn weights(&self) -> u64 {
        let tensors = self.content.tensor_infos.values();
        tensors.map(|info| info.shape.elem_count() as u64).sum()
    }

    /// A whole number that is not negative, of any width.
    pub fn u32(&self, key: &str) -> Result<u32> {
        let value = self.value(key)?;
        whole_number(value)
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| self.wrong_type(key, "a whole number from 0 to 4294967295"))
    }

    pub fn f32(&self, key: &str) -> Result<f32> {
        match self.value(key)? {
            Value::F32(number) => Ok(*number),
            Value::F64(number) => Ok(*number as f32),
            _ => Err(self.wrong_type(key, "a decimal number")),
        }
    }

    pub fn bool(&self, key: &str) -> Result<bool> {
        match self.value(key)? {
            Value::Bool(truth) => Ok(*truth),
            _ => Err(self.wrong_type(key, "true or false")),
        }
    }

    pub fn string(&self, key: &str) -> Result<&str> {
        match self.value(key)? {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong_type(key, "a text")),
        }
    }

    pub fn strings(&self, key: &str) -> Result<Vec<&str>> {
        self.list(key, "a list of texts", |item| match item {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A list of whole numbers of any width (token types, for instance).
    pub fn integers(&self, key: &str) -> Result<Vec<i64>> {
        self.list(key, "a list of whole numbers", whole_number)
    }

    /// Reads one tensor, as quantized as it is in the file.
    ///
    /// # Errors
    /// If the file has no tensor of that name or cannot be read.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<QTensor> {
        let info = self.tensor_info(name)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        info.read(&mut *file, self.content.tensor_data_offset, device)
            .with_context(|| format!("cannot read tensor {name} of {}", self.path.display()))
    }

    /// Shape, type and place of a tensor.
    ///
    /// # Errors
    /// If the file has no tensor of that name.
    pub fn tensor_info(&self, name: &str) -> Result<&TensorInfo> {
        self.content.tensor_infos.get(name).ok_or_else(|| {
            anyhow!(
                "{} has no tensor {name}: its architecture is not the one it names",
                self.path.display()
            )
        })
    }

    fn value(&self, key: &str) -> Result<&Value> {
        self.content.metadata.get(key).ok_or_else(|| {
            anyhow!(
                "{} has no metadata {key}: another conversion of the model is needed",
                self.path.display()
            )
        })
    }

    fn list<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        item: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Vec<T>> {
        match self.value(key)? {
            Value::Array(items) => items
                .iter()
                .map(item)
                .collect::<Option<Vec<T>>>()
                .ok_or_else(|| self.wrong_type(key, expected)),
            _ => Err(self.wrong_type(key, expected)),
        }
    }

    fn wrong_type(&self, key: &str, expected: &str) -> anyhow::Error {
        anyhow!(
            "metadata {key} of {} should be {expected}",
            self.path.display()
        )
    }
}

fn whole_number(value: &Value) -> Option<i64> {
    match *value {
        Value::U8(number) => Some(number.into()),
        Value::I8(number) => Some(number.into()),
        Value::U16(number) => Some(number.into()),
        Value::I16(number) => Some(number.into()),
        Value::U32(number) => Some(number.into()),
        Value::I32(number) => Some(number.into()),
        Value::U64(number) => i64::try_from(number).ok(),
        Value::I64(number) => Some(number),
        _ => None,
    }
}

/// Candle's reader believes every length it finds: it allocates by them, recurses into nested
/// lists and divides by the alignment. So the header is walked once before it is given to it.
fn read_header<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Content> {
    HeaderWalk {
        reader: &mut *reader,
        remaining: length,
        list_items: 0,
    }
    .check()?;
    reader.rewind()?;
    let content = Content::read(reader)?;
    ensure!(
        content.tensor_data_offset <= length,
        "it is cut short: its header needs {} bytes, {length} are there; fetch it again",
        content.tensor_data_offset
    );
    Ok(content)
}

fn check_tensor_bounds(content: &Content, length: u64) -> Result<()> {
    let mut expected = 0;
    for (name, info) in &content.tensor_infos {
        let end = tensor_bytes(info)
            .and_then(|bytes| bytes.checked_add(info.offset))
            .and_then(|end| end.checked_add(content.tensor_data_offset))
            .ok_or_else(|| anyhow!("it is damaged: tensor {name} has an impossible size"))?;
        expected = expected.max(end);
    }
    ensure!(
        expected <= length,
        "it is cut short: {expected} bytes expected, {length} there; delete it and fetch it again"
    );
    Ok(())
}

fn tensor_bytes(info: &TensorInfo) -> Option<u64> {
    let elements = info
        .shape
        .dims()
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))?;
    let block = info.ggml_dtype.block_size();
    if !elements.is_multiple_of(block) {
        return None;
    }
    u64::try_from((elements / block).checked_mul(info.ggml_dtype.type_size())?).ok()
}

/// More metadata keys, tensors or dimensions than any model has.
const MAX_KEYS: u64 = 1 << 16;
const MAX_TENSORS: u64 = 1 << 16;
const MAX_DIMENSIONS: u32 = 4;
/// Over all metadata lists together; candle takes 32 bytes for each. Vocabularies have about
/// 256,000 tokens and twice as many merges.
const MAX_LIST_ITEMS: u64 = 1 << 22;
const MAX_LIST_DEPTH: u32 = 4;

const DAMAGED: &str = "its header is damaged or cut short; delete it and fetch it again";

struct HeaderWalk<'a, R> {
    reader: &'a mut R,
    /// Bytes of the file that have not been walked over yet.
    remaining: u64,
    list_items: u64,
}

impl<R: Read + Seek> HeaderWalk<'_, R> {
    fn check(mut self) -> Result<()> {
        ensure!(
            self.remaining >= 4 && &self.bytes::<4>()? == b"GGUF",
            "it is not a GGUF file: its first four bytes are not GGUF"
        );
        let version = self.u32()?;
        ensure!(
            matches!(version, 2 | 3),
            "its GGUF version is {version}, but 2 or 3 was expected"
        );
        let tensors = self.u64()?;
        let keys = self.u64()?;
        ensure!(tensors <= MAX_TENSORS && keys <= MAX_KEYS, DAMAGED);
        for _ in 0..keys {
            let key = self.short_string()?;
            let kind = self.u32()?;
            if key == b"general.alignment" {
                ensure!(
                    kind == TYPE_U32,
                    "metadata general.alignment should be a u32"
                );
                let alignment = self.u32()?;
                ensure!(
                    alignment.is_power_of_two(),
                    "its general.alignment is {alignment}, but a power of two was expected"
                );
            } else {
                self.skip_value(kind, 0)?;
            }
        }
        for _ in 0..tensors {
            self.short_string()?;
            let dimensions = self.u32()?;
            ensure!(dimensions <= MAX_DIMENSIONS, DAMAGED);
            // The dimensions, the type and the offset.
            self.skip(u64::from(dimensions) * 8 + 4 + 8)?;
        }
        Ok(())
    }

    fn skip_value(&mut self, kind: u32, depth: u32) -> Result<()> {
        match kind {
            TYPE_STRING => {
                let length = self.u64()?;
                self.skip(length)
            }
            TYPE_LIST => {
                ensure!(depth < MAX_LIST_DEPTH, DAMAGED);
                let item_kind = self.u32()?;
                let items = self.u64()?;
                self.list_items = self.list_items.saturating_add(items);
                ensure!(self.list_items <= MAX_LIST_ITEMS, DAMAGED);
                if let Some(bytes) = fixed_size(item_kind) {
                    return self.skip(items * bytes);
                }
                for _ in 0..items {
                    self.skip_value(item_kind, depth + 1)?;
                }
                Ok(())
            }
            _ => self.skip(fixed_size(kind).context(DAMAGED)?),
        }
    }

    fn short_string(&mut self) -> Result<Vec<u8>> {
        let length = self.u64()?;
        // The format allows keys of 65,535 bytes and tensor names of 64.
        ensure!(length <= 65_535 && length <= self.remaining, DAMAGED);
        self.remaining -= length;
        let mut text = vec![0; length as usize];
        self.reader.read_exact(&mut text)?;
        Ok(text)
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        ensure!(bytes <= self.remaining, DAMAGED);
        self.remaining -= bytes;
        Ok(self.reader.seek_relative(i64::try_from(bytes)?)?)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        ensure!(N as u64 <= self.remaining, DAMAGED);
        self.remaining -= N as u64;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

const TYPE_U32: u32 = 4;
const TYPE_STRING: u32 = 8;
const TYPE_LIST: u32 = 9;

/// The bytes that a metadata value of this type takes, if they are always the same.
fn fixed_size(kind: u32) -> Option<u64> {
    match kind {
        // u8, i8, bool
        0 | 1 | 7 => Some(1),
        // u16, i16
        2 | 3 => Some(2),
        // u32, i32, f32
        TYPE_U32..=6 => Some(4),
        // u64, i64, f64
        10..=12 => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Tensor;
    use candle_core::quantized::{GgmlDType, gguf_file};
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn metadata_and_tensors_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let file = GgufFile::open(&write_small(directory.path())).unwrap();
        assert_eq!(file.u32("small.count").unwrap(), 7);
        assert_eq!(file.f32("small.factor").unwrap(), 0.5);
        assert!(file.bool("small.flag").unwrap());
        assert_eq!(file.string("small.name").unwrap(), "tiny");
        assert_eq!(file.strings("small.words").unwrap(), ["a", "bc"]);
        assert_eq!(file.integers("small.types").unwrap(), [1, -3]);
        let tensor = file.tensor("second", &Device::Cpu).unwrap();
        let rows = tensor.dequantize(&Device::Cpu).unwrap();
        assert_eq!(rows.to_vec2::<f32>().unwrap(), [[4.0, 5.0], [6.0, 7.0]]);
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = write_small(directory.path());
        let file = GgufFile::open(&path).unwrap();
        let name = path.display();
        assert_eq!(
            file.u32("small.size").unwrap_err().to_string(),
            format!("{name} has no metadata small.size: another conversion of the model is needed")
        );
        assert_eq!(
            file.u32("small.name").unwrap_err().to_string(),
            format!("metadata small.name of {name} should be a whole number from 0 to 4294967295")
        );
        assert_eq!(
            file.strings("small.types").unwrap_err().to_string(),
            format!("metadata small.types of {name} should be a list of texts")
        );
        assert_eq!(
            file.tensor("third", &Device::Cpu).unwrap_err().to_string(),
            format!("{name} has no tensor third: its architecture is not the one it names")
        );
    }

    #[test]
    fn a_file_that_ends_too_early_is_an_error_wherever_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = write_small(directory.path());
        let bytes = fs::read(&path).unwrap();
        // The writer pads the last tensor, which need not be there.
        let end = bytes.len() - 16;
        GgufFile::open(&rewrite(&path, &bytes[..end])).unwrap();
        for length in 0..end {
            let message = error(&rewrite(&path, &bytes[..length]));
            assert!(!message.contains('\n'), "{message}");
        }
        assert!(
            error(&rewrite(&path, &bytes[..end - 1])).ends_with(&format!(
                "it is cut short: {end} bytes expected, {} there; delete it and fetch it again",
                end - 1
            ))
        );
    }

    #[test]
    fn damaged_bytes_neither_panic_nor_allocate_without_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = write_small(directory.path());
        let bytes = fs::read(&path).unwrap();
        for index in 0..bytes.len() {
            for value in [0, 0x7f, 0xff] {
                let mut damaged = bytes.clone();
                damaged[index] = value;
                if let Ok(file) = GgufFile::open(&rewrite(&path, &damaged)) {
                    for name in ["first", "second"] {
                        drop(file.tensor(name, &Device::Cpu));
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn whatever_follows_the_magic_number_is_read_or_refused(
            version in 0_u32..5,
            tensors in small_or_any(),
            keys in small_or_any(),
            rest in vec(entry(), 0..6),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("any.gguf");
            let mut bytes = b"GGUF".to_vec();
            bytes.extend(version.to_le_bytes());
            bytes.extend(tensors.to_le_bytes());
            bytes.extend(keys.to_le_bytes());
            bytes.extend(rest.concat());
            if let Ok(file) = GgufFile::open(&rewrite(&path, &bytes)) {
                prop_assert!(matches!(version, 2 | 3));
                prop_assert_eq!(file.content.tensor_infos.len() as u64, tensors);
            }
        }
    }

    fn small_or_any() -> impl Strategy<Value = u64> {
        prop_oneof![4 => 0_u64..4, 1 => any::<u64>()]
    }

    /// Metadata, or a tensor, nearly as it should be.
    fn entry() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![4 => 0_u64..8, 1 => any::<u64>()];
        let name = prop_oneof![
            Just(b"k".to_vec()),
            Just(b"general.alignment".to_vec()),
            vec(any::<u8>(), 0..8)
        ];
        (
            name,
            any::<bool>(),
            length,
            0_u32..14,
            vec(any::<u8>(), 0..40),
        )
            .prop_map(|(name, true_length, length, kind, value)| {
                let length = if true_length {
                    name.len() as u64
                } else {
                    length
                };
                let mut bytes = length.to_le_bytes().to_vec();
                bytes.extend(name);
                bytes.extend(kind.to_le_bytes());
                bytes.extend(value);
                bytes
            })
    }

    #[test]
    fn impossible_headers_are_refused_before_candle_reads_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("header.gguf");
        let header = |tensors: u64, keys: u64, rest: &[u8]| {
            let mut bytes = b"GGUF".to_vec();
            bytes.extend(3u32.to_le_bytes());
            bytes.extend(tensors.to_le_bytes());
            bytes.extend(keys.to_le_bytes());
            bytes.extend(rest);
            bytes
        };
        let entry = |key: &str, kind: u32, value: &[u8]| {
            let mut bytes = (key.len() as u64).to_le_bytes().to_vec();
            bytes.extend(key.bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend(value);
            bytes
        };
        let nested: Vec<u8> = [TYPE_LIST.to_le_bytes().as_slice(), &1u64.to_le_bytes()]
            .concat()
            .repeat(100_000);
        for bytes in [
            header(u64::MAX, 0, &[]),
            header(0, u64::MAX, &[]),
            header(0, 1, &entry("k", TYPE_STRING, &u64::MAX.to_le_bytes())),
            header(0, 1, &entry("k", TYPE_LIST, &nested)),
            header(0, 1, &entry("general.alignment", TYPE_U32, &[0; 4])),
            header(1, 0, &entry("tensor", u32::MAX, &[0; 64])),
        ] {
            assert!(error(&rewrite(&path, &bytes)).starts_with("cannot use the model file"));
        }
    }

    #[test]
    fn what_is_not_a_model_file_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.gguf");
        assert!(error(&path).starts_with("no model file at"));
        assert!(error(directory.path()).contains("is not a file"));
        let text = rewrite(&path, b"version https://git-lfs.github.com/spec/v1");
        assert!(error(&text).ends_with("it is not a GGUF file: its first four bytes are not GGUF"));
    }

    fn write_small(directory: &Path) -> PathBuf {
        let tensor = |start: f32| {
            let rows = Tensor::arange(start, start + 4.0, &Device::Cpu).unwrap();
            QTensor::quantize(&rows.reshape((2, 2)).unwrap(), GgmlDType::F32).unwrap()
        };
        let words = ["a", "bc"].map(|word| Value::String(word.to_owned()));
        let path = directory.join("small.gguf");
        gguf_file::write(
            &mut File::create(&path).unwrap(),
            &[
                ("small.count", &Value::U32(7)),
                ("small.factor", &Value::F32(0.5)),
                ("small.flag", &Value::Bool(true)),
                ("small.name", &Value::String("tiny".to_owned())),
                ("small.words", &Value::Array(words.to_vec())),
                (
                    "small.types",
                    &Value::Array(vec![Value::I32(1), Value::I32(-3)]),
                ),
            ],
            &[("first", &tensor(0.0)), ("second", &tensor(4.0))],
        )
        .unwrap();
        path
    }

    fn rewrite(path: &Path, bytes: &[u8]) -> PathBuf {
        fs::write(path, bytes).unwrap();
        path.to_path_buf()
    }

    fn error(path: &Path) -> String {
        format!("{:#}", GgufFile::open(path).unwrap_err())
    }
}
