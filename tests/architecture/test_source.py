"""Rules about the text of the project that no linter keeps."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT, parsed, python_files

LONGEST = 500
TEXT_PLACES = ("Makefile", "README.md", "CHANGELOG.md", "pyproject.toml", "requirements.lock")
TEXT_FOLDERS = (".ci", "config", "docs", "tests", *PACKAGES)
STARTS_PROGRAMS = {"run", "Popen", "call", "check_call", "check_output"}
RUNS_TEXT = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "eval", "exec"}
"""Calls that hand text to a shell or to Python."""


def text_files() -> list[Path]:
    under = [path for folder in TEXT_FOLDERS for path in (ROOT / folder).rglob("*")]
    kept = [path for path in under if path.is_file() and "__pycache__" not in path.parts]
    return [*(ROOT / place for place in TEXT_PLACES), *kept]


def runs_text(tree: ast.Module) -> list[int]:
    """The lines that start a shell on text, or run text as Python."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            starts = function.split(".")[-1] in STARTS_PROGRAMS
            shell = any(word.arg == "shell" and not _is_false(word.value) for word in node.keywords)
            if (starts and shell) or function in RUNS_TEXT:
                lines.append(node.lineno)
    return lines


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def test_no_python_file_is_too_long_to_read() -> None:
    sizes = {path: len((ROOT / path).read_text().splitlines()) for path in python_files(*PACKAGES, "tests")}
    assert {path: size for path, size in sizes.items() if size > LONGEST} == {}


def test_programs_are_started_with_argument_lists_only() -> None:
    wrong = [f"{path}:{line}" for path in python_files(*PACKAGES) for line in runs_text(parsed(path))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("text", ["run(x, shell=True)", "run(x, shell=y)", "os.system(x)", "eval(x)"])
def test_the_search_for_shells_finds_one(text: str) -> None:
    assert runs_text(ast.parse(text)) == [1]


def test_an_argument_called_shell_that_is_false_is_no_shell() -> None:
    assert runs_text(ast.parse("run(x, shell=False)")) == []


def test_no_file_names_a_directory_of_the_machine_it_was_written_on() -> None:
    places = [f"{ROOT}/".encode(), f"{Path.home()}/.".encode()]
    wrong = [
        str(path.relative_to(ROOT))
        for path in text_files()
        if any(place in path.read_bytes() for place in places)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["requirements.lock", "Makefile", ".ci/setup", ".ci/lock", ".ci/run"])
def test_packages_come_from_whatever_index_the_machine_has(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not [word for word in ("://", "index-url", "trusted-host", "find-links") if word in text]


def test_every_locked_package_has_hashes() -> None:
    entries = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    packages = [entry for entry in entries if entry and not entry.startswith("#")]
    assert packages
    assert [entry for entry in packages if "==" not in entry or "--hash=sha256:" not in entry] == []


GUARDED = ("os.posix_spawn", "os.POSIX_SPAWN_DUP2")
"""Newer than Python 3.6, and used only after hasattr() found them."""


def vermin(*places: Path) -> subprocess.CompletedProcess[str]:
    options = ["--target=3.6-", "--violations", "--no-tips", "--eval-annotations"]
    program = Path(sys.executable).with_name("vermin")
    for name in GUARDED:
        options += ["--exclude", name]
    return subprocess.run([program, *options, *places], capture_output=True, text=True)


def unions(tree: ast.Module) -> list[int]:
    """The lines with an annotation such as `int | None`, which vermin lets pass."""
    annotations = [
        getattr(node, name)
        for node in ast.walk(tree)
        for name in ("annotation", "returns")
        if getattr(node, name, None) is not None
    ]
    inner = [node for annotation in annotations for node in ast.walk(annotation)]
    return [node.lineno for node in inner if isinstance(node, ast.BinOp)]


def test_the_node_code_keeps_to_python_3_6() -> None:
    result = vermin(ROOT / "wrappers")
    assert result.returncode == 0, result.stdout
    assert [f"{path}:{line}" for path in python_files("wrappers") for line in unions(parsed(path))] == []


@pytest.mark.parametrize("text", ["if (n := 1): ...", "import dataclasses", "def f(x: list[int]): ..."])
def test_the_check_of_the_python_floor_can_fail(text: str, tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(text + "\n")
    result = vermin(tmp_path)
    assert result.returncode == 1
    assert "Target versions not met" in result.stdout


def test_a_union_type_is_found_in_an_annotation() -> None:
    text = "def f(x: 'str', y: int | None) -> int: ...\nz: List[a | b] = 1\nq = 1 | 2\n"
    assert sorted(unions(ast.parse(text))) == [1, 2]
