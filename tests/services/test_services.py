"""The services that other tests lean on do what they promise."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from engine.testing.clock import FakeClock
from tests.conftest import processes_of
from tests.services.lines import line_to
from tests.services.nginx import Nginx
from tests.services.postgres import Postgres
from tests.services.programs import connects
from tests.services.unprivileged import Unprivileged
from tests.services.wan import far_away
from tests.services.xrootd import XRootD

pytestmark = pytest.mark.whole

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.service
def test_each_test_gets_an_empty_postgresql_database(postgres: Postgres) -> None:
    for _ in range(2):
        with postgres.database() as url:
            engine = sqlalchemy.create_engine(url)
            with engine.begin() as connection:
                connection.execute(sqlalchemy.text("CREATE TABLE job (id integer)"))
        engine.dispose()  # only now: its pooled connection did not keep the database from going


@pytest.mark.service
def test_postgresql_ends_with_the_process_that_started_it() -> None:
    program = textwrap.dedent("""
        import os, signal
        from tests.services.postgres import start_postgres
        with start_postgres() as server:
            print(server.process.pid, server.directory, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    died = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL
    pid, directory = died.stdout.split()
    while Path(f"/proc/{pid}").exists():  # the suite's own time limit ends a wait that never ends
        time.sleep(0.02)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=directory, user="engine", dbname="postgres")
    subprocess.run(["rm", "-rf", directory], check=True)


@pytest.mark.service
def test_xrootd_is_reached_on_loopback_only_though_it_listens_everywhere(xrootd: XRootD) -> None:
    port = int(xrootd.http.rpartition(":")[2])
    wanted = f":{port:04X}"
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [words[1] for words in sockets if words[1].endswith(wanted) and words[3] == "0A"]
    assert listening == [f"0100007F{wanted}"]


@pytest.mark.service
def test_a_server_that_was_stopped_starts_again_on_its_port(nginx: Nginx) -> None:
    port = int(nginx.url.rpartition(":")[2])
    nginx.program.stop()
    assert not connects(port)
    nginx.program.start()
    assert connects(port)


@pytest.mark.parametrize(("windows", "round_trips"), [(False, 0.5), (True, 7.5)])
def test_a_line_far_away_brings_everything_in_order_and_no_sooner(windows: bool, round_trips: float) -> None:
    content = bytes(range(256)) * 8192  # 14,600 bytes x (2^8 - 1) hold it, with TCP's windows
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        far_away(listening.getsockname()[1], 0.02, windows=windows) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
        listening.accept()[0] as server,
    ):
        started = time.monotonic()
        threading.Thread(target=client.sendall, args=(content,)).start()
        received = b""
        while len(received) < len(content):
            received += server.recv(1 << 20)
        assert time.monotonic() - started >= round_trips * 0.02
    assert received == content


def test_a_line_is_cut_after_so_many_bytes_and_mended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, line_to(listening.getsockname()[1]) as line:
        for left, expected in ((3, b"abc"), (-1, b"abcdef")):
            line.left = left
            with socket.create_connection(("127.0.0.1", line.port)) as client:
                server, _ = listening.accept()
                with server:
                    client.sendall(b"abcdef")
                    client.shutdown(socket.SHUT_WR)
                    received = b""
                    while piece := server.recv(100):
                        received += piece
            assert received == expected


def test_nothing_goes_on_after_the_hole_when_a_line_is_mended_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, line_to(listening.getsockname()[1]) as line:
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", line.port)) as client:
                server, _ = listening.accept()
                line.cut_after(1000)
                sending = threading.Thread(target=_send, args=(server, 1 << 20))
                sending.start()
                while line.left:
                    pass
                line.mend()
                received = 0
                while piece := _received(client):
                    received += len(piece)
                sending.join()
            assert received == 1000


def _send(server: socket.socket, size: int) -> None:
    with server, suppress(OSError):
        server.sendall(bytes(size))


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(1 << 16)
    except ConnectionResetError:
        return b""


def test_an_unprivileged_program_is_not_root_and_owns_its_directory(unprivileged: Unprivileged) -> None:
    shown = unprivileged.run(["sh", "-c", "id -u; pwd; : > mine"], check=True).stdout.split()
    assert shown == [str(os.geteuid() or 65534), str(unprivileged.directory)]


def test_a_private_home_holds_every_directory_of_the_user(home: Path) -> None:
    names = ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    assert all(Path(os.environ[name]).is_relative_to(home) for name in names)


def test_what_runs_from_a_directory_is_found_and_nothing_else(tmp_path: Path) -> None:
    script = tmp_path / "home" / "stay"
    script.parent.mkdir()
    script.write_text("echo started; read line")
    with subprocess.Popen(["sh", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()  # before that, the kernel may not show its arguments yet
        assert processes_of(tmp_path / "home") == [process.pid]
        assert processes_of(tmp_path / "hom") == []


def test_the_fake_clock_moves_only_when_told(clock: FakeClock) -> None:
    start = clock.now()
    clock.sleep(2.5)
    clock.advance(1)
    assert clock.now() == start + 3.5
    assert clock.slept == [2.5]
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
