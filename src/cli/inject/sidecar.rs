//! The container that is added to a pod, and its volumes.
//!
//! The same as in `deploy/kubernetes`: a native sidecar, or an ordinary container for older clusters. Passes the
//! restricted Pod Security Standard, needs nothing of the application's pod, and takes its health from
//! `serin healthcheck`, which works with any flags.yaml. Invariant: a container is Serin's if it is named `serin` and
//! sets `SERIN_FLAGS`.

use super::tree::Node;
use super::value::{Value, bare, text, texts};

/// The name of the container.
pub(super) const NAME: &str = "serin";
/// A variable that only Serin's own container has.
const MARK: &str = "SERIN_FLAGS";
const BINARY: &str = "/usr/local/bin/serin";

/// What can be chosen about it.
#[derive(Clone, Debug)]
pub(super) struct Sidecar {
    /// The image.
    pub(super) image: String,
    /// When the image is pulled.
    pub(super) pull: String,
    /// The ConfigMap with flags.yaml.
    pub(super) config_map: String,
    /// The Secret with a file for each provider, if there is one.
    pub(super) secret: Option<String>,
    /// An ordinary container, for clusters that have no native sidecars.
    pub(super) classic: bool,
}

/// Whether a container is Serin's.
pub(super) fn is_ours(container: &Node) -> bool {
    let variables = container.get("env").map(Node::items).unwrap_or_default();
    variables.iter().any(|variable| variable.text_at(&["name"]) == Some(MARK))
}

impl Sidecar {
    /// The container.
    pub(super) fn container(&self) -> Value {
        let mut entries =
            vec![("name", text(NAME)), ("image", text(&self.image)), ("imagePullPolicy", text(&self.pull))];
        if !self.classic {
            entries.push(("restartPolicy", text("Always")));
        }
        let variable = |name: &str, value: &str| Value::Map(vec![("name", text(name)), ("value", text(value))]);
        entries.push(("args", texts(&["run"])));
        entries.push((
            "env",
            Value::List(vec![
                variable(MARK, "/etc/serin/flags.yaml"),
                variable("SERIN_STATE", "/var/lib/serin"),
                variable("SERIN_LOG_FORMAT", "json"),
            ]),
        ));
        entries.extend(self.health());
        entries.push(("resources", resources()));
        entries.push(("securityContext", security()));
        entries.push(("volumeMounts", self.mounts()));
        Value::Map(entries)
    }

    /// Hooks and probes.
    fn health(&self) -> Vec<(&'static str, Value)> {
        let exec = |arguments: &[&str]| {
            let command = texts(&[&[BINARY], arguments].concat());
            ("exec", Value::Map(vec![("command", command)]))
        };
        let probe = |arguments: &[&str], rest: &[(&'static str, u32)]| {
            let rest = rest.iter().map(|(key, value)| (*key, bare(value)));
            Value::Map([exec(arguments)].into_iter().chain(rest).collect())
        };
        let each: [(&'static str, u32); 2] = [("periodSeconds", 10), ("timeoutSeconds", 5)];
        let live = ("livenessProbe", probe(&["healthcheck", "--live"], &each));
        if !self.classic {
            let start = [("periodSeconds", 1), ("timeoutSeconds", 5), ("failureThreshold", 60)];
            return vec![("startupProbe", probe(&["healthcheck"], &start)), live];
        }
        let hook = |arguments: &[&str]| Value::Map(vec![exec(arguments)]);
        let lifecycle = Value::Map(vec![
            ("postStart", hook(&["healthcheck", "--wait", "30"])),
            ("preStop", hook(&["sleep", "10"])),
        ]);
        vec![("lifecycle", lifecycle), ("readinessProbe", probe(&["healthcheck"], &each)), live]
    }

    fn mounts(&self) -> Value {
        let mount = |name: &str, path: &str, read_only: bool| {
            let mut entries = vec![("name", text(name)), ("mountPath", text(path))];
            if read_only {
                entries.push(("readOnly", bare(true)));
            }
            Value::Map(entries)
        };
        let mut mounts = vec![mount("serin-flags", "/etc/serin", true)];
        if self.secret.is_some() {
            mounts.push(mount("serin-keys", "/run/secrets/serin", true));
        }
        mounts.push(mount("serin-state", "/var/lib/serin", false));
        Value::List(mounts)
    }

    /// The volumes, with their names.
    pub(super) fn volumes(&self) -> Vec<(&'static str, Value)> {
        let volume = |name, key, entry| (name, Value::Map(vec![("name", text(name)), (key, Value::Map(vec![entry]))]));
        let mut volumes = vec![volume("serin-flags", "configMap", ("name", text(&self.config_map)))];
        if let Some(secret) = &self.secret {
            volumes.push(volume("serin-keys", "secret", ("secretName", text(secret))));
        }
        volumes.push(volume("serin-state", "emptyDir", ("sizeLimit", text("256Mi"))));
        volumes
    }
}

impl Sidecar {
    /// What to say of a volume of the pod's own that has the name of one of Serin's, if it is another.
    pub(super) fn differs(&self, name: &str, volume: &Node) -> Option<String> {
        let (kind, of, wanted) = match (name, &self.secret) {
            ("serin-flags", _) => ("configMap", "name", &self.config_map),
            ("serin-keys", Some(secret)) => ("secret", "secretName", secret),
            _ => return None,
        };
        (volume.text_at(&[kind, of]) != Some(wanted)).then(|| {
            format!("the pod has a volume `{name}` already, which Serin uses: it is no `{kind}` of `{wanted}`")
        })
    }
}

fn resources() -> Value {
    let of = |cpu, memory, storage| {
        Value::Map(vec![("cpu", text(cpu)), ("memory", text(memory)), ("ephemeral-storage", text(storage))])
    };
    Value::Map(vec![("requests", of("100m", "64Mi", "64Mi")), ("limits", of("1", "512Mi", "512Mi"))])
}

fn security() -> Value {
    Value::Map(vec![
        ("runAsNonRoot", bare(true)),
        ("runAsUser", bare(65532)),
        ("runAsGroup", bare(65532)),
        ("allowPrivilegeEscalation", bare(false)),
        ("readOnlyRootFilesystem", bare(true)),
        ("capabilities", Value::Map(vec![("drop", texts(&["ALL"]))])),
        ("seccompProfile", Value::Map(vec![("type", text("RuntimeDefault"))])),
    ])
}
