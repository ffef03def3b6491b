"""What a server makes of each case, and how fast it is: `python -m tests.smuggling.table NAME COMMAND...`.

The command starts a server of `tests.smuggling.echo:app` on 127.0.0.1 at the port PORT, e.g.
`uvicorn --port PORT --http h11 tests.smuggling.echo:app`. For docs/decisions.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time

from tests.services.programs import connects
from tests.services.registry import free_port
from tests.smuggling.cases import every_case
from tests.smuggling.wire import seen, sent


def main(name: str, command: list[str]) -> None:
    """Print every case that is not allowed, then requests a second."""
    port = free_port()
    words = [str(port) if word == "PORT" else word.replace("PORT", str(port)) for word in command]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not connects(port):
            time.sleep(0.05)
        seen(port)
        wrong = 0
        for case in every_case():
            sent(port, case)
            found = seen(port)
            if not case.allows(found):
                wrong += 1
                print(f"{name}: {case.name}: {[(one.method, one.path, one.body) for one in found]}")
        print(f"{name}: {wrong} of {len(every_case())} cases are wrong")
        print(f"{name}: {_rate(port)} requests a second")
    finally:
        process.terminate()
        process.wait()


def _rate(port: int) -> str:
    said = subprocess.run(
        ["wrk", "-t1", "-c4", "-d5s", f"http://127.0.0.1:{port}/x"], capture_output=True, text=True
    ).stdout
    found = re.search(r"Requests/sec:\s+(\S+)", said)
    return found[1] if found else said


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
