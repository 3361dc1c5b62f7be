"""What receivers get, read by the libraries and the rules of those who define the formats."""

import json

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from stage import OTHER_SECRET, SECRET, Receiver, Sidecar, standard, until


def verified(request, secret=SECRET):
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return Webhook(secret).verify(request["body"], headers)


def test_the_reference_library_of_standard_webhooks_verifies_every_message():
    one, two = Receiver(), Receiver()
    with Sidecar([standard("one", one.port), standard("two", two.port)]) as sidecar:
        sidecar.back_and_on()
        until("both got both", lambda: len(one.requests) == len(two.requests) == 2)
        for request in one.requests + two.requests:
            body = verified(request)
            assert body["data"]["rollout"] == "chat", body
            assert request["path"] == "/hook?team=1" and len(request["body"]) < 20_000
        assert one.types() == two.types() == ["rollout.rolled_back", "rollout.resumed"]
        ids = [[request["headers"]["webhook-id"] for request in receiver.requests] for receiver in (one, two)]
        assert ids[0] == ids[1] and len(set(ids[0])) == 2, ids
        data = one.bodies()[0]["data"]
        assert (data["from"], data["to"], data["reason"], data["command"]) == (20.0, 0.0, "test", "serin resume chat")
        assert data["links"]["dashboard"] == "https://serin.example.com/"
        try:
            verified(one.requests[0], OTHER_SECRET)
            raise AssertionError("a signature of another secret was accepted")
        except WebhookVerificationError:
            pass
        history = [event["action"] for event in sidecar.json("history", "chat")["events"]]
        assert sorted(history[:6]) == ["notified"] * 4 + ["resume", "rollback"], history
        assert sidecar.metric('serin_notifications_total{target="one",result="delivered"}') == 2
    one.close(), two.close()


def test_slack_and_pagerduty_get_what_their_interfaces_ask_for():
    slack, pager = Receiver(lambda request: 200), Receiver(lambda request: 202)
    targets = [
        {"name": "slack", "format": "slack", "on": ["rolled_back"],
         "url": f"http://127.0.0.1:{slack.port}/services/T0/B0/hidden"},
        {"name": "pager", "format": "pagerduty", "secret": "${PAGERDUTY}", "on": ["rolled_back"],
         "url": f"http://127.0.0.1:{pager.port}/v2/enqueue"},
    ]
    with Sidecar(targets) as sidecar:
        sidecar.serin("rollback", "chat", "--reason", "<!channel> & more")
        until("both got it", lambda: slack.requests and pager.requests)
        message = slack.bodies()[0]
        assert message["text"].endswith("&lt;!channel&gt; &amp; more"), message
        for block in message["blocks"]:
            text = block.get("text", {}).get("text", "")
            assert len(text) <= (150 if block["type"] == "header" else 3000)
        sidecar.serin("resume", "chat")
        until("it is resolved", lambda: len(pager.requests) == 2)
        trigger, resolve = pager.bodies()
        assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
        assert trigger["dedup_key"] == resolve["dedup_key"] == "serin/chat/1", (trigger, resolve)
        assert trigger["payload"]["severity"] == "critical" and trigger["payload"]["source"]
        everything = sidecar.log() + json.dumps(sidecar.status()) + sidecar.get("/api/v1/config")[1]
        for secret in ("hidden", SECRET, "0123456789abcdef0123456789abcdef"):
            assert secret not in everything, secret
    slack.close(), pager.close()


def test_a_test_says_what_each_target_answered():
    good, bad = Receiver(), Receiver(lambda request: 403)
    with Sidecar([standard("good", good.port), standard("bad", bad.port)]) as sidecar:
        done = sidecar.serin("notify", "--test", check=False)
        assert done.returncode == 1 and done.stdout == "good: accepted (204)\nbad: failed (403)\n", done
        assert verified(good.requests[0])["type"] == "serin.test"
        assert sidecar.serin("notify", "--test", "good").stdout == "good: accepted (204)\n"
        unknown = sidecar.serin("notify", "--test", "ops", check=False)
        assert "there is no target of notifications named `ops`; there are: good, bad" in unknown.stderr, unknown
        shown = sidecar.serin("notify").stdout
        assert shown.startswith("bad "), shown
    good.close(), bad.close()
