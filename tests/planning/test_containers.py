"""Container options are understood, ignored with a warning, or refused: never passed on unread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from engine.domain.tool import ContainerImage, Tool
from engine.planning import Requirements, container_requirements


def requirements(
    *options: str, type: str = "docker", family: str = "docker", custom: Mapping[str, Any] = {}
) -> Requirements:
    image = ContainerImage(type, "host/image:1", options=options)
    return container_requirements(Tool("n", "1", "c", image=image, custom=custom), family)


@pytest.mark.parametrize(
    ("type", "options"),
    [
        ("docker", ["--gpus", "all"]),
        ("docker", ["--gpus=all"]),
        ("docker", ["--nv"]),
        ("docker", ["--runtime=nvidia"]),
        ("docker", ["--device", "/dev/nvidia0"]),
        ("singularity", ["--nv"]),
        ("singularity", ["-e --nv"]),
    ],
)
def test_a_gpu_is_asked_for_in_many_ways(type: str, options: list[str]) -> None:
    found = requirements(*options, type=type)
    assert found == Requirements(gpu=True)


@pytest.mark.parametrize(
    "options",
    [
        ["--ulimit", "nofile=65536:65536"],
        ["--ulimit nofile=65536:65536"],
        ["--ulimit=nofile=65536:65536"],
        ["--ipc=host"],
        ["--shm-size", "2g"],
        ["-m", "4g"],
        ["-m4g"],
    ],
)
def test_what_only_some_runtimes_have_is_ignored_with_a_warning(options: list[str]) -> None:
    found = requirements(*options)
    assert len(found.warnings) == 1
    assert "ignored" in found.warnings[0]
    assert found.errors == []


@pytest.mark.parametrize(
    ("type", "options", "told"),
    [
        ("docker", ["-v", "/data:/data"], "container option -v /data:/data: files of the submitting machine"),
        ("docker", ["-v/data:/data"], "container option -v /data:/data"),
        ("docker", ["--volume=/data:/data"], "container option --volume /data:/data"),
        ("docker", ["--mount", "type=bind,src=/,dst=/x"], "container option --mount"),
        ("singularity", ["-B", "/data"], "container option -B /data"),
        ("singularity", ["--bind=/data"], "container option --bind /data"),
        ("docker", ["--privileged"], "container option --privileged: a job does not get such rights"),
        ("docker", ["--cap-add", "SYS_ADMIN"], "container option --cap-add SYS_ADMIN"),
        ("docker", ["--device=/dev/sda"], "container option --device /dev/sda"),
        ("docker", ["--frobnicate"], "container option --frobnicate: unknown here"),
        ("docker", ["image"], "container option image: unknown here"),
        ("docker", ["-e"], "container option -e: its value is missing"),
        ("docker", ["-e", "A=$HOME/x"], "variables of the submitting machine mean nothing on another"),
        ("docker", ["-e", "1A=x"], "'1A' is not the name of a variable"),
        ("docker", ["--entrypoint", "/init"], "only a shell can be the entry point"),
        ("docker", ["-w", "$DATA"], "variables of the submitting machine mean nothing on another"),
        ("docker", ["--env 'x"], "container-opts: No closing quotation"),
    ],
)
def test_what_a_job_cannot_have_is_an_error(type: str, options: list[str], told: str) -> None:
    found = requirements(*options, type=type)
    assert len(found.errors) == 1
    assert told in found.errors[0]


def test_variables_become_part_of_the_environment() -> None:
    assert requirements("-e", "A=b c", "-eD=e", "--env=F=g=h").environment == {
        "A": "b c",
        "D": "e",
        "F": "g=h",
    }
    assert requirements("--env", "A=b", "-e", type="singularity").environment == {"A": "b"}


@pytest.mark.parametrize(
    ("type", "options"),
    [
        ("docker", ["--rm", "-it", "--name", "x"]),
        ("docker", ["-w", "$PWD"]),
        ("docker", ["--entrypoint", ""]),
        ("docker", ["-u", "0"]),
        ("docker", ["-u $(id -u):$(id -g)"]),
    ],
)
def test_what_every_job_has_anyway_needs_no_word(type: str, options: list[str]) -> None:
    found = requirements(*options, type=type)
    assert (found.warnings, found.errors, found.environment) == ([], [], {})


def test_the_jobs_directory_may_be_part_of_a_variable() -> None:
    assert requirements("-e", "HOME=$PWD", "-e", "A=${PWD}/x").in_job == {"HOME": "$PWD", "A": "${PWD}/x"}
    assert requirements("--home", "$PWD:$PWD", type="singularity").in_job == {"HOME": "$PWD"}
    assert requirements("-e", "A=$PWDX").errors


def test_a_working_directory_and_a_user_are_understood() -> None:
    assert requirements("-w", "/opt").working_directory == "/opt"
    assert requirements("--pwd", "/opt", type="singularity").working_directory == "/opt"
    found = requirements("--user=nobody")
    assert found.user == "nobody"
    assert "ignored" in found.warnings[0]


def test_other_runtimes_take_the_alternative_options() -> None:
    alternative = {"vip:altContainerOpts": ["--gpus", "all"]}
    assert requirements("-B /x", type="singularity", custom=alternative) == Requirements(gpu=True)
    assert requirements("-B /x", type="singularity", family="singularity", custom=alternative).errors
    assert container_requirements(Tool("n", "1", "c")) == Requirements()
