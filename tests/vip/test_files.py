"""Files below VIP's directory of workflows."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.domain.attempt import AttemptState
from engine.domain.execution import ExecutionState, Intent
from engine.domain.job import JobState
from engine.domain.options import Options
from engine.errors import Unavailable
from engine.ids import AttemptId, ExecutionId, JobId
from engine.store.driven import Try
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.launches import Launch
from engine.vip.files import LARGEST, WorkflowFiles


def an_execution(results: Path) -> tuple[Execution, Launch, Job, list[Try]]:
    """An execution with a job that has failed."""
    state = (ExecutionState.FAILED, Intent.RUN, 1.0)
    id_ = ExecutionId("0" * 26)
    execution = Execution(id_, "vip", "tool", "0" * 64, Options(), "local", results.as_uri(), *state)
    launch = Launch(id_, "account", "", "../a tool", {"x": ["1"]}, "file:/results")
    job = Job(JobId(1), id_, 1, JobState.FAILED, {}, {}, 1, "tool", "it failed", 3, 0.0, 2.0)
    one = Try(AttemptId("1"), 1, AttemptState.FAILED, "tool", 1.0, 2.0, {}, "site", None, None)
    return execution, launch, job, [one]


def test_other_accounts_can_read_files_and_write_databases_whatever_the_umask_of_the_daemon(
    tmp_path: Path,
) -> None:
    (tmp_path / "workflows").mkdir()
    files, made = WorkflowFiles(tmp_path / "workflows"), an_execution(tmp_path / "results")
    before = os.umask(0o077)
    try:
        files.begin(*made[:2])
        files.put(*made)
    finally:
        os.umask(before)
    found = list((tmp_path / "workflows").rglob("*"))
    assert {one.parent.name for one in found if one.is_file()} == {"0" * 26, "out", "err"}
    for one in found:
        wanted = 0o775 if one.is_dir() else 0o664
        assert stat.S_IMODE(one.stat().st_mode) & 0o777 == wanted, one


def test_logs_that_come_late_are_put_and_large_ones_by_their_end(tmp_path: Path) -> None:
    (tmp_path / "workflows").mkdir()
    files, made = WorkflowFiles(tmp_path / "workflows"), an_execution(tmp_path / "results")
    files.begin(*made[:2])
    files.put(*made)
    (printed,) = (tmp_path / "workflows").rglob("*.sh.app.out")
    assert printed.read_bytes() == b""
    (tmp_path / "results/logs").mkdir(parents=True)
    (tmp_path / "results/logs/1.1.out").write_bytes(b"begin" + b"x" * LARGEST + b"end")
    files.put(*made)
    assert printed.stat().st_size == LARGEST
    assert printed.read_bytes().endswith(b"xend")


def test_a_directory_that_is_not_there_is_told_by_its_setting(tmp_path: Path) -> None:
    made = an_execution(tmp_path)
    with pytest.raises(Unavailable, match=r"vip\.workflows"):
        WorkflowFiles(tmp_path / "nowhere").begin(*made[:2])
