//! The data plane.

#[cfg_attr(not(test), expect(dead_code, reason = "called by the request path"))]
pub(crate) mod attempt;
#[cfg_attr(not(test), expect(dead_code, reason = "called by the request path"))]
pub(crate) mod body;
#[cfg_attr(not(test), expect(dead_code, reason = "called by the request path"))]
pub(crate) mod upstream;

pub use upstream::probe;
