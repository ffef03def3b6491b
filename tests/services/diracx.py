"""A real DiracX server: SQLite, sandboxes in moto's S3, no identity provider. In an environment of its own.

Its packages (480 MB), in the versions of `diracx.txt`, are in `.cache/diracx`; `make services` and
`make services-dirac` install them.
What the server needs to run jobs is in `tests.services.localsite`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.services import localsite, stamped
from tests.services.packages import run_installer
from tests.services.registry import free_port

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".cache" / "diracx"
REQUIREMENTS = Path(__file__).with_suffix(".txt")
MATCHER = Path(localsite.__file__).with_name("matcher.py")
"""DiracX with what it lacks to run jobs by itself."""
VO = "biomed"
USERS = {"alice": "11111111-aaaa-bbbb-cccc-000000000001", "bob": "11111111-aaaa-bbbb-cccc-000000000002"}
GROUPS: Mapping[str, tuple[list[str], list[str]]] = {
    "biomed_user": (["NormalUser"], ["alice", "bob"]),
    "biomed_admin": (["NormalUser", "JobAdministrator", "ServiceAdministrator"], ["alice"]),
    "biomed_pilot": (["GenericPilot"], ["alice"]),
    "biomed_guest": ([], ["bob"]),
}

_SETUP = """
import json, os, sys
from importlib.metadata import entry_points
from cryptography.fernet import Fernet
from joserfc.jwk import KeySet, OKPKey
import git
base = sys.argv[1]
repository = git.Repo.init(os.path.join(base, "cs"), initial_branch="master")
with repository.config_writer() as writer:
    writer.set_value("user", "name", "tests"); writer.set_value("user", "email", "tests@localhost")
repository.index.add(["default.yml"]); repository.index.commit("configuration")
key = OKPKey.generate_key(parameters={"key_ops": ["sign", "verify"], "alg": "Ed25519", "kid": "0" * 32})
with open(os.path.join(base, "jwks.json"), "w") as file:
    json.dump(KeySet([key]).as_dict(private=True), file)
print(json.dumps({
    "state_key": Fernet.generate_key().decode(),
    "sql": [point.name for point in entry_points(group="diracx.dbs.sql")],
    "os": [point.name for point in entry_points(group="diracx.dbs.os")],
}))
"""


def python() -> Path:
    """The Python with the server's packages.

    Raises:
        RuntimeError: they are not there, or of other versions.
    """
    if not stamped.is_up_to_date(VENV, _wanted()):
        raise RuntimeError("DiracX is not installed, or of other versions; type: make services-dirac")
    return VENV / "bin" / "python"


def install() -> None:
    """Install them, unless they are there.

    Raises:
        RuntimeError: they cannot be had.
    """
    stamped.make(VENV, _wanted(), _make)


def _make() -> None:
    run_installer([sys.executable, "-m", "venv", "--without-pip", VENV])
    pip = [sys.executable, "-m", "pip", "--python", str(VENV), "install", "-q", "--no-deps"]
    # Python compiles what the server uses when it first does, a third of all that is there
    run_installer([*pip, "--no-compile", "-r", REQUIREMENTS])


def _wanted() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])}: {done.stderr.strip()[-500:]}")
    return done.stdout


@dataclass(frozen=True)
class Diracx:
    """A running server."""

    url: str
    directory: Path
    key: str
    """Of its legacy exchange: what DIRAC's ProxyManager shows to get tokens for holders of proxies."""

    def credential(
        self, user: str = "alice", group: str = "biomed_user", *, minutes: int = 600, name: str = ""
    ) -> Path:
        """A file with tokens of a user, as `dirac login` writes it."""
        query = {
            "preferred_username": user,
            "scope": f"vo:{VO} group:{group}",
            "expires_minutes": str(minutes),
        }
        request = urllib.request.Request(
            f"{self.url}/api/auth/legacy-exchange?{urllib.parse.urlencode(query)}",
            headers={"Authorization": f"Bearer diracx:legacy:{self.key}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            tokens = json.load(answer)
        path = self.directory / (name or f"{user}-{group}-{secrets.token_hex(4)}.json")
        data = {
            "access_token": tokens["access_token"],
            "refresh_token": tokens.get("refresh_token"),
            "expires_on": int(time.time()) + tokens["expires_in"],
        }
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(data, file)
        return path


def exchange_key() -> str:
    """A new key for the legacy exchange."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@contextmanager
def start_diracx(
    directory: Path,
    *,
    port: int = 0,
    key: str = "",
    application: Path = MATCHER,
    configuration: Mapping[str, object] | None = None,
    variables: Mapping[str, str] = {},
) -> Iterator[Diracx]:
    """Run a server until the end of the block.

    `application` is the file whose `create_app` makes it, `configuration` replaces sections of its
    configuration, `variables` are put into its environment.
    """
    program = python()
    directory.mkdir(parents=True, exist_ok=True)
    url, store = f"http://127.0.0.1:{port or free_port()}", f"http://127.0.0.1:{free_port()}"
    key = key or exchange_key()
    own = _configure(program, directory, url, store, key, configuration or {})
    environment = {**os.environ, **own, **variables}
    processes = []
    try:
        moto = ["-m", "moto.server", "-H", "127.0.0.1", "-p", store.rsplit(":", 1)[1]]
        processes.append(_start(program, moto, environment, directory / "store.log"))
        _wait(store, processes[-1], directory / "store.log")
        factory = f"{application.stem}:create_app"
        words = ["-m", "uvicorn", "--factory", factory, "--app-dir", str(application.parent)]
        words += ["--host", "127.0.0.1", "--port", url.rsplit(":", 1)[1], "--no-access-log"]
        processes.append(_start(program, words, environment, directory / "server.log"))
        _wait(f"{url}/api/health/startup", processes[-1], directory / "server.log")
        yield Diracx(url, directory, key)
    finally:
        for process in reversed(processes):
            process.kill()  # nothing of it is to be kept
            process.wait()


def registry(groups: Mapping[str, tuple[list[str], list[str]]]) -> dict[str, object]:
    """The VO, its users, and its groups with their properties and members."""
    return {
        VO: {
            "DefaultGroup": "biomed_user",
            "IdP": {"URL": "http://127.0.0.1:9", "ClientID": "tests"},
            "Users": {subject: {"PreferedUsername": user} for user, subject in USERS.items()},
            "Groups": {
                group: {"Properties": properties, "Users": [USERS[user] for user in users]}
                for group, (properties, users) in groups.items()
            },
        }
    }


def _configure(
    program: Path, directory: Path, url: str, store: str, key: str, other: Mapping[str, object]
) -> dict[str, str]:
    """Write the server's files; gives its environment."""
    operations = {"Defaults": {"SoftwareDistModule": ""}}
    configuration = {"DIRAC": {}, "Operations": operations, "Registry": registry(GROUPS), **other}
    (directory / "cs").mkdir()
    (directory / "db").mkdir()
    (directory / "cs" / "default.yml").write_text(yaml.safe_dump(configuration))
    made = json.loads(_run([str(program), "-c", _SETUP, str(directory)]))
    s3 = {"endpoint_url": store, "aws_access_key_id": "tests", "aws_secret_access_key": "tests"}
    database = f"sqlite+aiosqlite:///{directory}/db"
    return {
        "DIRACX_CONFIG_BACKEND_URL": f"git+file://{directory}/cs",
        "DIRACX_SERVICE_AUTH_TOKEN_KEYSTORE": f"file://{directory}/jwks.json",
        "DIRACX_SERVICE_AUTH_STATE_KEY": made["state_key"],
        "DIRACX_SERVICE_AUTH_TOKEN_ISSUER": url,
        "DIRACX_SERVICE_AUTH_ALLOWED_REDIRECTS": json.dumps([f"{url}/docs/oauth2-redirect"]),
        "DIRACX_LEGACY_EXCHANGE_HASHED_API_KEY": hashlib.sha256(base64.urlsafe_b64decode(key)).hexdigest(),
        "DIRACX_SANDBOX_STORE_BUCKET_NAME": "sandboxes",
        "DIRACX_SANDBOX_STORE_AUTO_CREATE_BUCKET": "true",
        "DIRACX_SANDBOX_STORE_S3_CLIENT_KWARGS": json.dumps(s3),
        **{f"DIRACX_DB_URL_{name.upper()}": f"{database}/{name.lower()}.db" for name in made["sql"]},
        **{
            f"DIRACX_OS_DB_{name.upper()}": json.dumps({"sqlalchemy_dsn": f"{database}/{name.lower()}.db"})
            for name in made["os"]
        },
    }


def _start(
    program: Path, words: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:  # it ends when this process dies
        return subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", str(program), *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment,
        )


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300  # beside other tests
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{url} did not start: {log.read_text()[-800:]}")


@contextmanager
def start_site(server: Diracx, directory: Path, *words: str) -> Iterator[None]:
    """A site that runs the server's jobs on this machine, in a process of its own."""
    pilot = server.credential(group="biomed_pilot")
    command = [
        sys.executable,
        "-m",
        "tests.services.localsite.grid_site",
        "--url",
        server.url,
        "--credential",
        str(pilot),
    ]
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "site.log").open("wb") as log:
        process = subprocess.Popen(
            [
                "setpriv",
                "--pdeathsig=TERM",
                *command,
                "--scratch",
                str(directory / "jobs"),
                "--heartbeat",
                "1.1",
                *words,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait()
