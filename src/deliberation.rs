//! The pure domain: what a group's opinions and ratings are, and how they become a choice.
//!
//! Invariants: nothing here does I/O, awaits, reads a clock or knows Discord, a model or the
//! store. Time and randomness are arguments, so that everything can be tested and repeated
//! exactly.

pub mod about;
pub mod admission;
pub mod arm;
pub mod certainty;
pub mod consent;
pub mod distribution;
pub mod guild;
pub mod id;
pub mod outcome;
pub mod ranking;
pub mod rating;
pub mod record;
pub mod reliability;
pub mod retraining;
pub mod round;
pub mod schulze;
pub mod selection;
pub mod similarity;
pub mod training_data;
pub mod welfare;
