"""What an accepted invocation becomes: command line, paths, configuration files, environment, names."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.planning import CompiledTool, InvocationError
from tests.planning.samples import file, flag, number, text, tool_of

OPTIONAL = {"optional": True}


def line(compiled: CompiledTool, **invocation: Any) -> str:
    return compiled.expand(invocation).command_line


def paths(compiled: CompiledTool, *, stage: bool = False, **invocation: Any) -> dict[str, str]:
    return {one.id: one.path for one in compiled.expand(invocation, stage=stage).output_files}


def staged(compiled: CompiledTool, **invocation: Any) -> str:
    return compiled.expand(invocation, stage=True).command_line


def out(template: str, **more: Any) -> list[dict[str, Any]]:
    return [{"id": "o", "path-template": template, **more}]


def test_an_absent_value_takes_the_space_before_it_along() -> None:
    compiled = tool_of(
        "tool [A] [B] x[C]", text("a", **OPTIONAL), text("b", **OPTIONAL), text("c", **OPTIONAL)
    )
    assert line(compiled) == "tool x"
    assert line(compiled, b="y") == "tool y x"


def test_flags_separators_and_lists() -> None:
    compiled = tool_of(
        "tool [A] [B] [F] [L]",
        text("a", **{"command-line-flag": "-a"}),
        number("b", **OPTIONAL, **{"command-line-flag": "--b", "command-line-flag-separator": "="}),
        flag("f"),
        text("l", list=True, **OPTIONAL, **{"list-separator": " -l ", "command-line-flag": "-l"}),
    )
    assert (
        line(compiled, a="x y", b=1e-7, f=True, l=["p", "q r"]) == "tool -a 'x y' --b=1e-07 -f -l p -l 'q r'"
    )
    assert line(compiled, a="", f=False) == "tool -a ''"


def test_a_value_is_never_read_for_keys() -> None:
    compiled = tool_of("tool [A] [B]", text("a"), text("b"))
    assert line(compiled, a="[B]", b="x") == "tool '[B]' x"


def test_a_shared_key_takes_the_input_that_has_a_value() -> None:
    shared = {"value-key": "[X]", **OPTIONAL}
    compiled = tool_of("tool [X]", text("a", **shared), text("b", **shared))
    assert line(compiled, b="y") == "tool y"
    assert line(compiled, a="x") == "tool x"


def test_a_path_takes_base_names_and_strips_extensions() -> None:
    stripped = {"path-template-stripped-extensions": [".nii.gz", ".nii"]}
    compiled = tool_of("tool [A]", file("a"), outputs=out("r/[A]_brain.nii", **stripped))
    assert paths(compiled, a="/data/s.1/in.nii.gz") == {"o": "r/in_brain.nii"}
    leading = tool_of("tool [A]", file("a"), outputs=out("[A]_brain"))
    assert paths(leading, a="/data/in") == {"o": "/data/in_brain"}
    assert paths(leading, a="/data/in", stage=True) == {"o": "in_brain"}


def test_a_path_may_use_another_output_whatever_their_order() -> None:
    both = [
        {"id": "log", "path-template": "[OUT].log"},
        {"id": "out", "path-template": "[A]/x", "value-key": "[OUT]"},
    ]
    compiled = tool_of("tool [OUT]", text("a"), outputs=both)
    assert paths(compiled, a="d") == {"log": "d/x.log", "out": "d/x"}
    assert line(compiled, a="d e") == "tool 'd e/x'"


def test_an_output_that_names_an_absent_input_is_not_expected_of_a_job() -> None:
    compiled = tool_of("tool [A] [B]", text("a"), text("b", **OPTIONAL), outputs=out("[B].txt"))
    assert paths(compiled, a="x") == {"o": "[B].txt"}
    assert paths(compiled, a="x", stage=True) == {}


def test_wildcards_of_a_value_match_only_themselves() -> None:
    compiled = tool_of("tool [A]", text("a"), outputs=out("[A]/*.txt"))
    assert paths(compiled, a="run[1]", stage=True) == {"o": "run[[]1]/*.txt"}
    assert paths(compiled, a="run1", stage=True) == {"o": "run1/*.txt"}


@pytest.mark.parametrize("value", ["/etc/x", "../x", "a/../../x", ".."])
def test_a_path_outside_of_the_jobs_directory_is_refused_at_submission(value: str) -> None:
    compiled = tool_of("tool [A]", text("a"), outputs=out("[A]"))
    assert paths(compiled, a=value) == {"o": value}
    with pytest.raises(InvocationError, match=r"output o: .* is outside of the job's directory"):
        compiled.expand({"a": value}, stage=True)


@pytest.mark.parametrize("value", ["", "./", "a/.."])
def test_an_empty_path_is_refused_at_submission(value: str) -> None:
    compiled = tool_of("tool [A]", text("a"), outputs=out("[A]"))
    with pytest.raises(InvocationError, match="output o: its path is empty"):
        compiled.expand({"a": value}, stage=True)


CONDITIONS = [
    ({"n": 11, "t": "x"}, "large"),
    ({"n": 3, "t": "x"}, "x"),
    ({"n": 3, "t": "y", "f": False}, "other"),
    ({"n": 3, "t": "y", "f": True}, "flagged"),
    ({"t": "10.5"}, "text"),
    ({"t": "y"}, "default"),
]


@pytest.mark.parametrize(("values", "path"), CONDITIONS)
def test_the_first_condition_that_holds_gives_the_path(values: dict[str, Any], path: str) -> None:
    conditions = [
        {"n > 10 and (t == 'x')": "large"},
        {"n<=10 and t == x": "x"},
        {"f == true": "flagged"},
        {"f": "other"},
        {"t > 10": "text"},
        {"default": "default"},
    ]
    compiled = tool_of(
        "tool [N] [T] [F]",
        number("n", **OPTIONAL),
        text("t", **OPTIONAL),
        flag("f"),
        outputs=[{"id": "o", "conditional-path-template": conditions}],
    )
    assert paths(compiled, **values) == {"o": path}


def test_an_output_of_which_no_condition_holds_is_not_made() -> None:
    outputs = [{"id": "o", "optional": True, "conditional-path-template": [{"n > 1": "x"}]}]
    assert paths(tool_of("tool [N]", number("n"), outputs=outputs), n=0) == {}


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('x')",
        "n.real",
        "n[0]",
        "(lambda: 1)()",
        "n + 1",
        "[n]",
        "n if n else n",
        "f'{n}'",
        "n =",
    ],
)
def test_an_expression_is_never_evaluated_as_python(expression: str) -> None:
    outputs = [{"id": "o", "conditional-path-template": [{expression: "x"}]}]
    with pytest.raises(Exception, match="is not made of and, or, not, comparisons"):
        tool_of("tool [N]", number("n"), outputs=outputs)


def test_a_configuration_file_is_data() -> None:
    lines = ["# [A]", "b = [B]", "f = [F]", "end"]
    compiled = tool_of(
        "tool [C]",
        text("a"),
        number("b", **OPTIONAL),
        flag("f"),
        outputs=[{"id": "c", "path-template": "./conf/x.ini", "value-key": "[C]", "file-template": lines}],
    )
    found = compiled.expand({"a": "x y", "f": False})
    assert found.config_files == {"conf/x.ini": "# x y\n\nf = False\nend"}
    assert found.command_line == "tool ./conf/x.ini"


def test_a_variable_may_hold_values_and_is_not_set_without_them() -> None:
    variables = [
        {"name": "FIXED", "value": "x"},
        {"name": "ONE", "value": "[A]"},
        {"name": "PART", "value": "v-[N]/[A]"},
        {"name": "NONE", "value": "[B]"},
    ]
    compiled = tool_of("tool", text("a"), number("n"), text("b", **OPTIONAL), environment_variables=variables)
    found = compiled.expand({"a": "x'; touch y; '", "n": 2})
    assert found.environment == {"FIXED": "x", "ONE": "x'; touch y; '", "PART": "v-2/x'; touch y; '"}


def test_a_job_sees_its_files_under_their_bare_names() -> None:
    compiled = tool_of("tool [A] [B] [L]", file("a"), text("b"), file("l", list=True))
    found = compiled.expand({"a": "d/in.nii", "b": "d/text", "l": ["x/1.nii", "lfn:/vo/2.nii"]}, stage=True)
    assert found.command_line == "tool in.nii d/text 1.nii 2.nii"
    assert found.invocation == {"a": "in.nii", "b": "d/text", "l": ["1.nii", "2.nii"]}
    assert [tuple(one) for one in found.inputs] == [
        ("a", "d/in.nii", "in.nii"),
        ("l", "x/1.nii", "1.nii"),
        ("l", "lfn:/vo/2.nii", "2.nii"),
    ]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://h/d/my%20scan.nii?token=x#y", "my scan.nii"),
        ("girder:/scan.nii?fileId=1", "scan.nii"),
        ("file:///d/a?b.nii", "a?b.nii"),
        ("s3://bucket/a%20b", "a%20b"),
        ("/d/dir/", "dir"),
        ("C:x", "C:x"),
        ("a?b", "a?b"),
    ],
)
def test_a_url_has_the_name_of_its_file(source: str, name: str) -> None:
    found = tool_of("tool [A]", file("a")).expand({"a": source}, stage=True)
    assert found.inputs[0].name == name
    assert found.inputs[0].source == source


@pytest.mark.parametrize("source", ["", "/", "..", "d/..", ".", "https://h/%2e%2e", "https://h/"])
def test_a_source_without_a_usable_name_is_refused(source: str) -> None:
    compiled = tool_of("tool [A]", file("a"))
    with pytest.raises(InvocationError, match=r"input a: .* has no file name"):
        compiled.expand({"a": source}, stage=True)


def test_files_of_one_name_go_to_numbered_directories() -> None:
    compiled = tool_of("tool [A] [B] [C]", file("a"), file("b"), file("c"))
    assert staged(compiled, a="x/s.nii", b="y/s.nii", c="z/t.nii") == "tool 1/s.nii 2/s.nii t.nii"
    assert staged(compiled, a="x/s.nii", b="x/s.nii", c="t") == "tool s.nii s.nii t"
    assert staged(compiled, a="x/s", b="y/s", c="z/1") == "tool 2/s 3/s 1"


def test_a_file_cannot_take_the_place_of_the_invocation_or_a_configuration_file() -> None:
    config = [{"id": "c", "path-template": "x.ini", "file-template": ["y"]}]
    compiled = tool_of("tool [A] [B]", file("a"), file("b"), outputs=config)
    assert staged(compiled, a="d/input_params.json", b="d/x.ini") == "tool 1/input_params.json 1/x.ini"


def test_an_absolute_path_holds_wherever_the_tool_goes(tmp_path: Path) -> None:
    compiled = tool_of(
        "cd sub && cat [A] > [OUT] && echo '[A]' \"[A]\"",
        file("a", **{"uses-absolute-path": True}),
        outputs=out("r.txt", **{"value-key": "[OUT]", "uses-absolute-path": True}),
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "my file").write_text("content")
    command = staged(compiled, a="/d/my file")
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, stdout=subprocess.PIPE, check=True, timeout=60)
    assert (tmp_path / "r.txt").read_text() == "content"
    assert done.stdout.decode() == f"{tmp_path}/my file {tmp_path}/my file\n"
    assert paths(compiled, a="/d/my file", stage=True) == {"o": "r.txt"}


def run_as_a_job(compiled: CompiledTool, job: Path, start: Path, **invocation: Any) -> str:
    """What a staged command line prints, run as the wrapper runs it: a script in the job's directory."""
    for name, content in (("x", "content"), ("input_params.json", "{}")):
        (job / name).write_text(content)
    (job / "script").write_text(staged(compiled, **invocation))
    done = subprocess.run(
        ["sh", str(job / "script")], cwd=start, stdout=subprocess.PIPE, timeout=60, check=True
    )
    return done.stdout.decode()


def test_files_are_found_when_the_tool_starts_in_a_directory_of_its_image(tmp_path: Path) -> None:
    image = {"type": "docker", "image": "i", "working-directory": "/opt"}
    compiled = tool_of("pwd && cat [A]", file("a"), container_image=image)
    job, start = tmp_path / "my job", tmp_path / "opt"
    for directory in (job, start):
        directory.mkdir()
    assert run_as_a_job(compiled, job, start, a="d/x") == f"{start}\ncontent"


def test_a_variable_of_the_container_may_hold_the_jobs_directory(tmp_path: Path) -> None:
    image = {"type": "docker", "image": "i", "container-opts": ["-e", "HOME=$PWD", "-e", "D=a b/${PWD}/c;d"]}
    compiled = tool_of('echo $HOME "$D"', container_image=image)
    job = tmp_path / "job"
    job.mkdir()
    assert run_as_a_job(compiled, job, job) == f"{job} a b/{job}/c;d\n"


def test_compat_shows_the_faults_of_the_reference_library() -> None:
    tool = tool_of("tool '[A]' [B]", text("a"), text("b")).tool
    assert line(CompiledTool(tool, compat=True), a="[B]", b="x") == "tool ''x'' x"
    assert line(CompiledTool(tool), a="[B]", b="x") == "tool '[B]' x"
