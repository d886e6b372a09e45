//! Measuring Accord as Bakker et al. 2022 (arXiv:2211.15006) measured their system: statements made in
//! several ways, compared by how people rate them.
//!
//! [`rounds`] compares what the members of a community rated in their own rounds.

pub mod rounds;
pub mod statistics;
