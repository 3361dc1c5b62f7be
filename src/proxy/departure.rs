//! Makes a request fit for one provider, and undoes it when it is planned anew for another.
//!
//! Headers, path, key and model name, all by what was prepared for the provider. The body is touched in one place
//! only: the model's name, where the provider knows it by another. Invariant: undone, a request is what the client
//! sent, so that nothing of one provider reaches the next.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri, request};

use super::body::RequestBody;
use super::error::Problem;
use super::facts::Visit;
use super::headers::{self, Passage, Withheld};
use super::prepared::{Key, Outbound, Prepared};
use crate::decide::policy::Provider;
use crate::decide::route::Plan;
use crate::wire::body::{Peek, rewrite};

/// What was changed on a request for one provider.
#[derive(Debug)]
pub(crate) struct Departure<'a> {
    to: &'a Outbound,
    key: Option<&'a Key>,
    uri: Uri,
    withheld: Withheld,
    json: Option<Bytes>,
}

/// A request made fit for the planned provider, and how to undo it. `json` is the whole body, with its `peek`.
pub(crate) fn depart<'a>(
    prepared: &'a Prepared,
    plan: &Plan,
    visit: &Visit,
    mut parts: request::Parts,
    mut body: RequestBody,
    json: Option<(&Bytes, &Peek<'_>)>,
) -> Result<(Request<RequestBody>, Departure<'a>), Problem> {
    let to = prepared.outbound(plan.provider);
    let broken = |reason: &str| Problem::Unusable { provider: to.provider.name.clone(), reason: reason.to_owned() };
    if let Some(reason) = &to.unusable {
        return Err(broken(reason));
    }
    let entitled = is_entitled(prepared, plan);
    let key = to.next_key();
    let model = json.and_then(|(_, peek)| peek.model());
    let renamed = model.and_then(|model| to.provider.models.get(model)).map(String::as_str);
    let uri = to.uri(&parts.uri, visit.below(&parts.uri), entitled, key, renamed.or(model));
    let uri = uri.ok_or_else(|| broken("its base_url and this request's path make no URI together"))?;
    let uri = std::mem::replace(&mut parts.uri, uri);
    let passage = Passage { to, key, entitled, private: &prepared.private, upgrade: visit.upgrade };
    let mut withheld = headers::outbound(&mut parts.headers, passage);
    let mut original = None;
    if let Some((json, peek)) = json
        && (renamed.is_some() || !to.provider.fields.is_empty())
    {
        let rewritten = rewrite(json, peek, renamed, &to.provider.fields);
        withheld.fit_body(&mut parts.headers, rewritten.len());
        original = Some(json.clone());
        body = match body {
            RequestBody::Trailed(_, trailers) => RequestBody::Trailed(rewritten, trailers),
            _ => RequestBody::Whole(rewritten),
        };
    }
    Ok((Request::from_parts(parts, body), Departure { to, key, uri, withheld, json: original }))
}

/// The client's credentials were meant for stable; for whoever serves it, where nothing is split.
fn is_entitled(prepared: &Prepared, plan: &Plan) -> bool {
    plan.rollout.is_none_or(|id| prepared.policy.rollouts[usize::from(id.0)].stable == plan.provider)
}

impl<'a> Departure<'a> {
    /// Who it goes to.
    pub(crate) fn provider(&self) -> &'a Arc<Provider> {
        &self.to.provider
    }

    /// The request as it came.
    pub(crate) fn undo(self, request: Request<RequestBody>) -> (request::Parts, RequestBody) {
        let (mut parts, mut body) = request.into_parts();
        self.withheld.restore(&mut parts.headers, self.to, self.key);
        parts.uri = self.uri;
        if let Some(json) = self.json {
            body = match body {
                RequestBody::Trailed(_, trailers) => RequestBody::Trailed(json, trailers),
                _ => RequestBody::Whole(json),
            };
        }
        (parts, body)
    }
}
