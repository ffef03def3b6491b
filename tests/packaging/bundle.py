"""`make bundle`: one archive from which the engine is installed where there is no internet.

It has the wheels of the engine and of all that it needs, for each Python that the project is for, the part of
requirements.lock that says so, an SBOM, example settings, the documentation, tools of nodes if they are
given, checksums, and a signature if a key is given. `install.sh` in it does the rest;
docs/how-to/install-without-internet.md.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import metadata
from pathlib import Path

from engine.extras import DISTRIBUTION
from tests.packaging.lock import LOCK, ROOT, Entry, of_bundle, pythons
from tests.services.packages import run_installer

WHEELS = ROOT / ".cache" / "bundle"
"""What came from the index, kept from one bundle to the next."""
SCRIPT = Path(__file__).with_name("install.sh")
SBOM = "sbom.cdx.json"
SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
SIGNER = DISTRIBUTION
"""As whom, and for what, a bundle is signed: the words of `ssh-keygen -Y`."""
_GLIBC = 34
"""The newest glibc (2.34, Alma and Rocky 9) that a wheel may need."""
_PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(_GLIBC, 4, -1)),
    *(f"manylinux{old}_x86_64" for old in ("2014", "2010", "1")),
)


def version() -> str:
    """The version of the project."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def collect(extras: Sequence[str], kept: Path = WHEELS) -> tuple[list[Path], str]:
    """Fetch what is not kept yet, and keep nothing of other locks. Returns the wheels, and the lines of the
    lock that they are of.

    Raises:
        RuntimeError: the index has no such wheel, or does not answer.
    """
    by_python = {python: of_bundle(extras, python) for python in pythons()}
    lines = {entry.line(): None for found in by_python.values() for entry in found}
    lock = "".join(sorted(lines))
    of_lock = kept / name_of(LOCK.read_text())
    place = of_lock / name_of(lock)
    of_lock.mkdir(parents=True, exist_ok=True)
    for other in kept.iterdir():
        if other != of_lock:
            shutil.rmtree(other)
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=of_lock) as directory:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda one: _download(Path(directory), *one), by_python.items()))
            part = Path(directory) / "wheels"
            part.mkdir()
            for wheel in Path(directory).glob("*/*.whl"):
                wheel.replace(part / wheel.name)
            part.rename(place)
    return sorted(place.iterdir()), lock


def name_of(lines: str) -> str:
    """The name of the directory of what such lines name."""
    return hashlib.sha256((lines + repr(_PLATFORMS)).encode()).hexdigest()[:16]


def _download(place: Path, python: str, found: Sequence[Entry]) -> None:
    wanted = place / f"{python}.txt"  # without markers: pip would compare them with its own Python
    wanted.write_text("".join(entry.line(marker=False) for entry in found))
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "--no-input", "download"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", str(place / python)]
    command += ["--implementation", "cp", "--python-version", python]
    command += [word for platform in _PLATFORMS for word in ("--platform", platform)]
    run_installer([*command, "-r", str(wanted)])


def build_wheel(into: Path) -> Path:
    """Build the engine's own."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = into.glob("*.whl")
    return built


def make(
    into: Path,
    *,
    extras: Sequence[str],
    wheel: Path | None = None,
    tools: Path | None = None,
    key: Path | None = None,
) -> Path:
    """Make the archive in a directory, whole or not at all. Returns where it is.

    `wheel`: the engine's own, if it is built already. `tools`: udocker's tools tarball. `key`: a private key
    of OpenSSH, or the public half of one that ssh-agent holds.
    """
    wheels, lock = collect(extras)
    name = f"{DISTRIBUTION}-{version()}"
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as directory:
        tree = Path(directory) / name
        (tree / "wheels").mkdir(parents=True)
        own = wheel or build_wheel(Path(directory))
        for one in (*wheels, own):
            shutil.copyfile(one, tree / "wheels" / one.name)
        _write_sbom(lock, tree / SBOM)
        itself = f"{DISTRIBUTION}=={version()} --hash=sha256:{_sum(own)}\n"
        (tree / "requirements.lock").write_text(lock + itself)
        (tree / "pythons").write_text("".join(f"{one}\n" for one in pythons()))
        shutil.copyfile(SCRIPT, tree / SCRIPT.name)
        shutil.copytree(ROOT / "config", tree / "config")
        shutil.copytree(ROOT / "docs", tree / "docs")
        for page in ROOT.glob("*.md"):
            shutil.copyfile(page, tree / page.name)
        if tools is not None:
            (tree / "tools").mkdir()
            shutil.copyfile(tools, tree / "tools" / tools.name)
        _write_sums(tree)
        if key is not None:
            _sign(tree, key.resolve())
        archive = Path(directory) / "archive"
        with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as packed:
            packed.add(tree, name, filter=_plain)
        target = into / f"{name}-linux-x86_64.tar"
        archive.replace(target)
    return target


def _write_sbom(lock: str, target: Path) -> None:
    """Write what is in the bundle as CycloneDX, compared with its schema."""
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible", "--validate"]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--spec-version", "1.6"]
    command += ["--output-file", str(target), "-"]
    done = subprocess.run(command, input=lock, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"no SBOM: {done.stderr.strip()[-1000:]}")


def _write_sums(tree: Path) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    lines = [f"{_sum(path)}  {path.relative_to(tree).as_posix()}\n" for path in files]
    (tree / SUMS).write_text("".join(lines))


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sign(tree: Path, key: Path) -> None:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", SIGNER, SUMS]
    done = subprocess.run(command, cwd=tree, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"not signed: {done.stderr.strip()}")


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who made it and when: the same contents are the same bytes."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = int(os.environ.get("SOURCE_DATE_EPOCH", "315532800"))  # 1980, as wheels have it
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry


def _has_proot(path: Path) -> bool:
    """Whether it is what a node takes its proot out of (setting node.tools)."""
    try:
        with tarfile.open(path) as tar:
            return any(Path(name).name.startswith("proot") for name in tar.getnames())
    except (tarfile.TarError, OSError, EOFError):
        return False


def main() -> int:
    """Make it as the command line says. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bundle")
    parser.add_argument("--extras", default="all", help="of the distribution, with commas between them")
    parser.add_argument("--key", default="", help="private key of OpenSSH that signs it")
    parser.add_argument("--tools", default="", help="udocker's tools tarball")
    asked = parser.parse_args()
    given = {name: Path(text).expanduser() for name in ("key", "tools") if (text := getattr(asked, name))}
    for name, path in given.items():
        if not path.is_file():
            print(f"bundle: {name.upper()}: there is no file {path}", file=sys.stderr)
            return 2
    if "tools" in given and not _has_proot(given["tools"]):
        print(f"bundle: TOOLS: {given['tools']} is no tarball with a proot in it", file=sys.stderr)
        return 2
    extras = asked.extras.split(",")
    known = metadata(DISTRIBUTION).get_all("Provides-Extra", [])
    if unknown := sorted(set(extras) - set(known)):
        print(f"bundle: EXTRAS: there is no extra {unknown[0]}, but {', '.join(known)}", file=sys.stderr)
        return 2
    try:
        made = make(ROOT / "dist", extras=extras, **given)
    except RuntimeError as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 3
    print(f"{made.relative_to(ROOT)}: {made.stat().st_size / 1e6:.0f} MB, for Python {', '.join(pythons())}")
    if "key" not in given:
        print("It is not signed: name a private key of OpenSSH, as in make bundle KEY=~/.ssh/id_ed25519")
    if "tools" not in given:
        print("It has no tools of udocker (TOOLS=FILE): nodes need user namespaces, or a proot of their own")
    return 0


if __name__ == "__main__":
    sys.exit(main())
