"""Jobs that run elsewhere, with the engine's own storage alone: files go there and come back by claims."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.desk import Desk, until
from tests.cli.served import Served, serving

pytestmark = pytest.mark.whole

ELSEWHERE = {"ENGINE_BACKENDS__LOCAL__SIMULATE_REMOTE": "true"}


@pytest.fixture
def served(desk: Desk) -> Iterator[Served]:
    with serving(desk) as served:
        yield served


def copier(desk: Desk, command: str = "cat [FILE] > out.txt") -> tuple[str, str]:
    """A tool that copies its input, and an invocation."""
    desk.write("input.txt", "content of the input")
    tool = desk.tool(command, {"file": "File"}, {"o": "out.txt"})
    return tool, desk.write("i.json", {"file": "input.txt"})


def test_a_job_elsewhere_has_its_input_and_its_result_by_the_engine_alone(served: Served) -> None:
    desk = served.desk
    variables = {**served.variables, **ELSEWHERE}
    done = desk.submit(*copier(desk), "--runtime", "none", variables=variables)
    desk.ok("results", "--download", "home", variables=variables)
    assert (desk.directory / "home/out.txt").read_text() == "content of the input"
    execution = served.storage / done.id
    assert [str(p.relative_to(execution)) for p in execution.rglob("*") if p.is_file()] == ["outputs/out.txt"]
    [product] = desk.ok("results", "--json", variables=variables).values
    assert product["url"] == f"{served.url}/se/{done.id}/outputs/out.txt"


Waiting = tuple["subprocess.Popen[str]", Path, Path]


@contextmanager
def waiting_orders(
    served: Served, asked: Sequence[str]
) -> Iterator[tuple[subprocess.Popen[str], Path, Path]]:
    """A submission whose job nobody begins until the end of the block, with its claim and its orders: who
    begins a job takes its claim away.
    """
    desk = served.desk
    variables = {**served.variables, **ELSEWHERE}
    desk.submit(*asked, variables=variables)  # starts what serves this machine
    node = json.loads((desk.spool / "server.json").read_text())["pid"]
    os.kill(node, signal.SIGSTOP)
    try:
        process = desk.start("submit", *asked, variables=variables)
        claim = until(lambda: [one for one in desk.spool.glob("jobs/*/*.claim") if one.read_text()])[0]
        orders = claim.with_name("manifests.jsonl")
        until(lambda: orders.exists() and orders.read_text().endswith("\n"))
        yield process, claim, orders
    finally:
        os.kill(node, signal.SIGCONT)


def test_neither_claim_nor_token_is_left_anywhere(served: Served) -> None:
    desk = served.desk
    asked = (*copier(desk, "cat [FILE] > out.txt; env"), "--runtime", "none")
    with waiting_orders(served, asked) as (process, claim_file, _):
        assert claim_file.stat().st_mode & 0o777 == 0o600
        attempt, _, signature = claim_file.read_text().partition(".")
        assert attempt == claim_file.name.removesuffix(".claim")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert signature not in out + err
    left = [p for p in (*desk.home.rglob("*"), *desk.directory.rglob("*")) if p.is_file() and p != claim_file]
    assert [p for p in left if signature.encode() in _bytes(p)] == []
    told = [p for p in left if p.suffix in (".json", ".out", ".err", ".db", ".log")]
    assert [p for p in told if b"Bearer" in _bytes(p)] == []
    until(lambda: not claim_file.exists())


def test_a_service_that_was_killed_and_started_again_still_knows_its_claims(desk: Desk) -> None:
    gate = desk.directory / "gate"
    command = f"touch out.txt; while [ ! -e {gate} ]; do sleep 0.05; done; cat [FILE] > out.txt"
    with serving(desk) as first:
        variables = {**first.variables, **ELSEWHERE}
        process = desk.start("submit", *copier(desk, command), "--runtime", "none", variables=variables)
        until(lambda: list(desk.spool.glob("jobs/*/**/out.txt")))
        first.process.kill()
        first.process.wait()
    with serving(desk, port=int(first.url.rpartition(":")[2])) as second:
        gate.touch()
        _, err = process.communicate()
        assert process.returncode == 0, err
        [result] = list(second.storage.rglob("out.txt"))
        assert result.read_text() == "content of the input"


def test_what_needs_an_engine_that_does_not_answer_is_not_submitted(desk: Desk) -> None:
    variables = {**ELSEWHERE, "ENGINE_API__PUBLIC_URL": "http://127.0.0.1:9"}
    ran = desk.run("submit", *copier(desk), "--runtime", "none", variables=variables)
    assert ran.code == 3
    assert "no engine answers at http://127.0.0.1:9" in ran.err
    assert "engine serve" in ran.err
    assert desk.debris() == []


def test_an_input_that_only_the_engine_can_open_needs_its_public_url(desk: Desk) -> None:
    tool, _ = copier(desk)
    for url in ("s3://bucket/key", "girder://girder.example.org/collection/x"):
        ran = desk.run("submit", tool, desk.write("i.json", {"file": url}), "--runtime", "none")
        assert ran.code in (2, 3)
        assert "Traceback" not in ran.err
    assert desk.debris() == []


def _bytes(path: Path) -> bytes:
    with suppress(OSError):
        if os.path.isfile(path):
            return path.read_bytes()
    return b""


def test_the_claim_is_not_among_the_orders(served: Served) -> None:
    with waiting_orders(served, (*copier(served.desk), "--runtime", "none")) as (process, claim, orders):
        text = orders.read_text()
        assert json.loads(text)["exchange"] == f"{served.url}/node/exchange"
        assert claim.read_text().partition(".")[2] not in text
    process.communicate()
    assert process.returncode == 0
