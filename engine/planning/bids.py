"""Jobs for a BIDS dataset: the participants and sessions that exist, and the group level after them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from engine.domain.tool import Tool, ToolInput
from engine.errors import BadRequest
from engine.planning.bids_filters import Filters, filters_of
from engine.planning.documents import printable

PARTICIPANT, SESSION, GROUP = "participant", "session", "group"
ROOT, PARTICIPANTS, SESSIONS, LEVEL = "bids_dir", "participant_label", "session_label", "analysis_level"
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


class Level(NamedTuple):
    """Input values of one job, and when it may run: a later stage waits for all jobs of the earlier ones."""

    values: dict[str, Any]
    stage: int


def bids_levels(dataset: Dataset, tool: Tool, level: str | None) -> Iterator[Level]:
    """Input values for one job per participant (and session, when the tool asks for it), then one per group.

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
    for stage, name in enumerate(_levels(tool, level)):
        common = {root.id: [dataset.root] if root.list else dataset.root, **filters.values}
        if tool.input(LEVEL) is not None:
            common[LEVEL] = name
        if name == GROUP:
            yield Level({**common, **_selection(dataset, chosen, label, session)}, stage)
            continue
        for subject, sessions in chosen.items():
            values = {**common, **_value(label, [subject])}
            for one in sessions:
                yield Level({**values, **(_value(session, [one]) if session else {})}, stage)
            if not sessions:
                yield Level(values, stage)


def contradiction(given: Mapping[str, Any], tool: Tool, dataset: Dataset) -> str:
    """Why `--bids` cannot be used with these values of an invocation or sweep; "" when it can."""
    for id, option in ((PARTICIPANTS, "--participants"), (SESSIONS, "--sessions")):
        if id in given and tool.input(id) is not None:
            return f"input {id}: --bids gives it its values; choose with {option}"
    if ROOT in given and given[ROOT] not in (dataset.root, [dataset.root]):
        return f"input {ROOT}: --bids {dataset.root} gives it another value"
    filtered = filters_of(dataset.filters, tool).values
    return next((f"input {id}: --bids-filter gives it its value" for id in filtered if id in given), "")


def _levels(tool: Tool, level: str | None) -> list[str]:
    """Analysis levels in the order in which they run."""
    known = tool.input(LEVEL)
    if level is not None:
        return [level]
    if known is None:
        return [PARTICIPANT]
    choices = [str(choice) for choice in known.choices]
    return sorted(choices or [PARTICIPANT], key=lambda name: name == GROUP)


def _selection(
    dataset: Dataset, chosen: Mapping[str, Sequence[str]], label: ToolInput, session: ToolInput | None
) -> dict[str, Any]:
    """Select the values which say to the group level which part of the data was chosen; nothing when all
    was.
    """
    values: dict[str, Any] = {}
    wanted = list(dict.fromkeys(_label("ses-", one) for one in dataset.sessions))
    parts = ((label, list(chosen), "--participants"), (session, wanted, "--sessions"))
    is_part = bool(dataset.participants or dataset.sessions or dataset.filters)
    for one, labels, option in parts:
        if one is None or not labels or not is_part:
            continue
        if len(labels) > 1 and not one.list:
            raise BadRequest(
                f"{option}: the {GROUP} level would take more, since its input {one.id} takes one value",
                remedy=f"take one level only: --set {LEVEL}={PARTICIPANT}",
            )
        values.update(_value(one, labels))
    return values


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
