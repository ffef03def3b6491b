"""nginx with its WebDAV modules: uploads are atomic, directories need a slash, and there are no checksums."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.debian import require
from tests.services.programs import Program, connects, give, own_directory, started
from tests.services.registry import free_port

_MODULE = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so"
_CONFIGURATION = """\
load_module {module};
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/incoming;
    proxy_temp_path {directory}/temp/p;
    fastcgi_temp_path {directory}/temp/f;
    uwsgi_temp_path {directory}/temp/u;
    scgi_temp_path {directory}/temp/s;
    sendfile on;
    client_max_body_size 0;
    keepalive_requests 100000;
    server {{
        listen 127.0.0.1:{port};
        root {directory}/files;
        location / {{
            dav_methods {methods};
            dav_ext_methods PROPFIND OPTIONS;
            create_full_put_path on;
            dav_access user:rw group:r all:r;
        }}
        location /private/ {{
            auth_basic "private";
            auth_basic_user_file {directory}/passwords;
            dav_methods PUT DELETE MKCOL COPY MOVE;
            dav_ext_methods PROPFIND OPTIONS;
            create_full_put_path on;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running server. Below `/private/` it wants user `alice`, password `secret`."""

    url: str
    files: Path
    """Where its files are on this machine."""
    program: Program
    access_log: Path


@contextmanager
def start_nginx(methods: str = "PUT DELETE MKCOL COPY MOVE") -> Iterator[Nginx]:
    """Run nginx until the end of the block; it lets whoever asks change files by these methods."""
    nginx = require("nginx")
    module = require(_MODULE)
    with own_directory("nginx") as directory:
        port = free_port()
        for name in ("files", "temp"):
            (directory / name).mkdir()
            give(directory / name)
        (directory / "passwords").write_text("alice:{PLAIN}secret\n")
        configuration = directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(module=module, directory=directory, port=port, methods=methods)
        )
        program = Program(
            [nginx, "-c", str(configuration)],
            log=directory / "log",
            answers=lambda: connects(port),
        )
        with started(program):
            yield Nginx(f"http://127.0.0.1:{port}", directory / "files", program, directory / "access.log")
