"""What a tool reaches over the network, as root and as an ordinary user."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.runtimes.worker import Result, Worker
from tests.services.machines import ABSTRACT, METADATA, PORT, Machine, two_machines
from wrappers import wire

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(os.geteuid() != 0, reason="machines are made by root only"),
]

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    """Give the machine of the jobs, and another one."""
    with two_machines() as both:
        yield both


@pytest.fixture
def there(account: Worker, busybox: wire.Image, machines: tuple[Machine, Machine]) -> Worker:
    """Give each account in turn, on the machine of the jobs."""
    account.run(busybox, "true", runtimes=["userns"])  # the image is in its cache from now on
    drop = ["setpriv", f"--reuid={account.uid}", f"--regid={account.uid}", "--clear-groups"]
    return replace(
        account, become=(*machines[0].within((), account.directory / "code"), *(drop if account.uid else ()))
    )


@pytest.fixture
def run(there: Worker, busybox: wire.Image) -> Run:
    """Run a command in the small image."""

    def run(command: str, **options: Any) -> Result:
        return there.run(busybox, command, **{"runtimes": ["userns"], **options})

    return run


def ask(address: str) -> str:
    """Write the command that prints the word of a server, or why there is none."""
    return f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {address} {PORT} 2>&1 | tail -n 1"


def test_the_network_of_the_machine_reaches_all_that_the_machine_reaches(
    run: Run, machines: tuple[Machine, Machine]
) -> None:
    ours, other = machines
    result = run(f"{ask('127.0.0.1')}; echo; {ask(ours.address)}; echo; {ask(other.address)}")
    assert result.out.split() == ["ours", "ours", "other"]


def test_a_network_of_its_own_reaches_other_machines_and_nothing_of_this_one(
    run: Run, machines: tuple[Machine, Machine]
) -> None:
    ours, other = machines
    refused = [ours.address, "127.0.0.1", "0.0.0.0", "::1", *METADATA, "198.18.77.2", "198.18.77.3"]
    asked = "; ".join(f"echo '{address}' $({ask(address)})" for address in [other.address, *refused])
    answers = dict(line.split(" ", 1) for line in run(asked, network=wire.NETWORK_OWN).out.splitlines())
    assert set(answers) == {other.address, *refused}
    assert answers[other.address] == "other"
    assert not {address for address in refused if answers[address] in ("ours", "other")}, answers


def test_networks_that_the_node_names_are_not_reached_either(
    run: Run, account: Worker, machines: tuple[Machine, Machine]
) -> None:
    node = account.node(unreachable=["203.0.113.0/24"])
    result = run(ask(machines[1].address), node=node, network=wire.NETWORK_OWN)
    assert "Permission denied" in result.out


def test_without_a_network_nothing_is_reached_but_the_loopback_of_the_tool(
    run: Run, machines: tuple[Machine, Machine]
) -> None:
    ours, other = machines
    own = "(echo hello | nc -l -p 4000 &); sleep 1; nc 127.0.0.1 4000"
    result = run(f"{own}; {ask(ours.address)}; {ask(other.address)}", network=wire.NETWORK_NONE)
    assert result.out.startswith("hello\n")
    assert result.out.count("unreachable") == 2, result.out


@pytest.mark.parametrize("network", [wire.NETWORK_OWN, wire.NETWORK_NONE])
def test_a_tool_cannot_change_its_network(run: Run, machines: tuple[Machine, Machine], network: str) -> None:
    attempts = [
        f"ip route del prohibit {machines[0].address}",
        "ip route flush table main",
        "ip link set lo down",
        "ip addr add 203.0.113.9/24 dev lo",
        "unshare -Urn true && unshare -U ip link set lo down",
    ]
    for attempt in attempts:
        result = run(f"{attempt} 2>&1; {ask(machines[0].address)}", network=network)
        assert "ours" not in result.out, attempt


def test_abstract_sockets_of_the_machine_are_seen_on_its_own_network_only(run: Run) -> None:
    look = f"grep -c @{ABSTRACT} /proc/net/unix"
    assert run(look).out == "1\n"
    assert run(look, network=wire.NETWORK_OWN).out == "0\n"


def test_names_are_resolved_by_the_nodes_own_server_or_not_at_all(run: Run) -> None:
    resolver = run("cat /etc/resolv.conf", network=wire.NETWORK_OWN).out.splitlines()
    assert [line for line in resolver if line.startswith("nameserver")] == ["nameserver 198.18.77.3"]
    assert run("cat /etc/resolv.conf", network=wire.NETWORK_NONE).out == ""


def test_nothing_of_the_network_stays_when_the_wrapper_is_killed(there: Worker, busybox: wire.Image) -> None:
    place, wrapper = there.start(busybox, "echo up > up; sleep 600", runtimes=["userns"], network="own")
    while not (place / "job/up").exists():
        assert wrapper.poll() is None
    connectors = children(wrapper.pid, "slirp4netns")
    assert len(connectors) == 1
    wrapper.kill()
    wrapper.communicate()
    while any(Path(f"/proc/{pid}").exists() for pid in connectors):
        pass  # the time limit of the suite ends a wait that never ends


def test_a_job_that_wants_a_network_of_its_own_runs_with_no_runtime_that_cannot_give_it(
    run: Run, account: Worker, busybox: wire.Image
) -> None:
    result = run("true", runtimes=["udocker", "none"], network=wire.NETWORK_OWN)
    assert result.told["error"] == "Unusable"
    assert "udocker: it cannot give a tool the network 'own'" in result.told["message"]
    isolated = run("true", runtimes=["udocker"], isolated=True)
    assert "keeping them apart" in isolated.told["message"]
    assert run("true", runtimes=["udocker", "userns"], isolated=True).used.name == "userns"


def children(parent: int, name: str) -> list[int]:
    """List the descendants of a process that run this program."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "comm").read_text().strip() == name and parent in ancestors(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def ancestors(pid: int) -> list[int]:
    """List the parents of a process, up to the first."""
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return found
