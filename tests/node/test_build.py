"""The archive is the same bytes wherever and whenever it is built, and runs under every Python."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.node.conftest import Site, outputs, pythons
from wrappers import build, wire

pytestmark = pytest.mark.whole

SOURCES = Path(build.__file__).resolve().parent


def test_building_twice_gives_the_same_bytes_and_their_sha256(tmp_path: Path) -> None:
    sums = [build.build(tmp_path / name) for name in ("again.pyz", "more.pyz")]
    assert sums[0] == sums[1] == hashlib.sha256((tmp_path / "again.pyz").read_bytes()).hexdigest()
    assert (tmp_path / "again.pyz").read_bytes() == (tmp_path / "more.pyz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.pyz", "more.pyz"]


def test_dates_modes_and_the_building_python_do_not_matter(tmp_path: Path) -> None:
    copy = tmp_path / "wrappers"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    udocker = build._installed()
    assert udocker is not None
    text = "import pathlib, sys, wrappers.build as b; b.build(*map(pathlib.Path, sys.argv[1:]))"
    built = []
    for number, python in enumerate([Path(sys.executable), *pythons()]):
        built.append(tmp_path / f"{number}.pyz")
        subprocess.run([python, "-B", "-c", text, built[-1], udocker], cwd=tmp_path, check=True)
        for path in copy.rglob("*.py"):
            os.utime(path, (number, number))
            path.chmod(0o600)
    assert len({path.read_bytes() for path in built}) == 1


def test_udocker_travels_with_its_licence(wrapper: Path) -> None:
    with zipfile.ZipFile(wrapper) as archive:
        assert b"Apache License" in archive.read("udocker/LICENSE")
        names = archive.namelist()
    assert "udocker/__init__.py" in names
    assert "wrappers/build.py" not in names
    assert not [name for name in names if "__pycache__" in name]


def test_a_directory_without_udocker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not the udocker package"):
        build.build(tmp_path / "wrapper.pyz", tmp_path)


@pytest.mark.parametrize("python", pythons(), ids=lambda path: str(path).replace("/", "_").strip("_"))
def test_the_wrapper_runs_under_every_python_of_this_machine(site: Site, python: Path) -> None:
    site.python = python
    site.environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    data = site.root / "été.txt"
    data.write_text("donnée\n")
    report = site.one(
        "cp été.txt 'sortie é.txt'; cat été.txt; exec 2>&1; echo fin",
        inputs=[wire.Input("in", data.as_uri(), "été.txt")],
        outputs=outputs(out="sortie*.txt"),
    )
    print(f"{python}: {report.host['python']}")
    assert report.outcome == wire.SUCCEEDED, report.message
    assert site.log(report) == "donnée\nfin\n"
    assert (site.results / report.attempt / "sortie é.txt").read_text() == "donnée\n"
    assert report.products[0].path == "sortie é.txt"


def test_wrappers_need_no_more_than_python_3_6() -> None:
    check = ["vermin", "--no-tips", "-t=3.6-", "--violations", str(SOURCES)]
    check[0] = str(Path(sys.executable).with_name("vermin"))
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_probing_a_node_gives_facts(site: Site) -> None:
    command = [sys.executable, "-I", "-S", str(site.wrapper), "probe"]
    facts = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert facts["cores"] >= 1
    assert "user namespaces" not in facts["missing"]
    assert {"host", "memory", "scratch", "programs", "wrapper_sha256"} <= set(facts)
