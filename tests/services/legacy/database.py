"""MariaDB with DIRAC's databases, for one user with a password that nobody else knows."""

from __future__ import annotations

import getpass
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.debian import require
from tests.services.legacy.processes import Process, running
from tests.services.mariadb import make_data

_SCHEMAS = {
    "AccountingDB": "AccountingSystem/DB/AccountingDB.sql",
    "FileCatalogDB": "DataManagementSystem/DB/FileCatalogWithFkAndPsDB.sql",
    "JobDB": "WorkloadManagementSystem/DB/JobDB.sql",
    "JobLoggingDB": "WorkloadManagementSystem/DB/JobLoggingDB.sql",
    "PilotAgentsDB": "WorkloadManagementSystem/DB/PilotAgentsDB.sql",
    "ProxyDB": "FrameworkSystem/DB/ProxyDB.sql",
    "ReqDB": "RequestManagementSystem/DB/ReqDB.sql",
    "ResourceStatusDB": "ResourceStatusSystem/DB/ResourceStatusDB.sql",
    "SandboxMetadataDB": "WorkloadManagementSystem/DB/SandboxMetadataDB.sql",
    "TaskQueueDB": "WorkloadManagementSystem/DB/TaskQueueDB.sql",
}
"""Where DIRAC keeps its tables; what has no such file, or an empty one, makes its tables when it starts."""

DIRACX_ONLY = ("AuthDB", "TaskDB", "TransformationDB")
"""Databases of DiracX that DIRAC does not know."""

_STATUS = """\
CREATE TABLE IF NOT EXISTS ResourceStatusDB.{table} (
  Name VARCHAR(64) NOT NULL, StatusType VARCHAR(128) NOT NULL DEFAULT 'all',
  VO VARCHAR(64) NOT NULL DEFAULT 'all',
  Status VARCHAR(8) NOT NULL DEFAULT '', Reason VARCHAR(512) NOT NULL DEFAULT 'Unspecified',
  DateEffective DATETIME NOT NULL, TokenExpiration DATETIME NOT NULL DEFAULT '9999-12-31 23:59:59',
  ElementType VARCHAR(32) NOT NULL DEFAULT '', LastCheckTime DATETIME NOT NULL DEFAULT '1000-01-01 00:00:00',
  TokenOwner VARCHAR(16) NOT NULL DEFAULT 'rs_svc', PRIMARY KEY (Name, StatusType, VO));
"""
_ACTIVE = (
    "REPLACE INTO ResourceStatusDB.{table} (Name, StatusType, Status, DateEffective, ElementType)"
    " VALUES ('{name}', '{kind}', 'Active', NOW(), '{element}');\n"
)
_ANOTHER_DATABASE = re.compile(r"^\s*(use|drop database|create database|grant|flush|source)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Database:
    """A running MariaDB."""

    directory: Path
    port: int
    user: str = "dirac"
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def socket(self) -> Path:
        """For who may do everything: the system's user that started it."""
        return self.directory / "socket"

    def say(self, statements: str) -> str:
        """Run statements as the administrator; gives what they print."""
        command = [require("mariadb"), "--no-defaults", "--batch", "--skip-column-names"]
        done = subprocess.run(
            [*command, f"--user={getpass.getuser()}", f"--socket={self.socket}"],
            input=statements,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"MariaDB: {done.stderr.strip()[-500:]}")
        return done.stdout


@contextmanager
def start_database(directory: Path, port: int, dirac: Path) -> Iterator[Database]:
    """Run MariaDB until the end of the block. `dirac` is the package with the schemas."""
    directory.mkdir(mode=0o700)
    database, user = Database(directory, port), getpass.getuser()
    data = directory / "data"
    make_data(data, "--auth-root-authentication-method=socket", f"--auth-root-socket-user={user}")
    settings = {
        "datadir": data,
        "socket": database.socket,
        "pid-file": directory / "pid",
        "bind-address": "127.0.0.1",
        "port": port,
        "user": user,
        "innodb-flush-log-at-trx-commit": 0,  # nothing of it is to be kept
        "innodb-doublewrite": 0,
        "innodb-log-file-size": "32M",
        "max-connections": 300,
        "tmpdir": directory,
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [require("mariadbd"), "--no-defaults", *options]
    with running(Process("mariadb", command, directory / "log", lambda _: _answers(database))):
        database.say(_everything(database, dirac))
        yield database


def activate(database: Database, site: str, element: str, *storages: str) -> None:
    """Say that a site, its computing element and storage elements may be used."""
    rows = [("SiteStatus", site, "all", "Site"), ("ResourceStatus", element, "all", "ComputingElement")]
    access = ("ReadAccess", "WriteAccess", "CheckAccess", "RemoveAccess")
    rows += [("ResourceStatus", storage, kind, "StorageElement") for storage in storages for kind in access]
    tables = "".join(_STATUS.format(table=table) for table in ("SiteStatus", "ResourceStatus"))
    values = (dict(zip(("table", "name", "kind", "element"), row, strict=True)) for row in rows)
    database.say(tables + "".join(_ACTIVE.format(**value) for value in values))


def _everything(database: Database, dirac: Path) -> str:
    user = f"'{database.user}'@'127.0.0.1'"
    parts = [f"CREATE USER {user} IDENTIFIED BY '{database.password}';\n"]
    for name in (*_SCHEMAS, *DIRACX_ONLY):
        parts.append(f"CREATE DATABASE {name}; GRANT ALL ON {name}.* TO {user};\nUSE {name};\n")
        file = dirac / _SCHEMAS.get(name, "none")
        if file.exists():
            lines = file.read_text().splitlines()
            parts.append("\n".join(line for line in lines if not _ANOTHER_DATABASE.match(line)))
            parts.append("\nDELIMITER ;\n")
    return "".join(parts)


def _answers(database: Database) -> bool:
    try:
        return database.say("SELECT 1;").strip() == "1"
    except RuntimeError:
        return False
