//! How often one arm wins against another.

use crate::training::evaluation::bootstrap;

/// Comparisons that belong together, such as those of one deliberation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    pub wins: u32,
    pub losses: u32,
    pub ties: u32,
}

impl Tally {
    /// One comparison of two values; those that differ by rounding only are a tie.
    pub fn of(ours: f64, theirs: f64) -> Self {
        // Ratings go from 1 to 7; the rounding error of their mean is about 1e-15.
        const TIE: f64 = 1e-9;
        let difference = ours - theirs;
        Self {
            wins: u32::from(difference > TIE),
            losses: u32::from(difference < -TIE),
            ties: u32::from(difference.abs() <= TIE),
        }
    }
}

/// The share of comparisons won, ties left out.
#[derive(Clone, Debug, PartialEq)]
pub struct WinRate {
    /// Of all groups together.
    pub tally: Tally,
    /// `None` where all is tied.
    pub share: Option<Share>,
}

/// A share from 0 to 1, and its 95 % intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    pub value: f64,
    /// As if every comparison were independent.
    pub wilson: [f64; 2],
    /// By bootstrap over the groups; `None` where fewer than two have a winner.
    pub clustered: Option<[f64; 2]>,
}

/// Over groups of comparisons.
pub fn win_rate(groups: &[Tally]) -> WinRate {
    let sums: Vec<[f64; 2]> = groups
        .iter()
        .map(|group| [f64::from(group.wins), f64::from(group.wins + group.losses)])
        .collect();
    let estimate = bootstrap::estimate(&sums, |[wins, decided]| {
        (decided > 0.0).then(|| wins / decided)
    });
    let tally = groups.iter().fold(Tally::default(), |all, group| Tally {
        wins: all.wins + group.wins,
        losses: all.losses + group.losses,
        ties: all.ties + group.ties,
    });
    WinRate {
        tally,
        share: estimate.map(|estimate| Share {
            value: estimate.value,
            wilson: wilson(tally.wins, tally.wins + tally.losses),
            clustered: estimate.interval,
        }),
    }
}

/// The 95 % interval of a share of which `hits` of `of` were seen (Wilson 1927, "Probable inference,
/// the law of succession, and statistical inference", JASA 22, 209-212); everything where `of` is 0.
pub fn wilson(hits: u32, of: u32) -> [f64; 2] {
    /// The 97.5 % quantile of the normal distribution.
    const Z: f64 = 1.959963984540054;
    if of == 0 {
        return [0.0, 1.0];
    }
    let (n, z2) = (f64::from(of), Z * Z);
    let share = f64::from(hits) / n;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    // Rounding must not leave the scale.
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_gives_the_intervals_of_statsmodels() {
        // statsmodels.stats.proportion.proportion_confint(hits, of, method="wilson")
        for (hits, of, expected) in [
            (0, 5, [0.0, 0.434482464783]),
            (5, 5, [0.565517535217, 1.0]),
            (33, 50, [0.521538260502, 0.775630507775]),
            (1, 3, [0.06149194472, 0.792340399198]),
            (151, 263, [0.513739025622, 0.6324151746]),
        ] {
            let [low, high] = wilson(hits, of);
            assert!((low - expected[0]).abs() < 1e-11, "{hits}/{of}: {low}");
            assert!((high - expected[1]).abs() < 1e-11, "{hits}/{of}: {high}");
        }
        assert_eq!(wilson(0, 0), [0.0, 1.0]);
    }

    #[test]
    fn a_comparison_is_won_lost_or_tied() {
        let tally = |wins, losses, ties| Tally { wins, losses, ties };
        assert_eq!(Tally::of(4.5, 4.25), tally(1, 0, 0));
        assert_eq!(Tally::of(4.25, 4.5), tally(0, 1, 0));
        assert_eq!(Tally::of(0.1 + 0.2, 0.3), tally(0, 0, 1));
    }

    #[test]
    fn ties_are_left_out_and_groups_are_drawn_whole() {
        let groups = [
            (3, 1),
            (0, 2),
            (2, 2),
            (4, 0),
            (1, 3),
            (2, 0),
            (3, 2),
            (0, 4),
            (4, 1),
            (2, 1),
            (5, 0),
            (1, 1),
        ];
        let groups = groups.map(|(wins, losses)| Tally {
            wins,
            losses,
            ties: 2,
        });
        let WinRate { tally, share } = win_rate(&groups);
        let share = share.unwrap();
        let expected = Tally {
            wins: 27,
            losses: 17,
            ties: 24,
        };
        assert_eq!((tally, share.value), (expected, 27.0 / 44.0));
        assert_eq!(share.wilson, wilson(27, 44));
        // f = lambda drawn: sum(wins[i] for i in drawn) / sum(wins[i] + losses[i] for i in drawn)
        // scipy.stats.bootstrap((arange(12),), f, n_resamples=20000, method="percentile")
        let [low, high] = share.clustered.unwrap();
        assert!((low - 0.409).abs() < 0.02, "{low}");
        assert!((high - 0.787).abs() < 0.02, "{high}");
    }

    #[test]
    fn where_all_is_tied_nobody_wins() {
        let tied = Tally {
            ties: 1,
            ..Tally::default()
        };
        let rate = win_rate(&[tied, tied]);
        assert_eq!((rate.tally.ties, rate.share), (2, None));
        assert_eq!(win_rate(&[]).share, None);
    }
}
