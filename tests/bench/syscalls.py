"""A tool made of system calls, in a container with user namespaces, beside the same on the bare machine.

The tool is Debian's static busybox in both. It takes its own time from /proc/uptime (in steps of 10 ms), so
neither the staging of its input nor the engine is in the figures.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

from tests.bench.figures import row
from tests.bench.place import Place, median, place, tool
from tests.services.images import push_busybox
from tests.services.registry import start_registry

FILES, ROUNDS = 6_000, 7
WALK = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do $B find tree -exec $B stat -c %s {} + > /dev/null; done"
UNPACK = "$B tar xf tree.tar"


def main() -> None:
    """Print a ratio for each kind of work."""
    with place(slots=1) as here, start_registry(here.directory) as registry:
        image = push_busybox(registry)
        jobs = here.write("jobs.jsonl", [{"file": str(_tree(here.directory))}])
        for what, prepare, work in (
            ("a walk with stat", "$B tar xf tree.tar", WALK),
            ("unpacking many files", ":", UNPACK),
        ):
            command = _timed(prepare, work)
            native, inside = _descriptor(here, command, ""), _descriptor(here, command, image)
            pairs = []
            for _ in range(ROUNDS):
                base = _seconds(here, native, jobs, "none")
                pairs.append((_seconds(here, inside, jobs, "userns") / base, base))
            ratio, base = median([p[0] for p in pairs]), median([p[1] for p in pairs])
            label = f"{what}, {FILES} files: user namespaces, native {base:.2f} s"
            row(label, f"{ratio:.2f} x native", "<= 1.1", ratio <= 1.1)


def _timed(prepare: str, work: str) -> str:
    """The work between two looks at the clock; [FILE] is the bare name of the archive."""
    return f"B=/bin/busybox; test -e [FILE]; {prepare}; read S x < /proc/uptime; {work}; read E x < /proc/uptime; echo $S $E > time.txt"  # noqa: E501


def _tree(directory: Path) -> Path:
    path = directory / "tree.tar"
    with tarfile.open(path, "w") as archive:
        for n in range(FILES):
            archive.addfile(tarfile.TarInfo(f"tree/{n % 60}/{n}.txt"))
    return path


def _descriptor(here: Place, command: str, image: str) -> Path:
    output = {"id": "time", "name": "time", "path-template": "time.txt"}
    made = tool(command, image=image, outputs=[output])
    made["inputs"] = [{"id": "file", "name": "file", "type": "File", "value-key": "[FILE]"}]
    return here.write(f"tool-{'in' if image else 'out'}.json", made)


def _seconds(here: Place, descriptor: Path, jobs: Path, runtime: str) -> float:
    results = here.directory / "results"
    before = set(results.glob("*/outputs/time.txt"))
    here.engine("submit", str(descriptor), str(jobs), "--runtime", runtime)
    [new] = set(results.glob("*/outputs/time.txt")) - before
    start, end = map(float, new.read_text().split())
    return end - start


if __name__ == "__main__":
    main()
