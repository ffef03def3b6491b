"""Images that come from elsewhere than a registry: archives, and a Docker engine."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from tests.cvmfs_deploy.archives import oci, saved
from tests.cvmfs_deploy.site import Site, layer, noise
from tests.services.debian import require

pytestmark = pytest.mark.whole

BASE = layer({"base": "b", "etc/x": "1"})
NAME = "example.org/lab/tool:1"


def test_an_archive_of_docker_save_is_published_under_its_own_name(site: Site) -> None:
    saved(site.home / "image.tar", NAME, [BASE, layer({"top": "t"}), BASE])
    site.ok("add", "--archive", "image.tar")
    root = site.container(NAME) / "ROOT"
    assert ((root / "base").read_text(), (root / "top").read_text()) == ("b", "t")
    (image,) = site.index["images"].values()
    assert image["source"] == "archive"
    assert site.ok("verify", "--deep").code == 0
    again = site.ok("add", "--archive", "image.tar")
    assert "nothing to do" in again.err


def zstd(data: bytes) -> bytes:
    words = [require("zstd", "zstd"), "-qc"]
    return subprocess.run(words, input=data, stdout=subprocess.PIPE, check=True).stdout


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize("pack", [gz, bz2.compress, lzma.compress, zstd])
def test_an_archive_with_compressed_layers_is_published(
    directory: Site, pack: Callable[[bytes], bytes]
) -> None:
    saved(directory.home / "image.tar", NAME, [BASE, layer({"top": "t"}), BASE], pack)
    directory.ok("add", "--archive", "image.tar")
    root = directory.container(NAME) / "ROOT"
    assert ((root / "base").read_text(), (root / "top").read_text()) == ("b", "t")
    assert directory.ok("verify", "--deep").code == 0
    assert "nothing to do" in directory.ok("add", "--archive", "image.tar").err


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_an_archive_that_is_compressed_itself_is_published(
    directory: Site, pack: Callable[[bytes], bytes]
) -> None:
    path = directory.home / "image.tar"
    saved(path, NAME, [BASE])
    path.write_bytes(pack(path.read_bytes()))
    directory.ok("add", "--archive", "image.tar")
    assert (directory.container(NAME) / "ROOT/base").read_text() == "b"


@pytest.mark.parametrize("nested", [False, True])
def test_an_oci_archive_keeps_the_digest_of_its_registry(site: Site, nested: bool) -> None:
    other = "example.org/lab/other:2"
    digests = oci(site.home / "a.tar", {NAME: [BASE], other: [layer({"o": "x"})]}, nested=nested)
    site.ok("add", "--archive", "a.tar")
    assert sorted(site.index["images"]) == sorted(digests.values())
    assert site.container(NAME).name == digests[NAME].replace(":", "-")


def test_one_image_of_an_archive_can_be_chosen(directory: Site) -> None:
    oci(directory.home / "a.tar", {NAME: [BASE], "example.org/lab/other:2": [layer({"o": "x"})]})
    directory.ok("add", "--archive", "a.tar", NAME)
    assert len(directory.index["names"]) == 1
    ran = directory.run("add", "--archive", "a.tar", "example.org/lab/none:2")
    assert (ran.code, "there is example.org/lab/tool:1, example.org/lab/other:2" in ran.err) == (2, True)


def test_an_image_without_a_name_needs_one(directory: Site) -> None:
    saved(directory.home / "image.tar", "", [BASE])
    ran = directory.run("add", "--archive", "image.tar")
    assert (ran.code, "its images have no names" in ran.err) == (2, True)
    directory.ok("add", "--archive", "image.tar", NAME)
    assert directory.container(NAME).is_dir()


@pytest.mark.parametrize("what", ["nothing", "no archive", "cut", "flipped"])
def test_a_damaged_archive_is_refused(directory: Site, what: str) -> None:
    path = directory.home / "image.tar"
    if what == "no archive":
        path.write_text("not a tar file")
    elif what in ("cut", "flipped"):
        oci(path, {NAME: [layer({"data": noise(100_000)})]})
        data = bytearray(path.read_bytes())
        if what == "cut":
            data = data[: len(data) // 2]
        else:
            data[len(data) * 2 // 3] ^= 1
        path.write_bytes(data)
    ran = directory.run("add", "--archive", "image.tar", NAME)
    assert ran.code in (2, 3), ran
    assert "image.tar" in ran.err
    assert directory.seen() == {}


def test_layers_of_an_archive_and_a_registry_are_the_same_layers(directory: Site) -> None:
    oci(directory.home / "one.tar", {NAME: [BASE]})
    oci(directory.home / "two.tar", {"example.org/lab/next:1": [BASE, layer({"top": "t"})]})
    directory.ok("add", "--archive", "one.tar")
    directory.ok("add", "--archive", "two.tar")
    kept = [path.name for path in (directory.work / "layers").glob("sha256-*")]
    assert len(kept) == 2


def test_the_cache_of_layers_keeps_to_its_size(directory: Site) -> None:
    oci(directory.home / "a.tar", {NAME: [layer({"data": noise(50_000)}), layer({"data": noise(30_000, 2)})]})
    directory.configure(cache_size="60k")
    directory.ok("add", "--archive", "a.tar")
    assert sum(path.stat().st_size for path in (directory.work / "layers").glob("sha256-*")) <= 60_000


@pytest.mark.service
def test_an_image_of_the_docker_engine_is_published(site: Site, docker_host: str, tmp_path: Path) -> None:
    saved(tmp_path / "image.tar", "lab/built-here:1", [BASE, layer({"top": "t"})])
    client = docker.DockerClient(docker_host)
    client.images.load((tmp_path / "image.tar").read_bytes())
    client.close()
    there = replace(site, environment={"DOCKER_HOST": docker_host})
    there.ok("add", "--docker", "lab/built-here:1")
    assert (site.container("lab/built-here:1") / "ROOT/top").read_text() == "t"
    (image,) = site.index["images"].values()
    assert image["source"] == "docker"
    assert "nothing to do" in there.ok("add", "--docker", "lab/built-here:1").err
    ran = there.run("add", "--docker", "lab/not-there:1")
    assert (ran.code, "the Docker engine has no image lab/not-there:1" in ran.err) == (2, True)


def test_no_docker_engine_is_told(directory: Site) -> None:
    nowhere = replace(directory, environment={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    ran = nowhere.run("add", "--docker", "lab/tool:1")
    assert (ran.code, "the Docker engine cannot be used" in ran.err) == (3, True)
