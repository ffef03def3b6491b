"""A replay of VIP's portal: what it sends, writes and reads, by the meaning of its own code."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pymysql

from tests.services.debian import require
from tests.services.h2 import H2
from tests.services.mariadb import MariaDb

STATES = {
    *("SUCCESSFULLY_SUBMITTED", "QUEUED", "RUNNING", "COMPLETED", "ERROR", "STALLED", "CANCELLED", "DELETED"),
    *("COMPLETED_REPLICA", "CANCELLED_REPLICA", "DELETED_REPLICA", "ERROR_HELD", "STALLED_HELD"),
    *("KILL", "KILL_REPLICA", "RESCHEDULE", "REPLICATE", "UNHOLD_ERROR", "UNHOLD_STALLED"),
}
"""What the portal's enumeration of states knows: any other breaks its list of jobs."""
PHASES = {"Started": 1, "Background": 2, "Inputs": 3, "Application": 4, "Outputs": 5, "Finished": 6}
STATUS = {"RUNNING": "Running", "COMPLETE": "Completed", "FAILED": "Failed", "TERMINATED": "Killed"}

_SIX = ("completed", "cancelled", "failed_app", "failed_in", "failed_out", "failed_sta")
SCHEMA = (
    """CREATE TABLE Workflows (id VARCHAR(255) PRIMARY KEY, username VARCHAR(255), status VARCHAR(255),
       launched DATETIME(6), finish_time DATETIME(6), simulation_name VARCHAR(255), application VARCHAR(255),
       application_version VARCHAR(255), application_class VARCHAR(255), engine VARCHAR(255),
       tags VARCHAR(255))""",
    """CREATE TABLE Processors (workflow_id VARCHAR(255), processor VARCHAR(255), completed INTEGER,
       queued INTEGER, failed INTEGER, PRIMARY KEY (workflow_id, processor))""",
    """CREATE TABLE Inputs (workflow_id VARCHAR(255), path VARCHAR(255), processor VARCHAR(255),
       type VARCHAR(255), PRIMARY KEY (workflow_id, path, processor))""",
    """CREATE TABLE Outputs (workflow_id VARCHAR(255), path VARCHAR(400), processor VARCHAR(255),
       type VARCHAR(255), port VARCHAR(255), PRIMARY KEY (workflow_id, path, processor))""",
    "CREATE TABLE Stats (workflow_id VARCHAR(255) PRIMARY KEY, "
    + ", ".join(
        f"{one} INTEGER, " + ", ".join(f"{one}_{t} BIGINT" for t in ("wt", "et", "it", "ot")) for one in _SIX
    )
    + ")",
)
"""As Hibernate makes it, in a database of utf8mb3: keys of 910 characters are too long for utf8mb4."""

_TASKS = (
    "SELECT j.id, j.invocation_id, creation, status, command, file_name, exit_code, node_site, node_name, "
    "parameters, ms FROM Jobs AS j LEFT JOIN (SELECT jm.id, minor_status AS ms FROM JobsMinorStatus AS jm "
    "RIGHT JOIN (SELECT id, MAX(event_date) AS ed FROM JobsMinorStatus GROUP BY id) AS jm1 "
    "ON jm1.id = jm.id AND jm1.ed = jm.event_date) AS jm2 ON j.id = jm2.id {where} ORDER BY j.id"
)


@dataclass(frozen=True)
class Task:
    """A row of the portal's list of jobs."""

    id: str
    invocation: int
    creation: str
    status: str
    command: str
    file_name: str
    exit_code: int
    site: str | None
    node: str | None
    parameters: Sequence[str]
    phase: int


@dataclass
class VipPortal:
    """The portal, with its database, its H2 server and the directory of workflows."""

    engine: str
    """URL of the engine, as the table VIPEngines has it."""
    password: str
    maria: MariaDb
    database: str
    h2: H2
    java: subprocess.Popen[str] = field(repr=False)

    @property
    def workflows(self) -> Path:
        return self.h2.directory

    # --- its engine -------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None) -> str:
        basic = b64encode(f"user:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        status, text = self.ask("call", f"{self.engine}{path}", method, headers, sent)
        assert status == 200, (status, text)
        return str(text)

    def launch(self, workflow: Mapping[str, Any], inputs: Mapping[str, Any], row: bool = True) -> str:
        """Start an execution, and write its row, as `WorkflowBusiness.launch` does."""
        packed = {
            name: b64encode(json.dumps(value).encode()).decode()
            for name, value in (("workflow", workflow), ("inputs", inputs), ("settings", {}))
        }
        id_ = self.call("POST", "/submit", {**packed, "proxy": None, "executorConfig": ""})
        if row:
            self.write_row(id_, str(workflow["name"]))
        return id_

    def write_row(self, id_: str, name: str) -> None:
        self.sql(
            "INSERT INTO Workflows VALUES "
            "(%s, 'Ann Example', 'Running', NOW(6), NULL, 'a test', %s, '1', NULL, %s, '')",
            id_,
            name,
            self.engine,
        )

    def refresh(self, id_: str) -> str:
        """Ask the engine how an execution is, and write the row whole, as Hibernate does."""
        (row,) = self.sql("SELECT status, finish_time FROM Workflows WHERE id = %s", id_)
        if row[0] in ("Running", "Unknown"):
            status = STATUS.get(self.call("GET", f"/status/{id_}").upper(), "Unknown")
            self.sql("UPDATE Workflows SET status = %s, finish_time = %s WHERE id = %s", status, row[1], id_)
            return status
        return str(row[0])

    # --- its own database -------------------------------------------------------------------------

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        connection: pymysql.Connection[Any] = self.maria.administrator(self.database)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def workflow(self, id_: str) -> tuple[str, Any]:
        """Its state, and when it ended."""
        ((status, finished),) = self.sql("SELECT status, finish_time FROM Workflows WHERE id = %s", id_)
        return status, finished

    def processors(self, id_: str) -> list[tuple[str, int, int, int]]:
        """Name, completed, queued, failed."""
        return self.sql(
            "SELECT processor, completed, queued, failed FROM Processors WHERE workflow_id = %s", id_
        )

    def inputs(self, id_: str) -> dict[str, set[tuple[str, str]]]:
        """Name -> values with their types."""
        found: dict[str, set[tuple[str, str]]] = {}
        for name, path, kind in self.sql(
            "SELECT processor, path, type FROM Inputs WHERE workflow_id = %s", id_
        ):
            found.setdefault(name, set()).add((path, kind))
        return found

    def outputs(self, id_: str) -> set[tuple[str, str]]:
        """Output and path of each result."""
        return set(self.sql("SELECT processor, path FROM Outputs WHERE workflow_id = %s", id_))

    def stats(self, id_: str) -> dict[str, int]:
        names = [name for one in _SIX for name in (one, *(f"{one}_{t}" for t in ("wt", "et", "it", "ot")))]
        (row,) = self.sql(f"SELECT {', '.join(names)} FROM Stats WHERE workflow_id = %s", id_) or [()]
        return dict(zip(names, row, strict=True)) if row else {}

    # --- the database of an execution -------------------------------------------------------------

    def h2_sql(self, id_: str, statement: str, *values: Any) -> list[list[Any]]:
        url = f"jdbc:h2:tcp://127.0.0.1:{self.h2.port}/{self.workflows}/{id_}/db/jobs"
        rows: list[list[Any]] = self.ask("sql", url, statement, values)
        return rows

    def ask(self, act: str, *values: Any) -> Any:
        """What Java answers."""
        assert self.java.stdin is not None
        assert self.java.stdout is not None
        self.java.stdin.write(json.dumps([act, values]) + "\n")
        self.java.stdin.flush()
        answer = json.loads(self.java.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["answer"]

    def tasks(self, id_: str, invocation: int | None = None) -> list[Task]:
        """Its list of jobs; no tables yet is no jobs yet."""
        where, values = ("", ()) if invocation is None else ("WHERE j.invocation_id = ?", (invocation,))
        try:
            rows = self.h2_sql(id_, _TASKS.format(where=where), *values)
        except RuntimeError as error:
            if "not found" in str(error):
                return []
            raise
        found = [Task(*(*row[:9], row[9].split(" "), PHASES.get(row[10] or "", -1))) for row in rows]
        assert {one.status for one in found} <= STATES
        assert len({one.id for one in found}) == len(found)
        return found

    def active(self, id_: str) -> dict[str, int]:
        """The counts of its system page: jobs that wait or run."""
        counted = "SELECT status, COUNT(id) FROM Jobs WHERE status IN ('RUNNING', 'QUEUED') GROUP BY status"
        return dict(self.h2_sql(id_, counted))

    def sites(self, id_: str) -> dict[str, int]:
        """The chart of sites."""
        return dict(self.h2_sql(id_, "SELECT node_site, COUNT(id) FROM Jobs GROUP BY node_site"))

    def node(self, id_: str, site: str, name: str) -> list[Any]:
        """The details of a node."""
        columns = "ncpus, cpu_model_name, cpu_mhz, cpu_cache_size, cpu_bogomips, mem_total"
        where = "WHERE site = ? AND node_name = ?"
        (row,) = self.h2_sql(id_, f"SELECT {columns} FROM Nodes {where}", site, name)
        return row

    def checkpoints(self, id_: str) -> int:
        """How often a job was saved: jobs are not, here."""
        asked = "SELECT COUNT(*) FROM JobsMinorStatus WHERE minor_status = 'CheckPoint_End'"
        return int(self.h2_sql(id_, asked)[0][0])

    def states(self, id_: str) -> list[str]:
        return [one.status for one in self.tasks(id_)]

    def send(self, id_: str, task: str, signal: str) -> None:
        """What a button of its page does."""
        self.h2_sql(id_, "UPDATE Jobs SET status = ? WHERE id = ?", signal, task)

    def times(self, id_: str) -> list[list[Any]]:
        """Seconds of the stages of each job, for its charts."""
        stages = ["creation", "queued", "download", "running", "upload", "end_e"]
        differences = ", ".join(f"TIMESTAMPDIFF('SECOND', {one}, {two})" for one, two in pairwise(stages))
        return self.h2_sql(id_, f"SELECT status, {differences} FROM Jobs ORDER BY id")

    def data(self, id_: str, file_name: str, kind: str) -> set[str]:
        rows = self.h2_sql(
            id_,
            "SELECT d.data_path FROM job_data AS jd, Data AS d, Jobs AS j "
            "WHERE j.file_name = ? AND j.id = jd.id AND d.data_path = jd.data_path AND d.data_type = ?",
            file_name,
            kind,
        )
        return {row[0] for row in rows}

    def file(self, id_: str, name: str) -> str:
        return (self.workflows / id_ / name).read_text()


@contextmanager
def vip_portal(engine: str, password: str, maria: MariaDb, database: str, h2: H2) -> Iterator[VipPortal]:
    """A portal until the end of the block."""
    command = [sys.executable, "-m", "tests.portal.vip.java", require("/usr/share/java/h2.jar")]
    java = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield VipPortal(engine, password, maria, database, h2, java)
    finally:
        java.kill()
        java.communicate()


def make_database(maria: MariaDb, name: str) -> None:
    """An empty database with the portal's tables."""
    with maria.administrator() as root, root.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb3")
        cursor.execute(f"USE {name}")
        for statement in SCHEMA:
            cursor.execute(statement)
