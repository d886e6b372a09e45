//! The shell around the rounds: what people see in Discord, and what becomes of what they do there.

pub mod custom_id;
pub mod neutral;
pub mod render;
pub mod wording;
