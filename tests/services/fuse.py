"""A mount that hangs, dies, or cannot be read: a real FUSE file system, see fuse_stand_in.py."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.debian import require

_PYTHON = "/usr/bin/python3"
_PROGRAM = Path(__file__).with_name("fuse_stand_in.py")


@dataclass(frozen=True)
class Mount:
    """A directory, shown elsewhere by a process that may fail."""

    place: Path
    switches: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """No request is taken any more: whoever looks hangs, and can be killed."""
        self.process.send_signal(signal.SIGSTOP)

    def deafen(self) -> None:
        """Requests are taken and not answered: whoever looks hangs, and can not even be killed."""
        self.switches.write_text("deaf")

    def kill(self) -> None:
        """The client is dead: "Transport endpoint is not connected"."""
        self.process.kill()
        self.process.wait()

    def spoil(self, part: str = "/") -> None:
        """No file with this part in its path can be read, as with a cache on a full disk: EIO."""
        self.switches.write_text(f"unreadable {part}")

    def mend(self) -> None:
        """All is well again."""
        self.switches.write_text("")
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def mounted(source: Path, place: Path) -> Iterator[Mount]:
    """Show `source` at `place`, for all users; unmounted at the end, and whoever hangs there goes on."""
    require("/usr/lib/python3/dist-packages/fusepy.py")
    place.mkdir(parents=True)
    switches = place.with_name(place.name + ".switches")
    switches.write_text("")
    process = subprocess.Popen([_PYTHON, _PROGRAM, source, place, switches])
    try:
        while not os.path.ismount(place):
            assert process.poll() is None, "the FUSE file system cannot be started"
            time.sleep(0.01)
        yield Mount(place, switches, process)
    finally:
        process.kill()
        process.wait()
        subprocess.run(["umount", "--lazy", place], check=True)
