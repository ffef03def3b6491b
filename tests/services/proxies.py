"""The reverse proxies of config/, as Debian has them, in front of a server on loopback; without TLS here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.services.debian import require
from tests.services.programs import Program, connects, give, own_directory, started
from tests.services.registry import free_port

CONFIG = Path(__file__).resolve().parents[2] / "config"
_ENGINE = "127.0.0.1:8420"
_CERTIFICATE = (" /etc/ssl/certs/portal.pem", "_key /etc/ssl/private/portal.key")
_MAIN = """\
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/temp/b;
    proxy_temp_path {directory}/temp/p;
    fastcgi_temp_path {directory}/temp/f;
    uwsgi_temp_path {directory}/temp/u;
    scgi_temp_path {directory}/temp/s;
{site}
}}
"""


@contextmanager
def nginx_before(port: int, changes: Mapping[str, str] | None = None) -> Iterator[int]:
    """The port of an nginx with config/nginx.conf; `changes` are made to that."""
    here = free_port()
    replaced = {_ENGINE: f"127.0.0.1:{port}", "listen 443 ssl;": f"listen 127.0.0.1:{here};"}
    replaced |= {f"ssl_certificate{line};": "" for line in _CERTIFICATE}
    site = _changed((CONFIG / "nginx.conf").read_text(), {**replaced, **(changes or {})})
    with own_directory("nginx") as directory:
        (directory / "temp").mkdir()
        give(directory / "temp")
        configuration = directory / "nginx.conf"
        configuration.write_text(_MAIN.format(directory=directory, site=site))
        command = [require("nginx"), "-c", str(configuration)]
        with started(Program(command, log=directory / "log", answers=lambda: connects(here))):
            yield here


@contextmanager
def haproxy_before(port: int, changes: Mapping[str, str] | None = None) -> Iterator[int]:
    """The port of an haproxy with config/haproxy.cfg; `changes` are made to that."""
    here = free_port()
    bind = "bind :443 ssl crt /etc/haproxy/portal.pem"
    text = (CONFIG / "haproxy.cfg").read_text()
    with own_directory("haproxy") as directory:
        configuration = directory / "haproxy.cfg"
        configuration.write_text(
            _changed(text, {_ENGINE: f"127.0.0.1:{port}", bind: f"bind 127.0.0.1:{here}", **(changes or {})})
        )
        command = [require("haproxy"), "-W", "-f", str(configuration)]
        with started(Program(command, log=directory / "log", answers=lambda: connects(here))):
            yield here


def _changed(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text
