//! The one tokenizer of the project, built from the metadata of the GGUF that is served.
//!
//! It gives the ids that llama.cpp gives, so that a prompt means the same to the generator, to the
//! reward model and to whatever else serves the same file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Error, Result, bail, ensure};
use candle_core::quantized::gguf_file::Value;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    AddedToken, AddedVocabulary, Decoder, DecoderWrapper, Model, ModelWrapper, NormalizerWrapper,
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior,
};

/// A byte-level BPE tokenizer.
///
/// **Text that mixes our own and other people's.** A prompt is tokenized whole: BPE merges
/// characters across the place where two pieces meet (a space and the word after it are one token),
/// so the ids of the pieces, encoded apart and joined, are not the ids that the model was trained
/// on. A prompt that holds markers such as `<|im_start|>` therefore goes through
/// [`encode_with_special`](Self::encode_with_special) whole, and every question, opinion, critique
/// and candidate goes through [`neutralize`](Self::neutralize) *before* it is put into the
/// template. A prompt without markers goes through [`encode`](Self::encode), where nobody's text
/// can become one.
///
/// No id is ever added that the text does not spell: `add_bos_token` and `add_eos_token` of the
/// metadata are ignored, because chat templates write their own. As in llama.cpp, a byte that the
/// vocabulary has no letter for gives no id (in SmolLM2's: six control characters, and the first
/// byte of code points that Unicode has not assigned).
#[derive(Debug)]
pub struct Tokenizer {
    model: BPE,
    pre_tokenizer: Sequence,
    /// Recognized in every text.
    runs: AddedVocabulary,
    /// Recognized in text of ours: the markers, and the runs too.
    markers_and_runs: AddedVocabulary,
    /// Ids at which a generated text is over, ascending: the metadata's end of sentence, turn and
    /// message, and every other control token, since none of them can be part of a candidate.
    pub end_of_generation: Vec<u32>,
}

impl Tokenizer {
    /// Builds the tokenizer from a GGUF's metadata (`tokenizer.ggml.*`).
    ///
    /// # Errors
    /// When the vocabulary is not a byte-level BPE (`tokenizer.ggml.model` other than `gpt2`), when
    /// its pre-tokenizer (`tokenizer.ggml.pre`) is not one that is listed in the message, and when
    /// an entry is missing or malformed.
    pub fn from_gguf(metadata: &HashMap<String, Value>) -> Result<Self> {
        let kind = string(metadata, "tokenizer.ggml.model")?;
        ensure!(
            kind == "gpt2",
            "the model's tokenizer is {kind:?}, expected \"gpt2\" (byte-level BPE): use a model \
             of the SmolLM2, Qwen2, Qwen3 or Llama 3 family"
        );
        let pre = string(metadata, "tokenizer.ggml.pre")?;
        let Some(patterns) = split_patterns(pre) else {
            bail!(
                "the model's pre-tokenizer is {pre:?}, expected one of {}: use a model of the \
                 SmolLM2, Qwen2, Qwen3 or Llama 3 family",
                SUPPORTED.join(", ")
            );
        };

        let tokens = strings(metadata, "tokenizer.ggml.tokens")?;
        let types = token_types(metadata)?;
        ensure!(
            types.len() == tokens.len(),
            "tokenizer.ggml.token_type has {} entries, expected {}, one a token: the model file \
             is damaged",
            types.len(),
            tokens.len()
        );
        let vocabulary: Vocab = tokens
            .iter()
            .map(|&token| token.to_owned())
            .zip(0..)
            .collect();
        ensure!(
            vocabulary.len() == tokens.len(),
            "tokenizer.ggml.tokens has {} different entries, expected {}, each once: the model \
             file is damaged",
            vocabulary.len(),
            tokens.len()
        );
        let merges = strings(metadata, "tokenizer.ggml.merges")?
            .into_iter()
            .map(split_merge)
            .collect::<Result<_>>()?;
        let model = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            // Llama 3 takes a word that is in the vocabulary whole, whatever the merges say.
            .ignore_merges(patterns == [LLAMA3])
            // The cache would keep people's words in memory after they have been erased.
            .cache_capacity(0)
            .build()
            .map_err(Error::from_boxed)
            .context("the merges in the model file do not fit its tokens")?;

        let mut steps = patterns
            .iter()
            .map(|&pattern| {
                let pattern = SplitPattern::Regex(pattern.to_owned());
                Ok(Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?.into())
            })
            .collect::<tokenizers::Result<Vec<PreTokenizerWrapper>>>()
            .map_err(Error::from_boxed)?;
        steps.push(byte_level().into());

        let mut runs = Vec::new();
        let mut markers = Vec::new();
        let mut end_of_generation = Vec::new();
        for ((spelling, token_type), id) in tokens.iter().zip(types).zip(0..) {
            match token_type {
                CONTROL | UNKNOWN => {
                    if is_marker(spelling) {
                        markers.push(AddedToken::from(*spelling, true));
                    }
                    end_of_generation.push(id);
                }
                USER_DEFINED if is_marker(spelling) => {
                    markers.push(AddedToken::from(*spelling, true));
                }
                USER_DEFINED => runs.push(AddedToken::from(*spelling, true)),
                _ => {}
            }
        }
        for key in ["eos", "eot", "eom"].map(|end| format!("tokenizer.ggml.{end}_token_id")) {
            if let Some(id) = metadata.get(&key) {
                let id = (id.to_u32().ok()).with_context(|| wrong_type(&key, "an id"))?;
                ensure!(
                    (id as usize) < tokens.len(),
                    "{key} is {id}, expected less than {}: the model file is damaged",
                    tokens.len()
                );
                end_of_generation.push(id);
            }
        }
        Ok(Self::new(
            model,
            Sequence::new(steps),
            markers,
            runs,
            end_of_generation,
        ))
    }

    /// Reads the `tokenizer.json` that stands beside safetensors.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a byte-level BPE.
    pub fn from_json(path: &Path) -> Result<Self> {
        let file = tokenizers::Tokenizer::from_file(path)
            .map_err(Error::from_boxed)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let (ModelWrapper::BPE(model), Some(pre_tokenizer), Some(DecoderWrapper::ByteLevel(_))) = (
            file.get_model(),
            file.get_pre_tokenizer(),
            file.get_decoder(),
        ) else {
            bail!(
                "the tokenizer in {} is not a byte-level BPE: use a model of the SmolLM2, Qwen2, \
                 Qwen3 or Llama 3 family",
                path.display()
            );
        };
        let mut model = model.clone();
        model.resize_cache(0);
        let mut end_of_generation = Vec::new();
        let (mut markers, mut runs) = (Vec::new(), Vec::new());
        for (id, token) in file.get_added_tokens_decoder() {
            if token.special {
                end_of_generation.push(id);
            }
            if is_marker(&token.content) {
                markers.push(AddedToken::from(token.content, true));
            } else if !token.special {
                runs.push(AddedToken::from(token.content, true));
            }
        }
        ensure!(
            !end_of_generation.is_empty(),
            "{} names no special token",
            path.display()
        );
        let pre_tokenizer = Sequence::new(vec![pre_tokenizer.clone()]);
        Ok(Self::new(
            model,
            pre_tokenizer,
            markers,
            runs,
            end_of_generation,
        ))
    }

    fn new(
        model: BPE,
        pre_tokenizer: Sequence,
        markers: Vec<AddedToken>,
        runs: Vec<AddedToken>,
        mut end_of_generation: Vec<u32>,
    ) -> Self {
        end_of_generation.sort_unstable();
        end_of_generation.dedup();
        let recognize = |tokens: &[AddedToken]| {
            let mut recognized = AddedVocabulary::new();
            recognized.add_tokens::<NormalizerWrapper>(tokens, &model, None);
            recognized
        };
        Self {
            runs: recognize(&runs),
            markers_and_runs: recognize(&[markers, runs].concat()),
            model,
            pre_tokenizer,
            end_of_generation,
        }
    }

    /// The ids of `text` as plain characters: a marker spelled out in it (`<|im_end|>`) is text
    /// like any other. For prompts that have no markers.
    ///
    /// # Errors
    /// None that the text can cause: the library's own are passed on.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.ids(&self.runs, text)
    }

    /// The ids of `text`, in which every control token's spelling becomes that token. Only for
    /// prompts that Accord rendered, with other people's text [neutralized](Self::neutralize).
    ///
    /// # Errors
    /// None that the text can cause: the library's own are passed on.
    pub fn encode_with_special(&self, text: &str) -> Result<Vec<u32>> {
        self.ids(&self.markers_and_runs, text)
    }

    /// `text` with a space put into every spelling that
    /// [`encode_with_special`](Self::encode_with_special) would turn into a marker: `<|im_end|>`
    /// becomes `< |im_end|>`. Text without any comes back as it is.
    ///
    /// It sees only `text`: a template must not put part of a marker right beside it.
    pub fn neutralize<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        // Repeated, since breaking one spelling can leave another that overlapped it.
        loop {
            let parts = (self.markers_and_runs)
                .extract_and_normalize::<NormalizerWrapper>(None, text.as_ref());
            let parts = parts.get_splits(OffsetReferential::Original, OffsetType::None);
            let found = |(part, _, ids): &(&str, _, &Option<_>)| ids.is_some() && is_marker(part);
            if !parts.iter().any(found) {
                return text;
            }
            let mut broken = String::with_capacity(text.len() + parts.len());
            for part in &parts {
                let mut characters = part.0.chars();
                if found(part) {
                    broken.extend(characters.next());
                    broken.push(' ');
                }
                broken.push_str(characters.as_str());
            }
            text = Cow::Owned(broken);
        }
    }

    /// The text of `ids`, the inverse of [`encode_with_special`](Self::encode_with_special):
    /// control tokens are spelled out, so that one which a model wrote does not go unnoticed.
    /// Bytes that are not UTF-8, such as a character cut off by a limit, become U+FFFD.
    ///
    /// # Errors
    /// When an id is not in the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let pieces = ids
            .iter()
            .map(|&id| {
                self.model.id_to_token(id).with_context(|| {
                    let size = self.model.get_vocab_size();
                    format!("token id {id} is not in the vocabulary, expected less than {size}")
                })
            })
            .collect::<Result<_>>()?;
        let text = byte_level()
            .decode_chain(pieces)
            .map_err(Error::from_boxed)?;
        Ok(text.concat())
    }

    /// The id of one token by its spelling in the vocabulary, where a space is `Ġ`.
    pub fn token_id(&self, piece: &str) -> Option<u32> {
        self.model.token_to_id(piece)
    }

    fn ids(&self, recognized: &AddedVocabulary, text: &str) -> Result<Vec<u32>> {
        let mut words: PreTokenizedString =
            recognized.extract_and_normalize::<NormalizerWrapper>(None, text);
        let encoding = (self.pre_tokenizer.pre_tokenize(&mut words))
            .and_then(|()| words.tokenize(|word| self.model.tokenize(word.get())))
            .and_then(|()| words.into_encoding(None, 0, OffsetType::None))
            .map_err(Error::from_boxed)?;
        Ok(encoding.get_ids().to_vec())
    }
}

/// `tokenizer.ggml.token_type`: the types that are not plain pieces of text.
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// The values of `tokenizer.ggml.pre` that [`split_patterns`] knows, for messages.
const SUPPORTED: [&str; 5] = ["smollm", "qwen2", "llama-bpe", "gpt-2", "default"];

// From llama.cpp (`llm_tokenizer_bpe` in `src/llama-vocab.cpp`). Contractions are spelled out in
// both cases instead of `(?i:…)`, which would also take 'ſ for 's.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The patterns that split a text into words for a value of `tokenizer.ggml.pre`, each applied to
/// what the ones before it left; what lies between two matches is a word too.
fn split_patterns(pre: &str) -> Option<&'static [&'static str]> {
    match pre {
        "smollm" => Some(&[r"\p{N}", GPT2]),
        "qwen2" | "deepseek-r1-qwen" => Some(&[QWEN2]),
        "llama-bpe" | "llama3" | "llama-v3" => Some(&[LLAMA3]),
        "gpt-2" | "phi-2" => Some(&[GPT2]),
        "default" => Some(&[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
        _ => None,
    }
}

/// Whether a control or user-defined token is a marker, which other people's text must not be able
/// to become, and not a run of white space, which some vocabularies define so. A single character
/// cannot be broken, so none is taken for a marker.
fn is_marker(spelling: &str) -> bool {
    spelling.chars().nth(1).is_some() && !spelling.trim().is_empty()
}

/// Maps bytes to the letters of the vocabulary and back, without a space before the first word
/// and without splitting, which the patterns have done.
fn byte_level() -> ByteLevel {
    ByteLevel::new(false, false, false)
}

/// `"Ġt he"` as its two halves. The first may itself start with a space in some files.
fn split_merge(merge: &str) -> Result<(String, String)> {
    let (space, _) = merge
        .char_indices()
        .skip(1)
        .find(|&(_, character)| character == ' ')
        .with_context(|| format!("tokenizer.ggml.merges has {merge:?}, expected two pieces"))?;
    Ok((merge[..space].to_owned(), merge[space + 1..].to_owned()))
}

fn token_types(metadata: &HashMap<String, Value>) -> Result<Vec<i32>> {
    let key = "tokenizer.ggml.token_type";
    entry(metadata, key)?
        .to_vec()
        .and_then(|types| types.iter().map(Value::to_i32).collect())
        .ok()
        .with_context(|| wrong_type(key, "a list of 32-bit integers"))
}

fn strings<'m>(metadata: &'m HashMap<String, Value>, key: &str) -> Result<Vec<&'m str>> {
    entry(metadata, key)?
        .to_vec()
        .and_then(|texts| {
            texts
                .iter()
                .map(|text| Ok(text.to_string()?.as_str()))
                .collect()
        })
        .ok()
        .with_context(|| wrong_type(key, "a list of texts"))
}

fn string<'m>(metadata: &'m HashMap<String, Value>, key: &str) -> Result<&'m str> {
    let text = entry(metadata, key)?.to_string().ok();
    text.map(String::as_str)
        .with_context(|| wrong_type(key, "a text"))
}

fn entry<'m>(metadata: &'m HashMap<String, Value>, key: &str) -> Result<&'m Value> {
    metadata.get(key).with_context(|| {
        format!("the model file has no {key}: convert the model again with a current llama.cpp")
    })
}

/// Replaces candle's message, which prints the whole value and, where enabled, a backtrace.
fn wrong_type(key: &str, expected: &str) -> String {
    format!("{key} has the wrong type, expected {expected}: the model file is damaged")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARKERS: [&str; 4] = ["<|im_start|>", "<|im_end|>", "|>x", "< |im_end|>"];

    /// Every byte, a few merges, and markers that overlap one another.
    fn small_model(pre: &str) -> HashMap<String, Value> {
        let mut tokens: Vec<String> = ByteLevel::alphabet().iter().map(char::to_string).collect();
        tokens.sort();
        let merges = ["1 2", "12 3", "Ċ Ċ", "Ġ a", "Ġ Ġ"];
        tokens.extend(merges.map(|merge| merge.replace(' ', "")));
        let mut types = vec![1; tokens.len()];
        tokens.extend(MARKERS.map(str::to_owned));
        types.extend([CONTROL; MARKERS.len()]);
        tokens.extend(["<think>".to_owned(), "   ".to_owned()]);
        types.extend([USER_DEFINED; 2]);

        let texts =
            |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        HashMap::from(
            [
                ("model", Value::String("gpt2".to_owned())),
                ("pre", Value::String(pre.to_owned())),
                ("tokens", texts(tokens)),
                ("merges", texts(merges.map(str::to_owned).to_vec())),
                (
                    "token_type",
                    Value::Array(types.into_iter().map(Value::I32).collect()),
                ),
                ("eos_token_id", Value::U32(7)),
            ]
            .map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)),
        )
    }

    fn small_tokenizer(pre: &str) -> Tokenizer {
        Tokenizer::from_gguf(&small_model(pre)).unwrap()
    }

    fn error_with(key: &str, value: Option<Value>) -> String {
        let mut metadata = small_model("smollm");
        metadata.remove(key);
        metadata.extend(value.map(|value| (key.to_owned(), value)));
        format!("{:#}", Tokenizer::from_gguf(&metadata).unwrap_err())
    }

    fn pieces(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
        ids.iter()
            .map(|&id| tokenizer.decode(&[id]).unwrap())
            .collect()
    }

    #[test]
    fn the_pre_tokenizer_decides_what_may_merge() {
        for (pre, expected) in [
            ("smollm", vec!["1", "2", "3", "4", "\n", "\n", "a"]),
            ("gpt-2", vec!["123", "4", "\n", "\n", "a"]),
            ("default", vec!["123", "4", "\n", "\n", "a"]),
            ("qwen2", vec!["1", "2", "3", "4", "\n\n", "a"]),
            ("llama-bpe", vec!["123", "4", "\n\n", "a"]),
        ] {
            let tokenizer = small_tokenizer(pre);
            let ids = tokenizer.encode("1234\n\na").unwrap();
            assert_eq!(pieces(&tokenizer, &ids), expected, "{pre}");
        }
    }

    #[test]
    fn markers_are_recognized_only_in_text_of_ours() {
        let tokenizer = small_tokenizer("qwen2");
        let text = "a<|im_end|><think>";
        let ids = tokenizer.encode_with_special(text).unwrap();
        assert_eq!(pieces(&tokenizer, &ids), ["a", "<|im_end|>", "<think>"]);
        assert_eq!(tokenizer.encode(text).unwrap().len(), text.len());
    }

    #[test]
    fn a_run_of_spaces_in_the_vocabulary_is_not_a_marker() {
        let tokenizer = small_tokenizer("gpt-2");
        let ids = tokenizer.encode("a   b").unwrap();
        assert_eq!(pieces(&tokenizer, &ids), ["a", "   ", "b"]);
        assert!(matches!(
            tokenizer.neutralize("a   b"),
            Cow::Borrowed("a   b")
        ));
    }

    #[test]
    fn neutralizing_puts_a_space_into_markers_and_leaves_the_rest() {
        let tokenizer = small_tokenizer("smollm");
        for (text, expected) in [
            ("I like <b> & <|im_end|", "I like <b> & <|im_end|"),
            ("no.<|im_start|>system", "no.< |im_start|>system"),
            ("<|im_<|im_end|>end|>", "<|im_<  |im_end|>end|>"),
            ("<|im_start|>x", "< |im_start| >x"),
            ("<think>", "< think>"),
        ] {
            assert_eq!(tokenizer.neutralize(text), expected);
        }
    }

    #[test]
    fn control_tokens_are_spelled_out_when_decoded() {
        let tokenizer = small_tokenizer("smollm");
        let text = "<|im_start|>user\nça va 🚌<|im_end|>\n";
        let ids = tokenizer.encode_with_special(text).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }

    #[test]
    fn half_a_character_is_decoded_as_the_replacement_character() {
        let tokenizer = small_tokenizer("smollm");
        let ids = tokenizer.encode("é").unwrap();
        assert_eq!(tokenizer.decode(&ids[..1]).unwrap(), "\u{fffd}");
    }

    #[test]
    fn an_unknown_id_is_an_error_that_says_the_size_of_the_vocabulary() {
        let error = small_tokenizer("smollm").decode(&[9999]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "token id 9999 is not in the vocabulary, expected less than 267"
        );
    }

    #[test]
    fn a_file_that_does_not_fit_is_an_error_that_says_what_was_expected() {
        let text = |text: &str| Some(Value::String(text.to_owned()));
        for (key, value, expected) in [
            ("model", text("llama"), "is \"llama\", expected \"gpt2\""),
            (
                "pre",
                text("falcon"),
                "is \"falcon\", expected one of smollm, qwen2,",
            ),
            ("pre", None, "the model file has no tokenizer.ggml.pre"),
            ("pre", Some(Value::U32(1)), "wrong type, expected a text"),
            ("tokens", text("a"), "wrong type, expected a list of texts"),
            (
                "tokens",
                Some(Value::Array(vec![])),
                "has 267 entries, expected 0",
            ),
            (
                "token_type",
                text("a"),
                "expected a list of 32-bit integers",
            ),
            (
                "token_type",
                None,
                "the model file has no tokenizer.ggml.token_type",
            ),
            (
                "merges",
                Some(Value::Array(vec![Value::String("ab".into())])),
                "expected two pieces",
            ),
            (
                "merges",
                Some(Value::Array(vec![Value::String("a zzz".into())])),
                "do not fit",
            ),
            (
                "eos_token_id",
                Some(Value::U32(267)),
                "is 267, expected less than 267",
            ),
            (
                "eos_token_id",
                Some(Value::F32(1.0)),
                "wrong type, expected an id",
            ),
        ] {
            let error = error_with(&format!("tokenizer.ggml.{key}"), value);
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in any::<String>()) {
            let tokenizer = small_tokenizer("smollm");
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        }

        #[test]
        fn neutralized_text_never_becomes_a_marker(
            text in "(<\\|im_start\\|>|<\\|im_end\\|>|\\|>x|< |<think>|im_end|[<|> x]){0,8}",
        ) {
            let tokenizer = small_tokenizer("smollm");
            let text = tokenizer.neutralize(&text);
            prop_assert_eq!(
                tokenizer.encode_with_special(&text).unwrap(),
                tokenizer.encode(&text).unwrap()
            );
        }
    }
}
