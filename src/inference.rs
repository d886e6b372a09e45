//! The models: where their files come from, what serves them, what they are asked, and
//! what becomes of their answers.
//!
//! Only this module knows mistral.rs.

pub mod calibration;
pub mod candidates;
pub mod drafting;
pub mod generator;
pub mod language;
pub mod model_files;
pub mod prompts;
pub mod reward;
pub mod sampler;
pub mod serving;
pub mod tokenizer;
