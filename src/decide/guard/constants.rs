//! The numbers of the guard that operators do not set.
//!
//! They were tuned together, by simulation, on traffic from half a request a second to two thousand. They affect
//! detection times, not the bound on false rollbacks. The settings of operators are in
//! [`policy::Guard`](crate::decide::policy::Guard). Rates are fractions, times are seconds, evidence is in nats (its
//! natural logarithm). A test may shorten the times; nothing else changes them.

use crate::decide::units::Millis;

/// How many alternatives a comparison looks for at once.
pub const ALTERNATIVES: usize = 5;
/// How many multiples of a reference rate a [`Cusum`](super::cusum::Cusum) looks for at once.
pub const MULTIPLES: usize = 3;

/// The numbers of the rule that no operator sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// Prior mass of "the canary turned bad at its very first tick". The four masses sum to 1.
    pub mass_start: f64,
    /// Shared equally by the promotions.
    pub mass_steps: f64,
    /// Half of what is left goes to each confirmation.
    pub mass_confirm: f64,
    /// Spread over the time, densest at the beginning.
    pub mass_background: f64,
    /// The alternatives, as multiples of the ratio that is tolerated.
    pub alternatives: [f64; ALTERNATIVES],
    /// How fast evidence for each of them may gather in the long run, in nats a second.
    pub refill: [f64; ALTERNATIVES],
    /// How much may gather at once.
    pub burst: f64,
    /// Evidence never grows beyond this (twenty nats), so that old evidence can fade. A multiple, unlike all other
    /// evidence.
    pub evidence_cap: f64,
    /// How fast the measured share of traffic forgets.
    pub share_half_life: f64,
    /// How many requests the nominal share weighs beside the measured one.
    pub share_prior: f64,
    /// Evidence that the canary's rate is above the floor; without it nothing is called worse.
    pub floor_evidence: f64,
    /// It is gathered up to this.
    pub floor_cap: f64,
    /// The multiples of a reference rate that a rate is tested for.
    pub multiples: [f64; MULTIPLES],
    pub down_evidence: f64,
    /// It takes this long at least.
    pub down_seconds: f64,
    /// And this many successes of stable meanwhile.
    pub down_stable_successes: f64,
    /// Stable's failure rate during a run is never taken for less.
    pub down_least_rate: f64,
    /// This part of what was sent must have failed by then: successes may be slow.
    pub down_fraction: f64,
    /// A canary is silent that leaves this many requests without output,
    pub silent_requests: f64,
    /// of at least this many users,
    pub silent_users: usize,
    /// each for as long as slow answers take, and no less than this.
    pub silent_least: Millis,
    /// Users are counted over this many seconds: where there are fewer,
    pub silent_lately: u32,
    /// the requests must have been sent over this time, and each is waited for twice as long.
    pub silent_span: f64,
    /// With everybody on the canary it takes this long, or three times as long as slow answers do.
    pub silent_alone: Millis,
    /// Above this share stable has too little traffic to be compared with; a confirmation goes down to it.
    pub confirm_share: f64,
    /// How long a confirmation lasts at least.
    pub confirm_seconds: f64,
    /// Evidence that asks for a confirmation.
    pub suspicion: f64,
    /// It is gathered up to this, where nothing can be confirmed.
    pub suspicion_cap: f64,
    /// The reference of suspicion and completion is this multiple of stable's own rate.
    pub reference_ratio: f64,
    /// And never above this: whatever stable was like when it last had traffic, a canary that is down is suspicious.
    pub most_reference: f64,
    /// At the ramp's end, a canary that is not good enough to be called done is confirmed so often.
    pub most_rechecks: u32,
    /// How fast stable's own history forgets.
    pub history_half_life: f64,
    /// The quantile of the normal distribution behind the upper bound that promotion needs: 95%.
    pub promote_z: f64,
    /// Stable is in an incident above this rate,
    pub incident_rate: f64,
    /// or above this multiple of its history.
    pub incident_ratio: f64,
    pub incident_evidence: f64,
    /// It is gathered up to this.
    pub incident_cap: f64,
    /// An incident that lasts longer is how stable is nowadays.
    pub incident_seconds: f64,
    /// How often a canary is tried again by itself.
    pub most_retries: u32,
    /// Each wait before that is so much longer than the one before.
    pub retry_factor: f64,
    /// Slow answers below this rate make no canary slow.
    pub slow_floor: f64,
    /// Up to this multiple of stable's rate of empty, cut, filtered or slowly coming answers the canary is not worse.
    pub answers_ratio: f64,
    /// The quantile of the normal distribution behind the lower bound that a ceiling needs: 99.5%.
    pub ceiling_z: f64,
}

impl Default for Constants {
    fn default() -> Constants {
        Constants {
            mass_start: 0.25,
            mass_steps: 0.35,
            mass_confirm: 0.10,
            mass_background: 0.30,
            alternatives: [1.28, 2.0, 4.0, 9.6, 40.0],
            refill: [0.005, 0.02, 0.1, 0.6, 2.0],
            burst: 8.0,
            evidence_cap: 485_165_195.409_790_3,
            share_half_life: 60.0,
            share_prior: 50.0,
            floor_evidence: 9.0,
            floor_cap: 12.0,
            multiples: [2.0, 5.0, 20.0],
            down_evidence: 23.0,
            down_seconds: 3.0,
            down_stable_successes: 3.0,
            down_least_rate: 0.05,
            down_fraction: 0.5,
            silent_requests: 8.0,
            silent_users: 3,
            silent_least: Millis(5000),
            silent_lately: 600,
            silent_span: 30.0,
            silent_alone: Millis(60_000),
            confirm_share: 0.5,
            confirm_seconds: 600.0,
            suspicion: 12.0,
            suspicion_cap: 100.0,
            reference_ratio: 1.5,
            most_reference: 0.5,
            most_rechecks: 2,
            history_half_life: 3600.0,
            promote_z: 1.645,
            incident_rate: 0.05,
            incident_ratio: 3.0,
            incident_evidence: 5.0,
            incident_cap: 10.0,
            incident_seconds: 3600.0,
            most_retries: 3,
            retry_factor: 4.0,
            slow_floor: 0.025,
            answers_ratio: 1.5,
            ceiling_z: 2.576,
        }
    }
}
