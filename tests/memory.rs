//! What stays in memory after drafting. One test, so that no other one is measured.
#![cfg(target_os = "linux")]

mod support;

use accord::inference::generator::Generator;
use accord::inference::prompts::Brief;
use accord::inference::serving::Sampling;

/// Resident memory in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_drafts_do_not_grow_the_memory() {
    let example = support::night_buses();
    let brief = Brief {
        question: &example.question,
        opinions: &example.opinions,
        revision: None,
    };
    let generator = Generator {
        model: support::served_model().await,
        prompts: support::config().prompts().unwrap(),
    };
    let sampling = Sampling {
        temperature: 1.0,
        top_p: 0.8,
        max_tokens: 24,
    };
    let mut after_five = 0.0;
    for seed in 0..20 {
        generator.write(&brief, sampling, seed).await.unwrap();
        if seed == 4 {
            after_five = resident();
        }
    }
    // mistral.rs would keep 12 to 24 MB of each if its prefix cache were on.
    let grown = resident() - after_five;
    assert!(grown < 60.0, "{grown:.0} MiB more after 15 more drafts");
}
