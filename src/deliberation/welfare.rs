//! Social welfare functions: what a group as a whole makes of a candidate, from the ratings of
//! its participants.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};
use thiserror::Error;

use crate::suggestion::did_you_mean;

/// The welfare W_α of a group: (1/n Σ u_i^(1-α))^(1/(1-α)), from Eq. 1 of Bakker et al. 2022.
///
/// That is the mean at α = 0, the geometric mean at α = 1 and the minimum at α = ∞. The result
/// has the unit of the ratings, lies between the lowest and the highest of them, and neither
/// overflows nor underflows for any α.
///
/// # Errors
/// When there are no ratings, or one of them is not a finite number above 0.
pub fn welfare(ratings: &[f64], aversion: InequalityAversion) -> Result<f64, WelfareError> {
    if ratings.is_empty() {
        return Err(WelfareError::NoRatings);
    }
    match ratings.iter().find(|u| !(u.is_finite() && **u > 0.0)) {
        Some(&rating) => Err(WelfareError::NotPositive(rating)),
        None => Ok(welfare_of_positive(ratings, aversion)),
    }
}

/// Why a welfare cannot be computed.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum WelfareError {
    #[error("welfare needs at least one rating, got none")]
    NoRatings,
    #[error("welfare needs finite ratings above 0, got {0}")]
    NotPositive(f64),
}

/// How a group's welfare is computed.
///
/// Read from a name or a number, on the command line and in config files alike: `utilitarian`
/// (α = 0), `nash` (α = 1), `rawlsian` (α = ∞), `schulze`, or α itself from 0 to `inf`. Written
/// as `{"function":"utilitarian","alpha":0.0}`, where α is `"inf"` when it is infinite and null
/// for `schulze`, and the function of any other α is `"alpha"`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "ShortForm")]
pub enum WelfareFunction {
    /// W_α over the ratings themselves, see [`welfare`].
    Alpha(InequalityAversion),
    /// The Schulze method over the orders that the ratings imply, see [`super::schulze`].
    Schulze,
}

/// α: how much a group's welfare suffers from unequal ratings. A number from 0 to infinity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InequalityAversion(f64);

impl InequalityAversion {
    /// Every participant's rating counts the same: W is the mean.
    pub const UTILITARIAN: Self = Self(0.0);
    /// Bernoulli-Nash: W is the geometric mean.
    pub const NASH: Self = Self(1.0);
    /// Only the worst-off participant counts: W is the minimum.
    pub const RAWLSIAN: Self = Self(f64::INFINITY);

    /// # Errors
    /// When `alpha` is negative or not a number.
    pub fn new(alpha: f64) -> Result<Self, InequalityAversionError> {
        if alpha >= 0.0 {
            // The sum turns -0 into 0, which would otherwise be printed.
            Ok(Self(alpha + 0.0))
        } else {
            Err(InequalityAversionError(alpha))
        }
    }

    /// The number itself, never negative and never NaN, possibly infinite.
    pub fn alpha(self) -> f64 {
        self.0
    }
}

/// An inequality aversion that is negative or not a number.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error("inequality aversion must be a number from 0 to inf, got {0}")]
pub struct InequalityAversionError(f64);

/// A welfare function that could not be read.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum WelfareFunctionError {
    #[error(
        "unknown welfare function {0:?}{meant}, expected utilitarian, nash, rawlsian, schulze or an \
         inequality aversion from 0 to inf",
        meant = did_you_mean(.0, ["utilitarian", "nash", "rawlsian", "schulze"])
    )]
    Unknown(String),
    #[error(transparent)]
    Aversion(#[from] InequalityAversionError),
}

impl FromStr for WelfareFunction {
    type Err = WelfareFunctionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let aversion = match text {
            "utilitarian" => InequalityAversion::UTILITARIAN,
            "nash" => InequalityAversion::NASH,
            "rawlsian" => InequalityAversion::RAWLSIAN,
            "schulze" => return Ok(Self::Schulze),
            _ => {
                let alpha = text
                    .parse()
                    .map_err(|_| WelfareFunctionError::Unknown(text.to_owned()))?;
                InequalityAversion::new(alpha)?
            }
        };
        Ok(Self::Alpha(aversion))
    }
}

/// The name, or α where it has none: what `from_str` reads.
impl fmt::Display for WelfareFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            ("alpha", Self::Alpha(aversion)) => aversion.0.fmt(f),
            (name, _) => f.pad(name),
        }
    }
}

impl Serialize for WelfareFunction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let alpha = match self {
            Self::Alpha(aversion) if aversion.0.is_infinite() => {
                Some(ShortForm::Name("inf".into()))
            }
            Self::Alpha(aversion) => Some(ShortForm::Number(aversion.0)),
            Self::Schulze => None,
        };
        let mut object = serializer.serialize_struct("WelfareFunction", 2)?;
        object.serialize_field("function", self.name())?;
        object.serialize_field("alpha", &alpha)?;
        object.end()
    }
}

impl WelfareFunction {
    fn name(&self) -> &'static str {
        match *self {
            Self::Alpha(InequalityAversion::UTILITARIAN) => "utilitarian",
            Self::Alpha(InequalityAversion::NASH) => "nash",
            Self::Alpha(InequalityAversion::RAWLSIAN) => "rawlsian",
            Self::Alpha(_) => "alpha",
            Self::Schulze => "schulze",
        }
    }
}

/// A number or a text, as config files and JSON have them.
#[derive(Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "expected utilitarian, nash, rawlsian, schulze or an inequality aversion from 0 to inf"
)]
enum ShortForm {
    Number(f64),
    Name(String),
}

impl TryFrom<ShortForm> for WelfareFunction {
    type Error = WelfareFunctionError;

    fn try_from(short: ShortForm) -> Result<Self, Self::Error> {
        match short {
            ShortForm::Number(alpha) => Ok(Self::Alpha(InequalityAversion::new(alpha)?)),
            ShortForm::Name(name) => name.parse(),
        }
    }
}

/// [`welfare`] where it is already known that there are ratings, all finite and above 0.
pub(super) fn welfare_of_positive(ratings: &[f64], aversion: InequalityAversion) -> f64 {
    let count = ratings.len() as f64;
    let lowest = ratings.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ratings.iter().copied().fold(0.0, f64::max);

    let welfare = match aversion.0 {
        f64::INFINITY => lowest,
        // The general form is right here too, but it gives 3.0000000000000004 for 1, 3, 5.
        0.0 if ratings.iter().sum::<f64>().is_finite() => ratings.iter().sum::<f64>() / count,
        alpha => {
            let exponent = 1.0 - alpha;
            // Relative to the reference every power is at most 1: nothing overflows, and as all
            // terms have the same sign, nothing cancels.
            let reference = if exponent > 0.0 { highest } else { lowest };
            let logs = ratings.iter().map(|u| u.ln() - reference.ln());
            let log_mean = if exponent == 0.0 {
                logs.sum::<f64>() / count
            } else {
                // Near α = 1 the mean of the powers is 1 plus something tiny, and that something
                // is the answer: exp_m1 and ln_1p keep its digits.
                let excess = logs.map(|log| (exponent * log).exp_m1()).sum::<f64>() / count;
                excess.ln_1p() / exponent
            };
            reference * log_mean.exp()
        }
    };
    // Rounding may leave the last digit outside.
    welfare.clamp(lowest, highest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn w(ratings: &[f64], alpha: f64) -> f64 {
        welfare(ratings, InequalityAversion::new(alpha).unwrap()).unwrap()
    }

    #[test]
    fn the_worked_example_of_the_paper_is_reproduced() {
        let example: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/bakker_table_a6.json"))
                .unwrap();
        let mut compared = 0;
        for (statement, ratings) in example["ratings"].as_object().unwrap() {
            let ratings: Vec<f64> = serde_json::from_value(ratings.clone()).unwrap();
            for (alpha, expected) in example["welfare"][statement].as_object().unwrap() {
                let got = w(&ratings, alpha.parse().unwrap());
                let expected = expected.as_f64().unwrap();
                assert!(
                    (got - expected).abs() < 1e-12,
                    "{statement}, α = {alpha}: {got}"
                );
                compared += 1;
            }
        }
        assert_eq!(compared, 24);
    }

    #[test]
    fn the_mean_of_whole_ratings_has_no_rounding_error() {
        assert_eq!(w(&[5.0, 7.0, 3.0, 7.0], 0.0), 5.5);
        assert_eq!(w(&[1.0, 3.0, 5.0], 0.0), 3.0);
        assert_eq!(w(&[1.0, 2.0, 3.0, 4.0, 6.0], 0.0), 3.2);
    }

    #[test]
    fn the_geometric_mean_is_used_at_alpha_one() {
        assert!((w(&[2.0, 4.0, 1.0], 1.0) - 2.0).abs() < 1e-15);
    }

    #[test]
    fn the_slope_around_the_geometric_mean_keeps_its_digits() {
        // ln W = mean(ln u) + (1-α)/2 var(ln u) + O((1-α)²); the plain formula loses half of the
        // digits of the second term here, and all of them closer to 1.
        let ratings = [2.0, 3.0, 7.0, 5.0f64];
        let logs = ratings.map(f64::ln);
        let mean = logs.iter().sum::<f64>() / 4.0;
        let variance = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 4.0;
        for exponent in [1e-6, 1e-8, -1e-8, -1e-6] {
            let alpha = 1.0 - exponent;
            let slope = (w(&ratings, alpha) / mean.exp()).ln() / (1.0 - alpha);
            assert!(
                (slope / (variance / 2.0) - 1.0).abs() < 1e-6,
                "α = {alpha}: {slope}"
            );
        }
    }

    #[test]
    fn neighbours_of_alpha_one_give_the_geometric_mean() {
        let ratings = [1.0, 7.0, 3.5, 2.25];
        for alpha in [1.0 - f64::EPSILON / 2.0, 1.0 + f64::EPSILON] {
            assert!((w(&ratings, alpha) - w(&ratings, 1.0)).abs() < 1e-14);
        }
    }

    #[test]
    fn a_large_alpha_gives_little_more_than_the_minimum() {
        // The powers of 6 and 7 vanish, and the mean over three is left.
        for alpha in [1e3, 1e4, 1e6] {
            let expected = 1.5 * 3f64.powf(1.0 / (alpha - 1.0));
            let got = w(&[1.5, 7.0, 6.0], alpha);
            assert!((got - expected).abs() < 1e-14, "α = {alpha}: {got}");
        }
    }

    #[test]
    fn a_huge_alpha_gives_the_minimum() {
        for alpha in [1e9, 1e300, f64::MAX, f64::INFINITY] {
            assert!(
                (w(&[1.5, 7.0, 6.0], alpha) - 1.5).abs() < 1e-8,
                "α = {alpha}"
            );
        }
    }

    #[test]
    fn ratings_of_very_different_size_neither_overflow_nor_underflow() {
        let ratings = [1e-150, 1.0, 1e150];
        assert!((w(&ratings, 1.0) - 1.0).abs() < 1e-12);
        assert!((w(&ratings, 0.5) / (1e150 / 9.0) - 1.0).abs() < 1e-12);
        assert!((w(&ratings, 2.0) / 3e-150 - 1.0).abs() < 1e-12);
        assert!((w(&[1e308, 1.5e308], 0.0) / 1.25e308 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn no_ratings_and_ratings_that_are_not_positive_are_errors() {
        assert_eq!(
            welfare(&[], InequalityAversion::NASH),
            Err(WelfareError::NoRatings)
        );
        for bad in [0.0, -1.0, f64::INFINITY] {
            assert_eq!(
                welfare(&[3.0, bad], InequalityAversion::RAWLSIAN),
                Err(WelfareError::NotPositive(bad))
            );
        }
        let error = welfare(&[f64::NAN], InequalityAversion::NASH).unwrap_err();
        assert_eq!(
            error.to_string(),
            "welfare needs finite ratings above 0, got NaN"
        );
    }

    #[test]
    fn functions_are_read_by_name_and_by_number() {
        for (text, expected) in [
            ("utilitarian", InequalityAversion::UTILITARIAN),
            ("0", InequalityAversion::UTILITARIAN),
            ("-0", InequalityAversion::UTILITARIAN),
            ("nash", InequalityAversion::NASH),
            ("1.0", InequalityAversion::NASH),
            ("rawlsian", InequalityAversion::RAWLSIAN),
            ("inf", InequalityAversion::RAWLSIAN),
            ("2.5", InequalityAversion::new(2.5).unwrap()),
        ] {
            assert_eq!(text.parse(), Ok(WelfareFunction::Alpha(expected)), "{text}");
        }
        assert_eq!("schulze".parse(), Ok(WelfareFunction::Schulze));
    }

    #[test]
    fn a_function_is_displayed_as_it_is_read() {
        for text in ["utilitarian", "nash", "rawlsian", "schulze", "2.5"] {
            let function: WelfareFunction = text.parse().unwrap();
            assert_eq!(function.to_string(), text);
        }
        let zero: WelfareFunction = "-0".parse().unwrap();
        assert_eq!(zero.to_string(), "utilitarian");
        assert_eq!(
            serde_json::to_string(&zero).unwrap(),
            r#"{"function":"utilitarian","alpha":0.0}"#
        );
    }

    #[test]
    fn an_unknown_function_is_told_the_possible_ones() {
        let error = "plurality".parse::<WelfareFunction>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown welfare function \"plurality\", expected utilitarian, nash, rawlsian, \
             schulze or an inequality aversion from 0 to inf"
        );
    }

    #[test]
    fn a_negative_or_undefined_aversion_is_told_what_is_allowed() {
        for (text, number) in [("-1", "-1"), ("nan", "NaN"), ("-inf", "-inf")] {
            let error = text.parse::<WelfareFunction>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("inequality aversion must be a number from 0 to inf, got {number}")
            );
        }
    }

    #[test]
    fn a_function_is_written_with_its_alpha() {
        for (text, expected) in [
            (
                "utilitarian",
                json!({"function": "utilitarian", "alpha": 0.0}),
            ),
            ("nash", json!({"function": "nash", "alpha": 1.0})),
            ("rawlsian", json!({"function": "rawlsian", "alpha": "inf"})),
            ("2.5", json!({"function": "alpha", "alpha": 2.5})),
            ("schulze", json!({"function": "schulze", "alpha": null})),
        ] {
            let function: WelfareFunction = text.parse().unwrap();
            assert_eq!(serde_json::to_value(function).unwrap(), expected);
        }
    }

    #[test]
    fn config_files_may_hold_a_name_or_a_number() {
        let read = |text| serde_json::from_str::<WelfareFunction>(text);
        assert_eq!(read(r#""nash""#).unwrap(), "nash".parse().unwrap());
        assert_eq!(read(r#""inf""#).unwrap(), "rawlsian".parse().unwrap());
        assert_eq!(read("2").unwrap(), "2".parse().unwrap());
        assert_eq!(read("0.5").unwrap(), "0.5".parse().unwrap());
        for (bad, wanted) in [
            (
                "-1",
                "inequality aversion must be a number from 0 to inf, got -1",
            ),
            (
                r#""plurality""#,
                "unknown welfare function \"plurality\", expected utilitarian",
            ),
            (
                "true",
                "expected utilitarian, nash, rawlsian, schulze or an",
            ),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{bad}: {error}");
        }
    }

    fn alphas() -> impl Strategy<Value = f64> {
        prop_oneof![
            Just(0.0),
            Just(1.0),
            Just(f64::INFINITY),
            0.0..1.0,
            1.0..10.0,
            10.0..1e6,
            (-15.0..-1.0).prop_map(|digits| 1.0 + 10f64.powf(digits)),
            (-15.0..-1.0).prop_map(|digits| 1.0 - 10f64.powf(digits)),
        ]
    }

    fn groups() -> impl Strategy<Value = Vec<f64>> {
        prop_oneof![
            prop::collection::vec(1.0..=7.0, 1..40),
            prop::collection::vec((1u8..=7).prop_map(f64::from), 1..40),
            prop::collection::vec((-100.0..100.0).prop_map(|digits| 10f64.powf(digits)), 1..10),
        ]
    }

    /// Up to the rounding of a few dozen operations.
    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
    }

    proptest! {
        #[test]
        fn scaling_all_ratings_scales_the_welfare(
            ratings in groups(), alpha in alphas(), scale in 1e-3..1e3,
        ) {
            let scaled: Vec<f64> = ratings.iter().map(|u| u * scale).collect();
            let (a, b) = (w(&scaled, alpha), scale * w(&ratings, alpha));
            prop_assert!(close(a, b), "{a} {b}");
        }

        #[test]
        fn a_higher_rating_never_lowers_the_welfare(
            ratings in groups(), alpha in alphas(), who in any::<prop::sample::Index>(), by in 1.0..3.0,
        ) {
            let mut raised = ratings.clone();
            raised[who.index(ratings.len())] *= by;
            let (before, after) = (w(&ratings, alpha), w(&raised, alpha));
            prop_assert!(after >= before || close(before, after), "{before} {after}");
        }

        #[test]
        fn the_welfare_lies_between_the_lowest_and_the_highest_rating(
            ratings in groups(), alpha in alphas(),
        ) {
            let got = w(&ratings, alpha);
            prop_assert!(ratings.iter().any(|&u| u <= got) && ratings.iter().any(|&u| u >= got));
        }

        #[test]
        fn more_aversion_to_inequality_never_raises_the_welfare(
            ratings in groups(), alpha in alphas(), other in alphas(),
        ) {
            let (less, more) = (w(&ratings, alpha.min(other)), w(&ratings, alpha.max(other)));
            prop_assert!(more <= less || close(more, less), "{less} {more}");
        }

        #[test]
        fn the_order_of_the_participants_does_not_matter(
            (ratings, shuffled) in groups().prop_flat_map(|g| (Just(g.clone()), Just(g).prop_shuffle())),
            alpha in alphas(),
        ) {
            prop_assert!(close(w(&ratings, alpha), w(&shuffled, alpha)));
        }

        #[test]
        fn equal_ratings_are_their_own_welfare(rating in 1.0..=7.0, count in 1usize..40, alpha in alphas()) {
            prop_assert_eq!(w(&vec![rating; count], alpha), rating);
        }
    }
}
