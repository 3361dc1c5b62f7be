"""Checks traces, metrics, alerts and the dashboard. Called by run.sh."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse

import yaml
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

sys.path.insert(0, "tests/examples")
from collector import Collector, attributes, without_accept  # noqa: E402
from processes import Processes, fetched, free_port, until  # noqa: E402

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PARENT = "4bf92f3577b34da6a3ce929d0e0e4736"
counts = {"passed": 0, "failed": 0}

FLAGS = """listen: 127.0.0.1:0
admin: {{ listen: 127.0.0.1:0 }}
otlp: {{ endpoint: "http://127.0.0.1:{collector}", sample: 100% }}
providers:
  openai: {{ base_url: "{old}" }}
  holysheep: {{ base_url: "{new}", api_keys: [sk-new], models: {{ gpt-4: deepseek-chat }} }}
rollouts:
  - {{ name: chat, stable: openai, canary: holysheep, percent: 50%, on_regression: hold }}
"""


def check(name, problems):
    """Counts a check; what is wrong is printed."""
    problems = [str(problem)[:2000] for problem in problems][:5]
    counts["failed" if problems else "passed"] += 1
    print(f"{'FAIL' if problems else 'ok  '} {name}", *problems, sep="\n     " if problems else "", flush=True)


# === What needs no process ===

def rules():
    """Every alert has a test at which it fires, one at which it does not, a section of its own, and says what to do."""
    alerts = {rule["alert"]: rule for group in yaml.safe_load(open("deploy/prometheus/rules.yaml"))["groups"] for rule in group["rules"]}
    tests = [test for block in yaml.safe_load(open("tests/telemetry/rules_test.yaml"))["tests"] for test in block["alert_rule_test"]]
    fires = {test["alertname"] for test in tests if test["exp_alerts"]}
    silent = {test["alertname"] for test in tests if not test["exp_alerts"]}
    check("rules: each has a test that fires", set(alerts) - fires)
    check("rules: each has a test that does not", set(alerts) - silent)
    check("rules: no test is of another", (fires | silent) - set(alerts))
    page = open("docs/alerts.md").read()
    sections = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    check("docs/alerts.md has a section for each alert, in their order", [] if sections == list(alerts) else [f"{sections}"])
    wrong = [name for name, rule in alerts.items() if rule["annotations"]["runbook"] != f"docs/alerts.md#{name.lower()}"]
    check("rules: each links its section", wrong)
    bodies = {name: page.split(f"## {name}\n", 1)[1].split("\n## ", 1)[0] for name in sections}
    check("docs/alerts.md: each section says what to do", [name for name, body in bodies.items() if "**What to do.**" not in body])
    for name, command in {
        "promtool check rules": ["check", "rules", "deploy/prometheus/rules.yaml"],
        "promtool test rules": ["test", "rules", "tests/telemetry/rules_test.yaml"],
    }.items():
        done = subprocess.run(["promtool", *command], capture_output=True, text=True)
        check(name, [] if done.returncode == 0 else [done.stdout + done.stderr])
    return alerts


# === A sidecar with traffic ===

class Stage(Processes):
    """Two providers of which one fails a fifth of its requests, Serin, a collector, and a Prometheus for each format."""

    def __init__(self):
        super().__init__()
        self.collector = Collector()
        command = [os.environ["SERIN"], "demo", "--provider", "--name", "holysheep", "--fail", "20%"]
        failing = self.start("failing", command)
        self.ready("failing", failing, lambda: self.log("failing").endswith("\n"))
        flags = FLAGS.format(collector=self.collector.port, old=self.provider("openai"), new=self.log("failing").splitlines()[0])
        (self.folder / "flags.yaml").write_text(flags)
        (self.folder / "run").mkdir()
        environment = {"SERIN_REGISTRY": str(self.folder / "run"), "OTEL_SERVICE_NAME": "shop"}
        self.serin = self.start("serin", [os.environ["SERIN"], "run", "--flags", "flags.yaml", "--state", "state"], environment, self.folder)
        self.ready("serin", self.serin, lambda: list((self.folder / "run").glob("*.json")))
        entry = json.loads(next((self.folder / "run").glob("*.json")).read_text())
        self.listen, self.admin = entry["listen"], entry["admin"]
        self.prometheus()

    def prometheus(self):
        """Scrapes every second: `open` as it likes, which is OpenMetrics, and `plain` in the old format."""
        plain = without_accept(int(self.admin.rpartition(":")[2]))
        jobs = [{"job_name": name, "static_configs": [{"targets": [target]}]}
                for name, target in (("open", self.admin), ("plain", f"127.0.0.1:{plain}"))]
        rules = str(pathlib.Path("deploy/prometheus/rules.yaml").resolve())
        settings = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "scrape_configs": jobs, "rule_files": [rules]}
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        self.port = free_port()
        command = ["prometheus", "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{self.port}",
                   "--storage.tsdb.path=data", "--enable-feature=exemplar-storage"]
        process = self.start("prometheus", command, cwd=self.folder)
        self.ready("prometheus", process, lambda: fetched(f"http://127.0.0.1:{self.port}/-/ready")[0] == 200)

    def ask(self, path, **query):
        """Asks Prometheus."""
        status, _, body = fetched(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}")
        answer = json.loads(body)
        if status != 200:
            raise AssertionError(f"{query}: {answer}")
        return answer["data"]

    def chat(self, user, stream=False, headers=None):
        body = {"model": "gpt-4", "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
        if user:
            body["user"] = user
        sent = {"content-type": "application/json", "authorization": "Bearer sk-app", **(headers or {})}
        status, headers, _ = fetched(f"http://{self.listen}/v1/chat/completions", data=json.dumps(body).encode(), headers=sent)
        return status, headers

    def metrics(self, accept):
        status, headers, body = fetched(f"http://{self.admin}/metrics", headers={"accept": accept} if accept else {})
        assert status == 200, body
        return headers["content-type"], body


def traffic(stage, rounds):
    problems = []
    for turn in range(rounds):
        user = None if turn % 10 == 0 else f"user-{turn % 40}"
        status, _ = stage.chat(user, stream=turn % 3 == 0)
        if status != 200:
            problems.append(f"request {turn}: {status}")
    return problems


def traces(stage, requests):
    spans = until("all spans arrive", lambda: arrived(stage, requests))
    check("spans: the official classes know every field", stage.collector.problems)
    check("spans: their resource is named by the environment", {str(r) for _, r in spans if r.get("service.name") != "shop"})
    by_id = {span.span_id: span for span, _ in spans}
    check("spans: ids are distinct and have their length", [] if len(by_id) == len(spans) and all(
        len(span.trace_id) == 16 and len(span.span_id) == 8 for span, _ in spans) else ["not so"])
    servers = [span for span, _ in spans if span.kind == span.SPAN_KIND_SERVER]
    clients = [span for span, _ in spans if span.kind == span.SPAN_KIND_CLIENT]
    check("spans: each is a server's or a client's", [] if len(servers) + len(clients) == len(spans) else ["another kind"])
    orphans = [span.name for span in clients
               if span.parent_span_id not in by_id or by_id[span.parent_span_id].trace_id != span.trace_id]
    check("spans: each attempt's parent is its request", orphans)
    check("spans: times are in order", [span.name for span, _ in spans if not 0 < span.start_time_unix_nano <= span.end_time_unix_nano])
    told = [attributes(span) for span in clients]
    required = {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port"}
    check("attempts: they have what the conventions require", [str(required - set(each)) for each in told if required - set(each)])
    failed = [each for each in told if each["serin.outcome"] != "ok"]
    check("attempts: failures have their error type", [] if failed and all(
        each.get("error.type") == each["serin.outcome"] for each in failed) else [f"{failed}"])
    well = [each for each in told if each["serin.outcome"] == "ok"]
    check("attempts: answers have their finish", [str(each) for each in well if each.get("gen_ai.response.finish_reasons") != ["stop"]])
    # The streams of the embedded providers do not report it.
    whole = [each for each in well if "gen_ai.request.stream" not in each]
    check("attempts: answers in one piece have their usage", [str(each) for each in whole if not each.get("gen_ai.usage.output_tokens", 0) > 0] if whole else ["none"])
    streams = [each for each in well if "gen_ai.request.stream" in each]
    check("attempts: streams have their first chunk, and no usage is made up", [str(each) for each in streams if
          "gen_ai.response.time_to_first_chunk" not in each or "gen_ai.usage.output_tokens" in each] if streams else ["none"])
    models = {(each["serin.provider"], each["gen_ai.request.model"]) for each in told}
    check("attempts: models as each provider knows them",
          models ^ {("openai", "gpt-4"), ("holysheep", "deepseek-chat")})
    check("requests: fallbacks are there, with two attempts",
          [] if any(attributes(span)["serin.attempts"] == 2 for span in servers) else ["none"])
    secrets = [secret for secret in (b"user-", b"hello", b"sk-") if any(secret in span.SerializeToString() for span, _ in spans)]
    check("spans: no user, no text, no key", secrets)
    return {span.trace_id.hex() for span, _ in spans}


def arrived(stage, requests):
    spans = list(stage.collector.spans)
    return spans if sum(span.kind == span.SPAN_KIND_SERVER for span, _ in spans) >= requests else None


def continued(stage):
    """A client's trace goes on."""
    stage.chat("user-1", headers={"traceparent": f"00-{PARENT}-00f067aa0ba902b7-01", "tracestate": "shop=1"})
    mine = lambda: [span for span, _ in stage.collector.spans if span.trace_id.hex() == PARENT]
    spans = until("its spans arrive", lambda: mine() if len(mine()) >= 2 else None)
    server = next(span for span in spans if span.kind == span.SPAN_KIND_SERVER)
    found = (server.parent_span_id.hex(), server.trace_state, server.flags)
    check("a client's trace goes on", [] if found == ("00f067aa0ba902b7", "shop=1", 0x301) else [f"{found}"])


# === Metrics ===

def samples(families):
    return {(sample.name, tuple(sorted(sample.labels.items()))) for family in families for sample in family.samples}


def formats(stage):
    plain_type, plain = stage.metrics(None)
    open_type, opened = stage.metrics(OPENMETRICS)
    check("metrics: content types", [] if (plain_type, open_type) == (
        "text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8") else [plain_type, open_type])
    lint = subprocess.run(["promtool", "check", "metrics"], input=plain, capture_output=True, text=True)
    check("promtool check metrics", [] if lint.returncode == 0 and not lint.stderr.strip() else [lint.stdout + lint.stderr])
    families = list(openmetrics.text_string_to_metric_families(opened))
    classic = list(parser.text_string_to_metric_families(plain))
    check("both formats have the same series", list(samples(families) ^ samples(classic))[:5])
    units = {family.name: family.unit for family in families if family.unit}
    expected = {"serin_request_duration_seconds": "seconds", "serin_first_output_seconds": "seconds", "serin_anonymous_ratio": "ratio"}
    check("OpenMetrics: units", [f"{units}"] if not expected.items() <= units.items() else [])
    exemplars = [sample.exemplar for family in families for sample in family.samples if sample.exemplar]
    check("OpenMetrics: exemplars", [] if exemplars else ["none"])
    negotiated = {
        "*/*": False, "text/plain": False, "application/openmetrics-text": True, f"{OPENMETRICS};q=0.5,text/plain;q=0.9": False,
        f"{OPENMETRICS};q=0.9,text/plain;q=0.5": True, f"{OPENMETRICS};q=0": False, "application/openmetrics-text;version=2.0.0": False,
        "application/openmetrics-text;version=2.0.0,text/plain;q=0.1": False, f"{OPENMETRICS},*/*": True, "nonsense;;": False,
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1": True,
    }
    check("metrics: what is asked for is what is sent",
          [accept for accept, wanted in negotiated.items() if stage.metrics(accept)[0].startswith("application/openmetrics") != wanted])
    return {exemplar.labels["trace_id"] for exemplar in exemplars}


def scraped(stage, traces):
    up = lambda: {each["metric"]["job"]: each["value"][1] for each in stage.ask("query", query="up")["result"]}
    until("both are scraped", lambda: up() == {"open": "1", "plain": "1"})
    errors = {target["labels"]["job"]: target["lastError"] for target in stage.ask("targets")["activeTargets"]}
    check("Prometheus scrapes both formats", [text for text in errors.values() if text])
    counted = lambda: stage.ask("query", query='sum by (job) (serin_requests_total)')["result"]
    same = lambda: (found := counted()) and len({each["value"][1] for each in found}) == 1 and len(found) == 2
    check("Prometheus counts the same in both formats", [] if until("the counts are equal", same) else [])
    now = time.time()
    kept = lambda: stage.ask("query_exemplars", query="serin_request_duration_seconds_bucket", start=now - 300, end=time.time() + 60)
    found = until("Prometheus keeps exemplars", kept)
    ids = {each["labels"]["trace_id"] for series in found for each in series["exemplars"]}
    check("Prometheus' exemplars are traces of the collector", ids - traces)


def dashboard(stage):
    """Every query runs, and all but those of what has not happened have data."""
    board = json.load(open("deploy/grafana/serin.json"))
    plain = lambda query: query.replace("$__rate_interval", "30s").replace("$rollout", ".*")
    empty, errors, seen = [], [], 0
    for panel in board["panels"]:
        for target in panel["targets"]:
            seen += 1
            try:
                query = plain(target["expr"])
                if not until(query, lambda: stage.ask("query", query=query)["result"], 10):
                    empty.append(query)
            except AssertionError as error:
                errors.append(f"{panel['title']}: {error}")
    check(f"dashboard: all {seen} queries have data", errors + empty)
    notes = [plain(note["expr"]) for note in board["annotations"]["list"]]
    check("dashboard: annotations are queries", [note for note in notes if stage.ask("query", query=note)["resultType"] != "vector"])
    names = stage.ask("label/rollout/values", **{"match[]": "serin_rollout_percent"})
    check("dashboard: the variable has its values", [] if names == ["chat"] else [f"{names}"])


def alerts_run(stage, alerts):
    states = lambda: {rule["name"]: rule["health"] for group in stage.ask("rules")["groups"] for rule in group["rules"]}
    until("rules are evaluated", lambda: set(states().values()) == {"ok"})
    check("every alert is evaluated without an error", set(alerts) ^ set(states()))


def main():
    alerts = rules()
    stage = Stage()
    try:
        requests = 240
        check("every request is answered", traffic(stage, requests))
        ids = traces(stage, requests)
        continued(stage)
        exemplars = formats(stage)
        check("exemplars are traces of the collector", exemplars - ids - {PARENT})
        traffic(stage, 60)
        until("its spans arrive", lambda: arrived(stage, requests + 61))
        ids |= {span.trace_id.hex() for span, _ in stage.collector.spans}
        scraped(stage, ids)
        dashboard(stage)
        alerts_run(stage, alerts)
        check("serin ends well", [] if stage.stop(stage.serin, 30) == 0 else [stage.log("serin")])
    finally:
        stage.close()
    print(f"telemetry: {counts['passed']} passed, {counts['failed']} failed")
    return counts["failed"] > 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:  # a stage that cannot be built, or that never comes to what is waited for
        check("the run", [f"{error}"])
        print(f"telemetry: {counts['passed']} passed, {counts['failed']} failed")
        sys.exit(1)
