//! The generator on the real model.

mod support;

use std::sync::Arc;

use accord::inference::drafting::{DraftingSettings, draft, shorten_to_tokens};
use accord::inference::generator::Generator;
use accord::inference::prompts::Brief;
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
async fn no_opinion_takes_more_tokens_than_it_may_have_characters() {
    let model = support::served_model().await;
    let tokens = |text: &str| model.tokenizer.encode(text).unwrap().len();
    let short = |text: &str| shorten_to_tokens(&model.tokenizer, text, 1200).unwrap();
    let flood = "🚌".repeat(1200);
    assert!(tokens(&flood) > 3000);
    assert!((1000..=1200).contains(&tokens(&short(&flood))));
    let opinion = "I care that I am in it. ".repeat(50);
    assert_eq!(short(&opinion), opinion);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_given_up_keeps_nobody_else_from_being_served() {
    let model = support::served_model().await;
    let long = Sampling {
        max_tokens: 64,
        ..GREEDY
    };
    let prompt = prompts(&model).swap_remove(1);
    let given_up = model.sample(prompt.clone(), long, 0, |_| false);
    let moment = std::time::Duration::from_millis(300);
    assert!(tokio::time::timeout(moment, given_up).await.is_err());
    let drawn = model.sample(prompt, GREEDY, 0, |_| false).await.unwrap();
    assert_eq!(drawn.len(), 16);
}

async fn generator_with_context(tokens: usize) -> Generator {
    let mut model = support::served_model().await;
    Arc::get_mut(&mut model).unwrap().context_length = tokens;
    let prompts = support::config().prompts().unwrap();
    Generator { model, prompts }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_exceeds_the_context_is_read_in_balanced_subsets() {
    let example = support::night_buses();
    let mut opinions = example.opinions.clone();
    opinions.extend(
        example
            .opinions
            .iter()
            .map(|opinion| format!("Indeed. {opinion}")),
    );
    let settings = DraftingSettings {
        candidates: 3,
        max_tokens: 32,
        redraws: 60,
        ..support::config().generator
    };
    let brief = Brief {
        question: &example.question,
        opinions: &opinions,
        revision: None,
    };
    let generator = generator_with_context(480).await;
    let drafts = draft(&generator, &brief, &[], &settings, 3, |_| ())
        .await
        .unwrap();
    assert_eq!(drafts.candidates.len(), 3);
    let mut times_read = vec![0; opinions.len()];
    for candidate in &drafts.candidates {
        assert!(
            (2..10).contains(&candidate.opinions_read.len()),
            "{candidate:?}"
        );
        for &opinion in &candidate.opinions_read {
            times_read[opinion] += 1;
        }
    }
    let (least, most) = (
        times_read.iter().min().unwrap(),
        times_read.iter().max().unwrap(),
    );
    assert!(most - least <= 1, "{times_read:?}");

    let generator = generator_with_context(200).await;
    let error = draft(&generator, &brief, &[], &settings, 3, |_| ())
        .await
        .unwrap_err();
    let expected = "a context of 200 tokens is too small for two of these opinions";
    assert!(error.to_string().starts_with(expected), "{error}");
}
