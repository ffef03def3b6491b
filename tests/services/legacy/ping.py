"""Ask services whether they are there, until all are. Run by DIRAC's Python, with their URLs."""

import sys
import time

from DIRAC.Core.Base.Script import Script

urls = sys.argv[1:]
del sys.argv[1:]
Script.parseCommandLine()

from DIRAC.Core.Base.Client import Client  # noqa: E402  (wants the configuration)

deadline = time.monotonic() + 600
for url in urls:
    answer = Client(url=url).ping()
    while not answer["OK"]:
        if time.monotonic() > deadline:
            sys.exit(f"{url}: {answer['Message']}")
        time.sleep(0.2)
        answer = Client(url=url).ping()
