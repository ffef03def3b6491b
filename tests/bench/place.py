"""A private place for a benchmark: its own home, spool and database, an installed `engine`, a registry."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ENGINE = Path(sys.executable).with_name("engine")


@dataclass(frozen=True)
class Place:
    """Where a benchmark runs."""

    directory: Path
    environment: Mapping[str, str]

    def write(self, name: str, data: object) -> Path:
        """A JSON file; a list becomes lines of JSON."""
        path = self.directory / name
        lines = data if isinstance(data, list) else [data]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    def engine(self, *words: str, **extra: str) -> float:
        """Run the installed command; seconds of wall time from process start to exit.

        Raises:
            SystemExit: the command failed.
        """
        start = time.perf_counter()
        ran = subprocess.run(
            [ENGINE, *words],
            cwd=self.directory,
            env={**self.environment, **extra},
            capture_output=True,
            text=True,
        )
        elapsed = time.perf_counter() - start
        if ran.returncode:
            raise SystemExit(f"engine {' '.join(words)}: {ran.stderr}")
        return elapsed

    def stop(self) -> None:
        """End the serving wrapper."""
        noted = self.directory / "state/boutiques-engine/local/server.json"
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(json.loads(noted.read_text())["pid"], signal.SIGTERM)


@contextmanager
def place(slots: int) -> Iterator[Place]:
    """A fresh place, removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="engine-bench-"))
    home = {
        "HOME": str(directory),
        "XDG_DATA_HOME": str(directory / "data"),
        "XDG_STATE_HOME": str(directory / "state"),
        "XDG_CACHE_HOME": str(directory / "cache"),
        "XDG_CONFIG_HOME": str(directory / "config"),
        "ENGINE_BACKENDS__LOCAL__SLOTS": str(slots),
        "ENGINE_BACKENDS__LOCAL__IDLE": "30",
    }
    # Variables such as PYTHONDONTWRITEBYTECODE, which a user does not have, would slow every start down.
    usual = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    made = Place(directory, {**usual, **home})
    try:
        yield made
    finally:
        made.stop()
        time.sleep(0.2)
        shutil.rmtree(directory, ignore_errors=True)


def tool(command: str, *, image: str = "", outputs: Sequence[Mapping[str, object]] = ()) -> dict[str, object]:
    """A descriptor with one input, the number of the job."""
    return {
        "name": "bench",
        "tool-version": "1",
        "description": "a benchmark",
        "schema-version": "0.5",
        "command-line": command,
        "inputs": [{"id": "n", "name": "n", "type": "Number", "value-key": "[N]", "optional": True}],
        **({"container-image": {"type": "docker", "image": image}} if image else {}),
        **({"output-files": list(outputs)} if outputs else {}),
    }


def median(values: Sequence[float]) -> float:
    """The figure to quote on a noisy machine."""
    return statistics.median(values)
