//! The endpoints of the APIs that providers offer, as paths below their `base_url`.
//!
//! This is the only table of endpoints. It lists those that generate, which are split by default, and others that a
//! `base_url` may have been copied with. The payload of each is described in [`dialect`](crate::wire::dialect). Names
//! only: a probe finds out whether a provider has an endpoint.

/// Endpoints that generate.
pub const GENERATING: [&str; 4] = ["chat/completions", "completions", "responses", "messages"];

/// Endpoints that do something else.
const OTHER: [&str; 18] = [
    "embeddings",
    "models",
    "moderations",
    "rerank",
    "images/generations",
    "images/edits",
    "images/variations",
    "audio/speech",
    "audio/transcriptions",
    "audio/translations",
    "messages/count_tokens",
    "messages/batches",
    "complete",
    "files",
    "uploads",
    "batches",
    "realtime",
    "fine_tuning/jobs",
];

/// Where a URL's path ends in an endpoint, whatever slashes stand around it: the path before it, and the longest
/// endpoint that fits.
#[must_use]
pub fn at_end(path: &str) -> Option<(&str, &'static str)> {
    let path = path.trim_end_matches('/');
    let before = |endpoint: &str| {
        let split = path.len().checked_sub(endpoint.len())?;
        let (before, end) = (path.get(..split)?, path.get(split..)?);
        (end.eq_ignore_ascii_case(endpoint) && before.ends_with('/')).then(|| before.trim_end_matches('/'))
    };
    let all = GENERATING.into_iter().chain(OTHER);
    let found = all.filter_map(|endpoint| before(endpoint).map(|before| (before, endpoint)));
    found.max_by_key(|(_, endpoint)| endpoint.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_at_the_end_is_seen_and_its_name_elsewhere_is_not() {
        for endpoint in GENERATING.into_iter().chain(OTHER) {
            for (before, slashes) in [("/v1", ""), ("/v1", "/"), ("/api/v3", "//"), ("", "")] {
                assert_eq!(at_end(&format!("{before}/{endpoint}{slashes}")), Some((before, endpoint)), "{endpoint}");
            }
        }
        assert_eq!(at_end("/v1/Chat/Completions"), Some(("/v1", "chat/completions")));
        assert_eq!(at_end("/v1//chat/completions"), Some(("/v1", "chat/completions")));
        for none in
            ["", "/", "/v1", "/v1/chat", "/models/v1", "/my-models", "/xcompletions", "/compatible-mode/v1", "/é"]
        {
            assert_eq!(at_end(none), None, "{none}");
        }
    }
}
