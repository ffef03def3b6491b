"""Images on a mount that hangs, is dead, is damaged or cannot be read: every job ends right, and says why.

The mount is a real FUSE file system (tests/services/fuse.py) over a directory that `cvmfs-deploy` published.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk, Execution, Ran, url_path
from tests.cvmfs_deploy.site import ROOT, Site, directory_site
from tests.services.fuse import Mount, mounted
from tests.services.images import push_busybox
from tests.services.proot import proot_for_tests
from tests.services.registry import Registry

pytestmark = [
    pytest.mark.service,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system for all users"),
]

RUNTIMES = [("root", "userns"), ("root", "udocker"), ("ordinary", "userns"), ("ordinary", "udocker")]
EACH = [("root", "userns"), ("ordinary", "udocker")]  # where a test takes half a minute


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that all users can read; pytest's own are closed to them."""
    top = Path(tempfile.mkdtemp(prefix="engine-mounts-"))
    top.chmod(0o755)
    yield top
    subprocess.run(["chmod", "-R", "u+rwX", top], check=True)
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def image(registry: Registry) -> str:
    push_busybox(registry, "mounts/tool:1")
    return f"{registry.host}/mounts/tool:1"


@pytest.fixture(scope="module")
def original(image: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = directory_site(tmp_path_factory.mktemp("admin"))
    site.ok("add", image)
    return site


@pytest.fixture
def published(place: Path, original: Site) -> Site:
    """What is shown by the mount: a copy, which tests may damage."""
    shutil.copytree(original.top, place / "published", symlinks=True)
    return replace(original, top=place / "published")


@pytest.fixture
def mount(published: Site, place: Path) -> Iterator[Mount]:
    with mounted(published.top, place / "mount") as running:
        yield running


@pytest.fixture
def user(request: pytest.FixtureRequest, who: str) -> Desk:
    """Root, or somebody who is not."""
    found: Desk = request.getfixturevalue({"root": "desk", "ordinary": "ordinary_desk"}[who])
    return found


class Jobs:
    """Jobs of a user on a node that looks for images below the mount."""

    def __init__(self, user: Desk, mount: Mount, image: str, programs: Path) -> None:
        self.user, self.mount, self.image = user, mount, image
        self.containers = mount.place / ROOT
        self.variables = {
            "ENGINE_NODE__CVMFS": json.dumps([str(self.containers)]),
            "ENGINE_NODE__PROOT": str(proot_for_tests(programs)),
        }

    def fail(self, how: Callable[[Mount], None]) -> None:
        """Something happens to the mount, and nobody has much patience with it from now on."""
        how(self.mount)
        self.variables["ENGINE_NODE__FILE_SYSTEM_TIMEOUT"] = "2"

    def tool(self, command: str) -> str:
        return self.user.tool(command, image=self.image, outputs={"o": "o"})

    def start(self, runtime: str, command: str) -> subprocess.Popen[str]:
        words = ["submit", self.tool(command), self.user.write("i.json", {}), "--json", "--runtime", runtime]
        return self.user.start(*words, variables=self.variables)

    def logs(self) -> Iterator[str]:
        """What the tools of running jobs have said."""
        for directory, _, names in os.walk(self.user.home):
            for name in names:
                if name.endswith(".out"):
                    with suppress(FileNotFoundError):
                        yield Path(directory, name).read_text()

    def run(self, runtime: str, command: str = "echo here > o", code: int = 0, **more: str) -> Execution:
        words = ["--runtime", runtime] if runtime else []
        variables = {**self.variables, **more}
        request = self.user.write("i.json", {})
        return self.user.submit(self.tool(command), request, *words, code=code, variables=variables)


@pytest.fixture
def jobs(user: Desk, mount: Mount, image: str, place: Path) -> Jobs:
    programs = place / "programs"
    programs.mkdir()
    return Jobs(user, mount, image, programs)


def runtime_of(done: Execution, ordinal: int = 1) -> Any:
    return done.record(ordinal=ordinal)["additional-information"]["runtime"]


def failure_of(done: Execution, ordinal: int = 1) -> tuple[str, str]:
    summary = done.record(ordinal=ordinal)["public-output"]
    return summary["failure"], summary["error-message"]


@pytest.mark.parametrize(("who", "runtime"), RUNTIMES)
def test_a_mount_that_is_well_is_used(jobs: Jobs, runtime: str) -> None:
    done = jobs.run(runtime)
    used = runtime_of(done)
    assert (done.read("outputs/o"), used["origin"]) == ("here\n", "cvmfs")
    assert "answer" not in " ".join(used.get("warnings", []))


@pytest.mark.parametrize(
    ("fail", "told"),
    [
        (Mount.stop, "does not answer; the image is pulled"),
        (Mount.deafen, "does not answer; the image is pulled"),
        (Mount.kill, "Transport endpoint is not connected"),
        (Mount.spoil, "Input/output error"),
    ],
)
@pytest.mark.parametrize(("who", "runtime"), EACH)
def test_a_mount_that_fails_is_told_and_the_image_is_pulled(
    jobs: Jobs, runtime: str, fail: Callable[[Mount], None], told: str
) -> None:
    jobs.fail(fail)
    done = jobs.run(runtime)
    used = runtime_of(done)
    assert (done.read("outputs/o"), used["origin"]) == ("here\n", "pulled")
    assert told in " ".join(used.get("warnings", []))
    assert str(jobs.containers) in " ".join(used.get("warnings", []))
    assert told in done.ran.err  # while planning


@pytest.mark.parametrize(("who", "runtime"), EACH)
def test_a_mount_that_fails_where_nothing_may_be_pulled_is_named(jobs: Jobs, runtime: str) -> None:
    jobs.mount.kill()
    done = jobs.run(runtime, code=1, ENGINE_NODE__PULL="false")
    assert failure_of(done)[0] == "node"
    assert "Transport endpoint is not connected" in failure_of(done)[1]
    assert "mend the mount" in jobs.user.ok("explain", f"{done.id}:1", variables=jobs.variables).out


@pytest.mark.parametrize(
    ("who", "runtime", "part"),
    [
        (*RUNTIMES[0], "/ROOT/"),
        (*RUNTIMES[1], "container.json"),
        (*RUNTIMES[2], "container.json"),
        (*RUNTIMES[3], "/ROOT/"),
    ],
)
def test_an_image_that_cannot_be_read_is_pulled(jobs: Jobs, runtime: str, part: str) -> None:
    jobs.mount.spoil(part)
    done = jobs.run(runtime)
    assert done.read("outputs/o") == "here\n"
    last = runtime_of(done, len(list((done.results / "provenance").glob("*.json"))))
    assert last["origin"] in ("pulled", "cache")  # one try fails, or none
    assert "Input/output error" in " ".join(last["warnings"])


@pytest.mark.parametrize(
    ("who", "runtime", "damage"),
    [(*RUNTIMES[0], "cut"), (*RUNTIMES[1], "gone"), (*RUNTIMES[2], "gone"), (*RUNTIMES[3], "other")],
)
def test_an_image_that_is_damaged_is_not_blamed_on_the_tool(
    jobs: Jobs, published: Site, runtime: str, damage: str
) -> None:
    program = next(published.containers.glob(".store/sha256-*/ROOT/bin/busybox"))
    data = program.read_bytes()
    if damage == "gone":
        program.unlink()
    else:
        program.write_bytes(data[: len(data) // 2] if damage == "cut" else bytes(len(data)))
        program.chmod(0o755)
    done = jobs.run(runtime)
    assert done.read("outputs/o") == "here\n"
    last = runtime_of(done, len(list((done.results / "provenance").glob("*.json"))))
    assert last["origin"] in ("pulled", "cache")  # one try fails, or none
    assert "bin/busybox" in " ".join(last["warnings"])


@pytest.mark.parametrize(("who", "runtime"), EACH)
def test_a_tool_that_fails_in_a_sound_image_is_to_blame_itself(jobs: Jobs, runtime: str) -> None:
    done = jobs.run(runtime, "echo Input/output error >&2; exit 3", code=1)
    assert (failure_of(done)[0], runtime_of(done)["origin"]) == ("tool", "cvmfs")


@pytest.mark.parametrize(
    ("who", "runtime", "fail"), [("root", "userns", Mount.stop), ("ordinary", "userns", Mount.deafen)]
)
def test_a_mount_that_stops_answering_while_a_tool_runs_ends_the_tool(
    jobs: Jobs, runtime: str, fail: Callable[[Mount], None]
) -> None:
    command = "echo begun; for i in 1 2 3 4 5; do sleep 2; ls -lR /bin > list; done; echo here > o"
    jobs.variables["ENGINE_NODE__FILE_SYSTEM_TIMEOUT"] = "2"
    running = jobs.start(runtime, command)
    while not any("begun" in log for log in jobs.logs()):
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    fail(jobs.mount)
    out, err = running.communicate()
    assert running.returncode == 0, err
    done = Execution(Ran(0, out, err), json.loads(out)["id"], url_path(json.loads(out)["results"]))
    failure, message = failure_of(done)
    assert (failure, "has not answered for" in message) == ("node", True), message
    assert (done.read("outputs/o"), runtime_of(done, 2)["origin"]) == ("here\n", "pulled")


@pytest.mark.parametrize(
    ("who", "fail", "told"),
    [
        ("root", Mount.stop, "does not answer"),
        ("ordinary", Mount.kill, "Transport endpoint is not connected"),
    ],
)
def test_the_plan_and_the_doctor_say_what_is_wrong_with_a_mount(
    jobs: Jobs, fail: Callable[[Mount], None], told: str
) -> None:
    os.path.isdir(jobs.containers)  # the kernel remembers
    jobs.fail(fail)
    planned = jobs.user.ok(
        "plan", jobs.tool("echo x > o"), jobs.user.write("i.json", {}), variables=jobs.variables
    )
    assert f"{jobs.containers} " in planned.err
    assert told in planned.err
    examined = jobs.user.run("doctor", variables=jobs.variables)
    assert told in examined.out + examined.err


@pytest.mark.parametrize("who", ["root"])
def test_a_mount_that_hangs_and_a_registry_that_is_down_are_both_told(jobs: Jobs, registry: Registry) -> None:
    jobs.mount.kill()
    jobs.image = "127.0.0.1:9/mounts/tool:1"
    ran = jobs.user.run(
        "plan", jobs.tool("echo x > o"), jobs.user.write("i.json", {}), variables=jobs.variables
    )
    assert (ran.code, "Transport endpoint is not connected" in ran.err) == (3, True), ran


@pytest.mark.parametrize("who", ["ordinary"])
def test_settings_that_lie_on_a_mount_that_hangs_are_named(jobs: Jobs, published: Site) -> None:
    (published.top / "tools").mkdir()
    jobs.fail(Mount.stop)
    done = jobs.run(
        "udocker",
        code=1,
        ENGINE_NODE__CVMFS="[]",
        ENGINE_NODE__PROOT="",
        ENGINE_NODE__TOOLS=str(jobs.mount.place / "tools"),
    )
    failure, message = failure_of(done)
    assert (failure, "setting `tools`, does not answer" in message) == ("node", True), message


@pytest.mark.parametrize("who", ["ordinary"])
def test_a_cache_on_a_mount_that_hangs_is_done_without(jobs: Jobs) -> None:
    jobs.fail(Mount.stop)
    cache = str(jobs.mount.place / "cache")
    done = jobs.run("userns", ENGINE_NODE__CVMFS="[]", ENGINE_NODE__CACHE=cache)
    used = runtime_of(done)
    assert (done.read("outputs/o"), used["origin"]) == ("here\n", "pulled")
    assert f"{cache} cannot be used (no answer" in " ".join(used["warnings"])
    examined = jobs.user.run("doctor", variables={**jobs.variables, "ENGINE_NODE__CACHE": cache})
    assert f"{cache} does not answer" in examined.out + examined.err
