//! The generator on the real model.

mod support;

use std::sync::Arc;

use accord::inference::drafting::{DraftingSettings, draft};
use accord::inference::generator::Generator;
use accord::inference::serving::{Sampling, ServedModel};
use futures::future::join_all;

const GREEDY: Sampling = Sampling {
    temperature: 0.0,
    top_p: 1.0,
    max_tokens: 16,
};

fn prompts(model: &ServedModel) -> Vec<Vec<u32>> {
    [
        "The capital of France is",
        "A good bus line needs",
        "1, 2, 3, 4,",
    ]
    .map(|text| model.tokenizer.encode(text).unwrap())
    .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_made_together_give_what_they_give_one_after_another() {
    let model = support::served_model().await;
    let mut apart = Vec::new();
    for prompt in prompts(&model) {
        apart.push(model.sample(prompt, GREEDY, 0, |_| false).await.unwrap());
    }
    let together = join_all(
        prompts(&model)
            .into_iter()
            .map(|prompt| model.sample(prompt, GREEDY, 0, |_| false)),
    )
    .await;
    let together: Vec<Vec<u32>> = together.into_iter().map(Result::unwrap).collect();
    assert_eq!(together, apart);
    let paris = model.tokenizer.decode(&apart[0]).unwrap();
    assert!(paris.contains("Paris"), "{paris}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_seed_draws_its_own_text() {
    let model = support::served_model().await;
    let sampling = Sampling {
        temperature: 1.0,
        top_p: 0.8,
        max_tokens: 16,
    };
    let mut drawn = Vec::new();
    for seed in [1, 2, 3, 1] {
        let prompt = prompts(&model).swap_remove(1);
        drawn.push(
            model
                .sample(prompt, sampling, seed, |_| false)
                .await
                .unwrap(),
        );
    }
    assert_eq!(drawn[0], drawn[3]);
    assert!(
        drawn[0] != drawn[1] && drawn[1] != drawn[2] && drawn[0] != drawn[2],
        "{drawn:?}"
    );
}

/// Resident memory in MiB.
#[cfg(target_os = "linux")]
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn twenty_drafts_do_not_grow_the_memory() {
    let example = support::night_buses();
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
        generator
            .write(&example.question, &example.opinions, sampling, seed)
            .await
            .unwrap();
        if seed == 4 {
            after_five = resident();
        }
    }
    // mistral.rs would keep 12 to 24 MB of each if its prefix cache were on.
    let grown = resident() - after_five;
    assert!(grown < 60.0, "{grown:.0} MiB more after 15 more drafts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_exceeds_the_context_is_read_in_balanced_subsets() {
    let example = support::night_buses();
    let mut model = Arc::into_inner(support::served_model().await).unwrap();
    model.context_length = 560;
    let generator = Generator {
        model: Arc::new(model),
        prompts: support::config().prompts().unwrap(),
    };
    let settings = DraftingSettings {
        candidates: 3,
        max_tokens: 24,
        redraws: 8,
        ..support::config().generator
    };
    let mut opinions = example.opinions.clone();
    opinions.extend(
        example
            .opinions
            .iter()
            .map(|opinion| format!("Indeed. {opinion}")),
    );
    let drafts = draft(
        &generator,
        &example.question,
        &opinions,
        &settings,
        3,
        |_| (),
    )
    .await
    .unwrap();
    let fit = drafts.candidates[0].opinions_read.len();
    assert!((2..10).contains(&fit), "{fit}");
    let mut times_read = vec![0; opinions.len()];
    for candidate in &drafts.candidates {
        assert_eq!(candidate.opinions_read.len(), fit);
        for &opinion in &candidate.opinions_read {
            times_read[opinion] += 1;
        }
    }
    if drafts.candidates.len() == 3 {
        let (least, most) = (
            times_read.iter().min().unwrap(),
            times_read.iter().max().unwrap(),
        );
        assert!(most - least <= 1, "{times_read:?}");
    }

    let error = {
        let mut model = Arc::into_inner(generator.model).unwrap();
        model.context_length = 200;
        let generator = Generator {
            model: Arc::new(model),
            prompts: support::config().prompts().unwrap(),
        };
        draft(
            &generator,
            &example.question,
            &opinions,
            &settings,
            3,
            |_| (),
        )
        .await
        .unwrap_err()
    };
    assert!(
        error
            .to_string()
            .starts_with("a context of 200 tokens is too small"),
        "{error}"
    );
}
