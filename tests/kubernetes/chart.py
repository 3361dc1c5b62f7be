"""The chart: what it renders for usual values, what it refuses, its schema, and its templates in another chart."""

import copy
import json
import os
import shutil
import tempfile

import helm_python as helm
import yaml

import policy
from checks import (
    CHART, WORK, check, everything, find, merged, objects_of, pods_of, rendered, values_of,
)


def chart():
    gateway, stateful, sidecar = values_of("gateway"), values_of("stateful"), values_of("sidecar")
    more = {
        "ingress": {"enabled": True, "className": "nginx", "hosts": [{"host": "llm.example.com"}],
                    "tls": [{"secretName": "tls", "hosts": ["llm.example.com"]}]},
        "autoscaling": {"enabled": True}, "serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True},
        "dashboard": {"enabled": True}, "podAnnotations": {"a": "b"}, "extraEnv": [{"name": "SERIN_LOG", "value": "debug"}],
        "networkPolicy": {"ingressFrom": [{"namespaceSelector": {}}], "metricsFrom": [{"podSelector": {}}],
                          "extraEgress": [{"ports": [{"port": 6379, "protocol": "TCP"}]}]},
        "nodeSelector": {"a": "b"}, "tolerations": [{"key": "a", "operator": "Exists"}], "priorityClassName": "high",
        "imagePullSecrets": [{"name": "registry"}], "topologySpreadConstraints": [],
        "service": {"annotations": {"a": "b"}, "port": 8080}, "serviceAccount": {"annotations": {"a": "b"}},
        "podLabels": {"team": "chat"}, "extraVolumes": [{"name": "roots", "configMap": {"name": "mine"}}],
        "extraVolumeMounts": [{"name": "roots", "mountPath": "/etc/ssl/certs", "readOnly": True}], "image": {"digest": "sha256:" + "0" * 64},
    }
    text = "# my file\nlisten: 0.0.0.0:8000\nprobe: { listen: 0.0.0.0:8001 }\nopen: true\nproviders:\n  a: { base_url: https://a.example.com/v1 }\n"
    file = {**{key: value for key, value in gateway.items() if key != "flags"}, "flagsFile": text}
    own_secret = {key: value for key, value in gateway.items() if key != "existingSecret"}
    own_secret["secret"] = {"openai": "sk-1\nsk-2", "holysheep": "a'\"b", "client": "0123456789abcdef"}
    sets = {
        "gateway": gateway, "stateful": stateful, "sidecar": sidecar, "everything": merged(gateway, more),
        "stateful and scaled": merged(gateway, {"kind": "StatefulSet", **more, "persistence": {"storageClassName": "fast"}}),
        "flagsFile": file, "secret": own_secret, "own ConfigMap": {"existingConfigMap": "mine", "existingSecret": "keys"}, "one replica": merged(stateful, {"kind": "Deployment"}),
    }
    for name, values in sets.items():
        report = helm.lint(CHART, values, strict=True)
        check(f"chart {name}: lint", [m for m in report["messages"] if m["severity"] > 1] + report["errors"])
        files = rendered(values)
        objects = [item for path, text in files.items() if not path.endswith("NOTES.txt") for item in objects_of(text)]
        everything(f"chart {name}", objects)
        mine = {"kind": "ConfigMap", "metadata": {"name": "mine"}}
        check(f"chart {name}: together", policy.together([o for o in objects if o["kind"] != "Pod"] + [mine]))
        labels = [f"{o['kind']}: {k}" for o in objects for k in ("app.kubernetes.io/name", "app.kubernetes.io/instance", "helm.sh/chart")
                  if k not in o["metadata"].get("labels", {})]
        check(f"chart {name}: labels and namespace", labels + [o["kind"] for o in objects if o["metadata"].get("namespace") != "llm"])
        notes = next(text for path, text in files.items() if path.endswith("NOTES.txt"))
        check(f"chart {name}: notes", [] if "does not touch Serin's state" in notes and "stays\nlocked" in notes else [notes])
        with open(f"{WORK}/chart-{name.replace(' ', '-')}.yaml", "w") as out:
            # The pod of `helm test` runs once, before any policy or probe has a meaning.
            kept = [text for path, text in files.items() if not path.endswith("NOTES.txt") and "/tests/" not in path]
            out.write("".join(f"---\n{text}\n" for text in kept))
    kinds = lambda values: {item["kind"] for path, text in rendered(values).items() if not path.endswith("NOTES.txt") for item in objects_of(text)}
    has = kinds(sets["everything"])
    wanted = {"Deployment", "Service", "Ingress", "ConfigMap", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceMonitor",
              "PrometheusRule", "NetworkPolicy", "ServiceAccount", "Pod"}
    check("chart everything: kinds", wanted ^ has)
    check("chart sidecar: kinds", kinds(sidecar) ^ {"ConfigMap"})
    check("chart secret: kinds", {"Secret"} - kinds(own_secret))
    details(gateway, file, text, own_secret)


def details(gateway, file, text, own_secret):
    workload = find(file, "Deployment")
    ports = {port["name"]: port["containerPort"] for port in workload["spec"]["template"]["spec"]["containers"][0]["ports"]}
    check("chart: ports are those of flagsFile", [] if ports == {"http": 8000, "probe": 8001} else [ports])
    kept = find(file, "ConfigMap")["data"]["flags.yaml"]
    check("chart: flagsFile is kept as it is", [] if kept == text else [kept])
    check("chart: keys are kept as they are", [] if find(own_secret, "Secret")["stringData"] == own_secret["secret"] else ["keys differ"])
    marks = lambda values: find(values, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    percent, listen = copy.deepcopy(gateway), copy.deepcopy(gateway)
    percent["flags"]["rollouts"][0]["percent"] = "20%"
    listen["flags"]["listen"] = "0.0.0.0:9000"
    check("chart: a percent rolls no pod", [] if marks(percent) == marks(gateway) else [marks(percent)])
    check("chart: an address rolls the pods", [] if marks(listen) != marks(gateway) else [marks(listen)])
    changed = merged(own_secret, {"secret": {"openai": "sk-3"}})
    check("chart: a key rolls the pods", [] if marks(changed) != marks(own_secret) else [marks(changed)])
    drain = policy.seconds(yaml.safe_load(find(gateway, "ConfigMap", "-flags")["data"]["flags.yaml"])["drain"])
    pod = find(gateway, "Deployment")["spec"]["template"]["spec"]
    enough = pod["terminationGracePeriodSeconds"] > drain + 5
    check("chart: the grace period is longer than preStop and drain", [] if enough else [drain])
    ingress = find(merged(gateway, {"networkPolicy": {"extraEgress": []}}), "NetworkPolicy")
    out = {(port["port"], port["protocol"]) for rule in ingress["spec"]["egress"] for port in rule["ports"]}
    check("chart: egress", out ^ {(53, "UDP"), (53, "TCP"), (443, "TCP")})
    fleet = copy.deepcopy(gateway)
    fleet["flags"]["rollouts"][0]["percent"] = "auto"
    fleet["flags"]["fleet"] = {"name": "a"}
    check("chart: a fleet may have several replicas with auto", [] if find(fleet, "Deployment")["spec"]["replicas"] == 2 else ["refused"])


def refused():
    """Values that must not render, each with a part of what is said."""
    gateway, stateful = values_of("gateway"), values_of("stateful")
    without = lambda values, key: {k: v for k, v in values.items() if k != key}
    flags = lambda change: merged(gateway, {"flags": change})
    cases = [
        ("no flags", {}, "flags.providers is missing"),
        ("auto and replicas", merged(stateful, {"replicaCount": 2}), "rollout chat has percent: auto"),
        ("auto and a scaler", merged(stateful, {"autoscaling": {"enabled": True}}), "disable autoscaling"),
        ("auto in a file", {"flagsFile": yaml.safe_dump(stateful["flags"] | {"listen": "0.0.0.0:1", "probe": {"listen": "0.0.0.0:2"}})}, "percent: auto"),
        ("loopback", flags({"listen": "127.0.0.1:7171"}), "listen is loopback"),
        ("loopback by name", flags({"listen": "localhost:7171"}), "listen is loopback"),
        ("a loopback probe", flags({"probe": {"listen": "127.0.0.1:7173"}}), "probe.listen is loopback, which neither the kubelet"),
        ("a loopback probe of IPv6", flags({"probe": {"listen": "[::1]:7190"}}), "Set 0.0.0.0:7190"),
        ("a port alone", flags({"listen": 8000}), "listen is 8000, which is no address. Set 0.0.0.0:8000"),
        ("a probe's port alone", flags({"probe": {"listen": 8000}}), "probe.listen is 8000, which is no address. Set 0.0.0.0:8000"),
        ("a port alone in a file", {"flagsFile": "listen: 8000\nprobe: {listen: 0.0.0.0:1}\nopen: true\nproviders: {a: {base_url: https://a}}\n"}, "Set 0.0.0.0:8000"),
        ("an address as probe", flags({"probe": "0.0.0.0:7173"}), "probe.listen is missing"),
        ("null as flags", {"flags": None}, "flags.providers is missing"),
        ("rollouts as a map", flags({"rollouts": {"chat": {"stable": "openai"}}}), "rollouts is no list"),
        ("a short grace period", merged(gateway, {"terminationGracePeriodSeconds": 125}), "125 is not more than the 125 seconds"),
        ("a long drain", merged(flags({"drain": "10m"}), {"terminationGracePeriodSeconds": 150}), "Lower drain in flags.yaml"),
        ("a drain without a unit", flags({"drain": 90}), "drain is 90, which is no length of time"),
        ("a label that selects", merged(gateway, {"podLabels": {"app.kubernetes.io/name": "a"}}), "podLabels: app.kubernetes.io/name"),
        ("a digit first", merged(gateway, {"fullnameOverride": "1-serin"}), "the name is 1-serin, which is no name for a Service"),
        ("capitals", merged(gateway, {"fullnameOverride": "Serin"}), "Set another, such as serin"),
        ("no clients", merged(gateway, {"flags": {"clients": []}}), "clients is missing"),
        ("no probe in a file", {"flagsFile": "listen: 0.0.0.0:1\nopen: true\nproviders: {a: {base_url: https://a}}\n"}, "probe.listen is missing"),
        ("a broken file", {"flagsFile": "providers: ["}, "serin check"),
        ("two secrets", merged(gateway, {"secret": {"a": "b"}}), "existingSecret is set as well"),
        ("two files", merged(gateway, {"flagsFile": "a: b"}), "flags is set as well"),
        ("a map and a file", merged(gateway, {"existingConfigMap": "x"}), "existingConfigMap: flags"),
        ("no hosts", merged(gateway, {"ingress": {"enabled": True}}), "ingress.hosts is empty"),
        ("bounds", merged(gateway, {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 2}}), "minReplicas is more"),
        ("a typo", merged(gateway, {"replicas": 3}), "replicas"),
        ("a typo inside", merged(gateway, {"image": {"tags": "1"}}), "tags"),
        ("a mode", merged(gateway, {"mode": "both"}), "mode"),
        ("a type", merged(gateway, {"replicaCount": "two"}), "replicaCount"),
        ("a NodePort", merged(gateway, {"service": {"type": "NodePort"}}), "type"),
        ("a digest", merged(gateway, {"image": {"digest": "abc"}}), "digest"),
    ]
    for name, values, told in cases:
        try:
            rendered(values)
            check(f"chart refuses {name}", ["it renders"])
        except helm.HelmError as error:
            check(f"chart refuses {name}", [] if told in str(error) else [str(error)])


def closed_schema():
    """Every map of the schema that the chart reads itself refuses other keys."""
    found = []

    def walk(node, path):
        if "properties" in node and node.get("additionalProperties") is not False:
            found.append(path)
        for key, inner in node.get("properties", {}).items():
            walk(inner, f"{path}.{key}")
        if isinstance(node.get("items"), dict):
            walk(node["items"], f"{path}[]")

    schema = json.load(open(f"{CHART}/values.schema.json"))
    walk(schema, "values")
    defaults = yaml.safe_load(open(f"{CHART}/values.yaml"))
    check("chart: the schema is closed", found)
    check("chart: values and schema have the same keys", set(defaults) ^ (set(schema["properties"]) - {"global"}))


def subchart():
    """The template `serin.sidecar` in the pod of a chart that has this one as a subchart."""
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(f"{root}/app/templates")
        shutil.copytree(CHART, f"{root}/app/charts/serin")
        version = yaml.safe_load(open(f"{CHART}/Chart.yaml"))["version"]
        open(f"{root}/app/Chart.yaml", "w").write(
            f"apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {{name: serin, version: {version}}}\n")
        open(f"{root}/app/values.yaml", "w").write(yaml.safe_dump({"serin": values_of("sidecar") | {
            "extraVolumes": [{"name": "roots", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "roots", "mountPath": "/etc/ssl/certs"}]}}))
        open(f"{root}/app/templates/deployment.yaml", "w").write("""apiVersion: apps/v1
kind: Deployment
metadata: { name: app }
spec:
  selector: { matchLabels: { app: app } }
  template:
    metadata: { labels: { app: app } }
    spec:
      automountServiceAccountToken: false
      initContainers:
        {{- include "serin.sidecar" .Subcharts.serin | nindent 8 }}
      containers:
        - name: app
          image: app:1
      volumes:
        {{- include "serin.volumes" .Subcharts.serin | nindent 8 }}
""")
        files = rendered({}, f"{root}/app")
        objects = [item for path, text in files.items() if not path.endswith("NOTES.txt") for item in objects_of(text)]
        everything("subchart", objects, only="serin")
        pods = list(pods_of(objects))
        check("subchart: sidecar", [each for _, pod in pods for each in policy.sidecar(pod, None)])
        used = {v["configMap"]["name"] for _, pod in pods for v in pod["volumes"] if "configMap" in v}
        there = {item["metadata"]["name"] for item in objects if item["kind"] == "ConfigMap"}
        check("subchart: the ConfigMap exists", used - there)
