"""What a job costs besides its tool: 20 jobs through `engine submit`, one by one, beside 20 bare runs.

All in turn in the same run, the image in the node's cache, the same proot for both: Debian's, through the
shim of the tests (udocker's own static build is not in Debian), so the ratios are of like with like.

On an ext4 without a journal the kernel passes over inodes that were freed in the last minutes, one by one:
after a test run, or another benchmark, each new file takes half a millisecond more, and ours are the more
numerous. TMPDIR=/dev/shm leaves the disk out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.figures import row
from tests.bench.place import Place, median, place, tool
from tests.services.images import push_busybox
from tests.services.proot import proot_for_tests
from tests.services.registry import Registry, start_registry

JOBS, ROUNDS = 20, 5


def main() -> None:
    """Print both ratios."""
    with place(slots=1) as here, start_registry(here.directory) as registry:
        image = push_busybox(registry)
        proot = str(proot_for_tests(here.directory))
        descriptor = here.write("tool.json", tool("true [N]", image=image))
        jobs = here.write("jobs.jsonl", [{"n": n} for n in range(JOBS)])
        bare = _udocker(here, registry, image, proot)
        words = ["submit", str(descriptor), str(jobs)]
        figures: dict[str, list[float]] = {"bare": [], "udocker": [], "userns": []}
        for runtime in ("udocker", "userns"):  # fills the cache, starts the server, checks the descriptor
            here.engine(*words, "--runtime", runtime, ENGINE_NODE__PROOT=proot)
        for _ in range(ROUNDS):
            figures["bare"].append(bare())
            for runtime in ("udocker", "userns"):
                figures[runtime].append(here.engine(*words, "--runtime", runtime, ENGINE_NODE__PROOT=proot))
        base = median(figures["bare"])
        print(f"      {JOBS} bare udocker runs (P1): {base:.2f} s")
        for runtime, limit in (("udocker", 2.0), ("userns", 0.8)):
            ratio = median([e / b for e, b in zip(figures[runtime], figures["bare"], strict=True)])
            what = f"{JOBS} jobs through engine submit, {runtime}: {median(figures[runtime]):.2f} s"
            row(what, f"{ratio:.2f} x bare udocker", f"<= {limit}", ratio <= limit)


def _udocker(here: Place, registry: Registry, image: str, proot: str) -> Callable[[], float]:
    environment = {
        **here.environment,
        "UDOCKER_DIR": str(here.directory / "udocker"),
        "UDOCKER_TARBALL": "",
        "UDOCKER_USE_PROOT_EXECUTABLE": proot,
    }
    name = image.partition("/")[2]
    command = [*_alone(here.directory / "alone"), "--quiet"]
    root = ["--allow-root"] if os.geteuid() == 0 else []

    def run(*words: str) -> str:
        ran = subprocess.run([*command, *root, *words], env=environment, capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"udocker {' '.join(words)}: {ran.stdout}{ran.stderr}")
        return ran.stdout.strip().splitlines()[-1] if ran.stdout.strip() else ""

    run("pull", f"--registry={registry.url}", name)
    container = run("create", name)

    def twenty() -> float:
        start = time.perf_counter()
        for _ in range(JOBS):
            run("run", "--nobanner", container, "true")
        return time.perf_counter() - start

    twenty()
    return twenty


def _alone(directory: Path) -> list[str]:
    """udocker as if nothing else were installed: another package here runs code whenever a Python starts."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    [packages] = directory.glob("lib/python3*/site-packages")
    (packages / "here.pth").write_text(sysconfig.get_path("purelib") + "\n")
    code = "import sys; from udocker.maincmd import main; sys.argv[0] = 'udocker'; sys.exit(main())"
    return [str(directory / "bin" / "python"), "-c", code]


if __name__ == "__main__":
    main()
