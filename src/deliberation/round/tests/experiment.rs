use std::collections::BTreeSet;

use super::*;

/// Drafts of an experiment: the first two are to be ranked, one of each other arm is not. All members
/// are predicted to rate them so.
const DRAFTS: [(Arm, u8); 4] = [
    (Arm::Accord, 4),
    (Arm::Accord, 5),
    (Arm::Sft, 7),
    (Arm::ZeroShot, 1),
];

fn drafting() -> Scene {
    Scene::drafting(5, |terms| {
        terms.experiment = true;
        terms.revisions = 2;
    })
}

fn drafts(scene: &Scene) -> Vec<Candidate> {
    let made = DRAFTS
        .iter()
        .zip(STATEMENTS)
        .map(|((arm, predicted), text)| {
            let mut candidate = scene.candidate(text);
            candidate.provenance.arm = Some(*arm);
            candidate.predictions = (1..=5)
                .map(|member| (Member(member), sure(*predicted)))
                .collect();
            candidate
        });
    made.collect()
}

fn arms(round: &Round, keys: &[CandidateKey]) -> Vec<Option<Arm>> {
    let arm = |key: &CandidateKey| round.candidate(*key).provenance.arm;
    keys.iter().map(arm).collect()
}

#[test]
fn one_candidate_of_each_arm_is_posted_and_of_what_is_ranked_the_best() {
    let mut scene = drafting();
    assert!(scene.round.draft_input().unwrap().experiment);
    scene.drafted(drafts(&scene));
    let posted = scene.round.stages[0].posted.clone();
    let of_arms: BTreeSet<_> = arms(&scene.round, &posted).into_iter().collect();
    assert_eq!(posted.len(), 3);
    assert_eq!(of_arms, Arm::ALL.map(Some).into());
    let texts = posted.iter().map(|&key| &scene.round.candidate(key).text);
    let expected: BTreeSet<_> = STATEMENTS[1..4]
        .iter()
        .map(|text| (*text).to_owned())
        .collect();
    assert_eq!(texts.cloned().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn an_arm_that_wrote_nothing_is_left_out() {
    let mut scene = drafting();
    let mut written = drafts(&scene);
    written.retain(|candidate| candidate.provenance.arm != Some(Arm::ZeroShot));
    scene.drafted(written);
    let posted = scene.round.stages[0].posted.clone();
    let of_arms: BTreeSet<_> = arms(&scene.round, &posted).into_iter().collect();
    assert_eq!(of_arms, [Arm::Accord, Arm::Sft].map(Some).into());
}

#[test]
fn neither_the_number_of_a_candidate_nor_its_place_tells_its_arm() {
    let (mut numbers, mut places) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..100 {
        let mut scene = drafting();
        scene.rng = StdRng::seed_from_u64(seed);
        scene.drafted(drafts(&scene));
        let posted = &scene.round.stages[0].posted;
        for (place, key) in posted.iter().enumerate() {
            let arm = scene.round.candidate(*key).provenance.arm;
            numbers.insert((arm, key.0));
            places.insert((arm, place));
        }
    }
    // Each of three arms under each of four numbers, at each of three places.
    assert_eq!((numbers.len(), places.len()), (12, 9));
}

#[test]
fn an_experiment_posts_as_many_as_there_are_arms_and_is_not_revised() {
    let mut scene = drafting();
    assert_eq!(usize::from(scene.round.terms.posted), Arm::ALL.len());
    assert_eq!(scene.round.terms.revisions, 0);
    scene.drafted(drafts(&scene));
    scene.open_rating();
    let posted = scene.round.stages[0].posted[0];
    scene.rate(1, posted.0, 1);
    scene.close_rating();
    assert_eq!(scene.result().candidates.len(), 3);
}

#[test]
fn other_rounds_have_no_arms() {
    let scene = Scene::drafting(5, |_| {});
    assert!(!scene.round.draft_input().unwrap().experiment);
    assert_eq!(scene.candidate(STATEMENTS[0]).provenance.arm, None);
}
