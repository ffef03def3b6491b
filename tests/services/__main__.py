"""`make services`: install what the tests need, or say what to type. With names: only those programs.
Without, the environments of servers from PyPI, the packages of `docs/examples`, the wheel in an environment
of its own, a bundle, a Debian 13 with that and the image of dcm2niix are made too: nothing is installed while
tests run.

`grid` stands for what `make test-storage` needs besides, `dirac` for what `make test-dirac` needs.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.services import bids_validator, bundled, debian13, diracx, environment, examples, installed
from tests.services.debian import DIRAC_PACKAGES, GRID_PACKAGES, PACKAGES, install_missing, require
from tests.services.images import dcm2niix_layer

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "tests"


def main(programs: list[str]) -> int:
    """Install it. Returns the exit code: 1 when something is missing and may not be installed."""
    if programs:
        return _require(programs)
    with ThreadPoolExecutor() as pool:
        makers = (environment.install, diracx.install, examples.install, bids_validator.install, _packaged)
        environments = [pool.submit(make) for make in makers]
        code = _require([])
        if code == 0:
            environments.append(pool.submit(debian13.extract))
            dcm2niix_layer(CACHE)  # of packages: apt does one thing at a time
        for one in environments:
            one.result()
    if code == 0:
        debian13.install()
    return code


def _packaged() -> None:
    installed.install()
    bundled.install()


def _require(programs: list[str]) -> int:
    missing = []
    every = {**PACKAGES, **GRID_PACKAGES, **DIRAC_PACKAGES}
    sets = {"grid": {**PACKAGES, **GRID_PACKAGES}, "dirac": DIRAC_PACKAGES}
    wanted = [program for name in programs for program in sets.get(name, [name])] or PACKAGES
    install_missing(wanted)
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
