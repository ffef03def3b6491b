"""Images are published, found by everybody who looks for them, and go away again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.containers.test_udocker_format import udocker
from tests.cvmfs_deploy.archives import tools_tarball
from tests.cvmfs_deploy.site import Site, layer, noise
from tests.services.faults import Faults
from tests.services.images import add, busybox_layer, digest_of, push, push_busybox, put_manifest
from tests.services.proot import proot_for_tests
from tests.services.registry import Registry
from wrappers.containers import cvmfs, udocker_format
from wrappers.containers.reference import parse
from wrappers.containers.registry import RegistryClient

pytestmark = pytest.mark.service

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


def small(registry: Registry, name: str, content: str = "x") -> str:
    push(registry.url, name, [layer({"etc/what": content, "bin/sh": "#!"})])
    return f"{registry.host}/{name}"


def test_an_image_is_published_in_udockers_form_under_its_digest_and_its_name(
    site: Site, registry: Registry
) -> None:
    image = small(registry, "publish/form:1")
    digest = RegistryClient().resolve(parse(image)).digest
    site.ok("add", image)
    container = site.container(image)
    assert container == site.containers.resolve() / ".store" / digest.replace(":", "-")
    assert udocker_format.digest_of(container) == digest
    assert (container / "ROOT/etc/what").read_text() == "x"
    assert (container / "imagerepo.name").read_text() == image
    record = json.loads((container / "record.json").read_text())
    assert (record["digest"], record["reference"], record["source"]) == (digest, image, "registry")
    indexed = site.index["images"][digest]
    assert indexed["size"] == record["size"] > 0
    assert {key for key in ("published", "tool", "compressed", "layers") if indexed[key]} == {
        "published",
        "tool",
        "compressed",
        "layers",
    }
    assert site.ok("verify", "--deep", "--json").value[0]["state"] == "ok"


def test_what_is_there_is_not_published_again(site: Site, faults: Faults, registry: Registry) -> None:
    small(registry, "publish/again:1")
    image = f"{faults.host}/publish/again:1"
    site.ok("add", image)
    before, written, blobs = site.seen(), site.index["written"], faults.blobs
    ran = site.ok("add", image)
    assert "nothing to do" in ran.err
    assert (site.seen(), site.index["written"], faults.blobs) == (before, written, blobs)
    if site.cvmfs:
        assert site.transactions() == 1


def test_layers_that_images_share_are_fetched_once(site: Site, faults: Faults, registry: Registry) -> None:
    base = layer({"base": noise(200_000)})
    for number in "123":
        push(registry.url, f"publish/shared:{number}", [base, layer({"own": number})])
    images = [f"{faults.host}/publish/shared:{number}" for number in "123"]
    site.ok("add", *images)
    blobs = [path for path, _ in faults.seen if "/blobs/" in path]
    assert len(blobs) == len(set(blobs)) == 3 + 1 + 3  # configurations, the base, what each has of its own
    if site.cvmfs:
        # the others share most of the first, and are cloned from it
        assert [line.split()[0:2:1][-1] for line in site.cvmfs.calls() if "transaction" in line] == [
            "images.example.org",
            "-T",
            "-T",
        ]


def test_a_name_follows_its_tag_and_the_old_image_stays_for_its_grace_time(
    site: Site, registry: Registry
) -> None:
    image = small(registry, "publish/moving:1", "old")
    site.ok("add", image)
    old = site.container(image)
    small(registry, "publish/moving:1", "new")
    site.ok("add", image)
    assert (site.container(image) / "ROOT/etc/what").read_text() == "new"
    assert (old / "ROOT/etc/what").read_text() == "old"
    site.ok("prune")
    assert old.exists()
    assert site.ok("prune", "--grace", "0d", "--json").value["removed"] == [old.name.replace("-", ":")]
    assert not old.exists()
    assert site.ok("verify").code == 0


def test_a_rollback_holds_the_name_until_it_is_added_again(site: Site, registry: Registry) -> None:
    image = small(registry, "publish/back:1", "old")
    wishes = site.wishes(image)
    site.ok("sync", wishes)
    small(registry, "publish/back:1", "new")
    site.ok("sync", wishes)
    site.ok("rollback", image)
    assert (site.container(image) / "ROOT/etc/what").read_text() == "old"
    assert "stays" in site.ok("sync", wishes).err
    assert (site.container(image) / "ROOT/etc/what").read_text() == "old"
    assert "0 images published, 1 name new or moved" in site.ok("add", image).err
    assert (site.container(image) / "ROOT/etc/what").read_text() == "new"


def test_a_rollback_of_an_image_without_a_past_is_refused(site: Site, registry: Registry) -> None:
    image = small(registry, "publish/first:1")
    site.ok("add", image)
    ran = site.run("rollback", image)
    assert (ran.code, "nothing that it meant before" in ran.err) == (2, True)


def test_a_retired_image_loses_its_name_at_once_and_its_tree_later(site: Site, registry: Registry) -> None:
    image = small(registry, "publish/retired:1")
    site.ok("add", image, "--singularity")
    tree = site.container(image)
    site.ok("retire", image)
    assert [entry for entry in os.listdir(site.containers) if not entry.startswith(".")] == []
    assert os.listdir(site.top / "vip/udocker/singularity") == []
    assert tree.exists()
    assert site.ok("prune", "--dry-run", "--grace", "0d", "--json").value["removed"]
    assert tree.exists()
    site.ok("prune", "--grace", "0d")
    assert not tree.exists()
    assert site.index["images"] == {}


def test_an_image_that_two_names_lead_to_outlives_either(site: Site, registry: Registry) -> None:
    one, other = small(registry, "publish/one:1"), small(registry, "publish/other:1")
    site.ok("add", one, other)
    tree = site.container(one)
    assert tree == site.container(other)
    site.ok("retire", one)
    site.ok("prune", "--grace", "0d")
    assert site.container(other) == tree
    assert tree.is_dir()


# as in GASW's script.sh, which VIP runs on every node
LOOP = 'for d in "$1"/*/; do n=$2/$(basename "$d"); mkdir -p "$n"; ln -s "$d"* "$n/"; done'


def farm(site: Site, into: Path) -> list[Path]:
    """What the existing consumer makes of what is published."""
    subprocess.run(["sh", "-c", LOOP, "sh", site.containers, into], check=True)
    return sorted(into.iterdir())


def test_the_loop_of_the_existing_consumer_finds_every_container(
    site: Site, registry: Registry, tmp_path: Path
) -> None:
    images = [small(registry, f"publish/loop-{number}:1", number) for number in "123"]
    site.ok("add", *images)
    found = farm(site, tmp_path / "farm")
    assert len(found) == 3
    for container in found:
        assert {"ROOT", "container.json", "imagerepo.name"} <= set(os.listdir(container))
        assert (container / "ROOT/etc/what").exists()


def test_stock_udocker_lists_and_runs_what_was_published(
    site: Site, registry: Registry, tmp_path: Path
) -> None:
    image = push_busybox(registry, "publish/stock:1")
    site.ok("add", image)
    (container,) = farm(site, tmp_path / "farm")
    stock = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "UDOCKER_DIR": str(tmp_path / "udocker"),
        "UDOCKER_CONTAINERS": str(site.containers / ".store"),
        "UDOCKER_TARBALL": "",
        "UDOCKER_USE_PROOT_EXECUTABLE": str(proot_for_tests(tmp_path)),
    }
    assert image in udocker(stock, "ps")
    stock["UDOCKER_CONTAINERS"] = str(container.parent)
    command = ("/bin/sh", "-c", "echo $LANG; id -u; cat /etc/group")
    assert udocker(stock, "run", "--nobanner", container.name, *command) == "C.UTF-8\n0\nroot:x:0:\n"
    assert site.ok("verify", "--deep").code == 0  # nothing was written there


def test_vips_links_lead_to_the_tree_and_a_collision_is_an_error(site: Site, registry: Registry) -> None:
    first, second = small(registry, "publish/a/tool:2", "a"), small(registry, "publish/b/tool:2", "b")
    site.ok("add", first, "--singularity")
    link = site.top / "vip/udocker/singularity/tool-2"
    assert not os.readlink(link).startswith("/")
    assert (link / "etc/what").read_text() == "a"
    before = site.seen()
    ran = site.run("add", second, "--singularity")
    assert ran.code == 2
    assert "vip/udocker/singularity/tool-2" in ran.err
    assert site.seen() == before
    site.ok("add", second)  # without the link there is no collision
    assert (link / "etc/what").read_text() == "a"


def test_what_others_put_beside_is_never_replaced(directory: Site, registry: Registry) -> None:
    image = small(registry, "publish/beside:7")
    place = directory.top / "vip/udocker/singularity"
    place.mkdir(parents=True)
    (place / "beside-7").write_text("an old SIF file")
    (place / "mine-1").symlink_to("/elsewhere")
    ran = directory.run("add", image, "--singularity")
    assert (ran.code, "was not made by this program" in ran.err) == (2, True)
    directory.ok("add", image)
    assert (place / "beside-7").read_text() == "an old SIF file"
    assert os.readlink(place / "mine-1") == "/elsewhere"


def test_images_for_several_platforms_have_names_of_their_own(site: Site, registry: Registry) -> None:
    for architecture in ("amd64", "arm64"):
        name = f"publish/{architecture}:1"
        push(registry.url, name, [layer({"arch": architecture})], architecture=architecture)
    intel, arm = (f"{registry.host}/publish/{name}:1" for name in ("amd64", "arm64"))
    site.ok("add", intel)
    ran = site.run("add", arm)
    assert (ran.code, "does not exist for linux/amd64" in ran.err) == (2, True)
    site.ok("add", arm, "--platform", "linux/arm64")
    names = sorted(name for name in os.listdir(site.containers) if not name.startswith("."))
    assert [name.rpartition("@")[2] for name in names] == ["1", "1+linux+arm64"]


def strange(tar: tarfile.TarFile) -> None:
    add(tar, "root", mode=0o700, kind=tarfile.DIRTYPE)
    add(tar, "root/secret", "s", mode=0o600)
    add(tar, "bin/su", "s", mode=0o4755)
    add(tar, "dev", mode=0o755, kind=tarfile.DIRTYPE)
    add(tar, "dev/null", kind=tarfile.CHRTYPE)
    add(tar, "dev/pipe", kind=tarfile.FIFOTYPE)
    add(tar, "lib64", link="/usr/lib64", kind=tarfile.SYMTYPE)
    add(tar, "one", "linked")
    add(tar, "two", link="one", kind=tarfile.LNKTYPE)
    add(tar, "with space", "1")
    add(tar, "new\nline", "2")
    add(tar, "byte-\udcff", "3")
    add(tar, "-rf", "4")
    add(tar, ".cvmfscatalog", "")
    add(tar, "etc/.cvmfsgraft-x", "evil")
    add(tar, "n" * 255, "5")
    member = tarfile.TarInfo("capable")
    member.pax_headers = {"SCHILY.xattr.security.capability": "x"}
    tar.addfile(member)


def test_what_cannot_be_published_as_it_is_is_mended_and_reported(site: Site, registry: Registry) -> None:
    push(registry.url, "publish/strange:1", [layer({}, strange)])
    image = f"{registry.host}/publish/strange:1"
    ran = site.ok("add", image, "--json")
    told = {change["what"]: change["count"] for change in ran.value["published"][0]["changes"]}
    assert told == {
        "devices and pipes left out": 2,
        "files without their set-uid or set-gid bit": 1,
        "files without their extended attributes": 1,
        "files opened to all readers": 2,
        "files left out that CVMFS would take as commands": 2,
        "absolute symbolic links, right inside of a container only": 1,
        "names with unusual characters": 2,
        "directories added for runtimes to mount on": 3,
    }
    root = site.container(image) / "ROOT"
    assert os.readlink(root / "lib64") == "/usr/lib64"
    names = {os.fsencode(name) for name in os.listdir(root)}
    assert {b"with space", b"new\nline", b"byte-\xff", b"-rf", b"n" * 255} <= names
    for path in [root, *root.rglob("*")]:
        mode = path.lstat().st_mode
        assert not mode & (stat.S_ISUID | stat.S_ISGID)
        if not path.is_symlink():
            assert mode & 0o444 == 0o444
            assert not mode & 0o022
            assert not path.is_dir() or mode & 0o111 == 0o111
    assert [path for path in root.rglob(".cvmfs*") if path.name != ".cvmfscatalog"] == []
    assert site.ok("verify", "--deep").code == 0


def test_damage_is_found_and_mended(directory: Site, registry: Registry) -> None:
    image = small(registry, "publish/damage:1")
    directory.ok("add", image)
    file = directory.container(image) / "ROOT/etc/what"
    about = file.stat()
    file.write_text("y")
    os.utime(file, (about.st_mtime, about.st_mtime))
    assert directory.ok("verify").code == 0  # same size, same time: only --deep reads it
    ran = directory.run("verify", "--deep")
    assert (ran.code, "ROOT/etc/what is not as it was made (sha256)" in ran.out) == (1, True)
    file.unlink()
    assert "is missing" in directory.run("verify").out
    directory.ok("add", "--again", image)
    assert directory.ok("verify", "--deep").code == 0


def test_verify_tells_that_a_tag_has_moved(site: Site, registry: Registry) -> None:
    image = small(registry, "publish/drift:1", "old")
    site.ok("add", image)
    small(registry, "publish/drift:1", "new")
    states = {one["state"] for one in site.ok("verify", "--json").value}
    assert states == {"ok", "moved"}
    assert {one["state"] for one in site.ok("verify", "--offline", "--json").value} == {"ok"}


def test_status_and_list_tell_how_it_stands(site: Site, registry: Registry) -> None:
    image = small(registry, "publish/status:1")
    assert site.ok("status", "--json").value["images"] == 0
    site.ok("add", image)
    told = site.ok("status", "--json").value
    assert (told["images"], told["names"], told["lists"]) == (1, 1, ["by-hand"])
    assert told["state"].startswith("ready")
    assert site.ok("list").out.splitlines()[1].split("\t")[4] == "by-hand"


def damaged_index(directory: Site, *, copy: bool) -> dict[str, list[str]]:
    """Damage it, and its copy if told so, and recover; returns which lists want each name then."""
    for name in ["index.json", "index.copy.json"] if copy else ["index.json"]:
        (directory.containers / ".store" / name).write_text('{"images": ')
    ran = directory.run("list")
    assert (ran.code, "recover" in ran.err) == (3, True)
    directory.ok("recover")
    assert directory.ok("verify", "--deep", "--offline").code == 0
    return {key.rpartition("+")[2]: name["lists"] for key, name in directory.index["names"].items()}


def test_a_damaged_index_is_made_anew_and_still_says_who_wants_what(
    directory: Site, registry: Registry
) -> None:
    images = [small(registry, f"publish/wanted-{number}:1") for number in "12"]
    directory.ok("add", images[0])
    directory.ok("sync", directory.wishes(*images, grace="7d"))
    tools_tarball(directory.home / "tools.tar.gz")
    directory.ok("tools", directory.home / "tools.tar.gz")
    before = directory.index
    assert damaged_index(directory, copy=False) == {
        "wanted-1@1": ["by-hand", "nightly"],
        "wanted-2@1": ["nightly"],
    }
    for part in ("images", "names", "tools", "tools_current"):
        assert directory.index[part] == before[part]
    directory.ok("sync", directory.wishes(images[0]))
    assert len(directory.index["names"]) == 1


def test_a_lost_index_is_made_anew_from_what_is_there(directory: Site, registry: Registry) -> None:
    images = [small(registry, f"publish/lost-{number}:1") for number in "12"]
    directory.ok("add", *images)
    assert damaged_index(directory, copy=True) == {"lost-1@1": ["recovered"], "lost-2@1": ["recovered"]}
    for name in ("index.json", "index.copy.json"):
        (directory.containers / ".store" / name).unlink()
    directory.ok("sync", directory.wishes(images[0]))
    assert [name["lists"] for name in directory.index["names"].values()] == [["nightly"], ["recovered"]]


def test_everything_runs_with_a_closed_umask(directory: Site, registry: Registry) -> None:
    push(registry.url, "publish/umask:1", [busybox_layer(), layer({"deep/er/file": "x"})])
    image = f"{registry.host}/publish/umask:1"
    command = [sys.executable, "-c", "import os, sys; os.umask(0o077); os.execvp(sys.argv[1], sys.argv[1:])"]
    assert directory.run("add", image, before=command).code == 0
    closed = [
        path
        for path in directory.containers.rglob("*")
        if not path.is_symlink() and not path.stat().st_mode & 0o004
        if path.name != ".staging"
    ]
    assert closed == []


def test_an_image_is_found_by_the_digest_of_its_index_too(site: Site, registry: Registry) -> None:
    name = f"publish/index-{'a' if site.cvmfs else 'b'}"
    push(registry.url, f"{name}:1", [layer({"what": "x"})], index=True)
    image = parse(f"{registry.host}/{name}:1")
    resolved = RegistryClient().resolve(image)
    index = "sha256:" + hashlib.sha256(resolved.index_document).hexdigest()
    site.ok("add", image.text)
    for digest in (resolved.digest, index):
        found = cvmfs.find([str(site.containers)], image._replace(tag="", digest=digest), digest).found
        assert found is not None
        assert (found / "ROOT/what").read_text() == "x"
    assert cvmfs.find([str(site.containers)], image, "sha256:" + "0" * 64) == (None, [], None)
    assert site.ok("verify", "--deep").code == 0
    assert "nothing to do" in site.ok("add", image.text).err
    site.ok("retire", image.text)
    site.ok("prune", "--grace", "0d")
    assert [path.name for path in (site.containers / ".store").iterdir() if path.name.startswith("sha")] == []


def test_the_digest_of_an_index_leads_each_machine_to_its_own_image(
    site: Site, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"publish/all-{'a' if site.cvmfs else 'b'}"
    listed = []
    for architecture in ("amd64", "arm64", "s390x"):
        push(
            registry.url, f"{name}:{architecture}", [layer({"for": architecture})], architecture=architecture
        )
        one = RegistryClient().resolve(
            parse(f"{registry.host}/{name}:{architecture}"), f"linux/{architecture}"
        )
        place = {"architecture": architecture, "os": "linux"}
        listed.append(
            {"mediaType": MANIFEST, "digest": one.digest, "size": len(one.manifest), "platform": place}
        )
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
    put_manifest(registry.url, name, "1", INDEX, body)
    image = parse(f"{registry.host}/{name}:1")
    site.ok("sync", site.wishes(image.text, platforms=["linux/amd64", "linux/arm64"]))
    for machine, architecture in (("x86_64", "amd64"), ("aarch64", "arm64"), ("s390x", "")):
        monkeypatch.setattr(os, "uname", lambda machine=machine: SimpleNamespace(machine=machine))
        for asked in (image, image._replace(tag="", digest=digest_of(body))):
            found = cvmfs.find([str(site.containers)], asked, digest_of(body)).found
            assert (found / "ROOT/for").read_text() == architecture if found else architecture == ""
    monkeypatch.undo()
    assert site.ok("verify", "--deep").code == 0
    site.ok("sync", site.wishes(image.text))
    site.ok("prune", "--grace", "0d")
    assert [path.name for path in site.containers.glob(".store/*+linux+arm64")] == []
