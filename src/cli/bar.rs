//! How far work is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// On standard error, until it is dropped.
pub struct Bar {
    drawn: ProgressBar,
    lines: Mutex<Lines>,
}

impl Bar {
    /// Of so many steps.
    ///
    /// # Errors
    /// None but for the look of the bar.
    pub fn new(message: &'static str, length: usize) -> Result<Self> {
        Ok(Self {
            drawn: bar(message, length)?,
            lines: Mutex::new(Lines::new(message, length)),
        })
    }

    /// So many steps are done.
    pub fn set_position(&self, done: usize) {
        self.drawn.set_position(done as u64);
        if self.drawn.is_hidden()
            && let Ok(mut lines) = self.lines.lock()
            && let Some(line) = lines.next(done, self.drawn.elapsed())
        {
            eprintln!("{line}");
        }
    }

    /// One step more is done.
    pub fn inc(&self) {
        self.set_position(self.drawn.position() as usize + 1);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.drawn.finish_and_clear();
    }
}

/// A bar that shows nothing where standard error is no terminal that can draw one.
///
/// # Errors
/// None but for its look.
pub fn bar(message: &'static str, length: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {elapsed}")?;
    Ok(on_terminal(ProgressBar::new(length as u64))
        .with_style(style)
        .with_message(message))
}

/// As [`bar`], for one with another look.
pub fn on_terminal(bar: ProgressBar) -> ProgressBar {
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    if dumb || !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// Which lines tell of work where no bar can be drawn: at most ten of them, and none of what takes
/// seconds.
struct Lines {
    message: &'static str,
    length: usize,
    /// Tenths that were told, and when.
    told: (usize, Duration),
}

/// Between one line and the next.
const PAUSE: Duration = Duration::from_secs(5);

impl Lines {
    fn new(message: &'static str, length: usize) -> Self {
        Self {
            message,
            length,
            told: (0, Duration::ZERO),
        }
    }

    /// What to tell when so many steps are done after so long.
    fn next(&mut self, done: usize, elapsed: Duration) -> Option<String> {
        let Self {
            message,
            length,
            told: (before, at),
        } = *self;
        let tenths = 10 * done / length.max(1);
        if tenths <= before || elapsed < at + PAUSE {
            return None;
        }
        self.told = (tenths, elapsed);
        let seconds = elapsed.as_secs();
        Some(format!("{message}: {done} of {length} after {seconds} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_at_a_tenth_and_not_sooner_than_after_a_pause() {
        let mut lines = Lines::new("drafts", 40);
        let mut told = |done, seconds| lines.next(done, Duration::from_secs(seconds));
        assert_eq!(told(4, 4), None, "too soon");
        assert_eq!(told(5, 6).as_deref(), Some("drafts: 5 of 40 after 6 s"));
        assert_eq!(told(7, 60), None, "no tenth more");
        assert_eq!(told(12, 61).as_deref(), Some("drafts: 12 of 40 after 61 s"));
        assert_eq!(told(40, 62), None, "too soon");
    }

    #[test]
    fn long_work_is_told_in_ten_lines() {
        let mut lines = Lines::new("ratings", 1000);
        let told =
            (1..=1000).filter_map(|done| lines.next(done, Duration::from_secs(60 * done as u64)));
        assert_eq!(told.count(), 10);
    }
}
