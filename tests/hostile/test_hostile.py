"""A tool that tries to break out gets hold of what the table says, and of nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hostile.image import push_python
from tests.hostile.promises import ACCOUNTS, DEPENDS, RUNTIMES, allowed
from tests.hostile.scene import Scene, descriptor, look, run_own, scene
from tests.hostile.tool import STAYS
from tests.services.registry import Registry

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(os.geteuid() != 0, reason="the daemon of another account is started by root only"),
]


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


def processes_with(mark: str) -> list[int]:
    """The processes that have a word among their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found
