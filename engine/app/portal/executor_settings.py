"""Settings of an application as VIP's portal sends them with a submission: keys of GASW and its DIRAC plugin.

Each key is obeyed, or has been met by what the engine does anyway, or is refused by name: none is ignored.
Keys and defaults: GaswConfiguration.java, DiracConfiguration.java, HealingConfiguration.java (GASW 4.3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.domain.options import GridOptions
from engine.errors import BadRequest

_LONGEST = 1000
"""Characters of a value."""
_MOST = 200
"""Settings of one submission."""
_SITE = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PRIORITIES = range(11)


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """The wishes of a submission's own settings."""

    executor: str = ""
    """LOCAL or DIRAC; "": the engine's own back-end."""
    environment: Mapping[str, str] = field(default_factory=dict)
    retries: int | None = None
    """Further attempts after one kind of failure, at most."""
    jobs: int | None = None
    """Jobs of the execution, at most."""
    grid: GridOptions = field(default_factory=GridOptions)


@dataclass(frozen=True, slots=True)
class KeyRule:
    """The rule for one key."""

    effect: str
    """For the reference page."""
    apply: Callable[[ExecutorSettings, str], ExecutorSettings]
    """Raises ValueError, with what is wrong."""


def read(given: Mapping[str, Any]) -> ExecutorSettings:
    """Understand the settings of a submission.

    Raises:
        BadRequest: one is not known, is no text, cannot be obeyed here, or contradicts another.
    """
    if len(given) > _MOST:
        raise BadRequest(f"settings: at most {_MOST} are taken")
    found, problems = ExecutorSettings(), []
    for name, value in given.items():
        try:
            row = _row(name)
            found = row.apply(found, _text(value))
        except ValueError as error:
            problems.append(f"settings: {name[:100]!r}: {error}")
    if not problems:
        problems = _contradictions(found)
    if problems:
        raise BadRequest("; ".join(problems[:5]), problems=problems)
    return found


def properties(text: str) -> dict[str, str]:
    """Read a file of settings as GASW writes them: a line `key = value` each; # begins a comment.

    Raises:
        BadRequest: a line is none.
    """
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith(("#", "!")):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise BadRequest(f"settings.conf line {number}: it is no `key = value`")
        found[name.strip()] = value.strip()
    return found


def _row(name: str) -> KeyRule:
    if name in TABLE:
        return TABLE[name]
    if any(name.startswith(prefix) for prefix in MET_PREFIXES):
        return _met("")
    raise ValueError("it is not known; docs/reference/vip-settings.md lists those that are")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("its value is no text")
    if len(value) > _LONGEST:
        raise ValueError(f"its value has more than {_LONGEST} characters")
    return value.strip().strip('"').strip()


def _contradictions(found: ExecutorSettings) -> list[str]:
    sites, banned = set(found.grid.sites), set(found.grid.banned)
    if sites and sites <= banned:
        return ["settings: 'plugin.dirac.conf.sites.banned' leaves none of 'plugin.dirac.conf.sites'"]
    if found.executor == "LOCAL" and (sites or found.grid.tags):
        return ["settings: 'default.executor' LOCAL has no sites and tags, which plugin.dirac.conf asks for"]
    return []


# --- rows -----------------------------------------------------------------------------------------


def _met(by: str) -> KeyRule:
    """Make the row of a key that needs nothing: the engine does by itself what it is for."""
    return KeyRule(f"needs nothing: {by}", lambda found, value: found)


def _refused(why: str, *harmless: str) -> KeyRule:
    """Make the row of a key that cannot be obeyed, but for values that ask for nothing."""

    def apply(found: ExecutorSettings, value: str) -> ExecutorSettings:
        if value.lower() not in ("", *harmless):
            raise ValueError(why)
        return found

    taken = f"; {', '.join(harmless)} and nothing are taken" if harmless else "; an empty value is taken"
    return KeyRule(f"refused: {why}{taken}", apply)


def _executor(found: ExecutorSettings, value: str) -> ExecutorSettings:
    if value.upper() not in ("", "LOCAL", "DIRAC"):
        raise ValueError(f"there is no executor {value!r}; LOCAL and DIRAC are known")
    return replace(found, executor=value.upper())


def _environment(found: ExecutorSettings, value: str) -> ExecutorSettings:
    variables = {}
    for assignment in value.replace(";", " ").split():
        name, equals, text = assignment.partition("=")
        if not equals or not _VARIABLE.fullmatch(name):
            raise ValueError(f"{assignment[:100]!r} is no NAME=VALUE")
        variables[name] = text.strip("'\"")
    return replace(found, environment=variables)


def _whole(value: str, allowed: range) -> int | None:
    if not value:
        return None
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
    if number not in allowed:
        raise ValueError(f"a whole number from {allowed.start} to {allowed.stop - 1} is needed")
    return number


def _names(value: str) -> list[str]:
    names = [part.strip() for part in value.split(",") if part.strip()]
    for name in names:
        if not _SITE.fullmatch(name):
            raise ValueError(f"{name[:100]!r} is no name on a grid")
    return names


def _on_grid(name: str, value: Callable[[str], Any]) -> Callable[[ExecutorSettings, str], ExecutorSettings]:
    return lambda found, text: replace(found, grid=found.grid._replace(**{name: value(text)}))


_ONE = range(1, 10**9)
TABLE: Mapping[str, KeyRule] = {
    "default.executor": KeyRule("the back-end: LOCAL is `local`, DIRAC is `diracx` or `dirac`", _executor),
    "default.environment": KeyRule("variables of the tool, `NAME=VALUE` separated by blanks", _environment),
    "default.retry.count": KeyRule(
        "further attempts after one kind of failure, at most",
        lambda found, value: replace(found, retries=_whole(value, range(1001))),
    ),
    "default.cputime": KeyRule(
        "CPUTime on a grid, seconds; on this machine the limit of wall time",
        _on_grid("cpu_time", lambda text: _whole(text, _ONE)),
    ),
    "moteurlite.maxjobsperworkflow": KeyRule(
        "jobs of the execution, at most; never more than the engine's own limit",
        lambda found, value: replace(found, jobs=_whole(value, _ONE)),
    ),
    "plugin.dirac.conf.sites": KeyRule("sites where jobs may run", _on_grid("sites", _names)),
    "plugin.dirac.conf.sites.banned": KeyRule("sites where they must not", _on_grid("banned", _names)),
    "plugin.dirac.conf.tags": KeyRule("tags that nodes must have", _on_grid("tags", _names)),
    "plugin.dirac.default.priority": KeyRule(
        "the priority, 0 to 10", _on_grid("priority", lambda text: _whole(text, _PRIORITIES))
    ),
    "default.background.script": _refused("the engine runs no script beside a job"),
    "source.script": _refused("the engine reads no script of the node before a job"),
    "default.requirements": _refused("requirements of glite have no meaning for DIRAC"),
    "failover.server.enabled": _refused("set failover of the back-end to storage elements", "false"),
    "plugin.dirac.balance.enabled": _refused("CPUTime is what the settings say", "false"),
    "plugin.dirac.conf.sites.dynamic-ban.enabled": _refused("sites that fail always rest", "true"),
    "plugin.dirac.default.pool": _refused("DIRAC chooses the pool", "glite"),
    "default.sleeptime": _met("`poll` of the back-end"),
    "default.timeout": _met("GASW does not use it"),
    "vo.name": _met("`vo` of the back-end says which credential is right"),
    "vo.default.se": _met("`storage_elements` of the back-end"),
    "vo.use.close.se": _met("GASW does not use it"),
    "bosh.cvmfs.path": _met("bosh is not needed on nodes"),
    "boutiques.provenance.dir": _met("provenance comes with the report of each job"),
    "boutiques.filename": _met("the portal sends the descriptor"),
    "singularity.path": _met("`node.packages` and PATH"),
    "udocker.tag": _met("`node.udocker`"),
    "containers.cvmfs.path": _met("`node.cvmfs`"),
    "containers.images.basepath": _met("`node.cvmfs`"),
    "containers.runtime": _met("the node takes the first of `node.runtimes` that works there"),
    "min.avg.download.throughput": _met("`data.stall`"),
    "minorstatus.service.enabled": _met("phases come with heartbeats and reports"),
}
MET_PREFIXES: Mapping[str, str] = {
    "failover.": "`failover` of the back-end",
    "plugin.db": "the engine has its own database",
    "plugin.executor": "back-ends are found by themselves",
    "plugin.listener": "the engine needs no listener",
    "plugin.local.": "`backends.local.slots`",
    "plugin.healing.": "attempts are repeated by causes",
    "plugin.dirac.host": "`dirac` and `diracx`",
    "plugin.dirac.mysql.": "`dirac` and `diracx`",
    "plugin.dirac.notification.": "`poll` of the back-end",
    "plugin.dirac.conf.sites.ignored": "these are no sites for the engine either",
    "plugin.dirac.conf.diracosrc.": "`dirac.diracosrc`",
    "moteurlite.grida.": "the engine moves files itself",
}
