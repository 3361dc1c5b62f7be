//! What if: rollouts against stated traffic. So far the traffic, and what a rule sees of it.

pub mod course;
pub mod inversion;
pub mod poisson;
pub mod rule;
pub mod traffic;
pub mod users;
