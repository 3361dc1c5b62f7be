"""The containers of examples/compose.yaml as processes of this machine.

Each has the command line, the environment, the files and the health check of its container. What must differ without
containers is replaced everywhere by one table: service names and ports by free ports of the loopback, mounted folders
by folders of the test, the addresses of the providers by embedded ones.
"""

import json
import os
import re
import shlex
import shutil
import subprocess

import yaml
from processes import Processes, fetched, free_port, until
from stage import ROOT

COMPOSE = ROOT / "examples/compose.yaml"
# What `docker compose` is given from outside.
KEYS = {
    "OPENAI_API_KEY": "the key of openai",
    "HOLYSHEEP_API_KEY": "the key of holysheep",
    "SERIN_CLIENT_KEY": "the key of the app",
}
# Not in a Dockerfile of this repository.
PROMETHEUS_ENTRYPOINT = ["/bin/prometheus"]


def compose():
    return yaml.safe_load(COMPOSE.read_text())


def dockerfile(service):
    """The last stage of the Dockerfile that builds a service, as a list of instructions and arguments."""
    build = service["build"]
    build = build if isinstance(build, dict) else {"context": build}
    path = COMPOSE.parent / build["context"] / build.get("dockerfile", "Dockerfile")
    text = path.read_text().replace("\\\n", " ")
    instructions = re.findall(r"^([A-Z]+)\s+(.*)$", text, re.MULTILINE)
    last = max(index for index, (name, _) in enumerate(instructions) if name == "FROM")
    return instructions[last:]


def interpolated(text):
    """`${NAME}` and `${NAME:?what to do}` as compose reads them."""
    return re.sub(r"\$\{([A-Z_]+)(?::\?[^}]*)?\}", lambda found: KEYS[found[1]], text)


class Composed(Processes):
    """All services, started in the order of their dependencies, each once those before it are healthy."""

    def __init__(self, urls):
        super().__init__()
        self.services = compose()["services"]
        self.ports = {port: free_port() for port in (7171, 7172, 7173, 8080, 9090)}
        hosts = r"(?:0\.0\.0\.0|127\.0\.0\.1|serin|app|prometheus)"
        self.table = [(rf"\b{hosts}:{port}\b", f"127.0.0.1:{here}") for port, here in self.ports.items()]
        self.table += [
            (r"^8080$", str(self.ports[8080])),
            (r"^0\.0\.0\.0$", "127.0.0.1"),
            (r"https://api\.openai\.com/v1", urls["openai"]),
            (r"https://api\.holysheep\.ai/v1", urls["holysheep"]),
        ]
        self.processes, self.environments = {}, {}

    def here(self, text):
        """A text of a container, with the addresses and paths of this machine."""
        for there, here in self.table:
            text = re.sub(there, here, text)
        return text

    def up(self):
        for name in self.services:
            self._mount(name)
        waiting = dict(self.services)
        while waiting:
            free = [name for name, service in waiting.items() if not set(service.get("depends_on", {})) & set(waiting)]
            assert free, f"circle in depends_on: {list(waiting)}"
            for name in free:
                del waiting[name]
                self._run(name)

    def _mount(self, name):
        for mount in self.services[name].get("volumes", []):
            source, target, *_ = mount.split(":")
            folder = self.folder / name / target.strip("/").replace("/", "-")
            if source.startswith("."):
                shutil.copytree(COMPOSE.parent / source, folder)
                for file in folder.iterdir():
                    file.write_text(self.here(file.read_text()))
            else:
                folder.mkdir(parents=True)
            # A path is replaced where it is a path of its own: `/prometheus` is also the end of `/etc/prometheus`.
            self.table.append((rf"(?<![\w.]){re.escape(target)}(?=/|$)", str(folder)))

    def _run(self, name):
        service = self.services[name]
        entrypoint, command, environment = [], [], {}
        if "build" in service:
            for instruction, argument in dockerfile(service):
                if instruction == "ENTRYPOINT":
                    entrypoint = json.loads(argument)
                elif instruction == "CMD":
                    command = json.loads(argument)
                elif instruction == "ENV":
                    environment |= dict(word.split("=", 1) for word in shlex.split(argument))
        else:
            entrypoint = PROMETHEUS_ENTRYPOINT
        command = service.get("command", command)
        environment |= {key: interpolated(value) for key, value in service.get("environment", {}).items()}
        # Without it two sidecars of one machine would find each other.
        extra = {"SERIN_REGISTRY": str(self.folder / "registry")} if name == "serin" else {}
        self.environments[name] = {key: self.here(value) for key, value in environment.items()} | extra
        program, *arguments = entrypoint + command
        words = [self._binary(program), *map(self.here, arguments)]
        # Where the image of the app has its sources.
        cwd = COMPOSE.parent / service["build"] if name == "app" else self.folder
        self.processes[name] = self.start(name, words, self.environments[name], cwd)
        self.ready(name, self.processes[name], lambda: self.healthy(name))

    @staticmethod
    def _binary(path):
        return os.environ["SERIN"] if path.endswith("/serin") else path.rsplit("/", 1)[-1]

    def healthy(self, name):
        """Whether the health check of the container succeeds."""
        kind, program, *arguments = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD", f"{name}: the images have no shell"
        command = [self._binary(program), *map(self.here, arguments)]
        environment = {**os.environ, **self.environments[name]}
        return subprocess.run(command, env=environment, capture_output=True, timeout=20).returncode == 0

    def asked(self, service_port, path, **options):
        """A request to a port of a container."""
        return fetched(f"http://127.0.0.1:{self.ports[service_port]}{path}", **options)

    def prometheus(self, query):
        """The value of a query with one result, as soon as it has one."""
        def value():
            result = json.loads(self.asked(9090, f"/api/v1/query?query={query}")[2])["data"]["result"]
            return result and float(result[0]["value"][1])
        return until(f"Prometheus has {query}", value, 30)

    def down(self):
        """The exit code of each, stopped in the reverse order and within its time."""
        codes = {}
        for name, process in reversed(self.processes.items()):
            codes[name] = self.stop(process, seconds(self.services[name].get("stop_grace_period", "10s")))
        return codes


def seconds(text):
    found = re.fullmatch(r"(\d+)(s|m)", text)
    return int(found[1]) * {"s": 1, "m": 60}[found[2]]
