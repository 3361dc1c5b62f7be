//! A steady load of chat requests on kept connections, each answer looked at by the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;

use super::client::{Answer, Client};

/// Says what is wrong with an answer to a request that was sent in this era; `None`: nothing.
pub(crate) type Look = fn(&Answer, u64) -> Option<String>;

/// A running load.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    era: AtomicU64,
    answered: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl Load {
    /// This many connections, each asking as fast as it is answered.
    pub(crate) fn start(addr: SocketAddr, connections: u64, look: Look) -> Load {
        let shared = Arc::new(Shared::default());
        let threads = (0..connections).map(|number| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.ask(addr, number, look))
        });
        Load { threads: threads.collect(), shared }
    }

    /// Requests sent from now on belong to this era.
    pub(crate) fn set_era(&self, era: u64) {
        self.shared.era.store(era, SeqCst);
    }

    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(SeqCst)
    }

    /// Ends it; how many were answered, and what was wrong.
    pub(crate) fn stop(self) -> (u64, Vec<String>) {
        self.shared.stop.store(true, SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let wrong = self.shared.wrong.lock().unwrap().clone();
        (self.shared.answered.load(SeqCst), wrong)
    }
}

impl Shared {
    fn ask(&self, addr: SocketAddr, number: u64, look: Look) {
        let mut client = None;
        for turn in 0_u64.. {
            if self.stop.load(SeqCst) {
                return;
            }
            let mut connection = match client.take() {
                Some(connection) => connection,
                None => match Client::connect(addr) {
                    Ok(connection) => connection,
                    Err(error) => {
                        self.complain(format!("connecting: {error}"));
                        return;
                    }
                },
            };
            let user = format!("user-{}", (number * 7919 + turn * 104_729) % 1000);
            let era = self.era.load(SeqCst);
            match connection.chat(&user) {
                Ok(answer) => {
                    self.answered.fetch_add(1, SeqCst);
                    if let Some(wrong) = look(&answer, era) {
                        self.complain(format!("{user}: {wrong}"));
                    }
                    if !answer.header("connection").eq_ignore_ascii_case("close") {
                        client = Some(connection);
                    }
                }
                Err(error) => self.complain(format!("{user}: {error}")),
            }
        }
    }

    fn complain(&self, wrong: String) {
        let mut all = self.wrong.lock().unwrap();
        if all.len() < 100 {
            all.push(wrong);
        }
    }
}

/// Every answer must be a good one.
pub(crate) fn all_well(answer: &Answer, _: u64) -> Option<String> {
    (answer.status != 200).then(|| format!("{} {}", answer.status, answer.text()))
}
