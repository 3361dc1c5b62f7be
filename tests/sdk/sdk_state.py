"""State of providers through sidecars, with the OpenAI Python SDK: responses, conversations and files stay where they are
made, at 10%, 50% and 0%, over a kill of a sidecar, and with two sidecars that share nothing."""

import io
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.request

import openai
from stage import bucket, free_port

FLAGS = """\
listen: 127.0.0.1:{listen}
admin: {{ listen: 127.0.0.1:{admin} }}
providers:
  oldcorp: {{ base_url: "{oldcorp}", auth: none }}
  newcorp: {{ base_url: "{newcorp}", auth: none }}
rollouts:
  - name: chat
    stable: oldcorp
    canary: newcorp
    percent: {percent}%
"""
USERS = [f"user-{number}" for number in range(40)]


class Sidecar:
    def __init__(self, folder, providers):
        self.folder, self.providers = pathlib.Path(folder), providers
        self.listen, self.admin = free_port(), free_port()
        self.folder.mkdir()
        self.process = None

    def set(self, percent):
        text = FLAGS.format(listen=self.listen, admin=self.admin, percent=percent, **self.providers)
        (self.folder / "flags.yaml").write_text(text)
        if self.process:
            self._until(f'serin_rollout_percent{{rollout="chat"}} {percent}\n')

    def start(self):
        command = [os.environ["SERIN"], "run", "--flags", str(self.folder / "flags.yaml"), "--state",
                   str(self.folder / "state")]
        environment = dict(os.environ, SERIN_REGISTRY=str(self.folder / "run"))
        with open(self.folder / "serin.log", "a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        self._until("serin_build_info")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def client(self):
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.listen}/v1", api_key="any", max_retries=0, timeout=10)

    def _until(self, words):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=2) as answer:
                    if words in answer.read().decode():
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"{words!r} did not come: {(self.folder / 'serin.log').read_text()}")


def turn(client, user, stream, **state):
    """One turn of a conversation; the id of its response."""
    if stream:
        events = list(client.responses.create(model="m", input="go on", user=user, stream=True, **state))
        return events[-1].response.id
    return client.responses.create(model="m", input="go on", user=user, **state).id


def test_state_stays_where_it_was_made(stage):
    with tempfile.TemporaryDirectory() as folder:
        providers = {name: stage.provider(name) for name in ("oldcorp", "newcorp")}
        one, other = (Sidecar(f"{folder}/{name}", providers) for name in ("one", "other"))
        try:
            _flows(one, other)
        finally:
            for sidecar in (one, other):
                if sidecar.process:
                    sidecar.kill()


def _flows(one, other):
    for sidecar in (one, other):
        sidecar.set(10)
        sidecar.start()
    last, turns = {}, 0
    file = one.client().files.create(file=("a.jsonl", io.BytesIO(b"{}\n")), purpose="batch")
    for percent in (10, 50, 0):
        for sidecar in (one, other):
            sidecar.set(percent)
        for user in USERS:
            for number, sidecar in enumerate((one, other)):
                client = sidecar.client()
                state = {"previous_response_id": last[user]} if user in last else {}
                last[user] = turn(client, user, stream=number == 1, **state)
                assert client.responses.retrieve(last[user]).id == last[user]
                turns += 1
                # Where the user began, every later turn is.
                began = "newcorp" if bucket(user) < 1000 else None
                assert began is None or began in last[user], (user, percent, last[user])
        if percent == 50:
            one.kill()
            one.start()
        for sidecar in (one, other):
            assert sidecar.client().files.retrieve(file.id).id == file.id
            assert sidecar.client().files.content(file.id).read() == b"{}\n"
    kept = [user for user in USERS if "newcorp" in last[user]]
    assert 0 < len(kept) < len(USERS), kept
    client = one.client()
    for user in kept:
        client.responses.delete(last[user])
    try:
        client.responses.retrieve(last[kept[0]])
        raise AssertionError("it was deleted")
    except openai.NotFoundError as error:
        assert "not found" in str(error), error
    conversation = client.conversations.create()
    turn(client, "user-1", False, conversation=conversation.id)
    print(f"        {turns} turns of {len(USERS)} conversations, {len(kept)} of them on the canary: none was not found")
