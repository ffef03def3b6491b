"""Compressed layers: every format is known by its first bytes, and what is damaged is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvmfs_deploy.create import fast_gunzip
from tests.containers.test_layers import digest, file, tar
from tests.services.debian import require
from wrappers.containers.decompress import ZLIB, Gunzip, decompressed
from wrappers.containers.errors import CorruptImage, UnsuitableNode
from wrappers.containers.layers import extract
from wrappers.containers.tarstream import Layer


def zstd(data: bytes) -> bytes:
    return subprocess.run(
        [require("zstd", "zstd"), "-qc"], input=data, stdout=subprocess.PIPE, check=True
    ).stdout


@pytest.mark.parametrize("gunzip", [ZLIB, fast_gunzip()], ids=["zlib", "isal"])
@pytest.mark.parametrize(
    "compression", ["none", "gzip", "two gzip members", pytest.param("zstd", marks=pytest.mark.service)]
)
def test_every_compression_is_known_by_its_first_bytes(
    tmp_path: Path, compression: str, gunzip: Gunzip
) -> None:
    layer = tar(file("a", "some data" * 100_000))
    packed = {
        "none": lambda: layer,
        "gzip": lambda: gzip.compress(layer),
        "two gzip members": lambda: gzip.compress(layer[:700]) + gzip.compress(layer[700:]) + b"\0" * 100,
        "zstd": lambda: zstd(layer),
    }[compression]()
    (tmp_path / "layer").write_bytes(packed)
    extract([Layer(tmp_path / "layer", digest(layer))], tmp_path / "root", gunzip=gunzip)
    assert (tmp_path / "root/a").read_text() == "some data" * 100_000


SKIPPABLE = b"\x5a\x2a\x4d\x18\x04\x00\x00\x00skip"
"""A frame of zstd without data."""


@pytest.mark.parametrize("gunzip", [ZLIB, fast_gunzip()], ids=["zlib", "isal"])
@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda layer: SKIPPABLE + zstd(layer) + SKIPPABLE, marks=pytest.mark.service),
        pytest.param(lambda layer: zstd(layer) + b"something else", marks=pytest.mark.service),
        pytest.param(lambda layer: zstd(layer[:9]) + SKIPPABLE + zstd(layer[9:]), marks=pytest.mark.service),
        lambda layer: gzip.compress(layer) + b"something else",
        lambda layer: gzip.compress(layer) + b"\x1f",
        lambda layer: gzip.compress(layer) + b"\0" * (1 << 18) + b"x",
        bz2.compress,
        lambda layer: bz2.compress(layer[:700]) + bz2.compress(layer[700:]) + b"something else",
        lzma.compress,
        lambda layer: lzma.compress(layer[:700]) + b"\0" * 8 + lzma.compress(layer[700:]),
        lambda layer: lzma.compress(layer) + b"something else",
    ],
)
def test_what_surrounds_a_compressed_layer_is_passed_over(
    tmp_path: Path, pack: Callable[[bytes], bytes], gunzip: Gunzip
) -> None:
    layer = tar(file("a", "some data" * 100_000))
    (tmp_path / "layer").write_bytes(pack(layer))
    extract([Layer(tmp_path / "layer", digest(layer))], tmp_path / "root", gunzip=gunzip)
    assert (tmp_path / "root/a").read_text() == "some data" * 100_000


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"PK\x03\x04", "zip"),
        (b"hsqs", "squashfs"),
        (b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC", "SIF"),
        (b"\x5d\x00\x00\x80", "lzma"),
        (b"070701", "cpio"),
    ],
)
def test_other_formats_are_refused_by_their_names(tmp_path: Path, head: bytes, name: str) -> None:
    layer = head + b"x" * 5000
    (tmp_path / "layer").write_bytes(layer)
    with pytest.raises(CorruptImage, match=f"a layer is in the format {name}.*: only tar is read"):
        extract([Layer(tmp_path / "layer", digest(layer))], tmp_path / "root")


@pytest.mark.service
def test_zstd_layers_without_zstd_are_the_nodes_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = tar(file("a"))
    (tmp_path / "layer").write_bytes(zstd(layer))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsuitableNode, match="zstd is not installed"):
        extract([Layer(tmp_path / "layer", digest(layer))], tmp_path / "root")


@pytest.mark.parametrize("gunzip", [ZLIB, fast_gunzip()], ids=["zlib", "isal"])
@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (lambda layer: gzip.compress(layer)[:-20], "too early"),
        (lambda layer: gzip.compress(layer)[:-6] + b"\0\0\0\0\0\0", "cannot be decompressed"),
        pytest.param(lambda layer: zstd(layer)[:-10], "cannot be decompressed", marks=pytest.mark.service),
        (lambda layer: gzip.compress(layer + b"\0"), "something else than"),
    ],
)
def test_what_does_not_unpack_to_its_diff_id_is_refused(
    tmp_path: Path, packed: Callable[[bytes], bytes], words: str, gunzip: Gunzip
) -> None:
    layer = tar(file("a", "some data" * 100_000))
    (tmp_path / "layer").write_bytes(packed(layer))
    with pytest.raises(CorruptImage, match=words):
        extract([Layer(tmp_path / "layer", digest(layer))], tmp_path / "root", gunzip=gunzip)
    assert not (tmp_path / "root").exists()


def unpacked(path: Path, gunzip: Gunzip) -> bytes | None:
    """All of it; None when it is refused."""
    try:
        return b"".join(decompressed(path, gunzip))
    except CorruptImage:
        return None


@settings(max_examples=100, deadline=None)
@given(
    members=st.lists(st.binary(max_size=3000), min_size=1, max_size=3),
    cut=st.integers(0, 40),
    flipped=st.none() | st.integers(0, 4000),
)
def test_the_faster_library_unpacks_and_refuses_what_zlib_does(
    tmp_path_factory: pytest.TempPathFactory, members: list[bytes], cut: int, flipped: int | None
) -> None:
    packed = bytearray(b"".join(gzip.compress(member) for member in members))
    del packed[len(packed) - cut :]
    if len(members) == 1 and flipped is not None and 10 <= flipped < len(packed):  # after the header
        packed[flipped] ^= 0x10
    path = tmp_path_factory.mktemp("gzip") / "layer"
    path.write_bytes(packed)
    assert unpacked(path, fast_gunzip()) == unpacked(path, ZLIB)
