"""The program `cvmfs_server`, of which three commands are used: `transaction [-T]`, `publish`, `abort -f`.

What it does was seen with versions 2.11.5 and 2.12.0. Its exit codes alone say little: `publish` may fail
after the new revision is out, and succeed without what was put in. It hands arguments to a shell, asks
questions, and looks at its caller's directory. So: safe paths only, no input, a session and an environment of
its own, from `/`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cvmfs_deploy.layout import checked
from cvmfs_deploy.publish.reasons import reason
from cvmfs_deploy.settings import CvmfsSection
from engine.errors import SettingsError, Unavailable

TOKEN = "CVMFS_DEPLOY_RUN"  # noqa: S105 - the name of a variable
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "http_proxy")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DAEMONS = (b"cvmfs2",)
"""What a command mounts with, and leaves running."""
_TIMEOUT_S = 60.0  # seconds for a program to end after SIGTERM
_POLL_INTERVAL_S = 0.1  # seconds between two looks
_HTTP_TIMEOUT_S = 30.0  # seconds
_TAIL = 10_000  # bytes of what a command says
_VALUE = re.compile(r"^\s*(?:export\s+)?([A-Z0-9_]+)=[\"']?([^\"'\n]*)[\"']?\s*$", re.M)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that has ended."""

    code: int
    said: str
    """The lines that say what happened, of both streams; reasons come on either."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A published revision."""

    number: int
    root: str
    """The hash of its root catalog."""


class RepositoryServer:
    """A repository of this machine."""

    def __init__(self, settings: CvmfsSection, repository: str, output: Path, lease: str = "") -> None:
        """`lease` is the path that is leased where upstream is a gateway; "" is the whole repository."""
        self._settings = settings
        self._output = output
        self._lease = checked(lease) if lease else ""
        self.repository = repository
        self.mount = settings.mount / repository
        self._spool = settings.spool / repository
        self.branch = self._spool / "rdonly"
        """The published revision as this machine mounts it, below what a transaction writes."""
        self._flag = self._spool / "in_transaction.lock"
        self._busy = self._spool / "is_publishing.lock"

    def check(self) -> None:
        """Return if there is such a repository here.

        Raises:
            SettingsError: there is none.
        """
        file = self._settings.configuration / self.repository / "server.conf"
        if not file.is_file():
            raise SettingsError(
                f"{self.repository} is no CVMFS repository of this machine: {file} is missing",
                remedy="run on its stratum 0 or publisher, or correct the setting `to`",
            )

    def transaction(self, template: tuple[str, str] | None, token: str) -> CommandResult:
        """Open a transaction; with a template, `(from, to)`, one tree begins as a clone of another."""
        option = ["-T", f"/{checked(template[0])}=/{checked(template[1])}"] if template else []
        return self._run(["transaction", *option, self._target()], token)

    def publish(self, token: str) -> CommandResult:
        """Publish the open transaction."""
        return self._run(["publish", self._target()], token)

    def abort(self, token: str) -> CommandResult:
        """Give the open transaction up."""
        return self._run(["abort", "-f", self._target()], token)

    def is_gateway(self) -> bool:
        """Say whether what is published goes through a gateway, which gives leases."""
        return self._configured("CVMFS_UPSTREAM_STORAGE").startswith("gw,")

    def is_behind(self) -> bool:
        """Say whether this machine mounts another revision than the published one, as far as that can be
        known.

        Through a gateway it does so after each publication, until the next transaction.
        """
        try:
            mounted = int(os.getxattr(self.branch, "user.revision"))
        except (OSError, ValueError):
            return self.is_gateway()
        return mounted != self.revision().number

    def is_open(self) -> bool:
        """Say whether somebody has a transaction open."""
        return self._flag.exists()

    def identity(self) -> str:
        """Tells one open transaction from the next; "" when none is."""
        try:
            about = self._flag.stat()
        except FileNotFoundError:
            return ""
        return f"{about.st_ino}:{about.st_mtime_ns}"

    def opened_after(self, moment: float) -> bool:
        """Say whether the open transaction is not older than that, in seconds since 1970."""
        try:
            return self._flag.stat().st_mtime >= moment - 1.0  # file systems round
        except FileNotFoundError:
            return False

    def is_untouched(self) -> bool:
        """Say whether nothing was written in the open transaction."""
        try:
            return not any(os.scandir(self._spool / "scratch" / "current"))
        except OSError:
            return False

    def is_publishing(self) -> bool:
        """Say whether somebody is publishing; the lock's file stays after a crash, the lock does not."""
        try:
            number = self._busy.stat().st_ino
        except FileNotFoundError:
            return False
        locks = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
        return any("FLOCK" in line and f":{number} " in line and "->" not in line for line in locks)

    def at_work(self, token: str) -> bool:
        """Say whether a command that was started with this token is still running, its caller dead or not."""
        return next(self._processes(token), None) is not None

    def end(self, token: str) -> None:
        """End what was started with this token, also what was interrupted before we knew its number."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._processes(token):
                with suppress(ProcessLookupError):
                    os.kill(process, number)
            deadline = time.monotonic() + _TIMEOUT_S
            while time.monotonic() < deadline:
                if not self.at_work(token):
                    return
                time.sleep(_POLL_INTERVAL_S)

    def _processes(self, token: str) -> Iterator[int]:
        wanted = f"{TOKEN}={token}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    program = (entry / "cmdline").read_bytes().split(b"\0")[0]
                    if os.path.basename(program) not in _DAEMONS:
                        yield int(entry.name)
            except OSError:
                continue  # it has ended, or is not ours to look at

    def revision(self) -> Revision:
        """Read the revision that clients get now.

        Raises:
            Unavailable: the web server of the stratum 0 does not answer.
        """
        url = self._configured("CVMFS_STRATUM0").rstrip("/") + "/.cvmfspublished"
        if not url.startswith(("http://", "https://", "file://")):
            raise SettingsError(f"{self.repository}: CVMFS_STRATUM0 in server.conf is no URL: {url}")
        try:
            with urllib.request.urlopen(url, timeout=_HTTP_TIMEOUT_S) as answer:  # noqa: S310 - checked above
                manifest = answer.read(1 << 16)
        except OSError as error:
            reason = getattr(error, "reason", None) or error
            raise Unavailable(
                f"{self.repository}: {url} cannot be read: {reason}", remedy="see to its web server"
            ) from None
        lines = {line[:1]: line[1:] for line in manifest.partition(b"\n--")[0].split(b"\n")}
        try:
            return Revision(int(lines[b"S"]), lines[b"C"].decode("ascii"))
        except (KeyError, ValueError):
            raise Unavailable(f"{self.repository}: {url} is no manifest of a repository") from None

    def _target(self) -> str:
        return f"{self.repository}/{self._lease}" if self._lease and self.is_gateway() else self.repository

    def _configured(self, key: str) -> str:
        file = self._settings.configuration / self.repository / "server.conf"
        try:
            values = dict(_VALUE.findall(file.read_text(encoding="utf-8", errors="replace")))
        except FileNotFoundError:
            return ""
        return str(values.get(key, ""))

    def _run(self, words: list[str], token: str) -> CommandResult:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # a file, not a pipe: when we are killed, the command must not die of a pipe that nobody reads
        self._output.parent.mkdir(parents=True, exist_ok=True)
        with open(self._output, "w+b") as output:
            try:
                process = subprocess.Popen(
                    [self._settings.program, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd="/",
                    env={"PATH": _PATH, "LC_ALL": "C", **kept, TOKEN: token},
                    start_new_session=True,
                )
            except OSError as error:
                raise Unavailable(
                    f"{self._settings.program} cannot be run: {error.strerror}",
                    remedy="install cvmfs-server, or set cvmfs.program",
                ) from None
            ending = ""
            try:
                process.wait(self._settings.timeout)
            except subprocess.TimeoutExpired:
                _end(process)
                ending = f"it took more than {self._settings.timeout:.0f} s"
            except BaseException:
                _end(process)
                raise
            output.seek(0)
            return CommandResult(
                process.returncode, reason(output.read()[-_TAIL:].decode("utf-8", "replace"), ending)
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM and time to clean up: SIGKILL would leave what `abort` cannot always mend."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TIMEOUT_S)
            return
