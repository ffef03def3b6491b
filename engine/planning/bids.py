"""Jobs for a BIDS dataset: each level of analysis over the participants and sessions that exist, or once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from engine.domain.bids import PARTICIPANTS, ROOT
from engine.domain.need import ALL, ANY
from engine.domain.tool import Tool, ToolInput
from engine.errors import BadRequest
from engine.planning.bids_filters import Filters, filters_of
from engine.planning.documents import printable

PARTICIPANT = "participant"
_ONCE = ("group", "dataset")
"""A level whose name begins so runs once; every other runs for each participant (and session)."""
_BY_SESSION = "session"
"""Where a level's name begins so, this one runs for each session, and the others for each participant."""
SESSIONS, LEVEL = "session_label", "analysis_level"
_is_label = re.compile(r"[0-9A-Za-z+]+").fullmatch
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Dataset:
    """A BIDS dataset and the part of it that is asked for; labels are with or without `sub-` and `ses-`."""

    root: str
    participants: Sequence[str] = ()
    """Empty: all."""
    sessions: Sequence[str] = ()
    """Empty: all."""
    filters: Sequence[str] = ()
    """`ENTITY=VALUE`, or a filter file."""
    need: str = ANY
    """How many jobs of the level before a level wants that runs once, see `engine.domain.need`."""


class LevelJob(NamedTuple):
    """A job of a level."""

    values: dict[str, Any]
    """Its input values, beside those of the invocation."""
    step: int = 0
    """Place of the level among those that are run."""
    point: Mapping[str, str] = {}
    """Labels of its participant and session, by the entities of BIDS: `sub` and `ses`."""
    need: str = ALL
    """How many of the jobs that it waits for must succeed."""


def bids_levels(dataset: Dataset, tool: Tool, level: str | None) -> Iterator[LevelJob]:
    """Input values for the jobs of each level, one level after the other: see `level_names`.

    Args:
        dataset: what to enumerate.
        tool: must have the inputs `bids_dir` and `participant_label` of BIDS apps.
        level: the analysis level that the invocation asks for; None for all that the tool has.

    Raises:
        BadRequest: this is no BIDS dataset, a label does not exist, or the tool cannot be told of the choice.
    """
    root, label, session = _input(tool, ROOT), _input(tool, PARTICIPANTS), tool.input(SESSIONS)
    if dataset.sessions and session is None:
        raise BadRequest(f"--sessions: {tool.name} has no input {SESSIONS}", remedy="leave --sessions out")
    filters = filters_of(dataset.filters, tool)
    chosen = _choose(dataset, filters, by_session=session is not None)
    names = level_names(tool)
    apart = any(name.lower().startswith(_BY_SESSION) for name in names)
    for step, name in enumerate(names if level is None else [level]):
        common = {root.id: [dataset.root] if root.list else dataset.root, **filters.values}
        if tool.input(LEVEL) is not None:
            common[LEVEL] = name
        if runs_once(name):
            selected = _selection(name, dataset, chosen, label, session)
            yield LevelJob({**common, **selected}, step, need=dataset.need)
            continue
        by_session = session is not None and (not apart or name.lower().startswith(_BY_SESSION))
        for subject, sessions in chosen.items():
            values, point = {**common, **_value(label, [subject])}, {"sub": subject}
            if session is None or not by_session or not sessions:
                of_several = _sessions(name, dataset, session) if sessions else {}
                yield LevelJob({**values, **of_several}, step, point)
                continue
            for one in sessions:
                yield LevelJob({**values, **_value(session, [one])}, step, {**point, "ses": one})


def runs_once(level: str) -> bool:
    """Say whether a level is one job for all participants: by the beginning of its name alone."""
    return level.lower().startswith(_ONCE)


def level_names(tool: Tool) -> list[str]:
    """List the levels of a tool in the order in which they run: that of the descriptor's choices. One that
    lists a level first that runs once does not mean that: these come after the others then.
    """
    known = tool.input(LEVEL)
    choices = [str(choice) for choice in known.choices] if known is not None else []
    if not choices:
        return [PARTICIPANT]
    return sorted(choices, key=runs_once) if runs_once(choices[0]) else choices


def contradiction(given: Mapping[str, Any], tool: Tool, dataset: Dataset) -> str:
    """Why `--bids` cannot be used with these values of an invocation or sweep; "" when it can."""
    for id, option in ((PARTICIPANTS, "--participants"), (SESSIONS, "--sessions")):
        if id in given and tool.input(id) is not None:
            return f"input {id}: --bids gives it its values; choose with {option}"
    if ROOT in given and given[ROOT] not in (dataset.root, [dataset.root]):
        return f"input {ROOT}: --bids {dataset.root} gives it another value"
    filtered = filters_of(dataset.filters, tool).values
    return next((f"input {id}: --bids-filter gives it its value" for id in filtered if id in given), "")


def _selection(
    level: str,
    dataset: Dataset,
    chosen: Mapping[str, Sequence[str]],
    label: ToolInput,
    session: ToolInput | None,
) -> dict[str, Any]:
    """Select the values which say to a level that runs once which part of the data was chosen; nothing when
    all was.
    """
    if not (dataset.participants or dataset.sessions or dataset.filters):
        return {}
    _refuse_several(level, label, len(chosen), "--participants")
    return {**_value(label, list(chosen)), **_sessions(level, dataset, session)}


def _sessions(level: str, dataset: Dataset, session: ToolInput | None) -> dict[str, Any]:
    """Select the values which say to a level that does not run for each session which ones were chosen."""
    labels = list(dict.fromkeys(_label("ses-", one) for one in dataset.sessions))
    if session is None or not labels:
        return {}
    _refuse_several(level, session, len(labels), "--sessions")
    return _value(session, labels)


def _refuse_several(level: str, one: ToolInput, labels: int, option: str) -> None:
    if labels > 1 and not one.list:
        raise BadRequest(
            f"{option}: the {level} level would take more, since its input {one.id} takes one value",
            remedy=f"take one level only: --set {LEVEL}={PARTICIPANT}",
        )


def _value(one: ToolInput, labels: Sequence[str]) -> dict[str, Any]:
    return {one.id: list(labels) if one.list else labels[0]}


def _choose(dataset: Dataset, filters: Filters, *, by_session: bool) -> dict[str, list[str]]:
    """Choose the participants, each with its sessions when jobs are made for these."""
    root = Path(dataset.root)
    named = [_label("sub-", one) for one in dataset.participants]
    wanted = [_label("ses-", one) for one in dataset.sessions]
    existing = _labels(root, "sub-")
    if not existing:
        raise BadRequest(f"{printable(root)}: no sub-* directory: this is not a BIDS dataset")
    _require(named, existing, root, "sub-")
    chosen: dict[str, list[str]] = {}
    seen = set[str]()
    for subject in existing:
        if named and subject not in named:
            continue
        directory = root / f"sub-{subject}"
        sessions = _labels(directory, "ses-") if by_session else []
        seen.update(sessions)
        kept = [one for one in sessions if not wanted or one in wanted]
        kept = [one for one in kept if filters.match(directory / f"ses-{one}")]
        if kept or (not wanted and not sessions and filters.match(directory)):
            chosen[subject] = kept
        elif named:
            asked = ", ".join([*(f"ses-{one}" for one in wanted), *filters.shown])
            raise BadRequest(f"{printable(directory)}: nothing here is {asked}", remedy="choose others")
    _require(wanted, sorted(seen), root, "ses-")
    filters.require()
    if not chosen:
        raise BadRequest(f"{printable(root)}: no participant has all that is asked for")
    return chosen


def _require(wanted: Sequence[str], existing: Sequence[str], where: Path, prefix: str) -> None:
    missing = next((label for label in wanted if label not in existing), None)
    if missing is not None:
        some = ", ".join(prefix + label for label in existing[:_SHOWN]) or "none"
        more = ", ..." if len(existing) > _SHOWN else ""
        raise BadRequest(
            f"{printable(where)}: there is no {prefix}{missing}", remedy=f"there is {some}{more}"
        )


def _label(prefix: str, text: str) -> str:
    """Return a label without its prefix."""
    label = text.removeprefix(prefix)
    if not _is_label(label):
        raise BadRequest(f"{text!r} is no label of a BIDS dataset: these have letters and digits only")
    return label


def _labels(directory: Path, prefix: str) -> list[str]:
    """List the labels of its directories of that prefix; `sub-` and `sub-01_x` have none."""
    try:
        names = sorted(path.name for path in directory.iterdir() if path.is_dir())
    except OSError as error:
        raise BadRequest(f"{printable(directory)}: {error.strerror}") from None
    found = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
    return [label for label in found if _is_label(label)]


def _input(tool: Tool, id: str) -> ToolInput:
    one = tool.input(id)
    if one is None:
        raise BadRequest(f"--bids: {tool.name} is no BIDS app: it has no input {id}")
    return one
