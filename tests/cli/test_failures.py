"""How jobs end that do not end well: limits, lost processes, full disks; and what is tried again."""

from __future__ import annotations

import json
import os
import re
import signal
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk, until
from tests.services.preloaded import ENGINE

pytestmark = pytest.mark.whole

BARE = ("--runtime", "none")

HOG = """python3 -c 'import time; hoard = b"x" * 200_000_000; time.sleep(600)'"""


def jobs(desk: Desk) -> list[Any]:
    return list(desk.ok("jobs", "--json").values)


def spoil(archive: Path, module: str, defect: bytes) -> None:
    """Write a zip again with this at the end of one of its modules."""
    with zipfile.ZipFile(archive) as whole:
        files = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(archive, "w") as whole:
        for name, data in files.items():
            whole.writestr(name, data + b"\n" + defect if name == module else data)


def test_a_defect_of_the_wrapper_leaves_its_traceback_within_reach(desk: Desk) -> None:
    # No tool and no input brings a defect about: this wrapper is given one.
    tool, i = desk.tool("true"), desk.write("i.json", {})
    desk.submit(tool, i, *BARE)
    os.kill(json.loads((desk.spool / "server.json").read_text())["pid"], signal.SIGKILL)
    [wrapper] = desk.spool.glob("wrapper-*.pyz")
    spoil(wrapper, "wrappers/node/outputs.py", b"def find(*_): return 1 / 0")
    desk.submit(tool, i, *BARE, code=1)
    [job] = jobs(desk)
    assert job["failure"] == "engine", job
    told = desk.ok("explain")
    assert "engine logs --debug" in told.out + told.err
    assert "Traceback (most recent call last)" in desk.ok("logs", "--debug").out
    assert "ZeroDivisionError" in job["message"], job


@pytest.mark.parametrize(
    ("option", "command", "words"),
    [
        (("--wall", "0.5"), "sleep 600", "the tool was ended after its wall time of 0.5 s"),
        (("--memory", "50M"), HOG, "MiB of memory; 48 MiB are allowed"),
    ],
    ids=["wall time", "memory"],
)
def test_a_limit_ends_its_job_and_no_other(
    desk: Desk, option: tuple[str, str], command: str, words: str
) -> None:
    tool = desk.tool(f"[ [TEXT] = small ] && echo fine > o || {command}", outputs={"o": "o"})
    lines = desk.lines("two.jsonl", [{"text": "small"}, {"text": "big"}])
    done = desk.submit(tool, lines, *BARE, *option, code=1)
    small, big = jobs(desk)
    assert small["state"] == "succeeded"
    assert (big["state"], big["failure"], big["attempts"]) == ("failed", "limit", 1)
    assert words in big["message"]
    assert done.files("outputs") == ["1/o"]


def test_the_descriptors_wall_time_is_obeyed_and_the_users_comes_first(desk: Desk) -> None:
    resources = {"walltime-estimate": 1}
    tool = desk.tool("sleep 1.5; echo done > o", outputs={"o": "o"}, suggested_resources=resources)
    i = desk.write("i.json", {})
    assert "wall time of 1 s" in desk.submit(tool, i, *BARE, code=1).ran.err
    assert desk.submit(tool, i, *BARE, "--wall", "60").files("outputs") == ["o"]


def test_a_tool_that_failed_is_not_tried_again(desk: Desk) -> None:
    counter = desk.directory / "counter"
    desk.submit(desk.tool(f"echo x >> '{counter}'; exit 1"), desk.write("i.json", {}), *BARE, code=1)
    assert counter.read_text() == "x\n"
    assert jobs(desk)[0]["attempts"] == 1


@pytest.mark.parametrize("times", [1, 3])
def test_a_job_whose_process_was_killed_is_tried_twice_more(desk: Desk, times: int) -> None:
    tool = desk.tool("[ -e '[FLAG]' ] || sleep 600; echo done > o", {"flag": "String"}, {"o": "o"})
    flag = desk.directory / "go"
    submit = desk.start("submit", tool, desk.write("i.json", {"flag": str(flag)}), *BARE)
    killed: set[int] = set()
    for _ in range(times):
        (wrapper,) = until(lambda: _wrappers(desk) - killed)
        if len(killed) + 1 == times == 1:
            flag.touch()
        until(partial(_children, wrapper))
        os.kill(wrapper, signal.SIGKILL)
        killed.add(wrapper)
    _, err = submit.communicate()
    (job,) = jobs(desk)
    if times == 1:
        assert (submit.returncode, job["state"], job["attempts"]) == (0, "succeeded", 2), err
        assert "it is lost" in desk.ok("explain").out
    else:
        assert (submit.returncode, job["state"], job["failure"], job["attempts"]) == (1, "failed", "lost", 3)
    assert [path for path in desk.spool.glob("jobs/*/*") if path.is_dir()] == []


def _children(process: int) -> list[Path]:
    """Where the kernel names the processes that it has started, while it is there."""
    return list(Path(f"/proc/{process}/task").glob("*/children"))


def _wrappers(desk: Desk) -> set[int]:
    """The processes that carry out submissions now."""
    found = set()
    for started in desk.spool.glob("jobs/*/started"):
        try:
            found.add(int(json.loads(started.read_text())["pid"]))
        except OSError:
            continue
    return found


def test_a_place_that_is_not_fit_is_tried_twice_more_and_then_told(desk: Desk) -> None:
    settings = {"ENGINE_LIMITS__DISK": str(10**18)}
    done = desk.submit(desk.tool("echo"), desk.write("i.json", {}), *BARE, code=1, variables=settings)
    (job,) = jobs(desk)
    assert (job["failure"], job["attempts"]) == ("node", 3)
    assert "bytes free; the job needs 1000000000000000000" in job["message"]
    assert done.files() == ["provenance/1.1.json", "provenance/1.2.json", "provenance/1.3.json"]


def test_nothing_of_a_job_stays_on_the_machine(desk: Desk) -> None:
    lines = desk.lines("two.jsonl", [{"text": "0"}, {"text": "1"}])
    desk.submit(desk.tool("mkdir d; chmod 0 d; exit [TEXT]"), lines, *BARE, code=1)
    until(lambda: not list(desk.spool.glob("jobs/*")))
    assert not list(desk.spool.glob("finished/*"))
    assert not list(desk.directory.glob("results/*/.attempts"))


# --- full disks: a small file system in a mount namespace, which needs no root


def small(where: Path, size: str) -> list[str]:
    """What gives a command a file system of this size at `where`."""
    where.mkdir(parents=True, exist_ok=True)
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = f'mount -t tmpfs -o size={size},nr_inodes=1000 none "$0" && exec "$@"'
    return ["unshare", *user, "--mount", "sh", "-c", script, str(where)]


def test_a_full_disk_under_the_results_is_told_and_what_the_tool_wrote_is_kept(desk: Desk) -> None:
    tool = desk.tool("head -c 3000000 /dev/urandom > o", outputs={"o": "o"})
    full = small(desk.directory / "results", "1m")
    done = desk.submit(tool, desk.write("i.json", {}), *BARE, code=1, before=full)
    assert "job 1 failed (output): no space left on the disk while delivering results to" in done.ran.err
    assert jobs(desk)[0]["attempts"] == 1  # another try would find it as full
    assert "Traceback" not in done.ran.err
    (kept,) = re.findall("what the tool wrote is kept in (.*) on ", done.ran.err)
    assert Path(kept, "o").stat().st_size == 3_000_000


def test_a_full_disk_under_the_jobs_fails_them_in_clear_words(desk: Desk) -> None:
    tool = desk.tool("head -c 30000000 /dev/zero > o", outputs={"o": "o"})
    place = desk.directory / "scratch"
    ran = desk.run(
        *("submit", tool, desk.write("i.json", {}), *BARE),
        before=small(place, "8m"),
        variables={"ENGINE_NODE__SCRATCH": str(place)},
    )
    assert ran.code == 1
    assert "job 1 failed (node): no space left on the disk while the tool was running" in ran.err


def test_a_full_disk_under_the_database_is_told_and_nothing_is_lost(desk: Desk) -> None:
    tool = desk.tool("echo [TEXT]")
    lines = desk.lines("many.jsonl", [{"text": "x" * 1000}] * 3000)
    data = desk.home / ".local/share"
    check = f'"$0" "$@"; code=$?; {ENGINE} list --json; exit $code'
    ran = desk.run("submit", tool, lines, *BARE, before=[*small(data, "2m"), "sh", "-c", check])
    assert ran.code == 3
    first, remedy = ran.lines
    assert first.startswith(f"engine: the database sqlite:///{data}/boutiques-engine/engine.db fails: ")
    assert "full" in first
    assert remedy == "engine: free some disk space; nothing was lost"
    assert ran.out == ""  # no execution is listed
    assert not list(desk.directory.glob("results/*"))
