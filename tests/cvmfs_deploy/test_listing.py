"""Trees as lists: every name survives, every difference is seen, and other programs read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvmfs_deploy.listing import ListingEntry, differences, read, scan, write

pytestmark = pytest.mark.whole

names = st.binary(min_size=1, max_size=20).filter(lambda name: b"/" not in name and b"\0" not in name)
entries = st.one_of(
    names.map(lambda name: ListingEntry(name, "dir", 0o755)),
    st.tuples(names, names).map(lambda both: ListingEntry(both[0], "link", 0o777, link=both[1])),
    st.builds(
        ListingEntry,
        names,
        st.just("file"),
        st.integers(0, 0o7777),
        st.integers(0, 2**60),
        st.integers(0, 2**33),
        link=st.just(b""),
        sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    ),
)


@given(st.lists(entries, unique_by=lambda entry: entry.path))
def test_a_list_reads_as_it_was_written(listed: list[ListingEntry]) -> None:
    assert read(write(listed)) == {entry.path: entry for entry in listed}


@given(st.lists(entries, unique_by=lambda entry: entry.path))
def test_a_list_is_plain_text_with_a_line_for_each_entry(listed: list[ListingEntry]) -> None:
    text = write(listed)
    assert text.decode("ascii").isprintable() or b"\n" in text
    assert len(text.splitlines()) == len(listed) + 1


@given(st.binary(max_size=200))
def test_what_is_no_list_is_refused(text: bytes) -> None:
    try:
        read(text)
    except ValueError:
        return
    assert text.startswith(b"#mtree")


def test_a_tree_is_seen_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)
    (tmp_path / "a/file").write_text("data")
    (tmp_path / "a/file").chmod(0o640)
    os.utime(tmp_path / "a/file", (5, 7))
    (tmp_path / "link").symlink_to("/absolute")
    os.mkfifo(tmp_path / "pipe")
    found = {entry.path: entry for entry in scan(os.fsencode(tmp_path))}
    digest = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
    assert found[b"a/file"] == ListingEntry(b"a/file", "file", 0o640, 4, 7, sha256=digest)
    assert found[b"link"].link == b"/absolute"
    assert found[b"pipe"].kind == "other"
    assert sorted(found) == [b"a", b"a/file", b"link", b"pipe"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda top: (top / "f").write_text("other"), "f is not as it was made (size, sha256)"),
        (lambda top: (top / "f").chmod(0o600), "f is not as it was made (mode)"),
        (lambda top: (top / "f").unlink(), "f is missing"),
        (lambda top: (top / "new").write_text(""), "new does not belong there"),
        (lambda top: (top / "l").unlink() or (top / "l").symlink_to("z"), "l is not as it was made (link)"),
    ],
)
def test_every_difference_is_told(tmp_path: Path, change: object, told: str) -> None:
    (tmp_path / "f").write_text("data")
    (tmp_path / "f").chmod(0o644)
    (tmp_path / "l").symlink_to("f")
    os.utime(tmp_path / "f", (1, 1))
    before = {entry.path: entry for entry in scan(os.fsencode(tmp_path))}
    change(tmp_path)  # type: ignore[operator]
    if (tmp_path / "f").exists():
        os.utime(tmp_path / "f", (1, 1))
    after = {entry.path: entry for entry in scan(os.fsencode(tmp_path))}
    assert differences(before, after) == [told]
    assert differences(before, before) == []
