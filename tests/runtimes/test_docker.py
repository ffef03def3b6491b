"""The Docker engine as a runtime, on a real engine of our own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.runtimes.conftest import pinned
from tests.runtimes.test_contract import wait_until
from tests.runtimes.worker import Result, Worker, worker
from tests.services import images
from tests.services.docker_engine import containers
from tests.services.registry import Registry
from wrappers import wire

pytestmark = [
    pytest.mark.service,
    pytest.mark.usefixtures("own_containers"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a Docker engine is started by root only"),
]

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def account(docker_host: str) -> Iterator[Worker]:
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = docker_host
    with worker("root") as made:
        yield replace(made, python=sys.executable)
    if before is None:
        del os.environ["DOCKER_HOST"]
    else:
        os.environ["DOCKER_HOST"] = before


@pytest.fixture
def run(account: Worker, busybox: wire.Image) -> Run:
    def run(command: str, image: wire.Image = busybox, **options: Any) -> Result:
        return account.run(image, command, runtimes=["docker"], **options)

    return run


@pytest.mark.parametrize("code", [0, 1, 2, 7, 125, 127, 255])
def test_the_exit_code_is_the_tools(run: Run, code: int, docker_host: str) -> None:
    result = run(f"exit {code}")
    assert (result.code, result.told["started"]) == (code, True)
    assert containers(docker_host) == []


def test_death_by_a_signal_is_a_code(run: Run) -> None:
    # the engine tells no more
    assert run("kill -9 $$").code == 137
    assert run("sh -c 'kill -9 $$'; exit 4").code == 4


def test_output_and_errors_come_out_apart_and_unchanged(run: Run) -> None:
    result = run("printf 'Größe \\377\\n'; echo trouble >&2; head -c 3000000 /dev/zero | tr '\\0' a")
    out = (result.place / "out").read_bytes()
    assert out[:9] == "Größe ".encode() + b"\xff"
    assert (len(out), result.err) == (10 + 3_000_000, "trouble\n")


def test_the_job_is_there_as_with_every_other_runtime(run: Run, account: Worker) -> None:
    result = run(
        "pwd; cat input; echo $HOME; echo made >output; echo x >/tmp/t; cat /var/tmp/t; : > /usr/x; echo ok",
        inputs={"input": b"data\n"},
    )
    assert result.out == f"{result.job}\ndata\n{result.job}\nx\nok\n"
    assert (result.job / "output").stat().st_uid == account.uid
    assert result.used.digest.startswith("sha256:")
    assert result.used.origin in ("pulled", "cache")


def test_the_environment_is_the_images_and_the_manifests(run: Run) -> None:
    out = run("env", environment={"MODEL": "a b"}).out
    assert "MODEL=a b\n" in out
    assert "LANG=C.UTF-8\n" in out
    assert "HOST_SECRET" not in out


def test_a_read_only_root_is_read_only(run: Run) -> None:
    assert (
        run("touch /usr/x 2>/dev/null || echo refused; touch here && echo ok", root="readonly").out
        == "refused\nok\n"
    )


def test_the_entry_point_runs_only_when_asked_for(run: Run, registry: Registry) -> None:
    config = {"Entrypoint": ["/bin/env", "FROM_ENTRYPOINT=yes"], "Env": ["PATH=/bin"]}
    images.push(registry.url, "vip/docker-entry:1", [images.busybox_layer()], config=config)
    image = pinned(f"{registry.host}/vip/docker-entry:1")
    assert run("echo $FROM_ENTRYPOINT", image=image).out == "\n"
    assert run("echo $FROM_ENTRYPOINT", image=image, entrypoint=True).out == "yes\n"


def test_a_tool_that_outgrows_its_memory_is_told(run: Run) -> None:
    greedy = "a=x; while true; do a=$a$a; done"
    told = run(greedy, limits=wire.Limits(memory=64 << 20)).told
    assert told["stopped"] == wire.LIMIT, told
    assert "memory" in told["why"]


def test_a_missing_image_is_the_images_fault(run: Run, busybox: wire.Image) -> None:
    missing = busybox._replace(digest="sha256:" + "0" * 64)
    told = run("true", image=missing).told
    assert told["error"] == "ImageError"
    assert "cannot get image" in told["message"]


def test_a_shell_that_the_image_lacks_is_told(run: Run, docker_host: str) -> None:
    result = run("true", shell="/bin/bash")
    assert (result.code, result.told["started"]) == (125, False)
    assert "docker could not start the tool" in result.err
    assert containers(docker_host) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_container_outlives_the_wrapper(
    account: Worker, busybox: wire.Image, docker_host: str, number: signal.Signals
) -> None:
    place, wrapper = account.start(busybox, "echo up > up; sleep 1000", runtimes=["docker"])
    wait_until(lambda: (place / "job" / "up").exists())
    wrapper.send_signal(number)
    wrapper.communicate()
    wait_until(lambda: containers(docker_host) == [])


def test_without_an_engine_the_next_runtime_is_taken(account: Worker, busybox: wire.Image) -> None:
    absent = Path(account.directory, "none.sock")
    kept = os.environ["DOCKER_HOST"]
    os.environ["DOCKER_HOST"] = f"unix://{absent}"
    try:
        result = account.run(busybox, "echo ran", runtimes=["docker", "userns"])
    finally:
        os.environ["DOCKER_HOST"] = kept
    assert (result.out, result.used.name) == ("ran\n", "userns")
    assert "docker: no Docker engine answers" in result.used.why
