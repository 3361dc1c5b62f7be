//! How long faults take to be detected, as the page on the guard and the FAQ say it, is what `serin check` says.

use crate::texts::{Page, package, serin};

#[test]
fn how_long_faults_take_to_be_seen_is_what_check_says() {
    let page = package("docs/how-the-guard-decides.md");
    let told: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains('%')).skip(1).collect();
    assert!(told.len() >= 3, "{told:?}");
    let rows = told.iter().map(|row| {
        let share = row.split(" | ").next().unwrap().trim_start_matches("| ");
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "providers: {{ old: {{ base_url: \"http://127.0.0.1:9/v1\" }}, new: {{ base_url: \"http://127.0.0.1:9/v2\" }} }}\n\
             rollouts: [{{ name: chat, stable: old, canary: new, percent: auto, ramp: {{ start: {share} }} }}]\n"
        );
        std::fs::write(file.path(), text).unwrap();
        let answer = serin(&["check", "--rps", "50", &file.path().to_string_lossy()]);
        let line = answer.lines().find(|line| line.starts_with("  chat     ")).unwrap_or_else(|| panic!("{answer}"));
        let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).skip(3).collect();
        format!("| {share} | {} |", cells.join(" | "))
    });
    let rows: Vec<String> = rows.collect();
    assert_eq!(told, rows);
}

#[test]
fn the_times_of_the_faq_are_those_of_the_file_of_the_readme() {
    let readme = Page { path: "README.md".to_owned(), text: package("README.md") };
    let yaml = readme.blocks("yaml").first().unwrap().text.to_owned();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), yaml).unwrap();
    let answer = serin(&["check", "--no-secrets", "--rps", "50", &file.path().to_string_lossy()]);
    let line = answer.lines().find(|line| line.starts_with("  chat     ")).unwrap_or_else(|| panic!("{answer}"));
    let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).skip(3).collect();
    let told = format!("a dead canary is rolled back after {}, and one with 5% errors after {}.", cells[0], cells[2]);
    let faq = package("docs/faq.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(faq.contains(&told), "docs/faq.md lacks `{told}`");
}
