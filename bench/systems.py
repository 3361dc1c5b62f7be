"""What is measured: how each is started, and how its share of users is changed while it runs."""

import dataclasses
import os
import pathlib
import shutil
import signal

import processes

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TOOLS = pathlib.Path(os.environ.get("BENCH_TOOLS", ROOT / "target/bench/tools"))
SPLIT = "canary: canary\n    percent: @PERCENT@%\n    user: [header:x-user-id]"


@dataclasses.dataclass
class System:
    """`conf` is a template in conf/. In `command`, {conf} and {port} are filled in."""

    name: str
    command: str
    conf: str | None = None
    env: dict = dataclasses.field(default_factory=dict)
    headers: tuple = ()
    patience: int = 20
    # What conf/flags.yaml has besides, and the path that is asked.
    extra: str = ""
    rollout: str = SPLIT
    path: str | None = None
    # The command that takes a new `conf` into force; None: it reads the file by itself; "-": it cannot.
    reload: str | None = "-"

    def program(self):
        """Where its executable is, if it is there."""
        found = shutil.which(self.command.split()[0].format(conf="", port=""))
        return pathlib.Path(os.path.realpath(found)) if found else None


class Running:
    """A system that runs."""

    def __init__(self, system, folder, ports, percent=10):
        self.system, self.ports, self.port = system, ports, processes.free_port()
        self.folder = pathlib.Path(folder) / f"{system.name.replace(' ', '-')}-{self.port}"
        self.folder.mkdir(parents=True)
        self.write(percent)
        self.process = processes.start(
            self.fill(system.command).split(),
            processes.PROXY_CORE,
            log=self.folder / "log",
            env={name: self.fill(value) for name, value in system.env.items()},
        )
        self.started_in = processes.until_it_answers(self.process, self.port, system.patience, system.headers)
        if self.started_in is None:
            self.stop()
            raise RuntimeError(f"{system.name} has not started: see {self.folder}/log")

    @property
    def conf(self):
        return self.folder / (self.system.conf or "none")

    def fill(self, text):
        return text.format(conf=self.conf, port=self.port, dir=self.folder)

    def write(self, percent):
        """Writes its configuration with this share of users, as an editor would: a new file in place of the old one."""
        if self.system.conf is None:
            return
        text = (HERE / "conf" / self.system.conf).read_text()
        text = text.replace("@ROLLOUT@", self.system.rollout).replace("@EXTRA@", self.system.extra)
        values = {"PORT": self.port, "STABLE": self.ports[0], "CANARY": self.ports[1], "DIR": self.folder}
        # nginx takes neither 0% nor 100% for a share.
        shares = {0: "* stable;", 100: "* canary;"}.get(percent, f"{percent}% canary; * stable;")
        for name, value in (values | {"PERCENT": percent, "REST": 100 - percent, "SHARES": shares}).items():
            text = text.replace(f"@{name}@", str(value))
        draft = self.conf.with_suffix(".draft")
        draft.write_text(text)
        draft.rename(self.conf)

    def change(self, percent):
        """Writes it and has it taken into force."""
        self.write(percent)
        if self.system.reload is not None:
            self.process.send_signal(getattr(signal, self.system.reload))

    def pids(self):
        return processes.descendants(self.process.pid)

    def environment(self):
        """What the load has to add to its requests."""
        env = {"BENCH_HEADERS": "|".join(self.system.headers)} if self.system.headers else {}
        return env | ({"BENCH_PATH": self.system.path} if self.system.path else {})

    def stop(self):
        processes.stop(self.process)


def serin_binary():
    """What ships, if it was built; SERIN names another one."""
    shipped = sorted((ROOT / "target/shipped").glob("serin-*/serin"))
    return os.environ.get("SERIN") or (str(shipped[-1]) if shipped else None)


def serin(name="Serin", **settings):
    env = {"SERIN_REGISTRY": "{dir}/run", "SERIN_DUMPABLE": "yes", "SERIN_LOG": "error"}
    command = f"{serin_binary()} run --flags {{conf}}"
    return System(name, command, "flags.yaml", env=env, reload=None, **settings)


def proxies():
    """Proxies with a sticky split."""
    envoy = next(iter(TOOLS.glob("envoy/lib/python*/site-packages/envoy/_bin/envoy")), "envoy")
    return [
        System("nginx", "nginx -p {dir} -c {conf}", "nginx.conf", reload="SIGHUP"),
        System("HAProxy", "haproxy -W -db -f {conf}", "haproxy.cfg", reload="SIGUSR2"),
        System("Envoy", f"{envoy} -c {{conf}} --concurrency 1 --log-level error --disable-hot-restart", "envoy.yaml"),
        serin(),
    ]


def gateways(stable):
    """Gateways for LLMs that somebody could use instead. They translate JSON, which is more work, and have no split."""
    litellm = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": processes.KEY}
    portkey = TOOLS / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    return [
        System(
            "LiteLLM",
            f"{TOOLS}/litellm/bin/litellm --config {{conf}} --host 127.0.0.1 --port {{port}} --num_workers 1",
            "litellm.yaml",
            env=litellm | {"PYTHONWARNINGS": "ignore"},
            patience=120,
        ),
        System(
            "Portkey",
            f"node {portkey} --port={{port}} --headless",
            headers=("x-portkey-provider: openai", f"x-portkey-custom-host: http://127.0.0.1:{stable}/v1"),
            patience=60,
        ),
    ]


def features():
    """Serin with more and more of its work; the difference of two neighbours is what that work costs."""
    at_path = "match: { path: /relayed }\n    "
    by_body = SPLIT.replace("header:x-user-id", "body:user")
    return [
        serin("plain route", rollout="match: { path: /relayed }", path="/v1/relayed"),
        serin("+ split by a header", rollout=at_path + SPLIT, path="/v1/relayed"),
        serin("+ body read for the user", rollout=at_path + by_body, path="/v1/relayed"),
        serin("+ outcome by the response", rollout=by_body + "\n    fallback: false"),
        serin("+ response buffered for fallback", rollout=by_body),
        serin("+ access log", rollout=by_body, extra="access_log: { to: /dev/null, max_per_second: 1000000 }"),
    ]
