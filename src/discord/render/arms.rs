//! What experiment rounds say of the arms.

use super::phrases::percent;
use crate::discord::wording::Wording;
use crate::experiment::rounds::ArmsCompared;
use crate::experiment::statistics::win_rate::{Tally, WinRate};

/// One line each by the mean and by the lowest rating; nothing without experiment rounds.
pub fn compared_arms(wording: &Wording, arms: &[ArmsCompared]) -> String {
    let lines: Vec<String> = arms
        .iter()
        .flat_map(|compared| {
            let (ours, theirs) = (compared.ours.to_string(), compared.theirs.to_string());
            [
                wording.say(
                    "report-arm-mean",
                    &[
                        ("ours", ours.as_str().into()),
                        ("theirs", theirs.as_str().into()),
                        ("figures", won(wording, &compared.mean).into()),
                    ],
                ),
                wording.say(
                    "report-arm-minimum",
                    &[
                        ("ours", ours.as_str().into()),
                        ("theirs", theirs.as_str().into()),
                        ("figures", won(wording, &compared.minimum).into()),
                    ],
                ),
            ]
        })
        .collect();
    lines.join("\n")
}

fn won(wording: &Wording, rate: &WinRate) -> String {
    let Tally { wins, losses, ties } = rate.tally;
    let Some(share) = rate.share else {
        return wording.say("report-arm-ties", &[("ties", ties.into())]);
    };
    let [low, high] = share.wilson.map(percent);
    wording.say(
        "report-arm-figures",
        &[
            ("wins", wins.into()),
            ("decided", (wins + losses).into()),
            ("share", percent(share.value).into()),
            ("low", low.into()),
            ("high", high.into()),
            ("ties", ties.into()),
        ],
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::deliberation::arm::Arm;
    use crate::discord::render::sample::wording;
    use crate::experiment::statistics::win_rate::win_rate;

    /// The pipeline wins three of four by the mean, and ties by the lowest rating.
    pub fn compared() -> Vec<ArmsCompared> {
        let tally = |wins, losses, ties| Tally { wins, losses, ties };
        vec![ArmsCompared {
            ours: Arm::Accord,
            theirs: Arm::Sft,
            mean: win_rate(&[tally(3, 0, 0), tally(0, 1, 1)]),
            minimum: win_rate(&[tally(0, 0, 5)]),
        }]
    }

    #[test]
    fn a_win_rate_comes_with_its_interval_and_without_its_ties() {
        // statsmodels.stats.proportion.proportion_confint(3, 4, method="wilson"): 0.3006, 0.9544
        assert_eq!(
            compared_arms(&wording(), &compared()),
            "accord against sft, by the mean rating: won 3 of 4 (75 %, 95 % interval 30–95 %), 1 tie\n\
             accord against sft, by the lowest rating: 5 ties, so nothing can be told"
        );
        assert_eq!(compared_arms(&wording(), &[]), "");
    }
}
