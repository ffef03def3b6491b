"""What `cvmfs_server` says is cut down to what tells something."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cvmfs_deploy.publish.reasons import reason
from tests.services.cvmfs_repository_stand_in import FRAMES

CLONE = "CernVM-FS: cloning template a --> b\ncannot clone directory tree. destination 'b' exists, aborting"


def test_the_reason_before_a_stack_is_kept_and_the_stack_is_not() -> None:
    said = reason(CLONE + FRAMES)
    assert said == "cannot clone directory tree. destination 'b' exists, aborting"


def test_the_reason_before_a_command_is_kept_and_the_command_is_not() -> None:
    said = reason(
        "Processing changes...\nPANIC: upload.cc : 24\nblock upload failed (code: 28)\n"
        "Synchronization failed\nExecuted Command:\ncvmfs_swissknife sync -u /cvmfs -s /spool -c /rdonly"
    )
    assert said == "PANIC: upload.cc : 24; block upload failed (code: 28); Synchronization failed"


def test_of_many_faults_the_first_and_the_last_ones_are_kept() -> None:
    faults = [f"error {number}" for number in range(9)]
    assert reason("\n".join(["a line", *faults, "more"])) == "error 0; error 7; error 8"


def test_our_own_words_come_last() -> None:
    assert reason("nothing of note", "it took more than 1 s") == "nothing of note; it took more than 1 s"


@given(st.text(), st.sampled_from(["", FRAMES]))
def test_nothing_that_it_says_is_too_much(said: str, frames: str) -> None:
    found = reason(said + frames)
    assert len(found) <= 3 * 200 + 4
    assert "Stacktrace" not in found or "Stacktrace" in said
    assert "\n" not in found


@given(st.lists(st.sampled_from(["Processing changes...", "[=====>]", "Tagging x"])), st.booleans())
def test_the_line_that_says_what_is_always_there(progress: list[str], first: bool) -> None:
    what = "FATAL: file at /x is larger than 1 megabytes (2)."
    lines = [what, *progress] if first else [*progress, what]
    assert what in reason("\n".join(lines) + FRAMES)
