"""What `--json` prints of executions, from the values that are printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints, is_typeddict

import typing_extensions
from pydantic import TypeAdapter

from engine import usecases
from engine.domain.shown_states import ShownExecutionState, ShownJobState
from tests.docs.markdown import code, table
from tests.docs.reference.schemas import DIALECT
from tests.docs.sources import field_docstrings, written_types

VIEWS: Mapping[str, Any] = {
    "execution": usecases.ExecutionView,
    "job": usecases.JobView,
    "result": usecases.ProductView,
    "checked": usecases.CheckedView,
    "event": usecases.EventView,
    "log": usecases.LogView,
    "plan": usecases.PlanView,
}
"""By what stands in their `schema`."""
STATES = {"execution": ShownExecutionState, "job": ShownJobState}


def keys(view: type) -> str:
    """The keys of a value, with their types and meanings."""
    meanings = field_docstrings(view)
    rows = [
        (code(name.rstrip("_")), code(kind), meanings.get(name, ""))
        for name, kind in written_types(view).items()
    ]
    return table(["key", "type", "meaning"], rows)


def schema(what: str) -> dict[str, Any]:
    """The JSON Schema of a value. Unknown keys are allowed: they are added within a version."""
    view = VIEWS[what]
    if is_typeddict(view):  # pydantic wants the other kind before Python 3.12
        kind: Any = typing_extensions.TypedDict
        view = kind(view.__name__, get_type_hints(view))
    made = TypeAdapter(view).json_schema(mode="serialization")
    properties = made["properties"]
    properties["schema"] = {"const": usecases.schema_of(what)}
    if what in STATES:
        properties["state"] = {"enum": [str(state) for state in STATES[what]]}
    if is_dataclass(VIEWS[what]):  # what has a default is printed all the same
        made["required"] = list(properties)
    return {"$schema": DIALECT, **made}


def files() -> dict[Path, dict[str, Any]]:
    """The schema of each value, by the place where it is shipped."""
    return {Path("config/schema/cli", f"{what}.json"): schema(what) for what in VIEWS}


PARTS: Mapping[str, Callable[[], str]] = {
    "json.version": lambda: f"This is version {usecases.VERSION} of them.",
    **{
        f"json.{name}": partial(keys, VIEWS[what])
        for name, what in {"execution": "execution", "job": "job", "product": "result"}.items()
    },
}
