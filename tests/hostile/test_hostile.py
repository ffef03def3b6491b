"""A tool that tries to break out gets hold of what the table says, and of nothing else."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.image import push_python
from tests.hostile.promises import ACCOUNTS, DEPENDS, RUNTIMES, allowed
from tests.hostile.scene import LIMITS, Scene, descriptor, look, run_own, scene, start_own
from tests.hostile.tool import STAYS
from tests.services.registry import Registry

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(os.geteuid() != 0, reason="the daemon of another account is started by root only"),
]

FORKS = """
import os, time
count = 0
try:
    while count < 1000:
        if os.fork() == 0:
            time.sleep(600)
        count += 1
except OSError:
    print(count, flush=True)
"""
OPENS = """
import os
count = 0
try:
    while count < 1000:
        os.open("/dev/null", os.O_RDONLY)
        count += 1
except OSError:
    print(count)
"""
FILLS = {
    "one file": "dd if=/dev/zero of=out.txt bs=1M count=200",
    "many files": "n=0; while n=$((n + 1)); do head -c 1000000 /dev/zero > out.txt-$n || sleep 600; "
    "[ $n -lt 200 ] || sleep 600; done",
    "files of the image": "mkdir /new; n=0; while n=$((n + 1)); do head -c 1000000 /dev/zero > /new/$n; "
    "[ $n -lt 200 ] || sleep 600; done",
    "files in a closed directory": "mkdir no; chmod 000 no; n=0; while n=$((n + 1)); do "
    "head -c 1000000 /dev/zero > no/$n; [ $n -lt 200 ] || sleep 600; done",
    "files without a name": "n=0; while n=$((n + 1)); do (exec 3> $n; rm $n; head -c 40000000 /dev/zero >&3; "
    "sleep 600) & [ $n -lt 5 ] || sleep 600; done",
}


@pytest.fixture(scope="module", params=ACCOUNTS)
def here(request: pytest.FixtureRequest, registry: Registry, docker_host: str) -> Iterator[Scene]:
    """Give a portal of each account in turn."""
    python = os.path.realpath(sys.executable)
    image = push_python(registry, python)
    with scene(request.param, image, python, docker_host) as found:
        yield found


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_hostile_tool_gets_hold_of_what_the_table_says_and_of_nothing_else(
    here: Scene, runtime: str
) -> None:
    got = {words: prey for words, prey in here.attack(runtime).items() if prey}
    told = "\n".join(f"{words}: {prey}" for words, prey in sorted(got.items()))
    expected = allowed(runtime, here.account)
    assert set(got) - expected == set(), told
    assert expected - set(got) - DEPENDS - {STAYS} == set(), told


@pytest.mark.parametrize("runtime", [one for one in RUNTIMES if one != "udocker"])
def test_nothing_of_a_hostile_tool_stays_after_its_job(here: Scene, runtime: str) -> None:
    here.attack(runtime)
    assert processes_with(here.target["mark"]) == []


@pytest.mark.parametrize("runtime", ["userns", "docker", "udocker"])
def test_the_images_of_the_cache_are_as_before(here: Scene, runtime: str) -> None:
    here.attack(runtime)
    assert look(here.cache) == here.before


def test_a_result_that_leads_to_the_engines_key_is_not_delivered(here: Scene) -> None:
    key = here.target["engine"][0]
    secret = Path(key).read_bytes()
    for command in (f"ln -s {key} out.txt", f"mkdir out.txt; ln -s {key} out.txt/key", f"ln {key} out.txt"):
        told = run_own(here.house, descriptor(command, here.image), "ann")
        for path in (told["returnedFiles"] or {}).get("out", []):
            assert not here.house.exists(f"{path}/key"), command
        stored = list(here.house.storage.rglob("*"))
        assert [path for path in stored if path.is_symlink()] == [], command
        assert [path for path in stored if path.is_file() and secret in path.read_bytes()] == [], command


def code(here: Scene, text: str) -> str:
    """Write the command that runs Python code in the image."""
    return f"{here.python} -I -S -c {shlex.quote(text)}"


def tried(here: Scene, command: str) -> Any:
    """Run a command of ann's with user namespaces; give the execution as it ended."""
    return run_own(here.house, descriptor(command, here.image), "ann")


def trouble(told: Any) -> str:
    """Say why an execution failed."""
    assert told["status"] == "ExecutionFailed", told
    return str(told["jobs"]["0"]["exitMessage"])


def test_a_job_has_no_more_processes_than_it_may(here: Scene) -> None:
    told = tried(here, code(here, FORKS) + " > out.txt")
    assert told["status"] == "Finished", told["jobs"]
    count = int(here.house.read(told["returnedFiles"]["out"][0]))
    assert LIMITS["processes"] / 2 < count <= LIMITS["processes"]


def test_a_process_has_no_more_open_files_than_it_may(here: Scene) -> None:
    told = tried(here, code(here, OPENS) + " > out.txt")
    assert told["status"] == "Finished", told["jobs"]
    count = int(here.house.read(told["returnedFiles"]["out"][0]))
    assert LIMITS["files"] / 2 < count <= LIMITS["files"]


@pytest.mark.parametrize("way", FILLS)
def test_a_job_that_fills_the_disk_is_ended(here: Scene, way: str) -> None:
    why = trouble(tried(here, FILLS[way]))
    assert "the tool wrote" in why, why
    assert here.house.told(here.beside, "bob")["status"] == "Running"


def test_bob_goes_on_while_ann_forks_without_end(here: Scene) -> None:
    bomb = start_own(here.house, descriptor("b() { b | b & b; }; touch out.txt; b", here.image), "ann")
    for _ in range(3):
        told = run_own(here.house, descriptor("cat [TOOL] > out.txt", here.image), "bob")
        assert told["status"] == "Finished", told["jobs"]
    here.house.ok("PUT", f"/executions/{bomb}/kill", user="ann")
    assert here.house.ended(bomb)["status"] in ("Killed", "ExecutionFailed")


def processes_with(mark: str) -> list[int]:
    """The processes that have a word among their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found
