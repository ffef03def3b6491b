"""Storage elements as a grid has them: XRootD with VOMS proxies or tokens, and XRootD behind a redirector."""

from __future__ import annotations

import shutil
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import issuer
from tests.services.debian import require
from tests.services.issuer import Issuer
from tests.services.pki import Pki, make_pki
from tests.services.programs import Program, give, own_directory, started
from tests.services.registry import free_port
from tests.services.xrootd import answers, isolated, ordinary

_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""The only authorities that libscitokens trusts."""
_ELEMENT = """\
all.role server
all.export /
oss.localroot {directory}/files
all.adminpath {directory}/admin
all.pidpath {directory}/run
xrd.port {port}
xrd.network nodnr norpipa
xrd.tls {directory}/host.pem {directory}/host.key
xrd.tlsca certdir {pki}/ca
xrootd.seclib libXrdSec.so
sec.protocol gsi -dlgpxy:1 -exppxy:=creds -certdir:{pki}/ca \
-cert:{directory}/host.pem -key:{directory}/host.key \
-gmapopt:10 -gmapto:0 -vomsat:1 -vomsfun:libXrdVoms.so -crl:0
sec.protbind * gsi
xrd.protocol XrdHttp:{https} libXrdHttp.so
http.secxtractor libXrdVoms.so
http.header2cgi Authorization authz
xrootd.chksum max 4 adler32 md5 crc32c
ofs.authorize 1
ofs.authlib ++ libXrdAccSciTokens.so config={directory}/scitokens.cfg
acc.authdb {directory}/authdb
"""
_TOKENS = """\
[Global]
audience = https://wlcg.cern.ch/jwt/v1/any
[Issuer test]
issuer = {issuer}
base_path = /biomed
"""
_MEMBER = """\
all.export /
all.adminpath {directory}/admin
all.pidpath {directory}/run
all.manager localhost:{cmsd}
xrd.network nodnr norpipa
oss.localroot {directory}/files
xrootd.chksum max 2 adler32
cms.delay startup 2 servers 1
cms.space min 1m 2m
all.role {role}
xrd.port {port} if exec xrootd
xrd.port {own_cmsd} if exec cmsd
if exec xrootd
xrd.protocol XrdHttp:{port} libXrdHttp.so
fi
"""


@dataclass(frozen=True)
class Element:
    """A storage element that wants credentials for `/biomed`."""

    https: str
    root: str
    pki: Pki
    issuer: Issuer
    program: Program


@contextmanager
def start_element() -> Iterator[Element]:
    """Run it, with its issuer of tokens beside it, until the end of the block."""
    for needed in ("/usr/lib/*/libXrdVoms-5.so", "/usr/lib/*/libXrdAccSciTokens-5.so"):
        require(needed)
    xrootd = require("xrootd")
    with own_directory("grid") as directory:
        (directory / "pki").mkdir(mode=0o755)
        pki = make_pki(directory / "pki")
        root_port, https_port, issuer_port = free_port(), free_port(), free_port()
        tokens = Issuer(directory, f"https://localhost:{issuer_port}/")
        _directories(directory, "files", "files/biomed", "admin", "run")
        for name in ("host.pem", "host.key"):
            shutil.copy(pki.directory / name, directory / name)
            give(directory / name)
        ports = {"port": root_port, "https": https_port}
        (directory / "element.cfg").write_text(
            _ELEMENT.format(directory=directory, pki=pki.directory, **ports)
        )
        (directory / "scitokens.cfg").write_text(_TOKENS.format(issuer=tokens.url))
        (directory / "authdb").write_text("g /biomed /biomed a\n")
        bundle = directory / "bundle.pem"
        bundle.write_bytes(pki.authority.read_bytes())
        documents = [str(directory / "documents"), str(directory / "host.pem"), str(directory / "host.key")]
        server = [sys.executable, str(Path(issuer.__file__)), str(issuer_port), *documents]
        element = [xrootd, "-c", str(directory / "element.cfg"), "-n", "se", "-I", "v4"]
        program = Program(
            isolated(
                [
                    ordinary(["env", "-C", str(Path(__file__).parents[2]), "PYTHONPATH=.", *server]),
                    ordinary([*element, "-l", str(directory / "log")]),
                ],
                [root_port, https_port, issuer_port],
                f"{bundle}:{_BUNDLE}",
            ),
            directory / "outer.log",
            lambda: _speaks_tls(https_port, pki),
            environment={"X509_CERT_DIR": str(pki.authorities), "X509_VOMS_DIR": str(pki.voms)},
            root=True,
        )
        with started(program):
            places = f"https://localhost:{https_port}/biomed", f"root://localhost:{root_port}//biomed"
            yield Element(*places, pki, tokens, program)


@contextmanager
def start_redirector() -> Iterator[str]:
    """Run a redirector with one server behind it; the http URL of the redirector."""
    xrootd, cmsd = require("xrootd"), require("cmsd", "xrootd-server")
    with own_directory("cluster") as directory:
        manager, manager_cmsd, member, member_cmsd = (free_port() for _ in range(4))
        roles = {"manager": (manager, manager_cmsd), "server": (member, member_cmsd)}
        commands = []
        for role, (port, own_cmsd) in roles.items():
            own = directory / role
            own.mkdir()
            _directories(own, "admin", "run", "files")
            text = _MEMBER.format(directory=own, role=role, port=port, own_cmsd=own_cmsd, cmsd=manager_cmsd)
            (own / "cluster.cfg").write_text(text)
            for daemon in (xrootd, cmsd):
                log = str(own / Path(daemon).name)
                words = [daemon, "-c", str(own / "cluster.cfg"), "-n", role, "-l", log, "-I", "v4"]
                commands.append(ordinary(words))
            give(own)
        program = Program(
            isolated(commands, [manager, member]),
            directory / "outer.log",
            lambda: answers(manager) and answers(member),
            root=True,
        )
        with started(program):
            yield f"http://127.0.0.1:{manager}"


def _directories(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).mkdir()
        give(directory / name)


def _speaks_tls(port: int, pki: Pki) -> bool:
    context = ssl.create_default_context(cafile=str(pki.authority))
    try:
        with (
            socket.create_connection(("localhost", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="localhost"),
        ):
            return True
    except OSError:
        return False
