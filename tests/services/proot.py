"""Debian's proot 5.1.0 made usable for udocker, in tests only.

udocker passes `-k RELEASE`, which this proot turns into EINVAL for every image with glibc 2.33 or later: the
shim drops it. It stays unfit for production: `stat` and `test -r` see files of the host.
"""

from __future__ import annotations

from pathlib import Path

from tests.services.debian import require

_SHIM = """\
#!/bin/sh
# Rotate all arguments once, without `-k RELEASE`; what follows the first word that is no option stays.
left=$#
while [ "$left" -gt 0 ]; do
  case $1 in
    -k) shift 2; left=$((left - 2)) ;;
    -b|-m|-r|-w|-i|-q|-v|-p) set -- "$@" "$1" "$2"; shift 2; left=$((left - 2)) ;;
    -*) set -- "$@" "$1"; shift; left=$((left - 1)) ;;
    *) while [ "$left" -gt 0 ]; do set -- "$@" "$1"; shift; left=$((left - 1)); done ;;
  esac
done
exec {proot} "$@"
"""


def proot_for_tests(directory: Path) -> Path:
    """Write the shim into `directory`, which other accounts can read, and return its path."""
    shim = directory / "proot"
    shim.write_text(_SHIM.replace("{proot}", require("proot", "proot")))
    shim.chmod(0o755)
    return shim
