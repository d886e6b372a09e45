//! The arms: ways of producing a statement.

use crate::deliberation::welfare::{InequalityAversion, WelfareFunction};

/// One way of producing a statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arm {
    /// One draft of the base model.
    ZeroShot,
    /// One draft of the base model, which is shown examples first.
    FewShot,
    /// One draft of the fine-tuned generator, not ranked.
    Sft,
    /// The best of all drafts of the fine-tuned generator by predicted welfare: the full pipeline.
    Accord(Welfare),
    /// The participants' opinion with the highest predicted mean agreement.
    BestOpinion,
}

/// The welfare functions that are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Welfare {
    Utilitarian,
    Nash,
    Rawlsian,
    Schulze,
}

impl Arm {
    /// In the order in which they are shown: the full pipeline first.
    pub const ALL: [Self; 8] = [
        Self::Accord(Welfare::Utilitarian),
        Self::Accord(Welfare::Nash),
        Self::Accord(Welfare::Rawlsian),
        Self::Accord(Welfare::Schulze),
        Self::Sft,
        Self::FewShot,
        Self::ZeroShot,
        Self::BestOpinion,
    ];

    /// The paper's full pipeline, as its main result has it.
    pub const PIPELINE: Self = Self::Accord(Welfare::Utilitarian);

    /// What the arms are called in files and reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::ZeroShot => "zero-shot",
            Self::FewShot => "few-shot",
            Self::Sft => "sft",
            Self::Accord(Welfare::Utilitarian) => "accord-utilitarian",
            Self::Accord(Welfare::Nash) => "accord-nash",
            Self::Accord(Welfare::Rawlsian) => "accord-rawlsian",
            Self::Accord(Welfare::Schulze) => "accord-schulze",
            Self::BestOpinion => "best-opinion",
        }
    }
}

impl Welfare {
    pub const ALL: [Self; 4] = [Self::Utilitarian, Self::Nash, Self::Rawlsian, Self::Schulze];

    pub fn function(self) -> WelfareFunction {
        match self {
            Self::Utilitarian => WelfareFunction::Alpha(InequalityAversion::UTILITARIAN),
            Self::Nash => WelfareFunction::Alpha(InequalityAversion::NASH),
            Self::Rawlsian => WelfareFunction::Alpha(InequalityAversion::RAWLSIAN),
            Self::Schulze => WelfareFunction::Schulze,
        }
    }
}

/// Whether a label, perhaps one that came with ratings, is of the full pipeline: `accord`, or
/// `accord-` and the welfare function.
pub fn is_pipeline(label: &str) -> bool {
    label == "accord" || label.starts_with("accord-")
}

/// The share of groups in which the paper's full pipeline won against another arm (Bakker et al.
/// 2022), in percent, and the same on topics that were held out from training.
pub fn papers_win_rate(against: &str) -> Option<(f64, Option<f64>)> {
    match against {
        "zero-shot" => Some((71.6, Some(73.8))),
        "few-shot" => Some((71.4, Some(72.0))),
        "sft" => Some((58.6, Some(60.6))),
        "best-opinion" => Some((65.0, None)),
        _ => None,
    }
}
