"""A back-end that starts each submission at once, as a process of its own."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from engine.errors import BackendUnavailable
from engine.ports import Accepted, Capabilities, Observation, Seen
from engine.settings.backends import BackendSection
from wrappers import build, wire


class ProcessesSection(BackendSection):
    """What can be set below `backends.NAME`."""

    top: Path = Path("/var/tmp/processes")
    """The directory of all submissions."""


class Processes:
    """Submissions are directories of `top`, named by their keys: the key is the native id."""

    section = ProcessesSection
    capabilities = Capabilities(poll_interval=0.1, gone_after=5.0, allows_no_container=True)

    def __init__(self, name, top):
        self.name = name
        self._top = Path(top)
        self._wrapper = self._top / "wrapper.pyz"

    @classmethod
    def from_settings(cls, name, section, settings):
        return cls(name, section.top)

    def check(self):
        try:
            if not self._wrapper.exists():
                build.build(self._wrapper)  # makes the directories above it
        except OSError as error:
            raise BackendUnavailable(f"{self._top}: {error.strerror}") from error

    def submit(self, batch):
        self.check()
        # A wish to end that comes early waits until the wrapper can hear it: it unblocks the signal itself.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            return [self._start(item) for item in batch]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _start(self, item):
        directory = self._top / item.key
        try:
            directory.mkdir()
        except FileExistsError:
            return Accepted(item.key)  # it arrived before
        manifests = directory / "manifests.jsonl"
        manifests.write_text("".join(wire.dumps(m) + "\n" for m in item.manifests))
        for name, data in item.files.items():
            (directory / name).write_bytes(data)
        for attempt, claim in item.claims.items():  # nobody else may read them, at no time
            with open(directory / f"{attempt}.claim", "x", opener=_private) as file:
                file.write(claim)
        run = [sys.executable, "-I", "-S", self._wrapper, "run"]
        run += ["--manifests", manifests, "--into", directory]
        # The lock is held by the process and what it starts, so it tells whether they live.
        with open(directory / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen(
                run,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
        (directory / "pid").write_text(str(process.pid))
        return Accepted(item.key)

    def find(self, execution, keys):
        return {key: [key] for key in keys if (self._top / key).is_dir()}

    def observe(self, native_ids):
        return [seen for native_id in native_ids if (seen := self._look(native_id))]

    def _look(self, native_id):
        directory = self._top / native_id
        if self._lives(directory):
            return Observation(native_id, Seen.RUNNING)
        if any(directory.glob("*.report.json")):
            return Observation(native_id, Seen.FINISHED)
        return None  # never heard of, or dead without a word

    def _lives(self, directory):
        try:
            with open(directory / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            pass
        return False

    def cancel(self, native_ids):
        for directory in (self._top / native_id for native_id in native_ids):
            if self._lives(directory) and (directory / "pid").exists():
                os.kill(int((directory / "pid").read_text()), signal.SIGTERM)

    def retrieve(self, native_id, into):
        names = ("*.report.json", "*.out", "*.err", "*.debug", "*.results.tar")
        found = [path for name in names for path in (self._top / native_id).glob(name)]
        return [Path(shutil.copy(path, into)) for path in found]

    def log(self, native_id, name, offset):
        try:
            with open(self._top / native_id / name, "rb") as file:
                file.seek(offset)
                return file.read(1 << 20)
        except FileNotFoundError:
            return b""

    def forget(self, native_ids):
        for native_id in native_ids:
            shutil.rmtree(self._top / native_id, ignore_errors=True)


def _private(path, flags):
    return os.open(path, flags, 0o600)
