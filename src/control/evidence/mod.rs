//! What is observed of requests.
//!
//! Counters, samples, rejections and probe results come in; observations for the guard and figures for the status go
//! out. Decides nothing, and knows neither the engine nor the store.
//!
//! In the order in which evidence meets the files: [`blocks`] creates the counters of an [`epoch`]. [`sampling`]
//! delivers samples to the [`collector`], which asks [`user_pauses`] whether an event counts and [`probe_clock`] when to
//! probe. [`judged_requests`] are those that the application
//! has given a verdict on. [`causes`] and [`rejections`] say why requests fail. [`trace_buffer`] keeps the guard's ticks. For the
//! status: [`answer_stats`], [`recent_traffic`], [`stable_health`], [`stable_times`] and [`traffic_rate`].

pub(super) mod answer_stats;
pub(super) mod blocks;
pub(super) mod causes;
pub(super) mod collector;
mod epoch;
pub(super) mod judged_requests;
mod probe_clock;
pub(super) mod recent_traffic;
pub(super) mod rejections;
pub(super) mod sampling;
pub(super) mod stable_health;
pub(super) mod stable_times;
pub(super) mod trace_buffer;
pub(super) mod traffic_rate;
pub(super) mod user_pauses;
