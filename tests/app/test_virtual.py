"""The virtual tree: no text leads out of what is an account's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.app.portal.carmin import CarminError
from engine.app.portal.virtual import Kind, bases, home_of, locate, locate_text, virtual_path
from engine.domain.account import Account, Membership

ANN = Account("A" * 26, "ann", groups=(Membership("G" * 26, "brain team"),))
OWN = (
    home_of(ANN.id),
    ("vip", "users", ANN.id, "trash"),
    ("vip", "users", ANN.id, "executions"),
    ("vip", "groups", "G" * 26),
)

piece = st.sampled_from(
    ["/", "//", "..", ".", "%2e", "%2f", "%00", "vip", "Home", "Executions", "a", "é", "brain team (group)"]
)
paths = st.one_of(st.lists(piece).map("".join), st.text())


@given(paths)
def test_no_text_leads_out(text: str) -> None:
    for find in (locate_text, lambda account, path: locate(account, path.encode("utf-8", "surrogatepass"))):
        try:
            found = find(ANN, text)
        except CarminError:
            continue
        assert found.kind is Kind.ABOVE or any(found.stored[: len(own)] == own for own in OWN)
        assert not {"", ".", ".."} & set(found.stored)
        assert not any("/" in part or "\0" in part for part in found.stored)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("/", Kind.ABOVE),
        ("/vip", Kind.ABOVE),
        ("/vip/Home", Kind.ROOT),
        ("/vip/Home/", Kind.ROOT),
        ("/vip/brain team (group)", Kind.ROOT),
        ("/vip/Home/a b/100%.txt", Kind.INSIDE),
        ("/vip/Executions/x/logs", Kind.INSIDE),
    ],
)
def test_kinds_of_places(text: str, kind: Kind) -> None:
    found = locate_text(ANN, text)
    assert found.kind is kind
    if kind is not Kind.ABOVE:
        assert virtual_path(bases(ANN), found.stored) == text.rstrip("/")


def test_what_belongs_to_others_is_told_to_nobody() -> None:
    assert virtual_path(bases(ANN), home_of("B" * 26)) is None
