"""Apptainer, which Debian 12 does not have, by a stand-in that notes how it is called.

This shows that our argument list is what its manual asks for; not that the program works.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runtimes.worker import Result, Worker
from wrappers import wire
from wrappers.containers.cvmfs import directory_name

pytestmark = pytest.mark.service

# Runs what follows the image on this machine, with the variables that would be set inside.
STAND_IN = """\
#!{python}
import json, os, sys
words = sys.argv[1:]
if words[0] == "--version":
    print("stand-in 1.0")
    sys.exit(0)
with open(os.path.join({place!r}, "calls"), "a") as calls:
    calls.write(json.dumps([words, dict(os.environ)]) + "\\n")
inner = words[next(n for n, word in enumerate(words) if word.startswith("/bin/sh")):]
prefix = "APPTAINERENV_"
inside = {{name[len(prefix):]: value for name, value in os.environ.items() if name.startswith(prefix)}}
os.execve(inner[0], inner, dict(inside, PATH=os.environ["PATH"]))
"""


@pytest.fixture
def programs(account: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on PATH with the stand-in; its calls are noted there."""
    place = account.directory / f"programs-{tmp_path.name}"
    place.mkdir(exist_ok=True)
    program = place / "apptainer"
    program.write_text(STAND_IN.format(python=account.python, place=str(place)))
    program.chmod(0o755)
    account.give(place)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    return place


def calls(programs: Path) -> list[tuple[list[str], dict[str, str]]]:
    return [tuple(json.loads(line)) for line in (programs / "calls").read_text().splitlines()]


def has(words: list[str], *pair: str) -> bool:
    return any(tuple(words[n : n + len(pair)]) == pair for n in range(len(words)))


def test_apptainer_gets_the_tree_and_the_jobs_directories(
    account: Worker, programs: Path, busybox: wire.Image
) -> None:
    result: Result = account.run(
        busybox, "echo $MODEL; exit 7", runtimes=["apptainer"], environment={"MODEL": "a,b c"}, gpu=True
    )
    assert (result.out, result.code, result.used.mode) == ("a,b c\n", 7, "overlay")
    words, outside = calls(programs)[-1]
    tree = account.cache / "ready" / directory_name(busybox.digest) / "ROOT"
    assert words[-3:] == [str(tree), "/bin/sh", str(result.job / "command")]
    assert has(words, "--home", str(result.job))
    assert has(words, "--bind", f"{result.place}/tmp:/tmp")
    assert has(words, "--bind", f"{result.place}/tmp:/var/tmp")
    assert has(words, "--pwd", str(result.job))
    assert {"--cleanenv", "--contain", "--nv", "--overlay"} <= set(words)
    assert outside["APPTAINERENV_LANG"] == outside["SINGULARITYENV_LANG"] == "C.UTF-8"
    assert "HOST_SECRET" not in outside


def test_apptainer_takes_what_the_site_keeps_under_vips_name(
    account: Worker, programs: Path, busybox: wire.Image
) -> None:
    images = account.directory / "images"
    images.mkdir(exist_ok=True)
    (images / "busybox-1.0").touch()
    node = account.node(images=str(images), pull=False)
    result = account.run(busybox, "echo ran", runtimes=["apptainer"], node=node, root="readonly")
    assert (result.out, result.used.image) == ("ran\n", str(images / "busybox-1.0"))
    assert "nothing says that it is sha256:" in result.used.warnings[0]
    assert "--overlay" not in calls(programs)[-1][0]
