"""`make services`: install what the tests and the demo need, or say what to type."""

import os
import sys

from tests.services.debian import PACKAGES, require


def main() -> int:
    """Returns the exit code: 1 when something is missing and may not be installed."""
    missing = []
    for program, package in PACKAGES.items():
        try:
            require(program)
        except RuntimeError as error:
            if os.geteuid() == 0:
                print(f"services: {error}", file=sys.stderr)
            missing.append(package)
    if missing:
        command = f"sudo apt-get install --no-install-recommends {' '.join(missing)}"
        print(f"services: missing Debian packages; type: {command}", file=sys.stderr)
    return 1 if missing else 0


sys.exit(main())
