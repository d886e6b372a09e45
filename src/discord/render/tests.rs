use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::Value;

use super::look::Row;
use super::sample::*;
use super::*;
use crate::deliberation::admission::Admission;
use crate::deliberation::arm::Arm;
use crate::deliberation::consent::Consent;
use crate::deliberation::guild::Training;
use crate::deliberation::id::Member;
use crate::deliberation::outcome::Outcome;
use crate::deliberation::rating::Likert;
use crate::deliberation::round::{
    Cancellation, CandidateKey, OpinionRefused, Phase, RatingMode, Round, Terms, Verdict,
};
use crate::discord::custom_id::{CustomId, item_of};
use crate::discord::wording::tests::languages;
use crate::facilitator::platform::Progress;

pub(super) fn drawn(round: &Round, item: Item) -> Look {
    look(&host(), &wording(), &view(round), item)
}

/// All words of a look in the order in which people read them.
pub(super) fn words(look: &Look) -> String {
    let mut words = vec![look.content.clone()];
    if let Some(chart) = &look.chart {
        words.push(format!("[{}]", chart.alt_text));
    }
    if let Some(embed) = &look.embed {
        words.push(embed.description.clone());
        for field in &embed.fields {
            words.push(format!("{}: {}", field.name, field.value));
        }
        words.push(embed.footer.clone());
    }
    for row in &look.rows {
        match row {
            Row::Buttons(buttons) => words.extend(buttons.iter().map(|button| {
                let closed = if button.disabled { " (disabled)" } else { "" };
                format!("[{}{closed}]", button.label)
            })),
            Row::Select(select) => {
                words.push(format!("<{}>", select.placeholder));
                let chosen = select.options.iter().find(|option| option.chosen);
                words.extend(chosen.map(|option| format!("<{}>", option.label)));
            }
        }
    }
    words.join("\n")
}

#[track_caller]
pub(super) fn shows(look: &Look, phrases: &[&str]) {
    let words = words(look);
    for phrase in phrases {
        assert!(
            words.contains(phrase),
            "{phrase:?} is missing from\n{words}"
        );
    }
}

#[track_caller]
pub(super) fn shows_nothing_of(look: &Look, phrases: &[&str]) {
    let words = words(look);
    for phrase in phrases {
        assert!(!words.contains(phrase), "{phrase:?} stands in\n{words}");
    }
}

fn reactions() -> Terms {
    terms(RatingMode::Reactions)
}

fn private() -> Terms {
    terms(RatingMode::Private)
}

/// Five opinions, three candidates; the first is the best for all but one.
fn rated(terms: Terms) -> Round {
    let mut round = rating(terms, &CANDIDATES);
    for (member, agreements) in [
        (1, [6, 3, 5]),
        (2, [7, 6, 4]),
        (3, [5, 4, 2]),
        (4, [2, 5, 3]),
    ] {
        for (candidate, agreement) in (0..).zip(agreements) {
            rate(&mut round, member, candidate, agreement);
        }
    }
    round
}

#[test]
fn the_card_says_what_it_is_about_and_what_happens_with_an_opinion() {
    let round = with_opinions(&OPINIONS[..2], reactions());
    let card = drawn(&round, Item::Card);
    shows(
        &card,
        &[
            "<@&77> **Round 3** is open. What do you think?",
            "**Should the canteen serve tea or coffee?**\n\nThe canteen has one machine.",
            "**2 of 5 opinions**\nOpinions close <t:1800086400:F> (<t:1800086400:R>).",
            "Opened by <@100> on <t:1800000000:f>.",
            "up to 3 are posted",
            "by reaction or in private",
            "chosen by the mean rating (utilitarian)",
            "It is used without your name, to write and rank drafts.",
            "Members and moderators cannot read it. Whoever hosts the bot technically can.",
            "The models run on the bot's own machine.",
            "It is deleted 30 days after the result.",
            "Everybody can see who reacts with which rating.",
            "[Write my opinion]",
        ],
    );
    assert_eq!(card.mentions, round.terms.notify);
}

#[test]
fn the_card_tells_the_truth_for_another_host_and_mode() {
    let round = with_opinions(&OPINIONS[..2], private());
    let away = HostFacts {
        processed: Processed::Endpoint("models.example.org".to_owned()),
        ..host()
    };
    let card = look(&away, &wording(), &view(&round), Item::Card);
    shows(
        &card,
        &[
            "It is sent to the models at models.example.org.",
            "Nobody here sees how you rate.",
        ],
    );
    shows_nothing_of(&card, &["own machine", "Everybody can see"]);
}

#[test]
fn while_drafting_the_card_tells_how_far_it_is() {
    let mut round = drafting(reactions());
    let mut view = view(&round);
    view.progress.position = Some(2);
    let card = look(&host(), &wording(), &view, Item::Card);
    shows(
        &card,
        &[
            "from 5 opinions",
            "2 other rounds are before this one.",
            "[Join late]",
        ],
    );
    assert_eq!(card.mentions, None);
    view.progress = Progress {
        position: Some(0),
        drafted: 5,
        wanted: 16,
    };
    shows(
        &look(&host(), &wording(), &view, Item::Card),
        &["5 of 16 drafts are ready."],
    );
    round.drafting_failed(false, at(24 * 60));
    round.drafting_failed(false, at(24 * 60));
    shows(
        &drawn(&round, Item::Card),
        &["It did not work 2 times. It is tried again <t:1800086460:R>. No opinion is lost."],
    );
}

#[test]
fn too_few_opinions_are_a_choice_for_organisers() {
    let mut round = with_opinions(&OPINIONS[..4], reactions());
    round.close_opinions(at(24 * 60));
    shows(
        &drawn(&round, Item::Card),
        &["**4 of 5 opinions**", "so it was extended once"],
    );
    round.close_opinions(at(36 * 60));
    let asked = drawn(&round, Item::TooFew);
    shows(
        &asked,
        &[
            "**4 of 5 opinions**",
            "An organiser decides",
            "[Extend]",
            "[End the round]",
        ],
    );
    show_all(&mut round);
    round
        .extend(ORGANISER, TimeDelta::hours(12), at(36 * 60))
        .unwrap();
    shows(&drawn(&round, Item::TooFew), &["[Extend (disabled)]"]);
}

#[test]
fn candidates_differ_in_nothing_but_their_text() {
    let mut round = rating(reactions(), &CANDIDATES);
    let first = drawn(&round, candidate(0));
    shows(
        &first,
        &[CANDIDATES[0], "Written by a language model", "[Report]"],
    );
    shows_nothing_of(&first, &["closed"]);
    conclude(&mut round);
    shows(
        &drawn(&round, candidate(0)),
        &[CANDIDATES[0], "Rating is closed"],
    );
}

#[test]
fn the_announcement_says_how_to_rate_and_who_counts() {
    let by_reaction = drawn(
        &rating(reactions(), &CANDIDATES),
        Item::RatingOpen { stage: 0 },
    );
    shows(
        &by_reaction,
        &[
            "<@&77> **Rating is open.**",
            "1️⃣ (strongly disagree) to 7️⃣ (strongly agree)",
            "everybody can see who set it",
            "A reaction alone does not make you one.",
            "[Rate in private]",
        ],
    );
    assert_eq!(by_reaction.mentions, reactions().notify);
    let in_private = drawn(
        &rating(private(), &CANDIDATES),
        Item::RatingOpen { stage: 0 },
    );
    shows(&in_private, &["Nobody here sees how you rate"]);
    shows_nothing_of(&in_private, &["React under"]);
}

#[test]
fn a_result_shows_how_many_agree_and_how_many_dissent() {
    let mut round = rated(reactions());
    conclude(&mut round);
    assert_eq!(
        round.result().unwrap().conclusion.outcome,
        Outcome::Consensus
    );
    shows(
        &drawn(&round, Item::Result),
        &[
            "**Should the canteen serve tea or coffee?**",
            "**Round 3: consensus.** Most of those who rated agree with this statement.",
            "> The canteen should serve both tea and coffee, and offer water for free.",
            "4 of 5 participants rated it: 3 agree, 0 neutral, 1 dissents.",
            "A language model wrote it from the group's opinions.",
            "[A, the chosen candidate: 3 agree, 0 neutral, 1 dissents; for 1 more it is only \
             predicted; welfare ",
            "Predictions are never counted as people.",
            "What organisers did: <t:1800000000:f> <@100> opened the round",
            "[How was this chosen?]",
            "[What became of my opinion?]",
        ],
    );
    shows_nothing_of(
        &drawn(&round, Item::Result),
        &["Each draft read", "practically"],
    );
    shows(
        &drawn(&round, Item::Card),
        &[
            "**Consensus.**",
            "[See the result]",
            "Opinions are deleted <t:",
        ],
    );
}

#[test]
fn a_result_without_agreement_is_not_passed_off_as_one() {
    let mut round = rating(reactions(), &CANDIDATES);
    for member in 1..=5 {
        for candidate in 0..3 {
            rate(
                &mut round,
                member,
                candidate,
                if member == 1 { 5 } else { 2 },
            );
        }
    }
    conclude(&mut round);
    shows(
        &drawn(&round, Item::Result),
        &[
            "no statement found enough agreement; the closest was this one.",
            "1 agrees, 0 neutral, 4 dissent.",
        ],
    );

    let mut unrated = rating(reactions(), &CANDIDATES);
    conclude(&mut unrated);
    shows(
        &drawn(&unrated, Item::Result),
        &[
            "too few rated to tell",
            "None of the 5 participants rated it.",
        ],
    );
}

#[test]
fn two_statements_that_are_practically_equal_are_both_shown() {
    let mut round = rating(reactions(), &CANDIDATES);
    for candidate in &mut round.candidates {
        for distribution in candidate.predictions.values_mut() {
            *distribution = predicted(5);
        }
    }
    conclude(&mut round);
    let look = drawn(&round, Item::Result);
    shows(
        &look,
        &[
            "**A**\n> ",
            "**B**\n> ",
            "It is close: these two are practically equal. A comes first, which ratings",
        ],
    );
    shows_nothing_of(&look, &[" %", "The choice is"]);
    shows(&why(&wording(), &round), &["The choice is close:"]);
}

#[test]
fn how_sure_the_choice_is_is_a_number_only_where_that_has_proved_right() {
    let mut round = rating(reactions(), &CANDIDATES);
    conclude(&mut round);
    for look in [drawn(&round, Item::Result), why(&wording(), &round)] {
        shows(
            &look,
            &["The choice is clear: ratings that are only predicted"],
        );
        shows_nothing_of(&look, &[" %"]);
    }
    let Phase::Concluded { result, .. } = &mut round.phase else {
        panic!("it has concluded");
    };
    result.conclusion.certainty = 0.8241;
    result.conclusion.welfare_interval = Some([4.6, 6.2]);
    round.certainty_is_calibrated();
    for look in [drawn(&round, Item::Result), why(&wording(), &round)] {
        shows(
            &look,
            &[
                "With a probability of 82 % the chosen one is the best of these candidates, as far as \
               ratings are only predicted. With 90 % its welfare is between 4.6 and 6.2.",
            ],
        );
        shows_nothing_of(&look, &["The choice is"]);
    }
}

#[test]
fn nothing_is_unsure_where_everybody_rated_everything() {
    let mut round = rating(reactions(), &CANDIDATES);
    for member in 1..=5 {
        for candidate in 0..3 {
            rate(&mut round, member, candidate, 5);
        }
    }
    conclude(&mut round);
    round.certainty_is_calibrated();
    for look in [drawn(&round, Item::Result), why(&wording(), &round)] {
        shows_nothing_of(&look, &["The choice is", "probability"]);
    }
}

#[test]
fn a_long_statement_is_shown_whole() {
    let long = "Tea and coffee should both be served. ".repeat(100);
    let mut round = rating(reactions(), &[long.trim(), CANDIDATES[1], CANDIDATES[2]]);
    shows(&drawn(&round, candidate(0)), &[long.trim()]);
    rate(&mut round, 1, 0, 7);
    conclude(&mut round);
    shows(
        &drawn(&round, Item::Result),
        &[&format!("> {}", long.trim())],
    );
}

#[test]
fn a_result_says_what_qualifies_it() {
    let mut round = drafting(reactions());
    round
        .join_late(Member(9), "I come late, and want juice.", at(24 * 60 + 1))
        .unwrap();
    draft(&mut round, &CANDIDATES);
    for candidate in &mut round.candidates {
        candidate.provenance.opinions_read.truncate(3);
    }
    rate(&mut round, 1, 1, 7);
    rate(&mut round, 1, 0, 3);
    rate(&mut round, 50, 0, 2);
    conclude(&mut round);
    round
        .answer(
            ORGANISER,
            Verdict::Partly,
            Some("Water is free now. @everyone".to_owned()),
            at(49 * 60),
        )
        .unwrap();
    let result = drawn(&round, Item::Result);
    shows(
        &result,
        &[
            "By real ratings alone B would have been chosen: The canteen should serve fairly",
            "Each draft read 3 of 5 opinions.",
            "1 participant joined late. No draft read that opinion.",
            "1 member without an opinion rated it too, which does not count: 0 agree, 0 \
             neutral, 1 dissents.",
            "The organisers' answer: **Partly adopted** (<@100>,",
            "> Water is free now. ＠everyone",
        ],
    );
    shows(&drawn(&round, Item::Card), &["**Partly adopted**"]);
}

#[test]
fn a_cancelled_round_hands_opinions_back() {
    let mut round = with_opinions(&OPINIONS[..3], reactions());
    round.cancel(ORGANISER, at(60)).unwrap();
    show_all(&mut round);
    shows(
        &drawn(&round, Item::Cancelled),
        &[
            "ended without a result",
            "[Get my opinion back]",
            "<@100> ended the round",
        ],
    );
    let back = handed_back(&wording(), &round, Member(2));
    assert_eq!(back.embed.unwrap().description, OPINIONS[1]);
    round.delete_texts(&BTreeSet::new());
    shows(
        &drawn(&round, Item::Cancelled),
        &[
            "Opinions have been deleted.",
            "[Get my opinion back (disabled)]",
        ],
    );
}

#[test]
fn the_panel_shows_one_candidate_after_another_and_nothing_of_others() {
    let mut round = rated(private());
    let member = Member(4);
    let order = panel_order(&round, member);
    let orders: BTreeSet<_> = (1..=5)
        .map(|member| panel_order(&round, Member(member)))
        .collect();
    assert!(orders.len() > 1, "everybody has an order of their own");

    let first = panel(&wording(), &round, member, 0);
    shows(
        &first,
        &[
            "**Candidate 1 of 3** · 3 of 3 rated",
            "You have rated all of them",
            "Rating closes <t:",
            "> Both, if the machine can do it.",
            &round.candidate(order[0]).text,
            "<How much do you agree?>",
            "<How well is it written?>",
            "[Next]",
        ],
    );
    shows_nothing_of(&first, &["[Back]", "welfare", "predict", "agrees"]);
    shows(
        &panel(&wording(), &round, member, 2),
        &["Candidate 3 of 3", "[Back]"],
    );
    shows(
        &panel(&wording(), &round, member, 99),
        &["Candidate 3 of 3"],
    );
    let place = place_of(&round, member, CandidateKey(0));
    shows(
        &panel(&wording(), &round, member, place),
        &["<2 · disagree>"],
    );
    shows(
        &panel(&wording(), &round, Member(50), 0),
        &["You gave no opinion in this round", "[Join late]"],
    );
    conclude(&mut round);
    shows(
        &panel(&wording(), &round, member, 0),
        &["Rating is closed."],
    );
}

fn training() -> Terms {
    Terms {
        training: true,
        admission: Admission::Everyone,
        ..private()
    }
}

#[test]
fn who_has_rated_everything_finds_one_candidate_a_second_time_where_ratings_train_models() {
    let mut round = rated(training());
    let member = Member(4);
    let order = panel_order(&round, member);
    let last = panel(&wording(), &round, member, 2);
    shows(&last, &["There is one more page.", "[Back]", "[Next]"]);
    let place = place_of_retest(&round);
    assert_eq!(place, 3);
    let page = panel(&wording(), &round, member, place);
    shows(
        &page,
        &[
            "**One candidate a second time**",
            "it tells how much the models can learn",
            "It changes nothing in this round, and you can leave it out.",
            "> Both, if the machine can do it.",
            "<How much do you agree?>",
            "[Back]",
        ],
    );
    // Neither the earlier rating nor a way to it but back.
    shows_nothing_of(&page, &["disagree>", "agree>", "[Next]", "How well"]);
    let Some(Row::Select(select)) = page.rows.first() else {
        panic!("{page:?}");
    };
    let CustomId::Again { candidate, .. } = select.id else {
        panic!("{:?}", select.id);
    };
    assert!(order[..2].contains(&candidate), "not what was just rated");
    shows(&page, &[&round.candidate(candidate).text]);
    assert_eq!(panel(&wording(), &round, member, 99), page);

    let again = Likert::ALL[2];
    let rated = round.rate_again(candidate, member, again, at(24 * 60 + 20));
    rated.unwrap();
    shows(
        &panel(&wording(), &round, member, place),
        &["<3 · rather disagree>"],
    );

    // Not everybody finds the same one there.
    let mut chosen = BTreeSet::new();
    for member in 1..=4 {
        let Row::Select(select) = &panel(&wording(), &round, Member(member), 3).rows[0] else {
            panic!("a select");
        };
        chosen.insert(select.id.to_string());
    }
    assert!(chosen.len() > 1, "{chosen:?}");
}

#[test]
fn who_has_not_rated_everything_or_whose_ratings_train_nothing_finds_no_candidate_again() {
    let new = rating(training(), &CANDIDATES);
    for (round, member) in [
        (&new, Member(4)),
        (&rated(private()), Member(4)),
        (&rated(training()), Member(50)),
    ] {
        let page = panel(&wording(), round, member, 3);
        shows(&page, &["Candidate 3 of 3"]);
        shows_nothing_of(&page, &["second time", "one more page", "[Next]"]);
    }
}

#[test]
fn the_first_receipt_asks_about_training_and_says_what_it_means() {
    let round = with_opinions(&OPINIONS, training());
    let receipt = opinion_saved(&wording(), &round, Member(1));
    let asks = |training| asking_for_consent(&wording(), receipt.clone(), training);
    assert_eq!(asks(Training::Off), receipt);
    let buttons = ["[Change my opinion]", "[I agree]", "[I would rather not]"];
    for (training, question) in [
        (Training::Own, "train this server's models?**"),
        (Training::Shared, "and of other servers of this bot"),
    ] {
        let asking = asks(training);
        shows(&asking, &["Tea, all day long", question]);
        shows(&asking, &["until you say otherwise with /privacy training"]);
        shows(&asking, &buttons);
    }
    // Also under the longest opinion.
    let long = with_opinions(&["tea\n".repeat(1000).as_str()], training());
    let receipt = opinion_saved(&wording(), &long, Member(1));
    let asking = asking_for_consent(&wording(), receipt, Training::Shared);
    shows(&asking, &["Nothing else depends on your answer."]);
}

#[test]
fn a_member_is_told_what_their_ratings_train_and_can_change_it() {
    let said = |agreed| {
        Some(Consent {
            agreed,
            shared: agreed,
            at: at(0),
        })
    };
    let look = |training, said| consent(&wording(), training, said);
    let refused = look(Training::Own, said(false));
    assert_eq!(refused, look(Training::Own, None));
    shows(&refused, &["train no model.**", "[I agree]"]);
    shows_nothing_of(&refused, &["rather not"]);
    let agreed = look(Training::Shared, said(true));
    shows(&agreed, &["**You agreed on <t:1800000000:f>"]);
    shows(
        &agreed,
        &["of other servers of this bot", "[I would rather not]"],
    );
    shows_nothing_of(&agreed, &["[I agree]"]);
    let own_only = said(true).map(|consent| Consent {
        shared: false,
        ..consent
    });
    let both = [
        "learn nothing from you",
        "[I agree]",
        "[I would rather not]",
    ];
    shows(&look(Training::Shared, own_only), &both);
    let off = look(Training::Off, said(true));
    shows(
        &off,
        &["Training is off in this server", "[I would rather not]"],
    );
    assert_eq!(look(Training::Off, None).rows, []);
}

#[test]
fn the_card_tells_where_ratings_train_models() {
    let mut round = rated(training());
    let asked = "of members who agree train the models; everybody is asked in private";
    shows(&drawn(&round, Item::Card), &[asked]);
    shows_nothing_of(&drawn(&rated(private()), Item::Card), &[asked]);
    conclude(&mut round);
    let kept = "Opinions of members who agreed to training are kept for it.";
    shows(&drawn(&round, Item::Card), &["are deleted <t:", kept]);
    round.delete_texts(&BTreeSet::from([Member(1)]));
    shows(&drawn(&round, Item::Card), &["have been deleted.", kept]);
    let mut cancelled = with_opinions(&OPINIONS, training());
    cancelled.cancel(ORGANISER, at(60)).unwrap();
    shows_nothing_of(&drawn(&cancelled, Item::Card), &[kept]);
}

#[test]
fn who_rates_low_is_asked_what_to_change_if_a_revision_follows() {
    let once_more = Terms {
        revisions: 1,
        ..private()
    };
    let round = rated(once_more.clone());
    shows(
        &panel(&wording(), &round, Member(4), 0),
        &[
            "What would you change? The revision reads it",
            "[Say what you would change]",
        ],
    );
    shows_nothing_of(
        &panel(&wording(), &rated(private()), Member(4), 0),
        &["would change"],
    );

    let mut revised = round;
    revised
        .criticise(Member(4), "Say that tea comes first.", at(24 * 60 + 20))
        .unwrap();
    shows(
        &panel(&wording(), &revised, Member(4), 0),
        &["What you would change is saved."],
    );
    conclude(&mut revised);
    shows(&drawn(&revised, Item::Card), &["revising the statement"]);
    draft(
        &mut revised,
        &["The canteen should serve tea first, then coffee."],
    );
    shows(
        &drawn(&revised, Item::RatingOpen { stage: 1 }),
        &["**The statement was revised.**"],
    );
    assert_eq!(
        drawn(&revised, Item::RatingOpen { stage: 1 }).mentions,
        None
    );
    shows(
        &drawn(&revised, Item::RatingOpen { stage: 0 }),
        &["Rating is closed.", "[Rate in private (disabled)]"],
    );
}

#[test]
fn why_shows_every_candidate_under_every_welfare_function() {
    let mut round = rated(reactions());
    conclude(&mut round);
    shows(
        &why(&wording(), &round),
        &[
            "How the statement of round 3 was chosen",
            "3 candidates were written, and 3 were posted.",
            "ranked by the mean rating (utilitarian)",
            "By real ratings alone A comes first.",
            "Generator: SmolLM2-135M-Instruct, shipped 1.",
            "A · chosen: The canteen should serve both tea and coffee",
            "Welfare: utilitarian 5.2, nash 4.8, rawlsian 2.0, schulze 2 of 2",
            "4 of 5 rated it: 5.0 on average. Predicted for the same people: 6.0.",
            "C: ",
        ],
    );
    shows(&why(&wording(), &rated(reactions())), &["no result yet"]);
}

#[test]
fn members_see_what_became_of_their_contribution_once_there_is_a_result() {
    let mut round = rated(reactions());
    shows_nothing_of(
        &mine(&wording(), &round, Member(1)),
        &["predicted 5", "You rated"],
    );
    conclude(&mut round);
    shows(
        &mine(&wording(), &round, Member(1)),
        &[
            "3 of 3 drafts read your opinion.",
            "The draft that became the group's statement was one of them.",
            "these read it: A, B, C",
            "You rated the group's statement: 6 · agree.",
            "The model had predicted 6.0.",
            "> Tea, all day long, and nothing else.",
        ],
    );
    shows(
        &mine(&wording(), &round, Member(5)),
        &[
            "You did not rate",
            "The model predicted 6.0 for you, and ranked with that.",
        ],
    );
    shows(
        &mine(&wording(), &round, Member(50)),
        &["You gave no opinion"],
    );
}

#[test]
fn no_word_of_an_opinion_is_lost() {
    let round = with_opinions(&OPINIONS[..2], reactions());
    let text = "# My *own* words, @everyone, with `code`.";
    let current = OPINIONS[0].to_owned();
    for (refused, phrases) in [
        (
            OpinionRefused::CanJoinLate,
            &["[Join late with this text]"][..],
        ),
        (
            OpinionRefused::Closed,
            &["yours stands as you had saved it"],
        ),
        (OpinionRefused::Over, &["The round is over."]),
        (
            OpinionRefused::Length { characters: 5 },
            &["10 to 4000 characters, this one has 5"],
        ),
        (
            OpinionRefused::Changed {
                current,
                revision: 2,
            },
            &[
                "changed elsewhere",
                "> Tea, all day long",
                "[Change my opinion]",
            ],
        ),
    ] {
        let look = opinion_refused(&wording(), &round, &refused, text);
        shows(&look, phrases);
        assert_eq!(look.embed.unwrap().description, text);
    }
    shows(
        &opinion_saved(&wording(), &round, Member(1)),
        &[
            "Your opinion is saved.",
            "2 of 5 opinions",
            "[Change my opinion]",
            "[Withdraw it]",
        ],
    );
}

#[test]
fn organisers_are_told_what_they_can_do() {
    let round = with_opinions(&OPINIONS[..2], reactions());
    let for_organisers = status(&wording(), &view(&round), true);
    shows(
        &for_organisers,
        &["2 of 5 opinions", "`/round extend`", "[See the card]"],
    );
    let for_members = status(&wording(), &view(&round), false);
    shows_nothing_of(&for_members, &["Organisers"]);
    let mut reported = rating(reactions(), &CANDIDATES);
    reported.report(CandidateKey(1), Member(3));
    shows(
        &status(&wording(), &view(&reported), true),
        &["1 member reported [a candidate](https://discord.com/channels/1/11/"],
    );
}

#[test]
fn the_list_has_the_latest_round_first() {
    let mut rounds = vec![
        rated(reactions()),
        with_opinions(&OPINIONS[..2], reactions()),
    ];
    conclude(&mut rounds[0]);
    rounds[1].key.number = 4;
    let text = words(&list(&wording(), &rounds));
    let (third, fourth) = (text.find("**3**").unwrap(), text.find("**4**").unwrap());
    assert!(fourth < third);
    assert!(text.contains("(consensus)") && text.contains("(opinions close <t:"));
    shows(&list(&wording(), &[]), &["no round here yet"]);
}

#[test]
fn forms_show_what_was_written_before() {
    let round = with_opinions(&OPINIONS[..2], reactions());
    let form = opinion_form(&host(), &wording(), &round, Member(1));
    assert_eq!(
        form.id,
        CustomId::OpinionForm {
            round: 3,
            revision: 1
        }
    );
    assert_eq!(form.fields[0].text, OPINIONS[0]);
    assert_eq!(
        form.fields[0].label,
        "A draft reads at most 1200 characters"
    );
    let fresh = opinion_form(&host(), &wording(), &round, Member(9));
    assert_eq!(fresh.id.to_string(), "opinion:3:0");
}

#[test]
fn where_the_models_are_not_tested_in_the_language_real_ratings_alone_count() {
    let untested = |terms| Terms {
        real_ratings_only: true,
        ..terms
    };
    let open = with_opinions(&OPINIONS[..2], untested(private()));
    shows(
        &drawn(&open, Item::Card),
        &["So your ratings alone decide; what the models predict does not count."],
    );
    let mut round = rated(untested(private()));
    conclude(&mut round);
    let result = drawn(&round, Item::Result);
    shows(&result, &["Your ratings alone ranked the candidates"]);
    for look in [
        result,
        why(&wording(), &round),
        mine(&wording(), &round, Member(5)),
    ] {
        shows_nothing_of(
            &look,
            &[
                "a prediction was used",
                "only predicted it",
                "ranked with that",
            ],
        );
    }
    shows(&why(&wording(), &round), &["over real ratings alone."]);
}

#[test]
fn a_look_has_the_same_fingerprint_as_long_as_it_looks_the_same() {
    let round = with_opinions(&OPINIONS[..2], reactions());
    let (card, again) = (drawn(&round, Item::Card), drawn(&round, Item::Card));
    assert_eq!(card.fingerprint(), again.fingerprint());
    let more = with_opinions(&OPINIONS[..3], reactions());
    assert_ne!(card.fingerprint(), drawn(&more, Item::Card).fingerprint());
}

/// Everything that a round can show now, in one language.
fn everything(wording: &Wording, round: &Round) -> Vec<(Option<Item>, Look)> {
    let (host, view) = (host(), view(round));
    let board = round.board().into_iter();
    let mut looks: Vec<(Option<Item>, Look)> = board
        .map(|item| (Some(item), look(&host, wording, &view, item)))
        .collect();
    for member in [Member(1), Member(2), Member(999)] {
        looks.extend((0..6).map(|place| (None, panel(wording, round, member, place))));
        looks.push((None, mine(wording, round, member)));
        let receipt = opinion_saved(wording, round, member);
        looks.push((
            None,
            asking_for_consent(wording, receipt.clone(), Training::Shared),
        ));
        looks.push((None, receipt));
        looks.push((None, handed_back(wording, round, member)));
    }
    let text = round
        .opinions
        .values()
        .find_map(|opinion| opinion.text.clone());
    let text = text.unwrap_or_default();
    for refused in [
        OpinionRefused::CanJoinLate,
        OpinionRefused::Closed,
        OpinionRefused::Over,
        OpinionRefused::Changed {
            current: text.clone(),
            revision: 3,
        },
    ] {
        looks.push((None, opinion_refused(wording, round, &refused, &text)));
    }
    let candidates = (0..).map(CandidateKey).take(round.candidates.len());
    for candidate in candidates {
        looks.push((None, review(wording, round, Some(candidate))));
        looks.push((None, confirm_redraft(wording, round, candidate)));
    }
    looks.push((None, review(wording, round, None)));
    looks.push((None, why(wording, round)));
    looks.push((None, opinion_withdrawn(wording, round)));
    looks.push((None, status(wording, &view, true)));
    looks.push((None, list(wording, &vec![round.clone(); 30])));
    looks
}

/// Checks what is really sent, as Discord counts it.
fn check_limits(item: Option<Item>, look: &Look) {
    let sent = serde_json::to_value(look.to_message()).unwrap();
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();

    assert!(length(&sent["content"]) <= 2000);
    let embeds = list(&sent["embeds"]);
    assert!(
        length(&sent["content"]) > 0 || !embeds.is_empty(),
        "nothing to see: {sent}"
    );
    let mut together = 0;
    for embed in &embeds {
        assert!(length(&embed["description"]) <= 4096);
        assert!(length(&embed["footer"]["text"]) <= 2048);
        together += length(&embed["description"]) + length(&embed["footer"]["text"]);
        let fields = list(&embed["fields"]);
        assert!(fields.len() <= 25);
        for field in fields {
            assert!((1..=256).contains(&length(&field["name"])));
            assert!((1..=1024).contains(&length(&field["value"])));
            together += length(&field["name"]) + length(&field["value"]);
        }
    }
    assert!(together <= 6000, "{together}");

    let rows = list(&sent["components"]);
    assert!(rows.len() <= 5);
    let mut ids = BTreeSet::new();
    for row in rows {
        let components = list(&row["components"]);
        assert!((1..=5).contains(&components.len()));
        for component in components {
            if let Some(id) = component["custom_id"].as_str() {
                assert!(id.len() <= 100);
                assert!(id.parse::<CustomId>().is_ok(), "{id}");
                assert!(ids.insert(id.to_owned()), "{id} stands there twice");
            }
            if component["type"] == 2 {
                assert!((1..=80).contains(&length(&component["label"])));
            } else {
                assert!(length(&component["placeholder"]) <= 150);
                let options = list(&component["options"]);
                assert!((1..=25).contains(&options.len()));
                for option in options {
                    assert!((1..=100).contains(&length(&option["label"])));
                }
            }
        }
    }

    let allowed = &sent["allowed_mentions"];
    assert_eq!(allowed["parse"], serde_json::json!([]));
    assert_eq!(list(&allowed["users"]), Vec::<Value>::new());
    let roles = list(&allowed["roles"]).len();
    assert_eq!(roles, usize::from(look.mentions.is_some()));

    if let Some(item) = item {
        let ids: Vec<CustomId> = look.rows.iter().flat_map(Row::ids).collect();
        assert_eq!(item_of(&ids), Some(item), "it would not be found again");
    }
}

/// In every phase that a round passes through, and in every language.
pub(super) fn check_everything(round: &Round) {
    for wording in languages().all() {
        for (item, look) in everything(wording, round) {
            check_limits(item, &look);
        }
    }
}

#[test]
fn what_the_card_promises_is_said_in_full_in_every_language() {
    let mut terms = Terms {
        admission: Admission::MemberFor { days: 30 },
        review: true,
        real_ratings_only: true,
        experiment: true,
        welfare: "0.5".parse().unwrap(),
        ..training()
    };
    for revisions in [0, 2] {
        terms.revisions = revisions;
        terms.experiment = revisions == 0;
        let away = HostFacts {
            processed: Processed::Endpoint("models.example.org".to_owned()),
            ..host()
        };
        let round = with_opinions(&OPINIONS[..2], terms.clone());
        for wording in languages().all() {
            let card = look(&away, wording, &view(&round), Item::Card);
            for field in &card.embed.as_ref().unwrap().fields {
                assert!(
                    !field.value.ends_with('…'),
                    "{}: {}",
                    wording.tag(),
                    field.value
                );
            }
        }
    }
}

#[test]
fn in_german_everything_is_german() {
    let german = languages().of("de");
    let mut round = rated(private());
    round.terms.welfare = "0.5".parse().unwrap();
    let look = look(
        &host(),
        german,
        &view(&round),
        Item::RatingOpen { stage: 0 },
    );
    shows(
        &look,
        &["Die Bewertung ist offen", "[Vertraulich bewerten]"],
    );
    conclude(&mut round);
    let why = why(german, &round);
    shows(
        &why,
        &[
            "Ungleichheitsaversion von 0,5",
            "haben ihn bewertet: 5,",
            "Wohlfahrt: utilitaristisch ",
        ],
    );
    let panel = panel(german, &rated(private()), Member(1), 0);
    shows(&panel, &["Wie sehr stimmst du zu?"]);
}

#[test]
fn every_message_of_every_phase_can_be_sent_and_found_again() {
    let mut too_few = with_opinions(&OPINIONS[..4], reactions());
    check_everything(&too_few);
    too_few.close_opinions(at(24 * 60));
    too_few.close_opinions(at(36 * 60));
    check_everything(&too_few);
    show_all(&mut too_few);
    too_few.cancel(ORGANISER, at(37 * 60)).unwrap();
    check_everything(&too_few);
    too_few.delete_texts(&BTreeSet::new());
    check_everything(&too_few);

    for terms in [reactions(), private(), training()] {
        let mut round = drafting(terms);
        check_everything(&round);
        draft(&mut round, &CANDIDATES);
        check_everything(&round);
        for candidate in 0..3 {
            rate(&mut round, 1, candidate, 6);
        }
        round
            .close_early(ORGANISER, TimeDelta::minutes(30), at(24 * 60 + 20))
            .unwrap();
        check_everything(&round);
        conclude(&mut round);
        check_everything(&round);
        round.delete_texts(&BTreeSet::new());
        check_everything(&round);
        for member in 1..=5 {
            round.erase(Member(member), at(50 * 60));
        }
        check_everything(&round);
    }
    let mut gone = rating(reactions(), &CANDIDATES);
    gone.place_gone(at(30 * 60));
    check_everything(&gone);
    assert!(matches!(
        gone.phase,
        Phase::Cancelled {
            why: Cancellation::PlaceGone,
            ..
        }
    ));
}

/// As long as it may be, and as unpleasant.
fn hostile(characters: usize) -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("😀"),
        Just("👩‍👩‍👧‍👦"),
        Just("*_`~|"),
        Just("@everyone "),
        Just("<@1> <@&2> "),
        Just("[a](https://x.example/) "),
        Just("https://x.example/abc_def "),
        Just("```\n"),
        Just("# a\n"),
        Just("> "),
        Just("\u{202e}\u{200b}"),
        Just("Z\u{0301}\u{0302}\u{0303}\u{0304}\u{0305}"),
        Just("a word "),
    ];
    proptest::collection::vec(part, 1..12).prop_map(move |parts| {
        let all: String = parts.iter().cycle().take(characters).copied().collect();
        all.chars().take(characters).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_text_is_too_long_or_too_hostile(
        question in hostile(1000),
        background in hostile(1000),
        opinion in hostile(4000),
        candidates in proptest::collection::vec(hostile(4000), 6),
        participants in prop_oneof![Just(5_u64), Just(200)],
    ) {
        let terms = Terms {
            posted: 6.try_into().unwrap(),
            ..training()
        };
        let mut round = opened(&question, terms);
        round.background = Some(background);
        for member in 1..=participants {
            // Something at the ends, so that trimming leaves enough.
            let opinion = format!("ab{}yz", opinion.chars().take(3990).collect::<String>());
            round.submit_opinion(Member(member), &opinion, 0, at(1)).unwrap();
        }
        for _ in 0..40 {
            round.extend(ORGANISER, TimeDelta::seconds(1), at(2)).unwrap();
        }
        check_everything(&round);
        round.close_opinions(at(48 * 60));
        let candidates: Vec<String> = (0..).zip(&candidates)
            .map(|(nth, text)| format!("{nth}{text}"))
            .collect();
        let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
        let mut reviewed = round.clone();
        reviewed.terms.review = true;
        draft(&mut reviewed, &candidates);
        check_everything(&reviewed);
        draft(&mut round, &candidates);
        let posted = round.stages[0].posted.clone();
        for (nth, key) in (0..).zip(&posted) {
            for member in 1..participants.min(150) {
                rate(&mut round, member, key.0, ((member + nth) % 7 + 1) as u8);
            }
        }
        check_everything(&round);
        conclude(&mut round);
        round.answer(ORGANISER, Verdict::Adopted, Some(question), at(50 * 60)).unwrap();
        prop_assert!(round.result().is_some());
        check_everything(&round);
        for (item, look) in everything(&wording(), &round) {
            // What is handed back to its author alone is as the author wrote it.
            let words = words(&look);
            if item.is_some() {
                for live in ["@everyone", "<@1>", "<@&2>", "](https"] {
                    prop_assert!(!words.contains(live), "{live} in {words}");
                }
            }
        }
    }
}

fn experiment() -> Round {
    let terms = Terms {
        experiment: true,
        ..reactions()
    };
    let mut round = rating(terms, &CANDIDATES);
    for (candidate, arm) in round.candidates.iter_mut().zip(Arm::ALL) {
        candidate.provenance.arm = Some(arm);
    }
    round
}

#[test]
fn an_experiment_is_announced_and_tells_its_arms_when_it_is_over() {
    let mut round = experiment();
    shows(&drawn(&round, Item::Card), &["**This is an experiment:**"]);
    let arms = ["(accord)", "(sft)", "(zero-shot)"];
    for item in round.board() {
        shows_nothing_of(&drawn(&round, item), &arms);
    }
    shows_nothing_of(&panel(&wording(), &round, Member(1), 0), &arms);
    conclude(&mut round);
    shows(&why(&wording(), &round), &arms);
    shows(&drawn(&round, Item::Card), &["**This is an experiment:**"]);

    // Whichever the base model wrote, the generator is that of the others.
    for by_base in 0..round.candidates.len() {
        for (number, candidate) in round.candidates.iter_mut().enumerate() {
            (candidate.provenance.arm, candidate.provenance.generator) = match number == by_base {
                true => (Some(Arm::ZeroShot), "Untrained".to_owned()),
                false => (Some(Arm::Accord), "Trained".to_owned()),
            };
        }
        shows(&why(&wording(), &round), &["Generator: Trained."]);
    }

    let mut other = rating(reactions(), &CANDIDATES);
    shows_nothing_of(&drawn(&other, Item::Card), &["experiment"]);
    conclude(&mut other);
    shows_nothing_of(&why(&wording(), &other), &arms);
}
