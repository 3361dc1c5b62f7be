//! What is particular to a gRPC call: its time limit, counted from its arrival.
//!
//! Owns the reading of `grpc-timeout`, and what is left of it for the next hop. Refuses a value that is malformed, as
//! gRPC servers do. Invariant: time never grows: each attempt is given what is left, and at the limit the call ends.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::proxy::response::error::{ProxyError, shown};
use crate::wire::grpc::{parse_timeout, write_timeout};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Libraries round what they write up, by up to a tenth: a client leaves so much earlier than it said.
const ROUNDED_UP: u32 = 10;
/// And by no more than this.
const MOST_ROUNDED_UP: Duration = Duration::from_millis(100);
/// A provider that has waited for so long may be charged with a call's limit, whatever the client chose.
pub(super) const FAIR_SHARE: Duration = Duration::from_secs(1);

/// A gRPC call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// `None`: it may take any time.
    pub(crate) expiry: Option<Expiry>,
}

/// When a client stops waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    arrived: Instant,
    limit: Duration,
}

impl Call {
    /// By its head, arrived now.
    pub(super) fn of(headers: &HeaderMap, arrived: Instant) -> Result<Call, ProxyError> {
        let Some(value) = headers.get(GRPC_TIMEOUT) else { return Ok(Call { expiry: None }) };
        let malformed = || ProxyError::GrpcTimeout(shown(&String::from_utf8_lossy(value.as_bytes())));
        let limit = parse_timeout(value.as_bytes()).ok_or_else(malformed)?;
        Ok(Call { expiry: Some(Expiry { arrived, limit }) })
    }

    /// Writes what is left into the headers for the next hop.
    pub(super) fn shorten(self, headers: &mut HeaderMap, now: Instant) {
        if let Some(expiry) = self.expiry
            && let Ok(left) = HeaderValue::try_from(write_timeout(expiry.left(now)))
        {
            headers.insert(GRPC_TIMEOUT, left);
        }
    }
}

impl Expiry {
    /// When it is over; `None`: beyond what the clock can count.
    pub(crate) fn at(self) -> Option<Instant> {
        self.arrived.checked_add(self.limit)
    }

    /// How much is left.
    pub(crate) fn left(self, now: Instant) -> Duration {
        self.limit.saturating_sub(now.saturating_duration_since(self.arrived))
    }

    pub(crate) fn is_over(self, now: Instant) -> bool {
        self.left(now).is_zero()
    }

    /// Whether a client that leaves now leaves because its time is over.
    pub(crate) fn explains_leaving(self, now: Instant) -> bool {
        self.left(now) <= (self.limit / ROUNDED_UP).min(MOST_ROUNDED_UP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn of(value: &'static str, arrived: Instant) -> Result<Call, ProxyError> {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(value));
        Call::of(&headers, arrived)
    }

    #[test]
    fn the_next_hop_is_given_what_is_left() {
        let arrived = clock::instant();
        let call = of("2S", arrived).unwrap();
        let after = |millis| {
            let mut headers = HeaderMap::new();
            call.shorten(&mut headers, arrived + Duration::from_millis(millis));
            headers[GRPC_TIMEOUT].to_str().unwrap().to_owned()
        };
        assert_eq!([0, 500, 1999, 2000, 9000].map(after), ["2000000u", "1500000u", "1000000n", "1n", "1n"]);
    }

    #[test]
    fn a_client_that_leaves_at_its_limit_leaves_because_of_it() {
        let arrived = clock::instant();
        let expiry = of("1S", arrived).unwrap().expiry.unwrap();
        let at = |millis| arrived + Duration::from_millis(millis);
        assert_eq!([0, 899, 900, 1500].map(|millis| expiry.explains_leaving(at(millis))), [false, false, true, true]);
        let long = of("100S", arrived).unwrap().expiry.unwrap();
        assert_eq!([99_899, 99_900].map(|millis| long.explains_leaving(at(millis))), [false, true]);
        assert_eq!([999, 1000].map(|millis| expiry.is_over(at(millis))), [false, true]);
    }

    #[test]
    fn a_malformed_limit_is_refused_and_none_is_none() {
        let arrived = clock::instant();
        assert!(matches!(of("soon", arrived), Err(ProxyError::GrpcTimeout(value)) if value == "soon"));
        let mut headers = HeaderMap::new();
        assert!(Call::of(&headers, arrived).unwrap().expiry.is_none());
        Call { expiry: None }.shorten(&mut headers, arrived);
        assert!(headers.is_empty());
    }
}
