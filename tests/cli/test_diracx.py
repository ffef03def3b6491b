"""The command line with jobs on a grid: a real DiracX server, and a site on this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.backends.diracx.client import DiracxClient
from tests.cli.desk import Desk, desk_in, until
from tests.services.diracx import Diracx
from tests.services.images import push_busybox
from tests.services.registry import Registry
from tests.services.unreliable import Trouble, Way, unreliable

pytestmark = pytest.mark.service


@pytest.fixture
def grid(diracx_site: Diracx, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose jobs go to the grid."""
    variables = {
        "ENGINE_BACKEND": "diracx",
        "ENGINE_BACKENDS__DIRACX__URL": diracx_site.url,
        "ENGINE_BACKENDS__DIRACX__TOKEN": str(diracx_site.credential()),
        "ENGINE_BACKENDS__DIRACX__SHARED_FILES": "true",
        "ENGINE_BACKENDS__DIRACX__POLL": "0.5",
        "ENGINE_BACKENDS__DIRACX__SETTLED_AFTER": "2",
        "ENGINE_BACKENDS__DIRACX__NODE__CACHE": str(tmp_path / "images"),
    }
    with desk_in(tmp_path, environment=variables) as desk:
        yield desk


def test_a_sweep_runs_on_the_grid_and_its_results_come_home(grid: Desk, busybox_image: str) -> None:
    tool = grid.tool("echo hello [TEXT] > out.txt", outputs={"out": "out.txt"}, image=busybox_image)
    jobs = grid.lines("jobs.jsonl", [{"text": f"job {n}"} for n in range(3)])
    done = grid.submit(tool, jobs)
    assert done.files("outputs") == ["1/out.txt", "2/out.txt", "3/out.txt"]
    assert done.read("outputs/2/out.txt") == "hello job 1\n"
    told = grid.ok("explain", f"{done.id}:1").out
    assert "its last try was at the site LOCAL.Site.xx" in told.splitlines()
    assert "it ran with" in told
    assert "says JobWrapper" in told
    [site] = grid.ok("sites", "--json").values
    assert (site["site"], site["state"], site["succeeded"]) == ("LOCAL.Site.xx", "good", 3)
    assert site["runtimes"] == {"userns": 3}


def test_the_doctor_tells_whether_the_grid_takes_jobs(grid: Desk) -> None:
    told = grid.ok("doctor", "--backend", "diracx").out
    assert "alice (biomed biomed_user)" in told
    assert "diracx takes jobs" in told
    assert "logged in as alice" in grid.ok("login").out
    wrong = grid.run("doctor", "--backend", "diracx", variables={"ENGINE_BACKENDS__DIRACX__GROUP": "another"})
    assert (wrong.code, "not another" in wrong.out) == (3, True)
    nowhere = {"ENGINE_BACKENDS__DIRACX__TOKEN": str(grid.directory / "none.json")}
    assert "dirac login" in grid.ok("login", variables=nowhere).out


def test_nothing_is_written_when_the_credential_is_missing(grid: Desk) -> None:
    nowhere = {"ENGINE_BACKENDS__DIRACX__TOKEN": str(grid.directory / "none.json")}
    tool = grid.tool("true", image="127.0.0.1:9/x@sha256:" + "0" * 64)
    refused = grid.run("submit", tool, grid.write("i.json", {}), variables=nowhere)
    assert refused.code in (3, 4), refused
    assert grid.debris() == []


@pytest.mark.parametrize(
    ("scheme", "how"),
    [
        ("file", {"ENGINE_DATA__STAGING": "disk", "ENGINE_DATA__TRAVELLING": "0"}),
        ("sandbox", {}),
    ],
    ids=["by a storage", "in the sandbox"],
)
def test_files_go_to_nodes_that_do_not_share_ours_and_results_come_by_a_storage(
    grid: Desk, busybox_image: str, scheme: str, how: dict[str, str]
) -> None:
    tool = grid.tool("cat [FILE] > out.txt", {"file": "File"}, {"out": "out.txt"}, image=busybox_image)
    store = grid.directory / "store"
    store.mkdir()
    grid.write("in.txt", "travelled\n")
    apart = {
        "ENGINE_BACKENDS__DIRACX__SHARED_FILES": "false",
        "ENGINE_STORAGES": json.dumps({"disk": {"url": store.as_uri()}}),
        "ENGINE_DATA__RESULTS": '["disk"]',
        **how,
    }
    done = grid.submit(tool, grid.write("i.json", {"file": "in.txt"}), variables=apart)
    assert done.record()["public-invocation"]["file"]["url"].partition(":")[0] == scheme
    home = grid.directory / "home"
    grid.ok("results", done.id, "--download", home, variables=apart)
    assert [path.read_text() for path in home.rglob("out.txt")] == ["travelled\n"]


@pytest.fixture
def gate(diracx: Diracx) -> Iterator[Way]:
    """Jobs that ask there wait until its troubles are over."""
    with unreliable(diracx.url) as way:
        way.troubles.append(Trouble(times=1_000_000, status=404))
        yield way


def behind(gate: Way) -> str:
    """A command that ends when the gate opens. It does not wait for ever: a test that failed would keep its
    slot of the site from all that follow. Each start of the command asks under a name of its own.
    """
    page = f"{gate.url}/.well-known/openid-configuration?start=$start"
    ask = f'start=$(cat /proc/sys/kernel/random/uuid); until wget -q -O /dev/null "{page}"; do sleep 1; done'
    return f"timeout 250 sh -c '{ask}' && echo done > out.txt"


def starts(gate: Way) -> int:
    """Count how often the command has been started so far."""
    return len({request for request in list(gate.seen) if "start=" in request})


def test_it_is_told_what_a_job_on_the_grid_does_while_it_does_it(
    grid: Desk, gate: Way, busybox_image: str
) -> None:
    tool = grid.tool(behind(gate), outputs={"out": "out.txt"}, image=busybox_image)
    process = grid.start("submit", tool, grid.write("i.json", {}), "--json")
    id_ = until(lambda: grid.run("list", "--json").values)[0]["id"]
    until(lambda: "says boutiques-engine" in grid.ok("explain", f"{id_}:1").out)
    gate.troubles.clear()
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["state"] == "succeeded"


def test_a_job_whose_output_sandbox_is_lost_has_succeeded_all_the_same(
    grid: Desk, diracx_site: Diracx, busybox_image: str
) -> None:
    tool = grid.tool("echo hello > out.txt", outputs={"out": "out.txt"}, image=busybox_image)
    with unreliable(diracx_site.url) as way:
        way.troubles.append(Trouble("/api/jobs/sandbox?", times=1_000, status=404, detail="no such sandbox"))
        variables = {"ENGINE_BACKENDS__DIRACX__URL": way.url}
        done = grid.submit(tool, grid.write("i.json", {}), variables=variables)
    assert done.read("outputs/out.txt") == "hello\n"
    assert way.count("GET /api/jobs/sandbox?") > 0
    [job] = grid.ok("jobs", done.id, "--json").values
    assert job["attempts"] == 1


def test_a_job_that_dirac_runs_twice_has_one_result(
    grid: Desk, gate: Way, diracx_site: Diracx, busybox_image: str
) -> None:
    tool = grid.tool(behind(gate), outputs={"out": "out.txt"}, image=busybox_image)
    process = grid.start("submit", tool, grid.write("i.json", {}), "--json")
    id_ = until(lambda: grid.run("list", "--json").values)[0]["id"]
    # DiracX reads a job's state and writes it back: words of the node that are on their way undo a reschedule
    until(lambda: "running the tool" in grid.ok("explain", f"{id_}:1").out)
    number = re.findall(r"diracx (\d+): ", grid.ok("explain", f"{id_}:1").out)[0]
    client = DiracxClient(diracx_site.url, diracx_site.credential())
    client.call("POST", "/api/jobs/reschedule", {"job_ids": [int(number)]})
    client.close()
    until(lambda: starts(gate) >= 2)
    gate.troubles.clear()
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["state"] == "succeeded"
    [job] = grid.ok("jobs", id_, "--json").values
    assert job["attempts"] == 1


def test_what_the_node_cannot_do_is_tried_twice_more_and_its_site_rests_when_it_happens_to_several(
    grid: Desk, registry: Registry, busybox_image: str
) -> None:
    unfit = {"ENGINE_BACKENDS__DIRACX__NODE__RUNTIMES": '["apptainer"]'}  # nobody has installed it there
    other = push_busybox(registry, "vip/other:1.0", group=False)
    for failed, image, state in ((3, busybox_image, "failing"), (6, other, "rests until")):
        tool = grid.tool("true", image=image)
        done = grid.submit(tool, grid.write("i.json", {}), variables=unfit, code=1)
        [job] = grid.ok("jobs", done.id, "--json").values
        assert (job["failure"], job["attempts"]) == ("node", 3)
        [site] = grid.ok("sites", "--json").values
        assert (site["failed"], site["last_failure"].split(":")[0]) == (failed, "node")
        assert site["state"].startswith(state)
