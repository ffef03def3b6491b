"""The measuring of the tests itself: which faults are made, and that a checkout is never touched by them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, python_files
from tests.mutation.__main__ import chosen_tests, equivalents, noticed, possible
from tests.mutation.areas import AREAS, Area
from tests.mutation.checkout import Copy
from tests.mutation.operators import mutants
from tests.mutation.recording import Recording

MODULE = b"def larger(a: int | None, b: int) -> bool:\n    return (a or 0) > b\n"
TESTS = """
from engine.domain.some import larger

def test_larger():
    assert larger(2, 1)
    assert not larger(None, 1)
"""


def faults(text: str) -> list[str]:
    return [one.after for one in mutants("x.py", text.encode())]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("LIMIT = 5", ["6"]),
        ("def f():\n flush()", ["pass"]),
        ("def f():\n raise E", ["pass"]),
        ("def f():\n n += 1", ["pass", "2"]),
        ("def f():\n return x", ["None"]),
        ("def f():\n if a < b: g = x", ["((a) <= (b))", "(not (a < b))"]),
        ("def f():\n g = a and b", ["((a) or (b))", "((a))", "((b))"]),
        (
            "def f():\n g = a or b or c",
            ["((a) and (b) and (c))", "((a) or (b))", "((a) or (c))", "((b) or (c))"],
        ),
        ("def f():\n g = not a", ["bool(a)"]),
        ("def f():\n try: x = a\n except (A, B): x = b", ["(A,)", "(B,)"]),
        ("def f():\n g = isinstance(a, A | B)", ["A", "B"]),
        ("def f():\n g = isinstance(a, (A, B))", ["(A,)", "(B,)"]),
        ("def f():\n g = a in (1, 2)", ["(1,)", "(2,)", "((a) not in ((1, 2)))", "2", "3"]),
        ("def f():\n g = [a for a in b if a]", ["(not (a))"]),
        ("def f():\n g = a + b", ["((a) - (b))"]),
        ("def f():\n g = min(a, b)", ["max"]),
        ("def f():\n g = True", ["False"]),
        ("def f():\n for a in b: continue", ["break"]),
        ("class A:\n x = 1\n def f(self):\n  g()", ["pass"]),
    ],
)
def test_a_fault_is_a_step_an_alternative_or_a_limit_that_is_wrong(text: str, made: list[str]) -> None:
    assert sorted(faults(text)) == sorted(made)


@pytest.mark.parametrize(
    "text",
    [
        "def f(a: 'A | B' = None) -> 'A | B': ...",
        'def f():\n "what it does"',
        "def f():\n log.warning('%s', 5)",
        "@decorated(1)\ndef f(): ...",
        "if TYPE_CHECKING:\n import x",
        "def f():\n g = 'a' + b",
        "def f():\n return None",
        "TABLE = column(255)",
    ],
)
def test_what_nothing_depends_on_is_left_alone(text: str) -> None:
    assert faults(text) == []


def test_every_fault_of_the_code_can_be_compiled_and_is_another_text() -> None:
    count = 0
    for path in python_files("engine/reconcile", "wrappers/node"):
        source = (ROOT / path).read_bytes()
        for one in mutants(str(path), source)[::20]:
            changed = one.applied(source)
            assert changed != source
            ast.parse(changed)
            count += 1
    assert count > 50


def test_an_equivalent_has_a_reason() -> None:
    assert equivalents("# a comment\n\na.py | x | y | the same\n") == {("a.py", "x", "y")}
    for line in ("a.py | x | y", "a.py | x | y | "):
        with pytest.raises(SystemExit, match="PATH"):
            equivalents(line)


def test_areas_name_what_is_there() -> None:
    for area in AREAS.values():
        assert all((ROOT / path).exists() for path in (*area.code, *area.tests))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with a module and its test."""
    root = tmp_path / "project"
    files = {
        "engine/__init__.py": "",
        "engine/domain/__init__.py": "",
        "engine/domain/some.py": MODULE.decode(),
        "tests/domain/test_some.py": TESTS,
        ".venv/bin/python": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
        ".gitignore": ".venv\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / ".venv/bin/python").chmod(0o755)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


@pytest.mark.whole
def test_a_fault_that_tests_notice_is_told_from_one_that_they_do_not(project: Path, tmp_path: Path) -> None:
    area = Area(("engine/domain",), ("tests/domain",))
    copy = Copy(project, tmp_path / "kept")
    assert copy.pytest(["tests/domain"], 60) == 0
    recording = Recording(copy, "domain", area)
    recording.seconds = {"tests/domain/test_some.py::test_larger": 0.1}
    recording.reached = {("engine/domain/some.py", 2): list(recording.seconds)}
    found = {}
    for one in possible(copy, area):
        if one.after in ("None", "((a or 0) >= (b))", "1"):
            found[one.after] = noticed(copy, one, chosen_tests(one, recording), 0.1)
    assert found == {"None": True, "((a or 0) >= (b))": False, "1": False}
    assert (copy.path / "engine/domain/some.py").read_bytes() == MODULE
    assert (project / "engine/domain/some.py").read_bytes() == MODULE


def test_an_interrupted_fault_is_in_no_checkout_and_in_the_copy_no_longer(
    project: Path, tmp_path: Path
) -> None:
    copy = Copy(project, tmp_path / "kept")
    [one, *_] = mutants("engine/domain/some.py", MODULE)
    with pytest.raises(KeyboardInterrupt), copy.with_fault(one):
        assert (copy.path / one.path).read_bytes() != MODULE
        raise KeyboardInterrupt
    assert (copy.path / one.path).read_bytes() == MODULE
    (copy.path / one.path).write_bytes(b"killed")
    (copy.path / "engine/domain/gone.py").write_text("of before")
    Copy(project, tmp_path / "kept")
    assert (copy.path / one.path).read_bytes() == MODULE
    assert not (copy.path / "engine/domain/gone.py").exists()
    assert (project / one.path).read_bytes() == MODULE


@pytest.mark.whole
def test_tests_that_do_not_end_have_noticed(project: Path, tmp_path: Path) -> None:
    (project / "tests/domain/test_some.py").write_text("import time\ndef test_it(): time.sleep(600)\n")
    copy = Copy(project, tmp_path / "kept")
    assert copy.pytest(["tests/domain"], 3.0) is None
