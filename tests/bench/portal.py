"""The portal with 1,000 executions and 100,000 jobs: answers to four clients at once, as wrk asks, requests a
second, and 1 GB each way beside nginx in the same run. The reconciler runs meanwhile. A tenth of the
executions has 100 results each.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from engine.domain.execution import ExecutionState, Intent
from engine.domain.job import JobState
from engine.domain.options import Options
from engine.ids import AttemptId, ExecutionId, SubmissionId, new_id
from engine.store import descriptors, executions, jobs, launches, lifecycle, plans, products
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.jobs import Move, NewJob
from engine.store.launches import Launch
from engine.store.lifecycle import NewAttempt
from engine.store.products import Product
from tests.bench.figures import row
from tests.bench.place import ENGINE, Place, median, place
from tests.services.debian import require
from tests.services.nginx import start_nginx
from tests.services.registry import free_port

WITHOUT_RESULTS, WITH_RESULTS, JOBS = 900, 100, 100
CLIENTS, SECONDS = 4, 5
LARGE = 1 << 30
_SHA = "0" * 64
_LUA = """\
local n, ids = 0, {{ {ids} }}
request = function()
   n = n + 1
   return wrk.format("GET", {path})
end
"""


def main() -> None:
    """Print every figure."""
    with place(2) as here:
        user = json.loads(_said(here, "user", "add", "ann", "--json"))
        ids = _fill(here, user["id"])
        port = free_port()
        variables = {**here.environment, "ENGINE_API__LISTEN": f"127.0.0.1:{port}"}
        with (here.directory / "serve.log").open("w") as log:
            daemon = subprocess.Popen([ENGINE, "serve", "--http"], env=variables, stderr=log)
            try:
                _wait(port)
                _answers(port, user["key"], ids, here.directory)
                _bytes(port, user["key"])
            finally:
                daemon.terminate()
                daemon.wait()


def _fill(here: Place, account: str) -> list[ExecutionId]:
    db = Database(f"sqlite:///{here.directory / 'data/boutiques-engine/engine.db'}")
    storage = here.directory / "data/boutiques-engine/storage"
    ids = [ExecutionId(new_id()) for _ in range(WITHOUT_RESULTS + WITH_RESULTS)]
    with db.write() as connection:
        descriptors.store(connection, _SHA, {"name": "bench"}, checked_by="", now=0.0)
    for number, id_ in enumerate(ids):
        has = number >= WITHOUT_RESULTS
        _write(db, id_, account, active=JOBS if has else JOBS // 2)
        if has:
            _succeed(db, id_, f"{storage.as_uri()}/vip/users/{account}/home/{id_}")
    db.close()
    return ids


def _succeed(db: Database, id_: ExecutionId, results: str) -> None:
    now = time.time()
    with db.write() as connection:
        some = jobs.page(connection, id_, limit=JOBS)
        new = [NewAttempt(AttemptId(new_id()), j.id, SubmissionId(new_id()), id_, 1) for j in some]
        lifecycle.prepare(connection, "elsewhere", new, now=now)
        jobs.move(connection, [Move(j, JobState.SUCCEEDED) for j in some], now=now)
        made = [
            Product(id_, j.id, a.id, "out", f"{j.number}/out.txt", f"{results}/{j.number}/out.txt", 1, _SHA)
            for j, a in zip(some, new, strict=True)
        ]
        products.add(connection, made)


def _write(db: Database, id_: ExecutionId, account: str, active: int) -> None:
    now = time.time()
    new = Execution(
        id=id_,
        owner=account,
        name="bench",
        descriptor_sha256=_SHA,
        options=Options(),
        backend="elsewhere",  # no reconciler of this machine touches it
        results=f"file:///nowhere/{id_}",
        state=ExecutionState.PLANNING,
        intent=Intent.RUN,
        created_at=now,
    )
    with db.write() as connection:
        executions.create(connection, new)
        jobs.add(connection, id_, [NewJob(n + 1, {"n": n}, {"n": n}) for n in range(JOBS)], now=now)
        plans.activate(connection, id_, jobs=JOBS, now=now)
        launches.add(connection, Launch(id_, account, "bench/1", "bench", {"n": ["1"]}, "/vip/Home"))
        some = jobs.page(connection, id_, limit=active)
        jobs.move(connection, [Move(one, JobState.ACTIVE) for one in some], now=now, started=True)


def _answers(port: int, key: str, ids: list[ExecutionId], directory: Path) -> None:
    for name, path in (
        ("status of an execution of 100 jobs", f'"/rest/executions/" .. ids[n % {WITHOUT_RESULTS} + 1]'),
        (
            "status of one that has 100 results",
            f'"/rest/executions/" .. ids[n % {WITH_RESULTS} + {WITHOUT_RESULTS} + 1]',
        ),
        ("list of 50 executions", '"/rest/executions?limit=50&offset=" .. n % 20 * 50'),
        ("page of 50 jobs", '"/rest/executions/" .. ids[n % #ids + 1] .. "/jobs?limit=50"'),
        ("platform", '"/rest/platform"'),
    ):
        script = directory / "requests.lua"
        script.write_text(_LUA.format(ids=", ".join(f'"{one}"' for one in ids), path=path))
        words = [require("wrk"), "-t1", f"-c{CLIENTS}", f"-d{SECONDS}s", "--latency", "-s", str(script)]
        words += ["-H", f"apikey: {key}", f"http://127.0.0.1:{port}"]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        if "Non-2xx" in said:
            raise SystemExit(f"{name}: {said}")
        middle, rate = (
            _milliseconds(_found(r"\n +50%\s+(\S+)", said)),
            float(_found(r"Requests/sec:\s+(\S+)", said)),
        )
        figure = f"{middle:.1f} ms, {rate:.0f}/s"
        row(f"{name}, {CLIENTS} clients", figure, "20 ms, 300/s", middle <= 20 and rate >= 300)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"wrk says {text}")
    return found[1]


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise SystemExit(f"wrk says {text}")


def _bytes(port: int, key: str) -> None:
    with start_nginx() as nginx:
        ours, theirs = f"http://127.0.0.1:{port}/rest/path/vip/Home/large", f"{nginx.url}/large"
        for name, put in (("upload", True), ("download", False)):
            query = "" if put else "?action=content"
            mine = [_once(f"{ours}{query}", key, put=put) for _ in range(3)]
            peer = [_once(theirs, "", put=put) for _ in range(3)]
            share = median(peer) / median(mine)
            figure = f"{LARGE / median(mine) / 1e6:.0f} MB/s, {share:.0%}"
            row(f"1 GB {name}, share of nginx", figure, "80 %", share >= 0.8)


def _once(url: str, key: str, *, put: bool) -> float:
    """Seconds of one transfer with curl."""
    words = ["curl", "-sf", "-H", f"apikey: {key}", "-o", os.devnull, url]
    source = (
        subprocess.Popen(["head", "-c", str(LARGE), "/dev/zero"], stdout=subprocess.PIPE) if put else None
    )
    more = ["-T", "-", "-H", "Content-Type: application/octet-stream"] if put else []
    before = time.perf_counter()
    subprocess.run([*words, *more], stdin=source.stdout if source else None, check=True)
    seconds = time.perf_counter() - before
    if source:
        source.wait()
    return seconds


def _said(here: Place, *words: str) -> str:
    done = subprocess.run([ENGINE, *words], env=dict(here.environment), text=True, stdout=subprocess.PIPE)
    return str(done.stdout)


def _wait(port: int) -> None:
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    sys.exit("the daemon does not answer")
