"""What holds of an engine's database and directories whenever it is looked at, whatever a test did."""

from __future__ import annotations

from pathlib import Path

from engine.domain.attempt import AttemptState
from engine.domain.execution import FINAL
from engine.domain.file_urls import to_path
from engine.store.database import Database

COUNTED = """
SELECT e.id, t.state, t.jobs,
  (SELECT count(*) FROM job WHERE execution_id = e.id AND state = t.state) AS counted
FROM execution e JOIN tally t ON t.execution_id = e.id"""
"""The counters of each execution, and its jobs."""
OWED = """
SELECT o.effect, s.execution_id, e.state AS state FROM outbox o JOIN submission s ON s.id = o.submission_id
JOIN execution e ON e.id = s.execution_id
WHERE NOT EXISTS (SELECT 1 FROM attempt a WHERE a.submission_id = s.id AND a.state = 'stranded')"""
"""Effects that are still to be done, but for results that somebody may take up again."""
MOVING = """
SELECT a.id, a.state, s.live, e.state AS over FROM attempt a JOIN submission s ON s.id = a.submission_id
JOIN execution e ON e.id = s.execution_id"""
ENDED = "SELECT id, state, results, clear_at FROM execution"


def hold(db: Database, workspace: Path) -> None:
    """See that the counters are right, and that nothing is left of executions that have ended: no effect to
    be done, no submission that counts as in flight, no result on its way, no file in `workspace`.
    """
    with db.read() as connection:
        counted = [tuple(row) for row in connection.exec_driver_sql(COUNTED)]
        owed = [tuple(row) for row in connection.exec_driver_sql(OWED) if row.state in FINAL]
        moving = [tuple(row) for row in connection.exec_driver_sql(MOVING) if row.over in FINAL]
        ended = [row for row in connection.exec_driver_sql(ENDED) if row.state in FINAL]
        stranded = {row[0] for row in moving if row[1] == AttemptState.STRANDED}
    assert [row for row in counted if row[2] != row[3]] == [], "counters of jobs are wrong"
    assert owed == [], "an execution is over, and something is still to be done for it"
    assert [row for row in moving if not AttemptState(row[1]).at_rest or row[2]] == [], "attempts still move"
    staged = [
        path
        for row in ended
        if row.clear_at is None and not stranded
        for path in [to_path(row.results) / ".attempts"]
        if path.is_dir()
    ]
    assert staged == [], "an execution is over, and what its attempts wrote was not removed"
    assert [str(path) for path in workspace.glob("*")] == [], "files are left where the engine works"
