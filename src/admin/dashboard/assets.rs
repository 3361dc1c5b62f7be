//! The table of the dashboard's files, each in the compressed form that `build/dashboard.rs` has made of it.
//!
//! Owns their names, types and paths: the page at `/`, and what it names below `/dashboard/`. Knows nothing of
//! requests. Invariant: every file of this folder that is not Rust is in it, and the charts of `describe/page`.

use std::io::Read;

use flate2::read::GzDecoder;

/// A file, compressed by `build/dashboard.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    pub(super) name: &'static str,
    pub(super) media_type: &'static str,
    pub(super) compressed: &'static [u8],
}

macro_rules! assets {
    ($($name:literal: $media_type:expr),+ $(,)?) => {
        [$(Asset {
            name: $name,
            media_type: $media_type,
            compressed: include_bytes!(concat!(env!("OUT_DIR"), "/dashboard/", $name, ".gz")),
        }),+]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The page first.
pub(super) static ASSETS: [Asset; 28] = assets![
    "index.html": HTML,
    "icon.svg": "image/svg+xml",
    "app.css": STYLE,
    "chart.css": STYLE,
    "actions.js": SCRIPT,
    "api.js": SCRIPT,
    "app.js": SCRIPT,
    "banners.js": SCRIPT,
    "chart.js": SCRIPT,
    "comparison.js": SCRIPT,
    "config.js": SCRIPT,
    "curves.js": SCRIPT,
    "dom.js": SCRIPT,
    "figure.js": SCRIPT,
    "flags.js": SCRIPT,
    "history.js": SCRIPT,
    "incidents.js": SCRIPT,
    "kept.js": SCRIPT,
    "keys.js": SCRIPT,
    "limits.js": SCRIPT,
    "login.js": SCRIPT,
    "overview.js": SCRIPT,
    "parts.js": SCRIPT,
    "providers.js": SCRIPT,
    "rollout.js": SCRIPT,
    "sparkline.js": SCRIPT,
    "tables.js": SCRIPT,
    "words.js": SCRIPT,
];

/// The page at `/`, or a file that it names below `/dashboard/`.
pub(in crate::admin) fn find(path: &str) -> Option<&'static Asset> {
    let name = match path {
        "/" => ASSETS[0].name,
        path => path.strip_prefix("/dashboard/").filter(|name| *name != ASSETS[0].name)?,
    };
    ASSETS.iter().find(|asset| asset.name == name)
}

impl Asset {
    /// As it lies in the folder.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // It was compressed while building: reading it from memory cannot fail.
        let _ = GzDecoder::new(self.compressed).read_to_end(&mut text);
        text
    }
}
