"""Words that went, which `docs/glossary.md` lists, do not come back: neither in names nor in texts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT, parsed, python_files

BANNED = ("believable", "deed", "deeds", "door", "doors", "herald", "orders", "shelf", "shelves", "testimony")
BANNED_IN_NAMES = (
    *BANNED,
    *(
        "bell",
        "elsewhere",
        "hear",
        "heard",
        "keeper",
        "news",
        "patience",
        "settle",
        "settled",
        "story",
        "tell",
        "tells",
        "told",
    ),
)
WRITTEN = {
    ("engine/app/views.py", "door"),
    ("engine/domain/options.py", "door"),
    ("engine/reconcile/commit.py", "door"),
    ("engine/settings/renamed.py", "doors"),
}
"""Keys of JSON that are stored or read by scripts, and names of settings that are still read."""
WRITTEN_NAMES = {
    ("engine/domain/options.py", "door"),
    ("engine/client/requests.py", "patience"),
    ("engine/client/requests.py", "_patience"),
    ("engine/testing/contracts/backend.py", "patience"),
    ("wrappers/wire.py", "patience"),
    ("engine/backends/wms/section.py", "settled_after"),
    ("engine/backends/wms/settings.py", "settled_after"),
    ("engine/api/carmin/admin_users.py", "groups_told_at"),
    ("engine/domain/account.py", "groups_told_at"),
    ("engine/testing/contracts/storage.py", "test_a_directory_tells_what_its_names_are"),
    ("engine/testing/contracts/storage.py", "test_every_checksum_is_told"),
    ("engine/testing/contracts/storage.py", "test_progress_is_told_in_bytes"),
    ("engine/ports.py", "tells"),
    ("engine/store/events.py", "news"),
    ("wrappers/containers/tarstream.py", "tell"),
}
"""Names that are stored, on the wire, settings, used by packages of others, or of files."""


def words(text: str) -> set[str]:
    return {found.lower() for found in re.findall(r"[A-Za-z]+", text)}


def names(tree: ast.Module) -> Iterator[str]:
    """Everything that a module gives a name to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def parts(name: str) -> set[str]:
    """The words of a name: `_old_place` and `OldPlace` have two."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


@pytest.mark.parametrize("path", PACKAGES)
def test_words_that_went_are_in_no_text_of_the_code(path: str) -> None:
    found = {
        (str(file), word)
        for file in python_files(path)
        for word in words((ROOT / file).read_text()) & set(BANNED)
    }
    assert found - WRITTEN == set(), "docs/glossary.md has the words to use"


@pytest.mark.parametrize("path", PACKAGES)
def test_words_that_went_are_in_no_name(path: str) -> None:
    found = {
        (str(file), name)
        for file in python_files(path)
        for name in names(parsed(file))
        if parts(name) & set(BANNED_IN_NAMES)
    }
    assert found - WRITTEN_NAMES == set(), "docs/glossary.md has the words to use"


def test_modules_are_not_called_so_either() -> None:
    files = python_files(*PACKAGES)
    assert [
        file for file in files for part in file.parts if parts(Path(part).stem) & set(BANNED_IN_NAMES)
    ] == []


def test_a_banned_word_is_found() -> None:
    assert parts("_DOORS") | parts("OpenShelf") == {"doors", "open", "shelf"}
    made = "def keeper(door): self.bell = orders = 1\nclass Herald: ..."
    assert set(names(ast.parse(made))) == {"keeper", "door", "bell", "orders", "Herald"}


def durations(path: Path) -> Iterator[str]:
    """The constants of a module whose comment, or text below, says that they are seconds."""
    yield from (name for _, name, text in constants(path) if re.match("seconds ", text, re.I))


def is_number(node: ast.expr | None) -> bool:
    """Whether it is made of numbers and of other constants."""
    kinds = ast.Constant, ast.BinOp, ast.operator, ast.Name, ast.Tuple, ast.expr_context
    return node is not None and all(isinstance(part, kinds) for part in ast.walk(node))


def constants(path: Path) -> Iterator[tuple[ast.Assign | ast.AnnAssign, str, str]]:
    """Each name that a module sets, and the comment beside it or the text below."""
    lines = (ROOT / path).read_text().splitlines()
    body = parsed(path).body
    for node, after in zip(body, [*body[1:], None], strict=False):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if isinstance(target, ast.Name):
            below = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                below = str(after.value.value)
            yield node, target.id, lines[(node.end_lineno or 1) - 1].partition("  # ")[2] or below


@pytest.mark.parametrize("path", PACKAGES)
def test_a_constant_in_seconds_says_so_in_its_name(path: str) -> None:
    named = [(file.name, name) for file in python_files(path) for name in durations(file)]
    assert [one for one in named if one[0] != "requests.py" and not one[1].endswith("_S")] == []
    assert [one for one in named if one[1].endswith("_S")]


@pytest.mark.parametrize("path", PACKAGES)
def test_a_name_that_says_seconds_is_of_seconds(path: str) -> None:
    wrong = [
        f"{file}:{node.lineno} {name}"
        for file in python_files(path)
        for node, name, text in constants(file)
        if re.search("[A-Z]_S$", name) and not (is_number(node.value) and re.match("seconds|$", text, re.I))
    ]
    assert wrong == []


def test_a_class_name_means_one_thing() -> None:
    found: dict[str, list[str]] = {}
    for path in python_files(*PACKAGES):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(f"{path}:{node.lineno}")
    assert not {name: places for name, places in found.items() if len(places) > 1}


NO_NOUN = re.compile(
    r"(One|What|Where|When|How|Who|Something|Somebody|Whatever|Those|It|That|This|Everything|Implements|"
    r"Reads|Makes|Speaks|Gives|Writes|Brings|Turns|Finds|Keeps|Answers|Runs|Stores|Asks|Tells|Looks|For|By)\b"
)
"""Openings that are clauses, or say what a class does before what it is."""


@pytest.mark.parametrize("package", PACKAGES)
def test_the_docstring_of_a_class_begins_with_a_noun(package: str) -> None:
    classes = [
        (f"{path}:{node.lineno}", ast.get_docstring(node) or "")
        for path in python_files(package)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
    ]
    assert [f"{where}: {text.splitlines()[0]}" for where, text in classes if NO_NOUN.match(text)] == []
