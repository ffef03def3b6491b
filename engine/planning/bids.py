"""Jobs for a BIDS dataset: the participants and sessions that exist, and the group level after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from engine.domain.tool import Tool, ToolInput
from engine.errors import BadRequest
from engine.planning.documents import printable

PARTICIPANT, SESSION, GROUP = "participant", "session", "group"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A BIDS dataset and the part of it that is asked for; labels are without `sub-` and `ses-`."""

    root: str
    participants: Sequence[str] = ()
    """Empty: all."""
    sessions: Sequence[str] = ()
    """Empty: all."""


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
        BadRequest: this is no BIDS dataset, a label does not exist, or the tool is no BIDS app.
    """
    root, label = _input(tool, "bids_dir"), _input(tool, "participant_label")
    levels = _levels(tool, level)
    subjects = _labels(Path(dataset.root), "sub-", dataset.participants)
    if not subjects:
        raise BadRequest(f"{printable(dataset.root)}: no sub-* directory: this is not a BIDS dataset")
    for stage, name in enumerate(levels):
        common = {root.id: [dataset.root] if root.list else dataset.root}
        if tool.input("analysis_level") is not None:
            common["analysis_level"] = name
        if name == GROUP:
            selected = {label.id: list(subjects)} if dataset.participants and label.list else {}
            yield Level({**common, **selected}, stage)
            continue
        for subject in subjects:
            for session in _sessions(dataset, tool, subject):
                yield Level({**common, label.id: [subject] if label.list else subject, **session}, stage)


def _levels(tool: Tool, level: str | None) -> list[str]:
    """Analysis levels in the order in which they run."""
    known = tool.input("analysis_level")
    if level is not None:
        return [level]
    if known is None:
        return [PARTICIPANT]
    choices = [str(choice) for choice in known.choices]
    return sorted(choices or [PARTICIPANT], key=lambda name: name == GROUP)


def _sessions(dataset: Dataset, tool: Tool, subject: str) -> list[dict[str, Any]]:
    """Session values of one participant: none when the tool does not ask for them or the data have none."""
    label = tool.input("session_label")
    if label is None:
        return [{}]
    found = _labels(Path(dataset.root, f"sub-{subject}"), "ses-", ())
    wanted = [session for session in found if not dataset.sessions or session in dataset.sessions]
    if not found:
        return [{}]
    return [{label.id: [session] if label.list else session} for session in wanted]


def _labels(directory: Path, prefix: str, wanted: Sequence[str]) -> list[str]:
    try:
        names = sorted(path.name for path in directory.iterdir() if path.is_dir())
    except OSError as error:
        raise BadRequest(f"{printable(directory)}: {error.strerror}") from None
    found = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    asked = [label.removeprefix(prefix) for label in wanted]
    missing = [label for label in asked if label not in found]
    if missing:
        raise BadRequest(f"{printable(directory)}: there is no {prefix}{missing[0]}")
    return [label for label in found if not asked or label in asked]


def _input(tool: Tool, id: str) -> ToolInput:
    one = tool.input(id)
    if one is None:
        raise BadRequest(f"--bids: {tool.name} is no BIDS app: it has no input {id}")
    return one
