//! Takes spans from the cores' queues and posts them, in batches.
//!
//! A batch that cannot be delivered is tried again, with growing pauses; meanwhile the queues fill up, and what does not
//! fit there is dropped and counted. Where the file asks for no traces any more, what still waits is dropped. Decides
//! nothing about a request. Invariants: at most one batch is held; each span is counted once, when its fate is known;
//! and no core waits for any of this.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use super::delivery::{Delivery, delivery};
use super::encode;
use super::parcel::{Parcel, Post};
use super::proto::{ExportRequest, Resource, ResourceSpans, Scope, ScopeSpans};
use crate::clock;
use crate::decide::policy::{BaseUrl, Policy};
use crate::decide::units::Millis;
use crate::state::snapshot::SnapshotCell;
use crate::state::spans::{RequestSpans, SpanFate, SpanQueues};

/// Requests of one batch.
const BATCH: usize = 512;
/// How long a batch that is not full waits for more.
const GATHER: Millis = Millis(1000);
/// How often the queues are looked at, with traces and without.
const LOOK: Duration = Duration::from_millis(100);
const LOOK_IDLE: Duration = Duration::from_secs(1);
/// How often a batch is tried.
const TRIES: u32 = 5;
/// The pause after the first failure in a row; it doubles up to the longest.
const FIRST_PAUSE: Millis = Millis(1000);
const LONGEST_PAUSE: Millis = Millis(30_000);
/// How often it is said that spans cannot be sent.
const SAID_EVERY: Millis = Millis(60_000);

pub(super) struct Exporter {
    shared: Arc<SnapshotCell>,
    queues: Arc<SpanQueues>,
    receivers: Vec<Receiver<Box<RequestSpans>>>,
    post: Post,
    resource: Resource,
    batch: Vec<RequestSpans>,
    /// When the first of the batch was taken.
    since: Millis,
    /// How often the batch was tried.
    tries: u32,
    /// Failures in a row, over all batches, and until when nothing is tried.
    failures: u32,
    rests_until: Millis,
    /// Where the last batch went.
    last: Option<BaseUrl>,
    said: Option<Millis>,
}

impl Exporter {
    pub(super) fn new(
        shared: Arc<SnapshotCell>,
        receivers: Vec<Receiver<Box<RequestSpans>>>,
        post: Post,
        resource: Resource,
    ) -> Exporter {
        Exporter {
            queues: Arc::clone(&shared.spans),
            shared,
            receivers,
            post,
            resource,
            batch: Vec::new(),
            since: Millis(0),
            tries: 0,
            failures: 0,
            rests_until: Millis(0),
            last: None,
            said: None,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let closing = self.queues.is_closing();
            let policy = Arc::clone(&self.shared.load().policy);
            if policy.otlp.is_some() {
                self.export(&policy, closing.is_some()).await;
            } else {
                self.discard();
            }
            if let Some(done) = closing {
                let _ = done.try_send(());
                return;
            }
            let look = if policy.otlp.is_some() { LOOK } else { LOOK_IDLE };
            tokio::select! {
                () = tokio::time::sleep(look) => {}
                () = self.queues.closed.notified() => {}
            }
        }
    }

    /// Sends what is due by now; `last`: everything.
    async fn export(&mut self, policy: &Policy, last: bool) {
        let Some(otlp) = &policy.otlp else { return };
        if self.last.as_ref() != Some(&otlp.endpoint) {
            // Another collector need not wait for the failures of the one before.
            self.last = Some(otlp.endpoint.clone());
            (self.failures, self.rests_until) = (0, Millis(0));
        }
        loop {
            self.fill();
            let now = clock::now();
            let due = last || self.batch.len() >= BATCH || now.since(self.since) >= GATHER;
            if self.batch.is_empty() || !due || (!last && now < self.rests_until) {
                return;
            }
            let parcel = Parcel {
                to: otlp.endpoint.clone(),
                egress: policy.egress.clone(),
                headers: otlp.headers.clone(),
                body: self.body(),
            };
            let answer = (self.post)(parcel).await;
            let spans = self.spans();
            match delivery(answer) {
                Delivery::Taken { rejected, said } => {
                    let rejected = rejected.min(spans);
                    self.queues.count(SpanFate::Sent, spans - rejected);
                    self.queues.count(SpanFate::Refused, rejected);
                    if rejected > 0 {
                        self.complain(&otlp.endpoint, &format!("{rejected} spans were refused: {said}"));
                    }
                    (self.failures, self.rests_until) = (0, Millis(0));
                    self.begin_anew();
                }
                Delivery::Refused(why) => {
                    self.complain(&otlp.endpoint, &why);
                    self.queues.count(SpanFate::Refused, spans);
                    self.begin_anew();
                }
                Delivery::Later { why, after } => {
                    self.complain(&otlp.endpoint, &why);
                    (self.tries, self.failures) = (self.tries + 1, self.failures + 1);
                    let doubled = FIRST_PAUSE.0 << (self.failures - 1).min(10);
                    let pause = Millis(after.map_or(doubled, |after| after.0.max(doubled))).min(LONGEST_PAUSE);
                    self.rests_until = Millis(clock::now().0 + pause.0);
                    if last || self.tries >= TRIES {
                        self.queues.count(SpanFate::Failed, spans);
                        self.begin_anew();
                    }
                }
            }
        }
    }

    /// Takes from each queue in turn until the batch is full or the queues are empty.
    fn fill(&mut self) {
        let before = self.batch.len();
        while self.batch.len() < BATCH {
            let came = self.receivers.iter().filter_map(|queue| queue.try_recv().ok());
            let had = self.batch.len();
            self.batch.extend(came.map(|spans| *spans));
            if self.batch.len() == had {
                break;
            }
        }
        if before == 0 {
            self.since = clock::now();
        }
    }

    /// Drops what waits: nobody wants it any more.
    fn discard(&mut self) {
        let waiting = self.receivers.iter().flat_map(Receiver::try_iter).map(|spans| spans.count()).sum::<u64>();
        let spans = self.spans() + waiting;
        if spans > 0 {
            self.queues.count(SpanFate::Dropped, spans);
            self.begin_anew();
        }
    }

    fn begin_anew(&mut self) {
        self.batch.clear();
        self.tries = 0;
    }

    fn spans(&self) -> u64 {
        self.batch.iter().map(RequestSpans::count).sum()
    }

    fn body(&self) -> Bytes {
        let scope = Scope { name: "serin".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let spans = self.batch.iter().flat_map(encode::spans).collect();
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans }];
        let resource_spans = vec![ResourceSpans { resource: Some(self.resource.clone()), scope_spans }];
        ExportRequest { resource_spans }.encode_to_vec().into()
    }

    fn complain(&mut self, to: &BaseUrl, why: &str) {
        let now = clock::now();
        if self.said.is_none_or(|said| now.since(said) >= SAID_EVERY) {
            self.said = Some(now);
            tracing::warn!("traces cannot be sent to {to}: {why}; check `otlp` in flags.yaml and the collector");
        }
    }
}
