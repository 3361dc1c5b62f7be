//! The quantities that decisions are made of, each with its unit in its type.
//!
//! A share is an integer number of hundredths of a percent, so that comparing it with a bucket (0..=9999) is
//! exact. Times are integer milliseconds and only ever subtract saturating, so that a clock which steps back
//! yields "no time has passed" and not a panic.

use std::fmt;
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
    /// Nobody.
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

/// Monotonic milliseconds: an instant since the process started, or a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// Time since `earlier`, zero when that lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Millis) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
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
    /// Time since `earlier`, zero when that lies ahead.
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
}
