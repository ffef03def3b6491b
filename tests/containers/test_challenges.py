"""WWW-Authenticate headers, as servers really write them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrappers.containers.challenges import Challenge, parse

WORDS = st.text(string.ascii_lowercase + "-", min_size=1, max_size=8).filter(lambda word: word != "-")
VALUES = st.text(string.ascii_letters + string.digits + ':/?=&.,; "\\', max_size=20)
CHALLENGES = st.lists(
    st.builds(Challenge, WORDS, st.dictionaries(WORDS, VALUES, min_size=1, max_size=3)), max_size=3
)


def written(challenge: Challenge) -> str:
    pairs = [
        (name, value.replace("\\", "\\\\").replace('"', '\\"'))
        for name, value in challenge.parameters.items()
    ]
    return f"{challenge.scheme} " + ", ".join(f'{name}="{value}"' for name, value in pairs)


@given(CHALLENGES)
def test_what_is_written_by_the_standard_is_read_back(challenges: list[Challenge]) -> None:
    each = [written(challenge) for challenge in challenges]
    assert parse(", ".join(each)) == challenges


@given(st.text(max_size=60))
def test_any_text_is_read_to_its_end(text: str) -> None:
    assert all(challenge.scheme for challenge in parse(text))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Basic", [("basic", {})]),
        ("Negotiate, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        ("NTLM TlRMTVNTUAAB==, Basic realm=x", [("ntlm", {}), ("basic", {"realm": "x"})]),
        ('Bearer realm = "https://a/t" , service= y', [("bearer", {"realm": "https://a/t", "service": "y"})]),
        ('Bearer realm="x" service="y"', [("bearer", {"realm": "x", "service": "y"})]),
        ("Bearer realm=https://a/t?x=1&y=2", [("bearer", {"realm": "https://a/t?x=1&y=2"})]),
    ],
)
def test_looser_forms_are_read_too(header: str, found: list[tuple[str, dict[str, str]]]) -> None:
    assert parse(header) == [Challenge(*one) for one in found]
