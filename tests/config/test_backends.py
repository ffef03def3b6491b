"""Back-ends of the settings: kinds, sections, and the keys of the release before."""

from __future__ import annotations

from typing import Any

import pytest

from engine.backends.dirac.section import DiracSection
from engine.errors import SettingsError
from engine.settings import legacy
from engine.settings.tree import Settings
from engine.storage_registry import grid
from engine.wiring import build

DIRAC = {"kind": "dirac", "diracosrc": "/opt/dirac/diracosrc"}
DIRACX = {"kind": "diracx", "url": "https://diracx.example.org"}


def test_without_settings_there_is_this_machine(read: Any) -> None:
    assert {name: one.kind for name, one in read({}).backends.items()} == {"local": "local"}


def test_there_may_be_several_of_a_kind_each_with_settings_of_its_own(read: Any) -> None:
    sections = {"egi": {**DIRACX, "vo": "biomed"}, "eubrain": {**DIRACX, "vo": "eubrain", "poll": 5}}
    made = build(read({"backend": "egi", "backends": sections})).backends
    assert {name: made[name].name for name in made} == {name: name for name in ("local", "egi", "eubrain")}
    assert [made[name].capabilities.poll_interval for name in ("egi", "eubrain")] == [10.0, 5.0]


def test_the_name_is_the_kind_when_no_other_is_said(read: Any) -> None:
    assert read({"backends": {"diracx": {"url": "https://x"}}}).backends["diracx"].kind == "diracx"


def test_two_back_ends_of_this_machine_have_a_spool_each(read: Any) -> None:
    two = {"small": {"kind": "local", "slots": 1}}
    assert set(build(read({"backends": two})).backends) == {"local", "small"}
    same = {"small": {"kind": "local", "spool": "/x"}, "local": {"spool": "/x"}}
    with pytest.raises(SettingsError, match=r"setting backends\.\w+\.spool: /x is the spool of back-end \w+"):
        print(build(read({"backends": same})).backends)


@pytest.mark.parametrize(
    ("section", "words", "remedy"),
    [
        (
            {"kind": "nosuch"},
            "kind: no kind of back-ends named 'nosuch'",
            "installed: dirac, diracx, local",
        ),
        ({"kind": "dirac"}, " there is no DIRAC client", "set command or diracosrc"),
        ({"kind": "diracx"}, "url: field required", ""),
        ({"kind": "diracx", "url": "ftp://x"}, "url: ftp://x is no URL", "write https://..."),
        ({**DIRACX, "priority": 11}, "priority: input should be less than or equal to 10", ""),
        ({**DIRACX, "node": {"pul": 1}}, "node.pul: no such setting", ""),
        ({**DIRAC, "slots": 1}, "slots: no such setting", "a back-end of kind dirac has "),
        ({"kind": 5}, "kind: input should be a valid string", ""),
        (5, " input should be a valid dictionary", ""),
    ],
)
def test_a_wrong_section_is_told_with_file_key_and_remedy(
    read: Any, section: object, words: str, remedy: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read({"backends": {"egi": section}})
    assert caught.value.message.startswith(
        "engine.yaml: backends.egi" + (":" if words[0] == " " else ".") + words
    )
    assert caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65, "é"])
def test_a_name_that_is_none_is_refused(read: Any, name: str) -> None:
    with pytest.raises(SettingsError, match=r"engine\.yaml: backends"):
        read({"backends": {name: DIRACX}})


def test_this_machine_is_no_other_kind(read: Any) -> None:
    with pytest.raises(SettingsError, match=r"engine\.yaml: backends: local is the back-end of this machine"):
        read({"backends": {"local": DIRACX}})


def test_the_client_for_lfn_is_that_of_the_back_end_else_the_default_else_the_first(read: Any) -> None:
    first, second = {**DIRAC, "storage_elements": ["A"]}, {**DIRAC, "storage_elements": ["B"]}
    tree = {"backends": {"x": DIRACX, "one": first, "two": second}}

    def elements(settings: Settings, backend: str = "") -> tuple[str, ...]:
        client = settings.dirac_client(backend)
        assert isinstance(client, DiracSection)
        return client.storage_elements

    assert [elements(read(tree), name) for name in ("two", "x", "")] == [("B",), ("A",), ("A",)]
    assert elements(read({**tree, "backend": "two"}), "x") == ("B",)
    assert grid(read({"backends": {"x": DIRACX}})) is None


# --- keys of the release before

OLD = {
    "backend": "diracx",
    "local": {"slots": 3},
    "dirac": {"diracosrc": "/opt/dirac/diracosrc"},
    "diracx": {"url": "https://x", "node": {"pull": False}},
}


def test_old_keys_are_read_as_the_new_ones_with_a_line_for_each(read: Any) -> None:
    new = {"backend": "diracx", "backends": {name: OLD[name] for name in ("local", "dirac", "diracx")}}
    assert read(new) == read(OLD)
    assert read.warned == [
        f"engine.yaml: {name}: the next release does not read it: write it as backends.{name}"
        for name in ("local", "dirac", "diracx")
    ]


def test_old_variables_are_read_too(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_DIRACX__URL", "https://y")
    monkeypatch.setenv("ENGINE_DIRACX__NODE__PULL", "true")
    monkeypatch.setenv("ENGINE_LOCAL__SLOTS", "7")
    for tree in ({}, OLD, {"backends": {"diracx": {"vo": "biomed"}, "local": {"slots": 5}}}):
        told = read(tree).backends
        assert (told["diracx"].url, told["diracx"].node.pull, told["local"].slots) == ("https://y", True, 7)
    assert "variable ENGINE_LOCAL__SLOTS: the next release does not read it: write " in "".join(read.warned)
    monkeypatch.setenv("ENGINE_BACKENDS__LOCAL__SLOTS", "8")
    assert read({}).backends["local"].slots == 8


@pytest.mark.parametrize(
    ("tree", "new"),
    [
        ({"local": None}, {"local": None}),
        ({"local": {"slots": 1}}, {"backends": {"local": {"slots": 1}}}),
        (
            {"local": {"slots": 1, "idle": 2}, "backends": {"local": {"slots": 3}, "x": 1}},
            {"backends": {"local": {"slots": 3, "idle": 2}, "x": 1}},
        ),
        (
            {"diracx": {"node": {"pull": 1, "site": "a"}}, "backends": {"diracx": {"node": {"pull": 2}}}},
            {"backends": {"diracx": {"node": {"pull": 2, "site": "a"}}}},
        ),
        ({"dirac": 5, "backends": None}, {"backends": {"dirac": 5}}),
        ({"dirac": {}, "backends": 5}, {"dirac": {}, "backends": 5}),
        ({"node": {"pull": 1}}, {"node": {"pull": 1}}),
    ],
)
def test_a_tree_of_old_keys_is_translated(tree: dict[str, Any], new: dict[str, Any]) -> None:
    assert legacy.translated(tree) == new


def test_an_old_section_that_made_no_back_end_still_makes_none(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused = {"local": None, "dirac": {"vo": "biomed"}, "diracx": {"group": "users"}}
    assert set(read(unused).backends) == {"local"}
    monkeypatch.setenv("ENGINE_DIRACX__URL", "https://y")
    assert set(read(unused).backends) == {"local", "diracx"}


def test_a_mistake_below_an_old_key_is_told_as_it_was_written(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError) as caught:
        read({"local": {"slotz": 1}})
    assert caught.value.message == "engine.yaml: local.slotz: no such setting"
    monkeypatch.setenv("ENGINE_LOCAL__IDLE", "never")
    with pytest.raises(SettingsError, match="variable ENGINE_LOCAL__IDLE: input should be a valid number"):
        read({})
