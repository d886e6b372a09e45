//! How far a training of several parts is: a bar on a terminal, JSON lines otherwise.

use std::cell::Cell;
use std::io::IsTerminal;
use std::ops::ControlFlow;

use accord::training::fine_tuning::Event;
use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::json;

use super::super::{bar, say};
use super::Interrupted;
use super::control::wait_while_paused;

/// The parts of a run in their order, and how much of them is done.
pub struct Progress {
    parts: Vec<Part>,
    /// The number of the part that is worked on, and the share of it that is done.
    at: Cell<(usize, f64)>,
    /// The last share of the whole that was told while something was measured.
    told: Cell<f64>,
}

/// A part of a run, such as `fold-2`.
pub struct Part {
    pub name: String,
    /// How long it takes, compared with the other parts.
    pub cost: f64,
}

impl Part {
    pub fn new(name: impl Into<String>, cost: f64) -> Self {
        let name = name.into();
        Self { name, cost }
    }
}

impl Progress {
    pub fn new(parts: Vec<Part>) -> Self {
        Self {
            parts,
            at: Cell::new((0, 0.0)),
            told: Cell::new(0.0),
        }
    }

    /// A part is worked on from now on; those before it are done.
    pub fn begin(&self, name: &str) {
        if let Some(part) = self.parts.iter().position(|part| part.name == name) {
            self.at.set((part, 0.0));
        }
    }

    /// Follows a fine-tuning; breaks when it is to stop.
    pub fn fitting(&self, bar: &ProgressBar, event: &Event) -> ControlFlow<()> {
        if let Event::Step { step, steps, .. } = event {
            self.at.set((self.at.get().0, *step as f64 / *steps as f64));
        }
        self.tell(event);
        draw(bar, event);
        self.wait_while_paused()
    }

    /// Begins a part that has so many steps.
    ///
    /// # Errors
    /// None but for the look of the bar.
    pub fn measuring(&self, part: &str, length: usize) -> Result<Measuring<'_>> {
        self.begin(part);
        Ok(Measuring {
            progress: self,
            bar: bar::bar("measuring", length)?,
            length,
        })
    }

    /// The share of the whole run that is done, from 0 to 1.
    fn share(&self) -> f64 {
        let (part, share) = self.at.get();
        let cost = |parts: &[Part]| parts.iter().map(|part| part.cost).sum::<f64>();
        let current = self.parts.get(part).map_or(0.0, |part| part.cost);
        let done = cost(&self.parts[..part.min(self.parts.len())]) + share * current;
        // Four digits are more than anybody sees.
        (1e4 * done / cost(&self.parts).max(f64::MIN_POSITIVE)).round() / 1e4
    }

    /// A line on standard output, unless that is a terminal.
    pub fn tell(&self, event: &impl Serialize) {
        #[derive(Serialize)]
        struct Line<'a, T> {
            #[serde(flatten)]
            event: &'a T,
            part: Option<&'a str>,
            progress: f64,
        }
        let part = self.parts.get(self.at.get().0);
        let line = Line {
            event,
            part: part.map(|part| &*part.name),
            progress: self.share(),
        };
        if !std::io::stdout().is_terminal()
            && let Ok(line) = serde_json::to_string(&line)
        {
            // A closed pipe is no reason to stop.
            let _ = say(line);
        }
    }

    fn wait_while_paused(&self) -> ControlFlow<()> {
        wait_while_paused(|paused| {
            self.tell(&json!({ "event": if paused { "paused" } else { "continued" } }));
        })
    }
}

/// Work of a known length within a part.
pub struct Measuring<'a> {
    progress: &'a Progress,
    bar: ProgressBar,
    length: usize,
}

impl Measuring<'_> {
    /// So many steps are done. Waits while the training is paused; breaks when it is to stop.
    pub fn done(&self, steps: usize) -> ControlFlow<()> {
        self.bar.set_position(steps as u64);
        let Progress { at, told, .. } = self.progress;
        at.set((at.get().0, steps as f64 / self.length.max(1) as f64));
        let share = self.progress.share();
        if (share - told.get()).abs() >= 0.005 {
            told.set(share);
            self.progress.tell(&json!({ "event": "measuring" }));
        }
        self.progress.wait_while_paused()
    }
}

impl Drop for Measuring<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What [`ControlFlow::Break`] becomes.
pub fn go_on(flow: ControlFlow<()>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Interrupted.into()),
    }
}

/// A step moves the bar.
fn draw(bar: &ProgressBar, event: &Event) {
    match event {
        Event::Step {
            step, steps, loss, ..
        } => {
            bar.set_length(*steps as u64);
            bar.set_position(*step as u64);
            bar.set_message(format!("loss {loss:.3}"));
        }
        Event::Validation { step, loss, best } => {
            let mark = if *best { ", the best so far" } else { "" };
            bar.println(format!("step {step}: validation loss {loss:.4}{mark}"));
        }
        Event::Resumed { step } => bar.println(format!("going on after step {step}")),
        Event::StoppedEarly { step } => {
            bar.println(format!("no more progress: stopped after step {step}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_all_parts_by_what_they_cost() {
        let progress = Progress::new(vec![Part::new("final", 2.0), Part::new("fold-1", 6.0)]);
        let bar = ProgressBar::hidden();
        assert_eq!(progress.share(), 0.0);
        let step = Event::Step {
            step: 1,
            steps: 4,
            loss: 1.0,
            learning_rate: 0.1,
            gradient_norm: 1.0,
            targets: 1,
            tokens: 1,
            seconds: 1.0,
        };
        assert!(progress.fitting(&bar, &step).is_continue());
        assert_eq!(progress.share(), 0.0625);
        let measuring = progress.measuring("fold-1", 3).unwrap();
        assert_eq!(progress.share(), 0.25);
        assert!(measuring.done(1).is_continue());
        assert_eq!(progress.share(), 0.5);
        assert!(measuring.done(3).is_continue());
        assert_eq!(progress.share(), 1.0);
    }
}
