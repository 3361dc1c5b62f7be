//! Makes the request for one provider, from what the client sent, anew for every attempt.
//!
//! Headers, path, key, model name and fields of the body, all by what was prepared for the provider. What the client
//! sent is only read, so nothing of one provider can reach the next: neither its key, nor its headers, nor its names
//! for models. Invariant: a request is made complete or not at all.

use http::Request;

use super::body::RequestBody;
use super::client_request::ClientRequest;
use super::headers::{self, HeaderRules};
use super::prepared::{Prepared, PreparedProvider};
use super::presentation::Key;
use super::trace::Trace;
use crate::clock;
use crate::decide::trace::SpanId;
use crate::proxy::response::error::ProxyError;
use crate::wire::body::rewrite;

/// The request for a provider, with this key of Serin's; `None` once its body was given away. `trusted`: the client's
/// credentials go with it; `trace`: its trace, and the attempt's span.
pub(crate) fn build(
    client_request: &ClientRequest<'_>,
    prepared: &Prepared,
    to: &PreparedProvider,
    key: Option<&Key>,
    (trusted, trace): (bool, Option<(&Trace, Option<SpanId>)>),
) -> Result<Option<Request<RequestBody>>, ProxyError> {
    let (request, parts) = (client_request.request, &client_request.request.parts);
    let known_as = client_request.model().map(|model| (model, to.provider.models.get(model)));
    let model = known_as.map(|(model, known_as)| known_as.map_or(model, String::as_str));
    let Some(uri) = to.uri(&parts.uri, request.below(), trusted, key, model) else {
        return Err(ProxyError::Unusable {
            provider: to.provider.name.clone(),
            reason: "its base_url and this request's path make no URI together".to_owned(),
        });
    };
    let Some(mut body) = client_request.take_body() else { return Ok(None) };
    let mut length = None;
    if let Some((whole, peek)) = client_request.read {
        let new = known_as.and_then(|(_, known_as)| known_as).map(String::as_str);
        if new.is_some() || !to.provider.fields.is_empty() {
            let rewritten = rewrite(whole, peek, new, &to.provider.fields);
            if rewritten != *whole {
                length = Some(rewritten.len());
                body = body.with_whole(rewritten);
            }
        }
    }
    let rules = HeaderRules {
        to,
        key,
        trusted,
        private: &prepared.private,
        upgrade: request.upgrade,
        connection: request.connection,
        plain_answer: client_request.streaming && request.dialect.generates(),
        new_length: length,
    };
    let mut outbound = Request::new(body);
    *outbound.method_mut() = parts.method.clone();
    *outbound.uri_mut() = uri;
    *outbound.version_mut() = parts.version;
    *outbound.headers_mut() = headers::outbound(&parts.headers, rules);
    if let Some(call) = request.grpc {
        call.shorten(outbound.headers_mut(), clock::instant());
    }
    if let Some((trace, attempt)) = trace {
        trace.write(attempt, outbound.headers_mut());
    }
    Ok(Some(outbound))
}
