"""What goes home in an output sandbox has bounds; and a copy of each report goes beside the results."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

from engine.domain.file_urls import to_path
from tests.node.conftest import Site, outputs
from tests.services.nginx import Nginx
from wrappers import wire

pytestmark = pytest.mark.whole

ROOM = 1_000_000


def test_a_log_that_is_too_long_keeps_its_beginning_and_its_end_and_says_so(site: Site) -> None:
    site.node = site.node._replace(sandbox=ROOM)
    report = site.one("echo first; seq 1000000; echo last; echo short >&2")
    log = site.log(report)
    assert len(log) <= ROOM // 8
    assert log.startswith("first\n1\n2\n")
    assert log.endswith("999999\n1000000\nlast\n")
    assert "bytes were cut out here: this log had 6888907" in log
    assert site.log(report, "err") == "short\n"


def test_several_attempts_of_a_grid_job_share_the_room(site: Site) -> None:
    site.node = site.node._replace(sandbox=ROOM)
    reports = site.run(*(site.manifest("seq 100000") for _ in range(4)))
    assert [len(site.log(report)) <= ROOM // 4 // 8 for report in reports] == [True] * 4


def test_without_a_bound_logs_are_whole(site: Site) -> None:
    assert site.log(site.one("seq 1000000")).count("\n") == 1_000_000


@pytest.mark.parametrize(("size", "failure"), [(ROOM // 2, ""), (ROOM // 2 + 1, wire.OUTPUT)])
def test_results_beside_the_report_share_it_too(site: Site, size: int, failure: str) -> None:
    site.node = site.node._replace(sandbox=ROOM)
    few = wire.Transfers(budget=1.0)
    command = f"head -c {size} /dev/zero > o.bin"
    report = site.one(command, outputs=outputs(o="o.bin"), outputs_to="sandbox:", transfers=few)
    assert report.failure == failure


def same(report: wire.Report, text: bytes | str) -> bool:
    """Whether a text is that report."""
    return wire.loads(wire.Report, text) == report


def test_a_copy_of_the_report_goes_beside_the_results(site: Site) -> None:
    site.node = site.node._replace(second_report=True)
    good, bad = site.run(site.manifest("echo 1 > o", outputs=outputs(o="o")), site.manifest("exit 3"))
    for report in (good, bad):
        copy = site.results / report.attempt / f"{report.attempt}.report.json"
        assert same(report, copy.read_bytes())


@pytest.mark.service
def test_it_goes_to_the_first_storage_that_takes_it(site: Site, nginx: Nginx) -> None:
    site.node = site.node._replace(second_report=True)
    own = f"{nginx.url}/{site.root.name}"
    places: dict[str, Any] = {"outputs_to": "http://127.0.0.1:9/down", "outputs_also": ["sandbox:", own]}
    report = site.one("true", **places)
    assert same(report, (nginx.files / site.root.name / f"{report.attempt}.report.json").read_bytes())


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/down", "sandbox:", "file:///proc/nowhere"])
def test_where_it_cannot_go_nothing_is_lost(site: Site, place: str) -> None:
    site.node = site.node._replace(second_report=True)
    assert site.one("true", outputs_to=place).outcome == wire.SUCCEEDED


def test_nobody_else_sends_one(site: Site) -> None:
    report = site.one("echo 1 > o", outputs=outputs(o="o"))
    assert [path.name for path in Path(site.results / report.attempt).iterdir()] == ["o"]


def test_orders_that_were_carried_out_are_not_carried_out_again(site: Site) -> None:
    """DIRAC starts a job again when it has lost sight of it."""
    site.node = site.node._replace(second_report=True)
    ran = site.root / "ran"
    manifest = site.manifest(f"date +%N | tee -a {ran} > o", outputs=outputs(o="o"))
    [first] = site.run(manifest)
    (site.into / f"{manifest.attempt}.report.json").unlink()
    assert site.run(manifest) == [first]
    assert ran.read_text() == (site.results / manifest.attempt / first.run / "o").read_text()
    assert site.leftovers() == []


def test_of_two_runs_at_a_time_the_later_one_does_not_write_over_the_results(site: Site) -> None:
    site.node = site.node._replace(second_report=True)
    first, gate = site.root / "first", site.root / "gate"
    wait = f"if mkdir {first}; then until test -e {gate}; do sleep 0.05; done; fi"
    manifest = site.manifest(f"{wait}; echo $$ > o", outputs=outputs(o="o"))
    slow = site.start(manifest)
    while not first.exists():
        time.sleep(0.02)
    elsewhere = Site(site.root / "elsewhere", site.wrapper, node=site.node)
    elsewhere.root.mkdir()
    [report] = elsewhere.run(manifest)
    assert report.outcome == wire.SUCCEEDED
    gate.touch()
    assert slow.wait() == 0
    assert site.report(manifest) == report
    delivered = (site.results / manifest.attempt / report.run / "o").read_bytes()
    assert hashlib.sha256(delivered).hexdigest() == report.products[0].sha256


def test_of_two_runs_that_deliver_at_once_each_tells_of_its_own_files(site: Site) -> None:
    site.node = site.node._replace(second_report=True)
    manifest = site.manifest("echo $$ > o; mkdir d; echo $$ > d/p", outputs=outputs(o="o", d="d"))
    reports = site.run(manifest)
    (site.results / manifest.attempt / f"{manifest.attempt}.report.json").unlink()  # it is not there yet
    elsewhere = Site(site.root / "elsewhere", site.wrapper, node=site.node)
    elsewhere.root.mkdir()
    reports += elsewhere.run(manifest)
    contents = []
    for report in reports:
        told = {made.path: made for made in report.products}
        delivered = Path(to_path(told["o"].url)).read_bytes()
        assert hashlib.sha256(delivered).hexdigest() == told["o"].sha256
        contents.append(delivered)
        assert (Path(to_path(told["d"].url)) / "p").read_bytes() == delivered
    assert contents[0] != contents[1]
