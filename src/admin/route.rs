//! The route table of the operators' ports, as data: what exists, by which method, on which listener.
//!
//! Matches paths and nothing else: who may use a route is `auth`'s to say, what it does is `api`'s. The probe listener
//! has the health routes alone, whatever token comes with the request. A change is POST only, so that no link or image
//! can make one.

use http::Method;

use super::auth::AdminListener;
use super::dashboard::assets::{self, Asset};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A file of the dashboard.
    Dashboard(&'static Asset),
    Status,
    History,
    /// The status and the history, pushed.
    Events,
    /// The file in force.
    Config,
    /// What a file would do.
    Plan,
    /// What the guard saw of a rollout.
    Trace(String),
    /// Verdicts of the application.
    Feedback,
    /// What a rollout was, step by step.
    Series(String),
    /// What copies of a rollout's requests have shown.
    Comparison(String),
    /// A change of one rollout, or (`None`) of all.
    Change(Option<String>, Change),
    /// Sends a test to targets of notifications.
    TestNotify,
    /// One incident report, or (`None`) all of them.
    Incidents(Option<String>),
    Metrics,
    /// The process lives.
    Health,
    /// The process wants traffic.
    Ready,
    /// One flag for the application.
    Flag(String),
    /// Every flag for the application.
    Flags,
    /// The stream that tells the application of changes.
    FlagChanges,
    /// What flags there are, for people.
    FlagList,
}

/// The changes that the API knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Lock it.
    Rollback,
    /// Unlock it.
    Resume,
    /// Hold the ramp.
    Pause,
    /// To the next stage.
    Promote,
}

/// Nothing is there, or not by this method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// Nothing at this path.
    #[error("there is nothing at `{path}`; there are: {}", routes.join(", "))]
    NotFound {
        /// What was asked for.
        path: String,
        /// What exists on this listener.
        routes: Vec<&'static str>,
    },
    /// Another method is needed.
    #[error("`{path}` takes {takes}, not {method}")]
    Method {
        /// What was asked for.
        path: String,
        method: String,
        /// How it should be.
        takes: &'static str,
    },
}

const HEALTH: [&str; 3] = ["GET /healthz", "GET /readyz", "GET /metrics"];
const OPERATORS: &[&str] = &[
    "GET /",
    "GET /api/v1/status",
    "GET /api/v1/history",
    "GET /api/v1/events",
    "GET /api/v1/config",
    "GET /api/v1/incidents[/{id}]",
    "GET /api/v1/rollouts/{name}/trace",
    "GET /api/v1/rollouts/{name}/series",
    "GET /api/v1/rollouts/{name}/comparison",
    "POST /api/v1/rollouts/{name}/rollback",
    "POST /api/v1/rollouts/{name}/resume",
    "POST /api/v1/rollouts/{name}/pause",
    "POST /api/v1/rollouts/{name}/promote",
    "POST /api/v1/plan",
    "POST /api/v1/rollback",
    "POST /api/v1/pause",
    "GET /api/v1/flags",
    "POST /api/v1/feedback",
    "POST /api/v1/notify/test",
    "POST /ofrep/v1/evaluate/flags[/{name}]",
    "GET /ofrep/v1/changes",
];

/// Finds what a request asks for. `HEAD` is `GET`; the preflight of a browser is answered elsewhere.
pub fn find(listener: &AdminListener, method: &Method, path: &str) -> Result<Route, NoRoute> {
    let not_found = || {
        let mut routes = HEALTH.to_vec();
        if *listener != AdminListener::Probe {
            routes.extend(OPERATORS);
        }
        NoRoute::NotFound { path: path.to_owned(), routes }
    };
    let route = at(path).ok_or_else(not_found)?;
    let health = matches!(route, Route::Health | Route::Ready | Route::Metrics);
    if *listener == AdminListener::Probe && !health {
        return Err(not_found());
    }
    let takes = match route {
        Route::Change(..) | Route::Feedback | Route::Plan | Route::TestNotify | Route::Flag(_) | Route::Flags => "POST",
        _ => "GET",
    };
    let fits = if takes == "GET" { matches!(*method, Method::GET | Method::HEAD) } else { *method == Method::POST };
    if fits { Ok(route) } else { Err(NoRoute::Method { path: path.to_owned(), method: method.to_string(), takes }) }
}

fn at(path: &str) -> Option<Route> {
    if let Some(asset) = assets::find(path) {
        return Some(Route::Dashboard(asset));
    }
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    Some(match parts[..] {
        ["healthz"] => Route::Health,
        ["readyz"] => Route::Ready,
        ["metrics"] => Route::Metrics,
        ["api", "v1", "status"] => Route::Status,
        ["api", "v1", "history"] => Route::History,
        ["api", "v1", "events"] => Route::Events,
        ["api", "v1", "config"] => Route::Config,
        ["api", "v1", "feedback"] => Route::Feedback,
        ["api", "v1", "plan"] => Route::Plan,
        ["api", "v1", "rollback"] => Route::Change(None, Change::Rollback),
        ["api", "v1", "incidents"] => Route::Incidents(None),
        ["api", "v1", "incidents", id] if !id.is_empty() => Route::Incidents(Some(id.to_owned())),
        ["api", "v1", "notify", "test"] => Route::TestNotify,
        ["api", "v1", "pause"] => Route::Change(None, Change::Pause),
        ["api", "v1", "rollouts", name, "trace"] if !name.is_empty() => Route::Trace(name.to_owned()),
        ["api", "v1", "rollouts", name, "series"] if !name.is_empty() => Route::Series(name.to_owned()),
        ["api", "v1", "rollouts", name, "comparison"] if !name.is_empty() => Route::Comparison(name.to_owned()),
        ["api", "v1", "rollouts", name, change] if !name.is_empty() => {
            let change = match change {
                "rollback" => Change::Rollback,
                "resume" => Change::Resume,
                "pause" => Change::Pause,
                "promote" => Change::Promote,
                _ => return None,
            };
            Route::Change(Some(name.to_owned()), change)
        }
        ["api", "v1", "flags"] => Route::FlagList,
        ["ofrep", "v1", "changes"] => Route::FlagChanges,
        ["ofrep", "v1", "evaluate", "flags"] => Route::Flags,
        ["ofrep", "v1", "evaluate", "flags", name] if !name.is_empty() => Route::Flag(name.to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin() -> AdminListener {
        AdminListener::Socket(None)
    }

    #[test]
    fn every_listed_route_is_found_by_its_method_only() {
        for listed in HEALTH.into_iter().chain(OPERATORS.iter().copied()) {
            let (method, path) = listed.split_once(' ').unwrap();
            let path = path.replace("[/{name}]", "").replace("[/{id}]", "").replace("{name}", "chat");
            let method: Method = method.parse().unwrap();
            let other = if method == Method::GET { Method::POST } else { Method::GET };
            assert!(find(&admin(), &method, &path).is_ok(), "{listed}");
            assert!(matches!(find(&admin(), &other, &path), Err(NoRoute::Method { .. })), "{listed}");
        }
    }

    #[test]
    fn a_wrong_path_gets_the_list_and_a_wrong_method_the_right_one() {
        let error = find(&admin(), &Method::GET, "/api/v1/stats").unwrap_err().to_string();
        assert!(
            error.starts_with("there is nothing at `/api/v1/stats`; there are: GET /healthz, GET /readyz"),
            "{error}"
        );
        assert!(error.contains("POST /api/v1/rollouts/{name}/rollback"), "{error}");
        let error = find(&admin(), &Method::GET, "/api/v1/rollouts/chat/rollback").unwrap_err().to_string();
        assert_eq!(error, "`/api/v1/rollouts/chat/rollback` takes POST, not GET");
    }

    #[test]
    fn the_probe_port_has_health_and_metrics_only() {
        assert_eq!(find(&AdminListener::Probe, &Method::HEAD, "/healthz"), Ok(Route::Health));
        let error = find(&AdminListener::Probe, &Method::GET, "/api/v1/status").unwrap_err().to_string();
        assert_eq!(error, "there is nothing at `/api/v1/status`; there are: GET /healthz, GET /readyz, GET /metrics");
    }
}
