"""Whatever people hand in, the answer is a value or one clear line with file and line."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadRequest, NotFound
from engine.planning.documents import lines, parse_json, read_json

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_acceptable_json_is_read_as_written(value: object) -> None:
    assert parse_json(json.dumps(value), "f") == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    with contextlib.suppress(BadRequest):
        parse_json(data, "f")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": 1,\n "b": ', "f line 2: not JSON: the text ends too early"),
        (b'{"a": 1,\n "b" 2}', "f line 2: not JSON: expecting ':' delimiter (column 6)"),
        (
            b'{"a": 1,\n "b": 2,\n "a": 3}',
            'f line 3: the key "a" appears twice in one object, with different values',
        ),
        (b'{"a":\n NaN}', "f line 2: NaN is not a JSON number"),
        (b'{"a":\n\n -Infinity}', "f line 3: -Infinity is not a JSON number"),
        (b'{"a": 9223372036854775808}', "f line 1: the integer 9223372036854775808 does not fit in 64 bits"),
        (b'{"a": 1e999}', "f line 1: the number 1e999 is too large"),
        (b'{"a":\n "\xff"}', "f line 2: not UTF-8 (byte 0xff)"),
        (b"[" * 200_000, "f: nested too deeply"),
        (b"", "f line 1: not JSON: the text ends too early"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_json(text, "f")
    assert str(refused.value) == message


def test_the_largest_64_bit_integers_are_exact() -> None:
    assert parse_json("[9223372036854775807, -9223372036854775808]", "f") == [2**63 - 1, -(2**63)]


def test_a_huge_integer_is_shown_short() -> None:
    with pytest.raises(BadRequest, match=r"11111\.\.\. \(5000 digits\) does not fit"):
        parse_json("1" * 5000, "f")


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse_json(b"\xef\xbb\xbf[1]", "f") == [1]


def test_a_document_beyond_the_limit_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with pytest.raises(BadRequest, match=r"big\.json: larger than 16 MiB, the most that is read"):
        read_json(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.json: no such file"):
        read_json(tmp_path / "nothing.json")


def test_a_directory_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="Is a directory"):
        read_json(tmp_path)


def test_a_file_name_that_is_not_utf_8_can_be_shown(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.json"
    with pytest.raises(NotFound, match=r"\\udcff\.json: no such file"):
        read_json(Path(os.fsdecode(name)))


def test_lines_are_numbered_and_blank_ones_left_out() -> None:
    assert list(lines(io.BytesIO(b"a\n\n \r\n b \nc"), "f")) == [(1, b"a"), (4, b"b"), (5, b"c")]


def test_a_line_without_end_is_refused_in_bounded_memory() -> None:
    with pytest.raises(BadRequest, match="f line 2: longer than 8 bytes"):
        list(lines(io.BytesIO(b"a\n" + b"b" * 100), "f", limit=8))
