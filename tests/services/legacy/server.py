"""The whole installation: started and stopped as one."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.services.diracx import Diracx, exchange_key, registry, start_diracx
from tests.services.legacy import configuration as cfg
from tests.services.legacy.database import DIRACX_ONLY, Database, activate, start_database
from tests.services.legacy.environment import dirac_python
from tests.services.legacy.opensearch import start_opensearch
from tests.services.legacy.processes import Process, free_ports, listens, running
from tests.services.pki import Pki, make_pki

_HERE = Path(__file__).parent
_LEGACY_MODULES = "DIRAC.WorkloadManagementSystem.Client"
_DIRACX_DATABASES = (
    *("JobDB", "JobLoggingDB", "TaskQueueDB", "PilotAgentsDB", "SandboxMetadataDB", "ResourceStatusDB"),
    *DIRACX_ONLY,
)


@dataclass(frozen=True)
class Dirac:
    """A running installation, and what its user alice needs."""

    directory: Path
    """Everything is in it; only its owner may look."""
    python: Path
    """DIRAC's own; its commands are beside it."""
    environment: Mapping[str, str]
    """Variables of a shell in which DIRAC's commands work."""
    diracx: Diracx
    """DiracX on the same databases."""
    database: Database
    element: str = cfg.ELEMENT
    """The storage element."""
    site: str = cfg.SITE
    home: str = f"/{cfg.VO}/user/a/alice"
    """Where the user's files are in the catalogue."""

    @property
    def rc(self) -> Path:
        """A file for the shell to source, as `diracosrc` is."""
        return self.directory / "rc"

    @property
    def proxy(self) -> Path:
        """The user's proxy: a day, group biomed_user."""
        return Path(self.environment["X509_USER_PROXY"])

    @property
    def token(self) -> Path:
        """The same user's tokens for DiracX."""
        return self.directory / "token.json"

    def run(self, *words: str, cwd: Path | None = None, seconds: float = 300) -> str:
        """Run one of DIRAC's commands, or `python`, as the user; gives what it prints.

        Raises:
            RuntimeError: it failed.
        """
        command = [str(self.python.with_name(words[0])), *words[1:]]
        return _run(command, {**os.environ, **self.environment}, cwd or self.directory / "home", seconds)


@contextmanager
def start_dirac(*, pilots: int = 2) -> Iterator[Dirac]:
    """Run everything until the end of the block, with this many jobs at a time."""
    python = dirac_python()
    package = next((python.parents[1] / "lib").glob("python3*/site-packages/DIRAC"))
    directory = Path(tempfile.mkdtemp(prefix="engine-dirac-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        stack.callback(_end_all_of, directory)
        for name in ("etc", "home", "logs", "pki", "sandboxes", "storage", "temporary"):
            (directory / name).mkdir(mode=0o700)
        pki = make_pki(directory / "pki")
        names = (cfg.FIRST, *cfg.SERVICES, cfg.LAST)
        database_port, diracx_port, *ports = free_ports(len(names) + 2)
        database = stack.enter_context(start_database(directory / "database", database_port, package))
        activate(database, cfg.SITE, "localhost", cfg.ELEMENT, cfg.SANDBOXES)
        it = cfg.Installation(
            directory=directory,
            ports=dict(zip(names, ports, strict=True)),
            host_subject=pki.subject("host"),
            user_subject=pki.subject("user"),
            diracx=f"http://127.0.0.1:{diracx_port}",
            exchange_key=exchange_key(),
            parameters=stack.enter_context(start_opensearch()),
        )
        first, services, last, optimizers = _services(it, database, python, pki)
        stack.enter_context(running(first))
        diracx = stack.enter_context(_start_diracx(it, database, diracx_port))
        stack.enter_context(running(services))
        stack.enter_context(running(last, optimizers))
        dirac = _client(it, python, pki, diracx, database)
        stack.enter_context(running(*(_pilot(it, dirac, number) for number in range(pilots))))
        yield dirac


def _services(it: cfg.Installation, database: Database, python: Path, pki: Pki) -> Sequence[Process]:
    """The processes of services. Many services share one: each alone would import all of DIRAC once more."""
    security = {"CertFile": pki.directory / "host.pem", "KeyFile": pki.directory / "host.key"}
    file = it.directory / "etc" / "dirac.cfg"
    file.write_text(cfg.render(cfg.host(it, security)))
    (it.directory / "etc" / "Production.cfg").write_text(cfg.render(cfg.master(it, database)))
    environment = {
        **_variables(it, python, pki, it.directory),
        "DIRAC_USE_NEWTHREADPOOL": "yes",
        "DIRAC_X509_HOST_CERT": str(security["CertFile"]),
        "DIRAC_X509_HOST_KEY": str(security["KeyFile"]),
    }

    def process(name: str, kind: str, *modules: str) -> Process:
        ports = [it.ports[module] for module in modules if module in it.ports]
        log = it.directory / "logs" / f"{name}.log"
        program = python.with_name("dirac-executor") if kind == "executor" else _HERE / "service.py"
        command = [python, program, *modules, "--cfg", file, "-o", "LogLevel=INFO"]

        def answers() -> bool:
            return listens(*ports) if ports else "Connected to" in log.read_text()

        return Process(name, command, log, answers, environment, it.directory / "home")

    return (
        process("configuration", "service", cfg.FIRST),
        process("services", "service", *cfg.SERVICES),
        process("jobs", "service", cfg.LAST),
        process("optimizers", "executor", "WorkloadManagement/Optimizers"),
    )


@contextmanager
def _start_diracx(it: cfg.Installation, database: Database, port: int) -> Iterator[Diracx]:
    input_data = {"InputDataModule": f"{_LEGACY_MODULES}.InputDataResolution"}
    operations = {"Defaults": {"SoftwareDistModule": "", "InputDataPolicy": input_data}}
    groups = {name: (properties, ["alice"]) for name, properties in cfg.GROUPS.items()}
    address = f"mysql+aiomysql://{database.user}:{database.password}@127.0.0.1:{database.port}"
    variables = {f"DIRACX_DB_URL_{name.upper()}": f"{address}/{name}" for name in _DIRACX_DATABASES}
    with start_diracx(
        it.directory / "diracx",
        port=port,
        key=it.exchange_key,
        application=_HERE / "shared_databases.py",
        configuration={"Operations": operations, "Registry": registry(groups)},
        DIRACX_SANDBOX_STORE_SE_NAME=cfg.SANDBOXES,
        **variables,
    ) as diracx:
        yield diracx


def _client(it: cfg.Installation, python: Path, pki: Pki, diracx: Diracx, database: Database) -> Dirac:
    root = it.directory / "client"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "dirac.cfg").write_text(cfg.render(cfg.client(it)))
    environment = {
        **_variables(it, python, pki, root),
        "X509_USER_CERT": str(pki.directory / "user.pem"),
        "X509_USER_KEY": str(pki.directory / "user.key"),
        "X509_USER_PROXY": str(it.directory / "proxy.pem"),
    }
    dirac = Dirac(it.directory, python, environment, diracx, database)
    own = {name: value for name, value in environment.items() if name not in ("HOME", "PATH", "TMPDIR")}
    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in own.items()]
    dirac.rc.write_text("".join(exports) + f"export PATH={shlex.quote(str(python.parent))}:$PATH\n")
    diracx.credential(minutes=24 * 60).rename(dirac.token)
    _wait_for_everybody(it, dirac)
    return dirac


def _wait_for_everybody(it: cfg.Installation, dirac: Dirac) -> None:
    """Give the user and the pilots a proxy each, and hear all services with it."""
    dirac.run("dirac-proxy-init", "-g", "biomed_user")
    pilot = it.directory / "pilot.pem"
    variables = {**os.environ, **dirac.environment, "X509_USER_PROXY": str(pilot)}
    program = str(dirac.python.with_name("dirac-proxy-init"))
    _run([program, "-g", "biomed_pilot"], variables, it.directory / "home", 300)
    dirac.run("python", str(_HERE / "ping.py"), *(it.url(name) for name in it.ports))


def _pilot(it: cfg.Installation, dirac: Dirac, number: int) -> Process:
    root = it.directory / f"pilot{number}"
    for name in ("etc", "temporary"):
        (root / name).mkdir(parents=True)
    file = root / "etc" / "dirac.cfg"
    file.write_text(cfg.render(cfg.pilot(it)))
    environment = {
        **dirac.environment,
        "DIRAC_ROOT_PATH": str(root),
        "TMPDIR": str(root / "temporary"),
        "X509_USER_PROXY": str(it.directory / "pilot.pem"),
    }
    log = it.directory / "logs" / f"pilot{number}.log"
    command = [dirac.python, _HERE / "pilot.py", "--cfg", file, "-o", "LogLevel=INFO"]
    return Process(
        f"pilot{number}", command, log, lambda: "asks for jobs" in log.read_text(), environment, root
    )


def _variables(it: cfg.Installation, python: Path, pki: Pki, root: Path) -> dict[str, str]:
    return {
        "DIRAC_ROOT_PATH": str(root),
        "HOME": str(it.directory / "home"),
        "PATH": f"{python.parent}:/usr/bin:/bin:/usr/sbin:/sbin",
        "TMPDIR": str(it.directory / "temporary"),
        "X509_CERT_DIR": str(pki.authorities),
    }


def _run(command: Sequence[str], environment: Mapping[str, str], directory: Path, seconds: float) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
        cwd=directory,
        timeout=seconds,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-1500:]
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: {said}")
    return done.stdout


def _end_all_of(directory: Path) -> None:
    """End what jobs have left: payloads are in sessions of their own."""
    mark = f"DIRAC_ROOT_PATH={directory}/".encode()
    for _ in range(5):
        found = False
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
                    found = True
        if not found:
            return
        time.sleep(0.2)
