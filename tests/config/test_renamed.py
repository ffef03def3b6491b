"""Settings that have another name now are read under the old one, with a line that says so."""

from __future__ import annotations

from typing import Any

import pytest

from engine.backends.node import node
from engine.errors import SettingsError

OLD: dict[str, Any] = {
    "data": {"patience": 5},
    "node": {"patience": 6},
    "vip": {"patience": 7},
    "storages": {"disk": {"url": "root://se//vo", "doors": ["https://se/vo"]}},
    "backends": {
        "local": {"elsewhere": True},
        "second": {"kind": "local", "elsewhere": True},
        "egi": {"kind": "diracx", "url": "https://x", "node": {"patience": 8}},
    },
}
NEW: dict[str, Any] = {
    "data": {"delivery_timeout": 5},
    "node": {"file_system_timeout": 6},
    "vip": {"timeout": 7},
    "storages": {"disk": {"url": "root://se//vo", "aliases": ["https://se/vo"]}},
    "backends": {
        "local": {"simulate_remote": True},
        "second": {"kind": "local", "simulate_remote": True},
        "egi": {"kind": "diracx", "url": "https://x", "node": {"file_system_timeout": 8}},
    },
}
LATE = "the next release does not read it: write"


def test_old_names_are_read_as_the_new_ones_with_a_line_for_each(read: Any) -> None:
    assert read(NEW) == read(OLD)
    assert sorted(read.warned) == sorted(
        f"engine.yaml: {old}: {LATE} it as {new}"
        for old, new in (
            ("data.patience", "data.delivery_timeout"),
            ("node.patience", "node.file_system_timeout"),
            ("vip.patience", "vip.timeout"),
            ("storages.disk.doors", "storages.disk.aliases"),
            ("backends.local.elsewhere", "backends.local.simulate_remote"),
            ("backends.second.elsewhere", "backends.second.simulate_remote"),
            ("backends.egi.node.patience", "backends.egi.node.file_system_timeout"),
        )
    )


def test_where_both_names_are_written_the_new_one_holds(read: Any) -> None:
    assert read({"data": {"patience": 5, "delivery_timeout": 9}}).data.delivery_timeout == 9


def test_below_a_section_that_has_another_name_too(read: Any) -> None:
    assert read({"local": {"elsewhere": True}}).backends["local"].simulate_remote is True
    assert f"engine.yaml: local.elsewhere: {LATE} it as backends.local.simulate_remote" in read.warned


@pytest.mark.parametrize(
    ("variable", "value"), [("ENGINE_DATA__PATIENCE", "3"), ("ENGINE_DATA", '{"patience": 3}')]
)
def test_a_variable_of_the_old_name_wins_over_the_file(
    read: Any, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert [read(tree).data.delivery_timeout for tree in ({}, OLD, NEW)] == [3, 3, 3]


def test_a_variable_of_the_old_name_has_its_line_and_yields_to_the_new_one(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_LOCAL__ELSEWHERE", "true")
    monkeypatch.setenv("ENGINE_VIP__PATIENCE", "3")
    monkeypatch.setenv("ENGINE_VIP__TIMEOUT", "4")
    found = read({})
    assert (found.vip.timeout, found.backends["local"].simulate_remote) == (4, True)
    assert read.warned == [
        f"variable ENGINE_LOCAL__ELSEWHERE: {LATE} ENGINE_BACKENDS__LOCAL__SIMULATE_REMOTE",
        f"variable ENGINE_VIP__PATIENCE: {LATE} ENGINE_VIP__TIMEOUT",
    ]


def test_a_wrong_value_is_told_under_the_name_that_was_written(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match=r"engine.yaml: data.patience: input should be a valid number"):
        read({"data": {"patience": "long"}})
    monkeypatch.setenv("ENGINE_NODE__PATIENCE", "0")
    with pytest.raises(
        SettingsError, match=r"variable ENGINE_NODE__PATIENCE: input should be greater than 0"
    ):
        read({})


def test_nodes_are_told_under_the_name_that_every_wrapper_reads(read: Any) -> None:
    assert node(read(NEW).node).patience == 6
