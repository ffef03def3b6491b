"""Layers become a tree: by the image specification, and never outside of it."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import io
import lzma
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.images import add
from wrappers.containers.errors import CorruptImage, UnsuitableNode
from wrappers.containers.layers import Findings, extract
from wrappers.containers.tarstream import Layer

Entries = Callable[[tarfile.TarFile], object]
DIRECTORY, LINK, HARD, DEVICE = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE


def tar(*entries: Entries) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            entry(archive)
    return buffer.getvalue()


def file(name: str, content: str = "x", mode: int = 0o644) -> Entries:
    return lambda archive: add(archive, name, content, mode=mode)


def directory(name: str, mode: int = 0o755) -> Entries:
    return lambda archive: add(archive, name, mode=mode, kind=DIRECTORY)


def link(name: str, target: str) -> Entries:
    return lambda archive: add(archive, name, link=target, kind=LINK)


def hard(name: str, target: str) -> Entries:
    return lambda archive: add(archive, name, link=target, kind=HARD)


class Unpack:
    """Apply layers, given as tar bytes, to `root`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.root = place / "root"

    def __call__(self, *layers: bytes, readable: bool = False) -> Findings:
        stored = []
        for number, layer in enumerate(layers):
            path = self.place / f"layer-{number}"
            path.write_bytes(gzip.compress(layer, 1))
            stored.append(Layer(path, "sha256:" + hashlib.sha256(layer).hexdigest()))
        return extract(stored, self.root, readable)

    def listing(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))


@pytest.fixture
def unpack(tmp_path: Path) -> Unpack:
    return Unpack(tmp_path)


def test_later_layers_lie_over_earlier_ones(unpack: Unpack) -> None:
    unpack(tar(file("a/one", "1"), file("a/two", "2")), tar(file("a/two", "new"), file("b", "3")))
    assert unpack.listing() == ["a", "a/one", "a/two", "b"]
    assert (unpack.root / "a/two").read_text() == "new"


def test_whiteouts_remove_what_earlier_layers_put_there(unpack: Unpack) -> None:
    unpack(
        tar(file("a/b/c"), file("a/keep"), file("d")), tar(file("a/.wh.b"), file(".wh.d"), file(".wh.none"))
    )
    assert unpack.listing() == ["a", "a/keep"]


def test_an_opaque_directory_hides_the_lower_ones_wherever_its_mark_stands(unpack: Unpack) -> None:
    lower = tar(file("a/old"), file("a/sub/old"), file("z"))
    upper = tar(file("a/new"), file("a/sub/new"), file("a/.wh..wh..opq"), file("a/last"))
    unpack(lower, upper)
    assert unpack.listing() == ["a", "a/last", "a/new", "a/sub", "a/sub/new", "z"]


def test_a_directory_replaces_a_file_and_the_other_way_round(unpack: Unpack) -> None:
    unpack(tar(file("a"), file("b/c")), tar(directory("a"), file("a/x"), file("b")))
    assert unpack.listing() == ["a", "a/x", "b"]


def test_a_directory_that_comes_again_keeps_its_content(unpack: Unpack) -> None:
    unpack(tar(file("a/x"), directory("a", 0o755)), tar(directory("a", 0o711)))
    assert unpack.listing() == ["a", "a/x"]
    assert stat.S_IMODE((unpack.root / "a").stat().st_mode) == 0o711


def test_files_below_a_linked_directory_go_where_the_link_leads_inside(unpack: Unpack) -> None:
    merged = tar(directory("usr/lib"), link("lib", "usr/lib"), link("abs", "/usr/lib"))
    unpack(merged, tar(file("lib/one"), file("abs/two")))
    assert sorted(os.listdir(unpack.root / "usr/lib")) == ["one", "two"]
    assert (unpack.root / "lib").is_symlink()


def test_a_replaced_link_no_longer_leads_anywhere(unpack: Unpack) -> None:
    unpack(tar(link("d", "e"), file("e/x"), file("d/one")), tar(file(".wh.d"), file("d/two")))
    assert unpack.listing() == ["d", "d/two", "e", "e/one", "e/x"]


def test_hard_links_share_one_file(unpack: Unpack) -> None:
    unpack(tar(file("a", "data"), hard("b", "a")), tar(hard("c", "./a")))
    assert len({(unpack.root / name).stat().st_ino for name in "abc"}) == 1


def test_a_hard_link_to_a_link_does_not_follow_it(unpack: Unpack) -> None:
    unpack(tar(link("a", "/etc/passwd"), hard("b", "a")))
    assert os.readlink(unpack.root / "b") == "/etc/passwd"


@pytest.mark.parametrize("user_sees", [False, True])
def test_modes_are_kept_as_far_as_they_can_be(unpack: Unpack, user_sees: bool) -> None:
    layer = tar(
        file("secret", mode=0o000),
        file("program", mode=0o4755),
        file("locked", mode=0o111),
        file("shared", mode=0o666),
        directory("closed", 0o000),
        directory("sticky", 0o1777),
        file("closed/inside", mode=0o600),
    )
    findings = unpack(layer, readable=user_sees)
    modes = {name: stat.S_IMODE((unpack.root / name).stat().st_mode) for name in unpack.listing()}
    private = {
        "secret": 0o600,
        "program": 0o755,
        "locked": 0o711,
        "shared": 0o666,
        "closed": 0o700,
        "sticky": 0o1777,
        "closed/inside": 0o600,
    }
    public = {
        "secret": 0o644,
        "program": 0o755,
        "locked": 0o755,
        "shared": 0o644,
        "closed": 0o755,
        "sticky": 0o1755,
        "closed/inside": 0o644,
    }
    assert modes == (public if user_sees else private)
    assert findings.setuid == ["program"]
    assert findings.warnings() == ["1 files of the image lost their set-uid bit, e.g. program"]


def test_devices_and_extended_attributes_are_left_out_and_told(unpack: Unpack) -> None:
    def with_capability(archive: tarfile.TarFile) -> None:
        member = tarfile.TarInfo("ping")
        member.pax_headers = {"SCHILY.xattr.security.capability": "x"}
        archive.addfile(member)

    findings = unpack(tar(lambda archive: add(archive, "dev/null", kind=DEVICE), with_capability))
    assert unpack.listing() == ["dev", "ping"]
    assert (findings.special, findings.xattrs) == (["dev/null"], ["ping"])


def test_a_hard_link_to_what_is_left_out_is_left_out_too(unpack: Unpack) -> None:
    device = partial(add, name="dev/null", kind=tarfile.CHRTYPE)
    pipe = partial(add, name="fifo", kind=tarfile.FIFOTYPE)
    first = tar(device, pipe, hard("dev/zero", "dev/null"), hard("dev/full", "dev/zero"), file("a"))
    findings = unpack(first, tar(hard("b", "fifo"), file("fifo", "now a file"), hard("c", "fifo")))
    assert unpack.listing() == ["a", "c", "dev", "fifo"]
    assert findings.special == ["dev/null", "fifo", "dev/zero", "dev/full", "b"]


def test_a_special_file_takes_the_place_of_what_was_there(unpack: Unpack) -> None:
    unpack(tar(file("a/b")), tar(partial(add, name="a", kind=tarfile.FIFOTYPE)))
    assert unpack.listing() == []


def test_hard_links_become_copies_where_the_file_system_has_none(
    unpack: Unpack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(os, "link", refuse)
    unpack(tar(file("a", "same", 0o751), hard("b", "a")))
    assert (unpack.root / "b").read_text() == "same"
    assert stat.S_IMODE((unpack.root / "b").stat().st_mode) == 0o751


@pytest.mark.parametrize("number", [errno.EFBIG, errno.EILSEQ, errno.EPERM, errno.ENOMEM, errno.ENAMETOOLONG])
def test_limits_of_a_file_system_are_the_nodes_trouble(
    unpack: Unpack, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: object, path: bytes) -> None:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(UnsuitableNode, match=r"cannot be unpacked here: .*/a: "):
        unpack(tar(link("a", "b")))


def test_times_are_kept(unpack: Unpack) -> None:
    def dated(archive: tarfile.TarFile) -> None:
        for name, kind in (("d", DIRECTORY), ("d/f", tarfile.REGTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.mtime, member.mode = kind, 1_000_000_000, 0o755
            archive.addfile(member)

    unpack(tar(dated))
    assert {(unpack.root / name).stat().st_mtime for name in ("d", "d/f")} == {1_000_000_000}


def test_names_need_not_be_text(unpack: Unpack) -> None:
    names = [b"caf\xe9", "größe".encode(), b"new\nline", b"-rf", b"a b'\"\\", b"x" * 200]
    unpack(tar(*(file(os.fsdecode(name)) for name in names)))
    assert sorted(os.listdir(os.fsencode(unpack.root))) == sorted(names)


def test_long_names_and_large_numbers_are_read_in_every_tar_format(tmp_path: Path) -> None:
    deep = "/".join(["a-rather-long-directory-name"] * 8) + "/file"
    for number, form in enumerate((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
            add(archive, deep, "x")
            add(archive, "far/" + "n" * 150, link="t" * 150, kind=LINK)
        place = tmp_path / str(number)
        place.mkdir()
        unpack = Unpack(place)
        unpack(buffer.getvalue())
        assert (unpack.root / deep).read_text() == "x"
        assert os.readlink(unpack.root / "far" / ("n" * 150)) == "t" * 150


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_sparse_files_stay_sparse(tmp_path: Path, form: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "lastlog", "wb") as sparse:
        sparse.seek(300 << 20)
        sparse.write(b"end")
    packed = ["tar", f"--format={form}", "-S", "-C", str(source), "-cf", "-", "."]
    layer = subprocess.run(packed, check=True, capture_output=True).stdout
    unpack = Unpack(tmp_path)
    unpack(layer)
    about = (unpack.root / "lastlog").stat()
    assert (about.st_size, about.st_blocks * 512 < 1 << 20) == ((300 << 20) + 3, True)
    with open(unpack.root / "lastlog", "rb") as read:
        read.seek(300 << 20)
        assert read.read() == b"end"


@pytest.mark.parametrize("end", [b"something else" * 1000, b"\0" * 5000 + b"x", tar(file("b"))])
def test_bytes_after_the_end_of_a_tar_are_passed_over(unpack: Unpack, end: bytes) -> None:
    unpack(tar(file("a")) + end)
    assert unpack.listing() == ["a"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("layer", [b"", b"\0" * 512, b"\0" * 1024], ids=len)
def test_layers_without_any_entry_are_layers(
    tmp_path: Path, pack: Callable[[bytes], bytes], layer: bytes
) -> None:
    (tmp_path / "empty").write_bytes(pack(layer))
    (tmp_path / "full").write_bytes(tar(file("a")))
    layers = [Layer(tmp_path / "empty", digest(layer)), Layer(tmp_path / "full", digest(tar(file("a"))))]
    assert extract(layers, tmp_path / "root").files == 1


@pytest.mark.parametrize("name", ["PK\x03\x04", "070701", "BZh9", "hsqs"])
def test_a_tar_whose_first_name_looks_like_another_format_is_a_tar(unpack: Unpack, name: str) -> None:
    path = unpack.place / "plain"
    path.write_bytes(tar(file(name)))
    extract([Layer(path, digest(tar(file(name))))], unpack.root)
    assert unpack.listing() == [name]


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def test_a_layer_without_its_last_padding_is_read(tmp_path: Path) -> None:
    layer = tar(file("a", "x" * 700))[: 512 + 700]
    (tmp_path / "layer").write_bytes(layer)
    extract([Layer(tmp_path / "layer", digest(layer))], tmp_path / "root")
    assert (tmp_path / "root/a").read_text() == "x" * 700


HOSTILE = {
    "a name that climbs out": (tar(file("../evil")), "outside"),
    "a name that climbs out later": (tar(file("a/../../evil")), "outside"),
    "a directory above": (tar(directory("..")), "outside"),
    "a hard link that climbs out": (tar(hard("a", "../../etc/passwd")), "outside"),
    "a hard link to a directory": (tar(directory("a"), hard("b", "a")), "to a directory"),
    "a hard link to nothing": (tar(hard("a", "nothing")), "cannot be unpacked"),
    "a whiteout of the parent": (tar(file("a/.wh...")), "outside"),
    "a whiteout of the directory itself": (tar(file("a/.wh..")), "outside"),
    "links in a circle": (tar(link("a", "b"), link("b", "a"), file("a/x")), "circle"),
    "a file as a directory": (tar(file("a"), file("a/b")), "cannot be unpacked"),
    "a name that is too long": (tar(file("x" * 300)), "cannot be unpacked"),
    "no tar file": (b"hello" * 1000, "no valid tar file"),
    "a lone directory entry that is cut": (tar(directory("a"))[:512] + b"\1" * 100, "damaged"),
    "a damaged header": (tar(file("a", "x"))[:1024] + b"garbage" * 300, "damaged"),
    "an early end": (tar(file("a", "x" * 5000))[:2048], "ends in the middle"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_broken_layer_is_refused_and_leaves_nothing(unpack: Unpack, name: str) -> None:
    layer, words = HOSTILE[name]
    with pytest.raises(CorruptImage, match=words):
        unpack(tar(directory("a")), layer)
    assert sorted(os.listdir(unpack.place)) == ["layer-0", "layer-1"]


@pytest.mark.parametrize(
    "target", ["outside", "/{}/outside", "../outside", "../../../../../../../{}/outside"]
)
def test_nothing_is_written_through_a_link_to_the_outside(unpack: Unpack, target: str) -> None:
    outside = unpack.place / "outside"
    outside.mkdir()
    (outside / "precious").write_text("untouched")
    leads = target.format(str(unpack.place).lstrip("/"))
    first = tar(link("door", leads), link("file", leads + "/precious"))
    second = tar(
        file("door/evil"),
        file("door/precious", "changed"),
        file("file", "changed"),
        file("door/.wh.precious"),
        directory("door/evil-directory", 0o777),
    )
    unpack(first, second)
    assert os.listdir(outside) == ["precious"]
    assert (outside / "precious").read_text() == "untouched"
    assert stat.S_IMODE(outside.stat().st_mode) != 0o777


def test_a_layer_that_cannot_be_fetched_ends_the_extraction(tmp_path: Path) -> None:
    def layers() -> object:
        layer = tar(file("a"))
        (tmp_path / "layer").write_bytes(layer)
        yield Layer(tmp_path / "layer", digest(layer))
        raise UnsuitableNode("the next one did not come")

    with pytest.raises(UnsuitableNode, match="did not come"):
        extract(layers(), tmp_path / "root")  # type: ignore[arg-type]
    assert not (tmp_path / "root").exists()


names = st.sampled_from(
    ["a", "b", "c", "a/b", "a/b/c", "b/a", "./a", "/b/c", ".wh.a", "a/.wh.b", "b/.wh..wh..opq"]
)
targets = st.sampled_from(["a", "b", "/a", "../a", "/a/b", "../../c", "/"])
entries = st.one_of(
    st.builds(file, names),
    st.builds(directory, names),
    st.builds(link, names, targets),
    st.builds(hard, names, targets),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(entries, max_size=5), min_size=1, max_size=3))
def test_any_mixture_of_entries_stays_inside(
    tmp_path_factory: pytest.TempPathFactory, layers: list[list[Entries]]
) -> None:
    place = tmp_path_factory.mktemp("any")
    try:
        Unpack(place)(*(tar(*layer) for layer in layers))
    except CorruptImage:
        assert not (place / "root").exists()
    assert {name for name in os.listdir(place) if not name.startswith("layer-")} <= {"root"}


def test_sums_are_those_of_the_files_that_are_there_in_the_end(tmp_path: Path) -> None:
    lower = tar(file("a", "old"), file("b", "b"), hard("c", "b"), file("d/e", "gone"), file("f", "f"))
    upper = tar(file("a", "new"), file(".wh.d"), hard("f", "a"), file("d/e", "back"), link("l", "a"))
    stored = []
    for number, layer in enumerate([lower, upper]):
        path = tmp_path / f"layer-{number}"
        path.write_bytes(gzip.compress(layer, 1))
        stored.append(Layer(path, "sha256:" + hashlib.sha256(layer).hexdigest()))
    sums: dict[bytes, str] = {}
    extract(stored, tmp_path / "root", sums=sums)
    there = [path for path in (tmp_path / "root").rglob("*") if path.is_file() and not path.is_symlink()]
    assert {os.fsencode(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in there} == {
        path: digest for path, digest in sums.items() if os.path.isfile(path) and not os.path.islink(path)
    }
    assert len(there) == 5
