//! The operators' ports: the dashboard, status, changes, metrics, health, and flags for the application.
//!
//! | route | role | what |
//! |---|---|---|
//! | `GET /api/v1/status`, `/history`, `/events`, `/config`, `POST /api/v1/plan` | read | what is, was, and would be |
//! | `GET /api/v1/rollouts/{name}/series`, `/trace`, `GET /api/v1/incidents[/{id}]` | read | one rollout over time |
//! | `POST /api/v1[/rollouts/{name}]/rollback`, `/pause` | rollback | what makes things safer |
//! | `POST /api/v1/rollouts/{name}/resume`, `/promote`, `/api/v1/notify/test` | change | every other change |
//! | `POST /api/v1/feedback` | feedback | the application's verdicts |
//! | `GET /metrics` | read | Prometheus |
//! | `GET /`, `/healthz`, `/readyz` | none | the dashboard's page, which holds no data; for probes |
//! | `GET /api/v1/flags`, `POST /ofrep/v1/evaluate/flags[/{name}]`, `GET /ofrep/v1/changes` | flags | OpenFeature |
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
