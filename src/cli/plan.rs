//! `serin plan`: what an edit of flags.yaml would do to users, before it is in force.
//!
//! Compares with the running sidecar, which knows where its ramps stand; where none runs, with the file and the state
//! that the last one kept; with `--against FILE`, with another file alone, as in a pipeline. Changes nothing. The exit
//! code says whether anybody would move, so that a pipeline can ask for a review.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::Value;

use super::api_call::by_any;
use super::locate::{LocateArgs, Located, one_of};
use super::output::{self, Style, one_line};
use super::{Exit, Failure, Outcome};
use crate::app::api::PlanReply;
use crate::app::offline;
use crate::clock;
use crate::describe::retirement;
use crate::flags::compile::Compiled;
use crate::flags::{self, Environment, FlagsError};

const PATIENCE: Duration = Duration::from_secs(15);
/// The name of the running sidecar in `--against`.
const RUNNING: &str = "running";

/// Arguments of `serin plan`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin plan new-flags.yaml\n  serin plan --against main/flags.yaml --no-secrets flags.yaml\n  \
    serin plan new-flags.yaml --json\n\n\
    Exit codes: 0 no user moves, 2 users move, 64 the file has errors or would be refused, 1 no comparison was possible.\n\n\
    Without --against the file is compared with the running sidecar, or, if none runs, with the file and the state that \
    the last one kept in its state directory. Against a file alone the share of `percent: auto` is not known: the stage \
    at which most users would move is assumed."
)]
pub struct PlanArgs {
    /// The edited flags.yaml.
    file: PathBuf,
    /// What to compare with: a file, or `running` for the running sidecar alone.
    #[arg(long, value_name = "FILE|running")]
    against: Option<PathBuf>,
    /// Do not resolve references to variables and files, for a machine without the secrets. A running sidecar resolves
    /// them itself.
    #[arg(long)]
    no_secrets: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

/// Shows the plan.
///
/// # Errors
/// Where the file has errors, or nothing is there to compare with.
pub fn run(args: &PlanArgs) -> Outcome {
    let (reply, with) = match &args.against {
        Some(file) if file != Path::new(RUNNING) => (against_file(args, file), file.display().to_string()),
        only => against_sidecar(args, only.is_some())?,
    };
    let reply = match reply {
        Ok(reply) => reply,
        Err((file, errors)) if !args.json => {
            return Err(Failure::usage(flags::render(&errors, &file.display().to_string()).trim_end()));
        }
        Err((_, errors)) => PlanReply::invalid(errors.iter().map(FlagsError::without_source).collect()),
    };
    if args.json {
        output::print_json(&reply);
    } else {
        output::print(&render(&reply, &with, Style::of_stdout()));
    }
    Ok(exit(&reply))
}

fn exit(reply: &PlanReply) -> Exit {
    match reply {
        PlanReply { valid: false, .. } | PlanReply { refused: Some(_), .. } => Exit::Usage,
        PlanReply { moves_users: true, .. } => Exit::UsersMove,
        _ => Exit::Done,
    }
}

/// The plan, or the file with errors and what they are.
type Compared = Result<PlanReply, (PathBuf, Vec<FlagsError>)>;

fn environment(args: &PlanArgs) -> Environment {
    if args.no_secrets { Environment::without_secrets() } else { Environment::process() }
}

fn read(args: &PlanArgs, file: &Path) -> Result<Compiled, (PathBuf, Vec<FlagsError>)> {
    flags::read(file, &environment(args)).result.map_err(|errors| (file.to_owned(), errors))
}

fn against_file(args: &PlanArgs, file: &Path) -> Compared {
    let old = read(args, file)?;
    let new = read(args, &args.file)?;
    let plan = offline::plan_of_files(&old.policy, &new.policy, clock::unix());
    Ok(PlanReply::new(&plan, warnings(new)))
}

/// `only`: whether nothing but a running one will do.
fn against_sidecar(args: &PlanArgs, only: bool) -> Result<(Compared, String), Failure> {
    let target = match args.reach.find()? {
        Located::Nothing { state, elsewhere, .. } if !only && elsewhere.is_empty() => {
            let with = format!("the file and the state kept in {}", state.display());
            return Ok((against_kept(args, &state)?, with));
        }
        found => one_of(found)?,
    };
    // What is wrong with the text is shown with its line; the sidecar knows the rest.
    let local = flags::read(&args.file, &Environment::without_secrets());
    if let Err(errors) = local.result {
        return Ok((Err((args.file.clone(), errors)), String::new()));
    }
    let body = Value::String(local.text.to_string());
    let reply: PlanReply = by_any(&target.vias, &Method::POST, "/api/v1/plan", Some(&body), PATIENCE)
        .map_err(|error| Failure::failed(error.to_string()))?;
    Ok((Ok(reply), format!("the running sidecar ({})", target.name)))
}

fn against_kept(args: &PlanArgs, state: &Path) -> Result<Compared, Failure> {
    let new = match read(args, &args.file) {
        Ok(new) => new,
        Err(errors) => return Ok(Err(errors)),
    };
    let plan = offline::plan_of_kept(state, &new.policy, &environment(args), clock::unix());
    Ok(Ok(PlanReply::new(&plan.map_err(Failure::failed)?, warnings(new))))
}

/// Those of the file, and models of it that are taken away soon.
fn warnings(new: Compiled) -> Vec<String> {
    let near = retirement::of_file(&new.policy, clock::unix());
    new.warnings.into_iter().chain(near).collect()
}

fn render(reply: &PlanReply, with: &str, style: Style) -> String {
    let mut text = format!("compared with {}\n", one_line(with));
    for error in &reply.errors {
        text.push_str(&format!("{}\n", style.red(&error.to_string())));
    }
    if let Some(refused) = &reply.refused {
        text.push_str(&format!("{}\n", style.red(&format!("the file would be refused: {}", one_line(refused)))));
    }
    let sentences = reply.sentences.iter().filter(|_| reply.refused.is_none());
    text.extend(sentences.map(|sentence| format!("{}\n", one_line(sentence))));
    text.extend(
        reply.warnings.iter().map(|warning| format!("{}\n", style.yellow(&format!("warning: {}", one_line(warning))))),
    );
    text.extend(reply.fits.iter().map(|fit| {
        let sentence = one_line(&fit.sentence);
        format!("{}\n", if fit.percent < 100.0 { style.yellow(&sentence) } else { sentence })
    }));
    text.push_str(&match exit(reply) {
        Exit::UsersMove => style.yellow("users move"),
        Exit::Usage => style.red("nothing changes: the file would not come into force"),
        _ if reply.sentences.is_empty() => style.green("nothing changes"),
        _ => style.green("no user moves"),
    });
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "providers:\n  a: { base_url: http://a.test/v1 }\n  b: { base_url: http://b.test/v1, api_keys: [\"${KEY}\"] }\n\
                       rollouts: [{ name: chat, stable: a, canary: b, percent: 10% }]\n";

    fn compared(old: &str, new: &str) -> Compared {
        let dir = tempfile::tempdir().unwrap();
        let files = ["old.yaml", "new.yaml"].map(|name| dir.path().join(name));
        std::fs::write(&files[0], old).unwrap();
        std::fs::write(&files[1], new).unwrap();
        let [old, file] = files;
        let args =
            PlanArgs { file, against: Some(old.clone()), no_secrets: true, json: false, reach: LocateArgs::default() };
        against_file(&args, &old)
    }

    #[test]
    fn two_files_are_compared_without_secrets() {
        let raised = compared(OLD, &OLD.replace("10%", "25%")).unwrap();
        assert_eq!(
            render(&raised, "old.yaml", Style::PLAIN),
            "compared with old.yaml\nchat: 15% of users (buckets 1000 to 2499) go from a to b for new requests\n\
             chat: percent edited\nusers move\n"
        );
        assert_eq!(exit(&raised), Exit::UsersMove);
        let same = compared(OLD, &format!("# a word\n{OLD}")).unwrap();
        assert_eq!(
            (render(&same, "x", Style::PLAIN).as_str(), exit(&same)),
            ("compared with x\nnothing changes\n", Exit::Done)
        );
        let hold = compared(OLD, &OLD.replace("percent: 10%", "percent: 10%, hold: 7s")).unwrap();
        assert!(render(&hold, "x", Style::PLAIN).ends_with("chat: hold edited; no user moves by it\nno user moves\n"));
    }

    #[test]
    fn a_file_with_errors_is_named_with_its_errors() {
        let (file, errors) = compared(OLD, "rollouts: 3\n").unwrap_err();
        assert!(file.ends_with("new.yaml") && !errors.is_empty());
        let (file, _) = compared("rollouts: 3\n", OLD).unwrap_err();
        assert!(file.ends_with("old.yaml"));
    }

    #[test]
    fn a_refused_file_ends_like_one_with_errors() {
        let refused = PlanReply { valid: true, refused: Some("no".to_owned()), ..PlanReply::default() };
        assert_eq!((exit(&refused), exit(&PlanReply::invalid(Vec::new()))), (Exit::Usage, Exit::Usage));
    }
}
