"""Reads requirements.lock: which of it an installation with some extras has, by the version of Python."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from engine.extras import DISTRIBUTION

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"


@dataclass(frozen=True)
class Entry:
    """A version of a package with the hashes of its files, and when it is the one."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """As the index writes it."""
        return canonicalize_name(self.requirement.name)

    def is_for(self, environment: dict[str, str]) -> bool:
        """Whether it is the version for such a Python."""
        return self.requirement.marker is None or self.requirement.marker.evaluate(environment)

    def line(self, *, marker: bool = True) -> str:
        """The entry as pip reads it."""
        when = f" ; {self.requirement.marker}" if marker and self.requirement.marker else ""
        hashes = "".join(f" \\\n    --hash={one}" for one in self.hashes)
        return f"{self.requirement.name}{self.requirement.specifier}{when}{hashes}\n"


def entries() -> list[Entry]:
    """All of the lock."""
    lines = LOCK.read_text().replace("\\\n", " ").splitlines()
    found = []
    for line in (line for line in lines if line and not line.startswith("#")):
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        found.append(Entry(Requirement(requirement), tuple(hashes)))
    return found


def pythons() -> list[str]:
    """The versions of Python that the project says it is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = (
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", it) for it in project["classifiers"]
    )
    return [found[1] for found in versions if found]


def environment(python: str) -> dict[str, str]:
    """What markers are compared with: CPython of this version, on Linux."""
    full = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_version": f"{python}.9",
    }
    system = {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
    }
    return {**{name: str(value) for name, value in default_environment().items()}, **full, **system}


def needed(extras: Iterable[str], python: str) -> set[str]:
    """The packages that the distribution with these extras leads to, by what the installed ones say."""
    surroundings = environment(python)
    names: set[str] = set()
    seen: set[tuple[str, str]] = set()
    left = [Requirement(f"{DISTRIBUTION}[{','.join(extras)}]")]
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        names.add(name)
        for extra in {"", *one.extras} - {done for other, done in seen if other == name}:
            seen.add((name, extra))
            left += _led_to(name, {**surroundings, "extra": extra})
    return names - {DISTRIBUTION}


def _led_to(name: str, surroundings: dict[str, str]) -> Iterator[Requirement]:
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(surroundings):
            yield requirement


def of_bundle(extras: Sequence[str], python: str) -> list[Entry]:
    """The entries that a machine with this Python needs, pip among them, which installs the others."""
    names = {*needed(extras, python), "pip"}
    return [entry for entry in entries() if entry.name in names and entry.is_for(environment(python))]
