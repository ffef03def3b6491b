"""Building the wrapper: one archive with everything that a node needs, the same bytes every time."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Dict, Iterator, Optional, Tuple

from wrappers.node.files import replace_bytes

MAIN = "import sys\n\nfrom wrappers.__main__ import main\n\nsys.exit(main())\n"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip archive can hold
_LEFT_OUT = ("build.py",)  # not needed on a node


def build(target: Path, udocker: Optional[Path] = None) -> str:
    """Write the archive to `target`, whole or not at all, and give its sha256.

    Raises:
        FileNotFoundError: `udocker` has no package in it.
    """
    data = archive(udocker)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(str(target), data)
    return hashlib.sha256(data).hexdigest()


def launcher() -> bytes:
    """Read `launch.sh`, which finds a Python on a node and starts the archive that lies beside it."""
    return (Path(__file__).resolve().parent / "launch.sh").read_bytes()


def archive(udocker: Optional[Path] = None) -> bytes:
    """Make the archive itself.

    Entries are sorted and stored (not compressed: zlib's output differs between versions), with one date
    and mode, so the bytes depend on the sources only. `udocker` is the directory of the udocker package;
    without it, the installed one is taken, and none when there is none.

    Raises:
        FileNotFoundError: `udocker` has no package in it.
    """
    contents = dict(_package(Path(__file__).resolve().parent, "wrappers"))
    contents["__main__.py"] = MAIN.encode("ascii")
    contents.update(_udocker(udocker))
    return _zip(contents)


def _zip(contents: Dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = 0o100644 << 16
            packed.writestr(entry, contents[name])
    return buffer.getvalue()


def _package(directory: Path, prefix: str) -> Iterator[Tuple[str, bytes]]:
    for path in sorted(directory.rglob("*.py")):
        name = path.relative_to(directory).as_posix()
        if name not in _LEFT_OUT:
            yield f"{prefix}/{name}", path.read_bytes()


def _udocker(given: Optional[Path]) -> Dict[str, bytes]:
    directory = given if given is not None else _installed()
    if directory is None:
        return {}
    if not (directory / "__init__.py").is_file():
        raise FileNotFoundError(f"{directory} is not the udocker package")
    contents = dict(_package(directory, "udocker"))
    contents["udocker/LICENSE"] = _licence(directory)
    return contents


def _installed() -> Optional[Path]:
    from importlib.util import find_spec

    spec = find_spec("udocker")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _licence(package: Path) -> bytes:
    """Read the text of udocker's licence (Apache 2.0), which must travel with its code."""
    directories = [package.parent, package, *sorted(package.parent.glob("udocker-*.dist-info"))]
    for directory in directories:
        for path in (directory / "LICENSE", directory / "licenses" / "LICENSE", directory / "LICENSE.txt"):
            if directory.name != "site-packages" and path.is_file():
                return path.read_bytes()
    raise FileNotFoundError(f"no licence text beside {package}: it may not be shipped without")
