"""The chart with values and names at the edge of what is possible: long ones, numbers, and ones that would not work."""

import re
import shlex
import subprocess

import yaml

from checks import SERIN, check, everything, find, merged, objects_for, rendered, values_of


def names():
    """Names as long as Helm and the schema take them."""
    gateway, sidecar = values_of("gateway"), values_of("sidecar")
    long = "a" + "-b" * 26
    cases = {
        "a release of 53 characters": (gateway, long),
        "a long fullnameOverride": (merged(gateway, {"fullnameOverride": "f" * 80}), "edge"),
        "a long nameOverride": (merged(gateway, {"nameOverride": "n" * 80}), "edge"),
        "a cut behind a dash": (merged(gateway, {"fullnameOverride": "f" * 50 + "--" + "g" * 9}), "edge"),
    }
    for name, (values, release) in cases.items():
        more = {"kind": "StatefulSet", "dashboard": {"enabled": True}}
        for kind, each in {"Deployment": values, "StatefulSet": merged(values, more)}.items():
            objects = objects_for(each, release=release)
            everything(f"chart {name}, {kind}", objects)
            services = {item["metadata"]["name"] for item in objects if item["kind"] == "Service"}
            check(f"chart {name}, {kind}: two Services", [] if len(services) == 2 else [services])
    everything("chart sidecar with a long release", objects_for(sidecar, release=long))


def grace():
    """The time that a pod has to end is longer than the hook and `drain`."""
    gateway = values_of("gateway")
    file = "listen: 0.0.0.0:7171\nprobe: { listen: 0.0.0.0:7173 }\nopen: true\nproviders: { a: { base_url: https://a } }\n"
    cases = {
        "the chart's drain": (gateway, 150),
        "drain as a value": (merged(gateway, {"flags": {"drain": "1h30m5s1ms"}}), 5436),
        "no drain": (merged(gateway, {"flags": {"drain": "0s"}}), 30),
        "a longer hook": (merged(gateway, {"preStopSeconds": 60}), 205),
        "a value of one's own": (merged(gateway, {"terminationGracePeriodSeconds": 126}), 126),
        "a file without drain": ({"flagsFile": file}, 630),
        "a file with drain": ({"flagsFile": file + "drain: 90s\n"}, 120),
        "a ConfigMap of one's own": ({"existingConfigMap": "mine"}, 630),
        "a ConfigMap and a value": ({"existingConfigMap": "mine", "terminationGracePeriodSeconds": 60}, 60),
    }
    for name, (values, wanted) in cases.items():
        found = find(values, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        check(f"chart: grace period with {name}", [] if found == wanted else [found])


def documented():
    """The gateway's steps of docs/kubernetes.md: the values of its command, and the file that it describes."""
    page = open("docs/kubernetes.md").read().split("## The gateway\n")[1].split("\n## ")[0]
    values = {}
    for path, value in re.findall(r"--set ([\w.]+)=(\S+)", page):
        *outer, last = path.split(".")
        inner = values
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = value
    described = page.split("flags.yaml for it has ")[1].split("In place of")[0]
    lines = re.findall(r"`([^`]+)`", described)
    values["flagsFile"] = "\n".join([*lines, "providers: { a: { base_url: https://a.example.com/v1 } }", ""])
    objects = objects_for(values)
    everything("docs/kubernetes.md: the gateway", objects)
    check("docs/kubernetes.md: what flags.yaml has", {"listen", "probe", "clients", "providers"} ^ set(yaml.safe_load(values["flagsFile"])))


def test_pod():
    """The pod of `helm test` runs where the gateway's pods run, and reaches their probe port."""
    usual = ["serviceAccountName", "imagePullSecrets", "nodeSelector", "tolerations", "securityContext"]
    more = {
        "imagePullSecrets": [{"name": "registry"}], "nodeSelector": {"disk": "1"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
    }
    for name, source in {"everyone": [], "Prometheus": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]}.items():
        objects = objects_for(merged(values_of("gateway"), {**more, "networkPolicy": {"metricsFrom": source}}))
        of = {item["kind"]: item for item in objects}
        pod, serving = of["Pod"], of["Deployment"]["spec"]["template"]["spec"]
        different = [key for key in usual if pod["spec"].get(key) != serving.get(key) or key not in serving]
        check(f"chart: the test pod, with metrics for {name}", different)
        reached = [rule for rule in of["NetworkPolicy"]["spec"]["ingress"] if [port["port"] for port in rule["ports"]] == [7173]]
        peers = [peer["podSelector"]["matchLabels"] for rule in reached for peer in rule.get("from", [])]
        lets = any("from" not in rule for rule in reached) or any(
            labels.items() <= pod["metadata"]["labels"].items() for labels in peers)
        check(f"chart: the test pod reaches the probe port, with metrics for {name}", [] if lets else peers)
        serves = of["Deployment"]["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        check(f"chart: the test pod is none of the gateway's, with metrics for {name}", ["it is"] if serves else [])


def indented():
    """A flagsFile is kept byte for byte, also one whose first line is indented."""
    lines = ["listen: 0.0.0.0:7171", "probe: { listen: 0.0.0.0:7173 }", "open: true", "providers: { a: { base_url: https://a } }"]
    cases = {
        "indented": "".join(f"  {line}\n" for line in lines),
        "a comment that is indented": "    # Mine.\n" + "".join(f"{line}\n" for line in lines),
        "an empty first line": "\n" + "".join(f"  {line}\n" for line in lines),
    }
    for name, text in cases.items():
        kept = find({"flagsFile": text}, "ConfigMap")["data"]["flags.yaml"]
        check(f"chart: flagsFile, {name}", [] if kept == text else [kept])


def numbers():
    """Names that YAML would read as numbers or as true and false, unless they are quoted."""
    gateway, sidecar = values_of("gateway"), values_of("sidecar")
    for text in ("123", "0x1", "yes"):
        more = {
            "fullnameOverride": "serin", "nameOverride": text, "priorityClassName": text, "existingSecret": text,
            "serviceAccount": {"name": text}, "persistence": {"storageClassName": text}, "kind": "StatefulSet",
            "ingress": {"enabled": True, "className": text, "hosts": [{"host": "a.example.com", "path": "/a: b #c"}]},
        }
        own_map = {"existingConfigMap": text, "fullnameOverride": "serin", "serviceAccount": {"create": False, "name": text}}
        made = {**{k: v for k, v in sidecar.items() if k != "existingSecret"}, "nameOverride": text, "secret": {text: "k"}}
        for name, values in {"everything": merged(gateway, more), "an own ConfigMap": own_map, "sidecar": made}.items():
            objects = objects_for(values, release=text, namespace=text)
            everything(f"chart {name}, with names like {text}", objects)
            wrong = [item["kind"] for item in objects if item["metadata"]["namespace"] != text]
            check(f"chart {name}, in the namespace {text}", wrong)
        [ingress] = [item for item in objects_for(merged(gateway, more)) if item["kind"] == "Ingress"]
        path = ingress["spec"]["rules"][0]["http"]["paths"][0]["path"]
        check(f"chart: path of the ingress, beside {text}", [] if path == "/a: b #c" else [path])


def own_labels():
    """Labels and annotations of one's own beside those of the chart, which are there once."""
    for key in ("app.kubernetes.io/version", "team"):
        own = {"labels": {key: "9"}, "enabled": True}
        values = merged(values_of("gateway"), {
            "podLabels": {key: "9"}, "serviceMonitor": own, "prometheusRule": own, "dashboard": own,
            "podAnnotations": {"checksum/secret": "9", key: "9"},
        })
        objects = objects_for(values)
        everything(f"chart: labels with {key}", objects)
        metadata = [item["metadata"] for item in objects if item["kind"] in ("ServiceMonitor", "PrometheusRule")]
        metadata += [item["spec"]["template"]["metadata"] for item in objects if item["kind"] == "Deployment"]
        check(f"chart: labels of one's own, {key}", [each for each in metadata if each["labels"].get(key) != "9"])
        check(f"chart: annotations of one's own, {key}", [] if metadata[-1]["annotations"][key] == "9" else metadata)


def notes():
    """The command of the notes, run: the objects that it names are those that there are."""
    bare = "kind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: a:1\n"
    without = {key: value for key, value in values_of("sidecar").items() if key != "existingSecret"}
    cases = {"none": (without, set()), "its own": ({**without, "secret": {"openai": "k"}}, {"edge-serin-keys"}),
             "an existing one": (values_of("sidecar"), {"serin-keys"})}
    for name, (values, wanted) in cases.items():
        [text] = [text for path, text in rendered(values).items() if path.endswith("NOTES.txt")]
        command = shlex.split(re.search(r"`serin (inject .*?)`", text, re.DOTALL)[1])
        done = subprocess.run([SERIN, *command, "--image", "serin:1"], input=bare, capture_output=True, text=True)
        volumes = yaml.safe_load(done.stdout)["spec"]["volumes"] if done.returncode == 0 else []
        secrets = {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
        maps = {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
        check(f"chart: the command of the notes, with the Secret {name}",
              [] if (secrets, maps) == (wanted, {"edge-serin-flags"}) else [command, done.stderr])
