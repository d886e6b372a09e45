//! What a guild's rounds can teach the models, and what researchers are given of them: in both only
//! what members wrote and rated who agreed to training.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::id::{Guild, Member, RoundKey};
use super::rating::Likert;
use super::record::{Deliberation, FEWEST_OPINIONS, RatedStatement};
use super::reliability::{self, DOWN_WEIGHTED_BELOW};
use super::round::{CandidateKey, Phase, RatingMode, Round};

/// What can be trained on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    /// One for each round that can be used.
    pub deliberations: Vec<Deliberation>,
    /// Which rounds those are, in the same order.
    pub rounds: Vec<RoundKey>,
    /// People whose opinions are in it; who is in two guilds counts twice.
    pub members: usize,
    /// Who those are.
    pub contributors: BTreeSet<(Guild, Member)>,
    /// Ratings of agreement.
    pub ratings: usize,
    /// Of the members, those whose ratings weigh less than half: see [`reliability`].
    pub down_weighted: usize,
    /// How many rounds cannot be used, and why.
    pub unusable: BTreeMap<NotUsable, usize>,
}

/// Why nothing is learned from a round.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum NotUsable {
    /// It has no result yet.
    Open,
    /// It ended without a result.
    Cancelled,
    /// Training was off when it was opened, so its members were told that it trains nothing.
    OpenedWithout,
    /// Fewer than three of its participants agreed to training.
    TooFewAgreed,
    /// Enough agreed, but fewer than three of their opinions are still there.
    TextsDeleted,
    /// Fewer than two of them rated at least two candidates each.
    TooFewRatings,
}

impl Gathered {
    /// Adds what was gathered from another guild.
    pub fn add(&mut self, other: Self) {
        self.deliberations.extend(other.deliberations);
        self.rounds.extend(other.rounds);
        self.members += other.members;
        self.contributors.extend(other.contributors);
        self.ratings += other.ratings;
        self.down_weighted += other.down_weighted;
        for (why, rounds) in other.unusable {
            *self.unusable.entry(why).or_default() += rounds;
        }
    }
}

/// What one guild's rounds teach, by those who agreed: every opinion whose text is there, and every
/// candidate that was posted, was not withdrawn, and that one of them rated. Nobody else occurs in
/// it. Participants stand in the order of their ids; nothing depends on anything but the arguments.
pub fn gather(rounds: &[Round], agreed: &BTreeSet<Member>) -> Gathered {
    let weights = weights(rounds, agreed);
    let weight = |member: &Member| weights.get(member).copied().unwrap_or(1.0);
    let mut gathered = Gathered::default();
    let mut members = BTreeSet::new();
    for round in rounds {
        let participants = match usable(round, agreed) {
            Ok(participants) => participants,
            Err(why) => {
                *gathered.unusable.entry(why).or_default() += 1;
                continue;
            }
        };
        let id = format!("{}-{}", round.key.guild, round.key.number);
        let mut deliberation = deliberation(round, id, &participants);
        deliberation.weights = participants.iter().map(weight).collect();
        let agreement = deliberation.statements.iter().flat_map(|s| &s.agreement);
        gathered.ratings += agreement.flatten().count();
        gathered.deliberations.push(deliberation);
        gathered.rounds.push(round.key);
        let contributors = participants.iter().map(|member| (round.key.guild, *member));
        gathered.contributors.extend(contributors);
        members.extend(participants);
    }
    let down_weighted = |member: &&Member| weight(member) < DOWN_WEIGHTED_BELOW;
    gathered.down_weighted = members.iter().filter(down_weighted).count();
    gathered.members = members.len();
    gathered
}

/// A round for researchers, as a line of JSON that can be read as a [`Deliberation`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exported {
    /// Without a rating where those are unlinked.
    #[serde(flatten)]
    pub deliberation: Deliberation,
    /// Pseudonyms of the authors, one an opinion: the same person has another one in every round.
    pub participants: Vec<String>,
    /// How those who agreed rated each statement, in ascending order, where everybody could see who
    /// gave which rating: nothing tells which opinion a rating belongs to, since its author could be
    /// told by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlinked_agreement: Option<Vec<Vec<u8>>>,
}

/// What researchers are given of a round; `None` if it could not be trained on either. Whoever knows
/// `key` can tell from a member's id which pseudonym is theirs, and nobody else.
pub fn export(round: &Round, agreed: &BTreeSet<Member>, key: &[u8; 32]) -> Option<Exported> {
    let participants = usable(round, agreed).ok()?;
    // By pseudonym: ids tell who came to Discord first.
    let mut participants: Vec<(String, Member)> = participants
        .into_iter()
        .map(|member| (pseudonym(key, round.key, Some(member)), member))
        .collect();
    participants.sort();
    let (participants, members): (Vec<String>, Vec<Member>) = participants.into_iter().unzip();
    let id = pseudonym(key, round.key, None);
    let mut deliberation = deliberation(round, id, &members);
    let unlinked_agreement = match round.terms.rating {
        RatingMode::Private => None,
        RatingMode::Reactions => {
            let unlink = |statement: &mut RatedStatement| {
                let ratings = statement.agreement.iter_mut().filter_map(Option::take);
                let mut ratings: Vec<u8> = ratings.collect();
                ratings.sort_unstable();
                ratings
            };
            Some(deliberation.statements.iter_mut().map(unlink).collect())
        }
    };
    Some(Exported {
        deliberation,
        participants,
        unlinked_agreement,
    })
}

/// The participants that something can be learned of, if that is enough: three who agreed and whose
/// texts are there, since fewer are no group, and of those two who rated two candidates, since most
/// of what is learned is which of two somebody prefers.
fn usable(round: &Round, agreed: &BTreeSet<Member>) -> Result<Vec<Member>, NotUsable> {
    match round.phase {
        Phase::Concluded { .. } => {}
        Phase::Cancelled { .. } => return Err(NotUsable::Cancelled),
        _ => return Err(NotUsable::Open),
    }
    if !round.terms.training {
        return Err(NotUsable::OpenedWithout);
    }
    let mut opinions: Vec<_> = round.opinions.iter().collect();
    opinions.retain(|(member, _)| agreed.contains(*member));
    if opinions.len() < FEWEST_OPINIONS {
        return Err(NotUsable::TooFewAgreed);
    }
    opinions.retain(|(_, opinion)| opinion.text.is_some());
    if opinions.len() < FEWEST_OPINIONS {
        return Err(NotUsable::TextsDeleted);
    }
    let members: Vec<Member> = opinions.into_iter().map(|(member, _)| *member).collect();
    let posted = posted(round);
    let compares = |member: &&Member| {
        let rated = posted
            .iter()
            .filter(|&&key| agreement(round, key, **member).is_some());
        rated.count() >= 2
    };
    if members.iter().filter(compares).count() < 2 {
        return Err(NotUsable::TooFewRatings);
    }
    Ok(members)
}

/// With everybody's weight 1.
fn deliberation(round: &Round, id: String, participants: &[Member]) -> Deliberation {
    let text = |member: &Member| round.opinions.get(member)?.text.clone();
    let statements = posted(round).into_iter().filter_map(|key| {
        let agreement: Vec<Option<u8>> = participants
            .iter()
            .map(|&member| agreement(round, key, member).map(u8::from))
            .collect();
        agreement.iter().any(Option::is_some).then(|| {
            let rating = |member: &Member| round.ratings.get(&(key, *member))?.quality;
            RatedStatement {
                text: round.candidate(key).text.clone(),
                agreement,
                quality: median(participants.iter().filter_map(rating).collect()),
                kind: None,
                arm: None,
            }
        })
    });
    Deliberation {
        id: Some(id),
        topic: None,
        question: round.question.clone(),
        opinions: participants.iter().filter_map(text).collect(),
        weights: vec![1.0; participants.len()],
        statements: statements.collect(),
    }
}

/// In all stages, without those whose messages were deleted.
fn posted(round: &Round) -> BTreeSet<CandidateKey> {
    let posted = round.stages.iter().flat_map(|stage| &stage.posted).copied();
    posted
        .filter(|&key| round.candidate(key).withdrawn_at.is_none())
        .collect()
}

fn agreement(round: &Round, candidate: CandidateKey, member: Member) -> Option<Likert> {
    round.ratings.get(&(candidate, member))?.agreement
}

/// Of two in the middle the higher one where their mean is no whole number.
fn median(mut ratings: Vec<Likert>) -> Option<u8> {
    ratings.sort();
    let middle = ratings.len() / 2;
    let upper = u8::from(*ratings.get(middle)?);
    let lower = u8::from(ratings[(ratings.len() - 1) / 2]);
    Some((lower + upper).div_ceil(2))
}

/// By what those who agreed rated twice, in all rounds.
fn weights(rounds: &[Round], agreed: &BTreeSet<Member>) -> BTreeMap<Member, f64> {
    let mut twice: BTreeMap<Member, Vec<(Likert, Likert)>> = BTreeMap::new();
    let mut pooled = Vec::new();
    for ((_, member), rating) in rounds.iter().flat_map(|round| &round.ratings) {
        let Some(first) = rating.agreement.filter(|_| agreed.contains(member)) else {
            continue;
        };
        pooled.push(first);
        if let Some(second) = rating.again {
            twice.entry(*member).or_default().push((first, second));
        }
    }
    reliability::weights(&twice, &pooled)
}

/// Of a member in a round, or of the round itself.
fn pseudonym(key: &[u8; 32], round: RoundKey, member: Option<Member>) -> String {
    // All parts have a fixed length, so that no two inputs run into one.
    let hash = Sha256::new()
        .chain_update(key)
        .chain_update(round.guild.0.to_be_bytes())
        .chain_update(round.number.to_be_bytes())
        .chain_update([u8::from(member.is_some())])
        .chain_update(member.map_or(0, |member| member.0).to_be_bytes())
        .finalize();
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
