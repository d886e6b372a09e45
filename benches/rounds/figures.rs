//! How long it took, and what a process uses.

use std::time::Duration;

use sysinfo::{Pid, Process, ProcessesToUpdate, System};

/// Of a table of [`line`]s.
pub fn heading() {
    println!(
        "{:<14} {:>6} {:>10} {:>10} {:>10} {:>10}",
        "milliseconds", "number", "p50", "p90", "p99", "max"
    );
}

/// Of times in ascending order.
pub fn line(kind: &str, times: &[Duration]) {
    let ms = |percent| percentile(times, percent).as_secs_f64() * 1000.0;
    println!(
        "{kind:<14} {:>6} {:>10.1} {:>10.1} {:>10.1} {:>10.1}",
        times.len(),
        ms(50),
        ms(90),
        ms(99),
        ms(100)
    );
}

/// The least time within which so many percent are.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

/// The time for which a process has kept a core busy.
pub fn cpu_time(process: u32) -> Duration {
    of(process, |process| {
        Duration::from_millis(process.accumulated_cpu_time())
    })
}

/// The memory that a process has in use (its resident set), in MiB.
pub fn memory_mib(process: u32) -> u64 {
    of(process, |process| process.memory() >> 20)
}

fn of<T>(process: u32, figure: impl FnOnce(&Process) -> T) -> T {
    let id = Pid::from_u32(process);
    let mut system = System::new();
    system.refresh_processes(ProcessesToUpdate::Some(&[id]), true);
    figure(system.process(id).expect("the bot runs"))
}
