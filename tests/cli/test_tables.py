"""Tables as spreadsheets write them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.cli.desk import Described, Desk

pytestmark = pytest.mark.whole

INPUTS: Mapping[str, Described] = {"n": {"type": "Number", "integer": True}, "s": "String"}


@pytest.mark.parametrize(
    "table",
    [
        b"n,s\n1,a\n2,b\n",
        b"sep=;\r\nn;s\r\n1;a\r\n2;b\r\n",
        b"\xef\xbb\xbfsep=,\nn,s\n1,a\n2,b\n",
        b'"sep=\t"\nn\ts\n1\ta\n2\tb\n',
        b"n,s,,\n1,a,,\n2,b,,\n",
        b"n,s\n1,a,\n2,b,,\n",
        b"n, s\n 1,a\n2 ,b\n",
    ],
    ids=[
        "plain",
        "Excel's separator",
        "a separator after a mark",
        "tabs",
        "empty columns",
        "empty cells",
        "spaces",
    ],
)
def test_what_a_spreadsheet_adds_is_no_part_of_a_table(desk: Desk, table: bytes) -> None:
    (desk.directory / "t.csv").write_bytes(table)
    ran = desk.ok("expand", desk.tool("tool [N] [S]", INPUTS), "t.csv")
    assert [one["command_line"] for one in ran.values] == ["tool 1 a", "tool 2 b"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("n,s\n1,a\n".encode("utf-16"), "t.csv: the text is UTF-16\nengine: save it as UTF-8"),
        (b"n,s\r1,a\r2,b\r", "t.csv: its lines end with CR alone"),
        (b"n,s,\n1,a,x\n", "t.csv line 2, the header has 2 cells, this row 3"),
        (b"n,,s\n1,,a\n", "t.csv line 1: the column '' is not an input"),
        (b"sep=;\nn;s\n1;a;b\n", "t.csv line 3, the header has 2 cells, this row 3"),
    ],
    ids=["UTF-16", "CR", "a cell without a name", "a column without a name", "lines are counted"],
)
def test_a_table_that_cannot_be_read_is_told_with_what_helps(desk: Desk, table: bytes, told: str) -> None:
    (desk.directory / "t.csv").write_bytes(table)
    ran = desk.run("expand", desk.tool("tool [N] [S]", INPUTS), "t.csv")
    assert ran.code == 2
    assert told in ran.err + ran.out  # a row that is wrong is a line of what expand prints


def test_an_invocation_in_utf_16_is_told_as_what_it_is(desk: Desk) -> None:
    (desk.directory / "i.json").write_bytes('{"n": 1}'.encode("utf-16"))
    ran = desk.run("expand", desk.tool("tool [N] [S]", INPUTS), "i.json")
    assert (ran.code, "the text is UTF-16" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("store", "told"), [("nowhere", "nowhere: no such storage"), ("file:///x", "is no storage")]
)
def test_plan_refuses_a_storage_that_submit_would_refuse(desk: Desk, store: str, told: str) -> None:
    words = (desk.tool("true"), desk.write("i.json", {}), "--runtime", "none", "--store", store)
    for command in ("plan", "submit"):
        ran = desk.run(command, *words)
        assert (ran.code, told in ran.err) == (2, True), ran
