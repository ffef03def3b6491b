"""What DIRAC calls components: its services, optimizers and agents, as processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.legacy import configuration as cfg
from tests.services.legacy import systems
from tests.services.legacy.database import Database
from tests.services.legacy.processes import Process, listens
from tests.services.pki import Pki

_HERE = Path(__file__).parent


def servers(it: systems.Installation, database: Database, python: Path, pki: Pki) -> Mapping[str, Process]:
    """The processes of the installation itself, in the order in which they start.

    Many services share one: each alone would import all of DIRAC once more.
    """
    security = {"CertFile": pki.directory / "host.pem", "KeyFile": pki.directory / "host.key"}
    file = it.directory / "etc" / "dirac.cfg"
    file.write_text(cfg.render(cfg.host(it, security)))
    (it.directory / "etc" / "Production.cfg").write_text(cfg.render(cfg.master(it, database)))
    environment = {
        **variables(it, python, pki, it.directory),
        "DIRAC_USE_NEWTHREADPOOL": "yes",
        "DIRAC_X509_HOST_CERT": str(security["CertFile"]),
        "DIRAC_X509_HOST_KEY": str(security["KeyFile"]),
    }

    def process(name: str, *words: str | Path, ports: Sequence[str] = (), says: str = "") -> Process:
        log = it.directory / "logs" / f"{name}.log"
        command = [python, *words, "--cfg", file, "-o", "LogLevel=INFO"]
        used = [it.ports[service] for service in ports]

        def answers(process: Process) -> bool:
            return listens(*used) if used else says in process.said()

        return Process(name, command, log, answers, environment, it.directory / "home")

    def services(name: str, *names: str) -> Process:
        return process(name, _HERE / "service.py", *names, ports=names)

    executor, certificate = python.with_name("dirac-executor"), "/DIRAC/Security/UseServerCertificate=yes"
    return {
        "configuration": services("configuration", systems.FIRST),
        "services": services("services", *systems.SERVICES),
        "second element": services("element2", systems.SECOND_STORAGE),
        "jobs": services("jobs", systems.LAST),
        "optimizers": process("optimizers", executor, "WorkloadManagement/Optimizers", says="Connected to"),
        "requests": process(
            "requests", _HERE / "agent.py", systems.REQUESTS, "1", "-o", certificate, says="is at work"
        ),
    }


def pilot(it: systems.Installation, shell: Mapping[str, str], python: Path, number: int) -> Process:
    """A pilot on a node of its own. `shell` is the environment in which DIRAC's commands work."""
    root = it.directory / f"pilot{number}"
    for name in ("etc", "temporary"):
        (root / name).mkdir(parents=True)
    file = root / "etc" / "dirac.cfg"
    file.write_text(cfg.render(cfg.pilot(it)))
    environment = {
        **shell,
        "DIRAC_ROOT_PATH": str(root),
        "TMPDIR": str(root / "temporary"),
        "X509_USER_PROXY": str(it.directory / "pilot.pem"),
    }
    log = it.directory / "logs" / f"pilot{number}.log"
    options = ["--cfg", str(file), "-o", "LogLevel=INFO"]
    command = [str(python), str(_HERE / "agent.py"), systems.PILOT, "0", *options]
    return Process(f"pilot{number}", command, log, lambda it: "is at work" in it.said(), environment, root)


def variables(it: systems.Installation, python: Path, pki: Pki, root: Path) -> dict[str, str]:
    """The environment of a process whose DIRAC is in `root`."""
    return {
        "DIRAC_ROOT_PATH": str(root),
        "HOME": str(it.directory / "home"),
        "PATH": f"{python.parent}:/usr/bin:/bin:/usr/sbin:/sbin",
        "TMPDIR": str(it.directory / "temporary"),
        "X509_CERT_DIR": str(pki.authorities),
    }
