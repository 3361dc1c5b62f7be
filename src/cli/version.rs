//! `serin --version`: the release, the commit it was built from, its features and its target.
//!
//! The build script fills the blanks in; nothing is asked at run time. A build without git says "unknown".

/// One line, without the name of the program.
pub(super) const TEXT: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("SERIN_COMMIT"),
    ", features: ",
    env!("SERIN_FEATURES"),
    ", ",
    env!("SERIN_TARGET"),
    ")"
);
