"""launch.sh finds a Python, or says for each attempt that there is none."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.node.conftest import Site
from tests.services.fuse import Mount, mounted
from wrappers import wire

pytestmark = pytest.mark.whole

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
    hidden(bundle)
    path = bare_path(site)
    manifests = [
        site.manifest('echo "attempt":"fooled"', invocation={"attempt": "fooled", "x": '{"attempt":"y"'})
        for _ in range(4)
    ]
    assert launch(site, shell, bundle, manifests, "--index", "1", "--count", "2", PATH=path) == 71
    assert {path.name for path in site.into.iterdir()} == {
        f"{manifest.attempt}.report.json" for manifest in manifests[1:3]
    }
    report = site.report(manifests[1])
    assert (report.outcome, report.failure, report.cause) == (wire.FAILED, wire.NODE, "no-python")
    assert report.manifest_sha256 == hashlib.sha256(wire.dumps(manifests[1]).encode()).hexdigest()
    assert "no Python 3.6" in report.message
    assert report.host["name"] == os.uname().nodename


def test_an_end_before_there_is_a_python_is_reported(site: Site, shell: list[str], bundle: Path) -> None:
    slow, begun, go = (site.root / name for name in ("slow-python", "begun", "go"))
    slow.write_text(f"#!/bin/sh\n: >'{begun}'\nuntil [ -e '{go}' ]; do sleep 0.02; done\nexit 1\n")
    slow.chmod(0o755)
    manifests = [site.manifest("true") for _ in range(2)]
    arguments = site.command(manifests)[4:]
    running = subprocess.Popen(
        [*shell, str(bundle / "launch.sh"), *arguments], env={"ENGINE_PYTHON": str(slow), "PATH": os.defpath}
    )
    while not begun.exists():
        time.sleep(0.01)
    running.terminate()
    go.touch()  # a shell hears of a signal when what it waits for has ended
    assert running.wait() == 143
    for manifest in manifests:
        report = site.report(manifest)
        assert (report.outcome, report.failure) == (wire.FAILED, wire.CANCELLED)
        assert report.manifest_sha256 == hashlib.sha256(wire.dumps(manifest).encode()).hexdigest()


def python_without(directory: Path, *modules: str) -> Path:
    """A Python whose builder left out parts of its standard library."""
    base = Path(os.path.realpath(sys.executable))
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library = Path(os.__file__).parent
    home = directory / f"without-{'-'.join(modules)}"
    dynload = home / "lib" / version / "lib-dynload"
    dynload.mkdir(parents=True)
    (home / "bin").mkdir()
    shutil.copy(base, home / "bin/python3")
    for entry in [*library.iterdir(), *(library / "lib-dynload").iterdir()]:
        place = dynload if entry.parent.name == "lib-dynload" else dynload.parent
        if entry.name != "lib-dynload" and entry.name.split(".")[0].removeprefix("_") not in modules:
            (place / entry.name).symlink_to(entry)
    return home / "bin/python3"


def hidden(bundle: Path) -> None:
    """Leave launch.sh only the Pythons that are named to it, or stand on PATH."""
    script = (bundle / "launch.sh").read_text()
    (bundle / "launch.sh").write_text(
        script.replace("/usr/bin/python3", "/none").replace("/usr/local/bin", "/none")
    )


@pytest.mark.parametrize("module", ["ssl", "ctypes", "zlib"])
def test_a_python_without_what_jobs_need_gives_way_to_the_next(
    site: Site, shell: list[str], bundle: Path, module: str
) -> None:
    poor = python_without(site.root, module)
    if (
        subprocess.run([poor, "-I", "-S", "-c", f"import {module}"], stderr=subprocess.DEVNULL).returncode
        == 0
    ):
        pytest.skip(f"{module} is built into this Python")
    path = bare_path(site, "uname", "sh", "echo", "ls")
    (site.root / "bin" / "python3").symlink_to(sys.executable)
    manifest = site.manifest("readlink /proc/$PPID/exe", environment={"PATH": os.defpath})
    assert launch(site, shell, bundle, [manifest], ENGINE_PYTHON=str(poor), PATH=path) == 0
    report = site.report(manifest)
    assert report.outcome == wire.SUCCEEDED, report
    assert site.log(report).strip() == os.path.realpath(sys.executable)


def test_the_only_python_there_is_runs_jobs_without_ssl_or_ctypes(
    site: Site, shell: list[str], bundle: Path
) -> None:
    hidden(bundle)
    poor = python_without(site.root, "ssl", "ctypes")
    path = bare_path(site, "uname", "sh", "echo")
    manifest = site.manifest("echo hello")
    assert launch(site, shell, bundle, [manifest], ENGINE_PYTHON=str(poor), PATH=path) == 0
    assert site.report(manifest).outcome == wire.SUCCEEDED


def test_what_only_a_python_with_ssl_can_fetch_is_the_nodes_fault(
    site: Site, shell: list[str], bundle: Path
) -> None:
    hidden(bundle)
    poor = python_without(site.root, "ssl")
    path = bare_path(site, "uname", "sh", "echo")
    wanted = wire.Input("in", "https://127.0.0.1:9/x", "x")
    manifest = site.manifest("echo hello", inputs=[wanted])
    assert launch(site, shell, bundle, [manifest], ENGINE_PYTHON=str(poor), PATH=path) == 0
    report = site.report(manifest)
    assert (report.failure, report.cause) == (wire.NODE, "no-python"), report


@pytest.mark.parametrize("library", ["libz.so.1", "libc.so.6", "libm.so.6", "libssl.so.3", "libcrypto.so.3"])
@pytest.mark.parametrize("variable", ["LD_LIBRARY_PATH", "LD_PRELOAD"])
def test_libraries_of_somebody_else_in_the_environment_are_left_out(
    site: Site, shell: list[str], bundle: Path, library: str, variable: str
) -> None:
    foreign = site.root / "foreign"
    foreign.mkdir()
    (foreign / library).write_bytes(b"for another system")
    leaking = {variable: str(foreign if variable == "LD_LIBRARY_PATH" else foreign / library)}
    environment = {"PATH": os.defpath, **leaking}
    probe = subprocess.run([*shell, "-c", "exit 3"], env=environment, stderr=subprocess.DEVNULL)
    if probe.returncode != 3:
        pytest.skip(f"{shell[0]} itself does not start with this {library}")
    manifest = site.manifest("echo hello")
    assert launch(site, shell, bundle, [manifest], PATH=os.defpath, **leaking) == 0
    report = site.report(manifest)
    assert report.outcome == wire.SUCCEEDED, report


def test_a_report_is_written_in_an_environment_with_foreign_libraries(
    site: Site, shell: list[str], bundle: Path
) -> None:
    hidden(bundle)
    foreign = site.root / "foreign"
    foreign.mkdir()
    for library in ("libselinux.so.1", "libacl.so.1", "libpcre2-8.so.0", "libcrypto.so.3"):  # of sed, mv, ...
        (foreign / library).write_bytes(b"for another system")
    path = bare_path(site)
    manifest = site.manifest("true")
    leaking = {"LD_LIBRARY_PATH": str(foreign), "PATH": path, "ENGINE_PYTHON": "/bin/false"}
    assert launch(site, shell, bundle, [manifest], **leaking) == 71
    assert (site.report(manifest).failure, site.report(manifest).cause) == (wire.NODE, "no-python")


@pytest.mark.parametrize("name", ["a bundle/launch.sh", "./a bundle/launch.sh"])
def test_cdpath_and_where_the_job_was_started_do_not_matter(
    site: Site, shell: list[str], bundle: Path, name: str
) -> None:
    decoy = site.root / "decoy"
    (decoy / "a bundle").mkdir(parents=True)
    manifest = site.manifest("echo hello")
    arguments = site.command([manifest])[4:]
    env = {"CDPATH": f".:{decoy}", "PATH": os.defpath}
    done = subprocess.run([*shell, name, *arguments], env=env, cwd=bundle.parent, timeout=60)
    assert done.returncode == 0
    assert site.report(manifest).outcome == wire.SUCCEEDED


def test_a_launcher_that_is_named_without_a_directory_finds_its_wrapper(
    site: Site, shell: list[str], bundle: Path
) -> None:
    manifest = site.manifest("echo hello")
    arguments = site.command([manifest])[4:]
    env = {"CDPATH": "/", "PATH": os.defpath}
    done = subprocess.run([*shell, "launch.sh", *arguments], env=env, cwd=bundle, timeout=60)
    assert (done.returncode, site.report(manifest).outcome) == (0, wire.SUCCEEDED)


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_wrapper_that_did_not_arrive_whole_is_reported(
    site: Site, shell: list[str], bundle: Path, damage: str
) -> None:
    archive = bundle / "wrapper.pyz"
    data = archive.read_bytes()
    archive.unlink()
    if damage == "cut":
        archive.write_bytes(data[: len(data) // 2])
    manifest = site.manifest("true", invocation={"quoted": '"\\'})
    assert launch(site, shell, bundle, [manifest], PATH=os.defpath) == 71
    report = site.report(manifest)
    assert (report.failure, report.cause) == (wire.NODE, "no-python")
    assert "No module named wrappers" in report.message


def on_mount(place: Path) -> None:
    """A Python that can be run from there, and the directories in which one is looked for."""
    for name in ("bin", "dirac/v1/Linux-x86_64/bin"):
        (place / name).mkdir(parents=True)
        python = place / name / "python3"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        (place / name / "python").symlink_to("python3")


def impatient(bundle: Path, cvmfs: Path) -> None:
    """Have launch.sh wait for two seconds, and look for DIRAC's Python there."""
    script = (bundle / "launch.sh").read_text()
    assert "limit=30" in script
    assert "/cvmfs/dirac.egi.eu" in script
    changed = script.replace("limit=30", "limit=2").replace("limit=10", "limit=1")
    (bundle / "launch.sh").write_text(changed.replace("/cvmfs/dirac.egi.eu", str(cvmfs)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
@pytest.mark.parametrize("fail", [Mount.stop, Mount.deafen])
def test_a_mount_that_hangs_keeps_no_job_from_a_python_elsewhere(
    site: Site, shell: list[str], bundle: Path, fail: Callable[[Mount], None]
) -> None:
    on_mount(site.root / "software")
    manifest = site.manifest("echo hello", environment={"PATH": os.defpath})
    with mounted(site.root / "software", site.root / "mount") as mount:
        impatient(bundle, mount.place)
        fail(mount)
        env = {
            "ENGINE_PYTHON": f"{mount.place}/bin/python3",
            "DIRACOS": str(mount.place),
            "PATH": f"{mount.place}/bin:{os.defpath}",
        }
        assert launch(site, shell, bundle, [manifest], **env) == 0
    assert site.report(manifest).outcome == wire.SUCCEEDED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
@pytest.mark.parametrize("fail", [Mount.stop, Mount.deafen, Mount.kill])
def test_where_every_python_is_on_a_mount_that_fails_the_report_says_so(
    site: Site, shell: list[str], bundle: Path, fail: Callable[[Mount], None]
) -> None:
    on_mount(site.root / "software")
    hidden(bundle)
    manifest = site.manifest("echo hello")
    with mounted(site.root / "software", site.root / "mount") as mount:
        impatient(bundle, mount.place)
        path = f"{mount.place}/bin"
        fail(mount)
        assert launch(site, shell, bundle, [manifest], PATH=path, DIRACOS=str(mount.place)) == 71
        report = site.report(manifest)
        assert (report.failure, report.cause) == (wire.NODE, "no-python")
        if fail is not Mount.kill:
            for place in ("python3", f"{mount.place}/bin/python", f"{mount.place}/dirac/"):
                assert f" {place}" in report.message
            assert "does not answer." in report.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_the_python_of_a_mount_that_answers_is_used(site: Site, shell: list[str], bundle: Path) -> None:
    on_mount(site.root / "software")
    hidden(bundle)
    manifest = site.manifest("echo hello")
    with mounted(site.root / "software", site.root / "mount") as mount:
        impatient(bundle, mount.place)
        assert launch(site, shell, bundle, [manifest], PATH=bare_path(site, "uname")) == 0
    assert site.report(manifest).outcome == wire.SUCCEEDED


def test_launch_sh_stays_short() -> None:
    """One file, which each job brings: a second one for the look-ups would be one more to be lost."""
    assert len(LAUNCH.read_text().splitlines()) <= 66
