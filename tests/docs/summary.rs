//! The table of contents has every page, and README.md is short.

use crate::texts::{package, pages};

/// The pages that the table of contents names, in its order.
fn listed() -> Vec<String> {
    let summary = package("docs/SUMMARY.md");
    let links = summary.lines().filter_map(|line| line.split_once("](")?.1.strip_suffix(')'));
    links.filter(|link| !link.is_empty()).map(|link| format!("docs/{link}")).collect()
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let mut listed = listed();
    listed.sort();
    let there: Vec<String> = pages()
        .into_iter()
        .map(|page| page.path)
        .filter(|path| path.starts_with("docs/") && path != "docs/SUMMARY.md")
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn every_page_is_two_clicks_from_the_readme() {
    let linked = |text: &str| {
        let links: Vec<String> =
            text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()).map(str::to_owned).collect();
        links
    };
    let first: Vec<String> = linked(&package("README.md")).into_iter().filter(|link| link.ends_with(".md")).collect();
    let mut reached = first.clone();
    for page in first.iter().filter(|page| page.starts_with("docs/")) {
        let folder = page.rsplit_once('/').unwrap().0;
        reached.extend(linked(&package(page)).into_iter().map(|link| format!("{folder}/{link}")));
    }
    let far: Vec<String> = listed().into_iter().filter(|page| !reached.contains(page)).collect();
    assert!(far.is_empty(), "{far:?}");
}

#[test]
fn the_readme_has_at_most_200_lines() {
    let lines = package("README.md").lines().count();
    assert!(lines <= 200, "{lines}: move something into docs/");
}
