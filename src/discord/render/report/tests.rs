use std::collections::BTreeSet;

use resvg::usvg::roxmltree::{Document, Node, ParsingOptions};

use super::*;
use crate::deliberation::arm::Arm;
use crate::deliberation::id::Member;
use crate::deliberation::round::RatingMode;
use crate::discord::render::sample::{
    CANDIDATES, OPINIONS, ORGANISER, at, conclude, draft, drafting, predicted, rate, rating, terms,
    with_opinions,
};
use crate::discord::wording::tests::languages;

const TEMPLATE: &str = include_str!("../../../../config/report.html.j2");

fn drawn(round: &Round) -> String {
    let template = ReportTemplate::new(TEMPLATE.to_owned()).unwrap();
    let wording = languages().of(&round.terms.language);
    report(&template, wording, round, round.result().unwrap()).unwrap()
}

/// The page is well-formed XML, so that any mistake in its structure is found.
fn parsed(html: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(html, options).unwrap_or_else(|error| panic!("{error}: {html}"))
}

/// Without those of the chart.
fn elements<'a>(document: &'a Document<'a>) -> impl Iterator<Item = Node<'a, 'a>> {
    let nodes = document.descendants().filter(Node::is_element);
    nodes.filter(|node| !node.ancestors().any(|node| node.has_tag_name(SVG)))
}

const SVG: (&str, &str) = ("http://www.w3.org/2000/svg", "svg");

/// What every element with this name says, its white space as single spaces.
fn said(document: &Document<'_>, name: &str) -> Vec<String> {
    let named = elements(document).filter(|node| node.tag_name().name() == name);
    let texts = named.map(|node| {
        let texts = node.descendants().filter(Node::is_text);
        let words = texts
            .filter_map(|text| text.text())
            .flat_map(str::split_whitespace);
        words.collect::<Vec<_>>().join(" ")
    });
    texts.collect()
}

/// Four of five participants rated everything, and so did somebody without an opinion.
fn concluded(language: &str) -> Round {
    let mut terms = terms(RatingMode::Private);
    terms.language = language.to_owned();
    let mut round = rating(terms, &CANDIDATES);
    for (member, ratings) in (1..).zip([[6, 5, 3], [6, 2, 4], [7, 2, 1], [2, 6, 4]]) {
        for (candidate, agreement) in (0..).zip(ratings) {
            rate(&mut round, member, candidate, agreement);
        }
    }
    rate(&mut round, 900, 0, 1);
    conclude(&mut round);
    round
}

fn answered(round: &mut Round, reasons: &str) {
    let reasons = Some(reasons.to_owned());
    round
        .answer(ORGANISER, Verdict::Partly, reasons, at(60 * 50))
        .unwrap();
}

#[test]
fn a_page_tells_the_result_and_how_it_was_chosen() {
    let mut round = concluded("en");
    answered(&mut round, "From May,\nand the water first.");
    let html = drawn(&round);
    let page = parsed(&html);
    assert_eq!(page.root_element().attribute("lang"), Some("en"));
    assert_eq!(
        said(&page, "title"),
        ["Question of round 3: Should the canteen serve tea or coffee?"]
    );
    assert_eq!(
        said(&page, "h1"),
        ["Should the canteen serve tea or coffee?"]
    );
    assert_eq!(
        said(&page, "h2"),
        [
            "Round 3: consensus.",
            "The candidates and their ratings",
            "How was the statement chosen?"
        ]
    );
    assert_eq!(said(&page, "blockquote"), [CANDIDATES[0]]);
    let told = said(&page, "p");
    for sentence in [
        "The canteen has one machine.",
        "Most of those who rated agree with this statement.",
        "4 of 5 participants rated it: 3 agree, 0 neutral, 1 dissents.",
        "Partly adopted ( 2027-01-17, 10:00 UTC )",
        "From May, and the water first.",
        CANDIDATES[1],
        CANDIDATES[2],
        "Rating: 1 · strongly disagree, 4 · neither agree nor disagree, 7 · strongly agree",
    ] {
        assert!(
            told.iter().any(|told| told == sentence),
            "{sentence}: {told:#?}"
        );
    }
    assert_eq!(
        said(&page, "tr"),
        [
            "Rating 1 2 3 4 5 6 7",
            "by participants 0 1 0 0 0 2 1",
            "only predicted 0 0 0 0 0 1 0",
            "by others, which does not count 1 0 0 0 0 0 0",
            "Rating 1 2 3 4 5 6 7",
            "by participants 0 2 0 0 1 1 0",
            "only predicted 0 0 0 0 1 0 0",
            "Rating 1 2 3 4 5 6 7",
            "by participants 1 0 1 2 0 0 0",
            "only predicted 0 0 0 1 0 0 0",
            "Welfare A B C",
            "Mean rating (it chooses) 5.4 4.0 3.2",
            "Geometric mean 5.0 3.6 2.9",
            "Lowest rating 2.0 2.0 1.0",
            "Schulze 2 1 0",
        ]
    );
    assert_eq!(
        said(&page, "li"),
        [
            "3 candidates were written, and 3 were posted.",
            "They are ranked by the mean rating (utilitarian): over real ratings where there are any, over \
             predicted ones where not.",
            "The choice is clear: ratings that are only predicted would hardly change it.",
            "By real ratings alone A comes first.",
            "Where a participant did not rate, a prediction was used to rank the candidates. Predictions \
             are never counted as people.",
            "1 member without an opinion rated it too, which does not count: 0 agree, 0 neutral, 1 dissents.",
        ]
    );
    assert_eq!(
        said(&page, "dd"),
        [
            "SmolLM2-135M-Instruct, shipped 1",
            "SmolLM2-135M-Instruct, shipped 1",
            "2027-01-15, 08:00 UTC",
            "2027-01-17, 08:10 UTC"
        ]
    );
}

#[test]
fn tables_have_headers_and_the_chart_is_told_in_words() {
    let html = drawn(&concluded("en"));
    let page = parsed(&html);
    for table in elements(&page).filter(|node| node.has_tag_name("table")) {
        assert!(table.children().any(|child| child.has_tag_name("caption")));
        for row in table.descendants().filter(|node| node.has_tag_name("tr")) {
            let in_head = row.ancestors().any(|node| node.has_tag_name("thead"));
            let mut cells = row.children().filter(Node::is_element);
            let scope = if in_head { "col" } else { "row" };
            assert_eq!(cells.next().unwrap().attribute("scope"), Some(scope));
            let cell = if in_head { "th" } else { "td" };
            assert!(cells.all(|cell_of_row| cell_of_row.has_tag_name(cell)));
        }
    }
    let chart = page
        .descendants()
        .find(|node| node.has_tag_name(SVG))
        .unwrap();
    assert_eq!(chart.attribute("role"), Some("img"));
    let told = |name: &str| {
        let mut children = chart.children();
        let child = children.find(|child| child.tag_name().name() == name);
        child.and_then(|child| child.text()).unwrap().to_owned()
    };
    assert_eq!(told("title"), "The candidates and their ratings");
    assert!(told("desc").starts_with("A, the chosen candidate: 3 agree, "));
}

#[test]
fn it_is_in_the_language_of_the_round() {
    let html = drawn(&concluded("de"));
    let page = parsed(&html);
    assert_eq!(page.root_element().attribute("lang"), Some("de"));
    assert_eq!(said(&page, "h2")[0], "Runde 3: Konsens.");
    assert_eq!(said(&page, "dd")[2], "15.01.2027, 08:00 Uhr (UTC)");
    assert!(html.contains(">5,4<"), "{html}");
}

#[test]
fn nobody_can_be_told_by_it() {
    let mut round = concluded("en");
    answered(&mut round, "From May.");
    let html = drawn(&round);
    for opinion in OPINIONS {
        assert!(!html.contains(opinion), "{opinion}");
    }
    // Who opened it, who answered.
    assert!(!html.contains("<@") && !html.contains("&lt;@"));
    // Others draw the same page if who said what changes places.
    let renumbered = |member: &Member| Member(if member.0 < 6 { 6 - member.0 } else { member.0 });
    let mut others = round.clone();
    others.opinions = round
        .opinions
        .iter()
        .map(|(member, opinion)| (renumbered(member), opinion.clone()))
        .collect();
    others.ratings = round
        .ratings
        .iter()
        .map(|((key, member), rating)| ((*key, renumbered(member)), rating.clone()))
        .collect();
    for candidate in &mut others.candidates {
        candidate.predictions = candidate
            .predictions
            .iter()
            .map(|(member, predicted)| (renumbered(member), *predicted))
            .collect();
    }
    assert_eq!(drawn(&others), html);
}

const HOSTILE: &str = "</style></title></p><script>alert(1)</script> ]]> <!-- --> &amp;&#60; {{ 7*7 }} \
                       {% raw %} \" onload='x' \u{0}\u{7}\u{1b}[31m\u{202e}\u{ffff} <img src=x> 港🚌";

#[test]
fn whatever_people_and_models_write_stays_text() {
    let mut round = with_opinions(&OPINIONS, terms(RatingMode::Reactions));
    round.question = HOSTILE.to_owned();
    round.background = Some(HOSTILE.repeat(3));
    round.close_opinions(at(24 * 60));
    draft(&mut round, &[HOSTILE, CANDIDATES[1], CANDIDATES[2]]);
    for candidate in &mut round.candidates {
        candidate.provenance.generator = HOSTILE.to_owned();
        candidate.provenance.reward_model = HOSTILE.to_owned();
    }
    conclude(&mut round);
    answered(&mut round, HOSTILE);
    let html = drawn(&round);
    let page = parsed(&html);
    let shown = plain(HOSTILE);
    assert!(
        shown.starts_with("</style>") && shown.ends_with("港🚌"),
        "{shown}"
    );
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said(&page, "h1"), [shown.as_str()]);
    assert_eq!(said(&page, "blockquote")[0], shown);
    assert_eq!(said(&page, "dd")[..2], [shown.as_str(), &shown]);
    assert!(said(&page, "p").contains(&shown));

    // Nothing that runs or loads anything, neither from them nor from elsewhere.
    let names: BTreeSet<&str> = page
        .descendants()
        .filter(Node::is_element)
        .map(|node| node.tag_name().name())
        .collect();
    for forbidden in [
        "script",
        "img",
        "image",
        "link",
        "iframe",
        "object",
        "use",
        "a",
        "form",
        "foreignObject",
    ] {
        assert!(!names.contains(forbidden), "{forbidden}");
    }
    let attributes = page.descendants().flat_map(|node| node.attributes());
    for attribute in attributes {
        let (name, value) = (attribute.name(), attribute.value());
        assert!(
            !name.starts_with("on") && !["src", "href", "style", "srcset"].contains(&name),
            "{name}"
        );
        assert!(
            !value.contains("//") && !value.contains("url("),
            "{name}={value}"
        );
    }
    let style = said(&page, "style").concat();
    assert!(!style.contains("url(") && !style.contains("@import"));
    let policy = elements(&page).find(|node| node.has_attribute("http-equiv"));
    let policy = policy.and_then(|node| node.attribute("content")).unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
}

#[test]
fn a_page_is_whole_whatever_became_of_the_round() {
    // Nobody rated anything.
    let mut unrated = rating(terms(RatingMode::Private), &CANDIDATES);
    conclude(&mut unrated);
    let html = drawn(&unrated);
    assert_eq!(
        said(&parsed(&html), "h2")[0],
        "Round 3: too few rated to tell."
    );
    assert!(html.contains("No participant rated it. All is predicted."));

    let mut schulze = terms(RatingMode::Private);
    schulze.welfare = "schulze".parse().unwrap();
    let mut schulze = rating(schulze, &CANDIDATES);
    conclude(&mut schulze);
    let html = drawn(&schulze);
    let rows = said(&parsed(&html), "tr");
    assert_eq!(
        rows[rows.len() - 4..],
        [
            "Schulze (it chooses) 2 1 0",
            "Mean rating 6.0 5.0 4.0",
            "Geometric mean 6.0 5.0 4.0",
            "Lowest rating 6.0 5.0 4.0",
        ]
    );

    let mut averse = terms(RatingMode::Private);
    averse.welfare = "2.5".parse().unwrap();
    let mut averse = rating(averse, &CANDIDATES);
    conclude(&mut averse);
    assert!(drawn(&averse).contains("Inequality aversion 2.5"));

    // Everybody had everything erased.
    let mut erased = concluded("en");
    let members: Vec<Member> = erased.opinions.keys().copied().collect();
    for member in members {
        erased.erase(member, at(60 * 50));
    }
    let html = drawn(&erased);
    assert!(!html.contains("<svg"));
    assert_eq!(said(&parsed(&html), "blockquote"), [CANDIDATES[0]]);

    // Two that are practically equal.
    let mut close = drafting(terms(RatingMode::Private));
    draft(&mut close, &CANDIDATES);
    for candidate in &mut close.candidates {
        let predictions = candidate.predictions.values_mut();
        predictions.for_each(|prediction| *prediction = predicted(4));
    }
    conclude(&mut close);
    let html = drawn(&close);
    let statements = said(&parsed(&html), "blockquote");
    assert_eq!(statements.len(), 2);
    assert!(statements[0].starts_with("A "), "{statements:?}");

    let mut experiment = terms(RatingMode::Private);
    experiment.experiment = true;
    let mut experiment = drafting(experiment);
    draft(&mut experiment, &CANDIDATES);
    for (candidate, arm) in
        experiment
            .candidates
            .iter_mut()
            .zip([Arm::Accord, Arm::Sft, Arm::ZeroShot])
    {
        candidate.provenance.arm = Some(arm);
    }
    conclude(&mut experiment);
    assert!(drawn(&experiment).contains("(zero-shot)."));
}

#[test]
fn a_template_that_cannot_be_used_is_told_by_its_name_and_line() {
    let error = ReportTemplate::new("<p>\n{% if %}".to_owned())
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "syntax error: unexpected end of block (in report.html.j2:2)"
    );
    let template = ReportTemplate::new("<p>\n{{ nonsense }}".to_owned()).unwrap();
    let round = concluded("en");
    let wording = languages().of("en");
    let error = report(&template, wording, &round, round.result().unwrap()).unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "cannot render report.html.j2: undefined value (in report.html.j2:2)"
    );
}
