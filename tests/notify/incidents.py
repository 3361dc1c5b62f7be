"""The report of a rollback: by the command, by the API, as a page, and after a restart."""

import base64
import hashlib
import re

from stage import Receiver, Sidecar, standard, until


def test_a_rollback_has_one_report_in_every_form():
    receiver = Receiver()
    with Sidecar([standard("ops", receiver.port)]) as sidecar:
        assert sidecar.serin("incident").stdout == "no incident reports: nothing was rolled back\n"
        sidecar.serin("rollback", "chat", "--reason", "<script>alert(1)</script>")
        [listed] = sidecar.json("incident")["incidents"]
        name = listed["id"]
        assert listed["rollout"] == "chat" and re.fullmatch(r"chat-\d{8}T\d{9}Z", name), listed
        chat = next(rollout for rollout in sidecar.status()["rollouts"] if rollout["name"] == "chat")
        assert chat["incident"] == name
        until("the notification names it", lambda: receiver.requests)
        assert receiver.bodies()[0]["data"]["links"]["incident"].endswith(f"/#/incidents/{name}")
        report = sidecar.json("incident", name)
        assert (report["event"]["to"], report["stable"], report["canary"]) == (0.0, "old", "new"), report
        assert "What to do next" in dict(report["sections"])
        markdown = sidecar.serin("incident", "latest").stdout
        assert markdown.startswith("# chat: rolled back from 20% to 0%") and "<script>" not in markdown, markdown
        headers, page = sidecar.get(f"/api/v1/incidents/{name}?format=html")
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy, policy
        assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
        assert "export function chart" in page and page.count('type="module"') == 1
        for tag in ("style", "script"):
            for content in re.findall(rf'<{tag}(?: type="module")?>(.*?)</{tag}>', page, re.S):
                wanted = "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
                assert wanted in policy, (tag, wanted, policy)
        sidecar.kill()
        sidecar.start()
        chat = next(rollout for rollout in sidecar.status()["rollouts"] if rollout["name"] == "chat")
        assert chat["incident"] == name and sidecar.json("incident", name)["id"] == name
        sidecar.serin("resume", "chat")
        chat = next(rollout for rollout in sidecar.status()["rollouts"] if rollout["name"] == "chat")
        assert "incident" not in chat, chat
        unknown = sidecar.serin("incident", "chat-1", check=False)
        assert unknown.returncode == 1 and "there is no incident report `chat-1`" in unknown.stderr, unknown
    receiver.close()
