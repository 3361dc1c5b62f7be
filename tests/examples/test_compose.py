"""examples/compose.yaml: valid, grants no more than is needed, and its containers work together as processes."""

import json
import os
import re
import signal
import urllib.parse

import yaml
from compose_spec import PyCompose
from composed import COMPOSE, KEYS, Composed, compose, dockerfile, seconds
from processes import printed, until
from stage import ROOT, answer, bucket, provider_of

FLAGS = ROOT / "examples/compose/serin/flags.yaml"
REFERENCE = re.compile(r"\$\{([A-Z_]+)")


def test_the_file_follows_the_specification(stage):
    # Its parser knows no `<<`, which every reader of compose.yaml resolves first.
    spec = PyCompose.from_yaml(yaml.safe_dump(compose()))
    spec.validate()
    assert spec.service_names() == ["app", "prometheus", "serin"], spec.service_names()


def test_no_container_may_do_more_than_it_must(stage):
    for name, service in compose()["services"].items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", service["user"]), name
        assert service["healthcheck"]["test"][0] == "CMD", name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), (name, port)
        for mount in service.get("volumes", []):
            source, _, *mode = mount.split(":")
            if source.startswith("."):
                assert (COMPOSE.parent / source).is_dir() and mode == ["ro"], (name, mount)
            else:
                assert source in compose()["volumes"], (name, mount)
        if "build" not in service:
            assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), (name, service["image"])


def test_keys_come_from_the_environment_and_go_only_where_they_are_used(stage):
    services = compose()["services"]
    references = {name: REFERENCE.findall(str(service.get("environment", {}))) for name, service in services.items()}
    # Whatever flags.yaml refers to is there, and nothing else.
    used = set(REFERENCE.findall(FLAGS.read_text()))
    assert set(references["serin"]) == set(services["serin"]["environment"]) == used, (references, used)
    assert references["app"] == ["SERIN_CLIENT_KEY"] and not references["prometheus"], references
    keys = [value for name in services for key, value in services[name].get("environment", {}).items() if "KEY" in key]
    assert len(keys) == 4 and all(re.fullmatch(r"\$\{\w+:\?[^}]+\}", key) for key in keys), keys


def test_serin_has_time_to_drain(stage):
    drain = re.search(r"^drain: (\S+)$", FLAGS.read_text(), re.MULTILINE)[1]
    grace = compose()["services"]["serin"]["stop_grace_period"]
    assert seconds(grace) > seconds(drain), (grace, drain)
    ordered = next(json.loads(value) for name, value in dockerfile(compose()["services"]["app"]) if name == "CMD")
    allowed = int(ordered[ordered.index("--timeout-graceful-shutdown") + 1])
    assert seconds(compose()["services"]["app"]["stop_grace_period"]) > allowed


def test_the_files_of_the_containers_are_valid(stage):
    printed(f"{os.environ['SERIN']} check --no-secrets {FLAGS}")
    told = printed(f"promtool check config {ROOT}/examples/compose/prometheus/prometheus.yml")
    assert "SUCCESS" in told, told


def test_the_containers_work_together(stage):
    composed = Composed(stage.urls)
    try:
        composed.up()
        check_traffic(composed, stage)
        check_metrics(composed)
        codes = composed.down()
        # uvicorn ends with the signal that ended it, once its answers are finished.
        assert codes.pop("app") in (0, -signal.SIGTERM) and codes == {"prometheus": 0, "serin": 0}, codes
        assert not composed.healthy("serin") and not composed.healthy("app") and not composed.healthy("prometheus")
    finally:
        composed.close()


def check_traffic(composed, stage):
    # `percent: auto` begins at 0, until the canary has answered a probe.
    until("the canary has 10%", lambda: '"percent":10' in re.sub(r"\s", "", composed.asked(7172, "/api/v1/status")[2]))
    users = [f"user-{number}" for number in range(1, 200)]
    canary = [user for user in users if bucket(user) < 1000][:3]
    for user in canary + [user for user in users if bucket(user) >= 1000][:3]:
        for _ in range(2):
            body = json.dumps({"message": "who are you?"}).encode()
            headers = {"content-type": "application/json", "x-user-id": user}
            status, _, told = composed.asked(8080, "/chat", data=body, headers=headers)
            provider = provider_of(user, 1000)
            assert status == 200 and json.loads(told)["provider"] == provider, (user, status, told)
            assert json.loads(told)["answer"].startswith(answer(provider, "who are you?")), told
    # The command of the page itself.
    told = printed(composed.here(stage.commands("Compose")[-1]) + " --silent --show-error --fail")
    assert json.loads(told)["answer"].startswith(answer(provider_of("user-123", 1000), "Hello")), told
    # Serin answers the application, and nobody without its key.
    for key in ("", "another key"):
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        status, headers, _ = composed.asked(7171, "/v1/chat/completions", data=b"{}", headers=headers)
        assert status == 401 and headers["x-serin-error"], (status, dict(headers))
    # No log has a key.
    for name in composed.processes:
        assert not any(key in composed.log(name) for key in KEYS.values()), composed.log(name)


def check_metrics(composed):
    assert composed.prometheus(urllib.parse.quote('up{job="serin"}')) == 1
    query = 'sum(serin_requests_total{rollout="chat",arm="canary",provider="holysheep",outcome="ok"})'
    assert composed.prometheus(urllib.parse.quote(query + " >= 6")) == 6
    assert composed.prometheus(urllib.parse.quote('serin_rollout_percent{rollout="chat"}')) > 0
