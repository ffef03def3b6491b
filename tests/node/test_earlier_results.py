"""Results of earlier jobs become one tree on the node; what the tool does not change of it is no result."""

from __future__ import annotations

from pathlib import Path

import pytest

from wrappers.node.earlier_results import apart, merge, remove_unchanged
from wrappers.node.failure import AttemptFailed
from wrappers.wire import Input


def tree(job: Path, *results: tuple[str, int, dict[str, str]]) -> list[Input]:
    """Results as they are staged: the name, step and files of each; a text of "-> x" is a link."""
    wanted = [Input("out", "file:///x", name, merged=step) for name, step, _ in results]
    for one, (_, _, files) in zip(apart(wanted), results, strict=True):
        (job / one.name).mkdir(parents=True)
        for name, text in files.items():
            path = job / one.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(text[3:]) if text.startswith("-> ") else path.write_text(text)
    return wanted


def sums(job: Path) -> dict[str, str]:
    found = (path for path in job.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(job)): path.read_text() for path in found}


def test_trees_are_put_together_and_only_what_changed_stays(tmp_path: Path) -> None:
    wanted = tree(
        tmp_path,
        ("out", 1, {"same.txt": "x", "sub-01/a": "1", "logs/l": "-> ../sub-01/a"}),
        ("out", 1, {"same.txt": "x", "sub-02/a": "2"}),
        ("out", 2, {"sub-02/a": "of a later step"}),
    )
    merged = merge(wanted, str(tmp_path), sums(tmp_path))
    assert sums(tmp_path) == {
        "out/same.txt": "x", "out/sub-01/a": "1", "out/sub-02/a": "of a later step",
    }  # fmt: skip
    assert (tmp_path / "out/logs/l").read_text() == "1"
    (tmp_path / "out/sub-01/a").write_text("changed")
    (tmp_path / "out/group.tsv").write_text("new")
    remove_unchanged(merged)
    assert sums(tmp_path) == {"out/sub-01/a": "changed", "out/group.tsv": "new"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["group.tsv", "sub-01"]


def test_a_directory_of_which_nothing_changed_stays_as_a_result(tmp_path: Path) -> None:
    merged = merge(tree(tmp_path, ("out", 1, {"a": "1"})), str(tmp_path), sums(tmp_path))
    remove_unchanged(merged)
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_one_name_with_two_contents_is_refused(tmp_path: Path) -> None:
    wanted = tree(tmp_path, ("out", 1, {"d/a": "1"}), ("out", 1, {"d/a": "2"}))
    with pytest.raises(AttemptFailed, match="out/d/a: two jobs before this one wrote it, with different"):
        merge(wanted, str(tmp_path), sums(tmp_path))
