"""The traps of real descriptors are found, and sound descriptors are left alone."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import BadRequest
from engine.planning import compile_tool
from engine.planning.lint import lint
from engine.planning.shell import top_level_separators
from tests.planning.conformance import descriptors, tools
from tests.planning.samples import descriptor_of, file, flag, number, text

IMAGE = {"type": "docker", "image": f"docker.io/fsl/bet:6.0@sha256:{'0' * 64}"}
RESULT = {"id": "o", "path-template": "[A]_out"}


def rules(line: str, *inputs: Any, outputs: Any = (RESULT,), **more: Any) -> set[tuple[str, str]]:
    descriptor = descriptor_of(
        line, *(inputs or (file("a"),)), outputs=outputs, **{"container_image": IMAGE, **more}
    )
    return {(found.level, found.rule) for found in lint(compile_tool(descriptor), descriptor.data)}


def test_a_sound_descriptor_is_left_alone() -> None:
    assert rules("bet [A]") == set()
    assert rules("set -e; x; bet [A]") == set()
    assert rules('if [ -f [A] ]; then bet [A]; else echo "no; file"; fi') == set()
    assert rules("[[ -f [A] ]] && x=(1 2)", shell="/bin/bash") == set()


@pytest.mark.parametrize(
    ("asked", "warned"),
    [
        ({"cpu-cores": 2, "ram": 1.5, "disk-space": 3, "walltime-estimate": 60, "nodes": 1}, False),
        ({"gpus": 1}, True),
        ({"memory": 4}, True),
        ({"nodes": 2}, True),
    ],
)
def test_a_resource_that_nobody_looks_at_is_told(asked: dict[str, float], warned: bool) -> None:
    assert (("warning", "unused-resource") in rules("bet [A]", suggested_resources=asked)) is warned


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("bet [A] &> log", "bash-syntax"),
        ("if [[ -f [A] ]]; then x; fi", "bash-syntax"),
        ("bet <(cat [A])", "bash-syntax"),
        ("x=(1 2) && bet [A]", "bash-syntax"),
        ("set -o pipefail && bet [A]", "bash-syntax"),
        ("bet [A]; tar cf o.tar .", "hidden-failure"),
        ("bet [A]\ntar cf o.tar .", "hidden-failure"),
        ("bet '[A]'", "quoted-key"),
        ('bet "[A]"', "quoted-key"),
        ("sh -c 'bet [A]'", "exposed-value"),
        ("for f in $(ls); do bet $f [A]; done", "spaces"),
    ],
)
def test_a_trap_of_the_command_line_is_found(line: str, rule: str) -> None:
    assert ("warning", rule) in rules(line)


@pytest.mark.parametrize(
    ("output", "finding"),
    [
        ({"path-template": "result.nii"}, ("warning", "constant-output")),
        ({"path-template": "/data/[A]"}, ("error", "output-elsewhere")),
        ({"path-template": "../[A]"}, ("error", "output-elsewhere")),
        ({"path-template": "my [A]"}, ("warning", "spaces")),
        (
            {"path-template": "[A]", "path-template-stripped-extensions": [".nii", ".nii.gz"]},
            ("warning", "stripped-extensions"),
        ),
        (
            {"optional": False, "conditional-path-template": [{"f": "[A]"}, {"default": "[A]x"}]},
            ("warning", "lone-flag"),
        ),
    ],
)
def test_a_trap_of_an_output_is_found(output: Any, finding: tuple[str, str]) -> None:
    assert finding in rules("bet [A] [F]", file("a"), flag("f"), outputs=[{"id": "o", **output}])


@pytest.mark.parametrize("path", ["*.nii", "x/[A].nii", "sub-?/x"])
def test_an_output_with_a_key_or_a_wildcard_is_not_constant(path: str) -> None:
    assert ("warning", "constant-output") not in rules(
        "bet [A]", outputs=[{"id": "o", "path-template": path}]
    )


@pytest.mark.parametrize(
    ("image", "finding"),
    [
        ({"image": "fsl/bet:6.0@sha256:x"}, ("warning", "no-registry")),
        ({"image": "docker.io/fsl/bet:6.0"}, ("warning", "no-digest")),
        ({"image": "bet", "index": "shub://", "type": "singularity"}, ("error", "no-registry")),
        ({"container-opts": ["--ulimit", "x"]}, ("warning", "container-option")),
        ({"container-opts": ["-v", "/a:/b"]}, ("error", "container-option")),
    ],
)
def test_a_trap_of_the_image_is_found(image: Any, finding: tuple[str, str]) -> None:
    assert finding in rules("bet [A]", container_image={**IMAGE, **image})


def test_traps_of_inputs_are_found() -> None:
    default = file("a", optional=True, **{"default-value": "/vip/Home/x"})
    assert ("warning", "file-default") in rules("bet [A]", default)
    assert ("warning", "unused-input") in rules("bet [A]", file("a"), {"id": "b", "type": "String"})
    spaced = number("n", optional=True, **{"command-line-flag": "-n "})
    assert ("warning", "spaces") in rules("bet [A] [N]", file("a"), spaced)
    assert ("warning", "invocation-schema") in rules("bet [A]", invocation_schema={"type": "object"})
    assert ("warning", "exposed-value") in rules("sh -c [T]", text("t"), outputs=())


def test_outputs_whose_paths_name_themselves_are_found() -> None:
    outputs = [
        {"id": "o", "value-key": "[O]", "path-template": "[P]_[A]"},
        {"id": "p", "value-key": "[P]", "path-template": "[O]_[A]"},
        {"id": "q", "path-template": "[O]_[A]_q"},
    ]
    assert ("warning", "output-circle") in rules("bet [A] [O] [P]", outputs=outputs)
    itself = [{"id": "o", "value-key": "[O]", "path-template": "[O]_[A]"}]
    assert ("warning", "output-circle") in rules("bet [A] [O]", outputs=itself)
    outputs[1]["path-template"] = "[A]_p"
    assert ("warning", "output-circle") not in rules("bet [A] [O] [P]", outputs=outputs)


@pytest.mark.parametrize(
    ("limits", "is_empty"),
    [
        ({"integer": True, "minimum": 1.2, "maximum": 1.8}, True),
        ({"integer": True, "minimum": 1, "maximum": 2, "exclusive-minimum": True}, False),
        ({"integer": True, "minimum": 1, "maximum": 1}, False),
        ({"minimum": 1, "maximum": 1, "exclusive-maximum": True}, True),
        (
            {
                "integer": True,
                "minimum": 1,
                "maximum": 2,
                "exclusive-minimum": True,
                "exclusive-maximum": True,
            },
            True,
        ),
        ({"minimum": 1.2, "maximum": 1.8}, False),
        ({"integer": True, "minimum": 3}, False),
    ],
)
def test_a_number_that_no_value_fits_is_found(limits: dict[str, Any], is_empty: bool) -> None:
    found = rules("bet [A] [N]", file("a"), number("n", **limits))
    assert (("warning", "empty-range") in found) is is_empty


def test_a_test_that_names_an_input_that_is_not_there_is_found() -> None:
    test = {"name": "t", "invocation": {"b": 1}, "assertions": {"exit-code": 0}}
    assert ("warning", "broken-test") in rules("bet [A]", tests=[test])
    assert ("warning", "broken-test") not in rules("bet [A]", tests=[{**test, "invocation": {"a": "x"}}])


def test_a_line_of_a_json_file_that_a_value_left_out_empties_is_found() -> None:
    config = {"id": "c", "path-template": "c.json", "file-template": ["{", '"a": [T]', "}"]}
    assert ("warning", "configuration-line") in rules("bet [T]", text("t", optional=True), outputs=[config])
    assert ("warning", "configuration-line") not in rules("bet [T]", text("t"), outputs=[config])
    assert ("warning", "configuration-line") not in rules(
        "bet [T]", text("t", optional=True), outputs=[{**config, "path-template": "c.txt"}]
    )


def test_a_file_that_is_staged_or_an_input_that_a_condition_names_is_used() -> None:
    assert ("warning", "unused-input") not in rules("bet [A]", file("a"), {"id": "b", "type": "File"})
    outputs = [{"id": "o", "conditional-path-template": [{"b == 1": "x"}, {"default": "y"}]}]
    used = rules("bet [A]", file("a"), {"id": "b", "type": "Number"}, outputs=outputs)
    assert ("warning", "unused-input") not in used


@pytest.mark.parametrize("line", ["bet [A] [[NIPOPPY_ID]]", "bet [A] [OUTPUT_DIR]", "bet [A] '[[x]]'"])
def test_what_looks_like_a_key_and_is_none_is_found_and_is_no_bash(line: str) -> None:
    found = rules(line, file("a"))
    assert ("warning", "placeholder") in found
    assert ("warning", "bash-syntax") not in found


@pytest.mark.parametrize(
    "line", ["bet [[A]]", "bet [A] x[0-9]", "bet [A] [A-Z]*", "if [[ -n [A] ]]; then bet; fi"]
)
def test_what_is_a_key_or_shell_is_no_placeholder(line: str) -> None:
    assert ("warning", "placeholder") not in rules(line, file("a"))


@pytest.mark.parametrize(
    ("command", "count"),
    [
        ("a", 0),
        ("a;", 0),
        ("a; b", 1),
        ("a && b || c", 0),
        ("echo 'a; b'", 0),
        ("x=$(a; b)", 0),
        ("a # b; c\nd", 1),
        ("for x in a b; do c; done && d", 0),
        ("for x in a b; do c; done; d", 1),
        ("a \\; b", 0),
    ],
)
def test_commands_after_a_semicolon_are_counted(command: str, count: int) -> None:
    assert top_level_separators(command) == count


def test_every_conformance_descriptor_can_be_linted() -> None:
    rules = set()
    for key, compiled in tools().items():
        for found in lint(compiled, descriptors()[key].data):
            rules.add(found.rule)
            assert found.level in ("error", "warning")
            assert found.message
            assert "\n" not in found.message
    assert len(rules) > 15


@pytest.mark.parametrize(
    ("line", "more", "expected"),
    [
        ("bet '[A]", {}, ("error", "open-quote")),
        ("echo \"it's; bet [A]", {}, ("error", "open-quote")),
        ("bet [A]", {"shell": "/bin/sh -e"}, ("error", "shell-options")),
        ("bet [A]", {"outputs": ({"id": "o", "path-template": "./."},)}, ("error", "output-elsewhere")),
        (
            "bet [A]",
            {"environment-variables": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]},
            ("warning", "variable-twice"),
        ),
    ],
)
def test_what_can_never_run_is_told(line: str, more: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in rules(line, **more)


def test_a_key_of_no_input_that_looks_like_one_is_told() -> None:
    loose = {key: value for key, value in text("b", optional=True).items() if key != "value-key"}
    assert ("warning", "placeholder") in rules("bet [A] [B]", file("a"), loose)


def test_quotes_of_comments_and_here_documents_are_no_open_ones() -> None:
    for line in ("bet [A] # don't", "cat <<E\nit's\nE\nbet [A]", 'bet [A] $(echo "a b")', "bet it\\'s [A]"):
        assert "open-quote" not in {rule for _, rule in rules(line)}, line


def test_no_real_descriptor_has_an_open_quote() -> None:
    for name, tool in tools().items():
        assert "open-quote" not in {one.rule for one in lint(tool, {})}, name


def test_a_command_line_with_nul_is_refused() -> None:
    with pytest.raises(BadRequest, match="command-line: a NUL character cannot be passed to a program"):
        compile_tool(descriptor_of("bet\0 [A]", file("a")))
