//! The state of a training run on disk, so that an interruption costs a few steps only.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor, safetensors};
use serde::{Deserialize, Serialize};

use super::optimizer::{Moments, Updates};
use crate::inference::model_files::{remove_leftovers, temporary_file};
use crate::transformer::adapter::LowRank;

/// All that the next step depends on.
#[derive(Debug)]
pub struct Checkpoint {
    /// Steps done.
    pub step: usize,
    pub updates: Updates,
    pub moments: Moments,
    /// The updates of the lowest validation loss.
    pub best: Updates,
    pub best_step: usize,
    pub best_loss: f64,
    /// Validations since the best one.
    pub since_best: usize,
}

#[derive(Serialize, Deserialize)]
struct Counters {
    fingerprint: String,
    step: usize,
    best_step: usize,
    since_best: usize,
}

const COUNTERS: &str = "counters";
const BEST_LOSS: &str = "best_loss";

impl Checkpoint {
    /// The checkpoint in `folder`, if there is one. `fingerprint` tells settings and data apart.
    ///
    /// # Errors
    /// A checkpoint that cannot be read, or of a run with another fingerprint.
    pub fn read(folder: &Path, fingerprint: &str, device: &Device) -> Result<Option<Self>> {
        let path = file(folder);
        if !path.exists() {
            return Ok(None);
        }
        let damaged = || {
            format!(
                "the checkpoint {} is damaged; delete it to begin again",
                path.display()
            )
        };
        let mut tensors = safetensors::load(&path, device).with_context(damaged)?;
        let mut take = |name: &str| tensors.remove(name).with_context(damaged);
        let counters = take(COUNTERS)?.to_vec1::<u8>()?;
        let counters: Counters = serde_json::from_slice(&counters).with_context(damaged)?;
        ensure!(
            counters.fingerprint == fingerprint,
            "the checkpoint in {} is of a run with other settings, data or model; choose another folder, or delete {} to begin again",
            folder.display(),
            path.display()
        );
        let best_loss = take(BEST_LOSS)?.to_scalar::<f64>()?;
        let mut groups: [Updates; 4] = Default::default();
        for (index, group) in GROUPS.iter().enumerate() {
            let names: Vec<String> = tensors
                .keys()
                .filter_map(|key| Some(key.strip_prefix(group)?.strip_suffix(".a")?.to_owned()))
                .collect();
            for name in names {
                let mut take = |factor: &str| {
                    tensors
                        .remove(&format!("{group}{name}.{factor}"))
                        .with_context(damaged)
                };
                let (a, b) = (take("a")?, take("b")?);
                groups[index].insert(name, LowRank { a, b });
            }
        }
        let [updates, first, second, best] = groups;
        Ok(Some(Self {
            step: counters.step,
            updates,
            moments: Moments { first, second },
            best,
            best_step: counters.best_step,
            best_loss,
            since_best: counters.since_best,
        }))
    }

    /// Replaces the checkpoint in `folder`, which is made if need be. At any moment there is a
    /// whole one.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn write(&self, folder: &Path, fingerprint: &str) -> Result<()> {
        let counters = serde_json::to_vec(&Counters {
            fingerprint: fingerprint.to_owned(),
            step: self.step,
            best_step: self.best_step,
            since_best: self.since_best,
        })?;
        let length = counters.len();
        let mut tensors = HashMap::from([
            (
                COUNTERS.to_owned(),
                Tensor::from_vec(counters, length, &Device::Cpu)?,
            ),
            (
                BEST_LOSS.to_owned(),
                Tensor::new(self.best_loss, &Device::Cpu)?,
            ),
        ]);
        let groups = [
            &self.updates,
            &self.moments.first,
            &self.moments.second,
            &self.best,
        ];
        for (prefix, group) in GROUPS.iter().zip(groups) {
            for (name, LowRank { a, b }) in group {
                tensors.insert(format!("{prefix}{name}.a"), a.to_dtype(DType::F32)?);
                tensors.insert(format!("{prefix}{name}.b"), b.to_dtype(DType::F32)?);
            }
        }
        let write = || -> Result<()> {
            fs::create_dir_all(folder)?;
            remove_leftovers(folder);
            let temporary = temporary_file(folder)?;
            safetensors::save(&tensors, temporary.path())?;
            temporary.as_file().sync_all()?;
            temporary.persist(file(folder))?;
            Ok(())
        };
        write().with_context(|| {
            format!(
                "cannot write a checkpoint into {}; there must be room for {} MB",
                folder.display(),
                tensors.values().map(|t| t.elem_count() * 4).sum::<usize>() / 1_000_000 + 1
            )
        })
    }

    /// Whether a run in `folder` has begun and not finished.
    pub fn exists(folder: &Path) -> bool {
        file(folder).exists()
    }

    /// Removes a checkpoint that [`Self::read`] refuses, where nobody can be asked to; whether there
    /// was one.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove_if_other(folder: &Path, fingerprint: &str) -> Result<bool> {
        let other = Self::read(folder, fingerprint, &Device::Cpu).is_err();
        if other {
            Self::remove(folder)?;
        }
        Ok(other)
    }

    /// Removes the checkpoint of a run that has finished.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(folder: &Path) -> Result<()> {
        let path = file(folder);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}

const GROUPS: [&str; 4] = ["weights:", "first:", "second:", "best:"];

fn file(folder: &Path) -> PathBuf {
    folder.join("checkpoint.safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let updates = |value: f32| {
            let tensor = |value: f32| Tensor::new(&[[value]], &Device::Cpu).unwrap();
            let update = LowRank {
                a: tensor(value),
                b: tensor(value + 0.5),
            };
            Updates::from([("blk.0.attn_q".to_owned(), update)])
        };
        Checkpoint {
            step: 7,
            updates: updates(1.0),
            moments: Moments {
                first: updates(2.0),
                second: updates(3.0),
            },
            best: updates(4.0),
            best_step: 5,
            best_loss: 0.1 + 0.2,
            since_best: 1,
        }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        checkpoint().write(&folder, "x").unwrap();
        checkpoint().write(&folder, "x").unwrap();
        let read = Checkpoint::read(&folder, "x", &Device::Cpu)
            .unwrap()
            .unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", checkpoint()));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        Checkpoint::remove(&folder).unwrap();
        assert!(
            Checkpoint::read(&folder, "x", &Device::Cpu)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_checkpoint_of_another_run_or_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint().write(folder.path(), "x").unwrap();
        let error = Checkpoint::read(folder.path(), "y", &Device::Cpu).unwrap_err();
        assert!(error.to_string().contains("other settings"), "{error}");
        let path = file(folder.path());
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = Checkpoint::read(folder.path(), "x", &Device::Cpu).unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
    }

    #[test]
    fn a_checkpoint_of_another_run_can_be_given_up() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint().write(folder.path(), "x").unwrap();
        assert!(!Checkpoint::remove_if_other(folder.path(), "x").unwrap());
        assert!(Checkpoint::remove_if_other(folder.path(), "y").unwrap());
        assert!(!Checkpoint::exists(folder.path()));
        assert!(!Checkpoint::remove_if_other(folder.path(), "y").unwrap());
    }
}
