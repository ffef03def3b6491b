"""Writes rows of a job to a database of H2 as a script says; run in a process of its own, for Java's sake."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from engine.domain.attempt import AttemptState
from engine.domain.execution import ExecutionState, Intent
from engine.domain.job import JobState
from engine.domain.options import Options
from engine.ids import AttemptId, ExecutionId, JobId
from engine.settings.vip import VipSection
from engine.store.driven import Try
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.launches import Launch
from engine.vip import rows
from engine.vip.h2 import Databases


def main(server: str, workflows: str, id_: str) -> None:
    """A line `state` writes it; `signals` prints them; `answer SIGNAL STATE` answers one."""
    found = Databases(VipSection(workflows=Path(workflows), h2=server)).of(ExecutionId(id_))
    options = ("file:///r", ExecutionState.ACTIVE, Intent.RUN, 1.0)
    execution = Execution(ExecutionId(id_), "vip", "tool", "0" * 64, Options(), "local", *options)
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "signals":
            print(json.dumps(found.signals()), flush=True)
        elif word == "answer":
            found.answer(rows.row_id(1, 1), *rest)
            print("null", flush=True)
        else:
            one = Try(AttemptId("1"), 1, AttemptState(word), "", 1.0, 2.0, None, "site", None, None)
            job = Job(JobId(1), execution.id, 1, JobState.ACTIVE, {}, {}, 1, "", "", None, 0.0, 2.0)
            found.write(rows.of_job(execution, Launch(execution.id, "a", "", "tool"), job, [one]))
            print("null", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
