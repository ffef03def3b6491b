"""A certificate authority of a grid that does not exist, with a host, a user, and the user's VOMS proxy."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.services.debian import require

_AUTHORITY = "/DC=test/CN=Test Grid CA"
_POLICY = """\
access_id_CA   X509  '{authority}'
pos_rights     globus  CA:sign
cond_subjects  globus  '"/DC=test/*" "*"'
"""
_SUBJECTS = {
    "host": "/DC=test/CN=localhost",
    "voms": "/DC=test/CN=voms.localhost",
    "user": "/DC=test/O=lab/CN=Alice Robot",
}
_HOST = (
    "subjectAltName=DNS:localhost,DNS:*.example.org,IP:127.0.0.1\n"
    "keyUsage=critical,digitalSignature,keyEncipherment\n"
)
_VOMS = "subjectAltName=DNS:voms.localhost\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
_USER = "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=clientAuth\n"


@dataclass(frozen=True)
class Pki:
    """Files of the authority, all in one directory."""

    directory: Path

    @property
    def authorities(self) -> Path:
        """A directory as in X509_CERT_DIR."""
        return self.directory / "ca"

    @property
    def voms(self) -> Path:
        """A directory as in X509_VOMS_DIR."""
        return self.directory / "vomsdir"

    @property
    def authority(self) -> Path:
        """The authority's certificate."""
        return self.directory / "ca.pem"

    @staticmethod
    def subject(name: str) -> str:
        """The distinguished name of `host`, `voms` or `user`."""
        return _SUBJECTS[name]

    def proxy(self, name: str = "proxy.pem", *, vo: str = "biomed", hours: int = 48) -> Path:
        """A new proxy of the user, a member of this virtual organisation."""
        proxy = self.directory / name
        options = {
            "-cert": "user.pem",
            "-key": "user.key",
            "-certdir": "ca",
            "-hostcert": "voms.pem",
            "-hostkey": "voms.key",
            "-voms": vo,
            "-fqan": f"/{vo}/Role=NULL/Capability=NULL",
            "-uri": "voms.localhost:15000",
            "-hours": str(hours),
            "-bits": "2048",
            "-out": str(proxy),
        }
        words = [word for pair in options.items() for word in pair]
        _run([require("voms-proxy-fake"), "-rfc", *words], self.directory)
        return proxy


def make_pki(directory: Path) -> Pki:
    """Make everything in an empty directory."""
    pki = Pki(directory)
    (pki.voms / "biomed").mkdir(parents=True)
    pki.authorities.mkdir()
    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", _AUTHORITY]
    uses = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
    extensions = [word for use in uses for word in ("-addext", use)]
    _openssl([*new, "-keyout", "ca.key", "-out", "ca.pem", *extensions], directory)
    _issue(directory, "host", _HOST + "extendedKeyUsage=serverAuth,clientAuth\n")
    _issue(directory, "voms", _VOMS)
    _issue(directory, "user", _USER)
    for kind in ("-subject_hash", "-subject_hash_old"):
        name = _openssl(["x509", "-in", "ca.pem", "-noout", kind], directory).strip()
        (pki.authorities / f"{name}.0").write_bytes(pki.authority.read_bytes())
        (pki.authorities / f"{name}.signing_policy").write_text(_POLICY.format(authority=_AUTHORITY))
    (pki.voms / "biomed/voms.localhost.lsc").write_text(f"{_SUBJECTS['voms']}\n{_AUTHORITY}\n")
    return pki


def _issue(directory: Path, name: str, extensions: str) -> None:
    (directory / f"{name}.ext").write_text(extensions)
    new = ["req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr"]
    _openssl([*new, "-subj", _SUBJECTS[name]], directory)
    sign = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
    _openssl([*sign, "-days", "20", "-out", f"{name}.pem", "-extfile", f"{name}.ext"], directory)
    (directory / f"{name}.key").chmod(0o600)


def _openssl(words: Sequence[str], directory: Path) -> str:
    return _run([require("openssl"), *words], directory)


def _run(command: Sequence[str], directory: Path) -> str:
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ran.returncode:
        raise RuntimeError(f"{command[0]} {command[1]}: {(ran.stderr or ran.stdout).strip()[-500:]}")
    return ran.stdout
