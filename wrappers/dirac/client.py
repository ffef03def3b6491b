"""Telling DIRAC by its own client, where a node has that and no token of DiracX: one short process at a time.

Signs of life are left to DIRAC's watchdog there: a client that stays would take 150 MB of the job's memory.
"""

import os
import subprocess
from typing import Mapping, Optional

from wrappers.containers.programs import which
from wrappers.containers.timed import responds

TIMEOUT_S = 120.0  # seconds: the client is loaded from CVMFS, and looks for its services

SCRIPT = """
import sys
import DIRAC
DIRAC.initialize()
from DIRAC.WorkloadManagementSystem.Client.JobReport import JobReport
answer = JobReport(int(sys.argv[1]), "grid-engine").setApplicationStatus(sys.argv[2])
sys.exit(0 if answer["OK"] else 1)
"""


class DiracClient:
    """One job, by the client that is installed here. To start it takes two seconds of processor time: a job
    that is over within a minute says nothing, and of longer ones DIRAC itself tells the end.
    """

    pause = 60.0
    patient = True

    def __init__(self, python: str, job: str, environment: Mapping[str, str]) -> None:
        self._command = [python, "-c", SCRIPT, job]
        self._environment = dict(environment)

    def say(self, text: str) -> bool:
        """Set the application status; never knows of a wish for the end.

        Raises:
            OSError, ValueError: DIRAC was not told.
        """
        process = subprocess.Popen(
            self._command + [text],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            code = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code:
            raise ValueError(f"DIRAC's client ended with {code}")
        return False

    def beat(self) -> bool:
        """DIRAC's own watchdog does that."""
        return False


def python_of(environment: Mapping[str, str]) -> Optional[str]:
    """Find the Python of DIRAC's client: of its DIRACOS, or the one that its commands begin with."""
    bundled = environment.get("DIRACOS", "")
    if bundled and responds(bundled) and os.access(os.path.join(bundled, "bin", "python"), os.X_OK):
        return os.path.join(bundled, "bin", "python")
    command = which("dirac-proxy-info", environment.get("PATH", os.defpath))
    try:
        with open(command, "rb") as file:
            first = file.readline(1000).decode("utf-8", "replace").strip()
    except OSError:
        return None
    program = first[2:].strip() if first.startswith("#!") else ""
    return program if "python" in os.path.basename(program) and os.access(program, os.X_OK) else None
