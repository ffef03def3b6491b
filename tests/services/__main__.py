"""`make services`: install what the tests need, or say what to type. With names: only those programs.
Without, the packages of `docs/examples` are built and installed too.

`grid` stands for what `make test-storage` needs besides, `dirac` for what `make test-dirac` needs.
"""

import os
import sys

from tests.services import examples
from tests.services.debian import DIRAC_PACKAGES, GRID_PACKAGES, PACKAGES, require


def main(programs: list[str]) -> int:
    """Returns the exit code: 1 when something is missing and may not be installed."""
    if not programs:
        examples.install()
    missing = []
    every = {**PACKAGES, **GRID_PACKAGES, **DIRAC_PACKAGES}
    sets = {"grid": {**PACKAGES, **GRID_PACKAGES}, "dirac": DIRAC_PACKAGES}
    wanted = [program for name in programs for program in sets.get(name, [name])] or PACKAGES
    for program in wanted:
        try:
            require(program)
        except RuntimeError as error:
            if os.geteuid() == 0:
                print(f"services: {error}", file=sys.stderr)
            missing.append(every[program])
    if missing:
        command = f"sudo apt-get install --no-install-recommends {' '.join(missing)}"
        print(f"services: missing Debian packages; type: {command}", file=sys.stderr)
    return 1 if missing else 0


sys.exit(main(sys.argv[1:]))
