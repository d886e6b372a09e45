//! A conversation as Polis exports it: comments.csv, participants-votes.csv and summary.csv.
//!
//! What a participant wrote stands for that participant's opinion; a vote is a rating of somebody
//! else's comment: agree [`AGREE`], pass [`PASS`], disagree [`DISAGREE`]. Participants who wrote
//! something are put into small groups who voted on the same comments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use csv::{ReaderBuilder, StringRecord};

use crate::deliberation::record::{
    Deliberation, FEWEST_OPINIONS, OPINION_CHARACTERS, QUESTION_CHARACTERS, RatedStatement,
    STATEMENT_CHARACTERS,
};
use crate::suggestion::path_or_similar;

/// The rating that an agreement becomes: people who click on agree need not agree strongly.
pub const AGREE: u8 = 6;
/// Neither.
pub const PASS: u8 = 4;
pub const DISAGREE: u8 = 2;

/// What became of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    pub deliberations: Vec<Deliberation>,
    /// Participants who voted.
    pub voters: usize,
    /// Those of them who wrote something that was not rejected.
    pub authors: usize,
    /// Those who are in a deliberation.
    pub members: usize,
    /// The counts in comments.csv say that 1 means disagree and -1 agree, and so it was read.
    pub signs_swapped: bool,
}

/// Reads a folder with a conversation. `name` is what its deliberations are called.
///
/// # Errors
/// A file that is missing or is not what Polis exports, by line; a conversation in which too few
/// wrote something and voted on the same comments.
pub fn read(folder: &Path, name: &str) -> Result<Imported> {
    let (topic, question) = summary(&text(folder, SUMMARY)?)?;
    let comments = comments(&text(folder, COMMENTS)?)?;
    let mut votes = votes(&text(folder, VOTES)?)?;
    let signs_swapped = are_swapped(&comments, &votes);
    if signs_swapped {
        let cast = votes.values_mut().flat_map(BTreeMap::values_mut);
        cast.for_each(|vote| *vote = -*vote);
    }
    let voters = votes.values().filter(|cast| !cast.is_empty()).count();
    let statements: BTreeMap<u64, &Comment> = comments
        .iter()
        .filter(|(_, comment)| {
            !comment.rejected && STATEMENT_CHARACTERS.contains(&comment.text.chars().count())
        })
        .map(|(id, comment)| (*id, comment))
        .collect();
    let mut participants = Vec::new();
    for (member, cast) in &votes {
        let Some(opinion) = opinion(*member, &statements) else {
            continue;
        };
        // Everybody agrees with what they wrote.
        let of_others = cast.iter().filter(|(comment, _)| {
            statements
                .get(comment)
                .is_some_and(|comment| comment.author != *member)
        });
        participants.push(Participant {
            opinion,
            votes: of_others.map(|(comment, vote)| (*comment, *vote)).collect(),
        });
    }
    let authors = participants.len();
    let mut deliberations = Vec::new();
    let mut members = 0;
    for group in groups(participants) {
        let Some(rated) = rated_statements(&group, &statements) else {
            continue;
        };
        members += group.len();
        deliberations.push(Deliberation {
            id: Some(format!("{name}-{}", deliberations.len() + 1)),
            topic: topic.clone(),
            question: question.clone(),
            weights: vec![1.0; group.len()],
            opinions: group.into_iter().map(|member| member.opinion).collect(),
            statements: rated,
        });
    }
    ensure!(
        !deliberations.is_empty(),
        "of {voters} participants who voted, {authors} wrote something, and no {FEWEST_OPINIONS} of them voted on the same comments: there is nothing to learn from"
    );
    Ok(Imported {
        deliberations,
        voters,
        authors,
        members,
        signs_swapped,
    })
}

const SUMMARY: &str = "summary.csv";
const COMMENTS: &str = "comments.csv";
const VOTES: &str = "participants-votes.csv";

/// So many participants are in one deliberation, if they can be divided so.
const GROUP: usize = 5;
/// So many statements at most, so that what all of them read fits into one step of training.
const STATEMENTS: usize = 8;
/// What a draft reads of an opinion.
const OPINION: usize = 1200;

struct Comment {
    author: u64,
    text: String,
    rejected: bool,
    agrees: u64,
    disagrees: u64,
}

struct Participant {
    opinion: String,
    /// On comments of others: 1, 0 or -1.
    votes: BTreeMap<u64, i8>,
}

fn text(folder: &Path, name: &str) -> Result<String> {
    let path = folder.join(name);
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => anyhow!(
            "{} holds no {name}: a folder with {COMMENTS}, {VOTES} and {SUMMARY}, as Polis exports them, was expected",
            path_or_similar(folder)
        ),
        _ => anyhow!("cannot read {}: {error}", path.display()),
    })?;
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// The topic and the question: the first paragraph of the description that asks something, since
/// many say there how one takes part; else the topic.
fn summary(text: &str) -> Result<(Option<String>, String)> {
    let mut values = BTreeMap::new();
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    for record in reader.records() {
        let record = record.with_context(|| format!("{SUMMARY} is no CSV"))?;
        if let (Some(key), Some(value)) = (record.get(0), record.get(1)) {
            values.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    let mut take = |key: &str| values.remove(key).filter(|value| !value.is_empty());
    let (topic, description) = (take("topic"), take("conversation-description"));
    let description = description.unwrap_or_default();
    let asking = description
        .lines()
        .map(str::trim)
        .find(|line| line.contains(['?', '？']) && is_question(line));
    let question = asking
        .map(str::to_owned)
        .or_else(|| topic.clone().filter(|topic| is_question(topic)));
    let question = question.with_context(|| {
        format!(
            "{SUMMARY} has neither a topic nor a question of {} to {} characters in conversation-description",
            QUESTION_CHARACTERS.start(),
            QUESTION_CHARACTERS.end()
        )
    })?;
    Ok((topic, question))
}

fn is_question(text: &str) -> bool {
    QUESTION_CHARACTERS.contains(&text.chars().count())
}

fn comments(text: &str) -> Result<BTreeMap<u64, Comment>> {
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = header(&mut reader, COMMENTS)?;
    let column = |name: &str| column(&header, COMMENTS, name);
    let (id, author, body) = (
        column("comment-id")?,
        column("author-id")?,
        column("comment-body")?,
    );
    let (agrees, disagrees, moderated) = (
        column("agrees")?,
        column("disagrees")?,
        column("moderated")?,
    );
    let mut comments = BTreeMap::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("{COMMENTS} is no CSV"))?;
        let number = |column: usize| number::<u64>(&record, &header, column, COMMENTS);
        comments.insert(
            number(id)?,
            Comment {
                author: number(author)?,
                text: record.get(body).unwrap_or_default().trim().to_owned(),
                rejected: self::number::<i64>(&record, &header, moderated, COMMENTS)? < 0,
                agrees: number(agrees)?,
                disagrees: number(disagrees)?,
            },
        );
    }
    Ok(comments)
}

/// Of every participant, by comment.
fn votes(text: &str) -> Result<BTreeMap<u64, BTreeMap<u64, i8>>> {
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = header(&mut reader, VOTES)?;
    let participant = column(&header, VOTES, "participant")?;
    // Every comment has a column that is called by its number.
    let comments: Vec<(usize, u64)> = header
        .iter()
        .enumerate()
        .filter_map(|(index, name)| Some((index, name.trim().parse().ok()?)))
        .collect();
    ensure!(
        !comments.is_empty(),
        "{VOTES} has no column of a comment, which is called by its number"
    );
    let mut votes = BTreeMap::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("{VOTES} is no CSV"))?;
        let member = number(&record, &header, participant, VOTES)?;
        let mut cast = BTreeMap::new();
        for &(index, comment) in &comments {
            let vote = match record.get(index).map_or("", str::trim) {
                "" => continue,
                "1" => 1,
                "0" => 0,
                "-1" => -1,
                other => bail!(
                    "{VOTES} line {}: the vote on comment {comment} is {other:?}, expected 1 (agree), 0 (pass), -1 (disagree) or nothing",
                    line(&record)
                ),
            };
            cast.insert(comment, vote);
        }
        votes.insert(member, cast);
    }
    Ok(votes)
}

fn header(reader: &mut csv::Reader<&[u8]>, file: &str) -> Result<StringRecord> {
    let header = reader
        .headers()
        .with_context(|| format!("{file} is no CSV"))?;
    Ok(header.clone())
}

fn column(header: &StringRecord, file: &str, name: &str) -> Result<usize> {
    let found = header.iter().position(|column| column.trim() == name);
    found.with_context(|| {
        let columns: Vec<&str> = header.iter().take(12).collect();
        format!(
            "{file} has no column {name}, as Polis exports it; it has {}",
            columns.join(", ")
        )
    })
}

fn number<T: std::str::FromStr>(
    record: &StringRecord,
    header: &StringRecord,
    column: usize,
    file: &str,
) -> Result<T> {
    let text = record.get(column).unwrap_or_default().trim();
    text.parse().map_err(|_| {
        anyhow!(
            "{file} line {}: {} is {text:?}, expected a number",
            line(record),
            &header[column]
        )
    })
}

fn line(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

/// Whether the counts of comments.csv fit the votes better with their signs swapped: Polis' own
/// database has them so, and so have some exports.
fn are_swapped(
    comments: &BTreeMap<u64, Comment>,
    votes: &BTreeMap<u64, BTreeMap<u64, i8>>,
) -> bool {
    let (mut as_is, mut swapped) = (0, 0);
    for (id, comment) in comments {
        let cast = |vote: i8| {
            let of_comment = votes.values().filter_map(|cast| cast.get(id));
            of_comment.filter(|cast| **cast == vote).count() as u64
        };
        let (ones, minus_ones) = (cast(1), cast(-1));
        as_is += ones.abs_diff(comment.agrees) + minus_ones.abs_diff(comment.disagrees);
        swapped += minus_ones.abs_diff(comment.agrees) + ones.abs_diff(comment.disagrees);
    }
    swapped < as_is
}

/// What a participant wrote, in the order of writing, as much of it as is read.
fn opinion(member: u64, statements: &BTreeMap<u64, &Comment>) -> Option<String> {
    let mut opinion = String::new();
    let own = statements
        .values()
        .filter(|comment| comment.author == member);
    for comment in own {
        let words: Vec<&str> = comment.text.split_whitespace().collect();
        let text = words.join(" ");
        if opinion.chars().count() + 1 + text.chars().count() > OPINION {
            continue;
        }
        if !opinion.is_empty() {
            opinion.push(' ');
        }
        opinion.push_str(&text);
        if text.ends_with(|c: char| c.is_alphanumeric()) {
            opinion.push('.');
        }
    }
    OPINION_CHARACTERS
        .contains(&opinion.chars().count())
        .then_some(opinion)
}

/// Participants who voted on the same comments, beginning with whoever voted most; who is left over
/// where fewer than [`FEWEST_OPINIONS`] are left is in none.
fn groups(mut participants: Vec<Participant>) -> Vec<Vec<Participant>> {
    participants.sort_by_key(|member| std::cmp::Reverse(member.votes.len()));
    let mut groups = Vec::new();
    while participants.len() >= FEWEST_OPINIONS {
        // So that the last ones are not too few.
        let size = match participants.len() {
            6 => 3,
            7 => 4,
            many => GROUP.min(many),
        };
        let first = participants.remove(0);
        let mut common: BTreeSet<u64> = first.votes.keys().copied().collect();
        let mut group = vec![first];
        while group.len() < size {
            let shared = |member: &Participant| {
                let votes = member.votes.keys();
                votes.filter(|comment| common.contains(comment)).count()
            };
            // The first of the best.
            let mut best = (0, 0);
            for (index, member) in participants.iter().enumerate() {
                let shared = shared(member);
                if shared > best.1 {
                    best = (index, shared);
                }
            }
            let next = participants.remove(best.0);
            common.retain(|comment| next.votes.contains_key(comment));
            group.push(next);
        }
        groups.push(group);
    }
    groups
}

/// The comments that most of a group voted on, and of these first those that divide it; `None` if
/// there are fewer than two that at least two voted on.
fn rated_statements(
    group: &[Participant],
    statements: &BTreeMap<u64, &Comment>,
) -> Option<Vec<RatedStatement>> {
    let mut chosen: Vec<(usize, usize, u64)> = statements
        .keys()
        .map(|comment| {
            let cast: Vec<i8> = group
                .iter()
                .filter_map(|member| member.votes.get(comment).copied())
                .collect();
            let count = |vote: i8| cast.iter().filter(|cast| **cast == vote).count();
            (cast.len(), count(1).min(count(-1)), *comment)
        })
        .filter(|(voted, ..)| *voted >= 2)
        .collect();
    chosen.sort_by_key(|&(voted, divided, comment)| (std::cmp::Reverse((voted, divided)), comment));
    chosen.truncate(STATEMENTS);
    let rated = chosen.into_iter().map(|(_, _, comment)| RatedStatement {
        text: statements[&comment].text.clone(),
        agreement: group
            .iter()
            .map(|member| {
                member.votes.get(&comment).map(|vote| match vote {
                    1 => AGREE,
                    0 => PASS,
                    _ => DISAGREE,
                })
            })
            .collect(),
        quality: None,
        kind: None,
        arm: None,
    });
    let rated: Vec<RatedStatement> = rated.collect();
    (rated.len() >= 2).then_some(rated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    #[test]
    fn the_question_is_what_the_description_asks_or_else_the_topic() {
        for (text, expected) in [
            (
                "topic,Brexit\nconversation-description,\"Welcome.\n\n What now? \nVote below.\"\n",
                Some("What now?"),
            ),
            (
                "topic,Is it over?\nconversation-description,\n",
                Some("Is it over?"),
            ),
            (
                "topic,Water\nconversation-description,Closed.\n",
                Some("Water"),
            ),
            ("url,https://pol.is/1\n", None),
        ] {
            let found = summary(text).map(|(_, question)| question);
            match expected {
                Some(expected) => assert_eq!(found.unwrap(), expected),
                None => assert!(found.unwrap_err().to_string().contains("neither a topic")),
            }
        }
    }

    #[test]
    fn people_who_voted_on_the_same_comments_are_in_one_group_and_few_are_left_over() {
        let member = |first: u64| Participant {
            opinion: first.to_string(),
            votes: (first..first + 4).map(|comment| (comment, 1)).collect(),
        };
        for (count, sizes) in [
            (2, vec![]),
            (3, vec![3]),
            (6, vec![3, 3]),
            (7, vec![4, 3]),
            (12, vec![5, 4, 3]),
        ] {
            let found = groups((0..count).map(|_| member(1)).collect());
            let found: Vec<usize> = found.iter().map(Vec::len).collect();
            assert_eq!(found, sizes);
        }
        let mixed: Vec<Participant> = (0..10).map(|index| member(100 * (index % 2))).collect();
        for group in groups(mixed) {
            assert!(
                group
                    .iter()
                    .all(|member| member.opinion == group[0].opinion)
            );
        }
    }

    /// A number of a comment or a participant, now and then none.
    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => (0_u64..6).prop_map(|number| number.to_string()),
            1 => select(vec!["", "-1", "x", "1.0", "18446744073709551616", "\"", " 2 "])
                .prop_map(str::to_owned),
        ]
    }

    fn words() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "[a-z ,]{10,40}",
            1 => select(vec!["", "\"\"", "a\nb", "\0", "\u{202e}", "?", "Why is that so?"])
                .prop_map(str::to_owned),
        ]
    }

    fn quoted(text: &str) -> String {
        format!("\"{}\"", text.replace('"', "\"\""))
    }

    proptest! {
        #[test]
        fn a_conversation_is_imported_within_the_bounds_or_refused(
            topic in words(),
            description in words(),
            comments in vec((number(), number(), number(), number(), number(), words()), 0..8),
            votes in vec((number(), vec(select(vec!["1", "0", "-1", "", "2"]), 0..7)), 0..12),
            votes_are_clean: bool,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let write = |name: &str, text: String| {
                fs::write(folder.path().join(name), text).unwrap();
            };
            write(
                SUMMARY,
                format!("topic,{}\nconversation-description,{}\n", quoted(&topic), quoted(&description)),
            );
            let mut text = "comment-id,author-id,agrees,disagrees,moderated,comment-body\n".to_owned();
            for (id, author, agrees, disagrees, moderated, body) in comments {
                let body = quoted(&body);
                text += &format!("{id},{author},{agrees},{disagrees},{moderated},{body}\n");
            }
            write(COMMENTS, text);
            let mut text = "participant,0,1,2,3,4,5\n".to_owned();
            for (participant, mut cast) in votes {
                if votes_are_clean {
                    cast.retain(|vote| *vote != "2");
                }
                text += &format!("{participant},{}\n", cast.join(","));
            }
            write(VOTES, text);
            if let Ok(imported) = read(folder.path(), "town") {
                prop_assert!(imported.members <= imported.authors);
                for deliberation in imported.deliberations {
                    // What is read from a file is within the bounds.
                    let json = serde_json::to_string(&deliberation).unwrap();
                    let read: Deliberation = serde_json::from_str(&json).unwrap();
                    prop_assert_eq!(read, deliberation);
                }
            }
        }
    }
}
