"""Sessions with a DiracX server as users have them: a real login, short lives, and renewal without a race."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.backends.diracx.client import DiracxClient
from engine.backends.diracx.renewal import refreshed
from engine.errors import CredentialExpired
from tests.cli.desk import Desk, desk_in, until
from tests.services.diracx import GROUPS, VO, Diracx, registry, start_diracx, start_site
from tests.services.identity_provider import dirac_login, identity_provider
from tests.services.unreliable import Trouble, unreliable

pytestmark = pytest.mark.service


@contextmanager
def server(directory: Path, lives: Mapping[str, str] = {}) -> Iterator[Diracx]:
    """A server at which one can log in: its identity provider agrees to all."""
    with identity_provider() as provider:
        users = json.loads(json.dumps(registry(GROUPS)))
        users[VO]["IdP"]["URL"] = provider
        with start_diracx(
            directory / "server", configuration={"Registry": users}, variables=lives
        ) as running:
            yield running


@pytest.fixture(scope="module")
def diracx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Diracx]:
    with server(tmp_path_factory.mktemp("login")) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the tokens go."""
    return tmp_path / "session.json"


@pytest.fixture
def grid(diracx: Diracx, file: Path, tmp_path: Path) -> Iterator[Desk]:
    variables = {
        "ENGINE_BACKEND": "diracx",
        "ENGINE_DIRACX__URL": diracx.url,
        "ENGINE_DIRACX__TOKEN": str(file),
        "ENGINE_DIRACX__VO": VO,
        "ENGINE_DIRACX__GROUP": "biomed_user",
        "ENGINE_DIRACX__SHARED_FILES": "true",
        "ENGINE_DIRACX__POLL": "0.5",
        "ENGINE_DIRACX__NODE__CACHE": str(tmp_path / "images"),
    }
    with desk_in(tmp_path, environment=variables) as desk:
        yield desk


def test_what_engine_login_tells_to_type_is_a_login(grid: Desk, diracx: Diracx, file: Path) -> None:
    told = grid.ok("login").out
    [line] = re.findall(r"^  DIRACX_URL=.*$", told, re.M)
    *variables, program, command, vo, option, group = shlex.split(line)
    assert variables == [f"DIRACX_URL={diracx.url}", f"DIRACX_CREDENTIALS_PATH={file}"]
    assert (program, command, vo) == ("dirac", "login", VO)
    assert "Login successful!" in dirac_login([vo, option, group], diracx.url, file)
    assert file.stat().st_mode & 0o077 == 0
    assert f"logged in as alice ({VO} biomed_user)" in grid.ok("login").out
    assert "diracx takes jobs" in grid.ok("doctor", "--backend", "diracx").out


def test_a_session_is_renewed_by_one_of_many_and_its_old_token_is_never_shown_again(
    diracx: Diracx, file: Path
) -> None:
    dirac_login([VO], diracx.url, file)
    first = json.loads(file.read_text())
    file.write_text(json.dumps({**first, "expires_on": int(time.time()) + 5}))
    clients = [DiracxClient(diracx.url, file) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        tokens = {token.text for token in pool.map(lambda client: client.token(), clients)}
    assert len(tokens) == 1
    renewed = json.loads(file.read_text())
    assert renewed["refresh_token"] != first["refresh_token"]  # it rotates
    assert clients[0].call("GET", "/api/auth/userinfo").data["preferred_username"] == "alice"
    # Showing the old one ends every session of the user: whoever copies the file does that.
    with pytest.raises(CredentialExpired):
        refreshed(diracx.url, first["refresh_token"], "", 60.0)
    late = {**renewed, "expires_on": int(time.time()) + 5}
    file.write_text(json.dumps(late))
    with pytest.raises(CredentialExpired, match="does not renew the session"):
        clients[1].credentials.token(anew=True)
    for client in clients:
        client.close()


def test_jobs_go_on_while_a_session_is_over_and_the_engine_does_after_the_next_login(
    grid: Desk, diracx: Diracx, file: Path, busybox_image: str, tmp_path: Path
) -> None:
    closed = Trouble(times=1_000_000, status=404)
    with start_site(diracx, tmp_path / "site"), unreliable(diracx.url) as gate:
        gate.troubles.append(closed)
        dirac_login([VO], diracx.url, file)
        page = f"{gate.url}/.well-known/openid-configuration"
        command = f"until wget -q -O /dev/null {page}; do sleep 1; done; echo done > out.txt"
        tool = grid.tool(command, outputs={"out": "out.txt"}, image=busybox_image)
        process = grid.start("submit", tool, grid.write("i.json", {}), "--json")
        id_ = until(lambda: grid.run("list", "--json").values)[0]["id"]
        file.write_text(json.dumps({"access_token": "a.b.c", "expires_on": 1}))  # somebody logs out
        until(lambda: "is over" in grid.ok("status", id_, "--json").value["trouble"])
        assert "log in" in grid.ok("status", id_).out
        assert process.poll() is None
        gate.troubles.clear()  # the job ends while nobody may ask for it
        dirac_login([VO], diracx.url, file)
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert json.loads(out.splitlines()[-1])["state"] == "succeeded"
        assert grid.ok("status", id_, "--json").value["trouble"] == ""


@pytest.mark.long
def test_a_session_ends_when_the_server_said_and_its_last_token_is_used_up(
    file: Path, tmp_path: Path
) -> None:
    lives = {f"DIRACX_SERVICE_AUTH_{kind}_TOKEN_EXPIRE_MINUTES": "1" for kind in ("ACCESS", "REFRESH")}
    with server(tmp_path, lives) as hasty:
        dirac_login([VO], hasty.url, file)
        client = DiracxClient(hasty.url, file)
        seen = {file.read_text()}
        with pytest.raises(CredentialExpired, match="is over"):
            while True:
                client.call("GET", "/api/auth/userinfo")
                seen.add(file.read_text())
                time.sleep(1)
        client.close()
    assert len(seen) in (2, 3)  # renewed at half-time, never for each question
