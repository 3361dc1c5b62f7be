//! Users who ask at a steady rate, whatever becomes of their requests, and what became of them.
//!
//! Owns the clients' side. Requests have their moments beforehand, so that a slow answer delays nobody else's; those
//! that could not be sent in time, since everybody waited, are left out. Every other request is streamed. While a
//! sidecar is being replaced nobody asks, as behind a supervisor that starts one after the other.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serin::clock;

use crate::support::client::Client;
use crate::support::eventually::{SOON, eventually};

/// Waiting for an answer at one time, at most.
pub(super) const AT_ONCE: usize = 40;
/// A request that is later than this is left out.
const LATEST: Duration = Duration::from_millis(250);

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Users {
    /// So many, in turns.
    Many(u64),
    /// This one again and again.
    One(String),
    /// These, in turns.
    These(Vec<String>),
}

impl Users {
    fn name(&self, number: u64) -> String {
        match self {
            // Far from the order of their buckets.
            Users::Many(count) => format!("user-{}", number.wrapping_mul(7919) % count),
            Users::One(name) => name.clone(),
            Users::These(names) => names[usize::try_from(number).unwrap_or(0) % names.len()].clone(),
        }
    }
}

/// Running users; dropping it ends them.
pub(super) struct Traffic {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    began: Instant,
    per_second: u32,
    users: Users,
    from: IpAddr,
    sidecar: Mutex<Current>,
    next: AtomicU64,
    asking: AtomicUsize,
    stop: AtomicBool,
    answered: AtomicU64,
    cut: AtomicU64,
    wrong: Mutex<Vec<String>>,
    // The numbers of requests that have no whole answer yet.
    under_way: Mutex<BTreeSet<u64>>,
}

/// The sidecar that is asked.
#[derive(Clone, Copy)]
struct Current {
    // They are counted from 1.
    number: u64,
    // `None`: it is being replaced.
    addr: Option<SocketAddr>,
    // The last one that was killed.
    killed: u64,
}

/// What users saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whole answers that are no errors.
    pub(super) answered: u64,
    /// Requests that were under way when their sidecar was killed.
    pub(super) cut: u64,
    /// All others: errors, and answers that broke off.
    pub(super) wrong: Vec<String>,
}

impl Traffic {
    pub(super) fn start(addr: SocketAddr, per_second: u32, users: Users) -> Traffic {
        Traffic::start_with(addr, per_second, users, AT_ONCE)
    }

    /// From this address.
    pub(super) fn start_from(from: IpAddr, addr: SocketAddr, per_second: u32, users: Users) -> Traffic {
        Traffic::begin(from, addr, per_second, users, AT_ONCE)
    }

    /// So many can wait for an answer at one time.
    pub(super) fn start_with(addr: SocketAddr, per_second: u32, users: Users, at_once: usize) -> Traffic {
        Traffic::begin(Ipv4Addr::LOCALHOST.into(), addr, per_second, users, at_once)
    }

    fn begin(from: IpAddr, addr: SocketAddr, per_second: u32, users: Users, at_once: usize) -> Traffic {
        let shared = Arc::new(Shared {
            began: clock::instant(),
            per_second,
            users,
            from,
            sidecar: Mutex::new(Current { number: 1, addr: Some(addr), killed: 0 }),
            next: AtomicU64::new(0),
            asking: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            wrong: Mutex::default(),
            under_way: Mutex::default(),
        });
        let threads = (0..at_once).map(|_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.run())
        });
        Traffic { threads: threads.collect(), shared }
    }

    /// The sidecar is about to be killed: nobody asks from now on, and what is under way may break off.
    pub(super) fn hang_up(&self) {
        let mut sidecar = self.shared.sidecar.lock().unwrap();
        sidecar.addr = None;
        sidecar.killed = sidecar.number;
    }

    /// The sidecar is about to end: nobody asks from now on. Waits until everybody has their answer.
    pub(super) fn pause(&self) {
        self.shared.sidecar.lock().unwrap().addr = None;
        eventually("everybody has their answer", 2 * SOON, || (self.shared.asking.load(SeqCst) == 0).then_some(()));
    }

    /// Another sidecar has taken its place.
    pub(super) fn go_on(&self, addr: SocketAddr) {
        let mut sidecar = self.shared.sidecar.lock().unwrap();
        sidecar.number += 1;
        sidecar.addr = Some(addr);
    }

    pub(super) fn seen(&self) -> Seen {
        let wrong = self.shared.wrong.lock().unwrap().clone();
        Seen { answered: self.shared.answered.load(SeqCst), cut: self.shared.cut.load(SeqCst), wrong }
    }

    /// Waits until everybody who waits now has their answer; how many they were.
    pub(super) fn everybody_is_answered(&self, within: Duration) -> usize {
        let waiting = self.shared.under_way.lock().unwrap().clone();
        eventually("everybody who waits is answered", within, || {
            self.shared.under_way.lock().unwrap().is_disjoint(&waiting).then_some(())
        });
        waiting.len()
    }

    /// How many have waited since before this moment.
    pub(super) fn waiting_since(&self, moment: Instant) -> usize {
        let number =
            moment.saturating_duration_since(self.shared.began).as_secs_f64() * f64::from(self.shared.per_second);
        self.shared.under_way.lock().unwrap().iter().filter(|other| (**other as f64) < number).count()
    }

    /// Waits for so many more answers.
    pub(super) fn wait_for(&self, answers: u64) {
        let before = self.shared.answered.load(SeqCst);
        eventually("the load goes on", 3 * SOON, || {
            (self.shared.answered.load(SeqCst) >= before + answers).then_some(())
        });
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        for thread in self.threads.drain(..) {
            // What went wrong in it is in `wrong`, or was a panic that has been told.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut kept: Option<(u64, Client)> = None;
        while let Some(number) = self.wait_for_a_turn() {
            self.asking.fetch_add(1, SeqCst);
            let Current { number: sidecar, addr, .. } = *self.sidecar.lock().unwrap();
            if let Some(addr) = addr {
                let connected = match kept.take() {
                    Some((of, client)) if of == sidecar => Ok(client),
                    _ => Client::connect_from(self.from, addr).map_err(|error| format!("connecting: {error}")),
                };
                self.under_way.lock().unwrap().insert(number);
                let asked = connected.and_then(|client| self.ask(client, number));
                self.under_way.lock().unwrap().remove(&number);
                match asked {
                    Ok(client) => {
                        self.answered.fetch_add(1, SeqCst);
                        kept = client.map(|client| (sidecar, client));
                    }
                    Err(_) if self.sidecar.lock().unwrap().killed >= sidecar => drop(self.cut.fetch_add(1, SeqCst)),
                    Err(error) => self.wrong.lock().unwrap().push(format!("request {number}: {error}")),
                }
            }
            self.asking.fetch_sub(1, SeqCst);
        }
    }

    /// The number of the next request, when its moment has come; `None`: it is over.
    fn wait_for_a_turn(&self) -> Option<u64> {
        loop {
            let number = self.next.fetch_add(1, SeqCst);
            let due = Duration::from_secs(number) / self.per_second;
            while let Some(left) = due.checked_sub(self.began.elapsed()).filter(|left| !left.is_zero()) {
                if self.stop.load(SeqCst) {
                    return None;
                }
                std::thread::park_timeout(left);
            }
            if self.stop.load(SeqCst) {
                return None;
            }
            let late = self.began.elapsed().saturating_sub(due);
            if late < LATEST {
                return Some(number);
            }
            // Nobody makes up for what was left out.
            let missed = late.as_millis() * u128::from(self.per_second) / 1000;
            self.next.fetch_max(number + u64::try_from(missed).unwrap_or(0), SeqCst);
        }
    }

    /// The connection, if it can be used again.
    fn ask(&self, mut client: Client, number: u64) -> Result<Option<Client>, String> {
        let (user, stream) = (self.users.name(number), number.is_multiple_of(2));
        let body = format!(
            r#"{{"model":"m","user":"{user}","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        let response = client.ask("/v1/chat/completions", &[], &body).map_err(|error| format!("{user}: {error}"))?;
        let (answer, text) = (&response.answer, response.answer.text());
        if answer.status != 200 {
            let provider = answer.header("x-serin-provider");
            return Err(format!("{user}: {} of {provider}: {text:.200}", answer.status));
        }
        response.end.map_err(|error| format!("{user}: broken off after {} bytes: {error}", text.len()))?;
        if stream && !text.ends_with("data: [DONE]\n\n") {
            return Err(format!("{user}: no whole stream: {text:.200}"));
        }
        Ok((!answer.header("connection").eq_ignore_ascii_case("close")).then_some(client))
    }
}
