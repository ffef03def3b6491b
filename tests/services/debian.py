"""Debian packages that the tests need: installed when we may, otherwise the command to type."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PACKAGES = {
    "/usr/lib/apache2/modules/mod_dav.so": "apache2-bin",
    "/usr/share/java/h2.jar": "libh2-java",
    "/usr/lib/*/libXrdHttp-5.so": "xrootd-server-plugins",
    "/usr/lib/python3/dist-packages/fusepy.py": "python3-fusepy",
    "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so": "libnginx-mod-http-dav-ext",
    "busybox": "busybox-static",
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "curl": "curl",
    "docker-registry": "docker-registry",
    "dockerd": "docker.io",
    "haproxy": "haproxy",
    "initdb": "postgresql",
    "ip": "iproute2",
    "java": "default-jre-headless",
    "mariadb-install-db": "mariadb-server-core",
    "mariadbd": "mariadb-server-core",
    "mmdebstrap": "mmdebstrap",
    "my_print_defaults": "mariadb-client-core",
    "newuidmap": "uidmap",
    "nginx": "nginx-light",
    "podman": "podman",
    "proot": "proot",
    "slirp4netns": "slirp4netns",
    "ssh-keygen": "openssh-client",
    "wrk": "wrk",
    "xrdcp": "xrootd-client",
    "xrootd": "xrootd-server",
    "zstd": "zstd",
}
"""Everything beyond Python that the tests and the demo run: program or file, and its Debian package."""

GRID_PACKAGES = {
    "/usr/lib/*/gfal2-plugins/libgfal_plugin_file.so": "gfal2-plugin-file",
    "/usr/lib/*/gfal2-plugins/libgfal_plugin_http.so": "gfal2-plugin-http",
    "/usr/lib/*/gfal2-plugins/libgfal_plugin_xrootd.so": "gfal2-plugin-xrootd",
    "/usr/lib/*/libXrdAccSciTokens-5.so": "xrootd-scitokens-plugins",
    "/usr/lib/*/libXrdVoms-5.so": "xrootd-voms-plugins",
    "/usr/lib/python3/dist-packages/gfal2*.so": "python3-gfal2",
    "gfal-copy": "gfal2-util-scripts",
    "openssl": "openssl",
    "voms-proxy-fake": "voms-clients",
}
"""What only `make test-storage` needs."""

DIRAC_PACKAGES = {
    "/usr/include/mariadb/mysql.h": "libmariadb-dev",
    "/usr/include/openssl/ssl.h": "libssl-dev",
    "gcc": "gcc",
    "mariadb": "mariadb-client-core",
    "mariadbd": "mariadb-server-core",
    "openssl": "openssl",
    "swig": "swig",
}
"""What only `make test-dirac` needs: a database, and what compiles some of DIRAC's packages."""

_SYSTEM_DIRECTORIES = "/usr/local/sbin:/usr/sbin:/sbin"


def require(program: str, package: str = "") -> str:
    """The path of `program`, or of a file by its pattern; its Debian package is installed when it is missing
    and we are root.
    """
    package = package or {**PACKAGES, **GRID_PACKAGES, **DIRAC_PACKAGES}[program]
    found = _which(program)
    if found is None and os.geteuid() == 0:
        with _alone():
            if _which(program) is None:
                install(package)
        found = _which(program)
    if found is None:
        raise RuntimeError(
            f"{program} is missing: type `sudo apt-get install --no-install-recommends {package}`"
        )
    return found


def install_missing(programs: Iterable[str]) -> None:
    """Install the packages of all programs that are missing at once, when we are root; `require` says of each
    whether it is there.
    """
    every = {**PACKAGES, **GRID_PACKAGES, **DIRAC_PACKAGES}
    if os.geteuid() != 0:
        return
    with _alone():
        missing = {every[program] for program in programs if _which(program) is None}
        with suppress(RuntimeError):
            if missing:
                install(*sorted(missing))


@contextmanager
def _alone() -> Iterator[None]:
    """One test process at a time: apt's own lock makes the others fail, not wait."""
    with open(Path(tempfile.gettempdir()) / "boutiques-engine-tests-apt.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(*packages: str) -> None:
    """Install packages with apt, quietly and without starting their services."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode:
        subprocess.run(["apt-get", "update", "-q"], env=environment, capture_output=True)
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode:
        names = " ".join(packages)
        raise RuntimeError(f"cannot install {names}: {result.stderr.strip()[-300:]}")


def unpack(packages: list[str], into: Path, downloads: Path) -> None:
    """Unpack packages and all that they depend on, as if the system were empty. Needs no root."""
    downloads.mkdir(parents=True, exist_ok=True)
    closure = _closure(packages, downloads)
    if missing := [name for name in closure if not list(downloads.glob(f"{name}_*.deb"))]:
        subprocess.run(
            ["apt-get", "-qq", "download", *missing], cwd=downloads, check=True, stderr=subprocess.PIPE
        )
    into.mkdir(parents=True)
    for name in closure:
        for archive in sorted(downloads.glob(f"{name}_*.deb")):
            subprocess.run(["dpkg-deb", "-x", archive, into], check=True)


def _closure(packages: list[str], downloads: Path) -> list[str]:
    options = [
        "-oDebug::NoLocking=1",
        "-oDir::State::status=/dev/null",
        f"-oDir::Cache::archives={downloads}",
    ]
    command = [
        "apt-get",
        *options,
        "--print-uris",
        "-qq",
        "-y",
        "--no-install-recommends",
        "install",
        *packages,
    ]
    (downloads / "partial").mkdir(exist_ok=True)
    listing = subprocess.run(command, capture_output=True, text=True)
    if listing.returncode and os.geteuid() == 0:  # a new machine has no lists of packages
        subprocess.run(["apt-get", "update", "-q"], capture_output=True)
        listing = subprocess.run(command, capture_output=True, text=True)
    if listing.returncode:
        raise RuntimeError(
            f"apt knows no {' '.join(packages)}: type `sudo apt-get update` ({listing.stderr.strip()})"
        )
    already = [path.name.split("_")[0] for path in downloads.glob("*.deb")]
    wanted = [line.split()[1].split("_")[0] for line in listing.stdout.splitlines() if line.startswith("'")]
    return sorted({*wanted, *already})


def _which(program: str) -> str | None:
    if program.startswith("/"):
        return next(iter(sorted(str(path) for path in Path("/").glob(program[1:]))), None)
    # Debian keeps the servers' own programs of each PostgreSQL version out of everybody's PATH
    versions = sorted(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin"))
    places = [os.environ.get("PATH", ""), _SYSTEM_DIRECTORIES, *versions]
    return shutil.which(program, path=":".join(places))
