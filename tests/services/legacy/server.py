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
from tests.services.legacy import systems
from tests.services.legacy.components import pilot, servers, variables
from tests.services.legacy.database import DIRACX_ONLY, Database, activate, start_database
from tests.services.legacy.environment import dirac_python
from tests.services.legacy.opensearch import start_opensearch
from tests.services.legacy.processes import Process, free_ports, running
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

    generation: int
    """8 or 9."""
    directory: Path
    """Everything is in it; only its owner may look."""
    python: Path
    """DIRAC's own; its commands are beside it."""
    environment: Mapping[str, str]
    """Variables of a shell in which DIRAC's commands work."""
    diracx: Diracx | None
    """DiracX on the same databases; DIRAC 8 has none."""
    database: Database
    processes: Mapping[str, Process]
    """Those of `components.servers`."""
    element: str = cfg.ELEMENT
    """The storage element."""
    second_element: str = cfg.SECOND
    """Another one, which can be away."""
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
        """The same user's tokens for DiracX, where there is one."""
        return self.directory / "token.json"

    def run(self, *words: str, cwd: Path | None = None, seconds: float = 300) -> str:
        """Run one of DIRAC's commands, or `python`, as the user; gives what it prints.

        Raises:
            RuntimeError: it failed.
        """
        command = [str(self.python.with_name(words[0])), *words[1:]]
        return _run(command, {**os.environ, **self.environment}, cwd or self.directory / "home", seconds)

    @contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """Have some of `processes` away for the block, such as "second element"."""
        away = [self.processes[name] for name in names]
        for process in away:
            process.stop()
        try:
            yield
        finally:
            for process in away:
                process.start()
            for process in away:
                process.wait()


@contextmanager
def start_dirac(generation: int = 9, *, pilots: int = 2, requests: bool = True) -> Iterator[Dirac]:
    """Run all of DIRAC 8, or 9 with DiracX, until the end of the block, with this many jobs at a time.
    `requests`: whether they are executed from the beginning; a test that wants it starts that process.
    """
    python = dirac_python(generation)
    package = next((python.parents[1] / "lib").glob("python3*/site-packages/DIRAC"))
    directory = Path(tempfile.mkdtemp(prefix="engine-dirac-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        stack.callback(_end_all_of, directory)
        for name in ("etc", "home", "logs", "pki", "sandboxes", "storage", "storage2", "temporary"):
            (directory / name).mkdir(mode=0o700)
        pki = make_pki(directory / "pki")
        database_port, diracx_port, *ports = free_ports(len(systems.EVERY) + 2)
        database = stack.enter_context(start_database(directory / "database", database_port, package))
        activate(database, cfg.SITE, "localhost", cfg.ELEMENT, cfg.SECOND, systems.SANDBOXES)
        it = systems.Installation(
            generation=generation,
            directory=directory,
            ports=dict(zip(systems.EVERY, ports, strict=True)),
            host_subject=pki.subject("host"),
            user_subject=pki.subject("user"),
            diracx=f"http://127.0.0.1:{diracx_port}" if generation > 8 else "",
            exchange_key=exchange_key(),
            parameters=stack.enter_context(start_opensearch()),
        )
        processes = servers(it, database, python, pki)
        first, *most = (processes[name] for name in ("configuration", "services", "second element"))
        stack.enter_context(running(first))
        diracx = stack.enter_context(_start_diracx(it, database, diracx_port)) if it.diracx else None
        stack.enter_context(running(*most))
        last = (processes[name] for name in ("jobs", "optimizers", "requests")[: 3 if requests else 2])
        stack.enter_context(running(*last))
        dirac = Dirac(generation, directory, python, _shell(it, python, pki), diracx, database, processes)
        _equip(it, dirac)
        pilots_of_site = (pilot(it, dirac.environment, python, number) for number in range(pilots))
        stack.enter_context(running(*pilots_of_site))
        yield dirac


@contextmanager
def _start_diracx(it: systems.Installation, database: Database, port: int) -> Iterator[Diracx]:
    input_data = {"InputDataModule": f"{_LEGACY_MODULES}.InputDataResolution"}
    operations = {"Defaults": {"SoftwareDistModule": "", "InputDataPolicy": input_data}}
    groups = {name: (properties, ["alice"]) for name, properties in cfg.GROUPS.items()}
    address = f"mysql+aiomysql://{database.user}:{database.password}@127.0.0.1:{database.port}"
    urls = {f"DIRACX_DB_URL_{name.upper()}": f"{address}/{name}" for name in _DIRACX_DATABASES}
    with start_diracx(
        it.directory / "diracx",
        port=port,
        key=it.exchange_key,
        application=_HERE / "shared_databases.py",
        configuration={"Operations": operations, "Registry": registry(groups)},
        variables={"DIRACX_SANDBOX_STORE_SE_NAME": systems.SANDBOXES, **urls},
    ) as diracx:
        yield diracx


def _shell(it: systems.Installation, python: Path, pki: Pki) -> Mapping[str, str]:
    """Make a client; gives the variables with which its commands work."""
    root = it.directory / "client"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "dirac.cfg").write_text(cfg.render(cfg.client(it)))
    return {
        **variables(it, python, pki, root),
        "X509_USER_CERT": str(pki.directory / "user.pem"),
        "X509_USER_KEY": str(pki.directory / "user.key"),
        "X509_USER_PROXY": str(it.directory / "proxy.pem"),
    }


def _equip(it: systems.Installation, dirac: Dirac) -> None:
    """Write what the user needs: a file to source, a token, and a proxy. With it, everybody is heard."""
    own = {name: value for name, value in dirac.environment.items() if name not in ("HOME", "PATH", "TMPDIR")}
    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in own.items()]
    dirac.rc.write_text("".join(exports) + f"export PATH={shlex.quote(str(dirac.python.parent))}:$PATH\n")
    if dirac.diracx is not None:
        dirac.diracx.credential(minutes=24 * 60).rename(dirac.token)
    _wait_for_everybody(it, dirac)


def _wait_for_everybody(it: systems.Installation, dirac: Dirac) -> None:
    """Give the user and the pilots a proxy each, and hear all services with it."""
    dirac.run("dirac-proxy-init", "-g", "biomed_user")
    proxy = str(it.directory / "pilot.pem")
    environment = {**os.environ, **dirac.environment, "X509_USER_PROXY": proxy}
    program = str(dirac.python.with_name("dirac-proxy-init"))
    _run([program, "-g", "biomed_pilot"], environment, it.directory / "home", 300)
    dirac.run("python", str(_HERE / "ping.py"), *(it.url(name) for name in it.ports))


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
