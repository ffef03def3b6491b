"""launch.sh finds a Python, or says for each attempt that there is none."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.node.conftest import Site
from wrappers import wire

LAUNCH = Path(wire.__file__).resolve().parent / "launch.sh"
SHELLS = [shell for shell in (["dash"], ["busybox", "sh"], ["bash", "--posix"]) if shutil.which(shell[0])]


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    words: list[str] = request.param
    return [str(shutil.which(words[0])), *words[1:]]


@pytest.fixture
def bundle(site: Site) -> Path:
    """A directory as it arrives on a node: launch.sh beside the wrapper."""
    bundle = site.root / "a bundle"
    bundle.mkdir()
    shutil.copy(LAUNCH, bundle)
    shutil.copy(site.wrapper, bundle / "wrapper.pyz")
    return bundle


def bare_path(site: Site, *programs: str) -> str:
    """A PATH with a few programs and no Python."""
    directory = site.root / "bin"
    directory.mkdir()
    for name in programs:
        (directory / name).symlink_to(str(shutil.which(name)))
    return str(directory)


def launch(
    site: Site, shell: list[str], bundle: Path, manifests: list[wire.Manifest], *more: str, **env: str
) -> int:
    arguments = site.command(manifests, *more)[4:]
    done = subprocess.run([*shell, str(bundle / "launch.sh"), *arguments], env=env, timeout=60)
    return done.returncode


def test_the_python_that_is_named_runs_the_wrapper(site: Site, shell: list[str], bundle: Path) -> None:
    manifest = site.manifest("echo hello")
    assert launch(site, shell, bundle, [manifest], ENGINE_PYTHON=sys.executable, PATH=os.defpath) == 0
    assert site.report(manifest).outcome == wire.SUCCEEDED


def test_a_python_that_does_not_work_is_passed_over(site: Site, shell: list[str], bundle: Path) -> None:
    path = bare_path(site, "dirname", "uname", "sh", "echo")
    (site.root / "bin" / "python3").symlink_to(sys.executable)
    manifest = site.manifest("echo hello")
    assert launch(site, shell, bundle, [manifest], ENGINE_PYTHON="/bin/false", PATH=path) == 0
    assert site.report(manifest).outcome == wire.SUCCEEDED


def test_without_python_every_attempt_gets_a_report(site: Site, shell: list[str], bundle: Path) -> None:
    if any(Path(place).exists() for place in ("/usr/libexec/platform-python",)):
        pytest.skip("this machine has a platform Python")
    # Absolute paths to Python remain: they are hidden by an empty directory tree in their place.
    script = (bundle / "launch.sh").read_text()
    (bundle / "launch.sh").write_text(
        script.replace("/usr/bin/python3", "/none").replace("/usr/local/bin", "/none")
    )
    path = bare_path(site, "dirname", "uname", "sed", "cut", "sha256sum", "mv", "mkdir")
    manifests = [
        site.manifest('echo "attempt":"fooled"', invocation={"attempt": "fooled", "x": '{"attempt":"y"'})
        for _ in range(4)
    ]
    assert launch(site, shell, bundle, manifests, "--index", "1", "--count", "2", PATH=path) == 71
    assert {path.name for path in site.into.iterdir()} == {
        f"{manifest.attempt}.report.json" for manifest in manifests[1:3]
    }
    report = site.report(manifests[1])
    assert (report.outcome, report.failure) == (wire.FAILED, wire.NODE)
    assert report.manifest_sha256 == hashlib.sha256(wire.dumps(manifests[1]).encode()).hexdigest()
    assert "no Python 3.6" in report.message
    assert report.host["name"] == os.uname().nodename


def test_an_end_before_there_is_a_python_is_reported(site: Site, shell: list[str], bundle: Path) -> None:
    slow, begun = site.root / "slow-python", site.root / "begun"
    slow.write_text(f"#!/bin/sh\n: >'{begun}'\nsleep 1\nexit 1\n")
    slow.chmod(0o755)
    manifests = [site.manifest("true") for _ in range(2)]
    arguments = site.command(manifests)[4:]
    running = subprocess.Popen(
        [*shell, str(bundle / "launch.sh"), *arguments], env={"ENGINE_PYTHON": str(slow), "PATH": os.defpath}
    )
    deadline = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.terminate()
    assert running.wait(60) == 143
    for manifest in manifests:
        report = site.report(manifest)
        assert (report.outcome, report.failure) == (wire.FAILED, wire.CANCELLED)
        assert report.manifest_sha256 == hashlib.sha256(wire.dumps(manifest).encode()).hexdigest()


def test_launch_sh_stays_short() -> None:
    assert len(LAUNCH.read_text().splitlines()) <= 40
