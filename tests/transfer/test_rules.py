"""Rules that hold for whatever is given: redaction, resuming, digests, tars, waiting."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wrappers import wire
from wrappers.transfer import cache, digest
from wrappers.transfer.breaker import Breaker, storage_of
from wrappers.transfer.budget import Budget
from wrappers.transfer.checksums import BackgroundHasher, Hasher
from wrappers.transfer.errors import (
    NotHere,
    OutOfTime,
    Permanent,
    TransferError,
    Transient,
    of_status,
    retry_after,
)
from wrappers.transfer.http import content_range
from wrappers.transfer.part import Expected, Part
from wrappers.transfer.redact import redact
from wrappers.transfer.rounds import Exhausted, Pace, Rounds
from wrappers.transfer.tree import TarSource, unpack

pytestmark = pytest.mark.whole

SECRETS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGH0123456789-_.~%+", min_size=8, max_size=60).map(
    lambda text: "S3CRET" + text
)
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40)


@example("BEARER", "S3CRET00000000", "https", "")
@given(WORDS, SECRETS, st.sampled_from(["https", "dav", "s3", "root", "girder"]), WORDS)
def test_no_query_login_or_token_is_left(before: str, secret: str, scheme: str, after: str) -> None:
    for text in (
        f"{scheme}://host/path?X-Amz-Signature={secret}",
        f"{scheme}://user:{secret}@host:8443/path",
        f"{scheme}://{secret}@host/path#{secret}",
        f"Authorization: Bearer {secret}",
        f'"Girder-Token": "{secret}"',
        f"authorization=basic {secret}",
        f"a bearer {secret}",
    ):
        assert "S3CRET" not in redact(f"{before} {text} {after}")


@given(WORDS)
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "file:///a?b#c@d",
        "GET https://host/a%20b: status 404",
        "user@host said no",
        "root://host//a/b",
        "bearer of news",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_errors_are_one_redacted_line() -> None:
    assert str(TransferError("no\n  such https://a:b@c/d?e=f")) == "no such https://c/d?..."


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.one_of(st.none(), st.integers(0, 10**12)))
def test_a_content_range_is_read_as_it_was_meant(first: int, last: int, size: int | None) -> None:
    text = f"bytes {first}-{last}/{'*' if size is None else size}"
    if first <= last and (size is None or last < size):
        assert content_range(text) == (first, size)
    else:
        with pytest.raises(Transient):
            content_range(text)


@given(st.text(max_size=30))
def test_what_is_no_content_range_is_refused(text: str) -> None:
    try:
        first, size = content_range(text)
    except Transient:
        return
    assert text.strip().startswith(f"bytes {first}-") or text.strip().startswith("bytes 0")
    assert size is None or size > first


@given(
    st.binary(min_size=1, max_size=500),
    st.lists(st.integers(0, 500), max_size=6),
    st.booleans(),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_pieces_from_any_replicas_make_the_file_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cuts: list[int], known: bool, other: list[bool]
) -> None:
    path = tmp_path_factory.mktemp("part") / "file"
    sums = {"sha256": hashlib.sha256(data).hexdigest()} if known else {}
    with Part(str(path), Expected(len(data), sums)) as part:
        for cut, elsewhere in zip([*cuts, len(data)], [*other, False], strict=False):
            url = "http://b/x" if elsewhere else "http://a/x"
            offset = part.size if part.may_resume(url) else 0
            assert offset <= len(data)
            assert part.begin(url, "v1", offset)
            part.write(memoryview(data[offset : max(offset, min(cut, len(data)))]))
        offset = part.size if part.may_resume("http://a/x") else 0
        assert part.begin("http://a/x", "v1", offset)
        part.write(memoryview(data[offset:]))
        assert part.verify("http://a/x")["sha256"] == hashlib.sha256(data).hexdigest()
    assert path.read_bytes() == data


def test_what_does_not_follow_is_not_joined(tmp_path: Path) -> None:
    with Part(str(tmp_path / "file"), Expected()) as part:
        assert part.begin("http://a/x", "v1", 0)
        part.write(memoryview(b"abc"))
        assert not part.begin("http://a/x", "v1", 2)
        assert not part.begin("http://a/x", "v2", 3)
        assert not part.begin("http://b/x", "v1", 3)
        assert part.begin("http://a/x", "v1", 3)


@given(st.binary(max_size=100))
def test_checksums_are_understood_however_they_are_written(data: bytes) -> None:
    md5, sha256, adler = hashlib.md5(data), hashlib.sha256(data), f"{zlib.adler32(data):08x}"
    wanted = {"adler32": adler, "md5": md5.hexdigest(), "sha256": sha256.hexdigest()}
    for text in (
        f"adler32={adler},md5={_base64(md5.digest())},SHA-256={_base64(sha256.digest())}",
        f"ADLER32={adler.lstrip('0') or '0'}, md5={md5.hexdigest()}, sha-256={sha256.hexdigest()}",
        f"adler32={adler}, md5={_base64(md5.hexdigest().encode())}, sha-256=:{_base64(sha256.digest())}:",
    ):
        assert digest.parse_digests({"digest": text}) == wanted
    assert digest.of_etag({"etag": f'"{md5.hexdigest()}"'}) == {"md5": md5.hexdigest()}
    assert digest.of_etag({"etag": f'"{md5.hexdigest()}-2"'}) == {}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@given(st.text(max_size=60))
def test_any_header_is_read_without_an_error(text: str) -> None:
    for algorithm, value in digest.parse_digests({"digest": text, "repr-digest": text}).items():
        assert len(value) == {"adler32": 8, "md5": 32, "sha256": 64}[algorithm]


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_hashing_in_a_thread_gives_the_same(pieces: list[bytes]) -> None:
    import wrappers.transfer.checksums as checksums

    plain = Hasher(["sha256", "adler32", "md5"])
    before, checksums._WORTH_A_THREAD = checksums._WORTH_A_THREAD, 10
    try:
        with BackgroundHasher(["sha256", "adler32", "md5"]) as other:
            for piece in pieces:
                plain.update(piece)
                other.update(piece)
            assert other.results() == plain.results()
            assert other.size == plain.size
    finally:
        checksums._WORTH_A_THREAD = before


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60
).filter(lambda name: name not in (".", ".."))


@given(st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5), st.lists(NAMES, max_size=2))
def test_a_tree_comes_out_of_its_tar_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], empty: list[str]
) -> None:
    top = tmp_path_factory.mktemp("tree")
    (top / "in").mkdir()
    (top / "in" / "d").mkdir()
    placed = [(f"d/{name}", top / "in" / "d" / name, data) for name, data in files.items()]
    for _, path, data in placed:
        path.write_bytes(data)
    directories = ["d", *sorted({f"d/{name}" for name in empty} - {name for name, _, _ in placed})]
    source = TarSource(directories, [(name, str(path)) for name, path, _ in placed])
    packed = b"".join(map(bytes, source.pieces()))
    assert len(packed) == source.size
    assert source.sums()["sha256"] == hashlib.sha256(packed).hexdigest()
    (top / "t.tar").write_bytes(packed)
    held = unpack(str(top / "t.tar"), str(top / "out"))
    assert {name: (top / "out" / name).read_bytes() for name, _ in held.sums} == {
        name: data for name, _, data in placed
    }
    assert all((top / "out" / name).is_dir() for name in directories)
    with tarfile.open(fileobj=io.BytesIO(packed)) as other:  # anybody's tar reads it
        assert len(other.getnames()) == len(directories) + len(placed)


def test_the_tar_of_a_tree_with_long_names_and_large_files(tmp_path: Path) -> None:
    name = "/".join(["x" * 250] * 3)
    path = tmp_path / "data"
    path.write_bytes(bytes(3_000_000))
    path.chmod(0o755)
    source = TarSource([], [(name, str(path)), ("small", str(path))])
    packed = tmp_path / "t.tar"
    packed.write_bytes(b"".join(map(bytes, source.pieces())))
    unpack(str(packed), str(tmp_path / "out"))
    assert (tmp_path / "out" / name).stat().st_mode & 0o100
    assert (tmp_path / "out" / "small").read_bytes() == bytes(3_000_000)


def test_statuses_have_their_kinds() -> None:
    headers = {"retry-after": "7"}
    busy = of_status(503, headers, "GET x")
    assert isinstance(busy, Transient)
    assert busy.retry_after == 7.0
    assert isinstance(of_status(404, {}, "x"), NotHere)
    assert isinstance(of_status(507, {}, "x"), Permanent)
    date = of_status(503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "x")
    assert isinstance(date, Transient)
    assert date.retry_after == 0.0
    assert retry_after("\u00b2") == 0.0  # a digit to Python, and no number


def test_a_storage_that_keeps_failing_is_left_alone_by_all_files() -> None:
    breaker = Breaker(failures=3, rest=60.0)
    url, other = "https://a:1/x", "https://b/x"
    for _ in range(3):
        assert breaker.wait(url) == 0.0
        breaker.failed(url)
    assert breaker.wait("https://a:1/another") > 50.0
    assert breaker.wait(other) == 0.0
    breaker.succeeded("https://a:1/third")
    assert breaker.wait(url) == 0.0
    assert storage_of("https://user:x@host:1/path") == "https://host:1"


def test_who_asks_for_patience_gets_it_while_others_are_tried() -> None:
    tried: list[wire.Tried] = []
    calls: list[str] = []

    def attempt(url: str) -> str:
        calls.append(url)
        if url == "http://a":
            raise Transient("busy", retry_after=3600.0)
        if calls.count("http://b") < 3:
            raise Transient("not yet")
        return url

    rounds = Rounds(Pace(5, 0.001), Budget(5.0), Breaker())
    assert rounds.first(["http://a", "http://b"], attempt, lambda: 0, tried) == "http://b"
    assert calls == ["http://a", "http://b", "http://b", "http://b"]


def test_no_pause_goes_beyond_the_budget() -> None:
    def attempt(url: str) -> str:
        raise Transient("busy", retry_after=3600.0)

    with pytest.raises(OutOfTime):
        Rounds(Pace(3, 0.001), Budget(0.2), Breaker()).first(["http://a"], attempt, lambda: 0, [])


def test_nothing_to_try_is_an_error() -> None:
    with pytest.raises(Exhausted, match="no URL"):
        Rounds(Pace(), Budget(1.0), Breaker()).first([], str, lambda: 0, [])


@given(st.integers(1, 100))
def test_pauses_stay_within_their_bound(number: int) -> None:
    assert 0.0 <= Pace().pause(number) <= min(60.0, 2.0 * 2 ** (number - 1))


def test_contents_are_named_by_what_tells_them_apart() -> None:
    urls = ["https://a/x"]
    assert cache.key(Expected(3, {"sha256": "AB", "adler32": "1"}), urls) == "sha256-ab"
    assert cache.key(Expected(3, {"md5": "AB"}), urls) == "md5-ab"
    first = cache.key(Expected(3, {"adler32": "00000001"}), urls)
    assert first.startswith("adler32-00000001-3-")
    assert first != cache.key(Expected(3, {"adler32": "00000001"}), ["https://a/y"])
    assert cache.key(Expected(None, {"adler32": "00000001"}), urls) == ""
    assert cache.key(Expected(3), urls) == ""
