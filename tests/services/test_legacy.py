"""The DIRAC that tests start is a whole one: jobs run, sandboxes and files come back."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.services import diracx
from tests.services.legacy.server import Dirac

pytestmark = [pytest.mark.service, pytest.mark.dirac_grid, pytest.mark.timeout(1800)]

_DIRAC_JOB = """
import json, pathlib, time
import DIRAC
DIRAC.initialize()
from DIRAC.Interfaces.API.Dirac import Dirac
from DIRAC.Interfaces.API.Job import Job
job = Job(stdout="std.out", stderr="std.err")
job.setName("hello"), job.setExecutable("/bin/cat", arguments="words.txt")
job.setInputSandbox(["words.txt"])
dirac = Dirac()
number = dirac.submitJob(job)["Value"]
status, deadline = {}, time.monotonic() + 600
while status.get("Status") not in ("Done", "Failed", "Killed") and time.monotonic() < deadline:
    time.sleep(1)
    status = dirac.getJobStatus(number)["Value"][number]
dirac.getOutputSandbox(number)
files = {file.name: file.read_text() for file in pathlib.Path(str(number)).glob("*")}
print("ANSWER" + json.dumps([status, files, dirac.getJobParameters(number)["Value"]]))
"""
_DIRACX_JOB = """
import asyncio, io, json, pathlib, tarfile, time, urllib.request
from diracx.api.jobs import create_sandbox
from diracx.client.aio import AsyncDiracClient
async def run():
    async with AsyncDiracClient() as api:
        sandbox = await create_sandbox([pathlib.Path("run.sh")], client=api)
        words = {"JobName": "hello", "Executable": "run.sh", "StdOutput": "std.out", "StdError": "std.err"}
        lists = 'InputSandbox = {"%s"}; OutputSandbox = {"std.out", "std.err"};' % sandbox
        jdl = "".join('%s = "%s"; ' % pair for pair in words.items()) + lists
        number = (await api.jobs.submit_jdl_jobs([jdl]))[0].job_id
        row, deadline = {}, time.monotonic() + 600
        while row.get("Status") not in ("Done", "Failed", "Killed") and time.monotonic() < deadline:
            await asyncio.sleep(1)
            wanted = [{"parameter": "JobID", "operator": "eq", "value": str(number)}]
            row = (await api.jobs.search(search=wanted))[0]
        [pfn] = await api.jobs.get_job_sandbox(number, "output")
        where = await api.jobs.get_sandbox_file(pfn=pfn)
    with urllib.request.urlopen(where.url) as answer, tarfile.open(fileobj=io.BytesIO(answer.read())) as tar:
        files = {member.name: tar.extractfile(member).read().decode() for member in tar}
    print("ANSWER" + json.dumps([row, files], default=str))
asyncio.run(run())
"""


def test_a_job_of_dirac_runs_in_a_pilot_and_its_sandbox_comes_back(dirac: Dirac, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("bonjour\n")
    status, files, parameters = _answer(dirac.run("python", "-c", _DIRAC_JOB, cwd=tmp_path, seconds=700))
    assert (status["Status"], status["Site"]) == ("Done", dirac.site)
    assert "bonjour" in "".join(files.values())
    assert parameters, "the stand-in of OpenSearch keeps parameters of jobs"


@pytest.mark.parametrize("dirac", [9], indirect=True)
def test_a_job_of_diracx_runs_in_the_same_pilots(dirac: Dirac, tmp_path: Path) -> None:
    assert dirac.diracx is not None
    (tmp_path / "run.sh").write_text('#!/bin/sh\necho "job $JOBID at $DIRACSITE"\n')
    variables = {"DIRACX_URL": dirac.diracx.url, "DIRACX_CREDENTIALS_PATH": str(dirac.token)}
    done = subprocess.run(
        [diracx.python(), "-c", _DIRACX_JOB],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=700,
    )
    assert done.returncode == 0, done.stderr
    row, files = _answer(done.stdout)
    assert (row["Status"], row["Site"]) == ("Done", dirac.site)
    assert files["std.out"] == f"job {row['JobID']} at {dirac.site}\n"


def test_a_file_is_registered_and_read_back_by_its_logical_name(dirac: Dirac, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("bonsoir\n")
    lfn = f"{dirac.home}/{tmp_path.name}/words.txt"
    assert "Successfully uploaded" in dirac.run(
        "dirac-dms-add-file", lfn, "words.txt", dirac.element, cwd=tmp_path
    )
    assert dirac.element in dirac.run("dirac-dms-lfn-replicas", lfn)
    (tmp_path / "words.txt").unlink()
    dirac.run("dirac-dms-get-file", lfn, cwd=tmp_path)
    assert (tmp_path / "words.txt").read_text() == "bonsoir\n"


def _answer(said: str) -> Any:
    return json.loads(said.rpartition("ANSWER")[2])
