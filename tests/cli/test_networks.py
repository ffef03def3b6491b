"""Which jobs have a network in common, when each has one of its own: those of an execution, in turn."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.desk import Desk

pytestmark = pytest.mark.whole

ASK = """
import os
from wrappers.runtimes import idmap, networks

[user, *_], _ = idmap.working()

def number(execution):
    return os.fstat(os.dup(networks.of_execution(execution, "none", user.namespace, []))).st_ino

first, again, other = number("a"), number("a"), number("b")
print(first == again, first == other)
"""


@pytest.mark.service
def test_a_network_is_there_for_the_next_job_of_its_execution_however_the_last_one_ended(
    desk: Desk, busybox_image: str
) -> None:
    look = "readlink /proc/self/ns/net > o.txt; grep -c tap0 /proc/net/dev >> o.txt; sleep [N]"
    names = [
        desk.tool(look, {"n": "Number"}, {"o": "o.txt"}, image=busybox_image),
        desk.lines("jobs.jsonl", [{"n": 0}, {"n": 600}, {"n": 0}]),
    ]
    variables = {"ENGINE_NODE__NETWORK": "own", "ENGINE_BACKENDS__LOCAL__SLOTS": "1"}
    done = desk.submit(*names, "--runtime", "userns", "--wall", "1", code=1, variables=variables)
    outputs = [done.read(f"outputs/{job}/o.txt") for job in (1, 3)]
    assert outputs[0] == outputs[1]
    assert outputs[0].endswith("\n1\n")


def test_another_execution_has_another_network() -> None:
    ran = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert ran.stdout == "True False\n"


NEXT = """
import os
from wrappers.runtimes import idmap, networks

[user, *_], _ = idmap.working()

def number(execution, kind="none"):
    return os.fstat(networks.of_execution(execution, kind, user.namespace, [])).st_ino

def open_ones():
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink("/proc/self/fd/" + name).startswith("net:"):
                found.add(os.fstat(int(name)).st_ino)
        except OSError:
            pass
    return found

first = number("a")
networks.prepare()
networks.prepare()
[waiting] = open_ones() - {first}
print(number("a") == first, number("b") == waiting, open_ones() == {waiting}, number("c") in (first, waiting))
"""


def test_the_network_of_the_next_execution_is_made_before_it_comes_and_nobody_had_it() -> None:
    ran = subprocess.run([sys.executable, "-c", NEXT], capture_output=True, text=True, check=True)
    assert ran.stdout == "True True True False\n"
