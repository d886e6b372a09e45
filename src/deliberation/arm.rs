//! The arms of an experiment: ways of producing a statement, that a group compares without knowing them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The arms of an experiment round. Each is called as in the paper's comparison.
///
/// The best opinion as it stands, the paper's strongest human arm, is none of them: it would publish what
/// a member wrote in private.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// The best of many drafts of the active generator, by predicted welfare: what any other round
    /// would choose.
    Accord,
    /// One draft of the active generator, as it came.
    Sft,
    /// One draft of the base model, without an adapter.
    ZeroShot,
}

impl Arm {
    pub const ALL: [Self; 3] = [Self::Accord, Self::Sft, Self::ZeroShot];
}

/// What it is called in files: `zero-shot`.
impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accord => "accord",
            Self::Sft => "sft",
            Self::ZeroShot => "zero-shot",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_has_one_name_wherever_it_is_written() {
        for arm in Arm::ALL {
            assert_eq!(serde_json::to_string(&arm).unwrap(), format!("\"{arm}\""));
        }
    }
}
