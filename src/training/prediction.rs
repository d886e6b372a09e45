//! What a reward model predicts for whole data sets.

use std::collections::HashMap;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::deliberation::distribution::RatingDistribution;
use crate::deliberation::record::{Deliberation, Vote, VotedMember};
use crate::inference::reward::{RewardModel, TextTooLong};

/// Which opinion the reward model reads before it predicts a member's ratings. With another than
/// the member's own, what is left of its accuracy does not come from the opinion.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OpinionShown {
    /// The member's
    Own,
    /// That of the next member of the same group
    Swapped,
    /// None
    Blank,
}

/// What is predicted for a deliberation.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictedDeliberation {
    /// `ratings[opinion][statement]`; `None` where there is no real rating, and where the texts
    /// are too long.
    pub ratings: Vec<Vec<Option<RatingDistribution>>>,
    /// The real ratings that have no prediction, since the texts are too long.
    pub too_long: Vec<TextTooLong>,
}

/// What is predicted for a member with votes.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictedVotes {
    /// One a vote; `None` where the member passed, and where the texts are too long.
    pub ratings: Vec<Option<RatingDistribution>>,
    /// The agreements and disagreements that have no prediction, since the texts are too long.
    pub too_long: Vec<TextTooLong>,
}

/// Predicts every rating that there is, in the order of `deliberations`. `progress` is told after
/// each member how many are done.
///
/// # Errors
/// The engine's. Texts that are too long are no error.
pub async fn predict_all(
    model: &RewardModel,
    deliberations: &[Deliberation],
    opinion: OpinionShown,
    mut progress: impl FnMut(usize),
) -> Result<Vec<PredictedDeliberation>> {
    let mut done = 0;
    let mut all = Vec::with_capacity(deliberations.len());
    for deliberation in deliberations {
        let Deliberation {
            question,
            opinions,
            statements,
            ..
        } = deliberation;
        let mut ratings = Vec::with_capacity(opinions.len());
        let mut too_long = Vec::new();
        for member in 0..opinions.len() {
            let shown = match opinion {
                OpinionShown::Own => &opinions[member],
                OpinionShown::Swapped => &opinions[(member + 1) % opinions.len()],
                OpinionShown::Blank => NO_OPINION,
            };
            let rated: Vec<Option<&str>> = statements
                .iter()
                .map(|statement| statement.agreement[member].map(|_| statement.text.as_str()))
                .collect();
            ratings.push(predict_member(model, question, shown, &rated, &mut too_long).await?);
            done += 1;
            progress(done);
        }
        all.push(PredictedDeliberation { ratings, too_long });
    }
    Ok(all)
}

/// Predicts every agreement and disagreement, in the order of `members`. A swapped opinion is
/// that of the next member of the same conversation. `progress` is told after each member how
/// many are done.
///
/// # Errors
/// The engine's. Texts that are too long are no error.
pub async fn predict_votes(
    model: &RewardModel,
    members: &[VotedMember],
    opinion: OpinionShown,
    mut progress: impl FnMut(usize),
) -> Result<Vec<PredictedVotes>> {
    let mut conversations: HashMap<&str, Vec<usize>> = HashMap::new();
    for (number, member) in members.iter().enumerate() {
        conversations
            .entry(&member.conversation)
            .or_default()
            .push(number);
    }
    let mut next: Vec<usize> = (0..members.len()).collect();
    for conversation in conversations.values() {
        for (place, &member) in conversation.iter().enumerate() {
            next[member] = conversation[(place + 1) % conversation.len()];
        }
    }
    let mut all = Vec::with_capacity(members.len());
    for (number, member) in members.iter().enumerate() {
        let shown = match opinion {
            OpinionShown::Own => &member.opinion,
            OpinionShown::Swapped => &members[next[number]].opinion,
            OpinionShown::Blank => NO_OPINION,
        };
        let voted: Vec<Option<&str>> = member
            .votes
            .iter()
            .map(|cast| (cast.vote != Vote::Pass).then_some(cast.statement.as_str()))
            .collect();
        let mut too_long = Vec::new();
        all.push(PredictedVotes {
            ratings: predict_member(model, &member.question, shown, &voted, &mut too_long).await?,
            too_long,
        });
        progress(number + 1);
    }
    Ok(all)
}

/// The prompt needs some text.
const NO_OPINION: &str = "(no opinion given)";

/// One prediction a statement, and none where there is no statement.
async fn predict_member(
    model: &RewardModel,
    question: &str,
    opinion: &str,
    statements: &[Option<&str>],
    too_long: &mut Vec<TextTooLong>,
) -> Result<Vec<Option<RatingDistribution>>> {
    let texts: Vec<&str> = statements.iter().copied().flatten().collect();
    if texts.is_empty() {
        return Ok(vec![None; statements.len()]);
    }
    let mut predicted = Vec::with_capacity(texts.len());
    match unless_too_long(model.predict(question, opinion, &texts).await)? {
        Ok(all) => predicted.extend(all.into_iter().map(Some)),
        // One of them does not fit: find out which.
        Err(_) => {
            for text in texts {
                match unless_too_long(model.predict(question, opinion, &[text]).await)? {
                    Ok(one) => predicted.extend(one.into_iter().map(Some)),
                    Err(error) => {
                        too_long.push(error);
                        predicted.push(None);
                    }
                }
            }
        }
    }
    let mut predicted = predicted.into_iter();
    Ok(statements
        .iter()
        .map(|statement| statement.and_then(|_| predicted.next().flatten()))
        .collect())
}

fn unless_too_long<T>(predicted: Result<T>) -> Result<Result<T, TextTooLong>> {
    predicted.map(Ok).or_else(|error| error.downcast().map(Err))
}
