//! The quantities that decisions are made of, each with its unit in its type.
//!
//! A share is an integer number of hundredths of a percent, so that comparing it with a bucket (0..=9999) is
//! exact. Times are integer milliseconds and only ever subtract saturating, so that a clock which steps back
//! yields "no time has passed" and not a panic.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A share of users in hundredths of a percent: `10%` is 1000. Never above 100%.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(try_from = "u16")]
pub struct Percent(u16);

impl TryFrom<u16> for Percent {
    type Error = &'static str;

    fn try_from(hundredths: u16) -> Result<Percent, &'static str> {
        Percent::from_hundredths(hundredths).ok_or("a share is at most 10000 hundredths of a percent")
    }
}

impl Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.0)
    }
}

impl Percent {
    /// No user.
    pub const ZERO: Percent = Percent(0);
    /// Everybody.
    pub const ALL: Percent = Percent(10_000);

    /// `None` above 10000 hundredths.
    #[must_use]
    pub const fn from_hundredths(hundredths: u16) -> Option<Percent> {
        if hundredths <= 10_000 { Some(Percent(hundredths)) } else { None }
    }

    /// 0..=10000.
    #[must_use]
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// The sum, at most 100%.
    #[must_use]
    pub const fn saturating_add(self, step: Percent) -> Percent {
        let sum = self.0 + step.0;
        if sum > 10_000 { Percent::ALL } else { Percent(sum) }
    }

    /// For gauges and reports only; decisions compare hundredths.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// As it is written in flags.yaml: `10%`, `7.5%`, `0.01%`.
impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            tenths if tenths % 10 == 0 => write!(f, "{whole}.{}%", tenths / 10),
            hundredths => write!(f, "{whole}.{hundredths:02}%"),
        }
    }
}

/// Reads what flags.yaml and the command line have: `10%`, `7.5%`, `0.01%`, and without the sign `10` or `0`.
impl FromStr for Percent {
    type Err = ParsePercentError;

    fn from_str(text: &str) -> Result<Percent, ParsePercentError> {
        let not_a_share = || ParsePercentError::NotAShare(text.to_owned());
        let (number, sign) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), true),
            None => (text, false),
        };
        let (whole, part) = match number.split_once('.') {
            Some((whole, part)) if !part.is_empty() => (whole, part),
            Some(_) => return Err(not_a_share()),
            None => (number, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(not_a_share());
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(ParsePercentError::LeadingZero(text.to_owned()));
        }
        if !sign && whole == "0" && part.bytes().any(|byte| byte != b'0') {
            return Err(ParsePercentError::Ambiguous { text: text.to_owned(), hundredfold: hundredfold(part) });
        }
        let part = part.trim_end_matches('0');
        if part.len() > 2 {
            return Err(ParsePercentError::TooFine(text.to_owned()));
        }
        let too_large = || ParsePercentError::TooLarge(text.to_owned());
        let whole: u16 = whole.parse().map_err(|_| too_large())?;
        let part: u16 = format!("{part:0<2}").parse().map_err(|_| not_a_share())?;
        let hundredths = whole.checked_mul(100).and_then(|whole| whole.checked_add(part)).ok_or_else(too_large)?;
        Percent::from_hundredths(hundredths).ok_or_else(too_large)
    }
}

/// The fraction with these decimals, in percent: `075` is `7.5`.
fn hundredfold(decimals: &str) -> String {
    let padded = format!("{decimals:0<2}");
    let (whole, part) = padded.split_at(2);
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    match part.trim_end_matches('0') {
        "" => whole.to_owned(),
        part => format!("{whole}.{part}"),
    }
}

/// Why a text is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParsePercentError {
    /// It is no number, or a negative one.
    #[error("`{0}` is not a share; write a number from 0 to 100 with a percent sign, such as `10%` or `7.5%`")]
    NotAShare(String),
    /// `05`: some readers take such numbers as octal.
    #[error("`{0}` begins with a zero too many; write it without, such as `5%`")]
    LeadingZero(String),
    /// `0.1`: a percentage, or a fraction?
    #[error("`{text}` could be a percentage or a fraction; write `{text}%` or `{hundredfold}%`, whichever is meant")]
    Ambiguous {
        /// As written.
        text: String,
        /// The fraction in percent.
        hundredfold: String,
    },
    /// More than two decimals.
    #[error("`{0}` has more than two decimals; users are split in steps of 0.01%")]
    TooFine(String),
    /// Above 100%.
    #[error("`{0}` is more than 100%")]
    TooLarge(String),
}

impl fmt::Debug for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a user's hash falls: 0..=9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Bucket(pub u16);

impl Bucket {
    /// Whether a user of this bucket is on the canary at this share.
    #[must_use]
    pub const fn is_below(self, percent: Percent) -> bool {
        self.0 < percent.hundredths()
    }
}

/// A user's place in the tables of pauses: 0..=8191. Users who share one are paused together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u16", into = "u16")]
pub struct Slot(u16);

impl From<u16> for Slot {
    fn from(bits: u16) -> Slot {
        Slot::of(bits)
    }
}

impl From<Slot> for u16 {
    fn from(slot: Slot) -> u16 {
        slot.0
    }
}

impl Slot {
    /// How many there are.
    pub const COUNT: usize = 8192;

    /// Of a hash whose bits these are: the lowest thirteen count.
    #[must_use]
    pub const fn of(hash: u16) -> Slot {
        Slot(hash & 0x1fff)
    }

    /// 0..=8191.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Monotonic milliseconds: an instant since the process started, or a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// Time since `earlier`; zero where that is in the future.
    #[must_use]
    pub const fn since(self, earlier: Millis) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment `length` later.
    #[must_use]
    pub const fn plus(self, length: Millis) -> Millis {
        Millis(self.0.saturating_add(length.0))
    }

    /// For deadlines of the runtime.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

/// As it is written in flags.yaml, in the largest unit that divides it: `30m`, `7d`, `1500ms`.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
            if self.0 >= length && self.0.is_multiple_of(length) {
                return write!(f, "{}{unit}", self.0 / length);
            }
        }
        write!(f, "{}ms", self.0)
    }
}

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Time since `earlier`; zero where that is in the future.
    #[must_use]
    pub const fn since(self, earlier: UnixMillis) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment `length` later.
    #[must_use]
    pub const fn plus(self, length: Millis) -> UnixMillis {
        UnixMillis(self.0.saturating_add(length.0))
    }
}

/// Which provider of the policy: its index in [`Policy::providers`](super::policy::Policy::providers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(pub u16);

/// Which rollout of the policy: its index in [`Policy::rollouts`](super::policy::Policy::rollouts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RolloutId(pub u16);

/// The role that the split gave a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// Served by the old provider.
    Stable,
    /// Served by the new one.
    Canary,
}

impl Arm {
    /// The word used in headers, metrics and commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Arm::Stable => "stable",
            Arm::Canary => "canary",
        }
    }

    /// The one that it is compared with.
    #[must_use]
    pub const fn other(self) -> Arm {
        match self {
            Arm::Stable => Arm::Canary,
            Arm::Canary => Arm::Stable,
        }
    }
}

/// An amount of money in pico-USD (10^-12 USD).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PicoUsd(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    fn hundredths(text: &str) -> u16 {
        text.parse::<Percent>().unwrap().hundredths()
    }

    #[test]
    fn a_share_is_read_as_a_decimal() {
        assert_eq!(["0", "0%", "0.01%", "0.1%", "7.5%", "7.05%"].map(hundredths), [0, 0, 1, 10, 750, 705]);
        assert_eq!(
            ["10", "10%", "1", "33.33", "99.99%", "100%"].map(hundredths),
            [1000, 1000, 100, 3333, 9999, 10_000]
        );
        assert_eq!(["0.0", "0.000%", "100.00", "7.500%", "7.5 %"].map(hundredths), [0, 0, 10_000, 750, 750]);
    }

    #[test]
    fn a_slot_is_written_as_its_number_and_read_back() {
        for index in [0, 1, 4097, 8191] {
            let slot = Slot::of(index);
            assert_eq!((u16::from(slot), Slot::from(index), slot.index()), (index, slot, usize::from(index)));
        }
        assert_eq!(Slot::of(8192 + 7), Slot::of(7));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for hundredths in 0..=10_000 {
            let percent = Percent::from_hundredths(hundredths).unwrap();
            assert_eq!(percent.to_string().parse(), Ok(percent));
        }
    }

    #[test]
    fn what_is_no_share_is_told_how_to_become_one() {
        let error = |text: &str| text.parse::<Percent>().unwrap_err().to_string();
        for text in ["", "%", "-5%", "+5", "5 ", " 5", "1e2", ".5%", "5.%", "five", "5%%", "NaN", "inf", "1_0", "٥%"] {
            assert!(
                error(text).ends_with(
                    "is not a share; write a number from 0 to 100 with a percent sign, such as `10%` or `7.5%`"
                ),
                "{text}"
            );
        }
        for text in ["100.01%", "101", "99999999999999999999%", "655.36%"] {
            assert!(error(text).ends_with("is more than 100%"), "{text}");
        }
        assert_eq!(error("05%"), "`05%` begins with a zero too many; write it without, such as `5%`");
        assert_eq!(error("7.125%"), "`7.125%` has more than two decimals; users are split in steps of 0.01%");
        let which = |first: &str, second: &str| {
            format!(
                "`{first}` could be a percentage or a fraction; write `{first}%` or `{second}%`, whichever is meant"
            )
        };
        for (text, hundredfold) in [("0.1", "10"), ("0.05", "5"), ("0.075", "7.5"), ("0.0001", "0.01"), ("0.50", "50")]
        {
            assert_eq!(error(text), which(text, hundredfold));
        }
    }
}
