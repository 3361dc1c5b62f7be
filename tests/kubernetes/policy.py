"""The restricted Pod Security Standard, and what kube-score and checkov ask besides, as findings about objects."""

import re

RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}
TEMPLATES = {
    "Deployment": ("spec", "template"), "StatefulSet": ("spec", "template"), "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"), "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"), "Pod": (),
}


def template_of(item):
    """The pod template of a workload, or None."""
    if item.get("kind") not in TEMPLATES:
        return None
    for key in TEMPLATES[item["kind"]]:
        item = item.get(key, {})
    return item


def containers_of(pod):
    return pod.get("initContainers", []) + pod.get("containers", [])


def seconds(text):
    number, unit = text.rstrip("smh"), text[-1]
    return float(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def restricted(pod, only=None):
    """What the restricted Pod Security Standard refuses; of one container where `only` names it."""
    found = []
    level = pod.get("securityContext", {})
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            found.append(f"{key} is set")
    for volume in pod.get("volumes", []):
        kinds = set(volume) - {"name"}
        if only is None and not kinds <= RESTRICTED_VOLUMES:
            found.append(f"volume {volume['name']} is {kinds}")
    for container in containers_of(pod):
        name = container["name"]
        if only is not None and name != only:
            continue
        own = container.get("securityContext", {})
        capabilities = own.get("capabilities", {})
        rules = {
            "runAsNonRoot is not true": own.get("runAsNonRoot", level.get("runAsNonRoot")) is not True,
            "runs as root": own.get("runAsUser", level.get("runAsUser")) == 0,
            "allowPrivilegeEscalation is not false": own.get("allowPrivilegeEscalation") is not False,
            "is privileged": bool(own.get("privileged")),
            "capabilities are not dropped": capabilities.get("drop") != ["ALL"],
            "capabilities are added": bool(set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}),
            "no seccomp profile": (own.get("seccompProfile") or level.get("seccompProfile") or {}).get("type")
            not in ("RuntimeDefault", "Localhost"),
            "procMount is set": own.get("procMount", "Default") != "Default",
            "uses a port of the node": any(port.get("hostPort") for port in container.get("ports", [])),
        }
        found += [f"container {name}: {rule}" for rule, broken in rules.items() if broken]
    return found


def scanned(pod, only=None):
    """What scanners ask of every container besides."""
    found = []
    if only is None and pod.get("automountServiceAccountToken") is not False:
        found.append("the token of the service account is mounted")
    volumes = {volume["name"] for volume in pod.get("volumes", [])} | set(pod.get("_claims", []))
    for container in containers_of(pod):
        name = container["name"]
        if only is not None and name != only:
            continue
        level, own = pod.get("securityContext", {}), container.get("securityContext", {})
        image = container["image"].rsplit("/", 1)[-1]
        resources = container.get("resources", {})
        probes = [container.get(probe) for probe in ("readinessProbe", "livenessProbe")]
        mounts = container.get("volumeMounts", [])
        rules = {
            "image without a fixed tag": "@" not in image and (":" not in image or image.endswith(":latest")),
            "imagePullPolicy is not Always": container.get("imagePullPolicy") != "Always",
            "the root file system is writable": own.get("readOnlyRootFilesystem") is not True,
            "a low uid": own.get("runAsUser", level.get("runAsUser", 0)) < 10000,
            "a low gid": own.get("runAsGroup", level.get("runAsGroup", 0)) < 10000,
            "readiness and liveness are the same": probes[0] is not None and probes[0] == probes[1],
            "subPath": any("subPath" in mount for mount in mounts),
            "a mount without its volume": not {mount["name"] for mount in mounts} <= volumes,
        }
        for kind in ("requests", "limits"):
            for what in ("cpu", "memory", "ephemeral-storage"):
                rules[f"no {kind} of {what}"] = what not in resources.get(kind, {})
        found += [f"container {name}: {rule}" for rule, broken in rules.items() if broken]
    return found


def named(objects):
    """Names and labels that the API server, or the controller of a StatefulSet, refuses."""
    found = []
    for item in objects:
        kind, name = item["kind"], item["metadata"].get("name", "generated")
        # What a controller makes of it is a label of its pods: the name, a dash and ten characters.
        longest = {"Service": 63, "StatefulSet": 52}.get(kind, 253)
        letters = r"[a-z]([-a-z0-9]*[a-z0-9])?" if kind == "Service" else r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?"
        if len(str(name)) > longest or not re.fullmatch(letters, str(name)):
            found.append(f"{kind}: {name} is no name for it ({len(str(name))} characters)")
        template = template_of(item) if kind != "Pod" else None
        selector = item.get("spec", {}).get("selector", {})
        maps = [item["metadata"].get("labels"), template and template["metadata"].get("labels"),
                selector.get("matchLabels", selector if kind == "Service" else {})]
        for key, value in [pair for labels in maps for pair in (labels or {}).items()]:
            if not isinstance(value, str) or not re.fullmatch(r"([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?", value):
                found.append(f"{kind}/{name}: label {key}: {value!r}")
    return found


def sidecar(pod, drain):
    """What the sidecar's form promises: order of start and end, and files that are seen when they change."""
    native = [each for each in pod.get("initContainers", []) if each["name"] == "serin"]
    classic = [each for each in pod["containers"] if each["name"] == "serin"]
    found = []
    if len(native) + len(classic) != 1:
        return ["there is not exactly one sidecar"]
    container = (native + classic)[0]
    if native:
        if container.get("restartPolicy") != "Always":
            found.append("a native sidecar without restartPolicy: Always")
        if "lifecycle" in container:
            found.append("a native sidecar with hooks: they run while the application still works")
        if "startupProbe" not in container:
            found.append("the application does not wait for the sidecar")
        if pod["initContainers"][0] is not container:
            found.append("other init containers start before the sidecar")
    else:
        if pod["containers"][0] is not container or "postStart" not in container.get("lifecycle", {}):
            found.append("the application does not wait for the sidecar")
        if "preStop" not in container.get("lifecycle", {}):
            found.append("the sidecar stops while the application still works")
        if container.get("restartPolicy"):
            found.append("an ordinary container with a restartPolicy")
    if drain is not None and pod.get("terminationGracePeriodSeconds", 30) <= drain:
        found.append(f"the grace period is not longer than drain ({drain:g} s)")
    return found


def together(objects):
    """What objects need of each other."""
    found = []
    of = lambda kind: [item for item in objects if item["kind"] == kind]
    matches = lambda selector, labels: bool(selector) and all(labels.get(key) == value for key, value in selector.items())
    workloads = [item for item in objects if item["kind"] in ("Deployment", "StatefulSet")]
    maps = {item["metadata"]["name"] for item in of("ConfigMap")}
    for workload in workloads:
        name, template = workload["metadata"]["name"], template_of(workload)
        labels = template["metadata"]["labels"]
        scaled = [h for h in of("HorizontalPodAutoscaler") if h["spec"]["scaleTargetRef"]["name"] == name]
        if not matches(workload["spec"]["selector"]["matchLabels"], labels):
            found.append(f"{name}: its selector does not match its pods")
        if scaled and "replicas" in workload["spec"]:
            found.append(f"{name}: replicas and a HorizontalPodAutoscaler")
        if scaled and scaled[0]["spec"]["scaleTargetRef"]["kind"] != workload["kind"]:
            found.append(f"{name}: the HorizontalPodAutoscaler is of another kind")
        replicas = scaled[0]["spec"]["minReplicas"] if scaled else workload["spec"].get("replicas", 1)
        budgets = [b for b in of("PodDisruptionBudget") if matches(b["spec"]["selector"]["matchLabels"], labels)]
        if (replicas > 1) != (len(budgets) == 1):
            found.append(f"{name}: {replicas} replicas and {len(budgets)} PodDisruptionBudgets")
        policies = [p for p in of("NetworkPolicy") if matches(p["spec"]["podSelector"]["matchLabels"], labels)]
        if not any(set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"} for p in policies):
            found.append(f"{name}: no NetworkPolicy for both directions")
        if not any(matches(service["spec"].get("selector"), labels) for service in of("Service")):
            found.append(f"{name}: no Service")
        if "podAntiAffinity" not in template["spec"].get("affinity", {}):
            found.append(f"{name}: replicas may share a node")
        if workload["kind"] == "StatefulSet" and workload["spec"]["serviceName"] not in {s["metadata"]["name"] for s in of("Service")}:
            found.append(f"{name}: its serviceName does not exist")
        named = {c["name"] for c in containers_of(template["spec"])}
        used = {v["configMap"]["name"] for v in template["spec"].get("volumes", []) if "configMap" in v}
        if "serin" in named and not used <= maps:
            found.append(f"{name}: ConfigMaps that do not exist: {used - maps}")
    for scaler in of("HorizontalPodAutoscaler"):
        if scaler["spec"]["scaleTargetRef"]["name"] not in {w["metadata"]["name"] for w in workloads}:
            found.append("a HorizontalPodAutoscaler of nothing")
    return found
