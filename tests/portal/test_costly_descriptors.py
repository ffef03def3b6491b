"""A descriptor of a user's that takes minutes to be looked through is refused, and holds up nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.portal.house import House

pytestmark = pytest.mark.whole


def descriptor(**more: Any) -> dict[str, Any]:
    return {
        "name": "costly",
        "description": "Costs the daemon much",
        "tool-version": "1.0",
        "schema-version": "0.5",
        "command-line": "echo [A]",
        "container-image": {"type": "docker", "image": "busybox"},
        "inputs": [{"id": "a", "name": "a", "type": "String", "value-key": "[A]"}],
        **more,
    }


def inputs(number: int) -> list[dict[str, Any]]:
    names = [f"a{n}" for n in range(number)]
    return [{"id": one, "name": one, "type": "String", "value-key": f"[{one}]"} for one in names]


COSTLY: Mapping[str, dict[str, Any]] = {
    "nested loops": {"command-line": "for i in [A]; do " * 1000 + "echo $i" + "; done" * 1000},
    "values": {"command-line": "echo " + "[A] " * 100_000},
    "inputs": {"inputs": inputs(8000), "command-line": "".join(f"[a{n}]" for n in range(8000))},
    "error codes": {"error-codes": [{"code": n, "description": "x"} for n in range(50_000)]},
}


@pytest.mark.parametrize("kind", COSTLY)
def test_a_costly_descriptor_is_refused(house: House, kind: str) -> None:
    wanted = {"name": "a", "descriptor": descriptor(**COSTLY[kind]), "inputValues": {"a": "x"}}
    answer = house.ask("POST", "/executions", wanted)
    assert (answer.status, answer.code) == (400, 2002), answer
    assert "seconds to be looked through" in answer.json["errorMessage"]
