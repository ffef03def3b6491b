"""Credentials are read from files of their owner's, again when they change, and never show themselves."""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import CredentialExpired, EngineError, SettingsError
from engine.ports import CredentialKind
from engine.storages.credentials import (
    ApiKey,
    Basic,
    BearerToken,
    CredentialFile,
    MadeToken,
    S3Keys,
    Secret,
    X509Proxy,
)
from engine.storages.expiry import expiry_of_proxy, expiry_of_token
from engine.testing.clock import FakeClock

pytestmark = pytest.mark.whole

SECRET = "s3cr3t-that-must-not-show"


def jwt(**fields: object) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, fields)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "." + SECRET


def own(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def certificate(directory: Path, days: int = 2) -> str:
    """PEM of a certificate and its key, as in a proxy."""
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=Grid/CN=somebody"]
    words += ["-days", str(days), "-keyout", str(directory / "key"), "-out", str(directory / "cert")]
    subprocess.run(words, check=True, capture_output=True)
    return (directory / "cert").read_text() + (directory / "key").read_text()


TEXTS: dict[CredentialKind, str] = {
    "token": SECRET,
    "basic": json.dumps({"username": "alice", "password": SECRET}),
    "s3": json.dumps({"access_key_id": "AK", "secret_access_key": SECRET}),
    "key": f"{SECRET}\n",
}


def test_each_kind_is_read_from_its_file(tmp_path: Path, clock: FakeClock) -> None:
    found = {
        kind: CredentialFile("c", kind, own(tmp_path / kind, text), clock).current()
        for kind, text in TEXTS.items()
    }
    token, basic, s3, key = found["token"], found["basic"], found["s3"], found["key"]
    assert isinstance(token, BearerToken)
    assert token.value.reveal() == SECRET
    assert isinstance(basic, Basic)
    assert (basic.username, basic.password.reveal()) == ("alice", SECRET)
    assert isinstance(s3, S3Keys)
    assert (s3.access_key_id, s3.secret_access_key.reveal()) == ("AK", SECRET)
    assert isinstance(key, ApiKey)
    assert key.value.reveal() == SECRET


@pytest.mark.parametrize("kind", TEXTS)
def test_no_secret_shows_itself(kind: CredentialKind, tmp_path: Path, clock: FakeClock) -> None:
    file = CredentialFile("c", kind, own(tmp_path / "c", TEXTS[kind]), clock)
    credential = file.current()
    shown = [repr(file), str(file), repr(credential), str(credential), f"{credential}", repr(vars(file))]
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize("kind", ["basic", "s3", "token", "key", "proxy"])
def test_a_file_with_something_else_is_refused_without_quoting_it(
    kind: CredentialKind, tmp_path: Path, clock: FakeClock
) -> None:
    for text in (
        f"{SECRET} {SECRET}",
        "",
        f'{{"{SECRET}": 1}} x',
        f'{{"username": "{SECRET}"}} x',
        "\x00 \xff",
    ):
        file = CredentialFile("mine", kind, own(tmp_path / "c", text), clock)
        with pytest.raises(SettingsError, match="mine") as caught:
            file.current()
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        assert str(tmp_path / "c") in str(caught.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path, clock: FakeClock) -> None:
    path = own(tmp_path / "c", SECRET)
    file = CredentialFile("mine", "token", path, clock)
    file.current()
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        file.current()


def test_what_is_no_file_is_refused_at_once(tmp_path: Path, clock: FakeClock) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "nothing"):
        with pytest.raises(SettingsError, match=path.name):
            CredentialFile("mine", "token", path, clock).current()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path, clock: FakeClock) -> None:
    path = own(tmp_path / "c", SECRET)
    os.chown(path, 12345, 12345)
    with pytest.raises(SettingsError, match="somebody else"):
        CredentialFile("mine", "token", path, clock).current()


def test_a_renewed_file_counts_from_the_next_use_on(tmp_path: Path, clock: FakeClock) -> None:
    path = own(tmp_path / "c", jwt(exp=clock.now() + 60))
    file = CredentialFile("mine", "token", path, clock)
    assert file.seconds_left() == 60
    file.current()
    clock.advance(60)
    with pytest.raises(CredentialExpired, match="mine") as caught:
        file.current()
    assert caught.value.exit_code == 4
    assert SECRET not in str(caught.value)
    own(path, jwt(exp=clock.now() + 3600))
    assert file.seconds_left() == 3600
    file.current()


def test_a_proxy_ends_with_the_first_of_its_certificates(tmp_path: Path, clock: FakeClock) -> None:
    for name in ("short", "long"):
        (tmp_path / name).mkdir()
    short, long = certificate(tmp_path / "short", 1), certificate(tmp_path / "long", 20_000)
    words = ["openssl", "x509", "-noout", "-enddate", "-in", str(tmp_path / "short/cert")]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    end = datetime.strptime(said, "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC).timestamp()
    assert expiry_of_proxy(long + short) == expiry_of_proxy(short + long) == end
    assert expiry_of_proxy(long) > datetime(2050, 1, 1, tzinfo=UTC).timestamp()  # written in another form
    proxy = CredentialFile("mine", "proxy", own(tmp_path / "proxy", short + long), clock)
    clock.set(end - 1)
    assert isinstance(proxy.current(), X509Proxy)
    clock.set(end)
    with pytest.raises(CredentialExpired, match="voms-proxy-init"):
        proxy.current()


def test_a_certificate_without_its_key_is_no_proxy(tmp_path: Path, clock: FakeClock) -> None:
    pem = certificate(tmp_path)
    with pytest.raises(ValueError, match="key"):
        expiry_of_proxy(pem.partition("-----BEGIN PRIVATE KEY")[0])


@given(st.binary(max_size=400))
def test_nonsense_in_a_certificate_is_an_error_of_value(data: bytes) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"
    text = base64.encodebytes(data).decode()
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, it is not quoted to anybody
        expiry_of_proxy(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n{key}")


@given(st.text(max_size=80))
def test_a_token_that_is_no_jwt_has_no_end(text: str) -> None:
    assert expiry_of_token(text) == float("inf")


@pytest.mark.parametrize("end", ["soon", None, True, [1], 10**400])
def test_an_end_that_is_no_time_is_none(end: object) -> None:
    assert expiry_of_token(jwt(exp=end)) == float("inf")


def test_a_token_of_our_own_making_is_made_anew_before_it_ends(clock: FakeClock) -> None:
    made: list[str] = []

    def make() -> tuple[str, float]:
        made.append(f"{SECRET}-{len(made)}")
        return made[-1], clock.now() + 3600

    token = MadeToken("engine", make, clock)
    first = token.current()
    assert isinstance(first, BearerToken)
    assert token.current() is first
    clock.advance(3590)
    second = token.current()
    assert isinstance(second, BearerToken)
    assert (first.value.reveal(), second.value.reveal()) == (made[0], made[1])
    assert SECRET not in repr(token) + repr(first)


def test_a_secret_does_not_leave_in_a_pickle() -> None:
    with pytest.raises((TypeError, EngineError, pickle.PicklingError)):
        pickle.dumps(Secret(SECRET))
