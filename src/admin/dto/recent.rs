//! The traffic of the last minutes, as the API says it.
//!
//! What really happened on each arm, whatever its share was meanwhile: nothing here begins anew with a share or a
//! reload. What the guard counts at the present share is [`Window`](super::Window) and [`Guard`](super::Guard), and
//! leaves out what judges nobody.

use serde::{Deserialize, Serialize};

use crate::state::status::{ArmRecent, RecentStatus, RolloutStatus};

/// The traffic of the last five minutes; less soon after the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    /// How long the time is, up to ten seconds more than five minutes.
    pub seconds: f64,
    pub stable: RecentArm,
    /// The canary arm; absent from a plain route.
    pub canary: Option<RecentArm>,
    /// Requests of both arms without a user id.
    pub anonymous: Anonymous,
}

/// The traffic of one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentArm {
    /// Requests that came to their end.
    pub requests: u64,
    /// Those that failed for the application, whoever was asked last.
    pub failed: u64,
    /// Those that were refused as the client's error.
    pub refused: u64,
    /// Those that another provider answered in the place of the arm's own.
    pub elsewhere: u64,
    /// The arm's requests that are at any provider now.
    pub in_flight: u64,
    /// Those that a bucket sent to the arm's own provider and that have had no output yet, now; absent: not watched.
    pub waiting: Option<u32>,
}

/// Requests without a user id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Anonymous {
    /// Requests that were sent to a provider.
    pub of: u64,
    /// Those of them without a user id.
    pub requests: u64,
    /// The share of these, 0 to 1; absent: no request.
    pub ratio: Option<f64>,
}

impl Recent {
    /// From the report in force.
    #[must_use]
    pub fn new(rollout: &RolloutStatus) -> Recent {
        let RecentStatus { length, arms: [stable, canary], sent, anonymous } = rollout.recent;
        let watched = rollout.canary.is_some();
        let [on_stable, on_canary] = rollout.waiting.map(|ages| watched.then(|| ages.iter().sum()));
        Recent {
            seconds: length.duration().as_secs_f64(),
            stable: RecentArm::new(stable, on_stable),
            canary: watched.then(|| RecentArm::new(canary, on_canary)),
            anonymous: Anonymous { of: sent, requests: anonymous, ratio: ratio(anonymous, sent) },
        }
    }
}

impl RecentArm {
    const fn new(arm: ArmRecent, waiting: Option<u32>) -> RecentArm {
        let ArmRecent { requests, failed, refused, elsewhere, in_flight } = arm;
        RecentArm { requests, failed, refused, elsewhere, in_flight, waiting }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for reading")]
fn ratio(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use crate::admin::dto::Rollout;
    use crate::decide::units::{Millis, UnixMillis};
    use crate::state::status::{ArmRecent, RecentStatus, RolloutStatus};

    #[test]
    fn traffic_stands_beside_what_the_guard_counts() {
        let counts = |in_flight| ArmRecent { requests: 24, failed: 1, refused: 2, elsewhere: 5, in_flight };
        let recent = RecentStatus { length: Millis(300_500), arms: [counts(3), counts(4)], sent: 50, anonymous: 20 };
        let status = RolloutStatus {
            recent,
            waiting: [[1, 0, 0, 0, 0], [0, 2, 0, 1, 0]],
            window_since: UnixMillis(7000),
            anonymous_advice: Some("name the place".into()),
            ..RolloutStatus::sample()
        };
        let json = to_value(Rollout::from(&status)).unwrap();
        let arm = |in_flight, waiting: Option<u32>| json!({"requests": 24, "failed": 1, "refused": 2, "elsewhere": 5, "in_flight": in_flight, "waiting": waiting});
        let anonymous = json!({"of": 50, "requests": 20, "ratio": 0.4});
        let all =
            |stable, canary| json!({"seconds": 300.5, "stable": stable, "canary": canary, "anonymous": anonymous});
        assert_eq!(json["recent"], all(arm(3, Some(1)), arm(4, Some(3))));
        assert_eq!(json["window"]["since"], json!("1970-01-01T00:00:07.000Z"));
        assert_eq!(json["anonymous_advice"], json!("name the place"));
        let plain = to_value(Rollout::from(&RolloutStatus { canary: None, ..status })).unwrap();
        assert_eq!(plain["recent"], all(arm(3, None), json!(null)));
        assert_eq!(plain["window"]["since"], json!(null));
    }
}
