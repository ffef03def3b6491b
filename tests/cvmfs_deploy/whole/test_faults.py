"""Whatever goes wrong: a clear line, an exit code, the repository as it was, and the next run mends it."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cvmfs_deploy.site import Site, layer, noise
from tests.services.faults import Faults
from tests.services.images import add, digest_of, push
from tests.services.registry import Registry, free_port

pytestmark = pytest.mark.service

SECRET = "a-very-secret-password"


@pytest.fixture
def image(registry: Registry, faults: Faults, site: Site) -> str:
    """An image behind the registry that misbehaves; another one is published already."""
    push(registry.url, "faults/there:1", [layer({"what": "there"})])
    site.ok("add", f"{registry.host}/faults/there:1")
    push(registry.url, "faults/wanted:1", [layer({"data": noise(300_000)}), layer({"more": noise(1000, 2)})])
    return f"{faults.host}/faults/wanted:1"


def refused(site: Site, image: str, code: int, told: str) -> None:
    """The command fails as it should, and nothing has changed; afterwards the same command succeeds."""
    before = site.seen()
    ran = site.run("add", image)
    assert ran.code == code, ran
    assert told in ran.err
    assert SECRET not in ran.err
    assert site.seen() == before
    assert site.cvmfs is None or not site.cvmfs.is_open()


def mended(site: Site, image: str) -> None:
    site.ok("add", image)
    assert (site.container(image) / "ROOT/data").stat().st_size == 300_000
    assert site.ok("verify", "--deep").code == 0


def test_an_unknown_image(site: Site, image: str, faults: Faults) -> None:
    refused(site, f"{faults.host}/faults/unknown:1", 2, "faults/unknown:1 does not exist")


def test_a_name_that_is_none(site: Site, image: str) -> None:
    refused(site, "no name", 2, "image name 'no name' is not valid")


def test_no_credentials_and_wrong_ones(site: Site, image: str, faults: Faults) -> None:
    faults.login = f"robot:{SECRET}"
    refused(site, image, 4, "wants credentials")
    logins = site.home / "logins.json"
    logins.write_text(f'{{"{faults.host}": {{"username": "robot", "password": "wrong-{SECRET}"}}}}')
    logins.chmod(0o600)
    site.configure(credentials=str(logins))
    refused(site, image, 4, "refuses the credentials of 'robot'")
    logins.write_text(f'{{"{faults.host}": {{"username": "robot", "password": "{SECRET}"}}}}')
    mended(site, image)


def test_a_registry_that_is_not_there(site: Site, image: str) -> None:
    refused(site, f"127.0.0.1:{free_port()}/faults/wanted:1", 3, "cannot be reached")


def test_another_manifest_than_the_digest_that_was_asked_for(
    site: Site, image: str, faults: Faults, registry: Registry
) -> None:
    body = b'{"schemaVersion": 2, "other": true}'
    faults.wrong_manifest = body
    refused(site, f"{faults.host}/faults/wanted@{digest_of(b'x')}", 3, "sends something else than sha256:")


def test_a_layer_that_always_arrives_flipped(site: Site, image: str, faults: Faults) -> None:
    faults.corrupt, faults.corrupt_above = 1000, 100_000
    refused(site, image, 3, "sends wrong bytes for layer sha256:")
    faults.corrupt = 0
    mended(site, image)


def test_a_layer_that_is_flipped_once_is_fetched_again(site: Site, image: str, faults: Faults) -> None:
    faults.corrupt, faults.corrupt_above = 1, 100_000
    mended(site, image)


def test_a_cut_layer_goes_on_where_it_ended(site: Site, image: str, faults: Faults) -> None:
    faults.cut_after, faults.cuts = 100_000, 2
    mended(site, image)
    assert faults.bytes < 2 * 302_000


def test_a_layer_that_is_always_cut_is_taken_up_by_the_next_run(
    site: Site, image: str, faults: Faults
) -> None:
    # with ranges every transfer would bring 100 kB more, and one run would be enough
    faults.cut_after, faults.cuts, faults.ranges = 100_000, 10_000, False
    refused(site, image, 3, "breaks off every transfer")
    faults.cuts, faults.ranges, faults.bytes = 0, True, 0
    mended(site, image)
    assert faults.bytes < 250_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def test_too_little_room_is_told_before_anything_is_fetched(
    directory: Site, registry: Registry, faults: Faults, small_disk: Path
) -> None:
    push(registry.url, "faults/large:1", [layer({"data": noise(1_500_000)})])
    directory.configure(to=str(small_disk))
    ran = directory.run("add", f"{faults.host}/faults/large:1")
    assert (ran.code, "MB free, 1 image needs" in ran.err) == (3, True)
    assert faults.blobs == 0


@pytest.mark.parametrize("where", ["to", "work"])
def test_a_disk_that_gets_full_in_the_middle(
    directory: Site, registry: Registry, small_disk: Path, where: str
) -> None:
    # zeros: nobody can know before that little in the registry is much on the disk
    push(
        registry.url,
        "faults/zeros:1",
        [layer({"data": bytes(6_000_000) if where == "to" else noise(900_000)})],
    )
    if where == "work":
        (small_disk / "ballast").write_bytes(bytes(1_500_000))
    directory.configure(**{where: str(small_disk)})
    image = f"{registry.host}/faults/zeros:1"
    ran = directory.run("add", image)
    assert (ran.code, "No space left" in ran.err) == (3, True), ran
    containers = (small_disk if where == "to" else directory.top) / "vip/udocker/containers"
    assert [name for name in os.listdir(containers) if not name.startswith(".")] == []
    assert not list(containers.glob(".store/sha256-*"))
    if where == "work":
        (small_disk / "ballast").unlink()
    else:
        subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    directory.ok("add", image)


def evil(*entries: Callable[[tarfile.TarFile], object]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for entry in entries:
            entry(tar)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("dots", [lambda tar: add(tar, "../../escaped", "x")]),
        ("deep-dots", [lambda tar: add(tar, "a/../../../escaped", "x")]),
        ("hard", [lambda tar: add(tar, "x", link="../../../config.yaml", kind=tarfile.LNKTYPE)]),
        ("whiteout", [lambda tar: add(tar, ".wh...", "")]),
        ("name-dots", [lambda tar: add(tar, "..", kind=tarfile.DIRTYPE)]),
    ],
)
def test_a_layer_that_tries_to_reach_outside_is_refused(
    site: Site,
    registry: Registry,
    name: str,
    entries: list[Callable[[tarfile.TarFile], object]],
) -> None:
    push(registry.url, f"faults/evil-{name}:1", [layer({"etc/fine": "x"}), evil(*entries)])
    before = sorted(path for path in site.home.rglob("*") if "state" not in path.parts)
    ran = site.run("add", f"{registry.host}/faults/evil-{name}:1")
    assert (ran.code, "outside of the image" in ran.err) == (3, True), ran
    after = sorted(path for path in site.home.rglob("*") if "state" not in path.parts)
    assert [path for path in after if path not in before and "published" not in path.parts] == []
    assert site.seen() == {}


def test_absolute_names_and_links_out_stay_inside(site: Site, registry: Registry, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    hostile = evil(
        lambda tar: add(tar, "/absolute", "x"),
        lambda tar: add(tar, "door", link=str(outside), kind=tarfile.SYMTYPE),
        lambda tar: add(tar, "door/planted", "x"),
        lambda tar: add(tar, "up", link="../../../../../..", kind=tarfile.SYMTYPE),
        lambda tar: add(tar, "up/planted-too", "x"),
    )
    push(registry.url, "faults/inside:1", [hostile])
    image = f"{registry.host}/faults/inside:1"
    site.ok("add", image)
    root = site.container(image) / "ROOT"
    assert {"absolute", "planted-too"} <= set(os.listdir(root))
    assert (root / str(outside).lstrip("/") / "planted").read_text() == "x"
    assert os.listdir(outside) == []


def test_two_runs_at_once_are_one_after_the_other(site: Site, registry: Registry) -> None:
    for number in "12":
        push(registry.url, f"faults/twice:{number}", [layer({"data": noise(500_000, int(number))})])
    site.configure(wait="60s")
    runs = [site.start("add", f"{registry.host}/faults/twice:{number}") for number in "12"]
    assert [run.communicate()[1] and run.returncode for run in runs] == [0, 0]
    assert len(site.index["names"]) == 2
    assert site.ok("verify", "--deep").code == 0


def test_a_run_that_may_not_wait_names_the_other_one(directory: Site, registry: Registry) -> None:
    push(registry.url, "faults/lock:1", [layer({"x": "x"})])
    directory.ok("add", f"{registry.host}/faults/lock:1")
    lock = directory.containers / ".store/.lock"
    holder = subprocess.Popen(["flock", lock, "sleep", "30"])
    try:
        directory.configure(wait="0s")
        deadline = time.monotonic() + 20
        while True:
            ran = directory.run("add", "--again", f"{registry.host}/faults/lock:1")
            if ran.code == 3 or time.monotonic() > deadline:
                break
        assert "another run is at work" in ran.err
        assert directory.ok("status", "--json").value["run"] != "none"
    finally:
        holder.kill()
        holder.wait()


def test_a_directory_that_cannot_be_written_is_told(directory: Site, registry: Registry) -> None:
    push(registry.url, "faults/closed:1", [layer({"x": "x"})])
    (directory.home / "published").write_text("a file where a directory should be")
    ran = directory.run("add", f"{registry.host}/faults/closed:1")
    assert ran.code == 3
    assert str(directory.home / "published") in ran.err
