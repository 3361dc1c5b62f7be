//! `serin schema`: the JSON Schema of flags.yaml for editors, or every default as YAML.
//!
//! Both come from what the compiler itself reads. `deploy/flags.schema.json` is this output, kept in the tree for those
//! who have no binary at hand; `make check` fails where the two differ.

use std::io::Write as _;

use crate::decide::printable::printable_lines;
use crate::flags::schema;

use super::{Exit, Failure, Outcome};

/// Arguments of `serin schema`.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// Print every key and its default as YAML instead.
    #[arg(long)]
    pub defaults: bool,
}

/// Prints it.
pub fn run(args: &SchemaArgs) -> Outcome {
    let text = if args.defaults { schema::defaults() } else { schema::text() };
    print(&text)?;
    Ok(Exit::Done)
}

/// Writes to standard output; a reader that has seen enough (`| head`) is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(printable_lines(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure { exit: Exit::Failed, message: format!("standard output cannot be written: {error}") })
        }
        _ => Ok(()),
    }
}
