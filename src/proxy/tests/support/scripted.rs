//! A provider that does as a function of its connection does: the one of all tests of the crate that ask over sockets.
//!
//! A script is code and not data, as a test goes step by step with it: over channels, or with the client's own end.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::PATIENCE;
use super::client::{Client, Message};

/// A provider whose connections are scripted, each on a thread of its own.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    gone: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Scripted {
    pub(crate) fn new(script: impl Fn(Client) + Send + Sync + 'static) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (script, gone) = (Arc::new(script), Arc::new(AtomicBool::new(false)));
        let ends = Arc::clone(&gone);
        let accept = move || {
            for stream in listener.incoming() {
                if ends.load(Relaxed) {
                    return;
                }
                let script = Arc::clone(&script);
                std::thread::spawn(move || script(Client::of(stream.unwrap())));
            }
        };
        Scripted { address, gone, thread: std::thread::spawn(accept) }
    }

    /// Takes no further connection, so that hundreds of providers can come and go; otherwise one ends with the process.
    pub(crate) fn end(self) {
        self.gone.store(true, Relaxed);
        // It looks when a client connects.
        let _ = TcpStream::connect(self.address);
        self.thread.join().unwrap();
    }

    /// Answers every request with these bytes, and passes on what it got.
    pub(crate) fn answering(answer: impl Into<String>) -> (Scripted, Receiver<Message>) {
        let (sender, receiver) = channel();
        let answer = answer.into();
        let provider = Scripted::new(move |mut client| {
            while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
                let message = client.message();
                let _ = sender.send(message);
                client.send(&answer);
            }
        });
        (provider, receiver)
    }

    /// Answers each request with the next of these bytes, whatever connection it comes by, and passes on what it got.
    /// An answer that ends in [`BREAK`] ends its connection as well.
    pub(crate) fn in_turn(answers: impl IntoIterator<Item = impl Into<String>>) -> (Scripted, Receiver<Message>) {
        let answers: Vec<String> = answers.into_iter().map(Into::into).collect();
        let answers = Mutex::new(VecDeque::from(answers));
        let (sender, receiver) = channel();
        let provider = Scripted::new(move |mut client| {
            while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
                let _ = sender.send(client.message());
                let answer = answers.lock().unwrap().pop_front().unwrap();
                client.send(answer.trim_end_matches(BREAK));
                if answer.ends_with(BREAK) {
                    return;
                }
            }
        });
        (provider, receiver)
    }
}

/// A provider that says when a request has come, and answers with the next of these on a signal.
pub(crate) fn on_signal(answers: impl IntoIterator<Item = String>) -> (Scripted, Receiver<Message>, Sender<()>) {
    let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
    let (sender, receiver) = channel();
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let provider = Scripted::new(move |mut client| {
        while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            let _ = sender.send(client.message());
            if wait.lock().unwrap().recv().is_err() {
                return;
            }
            let answer = answers.lock().unwrap().pop_front().unwrap();
            client.send(answer);
        }
    });
    (provider, receiver, go)
}

/// Ends the connection: see [`Scripted::in_turn`].
pub(crate) const BREAK: char = '\u{17}';

/// What a provider got, within the deadline.
pub(crate) fn got<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).unwrap()
}
