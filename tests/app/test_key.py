"""The engine's key is made once, is its owner's alone, and signs for one purpose at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.app.access import tokens
from engine.app.access.key import Key, load_key
from engine.app.access.paths import BadPath, below, encoded, segments
from engine.app.access.tokens import VERBS, TokenScope
from engine.errors import SettingsError, Unavailable

KEY = Key(b"k" * 32)


def test_engines_that_start_at_once_make_one_key(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: load_key(path), range(16)))
    assert len({key.sign("x", "y") for key in keys}) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["key"]


def test_two_keys_are_different(tmp_path: Path) -> None:
    assert load_key(tmp_path / "a").sign("x", "y") != load_key(tmp_path / "b").sign("x", "y")


@pytest.mark.parametrize("text", ["", "nonsense", "ab", "zz" * 32, "é" * 64])
def test_something_else_is_no_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(SettingsError, match="not a key of the engine"):
        load_key(tmp_path / "key")


def test_a_place_where_none_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="file/key"):
        load_key(tmp_path / "file" / "key")


def test_a_key_does_not_show_itself(tmp_path: Path) -> None:
    key = load_key(tmp_path / "key")
    assert (tmp_path / "key").read_text().strip() not in repr(key) + str(key)


def test_a_signature_is_good_for_one_purpose_and_text() -> None:
    signature = KEY.sign("claim", "A")
    assert KEY.signed("claim", "A", signature)
    for purpose, text, given_ in (("token", "A", signature), ("claim", "B", signature), ("claim", "A", "é")):
        assert not KEY.signed(purpose, text, given_)


names = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=40).filter(
    lambda n: n not in (".", "..")
)


@given(
    st.lists(names, max_size=5), st.sets(st.sampled_from(VERBS)), st.integers(0, 10**10), st.text(max_size=30)
)
def test_a_token_says_again_what_was_said(path: list[str], verbs: set[str], end: int, attempt: str) -> None:
    leave = TokenScope(tuple(path), frozenset(verbs), float(end), attempt)
    token = tokens.mint(KEY, leave)
    assert token.isascii()
    assert tokens.read(KEY, token, now=end - 1) == leave
    assert tokens.read(KEY, token, now=end) is None
    assert tokens.read(Key(b"l" * 32), token, now=0) is None


@given(st.text(max_size=60))
def test_nonsense_is_no_token(text: str) -> None:
    assert tokens.read(KEY, text, now=0) is None


def test_a_token_that_is_changed_anywhere_is_none() -> None:
    token = tokens.mint(KEY, TokenScope(("e",), frozenset(VERBS), 10.0))
    for at in range(len(token)):
        changed = "A" if token[at] != "A" else "B"
        other = token[:at] + changed + token[at + 1 :]
        assert tokens.read(KEY, other, now=0) is None


@given(st.lists(names.filter(lambda n: len(n.encode("utf-8", "surrogatepass")) <= 255), max_size=5))
def test_a_path_comes_back_as_it_was(path: list[str]) -> None:
    clean = tuple(name for name in path if name.isprintable())
    assert segments(encoded(clean).encode()) == clean


@given(st.binary(max_size=60))
def test_a_path_never_leads_upwards(raw: bytes) -> None:
    try:
        found = segments(raw)
    except BadPath:
        return
    assert not [part for part in found if part in ("", ".", "..") or "/" in part or "\0" in part]


@pytest.mark.parametrize(
    ("url", "base", "found"),
    [
        ("https://X.example/a/b/c", "https://x.example/a", ("b", "c")),
        ("https://x.example/a//b", "https://x.example/a/", ("b",)),
        ("https://x.example/a", "https://x.example/a", ()),
        ("https://x.example/ab", "https://x.example/a", None),
        ("http://x.example/a/b", "https://x.example/a", None),
        ("https://x.example:444/a/b", "https://x.example/a", None),
        ("https://user@x.example/a/b", "https://x.example/a", None),
        ("https://x.example/%61/b", "https://x.example/a", ("b",)),
    ],
)
def test_what_is_below_a_url(url: str, base: str, found: tuple[str, ...] | None) -> None:
    assert below(url, base) == found


def test_a_path_that_climbs_is_below_nothing() -> None:
    for path in ("a/../../x", "a/%2e%2e/x", "a/%2E./x", "a/b%2Fc", "a/%00"):
        with pytest.raises(BadPath):
            below(f"https://x.example/{path}", "https://x.example/a")
