//! A rollout to look at.
