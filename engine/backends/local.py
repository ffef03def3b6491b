"""This machine: the same wrapper and manifests as on the grid, run by a serving wrapper that outlives us.

The serving wrapper and this back-end meet in a directory, the spool (`wrappers/serve` says what lies where).
Every engine of a user shares one spool, so the slots count per machine and not per command.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from engine.backends.local_section import LocalSection, LocalSettings, local_settings
from engine.errors import BackendUnavailable
from engine.ports import Accepted, Capabilities, Observation, Rejected, Seen, Submission
from engine.settings.tree import Settings
from wrappers import build, wire
from wrappers.node.files import remove, remove_any, replace_bytes, replace_text
from wrappers.serve.spool import Process, Spool

PIECE = 1 << 20
BROUGHT = (".report.json", ".out", ".err", ".debug", ".results.tar")
"""How names of files end that come home with a job."""
OLD_S = 30 * 86_400.0
"""Seconds after which a wrapper of an earlier version is removed: whoever served with it has long ended."""


class LocalBackend:
    """`engine.ports.Backend` on this machine."""

    section = LocalSection

    def __init__(self, name: str, settings: LocalSettings) -> None:
        self.name = name
        self._spool = Spool(str(settings.spool))
        self._node = settings.node
        self._server: int | None = None
        self._archive: tuple[Path, str] | None = None
        self.capabilities = Capabilities(
            batch_size=200,
            window=max(128, 8 * settings.node.slots),
            poll_interval=0.02,
            gone_after=2.0,
            needs_staging=settings.simulate_remote,
            on_this_machine=True,
            allows_no_container=True,
        )

    @classmethod
    def from_settings(cls, name: str, section: LocalSection, settings: Settings) -> Self:
        """Make the back-end of a section.

        Raises:
            SettingsError: another one has the same spool.
        """
        return cls(name, local_settings(settings, name))

    def check(self) -> None:
        """See that the spool can be written."""
        with self._errors():
            self._spool.make()
            if not os.access(self._spool.jobs, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def submit(self, batch: Sequence[Submission]) -> Sequence[Accepted | Rejected]:
        """Put each into the spool by one rename; a key that is there already was submitted before."""
        with self._errors():
            self._prepare(ours=True)
            answers: list[Accepted | Rejected] = []
            for item in batch:
                self._write_submission(item)
                answers.append(Accepted(item.key))
            self._wake()
        return answers

    def find(self, execution: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Keys are native ids here."""
        return {key: [key] for key in keys if self._job(key).is_dir()}

    def observe(self, native_ids: Sequence[str]) -> Sequence[Observation]:
        """Look at the markers in the spool; a started process that died unheard is unknown."""
        try:
            finished = set(os.listdir(self._spool.finished))
        except FileNotFoundError:
            finished = set()
        seen = [o for id_ in native_ids if (o := self._look(id_, finished)) is not None]
        if any(o.seen != Seen.FINISHED for o in seen):
            with self._errors():
                self._prepare()
        return seen

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Leave word for the serving wrapper, which ends the process group."""
        with self._errors():
            self._prepare()
            for id_ in native_ids:
                with suppress(FileNotFoundError):
                    (self._job(id_) / "cancel").touch()
            self._wake()

    def retrieve(self, native_id: str, into: Path) -> Sequence[Path]:
        """Link what comes home with a job; copy it where the file system does not allow links."""
        brought = []
        job = self._job(native_id)
        for name in sorted(os.listdir(job)) if job.is_dir() else []:
            if name.endswith(BROUGHT):
                target = into / name
                try:
                    os.link(job / name, target)
                except OSError:
                    shutil.copyfile(job / name, target)
                brought.append(target)
        return brought

    def log(self, native_id: str, name: str, offset: int) -> bytes:
        """Read straight from the file that the tool writes."""
        try:
            with (self._job(native_id) / name).open("rb") as file:
                file.seek(offset)
                return file.read(PIECE)
        except FileNotFoundError:
            return b""

    def forget(self, native_ids: Sequence[str]) -> None:
        """Remove them from the spool. All their attempts are final: nobody looks there any more.

        What could not be delivered stays where the report says that it is kept, until a person removes it.
        """
        for id_ in native_ids:
            if _holds_results(self._job(id_)):
                continue
            with suppress(OSError):
                remove(str(self._job(id_)))
            (Path(self._spool.finished) / id_).unlink(missing_ok=True)

    def _job(self, key: str) -> Path:
        return Path(self._spool.directory(key))

    def _look(self, id_: str, finished: set[str]) -> Observation | None:
        job = self._job(id_)
        if id_ in finished or (job / "finished").exists():
            return Observation(id_, Seen.FINISHED)
        process = self._spool.claimed_by(id_)
        if process is None and not (job / "started").exists():
            return Observation(id_, Seen.QUEUED) if job.is_dir() else None
        if process is not None and process.alive():
            return Observation(id_, Seen.RUNNING)
        # It may have ended between the two looks; only then is its silence a death.
        return Observation(id_, Seen.FINISHED) if (job / "finished").exists() else None

    def _write_submission(self, item: Submission) -> None:
        part = Path(self._spool.jobs) / f".new-{item.key}-{os.getpid()}"
        try:
            part.mkdir(mode=0o700)
            text = "".join(wire.dumps(m) + "\n" for m in item.manifests)
            (part / "manifests.jsonl").write_text(text)
            for name, data in item.files.items():
                (part / name).write_bytes(data)
            for attempt, claim in item.claims.items():
                with open(part / f"{attempt}.claim", "x", opener=_private) as file:
                    file.write(claim)
            os.rename(part, self._job(item.key))
        except OSError as error:
            remove_any(str(part))
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise

    def _prepare(self, *, ours: bool = False) -> None:
        """See that the spool exists and is served; `ours`: by the wrapper of this very version."""
        if self._starting():
            return
        noted = self._serving()
        if noted is not None and not ours:
            return
        self._spool.make()
        self._write_node()
        wrapper, sha256 = self._wrapper()
        if noted is not None:
            if noted["wrapper_sha256"] == sha256:
                return
            with suppress(ProcessLookupError):
                os.kill(noted["pid"], signal.SIGTERM)  # what it runs goes on; ours takes over the rest
        self._server = _start(
            [sys.executable, "-I", "-S", str(wrapper), "serve", self._spool.root], self._spool.log
        )

    def _starting(self) -> bool:
        """Say whether a server that we started still runs; it may not have said so yet.

        Raises:
            BackendUnavailable: it could not serve.
        """
        if self._server is None:
            return False
        try:
            ended, status = os.waitpid(self._server, os.WNOHANG)
        except ChildProcessError:
            ended, status = self._server, 0
        if ended:
            self._server = None
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise BackendUnavailable(
                f"the serving wrapper of this machine ended with exit code {os.WEXITSTATUS(status)}",
                remedy=f"{self._spool.log} says why",
            )
        return not ended

    def _write_node(self) -> None:
        """Write how this machine is set up; a server reads it again whenever it is woken."""
        text = wire.dumps(self._node)
        path = Path(self._spool.node)
        if not path.exists() or path.read_text() != text:
            replace_text(self._spool.node, text)

    def _wrapper(self) -> tuple[Path, str]:
        """Write the archive of this version, named by its content: a running server must keep the one it
        has.
        """
        if self._archive is None or not self._archive[0].exists():
            data = build.archive()
            sha256 = hashlib.sha256(data).hexdigest()
            path = Path(self._spool.root) / f"wrapper-{sha256[:16]}.pyz"
            if not path.exists():
                replace_bytes(str(path), data)
            self._archive = path, sha256
        path, sha256 = self._archive
        os.utime(path)  # still in use
        for old in path.parent.glob("wrapper-*.pyz"):
            if old.stat().st_mtime < time.time() - OLD_S:
                old.unlink(missing_ok=True)
        return path, sha256

    def _serving(self) -> dict[str, Any] | None:
        """Return who serves the spool now."""
        try:
            noted: dict[str, Any] = json.loads(Path(self._spool.server).read_text())
            alive = Process(noted["pid"], noted["start"], noted["boot"]).alive()
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return noted if alive else None

    def _wake(self) -> None:
        """Any byte wakes the server; with nobody at the other end it will look by itself when it starts."""
        try:
            pipe = os.open(self._spool.wake, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return
        try:
            with suppress(BlockingIOError):
                os.write(pipe, b".")
        finally:
            os.close(pipe)

    def _errors(self) -> _SpoolErrors:
        return _SpoolErrors(self._spool.root, self.name)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _holds_results(job: Path) -> bool:
    """Say whether a finished submission still holds results that could not be delivered."""
    for path in job.glob("*.report.json"):
        with suppress(OSError, wire.WireError):
            kept = wire.loads(wire.Report, path.read_bytes()).kept
            if kept and Path(kept).is_relative_to(job) and os.path.isdir(kept):
                return True
    return False


def _start(argv: list[str], log: str) -> int:
    """Start a process in a session of its own, its words going to `log`; it is to outlive us."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    # the engine's settings are its own affair: a password may be among them
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
    return os.posix_spawn(argv[0], argv, surroundings, file_actions=actions, setsid=True)


class _SpoolErrors:
    """Context that translates errors of the spool's file system into the back-end's own."""

    def __init__(self, spool: str, name: str) -> None:
        self._spool = spool
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            variable = f"ENGINE_BACKENDS__{self._name.upper()}__SPOOL"
            raise BackendUnavailable(
                f"the spool of this machine, {self._spool}: {error.strerror}",
                remedy=f"set `backends.{self._name}.spool` ({variable}) to a directory with room",
            ) from error
