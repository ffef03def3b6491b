"""A pilot, run by DIRAC's Python: DIRAC's own JobAgent, cycle after cycle.

On a grid a pilot waits longer each time that it finds no job, and ends; the program `dirac-agent` rests ten
seconds between two jobs besides. Tests would wait for both.
"""

import os
import sys

from DIRAC.Core.Base.Script import Script

Script.localCfg.setConfigurationForAgent("WorkloadManagement/JobAgent")
Script.parseCommandLine()

from DIRAC.WorkloadManagementSystem.Agent.JobAgent import JobAgent  # noqa: E402  (wants the configuration)

name = "WorkloadManagement/JobAgent"
agent = JobAgent(name, name)
initialised = agent.am_initialize()
if not initialised["OK"]:
    sys.exit(initialised["Message"])
print(f"pilot {os.getpid()} asks for jobs", flush=True)
while True:
    agent.matchFailedCount = -1  # two seconds until it asks again; it counts, and waits two more each time
    agent.am_go()
