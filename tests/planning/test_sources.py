"""What a source holds is told by its content: one invocation, many, a table, a directory."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadRequest, NotFound
from engine.planning import Point, Sweep, read_invocations
from tests.planning.samples import expansions, file, flag, number, text, tool_of

BET = tool_of(
    "bet [INFILE] [FRAC] [POINTS] [F] [MODE]",
    file("infile"),
    number("frac", optional=True, minimum=0, maximum=1),
    number("points", optional=True, list=True),
    flag("f"),
    text("mode", optional=True, **{"value-choices": ["1", "two"]}),
)


def write(path: Path, content: str) -> str:
    path.write_text(content)
    return str(path)


def read(*sources: str, **options: Any) -> list[Point]:
    return list(read_invocations(sources, BET.tool, Sweep(**options)))


def invocations(*sources: str, **options: Any) -> list[dict[str, Any]]:
    points = read(*sources, **options)
    assert [point.problem for point in points if point.problem] == []
    assert [point.index for point in points] == list(range(len(points)))
    return [point.invocation for point in points]


def problems(*sources: str, **options: Any) -> list[str]:
    with pytest.raises(BadRequest) as refused:
        list(expansions(BET, read_invocations(sources, BET.tool, Sweep(**options))))
    return list(refused.value.problems)


def test_an_object_is_one_job(tmp_path: Path) -> None:
    points = read(write(tmp_path / "i.json", '{"infile":\n "a"}'))
    assert [(point.invocation, point.parameters) for point in points] == [({"infile": "a"}, {})]


def test_an_array_is_many_jobs_which_keep_their_parameters(tmp_path: Path) -> None:
    points = read(write(tmp_path / "i.json", '[{"infile": "a"}, {"infile": "b"}]'))
    assert [point.parameters for point in points] == [{"infile": "a"}, {"infile": "b"}]
    assert points[1].where.endswith("i.json entry 2")


@pytest.mark.parametrize("name", ["i.jsonl", "i.ndjson", "i.json", "i"])
def test_lines_of_objects_are_many_jobs_whatever_the_file_is_called(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, '\n{"infile": "a"}\n\n{"infile": "b"}\n')
    assert invocations(path) == [{"infile": "a"}, {"infile": "b"}]
    assert read(path)[1].where.endswith(f"{name} line 4")


def test_a_directory_and_several_files_are_many_jobs(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path / f"{name}.json", json.dumps({"infile": name}))
    write(tmp_path / "notes.txt", "not an invocation")
    assert invocations(str(tmp_path)) == [{"infile": "a"}, {"infile": "b"}]
    assert invocations(f"{tmp_path}/b.json", f"{tmp_path}/a.json") == [{"infile": "b"}, {"infile": "a"}]


def test_standard_input_is_answered_line_by_line() -> None:
    read_so_far = []

    class Slow(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            text = super().readline(size)
            read_so_far.append(text)
            return text

    stream = Slow(b"".join(b'{"infile": "%d"}\n' % turn for turn in range(10)))
    points = read_invocations(["-"], BET.tool, stdin=stream)
    for turn in range(5):
        assert next(points).invocation == {"infile": str(turn)}
        assert len(read_so_far) <= turn + 3


def test_a_table_is_typed_by_the_descriptor(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        'infile,frac,points,f,mode\n"a, b.nii",0.30,1 2.5,true,1\nc.nii,,"[3, 4]",0,two\n,1e-3,,,\n',
    )
    assert [point.invocation for point in read(path)] == [
        {"infile": "a, b.nii", "frac": 0.3, "points": [1, 2.5], "f": True, "mode": "1"},
        {"infile": "c.nii", "points": [3, 4], "f": False, "mode": "two"},
        {"frac": 0.001},
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.tsv", "infile\tfrac\na b\t1\n"),
        ("t.csv", "infile;frac\na b;1\n"),
        ("t.csv", "\ufeffinfile,frac\r\na b,1\r\n"),
    ],
)
def test_tables_of_other_programs_are_read(name: str, content: str, tmp_path: Path) -> None:
    assert invocations(write(tmp_path / name, content)) == [{"infile": "a b", "frac": 1}]


def test_a_cell_of_a_tsv_that_says_n_a_has_no_value_as_in_bids(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", "infile\tfrac\tpoints\tf\nx\tn/a\tn/a\tn/a\nn/a.nii\t1\tn/a\tN/A\n")
    assert invocations(path) == [{"infile": "x"}, {"infile": "n/a.nii", "frac": 1, "f": "N/A"}]
    assert invocations(write(tmp_path / "t.csv", "infile,frac\nn/a,1\n")) == [{"infile": "n/a", "frac": 1}]
    chosen = tool_of("tool [A] [B]", text("a", **{"value-choices": ["n/a", "x"]}), text("b", optional=True))
    table = write(tmp_path / "c.tsv", "a\tb\nn/a\tn/a\n")
    assert [point.invocation for point in read_invocations([table], chosen.tool)] == [{"a": "n/a"}]


def test_every_bad_row_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "sweep.csv",
        "infile,frac\na,0.1\nb,1.4\nc\nd,abc\n,0.1\ne,92233720368547758080\nf,nan\n",
    )
    assert [problem.removeprefix(f"{tmp_path}/") for problem in problems(path)] == [
        "sweep.csv line 3, input frac: 1.4 is above the maximum 1",
        "sweep.csv line 4, the header has 2 cells, this row 1",
        "sweep.csv line 5, input frac: 'abc' is not a number",
        "sweep.csv line 6, input infile: is required",
        "sweep.csv line 7, input frac: the integer 92233720368547758080 does not fit in 64 bits",
        "sweep.csv line 8, input frac: 'nan' is not a number",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("infile,fraq\na,1\n", r"t\.csv line 1: the column 'fraq' is not an input of sample"),
        ("infile,infile\na,b\n", r"t\.csv line 1: the column infile appears twice"),
        ("", r"t\.csv: the table is empty"),
        ('infile\na\n"b\n', r"t\.csv line 3: not a table: unexpected end of data"),
        ("infile\na\n\udcff\n", r"t\.csv line 3: not UTF-8 \(byte 0xff\)"),
    ],
)
def test_a_table_that_is_none_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(BadRequest, match=message):
        read(str(path))


def test_many_lines_with_one_bad_one_name_it_and_yield_nothing_after_it(tmp_path: Path) -> None:
    path = tmp_path / "i.jsonl"
    good = '{"infile": "a"}\n'
    path.write_text(good * 10_000 + '{"infile": "a"\n' + good * 10_000)
    points = read_invocations([path], BET.tool)
    seen = 0
    with pytest.raises(
        BadRequest, match=r"i\.jsonl line 10001, not JSON: the text ends too early"
    ) as refused:
        for _ in expansions(BET, points):
            seen += 1
    assert (seen, len(refused.value.problems)) == (10_000, 1)


def test_the_first_twenty_problems_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "i.jsonl", '{"infile": 1}\n' * 1000)
    assert len(problems(path)) == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "i.json: empty"),
        ("  \n", "i.json: empty"),
        ("infile=a", "neither JSON, JSON lines nor a table"),
        ("[]", "i.json: the list of invocations is empty"),
        ('{"infile": ', "i.json line 1: not JSON: the text ends too early"),
        ('{"infile": "a",\n "infile": "b"}', 'line 2: the key "infile" appears twice'),
    ],
)
def test_what_is_no_invocation_is_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as refused:
        read(write(tmp_path / "i.json", content))
    assert message in str(refused.value)


@pytest.mark.parametrize("entry", ["3", '"a"', "[]", "null"])
def test_an_entry_that_is_no_object_is_told_with_its_place(entry: str, tmp_path: Path) -> None:
    found = problems(write(tmp_path / "i.json", f'[{{"infile": "a"}}, {entry}]'))
    assert found[0].endswith("i.json entry 2, an invocation is a JSON object of input values")


def test_sources_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.json: no such file"):
        read(str(tmp_path / "nothing.json"))
    with pytest.raises(BadRequest, match=r"no \*\.json file in this directory"):
        read(str(tmp_path))
    with pytest.raises(BadRequest, match="there is no invocation"):
        read()


def test_only_the_first_jobs_or_a_limit_of_them(tmp_path: Path) -> None:
    path = write(tmp_path / "i.jsonl", '{"infile": "a"}\n' * 5)
    assert len(read(path, first=2)) == 2
    assert len(read(path, max_jobs=5)) == 5
    with pytest.raises(BadRequest, match="the request makes more than 4 jobs"):
        read(path, max_jobs=4)
    assert len(read(path, first=3, max_jobs=4)) == 3


def test_repetitions_are_told_apart(tmp_path: Path) -> None:
    points = read(write(tmp_path / "i.json", '{"infile": "a"}'), repeat=3)
    assert [point.parameters for point in points] == [{"$repeat": 1}, {"$repeat": 2}, {"$repeat": 3}]
    assert all(point.invocation == {"infile": "a"} for point in points)


def test_a_table_without_rows_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"t\.csv: the table has a header and no rows"):
        read(write(tmp_path / "t.csv", "infile,frac\n\n"))
