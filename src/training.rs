//! Fine-tuning with low-rank adapters, how good the result is, and the versions that come of it.
//!
//! [`fine_tuning`] is the loop; [`reward`] and [`generator`] are what is learned; [`prediction`] and
//! [`evaluation`] measure a reward model; [`card`], [`versions`] and [`gate`] say which model is used;
//! [`imported`] is data from elsewhere.

pub mod card;
pub mod checkpoint;
pub mod evaluation;
pub mod fine_tuning;
pub mod gate;
pub mod generator;
pub mod imported;
pub mod losses;
pub mod optimizer;
pub mod prediction;
pub mod reward;
pub mod split;
pub mod versions;
