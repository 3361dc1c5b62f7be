//! `serin bucket`: where users fall, by the same function that routes their requests.
//!
//! Ids come as arguments or, one a line, from standard input, and are taken as they are: what stands for nobody in a
//! request is hashed here like any other text. Works on bytes and in one pass, so 100,000 ids are a moment's work.

mod at;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::locate::LocateArgs;
use super::past::{self, Past};
use super::{Exit, Failure, Outcome};
use crate::app::api::Timestamp;
use crate::clock;
use crate::decide::bucket::bucket;
use crate::decide::policy::{Intent, Policy};
use crate::decide::printable::printable;
use crate::decide::route::{RouteShare, arm_of_user};
use crate::decide::units::{Arm, Bucket, Percent};
use crate::flags::{self, Environment};
use at::Moment;

/// Print the bucket of users (0 to 9999) and, with a percent, the arm they are on.
#[derive(Args, Clone, Debug, Default)]
#[command(after_long_help = "Examples:\n  serin bucket user-123\n  serin bucket user-123 --rollout chat\n  \
    serin bucket user-123 --rollout chat --at 2h\n  serin bucket user-123 --rollout chat --at 2026-11-21T07:56:02Z")]
pub struct BucketArgs {
    /// User ids, exactly as requests carry them; `-` reads them from standard input. Junk ids ("anonymous", "0",
    /// "null") are hashed like any other here, but count as absent in requests.
    #[arg(value_name = "USER")]
    pub users: Vec<OsString>,
    /// Read ids from standard input, one per line, after those in the arguments.
    #[arg(long)]
    pub stdin: bool,
    /// Ids on standard input end with a zero byte, not with a newline (implies --stdin).
    #[arg(short = '0', long)]
    pub null: bool,
    /// Split like this rollout of the flags file: with its salt, its pins, and its percent if the file pins one.
    #[arg(long, value_name = "NAME")]
    pub rollout: Option<String>,
    /// The flags file with the rollout of --rollout.
    #[arg(long, value_name = "FILE", env = "SERIN_FLAGS", default_value = "flags.yaml")]
    pub flags: PathBuf,
    /// The rollout's salt.
    #[arg(long)]
    pub salt: Option<String>,
    /// The share of users on the canary, such as 10% or 7.5%: prints each user's arm as well.
    #[arg(long)]
    pub percent: Option<Percent>,
    /// The arm at this time, from the history of the running sidecar: a length of time before now such as 2h, or a time
    /// such as 2026-11-21T07:56:02Z. What is not known of that time is said on standard error.
    #[arg(long, value_name = "TIME", requires = "rollout", conflicts_with = "percent", value_parser = past::read)]
    pub at: Option<Past>,
    /// With --at: the sidecar's admin port, such as http://127.0.0.1:7172; its token is read from SERIN_ADMIN_TOKEN.
    #[arg(long, value_name = "URL", env = "SERIN_ADMIN")]
    pub admin: Option<String>,
    /// With --at: select the sidecar that keeps its state in this directory.
    #[arg(long, value_name = "DIR", env = "SERIN_STATE")]
    pub state: Option<PathBuf>,
    /// One JSON object per line: {"user":"...","bucket":3128,"arm":"stable"}, and with --at also the
    /// percent and since when it was in force. Bytes that are not UTF-8 become U+FFFD.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Usage without any user id, and whatever standard input and output refuse.
pub fn run(args: &BucketArgs) -> Outcome {
    let file = split_of(args)?;
    let moment = match (args.at, &args.rollout) {
        (Some(at), Some(rollout)) => {
            let reach = LocateArgs { admin: args.admin.clone(), flags: None, state: args.state.clone() };
            Some(at::find(&reach, rollout, at, clock::unix())?)
        }
        _ => None,
    };
    let split = moment.as_ref().map_or_else(|| file.clone(), |moment| file.clone().at(moment));
    moment.iter().flat_map(|moment| &moment.notes).for_each(|note| eprintln!("serin: {}", printable(note)));
    let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    answer(args, &split, moment.as_ref(), &mut io::stdin().lock(), (out, io::stdout().is_terminal()))
}

/// How the arguments say that users are split.
fn split_of(args: &BucketArgs) -> Result<Split, Failure> {
    let Some(rollout) = &args.rollout else {
        return Ok(Split::default().with(args));
    };
    let file = &args.flags;
    let compiled = flags::read(file, &Environment::without_secrets()).result.map_err(|errors| Failure {
        exit: Exit::Usage,
        message: flags::render(&errors, &file.display().to_string()),
    })?;
    Ok(Split::of_rollout(&compiled.policy, rollout)?.with(args))
}

/// How a rollout splits its users, as far as this command needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Put before each id; empty: none.
    pub salt: String,
    /// The share on the canary; `None`: not known, so that no arm is told.
    pub percent: Option<Percent>,
    /// Users whose arm is fixed.
    pub pins: BTreeMap<String, Arm>,
    /// Whether nothing but the bucket chooses the canary.
    pub buckets_only: bool,
}

impl Split {
    /// As a rollout of flags.yaml has it; its share only where the file pins it, since `auto` has none of its own.
    ///
    /// # Errors
    /// Usage, where the policy has no rollout of this name, or a plain route.
    pub fn of_rollout(policy: &Policy, name: &str) -> Result<Split, Failure> {
        let usage = |message: String| Failure { exit: Exit::Usage, message };
        let Some(rollout) = policy.rollout(name) else {
            let known: Vec<_> = policy.rollouts.iter().map(|rollout| rollout.name.as_str()).collect();
            return Err(usage(format!("there is no rollout named `{name}`; there are: {}", known.join(", "))));
        };
        let Some(canary) = &rollout.canary else {
            return Err(usage(format!("rollout `{name}` is a plain route without a canary; it splits no users")));
        };
        let percent = match canary.percent {
            Intent::Pinned(percent) => Some(percent),
            Intent::Auto => None,
        };
        Ok(Split { salt: rollout.salt.clone(), percent, pins: rollout.pins.clone(), buckets_only: false })
    }

    /// What the arguments say wins over what the file says.
    fn with(self, args: &BucketArgs) -> Split {
        let salt = args.salt.clone().unwrap_or(self.salt);
        Split { salt, percent: args.percent.or(self.percent), ..self }
    }

    /// As it was at a moment, as far as that is known.
    fn at(self, moment: &Moment) -> Split {
        Split { percent: Some(moment.percent), buckets_only: moment.buckets_only, ..self }
    }

    fn arm(&self, user: &[u8]) -> Option<Arm> {
        let share = RouteShare { percent: self.percent?, buckets_only: self.buckets_only };
        arm_of_user(&self.salt, &self.pins, share, Some(user)).map(|(arm, _)| arm)
    }
}

/// `out`: and whether it is a terminal, which gets no byte of an id that it would obey.
fn answer(
    args: &BucketArgs,
    split: &Split,
    moment: Option<&Moment>,
    input: &mut impl BufRead,
    out: (impl Write, bool),
) -> Outcome {
    if args.users.is_empty() && !args.stdin && !args.null {
        let message = "no user id is given; give at least one, or `-` to read ids from standard input, one a line";
        return Err(Failure { exit: Exit::Usage, message: message.to_owned() });
    }
    match print(args, split, moment, input, out) {
        Ok(()) => Ok(Exit::Done),
        // Whoever reads has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure { exit: Exit::Failed, message: format!("cannot read or print user ids: {error}") }),
    }
}

fn print(
    args: &BucketArgs,
    split: &Split,
    moment: Option<&Moment>,
    input: &mut impl BufRead,
    (out, terminal): (impl Write, bool),
) -> io::Result<()> {
    let mut printer = Printer { split, moment, json: args.json, terminal, out };
    let mut reads_input = args.stdin || args.null;
    for user in &args.users {
        if user == "-" { reads_input = true } else { printer.user(user.as_bytes())? }
    }
    let end = if args.null { 0 } else { b'\n' };
    let mut id = Vec::new();
    while reads_input && input.read_until(end, &mut id)? > 0 {
        printer.user(id.strip_suffix(&[end]).unwrap_or(&id))?;
        id.clear();
    }
    printer.out.flush()
}

struct Printer<'a, W> {
    split: &'a Split,
    moment: Option<&'a Moment>,
    json: bool,
    terminal: bool,
    out: W,
}

#[derive(Serialize)]
struct Line<'a> {
    user: std::borrow::Cow<'a, str>,
    bucket: Bucket,
    #[serde(skip_serializing_if = "Option::is_none")]
    arm: Option<Arm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
}

impl<W: Write> Printer<'_, W> {
    fn user(&mut self, user: &[u8]) -> io::Result<()> {
        let bucket = bucket(&self.split.salt, user);
        let arm = self.split.arm(user);
        if self.json {
            let moment = self.moment;
            let line = Line {
                user: String::from_utf8_lossy(user),
                bucket,
                arm,
                percent: moment.map(|moment| moment.percent.as_f64()),
                at: moment.map(|moment| moment.at),
                since: moment.map(|moment| moment.since),
            };
            serde_json::to_writer(&mut self.out, &line)?;
            return self.out.write_all(b"\n");
        }
        if self.terminal {
            self.out.write_all(printable(&String::from_utf8_lossy(user)).as_bytes())?;
        } else {
            self.out.write_all(user)?;
        }
        match arm {
            Some(arm) => writeln!(self.out, "  {}  {}", bucket.0, arm.as_str()),
            None => writeln!(self.out, "  {}", bucket.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: BucketArgs,
    }

    fn ran(args: &[&str], input: &[u8]) -> Result<String, String> {
        let args = Cli::try_parse_from([&["serin"], args].concat()).map_err(|error| error.to_string())?.args;
        let mut out = Vec::new();
        let split = split_of(&args).map_err(|failure| failure.message)?;
        answer(&args, &split, None, &mut &*input, (&mut out, false)).map_err(|failure| failure.message)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_rollout_of_the_file_gives_salt_and_percent() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("flags.yaml");
        let providers = "providers:\n  a: { base_url: http://a.test/v1 }\n  b: { base_url: http://b.test/v1 }\n";
        let rollouts = "rollouts: [{ name: chat, stable: a, canary: b, percent: 31.29%, salt: user- }]\n";
        std::fs::write(&file, [providers, rollouts].concat()).unwrap();
        let path = file.to_str().unwrap();
        assert_eq!(ran(&["123", "--flags", path, "--rollout", "chat"], b"").unwrap(), "123  3128  canary\n");
        let error = ran(&["123", "--flags", path, "--rollout", "chut"], b"").unwrap_err();
        assert_eq!(error, "there is no rollout named `chut`; there are: chat");
        std::fs::write(&file, "rollouts: 3\n").unwrap();
        let error = ran(&["123", "--flags", path, "--rollout", "chat"], b"").unwrap_err();
        assert!(error.contains("rollouts"), "{error}");
    }

    #[test]
    fn a_user_has_a_bucket_and_at_a_percent_an_arm() {
        assert_eq!(ran(&["user-123"], b"").unwrap(), "user-123  3128\n");
        assert_eq!(ran(&["user-123", "--percent", "31.28%"], b"").unwrap(), "user-123  3128  stable\n");
        assert_eq!(ran(&["user-123", "--percent", "31.29"], b"").unwrap(), "user-123  3128  canary\n");
        assert_eq!(ran(&["123", "--salt", "user-"], b"").unwrap(), "123  3128\n");
    }

    #[test]
    fn standard_input_is_taken_line_by_line_as_it_is() {
        let both = ran(&["a", "-"], b"user-123\n\n b \xc3\xa9").unwrap();
        assert_eq!(both, "a  6497\nuser-123  3128\n  8366\n b \u{e9}  8714\n");
        assert_eq!(ran(&["--stdin"], b"user-123\n").unwrap(), "user-123  3128\n");
        assert_eq!(ran(&["-0", "--json"], b"a\nb\0user-123").unwrap().lines().count(), 2);
        assert_eq!(ran(&["-"], b"").unwrap(), "");
    }

    #[test]
    fn json_has_one_object_a_line() {
        let lines = ran(&["user-123", "q\"\n", "--json", "--percent=10"], b"").unwrap();
        let expected = "{\"user\":\"user-123\",\"bucket\":3128,\"arm\":\"stable\"}\n{\"user\":\"q\\\"\\n\",\"bucket\":6656,\"arm\":\"stable\"}\n";
        assert_eq!(lines, expected);
        assert_eq!(ran(&["user-123", "--json"], b"").unwrap(), "{\"user\":\"user-123\",\"bucket\":3128}\n");
    }

    #[test]
    fn ids_that_look_like_options_come_after_two_dashes() {
        assert_eq!(ran(&["--", "-42", "--salt"], b"").unwrap(), "-42  5836\n--salt  8070\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_hashed_as_they_are() {
        let args = BucketArgs { stdin: true, ..BucketArgs::default() };
        let mut out = Vec::new();
        answer(&args, &Split::default(), None, &mut &b"\xff\xfe\r\n"[..], (&mut out, false)).unwrap();
        assert_eq!(out, b"\xff\xfe\r  2679\n");
        let mut shown = Vec::new();
        answer(&args, &Split::default(), None, &mut &b"a\x1b[2J\xff"[..], (&mut shown, true)).unwrap();
        assert!(shown.starts_with("a\\u001b[2J\u{fffd}  ".as_bytes()), "{shown:?}");
    }

    #[test]
    fn a_pinned_user_is_where_the_file_says_but_nobody_is_on_a_canary_at_0() {
        let pins = BTreeMap::from([("user-123".to_owned(), Arm::Canary)]);
        let mut split = Split { percent: Percent::from_hundredths(1), pins, ..Split::default() };
        assert_eq!(split.arm(b"user-123"), Some(Arm::Canary));
        split.buckets_only = true;
        assert_eq!(split.arm(b"user-123"), Some(Arm::Stable));
        split.percent = Some(Percent::ZERO);
        assert_eq!(split.arm(b"user-123"), Some(Arm::Stable));
        split.percent = None;
        assert_eq!(split.arm(b"user-123"), None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        let missing = "no user id is given; give at least one, or `-` to read ids from standard input, one a line";
        assert_eq!(ran(&[], b"").unwrap_err(), missing);
        let wrong = ran(&["a", "--percent", "0.1"], b"").unwrap_err();
        assert!(wrong.contains("write `0.1%` or `10%`, whichever is meant"), "{wrong}");
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let args = BucketArgs { users: vec!["a".into()], ..BucketArgs::default() };
        assert_eq!(answer(&args, &Split::default(), None, &mut &b""[..], (Closed, false)).unwrap(), Exit::Done);
    }
}
