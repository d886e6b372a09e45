//! Accord helps a group with diverse views find a statement that it can agree on.
//!
//! It rebuilds the system of Bakker et al. 2022, "Fine-tuning language models to find
//! agreement among humans with diverse preferences" (arXiv:2211.15006). `ARCHITECTURE.md`
//! is the map of this crate.

pub mod chart;
pub mod config;
pub mod deliberation;
pub mod discord;
pub mod experiment;
pub mod facilitator;
pub mod inference;
pub mod store;
pub mod suggestion;
pub mod training;
pub mod transformer;
