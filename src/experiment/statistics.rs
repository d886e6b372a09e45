//! Statistics of an experiment: nothing here knows where its numbers come from.

pub mod win_rate;
