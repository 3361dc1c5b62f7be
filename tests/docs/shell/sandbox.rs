//! Where the lines of a page are run: its flags.yaml with two local providers in the place of the real ones, a running
//! sidecar, and a home, a state and a registry of its own.
//!
//! Addresses and system paths of the text are replaced by those of the sandbox. `curl` fails where a status is one of
//! failure, by its own file of options.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serin::demo::provider::{Behaviour, Provider};

use crate::texts::{Page, package};

/// Long enough to be a token anywhere.
const SECRET: &str = "test-0123456789-0123456789";

/// How long a start may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The reader's application, for the pages on Kubernetes.
const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata:
      labels: { app: shop }
    spec:
      containers:
        - name: shop
          image: shop
";

/// A price list.
const PRICES: &str = r#"{"gpt-4o": {"max_input_tokens": 128000}}"#;

const FOLDERS: [&str; 9] =
    ["run", "state", "bin", "etc/serin/keys", "etc/systemd/system", "home/.zfunc", "log", "usr/local/bin", "man"];

pub(super) struct Sandbox {
    dir: tempfile::TempDir,
    /// What is replaced in a line, and by what.
    places: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    sidecar: Child,
    _providers: [Provider; 2],
}

impl Sandbox {
    pub(super) fn start(page: &Page) -> Sandbox {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        for folder in FOLDERS {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        std::fs::write(dir.path().join("home/.curlrc"), "fail\nshow-error\n").unwrap();
        // What the reader has unpacked, or written before.
        for file in ["openai.key", "new-keys", "man/serin.1"] {
            std::fs::write(dir.path().join(file), format!("{SECRET}\n")).unwrap();
        }
        std::fs::write(dir.path().join("deployment.yaml"), DEPLOYMENT).unwrap();
        std::fs::write(dir.path().join("prices.json"), PRICES).unwrap();
        let link = |from: &Path, to: &str| std::os::unix::fs::symlink(from, dir.path().join(to)).unwrap();
        link(Path::new(env!("CARGO_BIN_EXE_serin")), "bin/serin");
        link(Path::new(env!("CARGO_BIN_EXE_serin")), "serin");
        link(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd"), "systemd");
        let places: Vec<(String, String)> = vec![
            ("/var/lib/serin".to_owned(), at("state")),
            ("/var/log/serin".to_owned(), at("log")),
            ("/run/credentials/serin.service".to_owned(), at("etc")),
            ("/etc/".to_owned(), at("etc/")),
            ("/usr/local/".to_owned(), at("usr/local/")),
            ("target/release/serin".to_owned(), "serin".to_owned()),
        ];
        let providers = ["openai", "holysheep"].map(|name| Provider::start(name, Behaviour::default()).unwrap());
        let file = local(&replaced(&file_of(page), &places), &providers);
        let mut variables: Vec<(String, String)> = Vec::new();
        for reference in file.split("${").skip(1).filter_map(|rest| rest.split('}').next()) {
            match reference.strip_prefix("file:") {
                Some(path) => {
                    std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
                    std::fs::write(path, format!("{SECRET}-{}\n", variables.len())).unwrap();
                }
                // Each has a value of its own, since two clients must not share a key.
                None => variables.push((reference.to_owned(), format!("{SECRET}-{}", variables.len()))),
            }
        }
        for copy in ["flags.yaml", "etc/serin/flags.yaml"] {
            std::fs::write(dir.path().join(copy), &file).unwrap();
        }
        variables.extend([
            ("SERIN_REGISTRY".to_owned(), at("run")),
            ("HOME".to_owned(), at("home")),
            ("TMPDIR".to_owned(), at("home")),
            ("PATH".to_owned(), format!("{}:{}", at("bin"), std::env::var("PATH").unwrap())),
        ]);
        let mut sidecar = Command::new(env!("CARGO_BIN_EXE_serin"))
            .args(["run", "--state", &at("state")])
            .current_dir(dir.path())
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(sidecar.stdout.take().unwrap()).lines();
        let log = log_of(&mut sidecar, &dir.path().join("serin.log"));
        let mut sandbox = Sandbox { dir, places, variables, sidecar, _providers: providers };
        sandbox.learn_addresses(page, &mut lines, &log);
        // Whatever it still says is read, so that it never waits for its reader.
        std::thread::spawn(move || lines.for_each(drop));
        wait_for_the_ramp(page, &log);
        if page.blocks("sh").iter().any(|block| block.text.contains("/locks")) {
            // The folder of the locks is there once a rollout was rolled back.
            sandbox.run("serin rollback >home/told; serin resume chat >home/told").unwrap();
        }
        if page.blocks("sh").iter().any(|block| block.text.contains(" --trace")) {
            sandbox.record_traffic();
        }
        sandbox
    }

    /// The sidecar says its addresses when it is ready.
    fn learn_addresses(
        &mut self,
        page: &Page,
        lines: &mut impl Iterator<Item = std::io::Result<String>>,
        log: &Receiver<String>,
    ) {
        for line in lines {
            let line = line.unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            let known = [("listen", "127.0.0.1:7171"), ("admin", "127.0.0.1:7172"), ("probe", "127.0.0.1:7173")];
            if let [name, address, ..] = words.as_slice()
                && let Some((_, shown)) = known.iter().find(|(known, _)| known == name)
            {
                self.places.push(((*shown).to_owned(), address.trim_start_matches("http://").to_owned()));
            }
            if words.first() == Some(&"state") {
                return;
            }
        }
        let log: Vec<String> = log.iter().collect();
        panic!("{}: the sidecar with the page's file does not start:\n{}", page.path, log.join("\n"));
    }

    /// A page that exports the guard's recording needs one with a second of traffic. The loop asks the admin port: a
    /// process of serin for each question would keep a loaded machine from recording anything.
    fn record_traffic(&self) {
        let script = "
            for user in $(seq 40); do
                curl --silent http://127.0.0.1:7171/v1/chat/completions -H \"x-user-id: user-$user\" \
                    -H 'content-type: application/json' -d '{\"model\": \"gpt-4o\", \"messages\": []}' >home/answer
            done
            until curl --silent http://127.0.0.1:7172/api/v1/rollouts/chat/trace | grep share_percent >home/trace; do :; done";
        self.run(script).unwrap();
    }

    /// Runs a script; what it said if it does not end with 0.
    pub(super) fn run(&self, script: &str) -> Result<(), String> {
        let script = replaced(script, &self.places);
        let output = Command::new("timeout")
            .args(["60", "bash", "-e", "-o", "pipefail", "-c", &script])
            .current_dir(self.dir.path())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(());
        }
        let mut told = format!("{}\nran:\n{script}", output.status);
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let _ = write!(told, "{name}:\n{}\n", String::from_utf8_lossy(bytes));
        }
        Err(told)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.sidecar.kill();
        let _ = self.sidecar.wait();
    }
}

/// The lines of the sidecar's log as they are written, which are kept in a file as well.
fn log_of(sidecar: &mut Child, kept: &Path) -> Receiver<String> {
    let mut kept = std::fs::File::create(kept).unwrap();
    let lines = BufReader::new(sidecar.stderr.take().unwrap()).lines();
    let (told, log) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = writeln!(kept, "{line}");
            // It is read to its end even if nobody waits for a line any more.
            let _ = told.send(line);
        }
    });
    log
}

/// Commands on the ramp need a canary that has answered its probe. The log of the start names the phases.
fn wait_for_the_ramp(page: &Page, log: &Receiver<String>) {
    let next =
        || log.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{}: no probe was answered: {error}", page.path));
    let mut probing = loop {
        let line = next();
        if line.contains(" started, with state in ") {
            break line.matches("(probing)").count();
        }
    };
    while probing > 0 {
        probing -= usize::from(next().contains("the canary answered a probe"));
    }
}

fn replaced(text: &str, places: &[(String, String)]) -> String {
    places.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(shown, real))
}

/// The page's own file where it is about other providers, else that of README.md.
fn file_of(page: &Page) -> String {
    let whole = |page: &Page| {
        let blocks = page.blocks("yaml");
        blocks
            .iter()
            .map(|block| block.text)
            .find(|text| text.lines().any(|line| line.starts_with("providers:")))
            .map(str::to_owned)
    };
    let own = page.path.starts_with("docs/how-to/") || page.path == "docs/flags-for-apps.md";
    let own = if own { whole(page) } else { None };
    own.or_else(|| whole(&Page { path: "README.md".to_owned(), text: package("README.md") })).unwrap()
}

/// The file with local providers and with ports that nobody else has.
fn local(file: &str, providers: &[Provider; 2]) -> String {
    let ports = "listen: 127.0.0.1:0\nadmin: { listen: 127.0.0.1:0 }\nprobe: { listen: 127.0.0.1:0 }\n";
    let mut number = 0;
    let mut text = ports.to_owned();
    for line in
        file.lines().filter(|line| !["listen:", "admin:", "probe:", "state:"].iter().any(|key| line.starts_with(key)))
    {
        match line.split_once("base_url: ") {
            Some((before, after)) => {
                let end = after.find([' ', ',', '}']).unwrap_or(after.len());
                let local = providers[usize::min(number, 1)].base_url();
                number += 1;
                let _ = writeln!(text, "{before}base_url: {local}{}", &after[end..]);
            }
            None => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}
