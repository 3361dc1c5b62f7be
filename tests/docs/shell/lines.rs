//! The lines of a block, and what a test does with each.
//!
//! Reads as much of the shell's grammar as examples need: quotes, continued lines, documents in place (`<<`), pipes and
//! lists. A block with a loop or a function is one line. Nothing is guessed: a program in neither list is unknown.

use clap::CommandFactory as _;
use serin::cli::args::Cli;

/// What a test does with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is run.
    Run,
    /// It is read by the parser of the command line and not run, since it never ends.
    Parse,
    /// It is recognised and not run, for this reason.
    Recognise(&'static str),
    /// Its program is in no list.
    Unknown(String),
}

/// A line of a block, with those that continue it.
pub(super) struct Line {
    pub(super) text: String,
}

/// Programs that change nothing outside of the sandbox.
const RUN: &[&str] = &[
    "serin",
    "curl",
    "jq",
    "export",
    "unset",
    "set",
    "cd",
    "echo",
    "printf",
    "cat",
    "head",
    "tail",
    "grep",
    "sed",
    "awk",
    "sort",
    "uniq",
    "wc",
    "cut",
    "tr",
    "xargs",
    "seq",
    "cp",
    "install",
    "mv",
    "rm",
    "ln",
    "mkdir",
    "touch",
    "chmod",
    "ls",
    "stat",
    "find",
    "tar",
    "cmp",
    "diff",
    "sha256sum",
    "date",
    "sleep",
    "test",
    "[",
    "true",
    "for",
    "do",
    "done",
    "while",
    "if",
    "then",
    "else",
    "fi",
    "umask",
    "env",
    "sqlite3",
    "tee",
    "openssl",
    "wait",
    "kill",
    "timeout",
    "bash",
    "sh",
];

/// What cannot be run in a test, and why that is no gap.
const RECOGNISED: &[(&str, &str)] = &[
    ("make", "its targets are tested by name, and CI runs them"),
    ("docker", "it needs a daemon; tests/dist runs what is in the image"),
    ("podman", "it needs a registry; tests/dist runs what is in the image"),
    ("kubectl", "it needs a cluster; the objects are validated where they are made"),
    ("kustomize", "it needs a cluster; the objects are validated where they are made"),
    ("helm", "it needs a cluster; the chart is rendered where it is tested"),
    ("systemctl", "it needs systemd as the first process; the units are tested by tests/it and tests/dist"),
    ("systemd-analyze", "it needs systemd as the first process"),
    ("journalctl", "it needs systemd as the first process"),
    ("loginctl", "it needs systemd as the first process"),
    ("deploy/systemd/install.sh", "it needs systemd as the first process; tests/units.rs tests it"),
    ("useradd", "it changes the machine"),
    ("apt-get", "it changes the machine"),
    ("sudo", "it changes the machine"),
    ("chown", "it needs root"),
    ("cargo", "it builds for minutes; the test of CI builds first"),
    ("rustup", "it changes the machine"),
    ("git", "it needs the network, or a work tree to change"),
    ("pip", "it installs; the tests of the SDKs and examples install the same"),
    ("python3", "it runs what the tests of the SDKs and examples run"),
    ("python", "it runs what the tests of the SDKs and examples run"),
    ("uvicorn", "the tests of the examples run it"),
    ("npm", "it installs; the tests of the SDKs and examples install the same"),
    ("node", "the tests of the SDKs and examples run it"),
    ("vllm", "it needs a model; the rest of the page is run against local providers"),
    ("promtool", "it is installed by the tests of the rules"),
    ("prometheus", "it is installed by the tests of the examples"),
    ("litellm", "it needs providers; the rest of the page is run against local ones"),
    ("ssh", "it needs another machine"),
    ("scp", "it needs another machine"),
    ("examples/apps/curl/chat.sh", "the tests of the examples run it"),
];

/// The port of the reader's own application, which no test has.
const APPLICATION: &str = "http://127.0.0.1:8080";

/// The lines of a block; comments and empty lines are left out.
pub(super) fn lines(block: &str) -> Vec<Line> {
    let compound = |line: &str| ["for ", "while ", "until ", "if ", "case "].iter().any(|word| line.starts_with(word));
    if block.lines().any(|line| compound(line.trim_start())) {
        return vec![Line { text: block.trim().to_owned() }];
    }
    let mut lines: Vec<Line> = Vec::new();
    let mut rest = block.lines();
    while let Some(first) = rest.next() {
        let mut text = first.trim_start().to_owned();
        while text.ends_with('\\') || has_open_quote(&text) {
            let Some(next) = rest.next() else { break };
            text = format!("{text}\n{next}");
        }
        if let Some((_, word)) = text.split_once("<<") {
            let end = word.trim_start_matches('-').trim_matches(['\'', '"']).to_owned();
            let end = end.split_whitespace().next().unwrap_or_default().trim_matches(['\'', '"']).to_owned();
            for next in rest.by_ref() {
                text = format!("{text}\n{next}");
                if next.trim() == end {
                    break;
                }
            }
        }
        if !text.trim().is_empty() && !text.trim_start().starts_with('#') {
            lines.push(Line { text });
        }
    }
    lines
}

fn has_open_quote(text: &str) -> bool {
    commands(text).is_none()
}

/// The words of each command of a line; `None`: a quote is open.
fn commands(line: &str) -> Option<Vec<Vec<String>>> {
    let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => {
                // A line that goes on is one line.
                match chars.next() {
                    Some('\n') | None => {}
                    Some(escaped) => word.get_or_insert_default().push(escaped),
                }
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | ';' | '&' | '\n' | '(' | ')')
                if !(c == '&' && word.as_deref().is_some_and(|w| w.ends_with('>'))) =>
            {
                words.extend(word.take());
                all.push(std::mem::take(&mut words));
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    all.push(words);
    all.retain(|words| !words.is_empty());
    quote.is_none().then_some(all)
}

/// A command without the variables that are set for it alone, and without redirections.
fn plain(words: &[String]) -> Vec<&str> {
    let is_setting = |word: &&String| {
        word.split_once('=')
            .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    let mut plain: Vec<&str> = Vec::new();
    let mut words = words.iter().skip_while(is_setting);
    while let Some(word) = words.next() {
        match word.trim_start_matches(|c: char| c.is_ascii_digit()) {
            ">" | ">>" | "<" => drop(words.next()),
            redirected if redirected.starts_with(['>', '<']) => {}
            _ => plain.push(word),
        }
    }
    plain
}

impl Line {
    pub(super) fn usage(&self) -> Use {
        // What stands in a document is data.
        let head = if self.text.contains("<<") { self.text.lines().next().unwrap_or_default() } else { &self.text };
        if self.text.contains(APPLICATION) {
            return Use::Recognise("it asks the reader's application; the tests of the examples ask theirs");
        }
        let mut usage = Use::Run;
        for words in commands(head).unwrap_or_default() {
            let words = plain(&words);
            let Some(program) = words.first() else { continue };
            let program = program.trim_start_matches("target/release/").trim_start_matches("target/debug/");
            match RECOGNISED.iter().find(|(name, _)| *name == program) {
                Some((_, reason)) => return Use::Recognise(reason),
                None if program == "serin" && never_ends(&words) => usage = Use::Parse,
                None if RUN.contains(&program) => {}
                None => return Use::Unknown(program.to_owned()),
            }
        }
        usage
    }

    /// What the command line's own parser, or the Makefile, has against it.
    pub(super) fn mistake(&self) -> Option<String> {
        let head = if self.text.contains("<<") { self.text.lines().next()? } else { &self.text };
        for words in commands(head)? {
            let words = plain(&words);
            let program = words.first()?.trim_start_matches("target/release/").trim_start_matches("target/debug/");
            if program == "serin" {
                let arguments = std::iter::once("serin").chain(words.iter().copied().skip(1));
                if let Err(error) = Cli::command().try_get_matches_from(arguments)
                    && error.use_stderr()
                {
                    return Some(error.to_string());
                }
            }
            if program == "make" {
                let makefile = crate::texts::package("Makefile");
                let target = words.get(1).copied().unwrap_or("help");
                if !makefile.contains(&format!("\n{target}:")) {
                    return Some(format!("the Makefile has no `{target}`"));
                }
            }
        }
        None
    }

    /// The line as it is run: with the exit code that it announces, and with few runs of a simulation.
    pub(super) fn checked(&self) -> String {
        let text = match self.text.contains("serin simulate") && !self.text.contains("--trace") {
            true => without_runs(&self.text).replace("serin simulate", "serin simulate --runs 2"),
            false => self.text.clone(),
        };
        let announced =
            text.split_once("# exit code ").and_then(|(line, code)| Some((line, code.trim().parse::<u8>().ok()?)));
        match announced {
            Some((line, code)) => format!(
                "code=0; {{ {}; }} || code=$?; [ \"$code\" = {code} ] || {{ echo \"exit code $code\" >&2; exit 1; }}",
                line.trim()
            ),
            None => text,
        }
    }
}

/// A simulation without its number of rollouts.
fn without_runs(text: &str) -> String {
    match text.split_once("--runs ") {
        Some((before, after)) => format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => text.to_owned(),
    }
}

/// Whether a block stops the service first: its other lines need the service, which no test has.
pub(super) fn stops_the_service(lines: &[Line]) -> bool {
    lines.iter().any(|line| line.text.starts_with("systemctl stop"))
}

/// Whether a command runs until it is stopped.
fn never_ends(words: &[&str]) -> bool {
    matches!(words.get(1), Some(&("run" | "demo"))) || words.contains(&"--watch")
}

/// Whether the command line's own parser takes this command.
pub(super) fn parsed(line: &str) -> Result<(), String> {
    Line { text: line.to_owned() }.mistake().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(text: &str) -> Use {
        Line { text: text.to_owned() }.usage()
    }

    #[test]
    fn a_line_that_is_not_known_is_seen() {
        assert_eq!(usage("frobnicate --all"), Use::Unknown("frobnicate".to_owned()));
        assert_eq!(usage("serin status | frobnicate"), Use::Unknown("frobnicate".to_owned()));
        assert_eq!(usage("A=1 serin status --json 2>&1 | jq '.[] | .pid' > out"), Use::Run);
        assert_eq!(usage("serin run --flags flags.yaml &"), Use::Parse);
        assert!(matches!(usage("docker run x"), Use::Recognise(_)));
        assert!(parsed("serin status --wach").is_err());
        assert!(parsed("make no-such-target").is_err());
        assert_eq!(parsed("make demo    # a comment"), Ok(()));
    }

    #[test]
    fn lines_that_go_on_are_one() {
        let block = "serin \\\n  status\ncat > f <<'EOF'\nfrobnicate\nEOF\n# a comment\n\ncurl -d '{\n}' x\n";
        let lines: Vec<String> = lines(block).into_iter().map(|line| line.text).collect();
        assert_eq!(lines, ["serin \\\n  status", "cat > f <<'EOF'\nfrobnicate\nEOF", "curl -d '{\n}' x"]);
        assert_eq!(Line { text: "serin check x  # exit code 64".to_owned() }.usage(), Use::Run);
    }
}
