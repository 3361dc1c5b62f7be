"""What the examples run on: a copy of them, two providers, and Serin between these at 50%.

Requests for the model `held` go to a third provider, whose stream the test itself continues.
"""

import hashlib
import os
import pathlib
import re
import shutil
import sys

from processes import Processes, fetched, free_port

ROOT = pathlib.Path(__file__).parents[2]
WORK = pathlib.Path(os.environ["EXAMPLES_WORK"])
sys.path.append(str(ROOT / "tests/sdk"))

from held import HeldProvider

FLAGS = """\
listen: 127.0.0.1:{listen}
admin: {{ listen: 127.0.0.1:{admin} }}
providers:
  openai: {{ base_url: "{openai}", auth: none }}
  holysheep: {{ base_url: "{holysheep}", auth: none, models: {{ gpt-4o: deepseek-chat }} }}
  held: {{ base_url: "{held}", auth: none }}
rollouts:
  - {{ name: held, stable: held, match: {{ model: held }} }}
  - {{ name: chat, stable: openai, canary: holysheep, percent: 50% }}
"""


def bucket(user):
    return int(hashlib.md5(user.encode()).hexdigest(), 16) % 10000


def provider_of(user, hundredths=5000):
    return "holysheep" if bucket(user) < hundredths else "openai"


# Both arms, several users each.
USERS = [f"user-{number}" for number in range(1, 5)]
assert {provider_of(user) for user in USERS} == {"openai", "holysheep"}


def answer(provider, message):
    """What an embedded provider says, up to the words that fill it."""
    return f"This is {provider} answering: {message}"


class Stage(Processes):
    """Everything that all tests share."""

    def __init__(self):
        super().__init__()
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        # As a checkout has it: without anybody's installed packages, but with those of the tests.
        self.checkout = self.folder / "checkout"
        unwanted = shutil.ignore_patterns("node_modules", ".venv", "__pycache__")
        shutil.copytree(ROOT / "examples", self.checkout / "examples", ignore=unwanted)
        for modules in (WORK / "modules").iterdir():
            (self.checkout / "examples/apps" / modules.name / "node_modules").symlink_to(modules / "node_modules")
        self.urls = {name: self.provider(name) for name in ("openai", "holysheep")}
        self.held = HeldProvider()
        self.ending.callback(self.held.close)
        listen, admin = free_port(), free_port()
        flags = self.folder / "flags.yaml"
        flags.write_text(FLAGS.format(listen=listen, admin=admin, held=self.held.base_url, **self.urls))
        command = [os.environ["SERIN"], "run", "--flags", str(flags), "--state", str(self.folder / "state")]
        serin = self.start("serin", command, {"SERIN_REGISTRY": str(self.folder / "run")})
        self.origin, self.admin = (f"http://127.0.0.1:{port}" for port in (listen, admin))
        self.ready("serin", serin, lambda: fetched(f"{self.admin}/readyz")[0] == 200)

    def commands(self, heading):
        """The commands below a heading of examples/README.md, for the addresses of this stage but for port 8080."""
        page = (self.checkout / "examples/README.md").read_text()
        block = re.search(rf"^## {re.escape(heading)}\n\n```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        assert block, f"examples/README.md has no commands below `## {heading}`"
        return block[1].replace("http://127.0.0.1:7171", self.origin).splitlines()

    def outcome_count(self, outcome):
        """How many requests ended so."""
        metrics = fetched(f"{self.admin}/metrics")[2]
        rows = re.findall(rf'^serin_requests_total{{[^}}]*outcome="{outcome}"[^}}]*}} (\d+)', metrics, re.MULTILINE)
        return sum(map(int, rows))
