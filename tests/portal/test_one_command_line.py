"""One command line: a script that works on this machine works at a daemon by setting `ENGINE_SERVER`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.cli.desk import Desk, Ran, desk_in
from tests.portal.house import House

HERE, THERE = "tool.json --runtime none", "tool/1.0"
"""The only words that differ: a tool without a container is a file on this machine, a pipeline there."""
SCRIPT = (
    "submit TOOL two.json --vip --json",  # its execution is FIRST from here on
    "status --json",
    "status FIRST",
    "status 9",
    "list --limit 1",
    "list --json",
    "jobs FIRST",
    "jobs FIRST --state failed --json",
    "logs FIRST:2 --json",
    "logs FIRST:1 --stderr --follow",
    "logs FIRST",
    "logs FIRST:3",
    "logs FIRST:1 --try 7",
    "explain FIRST:2",
    "explain FIRST:1 --json",
    "results FIRST --json",
    "results FIRST --download home",
    "cancel FIRST",
    "submit TOOL one.json",
    "retry FIRST:2",
)
MASKS = (
    (r"[0-9A-HJKMNP-TV-Z]{26}", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\d+\.\d+ s\b", "SECONDS"),
    (r'"seconds": [\d.]+', '"seconds": N'),
    (r'"(url|results|owner)": "[^"]*"', r'"\1": "ADDRESS"'),
    (r"\t(root|carl)\t", r"\tOWNER\t"),
    (r"(results|provenance) in .*", "results in ADDRESS"),
    (r"(?<!\S)(/vip|/tmp|results/)[^\s,;]*", "ADDRESS"),
    # a title is the platform's, and which engine looked first is chance
    (r'"title": "[^"]*"|title\texecution\n| \(execution\)', ""),
    (r".*(it runs|seen_running).*\n", ""),
    (r'"from": "(queued|running)"', '"from": STATE'),
)


def test_one_script_says_the_same_here_and_there(house: House, tmp_path: Path) -> None:
    with desk_in(tmp_path) as here:
        for desk in (here, house.desk):
            desk.tool(
                "echo [WORD] > out.txt; echo [WORD]; echo oh >&2; exit [CODE]",
                {"word": "String", "code": {"type": "Number", "integer": True}},
                {"out": "out.txt"},
            )
        house.engine("pipeline", "add", "tool.json", "--as", THERE)
        there = {"ENGINE_SERVER": house.url, "ENGINE_KEY": house.keys["carl"]}
        said = dict(zip(SCRIPT, played(here, HERE, {}), strict=True))
        for line, answer in zip(SCRIPT, played(house.desk, THERE, there), strict=True):
            assert (line, answer) == (line, said[line])
    codes = [code for code, _, _ in said.values()]
    assert (codes[0], set(codes)) == (1, {0, 1, 2}), "each kind of end is among them"


def played(desk: Desk, tool: str, variables: Mapping[str, str]) -> Iterator[tuple[int, list[str], list[str]]]:
    """Run the script; gives what each command said, without what differs from run to run."""
    desk.write("two.json", {"word": "a", "code": [0, 3]})
    desk.write("one.json", {"word": "a", "code": 0})
    first = ""
    for line in SCRIPT:
        ran = desk.run(*line.replace("FIRST", first).replace("TOOL", tool).split(), variables=variables)
        first = first or ran.value["id"]
        yield masked(ran)


def masked(ran: Ran) -> tuple[int, list[str], list[str]]:
    """What a command said, with ids, times and addresses made alike."""

    def lines(text: str) -> list[str]:
        for pattern, word in MASKS:
            text = re.sub(pattern, word, text)
        return text.splitlines()

    return ran.code, lines(ran.out), lines(ran.err)
