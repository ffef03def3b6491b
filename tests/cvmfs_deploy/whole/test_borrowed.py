"""An image that has its first layers from a published one: only its others are fetched and unpacked."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.cvmfs_deploy.site import Site, directory_site, layer, noise
from tests.cvmfs_deploy.whole.test_templates import running_of
from tests.services.cvmfs import NAME
from tests.services.faults import Faults
from tests.services.images import add, push
from tests.services.registry import Registry

pytestmark = pytest.mark.service


def hard_link(name: str, to: str) -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    about.type, about.linkname = tarfile.LNKTYPE, to
    return about


def symbolic_link(name: str, to: str) -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    about.type, about.linkname = tarfile.SYMTYPE, to
    return about


def directory_of(name: str, mode: int) -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    about.type, about.mode = tarfile.DIRTYPE, mode
    return about


FIRST = layer(
    {
        "base/data": noise(100_000),
        "base/changed": "old",
        "base/gone": "x",
        "base/becomes-a-link": "file",
        "base/becomes-a-directory": "file",
        "whole/a": "1",
        "whole/b/c": "2",
        "opaque/old": "3",
        "links/file": "4",
        "set-uid": "5",
        "base/.cvmfsdirtab": "what CVMFS would take as an order",
    },
    lambda tar: tar.addfile(symbolic_link("to-base", "base")),
    lambda tar: tar.addfile(symbolic_link("absolute", "/base/data")),
    lambda tar: tar.addfile(hard_link("links/again", "links/file")),
    lambda tar: tar.addfile(directory_of("modes", 0o700)),
)
SECOND = layer(
    {
        "added": "new",
        "base/changed": "new",
        "base/.wh.gone": "",
        ".wh.whole": "",
        "opaque/.wh..wh..opq": "",
        "opaque/new": "6",
        "to-base/through-a-link": "7",
        "links/file": "changed",
    },
    lambda tar: tar.addfile(symbolic_link("base/becomes-a-link", "data")),
    lambda tar: tar.addfile(directory_of("base/becomes-a-directory", 0o755)),
    lambda tar: add(tar, "base/becomes-a-directory/file", "inside"),
    lambda tar: tar.addfile(hard_link("base/data-again", "base/data")),
    lambda tar: tar.addfile(directory_of("modes", 0o755)),
)


@pytest.fixture
def images(registry: Registry, faults: Faults) -> list[str]:
    push(registry.url, "borrowed/tool:1", [FIRST])
    push(registry.url, "borrowed/tool:2", [FIRST, SECOND])
    return [f"{faults.host}/borrowed/tool:{number}" for number in "12"]


@pytest.fixture
def unpacked(tmp_path: Path) -> Site:
    """Where nothing is borrowed."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    return directory_site(home)


def published_with(site: Site, image: str, faults: Faults) -> set[str]:
    """Publish an image with no layer on disk; gives the digests of the blobs that were fetched for it."""
    shutil.rmtree(site.work / "layers", ignore_errors=True)
    faults.seen.clear()
    site.ok("add", image)
    return {path.rpartition("/")[2] for path, _ in faults.seen if "/blobs/sha256:" in path}


def tree_of(site: Site, image: str) -> dict[str, tuple[str, int, bytes]]:
    """Everything of a published image but what is for CVMFS alone."""
    root = site.container(image) / "ROOT"
    found = {}
    for path in sorted(root.rglob("*")):
        about = path.lstat()
        if path.name == ".cvmfscatalog":
            continue
        kind, content = "file", b""
        if path.is_symlink():
            kind, content = "link", os.fsencode(os.readlink(path))
        elif path.is_dir():
            kind = "directory"
        else:
            content = path.read_bytes() + str(int(about.st_mtime)).encode()
        found[str(path.relative_to(root))] = (kind, about.st_mode, content)
    return found


def record_of(site: Site, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((site.container(image) / "record.json").read_text())
    return found


def layers_of(site: Site, image: str) -> list[str]:
    return list(record_of(site, image)["layers"])


def test_only_the_layers_that_are_not_published_are_fetched(
    any_repository: Site, unpacked: Site, images: list[str], faults: Faults
) -> None:
    any_repository.ok("add", images[0])
    fetched = published_with(any_repository, images[1], faults)
    first, second = layers_of(any_repository, images[1])
    assert (second in fetched, first in fetched) == (True, False)
    assert any_repository.ok("verify", "--deep").code == 0
    unpacked.ok("add", images[1])  # unpacked from its layers
    assert tree_of(any_repository, images[1]) == tree_of(unpacked, images[1])


def test_what_is_borrowed_is_copied_where_nothing_can_be_cloned(
    any_repository: Site, unpacked: Site, images: list[str], faults: Faults
) -> None:
    any_repository.ok("add", images[0])
    no_template(any_repository)
    fetched = published_with(any_repository, images[1], faults)
    assert layers_of(any_repository, images[1])[0] not in fetched
    assert any_repository.ok("verify", "--deep").code == 0
    unpacked.ok("add", images[1])
    assert tree_of(any_repository, images[1]) == tree_of(unpacked, images[1])


def no_template(site: Site) -> None:
    """The next template transaction is refused."""
    running_of(site).fault("transaction", "start", code=22, err="cannot clone directory tree. path 'x' ...")


def damage(site: Site, image: str, name: str, data: bytes) -> None:
    """Change a published file, but not its time."""
    running = running_of(site)
    assert running.server("transaction", NAME).returncode == 0
    file = site.container(image) / "ROOT" / name
    when = file.stat().st_mtime
    file.write_bytes(data)
    os.utime(file, (when, when))
    assert running.server("publish", NAME).returncode == 0


def test_nothing_is_borrowed_from_a_damaged_image(
    any_repository: Site, images: list[str], faults: Faults
) -> None:
    any_repository.ok("add", images[0])
    damage(any_repository, images[0], "base/data", b"cut")
    fetched = published_with(any_repository, images[1], faults)
    assert set(layers_of(any_repository, images[1])) <= fetched
    checked = any_repository.run("verify", "--deep", "--offline", "--json").value
    assert [one["what"] for one in checked if one["state"] == "damaged"] == [images[0]]


def test_bytes_that_are_not_those_that_were_published_are_not_copied(
    any_repository: Site, images: list[str]
) -> None:
    any_repository.ok("add", images[0])
    damage(any_repository, images[0], "base/data", bytes(100_000))
    no_template(any_repository)
    ran = any_repository.run("add", images[1])
    assert (ran.code, "is not what was published there" in ran.err) == (3, True), ran
    assert "add --again" in ran.err
    assert images[1] not in {one["reference"] for one in any_repository.index["images"].values()}
    any_repository.ok("add", "--again", images[0])
    any_repository.ok("add", images[1])
    assert any_repository.ok("verify", "--deep", "--offline").code == 0


@pytest.mark.parametrize("name", ["base/data/below-a-file", "base/data/deep/er"])
def test_a_layer_that_contradicts_what_is_published_is_refused_as_ever(
    repository: Site, registry: Registry, name: str
) -> None:
    push(registry.url, "borrowed/odd:1", [FIRST])
    push(registry.url, "borrowed/odd:2", [FIRST, layer({name: "x"})])
    repository.ok("add", f"{registry.host}/borrowed/odd:1")
    ran = repository.run("add", f"{registry.host}/borrowed/odd:2")
    assert (ran.code, "a layer cannot be unpacked" in ran.err) == (3, True), ran


THIRD = layer(
    {"own": "two", "base/changed": "newer", "opaque/third": "8", "links/file": "other"},
    lambda tar: add(tar, "base/.wh.gone", ""),
    lambda tar: add(tar, "base/.wh.becomes-a-link", ""),
    lambda tar: add(tar, "base/.wh.becomes-a-directory", ""),
    lambda tar: add(tar, "whole/a", "new"),
    lambda tar: add(tar, "whole/.wh.b", ""),
    lambda tar: add(tar, "opaque/.wh.old", ""),
)


@pytest.mark.parametrize(
    ("own", "is_needed"),
    [(THIRD, False), (layer({"own": "two"}), True)],
    ids=["replaces what is not published", "keeps a file that is not published"],
)
def test_of_an_image_that_shares_its_first_layers_only_the_others_are_fetched_if_nothing_of_them_is_gone(
    any_repository: Site, unpacked: Site, registry: Registry, faults: Faults, own: bytes, is_needed: bool
) -> None:
    siblings = [[FIRST, SECOND], [FIRST, own], [FIRST, own, layer({"more": "x"})]]
    images = [f"{faults.host}/borrowed/sibling:{number}" for number in "123"]
    for number, layers in enumerate(siblings, 1):
        push(registry.url, f"borrowed/sibling:{number}", layers)
    any_repository.ok("add", images[0])
    fetched = published_with(any_repository, images[1], faults)
    first, second = layers_of(any_repository, images[1])
    assert (second in fetched, first in fetched) == (True, is_needed)
    fetched = published_with(any_repository, images[2], faults)  # from one that was itself borrowed
    assert not fetched & {first, second}
    assert any_repository.ok("verify", "--deep").code == 0
    for image in images[1:]:
        unpacked.ok("add", image)  # unpacked from its layers
        assert tree_of(any_repository, image) == tree_of(unpacked, image)
        records = [
            json.loads((site.container(image) / "record.json").read_text())
            for site in (any_repository, unpacked)
        ]
        assert records[0]["changes"] == records[1]["changes"]
        assert records[0]["size"] == records[1]["size"]


def test_a_history_that_was_changed_is_not_believed(
    any_repository: Site, images: list[str], faults: Faults
) -> None:
    any_repository.ok("add", images[0])
    running = running_of(any_repository)
    assert running.server("transaction", NAME).returncode == 0
    file = any_repository.container(images[0]) / "history.json.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"0", b"1", 1)))
    assert running.server("publish", NAME).returncode == 0
    fetched = published_with(any_repository, images[1], faults)
    assert set(layers_of(any_repository, images[1])) <= fetched
