"""An image where a hostile tool runs: busybox, and as much of this machine's Python as the tool imports."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

from tests.services.images import add, busybox_layer, push
from tests.services.registry import Registry

TOOL = Path(__file__).with_name("tool.py")
_LOADED = "print(json.dumps([m.__file__ for m in sys.modules.values() if hasattr(m, '__file__')]))"
_LIBRARY = re.compile(r"(/\S+) \(0x")


def push_python(registry: Registry, python: str, name: str = "vip/python:1.0") -> str:
    """Push the image; `python` is a program outside of any virtual environment. Returns its reference."""
    push(registry.url, name, [busybox_layer(), _layer(python)])
    return f"{registry.host}/{name}"


def _layer(python: str) -> bytes:
    imports = [line for line in TOOL.read_text().splitlines() if line.startswith("import ")]
    code = "\n".join([*imports, _LOADED])
    modules = [path for path in json.loads(_printed(python, "-I", "-S", "-c", code)) if path]
    landmark = next(path for path in modules if path.endswith("/os.py"))  # it finds its library by that
    encodings = Path(landmark).with_name("encodings")
    modules += [str(encodings / f"{one}.py") for one in ("idna", "latin_1", "ascii", "cp437")]
    programs = [python, *(path for path in modules if path.endswith(".so"))]
    libraries = _printed("ldd", *programs)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        paths = sorted({python, *modules, *_LIBRARY.findall(libraries)})
        for directory in sorted({str(one) for path in paths for one in Path(path).parents} - {"/"}):
            add(tar, directory.lstrip("/"), mode=0o755, kind=tarfile.DIRTYPE)
        for path in paths:
            add(tar, path.lstrip("/"), Path(path).read_bytes(), mode=0o755)
    return buffer.getvalue()


def _printed(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
