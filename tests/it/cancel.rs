//! Clients that vanish at any moment: the provider is told at once, and nothing is left behind.
//!
//! Every stream has an id that both ends know, so that the time between the client's leaving and the provider's
//! noticing is measured, not guessed. `SERIN_STREAMS` is the number of streams; 2,000 is the full measure.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use serin::clock;

use crate::support::api::Api;
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::fault::Fault;
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;
use crate::support::scripted::request::End;

const ROUNDS: usize = 3;
const THREADS: usize = 12;
/// What a busy machine may need; the aim is a tenth of a second.
const BOUND: Duration = Duration::from_secs(2);

fn streams() -> usize {
    std::env::var("SERIN_STREAMS").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

/// When a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// While it writes its request.
    Writing,
    /// The request is on its way, perhaps.
    Written,
    /// The provider has the request and says nothing.
    Silent,
    /// The headers are there, or held, and no output.
    Preamble,
    /// In the middle of the output.
    Output,
}

impl Moment {
    const fn of(number: usize) -> Moment {
        match number % 8 {
            0 => Moment::Writing,
            1 => Moment::Written,
            2 | 3 => Moment::Silent,
            4 => Moment::Preamble,
            _ => Moment::Output,
        }
    }
}

fn fault(model: &str) -> Fault {
    match model.split('-').next() {
        Some("silent") => Fault::Silence,
        Some("preamble") => Fault::PreambleThenSilence,
        _ => Fault::Endless(Duration::from_millis(150)),
    }
}

fn name(moment: Moment, id: usize) -> String {
    let kind = match moment {
        Moment::Silent => "silent",
        Moment::Preamble => "preamble",
        _ => "endless",
    };
    format!("{kind}-{id}")
}

/// Opens a stream, up to the moment at which its client leaves.
fn open(listen: SocketAddr, canary: &Scripted, moment: Moment, id: usize) -> TcpStream {
    let mut stream = TcpStream::connect(listen).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let api = Api::ALL[id % 3];
    let body = api.ask(&name(moment, id), true);
    let head = format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", api.path(), body.len());
    stream.write_all(head.as_bytes()).unwrap();
    let part = if moment == Moment::Writing { body.len() / 2 } else { body.len() };
    stream.write_all(&body.as_bytes()[..part]).unwrap();
    match moment {
        Moment::Writing | Moment::Written => {}
        Moment::Silent | Moment::Preamble => {
            let model = name(moment, id);
            eventually("the provider is asked", SOON, || canary.has_been_asked_for(&model).then_some(()));
        }
        Moment::Output => {
            // The head, and some output of the many events to come.
            let mut came = Vec::new();
            while !String::from_utf8_lossy(&came).contains("newcorp says") {
                let mut some = [0; 4096];
                let read = stream.read(&mut some).unwrap();
                assert!(read > 0, "ended before its output: {}", String::from_utf8_lossy(&came));
                came.extend(&some[..read]);
            }
        }
    }
    stream
}

/// One load: all streams are open at one time, then all clients vanish in disorder. When each left, by its model.
fn load(listen: SocketAddr, canary: &Scripted, first: usize, peak: impl FnOnce() + Send) -> HashMap<String, Instant> {
    let (count, next) = (streams(), AtomicUsize::new(0));
    let left = Mutex::new(HashMap::new());
    let (opened, look) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (next, left, opened, look) = (&next, &left, &opened, &look);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed((first + thread) as u64);
                let mut open_here = Vec::new();
                loop {
                    let number = next.fetch_add(1, SeqCst);
                    if number >= count {
                        break;
                    }
                    let moment = Moment::of(number);
                    open_here.push((name(moment, first + number), open(listen, canary, moment, first + number)));
                }
                opened.wait();
                look.wait();
                random.shuffle(&mut open_here);
                for (model, stream) in open_here {
                    // One after the other, as people leave, and not all in one burst.
                    std::thread::park_timeout(Duration::from_micros(random.u64(0..8000)));
                    if random.bool() {
                        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
                    }
                    let now = clock::instant();
                    drop(stream);
                    left.lock().unwrap().insert(model, now);
                }
            });
        }
        opened.wait();
        peak();
        look.wait();
    });
    left.into_inner().unwrap()
}

#[test]
fn whoever_leaves_frees_the_provider_at_once_and_leaves_nothing_behind() {
    let stable = Scripted::healthy("oldcorp");
    let canary = Scripted::start("newcorp", |seen| fault(&seen.model()));
    let keys = "timeouts: { headers: 60m, stream_headers: 60m, first_output: 60m, idle: 60m }, breaker: off";
    let flags = Flags::new()
        .provider("oldcorp", &stable.base_url(), keys)
        .provider("newcorp", &canary.base_url(), keys)
        .chat("percent: 100%, give_up_after: 60m");
    let mut stage = Harness::start(&flags);
    let listen = stage.listen;
    let (mut waits, mut after) = (Vec::new(), Vec::new());
    let began = clock::instant();
    for round in 0..ROUNDS {
        let first = round * streams();
        let left = load(listen, &canary, first, || {
            assert!(canary.open_connections() >= streams() / 2, "only {} are open", canary.open_connections());
        });
        eventually("every client connection is closed", SOON, || (stage.connections() == 0).then_some(()));
        eventually("every connection to the provider is closed", SOON, || {
            (canary.open_connections() == 0).then_some(())
        });
        for seen in canary.requests().iter().skip(waits.len()) {
            let model = seen.model();
            match seen.end {
                // The provider's stamp may be a moment older than the client's: it is taken by another thread.
                Some(End::Left(at)) => waits.push((at.saturating_duration_since(left[&model]), model)),
                end => panic!("{model}: {end:?}"),
            }
        }
        eventually("descriptors settle", SOON, || (stage.descriptors() < 64).then_some(()));
        after.push((stage.descriptors(), stage.resident()));
    }
    waits.sort();
    let (median, worst) = (&waits[waits.len() / 2], &waits[waits.len() - 1]);
    println!(
        "{} streams were open at the provider; it saw the client leave after {:?} (median), {:?} (worst, {}); \
         descriptors and resident KiB after each round: {after:?}; {:?} in all",
        waits.len(),
        median.0,
        worst.0,
        worst.1,
        began.elapsed()
    );
    assert!(waits.len() >= ROUNDS * streams() * 3 / 4, "only {} requests reached the provider", waits.len());
    assert!(worst.0 < BOUND, "{worst:?}");
    assert_eq!(stable.count(), 0, "nobody else is asked for a client that has gone");
    let (sockets, (sockets_then, memory_then)) = (after[0].0, after[ROUNDS - 1]);
    // What is free is given back to the system late: any of the rounds before may have been seen after that.
    let memory = after[..ROUNDS - 1].iter().map(|(_, memory)| *memory).max().unwrap_or_default();
    assert!(sockets_then <= sockets + 8, "{after:?}");
    assert!(memory_then <= memory + memory / 20 + 2048, "{after:?}");
    // What never reached the canary is no attempt; the rest left, and nothing else happened.
    let reached = canary.count() as u64;
    eventually("each is counted", SOON, || {
        let attempts = stage.attempts("chat");
        let gone = attempts.get(&("newcorp".to_owned(), "client_gone".to_owned())).copied().unwrap_or(0);
        assert!(attempts.keys().all(|(_, outcome)| outcome == "client_gone"), "{attempts:?}");
        (gone >= reached && gone <= (ROUNDS * streams()) as u64).then_some(())
    });
}
