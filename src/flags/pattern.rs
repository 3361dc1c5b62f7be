//! What an editor may take for a share, a length of time, a size or a number: the patterns of the schema.
//!
//! Each says of a text what [`scalar`](super::scalar) says of it, as far as a pattern can, so that an editor finds no
//! fault with what `check` takes and is silent on nothing that it refuses. What no pattern can say: how many decimals a
//! number without quotes has, a sum beyond ten years, a size beyond its bounds, what a reference leads to. No
//! look-around is used, which not every reader of schemas knows.

/// A reference, with whatever stands around it.
const REFERENCE: &str = r".*\$\{.+\}.*";

/// A length of time in one or more parts.
pub(super) const LENGTH: &str = "((0|[1-9][0-9]*)(ms|s|m|h|d))+";

/// The same with a part that is not zero.
pub(super) const SOME_LENGTH: &str = "(0(ms|s|m|h|d))*[1-9][0-9]*(ms|s|m|h|d)((0|[1-9][0-9]*)(ms|s|m|h|d))*";

pub(super) const SIZE: &str = "(0|[1-9][0-9]*) *(B|kB|MB|GB|KiB|MiB|GiB)";
pub(super) const WHOLE: &str = "0|[1-9][0-9]*";
pub(super) const NUMBER: &str = r"(0|[1-9][0-9]*)(\.[0-9]+)?";

/// An amount of USD below a million with at most six decimals, with or without its sign.
pub(super) const USD: &str = r"\$?(0|[1-9][0-9]{0,5})(\.[0-9]{1,6}0*)?";

/// The same above zero.
pub(super) const SOME_USD: &str = r"\$?([1-9][0-9]{0,5}(\.[0-9]{1,6}0*)?|0\.[0-9]{0,5}[1-9]0*)";

/// Two decimals, and zeros behind them.
const DECIMALS: &str = r"(\.[0-9]{1,2}0*)?";

/// A share from 0% or from above that, up to 10% or 100%, or the word.
pub(super) fn share(least: u8, most: u8, word: Option<&str>) -> String {
    let (head, tail) = if most == 10 { ("[1-9]", "10") } else { ("[1-9][0-9]?", "100") };
    let mut bare = format!(r"{head}{DECIMALS}|{tail}(\.0+)?");
    if least == 0 {
        bare = format!(r"0(\.0+)?|{bare}");
    }
    let below_one = r"0\.(0[1-9]|[1-9][0-9]?)0* *%";
    let word = word.map_or_else(String::new, |word| format!("|{word}"));
    format!("({bare})( *%)?|{below_one}{word}")
}

/// The whole text is of this pattern, or has a reference.
pub(super) fn or_reference(pattern: &str) -> String {
    format!("^({pattern}|{REFERENCE})$")
}
