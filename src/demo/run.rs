//! The demo from its first line to its last: build the stage, run the script, keep running, clear up.
//!
//! Owns the directory, the flags file that it writes there once (and the user edits), the two providers, the users and
//! the sidecar. Invariant: whatever ends the demo (its script, a signal, a failed start, a panic), a directory of its
//! own making is removed, and a running sidecar is drained before.

use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::provider::{Behaviour, Provider};
use super::script::{Cue, Pace, Scene};
use super::sidecar::Sidecar;
use super::traffic::Traffic;
use super::view::{self, DemoSummary, ProviderFacts, ViewData};
use crate::app::StartError;
use crate::clock;
use crate::decide::event::Action;
use crate::decide::units::{Millis, Percent, UnixMillis};

const ROLLOUT: &str = "chat";
const PORT: u16 = 7171;
const REDRAW: Duration = Duration::from_millis(200);
const EVENTS: u32 = 40;

/// How the demo is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Times and pauses shortened to a few seconds.
    pub fast: bool,
    /// End when the script is over.
    pub once: bool,
    /// The proxy port; the admin port is the next one. 0: any two. `None`: 7171, or any two where that is taken.
    pub port: Option<u16>,
    /// Where the flags file and the state go, and stay. `None`: a new directory, removed at the end.
    pub dir: Option<PathBuf>,
}

/// Why the demo ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Something around it failed.
    #[error("{place}: {source}")]
    Io {
        /// What was done, and to what.
        place: String,
        /// The cause.
        source: io::Error,
    },
    /// A port that was asked for cannot be had.
    #[error("{address} {why}: choose another `--port`; the admin port is the one after it")]
    Port {
        /// Where it should be.
        address: SocketAddr,
        /// What is the matter with it.
        why: String,
    },
    /// A signal ended it before the script did.
    #[error("ended by a signal; the script was at: {scene}")]
    Left {
        /// The scene it stood at.
        scene: &'static str,
    },
    /// The sidecar did not start.
    #[error("the sidecar did not start: {0}")]
    Start(#[from] StartError),
    /// The script did not come to its end.
    #[error("the demo did not end within {after}; it was at: {scene} (canary at {percent}, {standing}: {reason})")]
    Stuck {
        /// How long it ran.
        after: Millis,
        /// The scene it stood at.
        scene: &'static str,
        /// The share in force.
        percent: Percent,
        /// Where the rollout was.
        standing: &'static str,
        /// Why.
        reason: String,
    },
}

fn at(place: impl Into<String>) -> impl FnOnce(io::Error) -> DemoError {
    let place = place.into();
    move |source| DemoError::Io { place, source }
}

/// What the two speeds differ in.
struct Speed {
    hold_start: Millis,
    step: &'static str,
    every: Millis,
    max_error_rate: &'static str,
    min_requests: u32,
    per_second: u32,
    pace: Pace,
}

// A stage lasts until the guard has seen enough: some fifty answers for 5%, half as many for 10%.
const CALM: Speed = Speed {
    hold_start: Millis(5000),
    step: "15%",
    every: Millis(3000),
    max_error_rate: "5%",
    min_requests: 50,
    per_second: 60,
    pace: Pace { rolled_back: Millis(6000), mended: Millis(3000), deadline: Millis(240_000) },
};

const FAST: Speed = Speed {
    hold_start: Millis(1000),
    step: "30%",
    every: Millis(1000),
    max_error_rate: "10%",
    min_requests: 20,
    per_second: 200,
    pace: Pace { rolled_back: Millis(500), mended: Millis(500), deadline: Millis(90_000) },
};

/// Runs the demo until a signal, or until its script is over when asked so.
pub fn run(options: &Options) -> Result<(), DemoError> {
    let speed = if options.fast { FAST } else { CALM };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(at("starting the demo's own runtime"))?;
    // From here on a signal ends the demo and not the process, so that nothing is left behind.
    let signals = {
        let _inside = runtime.enter();
        Signals::watched().map_err(at("watching signals"))?
    };
    let stage = DemoDir::new(options.dir.as_deref())?;
    let openai = provider("openai", healthy())?;
    let holysheep = provider("holysheep", healthy())?;
    let (listen, admin) = ports(options.port);
    let flags = stage.dir.join("flags.yaml");
    let text = flags_text(listen, admin, &openai, &holysheep, &speed);
    std::fs::write(&flags, text).map_err(at(format!("writing {}", flags.display())))?;
    let sidecar = Sidecar::start(&flags, &stage.dir.join("state")).map_err(not_started)?;
    let traffic = Traffic::start(sidecar.proxy(), speed.per_second).map_err(at("starting the demo's users"))?;
    say(&invitation(sidecar.proxy(), sidecar.admin(), &flags));

    let world = DemoParts { began: clock::unix(), openai, holysheep, traffic, sidecar };
    let ended = runtime.block_on(world.play(&speed, options.once, signals));
    let DemoParts { traffic, sidecar, .. } = world;
    drop(traffic);
    sidecar.stop();
    ended
}

/// The ports are the demo's own to choose: the file that names them is written by it.
fn not_started(error: StartError) -> DemoError {
    match error {
        StartError::Bind { address, pid, error, .. } => {
            let why = match (error.kind(), pid) {
                (io::ErrorKind::AddrInUse, Some(pid)) => format!("is in use by the serin with pid {pid}"),
                (io::ErrorKind::AddrInUse, None) => "is in use".to_owned(),
                (io::ErrorKind::PermissionDenied, _) => "may not be bound by this user".to_owned(),
                _ => format!("cannot be bound ({error})"),
            };
            DemoError::Port { address, why }
        }
        other => DemoError::Start(other),
    }
}

/// What asks the demo to end.
struct Signals([Signal; 3]);

impl Signals {
    fn watched() -> io::Result<Signals> {
        Ok(Signals([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// The directory, removed at the end when it is ours.
struct DemoDir {
    dir: PathBuf,
    ours: bool,
}

impl DemoDir {
    fn new(dir: Option<&Path>) -> Result<DemoDir, DemoError> {
        let ours = dir.is_none();
        let dir = dir.map_or_else(
            || std::env::temp_dir().join(format!("serin-demo-{}-{:x}", std::process::id(), clock::unix().0)),
            Path::to_owned,
        );
        std::fs::create_dir_all(&dir).map_err(at(format!("creating {}", dir.display())))?;
        Ok(DemoDir { dir, ours })
    }
}

impl Drop for DemoDir {
    fn drop(&mut self) {
        if self.ours {
            // What cannot be removed is a few small files below the system's own temporary directory.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

fn provider(name: &str, behaviour: Behaviour) -> Result<Provider, DemoError> {
    Provider::start(name, behaviour).map_err(at(format!("starting the provider {name}")))
}

fn healthy() -> Behaviour {
    Behaviour { latency: Millis(20), gap: Millis(5), ..Behaviour::default() }
}

fn failing() -> Behaviour {
    Behaviour { failures: Percent::from_hundredths(5000).unwrap_or(Percent::ALL), ..healthy() }
}

fn ports(asked: Option<u16>) -> (SocketAddr, SocketAddr) {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let free = |port| TcpListener::bind(local(port)).is_ok();
    match asked {
        Some(0) => (local(0), local(0)),
        Some(port) => (local(port), local(port.checked_add(1).unwrap_or(0))),
        None if free(PORT) && free(PORT + 1) => (local(PORT), local(PORT + 1)),
        None => (local(0), local(0)),
    }
}

fn flags_text(listen: SocketAddr, admin: SocketAddr, old: &Provider, new: &Provider, speed: &Speed) -> String {
    format!(
        "# Written by `serin demo`. Edit it while the demo runs: it is in force when you save it.\n\
         # Try `percent: 25%`, `percent: 0`, or an error: a file with an error changes nothing.\n\
         listen: {listen}\n\
         admin: {{ listen: {admin} }}\n\
         drain: 2s\n\
         \n\
         providers:\n\
         \x20 {old}:\n\
         \x20   base_url: {old_url}\n\
         \x20   auth: none\n\
         \x20 {new}:\n\
         \x20   base_url: {new_url}\n\
         \x20   auth: none\n\
         \n\
         rollouts:\n\
         \x20 - name: {ROLLOUT}\n\
         \x20   stable: {old}\n\
         \x20   canary: {new}\n\
         \x20   percent: auto\n\
         \x20   ramp: {{ start: 10%, hold_start: {hold_start}, step: {step}, every: {every} }}\n\
         \x20   guard: {{ max_error_rate: {max_error_rate}, min_requests: {min_requests} }}\n",
        old = old.name(),
        old_url = old.base_url(),
        new = new.name(),
        new_url = new.base_url(),
        hold_start = speed.hold_start,
        step = speed.step,
        every = speed.every,
        max_error_rate = speed.max_error_rate,
        min_requests = speed.min_requests,
    )
}

/// What can be done with it, in six lines: the frame below them has the rest of a small terminal.
fn invitation(proxy: SocketAddr, admin: SocketAddr, flags: &Path) -> String {
    let flags = flags.display();
    format!(
        "serin demo: two providers, 2,000 users, and a sidecar between them\n\
         request curl -i http://{proxy}/v1/chat/completions -H x-user-id:user-7 \\\n\
         \x20         -H content-type:application/json -d '{{\"model\": \"m\", \"messages\": []}}'\n\
         file    {flags}\n\
         command serin status | serin rollback | serin resume {ROLLOUT}\n\
         admin   http://{admin} (--admin of these commands; /metrics)\n"
    )
}

/// What is on the stage while the script runs.
struct DemoParts {
    began: UnixMillis,
    openai: Provider,
    holysheep: Provider,
    traffic: Traffic,
    sidecar: Sidecar,
}

impl DemoParts {
    async fn play(&self, speed: &Speed, once: bool, mut signals: Signals) -> Result<(), DemoError> {
        let terminal = io::stdout().is_terminal();
        let mut screen = Screen { terminal, colour: terminal && std::env::var_os("NO_COLOR").is_none(), drawn: None };
        let mut scene = Scene::Climbing;
        let mut redraw = tokio::time::interval(REDRAW);
        let (mut broken_at, mut sum) = (None, None);
        let started = clock::now();
        loop {
            tokio::select! {
                _ = redraw.tick() => {}
                () = signals.any() => {
                    screen.close();
                    return if once { Err(DemoError::Left { scene: scene.caption(once) }) } else { Ok(()) };
                }
            }
            let facts = self.facts(scene.caption(once)).await;
            let now = clock::now();
            let (next, cue) = scene.next(facts.percent, facts.standing, now, &speed.pace);
            scene = next;
            match cue {
                Some(Cue::Break) => {
                    self.holysheep.set(failing());
                    broken_at = Some(clock::unix());
                }
                Some(Cue::Mend) => self.holysheep.set(healthy()),
                // Refused: the scene is played once more, after its pause.
                Some(Cue::Resume) if self.sidecar.resume(ROLLOUT).await.is_err() => {
                    scene = Scene::Mended { since: now };
                }
                Some(Cue::Finish) => sum = Some(summary(&facts, broken_at)),
                Some(Cue::Resume) | None => {}
            }
            let facts = ViewData { told: scene.caption(once), sum, ..facts };
            screen.show(facts.clone());
            if scene == Scene::Over && once {
                screen.close();
                return Ok(());
            }
            let after = now.since(started);
            if once && after > speed.pace.deadline {
                screen.close();
                let ViewData { percent, standing, reason, told, .. } = facts;
                return Err(DemoError::Stuck { after, scene: told, percent, standing: standing.as_str(), reason });
            }
        }
    }

    async fn facts(&self, told: &'static str) -> ViewData {
        let status = self.sidecar.status();
        let rollout = status.rollouts.iter().find(|rollout| rollout.name == ROLLOUT);
        let asked = |provider: &Provider| {
            let tally = provider.requests();
            ProviderFacts { name: provider.name().to_owned(), requests: tally.generating, failed: tally.failed }
        };
        // Between a file that removes the rollout and one that brings it back, nobody is on the canary.
        let (percent, standing, reason) = rollout.map_or_else(
            || {
                let gone = "the file in force has no rollout `chat`".to_owned();
                (Percent::ZERO, crate::decide::rollout::state::OverallPhase::Blocked, gone)
            },
            |rollout| (rollout.percent, rollout.standing, rollout.reason.clone()),
        );
        let wrong = status.flags.errors.first().map(|error| format!("flags.yaml is not in force: {error}"));
        ViewData {
            began: self.began,
            now: clock::unix(),
            told,
            percent,
            standing,
            reason: wrong.unwrap_or(reason),
            providers: [asked(&self.openai), asked(&self.holysheep)],
            users: self.traffic.seen(),
            events: self.sidecar.history(EVENTS).await,
            sum: None,
        }
    }
}

/// What the script came to. `broken_at`: when the new provider began to fail.
fn summary(facts: &ViewData, broken_at: Option<UnixMillis>) -> DemoSummary {
    let back = |broken: UnixMillis| {
        let rollbacks = facts.events.iter().filter(|event| event.action == Action::Rollback);
        rollbacks.map(|event| event.at).filter(|at| *at >= broken).min().map(|at| at.since(broken))
    };
    let [_, canary] = &facts.providers;
    DemoSummary { back_after: broken_at.and_then(back), failed: canary.failed, noticed: facts.users.failed }
}

/// Where the view goes.
struct Screen {
    terminal: bool,
    colour: bool,
    drawn: Option<ViewData>,
}

impl Screen {
    fn show(&mut self, facts: ViewData) {
        if self.terminal {
            let frame = view::frame(&facts, self.colour);
            let back = if self.drawn.is_some() { format!("\x1b[{}A", frame.lines().count()) } else { String::new() };
            // Without line wrap, so that the frame has as many rows as lines on a narrow terminal too.
            let lines = frame.replace('\n', "\x1b[K\n");
            say(&format!("\x1b[?25l\x1b[?7l{back}{lines}\x1b[?7h"));
        } else {
            for line in view::changes(self.drawn.as_ref(), &facts) {
                say(&format!("{line}\n"));
            }
        }
        self.drawn = Some(facts);
    }

    fn close(&self) {
        if self.terminal {
            say("\x1b[?25h");
        }
    }
}

/// A reader that has gone away (`serin demo | head`) does not end the demo.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_file_is_yaml_that_names_both_providers() {
        let (old, new) = (provider("openai", healthy()).unwrap(), provider("holysheep", healthy()).unwrap());
        let (listen, admin) = ports(Some(0));
        let text = flags_text(listen, admin, &old, &new, &CALM);
        let file: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(file["rollouts"][0]["stable"], "openai");
        assert_eq!(file["providers"]["holysheep"]["base_url"], new.base_url().as_str());
        assert_eq!(file["rollouts"][0]["ramp"]["hold_start"], "5s");
        assert_eq!(file["rollouts"][0]["guard"]["max_error_rate"], "5%");
    }

    #[test]
    fn what_can_be_done_is_six_lines_of_a_small_terminal() {
        let address = "127.0.0.1:65535".parse().unwrap();
        let text = invitation(address, address, Path::new("/tmp/serin-demo-4194304-1a227b501eb/flags.yaml"));
        assert_eq!(text.lines().count(), 6);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn a_panic_leaves_no_directory_behind() {
        let mut dir = PathBuf::new();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let stage = DemoDir::new(None).unwrap();
            std::fs::write(stage.dir.join("flags.yaml"), "").unwrap();
            dir.clone_from(&stage.dir);
            std::panic::resume_unwind(Box::new("anything"));
        }));
        assert!(ended.is_err() && dir.is_absolute() && !dir.exists());
    }

    #[test]
    fn ports_that_are_taken_are_avoided_unless_asked_for() {
        assert_eq!(ports(Some(0)), ("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()));
        assert_eq!(ports(Some(9000)), ("127.0.0.1:9000".parse().unwrap(), "127.0.0.1:9001".parse().unwrap()));
        let (proxy, admin) = ports(None);
        assert!(proxy.port() == 0 || admin.port() == proxy.port() + 1);
    }

    #[test]
    fn a_directory_of_its_own_goes_and_a_given_one_stays() {
        let own = DemoDir::new(None).unwrap();
        let path = own.dir.clone();
        assert!(path.is_dir());
        drop(own);
        assert!(!path.exists());
        let given = tempfile::tempdir().unwrap();
        let inside = given.path().join("demo");
        drop(DemoDir::new(Some(&inside)).unwrap());
        assert!(inside.is_dir());
    }
}
