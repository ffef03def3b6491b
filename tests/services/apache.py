"""Apache with mod_dav: uploads are atomic, directories must be made first, and there are no checksums."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.debian import require
from tests.services.programs import Program, connects, give, own_directory, started
from tests.services.registry import free_port

_CONFIGURATION = """\
ServerRoot {directory}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {directory}/httpd.pid
ErrorLog {directory}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dav_module {modules}/mod_dav.so
LoadModule dav_fs_module {modules}/mod_dav_fs.so
LoadModule dav_lock_module {modules}/mod_dav_lock.so
DavLockDB {directory}/locks/DavLock
DocumentRoot {directory}/files
AllowEncodedSlashes NoDecode
<Directory {directory}/files>
  Dav On
  Require all granted
</Directory>
"""


@dataclass(frozen=True)
class Apache:
    """A running server."""

    url: str
    files: Path
    """Where its files are on this machine."""
    program: Program


@contextmanager
def start_apache() -> Iterator[Apache]:
    """Run Apache until the end of the block."""
    modules = Path(require("/usr/lib/apache2/modules/mod_dav.so")).parent
    apache = require("apache2", "apache2-bin")
    with own_directory("apache") as directory:
        port = free_port()
        for name in ("files", "locks"):
            (directory / name).mkdir()
            give(directory / name)
        configuration = directory / "apache.conf"
        configuration.write_text(_CONFIGURATION.format(directory=directory, port=port, modules=modules))
        program = Program(
            [apache, "-f", str(configuration), "-DFOREGROUND"], directory / "log", lambda: connects(port)
        )
        with started(program):
            _write_once(port)
            yield Apache(f"http://127.0.0.1:{port}", directory / "files", program)


def _write_once(port: int) -> None:
    """Have it make its database of locks: whoever writes at the same time as the first one waits a second."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        for method in ("PUT", "DELETE"):
            connection.request(method, "/first", b"" if method == "PUT" else None)
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"Apache: {method}: status {answer.status}")
    finally:
        connection.close()
