//! What judges the canary.
