//! Models served in this process by mistral.rs.
//!
//! Prompts go in as token ids and answers come out as token ids, so that one tokenizer,
//! ours, stands between text and model whatever serves it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow, bail};
use candle_core::{DType, Device, Tensor};
use hf_hub::Cache;
use mistralrs::{
    CustomLogitsProcessor, GgufModelBuilder, Model, NormalRequest, Request, RequestMessage,
    Response, SamplingParams, StopTokens, TextModelBuilder,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::model_files::ModelFiles;
use super::prompts::ChatTemplate;
use super::sampler::SeededSampler;
use super::tokenizer::Tokenizer;
use crate::transformer::gguf::GgufFile;

/// A model in memory, and what is needed to talk to it.
pub struct ServedModel {
    model: Model,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Its chat template.
    pub chat_template: ChatTemplate,
    /// The most tokens of a prompt and its answer together.
    pub context_length: usize,
    /// How many requests it works on together.
    pub sequences_at_once: usize,
    /// Holds back all others: mistral.rs's own limit lets a waiting request into the batch.
    turns: Arc<Semaphore>,
}

/// How a sequence is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// At least 0; 0 takes the most likely token.
    pub temperature: f64,
    /// The share of the probability that the nucleus holds, in (0, 1].
    pub top_p: f64,
    /// The most tokens drawn.
    pub max_tokens: usize,
}

impl ServedModel {
    /// Loads a model: on a GPU if the build and the machine have one, else on the CPU.
    ///
    /// # Errors
    /// Files that are missing or damaged, or an architecture that mistral.rs does not serve.
    pub async fn load(files: &ModelFiles) -> Result<Self> {
        // On the CPU mistral.rs 0.8.1 garbles all but one of the sequences that it decodes
        // together.
        let sequences_at_once = if device()?.is_cpu() { 1 } else { 16 };
        let files = files.clone();
        // Loading blocks for seconds.
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            runtime.block_on(Self::load_files(&files, sequences_at_once))
        })
        .await?
    }

    async fn load_files(files: &ModelFiles, sequences_at_once: usize) -> Result<Self> {
        match files {
            ModelFiles::Gguf(path) => {
                // Opened before mistral.rs does, which panics on a file that is cut short.
                let gguf = GgufFile::open(path)?;
                let folder = path.parent().unwrap_or(Path::new(".")).to_string_lossy();
                let file = path
                    .file_name()
                    .context("a GGUF file has a name")?
                    .to_string_lossy();
                let model = gguf_model(&folder, &file, sequences_at_once).await?;
                Self::of_gguf(model, &gguf, sequences_at_once)
            }
            ModelFiles::Hub {
                id,
                file: Some(file),
            } => {
                let model = gguf_model(id, file, sequences_at_once).await?;
                let path = Cache::from_env()
                    .model(id.clone())
                    .get(file)
                    .with_context(|| format!("mistral.rs did not keep {file} of {id}"))?;
                Self::of_gguf(model, &GgufFile::open(&path)?, sequences_at_once)
            }
            ModelFiles::Safetensors(folder) => {
                let model = text_model(&folder.to_string_lossy(), sequences_at_once).await?;
                Self::of_folder(model, folder, sequences_at_once)
            }
            ModelFiles::Hub { id, file: None } => {
                let model = text_model(id, sequences_at_once).await?;
                let tokenizer = Cache::from_env()
                    .model(id.clone())
                    .get("tokenizer.json")
                    .with_context(|| format!("{id} has no tokenizer.json"))?;
                let folder = tokenizer.parent().context("the cache is a folder")?;
                Self::of_folder(model, folder, sequences_at_once)
            }
        }
    }
    fn of_gguf(model: Model, gguf: &GgufFile, sequences_at_once: usize) -> Result<Self> {
        Ok(Self {
            tokenizer: Tokenizer::from_gguf(&gguf.content.metadata)?,
            chat_template: ChatTemplate::from_gguf(gguf)?,
            context_length: gguf.context_length()?,
            sequences_at_once,
            turns: Arc::new(Semaphore::new(sequences_at_once)),
            model,
        })
    }

    fn of_folder(model: Model, folder: &Path, sequences_at_once: usize) -> Result<Self> {
        let path = folder.join("tokenizer_config.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let settings: serde_json::Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        // A token is spelled out, or an object with its spelling.
        let spelling = |key: &str| {
            let token = &settings[key];
            token
                .as_str()
                .or(token["content"].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let template =
            match settings["chat_template"].as_str() {
                Some(template) => template.to_owned(),
                None => std::fs::read_to_string(folder.join("chat_template.jinja")).with_context(
                    || format!("the model in {} has no chat template", folder.display()),
                )?,
            };
        Ok(Self {
            tokenizer: Tokenizer::from_json(&folder.join("tokenizer.json"))?,
            chat_template: ChatTemplate {
                template,
                bos_token: spelling("bos_token"),
                eos_token: spelling("eos_token"),
            },
            context_length: model
                .max_sequence_length()?
                .context("mistral.rs does not know the model's context length")?,
            sequences_at_once,
            turns: Arc::new(Semaphore::new(sequences_at_once)),
            model,
        })
    }

    /// Draws tokens after `prompt` until the model ends, `ends` says so of the tokens drawn
    /// so far, or `sampling.max_tokens` are drawn. The same seed draws the same tokens.
    ///
    /// # Errors
    /// What mistral.rs reports: the prompt is longer than the context, no memory is left.
    pub async fn sample(
        &self,
        prompt: Vec<u32>,
        sampling: Sampling,
        seed: u64,
        ends: impl Fn(&[u32]) -> bool + Send + Sync + 'static,
    ) -> Result<Vec<u32>> {
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let sampler = SeededSampler {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            seed,
            ends,
            end_token: self.tokenizer.end_of_generation[0],
            drawn: drawn.clone(),
            prompt_length: prompt.len(),
        };
        self.complete(prompt, Arc::new(sampler), sampling.max_tokens)
            .await?;
        let mut drawn = std::mem::take(&mut *drawn.lock().expect("no draw panics"));
        if drawn
            .last()
            .is_some_and(|last| self.tokenizer.end_of_generation.contains(last))
        {
            drawn.pop();
        }
        Ok(drawn)
    }

    /// The logits of `tokens` at the position after `prompt`, in their order.
    ///
    /// # Errors
    /// As [`Self::sample`].
    pub async fn next_token_logits(&self, prompt: Vec<u32>, tokens: &[u32]) -> Result<Vec<f32>> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reader = LogitsReader {
            tokens: tokens.to_vec(),
            seen: seen.clone(),
        };
        self.complete(prompt, Arc::new(reader), 1).await?;
        let logits = std::mem::take(&mut *seen.lock().expect("no read panics"));
        if logits.len() != tokens.len() {
            bail!("mistral.rs answered without showing its logits");
        }
        Ok(logits)
    }

    async fn complete(
        &self,
        prompt: Vec<u32>,
        processor: Arc<dyn CustomLogitsProcessor>,
        max_tokens: usize,
    ) -> Result<()> {
        let turn = self.turns.clone().acquire_owned().await?;
        let (answer, mut answers) = mpsc::channel(1);
        let engine = self.model.inner();
        let sampling = SamplingParams {
            // The processor has drawn already, so the engine takes the largest. `None` would
            // be read as a temperature of 1.
            temperature: Some(0.0),
            max_len: Some(max_tokens),
            stop_toks: Some(StopTokens::Ids(self.tokenizer.end_of_generation.clone())),
            ..SamplingParams::neutral()
        };
        let mut request = NormalRequest::new_simple(
            RequestMessage::CompletionTokens(prompt),
            sampling,
            answer,
            engine.next_request_id(),
            None,
            None,
        );
        request.logits_processors = Some(vec![processor]);
        engine
            .get_sender(None)
            .map_err(|error| anyhow!("mistral.rs: {error:?}"))?
            .send(Request::Normal(Box::new(request)))
            .await
            .map_err(|_| anyhow!("mistral.rs has stopped"))?;
        // mistral.rs's engine panics when nobody waits for its answer, and then serves nobody else. So
        // a thread waits, whether the caller has given up or not.
        let (waited, answered) = oneshot::channel();
        std::thread::spawn(move || {
            let answer = answers.blocking_recv();
            drop(turn);
            let _ = waited.send(answer);
        });
        match answered.await? {
            Some(Response::CompletionDone(_)) => Ok(()),
            Some(Response::InternalError(error) | Response::ValidationError(error)) => {
                bail!("mistral.rs: {error}")
            }
            Some(Response::CompletionModelError(error, _)) => bail!("mistral.rs: {error}"),
            _ => bail!("mistral.rs stopped in the middle of an answer"),
        }
    }
}

/// Where models run: a GPU if the build and the machine have one, else the CPU.
///
/// # Errors
/// A GPU that cannot be opened.
pub fn device() -> Result<Device> {
    Ok(mistralrs::best_device(false)?)
}

async fn gguf_model(folder_or_id: &str, file: &str, sequences_at_once: usize) -> Result<Model> {
    GgufModelBuilder::new(folder_or_id, vec![file])
        .with_max_num_seqs(sequences_at_once)
        // mistral.rs never evicts what it caches on the CPU, and the cache would keep
        // people's opinions.
        .with_prefix_cache_n(None)
        .build()
        .await
}

async fn text_model(folder_or_id: &str, sequences_at_once: usize) -> Result<Model> {
    TextModelBuilder::new(folder_or_id)
        .with_max_num_seqs(sequences_at_once)
        .with_prefix_cache_n(None)
        .build()
        .await
}

/// Hands the logits of some tokens out of the engine and leaves them as they are.
struct LogitsReader {
    tokens: Vec<u32>,
    seen: Arc<Mutex<Vec<f32>>>,
}

impl CustomLogitsProcessor for LogitsReader {
    fn apply(&self, logits: &Tensor, _context: &[u32]) -> candle_core::Result<Tensor> {
        let values: Vec<f32> = logits.to_dtype(DType::F32)?.to_vec1()?;
        *self.seen.lock().expect("no read panics") = self
            .tokens
            .iter()
            .map(|&token| values[token as usize])
            .collect();
        Ok(logits.clone())
    }
}
