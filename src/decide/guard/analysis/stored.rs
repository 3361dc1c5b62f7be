//! How the numbers of an analysis are read from the disk.
//!
//! Owns the version of the numbers and what an earlier version with fewer aspects did not write. Refuses numbers of
//! another version. Invariant: what is read has a number for every aspect that this version knows.

use serde::{Deserialize, Deserializer};

use crate::decide::guard::aspect::ASPECTS;
use crate::decide::guard::constants::Constants;
use crate::decide::guard::cusum::Cusum;
use crate::decide::guard::relative::RelativeDetector;
use crate::decide::guard::tick::EventSums;

/// What this version writes and reads.
pub(super) const VERSION: u32 = 1;

pub(super) fn this_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        VERSION => Ok(VERSION),
        other => Err(serde::de::Error::custom(format!("numbers of version {other}, this one reads {VERSION}"))),
    }
}

/// Numbers by aspect, as an earlier version with fewer aspects wrote them: of the others nothing is known yet.
pub(super) fn with_defaults_for_new_aspects<'de, D: Deserializer<'de>, T: Deserialize<'de> + Empty>(
    deserializer: D,
) -> Result<[T; ASPECTS], D::Error> {
    let mut known = Vec::<T>::deserialize(deserializer)?;
    let count = known.len();
    if count < ASPECTS {
        known.resize_with(ASPECTS, T::fresh);
    }
    let problem = |_| serde::de::Error::custom(format!("numbers of {count} aspects, this version knows {ASPECTS}"));
    known.try_into().map_err(problem)
}

/// What begins with nothing.
pub(super) trait Empty {
    fn fresh() -> Self;
}

impl Empty for RelativeDetector {
    fn fresh() -> RelativeDetector {
        RelativeDetector::new(&Constants::default())
    }
}

impl Empty for Cusum {
    fn fresh() -> Cusum {
        Cusum::default()
    }
}

impl Empty for EventSums {
    fn fresh() -> EventSums {
        EventSums::default()
    }
}
