"""Where the cache of images cannot be used, an image is pulled for one job alone, with a warning."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tests.cli.failing import denied, mounted, run
from tests.node.conftest import Site
from tests.services.unprivileged import Unprivileged
from wrappers import wire
from wrappers.containers.reference import parse
from wrappers.containers.registry import RegistryClient

pytestmark = pytest.mark.service


NO_CACHE: dict[str, tuple[str, Callable[[Path], tuple[str, ...]]]] = {
    "a cache that cannot be made": ("file/cache", lambda _: ()),
    "a cache on a full disk": ("cache", lambda cache: mounted(cache, "size=64k")),
    "a cache on a read-only disk": ("cache", lambda cache: mounted(cache, "ro")),
}
"""Where the cache is, and what makes it unusable."""


@pytest.mark.parametrize("what", NO_CACHE)
def test_without_a_cache_an_image_is_pulled_for_one_job_with_a_warning(
    desk: Desk, busybox_image: str, what: str
) -> None:
    name, around = NO_CACHE[what]
    desk.write("file", "")
    cache = desk.directory / name
    before, variables = around(cache), {"ENGINE_NODE__CACHE": str(cache)}
    tool = desk.tool("echo fine > o", image=busybox_image, outputs={"o": "o"})
    options = ("--runtime", "userns")
    done = desk.submit(tool, desk.write("i.json", {}), *options, before=before, variables=variables)
    assert done.read("outputs/o") == "fine\n"
    story = desk.ok("explain", variables=variables).out
    assert "was pulled for this job alone" in story
    assert not list(desk.spool.glob("jobs/*/*/image"))


@pytest.mark.parametrize("answer", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_without_file_locks_an_image_is_pulled_for_one_job(
    site: Site, busybox_image: str, answer: str
) -> None:
    digest = RegistryClient().resolve(parse(busybox_image)).digest
    site.node = site.node._replace(cache=str(site.root / "cache"))
    image = wire.Image(busybox_image, digest)
    report = run(site, *denied(f"flock={answer}"), image=image, runtimes=["userns"])
    assert report.outcome == wire.SUCCEEDED, report
    assert report.runtime is not None
    assert "was pulled for this job alone" in report.runtime.warnings[0]


@pytest.mark.parametrize("home", ["", "/", "/nonexistent", "/dev/null", "relative"])
def test_without_a_home_directory_an_image_is_pulled_for_one_job(
    unprivileged: Unprivileged,
    wrapper: Path,
    busybox_image: str,
    home: str,
) -> None:
    place = Site(
        unprivileged.directory, unprivileged.directory / "wrapper.pyz", python=Path("/usr/bin/python3")
    )
    shutil.copy(wrapper, place.wrapper)
    digest = RegistryClient().resolve(parse(busybox_image)).digest
    one = place.manifest("id -u; echo fine", image=wire.Image(busybox_image, digest), runtimes=["userns"])
    command = place.command([one])
    unprivileged.give(unprivileged.directory)
    unknown = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    user = unknown if os.geteuid() == 0 else []  # nobody has heard of it
    if user:
        unprivileged.directory.chmod(0o777)
    variables = {"PATH": os.defpath, **({"HOME": home} if home else {})}
    subprocess.run([*user, *command], env=variables, cwd=unprivileged.directory, timeout=300, check=True)
    report = place.report(one)
    assert report.outcome == wire.SUCCEEDED, report
    assert report.runtime is not None
    assert "was pulled for this job alone" in report.runtime.warnings[0]
    assert not (unprivileged.directory / "relative").exists()
