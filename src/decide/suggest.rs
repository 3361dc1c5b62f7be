//! The known name that a misspelt one probably means.
//!
//! For remedies only, of the file and of the API: a near word is named and never taken, since a file must mean what it says. Nothing is offered
//! where no known word is near, and a long text is not compared at all, so the work is bounded whatever the file holds.

/// The known word nearest to a mistyped one, if any is near enough to be what was meant.
#[must_use]
pub fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let written = written.to_lowercase();
    if written.chars().count() > 64 {
        return None;
    }
    let allowed = (written.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|word| (distance(&written, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many insertions, deletions, replacements and swaps of neighbours lie between two words.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["percent", "ramp", "guard", "stable"];
        assert_eq!(nearest("percnt", known), Some("percent"));
        assert_eq!(nearest("precent", known), Some("percent"));
        assert_eq!(nearest("Guard", known), Some("guard"));
        assert_eq!(nearest("weights", known), None);
        assert_eq!(nearest("", known), None);
    }
}
