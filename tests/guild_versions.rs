//! Several guilds with versions of their own in one process, with the real model.

mod support;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use accord::config::Config;
use accord::deliberation::arm::Arm;
use accord::deliberation::id::{Guild, Member};
use accord::deliberation::round::{DraftInput, ModelVersions};
use accord::deliberation::welfare::{InequalityAversion, WelfareFunction};
use accord::facilitator::models::{LocalModels, Models};
use accord::inference::model_files::models_dir;
use accord::inference::reward::RewardModel;
use accord::training::card::{Card, Kind, Metrics};
use accord::training::versions::{Version, VersionId};
use futures::future::join_all;
use serde_json::json;
use support::{accord, night_buses, original_gguf};
use tempfile::TempDir;

/// The settings of a host with a data folder of its own, in which the shipped versions are active.
fn host() -> (Config, TempDir) {
    original_gguf();
    let mut config = support::config();
    let folder = tempfile::tempdir().unwrap();
    symlink(models_dir(&config.data_dir), models_dir(folder.path())).unwrap();
    config.data_dir = folder.path().to_owned();
    config.generator.candidates = 2;
    config.generator.max_tokens = 40;
    config.generator.redraws = 30;
    (config, folder)
}

/// Makes a version active in a guild: what is shipped, its update multiplied with `strength`.
fn activate(config: &Config, kind: Kind, guild: Guild, strength: f32) -> Version {
    activate_measured(config, kind, guild, strength, Metrics::default())
}

/// The same, with other figures on its card.
fn activate_measured(
    config: &Config,
    kind: Kind,
    guild: Guild,
    strength: f32,
    metrics: Metrics,
) -> Version {
    let shipped = config.versions(kind).unwrap().load(&VersionId::Shipped);
    let Version { card, mut adapter } = shipped.unwrap().unwrap();
    adapter.alpha *= strength;
    let made = tempfile::tempdir().unwrap();
    let name = format!("times-{strength}");
    let folder = made.path().join(&name);
    Version::write(&folder, &adapter, |facts| Card {
        name: name.parse().unwrap(),
        adapter: facts,
        metrics,
        ..card
    })
    .unwrap();
    let versions = config.guild_versions(kind, guild).unwrap();
    let id = VersionId::Stored(versions.add(&folder).unwrap());
    versions.activate(&id, true).unwrap();
    versions.load(&id).unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_guilds_with_three_versions_each_get_their_own_predictions() {
    let (config, _folder) = host();
    let guilds = [1, 2, 3].map(Guild);
    let strengths = [0.5, 1.0, 1.5];
    let made: Vec<Version> = guilds
        .into_iter()
        .zip(strengths)
        .map(|(guild, strength)| activate(&config, Kind::Reward, guild, strength))
        .collect();
    let mut list = accord(&["models", "list"]);
    let listed = list.env("ACCORD_DATA_DIR", &config.data_dir).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    for (guild, version) in [(1, "times-0.5"), (2, "times-1"), (3, "times-1.5")] {
        let mut rows = listed.lines().map(|row| row.split_whitespace());
        let row = format!("reward of guild {guild} {version} active");
        assert!(
            rows.any(|cells| cells.take(6).eq(row.split(' '))),
            "{row}: {listed}"
        );
    }
    let models = LocalModels::new(config.clone(), Arc::default()).unwrap();

    let (question, opinions) = (night_buses().question, night_buses().opinions);
    let statements = ["Run them at night.", "Let taxis do it instead."];
    let predicted = async |guild: Guild| {
        let versions = models.active(guild).await.unwrap();
        let predicted = models.predict(&versions, &question, &opinions[0], &statements);
        let predicted = predicted.await.unwrap();
        (
            versions,
            predicted.iter().map(|p| p.mean()).collect::<Vec<f64>>(),
        )
    };
    // All at once and over and over, though only two of them fit into memory together.
    let asked = join_all([0, 1, 2, 0, 1, 2].map(|index| predicted(guilds[index]))).await;
    let mut different = Vec::new();
    for (number, (versions, means)) in asked.into_iter().enumerate() {
        let Version { card, adapter } = &made[number % 3];
        let own = format!("guild-{}/{}", guilds[number % 3], card.name);
        assert_eq!(versions.reward_model, own);
        assert_eq!(versions.generator, "shipped");
        let alone = RewardModel::packed_from(
            &original_gguf(),
            Some(adapter),
            config.prompts().unwrap(),
            card.calibration.unwrap(),
        )
        .unwrap();
        let expected = alone.predict(&question, &opinions[0], &statements).await;
        for (mean, expected) in means.iter().zip(expected.unwrap()) {
            assert!((mean - expected.mean()).abs() < 1e-4, "{own}");
        }
        different.push(means[0]);
    }
    different.sort_by(f64::total_cmp);
    different.dedup();
    assert_eq!(different.len(), 3, "{different:?}");

    // Who has none gets the host's, and so does whoever's is damaged or gone.
    let host = ModelVersions {
        generator: "shipped".to_owned(),
        reward_model: "shipped".to_owned(),
    };
    assert_eq!(models.active(Guild(4)).await.unwrap(), host);
    let versions = config.guild_versions(Kind::Reward, guilds[0]).unwrap();
    remove(&versions.folder.join("times-0.5"));
    assert_eq!(models.active(guilds[0]).await.unwrap(), host);
}

fn remove(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drafting_finishes_unchanged_while_another_version_takes_the_place_of_its_own() {
    let (mut config, _folder) = host();
    config.models.resident = 1;
    let guild = Guild(7);
    activate(&config, Kind::Generator, guild, 1.5);
    let models = LocalModels::new(config.clone(), Arc::default()).unwrap();
    let input = DraftInput {
        question: night_buses().question,
        opinions: (1..).map(Member).zip(night_buses().opinions).collect(),
        revision: None,
        stage: 0,
        experiment: false,
    };
    let before = models.active(guild).await.unwrap();
    let draft = async |versions: &ModelVersions| {
        let drafted = models.draft(versions, &input, &[], 3, &|_| ()).await;
        let texts = drafted.unwrap().into_iter().map(|draft| draft.text);
        texts.collect::<Vec<String>>()
    };
    let undisturbed = draft(&before).await;

    let swap = async {
        activate(&config, Kind::Generator, guild, 0.25);
        let after = models.active(guild).await.unwrap();
        assert_eq!(after.generator, "guild-7/times-0.25");
        draft(&after).await
    };
    let (meanwhile, swapped) = tokio::join!(draft(&before), swap);
    assert_eq!(meanwhile, undisturbed);
    assert_ne!(swapped, undisturbed);
    assert_eq!(draft(&before).await, undisturbed, "loaded again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_drafts_with_the_base_model_too_wherever_there_is_room_for_one() {
    let (mut config, _folder) = host();
    config.models.resident = 1;
    config.generator.candidates = 3;
    // The base model seldom ends sooner.
    config.generator.max_tokens = 80;
    let models = LocalModels::new(config.clone(), Arc::default()).unwrap();
    let input = DraftInput {
        question: night_buses().question,
        opinions: (1..).map(Member).zip(night_buses().opinions).collect(),
        revision: None,
        stage: 0,
        experiment: true,
    };
    let drafted = async |generator: &str| {
        let versions = ModelVersions {
            generator: generator.to_owned(),
            reward_model: "shipped".to_owned(),
        };
        let drafted = models.draft(&versions, &input, &[], 3, &|_| ()).await;
        drafted.unwrap().into_iter().map(|draft| draft.provenance)
    };
    let by = |arm, generator: &str| (Some(arm), generator.to_owned());
    let trained = "SmolLM2-135M-Instruct + shipped";
    let base = "SmolLM2-135M-Instruct";

    let found: Vec<_> = drafted("shipped")
        .await
        .map(|of| (of.arm, of.generator))
        .collect();
    let expected = [
        by(Arm::Sft, trained),
        by(Arm::Accord, trained),
        by(Arm::Accord, trained),
        by(Arm::ZeroShot, base),
    ];
    assert_eq!(found, expected);

    // Where the base model is active itself, one draft as it came is a zero-shot one.
    let found: Vec<_> = drafted("base")
        .await
        .map(|of| (of.arm, of.generator))
        .collect();
    let expected = [
        by(Arm::ZeroShot, base),
        by(Arm::Accord, base),
        by(Arm::Accord, base),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_version_is_calibrated_by_its_own_card() {
    let (config, _folder) = host();
    let estimate = |value: f64| json!({ "value": value, "interval": null });
    let utilitarian = json!({
        "deliberations": 60,
        "probability_best": 0.6,
        "chosen_is_best": estimate(0.62),
        "expected_calibration_error": estimate(0.06),
        "interval_coverage": estimate(0.9),
        "bins": [],
    });
    let metrics = Metrics {
        cross_fitted: Some(json!({ "certainty": { "utilitarian": utilitarian } })),
        ..Metrics::default()
    };
    let guild = Guild(7);
    activate_measured(&config, Kind::Reward, guild, 1.5, metrics);
    let models = LocalModels::new(config.clone(), Arc::default()).unwrap();
    let own = models.active(guild).await.unwrap();
    assert_eq!(own.reward_model, "guild-7/times-1.5");
    let mean = WelfareFunction::Alpha(InequalityAversion::UTILITARIAN);
    assert!(models.is_calibrated(&own, mean).await.unwrap());
    let schulze = models.is_calibrated(&own, WelfareFunction::Schulze);
    assert!(!schulze.await.unwrap());
    // Nothing is known of a base model.
    let base = ModelVersions {
        reward_model: "base".to_owned(),
        ..own.clone()
    };
    assert!(!models.is_calibrated(&base, mean).await.unwrap());
    remove(&config.guild_versions(Kind::Reward, guild).unwrap().folder);
    assert!(models.is_calibrated(&own, mean).await.is_err());
}
