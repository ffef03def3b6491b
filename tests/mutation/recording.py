"""Which tests execute a line: recorded once with coverage, and kept until the code or the tests change."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from coverage import CoverageData

from tests.mutation.areas import EXCLUDED, Area
from tests.mutation.checkout import Copy

CONFIGURATION = """\
[run]
include =
    {code}/engine/*
    {code}/wrappers/*
    {code}/cvmfs_deploy/*
parallel = true
data_file = {data}/lines
context = ${{MUTATION_CONTEXT-}}
patch =
    subprocess
    _exit
disable_warnings = no-data-collected,module-not-imported,already-imported,module-not-measured,couldnt-parse
"""
LONGEST_S = 3600.0
"""Seconds that the recording of one area may take."""


class Recording:
    """What was recorded for an area."""

    def __init__(self, copy: Copy, name: str, area: Area) -> None:
        self._copy, self._area = copy, area
        self._path = copy.kept / f"{name}.json"
        self.seconds: dict[str, float] = {}
        """Test -> how long it took."""
        self.reached: dict[tuple[str, int], list[str]] = {}
        """Path and line -> the tests that execute it, the fastest first."""

    def load(self) -> None:
        """Read it, or record it when anything has changed."""
        stamp = self._stamp()
        known = json.loads(self._path.read_text()) if self._path.exists() else {}
        if known.get("stamp") != stamp:
            known = {"stamp": stamp, **self._record()}
            self._path.write_text(json.dumps(known))
        self.seconds = known["seconds"]
        self.reached = {
            (path, int(line)): tests
            for path, lines in known["lines"].items()
            for line, tests in lines.items()
        }

    def _stamp(self) -> str:
        hashed = hashlib.sha256()
        for top in (*self._area.code, *self._area.tests):
            path = self._copy.path / top
            for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                hashed.update(str(file.relative_to(self._copy.path)).encode() + b"\0" + file.read_bytes())
        return hashed.hexdigest()

    def _record(self) -> dict[str, object]:
        data = self._copy.kept / "data"
        data.mkdir(parents=True, exist_ok=True)
        for old in data.iterdir():
            old.unlink()
        data.chmod(0o777)  # programs of ordinary users write there too
        configuration, times = self._copy.kept / "coveragerc", self._copy.kept / "times.json"
        configuration.write_text(CONFIGURATION.format(code=self._copy.path, data=data))
        environment = {"MUTATION_TIMES": str(times)}
        words = ["-p", "tests.mutation.contexts", "-m", EXCLUDED, "--timeout", "600", *self._area.tests]
        prefix = ["-m", "coverage", "run", f"--rcfile={configuration}"]
        self._copy.pytest(words, LONGEST_S, environment, prefix)
        seconds = json.loads(times.read_text())
        return {"seconds": seconds, "lines": self._lines(data, seconds)}

    def _lines(self, data: Path, seconds: Mapping[str, float]) -> dict[str, dict[int, list[str]]]:
        """Read what each process has noted. A file of tests stands for all tests in it."""
        of_file: dict[str, list[str]] = defaultdict(list)
        for name in seconds:
            of_file[name.partition("::")[0]].append(name)
        found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for file in data.iterdir():
            one = CoverageData(str(file))
            one.read()
            for measured in one.measured_files():
                path = Path(measured).relative_to(self._copy.path).as_posix()
                for line, contexts in one.contexts_by_lineno(measured).items():
                    for context in contexts:
                        name = context.rpartition("|")[2]  # of a program: the static one alone
                        found[path][line] |= {name} & seconds.keys() or set(of_file.get(name, ()))
        return {
            path: {line: sorted(tests, key=lambda one: seconds[one]) for line, tests in lines.items()}
            for path, lines in found.items()
        }
