//! Counts over a sliding time.
