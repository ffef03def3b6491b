"""Two users of one portal on one machine: ann's tool is hostile, bob's job runs beside it.

The tool runs by the portal with user namespaces, and by other runtimes as one of the same account's own jobs:
a pipeline that is trusted runs just so.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from tests.cli.desk import Desk, desk_in, until
from tests.hostile.image import TOOL
from tests.portal.house import House, portal
from tests.services.proot import proot_for_tests
from tests.services.unprivileged import ordinary_user
from wrappers.runtimes import netlink

LIMITS = {"processes": 100, "files": 64, "space": 50 << 20}
SECRET = "of another user"
SYSV, QUEUE, ABSTRACT, KEY = 0x656E67, "/engine-hostile", "engine-hostile", "engine-hostile"
_JOIN_SESSION_KEYRING = 1
_KEYCTL, _ADD_KEY = {"x86_64": (250, 248), "aarch64": (219, 217)}[os.uname().machine]
_HOLD = f"""
import ctypes, os, sys
libc = ctypes.CDLL(None)
key = libc.syscall({_ADD_KEY}, b"user", b"{KEY}-user", b"of the account", 14, -4)
segment = libc.shmget({SYSV}, 4096, 0o1600)
libc.mq_open(b"{QUEUE}", os.O_CREAT | os.O_RDWR, 0o600, None)
with open(sys.argv[1], "w") as file:
    file.write("x")
print("ready", flush=True)
sys.stdin.read()
libc.syscall({_KEYCTL}, 3, key)
libc.shmctl(segment, 0, None)
libc.mq_unlink(b"{QUEUE}")
os.unlink(sys.argv[1])
"""


@dataclass
class Scene:
    """A portal at work, and what a hostile tool may guess of it."""

    account: str
    house: House
    python: str
    image: str
    target: Mapping[str, Any]
    beside: str
    """The execution of bob's that is at work all the time."""
    before: Mapping[str, tuple[int, float]]
    """Size and time of each file of the cached images."""
    _told: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        return Path(self.target["cache"][0])

    @property
    def command(self) -> str:
        return f"{self.python} -I -S [TOOL] [TARGET] > out.txt"

    @property
    def desk(self) -> Desk:
        return self.house.desk

    def attack(self, runtime: str) -> Mapping[str, str]:
        """What the tool gets hold of: attack -> its prey, or nothing. It is run once for each runtime."""
        if runtime not in self._told:
            run = self._by_portal if runtime == "userns" else self._by_submit
            self._told[runtime] = json.loads(run(runtime))
        return self._told[runtime]

    def _by_portal(self, runtime: str) -> str:
        files = {"tool": TOOL.read_bytes(), "target": json.dumps(self.target).encode()}
        for name, content in files.items():
            self.house.put(f"/vip/Home/{name}", content)
        told = run_own(self.house, descriptor(self.command, self.image), "ann")
        assert told["status"] == "Finished", told
        return self.house.read(told["returnedFiles"]["out"][0]).decode()

    def _by_submit(self, runtime: str) -> str:
        desk = self.desk
        tool = descriptor(self.command, "" if runtime == "none" else self.image)
        names = [desk.write("tool.json", tool), "i.json"]
        (desk.directory / "tool").write_bytes(TOOL.read_bytes())
        # What stays holds up a job that proot runs: Debian's knows no --kill-on-exit.
        desk.write("target", {**self.target, "stay": runtime != "udocker"})
        desk.write("i.json", {"tool": "tool", "target": "target"})
        network = "none" if runtime == "docker" else "machine"
        variables = {**self.house.variables, "ENGINE_NODE__NETWORK": network}
        done = desk.submit(*names, "--runtime", runtime, variables=variables)
        return done.read("outputs/out.txt")


def descriptor(command: str, image: str) -> dict[str, Any]:
    """A tool with two files, which says something."""
    inputs = [
        {"id": one, "name": one, "type": "File", "value-key": f"[{one.upper()}]", "optional": True}
        for one in ("tool", "target")
    ]
    missing = "".join(f" [{one}]" for one in ("TOOL", "TARGET") if f"[{one}]" not in command)
    return {
        "name": "hostile",
        "description": "A tool of a user's own",
        "tool-version": "1.0",
        "schema-version": "0.5",
        "command-line": f"{command} #{missing}",
        **({"container-image": {"type": "docker", "image": image}} if image else {}),
        "inputs": inputs,
        "output-files": [{"id": "out", "name": "out", "path-template": "out.txt"}],
    }


def start_own(house: House, tool: Mapping[str, Any], user: str) -> str:
    """Start a descriptor of a user's own; gives the id of the execution."""
    values = {one: f"/vip/Home/{one}" for one in ("tool", "target")}
    wanted = {"name": "own", "descriptor": tool, "inputValues": values}
    return str(house.ok("POST", "/executions", wanted, user).json["identifier"])


def run_own(house: House, tool: Mapping[str, Any], user: str) -> Any:
    """Run a descriptor of a user's own to its end."""
    return house.ended(start_own(house, tool, user), user)


@contextmanager
def scene(account: str, image: str, python: str, docker_host: str) -> Iterator[Scene]:
    """Give the scene with a daemon of root, or of an ordinary user; everything of it is gone at the end."""
    with ExitStack() as stack:
        _put_key()
        ordinary = stack.enter_context(ordinary_user())
        become = {} if account == "root" else {"become": ordinary.command}
        desk = stack.enter_context(desk_in(ordinary.directory, preload=False, **become))
        if become:
            ordinary.give(desk.directory, desk.home)
        settings = desk.home / ".config/boutiques-engine/engine.yaml"
        settings.parent.mkdir(parents=True)
        settings.write_text("owner: engine\n")
        settings.chmod(0o600)
        public = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="engine-hostile-")))
        public.chmod(0o755)
        (public / "public").write_text("of the machine")
        variables = {
            "ENGINE_PORTAL__REGISTRIES": json.dumps([image.partition("/")[0]]),
            "ENGINE_PORTAL__ISOLATION": "required",
            "ENGINE_PORTAL__RUNTIMES": "[]",
            "ENGINE_BACKENDS__LOCAL__SLOTS": "4",
            **{f"ENGINE_LIMITS__{name.upper()}": str(most) for name, most in LIMITS.items()},
            "ENGINE_NODE__DOCKER_HOST": docker_host,
            "ENGINE_NODE__PROOT": str(proot_for_tests(public)),
            # without udev the device for a network of one's own is for root alone
            **({} if account == "root" else {"ENGINE_NODE__NETWORK": "none"}),
        }
        shm = _hold(stack, desk, f"/dev/shm/engine-hostile-{os.getpid()}")
        port = _listen(stack, public)
        give = (lambda: ordinary.give(desk.home)) if become else (lambda: None)
        house = stack.enter_context(portal(desk, variables, before=give))
        for user, name in product(("ann", "bob"), ("tool", "target")):
            house.put(f"/vip/Home/{name}", SECRET.encode(), user=user)
        assert (
            run_own(house, descriptor("cat [TOOL] > out.txt; cat [TARGET]", image), "bob")["status"]
            == "Finished"
        )
        beside = start_own(house, descriptor("cat [TOOL] > out.txt; sleep 3601", image), "bob")
        [out] = until(lambda: list(desk.spool.glob("jobs/*/*/job/out.txt")))
        cache = desk.home / ".cache/boutiques-engine/images"
        target = {
            "engine": [*map(str, _engine(desk)), str(settings)],
            "others": [str(house.storage), str(out.parent), *map(str, desk.spool.glob("jobs"))],
            "cache": [str(cache)],
            "machine": [str(public / "public")],
            "processes": {"engine": _engine_at_work(house, desk), "tools": until(_tools_at_work)},
            "ports": [int(house.url.rpartition(":")[2]), port],
            "addresses": [one for one in netlink.addresses() if not one.startswith("127.")],
            "abstract": ABSTRACT,
            "socket": str(public / "socket"),
            "shm": shm,
            "sysv": SYSV,
            "queue": QUEUE,
            "keys": [KEY, f"{KEY}-user"],
            "stay": True,
            "mark": f"engine-hostile-{account}-{os.getpid()}",
        }
        yield Scene(account, house, python, image, target, beside, look(cache))
        house.ok("PUT", f"/executions/{beside}/kill", user="bob")


def look(cache: Path) -> dict[str, tuple[int, float]]:
    """Size and time of each file of the images that are ready."""
    files = [path for path in (cache / "ready").rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime) for path in files}


def _engine(desk: Desk) -> list[Path]:
    """The key first: a result of the tool will lead to it."""
    return [desk.home / ".local/share/boutiques-engine/key", desk.database, desk.spool]


def _engine_at_work(house: House, desk: Desk) -> dict[int, str]:
    """The daemon, and what serves the spool and carries out jobs, by a word of their commands."""
    spool = str(desk.spool)
    served = [pid for pid, command in _commands() if command.endswith(f"\0serve\0{spool}\0".encode())]
    assert len(served) >= 4, served  # the server, what carries out bob's job, and what watches it in there
    return {house.process.pid: "serve", **dict.fromkeys(served, spool)}


def _tools_at_work() -> dict[int, str]:
    """Bob's tool."""
    return {pid: "3601" for pid, command in _commands() if command.startswith(b"sleep\x003601")}


def _commands() -> Iterator[tuple[int, bytes]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield int(entry.name), (entry / "cmdline").read_bytes()


def _hold(stack: ExitStack, desk: Desk, shm: str) -> str:
    """Have another process of the account share memory and queues with whom it likes."""
    words = desk.become(["/usr/bin/env", "-C", "/", _system_python(), "-I", "-c", _HOLD, shm])
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stack.callback(process.communicate)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return shm


def _system_python() -> str:
    return os.path.realpath(sys.executable)


def _put_key() -> None:
    """Put a key into the session that the daemon inherits, as a login does."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(_KEYCTL, _JOIN_SESSION_KEYRING, None) != -1
    assert libc.syscall(_ADD_KEY, b"user", KEY.encode(), b"of a session", 12, -3) != -1


def _listen(stack: ExitStack, public: Path) -> int:
    """Servers that answer whoever reaches them, as a database without a password does."""
    ends = [
        socket.create_server(("127.0.0.1", 0)),
        socket.socket(socket.AF_UNIX),
        socket.socket(socket.AF_UNIX),
    ]
    ends[1].bind(f"\0{ABSTRACT}")
    ends[2].bind(str(public / "socket"))
    (public / "socket").chmod(0o777)
    for end in ends:
        stack.callback(end.close)
        stack.callback(end.shutdown, socket.SHUT_RDWR)
        end.listen()
        threading.Thread(target=_serve, args=(end,), daemon=True).start()
    return int(ends[0].getsockname()[1])


def _serve(end: socket.socket) -> None:
    while True:
        try:
            client, _ = end.accept()
        except OSError:
            return
        with client:
            client.recv(100)
            client.sendall(b"of the machine\n")
