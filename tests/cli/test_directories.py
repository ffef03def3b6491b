"""Directories as inputs that are not all there: links to nowhere, loops, FIFOs, sockets, data not fetched."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path

import pytest

from tests.cli.anywhere import Anywhere
from tests.cli.desk import Described, Desk

pytestmark = pytest.mark.service

BARE = ("--runtime", "none")
KEY = ".git/annex/objects/Jx/5z/MD5E-s9--0f.nii.gz/MD5E-s9--0f.nii.gz"
BIDS: Mapping[str, Described] = {
    "bids_dir": "File",
    "participant_label": {"type": "String", "list": True},
    "session_label": {"type": "String", "list": True},
}
COMMAND = "ls -R [BIDS_DIR] > o # [PARTICIPANT_LABEL] [SESSION_LABEL]"


def odd(directory: Path) -> None:
    """Make a directory that holds whatever a directory can hold."""
    (directory / "data/deep").mkdir(parents=True)
    (directory / "data/a.txt").write_text("a\n")
    (directory / "data/deep/b.txt").write_text("b\n")
    (directory / "links").mkdir()
    outside = directory.with_name("outside.txt")
    outside.write_text("outside\n")
    for name, target in {
        "links/a": "../data/a.txt",
        "links/absolute": str(directory / "data/a.txt"),
        "links/directory": "../data/deep",
        "links/chain": "a",
        "links/outside": str(outside),
        "links/nowhere": "../missing",
        "links/above": "..",
        "links/one": "two",
        "links/two": "one",
        "links/self": "self",
    }.items():
        (directory / name).symlink_to(target)
    os.mkfifo(directory / "pipe")
    with socket.socket(socket.AF_UNIX) as made, chdir(directory):
        made.bind("socket")


LEFT_OUT = ["links/above", "links/nowhere", "links/one", "links/self", "links/two", "pipe", "socket"]
LOOK = (
    "cd [DIRECTORY] && find . | sort > ../o && cat links/a links/absolute links/chain links/directory/b.txt"
    " links/outside >> ../o && cd links && for l in a absolute directory chain outside; do"
    ' if [ -L $l ]; then readlink $l >> ../../o; else echo "a file" >> ../../o; fi; done'
)


def test_what_has_no_content_is_left_out_and_internal_links_stay(anywhere: Anywhere) -> None:
    directory = anywhere.desk.directory / "all"
    odd(directory)
    done = anywhere.run(LOOK, {"directory": "all"}, inputs={"directory": "File"}, outputs={"o": "o"})
    assert done.read("outputs/o").splitlines() == [
        *(".", "./data", "./data/a.txt", "./data/deep", "./data/deep/b.txt", "./links", "./links/a"),
        *("./links/absolute", "./links/chain", "./links/directory", "./links/outside"),
        *("a", "a", "a", "b", "outside"),
        *("../data/a.txt", "../data/a.txt", "../data/deep", "../data/a.txt", "a file"),
    ]
    assert (
        "all: 7 entries are left out of this input: links/above (a link that leads nowhere)" in done.ran.err
    )


def test_a_plan_tells_what_is_left_out(desk: Desk) -> None:
    odd(desk.directory / "all")
    tool = desk.tool("ls [DIRECTORY]", {"directory": "File"})
    ran = desk.ok("plan", tool, desk.write("i.json", {"directory": "all"}), *BARE)
    assert f"{desk.directory}/all: 7 entries are left out of this input" in ran.err
    assert desk.debris() == []


def test_what_is_left_out_is_in_the_record(desk: Desk) -> None:
    odd(desk.directory / "all")
    tool = desk.tool("ls [DIRECTORY] > o", {"directory": "File"}, {"o": "o"})
    done = desk.submit(tool, desk.write("i.json", {"directory": "all"}), *BARE)
    assert [
        line.split(" (")[0] for line in done.record()["public-invocation"]["directory"]["left-out"]
    ] == LEFT_OUT


def annex(root: Path, name: str, content: str | None = None) -> Path:
    """A file of a DataLad data set; without content, one that was not fetched."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    key = root / KEY.replace("0f", name.replace("/", "_"))
    path.symlink_to(os.path.relpath(key, path.parent))
    if content is not None:
        key.parent.mkdir(parents=True)
        key.write_text(content)
    return path


@pytest.mark.parametrize("kind", ["link", "pointer", "chain"])
def test_a_file_that_was_not_fetched_is_refused(desk: Desk, kind: str) -> None:
    path = wanted = annex(desk.directory / "my data", "sub-01/T1.nii.gz")
    if kind == "pointer":
        path.unlink()
        path.write_text("/annex/objects/MD5E-s9--0f.nii.gz\n")
    if kind == "chain":
        path = desk.directory / "chosen.nii.gz"
        path.symlink_to("my data/sub-01/T1.nii.gz")
    tool = desk.tool("cat [FILE]", {"file": "File"})
    orders = desk.write("i.json", {"file": str(path)})
    quoted = shlex.quote(str(wanted))
    for command in ("plan", "submit"):
        ran = desk.run(command, tool, orders, *BARE)
        assert ran.code == 2
        assert f"{path}: its content was not fetched; type `datalad get {quoted}`" in ran.err
    assert desk.debris() == []


@pytest.mark.parametrize("kind", ["fifo", "dangling", "loop"])
def test_what_is_no_file_is_refused_where_it_is_asked_for_itself(desk: Desk, kind: str) -> None:
    path = desk.directory / "asked"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("missing" if kind == "dangling" else "asked")
    tool = desk.tool("cat [FILE]", {"file": "File"})
    ran = desk.run("plan", tool, desk.write("i.json", {"file": "asked"}), *BARE)
    words = "neither a file nor a directory" if kind == "fifo" else "a link that leads nowhere"
    assert (ran.code, words in ran.err) == (2, True), ran


def test_a_partly_fetched_data_set_runs_for_the_participants_that_are_there(desk: Desk) -> None:
    root = desk.directory / "ds"
    annex(root, "sub-01/anat/T1.txt", "one\n")
    annex(root, "sub-02/anat/T1.txt")
    tool = desk.tool(
        "cat [BIDS_DIR]/sub-[PARTICIPANT_LABEL]/anat/T1.txt > o # [SESSION_LABEL]", BIDS, {"o": "o"}
    )
    done = desk.submit(tool, "--bids", "ds", "--participants", "01", *BARE)
    assert done.read("outputs/o") == "one\n"
    assert (
        "ds: 1 entry is left out of this input: sub-02/anat/T1.txt (a link that leads nowhere)"
        in done.ran.err
    )


@pytest.mark.parametrize("by", ["--participants", "invocation", "all"])
def test_a_chosen_participant_that_was_not_fetched_is_refused(desk: Desk, by: str) -> None:
    root = desk.directory / "ds"
    annex(root, "sub-01/anat/T1.txt", "one\n")
    annex(root, "sub-02/anat/T1.txt", "two\n")
    annex(root, "sub-02/func/bold.txt")
    tool = desk.tool(COMMAND, BIDS, {"o": "o"})
    values = desk.write("i.json", {"bids_dir": "ds", "participant_label": ["02"]})
    chosen = {"--participants": ["--bids", "ds", "--participants", "02"], "invocation": [values]}
    ran = desk.run("submit", tool, *chosen.get(by, ["--bids", "ds"]), *BARE)
    assert ran.code == 2
    assert f"{root}/sub-02: its content was not fetched; type `datalad get {root}/sub-02`" in ran.err
    assert desk.debris() == []


def test_only_the_chosen_sessions_must_be_there(desk: Desk) -> None:
    root = desk.directory / "ds"
    annex(root, "sub-01/ses-a/T1.txt", "one\n")
    annex(root, "sub-01/ses-b/T1.txt")
    tool = desk.tool(COMMAND, BIDS, {"o": "o"})
    desk.submit(tool, "--bids", "ds", "--sessions", "a", *BARE)
    ran = desk.run("submit", tool, "--bids", "ds", "--sessions", "b", *BARE)
    assert (ran.code, f"datalad get {root}/sub-01/ses-b" in ran.err) == (2, True)


def test_a_directory_of_which_nothing_was_fetched_is_refused(desk: Desk) -> None:
    root = desk.directory / "ds"
    annex(root, "sub-01/T1.txt")
    tool = desk.tool("ls [DIRECTORY]", {"directory": "File"})
    ran = desk.run("submit", tool, desk.write("i.json", {"directory": "ds/sub-01"}), *BARE)
    assert (ran.code, f"datalad get {root}/sub-01`" in ran.err) == (2, True), ran


def test_a_file_of_a_directory_that_may_not_be_read_is_told_while_planning(ordinary_desk: Desk) -> None:
    place = ordinary_desk.directory / "data/deep"
    place.mkdir(parents=True)
    place.chmod(0o755)
    (place / "open").write_text("x")
    (place / "closed").write_text("x")
    (place / "closed").chmod(0)  # root's
    tool = ordinary_desk.tool("ls [DATA] > o", {"data": "File"}, {"o": "o"})
    ran = ordinary_desk.run("submit", tool, ordinary_desk.write("i.json", {"data": "data"}), *BARE)
    assert ran.code == 2
    assert f"{place}/closed may not be read by this user" in ran.err
