"""Checks the manifests, the chart and `serin inject`. Called by run.sh."""

import copy
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

import chart
import edges
import fetching
import policy
from checks import (
    CHART, SERIN, VERSIONS, WORK, check, counted, everything, flags_of, objects_of, pods_of, schema_findings,
)


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
        # Ports that the system chooses. The probes find them in the list of running sidecars, which is one of the test's own.
        for port in (7171, 7172, 7173):
            text = text.replace(f":{port}", ":0")
        for name, content in ((f"{root}/flags/flags.yaml", text), (f"{root}/keys/openai", "k1\n"), (f"{root}/keys/holysheep", "k2\n")):
            open(name, "w").write(content)
        environment = {each["name"]: each["value"] for each in container["env"]}
        for name, value in environment.items():
            for place, mapped in places.items():
                environment[name] = environment[name].replace(place, mapped)
        environment |= {"SERIN_REGISTRY": f"{root}/state/run", "TMPDIR": f"{root}/state"}
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
            if not os.path.isdir(f"{root}/state/run"):
                found.append("the sidecar is not listed in the test's own directory")
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
        "rules: promtool test": ["test", "rules", "tests/telemetry/rules_test.yaml"],
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
    parts = (
        rules_see, manifests, same_container, runs, injection, chart.chart, chart.refused, chart.closed_schema,
        chart.subchart, edges.names, edges.grace, edges.documented, edges.test_pod, edges.indented,
        edges.numbers, edges.own_labels, edges.notes, fetching.fetching, metrics, scanner,
    )
    for part in parts:
        try:
            part()
        except Exception as error:  # A part that dies is a failure, and the others still run.
            import traceback
            check(part.__name__, [f"{type(error).__name__}: {error}", traceback.format_exc()])
    print("kubernetes: {passed} passed, {failed} failed".format(**counted))
    sys.exit(1 if counted["failed"] else 0)


main()
