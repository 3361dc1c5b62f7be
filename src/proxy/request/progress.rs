//! How far a request has come, for the case that Serin has to answer it.
//!
//! Kept beside the stops of the [pipeline](super::pipeline), since it is needed when one of them fails or is cut:
//! the request's id and time, whether the client is still sending, whether the request has an account that records it,
//! and in which form its client understands an error. Invariant: a request without an account that is rejected is
//! recorded here.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use http::{Method, Request, Response, Version};
use hyper::body::{Body as _, Incoming};

use super::headers::RareHeaders;
use super::read::ReadRequest;
use super::request_id::RequestId;
use super::trace::Trace;
use crate::clock;
use crate::decide::route::Plan;
use crate::proxy::attempt::earlier_plans::EarlierPlans;
use crate::proxy::attempt::sinks;
use crate::proxy::core::{Core, InUse};
use crate::proxy::downstream::client_connection::ClientConnection;
use crate::proxy::response::access::Unplanned;
use crate::proxy::response::error::ProxyError;
use crate::proxy::response::problem::{self, ErrorShape};
use crate::proxy::response::reply::ReplyBody;

/// How far a request has come.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    pub(super) id: Cell<RequestId>,
    /// When the request arrived.
    arrived: Instant,
    pub(super) version: Version,
    pub(super) rare_headers: RareHeaders,
    /// Whether some of its body was not read.
    unread: Cell<bool>,
    /// Whether it has an account.
    planned: Cell<bool>,
    /// Its trace, if traces are asked for.
    trace: Option<Rc<Trace>>,
    /// Its entry for the access log and its trace, until it has an account.
    unplanned: Option<Unplanned<'a>>,
    /// What was attempted by plans that no longer stand.
    earlier: RefCell<EarlierPlans>,
    error_shape: ErrorShape,
}

impl<'a> Progress<'a> {
    /// A request that was accepted: it has an id and a time from here on.
    pub(super) fn begin(connection: &'a ClientConnection, in_use: &InUse, request: &Request<Incoming>) -> Progress<'a> {
        let core = &connection.core;
        let (id, arrived) = (core.request_ids.next(), clock::instant());
        let trace = Trace::begin(connection, in_use, request.headers());
        let (mount, mut rare_headers) = (&in_use.snapshot.policy.mount, RareHeaders::of(request.headers()));
        // A call is a POST. To any other method a status of 200 would mean something else.
        rare_headers.grpc &= request.method() == Method::POST;
        let bodiless = request.body().is_end_stream();
        if bodiless {
            connection.activity.request_has_no_body();
        }
        Progress {
            id: Cell::new(id),
            arrived,
            version: request.version(),
            rare_headers,
            unread: Cell::new(!bodiless),
            planned: Cell::new(false),
            earlier: RefCell::default(),
            unplanned: Unplanned::of(core, in_use, request, (id, arrived), trace.as_ref()),
            trace,
            error_shape: ErrorShape::of(mount, request.uri().path(), rare_headers.grpc),
        }
    }

    /// Where verdicts are taken, the id of a request that is split brings back what one is charged to.
    pub(super) fn seal(&self, core: &Core, in_use: &InUse, plan: &Plan, request: &ReadRequest) {
        if in_use.prepared.seals_request_ids {
            let id = self.id.get().sealed(&core.seal, &in_use.snapshot, plan);
            self.id.set(id);
            request.id.set(id);
            if let Some(unplanned) = &self.unplanned {
                unplanned.set_id(id);
            }
        }
    }

    pub(super) fn body_was_read(&self) {
        self.unread.set(false);
    }

    pub(super) fn is_unread(&self) -> bool {
        self.unread.get()
    }

    /// The request is about to have an account. Returns what that needs: when the request arrived, what was attempted
    /// by earlier plans, and its trace.
    pub(super) fn planned(&self) -> (Instant, EarlierPlans, Option<Rc<Trace>>) {
        self.set_planned(true);
        (self.arrived, self.earlier.take(), self.trace.clone())
    }

    /// Its account has ended, and the request is to be planned anew.
    pub(super) fn plan_anew(&self, earlier: EarlierPlans) {
        self.set_planned(false);
        self.earlier.replace(earlier);
    }

    fn set_planned(&self, planned: bool) {
        self.planned.set(planned);
        if let Some(unplanned) = &self.unplanned {
            unplanned.set_planned(planned);
        }
    }

    pub(super) fn reject(self, problem: &ProxyError) -> Response<ReplyBody> {
        let response = problem::answer(problem, self.error_shape).map(ReplyBody::Own);
        if !self.planned.get() {
            let earlier = self.earlier.take();
            sinks::rejected(&earlier);
            if let Some(unplanned) = self.unplanned {
                unplanned.rejected(response.status(), problem, &earlier);
            }
        }
        response
    }
}
