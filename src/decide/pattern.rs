//! Fitting a text to a [`Pattern`]: `*` stands for any run of characters, everything else for itself.
//!
//! Works on bytes, so header values need be no text; case matters. Nothing is compiled and nothing allocated, and the
//! time is bounded by the product of both lengths.

use super::policy::Pattern;

impl Pattern {
    /// Whether the whole text fits.
    #[must_use]
    pub fn fits(&self, text: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        let (mut p, mut t) = (0, 0);
        // The last star seen, and where the text stood when it stood for nothing.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(byte) if *byte == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => {
                    let Some((at, taken)) = star else { return false };
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern(pattern.to_owned()).fits(text.as_bytes())
    }

    #[test]
    fn a_star_stands_for_any_run() {
        assert!(fits("gpt-*", "gpt-4o") && fits("gpt-*", "gpt-") && fits("*", "") && fits("**", "x"));
        assert!(fits("*mini*", "gpt-4o-mini-2024") && fits("a*b*c", "a-b-b-c") && fits("*é*", "café!"));
        assert!(!fits("gpt-*", "xgpt-4") && !fits("gpt-*", "gpt") && !fits("a*b*c", "a-c-b"));
    }

    #[test]
    fn without_a_star_the_text_is_the_pattern() {
        assert!(fits("gpt-4", "gpt-4") && fits("", ""));
        assert!(!fits("gpt-4", "gpt-4o") && !fits("gpt-4", "GPT-4") && !fits("", "a"));
    }

    /// The definition, as slow as it is plain.
    fn plainly(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|skip| plainly(rest, &text[skip..])),
            [byte, rest @ ..] => text.first() == Some(byte) && plainly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_definition(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(fits(&pattern, &text), plainly(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
