"""Descriptors are found, read and validated, and refused in one clear line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadRequest, NotFound
from engine.planning import bosh, compile_tool, load_descriptor
from tests.planning.samples import descriptor_of, flag, number, text


def written(directory: Path, content: str) -> Path:
    path = directory / "tool.json"
    path.write_text(content)
    return path


def test_the_layout_of_a_descriptor_does_not_change_its_hash(tmp_path: Path) -> None:
    data = dict(descriptor_of("tool [A]", text("a")).data)
    one = load_descriptor(written(tmp_path, json.dumps(data)))
    other = load_descriptor(written(tmp_path, json.dumps(dict(reversed(data.items())), indent=3)))
    assert one.sha256 == other.sha256
    assert one.source.endswith("tool.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "a descriptor is a JSON object, this is an array"),
        ('{"infile": "a"}', "it has neither command-line nor inputs"),
        ('{"inputs": [', "line 1: not JSON: the text ends too early"),
    ],
)
def test_what_is_no_descriptor_is_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as refused:
        load_descriptor(written(tmp_path, content))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "name", ["zenodo.1234", "10.5281/zenodo.1234", "https://doi.org/10.5281/zenodo.1234"]
)
def test_a_zenodo_descriptor_is_taken_from_boshs_cache(name: str, home: Path) -> None:
    with pytest.raises(NotFound, match=r"zenodo\.1234: not in .*boutiques/production"):
        load_descriptor(name)
    cache = home / ".cache/boutiques/production"
    cache.mkdir(parents=True)
    (cache / "zenodo-1234.json").write_text(json.dumps(descriptor_of("tool [A]", text("a")).data))
    assert load_descriptor(name).data["name"] == "sample"


def test_problems_name_the_input_by_its_id() -> None:
    with pytest.raises(BadRequest) as refused:
        compile_tool(descriptor_of("tool [A]", text("a", minimum="x", type="Number")))
    assert refused.value.problems == (
        "sample.json: not a valid descriptor: inputs a minimum: 'x' where a number is needed",
    )


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(BadRequest) as refused:
        compile_tool(descriptor_of("tool", text("a"), flag("f", optional=False)))
    assert len(refused.value.problems) == 3


@pytest.mark.parametrize(
    "change", [{"inputs": []}, {"inputs": 3}, {"command-line": None}, {"groups": {}}, {"x": 1}]
)
def test_a_broken_descriptor_is_refused_and_never_crashes(change: dict[str, Any]) -> None:
    descriptor = descriptor_of("tool [A]", text("a"), **change)
    with pytest.raises(BadRequest, match=r"sample\.json: not a valid descriptor"):
        compile_tool(descriptor)


@pytest.mark.parametrize("missing", ["name", "tool-version", "inputs", "command-line"])
def test_an_unchecked_descriptor_that_is_broken_is_refused_too(missing: str) -> None:
    descriptor = descriptor_of("tool [A]", text("a"))
    del descriptor.data[missing]  # type: ignore[attr-defined]
    with pytest.raises(BadRequest, match="not a valid descriptor"):
        compile_tool(descriptor, check=False)


def test_descriptors_on_which_the_reference_validator_falls_over_are_valid() -> None:
    rootfs = {"type": "rootfs", "url": "https://example.org/root.tar"}
    assert bosh.problems(descriptor_of("tool [A]", text("a"), container_image=rootfs).data) == []
    conditional = [{"id": "o", "conditional-path-template": [{"a": "[A]"}, {"default": "x"}]}]
    assert bosh.problems(descriptor_of("tool [A]", text("a"), outputs=conditional).data) == []


def test_two_inputs_may_not_share_a_key_without_a_group() -> None:
    same = {"value-key": "[A]", "optional": True}
    data = descriptor_of("tool [A]", text("a", **same), number("b", **same)).data
    assert bosh.problems(data) == [
        "a and b share the value-key [A] without being in one mutually exclusive group"
    ]


def test_checking_does_not_change_the_descriptor() -> None:
    descriptor = descriptor_of("tool [A]", text("a"))
    before = json.dumps(descriptor.data)
    assert bosh.problems(descriptor.data) == []
    assert json.dumps(descriptor.data) == before


def test_the_reference_library_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, engine.planning; sys.exit('boutiques' in sys.modules or 'jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_descriptor_becomes_plain_values() -> None:
    tool = compile_tool(
        descriptor_of(
            "tool [A]",
            text("a"),
            doi="10.5281/zenodo.7",
            shell="/bin/bash",
            tags={"domain": ["neuro"]},
            custom={"vip:dot": ["a"]},
            container_image={
                "type": "singularity", "image": "o/i:1", "index": "docker://", "entrypoint": True,
                "container-opts": ["--nv"], "working-directory": "/w", "container-hash": "h",
            },
            error_codes=[{"code": 2, "description": "no such file"}],
            suggested_resources={"cpu-cores": 2, "ram": 1.5, "walltime-estimate": 60},
            environment_variables=[{"name": "X", "value": "[A]"}],
        )
    ).tool  # fmt: skip
    assert tool.image is not None
    assert (tool.image.type, tool.image.options, tool.image.entrypoint) == ("singularity", ("--nv",), True)
    assert (tool.resources.cores, tool.resources.ram, tool.resources.walltime) == (2, 1_500_000_000, 60)
    assert (tool.error_codes, tool.shell, tool.doi) == ({2: "no such file"}, "/bin/bash", "10.5281/zenodo.7")
    assert (tool.environment, tool.custom["vip:dot"]) == ((("X", "[A]"),), ["a"])
