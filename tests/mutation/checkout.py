"""A copy of this checkout to put faults into: whatever happens to it, the checkout itself stays as it is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.mutation.operators import Mutant

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".cache" / "mutation"
KILL_GRACE_S = 5.0


class Copy:
    """The copy, with an environment of its own in which its programs run."""

    def __init__(self, root: Path = ROOT, kept: Path = KEPT) -> None:
        """Make it, or have it hold what the checkout holds now."""
        self.root, self.kept, self.path = root, kept, kept / "checkout"
        self._changes = 0
        listed = ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"]
        names = subprocess.run(listed, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\0")
        wanted = {name for name in names if name and (root / name).is_file()}
        for old in self._files() - wanted:
            (self.path / old).unlink()
        for name in wanted:
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, self.path / name)
        self._link(".venv")
        self._link(".cache/tests")
        self._rename_root()

    def _files(self) -> set[str]:
        own = {".venv", ".cache"}
        found = set()
        for directory, names, files in os.walk(self.path):
            names[:] = [name for name in names if name not in own and name != "__pycache__"]
            found |= {str(Path(directory, name).relative_to(self.path)) for name in files}
        return found

    def _link(self, name: str) -> None:
        """Take over a directory that is only read, by links to its files."""
        source, target = self.root / name, self.path / name
        if source.is_dir() and (name == ".venv" or not target.exists()):
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-al", str(source), str(target)], check=True)

    def _rename_root(self) -> None:
        """Have the programs of the environment be those of the copy."""
        venv = self.path / ".venv"
        for path in [*venv.glob("bin/*"), *venv.glob("lib/*/site-packages/*.pth"), venv / "stamp"]:
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 20:
                data = path.read_bytes()
                changed = data.replace(os.fsencode(self.root), os.fsencode(self.path))
                if changed != data:
                    mode = path.stat().st_mode
                    path.unlink()  # it is a link to the original
                    path.write_bytes(changed)
                    path.chmod(mode)

    @contextmanager
    def with_fault(self, mutant: Mutant) -> Iterator[None]:
        """Put a fault into the copy, for the block."""
        path = self.path / mutant.path
        source = path.read_bytes()
        try:
            self._write(path, mutant.applied(source))
            yield
        finally:
            self._write(path, source)

    def _write(self, path: Path, data: bytes) -> None:
        """Write a module so that no compiled one of before is taken for it: these have a date in seconds."""
        path.write_bytes(data)
        self._changes += 1
        moment = time.time() + self._changes
        os.utime(path, (moment, moment))

    def pytest(
        self,
        words: Sequence[str],
        seconds: float,
        environment: Mapping[str, str] = {},
        prefix: Sequence[str] = (),
    ) -> int | None:
        """Run tests of the copy; the exit code, or None when they took longer and were ended."""
        python = str(self.path / ".venv/bin/python")
        command = [python, *prefix, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
        with open(self.kept / "output", "wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.path,
                env={**os.environ, "ENGINE_TESTS_PRELOAD": "off", **environment},  # all are measured
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
            finally:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End tests with whatever they started; first so that they can put it away themselves."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(KILL_GRACE_S)
