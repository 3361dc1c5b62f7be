//! The dashboard's files, compressed once while building, so that the binary holds and sends a third of their bytes.
//!
//! Each file of these folders becomes `NAME.gz` in the build's own directory. Refuses nothing: a file that cannot be read
//! fails the build at the place that includes it.

use std::io::{self, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

/// The dashboard's own, and the charts that it shares with the pages that are one file.
pub(crate) const FOLDERS: [&str; 2] = ["src/admin/dashboard", "src/describe/page"];

pub(crate) fn compress(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.ends_with(".rs") {
            continue;
        }
        // No time and no system in its head: the same sources give the same binary.
        let file = std::fs::File::create(to.join(format!("{name}.gz")))?;
        let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(file, Compression::best());
        encoder.write_all(&std::fs::read(&path)?)?;
        encoder.finish()?;
    }
    Ok(())
}
