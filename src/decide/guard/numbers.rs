//! The two formulas that several parts of the rule share.
//!
//! Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927)
//! says between which rates a count may lie; unlike the plain quotient it is of use for few requests and for none.
//! Evidence is compared as it is and shown as its natural logarithm. Nothing here has any state.

/// The ends of the Wilson score interval for `events` among `requests`; z is the normal quantile of each end. Without
/// requests nothing is known: 0 to 1.
#[must_use]
pub fn wilson(events: f64, requests: f64, z: f64) -> (f64, f64) {
    if requests <= 0.0 {
        return (0.0, 1.0);
    }
    let rate = (events / requests).clamp(0.0, 1.0);
    let z2 = z * z;
    let centre = rate + z2 / (2.0 * requests);
    let half = z * (rate * (1.0 - rate) / requests + z2 / (4.0 * requests * requests)).sqrt();
    let scale = 1.0 + z2 / requests;
    (((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0))
}

/// 2^(-seconds / `half_life`): what is left of something that fades.
#[must_use]
pub fn fading(seconds: f64, half_life: f64) -> f64 {
    (-seconds / half_life).exp2()
}
