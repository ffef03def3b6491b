"""Manifests and reports survive the journey, and those of every released version can be read for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrappers import wire

pytestmark = pytest.mark.whole

GOLDEN = Path(__file__).resolve().parents[1] / "golden"

text = st.text(st.characters(exclude_categories=()), max_size=20)
number = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-(2**63), 2**63)
plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | whole | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


def documents(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of a document type, from its own annotations."""
    return st.builds(kind, **{name: values(wanted) for name, wanted in kind.__annotations__.items()})


def values(wanted: Any) -> st.SearchStrategy[Any]:
    simple = {str: text, int: whole, float: number, bool: st.booleans(), Any: plain}
    if wanted in simple:
        return simple[wanted]
    if hasattr(wanted, "_fields"):
        return documents(wanted)
    arguments = wanted.__args__
    if type(None) in arguments:
        return st.none() | values(arguments[0])
    if wanted.__origin__ is list:
        return st.lists(values(arguments[0]), max_size=2)
    return st.dictionaries(text, values(arguments[1]), max_size=2)


@pytest.mark.parametrize("kind", [wire.Manifest, wire.Report, wire.Node])
def test_every_document_comes_back_as_it_was(kind: type[Any]) -> None:
    @given(documents(kind))
    def comes_back(document: Any) -> None:
        written = wire.dumps(document)
        assert wire.loads(kind, written) == document
        assert wire.dumps(wire.loads(kind, written)) == written
        assert "\n" not in written

    comes_back()


@pytest.mark.parametrize("kind", [wire.Manifest, wire.Report, wire.Node])
def test_any_other_json_is_refused_with_an_error_of_its_own(kind: type[Any]) -> None:
    @given(plain | st.dictionaries(st.sampled_from(list(kind.__annotations__)), plain))
    def is_refused(data: Any) -> None:
        try:
            read = wire.from_json(kind, data)
        except wire.WireError:
            return
        assert wire.loads(kind, wire.dumps(read)) == read

    is_refused()


@pytest.mark.parametrize("bad", ["", "{", "[]", "null", b"\xff\xfe", '{"attempt":1}'])
def test_broken_text_is_refused(bad: str | bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.loads(wire.Manifest, bad)


def test_unknown_keys_of_later_versions_are_ignored() -> None:
    report = wire.Report("a", "0" * 64, wire.SUCCEEDED)
    data = dict(json.loads(wire.dumps(report)), version=2, invented="later")
    assert wire.from_json(wire.Report, data) == report._replace(version=2)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("manifest-*.json")), ids=lambda path: path.name)
def test_a_manifest_of_every_version_is_read(path: Path) -> None:
    manifest = wire.loads(wire.Manifest, path.read_bytes())
    assert wire.to_json(manifest) == json.loads(path.read_bytes())


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("report-*.json")), ids=lambda path: path.name)
def test_a_report_of_every_version_is_read(path: Path) -> None:
    report = wire.loads(wire.Report, path.read_bytes())
    assert wire.to_json(report) == json.loads(path.read_bytes())


def test_the_golden_documents_of_this_version_hold_every_field() -> None:
    for kind, version in ((wire.Manifest, wire.MANIFEST_VERSION), (wire.Report, wire.REPORT_VERSION)):
        data = json.loads((GOLDEN / f"{kind.__name__.lower()}-{version}.json").read_bytes())
        assert set(data) == set(kind._fields)
