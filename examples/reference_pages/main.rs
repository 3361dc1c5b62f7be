//! Writes the pages of the book that are references: one for each section of flags.yaml, one of all keys, the commands
//! and the metrics. `make reference` writes them into docs/.
//!
//! Made from what the binary itself reads: the schema, the definition of the command line, the list of metrics. Kept
//! out of the binary, which has no use for them. `tests/docs` compares the pages in the tree with these, byte by byte,
//! so no page can differ from the code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod pages;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: reference_pages FOLDER");
        return ExitCode::from(64);
    };
    match write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reference_pages: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder.join("configuration"))?;
    pages::all().into_iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_written_below_its_name() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        for (name, text) in pages::all() {
            assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), text);
        }
    }
}
