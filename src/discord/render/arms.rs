//! What experiment rounds say of the arms.

use super::phrases::percent;
use crate::deliberation::round::ModelVersions;
use crate::discord::neutral;
use crate::discord::wording::Wording;
use crate::experiment::rounds::Compared;
use crate::experiment::statistics::win_rate::{Tally, WinRate};

/// Which models; one line each by the mean and by the lowest rating; what is not counted. Nothing
/// without experiment rounds.
pub fn compared_arms(wording: &Wording, compared: Option<&Compared>) -> String {
    let Some(compared) = compared else {
        return String::new();
    };
    // As the table calls a guild's own.
    let name = |version: &str| neutral::line(version.rsplit('/').next().unwrap_or_default(), NAME);
    let ModelVersions {
        generator,
        reward_model,
    } = &compared.models;
    let mut lines = vec![wording.say(
        "report-arms-models",
        &[
            ("generator", name(generator).into()),
            ("rewardmodel", name(reward_model).into()),
        ],
    )];
    if compared.base_is_active {
        lines.push(wording.say("report-arms-base", &[]));
    }
    let pairs = compared.arms.iter().flat_map(|compared| {
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
    });
    lines.extend(pairs);
    if compared.others > 0 {
        lines.push(wording.say("report-arms-others", &[("rounds", compared.others.into())]));
    }
    lines.join("\n")
}

const NAME: usize = 60;

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
    use crate::experiment::rounds::ArmsCompared;
    use crate::experiment::statistics::win_rate::win_rate;

    /// The pipeline wins three of four by the mean, and ties by the lowest rating.
    pub fn compared() -> Compared {
        let tally = |wins, losses, ties| Tally { wins, losses, ties };
        Compared {
            models: ModelVersions {
                generator: "guild-7/generator-2".to_owned(),
                reward_model: "shipped".to_owned(),
            },
            base_is_active: false,
            arms: vec![ArmsCompared {
                ours: Arm::Accord,
                theirs: Arm::Sft,
                mean: win_rate(&[tally(3, 0, 0), tally(0, 1, 1)]),
                minimum: win_rate(&[tally(0, 0, 5)]),
            }],
            others: 2,
        }
    }

    #[test]
    fn a_win_rate_comes_with_its_interval_and_without_its_ties() {
        // statsmodels.stats.proportion.proportion_confint(3, 4, method="wilson"): 0.3006, 0.9544
        assert_eq!(
            compared_arms(&wording(), Some(&compared())),
            "With the generator generator-2 and the reward model shipped:\n\
             accord against sft, by the mean rating: won 3 of 4 (75 %, 95 % interval 30–95 %), 1 tie\n\
             accord against sft, by the lowest rating: 5 ties, so nothing can be told\n\
             2 rounds with other models are not counted."
        );
        assert_eq!(compared_arms(&wording(), None), "");
        let of_base = Compared {
            base_is_active: true,
            ..compared()
        };
        let text = compared_arms(&wording(), Some(&of_base));
        assert!(
            text.contains("so accord is the best of its drafts"),
            "{text}"
        );
    }
}
