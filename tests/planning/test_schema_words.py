"""A descriptor of a wrong shape is refused in the words of who writes descriptors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.planning import bosh
from tests.planning.samples import descriptor_of

OUTPUT = {"id": "o", "name": "o"}


def one(**more: Any) -> dict[str, Any]:
    return {"id": "n", "name": "n", "type": "Number", "value-key": "[N]", **more}


def problems(**changes: Any) -> list[str]:
    """What is said of a sound descriptor with these keys."""
    return bosh.problems({**descriptor_of("echo [N]", one()).data, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inputs": {"n": 1}}, "inputs: an object where a list is needed"),
        ({"inputs": None}, "inputs: null where a list is needed"),
        ({"inputs": []}, "inputs: is empty"),
        ({"name": ["x"]}, "name: a list where a text is needed"),
        (
            {"inputs": [one(type="number")]},
            "inputs n type: 'number' is not one of 'String', 'File', 'Flag', 'Number'",
        ),
        ({"inputs": [one(id="a b")]}, "inputs a b id: 'a b' may only have letters, digits and _"),
        ({"inputs": [one(), one()]}, "inputs: two entries are equal"),
        ({"inputs": [{"id": "n", "type": "Number"}]}, "inputs n: name is missing"),
        ({"inputs": [one(**{"max-list-entries": 2})]}, "inputs n: max-list-entries needs list"),
        (
            {"inputs": [one(**{"value-choices": [[1]]})]},
            "inputs n value-choices 0: each is a text or a number",
        ),
        (
            {"output-files": [OUTPUT]},
            "output-files o: path-template or conditional-path-template is needed, one of them",
        ),
        (
            {"container-image": {"type": "docker", "url": "x"}},
            "container-image: it is of type docker or singularity",
        ),
        (
            {"tests": [{"name": "t", "invocation": {}, "assertions": {}}]},
            "tests t assertions: exit-code or output-files",
        ),
        ({"unheard-of": 1}, "unknown key 'unheard-of'"),
    ],
)
def test_each_violation_is_said_once_and_plainly(changes: dict[str, Any], said: str) -> None:
    [problem] = problems(**changes)
    assert problem.startswith(said)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["name", "inputs", "output-files", "groups", "container-image", "tests", "tags", "error-codes"]


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=3))
def test_no_shape_shows_the_schema_or_a_whole_value(changes: dict[str, Any]) -> None:
    for problem in problems(**changes):
        assert len(problem) < 400
        assert "{'" not in problem
        assert "given schemas" not in problem
