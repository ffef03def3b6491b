"""What pages for developers name is in the tree: files, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGES = ("architecture.md", "how-to/add-a-backend.md", "how-to/add-a-storage.md", "how-to/develop.md")
SEARCHED = ("engine", "wrappers", "cvmfs_deploy", "tests", "docs/examples", "config")
PLACEHOLDERS = {"NAME", "ATTEMPT", "DIR", "FILE", "JOB", "DAY", "COMMIT"}
"""Words of names that are to be filled in."""


def named(page: str) -> Iterator[str]:
    """Names of files and of code on a page; its examples, and where a wheel puts things, are left out."""
    text = re.sub(r"^```.*?^```", "", (ROOT / "docs" / page).read_text(), flags=re.S | re.M)
    for found in re.findall(r"`([^`\n]+)`", text):
        is_name = re.fullmatch(r"[\w./]*[A-Za-z_][\w./]*(:\w+)?(\(\))?", found)
        if is_name and not PLACEHOLDERS & set(re.split(r"\W", found)) and not found.startswith("share/"):
            yield found.removesuffix("()")


@cache
def words() -> frozenset[str]:
    """Every name in the code, every word of its settings and commands, and the names of all files."""
    files = [path for top in SEARCHED for path in (ROOT / top).rglob("*") if path.is_file()]
    files += [ROOT / "Makefile", ROOT / "pyproject.toml"]
    found = {word for path in files for word in (path.name, path.stem)}
    for path in files:
        if path.suffix == ".py":
            found |= names_in(path)
        elif path.suffix in ("", ".yaml", ".toml", ".sh"):
            found |= set(re.findall(r"\w+", path.read_text()))
    return frozenset(found)


TEXTS = re.compile(
    r"""
    [bfruBFRU]{0,2}
    (?: \"""(?:\\.|[^\\])*?\""" | \'\'\'(?:\\.|[^\\])*?\'\'\' | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | \#[^\n]*
    """,
    re.S | re.X,
)
"""Texts and comments of Python: the tokenizer of the library takes ten times as long for the whole tree."""


@cache
def names_in(path: Path) -> frozenset[str]:
    """The names in a file of code, and the texts that could be names."""
    code = path.read_text()
    texts = {found.strip("\"'") for found in TEXTS.findall(code) if not found.startswith("#")}
    return frozenset(texts | set(re.findall(r"\b[^\W\d]\w*", TEXTS.sub(" ", code))))


def is_there(name: str) -> bool:
    """Whether a file, a name in a file, or a name of the code is in the tree."""
    path, _, inside = name.partition(":")
    if "/" in path:
        found = ROOT / path
        return found.exists() and (not inside or inside in names_in(found))
    *modules, last = path.split(".")
    module = ROOT.joinpath(*modules).with_suffix(".py")
    if modules and module.is_file():
        return last in names_in(module)
    return path in words() or all(word in words() for word in path.split("."))


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_for_developers_names_is_in_the_tree(page: str) -> None:
    names = list(named(page))
    assert names
    assert [name for name in names if not is_there(name)] == []


@pytest.mark.parametrize(
    "name", ["No" + "Such", "engine/no.py", "engine/domain/site.py:no", "engine.ports.No"]
)
def test_what_is_not_in_the_tree_is_seen(name: str) -> None:
    assert not is_there(name)
