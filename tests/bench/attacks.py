"""How much longer a user's status takes while each attack runs: the 99th percentile, as a multiple of what it
is without. The attackers are a process of their own, on the same machine.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from tests.bench.figures import row
from tests.bench.place import ENGINE, Place, place
from tests.services.registry import free_port

REQUESTS = 400
MOST = 10.0
"""Times the quiet 99th percentile."""
KEY = "BENCH_KEY"


def main() -> None:
    """Print a row for each attack."""
    with place(2) as here, socket.create_server(("127.0.0.1", 0)) as provider:
        key = json.loads(_said(here, "user", "add", "ann", "--json"))["key"]
        attacker = json.loads(_said(here, "user", "add", "mallory", "--json"))["key"]
        port = free_port()
        issuer = {"slow": {"url": f"http://127.0.0.1:{provider.getsockname()[1]}", "audience": "x"}}
        variables = {
            **here.environment,
            "ENGINE_API__LISTEN": f"127.0.0.1:{port}",
            "ENGINE_PORTAL__ISSUERS": json.dumps(issuer),
        }
        with (here.directory / "serve.log").open("w") as log:
            daemon = subprocess.Popen([ENGINE, "serve", "--http"], env=variables, stderr=log)
            try:
                _wait(port)
                _put(port, attacker)
                quiet = _percentile(port, key)
                for name in ATTACKS:
                    _under(name, port, key, attacker, quiet, issuer["slow"]["url"])
            finally:
                daemon.terminate()
                daemon.wait()


def _under(name: str, port: int, key: str, attacker: str, quiet: float, issuer: str) -> None:
    words = [sys.executable, "-m", "tests.bench.attacks", name, str(port), issuer]
    attack = subprocess.Popen(words, env={**os.environ, KEY: attacker}, stdout=subprocess.PIPE)
    try:
        assert attack.stdout is not None
        attack.stdout.readline()  # it is under way
        found = _percentile(port, key)
    finally:
        attack.send_signal(signal.SIGKILL)
        attack.wait()
    figure = f"{found * 1000:.0f} ms, {found / quiet:.1f} times"
    row(f"p99 of a status under attack: {name}", figure, f"{MOST:.0f} times", found <= MOST * quiet)


def _percentile(port: int, key: str) -> float:
    taken = []
    for _ in range(REQUESTS):
        before = time.perf_counter()
        if _ask(port, "GET", "/rest/executions", {"apikey": key}) != 200:
            raise SystemExit("a user is not served")
        taken.append(time.perf_counter() - before)
    return sorted(taken)[-max(1, REQUESTS // 100)]


# --- attacks, each in threads until the process is killed -----------------------------------------


def _ask(port: int, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def _put(port: int, key: str) -> None:
    headers = {"apikey": key, "Content-Type": "application/octet-stream"}
    for path in ("large", "many/one"):
        _ask(port, "PUT", f"/rest/path/vip/Home/{path}", headers, bytes(32 << 20))


def _guess(port: int, number: int, _: str) -> None:
    fields = {"username": f"u{number}-{time.time()}", "password": str(time.time())}
    _ask(
        port, "POST", "/rest/authenticate", {"Content-Type": "application/json"}, json.dumps(fields).encode()
    )


def _large_body(port: int, number: int, _: str) -> None:
    with suppress(OSError):
        headers = {"Content-Type": "application/json"}
        _ask(port, "POST", "/rest/executions", headers, b'{"name": "' + b"x" * (16 << 20) + b'"}')


def _large_body_of_a_user(port: int, number: int, _: str) -> None:
    with suppress(OSError):
        headers = {"Content-Type": "application/json", "apikey": os.environ[KEY]}
        body = b'{"inputValues": {"x": [' + b'"a",' * (3 << 20) + b'"a"]}}'
        if _ask(port, "POST", "/rest/executions", headers, body) == 429:
            time.sleep(0.2)


def _bearer(port: int, number: int, issuer: str) -> None:
    parts = [{"alg": "RS256", "kid": str(time.time())}, {"iss": issuer, "aud": "x", "sub": "s", "exp": 2**40}]
    text = [urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts]
    _ask(port, "GET", "/rest/executions", {"Authorization": f"Bearer {'.'.join([*text, 'c2ln'])}"})


def _held(send: Callable[[str], bytes]) -> Callable[[int, int, str], None]:
    def hold(port: int, number: int, issuer: str) -> None:
        with suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", port), timeout=60)
            connection.sendall(send(os.environ[KEY]))
            _kept.append(connection)

    return hold


_kept: list[socket.socket] = []


def _head(path: str) -> Callable[[str], bytes]:
    return lambda key: f"GET {path} HTTP/1.1\r\nHost: x\r\napikey: {key}\r\n\r\n".encode()


ATTACKS: dict[str, tuple[Callable[[int, int, str], None], int, int]] = {
    "64 guess passwords": (_guess, 64, 0),
    "heads of 60 kB without an end": (_held(lambda key: b"GET / HTTP/1.1\r\nX: " + b"y" * 60_000), 8, 500),
    "16 MB of JSON without a key": (_large_body, 4, 0),
    "12 MB of JSON, of a user": (_large_body_of_a_user, 4, 0),
    "300 downloads that are not taken": (_held(_head("/rest/path/vip/Home/large?action=content")), 1, 300),
    "300 archives that are not taken": (_held(_head("/rest/path/vip/Home/many?action=content")), 1, 300),
    "1,100 idle connections": (_held(lambda key: b""), 1, 1100),
    "60 tokens of a provider that hangs": (_bearer, 60, 0),
}
"""What each does, in how many threads, and how often in all; 0: without end."""


def _attack(name: str, port: int, issuer: str) -> None:
    act, threads, times = ATTACKS[name]

    def run(number: int) -> None:
        done = 0
        while not times or done < times // threads:
            with suppress(OSError, http.client.HTTPException):
                act(port, number, issuer)
            done += 1

    started = [Thread(target=run, args=(number,), daemon=True) for number in range(threads)]
    for one in started:
        one.start()
    if times:
        for one in started:
            one.join()
    else:
        time.sleep(1.0)
    print("under way", flush=True)
    signal.pause()


def _said(here: Place, *words: str) -> str:
    done = subprocess.run([ENGINE, *words], env=dict(here.environment), text=True, stdout=subprocess.PIPE)
    return str(done.stdout)


def _wait(port: int) -> None:
    for _ in range(200):
        with suppress(OSError):
            _ask(port, "GET", "/health", {})
            return
        time.sleep(0.1)
    raise SystemExit("the daemon does not answer")


if __name__ == "__main__":
    _attack(sys.argv[1], int(sys.argv[2]), sys.argv[3])
