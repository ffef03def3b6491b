"""What `--json` prints of executions, from the values that are printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from engine import usecases
from tests.docs.markdown import code, table
from tests.docs.sources import field_docstrings, written_types

VIEWS = {
    "execution": usecases.ExecutionView,
    "job": usecases.JobView,
    "product": usecases.ProductView,
}


def keys(view: type) -> str:
    """The keys of a value, with their types and meanings."""
    meanings = field_docstrings(view)
    rows = [
        (code(name.rstrip("_")), code(kind), meanings.get(name, ""))
        for name, kind in written_types(view).items()
    ]
    return table(["key", "type", "meaning"], rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "json.version": lambda: f"This is version {usecases.VERSION} of them.",
    **{f"json.{name}": partial(keys, view) for name, view in VIEWS.items()},
}
