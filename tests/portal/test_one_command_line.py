"""One command line: a script that works on this machine works at a daemon by setting `ENGINE_SERVER`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.cli.desk import Desk, Ran, desk_in, until
from tests.portal.house import House

pytestmark = pytest.mark.whole

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
    "pause FIRST",
    "resume FIRST",
    "pause FIRST --backend local",
    "submit TOOL one.json --cores 1 --memory 2G --wall 60 --group 2 --key mine",
    "submit TOOL one.json --cores 1 --memory 2G --wall 60 --group 2 --key mine",
    "retry FIRST:2",
    "plan TOOL one.json --cross word=p,q --first 1",
    "submit TOOL one.json table.csv --set code=0 --cross word=p,q --repeat 2 --first 5 --json",
    "results --download second",
    "results --check --json",
    "submit TOOL --set code=0 --zip word=p,q --zip file=glob:?.txt --results-name {job}/{path} --dry-run",
    "submit TOOL --bids study --set code=0",
    "jobs --json",
    "submit TOOL missing.json --json",
    "submit none.json one.json",
)
SCHEMAS = Path(__file__).parents[2] / "config/schema/cli"
KINDS: set[str] = set()
"""Of the values that were printed."""
MASKS = (
    (r"[0-9A-HJKMNP-TV-Z]{26}", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\d+\.\d+ s\b", "SECONDS"),
    (r'"seconds": [\d.]+', '"seconds": N'),
    (r'"(url|results|owner|file|bids_dir|from)": "[^"]*"', r'"\1": "ADDRESS"'),
    (r"\t(root|carl)\t", r"\tOWNER\t"),
    (r"(results|provenance) in .*", "results in ADDRESS"),
    (r"(?<!\S)(/vip|/tmp|results/)[^\s,;]*", "ADDRESS"),
    (r".*brought to the platform\n", ""),
    (r".*data set in .*\n", ""),  # it is beside results of this machine only
    # a title is the platform's, and which engine looked first is chance
    (r'"title": "[^"]*"|title\texecution\n| \(execution\)', ""),
    (r".*(it runs|seen_running).*\n", ""),
    (r'"from": "(queued|running)"', '"from": STATE'),
)


def test_one_script_says_the_same_here_and_there(house: House, tmp_path: Path) -> None:
    with desk_in(tmp_path) as here:
        for desk in (here, house.desk):
            desk.tool(
                "echo [WORD] > out.txt; cat [FILE] < /dev/null >> out.txt; ls [BIDS_DIR] >> out.txt"
                "; echo [WORD]; echo oh >&2; exit [CODE]",
                {
                    "word": "String",
                    "code": {"type": "Number", "integer": True},
                    "file": "File",
                    "bids_dir": "File",
                    "participant_label": {"type": "String", "list": True},
                },
                {"out": "out.txt"},
            )
        house.engine("pipeline", "add", "tool.json", "--as", "anything/1.0")  # found there by its content
        there = {"ENGINE_SERVER": house.url, "ENGINE_KEY": house.keys["carl"]}
        said = list(zip(SCRIPT, played(here, {}), strict=True))
        for told, answer in zip(said, zip(SCRIPT, played(house.desk, there), strict=True), strict=True):
            assert answer == told
        for name in ("home", "second"):
            assert contents(here.directory / name) == contents(house.desk.directory / name) != {}
        assert list(here.directory.rglob("derivatives"))
        assert not list(house.desk.home.rglob("derivatives")), "a description tells paths of the platform"
    assert {path.stem for path in SCHEMAS.iterdir()} == KINDS, "one of each kind was printed"
    codes = [code for _, (code, _, _) in said]
    assert (codes[0], set(codes)) == (1, {0, 1, 2}), "each kind of end is among them"


def test_what_waits_is_queued_and_only_what_runs_is_running_here_and_there(
    house: House, tmp_path: Path
) -> None:
    with desk_in(tmp_path) as here:
        there = {"ENGINE_SERVER": house.url, "ENGINE_KEY": house.keys["carl"]}
        for desk, variables in ((here, {}), (house.desk, there)):
            gate = desk.directory / "gate"
            desk.tool(
                f"until [ -e '{gate}' ]; do sleep 0.05; done; echo done > out.txt",
                {
                    "bids_dir": "File",
                    "participant_label": {"type": "String", "list": True},
                    "analysis_level": {"type": "String", "value-choices": ["participant", "group"]},
                },
                {"out": "out.txt"},
                name="gated",
            )
            if variables:
                house.engine("pipeline", "add", "tool.json")
            data_set(desk)
            words = ("submit", "tool.json", "--runtime", "none", "--bids", "study", "--participants", "01")
            id_ = desk.ok(*words, "--detach", variables=variables).out.strip()
            status = partial(desk.ok, "status", id_, "--json", variables=variables)
            until(lambda: status().value["tally"] == {"queued": 1, "running": 1})  # noqa: B023
            assert status().value["state"] == "running"
            for state, numbers in {"running": [1], "queued": [2], "succeeded": []}.items():
                ran = desk.ok("jobs", id_, "--state", state, "--json", variables=variables)
                assert [one["number"] for one in ran.values] == numbers
            assert "job 2 is queued" in desk.ok("explain", f"{id_}:2", variables=variables).out
            gate.touch()
            until(lambda: status().value["state"] == "succeeded")  # noqa: B023


def test_what_is_paused_waits_and_says_so_here_and_there(house: House, tmp_path: Path) -> None:
    with desk_in(tmp_path) as here:
        there = {"ENGINE_SERVER": house.url, "ENGINE_KEY": house.keys["carl"]}
        for desk, variables in ((here, {}), (house.desk, there)):
            ours = partial(desk.ok, variables=variables)
            administrator = {**variables, "ENGINE_KEY": house.keys["root"]} if variables else {}
            desk.tool("echo done > out.txt", outputs={"out": "out.txt"}, name="quick")
            if variables:
                house.engine("pipeline", "add", "tool.json")
                refused = desk.run("pause", "--backend", "local", variables=variables)
                assert (refused.code, "administrator" in refused.err) == (2, True), refused.err
            said = desk.ok("pause", "--backend", "local", variables=administrator).err
            assert said == (
                "engine: back-end local takes no further job; engine resume --backend local ends that\n"
            )
            words = ("submit", "tool.json", desk.write("i.json", {}), "--runtime", "none")
            id_ = ours(*words, "--detach").out.strip()
            assert "back-end local is paused since" in ours("status", id_, "--json").value["held"]
            assert ours("pause", id_).err == (
                f"engine: {id_} starts no further job; engine resume {id_} lets it go on\n"
            )
            said = desk.ok("resume", "--backend", "local", variables=administrator).err
            assert said == "engine: back-end local takes jobs again\n"
            shown = ours("status", id_).out
            assert "state\tqueued (paused)" in shown
            assert f"held\tit is paused; engine resume {id_} lets it go on" in shown
            assert f"engine resume {id_} lets it go on" in ours("explain", f"{id_}:1").out
            ours(*words)  # another one is not held up
            assert ours("status", id_, "--json").value["tally"] == {"queued": 1}
            assert ours("resume", id_).err == f"engine: {id_} goes on; engine status --watch {id_}\n"
            assert ours("status", id_, "--watch", "--json").values[-1]["state"] == "succeeded"


def data_set(desk: Desk) -> None:
    """A data set of two participants."""
    for label in ("01", "02"):
        (desk.directory / f"study/sub-{label}/anat").mkdir(parents=True, exist_ok=True)
        desk.write(f"study/sub-{label}/anat/sub-{label}_T1w.nii", label)
    desk.write("study/dataset_description.json", {"Name": "study", "BIDSVersion": "1.8.0"})


def contents(directory: Path) -> dict[str, bytes]:
    """The files below a directory."""
    found = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def played(desk: Desk, variables: Mapping[str, str]) -> Iterator[tuple[int, list[str], list[str]]]:
    """Run the script; gives what each command said, without what differs from run to run."""
    desk.write("a.txt", "of a\n")
    desk.write("b.txt", "of b\n")
    desk.write("table.csv", "file,word\na.txt,r\n./b.txt,s\n")
    desk.write("missing.json", [{"word": "a", "code": "x"}, {"file": "none.txt"}, {"code": 1.5}])
    data_set(desk)
    desk.write("two.json", {"word": "a", "code": [0, 3]})
    desk.write("one.json", {"word": "a", "code": 0})
    first = ""
    for line in SCRIPT:
        tool = "tool.json --runtime none"
        ran = desk.run(*line.replace("FIRST", first).replace("TOOL", tool).split(), variables=variables)
        first = first or ran.value["id"]
        if "--json" in line or "--dry-run" in line:
            KINDS.update(map(kind_of, ran.values))
        code, out, err = masked(ran)
        yield code, sorted(out) if line.startswith("results") else out, err  # who ends first is chance


def kind_of(value: Any) -> str:
    """The kind of a JSON value, which is as the schema of that kind says."""
    kind = str(value["schema"].split("/")[1])
    Draft202012Validator(json.loads((SCHEMAS / f"{kind}.json").read_text())).validate(value)
    return kind


def masked(ran: Ran) -> tuple[int, list[str], list[str]]:
    """What a command said, with ids, times and addresses made alike."""

    def lines(text: str) -> list[str]:
        for pattern, word in MASKS:
            text = re.sub(pattern, word, text)
        return text.splitlines()

    return ran.code, lines(ran.out), lines(ran.err)
