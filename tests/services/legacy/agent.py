"""One of DIRAC's agents, cycle after cycle, run by DIRAC's Python: its name, and the seconds that it rests.

The program `dirac-agent` rests ten seconds at least. A pilot, which is a JobAgent, waits longer each time
when it has found no job, and ends. Tests would wait for both.
"""

import os
import sys
import time

from DIRAC.Core.Base.Script import Script

name, rest = sys.argv.pop(1), float(sys.argv.pop(1))
Script.localCfg.setConfigurationForAgent(name)
Script.parseCommandLine()

from DIRAC.Core.Utilities.ObjectLoader import ObjectLoader  # noqa: E402  (wants the configuration)

system, kind = name.split("/")
loaded = ObjectLoader().loadObject(f"{system}System.Agent.{kind}")
agent = loaded["Value"](name, name) if loaded["OK"] else sys.exit(loaded["Message"])
initialised = agent.am_initialize()
if not initialised["OK"]:
    sys.exit(initialised["Message"])
print(f"{name} {os.getpid()} is at work", flush=True)
while True:
    agent.matchFailedCount = -1  # a JobAgent counts, and waits two seconds more each time
    agent.am_go()
    time.sleep(rest)
