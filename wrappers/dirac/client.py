"""Telling DIRAC by its own client, where a node has that and no token of DiracX: one short process at a time.

Signs of life are left to DIRAC's watchdog there: a client that stays would take 150 MB of the job's memory.
"""

import subprocess
from typing import Mapping

TIMEOUT_S = 120.0  # seconds: the client is loaded from CVMFS, and looks for its services

SCRIPT = """
import sys
import DIRAC
DIRAC.initialize()
from DIRAC.WorkloadManagementSystem.Client.JobReport import JobReport
answer = JobReport(int(sys.argv[1]), "boutiques-engine").setApplicationStatus(sys.argv[2])
sys.exit(0 if answer["OK"] else 1)
"""


class DiracClient:
    """A job at DIRAC, by the client that is installed here. To start it takes two seconds of a processor: a
    job that is over within a minute says nothing, and of longer ones DIRAC itself tells the end.
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
