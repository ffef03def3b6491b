"""The tools of a portal's users are kept apart from the engine, or do not run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import desk_in, until
from tests.cli.served import answers
from tests.portal.house import House, portal
from tests.services.registry import Registry, free_port
from tests.services.unprivileged import Unprivileged

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, registry: Registry, busybox_image: str
) -> Iterator[House]:
    """A portal as it is when nobody has set anything, but which registry is allowed."""
    settings = {
        "ENGINE_PORTAL__REGISTRIES": json.dumps([busybox_image.partition("/")[0]]),
        "ENGINE_PORTAL__ISOLATION": "required",
        "ENGINE_PORTAL__RUNTIMES": "[]",
    }
    with desk_in(tmp_path_factory.mktemp("apart")) as desk, portal(desk, settings) as house:
        yield house


def own(image: str, command: str) -> dict[str, object]:
    return {
        "name": "own",
        "description": "A descriptor of a user's own",
        "tool-version": "1.0",
        "schema-version": "0.5",
        "command-line": f"{command} # [WORD]",
        "container-image": {"type": "docker", "image": image},
        "inputs": [{"id": "word", "name": "word", "type": "String", "value-key": "[WORD]", "optional": True}],
        "output-files": [{"id": "out", "name": "out", "path-template": "out.txt"}],
    }


def run(house: House, image: str, command: str) -> str:
    """Run a command of a user's own in the image; give what it wrote to out.txt."""
    wanted = {"name": "own", "descriptor": own(image, command), "inputValues": {}}
    told = house.ended(str(house.ok("POST", "/executions", wanted).json["identifier"]))
    assert told["status"] == "Finished", told
    [path] = told["returnedFiles"]["out"]
    return house.read(path).decode()


def test_a_users_own_tool_does_not_reach_the_daemon_that_runs_it(house: House, busybox_image: str) -> None:
    port = house.url.rpartition(":")[2]
    ask = f"(printf 'GET /health HTTP/1.0\\r\\n\\r\\n' | nc -w 3 127.0.0.1 {port}) > out.txt 2>&1; true"
    said = run(house, busybox_image, ask)
    assert "HTTP" not in said
    assert "refused" in said, said


def test_a_users_own_tool_sees_no_process_of_the_daemon(house: House, busybox_image: str) -> None:
    said = run(house, busybox_image, "ls /proc | grep -c '^[0-9]' > out.txt; cat /proc/*/comm >> out.txt")
    assert "engine" not in said


def test_a_pipeline_that_is_not_kept_apart_is_refused_until_it_is_trusted(house: House) -> None:
    refused = house.launch("failer/1.0", {"code": "0"})
    assert refused.status == 400
    house.engine("pipeline", "trust", "failer/1.0")
    assert [
        one["identifier"] for one in house.engine("pipeline", "list", "--json").values if one["trusted"]
    ] == ["failer/1.0"]
    house.engine("pipeline", "trust", "failer/1.0", "--no")
    assert house.launch("failer/1.0", {"code": "0"}).status == 400


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ENGINE_NODE__RUNTIMES": '["udocker"]'}, "none of the runtimes keeps tools apart"),
        ({"ENGINE_PORTAL__RUNTIMES": '["none"]'}, "none of the runtimes keeps tools apart"),
        ({"ENGINE_NODE__RUNTIMES": '["docker"]'}, "docker cannot give a tool the network 'own'"),
        ({"PATH": "/nowhere"}, "slirp4netns: install it, or set node.network to none"),
    ],
    ids=["udocker", "none", "docker", "no slirp4netns"],
)
def test_a_daemon_that_cannot_keep_tools_apart_does_not_start(
    house: House, settings: dict[str, str], words: str
) -> None:
    variables = {**house.variables, "ENGINE_API__LISTEN": "127.0.0.1:0", **settings}
    ran = house.desk.run("serve", "--http", "--until-idle", variables=variables)
    assert ran.code == 2, ran
    assert words in ran.err
    assert "Traceback" not in ran.err
    doctor = house.desk.run("doctor", variables=variables)
    assert words in doctor.out
    assert "must be mended" in doctor.err


def test_a_policy_that_lets_tools_reach_the_machine_is_warned_of_at_the_start(
    house: House, tmp_path: Path
) -> None:
    for settings in ({"ENGINE_NODE__NETWORK": "machine"}, {"ENGINE_PORTAL__ISOLATION": "off"}):
        apart = {"ENGINE_API__LISTEN": "127.0.0.1:0", "ENGINE_API__ROOT": str(tmp_path / "root")}
        variables = {**house.variables, **apart, **settings}
        ran = house.desk.ok("serve", "--http", "--until-idle", variables=variables)
        assert "isolation" in ran.err, settings


def test_the_daemon_is_closed_to_other_processes_of_its_account(unprivileged: Unprivileged) -> None:
    variables = {"ENGINE_API__LISTEN": f"127.0.0.1:{free_port()}", "ENGINE_NODE__NETWORK": "none"}
    with desk_in(unprivileged.directory, become=unprivileged.command) as desk:
        unprivileged.give(desk.directory, desk.home)
        daemon = desk.start("serve", "--http", variables=variables)
        until(lambda: answers(f"http://{variables['ENGINE_API__LISTEN']}") or daemon.poll() is not None)
        assert daemon.poll() is None, daemon.communicate()
        for name in ("mem", "environ", "fd/0"):
            looked = unprivileged.run(["head", "-c", "1", f"/proc/{daemon.pid}/{name}"])
            assert "Permission denied" in looked.stderr, name
        assert unprivileged.run(["ls", f"/proc/{daemon.pid}/fd"]).returncode != 0
        own = "head -c 1 /proc/$$/environ > /dev/null && ls /proc/$$/fd > /dev/null && echo open"
        assert unprivileged.run(["sh", "-c", own]).stdout == "open\n"
