"""What a tool may rely on in its container, and without one, seen through the whole machinery."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.cli.anywhere import Anywhere
from tests.cli.desk import Desk, Execution
from tests.services.images import busybox_layer, one_file_layer, push
from tests.services.registry import Registry

pytestmark = pytest.mark.service

PLACES = ["userns", "none"]


def options(runtime: str) -> tuple[str, str]:
    return ("--runtime", runtime)


@pytest.fixture(params=PLACES)
def runtime(request: pytest.FixtureRequest) -> str:
    """With a container in user namespaces, and without any."""
    return str(request.param)


def run(
    desk: Desk, image: str, runtime: str, command: str, invocation: Any = None, code: int = 0, **tool: Any
) -> Execution:
    descriptor = desk.tool(command, image=image, **tool)
    done = desk.submit(descriptor, desk.write("i.json", invocation or {}), *options(runtime), code=code)
    assert done.record()["additional-information"]["runtime"]["name"] == runtime
    return done


def test_a_tool_finds_its_inputs_by_their_bare_names(desk: Desk, busybox_image: str, runtime: str) -> None:
    for name in ("a/same.txt", "b/same.txt", "with space.txt", 'quote\'s "$HOME".txt', "entrée ü.txt"):
        (desk.directory / name).parent.mkdir(exist_ok=True)
        desk.write(name, f"this is {name}\n")
    files = ["a/same.txt", "b/same.txt", "with space.txt", 'quote\'s "$HOME".txt', "entrée ü.txt"]
    done = run(
        desk,
        busybox_image,
        runtime,
        'for file in [FILES]; do echo "$file"; cat "$file"; done > o; cat input_params.json > params',
        {"files": files},
        inputs={"files": {"type": "File", "list": True}},
        outputs={"o": "o", "params": "params"},
    )
    shown = done.read("outputs/o").splitlines()
    assert shown[1::2] == [f"this is {name}" for name in files]
    first, second, *rest = shown[::2]
    assert rest == ["with space.txt", 'quote\'s "$HOME".txt', "entrée ü.txt"]
    assert first != second  # two of one name
    assert {first.rpartition("/")[2], second.rpartition("/")[2]} == {"same.txt"}
    assert json.loads(done.read("outputs/params"))["files"] == shown[::2]
    staged = done.record()["public-invocation"]["files"]
    assert [one["url"].rpartition("/")[2] for one in staged][:2] == ["same.txt", "same.txt"]


def test_a_tool_may_write_where_tools_write(desk: Desk, busybox_image: str, runtime: str) -> None:
    command = (
        'echo 1 > "$HOME/mine" && echo 2 > /tmp/mine && echo 3 > /var/tmp/own && '
        'cat "$HOME/mine" /tmp/mine /var/tmp/own > o; [ "$PWD" = "$(pwd)" ] && [ -w . ] && echo here >> o'
    )
    if runtime == "none":  # the machine's own /tmp is nobody's business
        command = 'echo 1 > "$HOME/mine" && echo 2 > "$TMPDIR/mine" && cat "$HOME/mine" "$TMPDIR/mine" > o'
    done = run(desk, busybox_image, runtime, command, outputs={"o": "o"})
    assert done.read("outputs/o").split() == (["1", "2"] if runtime == "none" else ["1", "2", "3", "here"])


def test_what_a_tool_writes_into_its_image_is_forgotten(desk: Desk, busybox_image: str) -> None:
    command = "cat /etc/mark /bin/new /tmp/left 2> /dev/null; echo x | tee /etc/mark /bin/new /tmp/left > o"
    for _ in range(2):
        done = run(desk, busybox_image, "userns", command, outputs={"o": "o"})
        assert done.files("logs") == []  # nothing was there


def test_a_tool_does_not_see_the_files_of_its_user(desk: Desk, busybox_image: str) -> None:
    secret = desk.home / "secret"
    secret.write_text("x")
    done = run(
        desk,
        busybox_image,
        "userns",
        f"ls '{secret}' '{desk.directory}/tool.json'; ls / > o",
        outputs={"o": "o"},
    )
    assert "secret" not in done.read("outputs/o")
    assert done.files("logs") == ["1.1.err"]
    assert done.read("logs/1.1.err").count("No such file") == 2


def test_the_job_directory_is_private_and_gone_at_the_end(
    desk: Desk, busybox_image: str, runtime: str
) -> None:
    tool = desk.tool("pwd; ls -ld .; touch o", image=busybox_image, outputs={"o": "o"})
    done = desk.submit(tool, desk.write("i.json", {}), *options(runtime))
    here, listing = done.read("logs/1.1.out").splitlines()
    assert listing.startswith("drwx")
    assert not [path for path in (desk.spool / "jobs").rglob("*") if path.is_dir()]
    assert not (desk.directory / here).exists()


def test_the_exit_code_and_the_streams_are_the_tools_own(
    desk: Desk, busybox_image: str, runtime: str
) -> None:
    done = run(desk, busybox_image, runtime, "echo out; echo err >&2; exit 42", code=1)
    assert done.read("logs/1.1.out") == "out\n"
    assert done.read("logs/1.1.err") == "err\n"
    assert done.record()["public-output"]["exit-code"] == 42


def test_the_environment_of_the_descriptor_reaches_the_tool(
    desk: Desk, busybox_image: str, runtime: str
) -> None:
    variables = [{"name": "GREETING", "value": "it's [TEXT]"}]
    done = run(
        desk,
        busybox_image,
        runtime,
        'echo "$GREETING" > o',
        {"text": "a b"},
        outputs={"o": "o"},
        environment_variables=variables,
    )
    assert done.read("outputs/o") == "it's a b\n"


def test_the_record_names_the_image_that_really_ran(desk: Desk, busybox_image: str) -> None:
    done = run(desk, busybox_image, "userns", "echo x > o", outputs={"o": "o"})
    more = done.record()["additional-information"]
    assert more["image"]["reference"] == busybox_image
    assert more["image"]["digest"] == more["runtime"]["digest"]
    assert more["image"]["digest"].startswith("sha256:")
    assert more["runtime"]["mode"]
    assert desk.ok("status", "--json").value["image"] == f"{busybox_image}@{more['image']['digest']}"


def test_a_plan_tells_what_a_submit_would_run(desk: Desk, busybox_image: str) -> None:
    desk.write("in.txt", "x")
    tool = desk.tool("cat [FILE] > o", {"file": "File"}, {"o": "o"}, image=busybox_image)
    plan = desk.ok("plan", tool, desk.write("i.json", {"file": "in.txt"}), "--json").value
    assert plan["command"] == "cat in.txt > o"
    assert plan["inputs"] == [{"id": "file", "from": str(desk.directory / "in.txt"), "as": "in.txt"}]
    assert plan["outputs"] == [{"id": "o", "path": "o", "optional": False}]
    assert plan["image"].startswith(f"{busybox_image}@sha256:")
    assert plan["runtimes"] == ["userns", "udocker"]
    assert desk.debris() == []


def test_an_ordinary_user_runs_a_container(ordinary_desk: Desk, busybox_image: str) -> None:
    done = run(ordinary_desk, busybox_image, "userns", "touch /root-file && id -u > o", outputs={"o": "o"})
    assert done.files() == ["outputs/o", "provenance/1.1.json"]
    assert (done.results / "outputs/o").stat().st_uid == ordinary_desk.directory.stat().st_uid


def test_an_ordinary_user_runs_a_tool_without_a_container(ordinary_desk: Desk) -> None:
    tool = ordinary_desk.tool("id -u > o", outputs={"o": "o"})
    done = ordinary_desk.submit(tool, ordinary_desk.write("i.json", {}), "--runtime", "none")
    assert int(done.read("outputs/o")) == ordinary_desk.directory.stat().st_uid
    for words in (["list"], ["jobs"], ["results"], ["explain"], ["logs"]):
        ordinary_desk.ok(*words)


def test_the_whole_runs_on_postgresql(desk: Desk, postgres_url: str) -> None:
    database = {"ENGINE_DATABASE": postgres_url}
    lines = desk.lines("two.jsonl", [{"text": "a"}, {"text": "b"}])
    tool = desk.tool("echo [TEXT] > o", outputs={"o": "o"})
    done = desk.submit(tool, lines, "--runtime", "none", variables=database)
    assert done.files("outputs") == ["1/o", "2/o"]
    assert not desk.database.exists()
    for words in (["list"], ["status"], ["jobs"], ["results"], ["explain", ":2"], ["logs", ":1"]):
        desk.ok(*words, variables=database)


@pytest.mark.parametrize("anywhere", ["user-userns", "user-udocker", "user-docker"], indirect=True)
def test_the_profile_of_an_image_neither_ends_nor_moves_a_job(anywhere: Anywhere, registry: Registry) -> None:
    profile = one_file_layer("etc/profile", "export MODEL=mine\ncd /\nset -eu\nexit 0\n")
    push(registry.url, "vip/ending-profile:1", [busybox_layer(), profile])
    there = replace(anywhere, image=f"{registry.host}/vip/ending-profile:1")
    done = there.run('false; echo "$MODEL $unset_here" > o', outputs={"o": "o"})
    assert done.read("outputs/o") == "mine \n"
    assert "/etc/profile of the image ends the shell" in done.read("logs/1.1.err")
