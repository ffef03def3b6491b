"""Telling templates that name one file from those that may match what was staged."""

from __future__ import annotations

import glob
import tarfile
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.node.conftest import Site, file_input, outputs
from wrappers import wire
from wrappers.node.staged import has_wildcard

pytestmark = pytest.mark.whole

letters = st.text(alphabet="ab[]*?!-^", max_size=8)


@given(letters)
def test_what_comes_from_a_value_is_no_wildcard(value: str) -> None:
    assert not has_wildcard(f"out_{glob.escape(value)}.nii")


@given(letters, letters, letters)
def test_without_a_wildcard_a_template_matches_one_name_only(template: str, one: str, other: str) -> None:
    if not has_wildcard(template) and one != other:
        assert not (fnmatchcase(one, template) and fnmatchcase(other, template))


@pytest.mark.parametrize("template", ["*", "a?b", "[ab].nii", "x/[!a]*", "[a-z]", "[]a]"])
def test_what_may_match_several_names_has_a_wildcard(template: str) -> None:
    assert has_wildcard(template)


def test_what_a_packed_input_held_is_no_result(site: Site) -> None:
    (site.root / "x.txt").write_text("x")
    with tarfile.open(site.root / "t.tar", "w") as packed:
        packed.add(site.root / "x.txt", "kept.txt")
        packed.add(site.root / "x.txt", "changed.txt")
    report = site.one(
        "chmod 600 in/*; echo y >> in/changed.txt; touch -r in/kept.txt in/changed.txt",
        inputs=[file_input(site.root / "t.tar", "in", packed=True)],
        outputs=outputs(o="in/*.txt"),
    )
    assert [product.path for product in report.products] == ["in/changed.txt"]


def test_a_tool_that_writes_at_once_is_seen_to_have_written(site: Site) -> None:
    # the first write of a tool may fall into the same tick of the file system's clock as our last
    for number in range(20):
        report = site.one(
            "printf '[]' > input_params.json; touch -r conf.json input_params.json",
            files=[wire.TextFile("conf.json", str(number))],
            outputs=outputs(o="*.json"),
        )
        assert [product.path for product in report.products] == ["input_params.json"], report
