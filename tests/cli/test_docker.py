"""The Docker engine as a runtime, from the command line: a real engine, as root and as an ordinary user."""

from __future__ import annotations

import io
import signal
import stat
import tarfile
from dataclasses import replace

import docker
import pytest

from tests.cli.anywhere import Anywhere
from tests.cli.desk import Desk, ended, until
from tests.services import images
from tests.services.docker_engine import containers, remove_containers
from tests.services.registry import Registry

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("own_containers")]
both_users = pytest.mark.parametrize("anywhere", ["root-docker", "user-docker"], indirect=True)
DOCKER = ("--runtime", "docker")


@both_users
def test_a_job_runs_in_the_docker_engine(anywhere: Anywhere, docker_host: str) -> None:
    anywhere.desk.write("in.txt", "given\n")
    done = anywhere.run(
        "cat [FILE] input_params.json > o; id -u >> o; touch made; chmod 600 made; echo said; echo bad >&2",
        {"file": "in.txt"},
        inputs={"file": "File"},
        outputs={"o": "o", "made": "ma*"},
    )
    uid = anywhere.desk.directory.stat().st_uid
    assert done.read("outputs/o") == f'given\n{{"file": "in.txt"}}{uid}\n'
    assert (done.results / "outputs/o").stat().st_uid == uid
    assert (done.read("logs/1.1.out"), done.read("logs/1.1.err")) == ("said\n", "bad\n")
    runtime = done.record()["additional-information"]["runtime"]
    assert (runtime["name"], runtime["digest"][:7]) == ("docker", "sha256:")
    assert containers(docker_host) == []


@both_users
def test_the_exit_code_of_a_tool_comes_out_of_the_docker_engine(anywhere: Anywhere) -> None:
    done = anywhere.run("exit 42", code=1)
    assert done.record()["public-output"]["exit-code"] == 42


@both_users
def test_the_memory_that_a_user_allows_is_watched_by_the_docker_engine(anywhere: Anywhere) -> None:
    resources = {"ram": 0.064}
    done = anywhere.run("a=x; while true; do a=$a$a; done", code=1, suggested_resources=resources)
    assert "(limit)" in done.ran.err


def test_what_a_failed_test_leaves_is_removed(busybox_image: str, docker_host: str) -> None:
    client = docker.DockerClient(base_url=docker_host)
    client.images.pull(busybox_image)
    client.containers.run(busybox_image, "sleep 600", detach=True, network_mode="none")
    client.close()
    assert len(containers(docker_host)) == 1
    remove_containers(docker_host)
    assert containers(docker_host) == []


def test_ctrl_c_leaves_no_container(desk: Desk, busybox_image: str, docker_host: str) -> None:
    tool = desk.tool("echo up; sleep 1000", image=busybox_image)
    orders = desk.write("i.json", {})
    process = desk.start("submit", tool, orders, *DOCKER, variables={"DOCKER_HOST": docker_host})
    until(lambda: containers(docker_host))
    process.send_signal(signal.SIGINT)
    ended(process)
    until(lambda: containers(docker_host) == [])


def test_the_engine_is_the_one_that_the_variable_names_now(
    desk: Desk, busybox_image: str, docker_host: str
) -> None:
    orders = desk.write("i.json", {})
    desk.submit(desk.tool("true"), orders, "--runtime", "none")  # its wrapper serves on without the variable
    tool = desk.tool("true", image=busybox_image)
    desk.submit(tool, orders, *DOCKER, variables={"DOCKER_HOST": docker_host})
    desk.submit(tool, orders, *DOCKER, variables={"ENGINE_NODE__DOCKER_HOST": docker_host})
    gone = {"DOCKER_HOST": f"unix://{desk.home}/none.sock"}
    done = desk.submit(tool, orders, *DOCKER, code=1, variables=gone)
    assert "docker: no Docker engine answers" in done.ran.err


def test_an_image_that_the_engine_lacks_is_not_pulled_where_that_is_forbidden(
    desk: Desk, busybox_image: str, docker_host: str
) -> None:
    client = docker.DockerClient(base_url=docker_host)
    try:
        for image in client.images.list():
            image.remove(force=True)
    finally:
        client.close()
    tool = desk.tool("true", image=busybox_image)
    variables = {"DOCKER_HOST": docker_host, "ENGINE_NODE__PULL": "false"}
    done = desk.submit(tool, desk.write("i.json", {}), *DOCKER, code=1, variables=variables)
    assert "`pull` forbids to fetch it" in done.ran.err


def test_the_sdk_is_taken_from_where_the_setting_says(
    desk: Desk, busybox_image: str, docker_host: str
) -> None:
    tool = desk.tool("true", image=busybox_image)
    variables = {"DOCKER_HOST": docker_host, "ENGINE_NODE__PACKAGES": '["/nonexistent"]'}
    done = desk.submit(tool, desk.write("i.json", {}), *DOCKER, code=1, variables=variables)
    assert "no Docker SDK for Python in `node.packages`" in done.ran.err


def test_the_docker_engine_is_one_of_an_order(desk: Desk, busybox_image: str, docker_host: str) -> None:
    tool = desk.tool("true", image=busybox_image)
    variables = {"DOCKER_HOST": docker_host, "ENGINE_NODE__RUNTIMES": '["docker", "userns"]'}
    done = desk.submit(tool, desk.write("i.json", {}), variables=variables)
    assert done.record()["additional-information"]["runtime"]["name"] == "docker"


@pytest.mark.parametrize("anywhere", ["user-docker"], indirect=True)
def test_a_setuid_program_of_an_image_makes_nobody_root(anywhere: Anywhere, registry: Registry) -> None:
    buffer = io.BytesIO()
    with (
        tarfile.open(fileobj=buffer, mode="w") as tar,
        tarfile.open(fileobj=io.BytesIO(images.busybox_layer())) as plain,
    ):
        program = plain.extractfile("bin/busybox")
        assert program is not None
        images.add(tar, "bin/busybox", program.read(), mode=0o4755)
        images.add(tar, "etc/passwd", "root::0:0:root:/:/bin/sh\nme:x:65534:65534::/:/bin/sh\n")
    images.push(registry.url, "vip/setuid:1.0", [images.busybox_layer(), buffer.getvalue()])
    suid = replace(anywhere, image=f"{registry.host}/vip/setuid:1.0")
    command = (
        'touch o; su -c "mkdir d; chmod 700 d; chown 0 o; chmod 4755 o"; grep NoNewPrivs /proc/self/status'
    )
    done = suid.run(command, outputs={"o": "o"})
    about = (done.results / "outputs/o").stat()
    assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (anywhere.desk.home.stat().st_uid, 0o644)
    assert done.read("logs/1.1.out").split() == ["NoNewPrivs:", "1"]
    assert [path for path in (anywhere.desk.spool / "jobs").glob("*/*") if path.is_dir()] == []
