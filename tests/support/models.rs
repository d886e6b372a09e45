//! The real models, as tests of rounds use them: asked the same only once a test program, and failing
//! when a test wants them to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use accord::deliberation::distribution::RatingDistribution;
use accord::deliberation::id::{Guild, Member};
use accord::deliberation::round::{Candidate, DraftInput, ModelVersions, RevisionInput};
use accord::deliberation::welfare::WelfareFunction;
use accord::facilitator::models::{LocalModels, Models};
use anyhow::{Result, bail};
use chrono::TimeDelta;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, OnceCell};

use super::bot;

/// Three short candidates from the real models, which remember what they wrote: a drafting takes
/// seconds, and for most tests any real candidates will do. One is drafted at a time, whichever
/// test waits for it.
pub async fn remembering() -> Arc<dyn Models> {
    static MODELS: OnceCell<Arc<Remembering>> = OnceCell::const_new();
    let made = MODELS.get_or_init(|| async {
        Arc::new(Remembering {
            real: bot::models(3, 40).await,
            drafted: Mutex::default(),
            predicted: Mutex::default(),
        })
    });
    made.await.clone()
}

struct Remembering {
    real: Arc<LocalModels>,
    drafted: Mutex<Vec<(DraftInput, Vec<Candidate>)>>,
    predicted: Mutex<Vec<(Question, Vec<RatingDistribution>)>>,
}

/// Question, opinion and statements.
type Question = (String, String, Vec<String>);

const SEED: u64 = 2022;

impl Models for Remembering {
    fn wanted(&self) -> usize {
        self.real.wanted()
    }

    fn active(&self, guild: Guild) -> BoxFuture<'_, Result<ModelVersions>> {
        self.real.active(guild)
    }

    fn draft<'a>(
        &'a self,
        versions: &'a ModelVersions,
        input: &'a DraftInput,
        names: &'a [String],
        _: u64,
        drafted: &'a (dyn Fn(usize) + Send + Sync),
    ) -> BoxFuture<'a, Result<Vec<Candidate>>> {
        async move {
            let task = Task::of(input);
            let mut known = self.drafted.lock().await;
            let earlier = known.iter().find(|(input, _)| *input == task.input);
            let candidates = match earlier {
                Some((_, candidates)) => candidates.clone(),
                None => {
                    let written = self
                        .real
                        .draft(versions, &task.input, names, SEED, drafted)
                        .await?;
                    known.push((task.input.clone(), written.clone()));
                    written
                }
            };
            drafted(candidates.len());
            Ok(task.of_its_members(candidates))
        }
        .boxed()
    }

    fn predict<'a>(
        &'a self,
        versions: &'a ModelVersions,
        question: &'a str,
        opinion: &'a str,
        statements: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<RatingDistribution>>> {
        async move {
            let owned = statements.iter().map(|&text| text.to_owned()).collect();
            let asked = (question.to_owned(), opinion.to_owned(), owned);
            let mut known = self.predicted.lock().await;
            if let Some((_, ratings)) = known.iter().find(|(earlier, _)| *earlier == asked) {
                return Ok(ratings.clone());
            }
            let ratings = self
                .real
                .predict(versions, question, opinion, statements)
                .await?;
            known.push((asked, ratings.clone()));
            Ok(ratings)
        }
        .boxed()
    }

    fn tested_languages(&self, guild: Guild) -> BoxFuture<'_, Result<Option<BTreeSet<String>>>> {
        self.real.tested_languages(guild)
    }

    fn is_calibrated<'a>(
        &'a self,
        versions: &'a ModelVersions,
        welfare: WelfareFunction,
    ) -> BoxFuture<'a, Result<bool>> {
        self.real.is_calibrated(versions, welfare)
    }
}

/// A drafting whoever it is for: the members are numbered by what they wrote.
struct Task {
    input: DraftInput,
    authors: Vec<Member>,
    critics: Vec<Member>,
}

impl Task {
    fn of(input: &DraftInput) -> Self {
        let (opinions, authors) = numbered(&input.opinions);
        let mut critics = Vec::new();
        let revision = input.revision.as_ref().map(|revision| {
            let (critiques, their_critics) = numbered(&revision.critiques);
            critics = their_critics;
            RevisionInput {
                critiques,
                ..revision.clone()
            }
        });
        let input = DraftInput {
            opinions,
            revision,
            ..input.clone()
        };
        Self {
            input,
            authors,
            critics,
        }
    }

    fn of_its_members(&self, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        for Candidate { provenance, .. } in &mut candidates {
            for reader in &mut provenance.opinions_read {
                *reader = self.authors[reader.0 as usize];
            }
            for reader in &mut provenance.critiques_read {
                *reader = self.critics[reader.0 as usize];
            }
        }
        candidates
    }
}

/// Texts in an order of their own, by numbers instead of members; and the members by number.
fn numbered(written: &[(Member, String)]) -> (Vec<(Member, String)>, Vec<Member>) {
    let mut sorted = written.to_vec();
    sorted.sort_by(|(_, one), (_, other)| one.cmp(other));
    let members = sorted.iter().map(|(member, _)| *member).collect();
    for (number, (member, _)) in sorted.iter_mut().enumerate() {
        *member = Member(number as u64);
    }
    (sorted, members)
}

/// Models that fail at first.
pub struct Failing {
    models: Arc<dyn Models>,
    /// Draftings that are still to fail.
    left: AtomicUsize,
    /// Whose failures they are; the test's own if there is none.
    by: Option<Arc<dyn Models>>,
}

impl Failing {
    pub fn times(failures: usize, models: Arc<dyn Models>) -> Arc<Self> {
        Self::by(None, failures, models)
    }

    /// Where the first draftings are given a millisecond.
    pub async fn too_slow(draftings: usize, models: Arc<dyn Models>) -> Arc<Self> {
        let mut config = super::config();
        config.models.draft_within = TimeDelta::milliseconds(1);
        let impatient = LocalModels::new(config, Arc::default()).unwrap();
        Self::by(Some(Arc::new(impatient)), draftings, models)
    }

    fn by(by: Option<Arc<dyn Models>>, left: usize, models: Arc<dyn Models>) -> Arc<Self> {
        let left = AtomicUsize::new(left);
        Arc::new(Self { models, left, by })
    }
}

impl Models for Failing {
    fn wanted(&self) -> usize {
        self.models.wanted()
    }

    fn active(&self, guild: Guild) -> BoxFuture<'_, Result<ModelVersions>> {
        self.models.active(guild)
    }

    fn draft<'a>(
        &'a self,
        versions: &'a ModelVersions,
        input: &'a DraftInput,
        names: &'a [String],
        seed: u64,
        drafted: &'a (dyn Fn(usize) + Send + Sync),
    ) -> BoxFuture<'a, Result<Vec<Candidate>>> {
        let one_less = |left: usize| left.checked_sub(1);
        let fails = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        match &self.by {
            Some(by) if fails.is_ok() => by.draft(versions, input, names, seed, drafted),
            None if fails.is_ok() => async { bail!("the test asked for this") }.boxed(),
            _ => self.models.draft(versions, input, names, seed, drafted),
        }
    }

    fn predict<'a>(
        &'a self,
        versions: &'a ModelVersions,
        question: &'a str,
        opinion: &'a str,
        statements: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<RatingDistribution>>> {
        self.models.predict(versions, question, opinion, statements)
    }

    fn tested_languages(&self, guild: Guild) -> BoxFuture<'_, Result<Option<BTreeSet<String>>>> {
        self.models.tested_languages(guild)
    }

    fn is_calibrated<'a>(
        &'a self,
        versions: &'a ModelVersions,
        welfare: WelfareFunction,
    ) -> BoxFuture<'a, Result<bool>> {
        self.models.is_calibrated(versions, welfare)
    }
}
