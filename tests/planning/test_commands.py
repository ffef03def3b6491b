"""`engine expand`, `engine lint` and `engine test`, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.cli import test as test_command
from engine.domain.tool import Tool, ToolTest
from engine.planning.selftests import ToolTestOutcome
from tests.planning.samples import descriptor_of, file, number

pytestmark = pytest.mark.whole

IMAGE = {"type": "docker", "image": f"docker.io/fsl/bet:6@sha256:{'0' * 64}"}


@pytest.fixture
def place(tmp_path: Path, home: Path) -> Path:
    """A directory with a descriptor."""
    bet = descriptor_of(
        "bet [INFILE] [FRAC]",
        file("infile"),
        number("frac", optional=True, maximum=1),
        outputs=[{"id": "brain", "path-template": "[INFILE]_brain"}],
        container_image=IMAGE,
    )
    (tmp_path / "bet.json").write_text(json.dumps(bet.data))
    return tmp_path


def engine(place: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine", *words],
        cwd=place, input=stdin, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_expand_prints_an_object_for_each_job(place: Path) -> None:
    (place / "i.json").write_text('{"infile": "d/a b.nii"}')
    done = engine(place, "expand", "bet.json", "i.json", "--cross", "frac=0.1,0.5")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = rows(done)
    assert first == {
        "index": 0,
        "invocation": {"infile": "d/a b.nii", "frac": 0.1},
        "command_line": "bet 'd/a b.nii' 0.1",
        "output_files": {"brain": "d/a b.nii_brain"},
        "config_files": {},
        "environment": {},
        "inputs": [{"id": "infile", "source": "d/a b.nii", "name": "a b.nii"}],
    }
    assert (second["index"], second["command_line"]) == (1, "bet 'd/a b.nii' 0.5")


def test_expand_shows_jobs_as_they_run(place: Path) -> None:
    done = engine(place, "expand", "bet.json", "--staged", "--set", "infile=d/a.nii")
    assert rows(done)[0]["command_line"] == "bet a.nii"


def test_expand_reads_lines_from_standard_input_and_goes_on_after_a_bad_one(place: Path) -> None:
    lines = '{"infile": "a"}\n{"infile": "b", "frac": 1.4}\n{"infile":\n{"infile": "c"}\n'
    done = engine(place, "expand", "bet.json", "-", stdin=lines)
    assert done.returncode == 2
    assert [row.get("command_line", row.get("error")) for row in rows(done)] == [
        "bet a",
        "standard input line 2, input frac: 1.4 is above the maximum 1",
        "standard input line 3, not JSON: the text ends too early",
        "bet c",
    ]


def test_expand_answers_while_more_lines_are_awaited(place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "engine", "expand", "bet.json", "-"],
        cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write('{"infile": "a"}\n{"infile": "b"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["command_line"] == "bet a"
        process.stdin.close()
        assert json.loads(process.stdout.readline())["command_line"] == "bet b"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["expand", "nothing.json", "i.json"], "engine: nothing.json: no such file"),
        (["expand", "bet.json", "nothing.json"], "engine: nothing.json: no such file"),
        (["expand", "bet.json"], "engine: there is no invocation"),
        (["expand", "half.json", "i.json"], "engine: half.json line 1: not JSON: the text ends too early"),
        (
            ["expand", "invalid.json", "i.json"],
            "engine: invalid.json: not a valid descriptor: description is missing",
        ),
        (["lint", "half.json"], "engine: half.json line 1: not JSON: the text ends too early"),
        (["test", "bet.json"], "engine: bet.json: it has no tests"),
        (["expand", "bet.json"], "give values with --set and --cross"),
        (
            ["expand", "bet.json", "--cross", "fraq=1"],
            "engine: --cross: sample has no input 'fraq' (did you mean frac?)",
        ),
        (
            ["expand", "bet.json", "--participants", "1"],
            "engine: --participants, --sessions, --bids-filter and --need need --bids",
        ),
    ],
)
def test_a_bad_request_is_one_clear_line_and_exit_code_2(words: list[str], told: str, place: Path) -> None:
    text = (place / "bet.json").read_text()
    (place / "half.json").write_text(text[:100])
    (place / "invalid.json").write_text(text.replace('"description"', '"x"'))
    done = engine(place, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_lint_prints_findings_and_fails_on_what_would_be_refused(place: Path) -> None:
    assert engine(place, "lint", "bet.json").returncode == 0
    data = json.loads((place / "bet.json").read_text())
    data["container-image"]["container-opts"] = ["-v", "/a:/b"]
    (place / "bet.json").write_text(json.dumps(data))
    done = engine(place, "lint", "bet.json", "--json")
    assert done.returncode == 2
    assert [(row["level"], row["rule"]) for row in rows(done)] == [("error", "container-option")]
    del data["container-image"]
    (place / "bare.json").write_text(json.dumps(data))
    done = engine(place, "lint", "bare.json")
    assert "runs on this machine only, with --runtime none; no portal launches it" in done.stdout


def test_the_tests_of_a_descriptor_are_run_and_compared(tmp_path: Path) -> None:
    result = tmp_path / "r"
    result.write_text("x")
    tool = Tool(
        "n", "1", "c", tests=(ToolTest("good", {"a": 1}, 0, (("o", None),)), ToolTest("bad", {"a": 2}, 1))
    )

    def run(test: ToolTest) -> ToolTestOutcome:
        return ToolTestOutcome(0, {"o": [result]} if test.invocation["a"] == 1 else {})

    found: Iterator[tuple[str, list[str]]] = test_command.results(tool, run)
    assert list(found) == [("good", []), ("bad", ["exit code 0 instead of 1"])]


def test_a_descriptors_tests_run_without_a_container_too(place: Path) -> None:
    data = json.loads((place / "bet.json").read_text())
    data["command-line"] = "cp [INFILE] [INFILE]_brain"
    del data["container-image"]
    data["inputs"] = data["inputs"][:1]
    assertions = {
        "exit-code": 0,
        "output-files": [{"id": "brain", "md5-reference": "9a0364b9e99bb480dd25e1f0284c8555"}],
    }
    data["tests"] = [
        {"name": "copies", "invocation": {"infile": "content"}, "assertions": assertions},
        {"name": "fails", "invocation": {"infile": "content"}, "assertions": {"exit-code": 3}},
    ]
    (place / "bet.json").write_text(json.dumps(data))
    (place / "content").write_text("content")
    done = engine(place, "test", "bet.json", "--runtime", "none", "--json")
    assert done.returncode == 1, done.stderr
    assert rows(done) == [
        {"test": "copies", "passed": True, "problems": []},
        {"test": "fails", "passed": False, "problems": ["exit code 0 instead of 3"]},
    ]
