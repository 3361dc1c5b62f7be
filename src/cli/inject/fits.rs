//! Whether a pod can have the sidecar, and what somebody should know who gives it one.
//!
//! Refuses what would not work: the host's network, a container of Serin's name or on its port, pods that would never
//! end. What depends on flags.yaml is a note of the report. Edits nothing.
//! Invariant: a pod that fits before an injection fits after it.

use super::problem::problem;
use super::sidecar;
use super::tree::Node;
use super::wanted::Wanted;
use super::workload::{Way, Workload};
use crate::flags::FlagsError;

const LEAVE: &str = "the annotation `serin/inject: disabled` leaves the workload as it is";

/// Ports that Serin opens beside the one of `listen`, as flags.yaml has them by default or in its examples.
const OTHERS: [(u16, &str); 2] = [
    (7172, "which is Serin's admin port unless `admin.listen` says otherwise"),
    (7173, "the usual one of `probe.listen`"),
];

/// Refuses pods that cannot have the sidecar.
pub(super) fn fits(
    workload: &Workload<'_>,
    pod: &Node,
    all: &[&Node],
    way: &Way<'_>,
    wanted: &Wanted,
) -> Result<(), FlagsError> {
    let refused = |node: &Node, what: String, remedy: String| Err(problem(node.line, node.column, what, remedy));
    if let Some(container) = all.iter().find(|node| is_named(node, sidecar::NAME) && !sidecar::is_ours(node)) {
        let what = "a container named `serin` that is not Serin's: it does not set SERIN_FLAGS".to_owned();
        return refused(container, what, format!("rename it; or {LEAVE}"));
    }
    let host = way.read(pod, "hostNetwork")?.map(|entry| &entry.value);
    if let Some((host, written)) = host.and_then(|node| Some((node, node.text()?))).filter(|(_, text)| is_true(text)) {
        let port = wanted.port;
        let what = format!("`hostNetwork: {written}`: port {port} would be open to every process of the node");
        return refused(host, what, format!("remove it, or use the gateway of the chart for this workload; {LEAVE}"));
    }
    if wanted.sidecar.classic && workload.ends(pod, way)? {
        let with = if workload.is_job() { "" } else { " with this `restartPolicy`" };
        let kind = workload.kind;
        let what = format!("a {kind}{with} would never complete with an ordinary container beside it");
        return refused(pod, what, format!("inject it without --classic (Kubernetes 1.29); or {LEAVE}"));
    }
    if let Some((name, used)) = users(all, wanted.port).next() {
        let what = format!("container `{name}` uses port {}, which is Serin's", wanted.port);
        let remedy = "change it; or set `listen` in flags.yaml to another port, and give it with --port";
        return refused(used, what, remedy.to_owned());
    }
    Ok(())
}

/// What should be known of a pod that fits: the line, and what to say.
pub(super) fn notes(all: &[&Node], wanted: &Wanted) -> Vec<(usize, String)> {
    let others = OTHERS.iter().filter(|(port, _)| *port != wanted.port);
    let notes = others.flat_map(|(port, whose)| {
        users(all, *port).map(move |(name, used)| {
            let note = format!("container `{name}` uses port {port}, {whose}: one of them must have another port");
            (used.line, note)
        })
    });
    notes.collect()
}

/// The containers that use a port, and where they say so.
fn users<'n>(all: &[&'n Node], port: u16) -> impl Iterator<Item = (&'n str, &'n Node)> {
    let port = port.to_string();
    let others: Vec<&Node> = all.iter().filter(|node| !is_named(node, sidecar::NAME)).copied().collect();
    others.into_iter().filter_map(move |container| {
        let ports = container.get("ports").map(Node::items).unwrap_or_default();
        let used = ports.iter().filter_map(|entry| entry.get("containerPort"));
        let used = used.into_iter().find(|used| used.text() == Some(&port))?;
        Some((container.text_at(&["name"]).unwrap_or_default(), used))
    })
}

/// Whether a container, a volume or a variable has this name.
pub(super) fn is_named(node: &Node, name: &str) -> bool {
    node.text_at(&["name"]) == Some(name)
}

/// Whether the reader of kubectl takes a text for true: it follows YAML 1.1.
fn is_true(text: &str) -> bool {
    ["true", "yes", "on", "y"].iter().any(|word| text.eq_ignore_ascii_case(word))
}
