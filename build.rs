//! What the binary says of itself with `serin --version` (the commit, the features and the target it was built for), and
//! the dashboard's files in their compressed form.
//!
//! Refuses to fail a build for the former: without git, and outside a checkout, the commit is "unknown". Runs again when
//! the sources change, since they are compiled anew then anyway; a release build also when the checkout moves to another
//! commit.

#[path = "build/commit.rs"]
mod commit;
#[path = "build/dashboard.rs"]
mod dashboard;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let commit = variable("SERIN_COMMIT").unwrap_or_else(|| commit::of(here));
    let mut features: Vec<String> = std::env::vars()
        .filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase().replace('_', "-")))
        .collect();
    features.sort();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(" ") };
    println!("cargo::rustc-env=SERIN_COMMIT={commit}");
    println!("cargo::rustc-env=SERIN_FEATURES={features}");
    println!("cargo::rustc-env=SERIN_TARGET={}", variable("TARGET").unwrap_or_else(|| "unknown".to_owned()));

    let out = std::env::var_os("OUT_DIR").ok_or_else(|| std::io::Error::other("cargo sets no OUT_DIR"))?;
    for folder in dashboard::FOLDERS {
        dashboard::compress(&here.join(folder), &Path::new(&out).join("dashboard"))?;
    }

    println!("cargo::rerun-if-env-changed=SERIN_COMMIT");
    for path in commit::SOURCES {
        println!("cargo::rerun-if-changed={path}");
    }
    if variable("PROFILE").is_some_and(|profile| profile == "release") {
        for path in commit::moves(here) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    Ok(())
}
