"""What every part of the tests uses: counting, reading objects, rendering the chart, and the rules for all objects."""

import copy
import os
import subprocess
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
counted = {"passed": 0, "failed": 0}


def check(name, findings):
    """One test: no finding."""
    if findings:
        counted["failed"] += 1
        print(f"FAILED {name}")
        for finding in findings:
            print(f"    {finding}")
    else:
        counted["passed"] += 1


class Strict(yaml.SafeLoader):
    """A key that is there twice is an error, as it is for Helm and for the API server."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def objects_of(text):
    found = []
    for document in yaml.load_all(text, Strict):
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
    check(f"{name}: names and labels", policy.named(objects))
    pods = list(pods_of(objects))
    check(f"{name}: restricted", [f"{of}: {each}" for of, pod in pods for each in policy.restricted(pod, only)])
    check(f"{name}: scanners", [f"{of}: {each}" for of, pod in pods for each in policy.scanned(pod, only)])
    for text in flags_of(objects):
        check(f"{name}: flags.yaml", serin_check(text))


def values_of(name):
    return yaml.safe_load(open(f"{CHART}/ci/{name}.yaml"))


def merged(base, more):
    out = copy.deepcopy(base)
    for key, value in more.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def rendered(values, path=CHART, release="edge", namespace="llm"):
    with helm.Chart.load(path) as chart:
        chart.validate_schema(values)
        return chart.render(values, name=release, namespace=namespace)


def objects_for(values, **options):
    """All objects that the chart renders."""
    return [item for path, text in rendered(values, **options).items() if not path.endswith("NOTES.txt")
            for item in objects_of(text)]


def find(values, kind, suffix=""):
    return next(item for item in objects_for(values) if item["kind"] == kind and item["metadata"]["name"].endswith(suffix))
