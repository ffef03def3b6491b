"""Names of results: what a template gives, and what it can never give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain import naming


def names(template: str, *paths: str, **fields: str) -> list[str]:
    """The names of these paths."""
    found = naming.result_names(template, {"job": "07", **fields}, paths)
    return [found[path] for path in paths]


def test_a_template_is_filled_for_each_result() -> None:
    assert names("s-{job}/{path}", "a/b.nii") == ["s-07/a/b.nii"]
    assert names("s-{job}_{name}", "a/b.nii") == ["s-07_b.nii"]


def test_braces_in_a_value_are_no_fields() -> None:
    found = naming.result_names("{input.x}/{path}", {"input.x": "{job}{path}"}, ["o{name}"])
    assert found == {"o{name}": "{job}{path}/o{name}"}


def test_an_empty_field_leaves_no_empty_directory() -> None:
    assert names("{parameters}/x/{path}", "o", parameters="") == ["x/o"]


def test_what_lies_in_a_directory_that_is_a_result_stays_in_it() -> None:
    assert names("{name}-{job}", "out/dir", "out/dir/deep/f", "out/other") == [
        "dir-07",
        "dir-07/deep/f",
        "other-07",
    ]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("x", "{path} or {name} is needed"),
        ("../{path}", "results stay below"),
        ("/tmp/{path}", "results stay below"),
        ("{path}/{nothing}", "{nothing} is unknown; there is {job}, {path}"),
        ("{input.y}/{path}", "the tool has no input y"),
        ("{input.y.stem}/{path}", "the tool has no input y"),
        ("{input.}/{path}", "{input.} is unknown"),
        ("{path", "a brace stands alone"),
        ("x" * 300 + "{path}", "a file name has at most 255 bytes"),
        ("a\0{path}", "results stay below"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_be_is_told_why(template: str, problem: str) -> None:
    assert problem in naming.template_problem(template, ["x"])


def test_a_template_of_all_fields_can_be() -> None:
    template = "{results-directory}/{input.x}/{input.x.stem}/{job}-{run}-{parameters}/{path}{name}"
    assert naming.template_problem(template, ["x"]) == ""


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("scan.nii.gz", "scan"),
        ("a.b.nii", "a.b"),
        (".hidden", ".hidden"),
        ("x", "x"),
        ("t.gz", "t"),
        ("T.NII.GZ", "T"),
    ],
)
def test_the_stem_of_a_file_has_no_extension(name: str, bare: str) -> None:
    assert naming.stem(name) == bare


@given(st.text() | st.floats() | st.lists(st.text() | st.integers(), max_size=3) | st.booleans())
def test_a_value_is_one_part_of_a_path(value: object) -> None:
    assert "/" not in naming.text_of(value)


@given(st.text(alphabet="ab./{}", max_size=8), st.text(alphabet="ab.{}", max_size=5))
def test_a_name_without_a_problem_stays_below(path: str, value: str) -> None:
    (name,) = naming.result_names("{input.x}/{path}", {"input.x": value}, [path]).values()
    if not naming.name_problem(name):
        assert not name.startswith("/")
        assert not {"", ".", ".."} & set(name.split("/"))
