//! How figures look in a report.

use crate::experiment::statistics::win_rate::{Tally, WinRate};
use crate::training::evaluation::bootstrap::Estimate;

/// A table whose first column is text and whose others are figures.
pub fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let header: Vec<String> = header.iter().map(|&cell| cell.to_owned()).collect();
    let rule: Vec<String> = (0..header.len())
        .map(|column| if column == 0 { "---" } else { "---:" }.to_owned())
        .collect();
    let rows: String = rows.map(|cells| line(&cells)).collect();
    format!("{}{}{rows}", line(&header), line(&rule))
}

/// The share with both intervals, and won, lost and tied.
pub fn win_rate_cells(rate: &WinRate) -> [String; 2] {
    let share = match &rate.share {
        Some(share) => {
            let clustered = share
                .clustered
                .map_or_else(String::new, |interval| format!(" {}", range(interval)));
            format!(
                "{} {}{clustered}",
                percent(share.value),
                range(share.wilson)
            )
        }
        None => "–".to_owned(),
    };
    let Tally { wins, losses, ties } = rate.tally;
    [share, format!("{wins}–{losses}, {ties}")]
}

/// A figure with its interval.
pub fn figure(Estimate { value, interval }: &Estimate) -> String {
    match interval {
        Some([low, high]) => format!("{value:.2} [{low:.2}, {high:.2}]"),
        None => format!("{value:.2}"),
    }
}

/// Of a share.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// An interval of a share, in percent.
pub fn range([low, high]: [f64; 2]) -> String {
    format!("[{:.0}, {:.0}]", 100.0 * low, 100.0 * high)
}

/// `1 deliberation`, `2 deliberations`.
pub fn counted(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
