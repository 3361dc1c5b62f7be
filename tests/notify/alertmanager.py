"""A real Alertmanager takes the alerts, shows them to amtool, and lets them end."""

import json
import subprocess
import tempfile

from stage import Receiver, Sidecar, closed_port, until


def test_an_alert_stands_until_the_rollout_is_resumed():
    hook = Receiver(lambda request: 200)
    with tempfile.TemporaryDirectory(prefix="serin-alertmanager-") as home:
        config = f"{home}/alertmanager.yml"
        with open(config, "w") as file:
            file.write(
                "route: { receiver: hook, group_wait: 0s, group_interval: 1s, group_by: [alertname, rollout] }\n"
                f"receivers: [{{ name: hook, webhook_configs: [{{ url: 'http://127.0.0.1:{hook.port}/' }}] }}]\n"
            )
        hole = closed_port()
        port = hole.getsockname()[1]
        hole.close()
        server = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={home}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(f"{home}/log", "wb"),
        )

        def alerts():
            done = subprocess.run(
                ["amtool", f"--alertmanager.url=http://127.0.0.1:{port}", "alert", "query", "--output=json"],
                capture_output=True, text=True, timeout=20,
            )
            return json.loads(done.stdout or "[]") if done.returncode == 0 else None

        try:
            until("Alertmanager answers", lambda: alerts() is not None)
            target = {"name": "am", "format": "alertmanager", "url": f"http://127.0.0.1:{port}",
                      "on": ["rolled_back", "held"]}
            with Sidecar([target]) as sidecar:
                assert sidecar.serin("notify", "--test").stdout == "am: accepted (200)\n"
                sidecar.serin("rollback", "chat", "--reason", "errors")
                named = lambda name: [alert for alert in alerts() if alert["labels"]["alertname"] == name]
                alert = until("amtool shows it", lambda: named("SerinRolledBack"))[0]
                assert alert["labels"] == {
                    "alertname": "SerinRolledBack", "rollout": "chat", "severity": "critical"}, alert
                assert alert["annotations"]["command"] == "serin resume chat", alert
                assert alert["generatorURL"] == "https://serin.example.com/"
                assert not named("SerinHeld")
                until("it was told", lambda: any(body["status"] == "firing" and body["commonLabels"]["alertname"]
                                                 == "SerinRolledBack" for body in hook.bodies()))
                # A restart goes on with it.
                sidecar.kill()
                sidecar.start()
                sidecar.serin("resume", "chat")
                until("it is over", lambda: not named("SerinRolledBack"))
                until("its end was told", lambda: any(body["status"] == "resolved" and body["commonLabels"].get(
                    "alertname") == "SerinRolledBack" for body in hook.bodies()))
        finally:
            server.kill()
            server.wait()
    hook.close()
