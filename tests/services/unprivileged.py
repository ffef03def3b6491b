"""Run a program as an ordinary user, as a worker node would, when the tests themselves run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
BECOME = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
"""What is put before a command so that it runs as an ordinary user."""


@dataclass(frozen=True)
class Unprivileged:
    """An ordinary user with a directory of its own: nobody when we are root, else ourselves."""

    directory: Path
    """Belongs to the user; pytest's own temporary directories are closed to other users."""

    def command(self, argv: Sequence[str | os.PathLike[str]]) -> list[str]:
        """`argv` with what makes it run as the user."""
        words = [os.fspath(word) for word in argv]
        if os.geteuid() != 0:
            return words
        return [*BECOME, *words]

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        environment: Mapping[str, str] | None = None,
        **options: object,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end with HOME and the current directory in `directory`, keeping what it prints."""
        home = {"HOME": str(self.directory), "TMPDIR": str(self.directory)}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            self.command(argv),
            **{
                "cwd": self.directory,
                "env": {**os.environ, **home, **(environment or {})},
                "stdin": subprocess.DEVNULL,
                "capture_output": True,
                "text": True,
                **options,
            },
        )

    def give(self, *paths: Path) -> None:
        """Make the user the owner of these files, and of all that lies in these directories."""
        if os.geteuid() == 0:
            for path in paths:
                subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", path], check=True)


@contextmanager
def ordinary_user() -> Iterator[Unprivileged]:
    """The user for the block; its directory is removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="engine-user-"))
    user = Unprivileged(directory)
    user.give(directory)
    try:
        yield user
    finally:
        # a tool may have left directories that even their owner cannot enter
        subprocess.run(["chmod", "-R", "u+rwX", directory], stderr=subprocess.DEVNULL)
        shutil.rmtree(directory)
