//! The demo from its first line to its last: build the stage, run the script, keep running, clear up.
//!
//! Owns the directory, the flags file that it writes there once (and the user edits), the two providers, the users and
//! the sidecar. Invariant: whatever ends the demo (its script, a signal, a failed start, a panic), a directory of its
//! own making is removed, and a running sidecar is drained before.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::dir::DemoDir;
pub use super::error::DemoError;
use super::error::at;
use super::flags_file::{ROLLOUT, flags_text, ports};
use super::provider::{Behaviour, Provider};
use super::screen::{Screen, say};
use super::script::{Cue, Scene};
use super::sidecar::Sidecar;
use super::signals::Signals;
use super::speed::{CALM, FAST, Speed};
use super::traffic::Traffic;
use super::view::{DemoSummary, ProviderFacts, ViewData};
use crate::app::StartError;
use crate::clock;
use crate::decide::event::Action;
use crate::decide::units::{Millis, Percent, UnixMillis};

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

fn provider(name: &str, behaviour: Behaviour) -> Result<Provider, DemoError> {
    Provider::start(name, behaviour).map_err(at(format!("starting the provider {name}")))
}

fn healthy() -> Behaviour {
    Behaviour { latency: Millis(20), gap: Millis(5), ..Behaviour::default() }
}

fn failing() -> Behaviour {
    Behaviour { failures: Percent::from_hundredths(5000).unwrap_or(Percent::ALL), ..healthy() }
}

/// What can be done with it, in six lines: the frame below them has the rest of a small terminal.
fn invitation(proxy: SocketAddr, admin: SocketAddr, flags: &Path) -> String {
    let flags = flags.display();
    format!(
        "dashboard http://{admin}/ (also for --admin, and /metrics)\n\
         serin demo: two providers, 2,000 users, and a sidecar between them\n\
         request curl -i http://{proxy}/v1/chat/completions -H x-user-id:user-7 \\\n\
         \x20         -H content-type:application/json -d '{{\"model\": \"m\", \"messages\": []}}'\n\
         file    {flags}\n\
         command serin status | serin rollback | serin resume {ROLLOUT}\n"
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
            let (next, cue) = scene.next(facts.percent, facts.phase, now, &speed.pace);
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
            let facts = ViewData { caption: scene.caption(once), sum, ..facts };
            screen.show(facts.clone());
            if scene == Scene::Over && once {
                screen.close();
                return Ok(());
            }
            let after = now.since(started);
            if once && after > speed.pace.deadline {
                screen.close();
                let ViewData { percent, phase, reason, caption, .. } = facts;
                return Err(DemoError::Stuck { after, scene: caption, percent, phase: phase.as_str(), reason });
            }
        }
    }

    async fn facts(&self, caption: &'static str) -> ViewData {
        let status = self.sidecar.status();
        let rollout = status.rollouts.iter().find(|rollout| rollout.name == ROLLOUT);
        let asked = |provider: &Provider| {
            let tally = provider.requests();
            ProviderFacts { name: provider.name().to_owned(), requests: tally.generating, failed: tally.failed }
        };
        // Between a file that removes the rollout and one that brings it back, nobody is on the canary.
        let (percent, phase, reason) = rollout.map_or_else(
            || {
                let gone = "the file in force has no rollout `chat`".to_owned();
                (Percent::ZERO, crate::decide::rollout::state::OverallPhase::Blocked, gone)
            },
            |rollout| (rollout.percent, rollout.phase, rollout.reason.clone()),
        );
        let wrong = status.flags.errors.first().map(|error| format!("flags.yaml is not in force: {error}"));
        ViewData {
            began: self.began,
            now: clock::unix(),
            caption,
            percent,
            phase,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_done_is_six_lines_of_a_small_terminal() {
        let address = "127.0.0.1:65535".parse().unwrap();
        let text = invitation(address, address, Path::new("/tmp/serin-demo-4194304-1a227b501eb/flags.yaml"));
        assert_eq!(text.lines().count(), 6);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
