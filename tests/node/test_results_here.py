"""What counts as a result, and how it is brought to a directory of this machine: in this process."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.leftovers import nothing_left
from wrappers import wire
from wrappers.node import files, local_results, outputs
from wrappers.node.failure import AttemptFailed
from wrappers.node.outputs import OutputMatch

SCRIPT = "command"


class Job:
    """A job directory, looked at before and after its tool ran."""

    def __init__(self, top: Path) -> None:
        self.top = top / "job"
        self.top.mkdir()
        (self.top / SCRIPT).write_text("true")
        self.target = top / "results"

    def write(self, **contents: str) -> None:
        """Files by their names, with __ for /."""
        for name, text in contents.items():
            path = self.top / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def found(
        self,
        *wanted: str,
        tool: Callable[[], object] = lambda: None,
        optional: bool = False,
        sums: Mapping[str, str] = {},
    ) -> tuple[list[str], list[str]]:
        """Names of results, and what is said of those that are missing, of templates of these paths."""
        templates = [wire.Output(f"o{number}", path, optional) for number, path in enumerate(wanted)]
        before = outputs.staged(templates, str(self.top), sums, SCRIPT)
        tool()
        matches, missing = outputs.find(templates, str(self.top), before)
        return [one.name for one in matches], [str(one) for one in missing]

    def refused(self, path: str) -> AttemptFailed:
        with pytest.raises(AttemptFailed) as caught:
            self.found(path)
        return caught.value

    def moved(self, *names: str) -> tuple[dict[str, wire.DeliveredOutput], list[str]]:
        """Bring these to the results."""
        matches = [
            OutputMatch("o", name, os.path.realpath(self.top / name), (self.top / name).is_dir())
            for name in names
        ]
        with nothing_left(self.target):
            products, left_out = local_results.move_all(matches, str(self.top), self.target.as_uri())
        return {one.path: one for one in products}, left_out


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_an_output_that_is_required_is_missed_and_an_optional_one_is_not(job: Job) -> None:
    assert job.found("a.txt", "*.nii") == ([], ["o0", "o1"])
    assert job.found("a.txt", "*.nii", optional=True) == ([], [])


def test_each_match_of_a_pattern_is_a_result_in_the_order_of_its_bytes(job: Job) -> None:
    assert job.found("*.txt", tool=lambda: job.write(b_txt="", a_txt="", B_txt="")) == (
        ["B.txt", "a.txt", "b.txt"],
        [],
    )


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(job: Job) -> None:
    (job.top / "scan1.nii").write_text("x")
    assert job.found("scan[1].nii", tool=lambda: (job.top / "scan[1].nii").write_text("x")) == (
        ["scan[1].nii"],
        [],
    )


def anew(path: Path) -> None:
    path.unlink()
    path.write_text("old")


CHANGES: dict[str, tuple[bool, Callable[[Path], object]]] = {
    "nothing": (False, lambda path: None),
    "its rights": (False, lambda path: path.chmod(0o600)),
    "the same text once more": (True, lambda path: anew(path)),
    "another text": (True, lambda path: path.write_text("new")),
    "a longer text": (True, lambda path: path.write_text("longer")),
    "its date": (True, lambda path: os.utime(path, (1, 1))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_there_before_is_a_result_only_if_the_tool_changed_it(job: Job, change: str) -> None:
    """Without it, an input is taken for a result, or a result that was written over an input is lost."""
    job.write(in_txt="old")
    changed, how = CHANGES[change]
    found, missing = job.found("*.txt", tool=lambda: how(job.top / "in.txt"))
    assert found == (["in.txt"] if changed else [])
    words = "o0 (in.txt was there before, and the tool did not change it)"
    assert missing == ([] if changed else [words])


def test_a_text_that_was_changed_behind_the_back_of_its_date_is_a_result(job: Job) -> None:
    job.write(in_txt="old")

    def hide() -> None:
        about = (job.top / "in.txt").stat()
        (job.top / "in.txt").write_text("new")
        os.utime(job.top / "in.txt", ns=(about.st_atime_ns, about.st_mtime_ns))

    assert job.found("*.txt", tool=hide)[0] == ["in.txt"]


def test_what_lies_below_a_directory_or_behind_a_link_counts(job: Job) -> None:
    job.write(dir__a="old", other="old")
    (job.top / "link_").symlink_to("other")
    assert job.found("d*", "l*")[0] == []
    assert job.found("d*", tool=lambda: job.write(dir__b="new"))[0] == ["dir"]
    assert job.found("d*", tool=lambda: (job.top / "dir/b").unlink())[0] == ["dir"]
    assert job.found("l*", tool=lambda: job.write(other="new!"))[0] == ["link_"]


def test_a_template_without_a_pattern_names_its_file_whatever_was_there(job: Job) -> None:
    job.write(in_txt="old")
    assert job.found("in.txt") == (["in.txt"], [])
    assert job.found("in[.]txt") == (["in.txt"], [])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "is a link that leaves the job directory"),
        (lambda path: path.symlink_to("."), "is the job directory itself"),
        (lambda path: path.symlink_to("nowhere"), "is a link that leads nowhere"),
        (lambda path: os.mkfifo(path), "is neither a file nor a directory"),
    ],
)
def test_what_is_no_file_of_the_job_is_never_a_result(
    job: Job, make: Callable[[Path], None], words: str
) -> None:
    make(job.top / "out")
    failure = job.refused("out")
    assert (failure.kind, words in str(failure)) == (wire.TOOL, True), str(failure)


def test_a_socket_is_no_result_either(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(job.top)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("out")
        assert "is neither a file nor a directory" in str(job.refused("out"))


def test_a_template_that_leaves_the_job_directory_is_our_fault(job: Job) -> None:
    assert job.refused("../x").kind == wire.ENGINE


def test_results_are_moved_with_their_sums_and_sizes(job: Job) -> None:
    job.write(a_txt="a", dir__b_txt="bb", dir__deep__c_txt="ccc")
    inode = (job.top / "a.txt").stat().st_ino
    products, left_out = job.moved("a.txt", "dir")
    assert (products["a.txt"].sha256, products["a.txt"].size, products["a.txt"].directory) == (
        sha256("a"),
        1,
        False,
    )
    listing = files.listing_digest([("b.txt", sha256("bb")), ("deep/c.txt", sha256("ccc"))])
    assert (products["dir"].sha256, products["dir"].size, products["dir"].directory) == (listing, 5, True)
    assert products["dir"].url == f"{job.target.as_uri()}/dir"
    assert (job.target / "a.txt").stat().st_ino == inode, "moved, not copied"
    assert sorted(os.listdir(job.target)) == ["a.txt", "dir"]
    assert left_out == []


def test_a_result_inside_a_result_is_both(job: Job) -> None:
    job.write(dir__b_txt="bb", dirty="d")
    products, _ = job.moved("dir/b.txt", "dir", "dirty")
    assert products["dir/b.txt"].sha256 == sha256("bb")
    assert (job.target / "dir/b.txt").read_text() == "bb"
    assert (job.target / "dirty").read_text() == "d"


def test_links_become_what_they_lead_to_and_what_leads_out_is_told(job: Job) -> None:
    job.write(real="r", dir__a="a")
    (job.top / "link").symlink_to("real")
    (job.top / "dir/in").symlink_to("../real")
    (job.top / "dir/out").symlink_to("/etc/passwd")
    products, left_out = job.moved("link", "dir")
    assert (job.target / "link").read_text() == (job.target / "dir/in").read_text() == "r"
    assert not (job.target / "link").is_symlink()
    assert products["dir"].size == 2
    assert left_out == ["dir/out (a link that leaves the job directory)"]
    assert sorted(os.listdir(job.target)) == ["dir", "link"]


def test_what_an_earlier_run_of_the_attempt_left_there_goes(job: Job) -> None:
    (job.target / "dir").mkdir(parents=True)
    (job.target / "dir/old").write_text("old")
    job.write(dir__new="new")
    job.moved("dir")
    assert os.listdir(job.target / "dir") == ["new"]


def test_names_are_on_the_disk_before_they_are_told(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a node that loses its power has told of results that are nowhere."""
    synced: list[str] = []
    monkeypatch.setattr(files, "sync", lambda path: synced.append(os.path.relpath(path, job.target)))
    job.write(a_txt="a", dir__b="b")
    job.moved("a.txt", "dir")
    assert sorted(synced) == [".", "a.txt", "dir/b"]


def test_a_target_that_cannot_be_written_leaves_the_results_where_they_are(job: Job) -> None:
    job.target.write_text("in the way")
    job.write(a_txt="a")
    with pytest.raises(AttemptFailed, match="delivering results to") as caught:
        job.moved("a.txt")
    assert caught.value.kind == wire.OUTPUT
    assert (job.top / "a.txt").read_text() == "a"
