//! Statistics of an experiment: nothing here knows where its numbers come from.

pub mod agreement;
pub mod kappa;
pub mod medians;
pub mod win_rate;
