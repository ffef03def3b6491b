"""An example of each command, shown at the end of its help, in its manual page and in the reference."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, str] = {
    "": "cvmfs-deploy --to cvmfs:images.example.org add docker.io/library/debian:12",
    "add": "cvmfs-deploy add docker.io/library/debian:12 --platform linux/arm64",
    "sync": "cvmfs-deploy sync images.yaml --prune",
    "plan": "cvmfs-deploy plan images.yaml",
    "status": "cvmfs-deploy status",
    "list": "cvmfs-deploy list --retired",
    "verify": "cvmfs-deploy verify --deep",
    "retire": "cvmfs-deploy retire docker.io/library/debian:12",
    "rollback": "cvmfs-deploy rollback docker.io/library/debian:12",
    "prune": "cvmfs-deploy prune --dry-run",
    "tools": "cvmfs-deploy tools udocker-englib-1.2.11.tar.gz",
    "recover": "cvmfs-deploy recover",
}
"""By the word after the program's name; the first is of the program itself."""
