//! Low-rank updates of a model's matrices (LoRA: Hu et al. 2021, arXiv:2106.09685).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use candle_core::{DType, Device, Tensor, safetensors};
use rand::Rng;
use rayon::prelude::*;

use super::block::{Matrix, Sizes};
use super::{Transformer, kernels};

/// What fine-tuning adds to some of a model's matrices. A matrix W, in the order of the GGUF
/// [out, in], becomes W + alpha / rank * b · a.
#[derive(Debug, Clone)]
pub struct Adapter {
    pub rank: usize,
    pub alpha: f32,
    /// By the matrix's name in the GGUF, without `.weight`: `blk.0.attn_q`.
    pub updates: BTreeMap<String, LowRank>,
}

/// The two factors of one matrix's update, in f32.
#[derive(Debug, Clone)]
pub struct LowRank {
    /// [rank, in]
    pub a: Tensor,
    /// [out, rank]
    pub b: Tensor,
}

impl Adapter {
    /// What b · a is multiplied with.
    pub fn scale(&self) -> f64 {
        f64::from(self.alpha) / self.rank as f64
    }

    /// Reads safetensors with a pair `blk.0.attn_q.weight.lora_a`, `….lora_b` for every matrix
    /// (llama.cpp's names), of any floating-point type.
    ///
    /// # Errors
    /// If the file cannot be read, a factor is missing, of another rank or not finite, or a tensor
    /// is not part of an adapter.
    pub fn read(path: &Path, rank: usize, alpha: f32, device: &Device) -> Result<Self> {
        let bytes = std::fs::read(path)
            .with_context(|| format!("cannot read the adapter {}", path.display()))?;
        Self::from_bytes(&bytes, rank, alpha, device)
            .with_context(|| format!("{} holds no usable adapter", path.display()))
    }

    /// As [`Self::read`], from the file's content.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn from_bytes(bytes: &[u8], rank: usize, alpha: f32, device: &Device) -> Result<Self> {
        ensure!(
            rank > 0 && alpha.is_finite(),
            "a rank of at least 1 and a finite alpha were expected, not {rank} and {alpha}"
        );
        let mut tensors = safetensors::load_buffer(bytes, device)?;
        let names: Vec<String> = tensors
            .keys()
            .filter_map(|key| Some(key.strip_suffix(A_SUFFIX)?.to_owned()))
            .collect();
        let mut updates = BTreeMap::new();
        for name in names {
            let mut factor = |suffix: &str| {
                let key = format!("{name}{suffix}");
                let tensor = tensors
                    .remove(&key)
                    .with_context(|| format!("tensor {key} is missing"))?
                    .to_dtype(DType::F32)?;
                ensure!(tensor.rank() == 2, "tensor {key} is no matrix");
                let sum = tensor.abs()?.sum_all()?.to_scalar::<f32>()?;
                ensure!(sum.is_finite(), "tensor {key} is not finite");
                Ok(tensor)
            };
            let (a, b) = (factor(A_SUFFIX)?, factor(B_SUFFIX)?);
            ensure!(
                a.dim(0)? == rank && b.dim(1)? == rank,
                "the factors of {name} have shapes {:?} and {:?}, rank {rank} was expected",
                a.dims(),
                b.dims()
            );
            updates.insert(name, LowRank { a, b });
        }
        if let Some(key) = tensors.keys().min() {
            bail!("tensor {key} is not part of an adapter");
        }
        ensure!(!updates.is_empty(), "there is no tensor in it");
        Ok(Self {
            rank,
            alpha,
            updates,
        })
    }

    /// Writes what [`Self::read`] reads.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path, dtype: DType) -> Result<()> {
        let mut tensors = HashMap::new();
        for (name, LowRank { a, b }) in &self.updates {
            tensors.insert(format!("{name}{A_SUFFIX}"), a.to_dtype(dtype)?);
            tensors.insert(format!("{name}{B_SUFFIX}"), b.to_dtype(dtype)?);
        }
        safetensors::save(&tensors, path)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

const A_SUFFIX: &str = ".weight.lora_a";
const B_SUFFIX: &str = ".weight.lora_b";

impl Transformer {
    /// This model with an adapter's updates added to its matrices; the other tensors are shared.
    ///
    /// # Errors
    /// If the adapter is for another model: a matrix that is not there, or of another shape.
    pub fn merged(&self, adapter: &Adapter) -> Result<Self> {
        let known: HashSet<String> = (0..self.blocks.len())
            .flat_map(|block| Matrix::ALL.map(|matrix| (block, matrix)))
            .flat_map(|(block, matrix)| {
                matrix
                    .parts(&self.sizes)
                    .into_iter()
                    .map(move |(part, _)| tensor_name(block, part))
            })
            .collect();
        if let Some(unknown) = adapter.updates.keys().find(|name| !known.contains(*name)) {
            bail!("the adapter updates {unknown}, which the model does not have");
        }
        let blocks = self
            .blocks
            .par_iter()
            .enumerate()
            .map(|(index, block)| {
                let mut merged = block.clone();
                for matrix in Matrix::ALL {
                    let weight = block.matrix(matrix);
                    if let Some(factors) = adapter.factors(index, matrix, &self.sizes, weight)? {
                        let update = factors.a.t()?.matmul(&factors.scaled_b)?;
                        let update = update.to_device(weight.device())?;
                        let update = update.to_dtype(weight.dtype())?;
                        *merged.matrix_mut(matrix) = kernels::add_to(update, weight)?;
                    }
                }
                Ok(merged)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            blocks,
            ..self.clone()
        })
    }
}

/// The factors of all parts of one of a block's matrices, so that its update is aᵀ · b.
struct Factors {
    /// Those of the parts one below the other: [parts * rank, in].
    a: Tensor,
    /// Block-diagonal, alpha / rank included: [parts * rank, out].
    scaled_b: Tensor,
    /// The name of each part, and its columns of the matrix.
    parts: Vec<(String, Range<usize>)>,
}

impl Adapter {
    /// `None` if the adapter leaves the matrix as it is. `weight`: [in, out].
    fn factors(
        &self,
        block: usize,
        matrix: Matrix,
        sizes: &Sizes,
        weight: &Tensor,
    ) -> Result<Option<Factors>> {
        let (inputs, outputs) = weight.dims2()?;
        let (mut a, mut scaled_b, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        let mut start = 0;
        for (part, width) in matrix.parts(sizes) {
            let columns = start..start + width;
            start = columns.end;
            let name = tensor_name(block, part);
            let Some(update) = self.updates.get(&name) else {
                continue;
            };
            ensure!(
                update.a.dim(1)? == inputs && update.b.dim(0)? == width,
                "the adapter's factors of {name} have shapes {:?} and {:?}, which do not fit the \
                 model's [{width}, {inputs}]",
                update.a.dims(),
                update.b.dims()
            );
            a.push(update.a.clone());
            let b = (update.b.t()? * self.scale())?;
            scaled_b.push(b.pad_with_zeros(1, columns.start, outputs - columns.end)?);
            parts.push((name, columns));
        }
        if parts.is_empty() {
            return Ok(None);
        }
        Ok(Some(Factors {
            a: Tensor::cat(&a, 0)?,
            scaled_b: Tensor::cat(&scaled_b, 0)?,
            parts,
        }))
    }

    /// Puts into `gradients` those of the factors of one matrix, from what the matrix was multiplied
    /// with, `input` [tokens, in], and the gradient of the product, `d_output` [tokens, out].
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn insert_gradients(
        &self,
        gradients: &mut BTreeMap<String, LowRank>,
        (block, matrix): (usize, Matrix),
        model: &Transformer,
        input: &Tensor,
        d_output: &Tensor,
    ) -> Result<()> {
        let weight = model.blocks[block].matrix(matrix);
        let Some(factors) = self.factors(block, matrix, &model.sizes, weight)? else {
            return Ok(());
        };
        let (input, d_output) = (
            &input.to_dtype(DType::F32)?,
            &d_output.to_dtype(DType::F32)?,
        );
        // output = input · W + (input · aᵀ) · b
        let d_inner = d_output.matmul(&factors.scaled_b.t()?)?;
        let d_a = d_inner.t()?.matmul(input)?;
        let inner = (input.matmul(&factors.a.t()?)? * self.scale())?;
        let d_b = d_output.t()?.matmul(&inner)?;
        for (index, (name, columns)) in factors.parts.into_iter().enumerate() {
            let rows = index * self.rank;
            let a = d_a.narrow(0, rows, self.rank)?;
            let b = d_b
                .narrow(0, columns.start, columns.len())?
                .narrow(1, rows, self.rank)?;
            let (a, b) = (a.contiguous()?, b.contiguous()?);
            gradients.insert(name, LowRank { a, b });
        }
        Ok(())
    }

    /// An adapter that changes nothing yet, as LoRA begins: a drawn uniformly from
    /// ±1 / √in (Kaiming's bound with a = √5, as in PEFT), b zero.
    ///
    /// `targets` are matrices of every block by their GGUF names: `attn_q`, `ffn_down`.
    ///
    /// # Errors
    /// If a target is not a matrix of the model, or the rank is 0.
    pub fn new(
        model: &Transformer,
        rank: usize,
        alpha: f32,
        targets: &[String],
        random: &mut impl Rng,
    ) -> Result<Self> {
        ensure!(rank > 0, "the rank of an adapter is at least 1");
        let names: Vec<&str> = Matrix::ALL
            .iter()
            .flat_map(|matrix| matrix.parts(&model.sizes))
            .map(|(part, _)| part)
            .collect();
        if let Some(unknown) = targets
            .iter()
            .find(|target| !names.contains(&target.as_str()))
        {
            bail!(
                "{unknown} is no matrix of the model, expected some of {}",
                names.join(", ")
            );
        }
        let device = model.embedding.device();
        let mut updates = BTreeMap::new();
        for (index, block) in model.blocks.iter().enumerate() {
            for matrix in Matrix::ALL {
                let inputs = block.matrix(matrix).dim(0)?;
                let bound = 1.0 / (inputs as f32).sqrt();
                for (part, width) in matrix.parts(&model.sizes) {
                    if !targets.iter().any(|target| target == part) {
                        continue;
                    }
                    let a: Vec<f32> = (0..rank * inputs)
                        .map(|_| random.random_range(-bound..bound))
                        .collect();
                    let update = LowRank {
                        a: Tensor::from_vec(a, (rank, inputs), device)?,
                        b: Tensor::zeros((width, rank), DType::F32, device)?,
                    };
                    updates.insert(tensor_name(index, part), update);
                }
            }
        }
        Ok(Self {
            rank,
            alpha,
            updates,
        })
    }
}

fn tensor_name(block: usize, part: &str) -> String {
    format!("blk.{block}.{part}")
}
