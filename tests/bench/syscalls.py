"""A tool made of system calls, in a container with user namespaces beside the same tool on the bare machine.

The tool is busybox in both: a walk with `stat` over a tree, and the unpacking of many files. Its own seconds are
taken from the provenance record (phase `run`), so the engine's overhead is not in them.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from tests.bench.place import Place, median, place, row, tool
from tests.services.images import push_busybox
from tests.services.registry import start_registry

FILES, ROUNDS = 6_000, 7
WORK = {
    "walk with stat": "i=0; while [ $i -lt 4 ]; do find tree -exec stat -c %s {} + > /dev/null; i=$((i+1)); done",
    "unpack many files": "tar xf tree.tar -C . && rm -rf tree",
}


def main() -> None:
    """Print a ratio for each kind of work."""
    with place(slots=1) as here, start_registry(here.directory) as registry:
        image = push_busybox(registry)
        archive = _tree(here.directory)
        for what, command in WORK.items():
            unpack = "tar xf tree.tar && " if "walk" in what else ""
            inside = _descriptor(here, f"ln -s [FILE] tree.tar 2>/dev/null; {unpack}{_timed(command)}", image)
            outside = _descriptor(here, f"ln -s [FILE] tree.tar 2>/dev/null; {unpack}{_timed(command)}", "")
            jobs = here.write("jobs.jsonl", [{"file": str(archive)}])
            pairs = []
            for _ in range(ROUNDS):
                native = _seconds(here, "submit", str(outside), str(jobs), "--runtime", "none")
                userns = _seconds(here, "submit", str(inside), str(jobs), "--runtime", "userns")
                pairs.append(userns / native)
            ratio = median(pairs)
            row(
                f"{what}, {FILES} files, user namespaces beside native",
                f"{ratio:.2f} x",
                "<= 1.1",
                ratio <= 1.1,
            )


def _timed(command: str) -> str:
    """The tool times itself: the same busybox, the same clock, inside and outside."""
    return f"B=$(command -v busybox); time_it() {{ {command}; }}; S=$(cut -d' ' -f1 /proc/uptime); time_it; E=$(cut -d' ' -f1 /proc/uptime); echo $S $E > time.txt"


def _tree(directory: Path) -> Path:
    path = directory / "tree.tar"
    with tarfile.open(path, "w") as archive:
        for n in range(FILES):
            entry = tarfile.TarInfo(f"tree/{n % 60}/{n}.txt")
            entry.size = 0
            archive.addfile(entry)
    return path


def _descriptor(here: Place, command: str, image: str) -> Path:
    output = {"id": "time", "name": "time", "path-template": "time.txt"}
    made = tool(command, image=image, outputs=[output])
    made["inputs"] = [{"id": "file", "name": "file", "type": "File", "value-key": "[FILE]"}]
    made["shell"] = "/bin/busybox"
    return here.write(f"tool-{'in' if image else 'out'}.json", made)


def _seconds(here: Place, *words: str) -> float:
    results = here.directory / "results"
    before = set(results.glob("*/outputs/time.txt"))
    here.engine(*words)
    [new] = set(results.glob("*/outputs/time.txt")) - before
    start, end = new.read_text().split()
    return float(end) - float(start)


if __name__ == "__main__":
    main()
    json.dumps({})
