//! The bot on Discord, driven as people do through the fake one: one program, since the fake takes
//! long to compile and the models take seconds to load.

mod abuse;
mod changes;
mod consent;
mod doctor;
mod experiment;
mod failures;
mod fake;
mod gateway;
mod health;
mod hostile_text;
mod languages;
mod outcomes;
mod privacy;
mod rate_limits;
#[cfg(unix)]
mod retraining;
mod review;
mod rounds;
#[path = "../support/mod.rs"]
mod support;
