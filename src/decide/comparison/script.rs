//! In which script a text is mostly written: what a reader sees first when an answer comes in another language.
//!
//! By the ranges of Unicode, letters only. A text with too few letters has none. Languages of one script are not told
//! apart.

use std::ops::RangeInclusive;

/// Fewer letters say nothing.
const LEAST: usize = 12;

const SCRIPTS: [(&str, &[RangeInclusive<u32>]); 11] = [
    ("latin", &[0x41..=0x5a, 0x61..=0x7a, 0xc0..=0x24f, 0x1e00..=0x1eff]),
    ("greek", &[0x370..=0x3ff, 0x1f00..=0x1fff]),
    ("cyrillic", &[0x400..=0x52f]),
    ("hebrew", &[0x590..=0x5ff]),
    ("arabic", &[0x600..=0x6ff, 0x750..=0x77f, 0x8a0..=0x8ff]),
    ("devanagari", &[0x900..=0x97f]),
    ("bengali", &[0x980..=0x9ff]),
    ("thai", &[0xe00..=0xe7f]),
    ("hangul", &[0x1100..=0x11ff, 0xac00..=0xd7af]),
    ("kana", &[0x3040..=0x30ff]),
    ("han", &[0x3400..=0x4dbf, 0x4e00..=0x9fff, 0x20000..=0x2fa1f]),
];

/// The script of most of its letters; `None`: it has too few. Japanese is written in two: where there is a fair part of
/// kana, that counts.
pub(super) fn script_of(text: &str) -> Option<&'static str> {
    let mut counts = [0_usize; SCRIPTS.len()];
    for c in text.chars() {
        let code = u32::from(c);
        if let Some(index) = SCRIPTS.iter().position(|(_, ranges)| ranges.iter().any(|range| range.contains(&code))) {
            counts[index] += 1;
        }
    }
    let letters: usize = counts.iter().sum();
    if letters < LEAST {
        return None;
    }
    let of = |name: &str| SCRIPTS.iter().position(|(known, _)| *known == name).map_or(0, |index| counts[index]);
    if of("kana") * 10 > letters {
        return Some("kana");
    }
    (0..SCRIPTS.len()).max_by_key(|index| counts[*index]).map(|index| SCRIPTS[index].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_script_of_most_of_its_letters() {
        assert_eq!(script_of("The quick brown fox"), Some("latin"));
        assert_eq!(script_of("Быстрая лиса, v1.0"), Some("cyrillic"));
        assert_eq!(script_of("敏捷的棕色狐狸跳过了那只懒狗"), Some("han"));
        assert_eq!(script_of("素早い茶色の狐が怠け者の犬を飛び越える"), Some("kana"));
        assert_eq!(script_of("42 + 1 = 43"), None);
    }
}
