//! A time in the past on the command line: a length of time before now (`2h`), or a moment (`2026-11-21T07:56:02Z`).
//!
//! Owns how it is written, and no clock: now is a parameter. Refuses what is neither, and says how to write both.
//! Invariant: a length of time never leads before 1970.

use crate::decide::timestamp::read_rfc3339;
use crate::decide::units::{Millis, UnixMillis};
use crate::flags::read_length;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    Ago(Millis),
    At(UnixMillis),
}

/// Reads `2h`, `2h ago` and RFC 3339.
pub(super) fn read(text: &str) -> Result<Past, String> {
    let length = text.strip_suffix("ago").map_or(text, str::trim_end);
    match (read_length(length), read_rfc3339(text)) {
        (Ok(ago), _) => Ok(Past::Ago(ago)),
        (_, Some(at)) => Ok(Past::At(at)),
        _ => {
            Err(format!("`{text}` is neither a length of time such as `2h` nor a time such as `2026-11-21T07:56:02Z`"))
        }
    }
}

impl Past {
    /// The moment that it means.
    pub(super) const fn before(self, now: UnixMillis) -> UnixMillis {
        match self {
            Past::Ago(length) => UnixMillis(now.0.saturating_sub(length.0)),
            Past::At(moment) => moment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_and_a_moment_are_read_and_nothing_else() {
        let at = |text: &str| read(text).unwrap().before(UnixMillis(86_400_000));
        assert_eq!([at("2h"), at("2h ago"), at("2h30m")].map(|at| at.0), [79_200_000, 79_200_000, 77_400_000]);
        assert_eq!((at("1970-01-01T00:00:01Z").0, at("3d").0), (1000, 0));
        for wrong in ["", "ago", "2", "yesterday", "-2h", "2026-11-21"] {
            assert!(read(wrong).unwrap_err().contains("is neither a length of time"), "{wrong}");
        }
    }
}
