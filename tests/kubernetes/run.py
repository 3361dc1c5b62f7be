"""Checks the manifests, the chart and `serin inject`. Called by run.sh."""

import copy
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import helm_python as helm
import kubernetes_validate
import yaml

import policy

SERIN = os.environ["SERIN"]
WORK = os.environ["KUBERNETES_WORK"]
CHART = "deploy/helm/serin"
VERSIONS = ["1.29", "1.33", kubernetes_validate.latest_version()]
CUSTOM = {"ServiceMonitor", "PrometheusRule"}
passed, failed = 0, 0


def check(name, findings):
    """One test: no finding."""
    global passed, failed
    if findings:
        failed += 1
        print(f"FAILED {name}")
        for finding in findings:
            print(f"    {finding}")
    else:
        passed += 1


def objects_of(text):
    found = []
    for document in yaml.safe_load_all(text):
        found += document["items"] if document and document["kind"] == "List" else [document] if document else []
    return found


def schema_findings(objects):
    found = []
    for version in VERSIONS:
        for item in objects:
            if item["kind"] in CUSTOM:
                continue
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                found.append(f"{version} {item['kind']}/{item['metadata'].get('name')}: {error.message}")
    return found


def pods_of(objects):
    for item in objects:
        template = policy.template_of(item)
        if template is not None:
            pod = copy.deepcopy(template["spec"])
            pod["_claims"] = [claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates", [])]
            yield f"{item['kind']}/{item['metadata'].get('name')}", pod


def flags_of(objects):
    return [item["data"]["flags.yaml"] for item in objects if item["kind"] == "ConfigMap" and "flags.yaml" in item["data"]]


def serin_check(text):
    """What `serin check` says against a flags.yaml."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=WORK) as file:
        file.write(text)
        file.flush()
        done = subprocess.run([SERIN, "check", "--no-secrets", file.name], capture_output=True, text=True)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def everything(name, objects, only=None):
    """Every rule for a set of objects; `only`: of the sidecar's container alone."""
    check(f"{name}: schemas of {', '.join(VERSIONS)}", schema_findings(objects))
    pods = list(pods_of(objects))
    check(f"{name}: restricted", [f"{of}: {each}" for of, pod in pods for each in policy.restricted(pod, only)])
    check(f"{name}: scanners", [f"{of}: {each}" for of, pod in pods for each in policy.scanned(pod, only)])
    for text in flags_of(objects):
        check(f"{name}: flags.yaml", serin_check(text))


# === The manifests ===

def manifests():
    for path in sorted(glob.glob("deploy/kubernetes/*.yaml")):
        name = os.path.basename(path)
        objects = objects_of(open(path).read())
        everything(name, objects)
        check(f"{name}: together", policy.together(objects))
        drain = policy.seconds(yaml.safe_load(flags_of(objects)[0])["drain"])
        hooks = 10 if "classic" in name else 0
        check(f"{name}: sidecar", [each for _, pod in pods_of(objects) for each in policy.sidecar(pod, drain + hooks)])
        check(f"{name}: lines", [line for line in open(path) if len(line) > 121])


def same_container():
    """`serin inject` adds the container of the manifests."""
    for name, option in (("sidecar.yaml", []), ("sidecar-classic.yaml", ["--classic"])):
        objects = objects_of(open(f"deploy/kubernetes/{name}").read())
        ours = next(c for _, pod in pods_of(objects) for c in policy.containers_of(pod) if c["name"] == "serin")
        bare = "kind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: a:1\n"
        options = ["--image", ours["image"], "--image-pull-policy", "Always"] + option
        found = subprocess.run([SERIN, "inject", *options], input=bare, capture_output=True, text=True, check=True).stdout
        pod = yaml.safe_load(found)["spec"]
        injected = next(c for c in policy.containers_of(pod) if c["name"] == "serin")
        # The port is that of `probe.listen`, which not every flags.yaml has.
        ours.pop("ports")
        different = [f"{key}: {ours.get(key)} and {injected.get(key)}" for key in {*ours, *injected} if ours.get(key) != injected.get(key)]
        check(f"{name}: the container is that of serin inject", different)


def runs():
    """The sidecar's own arguments, variables and probes, run as its user with a state directory like an emptyDir."""
    objects = objects_of(open("deploy/kubernetes/sidecar.yaml").read())
    container = next(c for _, pod in pods_of(objects) for c in policy.containers_of(pod) if c["name"] == "serin")
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        places = {"/etc/serin": f"{root}/flags", "/var/lib/serin": f"{root}/state", "/run/secrets/serin": f"{root}/keys"}
        for place in places.values():
            os.mkdir(place)
        os.chmod(f"{root}/state", 0o777)
        text = flags_of(objects)[0].replace("/run/secrets/serin", f"{root}/keys")
        held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        for port, holder in zip((7171, 7172, 7173), held):
            text = text.replace(f":{port}", f":{holder.getsockname()[1]}")
            holder.close()
        for name, content in ((f"{root}/flags/flags.yaml", text), (f"{root}/keys/openai", "k1\n"), (f"{root}/keys/holysheep", "k2\n")):
            open(name, "w").write(content)
        environment = {each["name"]: each["value"] for each in container["env"]}
        for name, value in environment.items():
            for place, mapped in places.items():
                environment[name] = environment[name].replace(place, mapped)
        shutil.copy(SERIN, f"{root}/serin")
        as_user = {"user": 65532, "group": 65532, "extra_groups": []} if os.getuid() == 0 else {}
        log = open(f"{root}/log", "w")
        serve = subprocess.Popen([f"{root}/serin", *container["args"]], env=environment, cwd="/", stdout=log, stderr=log, **as_user)
        try:
            ask = lambda *arguments: subprocess.run(
                [f"{root}/serin", "healthcheck", *arguments], env=environment, cwd="/", capture_output=True, text=True, timeout=60, **as_user)
            found = []
            for probe, more in (("startupProbe", ["--wait", "30"]), ("livenessProbe", [])):
                command = container[probe]["exec"]["command"]
                done = ask(*command[2:], *more)
                if command[:2] != ["/usr/local/bin/serin", "healthcheck"] or done.returncode != 0:
                    found.append(f"{probe}: {command} {done.stdout}{done.stderr}")
            serve.terminate()
            if serve.wait(timeout=60) != 0:
                found.append(f"exit code {serve.returncode}")
            check("sidecar.yaml: the container runs, and its probes succeed", [*found, open(f"{root}/log").read()] if found else [])
        finally:
            serve.kill()
            serve.wait()


# === serin inject ===

def injection():
    for path in sorted(glob.glob("tests/golden/inject/*.in.yaml")):
        name = os.path.basename(path)
        options = re.match(r"# serin inject(.*)", open(path, newline="").readline().strip()).group(1).split()
        if "Always" not in options:
            options += ["--image-pull-policy", "Always"]
        run = lambda text: subprocess.run([SERIN, "inject", *options], input=text, capture_output=True, check=True).stdout
        before = open(path, "rb").read()
        after = run(before)
        check(f"inject {name}: twice is once", [] if run(after) == after else ["the second injection differs"])
        objects = objects_of(after.decode())
        injected = [item for item in objects if b"serin-state" in json.dumps(item).encode()]
        for item in injected:
            # Manifests of tests leave out what has no bearing on the injection.
            if item["kind"] not in ("Pod", "Job", "CronJob"):
                item["spec"].setdefault("selector", {"matchLabels": {"a": "b"}})
        # A name that the cluster makes is none that the validation reads.
        for item in injected:
            item["metadata"].setdefault("name", "generated")
        pods = list(pods_of(injected))
        check(f"inject {name}: schemas", schema_findings(injected))
        check(f"inject {name}: restricted", [e for _, pod in pods for e in policy.restricted(pod, "serin")])
        check(f"inject {name}: scanners", [e for _, pod in pods for e in policy.scanned(pod, "serin")])
        check(f"inject {name}: sidecar", [e for _, pod in pods for e in policy.sidecar(pod, None)])


# === The chart ===

def values_of(name):
    return yaml.safe_load(open(f"{CHART}/ci/{name}.yaml"))


def merged(base, more):
    out = copy.deepcopy(base)
    for key, value in more.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def rendered(values, path=CHART):
    with helm.Chart.load(path) as chart:
        chart.validate_schema(values)
        return chart.render(values, name="edge", namespace="llm")


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


def find(values, kind, suffix=""):
    return next(item for path, text in rendered(values).items() if not path.endswith("NOTES.txt")
                for item in objects_of(text) if item["kind"] == kind and item["metadata"]["name"].endswith(suffix))


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


# === Metrics ===

def metrics():
    source = open("src/telemetry/metrics.rs").read().split("metrics_list! {", 1)[1].split("\n}", 1)[0]
    known = {}
    for name, kind, labels in re.findall(r'\w+ "(serin_\w+)" (\w+) \[(.*?)\]', source):
        names = [name + end for end in ("_bucket", "_sum", "_count")] if kind == "Histogram" else [name]
        for each in names:
            known[each] = set(re.findall(r'"(\w+)"', labels)) | {"instance", "le"}
    dashboard = json.load(open("deploy/grafana/serin.json"))
    rules = yaml.safe_load(open("deploy/prometheus/rules.yaml"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [each["expr"] for each in dashboard["annotations"]["list"]]
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    used = {name for query in queries + alerts for name in re.findall(r"serin_\w+", query)}
    variables = [each["query"]["query"] for each in dashboard["templating"]["list"] if isinstance(each["query"], dict)]
    used |= {name for query in variables for name in re.findall(r"serin_\w+", query)}
    check("metrics of the dashboard and the rules exist", used - set(known))
    labels = []
    for query in queries + alerts:
        allowed = set().union(*(known.get(name, set()) for name in re.findall(r"serin_\w+", query)))
        named = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
        named |= set(re.findall(r"[{,](\w+)(?:=~|!~|!=|=)\"", query))
        labels += [f"{label} in {query}" for label in named - allowed]
    check("labels of the dashboard and the rules exist", labels)
    outcomes = set(re.findall(r'Outcome::\w+ => "(\w+)"', open("src/decide/outcome.rs").read()))
    named = {each for query in queries + alerts for group in re.findall(r'outcome=~"([^"]+)"', query) for each in group.split("|")}
    check("outcomes of the dashboard and the rules exist", (named - outcomes) if outcomes else ["no outcome found"])
    # Every query of the dashboard is one that Prometheus reads.
    plain = [query.replace("$__rate_interval", "5m").replace("$rollout", ".*") for query in queries]
    recording = {"groups": [{"name": "d", "rules": [{"record": f"d:{n}", "expr": query} for n, query in enumerate(plain)]}]}
    path = f"{WORK}/dashboard-rules.yaml"
    open(path, "w").write(yaml.safe_dump(recording))
    for name, command in {
        "rules: promtool check": ["check", "rules", "deploy/prometheus/rules.yaml"],
        "dashboard: promtool check": ["check", "rules", path],
        "rules: promtool test": ["test", "rules", "tests/kubernetes/rules_test.yaml"],
    }.items():
        done = subprocess.run(["promtool", *command], capture_output=True, text=True)
        check(name, [] if done.returncode == 0 else [done.stdout + done.stderr])
    for name in ("prometheus/rules.yaml", "grafana/serin.json"):
        copied = f"{CHART}/files/{os.path.basename(name)}"
        same = open(f"deploy/{name}").read() == open(copied).read()
        check(f"{copied} is deploy/{name}", [] if same else [f"cp deploy/{name} {copied}"])


# === Whether the rules see anything ===

def rules_see():
    """Each rule against a pod that breaks it."""
    good = next(pod for _, pod in pods_of(objects_of(open("deploy/kubernetes/sidecar.yaml").read())))
    check("rules: a good pod", policy.restricted(good) + policy.scanned(good) + policy.sidecar(good, 30))

    def broken(change):
        pod = copy.deepcopy(good)
        change(pod, pod["initContainers"][0])
        return policy.restricted(pod) + policy.scanned(pod) + policy.sidecar(pod, 30)

    changes = {
        "hostNetwork": lambda pod, c: pod.update(hostNetwork=True),
        "volume x": lambda pod, c: pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
        "runAsNonRoot": lambda pod, c: c["securityContext"].update(runAsNonRoot=False),
        "root": lambda pod, c: c["securityContext"].update(runAsUser=0),
        "allowPrivilegeEscalation": lambda pod, c: c["securityContext"].pop("allowPrivilegeEscalation"),
        "privileged": lambda pod, c: c["securityContext"].update(privileged=True),
        "not dropped": lambda pod, c: c["securityContext"].pop("capabilities"),
        "added": lambda pod, c: c["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
        "seccomp": lambda pod, c: (c["securityContext"].pop("seccompProfile"), pod["securityContext"].pop("seccompProfile")),
        "node": lambda pod, c: c.update(ports=[{"containerPort": 1, "hostPort": 1}]),
        "token": lambda pod, c: pod.pop("automountServiceAccountToken"),
        "tag": lambda pod, c: c.update(image="serin:latest"),
        "imagePullPolicy": lambda pod, c: c.pop("imagePullPolicy"),
        "writable": lambda pod, c: c["securityContext"].pop("readOnlyRootFilesystem"),
        "low uid": lambda pod, c: c["securityContext"].update(runAsUser=1000),
        "the same": lambda pod, c: c.update(readinessProbe=c["livenessProbe"]),
        "subPath": lambda pod, c: c["volumeMounts"][0].update(subPath="flags.yaml"),
        "mount without": lambda pod, c: pod["volumes"].pop(),
        "ephemeral-storage": lambda pod, c: c["resources"]["limits"].pop("ephemeral-storage"),
        "restartPolicy": lambda pod, c: c.pop("restartPolicy"),
        "hooks": lambda pod, c: c.update(lifecycle={"preStop": {}}),
        "wait": lambda pod, c: c.pop("startupProbe"),
        "before the sidecar": lambda pod, c: pod["initContainers"].insert(0, {**c, "name": "other"}),
        "grace period": lambda pod, c: pod.pop("terminationGracePeriodSeconds"),
        "exactly one": lambda pod, c: pod["initContainers"].pop(),
    }
    for told, change in changes.items():
        found = broken(change)
        check(f"rules: {told}", [] if any(told in each for each in found) else [f"not seen: {found}"])
    wrong = objects_of(open("deploy/kubernetes/sidecar.yaml").read())
    for kind in ("PodDisruptionBudget", "NetworkPolicy", "Service", "ConfigMap"):
        check(f"rules: no {kind}", [] if policy.together([o for o in wrong if o["kind"] != kind]) else ["not seen"])
    for item in wrong:
        if item["kind"] == "Deployment":
            item["spec"]["replica"] = 1
    check("rules: schemas", [] if len(schema_findings(wrong)) == len(VERSIONS) else ["an unknown key is not seen"])


def scanner():
    """checkov on the manifests and on what the chart renders."""
    # No digest is known before the image is built.
    skipped = "CKV_K8S_43"
    for name, place in {"manifests": "deploy/kubernetes", "chart": WORK}.items():
        files = [each for path in sorted(glob.glob(f"{place}/*.yaml")) for each in ("-f", path)
                 if place != WORK or "chart-" in path]
        done = subprocess.run(
            [f"{WORK}/venv/bin/checkov", *files, "--framework", "kubernetes", "--compact", "--quiet", "--skip-download",
             "--skip-check", skipped, "-o", "json"], capture_output=True, text=True)
        try:
            report = json.loads(done.stdout)
            results = report["results"]["failed_checks"]
            found = [f"{r['check_id']} {r['check_name']}: {r['resource']} {r['file_path']}" for r in results]
            found += [] if report["summary"]["passed"] > 50 else [f"only {report['summary']} was checked"]
        except (KeyError, TypeError, ValueError) as error:
            found = [f"{error}: {done.stdout[:500]}{done.stderr[-500:]}"]
        check(f"checkov: {name}", found)


def main():
    for part in (rules_see, manifests, same_container, runs, injection, chart, refused, closed_schema, subchart, metrics, scanner):
        try:
            part()
        except Exception as error:  # A part that dies is a failure, and the others still run.
            import traceback
            check(part.__name__, [f"{type(error).__name__}: {error}", traceback.format_exc()])
    print(f"kubernetes: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
