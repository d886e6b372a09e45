//! `--controlled`: whoever started the training pauses it, lets it go on and ends it.

use std::io::{BufRead, Write, stderr};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::INTERRUPTED;

/// Obeys lines of standard input from now on, in a thread of its own: `pause` and `resume`; the end
/// of the input is an interrupt, so that no training outlives whoever started it. So is a request to
/// terminate: whatever ends the bot may send it to all of its processes.
pub fn obey_standard_input() {
    #[cfg(unix)]
    tokio::spawn(async {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            terminated.recv().await;
            end("it is to terminate");
        }
    });
    std::thread::spawn(|| {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.trim() {
                "pause" => PAUSED.store(true, Ordering::Relaxed),
                "resume" => PAUSED.store(false, Ordering::Relaxed),
                other => eprintln!("pause or resume was expected on standard input, not {other:?}"),
            }
        }
        end("standard input was closed");
    });
}

/// Ends the training after this step, and if that takes long, as it may where others want the
/// processor, at once: what was done until the last checkpoint is kept.
fn end(why: &str) {
    INTERRUPTED.store(true, Ordering::Relaxed);
    std::thread::spawn(|| {
        std::thread::sleep(ENDS_WITHIN);
        std::process::exit(130);
    });
    // Of a bot that was killed nobody reads it any more, and eprintln would panic.
    let _ = writeln!(stderr(), "{why}: stopping after this step");
}

const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// Gets the processor only when nobody else wants it. Threads have the priority of the thread that
/// starts them: to be called before there are any.
pub fn give_way() {
    #[cfg(unix)]
    // Otherwise it trains all the same.
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        eprintln!("this training runs at the usual priority: {error}");
    }
}

static PAUSED: AtomicBool = AtomicBool::new(false);

/// Waits while the training is paused, and breaks when it is to stop. `paused` is told at the
/// beginning and at the end of a pause.
pub fn wait_while_paused(paused: impl Fn(bool)) -> ControlFlow<()> {
    // A pause of minutes ends soon enough.
    const LOOK_EVERY: Duration = Duration::from_millis(50);
    let interrupted = || INTERRUPTED.load(Ordering::Relaxed);
    if PAUSED.load(Ordering::Relaxed) && !interrupted() {
        paused(true);
        while PAUSED.load(Ordering::Relaxed) && !interrupted() {
            std::thread::sleep(LOOK_EVERY);
        }
        paused(false);
    }
    match interrupted() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}
