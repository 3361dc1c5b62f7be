//! Who a command is for.

use super::*;
use crate::app::registry::{Registration, process_identity};

struct Machine {
    dir: tempfile::TempDir,
    registry: Registry,
}

impl Machine {
    fn new() -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().join("run"));
        Machine { dir, registry }
    }

    /// Lists a sidecar with its state in `NAME/` and its file `NAME/flags.yaml`.
    fn run(&self, name: &str, port: u16) -> Registration {
        let state = self.dir.path().join(name);
        std::fs::create_dir_all(&state).unwrap();
        let (pid, born) = process_identity();
        let entry = RegistryEntry {
            pid,
            born,
            listen: format!("127.0.0.1:{port}"),
            listen_tls: None,
            admin: format!("0.0.0.0:{}", port + 1),
            sock: Some(state.join("admin.sock")),
            flags: state.join("flags.yaml"),
            state,
        };
        self.registry.register(&entry).unwrap()
    }

    fn find(&self, args: &LocateArgs) -> Located {
        args.find_in(&self.registry, Some("t0ken".into())).unwrap()
    }
}

fn states(found: Located) -> Vec<PathBuf> {
    match found {
        Located::Running(targets) => targets.into_iter().filter_map(|target| target.state).collect(),
        Located::Nothing { .. } => Vec::new(),
    }
}

#[test]
fn the_listed_one_is_reached_by_socket_and_then_by_port() {
    let machine = Machine::new();
    let _one = machine.run("one", 1000);
    let target = one_of(machine.find(&LocateArgs::default())).unwrap();
    let tcp = Transport::Tcp { authority: "127.0.0.1:1001".into(), token: Some("t0ken".into()) };
    assert_eq!(target.vias, [Transport::Socket(machine.dir.path().join("one/admin.sock")), tcp.clone()]);
    assert_eq!(format!("{tcp:?}"), "http://127.0.0.1:1001");
}

#[test]
fn several_are_listed_and_one_is_asked_for() {
    let machine = Machine::new();
    let (_one, _two) = (machine.run("one", 1000), machine.run("two", 2000));
    let failure = one_of(machine.find(&LocateArgs::default())).unwrap_err();
    assert_eq!(failure.exit, super::super::Exit::Usage);
    let lines: Vec<&str> = failure.message.lines().collect();
    assert_eq!(lines[0], "several sidecars run here; choose one with --state, --flags or --admin:");
    assert!(lines[1].contains("/one --flags ") && lines[2].ends_with("--admin http://0.0.0.0:2001"), "{lines:?}");

    let two = machine.dir.path().join("two");
    let by_state = LocateArgs { state: Some(two.join("../two")), ..LocateArgs::default() };
    let by_flags = LocateArgs { flags: Some(two.join("flags.yaml")), ..LocateArgs::default() };
    assert_eq!(states(machine.find(&by_state)), std::slice::from_ref(&two));
    assert_eq!(states(machine.find(&by_flags)), [two]);
}

#[test]
fn where_nothing_runs_the_next_start_is_known() {
    let machine = Machine::new();
    let state = machine.dir.path().join("state");
    let flags = machine.dir.path().join("flags.yaml");
    std::fs::write(&flags, format!("state: {}\n", state.display())).unwrap();
    let found = machine.find(&LocateArgs { flags: Some(flags.clone()), ..LocateArgs::default() });
    assert_eq!(found, Located::Nothing { state: state.clone(), flags, elsewhere: Vec::new(), others: Vec::new() });
    let error = one_of(found).unwrap_err();
    assert_eq!(error.exit, super::super::Exit::Failed);
    assert_eq!(
        error.message,
        format!(
            "nothing is running here: no sidecar is listed on this machine, and none uses {}; `serin run` starts one, \
             --admin URL connects to one elsewhere",
            state.display()
        )
    );
}

#[test]
fn a_directory_that_no_sidecar_uses_is_answered_with_those_that_run() {
    let machine = Machine::new();
    let _one = machine.run("one", 1000);
    let state = machine.dir.path().join("mistyped");
    let error = one_of(machine.find(&LocateArgs { state: Some(state.clone()), ..LocateArgs::default() })).unwrap_err();
    let lines: Vec<&str> = error.message.lines().collect();
    let first = format!("no sidecar uses {}; choose one of those that run here with --state", state.display());
    assert!(lines[0].starts_with(&first) && lines[1].contains("/one --flags "), "{lines:?}");
}

#[test]
fn an_unlisted_process_is_found_by_its_hold_on_the_state() {
    let machine = Machine::new();
    let state = machine.dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let lock = std::fs::File::create(state.join("serin.lock")).unwrap();
    std::fs::write(state.join("serin.lock"), "77\n").unwrap();
    lock.try_lock().unwrap();
    let target = one_of(machine.find(&LocateArgs { state: Some(state.clone()), ..LocateArgs::default() })).unwrap();
    assert_eq!((target.name.as_str(), target.vias), ("pid 77", vec![Transport::Socket(state.join("admin.sock"))]));
}

#[test]
fn an_admin_url_wins_and_is_checked() {
    let machine = Machine::new();
    let _one = machine.run("one", 1000);
    let at = |url: &str| LocateArgs { admin: Some(url.into()), ..LocateArgs::default() };
    for (url, authority) in [
        ("http://10.0.0.1:7172", "10.0.0.1:7172"),
        ("http://serin.internal/", "serin.internal:80"),
        ("127.0.0.1:7172", "127.0.0.1:7172"),
        ("http://[::1]:7172", "[::1]:7172"),
    ] {
        let target = one_of(machine.find(&at(url))).unwrap();
        let token = Some("t0ken".to_owned());
        assert_eq!(target.vias, [Transport::Tcp { authority: authority.into(), token }]);
    }
    let error = |url: &str| at(url).find_in(&machine.registry, None).unwrap_err();
    assert_eq!(error("https://x").message, "--admin https://x: Serin's admin port uses plain HTTP; write http://");
    assert_eq!(error("http://").exit, super::super::Exit::Usage);
    assert_eq!(
        error("http://a/b").message,
        "--admin http://a/b: write it as http://HOST:PORT, such as http://127.0.0.1:7172"
    );
}
