"""Job descriptions in DIRAC's language (JDL, a subset of Condor ClassAds), written strictly.

Nothing that a user typed comes here: command lines, inputs and names are in the manifest, which travels in
the sandbox. What does come here is checked against the few characters that need no escaping, because
DIRAC's parsers disagree on escapes and say "JDL syntax error" or, worse, nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from ulid import ULID

from engine.domain.options import GridOptions
from engine.errors import Bug

Value = str | int | Sequence[str]

MANIFESTS, NODE, LAUNCHER, CLAIMS = "manifests.jsonl", "node.json", "launch.sh", "claims.json"
"""Names of files in the input sandbox."""

OUTPUTS: Final = ("std.out", "std.err", "*.report.json", "*.out", "*.err", "*.debug", "*.results.tar")
"""What comes back: DIRAC takes wildcards, and `std.*` are the launcher's own words."""

LONGEST_NAME, LONGEST_GROUP = 128, 32
"""Characters of JobName and JobGroup that MySQL keeps; SQLite does not complain."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*", re.ASCII)
_TEXT = re.compile(r"[A-Za-z0-9 _.,:=@|/*+()-]{0,4096}", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class JobRequirements:
    """The requirements of jobs: settings of the back-end, and sites that a job had better avoid."""

    sites: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    priority: int = 1
    job_type: str = "User"


def banned(requirements: JobRequirements, avoid: Sequence[str]) -> tuple[str, ...]:
    """Return where a job must not run: what it had better avoid is left out when it could go nowhere then."""
    allowed = set(requirements.sites) - set(requirements.banned)
    if allowed and allowed <= set(avoid):
        return requirements.banned
    return tuple(dict.fromkeys([*requirements.banned, *avoid]))


def adapted(
    requirements: JobRequirements, grid: GridOptions, avoid: Sequence[str], tags: Sequence[str]
) -> JobRequirements:
    """Compute the requirements of one job: what it had better avoid is banned, what it needs is asked for
    too.
    """
    asked = replace(
        requirements,
        sites=tuple(grid.sites) or requirements.sites,
        banned=tuple(dict.fromkeys([*requirements.banned, *grid.banned])),
        tags=tuple(dict.fromkeys([*requirements.tags, *grid.tags, *tags])),
        priority=requirements.priority if grid.priority is None else grid.priority,
    )
    return replace(asked, banned=banned(asked, avoid))


def attributes(
    key: str,
    group: str,
    sandboxes: Sequence[str],
    files_range: tuple[int, int],
    needs: Mapping[str, int],
    requirements: JobRequirements,
) -> dict[str, Value]:
    """Compute what the JDL of one submission says, by its names; `files_range`: its first manifest in the
    sandbox's file, and how many.

    Raises:
        Bug: key or group cannot be one.
    """
    index, count = files_range
    found: dict[str, Value] = {
        "JobName": _short(key, LONGEST_NAME),
        "JobGroup": job_group(group),
        "JobType": requirements.job_type,
        "Executable": LAUNCHER,
        "Arguments": _arguments(str(index), str(count)),
        "StdOutput": "std.out",
        "StdError": "std.err",
        "InputSandbox": list(sandboxes),
        "OutputSandbox": list(OUTPUTS),
        "Priority": requirements.priority,
        **needs,
    }
    if requirements.sites:
        found["Site"] = list(requirements.sites)
    if requirements.banned:
        found["BannedSites"] = list(requirements.banned)
    if requirements.tags:
        found["Tags"] = list(requirements.tags)
    return found


def render(attributes: Mapping[str, Value]) -> str:
    """Render the text of a JDL.

    Raises:
        Bug: a name or value has a character that is not known to be harmless.
    """
    lines = [f"{_name(name)} = {_value(name, value)};" for name, value in attributes.items()]
    return "[\n" + "\n".join(lines) + "\n]"


def parametric(
    description: Mapping[str, Value], keys: Sequence[str], ranges: Sequence[tuple[int, int]]
) -> str:
    """Render one JDL for several jobs, of which `description` is any one: they differ in their names and in
    where their manifests are. DIRAC makes a job of each (DIRAC 8 and 9, `ParametricJob`): `Parameters` stand
    for `%s`, and blanks in them are lost.

    Raises:
        Bug: as for `render`.
    """
    common = {name: value for name, value in description.items() if name not in ("JobName", "Arguments")}
    names = [_short(key, LONGEST_NAME) for key in keys]
    own = [
        'JobName = "%s";',
        f'Arguments = "{_arguments("%(Index)s", "%(Count)s")}";',
        f"Parameters = {_value('Parameters', names)};",
        f"Parameters.Index = {_value('Index', [str(index) for index, _ in ranges])};",
        f"Parameters.Count = {_value('Count', [str(count) for _, count in ranges])};",
    ]
    return render(common)[:-1] + "\n".join(own) + "\n]"


@lru_cache(maxsize=1000)
def job_group(execution: str) -> str:
    """Return the JobGroup of an execution: 32 hexadecimal characters, those of its ULID where it is one."""
    try:
        return ULID.from_str(execution).hex
    except ValueError:
        return hashlib.sha256(execution.encode()).hexdigest()[:LONGEST_GROUP]


def _arguments(index: str, count: str) -> str:
    return f"run --manifests {MANIFESTS} --node {NODE} --claims {CLAIMS} --index {index} --count {count}"


def _value(name: str, value: Value) -> str:
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return f'"{_text(name, value)}"'
    return "{" + ", ".join(f'"{_text(name, item)}"' for item in value) + "}"


def _text(name: str, value: str) -> str:
    if not _TEXT.fullmatch(value):
        raise Bug(f"the JDL attribute {name} cannot hold {value!r}")
    return value


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Bug(f"{name!r} is no name of a JDL attribute")
    return name


def _short(key: str, longest: int) -> str:
    if not _PLAIN.fullmatch(key) or len(key) > longest:
        raise Bug(f"the key {key!r} cannot be the name of a job")
    return key
