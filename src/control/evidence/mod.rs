//! What is seen of requests.

pub(super) mod answer_stats;
pub(super) mod blocks;
pub(super) mod causes;
pub(super) mod observer;
pub(super) mod recent_traffic;
pub(super) mod rejections;
pub(super) mod sampling;
pub(super) mod stable_health;
pub(super) mod trace_buffer;
pub(super) mod traffic_rate;
pub(super) mod user_pauses;
