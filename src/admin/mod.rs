//! The operators' ports: status, changes, metrics, health, and flags for the application.
//!
//! | route | role | what |
//! |---|---|---|
//! | `GET /api/v1/status`, `/history`, `/config` | read | what is, what was, the file in force |
//! | `GET /api/v1/events` | read | the status and the history, pushed as server-sent events |
//! | `GET /api/v1/rollouts/{name}/series` | read | percent, evidence, requests and times, step by step |
//! | `GET /api/v1/rollouts/{name}/trace` | read | what the guard saw, a line of JSON a tick |
//! | `POST /api/v1/plan` | read | what a flags.yaml would do |
//! | `POST /api/v1/rollouts/{name}/rollback`, `/pause`, `POST /api/v1/rollback`, `/pause` | rollback | what makes things safer |
//! | `POST /api/v1/rollouts/{name}/resume`, `/promote` | change | every other change |
//! | `GET /api/v1/incidents[/{id}]` | read | reports of rollbacks, as JSON, Markdown or HTML |
//! | `POST /api/v1/feedback` | feedback | the application's verdicts |
//! | `POST /api/v1/notify/test` | change | a test message to targets of notifications |
//! | `GET /metrics` | read | Prometheus |
//! | `GET /`, `/healthz`, `/readyz` | none | the dashboard's page; for probes |
//! | `GET /api/v1/flags` | flags or read | what flags there are |
//! | `POST /ofrep/v1/evaluate/flags[/{name}]`, `GET /ofrep/v1/changes` | flags | OpenFeature |
//!
//! Served on a thread of its own, never on a data core. It only reads reports and puts wishes in the inbox.

pub mod api;
pub mod auth;
mod body;
pub mod change;
mod dashboard;
pub mod dto;
pub mod events;
mod feedback;
mod history_query;
mod incident_page;
mod incidents;
mod notify;
pub mod ofrep;
mod percent;
pub mod plan;
mod reply;
pub mod route;
mod series;
mod serve;
pub mod sse;
mod start;
pub mod users;
mod write_deadline;

pub use start::{Running, Setup, start};

#[cfg(test)]
mod tests;
