"""Which files of a BIDS dataset a tool is to take: `task=rest`, or a filter file such as fMRIPrep's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.domain.tool import Tool, ToolInput
from engine.errors import BadRequest, NotFound
from engine.planning.cells import value_from_text
from engine.planning.documents import parse_json, printable

_FILTER_FILE = ("bids_filter_file", "bids_filters", "bids_filter")
_LONG = {
    "acq": "acquisition", "dir": "direction", "rec": "reconstruction", "ce": "ceagent", "inv": "inversion",
    "hemi": "hemisphere", "desc": "description", "mod": "modality", "res": "resolution", "proc": "processing",
    "sub": "subject", "ses": "session",
}  # fmt: skip
_SHORT = {long: short for short, long in _LONG.items()}
_CHECKED = frozenset({"task", "session", "subject", "acquisition", "direction", "reconstruction", "ceagent"})
"""Entities of filter files of which a label must exist."""
_INDEXES = frozenset({"run", "echo", "flip", "inv", "split", "chunk"})
"""Entities whose labels are numbers, with zeros before them or not (BIDS, appendix on entities)."""
_OWN_OPTIONS = {"sub": "--participants", "participant": "--participants", "ses": "--sessions"}
_entity = re.compile(r"[A-Za-z]+").fullmatch
_label = re.compile(r"[0-9A-Za-z+]+").fullmatch
_MAX_FILE = 1 << 20
_SHOWN = 5


@dataclass(slots=True)
class Filters:
    """The filters of file names, and the names that the tool is given for them."""

    values: dict[str, Any] = field(default_factory=dict)
    """Input values."""
    wanted: list[tuple[str, str]] = field(default_factory=list)
    """Short names of entities with a label each; labels of one entity are alternatives."""
    mentioned: list[tuple[str, str]] = field(default_factory=list)
    """The same of a filter file: the tool chooses by them, here they must only exist."""
    found: set[tuple[str, str]] = field(default_factory=set)
    """Of these, what was seen."""
    labels: dict[str, set[str]] = field(default_factory=dict)
    """Labels that were seen, of all entities."""

    @property
    def shown(self) -> list[str]:
        """Them as they stand in file names."""
        return [f"{entity}-{label}" for entity, label in self.wanted]

    def match(self, directory: Path) -> bool:
        """Say whether for every entity a file below the directory has one of its labels. Hidden files,
        such as macOS leaves, and sidecars alone are no data.
        """
        if not self.wanted and not self.mentioned:
            return True
        parts = set[str]()
        for _, directories, names in os.walk(directory):
            directories[:] = [name for name in directories if not name.startswith(".")]
            for name in (*names, *directories):
                if not name.startswith(".") and not name.endswith(".json"):
                    parts.update(name.partition(".")[0].split("_"))
        there = set[tuple[str, str]]()
        for part in parts:
            entity, dash, label = part.partition("-")
            if dash:
                self.labels.setdefault(entity, set()).add(label)
                there.add((entity, _index(entity, label)))
        here = {one for one in (*self.wanted, *self.mentioned) if (one[0], _index(*one)) in there}
        self.found |= here
        return {entity for entity, _ in self.wanted} <= {entity for entity, _ in here}

    def require(self) -> None:
        """Raise BadRequest when a label was nowhere."""
        missing = next((one for one in (*self.wanted, *self.mentioned) if one not in self.found), None)
        if missing is not None:
            name = "-".join(missing)
            there = sorted(self.labels.get(missing[0], ()))
            some = ", ".join(f"{missing[0]}-{label}" for label in there[:_SHOWN]) or "none"
            raise BadRequest(
                f"--bids-filter: no file of what is chosen has {name} in its name",
                remedy=f"there is {some}{', ...' if len(there) > _SHOWN else ''}",
            )


def _index(entity: str, label: str) -> str:
    """Return a label to compare: those of indexes are numbers, so that run-01 is run-1."""
    return str(int(label)) if entity in _INDEXES and label.isascii() and label.isdigit() else label


def filters_of(texts: Sequence[str], tool: Tool) -> Filters:
    """Understand `ENTITY=LABEL[,LABEL]` and names of filter files.

    Raises:
        BadRequest: the tool has no input for it, or it is neither.
    """
    filters = Filters()
    for text in texts:
        entity, equals, labels = text.partition("=")
        if equals and _entity(entity):
            one = _entity_input(entity, tool)
            filters.values[one.id] = value_from_text(one, labels) if not one.list else labels.split(",")
            names = labels.split(",")
            if wrong := next((name for name in names if not _label(name)), None):
                raise BadRequest(f"--bids-filter {text}: {wrong!r} is no label: letters and digits only")
            filters.wanted += [(_SHORT.get(entity, entity), name) for name in names]
            if len(names) > 1 and not one.list:
                raise BadRequest(f"--bids-filter {text}: input {one.id} takes one value")
        else:
            file = next((known for id in _FILTER_FILE if (known := tool.input(id))), None)
            if file is None:
                raise BadRequest(
                    f"--bids-filter {text}: {tool.name} has no input for a filter file ({_FILTER_FILE[0]})",
                    remedy="name an entity, as task=rest",
                )
            filters.mentioned += _entities_in(text)
            filters.values[file.id] = [text] if file.list else text
    return filters


def _entity_input(entity: str, tool: Tool) -> ToolInput:
    short = _SHORT.get(entity, entity)
    if short in _OWN_OPTIONS:
        raise BadRequest(f"--bids-filter {entity}: choose with {_OWN_OPTIONS[short]}")
    ids = list(_ids(dict.fromkeys((short, _LONG.get(short, short)))))
    one = next((known for id in ids if (known := tool.input(id))), None)
    if one is None:
        raise BadRequest(
            f"--bids-filter {entity}: {tool.name} has no input for it ({ids[0]})",
            remedy="write a filter file and name that, where the tool has an input for one",
        )
    return one


def _ids(names: Mapping[str, None]) -> Iterator[str]:
    for name in names:
        for end in ("_id", "_label", "_idx", "_index", ""):
            yield name + end


def _entities_in(name: str) -> Iterator[tuple[str, str]]:
    """Yield the labels in a filter file: objects of entities by kinds of data. Wildcards are no labels."""
    try:
        with Path(name).open("rb") as file:
            data = parse_json(file.read(_MAX_FILE), name)
    except FileNotFoundError:
        raise NotFound(f"--bids-filter {printable(name)}: no such file") from None
    except OSError as error:
        raise BadRequest(f"--bids-filter {printable(name)}: {error.strerror}") from None
    if not isinstance(data, dict) or not all(isinstance(one, dict) for one in data.values()):
        raise BadRequest(
            f"--bids-filter {printable(name)}: not a filter file",
            remedy='it has an object of entities for each kind of data: {"bold": {"task": "rest"}}',
        )
    for entities in data.values():
        for entity, labels in entities.items():
            for label in labels if isinstance(labels, list) else [labels]:
                if entity in _CHECKED and isinstance(label, str) and _label(label):
                    yield _SHORT.get(entity, entity), label
